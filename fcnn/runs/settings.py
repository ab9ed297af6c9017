"""From the settings of a run, which are data, to what trains it."""

from __future__ import annotations

import inspect

import numpy as np

from fcnn import augmentation, schedules
from fcnn.numerics import random_streams as streams
from fcnn.optimizers.adam import adam, adamw
from fcnn.numerics.arrays import Array
from fcnn.runs.config import Config, wrong_value
from fcnn.training.batch_gradient import Augmentation
from fcnn.losses.loss import Loss
from fcnn.losses.cross_entropy import softmax_cross_entropy
from fcnn.optimizers.optimizer import Optimizer
from fcnn.optimizers.sgd import sgd
from fcnn.runs.recipes import OPTIMIZERS, SCHEDULES
from fcnn.schedules import Schedule
from fcnn.arguments.settings import not_negative
from fcnn.arguments.wording import unknown
from fcnn.losses.smoothed_cross_entropy import smoothed_cross_entropy


def check(config: Config, examples: int) -> None:
    """ValueError for settings that make no sense, with so many training images."""
    examples -= held_out_examples(config, examples)
    if config.patience is not None and not config.validation_fraction:
        raise ValueError("patience needs a validation set: give a validation fraction")
    optimizer_of(config, examples)
    loss_of(config)
    augmentation_of(config)
    wrong = wrong_value(config.plain())
    if wrong:  # nothing is written that could not be read again
        raise ValueError(wrong)


def split(
    config: Config, train_set: tuple[Array, Array]
) -> tuple[tuple[Array, Array], tuple[Array, Array] | None]:
    """What is trained on, and what is held out of the training set for validation, if any."""
    x, labels = train_set
    held_out = held_out_examples(config, len(x))
    if not held_out:
        return train_set, None
    order = streams.generator(config.seed, streams.SPLIT).permutation(len(x))
    kept, held = np.sort(order[held_out:]), np.sort(order[:held_out])
    return (x[kept], labels[kept]), (x[held], labels[held])


def held_out_examples(config: Config, examples: int) -> int:
    """How many of so many training images are held out for validation."""
    fraction = config.validation_fraction
    if not 0 <= fraction < 1:
        raise ValueError(f"validation_fraction is {fraction}, expected at least 0 and below 1")
    held_out = round(fraction * examples)
    if fraction and not 0 < held_out < examples:
        raise ValueError(
            f"validation_fraction is {fraction}: of {examples} training images {held_out} would "
            "be held out"
        )
    return held_out


def optimizer_of(config: Config, examples: int) -> Optimizer:
    """The optimizer of a run on that many examples, with its schedule."""
    rate = schedule_of(config, examples)
    match config.optimizer:
        case "adam" if config.weight_decay:
            raise ValueError("adam has no weight decay; adamw has")
        case "adam":
            return adam(rate)
        case "adamw":
            return adamw(rate, weight_decay=config.weight_decay)
        case "sgd" | "nesterov":
            nesterov = config.optimizer == "nesterov"
            decay = config.weight_decay
            return sgd(rate, config.momentum, nesterov=nesterov, weight_decay=decay)
    raise ValueError(unknown("optimizer", config.optimizer, OPTIMIZERS))


def schedule_of(config: Config, examples: int) -> Schedule:
    """The learning rate of a run on that many examples, by step."""
    peak = not_negative("train", "learning rate", config.learning_rate)
    steps = config.epochs * -(-examples // config.batch_size)
    match config.schedule:
        case "cosine":
            return schedules.cosine(peak, steps)
        case "one_cycle":
            return schedules.one_cycle(peak, steps)
        case "constant":
            return schedules.constant(peak)
    raise ValueError(unknown("schedule", config.schedule, SCHEDULES))


def loss_of(config: Config) -> Loss:
    """The loss of a run: plain, or with smoothed labels."""
    if not config.label_smoothing:
        return softmax_cross_entropy
    return smoothed_cross_entropy(label_smoothing=config.label_smoothing)


def augmentation_of(config: Config) -> Augmentation | None:
    """The augmentation of a run; ValueError for settings that it does not know."""
    if not config.augmentation:
        return None
    known = inspect.signature(augmentation.affine).parameters
    for name in config.augmentation:
        if name not in known:
            raise ValueError(unknown("augmentation", name, known))
    affine: Augmentation = augmentation.affine(**config.augmentation)
    return affine
