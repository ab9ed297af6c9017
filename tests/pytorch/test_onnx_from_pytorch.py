"""Networks of PyTorch come to fcnn by way of ONNX, from both exporters."""

import re
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from agreement import error
from drawn_networks import drawn_network
from effort import times
from models_to_write import LAYERS
from torch import Tensor, nn
from twins import Parallel, Residual, outputs, twin

import fcnn
from fcnn.exchange import load_onnx
from fcnn.numerics.arrays import Shape

pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{re.escape(text)}")
    for text in (
        "You are using the legacy TorchScript-based ONNX export:DeprecationWarning",
        "The feature will be removed. Please remove usage of this function:DeprecationWarning",
        "`isinstance(treespec, LeafSpec)` is deprecated:FutureWarning",
        # Uneven padding "same" costs PyTorch a copy, and it says so.
        "Using padding='same':UserWarning",
    )
]


@attrs.frozen
class Exporter:
    """One of the exporters of PyTorch, and what it is told."""

    dynamo: bool
    opset: int
    free: bool  # whether the number of examples is
    options: dict[str, Any]

    def __str__(self) -> str:
        told = [f"{name}={value}" for name, value in self.options.items()]
        batch = ["free"] if self.free else []
        return "-".join(["dynamo" if self.dynamo else "script", str(self.opset), *batch, *told])

    def write(self, module: nn.Module, in_shape: Shape, path: Path) -> None:
        """A network in inference, for images of a shape."""
        batch: dict[str, Any] = {"dynamic_axes": {"x": {0: "n"}} if self.free else None}
        if self.dynamo:
            batch = {"dynamic_shapes": [{0: torch.export.Dim("n")}] if self.free else None}
        torch.onnx.export(
            module.eval(),
            (torch.ones(2, *in_shape),),
            path,
            dynamo=self.dynamo,
            opset_version=self.opset,
            input_names=["x"],
            external_data=False,
            verbose=False,
            **batch,
            **self.options,
        )


SCRIPT = [
    Exporter(False, opset, free, {"do_constant_folding": folds})
    for opset, free, folds in product((13, 17, 20), (False, True), (False, True))
]
DYNAMO = [
    Exporter(True, opset, free, {"optimize": optimizes})
    for opset, free, optimizes in product((18, 20), (False, True), (False, True))
]
EXPORTERS = [*SCRIPT, *DYNAMO]
FEW = [SCRIPT[0], SCRIPT[7], DYNAMO[6]]
each_exporter = pytest.mark.parametrize("exporter", EXPORTERS, ids=str)
few_exporters = pytest.mark.parametrize("exporter", FEW, ids=str)


def come(folder: Path, exporter: Exporter, module: nn.Module, in_shape: Shape) -> fcnn.Layer:
    """A network of PyTorch in fcnn; its outputs are the same."""
    path = folder / "model.onnx"
    exporter.write(module, in_shape, path)
    saved = load_onnx(path)
    assert saved.in_shape == in_shape
    x = np.random.default_rng(0).standard_normal((5, *in_shape)).astype(np.float32)
    assert error(fcnn.predict(saved.model, saved.params, x), outputs(module, x)) <= 2e-5
    return saved.model


def trained(module: nn.Module) -> nn.Module:
    """With parameters and statistics as after training."""
    numbers = torch.Generator().manual_seed(0)
    for name, value in module.state_dict().items():
        if name.endswith("running_var"):
            value.copy_(torch.rand(value.shape, generator=numbers) + 0.1)
        elif value.dtype == torch.float32:
            value.add_(0.1 * torch.randn(value.shape, generator=numbers))
    return module


@pytest.mark.parametrize("exporter", FEW[:2], ids=str)
@pytest.mark.parametrize("case", LAYERS, ids=str)
def test_each_layer_comes_to_fcnn(tmp_path: Path, case: Any, exporter: Exporter) -> None:
    come(tmp_path, exporter, trained(twin(case.model, case.in_shape)), case.in_shape)


@pytest.mark.heavy
@each_exporter
def test_drawn_networks_come_to_fcnn(tmp_path: Path, exporter: Exporter) -> None:
    first = 10 * EXPORTERS.index(exporter)
    for seed in range(first, first + times(3 if exporter.dynamo else 10)):
        model, _, in_shape = drawn_network(seed)
        come(tmp_path, exporter, trained(twin(model, in_shape)), in_shape)


@each_exporter
def test_a_network_of_all_layers_is_what_it_was(tmp_path: Path, exporter: Exporter) -> None:
    block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.LeakyReLU(0.2), nn.Dropout())
    module = nn.Sequential(
        nn.Conv2d(2, 4, (2, 3), padding="same", bias=False),
        nn.GELU(),
        Residual(*block),
        nn.BatchNorm2d(4, eps=1e-3),
        nn.MaxPool2d(3, 1, (1, 0)),
        Parallel(nn.Sigmoid(), nn.Conv2d(4, 3, 1), nn.Identity(), merge="concatenate"),
        nn.AvgPool2d(2, padding=1),
        nn.Flatten(),
        nn.Linear(176, 6),
        Parallel(nn.Tanh(), nn.ReLU(), nn.Linear(6, 6), merge="add"),
        nn.Linear(6, 3, bias=False),
        nn.Softmax(1),
    )
    model = come(tmp_path, exporter, trained(module), (2, 6, 9))
    expected = (
        'conv2d(4, (2, 3), padding="same", bias=False)',
        "gelu",
        "residual(chain(conv2d(4, 3, padding=1), leaky_relu(0.2)))",
        "batch_norm(epsilon=0.001)",
        "max_pool2d(3, stride=1, padding=(1, 0))",
        "parallel(sigmoid, conv2d(3, 1), chain)",
        "avg_pool2d(2, padding=1)",
        "flatten",
        "dense(6)",
        'parallel(tanh, relu, dense(6), merge="add")',
        "dense(3, bias=False)",
        "softmax",
    )
    assert tuple(map(repr, model.children)) == expected


class Pre(nn.Module):
    """A function of images before a layer."""

    def __init__(self, function: Callable[[Tensor], Tensor], layer: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(self.function(x))
        return y


FLATTENED: list[Callable[[Tensor], Tensor]] = [
    lambda x: x.view(x.size(0), -1),
    lambda x: x.view(-1, 24),
    lambda x: x.reshape(x.shape[0], x.shape[1] * x.shape[2] * x.shape[3]),
    lambda x: x.flatten(1),
    lambda x: torch.flatten(x, start_dim=-3),
]
MEANS: list[Callable[[Tensor], Tensor]] = [
    lambda x: x.mean((2, 3)),
    lambda x: x.mean((-1, -2), keepdim=True).flatten(1),
    lambda x: nn.functional.adaptive_avg_pool2d(x, 1).squeeze(-1).squeeze(-1),
    lambda x: nn.functional.adaptive_avg_pool2d(x, (1, 1)).view(-1, 2),
    lambda x: nn.functional.avg_pool2d(x, (3, 4)).flatten(1),
]


@few_exporters
@pytest.mark.parametrize("function", FLATTENED, ids=range(len(FLATTENED)))
def test_flatten_is_read_however_it_is_written(
    tmp_path: Path, exporter: Exporter, function: Callable[[Tensor], Tensor]
) -> None:
    model = come(tmp_path, exporter, Pre(function, nn.Linear(24, 3)), (2, 3, 4))
    assert repr(model) == "chain(flatten, dense(3))"


@few_exporters
@pytest.mark.parametrize("function", MEANS, ids=range(len(MEANS)))
def test_means_are_read_however_they_are_written(
    tmp_path: Path, exporter: Exporter, function: Callable[[Tensor], Tensor]
) -> None:
    come(tmp_path, exporter, Pre(function, nn.Linear(2, 3)), (2, 3, 4))


REFUSED: list[tuple[nn.Module, str]] = [
    (nn.GELU(approximate="tanh"), "nn.GELU(approximate='none')"),
    (nn.MaxPool2d(2, ceil_mode=True), "ceil_mode is 1"),
    (nn.AvgPool2d(3, padding=1, count_include_pad=False), "does not count in the mean"),
    (nn.MaxPool2d(2, dilation=2), "the pixels of its windows are apart"),
    (nn.Softmax(1), "softmax is along the last one"),
    (nn.ELU(), "Elu ("),
    (nn.LayerNorm(4), "LayerNormalization ("),
    (nn.ConvTranspose2d(2, 3, 2), "ConvTranspose ("),
]


@few_exporters
@pytest.mark.parametrize(("module", "text"), REFUSED, ids=lambda value: str(value)[:20])
def test_what_fcnn_has_not_is_refused(
    tmp_path: Path, exporter: Exporter, module: nn.Module, text: str
) -> None:
    if exporter.opset >= 17 or not isinstance(module, nn.LayerNorm):
        with pytest.raises(ValueError, match=re.escape(text)):
            come(tmp_path, exporter, module, (2, 5, 4))


def test_images_of_any_size_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    Exporter(False, 17, False, {}).write(nn.ReLU(), (1, 5, 4), path)
    assert load_onnx(path).in_shape == (1, 5, 4)
    axes = {"dynamic_axes": {"x": {2: "height"}}}
    torch.onnx.export(
        nn.ReLU(), (torch.ones(1, 1, 5, 4),), path, dynamo=False, input_names=["x"], **axes
    )
    with pytest.raises(ValueError, match="export the network for images of one size"):
        load_onnx(path)


@pytest.mark.parametrize("dynamo", [False, True])
def test_float64_is_refused(tmp_path: Path, dynamo: bool) -> None:
    path = tmp_path / "model.onnx"
    x = torch.ones(2, 3, dtype=torch.float64)
    torch.onnx.export(nn.Linear(3, 2).double().eval(), (x,), path, dynamo=dynamo)
    with pytest.raises(ValueError, match=r"is float64; .* in PyTorch model.float\(\)"):
        load_onnx(path)


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    module = nn.Linear(100, 100).eval()
    torch.onnx.export(module, (torch.ones(2, 100),), path, dynamo=True, external_data=True)
    with pytest.raises(ValueError, match="in PyTorch external_data=False"):
        load_onnx(path)
