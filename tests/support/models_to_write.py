"""Models that are written in other formats: each layer by itself, and those of fcnn."""

from typing import Any

import attrs
import numpy as np
from drawn_networks import drawn_network, trained_looking
from layer_cases import of

import fcnn
from fcnn import tree
from fcnn.proof.layer_cases import CHOSEN


@attrs.frozen
class Written:
    """A model and its parameters, in float32."""

    name: str
    model: fcnn.Layer
    params: Any
    in_shape: tuple[int, ...]

    def __str__(self):
        return self.name.replace(" ", "")

    def x(self, n):
        """So many examples."""
        return np.random.default_rng(n).standard_normal((n, *self.in_shape)).astype(np.float32)


def _of_case(case):
    params = tree.map(lambda a: a.astype(np.float32), case.arguments()[0])
    model = case.layer()
    return Written(f"{model} on {case.in_shape}", model, params, case.in_shape)


# Padding that differs along the axes, of windows that move by one pixel.
_UNEVEN = [
    of("max_pool2d", (2, 5, 4), 1, window=3, stride=1, padding=(1, 0)).case,
    of("max_pool2d", (1, 1, 1), 1, window=(1, 4), stride=1, padding=(0, 2)).case,
    of("avg_pool2d", (2, 5, 4), 1, window=3, stride=1, padding=(1, 0)).case,
]
_CASES = [_of_case(case) for cases in (*CHOSEN.values(), _UNEVEN) for case in cases]
LAYERS = [*{case.name: case for case in _CASES}.values()]  # once, in whatever mode it is proved


def _of_model(name, in_shape):
    model = getattr(fcnn.models, name)()
    params = trained_looking(model, in_shape, np.random.default_rng(0))
    return Written(name, model, params, in_shape)


MODELS = [
    _of_model("lines_cnn", (1, 14, 14)),
    *(
        _of_model(name, (1, 28, 28))
        for name in ("linear", "lenet5", "mnist_cnn", "deep_cnn_small", "deep_cnn", "tiny_cnn")
    ),
]


def drawn(seed):
    """A network of all layers."""
    model, params, in_shape = drawn_network(seed)
    return Written(f"drawn {seed}", model, params, in_shape)
