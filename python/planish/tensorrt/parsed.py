"""Parameters of parsed layers: what a node of an ONNX model says, by the names that TensorRT's layers have for it.

A table has a function for each parameter of an operator. What a layer's class has no word for, or what only a run can tell, is an exception: a default of the class would
be taken for the model's.
"""
from __future__ import annotations

import math
from typing import Any, Callable, Dict, List, NoReturn, Optional, Sequence

import numpy as np

from .. import dtypes
from ..build import build
from ..errors import Error, Unsupported
from . import wire
from .base import DataType, Dims, Permutation, Weights, generation, type_of
from .enums import (ActivationType, CumulativeOperation, ElementWiseOperation, GatherMode, InterpolationMode, MatrixOperation, NormalizationOp, PaddingMode, PoolingType, ReduceOperation,
                    ResizeCoordinateTransformation, ResizeRoundMode, ResizeSelector, SampleMode, ScaleMode, ScatterMode, TopKOperation, UnaryOperation)  # fmt: skip

# Of any layer, and not of the model.
KEPT = ("name", "metadata", "precision", "num_ranks")
_F32, _I64 = 1, 7
_MOST = float(np.finfo(np.float32).max)
# Nodes whose values are others in each run, or that see more than their inputs.
_NEVER = ("If", "Loop", "Scan", "RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial")


class _Look:
    """A parsed layer as its parameters see it."""

    def __init__(self, layer: Any) -> None:
        self.layer, self.node, self.network = layer, layer.node, layer.network
        self.told = {k: wire.attribute(v) for k, v in layer.node.attributes.items()}

    def fail(self, why: str) -> NoReturn:
        raise Unsupported(why)

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        return self.told.get(name, default)

    @property
    def opset(self) -> int:
        """Version of the operator set."""
        for part in self.network.graph.around:
            if wire.number_of(part) == wire.MODEL_OPSET:
                told = {n: v for n, v, _ in wire.fields(wire.message(part))}
                if wire.text(told.get(1, b"")) in ("", "ai.onnx"):
                    return int(told.get(2, 1))
        return 1

    def has(self, index: int) -> bool:
        """Is there such an input?"""
        return index < len(self.node.inputs) and bool(self.node.inputs[index])

    def shape(self, index: int) -> Dims:
        """Of an input; Unsupported: not even the rank is known."""
        name = self.node.inputs[index]
        weights = self.network.graph.initializers.get(name)
        if weights is not None and name not in self.network._values:
            return Dims(weights.shape)
        return self._ranked(self.network._values[name])

    def out(self) -> Dims:
        """Of the output."""
        return self._ranked(self.layer.outputs[0])

    def _ranked(self, tensor: Any) -> Dims:
        tensor.rank  # raises where it is not known, which () would not tell
        return tensor.shape

    def rank(self, index: int = 0) -> int:
        """Dims of an input."""
        return len(self.shape(index))

    def is_constant(self, index: int) -> bool:
        """Does the model tell the value of an input?"""
        return self.has(index) and _needed(self.network, self.node.inputs[index]) is not None

    def value(self, index: int, what: str) -> Any:
        """An input that the model tells, as an array."""
        name = self.node.inputs[index]
        parts = _needed(self.network, name)
        if parts is None:
            self.fail(f"{what} is the tensor '{name}', which a run tells: look at get_input({index})")
        out = name + "/told"
        made = self.network.graph.written([*parts, wire.put(wire.GRAPH_NODE, wire.node("Identity", [name], [out])), wire.put(wire.GRAPH_OUTPUT, wire.value_info(out, 0, None))])
        return build(made, device="ref", external_data=self.network.folder)({})[out]

    def ints(self, index: int, attribute: str) -> Optional[List[int]]:
        """Numbers that are an attribute in old operator sets and an input in new ones; None: neither is there."""
        if attribute in self.told:
            return list(self.told[attribute])
        return [int(v) for v in np.reshape(self.value(index, attribute), -1)] if self.has(index) else None

    def weights(self, index: int, what: str) -> Weights:
        """An input that the model tells; empty where it has none, or a tensor, as layers of TensorRT have it."""
        return Weights(self.value(index, what)) if self.is_constant(index) else Weights()

    def axis(self, default: int, index: int = 0, name: str = "axis") -> int:
        """Counted from the first dim."""
        axis = int(self.get(name, default))
        return axis + self.rank(index) if axis < 0 else axis


def _needed(network: Any, name: str) -> Optional[List[Any]]:
    """Fields of the graph that make a value of constants alone; None: it depends on an input, or changes."""
    graph, parts, seen, stack = network.graph, [], set(), [name]
    makers = {out: (node, part) for node, part in zip(graph.nodes, (p for n, p in graph.parts if n == wire.GRAPH_NODE)) for out in node.outputs if out}
    nodes: List[Any] = []
    while stack:
        one = stack.pop()
        if one in seen or not one:
            continue
        seen.add(one)
        if one in graph.initializers:
            parts.append(wire.put(wire.GRAPH_INITIALIZER, graph.initializers[one].data))
            continue
        if one not in makers or makers[one][0].op in _NEVER or makers[one][0].domain not in ("", "ai.onnx"):
            return None
        node, part = makers[one]
        if not any(part is p for p in nodes):
            nodes.append(part)
            seen.update(node.outputs)
            stack += node.inputs
    order = {id(p): i for i, (_, p) in enumerate(graph.parts)}
    return parts + sorted(nodes, key=lambda p: order[id(p)])


_Told = Dict[str, Callable[[_Look], Any]]


# ---- windows ----


def _window(n: _Look) -> Dims:
    if n.get("kernel_shape"):
        return Dims(n.get("kernel_shape"))
    return Dims(n.shape(1)[2:])


def _pads(n: _Look, end: bool) -> Dims:
    spatial, told = len(_window(n)), n.get("pads") or []
    if n.get("auto_pad", "NOTSET") != "NOTSET" or not told:
        return Dims([0] * spatial)
    return Dims(told[spatial:] if end else told[:spatial])


def _post_of_transposed(n: _Look) -> Dims:
    if n.get("output_shape"):
        n.fail("its output_shape tells how much is cut off")
    return Dims(p - more for p, more in zip(_pads(n, True), n.get("output_padding") or [0] * len(_window(n))))


def _padding_mode(n: _Look) -> Any:
    mode = n.get("auto_pad", "NOTSET")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        return PaddingMode[mode]
    return PaddingMode.EXPLICIT_ROUND_UP if n.get("ceil_mode") else PaddingMode.EXPLICIT_ROUND_DOWN


def _each(name: str) -> Callable[[_Look], Dims]:
    return lambda n: Dims(n.get(name) or [1] * len(_window(n)))


_WINDOWS: _Told = {"stride_nd": _each("strides"), "pre_padding": lambda n: _pads(n, False), "post_padding": lambda n: _pads(n, True), "padding_mode": _padding_mode}
_CONV: _Told = {**_WINDOWS, "kernel_size_nd": _window, "dilation_nd": _each("dilations"), "num_groups": lambda n: n.get("group", 1), "kernel": lambda n: n.weights(1, "kernel"),
                "bias": lambda n: n.weights(2, "bias"), "num_output_maps": lambda n: n.shape(1)[0]}  # fmt: skip


def _pool_window(n: _Look) -> Dims:
    if any(d != 1 for d in n.get("dilations") or ()):
        n.fail("its windows have gaps (dilations), which IPoolingLayer has not")
    return _window(n)


def _pool(kind: Any) -> _Told:
    return {**_WINDOWS, "pooling_type": lambda _: kind, "window_size_nd": _pool_window, "blend_factor": lambda _: 0.0,
            "average_count_excludes_padding": lambda n: not n.get("count_include_pad", 0)}  # fmt: skip


# ---- functions of elements ----


def _bound(n: _Look, index: int, name: str, none: float) -> float:
    return float(n.get(name)) if name in n.told else float(n.value(index, name).reshape(())) if n.has(index) else none


def _activation(kind: str, **more: Callable[[_Look], Any]) -> _Told:
    return {"activation_type": lambda _: ActivationType[kind], "alpha": lambda _: None, "beta": lambda _: None, **more}


def _number(name: str, default: float) -> Callable[[_Look], float]:
    return lambda n: float(n.get(name, default))


def _gelu(n: _Look) -> Any:
    return ActivationType.GELU_TANH if n.get("approximate", "none") == "tanh" else ActivationType.GELU_ERF


def _infinity(n: _Look) -> Any:
    if not n.get("detect_negative", 1) or not n.get("detect_positive", 1):
        n.fail("it looks for infinities of one sign, UnaryOperation.ISINF for both")
    return UnaryOperation.ISINF


# ---- axes ----


def _mask(axes: Sequence[int], rank: int) -> int:
    return sum(1 << (a + rank if a < 0 else a) for a in set(axes))


def _reduced(n: _Look) -> int:
    axes = n.ints(1, "axes")
    if not axes and n.get("noop_with_empty_axes"):
        n.fail("it reduces over no axis (noop_with_empty_axes)")
    return _mask(axes or range(n.rank()), n.rank())


def _softmax(n: _Look) -> int:
    axis = n.axis(-1 if n.opset >= 13 else 1)
    if n.opset < 13 and axis != n.rank() - 1:
        n.fail(f"before operator set 13 it goes over all axes from {axis} on, ISoftMaxLayer over one")
    return 1 << axis


def _reduce(kind: str) -> _Told:
    return {"op": lambda _: ReduceOperation[kind], "axes": _reduced, "keep_dims": lambda n: bool(n.get("keepdims", 1))}


def _known(dims: Sequence[int], n: _Look, what: str) -> Dims:
    if min(dims, default=0) < 0:
        n.fail(f"{what} follows from extents that a run tells")
    return Dims(dims)


# ---- shuffles ----


def _reshaped(n: _Look) -> Dims:
    if n.node.op == "Reshape":
        return Dims(n.ints(1, "shape") or ())
    out = n.out()
    if sum(d < 0 for d in out) > 1:
        n.fail("reshape_dims follow from more than one extent that a run tells")
    return Dims(out)


def _zero_is_placeholder(n: _Look) -> bool:
    return not n.get("allowzero", 0) if n.node.op == "Reshape" else 0 not in n.out()


_SHUFFLE: _Told = {"first_transpose": lambda n: Permutation(range(n.rank())), "reshape_dims": _reshaped, "second_transpose": lambda n: Permutation(range(len(n.out()))),
                   "zero_is_placeholder": _zero_is_placeholder}  # fmt: skip


# ---- slices ----


def _sliced(n: _Look, index: int, attribute: str) -> Dict[int, int]:
    """Numbers of the axes that are sliced."""
    numbers = n.ints(index, attribute)
    if numbers is None:
        return {}
    axes = n.ints(3, "axes")
    axes = list(range(len(numbers))) if axes is None else [a + n.rank() if a < 0 else a for a in axes]
    return dict(zip(axes, numbers))


def _slice_start(n: _Look) -> Dims:
    out, steps = [0] * n.rank(), _sliced(n, 4, "steps")
    for axis, start in _sliced(n, 1, "starts").items():
        extent = n.shape(0)[axis]
        if extent < 0:
            n.fail(f"start counts along dim {axis}, whose extent a run tells")
        start = start + extent if start < 0 else start
        out[axis] = min(max(start, 0), extent - (steps.get(axis, 1) < 0))
    return Dims(out)


def _slice_stride(n: _Look) -> Dims:
    steps = _sliced(n, 4, "steps")
    return Dims(steps.get(i, 1) for i in range(n.rank()))


def _pad_start(n: _Look) -> Dims:
    pads = n.ints(1, "pads") or []
    out, axes = [0] * n.rank(), n.ints(3, "axes") if n.has(3) else range(n.rank())
    for i, axis in enumerate(axes or ()):
        out[axis] = -pads[i]
    return Dims(out)


def _sample(n: _Look, attribute: str, default: str, names: Dict[str, str]) -> Any:
    return SampleMode[names[n.get(attribute, default)]]


# ---- resizing ----


def _resize_axes(n: _Look, values: Sequence[Any], others: Sequence[Any]) -> List[Any]:
    """A value for each dim, those of `others` for dims that are not named."""
    out = list(others)
    for axis, value in zip(n.get("axes") or range(n.rank()), values):
        out[axis] = value
    return out


def _resize_shape(n: _Look) -> Dims:
    if not n.has(3):
        return Dims()
    if n.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        n.fail("its sizes are bounds (keep_aspect_ratio_policy)")
    return _known(_resize_axes(n, n.value(3, "shape").tolist(), n.shape(0) if n.get("axes") else [0] * n.rank()), n, "shape")


def _resize_scales(n: _Look) -> List[float]:
    index = 1 if n.opset < 11 else 2
    if not n.has(index) or n.has(3):
        return []
    told = n.value(index, "scales").reshape(-1).tolist()
    return _resize_axes(n, told, [1.0] * n.rank()) if told else []


def _coordinates(n: _Look) -> str:
    return "asymmetric" if n.opset < 11 else n.get("coordinate_transformation_mode", "half_pixel")


def _coordinate(n: _Look) -> Any:
    mode = {"asymmetric": "ASYMMETRIC", "align_corners": "ALIGN_CORNERS", "half_pixel": "HALF_PIXEL", "pytorch_half_pixel": "HALF_PIXEL"}.get(_coordinates(n))
    if mode is None:
        n.fail(f"its coordinates are {_coordinates(n)}, which IResizeLayer has not")
    return ResizeCoordinateTransformation[mode]


def _resize_mode(n: _Look) -> Any:
    if n.get("antialias"):
        n.fail("it smooths where it makes smaller (antialias), which IResizeLayer does not")
    return InterpolationMode[n.get("mode", "nearest").upper()]


def _rounding(n: _Look) -> Any:
    told = "floor" if n.opset < 11 else n.get("nearest_mode", "round_prefer_floor")
    return ResizeRoundMode[{"round_prefer_floor": "HALF_DOWN", "round_prefer_ceil": "HALF_UP", "floor": "FLOOR", "ceil": "CEIL"}[told]]


# ---- scales, types ----


def _batch_norm(n: _Look, shift: bool) -> Weights:
    if n.get("training_mode"):
        n.fail("it trains: mean and variance are the input's")
    scale, bias, mean, variance = (n.value(i, w) for i, w in ((1, "scale"), (2, "bias"), (3, "mean"), (4, "variance")))
    factor = scale.astype(np.float64) / np.sqrt(variance.astype(np.float64) + n.get("epsilon", 1e-5))
    return Weights((bias - mean * factor if shift else factor).astype(scale.dtype))


def _type(code: int) -> Any:
    return DataType.INT32 if code == _I64 and generation() == 8 else type_of(code)


def _quantized_axis(n: _Look) -> int:
    return -1 if math.prod(n.shape(1)) == 1 or n.get("block_size") else n.axis(1)


def _blocks(n: _Look) -> Dims:
    size, axis = n.get("block_size", 0), n.axis(1) if n.get("block_size") else 0
    return Dims(size if i == axis else 1 for i in range(n.rank())) if size else Dims()


_QUANTIZING: _Told = {"axis": _quantized_axis, "block_shape": _blocks, "to_type": lambda n: _type(n.layer.outputs[0].code)}
_INDICES: _Told = {"indices_type": lambda _: _type(_I64)}


def _constant(n: _Look) -> Any:
    return _Output(n.layer).value(0, "its value")


class _Output(_Look):
    """A layer whose only input is its output: for values that a node tells without inputs."""

    def __init__(self, layer: Any) -> None:
        super().__init__(layer)
        self.node = wire.Node(wire.node("Identity", [layer.node.outputs[0]], []))


def _matrix(index: int, transposed: str) -> Callable[[_Look], Any]:
    def told(n: _Look) -> Any:
        if n.get(transposed):
            return MatrixOperation.TRANSPOSE
        return MatrixOperation.VECTOR if n.rank(index) == 1 else MatrixOperation.NONE

    return told


def _scatter(mode: str) -> _Told:
    def told(n: _Look) -> Any:
        if n.get("reduction", "none") != "none":
            n.fail(f"it combines elements (reduction {n.get('reduction')}), IScatterLayer replaces them")
        return ScatterMode[mode]

    return {"mode": told, "axis": lambda n: n.axis(0)}


def _causal(n: _Look) -> bool:
    return bool(n.get("is_causal", 0))


_TABLE: Dict[str, _Told] = {
    "Conv": _CONV,
    "ConvTranspose": {**_CONV, "num_output_maps": lambda n: n.shape(1)[1] * n.get("group", 1), "post_padding": _post_of_transposed},
    "MaxPool": _pool(PoolingType.MAX),
    "AveragePool": _pool(PoolingType.AVERAGE),
    "GlobalAveragePool": {"op": lambda _: ReduceOperation.AVG, "axes": lambda n: _mask(range(2, n.rank()), n.rank()), "keep_dims": lambda _: True},
    **{op: _activation(op.upper()) for op in ("Relu", "Sigmoid", "Tanh", "Softsign")},
    "LeakyRelu": _activation("LEAKY_RELU", alpha=_number("alpha", 0.01)),
    "Elu": _activation("ELU", alpha=_number("alpha", 1.0)),
    "Selu": _activation("SELU", alpha=_number("alpha", 1.6732632423543772), beta=_number("gamma", 1.0507009873554805)),
    "Softplus": _activation("SOFTPLUS", alpha=lambda _: 1.0, beta=lambda _: 1.0),
    "Clip": _activation("CLIP", alpha=lambda n: _bound(n, 1, "min", -_MOST), beta=lambda n: _bound(n, 2, "max", _MOST)),
    "HardSigmoid": _activation("HARD_SIGMOID", alpha=_number("alpha", 0.2), beta=_number("beta", 0.5)),
    "ThresholdedRelu": _activation("THRESHOLDED_RELU", alpha=_number("alpha", 1.0)),
    "Gelu": {**_activation("GELU_ERF"), "activation_type": _gelu},
    **{op: {"op": lambda _, kind=kind: ElementWiseOperation[kind]} for op, kind in (
        ("Add", "SUM"), ("Sub", "SUB"), ("Mul", "PROD"), ("Div", "DIV"), ("Max", "MAX"), ("Min", "MIN"), ("Pow", "POW"), ("And", "AND"), ("Or", "OR"), ("Xor", "XOR"), ("Equal", "EQUAL"),
        ("Greater", "GREATER"), ("Less", "LESS"))},
    **{op: {"op": lambda _, kind=op.upper(): UnaryOperation[kind]} for op in "Exp Log Sqrt Abs Neg Sin Cos Tan Sinh Cosh Asin Acos Atan Asinh Acosh Atanh Ceil Floor Erf Not Sign Round IsNaN".split()},
    "Reciprocal": {"op": lambda _: UnaryOperation.RECIP},
    "IsInf": {"op": _infinity},
    **{"Reduce" + op: _reduce(kind) for op, kind in (("Sum", "SUM"), ("Mean", "AVG"), ("Max", "MAX"), ("Min", "MIN"), ("Prod", "PROD"))},
    "Softmax": {"axes": _softmax},
    "Concat": {"axis": lambda n: n.axis(1)},
    "Gather": {"axis": lambda n: n.axis(0), "mode": lambda _: GatherMode.DEFAULT, "num_elementwise_dims": lambda _: 0},
    "Einsum": {"equation": lambda n: n.get("equation")},
    "Transpose": {**_SHUFFLE, "first_transpose": lambda n: Permutation(n.get("perm") or range(n.rank())[::-1]), "reshape_dims": lambda _: Dims()},
    **{op: _SHUFFLE for op in ("Reshape", "Flatten", "Squeeze", "Unsqueeze")},
    "Slice": {"start": _slice_start, "stride": _slice_stride, "shape": lambda n: _known(n.out(), n, "shape"), "axes": lambda n: Dims(range(n.rank())), "mode": lambda _: SampleMode.STRICT_BOUNDS},
    "Pad": {"start": _pad_start, "stride": lambda n: Dims([1] * n.rank()), "shape": lambda n: _known(n.out(), n, "shape"), "axes": lambda n: Dims(range(n.rank())),
            "mode": lambda n: _sample(n, "mode", "constant", {"constant": "FILL", "reflect": "REFLECT", "edge": "CLAMP", "wrap": "WRAP"})},
    "TopK": {**_INDICES, "op": lambda n: TopKOperation.MAX if n.get("largest", 1) else TopKOperation.MIN, "axes": lambda n: 1 << n.axis(-1),
             "k": lambda n: int(n.get("k")) if "k" in n.told else int(n.value(1, "k").reshape(()))},
    "Resize": {"shape": _resize_shape, "scales": _resize_scales, "resize_mode": _resize_mode, "coordinate_transformation": _coordinate, "nearest_rounding": _rounding,
               "selector_for_single_pixel": lambda n: ResizeSelector.UPPER if _coordinates(n) == "pytorch_half_pixel" else ResizeSelector.FORMULA,
               "exclude_outside": lambda n: bool(n.get("exclude_outside", 0)), "cubic_coeff": _number("cubic_coeff_a", -0.75)},
    "Cast": {"to_type": lambda n: _type(n.get("to"))},
    "Constant": {"constant": lambda n: Weights(_constant(n)), "shape": lambda n: Dims(n.out())},
    "LRN": {"window_size": lambda n: n.get("size"), "alpha": _number("alpha", 1e-4), "beta": _number("beta", 0.75), "k": _number("bias", 1.0)},
    "BatchNormalization": {"mode": lambda _: ScaleMode.CHANNEL, "scale": lambda n: _batch_norm(n, False), "shift": lambda n: _batch_norm(n, True), "power": lambda _: Weights(), "channel_axis": lambda _: 1},
    "LayerNormalization": {"axes": lambda n: _mask(range(n.axis(-1), n.rank()), n.rank()), "epsilon": _number("epsilon", 1e-5), "num_groups": lambda _: 1, "compute_precision": lambda _: DataType.FLOAT},
    "InstanceNormalization": {"axes": lambda n: _mask(range(2, n.rank()), n.rank()), "epsilon": _number("epsilon", 1e-5), "num_groups": lambda _: 1, "compute_precision": lambda _: DataType.FLOAT},
    "QuantizeLinear": _QUANTIZING,
    "DequantizeLinear": _QUANTIZING,
    "NonZero": _INDICES,
    "NonMaxSuppression": _INDICES,
    "ScatterND": _scatter("ND"),
    "ScatterElements": _scatter("ELEMENT"),
    "OneHot": {"axis": lambda n: n.get("axis", -1)},
    "GridSample": {"interpolation_mode": lambda n: InterpolationMode[{"bilinear": "LINEAR", "bicubic": "CUBIC"}.get(n.get("mode", "linear"), n.get("mode", "linear").upper())],
                   "align_corners": lambda n: bool(n.get("align_corners", 0)),
                   "sample_mode": lambda n: _sample(n, "padding_mode", "zeros", {"zeros": "FILL", "border": "CLAMP", "reflection": "REFLECT"})},
    "CumSum": {"op": lambda _: CumulativeOperation.SUM, "exclusive": lambda n: bool(n.get("exclusive", 0)), "reverse": lambda n: bool(n.get("reverse", 0))},
    "ReverseSequence": {"batch_axis": lambda n: n.get("batch_axis", 1), "sequence_axis": lambda n: n.get("time_axis", 0)},
    "Attention": {"norm_op": lambda _: NormalizationOp.SOFTMAX, "causal": _causal},
    "MatMul": {"op0": _matrix(0, ""), "op1": _matrix(1, "")},
    "Gemm": {"op0": _matrix(0, "transA"), "op1": _matrix(1, "transB")},
}  # fmt: skip


def parameter(layer: Any, name: str) -> Any:
    """A parameter of a layer that was parsed, as the model has it. Unsupported: its class has no word for what the model says, or only a run can tell it."""
    where = f"layer '{layer.name}' was parsed from ONNX's {layer.node.op}"
    standard = layer.node.domain in ("", "ai.onnx")
    if name == "plugin" and standard:
        return None
    told = _TABLE.get(layer.node.op, {}).get(name) if standard else None
    if told is None:
        raise Unsupported(f"{where}, which has no {name}: look at the ONNX model's node")
    try:
        return told(_Look(layer))
    except Error as raised:
        raise Unsupported(f"{where}, whose {name} cannot be told: {raised}") from raised
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError) as raised:
        raise Unsupported(f"{where}, whose {name} has no form here ({type(raised).__name__}: {raised}): look at the ONNX model's node") from raised
