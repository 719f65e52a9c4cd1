"""Programs written for TensorRT, of both generations."""
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import unittest

import numpy as np
from onnx import TensorProto, helper

import models
import planish
import planish.pycuda.autoinit  # noqa: F401
import planish.pycuda.driver as cuda
import planish.tensorrt as trt
from memory import on_device, put, taken


ERROR = 1e-5 if cuda.Device(0).compute_capability() == (0, 0) else 1e-2  # FP16 on a GPU


class Quiet(trt.ILogger):
    def __init__(self):
        super().__init__()
        self.lines = []

    def log(self, severity, msg):
        self.lines.append((severity, msg))


def build(model, logger, profile=True):
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH) if trt.base.generation() < 11 else 0)
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(model.SerializeToString()), parser.get_error(0).desc()
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, 1 << 30)
    if hasattr(trt.BuilderFlag, "FP16"):
        config.set_flag(trt.BuilderFlag.FP16)
    if profile:
        shapes = builder.create_optimization_profile()
        shapes.set_shape("x", (1, 4), (2, 4), (8, 4))
        config.add_optimization_profile(shapes)
    return builder.build_serialized_network(network, config)


class Programs(unittest.TestCase):
    def setUp(self):
        self.logger = Quiet()
        self.model, self.expected = models.linear()
        self.x = np.random.default_rng(2).standard_normal((5, 4)).astype(np.float32)

    def test_bindings(self):
        """The style of 8: bindings in a list, pycuda, streams."""
        with trt.Runtime(self.logger) as runtime, runtime.deserialize_cuda_engine(build(self.model, self.logger)) as engine, engine.create_execution_context() as context:
            context.set_binding_shape(0, self.x.shape)
            host, device, bindings, stream = {}, {}, [], cuda.Stream()
            for binding in engine:
                index = engine.get_binding_index(binding)
                size, dtype = trt.volume(context.get_binding_shape(index)), trt.nptype(engine.get_binding_dtype(binding))
                host[binding] = cuda.pagelocked_empty(size, dtype)
                device[binding] = cuda.mem_alloc(host[binding].nbytes)
                bindings.append(int(device[binding]))
            self.assertEqual([engine.binding_is_input(b) for b in engine], [True, False])
            np.copyto(host["x"], self.x.ravel())
            cuda.memcpy_htod_async(device["x"], host["x"], stream)
            self.assertTrue(context.execute_async_v2(bindings=bindings, stream_handle=stream.handle))
            cuda.memcpy_dtoh_async(host["y"], device["y"], stream)
            stream.synchronize()
            np.testing.assert_allclose(host["y"].reshape(5, 3), self.expected(self.x), rtol=ERROR, atol=ERROR)
            self.assertTrue(context.execute_v2(bindings))

    def test_names(self):
        """The style of 10: names and addresses."""
        engine = trt.Runtime(self.logger).deserialize_cuda_engine(build(self.model, self.logger))
        context, memory = engine.create_execution_context(), {}
        self.assertEqual(context.infer_shapes(), ["x"])
        self.assertTrue(context.set_input_shape("x", self.x.shape))
        for i in range(engine.num_io_tensors):
            name = engine.get_tensor_name(i)
            memory[name] = on_device(np.zeros(context.get_tensor_shape(name), trt.nptype(engine.get_tensor_dtype(name))))
            self.assertTrue(context.set_tensor_address(name, int(memory[name])))
        put(memory["x"], self.x)
        stream = cuda.Stream()
        self.assertTrue(context.execute_async_v3(stream.handle))
        stream.synchronize()
        np.testing.assert_allclose(taken(memory["y"], (5, 3)), self.expected(self.x), rtol=ERROR, atol=ERROR)
        self.assertEqual(engine.get_tensor_mode("x"), trt.TensorIOMode.INPUT)
        self.assertEqual((tuple(engine.get_tensor_shape("x")), tuple(context.get_tensor_shape("y")), tuple(context.get_tensor_strides("y"))), ((-1, 4), (5, 3), (3, 1)))
        self.assertEqual([tuple(s) for s in engine.get_tensor_profile_shape("x", 0)], [(1, 4), (2, 4), (8, 4)])
        self.assertEqual(context.get_max_output_size("y"), 60)

    def test_what_is_missing_is_told(self):
        context = trt.Runtime(self.logger).deserialize_cuda_engine(build(self.model, self.logger)).create_execution_context()
        for call, text in ((lambda: context.execute_v2([1, 2]), "set_input_shape('x'"), (lambda: context.set_input_shape("x", (5, 3)), "(5, 3)"), (lambda: context.set_input_shape("y", (5, 3)), "output"),
                           (lambda: context.execute_v2([1]), "1 bindings"), (lambda: context.set_tensor_address("z", 1), "'z'")):  # fmt: skip
            self.logger.lines.clear()
            self.assertFalse(call())
            self.assertIn(text, self.logger.lines[-1][1])
            self.assertEqual(self.logger.lines[-1][0], trt.Logger.ERROR)
        context.set_input_shape("x", (1, 4))
        self.assertFalse(context.execute_async_v3(0))
        self.assertIn("set_tensor_address('x'", self.logger.lines[-1][1])
        context.error_recorder = trt.IErrorRecorder()
        self.assertFalse(context.execute_async_v3(0))
        self.assertEqual((context.error_recorder.num_errors(), context.error_recorder.get_error_code(0)), (1, trt.ErrorCode.INVALID_ARGUMENT))
        self.assertIsNone(trt.Runtime(self.logger).deserialize_cuda_engine(b"no engine"))
        network = trt.Builder(self.logger).create_network()
        parser = trt.OnnxParser(network, self.logger)
        odd = models.model([helper.make_node("NoSuchOp", ["x"], ["y"], name="odd")], [("x", TensorProto.FLOAT, [1])], [("y", TensorProto.FLOAT, [1])])
        self.assertFalse(parser.parse(odd.SerializeToString()))
        self.assertEqual((parser.num_errors, parser.get_error(0).node_name(), parser.get_error(0).node_operator()), (1, "odd", "NoSuchOp"))
        self.assertIsNone(trt.Builder(self.logger).build_serialized_network(network, trt.Builder(self.logger).create_builder_config()))
        with self.assertRaises(AttributeError):
            trt.NoSuchThing

    def test_int64_of_generation_8(self):
        made = models.model([helper.make_node("Add", ["i", "i"], ["j"])], [("i", TensorProto.INT64, ["n"])], [("j", TensorProto.INT64, ["n"])])
        for generation, dtype, kind in ((8, trt.int32, np.int32), (10, trt.int64, np.int64), (11, trt.int64, np.int64)):
            trt.set_generation(generation)
            try:
                self.assertEqual(int(trt.__version__.split(".")[0]), generation)
                engine = trt.Runtime(self.logger).deserialize_cuda_engine(build(made, self.logger, profile=False))
                said = [text for _, text in self.logger.lines if "INT32" in text]
                self.assertEqual(len(said), 1 if generation == 8 else 0, said)
                self.logger.lines.clear()
                self.check_int64_engine(engine, dtype, kind)
            finally:
                trt.set_generation(8)

    def check_int64_engine(self, engine, dtype, kind):
        """j = i + i, also with extents and values that need the sign."""
        for values in ([0, 1, 2, 3, 4], [-1, -7], []):
            self.assertEqual((engine.get_tensor_dtype("i"), engine.get_tensor_dtype("j")), (dtype, dtype))
            context, i, j = engine.create_execution_context(), np.array(values, kind), np.zeros(len(values), kind)
            context.set_input_shape("i", i.shape)
            memory = [on_device(i), on_device(j)]
            self.assertTrue(context.execute_v2([int(m) for m in memory]), self.logger.lines)
            self.assertEqual(taken(memory[1], i.shape, kind).tolist(), [2 * v for v in values])
            self.assertEqual(context.get_max_output_size("j"), j.nbytes)

    def test_int64_plans_of_others_in_generation_8(self):
        """Plans of trtexec, of planish.build and of generation 10 have inputs and outputs of 32 bits where they are loaded in generation 8."""
        made = models.model([helper.make_node("Add", ["i", "i"], ["j"])], [("i", TensorProto.INT64, ["n"])], [("j", TensorProto.INT64, ["n"])])
        device = trt.builder.default_device()

        def of_trtexec(*flags):
            with tempfile.TemporaryDirectory() as folder:
                model, plan = os.path.join(folder, "m.onnx"), os.path.join(folder, "m.trt")
                with open(model, "wb") as file:
                    file.write(made.SerializeToString())
                subprocess.run([os.environ["PLANISH"], "trtexec", f"--onnx={model}", f"--saveEngine={plan}", "--skipInference", *flags], check=True, capture_output=True)
                with open(plan, "rb") as file:
                    return file.read()

        trt.set_generation(10)
        try:
            of_generation_10 = bytes(build(made, self.logger, profile=False))
        finally:
            trt.set_generation(8)
        plans = [(of_generation_10, True), (planish.build(made, device=device, keep_model=True).to_bytes(), True), (planish.build(made, device=device, int32_io=True).to_bytes(), False)]
        if os.environ.get("PLANISH"):
            plans += [(of_trtexec(), True), (of_trtexec("--pln-version=8"), False)]
        for plan, is_wide in plans:
            self.logger.lines.clear()
            engine = trt.Runtime(self.logger).deserialize_cuda_engine(plan)
            said = [text for level, text in self.logger.lines if level == trt.Logger.WARNING and "built again with INT32" in text]
            self.assertEqual(len(said), is_wide)
            self.check_int64_engine(engine, trt.int32, np.int32)
            self.check_int64_engine(trt.Runtime(self.logger).deserialize_cuda_engine(engine.serialize()), trt.int32, np.int32)
            self.assertEqual(engine.refittable, planish.load(plan).keeps_model)
        self.assertIsNone(trt.Runtime(self.logger).deserialize_cuda_engine(planish.build(made, device=device, rebuildable=False).to_bytes()))
        self.assertIn("--pln-version=8", self.logger.lines[-1][1])
        with self.assertRaises(planish.NotFound):
            planish.build(planish.build(made, rebuildable=False))

    def test_output_allocator(self):
        """An output whose size depends on data."""
        made = models.model([helper.make_node("NonZero", ["x"], ["y"])], [("x", TensorProto.FLOAT, ["n"])], [("y", TensorProto.INT64, [1, "m"])])
        trt.set_generation(10)
        self.addCleanup(trt.set_generation, 8)
        engine = trt.Runtime(self.logger).deserialize_cuda_engine(build(made, self.logger, profile=False))

        class Allocator(trt.IOutputAllocator):
            def reallocate_output(self, name, memory, size, alignment):
                self.memory = cuda.mem_alloc(size)
                return int(self.memory)

            def notify_shape(self, name, shape):
                self.shape = tuple(shape)

        context, x, allocator = engine.create_execution_context(), on_device(np.array([0, 1, 0, 2], np.float32)), Allocator()
        context.set_input_shape("x", (4,))
        context.set_tensor_address("x", int(x))
        self.assertFalse(context.execute_v2([int(x), int(x)]))
        self.assertIn("overlaps that of 'x'", self.logger.lines[-1][1])
        context.set_output_allocator("y", allocator)
        self.assertTrue(context.execute_async_v3(0), self.logger.lines)
        self.assertEqual((taken(allocator.memory, (2,), np.int64).tolist(), allocator.shape), ([1, 3], (1, 2)))

        class Broken(trt.IOutputAllocator):
            def reallocate_output(self, name, memory, size, alignment):
                raise KeyError("mine")

        context.set_output_allocator("y", Broken())
        self.assertFalse(context.execute_async_v3(0))
        self.assertIn("mine", self.logger.lines[-1][1])
        self.assertFalse(context.set_output_allocator("z", allocator))
        self.assertTrue(context.set_output_allocator("y", None))
        self.assertIsNone(context.get_output_allocator("y"))

    def test_profiler_inspector_monitor(self):
        class Monitor(trt.IProgressMonitor):
            def __init__(self):
                super().__init__()
                self.phases = []

            def phase_start(self, name, parent, steps):
                self.phases.append(name)

            def phase_finish(self, name):
                self.phases.append(f"end of {name}")

        builder, monitor = trt.Builder(self.logger), Monitor()
        network, config = builder.create_network(), builder.create_builder_config()
        self.assertTrue(trt.OnnxParser(network, self.logger).parse(self.model.SerializeToString()))
        self.assertEqual((network.num_inputs, network.get_input(0).name, tuple(network.get_input(0).shape), network.get_input(0).dtype), (1, "x", (-1, 4), trt.float32))
        config.progress_monitor = monitor
        engine = builder.build_engine_with_config(network, config)
        self.assertEqual(sum(p.startswith("end of") for p in monitor.phases) * 2, len(monitor.phases))
        context, times = engine.create_execution_context(), []

        class Times(trt.IProfiler):
            def report_layer_time(self, name, ms):
                times.append((name, ms))

        context.profiler = Times()
        context.set_input_shape("x", (1, 4))
        memory = [on_device(self.x[:1]), on_device(np.zeros((1, 3), np.float32))]
        self.assertTrue(context.execute_v2([int(m) for m in memory]))
        self.assertEqual(len(times), engine.num_layers)
        self.assertIn('"Layers"', engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON))

    def test_alias(self):
        """import tensorrt, in another process, finds ours once it is asked to, and not a package of somebody else's."""
        program = "import tensorrt as trt, pycuda.autoinit, pycuda.driver as cuda; trt.Logger(); print(trt.__name__, trt.__version__, cuda.mem_alloc(8).size)"
        with tempfile.TemporaryDirectory() as folder:
            paths = {**os.environ, "PYTHONPATH": os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")])}

            def python(*arguments):
                return subprocess.run([sys.executable, *arguments], env=paths, capture_output=True, text=True, timeout=60)

            self.assertNotEqual(python("-c", program).returncode, 0)
            for option in ("--install-alias", "--install-pycuda-alias", "--install-alias"):
                self.assertEqual(python("-m", "planish.tensorrt", option, "--into", folder).returncode, 0)
            self.assertEqual(python("-c", program).stdout.split(), ["planish.tensorrt", "8.6.1", "8"])
            self.assertIn("IPluginV3", python("-c", "import tensorrt.plugin").stderr)
            self.assertEqual(python("-c", "import tensorrt.tensorrt as t, tensorrt; print(t is tensorrt is tensorrt.tensorrt, t.Logger is tensorrt.Logger)").stdout.split(), ["True", "True"])
            self.assertEqual(python("-m", "planish.tensorrt", "--remove-alias", "--into", folder).stdout.count("removed"), 2)
            self.assertEqual(os.listdir(folder), [])
            os.mkdir(os.path.join(folder, "tensorrt"))
            with open(os.path.join(folder, "tensorrt", "__init__.py"), "w") as file:
                file.write("real = True")
            self.assertIn("installed already", python("-m", "planish.tensorrt", "--install-alias", "--into", folder).stderr)
            self.assertEqual(python("-m", "planish.tensorrt", "--remove-alias", "--into", folder).stdout.strip(), "no alias is installed")

    def test_generation_of_unchanged_programs(self):
        """The program's own choice, else the environment's, else the alias's, else 8."""
        program, choosing = "import tensorrt as trt; print(trt.__version__, trt.generation)", "import planish.tensorrt; planish.tensorrt.generation = 8; "
        with tempfile.TemporaryDirectory() as folder:
            paths = {**os.environ, "PYTHONPATH": os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")])}

            def python(*arguments, **more):
                return subprocess.run([sys.executable, *arguments], env={**paths, **more}, capture_output=True, text=True, timeout=60)

            self.assertEqual(python("-m", "planish.tensorrt", "--install-alias", "--generation", "10", "--into", folder).returncode, 0)
            self.assertEqual(python("-c", program).stdout.split(), ["10.13.0", "10"])
            self.assertEqual(python("-c", program, PLANISH_TENSORRT_GENERATION="11").stdout.split(), ["11.1.0", "11"])
            self.assertEqual(python("-c", choosing + program, PLANISH_TENSORRT_GENERATION="11").stdout.split(), ["8.6.1", "8"])
            self.assertIn("generations are 8, 10, 11", python("-c", program, PLANISH_TENSORRT_GENERATION="9").stderr)
            self.assertEqual(python("-m", "planish.tensorrt", "--install-alias", "--into", folder).returncode, 0)
            self.assertEqual(python("-c", program).stdout.split(), ["8.6.1", "8"])
            for wrong in (("--install-alias", "--generation", "9"), ("--remove-alias", "--generation", "10")):
                self.assertEqual(python("-m", "planish.tensorrt", *wrong, "--into", folder).returncode, 2)

    def test_generation(self):
        """An attribute that is the number."""
        self.assertEqual((trt.generation, trt.generation(), trt.generation + 0, f"{trt.generation}"), (8, 8, 8, "8"))
        try:
            trt.generation = 10
            self.assertEqual((trt.generation, trt.__version__[:3], trt.base.generation()), (10, "10.", 10))
            trt.generation = trt.generation
            for wrong in (9, "10", None):
                with self.assertRaises(planish.InvalidArgument):
                    trt.generation = wrong
            self.assertEqual(trt.generation, 10)
        finally:
            trt.generation = 8
        self.assertIn("generation", trt.__all__)
        self.assertIs(trt.tensorrt, trt)

    def test_small_things(self):
        self.assertEqual((trt.volume((2, 3)), trt.volume((-1, 3)), trt.nptype(trt.float16), trt.DataType.INT4.itemsize), (6, -3, np.float16, 0.5))
        with self.assertRaises(TypeError):
            trt.nptype(trt.bfloat16)
        with self.assertRaises(ValueError):
            trt.IOptimizationProfile().set_shape("x", (2,), (1,), (3,))
        shown = io.StringIO()
        with contextlib.redirect_stderr(shown):
            trt.Logger(trt.Logger.INFO).log(trt.Logger.WARNING, "careful")
            trt.Logger(trt.Logger.ERROR).log(trt.Logger.WARNING, "not shown")
        self.assertIn("[W] careful", shown.getvalue())
        self.assertNotIn("not shown", shown.getvalue())
        self.assertTrue(trt.init_libnvinfer_plugins(None, ""))
        freed = cuda.mem_alloc(4)
        freed.free()
        for call in (lambda: int(freed), lambda: cuda.memcpy_htod(cuda.mem_alloc(3), np.zeros(4, np.uint8)), lambda: cuda.mem_alloc(-1)):
            with self.assertRaises(cuda.Error):
                call()


if __name__ == "__main__":
    unittest.main()
