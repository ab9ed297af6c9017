"""Laws of losses, tried on drawn batches."""

import numpy as np
import pytest
import strategies as some
from hypothesis import given
from hypothesis import strategies as st
from strategies import FLOAT64, copies, finite, near, scores

import fcnn
from fcnn import tree

each = pytest.mark.parametrize
each_loss = each("loss", [fcnn.cross_entropy, fcnn.softmax_cross_entropy], ids=repr)


def outputs_for(loss, logits):
    return fcnn.softmax_forward(logits)[0] if loss is fcnn.cross_entropy else logits


@given(scores())
def test_the_fused_loss_is_softmax_and_cross_entropy(drawn):
    logits, labels = drawn
    p, softmax_cache = fcnn.softmax_forward(logits)
    value, cache = fcnn.cross_entropy_forward(p, labels)
    dlogits = fcnn.softmax_backward(softmax_cache, fcnn.cross_entropy_backward(cache))
    fused, fused_cache = fcnn.softmax_cross_entropy_forward(logits, labels)
    assert value == pytest.approx(fused, rel=1e-5 if logits.dtype == np.float32 else 1e-13)
    assert near(dlogits, fcnn.softmax_cross_entropy_backward(fused_cache))


@given(scores(dtypes=FLOAT64))
def test_losses_are_what_their_definitions_say(drawn):
    logits, labels = drawn
    p = [np.exp(row[label]) / np.exp(row).sum() for row, label in zip(logits, labels, strict=True)]
    for loss in (fcnn.cross_entropy, fcnn.softmax_cross_entropy):
        value, _ = loss.forward(outputs_for(loss, logits), labels)
        assert type(value) is float
        assert value == pytest.approx(-np.mean(np.log(p)), rel=1e-12, abs=1e-14)


@each_loss
@given(drawn=scores(), random=st.randoms())
def test_a_loss_knows_no_order_of_the_batch_or_of_the_classes(loss, drawn, random):
    logits, labels = drawn
    N, K = logits.shape
    rows, classes = random.sample(range(N), N), random.sample(range(K), K)
    outputs = outputs_for(loss, logits)
    value, cache = loss.forward(outputs, labels)
    moved = outputs[rows][:, classes]
    moved_value, moved_cache = loss.forward(moved, np.argsort(classes)[labels[rows]])
    assert moved_value == pytest.approx(value, rel=1e-5 if logits.dtype == np.float32 else 1e-13)
    assert near(loss.backward(moved_cache), loss.backward(cache)[rows][:, classes])


@each_loss
@given(drawn=scores())
def test_a_loss_is_the_mean_of_those_of_its_examples(loss, drawn):
    logits, labels = drawn
    outputs = outputs_for(loss, logits)
    value, cache = loss.forward(outputs, labels)
    gradient, N = loss.backward(cache), len(labels)
    values = []
    for n in range(N):
        own, own_cache = loss.forward(outputs[n : n + 1], labels[n : n + 1])
        values.append(own)
        assert near(loss.backward(own_cache) / N, gradient[n : n + 1])
    assert value == pytest.approx(np.mean(values), rel=1e-6, abs=1e-7)


@each(
    "loss",
    [
        fcnn.cross_entropy,
        fcnn.softmax_cross_entropy,
        fcnn.smoothed_cross_entropy(label_smoothing=0.1),
        "class weights",
        fcnn.mean_squared_error,
    ],
    ids=str,
)
@given(data=st.data())
def test_what_each_example_adds_is_its_loss_alone_times_its_weight(loss, data):
    logits, labels = data.draw(scores())
    if loss == "class weights":
        weights = np.arange(logits.shape[1]) * 0.7  # one of them 0
        loss = fcnn.smoothed_cross_entropy(label_smoothing=0.1, class_weights=weights + 0.1)
    outputs, targets = outputs_for(loss, logits), labels
    if loss is fcnn.mean_squared_error:
        targets = data.draw(scores(dtypes=st.just(logits.dtype.type)))[0]
        targets = np.resize(targets, outputs.shape)
    before = copies((outputs, targets))
    found = loss.each(outputs, targets)
    assert tree.equal((outputs, targets), before)
    assert found.shape == (len(labels),)
    tolerance = {"rel": 1e-5, "abs": 1e-6} if logits.dtype == np.float32 else {"rel": 1e-12}
    total = loss.weight(targets) or 1.0
    assert found.sum(dtype=np.float64) / total == pytest.approx(
        loss.forward(outputs, targets)[0], **tolerance
    )
    for n, own in enumerate(found):
        weight = loss.weight(targets[[n]]) or 1.0
        alone, _ = loss.forward(outputs[[n]], targets[[n]])
        assert own == pytest.approx(weight * alone, **tolerance)


@each_loss
@given(drawn=scores())
def test_a_loss_writes_to_nothing_and_its_cache_serves_twice(loss, drawn):
    logits, labels = drawn
    outputs = outputs_for(loss, logits)
    before = copies((outputs, labels))
    _, cache = loss.forward(outputs, labels)
    kept = copies(cache)
    first, second = loss.backward(cache), loss.backward(cache)
    assert tree.equal((outputs, labels), before)
    assert tree.equal(cache, kept)
    assert tree.equal(first, second)
    assert not np.shares_memory(first, second)
    assert first.dtype == outputs.dtype
    assert first.shape == outputs.shape


@each_loss
@given(drawn=scores())
def test_gradients_of_losses_are_derivatives(loss, drawn):
    logits, labels = drawn
    outputs = outputs_for(loss, np.asarray(logits, np.float64))
    assert fcnn.check.loss(loss, outputs, labels).worst < 1e-6


@given(scores(), st.integers(-50, 50))
def test_the_fused_loss_sees_differences_of_logits_alone(drawn, constant):
    logits, labels = drawn
    value, cache = fcnn.softmax_cross_entropy_forward(logits, labels)
    shifted, _ = fcnn.softmax_cross_entropy_forward(logits + constant, labels)
    tolerance = 1e-4 if logits.dtype == np.float32 else 1e-12
    assert shifted == pytest.approx(value, rel=tolerance, abs=tolerance)
    gradient = fcnn.softmax_cross_entropy_backward(cache)
    assert value >= 0
    assert near(gradient.sum(-1), np.zeros_like(gradient[:, 0]))


@each("numbers", [some.small, some.huge])
@given(data=st.data())
def test_losses_stay_finite_and_silent(numbers, data):
    logits, labels = data.draw(scores(numbers))
    for loss in (fcnn.cross_entropy, fcnn.softmax_cross_entropy):
        value, cache = loss.forward(outputs_for(loss, logits), labels)
        assert np.isfinite(value)
        assert finite(loss.backward(cache))


@given(scores(some.greatest))
def test_gradients_of_losses_are_finite_for_the_greatest_logits(drawn):
    logits, labels = drawn
    smoothed = fcnn.smoothed_cross_entropy(label_smoothing=0.1)
    for loss in (fcnn.softmax_cross_entropy, smoothed, fcnn.cross_entropy):
        value, cache = loss.forward(outputs_for(loss, logits), labels)
        assert not np.isnan(value)  # but infinite, if logits lie further apart than any number
        assert finite(loss.backward(cache))


@given(scores(some.small))
def test_cross_entropy_of_any_probabilities_is_finite_and_so_is_what_softmax_makes_of_it(drawn):
    outputs, labels = drawn
    p = abs(outputs)
    value, cache = fcnn.cross_entropy_forward(p, labels)
    dp = fcnn.cross_entropy_backward(cache)
    assert np.isfinite(value)
    assert finite((dp, fcnn.softmax_backward(fcnn.softmax_forward(outputs)[1], dp)))
