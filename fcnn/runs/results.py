"""What a trained network has to show: its evaluation, figures, and pictures."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np

from fcnn import tree
from fcnn.data import Dataset
from fcnn.layers.conv2d import Conv2dParams
from fcnn.networks.summary import parameter_count
from fcnn.numerics.arrays import Array
from fcnn.pictures import run_pictures as pictures
from fcnn.runs.config import CONFIG, write_json
from fcnn.runs.folder import BEST, CHECKPOINT, PARAMS, Run
from fcnn.runs.history import HISTORY, best_epoch
from fcnn.runs.trained import Trained, trained_by
from fcnn.training.epochs import Epoch, Examples
from fcnn.training.inference import Evaluation
from fcnn.tree import Tree

METRICS: Final = "metrics.json"
FILES_OF_RUNS: Final = (CONFIG, CHECKPOINT, BEST, HISTORY, PARAMS, METRICS)  # see runs/folder.py
_CLASSES: Final = 10  # of which an image is shown on a page
_WRONG: Final = 4  # images that are read wrong


@attrs.frozen(eq=False)
class Result:
    """What a finished run has to show, and what kept it from having pictures, if anything did."""

    metrics: dict[str, Any]
    evaluation: Evaluation
    pictures: list[Path]
    picture_error: Exception | None


def write_results(
    run: Run, history: Sequence[Epoch], test: Examples, *, threads: int | None, begun: float
) -> Result:
    """Evaluate a run that has been trained, and write what is left to write: the parameters,
    pictures, and the metrics last, with the seconds since the run began.
    """
    tree.save(run.folder / PARAMS, run.params)
    trained = trained_by(run)
    evaluation, probabilities = assess(trained, test, threads=threads)
    best = best_epoch(history) if run.config.validation_fraction else None
    drawn: list[Path] = []
    picture_error: Exception | None = None
    if pictures.available():
        try:
            drawn = pictures.save_pictures(
                run.folder,
                history=history,
                best=best,
                confusion=evaluation.confusion,
                images=test[0],
                labels=test[1],
                probabilities=probabilities,
                kernels=_first_kernels(run.params),
                run=run.folder.name,
                names=run.config.labels,
            )
        except Exception as error:  # a run is finished without them too
            picture_error = error
    kept = history[-1 if best is None else best - 1]
    metrics = {
        **figures(trained, run.config.data, evaluation),
        "recipe": run.config.recipe,
        "epochs": len(history),
        "best_epoch": best,
        "train_loss": kept.train_loss,
        "train_accuracy": kept.train_accuracy,
        "validation_loss": kept.validation_loss,
        "validation_accuracy": kept.validation_accuracy,
        "seconds": time.perf_counter() - begun,
    }
    write_json(run.folder / METRICS, metrics | by_class(evaluation, run.config.labels))
    return Result(metrics, evaluation, drawn, picture_error)


def test_set(own: tuple[str, ...] | None, data: Dataset) -> Examples:
    """The test set of some data, with the classes of a network of these labels: where both have
    names, by these.
    """
    x, labels = data[1]
    others = data.labels
    if own is None or others is None or own == others:
        return x, labels
    if unknown := [name for name in others if name not in own]:
        raise ValueError(f"the data has a class {unknown[0]}, the model knows {', '.join(own)}")
    return x, np.array([own.index(name) for name in others])[labels]


def worth_seeing(trained: Trained, test: Examples) -> Examples:
    """Of a test set, the first image of each class that the network reads right, of ten classes at
    most, and the first that it reads wrong.
    """
    _check_test_set(trained, test)
    x, labels = test
    right = trained.outputs(x).argmax(1) == labels
    first = [
        np.flatnonzero(right & (labels == label))[:1] for label in np.unique(labels)[:_CLASSES]
    ]
    chosen = np.concatenate([*first, np.flatnonzero(~right)[:_WRONG]])
    return x[chosen], labels[chosen]


def assess(trained: Trained, test: Examples, *, threads: int | None) -> tuple[Evaluation, Array]:
    """The evaluation of a network on a test set, and the probabilities (N, K) that it gives."""
    _check_test_set(trained, test)
    x, labels = test
    evaluation = trained.evaluation(x, labels, threads)
    return evaluation, trained.probabilities(x, threads)


def _check_test_set(trained: Trained, test: Examples) -> None:
    """ValueError unless the images and labels are such as the network knows."""
    x, labels = test
    classes, in_shape = len(trained.class_names), trained.saved.in_shape
    if int(labels.max()) >= classes:
        raise ValueError(
            f"the data has a label {labels.max()}, the model tells {classes} classes apart, from "
            "0 on"
        )
    if x.shape[1:] != in_shape:
        raise ValueError(
            f"the images of the data are {x.shape[1:]}, the model was trained on {in_shape} as "
            "(C, H, W)"
        )


def figures(trained: Trained, data_name: str, evaluation: Evaluation) -> dict[str, Any]:
    """What `train` and `evaluate` both report of a network."""
    return {
        "run": str(trained.place),
        "model": trained.name,
        "data": data_name,
        "parameters": parameter_count(trained.saved.params),
        "test_loss": evaluation.loss,
        "test_accuracy": evaluation.accuracy,
    }


def by_class(evaluation: Evaluation, labels: Sequence[str] | None = None) -> dict[str, Any]:
    """Accuracies by class, None for one without examples (JSON has no NaN), and confusions; and
    the names of the classes, if they have any.
    """
    accuracies = [None if np.isnan(a) else float(a) for a in evaluation.per_class_accuracy]
    named = {} if labels is None else {"labels": [*labels]}
    return named | {"per_class_accuracy": accuracies, "confusion": evaluation.confusion.tolist()}


def most_confused(confusion: Array, most: int = 5) -> list[tuple[int, int, int]]:
    """The most frequent confusions: the true class, the predicted one, and how often."""
    wrong = confusion * (1 - np.eye(len(confusion), dtype=confusion.dtype))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = [divmod(int(place), len(confusion)) for place in order if wrong.flat[place]]
    return [(true, predicted, int(wrong[true, predicted])) for true, predicted in pairs]


def called(labels: Sequence[str] | None, outputs: int) -> list[Any]:
    """What the outputs of a network are called: by the names of their classes, which may be fewer,
    or by their numbers.
    """
    names = labels or ()
    return [*names, *range(len(names), outputs)]


def samples(
    labels: Array, probabilities: Array, names: Sequence[str] | None = None, most: int = 10
) -> list[dict[str, Any]]:
    """Predictions for single images, from the first to the last at equal distances: what each is,
    what the model says, and how sure it is. Classes have their numbers, or names if there are any.
    """
    known = called(names, probabilities.shape[1])
    chosen = np.linspace(0, len(labels) - 1, min(most, len(labels))).astype(int)
    return [
        {
            "image": int(i),
            "true": known[labels[i]],
            "predicted": known[probabilities[i].argmax()],
            "confidence": float(probabilities[i].max()),
        }
        for i in chosen
    ]


def _first_kernels(params: Tree) -> Array | None:
    if isinstance(params, Conv2dParams):
        return params.w
    found = map(_first_kernels, params) if isinstance(params, tuple) else iter(())
    return next((kernels for kernels in found if kernels is not None), None)
