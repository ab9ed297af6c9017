"""A classifier for scikit-learn, whose maths is that of fcnn: `pip install 'fcnn[sklearn]'`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import attrs
import numpy as np

from fcnn import tree
from fcnn.arguments.arrays import check_shape
from fcnn.arguments.settings import fraction, not_negative, positive, true_or_false
from fcnn.arguments.wording import kind_of
from fcnn.layers.conv2d import conv2d
from fcnn.layers.dense import dense
from fcnn.layers.dropout import dropout
from fcnn.layers.flatten import flatten
from fcnn.layers.layer import Layer
from fcnn.layers.max_pool2d import max_pool2d
from fcnn.layers.relu import relu
from fcnn.losses.loss import softmax_and_log
from fcnn.networks.chain import chain
from fcnn.networks.documents import ends_in_softmax
from fcnn.numerics.arrays import Array, Shape
from fcnn.numerics.random_streams import PARAMETERS, generator
from fcnn.optimizers.adam import adam
from fcnn.training.epochs import Epoch
from fcnn.training.fit import fit
from fcnn.training.inference import predict
from fcnn.tree import Tree

try:
    from joblib import effective_n_jobs
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        f"fcnn.sklearn needs scikit-learn 1.6 or newer ({error}); pip install 'fcnn[sklearn]'"
    ) from error

Network: TypeAlias = Layer | Callable[[int], Layer]


@attrs.frozen(eq=False)
class _Examples:
    """What is trained on or validated with: inputs (N, ...), labels 0..K-1, weights or None."""

    x: Array
    labels: Array
    weights: Array | None

    def __getitem__(self, rows: Array) -> _Examples:
        weights = None if self.weights is None else self.weights[rows]
        return _Examples(self.x[rows], self.labels[rows], weights)


class ConvNetClassifier(ClassifierMixin, BaseEstimator):
    """A convolutional network, or any other of fcnn, as a classifier of scikit-learn.

    It minimises softmax and cross-entropy by Adam. Examples are rows, as everywhere in
    scikit-learn; `image_shape` says that they are images. Inputs should be of about the size of 1,
    as `StandardScaler` makes them, or `MaxAbsScaler` of pixels. float32 is trained and predicted in
    float32, which is faster, all else in float64.

    Parameters
    ----------
    network : Layer or callable, default=None
        A network that ends in logits, as many as there are classes; or a function that makes one,
        `network(classes) -> Layer`. By default a small one: for images two convolutions and a dense
        layer, with dropout; for vectors a dense layer of 100.
    image_shape : tuple of (channels, height, width), default=None
        The shape of each example, whose pixels are in the rows as `reshape` orders them. By default
        the network sees flat vectors.
    epochs : int, default=100
        The most epochs. Training ends before if the loss, or with `early_stopping` the accuracy on
        the validation set, has not become better by `tol` for `n_iter_no_change` epochs.
    batch_size : int, default=32
        Examples of a step; all of them, if there are fewer.
    learning_rate : float, default=0.003
        Adam's.
    early_stopping : bool, default=False
        Whether part of the training set is held out for validation, and the parameters of the best
        epoch are taken.
    validation_fraction : float, default=0.1
        How much is held out, stratified by class.
    n_iter_no_change : int, default=10
        Epochs without improvement after which training goes on for one more at most.
    tol : float, default=1e-4
        What counts as an improvement.
    random_state : int, RandomState instance or None, default=None
        Decides the initial parameters, what is held out, the order of the examples, and what random
        layers draw.
    n_jobs : int, default=None
        Threads or processes that share each step; None means 1 unless in a
        `joblib.parallel_config` context, -1 all cores. The result does not depend on it.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    n_features_in_ : int
        Features seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X has names that are all strings.
    network_, params_ : Layer, tree of arrays
        The trained network, as all of fcnn takes it.
    n_iter_ : int
        Epochs that were trained.
    loss_curve_ : list of float
        The mean training loss of each.
    validation_scores_ : list of float
        The accuracy on the validation set after each, with `early_stopping`, else empty.

    Notes
    -----
    A sample weight multiplies the loss of its example. An example of weight 2 is not the same as
    two examples: they would be in different batches.

    Networks are pickled by the names, settings and children of their layers; layers of one's own
    are not (see `fcnn.exchange`), and neither is a classifier that was fitted with some.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from fcnn.sklearn import ConvNetClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X.astype("float32") / 16
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> classifier = ConvNetClassifier(image_shape=(1, 8, 8), epochs=5, random_state=0)
    >>> classifier.fit(X_train, y_train).predict(X_test[:5])
    array([2, 8, 2, 6, 6])
    >>> classifier.score(X_test, y_test) > 0.95
    True
    """

    def __init__(
        self,
        network: Network | None = None,
        image_shape: Shape | None = None,
        epochs: int = 100,
        *,
        batch_size: int = 32,
        learning_rate: float = 0.003,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.network = network
        self.image_shape = image_shape
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> ConvNetClassifier:
        """Train from new initial parameters.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The examples.
        y : array-like of shape (n_samples,)
            Their labels, of any kind.
        sample_weight : array-like of shape (n_samples,), default=None
            What each example's loss is multiplied by: at least 0, and not all 0.

        Returns
        -------
        self : ConvNetClassifier
            This classifier, fitted.
        """
        self._check_settings()
        X, y = self._validated(X, y, reset=True)
        random = check_random_state(self.random_state)
        params = self._begin(X, np.unique(y), random)
        train = self._examples(X, y, sample_weight)
        held_out = None
        if self.early_stopping:
            train, held_out = self._split(train, random)
        self._keep_best(self._records(train, params, epochs=self.epochs), held_out)
        return self

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> ConvNetClassifier:
        """Train for one more epoch, on examples that may be others each time.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The examples.
        y : array-like of shape (n_samples,)
            Their labels, not all of which need be there.
        classes : array-like of shape (n_classes,), default=None
            All labels that there will be. Needed in the first call, of a classifier that is not
            fitted.
        sample_weight : array-like of shape (n_samples,), default=None
            As for `fit`.

        Returns
        -------
        self : ConvNetClassifier
            This classifier, trained on.
        """
        self._check_settings()
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        is_first = not self.__sklearn_is_fitted__()
        if is_first and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        known = self.classes_ if classes is None else np.unique(classes)
        if not is_first and not np.array_equal(known, self.classes_):
            raise ValueError(
                f"partial_fit: classes are {known}, but in an earlier call {self.classes_}"
            )
        X, y = self._validated(X, y, reset=is_first)
        others = np.setdiff1d(y, known)
        if others.size:
            raise ValueError(f"partial_fit: y has {others}, the classes are {known}")
        if is_first:
            params = self._begin(X, known, check_random_state(self.random_state))
        else:
            params = self.params_
        train, start = self._examples(X, y, sample_weight), self._record
        epochs = 1 if start is None else start.epoch + 1
        for record in self._records(train, params, epochs=epochs, start=start):
            self._note(record)
            self._keep(record)
        return self

    def predict(self, X: Any) -> Array:
        """The most probable label of each example.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The examples.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            The labels.
        """
        logits = self._logits(X)
        labels: Array = self.classes_[logits.argmax(1)]
        return labels

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The examples.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            Columns are in the order of `classes_`.
        """
        return softmax_and_log(self._logits(X))[0]

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithm of the probability of each class, finite even where that is 0.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The examples.

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
            Columns are in the order of `classes_`.
        """
        _, log_total, z = softmax_and_log(self._logits(X))
        return z - log_total

    def __sklearn_is_fitted__(self) -> bool:
        return getattr(self, "_record", None) is not None

    def _check_settings(self) -> None:
        name = type(self).__name__
        for setting in ("epochs", "batch_size", "n_iter_no_change"):
            positive(name, setting, getattr(self, setting))
        not_negative(name, "tol", self.tol)
        true_or_false(name, "early_stopping", self.early_stopping)
        fraction(name, "validation_fraction", self.validation_fraction)
        if not (self.network is None or callable(self.network) or isinstance(self.network, Layer)):
            raise TypeError(
                f"{name}: network is {kind_of(self.network)}, expected a Layer, or a function "
                "that makes one for a number of classes"
            )

    def _validated(self, X: Any, y: Any, *, reset: bool) -> tuple[Array, Array]:
        dtype = [np.float64, np.float32] if reset else self._dtype
        X, y = validate_data(self, X, y, dtype=dtype, reset=reset)
        check_classification_targets(y)
        return X, y

    def _begin(self, X: Array, classes: Array, random: np.random.RandomState) -> Tree:
        """Initial parameters of a new network for these examples and classes."""
        name, K, features = type(self).__name__, len(classes), X.shape[1]
        in_shape: Shape = (features,)
        if self.image_shape is not None:
            in_shape = check_shape(name, self.image_shape, "image_shape")
        if math.prod(in_shape) != features:
            raise ValueError(f"{name}: image_shape is {in_shape}, but X has {features} features")
        given = _default_network(in_shape) if self.network is None else self.network
        network = given if isinstance(given, Layer) else given(K)
        if not isinstance(network, Layer):
            raise TypeError(f"{name}: network made {kind_of(network)}, expected a Layer")
        if ends_in_softmax(network):
            raise ValueError(
                f"{name}: network ends in softmax, expected logits, of which it takes the softmax: "
                "leave it out"
            )
        seed = int(random.randint(np.iinfo(np.int32).max))
        params, out_shape = network.init(generator(seed, PARAMETERS), in_shape)
        if out_shape != (K,):
            raise ValueError(
                f"{name}: network gives outputs of shape {out_shape}, expected ({K},), a logit for "
                "each class"
            )
        self._record: Epoch | None = None  # it is not fitted until the first epoch is over
        self.classes_, self.network_ = classes, network
        self._in_shape, self._dtype, self._seed = in_shape, X.dtype, seed
        self.loss_curve_: list[float] = []
        self.validation_scores_: list[float] = []
        return tree.map(lambda leaf: leaf.astype(X.dtype), params)

    def _examples(self, X: Array, y: Array, sample_weight: Any) -> _Examples:
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, X, dtype=np.float64)
        x = X.reshape(-1, *self._in_shape)  # (N, C*H*W) -> (N, C, H, W)
        return _Examples(x, np.searchsorted(self.classes_, y), weights)

    def _split(
        self, examples: _Examples, random: np.random.RandomState
    ) -> tuple[_Examples, _Examples]:
        """What is left to train on, and what is held out."""
        train, held_out = train_test_split(
            np.arange(len(examples.labels)),
            test_size=self.validation_fraction,
            stratify=examples.labels,
            random_state=random,
        )
        if len(held_out) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                "your dataset."
            )
        if examples.weights is not None and not examples.weights[held_out].any():
            raise ValueError("The sample weights of the validation set are all 0.")
        return examples[train], examples[held_out]

    def _records(
        self, train: _Examples, params: Tree, *, epochs: int, start: Epoch | None = None
    ) -> Iterator[Epoch]:
        return fit(
            self.network_,
            params,
            adam(self.learning_rate),
            (train.x, train.labels),
            epochs=epochs,
            batch_size=min(self.batch_size, len(train.labels)),
            seed=self._seed,
            threads=effective_n_jobs(self.n_jobs),
            start=start,
            weights=train.weights,
        )

    def _keep_best(self, records: Iterator[Epoch], held_out: _Examples | None) -> None:
        """The best record by what is held out, the last one without; until none gets better."""
        best, waited = -math.inf, 0
        for record in records:
            self._note(record)
            if held_out is None:
                figure = -record.train_loss
            else:
                figure = self._accuracy(record.params, held_out)
                self.validation_scores_.append(figure)
            waited = waited + 1 if figure < best + self.tol else 0
            if figure > best or held_out is None:
                self._keep(record)
            best = max(best, figure)
            if waited > self.n_iter_no_change:
                break

    def _note(self, record: Epoch) -> None:
        self.loss_curve_.append(record.train_loss)
        self.n_iter_ = len(self.loss_curve_)

    def _keep(self, record: Epoch) -> None:
        self._record, self.params_ = record, record.params

    def _accuracy(self, params: Tree, examples: _Examples) -> float:
        found = self._outputs(params, examples.x).argmax(1)
        return float(np.average(found == examples.labels, weights=examples.weights))

    def _logits(self, X: Any) -> Array:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=self._dtype, reset=False)
        return self._outputs(self.params_, X.reshape(-1, *self._in_shape))

    def _outputs(self, params: Tree, x: Array) -> Array:
        return predict(self.network_, params, x, threads=effective_n_jobs(self.n_jobs))


def _default_network(in_shape: Shape) -> Callable[[int], Layer]:
    """A small network for images (C, H, W), or for vectors (D,)."""
    if len(in_shape) == 1:
        return lambda classes: chain(dense(100), relu, dense(classes))
    halved = [] if min(in_shape[1:]) < 2 else [max_pool2d(2)]
    return lambda classes: chain(
        conv2d(16, 3, padding=1), relu, conv2d(32, 3, padding=1), relu, *halved,
        flatten, dropout(0.25), dense(100), relu, dropout(0.5), dense(classes),
    )  # fmt: skip
