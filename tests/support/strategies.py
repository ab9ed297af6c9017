"""What the property tests draw: calls of every layer, labelled batches, networks and trees.

Where a law is about sums of products the numbers are small and whole. Those are exact in
float32 too, so such a law holds to the last bit and needs no tolerance, and ties and zeros
are common. Arrays lie in memory in any order of the axes, with gaps or turned around; the
gaps hold NaN, which shows if it is read.
"""

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import attrs
import layer_cases
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

import fcnn
from fcnn import tree
from fcnn.layers.layer import call_apply

few = settings(max_examples=max(2, settings.default.max_examples // 5))  # for what is slow

# Arrays

FLOAT64 = st.just(np.float64)
DTYPES = st.sampled_from([np.float32, np.float64])
SEEDS = st.integers(0, 2**32 - 1)


def whole(rng, shape, dtype):
    """Whole numbers from -8 to 8, mostly small."""
    return np.round(2 * rng.standard_normal(shape)).clip(-8, 8).astype(dtype)


def real(rng, shape, dtype):
    """Numbers that round."""
    return rng.standard_normal(shape).astype(dtype)


def small(rng, shape, dtype):
    """Zeros of both signs, the least numbers there are, and numbers up to one."""
    form = np.finfo(dtype)
    choice = [0, -0.0, form.smallest_subnormal, -form.tiny, form.eps, 1, -1]
    return rng.choice(np.array(choice, dtype), shape)


def huge(rng, shape, dtype):
    """The greatest numbers of which a million can be added, and small ones."""
    great = np.array(np.finfo(dtype).max / 2**20, dtype)
    return np.where(rng.random(shape) < 0.5, great, 1) * small(rng, shape, dtype)


def greatest(rng, shape, dtype):
    """The greatest numbers there are, of both signs, and halves of them."""
    return rng.choice([-1, 1, 0.5], shape).astype(dtype) * np.finfo(dtype).max


@st.composite
def lying_anyhow(draw, array, writeable=None):
    """The array, its axes in any order in memory, with gaps or backwards, maybe read-only."""
    axes = draw(st.permutations(range(array.ndim)))
    steps = [draw(st.sampled_from([1, 1, 2, -1, -2])) for _ in axes]
    buffer = np.full([array.shape[axis] * abs(steps[axis]) for axis in axes], np.nan, array.dtype)
    view = buffer.transpose(np.argsort(axes).astype(int))
    view = view[tuple(slice(None, None, step) for step in steps)]
    view[...] = array
    view.flags.writeable = draw(st.booleans()) if writeable is None else writeable
    return view


def inner(a, b):
    """The inner product of two trees, in double precision."""
    products = tree.map(lambda p, q: float(np.vdot(p.astype(float), q.astype(float))), a, b)
    return sum(tree.leaves(products))


def copies(values):
    return tree.map(np.copy, values)


def finite(values):
    return all(np.isfinite(leaf).all() for leaf in tree.leaves(values))


# Calls of layers


# Those that round, whatever they are given.
ROUNDED = ["softmax", "sigmoid", "tanh", "gelu", "leaky_relu", "avg_pool2d", "global_avg_pool"]


@attrs.frozen(eq=False, repr=False)
class Call:
    """A layer, what it is called with, and the loops that say what it should give."""

    layer: fcnn.Layer
    params: Any
    x: np.ndarray
    dy: np.ndarray
    oracle: Callable
    numbers: np.random.Generator

    def forward(self, x=None, params=None):
        """Of other images or parameters, if given."""
        params = self.params if params is None else params
        return self.layer.forward(params, self.x if x is None else x)

    def y(self, x=None, params=None):
        return self.forward(x, params)[0]

    def apply(self):
        return call_apply(self.layer, self.params, self.x)

    def run(self):
        """y, dparams and dx."""
        y, cache = self.forward()
        return y, *self.layer.backward(cache, self.dy)

    def another(self, like):
        """Other whole numbers."""
        return whole(self.numbers, like.shape, like.dtype)

    @property
    def stride(self):
        return self.layer.settings["stride"]

    @property
    def padding(self):
        return self.layer.settings["padding"]

    def agree(self, actual, expected):
        """Trees of the same structure, shapes and dtypes; the same values too if they are sums
        of whole numbers, otherwise to rounding.
        """
        if self.layer.name in ROUNDED:
            return near(actual, expected)
        return tree.equal(actual, expected)

    def __repr__(self):
        lies = [(a.shape, a.strides) for a in (self.x, self.dy, *tree.leaves(self.params))]
        return f"{self.layer!r}, {self.x.dtype}, shapes and strides of x, dy and params {lies}"


def near(actual, expected, ulps=256):
    """Whether trees agree to so many roundings of their greatest number, and in all else."""

    def close(a, b):
        a, b = np.asarray(a), np.asarray(b)
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        limit = ulps * np.finfo(a.dtype).eps * max(1, np.abs(b).max(initial=0))
        return bool((np.abs(a - b) <= limit).all())

    return tree.all(tree.map(close, actual, expected))


def sizes(low, high):
    return st.integers(low, high)


def pairs(low, high):
    return st.tuples(sizes(low, high), sizes(low, high))


@st.composite
def images(draw, kernel, padding):
    """(C, H, W) on which the kernel fits."""
    least = [max(1, kernel[i] - 2 * padding[i]) for i in (0, 1)]
    return draw(sizes(1, 3)), *(draw(sizes(low, max(low, 6))) for low in least)


@st.composite
def convolutions(draw):
    kernel, stride, padding = draw(pairs(1, 4)), draw(pairs(1, 3)), draw(pairs(0, 3))
    shape, features, batch = draw(images(kernel, padding)), draw(sizes(1, 3)), draw(sizes(1, 3))
    settings = {"features": features, "kernel": kernel, "stride": stride, "padding": padding}
    return layer_cases.of("conv2d", shape, batch, **settings)


@st.composite
def unusual_convolutions(draw):
    """With dilation, groups, padding "same", and without bias."""
    kernel, dilation, groups = draw(pairs(1, 3)), draw(pairs(1, 3)), draw(sizes(1, 3))
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    same = draw(st.booleans())
    stride = 1 if same else draw(pairs(1, 3))
    padding = "same" if same else draw(pairs(0, 3))
    _, H, W = draw(images((1, 1) if same else reach, (0, 0) if same else padding))
    return layer_cases.of(
        "conv2d",
        (groups * draw(sizes(1, 2)), H, W),
        draw(sizes(1, 3)),
        features=groups * draw(sizes(1, 2)),
        kernel=kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        bias=draw(st.booleans()),
    )


@st.composite
def poolings(draw, operation):
    window = draw(pairs(1, 5))
    stride = draw(st.none() | pairs(1, 3))
    padding = draw(st.tuples(*(sizes(0, k // 2) for k in window)))
    shape, batch = draw(images(window, padding)), draw(sizes(1, 3))
    settings = {"window": window, "stride": stride, "padding": padding}
    return layer_cases.of(operation, shape, batch, **settings)


RELU = ("relu", {})


def conv(features, kernel, **settings):
    return ("conv2d", {"features": features, "kernel": kernel, **settings})


@st.composite
def residuals(draw):
    shape = draw(images((1, 1), (0, 0)))
    inner = ("chain", {"layers": (conv(shape[0], 3, padding=1), RELU)})
    return layer_cases.of("residual", shape, draw(sizes(1, 3)), layers=(inner,))


@st.composite
def parallels(draw):
    shape, merge = draw(images((1, 1), (0, 0))), draw(st.sampled_from(["concatenate", "add"]))
    first, last = (shape[0],) * 2 if merge == "add" else (draw(sizes(1, 3)), draw(sizes(1, 3)))
    layers = (conv(first, 1), RELU, conv(last, 3, padding=1, bias=False))
    return layer_cases.of("parallel", shape, draw(sizes(1, 3)), layers=layers, merge=merge)


@st.composite
def chains(draw):
    first = conv(draw(sizes(1, 3)), draw(pairs(1, 3)), padding=1)
    top = ("dense", {"features": draw(sizes(1, 3))})
    layers = (first, RELU, ("max_pool2d", {"window": 2}), ("flatten", {}), top)
    shape = draw(sizes(1, 2)), draw(sizes(3, 6)), draw(sizes(3, 6))
    return layer_cases.of("chain", shape, draw(sizes(1, 3)), layers=layers)


@st.composite
def others(draw, operation, least_axes=1, most_axes=3, **settings):
    shape = draw(st.lists(sizes(1, 5), min_size=least_axes, max_size=most_axes))
    drawn = {name: draw(setting) for name, setting in settings.items()}
    return layer_cases.of(operation, shape, draw(sizes(1, 5)), **drawn)


CASES = {
    "conv2d": convolutions(),
    "conv2d, unusual": unusual_convolutions(),
    "max_pool2d": poolings("max_pool2d"),
    "avg_pool2d": poolings("avg_pool2d"),
    "global_avg_pool": others("global_avg_pool", least_axes=3),
    "dense": others("dense", most_axes=1, features=sizes(1, 5)),
    "leaky_relu": others("leaky_relu", slope=st.floats(0, 1)),
    **{name: others(name) for name in ("relu", "sigmoid", "tanh", "gelu", "flatten")},
    "softmax": others("softmax", most_axes=1),
    "chain": chains(),
    "residual": residuals(),
    "parallel": parallels(),
}


@st.composite
def calls(draw, name, *, params=whole, x=whole, dy=whole, dtypes=DTYPES, writeable=None):
    """A call of the layer of that name, of the kinds of numbers told."""
    case, dtype, rng = draw(CASES[name]), draw(dtypes), np.random.default_rng(draw(SEEDS))
    initial, out_shape = case.layer.init(rng, case.in_shape)
    arrays = (
        tree.map(lambda a: params(rng, a.shape, dtype), initial),
        x(rng, (case.batch, *case.in_shape), dtype),
        dy(rng, (case.batch, *out_shape), dtype),
    )
    lying = tree.map(lambda array: draw(lying_anyhow(array, writeable)), arrays)
    return Call(case.layer, *lying, case.oracle, rng)


# Labelled batches, and networks

LABELS = st.sampled_from([np.uint8, np.int16, np.int64, np.uint64])


@st.composite
def scores(draw, numbers=real, dtypes=DTYPES):
    """Logits (N, K) and labels (N,)."""
    N, K, rng = draw(sizes(1, 6)), draw(sizes(1, 5)), np.random.default_rng(draw(SEEDS))
    logits = numbers(rng, (N, K), draw(dtypes))
    labels = rng.integers(0, K, N).astype(draw(LABELS))
    return draw(lying_anyhow(logits)), labels


@attrs.frozen(eq=False, repr=False)
class Network:
    """A network that ends in logits, its parameters, and a labelled batch."""

    layers: tuple[fcnn.Layer, ...]
    params: Any
    x: np.ndarray
    labels: np.ndarray

    @property
    def model(self):
        return fcnn.chain(*self.layers)

    def __repr__(self):
        return f"{self.model!r} on {self.x.dtype} {self.x.shape}"


@st.composite
def networks(draw, dtypes=DTYPES, most=20):
    """Some layers for images, then flatten, then some for vectors; a batch of at most so many."""
    in_shape = shape = (draw(sizes(1, 2)), draw(sizes(2, 6)), draw(sizes(2, 6)))
    dtype, rng = draw(dtypes), np.random.default_rng(draw(SEEDS))
    layers = []
    for kind in draw(st.lists(st.sampled_from(["conv2d", "relu", "max_pool2d"]), max_size=4)):
        if kind == "conv2d":
            kernel = tuple(draw(sizes(1, min(3, size))) for size in shape[1:])
            layers.append(fcnn.conv2d(draw(sizes(1, 3)), kernel, padding=draw(pairs(0, 1))))
        elif kind == "max_pool2d" and min(shape[1:]) >= 2:
            layers.append(fcnn.max_pool2d(2, stride=draw(st.sampled_from([None, 1]))))
        else:
            layers.append(fcnn.relu)
        shape = layers[-1].init(rng, shape)[1]
    layers.append(fcnn.flatten)
    if draw(st.booleans()):
        layers += [fcnn.dense(draw(sizes(1, 4))), fcnn.relu]
    classes = draw(sizes(1, 4))
    layers.append(fcnn.dense(classes))
    params, _ = fcnn.chain(*layers).init(rng, in_shape)
    params = tree.map(lambda a: real(rng, a.shape, dtype), params)
    N = draw(sizes(1, most))
    x = draw(lying_anyhow(real(rng, (N, *in_shape), dtype)))
    return Network(tuple(layers), params, x, rng.integers(0, classes, N))


# Layers of C channels that keep height and width, and some that halve them or take one away.
KEEPING_SIZE = {
    "relu": lambda C: fcnn.relu,
    "leaky_relu": lambda C: fcnn.leaky_relu(0.5),
    "conv2d": lambda C: fcnn.conv2d(C, 3, padding=1),
    "max_pool2d": lambda C: fcnn.max_pool2d(3, stride=1, padding=1),
    "avg_pool2d": lambda C: fcnn.avg_pool2d(3, stride=1, padding=1),
    "batch_norm": lambda C: fcnn.batch_norm(),
    "dropout": lambda C: fcnn.dropout(0.5),
}
SMALLER = {
    "conv2d": lambda C: fcnn.conv2d(C, 2),
    "max_pool2d": lambda C: fcnn.max_pool2d(2),
    "avg_pool2d": lambda C: fcnn.avg_pool2d(2),
}


@st.composite
def networks_to_rewrite(draw):
    """A network with layers in any order, activations above all, some of them inside of
    combinators; its parameters, and a batch of images.
    """
    C, size = draw(sizes(1, 3)), draw(sizes(4, 7))
    kinds = st.lists(st.sampled_from(["relu", "relu", *KEEPING_SIZE]), max_size=5)

    def some():
        return [KEEPING_SIZE[kind](C) for kind in draw(kinds)]

    combined = draw(st.sampled_from([fcnn.chain, fcnn.residual, fcnn.parallel]))
    if combined is fcnn.parallel:
        inner = fcnn.parallel(fcnn.chain(*some()), fcnn.chain(*some()), merge="add")
    else:
        inner = combined(fcnn.chain(*some()))
    smaller = SMALLER[draw(st.sampled_from([*SMALLER]))](C)
    top = draw(st.sampled_from([fcnn.flatten, fcnn.global_avg_pool]))
    model = fcnn.chain(*some(), inner, fcnn.relu, smaller, *some(), top, fcnn.dense(3))

    dtype, rng = draw(DTYPES), np.random.default_rng(draw(SEEDS))
    numbers = draw(st.sampled_from([whole, real]))  # whole ones tie

    def drawn(path, like):
        array = numbers(rng, like.shape, dtype)
        return abs(array) if path.endswith(".var") else array

    params, _ = model.init(rng, (C, size, size))
    x = numbers(rng, (draw(sizes(2, 4)), C, size, size), dtype)
    return model, tree.map_with_path(drawn, params), x


# Trees

Point = namedtuple("Point", "x y")


@attrs.frozen(eq=False)
class Slotted:
    """A class whose constructor would refuse all but arrays."""

    w: Any = attrs.field(validator=attrs.validators.instance_of(np.ndarray))
    _hidden: Any = None


@attrs.define(eq=False, slots=False)
class Open:
    """A class whose constructor would change what it is given."""

    value: Any = attrs.field(converter=str)


NUMERIC = [np.dtype(kind) for kind in "?bBhHiIqQefdgFDG"]
SWAPPED = [np.dtype(kind).newbyteorder() for kind in "hIqefdFD"]
SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)
KEYS = [
    st.text("ab.[]'\"\\/ \n\0é", max_size=3),
    st.integers(-3, 3),
    st.booleans(),
    st.tuples(st.integers(0, 2), st.text("ab", max_size=1)),
    st.binary(max_size=2),
]


@st.composite
def arrays(draw, dtypes=NUMERIC + SWAPPED, finite=False):
    """Arrays of numbers of any dtype and shape, empty and without axes too."""
    dtype, shape = draw(st.sampled_from(dtypes)), draw(SHAPES)
    rng = np.random.default_rng(draw(SEEDS))
    values = 100 * rng.random(shape) - (0 if dtype.kind in "bu" else 50)
    if dtype.kind in "fc" and not finite:
        values = np.where(rng.random(shape) < 0.1, rng.choice([np.nan, np.inf, -0.0]), values)
    array = np.asarray(values).astype(dtype)
    array.flags.writeable = draw(st.booleans())
    return np.asarray(array, order=draw(st.sampled_from("CF")))


def nodes(children):
    """Every kind of node, of such children."""
    some = st.lists(children, max_size=3)
    return st.one_of(
        some,
        some.map(tuple),
        st.builds(Point, children, children),
        st.tuples(children, children).map(lambda two: tree.unflatten(_SLOTTED, two)),
        children.map(lambda one: tree.unflatten(_OPEN, [one])),
        *(st.dictionaries(keys, children, max_size=3) for keys in KEYS),
    )


_SLOTTED = tree.structure(Slotted(np.zeros(()), 0))
_OPEN = tree.structure(Open(0))


def trees(leaves):
    """Nested trees of these leaves, with None here and there; a single leaf too."""
    return st.recursive(leaves | st.none(), nodes, max_leaves=8)
