"""What a run begins with: parameters drawn from its seed, or those that fit of another run, or of
a file of `save_model`.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from fcnn import tree
from fcnn.exchange.model_file import parameters_in
from fcnn.files.npz import Header
from fcnn.files.reading import home_expanded, read_regular
from fcnn.layers.layer import Layer
from fcnn.numerics import random_streams as streams
from fcnn.numerics.arrays import Array, freeze
from fcnn.runs.config import Config, RunError, read_config, run_errors
from fcnn.runs.folder import params_file
from fcnn.runs.model_by_name import model_by_name, telling_lines
from fcnn.tree import Tree
from fcnn.tree.description import form
from fcnn.tree.files import TreeFile, opened


@attrs.frozen(eq=False)
class Beginning:
    """The parameters that a run begins with; how many arrays of them are those of another, and a
    line for each array, of this run or the other, that is not.
    """

    params: Tree
    taken: int = 0
    misfits: list[str] = attrs.field(factory=list)


def initial_parameters(model: Layer, config: Config) -> Tree:
    """The parameters of `beginning`."""
    return beginning(model, config).params


def beginning(model: Layer, config: Config) -> Beginning:
    """What a run of a model begins with. Of another run, or a file, numbers are read, and no code
    is run.

    Raises RunError if they have changed since this one began.
    """
    drawn, _ = model.init(streams.generator(config.seed, streams.PARAMETERS), config.in_shape)
    if config.init is None:
        return Beginning(drawn)
    with run_errors(config.init):
        place = Path(config.init)
        path = _file_at(place)
        if _hash(path) != config.init_hash:
            raise RunError(f"{path} has changed since a run began with these parameters")
        with opened("tree.load", path) as file:
            return _with_what_fits(parameters_in(file) if path == place else file, drawn)


def _with_what_fits(file: TreeFile, drawn: Tree) -> Beginning:
    here = dict(tree.leaves_with_path(drawn))
    there = {place: file.header(place) for place in file.arrays}
    taken = {place for place in here if place in there and _fits(there[place], here[place])}

    def begun(place: str, leaf: Array) -> Array:
        return freeze(file.read(place).astype(leaf.dtype)) if place in taken else leaf

    misfits = [
        f"{place}: {_form(there, place)} there, {_form(here, place)} here"
        for place in dict.fromkeys([*here, *there])
        if place not in taken
    ]
    return Beginning(tree.map_with_path(begun, drawn), len(taken), misfits)


def beginning_of(config: Config) -> Beginning:
    """What a run begins with, by its config alone."""
    with telling_lines(config.model):
        return beginning(model_by_name(config.model, config.classes), config)


def begun_with(place: Path, config: Config) -> Config:
    """The config of a run that begins with the parameters of the run in a folder, or of a file of
    `save_model`, where they have the same paths and shapes. RunError if that run has not finished,
    it is no such file, or none of them fits.
    """
    place = Path(os.path.realpath(home_expanded(str(place))))
    if not os.path.isfile(place):
        read_config(place)
    with run_errors(place):
        config = attrs.evolve(config, init=str(place), init_hash=_hash(_file_at(place)))
    found = beginning_of(config)
    if not found.taken:
        raise RunError("\n  ".join([f"no parameter of {place} fits", *found.misfits]))
    return config


def _file_at(place: Path) -> Path:
    """The file of the parameters of a run in a folder, or of a model in a file."""
    return place if os.path.isfile(place) else params_file(place)


def _hash(path: Path) -> str:
    return hashlib.sha256(read_regular(path)).hexdigest()[:32]


def _fits(there: Header, here: Array) -> bool:
    return there.shape == here.shape and there.dtype.kind == here.dtype.kind == "f"


def _form(arrays: Mapping[str, Any], place: str) -> str:
    return form(arrays[place]) if place in arrays else "nothing"
