"""Small things that programs written for TensorRT use: generations, types, dims, host memory, weights."""
from __future__ import annotations

import ctypes
import difflib
import enum
import functools
import operator
import os
import sys
from typing import Any, Callable, Dict, Iterable, Optional, Tuple

import numpy as np

from .. import dtypes
from ..errors import InvalidArgument

# Versions of TensorRT whose Python API is meant: scripts compare `__version__`, and attributes came and went.
VERSIONS = {8: "8.6.1", 10: "10.13.0", 11: "11.1.0"}
# For programs that are not to be changed.
VARIABLE = "PLANISH_TENSORRT_GENERATION"
_generation, _chosen = 8, False


def generation() -> int:
    """8 (the default), 10 or 11."""
    return _generation


def set_generation(number: int) -> None:
    """Chooses the generation, before engines and builders are made: it sets `__version__`; in generation 8 INT64 inputs and outputs are INT32, as TensorRT 8 had them."""
    global _generation, _chosen
    if number not in VERSIONS:
        raise InvalidArgument(f"generations are {', '.join(map(str, VERSIONS))}, not {number}")
    _generation, _chosen = int(number), True


def alias_generation(number: int) -> None:
    """That of an installed alias (--generation), where neither the program nor the environment chose one."""
    if not _chosen:
        set_generation(number)


def _of_environment() -> None:
    told = os.environ.get(VARIABLE)
    if told:
        if told not in map(str, VERSIONS):
            raise InvalidArgument(f"{VARIABLE} is {told!r}: generations are {', '.join(map(str, VERSIONS))}")
        set_generation(int(told))


_of_environment()


class Generation(int):
    """The number of a generation, which programs may also call, as a function that gives it."""

    def __call__(self) -> int:
        return int(self)


class Named(enum.IntEnum):
    """Numbers that are printed by their names, in all Pythons."""

    __str__, __format__ = enum.Enum.__str__, lambda self, told: format(str(self), told)

    def __bool__(self) -> bool:
        return True  # so that `dtype or trt.float16` is what it says, for FLOAT, which is 0, too


def went(name: str, last: int, instead: str) -> AttributeError:
    """Of something that programs of generations behind `last` do not find."""
    return AttributeError(f"'{name}' went with TensorRT {10 if last == 8 else 11}: {instead} (or planish.tensorrt.set_generation({last}))")


# Members of enumerations by the enumeration's name: their names, the last generation, what to use. Enumeration["NAME"] finds them always.
GONE: Dict[str, Tuple[Tuple[str, ...], int, str]] = {
    "BuilderFlag": (("FP16", "INT8", "BF16", "FP8", "INT4", "FP4", "OBEY_PRECISION_CONSTRAINTS", "PREFER_PRECISION_CONSTRAINTS", "STRICT_TYPES"), 10, "types stand in the network: add_cast, add_quantize"),
    "TacticSource": (("CUBLAS", "CUBLAS_LT", "CUDNN"), 10, "all kernels are Planish's"),
    "NetworkDefinitionCreationFlag": (("EXPLICIT_BATCH",), 10, "all networks have explicit batches: create_network()"),
}  # fmt: skip


class _Members(enum.EnumMeta):
    """Of enumerations some of whose members went (GONE)."""

    def __getattribute__(cls, name: str) -> Any:
        if name[:1] != "_":
            _look(cls, name)
        return super().__getattribute__(name)

    def __getattr__(cls, name: str) -> Any:
        # Asked where the above failed: up to Python 3.11 members are found here.
        _look(cls, name)
        return cls._member_map_[name] if name in cls._member_map_ else super().__getattribute__(name)


def _look(kind: type, name: str) -> None:
    names, last, instead = GONE.get(type.__getattribute__(kind, "__name__"), ((), 0, ""))
    if _generation > last and name in names:
        raise went(name, last, instead)


class NamedUntil(Named, metaclass=_Members):
    """Numbers that are printed by their names, some of which went with a generation."""


class DataType(Named):
    """Element types, by TensorRT's numbers."""

    FLOAT, HALF, INT8, INT32, BOOL, UINT8, FP8, BF16, INT64, INT4, FP4, E8M0 = range(12)

    @property
    def itemsize(self) -> float:
        """Bytes of an element; 0.5 for types of 4 bits."""
        return dtypes.bits(_CODES[self]) / 8


_CODES = {DataType.FLOAT: 1, DataType.HALF: 10, DataType.INT8: 3, DataType.INT32: 6, DataType.BOOL: 9, DataType.UINT8: 2, DataType.FP8: 17, DataType.BF16: 16, DataType.INT64: 7,
          DataType.INT4: 22, DataType.FP4: 23, DataType.E8M0: 24}  # fmt: skip
_TYPES = {code: dtype for dtype, code in _CODES.items()}


def code_of(dtype: DataType) -> int:
    """The library's element type."""
    return _CODES[DataType(dtype)]


def type_of(code: int) -> DataType:
    """TensorRT's element type, of the library's."""
    if code not in _TYPES:
        raise InvalidArgument(f"TensorRT has no element type {dtypes.name(code)}: use planish.build and planish.Engine for this model")
    return _TYPES[code]


def nptype(dtype: DataType) -> Any:
    """The numpy type; TypeError where numpy has none (BF16, FP8, INT4, FP4)."""
    if code_of(dtype) > 15:
        raise TypeError(f"numpy has no type for {DataType(dtype)!s}")
    return dtypes.to_numpy(code_of(dtype)).type


def volume(shape: Iterable[int]) -> int:
    """Elements of a shape: 1 of a scalar's, which is empty; dynamic extents count as -1."""
    return functools.reduce(operator.mul, shape, 1)


# ---- what a parameter may be: each gives the value as it is kept, or says what is wrong (TypeError, ValueError, OverflowError) ----


def integer(value: Any) -> int:
    """An integer of 64 bits; of floats only those that are one."""
    if isinstance(value, enum.Enum):
        raise TypeError("an integer is wanted")
    if isinstance(value, (float, np.floating)) and value != int(value):
        raise ValueError("an integer is wanted")
    try:
        number = int(value) if isinstance(value, (float, np.floating)) else operator.index(value)
    except TypeError:
        raise TypeError(f"an integer is wanted, not {type(value).__name__}") from None
    if not -(1 << 63) <= number < 1 << 63:
        raise OverflowError("it does not fit into 64 bits")
    return number


def natural(value: Any) -> int:
    """An integer from 1 on."""
    number = integer(value)
    if not 0 < number < 1 << 31:
        raise ValueError("an integer from 1 to 2147483647 is wanted")
    return number


def real(value: Any) -> float:
    """A float32, which may be infinite."""
    if isinstance(value, (enum.Enum, str, bytes)):
        raise TypeError("a number is wanted")
    number = float(value)
    if number != number or float(np.finfo(np.float32).max) < abs(number) < np.inf:
        raise ValueError("a number that a float32 can hold is wanted")
    return number


def flag(value: Any) -> bool:
    """True or False, or 1 or 0."""
    if isinstance(value, (enum.Enum, str, bytes)) or np.ndim(value) or value not in (0, 1):
        raise TypeError("True or False is wanted")
    return bool(value)


def naturals(value: Any) -> "Dims":
    """Integers from 1 on."""
    return Dims(map(natural, _each(value)))


def extents(value: Any) -> "Dims":
    """Integers."""
    return Dims(_each(value))


def _each(value: Any) -> Any:
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        raise TypeError(f"a tuple of integers is wanted, not {type(value).__name__}")
    return value


def one_of(kind: Any) -> Callable[[Any], Any]:
    """A member of an enumeration: another enumeration's would be taken by its number."""

    def to(value: Any) -> Any:
        if not isinstance(value, (kind, int, np.integer)) or (isinstance(value, enum.Enum) and not isinstance(value, kind)):
            raise TypeError(f"a {kind.__name__} is wanted")
        return kind(value)

    return to


class Dims(tuple):
    """A shape: a tuple, whatever it was made of."""

    MAX_DIMS = 8

    def __new__(cls, shape: Iterable[int] = ()) -> "Dims":
        return super().__new__(cls, (integer(d) for d in shape))

    def numel(self) -> int:
        """Elements, -1 where an extent is dynamic."""
        return -1 if any(d < 0 for d in self) else functools.reduce(operator.mul, self, 1)


class Dims2(Dims):
    """Two extents, one behind the other or as a tuple."""

    def __new__(cls, *shape: Any) -> "Dims2":
        return super().__new__(cls, shape[0] if len(shape) == 1 else shape)  # type: ignore[return-value]


class DimsHW(Dims2):
    """Height and width."""

    h, w = property(lambda self: self[0], doc="Height."), property(lambda self: self[1], doc="Width.")


class Dims3(Dims2):
    """Three extents."""


class Dims4(Dims2):
    """Four extents."""


class Permutation(tuple):
    """An order of dims."""

    def __new__(cls, order: Iterable[int] = ()) -> "Permutation":
        return super().__new__(cls, (integer(d) for d in order))


class Strict:
    """Something whose attributes are its own: a name that is mistyped is an error, not a parameter that nobody reads."""

    def __setattr__(self, name: str, value: Any) -> None:
        kind = type(self)
        if name[:1] != "_" and not hasattr(kind, name) and name not in self.__dict__ and kind.__module__.startswith(__package__) and not sys._getframe(1).f_globals.get("__name__", "").startswith(__package__):
            close = difflib.get_close_matches(name, dir(kind), 1)
            raise AttributeError(f"{kind.__name__} has no '{name}'" + (f": is '{close[0]}' meant?" if close else ""))
        object.__setattr__(self, name, value)


class Managed(Strict):
    """Something that may stand behind `with`, which does nothing."""

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: Any) -> None:
        pass


class IHostMemory(bytes, Managed):
    """Bytes of a plan, a timing cache, …"""

    def __repr__(self) -> str:
        return f"<IHostMemory of {len(self)} bytes>"

    @property
    def nbytes(self) -> int:
        """Its size."""
        return len(self)

    @property
    def dtype(self) -> DataType:
        """Of its elements."""
        return DataType.UINT8


class Weights(np.lib.mixins.NDArrayOperatorsMixin):
    """Weights of a layer: a numpy array, kept alive as long as this, and used as one (shape, reshape, [i], +, numpy's functions). `dtype` is a DataType."""

    def __init__(self, array: Any = None, address: int = 0, count: int = 0) -> None:
        """Of an array; of a DataType alone: none of that type; of a DataType, an address and a count: a copy of what lies there."""
        if isinstance(array, DataType):
            self.dtype, kind = array, dtypes.to_numpy(code_of(array))
            size = (count * dtypes.bits(code_of(array)) + 7) // 8
            self.array = np.frombuffer(ctypes.string_at(address, size), kind if dtypes.bits(code_of(array)) >= 8 else np.uint8) if count else np.zeros(0, kind)
            if self.array.size != count:
                raise TypeError(f"weights of {array.name} are given as an array, an element a byte")
            return
        self.array = np.zeros(0, np.float32) if array is None else np.ascontiguousarray(array)
        code = dtypes.from_numpy(self.array.dtype)
        if code is None or code not in _TYPES:
            raise TypeError(f"weights of {self.array.dtype} are not known: give float32, float16, int32, int8, … (array.astype)")
        self.dtype = _TYPES[code]

    @property
    def size(self) -> int:
        """Elements."""
        return self.array.size

    @property
    def nbytes(self) -> int:
        """Bytes."""
        return self.array.nbytes

    def numpy(self) -> Any:
        """The array."""
        return self.array

    def __len__(self) -> int:
        return self.array.size

    def __getattr__(self, name: str) -> Any:
        if name[:1] == "_" or name in ("array", "dtype"):  # not yet there while it is made or copied
            raise AttributeError(name)
        return getattr(self.array, name)

    def __getitem__(self, index: Any) -> Any:
        return self.array[index]

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self.array, dtype) if copy else np.asarray(self.array, dtype)

    def __array_ufunc__(self, function: Any, method: str, *given: Any, **told: Any) -> Any:
        if "out" in told:
            told["out"] = tuple(x.array if isinstance(x, Weights) else x for x in told["out"])
        return getattr(function, method)(*(x.array if isinstance(x, Weights) else x for x in given), **told)

    __hash__ = object.__hash__


def as_weights(weights: Any) -> "Weights":
    """Of Weights, an array, or numbers."""
    return weights if isinstance(weights, Weights) else Weights(np.asarray(weights))


class Kept:
    """Something that is kept for who asks."""

    def __init__(self, doc: str, default: Any = None) -> None:
        self.__doc__, self.default, self.name = doc, default, ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, owner: Any, _: Any = None) -> Any:
        return self if owner is None else owner.__dict__.get(self.name, self.default)

    def __set__(self, owner: Any, value: Any) -> None:
        owner.__dict__[self.name] = value


class _Until:
    """An attribute that went with a later generation."""

    def __init__(self, what: Any, name: str, last: int, instead: str) -> None:
        self.what, self.name, self.last, self.instead, self.__doc__ = what, name, last, instead, what.__doc__

    def _look(self) -> None:
        if _generation > self.last:
            raise went(self.name, self.last, self.instead)

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        if owner is None and kind is not None and not callable(self.what):
            return self
        self._look()
        if hasattr(self.what, "__get__"):
            return self.what.__get__(owner, kind)
        return self.what if owner is None else owner.__dict__.get(self.name, self.what)

    def __set__(self, owner: Any, value: Any) -> None:
        self._look()
        if hasattr(self.what, "__set__"):
            self.what.__set__(owner, value)
        else:
            owner.__dict__[self.name] = value


def until(kind: type, last: int, names: str, instead: str) -> None:
    """Attributes of a class (words of names) that are there up to a generation: `hasattr` of programs that look for what there is."""
    for name in names.split():
        setattr(kind, name, _Until(kind.__dict__[name], name, last, instead))


class Flags:
    """A set of flags as bits."""

    def __init__(self) -> None:
        self.bits = 0

    def set(self, flag: Any, on: bool = True) -> None:
        self.bits = self.bits | (1 << int(flag)) if on else self.bits & ~(1 << int(flag))

    def has(self, flag: Any) -> bool:
        return bool(self.bits >> int(flag) & 1)


class Flagged:
    """Something with flags that are set one by one, in `_flags`."""

    def __init__(self) -> None:
        self._flags = Flags()

    @property
    def flags(self) -> int:
        """All flags as bits."""
        return self._flags.bits

    @flags.setter
    def flags(self, bits: int) -> None:
        self._flags.bits = int(bits)

    def set_flag(self, flag: Any) -> None:
        """Permits something."""
        self._flags.set(flag)

    def clear_flag(self, flag: Any) -> None:
        """Forbids it."""
        self._flags.set(flag, False)

    def get_flag(self, flag: Any) -> bool:
        """Is it permitted?"""
        return self._flags.has(flag)


class Reports(Managed):
    """Something that fails as TensorRT does: with a line in the log and None or False, and with the error recorder where one is set."""

    def __init__(self, logger: Any) -> None:
        self.logger = logger
        self.error_recorder: Optional[Any] = None

    def report(self, raised: BaseException) -> None:
        """Logs an error."""
        from .log import ErrorCode, Severity

        status = getattr(raised, "status", 11)
        code = {1: ErrorCode.INVALID_ARGUMENT, 2: ErrorCode.INVALID_CONFIG, 6: ErrorCode.FAILED_ALLOCATION, 4: ErrorCode.UNSUPPORTED_STATE}.get(status, ErrorCode.INTERNAL_ERROR)
        if self.error_recorder is not None:
            self.error_recorder.report_error(code, str(raised))
        self.logger.log(Severity.ERROR, str(raised))
