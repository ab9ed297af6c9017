"""The values that PyTorch computed: an independent oracle, without PyTorch.

Also a test of the test: each classic mistake, made here on purpose, must be noticed.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fcnn
from fcnn import (
    activations,
    convolution,
    fully_connected,
    losses,
    pooling,
    reference,
    reshaping,
    tree,
)

CASES = reference.reference_cases()


def noticed():
    """The operations of the cases that do not hold."""
    wrong = [case for case in CASES if reference.worst_error(case) > reference.TOLERANCE]
    return {case.operation for case in wrong}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fcnn_computes_what_torch_computes(case):
    assert reference.worst_error(case) <= reference.TOLERANCE == 1e-12


def test_every_operation_and_loss_has_cases():
    public = {name.removesuffix("_forward") for name in fcnn.__all__ if name.endswith("_forward")}
    assert {case.operation for case in CASES} == public | {"value_and_grad", "sgd"}
    assert len({case.name for case in CASES}) == len(CASES)


def test_cases_hold_what_their_operations_have_to_give():
    images = {"y", "dx"}
    names = {
        "conv2d": images | {"dw", "db"},
        "dense": images | {"dw", "db"},
        "cross_entropy": {"loss", "doutputs"},
        "softmax_cross_entropy": {"loss", "doutputs"},
    }
    for case in CASES:
        if case.operation not in ("value_and_grad", "sgd"):
            assert set(case.expected) == names.get(case.operation, images), case.name


def test_arrays_are_read_only_float64_and_labels_integers():
    for case in CASES:
        for name, array in (*case.inputs.items(), *case.expected.items()):
            assert array.dtype == (np.int64 if name == "labels" else np.float64)
            assert not array.flags.writeable
            assert array.size


def test_there_are_ties_to_break_and_zeros_to_decide():
    pools = [case for case in CASES if case.operation == "max_pool2d"]
    relus = [case for case in CASES if case.operation == "relu"]
    assert sum(len(np.unique(case.inputs["x"])) <= 3 for case in pools) >= 10
    assert any((case.inputs["x"] == 0).any() for case in relus)


def test_the_file_is_small():
    assert (Path(fcnn.__file__).parent / reference.FILE_NAME).stat().st_size < 150_000


def test_import_reads_nothing_and_reading_needs_no_torch():
    program = (
        "import sys, numpy; load, numpy.load = numpy.load, None; import fcnn.reference;"
        "numpy.load = load; assert fcnn.reference.reference_cases();"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def change_backward(module, name, change):
    """Replace a backward function by one whose result is changed."""
    right = getattr(module, name)
    return module, name, lambda *args: change(*args, right(*args))


def change_parameters(module, name, change):
    def changed(cache, dy, gradients):
        dparams, dx = gradients
        return change(dparams), dx

    return change_backward(module, name, changed)


def _pooling_to_all_ties():
    right = pooling.max_pool2d_forward

    def forward(x, *, window=2, stride=None, padding=0):
        y, _ = right(x, window=window, stride=stride, padding=padding)
        return y, (x, y, window, stride or window, padding)

    def backward(cache, dy):
        x, y, *sizes = cache
        (KH, KW), (SH, SW), (PH, PW) = (
            (size, size) if isinstance(size, int) else size for size in sizes
        )
        dx = np.zeros_like(x)
        for n, c, i, j in np.ndindex(*dy.shape):
            for row in range(max(0, i * SH - PH), min(x.shape[2], i * SH - PH + KH)):
                for column in range(max(0, j * SW - PW), min(x.shape[3], j * SW - PW + KW)):
                    won = x[n, c, row, column] == y[n, c, i, j]
                    dx[n, c, row, column] += won * dy[n, c, i, j]
        return dx

    return [
        (pooling, "max_pool2d_forward", forward),
        (pooling, "max_pool2d_backward", backward),
    ]


def _flipped_kernel():
    right = convolution.conv2d_forward

    def flipped(params, x, **settings):
        turned = convolution.Conv2dParams(w=params.w[..., ::-1, ::-1], b=params.b)
        return right(turned, x, **settings)

    return convolution, "conv2d_forward", flipped


MISTAKES = {
    "a bias gradient counted twice": (
        [change_parameters(
            convolution, "conv2d_backward",
            lambda d: convolution.Conv2dParams(w=d.w, b=2 * d.b),
        )],
        {"conv2d"},
    ),
    "a bias gradient forgotten": (
        [change_parameters(
            fully_connected, "dense_backward",
            lambda d: fully_connected.DenseParams(w=d.w, b=0 * d.b),
        )],
        {"dense", "value_and_grad", "sgd"},
    ),
    "a convolution with the kernel flipped": ([_flipped_kernel()], {"conv2d", "value_and_grad"}),
    "a kernel gradient flipped": (
        [change_parameters(
            convolution, "conv2d_backward",
            lambda d: convolution.Conv2dParams(w=d.w[..., ::-1, ::-1], b=d.b),
        )],
        {"conv2d", "value_and_grad", "sgd"},
    ),
    "the gradient of a pool to all ties": (_pooling_to_all_ties(), {"max_pool2d"}),
    "the softmax derivative inside the loss as well": (
        [change_backward(
            losses, "cross_entropy_backward",
            lambda cache, dp: activations.softmax_backward(cache.probabilities, dp),
        )],
        {"cross_entropy", "value_and_grad"},
    ),
    "a loss by the logits before a softmax layer": (
        [change_backward(
            losses, "cross_entropy_backward",
            lambda cache, _: losses.softmax_cross_entropy_backward(
                losses.SoftmaxCrossEntropyCache(*cache)
            ),
        )],
        {"cross_entropy", "value_and_grad"},
    ),
    "the diagonal of the softmax Jacobian alone": (
        [(activations, "softmax_backward", lambda p, dy: dy * p * (1 - p))],
        {"softmax", "value_and_grad"},
    ),
    "relu that passes the gradient at zero": (
        [(activations, "relu_forward", lambda x: (
            np.maximum(x, 0), activations.ReluCache(x >= 0, x.dtype)
        ))],
        {"relu"},
    ),
    "a loss that sums over the batch": (
        [change_backward(
            losses, "softmax_cross_entropy_backward",
            lambda cache, d: len(cache.labels) * d,
        )],
        {"softmax_cross_entropy", "value_and_grad", "sgd"},
    ),
    "features flattened in memory order": (
        [(
            reshaping, "flatten_forward",
            lambda x: (
                x.transpose(0, 2, 3, 1).reshape(len(x), -1),
                reshaping.FlattenCache(x.shape, x.dtype),
            ),
        )],
        {"flatten"},
    ),
    "results that are not numbers": (
        [change_backward(activations, "relu_backward", lambda cache, dy, dx: dx * np.nan)],
        {"relu", "value_and_grad", "sgd"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_classic_mistake_is_noticed(mistake, monkeypatch):
    replacements, where = MISTAKES[mistake]
    for replacement in replacements:
        monkeypatch.setattr(*replacement)
    assert noticed() >= where


def test_momentum_that_is_forgotten_or_dampened_is_noticed(monkeypatch):
    right = fcnn.optimizers.sgd

    def dampened(learning_rate, momentum=0.0):
        return right(learning_rate * (1 - momentum), momentum)

    for wrong in (lambda learning_rate, momentum=0.0: right(learning_rate), dampened):
        monkeypatch.setattr(fcnn.optimizers, "sgd", wrong)
        assert noticed() == {"sgd"}


def test_a_missing_array_or_one_of_another_form_is_the_greatest_error(monkeypatch):
    case = next(case for case in CASES if case.operation == "relu")
    right = reference.compute(case)
    for wrong in (
        {"y": right["y"]},
        tree.map(lambda a: a[None], right),
        tree.map(lambda a: a.astype(np.float32), right),
        tree.map(lambda a: a * np.nan, right),
    ):
        monkeypatch.setattr(reference, "compute", lambda case, wrong=wrong: wrong)
        assert reference.worst_error(case) == np.inf
