"""Writing a model as a page: one HTML file, in which the network reads what one draws.

The page needs nothing but itself. In it are the parts of `page_parts/`, put into `page.html` where
it names them, `{{arithmetic.js}}` say, and the network as JSON, where it says `{{model}}`:

{"shape": [1, 28, 28], "labels": [...], "preparation": "mnist",
 "network": {"layer": "chain", "name": "chain", "shape": [10], "children": [
    {"layer": "conv2d", "name": "conv2d(8, 3)", "shape": [8, 26, 26], "settings": {...},
     "params": {"w": {"path": "[0].w", "shape": [8, 1, 3, 3], "values": BASE64}, ...}}, ...]},
 "samples": {"shape": [N, 1, 28, 28], "images": BASE64, "labels": [...]}}

`name` is what one writes, `shape` that of the layer's output. Parameters are float32, the lowest
byte first; images have a byte for each pixel, 0 for 0 and 255 for 1.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import attrs
import numpy as np

from fcnn import tree
from fcnn.arguments.arrays import check_labels
from fcnn.arguments.examples import examples
from fcnn.arguments.settings import as_path
from fcnn.data.digit_pictures import OF_MNIST
from fcnn.exchange.reading_back import known_name, write_if_same
from fcnn.exchange.saved_model import SavedModel, checked
from fcnn.layers.layer import Layer
from fcnn.networks.documents import (
    Document,
    document,
    ends_in_softmax,
    layer_of,
    placing,
    public_name,
)
from fcnn.numerics.arrays import Array, Shape
from fcnn.training.inference import predict
from fcnn.tree import Tree

_MARK: Final = re.compile(r"\{\{([\w.]+)\}\}")
# What a reader of the page is meant to read in it; the rest is there in brief.
_TO_BE_READ: Final = "arithmetic.js"
_MODEL: Final = re.compile(r'<script type="application/json" id="model">(.*?)</script>', re.DOTALL)


def save_page(
    path: str | os.PathLike[str],
    model: Layer,
    params: Tree,
    in_shape: Sequence[int],
    *,
    labels: Sequence[str] | None = None,
    preparation: str | None = None,
    samples: tuple[Array, Array] | None = None,
) -> float:
    """Write a page on which one sees a network at work, forward and backward, in any browser.

    Parameters
    ----------
    path
        The file, such as "network.html". It appears whole, and only if the network that is in it
        gives the outputs of `predict`.
    model, params
        A network of layers of fcnn that ends in logits, and its parameters. The page computes in
        float32: parameters in float64 are cast.
    in_shape
        The shape of an image, (C, H, W).
    labels, preparation
        What the classes are called, and how pictures are prepared, see `SavedModel`. With "mnist"
        images are (1, 28, 28).
    samples
        Images to look at and their labels, arrays (N, C, H, W) from 0 to 1 and (N,). The page has
        256 shades of them.

    Returns how far the outputs of the network in the page are from those of `predict`, relative to
    the largest. Raises ValueError for a layer of one's own, which it names, for a network that does
    not end in logits, and for parameters, labels or samples that do not fit.

    Examples
    --------
    >>> import fcnn, numpy as np
    >>> model = fcnn.models.linear()
    >>> params, _ = model.init(np.random.default_rng(0), (1, 28, 28))
    >>> folder = getfixture("tmp_path")
    >>> apart = fcnn.exchange.save_page(folder / "linear.html", model, params, (1, 28, 28))
    """
    target = as_path("save_page", "path", path)
    saved = checked("save_page", model, params, in_shape, labels, preparation)
    _check_for_page(saved)
    found = page_document(saved)
    if samples is not None:
        found["samples"] = _samples(samples, saved.in_shape, found["network"]["shape"][0])
    text = page_of(found)
    outputs_of = _outputs_of(text, saved.in_shape)
    return write_if_same("save_page", target, text.encode(), saved, outputs_of)


def _check_for_page(saved: SavedModel) -> None:
    """ValueError unless the network reads images, and gives logits of them."""
    if len(saved.in_shape) != 3:
        raise ValueError(f"save_page: in_shape is {saved.in_shape}, expected images (C, H, W)")
    if saved.preparation == "mnist" and saved.in_shape != OF_MNIST:
        raise ValueError(
            f"save_page: in_shape is {saved.in_shape}, but images are {OF_MNIST} as MNIST has them"
        )
    if ends_in_softmax(saved.model):
        raise ValueError(
            "save_page: the network ends in softmax, expected logits, of which a page takes the "
            "softmax: leave it out"
        )


def page_document(saved: SavedModel) -> Document:
    """What a page knows of a model."""
    params = tree.map(lambda leaf: leaf.astype(np.float32), saved.params)
    network = _network(saved.model, params, saved.in_shape, "")
    if len(network["shape"]) != 1:
        raise ValueError(f"save_page: the network makes {network['shape']}, expected logits (K,)")
    return {
        "shape": saved.in_shape,
        "labels": saved.labels,
        "preparation": saved.preparation,
        "network": network,
    }


def _network(layer: Layer, params: Tree, in_shape: Shape, path: str) -> Document:
    """A layer, and all that it is made of, for images or vectors of a shape."""
    name = known_name("save_page", layer, "the page cannot compute")
    # Shapes flow through init; what it draws is not needed.
    _, out_shape = layer.init(np.random.default_rng(0), in_shape)
    found: Document = {
        "layer": name,
        "name": repr(attrs.evolve(layer, children=())),
        "shape": out_shape,
    }
    alone = document(attrs.evolve(layer, children=()))
    settings = {key: own for key, own in alone.get("settings", {}).items() if key != "initializer"}
    if settings:
        found["settings"] = settings
    if layer.children:
        found["children"] = _children(layer, params, in_shape, path)
    elif tree.leaves(params):
        found["params"] = {
            place.lstrip("."): {
                "path": path + place,
                "shape": leaf.shape,
                "values": _base64(leaf.astype("<f4")),
            }
            for place, leaf in tree.leaves_with_path(params)
        }
    return found


def _children(layer: Layer, params: Tree, shape: Shape, path: str) -> list[Document]:
    """The layers that a combinator is made of; each of a chain gets what the one before gives."""
    bare = public_name(layer) == "residual"
    found: list[Document] = []
    for i, child in enumerate(layer.children):
        own, place = (params, path) if bare else (params[i], f"{path}[{i}]")
        network = partial(_network, params=own, in_shape=shape, path=place)
        made = placing(layer.name, i, child, network)
        found.append(made)
        if public_name(layer) == "chain":
            shape = tuple(made["shape"])
    return found


def _samples(samples: Any, in_shape: Shape, classes: int) -> Document:
    images, labels = examples("save_page", "samples", samples, of_classes=True)
    if images.shape[1:] != in_shape:
        axes = ", ".join(map(str, ("N", *in_shape)))
        raise ValueError(f"save_page: samples are {images.shape}, expected ({axes})")
    check_labels("save_page: samples", labels, len(images), classes)
    pixels = np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
    return {"shape": images.shape, "images": _base64(pixels), "labels": labels.tolist()}


def _base64(array: Array) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")


def page_of(found: Document) -> str:
    """The page of a document, its parts put in."""
    from importlib.resources import files

    parts = files("fcnn.exchange") / "page_parts"

    def part(mark: re.Match[str]) -> str:
        if mark[1] == "model":
            # No text in it, a label say, ends the element: "<" is written otherwise.
            return json.dumps(found, separators=(",", ":")).replace("<", "\\u003c")
        text = (parts / mark[1]).read_text("utf-8")
        return text if mark[1] == _TO_BE_READ else _compact(text)

    return _MARK.sub(part, (parts / "page.html").read_text("utf-8"))


def _compact(text: str) -> str:
    """A script or style without its indentation and the lines that are comments alone."""
    lines = (line.strip() for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("//"))


# Reading it back


def document_in(page: str) -> Document:
    """The document that a page was made of; ValueError if the text is no such page."""
    match = _MODEL.search(page)
    if match is None:
        raise ValueError("save_page: there is no model in the page")
    found: Document = json.loads(match[1])
    return found


def _outputs_of(page: str, in_shape: Shape) -> Callable[[Array], Array]:
    """What the network and the parameters in a page make of images."""
    network = document_in(page)["network"]
    model, arrays = layer_of(_plain(network)), dict(_arrays(network))
    initial, _ = model.init(np.random.default_rng(0), in_shape)
    params = tree.map_with_path(lambda path, leaf: arrays[path], initial)
    return lambda x: predict(model, params, x.astype(np.float32))


def _plain(network: Document) -> Document:
    """The document of a network in a page, as `layer_of` has it."""
    plain = {key: value for key, value in network.items() if key in ("layer", "settings")}
    if "children" in network:
        plain["children"] = [_plain(child) for child in network["children"]]
    return plain


def _arrays(network: Document) -> Iterator[tuple[str, Array]]:
    """All parameters in a page, by their paths."""
    for array in network.get("params", {}).values():
        values = np.frombuffer(base64.b64decode(array["values"]), "<f4")
        yield array["path"], values.reshape(array["shape"]).astype(np.float32)
    for child in network.get("children", ()):
        yield from _arrays(child)
