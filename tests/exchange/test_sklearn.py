"""The classifier for scikit-learn: all of its checks, and what users expect beyond them."""

import json
import os
import pickle
import subprocess
import sys

import effort
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fcnn
from fcnn import tree
from fcnn.sklearn import ConvNetClassifier

RNG = np.random.default_rng
X = RNG(0).standard_normal((60, 16)).astype(np.float32)
Y = np.array(["cat", "dog", "eel"])[(X[:, 0] > 0) + (X[:, 1] > 0).astype(int)]


def classifier(**settings):
    return ConvNetClassifier(**{"epochs": 5, "random_state": 0} | settings)


def network(classes):
    return fcnn.chain(fcnn.conv2d(2), fcnn.batch_norm(), fcnn.relu, fcnn.flatten, HEADS[classes])


HEADS = {k: fcnn.dense(k) for k in (1, 2, 3)}

CHECKS = """
import json, sys
from sklearn.utils.estimator_checks import check_estimator
from fcnn.sklearn import ConvNetClassifier

expected = {"check_sample_weight_equivalence_on_dense_data":
            "two examples are in different batches, one of weight 2 is in one"}
given = json.loads(sys.argv[1])
found = check_estimator(
    ConvNetClassifier(**given), expected_failed_checks=expected, on_skip=None, on_fail=None
)
keys = ("check_name", "status", "exception")
print(json.dumps([[check[key] for key in keys] for check in found], default=str))
"""


@pytest.mark.heavy
def test_it_passes_the_checks_of_scikit_learn_and_none_is_skipped():
    """As it is made, and in the quick test with fewer epochs."""
    settings = json.dumps({} if effort.full else {"epochs": 25})
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CHECKS, settings],
        env=os.environ | {"SCIPY_ARRAY_API": "1"},  # or one check is skipped
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    checks = json.loads(done.stdout)
    others = [check[:2] for check in checks if check[1] != "passed"]
    assert others == [["check_sample_weight_equivalence_on_dense_data", "xfail"]], checks
    assert len(checks) >= 60


@pytest.mark.heavy
def test_it_reads_the_digits_of_scikit_learn():
    """Cross-validated in five folds, of which the quick test takes the first."""
    digits, labels = load_digits(return_X_y=True)
    folds = list(StratifiedKFold(5).split(digits, labels))
    scores = [
        ConvNetClassifier(image_shape=(1, 8, 8), random_state=0, n_jobs=-1)
        .fit(digits[train].astype(np.float32), labels[train])
        .score(digits[test], labels[test])
        for train, test in (folds if effort.full else folds[:1])
    ]
    assert np.mean(scores) >= 0.96, scores


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("settings", [{}, {"image_shape": (1, 4, 4), "network": network}])
def test_parameters_and_outputs_have_the_dtype_of_the_input(dtype, settings):
    fitted = classifier(**settings).fit(X.astype(dtype), Y)
    assert {leaf.dtype for leaf in tree.leaves(fitted.params_)} == {np.dtype(dtype)}
    for other in (np.float32, np.float64):
        assert fitted.predict_proba(X.astype(other)).dtype == dtype
        assert fitted.predict_log_proba(X.astype(other)).dtype == dtype
    assert fitted.partial_fit(X.astype(int), Y).predict_proba(X).dtype == dtype


def test_integers_are_trained_in_float64():
    fitted = classifier().fit((8 * X).astype(np.int16), Y)
    assert fitted.predict_proba(X).dtype == np.float64


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["b", "a", "cc"]),
        np.array(["b", "a", "cc"], object),
        np.array([7, -2, 30]),
        np.array([1.0, 9.0, 2.0]),
    ],
)
def test_labels_may_be_of_any_kind(labels):
    y = labels[np.unique(Y, return_inverse=True)[1]]
    fitted = classifier(epochs=60).fit(X, y)
    assert fitted.classes_.tolist() == sorted(labels)
    assert fitted.predict(X).dtype == y.dtype
    assert fitted.score(X, y) > 0.9
    assert np.array_equal(fitted.classes_[fitted.predict_proba(X).argmax(1)], fitted.predict(X))


def test_probabilities_and_their_logarithms_are_the_softmax_of_the_networks_outputs():
    fitted = classifier(image_shape=(1, 4, 4)).fit(X, Y)
    logits = fcnn.predict(fitted.network_, fitted.params_, X.reshape(-1, 1, 4, 4))
    assert np.array_equal(fitted.predict_proba(X), fcnn.softmax_forward(logits)[0])
    assert np.allclose(fitted.predict_log_proba(X), np.log(fitted.predict_proba(X)), atol=1e-5)
    certain = fitted.predict_log_proba(1e4 * X)
    assert np.isfinite(certain).all()
    assert certain.min() < -200


@pytest.mark.parametrize(
    ("rows", "columns", "labels"), [(1, 16, 1), (60, 16, 1), (60, 1, 3), (1, 1, 1), (2, 16, 2)]
)
@pytest.mark.parametrize("learn", ["fit", "partial_fit"])
def test_one_class_one_sample_and_one_feature_are_enough(rows, columns, labels, learn):
    y = np.arange(rows) % labels
    settings = {"classes": np.unique(y)} if learn == "partial_fit" else {}
    fitted = getattr(classifier(), learn)(X[:rows, :columns], y, **settings)
    assert fitted.predict_proba(X[:, :columns]).shape == (60, labels)
    assert np.allclose(fitted.predict_proba(X[:, :columns]).sum(1), 1)
    assert set(fitted.predict(X[:, :columns])) <= set(range(labels))


@pytest.mark.parametrize("shape", [None, (1, 4, 4), (16, 1, 1), (1, 1, 16), (4, 2, 2), (2, 2, 4)])
def test_the_default_network_takes_vectors_and_images_of_any_size_and_has_no_batch_norm(shape):
    fitted = classifier(image_shape=shape, epochs=1).fit(X, Y)
    assert "batch_norm" not in repr(fitted.network_)
    assert ("conv2d" in repr(fitted.network_)) == (shape is not None)


def test_calls_of_partial_fit_are_the_epochs_of_fit_bit_for_bit():
    settings = {"image_shape": (1, 4, 4), "n_iter_no_change": 9}
    whole = classifier(epochs=4, **settings).fit(X, Y)
    parts = classifier(**settings)
    for i in range(4):
        parts.partial_fit(X, Y, classes=["eel", "cat", "dog"] if i == 0 else None)
    assert tree.equal(parts.params_, whole.params_)
    assert parts.loss_curve_ == whole.loss_curve_
    assert parts.n_iter_ == whole.n_iter_ == 4
    whole.partial_fit(X, Y)
    assert tree.equal(parts.partial_fit(X, Y).params_, whole.params_)
    assert whole.n_iter_ == 5


def test_partial_fit_goes_on_where_not_all_labels_are_there():
    parts = classifier().partial_fit(X[:3], Y[:3], classes=["cat", "dog", "eel"])
    for _ in range(40):
        for rows in (np.flatnonzero(label == Y) for label in np.unique(Y)):
            parts.partial_fit(X[rows], Y[rows], classes=np.array(["dog", "eel", "cat"]))
    assert parts.predict_proba(X).shape == (60, 3)
    with pytest.raises(ValueError, match=r"y has \['yak'\], the classes are \['cat' 'dog' 'eel'\]"):
        parts.partial_fit(X[:1], ["yak"])
    with pytest.raises(ValueError, match=r"classes are \['cat' 'yak'\], but in an earlier call"):
        parts.partial_fit(X, Y, classes=["cat", "yak"])


def test_early_stopping_keeps_the_best_parameters_of_what_is_held_out():
    noise = RNG(1).permutation(Y)
    stopped = classifier(
        early_stopping=True, epochs=200, n_iter_no_change=3, validation_fraction=0.25
    ).fit(X, noise)
    scores = stopped.validation_scores_
    assert len(scores) == len(stopped.loss_curve_) < 200
    best = int(np.argmax(scores))
    assert len(scores) > best + 1
    assert all(score < max(scores) + 1e-4 for score in scores[-4:])
    again = classifier(early_stopping=True, epochs=best + 1, validation_fraction=0.25)
    assert tree.equal(again.fit(X, noise).params_, stopped.params_)
    assert stopped.n_iter_ == len(scores)


def test_training_ends_when_the_loss_gets_no_better():
    fitted = classifier(epochs=400, tol=0.05, n_iter_no_change=2).fit(X, Y)
    assert fitted.n_iter_ == len(fitted.loss_curve_) < 400
    assert fitted.validation_scores_ == []
    best = min(fitted.loss_curve_[:-3])
    assert all(loss > best - 0.15 for loss in fitted.loss_curve_[-3:])


def test_sample_weights_multiply_the_losses_of_examples():
    weights = np.where(Y == "eel", 0.0, 1.5)
    fitted = classifier(epochs=60).fit(X, Y, sample_weight=weights)
    assert "eel" not in fitted.predict(X)
    assert tree.equal(
        classifier().fit(X, Y, sample_weight=np.ones(60)).params_, classifier().fit(X, Y).params_
    )
    assert not tree.equal(
        classifier().fit(X, Y, sample_weight=weights).params_, classifier().fit(X, Y).params_
    )
    doubled = [
        classifier().partial_fit(X, Y, classes=np.unique(Y), sample_weight=weight).loss_curve_[0]
        for weight in (None, np.full(60, 2.0))
    ]
    assert doubled[1] == pytest.approx(2 * doubled[0], rel=0.1)


def test_sample_weights_count_in_what_is_held_out():
    """An example of the validation set that weighs as much as all others decides the score."""
    fitted = [
        classifier(early_stopping=True, epochs=3, validation_fraction=0.5).fit(X, Y, weights)
        for weights in (None, RNG(0).uniform(0.1, 5, 60))
    ]
    thirtieths = [np.round(30 * np.array(each.validation_scores_), 6) % 1 for each in fitted]
    assert not thirtieths[0].any()
    assert thirtieths[1].all()
    with pytest.raises(ValueError, match="sample weights of the validation set are all 0"):
        classifier(early_stopping=True).fit(X, Y, np.eye(60)[0])


def test_an_int_for_random_state_gives_the_same_bits_and_a_generator_goes_on():
    first, again, other = (classifier(random_state=seed).fit(X, Y) for seed in (1, 1, 2))
    assert tree.equal(first.params_, again.params_)
    assert not tree.equal(first.params_, other.params_)
    given = np.random.RandomState(1)
    from_it = classifier(random_state=given).fit(X, Y)
    assert tree.equal(from_it.params_, first.params_)
    assert not tree.equal(from_it.fit(X, Y).params_, first.params_)
    drawn = [classifier(random_state=None).fit(X, Y).params_ for _ in range(2)]
    assert not tree.equal(*drawn)


@pytest.mark.parametrize("jobs", [2, -1])
def test_the_bits_do_not_depend_on_the_jobs(jobs):
    settings = {"image_shape": (1, 4, 4), "batch_size": 60, "epochs": 2}
    one, many = (classifier(n_jobs=count, **settings).fit(X, Y) for count in (None, jobs))
    assert tree.equal(one.params_, many.params_)
    assert np.array_equal(one.predict_proba(X), many.predict_proba(X))


@pytest.mark.parametrize("given", [network, network(3)], ids=["a function", "a layer"])
def test_a_fitted_classifier_with_a_network_is_pickled_and_cloned(given):
    fitted = classifier(network=given, image_shape=(1, 4, 4)).fit(X, Y)
    found = pickle.loads(pickle.dumps(fitted))
    assert repr(found.network_) == repr(fitted.network_) == repr(network(3))
    assert np.array_equal(found.predict_proba(X), fitted.predict_proba(X))
    assert tree.equal(found.partial_fit(X, Y).params_, fitted.partial_fit(X, Y).params_)
    new = clone(fitted)
    assert new.network is given
    with pytest.raises(NotFittedError):
        new.predict(X)
    assert tree.equal(
        new.fit(X, Y).params_, classifier(network=given, image_shape=(1, 4, 4)).fit(X, Y).params_
    )


def test_a_layer_of_ones_own_works_but_is_not_pickled():
    gain = fcnn.Layer(
        "gain",
        lambda rng, s: ((), s),
        lambda p, x, rng=None: (2 * x, ()),
        lambda c, dy: ((), 2 * dy),
    )
    fitted = classifier(network=fcnn.chain(gain, fcnn.dense(3)), learning_rate=0.1, epochs=100).fit(
        X, Y
    )
    assert fitted.score(X, Y) > 0.9
    with pytest.raises(TypeError, match="gain is one of one's own, and is not pickled"):
        pickle.dumps(fitted)


def test_networks_are_searched_in_a_pipeline_on_two_processes():
    pipeline = make_pipeline(StandardScaler(), classifier(image_shape=(1, 4, 4), epochs=60))
    name = "convnetclassifier__"
    choices = {f"{name}network": [network(3), None], f"{name}learning_rate": [1e-6, 0.01]}
    search = GridSearchCV(pipeline, choices, cv=2, n_jobs=2, error_score="raise")
    search.fit(X, Y, **{f"{name}sample_weight": np.ones(60)})
    assert search.best_params_[f"{name}learning_rate"] == 0.01
    scores = search.cv_results_["mean_test_score"]
    assert np.array_equal(
        scores,
        GridSearchCV(pipeline, choices, cv=2, error_score="raise")
        .fit(X, Y)
        .cv_results_["mean_test_score"],
    )
    assert search.score(X, Y) > 0.9


NAME = "ConvNetClassifier: "
WRONG = [
    ({"epochs": 0}, ValueError, NAME + "epochs is 0, expected at least 1"),
    ({"epochs": 1.5}, TypeError, NAME + "epochs is 1.5, expected an int"),
    ({"batch_size": 0}, ValueError, NAME + "batch_size is 0, expected at least 1"),
    ({"learning_rate": -1}, ValueError,
     "adam: learning rate is -1.0, expected finite and at least 0"),
    ({"tol": -1}, ValueError, NAME + "tol is -1.0, expected finite and at least 0"),
    ({"n_iter_no_change": 0}, ValueError, NAME + "n_iter_no_change is 0, expected at least 1"),
    ({"early_stopping": 1}, TypeError, NAME + "early_stopping is 1, expected True or False"),
    ({"validation_fraction": 2}, ValueError, NAME + "validation_fraction is 2.0, expected 0 to 1"),
    ({"network": 3}, TypeError,
     NAME + "network is an int, expected a Layer, or a function that makes one for a number of"),
    ({"network": lambda classes: classes}, TypeError,
     NAME + "network made an int, expected a Layer"),
    ({"network": fcnn.dense(7)}, ValueError,
     NAME + "network gives outputs of shape (7,), expected (3,), a logit for each class"),
    ({"network": fcnn.chain(fcnn.dense(3), fcnn.softmax)}, ValueError,
     NAME + "network ends in softmax, expected logits, of which it takes the softmax"),
    ({"network": fcnn.conv2d(3)}, ValueError, "conv2d: "),
    ({"image_shape": (1, 5, 5)}, ValueError,
     NAME + "image_shape is (1, 5, 5), but X has 16 features"),
    ({"image_shape": 16}, TypeError, NAME + "image_shape is 16, expected a tuple of ints"),
    ({"image_shape": (-1, -4, 4)}, ValueError, "conv2d: expects images (C, H, W), got (-1, -4, 4)"),
    ({"image_shape": (4, 4)}, ValueError, "conv2d: "),
    ({"early_stopping": True, "validation_fraction": 0.01}, ValueError, "The test_size = 1 should"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "error", "text"), WRONG, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("learn", ["fit", "partial_fit"])
def test_wrong_settings_are_told_when_it_is_fitted(settings, error, text, learn):
    if learn == "partial_fit" and settings.get("early_stopping") is True:
        error, text = ValueError, "partial_fit does not support early_stopping=True"
    classes = {"classes": np.unique(Y)} if learn == "partial_fit" else {}
    wrong = classifier(**settings)
    with pytest.raises(error) as caught:
        getattr(wrong, learn)(X, Y, **classes)
    assert str(caught.value).startswith(text)
    with pytest.raises(NotFittedError):
        wrong.predict(X)


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        (np.ones(59), "sample_weight.shape"),
        (-np.ones(60), "the weight of example 0 is -1.0, expected finite and at least 0"),
        (np.full(60, np.nan), "Input sample_weight contains NaN"),
        (np.zeros(60), "[Ss]ample weight|weigh 0.0 in all"),
    ],
)
def test_wrong_sample_weights_are_refused(weights, text):
    with pytest.raises(ValueError, match=text):
        classifier().fit(X, Y, sample_weight=weights)


def test_a_refused_fit_leaves_what_was_fitted():
    fitted = classifier().fit(X, Y)
    expected = fitted.predict_proba(X)
    for wrong in ({"network": fcnn.dense(7)}, {"image_shape": (1, 5, 5)}, {"epochs": 0}):
        with pytest.raises(ValueError, match="ConvNetClassifier: "):
            fitted.set_params(**wrong).fit(X, Y[::-1])
        fitted.set_params(network=None, image_shape=None, epochs=5)
        assert np.array_equal(fitted.predict_proba(X), expected)


def test_a_fit_that_fails_when_it_has_begun_leaves_nothing_that_predicts():
    fitted = classifier().fit(X, Y)
    with pytest.raises(ValueError, match="the weight of example 0 is -1"):
        fitted.fit(X, Y[::-1], sample_weight=-np.ones(60))
    with pytest.raises(NotFittedError):
        fitted.predict(X)


def test_the_first_call_of_partial_fit_needs_the_classes():
    with pytest.raises(ValueError, match="classes must be passed on the first call to partial_fit"):
        classifier().partial_fit(X, Y)


@pytest.mark.parametrize("missing", ["sklearn", "sklearn.utils.validation"])
def test_without_scikit_learn_the_import_says_what_to_install(missing):
    program = f"import sys; sys.modules[{missing!r}] = None; import fcnn; import fcnn.sklearn"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    *_, last = done.stderr.strip().splitlines()
    assert last.startswith("ImportError: fcnn.sklearn needs scikit-learn 1.6 or newer")
    assert last.endswith("; pip install 'fcnn[sklearn]'")
