"""Memory, copies, streams and events, as pycuda.driver has them: of the GPU where engines are built for one (PLANISH_DEVICE, or the first GPU), else the host's."""
from __future__ import annotations

import contextlib
import ctypes
import time
from typing import Any, Optional, Sequence

import numpy as np

from . import gpu, host

Error = LogicError = gpu.DriverError


def init(flags: int = 0) -> None:
    """Nothing needs to be initialized."""


class Device:
    """The GPU, or the host."""

    def __init__(self, number: int = 0) -> None:
        self.number = number

    @staticmethod
    def count() -> int:
        """One."""
        return 1

    def name(self) -> str:
        """The GPU's, or that it is none."""
        on = gpu.driver()
        return on.name() if on else "host memory"

    def compute_capability(self) -> tuple:
        """(0, 0): none."""
        on = gpu.driver()
        return (on.attribute(75), on.attribute(76)) if on else (0, 0)

    def make_context(self, *_: Any) -> "Context":
        """Contexts have no meaning."""
        return Context()

    def retain_primary_context(self) -> "Context":
        """Contexts have no meaning."""
        return Context()


class Context:
    """Calls make the GPU's primary context current themselves."""

    def push(self) -> None:
        """Does nothing."""

    @staticmethod
    def pop() -> None:
        """Does nothing."""

    def detach(self) -> None:
        """Does nothing."""

    @staticmethod
    def synchronize() -> None:
        """Waits for the GPU. On the CPU all work is done when a call returns."""
        on = gpu.driver()
        if on:
            on.call("CtxSynchronize")


class DeviceAllocation:
    """Memory: its address is int(allocation)."""

    def __init__(self, size: int) -> None:
        if size < 0:
            raise Error(f"{size} bytes cannot be allocated")
        self.size, self._gpu = size, gpu.driver()
        self._memory: Optional[Any] = None
        if self._gpu:
            self._memory = self._gpu.make(gpu.C_ADDRESS, "MemAlloc", max(size, 1))
        else:
            self._memory = host.blocks.make(size)

    def memory(self) -> Any:
        """Its bytes, or its address on the GPU; an error when it was freed."""
        if self._memory is None:
            raise Error("this memory was freed")
        return self._memory

    def free(self) -> None:
        """Lets go of it."""
        memory, self._memory = self._memory, None
        if self._gpu and memory is not None:
            self._gpu.call("MemFree", memory)
        elif memory is not None:
            host.blocks.free(memory)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # at the end of the program the driver may be gone already
            self.free()

    def __int__(self) -> int:
        return int(self.memory() if self._gpu else self.memory().ctypes.data)

    __index__ = __int__

    def as_buffer(self, size: int, offset: int = 0) -> memoryview:
        """A part of it."""
        if self._gpu:
            raise Error("memory of a GPU is no buffer of the host: memcpy_dtoh copies it")
        return memoryview(self.memory()[offset : offset + size])


def mem_alloc(size: int) -> DeviceAllocation:
    """Memory of so many bytes."""
    return DeviceAllocation(int(size))


def mem_alloc_like(array: Any) -> DeviceAllocation:
    """As many bytes as an array has."""
    return DeviceAllocation(array.nbytes)


def pagelocked_empty(shape: Any, dtype: Any, order: str = "C", mem_flags: int = 0) -> Any:
    """An ordinary array, whose pages may move: right with every copy, and as fast as one of those."""
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

        wrong = host.blocks.complaint(int(address), size)
        if wrong:
            raise Error(wrong)
        return np.frombuffer(ffi.buffer(ffi.cast("char *", int(address)), size), np.uint8)
    if size > address.size:
        raise Error(f"{size} bytes do not fit into memory of {address.size}")
    return memory[:size]


def _address(memory: Any, size: int) -> int:
    """On the GPU."""
    if isinstance(memory, DeviceAllocation) and size > memory.size:
        raise Error(f"{size} bytes do not fit into memory of {memory.size}")
    return int(memory)


def memcpy_htod(dest: Any, src: Any, stream: Optional["Stream"] = None) -> None:
    """From an array to memory."""
    source, on = _bytes(src), gpu.driver()
    if on:
        on.work(stream and stream.handle, "MemcpyHtoDAsync", _address(dest, source.size), source.ctypes.data, source.size)
    else:
        _at(dest, source.size)[...] = source


def memcpy_dtoh(dest: Any, src: Any, stream: Optional["Stream"] = None) -> None:
    """From memory to an array."""
    target, on = _bytes(dest, True), gpu.driver()
    if on:
        on.work(stream and stream.handle, "MemcpyDtoHAsync", target.ctypes.data, _address(src, target.size), target.size)
    else:
        target[...] = _at(src, target.size)


def memcpy_dtod(dest: Any, src: Any, size: int, stream: Optional["Stream"] = None) -> None:
    """From memory to memory."""
    on = gpu.driver()
    if on:
        on.work(stream and stream.handle, "MemcpyDtoDAsync", _address(dest, size), _address(src, size), size)
    else:
        _at(dest, size)[...] = _at(src, size)


def memcpy_htod_async(dest: Any, src: Any, stream: Optional["Stream"] = None) -> None:
    """memcpy_htod on a stream: the array must stay until it is done."""
    memcpy_htod(dest, src, stream)


def memcpy_dtoh_async(dest: Any, src: Any, stream: Optional["Stream"] = None) -> None:
    """memcpy_dtoh on a stream: the array must stay until it is done."""
    memcpy_dtoh(dest, src, stream)


def memcpy_dtod_async(dest: Any, src: Any, size: int, stream: Optional["Stream"] = None) -> None:
    """memcpy_dtod on a stream."""
    memcpy_dtod(dest, src, size, stream)


def memset_d8(dest: Any, value: int, size: int) -> None:
    """Sets bytes."""
    on = gpu.driver()
    if on:
        on.work(None, "MemsetD8Async", _address(dest, size), value, size)
    else:
        _at(dest, size)[...] = value


class Stream:
    """Work in order on a GPU. On the CPU all work is done when a call returns: its handle is 0."""

    def __init__(self, flags: int = 0) -> None:
        self.flags, self._gpu = flags, gpu.driver()
        self.handle = int(self._gpu.make(gpu.C_POINTER, "StreamCreate", flags)) if self._gpu else 0
        if self._gpu:
            self._gpu.streams.add(self)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            if self._gpu:
                self._gpu.call("StreamDestroy", self.handle)

    def synchronize(self) -> None:
        """Waits until its work is done."""
        if self._gpu:
            self._gpu.call("StreamSynchronize", self.handle)

    def is_done(self) -> bool:
        """Is its work done?"""
        return not self._gpu or self._gpu.call("StreamQuery", self.handle, but=gpu.NOT_READY) == 0

    def wait_for_event(self, event: "Event") -> None:
        """What comes waits for the event."""
        if self._gpu:
            self._gpu.call("StreamWaitEvent", self.handle, event.handle, 0)


class Event:
    """A point in time, of a stream."""

    def __init__(self, flags: int = 0) -> None:
        self.time, self._gpu = 0.0, gpu.driver()
        self.handle = int(self._gpu.make(gpu.C_POINTER, "EventCreate", flags)) if self._gpu else 0

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            if self._gpu:
                self._gpu.call("EventDestroy", self.handle)

    def record(self, stream: Optional[Stream] = None) -> "Event":
        """Behind the work that the stream has; on the CPU now."""
        if self._gpu:
            self._gpu.work(stream and stream.handle, "EventRecord", self.handle)
        self.time = time.perf_counter()
        return self

    def synchronize(self) -> "Event":
        """Waits for it."""
        if self._gpu:
            self._gpu.call("EventSynchronize", self.handle)
        return self

    def query(self) -> bool:
        """Is it over?"""
        return not self._gpu or self._gpu.call("EventQuery", self.handle, but=gpu.NOT_READY) == 0

    def time_since(self, event: "Event") -> float:
        """Milliseconds between two events."""
        if self._gpu:
            return float(self._gpu.make(ctypes.c_float, "EventElapsedTime", event.handle, self.handle))
        return (self.time - event.time) * 1e3

    def time_till(self, event: "Event") -> float:
        """Milliseconds to a later event."""
        return event.time_since(self)


def mem_get_info() -> Sequence[int]:
    """(free, all) bytes of the GPU, or of the host."""
    on = gpu.driver()
    if on:
        free, whole = ctypes.c_size_t(), ctypes.c_size_t()
        on.call("MemGetInfo", ctypes.addressof(free), ctypes.addressof(whole))
        return free.value, whole.value
    with open("/proc/meminfo") as lines:
        told = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.split()[1].isdigit()}
    return told.get("MemAvailable", 0), told.get("MemTotal", 0)
