"""Memory, copies, streams and events, as pycuda.driver has them, all in the host's memory."""
from __future__ import annotations

import time
from typing import Any, Optional, Sequence

import numpy as np


class Error(Exception):
    """What this module says no to."""


LogicError = Error


def init(flags: int = 0) -> None:
    """Nothing needs to be initialized."""


class Device:
    """The host."""

    def __init__(self, number: int = 0) -> None:
        self.number = number

    @staticmethod
    def count() -> int:
        """One."""
        return 1

    def name(self) -> str:
        """Not a GPU."""
        return "host memory"

    def compute_capability(self) -> tuple:
        """None."""
        return (0, 0)

    def make_context(self, *_: Any) -> "Context":
        """Contexts have no meaning."""
        return Context()

    def retain_primary_context(self) -> "Context":
        """Contexts have no meaning."""
        return Context()


class Context:
    """Contexts have no meaning."""

    def push(self) -> None:
        """Does nothing."""

    @staticmethod
    def pop() -> None:
        """Does nothing."""

    def detach(self) -> None:
        """Does nothing."""

    @staticmethod
    def synchronize() -> None:
        """All work is done when a call returns."""


class DeviceAllocation:
    """Memory: its address is int(allocation)."""

    def __init__(self, size: int) -> None:
        if size < 0:
            raise Error(f"{size} bytes cannot be allocated")
        room = np.empty(size + 256, np.uint8)
        start = -room.ctypes.data % 256
        self._memory: Optional[Any] = room[start : start + size]
        self.size = size

    def memory(self) -> Any:
        """Its bytes; an error when it was freed."""
        if self._memory is None:
            raise Error("this memory was freed")
        return self._memory

    def free(self) -> None:
        """Lets go of it."""
        self._memory = None

    def __int__(self) -> int:
        return int(self.memory().ctypes.data)

    __index__ = __int__

    def as_buffer(self, size: int, offset: int = 0) -> memoryview:
        """A part of it."""
        return memoryview(self.memory()[offset : offset + size])


def mem_alloc(size: int) -> DeviceAllocation:
    """Memory of so many bytes."""
    return DeviceAllocation(int(size))


def mem_alloc_like(array: Any) -> DeviceAllocation:
    """As many bytes as an array has."""
    return DeviceAllocation(array.nbytes)


def pagelocked_empty(shape: Any, dtype: Any, order: str = "C", mem_flags: int = 0) -> Any:
    """An ordinary array."""
    return np.empty(shape, dtype, order)


def pagelocked_zeros(shape: Any, dtype: Any, order: str = "C", mem_flags: int = 0) -> Any:
    """An ordinary array."""
    return np.zeros(shape, dtype, order)


def _bytes(array: Any, writable: bool = False) -> Any:
    if isinstance(array, np.ndarray):
        if not array.flags.c_contiguous:
            raise Error("the array is not contiguous")
        if writable and not array.flags.writeable:
            raise Error("the array is read-only")
        return array.reshape(-1).view(np.uint8)
    return np.frombuffer(array, np.uint8)


def _at(address: Any, size: int) -> Any:
    if isinstance(address, DeviceAllocation):
        memory = address.memory()
    else:
        from .._native import ffi

        return np.frombuffer(ffi.buffer(ffi.cast("char *", int(address)), size), np.uint8)
    if size > memory.size:
        raise Error(f"{size} bytes do not fit into memory of {memory.size}")
    return memory[:size]


def memcpy_htod(dest: Any, src: Any) -> None:
    """From an array to memory."""
    source = _bytes(src)
    _at(dest, source.size)[...] = source


def memcpy_dtoh(dest: Any, src: Any) -> None:
    """From memory to an array."""
    target = _bytes(dest, True)
    target[...] = _at(src, target.size)


def memcpy_dtod(dest: Any, src: Any, size: int) -> None:
    """From memory to memory."""
    _at(dest, size)[...] = _at(src, size)


def memcpy_htod_async(dest: Any, src: Any, stream: Any = None) -> None:
    """memcpy_htod."""
    memcpy_htod(dest, src)


def memcpy_dtoh_async(dest: Any, src: Any, stream: Any = None) -> None:
    """memcpy_dtoh."""
    memcpy_dtoh(dest, src)


def memcpy_dtod_async(dest: Any, src: Any, size: int, stream: Any = None) -> None:
    """memcpy_dtod."""
    memcpy_dtod(dest, src, size)


def memset_d8(dest: Any, value: int, size: int) -> None:
    """Sets bytes."""
    _at(dest, size)[...] = value


class Stream:
    """All work is done when a call returns: its handle is 0."""

    handle = 0

    def __init__(self, flags: int = 0) -> None:
        self.flags = flags

    def synchronize(self) -> None:
        """Nothing is left to wait for."""

    def is_done(self) -> bool:
        """True."""
        return True

    def wait_for_event(self, event: "Event") -> None:
        """Nothing is left to wait for."""


class Event:
    """A point in time."""

    def __init__(self, flags: int = 0) -> None:
        self.time = 0.0

    def record(self, stream: Optional[Stream] = None) -> "Event":
        """Now."""
        self.time = time.perf_counter()
        return self

    def synchronize(self) -> "Event":
        """Nothing is left to wait for."""
        return self

    def query(self) -> bool:
        """True."""
        return True

    def time_since(self, event: "Event") -> float:
        """Milliseconds between two events."""
        return (self.time - event.time) * 1e3

    def time_till(self, event: "Event") -> float:
        """Milliseconds to a later event."""
        return event.time_since(self)


def mem_get_info() -> Sequence[int]:
    """(free, all) bytes of the host."""
    told = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in open("/proc/meminfo") if line.split()[1].isdigit()}
    return told.get("MemAvailable", 0), told.get("MemTotal", 0)
