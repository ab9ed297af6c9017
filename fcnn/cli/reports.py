"""What the command line prints: plain text, the same on a terminal and in a file."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from fcnn.data import DataStatus
from fcnn.layers.window_sizes import times
from fcnn.networks.summary import Row
from fcnn.numerics.arrays import Array
from fcnn.proof.beside_pytorch import Training
from fcnn.proof.proofs import Verdict
from fcnn.runs.config import Config
from fcnn.training.fit import Epoch
from fcnn.training.inference import Evaluation
from fcnn.training.throughput import Rate


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int] = ()) -> str:
    """Aligned columns, two spaces apart; to the right except for those listed in `left`."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]

    def cell(text: str, i: int) -> str:
        return text.ljust(widths[i]) if i in left else text.rjust(widths[i])

    return "\n".join("  ".join(map(cell, line, range(len(line)))).rstrip() for line in lines)


def epoch_line(record: Epoch, epochs: int, held_out: str = "test") -> str:
    """One line per epoch: losses and accuracies in training, and in test or validation."""
    held_out = held_out.capitalize()
    return (
        f"Epoch {record.epoch}/{epochs} - "
        f"Train Loss: {record.train_loss:.4f}, Train Acc: {record.train_accuracy:.4f}, "
        f"{held_out} Loss: {record.test_loss:.4f}, {held_out} Acc: {record.test_accuracy:.4f}"
    )


def kept_epoch(config: Config, metrics: Mapping[str, Any]) -> str:
    """Which epoch of a run with a validation set was kept, and whether it ended early."""
    lines = [
        f"Kept Epoch {metrics['best_epoch']}, the best in validation - "
        f"Validation Loss: {metrics['validation_loss']:.4f}, "
        f"Validation Acc: {metrics['validation_accuracy']:.4f}"
    ]
    if metrics["epochs"] < config.epochs:
        epochs = "epoch" if config.patience == 1 else "epochs"
        lines.insert(0, f"Stopped early: no better validation in {config.patience} {epochs}")
    return "\n".join(lines)


def evaluation(result: Evaluation) -> str:
    """The final accuracy, a table by class, and the most frequent confusions."""
    counts = result.confusion.sum(1)
    rows = [
        [str(label), f"{counts[label]:,}", f"{accuracy:.2%}" if counts[label] else "-"]
        for label, accuracy in enumerate(result.per_class_accuracy)
        if counts[label] or result.confusion[:, label].any()
    ]
    return "\n".join(
        [
            f"Final Test Accuracy: {result.accuracy:.2%}",
            "",
            table(["Class", "Images", "Accuracy"], rows),
            "",
            _confusions(result.confusion),
        ]
    )


def _confusions(confusion: Array, most: int = 5) -> str:
    wrong = confusion * (1 - np.eye(len(confusion), dtype=confusion.dtype))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = [divmod(int(place), len(confusion)) for place in order if wrong.flat[place]]
    if not pairs:
        return "No confusions: every test image was recognised."
    rows = [[str(true), str(taken), f"{wrong[true, taken]:,}"] for true, taken in pairs]
    return "Most frequent confusions\n" + table(["True", "Predicted", "Images"], rows)


def samples(indices: Array, labels: Array, probabilities: Array) -> str:
    """Predictions for single test images, with the probability that the model gives them."""
    rows = []
    for index in indices:
        predicted = int(probabilities[index].argmax())
        mark = "" if predicted == labels[index] else "wrong"
        confidence = f"{probabilities[index, predicted]:.1%}"
        rows.append([str(index), str(labels[index]), str(predicted), confidence, mark])
    header = ["Image", "True", "Predicted", "Confidence", ""]
    return "Sample predictions\n" + table(header, rows, left=[4])


def results(folder: Path, pictures: Sequence[Path], pictures_available: bool) -> str:
    """Where the results of a run lie, and how to get pictures if there are none."""
    lines = [f"Results in {folder}"]
    if pictures:
        lines.append(f"Pictures: {', '.join(path.name for path in pictures)}")
    elif not pictures_available:
        lines.append("For pictures too: pip install matplotlib, the extra [pictures] of fcnn")
    return "\n".join(lines)


def summary(rows: Sequence[Row], in_shape: Sequence[int]) -> str:
    """The layers of a network with their shapes and costs for one image, and the totals."""
    body = [
        [
            row.path,
            row.layer,
            times(row.out_shape),
            f"{row.parameters:,}",
            "?" if row.multiply_adds is None else f"{row.multiply_adds:,}",
            f"{row.activation_bytes:,}",
        ]
        for row in rows
    ]
    unknown = any(row.multiply_adds is None for row in rows)
    total = [
        "Total",
        "",
        "",
        f"{sum(row.parameters for row in rows):,}",
        f"{sum(row.multiply_adds or 0 for row in rows):,}" + ("+?" if unknown else ""),
        f"{sum(row.activation_bytes for row in rows):,}",
    ]
    header = ["Path", "Layer", "Output", "Parameters", "Multiply-adds", "Bytes"]
    title = f"Input {times(in_shape)}; multiply-adds and activation bytes for one image, float32"
    return f"{title}\n\n" + table(header, [*body, total], left=[0, 1, 2])


def bench(rates: Sequence[Rate]) -> str:
    """Images per second by threads, and the fraction of the machine's peak."""

    def share(fraction: float | None) -> str:
        return "?" if fraction is None else f"{fraction:.0%}"

    rows = [
        [
            str(rate.threads),
            f"{rate.training:,.0f}",
            share(rate.training_of_peak),
            f"{rate.inference:,.0f}",
            share(rate.inference_of_peak),
        ]
        for rate in rates
    ]
    header = ["Threads", "Training images/s", "of peak", "Inference images/s", "of peak"]
    return table(header, rows) + "\n\nPeak: products of large matrices on as many threads."


def verdicts(found: Sequence[Verdict], most: int = 3) -> str:
    """One line for each proof, the first failures of those that do not hold, and the sum."""
    rows = [
        [
            verdict.layer,
            verdict.against,
            f"{verdict.cases:,}",
            f"{verdict.worst:.1e}",
            "holds" if verdict.holds else "DOES NOT HOLD",
        ]
        for verdict in found
    ]
    header = ["Layer", "Checked against", "Cases", "Worst relative error", "Verdict"]
    lines = [table(header, rows, left=[0, 1, 4]), ""]
    wrong = [verdict for verdict in found if not verdict.holds]
    for verdict in wrong:
        lines.append(
            f"{verdict.layer} against {verdict.against}: {len(verdict.failures):,} of "
            f"{verdict.cases:,} cases do not hold"
        )
        for failure in verdict.failures[:most]:
            lines += [f"  {failure.case}", f"    {failure.message.replace(chr(10), ' ')}"]
        if len(verdict.failures) > most:
            lines.append(f"  and {len(verdict.failures) - most:,} more")
        lines.append("")
    cases = sum(verdict.cases for verdict in found)
    if wrong:
        layers = ", ".join(dict.fromkeys(verdict.layer for verdict in wrong))
        lines.append(f"{len(wrong)} of {len(found)} proofs do not hold: {layers}")
    else:
        lines.append(f"{len(found)} proofs, {cases:,} cases: everything holds")
    return "\n".join(lines)


def training_beside_torch(found: Training) -> str:
    """How far two trainings are apart: by epochs, at the end, and since when."""
    lines = [f"Training beside PyTorch in {found.dtype}, {len(found.losses):,} steps"]
    rows = [
        [str(epoch), f"{own:.6f}", f"{other:.6f}", f"{abs(own - other):.1e}"]
        for epoch, (own, other) in enumerate(
            zip(found.epoch_losses, found.torch_epoch_losses, strict=True), 1
        )
    ]
    lines.append(table(["Epoch", "Mean loss", "PyTorch", "Difference"], rows))
    lines.append(f"Parameters at the end differ by {found.differences[-1]:.1e}, relatively.")
    first = found.first_drift
    when = "They never differ" if first is None else f"They first differ after step {first}"
    lines.append(f"{when} by more than 1e-5.")
    lines.append(f"Predicted differently: {found.predicted_differently} of {found.test_images:,}")
    return "\n".join(lines)


def verdict_figures(verdict: Verdict) -> dict[str, Any]:
    """A verdict for JSON, which has no infinity: null is an error without a figure."""
    return {
        "layer": verdict.layer,
        "against": verdict.against,
        "cases": verdict.cases,
        "worst_relative_error": _finite(verdict.worst),
        "holds": verdict.holds,
        "failures": [attrs.asdict(failure) for failure in verdict.failures],
    }


def training_figures(found: Training) -> dict[str, Any]:
    """Two trainings side by side, for JSON; a difference without a figure is null."""
    return {
        "dtype": found.dtype,
        "steps": len(found.losses),
        "greatest_relative_difference": _finite(found.differences[-1]),
        "first_step_beyond_1e-5": found.first_drift,
        "epoch_losses": [_finite(loss) for loss in found.epoch_losses],
        "torch_epoch_losses": [_finite(loss) for loss in found.torch_epoch_losses],
        "test_images": found.test_images,
        "predicted_differently": found.predicted_differently,
    }


def _finite(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None


def data_status(sets: Sequence[DataStatus]) -> str:
    """What data is there, where, and whether the hashes hold."""
    blocks = []
    for data in sets:
        images = f"{data.train:,} training and {data.test:,} test images"
        if not any(file.present for file in data.files):
            images = "not there; `fcnn data download` fetches it"
        lines = [f"{data.name} ({data.origin}): {images}", f"  {data.folder}"]
        rows = [
            [
                f"  {file.path.name}",
                "" if file.size is None else f"{file.size:,} bytes",
                ("hash holds" if not file.problem else file.problem) if file.present else "missing",
            ]
            for file in data.files
        ]
        width = [max(len(row[i]) for row in rows) for i in range(2)]
        lines += [f"{name:<{width[0]}}  {size:>{width[1]}}  {state}" for name, size, state in rows]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)
