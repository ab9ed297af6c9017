"""The pictures of a training run: curves, confusions, mistakes and first-layer kernels.

matplotlib is an optional extra: what draws with it is imported when a run is drawn.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fcnn.files.writing import whole_file
from fcnn.numerics.arrays import Array

if TYPE_CHECKING:
    from fcnn.pictures.curves import Epoch


def available() -> bool:
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def check_available() -> None:
    """ImportError if matplotlib is missing or cannot be imported."""
    try:
        importlib.import_module("matplotlib")
    except Exception as error:  # ValueError, if MPLBACKEND names no backend
        raise ImportError(f"matplotlib cannot be imported: {error}") from error


def save_predictions(
    path: Path,
    *,
    files: Sequence[str],
    images: Sequence[Array],
    probabilities: Sequence[Mapping[str, float]],
    run: str = "",
) -> Path:
    """Draw what `predictions` does into a file; ImportError as of `check_available`."""
    check_available()
    from fcnn.pictures.drawing import plain_style
    from fcnn.pictures.seen import predictions

    with plain_style(), whole_file(path) as file:
        figure = predictions(files, images, probabilities, run=run)
        figure.savefig(file, metadata={"Software": None})
    return path


def save_pictures(
    folder: str | Path,
    *,
    history: Sequence[Epoch],
    best: int | None = None,
    confusion: Array,
    images: Array,
    labels: Array,
    probabilities: Array,
    kernels: Array | None,
    run: str = "",
    names: Sequence[str] | None = None,
) -> list[Path]:
    """Draw a run as ``training.png``, ``confusion.png``, ``mistakes.png`` and ``filters.png`` in a
    folder, which is created if need be.

    Parameters
    ----------
    history, best
        Of `training_curves`; without any record there is no ``training.png``.
    confusion
        Of `confusion_matrix`.
    images, labels, probabilities
        Of `mistakes`, the test set; without any image there is no ``mistakes.png``.
    names
        Those of the classes, if they have any.
    kernels
        Of `filters`; None where there are none, and no ``filters.png``.
    run
        The name of the run, which is written in each of them.

    Returns
    -------
    The files written. The same input gives the same pictures: no date and no version in them.
    Raises ImportError if matplotlib is missing, of which `available` tells beforehand, or cannot
    be imported, and OSError if a file cannot be written.
    """
    check_available()
    from fcnn.pictures.confusion import confusion_matrix
    from fcnn.pictures.curves import training_curves
    from fcnn.pictures.drawing import plain_style
    from fcnn.pictures.kernels import filters
    from fcnn.pictures.mistaken_images import mistakes

    figures = {
        "training.png": training_curves(history, best=best, run=run) if len(history) else None,
        "confusion.png": confusion_matrix(confusion, names, run=run),
        "mistakes.png": mistakes(images, labels, probabilities, names, run=run)
        if len(labels)
        else None,
        "filters.png": None if kernels is None else filters(kernels, run=run),
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    with plain_style():
        for name, figure in figures.items():
            if figure is not None:
                with whole_file(folder / name) as file:
                    figure.savefig(file, metadata={"Software": None})
                paths.append(folder / name)
    return paths
