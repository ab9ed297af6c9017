"""What networks are: the gradient of a batch, models, inference, and training."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

import fcnn
from fcnn import check, tree
from fcnn.layers.layer import Layer, call_backward, call_forward
from fcnn.losses.loss import Loss
from fcnn.numerics import random_streams
from fcnn.numerics.arrays import Array, Shape
from fcnn.proof.case import made
from fcnn.proof.layer_cases import CHOSEN, RANDOM_NETWORK, SMALL_NETWORK, some_of
from fcnn.proof.proofs import BY_DIFFERENCES, Run, differences
from fcnn.runs.model_by_name import MODELS, model_by_name
from fcnn.tree import Tree

# Networks on images of this shape, of 4 classes, each with a loss.
_IN_SHAPE: Final = (1, 6, 6)
_WEIGHTED: Final = fcnn.smoothed_cross_entropy(
    label_smoothing=0.1, class_weights=(0.5, 1.0, 2.0, 3.0)
)
_NETWORKS: Final[Sequence[tuple[str, Sequence[Any], Loss]]] = (
    ("small network", SMALL_NETWORK, fcnn.softmax_cross_entropy),
    ("small network", (*SMALL_NETWORK, ("softmax", {})), fcnn.cross_entropy),
    ("small network", SMALL_NETWORK, _WEIGHTED),
    ("network with batch_norm and dropout", RANDOM_NETWORK, fcnn.softmax_cross_entropy),
)


def model_by_differences(name: str) -> Iterator[tuple[str, Run]]:
    """The gradients of a model by its name."""

    def errors(batch: int) -> Mapping[str, float]:
        model = model_by_name(name, 10)
        return check.layer(model, _in_shape(name), batch=batch, tolerance=BY_DIFFERENCES).errors

    for batch in (1, 3):
        yield f"batch of {batch}", partial(errors, batch)


def gradients_by_differences() -> Iterator[tuple[str, Run]]:
    """What `value_and_grad` gives, shards, rewriting and all."""

    def errors(layers: Sequence[Any], loss: Loss, n: int) -> Mapping[str, float]:
        network, params = _with_params(made("chain", {"layers": layers}), _IN_SHAPE)
        x, labels = _batch(n, _IN_SHAPE, 4)
        f = fcnn.value_and_grad(network, loss, threads=1)

        def forward(params: Tree) -> tuple[Array, Tree]:
            value, grads = f(params, x, labels, np.random.default_rng(0))
            return np.asarray(value), grads

        def backward(grads: Tree, dy: Array) -> Tree:
            return tree.map(lambda g: g * dy, grads)

        return check.function(
            "value_and_grad", forward, backward, params, tolerance=BY_DIFFERENCES
        ).errors

    for name, layers, loss in _NETWORKS:
        for n in (1, 33):  # one shard, and two that are not equal
            yield f"{name}, {loss.name}, batch of {n}", partial(errors, layers, loss, n)


def gradients_by_backward() -> Iterator[tuple[str, Run]]:
    """The loss's and the model's own backward functions, on the whole batch at once: no
    shards, no network rewritten for speed.
    """

    def errors(
        make: Callable[[], Layer], in_shape: Shape, loss: Loss, n: int, tied: bool = False
    ) -> Mapping[str, float]:
        network, params = _with_params(make(), in_shape)
        x, labels = _batch(n, in_shape, 4)
        if tied:
            x, params = np.rint(x), tree.map(lambda p: np.rint(3 * p), params)
        rng = drawn = None
        if network.needs_rng:
            rng, (drawn,) = np.random.default_rng(0), np.random.default_rng(0).spawn(1)
        value, grads = fcnn.value_and_grad(network, loss, threads=1)(params, x, labels, rng)
        outputs, cache = call_forward(network, params, x, drawn)
        expected, loss_cache = loss.forward(outputs, labels)
        expected_grads, _ = call_backward(network, cache, loss.backward(loss_cache))
        return differences(
            {"loss": np.asarray(value), **dict(tree.leaves_with_path(grads))},
            {"loss": np.asarray(expected), **dict(tree.leaves_with_path(expected_grads))},
        )

    small, fused = partial(made, "chain", {"layers": SMALL_NETWORK}), fcnn.softmax_cross_entropy
    for n in (1, 33, 70):
        yield f"small network, batch of {n}", partial(errors, small, _IN_SHAPE, fused, n)
        yield (
            f"small network on ties, batch of {n}",
            partial(errors, small, _IN_SHAPE, fused, n, tied=True),
        )
        yield (
            f"small network, {_WEIGHTED.name}, batch of {n}",
            partial(errors, small, _IN_SHAPE, _WEIGHTED, n),
        )
    for name in MODELS:
        make = partial(model_by_name, name, 10)
        # Statistics are those of a shard: 32 examples are one.
        n = 32 if make().needs_rng else 33
        yield f"{name}, batch of {n}", partial(errors, make, _in_shape(name), fused, n)


def predictions() -> Iterator[tuple[str, Run]]:
    """The cheaper way through a layer, without caches, gives what `forward` gives."""

    def errors(make: Callable[[], Layer], in_shape: Shape, n: int) -> Mapping[str, float]:
        network, params = _with_params(make(), in_shape)
        x, _ = _batch(n, in_shape, 1)
        y, _ = call_forward(network, params, x, None)
        return differences({"y": fcnn.predict(network, params, x, threads=1)}, {"y": y})

    for name in MODELS:
        make = partial(model_by_name, name, 10)
        yield f"{name}, batch of 70", partial(errors, make, _in_shape(name), 70)
    for layer in CHOSEN:
        for case in some_of(layer):
            if case.training:
                yield str(case), partial(errors, case.layer, case.in_shape, case.batch)


def fits() -> Iterator[tuple[str, Run]]:
    """Epochs of `fit` are steps over batches in the order that the seed gives; the last batch
    is smaller.
    """

    def errors() -> Mapping[str, float]:
        (x, labels), _ = fcnn.data.synthetic_lines(seed=0)
        x, labels = x[:100].astype(np.float64), labels[:100]
        network, params = _with_params(model_by_name("lines_cnn", 3), x.shape[1:])
        optimizer, loss = fcnn.sgd(0.01, 0.9), fcnn.softmax_cross_entropy
        *_, record = fcnn.fit(
            network, params, optimizer, (x, labels), epochs=2, batch_size=32, seed=7, threads=1
        )
        f, state = fcnn.value_and_grad(network, loss, threads=1), optimizer.init(params)
        for epoch in (1, 2):
            order = random_streams.generator(7, random_streams.ORDER, epoch).permutation(len(x))
            total = 0.0
            for begin in range(0, len(x), 32):
                batch = order[begin : begin + 32]
                value, grads = f(params, x[batch], labels[batch])
                params, state = optimizer.step(params, grads, state)
                total += len(batch) * value
        return differences(
            {
                "mean loss": np.asarray(record.train_loss),
                **dict(tree.leaves_with_path(record.params)),
            },
            {"mean loss": np.asarray(total / len(x)), **dict(tree.leaves_with_path(params))},
        )

    yield "lines_cnn, 2 epochs of 100 images in batches of 32", errors


def _in_shape(model: str) -> Shape:
    return (1, 14, 14) if model == "lines_cnn" else (1, 28, 28)


def _with_params(network: Layer, in_shape: Shape) -> tuple[Layer, Tree]:
    """Parameters in float64, with biases that are not zero."""
    rng = np.random.default_rng(0)
    params, _ = network.init(rng, in_shape)
    return network, tree.map(lambda p: p + 0.1 * rng.standard_normal(p.shape), params)


def _batch(n: int, in_shape: Shape, classes: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(n)
    return rng.standard_normal((n, *in_shape)), rng.integers(0, classes, n)
