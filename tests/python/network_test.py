"""Networks built layer by layer through planish.tensorrt, each layer against numpy or the reference of ONNX."""
import unittest

import numpy as np
from onnx import TensorProto, helper

import models
import planish
import planish.pycuda.driver as cuda
import planish.tensorrt as trt
from memory import on_device, taken
from tensorrt_test import Quiet

RNG = np.random.default_rng(11)


LOGGER = Quiet()


def draw(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def new():
    builder = trt.Builder(LOGGER)
    return builder, builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH) if trt.base.generation() < 11 else 0)


def inputs_of(network, arrays, dynamic=()):
    types = {np.dtype(np.float32): trt.float32, np.dtype(np.float16): trt.float16, np.dtype(np.int32): trt.int32, np.dtype(np.int64): trt.int64, np.dtype(bool): trt.bool, np.dtype(np.int8): trt.int8}
    return [network.add_input(name, types[a.dtype], [-1 if (name, d) in dynamic else e for d, e in enumerate(a.shape)]) for name, a in arrays.items()]


def build(builder, network, **flags):
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    for flag in flags.get("set", ()):
        config.set_flag(flag)
    plan = builder.build_serialized_network(network, config)
    assert plan is not None, LOGGER.lines[-1][1]
    return trt.Runtime(LOGGER).deserialize_cuda_engine(plan)


class Grow(trt.IOutputAllocator):
    """Memory for outputs when their sizes are known, on the GPU where engines are."""

    def __init__(self):
        super().__init__()
        self.memory, self.shape = {}, {}

    def reallocate_output(self, name, memory, size, alignment):
        self.memory[name] = cuda.mem_alloc(max(size, 1))
        return int(self.memory[name])

    def notify_shape(self, name, shape):
        self.shape[name] = tuple(shape)


def run(engine, arrays):
    context, grow, out, kept = engine.create_execution_context(), Grow(), {}, []
    for i in range(engine.num_io_tensors):
        name = engine.get_tensor_name(i)
        if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT:
            array = np.array(arrays[name], order="C")
            kept.append(on_device(array))
            assert context.set_input_shape(name, array.shape), LOGGER.lines[-1]
            assert context.set_tensor_address(name, int(kept[-1]))
        else:
            assert context.set_output_allocator(name, grow)
    assert context.execute_async_v3(0), LOGGER.lines[-1][1]
    for name, shape in grow.shape.items():
        context.context.output_shape(name)  # on a GPU a run may meet an error behind its return: whoever asks is told
        out[name] = taken(grow.memory[name], shape, trt.nptype(engine.get_tensor_dtype(name)))
    return out


def outputs(make, arrays, dynamic=()):
    """Builds what make(network, *tensors) gives, runs it, and returns its outputs; shapes told before the build must be those of the run."""
    builder, network = new()
    made = make(network, *inputs_of(network, arrays, dynamic))
    made = list(made) if isinstance(made, (list, tuple)) else [made]
    told = []
    for i, tensor in enumerate(made):
        told.append((tuple(tensor.shape), tensor.rank, tensor.dtype))
        tensor.name = f"out{i}"
        network.mark_output(tensor)
    result = run(build(builder, network), dict(arrays))
    out = [result[f"out{i}"] for i in range(len(made))]
    for (shape, rank, dtype), array in zip(told, out):
        assert len(shape) == rank == array.ndim and all(s in (-1, e) for s, e in zip(shape, array.shape)), (shape, rank, array.shape)
        assert np.dtype(trt.nptype(dtype)) == array.dtype, (dtype, array.dtype)
    return out if len(out) > 1 else out[0]


def onnx_says(op, arrays, count=1, opset=20, **attributes):
    nodes = [helper.make_node(op, list(arrays), [f"o{i}" for i in range(count)], **attributes)]
    types = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "int32": TensorProto.INT32, "bool": TensorProto.BOOL}
    model = helper.make_model(
        helper.make_graph(nodes, "g", [helper.make_tensor_value_info(k, types[v.dtype.name], v.shape) for k, v in arrays.items()],
                          [helper.make_empty_tensor_value_info(f"o{i}") for i in range(count)]), opset_imports=[helper.make_opsetid("", opset)], ir_version=10)  # fmt: skip
    out = list(planish.run(model, arrays, device="ref").values())
    return out if count > 1 else out[0]


def close(a, b, tolerance=1e-5):
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def first(layer):
    return layer.get_output(0)


class Windows(unittest.TestCase):
    def test_convolution(self):
        x, w, b = draw(2, 4, 9, 7), draw(6, 2, 3, 3), draw(6)

        def make(n, t):
            layer = n.add_convolution_nd(t, 6, (3, 3), w, b)
            layer.stride_nd, layer.padding_nd, layer.num_groups, layer.dilation_nd = (2, 1), (1, 2), 2, (1, 2)
            self.assertEqual((layer.num_output_maps, tuple(layer.kernel_size_nd), layer.bias.size), (6, (3, 3), 6))
            return first(layer)

        expected = onnx_says("Conv", {"x": x, "w": w, "b": b}, strides=[2, 1], pads=[1, 2, 1, 2], group=2, dilations=[1, 2])
        close(outputs(make, {"x": x}), expected, 1e-4)

    def test_convolution_paddings(self):
        x, w = draw(1, 3, 8, 8), draw(4, 3, 3, 3)
        for mode, auto in ((trt.PaddingMode.SAME_UPPER, "SAME_UPPER"), (trt.PaddingMode.SAME_LOWER, "SAME_LOWER")):

            def make(n, t):
                layer = n.add_convolution(t, 4, 3, trt.Weights(w))
                layer.padding_mode, layer.stride = mode, (2, 2)
                return first(layer)

            close(outputs(make, {"x": x}), onnx_says("Conv", {"x": x, "w": w}, auto_pad=auto, strides=[2, 2]), 1e-4)

        def up(n, t):
            layer = n.add_convolution_nd(t, 4, (3, 3), w, trt.Weights())
            layer.padding_mode, layer.stride_nd, layer.pre_padding, layer.post_padding = trt.PaddingMode.EXPLICIT_ROUND_UP, (2, 2), (0, 1), (0, 0)
            return first(layer)

        close(outputs(up, {"x": x}), onnx_says("Conv", {"x": x, "w": w}, pads=[0, 1, 1, 0], strides=[2, 2]), 1e-4)

    def test_convolution_of_tensors(self):
        x, w, b = draw(1, 2, 5), draw(3, 2, 3), draw(3)

        def make(n, t, tw, tb):
            layer = n.add_convolution_nd(t, 3, (3,), trt.Weights())
            layer.set_input(1, tw)
            layer.set_input(2, tb)
            self.assertEqual(layer.num_inputs, 3)
            return first(layer)

        close(outputs(make, {"x": x, "w": w, "b": b}), onnx_says("Conv", {"x": x, "w": w, "b": b}), 1e-4)

    def test_deconvolution(self):
        x, w = draw(1, 4, 5, 5), draw(4, 3, 3, 3)

        def make(n, t):
            layer = n.add_deconvolution_nd(t, 3, (3, 3), w)
            layer.stride_nd, layer.padding_nd = (2, 2), (1, 1)
            return first(layer)

        close(outputs(make, {"x": x}), onnx_says("ConvTranspose", {"x": x, "w": w}, strides=[2, 2], pads=[1, 1, 1, 1]), 1e-4)
        close(outputs(lambda n, t: first(n.add_deconvolution(t, 3, (3, 3), w)), {"x": x}), onnx_says("ConvTranspose", {"x": x, "w": w}), 1e-4)

    def test_pooling(self):
        x = draw(1, 2, 8, 8)
        for kind, op, more in ((trt.PoolingType.MAX, "MaxPool", {}), (trt.PoolingType.AVERAGE, "AveragePool", {"count_include_pad": 0})):
            for mode, ceil in ((trt.PaddingMode.EXPLICIT_ROUND_DOWN, 0), (trt.PaddingMode.EXPLICIT_ROUND_UP, 1)):

                def make(n, t):
                    layer = n.add_pooling_nd(t, kind, (3, 3))
                    layer.stride_nd, layer.padding_nd, layer.padding_mode = (2, 2), (1, 1), mode
                    self.assertEqual(layer.type, kind)
                    return first(layer)

                close(outputs(make, {"x": x}), onnx_says(op, {"x": x}, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=ceil, **more))

        def blend(n, t):
            layer = n.add_pooling(t, trt.PoolingType.MAX_AVERAGE_BLEND, 3)
            layer.blend_factor = 0.25
            return first(layer)

        close(outputs(blend, {"x": x}), 0.25 * onnx_says("AveragePool", {"x": x}, kernel_shape=[3, 3]) + 0.75 * onnx_says("MaxPool", {"x": x}, kernel_shape=[3, 3]))

        def padded(n, t):
            layer = n.add_pooling_nd(t, trt.PoolingType.AVERAGE, (3, 3))
            layer.padding_nd, layer.average_count_excludes_padding = (1, 1), False
            return first(layer)

        close(outputs(padded, {"x": x}), onnx_says("AveragePool", {"x": x}, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1))

    def test_fully_connected(self):
        x, w, b = draw(2, 3, 4, 5), draw(7, 60), draw(7)
        close(outputs(lambda n, t: first(n.add_fully_connected(t, 7, w, b)), {"x": x}), (x.reshape(2, 60) @ w.T + b).reshape(2, 7, 1, 1), 1e-4)


class Elements(unittest.TestCase):
    def test_activations(self):
        x = np.concatenate([draw(50) * 3, [0, -0.0, np.inf, -np.inf]]).astype(np.float32)
        sigmoid = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
        erf = np.vectorize(__import__("math").erf)
        a, b = np.float32(0.3), np.float32(1.7)
        with np.errstate(all="ignore"):
            expected = {
                "RELU": np.maximum(x, 0), "SIGMOID": sigmoid(x), "TANH": np.tanh(x), "LEAKY_RELU": np.where(x < 0, a * x, x), "ELU": np.where(x < 0, a * np.expm1(x), x),
                "SELU": np.where(x <= 0, b * (a * np.exp(x) - a), b * x), "SOFTSIGN": x / (1 + np.abs(x)), "SOFTPLUS": a * np.logaddexp(0, b * x), "CLIP": np.clip(x, a, b),
                "HARD_SIGMOID": np.clip(a * x + b, 0, 1), "SCALED_TANH": a * np.tanh(b * x), "THRESHOLDED_RELU": np.where(x > a, x, 0), "GELU_ERF": x / 2 * (1 + erf(x / np.sqrt(2))),
                "GELU_TANH": x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))), "SWISH": x * sigmoid(a * x),
            }  # fmt: skip
        for kind in trt.ActivationType:

            def make(n, t):
                layer = n.add_activation(t, kind)
                layer.alpha, layer.beta = 0.3, 1.7
                self.assertEqual((layer.type, n.get_layer(0).type), (kind, trt.LayerType.ACTIVATION))
                return first(layer)

            finite = np.isfinite(expected[kind.name])
            close(outputs(make, {"x": x})[finite], expected[kind.name][finite])
        builder, network = new()
        network.mark_output(first(network.add_activation(network.add_input("x", trt.float32, (4,)), trt.ActivationType.LEAKY_RELU)))
        self.assertIsNone(builder.build_serialized_network(network, builder.create_builder_config()))
        self.assertIn("layer.alpha", LOGGER.lines[-1][1])

    def test_elementwise(self):
        a, b = draw(3, 4), draw(1, 4)
        expected = {"SUM": a + b, "PROD": a * b, "MAX": np.maximum(a, b), "MIN": np.minimum(a, b), "SUB": a - b, "DIV": a / b, "POW": np.abs(a) ** b, "FLOOR_DIV": np.floor(a / b), "EQUAL": a == b,
                    "GREATER": a > b, "LESS": a < b}  # fmt: skip
        for name, want in expected.items():
            x = np.abs(a) if name == "POW" else a
            close(outputs(lambda n, s, t: first(n.add_elementwise(s, t, trt.ElementWiseOperation[name])), {"a": x, "b": b}), want)
        p, q = RNG.random((2, 3)) < 0.5, RNG.random((2, 3)) < 0.5
        for name, want in (("AND", p & q), ("OR", p | q), ("XOR", p ^ q)):
            np.testing.assert_array_equal(outputs(lambda n, s, t: first(n.add_elementwise(s, t, trt.ElementWiseOperation[name])), {"a": p, "b": q}), want)
        i, j = np.array([7, -7, 7, -7, 6, -6], np.int32), np.array([2, 2, -2, -2, 3, 3], np.int32)
        np.testing.assert_array_equal(outputs(lambda n, s, t: first(n.add_elementwise(s, t, trt.ElementWiseOperation.FLOOR_DIV)), {"a": i, "b": j}), i // j)

    def test_unary(self):
        x = (RNG.random((3, 5)) * 0.8 + 0.1).astype(np.float32)
        ops = {"EXP": np.exp, "LOG": np.log, "SQRT": np.sqrt, "RECIP": np.reciprocal, "ABS": np.abs, "NEG": np.negative, "SIN": np.sin, "COS": np.cos, "TAN": np.tan, "SINH": np.sinh, "COSH": np.cosh,
               "ASIN": np.arcsin, "ACOS": np.arccos, "ATAN": np.arctan, "ASINH": np.arcsinh, "ATANH": np.arctanh, "CEIL": np.ceil, "FLOOR": np.floor, "SIGN": np.sign, "ROUND": np.round,
               "ISINF": np.isinf, "ISNAN": np.isnan, "ERF": np.vectorize(__import__("math").erf)}  # fmt: skip
        for name, function in ops.items():
            close(outputs(lambda n, t: first(n.add_unary(t, trt.UnaryOperation[name])), {"x": x}), function(x))
        close(outputs(lambda n, t: first(n.add_unary(t, trt.UnaryOperation.ACOSH)), {"x": x + 1}), np.arccosh(x + 1))
        p = x > 0.5
        np.testing.assert_array_equal(outputs(lambda n, t: first(n.add_unary(t, trt.UnaryOperation.NOT)), {"x": p}), ~p)

    def test_scale(self):
        x, s, h, p = np.abs(draw(2, 3, 4, 4)), draw(3), np.abs(draw(3)) + 5, np.array([2, 1, 3], np.float32)
        c = lambda v: v.reshape(3, 1, 1)  # noqa: E731
        close(outputs(lambda n, t: first(n.add_scale(t, trt.ScaleMode.CHANNEL, h, np.abs(s), p)), {"x": x}), (x * c(np.abs(s)) + c(h)) ** c(p), 1e-4)
        one = lambda v: np.array([v], np.float32)  # noqa: E731
        close(outputs(lambda n, t: first(n.add_scale(t, trt.ScaleMode.UNIFORM, one(1), one(2))), {"x": x}), x * 2 + 1)
        each = draw(3, 4, 4)
        close(outputs(lambda n, t: first(n.add_scale_nd(t, trt.ScaleMode.ELEMENTWISE, scale=each)), {"x": x}), x * each)
        close(outputs(lambda n, t: first(n.add_scale_nd(t, trt.ScaleMode.CHANNEL, scale=draw(4) * 0 + 3, channel_axis=3)), {"x": x}), x * 3)
        close(outputs(lambda n, t: first(n.add_scale(t, trt.ScaleMode.UNIFORM)), {"x": x}), x)

    def test_others(self):
        x, slopes = draw(2, 3), np.abs(draw(1, 3))
        close(outputs(lambda n, t, s: first(n.add_parametric_relu(t, s)), {"x": x, "s": slopes}), np.where(x < 0, x * slopes, x))
        c, y = draw(2, 3) > 0, draw(2, 3)
        close(outputs(lambda n, p, s, t: first(n.add_select(p, s, t)), {"c": c, "x": x, "y": y}), np.where(c, x, y))
        close(outputs(lambda n, t: first(n.add_identity(t)), {"x": x}), x)
        np.testing.assert_array_equal(outputs(lambda n, t: first(n.add_cast(t, trt.int32)), {"x": x * 9}), (x * 9).astype(np.int32))

        def cast(n, t):
            layer = n.add_identity(t)
            layer.set_output_type(0, trt.float16)
            self.assertTrue(layer.output_type_is_set(0) and layer.get_output_type(0) == trt.float16)
            return first(layer)

        close(outputs(cast, {"x": x}), x.astype(np.float16))

        def back(n, t):
            layer = n.add_activation(t, trt.ActivationType.RELU)
            layer.set_output_type(0, trt.float16)
            return first(layer)

        self.assertEqual(outputs(back, {"x": x}).dtype, np.float16)
        close(outputs(lambda n, t: first(n.add_elementwise(t, first(n.add_constant((2, 3), y)), trt.ElementWiseOperation.SUM)), {"x": x}), x + y)
        image = np.abs(draw(1, 6, 3, 3))
        close(outputs(lambda n, t: first(n.add_lrn(t, 3, 0.1, 0.75, 2.0)), {"x": image}), onnx_says("LRN", {"x": image}, size=3, alpha=0.1, beta=0.75, bias=2.0))

    def test_quantize(self):
        x, s = draw(4, 8) * 5, np.array(0.1, np.float32)

        def make(n, t):
            scale = first(n.add_constant((), s))
            q = n.add_quantize(t, scale)
            self.assertEqual(first(q).dtype, trt.int8)
            return [first(q), first(n.add_dequantize(first(q), scale))]

        q, y = outputs(make, {"x": x})
        np.testing.assert_array_equal(q, np.clip(np.round(x / s), -128, 127).astype(np.int8))
        close(y, q * s)
        scales = np.abs(draw(4)) + 0.1

        def channels(n, t):
            layer = n.add_quantize(t, first(n.add_constant((4,), scales)), trt.int8)
            layer.axis = 0
            return first(layer)

        np.testing.assert_array_equal(outputs(channels, {"x": x}), np.clip(np.round(x / scales[:, None]), -128, 127).astype(np.int8))

    def test_fill(self):
        def line(n):
            layer = n.add_fill((4,), trt.FillOperation.LINSPACE)
            layer.alpha, layer.beta = 2.0, 0.5
            return first(layer)

        close(outputs(line, {}), 2 + 0.5 * np.arange(4, dtype=np.float32))

        def plane(n, shape):
            layer = n.add_fill((1, 1), trt.FillOperation.LINSPACE, trt.int32)
            layer.set_input(0, shape)
            layer.set_input(1, first(n.add_constant((), np.array(5, np.int32))))
            layer.set_input(2, first(n.add_constant((2,), np.array([10, 1], np.int32))))
            return first(layer)

        np.testing.assert_array_equal(outputs(plane, {"s": np.array([2, 3], np.int32)}), [[5, 6, 7], [15, 16, 17]])

        def uniform(n):
            layer = n.add_fill((1000,), trt.FillOperation.RANDOM_UNIFORM)
            layer.alpha, layer.beta = -2.0, 3.0
            return first(layer)

        u = outputs(uniform, {})
        self.assertTrue(-2 <= u.min() < -1.5 and 2.5 < u.max() <= 3 and abs(u.mean() - 0.5) < 0.3)

        def normal(n):
            layer = n.add_fill((1000,), trt.FillOperation.RANDOM_NORMAL)
            layer.alpha, layer.beta = 4.0, 0.5
            return first(layer)

        u = outputs(normal, {})
        self.assertTrue(abs(u.mean() - 4) < 0.1 and abs(u.std() - 0.5) < 0.1)


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


class Rows(unittest.TestCase):
    def test_softmax(self):
        x = draw(2, 3, 4)

        def make(n, t):
            layer = n.add_softmax(t)
            layer.axes = 1 << 2
            return first(layer)

        close(outputs(make, {"x": x}), softmax(x, 2))
        close(outputs(lambda n, t: first(n.add_softmax(t)), {"x": x}), softmax(x, 0))
        bounds = np.array([[[2], [4], [1]], [[3], [1], [4]]], np.int32)
        expected = np.zeros_like(x)
        for i in range(2):
            for j in range(3):
                expected[i, j, : bounds[i, j, 0]] = softmax(x[i, j, : bounds[i, j, 0]], 0)
        close(outputs(lambda n, t, b: first(n.add_ragged_softmax(t, b)), {"x": x, "b": bounds}), expected)

    def test_reduce(self):
        x = draw(2, 3, 4)
        for op, function in (("SUM", np.sum), ("PROD", np.prod), ("MAX", np.max), ("MIN", np.min), ("AVG", np.mean)):
            for keep in (False, True):
                close(outputs(lambda n, t: first(n.add_reduce(t, trt.ReduceOperation[op], 0b101, keep)), {"x": x}), function(x, axis=(0, 2), keepdims=keep))
        builder, network = new()
        network.mark_output(first(network.add_reduce(network.add_input("x", trt.float32, (2,)), trt.ReduceOperation.SUM, 0b100, False)))
        self.assertIsNone(builder.build_serialized_network(network, builder.create_builder_config()))
        self.assertIn("0b100", LOGGER.lines[-1][1])

    def test_cumulative(self):
        x = draw(3, 4)
        axis = lambda n: first(n.add_constant((), np.array(1, np.int32)))  # noqa: E731
        close(outputs(lambda n, t: first(n.add_cumulative(t, axis(n), trt.CumulativeOperation.SUM, False, False)), {"x": x}), np.cumsum(x, 1))
        close(outputs(lambda n, t: first(n.add_cumulative(t, axis(n), trt.CumulativeOperation.SUM, True, True)), {"x": x}), np.cumsum(x[:, ::-1], 1)[:, ::-1] - x)

    def test_topk(self):
        x = draw(3, 9)
        for op, sign in ((trt.TopKOperation.MAX, -1), (trt.TopKOperation.MIN, 1)):
            values, indices = outputs(lambda n, t: [n.add_topk(t, op, 4, 1 << 1).get_output(i) for i in range(2)], {"x": x})
            order = np.argsort(sign * x, axis=1)[:, :4]
            np.testing.assert_array_equal(indices, order)
            self.assertEqual(indices.dtype, np.int32)
            close(values, np.take_along_axis(x, order, 1))

        def more(n, t, k):
            layer = n.add_topk(t, trt.TopKOperation.MAX, 1, 2, trt.int64)
            layer.set_input(1, k)
            return layer.get_output(1)

        trt.set_generation(10)
        try:
            got = outputs(more, {"x": x, "k": np.array(2, np.int32)})
        finally:
            trt.set_generation(8)
        self.assertEqual((got.dtype, got.shape), (np.dtype(np.int64), (3, 2)))

    def test_normalization(self):
        x, s, b = draw(2, 6, 4, 5), draw(1, 6, 1, 1), draw(1, 6, 1, 1)
        for mask, axes in ((0b1100, (2, 3)), (0b1000, (3,)), (0b1110, (1, 2, 3)), (0b0010, (1,))):
            want = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-3) * s + b

            def make(n, t, u, v):
                layer = n.add_normalization(t, u, v, mask)
                layer.epsilon = 1e-3
                return first(layer)

            close(outputs(make, {"x": x, "s": s, "b": b}), want, 1e-4)

        def groups(n, t, u, v):
            layer = n.add_normalization_v2(t, u, v, 0b1100)
            layer.num_groups = 3
            self.assertEqual((layer.is_v2, n.add_normalization(t, u, v, 0b1100).is_v2), (True, False))
            return first(layer)

        g = x.reshape(2, 3, -1)
        want = ((g - g.mean(2, keepdims=True)) / np.sqrt(g.var(2, keepdims=True) + 1e-5)).reshape(x.shape) * s + b
        close(outputs(groups, {"x": x, "s": s, "b": b}), want, 1e-4)


class Shapes(unittest.TestCase):
    def test_shuffle(self):
        x = draw(2, 3, 4)

        def make(n, t):
            layer = n.add_shuffle(t)
            layer.first_transpose, layer.reshape_dims, layer.second_transpose = trt.Permutation([2, 0, 1]), (0, -1), (1, 0)
            return first(layer)

        close(outputs(make, {"x": x}), x.transpose(2, 0, 1).reshape(4, 6).T)

        def to(n, t, shape):
            layer = n.add_shuffle(t)
            layer.set_input(1, shape)
            return first(layer)

        close(outputs(to, {"x": x, "s": np.array([6, 4], np.int32)}), x.reshape(6, 4))
        empty = draw(0, 3)

        def zero(n, t):
            layer = n.add_shuffle(t)
            layer.reshape_dims, layer.zero_is_placeholder = (3, 0), False
            return first(layer)

        self.assertEqual(outputs(zero, {"x": empty}).shape, (3, 0))
        close(outputs(lambda n, t: first(n.add_shuffle(t)), {"x": x}), x)

    def test_squeeze(self):
        x = draw(2, 1, 3)
        axes = lambda n, *a: first(n.add_constant((len(a),), np.array(a, np.int64)))  # noqa: E731
        close(outputs(lambda n, t: first(n.add_squeeze(t, axes(n, 1))), {"x": x}), x[:, 0])
        close(outputs(lambda n, t: first(n.add_unsqueeze(t, axes(n, 0, 4))), {"x": x}), x[None, ..., None])

    def test_slice(self):
        x = draw(4, 7)
        close(outputs(lambda n, t: first(n.add_slice(t, (1, 0), (2, 4), (1, 2))), {"x": x}), x[1:3, 0:8:2])
        close(outputs(lambda n, t: first(n.add_slice(t, (3, 6), (4, 3), (-1, -2))), {"x": x}), x[::-1, [6, 4, 2]])
        close(outputs(lambda n, t: first(n.add_slice(t, (1, 2), (3, 2), (0, 1))), {"x": x}), x[[1, 1, 1]][:, 2:4])
        index = np.arange(-3, 12)
        reflected = [3, 2, 1, 0, 1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1]
        for mode, want in (("WRAP", x[:, index % 7]), ("CLAMP", x[:, np.clip(index, 0, 6)]), ("REFLECT", x[:, reflected])):

            def make(n, t):
                layer = n.add_slice(t, (0, -3), (4, 15), (1, 1))
                layer.mode = trt.SampleMode[mode]
                return first(layer)

            close(outputs(make, {"x": x}), want)

        def fill(n, t):
            layer = n.add_slice(t, (-1, -3), (6, 15), (1, 1))
            layer.mode = trt.SampleMode.FILL
            layer.set_input(4, first(n.add_constant((), np.array(2.5, np.float32))))
            return first(layer)

        want = np.full((6, 15), 2.5, np.float32)
        want[1:5, 3:10] = x
        close(outputs(fill, {"x": x}), want)

        def tensors(n, t, start, shape):
            layer = n.add_slice(t, (), (), (1, 1))
            layer.start = layer.shape = None
            layer.set_input(1, start)
            layer.set_input(2, shape)
            return first(layer)

        close(outputs(tensors, {"x": x, "a": np.array([1, 2], np.int32), "b": np.array([2, 3], np.int32)}), x[1:3, 2:5])

        def axes(n, t):
            layer = n.add_slice(t, (2,), (3,), (1,))
            layer.axes = (1,)
            return first(layer)

        close(outputs(axes, {"x": x}), x[:, 2:5])

    def test_shape(self):
        x = draw(2, 5)
        for generation, dtype in ((8, np.int32), (10, np.int64)):
            trt.set_generation(generation)
            try:
                got = outputs(lambda n, t: first(n.add_shape(t)), {"x": x}, dynamic={("x", 0)})
            finally:
                trt.set_generation(8)
            np.testing.assert_array_equal(got, [2, 5])
            self.assertEqual(got.dtype, dtype)

    def test_concatenation_and_padding(self):
        a, b = draw(2, 3), draw(2, 2)

        def make(n, s, t):
            layer = n.add_concatenation([s, t])
            layer.axis = 1
            return first(layer)

        close(outputs(make, {"a": a, "b": b}), np.concatenate([a, b], 1))
        x = draw(1, 2, 4, 4)
        close(outputs(lambda n, t: first(n.add_padding_nd(t, (1, 0), (2, 3))), {"x": x}), np.pad(x, ((0, 0), (0, 0), (1, 2), (0, 3))))
        close(outputs(lambda n, t: first(n.add_padding(t, (-1, 0), (0, -2))), {"x": x}), x[:, :, 1:, :-2])

    def test_gather(self):
        x, i = draw(3, 4, 5), np.array([[0, 2], [1, 1]], np.int32)
        close(outputs(lambda n, t, j: first(n.add_gather(t, j, 1)), {"x": x, "i": i}), np.take(x, i, 1))
        elements = RNG.integers(0, 4, (3, 2, 5)).astype(np.int32)

        def each(n, t, j):
            layer = n.add_gather_v2(t, j, trt.GatherMode.ELEMENT)
            layer.axis = 1
            return first(layer)

        close(outputs(each, {"x": x, "i": elements}), np.take_along_axis(x, elements, 1))
        pairs = np.array([[0, 1], [2, 3]], np.int32)
        close(outputs(lambda n, t, j: first(n.add_gather_v2(t, j, trt.GatherMode.ND)), {"x": x, "i": pairs}), x[pairs[:, 0], pairs[:, 1]])
        batched = RNG.integers(0, 5, (3, 6)).astype(np.int32)

        def shared(n, t, j):
            layer = n.add_gather(t, j, 2)
            layer.num_elementwise_dims = 1
            return first(layer)

        close(outputs(shared, {"x": x, "i": batched}), np.stack([x[b][:, batched[b]] for b in range(3)]))

    def test_scatter(self):
        x, u = draw(3, 4), draw(2, 4)
        i = np.array([[2], [0]], np.int32)
        want = x.copy()
        want[[2, 0]] = u
        close(outputs(lambda n, t, j, v: first(n.add_scatter(t, j, v, trt.ScatterMode.ND)), {"x": x, "i": i, "u": u}), want)
        places, values = np.array([[1, 0, 2, 1]], np.int32), draw(1, 4)
        want = x.copy()
        np.put_along_axis(want, places.astype(np.int64), values, 0)

        def each(n, t, j, v):
            layer = n.add_scatter(t, j, v, trt.ScatterMode.ELEMENT)
            layer.axis = 0
            return first(layer)

        close(outputs(each, {"x": x, "i": places, "u": values}), want)

    def test_one_hot_and_non_zero(self):
        i, v = np.array([1, 0, 3], np.int32), np.array([0, 7], np.float32)
        depth = lambda n: first(n.add_constant((), np.array(4, np.int32)))  # noqa: E731
        close(outputs(lambda n, t, u: first(n.add_one_hot(t, u, depth(n), -1)), {"i": i, "v": v}), np.eye(4, dtype=np.float32)[i] * 7)
        x = np.array([[0, 1.5, 0], [2, 0, 0]], np.float32)
        np.testing.assert_array_equal(outputs(lambda n, t: first(n.add_non_zero(t)), {"x": x}), np.stack(np.nonzero(x)))

    def test_nms(self):
        boxes = np.array([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 10, 1, 11], [0, 10.1, 1, 11.1]]], np.float32)
        scores = np.array([[[0.9], [0.75], [0.6], [0.95]]], np.float32)

        def make(n, b, s):
            scalar = lambda v, t: first(n.add_constant((), np.array(v, t)))  # noqa: E731
            layer = n.add_nms(b, s, scalar(3, np.int32))
            layer.set_input(3, scalar(0.5, np.float32))
            layer.set_input(4, scalar(0.0, np.float32))
            layer.bounding_box_format = trt.BoundingBoxFormat.CORNER_PAIRS
            return [layer.get_output(0), layer.get_output(1)]

        found, count = outputs(make, {"b": boxes, "s": scores})
        np.testing.assert_array_equal(found, [[0, 0, 3], [0, 0, 0]])
        self.assertEqual(int(count), 2)

    def test_images(self):
        x = draw(1, 2, 4, 5)

        def make(n, t):
            layer = n.add_resize(t)
            layer.shape, layer.resize_mode = (1, 2, 8, 7), trt.InterpolationMode.LINEAR
            layer.coordinate_transformation = trt.ResizeCoordinateTransformation.HALF_PIXEL
            return first(layer)

        sizes = np.array([1, 2, 8, 7], np.int64)
        model = helper.make_model(helper.make_graph([helper.make_node("Resize", ["x", "", "", "s"], ["y"], mode="linear", coordinate_transformation_mode="half_pixel")], "g",
                                  [helper.make_tensor_value_info("x", 1, x.shape), helper.make_tensor_value_info("s", 7, [4])], [helper.make_empty_tensor_value_info("y")]), ir_version=10,
                                  opset_imports=[helper.make_opsetid("", 20)])  # fmt: skip
        close(outputs(make, {"x": x}), planish.run(model, {"x": x, "s": sizes}, device="ref")["y"])

        def nearest(n, t):
            layer = n.add_resize(t)
            layer.scales = (1, 1, 2, 2)
            return first(layer)

        close(outputs(nearest, {"x": x}), x.repeat(2, 2).repeat(2, 3))

        def to(n, t, s):
            layer = n.add_resize(t)
            layer.set_input(1, s)
            return first(layer)

        close(outputs(to, {"x": x, "s": np.array([1, 2, 8, 10], np.int32)}), x.repeat(2, 2).repeat(2, 3))
        grid = (RNG.random((1, 3, 3, 2)) * 2.4 - 1.2).astype(np.float32)
        for mode, told in ((trt.SampleMode.FILL, "zeros"), (trt.SampleMode.CLAMP, "border"), (trt.SampleMode.REFLECT, "reflection")):

            def sample(n, t, g):
                layer = n.add_grid_sample(t, g)
                layer.sample_mode, layer.align_corners, layer.interpolation_mode = mode, True, trt.InterpolationMode.LINEAR
                return first(layer)

            close(outputs(sample, {"x": x, "g": grid}), onnx_says("GridSample", {"x": x, "g": grid}, padding_mode=told, align_corners=1, mode="linear"), 1e-4)

    def test_reverse_sequence(self):
        x, lengths = draw(4, 3, 2), np.array([1, 4, 2], np.int32)
        want = x.copy()
        for b, n in enumerate(lengths):
            want[:n, b] = x[:n, b][::-1]
        close(outputs(lambda n, t, s: first(n.add_reverse_sequence(t, s)), {"x": x, "s": lengths}), want)


class Products(unittest.TestCase):
    def test_matrix_multiply(self):
        a, b, v = draw(2, 3, 4), draw(1, 4, 5), draw(2, 4)
        none, turned, vector = trt.MatrixOperation.NONE, trt.MatrixOperation.TRANSPOSE, trt.MatrixOperation.VECTOR
        close(outputs(lambda n, s, t: first(n.add_matrix_multiply(s, none, t, none)), {"a": a, "b": b}), a @ b)
        close(outputs(lambda n, s, t: first(n.add_matrix_multiply(s, turned, t, turned)), {"a": a.transpose(0, 2, 1), "b": b.transpose(0, 2, 1)}), a @ b)
        close(outputs(lambda n, s, t: first(n.add_matrix_multiply(s, none, t, vector)), {"a": a, "v": v}), np.einsum("bij,bj->bi", a, v))
        close(outputs(lambda n, s, t: first(n.add_matrix_multiply(s, vector, t, none)), {"v": v, "b": b}), np.einsum("bi,cij->bj", v, b))
        close(outputs(lambda n, s, t: first(n.add_matrix_multiply(s, vector, t, vector)), {"v": v, "w": v}), np.einsum("bi,bi->b", v, v))

    def test_einsum(self):
        a, b = draw(2, 3, 4), draw(2, 4, 5)
        close(outputs(lambda n, s, t: first(n.add_einsum([s, t], "bij,bjk->bik")), {"a": a, "b": b}), a @ b)
        close(outputs(lambda n, s: first(n.add_einsum([s], "...i->...")), {"a": a}), a.sum(-1))

    def test_attention(self):
        q, k, v = draw(2, 3, 5, 8), draw(2, 3, 7, 8), draw(2, 3, 7, 8)
        mask = RNG.random((1, 1, 5, 7)) < 0.7
        mask[..., 0] = True
        scores = q @ k.transpose(0, 1, 3, 2)

        def make(n, *t):
            made = n.add_attention(*t[:3], trt.AttentionNormalizationOp.SOFTMAX, False)
            made.name = "heads"
            made.mask = t[3]
            self.assertEqual((made.num_inputs, made.name, made.causal), (4, "heads", False))
            return made.get_output(0)

        close(outputs(make, {"q": q, "k": k, "v": v, "m": mask}), softmax(np.where(mask, scores, -np.inf), -1) @ v, 1e-4)
        square = draw(1, 2, 6, 8)
        seen = np.tril(np.ones((6, 6), bool))
        want = softmax(np.where(seen, square @ square.transpose(0, 1, 3, 2), -np.inf), -1) @ square
        close(outputs(lambda n, t: n.add_attention(t, t, t, trt.AttentionNormalizationOp.SOFTMAX, True).get_output(0), {"x": square}), want, 1e-4)
        close(outputs(lambda n, t: n.add_attention(t, t, t, trt.AttentionNormalizationOp.NONE, False).get_output(0), {"x": square}), square @ square.transpose(0, 1, 3, 2) @ square, 1e-4)

    def test_language_models(self):
        x, angle = draw(1, 2, 3, 8), RNG.random((1, 3, 4)).astype(np.float32)
        c, s = np.cos(angle), np.sin(angle)
        a, b = x[..., :4], x[..., 4:]
        want = np.concatenate([a * c[:, None] - b * s[:, None], a * s[:, None] + b * c[:, None]], -1)
        close(outputs(lambda n, t, u, v: first(n.add_rotary_embedding(t, u, v, False, 0)), {"x": x, "c": c, "s": s}), want)
        cache, rows, at = draw(2, 2, 6, 4), draw(2, 2, 2, 4), np.array([1, 3], np.int32)
        want = cache.copy()
        for i, begin in enumerate(at):
            want[i, :, begin : begin + 2] = rows[i]
        close(outputs(lambda n, t, u, v: first(n.add_kv_cache_update(t, u, v, trt.KVCacheMode.LINEAR)), {"x": cache, "u": rows, "i": at}), want)


class Flow(unittest.TestCase):
    def test_loop(self):
        """y ← y · x[i] + 1 for all rows of x."""
        x, start = draw(5, 3), draw(3)

        def make(n, t, begin):
            loop = n.add_loop()
            loop.name = "rows"
            loop.add_trip_limit(first(n.add_constant((), np.array(5, np.int32))), trt.TripLimit.COUNT)
            row = loop.add_iterator(t)
            y = loop.add_recurrence(begin)
            one = first(n.add_constant((1,), np.ones(1, np.float32)))
            following = first(n.add_elementwise(first(n.add_elementwise(first(y), first(row), trt.ElementWiseOperation.PROD)), one, trt.ElementWiseOperation.SUM))
            y.set_input(1, following)
            last = loop.add_loop_output(first(y), trt.LoopOutput.LAST_VALUE)
            every = loop.add_loop_output(following, trt.LoopOutput.CONCATENATE, 1)
            back = loop.add_loop_output(following, trt.LoopOutput.REVERSE)
            back.set_input(1, first(n.add_constant((), np.array(5, np.int32))))
            return [first(last), first(every), first(back)]

        want, rows = start, []
        for row in x:
            want = want * row + 1
            rows.append(want)
        last, every, back = outputs(make, {"x": x, "y": start})
        close(last, want)
        close(every, np.stack(rows, 1))
        close(back, np.stack(rows[::-1]))

    def test_while_and_reverse(self):
        """Doubles a number until it is 100 at least; sums a vector from its end."""

        def make(n, t):
            loop, y = n.add_loop(), None
            y = loop.add_recurrence(t)
            limit = first(n.add_constant((1,), np.array([100], np.float32)))
            loop.add_trip_limit(first(n.add_elementwise(first(y), limit, trt.ElementWiseOperation.LESS)), trt.TripLimit.WHILE)
            y.set_input(1, first(n.add_elementwise(first(y), first(y), trt.ElementWiseOperation.SUM)))
            return first(loop.add_loop_output(first(y), trt.LoopOutput.LAST_VALUE))

        for begin, want in ((3, 192), (100, 100), (50, 100), (200, 200)):
            self.assertEqual(float(outputs(make, {"x": np.array([begin], np.float32)})[0]), want)
        x = draw(4)

        def sums(n, t):
            loop = n.add_loop()
            loop.add_trip_limit(first(n.add_constant((), np.array(4, np.int32))), trt.TripLimit.COUNT)
            y = loop.add_recurrence(first(n.add_constant((), np.array(0, np.float32))))
            y.set_input(1, first(n.add_elementwise(first(y), first(loop.add_iterator(t, 0, True)), trt.ElementWiseOperation.SUM)))
            return first(loop.add_loop_output(y.get_input(1), trt.LoopOutput.CONCATENATE))

        close(outputs(sums, {"x": x}), np.cumsum(x[::-1]))

    def test_nested(self):
        """A loop in a loop, of a value that an if chooses."""
        x = draw(3)

        def make(n, t, p):
            def count(k):
                return first(n.add_constant((), np.array(k, np.int32)))

            choice = n.add_if_conditional()
            choice.set_condition(p)
            v = first(choice.add_input(t))
            begin = first(choice.add_output(first(n.add_unary(v, trt.UnaryOperation.NEG)), first(n.add_elementwise(v, v, trt.ElementWiseOperation.PROD))))
            outer = n.add_loop()
            outer.add_trip_limit(count(2), trt.TripLimit.COUNT)
            a = outer.add_recurrence(begin)
            inner = n.add_loop()
            inner.add_trip_limit(count(3), trt.TripLimit.COUNT)
            b = inner.add_recurrence(first(a))
            b.set_input(1, first(n.add_elementwise(first(b), t, trt.ElementWiseOperation.SUM)))
            a.set_input(1, first(n.add_elementwise(first(inner.add_loop_output(first(b), trt.LoopOutput.LAST_VALUE)), first(a), trt.ElementWiseOperation.SUM)))
            return first(outer.add_loop_output(first(a), trt.LoopOutput.LAST_VALUE))

        for p in (True, False):
            a = -x if p else x * x
            for _ in range(2):
                a = a + 3 * x + a
            close(outputs(make, {"x": x, "p": np.array(p)}), a)

    def test_mistakes(self):
        def built(make):
            builder, network = new()
            network.mark_output(make(network, network.add_input("x", trt.float32, (3,))))
            self.assertIsNone(builder.build_serialized_network(network, builder.create_builder_config()))
            return LOGGER.lines[-1][1]

        def no_limit(n, t):
            loop = n.add_loop()
            y = loop.add_recurrence(t)
            y.set_input(1, first(y))
            return first(loop.add_loop_output(first(y), trt.LoopOutput.LAST_VALUE))

        def leak(n, t):
            loop = n.add_loop()
            return first(n.add_unary(first(loop.add_recurrence(t)), trt.UnaryOperation.NEG))

        def no_next(n, t):
            loop = n.add_loop()
            loop.add_trip_limit(first(n.add_constant((), np.array(3, np.int32))), trt.TripLimit.COUNT)
            return first(loop.add_loop_output(first(loop.add_recurrence(t)), trt.LoopOutput.LAST_VALUE))

        def no_condition(n, t):
            choice = n.add_if_conditional()
            v = first(choice.add_input(t))
            return first(choice.add_output(v, v))

        for make, text in ((no_limit, "add_trip_limit"), (leak, "outside"), (no_next, "set_input(1"), (no_condition, "set_condition")):
            self.assertIn(text, built(make))
        _, network = new()
        loop = network.add_loop()
        n = network.add_input("n", trt.int32, ())
        loop.add_trip_limit(n, trt.TripLimit.COUNT)
        with self.assertRaises(planish.InvalidArgument):
            loop.add_trip_limit(n, trt.TripLimit.COUNT)


class Networks(unittest.TestCase):
    def test_interface(self):
        builder, network = new()
        network.name = "mine"
        x = network.add_input("x", trt.float32, (-1, 4))
        x.set_dimension_name(0, "batch")
        self.assertEqual((x.get_dimension_name(0), tuple(x.shape), x.is_network_input, x.is_network_output, x.dtype), ("batch", (-1, 4), True, False, trt.float32))
        relu = network.add_activation(x, trt.ActivationType.RELU)
        relu.name, relu.metadata = "relu", "hello"
        y = first(relu)
        y.name = "y"
        self.assertEqual((relu.name, relu.metadata, relu.num_inputs, relu.num_outputs, relu.get_input(0), relu.get_input(1), relu.get_output(1)), ("relu", "hello", 1, 1, x, None, None))
        self.assertIsNone(builder.build_serialized_network(network, builder.create_builder_config()))
        self.assertIn("mark_output", LOGGER.lines[-1][1])
        network.mark_output(y)
        self.assertTrue(y.is_network_output)
        network.unmark_output(y)
        self.assertEqual((network.num_outputs, network.num_inputs, network.num_layers, len(network)), (0, 1, 1, 1))
        network.mark_output(y)
        self.assertTrue(network.mark_output_for_shapes(y) and network.num_outputs == 1)
        self.assertEqual((network.get_input(0), network.get_output(0), network.get_input(1), network.get_output(-1)), (x, y, None, None))
        self.assertEqual([layer.name for layer in network], ["relu"])
        plain = network[0]
        self.assertEqual(plain.type, trt.LayerType.ACTIVATION)
        plain.__class__ = trt.IActivationLayer
        plain.type = trt.ActivationType.TANH
        self.assertEqual(relu.type, trt.ActivationType.TANH)
        engine = build(builder, network)
        self.assertEqual((engine.name, engine.num_layers > 0, engine.get_tensor_name(0), tuple(engine.get_tensor_shape("y"))), ("mine", True, "x", (-1, 4)))
        a = draw(3, 4)
        close(run(engine, {"x": a})["y"], np.tanh(a))
        with self.assertRaises(planish.InvalidArgument):
            network.add_input("x", trt.float32, (1,))
        with self.assertRaises(TypeError):
            network.add_activation(a, trt.ActivationType.RELU)
        z = network.add_input("z", trt.float32, (1,))
        network.remove_tensor(z)
        self.assertEqual(network.num_inputs, 1)
        with self.assertRaises(planish.InvalidArgument):
            network.remove_tensor(x)
        for name in ("add_moe", "add_dynamic_quantize", "add_dist_collective", "add_rnn_v2"):
            with self.assertRaises(planish.Unsupported):
                getattr(network, name)(x)

    def test_odd_names_and_numbers(self):
        """Errors, with what is wrong; nothing else."""
        for name in ("", "x" * 5000, "a/b:c d\n", "é"):
            builder, network = new()
            x = network.add_input("x", trt.float32, (2,))
            y = first(network.add_unary(x, trt.UnaryOperation.NEG))
            y.name = name
            network.mark_output(y)
            plan = builder.build_serialized_network(network, builder.create_builder_config())
            self.assertEqual(plan is None, name == "", name[:9])
        builder, network = new()
        x = network.add_input("x", trt.float32, (2, 7))
        a, b = (first(network.add_unary(x, op)) for op in (trt.UnaryOperation.NEG, trt.UnaryOperation.EXP))
        a.name = b.name = "same"
        network.mark_output(a)
        network.mark_output(b)
        self.assertIsNone(builder.build_serialized_network(network, builder.create_builder_config()))
        self.assertIn("same", LOGGER.lines[-1][1])
        layer = network.add_unary(x, trt.UnaryOperation.NEG)
        for index in (-1, 100, 10**9):
            with self.assertRaises(planish.InvalidArgument):
                layer.set_input(index, x)
        with self.assertRaises(TypeError):
            layer.set_input(0, None)
        for start, shape, stride in (((0, 0), (2, 8), (1, 1)), ((-1, 0), (1, 1), (1, 1)), ((0, 6), (2, 2), (1, 1)), ((0, 0), (2, 4), (1, 3)), ((0, 0), (2,), (1, 1))):
            with self.assertRaises(planish.InvalidArgument):
                first(network.add_slice(x, start, shape, stride)).shape
        gone = new()[1].add_input("x", trt.float32, (1,))
        with self.assertRaisesRegex(planish.InvalidArgument, "gone"):
            gone.is_network_output

    def test_shapes_follow(self):
        _, network = new()
        x = network.add_input("x", trt.float32, (1, 3, 224, 224))
        conv = network.add_convolution_nd(x, 8, (3, 3), draw(8, 3, 3, 3))
        self.assertEqual(tuple(first(conv).shape), (1, 8, 222, 222))
        conv.stride_nd = (2, 2)
        self.assertEqual(tuple(first(conv).shape), (1, 8, 111, 111))
        wrong = network.add_elementwise(first(conv), x, trt.ElementWiseOperation.SUM)
        wrong.name = "odd"
        with self.assertRaises(planish.Error) as raised:
            first(wrong).shape
        self.assertIn("odd", str(raised.exception) + str(raised.exception.messages))

    def test_behind_a_parser(self):
        """A model of another operator set, with layers behind it."""
        model, expected = models.linear()
        for opset in (11, 21):
            builder, network = new()
            del model.opset_import[:]
            model.opset_import.extend([helper.make_opsetid("", opset)])
            parser = trt.OnnxParser(network, LOGGER)
            self.assertTrue(parser.parse(model.SerializeToString()))
            y = network.get_output(0)
            self.assertEqual((network.num_layers, y.name, network.get_layer(0).num_outputs), (len(model.graph.node), "y", 1))
            self.assertEqual(tuple(y.shape), (-1, 3))
            top = network.add_topk(y, trt.TopKOperation.MAX, 1, 2)
            half = network.add_reduce(y, trt.ReduceOperation.SUM, 2, True)
            first(top).name, first(half).name = "best", "sum"
            network.unmark_output(y)
            for t in (first(top), first(half)):
                network.mark_output(t)
            network.mark_output(network.get_layer(0).get_output(0))
            x = draw(5, 4)
            got = run(build(builder, network), {"x": x})
            close(got["best"], expected(x).max(1, keepdims=True), 1e-4)
            close(got["sum"], expected(x).sum(1, keepdims=True), 1e-4)
            self.assertEqual(len(got), 3)
            with self.assertRaises(planish.Unsupported):
                network.get_layer(0).set_input(0, y)

    def test_a_network(self):
        """The digits network of many tutorials: convolution, pooling, convolution, pooling, product, activation, product, softmax."""
        w = [draw(20, 1, 5, 5) * 0.2, draw(20), draw(50, 20, 5, 5) * 0.05, draw(50), draw(500, 800) * 0.05, draw(500), draw(10, 500) * 0.05, draw(10)]

        def make(n, t):
            conv1 = n.add_convolution_nd(t, 20, (5, 5), w[0], w[1])
            pool1 = n.add_pooling_nd(first(conv1), trt.PoolingType.MAX, (2, 2))
            pool1.stride_nd = trt.Dims([2, 2])
            conv2 = n.add_convolution_nd(first(pool1), 50, (5, 5), w[2], w[3])
            pool2 = n.add_pooling_nd(first(conv2), trt.PoolingType.MAX, (2, 2))
            pool2.stride_nd = trt.Dims([2, 2])

            def dense(x, weights, bias):
                flat = n.add_shuffle(x)
                flat.reshape_dims = (x.shape[0], int(np.prod(x.shape[1:])))
                product = n.add_matrix_multiply(first(flat), trt.MatrixOperation.NONE, first(n.add_constant(weights.shape, weights)), trt.MatrixOperation.TRANSPOSE)
                return first(n.add_elementwise(first(product), first(n.add_constant((1, len(bias)), bias)), trt.ElementWiseOperation.SUM))

            relu = n.add_activation(dense(first(pool2), w[4], w[5]), trt.ActivationType.RELU)
            last = n.add_softmax(dense(first(relu), w[6], w[7]))
            last.axes = 1 << 1
            return first(last)

        x = draw(1, 1, 28, 28)
        y = onnx_says("MaxPool", {"x": onnx_says("Conv", {"x": x, "w": w[0], "b": w[1]})}, kernel_shape=[2, 2], strides=[2, 2])
        y = onnx_says("MaxPool", {"x": onnx_says("Conv", {"x": y, "w": w[2], "b": w[3]})}, kernel_shape=[2, 2], strides=[2, 2]).reshape(1, -1)
        close(outputs(make, {"x": x}), softmax(np.maximum(y @ w[4].T + w[5], 0) @ w[6].T + w[7], 1), 1e-4)


if __name__ == "__main__":
    unittest.main()
