"""The order of runs and of other work on a GPU: default stream, streams, DLPack, __cuda_array_interface__. Where there is none, on the fake GPU of the tests, whose streams run late."""
import ctypes
import os
import pathlib
import subprocess
import sys
import unittest

import numpy as np
from onnx import TensorProto, helper

import models
import planish
import planish.pycuda.driver as cuda
import planish.tensorrt as trt
from memory import on_device, taken
from network_test import build, new
from planish.pycuda import gpu

ROOT = pathlib.Path(__file__).resolve().parents[2]
FAKE = "PLANISH_TEST_ON_FAKE_GPU"
ON_GPU = cuda.Device(0).compute_capability() != (0, 0)
N = 1000 if FAKE in os.environ else 1 << 24
NON_BLOCKING, LEGACY = 1, gpu.LEGACY


class Tensor:
    """Memory of the GPU that speaks both protocols; `asked`: the streams that DLPack was told."""

    class DL(ctypes.Structure):
        _fields_ = [("data", ctypes.c_uint64), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32), ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8),
                    ("lanes", ctypes.c_uint16), ("shape", ctypes.c_void_p), ("strides", ctypes.c_void_p), ("byte_offset", ctypes.c_uint64), ("more", ctypes.c_uint64 * 2)]  # fmt: skip

    def __init__(self, memory, **interface):
        self.memory, self.asked, self.shape = memory, [], (ctypes.c_int64 * 1)(N)
        self.tensor = Tensor.DL(int(memory), 2, 0, 1, 2, 32, 1, ctypes.addressof(self.shape), None, 0)
        if interface:
            self.__cuda_array_interface__ = {"shape": (N,), "typestr": "<f4", "data": (int(memory), False), "strides": None, **interface}

    def __dlpack_device__(self):
        return 2, 0

    def __dlpack__(self, stream=None):
        self.asked.append(stream)
        make = ctypes.pythonapi.PyCapsule_New
        make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        return make(ctypes.addressof(self.tensor), b"dltensor", None)


class Streams(unittest.TestCase):
    """y = relu(x) over memory that work on some stream writes and reads."""

    @classmethod
    def setUpClass(cls):
        cls.driver = gpu.driver()
        builder, network = new()
        y = network.add_activation(network.add_input("x", trt.float32, (N,)), trt.ActivationType.RELU).get_output(0)
        y.name = "y"
        network.mark_output(y)
        cls.trt = build(builder, network)
        cls.engine = planish.build(models.model([helper.make_node("Relu", ["x"], ["y"])], [("x", TensorProto.FLOAT, [N])], [("y", TensorProto.FLOAT, [N])]), device="cuda:0")
        cls.ones, cls.zeros = on_device(np.ones(N, np.float32)), on_device(np.zeros(N, np.float32))
        cls.side, cls.other = (cls.driver.make(ctypes.c_void_p, "StreamCreate", NON_BLOCKING) for _ in range(2))

    def setUp(self):
        self.x, self.y, self.copy = (on_device(np.zeros(N, np.float32)) for _ in range(3))

    def put(self, to, value, stream):
        """Copies on a stream, the last of which brings the value."""
        for one in [self.zeros] * 8 + [value]:
            self.driver.call("MemcpyDtoDAsync", int(to), int(one), 4 * N, stream)

    def settle(self):
        self.driver.call("CtxSynchronize") if FAKE not in os.environ else [self.driver.call("StreamSynchronize", s) for s in (LEGACY, self.side, self.other)]

    def repeated(self, work):
        """What is late may be in time by chance."""
        for _ in range(12):
            self.put(self.x, self.zeros, LEGACY)
            self.put(self.y, self.zeros, LEGACY)
            self.settle()
            work()
            self.settle()

    def is_ones(self, memory):
        self.assertEqual(float(np.min(taken(memory, (N,)))), 1.0)

    def test_tensorrt(self):
        """Runs without a stream, and on stream 0, are behind the default stream, and what comes next behind them."""
        context = self.trt.create_execution_context()

        def v2():
            self.put(self.x, self.ones, LEGACY)
            self.assertTrue(context.execute_v2([int(self.x), int(self.y)]))
            self.is_ones(self.y)

        def v3():
            context.set_tensor_address("x", int(self.x))
            context.set_tensor_address("y", int(self.y))
            self.put(self.x, self.ones, LEGACY)
            self.assertTrue(context.execute_async_v3(0))
            self.put(self.copy, self.y, LEGACY)
            self.settle()
            self.is_ones(self.copy)

        def on_side():
            self.put(self.x, self.ones, self.side)
            self.assertTrue(context.execute_async_v2([int(self.x), int(self.y)], self.side))
            self.put(self.copy, self.y, self.side)
            self.settle()
            self.is_ones(self.copy)

        for work in (v2, v3, on_side):
            self.repeated(work)

    def test_profiler(self):
        class Profiler(trt.IProfiler):
            def __init__(self):
                trt.IProfiler.__init__(self)
                self.layers = 0

            def report_layer_time(self, name, ms):
                self.layers += 1

        context = self.trt.create_execution_context()
        context.profiler = Profiler()

        def work():
            self.put(self.x, self.ones, self.side)
            self.assertTrue(context.execute_async_v2([int(self.x), int(self.y)], self.side))
            self.is_ones(self.y)

        self.repeated(work)
        self.assertGreater(context.profiler.layers, 0)

    def test_calls(self):
        """Tensors of other libraries, by DLPack and by the interface of version 2, which has no stream."""

        def dlpack():
            x = Tensor(self.x)
            self.put(self.x, self.ones, LEGACY)
            self.assertEqual(self.engine(x)["y"].min(), 1)
            self.assertEqual(x.asked, [1])

        def interface():
            x, y, context = Tensor(self.x, version=2), Tensor(self.y, version=2), self.engine.context()
            del Tensor.__dlpack__
            self.put(self.x, self.ones, LEGACY)
            context.run({"x": x}, {"y": y})
            self.is_ones(self.y)

        self.repeated(dlpack)
        kept = Tensor.__dlpack__
        for _ in range(3):
            try:
                interface()
            finally:
                Tensor.__dlpack__ = kept

    def test_interface_with_a_stream(self):
        """Version 3: the run is behind the work on the stream that the array names."""

        def work():
            x = Tensor(self.x, version=3, stream=self.side)
            self.put(self.x, self.ones, self.side)
            self.assertEqual(self.engine(x)["y"].min(), 1)
            self.assertEqual(x.asked, [])

        def enqueued():
            x, y, context = Tensor(self.x, version=3, stream=self.side), Tensor(self.y, version=3, stream=None), self.engine.context()
            self.put(self.x, self.ones, self.side)
            context.bind("x", x)
            context.bind_output("y", y)
            context.enqueue(self.other)
            self.put(self.copy, self.y, self.other)
            self.settle()
            self.is_ones(self.copy)

        self.repeated(work)
        self.repeated(enqueued)
        for stream in (1, None):
            self.put(self.x, self.ones, LEGACY)
            self.assertEqual(self.engine(Tensor(self.x, version=3, stream=stream))["y"].min(), 1)
            self.settle()
        for wrong in (0, -1, "side", True):
            with self.assertRaisesRegex(planish.InvalidArgument, "a CUDA array's stream is"):
                self.engine(Tensor(self.x, version=3, stream=wrong))

    def test_enqueue_on_the_default(self):
        def work():
            context = self.engine.context()
            self.put(self.x, self.ones, LEGACY)
            context.bind("x", Tensor(self.x))
            context.bind_output("y", Tensor(self.y))
            context.enqueue(0)
            self.put(self.copy, self.y, LEGACY)
            self.settle()
            self.is_ones(self.copy)

        self.repeated(work)


class OnTheFakeGpu(unittest.TestCase):
    def test_streams(self):
        build_folder = pathlib.Path(os.environ.get("PLANISH", ROOT / "build/bin/planish")).resolve().parents[1]
        if not (build_folder / "lib/fake_cuda/libnvrtc.so").exists():
            self.skipTest(f"the fake GPU is not built in {build_folder}")
        env = {**os.environ, "BUILD": str(build_folder), "PLANISH_DEVICE": "cuda:0", FAKE: "1"}
        done = subprocess.run([ROOT / "tests/fake_cuda/run", sys.executable, __file__], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=200)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, r"Ran [1-9]\d* tests in .*\n\nOK\n")


def load_tests(loader, tests, pattern):
    """On a GPU, the fake one too, the order of things; elsewhere a process that has the fake GPU."""
    return loader.loadTestsFromTestCase(Streams if ON_GPU or FAKE in os.environ else OnTheFakeGpu)


if __name__ == "__main__":
    unittest.main()
