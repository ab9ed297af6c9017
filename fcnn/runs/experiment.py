"""The main job: train a model on data, evaluate it, and leave a folder of results."""

import errno
import math
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs

from fcnn import tree
from fcnn.data import Dataset
from fcnn.distributed.failing_alike import failing_alike
from fcnn.distributed.world import ALONE, World
from fcnn.files.locks import check_lock
from fcnn.layers.layer import Layer, call_forward
from fcnn.networks.freezing import as_trained_by
from fcnn.networks.summary import parameter_count
from fcnn.numerics import random_streams as streams
from fcnn.runs.config import CONFIG, Config, RunError, data_hash, read_config, write_config
from fcnn.runs.folder import BEST, CHECKPOINT, Run, model_to_train
from fcnn.runs.history import HISTORY, best_epoch, is_complete, read_history, write_history
from fcnn.runs.initial_parameters import beginning_of, initial_parameters
from fcnn.runs.model_by_name import model_by_name, telling_lines
from fcnn.runs.plan import Plan, make_plan
from fcnn.runs.results import METRICS, Result, write_results
from fcnn.training.agreement import DisagreementError
from fcnn.training.checkpoints import load_checkpoint, save_checkpoint
from fcnn.training.epochs import Epoch, NotFiniteError
from fcnn.training.fit import fit
from fcnn.tree import Tree


class TrainingError(RuntimeError):
    """A training run that cannot go on."""


def train(
    plan: Plan,
    folder: Path,
    *,
    threads: int | None = None,
    checkpoint_every: int = 1,
    begun: float | None = None,
    on_epoch: Callable[[Epoch], None] = lambda record: None,
    on_step: Callable[[int, int], None] = lambda epoch, step: None,
    world: World = ALONE,
) -> Result | None:
    """Train as planned, from where the run in the folder stands, and fill the folder.

    The folder is this process's alone (see `folder.new_folder` and `old_folder`). If the config
    there is another, as that of a run which is to have more epochs, it is replaced. A checkpoint
    is written after every so many epochs, after the last, and after each that is the best on the
    validation set so far. begun is when the command began, by `time.perf_counter`; on_epoch is
    called when an epoch's record is safe in the folder, on_step after every step, with its
    epoch and its number in that. All processes of a world call this alike; the first alone
    writes, and gets the result.

    Raises TrainingError if the loss or a gradient is no longer finite, or processes differ in what
    they have; ModelError if the model does not work, RunError if what is in the folder is damaged
    or of another run, and OSError if it cannot be written to.
    """
    begun, config = begun or time.perf_counter(), plan.config
    is_first = world.rank == 0
    with failing_alike(world):
        model = model_to_train(folder, config)
        with telling_lines(config.model):
            start, history, params = _so_far(folder, model, plan, writes=is_first)
        if is_first:
            _check_space(folder, params, plan)
            _note_config(folder, config)
    records = _records(
        plan,
        model,
        params,
        start,
        threads=threads,
        on_batch=lambda step, steps: on_step(len(history) + 1, step),
        world=None if world.size == 1 else world,
    )
    while not is_complete(history, config):
        record = _next(records, config)
        history.append(attrs.evolve(record, params=(), state=()))  # a long run must not grow
        is_best = plan.validation is not None and best_epoch(history) == record.epoch
        if is_first:
            write_history(folder, history, config)
            if record.epoch % checkpoint_every == 0 or is_best or is_complete(history, config):
                save_checkpoint(folder / CHECKPOINT, record)
            if is_best:  # second, so that a run which goes on from the checkpoint has been there
                save_checkpoint(folder / BEST, record)
        if is_best or plan.validation is None:
            params = record.evaluated
        on_epoch(record)
    with failing_alike(world):
        if not is_first:
            return None
        run = Run(folder, config, model, params)
        return write_results(run, history, plan.test, threads=threads, begun=begun)


def check_batch_of_one(plan: Plan) -> None:
    """ModelError if a batch of the run has a single example, as the last one may, and the model
    refuses that: told before the run, it does not end it in the middle.
    """
    config, (x, _) = plan.config, plan.train
    if plan.batch_size > 1 and len(x) % plan.batch_size != 1:
        return
    model = model_by_name(config.model, config.classes)
    rng = streams.generator(config.seed, streams.FORWARD)
    with telling_lines(config.model):
        params = initial_parameters(model, config)
        call_forward(as_trained_by(plan.optimizer, model, params), params, x[:1], rng)


def parameters_of(config: Config) -> int:
    """How many parameters the model of a run has."""
    return parameter_count(beginning_of(config).params)


def plan_to_go_on(folder: Path, config: Config, data: Dataset) -> Plan:
    """The plan of a run that has begun; RunError if the data is no longer what it began with,
    or not fit for its settings.
    """
    if config.data_hash not in (None, data_hash(data)):
        raise RunError(f"the data in {config.data} has changed since the run began")
    try:
        return make_plan(config, data)
    except ValueError as error:
        raise RunError(f"{folder / CONFIG}: {error}") from error


def _so_far(
    folder: Path, model: Layer, plan: Plan, *, writes: bool
) -> tuple[Epoch | None, list[Epoch], Tree]:
    """Where a run stands: its last record, None before the first checkpoint; all of them without
    their trees; and the parameters to keep if nothing better comes.

    Raises RunError if what is in the folder is damaged or of another run.
    """
    start = _record_in(folder / CHECKPOINT, model, plan)
    if start is None:
        return None, [], initial_parameters(model, plan.config)
    if start.epoch > plan.config.epochs or start.in_shape != plan.config.in_shape:
        raise RunError(f"{folder / CHECKPOINT} is not of the run in {folder / CONFIG}")
    # What is behind the checkpoint comes again.
    history = read_history(folder, plan.config)[: start.epoch]
    if [past.epoch for past in history] != [*range(1, start.epoch + 1)]:
        raise RunError(f"{folder / HISTORY} lacks epochs before {start.epoch}")
    if plan.validation is None:
        return start, history, start.evaluated
    best = best_epoch(history)
    if best == start.epoch:
        if writes:  # the run may have been killed just before this
            save_checkpoint(folder / BEST, start)
        return start, history, start.evaluated
    kept = _record_in(folder / BEST, model, plan)
    if kept is None or kept.epoch != best:
        found = "missing" if kept is None else f"of epoch {kept.epoch}"
        raise RunError(f"{folder / BEST} is {found}, expected epoch {best}, the best one")
    return start, history, kept.evaluated


def _record_in(path: Path, model: Layer, plan: Plan) -> Epoch | None:
    try:
        return load_checkpoint(path, model, plan.optimizer)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise RunError(str(error)) from error


def _note_config(folder: Path, config: Config) -> None:
    """Let config.json say what the run is to be. A finished one loses its metrics before that:
    wherever it is killed, it can be gone on with.
    """
    if read_config(folder) != config:
        check_lock(folder)
        (folder / METRICS).unlink(missing_ok=True)
        write_config(folder, config)


def _records(
    plan: Plan, model: Layer, params: Tree, start: Epoch | None, **how: Any
) -> Iterator[Epoch]:
    """The records of the epochs that are left after the start, if any are."""
    if start is not None and start.epoch == plan.config.epochs:
        return iter(())
    return fit(
        model,
        params,
        plan.optimizer,
        plan.train,
        start=start,
        epochs=plan.config.epochs,
        batch_size=plan.batch_size,
        seed=plan.config.seed,
        loss=plan.loss,
        augment=plan.augment,
        test=plan.test if plan.validation is None else None,
        validation=plan.validation,
        **how,
    )


def _next(records: Iterator[Epoch], config: Config) -> Epoch:
    """The record of the next epoch; TrainingError or ModelError if there is none."""
    try:
        with telling_lines(config.model):
            record = next(records)
        loss = getattr(record, f"{config.held_out}_loss")
        if not math.isfinite(loss):
            raise NotFiniteError(f"the {config.held_out} loss of epoch {record.epoch} is {loss}")
    except NotFiniteError as error:
        raise TrainingError(f"{error}\ntry a smaller learning rate") from error
    except DisagreementError as error:
        raise TrainingError(str(error)) from error
    return record


def _check_space(folder: Path, params: Tree, plan: Plan) -> None:
    """OSError before any work if the folder's disk is too full for the results."""
    state = plan.optimizer.init(params)
    kept, carried = (sum(leaf.nbytes for leaf in tree.leaves(t)) for t in (params, state))
    # Two checkpoints at a time, and the best one; then parameters and pictures.
    checkpoints = 2 if plan.validation is None else 3
    needed = checkpoints * (kept + carried) + kept + 2_000_000
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(
            errno.ENOSPC,
            f"{free / 1e6:.1f} MB are free for {folder}, the run needs {needed / 1e6:.1f} MB",
        )
