"""Memory of a GPU around a plugin's call, by the driver's own functions."""
from __future__ import annotations

import ctypes
from typing import Any, List, Sequence

from ..errors import DeviceError


def _driver() -> Any:
    cuda = ctypes.CDLL("libcuda.so.1")
    cuda.cuMemAlloc_v2.argtypes = [ctypes.POINTER(ctypes.c_uint64), ctypes.c_size_t]
    cuda.cuMemFree_v2.argtypes = [ctypes.c_uint64]
    cuda.cuMemcpyHtoD_v2.argtypes = [ctypes.c_uint64, ctypes.c_void_p, ctypes.c_size_t]
    cuda.cuMemcpyDtoH_v2.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_size_t]
    return cuda


class Staged:
    """Copies of arrays on the GPU: inputs, outputs and workspace are addresses, and outputs are copied back behind the block."""

    def __init__(self, inputs: Sequence[Any], outputs: Sequence[Any], workspace: Any) -> None:
        self._driver, self._given, self._out = _driver(), list(inputs), list(outputs)
        self._all: List[int] = []
        self._scratch, self.stream = workspace, 0

    def _check(self, status: int, what: str) -> None:
        if status:
            raise DeviceError(f"{what} for a plugin failed: CUDA error {status}")

    def _alloc(self, size: int) -> int:
        at = ctypes.c_uint64()
        self._check(self._driver.cuMemAlloc_v2(ctypes.byref(at), max(size, 1)), f"{size} bytes of the GPU")
        self._all.append(at.value)
        return at.value

    def __enter__(self) -> "Staged":
        # The primary context, which engines use.
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self._check(self._driver.cuInit(0), "the driver")
        self._check(self._driver.cuDeviceGet(ctypes.byref(device), 0), "the GPU")
        self._check(self._driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device), "the context")
        self._device = device
        self._check(self._driver.cuCtxPushCurrent_v2(context), "the context")
        try:
            self.inputs = [self._alloc(a.nbytes) for a in self._given]
            self.outputs = [self._alloc(a.nbytes) for a in self._out]
            self.workspace = self._alloc(self._scratch.nbytes)
            for array, at in zip(self._given, self.inputs):
                self._check(self._driver.cuMemcpyHtoD_v2(at, array.ctypes.data, array.nbytes) if array.nbytes else 0, "a copy")
        except BaseException:
            self._leave()
            raise
        return self

    def _leave(self) -> None:
        for at in self._all:
            self._driver.cuMemFree_v2(at)
        old = ctypes.c_void_p()
        self._driver.cuCtxPopCurrent_v2(ctypes.byref(old))
        self._driver.cuDevicePrimaryCtxRelease_v2(self._device)

    def __exit__(self, kind: Any, *_: Any) -> None:
        try:
            if kind is None:
                self._check(self._driver.cuCtxSynchronize(), "the plugin's work")
                for array, at in zip(self._out, self.outputs):
                    self._check(self._driver.cuMemcpyDtoH_v2(array.ctypes.data, at, array.nbytes) if array.nbytes else 0, "a copy")
        finally:
            self._leave()
