"""The trap: applying the derivative of softmax twice, and why accuracy does not show it.

For logits z, p = softmax(z) and cross-entropy L, the famous p - onehot is dL/dz: it has the
derivative of softmax in it already. A network that ends in a softmax layer wants dL/dp. Hand
it p - onehot instead, and the layer multiplies by its Jacobian once more:

    right:    dL/dz =  J (dL/dp)        =  p - onehot
    doubled:           J (p - onehot)

The doubled gradient still points downhill, so the network still learns, only worse: where
the network is sure of itself, rightly or wrongly, J is nearly zero. This trains both.

    python examples/doubled_softmax.py [SEEDS]     means over the seeds 0, 1, ...; by default 1
"""

import sys

import numpy as np

import fcnn


def _doubled_backward(cache):
    onehot = np.eye(10, dtype=cache.probabilities.dtype)[cache.labels]
    return (cache.probabilities - onehot) / len(cache.labels)


doubled = fcnn.Loss("doubled", fcnn.cross_entropy.forward, _doubled_backward)


def accuracy(loss, seed):
    """The test accuracy of the reference network and recipe, with softmax as its last layer."""
    train, test = fcnn.data.mnist5k()
    model = fcnn.chain(*fcnn.models.mnist_cnn().children, fcnn.softmax)
    rng = fcnn.numerics.random_streams.generator(
        seed, fcnn.numerics.random_streams.PARAMETERS
    )  # as `fcnn train` draws them
    params, _ = model.init(rng, (1, 28, 28))
    optimizer = fcnn.sgd(0.01, momentum=0.9)
    *_, last = fcnn.fit(
        model, params, optimizer, train, epochs=5, batch_size=64, seed=seed, loss=loss, test=test
    )
    return last.test_accuracy


def main():
    """Train both, print both accuracies, and let the checker say which gradient is wrong."""
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    right = np.mean([accuracy(fcnn.cross_entropy, seed) for seed in seeds])
    wrong = np.mean([accuracy(doubled, seed) for seed in seeds])
    print(f"Softmax, then cross-entropy:   {right:.2%}")
    print(f"Softmax's derivative doubled:  {wrong:.2%}")
    p, _ = fcnn.softmax_forward(np.random.default_rng(0).standard_normal((4, 10)))
    for loss in (fcnn.cross_entropy, doubled):
        try:
            fcnn.check.loss(loss, p, np.array([3, 1, 4, 1]))
            print(f"The gradient of {loss.name} is right")
        except fcnn.check.GradientMismatch as mismatch:
            print(mismatch)


if __name__ == "__main__":
    main()
