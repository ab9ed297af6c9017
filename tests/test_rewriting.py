"""Rewrites for speed: the same bits, the same trees."""

import os
import subprocess
import sys

import numpy as np
import pytest

import fcnn
from fcnn import tree
from fcnn.rewriting import faster


def test_pooling_goes_before_relu():
    assert repr(faster(fcnn.chain(fcnn.conv2d(2), fcnn.relu, fcnn.max_pool2d(2)))) == (
        "chain(conv2d(2, 3), max_pool2d(2), relu)"
    )
    nested = fcnn.chain(fcnn.chain(fcnn.relu, fcnn.max_pool2d(2)), fcnn.flatten)
    assert repr(faster(nested)) == "chain(chain(max_pool2d(2), relu), flatten)"


def test_other_layers_stay_where_they_are():
    for model in (fcnn.relu, fcnn.chain(), fcnn.chain(fcnn.max_pool2d(2), fcnn.relu)):
        assert repr(faster(model)) == repr(model)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("window", [{"window": 2}, {"window": 3, "stride": 2, "padding": 1}])
def test_the_bits_are_the_same_with_ties_and_without(dtype, window):
    model = fcnn.chain(
        fcnn.conv2d(3, 3, padding=1), fcnn.relu, fcnn.max_pool2d(**window), fcnn.flatten,
        fcnn.dense(4),
    )  # fmt: skip
    params, _ = model.init(np.random.default_rng(0), (2, 9, 8))
    rng = np.random.default_rng(1)
    for x in (rng.standard_normal((5, 2, 9, 8)), rng.integers(-1, 2, (5, 2, 9, 8))):
        for kernel in (params[0].w, np.sign(params[0].w)):
            p = tree.map(lambda a: a.astype(dtype), (with_kernel(params[0], kernel), *params[1:]))
            (y, cache), (fast_y, fast_cache) = (
                layer.forward(p, x.astype(dtype)) for layer in (model, faster(model))
            )
            assert np.array_equal(y, fast_y)
            dy = rng.standard_normal(y.shape).astype(dtype)
            grads, dx = model.backward(cache, dy)
            fast_grads, fast_dx = faster(model).backward(fast_cache, dy)
            assert tree.equal(grads, fast_grads)
            assert np.array_equal(dx, fast_dx)


def with_kernel(params, w):
    return fcnn.Conv2dParams(w=w, b=params.b)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone")
@pytest.mark.parametrize(("setting", "told"), [("", True), ("0", False)])
def test_keeping_memory_can_be_turned_off_and_waits_for_the_first_use(setting, told):
    program = (
        "import fcnn, numpy as np\n"
        "from fcnn.memory import keep_freed_memory as keep\n"
        "print(keep.cache_info().currsize)\n"
        "fcnn.predict(fcnn.flatten, (), np.ones((2, 3), np.float32))\n"
        "print(keep.cache_info().currsize, keep())\n"
    )
    environment = os.environ | {"FCNN_KEEP_MEMORY": setting}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.split() == ["0", "1", str(told)]
