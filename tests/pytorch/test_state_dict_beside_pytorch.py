"""Parameters on their way to PyTorch and back: there too the network gives the same outputs."""

import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from agreement import error
from drawn_networks import drawn_network
from torch import Tensor, nn
from twins import Parallel, Residual, outputs, twin

import fcnn
import fcnn.exchange.pytorch
from fcnn import tree
from fcnn.exchange import from_state_dict, state_dict
from fcnn.networks.documents import LAYERS, public_name
from fcnn.numerics.arrays import Array, Shape

# Uneven padding "same" costs PyTorch a copy, and it says so.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")

TOLERANCES: dict[Any, float] = {np.float32: 2e-5, np.float64: 1e-12}
SEEDS = range(100)
each_dtype = pytest.mark.parametrize("dtype", TOLERANCES)

IN_SHAPE = (2, 8, 8)
MODEL = fcnn.chain(
    fcnn.conv2d(4, padding=1, bias=False),
    fcnn.batch_norm(),
    fcnn.chain(fcnn.relu, fcnn.chain(fcnn.conv2d(4, 1))),
    fcnn.residual(fcnn.chain(fcnn.gelu, fcnn.conv2d(4, 1))),
    fcnn.residual(fcnn.conv2d(4, 3, padding="same")),
    fcnn.parallel(fcnn.conv2d(2, 1), fcnn.chain(fcnn.tanh, fcnn.conv2d(3, 1)), fcnn.relu),
    fcnn.global_avg_pool,
    fcnn.dropout(0.5),
    fcnn.dense(5),
)


def by_hand() -> nn.Module:
    """The same as `MODEL`."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.Sequential(nn.ReLU(), nn.Sequential(nn.Conv2d(4, 4, 1))),
        Residual(nn.GELU(), nn.Conv2d(4, 4, 1)),
        Residual(nn.Conv2d(4, 4, 3, padding="same")),
        Parallel(nn.Conv2d(4, 2, 1), nn.Sequential(nn.Tanh(), nn.Conv2d(4, 3, 1)), nn.ReLU()),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Dropout(),
        nn.Linear(9, 5),
    )


class Net(nn.Module):
    """A network with names of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3)
        self.bn1 = nn.BatchNorm2d(4)
        self.head = nn.ModuleDict({"fc": nn.Linear(4 * 6 * 6, 3)})

    def forward(self, x: Tensor) -> Tensor:
        return self.head["fc"](self.bn1(self.conv1(x)).relu().flatten(1))


NET = fcnn.chain(fcnn.conv2d(4), fcnn.batch_norm(), fcnn.relu, fcnn.flatten, fcnn.dense(3))
NAMES = {"conv1": "0", "bn1": "1", "head.fc": "4"}


def inputs(seed: int, in_shape: Shape, dtype: Any, n: int = 3) -> Array:
    return np.random.default_rng(seed).standard_normal((n, *in_shape)).astype(dtype)


def loaded(module: nn.Module, state: dict[str, Array]) -> nn.Module:
    module.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    return module


def trained(module: nn.Module, x: Array, steps: int = 3) -> nn.Module:
    """After some steps, in which the statistics move too."""
    optimizer = torch.optim.SGD(list(module.parameters()), 0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        (module.train()(torch.from_numpy(x)) - 1).square().mean().backward()
        optimizer.step()
    return module


def layers_of(layer: fcnn.Layer) -> Iterator[fcnn.Layer]:
    yield layer
    for child in layer.children:
        yield from layers_of(child)


def test_all_layers_are_drawn() -> None:
    networks = [drawn_network(seed)[0] for seed in SEEDS]
    found = [layer for network in networks for layer in layers_of(network)]
    assert {public_name(layer) for layer in found} == LAYERS.keys()
    convolutions = [layer.settings for layer in found if public_name(layer) == "conv2d"]
    uneven = [own for own in convolutions if own["padding"] == "same" and own["kernel"][0] == 2]
    assert uneven
    assert any("dilation" in own and "groups" in own for own in convolutions)


@each_dtype
def test_what_fcnn_gives_computes_the_same_in_pytorch(dtype: Any) -> None:
    for seed in SEEDS:
        model, params, in_shape = drawn_network(seed, dtype)
        module = twin(model, in_shape).to(torch.from_numpy(np.empty(0, dtype)).dtype)
        loaded(module, state_dict(model, params))
        x = inputs(seed, in_shape, dtype)
        expected = fcnn.predict(model, params, x, threads=1)
        assert error(outputs(module, x), expected) <= TOLERANCES[dtype], f"seed {seed}, {model}"
        back = from_state_dict(model, module.state_dict(), in_shape)
        assert tree.equal(back, params), f"seed {seed}"


@each_dtype
def test_what_pytorch_trained_computes_the_same_in_fcnn(dtype: Any) -> None:
    for seed in SEEDS:
        model, _, in_shape = drawn_network(seed)
        torch.manual_seed(seed)
        module = twin(model, in_shape).to(torch.from_numpy(np.empty(0, dtype)).dtype)
        trained(module, inputs(seed, in_shape, dtype, n=8))
        params = from_state_dict(model, module.state_dict(), in_shape)
        x = inputs(seed, in_shape, dtype)
        found = fcnn.predict(model, params, x, threads=1)
        assert error(found, outputs(module, x)) <= TOLERANCES[dtype], f"seed {seed}, {model}"


def test_the_names_and_shapes_are_those_of_a_sequential_written_by_hand() -> None:
    state = state_dict(MODEL, MODEL.init(np.random.default_rng(0), IN_SHAPE)[0])
    expected = by_hand().state_dict()
    assert [*state] == [*expected]
    assert [a.shape for a in state.values()] == [tuple(t.shape) for t in expected.values()]
    assert [str(a.dtype) for a in state.values()] == [
        str(t.dtype).removeprefix("torch.") for t in expected.values()
    ]


def test_the_modules_that_the_docstring_shows_have_these_names_and_compute_the_same() -> None:
    text = inspect.getdoc(fcnn.exchange.pytorch) or ""
    code = textwrap.dedent(text.partition("told of::\n")[2].partition("\nSo a")[0])
    shown: dict[str, Any] = {"torch": torch, "nn": nn}
    exec(code, shown)
    layer = fcnn.chain(MODEL.children[3], MODEL.children[5])
    module = nn.Sequential(
        shown["Residual"](nn.GELU(), nn.Conv2d(4, 4, 1)),
        shown["Parallel"](
            [nn.Conv2d(4, 2, 1), nn.Sequential(nn.Tanh(), nn.Conv2d(4, 3, 1)), nn.ReLU()]
        ),
    )
    params, _ = layer.init(np.random.default_rng(0), (4, 5, 5))
    x = inputs(0, (4, 5, 5), np.float32)
    found = outputs(loaded(module, state_dict(layer, params)), x)
    assert error(found, fcnn.predict(layer, params, x)) < 2e-5


def test_a_layer_by_itself_has_the_names_of_its_module() -> None:
    for layer, module, in_shape in (
        (fcnn.dense(3), nn.Linear(5, 3), (5,)),
        (fcnn.conv2d(3, bias=False), nn.Conv2d(2, 3, 3, bias=False), (2, 5, 5)),
        (fcnn.batch_norm(), nn.BatchNorm2d(2), (2, 5, 5)),
        (fcnn.relu, nn.ReLU(), (2, 5, 5)),
    ):
        state = state_dict(layer, layer.init(np.random.default_rng(0), in_shape)[0])
        assert [*state] == [*module.state_dict()]
        x = inputs(0, in_shape, np.float32)
        found = fcnn.predict(layer, from_state_dict(layer, module.state_dict(), in_shape), x)
        assert error(found, outputs(module, x)) < 2e-5


@pytest.mark.parametrize("prefix", ["", "module", "a.b"])
def test_a_network_with_names_of_its_own_is_read_by_them(prefix: str) -> None:
    module = trained(Net(), inputs(0, (1, 8, 8), np.float32, n=8))
    state = {f"{prefix}.{name}".lstrip("."): a for name, a in module.state_dict().items()}
    names = {f"{prefix}.{name}".lstrip("."): new for name, new in NAMES.items()}
    params = from_state_dict(NET, state, (1, 8, 8), rename=names)
    x = inputs(1, (1, 8, 8), np.float32)
    assert error(fcnn.predict(NET, params, x), outputs(module, x)) < 2e-5


def test_the_prefix_that_pytorch_puts_before_all_is_taken_away() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    state = nn.DataParallel(module).state_dict()
    assert [*state] == ["module.1.weight", "module.1.bias"]
    model = fcnn.chain(fcnn.flatten, fcnn.dense(3))
    params = from_state_dict(model, state, (1, 2, 2), rename={"module": ""})
    assert tree.equal(params, from_state_dict(model, module.state_dict(), (1, 2, 2)))


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_is_read_as_float32_without_rounding(half: torch.dtype) -> None:
    module = by_hand().to(half)
    params = from_state_dict(MODEL, module.state_dict(), IN_SHAPE)
    assert {leaf.dtype for leaf in tree.leaves(params)} == {np.dtype(np.float32)}
    assert tree.equal(params, from_state_dict(MODEL, module.float().state_dict(), IN_SHAPE))


def test_tensors_of_two_precisions_are_read_as_the_greater() -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2).double())
    params = from_state_dict(fcnn.chain(fcnn.dense(3), fcnn.dense(2)), module.state_dict(), (4,))
    assert {leaf.dtype for leaf in tree.leaves(params)} == {np.dtype(np.float64)}


def test_parameters_that_require_a_gradient_are_read() -> None:
    module = by_hand()
    state = dict(module.named_parameters()) | dict(module.named_buffers())
    assert tree.equal(
        from_state_dict(MODEL, state, IN_SHAPE),
        from_state_dict(MODEL, module.state_dict(), IN_SHAPE),
    )


def test_training_on_one_side_changes_nothing_on_the_other() -> None:
    params, _ = MODEL.init(np.random.default_rng(0), IN_SHAPE)
    kept = tree.map(np.copy, params)
    state = state_dict(MODEL, params)
    module = by_hand()
    tensors = {name: torch.from_numpy(array) for name, array in state.items()}
    module.load_state_dict(tensors, assign=True)
    read = from_state_dict(MODEL, module.state_dict(), IN_SHAPE)
    trained(module, inputs(0, IN_SHAPE, np.float32, n=8))
    assert tree.equal(params, kept)
    assert tree.equal(read, kept)
    assert not tree.equal(from_state_dict(MODEL, module.state_dict(), IN_SHAPE), kept)


@pytest.mark.parametrize(
    "tensor", [torch.ones(3, dtype=torch.int32), torch.ones(3, device="meta")], ids=str
)
def test_tensors_that_hold_no_floats_are_refused(tensor: Tensor) -> None:
    state = {"weight": torch.ones(3, 4), "bias": tensor}
    with pytest.raises(TypeError, match="from_state_dict: bias is "):
        from_state_dict(fcnn.dense(3), state, (4,))
