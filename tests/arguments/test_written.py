"""What functions make prints as one would write it, and writing it makes the same again."""

import numpy as np
import pytest

import fcnn
from fcnn import masked, tree
from fcnn.augmentation import compose
from fcnn.losses.loss import Loss
from fcnn.optimizers.optimizer import Optimizer

NAMES = vars(fcnn) | vars(fcnn.schedules) | vars(fcnn.augmentation)


def decays_all(path, leaf):
    return True


@pytest.mark.parametrize(
    "text",
    [
        "sgd(0.1)",
        "sgd(0.1, momentum=0.9, nesterov=True, weight_decay=0.005)",
        "sgd(cosine(0.1, 100), momentum=0.9)",
        "adam()",
        "adam(learning_rate=one_cycle(0.2, 10, shape='linear'), epsilon=1e-06)",
        "adamw(weight_decay=0.0)",
        "clip_by_global_norm(l2_penalty(sgd(0.1), 0.0001), 1.0)",
        "with_average(adam(), 0.99)",
        "masked(sgd(0.1), [True, False])",
        "constant(0.1)",
        "step_decay(0.5, 10, factor=0.5)",
        "cosine(0.1, 100, final=0.01)",
        "warm_up(constant(0.1), 50)",
        "one_cycle(0.2, 100, rise=0.5)",
        "affine(rotation=12.0, scale=0.1)",
        "elastic(sigma=3.0)",
        "random_erasing(area=(0.1, 0.2))",
        "noise(0.1)",
        "compose(affine(shift=2.0), noise(0.1))",
        "compose()",
        "smoothed_cross_entropy(label_smoothing=0.1)",
        "smoothed_cross_entropy(class_weights=[1.0, 3.0])",
        "softmax_cross_entropy",
        "cross_entropy",
    ],
)
def test_it_prints_as_one_would_write_it(text):
    made = eval(text, {}, dict(NAMES))
    assert repr(made) == text
    assert repr(eval(repr(made), {}, dict(NAMES))) == text


def test_what_is_written_otherwise_prints_alike():
    assert repr(fcnn.sgd(learning_rate=np.float64(0.5), momentum=np.float32(0.5))) == (
        "sgd(0.5, momentum=0.5)"
    )
    assert repr(fcnn.augmentation.rotation(12)) == "affine(rotation=12.0)"
    assert repr(fcnn.sgd(0.1, decays=decays_all)) == "sgd(0.1, decays=decays_all)"
    assert repr(masked(fcnn.sgd(0.1), lambda path: True)) == "masked(sgd(0.1), <lambda>)"


def test_there_are_no_addresses_and_no_pages_of_numbers():
    weights = np.ones(1000)
    own = [
        fcnn.sgd(lambda step: 0.1),
        compose(lambda rng, x: x),
        Optimizer(tree.leaves, lambda params, grads, state: (params, state)),
        fcnn.smoothed_cross_entropy(class_weights=weights),
        masked(fcnn.sgd(0.1), [True] * 1000),
        Loss("own", len, len),
    ]
    assert [*map(repr, own)] == [
        "sgd(<lambda>)",
        "compose(<lambda>)",
        "Optimizer(leaves, <lambda>)",
        "smoothed_cross_entropy(class_weights=an ndarray)",
        "masked(sgd(0.1), a list)",
        "own",
    ]


def test_parameters_and_states_print_without_their_numbers():
    model = fcnn.chain(fcnn.conv2d(2), fcnn.batch_norm(), fcnn.flatten, fcnn.dense(3, bias=False))
    params, _ = model.init(np.random.default_rng(0), (1, 4, 4))
    assert repr(params) == (
        "(Conv2dParams(w=float32[2,1,3,3], b=float32[2]), "
        "BatchNormParams(scale=float32[2], shift=float32[2], mean=float32[2], var=float32[2]), "
        "(), DenseParams(w=float32[8,3], b=None))"
    )
    state = fcnn.sgd(0.1).init(params[3:])
    assert repr(state) == (
        "SgdState(steps=int64[], velocity=(DenseParams(w=float32[8,3], b=None),))"
    )
    assert repr(tree.map(np.shape, params[3])) == "DenseParams(w=(8, 3), b=None)"
