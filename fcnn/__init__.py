"""Convolutional networks in NumPy alone, as pure functions.

Every forward pass returns (output, cache), every gradient is written by hand in a separate
backward function, parameters are immutable trees, and nothing else hides anywhere.

What a function returns may share memory with its arguments or its cache (flatten returns a
view, softmax keeps its output), and no function writes to either: treat arrays as values.

Layers and their operations: convolution (conv2d), fully_connected (dense), activations (relu,
leaky_relu, softmax), smooth_activations (sigmoid, tanh, gelu), pooling (max_pool2d),
average_pooling (avg_pool2d, global_avg_pool), normalization (batch_norm), regularization
(dropout), reshaping (flatten), composition (chain), branching (residual, parallel), losses.
What runs them: gradients (value_and_grad), optimizers (sgd), adaptive_moments (adam, adamw),
what they are wrapped in: gradient_changes (clip_by_global_norm, l2_penalty) and averaging
(with_average), schedules (of the learning rate), augmentation (of images), training (fit),
calibration (calibrate), inference (predict, evaluate). Also models, data, tree (trees of
parameters) and check (gradients).

Axes go by these letters everywhere: N batch, C channels in, F features out, H W height and
width, KH KW kernel or window, SH SW stride, DH DW dilation, PH PW padding, OH OW output, G
groups, D K dense in and out (K also: classes).
"""

from typing import TYPE_CHECKING, Any

from fcnn import check, models, schedules, tree
from fcnn.activations import (
    leaky_relu,
    leaky_relu_backward,
    leaky_relu_forward,
    relu,
    relu_backward,
    relu_forward,
    softmax,
    softmax_backward,
    softmax_forward,
)
from fcnn.adaptive_moments import adam, adamw
from fcnn.average_pooling import (
    avg_pool2d,
    avg_pool2d_backward,
    avg_pool2d_forward,
    global_avg_pool,
    global_avg_pool_backward,
    global_avg_pool_forward,
)
from fcnn.averaging import average, averaged, with_average
from fcnn.branching import parallel, residual
from fcnn.calibration import calibrate
from fcnn.composition import chain
from fcnn.convolution import Conv2dParams, conv2d, conv2d_backward, conv2d_forward
from fcnn.fully_connected import DenseParams, dense, dense_backward, dense_forward
from fcnn.gradient_changes import clip_by_global_norm, l2_penalty
from fcnn.gradients import value_and_grad
from fcnn.inference import Evaluation, evaluate, predict
from fcnn.initializers import glorot_uniform, he_normal
from fcnn.layer import Layer
from fcnn.losses import (
    Loss,
    cross_entropy,
    cross_entropy_backward,
    cross_entropy_forward,
    softmax_cross_entropy,
    softmax_cross_entropy_backward,
    softmax_cross_entropy_forward,
)
from fcnn.normalization import (
    BatchNormParams,
    batch_norm,
    batch_norm_backward,
    batch_norm_forward,
)
from fcnn.optimizers import Optimizer, decays_kernels, sgd
from fcnn.pooling import max_pool2d, max_pool2d_backward, max_pool2d_forward
from fcnn.regularization import dropout, dropout_backward, dropout_forward
from fcnn.reshaping import flatten, flatten_backward, flatten_forward
from fcnn.smooth_activations import (
    gelu,
    gelu_backward,
    gelu_forward,
    sigmoid,
    sigmoid_backward,
    sigmoid_forward,
    tanh,
    tanh_backward,
    tanh_forward,
)
from fcnn.training import Epoch, NotFiniteError, fit
from fcnn.version import __version__
from fcnn.weighted_losses import (
    smoothed_cross_entropy,
    smoothed_cross_entropy_backward,
    smoothed_cross_entropy_forward,
)

if TYPE_CHECKING:
    from fcnn import augmentation, data
    from fcnn.checkpoints import load_checkpoint, save_checkpoint
    from fcnn.runs import Run, load_run

__all__ = [
    "BatchNormParams",
    "Conv2dParams",
    "DenseParams",
    "Epoch",
    "Evaluation",
    "Layer",
    "Loss",
    "NotFiniteError",
    "Optimizer",
    "Run",
    "__version__",
    "adam",
    "adamw",
    "augmentation",
    "average",
    "averaged",
    "avg_pool2d",
    "avg_pool2d_backward",
    "avg_pool2d_forward",
    "batch_norm",
    "batch_norm_backward",
    "batch_norm_forward",
    "calibrate",
    "chain",
    "check",
    "clip_by_global_norm",
    "conv2d",
    "conv2d_backward",
    "conv2d_forward",
    "cross_entropy",
    "cross_entropy_backward",
    "cross_entropy_forward",
    "data",
    "decays_kernels",
    "dense",
    "dense_backward",
    "dense_forward",
    "dropout",
    "dropout_backward",
    "dropout_forward",
    "evaluate",
    "fit",
    "flatten",
    "flatten_backward",
    "flatten_forward",
    "gelu",
    "gelu_backward",
    "gelu_forward",
    "global_avg_pool",
    "global_avg_pool_backward",
    "global_avg_pool_forward",
    "glorot_uniform",
    "he_normal",
    "l2_penalty",
    "leaky_relu",
    "leaky_relu_backward",
    "leaky_relu_forward",
    "load_checkpoint",
    "load_run",
    "max_pool2d",
    "max_pool2d_backward",
    "max_pool2d_forward",
    "models",
    "parallel",
    "predict",
    "relu",
    "relu_backward",
    "relu_forward",
    "residual",
    "save_checkpoint",
    "schedules",
    "sgd",
    "sigmoid",
    "sigmoid_backward",
    "sigmoid_forward",
    "smoothed_cross_entropy",
    "smoothed_cross_entropy_backward",
    "smoothed_cross_entropy_forward",
    "softmax",
    "softmax_backward",
    "softmax_cross_entropy",
    "softmax_cross_entropy_backward",
    "softmax_cross_entropy_forward",
    "softmax_forward",
    "tanh",
    "tanh_backward",
    "tanh_forward",
    "tree",
    "value_and_grad",
    "with_average",
]


def __getattr__(name: str) -> Any:
    """Load data, augmentation and saved runs when they are first asked for: programs that
    bring their own images and parameters start the sooner.
    """
    from importlib import import_module

    if name in ("augmentation", "data"):
        return import_module(f"fcnn.{name}")
    if name in ("Run", "load_run"):
        return getattr(import_module("fcnn.runs"), name)
    if name in ("load_checkpoint", "save_checkpoint"):
        return getattr(import_module("fcnn.checkpoints"), name)
    raise AttributeError(f"module 'fcnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
