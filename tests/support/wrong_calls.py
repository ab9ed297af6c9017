"""What tests of wrong calls share: right arguments to begin with, and how an error is told.

Tables of wrong calls have rows of what is wrong, the call, the exception's type, its whole text.
"""

import numpy as np
import pytest

import fcnn


def ones(*shape, dtype=np.float32):
    return np.ones(shape, dtype)


CONV = fcnn.Conv2dParams(w=ones(2, 1, 3, 3), b=ones(2))
DENSE = fcnn.DenseParams(w=ones(4, 3), b=ones(3))
NORM = fcnn.BatchNormParams(scale=ones(1), shift=ones(1), mean=ones(1), var=ones(1))
X, V = ones(2, 1, 5, 5), ones(2, 4)
LABELS = np.array([0, 1])
RNG = np.random.default_rng(0)
MODEL = fcnn.chain(fcnn.flatten, fcnn.dense(4))
PARAMS, _ = MODEL.init(RNG, (1, 5, 5))
OTHER, _ = fcnn.models.lines_cnn().init(RNG, (1, 14, 14))
GRADIENT = fcnn.value_and_grad(MODEL, fcnn.softmax_cross_entropy)


def own(**changed):
    """A layer of one's own, some of its functions given."""
    functions = {
        "init": lambda rng, shape: ((), shape),
        "forward": lambda params, x, rng=None: (x, ()),
        "backward": lambda cache, dy: ((), dy),
    }
    return fcnn.Layer("own", **(functions | changed))


def each_row(rows):
    """Run a test for every row of a table of wrong calls."""
    return pytest.mark.parametrize(
        ("call", "error", "text"), [row[1:] for row in rows], ids=[row[0] for row in rows]
    )


def refuses(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    assert str(caught.value) == text


NO_FLOATS = [
    None, 3, 1.5, 1j, "abc", b"abc", (), [], {}, {1, 2}, object(), len, np.float64(1), np.int64(3),
    [[1.0, 2.0]], ones(2, 4, dtype=np.int8), ones(2, 4, dtype=np.bool_), ones(2, 4, dtype=">f8"),
    ones(2, 4, dtype=object), ones(2, 4, dtype=np.complex128), np.ma.masked_array(V),
    V.view(np.matrix), V.view(np.recarray), np.zeros((2, 4), "m8[s]"), np.array("a"), np.array([]),
    np.zeros((), np.float32), V[:0], V[:, :0], X[:0], X[..., :0],
]  # fmt: skip


def each_operation(rows):
    """Run a test for every row of a table of functions, their arguments and the calls."""
    return pytest.mark.parametrize(
        ("name", "argument", "call"), rows, ids=[" ".join(row[:2]) for row in rows]
    )


def refuses_what_is_no_array(name, argument, call):
    for value in NO_FLOATS[1:] if argument == "b" else NO_FLOATS:  # a bias may be None
        with pytest.raises((TypeError, ValueError)) as caught:
            call(value)
        assert type(caught.value) in (TypeError, ValueError)
        assert str(caught.value).startswith(f"{name}: ")
        assert f" {argument} " in str(caught.value)
