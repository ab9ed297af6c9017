"""What networks are: the gradient of a batch, models, inference, and training."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any, Final

import numpy as np

import fcnn
from fcnn import check, tree
from fcnn.layers.layer import Layer, call_backward, call_forward
from fcnn.losses.loss import Loss
from fcnn.numerics import random_streams
from fcnn.numerics.arrays import Array, Shape
from fcnn.optimizers.optimizer import Optimizer
from fcnn.proof.case import made
from fcnn.proof.layer_cases import CHOSEN, POOLED_NETWORK, RANDOM_NETWORK, SMALL_NETWORK, some_of
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
_WITH_POOLS: Final = partial(made, "chain", {"layers": POOLED_NETWORK})


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
        network = made("chain", {"layers": layers})
        params, x, labels = _drawn(network, _IN_SHAPE, n)
        f = fcnn.value_and_grad(network, loss, threads=1)

        def forward(params: Tree) -> tuple[Array, Tree]:
            value, grads = f(params, x, labels, np.random.default_rng(0))
            return np.asarray(value), grads

        return check.function(
            "value_and_grad",
            forward,
            lambda grads, dy: tree.map(lambda g: g * dy, grads),
            params,
            tolerance=BY_DIFFERENCES,
        ).errors

    for name, layers, loss in _NETWORKS:
        for n in (1, 33):  # one shard, and two that are not equal
            yield f"{name}, {loss.name}, batch of {n}", partial(errors, layers, loss, n)


def gradients_by_backward() -> Iterator[tuple[str, Run]]:
    """The loss's and the model's own backward functions, on the whole batch at once: no
    shards, no network rewritten for speed.
    """

    def errors(
        make: Callable[[], Layer], in_shape: Shape, n: int, loss: Loss, tied: bool
    ) -> Mapping[str, float]:
        network = make()
        params, x, labels = _drawn(network, in_shape, n)
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
            {"loss": value, "gradient": grads}, {"loss": expected, "gradient": expected_grads}
        )

    fused, small = fcnn.softmax_cross_entropy, partial(made, "chain", {"layers": SMALL_NETWORK})
    for n, (text, loss, tied) in product(
        (1, 33, 70),
        (("", fused, False), (" on ties", fused, True), (", weighted", _WEIGHTED, False)),
    ):
        run = partial(errors, small, _IN_SHAPE, n, loss, tied)
        yield f"small network{text}, batch of {n}", run
    pooled = partial(errors, _WITH_POOLS, _IN_SHAPE, 33, fused, False)
    yield "network with pools, batch of 33", pooled
    for name in MODELS:
        make = partial(model_by_name, name, 10)
        # Statistics are those of a shard: 32 examples are one.
        n = 32 if make().needs_rng else 33
        yield f"{name}, batch of {n}", partial(errors, make, _in_shape(name), n, fused, False)


def predictions() -> Iterator[tuple[str, Run]]:
    """The cheaper way through a layer, without caches, gives what `forward` gives."""

    def errors(make: Callable[[], Layer], in_shape: Shape, n: int) -> Mapping[str, float]:
        network = make()
        params, x, _ = _drawn(network, in_shape, n)
        y, _ = call_forward(network, params, x, None)
        return differences({"y": fcnn.predict(network, params, x, threads=1)}, {"y": y})

    for name in MODELS:
        make = partial(model_by_name, name, 10)
        yield f"{name}, batch of 70", partial(errors, make, _in_shape(name), 70)
    yield "network with pools, batch of 70", partial(errors, _WITH_POOLS, _IN_SHAPE, 70)
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
        network = model_by_name("lines_cnn", 3)
        params, *_ = _drawn(network, x.shape[1:])
        optimizer, loss = fcnn.sgd(0.01, 0.9), fcnn.softmax_cross_entropy
        *_, record = fcnn.fit(
            network, params, optimizer, (x, labels), epochs=2, batch_size=32, seed=7, threads=1
        )
        taken = batches(x, labels, 32, epochs=2, seed=7)
        losses, after = zip(*steps(network, loss, params, optimizer, taken), strict=True)
        return differences(
            {"mean loss": record.train_loss, "params": record.params},
            {"mean loss": epoch_means(losses, len(x), 32)[-1], "params": after[-1]},
        )

    yield "lines_cnn, 2 epochs of 100 images in batches of 32", errors


# Training by hand: batches in the order that `fit` takes them, and a step for each.


def batches(
    x: Array, labels: Array, size: int, *, epochs: int, seed: int
) -> Iterator[tuple[Array, Array]]:
    """Those of all epochs; the last batch of an epoch may be smaller."""
    for epoch in range(1, epochs + 1):
        order = random_streams.generator(seed, random_streams.ORDER, epoch).permutation(len(x))
        for begin in range(0, len(x), size):
            batch = order[begin : begin + size]
            yield x[batch], labels[batch]


def steps(
    model: Layer,
    loss: Loss,
    params: Tree,
    optimizer: Optimizer,
    batches: Iterable[tuple[Array, Array]],
) -> Iterator[tuple[float, Tree]]:
    """The loss of each batch, and the parameters after its step."""
    gradient, state = fcnn.value_and_grad(model, loss, threads=1), optimizer.init(params)
    for x, labels in batches:
        value, grads = gradient(params, x, labels)
        params, state = optimizer.step(params, grads, state)
        yield value, params


def epoch_means(losses: Iterable[float], images: int, size: int) -> tuple[float, ...]:
    """The mean loss of the images in each epoch, from those of all batches."""
    begins = range(0, images, size)
    means = np.reshape([*losses], (-1, len(begins))) @ np.diff([*begins, images]) / images
    return tuple(means.tolist())


def _in_shape(model: str) -> Shape:
    return (1, 14, 14) if model == "lines_cnn" else (1, 28, 28)


def _drawn(network: Layer, in_shape: Shape, n: int = 1) -> tuple[Tree, Array, Array]:
    """Parameters in float64, with biases that are not zero; x and labels of 4 classes."""
    rng = np.random.default_rng(0)
    initial, _ = network.init(rng, in_shape)
    params = tree.map(lambda p: p + 0.1 * rng.standard_normal(p.shape), initial)
    rng = np.random.default_rng(n)
    return params, rng.standard_normal((n, *in_shape)), rng.integers(0, 4, n)
