"""A layer of one's own: a learned gain for every channel, y[n, c] = g[c] * x[n, c].

Four pure functions make a layer. The checker proves its gradients, and then it composes,
trains and prints like any other.
"""

import attrs
import numpy as np

import fcnn


@attrs.frozen(eq=False)
class GainParams:
    """One factor per channel, g (C,)."""

    g: np.ndarray


def _init(rng, in_shape):
    return GainParams(g=np.ones(in_shape[0], np.float32)), in_shape


def _forward(params, x, rng=None):
    return x * params.g[:, None, None], (params, x)  # (C,) -> (C, 1, 1), against (N, C, H, W)


def _backward(cache, dy):
    params, x = cache
    return GainParams(g=(dy * x).sum((0, 2, 3))), dy * params.g[:, None, None]


gain = fcnn.Layer("gain", _init, _forward, _backward)


def main():
    """Check the gradients, then train a network that has the layer."""
    report = fcnn.check.layer(gain, (2, 5, 4), jacobian=True)
    print(f"Worst relative error of the gradients: {report.worst:.0e}")

    train, test = fcnn.data.synthetic_lines(seed=0)
    model = fcnn.chain(
        fcnn.conv2d(4, padding=1), gain, fcnn.relu, fcnn.max_pool2d(2), fcnn.flatten, fcnn.dense(3)
    )
    params, _ = model.init(np.random.default_rng(0), (1, 14, 14))
    optimizer = fcnn.sgd(0.01, momentum=0.9)
    for record in fcnn.fit(
        model, params, optimizer, train, epochs=3, batch_size=32, seed=0, test=test
    ):
        print(f"Epoch {record.epoch}: test accuracy {record.test_accuracy:.2%}")


if __name__ == "__main__":
    main()
