"""Options that several commands have, those that are the settings of a run, and what they name."""

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final, get_args

import attrs
import typer

from fcnn.arguments.settings import MOST
from fcnn.cli.exit_codes import WRONG_USAGE, exit_codes, stop, wrong_usage
from fcnn.cli.progress import Bar
from fcnn.data import Dataset, load
from fcnn.layers.layer import Layer
from fcnn.runs.config import Config, configure
from fcnn.runs.model_by_name import model_by_name
from fcnn.runs.recipes import DEFAULT, RECIPES
from fcnn.runs.settings import Settings
from fcnn.runs.trained import Trained

RunArgument = Annotated[
    Path, typer.Argument(help="The folder of a finished run, or a file of save_model.")
]
DataOption = Annotated[
    str,
    typer.Option(
        "--data",
        help="mnist5k (embedded), mnist (all of it), synthetic (lines), "
        "a folder of IDX files or of pictures (a sub-folder for each class), or an .npz file.",
    ),
]
ModelOption = Annotated[
    str | None, typer.Option(help=attrs.fields(Settings).model.metadata["help"])
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        callback=lambda value: _checked_threads(value),
        help="Threads; by default all cores. Same bits either way.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")]
MpiOption = Annotated[
    bool,
    typer.Option(
        "--mpi", help="Train in all processes that mpiexec has started. Same bits either way."
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]

# The panels of a long help, in this order; other settings stand in Training, other options in Run.
PANELS: Final[Mapping[str, Sequence[str]]] = {
    "Data": ("data", "image_size", "validation_fraction"),
    "Network": ("model", "freeze"),
    "Training": ("recipe",),
    "Augmentation": ("augmentation",),
    "Run": ("seed",),
}


def _checked_threads(threads: int | None) -> int | None:
    if threads is not None and threads > MOST:
        with exit_codes():
            stop(ValueError(f"--threads is {threads}, expected at most {MOST:,}"), WRONG_USAGE)
    return threads


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """A command that takes `settings`, those that were typed by their names, as one that has an
    option for each field of `Settings` instead, and whose help is in panels.
    """
    options = {field.name: _option(field) for field in attrs.fields(Settings)}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        parameters += options.values() if parameter.name == "settings" else [parameter]
    parameters = sorted(map(_in_panel, parameters), key=lambda each: [*PANELS].index(_panel(each)))

    @wraps(command)
    def with_options(**values: Any) -> None:
        settings = {name: values.pop(name) for name in options}
        command(settings={k: v for k, v in settings.items() if v is not None}, **values)

    # What typer reads: the signature, and the types by name.
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {each.name: each.annotation for each in parameters}
    return with_options


def _option(field: "attrs.Attribute[Any]") -> inspect.Parameter:
    known = field.metadata
    name = known.get("option", f"--{field.name.replace('_', '-')}")
    typed: Any = field.type
    if isinstance(field.default, Mapping):
        typed = str
    elif isinstance(field.default, tuple):  # one text each time that it is typed
        typed = list[str]
    help_text = f"{known['help']} {_by_recipe(field.name)}".strip()
    option = typer.Option(
        name, min=known.get("least"), metavar=known.get("metavar"), help=help_text
    )
    annotation = Annotated[typed | None, option]
    return inspect.Parameter(
        field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


def _by_recipe(name: str) -> str:
    """What a setting is unless it is given: with the names of the recipes where they differ."""
    recipes: dict[str, list[str]] = {}
    for recipe in RECIPES.values():
        value = getattr(recipe.settings, name)
        if isinstance(value, Mapping):
            value = ", ".join(f"{key}={number:g}" for key, number in value.items()) or "none"
        recipes.setdefault(f"{value}", []).append(recipe.name)
    if len(recipes) == 1:
        return "" if value in (None, ()) else f"\\[default: {next(iter(recipes))}]"
    values = (f"{value} ({', '.join(names)})" for value, names in recipes.items())
    return f"\\[default: {'; '.join(values)}]"


def _panel(parameter: inspect.Parameter) -> str:
    for panel, names in PANELS.items():
        if parameter.name in names:
            return panel
    return "Training" if parameter.name in attrs.fields_dict(Settings) else "Run"


def _in_panel(parameter: inspect.Parameter) -> inspect.Parameter:
    """A parameter of a command whose option, if it has one, stands in its panel of the help."""
    kind, *known = get_args(parameter.annotation) or [parameter.annotation]
    if not known:
        return parameter
    option = copy.copy(known[0])
    option.rich_help_panel = _panel(parameter)
    return parameter.replace(annotation=Annotated[kind, option])


def numbers(option: str, text: str) -> dict[str, float]:
    """`a=1,b=2.5` as a dict of numbers, `none` as an empty one; ValueError for other texts."""
    if text == "none":
        return {}
    try:
        parts = [part.split("=") for part in text.split(",")]
        pairs = {name.strip(): float(value) for name, value in parts}
    except ValueError:
        raise ValueError(f"{option} is {text!r}, expected NAME=NUMBER,... or none") from None
    if len(pairs) < len(parts):
        raise ValueError(f"{option} is {text!r}: a name comes twice")
    return pairs


def refuse_beside(context: typer.Context, option: str, allowed: Sequence[str]) -> None:
    """ValueError if another option than those allowed was typed beside one."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        typed = source is not None and source.name != "DEFAULT"
        if typed and not {option, *allowed} & set(parameter.opts):
            raise ValueError(
                f"{option} takes the settings of the run; leave out {parameter.opts[0]}"
            )


def load_data(name: str, seed: int, bar: Bar, size: int | tuple[int, int] | None = None) -> Dataset:
    """Data by name; a bar shows the download, and pictures in folders are resized."""
    with wrong_usage():
        loaded = load(name, seed=seed, progress=bar.update, size=size)
    bar.close()
    return loaded


def load_data_for(trained: Trained, name: str, bar: Bar) -> Dataset:
    """Data by name, drawn and resized as it was for the run; pictures for a file have its size."""
    config, in_shape = trained.config, trained.saved.in_shape
    if config is not None:
        return load_data(name, config.seed, bar, config.image_size)
    size = (in_shape[1], in_shape[2]) if len(in_shape) == 3 else None
    return load_data(name, DEFAULT.settings.seed, bar, size)


def configured(data: str, model: str | None, bar: Bar) -> tuple[Config, Layer]:
    """A model on data, as `train` would have it."""
    loaded = load_data(data, DEFAULT.settings.seed, bar)
    with wrong_usage():
        given = {} if model is None else {"model": model}
        config = configure(data, loaded, DEFAULT, **given)
        return config, model_by_name(config.model, config.classes)
