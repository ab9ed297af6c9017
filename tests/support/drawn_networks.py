"""Networks drawn at random, of all layers of fcnn, as other formats are given them."""

import numpy as np

import fcnn
from fcnn import tree


def drawn_network(seed, dtype=np.float32):
    """A network that goes from images to vectors, its parameters, and the shape of an image.

    Its layers have any settings, chains, residuals and branches among them; its parameters are as
    after training: no bias is 0, no statistic that of a new network.
    """
    rng = np.random.default_rng(seed)
    in_shape = shape = (int(rng.integers(1, 4)), int(rng.integers(6, 10)), int(rng.integers(6, 10)))
    layers = []
    for _ in range(rng.integers(3, 7)):
        layers.append(_of_images(rng, shape))
        shape = _out_shape(layers[-1], shape)
    layers.append(_one_of(rng, fcnn.flatten, fcnn.global_avg_pool))
    shape = _out_shape(layers[-1], shape)
    for _ in range(rng.integers(1, 4)):
        layers.append(_of_vectors(rng, shape))
        shape = _out_shape(layers[-1], shape)
    layers.append(fcnn.dense(int(rng.integers(2, 6)), bias=_coin(rng)))
    if _coin(rng):
        layers.append(fcnn.softmax)
    model = fcnn.chain(*layers)
    return model, trained_looking(model, in_shape, rng, dtype), in_shape


def trained_looking(model, in_shape, rng, dtype=np.float32):
    """Parameters of a network, as after training."""

    def drawn(path, like):
        leaf = like + 0.1 * rng.standard_normal(like.shape)
        if path.endswith(".var"):
            leaf = rng.uniform(0.01, 3, like.shape)
        leaf = leaf.astype(dtype)
        leaf.flags.writeable = False
        return leaf

    return tree.map_with_path(drawn, model.init(rng, in_shape)[0])


def _of_images(rng, shape, depth=0):
    """A layer for images of a shape."""
    kinds = [_convolution, _keeping, _normalisation, _elementwise]
    if min(shape[1:]) > 2:
        kinds.append(_pooling)
    if depth < 2:
        kinds += [_nested, _residual, _branches]
    return _one_of(rng, *kinds)(rng, shape, depth)


def _of_vectors(rng, shape, depth=0):
    """A layer for vectors."""
    kinds = [_dense, _normalisation, _elementwise]
    if depth < 2:
        kinds += [_nested, _residual, _branches]
    return _one_of(rng, *kinds)(rng, shape, depth)


def _of_any(rng, shape, depth):
    return (_of_images if len(shape) == 3 else _of_vectors)(rng, shape, depth)


def _convolution(rng, shape, depth):
    """One that changes the size of images, maybe."""
    kernel = tuple(int(k) for k in rng.integers(1, 4, 2))
    padding = tuple(int(p) for p in rng.integers(0, 3, 2))
    sizes = zip(shape[1:], padding, kernel, strict=True)
    fits = all(size + 2 * p > 2 * (k - 1) for size, p, k in sizes)
    settings = {"dilation": _pair(rng, 1, 3)} if fits else {"padding": 2}
    return fcnn.conv2d(
        **_features(rng, shape[0]),
        kernel=kernel,
        stride=_pair(rng, 1, 3),
        **({"padding": padding} | settings),
    )


def _keeping(rng, shape, depth):
    """One that keeps the size of images, maybe with an odd number of zeros around them."""
    return fcnn.conv2d(
        **_features(rng, shape[0]),
        kernel=_pair(rng, 1, 5),
        padding="same",
        dilation=_pair(rng, 1, 3),
    )


def _features(rng, channels):
    groups = int(rng.choice([g for g in range(1, channels + 1) if channels % g == 0]))
    most = max(1, 6 // groups)
    return {
        "features": groups * int(rng.integers(1, most + 1)), "groups": groups, "bias": _coin(rng)
    }  # fmt: skip


def _pooling(rng, shape, depth):
    window = _pair(rng, 1, 4)
    padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in window)
    stride = None if _coin(rng) else _pair(rng, 1, 3)
    return _one_of(rng, fcnn.max_pool2d, fcnn.avg_pool2d)(window, stride=stride, padding=padding)


def _dense(rng, shape, depth):
    return fcnn.dense(int(rng.integers(1, 8)), bias=_coin(rng))


def _normalisation(rng, shape, depth):
    return fcnn.batch_norm(epsilon=float(rng.choice([1e-5, 1e-3, 0.1])))


def _elementwise(rng, shape, depth):
    return _one_of(
        rng,
        fcnn.relu,
        fcnn.leaky_relu(float(rng.choice([0.01, 0.3]))),
        fcnn.sigmoid,
        fcnn.tanh,
        fcnn.gelu,
        fcnn.dropout(0.4),
        fcnn.softmax,
        fcnn.chain(),
    )


def _nested(rng, shape, depth):
    layers = []
    for _ in range(rng.integers(1, 4)):
        layers.append(_of_any(rng, shape, depth + 1))
        shape = _out_shape(layers[-1], shape)
    return fcnn.chain(*layers)


def _residual(rng, shape, depth):
    """Around a chain, or around a layer that is none."""
    if _coin(rng):
        return fcnn.residual(_to_channels(rng, shape, shape[0]))
    within = _one_of(rng, _normalisation, _elementwise)(rng, shape, depth)
    return fcnn.residual(fcnn.chain(within, _to_channels(rng, shape, shape[0])))


def _branches(rng, shape, depth):
    """Added, where they have as many channels, or concatenated."""
    channels, adds = int(rng.integers(1, 4)), _coin(rng)
    layers = [
        fcnn.chain(
            _to_channels(rng, shape, channels if adds else int(rng.integers(1, 4))),
            _elementwise(rng, shape, depth),
        )
        for _ in range(rng.integers(1, 3))
    ]
    merge = "add" if adds else "concatenate"
    return fcnn.parallel(_to_channels(rng, shape, channels), *layers, merge=merge)


def _to_channels(rng, shape, channels):
    """A layer that makes so many channels, or values of vectors, and keeps the size of images."""
    if len(shape) == 1:
        return fcnn.dense(channels, bias=_coin(rng))
    return fcnn.conv2d(channels, _pair(rng, 1, 4), padding="same", bias=_coin(rng))


def _out_shape(layer, shape):
    return layer.init(np.random.default_rng(0), shape)[1]


def _coin(rng):
    return bool(rng.integers(2))


def _pair(rng, low, high):
    return int(rng.integers(low, high)), int(rng.integers(low, high))


def _one_of(rng, *values):
    return values[rng.integers(len(values))]
