"""What the C API holds on to: texts and callbacks. A handle of a Python object travels through C as `void *user`."""
from __future__ import annotations

import os
import sys
import traceback
from typing import Any, Callable, List, Optional

from ._native import ffi, lib
from .errors import InvalidArgument


def encoded(value: Any) -> bytes:
    """A text for C, which ends at a NUL; a path as the file system has it."""
    text = os.fspath(value) if isinstance(value, os.PathLike) else value if isinstance(value, bytes) else str(value)
    try:
        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise InvalidArgument(f"{text!r} has halves of characters (surrogates), which no text here may have") from None
    if b"\0" in data:
        raise InvalidArgument(f"{text!r} has a NUL in it, which no text or path here may have")
    return data


class Keeper:
    """Keeps C texts and arrays as long as it lives."""

    def __init__(self) -> None:
        self.kept: List[Any] = []

    def text(self, value: Any) -> Any:
        """NULL for None."""
        if value is None:
            return ffi.NULL
        kept = ffi.new("char[]", encoded(value))
        self.kept.append(kept)
        return kept

    def texts(self, values: Any) -> Any:
        """A list ended by NULL; NULL for nothing."""
        if not values:
            return ffi.NULL
        kept = ffi.new("char *[]", [self.text(v) for v in values] + [ffi.NULL])
        self.kept.append(kept)
        return kept

    def handle(self, value: Any) -> Any:
        kept = ffi.new_handle(value)
        self.kept.append(kept)
        return kept


class Watcher:
    """The progress and the log of one build. What a callback raises, KeyboardInterrupt too, ends the build and is raised again behind it."""

    def __init__(self, progress: Optional[Callable[[str, int, int], Any]], logger: Optional[Callable[[int, str], Any]]) -> None:
        self.progress, self.logger = progress, logger
        self.raised: Optional[BaseException] = None

    def reraise(self) -> None:
        if self.raised is not None:
            raise self.raised


def _progress_failed(kind: Any, raised: Any, trace: Any) -> None:
    """A signal may arrive between two lines of the callback."""
    user = trace.tb_frame.f_locals.get("user") if trace else None
    if user is not None:
        ffi.from_handle(user).raised = raised
    else:
        traceback.print_exception(kind, raised, trace, file=sys.stderr)


@ffi.def_extern(error=0, onerror=_progress_failed)
def planish_on_progress(user, phase, done, total):
    watcher = ffi.from_handle(user)
    if watcher.raised is not None:
        return 0
    if watcher.progress is None:
        return 1
    return 0 if watcher.progress(ffi.string(phase).decode("utf-8", "replace"), done, total) is False else 1


@ffi.def_extern(onerror=_progress_failed)
def planish_on_log(user, level, text):
    watcher = ffi.from_handle(user)
    if watcher.logger is not None:
        watcher.logger(level, ffi.string(text).decode("utf-8", "replace"))


@ffi.def_extern()
def planish_on_line(user, text):
    ffi.from_handle(user).append(ffi.string(text).decode("utf-8", "replace"))


def _tap_failed(kind: Any, raised: Any, trace: Any) -> None:
    user = trace.tb_frame.f_locals.get("user") if trace else None
    if user is not None:
        tap = ffi.from_handle(user)
        tap.raised = raised
        tap.cancel()


@ffi.def_extern(onerror=_tap_failed)
def planish_on_tap(user, name, value):
    ffi.from_handle(user)(ffi.string(name).decode("utf-8", "replace"), value)


class Diagnostics:
    """`with Diagnostics() as d: check(lib.…(…, d.pointer), d.pointer)`."""

    def __enter__(self) -> "Diagnostics":
        self.pointer = lib.pln_diagnostics_create()
        if not self.pointer:
            raise MemoryError("diagnostics")
        return self

    def __exit__(self, *_: Any) -> None:
        lib.pln_diagnostics_destroy(self.pointer)
