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
