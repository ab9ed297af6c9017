"""The main job: train a model on data, evaluate it, and leave a folder of results."""

import errno
import math
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fcnn import tree
from fcnn.data import Dataset
from fcnn.layers.layer import Layer
from fcnn.runs.config import CONFIG, Config, RunError, data_hash
from fcnn.runs.folder import (
    BEST,
    CHECKPOINT,
    Run,
    best_record,
    initial_parameters,
    model_of,
    progress,
)
from fcnn.runs.history import best_epoch, figures_alone, is_complete, write_history
from fcnn.runs.model_by_name import telling_lines
from fcnn.runs.plan import Plan, Step, make_plan
from fcnn.runs.results import Result, write_results
from fcnn.training.checkpoints import save_checkpoint
from fcnn.training.fit import Epoch, NotFiniteError, fit
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
    on_step: Callable[[Step], None] = lambda step: None,
) -> Result:
    """Train as planned, from where the run in the folder stands, and fill the folder.

    The folder is this process's alone (see `folder.new_folder` and `old_folder`). A checkpoint
    is written after every so many epochs, after the last, and after each that is the best on the
    validation set so far. begun is when the command began, by `time.perf_counter`; on_epoch is
    called when an epoch's record is safe in the folder, on_step after every step.

    Raises TrainingError if the loss or a gradient is no longer finite, ModelError if the model
    does not work, RunError if what is in the folder is damaged or of another run, and OSError if
    it cannot be written to.
    """
    begun, config = begun or time.perf_counter(), plan.config
    model = model_of(folder, config)
    start, history = progress(folder, model, plan)
    params = initial_parameters(model, config)
    if start is not None:
        params = _kept(folder, model, plan, start, history).params
    _check_space(folder, params, plan)
    held_out: dict[str, Any] = {config.held_out: plan.evaluated}
    records = fit(
        model,
        params,
        plan.optimizer,
        plan.train,
        epochs=config.epochs,
        batch_size=plan.batch_size,
        seed=config.seed,
        loss=plan.loss,
        augment=plan.augment,
        threads=threads,
        start=start,
        on_batch=lambda step, steps: on_step(plan.step(len(history) + 1, step)),
        **held_out,
    )
    while not is_complete(history, config):
        record = _next(records, config)
        history.append(figures_alone(record))
        write_history(folder, history, config)
        if _write_checkpoints(folder, plan, record, history, checkpoint_every):
            params = record.params
        on_epoch(record)
    run = Run(folder, config, model, params)
    return write_results(run, history, plan.test, threads=threads, begun=begun)


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


def _kept(folder: Path, model: Layer, plan: Plan, start: Epoch, history: Sequence[Epoch]) -> Epoch:
    """The record whose parameters a run that goes on would keep if nothing better came."""
    if plan.validation is None:
        return start
    best = best_epoch(history)
    if best == start.epoch:
        save_checkpoint(folder / BEST, start)  # the run may have been killed just before this
        return start
    return best_record(folder, model, plan, best)


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
    return record


def _write_checkpoints(
    folder: Path, plan: Plan, record: Epoch, history: Sequence[Epoch], every: int
) -> bool:
    """Write the checkpoints that are due after an epoch; whether its parameters are to be kept.

    The best epoch is never one that a resumed run, which starts from the checkpoint, has yet
    to come to: so it is written second.
    """
    is_best = plan.validation is not None and best_epoch(history) == record.epoch
    is_last = is_complete(history, plan.config)
    if record.epoch % every == 0 or is_best or is_last:
        save_checkpoint(folder / CHECKPOINT, record)
    if is_best:
        save_checkpoint(folder / BEST, record)
    return is_best or plan.validation is None


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
