"""Convolutional networks in NumPy alone, as pure functions.

The house, from the top down; a room imports only from rooms below it:

cli                         the command line: options in, words out
proof                       what fcnn claims, and the cases that prove it: `fcnn verify`
runs                        recipes, settings, run folders, the experiment
exchange, sklearn           models in files, of fcnn and of others; the scikit-learn classifier
training                    the gradient of a batch; fit, predict, evaluate, calibrate
models, check, pictures     networks by name; the gradient checker; figures
networks                    chain, residual, parallel
layers, optimizers          a file for each, named after it
losses, schedules, augmentation, data
tree                        trees of arrays: parameters, gradients, velocities
distributed                 threads and processes: who computes which shard
files, arguments            whole files and locks; what functions are given, checked
numerics                    arrays, row windows, the error function, random streams

Every forward pass returns (output, cache), every gradient is written by hand in a separate
backward function, parameters are immutable trees, and nothing else hides anywhere. What a
function returns may share memory with its arguments or its cache, and no function writes to
either: treat arrays as values.

Axes go by these letters everywhere: N batch, C channels in, F features out, H W height and
width, KH KW kernel or window, SH SW stride, DH DW dilation, PH PW padding, OH OW output, G
groups, D K dense in and out (K also: classes).

Public rooms, loaded when they are first asked for: fcnn.data, fcnn.models, fcnn.schedules,
fcnn.augmentation, fcnn.pictures, fcnn.check, fcnn.tree, fcnn.distributed, fcnn.exchange;
`help(fcnn.data)` and so on say what is in them.
"""

import typing as _typing

import fcnn.networks.documents as _documents  # noqa: F401, by which layers are pickled

# fmt: off
from fcnn.layers.avg_pool2d import avg_pool2d as avg_pool2d, global_avg_pool as global_avg_pool
from fcnn.layers.avg_pool2d import avg_pool2d_forward as avg_pool2d_forward
from fcnn.layers.avg_pool2d import avg_pool2d_backward as avg_pool2d_backward
from fcnn.layers.avg_pool2d import global_avg_pool_forward as global_avg_pool_forward
from fcnn.layers.avg_pool2d import global_avg_pool_backward as global_avg_pool_backward
from fcnn.layers.batch_norm import BatchNormParams as BatchNormParams, batch_norm as batch_norm
from fcnn.layers.batch_norm import batch_norm_forward as batch_norm_forward
from fcnn.layers.batch_norm import batch_norm_backward as batch_norm_backward
from fcnn.layers.conv2d import Conv2dParams as Conv2dParams, conv2d as conv2d
from fcnn.layers.conv2d import conv2d_forward as conv2d_forward, conv2d_backward as conv2d_backward
from fcnn.layers.dense import DenseParams as DenseParams, dense as dense
from fcnn.layers.dense import dense_forward as dense_forward, dense_backward as dense_backward
from fcnn.layers.dropout import dropout as dropout, dropout_forward as dropout_forward
from fcnn.layers.dropout import dropout_backward as dropout_backward
from fcnn.layers.flatten import flatten as flatten, flatten_forward as flatten_forward
from fcnn.layers.flatten import flatten_backward as flatten_backward
from fcnn.layers.gelu import gelu as gelu, gelu_forward as gelu_forward
from fcnn.layers.gelu import gelu_backward as gelu_backward
from fcnn.layers.initializers import glorot_uniform as glorot_uniform, he_normal as he_normal
from fcnn.layers.layer import Layer as Layer
from fcnn.layers.max_pool2d import max_pool2d as max_pool2d
from fcnn.layers.max_pool2d import max_pool2d_forward as max_pool2d_forward
from fcnn.layers.max_pool2d import max_pool2d_backward as max_pool2d_backward
from fcnn.layers.relu import leaky_relu as leaky_relu, relu as relu
from fcnn.layers.relu import leaky_relu_forward as leaky_relu_forward
from fcnn.layers.relu import leaky_relu_backward as leaky_relu_backward
from fcnn.layers.relu import relu_forward as relu_forward, relu_backward as relu_backward
from fcnn.layers.sigmoid import sigmoid as sigmoid, tanh as tanh, sigmoid_forward as sigmoid_forward
from fcnn.layers.sigmoid import sigmoid_backward as sigmoid_backward, tanh_forward as tanh_forward
from fcnn.layers.sigmoid import tanh_backward as tanh_backward
from fcnn.layers.softmax import softmax as softmax, softmax_forward as softmax_forward
from fcnn.layers.softmax import softmax_backward as softmax_backward
from fcnn.losses.cross_entropy import cross_entropy as cross_entropy
from fcnn.losses.cross_entropy import softmax_cross_entropy as softmax_cross_entropy
from fcnn.losses.cross_entropy import cross_entropy_forward as cross_entropy_forward
from fcnn.losses.cross_entropy import cross_entropy_backward as cross_entropy_backward
from fcnn.losses.cross_entropy import softmax_cross_entropy_forward as softmax_cross_entropy_forward
from fcnn.losses.cross_entropy import softmax_cross_entropy_backward as softmax_cross_entropy_backward
from fcnn.losses.loss import Loss as Loss
from fcnn.losses.mean_squared_error import mean_squared_error as mean_squared_error
from fcnn.losses.mean_squared_error import mean_squared_error_forward as mean_squared_error_forward
from fcnn.losses.mean_squared_error import mean_squared_error_backward as mean_squared_error_backward
from fcnn.losses.smoothed_cross_entropy import smoothed_cross_entropy as smoothed_cross_entropy
from fcnn.losses.smoothed_cross_entropy import smoothed_cross_entropy_forward as smoothed_cross_entropy_forward
from fcnn.losses.smoothed_cross_entropy import smoothed_cross_entropy_backward as smoothed_cross_entropy_backward
from fcnn.networks.chain import chain as chain
from fcnn.networks.parallel import parallel as parallel
from fcnn.networks.residual import residual as residual
from fcnn.optimizers.adam import adam as adam, adamw as adamw
from fcnn.optimizers.gradient_transforms import clip_by_global_norm as clip_by_global_norm
from fcnn.optimizers.gradient_transforms import l2_penalty as l2_penalty
from fcnn.optimizers.masked import masked as masked
from fcnn.optimizers.optimizer import Optimizer as Optimizer, decays_kernels as decays_kernels
from fcnn.optimizers.parameter_average import average as average, averaged as averaged
from fcnn.optimizers.parameter_average import with_average as with_average
from fcnn.optimizers.sgd import sgd as sgd
from fcnn.training.batch_gradient import value_and_grad as value_and_grad
from fcnn.training.calibration import calibrate as calibrate
from fcnn.training.epochs import Epoch as Epoch, NotFiniteError as NotFiniteError
from fcnn.training.fit import fit as fit
from fcnn.training.inference import Evaluation as Evaluation, evaluate as evaluate
from fcnn.training.inference import predict as predict
from fcnn.version import __version__ as __version__

# What is loaded when it is first asked for: programs without it start the sooner.
_LAZY = {
    "augmentation": "fcnn.augmentation", "check": "fcnn.check", "data": "fcnn.data",
    "distributed": "fcnn.distributed", "exchange": "fcnn.exchange", "models": "fcnn.models", "pictures": "fcnn.pictures",
    "schedules": "fcnn.schedules", "summary": "fcnn.networks.summary", "tree": "fcnn.tree",
    **dict.fromkeys(("Run", "load_run"), "fcnn.runs.folder"),
    **dict.fromkeys(("load_checkpoint", "save_checkpoint"), "fcnn.training.checkpoints"),
    **dict.fromkeys(("load_model", "save_model"), "fcnn.exchange.model_file"),
    "SavedModel": "fcnn.exchange.saved_model",
}
if _typing.TYPE_CHECKING:
    from fcnn import augmentation as augmentation, check as check, data as data
    from fcnn import distributed as distributed, exchange as exchange, models as models
    from fcnn import pictures as pictures, schedules as schedules, tree as tree
    from fcnn.exchange.model_file import load_model as load_model, save_model as save_model
    from fcnn.exchange.saved_model import SavedModel as SavedModel
    from fcnn.networks.summary import summary as summary
    from fcnn.runs.folder import Run as Run, load_run as load_run
    from fcnn.training.checkpoints import load_checkpoint as load_checkpoint
    from fcnn.training.checkpoints import save_checkpoint as save_checkpoint
# fmt: on

# Public is what is imported above, not the modules that it comes from.
__all__ = sorted(
    [name for name, value in globals().items() if name[0] != "_" and not hasattr(value, "__spec__")]
    + ["__version__", *_LAZY]
)


def __getattr__(name: str) -> _typing.Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'fcnn' has no attribute {name!r}")
    from importlib import import_module

    module = import_module(_LAZY[name])
    return module if module.__name__ == f"fcnn.{name}" else getattr(module, name)


def __dir__() -> list[str]:
    return __all__
