"""Parameters by the names, and in the layouts, that PyTorch gives them.

A chain is an `nn.Sequential` of the same layers, in the same order: `0.weight`, `3.bias`, and
`3.0.weight` of a chain in it. A layer by itself has `weight` and `bias`. Layers without
parameters, `dropout` and `flatten` among them, take a number too; `global_avg_pool` takes one, and
so is `nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())` there. Residuals and branches are
modules that PyTorch has to be told of::

    class Residual(nn.Sequential):  # of the layers of the chain in it, or of its one layer
        def forward(self, x):
            return x + super().forward(x)

    class Parallel(nn.ModuleList):  # of the branches
        def forward(self, x):
            return torch.cat([branch(x) for branch in self], 1)  # merge="add": sum(...)

So a `residual` of a chain, as layer 2, has `2.0.weight`, and so has that of a single layer; branch
i of a `parallel`, as layer 4, has `4.i.weight`, or `4.i.0.weight` if it is a chain.

The weights of `dense` are (K, D) there, and (D, K) here. `batch_norm` has `weight`, `bias`,
`running_mean` and `running_var`. PyTorch moves `running_var` by unbiased variances, where fcnn
takes the mean of the squares; in inference both use it as it stands. `num_batches_tracked` is
written as 0 and passed over when it is read, for inference does without it. Layers with
`bias=False` have no `bias`, here as there; a batch norm without `affine` or without
`track_running_stats` has no counterpart here.

The settings of layers are in no state: both networks must have the same epsilon, padding or slope.
The GELU is the exact one, and averages count the padding, as PyTorch does where nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from fcnn import tree
from fcnn.arguments.arrays import check_floats, check_sizes, shapes
from fcnn.arguments.settings import check_kind
from fcnn.arguments.wording import article, kind_of
from fcnn.exchange.matching_names import misfit, renamed
from fcnn.layers.batch_norm import BatchNormParams
from fcnn.layers.conv2d import Conv2dParams
from fcnn.layers.dense import DenseParams
from fcnn.layers.layer import Layer, call_init
from fcnn.networks.documents import COMBINATORS, placing, public_name
from fcnn.numerics.arrays import Array, freeze
from fcnn.tree import Tree

# Of each layer with parameters their class, the names that PyTorch has for them, and their axes.
_PARAMETERS: Final[Mapping[str, tuple[type, Mapping[str, tuple[str, str]]]]] = {
    "conv2d": (Conv2dParams, {"w": ("weight", "F, C/G, KH, KW"), "b": ("bias", "F or None")}),
    "dense": (DenseParams, {"w": ("weight", "D, K"), "b": ("bias", "K or None")}),
    "batch_norm": (
        BatchNormParams,
        {
            "scale": ("weight", "C"), "shift": ("bias", "C"),
            "mean": ("running_mean", "C"), "var": ("running_var", "C"),
        },
    ),
}  # fmt: skip
_VARIANCE: Final = "running_var"
_COUNT: Final = "num_batches_tracked"
_FLOATS: Final = ("float16", "float32", "float64")


def state_dict(model: Layer, params: Tree) -> dict[str, Array]:
    """The parameters as a `state_dict` of PyTorch: of an `nn.Sequential` of the same layers.

    Names and layouts are those that the docstring of `fcnn.exchange.pytorch` tells. The arrays
    are copies, C-contiguous, of the dtype of the parameters; the counts of batches are int64.
    PyTorch takes them as tensors::

        module.load_state_dict({name: torch.from_numpy(a) for name, a in state.items()})

    Raises TypeError for leaves that are not all float32 or all float64, ValueError for parameters
    that are not those of the model, or of a layer of one's own, which it names with its place.

    Examples
    --------
    >>> import fcnn, numpy as np
    >>> model = fcnn.chain(fcnn.flatten, fcnn.dense(3))
    >>> params, _ = model.init(np.random.default_rng(0), (1, 28, 28))
    >>> {name: array.shape for name, array in fcnn.exchange.state_dict(model, params).items()}
    {'1.weight': (3, 784), '1.bias': (3,)}
    """
    return named_arrays("state_dict", model, params)


def from_state_dict(
    model: Layer,
    state: Mapping[str, Any],
    in_shape: Sequence[int],
    *,
    rename: Mapping[str, str] = {},
) -> Tree:
    """The parameters of a model from a `state_dict` of PyTorch, as `state_dict` names them.

    Parameters
    ----------
    model, in_shape
        The network, and the shape of an example, such as (C, H, W).
    state
        Anything that `numpy.asarray` takes, and tensors of PyTorch, wherever they lie.
    rename
        What names in the state begin with, and what they begin with here: {"conv1": "0"} reads
        conv1.weight as 0.weight. Whole parts between dots, the longest that fits; "" stands for
        none, so that {"module": ""} takes away module, and {"": "0"} puts 0 before all.

    The parameters are float64 if any of the arrays is, else float32, so nothing is rounded:
    float16 and bfloat16 become float32. Like those of `init` they are C-contiguous and read-only,
    and share nothing with the state.

    Raises ValueError if names are missing or not expected, or shapes are others; it shows both
    lists side by side, with "=" between what fits. Also for a layer of one's own with parameters,
    which it names with its place. TypeError for values that are not floats.

    Examples
    --------
    >>> import fcnn, numpy as np
    >>> model = fcnn.chain(fcnn.flatten, fcnn.dense(3))
    >>> state = {"fc.weight": np.ones((3, 4), np.float32), "fc.bias": np.zeros(3, np.float32)}
    >>> params = fcnn.exchange.from_state_dict(model, state, (1, 2, 2), rename={"fc": "1"})
    >>> print(fcnn.tree.describe(params))
    [1].w  float32[4,3]
    [1].b  float32[3]
    2 arrays, 15 parameters
    """
    function = "from_state_dict"
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        raise TypeError(
            f"{function}: state is {kind_of(state)}, expected a dict with names as keys"
        )
    arrays = {name: _array(function, name, value) for name, value in state.items()}
    return arranged(function, "the state", model, renamed(function, arrays, rename), in_shape)


def named_arrays(function: str, model: Layer, params: Tree) -> dict[str, Array]:
    """`state_dict`, as part of a function that errors call by its name."""
    check_kind(function, "model", model, Layer)
    check_floats(function, **dict(tree.leaves_with_path(params)))
    names = tree.leaves(_names(function, model, params))
    state: dict[str, Array] = {}
    for name, leaf in zip(names, tree.leaves(params), strict=True):
        state[name] = np.array(_turned(leaf), order="C")
        if name.endswith(_VARIANCE):
            state[name.removesuffix(_VARIANCE) + _COUNT] = np.zeros((), np.int64)
    return state


def counts_batches(name: str) -> bool:
    """Whether that is the name of a `num_batches_tracked`, which nothing here is read from."""
    return name.rpartition(".")[2] == _COUNT


def arranged(
    function: str, what: str, model: Layer, state: Mapping[str, Array], in_shape: Sequence[int]
) -> Tree:
    """A state as the parameters of a model; TypeError or ValueError if it does not fit."""
    check_kind(function, "model", model, Layer)
    sizes = check_sizes(function, in_shape, least_axes=1)
    like, _ = call_init(model, np.random.default_rng(0), sizes)
    names = _names(function, model, like)
    leaves = zip(tree.leaves(names), tree.leaves(like), strict=True)
    expected = {name: _turned(leaf).shape for name, leaf in leaves}
    held = {name: array for name, array in state.items() if not counts_batches(name)}
    found = {name: array.shape for name, array in held.items()}
    if found != expected:
        raise ValueError(f"{function}: {what} does not fit the network: {misfit(expected, found)}")
    for name, array in held.items():
        if array.dtype.name not in _FLOATS:
            raise TypeError(f"{function}: {name} is {array.dtype}, expected float32 or float64")
    double = any(array.dtype.name == "float64" for array in held.values())
    dtype = np.float64 if double else np.float32
    return tree.map(lambda name: freeze(np.array(_turned(held[name]), dtype, order="C")), names)


def _names(function: str, layer: Layer, params: Tree, prefix: str = "") -> Tree:
    """A tree like the parameters of a layer, whose leaves are their names in PyTorch."""
    kind = public_name(layer)
    if kind is None:
        if tree.leaves(params):
            raise ValueError(
                f"{function}: PyTorch has no names for the parameters of {layer.name}, "
                "a layer of one's own"
            )
        return params
    if kind in COMBINATORS:
        return _names_of_children(function, layer, params, prefix)
    if kind in _PARAMETERS:
        made, fields = _PARAMETERS[kind]
        if not isinstance(params, made):
            raise _not_its_own(function, layer, params, article(made.__name__))
        shapes(
            kind, **{field: (getattr(params, field), axes) for field, (_, axes) in fields.items()}
        )
        return tree.map_with_path(lambda path, leaf: prefix + fields[path[1:]][0], params)
    if not isinstance(params, tuple) or params:
        raise _not_its_own(function, layer, params, "()")
    return params


def _names_of_children(function: str, layer: Layer, params: Tree, prefix: str) -> Tree:
    """`_names` of a chain, of branches, or of a residual, which is numbered like a chain."""
    bare = public_name(layer) == "residual"  # its parameters are those of its layer
    parts = (params,) if bare else params
    if not isinstance(parts, tuple) or len(parts) != len(layer.children):
        raise _not_its_own(function, layer, params, f"a tuple of {len(layer.children)}")
    found = []
    for i, (child, part) in enumerate(zip(layer.children, parts, strict=True)):
        inner = prefix if bare and public_name(child) == "chain" else f"{prefix}{i}."
        names = partial(_names, function, params=part, prefix=inner)
        found.append(placing(layer.name, i, child, names))
    return found[0] if bare else tuple(found)


def _not_its_own(function: str, layer: Layer, params: Tree, expected: str) -> ValueError:
    kind = kind_of(params, with_length=True)
    return ValueError(f"{function}: params of {layer.name} are {kind}, expected {expected}")


def _turned(array: Array) -> Array:
    """(D, K) as (K, D), and back: no other parameters have two axes."""
    return array.T if array.ndim == 2 else array


def _array(function: str, name: str, value: Any) -> Array:
    """A value of a state as an array. What is a tensor is known by its `detach`."""
    try:
        if hasattr(value, "detach"):
            value = value.detach().cpu()
            if str(value.dtype) == "torch.bfloat16":  # NumPy has none
                value = value.float()
        array = np.asarray(value)
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{function}: {name} is {kind_of(value)}, and no array: {error}") from error
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array
