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
