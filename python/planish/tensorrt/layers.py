"""Layers without control flow: what each computes, as ONNX nodes of operator set 24."""
from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

import numpy as np

from .. import dtypes
from .base import DataType, Dims, Permutation, Strict, Weights, as_weights, code_of, extents, flag, generation, integer, natural, naturals, one_of, real, type_of, volume
from .enums import (ActivationType, BoundingBoxFormat, CumulativeOperation, ElementWiseOperation, FillOperation, GatherMode, InterpolationMode, KVCacheMode, LayerType, MatrixOperation,
                    NormalizationOp, PaddingMode, PoolingType, ReduceOperation, ResizeCoordinateTransformation, ResizeRoundMode, ResizeSelector, SampleMode, ScaleMode, ScatterMode, TopKOperation,
                    UnaryOperation)  # fmt: skip
from .network import BOOL, F32, I32, I64, Alias, Emitter, ILayer, ITensor, Param
from .parsed import parameter


def _pair(value: Any) -> Dims:
    return Dims(value if np.ndim(value) else (value, value))


class _Checked(Param):
    """A parameter that must fit; while it is None, it reads as its default, which may be a function of the layer."""

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        if owner is None:
            return self
        told = owner.__dict__.get(self.name)
        if told is None and self.is_parsed(owner):
            return parameter(owner, self.name)
        return told if told is not None else self.default(owner) if callable(self.default) else self.default

    def __set__(self, owner: Any, value: Any) -> None:
        try:
            super().__set__(owner, value)
        except (TypeError, ValueError, OverflowError) as raised:
            raise owner.fail(f"{self.name} cannot be {_short(value)}: {raised}") from None


def _short(value: Any) -> str:
    text = f"an array {value.dtype}{list(value.shape)}" if isinstance(value, np.ndarray) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


class _Pads(_Checked):
    """Padding before and after: what is set last stands; where they differ, it reads as the one before."""

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        return self if owner is None else owner.pre_padding

    def __set__(self, owner: Any, value: Any) -> None:
        super().__set__(owner, value)
        owner.pre_padding = owner.post_padding = owner.__dict__.pop(self.name)


def _weights(doc: str) -> _Checked:
    return _Checked(doc, lambda _: Weights(), as_weights)


def _enum(doc: str, default: Any) -> _Checked:
    return _Checked(doc, default, one_of(type(default)))


def _same(layer: ILayer, tensors: Sequence[ITensor]) -> int:
    """The element type of tensors that must share one: INT64 of INT32 and INT64, as shapes and constants meet in generation 8."""
    codes = {t.code for t in tensors}
    if codes == {I32, I64}:
        return I64
    if len(codes) > 1:
        told = ", ".join(f"'{t.name}' {dtypes.name(t.code)}" for t in tensors)
        raise layer.fail(f"its inputs must be of one type, not {told}: network.add_cast gives a tensor another type")
    return codes.pop()


def _as(e: Emitter, tensor: ITensor, code: int) -> str:
    return e.value(tensor) if tensor.code == code else e.cast(e.value(tensor), code)


def _shape(tensor: ITensor) -> Dims:
    """A shape; where the tensor's layer tells it, without inference, which looks at all layers so far and cannot be asked by one of them for what stands behind it."""
    source = tensor._layer
    if isinstance(source, IConstantLayer):
        return source.shape
    return Dims((source.given(0).rank,)) if isinstance(source, IShapeLayer) else tensor.shape


def _channels(tensor: ITensor) -> int:
    """The extent of dim 1 where it is found without inference; else -1."""
    while isinstance(tensor._layer, (IActivationLayer, IScaleLayer, IUnaryLayer, ILRNLayer, ISoftMaxLayer, IIdentityLayer, ICastLayer)):
        tensor = tensor._layer.given(0)
    source = tensor._layer
    if isinstance(source, _Convolving) and source.kernel.size:
        return source.num_output_maps
    told = _shape(tensor) if source is None or isinstance(source, IConstantLayer) else ()
    return told[1] if len(told) > 1 else -1


def _length(layer: ILayer, index: int, what: str) -> int:
    """How many elements an input of one dim has."""
    shape = _shape(layer.given(index))
    if len(shape) != 1 or shape[0] < 0:
        raise layer.fail(f"how many {what} input {index} has must be known")
    return shape[0]


def _axis(layer: ILayer, axis: int, rank: int, what: str = "axis") -> int:
    """An axis, counted from the first dim."""
    if not -rank <= axis < rank:
        raise layer.fail(f"{what} is {axis}, for {rank} dims")
    return axis % rank


def _only_axis(layer: ILayer, mask: int, rank: int) -> int:
    return _axis(layer, layer.one_axis(mask), rank)


def _bits(layer: ILayer, mask: int, rank: int) -> List[int]:
    """The axes of a mask, one at least."""
    if mask <= 0 or mask >> rank:
        raise layer.fail(f"axes is {mask:#b}, for an input of {rank} dims")
    return [i for i in range(rank) if mask >> i & 1]


class _Windows(ILayer):
    """Layers with windows: strides and padding."""

    stride_nd = _Checked("Steps between windows, one a spatial dim; 1 each at first.", lambda self: self._filled(1), naturals)
    padding_nd = _Pads("Zeros before and after, one a spatial dim: sets both.", None, extents)
    pre_padding = _Checked("Zeros before; 0 each at first.", lambda self: self._filled(0), extents)
    post_padding = _Checked("Zeros after; 0 each at first.", lambda self: self._filled(0), extents)
    padding_mode = _enum("How sizes are rounded, or SAME_UPPER, SAME_LOWER: the output is as large as the input, divided by the stride.", PaddingMode.EXPLICIT_ROUND_DOWN)
    stride, padding = Alias("stride_nd"), Alias("padding_nd")

    def _window(self) -> Dims:
        raise NotImplementedError

    def _filled(self, value: int) -> Dims:
        return Dims((value,) * len(self._window()))

    def _given_pads(self) -> Dict[str, Any]:
        if self.padding_mode in (PaddingMode.SAME_UPPER, PaddingMode.SAME_LOWER):
            return {"auto_pad": self.padding_mode.name}
        pre, post, spatial = self.pre_padding, self.post_padding, len(self._window())
        if len(pre) != spatial or len(post) != spatial:
            raise self.fail(f"padding has {len(pre)} and {len(post)} extents, the window has {spatial}")
        if min((*pre, *post), default=0) < 0:
            raise self.fail(f"padding is {tuple(pre)} and {tuple(post)}: negative padding is add_slice's or add_padding_nd's")
        return {"pads": [*pre, *post]}

    def _strides(self) -> List[int]:
        return self._each("stride_nd")

    def _each(self, name: str) -> List[int]:
        """A parameter with a number a spatial dim."""
        told, spatial = getattr(self, name), len(self._window())
        if len(told) != spatial:
            raise self.fail(f"{name} has {len(told)} extents, the window has {spatial}")
        return list(told)

    def _spatial(self, e: Emitter, name: str) -> str:
        """A value's extents behind batch and channels."""
        return e.node("Shape", name, start=2)


class _Convolving(_Windows):
    num_output_maps = _Checked("Channels of the output.", 0, natural)
    kernel_size_nd = _Checked("Extents of the window.", Dims(), naturals)
    num_groups = _Checked("Groups of channels.", 1, natural)
    dilation_nd = _Checked("Steps between taps; 1 each at first.", lambda self: self._filled(1), naturals)
    kernel = _weights("Weights; empty: input 1 is the tensor of them.")
    bias = _weights("One a channel of the output; empty: none, or input 2.")
    kernel_size, dilation, nbOutputMaps = Alias("kernel_size_nd"), Alias("dilation_nd"), Alias("num_output_maps")

    def _window(self) -> Dims:
        return self.kernel_size_nd

    def roles(self) -> Dict[str, str]:
        return {"KERNEL": "kernel", "BIAS": "bias"}

    def _kernel(self, e: Emitter, transposed: bool) -> List[str]:
        x, window, maps = self.given(0), tuple(self.kernel_size_nd), self.num_output_maps
        if x.rank != len(window) + 2:
            raise self.fail(f"the input has {x.rank} dims, a window of {len(window)} wants {len(window) + 2}: batch, channels, and those of the window")
        if maps % self.num_groups:
            raise self.fail(f"{maps} maps do not make {self.num_groups} groups")
        if len(self.inputs) > 1 and self.inputs[1] is not None:
            kernel = e.value(self.inputs[1])
        else:
            if not self.kernel.size:
                raise self.fail("it has no kernel: give weights, or set_input(1, tensor)")
            per = (maps if not transposed else maps // self.num_groups) * volume(window)
            shape = (-1,) if per == 0 or self.kernel.size % per else (maps, self.kernel.size // per, *window) if not transposed else (self.kernel.size // per, maps // self.num_groups, *window)
            if shape == (-1,):
                raise self.fail(f"kernel has {self.kernel.size} elements, which is no multiple of {per} for {maps} maps and a window of {window}")
            kernel = e.weights(self, "kernel", shape, x.code)
        bias = e.value(self.inputs[2]) if len(self.inputs) > 2 else e.weights(self, "bias", (maps,), x.code)
        return [e.value(x), kernel, bias]

    def _windows(self) -> Dict[str, Any]:
        return {"kernel_shape": list(self.kernel_size_nd), "strides": self._strides(), "dilations": self._each("dilation_nd"), "group": self.num_groups}

    def _reach(self) -> List[int]:
        """Extents of the window with what dilation leaves out."""
        return [(k - 1) * d + 1 for k, d in zip(self.kernel_size_nd, self._each("dilation_nd"))]


class IConvolutionLayer(_Convolving):
    """A convolution in 1, 2 or 3 dims: kernel [maps, channels / groups, …]. Input 1 instead of `kernel`, input 2 instead of `bias`."""

    layer_type, title = LayerType.CONVOLUTION, "Convolution"

    def emit(self, e: Emitter) -> List[str]:
        given, pads = self._kernel(e, False), self._given_pads()
        if self.padding_mode == PaddingMode.EXPLICIT_ROUND_UP:
            # Zeros behind, so that the last window is a whole one.
            strides, n = self._strides(), len(self.kernel_size_nd)
            free = [pads["pads"][i] + pads["pads"][n + i] - reach for i, reach in enumerate(self._reach())]
            extents = self.given(0).shape[2:]
            if all(d >= 0 for d in extents):
                for i, (d, f, s) in enumerate(zip(extents, free, strides)):
                    pads["pads"][n + i] += -(d + f) % s
            elif any(s > 1 for s in strides):
                more = e.node("Mod", e.node("Neg", e.node("Add", self._spatial(e, given[0]), e.ints(*free))), e.ints(*strides))
                given[0] = e.node("Pad", given[0], e.node("Concat", e.ints(*[0] * (n + 4)), more, axis=0), e.like(self.given(0), 0))
        return [e.node("Conv", *given, **self._windows(), **pads)]


class IDeconvolutionLayer(_Convolving):
    """A transposed convolution: kernel [channels, maps / groups, …]."""

    layer_type, title = LayerType.DECONVOLUTION, "Deconvolution"

    def emit(self, e: Emitter) -> List[str]:
        given, pads = self._kernel(e, True), self._given_pads()
        if "auto_pad" in pads:
            # What windows reach beyond the stride is cut off, whatever the input's extents: for an odd number one more behind (SAME_UPPER) or before.
            cut = [max(reach - s, 0) for reach, s in zip(self._reach(), self._strides())]
            less, more = [c // 2 for c in cut], [c - c // 2 for c in cut]
            pads = {"pads": less + more if self.padding_mode == PaddingMode.SAME_UPPER else more + less}
        return [e.node("ConvTranspose", *given, **self._windows(), **pads)]


class IFullyConnectedLayer(ILayer):
    """A product of weights [outputs, inputs] with each row of the last three dims; of TensorRT 8."""

    layer_type, title = LayerType.FULLY_CONNECTED, "Fully Connected"
    num_output_channels = _Checked("Outputs.", 0, natural)
    kernel = _weights("[outputs, inputs]")
    bias = _weights("One an output; empty: none.")

    def roles(self) -> Dict[str, str]:
        return {"KERNEL": "kernel", "BIAS": "bias"}

    def emit(self, e: Emitter) -> List[str]:
        x, outputs = self.given(0), self.num_output_channels
        if x.rank < 3:
            raise self.fail(f"the input has {x.rank} dims, 3 at least are wanted")
        if not self.kernel.size:
            raise self.fail("it has no kernel")
        lead = x.rank - 3
        rows = e.node("Reshape", e.value(x), e.ints(*[0] * lead, -1))
        y = e.node("MatMul", rows, e.node("Transpose", e.weights(self, "kernel", (outputs, self.kernel.size // max(outputs, 1)), x.code), perm=[1, 0]))
        bias = e.weights(self, "bias", (outputs,), x.code)
        return [e.node("Reshape", e.node("Add", y, bias) if bias else y, e.ints(*[0] * lead, outputs, 1, 1))]


class IPoolingLayer(_Windows):
    """The largest or the mean of windows, or a blend of both."""

    layer_type, title = LayerType.POOLING, "Pooling"
    pooling_type = _enum("MAX, AVERAGE, or MAX_AVERAGE_BLEND.", PoolingType.MAX)
    window_size_nd = _Checked("Extents of the window.", Dims(), naturals)
    blend_factor = _Checked("The share of the mean in a blend.", 0.0, real)
    average_count_excludes_padding = _Checked("Are zeros of the padding left out of the mean's count?", True, flag)
    window_size, type = Alias("window_size_nd"), Alias("pooling_type")

    def _window(self) -> Dims:
        return self.window_size_nd

    def emit(self, e: Emitter) -> List[str]:
        tensor, kind = self.given(0), self.pooling_type
        x, pads, lead = e.value(tensor), self._given_pads(), tensor.rank - len(self.window_size_nd)
        if lead < 1 or not self.window_size_nd:
            raise self.fail(f"the input has {tensor.rank} dims, a window of {len(self.window_size_nd)} wants one more at least")
        if lead != 2:
            x = e.node("Reshape", x, e.node("Concat", e.ints(1, -1), e.node("Shape", x, start=lead), axis=0))
        told = {"kernel_shape": list(self.window_size_nd), "strides": self._strides(), **pads, "ceil_mode": int(self.padding_mode == PaddingMode.EXPLICIT_ROUND_UP)}
        shares = []
        if kind != PoolingType.MAX:
            mean = e.node("AveragePool", x, count_include_pad=int(not self.average_count_excludes_padding), **told)
            shares.append((self._all_windows(e, x, mean, told, 0), self.blend_factor))
        if kind != PoolingType.AVERAGE:
            kind_of = dtypes.to_numpy(tensor.code) if tensor.code < 16 else np.dtype(np.float32)
            least = -np.inf if kind_of.kind == "f" else np.iinfo(kind_of).min
            shares.append((self._all_windows(e, x, e.node("MaxPool", x, **told), told, least), 1 - self.blend_factor))
        y = shares[0][0] if len(shares) == 1 else e.node("Add", *[e.node("Mul", y, e.like(tensor, share)) for y, share in shares])
        if lead == 2:
            return [y]
        return [e.node("Reshape", y, e.node("Concat", e.node("Shape", e.value(tensor), end=lead), self._spatial(e, y), axis=0))]

    def _all_windows(self, e: Emitter, x: str, y: str, told: Dict[str, Any], nothing: float) -> str:
        """The windows that ceil_mode of ONNX leaves out and EXPLICIT_ROUND_UP counts: those that begin behind the input, with no element of it."""
        window, strides, n = told["kernel_shape"], told["strides"], len(told["kernel_shape"])
        if not told["ceil_mode"] or all(post + s <= k for post, s, k in zip(told["pads"][n:], strides, window)):
            return y
        free = [told["pads"][i] + told["pads"][n + i] - window[i] + strides[i] - 1 for i in range(n)]
        wanted = e.node("Add", e.node("Div", e.node("Add", self._spatial(e, x), e.ints(*free)), e.ints(*strides)), e.ints(*[1] * n))
        missing = e.node("Sub", wanted, self._spatial(e, y))
        return e.node("Pad", y, e.node("Concat", e.ints(*[0] * (n + 4)), missing, axis=0), e.like(self.given(0), nothing))


_PLAIN_ACTIVATIONS = {"RELU": "Relu", "SIGMOID": "Sigmoid", "TANH": "Tanh", "SOFTSIGN": "Softsign", "GELU_ERF": "Gelu"}


class IActivationLayer(ILayer):
    """An elementwise function. alpha and beta of those that have them must be set, but for SWISH."""

    layer_type, title = LayerType.ACTIVATION, "Activation"
    by_shapes = True
    activation_type = _enum("Which function.", ActivationType.RELU)
    alpha = _Checked("Of LEAKY_RELU, ELU, SELU, SOFTPLUS, CLIP (least), HARD_SIGMOID, SCALED_TANH, THRESHOLDED_RELU; of SWISH, where it is 1 at first.", None, real)
    beta = _Checked("Of SELU, SOFTPLUS, CLIP (most), HARD_SIGMOID, SCALED_TANH.", None, real)
    type = Alias("activation_type")

    def _of(self, name: str) -> float:
        value = getattr(self, name)
        if value is None:
            raise self.fail(f"{self.activation_type.name} has no {name} yet: layer.{name} = …")
        return value

    def emit(self, e: Emitter) -> List[str]:
        x, t, kind = self.given(0), e.value(self.given(0)), self.activation_type.name
        if kind in _PLAIN_ACTIVATIONS:
            return [e.node(_PLAIN_ACTIVATIONS[kind], t)]
        if kind == "GELU_TANH":
            return [e.node("Gelu", t, approximate="tanh")]
        if kind == "SWISH":
            return [e.node("Swish", t, alpha=1.0 if self.alpha is None else self.alpha)]
        alpha = self._of("alpha")
        if kind in ("LEAKY_RELU", "ELU", "THRESHOLDED_RELU"):
            return [e.node({"LEAKY_RELU": "LeakyRelu", "ELU": "Elu", "THRESHOLDED_RELU": "ThresholdedRelu"}[kind], t, alpha=alpha)]
        beta = self._of("beta")
        if kind == "SELU":
            return [e.node("Selu", t, alpha=alpha, gamma=beta)]
        if kind == "HARD_SIGMOID":
            return [e.node("HardSigmoid", t, alpha=alpha, beta=beta)]
        if kind == "CLIP":
            return [e.node("Clip", t, e.like(x, alpha), e.like(x, beta))]
        # SOFTPLUS, SCALED_TANH: alpha · f(beta · x)
        y = e.node("Softplus" if kind == "SOFTPLUS" else "Tanh", e.node("Mul", t, e.like(x, beta)))
        return [e.node("Mul", y, e.like(x, alpha))]


class ILRNLayer(ILayer):
    """Local response normalization over channels."""

    layer_type, title = LayerType.LRN, "LRN"
    window_size = _Checked("Channels of a window.", 5, natural)
    alpha = _Checked("Of the sum of squares, divided by the window.", 1e-4, real)
    beta = _Checked("The exponent.", 0.75, real)
    k = _Checked("Added to the sum.", 1.0, real)

    def emit(self, e: Emitter) -> List[str]:
        return [e.node("LRN", e.value(self.given(0)), size=self.window_size, alpha=self.alpha, beta=self.beta, bias=self.k)]


class IScaleLayer(ILayer):
    """(x · scale + shift) ^ power, of the whole, per channel or per element."""

    layer_type, title = LayerType.SCALE, "Scale"
    mode = _enum("UNIFORM, CHANNEL or ELEMENTWISE.", ScaleMode.UNIFORM)
    scale = _weights("Empty: 1.")
    shift = _weights("Empty: 0.")
    power = _weights("Empty: 1.")
    channel_axis = _Checked("Of CHANNEL.", 1, integer)

    def roles(self) -> Dict[str, str]:
        return {"SCALE": "scale", "SHIFT": "shift"}

    def emit(self, e: Emitter) -> List[str]:
        x, y = self.given(0), e.value(self.given(0))
        for role, op in (("scale", "Mul"), ("shift", "Add"), ("power", "Pow")):
            told = getattr(self, role)
            if not told.size:
                continue
            if self.mode == ScaleMode.CHANNEL:
                axis = _axis(self, self.channel_axis, x.rank, "channel_axis")
                if axis == 1 and told.size != _channels(x) >= 0:
                    raise self.fail(f"{role} has {told.size} elements, for {_channels(x)} channels")
                shape: Sequence[int] = [told.size if i == axis else 1 for i in range(x.rank)]
            elif self.mode == ScaleMode.UNIFORM:
                shape = ()
            else:
                # All dims but the batch, or all of them.
                if min(x.shape[1:], default=0) < 0:
                    raise self.fail(f"ELEMENTWISE wants extents that are known but for the batch, the input has {tuple(x.shape)}")
                shape = x.shape if volume(x.shape) == told.size else x.shape[1:]
            y = e.node(op, y, e.weights(self, role, shape, x.code))
        return [y if y != e.value(x) else e.node("Identity", y)]


class ISoftMaxLayer(ILayer):
    """Softmax over one axis."""

    layer_type, title = LayerType.SOFTMAX, "Softmax"
    axes = _Checked("One bit: the axis; at first the third from the end, or 0.", lambda self: 1 << max(self.given(0).rank - 3, 0), integer)

    def emit(self, e: Emitter) -> List[str]:
        x = self.given(0)
        return [e.node("Softmax", e.value(x), axis=_only_axis(self, self.axes, x.rank))]


class IRaggedSoftMaxLayer(ILayer):
    """Softmax over the last axis, of the first `bounds` elements of each row; the others give 0."""

    layer_type, title = LayerType.RAGGED_SOFTMAX, "Ragged Softmax"

    def emit(self, e: Emitter) -> List[str]:
        x = self.given(0)
        t = e.value(x)
        if not x.rank or self.given(1).rank != x.rank:
            raise self.fail(f"the input has {x.rank} dims, bounds have {self.given(1).rank}: they must have as many, the last of extent 1")
        if x.code < 16 and dtypes.to_numpy(x.code).kind != "f":
            raise self.fail(f"the input is {dtypes.name(x.code)}: network.add_cast makes floats of it")
        length = e.node("Gather", e.node("Shape", t), e.const(x.rank - 1, np.int64))
        inside = e.node("Less", e.node("Range", e.const(0, np.int64), length, e.const(1, np.int64)), e.as_int64(self.given(1)))
        y = e.node("Softmax", e.node("Where", inside, t, e.like(x, -np.inf)), axis=-1)
        return [e.node("Where", inside, y, e.like(x, 0.0))]


class IConcatenationLayer(ILayer):
    """Tensors one behind the other."""

    layer_type, title = LayerType.CONCATENATION, "Concatenation"
    by_shapes = True
    axis = _Checked("Along which; at first the third from the end, or 0.", lambda self: max(self.given(0).rank - 3, 0), integer)

    def code_of(self, index: int) -> int:
        return _same(self, self._all())

    def _all(self) -> List[ITensor]:
        return [self.given(i) for i in range(max(len(self.inputs), 1))]

    def emit(self, e: Emitter) -> List[str]:
        code, rank = self.code_of(0), self.given(0).rank
        if any(t.rank != rank for t in self._all()):
            raise self.fail(f"its inputs have {', '.join(str(t.rank) for t in self._all())} dims: they must have as many each")
        return [e.node("Concat", *[_as(e, t, code) for t in self._all()], axis=_axis(self, self.axis, rank))]


_ELEMENTWISE = {"SUM": "Add", "PROD": "Mul", "MAX": "Max", "MIN": "Min", "SUB": "Sub", "DIV": "Div", "POW": "Pow", "FLOOR_DIV": "Div", "AND": "And", "OR": "Or", "XOR": "Xor", "EQUAL": "Equal",
                "GREATER": "Greater", "LESS": "Less"}  # fmt: skip


class IElementWiseLayer(ILayer):
    """A function of two tensors of one rank; extents of 1 are repeated."""

    layer_type, title = LayerType.ELEMENTWISE, "ElementWise"
    by_shapes = True
    op = _enum("Which function.", ElementWiseOperation.SUM)

    def rank_of(self, index: int) -> int:
        return max(self.given(0).rank, self.given(1).rank)

    def code_of(self, index: int) -> int:
        return BOOL if self.op.name in ("EQUAL", "GREATER", "LESS") else _same(self, (self.given(0), self.given(1)))

    def emit(self, e: Emitter) -> List[str]:
        a, b = self.given(0), self.given(1)
        code = _same(self, (a, b))
        x, y = _as(e, a, code), _as(e, b, code)
        out = e.node(_ELEMENTWISE[self.op.name], x, y)
        if self.op == ElementWiseOperation.FLOOR_DIV:
            if code > 15 or dtypes.to_numpy(code).kind == "f":
                return [e.node("Floor", out)]
            # Quotients of integers are cut towards 0: one less where a rest is left and the signs differ.
            zero = e.const(0, dtypes.to_numpy(code))
            rest = e.node("Sub", x, e.node("Mul", out, y))
            wrong = e.node("And", e.node("Not", e.node("Equal", rest, zero)), e.node("Xor", e.node("Less", rest, zero), e.node("Less", y, zero)))
            return [e.node("Sub", out, e.cast(wrong, code))]
        return [out]


_UNARY = {"RECIP": "Reciprocal", "ISINF": "IsInf", "ISNAN": "IsNaN"}


class IUnaryLayer(ILayer):
    """A function of one tensor."""

    layer_type, title = LayerType.UNARY, "Unary"
    by_shapes = True
    op = _enum("Which function.", UnaryOperation.EXP)

    def code_of(self, index: int) -> int:
        return BOOL if self.op.name in ("ISINF", "ISNAN", "NOT") else self.given(0).code

    def emit(self, e: Emitter) -> List[str]:
        return [e.node(_UNARY.get(self.op.name, self.op.name.capitalize()), e.value(self.given(0)))]


class IPaddingLayer(ILayer):
    """Zeros around the two last dims; negative ones crop."""

    layer_type, title = LayerType.PADDING, "Padding"
    pre_padding_nd = _Checked("Before, two extents.", Dims((0, 0)), extents)
    post_padding_nd = _Checked("After, two extents.", Dims((0, 0)), extents)
    pre_padding, post_padding = Alias("pre_padding_nd"), Alias("post_padding_nd")

    def emit(self, e: Emitter) -> List[str]:
        x = self.given(0)
        lead = [0] * (x.rank - 2)
        if len(self.pre_padding_nd) != 2 or len(self.post_padding_nd) != 2 or x.rank < 2:
            raise self.fail("padding has two extents before and two after")
        return [e.node("Pad", e.value(x), e.ints(*lead, *self.pre_padding_nd, *lead, *self.post_padding_nd), e.like(x, 0))]


class IShuffleLayer(ILayer):
    """Transpose, reshape, transpose. Input 1 instead of reshape_dims: a tensor of extents."""

    layer_type, title = LayerType.SHUFFLE, "Shuffle"
    first_transpose = _Checked("Order of dims before the reshape; at first as they are.", lambda self: Permutation(range(self.given(0).rank)), Permutation)
    reshape_dims = _Checked("Extents: -1 for what is left, 0 for the input's of that place; where none were set, they stay.", Dims(), extents)
    second_transpose = _Checked("Order of dims after it; at first as they are.", lambda self: Permutation(range(self.rank_of(0))), Permutation)
    zero_is_placeholder = _Checked("Does 0 mean the input's extent (else 0)?", True, flag)

    def _dims(self) -> Any:
        """A tensor of extents, extents, or None."""
        tensor = self.inputs[1] if len(self.inputs) > 1 else None
        return tensor if tensor is not None else self.__dict__.get("reshape_dims")

    def rank_of(self, index: int) -> int:
        dims = self._dims()
        if isinstance(dims, ITensor):
            return _length(self, 1, "extents")
        return self.given(0).rank if dims is None else len(dims)

    def _transposed(self, e: Emitter, y: str, name: str, rank_of: Any) -> str:
        order = self.__dict__.get(name)
        if order is None:
            return y
        rank = rank_of(0)
        # TensorRT's permutations have 8 numbers, of which those of the dims are looked at.
        if sorted(order[:rank]) != list(range(rank)):
            raise self.fail(f"{name} is {tuple(order)}, which is no order of {rank} dims")
        return e.node("Transpose", y, perm=list(order[:rank]))

    def emit(self, e: Emitter) -> List[str]:
        x, dims = e.value(self.given(0)), self._dims()
        y = self._transposed(e, x, "first_transpose", lambda _: self.given(0).rank)
        if dims is not None:
            if not isinstance(dims, ITensor) and (min(dims, default=0) < -1 or dims.count(-1) > 1):
                raise self.fail(f"reshape_dims is {tuple(dims)}: extents, and -1 once")
            y = e.node("Reshape", y, e.as_int64(dims) if isinstance(dims, ITensor) else e.ints(*dims), allowzero=int(not self.zero_is_placeholder))
        y = self._transposed(e, y, "second_transpose", self.rank_of)
        return [y if y != x else e.node("Identity", y)]


class _Axes(ILayer):
    step = 0

    def rank_of(self, index: int) -> int:
        count = _shape(self.given(1))
        if len(count) > 1 or -1 in count:
            raise self.fail("how many axes input 1 has must be known")
        rank = self.given(0).rank + self.step * (count[0] if count else 1)
        if rank < 0 or self.given(1).code not in (I32, I64):
            raise self.fail(f"axes are {dtypes.name(self.given(1).code)}{list(count)}, for an input of {self.given(0).rank} dims")
        return rank

    def emit(self, e: Emitter) -> List[str]:
        axes, _ = e.as_int64(self.given(1)), self.rank_of(0)
        return [e.node("Squeeze" if self.step < 0 else "Unsqueeze", e.value(self.given(0)), axes if self.given(1).rank else e.node("Reshape", axes, e.ints(1)))]


class ISqueezeLayer(_Axes):
    """Takes dims of extent 1 out; input 1: which."""

    layer_type, title, step = LayerType.SQUEEZE, "Squeeze", -1


class IUnsqueezeLayer(_Axes):
    """Puts dims of extent 1 in; input 1: where in the result."""

    layer_type, title, step = LayerType.UNSQUEEZE, "Unsqueeze", 1


class ISliceLayer(ILayer):
    """out[i] = in[start + i · stride] in every dim. Inputs 1 to 3 instead of start, shape, stride; input 4: the value of FILL; input 5: axes."""

    layer_type, title = LayerType.SLICE, "Slice"
    start = _Checked("The first element, one a dim (or one an axis).", None, extents)
    shape = _Checked("Extents of the output.", None, extents)
    stride = _Checked("Steps; 0 repeats an element, negative ones go back.", None, extents)
    mode = _enum("What stands outside: STRICT_BOUNDS (nothing may), WRAP, CLAMP, FILL, REFLECT.", SampleMode.STRICT_BOUNDS)
    axes = _Checked("Which dims; at first all of them.", lambda self: Dims(range(self.given(0).rank)), extents)

    def _number(self, index: int, told: Optional[Dims]) -> Any:
        """A tensor, or a tuple of numbers."""
        tensor = self.inputs[index] if index < len(self.inputs) else None
        if tensor is None and told is None:
            raise self.fail(f"{('', 'start', 'shape', 'stride')[index]} is missing")
        return tensor if tensor is not None else tuple(told or ())

    def _told_axes(self, rank: int) -> List[int]:
        tensor = self.inputs[5] if len(self.inputs) > 5 else None
        if tensor is not None and not isinstance(tensor._layer, IConstantLayer):
            raise self.fail(f"axes (input 5, '{tensor.name}') must be an IConstantLayer's: set layer.axes, or add_constant")
        told = self.axes if tensor is None else extents(tensor._layer.constant.array.reshape(-1).tolist())
        axes = [_axis(self, a, rank, "one of axes") for a in told]
        if len(set(axes)) < len(axes):
            raise self.fail(f"axes is {tuple(told)}: each dim once")
        return axes

    def _check(self, axis: int, extent: int, start: int, count: int, stride: int) -> None:
        """All elements of a dim are inside, as far as is known; extent -1: it is not."""
        ends = (start, start + (count - 1) * stride)
        if count < 0 or (count and (min(ends) < 0 or 0 <= extent <= max(ends))):
            there = f", which has {extent}" if extent >= 0 else ""
            raise self.fail(f"start {start}, {count} elements, {stride} apart, are not inside of dim {axis}{there}; layer.mode says what stands outside")

    def emit(self, e: Emitter) -> List[str]:
        x = self.given(0)
        axes = self._told_axes(x.rank)
        start, shape, stride = self._number(1, self.start), self._number(2, self.shape), self._number(3, self.stride)
        for told, what in ((start, "start"), (shape, "shape"), (stride, "stride")):
            if isinstance(told, tuple) and len(told) != len(axes):
                raise self.fail(f"{what} has {len(told)} extents for {len(axes)} axes")
        if isinstance(shape, tuple) and min(shape, default=0) < 0:
            raise self.fail(f"shape is {shape}")
        for told, what, most in ((start, "start", 1 << 62), (shape, "shape", 1 << 40), (stride, "stride", 1 << 31)):
            if isinstance(told, tuple) and any(abs(n) >= most for n in told):
                raise self.fail(f"{what} is {told}: numbers below {most} are wanted")
        if isinstance(shape, tuple) and isinstance(stride, tuple) and any(abs(n * d) >= 1 << 62 for n, d in zip(shape, stride)):
            raise self.fail(f"{shape} elements, {stride} apart, reach beyond numbers of 64 bits")
        if isinstance(start, tuple) and isinstance(shape, tuple):
            start = tuple(s if n else 0 for s, n in zip(start, shape))  # of nothing it does not matter where it begins
        if self.mode == SampleMode.STRICT_BOUNDS and isinstance(stride, tuple):
            sure = isinstance(start, tuple) and isinstance(shape, tuple)
            if sure:
                there = [x.shape[a] for a in axes]
                for told in zip(axes, there, start, shape, stride):
                    self._check(*told)
                sure = min(there, default=0) >= 0
            if all(stride):
                return [self._sliced(e, axes, start, shape, stride, sure)]
        y, inside = e.value(x), ""
        for at, axis in enumerate(axes):
            y, inside = self._gathered(e, y, inside, axis, *[self._at(e, told, at) for told in (start, shape, stride)])
        if self.mode == SampleMode.FILL and inside:
            fill = e.node("Reshape", _as(e, self.inputs[4], x.code), e.ints()) if len(self.inputs) > 4 and self.inputs[4] is not None else e.like(x, 0)
            y = e.node("Where", inside, y, fill)
        return [y]

    def _sliced(self, e: Emitter, axes: Sequence[int], start: Any, shape: Any, stride: Sequence[int], sure: bool) -> str:
        """A Slice, which would count negative indices from the end and leave out what is not there; where it is not sure that all is inside, a run looks."""
        zero, steps = e.const(0, np.int64), e.ints(*stride)
        first = e.ints(*start) if isinstance(start, tuple) else e.as_int64(start)
        count = e.ints(*shape) if isinstance(shape, tuple) else e.as_int64(shape)
        end = e.node("Add", first, e.node("Mul", count, steps))
        if min(stride, default=1) < 0:
            before = e.node("And", e.node("Less", end, zero), e.node("Greater", count, zero))
            end = e.node("Where", before, e.const(-(1 << 62), np.int64), end)
        y = e.node("Slice", e.value(self.given(0)), first, end, e.ints(*axes), steps)
        if sure or not axes:
            return y
        last = e.node("Add", first, e.node("Mul", e.node("Sub", count, e.const(1, np.int64)), steps))
        extent = e.node("Gather", e.node("Shape", e.value(self.given(0))), e.ints(*axes))
        out = [e.node("Less", e.node("Min", first, last), zero), e.node("GreaterOrEqual", e.node("Max", first, last), extent)]
        wrong = e.node("Or", e.node("Less", count, zero), e.node("And", e.node("Greater", count, zero), e.node("Or", *out)))
        # The only element has the index 0; 1 is an error of the run.
        right = e.node("Gather", e.const([True]), e.node("ReduceMax", e.cast(wrong, I64), keepdims=0))
        y = e.node("Where", right, y, e.like(self.given(0), 0))
        if not isinstance(shape, tuple):
            return y
        return e.node("Reshape", y, e.ints(*[shape[axes.index(d)] if d in axes else 0 for d in range(self.given(0).rank)]))

    def _at(self, e: Emitter, told: Any, at: int) -> str:
        return e.const(told[at], np.int64) if isinstance(told, tuple) else e.node("Gather", e.as_int64(told), e.const(at, np.int64))

    def _gathered(self, e: Emitter, y: str, inside: str, axis: int, start: str, count: str, stride: str) -> List[str]:
        """Along one axis: elements by their numbers."""
        zero, one = e.const(0, np.int64), e.const(1, np.int64)
        at = e.node("Add", start, e.node("Mul", stride, e.node("Range", zero, count, one)))
        extent = e.node("Gather", e.node("Shape", y), e.const(axis, np.int64))
        last = e.node("Sub", extent, one)
        if self.mode == SampleMode.STRICT_BOUNDS:
            # Gather counts negative indices from the end: what is behind the last is an error.
            at = e.node("Where", e.node("Less", at, zero), extent, at)
        elif self.mode == SampleMode.WRAP:
            at = e.node("Mod", at, extent)
        elif self.mode == SampleMode.REFLECT:
            # 0 1 … last … 1 0 1 …: a period of 2 · last (of 1, where there is one element)
            period = e.node("Max", e.node("Mul", last, e.const(2, np.int64)), one)
            at = e.node("Mod", at, period)
            at = e.node("Min", at, e.node("Sub", period, at))
        elif self.mode in (SampleMode.CLAMP, SampleMode.FILL):
            held = e.node("Max", e.node("Min", at, last), zero)
            if self.mode == SampleMode.FILL:
                here = e.node("Equal", held, at)
                here = e.node("Reshape", here, e.ints(*[-1 if d == axis else 1 for d in range(self.given(0).rank)]))
                inside = e.node("And", inside, here) if inside else here
            at = held
        return [e.node("Gather", y, at, axis=axis), inside]


class IShapeLayer(ILayer):
    """The shape as a tensor: INT32 in generation 8, INT64 later."""

    layer_type, title = LayerType.SHAPE, "Shape"
    by_shapes = True

    def rank_of(self, index: int) -> int:
        return 1

    def code_of(self, index: int) -> int:
        return I32 if generation() == 8 else I64

    def emit(self, e: Emitter) -> List[str]:
        shape = e.node("Shape", e.value(self.given(0)))
        return [e.cast(shape, I32) if generation() == 8 else shape]


class IReduceLayer(ILayer):
    """Sums, products, extremes or means over axes."""

    layer_type, title = LayerType.REDUCE, "Reduce"
    op = _enum("SUM, PROD, MAX, MIN or AVG.", ReduceOperation.SUM)
    axes = _Checked("A bit an axis.", 0, integer)
    keep_dims = _Checked("Do reduced axes stay, with extent 1?", False, flag)

    def rank_of(self, index: int) -> int:
        return self.given(0).rank if self.keep_dims else self.given(0).rank - bin(self.axes).count("1")

    def emit(self, e: Emitter) -> List[str]:
        x = self.given(0)
        axes = _bits(self, self.axes, x.rank)
        if self.op == ReduceOperation.NONE:
            raise self.fail("ReduceOperation.NONE reduces nothing")
        op = {"SUM": "ReduceSum", "PROD": "ReduceProd", "MAX": "ReduceMax", "MIN": "ReduceMin", "AVG": "ReduceMean"}[self.op.name]
        return [e.node(op, e.value(x), e.ints(*axes), keepdims=int(self.keep_dims))]


class ICumulativeLayer(ILayer):
    """Running sums along an axis, input 1."""

    layer_type, title = LayerType.CUMULATIVE, "Cumulative"
    op = _enum("SUM.", CumulativeOperation.SUM)
    exclusive = _Checked("Without the element itself?", False, flag)
    reverse = _Checked("From the end?", False, flag)

    def emit(self, e: Emitter) -> List[str]:
        return [e.node("CumSum", e.value(self.given(0)), e.value(self.given(1)), exclusive=int(self.exclusive), reverse=int(self.reverse))]


class _Indices(ILayer):
    """Layers that give indices: INT32, but where INT64 is asked for."""

    indices_type = _Checked("Of indices.", DataType.INT32, one_of(DataType))

    def indices_code(self) -> int:
        return code_of(self.indices_type)

    def indices(self, e: Emitter, name: str) -> str:
        return name if self.indices_code() == I64 else e.cast(name, self.indices_code())


class ITopKLayer(_Indices):
    """The k largest or least along an axis, and where they stand. Input 1 instead of k: a tensor."""

    layer_type, title, outputs_count = LayerType.TOPK, "TopK", 2
    op = _enum("MAX or MIN.", TopKOperation.MAX)
    k = _Checked("How many.", 1, integer)
    axes = _Checked("One bit: the axis.", 1, integer)

    def code_of(self, index: int) -> int:
        return self.given(0).code if index == 0 else self.indices_code()

    def emit(self, e: Emitter) -> List[str]:
        k = e.node("Reshape", e.as_int64(self.inputs[1]), e.ints(1)) if len(self.inputs) > 1 and self.inputs[1] is not None else e.ints(self.k)
        values, indices = e.node("TopK", e.value(self.given(0)), k, outs=2, axis=_only_axis(self, self.axes, self.given(0).rank), largest=int(self.op == TopKOperation.MAX))
        return [values, self.indices(e, indices)]


class IGatherLayer(ILayer):
    """Elements by their indices: whole slices along an axis (DEFAULT), single ones (ELEMENT), or by tuples of indices (ND)."""

    layer_type, title = LayerType.GATHER, "Gather"
    by_shapes = True
    axis = _Checked("Of DEFAULT and ELEMENT.", 0, integer)
    num_elementwise_dims = _Checked("Leading dims that data and indices share.", 0, integer)
    mode = _enum("DEFAULT, ELEMENT or ND.", GatherMode.DEFAULT)

    def rank_of(self, index: int) -> int:
        data, indices, shared = self.given(0).rank, self.given(1).rank, self.num_elementwise_dims
        if self.mode == GatherMode.ELEMENT:
            return indices
        if self.mode == GatherMode.DEFAULT:
            return data + indices - 1 - shared
        if not indices:
            raise self.fail("indices (input 1) have no dim: the last one holds the indices of a place")
        last = self.given(1).shape[-1]
        if last < 0:
            raise self.fail("the last extent of the indices must be known")
        return data + indices - 1 - last - shared

    def emit(self, e: Emitter) -> List[str]:
        data, indices, shared = e.value(self.given(0)), e.value(self.given(1)), self.num_elementwise_dims
        if not 0 <= shared <= min(self.given(0).rank, self.given(1).rank):
            raise self.fail(f"num_elementwise_dims is {shared}, for data of {self.given(0).rank} dims and indices of {self.given(1).rank}")
        if shared and self.mode == GatherMode.ELEMENT:
            raise self.fail(f"num_elementwise_dims is {shared}: single elements (GatherMode.ELEMENT) have none")
        axis = 0 if self.mode == GatherMode.ND else _axis(self, self.axis, self.given(0).rank)
        if self.mode == GatherMode.ELEMENT:
            return [e.node("GatherElements", data, indices, axis=axis)]
        if self.mode == GatherMode.ND:
            return [e.node("GatherND", data, e.as_int64(self.given(1)), batch_dims=shared)]
        if not shared:
            return [e.node("Gather", data, indices, axis=axis)]
        # Slices by batch: the axis goes behind the shared dims and the indices' dims come back to where it was.
        rank = self.given(0).rank
        if axis < shared:
            raise self.fail(f"axis {axis} is one of the {shared} shared dims")
        there = [d for d in range(rank) if d != axis]
        moved = e.node("Transpose", data, perm=[*there[:shared], axis, *there[shared:]])
        y = e.node("GatherND", moved, e.node("Unsqueeze", e.as_int64(self.given(1)), e.ints(-1)), batch_dims=shared)
        found, between = self.given(1).rank - shared, axis - shared
        order = [*range(shared), *range(shared + found, shared + found + between), *range(shared, shared + found), *range(shared + found + between, rank + found - 1)]
        return [e.node("Transpose", y, perm=order)]


class IScatterLayer(ILayer):
    """Data with some elements replaced, by indices."""

    layer_type, title = LayerType.SCATTER, "Scatter"
    axis = _Checked("Of ELEMENT.", 0, integer)
    mode = _enum("ELEMENT or ND.", ScatterMode.ELEMENT)

    def code_of(self, index: int) -> int:
        return _same(self, (self.given(0), self.given(2)))

    def emit(self, e: Emitter) -> List[str]:
        data, updates = (_as(e, self.given(i), self.code_of(0)) for i in (0, 2))
        if self.mode == ScatterMode.ND:
            return [e.node("ScatterND", data, e.as_int64(self.given(1)), updates)]
        return [e.node("ScatterElements", data, e.value(self.given(1)), updates, axis=_axis(self, self.axis, self.given(0).rank))]


class IOneHotLayer(ILayer):
    """A dim of `depth`, with the second value at each index and the first elsewhere. Inputs: indices, values, depth."""

    layer_type, title = LayerType.ONE_HOT, "OneHot"
    axis = _Checked("Where the dim stands in the result.", -1, integer)

    def rank_of(self, index: int) -> int:
        return self.given(0).rank + 1

    def code_of(self, index: int) -> int:
        return self.given(1).code

    def emit(self, e: Emitter) -> List[str]:
        return [e.node("OneHot", e.value(self.given(0)), e.value(self.given(2)), e.value(self.given(1)), axis=_axis(self, self.axis, self.given(0).rank + 1))]


class INonZeroLayer(_Indices):
    """Indices of elements that are not 0: [rank, how many]."""

    layer_type, title = LayerType.NON_ZERO, "NonZero"

    def rank_of(self, index: int) -> int:
        return 2

    def code_of(self, index: int) -> int:
        return self.indices_code()

    def emit(self, e: Emitter) -> List[str]:
        return [self.indices(e, e.node("NonZero", e.value(self.given(0))))]


class INMSLayer(_Indices):
    """Boxes that overlap no better one of their class: [how many, 3] of batch, class, box; and how many. Inputs: boxes [batch, n, 4], scores [batch, n, classes], boxes
    of a class at most; 3: most overlap; 4: least score."""

    layer_type, title, outputs_count = LayerType.NMS, "NMS", 2
    bounding_box_format = _enum("CORNER_PAIRS (x1, y1, x2, y2) or CENTER_SIZES (x, y, width, height).", BoundingBoxFormat.CORNER_PAIRS)
    topk_box_limit = _Checked("Kept: all boxes are looked at.", 5000, integer)

    def rank_of(self, index: int) -> int:
        return 2 if index == 0 else 0

    def code_of(self, index: int) -> int:
        return self.indices_code() if index == 0 else I32

    def emit(self, e: Emitter) -> List[str]:
        boxes, scores, apart = e.value(self.given(0)), e.node("Transpose", e.value(self.given(1)), perm=[0, 2, 1]), self.given(0).rank == 4
        if self.given(0).rank not in (3, 4) or self.given(1).rank != 3:
            raise self.fail(f"boxes are [batch, n, 4] or [batch, n, classes, 4], scores [batch, n, classes], not of {self.given(0).rank} and {self.given(1).rank} dims")
        scalar = [e.node("Reshape", e.value(t), e.ints(1)) if t is not None else "" for t in (self.inputs[3:5] + [None, None])[:2]]
        most = e.node("Reshape", e.as_int64(self.given(2)), e.ints(1))
        classes = e.node("Shape", scores, start=1, end=2)
        if apart:
            # A class with boxes of its own is a batch of its own: of batch · classes + class.
            boxes = e.node("Expand", e.node("Transpose", boxes, perm=[0, 2, 1, 3]), e.node("Concat", e.ints(1), classes, e.ints(1, 1), axis=0))
            boxes = e.node("Reshape", boxes, e.node("Concat", e.ints(-1), e.node("Shape", boxes, start=2), axis=0))
            scores = e.node("Reshape", scores, e.node("Concat", e.ints(-1, 1), e.node("Shape", scores, start=2), axis=0))
        found = e.node("NonMaxSuppression", boxes, scores, most, *scalar, center_point_box=int(self.bounding_box_format == BoundingBoxFormat.CENTER_SIZES))
        if apart:
            batch, box = (e.node("Slice", found, e.ints(i), e.ints(i + 1), e.ints(1)) for i in (0, 2))
            found = e.node("Concat", e.node("Div", batch, classes), e.node("Mod", batch, classes), box, axis=1)
        count = e.node("Gather", e.node("Shape", found), e.const(0, np.int64))
        return [self.indices(e, found), e.cast(count, I32)]


class IGridSampleLayer(ILayer):
    """Elements of images at the places of a grid."""

    layer_type, title = LayerType.GRID_SAMPLE, "GridSample"
    interpolation_mode = _enum("NEAREST, LINEAR or CUBIC.", InterpolationMode.LINEAR)
    align_corners = _Checked("Do -1 and 1 mean the centres of the outermost elements?", False, flag)
    sample_mode = _enum("Outside: FILL (0), CLAMP or REFLECT.", SampleMode.FILL)

    def emit(self, e: Emitter) -> List[str]:
        outside = {"FILL": "zeros", "CLAMP": "border", "REFLECT": "reflection"}.get(self.sample_mode.name)
        if outside is None:
            raise self.fail(f"sample_mode is FILL, CLAMP or REFLECT, not {self.sample_mode.name}")
        return [e.node("GridSample", e.value(self.given(0)), e.value(self.given(1)), mode=self.interpolation_mode.name.lower(), padding_mode=outside, align_corners=int(self.align_corners))]


class IResizeLayer(ILayer):
    """Another size: `shape`, `scales`, or input 1, a tensor of extents."""

    layer_type, title = LayerType.RESIZE, "Resize"
    shape = _Checked("Extents of the output; none: scales say them.", Dims(), extents)
    scales = _Checked("Factors of the extents.", lambda _: [], lambda told: [real(v) for v in told])
    resize_mode = _enum("NEAREST, LINEAR or CUBIC.", InterpolationMode.NEAREST)
    coordinate_transformation = _enum("ASYMMETRIC, ALIGN_CORNERS or HALF_PIXEL.", ResizeCoordinateTransformation.ASYMMETRIC)
    selector_for_single_pixel = _enum("Where an output extent of 1 is taken from: FORMULA or UPPER (the first).", ResizeSelector.FORMULA)
    nearest_rounding = _enum("Of NEAREST.", ResizeRoundMode.FLOOR)
    exclude_outside = _Checked("Are taps outside left out?", False, flag)
    cubic_coeff = _Checked("Of CUBIC.", -0.75, real)
    interpolation_mode = Alias("resize_mode")

    def emit(self, e: Emitter) -> List[str]:
        sizes, scales = "", ""
        for what, told in (("shape", self.shape), ("scales", self.scales)):
            if told and (len(told) != self.given(0).rank or min(told) < 0):
                raise self.fail(f"{what} is {tuple(told)}, for an input of {self.given(0).rank} dims")
        if len(self.inputs) > 1 and self.inputs[1] is not None:
            sizes = e.as_int64(self.inputs[1])
        elif self.shape:
            sizes = e.ints(*self.shape)
        elif self.scales:
            scales = e.const(self.scales, np.float32)
        else:
            raise self.fail("it has no size: set shape, scales, or input 1")
        told = {"ASYMMETRIC": "asymmetric", "ALIGN_CORNERS": "align_corners", "HALF_PIXEL": "half_pixel"}[self.coordinate_transformation.name]
        if self.selector_for_single_pixel == ResizeSelector.UPPER and told == "half_pixel":
            told = "pytorch_half_pixel"
        rounding = {"HALF_UP": "round_prefer_ceil", "HALF_DOWN": "round_prefer_floor", "FLOOR": "floor", "CEIL": "ceil"}[self.nearest_rounding.name]
        return [e.node("Resize", e.value(self.given(0)), "", scales, sizes, mode=self.resize_mode.name.lower(), coordinate_transformation_mode=told, nearest_mode=rounding,
                       exclude_outside=int(self.exclude_outside), cubic_coeff_a=self.cubic_coeff)]  # fmt: skip


class IMatrixMultiplyLayer(ILayer):
    """A product of matrices, each as it is, transposed, or a vector; leading dims are batches and repeated where they are 1."""

    layer_type, title = LayerType.MATRIX_MULTIPLY, "MatrixMultiply"
    op0 = _enum("Of input 0: NONE, TRANSPOSE or VECTOR.", MatrixOperation.NONE)
    op1 = _enum("Of input 1.", MatrixOperation.NONE)

    def rank_of(self, index: int) -> int:
        lead = max(t.rank - (1 if op == MatrixOperation.VECTOR else 2) for t, op in ((self.given(0), self.op0), (self.given(1), self.op1)))
        return lead + (self.op0 != MatrixOperation.VECTOR) + (self.op1 != MatrixOperation.VECTOR)

    def emit(self, e: Emitter) -> List[str]:
        sides = []
        for i, op in enumerate((self.op0, self.op1)):
            tensor, name = self.given(i), e.value(self.given(i))
            if tensor.rank < (1 if op == MatrixOperation.VECTOR else 2):
                raise self.fail(f"input {i} has {tensor.rank} dims: a matrix has 2, and a vector is told by MatrixOperation.VECTOR")
            if op == MatrixOperation.VECTOR:
                name = e.node("Unsqueeze", name, e.ints(-2 if i == 0 else -1))
            elif op == MatrixOperation.TRANSPOSE:
                r = tensor.rank
                name = e.node("Transpose", name, perm=[*range(r - 2), r - 1, r - 2])
            sides.append(name)
        y = e.node("MatMul", *sides)
        if self.op1 == MatrixOperation.VECTOR:
            y = e.node("Squeeze", y, e.ints(-1))
        if self.op0 == MatrixOperation.VECTOR:
            y = e.node("Squeeze", y, e.ints(-1 if self.op1 == MatrixOperation.VECTOR else -2))
        return [y]


class IEinsumLayer(ILayer):
    """A sum of products, by an equation."""

    layer_type, title = LayerType.EINSUM, "Einsum"
    equation = Param("Such as \"bij,bjk->bik\".", "", str)

    def rank_of(self, index: int) -> int:
        left, arrow, right = self.equation.replace(" ", "").partition("->")
        if not arrow:
            letters = [c for c in left if c.isalpha()]
            right = "".join(c for c in sorted(set(letters)) if letters.count(c) == 1)
        dots = 0
        if "..." in right:
            dots = max((self.given(i).rank - len(term.replace("...", "")) for i, term in enumerate(left.split(",")) if "..." in term), default=0)
        return len(right.replace("...", "")) + dots

    def emit(self, e: Emitter) -> List[str]:
        return [e.node("Einsum", *[e.value(self.given(i)) for i in range(len(self.inputs))], equation=self.equation)]


class IConstantLayer(ILayer):
    """Weights as a tensor."""

    layer_type, title = LayerType.CONSTANT, "Constant"
    constant = _weights("The weights.")
    weights = Alias("constant")
    shape = _Checked("Extents.", Dims(), extents)

    def roles(self) -> Dict[str, str]:
        return {"CONSTANT": "constant"}

    def rank_of(self, index: int) -> int:
        return len(self.shape)

    def code_of(self, index: int) -> int:
        return code_of(self.constant.dtype)

    def emit(self, e: Emitter) -> List[str]:
        if min(self.shape, default=0) < 0 or self.constant.size != volume(self.shape):
            raise self.fail(f"{self.constant.size} weights do not fill the shape {tuple(self.shape)}")
        return [e.keep(self, "constant", self.shape)]


class IIdentityLayer(ILayer):
    """A copy; with an output type, a cast."""

    layer_type, title = LayerType.IDENTITY, "Identity"
    by_shapes = True

    def code_of(self, index: int) -> int:
        return self.outputs[0]._wanted or self.given(0).code

    def emit(self, e: Emitter) -> List[str]:
        wanted = self.outputs[0]._wanted
        return [e.cast(e.value(self.given(0)), wanted) if wanted else e.node("Identity", e.value(self.given(0)))]


class ICastLayer(ILayer):
    """Another element type."""

    layer_type, title = LayerType.CAST, "Cast"
    by_shapes = True
    to_type = _Checked("Which.", DataType.FLOAT, one_of(DataType))

    def code_of(self, index: int) -> int:
        return code_of(self.to_type)

    def emit(self, e: Emitter) -> List[str]:
        return [e.cast(e.value(self.given(0)), code_of(self.to_type))]


class IParametricReLULayer(ILayer):
    """x, or slope · x where x is negative; input 1: slopes."""

    layer_type, title = LayerType.PARAMETRIC_RELU, "Parametric ReLU"

    def emit(self, e: Emitter) -> List[str]:
        if self.given(1).rank > self.given(0).rank:
            raise self.fail(f"slopes have {self.given(1).rank} dims, the input {self.given(0).rank}")
        return [e.node("PRelu", e.value(self.given(0)), e.value(self.given(1)))]


class ISelectLayer(ILayer):
    """Elements of input 1 where input 0 is true, else of input 2."""

    layer_type, title = LayerType.SELECT, "Select"
    by_shapes = True

    def rank_of(self, index: int) -> int:
        return max(self.given(i).rank for i in range(3))

    def code_of(self, index: int) -> int:
        return _same(self, (self.given(1), self.given(2)))

    def emit(self, e: Emitter) -> List[str]:
        return [e.node("Where", e.value(self.given(0)), *[_as(e, self.given(i), self.code_of(0)) for i in (1, 2)])]


class IFillLayer(ILayer):
    """A tensor of numbers: LINSPACE (alpha + i · beta, a beta a dim), RANDOM_UNIFORM (alpha to beta), RANDOM_NORMAL (mean alpha, deviation beta). Inputs instead of: 0
    shape, 1 alpha, 2 beta."""

    layer_type, title = LayerType.FILL, "Fill"
    shape = _Checked("Extents.", Dims(), extents)
    operation = _enum("What it is filled with.", FillOperation.LINSPACE)
    alpha = _Checked("Of the operation.", 0.0, lambda value: integer(value) if isinstance(value, (int, np.integer)) else real(value))
    beta = _Checked("Of the operation.", 1.0, lambda value: integer(value) if isinstance(value, (int, np.integer)) else real(value))
    to_type = _Checked("The element type.", DataType.FLOAT, one_of(DataType))

    def rank_of(self, index: int) -> int:
        if self.inputs and self.inputs[0] is not None:
            return _length(self, 0, "extents")
        return len(self.shape)

    def code_of(self, index: int) -> int:
        given = [t for t in self.inputs[1:3] if t is not None]
        code = _same(self, given) if given else code_of(self.to_type)
        if code == BOOL:
            raise self.fail("it fills with numbers, not with BOOL")
        return code

    def _steps(self) -> bool:
        """Has each dim a beta of its own?"""
        beta = self.inputs[2] if len(self.inputs) > 2 else None
        if beta is None or self.operation != FillOperation.LINSPACE or not beta.rank:
            return False
        if beta.rank > 1 or (isinstance(beta._layer, IConstantLayer) and beta._layer.shape[0] != self.rank_of(0)):
            raise self.fail(f"beta (input 2) must be one number a dim, {self.rank_of(0)}")
        return True

    def _scalar(self, e: Emitter, index: int, told: float, code: int) -> str:
        tensor = self.inputs[index] if index < len(self.inputs) else None
        if tensor is not None:
            name = _as(e, tensor, code)
            return name if self._steps() and index == 2 else e.node("Reshape", name, e.ints())
        if code != F32 and (told in (np.inf, -np.inf) or told != int(told) or (code == I32 and not -(1 << 31) <= told < 1 << 31)):
            raise self.fail(f"{'alpha' if index == 1 else 'beta'} is {told}, which {self.to_type.name} does not hold")
        return e.const(told, dtypes.to_numpy(code))

    def emit(self, e: Emitter) -> List[str]:
        if min(self.shape, default=0) < 0:
            raise self.fail(f"shape is {tuple(self.shape)}: a tensor of extents is input 0")
        shape = e.as_int64(self.inputs[0]) if self.inputs and self.inputs[0] is not None else e.ints(*self.shape)
        code = self.code_of(0)
        number = code if code in (I32, I64) and self.operation == FillOperation.LINSPACE else F32
        alpha, beta = self._scalar(e, 1, self.alpha, number), self._scalar(e, 2, self.beta, number)
        if self.operation == FillOperation.LINSPACE:
            rank = self.rank_of(0)
            steps = self._steps()
            y = alpha
            for d in range(rank):
                extent = e.node("Gather", shape, e.const(d, np.int64))
                numbers = e.cast(e.node("Range", e.const(0, np.int64), extent, e.const(1, np.int64)), number)
                step = e.node("Gather", beta, e.const(d, np.int64)) if steps else beta
                part = e.node("Reshape", e.node("Mul", numbers, step), e.ints(*[-1 if i == d else 1 for i in range(rank)]))
                y = e.node("Add", y, part)
        else:
            zeros = e.node("ConstantOfShape", shape)
            like = {"dtype": F32}
            y = e.node("RandomUniformLike", zeros, low=0.0, high=1.0, **like) if self.operation == FillOperation.RANDOM_UNIFORM else e.node("RandomNormalLike", zeros, mean=0.0, scale=1.0, **like)
            span = e.node("Sub", beta, alpha) if self.operation == FillOperation.RANDOM_UNIFORM else beta
            y = e.node("Add", e.node("Mul", y, span), alpha)
        return [y if code == number else e.cast(y, code)]


class IReverseSequenceLayer(ILayer):
    """The first elements of each sequence the other way round; input 1: how many."""

    layer_type, title = LayerType.REVERSE_SEQUENCE, "ReverseSequence"
    batch_axis = _Checked("Of the sequences.", 1, integer)
    sequence_axis = _Checked("Of their elements.", 0, integer)

    def emit(self, e: Emitter) -> List[str]:
        rank, x = self.given(0).rank, e.value(self.given(0))
        batch, time = _axis(self, self.batch_axis, rank, "batch_axis"), _axis(self, self.sequence_axis, rank, "sequence_axis")
        if batch == time:
            raise self.fail(f"batch_axis and sequence_axis are both {batch}")
        return [e.node("ReverseSequence", x, e.as_int64(self.given(1)), batch_axis=batch, time_axis=time)]


class INormalizationLayer(ILayer):
    """(x - mean) / sqrt(variance + epsilon) · scale + bias, over axes; with groups over the channels of each. Inputs: x, scale, bias, which broadcast."""

    layer_type, title = LayerType.NORMALIZATION, "Normalization"
    axes = _Checked("A bit an axis.", 0, integer)
    epsilon = _Checked("Added to the variance.", 1e-5, real)
    num_groups = _Checked("Groups of channels.", 1, natural)
    compute_precision = _Checked("Kept: sums are FLOAT here.", DataType.FLOAT, one_of(DataType))
    is_v2 = _Checked("Was it made by add_normalization_v2?", False, flag)

    def emit(self, e: Emitter) -> List[str]:
        x = self.given(0)
        t, scale, bias = (e.value(self.given(i)) for i in range(3))
        axes = _bits(self, self.axes, x.rank)
        if self.num_groups != 1:
            if axes != list(range(2, x.rank)):
                raise self.fail("groups want all axes behind the channels")
            if _channels(x) >= 0 and _channels(x) % self.num_groups:
                raise self.fail(f"{_channels(x)} channels do not make {self.num_groups} groups")
            channels = e.node("Shape", t, start=1, end=2)
            ones, zeros = (e.node("Expand", e.like(x, v), channels) for v in (1.0, 0.0))
            y = e.node("GroupNormalization", t, ones, zeros, epsilon=self.epsilon, num_groups=self.num_groups)
            if not self.is_v2:
                scale, bias = (self._of_groups(e, self.given(i), name, channels) for i, name in ((1, scale), (2, bias)))
        elif axes == list(range(axes[0], x.rank)):
            y = e.node("LayerNormalization", t, e.like(x, 1.0), axis=axes[0], epsilon=self.epsilon)
        else:
            less = e.node("Sub", t, e.node("ReduceMean", t, e.ints(*axes)))
            variance = e.node("ReduceMean", e.node("Mul", less, less), e.ints(*axes))
            y = e.node("Div", less, e.node("Sqrt", e.node("Add", variance, e.like(x, self.epsilon))))
        return [e.node("Add", e.node("Mul", y, scale), bias)]

    def _of_groups(self, e: Emitter, tensor: ITensor, name: str, channels: str) -> str:
        """Scale or bias [1, groups, 1, …] for each channel; that of channels, or one for all, as it is."""
        told = _shape(tensor)
        if len(told) != self.given(0).rank or told[1] not in (-1, self.num_groups):
            return name
        # [1, n, 1, 1, …] → [1, n, channels / n, 1, …] → [1, channels, 1, …], for any n that divides the channels
        per = e.node("Div", channels, e.node("Shape", name, start=1, end=2))
        apart = e.node("Unsqueeze", name, e.ints(2))
        wide = e.node("Expand", apart, e.node("Concat", e.ints(1, 1), per, e.ints(*[1] * (len(told) - 2)), axis=0))
        return e.node("Reshape", wide, e.node("Concat", e.ints(0, -1), e.node("Shape", name, start=2), axis=0))


class _Quantizing(ILayer):
    axis = _Checked("Of scales per channel.", -1, integer)
    to_type = _Checked("The output's element type.", lambda self: type_of(self.code_of(0)), one_of(DataType))
    block_shape = _Checked("Extents of blocks that share a scale; none: no blocks.", Dims(), naturals)

    def _scales(self, e: Emitter) -> str:
        """Scale; of one element for all, however many dims it has."""
        scale, name = self.given(1), e.value(self.given(1))
        if self.axis < -1:
            raise self.fail(f"axis is {self.axis}")
        if self.axis >= 0 or self.block_shape or not scale.rank:
            return name
        if any(d > 1 for d in _shape(scale)):
            raise self.fail(f"scale has the shape {tuple(_shape(scale))}: layer.axis says which axis it goes along")
        return e.node("Reshape", name, e.ints())

    def _zeros(self, e: Emitter, scale: str) -> str:
        zero = self.inputs[2] if len(self.inputs) > 2 else None
        if zero is None:
            return ""
        return e.value(zero) if scale == e.value(self.given(1)) else e.node("Reshape", e.value(zero), e.ints())

    def _blocks(self) -> Dict[str, Any]:
        rank = self.given(0).rank
        if not self.block_shape:
            return {"axis": _axis(self, self.axis, rank)} if self.axis >= 0 else {}
        if len(self.block_shape) != rank:
            raise self.fail(f"block_shape has {len(self.block_shape)} extents, for an input of {rank} dims")
        wide = [i for i, d in enumerate(self.block_shape) if d != 1]
        if len(wide) > 1:
            raise self.fail(f"blocks reach along one axis, not along {len(wide)}")
        axis = wide[0] if wide else 0
        return {"axis": axis, "block_size": self.block_shape[axis]}


class IQuantizeLayer(_Quantizing):
    """Rounds x / scale; input 1: scale, 2: zero point."""

    layer_type, title = LayerType.QUANTIZE, "Quantize"

    def code_of(self, index: int) -> int:
        told = self.__dict__.get("to_type")
        return code_of(told) if told is not None else 3

    def emit(self, e: Emitter) -> List[str]:
        scale = self._scales(e)
        zero = self._zeros(e, scale)
        return [e.node("QuantizeLinear", e.value(self.given(0)), scale, zero, output_dtype=0 if zero else self.code_of(0), **self._blocks())]


class IDequantizeLayer(_Quantizing):
    """x · scale; input 1: scale, 2: zero point."""

    layer_type, title = LayerType.DEQUANTIZE, "Dequantize"

    def code_of(self, index: int) -> int:
        told = self.__dict__.get("to_type")
        return code_of(told) if told is not None else self.given(1).code

    def emit(self, e: Emitter) -> List[str]:
        scale = self._scales(e)
        y = e.node("DequantizeLinear", e.value(self.given(0)), scale, self._zeros(e, scale), **self._blocks())
        return [y if self.code_of(0) == self.given(1).code else e.cast(y, self.code_of(0))]


class IRotaryEmbeddingLayer(ILayer):
    """Rotates pairs of each head's elements by their positions. Inputs: x [batch, heads, length, size], cosines, sines; 3: positions."""

    layer_type, title = LayerType.ROTARY_EMBEDDING, "RotaryEmbedding"
    interleaved = _Checked("Are pairs neighbours (else halves)?", False, flag)
    rotary_embedding_dim = _Checked("How many elements are rotated; 0: all.", 0, integer)

    def emit(self, e: Emitter) -> List[str]:
        x, rotated = self.given(0), self.rotary_embedding_dim
        if rotated < 0 or rotated % 2 or (x.rank == 4 and 0 <= x.shape[3] < rotated):
            raise self.fail(f"rotary_embedding_dim is {rotated}: an even number of the {x.shape[-1] if x.rank else 0} elements of a head, or 0 for all")
        ids = e.as_int64(self.inputs[3]) if len(self.inputs) > 3 and self.inputs[3] is not None else ""
        return [e.node("RotaryEmbedding", *[e.value(self.given(i)) for i in range(3)], ids, interleaved=int(self.interleaved), rotary_embedding_dim=self.rotary_embedding_dim)]


class IKVCacheUpdateLayer(ILayer):
    """A cache [batch, heads, room, size] with new rows written from each sequence's index on. Inputs: cache, rows, indices."""

    layer_type, title = LayerType.KVCACHE_UPDATE, "KVCacheUpdate"
    cache_mode = _enum("LINEAR.", KVCacheMode.LINEAR)

    def emit(self, e: Emitter) -> List[str]:
        return [e.node("TensorScatter", e.value(self.given(0)), e.value(self.given(1)), e.as_int64(self.given(2)), axis=-2)]


class _AttentionLayer(ILayer):
    layer_type, title = LayerType.ATTENTION_OUTPUT, "Attention"
    norm_op = _enum("SOFTMAX or NONE.", NormalizationOp.SOFTMAX)
    causal = _Checked("May a row see only keys up to itself?", False, flag)

    def emit(self, e: Emitter) -> List[str]:
        q, k, v = (self.given(i) for i in range(3))
        if {t.rank for t in (q, k, v)} != {4}:
            raise self.fail("query, key and value are [batch, heads, length, size]")
        mask = self.inputs[3] if len(self.inputs) > 3 else None
        if mask is not None and self.causal:
            raise self.fail("causal and a mask exclude each other")
        names = [e.value(t) for t in (q, k, v)]
        if self.norm_op == NormalizationOp.SOFTMAX:
            return [e.node("Attention", *names, e.value(mask), is_causal=int(self.causal), scale=1.0)]
        if mask is not None or self.causal:
            raise self.fail("NormalizationOp.NONE takes no mask")
        return [e.node("MatMul", e.node("MatMul", names[0], e.node("Transpose", names[1], perm=[0, 1, 3, 2])), names[2])]


class IAttention(Strict):
    """softmax(query · keyᵀ + mask) · value, by heads: [batch, heads, length, size]. Scores are not scaled: scale the query."""

    def __init__(self, layer: _AttentionLayer) -> None:
        self._layer = layer
        self.decomposable = True

    def _of(name: str, doc: str) -> Any:  # type: ignore[misc]
        return property(lambda self: getattr(self._layer, name), lambda self, value: setattr(self._layer, name, value), doc=doc)

    name = _of("name", "Of its layer.")
    norm_op = _of("norm_op", "SOFTMAX or NONE.")
    causal = _of("causal", "May a row see only keys up to itself?")
    metadata = _of("metadata", "A text of the user's.")

    @property
    def mask(self) -> Optional[ITensor]:
        """BOOL (true: seen), or numbers that are added; dims of 1 are repeated."""
        return self._layer.get_input(3)

    @mask.setter
    def mask(self, mask: ITensor) -> None:
        self._layer.set_input(3, mask)

    @property
    def num_inputs(self) -> int:
        """Inputs."""
        return self._layer.num_inputs

    @property
    def num_outputs(self) -> int:
        """1"""
        return 1

    def get_input(self, index: int) -> Optional[ITensor]:
        """Query, key, value, mask."""
        return self._layer.get_input(index)

    def set_input(self, index: int, tensor: ITensor) -> bool:
        """Replaces one."""
        self._layer.set_input(index, tensor)
        return True

    def get_output(self, index: int) -> Optional[ITensor]:
        """The result."""
        return self._layer.get_output(index)
