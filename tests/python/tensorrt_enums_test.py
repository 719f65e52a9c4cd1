"""What the members of TensorRT's enumerations mean: each is used, and where engines run their results are compared."""
import itertools
import unittest

import numpy as np
from onnx import TensorProto, helper

import models
import planish
import planish.tensorrt as trt
from memory import put, taken
from network_test import LOGGER, build, close, draw, first, inputs_of, new, onnx_says, outputs, run


def resized(x, size, **attributes):
    """ONNX's Resize by the reference."""
    node = helper.make_node("Resize", ["x", "", "", "s"], ["y"], **attributes)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape), helper.make_tensor_value_info("s", TensorProto.INT64, [x.ndim])]
    graph = helper.make_graph([node], "g", inputs, [helper.make_empty_tensor_value_info("y")])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)])
    return planish.run(model, {"x": x, "s": np.array(size, np.int64)}, device="ref")["y"]


class Layers(unittest.TestCase):
    def test_resize_modes(self):
        """Modes, coordinates, roundings and the place of a single element, each with each."""
        x, size, places = draw(1, 2, 5, 4), (1, 2, 8, 1), trt.ResizeCoordinateTransformation
        coordinates = {places.ALIGN_CORNERS: "align_corners", places.ASYMMETRIC: "asymmetric", places.HALF_PIXEL: "half_pixel"}
        roundings = {trt.ResizeRoundMode.HALF_UP: "round_prefer_ceil", trt.ResizeRoundMode.HALF_DOWN: "round_prefer_floor", trt.ResizeRoundMode.FLOOR: "floor", trt.ResizeRoundMode.CEIL: "ceil"}
        modes = (trt.InterpolationMode.NEAREST, trt.InterpolationMode.LINEAR, trt.InterpolationMode.CUBIC)
        for mode, where, rounding, single in itertools.product(modes, coordinates, roundings, (trt.ResizeSelector.FORMULA, trt.ResizeSelector.UPPER)):

            def make(network, t):
                layer = network.add_resize(t)
                layer.shape, layer.resize_mode, layer.coordinate_transformation, layer.nearest_rounding, layer.selector_for_single_pixel = size, mode, where, rounding, single
                return first(layer)

            told = "pytorch_half_pixel" if single == trt.ResizeSelector.UPPER and coordinates[where] == "half_pixel" else coordinates[where]
            close(outputs(make, {"x": x}), resized(x, size, mode=mode.name.lower(), coordinate_transformation_mode=told, nearest_mode=roundings[rounding]))

    def test_gather_modes(self):
        x, i = draw(3, 4), np.array([[2, 0, 1, 1]], np.int32)
        slices, places = np.array([2, 0], np.int32), np.array([[2, 1]], np.int32)
        for mode, at, want in ((trt.GatherMode.DEFAULT, slices, x[[2, 0]]), (trt.GatherMode.ELEMENT, i, np.take_along_axis(x, i, 0)), (trt.GatherMode.ND, places, x[2, 1][None])):
            close(outputs(lambda n, t, s: first(n.add_gather_v2(t, s, mode)), {"x": x, "i": at}), want)

    def test_reduce_operations(self):
        x = draw(3, 4)
        wanted = {trt.ReduceOperation.SUM: np.sum, trt.ReduceOperation.PROD: np.prod, trt.ReduceOperation.MAX: np.max, trt.ReduceOperation.MIN: np.min, trt.ReduceOperation.AVG: np.mean}
        for op, want in wanted.items():
            close(outputs(lambda n, t: first(n.add_reduce(t, op, 2, False)), {"x": x}), want(x, 1))
        with self.assertRaisesRegex((planish.Error, AssertionError), "reduces nothing"):  # it is for collectives
            outputs(lambda n, t: first(n.add_reduce(t, trt.ReduceOperation.NONE, 2, False)), {"x": x})

    def test_formats_of_boxes(self):
        """Boxes by their centers give what they give by their corners; the limit of boxes that are looked at is kept."""
        corners = np.array([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 10, 1, 11], [0, 10.1, 1, 11.1]]], np.float32)
        centers = np.concatenate([(corners[..., :2] + corners[..., 2:]) / 2, corners[..., 2:] - corners[..., :2]], -1)
        scores = np.array([[[0.9], [0.75], [0.6], [0.95]]], np.float32)
        for kind, boxes in ((trt.BoundingBoxFormat.CORNER_PAIRS, corners), (trt.BoundingBoxFormat.CENTER_SIZES, centers)):

            def make(n, b, s):
                layer = n.add_nms(b, s, first(n.add_constant((), np.array(3, np.int32))))
                layer.set_input(3, first(n.add_constant((), np.array(0.5, np.float32))))
                layer.bounding_box_format, layer.topk_box_limit = kind, 100
                return layer.get_output(0)

            np.testing.assert_array_equal(outputs(make, {"b": boxes, "s": scores}), [[0, 0, 3], [0, 0, 0]])

    def test_parameters_that_are_set(self):
        """Parameters that no other test runs with: groups, old names of windows, taps outside, blocks, types of sums."""
        x, w, cut = draw(1, 4, 6, 6), draw(4, 2, 3, 3), {"group": 2, "pads": [1, 1, 1, 1]}

        def spread(n, t):
            layer = n.add_deconvolution_nd(t, 4, (3, 3), w)
            layer.num_groups, layer.padding_nd = 2, (1, 1)
            return first(layer)

        close(outputs(spread, {"x": x}), onnx_says("ConvTranspose", {"x": x, "w": w}, **cut), 1e-4)

        def convolve(n, t):
            layer = n.add_convolution(t, 4, (3, 3), draw(4, 2, 3, 3))
            layer.kernel, layer.kernel_size, layer.dilation, layer.padding, layer.num_groups = w, (3, 3), (2, 2), (1, 1), 2
            return first(layer)

        close(outputs(convolve, {"x": x}), onnx_says("Conv", {"x": x, "w": w}, dilations=[2, 2], **cut), 1e-4)

        def pool(n, t):
            layer = n.add_pooling(t, trt.PoolingType.MAX, (3, 3))
            layer.window_size, layer.stride_nd = (2, 2), (2, 2)
            return first(layer)

        close(outputs(pool, {"x": x}), onnx_says("MaxPool", {"x": x}, kernel_shape=[2, 2], strides=[2, 2]))

        def grow(n, t):
            layer = n.add_resize(t)
            layer.shape, layer.resize_mode, layer.exclude_outside, layer.cubic_coeff = (1, 4, 9, 8), trt.InterpolationMode.CUBIC, True, -0.5
            layer.coordinate_transformation = trt.ResizeCoordinateTransformation.HALF_PIXEL
            return first(layer)

        close(outputs(grow, {"x": x}), resized(x, (1, 4, 9, 8), mode="cubic", exclude_outside=1, cubic_coeff_a=-0.5, coordinate_transformation_mode="half_pixel"))
        rows, scales = draw(4, 8) * 5, (np.abs(draw(4, 2)) + 0.1).astype(np.float32)

        def blocks(n, t):
            scale = first(n.add_constant((4, 2), scales))
            layer = n.add_quantize(t, scale, trt.int8)
            layer.block_shape = (1, 4)
            back = n.add_dequantize(first(layer), scale)
            back.block_shape = (1, 4)
            return [first(layer), first(back)]

        q, back = outputs(blocks, {"x": rows})
        wide = scales.repeat(4, 1)
        np.testing.assert_array_equal(q, np.clip(np.round(rows / wide), -128, 127).astype(np.int8))
        close(back, q * wide)

        def channels(n, t):
            layer = n.add_dequantize(t, first(n.add_constant((4,), scales[:, 0])))
            layer.axis = 0
            return first(layer)

        close(outputs(channels, {"x": q}), q * scales[:, :1])

        def normalize(n, t, s, b):
            layer = n.add_normalization(t, s, b, 0b1000)
            layer.compute_precision = trt.float32
            return first(layer)

        one, none = np.ones((1, 1, 1, 6), np.float32), np.zeros((1, 1, 1, 6), np.float32)
        close(outputs(normalize, {"x": x, "s": one, "b": none}), (x - x.mean(3, keepdims=True)) / np.sqrt(x.var(3, keepdims=True) + 1e-5), 1e-4)

        def attend(n, t, m):
            made = n.add_attention_v2(t, t, t, trt.AttentionNormalizationOp.NONE, False)
            made.norm_op, made.metadata = trt.AttentionNormalizationOp.SOFTMAX, "of the user"
            self.assertTrue(made.set_input(3, m))
            self.assertEqual((made.get_input(3).name, made.metadata, made.num_outputs, made.decomposable), ("m", "of the user", 1, True))
            return made.get_output(0)

        seen = np.tril(np.ones((6, 6), bool))[None, None]
        weights = np.where(seen, np.exp(x @ x.transpose(0, 1, 3, 2)), 0)
        close(outputs(attend, {"x": x, "m": seen}), weights / weights.sum(-1, keepdims=True) @ x, 1e-4)

    def test_layer_types(self):
        """Each layer tells its type; those that no layer here has are these."""
        _, n = new()
        x, i, k, p = n.add_input("x", trt.float32, (1, 4, 8, 8)), n.add_input("i", trt.int32, (2,)), n.add_input("k", trt.int32, ()), n.add_input("p", trt.bool, ())
        w, loop, choice = draw(4, 4, 3, 3), n.add_loop(), n.add_if_conditional()
        found = {
            trt.LayerType.CONVOLUTION: n.add_convolution_nd(x, 4, (3, 3), w), trt.LayerType.DECONVOLUTION: n.add_deconvolution_nd(x, 4, (3, 3), w),
            trt.LayerType.FULLY_CONNECTED: n.add_fully_connected(x, 2, draw(2, 256)), trt.LayerType.POOLING: n.add_pooling_nd(x, trt.PoolingType.MAX, (2, 2)),
            trt.LayerType.ACTIVATION: n.add_activation(x, trt.ActivationType.RELU), trt.LayerType.LRN: n.add_lrn(x, 3, 0.1, 0.2, 1), trt.LayerType.SCALE: n.add_scale(x, trt.ScaleMode.UNIFORM),
            trt.LayerType.SOFTMAX: n.add_softmax(x), trt.LayerType.RAGGED_SOFTMAX: n.add_ragged_softmax(x, i), trt.LayerType.CONCATENATION: n.add_concatenation([x, x]),
            trt.LayerType.ELEMENTWISE: n.add_elementwise(x, x, trt.ElementWiseOperation.SUM), trt.LayerType.UNARY: n.add_unary(x, trt.UnaryOperation.ABS), trt.LayerType.PADDING: n.add_padding_nd(x, (1, 1), (1, 1)),
            trt.LayerType.SHUFFLE: n.add_shuffle(x), trt.LayerType.SQUEEZE: n.add_squeeze(x, i), trt.LayerType.UNSQUEEZE: n.add_unsqueeze(x, i), trt.LayerType.SLICE: n.add_slice(x, (0,) * 4, (1,) * 4, (1,) * 4),
            trt.LayerType.SHAPE: n.add_shape(x), trt.LayerType.REDUCE: n.add_reduce(x, trt.ReduceOperation.SUM, 1, False),
            trt.LayerType.CUMULATIVE: n.add_cumulative(x, k, trt.CumulativeOperation.SUM, False, False), trt.LayerType.TOPK: n.add_topk(x, trt.TopKOperation.MAX, 1, 2),
            trt.LayerType.GATHER: n.add_gather(x, i, 1), trt.LayerType.SCATTER: n.add_scatter(x, x, x, trt.ScatterMode.ELEMENT), trt.LayerType.ONE_HOT: n.add_one_hot(i, x, k, 0),
            trt.LayerType.NON_ZERO: n.add_non_zero(x), trt.LayerType.NMS: n.add_nms(x, x, k), trt.LayerType.GRID_SAMPLE: n.add_grid_sample(x, x), trt.LayerType.RESIZE: n.add_resize(x),
            trt.LayerType.MATRIX_MULTIPLY: n.add_matrix_multiply(x, trt.MatrixOperation.NONE, x, trt.MatrixOperation.NONE), trt.LayerType.EINSUM: n.add_einsum([x], "abcd->a"),
            trt.LayerType.CONSTANT: n.add_constant((2,), draw(2)), trt.LayerType.IDENTITY: n.add_identity(x), trt.LayerType.CAST: n.add_cast(x, trt.float16),
            trt.LayerType.PARAMETRIC_RELU: n.add_parametric_relu(x, x), trt.LayerType.SELECT: n.add_select(p, x, x), trt.LayerType.FILL: n.add_fill((2,), trt.FillOperation.LINSPACE),
            trt.LayerType.ASSERTION: n.add_assertion(p, "told"), trt.LayerType.REVERSE_SEQUENCE: n.add_reverse_sequence(x, i), trt.LayerType.NORMALIZATION: n.add_normalization(x, x, x, 2),
            trt.LayerType.QUANTIZE: n.add_quantize(x, k), trt.LayerType.DEQUANTIZE: n.add_dequantize(x, k), trt.LayerType.ROTARY_EMBEDDING: n.add_rotary_embedding(x, x, x, False, 0),
            trt.LayerType.KVCACHE_UPDATE: n.add_kv_cache_update(x, x, i, trt.KVCacheMode.LINEAR), trt.LayerType.TRIP_LIMIT: loop.add_trip_limit(k, trt.TripLimit.COUNT),
            trt.LayerType.RECURRENCE: loop.add_recurrence(x), trt.LayerType.ITERATOR: loop.add_iterator(x), trt.LayerType.LOOP_OUTPUT: loop.add_loop_output(x, trt.LoopOutput.LAST_VALUE),
            trt.LayerType.CONDITION: choice.set_condition(p), trt.LayerType.CONDITIONAL_INPUT: choice.add_input(x), trt.LayerType.CONDITIONAL_OUTPUT: choice.add_output(x, x),
        }  # fmt: skip
        own = {trt.LayerType.POOLING: trt.PoolingType.MAX, trt.LayerType.ACTIVATION: trt.ActivationType.RELU}  # whose `type` is what they compute
        for kind, layer in found.items():
            self.assertIs(layer.type, own.get(kind, kind))
        n.add_attention_v2(x, x, x, trt.AttentionNormalizationOp.SOFTMAX, False)
        self.assertIs(n.get_layer(n.num_layers - 1).type, trt.LayerType.ATTENTION_OUTPUT)
        seen = set(found) | {trt.LayerType.ATTENTION_OUTPUT}
        plugins = {trt.LayerType.PLUGIN_V2, trt.LayerType.PLUGIN_V3}  # plugin_test has them
        self.assertEqual(set(trt.LayerType) - seen - plugins,
                         {trt.LayerType.PLUGIN, trt.LayerType.ATTENTION_INPUT, trt.LayerType.DYNAMIC_QUANTIZE, trt.LayerType.MOE, trt.LayerType.DIST_COLLECTIVE, trt.LayerType.RNN_V2})  # fmt: skip


class Plans(unittest.TestCase):
    def setUp(self):
        self.model, self.x = models.linear()[0], draw(3, 4)
        self.want = planish.run(self.model, {"x": self.x}, device="ref")["y"]

    def engine(self, network_flags=0, parser_flags=(), **told):
        """Of a configuration: set(config) changes it."""
        builder = trt.Builder(LOGGER)
        network, config = builder.create_network(network_flags), builder.create_builder_config()
        config.clear_flag(trt.BuilderFlag.TF32)
        parser = trt.OnnxParser(network, LOGGER)
        for flag in parser_flags:
            parser.set_flag(flag)
            self.assertTrue(parser.get_flag(flag))
        self.assertTrue(parser.parse(self.model.SerializeToString()))
        told.get("set", lambda config: None)(config)
        engine = builder.build_engine_with_config(network, config)
        self.assertIsNotNone(engine, LOGGER.lines[-1][1])
        return engine

    def agrees(self, engine, tolerance=1e-4):
        close(run(engine, {"x": self.x})["y"], self.want, tolerance)

    def test_builder_flags(self):
        """Each is set alone, and the engine computes the same: to 16 bits where it permits them."""
        for flag in trt.BuilderFlag:

            def switch(config):
                self.assertFalse(config.get_flag(flag))
                config.set_flag(flag)
                self.assertTrue(config.get_flag(flag) and config.flags == 1 << int(flag))

            self.agrees(self.engine(set=switch), 5e-2 if flag in (trt.BuilderFlag.FP16, trt.BuilderFlag.BF16, trt.BuilderFlag.TF32) else 1e-4)

    def test_settings_without_effect(self):
        """What a build is told that has no meaning here is kept, and the engine is the same."""
        settings = {"hardware_compatibility_level": trt.HardwareCompatibilityLevel, "tiling_optimization_level": trt.TilingOptimizationLevel, "profiling_verbosity": trt.ProfilingVerbosity}
        for name, kind in settings.items():
            for value in kind:

                def switch(config):
                    setattr(config, name, value)
                    self.assertEqual(getattr(config, name), value)

                self.agrees(self.engine(set=switch))
        for source in trt.TacticSource:
            self.agrees(self.engine(set=lambda config: self.assertTrue(config.set_tactic_sources(1 << int(source)) and config.get_tactic_sources() == 1 << int(source))))
        for feature in trt.PreviewFeature:

            def prefer(config):
                config.set_preview_feature(feature, True)
                self.assertTrue(config.get_preview_feature(feature))

            self.agrees(self.engine(set=prefer))
        for pool in trt.MemoryPoolType:

            def limit(config):
                config.set_memory_pool_limit(pool, 1 << 20)
                self.assertEqual(config.get_memory_pool_limit(pool), 1 << 20)

            self.agrees(self.engine(set=limit))

    def test_what_a_plan_is_for(self):
        """The names of an engine's capabilities and platforms; those of TensorRT 7 are others of the same."""
        kinds = trt.EngineCapability
        self.assertEqual((kinds.DEFAULT, kinds.SAFE_GPU, kinds.SAFE_DLA), (kinds.STANDARD, kinds.SAFETY, kinds.DLA_STANDALONE))
        self.assertEqual(self.engine().engine_capability, kinds.STANDARD)
        self.assertNotEqual(trt.Builder(LOGGER).create_builder_config().runtime_platform, trt.RuntimePlatform.WINDOWS_AMD64)

    def test_network_and_parser_flags(self):
        for flag in trt.NetworkDefinitionCreationFlag:
            self.assertTrue(trt.Builder(LOGGER).create_network(1 << int(flag)).get_flag(flag))
            self.agrees(self.engine(network_flags=1 << int(flag)))
        for flag in trt.OnnxParserFlag:
            self.agrees(self.engine(parser_flags=[flag]))

    def test_contexts_and_serialization(self):
        engine = self.engine(set=lambda config: config.set_flag(trt.BuilderFlag.REFIT))
        for strategy in (trt.ExecutionContextAllocationStrategy.STATIC, trt.ExecutionContextAllocationStrategy.ON_PROFILE_CHANGE, trt.ExecutionContextAllocationStrategy.USER_MANAGED):
            self.assertIsNotNone(engine.create_execution_context(strategy))
            settings = engine.create_runtime_config()
            settings.set_execution_context_allocation_strategy(strategy)
            self.assertEqual(settings.get_execution_context_allocation_strategy(), strategy)
            self.assertIsNotNone(engine.create_execution_context(settings))
        for flag in (trt.SerializationFlag.INCLUDE_REFIT, trt.SerializationFlag.EXCLUDE_LEAN_RUNTIME):
            config = engine.create_serialization_config()
            config.set_flag(flag)
            again = trt.Runtime(LOGGER).deserialize_cuda_engine(engine.serialize_with_config(config))
            self.assertTrue(config.get_flag(flag) and again.refittable)
            self.agrees(again)
        self.assertEqual({engine.get_tensor_mode(name) for name in ("x", "y")}, set(trt.TensorIOMode) - {trt.TensorIOMode.NONE})
        runtime = trt.Runtime(LOGGER)
        for flag in (trt.TempfileControlFlag.ALLOW_IN_MEMORY_FILES, trt.TempfileControlFlag.ALLOW_TEMPORARY_FILES):
            runtime.tempfile_control_flags = 1 << int(flag)
            self.assertEqual(runtime.tempfile_control_flags, 1 << int(flag))
            self.agrees(runtime.deserialize_cuda_engine(engine.serialize()))

    def test_formats(self):
        """Whatever a tensor may have, the engine has LINEAR, and says so."""
        for kind in trt.TensorFormat:
            builder, network = new()
            (x,) = inputs_of(network, {"x": self.x})
            x.allowed_formats = 1 << int(trt.TensorFormat.LINEAR) | 1 << int(kind)
            self.assertEqual(x.allowed_formats, 1 << int(trt.TensorFormat.LINEAR) | 1 << int(kind))
            first(network.add_activation(x, trt.ActivationType.RELU)).name = "y"
            network.mark_output(first(network.get_layer(0)))
            engine = build(builder, network)
            self.assertEqual((engine.get_tensor_format("x"), engine.get_tensor_format("y")), (trt.TensorFormat.LINEAR,) * 2)
            close(run(engine, {"x": self.x})["y"], np.maximum(self.x, 0))

    def test_roles_of_weights(self):
        """Scales, shifts and constants are given others by their roles; ANY is of weights whose role nobody tells."""
        builder, network = new()
        (x,) = inputs_of(network, {"x": draw(1, 2, 3, 3)})
        scale = network.add_scale(x, trt.ScaleMode.CHANNEL, draw(2), draw(2), np.ones(2, np.float32))
        more = network.add_constant((1, 2, 3, 3), draw(1, 2, 3, 3))
        last = network.add_elementwise(first(scale), first(more), trt.ElementWiseOperation.SUM)
        scale.name, more.name, first(last).name = "scale", "more", "y"
        network.mark_output(first(last))
        config = builder.create_builder_config()
        config.set_flag(trt.BuilderFlag.REFIT)
        engine = builder.build_engine_with_config(network, config)
        refitter, a, b, c, image = trt.Refitter(engine, LOGGER), draw(2), draw(2), draw(1, 2, 3, 3), draw(1, 2, 3, 3)
        for layer, role, weights in (("scale", trt.WeightsRole.SCALE, b), ("scale", trt.WeightsRole.SHIFT, a), ("more", trt.WeightsRole.CONSTANT, c)):
            self.assertTrue(refitter.set_weights(layer, role, weights), LOGGER.lines[-1])
        refitter.error_recorder, refitter.max_threads, refitter.weights_validation = trt.IErrorRecorder(), 2, False
        self.assertFalse(refitter.set_weights("more", trt.WeightsRole.ANY, c))
        self.assertEqual((refitter.error_recorder.num_errors(), refitter.max_threads, refitter.weights_validation, refitter.logger), (1, 2, False, LOGGER))
        self.assertTrue(refitter.refit_cuda_engine())
        close(run(engine, {"x": image})["y"], image * b.reshape(1, 2, 1, 1) + a.reshape(1, 2, 1, 1) + c)

    def test_individual_weights(self):
        """With REFIT_INDIVIDUAL those that are marked are given others, and no more."""
        builder, network = new()
        (x,) = inputs_of(network, {"x": self.x})
        names, made, last = ("a", "b", "c"), [draw(1, 4) for _ in range(3)], x
        for name, value in zip(names, made):
            weights = trt.Weights(value)
            last = first(network.add_elementwise(last, first(network.add_constant((1, 4), weights)), trt.ElementWiseOperation.SUM))
            self.assertTrue(network.set_weights_name(weights, name) and network.mark_weights_refittable(name))
        self.assertTrue(network.unmark_weights_refittable("b") and not network.are_weights_marked_refittable("b") and network.are_weights_marked_refittable("a"))
        last.name = "y"
        network.mark_output(last)
        engine = build(builder, network, set=[trt.BuilderFlag.REFIT_INDIVIDUAL])
        refitter, other = trt.Refitter(engine, LOGGER), draw(1, 4)
        self.assertEqual(sorted(refitter.get_all_weights()), ["a", "c"])
        self.assertFalse(refitter.set_named_weights("b", other))
        self.assertTrue(refitter.set_named_weights("a", other) and refitter.refit_cuda_engine())
        close(run(engine, {"x": self.x})["y"], self.x + other + made[1] + made[2])

    def test_calibrators_tell_their_algorithm(self):
        wanted = {trt.IInt8LegacyCalibrator: trt.CalibrationAlgoType.LEGACY_CALIBRATION, trt.IInt8EntropyCalibrator: trt.CalibrationAlgoType.ENTROPY_CALIBRATION,
                  trt.IInt8EntropyCalibrator2: trt.CalibrationAlgoType.ENTROPY_CALIBRATION_2, trt.IInt8MinMaxCalibrator: trt.CalibrationAlgoType.MINMAX_CALIBRATION}  # fmt: skip
        for kind, algorithm in wanted.items():
            self.assertEqual(kind().get_algorithm(), algorithm)

    def test_error_codes(self):
        """A recorder gives back what it was told; the library tells those of its errors."""
        recorder = trt.IErrorRecorder()
        for code in trt.ErrorCode:
            recorder.report_error(code, code.name)
        self.assertEqual([recorder.get_error_code(i) for i in range(recorder.num_errors())], list(trt.ErrorCode))
        runtime = trt.Runtime(LOGGER)
        runtime.error_recorder = trt.IErrorRecorder()
        self.assertIsNone(runtime.deserialize_cuda_engine(b"no plan"))
        self.assertNotEqual(runtime.error_recorder.get_error_code(0), trt.ErrorCode.SUCCESS)


class Parts(trt.IPluginV3):
    """x plus the first element of its field, made of parts; notes which are asked for."""

    asked, phases = set(), set()

    def __init__(self, fields):
        super().__init__()
        self.fields = fields

    def get_capability_interface(self, type):
        self.asked.add(type)
        return {trt.PluginCapabilityType.CORE: Core, trt.PluginCapabilityType.BUILD: Build, trt.PluginCapabilityType.RUNTIME: Work}[type](self.fields)


class Part:
    def __init__(self, fields):
        super().__init__()
        self.fields = fields


class Core(Part, trt.IPluginV3OneCore):
    plugin_name = "Parts"


class Build(Part, trt.IPluginV3OneBuild):
    def get_output_data_types(self, input_types):
        return [input_types[0]]

    def get_output_shapes(self, inputs, shape_inputs, expr_builder):
        return [trt.DimsExprs(inputs[0])]


class Work(Part, trt.IPluginV3OneRuntime):
    def get_fields_to_serialize(self):
        return trt.PluginFieldCollection(self.fields)

    def enqueue(self, input_desc, output_desc, inputs, outputs, workspace, stream):
        number = self.fields[0].data if self.fields[0].type == trt.PluginFieldType.CHAR else self.fields[0].data[0]
        put(outputs[0], taken(inputs[0], input_desc[0].dims) + np.float32(float(number)))


class PartsCreator(trt.IPluginCreatorV3One):
    name = "Parts"

    def create_plugin(self, name, fields, phase):
        Parts.phases.add(phase)
        return Parts(fields)


class Plugins(unittest.TestCase):
    def test_parts_phases_and_fields(self):
        """A plugin is asked for its parts, its creator is told when, and fields of each type come back in the run."""
        registry, creator, x = trt.get_plugin_registry(), PartsCreator(), draw(2, 3)
        registry.register_creator(creator, "")
        try:
            kinds = {trt.PluginFieldType.FLOAT16: np.float16, trt.PluginFieldType.FLOAT32: np.float32, trt.PluginFieldType.FLOAT64: np.float64, trt.PluginFieldType.INT8: np.int8,
                     trt.PluginFieldType.INT16: np.int16, trt.PluginFieldType.INT32: np.int32, trt.PluginFieldType.INT64: np.int64}  # fmt: skip
            for kind, dtype in kinds.items():
                field = trt.PluginField("value", np.array([3], dtype))
                self.assertEqual(field.type, kind)
                plugin = creator.create_plugin("p", trt.PluginFieldCollection([field]), trt.TensorRTPhase.BUILD)
                close(outputs(lambda n, t: first(n.add_plugin_v3([t], [], plugin)), {"x": x}), x + 3)
            text = trt.PluginField("value", "5")
            self.assertEqual(text.type, trt.PluginFieldType.CHAR)
            close(outputs(lambda n, t: first(n.add_plugin_v3([t], [], Parts([text]))), {"x": x}), x + 5)
        finally:
            registry.deregister_creator(creator)
        self.assertEqual(Parts.phases, {trt.TensorRTPhase.BUILD, trt.TensorRTPhase.RUNTIME})
        self.assertEqual(Parts.asked, set(trt.PluginCapabilityType))
        self.assertEqual(trt.PluginField("none").type, trt.PluginFieldType.UNKNOWN)
        for kind in (trt.PluginFieldType.BF16, trt.PluginFieldType.FP8, trt.PluginFieldType.INT4, trt.PluginFieldType.FP4, trt.PluginFieldType.DIMS):  # of which numpy has no type: they are told
            self.assertEqual(trt.PluginField("value", np.zeros(2, np.uint8), kind).type, kind)

    def test_quick_plugins_say_what_to_use(self):
        self.assertFalse(hasattr(trt, "plugin"))
        with self.assertRaisesRegex(AttributeError, "IPluginV3"):
            trt.plugin
        with self.assertRaisesRegex(ImportError, "add_plugin_v3"):
            import planish.tensorrt.plugin  # noqa: F401

    def test_extents(self):
        """What an expression of two extents is, as Python has it."""
        e, op = trt.IExprBuilder(), trt.DimensionOperation
        wanted = {op.SUM: 19, op.PROD: 84, op.MAX: 12, op.MIN: 7, op.SUB: 5, op.EQUAL: 0, op.LESS: 0, op.FLOOR_DIV: 1, op.CEIL_DIV: 2}
        some = e.constant(12), e.operation(op.SUM, e.constant(1), trt.IDimensionExpr(None))
        self.assertEqual([(d.is_constant(), d.is_size_tensor(), d.get_constant_value()) for d in some], [(True, False, 12), (False, False, -1)])
        self.assertEqual({one: e.operation(one, e.constant(12), e.constant(7)).get_constant_value() for one in op}, wanted)
        self.assertEqual((e.operation(op.EQUAL, e.constant(4), e.constant(4)).get_constant_value(), e.operation(op.LESS, e.constant(3), e.constant(4)).get_constant_value()), (1, 1))


if __name__ == "__main__":
    unittest.main()
