"""A trained network, wherever it lies: in the folder of a run, or in a file of `save_model`."""

import os
from functools import cached_property
from pathlib import Path

import attrs
import numpy as np

from fcnn.exchange.model_file import load_model
from fcnn.exchange.saved_model import SavedModel, dtype_of
from fcnn.layers.softmax import softmax_forward
from fcnn.losses.cross_entropy import cross_entropy, softmax_cross_entropy
from fcnn.losses.loss import Loss
from fcnn.networks.documents import ends_in_softmax
from fcnn.numerics.arrays import Array
from fcnn.runs.config import Config
from fcnn.runs.folder import Run, load_run
from fcnn.runs.model_by_name import ModelError, telling_lines
from fcnn.runs.plan import loss_of
from fcnn.training.inference import Evaluation, evaluate, predict


@attrs.frozen(eq=False, slots=False)
class Trained:
    """A network, where it lies, and the config of the run that it is of, if it is of one."""

    place: Path
    saved: SavedModel
    config: Config | None = None

    @property
    def name(self) -> str:
        """What the model is called: as in its run, or as it prints."""
        return repr(self.saved.model) if self.config is None else self.config.model

    @property
    def loss(self) -> Loss:
        """What it is evaluated by: what a run was trained with."""
        if self.config is not None:
            return loss_of(self.config)
        return cross_entropy if ends_in_softmax(self.saved.model) else softmax_cross_entropy

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """What the classes are called: by their numbers, if they have no names. ValueError if the
        outputs are not those of classes.
        """
        if self.config is not None:
            return self.config.class_names
        if self.saved.labels is not None:
            return self.saved.labels
        outputs = self.outputs(np.zeros((1, *self.saved.in_shape), np.float32))
        if outputs.ndim != 2:
            raise ValueError(
                f"{self.place}: the model gives outputs {outputs.shape[1:]}, expected a number "
                "for each class"
            )
        return tuple(map(str, range(outputs.shape[1])))

    def outputs(self, x: Array, threads: int | None = None) -> Array:
        """What the network gives for images."""
        saved = self.saved
        with telling_lines(self.name):
            return predict(saved.model, saved.params, self._in_its_dtype(x), threads=threads)

    def probabilities(self, x: Array, threads: int | None = None) -> Array:
        """Those of the classes (N, K), that the network sees in images. ModelError if its outputs
        are not finite.
        """
        outputs = self.outputs(x, threads)
        if not np.isfinite(outputs).all():
            raise ModelError(f"{self.place}: the network gives outputs that are not finite")
        return outputs if ends_in_softmax(self.saved.model) else softmax_forward(outputs)[0]

    def evaluation(self, x: Array, labels: Array, threads: int | None = None) -> Evaluation:
        """How good the network is on images of known classes."""
        saved, images = self.saved, self._in_its_dtype(x)
        with telling_lines(self.name):
            return evaluate(
                saved.model, saved.params, images, labels, loss=self.loss, threads=threads
            )

    def _in_its_dtype(self, x: Array) -> Array:
        return x.astype(dtype_of(self.saved.params), copy=False)


def load_trained(place: str | os.PathLike[str]) -> Trained:
    """The network in a run's folder, or in a file of `save_model`.

    ValueError if there is none, RunError if the folder holds no finished run.
    """
    if os.path.isfile(place):
        return Trained(Path(place), load_model(place))
    return trained_by(load_run(place))


def trained_by(run: Run) -> Trained:
    """The network of a run."""
    config = run.config
    saved = SavedModel(run.model, run.params, config.in_shape, config.labels, config.preparation)
    return Trained(run.folder, saved, config)
