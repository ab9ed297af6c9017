"""Training steps in other libraries that are NumPy alone: MyGrad and PureML."""

from collections.abc import Callable
from typing import Any

import numpy as np
from tasks import NETWORKS, Task


def prepare_mygrad(task: Task) -> Callable[[int], None]:
    """A function that works through that many batches of a task in MyGrad."""
    import mygrad
    from mygrad.nnet.activations import relu
    from mygrad.nnet.layers import conv_nd, max_pool
    from mygrad.nnet.losses import softmax_crossentropy

    xs, labels = _batches(task)
    params = [[mygrad.tensor(a) for a in pair] for pair in _parameters(task)]
    velocity = [[np.zeros_like(p.data) for p in pair] for pair in params]

    def outputs(x: Any) -> Any:
        values = iter(params)
        for text in NETWORKS[task.network]:
            match text:
                case "relu":
                    x = relu(x)
                case "flatten":
                    x = x.reshape(len(x), -1)
                case ("conv", int(features), _, int(padding)):
                    w, b = next(values)
                    x = conv_nd(x, w, stride=1, padding=padding) + b.reshape(1, features, 1, 1)
                case ("pool", int(window)):
                    x = max_pool(x, (window, window), window)
                case ("dense", _):
                    w, b = next(values)
                    x = x @ w + b
        return x

    def train(count: int) -> None:
        for i in range(count):
            softmax_crossentropy(outputs(xs[i % 8]), labels[i % 8]).backward()
            for pair, speeds in zip(params, velocity, strict=True):
                for p, v in zip(pair, speeds, strict=True):
                    v *= np.float32(0.9)
                    v -= np.float32(0.01) * p.grad
                    p.data += v

    return train


def prepare_pureml(task: Task) -> Callable[[int], None]:
    """A function that works through that many batches of a task in PureML."""
    from pureml.activations import relu
    from pureml.layers import Affine, Conv2D, MaxPool2D
    from pureml.losses import CCE
    from pureml.machinery import Tensor
    from pureml.optimizers import SGD

    xs, labels = _batches(task)
    one_hot = np.eye(10, dtype=np.float32)[labels]
    layers: list[Any] = []
    params: list[Any] = []
    initial = iter(_parameters(task))
    channels = task.shape[0]
    for text in NETWORKS[task.network]:
        match text:
            case "relu":
                layers.append(relu)
            case "flatten":
                layers.append(lambda x: x.reshape(len(x.data), -1))
            case ("conv", int(features), int(kernel), int(padding)):
                w, b = next(initial)
                flat = Tensor(w.reshape(features, -1), requires_grad=True)
                own = (flat, Tensor(b, requires_grad=True))
                layers.append(
                    Conv2D(channels, features, kernel, padding=padding, W=own[0], b=own[1])
                )
                params.extend(layers[-1].parameters)
                channels = features
            case ("pool", int(window)):
                layers.append(MaxPool2D(window, window))
            case ("dense", int(features)):
                w, b = next(initial)
                own = (Tensor(w, requires_grad=True), Tensor(b, requires_grad=True))
                layers.append(Affine(len(w), features, W=own[0], b=own[1]))
                params.extend(layers[-1].parameters)
    optimizer = SGD(params, 0.01, beta=0.9)

    def train(count: int) -> None:
        for i in range(count):
            x = Tensor(xs[i % 8])
            for layer in layers:
                x = layer(x)
            loss = CCE(Tensor(one_hot[i % 8]), x, from_logits=True)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return train


def _batches(task: Task) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    x = rng.random((8, task.batch, *task.shape), np.float32)
    return x, rng.integers(0, 10, (8, task.batch))


def _parameters(task: Task) -> list[tuple[Any, Any]]:
    """He's weights and zero biases, as fcnn draws them."""
    from with_fcnn import build

    import fcnn

    params, _ = build(NETWORKS[task.network]).init(np.random.default_rng(0), task.shape)
    arrays = [np.array(leaf) for leaf in fcnn.tree.leaves(params)]
    return list(zip(arrays[::2], arrays[1::2], strict=True))
