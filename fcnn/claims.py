"""What fcnn claims to compute, each with its proof: what `fcnn verify` runs.

All functions are looked up when a case runs, by the names that they have in their modules
and in `fcnn`, and everything is computed in this process.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import numpy as np

import fcnn
from fcnn import (
    cases,
    check,
    gradients,
    inference,
    names,
    operations,
    optimizers,
    reference,
    streams,
    training,
    tree,
)
from fcnn.arrays import Array, Shape
from fcnn.cases import Case
from fcnn.layer import Layer, call_backward, call_forward
from fcnn.losses import Loss
from fcnn.optimizers import Optimizer
from fcnn.proof import Proof, Run
from fcnn.tree import Tree

BY_DIFFERENCES: Final = 1e-6  # what differences can tell; right gradients are far below
EXACT: Final = 1e-12  # float64 to rounding: the same numbers, by another way


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
        if name in shipped:
            found.append(by_reference(name))
    for name in ("softmax_cross_entropy", "cross_entropy"):
        found.append(Proof(name, "differences", BY_DIFFERENCES, partial(_losses, name)))
        found.append(by_reference(name))
    return [
        *found,
        Proof("softmax + cross_entropy", "softmax_cross_entropy", EXACT, _compositions),
        Proof("value_and_grad", "differences", BY_DIFFERENCES, _gradients_by_differences),
        Proof("value_and_grad", "backward", EXACT, _gradients_by_backward),
        by_reference("value_and_grad"),
        *(
            Proof(name, "differences", BY_DIFFERENCES, partial(_model, name))
            for name in names.MODELS
        ),
        Proof("predict", "forward", EXACT, _predictions),
        Proof("sgd", "its equations", EXACT, _sgd),
        by_reference("sgd"),
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
    return Layer(
        layer.name,
        layer.init,
        lambda params, x, rng=None: forward(x, **settings),
        lambda cache, dy: ((), backward(cache, dy)),
    )


def _losses(name: str) -> Iterator[tuple[str, Run]]:
    for N, K, size in cases.LOSSES:
        inputs = cases.loss_inputs(name, N, K, size)
        case = f"{K} classes, batch of {N}, outputs of size {size}"
        yield case, partial(_check_loss, operations.loss, name, inputs)
        yield f"{case}, plain functions", partial(_check_loss, _plain_loss, name, inputs)


def _check_loss(
    find: Callable[[str], Loss], name: str, inputs: Mapping[str, Array]
) -> Mapping[str, float]:
    return check.loss(
        find(name), inputs["outputs"], inputs["labels"], tolerance=BY_DIFFERENCES
    ).errors


def _plain_loss(name: str) -> Loss:
    return Loss(name, getattr(fcnn, f"{name}_forward"), getattr(fcnn, f"{name}_backward"))


def _compositions() -> Iterator[tuple[str, Run]]:
    """The softmax layer and the cross-entropy after it are the fused loss, and so are the
    gradients by the logits: the derivative of the softmax is taken once.
    """

    def errors(logits: Array, labels: Array) -> Mapping[str, float]:
        softmax, loss = operations.layer("softmax", {}), operations.loss("cross_entropy")
        fused = operations.loss("softmax_cross_entropy")
        probabilities, cache = call_forward(softmax, (), logits, None)
        value, loss_cache = loss.forward(probabilities, labels)
        _, dlogits = call_backward(softmax, cache, loss.backward(loss_cache))
        expected, fused_cache = fused.forward(logits, labels)
        return reference.differences_of(
            {"loss": np.asarray(value), "dlogits": dlogits},
            {"loss": np.asarray(expected), "dlogits": fused.backward(fused_cache)},
        )

    for N, K, size in [(1, 2, 1.0), (5, 10, 1.0), (64, 10, 3.0), (7, 4, 30.0)]:
        rng = np.random.default_rng(1)
        logits, labels = size * rng.standard_normal((N, K)), rng.integers(0, K, N)
        yield f"{K} classes, batch of {N}, logits of size {size}", partial(errors, logits, labels)


def _model(name: str) -> Iterator[tuple[str, Run]]:
    in_shape = _in_shape(name)
    for batch in (1, 3):

        def errors(batch: int = batch) -> Mapping[str, float]:
            model = names.model(name, 10)
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


# What networks end in, for the losses.
_ENDS: Final[Mapping[str, list[tuple[str, dict[str, Any]]]]] = {
    "softmax_cross_entropy": [],
    "cross_entropy": [("softmax", {})],
}


def _gradients_by_differences() -> Iterator[tuple[str, Run]]:
    in_shape = (1, 6, 6)

    def errors(loss: str, n: int) -> Mapping[str, float]:
        layers = {"layers": [*cases.SMALL_NETWORK, *_ENDS[loss]]}
        model, params = _model_and_params(operations.layer("chain", layers), in_shape)
        x, labels = _batch(n, in_shape, 4)
        f = gradients.value_and_grad(model, operations.loss(loss), threads=1)

        def forward(params: Tree) -> tuple[Array, Tree]:
            value, grads = f(params, x, labels)
            return np.asarray(value), grads

        def backward(grads: Tree, dy: Array) -> Tree:
            return tree.map(lambda g: g * dy, grads)

        return check.function(
            "value_and_grad", forward, backward, params, tolerance=BY_DIFFERENCES
        ).errors

    for loss in _ENDS:
        for n in (1, 33):  # one shard, and two that are not equal
            yield f"small network, {loss}, batch of {n}", partial(errors, loss, n)


def _gradients_by_backward() -> Iterator[tuple[str, Run]]:
    """The loss's and the model's own backward functions, on the whole batch at once: no
    shards, no network rewritten for speed.
    """

    def errors(
        make: Callable[[], Layer], in_shape: Shape, n: int, tied: bool
    ) -> Mapping[str, float]:
        model, params = _model_and_params(make(), in_shape)
        x, labels = _batch(n, in_shape, 4)
        if tied:
            x, params = np.rint(x), tree.map(lambda p: np.rint(3 * p), params)
        loss = operations.loss("softmax_cross_entropy")
        rng = drawn = None
        if model.needs_rng:  # in training, on one shard: its statistics are those of the batch
            x, labels, rng = x[:32], labels[:32], np.random.default_rng(0)
            (drawn,) = np.random.default_rng(0).spawn(1)
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
        yield f"small network, batch of {n}", partial(errors, small, (1, 6, 6), n, False)
        yield f"small network on ties, batch of {n}", partial(errors, small, (1, 6, 6), n, True)
    for name in names.MODELS:
        make = partial(names.model, name, 10)
        yield f"{name}, batch of 33", partial(errors, make, _in_shape(name), 33, False)


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
            partial(errors, partial(names.model, name, 10), _in_shape(name), 70),
        )
    for case in (case for grid in cases.GRID.values() for case in grid):
        yield str(case), partial(errors, case.layer, case.in_shape, case.batch)


def _sgd() -> Iterator[tuple[str, Run]]:
    """v <- momentum * v - rate * g and p <- p + v, written out; and steps done by hand."""

    def by_equations(
        make: Callable[..., Optimizer], rate: Callable[[int], float], momentum: float
    ) -> Mapping[str, float]:
        rng = np.random.default_rng(0)
        p = {"w": rng.standard_normal((3, 2)), "b": rng.standard_normal(2)}
        optimizer = make(rate, momentum)
        params, state = p, optimizer.init(p)
        v = {name: np.zeros_like(array) for name, array in p.items()}
        errors: dict[str, float] = {}
        for step in range(5):
            g = {name: rng.standard_normal(array.shape) for name, array in p.items()}
            params, state = optimizer.step(params, g, state)
            v = {name: momentum * v[name] - rate(step) * g[name] for name in p}
            p = {name: p[name] + v[name] for name in p}
            found = reference.differences_of(params, p)
            errors |= {f"{name} after step {step + 1}": error for name, error in found.items()}
        return errors

    def by_hand(make: Callable[..., Optimizer]) -> Mapping[str, float]:
        # v: -0.2, then -0.1 - 0.2, then -0.15 - 0.2
        optimizer, errors = make(0.1, momentum=0.5), {}
        params, state = (np.array([1.0]),), optimizer.init((np.array([1.0]),))
        for step, p in enumerate([0.8, 0.5, 0.15]):
            params, state = optimizer.step(params, (np.array([2.0]),), state)
            errors[f"p after step {step + 1}"] = reference.relative_error(params[0], np.array([p]))
        return errors

    def both(run: Callable[..., Mapping[str, float]], *settings: Any) -> Mapping[str, float]:
        """By the name in the module, and by that in the package."""
        public = {f"fcnn.sgd: {name}": e for name, e in run(fcnn.sgd, *settings).items()}
        return {**run(optimizers.sgd, *settings), **public}

    yield "three steps by hand", partial(both, by_hand)
    for momentum in (0.0, 0.5, 0.9):
        for text, rate in [
            ("rate 0.1", lambda step: 0.1),
            ("a falling rate", lambda step: 0.1 / (1 + step)),
        ]:
            yield f"{text}, momentum {momentum}", partial(both, by_equations, rate, momentum)


def _fits() -> Iterator[tuple[str, Run]]:
    """Epochs of `fit` are steps over batches in the order that the seed gives; the last batch
    is smaller.
    """

    def errors() -> Mapping[str, float]:
        (x, labels), _ = fcnn.data.synthetic_lines(seed=0)
        x, labels = x[:100].astype(np.float64), labels[:100]
        model, params = _model_and_params(names.model("lines_cnn", 3), x.shape[1:])
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
