"""The points at which layers are proved, as data: a new layer is a new entry here."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, Final, TypeAlias

import attrs
import numpy as np

from fcnn.layers.layer import Layer
from fcnn.layers.window_sizes import times
from fcnn.numerics.arrays import Array, Pair, Shape
from fcnn.proof import operations

Sizes: TypeAlias = int | Pair


@attrs.frozen
class Case:
    """An operation with its layer's settings, and the shape of what it gets.

    Attributes
    ----------
    operation, settings
        The name of a layer, and what it is made with.
    in_shape, batch
        The shape of one example, and how many there are.
    point
        x, for points on a kink or tie that are meant; None for random ones.
    approach
        From which side of the kink or tie the gradient is the limit; see `fcnn.check`.
    training
        Whether it is handed a generator, of which some layers make something.
    """

    operation: str
    in_shape: Shape
    batch: int = 2
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    point: Callable[[Shape], Array] | None = None
    approach: Callable[[Shape], Array] | None = None
    training: bool = True

    def __str__(self) -> str:
        # Not the layer's own text: a layer that cannot be made has a name too.
        own = f"{_text(self.operation, self.settings)} on {times((self.batch, *self.in_shape))}"
        own += "" if self.training else ", in inference"
        return own if self.point is None else f"{own}, {(self.point.__doc__ or '').rstrip('.')}"

    def layer(self) -> Layer:
        """The layer, made now."""
        return operations.layer(self.operation, self.settings)

    def function_settings(self) -> dict[str, Any]:
        """Those that the plain functions take: the others show in the parameters."""
        parameters = ("features", "kernel", "bias")
        own = {name: value for name, value in self.settings.items() if name not in parameters}
        return own | ({"training": self.training} if self.operation == "batch_norm" else {})

    def x(self) -> Array | None:
        """The point, if it is not random."""
        return None if self.point is None else self.point((self.batch, *self.in_shape))

    def direction(self) -> Array | None:
        """The direction from which the point is approached."""
        return None if self.approach is None else self.approach((self.batch, *self.in_shape))

    @property
    def small(self) -> bool:
        """Whether its whole Jacobian takes a moment only."""
        kernel = int(np.prod(_pair(self.settings.get("kernel", 1))))
        return self.batch * int(np.prod(self.in_shape)) <= 24 and kernel <= 9


def _text(operation: str, settings: Mapping[str, Any]) -> str:
    """`conv2d(features=3, kernel=2)`, `chain(relu, dense(features=3))`."""
    parts = [_text(*layer) for layer in settings.get("layers", ())]
    parts += [f"{name}={value}" for name, value in settings.items() if name != "layers"]
    return f"{operation}({', '.join(parts)})" if parts else operation


def _zeros(shape: Shape) -> Array:
    """all zeros."""
    return np.zeros(shape)


def _equals(shape: Shape) -> Array:
    """all ones."""
    return np.ones(shape)


def _ties(shape: Shape) -> Array:
    """from -1, 0 and 1."""
    return np.random.RandomState(0).randint(-1, 2, shape).astype(np.float64)


def _from_below(shape: Shape) -> Array:
    """At 0, where relu has the derivative 0, which is that of what is below."""
    return np.full(shape, -1.0)


def _first_greatest(shape: Shape) -> Array:
    """Of equal pixels each is a little less than those before it, in row-major order."""
    example = np.linspace(0, -1, int(np.prod(shape[2:]))).reshape(shape[2:])
    return np.broadcast_to(example, shape)


def _pair(sizes: Sizes) -> Pair:
    return sizes if isinstance(sizes, tuple) else (sizes, sizes)


def _fits(image: Shape, window: Sizes, padding: Sizes) -> bool:
    sides = zip(image[1:], _pair(window), _pair(padding), strict=True)
    return all(size + 2 * p >= k for size, k, p in sides)


_KERNELS: Final[Sequence[Sizes]] = (1, 2, 3, 5, (3, 1), (2, 3))
_STRIDES: Final[Sequence[Sizes]] = (1, 2, 3, (1, 2), (3, 2))
_PADDINGS: Final[Sequence[Sizes]] = (0, 1, (0, 2), 4)
# The batch, and one example.
_IMAGES: Final[Sequence[tuple[int, Shape]]] = (
    (2, (2, 7, 5)),
    (1, (1, 5, 6)),
    (1, (2, 3, 2)),
    (3, (2, 1, 1)),
    (1, (1, 1, 1)),
)

_WINDOWS: Final[Sequence[Sizes]] = (1, 2, 3, 4, (3, 2), (1, 4))
_POOL_STRIDES: Final[Sequence[Sizes | None]] = (None, 1, 2, 3, (1, 2))
_POOL_PADDINGS: Final[Sequence[Sizes]] = (0, 1, (1, 0), 2)

_CONVOLUTIONS: Final = [
    Case(
        "conv2d",
        in_shape,
        batch,
        {"features": 3, "kernel": kernel, "stride": stride, "padding": padding},
    )
    for kernel, stride, padding, (batch, in_shape) in product(
        _KERNELS, _STRIDES, _PADDINGS, _IMAGES
    )
    if _fits(in_shape, kernel, padding)
]

_UNUSUAL_CONVOLUTIONS: Final = [
    Case("conv2d", in_shape, batch, {"features": features, **settings})
    for features, batch, in_shape, settings in (
        (3, 2, (2, 5, 4), {"kernel": 3, "padding": "same", "bias": False}),
        (2, 1, (1, 4, 5), {"kernel": (2, 4), "padding": "same"}),
        (2, 1, (1, 5, 6), {"kernel": (4, 3), "padding": "same", "dilation": (1, 2)}),
        (2, 2, (2, 7, 6), {"kernel": 3, "dilation": 2}),
        (2, 1, (1, 7, 5), {"kernel": (3, 2), "stride": (2, 1), "padding": (1, 2), "dilation": 3}),
        (2, 1, (1, 6, 4), {"kernel": (2, 1), "stride": 3, "dilation": (3, 2)}),
        (6, 2, (4, 4, 3), {"kernel": 3, "padding": 1, "groups": 2}),
        (3, 1, (3, 4, 5), {"kernel": 3, "padding": "same", "groups": 3, "bias": False}),
        (8, 2, (4, 6, 5), {"kernel": (3, 2), "stride": (1, 2), "groups": 4, "dilation": 2}),
        (4, 2, (4, 3, 2), {"kernel": 1, "groups": 2}),
    )
]

_POOLS: Final = [
    Case("max_pool2d", in_shape, batch, {"window": window, "stride": stride, "padding": padding})
    for window, stride, padding, (batch, in_shape) in product(
        _WINDOWS, _POOL_STRIDES, _POOL_PADDINGS, _IMAGES
    )
    if _fits(in_shape, window, padding)
    and all(p <= k // 2 for k, p in zip(_pair(window), _pair(padding), strict=True))
]

_AVERAGE_POOLS: Final = [attrs.evolve(case, operation="avg_pool2d") for case in _POOLS]

_DENSE: Final = [
    *(
        Case("dense", (D,), N, {"features": K})
        for N, D, K in product((1, 2, 7), (1, 4, 9), (1, 4, 10))  # 4 to 4: a square w
    ),
    Case("dense", (4,), 3, {"features": 2, "bias": False}),
]

SMALL_NETWORK: Final[Sequence[tuple[str, dict[str, Any]]]] = (
    ("conv2d", {"features": 3, "kernel": 3, "padding": 1}),
    ("relu", {}),
    ("max_pool2d", {"window": 2}),
    ("flatten", {}),
    ("dense", {"features": 4}),
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


def _chain(*layers: tuple[str, Any]) -> dict[str, Any]:
    return {"layers": layers}


_CHAINS: Final = [
    Case("chain", (2, 6, 5), 2, _chain(*SMALL_NETWORK)),
    Case("chain", (1, 4, 4), 1, _chain(*SMALL_NETWORK, ("relu", {}), ("dense", {"features": 3}))),
    Case("chain", (1, 4, 4), 2, _chain(*SMALL_NETWORK, ("softmax", {}))),
    Case("chain", (1, 3, 3), 2, _chain(("relu", {}), ("flatten", {}), ("dense", {"features": 3}))),
    Case("chain", (2, 3, 2), 2, _chain(("relu", {}), ("flatten", {}))),
    Case("chain", (3,), 2, _chain(("dense", {"features": 3}), ("dense", {"features": 3}))),
    Case(
        "chain",
        (1, 4, 5),
        1,
        _chain(("chain", _chain(*SMALL_NETWORK)), ("chain", _chain(("dense", {"features": 2})))),
    ),
    Case("chain", (4,), 2, _chain()),
    Case("chain", (2, 3, 4), 3, _chain(*RANDOM_NETWORK)),
]

_RESIDUALS: Final = [
    Case("residual", in_shape, 2, {"layers": (layer,)})
    for in_shape, layer in (
        ((2, 4, 5), ("conv2d", {"features": 2, "kernel": 3, "padding": "same"})),
        ((4,), ("dense", {"features": 4})),
        ((2, 3, 2), ("tanh", {})),
    )
]
_PARALLELS: Final = [
    Case("parallel", in_shape, 2, {"layers": layers, "merge": merge})
    for in_shape, layers in (
        (
            (2, 4, 5),
            (
                ("conv2d", {"features": 2, "kernel": 3, "padding": "same"}),
                ("gelu", {}),
                ("conv2d", {"features": 2, "kernel": 1, "bias": False}),
            ),
        ),
        ((3,), (("dense", {"features": 3}), ("dense", {"features": 3}))),
    )
    for merge in ("concatenate", "add")
]

_BATCH_NORMS: Final = [
    Case("batch_norm", in_shape, batch, settings, training=training)
    for (batch, in_shape), settings, training in product(
        (
            (1, (1,)),
            (2, (1,)),
            (2, (3,)),
            (7, (4,)),
            (1, (2, 1, 1)),
            (2, (3, 1, 1)),
            (5, (1, 1, 1)),
            (1, (2, 1, 2)),
            (1, (1, 3, 5)),
            (2, (2, 3, 2)),
            (3, (3, 5, 7)),
        ),
        ({}, {"epsilon": 0.1}),
        (True, False),
    )
    if not training or batch * np.prod(in_shape[1:]) > 1  # one value has no variance
]

_DROPOUTS: Final = [
    Case("dropout", in_shape, batch, {"rate": rate}, training=training)
    for (batch, in_shape), rate, training in product(
        ((1, (1,)), (3, (7,)), (2, (2, 3, 4)), (1, (3, 1, 1)), (3, (2, 5, 7))),
        (0.0, 0.3, 0.9),
        (True, False),
    )
]


def _elementwise(operation: str, **settings: Any) -> list[Case]:
    return [
        Case(operation, shape, batch, settings)
        for batch, shape in [(1, (1,)), (3, (7,)), (2, (2, 3, 4)), (1, (1, 1, 1))]
    ]


# Layers at random points: gradients against differences, over a grid of settings.
GRID: Final[Mapping[str, list[Case]]] = {
    "conv2d": _CONVOLUTIONS + _UNUSUAL_CONVOLUTIONS,
    "dense": _DENSE,
    "relu": _elementwise("relu"),
    "leaky_relu": _elementwise("leaky_relu", slope=0.01) + _elementwise("leaky_relu", slope=0.3),
    "sigmoid": _elementwise("sigmoid"),
    "tanh": _elementwise("tanh"),
    "gelu": _elementwise("gelu"),
    "max_pool2d": _POOLS,
    "avg_pool2d": _AVERAGE_POOLS,
    "global_avg_pool": [
        Case("global_avg_pool", s, n)
        for n, s in [(1, (1, 1, 1)), (2, (2, 3, 4)), (3, (2, 1, 3)), (1, (1, 5, 7))]
    ],
    "softmax": [Case("softmax", s, n) for n, s in [(1, (1,)), (1, (6,)), (5, (4,)), (2, (3, 5))]],
    "flatten": [
        Case("flatten", s, n)
        for n, s in [(1, (1, 1, 1)), (2, (2, 3, 4)), (3, (2, 1, 3)), (1, (1, 5, 7)), (2, (5,))]
    ],
    "batch_norm": _BATCH_NORMS,
    "dropout": _DROPOUTS,
    "chain": _CHAINS,
    "residual": _RESIDUALS,
    "parallel": _PARALLELS,
}

# Points on a kink or tie on purpose, each with the side from which the rule is the limit.
KINKS: Final[Mapping[str, list[Case]]] = {
    "relu": [
        Case("relu", shape, 2, {}, point, _from_below)
        for shape, point in product([(5,), (2, 3, 2)], [_zeros, _ties])
    ],
    "leaky_relu": [
        Case("leaky_relu", shape, 2, {"slope": 0.2}, point, _from_below)
        for shape, point in product([(5,), (2, 3, 2)], [_zeros, _ties])
    ],
    "max_pool2d": [
        attrs.evolve(case, point=point, approach=_first_greatest)
        for case, point in product(_POOLS, [_equals, _ties])
        if case.settings["window"] != 1
        and case.in_shape in ((2, 7, 5), (2, 3, 2))
        and case.settings["stride"] in (None, 1, (1, 2))
    ],
    "chain": [
        Case(
            "chain",
            (2, 4, 4),
            1,
            _chain(("relu", {}), ("max_pool2d", {"window": 2})),
            _equals,
            _first_greatest,
        )
    ],
}
