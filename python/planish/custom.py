"""Custom operators in Python: nodes of other domains than ONNX's."""
from __future__ import annotations

import threading
from typing import Any, Callable, List, Optional, Sequence, Tuple

import numpy as np

from . import arrays, dtypes, handles
from ._native import ffi, lib
from .errors import check, keep_cause, keep_interrupt

PURE = 1


# In a call: `step`, a number that no other node of an engine has, the same in each run.
calling = threading.local()


class _Operator:
    def __init__(self, compute: Callable[..., Any], shape: Optional[Callable[..., Any]]) -> None:
        self.compute, self.shape = compute, shape


def _attribute(a: Any) -> Any:
    def text(s: Any) -> str:
        return ffi.buffer(s.data, s.size_bytes)[:].decode("utf-8", "surrogateescape") if s.size_bytes else ""

    kinds: Sequence[Callable[[], Any]] = (
        lambda: a.i, lambda: a.f, lambda: text(a.s), lambda: [a.ints[i] for i in range(a.count)], lambda: [a.floats[i] for i in range(a.count)],
        lambda: [text(a.strings[i]) for i in range(a.count)], lambda: arrays.copy_out(a.tensor))  # fmt: skip
    return kinds[a.kind]()


def _attributes(call: Any) -> dict:
    return {ffi.string(call.attributes[i].name).decode(): _attribute(call.attributes[i]) for i in range(call.attribute_count)}


def _failed(kind: Any, raised: Any, trace: Any) -> int:
    keep_interrupt(raised)
    call = trace.tb_frame.f_locals.get("call") if trace else None
    if call is None:
        return 11
    text = f"{kind.__name__}: {raised}"
    keep_cause(raised, text)
    return lib.planish_fail(call, 1 if isinstance(raised, (ValueError, TypeError)) else 10, ffi.new("char[]", text.encode("utf-8", "replace")))


def _known_dims(buffer: Any) -> Tuple[Optional[int], ...]:
    return tuple(buffer.dims[d] if buffer.dims[d] >= 0 else None for d in range(buffer.rank))


@ffi.def_extern(error=11, onerror=_failed)
def planish_on_shape(call):
    operator = ffi.from_handle(call.user)
    calling.step = int(ffi.cast("uintptr_t", call.attributes))
    told = operator.shape([(dtypes.to_numpy(call.inputs[i].dtype), _known_dims(call.inputs[i])) if call.inputs[i].dtype else None for i in range(call.input_count)], _attributes(call))
    for i, one in enumerate(told if isinstance(told, list) else [told]):
        if one is None or i >= call.output_count:
            continue
        dtype, shape = one
        call.outputs[i].dtype, call.outputs[i].rank = dtypes.from_numpy(dtype), len(shape)
        for d, extent in enumerate(shape):
            call.outputs[i].dims[d] = -1 if extent is None else extent
    return 0


def _give(call: Any, i: int, value: Any) -> int:
    array = np.asarray(value)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    code, dims = dtypes.from_numpy(array.dtype), ffi.new(f"int64_t[{arrays.MAX_RANK}]", list(array.shape))
    out = call.outputs[i]
    if not out.data:
        status = call.output(call, i, code or 0, array.ndim, dims)
        if status != 0:
            return status
    elif out.dtype != code or tuple(out.dims[d] for d in range(out.rank)) != array.shape:
        raise ValueError(f"output {i} is {dtypes.name(out.dtype)}{[out.dims[d] for d in range(out.rank)]}, the function gave {array.dtype}{list(array.shape)}")
    if code == dtypes.STRING:
        for e, text in enumerate(array.reshape(-1).tolist()):
            data = str(text).encode("utf-8", "surrogateescape")
            status = call.set_string(call, i, e, data, len(data))
            if status != 0:
                return status
        return 0
    packed = dtypes.pack(np.ascontiguousarray(array), code or 0)
    if packed.nbytes:
        ffi.memmove(call.outputs[i].data, ffi.from_buffer(packed.reshape(-1).view(np.uint8)), packed.nbytes)
    return 0


@ffi.def_extern(error=11, onerror=_failed)
def planish_on_compute(call):
    operator = ffi.from_handle(call.user)
    calling.step = int(ffi.cast("uintptr_t", call.attributes))
    inputs = [arrays.copy_out(call.inputs + i) if call.inputs[i].dtype else None for i in range(call.input_count)]
    given = operator.compute(inputs, _attributes(call))
    given = given if isinstance(given, (list, tuple)) else [given]
    if len(given) < call.output_count:
        raise ValueError(f"the function gave {len(given)} outputs, {call.output_count} are wanted")
    for i in range(call.output_count):
        status = _give(call, i, given[i])
        if status != 0:
            return status
    return 0


class Ops:
    """A set of custom operators, for `planish.build(…, ops=…)` and `planish.load(…, ops=…)`.

        ops = planish.Ops()

        @ops.add("com.acme", "Scale")
        def scale(inputs, attributes):
            return inputs[0] * attributes["factor"]
    """

    def __init__(self) -> None:
        self._pointer = ffi.gc(lib.pln_plugins_create(ffi.NULL), lib.pln_plugins_release)
        self._kept: List[Any] = []

    def add(self, domain: str, name: str, *, inputs: Tuple[int, int] = (1, -1), outputs: Tuple[int, int] = (1, 1), since_version: int = 0, pure: bool = False,
            shape: Optional[Callable[..., Any]] = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:  # fmt: skip
        """A decorator for the function of (list of numpy arrays, dict of attributes) that returns an array, or a list of as many as there are outputs. An input that is left
        out is None. inputs, outputs: least and most, -1: any number.

        shape: a function of (list of (numpy dtype, tuple of extents, None where not known), attributes) that returns (dtype, extents), or a list of them; without it
        shapes are known when it has run. pure: equal inputs give equal outputs and nothing else happens, so that it may be computed when the model is built.
        It may be called by several threads, holding the GIL."""

        def register(compute: Callable[..., Any]) -> Callable[..., Any]:
            keeper = handles.Keeper()
            plugin = ffi.new("struct pln_plugin *")
            plugin.struct_size, plugin.abi = ffi.sizeof("struct pln_plugin"), lib.PLN_PLUGIN_ABI
            plugin.domain, plugin.name, plugin.since_version = keeper.text(domain), keeper.text(name), since_version
            plugin.min_inputs, plugin.max_inputs = inputs
            plugin.min_outputs, plugin.max_outputs = outputs
            plugin.flags = PURE if pure else 0
            plugin.user = keeper.handle(_Operator(compute, shape))
            plugin.compute = lib.planish_on_compute
            if shape is not None:
                plugin.shape = lib.planish_on_shape
            with handles.Diagnostics() as d:
                check(lib.pln_plugins_add(self._pointer, plugin, d.pointer), d.pointer, f"{domain}:{name}")
            self._kept.append(keeper)
            return compute

        return register

    def load(self, path: Any) -> None:
        """Adds the operators of a shared object (planish/plugin.h). Its code may do anything that this process may."""
        with handles.Diagnostics() as d:
            check(lib.pln_plugins_load(self._pointer, handles.encoded(path), d.pointer), d.pointer, str(path))

    def __iter__(self) -> Any:
        """Pairs of domain and name."""
        i = 0
        while True:
            told = lib.pln_plugins_get(self._pointer, i)
            if not told:
                return
            yield ffi.string(told.domain).decode(), ffi.string(told.name).decode()
            i += 1


