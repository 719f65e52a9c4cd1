"""Element types: those of ONNX as numpy knows them.

numpy has no bfloat16, float8 or 4-bit types; where the package ml_dtypes is installed its types are used, else unsigned integers of the same bits (types of less
than 8 bits: one element a byte). Strings are object arrays of str.
"""
from __future__ import annotations

import functools
from typing import Any, Optional

import numpy as np

from ._native import ffi, lib

STRING = 8
_NUMPY = {1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "object", 9: "bool", 10: "float16", 11: "float64", 12: "uint32",
          13: "uint64", 14: "complex64", 15: "complex128"}  # fmt: skip
_ML = {16: "bfloat16", 17: "float8_e4m3fn", 18: "float8_e4m3fnuz", 19: "float8_e5m2", 20: "float8_e5m2fnuz", 21: "uint4", 22: "int4", 23: "float4_e2m1fn",
       24: "float8_e8m0fnu", 25: "uint2", 26: "int2"}  # fmt: skip
_NAMES = {"f32": 1, "u8": 2, "i8": 3, "u16": 4, "i16": 5, "i32": 6, "i64": 7, "str": 8, "bool": 9, "f16": 10, "f64": 11, "u32": 12, "u64": 13, "bf16": 16}


@functools.lru_cache(maxsize=None)
def bits(code: int) -> int:
    """Bits of an element in memory; 0: no such type."""
    return lib.pln_dtype_bits(code)


@functools.lru_cache(maxsize=None)
def name(code: int) -> str:
    """The library's name of a type: "f32"."""
    return ffi.string(lib.pln_dtype_name(code)).decode()


@functools.lru_cache(maxsize=None)
def to_numpy(code: int) -> Any:
    """The numpy dtype of a type's arrays."""
    if code in _NUMPY:
        return np.dtype(_NUMPY[code])
    try:
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, _ML[code]))
    except (ImportError, AttributeError, TypeError):
        return np.dtype("uint16" if bits(code) == 16 else "uint8")


@functools.lru_cache(maxsize=None)
def _by_name() -> dict:
    return {**{n: c for c, n in _NUMPY.items()}, **{n: c for c, n in _ML.items()}, **_NAMES}


@functools.lru_cache(maxsize=256)
def from_numpy(dtype: Any) -> Optional[int]:
    """The code of a numpy dtype; None: there is none. Texts of any length are strings."""
    dtype = np.dtype(dtype)
    return STRING if dtype.kind in "OUS" else _by_name().get(dtype.name)


def pack(array: Any, code: int) -> Any:
    """Elements of 4 or 2 bits, one a byte, packed little end first; others as they are."""
    size = bits(code)
    if size >= 8:
        return array
    values = np.ascontiguousarray(array).reshape(-1).view(np.uint8) & ((1 << size) - 1)
    per_byte = 8 // size
    values = np.concatenate([values, np.zeros(-len(values) % per_byte, np.uint8)]).reshape(-1, per_byte)
    return np.bitwise_or.reduce(values << (np.arange(per_byte, dtype=np.uint8) * size), axis=1).astype(np.uint8)


def unpack(packed: Any, code: int, shape: tuple) -> Any:
    """The reverse of pack."""
    size, count = bits(code), int(np.prod(shape, dtype=np.int64))
    per_byte = 8 // size
    values = ((packed[:, None] >> (np.arange(per_byte, dtype=np.uint8) * size)) & ((1 << size) - 1)).reshape(-1)[:count]
    if name(code).startswith("i"):  # the sign into the bits above
        values = ((values.astype(np.int8) << (8 - size)).astype(np.int8) >> (8 - size)).view(np.uint8)
    return values.view(to_numpy(code)).reshape(shape)
