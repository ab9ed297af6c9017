"""The points at which layers are proved, as data: a new layer is a few new entries here.

One table for all. `CHOSEN` has few cases of each layer, by hand, one for each thing that may go
wrong; those of `SHIPPED` come with values of PyTorch. `PRODUCTS` has all combinations of many
settings, and `TIES` has points at which the gradient is a matter of convention. PyTorch is
compared at all of them. Differences take a hundred times as long: they get a part of the
products.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any, Final

import attrs
import numpy as np

import fcnn
from fcnn.numerics.arrays import Array, Shape
from fcnn.proof.case import Case, Sizes, equals, ties, valid, zeros
from fcnn.proof.proofs import spread

# Chosen by hand. All are made of x as (N, C, H, W) or (N, D).


def _case(
    operation: str, x: Shape, training: bool = True, size: float = 1.0, **settings: Any
) -> Case:
    return Case(operation, x[1:], x[0], settings, training=training, size=size)


def _on(operation: str, *shapes: Shape, **settings: Any) -> list[Case]:
    return [_case(operation, x, **settings) for x in shapes]


def _product(operation: str, **choices: Iterable[Any]) -> list[Case]:
    """All combinations of what x, training and the settings may be; the last changes first."""
    return [
        _case(operation, **dict(zip(choices, chosen, strict=True)))
        for chosen in product(*choices.values())
    ]


def _tied(cases: Iterable[Case]) -> list[Case]:
    """Each case, and the same on ties."""
    return [each for case in cases for each in (case, attrs.evolve(case, point=ties))]


_CONVOLUTIONS: Final = [
    _case("conv2d", x, features=features, kernel=kernel, stride=stride, padding=padding)
    for kernel, stride, padding, x, features in (
        (3, 1, 1, (2, 2, 5, 6), 3),
        (3, 1, 0, (1, 1, 5, 4), 2),
        (1, 1, 0, (2, 3, 3, 4), 2),
        (2, 1, 0, (2, 2, 4, 5), 2),
        (2, 2, 1, (1, 2, 5, 5), 2),
        (5, 1, 2, (1, 1, 7, 5), 2),
        (5, 2, 2, (1, 2, 7, 7), 1),
        (3, 2, 1, (2, 2, 7, 6), 2),
        (3, 2, 0, (1, 2, 8, 8), 2),
        (3, 3, 1, (2, 1, 8, 7), 2),
        (2, 3, 0, (1, 2, 9, 8), 2),
        ((3, 1), 1, (1, 0), (2, 2, 4, 5), 2),
        ((1, 4), (1, 2), (0, 3), (1, 2, 3, 6), 2),
        ((2, 3), (2, 1), (0, 2), (2, 2, 5, 4), 2),
        (3, (1, 3), 1, (1, 1, 5, 7), 2),
        (3, 1, 4, (1, 2, 3, 2), 2),
        (2, 5, 4, (1, 1, 2, 3), 2),
        (1, 2, 3, (2, 2, 2, 2), 1),
        (3, 1, 1, (1, 1, 1, 1), 1),
        (1, 1, 0, (1, 2, 1, 1), 3),
        (4, 1, 0, (1, 2, 4, 4), 2),
        (3, 1, 1, (5, 4, 3, 3), 5),
    )
]


def _unusual(features: int, kernel: Sizes, x: Shape, **settings: Any) -> Case:
    return _case("conv2d", x, features=features, kernel=kernel, **settings)


_UNUSUAL_CONVOLUTIONS: Final = [
    _unusual(2, (2, 4), (1, 1, 4, 5), padding="same"),
    _unusual(2, (3, 2), (1, 1, 7, 5), stride=(2, 1), padding=(1, 2), dilation=(2, 3)),
    _unusual(3, 3, (1, 3, 3, 4), padding="same", groups=3, bias=False),
    _unusual(4, 2, (2, 2, 4, 5), stride=2, dilation=(1, 2), groups=2),
]
_FURTHER_CONVOLUTIONS: Final = [
    _unusual(2, 1, (2, 1, 1, 1), stride=11, padding=5),
    _unusual(3, 3, (2, 2, 4, 5), padding="same", bias=False),
    _unusual(2, (2, 4), (2, 2, 4, 5), padding="same"),
    _unusual(2, (4, 3), (1, 1, 5, 6), padding="same", dilation=(1, 2)),
    _unusual(2, 4, (2, 1, 5, 6), padding="same", dilation=(1, 3)),
    _unusual(2, 3, (2, 2, 7, 6), dilation=2),
    _unusual(2, (3, 2), (1, 1, 7, 5), stride=(2, 1), padding=(1, 2), dilation=3),
    _unusual(2, (2, 1), (1, 1, 6, 4), stride=3, dilation=(3, 2)),
    _unusual(2, 3, (2, 1, 6, 9), stride=3, padding=4, dilation=(3, 1)),
    _unusual(6, 3, (2, 4, 4, 5), padding=1, groups=2),
    _unusual(3, 2, (2, 6, 5, 4), stride=2, padding=1, groups=3, bias=False),
    _unusual(3, 3, (2, 3, 4, 5), padding="same", groups=3),
    _unusual(8, (3, 2), (2, 4, 6, 5), stride=(1, 2), groups=4, dilation=2),
    _unusual(8, (3, 2), (2, 4, 6, 5), stride=(1, 2), padding=(2, 0), groups=4, dilation=2),
    _unusual(4, 1, (2, 4, 3, 3), groups=2),
]

_DENSE: Final = [
    _case("dense", (N, D), features=K) for N, D, K in ((1, 1, 1), (1, 5, 3), (4, 6, 3), (7, 1, 2))
]
_DENSE_WITHOUT_BIAS: Final = [_case("dense", (4, 5), features=3, bias=False)]

_POOLS: Final = [
    _case("max_pool2d", x, window=window, stride=stride, padding=padding)
    for window, stride, padding, x in (
        (2, None, 0, (2, 2, 6, 4)),
        (2, None, 0, (1, 2, 5, 7)),
        (3, None, 0, (2, 1, 7, 6)),
        (3, 2, 1, (2, 2, 7, 6)),
        (2, 1, 0, (1, 2, 4, 5)),
        (3, 1, 1, (2, 1, 5, 4)),
        (2, 3, 1, (1, 1, 7, 8)),
        ((3, 2), (1, 2), (1, 0), (1, 2, 5, 6)),
        ((1, 4), (2, 1), (0, 2), (1, 1, 5, 5)),
        (1, 2, 0, (1, 2, 5, 5)),
        (4, 2, 2, (1, 1, 2, 1)),
    )
]
_FURTHER_POOLS: Final = [
    _case("max_pool2d", (2, 2, 3, 3), window=1, stride=None, padding=0),
    _case("max_pool2d", (2, 1, 4, 5), window=(2, 1), stride=(1, 2), padding=0),
]
_AVERAGES: Final = [attrs.evolve(case, operation="avg_pool2d") for case in _POOLS + _FURTHER_POOLS]

_BATCH_NORMS: Final = [
    _case("batch_norm", x, training, epsilon=epsilon)
    for x, training, epsilon in (
        ((2, 2, 3, 2), True, 1e-5),
        ((3, 1, 1, 1), True, 1e-5),
        ((1, 2, 1, 3), True, 0.1),
        ((4, 3), True, 1e-5),
        ((2, 1), True, 0.1),
        ((2, 2, 3, 2), False, 1e-5),
        ((1, 3), False, 0.1),
    )
]
_FURTHER_NORMS: Final = [
    _case("batch_norm", (3, 3, 4, 5)),
    _case("batch_norm", (3, 3, 4, 5), False),
    _case("batch_norm", (3, 4), False),
]

# In the order of the file; the numbers of each group are drawn from a stream of its own.
SHIPPED: Final[Sequence[Sequence[Case]]] = (
    _CONVOLUTIONS,
    _tied(_POOLS),
    [
        *_DENSE,
        *_on("flatten", (1, 1, 1, 1), (3, 2, 3, 4)),
        *_tied(_on("relu", (1, 1), (3, 5), (2, 2, 3, 4))),
        *_on("softmax", (1, 1), (4, 6), (2, 3, 4)),
    ],
    [*_UNUSUAL_CONVOLUTIONS, *_DENSE_WITHOUT_BIAS],
    [_AVERAGES[5], _AVERAGES[7], _case("global_avg_pool", (3, 2, 3, 4))],
    [
        case
        for x, size in (((1, 1), 1.0), ((3, 5), 4.0))
        for case in (
            *(_case(name, x, size=size) for name in ("gelu", "sigmoid", "tanh")),
            _case("leaky_relu", x, slope=0.01),
            attrs.evolve(_case("leaky_relu", x, slope=0.3), point=ties),
        )
    ],
    _BATCH_NORMS,
)

SMALL_NETWORK: Final[Sequence[tuple[str, dict[str, Any]]]] = (
    ("conv2d", {"features": 3, "kernel": 3, "padding": 1}),
    ("relu", {}),
    ("max_pool2d", {"window": 2}),
    ("flatten", {}),
    ("dense", {"features": 4}),
)
# One of activations before pools: what may be rewritten for speed, and what may not.
POOLED_NETWORK: Final[Sequence[tuple[str, dict[str, Any]]]] = (
    ("conv2d", {"features": 3, "kernel": 3, "padding": 1}),
    ("relu", {}),
    ("avg_pool2d", {"window": 3, "stride": 1, "padding": 1}),
    ("tanh", {}),
    ("conv2d", {"features": 4, "kernel": 3, "padding": 1}),
    ("relu", {}),
    ("max_pool2d", {"window": 3, "stride": 1, "padding": 1}),
    ("leaky_relu", {"slope": 0.1}),
    ("max_pool2d", {"window": 2}),
    ("conv2d", {"features": 4, "kernel": 1}),
    ("relu", {}),
    ("global_avg_pool", {}),
)
# One that does something else in training than in inference.
RANDOM_NETWORK: Final[Sequence[tuple[str, dict[str, Any]]]] = (
    ("conv2d", {"features": 3, "kernel": 3, "padding": 1, "bias": False}),
    ("batch_norm", {}),
    ("tanh", {}),
    ("flatten", {}),
    ("dropout", {"rate": 0.3}),
    ("dense", {"features": 4}),
)

_DENSE_2: Final = ("dense", {"features": 2})
_DENSE_3: Final = ("dense", {"features": 3})
_CONV_OF_TWO: Final = ("conv2d", {"features": 2, "kernel": 3, "padding": "same"})
_SMALL_CHAIN: Final = ("chain", {"layers": SMALL_NETWORK})
_BRANCHES: Final[Sequence[Any]] = (
    (_CONV_OF_TWO, ("gelu", {}), ("conv2d", {"features": 2, "kernel": 1, "bias": False})),
    (("conv2d", {"features": 2, "kernel": 1}), ("relu", {}), _CONV_OF_TWO),
    (_DENSE_3, _DENSE_3),
)

_COMBINED: Final = [
    _case("chain", (2, 2, 6, 5), layers=SMALL_NETWORK),
    _case("chain", (1, 1, 4, 4), layers=(*SMALL_NETWORK, ("relu", {}), _DENSE_3)),
    _case("chain", (2, 1, 4, 4), layers=(*SMALL_NETWORK, ("softmax", {}))),
    _case("chain", (2, 1, 3, 3), layers=(("relu", {}), ("flatten", {}), _DENSE_3)),
    _case("chain", (2, 2, 3, 2), layers=(("relu", {}), ("flatten", {}))),
    _case("chain", (2, 3), layers=(_DENSE_3, _DENSE_3)),
    _case("chain", (1, 1, 4, 5), layers=(_SMALL_CHAIN, ("chain", {"layers": (_DENSE_2,)}))),
    _case("chain", (2, 4), layers=()),
    _case("chain", (3, 2, 3, 4), layers=RANDOM_NETWORK),
    _case("residual", (2, 2, 4, 5), layers=(_CONV_OF_TWO,)),
    _case("residual", (2, 2, 4, 5), layers=(("chain", {"layers": (_CONV_OF_TWO, ("relu", {}))}),)),
    _case("residual", (2, 4), layers=(("dense", {"features": 4}),)),
    _case("residual", (2, 2, 3, 2), layers=(("tanh", {}),)),
    *(
        _case("parallel", x, layers=layers, merge=merge)
        for x, layers in zip(((2, 2, 4, 5), (2, 2, 4, 5), (2, 3)), _BRANCHES, strict=True)
        for merge in ("concatenate", "add")
    ),
]

# A few of each layer, at random points.
_ALL_CHOSEN: Final = [
    *_CONVOLUTIONS, *_UNUSUAL_CONVOLUTIONS, *_FURTHER_CONVOLUTIONS,
    *_DENSE, *_DENSE_WITHOUT_BIAS,
    *_on("relu", (1, 1), (3, 5), (2, 2, 3, 4)),
    *_on("leaky_relu", (1, 1), (3, 5), slope=0.01), _case("leaky_relu", (2, 2, 3, 4), slope=0.3),
    *(case for name in ("sigmoid", "tanh", "gelu")
      for case in (*_on(name, (1, 1), (3, 2, 3, 4)), _case(name, (3, 5), size=4.0))),
    *_POOLS, *_FURTHER_POOLS, *_AVERAGES,
    *_on("global_avg_pool", (3, 2, 3, 4), (2, 1, 1, 1)),
    *_on("softmax", (1, 1), (4, 6), (2, 3, 4)),
    *_on("flatten", (1, 1, 1, 1), (3, 2, 3, 4), (3, 5)),
    *_BATCH_NORMS, *_FURTHER_NORMS,
    _case("dropout", (3, 2, 3, 4), rate=0.3), _case("dropout", (3, 2, 3, 4), False, rate=0.3),
    *_COMBINED,
]  # fmt: skip
CHOSEN: Final[Mapping[str, list[Case]]] = {
    name: [case for case in _ALL_CHOSEN if case.operation == name]
    for name in dict.fromkeys(case.operation for case in _ALL_CHOSEN)
}


# Products of settings

# x, and how many features a convolution makes of it.
_IMAGES: Final[Mapping[Shape, int]] = {
    (2, 2, 7, 5): 3, (1, 1, 5, 6): 3, (1, 2, 3, 2): 3, (3, 2, 1, 1): 3, (1, 1, 1, 1): 3,
    (1, 1, 7, 7): 1, (5, 3, 8, 5): 4, (1, 2, 5, 9): 3, (5, 1, 1, 1): 2,
}  # fmt: skip
_SHAPES: Final[Sequence[Shape]] = ((3, 7), (5, 7), (2, 3, 4, 5), (1, 1, 1, 1))


def convolutions() -> list[Case]:
    """Of all settings, valid or not; a smaller product of those that few convolutions have. 4
    groups of 4 channels: depthwise.
    """
    usual = product(
        (1, 2, 3, 5, (3, 1), (1, 4), (2, 3)), (1, 2, 3, (1, 2), (3, 2)),
        (0, 1, 2, (0, 2), (2, 0), (1, 3), 4, 6), _IMAGES.items(),
    )  # fmt: skip
    unusual = _product(
        "conv2d", features=(8,), kernel=(1, 3, (2, 3), (4, 1)), stride=(1, 2, (1, 3)),
        padding=("same", 0, (2, 1)), dilation=(1, 2, (3, 1)), groups=(1, 2, 4),
        x=((3, 4, 7, 7), (1, 4, 9, 5)), bias=(False, True),
    )  # fmt: skip
    return [
        *(
            _case("conv2d", x, features=F, kernel=kernel, stride=stride, padding=padding)
            for kernel, stride, padding, (x, F) in usual
        ),
        *unusual,
    ]


def pools(operation: str) -> list[Case]:
    """Of all settings, valid or not."""
    return _product(
        operation, window=(1, 2, 3, 4, (3, 2), (1, 4)), stride=(None, 1, 2, 3, (1, 2), (3, 1)),
        padding=(0, 1, (1, 0), (0, 2), 2), x=_IMAGES,
    )  # fmt: skip


def _batch_norms() -> list[Case]:
    xs: Sequence[Shape] = (
        (1, 1), (2, 1), (2, 3), (7, 4), (64, 7), (1, 2, 1, 1), (2, 3, 1, 1), (3, 4, 1, 1),
        (5, 1, 1, 1), (1, 2, 1, 2), (1, 2, 1, 3), (1, 1, 3, 5), (2, 2, 3, 2), (5, 3, 4, 2),
        (2, 1, 7, 5), (3, 3, 5, 7),
    )  # fmt: skip
    return [
        case
        for case in _product("batch_norm", x=xs, epsilon=(1e-5, 0.1), training=(True, False))
        # One value has no variance.
        if case not in _BATCH_NORMS and not (case.training and np.prod(case.shape) == case.shape[1])
    ]


# By layer, what makes them: there are thousands.
PRODUCTS: Final[Mapping[str, Callable[[], list[Case]]]] = {
    "conv2d": lambda: list(filter(valid, convolutions())),
    "dense": partial(
        _product, "dense",
        x=sorted({*product((1, 2, 7), (1, 4, 9)), *product((1, 5, 64), (1, 7, 300))}),
        features=(1, 4, 10), bias=(False, True),
    ),
    "max_pool2d": lambda: list(filter(valid, pools("max_pool2d"))),
    "avg_pool2d": lambda: list(filter(valid, pools("avg_pool2d"))),
    "leaky_relu": partial(_product, "leaky_relu", slope=(0.0, 0.01, 0.3, 1.0), x=_SHAPES),
    "batch_norm": _batch_norms,
    "dropout": partial(
        _product, "dropout",
        x=((1, 1), (3, 7), (2, 2, 3, 4), (1, 3, 1, 1), (3, 2, 5, 7)),
        rate=(0.0, 0.3, 0.9), training=(True, False),
    ),
    **{
        operation: partial(_on, operation, *shapes)
        for operation, shapes in {
            **dict.fromkeys(("relu", "sigmoid", "tanh", "gelu"), _SHAPES),
            "global_avg_pool": (
                (1, 1, 1, 1), (2, 2, 3, 4), (3, 2, 1, 3), (1, 1, 5, 7), (5, 3, 4, 2), (2, 1, 7, 5)
            ),
            "softmax": ((1, 6), (5, 4), (5, 10), (2, 3, 5), (2, 3, 4, 5)),
            "flatten": (
                (2, 2, 3, 4), (3, 2, 1, 3), (1, 1, 5, 7), (2, 5), (5, 3, 4, 2), (2, 1, 7, 5)
            ),
        }.items()
    },
}  # fmt: skip


def _at(cases: Iterable[Case], *points: Callable[[Shape], Array]) -> list[Case]:
    return [attrs.evolve(case, point=point) for case, point in product(cases, points)]


def _kinks(operation: str, **settings: Any) -> list[Case]:
    return _at(_on(operation, *_SHAPES, (2, 5), (2, 2, 3, 2), **settings), zeros, ties)


def _tied_pools() -> list[Case]:
    return _at(filter(_sees_pixels, PRODUCTS["max_pool2d"]()), equals, ties)


def _sees_pixels(case: Case) -> bool:
    """Whether a window of a pool has several pixels of the image, and so may have a tie."""
    mean, _ = fcnn.avg_pool2d_forward(np.ones(case.shape), **case.settings)
    pixels = mean.max() * np.prod(np.broadcast_to(case.settings["window"], 2))
    return bool(pixels > 1.5)


def _tied_chain() -> list[Case]:
    layers: Any = (("relu", {}), ("max_pool2d", {"window": 2}))
    return _at([_case("chain", (1, 2, 4, 4), layers=layers)], equals)


# Points on a kink or tie on purpose.
TIES: Final[Mapping[str, Callable[[], list[Case]]]] = {
    "relu": partial(_kinks, "relu"),
    "leaky_relu": partial(_kinks, "leaky_relu", slope=0.2),
    "max_pool2d": _tied_pools,
    "chain": _tied_chain,
}


def cases_of(layer: str) -> list[Case]:
    """The whole table of a layer: chosen, products and ties."""
    return [*CHOSEN[layer], *PRODUCTS.get(layer, list)(), *TIES.get(layer, list)()]


def some_of(layer: str) -> list[Case]:
    """Those chosen, and of the products at most 450."""
    return [*CHOSEN[layer], *spread(PRODUCTS.get(layer, list)(), 450)]
