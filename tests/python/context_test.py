"""Contexts of planish.tensorrt: threads that share one, what callbacks may do, memory for outputs whose sizes only a run can tell."""
import gc
import threading
import unittest
import weakref

import numpy as np
from onnx import TensorProto, helper

import models
import planish
import planish.tensorrt as trt
from memory import cuda, on_device, put, taken
from network_test import LOGGER, Grow, build, close, draw, first, new
from refit_test import parsed, with_weights

ON_GPU = cuda.Device(0).compute_capability() != (0, 0)


def in_threads(count, work):
    """Calls work(0), … in as many threads; raises what one of them raised."""
    raised = []

    def one(i):
        try:
            work(i)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


def of(make, *names_types_dims):
    """An engine of make(network, *inputs), outputs named out0, …, and a context of it."""
    builder, network = new()
    made = make(network, *(network.add_input(*one) for one in names_types_dims))
    for i, tensor in enumerate(made):
        tensor.name = f"out{i}"
        network.mark_output(tensor)
    engine = build(builder, network)
    return engine, engine.create_execution_context()


class Threads(unittest.TestCase):
    def test_bindings_of_many(self):
        """Runs and questions of 8 threads on one context: each gets what belongs to its own bindings."""
        model, w, b = with_weights(1)
        engine = parsed(model)
        context = engine.create_execution_context()
        self.assertTrue(context.set_input_shape("x", (64, 4)))

        def work(i):
            x = np.random.default_rng(i).standard_normal((64, 4)).astype(np.float32)
            memory = [on_device(x), on_device(np.zeros((64, 3), np.float32))]
            for _ in range(100):
                self.assertEqual(tuple(context.get_tensor_shape("y")), (64, 3))
                self.assertTrue(context.execute_v2([int(m) for m in memory]), LOGGER.lines[-1])
                close(taken(memory[1], (64, 3)), x @ w + b, 1e-4)
                put(memory[1], np.zeros((64, 3), np.float32))

        in_threads(8, work)

    def test_refits_between(self):
        """A run is of one engine, the one before a refit or the one behind it."""
        (model, w, b), (_, w2, b2) = with_weights(1), with_weights(2)
        engine = parsed(model, trt.BuilderFlag.REFIT)
        context, refitter = engine.create_execution_context(), trt.Refitter(engine, LOGGER)
        context.set_input_shape("x", (32, 4))

        def work(i):
            if i == 0:
                for k in range(10):
                    for name, value in (("w", (w2, w)[k % 2]), ("b", (b2, b)[k % 2])):
                        self.assertTrue(refitter.set_named_weights(name, value))
                    self.assertTrue(refitter.refit_cuda_engine())
                return
            x = np.random.default_rng(i).standard_normal((32, 4)).astype(np.float32)
            memory = [on_device(x), on_device(np.zeros((32, 3), np.float32))]
            for _ in range(50):
                self.assertTrue(context.execute_v2([int(m) for m in memory]), LOGGER.lines[-1])
                y = taken(memory[1], (32, 3))
                self.assertLess(min(np.abs(y - x @ w - b).max(), np.abs(y - x @ w2 - b2).max()), 1e-4)

        in_threads(8, work)

    def test_callbacks(self):
        """What is called during a run cannot run the context, nor ask it for what needs its bindings."""
        engine = parsed(with_weights(1)[0])
        context, said, x = engine.create_execution_context(), [], on_device(draw(2, 4))
        context.set_input_shape("x", (2, 4))

        class Asks(Grow):
            def reallocate_output(self, name, memory, size, alignment):
                said.append(context.execute_v2([int(x), int(x)]))
                said.append(LOGGER.lines[-1][1])
                try:
                    context.get_tensor_shape("y")
                except planish.InvalidArgument as raised:
                    said.append(str(raised))
                said.append(tuple(context.get_tensor_shape("x")))
                return super().reallocate_output(name, memory, size, alignment)

        self.assertTrue(context.set_output_allocator("y", Asks()) and context.set_tensor_address("x", int(x)))
        self.assertTrue(context.execute_async_v3(0), LOGGER.lines[-1])
        self.assertEqual((said[0], said[3]), (False, (2, 4)))
        self.assertIn("callback", said[1])
        self.assertIn("callback", said[2])


class Lifetimes(unittest.TestCase):
    def test_no_cycles(self):
        """Engines, contexts and a debug listener's go with their last user."""

        class Listens(trt.IDebugListener):
            def __init__(self):
                trt.IDebugListener.__init__(self)
                self.told = []

            def process_debug_tensor(self, addr, location, type, shape, name, stream):
                self.told.append(name)
                return True

        builder, network = new()
        made = network.add_activation(network.add_input("x", trt.float32, (2,)), trt.ActivationType.RELU).get_output(0)
        made.name = "y"
        network.mark_debug(made)
        network.mark_output(made)
        engine, listener, gone = build(builder, network), Listens(), []
        context, x, y = engine.create_execution_context(), on_device(draw(2)), on_device(draw(2))
        self.assertTrue(context.set_debug_listener(listener) and context.execute_v2([int(x), int(y)]))
        self.assertEqual(listener.told, ["y"])
        gc.collect()
        gc.disable()
        try:
            weakref.finalize(context, gone.append, "context")
            weakref.finalize(engine, gone.append, "engine")
            del context
            self.assertEqual(gone, ["context"])
            del engine
            self.assertEqual(gone, ["context", "engine"])
        finally:
            gc.enable()


class Sizes(unittest.TestCase):
    """Outputs whose sizes only a run can tell, into memory of the right size."""

    def test_data(self):
        made = models.model([helper.make_node("NonZero", ["x"], ["y"])], [("x", TensorProto.FLOAT, ["n"])], [("y", TensorProto.INT64, [1, "m"])])
        context = parsed(made).create_execution_context()
        x, y = on_device(np.array([0, 1, 0, 2], np.float32)), on_device(np.zeros(4, np.int32))
        context.set_input_shape("x", (4,))
        self.assertEqual((tuple(context.get_tensor_shape("y")), context.get_max_output_size("y")), ((1, -1), -1))
        self.assertTrue(context.execute_v2([int(x), int(y)]), LOGGER.lines[-1])
        self.assertEqual((taken(y, (2,), np.int32).tolist(), tuple(context.get_tensor_shape("y")), context.get_max_output_size("y")), ([1, 3], (1, 2), -1))
        put(x, np.ones(4, np.float32))
        self.assertTrue(context.set_tensor_address("x", int(x)) and context.set_tensor_address("y", int(y)))
        self.assertEqual(tuple(context.get_tensor_shape("y")), (1, -1))
        self.assertTrue(context.execute_async_v3(0))
        self.assertEqual((taken(y, (4,), np.int32).tolist(), tuple(context.get_tensor_shape("y"))), ([0, 1, 2, 3], (1, 4)))
        context.set_input_shape("x", (3,))
        self.assertEqual(tuple(context.get_tensor_shape("y")), (1, -1))
        self.assertFalse(context.execute_v2([int(x), int(x)]))
        self.assertIn("overlaps that of 'x'", LOGGER.lines[-1][1])

    def test_before_there_is_memory(self):
        """Shapes follow from shapes: those of inputs without addresses, and of ones whose memory is still that of smaller shapes."""
        table, ids = draw(10, 3), np.array([4, 2, 4], np.int32)
        engine, context = of(lambda n, ids: [first(n.add_gather(first(n.add_constant((10, 3), table)), ids, 0))], ("ids", trt.int32, (-1,)))
        self.assertTrue(context.set_binding_shape(0, (3,)))
        self.assertEqual((tuple(context.get_binding_shape(1)), context.get_max_output_size("out0")), ((3, 3), 36))
        memory = [on_device(ids), on_device(np.zeros((3, 3), np.float32))]
        self.assertTrue(context.execute_v2([int(m) for m in memory]))
        np.testing.assert_array_equal(taken(memory[1], (3, 3)), table[ids])
        self.assertTrue(context.set_tensor_address("ids", int(memory[0])))
        memory[0].free()
        self.assertTrue(context.set_input_shape("ids", (500,)))
        self.assertEqual(tuple(context.get_tensor_shape("out0")), (500, 3))

    def test_values_of_inputs(self):
        """Shapes by the values of an input: in its memory, or by set_shape_input."""

        def make(n, x, shape):
            layer = n.add_shuffle(x)
            layer.set_input(1, shape)
            return [first(layer)]

        _, context = of(make, ("x", trt.float32, (-1, 4)), ("shape", trt.int32, (2,)))
        values = draw(3, 4)
        x, shape, y = on_device(values), on_device(np.array([2, 6], np.int32)), on_device(np.zeros(12, np.float32))
        context.set_input_shape("x", (3, 4))
        self.assertTrue(context.execute_v2([int(x), int(shape), int(y)]), LOGGER.lines[-1])
        np.testing.assert_array_equal(taken(y, (12,)), values.reshape(-1))
        self.assertEqual(tuple(context.get_tensor_shape("out0")), (2, 6))
        self.assertTrue(context.set_shape_input(1, (6, 2)) and context.set_tensor_address("x", int(x)))
        self.assertEqual(context.get_shape(1), [6, 2])
        self.assertTrue(context.execute_v2([int(x), 0, int(y)]), LOGGER.lines[-1])
        self.assertEqual(tuple(context.get_tensor_shape("out0")), (6, 2))
        with self.assertRaisesRegex(planish.InvalidArgument, "'x'"):
            context.get_shape(0)

    def test_loop(self):
        def make(n, x, count):
            loop = n.add_loop()
            loop.add_trip_limit(count, trt.TripLimit.COUNT)
            y = loop.add_recurrence(x)
            following = first(n.add_elementwise(first(y), first(y), trt.ElementWiseOperation.SUM))
            y.set_input(1, following)
            out = loop.add_loop_output(following, trt.LoopOutput.CONCATENATE)
            out.set_input(1, count)
            return [first(out)]

        _, context = of(make, ("x", trt.float32, (2,)), ("count", trt.int32, ()))
        x, y = on_device(np.array([1, 2], np.float32)), on_device(np.zeros(10, np.float32))
        for count in (3, 5):
            times = on_device(np.array(count, np.int32))
            self.assertTrue(context.execute_v2([int(x), int(times), int(y)]), LOGGER.lines[-1])
            np.testing.assert_array_equal(taken(y, (count, 2)), np.array([1, 2]) * 2.0 ** np.arange(1, count + 1)[:, None])
            self.assertEqual(tuple(context.get_tensor_shape("out0")), (count, 2))

    def test_allocators(self):
        """TensorRT 10's, with a stream; and what is no memory."""
        context, x = parsed(with_weights(1)[0]).create_execution_context(), on_device(draw(2, 4))
        context.set_input_shape("x", (2, 4))
        context.set_tensor_address("x", int(x))

        class Async(trt.IOutputAllocator):
            def reallocate_output_async(self, name, memory, size, alignment, stream):
                self.memory, self.asked = on_device(np.zeros(6, np.float32)), (name, size, stream)
                return int(self.memory)

        allocator = Async()
        self.assertTrue(context.set_output_allocator("y", allocator) and context.execute_async_v3(0), LOGGER.lines[-1])
        self.assertEqual((allocator.asked, tuple(context.get_tensor_shape("y"))), (("y", 24, 0), (2, 3)))
        self.assertNotEqual(np.abs(taken(allocator.memory, (6,))).max(), 0)
        for wrong in (-1, 0, None, "memory", 1.5, True, 1 << 64):
            allocator = Grow()
            allocator.reallocate_output = lambda *_, given=wrong: given
            context.set_output_allocator("y", allocator)
            self.assertFalse(context.execute_async_v3(0))
            self.assertIn("allocator of output 'y'", LOGGER.lines[-1][1])
        self.assertFalse(context.set_output_allocator("x", Grow()))
        self.assertIn("'x' is an input", LOGGER.lines[-1][1])

    @unittest.skipIf(ON_GPU, "the driver knows its memory")
    def test_memory_of_another_size(self):
        """Memory of planish.pycuda that is too small, or was freed, is an error that names sizes."""
        context = parsed(with_weights(1)[0]).create_execution_context()
        context.set_input_shape("x", (2, 4))
        x, y, small, freed = (on_device(np.zeros(n, np.float32)) for n in (8, 6, 5, 8))
        gone = int(freed)
        freed.free()
        for bindings, text in (([int(small), int(y)], "input 'x': 32 bytes do not fit into memory of 20"), ([int(x), int(small)], "output 'y': 24 bytes"), ([gone, int(y)], "input 'x'.*freed"),
                               ([int(x) + 4, int(y)], "32 bytes do not fit into memory of 28, the last of 32"), ([int(x), gone], "output 'y'.*freed")):  # fmt: skip
            self.assertFalse(context.execute_v2(bindings))
            self.assertRegex(LOGGER.lines[-1][1], text)
        self.assertTrue(context.execute_v2([int(x), int(y)]))
        made = models.model([helper.make_node("NonZero", ["x"], ["y"])], [("x", TensorProto.FLOAT, ["n"])], [("y", TensorProto.INT64, [1, "m"])])
        context = parsed(made).create_execution_context()
        context.set_input_shape("x", (8,))
        put(x, np.ones(8, np.float32))
        self.assertFalse(context.execute_v2([int(x), int(small)]))
        self.assertIn("output 'y': 32 bytes do not fit into memory of 20", LOGGER.lines[-1][1])
        allocator = Grow()
        allocator.reallocate_output = lambda *_: int(small)
        context.set_output_allocator("y", allocator)
        self.assertFalse(context.execute_v2([int(x), 0]))
        self.assertIn("allocator gave: 32 bytes do not fit into memory of 20", LOGGER.lines[-1][1])

    def test_addresses(self):
        context = parsed(with_weights(1)[0]).create_execution_context()
        context.set_input_shape("x", (2, 4))
        for wrong in (None, -5, 0.5, "x", True, np.zeros(1), 1 << 64):
            self.assertFalse(context.set_tensor_address("x", wrong))
            self.assertIn("no address for 'x'", LOGGER.lines[-1][1])
            self.assertFalse(context.execute_v2([wrong, wrong]))
            self.assertFalse(context.execute_async_v2([wrong, wrong], 0))
        self.assertFalse(context.execute_async_v2([1], 0))
        self.assertIn("1 bindings", LOGGER.lines[-1][1])


if __name__ == "__main__":
    unittest.main()
