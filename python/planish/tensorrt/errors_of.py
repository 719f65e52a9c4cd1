"""What this interface has in TensorRT and has not here."""
from __future__ import annotations

from typing import Any

from ..errors import Unsupported


def missing(name: str, instead: str) -> Any:
    """A method that says what to use in its place. Its docstring begins with "Missing", which the table of coverage counts."""

    def method(self: Any, *_: Any, **__: Any) -> Any:
        raise Unsupported(f"{name} is not built: {instead}")

    method.__doc__ = f"Missing: {instead}."
    method.__name__ = name.rpartition(".")[2]
    return method
