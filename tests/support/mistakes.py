"""Classic mistakes, made on purpose: whatever checks the library must notice each of them.

A mistake is a list of replacements, (module, name, new value), for monkeypatch.setattr.
"""

import importlib

import attrs
import mistaken_losses
import mistaken_modes
import mistaken_optimizers
import numpy as np
from breaking import change_parameters, change_result

from fcnn import tree
from fcnn.layers import avg_pool2d as average_pooling
from fcnn.layers import batch_norm as normalization
from fcnn.layers import conv2d as convolution
from fcnn.layers import dense as fully_connected
from fcnn.layers import dropout as regularization
from fcnn.layers import flatten as reshaping
from fcnn.layers import gelu, softmax
from fcnn.layers import max_pool2d as pooling
from fcnn.layers import relu as activations
from fcnn.layers import sigmoid as smooth_activations
from fcnn.layers.conv2d import Conv2dParams
from fcnn.layers.dense import DenseParams
from fcnn.losses import cross_entropy as losses
from fcnn.losses import smoothed_cross_entropy as weighted_losses
from fcnn.networks import chain as composition
from fcnn.optimizers import adam as adaptive_moments
from fcnn.optimizers import sgd as optimizers
from fcnn.training import batch_gradient as gradients


def _times(factor, bias):
    """Of a bias that may be None."""
    return tree.map(lambda b: factor * b, bias)


def _pooling_to_all_ties():
    right = pooling.max_pool2d_forward

    def forward(x, *, window=2, stride=None, padding=0):
        y, _ = right(x, window=window, stride=stride, padding=padding)
        return y, (x, y, window, stride or window, padding)

    def backward(cache, dy):
        x, y, *sizes = cache
        (KH, KW), (SH, SW), (PH, PW) = (
            (size, size) if isinstance(size, int) else size for size in sizes
        )
        widths = [(0, 0), (0, 0), (PH, PH), (PW, PW)]
        padded = np.pad(x, widths, constant_values=-np.inf)
        dx = np.zeros_like(padded)
        rows, columns = dy.shape[2:]
        for p, q in np.ndindex(KH, KW):
            place = (..., slice(p, p + rows * SH, SH), slice(q, q + columns * SW, SW))
            own = padded[place][..., :rows, :columns]
            dx[place][..., :rows, :columns] += (own == y) * dy
        return dx[:, :, PH : PH + x.shape[2], PW : PW + x.shape[3]]

    return [
        (pooling, "max_pool2d_forward", forward),
        (pooling, "max_pool2d_backward", backward),
    ]


def _flipped_kernel_forward():
    right = convolution.conv2d_forward

    def flipped(params, x, **settings):
        turned = Conv2dParams(w=params.w[..., ::-1, ::-1], b=params.b)
        return right(turned, x, **settings)

    return [(convolution, "conv2d_forward", flipped)]


def _unflipped_kernel_backward():
    right = convolution.conv2d_backward

    def backward(cache, dy):
        turned = Conv2dParams(w=cache.params.w[..., ::-1, ::-1], b=cache.params.b)
        return right(cache._replace(params=turned), dy)

    return [(convolution, "conv2d_backward", backward)]


def _forgetful_chain():
    """A chain whose second layer's gradients are lost."""
    right = composition.chain

    def forgetful(*layers):
        whole = right(*layers)

        def backward(cache, dy):
            grads, dx = whole.backward(cache, dy)
            return (*grads[:-1], tree.map(np.zeros_like, grads[-1])) if grads else (), dx

        return attrs.evolve(whole, backward=backward)

    return [(composition, "chain", forgetful)]


def _skipping_chain():
    """A chain that hands the gradient past its layers that have no parameters."""
    right = composition.call_backward

    def call_backward(layer, cache, dy):
        grads, dx = right(layer, cache, dy)
        return (grads, dy) if layer.name == "relu" else (grads, dx)

    return [(composition, "call_backward", call_backward)]


def _combinator(name, change):
    """A combinator whose backward function gives `change(params, dx, dy)`."""
    branching = importlib.import_module(f"fcnn.networks.{name}")
    right = getattr(branching, name)

    def wrong(*layers, **settings):
        whole = right(*layers, **settings)

        def backward(cache, dy):
            return change(*whole.backward(cache, dy), dy)

        return attrs.evolve(whole, backward=backward)

    return [(branching, name, wrong)]


def _pool_that_leaves_padding_out():
    right = average_pooling.avg_pool2d_forward

    def forward(x, **settings):
        y, cache = right(x, **settings)
        ones, _ = right(np.ones_like(x), **settings)
        return y / ones, cache

    return [(average_pooling, "avg_pool2d_forward", forward)]


def _gelu_by_tanh(x, result):
    inner = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    return x * (1 + np.tanh(inner)) / 2, result[1]


def _groups_interleaved():
    """Features counted through the groups, not group by group."""
    right = convolution.conv2d_forward

    def forward(params, x, *, groups=1, **settings):
        y, cache = right(params, x, groups=groups, **settings)
        N, _, OH, OW = y.shape
        if groups > 1:
            y = y.reshape(N, groups, -1, OH, OW).swapaxes(1, 2).reshape(y.shape)
        return y, cache

    return [(convolution, "conv2d_forward", forward)]


def _same_to_the_top_left():
    """Padding "same" whose last zero goes to the top and the left."""
    right = convolution._geometry

    def geometry(size, kernel, stride, padding, dilation):
        out, offset = right(size, kernel, stride, padding, dilation)
        if padding == "same":
            reach = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
            offset = tuple(r - o for r, o in zip(reach, offset, strict=True))
        return out, offset

    return [(convolution, "_geometry", geometry)]


def _summed_shards():
    """The gradients of the shards of a batch added up, and not their mean."""
    right = gradients._gradient_of_shard

    def of_shard(model, loss, augment, structure, arrays, shard):
        part, rng, _ = shard
        return right(model, loss, augment, structure, arrays, (part, rng, 1))

    return [(gradients, "_gradient_of_shard", of_shard)]


def _raises(*args, **settings):
    raise IndexError("index 7 is out of bounds")


def _conv_parameters(change):
    return [change_parameters(convolution, "conv2d_backward", change)]


def _conv_shortcut(change):
    """Also what backward itself calls."""
    shortcut = "conv2d_backward_params"
    return [change_result(convolution, shortcut, lambda cache, dy, dparams: change(dparams))]


def _dense_parameters(change):
    name = "dense_backward_params"
    return [change_result(fully_connected, name, lambda cache, dy, dparams: change(dparams))]


# What a mistake in a layer of them shows in.
_STEPS = {"sgd", "adam", "adamw"}
_NETWORKS = {"chain", "value_and_grad"} | _STEPS
# What a layer shows in that is in the network with batch_norm and dropout alone.
_RANDOM = {"chain", "value_and_grad"}
# Losses that are compared with the fused one.
_FUSED = {"softmax_cross_entropy", "smoothed_cross_entropy", "softmax + cross_entropy"}
_COMBINED = _NETWORKS | {"residual", "parallel"}


@attrs.frozen
class Mistake:
    """Replacements for monkeypatch.setattr, and who notices them.

    `reference`: the operations whose shipped values disagree, at least; `layers`: all layers
    whose proofs do not hold, no other ones.
    """

    replacements: list
    reference: set
    layers: set


MISTAKES = {
    "a convolution's bias gradient counted twice": Mistake(
        _conv_parameters(lambda d: Conv2dParams(w=d.w, b=_times(2, d.b))),
        {"conv2d"},
        {"conv2d"} | _COMBINED,
    ),
    "a convolution's bias gradient forgotten": Mistake(
        _conv_shortcut(lambda d: Conv2dParams(w=d.w, b=_times(0, d.b))),
        {"conv2d", "value_and_grad", "sgd"},
        {"conv2d"} | _COMBINED,
    ),
    "a dense layer's bias gradient counted twice": Mistake(
        _dense_parameters(lambda d: DenseParams(w=d.w, b=_times(2, d.b))),
        {"dense", "value_and_grad", "sgd"},
        {"dense"} | _COMBINED,
    ),
    "a dense layer's bias gradient forgotten": Mistake(
        _dense_parameters(lambda d: DenseParams(w=d.w, b=_times(0, d.b))),
        {"dense", "value_and_grad", "sgd"},
        {"dense"} | _COMBINED,
    ),
    "a dense layer's weight gradient transposed": Mistake(
        _dense_parameters(lambda d: DenseParams(w=d.w.T.reshape(d.w.shape), b=d.b)),
        {"dense", "value_and_grad", "sgd"},
        {"dense"} | _COMBINED,
    ),
    "a convolution with the kernel flipped": Mistake(
        _flipped_kernel_forward(), {"conv2d", "value_and_grad"}, {"conv2d"} | _COMBINED
    ),
    "a kernel not flipped on the way back": Mistake(
        _unflipped_kernel_backward(), {"conv2d"}, {"conv2d"} | _COMBINED
    ),
    "a kernel gradient flipped": Mistake(
        _conv_shortcut(lambda d: Conv2dParams(w=d.w[..., ::-1, ::-1], b=d.b)),
        {"conv2d", "value_and_grad", "sgd"},
        {"conv2d"} | _COMBINED,
    ),
    "backward_params unlike backward": Mistake(
        [
            change_result(
                fully_connected,
                "dense_backward",
                lambda cache, dy, both: (tree.map(lambda g: 1.5 * g, both[0]), both[1]),
            )
        ],
        {"dense"},
        {"dense"} | _COMBINED,
    ),
    "a shortcut for the parameters that is wrong": Mistake(
        [
            change_result(
                convolution,
                "conv2d_backward",
                lambda cache, dy, both, right=convolution.conv2d_backward_params: (
                    right(cache, dy),
                    both[1],
                ),
            ),
            *_conv_shortcut(lambda d: tree.map(lambda g: 1.5 * g, d)),
        ],
        {"value_and_grad"},
        {"conv2d"} | _COMBINED,
    ),
    "the gradient of a pool to all ties": Mistake(
        _pooling_to_all_ties(), {"max_pool2d"}, {"max_pool2d", "chain"}
    ),
    "relu that passes the gradient at zero": Mistake(
        [
            (
                activations,
                "relu_forward",
                lambda x: (np.maximum(x, 0), activations.ReluCache(x >= 0, x.dtype)),
            )
        ],
        {"relu"},
        {"relu", "value_and_grad"},
    ),
    "groups whose features are interleaved": Mistake(_groups_interleaved(), {"conv2d"}, {"conv2d"}),
    "padding to the top and left first": Mistake(_same_to_the_top_left(), {"conv2d"}, {"conv2d"}),
    "a mean that leaves the padding out": Mistake(
        _pool_that_leaves_padding_out(), {"avg_pool2d"}, {"avg_pool2d"}
    ),
    "the gradient of a mean not divided": Mistake(
        [
            change_result(
                average_pooling,
                "avg_pool2d_backward",
                lambda cache, dy, dx: dx * cache.window[0] * cache.window[1],
            )
        ],
        {"avg_pool2d"},
        {"avg_pool2d"},
    ),
    "the gradient of a whole mean not divided": Mistake(
        [
            change_result(
                average_pooling,
                "global_avg_pool_backward",
                lambda cache, dy, dx: dx * cache.in_shape[2] * cache.in_shape[3],
            )
        ],
        {"global_avg_pool"},
        {"global_avg_pool"},
    ),
    "leaky relu that passes the gradient at zero": Mistake(
        [
            change_result(
                activations,
                "leaky_relu_forward",
                lambda x, result: (result[0], result[1]._replace(positive=x >= 0)),
            )
        ],
        {"leaky_relu"},
        {"leaky_relu"},
    ),
    "leaky relu that forgets its slope on the way back": Mistake(
        [
            change_result(
                activations, "leaky_relu_backward", lambda cache, dy, dx: dy * cache.positive
            )
        ],
        {"leaky_relu"},
        {"leaky_relu"},
    ),
    "half of the derivative of sigmoid": Mistake(
        [(smooth_activations, "sigmoid_backward", lambda y, dy: dy * y)],
        {"sigmoid"},
        {"sigmoid"},
    ),
    "the derivative of tanh by its input": Mistake(
        [(smooth_activations, "tanh_backward", lambda y, dy: dy * (1 - np.tanh(y) ** 2))],
        {"tanh"},
        {"tanh", "residual"} | _RANDOM,
    ),
    "gelu by tanh": Mistake(
        [change_result(gelu, "gelu_forward", _gelu_by_tanh)],
        {"gelu"},
        {"gelu", "parallel"},
    ),
    "gelu without the derivative of its gate": Mistake(
        [(gelu, "gelu_backward", lambda cache, dy: dy * cache.cdf)],
        {"gelu"},
        {"gelu", "parallel"},
    ),
    "a residual that loses the gradient past its layer": Mistake(
        _combinator("residual", lambda params, dx, dy: (params, dx - dy)), set(), {"residual"}
    ),
    "a parallel that divides the gradient": Mistake(
        _combinator("parallel", lambda params, dx, dy: (params, dx / 2)), set(), {"parallel"}
    ),
    "the softmax derivative doubled": Mistake(
        [change_result(softmax, "softmax_backward", lambda p, dy, dx: 2 * dx)],
        {"softmax", "value_and_grad"},
        {"softmax", "softmax + cross_entropy", "chain", "value_and_grad"},
    ),
    "the diagonal of the softmax Jacobian alone": Mistake(
        [(softmax, "softmax_backward", lambda p, dy: dy * p * (1 - p))],
        {"softmax", "value_and_grad"},
        {"softmax", "softmax + cross_entropy", "chain", "value_and_grad"},
    ),
    "the softmax derivative twice in the fused loss": Mistake(
        [
            change_result(
                losses,
                "softmax_cross_entropy_backward",
                lambda cache, d: activations.softmax_backward(cache.probabilities, d),
            )
        ],
        {"softmax_cross_entropy", "value_and_grad", "sgd"},
        _FUSED | {"value_and_grad"} | _STEPS,
    ),
    "the softmax derivative inside the loss as well": Mistake(
        [
            change_result(
                losses,
                "cross_entropy_backward",
                lambda cache, dp: activations.softmax_backward(cache.probabilities, dp),
            )
        ],
        {"cross_entropy", "value_and_grad"},
        {"cross_entropy", "softmax + cross_entropy", "value_and_grad"},
    ),
    "a loss by the logits before a softmax layer": Mistake(
        [
            change_result(
                losses,
                "cross_entropy_backward",
                lambda cache, _: losses.softmax_cross_entropy_backward(
                    losses.SoftmaxCrossEntropyCache(*cache)
                ),
            )
        ],
        {"cross_entropy", "value_and_grad"},
        {"cross_entropy", "softmax + cross_entropy", "value_and_grad"},
    ),
    "a loss whose gradient sums over the batch": Mistake(
        [
            change_result(
                losses,
                "softmax_cross_entropy_backward",
                lambda cache, d: len(cache.labels) * d,
            )
        ],
        {"softmax_cross_entropy", "value_and_grad", "sgd"},
        _FUSED | {"value_and_grad"} | _STEPS,
    ),
    "a loss that sums over the batch, value and gradient": Mistake(
        [
            change_result(
                losses,
                "cross_entropy_forward",
                lambda p, labels, found: (len(labels) * found[0], found[1]),
            ),
            change_result(
                losses,
                "cross_entropy_backward",
                lambda cache, d: len(cache.labels) * d,
            ),
        ],
        {"cross_entropy", "value_and_grad"},
        {"cross_entropy", "softmax + cross_entropy", "value_and_grad"},
    ),
    "features flattened in another order": Mistake(
        [
            (
                reshaping,
                "flatten_forward",
                lambda x: (
                    np.moveaxis(x, 1, -1).reshape(len(x), -1),
                    reshaping.FlattenCache(x.shape, x.dtype),
                ),
            )
        ],
        {"flatten"},
        {"flatten"} | _NETWORKS,
    ),
    "features flattened and put back in another order": Mistake(
        [
            (
                reshaping,
                "flatten_forward",
                lambda x: (
                    np.moveaxis(x, 1, -1).reshape(len(x), -1),
                    reshaping.FlattenCache(x.shape, x.dtype),
                ),
            ),
            (
                reshaping,
                "flatten_backward",
                lambda cache, dy: np.moveaxis(
                    dy.reshape(cache[0][0], *cache[0][2:], cache[0][1]), -1, 1
                ),
            ),
        ],
        {"flatten", "value_and_grad"},
        {"flatten", "value_and_grad"} | _STEPS,
    ),
    "gradients that are not numbers": Mistake(
        [change_result(activations, "relu_backward", lambda cache, dy, dx: dx * np.nan)],
        {"relu", "value_and_grad", "sgd"},
        {"relu"} | _NETWORKS,
    ),
    "a backward function that raises": Mistake(
        [(reshaping, "flatten_backward", _raises)], set(), {"flatten"} | _NETWORKS
    ),
    "a chain that forgets a layer's gradient": Mistake(
        _forgetful_chain(), set(), {"chain", "value_and_grad"}
    ),
    "a chain that goes past relu on the way back": Mistake(_skipping_chain(), set(), _NETWORKS),
    "shards added up": Mistake(_summed_shards(), set(), {"value_and_grad"}),
    "the sign of the momentum": Mistake(
        mistaken_optimizers.other_sgd(mistaken_optimizers.momentum_sign), {"sgd"}, {"sgd"}
    ),
    "the sign of the step": Mistake(
        mistaken_optimizers.other_sgd(mistaken_optimizers.velocity_subtracted), {"sgd"}, {"sgd"}
    ),
    "momentum dampened": Mistake(
        mistaken_optimizers.other_sgd(mistaken_optimizers.dampened), {"sgd"}, {"sgd"}
    ),
    "Nesterov's momentum": Mistake(
        mistaken_optimizers.other_sgd(mistaken_optimizers.nesterov), {"sgd"}, {"sgd"}
    ),
    "steps without Nesterov": Mistake(mistaken_optimizers.forgetful_nesterov(), {"sgd"}, {"sgd"}),
    "sgd whose weight decay goes through the momentum": Mistake(
        mistaken_optimizers.decay_through_the_gradient(optimizers, "sgd", optimizers.sgd),
        set(),
        {"sgd"},
    ),
    "sgd that decays biases": Mistake(
        mistaken_optimizers.decay_of_every_leaf(optimizers), set(), {"sgd"}
    ),
    "adam without the correction of its means": Mistake(
        mistaken_optimizers.adam_with(mistaken_optimizers.uncorrected),
        {"adam", "adamw"},
        {"adam", "adamw"},
    ),
    "adam that corrects its means a step late": Mistake(
        mistaken_optimizers.adam_with(mistaken_optimizers.corrected_a_step_late),
        {"adam", "adamw"},
        {"adam", "adamw"},
    ),
    "adam with epsilon under the root": Mistake(
        mistaken_optimizers.adam_with(mistaken_optimizers.epsilon_under_the_root),
        {"adam", "adamw"},
        {"adam", "adamw"},
    ),
    "adamw whose weight decay goes through the means": Mistake(
        mistaken_optimizers.decay_through_the_gradient(
            adaptive_moments, "adamw", adaptive_moments.adam
        ),
        {"adamw"},
        {"adamw"},
    ),
    "adamw that decays biases": Mistake(
        mistaken_optimizers.decay_of_every_leaf(adaptive_moments), {"adamw"}, {"adamw"}
    ),
    "a mean of the batch that does not depend on x": Mistake(
        mistaken_modes.batch_norm_gradient(mistaken_modes.through_the_mean),
        {"batch_norm"},
        {"batch_norm"} | _RANDOM,
    ),
    "a variance of the batch that does not depend on x": Mistake(
        mistaken_modes.batch_norm_gradient(mistaken_modes.through_the_variance),
        {"batch_norm"},
        {"batch_norm"} | _RANDOM,
    ),
    "neither mean nor variance depend on x": Mistake(
        mistaken_modes.batch_norm_gradient(
            lambda cache, dy, dparams, dx: (
                dy * mistaken_modes.per_channel(cache.params.scale * cache.inverse, dy)
            )
        ),
        {"batch_norm"},
        {"batch_norm"} | _RANDOM,
    ),
    "a variance divided by one less": Mistake(
        mistaken_modes.variance_of_a_sample(), {"batch_norm"}, {"batch_norm"} | _RANDOM
    ),
    "a variance divided by one less, value and gradient": Mistake(
        mistaken_modes.variance_of_a_sample_throughout(), {"batch_norm"}, {"batch_norm"}
    ),
    "batch_norm that forgets its scale on the way back": Mistake(
        mistaken_modes.batch_norm_gradient(mistaken_modes.without_scale),
        {"batch_norm"},
        {"batch_norm"} | _RANDOM,
    ),
    "statistics of the batch in inference": Mistake(
        mistaken_modes.statistics_of_the_batch_in_inference(), {"batch_norm"}, {"batch_norm"}
    ),
    "a gradient of the running mean": Mistake(
        [
            change_result(
                normalization,
                "batch_norm_backward_params",
                lambda cache, dy, dparams: mistaken_modes.gradient_of_the_running_mean(dparams),
            )
        ],
        {"batch_norm"},
        {"batch_norm"} | _RANDOM,
    ),
    "dropout that passes every gradient": Mistake(
        [(regularization, "dropout_backward", lambda cache, dy: dy)],
        set(),
        {"dropout"} | _RANDOM,
    ),
    "dropout that does not scale the gradient": Mistake(
        [
            change_result(
                regularization,
                "dropout_backward",
                lambda cache, dy, dx: dx if cache[0] is None else dy * (cache[0] != 0),
            )
        ],
        set(),
        {"dropout"} | _RANDOM,
    ),
    "dropout that does not scale, value and gradient": Mistake(
        [change_result(regularization, "dropout_forward", mistaken_modes.not_scaled)],
        set(),
        {"dropout"},
    ),
    "dropout that scales in inference": Mistake(
        mistaken_modes.dropout_in_inference(), set(), {"dropout"}
    ),
    "a rate that is what dropout keeps": Mistake(
        mistaken_modes.rate_that_is_kept(), set(), {"dropout"}
    ),
    "smoothing spread over the other classes": Mistake(
        mistaken_losses.smoothed(mistaken_losses.spread_over_the_others),
        {"smoothed_cross_entropy"},
        {"smoothed_cross_entropy"},
    ),
    "smoothing without the weights of the classes": Mistake(
        mistaken_losses.smoothed(mistaken_losses.smoothing_not_weighted),
        {"smoothed_cross_entropy"},
        {"smoothed_cross_entropy"},
    ),
    "a weighted loss divided by the number of examples": Mistake(
        mistaken_losses.smoothed(mistaken_losses.mean_over_examples),
        {"smoothed_cross_entropy"},
        {"smoothed_cross_entropy", "value_and_grad"},
    ),
    "a smoothed gradient of targets that do not add up to 1": Mistake(
        [
            (
                weighted_losses,
                "smoothed_cross_entropy_backward",
                lambda cache: (cache.probabilities - cache.targets) / cache.total,
            )
        ],
        {"smoothed_cross_entropy"},
        {"smoothed_cross_entropy", "value_and_grad"},
    ),
    "shards weighed by their size": Mistake(
        mistaken_losses.shards_weighed_by_their_size(), set(), {"value_and_grad"}
    ),
}
