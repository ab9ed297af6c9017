"""Files of safetensors between fcnn and PyTorch, as people exchange them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from agreement import error
from drawn_networks import drawn_network
from safetensors.torch import load_file, save_file
from torch import nn
from twins import outputs, twin

import fcnn
from fcnn import tree
from fcnn.exchange import from_state_dict, load_safetensors, save_safetensors

# Uneven padding "same" costs PyTorch a copy, and it says so.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")

TOLERANCES: dict[Any, float] = {np.float32: 2e-5, np.float64: 1e-12}
each_dtype = pytest.mark.parametrize("dtype", TOLERANCES)

MODEL = fcnn.chain(fcnn.conv2d(4), fcnn.batch_norm(), fcnn.flatten, fcnn.dense(3))
IN_SHAPE = (1, 6, 6)


@each_dtype
def test_pytorch_computes_the_same_from_a_file_of_fcnn(dtype: Any, tmp_path: Path) -> None:
    for seed in range(10):
        model, params, in_shape = drawn_network(seed, dtype)
        save_safetensors(tmp_path / "x", model, params, in_shape)
        module = twin(model, in_shape).to(torch.from_numpy(np.empty(0, dtype)).dtype)
        module.load_state_dict(load_file(tmp_path / "x"))
        x = np.random.default_rng(seed).standard_normal((3, *in_shape)).astype(dtype)
        expected = fcnn.predict(model, params, x, threads=1)
        assert error(outputs(module, x), expected) <= TOLERANCES[dtype], f"seed {seed}, {model}"


@each_dtype
def test_fcnn_computes_the_same_from_a_file_of_pytorch(dtype: Any, tmp_path: Path) -> None:
    for seed in range(10):
        model, _, in_shape = drawn_network(seed)
        torch.manual_seed(seed)
        module = twin(model, in_shape).to(torch.from_numpy(np.empty(0, dtype)).dtype)
        save_file(module.state_dict(), tmp_path / "x")
        params = load_safetensors(tmp_path / "x", model, in_shape)
        x = np.random.default_rng(seed).standard_normal((3, *in_shape)).astype(dtype)
        found = fcnn.predict(model, params, x, threads=1)
        assert error(found, outputs(module, x)) <= TOLERANCES[dtype], f"seed {seed}, {model}"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_files_of_any_floats_and_names_are_read(dtype: torch.dtype, tmp_path: Path) -> None:
    parts = {"conv": nn.Conv2d(1, 4, 3), "bn": nn.BatchNorm2d(4), "fc": nn.Linear(64, 3)}
    module = nn.ModuleDict(parts).to(dtype)
    save_file(module.state_dict(), tmp_path / "x", metadata={"format": "pt"})
    names = {"conv": "0", "bn": "1", "fc": "3"}
    found = load_safetensors(tmp_path / "x", MODEL, IN_SHAPE, rename=names)
    assert tree.equal(found, from_state_dict(MODEL, module.state_dict(), IN_SHAPE, rename=names))
    expected = np.float64 if dtype == torch.float64 else np.float32
    assert {leaf.dtype for leaf in tree.leaves(found)} == {np.dtype(expected)}


def test_a_file_of_integers_is_refused(tmp_path: Path) -> None:
    state = {"weight": torch.ones(3, 4, dtype=torch.int8), "bias": torch.ones(3)}
    save_file(state, tmp_path / "x")
    with pytest.raises(ValueError, match=r"x cannot be .*: weight is I8, expected F16, BF16, F32"):
        load_safetensors(tmp_path / "x", fcnn.dense(3), (4,))
