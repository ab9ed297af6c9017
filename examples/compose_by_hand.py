"""Back-propagation with nothing hidden: every cache and every gradient in plain sight.

Trains a small network on the synthetic lines by calling the operations one by one, then
shows that `chain` and `value_and_grad` do exactly this.
"""

import numpy as np

import fcnn
from fcnn import tree

(x, labels), (x_test, labels_test) = fcnn.data.synthetic_lines(seed=0)


def forward(params, x):
    """The network as a composition: each step returns its output and what backward needs."""
    conv, dense = params
    a, conv_cache = fcnn.conv2d_forward(conv, x, padding=1)  # (N, 1, 14, 14) -> (N, 4, 14, 14)
    b, relu_cache = fcnn.relu_forward(a)
    c, pool_cache = fcnn.max_pool2d_forward(b, window=2)  # -> (N, 4, 7, 7)
    d, flatten_cache = fcnn.flatten_forward(c)  # -> (N, 196)
    logits, dense_cache = fcnn.dense_forward(dense, d)  # -> (N, 3)
    return logits, (conv_cache, relu_cache, pool_cache, flatten_cache, dense_cache)


def backward(caches, dlogits):
    """The chain rule: the same steps the other way, each with the cache that it left."""
    conv_cache, relu_cache, pool_cache, flatten_cache, dense_cache = caches
    ddense, dd = fcnn.dense_backward(dense_cache, dlogits)
    dc = fcnn.flatten_backward(flatten_cache, dd)
    db = fcnn.max_pool2d_backward(pool_cache, dc)
    da = fcnn.relu_backward(relu_cache, db)
    dconv, _ = fcnn.conv2d_backward(conv_cache, da)
    return dconv, ddense


def main():
    """Train by hand, and compare one gradient with the library's composition."""
    rng = np.random.default_rng(0)
    conv, shape = fcnn.conv2d(4, 3, padding=1).init(rng, (1, 14, 14))
    dense, _ = fcnn.dense(3).init(rng, (shape[0] * 7 * 7,))
    params = initial = (conv, dense)

    for _epoch in range(3):
        for i in range(0, len(x), 30):
            logits, caches = forward(params, x[i : i + 30])
            _, loss_cache = fcnn.softmax_cross_entropy_forward(logits, labels[i : i + 30])
            grads = backward(caches, fcnn.softmax_cross_entropy_backward(loss_cache))
            params = tree.map(lambda p, g: p - 0.1 * g, params, grads)

    predicted = forward(params, x_test)[0].argmax(1)
    print(f"Test accuracy by hand: {(predicted == labels_test).mean():.2%}")

    model = fcnn.chain(
        fcnn.conv2d(4, 3, padding=1), fcnn.relu, fcnn.max_pool2d(2), fcnn.flatten, fcnn.dense(3)
    )
    value_and_grad = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy)
    _, grads = value_and_grad((initial[0], (), (), (), initial[1]), x[:30], labels[:30])
    logits, caches = forward(initial, x[:30])
    _, loss_cache = fcnn.softmax_cross_entropy_forward(logits, labels[:30])
    by_hand = backward(caches, fcnn.softmax_cross_entropy_backward(loss_cache))
    print(f"The chain gives the same bits: {tree.equal((grads[0], grads[4]), by_hand)}")


if __name__ == "__main__":
    main()
