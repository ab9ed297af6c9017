"""`fcnn export`: a trained network in another format."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

import fcnn
from fcnn import exchange
from fcnn.cli.exit_codes import exit_codes, wrong_usage
from fcnn.cli.options import RunArgument
from fcnn.runs.trained import Trained, load_trained


class Format(StrEnum):
    """What a network is written as."""

    model = "model"
    safetensors = "safetensors"
    onnx = "onnx"
    script = "script"


ENDINGS: Final = {"model": ".npz", "safetensors": ".safetensors", "onnx": ".onnx", "script": ".py"}


def export(
    run: RunArgument,
    format: Annotated[
        Format,
        typer.Argument(
            help="model: network and parameters in one file of fcnn; safetensors: parameters as "
            "PyTorch has them; onnx; script: a Python file that needs NumPy alone.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file, or a folder for it. By default it lies in the run's folder, as model"
            + ", model".join(ENDINGS.values())
            + ", or beside the file.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write a trained network in another format. It is read back before it appears."""
    with exit_codes():
        with wrong_usage():
            trained = load_trained(run)
            target = target_of(trained, format, out)
            saved = trained.saved
            save = getattr(fcnn if format is Format.model else exchange, f"save_{format}")
            apart = save(
                target,
                saved.model,
                saved.params,
                saved.in_shape,
                labels=saved.labels,
                preparation=saved.preparation,
            )
        typer.echo(f"Wrote {target}, {size(target)}.")
        typer.echo(f"Read back, {_difference(apart)}.")


def target_of(trained: Trained, format: str, out: Path | None) -> Path:
    """The file to write; ValueError if it would take the place of the network itself."""
    place, ending = trained.place, ENDINGS[format]
    if out is None:
        target = place / f"model{ending}" if place.is_dir() else place.with_suffix(ending)
    else:
        name = "model" if place.is_dir() else place.stem
        target = out / f"{name}{ending}" if out.is_dir() else out
    if target.exists() and os.path.samefile(target, place):
        raise ValueError(f"{target} is the file that is to be exported; name another by --out")
    return target


def size(file: Path) -> str:
    """How long a file is, as `128 kB`."""
    length = file.stat().st_size
    return f"{length / 1e6:.1f} MB" if length >= 1e6 else f"{length / 1e3:.0f} kB"


def _difference(apart: float) -> str:
    if apart == 0:
        return "it gives the outputs of the network, bit for bit"
    return f"its outputs are {apart:.1e} from those of the network, relative to the largest"
