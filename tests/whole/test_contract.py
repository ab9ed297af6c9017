"""What tools and users outside rely on: names, signatures, and what is refused."""

import inspect
import pydoc
from collections import namedtuple
from operator import attrgetter

import attrs
import numpy as np
import pytest

import fcnn
from fcnn import tree

# Public since 0.1; a name that joins them is added here.
NAMES = [
    "BatchNormParams", "Conv2dParams", "DenseParams", "Epoch", "Evaluation", "Layer", "Loss",
    "NotFiniteError", "Optimizer", "Run", "SavedModel", "__version__", "adam", "adamw",
    "augmentation", "average", "averaged", "avg_pool2d", "avg_pool2d_backward",
    "avg_pool2d_forward", "batch_norm", "batch_norm_backward", "batch_norm_forward", "calibrate",
    "chain", "check", "clip_by_global_norm", "conv2d", "conv2d_backward", "conv2d_forward",
    "cross_entropy", "cross_entropy_backward", "cross_entropy_forward", "data", "decays_kernels",
    "dense", "dense_backward", "dense_forward", "distributed", "dropout", "dropout_backward",
    "dropout_forward", "evaluate", "exchange", "fit", "flatten", "flatten_backward",
    "flatten_forward", "gelu", "gelu_backward", "gelu_forward", "global_avg_pool",
    "global_avg_pool_backward", "global_avg_pool_forward", "glorot_uniform", "he_normal",
    "l2_penalty", "leaky_relu", "leaky_relu_backward", "leaky_relu_forward", "load_checkpoint",
    "load_model", "load_run", "masked", "max_pool2d", "max_pool2d_backward", "max_pool2d_forward",
    "mean_squared_error", "mean_squared_error_backward", "mean_squared_error_forward", "models",
    "parallel", "pictures", "predict", "relu", "relu_backward", "relu_forward", "residual",
    "save_checkpoint", "save_model", "schedules", "sgd", "sigmoid", "sigmoid_backward",
    "sigmoid_forward", "smoothed_cross_entropy", "smoothed_cross_entropy_backward",
    "smoothed_cross_entropy_forward", "softmax", "softmax_backward", "softmax_cross_entropy",
    "softmax_cross_entropy_backward", "softmax_cross_entropy_forward", "softmax_forward",
    "summary", "tanh", "tanh_backward", "tanh_forward", "tree", "value_and_grad", "with_average",
]  # fmt: skip

NAMES_OF_ROOMS = {
    "augmentation": [
        "Augmentation", "affine", "affine_warp", "compose", "elastic", "noise", "random_erasing",
        "rotation", "scale", "shear", "shift",
    ],
    "check": [
        "GradientMismatch", "Report", "function", "layer", "loss",
    ],
    "data": [
        "DataError", "DataStatus", "Dataset", "FileStatus", "Progress", "as_mnist",
        "download_mnist", "idx_folder", "image_folder", "load", "mnist", "mnist5k", "npz_file",
        "number_of_classes", "status", "synthetic_lines",
    ],
    "distributed": ["World", "mpi_world"],
    "models": [
        "deep_cnn", "deep_cnn_small", "lenet5", "linear", "lines_cnn", "mnist_cnn",
        "tiny_cnn",
    ],
    "pictures": ["activations", "confusion_matrix", "filters", "mistakes", "training_curves"],
    "schedules": [
        "Schedule", "constant", "cosine", "one_cycle", "step_decay", "warm_up",
    ],
    "tree": [
        "Structure", "Tree", "all", "allclose", "describe", "equal", "flatten", "leaves",
        "leaves_with_path", "load", "map", "map_with_path", "reduce", "register", "save",
        "structure", "unflatten",
    ],
}  # fmt: skip

SIGNATURES = {
    "Conv2dParams": lambda w, b: 0,
    "DenseParams": lambda w, b: 0,
    "Layer": lambda name, init, forward, backward: 0,
    "Loss": lambda name, forward, backward: 0,
    "Optimizer": lambda init, step: 0,
    "conv2d_forward": lambda params, x, *, stride=1, padding=0, dilation=1, groups=1: 0,
    "conv2d_backward": lambda cache, dy: 0,
    "dense_forward": lambda params, x: 0,
    "dense_backward": lambda cache, dy: 0,
    "relu_forward": lambda x: 0,
    "relu_backward": lambda cache, dy: 0,
    "max_pool2d_forward": lambda x, *, window=2, stride=None, padding=0: 0,
    "max_pool2d_backward": lambda cache, dy: 0,
    "flatten_forward": lambda x: 0,
    "flatten_backward": lambda cache, dy: 0,
    "softmax_forward": lambda x: 0,
    "softmax_backward": lambda cache, dy: 0,
    "cross_entropy_forward": lambda probabilities, labels: 0,
    "cross_entropy_backward": lambda cache: 0,
    "softmax_cross_entropy_forward": lambda logits, labels: 0,
    "softmax_cross_entropy_backward": lambda cache: 0,
    "mean_squared_error_forward": lambda outputs, targets: 0,
    "mean_squared_error_backward": lambda cache: 0,
    "avg_pool2d_forward": lambda x, *, window=2, stride=None, padding=0: 0,
    "avg_pool2d_backward": lambda cache, dy: 0,
    "global_avg_pool_forward": lambda x: 0,
    "global_avg_pool_backward": lambda cache, dy: 0,
    "leaky_relu_forward": lambda x, *, slope=0.01: 0,
    "leaky_relu_backward": lambda cache, dy: 0,
    "sigmoid_forward": lambda x: 0,
    "sigmoid_backward": lambda cache, dy: 0,
    "tanh_forward": lambda x: 0,
    "tanh_backward": lambda cache, dy: 0,
    "gelu_forward": lambda x: 0,
    "gelu_backward": lambda cache, dy: 0,
    "conv2d": lambda features, kernel=3, *, stride=1, padding=0, dilation=1, groups=1,
    bias=True: 0,
    "dense": lambda features, *, bias=True: 0,
    "avg_pool2d": lambda window=2, *, stride=None, padding=0: 0,
    "leaky_relu": lambda slope=0.01: 0,
    "residual": lambda layer: 0,
    "parallel": lambda *layers, merge="concatenate": 0,
    "max_pool2d": lambda window=2, *, stride=None, padding=0: 0,
    "chain": lambda *layers: 0,
    "masked": lambda optimizer, trained: 0,
    "sgd": lambda learning_rate, momentum=0.0: 0,
    "value_and_grad": lambda model, loss, *, threads=None, shard=32: 0,
    "save_model": lambda path, model, params, in_shape, *, labels=None: 0,
    "exchange.state_dict": lambda model, params: 0,
    "exchange.from_state_dict": lambda model, state, in_shape, *, rename={}: 0,
    "exchange.save_safetensors": lambda path, model, params, in_shape: 0,
    "exchange.load_safetensors": lambda path, model, in_shape, *, rename={}: 0,
    "summary": lambda model, in_shape: 0,
    "predict": lambda model, params, x, *, threads=None: 0,
    "fit": lambda model, params, optimizer, train, *, epochs, batch_size, seed,
    loss=fcnn.softmax_cross_entropy, test=None, threads=None, start=None: 0,
    "evaluate": lambda model, params, x, labels, *, loss=fcnn.softmax_cross_entropy,
    threads=None: 0,
}  # fmt: skip


def agree(function, expected):
    """Names, order, kinds and defaults; what was added later has a default."""
    actual = list(inspect.signature(function).parameters.values())
    promised = list(inspect.signature(expected).parameters.values())
    by_name = {parameter.name: parameter for parameter in actual}
    for parameter in promised:
        assert by_name[parameter.name].kind is parameter.kind
        assert by_name[parameter.name].default is parameter.default or (
            by_name[parameter.name].default == parameter.default
        )
    by_place = [p.name for p in promised if p.kind is not p.KEYWORD_ONLY]
    assert [parameter.name for parameter in actual[: len(by_place)]] == by_place
    later = [parameter for parameter in actual if parameter.name not in {p.name for p in promised}]
    assert all(parameter.default is not parameter.empty for parameter in later)


def test_dir_offers_the_public_names_and_nothing_else():
    assert dir(fcnn) == sorted(NAMES)
    assert sorted(fcnn.__all__) == sorted(NAMES)
    assert all(hasattr(fcnn, name) for name in NAMES)


@pytest.mark.parametrize("room", NAMES_OF_ROOMS)
def test_the_names_of_public_rooms_are_there(room):
    assert set(NAMES_OF_ROOMS[room]) <= set(dir(getattr(fcnn, room)))


def test_a_name_that_is_not_there_is_no_attribute():
    with pytest.raises(AttributeError, match="module 'fcnn' has no attribute 'conv3d'"):
        fcnn.conv3d  # noqa: B018


def test_help_begins_with_the_map_of_the_house():
    text = pydoc.plain(pydoc.render_doc(fcnn))
    assert text.index("The house, from the top down") < 200
    assert text.index("numerics    ") < text.index("PACKAGE CONTENTS")


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_those_promised(name):
    agree(attrgetter(name)(fcnn), SIGNATURES[name])


@pytest.mark.parametrize(
    "layer",
    [fcnn.conv2d(2), fcnn.dense(2), fcnn.max_pool2d(2), fcnn.relu, fcnn.flatten, fcnn.softmax,
     fcnn.avg_pool2d(2), fcnn.global_avg_pool, fcnn.leaky_relu(), fcnn.sigmoid, fcnn.tanh,
     fcnn.gelu, fcnn.chain(fcnn.relu), fcnn.residual(fcnn.relu), fcnn.parallel(fcnn.relu)],
    ids=lambda layer: layer.name,
)  # fmt: skip
def test_the_functions_of_layers_are_those_promised(layer):
    agree(layer.init, lambda rng, in_shape: 0)
    agree(layer.forward, lambda params, x, rng=None: 0)
    agree(layer.backward, lambda cache, dy: 0)


def test_the_functions_of_losses_optimizers_and_gradients_are_those_promised():
    agree(fcnn.cross_entropy.forward, lambda probabilities, labels: 0)
    agree(fcnn.softmax_cross_entropy.forward, lambda logits, labels: 0)
    for loss in (fcnn.cross_entropy, fcnn.softmax_cross_entropy):
        agree(loss.backward, lambda cache: 0)
    agree(fcnn.sgd(0.1).init, lambda params: 0)
    agree(fcnn.sgd(0.1).step, lambda params, grads, state: 0)
    f = fcnn.value_and_grad(fcnn.relu, fcnn.cross_entropy)
    agree(f, lambda params, x, labels, rng=None: 0)
    agree(tree.save, lambda path, tree: 0)
    agree(tree.load, lambda path, like: 0)
    agree(tree.unflatten, lambda structure, leaves: 0)


@pytest.mark.parametrize("kind", ["Conv2dParams", "DenseParams"])
def test_parameters_are_frozen_and_compare_by_identity(kind):
    make = getattr(fcnn, kind)
    params = make(w=np.ones(2), b=np.ones(2))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        params.w = 3
    assert params != make(w=params.w, b=params.b)
    assert len({params, params}) == 1


WIDE = [np.longdouble] if np.finfo(np.longdouble).bits > 64 else []


@pytest.mark.parametrize("dtype", [np.float16, *WIDE, np.complex64, np.int64, np.bool_, object])
def test_other_dtypes_are_refused(dtype):
    x = np.ones((1, 1, 2, 2), dtype)
    vectors = np.ones((2, 2), dtype)
    params = fcnn.Conv2dParams(w=x, b=np.ones(1, dtype))
    for call in (
        lambda: fcnn.conv2d_forward(params, x),
        lambda: fcnn.dense_forward(fcnn.DenseParams(w=vectors, b=vectors[0]), vectors),
        lambda: fcnn.max_pool2d_forward(x),
        lambda: fcnn.relu_forward(x),
        lambda: fcnn.flatten_forward(x),
        lambda: fcnn.softmax_forward(vectors),
        lambda: fcnn.cross_entropy_forward(vectors, np.array([0, 1])),
        lambda: fcnn.softmax_cross_entropy_forward(vectors, np.array([0, 1])),
    ):
        with pytest.raises(TypeError, match="expected float32 or float64"):
            call()


@pytest.mark.parametrize(
    "call",
    [
        lambda value: fcnn.conv2d(value),
        lambda value: fcnn.conv2d(2, value),
        lambda value: fcnn.conv2d(2, stride=(1, value)),
        lambda value: fcnn.conv2d(2, padding=value),
        lambda value: fcnn.conv2d(2, dilation=(value, 1)),
        lambda value: fcnn.conv2d(2, groups=value),
        lambda value: fcnn.dense(value),
        lambda value: fcnn.avg_pool2d(value),
        lambda value: fcnn.max_pool2d(value),
        lambda value: fcnn.max_pool2d(2, stride=value),
        lambda value: fcnn.value_and_grad(fcnn.relu, fcnn.cross_entropy, shard=value),
        lambda value: fcnn.value_and_grad(fcnn.relu, fcnn.cross_entropy, threads=value),
        lambda value: fcnn.predict(fcnn.relu, (), np.ones((1, 1)), threads=value),
        lambda value: fcnn.fit(
            fcnn.relu, (), fcnn.sgd(0.1), (np.ones((1, 1)), np.array([0])),
            epochs=value, batch_size=1, seed=0,
        ),
        lambda value: fcnn.fit(
            fcnn.relu, (), fcnn.sgd(0.1), (np.ones((1, 1)), np.array([0])),
            epochs=1, batch_size=value, seed=0,
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", [True, np.True_, 1.0, "1"])
def test_what_is_no_int_is_refused_as_one(call, value):
    with pytest.raises(TypeError, match="expected an int"):
        call(value)


def test_numpy_ints_are_taken_and_kept_as_ints():
    one, two = np.int64(1), np.uint8(2)
    conv = fcnn.conv2d(two, (two, one), stride=two, padding=[one, two])
    assert conv.settings == {
        "features": 2, "kernel": (2, 1), "stride": (2, 2), "padding": (1, 2),
    }  # fmt: skip
    pool = fcnn.max_pool2d(two, stride=(one, two), padding=one)
    assert pool.settings == {"window": (2, 2), "stride": (1, 2), "padding": (1, 1)}
    dense = fcnn.dense(two)
    for layer in (conv, pool, dense):
        for value in layer.settings.values():
            assert {type(n) for n in (value if isinstance(value, tuple) else (value,))} == {int}
    _, out_shape = dense.init(np.random.default_rng(0), (3,))
    assert type(out_shape[0]) is int


def test_a_type_error_in_a_chain_names_its_layer_too():
    model = fcnn.chain(fcnn.flatten, fcnn.chain(fcnn.relu, fcnn.dense(2)))
    params, _ = model.init(np.random.default_rng(0), (1, 2, 2))
    with pytest.raises(TypeError, match=r"in chain layer 1 \(dense\)\nin chain layer 1 \(chain\)"):
        model.forward(params, np.ones((3, 1, 2, 2)))
    y, cache = model.forward(params, np.ones((3, 1, 2, 2), np.float32))
    for backward in (model.backward, model.backward_params):
        with pytest.raises(TypeError, match=r"dy is float64.*\nin chain layer 1 \(dense\)"):
            backward(cache, y.astype(np.float64))
    with pytest.raises(TypeError, match=r"rng is an int.*\nin chain layer 1 \(dense\)"):
        model.init(0, (1, 2, 2))


def test_a_save_that_fails_leaves_what_was_there_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "tree.npz"
    tree.save(path, (np.ones(2),))

    def full_disk(file, **arrays):
        file.write(b"half of it")
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    for target in (path, tmp_path / "new.npz"):
        with pytest.raises(OSError, match="no space left"):
            tree.save(target, (np.zeros(2),))
    assert list(tmp_path.iterdir()) == [path]
    assert tree.load(path, (np.ones(2),))[0].tolist() == [1, 1]


def test_named_tuples_are_rebuilt_past_their_constructor():
    class Interval(namedtuple("Interval", "low high")):
        def __new__(cls, low, high):
            assert low < high
            return super().__new__(cls, low, high)

    mapped = tree.map(lambda a: -a, Interval(1, 2))
    assert isinstance(mapped, Interval)
    assert (mapped.low, mapped.high) == (-1, -2)
