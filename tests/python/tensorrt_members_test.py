"""Members of TensorRT's classes that programs read, set or call beside the main way."""
import inspect
import json
import unittest

import numpy as np
from onnx import TensorProto, helper, numpy_helper

import models
import planish
import planish.tensorrt as trt
from network_test import LOGGER, close, draw, first, inputs_of, new, run
from tensorrt_test import build as built


def engine_of(model=None, generation=8, profile=True):
    trt.set_generation(generation)
    try:
        return trt.Runtime(LOGGER).deserialize_cuda_engine(built(model or models.linear()[0], LOGGER, profile=profile))
    finally:
        trt.set_generation(8)


def kept(test, thing, **values):
    """Values that are taken and given back."""
    for name, value in values.items():
        setattr(thing, name, value)
        test.assertEqual(getattr(thing, name), value, name)


class Members(unittest.TestCase):
    def test_module(self):
        self.assertTrue(trt.__version__.startswith("8"))
        self.assertTrue(trt.init_libnvinfer_plugins(LOGGER, ""))
        self.assertIs(trt.get_plugin_registry(), trt.get_builder_plugin_registry(trt.EngineCapability.STANDARD))
        self.assertEqual((trt.get_nv_onnx_parser_version(), trt.volume((2, 3)), trt.nptype(trt.float16)), (8601, 6, np.float16))
        versions = {}
        for generation in (10, 11):
            trt.set_generation(generation)
            versions[trt.__version__] = trt.get_nv_onnx_parser_version()
        trt.set_generation(8)
        self.assertEqual(versions, {"10.13.0": 101300, "11.1.0": 110100})
        types = [trt.float32, trt.float16, trt.bfloat16, trt.int8, trt.int32, trt.int64, trt.bool, trt.uint8, trt.fp8, trt.int4, trt.fp4, trt.e8m0]
        self.assertEqual([t.itemsize for t in types], [4, 2, 2, 1, 4, 8, 1, 1, 1, 0.5, 0.5, 1])
        self.assertEqual(trt.DataType.HALF.itemsize, 2)
        with self.assertRaises(TypeError):
            trt.nptype(trt.bfloat16)
        self.assertEqual((trt.Dims((2, 3)).numel(), trt.Dims.MAX_DIMS, trt.Dims([1]).MAX_DIMS, tuple(trt.Permutation([1, 0]))), (6, 8, 8, (1, 0)))
        self.assertEqual((trt.Dims2(2, 3), trt.Dims3((1, 2, 3)), trt.Dims4(1, 2, 3, 4).numel(), trt.DimsHW(5, 6).h, trt.DimsHW((5, 6)).w), ((2, 3), (1, 2, 3), 24, 5, 6))
        held = np.array([1, 2, 3], np.float32)
        there, none = trt.Weights(trt.float32, held.ctypes.data, 3), trt.Weights(trt.float16)
        self.assertEqual((there.numpy().tolist(), none.size, none.dtype, trt.Weights().size), ([1, 2, 3], 0, trt.float16, 0))
        with self.assertRaisesRegex(TypeError, "astype"):
            trt.Weights(np.zeros(2))
        w = trt.Weights(np.arange(3, dtype=np.float16))
        self.assertEqual((w.size, w.nbytes, w.dtype, w.numpy().tolist()), (3, 6, trt.float16, [0, 1, 2]))

    def test_names(self):
        """Names of some versions, bases of others."""
        self.assertIs(trt.ErrorCodeTRT, trt.ErrorCode)
        self.assertIs(trt.PluginFieldCollection_, trt.PluginFieldCollection)
        self.assertEqual((trt.PaddingMode.CAFFE_ROUND_DOWN, trt.PaddingMode.CAFFE_ROUND_UP), (trt.PaddingMode.EXPLICIT_ROUND_DOWN, trt.PaddingMode.EXPLICIT_ROUND_UP))
        self.assertEqual((int(trt.AllocatorFlag.RESIZABLE), [int(s) for s in trt.SeekPosition]), (0, [0, 1, 2]))
        self.assertTrue(issubclass(trt.IPluginV2DynamicExt, trt.IPluginV2Ext) and issubclass(trt.IPluginV2Ext, trt.IPluginV2))
        self.assertTrue(issubclass(trt.ITripLimitLayer, trt.ILoopBoundaryLayer) and issubclass(trt.IConditionLayer, trt.IIfConditionalBoundaryLayer))
        self.assertFalse(issubclass(trt.IConditionLayer, trt.ILoopBoundaryLayer))
        with self.assertRaisesRegex(planish.Unsupported, "IPluginV2DynamicExt"):
            network = new()[1]
            network.add_plugin_v2(inputs_of(network, {"x": draw(2)}), trt.IPluginV2())
        for name in trt.__all__:
            getattr(trt, name)

    def test_logger(self):
        logger = trt.Logger(trt.Logger.INFO)
        self.assertEqual((logger.min_severity, logger.ERROR, logger.Severity.WARNING, logger.VERBOSE > logger.INFO > logger.INTERNAL_ERROR), (trt.Logger.INFO, trt.Logger.ERROR, logger.WARNING, True))
        logger.min_severity = trt.Logger.INTERNAL_ERROR
        logger.log(trt.Logger.ERROR, "not shown")
        with self.assertRaises(NotImplementedError):
            trt.ILogger().log(trt.Logger.ERROR, "")
        recorder = trt.IErrorRecorder()
        recorder.report_error(trt.ErrorCode.INVALID_STATE, "odd")
        self.assertEqual((recorder.num_errors(), recorder.get_error_code(0), recorder.get_error_desc(0), recorder.has_overflowed()), (1, trt.ErrorCode.INVALID_STATE, "odd", False))
        recorder.clear()
        self.assertEqual(recorder.num_errors(), 0)

    def test_builder(self):
        builder, network = new()
        self.assertIs(builder.logger, LOGGER)
        self.assertIs(builder.get_plugin_registry(), trt.get_plugin_registry())
        self.assertFalse(builder.is_network_supported(network, builder.create_builder_config()))
        kept(self, builder, max_threads=2, gpu_allocator=trt.IGpuAllocator(), error_recorder=trt.IErrorRecorder(), max_batch_size=4)
        self.assertEqual((builder.num_DLA_cores, builder.max_DLA_batch_size, builder.platform_has_fast_fp16, builder.platform_has_fast_int8, builder.platform_has_tf32), (0, 0, True, True, True))
        self.assertIsNone(builder.build_engine(network, builder.create_builder_config()))
        self.assertEqual(builder.error_recorder.num_errors(), 1)
        builder.reset()
        self.assertTrue(trt.OnnxParser(network, LOGGER).parse(models.linear()[0].SerializeToString()))
        self.assertTrue(builder.is_network_supported(network, builder.create_builder_config()))

        class Writer(trt.IStreamWriter):
            def write(self, data):
                self.data = data
                return len(data)

        class Reader(trt.IStreamReader):
            def __init__(self, data):
                super().__init__()
                self.data, self.at = data, 0

            def read(self, size):
                self.at += size
                return self.data[self.at - size : self.at]

        class ReaderV2(trt.IStreamReaderV2):
            def __init__(self, data):
                super().__init__()
                self.data = data

            def read(self, num_bytes, stream):
                out, self.data = self.data[:num_bytes], self.data[num_bytes:]
                return out

        writer = Writer()
        self.assertTrue(builder.build_serialized_network_to_stream(network, builder.create_builder_config(), writer))
        for reader in (Reader(writer.data), ReaderV2(writer.data)):
            self.assertEqual(trt.Runtime(LOGGER).deserialize_cuda_engine(reader).num_io_tensors, 2)
        self.assertFalse(ReaderV2(b"").seek(0, 0))
        host = builder.build_serialized_network(network, builder.create_builder_config())
        self.assertEqual((host.nbytes, host.dtype, bytes(memoryview(host)[:4])), (len(writer.data), trt.uint8, writer.data[:4]))

    def test_config(self):
        config = new()[0].create_builder_config()
        kept(self, config, builder_optimization_level=1, max_num_tactics=4, avg_timing_iterations=3, min_timing_iterations=2, profiling_verbosity=trt.ProfilingVerbosity.DETAILED,
             hardware_compatibility_level=trt.HardwareCompatibilityLevel.AMPERE_PLUS, runtime_platform=trt.RuntimePlatform.SAME_AS_BUILD, max_aux_streams=0, progress_monitor=trt.IProgressMonitor(),
             plugins_to_serialize=["a"], tiling_optimization_level=trt.TilingOptimizationLevel.FAST, l2_limit_for_tiling=7, engine_capability=trt.EngineCapability.STANDARD,
             default_device_type=trt.DeviceType.GPU, DLA_core=-1, profile_stream=3, remote_auto_tuning_config="ssh://", build_route="-a=1", max_workspace_size=1 << 20,
             int8_calibrator=trt.IInt8EntropyCalibrator2(), algorithm_selector=trt.IAlgorithmSelector(), flags=1 << int(trt.BuilderFlag.TF32))  # fmt: skip
        self.assertEqual((config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE), config.all_build_routes), (1 << 20, ""))
        config.set_flag(trt.BuilderFlag.FP16)
        config.clear_flag(trt.BuilderFlag.TF32)
        self.assertEqual((config.get_flag(trt.BuilderFlag.FP16), config.flags), (True, 1))
        config.set_memory_pool_limit(trt.MemoryPoolType.TACTIC_DRAM, 5)
        self.assertEqual(config.get_memory_pool_limit(trt.MemoryPoolType.TACTIC_DRAM), 5)
        self.assertTrue(config.set_tactic_sources(1 << int(trt.TacticSource.CUBLAS)) and config.get_tactic_sources() == 1)
        config.set_preview_feature(trt.PreviewFeature.PROFILE_SHARING_0806, True)
        self.assertTrue(config.get_preview_feature(trt.PreviewFeature.PROFILE_SHARING_0806))
        config.set_quantization_flag(trt.QuantizationFlag.CALIBRATE_BEFORE_FUSION)
        self.assertTrue(config.get_quantization_flag(trt.QuantizationFlag.CALIBRATE_BEFORE_FUSION) and config.quantization_flags == 1)
        config.clear_quantization_flag(trt.QuantizationFlag.CALIBRATE_BEFORE_FUSION)
        profile = new()[0].create_optimization_profile()
        self.assertTrue(config.set_calibration_profile(profile) and config.get_calibration_profile() is profile)
        self.assertEqual((config.add_optimization_profile(profile), config.num_optimization_profiles), (0, 1))
        layer = new()[1]
        config.set_device_type(layer, trt.DeviceType.GPU)
        self.assertEqual((config.get_device_type(layer), config.is_device_type_set(layer), config.can_run_on_DLA(layer), config.reset_device_type(layer)), (trt.DeviceType.GPU, False, False, None))
        with self.assertRaises(planish.Unsupported):
            config.set_device_type(layer, trt.DeviceType.DLA)
        cache = config.create_timing_cache(b"")
        self.assertTrue(config.set_timing_cache(cache, False) and config.get_timing_cache() is cache and cache.combine(config.create_timing_cache(b""), False))
        for call in (cache.queryKeys, lambda: cache.query(1), lambda: cache.update(1, 2)):
            with self.assertRaises(planish.Unsupported):
                call()
        profile.set_shape_input("n", (1,), (2,), (3,))
        profile.extra_memory_target = 0.5
        self.assertEqual((profile.get_shape_input("n"), profile.extra_memory_target, profile.get_shape("x")), ([(1,), (2,), (3,)], 0.5, []))
        config.reset()
        self.assertEqual((config.num_optimization_profiles, config.builder_optimization_level), (0, 3))

    def test_timing_cache(self):
        builder, network = new()
        x = network.add_input("x", trt.float32, (1, 64))
        y = first(network.add_matrix_multiply(x, trt.MatrixOperation.NONE, first(network.add_constant((64, 96), draw(64, 96))), trt.MatrixOperation.NONE))
        network.mark_output(y)
        config = builder.create_builder_config()
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, True)
        plan = builder.build_serialized_network(network, config)
        kept_bytes = bytes(cache.serialize())
        again = builder.create_builder_config()
        again.set_timing_cache(again.create_timing_cache(kept_bytes), True)
        self.assertEqual(bytes(builder.build_serialized_network(network, again)), bytes(plan))
        self.assertEqual(again.get_timing_cache().serialize(), kept_bytes)
        self.assertTrue(cache.reset() and not cache.serialize())

    def test_network(self):
        builder, network = new()
        self.assertEqual((network.get_flag(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH), network.flags, network.has_implicit_batch_dimension), (True, 1, False))
        self.assertIs(network.builder, builder)
        kept(self, network, name="n", error_recorder=trt.IErrorRecorder())
        x = network.add_input("x", trt.float32, (2,))
        kept(self, x, name="in", location=trt.TensorLocation.HOST, allowed_formats=3, dtype=trt.float16, broadcast_across_batch=True)
        x.shape = (3,)
        self.assertEqual((tuple(x.shape), x.is_shape_tensor, x.is_execution_tensor), ((3,), False, True))
        self.assertTrue(x.set_dynamic_range(-1, 1) and x.dynamic_range == (-1, 1))
        x.reset_dynamic_range()
        self.assertIsNone(x.dynamic_range)
        layer = network.add_unary(x, trt.UnaryOperation.NEG)
        self.assertFalse(layer.precision_is_set)
        kept(self, layer, precision=trt.float32, num_ranks=1, op=trt.UnaryOperation.ABS)
        self.assertTrue(layer.precision_is_set)
        layer.reset_precision()
        layer.set_output_type(0, trt.float32)
        layer.reset_output_type(0)
        self.assertEqual((layer.precision_is_set, layer.output_type_is_set(0), layer.get_output_type(0)), (False, False, trt.float16))
        layer.set_input(0, network.add_input("other", trt.float32, (4,)))
        self.assertEqual(tuple(first(layer).shape), (4,))
        self.assertTrue(network.mark_output_for_shapes(first(layer)) and network.unmark_output_for_shapes(first(layer)) and network.num_outputs == 0)
        self.assertTrue(network.mark_weights_refittable("w") and network.are_weights_marked_refittable("w") and network.unmark_weights_refittable("w"))
        self.assertFalse(network.are_weights_marked_refittable("w"))
        c = network.add_input("c", trt.bool, ())
        check = network.add_assertion(c, "must hold")
        self.assertEqual((check.message, LOGGER.lines[-1][1]), ("must hold", "assertions are not checked: 'must hold'"))
        for add in (network.add_moe, network.add_dynamic_quantize, network.add_dist_collective, network.add_rnn_v2):
            with self.assertRaises(planish.Unsupported):
                add(x)

    def test_layer_parameters(self):
        """Each parameter is what was given, and takes another value."""
        _, n = new()
        x = n.add_input("x", trt.float32, (1, 4, 8, 8))
        i = n.add_input("i", trt.int32, (2,))
        p = n.add_input("p", trt.bool, ())
        w, nd = draw(4, 4, 3, 3), (2, 2)
        for layer in (n.add_convolution_nd(x, 4, (3, 3), w), n.add_deconvolution_nd(x, 4, (3, 3), w)):
            kept(self, layer, num_output_maps=4, kernel_size_nd=(3, 3), stride_nd=nd, padding_nd=nd, pre_padding=nd, post_padding=nd, padding_mode=trt.PaddingMode.SAME_LOWER, num_groups=2, dilation_nd=nd)
            layer.kernel, layer.bias = trt.Weights(w), np.zeros(4, np.float32)
            self.assertEqual((layer.kernel.size, layer.bias.size), (w.size, 4))
        kept(self, n.add_convolution(x, 4, (3, 3), w), kernel_size=(3, 3), stride=nd, padding=nd, dilation=nd)
        full = n.add_fully_connected(x, 2, draw(2, 256))
        kept(self, full, num_output_channels=2)
        full.kernel, full.bias = draw(2, 256), draw(2)
        self.assertEqual((full.kernel.size, full.bias.size), (512, 2))
        kept(self, n.add_pooling_nd(x, trt.PoolingType.MAX, nd), type=trt.PoolingType.AVERAGE, window_size_nd=(3, 3), stride_nd=nd, padding_nd=nd, pre_padding=nd, post_padding=nd,
             padding_mode=trt.PaddingMode.EXPLICIT_ROUND_UP, blend_factor=0.5, average_count_excludes_padding=False, window_size=nd)  # fmt: skip
        kept(self, n.add_activation(x, trt.ActivationType.RELU), type=trt.ActivationType.ELU, alpha=0.5, beta=2.0)
        kept(self, n.add_lrn(x, 3, 0.1, 0.2, 1), window_size=5, alpha=0.2, beta=0.3, k=2.0)
        scale = n.add_scale(x, trt.ScaleMode.UNIFORM)
        kept(self, scale, mode=trt.ScaleMode.CHANNEL, channel_axis=2)
        scale.scale, scale.shift, scale.power = draw(8), draw(8), draw(8)
        self.assertEqual((scale.scale.size, scale.shift.size, scale.power.size), (8, 8, 8))
        kept(self, n.add_softmax(x), axes=4)
        kept(self, n.add_concatenation([x, x]), axis=2)
        kept(self, n.add_elementwise(x, x, trt.ElementWiseOperation.SUM), op=trt.ElementWiseOperation.PROD)
        kept(self, n.add_padding_nd(x, nd, nd), pre_padding_nd=(1, 0), post_padding_nd=(0, 1))
        kept(self, n.add_shuffle(x), first_transpose=(0, 1, 3, 2), reshape_dims=(2, -1), second_transpose=(1, 0), zero_is_placeholder=False)
        kept(self, n.add_slice(x, (0,) * 4, (1,) * 4, (1,) * 4), start=(1,) * 4, shape=(2,) * 4, stride=(2,) * 4, mode=trt.SampleMode.WRAP, axes=(0, 1, 2, 3))
        kept(self, n.add_reduce(x, trt.ReduceOperation.SUM, 1, False), op=trt.ReduceOperation.MAX, axes=2, keep_dims=True)
        kept(self, n.add_cumulative(x, i, trt.CumulativeOperation.SUM, False, False), op=trt.CumulativeOperation.SUM, exclusive=True, reverse=True)
        kept(self, n.add_topk(x, trt.TopKOperation.MAX, 1, 2), op=trt.TopKOperation.MIN, k=2, axes=4, indices_type=trt.int64)
        kept(self, n.add_gather(x, i, 1), axis=2, num_elementwise_dims=0, mode=trt.GatherMode.ELEMENT)
        kept(self, n.add_scatter(x, x, x, trt.ScatterMode.ELEMENT), axis=1, mode=trt.ScatterMode.ND)
        kept(self, n.add_one_hot(i, x, i, 0), axis=1)
        kept(self, n.add_non_zero(x), indices_type=trt.int64)
        kept(self, n.add_nms(x, x, i), bounding_box_format=trt.BoundingBoxFormat.CENTER_SIZES, topk_box_limit=9, indices_type=trt.int64)
        kept(self, n.add_grid_sample(x, x), interpolation_mode=trt.InterpolationMode.CUBIC, align_corners=True, sample_mode=trt.SampleMode.CLAMP)
        kept(self, n.add_resize(x), shape=(1, 4, 4, 4), scales=[1.0, 1.0, 2.0, 2.0], resize_mode=trt.InterpolationMode.CUBIC, coordinate_transformation=trt.ResizeCoordinateTransformation.HALF_PIXEL,
             selector_for_single_pixel=trt.ResizeSelector.UPPER, nearest_rounding=trt.ResizeRoundMode.CEIL, exclude_outside=True, cubic_coeff=-0.5)  # fmt: skip
        kept(self, n.add_matrix_multiply(x, trt.MatrixOperation.NONE, x, trt.MatrixOperation.NONE), op0=trt.MatrixOperation.TRANSPOSE, op1=trt.MatrixOperation.TRANSPOSE)
        kept(self, n.add_einsum([x], "abcd->a"), equation="abcd->b")
        constant = n.add_constant((2,), draw(2))
        constant.weights, constant.shape = draw(3), (3,)
        self.assertEqual((constant.weights.size, constant.shape), (3, (3,)))
        kept(self, n.add_cast(x, trt.float16), to_type=trt.int32)
        kept(self, n.add_fill((2,), trt.FillOperation.LINSPACE), shape=(3,), operation=trt.FillOperation.RANDOM_NORMAL, alpha=1.0, beta=3.0, to_type=trt.float16)
        kept(self, n.add_reverse_sequence(x, i), batch_axis=0, sequence_axis=1)
        kept(self, n.add_normalization(x, x, x, 2), axes=4, epsilon=1e-3, num_groups=2, compute_precision=trt.float32)
        for layer in (n.add_quantize(x, x), n.add_dequantize(x, x)):
            kept(self, layer, axis=1, to_type=trt.float16, block_shape=(1, 1, 1, 4))
        kept(self, n.add_rotary_embedding(x, x, x, False, 0), interleaved=True, rotary_embedding_dim=4)
        kept(self, n.add_kv_cache_update(x, x, i, trt.KVCacheMode.LINEAR), cache_mode=trt.KVCacheMode.LINEAR)
        heads = n.add_attention_v2(x, x, x, trt.AttentionNormalizationOp.SOFTMAX, False)
        kept(self, heads, norm_op=trt.AttentionNormalizationOp.NONE, causal=True, decomposable=False, metadata="m", name="a")
        self.assertTrue(heads.set_input(3, x) and heads.mask is x and heads.get_input(3) is x and heads.num_outputs == 1 and heads.num_inputs == 4)
        self.assertEqual(heads.get_output(0).dtype, trt.float32)
        loop = n.add_loop()
        kept(self, loop, name="l")
        kept(self, loop.add_iterator(x), axis=1, reverse=True)
        kept(self, loop.add_trip_limit(i, trt.TripLimit.COUNT), kind=trt.TripLimit.WHILE)
        kept(self, loop.add_loop_output(x, trt.LoopOutput.LAST_VALUE), axis=1, kind=trt.LoopOutput.REVERSE)
        choice = n.add_if_conditional()
        kept(self, choice, name="c")
        choice.set_condition(p)
        with self.assertRaises(planish.InvalidArgument):
            choice.set_condition(p)

    def test_mistyped(self):
        """A name that is mistyped is an error and not a parameter that nobody reads."""
        builder, network = new()
        x = network.add_input("x", trt.float32, (1, 4, 8, 8))
        loop = network.add_loop()
        for thing, name in ((network.add_convolution_nd(x, 4, (3, 3), draw(4, 4, 3, 3)), "strides_nd"), (builder, "fp16_mode"), (builder.create_builder_config(), "builder_optimisation_level"),
                            (x, "shapes"), (network, "names"), (builder.create_optimization_profile(), "shape"), (loop, "trip_limit"), (trt.Runtime(LOGGER), "thread")):  # fmt: skip
            with self.assertRaises(AttributeError, msg=name) as raised:
                setattr(thing, name, 1)
            self.assertIn(name, str(raised.exception))

        class Mine(trt.Builder):
            def __init__(self, logger):
                super().__init__(logger)
                self.more = 1

        self.assertEqual(Mine(LOGGER).more, 1)
        self.assertEqual((trt.SliceMode.DEFAULT, trt.EngineCapability.DEFAULT, str(trt.SampleMode.DEFAULT)), (trt.SampleMode.STRICT_BOUNDS, trt.EngineCapability.STANDARD, "SampleMode.STRICT_BOUNDS"))

    def test_parser(self):
        _, network = new()
        parser = trt.OnnxParser(network, LOGGER)
        self.assertTrue(parser.set_builder_config(new()[0].create_builder_config()) and parser.supports_operator("Conv"))
        parser.set_flag(trt.OnnxParserFlag.NATIVE_INSTANCENORM)
        self.assertTrue(parser.get_flag(trt.OnnxParserFlag.NATIVE_INSTANCENORM))
        parser.clear_flag(trt.OnnxParserFlag.NATIVE_INSTANCENORM)
        model = models.linear()[0]
        data = model.SerializeToString()
        self.assertTrue(parser.supports_model_v2(data) and parser.num_subgraphs == 1 and parser.is_subgraph_supported(0))
        self.assertEqual((parser.get_subgraph_nodes(0), parser.supports_model(data)), ([0, 1], (True, [([0, 1], True)])))
        self.assertFalse(parser.parse_model_proto())
        new_b = np.arange(3, dtype=np.float32)
        self.assertTrue(parser.load_model_proto(data) and parser.load_initializer("b", new_b.ctypes.data, new_b.nbytes) and parser.parse_model_proto())
        self.assertEqual((parser.get_layer_output_tensor("product").name, parser.get_layer_output_tensor("no"), parser.get_used_vc_plugin_libraries()), ("h", None, []))
        builder = network.builder
        x = draw(2, 4)
        w = numpy_helper.to_array(model.graph.initializer[0])
        engine = trt.Runtime(LOGGER).deserialize_cuda_engine(builder.build_serialized_network(network, builder.create_builder_config()))
        close(run(engine, {"x": x})["y"], np.maximum(x @ w + new_b, 0))
        self.assertFalse(parser.parse(data))  # it is not empty
        self.assertIn("not empty", parser.get_error(0).desc())
        parser.clear_errors()
        self.assertEqual(parser.num_errors, 0)
        other = trt.OnnxParser(new()[1], LOGGER)
        self.assertFalse(other.parse_from_file("no/such.onnx") or other.parse_with_weight_descriptors(b"\0"))
        error = other.get_error(0)
        self.assertEqual((error.file(), error.line(), error.func(), error.node(), error.node_name(), error.node_operator(), error.local_function_stack(), error.code() > 0), ("", 0, "", -1, "", "", [], True))
        for i in range(1, 60, 3):  # damaged models
            self.assertFalse(trt.OnnxParser(new()[1], LOGGER).parse(data[: len(data) * i // 60]))

    def test_profiles_that_do_not_fit(self):
        """Each names the input and the profile."""
        for shapes, values, text in (({"x": (1, 2, 8)}, {}, r"profile 1: the least shape of input 'x' is \(1,\).*\(-1, 4\)"), ({"x": ((1, 4), (2, 4), (8, 5))}, {}, r"the largest shape of input 'x' is \(8, 5\)"),
                                     ({}, {"x": (1, 2, 3)}, "profile 1: input 'x' is given 1, 1, 1 values"), ({"z": (1, 2, 8)}, {}, "'z', which is no input")):  # fmt: skip
            builder, network = new()
            self.assertTrue(trt.OnnxParser(network, LOGGER).parse(models.linear()[0].SerializeToString()))
            config, profile = builder.create_builder_config(), builder.create_optimization_profile()
            for name, told in shapes.items():
                profile.set_shape(name, *(s if isinstance(s, tuple) else (s,) for s in told))
            for name, told in values.items():
                profile.set_shape_input(name, *((v,) for v in told))
            config.add_optimization_profile(builder.create_optimization_profile())
            config.add_optimization_profile(profile)
            self.assertIsNone(builder.build_serialized_network(network, config))
            self.assertRegex(LOGGER.lines[-1][1], text)
        for dims, count, fine in (((3,), 3, True), ((-1,), 2, True), ((), 1, True), ((3,), 2, False), ((), 2, False)):
            profile = new()[0].create_optimization_profile()
            profile.set_shape_input("n", *[(k,) * count for k in (1, 2, 3)])
            if fine:
                profile._check(0, {"n": trt.Dims(dims)})
            else:
                with self.assertRaisesRegex(planish.InvalidArgument, "profile 0: input 'n'"):
                    profile._check(0, {"n": trt.Dims(dims)})

    def test_damaged_metadata(self):
        """What a plan says that nobody built."""
        model = models.linear()[0]
        for key, texts in (("profiles", ("{", "{}", "[3]", '[{"x": [[1], [2]]}]', '[{"x": [[1], [2], ["3"]]}]', "[" * 100000)), ("debug", ("{", "3", "[3]")), ("permitted", ("{", "3", '["INT8"]', '"HALF"'))):
            for text in texts:
                plan = planish.build(model, metadata={f"planish.tensorrt.{key}": text}).to_bytes()
                self.assertIsNone(trt.Runtime(LOGGER).deserialize_cuda_engine(plan))
                self.assertIn(f"planish.tensorrt.{key}", LOGGER.lines[-1][1])
        for text in ("{", "[]", '{"options": {"cache": "elsewhere"}}', '{"options": {"fp16": 3}}', '{"roles": {"a": 1}}', '{"roles": {"a": {"KERNEL": 1}}}', '{"roles": {"a": {"ODD": "w"}}}', '{"only": 1}'):
            plan = planish.build(model, keep_model=True, metadata={"planish.tensorrt.how": text}).to_bytes()
            engine = trt.Runtime(LOGGER).deserialize_cuda_engine(plan)
            with self.assertRaisesRegex(planish.BadPlan, "planish.tensorrt.how"):
                trt.Refitter(engine, LOGGER)

    def test_timing_caches(self):
        """Bytes of others are begun anew, which the log says; what was measured is kept."""
        builder, network = new()
        self.assertTrue(trt.OnnxParser(network, LOGGER).parse(models.linear()[0].SerializeToString()))
        config = builder.create_builder_config()
        config.builder_optimization_level = 4
        cache = config.create_timing_cache(b"of another library")
        self.assertEqual((bytes(cache.serialize()), LOGGER.lines[-1][0]), (b"", trt.Logger.WARNING))
        self.assertTrue(config.set_timing_cache(cache, False) and builder.build_serialized_network(network, config))
        made = bytes(cache.serialize())
        LOGGER.lines.clear()
        self.assertEqual(bytes(config.create_timing_cache(made).serialize()), made)
        self.assertEqual(LOGGER.lines, [])
        if not made:  # a GPU's kernels are not measured
            return
        for damaged in (made[:-1], made[:20], made + b"1"):
            self.assertEqual(bytes(config.create_timing_cache(damaged).serialize()), b"")
            self.assertEqual(LOGGER.lines.pop()[0], trt.Logger.WARNING)
        other, empty = config.create_timing_cache(made[:-1] + bytes([made[-1] ^ 1])), config.create_timing_cache(b"")
        self.assertTrue(empty.combine(cache, False) and bytes(empty.serialize()) == made and cache.combine(empty, False) and cache.combine(config.create_timing_cache(b""), False))
        self.assertFalse(cache.combine(other, False))
        self.assertEqual((bytes(cache.serialize()), LOGGER.lines.pop()[0]), (made, trt.Logger.WARNING))
        config.reset()
        config.create_timing_cache(b"of another library")
        self.assertEqual(LOGGER.lines.pop()[0], trt.Logger.WARNING)

    def test_recorders(self):
        """Errors go to an object's own recorder, else to that of what it was made by."""
        runtime = trt.Runtime(LOGGER)
        engine = runtime.deserialize_cuda_engine(built(models.linear()[0], LOGGER))
        context = engine.create_execution_context()
        recorders = [trt.IErrorRecorder() for _ in range(3)]
        self.assertIsNone(context.error_recorder)
        for i, thing in enumerate((runtime, engine, context)):
            thing.error_recorder = recorders[i]
            self.assertFalse(context.execute_v2([]))
            self.assertEqual([r.num_errors() for r in recorders], [1] * (i + 1) + [0] * (2 - i))
        self.assertIs(runtime.error_recorder, recorders[0])
        self.assertIsNone(runtime.deserialize_cuda_engine(b"nothing"))
        self.assertEqual(recorders[0].num_errors(), 2)
        builder, network = new()
        network.error_recorder, told = trt.IErrorRecorder(), trt.IErrorRecorder()
        self.assertIsNone(builder.build_serialized_network(network, builder.create_builder_config()))
        self.assertEqual((network.error_recorder.num_errors(), builder.error_recorder), (1, None))
        builder.error_recorder = told
        self.assertIsNone(builder.build_engine_with_config(network, builder.create_builder_config()))
        self.assertEqual((network.error_recorder.num_errors(), told.num_errors()), (1, 1))
        self.assertTrue(trt.OnnxParser(network, LOGGER).parse(models.linear()[0].SerializeToString()))
        self.assertIs(builder.build_engine_with_config(network, builder.create_builder_config()).create_execution_context().error_recorder, told)

    def test_runtime(self):
        runtime = trt.Runtime(LOGGER)
        kept(self, runtime, max_threads=2, gpu_allocator=None, DLA_core=-1, error_recorder=trt.IErrorRecorder(), engine_host_code_allowed=True, temporary_directory="/tmp", tempfile_control_flags=1)
        self.assertEqual((runtime.num_DLA_cores, runtime.logger), (0, LOGGER))
        self.assertIs(runtime.get_plugin_registry(), trt.get_plugin_registry())
        with self.assertRaises(planish.Unsupported):
            runtime.load_runtime("lean.so")
        self.assertIsNone(runtime.deserialize_cuda_engine(b""))

    def test_engine(self):
        engine = engine_of(generation=10)
        self.assertEqual((engine.name, engine.num_layers > 0, engine.refittable, engine.num_optimization_profiles), ("graph", True, False, 1))
        self.assertEqual((engine.get_tensor_location("x"), engine.get_tensor_format("x"), engine.get_tensor_format_desc("x")), (trt.TensorLocation.DEVICE, trt.TensorFormat.LINEAR, "Row major linear FLOAT format"))
        self.assertEqual((engine.get_tensor_bytes_per_component("x"), engine.get_tensor_components_per_element("x"), engine.get_tensor_vectorized_dim("x"), engine.is_shape_inference_io("x")), (-1, -1, -1, False))
        self.assertEqual((engine.get_tensor_profile_values(0, "x"), engine.get_aliased_input_tensor("y"), engine.is_debug_tensor("h")), ([], "", False))
        self.assertEqual((engine.device_memory_size_v2, engine.get_device_memory_size_for_profile_v2(0), engine.streamable_weights_size, engine.get_weight_streaming_automatic_budget(),
                          engine.weight_streaming_scratch_memory_size, engine.num_aux_streams, engine.tactic_sources), (0,) * 7)  # fmt: skip
        self.assertTrue(engine.get_engine_stat(trt.EngineStat.TOTAL_WEIGHTS_SIZE) > 0 and engine.get_engine_stat(trt.EngineStat.STRIPPED_WEIGHTS_SIZE) == 0)
        self.assertEqual((engine.profiling_verbosity, engine.engine_capability, engine.hardware_compatibility_level), (trt.ProfilingVerbosity.LAYER_NAMES_ONLY, trt.EngineCapability.STANDARD, trt.HardwareCompatibilityLevel.NONE))
        kept(self, engine, weight_streaming_budget_v2=0, error_recorder=trt.IErrorRecorder())
        config = engine.create_serialization_config()
        self.assertEqual(bytes(engine.serialize_with_config(config)), bytes(engine.serialize()))
        config.set_flag(trt.SerializationFlag.EXCLUDE_WEIGHTS)
        self.assertTrue(config.get_flag(trt.SerializationFlag.EXCLUDE_WEIGHTS) and config.flags == 1)
        with self.assertRaises(planish.Unsupported):
            engine.serialize_with_config(config)
        config.clear_flag(trt.SerializationFlag.EXCLUDE_WEIGHTS)
        config.flags = 0
        settings = engine.create_runtime_config()
        settings.set_execution_context_allocation_strategy(trt.ExecutionContextAllocationStrategy.ON_PROFILE_CHANGE)
        self.assertEqual(settings.get_execution_context_allocation_strategy(), trt.ExecutionContextAllocationStrategy.ON_PROFILE_CHANGE)
        self.assertIsNotNone(engine.create_execution_context(settings))
        inspector = engine.create_engine_inspector()
        kept(self, inspector, execution_context=None)
        self.assertIn("product", inspector.get_engine_information(trt.LayerInformationFormat.JSON) + inspector.get_layer_information(0, trt.LayerInformationFormat.ONELINE))

    def test_inspector(self):
        """As much as the plan's verbosity says, in the form of each generation."""
        data, JSON = models.linear()[0].SerializeToString(), trt.LayerInformationFormat.JSON

        def inspected(verbosity, generation=10):
            plan = planish.build(data, metadata={} if verbosity is None else {"planish.tensorrt.verbosity": verbosity.name}).to_bytes()
            trt.set_generation(generation)
            engine = trt.Runtime(LOGGER).deserialize_cuda_engine(plan)
            self.assertEqual(engine.profiling_verbosity, trt.ProfilingVerbosity.DETAILED if verbosity is None else verbosity)
            inspector = engine.create_engine_inspector()
            return json.loads(inspector.get_engine_information(JSON)), json.loads(inspector.get_layer_information(0, JSON)), inspector.get_engine_information(), inspector.get_layer_information(0)

        try:
            self.assertEqual(inspected(trt.ProfilingVerbosity.NONE), ({"Layers": [], "Bindings": ["x", "y"]}, "", "", ""))
            told, layer, text, line = inspected(trt.ProfilingVerbosity.LAYER_NAMES_ONLY)
            self.assertEqual((told["Layers"], told["Bindings"], layer), (text.split("\n"), ["x", "y"], line))
            self.assertIn("product", line)
            for verbosity in (trt.ProfilingVerbosity.DETAILED, None):
                told, layer, text, line = inspected(verbosity)
                self.assertEqual((told["Layers"][0], told["Bindings"], layer["Name"], layer["Inputs"][0]), (layer, ["x", "y"], line, {"Name": "x", "Location": "Device", "Dimensions": [-1, 4], "Format/Datatype": "fp32"}))
                self.assertEqual([value["Name"] for value in told["Layers"][-1]["Outputs"]], ["y"])
                self.assertTrue(layer["LayerType"] and layer["TacticName"] and layer["Metadata"])
            for word, verbosity in (("none", "NONE"), ("default", "LAYER_NAMES_ONLY"), ("verbose", "DETAILED")):  # of trtexec's plans
                engine = trt.Runtime(LOGGER).deserialize_cuda_engine(planish.build(data, metadata={"planish.trtexec.verbosity": word}).to_bytes())
                self.assertEqual(engine.profiling_verbosity, trt.ProfilingVerbosity[verbosity])
            told, layer, text, line = inspected(trt.ProfilingVerbosity.DETAILED, 11)
            self.assertEqual((layer["Inputs"][0]["Format"], layer["Inputs"][0]["Datatype"], "Bindings" in told), ("Row-major linear", "fp32", False))
            self.assertEqual([(t["Name"], t["IOMode"], t["DataType"], t["Dimensions"]) for t in told["I/O Tensors"]], [("x", "Input", "fp32", [-1, 4]), ("y", "Output", "fp32", [-1, 3])])
        finally:
            trt.set_generation(8)
        engine = engine_of(generation=11)
        trt.set_generation(11)
        told = json.loads(engine.create_engine_inspector().get_engine_information(JSON))
        trt.set_generation(8)
        self.assertEqual(told["I/O Tensors"][0]["ProfileInfo"], [{"MinShape": [1, 4], "OptShape": [2, 4], "MaxShape": [8, 4], "Format": "Row-major linear"}])

    def test_generations(self):
        """What went with 10 and 11 is there before only."""
        engine = engine_of()
        context = engine.create_execution_context()
        self.assertEqual((engine.num_bindings, engine.get_binding_name(0), engine.get_binding_index("y"), engine.binding_is_input(0), tuple(engine.get_binding_shape(0))), (2, "x", 1, True, (-1, 4)))
        self.assertEqual((engine.get_binding_dtype(0), engine.get_location(0), [tuple(s) for s in engine.get_profile_shape(0, 0)], engine.get_profile_shape_input(0, "x"), engine.is_shape_binding(0),
                          engine.is_execution_binding(0), engine.max_batch_size, engine.has_implicit_batch_dimension),
                         (trt.float32, trt.TensorLocation.DEVICE, [(1, 4), (2, 4), (8, 4)], [], False, True, 1, False))  # fmt: skip
        self.assertEqual((engine.get_binding_format(0), engine.get_binding_format_desc(1), engine.get_binding_bytes_per_component(0), engine.get_binding_components_per_element(0),
                          engine.get_binding_vectorized_dim(0)), (trt.TensorFormat.LINEAR, "Row major linear FLOAT format", -1, -1, -1))  # fmt: skip
        self.assertEqual((engine.device_memory_size, engine.get_device_memory_size_for_profile(0), engine.weight_streaming_budget), (0, 0, 0))
        self.assertIsNotNone(engine.create_execution_context_without_device_memory())
        x, y = draw(3, 4), np.empty((3, 3), np.float32)
        self.assertTrue(context.set_binding_shape(0, x.shape) and context.all_shape_inputs_specified)
        self.assertEqual(tuple(context.get_binding_shape(1)), (3, 3))
        expected = models.linear()[1](x)
        for runs in (lambda b: context.execute(1, b), lambda b: context.execute_async(1, b, 0), lambda b: context.execute_async_v2(b, 0), context.execute_v2):
            y[:] = 0
            self.assertTrue(runs([x.ctypes.data, y.ctypes.data]))
            close(y, expected)
        try:
            trt.set_generation(10)
            for thing, names in ((engine, ("num_bindings", "get_binding_index", "max_batch_size")), (context, ("execute_async_v2", "set_binding_shape")), (new()[0], ("build_engine",))):
                for name in names:
                    self.assertFalse(hasattr(thing, name), name)
            self.assertTrue(hasattr(engine, "device_memory_size") and hasattr(context, "execute_v2") and hasattr(new()[0], "platform_has_fast_fp16"))
            with self.assertRaises(AttributeError) as raised:
                engine.num_bindings
            self.assertIn("num_io_tensors", str(raised.exception))
            self.assertFalse(hasattr(trt, "IFullyConnectedLayer") or hasattr(trt.INetworkDefinition, "add_fully_connected") or hasattr(new()[1], "has_implicit_batch_dimension"))
            self.assertTrue(hasattr(trt, "IInt8EntropyCalibrator2") and hasattr(trt.BuilderFlag, "FP16") and hasattr(trt.TacticSource, "CUBLAS"))
            trt.set_generation(11)
            for thing, name in ((trt, "IInt8EntropyCalibrator2"), (trt.BuilderFlag, "FP16"), (trt.TacticSource, "CUBLAS"), (trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH"), (trt, "IAlgorithmSelector")):
                self.assertFalse(hasattr(thing, name), name)
            self.assertEqual((trt.BuilderFlag.TF32, trt.BuilderFlag["FP16"], trt.BuilderFlag(0).name), (6, 0, "FP16"))
            self.assertFalse(hasattr(engine, "device_memory_size") or hasattr(new()[0].create_builder_config(), "int8_calibrator"))
        finally:
            trt.set_generation(8)
        with self.assertRaises(planish.InvalidArgument):
            trt.set_generation(9)

    def test_context(self):
        engine = engine_of()
        context = engine.create_execution_context()
        kept(self, context, name="c", nvtx_verbosity=trt.ProfilingVerbosity.NONE, debug_sync=True, persistent_cache_limit=0, temporary_allocator=trt.IGpuAllocator(), device_memory=0,
             unfused_tensors_debug_state=False, error_recorder=trt.IErrorRecorder(), enqueue_emits_profile=False)  # fmt: skip
        context.error_recorder = None
        context.set_device_memory(0, 0)
        context.set_aux_streams([])
        self.assertEqual((context.engine, context.update_device_memory_size_for_shapes(), context.set_communicator(None), context.all_binding_shapes_specified), (engine, 0, False, False))
        self.assertTrue(context.set_input_consumed_event(5) and context.get_input_consumed_event() == 5)
        self.assertIsInstance(context.get_runtime_config(), trt.IRuntimeConfig)
        self.assertTrue(context.set_optimization_profile_async(0, 0) and context.active_optimization_profile == 0)
        self.assertFalse(context.set_optimization_profile_async(3, 0))
        context.active_optimization_profile = 0

        class Times(trt.IProfiler):
            def __init__(self):
                super().__init__()
                self.layers = []

            def report_layer_time(self, layer_name, ms):
                self.layers.append(layer_name)

        x, y = draw(3, 4), np.empty((3, 3), np.float32)
        context.set_input_shape("x", x.shape)
        self.assertTrue(context.set_tensor_address("x", x.ctypes.data) and context.get_tensor_address("x") == x.ctypes.data)
        context.set_tensor_address("y", y.ctypes.data)
        times = context.profiler = Times()
        self.assertTrue(context.execute_async_v3(0) and not times.layers)
        self.assertTrue(context.report_to_profiler() and len(times.layers) == engine.num_layers and context.profiler is times)
        self.assertIsNone(context.get_output_allocator("y"))
        allocator = trt.IOutputAllocator()
        self.assertTrue(context.set_output_allocator("y", allocator) and context.get_output_allocator("y") is allocator)
        allocator.notify_shape("y", (1,))
        for call in (lambda: allocator.reallocate_output("y", 0, 1, 1), lambda: allocator.reallocate_output_async("y", 0, 1, 1, 0)):
            with self.assertRaises(NotImplementedError):
                call()
        self.assertEqual((tuple(context.get_tensor_shape("y")), tuple(context.get_tensor_strides("y")), context.get_max_output_size("y"), context.infer_shapes()), ((3, 3), (3, 1), 36, []))

    def test_shape_inputs(self):
        made = models.model([helper.make_node("Expand", ["x", "s"], ["y"])], [("x", TensorProto.FLOAT, [1]), ("s", TensorProto.INT64, [1])], [("y", TensorProto.FLOAT, ["n"])])
        context = engine_of(made, profile=False).create_execution_context()
        self.assertTrue(context.set_shape_input(1, [4]) and context.get_shape(1) == [4])
        x, y = draw(1), np.empty(4, np.float32)

        class Here(trt.IOutputAllocator):
            def reallocate_output(self, name, memory, size, alignment):
                return y.ctypes.data if size == y.nbytes else 0

        context.set_tensor_address("x", x.ctypes.data)
        context.set_output_allocator("y", Here())
        self.assertTrue(context.execute_async_v3(0), LOGGER.lines[-1])
        close(y, np.repeat(x, 4))

    def test_debug_tensors(self):
        class Heard(trt.IDebugListener):
            def __init__(self):
                super().__init__()
                self.told = {}

            def process_debug_tensor(self, addr, location, type, shape, name, stream):
                import ctypes

                self.told[name] = np.frombuffer(ctypes.string_at(addr, int(np.prod(shape)) * 4), trt.nptype(type)).reshape(tuple(shape))
                return True

        for everything in (False, True):
            builder, network = new()
            x = network.add_input("x", trt.float32, (2, 3))
            neg = first(network.add_unary(x, trt.UnaryOperation.NEG))
            neg.name = "neg"
            y = first(network.add_unary(neg, trt.UnaryOperation.EXP))
            y.name = "y"
            network.mark_output(y)
            if everything:
                self.assertTrue(network.mark_unfused_tensors_as_debug_tensors() and network.unmark_unfused_tensors_as_debug_tensors() and network.mark_unfused_tensors_as_debug_tensors())
            else:
                self.assertTrue(network.mark_debug(y) and network.unmark_debug(y) and network.mark_debug(neg) and network.is_debug_tensor(neg) and not network.is_debug_tensor(y))
            engine = builder.build_engine_with_config(network, builder.create_builder_config())
            self.assertTrue(engine.is_debug_tensor("neg"))
            context, heard, a, out = engine.create_execution_context(), Heard(), draw(2, 3), np.empty((2, 3), np.float32)
            self.assertTrue(context.set_debug_listener(heard) and context.get_debug_listener() is heard and context.get_debug_state("neg"))
            self.assertTrue(context.execute_v2([a.ctypes.data, out.ctypes.data]))
            close(heard.told["neg"], -a)
            if not everything:
                self.assertEqual(list(heard.told), ["neg"])
                heard.told.clear()
                self.assertTrue(context.set_tensor_debug_state("neg", False) and context.execute_v2([a.ctypes.data, out.ctypes.data]) and not heard.told)
                self.assertTrue(context.set_all_tensors_debug_state(True) and context.get_debug_state("neg"))
                self.assertFalse(context.set_tensor_debug_state("nobody", True) or context.get_debug_state("nobody"))

    def test_debug_states(self):
        """What is told when all values are marked, and one of them by itself, too."""

        class Heard(trt.IDebugListener):
            def process_debug_tensor(self, addr, location, type, shape, name, stream):
                names.add(name)
                return True

        names = set()
        builder, network = new()
        t = network.add_input("x", trt.float32, (2,))
        for name, op in (("one", trt.UnaryOperation.NEG), ("two", trt.UnaryOperation.EXP), ("y", trt.UnaryOperation.NEG)):
            t = first(network.add_unary(t, op))
            t.name = name
            if name == "two":
                network.mark_debug(t)
        network.mark_output(t)
        network.mark_unfused_tensors_as_debug_tensors()
        engine = trt.Runtime(LOGGER).deserialize_cuda_engine(builder.build_serialized_network(network, builder.create_builder_config()))
        context, a, out = engine.create_execution_context(), draw(2), np.empty(2, np.float32)
        context.set_debug_listener(Heard())

        def told():
            names.clear()
            self.assertTrue(context.execute_v2([a.ctypes.data, out.ctypes.data]))
            self.assertEqual(names, {name for name in ("x", "one", "two", "y") if context.get_debug_state(name)} & names)
            return names & {"one", "two"}

        self.assertEqual(told(), {"one", "two"})
        context.unfused_tensors_debug_state = False
        self.assertEqual(told(), {"two"})
        self.assertTrue(context.set_tensor_debug_state("one", True))
        self.assertEqual(told(), {"one", "two"})
        self.assertTrue(context.set_all_tensors_debug_state(False))
        self.assertEqual((told(), names, context.unfused_tensors_debug_state), (set(), set(), False))
        self.assertTrue(context.set_tensor_debug_state("two", True))
        self.assertEqual(told(), {"two"})
        self.assertTrue(context.set_all_tensors_debug_state(True))
        self.assertEqual(told(), {"one", "two"})

    def test_runtime_config(self):
        """A context tells the strategy that it was made with."""
        engine, strategies = engine_of(), trt.ExecutionContextAllocationStrategy
        config = engine.create_runtime_config()
        config.set_execution_context_allocation_strategy(strategies.ON_PROFILE_CHANGE)
        made = [engine.create_execution_context(), engine.create_execution_context(strategies.USER_MANAGED), engine.create_execution_context(config), engine.create_execution_context_without_device_memory()]
        config.set_execution_context_allocation_strategy(strategies.STATIC)
        self.assertEqual([c.get_runtime_config().get_execution_context_allocation_strategy() for c in made], [strategies.STATIC, strategies.USER_MANAGED, strategies.ON_PROFILE_CHANGE, strategies.USER_MANAGED])
        with self.assertRaises(ValueError):
            engine.create_execution_context(7)

    def test_device_memory_size(self):
        """Bytes of activations: of each profile's largest shapes, and of the shapes as set."""
        builder, network = new()
        x = network.add_input("x", trt.float32, (-1, 64))
        for _ in range(3):
            x = first(network.add_matrix_multiply(x, trt.MatrixOperation.NONE, first(network.add_constant((64, 64), draw(64, 64))), trt.MatrixOperation.NONE))
            x = first(network.add_softmax(x))
        network.mark_output(x)
        config = builder.create_builder_config()
        for most in (8, 100):
            profile = builder.create_optimization_profile()
            profile.set_shape("x", (1, 64), (2, 64), (most, 64))
            config.add_optimization_profile(profile)
        engine = builder.build_engine_with_config(network, config)
        small, large = engine.get_device_memory_size_for_profile_v2(0), engine.get_device_memory_size_for_profile(1)
        self.assertEqual((engine.device_memory_size_v2, engine.device_memory_size), (large, large))
        self.assertGreaterEqual(small, 8 * 64 * 4)
        self.assertGreaterEqual(large, 100 * 64 * 4)
        context = engine.create_execution_context()
        self.assertEqual(context.update_device_memory_size_for_shapes(), 0)
        self.assertIn("never set", LOGGER.lines[-1][1])
        context.set_input_shape("x", (8, 64))
        self.assertEqual(context.update_device_memory_size_for_shapes(), small)
        context.set_input_shape("x", (1, 64))
        self.assertEqual(builder.build_engine_with_config(network, builder.create_builder_config()).device_memory_size_v2, context.update_device_memory_size_for_shapes())

    def test_progress(self):
        class Watch(trt.IProgressMonitor):
            def __init__(self, go_on):
                super().__init__()
                self.go_on, self.begun, self.ended, self.steps = go_on, [], [], []

            def phase_start(self, phase_name, parent_phase, num_steps):
                self.begun.append((phase_name, num_steps))

            def step_complete(self, phase_name, step):
                self.steps.append((phase_name, step))
                return self.go_on() if callable(self.go_on) else self.go_on

            def phase_finish(self, phase_name):
                self.ended.append(phase_name)

        self.assertIs(trt.IProgressMonitor().step_complete("a", 1), True)
        for convolutions in (0, 12):
            builder, network = new()
            (x,) = inputs_of(network, {"x": draw(1, 3, 32, 32)})
            for _ in range(convolutions):
                x = first(network.add_convolution_nd(x, 3, (3, 3), draw(3, 3, 3, 3)))
            network.mark_output(first(network.add_activation(x, trt.ActivationType.RELU)))
            config = builder.create_builder_config()
            watch = config.progress_monitor = Watch(True)
            self.assertIsNotNone(builder.build_serialized_network(network, config))
            self.assertEqual([name for name, _ in watch.begun], watch.ended)
            self.assertEqual(watch.steps, [(name, step) for name, steps in watch.begun for step in range(steps)])
            self.assertTrue(watch.begun and all(0 < steps <= 100 for _, steps in watch.begun))
            for last in (1, len(watch.steps)):  # the first step and the last one may end the build
                end = config.progress_monitor = Watch(True)
                end.go_on = lambda end=end, last=last: len(end.steps) < last
                self.assertIsNone(builder.build_serialized_network(network, config))
                self.assertEqual((len(end.steps), [name for name, _ in end.begun]), (last, end.ended))
            config.progress_monitor = Watch(lambda: 1 // 0)
            with self.assertRaises(ZeroDivisionError):
                builder.build_serialized_network(network, config)

    def test_progress_of_many_bytes(self):
        """What the library counts becomes a hundred steps."""
        from planish.tensorrt.log import Phases

        steps = []

        class Counts(trt.IProgressMonitor):
            def phase_start(self, phase_name, parent_phase, num_steps):
                steps.append(num_steps)

            def step_complete(self, phase_name, step):
                steps.append(step)
                return True

        phases = Phases(Counts())
        for done in (33554432, 67108864, 104857600):
            self.assertTrue(phases("write the plan", done, 104857600))
        self.assertEqual(steps, [100, *range(100)])
        self.assertTrue(phases.finish() and len(steps) == 101)

    def test_cache_that_must_have_all(self):
        builder, network = new()
        (x,) = inputs_of(network, {"x": draw(64, 256)})
        network.mark_output(first(network.add_matrix_multiply(x, trt.MatrixOperation.NONE, first(network.add_constant((256, 256), draw(256, 256))), trt.MatrixOperation.NONE)))
        config = builder.create_builder_config()
        config.builder_optimization_level = 5
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache)
        config.set_flag(trt.BuilderFlag.ERROR_ON_TIMING_CACHE_MISS)
        if trt.builder.default_device() == "cpu":  # kernels of GPUs are not measured
            self.assertIsNone(builder.build_serialized_network(network, config))
            self.assertIn("are not in the timing cache", LOGGER.lines[-1][1])
            self.assertEqual(bytes(cache.serialize()), b"")
        config.clear_flag(trt.BuilderFlag.ERROR_ON_TIMING_CACHE_MISS)
        self.assertIsNotNone(builder.build_serialized_network(network, config))
        config.set_flag(trt.BuilderFlag.ERROR_ON_TIMING_CACHE_MISS)
        self.assertIsNotNone(builder.build_serialized_network(network, config))

    def test_metadata_of_models(self):
        """Keys of ours in a model's metadata are not those of its plan."""
        made = models.linear()[0]
        for key in ("profiles", "how", "debug", "plugins", "permitted"):
            made.metadata_props.add(key="planish.tensorrt." + key, value="junk")
        made.metadata_props.add(key="author", value="me")
        builder, network = new()
        self.assertTrue(trt.OnnxParser(network, LOGGER).parse(made.SerializeToString()))
        engine = trt.Runtime(LOGGER).deserialize_cuda_engine(builder.build_serialized_network(network, builder.create_builder_config()))
        self.assertEqual((engine.num_optimization_profiles, engine.is_debug_tensor("y"), engine.engine.metadata["author"]), (1, False, "me"))

    def test_calibrators(self):
        """Their classes are there; the builder says that it does not calibrate."""

        class Mine(trt.IInt8EntropyCalibrator2):
            def get_batch_size(self):
                return 4

        mine = Mine()
        self.assertEqual((mine.get_batch_size(), mine.get_batch(["x"]), mine.read_calibration_cache(), mine.write_calibration_cache(b""), mine.get_algorithm()),
                         (4, None, None, None, trt.CalibrationAlgoType.ENTROPY_CALIBRATION_2))  # fmt: skip
        for one in (trt.IInt8EntropyCalibrator(), trt.IInt8MinMaxCalibrator(), trt.IInt8LegacyCalibrator()):
            self.assertEqual((one.get_batch_size(), one.get_batch([]), one.read_calibration_cache(), one.write_calibration_cache(b"")), (1, None, None, None))
        self.assertTrue(0 < one.get_quantile() < 1 and 0 < one.get_regression_cutoff() < 1)
        builder, network = new()
        trt.OnnxParser(network, LOGGER).parse(models.linear()[0].SerializeToString())
        config = builder.create_builder_config()
        config.set_flag(trt.BuilderFlag.INT8)
        config.int8_calibrator = mine
        LOGGER.lines.clear()
        self.assertIsNotNone(builder.build_serialized_network(network, config))
        self.assertTrue(any("INT8" in text for _, text in LOGGER.lines))

    def test_subclasses(self):
        allocator = trt.IGpuAllocator()
        self.assertEqual((allocator.allocate(1, 1, 0), allocator.reallocate(1, 1, 1), allocator.deallocate(1), allocator.allocate_async(1, 1, 0, 0), allocator.deallocate_async(1, 0)), (None, None, False, None, False))
        selector = trt.IAlgorithmSelector()
        self.assertEqual((selector.select_algorithms(None, [1, 2]), selector.report_algorithms([], [])), ([0, 1], None))
        profiler = trt.Profiler()
        profiler.report_layer_time("layer", 0.5)
        field = trt.PluginField("f", np.array([1.0], np.float32))
        self.assertEqual((field.name, field.data.tolist(), field.type, field.size, list(trt.PluginFieldCollection([field]))), ("f", [1.0], trt.PluginFieldType.FLOAT32, 1, [field]))
        self.assertEqual((trt.PluginField("t", "abc").type, trt.PluginField("t", "abc").size), (trt.PluginFieldType.CHAR, 3))
        desc = trt.PluginTensorDesc((1, 2), trt.float16)
        dynamic = trt.DynamicPluginTensorDesc(desc)
        self.assertEqual((desc.dims, desc.type, desc.format, desc.scale, dynamic.desc, dynamic.min, dynamic.max, dynamic.opt), ((1, 2), trt.float16, trt.TensorFormat.LINEAR, 0.0, desc, (1, 2), (1, 2), (1, 2)))
        old = trt.IPluginV2DynamicExt()
        self.assertEqual((old.plugin_type, old.plugin_version, old.plugin_namespace, old.num_outputs, old.serialize(), old.initialize(), old.terminate(), old.get_workspace_size([], []),
                          old.configure_plugin([], []), type(old.clone())), ("", "1", "", 1, b"", 0, None, 0, None, type(old)))  # fmt: skip
        core, build, run_ = trt.IPluginV3OneCore(), trt.IPluginV3OneBuild(), trt.IPluginV3OneRuntime()
        self.assertEqual((core.plugin_name, core.plugin_version, core.plugin_namespace, build.num_outputs, build.get_workspace_size([], []), build.get_valid_tactics(), build.configure_plugin([], [])),
                         ("", "1", "", 1, 0, [], None))  # fmt: skip
        self.assertEqual((run_.on_shape_change([], []), run_.set_tactic(1), run_.get_fields_to_serialize()), (None, None, []))
        whole = trt.IPluginV3()
        self.assertIs(whole.get_capability_interface(trt.PluginCapabilityType.CORE), whole)
        self.assertIsInstance(whole.clone(), trt.IPluginV3)
        for creator in (trt.IPluginCreator(), trt.IPluginCreatorV3One()):
            self.assertEqual((creator.name, creator.plugin_version, creator.plugin_namespace, creator.field_names), ("", "1", "", []))
        registry = trt.get_plugin_registry()
        self.assertEqual((registry.plugin_creator_list, registry.get_plugin_creator("no", "1", ""), registry.deregister_library(None)), ([], None, False))
        kept(self, registry, error_recorder=None, parent_search_enabled=True)
        expr = trt.IExprBuilder().declare_size_tensor(1, trt.IDimensionExpr(1), trt.IDimensionExpr(2))
        self.assertTrue(expr.is_size_tensor())
        refitter_members = {name for name, _ in inspect.getmembers(trt.Refitter)}
        self.assertIn("refit_cuda_engine", refitter_members)


if __name__ == "__main__":
    unittest.main()
