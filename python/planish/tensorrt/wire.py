"""ONNX models as bytes: just what networks need to look into one, to change its outputs and to add nodes (onnx.proto of ONNX 1.23; protobuf's wire format).

Nothing is copied but what is changed: weights stay in the model's own memory until it is written again. A damaged model raises planish.BadModel here or in the build.
"""
from __future__ import annotations

import struct
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np

from .. import dtypes
from ..errors import BadModel

Bytes = Union[bytes, memoryview]
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MODEL_IR, MODEL_PRODUCER, MODEL_GRAPH, MODEL_OPSET, MODEL_FUNCTIONS = 1, 2, 7, 8, 25
GRAPH_NODE, GRAPH_NAME, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT, GRAPH_VALUE_INFO = 1, 2, 5, 11, 12, 13
ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS = 6, 11
NODE_INPUT, NODE_OUTPUT, NODE_NAME, NODE_OP, NODE_ATTRIBUTE, NODE_DOMAIN = 1, 2, 3, 4, 5, 7
TENSOR_DIMS, TENSOR_TYPE, TENSOR_NAME, TENSOR_RAW = 1, 2, 8, 9
FUNCTION_NAME, FUNCTION_INPUT, FUNCTION_OUTPUT, FUNCTION_NODE, FUNCTION_OPSET, FUNCTION_DOMAIN = 1, 4, 5, 7, 9, 10
IR_VERSION = 10


# ---- reading ----


def _varint(data: Bytes, at: int) -> Tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value & (1 << 64) - 1, at
        if shift > 63:
            raise BadModel("the model is damaged: a number has no end")


def fields(data: Bytes) -> Iterator[Tuple[int, Any, memoryview]]:
    """(number, value: an int or a view of bytes, the whole field as it stands) of a message."""
    view, at = memoryview(data), 0
    while at < len(view):
        start = at
        try:
            key, at = _varint(view, at)
            kind = key & 7
            if kind == VARINT:
                value, at = _varint(view, at)
            else:
                size = {FIXED64: 8, FIXED32: 4}.get(kind, -1)
                if kind == BYTES:
                    size, at = _varint(view, at)
                if size < 0 or size > len(view) - at:
                    raise BadModel("the model is damaged: a field is longer than what is left")
                value, at = view[at : at + size], at + size
        except IndexError:
            raise BadModel("the model is damaged: it ends within a field") from None
        yield key >> 3, value, view[start:at]


def text(value: Any) -> str:
    """A string field."""
    return bytes(value).decode("utf-8", "replace") if not isinstance(value, int) else ""


def named(data: Bytes) -> str:
    """The name that a ValueInfoProto or an AttributeProto begins with."""
    return next((text(v) for n, v, _ in fields(data) if n == 1), "")


class Node:
    """A node as it stands in a model."""

    def __init__(self, data: Bytes) -> None:
        self.inputs: List[str] = []
        self.outputs: List[str] = []
        self.name = self.op = self.domain = ""
        self.attributes: Dict[str, memoryview] = {}
        for number, value, _ in fields(data):
            if number == NODE_INPUT:
                self.inputs.append(text(value))
            elif number == NODE_OUTPUT:
                self.outputs.append(text(value))
            elif number == NODE_NAME:
                self.name = text(value)
            elif number == NODE_OP:
                self.op = text(value)
            elif number == NODE_DOMAIN:
                self.domain = text(value)
            elif number == NODE_ATTRIBUTE and not isinstance(value, int):
                self.attributes[named(value)] = value


def message(part: Bytes) -> Any:
    """What a whole field holds."""
    return next(fields(part))[1]


def number_of(part: Bytes) -> int:
    """Which field it is."""
    return next(fields(part))[0]


def _numbers(value: Any) -> List[int]:
    """Of a field of numbers, which may be packed."""
    if isinstance(value, int):
        return [value]
    out, at = [], 0
    try:
        while at < len(value):
            number_, at = _varint(value, at)
            out.append(number_)
    except IndexError:
        raise BadModel("the model is damaged: a list of numbers is cut off") from None
    return out


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def attribute(data: Bytes) -> Any:
    """An attribute's value: int, float, str, a list of these; None: a tensor or a graph."""
    try:
        return _attribute(data)
    except struct.error:
        raise BadModel("the model is damaged: an attribute's numbers are cut off") from None


def _attribute(data: Bytes) -> Any:
    ints: List[int] = []
    floats: List[float] = []
    strings: List[str] = []
    kind, one = 0, None
    for number, value, _ in fields(data):
        if number == 20:
            kind = value
        elif number == 2 and not isinstance(value, int):
            one = struct.unpack("<f", value)[0]
        elif number == 3 and isinstance(value, int):
            one = _signed(value)
        elif number == 4:
            one = text(value)
        elif number == 7 and not isinstance(value, int):
            floats += struct.unpack(f"<{len(value) // 4}f", value[: len(value) // 4 * 4])
        elif number == 8:
            ints += map(_signed, _numbers(value))
        elif number == 9:
            strings.append(text(value))
    return {6: floats, 7: ints, 8: strings}.get(kind, one if one is not None else {1: 0.0, 2: 0, 3: ""}.get(kind))


class Initializer:
    """A weight as it stands in a model."""

    def __init__(self, data: Bytes) -> None:
        self.name, self.code, self.data = "", 0, data
        dims: List[int] = []
        self.external = False
        for number, value, _ in fields(data):
            if number == TENSOR_DIMS:
                dims += _numbers(value)
            elif number == TENSOR_TYPE:
                self.code = value
            elif number == TENSOR_NAME:
                self.name = text(value)
            elif number in (13, 14):
                self.external = True
        self.shape = tuple(dims)

    @property
    def size(self) -> int:
        """Elements."""
        count = 1
        for d in self.shape:
            count *= d
        return count


class Graph:
    """A model that was read: its graph's fields in order, and all that stands around the graph."""

    def __init__(self, data: Bytes) -> None:
        self.around: List[memoryview] = []  # fields of the model but graph
        self.parts: List[Tuple[int, memoryview]] = []  # of the graph: number and whole field
        self.name = ""
        self.nodes: List[Node] = []
        self.inputs: List[str] = []
        self.outputs: List[str] = []
        self.initializers: Dict[str, Initializer] = {}
        for number, value, whole in fields(data):
            if number == MODEL_GRAPH and not isinstance(value, int):
                self._read(value)
                continue
            self.around.append(whole)

    def written(self, parts: Sequence[Bytes], *around: bytes) -> bytes:
        """The model with these fields in its graph, and more around it."""
        return b"".join([*self.around, *around, put(MODEL_GRAPH, b"".join(parts))])

    def with_initializers(self, new: Dict[str, bytes]) -> bytes:
        """The model with other TensorProtos for some of its initializers."""
        parts: List[Bytes] = []
        for number_, part in self.parts:
            name = Initializer(message(part)).name if number_ == GRAPH_INITIALIZER else None
            parts.append(put(GRAPH_INITIALIZER, new[name]) if name in new else part)
        return self.written(parts)

    def _read(self, data: Bytes) -> None:
        for number, value, whole in fields(data):
            self.parts.append((number, whole))
            if isinstance(value, int):
                continue
            if number == GRAPH_NODE:
                self.nodes.append(Node(value))
            elif number == GRAPH_NAME:
                self.name = text(value)
            elif number == GRAPH_INITIALIZER:
                made = Initializer(value)
                self.initializers[made.name] = made
            elif number in (GRAPH_INPUT, GRAPH_OUTPUT):
                (self.inputs if number == GRAPH_INPUT else self.outputs).append(named(value))


# ---- writing ----


def number(value: int) -> bytes:
    """A varint."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def put(field: int, value: Any) -> bytes:
    """A field: of an int, a float, a string or the bytes of a message."""
    if isinstance(value, float):
        return number(field << 3 | FIXED32) + struct.pack("<f", value)
    if isinstance(value, (int, np.integer)):
        return number(field << 3 | VARINT) + number(int(value))
    data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return b"".join((number(field << 3 | BYTES), number(len(data)), data))


def tensor(array: Any, name: str = "", code: int = 0) -> bytes:
    """A TensorProto of an array; code: its element type, where numpy's does not tell (4 bits: packed bytes with `array.shape` elements)."""
    shape, code = array.shape, code or dtypes.from_numpy(array.dtype)
    packed = np.ascontiguousarray(dtypes.pack(np.ascontiguousarray(array), code))
    data = memoryview(packed.reshape(-1).view(np.uint8)) if packed.size else b""
    return b"".join([*(put(TENSOR_DIMS, d) for d in shape), put(TENSOR_TYPE, code), put(TENSOR_NAME, name), put(TENSOR_RAW, data)])


def value_info(name: str, code: int, dims: Optional[Sequence[Union[int, str]]]) -> bytes:
    """A ValueInfoProto of a tensor; dims: numbers, or names; None: not told; code 0: nor the type."""
    if not code:
        return put(1, name)
    shape = b""
    if dims is not None:
        shape = put(2, b"".join(put(1, put(2, d) if isinstance(d, str) else put(1, d)) for d in dims))
    return put(1, name) + put(2, put(1, put(1, code) + shape))


_KINDS = {float: (2, 1), int: (3, 2), str: (4, 3)}


def put_attribute(name: str, value: Any) -> bytes:
    """An AttributeProto: of an int, a float, a string, a numpy array (a tensor), bytes (a graph), or a list of numbers or strings."""
    if isinstance(value, bytes):
        body = put(6, value) + put(20, 5)
    elif isinstance(value, np.ndarray):
        body = put(5, tensor(value)) + put(20, 4)
    elif isinstance(value, (list, tuple)):
        first = next(iter(value), 0)
        field, kind = (7, 6) if isinstance(first, float) else (9, 8) if isinstance(first, str) else (8, 7)
        body = b"".join(put(field, v) for v in value) + put(20, kind)
    else:
        value = value if isinstance(value, (str, float)) else int(value)
        field, kind = _KINDS[type(value)]
        body = put(field, value) + put(20, kind)
    return put(1, name) + body


def node(op: str, inputs: Iterable[str], outputs: Iterable[str], name: str = "", domain: str = "", attributes: Optional[Dict[str, Any]] = None) -> bytes:
    """A NodeProto."""
    return b"".join([
        *(put(NODE_INPUT, i) for i in inputs), *(put(NODE_OUTPUT, o) for o in outputs), put(NODE_NAME, name), put(NODE_OP, op), put(NODE_DOMAIN, domain),
        *(put(NODE_ATTRIBUTE, put_attribute(k, v)) for k, v in (attributes or {}).items() if v is not None),
    ])  # fmt: skip


def with_graphs(data: Bytes, change: Callable[[Bytes], bytes]) -> bytes:
    """An AttributeProto with its graphs changed."""
    return b"".join(put(n, change(v)) if n in (ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS) and not isinstance(v, int) else w for n, v, w in fields(data))


def renamed_node(data: Bytes, names: Dict[str, str]) -> bytes:
    """A NodeProto with other names of values, also where graphs in its attributes use them. The new names must be none of theirs."""
    out: List[Bytes] = []
    for number_, value, whole in fields(data):
        if number_ in (NODE_INPUT, NODE_OUTPUT) and text(value) in names:
            whole = put(number_, names[text(value)])  # type: ignore[assignment]
        elif number_ == NODE_ATTRIBUTE and not isinstance(value, int):
            whole = put(number_, with_graphs(value, lambda graph: _renamed_graph(graph, names)))  # type: ignore[assignment]
        out.append(whole)
    return b"".join(out)


def _renamed_graph(data: Bytes, names: Dict[str, str]) -> bytes:
    out: List[Bytes] = []
    for number_, value, whole in fields(data):
        if number_ == GRAPH_NODE:
            whole = put(number_, renamed_node(value, names))  # type: ignore[assignment]
        elif number_ == GRAPH_OUTPUT and named(value) in names:
            whole = put(number_, b"".join(put(1, names[named(value)]) if n == 1 else w for n, _, w in fields(value)))  # type: ignore[assignment]
        out.append(whole)
    return b"".join(out)


def opset(domain: str, version: int) -> bytes:
    """An OperatorSetIdProto."""
    return put(1, domain) + put(2, version)
