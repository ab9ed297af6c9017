"""`fcnn train`: the main job."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated, Any

import attrs
import typer

from fcnn.cli import reports
from fcnn.cli.exit_codes import INTERRUPTED, exit_codes, wrong_usage
from fcnn.cli.inputs import load_data
from fcnn.cli.interruption import AfterStep
from fcnn.cli.options import (
    DataOption,
    JsonOption,
    QuietOption,
    ThreadsOption,
    numbers,
    refuse_beside,
    with_settings,
)
from fcnn.cli.progress import Bar
from fcnn.pictures import run_pictures as pictures
from fcnn.runs import experiment
from fcnn.runs.config import Config, configure
from fcnn.runs.folder import new_folder, old_folder
from fcnn.runs.pace import Pace
from fcnn.runs.plan import Plan, Step, make_plan
from fcnn.runs.recipes import DEFAULT, recipe_by_name
from fcnn.runs.results import Result, is_finished, read_metrics
from fcnn.training.fit import Epoch

# What may be given beside --resume: what is no setting of the run.
BESIDE_RESUME = ("--threads", "--checkpoint-every", "--json", "--quiet")


@attrs.frozen(eq=False)
class Job:
    """A run that this process may work on."""

    folder: Path
    config: Config
    plan: Plan


@with_settings
def train(
    *,
    context: typer.Context,
    data: DataOption = "mnist5k",
    recipe: Annotated[
        str,
        typer.Option(
            help="small for thousands of images, fast or best for tens of thousands, reference "
            "for plain SGD; the settings below override it."
        ),
    ] = DEFAULT.name,
    settings: dict[str, Any],
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
    shown = not (quiet or as_json)
    say: Callable[[str], None] = typer.echo if shown else lambda text: None
    with exit_codes(), Bar(shown) as bar:
        prepared: AbstractContextManager[Job | dict[str, Any]]
        if resume is None:
            prepared = _new_job(data, recipe, settings, out, bar)
        else:
            with wrong_usage():
                refuse_beside(context, "--resume", BESIDE_RESUME)
            prepared = _old_job(resume, bar, say)
        with prepared as job:
            if isinstance(job, Job):
                result = train_with_bar(
                    job,
                    bar,
                    say,
                    threads=threads,
                    checkpoint_every=checkpoint_every,
                    begun=begun,
                )
                _report(job, result, say)
                metrics = result.metrics
            else:
                metrics = job
            if as_json:
                reports.print_json(metrics)


@contextmanager
def _new_job(
    data_name: str, recipe_name: str, given: dict[str, Any], out: Path | None, bar: Bar
) -> Iterator[Job]:
    """A run that begins, in a folder of its own."""
    with wrong_usage():
        if "augmentation" in given:
            given["augmentation"] = numbers("augment", given["augmentation"])
        recipe = recipe_by_name(recipe_name)
        seed = recipe.with_given(data_name, given).seed
    data = load_data(data_name, seed, bar)
    with wrong_usage():
        config = configure(data_name, data, recipe, **given)
        plan = make_plan(config, data)
    with new_folder(out, config) as folder:
        yield Job(folder, config, plan)


@contextmanager
def _old_job(folder: Path, bar: Bar, say: Callable[[str], None]) -> Iterator[Job | dict[str, Any]]:
    """A run that goes on, or the metrics of one that is finished."""
    with old_folder(folder) as config:
        if is_finished(folder):
            say(f"The run in {folder} is finished; fcnn evaluate {folder} shows it")
            yield read_metrics(folder)
        else:
            data = load_data(config.data, config.seed, bar)
            plan = experiment.plan_to_go_on(folder, config, data)
            say(f"Going on with the run in {folder}")
            yield Job(folder, config, plan)


def train_with_bar(
    job: Job,
    bar: Bar,
    say: Callable[[str], None],
    *,
    threads: int | None,
    checkpoint_every: int,
    begun: float,
) -> Result:
    """Train, with a bar for the steps and a line for each epoch; Ctrl-C waits for a step's end."""
    pace, epochs = Pace(job.plan), job.plan.epochs
    try:
        with AfterStep() as interruption, warnings.catch_warnings():
            # An overflow ends in a loss that is not finite, and that is an error of its own.
            warnings.simplefilter("ignore", RuntimeWarning)

            def on_step(step: Step) -> None:
                pace.note(step)
                label = f"Epoch {step.epoch}/{epochs}"
                bar.update(label, step.in_run, job.plan.steps, reports.pace(pace, step))
                interruption.check()

            def on_epoch(record: Epoch) -> None:
                bar.close()
                say(reports.epoch_line(record, epochs))
                if record.epoch < epochs:
                    interruption.check()

            return experiment.train(
                job.config,
                job.plan,
                job.folder,
                threads=threads,
                checkpoint_every=checkpoint_every,
                begun=begun,
                on_epoch=on_epoch,
                on_step=on_step,
            )
    except KeyboardInterrupt:
        bar.close()
        typer.echo(f"\nInterrupted; to go on: fcnn train --resume {job.folder}", err=True)
        raise typer.Exit(INTERRUPTED) from None


def _report(job: Job, result: Result, say: Callable[[str], None]) -> None:
    if job.plan.validation is not None:
        say("\n" + reports.kept_epoch(job.config, result.metrics))
    say("\n" + reports.evaluation(result.evaluation) + "\n")
    say(reports.results(job.folder, result.pictures, pictures.available()))
