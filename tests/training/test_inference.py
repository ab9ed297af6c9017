"""predict and evaluate: outputs in inference, and how good they are."""

import numpy as np
import pytest

import fcnn

_, TEST = fcnn.data.synthetic_lines(seed=0)
MODEL = fcnn.models.lines_cnn()
PARAMS, _ = MODEL.init(np.random.default_rng(0), (1, 14, 14))


def test_predict_gives_the_outputs_of_the_model():
    x = TEST[0]
    for n in (1, 64, 65, 150):
        outputs = fcnn.predict(MODEL, PARAMS, x[:n])
        assert outputs.shape == (n, 3)
        assert np.allclose(outputs, MODEL.forward(PARAMS, x[:n])[0], atol=1e-5)
    assert np.array_equal(
        fcnn.predict(MODEL, PARAMS, x, threads=1), fcnn.predict(MODEL, PARAMS, x, threads=3)
    )
    with pytest.raises(ValueError, match="at least one example"):
        fcnn.predict(MODEL, PARAMS, x[:0])


def test_evaluate_counts_every_example_by_true_and_predicted_class():
    identity = fcnn.chain()
    outputs = np.eye(4)[[0, 1, 1, 2, 0]]
    labels = np.array([0, 1, 2, 2, 2], np.uint8)
    loss, accuracy, per_class, confusion = fcnn.evaluate(identity, (), outputs, labels)
    assert accuracy == 0.6
    assert confusion.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 1, 0], [0, 0, 0, 0]]
    assert per_class[:3].tolist() == [1, 1, 1 / 3]
    assert np.isnan(per_class[3])
    assert loss == pytest.approx(fcnn.softmax_cross_entropy_forward(outputs, labels)[0])


def test_inference_takes_64_images_at_a_time_in_order():
    sizes = []

    def forward(params, x, rng=None):
        sizes.append(len(x))
        return x, ()

    x = np.arange(300.0).reshape(150, 2)
    spy = fcnn.Layer("spy", lambda rng, shape: ((), shape), forward, lambda cache, dy: ((), dy))
    assert np.array_equal(fcnn.predict(spy, (), x, threads=1), x)
    assert sizes == [50, 50, 50]
    fcnn.evaluate(spy, (), x[:65], np.zeros(65, int), threads=1)
    assert sizes[3:] == [32, 33]


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint64])
def test_small_label_types_do_not_overflow(dtype):
    result = fcnn.evaluate(fcnn.chain(), (), np.eye(20), np.arange(20).astype(dtype))
    assert np.array_equal(result.confusion, np.eye(20))
    assert result.accuracy == 1.0
