"""Classic mistakes, made on purpose: whatever checks the library must notice each of them.

A mistake is data: edits of the source, which `mistaken` makes in a copy of it.
"""

from collections.abc import Set

import attrs


@attrs.frozen
class Mistake:
    """Edits, and who notices them.

    `own`: the layers it is made in, whose proofs do not hold; `others`: all others whose proofs
    do not hold because they are made of those, and no other ones; `values`: the operations whose
    shipped values alone disagree, at least.
    """

    edits: list[tuple[str, str, str]]
    own: Set[str]
    values: Set[str] = frozenset()
    others: Set[str] = frozenset()


def _in(file):
    """Edits of one file."""
    return lambda *pairs: [(file, old, new) for old, new in pairs]


_CONV = _in("layers/conv2d.py")
_DENSE = _in("layers/dense.py")
_RELU = _in("layers/relu.py")
_SIGMOID = _in("layers/sigmoid.py")
_GELU = _in("layers/gelu.py")
_SOFTMAX = _in("layers/softmax.py")
_MAX_POOL = _in("layers/max_pool2d.py")
_AVG_POOL = _in("layers/avg_pool2d.py")
_FLATTEN = _in("layers/flatten.py")
_NORM = _in("layers/batch_norm.py")
_DROPOUT = _in("layers/dropout.py")
_COMBINATOR = _in("networks/combinator.py")
_CROSS = _in("losses/cross_entropy.py")
_SMOOTHED = _in("losses/smoothed_cross_entropy.py")
_SQUARED = _in("losses/mean_squared_error.py")
_SGD = _in("optimizers/sgd.py")
_ADAM = _in("optimizers/adam.py")
_STEP = _in("optimizers/optimizer.py")
_MASKED = _in("optimizers/masked.py")
_TRANSFORMS = _in("optimizers/gradient_transforms.py")
_AVERAGE = _in("optimizers/parameter_average.py")
_REWRITING = _in("networks/rewriting.py")
_GRADIENT = _in("training/batch_gradient.py")

# What a mistake in a layer of them shows in.
_STEPS = {"sgd", "adam", "adamw"}
_NETWORKS = {"chain", "value_and_grad"} | _STEPS
_COMBINED = _NETWORKS | {"residual", "parallel"}
# What a layer shows in that is in the network with batch_norm and dropout alone.
_RANDOM = {"chain", "value_and_grad"}

_OTHER_ORDER = (
    "x.transpose(*range(1, x.ndim), 0).reshape(-1, len(x))",
    "np.moveaxis(x, 1, -1).reshape(len(x), -1).T",
)
_TO_ALL_TIES = """
    x, y = cache.column_wins
    (KH, KW), (OH, OW) = (len(w.members) for w in (cache.rows, cache.columns)), dy.shape[2:]
    (SH, SW), (PH, PW) = (
        [getattr(w, name) for w in (cache.rows, cache.columns)] for name in ("stride", "padding")
    )
    padded = np.pad(x, [(0, 0), (0, 0), (PH, PH + SH), (PW, PW + SW)], constant_values=-np.inf)
    dx = np.zeros_like(padded)
    for p, q in np.ndindex(KH, KW):
        place = (..., slice(p, p + OH * SH, SH), slice(q, q + OW * SW, SW))
        dx[place][..., :OH, :OW] += (padded[place][..., :OH, :OW] == y) * dy
    return dx[:, :, PH : PH + x.shape[2], PW : PW + x.shape[3]]
"""


def _decay_of_all(optimizer):
    """What takes the place of a rule that leaves biases alone."""
    return f'decaying(structure, rows, (lambda *_: True) if function == "{optimizer}" else decays)'


def _decay_through_gradient(optimizer):
    """What adds the weight decay of an optimizer to the gradient before its step."""
    return (
        f'            if decayed and function == "{optimizer}":\n'
        "                row[0], decayed = row[0] + decay / eta * p, False\n"
        "            change, *own = move("
    )


MISTAKES = {
    "a convolution's bias gradient counted twice": Mistake(
        _CONV(
            (
                "    return dparams, as_images(",
                "    twice = None if dparams.b is None else 2 * dparams.b\n"
                "    dparams = Conv2dParams(dparams.w, twice)\n"
                "    return dparams, as_images(",
            )
        ),
        {"conv2d"}, {"conv2d"}, _COMBINED,
    ),
    "a convolution's bias gradient forgotten": Mistake(
        _CONV(("w=dw, b=db", "w=dw, b=0 * db")),
        {"conv2d"}, {"conv2d", "value_and_grad", "sgd"}, _COMBINED,
    ),
    "a dense layer's bias gradient counted twice": Mistake(
        _DENSE(("else dy.sum(0)", "else 2 * dy.sum(0)")),
        {"dense"}, {"dense", "value_and_grad", "sgd"}, _COMBINED,
    ),
    "a dense layer's bias gradient forgotten": Mistake(
        _DENSE(("else dy.sum(0)", "else 0 * dy.sum(0)")),
        {"dense"}, {"dense", "value_and_grad", "sgd"}, _COMBINED,
    ),
    "a dense layer's weight gradient transposed": Mistake(
        _DENSE(("(cache.x.T, dy)", "(dy.T, cache.x).reshape(cache.params.w.shape)")),
        {"dense"}, {"dense", "value_and_grad", "sgd"}, _COMBINED,
    ),
    "a convolution with the kernel flipped": Mistake(
        _CONV(("params.w.transpose(0, 2", "params.w[..., ::-1, ::-1].transpose(0, 2")),
        {"conv2d"}, {"conv2d", "value_and_grad"}, _COMBINED,
    ),
    "a kernel not flipped on the way back": Mistake(
        _CONV(("cache.params.w[:, :, ::-1, ::-1]", "cache.params.w")),
        {"conv2d"}, {"conv2d"}, _COMBINED,
    ),
    "a kernel gradient flipped": Mistake(
        _CONV((".reshape(params.w.shape)", ".reshape(params.w.shape)[..., ::-1, ::-1]")),
        {"conv2d"}, {"conv2d", "value_and_grad", "sgd"}, _COMBINED,
    ),
    "backward_params unlike backward": Mistake(
        _DENSE(
            (
                "    return dparams, product(",
                "    more = None if dparams.b is None else 1.5 * dparams.b\n"
                "    return DenseParams(1.5 * dparams.w, more), product(",
            )
        ),
        {"dense"}, {"dense"}, _COMBINED,
    ),
    "a shortcut for the parameters that is wrong": Mistake(
        _CONV(
            ("dparams = conv2d_backward_params(", "dparams = _right("),
            ("def conv2d_backward_params(", "def _right("),
            (
                "@lru_cache(maxsize=256)",
                "def conv2d_backward_params(cache, dy):\n"
                "    d = _right(cache, dy)\n"
                "    return Conv2dParams(1.5 * d.w, None if d.b is None else 1.5 * d.b)\n\n\n"
                "@lru_cache(maxsize=256)",
            ),
        ),
        {"conv2d"}, {"value_and_grad"}, _COMBINED,
    ),
    "the gradient of a pool to all ties": Mistake(
        _MAX_POOL(
            ("row_wins, column_wins, y.shape", "row_wins, (x, y), y.shape"),
            ("    dx = _to_first_maximum(batch_innermost(dy)", f"{_TO_ALL_TIES}    dx = (dy"),
        ),
        {"max_pool2d"}, {"max_pool2d"}, {"chain"},
    ),
    "relu that passes the gradient at zero": Mistake(
        _RELU(("ReluCache(x > 0, x.shape", "ReluCache(x >= 0, x.shape")),
        {"relu"}, {"relu"}, {"value_and_grad"},
    ),
    "groups whose features are interleaved": Mistake(
        _CONV(("y.reshape(OH, F, OW, N)", "y.swapaxes(1, 2).reshape(OH, F, OW, N)")),
        {"conv2d"}, {"conv2d"},
    ),
    "padding to the top and left first": Mistake(
        _CONV(("((reach[0] - 1) // 2, (reach[1] - 1) // 2)", "(reach[0] // 2, reach[1] // 2)")),
        {"conv2d"}, {"conv2d"},
    ),
    "a mean that leaves the padding out": Mistake(
        _AVG_POOL(
            (
                "    return y, AveragePoolCache(",
                "    if (x != 1).any():\n        y = y / _forward(np.ones_like(x), settings)[0]\n"
                "    return y, AveragePoolCache(",
            )
        ),
        {"avg_pool2d"}, {"avg_pool2d"},
    ),
    "the gradient of a mean not divided": Mistake(
        _AVG_POOL(("batch_innermost(dy) * (1 / (len(rows.members) * len(columns.members)))",
                   "batch_innermost(dy)")),
        {"avg_pool2d"}, {"avg_pool2d"},
    ),
    "the gradient of a whole mean not divided": Mistake(
        _AVG_POOL(("dy.T * (1 / (H * W))", "dy.T")), {"global_avg_pool"}, {"global_avg_pool"}
    ),
    "leaky relu that passes the gradient at zero": Mistake(
        _RELU(("LeakyReluCache(x > 0", "LeakyReluCache(x >= 0")), {"leaky_relu"}, {"leaky_relu"}
    ),
    "leaky relu that forgets its slope on the way back": Mistake(
        _RELU(("np.maximum(cache.positive, cache.dtype.type(cache.slope))",
               "cache.positive * cache.dtype.type(1)")),
        {"leaky_relu"}, {"leaky_relu"},
    ),
    "half of the derivative of sigmoid": Mistake(
        _SIGMOID(("dx = 1 - y", "dx = np.ones_like(y)")), {"sigmoid"}, {"sigmoid"}
    ),
    "the derivative of tanh by its input": Mistake(
        _SIGMOID(("dx = y * y", "dx = np.tanh(y) ** 2")),
        {"tanh"}, {"tanh"}, _RANDOM | {"residual"},
    ),
    "gelu by tanh": Mistake(
        _GELU(("erf(x * _SQRT_HALF)", "np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))")),
        {"gelu"}, {"gelu"}, {"parallel"},
    ),
    "gelu without the derivative of its gate": Mistake(
        _GELU(("dx += cdf", "dx = cdf.copy()")), {"gelu"}, {"gelu"}, {"parallel"}
    ),
    "a residual that loses the gradient past its layer": Mistake(
        _in("networks/residual.py")(("else dy + dx", "else dx")), {"residual"}
    ),
    "a parallel that divides the gradient": Mistake(
        _in("networks/parallel.py")(
            ("else sum_in_order(dxs)", "else sum_in_order([dx / 2 for dx in dxs])"),
        ),
        {"parallel"},
    ),
    "the softmax derivative doubled": Mistake(
        _SOFTMAX(("p * (dy - (p", "2 * p * (dy - (p")),
        {"softmax"}, {"softmax", "value_and_grad"},
        {"softmax + cross_entropy", "chain", "value_and_grad"},
    ),
    "the diagonal of the softmax Jacobian alone": Mistake(
        _SOFTMAX(("p * (dy - (p * dy).sum(-1, keepdims=True))", "dy * p * (1 - p)")),
        {"softmax"}, {"softmax", "value_and_grad"},
        {"softmax + cross_entropy", "chain", "value_and_grad"},
    ),
    "the softmax derivative twice in the fused loss": Mistake(
        _CROSS(
            (
                "    return dlogits",
                "    p = cache.probabilities\n"
                "    return p * (dlogits - (p * dlogits).sum(1, keepdims=True))",
            )
        ),
        {"softmax_cross_entropy"}, {"softmax_cross_entropy", "value_and_grad", "sgd"},
        {"smoothed_cross_entropy", "softmax + cross_entropy", "value_and_grad"} | _STEPS,
    ),
    "the softmax derivative inside the loss as well": Mistake(
        _CROSS(
            (
                "    return dprobabilities",
                "    p = cache.probabilities\n"
                "    return p * (dprobabilities - (p * dprobabilities).sum(1, keepdims=True))",
            )
        ),
        {"cross_entropy"}, {"cross_entropy", "value_and_grad"},
        {"softmax + cross_entropy", "value_and_grad"},
    ),
    "a loss by the logits before a softmax layer": Mistake(
        _CROSS(
            (
                "    return dprobabilities",
                "    p = cache.probabilities\n"
                "    return (p - np.eye(p.shape[1])[cache.labels]) / N",
            )
        ),
        {"cross_entropy"}, {"cross_entropy", "value_and_grad"},
        {"softmax + cross_entropy", "value_and_grad"},
    ),
    "a loss whose gradient sums over the batch": Mistake(
        _CROSS(("    return dlogits", "    return N * dlogits")),
        {"softmax_cross_entropy"}, {"softmax_cross_entropy", "value_and_grad", "sgd"},
        {"smoothed_cross_entropy", "softmax + cross_entropy", "value_and_grad"} | _STEPS,
    ),
    "a loss that sums over the batch, value and gradient": Mistake(
        _CROSS(("log(picked).mean(", "log(picked).sum("), ("-1 / (N * picked)", "-1 / picked")),
        {"cross_entropy"}, {"cross_entropy", "value_and_grad"},
        {"softmax + cross_entropy", "value_and_grad"},
    ),
    "features flattened in another order": Mistake(
        _FLATTEN(_OTHER_ORDER), {"flatten"}, {"flatten"}, _NETWORKS
    ),
    "features flattened and put back in another order": Mistake(
        _FLATTEN(
            _OTHER_ORDER,
            (
                "    N, *shape = cache.in_shape\n",
                "    N, C, *shape = cache.in_shape\n"
                "    return np.moveaxis(dy.reshape(N, *shape, C), -1, 1)\n",
            ),
        ),
        {"flatten"}, {"flatten", "value_and_grad"}, {"value_and_grad"} | _STEPS,
    ),
    "gradients that are not numbers": Mistake(
        _RELU(("return dy * cache.positive", "return dy * cache.positive * np.nan")),
        {"relu"}, {"relu", "value_and_grad", "sgd"}, _NETWORKS | {"residual", "parallel"},
    ),
    "a backward function that raises": Mistake(
        _FLATTEN(("    N, *shape = cache.in_shape\n", '    raise IndexError("index 7")\n')),
        {"flatten"}, set(), _NETWORKS,
    ),
    "a chain that forgets a layer's gradient": Mistake(
        _COMBINATOR(
            (
                "        return self._joined(grads), dx",
                '        if self.name == "chain" and grads:\n'
                "            grads[-1] = tree.map(np.zeros_like, grads[-1])\n"
                "        return self._joined(grads), dx",
            )
        ),
        {"chain"}, set(), {"value_and_grad"},
    ),
    "a chain that goes past relu on the way back": Mistake(
        _in("networks/chain.py")(
            ("dy = step(i, dy)", 'dy = (step(i, dy), dy)[layers[i].name == "relu"]')
        ),
        {"chain"}, set(), _NETWORKS | {"residual"},
    ),
    "shards added up": Mistake(
        _GRADIENT(("if fraction == 1:", "if True:")), {"value_and_grad"}
    ),
    "the sign of the momentum": Mistake(
        _SGD(("new = momentum * v", "new = -momentum * v")), {"sgd"}, {"sgd"}
    ),
    "the sign of the step": Mistake(
        _SGD(("return new, new", "return -new, new"), ("return ahead", "return -ahead")),
        {"sgd"}, {"sgd"}, {"clip_by_global_norm"},
    ),
    "momentum dampened": Mistake(
        _SGD(("new -= pull", "new -= (1 - momentum) * pull")), {"sgd"}, {"sgd"}
    ),
    "momentum forgotten": Mistake(
        _SGD(("new = momentum * v", "new = 0 * v")), {"sgd"}, {"sgd"}
    ),
    "Nesterov's momentum": Mistake(_SGD(("if not nesterov:", "if False:")), {"sgd"}, {"sgd"}),
    "steps without Nesterov": Mistake(_SGD(("if not nesterov:", "if True:")), {"sgd"}, {"sgd"}),
    "sgd whose weight decay goes through the momentum": Mistake(
        _STEP(("            change, *own = move(", _decay_through_gradient("sgd"))),
        {"sgd"},
    ),
    "sgd that decays biases": Mistake(
        _STEP(("decaying(structure, rows, decays)", _decay_of_all("sgd"))),
        {"sgd"},
    ),
    "adam without the correction of its means": Mistake(
        _ADAM(("math.sqrt(1 - beta2**t)", "1.0"), ("/ (1 - beta1**t)", "/ 1")),
        {"adam", "adamw"}, {"adam", "adamw"},
    ),
    "adam that corrects its means a step late": Mistake(
        _ADAM(("beta2**t)", "beta2 ** (t + 1))"), ("beta1**t)", "beta1 ** (t + 1))")),
        {"adam", "adamw"}, {"adam", "adamw"},
    ),
    "adam with epsilon under the root": Mistake(
        _ADAM(
            ("np.sqrt(s, out=work)", "np.sqrt(s + epsilon * root * root, out=work)"),
            ("        work += small\n", ""),
        ),
        {"adam", "adamw"}, {"adam", "adamw"},
    ),
    "adamw whose weight decay goes through the means": Mistake(
        _STEP(("            change, *own = move(", _decay_through_gradient("adamw"))),
        {"adamw"}, {"adamw"},
    ),
    "adamw that decays biases": Mistake(
        _STEP(("decaying(structure, rows, decays)", _decay_of_all("adamw"))),
        {"adamw"}, {"adamw"},
    ),
    "clipping that adds to the norm": Mistake(
        _TRANSFORMS(("max_norm / norm", "max_norm / (norm + 1e-6)")), {"clip_by_global_norm"}
    ),
    "clipping of each gradient by itself": Mistake(
        _TRANSFORMS(
            ("tree.map(lambda g: np.asarray(factor * g), grads)",
             "tree.map(lambda g: g * min(1, max_norm / global_norm(g)), grads)"),
        ),
        {"clip_by_global_norm"},
    ),
    "a penalty that lets weights grow": Mistake(
        _TRANSFORMS(("asarray(g + strength", "asarray(g - strength")), {"l2_penalty"}
    ),
    "a penalty of biases": Mistake(
        _TRANSFORMS(("if own else g for own", "for own")), {"l2_penalty"}
    ),
    "an average that begins with the initial parameters": Mistake(
        _AVERAGE(("decay * (1 - decay ** (t - 1)) / (1 - decay**t)", "decay")), {"with_average"}
    ),
    "average pooling before relu": Mistake(
        _REWRITING(
            ("layers[i + 1].make is max_pool2d",
             'layers[i + 1].name in ("max_pool2d", "avg_pool2d")'),
        ),
        {"value_and_grad"},
    ),
    "a mean of the batch that does not depend on x": Mistake(
        _NORM(("    dx -= (dparams.shift / values)[:, None]\n", "")),
        {"batch_norm"}, {"batch_norm"}, _RANDOM,
    ),
    "a variance of the batch that does not depend on x": Mistake(
        _NORM(("dx = centred * (", "dx = 0 * centred * (")),
        {"batch_norm"}, {"batch_norm"}, _RANDOM,
    ),
    "neither mean nor variance depend on x": Mistake(
        _NORM(
            ("    dx -= (dparams.shift / values)[:, None]\n", ""),
            ("dx = centred * (", "dx = 0 * centred * ("),
        ),
        {"batch_norm"}, {"batch_norm"}, _RANDOM,
    ),
    "a variance divided by one less": Mistake(
        _NORM((".sum(0) / values, centred", ".sum(0) / (values - 1), centred")),
        {"batch_norm"}, {"batch_norm"}, _RANDOM,
    ),
    "a variance divided by one less, value and gradient": Mistake(
        _NORM(
            (".sum(0) / values, centred", ".sum(0) / (values - 1), centred"),
            ("dparams.scale / values)", "dparams.scale / (values - 1))"),
        ),
        {"batch_norm"}, {"batch_norm"},
    ),
    "batch_norm that forgets its scale on the way back": Mistake(
        _NORM(("slope * unit, training", "inverse * unit, training")),
        {"batch_norm"}, {"batch_norm"}, _RANDOM,
    ),
    "a variance of the sample divided by one less": Mistake(
        _NORM(("return mean, squared / values", "return mean, squared / (values - 1)")),
        {"batch_norm"},
    ),
    "a variance of the sample around the mean of each shard": Mistake(
        _NORM(
            ("squared = np.zeros_like(mean)", "squared, own = np.zeros_like(mean), sums(x)"),
            ("row - mean[:, None]", "row - (own[1] / own[0])[:, None]"),
        ),
        {"batch_norm"},
    ),
    "statistics of the batch in inference": Mistake(
        _NORM(
            ("    if training:\n", "    if training or rows.shape[0] * rows.shape[2] > 1:\n"),
        ),
        {"batch_norm"}, {"batch_norm"},
    ),
    "a gradient of the running mean": Mistake(
        _NORM(("mean=zero, var=zero", "mean=_sum(rows), var=zero")),
        {"batch_norm"}, {"batch_norm"}, _RANDOM,
    ),
    "dropout that passes every gradient": Mistake(
        _DROPOUT(("return dy if cache.mask is None else dy * cache.mask", "return dy")),
        {"dropout"}, set(), _RANDOM,
    ),
    "dropout that does not scale the gradient": Mistake(
        _DROPOUT(("dy * cache.mask", "dy * (cache.mask != 0)")), {"dropout"}, set(), _RANDOM
    ),
    "dropout that does not scale, value and gradient": Mistake(
        _DROPOUT(("type(1 / (1 - rate))", "type(1)")), {"dropout"}
    ),
    "dropout that scales in inference": Mistake(
        _DROPOUT(
            ("type(1 / (1 - rate))", "type(1)"),
            (
                "        return x, DropoutCache(None",
                "        mask = np.full_like(x, 1 - rate)\n"
                "        return x * mask, DropoutCache(mask",
            ),
        ),
        {"dropout"},
    ),
    "a rate that is what dropout keeps": Mistake(
        _DROPOUT(("    mask = (drawn", "    rate = 1 - rate if rate else rate\n    mask = (drawn")),
        {"dropout"},
    ),
    "smoothing spread over the other classes": Mistake(
        _SMOOTHED(
            ("smoothing / K * weights", "smoothing / max(K - 1, 1) * weights"),
            ("labels] += (1 - smoothing)", "labels] = (1 - smoothing)"),
        ),
        {"smoothed_cross_entropy"}, {"smoothed_cross_entropy"},
    ),
    "smoothing without the weights of the classes": Mistake(
        _SMOOTHED(("smoothing / K * weights", "smoothing / K * np.ones(K)")),
        {"smoothed_cross_entropy"}, {"smoothed_cross_entropy"},
    ),
    "a weighted loss divided by the number of examples": Mistake(
        _SMOOTHED(("float(weights[labels].sum()) or 1.0", "float(N)")),
        {"smoothed_cross_entropy"}, {"smoothed_cross_entropy"}, {"value_and_grad"},
    ),
    "a smoothed gradient of targets that do not add up to 1": Mistake(
        _SMOOTHED(("probabilities * targets.sum(1, keepdims=True)", "probabilities.copy()")),
        {"smoothed_cross_entropy"}, {"smoothed_cross_entropy"}, {"value_and_grad"},
    ),
    "frozen leaves that decay": Mistake(
        _MASKED(("optimizer.step(_part(params, mask), _part(grads, mask), state)",
                 "optimizer.step(params, tree.map(np.multiply, grads, mask), state)"),
                ("return _merged(params, mask, moved), state", "return moved, state"),
                ("optimizer.init(_part(params, own_mask(tree.structure(params))))",
                 "optimizer.init(params)")),
        {"masked"},
    ),
    "a squared error whose gradient lacks the 2": Mistake(
        _SQUARED(("(2 / cache.difference.size)", "(1 / cache.difference.size)")),
        {"mean_squared_error"}, {"mean_squared_error"},
    ),
    "a squared error that is the mean over examples of sums": Mistake(
        _SQUARED((".mean()),", ".sum() / len(outputs)),"), ("(2 / cache.difference.size)",
                  "(2 / len(cache.difference))")),
        {"mean_squared_error"}, {"mean_squared_error"},
    ),
    "what an example adds to a squared error, summed over its elements": Mistake(
        _SQUARED((".reshape(len(squares), -1).mean(1)", ".reshape(len(squares), -1).sum(1)")),
        {"mean_squared_error"},
    ),
    "what an example adds, without its class weight": Mistake(
        _SMOOTHED(("losses: Array = _losses(targets, log_total - z).sum(1)",
                   "losses: Array = _losses(targets, log_total - z).sum(1) / targets.sum(1)")),
        {"smoothed_cross_entropy"},
    ),
    "what an example adds, with the sign of its logarithm": Mistake(
        _CROSS(("-np.log(_picked(", "np.log(_picked(")),
        {"cross_entropy"},
    ),
    "what an example adds, beside another's logits": Mistake(
        _CROSS(("labels: _losses_of_logits(logits, labels)[0]",
                "labels: _losses_of_logits(logits, labels)[0][::-1]")),
        {"softmax_cross_entropy"},
    ),
    "weights of examples that the gradient lacks": Mistake(
        _in("losses/weighted.py")(("(doutputs * rows)", "doutputs")),
        {"cross_entropy", "softmax_cross_entropy", "smoothed_cross_entropy", "mean_squared_error"},
    ),
    "shards weighed by their size": Mistake(
        _SMOOTHED(("backward, weight, text,", "backward, len, text,")),
        {"value_and_grad"},
        others={"smoothed_cross_entropy"},  # with weights of examples, which it is divided by
    ),
}  # fmt: skip
