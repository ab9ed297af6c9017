"""Dropout: what it draws, what it keeps, and what becomes of that."""

import numpy as np
import pytest

import fcnn

RNG = np.random.default_rng


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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dropout_keeps_the_expectation_and_drops_the_rate(dtype):
    x = np.ones((50, 8, 9, 10), dtype)
    y, cache = fcnn.dropout(0.3).forward((), x, RNG(0))
    assert y.dtype == dtype
    assert set(np.unique(y)) == {0, dtype(1 / (1 - 0.3))}
    assert abs((y == 0).mean() - 0.3) < 0.01
    assert np.array_equal(fcnn.dropout(0.3).backward(cache, x)[1], y)


@pytest.mark.parametrize("shape", [(5, 3, 4, 6), (7, 9)])
def test_what_dropout_draws_does_not_depend_on_memory_order(shape):
    x = RNG(0).random(shape)
    expected, _ = fcnn.dropout_forward(x, RNG(1), rate=0.5)
    for other in (np.asfortranarray(x), np.moveaxis(np.moveaxis(x, 0, -1).copy(), -1, 0)):
        assert np.array_equal(fcnn.dropout_forward(other, RNG(1), rate=0.5)[0], expected)
