"""Models in files, of fcnn and of others: each is read back before it is written.

save_onnx, load_onnx                  the network and its parameters as ONNX
save_safetensors, load_safetensors    parameters, in a file as PyTorch's users read and write them
state_dict, from_state_dict           parameters by PyTorch's names, in memory
save_script                           the network as a Python file that needs NumPy alone
save_page                             the network at work, on a page for any browser

Files of fcnn's own are `fcnn.save_model`'s. Each format is loaded when it is first used; those of
others need what reads and writes them, an extra of fcnn.
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
    "from_state_dict": "pytorch",
    "load_onnx": "onnx_reading",
    "load_safetensors": "safetensors",
    "save_onnx": "onnx_writing",
    "save_page": "page",
    "save_safetensors": "safetensors",
    "save_script": "script",
    "state_dict": "pytorch",
}

__all__ = [*_LAZY]


def __getattr__(name: str) -> _typing.Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'fcnn.exchange' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"fcnn.exchange.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return __all__
