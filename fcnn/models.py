"""Models: functions that return a flat chain ending in logits."""

from collections.abc import Collection, Sequence

from fcnn.layers.avg_pool2d import global_avg_pool
from fcnn.layers.batch_norm import batch_norm
from fcnn.layers.conv2d import conv2d
from fcnn.layers.dense import dense
from fcnn.layers.dropout import dropout
from fcnn.layers.flatten import flatten
from fcnn.layers.layer import Layer
from fcnn.layers.max_pool2d import max_pool2d
from fcnn.layers.relu import relu
from fcnn.networks.chain import chain


def mnist_cnn(classes: int = 10) -> Layer:
    """Two convolutions and two dense layers; 103,018 parameters on (1, 28, 28)."""
    return _two_convolutions(128, classes)


def lines_cnn(classes: int = 3) -> Layer:
    """The same idea for the synthetic lines; 5,987 parameters on (1, 14, 14)."""
    return _two_convolutions(32, classes)


def deep_cnn(classes: int = 10, width: int = 24, rate: float = 0.2) -> Layer:
    """Five batch-normalised convolutions, of 1, 2, 2, 4 and 4 times the width features, and the
    mean of what the last one sees, with dropout; 157,954 parameters on any (1, H, W) of at least
    4x4 pixels.
    """
    layers = _convolutions([factor * width for factor in (1, 2, 2, 4, 4)], pooled=(0, 2))
    return chain(*layers, global_avg_pool, *([dropout(rate)] if rate else []), dense(classes))


def deep_cnn_small(classes: int = 10) -> Layer:
    """`deep_cnn` of half the width, without dropout, for quick runs; 40,102 parameters."""
    return deep_cnn(classes, width=12, rate=0)


def tiny_cnn(classes: int = 10) -> Layer:
    """Five batch-normalised convolutions, two of them at full size, and the mean of what the last
    one sees; 9,266 parameters on any (1, H, W) of at least 4x4 pixels.
    """
    layers = _convolutions((8, 10, 16, 18, 24), pooled=(1, 3))
    return chain(*layers, global_avg_pool, dense(classes))


def lenet5(classes: int = 10) -> Layer:
    """LeNet-5 with relu and max-pooling; 61,706 parameters on (1, 28, 28).

    LeCun, Bottou, Bengio, Haffner: "Gradient-based learning applied to document
    recognition" (1998); with all connections from the first pooling to the second
    convolution, as is common.
    """
    return chain(
        conv2d(6, 5, padding=2),
        relu,
        max_pool2d(2),
        conv2d(16, 5),
        relu,
        max_pool2d(2),
        flatten,
        dense(120),
        relu,
        dense(84),
        relu,
        dense(classes),
    )


def linear(classes: int = 10) -> Layer:
    """Multinomial logistic regression, which every network should beat; 7,850 parameters."""
    return chain(flatten, dense(classes))


def _convolutions(features: Sequence[int], pooled: Collection[int]) -> list[Layer]:
    """Convolutions of so many features, normalised, with relu; 2x2 max-pooling after some."""
    layers: list[Layer] = []
    for index, count in enumerate(features):
        # What normalises takes the mean away, and with it any bias.
        layers += [conv2d(count, 3, padding=1, bias=False), batch_norm(), relu]
        if index in pooled:
            layers.append(max_pool2d(2))
    return layers


def _two_convolutions(hidden: int, classes: int) -> Layer:
    return chain(
        conv2d(8, 3, padding=1),
        relu,
        max_pool2d(2),
        conv2d(16, 3, padding=1),
        relu,
        max_pool2d(2),
        flatten,
        dense(hidden),
        relu,
        dense(classes),
    )
