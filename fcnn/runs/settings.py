"""The settings of a run, each written once.

Recipes hold them, config.json keeps them, and `fcnn train` makes an option of each. A new
setting is a field of `Settings`: what it may be, its default, its help, and the format of
config.json that brings it.
"""

import re
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs
from attrs.validators import (
    and_,
    deep_iterable,
    deep_mapping,
    ge,
    instance_of,
    le,
    lt,
    min_len,
    not_,
    optional,
)

from fcnn.arguments.wording import shown, unknown
from fcnn.runs.model_by_name import MODELS

OPTIMIZERS: Final = ("sgd", "nesterov", "adam", "adamw")
SCHEDULES: Final = ("constant", "cosine", "one_cycle")
BELOW_1: Final = "a number of at least 0 and below 1", lt(1)

# attrs' validators: an integer that is no bool; a number that is neither NaN nor infinite.
INTEGER: Final[Any] = and_(instance_of(int), not_(instance_of(bool)))
NUMBER: Final[Any] = and_(
    instance_of((int, float)),
    not_(instance_of(bool)),
    le(sys.float_info.max),
    ge(-sys.float_info.max),
)


def setting(
    expected: str,
    *checks: Any,
    default: Any = attrs.NOTHING,
    converter: Callable[[Any], Any] | None = None,
    **known: Any,
) -> Any:
    """A field that attrs' validators check; expected says in words what they let pass.

    What else is known of it: its `help`, and the `metavar` that the help has for its value; its
    `least` value, which the help shows; the `option`, if that has not the field's name; and
    `since`, the first format of config.json that has it: runs of older formats had the default.
    """

    def check(instance: Any, attribute: Any, value: Any) -> None:
        try:
            and_(*checks)(instance, attribute, value)
        except (TypeError, ValueError):
            plain = dict(value) if isinstance(value, Mapping) else value
            raise ValueError(f"{attribute.name} is {shown(plain)}, expected {expected}") from None

    return attrs.field(validator=check, default=default, converter=converter, metadata=known)


def text(**known: Any) -> Any:
    """A text that is not empty."""
    return setting("a text", instance_of(str), min_len(1), **known)


def count(least: int = 1, **known: Any) -> Any:
    """An integer of at least so much."""
    return setting(f"an integer of at least {least}", INTEGER, ge(least), least=least, **known)


def number(expected: str = "a finite number of at least 0", *checks: Any, **known: Any) -> Any:
    """A number of at least 0 that passes other checks too."""
    return setting(expected, NUMBER, ge(0), *checks, **known)


def choice(names: tuple[str, ...], *, default: str, **known: Any) -> Any:
    """One of the names."""

    def check(instance: Any, attribute: Any, value: Any) -> None:
        if value not in names:
            raise ValueError(unknown(attribute.name, str(value), names))

    return attrs.field(validator=check, default=default, metadata=known)


@attrs.frozen(kw_only=True)
class Settings:
    """How a run trains, whatever the data.

    Weight decay is decoupled (see `fcnn.sgd`), label smoothing that of
    `fcnn.smoothed_cross_entropy`, and augmentation holds numbers by the names of
    `plan.augmentation_of`, nothing for none. With an average decay, the average that
    `fcnn.with_average` makes is evaluated and kept. With a validation fraction, that part of the
    training set is held out, the epoch that is best on it is kept, and patience is after how
    many epochs without a better one training stops. Parameters that it freezes keep their values.
    """

    model: str = setting(
        f"one of {', '.join(MODELS)}, or FILE.py:FUNCTION",
        instance_of(str),
        min_len(1),
        help=f"One of {', '.join(MODELS)}, or FILE.py:FUNCTION.",
    )
    epochs: int = count(help="How often each training image is seen.")
    batch_size: int = count(help="Images of a step; at most as many as there are.")
    optimizer: str = choice(
        OPTIMIZERS, default="sgd", since=3, help=f"One of {', '.join(OPTIMIZERS)}."
    )
    learning_rate: float = number(help="Of the optimizer; of adam and adamw by default 0.001.")
    schedule: str = choice(
        SCHEDULES,
        default="constant",
        since=3,
        help=f"One of {', '.join(SCHEDULES)}, with the learning rate as its peak.",
    )
    momentum: float = number(*BELOW_1, help="Of sgd and nesterov.")
    weight_decay: float = number(
        default=0.0, since=3, least=0.0, help="Of kernels, decoupled; adam has none."
    )
    label_smoothing: float = number(
        "a number from 0 to 1", le(1), default=0.0, since=3, help="From 0 to 1."
    )
    augmentation: Mapping[str, float] = setting(
        "finite numbers by their names",
        deep_mapping(instance_of(str), NUMBER, instance_of(MappingProxyType)),
        default={},
        # A copy that nobody can write to, for recipes share theirs.
        converter=lambda value: (
            MappingProxyType(dict(value)) if isinstance(value, Mapping) else value
        ),
        since=3,
        option="--augment",
        help="Numbers for rotation, scale, shear, shift, elastic and erasing, as in "
        "rotation=9,shift=1, in place of all that the recipe has; or none.",
    )
    average_decay: float = number(
        *BELOW_1,
        default=0.0,
        since=6,
        least=0.0,
        help="Evaluate and keep a moving average of the parameters, with this decay at each step; "
        "0 for none.",
    )
    validation_fraction: float = number(
        *BELOW_1,
        default=0.0,
        since=3,
        help="Part of the training set to hold out, below 1; the epoch that is most accurate on "
        "it is kept.",
    )
    patience: int | None = setting(
        "an integer of at least 1 or null",
        optional(and_(INTEGER, ge(1))),
        default=None,
        least=1,
        since=3,
        help="Stop after so many epochs without a better one on what is held out.",
    )
    image_size: int | None = setting(
        "an integer of at least 1 or null",
        optional(and_(INTEGER, ge(1))),
        default=None,
        least=1,
        since=4,
        help="Resize the pictures of a folder to so many pixels, across and down.",
    )
    freeze: tuple[str, ...] = setting(
        "a list of texts",
        deep_iterable(and_(instance_of(str), min_len(1)), instance_of(tuple)),
        default=(),
        converter=lambda value: tuple(value) if isinstance(value, list) else value,
        since=4,
        metavar="PATTERN",
        help="Do not train parameters whose path begins so, such as [0]; * stands for anything. "
        "May be given several times.",
    )
    seed: int = count(0, default=0, help="Decides everything random.")

    def freezes(self, path: str) -> bool:
        """Whether the parameter with this path, such as `[4].w`, is left as it is."""
        patterns = [".*".join(map(re.escape, text.split("*"))) for text in self.freeze]
        return any(re.match(pattern, path, re.DOTALL) for pattern in patterns)

    def held_out_of(self, images: int) -> int:
        """How many of so many training images are held out for validation; ValueError if that
        is all or, though a fraction is to be, none of them.
        """
        held_out = round(self.validation_fraction * images)
        if self.validation_fraction and not 0 < held_out < images:
            raise ValueError(
                f"validation_fraction is {self.validation_fraction}: of {images} training images "
                f"{held_out} would be held out"
            )
        return held_out
