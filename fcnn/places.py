"""Where in a network an error happened."""

from __future__ import annotations

from types import TracebackType

from fcnn.layer import Layer


class Place:
    """Where among the layers of a chain, or of another combinator, a loop is; an error inside
    says so.
    """

    def __init__(self, kind: str, layers: tuple[Layer, ...]) -> None:
        self._kind = kind
        self._layers = layers
        self.index = 0

    def __enter__(self) -> Place:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not isinstance(error, TypeError | ValueError):
            return
        if error.args and isinstance(error.args[0], str):
            place = f"in {self._kind} layer {self.index} ({self._layers[self.index].name})"
            error.args = (f"{error.args[0]}\n{place}", *error.args[1:])
