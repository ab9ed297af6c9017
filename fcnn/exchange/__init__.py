"""Models in files, of fcnn and of others: each is read back before it is written.

Each format is a file of this room, loaded when it is first used; those of others need what
reads and writes them, an extra of fcnn.
"""

import typing as _typing

if _typing.TYPE_CHECKING:
    from fcnn.exchange.onnx_reading import load_onnx as load_onnx
    from fcnn.exchange.onnx_writing import save_onnx as save_onnx
    from fcnn.exchange.page import save_page as save_page
    from fcnn.exchange.pytorch import from_state_dict as from_state_dict
    from fcnn.exchange.pytorch import state_dict as state_dict
    from fcnn.exchange.safetensors import load_safetensors as load_safetensors
    from fcnn.exchange.safetensors import save_safetensors as save_safetensors
    from fcnn.exchange.script import save_script as save_script

_LAZY = {
    "from_state_dict": "fcnn.exchange.pytorch",
    "load_onnx": "fcnn.exchange.onnx_reading",
    "load_safetensors": "fcnn.exchange.safetensors",
    "save_onnx": "fcnn.exchange.onnx_writing",
    "save_page": "fcnn.exchange.page",
    "save_safetensors": "fcnn.exchange.safetensors",
    "save_script": "fcnn.exchange.script",
    "state_dict": "fcnn.exchange.pytorch",
}


def __getattr__(name: str) -> _typing.Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'fcnn.exchange' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(_LAZY)
