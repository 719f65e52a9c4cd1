"""Networks through planish.tensorrt as a whole: large ones, names, changes behind a parser, mistakes."""
import os
import tempfile
import time
import unittest

import numpy as np
from onnx import TensorProto, external_data_helper, helper, numpy_helper

import planish
import planish.tensorrt as trt
from network_test import LOGGER, build, close, draw, first, inputs_of, new, run

F32, F16, I64, BOOL = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64, TensorProto.BOOL


def model_of(nodes, inputs, outputs, initializers=(), **more):
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializers, **more)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def value(name, shape, code=F32):
    return helper.make_tensor_value_info(name, code, shape)


def parsed(model, path=None):
    builder, network = new()
    parser = trt.OnnxParser(network, LOGGER)
    assert parser.parse(model.SerializeToString(), path), parser.get_error(0)
    return builder, network


class Large(unittest.TestCase):
    """Times are bounds that only growth with more than the size's square breaks."""

    def timed(self, seconds, work):
        start = time.perf_counter()
        out = work()
        self.assertLess(time.perf_counter() - start, seconds)
        return out

    def test_residual_blocks(self):
        """Each value of 60 blocks is used twice: what follows from it must not be found out twice."""
        def work():
            builder, network = new()
            x = network.add_input("x", trt.float32, (1, 4, 5, 5))
            kernel = draw(4, 4, 1, 1) * 0.1
            for _ in range(60):
                y = first(network.add_convolution_nd(x, 4, (1, 1), kernel))
                y = first(network.add_scale(y, trt.ScaleMode.UNIFORM, None, np.float32([0.5])))
                y = first(network.add_activation(y, trt.ActivationType.TANH))
                x = first(network.add_elementwise(x, y, trt.ElementWiseOperation.SUM))
                self.assertEqual(x.dtype, trt.float32)
            x.name = "y"
            network.mark_output(x)
            return build(builder, network), kernel

        engine, kernel = self.timed(20, work)
        x = draw(1, 4, 5, 5)
        got = run(engine, {"x": x})["y"]
        for _ in range(60):
            x = x + np.tanh(0.5 * np.einsum("oi,nihw->nohw", kernel[:, :, 0, 0], x))
        close(got, x, 1e-4)

    def chain(self, count, ask):
        builder, network = new()
        x = network.add_input("x", trt.float32, (2, 70))
        one = first(network.add_constant((1, 1), np.float32([[1]])))
        for i in range(count):
            layer = network.add_elementwise(x, one, trt.ElementWiseOperation.SUM)
            layer.name = f"add {i}"
            x = first(layer)
            if ask:
                self.assertEqual(tuple(x.shape), (2, 70))
        return builder, network, x

    def test_long_chain(self):
        """Longer than Python's stack is deep; types are asked at the end alone."""
        def work():
            builder, network, x = self.chain(1500, False)
            self.assertEqual((x.dtype, x.rank, tuple(x.shape)), (trt.float32, 2, (2, 70)))
            x.name = "y"
            network.mark_output(x)
            return build(builder, network)

        engine = self.timed(60, work)
        np.testing.assert_array_equal(run(engine, {"x": np.zeros((2, 70), np.float32)})["y"], np.full((2, 70), 1500, np.float32))

    def test_shapes_all_the_way(self):
        """A shape is asked behind each layer, as programs that print their networks do."""
        self.timed(20, lambda: self.chain(300, True))

    def test_shapes_of_shapes_all_the_way(self):
        """The same for a chain of shape tensors, whose values shapes may depend on: time grows with the layers, not with their square."""
        def seconds(count):
            _, network = new()
            x = network.add_input("x", trt.float32, (-1, 4, 9, 9))
            shape = first(network.add_shape(x))
            start = time.process_time()
            for _ in range(count):
                two = network.add_constant((4,), np.ones(4, np.int32))
                shape = first(network.add_elementwise(shape, first(two), trt.ElementWiseOperation.PROD))
                self.assertEqual(tuple(shape.shape), (4,))
            spent = time.process_time() - start
            layer = network.add_shuffle(x)
            layer.set_input(1, shape)
            self.assertEqual(tuple(first(layer).shape), (-1, 4, 9, 9))
            return spent

        seconds(10)
        self.assertLess(seconds(300), 6 * seconds(75) + 0.5)

    def test_changes_far_behind(self):
        """What follows is asked again where an early layer was changed, and an input."""
        _, network = new()
        x = network.add_input("x", trt.float32, (2, 70))
        reduced = network.add_reduce(x, trt.ReduceOperation.SUM, 1, True)
        y = first(network.add_cast(first(reduced), trt.float16))
        z = first(network.add_activation(y, trt.ActivationType.RELU))
        self.assertEqual((tuple(z.shape), z.rank, z.dtype), ((1, 70), 2, trt.float16))
        reduced.keep_dims = False
        self.assertEqual((tuple(z.shape), z.rank), ((70,), 1))
        y._layer.to_type = trt.int32
        self.assertEqual(z.dtype, trt.int32)
        x.shape = (3, 4)
        self.assertEqual(tuple(z.shape), (4,))

    def test_later_layers_as_inputs(self):
        """set_input may name what was added later; what follows from that is found, and a circle is an error that names a layer."""
        builder, network = new()
        x = network.add_input("x", trt.float32, (2, 3))
        late = network.add_activation(x, trt.ActivationType.RELU)
        early = network.add_unary(x, trt.UnaryOperation.NEG)
        late.set_input(0, first(early))
        half = network.add_cast(x, trt.float16)
        early.set_input(0, first(half))
        self.assertEqual(first(late).dtype, trt.float16)
        half.to_type = trt.int32
        self.assertEqual(first(late).dtype, trt.int32)
        first(late).name = "y"
        network.mark_output(first(late))
        np.testing.assert_array_equal(run(build(builder, network), {"x": np.float32([[1, -2, 3], [-4, 5, 6]])})["y"], [[0, 2, 0], [4, 0, 0]])
        early.name = "early"
        early.set_input(0, first(late))
        for ask in (lambda: first(late).dtype, lambda: first(late).rank, lambda: first(late).shape, network.to_model):
            with self.assertRaisesRegex(planish.InvalidArgument, "own output"):
                ask()


    def test_shapes_of_open_extents_all_the_way(self):
        """As above, with a batch that only a run tells: not the square of the layers either."""
        def work():
            _, network = new()
            x = network.add_input("x", trt.float32, (-1, 4, 9, 9))
            for _ in range(150):
                x = first(network.add_activation(first(network.add_convolution_nd(x, 4, (1, 1), draw(4, 4, 1, 1))), trt.ActivationType.RELU))
                self.assertEqual(tuple(x.shape), (-1, 4, 9, 9))

        self.timed(20, work)

    def test_shapes_in_bodies(self):
        """What stands in a loop has the extents of what it begins with, but those that an iteration changes; in an if those of its inputs."""
        builder, network = new()
        x, c = network.add_input("x", trt.float32, (-1, 3)), network.add_input("c", trt.bool, ())
        one = network.add_if_conditional()
        one.set_condition(c)
        entry = one.add_input(x)
        self.assertTrue(isinstance(entry, trt.IIfConditionalBoundaryLayer) and entry.conditional is one)
        inside = first(entry)
        self.assertEqual(tuple(inside.shape), (-1, 3))
        ones = first(network.add_constant((2,), np.ones(2, np.int32)))
        same = network.add_shuffle(inside)
        same.set_input(1, first(network.add_elementwise(first(network.add_shape(inside)), ones, trt.ElementWiseOperation.PROD)))
        y = first(one.add_output(first(same), inside))
        loop = network.add_loop()
        fixed = loop.add_recurrence(first(network.add_constant((2, 3), np.zeros((2, 3), np.float32))))
        grown = loop.add_recurrence(first(network.add_constant((1, 3), np.zeros((1, 3), np.float32))))
        self.assertTrue(isinstance(fixed, trt.ILoopBoundaryLayer) and fixed.loop is loop)
        scaled = network.add_scale(first(fixed), trt.ScaleMode.ELEMENTWISE, np.arange(6, dtype=np.float32))
        row = loop.add_iterator(first(network.add_constant((4, 3), np.ones((4, 3), np.float32))))
        longer = network.add_concatenation([first(grown), first(network.add_shuffle(first(row)))])
        longer.axis = 0
        longer.get_input(1)._layer.reshape_dims = (1, 3)
        fixed.set_input(1, first(scaled))
        grown.set_input(1, first(longer))
        loop.add_trip_limit(first(network.add_constant((), np.int32(4))), trt.TripLimit.COUNT)
        self.assertEqual([tuple(t.shape) for t in (first(fixed), first(scaled), first(grown), first(longer), first(row))], [(2, 3), (2, 3), (-1, 3), (-1, 3), (3,)])
        outs = {"y": y, "f": first(loop.add_loop_output(first(fixed), trt.LoopOutput.LAST_VALUE)), "g": first(loop.add_loop_output(first(grown), trt.LoopOutput.LAST_VALUE))}
        for name, tensor in outs.items():
            tensor.name = name
            network.mark_output(tensor)
        given = draw(2, 3)
        got = run(build(builder, network), {"x": given, "c": np.array(True)})
        np.testing.assert_array_equal(got["y"], given)
        np.testing.assert_array_equal(got["f"], 4 * np.arange(6, dtype=np.float32).reshape(2, 3))
        np.testing.assert_array_equal(got["g"], [[0] * 3, *[[1] * 3] * 4])


    def test_recurrences_that_change_places(self):
        """What two of different extents have in common, whichever is asked first."""
        for order in (0, 1):
            _, network = new()
            loop = network.add_loop()
            a, b = (loop.add_recurrence(first(network.add_constant((n, 4), np.zeros((n, 4), np.float32)))) for n in (2, 3))
            a.set_input(1, first(b))
            b.set_input(1, first(a))
            c = loop.add_recurrence(first(network.add_constant((5, 4), np.zeros((5, 4), np.float32))))
            c.set_input(1, first(network.add_unary(first(c), trt.UnaryOperation.NEG)))
            for one in ((a, b), (b, a))[order]:
                self.assertEqual(tuple(first(one).shape), (-1, 4))
            self.assertEqual(tuple(first(c).shape), (5, 4))

    def test_nested_recurrences(self):
        """The inner loop begins with what the outer one changes."""
        _, network = new()
        outer = network.add_loop()
        x = outer.add_recurrence(first(network.add_constant((1, 4), np.zeros((1, 4), np.float32))))
        inner = network.add_loop()
        y = inner.add_recurrence(first(x))
        y.set_input(1, first(network.add_unary(first(y), trt.UnaryOperation.NEG)))
        inner.add_trip_limit(first(network.add_constant((), np.int32(2))), trt.TripLimit.COUNT)
        last = first(inner.add_loop_output(first(y), trt.LoopOutput.LAST_VALUE))
        both = network.add_concatenation([last, first(x)])
        both.axis = 0
        x.set_input(1, first(both))
        outer.add_trip_limit(first(network.add_constant((), np.int32(2))), trt.TripLimit.COUNT)
        self.assertEqual([tuple(t.shape) for t in (first(y), last, first(x), first(both))], [(-1, 4)] * 4)

    def test_open_vectors(self):
        """One dim, which only a run tells, behind and before others."""
        builder, network = new()
        x = network.add_input("x", trt.float32, (-1,))
        a = first(network.add_activation(x, trt.ActivationType.RELU))
        self.assertEqual(tuple(a.shape), (-1,))
        c = first(network.add_activation(a, trt.ActivationType.SIGMOID))
        self.assertEqual(tuple(c.shape), (-1,))
        c.name = "y"
        network.mark_output(c)
        close(run(build(builder, network), {"x": np.float32([-1, 2])})["y"], 1 / (1 + np.exp(-np.float32([0, 2]))))

    def test_inputs_that_take_a_name_over(self):
        """Open extents are of the input that they were of: another one of its name has others, whatever was asked before."""
        for asked in (False, True):
            _, network = new()
            x = network.add_input("x", trt.float32, (-1, 9))
            a = first(network.add_activation(x, trt.ActivationType.RELU))
            if asked:
                self.assertEqual(tuple(a.shape), (-1, 9))
            x.name = "w"
            c = first(network.add_activation(network.add_input("x", trt.float32, (-1, 9)), trt.ActivationType.RELU))
            if asked:
                self.assertEqual(tuple(c.shape), (-1, 9))
            part = network.add_shuffle(c)
            extent = network.add_slice(first(network.add_shape(a)), (0,), (1,), (1,))
            rest = first(network.add_constant((2,), np.int32([3, -1])))
            part.set_input(1, first(network.add_concatenation([first(extent), rest])))
            self.assertEqual(tuple(first(part).shape), (-1, 3, -1), asked)


class Names(unittest.TestCase):
    def convolutions(self, name, kernels):
        builder, network = new()
        x = network.add_input("x", trt.float32, (1, 2, 3, 3))
        for i, kernel in enumerate(kernels):
            layer = network.add_convolution_nd(x, 2, (1, 1), kernel)
            layer.name = name
            first(layer).name = f"y{i}"
            network.mark_output(first(layer))
        return builder, network

    def test_equal_names_of_layers(self):
        _, network = self.convolutions("conv", [draw(2, 2, 1, 1), draw(2, 2, 1, 1)])
        with self.assertRaisesRegex(planish.InvalidArgument, "layer 'conv'.*names of their own"):
            network.to_model()

    def test_equal_names_of_weights(self):
        builder, network = self.convolutions("conv", [draw(2, 2, 1, 1)])
        other = network.add_constant((3,), draw(3))
        first(other).name = "z"
        network.mark_output(first(other))
        network.set_weights_name(network.get_layer(0).kernel, "w")
        network.set_weights_name(other.constant, "w")
        with self.assertRaisesRegex(planish.InvalidArgument, "'w'"):
            network.to_model()

    def test_shared_weights(self):
        """The same weights, as a kernel and as a matrix, under one name."""
        kernel = trt.Weights(draw(2, 2, 1, 1))
        builder, network = self.convolutions("conv", [kernel])
        network.set_weights_name(kernel, "w")
        matrix = network.add_constant((2, 2), kernel)
        first(matrix).name = "z"
        network.mark_output(first(matrix))
        x = draw(1, 2, 3, 3)
        got = run(build(builder, network), {"x": x})
        np.testing.assert_array_equal(got["z"], kernel.array[:, :, 0, 0])
        close(got["y0"], np.einsum("oi,nihw->nohw", kernel.array[:, :, 0, 0], x))

    def test_equal_names_of_tensors(self):
        builder, network = new()
        x = network.add_input("x", trt.float32, (2,))
        for op in (trt.UnaryOperation.NEG, trt.UnaryOperation.ABS):
            y = first(network.add_unary(x, op))
            y.name = "y"
            network.mark_output(y)
        self.assertIsNone(builder.build_serialized_network(network, builder.create_builder_config()))
        self.assertIn("'y'", LOGGER.lines[-1][1])

    def test_an_input_with_the_name_of_weights(self):
        """The weights took its place without a word."""
        for named in (True, False):
            _, network = new()
            x, s = network.add_input("x", trt.float32, (1, 2, 3)), network.add_input("norm.scale", trt.float32, (1, 2, 1))
            weights = trt.Weights(np.float32([2, 3]))
            layer = network.add_scale_nd(x, trt.ScaleMode.CHANNEL, None, weights, None, 1)
            layer.name = "other" if named else "norm"
            if named:
                network.set_weights_name(weights, "x")
            network.mark_output(first(network.add_elementwise(first(layer), s, trt.ElementWiseOperation.PROD)))
            with self.assertRaisesRegex(planish.InvalidArgument, f"two values of the network are named '{'x' if named else 'norm.scale'}'; one are weights of layer '{layer.name}'"):
                network.to_model()

    def test_no_name(self):
        _, network = new()
        y = first(network.add_unary(network.add_input("x", trt.float32, (2,)), trt.UnaryOperation.NEG))
        y.name = ""
        network.mark_output(y)
        with self.assertRaisesRegex(planish.InvalidArgument, "empty name"):
            network.to_model()

    def test_names_of_open_extents(self):
        """A dim that nobody named is not one that somebody named."""
        builder, network = new()
        a, b = network.add_input("a", trt.float32, (2, -1)), network.add_input("b", trt.float32, (-1,))
        b.set_dimension_name(0, "a_1")
        for name, tensor in (("y", a), ("z", b)):
            out = first(network.add_unary(tensor, trt.UnaryOperation.NEG))
            out.name = name
            network.mark_output(out)
        got = run(build(builder, network), {"a": draw(2, 3), "b": draw(5)})
        self.assertEqual((got["y"].shape, got["z"].shape), ((2, 3), (5,)))

    def test_names_that_look_made(self):
        """Names of values that nobody named are not those that somebody would."""
        builder, network = new()
        x = network.add_input("__0", trt.float32, (2, 3))
        y = first(network.add_topk(x, trt.TopKOperation.MAX, 1, 2))
        y.name = "__1"
        network.mark_output(y)
        np.testing.assert_array_equal(run(build(builder, network), {"__0": np.float32([[1, 3, 2], [6, 5, 4]])})["__1"], [[3], [6]])

    def test_other_networks(self):
        _, one = new()
        _, other = new()
        x, y = one.add_input("x", trt.float32, (2,)), other.add_input("y", trt.float32, (2,))
        layer = one.add_unary(x, trt.UnaryOperation.NEG)
        for wrong in (lambda: one.add_unary(y, trt.UnaryOperation.NEG), lambda: layer.set_input(0, y), lambda: one.mark_output(y), lambda: one.mark_debug(y)):
            with self.assertRaisesRegex(planish.InvalidArgument, "'y' is a tensor of network ''.*cannot take"):
                wrong()
        with self.assertRaises(TypeError):
            one.mark_output("x")

    def test_formats_and_platforms(self):
        """What would be another layout in memory, or another system's plan, is not taken without a word."""
        builder, network = new()
        x = network.add_input("x", trt.float32, (1, 8, 4, 4))
        x.allowed_formats = 1 << int(trt.TensorFormat.LINEAR) | 1 << int(trt.TensorFormat.HWC8)
        with self.assertRaisesRegex(planish.Unsupported, "LINEAR"):
            x.allowed_formats = 1 << int(trt.TensorFormat.HWC8)
        network.mark_output(first(network.add_unary(x, trt.UnaryOperation.NEG)))
        config = builder.create_builder_config()
        config.runtime_platform = trt.RuntimePlatform.WINDOWS_AMD64
        self.assertIsNone(builder.build_serialized_network(network, config))
        self.assertIn("Linux", LOGGER.lines[-1][1])

    def test_shapes_that_are_none(self):
        _, network = new()
        for shape in ((2**64,), (-2,), (1.5,), "ab", 7):
            with self.assertRaisesRegex(planish.InvalidArgument, "the shape of 'x'"):
                network.add_input("x", trt.float32, shape)
        x = network.add_input("x", trt.float32, (2, 3))
        with self.assertRaisesRegex(planish.InvalidArgument, "the shape of 'x'"):
            x.shape = (2**63, 1)

    def test_wrong_parameters(self):
        """What is no error of Planish's is one that names the layer."""
        _, network = new()
        x = network.add_input("x", trt.float32, (2, 3))
        layer = network.add_topk(x, trt.TopKOperation.MAX, 1, 2)
        layer.name = "top"
        layer.op = None
        layer.axes = 3
        network.mark_output(first(layer))
        with self.assertRaisesRegex(planish.InvalidArgument, "layer 'top'"):
            network.to_model()


class Parsed(unittest.TestCase):
    """A parsed network whose inputs and outputs are changed."""

    def test_bytes_and_their_place(self):
        """The bytes count, not the file that lies at the path; weights in other files are looked for beside it."""
        w = numpy_helper.from_array(np.float32([10, 20]), "w")
        model = model_of([helper.make_node("Add", ["x", "w"], ["y"])], [value("x", [2])], [value("y", [2])], [w])
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.onnx")
            with open(path, "wb") as file:
                file.write(b"something else")
            builder, network = parsed(model, path)
            np.testing.assert_array_equal(run(build(builder, network), {"x": np.float32([1, 2])})["y"], [11, 22])
            external_data_helper.convert_model_to_external_data(model, location="weights", size_threshold=0)
            external_data_helper.write_external_data_tensors(model, folder)
            builder, network = parsed(model, path)
            np.testing.assert_array_equal(run(build(builder, network), {"x": np.float32([1, 2])})["y"], [11, 22])

    def branches(self):
        """An If whose branches use the input and a value of the graph; a value told with its shape."""
        sides = {}
        for name, op in (("then_branch", "Add"), ("else_branch", "Mul")):
            sides[name] = helper.make_graph([helper.make_node(op, ["x", "h"], [f"{name}_y"])], name, [], [value(f"{name}_y", None)])
        nodes = [helper.make_node("Neg", ["x"], ["h"], "neg"), helper.make_node("ReduceSum", ["x"], ["s"], keepdims=0), helper.make_node("Constant", [], ["zero"], value_float=0.0),
                 helper.make_node("Greater", ["s", "zero"], ["c"]), helper.make_node("If", ["c"], ["t"], **sides), helper.make_node("Relu", ["t"], ["y"], "relu")]  # fmt: skip
        return model_of(nodes, [value("x", ["n", 3])], [value("y", ["n", 3]), value("h", ["n", 3])], value_info=[value("h", ["n", 3])])

    def check(self, builder, network, x, names=("x", "y", "h")):
        y = np.maximum(x - x if x.sum() > 0 else -x * x, 0)
        got = run(build(builder, network), {names[0]: x})
        np.testing.assert_array_equal(got[names[1]], y)
        np.testing.assert_array_equal(got[names[2]], -x)
        return got

    def test_as_it_is(self):
        builder, network = parsed(self.branches())
        self.assertEqual([network.get_input(0).get_dimension_name(i) for i in range(2)], ["n", None])
        self.check(builder, network, draw(2, 3))

    def test_shape_of_an_input(self):
        builder, network = parsed(self.branches())
        network.get_input(0).shape = (4, 3)
        engine = build(builder, network)
        self.assertEqual([tuple(engine.get_tensor_shape(n)) for n in ("x", "y", "h")], [(4, 3)] * 3)
        self.assertEqual(tuple(network.get_output(1).shape), (4, 3))
        self.check(builder, network, draw(4, 3))
        with self.assertRaisesRegex(planish.InvalidArgument, "'x' has 2 dims"):
            network.get_input(0).shape = (4, 3, 1)

    def test_batch_becomes_dynamic(self):
        """The usual change: a model exported with a batch of 1, whose inputs and outputs say so."""
        model = model_of([helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])], [value("x", [1, 3])], [value("y", [1, 2])],
                         [numpy_helper.from_array(draw(3, 2), "w")], value_info=[value("h", [1, 2])])  # fmt: skip
        builder, network = parsed(model)
        network.get_input(0).shape = (-1, 3)
        engine = build(builder, network)
        self.assertEqual([tuple(engine.get_tensor_shape(n)) for n in ("x", "y")], [(-1, 3), (-1, 2)])
        x = draw(5, 3)
        close(run(engine, {"x": x})["y"], np.maximum(x @ numpy_helper.to_array(model.graph.initializer[0]), 0))

    def test_names(self):
        builder, network = parsed(self.branches())
        network.get_input(0).name, network.get_output(0).name, network.get_output(1).name = "in", "out", "hidden"
        engine = build(builder, network)
        self.assertEqual([engine.get_tensor_name(i) for i in range(3)], ["in", "out", "hidden"])
        for x in (np.ones((2, 3), np.float32), -np.ones((2, 3), np.float32)):
            self.check(builder, network, x, ("in", "out", "hidden"))

    def test_names_change_places(self):
        builder, network = parsed(self.branches())
        network.get_output(0).name, network.get_output(1).name = "h", "y"
        self.check(builder, network, draw(2, 3), ("x", "h", "y"))

    def test_names_of_bodies(self):
        """A body may have values of the names that values outside of it get."""
        for name in ("then_branch_y", "else_branch_y", "t"):
            builder, network = parsed(self.branches())
            network.get_output(1).name = name
            if name == "t":
                with self.assertRaisesRegex(planish.InvalidArgument, "two values"):
                    network.to_model()
                continue
            self.check(builder, network, draw(2, 3), ("x", "y", name))
        builder, network = parsed(self.branches())
        network.get_input(0).name = "then_branch_y"
        network.get_input(0).dtype = trt.float16
        self.check(builder, network, draw(2, 3).astype(np.float16), ("then_branch_y", "y", "h"))

    def test_what_a_file_was(self):
        """A file is read when it is parsed: what becomes of it does not matter."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.onnx")
            with open(path, "wb") as file:
                file.write(self.branches().SerializeToString())
            builder, network = new()
            self.assertTrue(trt.OnnxParser(network, LOGGER).parse_from_file(path))
            with open(path, "r+b") as file:
                file.truncate(10)
            self.check(builder, network, draw(2, 3))
            more = first(network.add_unary(network.get_output(1), trt.UnaryOperation.ABS))
            network.mark_output(more)
            self.check(builder, network, draw(2, 3))
            builder, network = new()
            parser = trt.OnnxParser(network, LOGGER)
            for wrong in (os.path.join(folder, "none.onnx"), folder, path + "\0"):
                self.assertFalse(parser.parse_from_file(wrong))
                self.assertIn("cannot read", parser.get_error(parser.num_errors - 1).desc())

    def test_parameters_of_parsed_layers(self):
        """They are looked at, not changed: what the model says is what runs."""
        _, network = parsed(model_of([helper.make_node("Softmax", ["x"], ["y"], axis=0)], [value("x", [2, 3])], [value("y", [2, 3])]))
        layer = network.get_layer(0)
        self.assertEqual(layer, network.get_layer(0))
        layer.__class__ = trt.ISoftMaxLayer
        self.assertEqual(layer.axes, 1)
        layer.name = "mine"
        with self.assertRaisesRegex(planish.Unsupported, "'mine' was parsed.*another axes"):
            layer.axes = 2

    def looked_at(self, nodes, inputs, constants=(), opset=21, kind=F32):
        """The layers of a parsed model by their nodes' names, as the classes that belong to their types."""
        outputs = [helper.make_empty_tensor_value_info(node.output[0]) for node in nodes]
        graph = helper.make_graph(nodes, "g", [value(n, d, kind) for n, d in inputs], outputs, [numpy_helper.from_array(np.asarray(a), n) for n, a in constants])
        builder, network = new()
        parser = trt.OnnxParser(network, LOGGER)
        self.assertTrue(parser.parse(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10).SerializeToString()), parser.num_errors and parser.get_error(0))
        classes = {k.layer_type: k for k in vars(trt).values() if isinstance(k, type) and issubclass(k, trt.ILayer)}
        out = {}
        for layer in network:
            layer.__class__ = classes[layer.type]
            out[layer.name] = layer
        self.kept = network
        return out

    def test_parameters_are_the_models(self):
        """What a parsed layer's class tells is the model's, also where that is said by weights, by an operator's own default or by a rank."""
        node, f = helper.make_node, np.float32
        w, w2, rng = draw(8, 4, 3, 3), draw(4, 3, 2, 2), np.random.default_rng(0)
        scale, bias, mean, variance = (rng.uniform(0.5, 2, 4).astype(f) for _ in range(4))
        constants = [("lo", f(0.1)), ("hi", f(0.9)), ("axes", [2, 3]), ("k", [2]), ("two", 2), ("w", w), ("w2", w2), ("b8", draw(8)), ("ones8", np.ones(8, f)), ("dims", [0, 4, -1]), ("starts", [-4, 1]),
                     ("ends", [100, 5]), ("steps", [1, 2]), ("sizes", [1, 4, 12, 16]), ("pads", [0, 0, 1, 2, 0, 0, 3, 0]), ("scale", scale), ("bias", bias), ("mean", mean), ("variance", variance),
                     ("s", f(0.5)), ("minus", [-1])]  # fmt: skip
        layers = self.looked_at(
            [node("Softmax", ["x"], ["o1"], "softmax", axis=-1), node("Clip", ["x", "lo", "hi"], ["o2"], "clip"), node("Clip", ["x", "", "hi"], ["o3"], "most"), node("ReduceMean", ["x", "axes"], ["o4"], "mean", keepdims=0),
             node("TopK", ["x", "k"], ["o5", "i5"], "topk", largest=0), node("Conv", ["x", "w", "b8"], ["o6"], "conv", pads=[1, 2, 3, 4]), node("Conv", ["x", "w"], ["o7"], "same", auto_pad="SAME_UPPER", strides=[2, 2]),
             node("ConvTranspose", ["x", "w2"], ["o8"], "deconv", strides=[2, 2], output_padding=[1, 0]), node("AveragePool", ["x"], ["o9"], "pool", kernel_shape=[2, 3], count_include_pad=1, ceil_mode=1),
             node("Transpose", ["x"], ["o10"], "transpose"), node("Gather", ["x", "k"], ["o11"], "gather", axis=-2), node("HardSigmoid", ["x"], ["o12"], "hard"), node("ThresholdedRelu", ["x"], ["o13"], "threshold", alpha=0.75),
             node("LayerNormalization", ["x", "ones8"], ["o14"], "norm", epsilon=0.25), node("Cast", ["x"], ["o15"], "cast", to=TensorProto.FLOAT16), node("CumSum", ["x", "two"], ["o16"], "sum", reverse=1),
             node("LRN", ["x"], ["o17"], "lrn", size=3, alpha=0.5), node("Gelu", ["x"], ["o18"], "gelu", approximate="tanh"), node("Reshape", ["x", "dims"], ["o19"], "reshape"), node("Flatten", ["x"], ["o20"], "flatten"),
             node("Slice", ["x", "starts", "ends", "axes", "steps"], ["o21"], "slice"), node("Resize", ["x", "", "", "sizes"], ["o22"], "resize", mode="linear", coordinate_transformation_mode="pytorch_half_pixel"),
             node("Pad", ["x", "pads"], ["o23"], "pad", mode="edge"), node("BatchNormalization", ["x", "scale", "bias", "mean", "variance"], ["o24"], "batch"), node("Concat", ["x", "x"], ["o25"], "concat", axis=-1),
             node("QuantizeLinear", ["x", "s"], ["o26"], "quantize", output_dtype=TensorProto.INT8), node("Selu", ["x"], ["o27"], "selu"), node("GlobalAveragePool", ["x"], ["o28"], "all"), node("Neg", ["x"], ["o29"], "neg"),
             node("Constant", [], ["c30"], "constant", value=numpy_helper.from_array(w2)), node("Squeeze", ["minus"], ["m"], "squeeze"), node("CumSum", ["x", "m"], ["o31"], "sum2")],
            [("x", [1, 4, 6, 8])], constants)  # fmt: skip

        def is_(name, **wanted):
            for member, one in wanted.items():
                got = getattr(layers[name], member)
                if isinstance(one, float):
                    self.assertAlmostEqual(got, one, 5, f"{name}.{member}")
                elif isinstance(one, np.ndarray):
                    np.testing.assert_allclose(np.asarray(got), one, rtol=1e-5, atol=1e-6, err_msg=f"{name}.{member}")
                else:
                    self.assertEqual(tuple(got) if isinstance(one, tuple) else got, one, f"{name}.{member}")

        A, P = trt.ActivationType, trt.PaddingMode
        is_("softmax", axes=8)
        is_("clip", type=A.CLIP, alpha=0.1, beta=0.9)
        is_("most", alpha=float(np.finfo(f).min), beta=0.9)
        is_("mean", op=trt.ReduceOperation.AVG, axes=0b1100, keep_dims=False)
        is_("topk", op=trt.TopKOperation.MIN, k=2, axes=8)
        is_("conv", num_output_maps=8, kernel_size_nd=(3, 3), pre_padding=(1, 2), post_padding=(3, 4), padding_nd=(1, 2), stride_nd=(1, 1), dilation_nd=(1, 1), num_groups=1, kernel=w, bias=np.asarray(dict(constants)["b8"]),
            padding_mode=P.EXPLICIT_ROUND_DOWN)  # fmt: skip
        is_("same", padding_mode=P.SAME_UPPER, stride_nd=(2, 2))
        self.assertEqual(layers["same"].bias.size, 0)
        is_("deconv", num_output_maps=3, kernel=w2, kernel_size=(2, 2), post_padding=(-1, 0))
        is_("pool", type=trt.PoolingType.AVERAGE, window_size=(2, 3), stride=(1, 1), average_count_excludes_padding=False, padding_mode=P.EXPLICIT_ROUND_UP)
        is_("transpose", first_transpose=(3, 2, 1, 0), reshape_dims=(), second_transpose=(0, 1, 2, 3))
        is_("gather", axis=2, mode=trt.GatherMode.DEFAULT, num_elementwise_dims=0)
        is_("hard", type=A.HARD_SIGMOID, alpha=0.2, beta=0.5)
        is_("threshold", type=A.THRESHOLDED_RELU, alpha=0.75)
        is_("norm", axes=8, epsilon=0.25, num_groups=1)
        is_("cast", to_type=trt.float16)
        is_("sum", reverse=True, exclusive=False)
        is_("lrn", window_size=3, alpha=0.5, beta=0.75, k=1.0)
        is_("gelu", type=A.GELU_TANH)
        is_("reshape", reshape_dims=(0, 4, -1), zero_is_placeholder=True)
        is_("flatten", reshape_dims=(1, 192))
        is_("slice", start=(0, 0, 2, 1), shape=(1, 4, 4, 2), stride=(1, 1, 1, 2), mode=trt.SampleMode.STRICT_BOUNDS)
        is_("resize", shape=(1, 4, 12, 16), scales=(), resize_mode=trt.InterpolationMode.LINEAR, coordinate_transformation=trt.ResizeCoordinateTransformation.HALF_PIXEL, selector_for_single_pixel=trt.ResizeSelector.UPPER)
        is_("pad", start=(0, 0, -1, -2), shape=(1, 4, 10, 10), stride=(1, 1, 1, 1), mode=trt.SampleMode.CLAMP)
        factor = scale / np.sqrt(variance + 1e-5)
        is_("batch", mode=trt.ScaleMode.CHANNEL, scale=factor, shift=bias - mean * factor, channel_axis=1)
        is_("concat", axis=3)
        is_("quantize", axis=-1, to_type=trt.int8, block_shape=())
        is_("selu", type=A.SELU, alpha=1.6732632, beta=1.050701)
        is_("all", op=trt.ReduceOperation.AVG, axes=0b1100, keep_dims=True)
        is_("neg", op=trt.UnaryOperation.NEG)
        is_("constant", weights=w2, shape=(4, 3, 2, 2))
        is_("squeeze", reshape_dims=())

    def test_parameters_that_cannot_be_told(self):
        """An exception, where a run tells the value or a class has no word for it; not the class's default."""
        node = helper.make_node
        layers = self.looked_at(
            [node("Clip", ["x", "bound"], ["o1"], "clip"), node("TopK", ["x", "count"], ["o2", "i2"], "topk"), node("Resize", ["x", "", "scales"], ["o3"], "resize", mode="linear", antialias=1),
             node("MaxPool", ["x"], ["o4"], "pool", kernel_shape=[2, 2], dilations=[2, 2]), node("Slice", ["x", "from", "to"], ["o5"], "slice"), node("Expand", ["x", "wide"], ["o6"], "expand"),
             node("NonMaxSuppression", ["boxes", "scores"], ["o7"], "nms")],
            [("x", ["n", 1, 6, 8]), ("bound", []), ("boxes", [1, 5, 4]), ("scores", [1, 1, 5])], [("scales", np.float32([1, 1, 0.5, 0.5])), ("from", [-1]), ("to", [9]), ("wide", [1, 4, 6, 8])]
            + [("count", [1])])  # fmt: skip
        for name, member, why in (("clip", "alpha", "min is the tensor 'bound', which a run tells"), ("resize", "resize_mode", "antialias"), ("pool", "window_size_nd", "dilations"),
                                  ("slice", "start", "dim 0, whose extent a run tells"), ("slice", "shape", "a run tells"), ("nms", "topk_box_limit", "has no topk_box_limit: look at the ONNX model")):  # fmt: skip
            with self.assertRaisesRegex(planish.Unsupported, f"'{name}' was parsed from ONNX's .*{why}"):
                getattr(layers[name], member)
        self.assertEqual((layers["clip"].beta, layers["topk"].k, layers["resize"].scales, layers["expand"].plugin), (float(np.finfo(np.float32).max), 1, [1.0, 1.0, 0.5, 0.5], None))
        old = self.looked_at([node("Softmax", ["x"], ["y"], "old"), node("Softmax", ["x"], ["z"], "last", axis=3)], [("x", [2, 3, 4, 5])], opset=11)
        with self.assertRaisesRegex(planish.Unsupported, "all axes from 1 on"):
            old["old"].axes
        self.assertEqual(old["last"].axes, 8)

    def test_the_network_has_a_name(self):
        builder, network = parsed(self.branches())
        network.name = "mine"
        self.assertEqual(build(builder, network).name, "mine")

    def test_unknown_ranks(self):
        """An input of any rank stays one, whatever else is changed."""
        model = model_of([helper.make_node("Relu", ["a"], ["y"])], [value("a", None)], [value("y", None)])
        for change in (None, "output", "input"):
            builder, network = parsed(model)
            self.assertEqual((tuple(network.get_input(0).shape), tuple(network.get_output(0).shape)), ((-1,), (-1,)))
            more = first(network.add_unary(network.get_output(0), trt.UnaryOperation.NEG))
            self.assertEqual(tuple(more.shape), (-1,))
            builder, network = parsed(model)
            if change == "output":
                network.get_output(0).name = "out"
            if change == "input":
                network.get_input(0).name = "a2"
            engine = build(builder, network)
            names = [engine.get_tensor_name(i) for i in range(2)]
            self.assertEqual([tuple(engine.get_tensor_shape(n)) for n in names], [(-1,), (-1,)])
            np.testing.assert_array_equal(run(engine, {names[0]: np.float32([[-1, 2]])})[names[1]], [[0, 2]])
        network.get_input(0).shape = (2, 2)
        self.assertEqual(tuple(build(builder, network).get_tensor_shape("a2")), (2, 2))

    def test_debug_tensors_with_another_name(self):
        builder, network = parsed(self.branches())
        tensor = network.get_layer(0).get_output(0)
        tensor.name = "seen"
        network.mark_debug(tensor)
        network.unmark_output(network.get_output(1))
        engine, heard = build(builder, network), {}

        class Listener(trt.IDebugListener):
            def process_debug_tensor(self, addr, location, type, shape, name, stream):
                heard[name] = tuple(shape)
                return True

        context, x, y = engine.create_execution_context(), draw(2, 3), np.empty((2, 3), np.float32)
        context.set_debug_listener(Listener())
        context.set_input_shape("x", x.shape)
        if engine.engine.device == "cpu":
            self.assertTrue(context.execute_v2([x.ctypes.data, y.ctypes.data]))
            self.assertEqual(heard, {"seen": (2, 3)})

    def test_an_output_that_is_a_weight(self):
        model = model_of([helper.make_node("Neg", ["x"], ["y"])], [value("x", [2])], [value("y", [2]), value("w", [2])], [numpy_helper.from_array(np.float32([5, 6]), "w")])
        builder, network = parsed(model)
        network.get_output(1).name = "weights"
        np.testing.assert_array_equal(run(build(builder, network), {"x": np.float32([1, 2])})["weights"], [5, 6])

    def test_names_that_are_taken(self):
        for name in ("s", "h", "x"):
            _, network = parsed(self.branches())
            network.get_output(0).name = name
            with self.assertRaisesRegex(planish.InvalidArgument, f"two values of the network are named '{name}'"):
                network.to_model()

    def test_types(self):
        builder, network = parsed(self.branches())
        network.get_input(0).dtype = trt.float16
        network.get_output(0).dtype = trt.float16
        engine = build(builder, network)
        self.assertEqual([engine.get_tensor_dtype(n) for n in ("x", "y", "h")], [trt.float16, trt.float16, trt.float32])
        x = draw(2, 3).astype(np.float16)
        got = self.check(builder, network, x)
        self.assertEqual((got["y"].dtype, got["h"].dtype), (np.float16, np.float32))

    def test_types_with_layers_behind(self):
        """A value that is an output in another type goes to added layers, and to the model's, as it was."""
        builder, network = parsed(self.branches())
        x, h = network.get_input(0), network.get_output(1)
        x.dtype, h.dtype, h.name = trt.float16, trt.int32, "whole"
        more = first(network.add_unary(h, trt.UnaryOperation.ABS))
        twice = first(network.add_elementwise(x, x, trt.ElementWiseOperation.SUM))
        more.name, twice.name = "more", "twice"
        network.mark_output(more)
        network.mark_output(twice)
        self.assertEqual((more.dtype, twice.dtype), (trt.float32, trt.float16))
        given = (draw(2, 3) * 4).astype(np.float16)
        got = run(build(builder, network), {"x": given})
        np.testing.assert_array_equal(got["whole"], (-given).astype(np.int32))
        np.testing.assert_array_equal(got["more"], np.abs(given).astype(np.float32))
        np.testing.assert_array_equal(got["twice"], given + given)

    def test_an_output_that_is_an_input(self):
        model = model_of([helper.make_node("Neg", ["x"], ["y"])], [value("x", [2])], [value("y", [2]), value("x", [2])])
        builder, network = parsed(model)
        network.get_input(0).name = "z"
        got = planish.build(network.to_model()[0], device="cpu")({"z": np.float32([1, 2])})
        np.testing.assert_array_equal(got["y"], [-1, -2])
        np.testing.assert_array_equal(got["z"], [1, 2])

    def test_more_inputs(self):
        builder, network = parsed(self.branches())
        z = network.add_input("z", trt.float32, (2, 3))
        both = first(network.add_elementwise(network.get_output(1), z, trt.ElementWiseOperation.SUM))
        both.name = "both"
        network.mark_output(both)
        x, z = draw(2, 3), draw(2, 3)
        np.testing.assert_array_equal(run(build(builder, network), {"x": x, "z": z})["both"], z - x)

    def test_an_input_that_nothing_uses(self):
        model = model_of([helper.make_node("Neg", ["x"], ["y"])], [value("x", [2]), value("unused", [5])], [value("y", [2])])
        builder, network = parsed(model)
        network.remove_tensor(network.get_input(1))
        self.assertEqual([build(builder, network).get_tensor_name(i) for i in range(2)], ["x", "y"])

    def test_weights_that_have_a_name_of_the_model(self):
        _, network = parsed(self.branches())
        network.set_weights_name(weights := trt.Weights(draw(3)), "h")
        network.mark_output(first(network.add_constant((3,), weights)))
        with self.assertRaisesRegex(planish.InvalidArgument, "two values of the network are named 'h'; one are weights of layer"):
            network.to_model()


if __name__ == "__main__":
    unittest.main()
