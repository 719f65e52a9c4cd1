"""Networks: tensors and layers, added one by one (layers.py, flow.py) or by an OnnxParser, or both.

A layer becomes ONNX nodes (operator set OPSET) when the network is built or somebody asks for a shape; the builder then builds an ONNX model. Names, ranks and element
types follow from simple rules here; extents are the library's own inference, asked when they are wanted. All of them are kept until a layer before them is changed.
"""
from __future__ import annotations

import itertools
import weakref
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Set, Tuple, Union

import numpy as np

from .. import dtypes
from ..build import build
from ..errors import Error, InvalidArgument, Unsupported
from . import wire
from .base import DataType, Dims, Managed, Strict, Weights, code_of, extents, generation, type_of, until
from .enums import LayerType, TensorFormat, TensorLocation
from .parsed import KEPT, parameter

OPSET = 24
DOMAIN = "planish.tensorrt"
F32, I32, I64, BOOL, F16, BF16 = 1, 6, 7, 9, 10, 16
# Weights of more elements are left out where only types and shapes are asked for: no shape follows from their values.
SMALL = 64


UNRANKED = Dims((-1,))


class _Unranked(InvalidArgument):
    """A rank is not known before a run."""


def _untold(name: str, told: Set[str]) -> str:
    while name in told:
        name += "_"
    return name


def in_order(last: "ILayer", before: Callable[["ILayer"], Iterable["ILayer"]]) -> List["ILayer"]:
    """A layer behind those that come before it, and they behind theirs: chains may be longer than Python's stack. InvalidArgument: they go in a circle."""
    out: List[ILayer] = []
    done: Dict[int, bool] = {id(last): False}
    stack = [(last, iter(before(last)))]
    while stack:
        layer, left = stack[-1]
        for one in left:
            if id(one) not in done:
                done[id(one)] = False
                stack.append((one, iter(before(one))))
                break
            if not done[id(one)]:
                raise one.fail("it depends on its own output: only an IRecurrenceLayer may")
        else:
            stack.pop()
            done[id(layer)] = True
            out.append(layer)
    return out


class Param:
    """A parameter of a layer or tensor: kept, turned by `to` when it is set, and a reason to infer shapes again."""

    def __init__(self, doc: str, default: Any = None, to: Optional[Callable[[Any], Any]] = None) -> None:
        self.__doc__, self.default, self.to, self.name = doc, default, to, ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, owner: Any, _: Any = None) -> Any:
        if owner is None:
            return self
        if self.name in owner.__dict__:
            return owner.__dict__[self.name]
        return parameter(owner, self.name) if self.is_parsed(owner) else self.default

    def is_parsed(self, owner: Any) -> bool:
        """Is it said by a node of a parsed model?"""
        return getattr(owner, "node", None) is not None and self.name not in KEPT

    def __set__(self, owner: Any, value: Any) -> None:
        owner._may_set(self.name)
        owner.__dict__[self.name] = self.to(value) if self.to and value is not None else value
        owner._changed()


class Alias:
    """The old name of a parameter."""

    def __init__(self, name: str) -> None:
        self.name, self.__doc__ = name, f"The old name of {name}."

    def __get__(self, owner: Any, _: Any = None) -> Any:
        return self if owner is None else getattr(owner, self.name)

    def __set__(self, owner: Any, value: Any) -> None:
        setattr(owner, self.name, value)


def _with_linear(bits: Any) -> int:
    if not int(bits) >> int(TensorFormat.LINEAR) & 1:
        raise Unsupported("inputs and outputs are LINEAR here: allow it beside the other formats (1 << int(trt.TensorFormat.LINEAR))")
    return int(bits)


class _Part(Strict):
    """Something of a network, which it does not keep alive."""

    name: Any = ""
    _network: Any = None

    @property
    def network(self) -> "NetworkBase":
        """That it belongs to."""
        network = self._network()
        if network is None:
            raise InvalidArgument(f"the network of {'tensor' if isinstance(self, ITensor) else 'layer'} '{self.name}' is gone")
        return network


class ITensor(_Part):
    """A value of a network: an input, or what a layer gives."""

    name = Param("Its name, which the engine's input or output has, too.", "", str)
    location = Param("Where its address must point; kept.", TensorLocation.DEVICE)
    allowed_formats = Param("Bits of formats, LINEAR among them: inputs and outputs are LINEAR here.", 1 << int(TensorFormat.LINEAR), _with_linear)
    dynamic_range = Param("(min, max) for INT8; kept: not used by this version.")
    broadcast_across_batch = Param("Of networks with implicit batches, which are none here.", False)

    def __init__(self, network: "NetworkBase", layer: Optional["ILayer"], name: str, code: int = 0, dims: Sequence[int] = (), parsed: Any = None) -> None:
        self._network, self._layer, self._code, self._dims = weakref.ref(network), layer, code, self._extents(name, dims)
        self._parsed = parsed  # as it was in the parsed model: (name, type, dims or None)
        self._ranked = parsed is None or parsed[2] is not None
        self._wanted: Optional[int] = None  # an output's type that was asked for
        self._dim_names: Dict[int, str] = {}
        self._known: Dict[str, Any] = {}  # "code", "rank", "info", or the error that asking for them gives
        self.__dict__["name"] = name

    @staticmethod
    def _extents(name: str, shape: Sequence[int]) -> Dims:
        try:
            made = extents(shape)
        except (TypeError, ValueError, OverflowError) as raised:
            raise InvalidArgument(f"the shape of '{name}': {raised}") from None
        if any(d < -1 for d in made):
            raise InvalidArgument(f"the shape of '{name}' is {tuple(made)}: extents are 0 or more, or -1 where only a run tells them")
        return made

    def _may_set(self, name: str) -> None:
        pass

    def _changed(self) -> None:
        if self._layer is None:  # open extents of an input are named after it
            self.network._forget()

    def _follows(self, what: str) -> Any:
        """The code or rank, which follow from the layer."""
        if what not in self._known:
            assert self._layer is not None

            def unknown(layer: "ILayer") -> Iterable["ILayer"]:
                return (t._layer for t in layer.needs() if t is not None and t._layer is not None and what not in t._known)

            for layer in in_order(self._layer, unknown):
                for index, tensor in enumerate(layer.outputs):
                    try:
                        tensor._known[what] = layer.code_of(index) if what == "code" else layer.rank_of(index)
                    except Error as raised:
                        tensor._known[what] = raised
                    except (TypeError, ValueError, IndexError, AttributeError, OverflowError) as raised:
                        tensor._known[what] = layer.fail(f"a parameter is wrong: {raised}")
        told = self._known[what]
        if isinstance(told, Error):
            raise told
        return told

    @property
    def code(self) -> int:
        """The library's element type."""
        return self._code if self._layer is None else self._follows("code")

    @property
    def rank(self) -> int:
        """Dims."""
        if self._layer is not None:
            return self._follows("rank")
        if not self._ranked:
            raise _Unranked(f"the rank of input '{self.name}' is not known: give it a shape (tensor.shape = …)")
        return len(self._dims)

    @property
    def shape(self) -> Dims:
        """-1 for extents that are not known before a run, (-1,) also where the rank is not. InvalidArgument and others, naming the layer: the network is wrong up to here."""
        if self._layer is None:
            return Dims(self._dims) if self._ranked else UNRANKED
        told = self.network._info(self)
        if told is None or told.shape is None:
            try:
                return Dims([-1] * self.rank)
            except _Unranked:
                return UNRANKED
        return Dims(d if isinstance(d, int) else -1 for d in told.shape)

    @shape.setter
    def shape(self, shape: Sequence[int]) -> None:
        if self._layer is not None:
            raise InvalidArgument(f"the shape of '{self.name}' follows from its layer: only inputs can be given one")
        made = self._extents(self.name, shape)
        if self._parsed and self._parsed[2] is not None and len(made) != len(self._dims):
            raise InvalidArgument(f"input '{self.name}' has {len(self._dims)} dims in the parsed model, {tuple(made)} has {len(made)}")
        self._dims, self._ranked = made, True
        self.network._forget()

    @property
    def dtype(self) -> DataType:
        """Its element type. In generation 8, INT32 in place of INT64. Of an output it may be set, and of an input: one of a parsed model is cast to the type that the model wants."""
        code = self._wanted or self.code
        return type_of(I32 if code == I64 and generation() == 8 else code)

    @dtype.setter
    def dtype(self, dtype: DataType) -> None:
        if self._layer is None:
            self._code = code_of(dtype)
            self.network._forget()
        else:
            self._wanted = code_of(dtype)
            self.network._forget(self._layer)

    @property
    def inner_name(self) -> str:
        """The value's name, which is another than `name` where the output is of another type, or was renamed in a parsed model."""
        cast = bool(self._wanted) and self._wanted != self.code
        if self._parsed and self._layer is not None:
            return f"{DOMAIN}/parsed/{self._parsed[0]}" if cast or self.name != self._parsed[0] else self.name
        return f"{self.name}.uncast" if cast else self.name

    @property
    def is_network_input(self) -> bool:
        """Is it an input?"""
        return self._layer is None

    @property
    def is_network_output(self) -> bool:
        """Was it marked?"""
        return any(t is self for t in self.network._outputs)

    @property
    def is_shape_tensor(self) -> bool:
        """False: shapes may be any tensors here."""
        return False

    @property
    def is_execution_tensor(self) -> bool:
        """True."""
        return True

    def set_dimension_name(self, index: int, name: str) -> None:
        """Of an input's dynamic dim: equal names mean equal extents."""
        self._dim_names[index] = name
        self.network._forget()

    def get_dimension_name(self, index: int) -> Optional[str]:
        """None: it has none."""
        return self._dim_names.get(index)

    def set_dynamic_range(self, min: float, max: float) -> bool:
        """Keeps it as `dynamic_range`."""
        self.dynamic_range = (float(min), float(max))
        return True

    def reset_dynamic_range(self) -> None:
        """Forgets it."""
        self.dynamic_range = None

    def __repr__(self) -> str:
        return f"<ITensor {self.name!r}>"


class ILayer(_Part):
    """A layer. Subclasses tell the ranks and types of what they give, and write themselves as nodes."""

    layer_type: Any = LayerType.IDENTITY
    title = "Layer"
    name = Param("Its name: in errors, profiles, the engine's layers, and for refitting its weights.", "", str)
    metadata = Param("A text of the user's; kept.", "")
    precision = Param("What a build may compute in; kept: kernels are chosen by the types of the network and the builder's flags.")
    num_ranks = Param("Devices; 1.", 1)
    outputs_count = 1
    inputs: List[Optional[ITensor]] = []
    outputs: List[ITensor] = []
    node: Any = None  # of a parsed model
    number = -1  # its place; -1: it is in the making
    by_shapes = False  # do shapes of what it gives follow from its inputs' shapes, whatever their values are?

    def __init__(self, network: "NetworkBase", inputs: Sequence[Optional[ITensor]] = (), **params: Any) -> None:
        self._network = weakref.ref(network)
        number = len(network._layers)
        self.__dict__["name"] = f"(Unnamed Layer* {number}) [{self.title}]"
        self.inputs = [self._taken(tensor) for tensor in inputs]
        for name, value in params.items():
            setattr(self, name, value)
        self.outputs = []
        for i in range(self.outputs_count):
            self.outputs.append(ITensor(network, self, f"{self.name}_output" + (f"_{i}" if i else "")))

    def _may_set(self, name: str) -> None:
        """Unsupported: it is a parameter of a layer that was parsed."""
        if self.node is not None and name not in KEPT:
            raise Unsupported(f"layer '{self.name}' was parsed: change the ONNX model to give it another {name}")

    def _changed(self) -> None:
        network = self._network()
        if network is not None and self.number >= 0:
            network._forget(self)

    def __eq__(self, other: Any) -> bool:
        # get_layer makes plain layers that share everything with theirs.
        return isinstance(other, ILayer) and self.__dict__ is other.__dict__

    def __hash__(self) -> int:
        return id(self.__dict__)

    def _taken(self, tensor: Optional[ITensor]) -> Optional[ITensor]:
        """An input; TypeError, InvalidArgument: it can be none."""
        return tensor if tensor is None else self.network._own(tensor, f"layer '{self.name}'")

    # ---- what subclasses say ----

    def rank_of(self, index: int) -> int:
        """Dims of an output."""
        return self.given(0).rank

    def code_of(self, index: int) -> int:
        """The library's element type of an output."""
        return self.given(0).code

    def emit(self, e: "Emitter") -> List[str]:
        """Writes the nodes; names of the outputs."""
        raise NotImplementedError

    def roles(self) -> Dict[str, str]:
        """Refittable weights: role → name of the parameter."""
        return {}

    def needs(self) -> List[Optional[ITensor]]:
        """What must be known before it."""
        return list(self.inputs)

    # ---- help for them ----

    def fail(self, text: str) -> InvalidArgument:
        """An error that names the layer."""
        return InvalidArgument(f"layer '{self.name}' ({self.title}): {text}")

    def given(self, index: int) -> ITensor:
        """An input that must be there."""
        tensor = self.inputs[index] if index < len(self.inputs) else None
        if tensor is None:
            raise self.fail(f"input {index} is missing: set_input({index}, tensor)")
        return tensor

    def one_axis(self, mask: int) -> int:
        """The only axis of a mask."""
        mask = int(mask)
        if mask <= 0 or mask & (mask - 1):
            raise self.fail(f"axes is {mask:#b}, it must have one bit")
        return mask.bit_length() - 1

    # ---- the interface ----

    @property
    def type(self) -> Any:
        """LayerType."""
        return self.layer_type

    @property
    def num_inputs(self) -> int:
        """Inputs."""
        return len(self.inputs)

    @property
    def num_outputs(self) -> int:
        """Outputs."""
        return len(self.outputs)

    def get_input(self, index: int) -> ITensor:
        """None: there is no such input (told as a tensor, as programs take it)."""
        return self.inputs[index] if 0 <= index < len(self.inputs) else None  # type: ignore[return-value]

    def get_output(self, index: int) -> ITensor:
        """None: there is no such output (told as a tensor, as programs take it)."""
        return self.outputs[index] if 0 <= index < len(self.outputs) else None  # type: ignore[return-value]

    def set_input(self, index: int, tensor: ITensor) -> None:
        """Replaces an input, or gives one more: which means what stands at the layer's class. Not of a layer that was parsed."""
        if not 0 <= index <= max(len(self.inputs), 8):
            raise self.fail(f"it has no input {index}")
        if self.node is not None:
            raise Unsupported(f"layer '{self.name}' was parsed: change the ONNX model to give it other inputs")
        if tensor is None:
            raise TypeError(f"layer {self.title} takes ITensors, not None")
        self.inputs += [None] * (index + 1 - len(self.inputs))
        self.inputs[index] = self._taken(tensor)
        self.network._link(self, tensor)

    def get_output_type(self, index: int) -> DataType:
        """Its element type."""
        return self.outputs[index].dtype

    def set_output_type(self, index: int, dtype: DataType) -> None:
        """Used where the output is one of the network's; of a value inside it is a wish, which is kept: kernels are chosen by the types of the network and the builder's flags."""
        self.outputs[index].dtype = dtype

    def output_type_is_set(self, index: int) -> bool:
        """Was set_output_type called?"""
        return self.outputs[index]._wanted is not None

    def reset_output_type(self, index: int) -> None:
        """Takes it back."""
        self.outputs[index]._wanted = None
        self.network._forget(self)

    @property
    def precision_is_set(self) -> bool:
        """Was `precision` set?"""
        return self.precision is not None

    def reset_precision(self) -> None:
        """Takes it back."""
        self.precision = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"


# ONNX's operators as layers are called in TensorRT, for who asks a parsed layer's type.
_TYPES = {
    "Conv": "CONVOLUTION", "ConvTranspose": "DECONVOLUTION", "MaxPool": "POOLING", "AveragePool": "POOLING", "GlobalAveragePool": "REDUCE", "Softmax": "SOFTMAX", "MatMul": "MATRIX_MULTIPLY",
    "Gemm": "MATRIX_MULTIPLY", "Concat": "CONCATENATION", "Reshape": "SHUFFLE", "Transpose": "SHUFFLE", "Flatten": "SHUFFLE", "Squeeze": "SHUFFLE", "Unsqueeze": "SHUFFLE", "Slice": "SLICE",
    "Shape": "SHAPE", "Gather": "GATHER", "TopK": "TOPK", "Resize": "RESIZE", "Cast": "CAST", "Identity": "IDENTITY", "Constant": "CONSTANT", "Einsum": "EINSUM", "Where": "SELECT",
    "LRN": "LRN", "BatchNormalization": "SCALE", "LayerNormalization": "NORMALIZATION", "InstanceNormalization": "NORMALIZATION", "QuantizeLinear": "QUANTIZE", "DequantizeLinear": "DEQUANTIZE",
    "NonZero": "NON_ZERO", "ScatterND": "SCATTER", "ScatterElements": "SCATTER", "If": "CONDITION", "Loop": "TRIP_LIMIT", "PRelu": "PARAMETRIC_RELU", "Pad": "SLICE", "OneHot": "ONE_HOT",
    "NonMaxSuppression": "NMS", "GridSample": "GRID_SAMPLE", "CumSum": "CUMULATIVE", "ReverseSequence": "REVERSE_SEQUENCE", "Attention": "ATTENTION_OUTPUT",
    **{op: "ACTIVATION" for op in "Relu Sigmoid Tanh LeakyRelu Elu Selu Softsign Softplus Clip HardSigmoid ThresholdedRelu Gelu".split()},
    **{op: "ELEMENTWISE" for op in "Add Sub Mul Div Max Min Pow And Or Xor Equal Greater Less".split()},
    **{op: "UNARY" for op in "Exp Log Sqrt Reciprocal Abs Neg Sin Cos Tan Sinh Cosh Asin Acos Atan Asinh Acosh Atanh Ceil Floor Erf Not Sign Round IsInf IsNaN".split()},
    **{op: "REDUCE" for op in "ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd".split()},
}  # fmt: skip


class OnnxLayer(ILayer):
    """A node of a parsed model, to look at: its operator, inputs, outputs and attributes. Its parameters are those of parsed.py."""

    def __init__(self, network: "NetworkBase", node: wire.Node) -> None:
        self._network, self.node, self.number = weakref.ref(network), node, len(network._layers)
        self.__dict__["name"] = node.name or f"(Unnamed Layer* {len(network._layers)}) [{node.op}]"
        self.title, self.__dict__["layer_type"] = node.op, getattr(LayerType, _TYPES.get(node.op, "PLUGIN_V3"))
        self.inputs = [network._values.get(name) for name in node.inputs]
        while self.inputs and self.inputs[-1] is None:  # weights are no tensors of the network
            self.inputs.pop()
        self.outputs = []
        for name in node.outputs:
            tensor = ITensor(network, self, name, parsed=(name, 0, ()))
            self.outputs.append(tensor)
            if name:
                network._values[name] = tensor

    @property
    def attributes(self) -> Dict[str, Any]:
        """The node's attributes: numbers, texts, lists; None for tensors and graphs."""
        return {name: wire.attribute(data) for name, data in self.node.attributes.items()}

    def _told(self, index: int) -> Any:
        return self.network._parsed_infos().get(self.outputs[index]._parsed[0])

    def rank_of(self, index: int) -> int:
        told = self._told(index)
        if told is None or told.shape is None:
            raise _Unranked(f"layer '{self.name}' ({self.title}): the rank of '{self.outputs[index].name}' is not known before a run")
        return len(told.shape)

    def code_of(self, index: int) -> int:
        told = self._told(index)
        return told.code if told is not None else F32


class Emitter:
    """Writes layers as ONNX nodes, in one graph or body."""

    def __init__(self, outer: Optional["Emitter"] = None, inner: Iterable[ILayer] = ()) -> None:
        self.outer, self.inner = outer, {id(layer) for layer in inner}
        self.nodes: List[List[Any]] = []
        self.names: Dict[int, str] = {}  # of tensors, by id
        self.layer: Optional[ILayer] = None
        self.initializers: Dict[str, Tuple[Any, int]] = outer.initializers if outer else {}
        self.owners: Dict[str, Tuple[Any, ILayer]] = outer.owners if outer else {}  # of initializers: the array as it was given, and by whom
        self.counter: Any = outer.counter if outer else itertools.count()
        self.consts: Dict[Tuple[Any, ...], str] = outer.consts if outer else {}
        self.emitting: Set[int] = outer.emitting if outer else set()
        self.ops: Set[str] = outer.ops if outer else set()  # domains of plugins
        self.used: Set[str] = outer.used if outer else set()  # names that nodes of any body use
        self.results: Dict[int, Dict[int, str]] = {}  # of loops and conditionals, by id: names of tensors, by id
        self.permitted: Optional[Sequence[Any]] = outer.permitted if outer else None  # types that plugins may get in place of FLOAT; None: no engine is built of this
        self.extents: List[Dict[str, int]] = outer.extents if outer else []  # of a profile: least, usual and largest ones of the inputs' dynamic dims, by name
        self.more: Optional[List[Tuple[str, int, Any]]] = None  # where only shapes are asked for: inputs that stand for what a loop hands its body

    # ---- what layers call ----

    def fresh(self) -> str:
        """A name that no one has."""
        return f"{DOMAIN}/{next(self.counter)}"

    def stand_in(self, code: int, dims: Sequence[int]) -> str:
        """An input in the place of a value of these extents, -1 for any."""
        name = self.fresh()
        assert self.more is not None
        self.more.append((name, code, [d if d >= 0 else f"{name}/{i}" for i, d in enumerate(dims)]))
        return name

    def node(self, op: str, *inputs: str, outs: Optional[int] = None, domain: str = "", **attributes: Any) -> Any:
        """Adds a node; its output's name, or a list of them where outs is given."""
        names = [self.fresh() for _ in range(1 if outs is None else outs)]
        given = list(inputs)
        while given and not given[-1]:
            given.pop()
        self.used.update(given)
        self.nodes.append([op, given, names, self.layer.name if self.layer else "", domain, attributes])
        return names[0] if outs is None else names

    def const(self, value: Any, dtype: Any = None) -> str:
        """A constant."""
        array = np.asarray(value, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.consts:
            self.consts[key] = self.fresh()
            self.initializers[self.consts[key]] = (array, 0)
        return self.consts[key]

    def ints(self, *values: int) -> str:
        """int64[n]"""
        return self.const(list(values), np.int64)

    def like(self, tensor: ITensor, value: float) -> str:
        """A scalar of a tensor's type."""
        if tensor.code > 15:
            return self.cast(self.const(value, np.float32), tensor.code)
        return self.const(value, dtypes.to_numpy(tensor.code))

    def cast(self, name: str, code: int) -> str:
        return self.node("Cast", name, to=code)

    def as_int64(self, tensor: ITensor) -> str:
        name = self.value(tensor)
        return name if tensor.code == I64 else self.cast(name, I64)

    def keep(self, layer: ILayer, role: str, shape: Sequence[int]) -> str:
        """An initializer of a layer's weights, with the name by which they are refitted. Layers may share weights, not the names of different ones."""
        weights, name = getattr(layer, role), layer.network._weights_name(layer, role)
        array, owner = self.owners.setdefault(name, (weights.array, layer))
        if array is not weights.array:
            raise layer.fail(f"its {role} would be named '{name}', as other weights of layer '{owner.name}' are: layers with weights want names of their own, or network.set_weights_name")
        held, _ = self.initializers.setdefault(name, (array.reshape(shape), code_of(weights.dtype)))
        return name if held.shape == tuple(shape) else self.node("Reshape", name, self.ints(*shape))

    def weights(self, layer: ILayer, role: str, shape: Optional[Sequence[int]] = None, code: int = 0) -> str:
        """The layer's weights of a role ("kernel"); "": there are none."""
        weights: Optional[Weights] = getattr(layer, role)
        if weights is None or weights.size == 0:
            return ""
        shape = weights.array.shape if shape is None else shape
        wanted = int(np.prod(shape, dtype=np.int64))
        if weights.size != wanted:
            raise layer.fail(f"{role} has {weights.size} elements, {tuple(shape)} are wanted: {wanted}")
        name = self.keep(layer, role, shape)
        return self.cast(name, code) if code and code != code_of(weights.dtype) else name

    def value(self, tensor: Optional[ITensor]) -> str:
        """The name of a tensor here; its layer, and those before it, are written first where they were not yet."""
        if tensor is None:
            return ""
        layer, place = tensor._layer, self
        while id(tensor) not in place.names:
            if place.outer is None or id(layer) in place.inner:
                if layer is None or isinstance(layer, OnnxLayer):
                    return tensor.inner_name
                place.write(layer)
                break
            place = place.outer
        return place.names[id(tensor)]

    # ---- what the network calls ----

    def write(self, last: ILayer) -> None:
        """Writes a layer once, behind those that it needs here."""
        for layer in in_order(last, self._before):
            if not self._has(layer):
                self._write(layer)

    def _has(self, layer: ILayer) -> bool:
        return bool(layer.outputs) and id(layer.outputs[0]) in self.names

    def _before(self, layer: ILayer) -> Iterable[ILayer]:
        """Not of loops and conditionals, which write what they hold."""
        given = () if getattr(layer, "owner", None) is not None or self._has(layer) else (t._layer for t in layer.inputs if t is not None)
        return [one for one in given if one is not None and not isinstance(one, OnnxLayer) and (self.outer is None or id(one) in self.inner) and not self._has(one)]

    def _write(self, layer: ILayer) -> None:
        if id(layer) in self.emitting:
            raise layer.fail("it depends on its own output: only an IRecurrenceLayer may")
        self.emitting.add(id(layer))
        before, at = self.layer, len(self.nodes)
        self.layer = layer
        try:
            names = layer.emit(self)
        except (Error, MemoryError):
            raise
        except Exception as raised:
            raise layer.fail(f"a parameter is wrong: {raised}") from raised
        finally:
            self.layer = before
            self.emitting.discard(id(layer))
        for tensor, name in zip(layer.outputs, names):
            self.names[id(tensor)] = name
        if self.outer is None:
            self._name_outputs(layer, names, at)

    def _name_outputs(self, layer: ILayer, names: List[str], at: int) -> None:
        """The tensors' own names in place of fresh ones."""
        made = {out for node in self.nodes[at:] for out in node[2]}
        renamed: Dict[str, str] = {}
        for tensor, name in zip(layer.outputs, names):
            own = tensor.inner_name
            if name in made and name not in renamed:
                renamed[name] = own
            else:
                self.used.add(name)
                self.nodes.append(["Identity", [renamed.get(name, name)], [own], layer.name, "", {}])
            self.names[id(tensor)] = own
        for node in self.nodes[at:]:
            node[1], node[2] = [renamed.get(n, n) for n in node[1]], [renamed.get(n, n) for n in node[2]]

    def graph(self, inputs: Sequence[Tuple[str, int, Any]], outputs: Sequence[str], name: str = "body") -> bytes:
        """A GraphProto of what was written; inputs: (name, type, dims or None)."""
        parts = [wire.put(wire.GRAPH_NODE, self.encode(n)) for n in self.nodes]
        parts += [wire.put(wire.GRAPH_NAME, name)]
        parts += [wire.put(wire.GRAPH_INPUT, wire.value_info(*i)) for i in inputs]
        parts += [wire.put(wire.GRAPH_OUTPUT, wire.value_info(o, 0, None)) for o in outputs]
        return b"".join(parts)

    @staticmethod
    def encode(node: List[Any]) -> bytes:
        op, inputs, outputs, name, domain, attributes = node
        return wire.node(op, inputs, outputs, name, domain, attributes)


class NetworkBase(Managed):
    """What a network keeps, and the model that it makes. INetworkDefinition adds the layers."""

    def __init__(self, flags: int, logger: Any, builder: Any = None) -> None:
        self.flags, self.logger, self.name, self.builder = flags, logger, "", builder
        self.error_recorder: Any = None
        self.model: Any = None  # what was parsed: bytes
        self.folder: Any = None  # of its external data
        self.graph: Optional[wire.Graph] = None
        self._layers: List[ILayer] = []
        self._inputs: List[ITensor] = []
        self._outputs: List[ITensor] = []
        self._values: Dict[str, ITensor] = {}  # of the parsed model, by name
        self._names: List[Tuple[Weights, str]] = []
        self._refittable: Set[str] = set()
        self._debug: List[ITensor] = []
        self.unfused_debug = False
        self._parsed_told: Optional[Dict[str, Any]] = None
        self._parsed_inputs: List[ITensor] = []
        self._parsed_outputs: List[ITensor] = []
        self._forward = 1 << 62  # the first layer that needs a later one
        self._revision = 0
        self._inside: Optional[Set[int]] = None  # layers of bodies

    def _clear(self, layer: Optional[ILayer] = None) -> None:
        """What was found out about a layer and those behind it; None: about all of them."""
        for one in self._layers if layer is None else self._layers[min(layer.number, self._forward) :]:
            for tensor in one.outputs:
                tensor._known = {}

    def _forget(self, layer: Optional[ILayer] = None) -> None:
        """The same, since something was changed; None: also what the parsed model tells."""
        self._clear(layer)
        self._revision += 1
        self._inside = None
        if layer is None:
            self._parsed_told = None

    def _add(self, layer: ILayer) -> Any:
        layer.number = len(self._layers)
        self._layers.append(layer)
        self._inside = None
        return layer

    def _link(self, layer: ILayer, tensor: ITensor) -> None:
        """A layer has another input."""
        if tensor._layer is not None and tensor._layer.number >= layer.number >= 0:
            self._forward = min(self._forward, layer.number)
        layer._changed()

    # ---- a parsed model ----

    def _take(self, model: Any, folder: Any, graph: wire.Graph, infos: Sequence[Any]) -> None:
        """Becomes what a parser read; infos: of the inputs, then the outputs."""
        self.model, self.folder, self.graph, self.name = model, folder, graph, graph.name
        known = {i.name: i for i in infos}
        for name in graph.inputs:
            if name in graph.initializers or name not in known:
                continue
            self._inputs.append(self._take_input(known[name]))
        for node in graph.nodes:
            self._layers.append(OnnxLayer(self, node))
        self._outputs += [self._values.get(name) or self._take_input(known[name]) for name in graph.outputs]
        self._parsed_inputs, self._parsed_outputs = list(self._inputs), list(self._outputs)
        self._forget()

    def _take_input(self, info: Any) -> ITensor:
        dims = None if info.shape is None else tuple(d if isinstance(d, int) else -1 for d in info.shape)
        tensor = self._values[info.name] = ITensor(self, None, info.name, info.code, dims or (), (info.name, info.code, dims))
        tensor._dim_names.update({i: d for i, d in enumerate(info.shape or ()) if isinstance(d, str)})
        return tensor

    def _parsed_infos(self) -> Dict[str, Any]:
        """Types and shapes of all values of the parsed model, by the names that they have there."""
        if self._parsed_told is None:
            names = [t._parsed[0] for layer in self._layers if isinstance(layer, OnnxLayer) for t in layer.outputs if t._parsed[0]]
            engine = build(self._rewritten(names, {}, shapes_only=True), device="ref", external_data=self.folder, ops=self._all_ops())
            self._parsed_told = {i.name: i for i in engine.outputs}
        return self._parsed_told

    def _reshaped(self) -> bool:
        """Has an input another shape than in the parsed model?"""
        return any(t._ranked and t._dims != t._parsed[2] for t in self._parsed_inputs)

    def _is_parsed_input(self, tensor: ITensor) -> bool:
        return any(tensor is t for t in self._parsed_inputs)

    def _renamed(self) -> Dict[str, str]:
        """Values of the parsed model that have other names now, by the old ones. No name of the user's is used inside, where bodies may have values of that name."""
        assert self.graph is not None
        out: Dict[str, str] = {}
        for old, tensor in self._values.items():
            if tensor._layer is not None:
                new = tensor.inner_name
            else:
                new = f"{DOMAIN}/parsed/{old}" if self._is_parsed_input(tensor) and (tensor.name != old or tensor._code != tensor._parsed[1]) else old
            if new != old:
                out[old] = new
        names = [t.name for t in self._outputs if t._parsed] + [t.name for t in self._inputs if t._parsed and not t.is_network_output]
        taken = {*self._values, *self.graph.initializers} - set(out)
        for tensor in self._parsed_inputs + self._outputs:
            if tensor._parsed and tensor.name != tensor._parsed[0] and (tensor.name in taken or names.count(tensor.name) > 1):
                raise InvalidArgument(f"two values of the network are named '{tensor.name}'")
        return out

    def _named_again(self) -> List[Tuple[str, str, int]]:
        """(value, name, type or 0) of outputs, and what a debug listener hears, that have their names by a copy or cast."""
        out = []
        for tensor in self._outputs + [t for t in self._debug if not t.is_network_output]:
            is_weight = tensor._parsed and tensor._layer is None and not self._is_parsed_input(tensor)
            value = tensor._parsed[0] if is_weight else tensor.inner_name
            if value != tensor.name and (tensor._parsed or tensor.is_network_output):
                out.append((value, tensor.name, tensor._wanted if tensor._wanted and tensor._wanted != tensor.code else 0))
        return out

    def _rewritten(self, outputs: Sequence[str], renamed: Dict[str, str], added: bytes = b"", around: bytes = b"", shapes_only: bool = False) -> bytes:
        """The parsed model with other outputs and names, with its inputs as they are now, and more in its graph and around it. Shapes that it tells go where an input has
        another. shapes_only: large weights become inputs."""
        assert self.graph is not None
        here = {id(t) for t in self._inputs}
        inputs = {t._parsed[0]: t for t in self._parsed_inputs}
        first = []
        for old, tensor in inputs.items():
            if old in renamed:
                cast = {"to": tensor._parsed[1]} if tensor._code != tensor._parsed[1] else {}
                first.append(wire.put(wire.GRAPH_NODE, wire.node("Cast" if cast else "Identity", [tensor.name], [renamed[old]], attributes=cast)))
        kept: List[Union[bytes, memoryview]] = []
        told: Dict[str, Any] = {}
        reshaped = self._reshaped()
        for number, part in self.graph.parts:
            if number == wire.GRAPH_OUTPUT:
                name = wire.named(wire.message(part))
                if name not in renamed and not reshaped:
                    told[name] = part
                continue
            if number == wire.GRAPH_NAME and self.name != self.graph.name:
                part = wire.put(number, self.name)  # type: ignore[assignment]
            elif number == wire.GRAPH_INPUT:
                tensor = inputs.get(wire.named(wire.message(part)))
                if tensor is not None and id(tensor) not in here:
                    continue
                if tensor is not None and (reshaped or renamed):
                    name, code = (tensor.name, tensor._code) if tensor._parsed[0] in renamed else tensor._parsed[:2]
                    part = wire.put(number, wire.value_info(name, code, self._dims(tensor)))  # type: ignore[assignment]
            elif number == wire.GRAPH_INITIALIZER and shapes_only:
                weights = wire.Initializer(wire.message(part))
                if weights.size > SMALL and weights.code in (F32, F16, BF16):
                    if weights.name in self.graph.inputs:
                        continue
                    part = wire.put(wire.GRAPH_INPUT, wire.value_info(weights.name, weights.code, weights.shape))  # type: ignore[assignment]
            elif number == wire.GRAPH_VALUE_INFO and (reshaped or renamed):
                continue
            elif number == wire.GRAPH_NODE and renamed:
                part = wire.put(number, wire.renamed_node(wire.message(part), renamed))  # type: ignore[assignment]
            kept.append(part)
        outs = [told.get(name) or wire.put(wire.GRAPH_OUTPUT, wire.value_info(name, 0, None)) for name in outputs]
        return self.graph.written([*first, *kept, added, *outs], around)

    # ---- the model of all ----

    def _weights_name(self, layer: ILayer, role: str) -> str:
        mine = getattr(layer, role)
        for weights, name in self._names:
            if weights is mine or weights.array is mine.array:
                return name
        return f"{layer.name}.{role}"

    def _bodies(self) -> Set[int]:
        from .flow import body_layers

        if self._inside is None:
            self._inside = body_layers(self._layers)
        return self._inside

    def _extents(self, profile: Any) -> List[Dict[str, int]]:
        """Of a profile: its least, usual and largest extents by the names of dims."""
        out: List[Dict[str, int]] = [{}, {}, {}]
        for tensor in self._inputs:
            for place, shape in enumerate(profile.get_shape(tensor.name)):
                out[place].update({name: d for name, d in zip(self._dims(tensor) or (), shape) if isinstance(name, str)})
        return out

    def _with_extents(self, tensor: ITensor, extents: Dict[str, int]) -> List[Optional[int]]:
        """A tensor's shape with extents of a profile; None: what is not known of it."""
        if hasattr(tensor._layer, "with_extents"):  # a plugin's own rule
            return tensor._layer.with_extents(extents)[next(i for i, t in enumerate(tensor._layer.outputs) if t is tensor)]
        try:
            info = self._info(tensor)
        except Error:  # the build will say it, or it stands in a loop
            return [None] * tensor.rank
        dims = self._dims(tensor) if tensor._layer is None else info.shape if info is not None else None
        return [None] * tensor.rank if dims is None else [d if isinstance(d, int) else extents.get(d or "") for d in dims]

    def _written(self, permitted: Optional[Sequence[Any]] = None, profile: Any = None) -> Emitter:
        """All layers that were added, as nodes."""
        e, inside = Emitter(), self._bodies()
        e.permitted, e.extents = permitted, self._extents(profile) if profile is not None else []
        for layer in self._layers:
            if not isinstance(layer, OnnxLayer) and id(layer) not in inside:
                e.write(layer)
        return e

    def _model(self, e: Emitter, outputs: Sequence[str], casts: Sequence[Tuple[str, str, int]] = (), shapes_only: bool = False, more: Sequence[Tuple[str, int, Any]] = ()) -> bytes:
        """A ModelProto. casts: (value, name, type) of outputs that are casts, or with type 0 copies; more: inputs beside the network's."""
        nodes = [Emitter.encode(n) for n in e.nodes]
        nodes += [wire.node("Cast" if code else "Identity", [value], [name], attributes={"to": code} if code else None) for value, name, code in casts]
        inputs, parts = [*((t.name, t.code, self._dims(t)) for t in self._inputs if not t._parsed), *more], []
        for name, (array, code) in e.initializers.items():
            code = code or dtypes.from_numpy(array.dtype)
            if shapes_only and array.size > SMALL and array.dtype.kind not in "iub":
                inputs.append((name, code, array.shape))
            else:
                parts.append(wire.put(wire.GRAPH_INITIALIZER, wire.tensor(array, name, code)))
        domains = [wire.put(wire.MODEL_OPSET, wire.opset(d, 1)) for d in sorted(e.ops)]
        named: Set[str] = set()
        for name in [*(t.name for t in self._inputs), *(name for name, _, _ in more), *e.initializers, *(o for n in e.nodes for o in n[2]), *(name for _, name, _ in casts)]:
            if name in named or not name:
                raise InvalidArgument(f"two values of the network are named '{name}'" + self._weights_of(e, name) if name else "a tensor of the network has an empty name")
            named.add(name)
        if self.graph is None:
            graph = [wire.put(wire.GRAPH_NODE, n) for n in nodes] + parts + [wire.put(wire.GRAPH_NAME, self.name or "network")]
            graph += [wire.put(wire.GRAPH_INPUT, wire.value_info(*i)) for i in inputs] + [wire.put(wire.GRAPH_OUTPUT, wire.value_info(o, 0, None)) for o in outputs]
            return b"".join([wire.put(wire.MODEL_IR, wire.IR_VERSION), wire.put(wire.MODEL_PRODUCER, "planish.tensorrt"), wire.put(wire.MODEL_OPSET, wire.opset("", OPSET)), *domains,
                             wire.put(wire.MODEL_GRAPH, b"".join(graph))])  # fmt: skip
        renamed = self._renamed()
        if not e.nodes and not any(code for _, _, code in casts):
            return self._rewritten(outputs, renamed, b"".join(wire.put(wire.GRAPH_NODE, n) for n in nodes), shapes_only=shapes_only)
        # The model may be of another operator set: what was added is a function with its own.
        made = {o for n in e.nodes for o in n[2]} | {name for _, name, _ in casts}
        theirs = {*(renamed.get(name, name) for name in self._values), *(t.name for t in self._parsed_inputs), *self.graph.inputs, *self.graph.initializers}
        twice = next((name for name in e.initializers if name in theirs), None)
        if twice is not None:
            raise InvalidArgument(f"two values of the network are named '{twice}'" + self._weights_of(e, twice))
        known = {*theirs, *(name for name, _, _ in inputs), *e.initializers}
        taken, given = sorted((e.used | {value for value, _, _ in casts}) & known - made), list(dict.fromkeys(o for o in [*outputs, *(name for _, name, _ in casts)] if o in made))
        body = [wire.put(wire.FUNCTION_NAME, "Added"), wire.put(wire.FUNCTION_DOMAIN, DOMAIN), wire.put(wire.FUNCTION_OPSET, wire.opset("", OPSET))]
        body += [wire.put(wire.FUNCTION_OPSET, wire.opset(d, 1)) for d in sorted(e.ops)]
        body += [wire.put(wire.FUNCTION_INPUT, i) for i in taken] + [wire.put(wire.FUNCTION_OUTPUT, o) for o in given] + [wire.put(wire.FUNCTION_NODE, n) for n in nodes]
        call = wire.put(wire.GRAPH_NODE, wire.node("Added", taken, given, "", DOMAIN))
        around = b"".join([wire.put(wire.MODEL_OPSET, wire.opset(DOMAIN, 1)), *domains, wire.put(wire.MODEL_FUNCTIONS, b"".join(body))])
        late = b"".join(wire.put(wire.GRAPH_INPUT, wire.value_info(*i)) for i in inputs)
        return self._rewritten(outputs, renamed, b"".join(parts) + call + late, around, shapes_only)

    @staticmethod
    def _weights_of(e: Emitter, name: str) -> str:
        owner = e.owners.get(name)
        return f"; one are weights of layer '{owner[1].name}': give the layer another name, or the weights (network.set_weights_name)" if owner else ""

    def _dims(self, tensor: ITensor) -> Optional[List[Union[int, str]]]:
        if not tensor._ranked:
            return None
        told = {name for t in self._inputs for name in t._dim_names.values()}
        return [d if d >= 0 else tensor._dim_names.get(i) or _untold(f"{tensor.name}_{i}", told) for i, d in enumerate(tensor._dims)]

    def _info(self, tensor: ITensor) -> Any:
        """Type and shape of a value, in a body under what its loop begins with; None: of an input."""
        layer = tensor._layer
        if isinstance(layer, OnnxLayer):
            return self._parsed_infos().get(tensor._parsed[0])
        if layer is None:
            return None
        if "info" not in tensor._known:
            # Values of floats need not be looked behind again: a shape follows from elements at most where they are few.
            e, cut = Emitter(), {}
            e.more, dims = [], {d for t in self._inputs for d in self._dims(t) or () if isinstance(d, str)}
            for one in layer.inputs if layer.by_shapes else ():
                told = one._known.get("info") if one is not None and one._layer is not None and not one._parsed else None
                if told is not None and told.code and told.shape is not None and all(isinstance(d, int) or d in dims for d in told.shape):
                    name = e.names[id(one)] = one.inner_name
                    cut[name] = (name, told.code, told.shape)
            before = [t._layer for t in layer.inputs if t is not None and t._layer is not None and id(t) not in e.names]
            near = layer.by_shapes and not any(one.inputs or isinstance(one, OnnxLayer) for one in before)  # nothing behind the inputs is looked at
            for one in () if near else self._layers[: layer.number]:
                told = one.outputs[0]._known.get("info") if len(one.outputs) == 1 else None
                if told is not None and told.code in (F32, F16, BF16) and self._is_plain(told.shape, dims):
                    name = e.names[id(one.outputs[0])] = one.outputs[0].inner_name
                    cut[name] = (name, told.code, told.shape)
            e.write(layer)
            made = {name for node in e.nodes for name in node[2]}
            wanted = {e.names[id(t)]: t for one in ([*before, layer] if near else self._layers) for t in one.outputs if e.names.get(id(t)) in made}
            model = self._model(e, list(wanted), shapes_only=True, more=[*e.more, *(cut[name] for name in sorted(e.used & set(cut)))])
            for info in build(model, device="ref", external_data=self.folder, ops=self._all_ops()).outputs:
                wanted[info.name]._known["info"] = info
        return tensor._known.get("info")

    @staticmethod
    def _is_plain(shape: Any, dims: Set[str]) -> bool:
        """Extents that are numbers or inputs' (other names mean another thing in each model that is asked), and more elements than a shape has."""
        if not shape or any(not isinstance(d, int) and d not in dims for d in shape):
            return False
        return len(shape) > 1 or not isinstance(shape[0], int) or shape[0] > 8

    def _all_ops(self) -> Any:
        from .plugins import registry_ops

        return registry_ops()

    def weight_roles(self) -> Dict[str, Dict[str, str]]:
        """Of layers with weights: role → name of the initializer."""
        out = {}
        for layer in self._layers:
            roles = {role: self._weights_name(layer, name) for role, name in layer.roles().items() if getattr(layer, name) is not None and getattr(layer, name).size}
            if roles:
                out[layer.name] = roles
        return out

    def to_model(self, permitted: Optional[Sequence[Any]] = None, profile: Any = None) -> Tuple[Any, Any]:
        """(the ONNX model, a path or bytes; the folder of its external data). permitted: to build an engine of, whose plugins may get these types in place of FLOAT, and are told the profile's extents."""
        if not self._outputs:
            raise InvalidArgument("the network has no output: call network.mark_output(tensor), or parse a model into it first (OnnxParser.parse)")
        added = any(not isinstance(layer, OnnxLayer) for layer in self._layers)
        same = self._inputs == self._parsed_inputs and self._outputs == self._parsed_outputs and not self._reshaped()
        casts = self._named_again()
        if self.graph is not None and same and not added and not casts and not self._renamed() and self.name == self.graph.name:
            return self.model, self.folder
        e = self._written(permitted, profile)
        for tensor in self._outputs:
            if tensor._layer is not None and not isinstance(tensor._layer, OnnxLayer) and id(tensor) not in e.names:
                raise tensor._layer.fail("it stands inside of a loop or conditional, and cannot be an output outside of it: add_loop_output, or add_output of the conditional, gives values out")
        return self._model(e, [t.name for t in self._outputs], casts), self.folder

    # ---- the interface ----

    @property
    def has_implicit_batch_dimension(self) -> bool:
        """False: batches are a dim."""
        return False

    def get_flag(self, flag: Any) -> bool:
        """Was it made with this flag?"""
        return bool(self.flags >> int(flag) & 1)

    @property
    def num_inputs(self) -> int:
        """Inputs."""
        return len(self._inputs)

    @property
    def num_outputs(self) -> int:
        """Outputs."""
        return len(self._outputs)

    @property
    def num_layers(self) -> int:
        """Layers: nodes of a parsed model, then those that were added."""
        return len(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def __getitem__(self, index: int) -> ILayer:
        return self.get_layer(index)

    def __bool__(self) -> bool:
        return True

    def get_layer(self, index: int) -> ILayer:
        """IndexError: there is no such layer. `type` is a LayerType also of classes whose own `type` is another (IActivationLayer, IPoolingLayer): these, and those that were
        parsed, come as plain ILayers that share everything with the layer, for programs that set `layer.__class__`, as those for TensorRT do."""
        layer = self._layers[index]
        if type(layer).type is ILayer.type and not isinstance(layer, OnnxLayer):
            return layer
        plain = ILayer.__new__(ILayer)
        plain.__dict__ = layer.__dict__
        plain.__dict__["layer_type"] = layer.layer_type
        return plain

    def get_input(self, index: int) -> ITensor:
        """None: there is no such input (told as a tensor, as programs take it)."""
        return self._inputs[index] if 0 <= index < len(self._inputs) else None  # type: ignore[return-value]

    def get_output(self, index: int) -> ITensor:
        """None: there is no such output (told as a tensor, as programs take it)."""
        return self._outputs[index] if 0 <= index < len(self._outputs) else None  # type: ignore[return-value]

    def add_input(self, name: str, dtype: DataType, shape: Sequence[int]) -> ITensor:
        """An input; -1 for a dynamic extent. InvalidArgument: there is one of this name."""
        if any(t.name == name for t in self._inputs):
            raise InvalidArgument(f"there is an input '{name}' already")
        tensor = ITensor(self, None, str(name), code_of(dtype), shape)
        self._inputs.append(tensor)
        return tensor

    def _own(self, tensor: ITensor, where: str) -> ITensor:
        """TypeError, InvalidArgument: it is no tensor, or one of another network, whose value has a name of its own here, or none."""
        if not isinstance(tensor, ITensor):
            raise TypeError(f"an ITensor is wanted, not {type(tensor).__name__}")
        if tensor._network() is not self:
            theirs = f"'{tensor.name}' is a tensor of network '{tensor.network.name}'"
            raise InvalidArgument(f"{theirs}, which {where} of network '{self.name}' cannot take: add an input, and run one engine behind the other")
        return tensor

    def mark_output(self, tensor: ITensor) -> None:
        """Makes a tensor an output."""
        self._own(tensor, "the outputs")
        if not tensor.is_network_output:
            self._outputs.append(tensor)

    def unmark_output(self, tensor: ITensor) -> None:
        """Takes it back."""
        self._outputs = [t for t in self._outputs if t is not tensor]

    def mark_output_for_shapes(self, tensor: ITensor) -> bool:
        """The same: values of shapes are ordinary outputs here."""
        self.mark_output(tensor)
        return True

    def unmark_output_for_shapes(self, tensor: ITensor) -> bool:
        """Takes it back."""
        self.unmark_output(tensor)
        return True

    def remove_tensor(self, tensor: ITensor) -> None:
        """Takes an input that nothing uses out."""
        if any(t is tensor for layer in self._layers for t in layer.inputs):
            raise InvalidArgument(f"'{tensor.name}' is used by a layer")
        self._inputs = [t for t in self._inputs if t is not tensor]
        self.unmark_output(tensor)

    def mark_debug(self, tensor: ITensor) -> bool:
        """A context's debug listener is told its values."""
        if not self.is_debug_tensor(self._own(tensor, "the debug tensors")):
            self._debug.append(tensor)
        return True

    def unmark_debug(self, tensor: ITensor) -> bool:
        """Takes it back."""
        self._debug = [t for t in self._debug if t is not tensor]
        return True

    def is_debug_tensor(self, tensor: ITensor) -> bool:
        """Was it marked?"""
        return any(t is tensor for t in self._debug)

    def mark_unfused_tensors_as_debug_tensors(self) -> bool:
        """A context's debug listener is told all values that the model names (which costs fusions)."""
        self.unfused_debug = True
        return True

    def unmark_unfused_tensors_as_debug_tensors(self) -> bool:
        """Takes it back."""
        self.unfused_debug = False
        return True

    def set_weights_name(self, weights: Weights, name: str) -> bool:
        """By which weights of a layer are refitted."""
        self._names.append((weights, str(name)))
        return True

    def mark_weights_refittable(self, name: str) -> bool:
        """With BuilderFlag.REFIT_INDIVIDUAL: these may be refitted."""
        self._refittable.add(name)
        return True

    def unmark_weights_refittable(self, name: str) -> bool:
        """Takes it back."""
        self._refittable.discard(name)
        return True

    def are_weights_marked_refittable(self, name: str) -> bool:
        """Were they marked?"""
        return name in self._refittable


until(ITensor, 10, "dynamic_range set_dynamic_range reset_dynamic_range broadcast_across_batch", "say it in the network: add_quantize, add_dequantize")
until(NetworkBase, 8, "has_implicit_batch_dimension", "batches are a dim")
until(ILayer, 10, "precision precision_is_set reset_precision set_output_type output_type_is_set reset_output_type", "say it in the network: add_cast")
