"""From settings and data to what trains: made once, read by the experiment and the command line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Final

import attrs
import numpy as np

from fcnn import augmentation, schedules
from fcnn.arguments.wording import unknown
from fcnn.data import Dataset
from fcnn.losses.cross_entropy import softmax_cross_entropy
from fcnn.losses.loss import Loss
from fcnn.losses.smoothed_cross_entropy import smoothed_cross_entropy
from fcnn.numerics import random_streams as streams
from fcnn.optimizers.adam import adam, adamw
from fcnn.optimizers.masked import masked
from fcnn.optimizers.optimizer import Optimizer
from fcnn.optimizers.parameter_average import with_average
from fcnn.optimizers.sgd import sgd
from fcnn.runs.config import Config
from fcnn.runs.settings import Settings
from fcnn.schedules import Schedule
from fcnn.training.batch_gradient import Augmentation
from fcnn.training.epochs import Examples

AFFINE: Final = tuple(inspect.signature(augmentation.affine).parameters)
OTHERS: Final[Mapping[str, Callable[[float], Augmentation]]] = {
    "elastic": augmentation.elastic,
    "erasing": augmentation.random_erasing,
}


@attrs.frozen(eq=False, kw_only=True)
class Plan:
    """What a config means for its data: what a run trains and is evaluated on, and with what.

    The validation set is held out of the training set; without one, each epoch is evaluated on
    the test set.
    """

    config: Config
    train: Examples
    validation: Examples | None
    test: Examples
    batch_size: int
    steps_per_epoch: int
    schedule: Schedule
    optimizer: Optimizer
    loss: Loss
    augment: Augmentation | None

    @property
    def evaluated(self) -> Examples:
        """What each epoch is evaluated on."""
        return self.test if self.validation is None else self.validation

    @property
    def steps(self) -> int:
        """The steps of all epochs."""
        return self.config.epochs * self.steps_per_epoch


def make_plan(config: Config, data: Dataset) -> Plan:
    """The plan of a run; ValueError for settings that make no sense together or with the data."""
    train, validation = split(config, data[0])
    return plan_of(config, train, validation, data[1])


def plan_of(config: Config, train: Examples, validation: Examples | None, test: Examples) -> Plan:
    """The plan of a run whose data has been split; ValueError as of `make_plan`."""
    if config.patience is not None and validation is None:
        raise ValueError("patience needs a validation set: give a validation fraction")
    examples = len(train[0])
    batch_size = min(config.batch_size, examples)  # it may be greater in runs of older versions
    steps_per_epoch = -(-examples // batch_size)
    schedule = schedule_of(config, config.epochs * steps_per_epoch)
    return Plan(
        config=config,
        train=train,
        validation=validation,
        test=test,
        batch_size=batch_size,
        steps_per_epoch=steps_per_epoch,
        schedule=schedule,
        optimizer=optimizer_of(config, schedule),
        loss=loss_of(config),
        augment=augmentation_of(config),
    )


def split(settings: Settings, examples: Examples) -> tuple[Examples, Examples | None]:
    """What is trained on, and what is held out for validation, if anything is."""
    x, labels = examples
    held_out = settings.held_out_of(len(x))
    if not held_out:
        return examples, None
    order = streams.generator(settings.seed, streams.SPLIT).permutation(len(x))
    kept, held = np.sort(order[held_out:]), np.sort(order[:held_out])
    return (x[kept], labels[kept]), (x[held], labels[held])


def schedule_of(settings: Settings, steps: int) -> Schedule:
    """The learning rate by step, of a run of so many."""
    peak = settings.learning_rate
    match settings.schedule:
        case "cosine":
            return schedules.cosine(peak, steps)
        case "one_cycle":
            return schedules.one_cycle(peak, steps)
    return schedules.constant(peak)


def optimizer_of(settings: Settings, rate: Schedule) -> Optimizer:
    """The optimizer, at that learning rate, of all that is not frozen; with an average, if so."""
    optimizer = _of_all(settings, rate)
    if settings.freeze:
        optimizer = masked(optimizer, lambda path: not settings.freezes(path))
    if settings.average_decay:
        optimizer = with_average(optimizer, settings.average_decay)
    return optimizer


def _of_all(settings: Settings, rate: Schedule) -> Optimizer:
    decay = settings.weight_decay
    match settings.optimizer:
        case "adam" if decay:
            raise ValueError("adam has no weight decay; adamw has")
        case "adam":
            return adam(rate)
        case "adamw":
            return adamw(rate, weight_decay=decay)
    nesterov = settings.optimizer == "nesterov"
    return sgd(rate, settings.momentum, nesterov=nesterov, weight_decay=decay)


def loss_of(settings: Settings) -> Loss:
    """The loss: plain, or with smoothed labels."""
    if not settings.label_smoothing:
        return softmax_cross_entropy
    return smoothed_cross_entropy(label_smoothing=settings.label_smoothing)


def augmentation_of(settings: Settings) -> Augmentation | None:
    """The augmentation, if any; ValueError for a name that it does not have.

    The names are the arguments of `affine`; elastic, the alpha of `elastic`; and erasing, the
    probability of `random_erasing`. They are done in this order.
    """
    given = dict(settings.augmentation)
    affine = {name: given.pop(name) for name in AFFINE if name in given}
    done = [augmentation.affine(**affine)] if affine else []
    for name, make in OTHERS.items():
        if name in given:
            done.append(make(given.pop(name)))
    if given:
        raise ValueError(unknown("augmentation", min(given), [*AFFINE, *OTHERS]))
    return augmentation.compose(*done) if done else None
