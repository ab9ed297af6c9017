"""chain: the chain rule, written out.

For y = f3(f2(f1(x))), the forward pass keeps the cache of every function; the backward pass
walks the same list the other way, and hands each function the gradient of its output. That is
all of back-propagation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from fcnn.distributed.sample import Sample
from fcnn.layers.layer import Layer
from fcnn.networks.combinator import Combinator, Step
from fcnn.numerics.arrays import Array, Shape

Value = TypeVar("Value", Array, Sample, Shape)


def chain(*layers: Layer) -> Layer:
    """Layers one after the other, as one layer; chains nest.

    The parameters are the tuple of the layers' parameters. An error inside names the
    layer by its index.

    Examples
    --------
    >>> import fcnn, numpy as np
    >>> model = fcnn.chain(fcnn.flatten, fcnn.dense(3))
    >>> params, out_shape = model.init(np.random.default_rng(0), (1, 28, 28))
    >>> out_shape
    (3,)
    >>> print(fcnn.tree.describe(params))
    [1].w  float32[784,3]
    [1].b  float32[3]
    2 arrays, 2,355 parameters
    """

    def through(x: Value, step: Step) -> Value:
        for i in range(len(layers)):
            x = step(i, x)
        return x

    def back(dy: Array, step: Step, shapes: Sequence[Shape]) -> Array:
        for i in reversed(range(len(layers))):
            dy = step(i, dy)
        return dy

    return Combinator(chain, layers, through, through, back, in_sequence=True).layer()
