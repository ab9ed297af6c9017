"""The command line: `fcnn train`, `evaluate`, `summary`, `verify`, `bench` and `data`.

Results go to standard output, progress to standard error. Exit codes: 0 done, 1 the run
failed, 2 wrong usage, 3 data missing or damaged, 4 a check did not hold, 130 interrupted.
"""

import io
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any

import attrs
import numpy as np
import typer

import fcnn
from fcnn.cli import reports
from fcnn.cli.interruption import AfterStep
from fcnn.cli.progress import Bar, Pace
from fcnn.data import DataError, Dataset
from fcnn.networks.summary import summarize
from fcnn.pictures import run_pictures as pictures
from fcnn.proof import beside_pytorch as torch_parity
from fcnn.proof import catalogue as claims
from fcnn.proof import proofs as proof
from fcnn.runs import experiment, settings
from fcnn.runs import folder as runs
from fcnn.runs import model_by_name as names
from fcnn.runs.config import Config, RunError
from fcnn.runs.recipes import DEFAULT, OPTIMIZERS, SCHEDULES
from fcnn.training.throughput import rates

FAILED, WRONG_USAGE, NO_DATA, NOT_PROVED, INTERRUPTED = 1, 2, 3, 4, 130

app = typer.Typer(
    help="Convolutional networks in NumPy alone: train, evaluate and look at them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="The data sets: what is there, where, and whether it is intact.")
app.add_typer(data_app, name="data")

DataOption = Annotated[
    str,
    typer.Option(
        "--data",
        help="mnist5k (embedded), mnist (all of it), synthetic (lines), "
        "a folder of IDX files, or an .npz file.",
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help=f"One of {', '.join(names.MODELS)}, or FILE.py:FUNCTION. "
        "By default that of the recipe, which is small unless told otherwise.",
    ),
]
ThreadsOption = Annotated[
    int | None, typer.Option(min=1, help="Threads; by default all cores. Same bits either way.")
]
OF_RECIPE = "By default what the recipe says."
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"fcnn {fcnn.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Convolutional networks in NumPy alone: train, evaluate and look at them."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files may hold what the terminal cannot show.
        sys.stdout.reconfigure(errors="backslashreplace")


@app.command()
def train(
    context: typer.Context,
    data: DataOption = "mnist5k",
    recipe: Annotated[
        str,
        typer.Option(
            help="small for thousands of images, fast or best for tens of thousands, reference "
            "for plain SGD; the settings below override it."
        ),
    ] = DEFAULT.name,
    model: ModelOption = None,
    epochs: Annotated[int | None, typer.Option(min=1, help=OF_RECIPE)] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help=OF_RECIPE)] = None,
    optimizer: Annotated[
        str | None, typer.Option(help=f"One of {', '.join(OPTIMIZERS)}. {OF_RECIPE}")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help=f"{OF_RECIPE} With --optimizer adam or adamw, 0.001.")
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            help=f"One of {', '.join(SCHEDULES)}, with the learning rate as its peak. {OF_RECIPE}"
        ),
    ] = None,
    momentum: Annotated[
        float | None, typer.Option(help=f"Of sgd and nesterov. {OF_RECIPE}")
    ] = None,
    weight_decay: Annotated[
        float | None, typer.Option(min=0.0, help=f"{OF_RECIPE} adam has none.")
    ] = None,
    label_smoothing: Annotated[float | None, typer.Option(min=0.0, max=1.0, help=OF_RECIPE)] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            help="Such as rotation=12,scale=0.1,shear=0,shift=2.5, in place of all that the "
            "recipe has; or none."
        ),
    ] = None,
    validation_fraction: Annotated[
        float | None,
        typer.Option(
            help="Part of the training set to hold out, below 1; the epoch that is most accurate "
            "on it is kept."
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            min=1, help="Stop after so many epochs without a better one on what is held out."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides everything random.")] = 0,
    threads: ThreadsOption = None,
    checkpoint_every: Annotated[
        int, typer.Option(min=1, help="Epochs from one checkpoint to the next.")
    ] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the results; by default runs/DATA-MODEL-N.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with the run in this folder, with its settings.")
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train a network, evaluate it, and leave a folder of results with pictures."""
    begun = time.perf_counter()
    say: Callable[[str], None] = (lambda text: None) if quiet or as_json else typer.echo
    with _exit_codes(), ExitStack() as stack:
        bar = stack.enter_context(Bar(shown=not (quiet or as_json)))
        if resume is not None:
            _refuse_settings_beside_resume(context)
            folder = resume
            with _wrong_usage():
                config = stack.enter_context(runs.old_folder(folder))
            if runs.is_finished(folder):
                say(f"The run in {folder} is finished; fcnn evaluate {folder} shows it")
                if as_json:
                    _print_json(runs.read_metrics(folder))
                return
            loaded = _load(config.data, config.seed, bar)
            experiment.check_data(config, loaded, folder)
            say(f"Going on with the run in {folder}")
        else:
            loaded = _load(data, seed, bar)
            with _wrong_usage():
                config = experiment.configure(
                    data,
                    loaded,
                    names.recipe(recipe),
                    seed,
                    model=model,
                    epochs=epochs,
                    batch_size=batch_size,
                    optimizer=optimizer,
                    learning_rate=learning_rate,
                    schedule=schedule,
                    momentum=momentum,
                    weight_decay=weight_decay,
                    label_smoothing=label_smoothing,
                    augmentation=names.settings("augment", augment),
                    validation_fraction=validation_fraction,
                    patience=patience,
                )
                folder = stack.enter_context(runs.new_folder(out, config))
        interruption = stack.enter_context(AfterStep())
        (examples, _), (tested, _) = loaded
        held_out = settings.held_out_examples(config, len(examples))
        learning_rate_at = settings.schedule_of(config, len(examples) - held_out)
        pace = Pace(config.epochs, config.batch_size, held_out or len(tested))

        def on_batch(epoch: int, step: int, steps: int) -> None:
            taken, all_steps = (epoch - 1) * steps + step, config.epochs * steps
            rate = f"learning rate {learning_rate_at(taken - 1):.3g}"
            note = ", ".join([*pace.step(epoch, step, steps), rate])
            bar.update(f"Epoch {epoch}/{config.epochs}", taken, all_steps, note)
            interruption.check()

        def on_epoch(record: fcnn.Epoch) -> None:
            bar.close()
            say(reports.epoch_line(record, config.epochs, config.held_out))
            if record.epoch < config.epochs:
                interruption.check()

        try:
            with warnings.catch_warnings(), names.telling_lines(config.model):
                # An overflow ends in a loss that is not finite, and that is an error of its own.
                warnings.simplefilter("ignore", RuntimeWarning)
                result = experiment.train(
                    config,
                    loaded,
                    folder,
                    threads=threads,
                    checkpoint_every=checkpoint_every,
                    begun=begun,
                    on_epoch=on_epoch,
                    on_batch=on_batch,
                )
        except KeyboardInterrupt:
            bar.close()
            typer.echo(f"\nInterrupted; to go on: fcnn train --resume {folder}", err=True)
            raise typer.Exit(INTERRUPTED) from None
        if config.validation_fraction:
            say("\n" + reports.kept_epoch(config, result.metrics))
        say("\n" + reports.evaluation(result.evaluation) + "\n")
        say(reports.results(folder, result.pictures, pictures.available()))
        if as_json:
            _print_json(result.metrics)


def _refuse_settings_beside_resume(context: typer.Context) -> None:
    for name in context.params:
        source = context.get_parameter_source(name)
        given = source is not None and source.name != "DEFAULT"
        if given and name not in ("resume", "threads", "checkpoint_every", "as_json", "quiet"):
            option = name.replace("_", "-")
            _stop(
                ValueError(f"--resume takes the settings of the run; leave out --{option}"),
                WRONG_USAGE,
            )


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    data: Annotated[
        str | None, typer.Option(help="Data to evaluate on; by default that of the run.")
    ] = None,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a saved run again, with ten sample predictions."""
    begun = time.perf_counter()
    with _exit_codes(), Bar(shown=not as_json) as bar:
        with _wrong_usage():
            loaded_run = runs.load_run(run)
        data_name = loaded_run.config.data if data is None else data
        _, (x, labels) = _load(data_name, loaded_run.config.seed, bar)
        with _wrong_usage(), names.telling_lines(loaded_run.config.model):
            result, probabilities = experiment.assess(loaded_run, (x, labels), threads=threads)
        chosen = np.linspace(0, len(x) - 1, min(10, len(x))).astype(int)
        if not as_json:
            typer.echo(reports.evaluation(result) + "\n")
            typer.echo(reports.samples(chosen, labels, probabilities))
            return
        samples = [
            {
                "image": int(i),
                "true": int(labels[i]),
                "predicted": int(probabilities[i].argmax()),
                "confidence": float(probabilities[i].max()),
            }
            for i in chosen
        ]
        _print_json(
            {
                **experiment.figures(loaded_run, data_name, result),
                "per_class_accuracy": experiment.per_class_list(result),
                "confusion": result.confusion.tolist(),
                "samples": samples,
                "seconds": time.perf_counter() - begun,
            }
        )


@app.command()
def summary(model: ModelOption = None, data: DataOption = "mnist5k") -> None:
    """Show the layers of a model with their shapes and costs for one image."""
    with _exit_codes(), Bar(shown=True) as bar:
        config, built = _configured(data, model, bar)
        with names.telling_lines(config.model):
            rows = summarize(built, config.in_shape)
        typer.echo(reports.summary(rows, config.in_shape))


@app.command()
def verify(
    layers: Annotated[
        list[str] | None, typer.Argument(help="Only these, such as conv2d; by default all.")
    ] = None,
    with_torch: Annotated[
        bool, typer.Option("--torch", help="Compare with PyTorch too, in training as well.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Prove that what is installed here computes the right thing: every gradient, loss and step."""
    begun = time.perf_counter()
    trainings = {
        dtype: cache(partial(torch_parity.train, dtype)) for dtype in ("float64", "float32")
    }
    with _exit_codes(), Bar(shown=not as_json) as bar:
        with _wrong_usage():
            proofs = claims.claims()
            if with_torch:
                torch_parity.require()
                proofs += torch_parity.operation_proofs()
                for dtype, training in trainings.items():
                    proofs += torch_parity.training_proofs(dtype, training)
            chosen = proof.choose(proofs, layers or [])
        found = []
        with np.errstate(all="ignore"):  # a broken operation overflows, and is reported anyway
            for done, each in enumerate(chosen):
                bar.update("Proofs", done, len(chosen))
                found.append(proof.prove(each))
        bar.close()
        trained = [training() for training in trainings.values() if training.cache_info().currsize]
        if as_json:
            figures = {
                "holds": all(verdict.holds for verdict in found),
                "proofs": [reports.verdict_figures(verdict) for verdict in found],
                "training": [reports.training_figures(training) for training in trained],
                "seconds": time.perf_counter() - begun,
            }
            _print_json(figures)
        else:
            for training_found in trained:
                typer.echo(reports.training_beside_torch(training_found) + "\n")
            typer.echo(reports.verdicts(found))
        if not all(verdict.holds for verdict in found):
            raise typer.Exit(NOT_PROVED)


@app.command()
def bench(
    model: ModelOption = None,
    data: DataOption = "mnist5k",
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
    threads: ThreadsOption = None,
    seconds: Annotated[float, typer.Option(min=0.0, help="For each figure, about.")] = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Measure images per second in training and inference, by threads, on this machine."""
    with _exit_codes(), Bar(shown=not as_json) as bar:
        config, built = _configured(data, model, bar)
        measure = rates(
            built, config.in_shape, batch_size=batch_size, threads=threads, seconds=seconds
        )
        with names.telling_lines(config.model):
            measured = list(measure)
        if as_json:
            figures = [attrs.asdict(rate) for rate in measured]
            _print_json({"model": config.model, "batch_size": batch_size, "rates": figures})
        else:
            typer.echo(f"{config.model}, batches of {batch_size}, float32\n")
            typer.echo(reports.bench(measured))


@data_app.callback(invoke_without_command=True)
def data(context: typer.Context) -> None:
    """Say what is embedded, what is cached and where, and whether the hashes hold."""
    if context.invoked_subcommand is None:
        sets = fcnn.data.status()
        typer.echo(reports.data_status(sets))
        if any(file.present and file.problem for each in sets for file in each.files):
            raise typer.Exit(NO_DATA)


@data_app.command()
def download() -> None:
    """Fetch all of MNIST into the cache, unless it is there and intact."""
    with _exit_codes(), Bar(shown=True) as bar:
        place = fcnn.data.status()[1]
        if place.origin == "FCNN_DATA_DIR":
            if not place.intact:
                raise DataError(
                    f"FCNN_DATA_DIR is set, and MNIST is not complete in {place.folder}; "
                    "unset it to use the cache"
                )
            folder = place.folder
        else:
            folder = fcnn.data.download_mnist(progress=bar.update)
        bar.close()
        typer.echo(f"MNIST is complete in {folder}")


def _configured(data: str, model: str | None, bar: Bar) -> tuple[Config, fcnn.Layer]:
    """A model on data, as `train` would have it."""
    loaded = _load(data, 0, bar)
    with _wrong_usage():
        config = experiment.configure(data, loaded, DEFAULT, 0, model=model)
        return config, names.model(config.model, config.classes)


def _load(name: str, seed: int, bar: Bar) -> Dataset:
    with _wrong_usage():
        loaded = fcnn.data.load(name, seed=seed, progress=bar.update)
    bar.close()
    return loaded


def _print_json(content: Mapping[str, Any]) -> None:
    typer.echo(json.dumps(content, allow_nan=False))


@contextmanager
def _wrong_usage() -> Iterator[None]:
    """What the library refuses here is the fault of what was typed."""
    try:
        yield
    except (TypeError, ValueError) as error:
        _stop(error, WRONG_USAGE)


@contextmanager
def _exit_codes() -> Iterator[None]:
    """Errors that a user can do something about, as one message and an exit code."""
    try:
        yield
    except DataError as error:
        _stop(error, NO_DATA)
    except BrokenPipeError:  # nobody reads any more, as with `fcnn train | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(FAILED) from None
    except RunError as error:
        _stop(error, WRONG_USAGE)
    except MemoryError as error:
        _stop(MemoryError(f"out of memory: {error}"), FAILED)
    except (experiment.TrainingError, names.ModelError, OSError) as error:
        _stop(error, FAILED)
    except KeyboardInterrupt:
        typer.echo("\nInterrupted", err=True)
        raise typer.Exit(INTERRUPTED) from None


def _stop(error: Exception, code: int) -> None:
    named = isinstance(error, OSError) and error.strerror and not error.filename
    typer.echo(f"fcnn: {error.strerror if named else error}", err=True)  # type: ignore[attr-defined]
    raise typer.Exit(code) from error
