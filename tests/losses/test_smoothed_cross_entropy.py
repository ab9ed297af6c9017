"""Label smoothing and class weights: the definition, the limits, and shards that weigh."""

import numpy as np
import pytest

import fcnn
from fcnn import check, tree

LOGITS = np.random.default_rng(0).standard_normal((7, 4))
LABELS = np.array([0, 1, 2, 3, 3, 3, 1])
WEIGHTS = [0.5, 2.0, 0.0, 1.25]


def by_definition(logits, labels, smoothing, weights):
    total = weight = 0.0
    for z, label in zip(logits, labels, strict=True):
        losses = [np.log(sum(np.exp(z))) - z[k] for k in range(len(z))]
        total += (1 - smoothing) * weights[label] * losses[label]
        total += sum(smoothing / len(z) * weights[k] * losses[k] for k in range(len(z)))
        weight += weights[label]
    return total / weight


@pytest.mark.parametrize("smoothing", [0, 0.1, 1])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_it_is_its_definition_and_its_gradient_is_exact(smoothing, weights):
    loss = fcnn.smoothed_cross_entropy(label_smoothing=smoothing, class_weights=weights)
    value, _ = loss.forward(LOGITS, LABELS)
    expected = by_definition(LOGITS, LABELS, smoothing, [1] * 4 if weights is None else weights)
    assert value == pytest.approx(expected, rel=1e-12)
    assert check.loss(loss, LOGITS, LABELS).worst < 1e-6
    assert loss.weight(LABELS) == (7 if weights is None else np.take(weights, LABELS).sum())


def test_without_smoothing_and_weights_it_is_softmax_cross_entropy():
    plain, smoothed = fcnn.softmax_cross_entropy, fcnn.smoothed_cross_entropy()
    for dtype in (np.float32, np.float64):
        logits = LOGITS.astype(dtype)
        values, gradients = [], []
        for loss in (plain, smoothed):
            value, cache = loss.forward(logits, LABELS)
            values.append(value)
            gradients.append(loss.backward(cache))
            assert gradients[-1].dtype == dtype
        assert values[0] == pytest.approx(values[1], rel=1e-6)
        assert np.allclose(*gradients, atol=1e-7)


def test_extreme_logits_give_no_nan():
    logits = np.array([[3e38, -3e38, 0.0, 0.0], [0, 0, 0, 0]], np.float32)
    loss = fcnn.smoothed_cross_entropy(class_weights=[1, 0, 1, 1])
    value, cache = loss.forward(logits, np.array([0, 0]))
    assert np.isfinite(value)
    assert np.isfinite(loss.backward(cache)).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_shards_are_averaged_by_what_they_weigh(threads):
    rng = np.random.default_rng(1)
    model = fcnn.dense(4)
    params, _ = model.init(rng, (3,))
    params = tree.map(lambda a: a.astype(float), params)
    x, labels = rng.standard_normal((90, 3)), np.sort(rng.integers(0, 4, 90))
    loss = fcnn.smoothed_cross_entropy(label_smoothing=0.1, class_weights=[3, 1, 1, 0.5])
    whole = fcnn.value_and_grad(model, loss, shard=90)(params, x, labels)
    cut = fcnn.value_and_grad(model, loss, shard=20, threads=threads)(params, x, labels)
    assert tree.allclose(whole, cut, rtol=1e-12, atol=1e-14)


def test_smoothing_counts_in_a_shard_that_weighs_nothing():
    model = fcnn.chain(fcnn.dense(4))
    params, _ = model.init(np.random.default_rng(0), (5,))
    params = tree.map(lambda a: a.astype(np.float64), params)
    x, labels = (
        np.random.default_rng(1).standard_normal((64, 5)),
        np.repeat([0, 1, 2], [32, 12, 20]),
    )
    loss = fcnn.smoothed_cross_entropy(label_smoothing=0.1, class_weights=[0, 1, 1, 2])
    whole = fcnn.value_and_grad(model, loss, shard=64)(params, x, labels)
    parts = fcnn.value_and_grad(model, loss, shard=32)(params, x, labels)
    assert parts[0] == pytest.approx(whole[0], rel=1e-12)
    assert tree.allclose(parts[1], whole[1], rtol=1e-10, atol=1e-12)


def test_class_weights_may_be_a_list():
    listed = fcnn.smoothed_cross_entropy_forward(LOGITS, LABELS, class_weights=[3, 1, 1, 0.5])[0]
    array = np.array([3, 1, 1, 0.5])
    assert listed == fcnn.smoothed_cross_entropy_forward(LOGITS, LABELS, class_weights=array)[0]


def test_examples_that_weigh_nothing_train_nothing():
    loss = fcnn.smoothed_cross_entropy(class_weights=[1, 1, 0, 0])
    _, cache = loss.forward(LOGITS[:3], np.array([0, 2, 3]))
    assert not loss.backward(cache)[1:].any()
    value, cache = loss.forward(LOGITS[:2], np.array([2, 3]))
    assert value == 0
    assert not loss.backward(cache).any()
    model = fcnn.chain(fcnn.dense(4))
    params, _ = model.init(np.random.default_rng(0), (4,))
    f = fcnn.value_and_grad(model, loss, shard=2)
    x = LOGITS[:4].astype(np.float32)
    value, grads = f(params, x, np.array([0, 1, 2, 3]))  # the second shard weighs nothing
    assert tree.allclose((value, grads), f(params, x[:2], np.array([0, 1])), rtol=1e-6)
    with pytest.raises(ValueError, match=r"the examples weigh 0\.0 in all"):
        f(params, x, np.array([2, 3, 2, 3]))


@pytest.mark.parametrize("size", [1e-60, 1e-300, 1e60])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_size_of_all_weights_together_does_not_matter(size, smoothing):
    logits, weights = LOGITS.astype(np.float32), np.array([0.5, 2, 0.25, 1])
    settings = {"label_smoothing": smoothing}
    expected, cache = fcnn.smoothed_cross_entropy_forward(
        logits, LABELS, class_weights=weights, **settings
    )
    value, small_cache = fcnn.smoothed_cross_entropy_forward(
        logits, LABELS, class_weights=size * weights, **settings
    )
    assert value == pytest.approx(expected, rel=1e-6)
    dlogits, small = map(fcnn.smoothed_cross_entropy_backward, (cache, small_cache))
    assert small.dtype == np.float32
    assert np.allclose(small, dlogits, rtol=1e-5, atol=1e-8)


def test_a_shard_that_weighs_nothing_beside_one_that_weighs_next_to_nothing():
    model = fcnn.chain(fcnn.dense(4))
    params, _ = model.init(np.random.default_rng(0), (4,))
    x = LOGITS[:4].astype(np.float32)
    loss = fcnn.smoothed_cross_entropy(class_weights=[1e-60, 1e-60, 0, 0])
    f = fcnn.value_and_grad(model, loss, shard=2)
    found = f(params, x, np.array([0, 1, 2, 3]))
    assert found[0] > 0.1
    assert tree.allclose(found, f(params, x[:2], np.array([0, 1])), rtol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_fit_takes_no_step_for_a_batch_that_weighs_nothing(smoothing):
    rng = np.random.default_rng(1)
    x, labels = rng.standard_normal((40, 4)).astype(np.float32), np.repeat([0, 1], [36, 4])
    model = fcnn.chain(fcnn.dense(3))
    params, _ = model.init(rng, (4,))
    loss = fcnn.smoothed_cross_entropy(label_smoothing=smoothing, class_weights=[0, 2, 1])
    seen, calls = [], []

    def step(params, grads, state):  # moves nothing, so that all batches see the same network
        seen.append(grads)
        return params, state

    (record,) = fcnn.fit(
        model, params, fcnn.Optimizer(lambda params: (), step), (x, labels), epochs=1,
        batch_size=2, seed=0, loss=loss, on_batch=lambda *call: calls.append(call),
    )  # fmt: skip
    assert 2 <= len(seen) <= 4  # 20 batches, and four examples that weigh something
    assert all(grads[0].w.any() for grads in seen)
    assert calls == [(i, 20) for i in range(1, 21)]
    outputs = fcnn.predict(model, params, x)
    assert record.train_accuracy == (outputs.argmax(1) == labels).mean()
    if not smoothing:  # what smoothing adds of class 0 depends on who shares its batch
        expected, _ = fcnn.softmax_cross_entropy_forward(outputs[36:], labels[36:])
        assert record.train_loss == pytest.approx(expected, rel=1e-5)
    assert np.isfinite(record.train_loss)


def test_a_run_with_batches_that_weigh_nothing_resumes_bit_for_bit():
    rng = np.random.default_rng(1)
    train = rng.standard_normal((40, 4)).astype(np.float32), np.repeat([0, 1, 2], [30, 5, 5])
    model = fcnn.chain(fcnn.dropout(0.5), fcnn.dense(3))
    params, _ = model.init(rng, (4,))
    loss = fcnn.smoothed_cross_entropy(label_smoothing=0.1, class_weights=[0, 2, 1])
    settings = {"epochs": 3, "batch_size": 2, "seed": 0, "loss": loss}
    optimizer = fcnn.adam(0.01)
    whole = list(fcnn.fit(model, params, optimizer, train, **settings))
    rest = list(fcnn.fit(model, params, optimizer, train, start=whole[0], **settings))
    assert int(whole[0].state.steps) < 20
    assert tree.equal(rest[-1].params, whole[-1].params)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"label_smoothing": -0.1}, "label_smoothing is -0.1, expected 0 to 1"),
        ({"label_smoothing": float("nan")}, "label_smoothing is nan"),
        ({"class_weights": [1, -1]}, "a finite number of at least 0 for each class"),
        ({"class_weights": [0, 0]}, "not all 0"),
        ({"class_weights": [[1, 2]]}, "a finite number of at least 0 for each class"),
    ],
)
def test_wrong_settings(settings, text):
    with pytest.raises(ValueError, match=text):
        fcnn.smoothed_cross_entropy(**settings)


def test_wrong_calls():
    loss = fcnn.smoothed_cross_entropy(class_weights=[1, 2, 3])
    with pytest.raises(ValueError, match="3 class weights, but 4 classes"):
        loss.forward(LOGITS, np.zeros(7, int))
    with pytest.raises(ValueError, match="label 3 has no class weight, there are 3"):
        loss.weight(LABELS)
