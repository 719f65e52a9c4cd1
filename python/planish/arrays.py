"""Arrays of any library as buffers of the C API, without copies where there need be none.

Taken are numpy arrays, what speaks DLPack (PyTorch, JAX, …), what has `__cuda_array_interface__` (CuPy, Numba, PyTorch), and what numpy can make an array of. Memory on
a GPU stays there.
"""
from __future__ import annotations

import ctypes
import math
import numbers
import sys
from typing import Any, NamedTuple, Optional

import numpy as np

from . import dtypes
from ._native import ffi, lib
from .errors import InvalidArgument, check

HOST, DEVICE = 0, 1
MAX_RANK = lib.PLN_MAX_RANK
# Bytes that memory has at the most.
MOST = (1 << 63) - 1


def nbytes(code: int, shape: Any) -> int:
    """Bytes of a row-major array."""
    return (math.prod(shape) * dtypes.bits(code) + 7) // 8


class Memory(NamedTuple):
    """Where elements lie: `address` and `nbytes`, their type, shape and strides (in elements; None: row-major), and what keeps them alive. imported: is it memory of a GPU
    that another library handed over in the order of the default stream? stream: another one, on which its work lies; the default stream has to be put behind that."""

    address: int
    nbytes: int
    code: int
    shape: tuple
    strides: Optional[tuple]
    where: int
    writable: bool
    owner: Any
    imported: bool = False
    stream: int = 0


# ---- DLPack (https://dmlc.github.io/dlpack, version 0.8: the unversioned struct that every producer gives) ----


class _DLTensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32), ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8),
                ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16), ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64)),
                ("byte_offset", ctypes.c_uint64)]  # fmt: skip


_DL_CPU, _DL_CUDA, _DL_CUDA_HOST, _DL_CUDA_MANAGED = 1, 2, 3, 13
_DL_CODES = {(0, 8): 3, (0, 16): 5, (0, 32): 6, (0, 64): 7, (1, 8): 2, (1, 16): 4, (1, 32): 12, (1, 64): 13, (2, 16): 10, (2, 32): 1, (2, 64): 11, (4, 16): 16,
             (5, 64): 14, (5, 128): 15, (6, 8): 9}  # fmt: skip


def _from_dlpack(value: Any) -> Memory:
    # A consumer names the stream that it will work on, here the default one (1); producers in host memory have none.
    on_gpu = hasattr(value, "__dlpack_device__") and value.__dlpack_device__()[0] in (_DL_CUDA, _DL_CUDA_MANAGED)
    capsule = value.__dlpack__(stream=1) if on_gpu else value.__dlpack__()
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    tensor = _DLTensor.from_address(pointer(capsule, b"dltensor"))
    code = _DL_CODES.get((tensor.code, tensor.bits)) if tensor.lanes == 1 else None
    if code is None:
        raise InvalidArgument(f"a DLPack tensor of type ({tensor.code}, {tensor.bits} bits, {tensor.lanes} lanes) has no element type here")
    if not 0 <= tensor.ndim <= MAX_RANK:
        raise InvalidArgument(f"a DLPack tensor has {tensor.ndim} dims, {MAX_RANK} at the most are possible")
    shape = tuple(tensor.shape[i] for i in range(tensor.ndim))
    strides = tuple(tensor.strides[i] for i in range(tensor.ndim)) if tensor.strides else None
    if tensor.device_type not in (_DL_CPU, _DL_CUDA, _DL_CUDA_HOST, _DL_CUDA_MANAGED):
        raise InvalidArgument(f"a DLPack tensor on a device of type {tensor.device_type}: only CPUs and CUDA devices are known")
    where = HOST if tensor.device_type in (_DL_CPU, _DL_CUDA_HOST) else DEVICE
    # The capsule is not consumed: its destructor lets go of the tensor when `owner` goes.
    return _memory((tensor.data or 0) + tensor.byte_offset, code, shape, strides, where, True, (value, capsule))._replace(imported=where == DEVICE)


def _from_cuda_interface(value: Any, told: dict) -> Memory:
    dtype = np.dtype(told["typestr"])
    if not dtype.isnative:
        raise InvalidArgument(f"a CUDA array of type {told['typestr']} is not in the machine's byte order")
    code, shape, steps = dtypes.from_numpy(dtype), tuple(told["shape"]), told.get("strides")
    if code is None or code == dtypes.STRING:
        raise InvalidArgument(f"a CUDA array of type {told['typestr']} has no element type here")
    if steps is not None and (len(steps) != len(shape) or any(s % dtype.itemsize for s in steps)):
        raise InvalidArgument(f"a CUDA array's strides {tuple(steps)} do not go with its shape {shape} and elements of {dtype.itemsize} bytes")
    strides = None if steps is None else tuple(s // dtype.itemsize for s in steps)
    address, read_only = told["data"]
    return _memory(address or 0, code, shape, strides, DEVICE, not read_only, value)._replace(imported=True, stream=_stream_of(told))


def _stream_of(told: dict) -> int:
    """The stream of `__cuda_array_interface__`, version 3, that its consumer has to come behind; 0: none, or the default one."""
    stream = told.get("stream")
    if stream is None:
        return 0
    if isinstance(stream, bool) or not isinstance(stream, numbers.Integral) or not 0 < stream < 1 << 64:
        raise InvalidArgument(f"a CUDA array's stream is {stream!r}: it is None, 1 (the default stream), 2 (that of the thread) or a stream's address")
    return 0 if stream == 1 else int(stream)


def _memory(address: int, code: int, shape: tuple, strides: Optional[tuple], where: int, writable: bool, owner: Any) -> Memory:
    if len(shape) > MAX_RANK:
        raise InvalidArgument(f"an array has {len(shape)} dims, {MAX_RANK} at the most are possible")
    if min(shape, default=0) < 0 or nbytes(code, shape) > MOST:
        raise InvalidArgument(f"{shape} is no shape of an array in memory")
    if strides and 0 not in shape and any(s < 0 and n > 1 for n, s in zip(shape, strides)):
        raise InvalidArgument("an array that runs backwards (a stride below 0) is not taken as it is: copy it first")
    dense, step = True, 1
    for extent, stride in zip(reversed(shape), reversed(strides or ())):
        dense, step = dense and (extent == 1 or stride == step), step * extent
    strides = None if dense or 0 in shape else strides
    extent = 1 + sum((n - 1) * s for n, s in zip(shape, strides)) if strides else math.prod(shape)
    return Memory(address, (extent * dtypes.bits(code) + 7) // 8, code, shape, strides, where, writable, owner)


def _from_numpy(array: Any) -> Memory:
    code = dtypes.from_numpy(array.dtype)
    if code is None:
        raise InvalidArgument(f"arrays of {array.dtype} have no element type here")
    if array.ndim > MAX_RANK:
        raise InvalidArgument(f"an array has {array.ndim} dims, {MAX_RANK} at the most are possible")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if not array.flags.aligned:
        array = array.copy()
    if dtypes.bits(code) < 8:
        packed = dtypes.pack(array, code)
        return Memory(packed.ctypes.data, packed.nbytes, code, array.shape, None, HOST, False, packed)
    size = array.dtype.itemsize
    if not array.flags.c_contiguous and any(s < 0 or s % size for s in array.strides):
        array = np.ascontiguousarray(array)
    address, read_only = array.__array_interface__["data"]
    if array.flags.c_contiguous:
        return Memory(address, array.nbytes, code, array.shape, None, HOST, not read_only, array)
    return _memory(address, code, array.shape, tuple(s // size for s in array.strides), HOST, not read_only, array)


def _made(value: Any, wanted: int = 0) -> Any:
    """A numpy array of Python's numbers, texts, or lists of them, of the type wanted (0: any); an error where that would change a value."""
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError) as raised:  # such as rows of different lengths
        raise InvalidArgument(f"{_short(value)} is no array: {raised}") from None
    texts = array.dtype.kind in "US" or array.dtype.kind == "O" and array.size > 0 and all(isinstance(e, (str, bytes)) for e in array.reshape(-1))
    if array.dtype.kind == "O" and not texts:
        raise InvalidArgument(f"{_short(value)} is no array of numbers or texts")
    if not wanted or wanted == dtypes.STRING or not array.size:
        return array if array.size or not wanted or wanted == dtypes.STRING else array.astype(dtypes.to_numpy(wanted))
    if texts:
        raise InvalidArgument(f"{_short(value)} is text, {dtypes.name(wanted)} is wanted")
    kind = dtypes.to_numpy(wanted)
    made = array.astype(kind) if array.dtype.kind != "c" or kind.kind == "c" else None
    if made is None or kind.kind in "biu" and not (array.dtype.kind in "biu" and np.array_equal(made, array)):
        raise InvalidArgument(f"{_short(value)} does not fit into {dtypes.name(wanted)}: convert it first, such as by numpy's astype")
    return made


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."


def _refuse_masked(value: Any) -> None:
    # Who has such an array has loaded numpy.ma, which takes 20 ms.
    masked = sys.modules.get("numpy.ma")
    if masked is not None and isinstance(value, masked.MaskedArray):
        raise InvalidArgument("an array with a mask has elements that are none: fill them first (array.filled)")


def memory_of(value: Any, wanted: int = 0) -> Memory:
    """The memory of an array. wanted: the element type that Python numbers and lists of them become; arrays keep theirs."""
    _refuse_masked(value)
    if not isinstance(value, np.ndarray):
        told = getattr(value, "__cuda_array_interface__", None)
        # PyTorch's has no stream (version 2), but its DLPack asks for ours.
        if told is not None and ("stream" in told or not hasattr(value, "__dlpack__")):
            return _from_cuda_interface(value, told)
        if hasattr(value, "__dlpack__"):
            return _from_dlpack(value)
        value = _made(value, 0 if hasattr(value, "dtype") else wanted)
    if wanted > 15 and dtypes.from_numpy(value.dtype) != wanted and value.dtype == dtypes.to_numpy(wanted):
        # Without ml_dtypes the type is one of unsigned integers.
        array = dtypes.pack(np.ascontiguousarray(value), wanted)
        return Memory(array.ctypes.data, array.nbytes, wanted, value.shape, None, HOST, False, array)
    return _from_numpy(value)


def writable_memory_of(value: Any, what: str) -> Memory:
    """The memory of an array that the library may write; an error where it would write a copy."""
    memory = memory_of(value)
    owner = memory.owner[0] if isinstance(memory.owner, tuple) else memory.owner
    if owner is not value or memory.strides or memory.code == dtypes.STRING or dtypes.bits(memory.code) < 8:
        raise InvalidArgument(f"{what} must be a row-major array in the machine's byte order, of elements of 8 bits and more, and no strings")
    if not memory.writable:
        raise InvalidArgument(f"{what} is read-only")
    return memory


def is_tensor_like(value: Any) -> bool:
    """Has it a type and a shape of its own?"""
    return isinstance(value, np.ndarray) or hasattr(value, "__cuda_array_interface__") or hasattr(value, "__dlpack__") or hasattr(value, "__array__")


def fill_buffer(buffer: Any, memory: Memory) -> Any:
    """Sets a `struct pln_buffer`. Returns what must live as long as it is used."""
    if memory.nbytes > MOST:
        raise InvalidArgument(f"an array of the shape {tuple(memory.shape)} fits into no memory")
    buffer.dtype = memory.code
    buffer.rank = len(memory.shape)
    for i, extent in enumerate(memory.shape):
        buffer.dims[i] = extent
    strides = ffi.new("int64_t[]", list(memory.strides)) if memory.strides else ffi.NULL
    buffer.strides = strides
    buffer.data = ffi.cast("void *", memory.address)
    buffer.size_bytes = memory.nbytes
    buffer.memory = memory.where
    return strides


# ---- from the library ----


def _strings(data: Any, count: int) -> list:
    strings = ffi.cast("struct pln_string *", data)
    return [ffi.buffer(strings[i].data, strings[i].size_bytes)[:].decode("utf-8", "surrogateescape") if strings[i].size_bytes else "" for i in range(count)]


_DIMS = ffi.offsetof("struct pln_buffer", "dims")
# Types whose arrays memmove takes as they are; shapes that were seen, by dtype, rank and dims as bytes.
PLAIN = {code: dtypes.to_numpy(code) for code in (1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15)}
_SEEN: dict = {}


def copy_out(buffer: Any) -> Any:
    """A numpy array with the elements of a `struct pln_buffer` in host memory."""
    told = ffi.buffer(buffer)[: _DIMS + 8 * buffer.rank]
    seen = _SEEN.get(told)
    if seen is not None and not buffer.strides:
        out = np.empty(*seen)
        ffi.memmove(out, buffer.data, out.nbytes)
        return out
    shape = tuple(buffer.dims[i] for i in range(buffer.rank))
    if buffer.dtype in PLAIN and 0 not in shape and len(_SEEN) < 4096:
        _SEEN[told] = (shape, PLAIN[buffer.dtype])
    return _copy_slowly(buffer)


def _copy_slowly(buffer: Any) -> Any:
    shape = tuple([buffer.dims[i] for i in range(buffer.rank)])
    count = math.prod(shape)
    if buffer.dtype == dtypes.STRING:
        out = np.empty(count, dtype=object)
        out[:] = _strings(buffer.data, count)
        return out.reshape(shape)
    size = dtypes.bits(buffer.dtype)
    if size < 8:
        packed = np.frombuffer(ffi.buffer(buffer.data, (count * size + 7) // 8), np.uint8) if count else np.empty(0, np.uint8)
        return dtypes.unpack(packed, buffer.dtype, shape)
    out = np.empty(shape, dtypes.to_numpy(buffer.dtype))
    if out.nbytes == 0:
        return out
    if buffer.strides:
        strides = [buffer.strides[i] * out.itemsize for i in range(buffer.rank)]
        extent = 1 + sum((n - 1) * buffer.strides[i] for i, n in enumerate(shape))
        flat = np.frombuffer(ffi.buffer(buffer.data, extent * out.itemsize), np.uint8)
        np.copyto(out, np.ndarray(shape, out.dtype, flat, strides=strides))
    else:
        ffi.memmove(out if out.dtype.isbuiltin == 1 else out.view(np.uint8 if size == 8 else np.uint16), buffer.data, out.nbytes)
    return out


# ---- values of any kind: sequences (list), optionals (None or the value), maps (dict), strings ----

TENSOR, SEQUENCE, OPTIONAL, MAP = 0, 1, 2, 3


def _own(pointer: Any) -> Any:
    return ffi.gc(pointer[0], lib.pln_host_value_destroy)


def make_value(value: Any, kind: int = TENSOR, wanted: int = 0) -> Any:
    """A `pln_host_value` of Python's value: list or tuple: a sequence; dict: a map; None: an empty optional; else a tensor."""
    out = ffi.new("pln_host_value **")
    if kind == OPTIONAL:
        inner = make_value(value, SEQUENCE if isinstance(value, (list, tuple)) else TENSOR, wanted) if value is not None else ffi.NULL
        check(lib.pln_host_value_new_optional(inner, wanted, out), what="an optional")
        return _own(out)
    if kind == SEQUENCE:
        if is_tensor_like(value) or isinstance(value, (str, bytes, dict)) or value is None:
            raise InvalidArgument(f"a sequence is a list of arrays, not {type(value).__name__}")
        check(lib.pln_host_value_new_sequence(wanted, out), what="a sequence")
        sequence = _own(out)
        for element in value:
            check(lib.pln_host_value_append(sequence, make_value(element, TENSOR, wanted)), what="an element of a sequence does not fit those before it")
        return sequence
    if kind == MAP:
        if not isinstance(value, dict):
            raise InvalidArgument(f"a map is a dict, not {type(value).__name__}")
        keys, values = np.array(list(value.keys())), np.asarray(list(value.values()), dtype=dtypes.to_numpy(wanted) if wanted else None)
        held = [make_value(keys if keys.dtype.kind in "US" else keys.astype(np.int64)), make_value(values)]
        buffers = [ffi.new("struct pln_buffer *") for _ in held]
        for one, buffer in zip(held, buffers):
            check(lib.pln_host_value_buffer(one, buffer))
        check(lib.pln_host_value_new_map(buffers[0], buffers[1], out), what="a map's keys are i64 or strings, its values numbers or strings")
        return _own(out)
    _refuse_masked(value)
    if not is_tensor_like(value):
        value = _made(value, wanted)
    array = np.asarray(value)
    if array.dtype.kind in "OUS":
        strings = ffi.new("struct pln_string[]", max(array.size, 1))
        try:
            held = [(s if isinstance(s, bytes) else str(s).encode("utf-8", "surrogateescape")) for s in array.reshape(-1).tolist()]
        except UnicodeEncodeError as raised:
            raise InvalidArgument(f"a text has halves of characters (surrogates), which strings here may not have: {raised.object!r}") from None
        texts = [ffi.from_buffer(s) for s in held]
        for i, text in enumerate(texts):
            strings[i].data, strings[i].size_bytes = text, len(held[i])
        memory = Memory(int(ffi.cast("intptr_t", strings)), array.size * 16, dtypes.STRING, array.shape, None, HOST, False, None)
    else:
        memory = _from_numpy(array)
    buffer = ffi.new("struct pln_buffer *")
    strides = fill_buffer(buffer, memory)
    status = lib.pln_host_value_from_buffer(buffer, out)
    del strides, memory
    check(status, what="a tensor")
    return _own(out)


def read_value(value: Any) -> Any:
    """Python's form of a `pln_host_value`."""
    kind = lib.pln_host_value_kind(value)
    buffer, element = ffi.new("struct pln_buffer *"), ffi.new("pln_host_value **")
    if kind == TENSOR:
        check(lib.pln_host_value_buffer(value, buffer))
        return copy_out(buffer)
    elements = []
    for i in range(lib.pln_host_value_count(value)):
        check(lib.pln_host_value_element(value, i, element))
        elements.append(read_value(_own(element)))
    if kind == OPTIONAL:
        return elements[0] if elements else None
    if kind == SEQUENCE:
        return elements
    check(lib.pln_host_value_keys(value, buffer))
    return {k: e.item() if isinstance(e, np.ndarray) and e.ndim == 0 else e for k, e in zip(copy_out(buffer).tolist(), elements)}
