"""How fast a model trains and predicts on this machine, and how near that is to its peak."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

import attrs
import numpy as np

from fcnn.distributed.threads import available_cores, run_on_threads
from fcnn.layers.layer import Layer
from fcnn.losses.cross_entropy import softmax_cross_entropy
from fcnn.networks.summary import summarize
from fcnn.numerics.arrays import Shape
from fcnn.optimizers.sgd import sgd
from fcnn.training.batch_gradient import value_and_grad
from fcnn.training.inference import predict

_SIDE = 1024  # of the matrices whose product is the peak
_SERIES = 7


@attrs.frozen
class Rate:
    """Images per second in training and inference; and the arithmetic of each, as a fraction
    of what products of large float32 matrices reach on as many threads. None for a model
    with layers whose arithmetic is not known.
    """

    threads: int
    training: float
    inference: float
    training_of_peak: float | None
    inference_of_peak: float | None


def rates(
    model: Layer, in_shape: Shape, *, batch_size: int, threads: int | None, seconds: float
) -> Iterator[Rate]:
    """Measure with 1, 2, 4, ... threads up to the given number (None: all cores).

    Each figure is the median of seven series on random images, of about that many seconds
    in all; one step of training is a gradient and an update.
    """
    most = available_cores() if threads is None else threads
    forward, backward = operations(model, in_shape)
    for count in sorted({*(2**i for i in range(most.bit_length())), most}):
        step, infer = _work(model, in_shape, batch_size, count)
        training = batch_size / _seconds_per_call(step, seconds)
        inference = batch_size / _seconds_per_call(infer, seconds)
        peak = count * 2 * _SIDE**3 / _seconds_per_call(partial(_products, count), seconds)
        of_peak = (None, None)
        if forward is not None:
            of_peak = training * (forward + backward) / peak, inference * forward / peak
        yield Rate(count, training, inference, *of_peak)


def _work(
    model: Layer, in_shape: Shape, batch_size: int, threads: int
) -> tuple[Callable[[], None], Callable[[], None]]:
    """A training step and a prediction on random images."""
    rng = np.random.default_rng(0)
    params, out_shape = model.init(rng, in_shape)
    x = rng.random((batch_size, *in_shape), np.float32)
    labels = rng.integers(0, out_shape[-1], batch_size)
    gradient = value_and_grad(model, softmax_cross_entropy, threads=threads)
    optimizer = sgd(0.01, momentum=0.9)
    state = optimizer.init(params)

    def step() -> None:
        nonlocal params, state
        _, grads = gradient(params, x, labels, rng)
        params, state = optimizer.step(params, grads, state)

    def infer() -> None:
        predict(model, params, x, threads=threads)

    return step, infer


def operations(model: Layer, in_shape: Shape) -> tuple[int | None, int]:
    """Floating-point operations per image, forward and backward, of the products alone.

    Backward, each layer has a product for its parameters and one for its input, which the
    lowest layer is spared.
    """
    products = [row.multiply_adds for row in summarize(model, in_shape)]
    known = [count for count in products if count]
    if None in products or not known:
        return None, 0
    return 2 * sum(known), 2 * (2 * sum(known) - known[0])


def _products(count: int) -> None:
    a = np.ones((_SIDE, _SIDE), np.float32)
    run_on_threads(lambda _: a @ a, range(count), count)


def _seconds_per_call(function: Callable[[], object], seconds: float) -> float:
    def timed(calls: int) -> float:
        begun = time.perf_counter()
        for _ in range(calls):
            function()
        return (time.perf_counter() - begun) / calls

    function()
    calls = max(1, int(seconds / _SERIES / max(timed(1), 1e-6)))
    return median(timed(calls) for _ in range(_SERIES))
