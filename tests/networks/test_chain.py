import numpy as np
import pytest

import fcnn
from fcnn import tree


def test_an_error_names_the_layer_in_init_forward_and_backward():
    model = fcnn.chain(fcnn.conv2d(6, 5), fcnn.relu, fcnn.flatten, fcnn.dense(2))
    with pytest.raises(ValueError, match=r"exceeds the image 4x4 .*\nin chain layer 0 \(conv2d\)"):
        model.init(np.random.default_rng(0), (1, 4, 4))
    params, _ = model.init(np.random.default_rng(0), (1, 8, 8))
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the whole text is compared)
        model.forward(params, np.ones((8, 3, 28, 28), np.float32))
    assert str(error.value).endswith(
        "  w: (6, 1, 5, 5)   as (F, C, KH, KW)\nin chain layer 0 (conv2d)"
    )
    with pytest.raises(ValueError, match=r"expects D=96\n.*\n.*\nin chain layer 3 \(dense\)"):
        model.forward(params, np.ones((8, 1, 9, 9), np.float32))
    y, cache = model.forward(params, np.ones((2, 1, 8, 8), np.float32))
    with pytest.raises(ValueError, match=r"dy has shape .*\nin chain layer 3 \(dense\)"):
        model.backward(cache, y[:1])


def test_nested_chains_compute_what_flat_ones_do():
    flat = fcnn.chain(fcnn.conv2d(2), fcnn.relu, fcnn.flatten, fcnn.dense(3))
    nested = fcnn.chain(
        fcnn.chain(fcnn.relu, fcnn.chain()),
        fcnn.chain(fcnn.conv2d(2), fcnn.relu),
        fcnn.chain(fcnn.flatten, fcnn.dense(3)),
    )
    params, _ = flat.init(np.random.default_rng(0), (1, 5, 5))
    regrouped = (((), ()), params[:2], params[2:])
    x = np.random.default_rng(1).random((4, 1, 5, 5), np.float32)
    y, cache = flat.forward(params, x)
    nested_y, nested_cache = nested.forward(regrouped, x)
    assert np.array_equal(y, nested_y)
    grads, _ = flat.backward(cache, np.ones_like(y))
    nested_grads, _ = nested.backward(nested_cache, np.ones_like(y))
    assert tree.equal(tree.leaves(grads), tree.leaves(nested_grads))
    assert tree.equal(nested.backward_params(nested_cache, np.ones_like(y)), nested_grads)


def test_the_lowest_layer_with_parameters_does_not_pay_for_dx():
    def no_dx(cache, dy):
        raise AssertionError("dx of the lowest layer was asked for")

    conv = fcnn.conv2d(2)
    lowest = fcnn.Layer("lowest", conv.init, conv.forward, no_dx, conv.backward_params)
    model = fcnn.chain(fcnn.chain(fcnn.relu), fcnn.chain(lowest, fcnn.relu), fcnn.flatten)
    params, _ = model.init(np.random.default_rng(0), (1, 5, 5))
    y, cache = model.forward(params, np.ones((2, 1, 5, 5), np.float32))
    grads = model.backward_params(cache, np.ones_like(y))
    assert tree.structure(grads) == tree.structure(params)


def test_a_layer_of_four_fields_is_enough():
    double = fcnn.Layer(
        "double",
        init=lambda rng, in_shape: ((), in_shape),
        forward=lambda params, x, rng=None: (2 * x, ()),
        backward=lambda cache, dy: ((), 2 * dy),
    )
    model = fcnn.chain(double, fcnn.flatten, fcnn.dense(2), double)
    params, _ = model.init(np.random.default_rng(0), (1, 2, 2))
    f = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy)
    _, grads = f(params, np.ones((3, 1, 2, 2), np.float32), np.array([0, 1, 1]))
    assert tree.structure(grads) == tree.structure(params)
    assert fcnn.check.layer(model, (1, 2, 2)).worst < 1e-6


def test_the_generator_reaches_every_layer_in_training():
    seen = []

    def forward(params, x, rng=None):
        seen.append(rng)
        return x, ()

    spy = fcnn.Layer("spy", lambda rng, shape: ((), shape), forward, lambda cache, dy: ((), dy))
    model = fcnn.chain(spy, fcnn.chain(spy))
    rng = np.random.default_rng(0)
    model.forward(((), ((),)), np.ones((1, 1)), rng)
    assert seen == [rng, rng]
    model.forward(((), ((),)), np.ones((1, 1)))
    assert seen[2:] == [None, None]


def test_what_is_not_a_layer_is_refused():
    with pytest.raises(TypeError, match="layer 1 is a function, expected a Layer"):
        fcnn.chain(fcnn.relu, fcnn.conv2d)
    with pytest.raises(ValueError, match="2 layers need a tuple of as many parameters, got 1"):
        fcnn.chain(fcnn.relu, fcnn.relu).forward(((),), np.ones((1, 1)))


def test_a_chain_prints_as_it_was_written():
    model = fcnn.chain(
        fcnn.conv2d(2), fcnn.relu, fcnn.max_pool2d((3, 2), stride=2, padding=1), fcnn.flatten
    )
    assert repr(fcnn.dense(3, initializer=fcnn.glorot_uniform)) == (
        "dense(3, initializer=glorot_uniform)"
    )
    assert repr(model) == (
        "chain(conv2d(2, 3), relu, max_pool2d((3, 2), stride=2, padding=1), flatten)"
    )


@pytest.mark.parametrize(
    ("model", "in_shape", "parameters"),
    [
        (fcnn.models.mnist_cnn(), (1, 28, 28), 103_018),
        (fcnn.models.lines_cnn(), (1, 14, 14), 5_987),
        (fcnn.models.lenet5(), (1, 28, 28), 61_706),
        (fcnn.models.linear(), (1, 28, 28), 7_850),
        (fcnn.models.deep_cnn(), (1, 28, 28), 157_954),
        (fcnn.models.deep_cnn_small(), (1, 28, 28), 40_102),
        (fcnn.models.tiny_cnn(), (1, 28, 28), 9_266),
    ],
)
def test_models_have_the_parameters_they_say(model, in_shape, parameters):
    params, out_shape = model.init(np.random.default_rng(0), in_shape)
    assert sum(leaf.size for leaf in tree.leaves(params)) == parameters
    assert len(out_shape) == 1


@pytest.mark.parametrize(
    "name", ["mnist_cnn", "lines_cnn", "lenet5", "linear", "deep_cnn_small", "tiny_cnn"]
)
def test_models_take_classes_and_have_exact_gradients(name):
    model = getattr(fcnn.models, name)(classes=4)
    assert model.init(np.random.default_rng(0), (1, 14, 14))[1] == (4,)
    assert fcnn.check.layer(model, (1, 14, 14), batch=2).worst < 1e-6


def test_layers_that_return_no_pair_are_named():
    def layer(forward, backward):
        return fcnn.Layer("mine", lambda rng, shape: ((), shape), forward, backward)

    x, labels = np.ones((2, 3), np.float32), np.array([0, 1])
    no_cache = layer(lambda params, x, rng=None: x, fcnn.relu.backward)
    with pytest.raises(TypeError, match=r"mine: forward must return the tuple \(output, cache\)"):
        fcnn.chain(no_cache).forward(((),), x)
    no_dparams = layer(fcnn.relu.forward, lambda cache, dy: dy)
    for model in (fcnn.chain(fcnn.dense(3), no_dparams), no_dparams):
        params, _ = model.init(np.random.default_rng(0), (3,))
        f = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy)
        with pytest.raises(TypeError, match=r"backward must return the tuple \(dparams, dx\)"):
            f(params, x, labels)


def test_what_is_not_of_its_kind_is_refused():
    model, x, labels = fcnn.models.linear(), np.ones((2, 1, 2, 2), np.float32), np.array([0, 1])
    for call, text in [
        (lambda: fcnn.value_and_grad(model, fcnn.softmax_cross_entropy_forward), "expected a Loss"),
        (lambda: fcnn.value_and_grad(fcnn.conv2d, fcnn.cross_entropy), "expected a Layer"),
        (lambda: fcnn.predict(fcnn.conv2d, (), x), "expected a Layer"),
        (lambda: fcnn.evaluate(model, (), x, labels, loss=3), "loss is an int, expected a Loss"),
        (lambda: fcnn.fit(model, (), 0.1, (x, labels), epochs=1, batch_size=1, seed=0),
         "expected an Optimizer"),
        (lambda: model.init(0, (1, 2, 2)), "rng is an int, expected a Generator"),
    ]:  # fmt: skip
        with pytest.raises(TypeError, match=text):
            call()


def test_layers_draw_from_one_generator_one_after_the_other():
    rng = np.random.default_rng(0)
    expected = [fcnn.dense(4).init(rng, (4,))[0] for _ in range(3)]
    model = fcnn.chain(fcnn.dense(4), fcnn.chain(fcnn.dense(4), fcnn.dense(4)))
    (first, (second, third)), _ = model.init(np.random.default_rng(0), (4,))
    assert tree.equal([first, second, third], expected)
    assert not tree.equal(first, second)
