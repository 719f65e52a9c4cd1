"""Layers without control flow: what each computes, as ONNX nodes of operator set 24."""
from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

import numpy as np

from .base import DataType, Dims, Strict, as_weights, code_of, generation
from .enums import (ActivationType, BoundingBoxFormat, CumulativeOperation, ElementWiseOperation, FillOperation, GatherMode, InterpolationMode, KVCacheMode, LayerType, MatrixOperation,
                    NormalizationOp, PaddingMode, PoolingType, ReduceOperation, ResizeCoordinateTransformation, ResizeRoundMode, ResizeSelector, SampleMode, ScaleMode, ScatterMode, TopKOperation,
                    UnaryOperation)  # fmt: skip
from .network import BOOL, F32, I32, I64, Alias, Emitter, ILayer, ITensor, Param


def _pair(value: Any) -> Dims:
    return Dims(value if np.ndim(value) else (value, value))


class _Windows(ILayer):
    """Layers with windows: strides and padding."""

    stride_nd = Param("Steps between windows, one a spatial dim; None: 1.", None, Dims)
    padding_nd = Param("Zeros before and after, one a spatial dim.", None, Dims)
    pre_padding = Param("Zeros before.", None, Dims)
    post_padding = Param("Zeros after.", None, Dims)
    padding_mode = Param("How sizes are rounded, or SAME_UPPER, SAME_LOWER: the output is as large as the input, divided by the stride.", PaddingMode.EXPLICIT_ROUND_DOWN)
    stride, padding = Alias("stride_nd"), Alias("padding_nd")

    def _given_pads(self, spatial: int) -> Dict[str, Any]:
        if self.padding_mode in (PaddingMode.SAME_UPPER, PaddingMode.SAME_LOWER):
            return {"auto_pad": self.padding_mode.name}
        pre, post = self.pre_padding or self.padding_nd or (0,) * spatial, self.post_padding or self.padding_nd or (0,) * spatial
        if len(pre) != spatial or len(post) != spatial:
            raise self.fail(f"padding has {len(pre)} and {len(post)} extents, the window has {spatial}")
        return {"pads": [*pre, *post]}

    def _strides(self, spatial: int) -> List[int]:
        strides = list(self.stride_nd or (1,) * spatial)
        if len(strides) != spatial:
            raise self.fail(f"stride_nd has {len(strides)} extents, the window has {spatial}")
        return strides


class _Convolving(_Windows):
    num_output_maps = Param("Channels of the output.", 0, int)
    kernel_size_nd = Param("Extents of the window.", None, Dims)
    num_groups = Param("Groups of channels.", 1, int)
    dilation_nd = Param("Steps between taps; None: 1.", None, Dims)
    kernel = Param("Weights; empty: input 1 is the tensor of them.", None, as_weights)
    bias = Param("One a channel of the output; empty: none, or input 2.", None, as_weights)
    kernel_size, dilation, nbOutputMaps = Alias("kernel_size_nd"), Alias("dilation_nd"), Alias("num_output_maps")

    def roles(self) -> Dict[str, str]:
        return {"KERNEL": "kernel", "BIAS": "bias"}

    def _kernel(self, e: Emitter, transposed: bool) -> List[str]:
        x, window, maps = self.given(0), tuple(self.kernel_size_nd or ()), self.num_output_maps
        if x.rank != len(window) + 2:
            raise self.fail(f"the input has {x.rank} dims, a window of {len(window)} wants {len(window) + 2}: batch, channels, and those of the window")
        if len(self.inputs) > 1 and self.inputs[1] is not None:
            kernel = e.value(self.inputs[1])
        else:
            if self.kernel is None or not self.kernel.size:
                raise self.fail("it has no kernel: give weights, or set_input(1, tensor)")
            per = (maps if not transposed else maps // self.num_groups) * int(np.prod(window))
            shape = (-1,) if per == 0 or self.kernel.size % per else (maps, self.kernel.size // per, *window) if not transposed else (self.kernel.size // per, maps // self.num_groups, *window)
            if shape == (-1,):
                raise self.fail(f"kernel has {self.kernel.size} elements, which is no multiple of {per} for {maps} maps and a window of {window}")
            kernel = e.weights(self, "kernel", shape, x.code)
        bias = e.value(self.inputs[2]) if len(self.inputs) > 2 else e.weights(self, "bias", (maps,), x.code)
        return [e.value(x), kernel, bias]

    def _windows(self) -> Dict[str, Any]:
        n = len(self.kernel_size_nd or ())
        return {"kernel_shape": list(self.kernel_size_nd or ()), "strides": self._strides(n), "dilations": list(self.dilation_nd or (1,) * n), "group": self.num_groups}


class IConvolutionLayer(_Convolving):
    """A convolution in 1, 2 or 3 dims: kernel [maps, channels / groups, …]. Input 1 instead of `kernel`, input 2 instead of `bias`."""

    layer_type, title = LayerType.CONVOLUTION, "Convolution"

    def emit(self, e: Emitter) -> List[str]:
        n = len(self.kernel_size_nd or ())
        pads = self._given_pads(n)
        if self.padding_mode == PaddingMode.EXPLICIT_ROUND_UP and "pads" in pads:
            extents = self.given(0).shape[2:]
            if any(d < 0 for d in extents):
                raise self.fail("EXPLICIT_ROUND_UP wants spatial extents that are known")
            for i, (d, k, s, dil) in enumerate(zip(extents, self.kernel_size_nd, self._strides(n), self.dilation_nd or (1,) * n)):
                over = (d + pads["pads"][i] + pads["pads"][n + i] - (k - 1) * dil - 1) % s
                pads["pads"][n + i] += s - over if over else 0
        return [e.node("Conv", *self._kernel(e, False), **self._windows(), **pads)]


class IDeconvolutionLayer(_Convolving):
    """A transposed convolution: kernel [channels, maps / groups, …]."""

    layer_type, title = LayerType.DECONVOLUTION, "Deconvolution"

    def emit(self, e: Emitter) -> List[str]:
        return [e.node("ConvTranspose", *self._kernel(e, True), **self._windows(), **self._given_pads(len(self.kernel_size_nd or ())))]


class IFullyConnectedLayer(ILayer):
    """A product of weights [outputs, inputs] with each row of the last three dims; of TensorRT 8."""

    layer_type, title = LayerType.FULLY_CONNECTED, "Fully Connected"
    num_output_channels = Param("Outputs.", 0, int)
    kernel = Param("[outputs, inputs]", None, as_weights)
    bias = Param("One an output; empty: none.", None, as_weights)

    def roles(self) -> Dict[str, str]:
        return {"KERNEL": "kernel", "BIAS": "bias"}

    def emit(self, e: Emitter) -> List[str]:
        x, outputs = self.given(0), self.num_output_channels
        if x.rank < 3:
            raise self.fail(f"the input has {x.rank} dims, 3 at least are wanted")
        lead = x.rank - 3
        rows = e.node("Reshape", e.value(x), e.ints(*[0] * lead, -1))
        y = e.node("MatMul", rows, e.node("Transpose", e.weights(self, "kernel", (outputs, self.kernel.size // max(outputs, 1)), x.code), perm=[1, 0]))
        bias = e.weights(self, "bias", (outputs,), x.code)
        return [e.node("Reshape", e.node("Add", y, bias) if bias else y, e.ints(*[0] * lead, outputs, 1, 1))]


class IPoolingLayer(_Windows):
    """The largest or the mean of windows, or a blend of both."""

    layer_type, title = LayerType.POOLING, "Pooling"
    pooling_type = Param("MAX, AVERAGE, or MAX_AVERAGE_BLEND.", PoolingType.MAX)
    window_size_nd = Param("Extents of the window.", None, Dims)
    blend_factor = Param("The share of the mean in a blend.", 0.0, float)
    average_count_excludes_padding = Param("Are zeros of the padding left out of the mean's count?", True, bool)
    window_size, type = Alias("window_size_nd"), Alias("pooling_type")

    def emit(self, e: Emitter) -> List[str]:
        window = list(self.window_size_nd or ())
        x = e.value(self.given(0))
        told = {"kernel_shape": window, "strides": self._strides(len(window)), **self._given_pads(len(window)), "ceil_mode": int(self.padding_mode == PaddingMode.EXPLICIT_ROUND_UP)}
        mean = e.node("AveragePool", x, count_include_pad=int(not self.average_count_excludes_padding), **told) if self.pooling_type != PoolingType.MAX else ""
        if self.pooling_type == PoolingType.AVERAGE:
            return [mean]
        largest = e.node("MaxPool", x, **told)
        if self.pooling_type == PoolingType.MAX:
            return [largest]
        blend = [e.node("Mul", y, e.like(self.given(0), share)) for y, share in ((mean, self.blend_factor), (largest, 1 - self.blend_factor))]
        return [e.node("Add", *blend)]


_PLAIN_ACTIVATIONS = {"RELU": "Relu", "SIGMOID": "Sigmoid", "TANH": "Tanh", "SOFTSIGN": "Softsign", "GELU_ERF": "Gelu"}


class IActivationLayer(ILayer):
    """An elementwise function. alpha and beta of those that have them must be set."""

    layer_type, title = LayerType.ACTIVATION, "Activation"
    activation_type = Param("Which function.", ActivationType.RELU)
    alpha = Param("Of LEAKY_RELU, ELU, SELU, SOFTPLUS, CLIP (least), HARD_SIGMOID, SCALED_TANH, THRESHOLDED_RELU.", None, float)
    beta = Param("Of SELU, SOFTPLUS, CLIP (most), HARD_SIGMOID, SCALED_TANH.", None, float)
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
    window_size = Param("Channels of a window.", 5, int)
    alpha = Param("Of the sum of squares, divided by the window.", 1e-4, float)
    beta = Param("The exponent.", 0.75, float)
    k = Param("Added to the sum.", 1.0, float)

    def emit(self, e: Emitter) -> List[str]:
        return [e.node("LRN", e.value(self.given(0)), size=self.window_size, alpha=self.alpha, beta=self.beta, bias=self.k)]


class IScaleLayer(ILayer):
    """(x · scale + shift) ^ power, of the whole, per channel or per element."""

    layer_type, title = LayerType.SCALE, "Scale"
    mode = Param("UNIFORM, CHANNEL or ELEMENTWISE.", ScaleMode.UNIFORM)
    scale = Param("Empty: 1.", None, as_weights)
    shift = Param("Empty: 0.", None, as_weights)
    power = Param("Empty: 1.", None, as_weights)
    channel_axis = Param("Of CHANNEL.", 1, int)

    def roles(self) -> Dict[str, str]:
        return {"SCALE": "scale", "SHIFT": "shift"}

    def emit(self, e: Emitter) -> List[str]:
        x, y = self.given(0), e.value(self.given(0))
        for role, op in (("scale", "Mul"), ("shift", "Add"), ("power", "Pow")):
            told = getattr(self, role)
            if told is None or not told.size:
                continue
            if self.mode == ScaleMode.CHANNEL:
                shape: Sequence[int] = [told.size if i == self.channel_axis else 1 for i in range(x.rank)]
            elif self.mode == ScaleMode.UNIFORM:
                shape = ()
            else:
                # All dims but the batch, or all of them.
                extents = x.shape
                shape = extents if int(np.prod(extents)) == told.size else extents[1:]
            y = e.node(op, y, e.weights(self, role, shape, x.code))
        return [y if y != e.value(x) else e.node("Identity", y)]


class ISoftMaxLayer(ILayer):
    """Softmax over one axis."""

    layer_type, title = LayerType.SOFTMAX, "Softmax"
    axes = Param("One bit: the axis; None: the third from the end, or 0.", None, int)

    def emit(self, e: Emitter) -> List[str]:
        x = self.given(0)
        return [e.node("Softmax", e.value(x), axis=max(x.rank - 3, 0) if self.axes is None else self.one_axis(self.axes))]


class IRaggedSoftMaxLayer(ILayer):
    """Softmax over the last axis, of the first `bounds` elements of each row; the others give 0."""

    layer_type, title = LayerType.RAGGED_SOFTMAX, "Ragged Softmax"

    def emit(self, e: Emitter) -> List[str]:
        x = self.given(0)
        t = e.value(x)
        length = e.node("Gather", e.node("Shape", t), e.const(x.rank - 1, np.int64))
        inside = e.node("Less", e.node("Range", e.const(0, np.int64), length, e.const(1, np.int64)), e.as_int64(self.given(1)))
        y = e.node("Softmax", e.node("Where", inside, t, e.like(x, -np.inf)), axis=-1)
        return [e.node("Where", inside, y, e.like(x, 0.0))]


class IConcatenationLayer(ILayer):
    """Tensors one behind the other."""

    layer_type, title = LayerType.CONCATENATION, "Concatenation"
    axis = Param("Along which; None: the third from the end, or 0.", None, int)

    def emit(self, e: Emitter) -> List[str]:
        return [e.node("Concat", *[e.value(self.given(i)) for i in range(len(self.inputs))], axis=max(self.given(0).rank - 3, 0) if self.axis is None else self.axis)]


_ELEMENTWISE = {"SUM": "Add", "PROD": "Mul", "MAX": "Max", "MIN": "Min", "SUB": "Sub", "DIV": "Div", "POW": "Pow", "FLOOR_DIV": "Div", "AND": "And", "OR": "Or", "XOR": "Xor", "EQUAL": "Equal",
                "GREATER": "Greater", "LESS": "Less"}  # fmt: skip


class IElementWiseLayer(ILayer):
    """A function of two tensors of one rank; extents of 1 are repeated."""

    layer_type, title = LayerType.ELEMENTWISE, "ElementWise"
    op = Param("Which function.", ElementWiseOperation.SUM)

    def rank_of(self, index: int) -> int:
        return max(self.given(0).rank, self.given(1).rank)

    def code_of(self, index: int) -> int:
        return BOOL if self.op.name in ("EQUAL", "GREATER", "LESS") else max(self.given(0).code, self.given(1).code) if {self.given(0).code, self.given(1).code} == {I32, I64} else self.given(0).code

    def emit(self, e: Emitter) -> List[str]:
        a, b = self.given(0), self.given(1)
        mixed = {a.code, b.code} == {I32, I64}
        x, y = (e.as_int64(a), e.as_int64(b)) if mixed else (e.value(a), e.value(b))
        out = e.node(_ELEMENTWISE[self.op.name], x, y)
        if self.op == ElementWiseOperation.FLOOR_DIV:
            if a.code not in (I32, I64):
                return [e.node("Floor", out)]
            # Quotients of integers are cut towards 0: one less where a rest is left and the signs differ.
            code, zero = (I64 if mixed else a.code), e.const(0, np.int64 if mixed or a.code == I64 else np.int32)
            rest = e.node("Sub", x, e.node("Mul", out, y))
            wrong = e.node("And", e.node("Not", e.node("Equal", rest, zero)), e.node("Xor", e.node("Less", rest, zero), e.node("Less", y, zero)))
            return [e.node("Sub", out, e.cast(wrong, code))]
        return [out]


_UNARY = {"RECIP": "Reciprocal", "ISINF": "IsInf", "ISNAN": "IsNaN"}


class IUnaryLayer(ILayer):
    """A function of one tensor."""

    layer_type, title = LayerType.UNARY, "Unary"
    op = Param("Which function.", UnaryOperation.EXP)

    def code_of(self, index: int) -> int:
        return BOOL if self.op.name in ("ISINF", "ISNAN", "NOT") else self.given(0).code

    def emit(self, e: Emitter) -> List[str]:
        return [e.node(_UNARY.get(self.op.name, self.op.name.capitalize()), e.value(self.given(0)))]


class IPaddingLayer(ILayer):
    """Zeros around the two last dims; negative ones crop."""

    layer_type, title = LayerType.PADDING, "Padding"
    pre_padding_nd = Param("Before, two extents.", Dims((0, 0)), Dims)
    post_padding_nd = Param("After, two extents.", Dims((0, 0)), Dims)
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
    first_transpose = Param("Order of dims before the reshape; None: as they are.", None, tuple)
    reshape_dims = Param("Extents: -1 for what is left, 0 for the input's of that place; None: as they are.", None, Dims)
    second_transpose = Param("Order of dims after it; None: as they are.", None, tuple)
    zero_is_placeholder = Param("Does 0 mean the input's extent (else 0)?", True, bool)

    def rank_of(self, index: int) -> int:
        if len(self.inputs) > 1 and self.inputs[1] is not None:
            count = self.inputs[1].shape
            if len(count) != 1 or count[0] < 0:
                raise self.fail("how many extents input 1 has must be known")
            return count[0]
        return self.given(0).rank if self.reshape_dims is None else len(self.reshape_dims)

    def emit(self, e: Emitter) -> List[str]:
        y = e.value(self.given(0))
        if self.first_transpose is not None:
            y = e.node("Transpose", y, perm=list(self.first_transpose)[: self.given(0).rank])
        dims = e.as_int64(self.inputs[1]) if len(self.inputs) > 1 and self.inputs[1] is not None else e.ints(*self.reshape_dims) if self.reshape_dims is not None else ""
        if dims:
            y = e.node("Reshape", y, dims, allowzero=int(not self.zero_is_placeholder))
        if self.second_transpose is not None:
            y = e.node("Transpose", y, perm=list(self.second_transpose)[: self.rank_of(0)])
        return [y if y != e.value(self.given(0)) else e.node("Identity", y)]


class _Axes(ILayer):
    step = 0

    def rank_of(self, index: int) -> int:
        count = self.given(1).shape
        return self.given(0).rank + self.step * (count[0] if count else 1)

    def emit(self, e: Emitter) -> List[str]:
        axes = e.as_int64(self.given(1))
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
    start = Param("The first element, one a dim (or one an axis).", None, Dims)
    shape = Param("Extents of the output.", None, Dims)
    stride = Param("Steps; 0 repeats an element.", None, Dims)
    mode = Param("What stands outside: STRICT_BOUNDS (nothing may), WRAP, CLAMP, FILL, REFLECT.", SampleMode.STRICT_BOUNDS)
    axes = Param("Which dims; None: all of them.", None, Dims)

    def _number(self, index: int, told: Optional[Dims]) -> Any:
        """A tensor, or a tuple of numbers."""
        tensor = self.inputs[index] if index < len(self.inputs) else None
        if tensor is None and told is None:
            raise self.fail(f"{('', 'start', 'shape', 'stride')[index]} is missing")
        return tensor if tensor is not None else tuple(told or ())

    def emit(self, e: Emitter) -> List[str]:
        x = self.given(0)
        if len(self.inputs) > 5 and self.inputs[5] is not None:
            raise self.fail("axes as a tensor are not built: set layer.axes")
        axes = list(self.axes) if self.axes is not None else list(range(x.rank))
        start, shape, stride = self._number(1, self.start), self._number(2, self.shape), self._number(3, self.stride)
        for told, what in ((start, "start"), (shape, "shape"), (stride, "stride")):
            if isinstance(told, tuple) and len(told) != len(axes):
                raise self.fail(f"{what} has {len(told)} extents for {len(axes)} axes")
        plain = self.mode == SampleMode.STRICT_BOUNDS and isinstance(stride, tuple) and all(s > 0 for s in stride)
        if plain and isinstance(start, tuple) and isinstance(shape, tuple):
            for axis, s, n, d, extent in zip(axes, start, shape, stride, [x.shape[a] for a in axes]):
                if s < 0 or n < 0 or (n and 0 <= extent <= s + (n - 1) * d):
                    raise self.fail(f"start {s}, {n} elements, {d} apart, are not inside of dim {axis}, which has {extent}; layer.mode says what stands outside")
        if plain:
            first = e.ints(*start) if isinstance(start, tuple) else e.as_int64(start)
            if isinstance(start, tuple) and isinstance(shape, tuple):
                end = e.ints(*[s + n * d for s, n, d in zip(start, shape, stride)])
            else:
                count = e.ints(*shape) if isinstance(shape, tuple) else e.as_int64(shape)
                end = e.node("Add", first, e.node("Mul", count, e.ints(*stride)))
            return [e.node("Slice", e.value(x), first, end, e.ints(*axes), e.ints(*stride))]
        y, inside = e.value(x), ""
        for at, axis in enumerate(axes):
            y, inside = self._gathered(e, y, inside, axis, *[self._at(e, told, at) for told in (start, shape, stride)])
        if self.mode == SampleMode.FILL:
            fill = e.value(self.inputs[4]) if len(self.inputs) > 4 and self.inputs[4] is not None else e.like(x, 0)
            y = e.node("Where", inside, y, fill)
        return [y]

    def _at(self, e: Emitter, told: Any, at: int) -> str:
        return e.const(told[at], np.int64) if isinstance(told, tuple) else e.node("Gather", e.as_int64(told), e.const(at, np.int64))

    def _gathered(self, e: Emitter, y: str, inside: str, axis: int, start: str, count: str, stride: str) -> List[str]:
        """Along one axis: elements by their numbers."""
        zero, one = e.const(0, np.int64), e.const(1, np.int64)
        at = e.node("Add", start, e.node("Mul", stride, e.node("Range", zero, count, one)))
        extent = e.node("Gather", e.node("Shape", y), e.const(axis, np.int64))
        last = e.node("Sub", extent, one)
        if self.mode == SampleMode.WRAP:
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
    op = Param("SUM, PROD, MAX, MIN or AVG.", ReduceOperation.SUM)
    axes = Param("A bit an axis.", 0, int)
    keep_dims = Param("Do reduced axes stay, with extent 1?", False, bool)

    def rank_of(self, index: int) -> int:
        return self.given(0).rank if self.keep_dims else self.given(0).rank - bin(self.axes).count("1")

    def emit(self, e: Emitter) -> List[str]:
        x = self.given(0)
        axes = [i for i in range(x.rank) if self.axes >> i & 1]
        if not axes or self.axes >> x.rank:
            raise self.fail(f"axes is {self.axes:#b}, for an input of {x.rank} dims")
        op = {"SUM": "ReduceSum", "PROD": "ReduceProd", "MAX": "ReduceMax", "MIN": "ReduceMin", "AVG": "ReduceMean"}[self.op.name]
        return [e.node(op, e.value(x), e.ints(*axes), keepdims=int(self.keep_dims))]


class ICumulativeLayer(ILayer):
    """Running sums along an axis, input 1."""

    layer_type, title = LayerType.CUMULATIVE, "Cumulative"
    op = Param("SUM.", CumulativeOperation.SUM)
    exclusive = Param("Without the element itself?", False, bool)
    reverse = Param("From the end?", False, bool)

    def emit(self, e: Emitter) -> List[str]:
        return [e.node("CumSum", e.value(self.given(0)), e.value(self.given(1)), exclusive=int(self.exclusive), reverse=int(self.reverse))]


class _Indices(ILayer):
    """Layers that give indices: INT32, but where INT64 is asked for."""

    indices_type = Param("Of indices.", None)

    def indices_code(self) -> int:
        return I32 if self.indices_type is None else code_of(self.indices_type)

    def indices(self, e: Emitter, name: str) -> str:
        return name if self.indices_code() == I64 else e.cast(name, self.indices_code())


class ITopKLayer(_Indices):
    """The k largest or least along an axis, and where they stand. Input 1 instead of k: a tensor."""

    layer_type, title, outputs_count = LayerType.TOPK, "TopK", 2
    op = Param("MAX or MIN.", TopKOperation.MAX)
    k = Param("How many.", 1, int)
    axes = Param("One bit: the axis.", 1, int)

    def code_of(self, index: int) -> int:
        return self.given(0).code if index == 0 else self.indices_code()

    def emit(self, e: Emitter) -> List[str]:
        k = e.node("Reshape", e.as_int64(self.inputs[1]), e.ints(1)) if len(self.inputs) > 1 and self.inputs[1] is not None else e.ints(self.k)
        values, indices = e.node("TopK", e.value(self.given(0)), k, outs=2, axis=self.one_axis(self.axes), largest=int(self.op == TopKOperation.MAX))
        return [values, self.indices(e, indices)]


class IGatherLayer(ILayer):
    """Elements by their indices: whole slices along an axis (DEFAULT), single ones (ELEMENT), or by tuples of indices (ND)."""

    layer_type, title = LayerType.GATHER, "Gather"
    axis = Param("Of DEFAULT and ELEMENT.", 0, int)
    num_elementwise_dims = Param("Leading dims that data and indices share.", 0, int)
    mode = Param("DEFAULT, ELEMENT or ND.", GatherMode.DEFAULT)

    def rank_of(self, index: int) -> int:
        data, indices, shared = self.given(0).rank, self.given(1).rank, self.num_elementwise_dims
        if self.mode == GatherMode.ELEMENT:
            return indices
        if self.mode == GatherMode.DEFAULT:
            return data + indices - 1 - shared
        last = self.given(1).shape[-1]
        if last < 0:
            raise self.fail("the last extent of the indices must be known")
        return data + indices - 1 - last - shared

    def emit(self, e: Emitter) -> List[str]:
        data, indices, shared = e.value(self.given(0)), e.value(self.given(1)), self.num_elementwise_dims
        if self.mode == GatherMode.ELEMENT:
            return [e.node("GatherElements", data, indices, axis=self.axis)]
        if self.mode == GatherMode.ND:
            return [e.node("GatherND", data, e.as_int64(self.given(1)), batch_dims=shared)]
        if not shared:
            return [e.node("Gather", data, indices, axis=self.axis)]
        # Slices by batch: the axis goes behind the shared dims and the indices' dims come back to where it was.
        rank, axis = self.given(0).rank, self.axis + (self.given(0).rank if self.axis < 0 else 0)
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
    axis = Param("Of ELEMENT.", 0, int)
    mode = Param("ELEMENT or ND.", ScatterMode.ELEMENT)

    def emit(self, e: Emitter) -> List[str]:
        data, updates = e.value(self.given(0)), e.value(self.given(2))
        if self.mode == ScatterMode.ND:
            return [e.node("ScatterND", data, e.as_int64(self.given(1)), updates)]
        return [e.node("ScatterElements", data, e.value(self.given(1)), updates, axis=self.axis)]


class IOneHotLayer(ILayer):
    """A dim of `depth`, with the second value at each index and the first elsewhere. Inputs: indices, values, depth."""

    layer_type, title = LayerType.ONE_HOT, "OneHot"
    axis = Param("Where the dim stands in the result.", -1, int)

    def rank_of(self, index: int) -> int:
        return self.given(0).rank + 1

    def code_of(self, index: int) -> int:
        return self.given(1).code

    def emit(self, e: Emitter) -> List[str]:
        return [e.node("OneHot", e.value(self.given(0)), e.value(self.given(2)), e.value(self.given(1)), axis=self.axis)]


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
    bounding_box_format = Param("CORNER_PAIRS (x1, y1, x2, y2) or CENTER_SIZES (x, y, width, height).", BoundingBoxFormat.CORNER_PAIRS)
    topk_box_limit = Param("Kept: all boxes are looked at.", 5000, int)

    def rank_of(self, index: int) -> int:
        return 2 if index == 0 else 0

    def code_of(self, index: int) -> int:
        return self.indices_code() if index == 0 else I32

    def emit(self, e: Emitter) -> List[str]:
        if self.given(0).rank != 3:
            raise self.fail("boxes [batch, n, classes, 4] of their own for each class are not built: run a layer a class")
        scalar = [e.node("Reshape", e.value(t), e.ints(1)) if t is not None else "" for t in (self.inputs[3:5] + [None, None])[:2]]
        most = e.node("Reshape", e.as_int64(self.given(2)), e.ints(1))
        scores = e.node("Transpose", e.value(self.given(1)), perm=[0, 2, 1])
        found = e.node("NonMaxSuppression", e.value(self.given(0)), scores, most, *scalar, center_point_box=int(self.bounding_box_format == BoundingBoxFormat.CENTER_SIZES))
        count = e.node("Gather", e.node("Shape", found), e.const(0, np.int64))
        return [self.indices(e, found), e.cast(count, I32)]


class IGridSampleLayer(ILayer):
    """Elements of images at the places of a grid."""

    layer_type, title = LayerType.GRID_SAMPLE, "GridSample"
    interpolation_mode = Param("NEAREST, LINEAR or CUBIC.", InterpolationMode.LINEAR)
    align_corners = Param("Do -1 and 1 mean the centres of the outermost elements?", False, bool)
    sample_mode = Param("Outside: FILL (0), CLAMP or REFLECT.", SampleMode.FILL)

    def emit(self, e: Emitter) -> List[str]:
        outside = {"FILL": "zeros", "CLAMP": "border", "REFLECT": "reflection"}.get(self.sample_mode.name)
        if outside is None:
            raise self.fail(f"sample_mode is FILL, CLAMP or REFLECT, not {self.sample_mode.name}")
        return [e.node("GridSample", e.value(self.given(0)), e.value(self.given(1)), mode=self.interpolation_mode.name.lower(), padding_mode=outside, align_corners=int(self.align_corners))]


class IResizeLayer(ILayer):
    """Another size: `shape`, `scales`, or input 1, a tensor of extents."""

    layer_type, title = LayerType.RESIZE, "Resize"
    shape = Param("Extents of the output.", None, Dims)
    scales = Param("Factors of the extents.", None, list)
    resize_mode = Param("NEAREST, LINEAR or CUBIC.", InterpolationMode.NEAREST)
    coordinate_transformation = Param("ASYMMETRIC, ALIGN_CORNERS or HALF_PIXEL.", ResizeCoordinateTransformation.ASYMMETRIC)
    selector_for_single_pixel = Param("Where an output extent of 1 is taken from: FORMULA or UPPER (the first).", ResizeSelector.FORMULA)
    nearest_rounding = Param("Of NEAREST.", ResizeRoundMode.FLOOR)
    exclude_outside = Param("Are taps outside left out?", False, bool)
    cubic_coeff = Param("Of CUBIC.", -0.75, float)
    interpolation_mode = Alias("resize_mode")

    def set_input(self, index: int, tensor: ITensor) -> None:
        """Input 1: extents of the output."""
        super().set_input(index, tensor)

    def emit(self, e: Emitter) -> List[str]:
        sizes, scales = "", ""
        if len(self.inputs) > 1 and self.inputs[1] is not None:
            sizes = e.as_int64(self.inputs[1])
        elif self.shape is not None:
            sizes = e.ints(*self.shape)
        elif self.scales is not None:
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
    op0 = Param("Of input 0: NONE, TRANSPOSE or VECTOR.", MatrixOperation.NONE)
    op1 = Param("Of input 1.", MatrixOperation.NONE)

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
            dots = max(self.given(i).rank - len(term.replace("...", "")) for i, term in enumerate(left.split(",")) if "..." in term)
        return len(right.replace("...", "")) + dots

    def emit(self, e: Emitter) -> List[str]:
        return [e.node("Einsum", *[e.value(self.given(i)) for i in range(len(self.inputs))], equation=self.equation)]


class IConstantLayer(ILayer):
    """Weights as a tensor."""

    layer_type, title = LayerType.CONSTANT, "Constant"
    constant = Param("The weights.", None, as_weights)
    weights = Alias("constant")
    shape = Param("Extents.", Dims(), Dims)

    def roles(self) -> Dict[str, str]:
        return {"CONSTANT": "constant"}

    def rank_of(self, index: int) -> int:
        return len(self.shape)

    def code_of(self, index: int) -> int:
        return code_of(self.constant.dtype)

    def emit(self, e: Emitter) -> List[str]:
        if self.constant.size != int(np.prod(self.shape, dtype=np.int64)):
            raise self.fail(f"{self.constant.size} weights do not fill the shape {tuple(self.shape)}")
        return [e.keep(self, "constant", self.shape)]


class IIdentityLayer(ILayer):
    """A copy; with an output type, a cast."""

    layer_type, title = LayerType.IDENTITY, "Identity"

    def code_of(self, index: int) -> int:
        return self.outputs[0]._wanted or self.given(0).code

    def emit(self, e: Emitter) -> List[str]:
        wanted = self.outputs[0]._wanted
        return [e.cast(e.value(self.given(0)), wanted) if wanted else e.node("Identity", e.value(self.given(0)))]


class ICastLayer(ILayer):
    """Another element type."""

    layer_type, title = LayerType.CAST, "Cast"
    to_type = Param("Which.", DataType.FLOAT)

    def code_of(self, index: int) -> int:
        return code_of(self.to_type)

    def emit(self, e: Emitter) -> List[str]:
        return [e.cast(e.value(self.given(0)), code_of(self.to_type))]


class IParametricReLULayer(ILayer):
    """x, or slope · x where x is negative; input 1: slopes."""

    layer_type, title = LayerType.PARAMETRIC_RELU, "Parametric ReLU"

    def emit(self, e: Emitter) -> List[str]:
        return [e.node("PRelu", e.value(self.given(0)), e.value(self.given(1)))]


class ISelectLayer(ILayer):
    """Elements of input 1 where input 0 is true, else of input 2."""

    layer_type, title = LayerType.SELECT, "Select"

    def rank_of(self, index: int) -> int:
        return max(self.given(i).rank for i in range(3))

    def code_of(self, index: int) -> int:
        return self.given(1).code

    def emit(self, e: Emitter) -> List[str]:
        return [e.node("Where", *[e.value(self.given(i)) for i in range(3)])]


class IFillLayer(ILayer):
    """A tensor of numbers: LINSPACE (alpha + i · beta, a beta a dim), RANDOM_UNIFORM (alpha to beta), RANDOM_NORMAL (mean alpha, deviation beta). Inputs instead of: 0
    shape, 1 alpha, 2 beta."""

    layer_type, title = LayerType.FILL, "Fill"
    shape = Param("Extents.", Dims(), Dims)
    operation = Param("What it is filled with.", FillOperation.LINSPACE)
    alpha = Param("Of the operation.", 0.0)
    beta = Param("Of the operation.", 1.0)
    to_type = Param("The element type.", DataType.FLOAT)

    def rank_of(self, index: int) -> int:
        if self.inputs and self.inputs[0] is not None:
            return self.inputs[0].shape[0]
        return len(self.shape)

    def code_of(self, index: int) -> int:
        given = next((t for t in self.inputs[1:3] if t is not None), None)
        return given.code if given is not None else code_of(self.to_type)

    def _scalar(self, e: Emitter, index: int, told: float) -> str:
        tensor = self.inputs[index] if index < len(self.inputs) else None
        return e.value(tensor) if tensor is not None else e.const(told, "int32" if self.code_of(0) == I32 else "int64" if self.code_of(0) == I64 else "float32")

    def emit(self, e: Emitter) -> List[str]:
        shape = e.as_int64(self.inputs[0]) if self.inputs and self.inputs[0] is not None else e.ints(*self.shape)
        code = self.code_of(0)
        alpha, beta = self._scalar(e, 1, self.alpha), self._scalar(e, 2, self.beta)
        number = code if code in (I32, I64) else F32
        if self.operation == FillOperation.LINSPACE:
            rank = self.rank_of(0)
            steps = self.inputs[2].rank if len(self.inputs) > 2 and self.inputs[2] is not None else 0
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
    batch_axis = Param("Of the sequences.", 1, int)
    sequence_axis = Param("Of their elements.", 0, int)

    def emit(self, e: Emitter) -> List[str]:
        return [e.node("ReverseSequence", e.value(self.given(0)), e.as_int64(self.given(1)), batch_axis=self.batch_axis, time_axis=self.sequence_axis)]


class INormalizationLayer(ILayer):
    """(x - mean) / sqrt(variance + epsilon) · scale + bias, over axes; with groups over the channels of each. Inputs: x, scale, bias, which broadcast."""

    layer_type, title = LayerType.NORMALIZATION, "Normalization"
    axes = Param("A bit an axis.", 0, int)
    epsilon = Param("Added to the variance.", 1e-5, float)
    num_groups = Param("Groups of channels.", 1, int)
    compute_precision = Param("Kept: sums are FLOAT here.", DataType.FLOAT)

    def emit(self, e: Emitter) -> List[str]:
        x = self.given(0)
        t, scale, bias = (e.value(self.given(i)) for i in range(3))
        axes = [i for i in range(x.rank) if self.axes >> i & 1]
        if not axes or self.axes >> x.rank:
            raise self.fail(f"axes is {self.axes:#b}, for an input of {x.rank} dims")
        if self.num_groups != 1:
            if axes != list(range(2, x.rank)):
                raise self.fail("groups want all axes behind the channels")
            ones, zeros = (e.node("Expand", e.like(x, v), e.node("Gather", e.node("Shape", t), e.ints(1))) for v in (1.0, 0.0))
            y = e.node("GroupNormalization", t, ones, zeros, epsilon=self.epsilon, num_groups=self.num_groups)
        elif axes == list(range(axes[0], x.rank)):
            y = e.node("LayerNormalization", t, e.like(x, 1.0), axis=axes[0], epsilon=self.epsilon)
        else:
            less = e.node("Sub", t, e.node("ReduceMean", t, e.ints(*axes)))
            variance = e.node("ReduceMean", e.node("Mul", less, less), e.ints(*axes))
            y = e.node("Div", less, e.node("Sqrt", e.node("Add", variance, e.like(x, self.epsilon))))
        return [e.node("Add", e.node("Mul", y, scale), bias)]


class _Quantizing(ILayer):
    axis = Param("Of scales per channel.", -1, int)
    to_type = Param("The output's element type.", None)
    block_shape = Param("Extents of blocks that share a scale; None: no blocks.", None, Dims)

    def _blocks(self) -> Dict[str, Any]:
        if self.block_shape is None:
            return {"axis": self.axis} if self.axis >= 0 else {}
        wide = [i for i, d in enumerate(self.block_shape) if d != 1]
        if len(wide) > 1:
            raise self.fail(f"blocks reach along one axis, not along {len(wide)}")
        axis = wide[0] if wide else 0
        return {"axis": axis, "block_size": self.block_shape[axis]}


class IQuantizeLayer(_Quantizing):
    """Rounds x / scale; input 1: scale, 2: zero point."""

    layer_type, title = LayerType.QUANTIZE, "Quantize"

    def code_of(self, index: int) -> int:
        return code_of(self.to_type) if self.to_type is not None else 3

    def emit(self, e: Emitter) -> List[str]:
        zero = e.value(self.inputs[2]) if len(self.inputs) > 2 and self.inputs[2] is not None else ""
        return [e.node("QuantizeLinear", e.value(self.given(0)), e.value(self.given(1)), zero, output_dtype=0 if zero else self.code_of(0), **self._blocks())]


class IDequantizeLayer(_Quantizing):
    """x · scale; input 1: scale, 2: zero point."""

    layer_type, title = LayerType.DEQUANTIZE, "Dequantize"

    def code_of(self, index: int) -> int:
        return code_of(self.to_type) if self.to_type is not None else self.given(1).code

    def emit(self, e: Emitter) -> List[str]:
        zero = e.value(self.inputs[2]) if len(self.inputs) > 2 and self.inputs[2] is not None else ""
        y = e.node("DequantizeLinear", e.value(self.given(0)), e.value(self.given(1)), zero, **self._blocks())
        return [y if self.code_of(0) == self.given(1).code else e.cast(y, self.code_of(0))]


class IRotaryEmbeddingLayer(ILayer):
    """Rotates pairs of each head's elements by their positions. Inputs: x [batch, heads, length, size], cosines, sines; 3: positions."""

    layer_type, title = LayerType.ROTARY_EMBEDDING, "RotaryEmbedding"
    interleaved = Param("Are pairs neighbours (else halves)?", False, bool)
    rotary_embedding_dim = Param("How many elements are rotated; 0: all.", 0, int)

    def emit(self, e: Emitter) -> List[str]:
        ids = e.as_int64(self.inputs[3]) if len(self.inputs) > 3 and self.inputs[3] is not None else ""
        return [e.node("RotaryEmbedding", *[e.value(self.given(i)) for i in range(3)], ids, interleaved=int(self.interleaved), rotary_embedding_dim=self.rotary_embedding_dim)]


class IKVCacheUpdateLayer(ILayer):
    """A cache [batch, heads, room, size] with new rows written from each sequence's index on. Inputs: cache, rows, indices."""

    layer_type, title = LayerType.KVCACHE_UPDATE, "KVCacheUpdate"
    cache_mode = Param("LINEAR.", KVCacheMode.LINEAR)

    def emit(self, e: Emitter) -> List[str]:
        return [e.node("TensorScatter", e.value(self.given(0)), e.value(self.given(1)), e.as_int64(self.given(2)), axis=-2)]


class _AttentionLayer(ILayer):
    layer_type, title = LayerType.ATTENTION_OUTPUT, "Attention"
    norm_op = Param("SOFTMAX or NONE.", NormalizationOp.SOFTMAX)
    causal = Param("May a row see only keys up to itself?", False, bool)

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
