"""What fcnn claims to compute, each with its proof: what `fcnn verify` runs.

All functions are looked up when a case runs, by the names that they have in their modules
and in `fcnn`, and everything is computed in this process.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

import fcnn
from fcnn import check, tree
from fcnn.layers.layer import Layer, call_backward, call_forward
from fcnn.numerics import random_streams as streams
from fcnn.numerics.arrays import Array, Shape
from fcnn.optimizers import sgd as optimizers
from fcnn.proof import batch_norm_and_dropout as mode_claims
from fcnn.proof import layer_cases as cases
from fcnn.proof import loss_cases, operations
from fcnn.proof import losses as loss_claims
from fcnn.proof import optimizers as optimizer_claims
from fcnn.proof import shipped_values as reference
from fcnn.proof.layer_cases import Case
from fcnn.proof.proofs import BY_DIFFERENCES, EXACT, Proof, Run
from fcnn.runs import model_by_name as names
from fcnn.training import batch_gradient as gradients
from fcnn.training import fit as training
from fcnn.training import inference
from fcnn.tree import Tree


def claims() -> list[Proof]:
    """The proofs of all claims, in the order in which they are reported."""
    shipped: dict[str, list[reference.ReferenceCase]] = {}
    for case in reference.reference_cases():
        shipped.setdefault(case.operation, []).append(case)

    def by_reference(name: str) -> Proof:
        return Proof(
            name,
            "values of PyTorch",
            reference.TOLERANCE,
            lambda: [(case.name, partial(reference.errors, case)) for case in shipped[name]],
        )

    found = []
    for name, grid in cases.GRID.items():
        found.append(Proof(name, "differences", BY_DIFFERENCES, partial(_on_grid, grid)))
        if name in cases.KINKS:
            kinks = partial(_on_grid, cases.KINKS[name])
            found.append(Proof(name, "its rule for ties", BY_DIFFERENCES, kinks))
        if name in mode_claims.DEFINITIONS:
            definition = mode_claims.DEFINITIONS[name]
            found.append(Proof(name, "its definition", EXACT, definition))
        if name in shipped:
            found.append(by_reference(name))
    for name in loss_cases.LOSSES:
        losses = partial(loss_claims.by_differences, name)
        found.append(Proof(name, "differences", BY_DIFFERENCES, losses))
        found.append(by_reference(name))
    fused = "softmax_cross_entropy"
    return [
        *found,
        Proof("smoothed_cross_entropy", fused, EXACT, loss_claims.without_smoothing),
        Proof("softmax + cross_entropy", fused, EXACT, loss_claims.compositions),
        Proof("value_and_grad", "differences", BY_DIFFERENCES, _gradients_by_differences),
        Proof("value_and_grad", "backward", EXACT, _gradients_by_backward),
        by_reference("value_and_grad"),
        *(
            Proof(name, "differences", BY_DIFFERENCES, partial(_model, name))
            for name in names.MODELS
        ),
        Proof("predict", "forward", EXACT, _predictions),
        *(
            made
            for name in operations.OPTIMIZERS
            for made in (
                Proof(name, "its equations", EXACT, partial(optimizer_claims.by_equations, name)),
                by_reference(name),
            )
        ),
        Proof("fit", "a loop of steps", EXACT, _fits),
    ]


def _on_grid(grid: Iterable[Case]) -> Iterator[tuple[str, Run]]:
    """Each case by the layer and by the plain functions; small ones by the whole Jacobian."""
    for case in grid:
        name = str(case)
        yield name, partial(_check_layer, case, Case.layer, False)
        if case.operation not in operations.COMBINATORS:
            yield f"{name}, plain functions", partial(_check_layer, case, _plain_layer, False)
        if case.small:
            yield f"{name}, whole Jacobian", partial(_check_layer, case, Case.layer, True)


def _check_layer(case: Case, make: Callable[[Case], Layer], jacobian: bool) -> Mapping[str, float]:
    layer = make(case)
    if not case.training:
        layer = mode_claims.in_inference(layer, case.in_shape)
    report = check.layer(
        layer,
        case.in_shape,
        batch=case.batch,
        x=case.x(),
        approach=case.direction(),
        jacobian=jacobian,
        tolerance=BY_DIFFERENCES,
    )
    return report.errors


def _plain_layer(case: Case) -> Layer:
    """A layer made of the public functions, as the names in `fcnn` say they are."""
    layer = case.layer()
    forward = getattr(fcnn, f"{case.operation}_forward")
    backward = getattr(fcnn, f"{case.operation}_backward")
    settings = case.function_settings()
    if operations.parameters_class(case.operation):
        return Layer(
            layer.name,
            layer.init,
            lambda params, x, rng=None: forward(params, x, **settings),
            backward,
        )
    drawn = case.operation in operations.DRAWN
    return Layer(
        layer.name,
        layer.init,
        lambda params, x, rng=None: forward(x, *([rng] if drawn else []), **settings),
        lambda cache, dy: ((), backward(cache, dy)),
    )


def _model(name: str) -> Iterator[tuple[str, Run]]:
    in_shape = _in_shape(name)
    for batch in (1, 3):

        def errors(batch: int = batch) -> Mapping[str, float]:
            model = names.model_by_name(name, 10)
            return check.layer(model, in_shape, batch=batch, tolerance=BY_DIFFERENCES).errors

        yield f"batch of {batch}", errors


def _in_shape(model: str) -> Shape:
    return (1, 14, 14) if model == "lines_cnn" else (1, 28, 28)


def _model_and_params(model: Layer, in_shape: Shape, seed: int = 0) -> tuple[Layer, Tree]:
    """Parameters in float64, with biases that are not zero."""
    rng = np.random.default_rng(seed)
    params, _ = model.init(rng, in_shape)
    return model, tree.map(lambda p: p + 0.1 * rng.standard_normal(p.shape), params)


def _batch(n: int, in_shape: Shape, classes: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(n)
    return rng.standard_normal((n, *in_shape)), rng.integers(0, classes, n)


# Networks on images (1, 6, 6) of 4 classes, each with a loss and its settings.
_NETWORKS: Final[Sequence[tuple[str, Sequence[Any], str, Mapping[str, Any]]]] = (
    ("small network", cases.SMALL_NETWORK, "softmax_cross_entropy", {}),
    ("small network", (*cases.SMALL_NETWORK, ("softmax", {})), "cross_entropy", {}),
    (
        "small network",
        cases.SMALL_NETWORK,
        "smoothed_cross_entropy",
        {"label_smoothing": 0.1, "class_weights": (0.5, 1.0, 2.0, 3.0)},
    ),
    (
        "network with batch_norm and dropout",
        cases.RANDOM_NETWORK,
        "softmax_cross_entropy",
        {},
    ),
)


def _gradients_by_differences() -> Iterator[tuple[str, Run]]:
    in_shape = (1, 6, 6)

    def errors(
        layers: Sequence[Any], loss: str, settings: Mapping[str, Any], n: int
    ) -> Mapping[str, float]:
        model, params = _model_and_params(operations.layer("chain", {"layers": layers}), in_shape)
        x, labels = _batch(n, in_shape, 4)
        f = gradients.value_and_grad(model, operations.loss(loss, settings), threads=1)

        def forward(params: Tree) -> tuple[Array, Tree]:
            value, grads = f(params, x, labels, np.random.default_rng(0))
            return np.asarray(value), grads

        def backward(grads: Tree, dy: Array) -> Tree:
            return tree.map(lambda g: g * dy, grads)

        return check.function(
            "value_and_grad", forward, backward, params, tolerance=BY_DIFFERENCES
        ).errors

    for name, layers, loss, settings in _NETWORKS:
        for n in (1, 33):  # one shard, and two that are not equal
            yield f"{name}, {loss}, batch of {n}", partial(errors, layers, loss, settings, n)


def _gradients_by_backward() -> Iterator[tuple[str, Run]]:
    """The loss's and the model's own backward functions, on the whole batch at once: no
    shards, no network rewritten for speed.
    """

    def errors(
        make: Callable[[], Layer],
        in_shape: Shape,
        n: int,
        tied: bool = False,
        loss_and_settings: tuple[str, Mapping[str, Any]] = ("softmax_cross_entropy", {}),
    ) -> Mapping[str, float]:
        model, params = _model_and_params(make(), in_shape)
        x, labels = _batch(n, in_shape, 4)
        if tied:
            x, params = np.rint(x), tree.map(lambda p: np.rint(3 * p), params)
        loss = operations.loss(*loss_and_settings)
        rng = drawn = None
        if model.needs_rng:
            rng, (drawn,) = np.random.default_rng(0), np.random.default_rng(0).spawn(1)
        value, grads = gradients.value_and_grad(model, loss, threads=1)(params, x, labels, rng)
        outputs, cache = call_forward(model, params, x, drawn)
        expected, loss_cache = loss.forward(outputs, labels)
        expected_grads, _ = call_backward(model, cache, loss.backward(loss_cache))
        return reference.differences_of(
            {"loss": np.asarray(value), **dict(tree.leaves_with_path(grads))},
            {"loss": np.asarray(expected), **dict(tree.leaves_with_path(expected_grads))},
        )

    small = partial(operations.layer, "chain", {"layers": cases.SMALL_NETWORK})
    for n in (1, 33, 70):
        yield f"small network, batch of {n}", partial(errors, small, (1, 6, 6), n)
        yield f"small network on ties, batch of {n}", partial(errors, small, (1, 6, 6), n, True)
        for name, layers, loss, settings in _NETWORKS:
            if settings:
                make = partial(operations.layer, "chain", {"layers": layers})
                run = partial(errors, make, (1, 6, 6), n, False, (loss, settings))
                yield f"{name}, {loss}, batch of {n}", run
    for name in names.MODELS:
        make = partial(names.model_by_name, name, 10)
        # Statistics are those of a shard: 32 examples are one.
        n = 32 if make().needs_rng else 33
        yield f"{name}, batch of {n}", partial(errors, make, _in_shape(name), n)


def _predictions() -> Iterator[tuple[str, Run]]:
    """The cheaper way through a layer, without caches, gives what `forward` gives."""

    def errors(make: Callable[[], Layer], in_shape: Shape, n: int) -> Mapping[str, float]:
        model, params = _model_and_params(make(), in_shape)
        x, _ = _batch(n, in_shape, 1)
        y, _ = call_forward(model, params, x, None)
        return reference.differences_of(
            {"y": inference.predict(model, params, x, threads=1)}, {"y": y}
        )

    for name in names.MODELS:
        yield (
            f"{name}, batch of 70",
            partial(errors, partial(names.model_by_name, name, 10), _in_shape(name), 70),
        )
    for case in (case for grid in cases.GRID.values() for case in grid if case.training):
        yield str(case), partial(errors, case.layer, case.in_shape, case.batch)


def _fits() -> Iterator[tuple[str, Run]]:
    """Epochs of `fit` are steps over batches in the order that the seed gives; the last batch
    is smaller.
    """

    def errors() -> Mapping[str, float]:
        (x, labels), _ = fcnn.data.synthetic_lines(seed=0)
        x, labels = x[:100].astype(np.float64), labels[:100]
        model, params = _model_and_params(names.model_by_name("lines_cnn", 3), x.shape[1:])
        optimizer, loss = optimizers.sgd(0.01, 0.9), operations.loss("softmax_cross_entropy")
        *_, record = training.fit(
            model, params, optimizer, (x, labels), epochs=2, batch_size=32, seed=7, loss=loss,
            threads=1,
        )  # fmt: skip
        f, state = gradients.value_and_grad(model, loss, threads=1), optimizer.init(params)
        for epoch in (1, 2):
            order = streams.generator(7, streams.ORDER, epoch).permutation(len(x))
            total = 0.0
            for begin in range(0, len(x), 32):
                batch = order[begin : begin + 32]
                value, grads = f(params, x[batch], labels[batch])
                params, state = optimizer.step(params, grads, state)
                total += len(batch) * value
        return reference.differences_of(
            {
                "mean loss": np.asarray(record.train_loss),
                **dict(tree.leaves_with_path(record.params)),
            },
            {"mean loss": np.asarray(total / len(x)), **dict(tree.leaves_with_path(params))},
        )

    yield "lines_cnn, 2 epochs of 100 images in batches of 32", errors
