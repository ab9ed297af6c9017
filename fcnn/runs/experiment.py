"""The main job: train a model on data, evaluate it, and leave a folder of results."""

import errno
import hashlib
import math
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from fcnn import tree
from fcnn.runs import config as configs
from fcnn.runs import model_by_name as names
from fcnn.pictures import run_pictures as pictures
from fcnn.runs import folder as runs
from fcnn.runs import settings
from fcnn.layers.softmax import softmax_forward
from fcnn.numerics.arrays import Array
from fcnn.training.checkpoints import save_checkpoint
from fcnn.runs.config import Config, RunError
from fcnn.layers.conv2d import Conv2dParams
from fcnn.data import Dataset, number_of_classes
from fcnn.data.loading import NAMES as DATA_NAMES
from fcnn.files.reading import home_expanded
from fcnn.training.inference import Evaluation, evaluate, predict
from fcnn.layers.layer import call_init
from fcnn.runs.recipes import ADAPTIVE, Recipe
from fcnn.runs.folder import Run
from fcnn.networks.summary import parameter_count
from fcnn.training.fit import Epoch, NotFiniteError, fit
from fcnn.tree import Tree


class TrainingError(RuntimeError):
    """A training run that cannot go on."""


@attrs.frozen(eq=False)
class Result:
    """What a finished run has to show."""

    metrics: dict[str, Any]
    evaluation: Evaluation
    pictures: list[Path]


def configure(data_name: str, data: Dataset, recipe: Recipe, seed: int, **overrides: Any) -> Config:
    """The config of a run: a recipe, the settings given beside it (None: not given), and
    what the data says. ValueError if they do not go together.

    What a recipe says gives way to what is given beside it: its batch size to data with fewer
    examples, its settings of sgd to another optimizer.
    """
    values = attrs.asdict(recipe, recurse=False)
    del values["name"], values["lines_model"]
    if data_name == "synthetic":
        values["model"] = recipe.lines_model
    given = {name: value for name, value in overrides.items() if value is not None}
    if given.get("optimizer") in ADAPTIVE:
        values |= ADAPTIVE[given["optimizer"]]
        if "momentum" in given:
            raise ValueError(f"{given['optimizer']} has no momentum to set: leave it out")
    values |= given
    classes = number_of_classes(data)
    in_shape = data[0][0].shape[1:]
    model_name = names.absolute(str(values.pop("model")))
    model = names.model(model_name, classes)
    with names.telling_lines(model_name):
        _, out_shape = call_init(model, np.random.default_rng(seed), in_shape)
    if len(out_shape) != 1 or out_shape[0] < classes:
        raise ValueError(
            f"the model {model_name} gives outputs {out_shape}, the data has {classes} classes"
        )
    config = Config(
        **values,
        data=data_name if data_name in DATA_NAMES else os.path.realpath(home_expanded(data_name)),
        model=model_name,
        network=repr(model),
        recipe=recipe.name,
        seed=seed,
        in_shape=in_shape,
        classes=classes,
        data_hash=data_hash(data),
    )
    examples = len(data[0][0])
    examples -= settings.held_out_examples(config, examples)
    if config.batch_size > examples:
        if "batch_size" in given:
            raise ValueError(
                f"the batch size is {config.batch_size}, but there are {examples} training images"
            )
        config = attrs.evolve(config, batch_size=examples)
    settings.check(config, len(data[0][0]))
    return config


def train(
    config: Config,
    data: Dataset,
    folder: Path,
    *,
    threads: int | None = None,
    checkpoint_every: int = 1,
    begun: float | None = None,
    on_epoch: Callable[[Epoch], None] = lambda record: None,
    on_batch: Callable[[int, int, int], None] = lambda epoch, step, steps: None,
) -> Result:
    """Train as the config says, from where the run in the folder stands, and fill the folder.

    Parameters
    ----------
    config, data, folder
        What to do, on what, and the folder of the run, which is this process's alone (see
        `runs.new_folder` and `runs.old_folder`).
    threads
        Threads per step; None: as many as the process has cores.
    checkpoint_every
        After how many epochs a checkpoint is written; one is written after the last too, and
        after every epoch that is the best on the validation set so far.
    begun
        When the command began, by `time.perf_counter`, for the seconds in the metrics.
    on_epoch, on_batch
        Called after every epoch with its record, when it is safe in the folder; and after
        every step with the epoch, the steps taken in it and their number.

    Raises
    ------
    TrainingError
        If the loss or a gradient is no longer finite.
    RunError
        If what is in the folder is damaged or of another run.
    OSError
        If the folder cannot be written to.
    """
    begun = time.perf_counter() if begun is None else begun
    train_set, validation = settings.split(config, data[0])
    model = runs.model_of(folder, config)
    optimizer = settings.optimizer_of(config, len(train_set[0]))
    start, history = runs.progress(folder, model, optimizer, config)
    params = runs.initial_parameters(model, config) if start is None else start.params
    _check_space(folder, params, optimizer.init(params), bests=validation is not None)
    best = None
    if start is not None and validation is not None:
        if best_epoch(history) == start.epoch:
            best = start
            save_checkpoint(folder / runs.BEST, best)  # it may have been killed just before this
        else:
            best = runs.best_record(folder, model, optimizer, best_epoch(history))
    try:
        for record in fit(
            model,
            params,
            optimizer,
            train_set,
            epochs=start.epoch if start and _is_enough(config, history) else config.epochs,
            batch_size=min(config.batch_size, len(train_set[0])),  # runs of older versions
            seed=config.seed,
            loss=settings.loss_of(config),
            augment=settings.augmentation_of(config),
            test=data[1] if validation is None else validation,
            threads=threads,
            start=start,
            on_batch=lambda step, steps: on_batch(len(history) + 1, step, steps),
        ):
            if not math.isfinite(record.test_loss or 0.0):
                raise NotFiniteError(
                    f"the {config.held_out} loss of epoch {record.epoch} is {record.test_loss}"
                )
            # The figures are kept, the trees are not: a long run must not grow.
            history.append(attrs.evolve(record, params=(), state=()))
            runs.write_history(folder, history, config)
            is_best = validation is not None and best_epoch(history) == record.epoch
            is_last = record.epoch == config.epochs or _is_enough(config, history)
            # The best epoch is never one that a resumed run, which starts from the checkpoint,
            # has yet to come to.
            if record.epoch % checkpoint_every == 0 or is_best or is_last:
                save_checkpoint(folder / runs.CHECKPOINT, record)
            if is_best:
                best = record
                save_checkpoint(folder / runs.BEST, best)
            params = record.params
            on_epoch(record)
            if is_last:
                break
    except NotFiniteError as error:
        raise TrainingError(f"{error}\ntry a smaller learning rate") from error
    if best is not None:
        params = best.params
    return _finish(Run(folder, config, model, params), data, history, threads, begun)


def best_epoch(history: Sequence[Epoch]) -> int:
    """The epoch of the greatest accuracy on what was held out; of equals, that of the smallest
    loss, and of those the first.
    """

    def quality(record: Epoch) -> tuple[float, float, int]:
        return record.test_accuracy or 0.0, -(record.test_loss or 0.0), -record.epoch

    return max(history, key=quality).epoch


def _is_enough(config: Config, history: Sequence[Epoch]) -> bool:
    """Whether the validation set has seen nothing better for as long as patience allows."""
    if config.patience is None:
        return False
    return history[-1].epoch - best_epoch(history) >= config.patience


def _finish(
    run: Run, data: Dataset, history: list[Epoch], threads: int | None, begun: float
) -> Result:
    """Evaluate a run that has been trained, and write what is left to write."""
    test_set = data[1]
    tree.save(run.folder / "params.npz", run.params)
    result, probabilities = assess(run, test_set, threads=threads)
    best = best_epoch(history) if run.config.validation_fraction else None
    kept = history[-1] if best is None else history[best - 1]
    drawn: list[Path] = []
    if pictures.available():
        drawn = pictures.save_pictures(
            run.folder,
            history=history,
            held_out=run.config.held_out,
            best=best,
            confusion=result.confusion,
            images=test_set[0],
            labels=test_set[1],
            probabilities=probabilities,
            kernels=_first_kernels(run.params),
        )
    metrics = {
        **figures(run, run.config.data, result),
        "recipe": run.config.recipe,
        "epochs": len(history),
        "best_epoch": best,
        "train_loss": kept.train_loss,
        "train_accuracy": kept.train_accuracy,
        "validation_loss": None if best is None else kept.test_loss,
        "validation_accuracy": None if best is None else kept.test_accuracy,
        "seconds": time.perf_counter() - begun,
    }
    per_class = {
        "per_class_accuracy": per_class_list(result),
        "confusion": result.confusion.tolist(),
    }
    configs.write_json(run.folder / runs.METRICS, metrics | per_class)
    return Result(metrics, result, drawn)


def check_data(config: Config, data: Dataset, folder: Path) -> None:
    """RunError if the data is no longer what a run began with, or not fit for its settings."""
    if config.data_hash not in (None, data_hash(data)):
        raise RunError(f"the data in {config.data} has changed since the run began")
    try:
        settings.check(config, len(data[0][0]))
    except ValueError as error:
        raise RunError(f"{folder / configs.NAME}: {error}") from error


def data_hash(data: Dataset) -> str:
    """A hash of all images and labels, by which other data is noticed."""
    digest = hashlib.sha256()
    for array in (array for part in data for array in part):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:32]


def _check_space(folder: Path, params: Tree, state: Tree, *, bests: bool) -> None:
    """OSError before any work if the folder's disk is too full for the results."""
    kept, carried = (sum(leaf.nbytes for leaf in tree.leaves(t)) for t in (params, state))
    # Two checkpoints at a time, and the best one; then parameters and pictures.
    needed = (3 if bests else 2) * (kept + carried) + kept + 2_000_000
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(
            errno.ENOSPC,
            f"{free / 1e6:.1f} MB are free for {folder}, the run needs {needed / 1e6:.1f} MB",
        )


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
    loss = settings.loss_of(run.config)
    result = evaluate(run.model, run.params, x, labels, loss=loss, threads=threads)
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
