"""Building, loading and running."""
import gc
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import unittest.mock
import weakref

import numpy as np
from onnx import TensorProto, helper

import models
import planish


class Engines(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model, expected = models.linear()
        cls.expected = staticmethod(expected)
        cls.engine = planish.build(cls.model)
        cls.x = np.random.default_rng(1).standard_normal((5, 4)).astype(np.float32)

    def holds(self, got, x=None):
        np.testing.assert_allclose(got["y"] if isinstance(got, dict) else got, self.expected(self.x if x is None else x), rtol=1e-5, atol=1e-6)

    def test_calls_in_a_row(self):
        """The short way of calls with arrays like those before them, and back from it."""
        product = models.model([helper.make_node("MatMul", ["a", "b"], ["y"])], [("a", TensorProto.FLOAT, ["n", "k"]), ("b", TensorProto.FLOAT, ["k", 2])], [("y", TensorProto.FLOAT, ["n", 2])])
        engine, rng = planish.build(product), np.random.default_rng(3)
        context = engine.context()

        def draw(*shape):
            return rng.standard_normal(shape).astype(np.float32)

        def good(a, b):
            np.testing.assert_allclose(context.run({"a": a, "b": b})["y"], a @ b, rtol=1e-5, atol=1e-6)

        for n, k in ((3, 4), (3, 4), (3, 4), (5, 4), (5, 4), (5, 7), (0, 7), (0, 7), (2, 1)):
            good(draw(n, k), draw(k, 2))
            self.assertEqual(list(context.run({"b": draw(k, 2), "a": draw(n, k)})), ["y"])
        a, b = draw(3, 4), draw(4, 2)
        good(a, b)
        first = context.run({"a": a, "b": b})["y"]
        kept = first.copy()
        good(draw(3, 4), b)
        np.testing.assert_array_equal(first, kept)  # a result is the caller's
        good(a[::-1], np.asfortranarray(b))
        good(a, b.astype(">f4").astype(np.float32))
        for _ in range(3):
            with self.assertRaises(planish.Error):
                context.run({"b": draw(5, 2), "a": draw(3, 4)})
            with self.assertRaises(planish.Error):
                context.run({"b": draw(5, 3), "a": draw(3, 5)})
            with self.assertRaises(planish.Error):
                context.run({"b": b, "c": a})
            good(a, b)
        given = np.empty((3, 2), np.float32)
        self.assertIs(context.run({"a": a, "b": b}, {"y": given})["y"], given)
        self.assertIs(context.run({"a": a, "b": b})["y"], given)
        context.bind_output("y", None)
        good(a, b)
        # A result for which there was no memory leaves nothing behind for the next one.
        for n in (2, 2, 6):
            good(draw(n, 4), b)
        with unittest.mock.patch("planish.arrays.copy_out", side_effect=MemoryError), self.assertRaises(MemoryError):
            context.run({"a": draw(6, 4), "b": b})
        for _ in range(2):
            good(draw(6, 4), b)
        scalar = planish.build(models.model([helper.make_node("ReduceSum", ["x"], ["s"], keepdims=0), helper.make_node("Greater", ["s", "s"], ["t"])], [("x", TensorProto.FLOAT, ["n"])],
                                            [("s", TensorProto.FLOAT, []), ("t", TensorProto.BOOL, [])]))  # fmt: skip
        for n in (4, 4, 4):
            out = scalar(np.ones(n, np.float32))
            self.assertEqual((out["s"].shape, float(out["s"]), bool(out["t"])), ((), n, False))

    def test_calls(self):
        for got in (self.engine(self.x), self.engine({"x": self.x}), self.engine(x=self.x), planish.run(self.model.SerializeToString(), {"x": self.x})):
            self.holds(got)
        self.assertEqual(self.engine(np.empty((0, 4), np.float32))["y"].shape, (0, 3))
        self.holds(self.engine(self.x.tolist()))

    def test_any_order_in_memory(self):
        for x in (np.asfortranarray(self.x), np.repeat(self.x, 2, axis=0)[::2], self.x[::-1][::-1], np.flip(np.ascontiguousarray(np.flip(self.x))), self.x.astype(">f4")):
            self.holds(self.engine(x))
        reversed_rows = self.x[::-1]
        self.holds(self.engine(reversed_rows), reversed_rows)
        still = self.x.copy()
        still.flags.writeable = False
        self.holds(self.engine(still))

    def test_what_it_says_of_itself(self):
        x, y = self.engine.inputs[0], self.engine.outputs[0]
        self.assertEqual((x.name, x.dtype, x.shape, x.kind), ("x", np.float32, ("batch", 4), "tensor"))
        self.assertEqual(y.shape, ("batch", 3))
        self.assertEqual(self.engine.device, "cpu")
        self.assertEqual(len(self.engine), len(self.engine.layers))
        reads, writes = self.engine.operands(0)
        self.assertEqual((reads[0].name, reads[0].dims, len(reads), len(writes)), (self.engine.inputs[0].name, (-1, 4), self.engine[0].inputs, self.engine[0].outputs))
        for index in (-1, len(self.engine)):
            with self.assertRaises(IndexError):
                self.engine.operands(index)
        self.assertIn("product", self.engine[0].name)
        self.assertIn("x: f32[batch,4]", repr(self.engine))
        self.assertGreater(self.engine.memory({"x": (5, 4)}), -1)
        with self.assertRaises(IndexError):
            self.engine[99]
        self.assertIn("gemm", self.engine.dump())
        tagged = planish.build(self.model, metadata={"who": "me"})
        self.assertEqual(tagged.metadata["who"], "me")

    def test_keeping(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "m.plan")
            self.engine.save(path)
            for again in (planish.load(path), planish.load(self.engine.to_bytes()), pickle.loads(pickle.dumps(self.engine))):
                self.assertTrue(np.array_equal(again(self.x)["y"], self.engine(self.x)["y"]))
            onnx_path = os.path.join(folder, "m.onnx")
            with open(onnx_path, "wb") as file:
                file.write(self.model.SerializeToString())
            self.holds(planish.run(onnx_path, {"x": self.x}))
            self.holds(planish.run(path, {"x": self.x}))
        data = self.engine.to_bytes()
        padded = data + b"\0" * (-len(data) % 4)
        if padded == data:
            self.holds(planish.load(memoryview(np.frombuffer(data, np.uint32)))(self.x))
        self.holds(planish.load(bytearray(data))(self.x))
        for cut in (0, 1, 63, 64, 100, len(data) // 2, len(data) - 1):
            with self.assertRaises(planish.Error):
                planish.load(data[:cut])

    def test_outputs_in_given_memory(self):
        context, out = self.engine.context(), np.zeros((5, 3), np.float32)
        self.assertIs(context.run({"x": self.x}, {"y": out})["y"], out)
        self.holds(out)
        asked = []
        context.bind_output("y", lambda *what: asked.append(what) or np.empty(what[3], what[2]))
        self.holds(context.run())
        self.assertEqual(asked, [("y", 60, np.dtype("float32"), (5, 3))])
        context.bind_output("y", None)
        self.holds(context.run())
        roomy = np.zeros(100, np.float32)
        self.holds(context.run({}, {"y": roomy}))

    def test_bad_outputs(self):
        context = self.engine.context()
        context.bind("x", self.x)
        frozen = np.zeros((5, 3), np.float32)
        frozen.flags.writeable = False
        for wrong in (frozen, np.zeros((5, 3), np.float64), np.zeros((5, 6), np.float32)[:, ::2], np.zeros(3, np.float32), lambda *_: frozen, lambda *_: None, lambda *_: 1 // 0):
            with self.assertRaises(planish.Error):
                context.run({}, {"y": wrong})
            context.bind_output("y", None)
        self.holds(context.run())
        with self.assertRaises(planish.InvalidArgument):
            context.bind_output("z", np.zeros(1, np.float32))

    def test_a_refused_output_leaves_nothing_behind(self):
        context, frozen = self.engine.context(), np.zeros((5, 3), np.float32)
        frozen.flags.writeable = False
        for first in (np.zeros((5, 3), np.float32), lambda name, size, dtype, shape: np.zeros(shape, dtype)):
            for wrong in (frozen, np.zeros((5, 3), np.int32), np.zeros((5, 3), np.float32)[::-1], np.zeros((5, 3), ">f4"), [0.0] * 15):
                context.bind_output("y", first)
                with self.assertRaises(planish.InvalidArgument):
                    context.bind_output("y", wrong)
                first = first.copy() if isinstance(first, np.ndarray) else first
                gc.collect()
                fresh = [np.zeros((5, 3), np.float32) for _ in range(50)]
                self.holds(context.run({"x": self.x}))
                context.bind_output("y", None)
                self.assertFalse(any(f.any() for f in fresh))

    def test_allocators(self):
        context, kept = self.engine.context(), np.zeros((5, 3), np.float32)
        for wrong in (lambda *_: [0.0] * 15, lambda *_: np.zeros((5, 3), ">f4"), lambda *_: np.zeros((5, 3), np.float32)[::-1], lambda *_: np.zeros(1, np.float32)):
            with self.assertRaises(planish.Error) as caught:
                context.run({"x": self.x}, {"y": wrong})
            self.assertIsInstance(caught.exception.__cause__, planish.InvalidArgument)

        def interrupt(*_):
            raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            context.run({"x": self.x}, {"y": interrupt})
        answers = [np.zeros((5, 3), np.float32), kept.ctypes.data, np.int64(kept.ctypes.data), np.zeros(100, np.uint8)]
        context.bind_output("y", lambda *_: answers.pop(0))
        for scale in (1, 2, 3, 4):
            x = (self.x * scale).astype(np.float32)
            self.holds(context.run({"x": x}), x)

    def test_callbacks_cannot_use_the_context(self):
        context, told = planish.build(self.model, taps="*", device="ref").context(), []

        def tap(name, array):
            for call in (lambda: context.run({"x": self.x[:1]}), lambda: context.bind("x", self.x[:1]), lambda: context.bind_output("y", None), lambda: context.output("y")):
                try:
                    call()
                except planish.InvalidArgument:
                    told.append(name)

        context.on_value(tap)
        self.holds(context.run({"x": self.x}))
        self.assertTrue(told and len(told) % 4 == 0)

        def fails(name, array):
            raise KeyError(name)

        context.on_value(fails)
        with self.assertRaises(planish.Cancelled) as caught:
            context.run({"x": self.x})
        self.assertIsInstance(caught.exception.__cause__, KeyError)
        context.on_value(None)
        self.holds(context.run({"x": self.x}))

    def test_unaligned(self):
        odd = np.frombuffer(b"\0" + self.x.tobytes(), np.uint8)[1:].view(np.float32).reshape(self.x.shape)
        self.assertFalse(odd.flags.aligned)
        self.holds(self.engine(odd))
        context = self.engine.context()
        for x in (self.x, odd, self.x):
            self.holds(context.run({"x": x}))
        with self.assertRaises(planish.InvalidArgument):
            context.bind_output("y", np.zeros(61, np.uint8)[1:].view(np.float32).reshape(5, 3))

    def test_bad_inputs(self):
        for wrong in (self.x.astype(np.float64), self.x[:, :3], self.x[0], self.x.astype(complex), np.array(["a"]), object()):
            with self.assertRaises((planish.Error, TypeError, ValueError)):
                self.engine(wrong)
        for call in (lambda: self.engine(), lambda: self.engine({"z": self.x}), lambda: self.engine(self.x, self.x), lambda: self.engine(self.x, x=self.x)):
            with self.assertRaises(planish.InvalidArgument):
                call()
        self.engine(self.x)
        with self.assertRaises(planish.InvalidArgument):
            self.engine({})  # what was given before does not count
        with self.assertRaisesRegex(planish.InvalidArgument, "'x'.*dim 1 is 3, the model wants 4"):
            self.engine(self.x[:, :3])

    def test_bad_numbers(self):
        for shape in ((1 << 70, 4), (-1, 4), (2.5, 4), "ab"):
            with self.subTest(shape), self.assertRaises(planish.InvalidArgument):
                self.engine.memory({"x": shape})
        for pool in ((1 << 40,), (-1,), (0, (1 << 40,))):
            with self.subTest(pool), self.assertRaises(planish.InvalidArgument):
                planish.Threads(*pool)
        for limit in (-1, 1 << 70, 1.5, "1"):
            for use in (self.engine.context, lambda limit: planish.build(self.model, memory_limit=limit)):
                with self.subTest(limit), self.assertRaises(planish.InvalidArgument):
                    use(limit)

    def test_texts_that_c_cannot_have(self):
        """A NUL would end them early; halves of characters have no bytes."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "m.plan")
            self.engine.save(path)
            for bad in ("\0more", "\ud800"):
                uses = [lambda: self.engine.save(path + bad), lambda: planish.load(path + bad), lambda: planish.load(path, device="cpu" + bad), lambda: planish.build(path + bad), lambda: planish.run(path + bad),
                        lambda: planish.build(self.model, taps=["y" + bad]), lambda: planish.build(self.model, metadata={"a": "b" + bad}), lambda: planish.build(self.model, device="cpu" + bad),
                        lambda: planish.build(self.model, timing_cache=path + bad), lambda: planish.Ops().load(path + bad), lambda: planish.Ops().add("a" + bad, "b")(len)]  # fmt: skip
                for i, use in enumerate(uses):
                    with self.subTest((bad, i)), self.assertRaisesRegex(planish.InvalidArgument, "NUL|surrogates"):
                        use()
            self.assertEqual(os.listdir(folder), ["m.plan"])

    def test_plans_of_any_name(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "m.trt")
            self.engine.save(path)
            self.holds(planish.run(path, {"x": self.x}))
            self.holds(planish.run(self.engine.to_bytes(), {"x": self.x}))
            for session in (planish.InferenceSession(path), planish.InferenceSession(self.engine.to_bytes())):
                self.holds(session.run(["y"], {"x": self.x})[0])

    def test_inputs_go(self):
        """A call keeps nothing of what it was given."""
        gone = []

        class Kept(np.ndarray):
            def __del__(self):
                gone.append(1)

        for _ in range(3):
            x = self.x.copy()
            held = x.ctypes.data, sys.getrefcount(x)
            self.engine(x)
            self.assertEqual((x.ctypes.data, sys.getrefcount(x)), held)
            self.engine(self.x.copy().view(Kept))
        gc.collect()
        self.assertEqual(len(gone), 3)

    def test_an_input_that_is_not_bound(self):
        with self.assertRaisesRegex(planish.InvalidArgument, "'x' is not bound.*context.bind") as caught:
            self.engine.context().run()
        self.assertNotIn("pln_", str(caught.exception))

    def test_errors_tell_node_shapes_and_cause(self):
        model = models.model([helper.make_node("MatMul", ["a", "b"], ["y"], name="p")], [("a", TensorProto.FLOAT, ["n", 3]), ("b", TensorProto.FLOAT, [4, 4])], [("y", TensorProto.FLOAT, None)])
        with self.assertRaisesRegex(planish.BadModel, r"^MatMul 'p': the rows of input 0 and the columns of input 1 have different lengths \(inputs f32\[n,3\], f32\[4,4\]\)$"):
            planish.build(model)

    def test_a_shape_that_does_not_fit(self):
        """A shape that comes with the run is looked at by optimized plans, too: what does not fit is not cut to what would."""
        model = models.model([helper.make_node("Reshape", ["x", "s"], ["y"], name="fold")], [("x", TensorProto.FLOAT, ["n"]), ("s", TensorProto.INT64, [1])], [("y", TensorProto.FLOAT, None)])
        for device in ("cpu", "ref"):
            engine, x = planish.build(model, device=device), np.arange(3, dtype=np.float32)
            np.testing.assert_array_equal(engine(x, np.array([3]))["y"], x)
            np.testing.assert_array_equal(engine(x, np.array([-1]))["y"], x)
            with self.assertRaisesRegex(planish.Error, "'fold'.*another number of elements"):
                engine(x, np.array([5]))

    def test_bad_models(self):
        for wrong in (b"", b"no model", self.model.SerializeToString()[:50], "/nowhere.onnx"):
            with self.assertRaises(planish.Error):
                planish.build(wrong)
        with self.assertRaises(planish.InvalidArgument):
            planish.build(42)
        node = helper.make_node("NoSuchOp", ["x"], ["y"], name="odd one")
        with self.assertRaises(planish.Error) as caught:
            planish.build(models.model([node], [("x", TensorProto.FLOAT, [1])], [("y", TensorProto.FLOAT, [1])]))
        self.assertEqual((caught.exception.messages[0].node, caught.exception.messages[0].op), ("odd one", "NoSuchOp"))
        with self.assertRaises(planish.Error):
            planish.build(self.model, device="cuda:99")
        for options in ({"fp16": True, "bf16": True}, {"tune": "much"}, {"target": "nothing"}, {"disabled_passes": ["nothing"]}):
            with self.assertRaises(planish.Error):
                planish.build(self.model, **options)

    def test_asynchronous(self):
        context = self.engine.context()
        self.holds(context.run_async({"x": self.x}).result(60))
        with self.assertRaises(planish.InvalidArgument):
            self.engine.context().run_async({"x": self.x[:, :2]}).result(60)

    def test_threads(self):
        """One engine called, and one context run, by many threads."""
        context, failed = self.engine.context(), []

        def work(seed):
            try:
                for i in range(50):
                    x = np.random.default_rng(100 * seed + i).standard_normal((i % 7 + 1, 4)).astype(np.float32)
                    self.holds(self.engine(x), x)
                    self.holds(context.run({"x": x}), x)
            except BaseException as raised:
                failed.append(raised)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])

    def test_pools(self):
        usable = sorted(os.sched_getaffinity(0))
        for pool in (planish.Threads(), planish.Threads(2), planish.Threads(cpus=usable[:2])):
            self.holds(planish.build(self.model, threads=pool)(self.x))
            self.holds(planish.load(self.engine.to_bytes(), threads=pool)(self.x))
        self.assertEqual(len(planish.Threads(cpus=usable[:1])), 1)
        for wrong in (lambda: planish.Threads(-1), lambda: planish.Threads(2, cpus=[100000]), lambda: planish.Threads(cpus=[100000])):
            with self.assertRaises(planish.InvalidArgument):
                wrong()

    def test_cancel(self):
        context = planish.build(models.endless()).context()
        future = context.run_async({"n": np.array(1 << 60), "x": np.array(1, np.float32)})
        while not future.done():
            context.cancel()
        with self.assertRaises(planish.Cancelled):
            future.result()

    def test_interrupt(self):
        """Ctrl-C ends a run soon, in the main thread; the context can run again. A handler of the program's own has its turn when the run is over."""
        # Shells have what they put behind ignore SIGINT, and Python leaves that alone.
        program = ("import signal, sys, threading, numpy as np, models, planish\nsignal.signal(signal.SIGINT, signal.default_int_handler)\ncontext = planish.build(models.endless()).context()\none = {'n': np.array(1), 'x': np.array(1, np.float32)}\ncontext.run(one)\n"
                   "for way in range(2):\n    try:\n        print('go', flush=True)\n        if way: context.bind('n', np.array(1 << 60)); context.run()\n        else: context.run({**one, 'n': np.array(1 << 60)})\n"
                   "    except KeyboardInterrupt: print('ended', context.run(one)['y'], flush=True)\n")  # fmt: skip
        process = subprocess.Popen([sys.executable, "-c", program], cwd=os.path.dirname(__file__), stdout=subprocess.PIPE, text=True)
        try:
            for _ in range(2):
                self.assertEqual(process.stdout.readline(), "go\n")
                time.sleep(0.5)
                process.send_signal(signal.SIGINT)
                ended = time.monotonic()
                self.assertEqual(process.stdout.readline(), "ended 2.0\n")
                self.assertLess(time.monotonic() - ended, 20)
            self.assertEqual(process.wait(60), 0)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        told, before = [], signal.signal(signal.SIGINT, lambda *_: told.append(1))
        try:
            timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()
            x = np.ones((300000, 4), np.float32)
            while timer.is_alive():
                self.engine(x)
            timer.join()
            self.engine(x)
            self.assertEqual(told, [1])
        finally:
            signal.signal(signal.SIGINT, before)
        self.assertIs(signal.getsignal(signal.SIGINT), before)

    def test_times_that_were_not_taken(self):
        context = self.engine.context()
        context.run({"x": self.x})
        for _ in range(2):
            with self.assertRaisesRegex(planish.InvalidArgument, r"set_profiling\(True\) before the run"):
                context.layer_times()
            context.set_profiling(True)
        context.run({"x": self.x})
        self.assertGreater(sum(ns for ns, _ in context.layer_times()), 0)

    def test_limits_of_memory(self):
        """The text says that it is the caller's limit, and no number of bytes that nobody knows."""
        model = self.model.SerializeToString()
        for limited in (lambda: planish.build(model, memory_limit=100), lambda: self.engine.context(memory_limit=10), lambda: self.engine.context(memory_limit=20000).run({"x": np.ones((100000, 4), np.float32)})):
            with self.assertRaises(planish.OutOfMemory) as raised:
                limited()
            self.assertRegex(str(raised.exception), r"it may take \d+ bytes \(memory_limit\)")
            self.assertNotIn(" 0 bytes", str(raised.exception))

    def test_a_plan_is_no_model(self):
        for plan in (self.engine.to_bytes(), self.engine.to_bytes()[:100]):
            with self.assertRaisesRegex(planish.BadModel, r"it is a plan of Planish, which is loaded and not built \(planish.load\)"):
                planish.build(plan)

    def test_profile(self):
        profile = self.engine.profile(self.x, runs=3)
        self.assertEqual(len(profile), len(self.engine))
        self.assertIn("kernel", str(profile))
        self.assertIn("<table>", self.engine._repr_html_())
        self.assertRegex(self.engine._repr_html_(), r"MiB of weights, \d+\.\d MiB of activations in a run, where open extents are 1")
        self.assertIn("<table>", profile._repr_html_())

    def test_taps(self):
        seen = {}
        context = planish.build(self.model, taps="*", device="ref").context()
        context.on_value(lambda name, array: seen.__setitem__(name, array))
        context.run({"x": self.x})
        self.holds(np.maximum(seen["h"], 0))

    def test_progress(self):
        told = []
        planish.build(self.model, progress=lambda *what: told.append(what))
        self.assertTrue(told and all(isinstance(phase, str) for phase, _, _ in told))
        with self.assertRaises(planish.Cancelled):
            planish.build(self.model, progress=lambda *_: False)

        def interrupt(*_):
            raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            planish.build(self.model, progress=interrupt)

    def test_lifetimes(self):
        """A context outlives its engine's name; nothing is freed twice."""
        context = planish.build(self.model).context()
        gc.collect()
        self.holds(context.run({"x": self.x}))
        for _ in range(100):
            planish.load(self.engine.to_bytes())(self.x)

    def test_no_cycles(self):
        """What is dropped is freed at once, without the help of Python's collector, and an engine's weights with it."""
        model, x = self.model.SerializeToString(), self.x

        def called():
            engine = planish.load(self.engine.to_bytes())
            engine(x)
            engine(x=x)
            return engine

        def session():
            session = planish.InferenceSession(model)
            session.run(None, {"x": x})
            return session.engine

        def told():
            context = planish.build(model, taps="*").context()
            context.on_value(lambda name, value: None)
            context.run({"x": x})
            return context

        def failed():
            engine = planish.build(model)
            with self.assertRaises(planish.InvalidArgument):
                engine(x[0])
            return engine

        gc.collect()
        gc.disable()
        try:
            for make in (called, session, told, failed):
                gone = []
                weakref.finalize(make(), gone.append, 1)
                self.assertEqual(gone, [1], make.__name__)
        finally:
            gc.enable()

    @unittest.skipUnless(hasattr(os, "fork"), "no fork")
    def test_fork(self):
        program = ("import os, sys, numpy as np, models, planish\nm, f = models.linear()\ne = planish.build(m)\nx = np.ones((500, 4), np.float32)\ne(x)\npid = os.fork()\n"
                   "ok = np.allclose(planish.build(m)(x)['y'], f(x), atol=1e-5)\nif pid == 0: os._exit(0 if ok else 3)\nsys.exit(os.waitpid(pid, 0)[1] >> 8 if ok else 4)")  # fmt: skip
        self.assertEqual(subprocess.run([sys.executable, "-c", program], cwd=os.path.dirname(__file__), timeout=120).returncode, 0)

    def test_end_of_the_interpreter(self):
        """Engines and contexts in globals, and a run in a daemon thread, when Python ends."""
        program = ("import threading, numpy as np, models, planish\nm, f = models.linear()\ne = planish.build(m)\nc = e.context()\nc.run({'x': np.ones((2, 4), np.float32)})\n"
                   "d = e.context()\nx = np.ones((200000, 4), np.float32)\ndef work():\n    while True: d.run({'x': x})\nthreading.Thread(target=work, daemon=True).start()\n")  # fmt: skip
        for _ in range(3):
            self.assertEqual(subprocess.run([sys.executable, "-c", program], cwd=os.path.dirname(__file__), timeout=120).returncode, 0)

    def test_import_is_light(self):
        program = "import sys, planish; print(sorted(m for m in ('onnx', 'pandas', 'torch', 'ml_dtypes', 'concurrent.futures') if m in sys.modules))"
        self.assertEqual(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60).stdout.strip(), "[]")

    def test_first_run_is_light(self):
        """Nothing is imported for it: numpy.ma alone takes longer than a small model."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "m.plan")
            self.engine.save(path)
            program = f"import sys, numpy as np, planish\nx, before = np.ones((2, 4), np.float32), set(sys.modules)\nplanish.load({path!r})({{'x': x}})\nprint(sorted(set(sys.modules) - before))"
            self.assertEqual(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60).stdout.strip(), "[]")


if __name__ == "__main__":
    unittest.main()
