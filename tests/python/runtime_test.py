"""What planish.tensorrt's engines and contexts tell of shapes, and what they refuse to run: unknown ranks, huge shapes, outputs in one memory, bindings of several profiles."""
import tracemalloc
import unittest

import numpy as np
from onnx import TensorProto, helper

import models
import planish
import planish.tensorrt as trt
from memory import on_device, put, taken
from network_test import LOGGER, Grow, close, draw, first, new
from refit_test import parsed, with_weights

FLOAT = TensorProto.FLOAT


def branches():
    """y = Squeeze(x) or x."""
    def branch(op, name):
        return helper.make_graph([helper.make_node(op, ["x"], [name])], name, [], [helper.make_tensor_value_info(name, FLOAT, None)])

    node = helper.make_node("If", ["c"], ["y"], then_branch=branch("Squeeze", "t"), else_branch=branch("Identity", "f"))
    return models.model([node], [("x", FLOAT, ["n", 1]), ("c", TensorProto.BOOL, [])], [("y", FLOAT, None)])


class Ranks(unittest.TestCase):
    """Inputs and outputs of which not even the rank is known."""

    def test_outputs(self):
        engine = parsed(branches())
        context, x = engine.create_execution_context(), draw(8, 1)
        self.assertEqual(tuple(engine.get_tensor_shape("y")), (-1,))
        self.assertTrue(context.set_input_shape("x", (8, 1)))
        self.assertEqual((tuple(context.get_tensor_shape("y")), context.get_max_output_size("y")), ((-1,), -1))
        for then, shape in ((True, (8,)), (False, (8, 1))):
            memory, grow = [on_device(x), on_device(np.array(then))], Grow()
            for name, one in zip(("x", "c"), memory):
                self.assertTrue(context.set_tensor_address(name, int(one)))
            self.assertTrue(context.set_output_allocator("y", grow))
            self.assertTrue(context.execute_async_v3(0), LOGGER.lines[-1])
            self.assertEqual((grow.shape["y"], tuple(context.get_tensor_shape("y")), context.get_max_output_size("y")), (shape, shape, -1))
            close(taken(grow.memory["y"], shape), x.reshape(shape))
        context.set_output_allocator("y", None)
        small = on_device(np.zeros(1, np.float32))
        if engine.engine.device == "cpu":  # memory of a GPU is not looked at
            self.assertFalse(context.execute_v2([int(memory[0]), int(memory[1]), int(small)]))
            self.assertIn("32 bytes do not fit", LOGGER.lines[-1][1])

    def test_reshape(self):
        made = models.model([helper.make_node("Reshape", ["x", "s"], ["y"])], [("x", FLOAT, ["n"]), ("s", TensorProto.INT64, ["k"])], [("y", FLOAT, None)])
        context = parsed(made).create_execution_context()
        self.assertTrue(context.set_input_shape("x", (6,)) and context.set_input_shape("s", (2,)))
        self.assertEqual((tuple(context.get_tensor_shape("y")), context.get_max_output_size("y")), ((-1,), -1))

    def test_inputs(self):
        engine = parsed(models.model([helper.make_node("Relu", ["x"], ["y"])], [("x", FLOAT, None)], [("y", FLOAT, None)]))
        context = engine.create_execution_context()
        memory = [on_device(np.ones(6, np.float32)), on_device(np.zeros(6, np.float32))]
        self.assertEqual((tuple(engine.get_tensor_shape("x")), context.infer_shapes()), ((-1,), ["x"]))
        self.assertFalse(context.execute_v2([int(m) for m in memory]))
        self.assertIn("never set", LOGGER.lines[-1][1])
        for shape in ((2, 3), (6,), (1, 2, 3), ()):
            self.assertTrue(context.set_input_shape("x", shape), LOGGER.lines[-1])
            self.assertEqual((tuple(context.get_tensor_shape("x")), context.infer_shapes()), (shape, []))
            put(memory[1], np.zeros(6, np.float32))
            self.assertTrue(context.execute_v2([int(m) for m in memory]), LOGGER.lines[-1])
            self.assertEqual((tuple(context.get_tensor_shape("y")), taken(memory[1], (6,)).sum()), (shape, np.prod(shape)))
        self.assertFalse(context.set_input_shape("x", (-1, 2)) or context.set_input_shape("x", (1,) * 30))


class Shapes(unittest.TestCase):
    def test_huge(self):
        """Shapes are told without memory; what no memory can hold is refused."""
        engine = parsed(with_weights(1)[0])
        context = engine.create_execution_context()
        if engine.engine.device == "cpu":
            self.assertTrue(context.set_input_shape("x", (1 << 40, 4)))
            self.assertEqual((tuple(context.get_tensor_shape("y")), context.get_max_output_size("y")), ((1 << 40, 3), 12 << 40))
        self.assertFalse(context.set_input_shape("x", (1 << 62, 4)))
        self.assertIn("more elements", LOGGER.lines[-1][1])

    def test_huge_outputs(self):
        """Of inputs that memory could hold."""
        made = models.model([helper.make_node("MatMul", ["a", "b"], ["y"])], [("a", FLOAT, ["n", 1]), ("b", FLOAT, [1, "m"])], [("y", FLOAT, ["n", "m"])])
        engine = parsed(made)
        context = engine.create_execution_context()
        if engine.engine.device == "cpu":
            self.assertTrue(context.set_input_shape("a", (1 << 40, 1)) and context.set_input_shape("b", (1, 1 << 40)))
            self.assertEqual((tuple(context.get_tensor_shape("y")), context.get_max_output_size("y")), ((1 << 40, 1 << 40), 4 << 80))
            self.assertFalse(context.execute_v2([1 << 60, 1 << 61, 1 << 62]))
            self.assertIn("fits into no memory", LOGGER.lines[-1][1])

    def test_kinds(self):
        context = parsed(with_weights(1)[0]).create_execution_context()
        for shape in ((2.7, 4), ("2", 4), "24", None, 3):
            with self.assertRaises((TypeError, ValueError)):
                context.set_input_shape("x", shape)

    def test_half_bytes(self):
        """3 elements of 4 bits are 2 bytes."""
        made = models.model([helper.make_node("Cast", ["x"], ["y"], to=TensorProto.INT4)], [("x", FLOAT, [3])], [("y", TensorProto.INT4, [3])], opset=21)
        self.assertEqual(parsed(made).create_execution_context().get_max_output_size("y"), 2)


class Apart(unittest.TestCase):
    """Two outputs in one memory."""

    def setUp(self):
        self.model = models.model([helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Neg", ["x"], ["z"])], [("x", FLOAT, ["n"])], [("y", FLOAT, ["n"]), ("z", FLOAT, ["n"])])

    def test_contexts(self):
        context = parsed(self.model).create_execution_context()
        context.set_input_shape("x", (4,))
        x, both = on_device(draw(4)), on_device(np.zeros(8, np.float32))
        for second, good in ((0, False), (12, False), (16, True)):
            self.assertEqual(context.execute_v2([int(x), int(both), int(both) + second]), good)
        self.assertFalse(context.execute_v2([int(x), int(both), int(both)]))
        self.assertIn("overlaps that of 'y'", LOGGER.lines[-1][1])

        class Same(Grow):
            def reallocate_output(self, name, memory, size, alignment):
                return int(both)

        self.assertTrue(context.set_tensor_address("x", int(x)) and all(context.set_output_allocator(name, Same()) for name in "yz"))
        self.assertFalse(context.execute_async_v3(0))
        self.assertIn("overlaps", LOGGER.lines[-1][1])

    def test_planish(self):
        context, x = planish.build(self.model).context(), draw(4)
        one = np.zeros(8, np.float32)
        for outputs in ({"y": one[:4], "z": one[:4]}, {"y": one[:4], "z": one[3:7]}, {"y": lambda *_: one[:4], "z": lambda *_: one[2:6]}, {"y": one[:4], "z": lambda *_: one[2:6]}):
            with self.assertRaisesRegex(planish.InvalidArgument, "overlaps that of output"):
                context.run({"x": x}, outputs)
        halves = one[:4], one[4:]
        for y, z in (halves, halves[::-1]):  # the memory of one becomes the other's
            context.run({"x": x}, {"y": y, "z": z})
            close(y, np.maximum(x, 0))
            close(z, -x)

    def test_allocator_that_raises(self):
        context = planish.build(self.model).context()
        with self.assertRaisesRegex(planish.Error, "output 'y' raised KeyError: 'no room'") as caught:
            context.run({"x": draw(4)}, {"y": lambda *_: {}["no room"]})
        self.assertIsInstance(caught.exception.__cause__, KeyError)


class Profiles(unittest.TestCase):
    def setUp(self):
        builder, network = new()
        layer = network.add_activation(network.add_input("x", trt.float32, (-1, 4)), trt.ActivationType.RELU)
        first(layer).name = "y"
        network.mark_output(first(layer))
        config = builder.create_builder_config()
        for most in (4, 8):
            profile = builder.create_optimization_profile()
            profile.set_shape("x", (1, 4), (2, 4), (most, 4))
            config.add_optimization_profile(profile)
        self.engine = builder.build_engine_with_config(network, config)

    def test_names(self):
        engine = self.engine
        self.assertEqual((engine.num_bindings, len(engine), engine.num_io_tensors), (4, 4, 2))
        self.assertEqual(list(engine), ["x", "y", "x [profile 1]", "y [profile 1]"])
        self.assertEqual([engine.get_binding_index(name) for name in ("y", "x [profile 1]", "z")], [1, 2, -1])
        self.assertEqual((engine.get_binding_name(3), engine.binding_is_input(2), engine.binding_is_input("y [profile 1]"), tuple(engine.get_binding_shape(2))), ("y [profile 1]", True, False, (-1, 4)))
        self.assertEqual([tuple(s) for s in engine.get_profile_shape(1, 2)], [(1, 4), (2, 4), (8, 4)])
        with self.assertRaises(IndexError):
            engine.get_binding_name(4)
        try:
            trt.set_generation(10)
            self.assertEqual((len(engine), engine[1]), (2, "y"))
        finally:
            trt.set_generation(8)

    def test_runs(self):
        context, x = self.engine.create_execution_context(), draw(3, 4)
        memory = [on_device(x), on_device(np.zeros((3, 4), np.float32))]
        self.assertFalse(context.set_binding_shape(2, (3, 4)))
        self.assertIn("profile 0 is active", LOGGER.lines[-1][1])
        context.active_optimization_profile = 1
        self.assertFalse(context.set_binding_shape(0, (3, 4)))
        self.assertTrue(context.set_binding_shape(2, (3, 4)))
        self.assertEqual(tuple(context.get_binding_shape(3)), (3, 4))
        for bindings in ([0, 0, *memory], memory):  # those of all profiles, or of this one alone
            put(memory[1], np.zeros((3, 4), np.float32))
            self.assertTrue(context.execute_v2([int(b) for b in bindings]), LOGGER.lines[-1])
            close(taken(memory[1], (3, 4)), np.maximum(x, 0))
        try:
            trt.set_generation(10)  # which has execute_v2, and no bindings of profiles
            self.assertTrue(context.execute_v2([int(m) for m in memory]), LOGGER.lines[-1])
        finally:
            trt.set_generation(8)


class Refused(unittest.TestCase):
    def test_input_that_is_output(self):
        made = models.model([helper.make_node("Relu", ["x"], ["y"])], [("x", FLOAT, [2])], [("x", FLOAT, [2]), ("y", FLOAT, [2])])
        self.assertIsNone(trt.Runtime(LOGGER).deserialize_cuda_engine(planish.build(made).to_bytes()))
        self.assertIn("'x' is an input and an output", LOGGER.lines[-1][1])

    def test_no_logger(self):
        for kind in (trt.Builder, trt.Runtime):
            for logger in (None, 5):
                with self.assertRaisesRegex(TypeError, "logger"):
                    kind(logger)

    def test_no_plan(self):
        for plan in (None, 5, "plan"):
            with self.assertRaises(TypeError):
                trt.Runtime(LOGGER).deserialize_cuda_engine(plan)


class Copies(unittest.TestCase):
    def test_plan(self):
        """A plan is copied once when it is loaded, its model not at all by who asks whether it is there."""
        made = models.model([helper.make_node("Add", ["x", "w"], ["y"])], [("x", FLOAT, [1 << 20])], [("y", FLOAT, [1 << 20])], [("w", draw(1 << 20))])
        plan = planish.build(made, device=trt.builder.default_device(), keep_model=True).to_bytes()
        tracemalloc.start()
        try:
            engine = trt.Runtime(LOGGER).deserialize_cuda_engine(trt.IHostMemory(plan))
            peak = tracemalloc.get_traced_memory()[1] - len(plan)  # the memory that is given
            tracemalloc.reset_peak()
            held = tracemalloc.get_traced_memory()[0]
            self.assertTrue(engine.refittable)
            more = tracemalloc.get_traced_memory()[1] - held
        finally:
            tracemalloc.stop()
        self.assertLess(peak, 1.5 * len(plan))
        self.assertLess(more, 1 << 20)


class Listeners(unittest.TestCase):
    def test_types(self):
        """A value without a type of TensorRT's is left out, and said so once; what returns False is said, too."""
        nodes = [helper.make_node("Cast", ["x"], ["d"], to=TensorProto.DOUBLE), helper.make_node("Sqrt", ["d"], ["r"]), helper.make_node("Cast", ["r"], ["y"], to=FLOAT)]
        builder, network = new()
        parser = trt.OnnxParser(network, LOGGER)
        self.assertTrue(parser.parse(models.model(nodes, [("x", FLOAT, [2])], [("y", FLOAT, [2])]).SerializeToString()))
        network.mark_unfused_tensors_as_debug_tensors()
        engine = builder.build_engine_with_config(network, builder.create_builder_config())
        told = []

        class Listener(trt.IDebugListener):
            def process_debug_tensor(self, addr, location, type, shape, name, stream):
                told.append(name)
                return False

        context = engine.create_execution_context()
        context.set_debug_listener(Listener())
        memory = [on_device(np.array([4, 9], np.float32)), on_device(np.zeros(2, np.float32))]
        LOGGER.lines.clear()
        for _ in range(2):
            self.assertTrue(context.execute_v2([int(m) for m in memory]), LOGGER.lines)
        self.assertEqual(taken(memory[1], (2,)).tolist(), [2, 3])
        lines = [text for severity, text in LOGGER.lines if severity == trt.Logger.WARNING]
        self.assertEqual(sum("'r' is not told" in text for text in lines), 1, lines)
        self.assertEqual(sum("returned False" in text for text in lines), len(told))


if __name__ == "__main__":
    unittest.main()
