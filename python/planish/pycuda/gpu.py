"""The GPU's side of planish.pycuda: the driver itself, in its primary context, as the library uses it."""
from __future__ import annotations

import ctypes
import weakref
from typing import Any, Dict, Optional

VERSION = 11040  # entry points are those of CUDA 11.4, the least that planish takes
NOT_READY, DISABLE_TIMING = 600, 2
LEGACY = 1  # CU_STREAM_LEGACY: the default stream, by a number that is not NULL
# Types of the parameters of each call that is made.
C_SIZE, C_ADDRESS, C_POINTER, C_INT, C_UNSIGNED = ctypes.c_size_t, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint
CALLS = {
    "Init": [C_UNSIGNED], "GetErrorName": [C_INT, C_POINTER], "DeviceGet": [C_POINTER, C_INT], "DeviceGetName": [C_POINTER, C_INT, C_INT],
    "DeviceGetCount": [C_POINTER], "DeviceGetAttribute": [C_POINTER, C_INT, C_INT], "DevicePrimaryCtxRetain": [C_POINTER, C_INT],
    "CtxPushCurrent": [C_POINTER], "CtxPopCurrent": [C_POINTER], "CtxSynchronize": [], "MemGetInfo": [C_POINTER, C_POINTER],
    "MemAlloc": [C_POINTER, C_SIZE], "MemFree": [C_ADDRESS], "MemcpyHtoDAsync": [C_ADDRESS, C_POINTER, C_SIZE, C_POINTER],
    "MemcpyDtoHAsync": [C_POINTER, C_ADDRESS, C_SIZE, C_POINTER], "MemcpyDtoDAsync": [C_ADDRESS, C_ADDRESS, C_SIZE, C_POINTER],
    "MemsetD8Async": [C_ADDRESS, ctypes.c_ubyte, C_SIZE, C_POINTER], "MemsetD16Async": [C_ADDRESS, ctypes.c_ushort, C_SIZE, C_POINTER],
    "MemsetD32Async": [C_ADDRESS, C_UNSIGNED, C_SIZE, C_POINTER], "DriverGetVersion": [C_POINTER],
    "StreamCreate": [C_POINTER, C_UNSIGNED], "StreamDestroy": [C_POINTER], "StreamSynchronize": [C_POINTER], "StreamQuery": [C_POINTER],
    "StreamWaitEvent": [C_POINTER, C_POINTER, C_UNSIGNED], "EventCreate": [C_POINTER, C_UNSIGNED], "EventDestroy": [C_POINTER],
    "EventRecord": [C_POINTER, C_POINTER], "EventSynchronize": [C_POINTER], "EventQuery": [C_POINTER], "EventElapsedTime": [C_POINTER, C_POINTER, C_POINTER],
}  # fmt: skip


class DriverError(Exception):
    """What the driver says no to."""


class Driver:
    """One GPU: `call` makes a call of the driver with the GPU's context current."""

    def __init__(self, ordinal: int) -> None:
        library = ctypes.CDLL("libcuda.so.1")
        self._find = library.cuGetProcAddress
        self._find.argtypes = [ctypes.c_char_p, C_POINTER, C_INT, ctypes.c_uint64]
        self._known: Dict[str, Any] = {}
        self.plain("Init", 0)
        self.device = self.number(C_INT, "DeviceGet", ordinal)
        self.context = self.number(C_POINTER, "DevicePrimaryCtxRetain", self.device)
        self.streams: Any = weakref.WeakSet()  # those that pycuda's programs made
        self._own = self.make(C_POINTER, "StreamCreate", 0)  # for calls without one; it waits for the legacy default stream by itself

    def _call(self, name: str, *arguments: Any) -> int:
        function = self._known.get(name)
        if function is None:
            address = C_POINTER()
            if self._find(b"cu" + name.encode(), ctypes.byref(address), VERSION, 0) != 0 or not address.value:
                raise DriverError(f"the driver has no cu{name}: a newer one is needed")
            function = self._known[name] = ctypes.CFUNCTYPE(C_INT, *CALLS[name])(address.value)
        return int(function(*arguments))

    def plain(self, name: str, *arguments: Any, but: int = 0) -> int:
        """A call that needs no context; an error unless it returns 0 or `but`."""
        status = self._call(name, *arguments)
        if status not in (0, but):
            text = C_POINTER()
            known = self._call("GetErrorName", status, ctypes.addressof(text)) == 0 and text.value
            raise DriverError(f"cu{name}: {ctypes.string_at(text.value or 0).decode() if known else status}")
        return status

    def number(self, kind: Any, name: str, *arguments: Any) -> Any:
        """What such a call writes through its first parameter."""
        out = kind()
        self.plain(name, ctypes.addressof(out), *arguments)
        return out.value

    def call(self, name: str, *arguments: Any, but: int = 0) -> int:
        """A call in the GPU's context, which is put away again: other packages may have made another one current."""
        self.plain("CtxPushCurrent", self.context)
        try:
            return self.plain(name, *arguments, but=but)
        finally:
            self.number(C_POINTER, "CtxPopCurrent")

    def make(self, kind: Any, name: str, *arguments: Any) -> Any:
        """What such a call writes through its first parameter."""
        out = kind()
        self.call(name, ctypes.addressof(out), *arguments)
        return out.value

    def work(self, stream: Any, name: str, *arguments: Any) -> None:
        """A call whose last parameter is a stream; without one it comes after all streams' work and is done when it returns."""
        if stream:
            self.call(name, *arguments, stream)
            return
        for other in list(self.streams):
            self.call("StreamSynchronize", other.handle)
        self.call(name, *arguments, self._own)
        self.call("StreamSynchronize", self._own)

    def order(self, first: int, second: int) -> None:
        """What is enqueued on the second stream from now on comes behind what lies on the first."""
        event = self.make(C_POINTER, "EventCreate", DISABLE_TIMING)
        try:
            self.call("EventRecord", event, first)
            self.call("StreamWaitEvent", second, event, 0)
        finally:
            self.call("EventDestroy", event)  # who waits for it still does

    def attribute(self, number: int) -> int:
        """Of the device."""
        return int(self.number(C_INT, "DeviceGetAttribute", number, self.device))

    def name(self) -> str:
        """Of the device."""
        room = ctypes.create_string_buffer(256)
        self.plain("DeviceGetName", ctypes.addressof(room), 256, self.device)
        return room.value.decode()


_drivers: Dict[str, Optional[Driver]] = {}


def driver_of(device: str) -> Optional[Driver]:
    """Of a device by its name, "cuda:0"; None for those that are no GPUs."""
    if device not in _drivers:
        _drivers[device] = Driver(int(device.partition(":")[2] or 0)) if device.startswith("cuda") else None
    return _drivers[device]


def driver() -> Optional[Driver]:
    """Of the GPU that engines are built for here; None where they are built for the CPU."""
    from ..build import default_device

    return driver_of(default_device())
