"""Models in files, of fcnn and of others: each is read back before it is written.

Each format is a file of this room, loaded when it is first used; those of others need what
reads and writes them, an extra of fcnn.
"""

import typing as _typing

_LAZY = {
    "save_onnx": "fcnn.exchange.onnx_writing",
}
if _typing.TYPE_CHECKING:
    from fcnn.exchange.onnx_writing import save_onnx as save_onnx


def __getattr__(name: str) -> _typing.Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'fcnn.exchange' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(_LAZY)
