"""What save_onnx writes gives the outputs of predict in onnxruntime."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from agreement import error
from effort import times
from models_to_write import LAYERS, MODELS, drawn

import fcnn
from fcnn.exchange import save_onnx

OPSETS = [17, 18, 19, 20]


def assert_agrees(folder: Path, case: Any, opset: int) -> None:
    """The outputs of one example, and of several."""
    path = folder / "model.onnx"
    save_onnx(path, case.model, case.params, case.in_shape, opset=opset)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for n in (1, 7):
        expected = fcnn.predict(case.model, case.params, case.x(n))
        (found,) = session.run(None, {"x": case.x(n)})
        assert found.shape == expected.shape
        assert found.dtype == np.float32
        assert error(found, expected) <= 2e-5


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("case", [*LAYERS, *MODELS], ids=str)
def test_each_layer_and_model_agrees(tmp_path: Path, case: Any, opset: int) -> None:
    assert_agrees(tmp_path, case, opset)


@pytest.mark.heavy
@pytest.mark.parametrize("opset", OPSETS)
def test_drawn_networks_agree(tmp_path: Path, opset: int) -> None:
    for seed in range(times(50)):
        assert_agrees(tmp_path, drawn(50 * opset + seed), opset)
