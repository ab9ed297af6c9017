"""The settings of layers as formats have them that know of no usual ones, and of no "same"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fcnn.layers.layer import Layer
from fcnn.networks.documents import public_name

# What layers do not say where it is the usual.
_USUAL: Final[Mapping[str, Mapping[str, Any]]] = {
    "batch_norm": {"epsilon": 1e-5},
    "conv2d": {"dilation": (1, 1), "groups": 1},
}


def whole_settings(layer: Layer) -> dict[str, Any]:
    """All settings of a layer of fcnn."""
    return {**_USUAL.get(public_name(layer) or "", {}), **layer.settings}


def padding_around(layer: Layer) -> tuple[int, int, int, int]:
    """The padding of a convolution or pool: above, below, to the left and to the right."""
    settings = whole_settings(layer)
    if settings["padding"] != "same":
        rows, columns = settings["padding"]
        return rows, rows, columns, columns
    (KH, KW), (DH, DW) = settings["kernel"], settings["dilation"]
    rows, columns = (KH - 1) * DH, (KW - 1) * DW
    return rows // 2, rows - rows // 2, columns // 2, columns - columns // 2
