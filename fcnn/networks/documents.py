"""Networks as documents: layers by their public names, with settings and children, as in JSON.

{"layer": "chain", "children": [
    {"layer": "conv2d", "settings": {"features": 8, "kernel": [3, 3], ...}},
    {"layer": "relu"},
    {"own": "gain", "settings": {"initial": 2.0}}]}

A layer of one's own is named by `own`: what it computes is not in the document. By documents layers
are pickled too, so that nothing of them is executed that is not fcnn's.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from fcnn.arguments.wording import kind_of, unknown
from fcnn.layers.avg_pool2d import avg_pool2d, global_avg_pool
from fcnn.layers.batch_norm import batch_norm
from fcnn.layers.conv2d import conv2d
from fcnn.layers.dense import dense
from fcnn.layers.dropout import dropout
from fcnn.layers.flatten import flatten
from fcnn.layers.gelu import gelu
from fcnn.layers.initializers import glorot_uniform, he_normal
from fcnn.layers.layer import Layer
from fcnn.layers.max_pool2d import max_pool2d
from fcnn.layers.relu import leaky_relu, relu
from fcnn.layers.sigmoid import sigmoid, tanh
from fcnn.layers.softmax import softmax
from fcnn.networks.chain import chain
from fcnn.networks.parallel import parallel
from fcnn.networks.residual import residual

Document: TypeAlias = "dict[str, Any]"
Maker: TypeAlias = "Callable[..., Layer]"  # of settings, and of children

COMBINATORS: Final[Mapping[str, Maker]] = {
    "chain": chain, "parallel": parallel, "residual": residual,
}  # fmt: skip
# By its public name, each layer of fcnn, or what makes it.
LAYERS: Final[Mapping[str, Layer | Maker]] = {
    **COMBINATORS,
    "avg_pool2d": avg_pool2d, "batch_norm": batch_norm, "conv2d": conv2d, "dense": dense,
    "dropout": dropout, "flatten": flatten, "gelu": gelu, "global_avg_pool": global_avg_pool,
    "leaky_relu": leaky_relu, "max_pool2d": max_pool2d, "relu": relu, "sigmoid": sigmoid,
    "softmax": softmax, "tanh": tanh,
}  # fmt: skip
_INITIALIZERS: Final = {"glorot_uniform": glorot_uniform, "he_normal": he_normal}
_KEYS: Final = {"layer", "own", "settings", "children"}


def public_name(layer: Layer) -> str | None:
    """The name under which fcnn has a layer, or what made it; None for a layer of one's own."""
    if layer.make is not None:
        name = getattr(layer.make, "__name__", "")
        return name if LAYERS.get(name) is layer.make else None
    return next((name for name, known in LAYERS.items() if known is layer), None)


def ends_in_softmax(layer: Layer) -> bool:
    """Whether what a network gives are probabilities, not logits."""
    while public_name(layer) == "chain" and layer.children:
        *_, layer = layer.children
    return public_name(layer) == "softmax"


def document(layer: Layer) -> Document:
    """A network as a document. ValueError for settings of one's own that JSON does not have."""
    name = public_name(layer)
    found: Document = {"own": layer.name} if name is None else {"layer": name}
    if layer.settings:
        found["settings"] = {
            setting: _plain(f"{setting} of {layer.name}", value)
            for setting, value in layer.settings.items()
        }
    if layer.children:
        found["children"] = [
            placing(layer.name, i, child, document) for i, child in enumerate(layer.children)
        ]
    return found


def layer_of(found: Any, layers: Mapping[str, Layer | Maker] | None = None) -> Layer:
    """The network of a document.

    Parameters
    ----------
    found
        A document, as `document` makes it, perhaps by way of JSON.
    layers
        Those of one's own, by their names: each a `Layer`, or a function of its children and
        settings that makes one; initializers of one's own too.

    Raises ValueError if it is no document, or names what neither fcnn nor `layers` has; it says
    where. No code is run but that of fcnn and what `layers` holds.
    """
    try:
        return _layer_of(found, layers or {})
    except RecursionError as error:
        raise ValueError("the network is nested too deeply") from error


def own_names(found: Any) -> Iterator[str]:
    """What a document names that is not fcnn's: layers, and initializers. ValueError if it is
    none.
    """
    _check(found)
    if "own" in found:
        yield found["own"]
    initializer = found.get("settings", {}).get("initializer")
    if "layer" in found and initializer is not None and initializer not in _INITIALIZERS:
        yield initializer
    for child in found.get("children", ()):
        yield from own_names(child)


def code_of(layer: Layer) -> list[Any]:
    """The code that a layer runs, and those in it: equal for layers that the same maker made, of
    the same settings.
    """
    calibrate = getattr(layer.calibrate, "of_sample", layer.calibrate)
    functions = (
        layer.init, layer.forward, layer.backward, layer.backward_params, layer.apply, calibrate,
    )  # fmt: skip
    code = [getattr(function, "__code__", function) for function in functions]
    return code + [code_of(child) for child in layer.children]


def _layer_of(found: Any, layers: Mapping[str, Any]) -> Layer:
    _check(found)
    name = found.get("layer", found.get("own"))
    children = [
        placing(name, i, child, lambda child: _layer_of(child, layers))
        for i, child in enumerate(found.get("children", ()))
    ]
    settings = {key: _tupled(value) for key, value in found.get("settings", {}).items()}
    if "own" in found:
        known = _among_own(name, "layer", layers)
    elif name in LAYERS:
        known = LAYERS[name]
        if children and name not in COMBINATORS:
            raise ValueError(f"{name} has no layers in it, the document gives it {len(children)}")
        if "initializer" in settings:
            settings["initializer"] = _initializer(settings["initializer"], layers)
    else:
        raise ValueError(unknown("layer", name, LAYERS))
    if isinstance(known, Layer):
        if "layer" in found and (settings or children):
            raise ValueError(f"{name} has no settings, the document gives it {[*settings]}")
        return known
    try:
        layer = known(*children, **settings)
    except TypeError as error:
        told = str(error).removeprefix(f"{name}: ")
        raise ValueError(f"{name}: {told}") from error
    if not isinstance(layer, Layer):
        raise ValueError(f"{name}: it made {kind_of(layer)}, expected a Layer")
    return layer


def _check(found: Any) -> None:
    """ValueError unless these are the keys and kinds of a document's layer."""
    if not isinstance(found, dict) or len({"layer", "own"} & found.keys()) != 1:
        raise ValueError(f"it is no layer of a document: {kind_of(found)} without a layer's name")
    if not found.keys() <= _KEYS:
        raise ValueError(unknown("key", str(min(found.keys() - _KEYS, key=str)), sorted(_KEYS)))
    for key, kind in (("layer", str), ("own", str), ("settings", dict), ("children", list)):
        if key in found and not isinstance(found[key], kind):
            raise ValueError(f"{key} is {kind_of(found[key])}, expected {kind.__name__}")


def _among_own(name: str, kind: str, layers: Mapping[str, Any]) -> Any:
    if name not in layers:
        raise ValueError(
            f"the {kind} {name} is one of one's own, which a document only names: give it, as in "
            f"layers={{{name!r}: {name}}}"
        )
    return layers[name]


def _initializer(name: Any, layers: Mapping[str, Any]) -> Any:
    if isinstance(name, str) and name in _INITIALIZERS:
        return _INITIALIZERS[name]
    return _among_own(str(name), "initializer", layers)


def placing(name: str, i: int, child: Any, function: Callable[[Any], Any]) -> Any:
    """What a function makes of layer i of another; an error says which one it was."""
    try:
        return function(child)
    except ValueError as error:
        inner = child.get("layer", child.get("own")) if isinstance(child, dict) else None
        shown = getattr(child, "name", inner or kind_of(child))
        raise ValueError(f"{error}\nin {name} layer {i} ({shown})") from error


def _plain(what: str, value: Any) -> Any:
    """A setting as JSON has it."""
    if isinstance(value, tuple | list):
        return [_plain(what, part) for part in value]
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise ValueError(f"the setting {what} is {kind_of(value)}, which a document cannot hold")


def _tupled(value: Any) -> Any:
    return tuple(map(_tupled, value)) if isinstance(value, list) else value


def _reduced(layer: Layer) -> tuple[Callable[..., Layer], tuple[Document]]:
    """How a layer is pickled; TypeError for one of one's own."""
    found = document(layer)
    own = next(own_names(found), None)
    if own is not None:
        raise TypeError(
            f"{own} is one of one's own, and is not pickled: a pickle holds names alone"
        )
    if code_of(layer_of(found)) != code_of(layer):
        raise TypeError(
            f"{layer.name}: a layer has not the functions of what made it, and is not pickled; if "
            "they were replaced, make is to be None"
        )
    return layer_of, (found,)


copyreg.pickle(Layer, _reduced)
