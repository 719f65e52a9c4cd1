"""Errors: one class a status code of the C API, each with the messages behind it."""
from __future__ import annotations

import threading
from typing import List, NamedTuple, Optional, Tuple

from ._native import ffi, lib


class Message(NamedTuple):
    """One message: what, why, what to do; of an ONNX node its name, operator and place in the model (else "", "" and -1)."""

    text: str
    node: str
    op: str
    node_index: int


class Error(Exception):
    """What the library says no to. `status` is its code (docs/errors.md), `messages` say why."""

    status = 11

    def __init__(self, text: str, messages: "List[Message] | None" = None):
        super().__init__(text)
        self.messages: List[Message] = messages or [Message(text, "", "", -1)]

    def __str__(self) -> str:
        return str(self.args[0])


class InvalidArgument(Error, ValueError):
    """The caller's: a shape, a type, a name."""

    status = 1


class BadModel(Error, ValueError):
    """The ONNX file breaks a rule of ONNX."""

    status = 2


class BadPlan(Error, ValueError):
    """A plan or cache file is damaged or forged."""

    status = 3


class Unsupported(Error, NotImplementedError):
    """Valid, but not built yet."""

    status = 4


class Incompatible(Error):
    """Made for another version or machine."""

    status = 5


class OutOfMemory(Error, MemoryError):
    """An allocation failed, or a limit of memory was met."""

    status = 6


class InputOutputError(Error, OSError):
    """The file system said no."""

    status = 7


class DeviceError(Error, RuntimeError):
    """A device is missing or failed."""

    status = 8


class NotFound(Error, LookupError):
    """No such name."""

    status = 9


class Cancelled(Error):
    """A run was cancelled, or a callback or a time limit said stop."""

    status = 10


class InternalError(Error):
    """A bug of ours; please report it."""

    status = 11


_CLASSES = {c.status: c for c in Error.__subclasses__()}


def _text(pointer) -> str:
    return ffi.string(pointer).decode("utf-8", "replace") if pointer else ""


# What texts of the library say to programs in C, for those in Python.
_IN_PYTHON = {"call pln_context_bind_input before the run": "give it to the run, or call context.bind before", "end that with pln_context_bind_states first": "end that with context.bind_states(None) first",
              "and not built (pln_engine_load_file)": "and not built (planish.load)", "(memory_limit_bytes)": "(memory_limit)",
              "or pln_plugins_add and pln_engine_options.plugins": "or ops=planish.Ops(…)"}  # fmt: skip


def _for_python(text: str) -> str:
    for there, here in _IN_PYTHON.items() if "pln_" in text or "memory_limit" in text else ():
        text = text.replace(there, here)
    return text


def _messages(diagnostics) -> List[Message]:
    out = []
    message = ffi.new("struct pln_message *")
    for i in range(lib.pln_diagnostics_count(diagnostics) if diagnostics else 0):
        if lib.pln_diagnostics_get(diagnostics, i, message) == 0:
            out.append(Message(_for_python(_text(message.text)), _text(message.node), _text(message.op), message.node_index))
    return out


class _Interrupt(threading.local):
    raised: Optional[BaseException] = None
    cause: Optional[Tuple[BaseException, str]] = None  # what a function raised, and how the library's message tells it


_interrupt = _Interrupt()


def keep_interrupt(raised: BaseException) -> None:
    """What a function that the library called raised, where it is no Exception (KeyboardInterrupt, SystemExit): it comes out of the call that is under way in this thread."""
    if not isinstance(raised, Exception):
        _interrupt.raised = raised


def keep_cause(raised: BaseException, text: str) -> None:
    """What a function that the library called raised: the cause of the error that tells of it, in this thread."""
    _interrupt.cause = raised, text


def raise_interrupt() -> None:
    """Raises what was kept, and forgets causes."""
    raised, _interrupt.raised, _interrupt.cause = _interrupt.raised, None, None
    if raised is not None:
        raise raised


def make(status: int, diagnostics=ffi.NULL, what: str = "") -> Error:
    """The exception for a status; `diagnostics` are the library's, `what` says what was tried when they are empty."""
    kept = _interrupt.cause
    raise_interrupt()
    messages = _messages(diagnostics)
    lines = [m.text if not m.node or f"'{m.node}'" in m.text else f"{m.op} '{m.node}': {m.text[len(m.op) + 2 :] if m.text.startswith(f'{m.op}: ') else m.text}" for m in messages]
    text = "\n".join(lines) or ": ".join(filter(None, [what, _text(lib.pln_status_text(status))]))
    made = _CLASSES.get(status, Error)(text, messages)
    if kept is not None and kept[1].splitlines()[:1] and kept[1].splitlines()[0][:200] in text:
        made.__cause__ = kept[0]
    return made


def check(status: int, diagnostics=ffi.NULL, what: str = "") -> None:
    """Raises unless the status is 0."""
    if status != 0:
        raise make(status, diagnostics, what)
