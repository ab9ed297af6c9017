"""`fcnn train`: the main job."""

import os
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from fcnn.cli import options, reports
from fcnn.cli.exit_codes import INTERRUPTED, Stopped, exit_codes, wrong_usage
from fcnn.cli.interruption import after_step
from fcnn.cli.many_processes import in_company, world_of
from fcnn.cli.progress import Bar
from fcnn.distributed.failing_alike import failing_alike
from fcnn.distributed.world import ALONE, World
from fcnn.pictures import run_pictures as pictures
from fcnn.runs import experiment
from fcnn.runs.config import Config, RunError, configure, read_config, read_json
from fcnn.runs.folder import new_folder, old_folder
from fcnn.runs.going_on import with_epochs
from fcnn.runs.initial_parameters import beginning_of, begun_with
from fcnn.runs.pace import Pace
from fcnn.runs.plan import Plan, make_plan
from fcnn.runs.recipes import DEFAULT, recipe_by_name
from fcnn.runs.results import METRICS, Result
from fcnn.runs.shared_plan import shared_plan
from fcnn.training.epochs import Epoch

# What may be given beside --resume: how far, and what is no setting of the run.
BESIDE_RESUME = ("--epochs", "--threads", "--checkpoint-every", "--mpi", "--json", "--quiet")


@options.with_settings
def train(
    *,
    context: typer.Context,
    data: options.DataOption = "mnist5k",
    recipe: Annotated[
        str,
        typer.Option(
            help="small for thousands of images, fast or best for tens of thousands, tiny for few "
            "parameters, reference for plain SGD; single settings override it."
        ),
    ] = DEFAULT.name,
    settings: dict[str, Any],
    threads: options.ThreadsOption = None,
    checkpoint_every: Annotated[
        int, typer.Option(min=1, help="Epochs from one checkpoint to the next.")
    ] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the results; by default runs/DATA-MODEL-N.")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            help="Go on with the run in this folder, with its settings; with --epochs, to so many "
            "in all, though it is finished."
        ),
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(
            help="Begin with the parameters of the run in this folder, or of this file of "
            "save_model, where they fit."
        ),
    ] = None,
    mpi: options.MpiOption = False,
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Train a network, evaluate it, and leave a folder of results with pictures."""
    begun = time.perf_counter()
    with exit_codes():
        world = world_of(mpi)
        shown = not (quiet or as_json) and world.rank == 0
        say: Callable[[str], None] = typer.echo if shown else lambda text: None
        with in_company(world), Bar(shown) as bar, ExitStack() as held:
            if resume is None:
                plan = shared_plan(world, lambda: _new_plan(data, recipe, settings, init, bar))
                folder = _folder_of_first(world, out, plan.config, held)
                say(reports.first_line(plan.config, experiment.parameters_of(plan.config), folder))
                if init is not None:
                    say(reports.beginning(init, beginning_of(plan.config)))
            else:
                folder = resume
                with failing_alike(world):
                    with wrong_usage():
                        options.refuse_beside(context, "--resume", BESIDE_RESUME)
                    config = _config_to_go_on(world, folder, settings.get("epochs"), held)
                if "epochs" not in settings and (folder / METRICS).exists():
                    say(f"The run in {folder} is finished; fcnn evaluate {folder} shows it")
                    if as_json and world.rank == 0:
                        reports.print_json(read_json(folder / METRICS))
                    return
                plan = shared_plan(world, lambda: _plan_to_go_on(folder, config, bar))
                say(f"Going on with the run in {folder}")
            result = train_with_bar(
                plan, folder, bar, say,
                world=world, threads=threads, checkpoint_every=checkpoint_every, begun=begun,
            )  # fmt: skip
            if result is None:  # another process shows it
                return
            if plan.validation is not None:
                say("\n" + reports.kept_epoch(plan.config, result.metrics))
            say("\n" + reports.evaluation(result.evaluation, plan.config.labels) + "\n")
            say(reports.results(folder, result, pictures.available()))
            if as_json:
                reports.print_json(result.metrics)


def _folder_of_first(world: World, out: Path | None, config: Config, held: ExitStack) -> Path:
    """The folder of a new run, which the first process makes and keeps for itself."""
    folder = Path()
    with failing_alike(world):
        if world.rank == 0:
            folder = held.enter_context(new_folder(out, config))
    return Path(world.texts(str(folder))[0])


def _config_to_go_on(world: World, folder: Path, epochs: int | None, held: ExitStack) -> Config:
    """The config of an old run, whose folder the first process keeps for itself; with so many
    epochs, if given.
    """
    if os.path.isfile(folder):
        raise RunError(
            f"{folder} is a file, not the folder of a run; a new run can begin with the parameters "
            f"of a file of save_model: --init {folder}"
        )
    config = held.enter_context(old_folder(folder)) if world.rank == 0 else read_config(folder)
    return config if epochs is None else with_epochs(folder, config, epochs)


def _plan_to_go_on(folder: Path, config: Config, bar: Bar) -> Plan:
    data = options.load_data(config.data, config.seed, bar, config.image_size)
    return experiment.plan_to_go_on(folder, config, data)


def _new_plan(
    data_name: str, recipe_name: str, given: dict[str, Any], init: Path | None, bar: Bar
) -> Plan:
    with wrong_usage():
        if "augmentation" in given:
            given["augmentation"] = options.numbers("augment", given["augmentation"])
        recipe = recipe_by_name(recipe_name)
        known = recipe.with_given(data_name, given)
    data = options.load_data(data_name, known.seed, bar, known.image_size)
    with wrong_usage():
        config = configure(data_name, data, recipe, **given)
        plan = make_plan(config if init is None else begun_with(init, config), data)
    experiment.check_batch_of_one(plan)
    return plan


def train_with_bar(
    plan: Plan,
    folder: Path,
    bar: Bar,
    say: Callable[[str], None],
    *,
    world: World = ALONE,
    **how: Any,
) -> Result | None:
    """Train, with a bar for the steps and a line for each epoch; Ctrl-C waits for a step's end."""
    pace, epochs = Pace(plan), plan.config.epochs
    try:
        with after_step() as check_ctrl_c, warnings.catch_warnings():
            # An overflow ends in a loss that is not finite, and that is an error of its own.
            warnings.simplefilter("ignore", RuntimeWarning)

            def on_step(epoch: int, step: int) -> None:
                found = pace.note(epoch, step)
                note = reports.progress(found)
                bar.update(f"Epoch {epoch}/{epochs}", found.steps, plan.steps, note)
                check_ctrl_c()

            def on_epoch(record: Epoch) -> None:
                bar.close()
                say(reports.epoch_line(record, epochs))
                if record.epoch < epochs and world.size == 1:  # many stop after the same step
                    check_ctrl_c()

            return experiment.train(
                plan, folder, on_epoch=on_epoch, on_step=on_step, world=world, **how
            )
    except KeyboardInterrupt:
        bar.close()
        told = f"\nInterrupted; to go on: fcnn train --resume {folder}"
        raise Stopped(told, INTERRUPTED, alike=True) from None
