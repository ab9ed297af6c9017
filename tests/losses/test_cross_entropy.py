import numpy as np
import pytest

import fcnn

LOGITS = np.random.default_rng(0).standard_normal((5, 4)) * 3
LABELS = np.array([0, 3, 1, 1, 2])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_then_cross_entropy_is_the_fused_loss(dtype):
    logits = LOGITS.astype(dtype)
    p, softmax_cache = fcnn.softmax_forward(logits)
    loss, loss_cache = fcnn.cross_entropy_forward(p, LABELS)
    fused, fused_cache = fcnn.softmax_cross_entropy_forward(logits, LABELS)
    composed = fcnn.softmax_backward(softmax_cache, fcnn.cross_entropy_backward(loss_cache))
    tolerance = 1e-6 if dtype == np.float32 else 1e-14
    assert loss == pytest.approx(fused, rel=tolerance)
    dlogits = fcnn.softmax_cross_entropy_backward(fused_cache)
    assert np.abs(composed - dlogits).max() < tolerance
    assert composed.dtype == dlogits.dtype == dtype


def test_cross_entropy_owns_its_gradient_alone():
    p, _ = fcnn.softmax_forward(LOGITS)
    _, cache = fcnn.cross_entropy_forward(p, LABELS)
    expected = np.zeros_like(p)
    for n, label in enumerate(LABELS):
        expected[n, label] = -1 / (5 * p[n, label])
    assert np.allclose(fcnn.cross_entropy_backward(cache), expected, rtol=1e-15)


def test_gradients_of_the_losses():
    fcnn.check.loss(fcnn.softmax_cross_entropy, LOGITS, LABELS)
    fcnn.check.loss(fcnn.cross_entropy, fcnn.softmax_forward(LOGITS)[0], LABELS)


def test_a_loss_is_the_mean_over_the_batch_as_a_python_float():
    value, _ = fcnn.softmax_cross_entropy_forward(LOGITS.astype(np.float32), LABELS)
    single = [
        fcnn.softmax_cross_entropy_forward(LOGITS[n : n + 1], LABELS[n : n + 1])[0]
        for n in range(5)
    ]
    assert type(value) is float
    assert value == pytest.approx(np.mean(single), rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_nan_from_extreme_probabilities_and_logits(dtype):
    p = np.array([[0, 1], [1, 0], [1e-45, 1]], dtype)
    labels = np.array([0, 0, 0])
    loss, cache = fcnn.cross_entropy_forward(p, labels)
    dp = fcnn.cross_entropy_backward(cache)
    assert np.isfinite(loss)
    assert np.isfinite(dp).all()
    assert np.isfinite(fcnn.softmax_backward(p, dp)).all()
    huge = np.array([[1e4, -1e4], [-1e30, 1e30], [0, 0]], dtype)
    loss, cache = fcnn.softmax_cross_entropy_forward(huge, labels)
    assert np.isfinite(loss)
    assert np.isfinite(fcnn.softmax_cross_entropy_backward(cache)).all()


@pytest.mark.parametrize(
    ("labels", "error", "text"),
    [
        (np.array([0, 1, 2, 3, 4]), ValueError, r"label 4 is outside 0\.\.3"),
        (np.array([0, -1, 2, 3, 1]), ValueError, r"label -1 is outside 0\.\.3"),
        (np.array([0.0, 1, 2, 3, 1]), TypeError, "expected integer class indices"),
        (np.array([0, 1]), ValueError, r"labels have shape \(2,\), expected \(5,\)"),
        (np.eye(5, dtype=int), ValueError, r"expected \(5,\) as \(N,\)"),
        ([0, 1, 2, 3, 1], TypeError, "labels is a list, expected a NumPy array"),
    ],
)
def test_wrong_labels_are_refused(labels, error, text):
    for forward in (fcnn.cross_entropy_forward, fcnn.softmax_cross_entropy_forward):
        with pytest.raises(error, match=text):
            forward(LOGITS, labels)


def test_labels_of_any_integer_type():
    values = {
        fcnn.softmax_cross_entropy_forward(LOGITS, LABELS.astype(dtype))[0]
        for dtype in (np.uint8, np.int32, np.int64, np.uint64)
    }
    assert len(values) == 1


def test_nothing_is_written_to_and_caches_serve_again():
    logits, labels = LOGITS.copy(), LABELS.copy()
    for loss in (fcnn.softmax_cross_entropy,):
        _, cache = loss.forward(logits, labels)
        first = loss.backward(cache)
        kept = first.copy()
        second = loss.backward(cache)
        assert np.array_equal(first, kept)
        assert np.array_equal(second, kept)
    assert np.array_equal(logits, LOGITS)
