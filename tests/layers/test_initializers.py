"""Initializers: what they are told, and what they draw."""

import numpy as np
import pytest

import fcnn


def test_initializers_are_told_the_whole_kernel_in_and_out():
    told = []

    def initializer(rng, shape, fan_in, fan_out):
        told.append((shape, fan_in, fan_out))
        return np.zeros(shape)

    fcnn.conv2d(6, (3, 5), initializer=initializer).init(np.random.default_rng(0), (4, 9, 9))
    fcnn.dense(7, initializer=initializer).init(np.random.default_rng(0), (5,))
    assert told == [((6, 4, 3, 5), 60, 90), ((5, 7), 5, 7)]


@pytest.mark.parametrize("initializer", [fcnn.he_normal, fcnn.glorot_uniform])
def test_initializers_draw_read_only_float32(initializer):
    weights = initializer(np.random.default_rng(0), (3, 4), 3, 4)
    assert weights.dtype == np.float32
    assert not weights.flags.writeable
