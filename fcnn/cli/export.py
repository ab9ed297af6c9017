"""`fcnn export`: a trained network in another format."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

import fcnn
from fcnn import exchange
from fcnn.arguments.settings import as_path
from fcnn.cli.exit_codes import exit_codes, wrong_usage
from fcnn.cli.options import RunArgument, load_data_for
from fcnn.cli.progress import Bar
from fcnn.runs import results
from fcnn.runs.config import CONFIG
from fcnn.runs.trained import Trained, load_trained


class Format(StrEnum):
    """What a network is written as."""

    model = "model"
    safetensors = "safetensors"
    onnx = "onnx"
    script = "script"
    page = "page"


ENDINGS: Final = {
    "model": ".npz", "safetensors": ".safetensors", "onnx": ".onnx", "script": ".py",
    "page": ".html",
}  # fmt: skip


def export(
    run: RunArgument,
    format: Annotated[
        Format,
        typer.Argument(
            help="model: network and parameters in one file of fcnn; safetensors: parameters as "
            "PyTorch has them; onnx; script: a Python file that needs NumPy alone; page: an HTML "
            "file that shows the network at work.",
            show_default=False,
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            metavar="<path>",
            help="The file, or a folder for it. By default it lies in the run's folder, as model"
            + ", model".join(ENDINGS.values())
            + ", or beside the file.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Where the images on a page come from; by default the test set of the run.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write a trained network in another format. It is read back before it appears."""
    with exit_codes(), Bar(shown=True) as bar:
        with wrong_usage():
            trained = load_trained(run)
            target = target_of(trained, format, out)
            if data is not None and format is not Format.page:
                raise ValueError(f"--data is for images on a page, not for {format}")
        more = _samples(trained, data, bar) if format is Format.page else {}
        with wrong_usage():
            saved = trained.saved
            save = getattr(fcnn if format is Format.model else exchange, f"save_{format}")
            apart = save(
                target, saved.model, saved.params, saved.in_shape,
                labels=saved.labels, preparation=saved.preparation, **more,
            )  # fmt: skip
        typer.echo(f"Wrote {target}, {size(target)}.")
        typer.echo(f"Read back, {_difference(apart)}.")


def _samples(trained: Trained, data: str | None, bar: Bar) -> dict[str, Any]:
    """The images that a page shows; none for a file of save_model that comes without data."""
    name = trained.config.data if data is None and trained.config is not None else data
    if name is None:
        return {}
    found = load_data_for(trained, name, bar)
    with wrong_usage():
        test = results.test_set(trained.saved.labels, found)
        return {"samples": results.worth_seeing(trained, test)}


def target_of(trained: Trained, format: str, out: str | None) -> Path:
    """The file to write; ValueError if it would take the place of the network itself, of what else
    is a run's, or, where none was named, of a program.
    """
    place, ending = trained.place, ENDINGS[format]
    if out is None:
        target = place / f"model{ending}" if place.is_dir() else place.with_suffix(ending)
    else:
        target, name = as_path("export", "--out", out), "model" if place.is_dir() else place.stem
        if target.is_dir():
            target /= f"{name}{ending}"
        elif out.endswith(("/", os.sep)):
            raise ValueError(f"--out is {out}, but there is no such folder")
    if target.exists() and os.path.samefile(target, place):
        raise ValueError(f"{target} is the file that is to be exported; name another by --out")
    if target.name in results.FILES_OF_RUNS and (target.parent / CONFIG).exists():
        raise ValueError(f"{target} is a file of the run there; name another by --out")
    if out is None and target.is_file() and not _is_export(target):
        raise ValueError(
            f"{target} is there already, and no script of fcnn; to replace it, name it by --out"
        )
    return target


def _is_export(file: Path) -> bool:
    """Whether a file that is in the way was exported before: a program must say so."""
    if file.suffix != ENDINGS["script"]:
        return True
    with file.open("rb") as program:
        return b"written by fcnn" in program.read(200)


def size(file: Path) -> str:
    """How long a file is, as `128 kB`."""
    length = file.stat().st_size
    return f"{length / 1e6:.1f} MB" if length >= 1e6 else f"{length / 1e3:.0f} kB"


def _difference(apart: float) -> str:
    if apart == 0:
        return "it gives the outputs of the network, bit for bit"
    return f"its outputs are {apart:.1e} from those of the network, relative to the largest"
