"""Memory, copies, streams and events, as pycuda.driver has them: of the GPU where engines are built for one (PLANISH_DEVICE, or the first GPU), else the host's."""
from __future__ import annotations

import builtins
import contextlib
import ctypes
import operator
import time
from typing import Any, Optional, Sequence

import numpy as np

from . import gpu, host

Error = LogicError = RuntimeError = gpu.DriverError


class MemoryError(gpu.DriverError):
    """There is no memory for an allocation."""


class ctx_flags:
    """Kept: contexts have no meaning."""

    SCHED_AUTO, SCHED_SPIN, SCHED_YIELD, SCHED_BLOCKING_SYNC, MAP_HOST, LMEM_RESIZE_TO_MAX = 0, 1, 2, 4, 8, 16


class event_flags:
    """Flags of Event."""

    DEFAULT, BLOCKING_SYNC, DISABLE_TIMING, INTERPROCESS = 0, 1, 2, 4


class host_alloc_flags:
    """Kept: arrays are ordinary ones."""

    PORTABLE, DEVICEMAP, WRITECOMBINED = 1, 2, 4


class mem_host_register_flags:
    """Kept: arrays are ordinary ones."""

    PORTABLE, DEVICEMAP = 1, 2


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

    def total_memory(self) -> int:
        """Bytes of the GPU, or of the host."""
        return mem_get_info()[1]

    def get_attributes(self) -> dict:
        """Not told here, as other attributes of devices."""
        raise Error("attributes of devices are not told here: Device.name(), compute_capability() and total_memory() are")

    def get_attribute(self, attribute: Any) -> int:
        """Not told here."""
        raise Error("attributes of devices are not told here: Device.name(), compute_capability() and total_memory() are")

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
    def get_device() -> Device:
        """The one that there is."""
        return Device(0)

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
        try:
            self._memory = self._gpu.make(gpu.C_ADDRESS, "MemAlloc", max(size, 1)) if self._gpu else host.blocks.make(size)
        except (builtins.MemoryError, ValueError, OverflowError, Error) as raised:
            raise MemoryError(f"{size} bytes cannot be allocated: {raised}") from None

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


def pagelocked_empty_like(array: Any, mem_flags: int = 0) -> Any:
    """An ordinary array."""
    return np.empty_like(array)


def pagelocked_zeros_like(array: Any, mem_flags: int = 0) -> Any:
    """An ordinary array."""
    return np.zeros_like(array)


def register_host_memory(array: Any, flags: int = 0) -> Any:
    """The array as it is: right with every copy."""
    return array


def to_device(array: Any) -> DeviceAllocation:
    """New memory with an array's bytes."""
    array = np.asarray(array)
    memory = mem_alloc_like(array)
    memcpy_htod(memory, array)
    return memory


def from_device(memory: Any, shape: Any, dtype: Any, order: str = "C") -> Any:
    """A new array of what lies in memory."""
    array = np.empty(shape, dtype, order)
    memcpy_dtoh(array, memory)
    return array


def from_device_like(memory: Any, other: Any) -> Any:
    """from_device with another array's shape and type."""
    array = np.empty_like(other)
    memcpy_dtoh(array, memory)
    return array


def get_version() -> Sequence[int]:
    """(major, minor, 0) of CUDA that the GPU's driver knows; (0, 0, 0): there is no GPU."""
    version = get_driver_version()
    return version // 1000, version % 1000 // 10, 0


def get_driver_version() -> int:
    """As CUDA counts: 12040 is 12.4; 0: there is no GPU."""
    on = gpu.driver()
    return int(on.number(ctypes.c_int, "DriverGetVersion")) if on else 0


def _bytes(array: Any, writable: bool = False) -> Any:
    if isinstance(array, np.ndarray):
        if not (array.flags.c_contiguous or array.flags.f_contiguous):
            raise Error("the array is not contiguous")
        if writable and not array.flags.writeable:
            raise Error("the array is read-only")
        return (array if array.flags.c_contiguous else array.T).reshape(-1).view(np.uint8)
    view = memoryview(array)
    if writable and view.readonly:
        raise Error("the buffer is read-only")
    return np.frombuffer(view, np.uint8)


def _sized(size: int) -> int:
    if size < 0:
        raise Error(f"{size} bytes cannot be copied or set")
    return size


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
    on, size = gpu.driver(), _sized(size)
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
    _set(dest, value, size, 1)


def memset_d16(dest: Any, value: int, count: int) -> None:
    """Sets numbers of 2 bytes."""
    _set(dest, value, count, 2)


def memset_d32(dest: Any, value: int, count: int) -> None:
    """Sets numbers of 4 bytes."""
    _set(dest, value, count, 4)


def _set(dest: Any, value: int, count: int, width: int) -> None:
    on, size = gpu.driver(), _sized(count) * width
    value = operator.index(value)
    if not -(1 << 8 * width - 1) <= value < 1 << 8 * width:
        raise Error(f"{value} does not fit into {width} bytes")
    value &= (1 << 8 * width) - 1
    if on:
        on.work(None, f"MemsetD{8 * width}Async", _address(dest, size), value, count)
    else:
        _at(dest, size).reshape(-1, width)[...] = np.frombuffer(value.to_bytes(width, "little"), np.uint8)


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


# What pycuda has for kernels of one's own, and for memory that both sides use.
_INSTEAD = {
    **dict.fromkeys(("In", "Out", "InOut", "SourceModule", "module_from_buffer", "module_from_file"), "kernels of your own are not run here: write a plugin (trt.IPluginV3), or use CuPy or PyTorch"),
    **dict.fromkeys(("managed_empty", "managed_zeros", "managed_empty_like", "managed_zeros_like", "aligned_empty", "aligned_zeros"), "use pagelocked_empty and mem_alloc, with copies between them"),
}  # fmt: skip


def __getattr__(name: str) -> Any:
    raise AttributeError(f"planish.pycuda.driver has no '{name}'" + (f": {_INSTEAD[name]}" if name in _INSTEAD else ""))
