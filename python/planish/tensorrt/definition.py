"""INetworkDefinition: a method a layer."""
from __future__ import annotations

from typing import Any, List, Optional, Sequence

from . import enums, layers
from .base import DataType, until
from .errors_of import missing
from .flow import IIfConditional, ILoop
from .network import Emitter, ILayer, ITensor, NetworkBase, Param


class IAssertionLayer(ILayer):
    """A condition that must hold. Nothing checks it here: the builder's log says so."""

    layer_type, title, outputs_count = enums.LayerType.ASSERTION, "Assertion", 0
    message = Param("What is wrong when it does not hold.", "", str)

    def emit(self, e: Emitter) -> List[str]:
        return []


class INetworkDefinition(NetworkBase):
    """A network, filled layer by layer or by an OnnxParser, or by a parser first and with layers behind. Shapes: -1 for dynamic extents."""

    # ---- windows ----

    def add_convolution_nd(self, input: ITensor, num_output_maps: int, kernel_shape: Sequence[int], kernel: Any, bias: Any = None) -> layers.IConvolutionLayer:
        """A convolution in as many dims as kernel_shape has. kernel: [maps, channels / groups, …]; empty: a tensor, by set_input(1, …)."""
        return self._add(layers.IConvolutionLayer(self, [input], num_output_maps=num_output_maps, kernel_size_nd=kernel_shape, kernel=kernel, bias=bias))

    def add_convolution(self, input: ITensor, num_output_maps: int, kernel_shape: Sequence[int], kernel: Any, bias: Any = None) -> layers.IConvolutionLayer:
        """The old name of add_convolution_nd, of 2 dims."""
        return self.add_convolution_nd(input, num_output_maps, layers._pair(kernel_shape), kernel, bias)

    def add_deconvolution_nd(self, input: ITensor, num_output_maps: int, kernel_shape: Sequence[int], kernel: Any, bias: Any = None) -> layers.IDeconvolutionLayer:
        """A transposed convolution. kernel: [channels, maps / groups, …]."""
        return self._add(layers.IDeconvolutionLayer(self, [input], num_output_maps=num_output_maps, kernel_size_nd=kernel_shape, kernel=kernel, bias=bias))

    def add_deconvolution(self, input: ITensor, num_output_maps: int, kernel_shape: Sequence[int], kernel: Any, bias: Any = None) -> layers.IDeconvolutionLayer:
        """The old name of add_deconvolution_nd, of 2 dims."""
        return self.add_deconvolution_nd(input, num_output_maps, layers._pair(kernel_shape), kernel, bias)

    def add_pooling_nd(self, input: ITensor, type: enums.PoolingType, window_size: Sequence[int]) -> layers.IPoolingLayer:  # type: ignore[valid-type]
        """The largest or the mean of windows."""
        return self._add(layers.IPoolingLayer(self, [input], pooling_type=type, window_size_nd=window_size))

    def add_pooling(self, input: ITensor, type: Any, window_size: Sequence[int]) -> layers.IPoolingLayer:
        """The old name of add_pooling_nd, of 2 dims."""
        return self.add_pooling_nd(input, type, layers._pair(window_size))

    def add_fully_connected(self, input: ITensor, num_outputs: int, kernel: Any, bias: Any = None) -> layers.IFullyConnectedLayer:
        """A product of weights [outputs, inputs] with the last three dims; of TensorRT 8."""
        return self._add(layers.IFullyConnectedLayer(self, [input], num_output_channels=num_outputs, kernel=kernel, bias=bias))

    # ---- elements ----

    def add_activation(self, input: ITensor, type: Any) -> layers.IActivationLayer:
        """An elementwise function; alpha and beta are set at the layer."""
        return self._add(layers.IActivationLayer(self, [input], activation_type=type))

    def add_lrn(self, input: ITensor, window: int, alpha: float, beta: float, k: float) -> layers.ILRNLayer:
        """Local response normalization."""
        return self._add(layers.ILRNLayer(self, [input], window_size=window, alpha=alpha, beta=beta, k=k))

    def add_scale(self, input: ITensor, mode: Any, shift: Any = None, scale: Any = None, power: Any = None) -> layers.IScaleLayer:
        """(x · scale + shift) ^ power; channels are the third dim from the end."""
        return self.add_scale_nd(input, mode, shift, scale, power, max(input.rank - 3, 0))

    def add_scale_nd(self, input: ITensor, mode: Any, shift: Any = None, scale: Any = None, power: Any = None, channel_axis: int = 1) -> layers.IScaleLayer:
        """(x · scale + shift) ^ power."""
        return self._add(layers.IScaleLayer(self, [input], mode=mode, shift=shift, scale=scale, power=power, channel_axis=channel_axis))

    def add_elementwise(self, input1: ITensor, input2: ITensor, op: Any) -> layers.IElementWiseLayer:
        """A function of two tensors of one rank."""
        return self._add(layers.IElementWiseLayer(self, [input1, input2], op=op))

    def add_unary(self, input: ITensor, op: Any) -> layers.IUnaryLayer:
        """A function of one tensor."""
        return self._add(layers.IUnaryLayer(self, [input], op=op))

    def add_parametric_relu(self, input: ITensor, slopes: ITensor) -> layers.IParametricReLULayer:
        """x, or slope · x where x is negative."""
        return self._add(layers.IParametricReLULayer(self, [input, slopes]))

    def add_select(self, condition: ITensor, then_input: ITensor, else_input: ITensor) -> layers.ISelectLayer:
        """Elements of one tensor or the other."""
        return self._add(layers.ISelectLayer(self, [condition, then_input, else_input]))

    def add_identity(self, input: ITensor) -> layers.IIdentityLayer:
        """A copy; with set_output_type a cast."""
        return self._add(layers.IIdentityLayer(self, [input]))

    def add_cast(self, input: ITensor, to_type: DataType) -> layers.ICastLayer:
        """Another element type."""
        return self._add(layers.ICastLayer(self, [input], to_type=to_type))

    def add_constant(self, shape: Sequence[int], weights: Any) -> layers.IConstantLayer:
        """Weights as a tensor."""
        return self._add(layers.IConstantLayer(self, [], shape=shape, constant=weights))

    def add_fill(self, shape: Sequence[int], op: Any, output_type: DataType = DataType.FLOAT) -> layers.IFillLayer:
        """A tensor of numbers; alpha and beta are set at the layer."""
        return self._add(layers.IFillLayer(self, [], shape=shape, operation=op, to_type=output_type))

    def add_quantize(self, input: ITensor, scale: ITensor, output_type: Optional[DataType] = None) -> layers.IQuantizeLayer:
        """Rounds input / scale to INT8, or another type."""
        return self._add(layers.IQuantizeLayer(self, [input, scale], to_type=output_type))

    def add_dequantize(self, input: ITensor, scale: ITensor, output_type: Optional[DataType] = None) -> layers.IDequantizeLayer:
        """input · scale."""
        return self._add(layers.IDequantizeLayer(self, [input, scale], to_type=output_type))

    # ---- rows ----

    def add_softmax(self, input: ITensor) -> layers.ISoftMaxLayer:
        """Softmax; the axis is set at the layer (axes)."""
        return self._add(layers.ISoftMaxLayer(self, [input]))

    def add_ragged_softmax(self, input: ITensor, bounds: ITensor) -> layers.IRaggedSoftMaxLayer:
        """Softmax of the first elements of each row."""
        return self._add(layers.IRaggedSoftMaxLayer(self, [input, bounds]))

    def add_reduce(self, input: ITensor, op: Any, axes: int, keep_dims: bool) -> layers.IReduceLayer:
        """Sums, products, extremes or means. axes: a bit an axis."""
        return self._add(layers.IReduceLayer(self, [input], op=op, axes=axes, keep_dims=keep_dims))

    def add_cumulative(self, input: ITensor, axis: ITensor, op: Any, exclusive: bool, reverse: bool) -> layers.ICumulativeLayer:
        """Running sums."""
        return self._add(layers.ICumulativeLayer(self, [input, axis], op=op, exclusive=exclusive, reverse=reverse))

    def add_topk(self, input: ITensor, op: Any, k: int, axes: int, indices_type: Optional[DataType] = None) -> layers.ITopKLayer:
        """The k largest or least along an axis."""
        return self._add(layers.ITopKLayer(self, [input], op=op, k=k, axes=axes, indices_type=indices_type))

    def add_normalization(self, input: ITensor, scale: ITensor, bias: ITensor, axesMask: int) -> layers.INormalizationLayer:
        """Layer, instance or group normalization; scale and bias broadcast, and are one a group or one a channel with groups."""
        return self._add(layers.INormalizationLayer(self, [input, scale, bias], axes=axesMask))

    def add_normalization_v2(self, input: ITensor, scale: ITensor, bias: ITensor, axesMask: int) -> layers.INormalizationLayer:
        """The same with scale and bias of one a channel, as ONNX has them since opset 21, also with groups. It is no RMS normalization, which add_reduce and add_elementwise make."""
        return self._add(layers.INormalizationLayer(self, [input, scale, bias], axes=axesMask, is_v2=True))

    # ---- shapes ----

    def add_concatenation(self, inputs: Sequence[ITensor]) -> layers.IConcatenationLayer:
        """Tensors one behind the other; the axis is set at the layer."""
        return self._add(layers.IConcatenationLayer(self, list(inputs)))

    def add_padding_nd(self, input: ITensor, pre_padding: Sequence[int], post_padding: Sequence[int]) -> layers.IPaddingLayer:
        """Zeros around the two last dims."""
        return self._add(layers.IPaddingLayer(self, [input], pre_padding_nd=pre_padding, post_padding_nd=post_padding))

    add_padding = add_padding_nd

    def add_shuffle(self, input: ITensor) -> layers.IShuffleLayer:
        """Transpose, reshape, transpose."""
        return self._add(layers.IShuffleLayer(self, [input]))

    def add_squeeze(self, input: ITensor, axes: ITensor) -> layers.ISqueezeLayer:
        """Takes dims of extent 1 out."""
        return self._add(layers.ISqueezeLayer(self, [input, axes]))

    def add_unsqueeze(self, input: ITensor, axes: ITensor) -> layers.IUnsqueezeLayer:
        """Puts dims of extent 1 in."""
        return self._add(layers.IUnsqueezeLayer(self, [input, axes]))

    def add_slice(self, input: ITensor, start: Sequence[int], shape: Sequence[int], stride: Sequence[int]) -> layers.ISliceLayer:
        """Elements from start on, stride apart."""
        return self._add(layers.ISliceLayer(self, [input], start=start, shape=shape, stride=stride))

    def add_shape(self, input: ITensor) -> layers.IShapeLayer:
        """The shape as a tensor."""
        return self._add(layers.IShapeLayer(self, [input]))

    def add_gather(self, input: ITensor, indices: ITensor, axis: int) -> layers.IGatherLayer:
        """Slices by their indices."""
        return self._add(layers.IGatherLayer(self, [input, indices], axis=axis))

    def add_gather_v2(self, input: ITensor, indices: ITensor, mode: Any) -> layers.IGatherLayer:
        """Slices or elements by their indices."""
        return self._add(layers.IGatherLayer(self, [input, indices], mode=mode))

    def add_scatter(self, data: ITensor, indices: ITensor, updates: ITensor, mode: Any) -> layers.IScatterLayer:
        """Replaces elements."""
        return self._add(layers.IScatterLayer(self, [data, indices, updates], mode=mode))

    def add_one_hot(self, indices: ITensor, values: ITensor, depth: ITensor, axis: int) -> layers.IOneHotLayer:
        """Indices as one value among others."""
        return self._add(layers.IOneHotLayer(self, [indices, values, depth], axis=axis))

    def add_non_zero(self, input: ITensor, indices_type: Optional[DataType] = None) -> layers.INonZeroLayer:
        """Indices of elements that are not 0."""
        return self._add(layers.INonZeroLayer(self, [input], indices_type=indices_type))

    def add_nms(self, boxes: ITensor, scores: ITensor, max_output_boxes_per_class: ITensor, indices_type: Optional[DataType] = None) -> layers.INMSLayer:
        """The best boxes that do not overlap."""
        return self._add(layers.INMSLayer(self, [boxes, scores, max_output_boxes_per_class], indices_type=indices_type))

    def add_grid_sample(self, input: ITensor, grid: ITensor) -> layers.IGridSampleLayer:
        """Elements at the places of a grid."""
        return self._add(layers.IGridSampleLayer(self, [input, grid]))

    def add_resize(self, input: ITensor) -> layers.IResizeLayer:
        """Another size, set at the layer."""
        return self._add(layers.IResizeLayer(self, [input]))

    def add_reverse_sequence(self, input: ITensor, sequence_lens: ITensor) -> layers.IReverseSequenceLayer:
        """The first elements of each sequence the other way round."""
        return self._add(layers.IReverseSequenceLayer(self, [input, sequence_lens]))

    # ---- products, attention ----

    def add_matrix_multiply(self, input0: ITensor, op0: Any, input1: ITensor, op1: Any) -> layers.IMatrixMultiplyLayer:
        """A product of matrices or vectors."""
        return self._add(layers.IMatrixMultiplyLayer(self, [input0, input1], op0=op0, op1=op1))

    def add_einsum(self, inputs: Sequence[ITensor], equation: str) -> layers.IEinsumLayer:
        """A sum of products."""
        return self._add(layers.IEinsumLayer(self, list(inputs), equation=equation))

    def add_attention(self, query: ITensor, key: ITensor, value: ITensor, norm_op: Any, causal: bool) -> layers.IAttention:
        """softmax(query · keyᵀ) · value, by heads; a mask is set at what is returned. It always builds, fused or not."""
        return layers.IAttention(self._add(layers._AttentionLayer(self, [query, key, value], norm_op=norm_op, causal=causal)))

    add_attention_v2 = add_attention

    def add_rotary_embedding(self, input: ITensor, cos_cache: ITensor, sin_cache: ITensor, interleaved: bool, rotary_embedding_dim: int) -> layers.IRotaryEmbeddingLayer:
        """Rotates elements by their positions."""
        return self._add(layers.IRotaryEmbeddingLayer(self, [input, cos_cache, sin_cache], interleaved=interleaved, rotary_embedding_dim=rotary_embedding_dim))

    def add_kv_cache_update(self, cache: ITensor, update: ITensor, write_indices: ITensor, cache_mode: Any) -> layers.IKVCacheUpdateLayer:
        """Writes rows into a cache."""
        return self._add(layers.IKVCacheUpdateLayer(self, [cache, update, write_indices], cache_mode=cache_mode))

    # ---- control flow ----

    def add_loop(self) -> ILoop:
        """A loop, filled by its own methods."""
        return ILoop(self)

    def add_if_conditional(self) -> IIfConditional:
        """An if, filled by its own methods."""
        return IIfConditional(self)

    def add_assertion(self, condition: ITensor, message: str) -> IAssertionLayer:
        """Nothing checks it: the log says so."""
        self.logger.log(self.logger.WARNING, f"assertions are not checked: '{message}'")
        return self._add(IAssertionLayer(self, [condition], message=message))

    # ---- plugins ----

    def add_plugin_v2(self, inputs: Sequence[ITensor], plugin: Any) -> ILayer:
        """A plugin of the user's (IPluginV2DynamicExt)."""
        from .plugins import IPluginV2Layer

        return self._add(IPluginV2Layer(self, list(inputs), plugin=plugin))

    def add_plugin_v3(self, inputs: Sequence[ITensor], shape_inputs: Sequence[ITensor], plugin: Any) -> ILayer:
        """A plugin of the user's (IPluginV3). Shape inputs come behind the others."""
        from .plugins import IPluginV3Layer

        return self._add(IPluginV3Layer(self, [*inputs, *shape_inputs], plugin=plugin, shape_inputs=len(shape_inputs)))

    # ---- what is not built ----

    add_dynamic_quantize = missing("INetworkDefinition.add_dynamic_quantize", "write the scales with add_reduce and add_elementwise, then add_quantize")
    add_moe = missing("INetworkDefinition.add_moe", "write the experts with add_topk, add_gather and add_matrix_multiply")
    add_dist_collective = missing("INetworkDefinition.add_dist_collective", "an engine runs on one GPU: run one a process and let NCCL move the tensors")
    add_rnn_v2 = missing("INetworkDefinition.add_rnn_v2", "use add_loop, as TensorRT 10 does, or ONNX's LSTM, GRU and RNN through the parser")


until(INetworkDefinition, 8, "add_fully_connected add_rnn_v2 add_convolution add_deconvolution add_pooling add_padding", "use add_matrix_multiply, add_loop, and the names with _nd")
