"""Loggers, error recorders, progress monitors: what programs subclass."""
from __future__ import annotations

import sys
import time
from typing import Any, List, Tuple

from .base import Named


class Severity(Named):
    """How much a message matters."""

    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class ErrorCode(Named):
    """What kind of error was reported."""

    SUCCESS, UNSPECIFIED_ERROR, INTERNAL_ERROR, INVALID_ARGUMENT, INVALID_CONFIG, FAILED_ALLOCATION, FAILED_INITIALIZATION, FAILED_EXECUTION, FAILED_COMPUTATION, INVALID_STATE, UNSUPPORTED_STATE = range(11)


class ILogger:
    """Subclass it and define log(severity, message)."""

    Severity = Severity
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = Severity

    def __init__(self) -> None:
        pass

    def log(self, severity: Severity, msg: str) -> None:
        """Takes a message."""
        raise NotImplementedError("a logger defines log(severity, msg)")


class Logger(ILogger):
    """Prints messages of min_severity and worse to stderr."""

    def __init__(self, min_severity: Severity = Severity.WARNING) -> None:
        super().__init__()
        self.min_severity = min_severity

    def log(self, severity: Severity, msg: str) -> None:
        """Prints it."""
        if severity <= self.min_severity:
            print(f"[{time.strftime('%m/%d/%Y-%H:%M:%S')}] [TRT] [{'FEWIV'[severity]}] {msg}", file=sys.stderr, flush=True)


def as_logger(logger: Any) -> Any:
    """A logger, as it is."""
    if not hasattr(logger, "log"):
        raise TypeError(f"a logger is wanted, such as trt.Logger(trt.Logger.WARNING), not {type(logger).__name__}")
    return logger


class IErrorRecorder:
    """Subclass it: report_error(code, description) is called for every error of the object that has it."""

    def __init__(self) -> None:
        self.errors: List[Tuple[ErrorCode, str]] = []

    def report_error(self, code: ErrorCode, desc: str) -> bool:
        """Records an error; True: the object cannot go on."""
        self.errors.append((code, desc))
        return False

    def num_errors(self) -> int:
        """Errors since the last clear()."""
        return len(self.errors)

    def get_error_code(self, index: int) -> ErrorCode:
        """Of error `index`."""
        return self.errors[index][0]

    def get_error_desc(self, index: int) -> str:
        """Of error `index`."""
        return self.errors[index][1]

    def has_overflowed(self) -> bool:
        """Never: all are kept."""
        return False

    def clear(self) -> None:
        """Forgets them."""
        self.errors.clear()


class Recorder:
    """The error recorder of an object: its own, else that of what it was made by (`_maker`)."""

    def __init__(self, doc: str) -> None:
        self.__doc__ = doc

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        if owner is None:
            return self
        own, maker = owner.__dict__.get("_recorder"), owner.__dict__.get("_maker")
        return maker.error_recorder if own is None and maker is not None else own

    def __set__(self, owner: Any, recorder: Any) -> None:
        owner.__dict__["_recorder"] = recorder


class IProgressMonitor:
    """Subclass it: phase_start(name, parent, steps), step_complete(name, step) -> go on?, phase_finish(name)."""

    def __init__(self) -> None:
        pass

    def phase_start(self, phase_name: str, parent_phase: Any, num_steps: int) -> None:
        """A phase begins."""

    def step_complete(self, phase_name: str, step: int) -> bool:
        """A step of it is done; False ends the build."""
        return True

    def phase_finish(self, phase_name: str) -> None:
        """It ends."""


class Phases:
    """Tells a monitor what the library's progress says: each step of each phase once, a hundred at the most, whatever the library counts."""

    MOST = 100

    def __init__(self, monitor: IProgressMonitor) -> None:
        self.monitor, self.phase, self.step, self.steps = monitor, "", 0, 0

    def __call__(self, phase: str, done: int, total: int) -> bool:
        if phase != self.phase:
            if not self.finish():
                return False
            self.phase, self.step, self.steps = phase, 0, min(max(total, 1), self.MOST)
            self.monitor.phase_start(phase, None, self.steps)
        return self._go(done * self.steps // total if total > 0 else 0)

    def _go(self, to: int) -> bool:
        while self.step < min(to, self.steps):
            self.step += 1
            if self.monitor.step_complete(self.phase, self.step - 1) is False:
                return False
        return True

    def finish(self) -> bool:
        """What is left of the phase is done. False: the monitor says stop."""
        goes_on = self._go(self.steps)
        self.end()
        return goes_on

    def end(self) -> None:
        """The phase ends, done or not."""
        phase, self.phase, self.step, self.steps = self.phase, "", 0, 0
        if phase:
            self.monitor.phase_finish(phase)


class IProfiler:
    """Subclass it and define report_layer_time(name, ms)."""

    def __init__(self) -> None:
        pass

    def report_layer_time(self, layer_name: str, ms: float) -> None:
        """The time of a layer in a run."""
        raise NotImplementedError("a profiler defines report_layer_time(layer_name, ms)")


class Profiler(IProfiler):
    """Prints times of layers."""

    def report_layer_time(self, layer_name: str, ms: float) -> None:
        """Prints it."""
        print(f"{layer_name}: {ms:.4f} ms")


class IOutputAllocator:
    """Subclass it: reallocate_output(name, memory, size, alignment) -> address, notify_shape(name, shape)."""

    def __init__(self) -> None:
        pass

    def reallocate_output(self, tensor_name: str, memory: Any, size: int, alignment: int) -> int:
        """An address with room for `size` bytes."""
        raise NotImplementedError("an output allocator defines reallocate_output(tensor_name, memory, size, alignment)")

    def reallocate_output_async(self, tensor_name: str, memory: Any, size: int, alignment: int, stream: int) -> int:
        """The same on a stream."""
        return self.reallocate_output(tensor_name, memory, size, alignment)

    def notify_shape(self, tensor_name: str, shape: Any) -> None:
        """The output's shape is known."""
