"""Dropout: which numbers drawn keep a value, and which drop it."""

import numpy as np
import pytest

import fcnn


class Always(np.random.Generator):
    """A generator that draws one number again and again."""

    def __init__(self, drawn):
        super().__init__(np.random.PCG64(0))
        self.drawn = drawn

    def random(self, size=None, dtype=np.float64, out=None):
        return np.full(size, self.drawn, dtype)


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4, 5)])
def test_what_is_drawn_at_the_rate_is_kept_and_below_it_dropped(shape):
    x = np.ones(shape, np.float32)
    just_below = np.nextafter(np.float32(0.25), np.float32(0))
    assert (fcnn.dropout_forward(x, Always(0.25), rate=0.25)[0] == np.float32(1 / 0.75)).all()
    assert not fcnn.dropout_forward(x, Always(just_below), rate=0.25)[0].any()


def test_a_rate_of_zero_drops_nothing_at_all():
    x = np.ones((3, 4), np.float32)
    assert np.array_equal(fcnn.dropout_forward(x, Always(0.0), rate=0)[0], x)
