"""fit: what is trained on, what each epoch's record says of it, and going on from one."""

import attrs
import numpy as np
import pytest

import fcnn
from fcnn import tree

TRAIN, TEST = fcnn.data.synthetic_lines(seed=0)
MODEL = fcnn.models.lines_cnn()
PARAMS, _ = MODEL.init(np.random.default_rng(0), (1, 14, 14))


def run(params=PARAMS, model=MODEL, train=TRAIN, **settings):
    settings = {"epochs": 2, "batch_size": 32, "seed": 0, "test": TEST} | settings
    return list(fcnn.fit(model, params, fcnn.sgd(0.01, momentum=0.9), train, **settings))


def test_training_learns_the_lines():
    records = run()
    assert [record.epoch for record in records] == [1, 2]
    assert records[-1].test_accuracy == 1.0
    assert records[1].train_loss < records[0].train_loss
    assert tree.structure(records[0].params) == tree.structure(PARAMS)


def test_the_same_seed_gives_the_same_bits_on_any_number_of_threads():
    first, again, threaded, other = (run(), run(), run(threads=3), run(seed=1))
    for a, b, c in zip(first, again, threaded, strict=True):
        assert tree.equal((a.params, a.state), (b.params, b.state))
        assert tree.equal((a.params, a.state), (c.params, c.state))
        assert a.train_loss == b.train_loss == c.train_loss
        assert a.test_loss == b.test_loss == c.test_loss
    assert not tree.equal(first[-1].params, other[-1].params)


def test_a_run_that_goes_on_is_the_run_that_was_never_stopped():
    whole = run(epochs=3)
    resumed = run(epochs=3, start=whole[0])
    assert [record.epoch for record in resumed] == [2, 3]
    assert tree.equal(
        [(r.params, r.state) for r in resumed], [(r.params, r.state) for r in whole[1:]]
    )


def test_a_record_of_the_last_epoch_leaves_nothing_to_do_and_that_is_said():
    last = run(epochs=2)[-1]
    text = "fit: start is of epoch 2, and epochs, those in all, is 2: nothing is left to do"
    with pytest.warns(UserWarning, match=text) as told:
        assert run(epochs=2, start=last) == []
    assert [warning.filename for warning in told] == [__file__]


def test_a_record_beyond_the_last_epoch_is_refused_with_both_numbers():
    (record,) = run(epochs=1)
    start = attrs.evolve(record, epoch=16)
    with pytest.raises(ValueError, match=r"start is of epoch 16, expected at most .* is 5"):
        fcnn.fit(
            MODEL, PARAMS, fcnn.sgd(0.01, momentum=0.9), TRAIN, epochs=5, batch_size=32, seed=0,
            start=start,
        )  # fmt: skip


def test_every_example_is_trained_on_once_an_epoch():
    seen = []

    def forward(params, x, rng=None):
        if rng is not None:
            seen.extend(x[:, 0, 0, 0].astype(int).tolist())
        return MODEL.forward(params, x)

    spy = fcnn.Layer("spy", MODEL.init, forward, MODEL.backward)
    x = np.zeros((37, 1, 14, 14), np.float32)
    x[:, 0, 0, 0] = np.arange(37)
    calls = []
    run(
        model=spy, train=(x, np.zeros(37, int)), batch_size=8, epochs=2, threads=1, test=None,
        on_batch=lambda step, steps: calls.append((step, steps)),
    )  # fmt: skip
    assert sorted(seen[:37]) == sorted(seen[37:]) == list(range(37))
    assert seen[:37] != seen[37:]
    assert calls == [(i, 5) for i in (1, 2, 3, 4, 5)] * 2


def test_losses_and_accuracies_are_means_over_the_examples_as_they_were_seen():
    x, labels = TRAIN[0][:37], TRAIN[1][:37]
    frozen = fcnn.Optimizer(init=lambda p: (), step=lambda p, g, s: (p, s))
    (record,) = fcnn.fit(
        MODEL, PARAMS, frozen, (x, labels), epochs=1, batch_size=8, seed=0, test=(x, labels)
    )
    assert record.train_loss == pytest.approx(record.test_loss, rel=1e-5)
    assert record.train_accuracy == record.test_accuracy
    loss, _ = fcnn.softmax_cross_entropy_forward(MODEL.forward(PARAMS, x)[0], labels)
    assert record.test_loss == pytest.approx(loss, rel=1e-5)


def test_a_weighted_loss_has_the_same_mean_in_training_and_test():
    w = np.array([1.0, 9.0, 0.1])
    softmax = fcnn.softmax_cross_entropy

    def forward(outputs, labels):
        values = [
            softmax.forward(outputs[i : i + 1], labels[i : i + 1])[0] for i in range(len(labels))
        ]
        return float(np.average(values, weights=w[labels])), softmax.forward(outputs, labels)[1]

    weighted = fcnn.Loss("weighted", forward, softmax.backward, lambda y: float(w[y].sum()))
    frozen = fcnn.Optimizer(init=lambda p: (), step=lambda p, g, s: (p, s))
    subset = TRAIN[0][:37], TRAIN[1][:37]
    (record,) = fcnn.fit(
        MODEL, PARAMS, frozen, subset, epochs=1, batch_size=8, seed=0, loss=weighted, test=subset
    )
    assert record.train_loss == pytest.approx(record.test_loss, rel=1e-5)


def test_a_seed_is_needed():
    for seed, error in ((None, TypeError), (-1, ValueError), (0.5, TypeError)):
        with pytest.raises(error, match="fit: seed is"):
            run(seed=seed)


def test_without_a_test_set_there_are_no_test_figures():
    (record,) = run(epochs=1, test=None)
    assert record.test_loss is None
    assert record.test_accuracy is None


def test_what_is_evaluated_has_figures_of_its_own():
    test, validation = (TEST[0][:50], TEST[1][:50]), (TEST[0][50:], TEST[1][50:])
    both = run(test=test, validation=validation)
    for record in both:
        tested = fcnn.evaluate(MODEL, record.params, *test)
        validated = fcnn.evaluate(MODEL, record.params, *validation)
        assert (record.test_loss, record.test_accuracy) == tested[:2]
        assert (record.validation_loss, record.validation_accuracy) == validated[:2]
    (alone,) = run(epochs=1, test=None, validation=validation)
    assert tree.equal(alone.params, both[0].params)
    assert alone.validation_loss == both[0].validation_loss
    assert alone.test_loss is alone.test_accuracy is None
    (tested_alone,) = run(epochs=1, test=test)
    assert tested_alone.validation_loss is tested_alone.validation_accuracy is None


def test_settings_are_checked_before_the_first_epoch():
    for wrong in ({"epochs": 0}, {"batch_size": 0}):
        with pytest.raises(ValueError, match="expected at least 1"):
            fcnn.fit(
                MODEL, PARAMS, fcnn.sgd(0.1), TRAIN,
                **({"epochs": 1, "batch_size": 1, "seed": 0} | wrong),
            )  # fmt: skip
    with pytest.raises(ValueError, match="600 inputs, but 5 labels"):
        run(train=(TRAIN[0], TRAIN[1][:5]))


def test_fit_writes_nothing_and_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = tree.map(np.copy, (PARAMS, TRAIN, TEST))
    run(epochs=1)
    assert not list(tmp_path.iterdir())
    assert tree.equal((PARAMS, TRAIN, TEST), before)


def test_the_doubled_softmax_derivative_still_learns_but_is_noticed():
    """The trap: a gradient already taken by the logits, through softmax once more."""
    doubled = fcnn.Loss(
        "doubled",
        forward=fcnn.cross_entropy_forward,
        backward=lambda cache: (
            (cache.probabilities - np.eye(3, dtype=np.float32)[cache.labels]) / len(cache.labels)
        ),
    )
    model = fcnn.chain(*MODEL.children, fcnn.softmax)
    params = (*PARAMS, ())
    records = run(model=model, params=params, loss=doubled, epochs=6)
    assert records[-1].test_accuracy > 0.9  # accuracy alone never shows why
    p, _ = fcnn.softmax_forward(np.random.default_rng(0).standard_normal((4, 3)))
    with pytest.raises(fcnn.check.GradientMismatch, match="doubled"):
        fcnn.check.loss(doubled, p, np.array([0, 1, 2, 0]))


def test_what_is_trained_on_is_augmented_shard_by_shard_and_the_bits_do_not_depend_on_threads():
    train, test = fcnn.data.synthetic_lines(seed=0)
    model = fcnn.models.linear(classes=3)
    params, _ = model.init(np.random.default_rng(0), (1, 14, 14))
    seen = []

    def noise(rng, x):
        seen.append(len(x))
        return x + rng.standard_normal(x.shape, np.float32)

    runs = {}
    for threads, augment in [(1, noise), (2, noise), (1, None)]:
        records = fcnn.fit(
            model, params, fcnn.sgd(0.01), train, epochs=2, batch_size=100, seed=0, test=test,
            threads=threads, augment=augment,
        )  # fmt: skip
        runs[threads, augment] = [record.params for record in records]
    assert tree.equal(runs[1, noise], runs[2, noise])
    assert not tree.equal(runs[1, noise], runs[1, None])
    assert set(seen) == {25}  # the shards of 100, and never the test set


def test_a_step_that_went_wrong_is_replayed_with_what_was_augmented():
    train, _ = fcnn.data.synthetic_lines(seed=0)
    model = fcnn.models.linear(classes=3)
    params, _ = model.init(np.random.default_rng(0), (1, 14, 14))

    def spoil(rng, x):
        return x * np.float32(np.nan if rng.random() < 0.1 else 1)

    with pytest.raises(fcnn.NotFiniteError, match="first not finite: the inputs"):
        list(
            fcnn.fit(
                model, params, fcnn.sgd(0.01), train, epochs=9, batch_size=100, seed=0,
                augment=spoil,
            )
        )  # fmt: skip
