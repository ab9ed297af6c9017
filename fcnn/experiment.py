"""The main job: train a model on data, evaluate it, and leave a folder of results."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from fcnn import names, pictures, runs, tree
from fcnn.activations import softmax_forward
from fcnn.arrays import Array
from fcnn.convolution import Conv2dParams
from fcnn.data import Dataset, number_of_classes
from fcnn.data.loading import NAMES as DATA_NAMES
from fcnn.inference import Evaluation, evaluate, predict
from fcnn.optimizers import sgd
from fcnn.recipes import Recipe
from fcnn.runs import Config, Run
from fcnn.summary import parameter_count
from fcnn.training import Epoch, fit
from fcnn.tree import Tree


class TrainingError(RuntimeError):
    """A training run that cannot go on."""


@attrs.frozen(eq=False)
class Result:
    """What a finished run has to show."""

    metrics: dict[str, Any]
    evaluation: Evaluation
    pictures: list[Path]


def configure(data_name: str, data: Dataset, recipe: Recipe, seed: int, **settings: Any) -> Config:
    """The config of a run: a recipe, the settings given beside it (None: not given), and
    what the data says. ValueError if they do not go together.
    """
    values = {
        "model": recipe.lines_model if data_name == "synthetic" else recipe.model,
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "learning_rate": recipe.learning_rate,
        "momentum": recipe.momentum,
    }
    values |= {name: value for name, value in settings.items() if value is not None}
    classes = number_of_classes(data)
    in_shape = data[0][0].shape[1:]
    model_name = names.absolute(str(values.pop("model")))
    model = names.model(model_name, classes)
    _, out_shape = model.init(np.random.default_rng(seed), in_shape)
    if len(out_shape) != 1 or out_shape[0] < classes:
        raise ValueError(
            f"the model {model_name} gives outputs {out_shape}, the data has {classes} classes"
        )
    config = Config(
        **values,  # type: ignore[arg-type]
        data=data_name if data_name in DATA_NAMES else str(Path(data_name).expanduser().resolve()),
        model=model_name,
        network=repr(model),
        recipe=recipe.name,
        seed=seed,
        in_shape=in_shape,
        classes=classes,
    )
    sgd(config.learning_rate, config.momentum)  # refuses settings that make no sense
    return config


def train(
    config: Config,
    data: Dataset,
    folder: Path,
    *,
    threads: int | None = None,
    begun: float | None = None,
    on_epoch: Callable[[Epoch], None] = lambda record: None,
    on_batch: Callable[[int, int, int], None] = lambda epoch, step, steps: None,
) -> Result:
    """Train as the config says, and fill the folder.

    Parameters
    ----------
    config, data, folder
        What to do, on what, and where the results go; the folder exists.
    threads
        Threads per step; None: as many as the process has cores.
    begun
        When the command began, by `time.perf_counter`, for the seconds in the metrics.
    on_epoch, on_batch
        Called after every epoch with its record, and after every step with the epoch, the
        steps taken in it and their number.

    Raises
    ------
    TrainingError
        If the loss is no longer finite.
    """
    begun = time.perf_counter() if begun is None else begun
    train_set, test_set = data
    model = names.model(config.model, config.classes)
    params = runs.initial_parameters(model, config)
    runs.write_config(folder, config)
    history: list[Epoch] = []
    for record in fit(
        model,
        params,
        sgd(config.learning_rate, config.momentum),
        train_set,
        epochs=config.epochs,
        batch_size=config.batch_size,
        seed=config.seed,
        test=test_set,
        threads=threads,
        on_batch=lambda step, steps: on_batch(len(history) + 1, step, steps),
    ):
        # The figures are kept, the trees are not: a long run must not grow.
        history.append(attrs.evolve(record, params=(), state=()))
        runs.write_history(folder, history)
        on_epoch(record)
        params = record.params
        for loss in (record.train_loss, record.test_loss):
            if loss is not None and not math.isfinite(loss):
                raise TrainingError(
                    f"the loss of epoch {record.epoch} is {loss}: try a smaller learning rate"
                )
    tree.save(folder / "params.npz", params)
    run = Run(folder, config, model, params)
    result, probabilities = assess(run, test_set, threads=threads)
    drawn: list[Path] = []
    if pictures.available():
        drawn = pictures.save_pictures(
            folder,
            history=history,
            confusion=result.confusion,
            images=test_set[0],
            labels=test_set[1],
            probabilities=probabilities,
            kernels=_first_kernels(params),
        )
    metrics = {
        **figures(run, config.data, result),
        "recipe": config.recipe,
        "epochs": len(history),
        "train_loss": history[-1].train_loss,
        "train_accuracy": history[-1].train_accuracy,
        "seconds": time.perf_counter() - begun,
    }
    per_class = {
        "per_class_accuracy": per_class_list(result),
        "confusion": result.confusion.tolist(),
    }
    runs.write_json(folder / "metrics.json", metrics | per_class)
    return Result(metrics, result, drawn)


def assess(
    run: Run, test_set: tuple[Array, Array], *, threads: int | None = None
) -> tuple[Evaluation, Array]:
    """The evaluation of a run on a test set, and the probabilities (N, K) that it gives."""
    x, labels = test_set
    if int(labels.max()) >= run.config.classes:
        raise ValueError(
            f"the data has a label {labels.max()}, the model tells {run.config.classes} "
            "classes apart, from 0 on"
        )
    result = evaluate(run.model, run.params, x, labels, threads=threads)
    return result, softmax_forward(predict(run.model, run.params, x, threads=threads))[0]


def figures(run: Run, data_name: str, result: Evaluation) -> dict[str, Any]:
    """What `train` and `evaluate` both report of a run."""
    return {
        "run": str(run.folder),
        "model": run.config.model,
        "data": data_name,
        "parameters": parameter_count(run.params),
        "test_loss": result.loss,
        "test_accuracy": result.accuracy,
    }


def per_class_list(result: Evaluation) -> list[float | None]:
    """The accuracy of each class, None for one without examples (JSON has no NaN)."""
    return [None if np.isnan(a) else float(a) for a in result.per_class_accuracy]


def _first_kernels(params: Tree) -> Array | None:
    if isinstance(params, Conv2dParams):
        return params.w
    found = map(_first_kernels, params) if isinstance(params, tuple) else iter(())
    return next((kernels for kernels in found if kernels is not None), None)
