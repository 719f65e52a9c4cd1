"""planish.pycuda on the host's memory and, in a process of its own, on that of the fake GPU of the tests."""
import gc
import os
import pathlib
import subprocess
import sys
import unittest

import numpy as np

import planish.pycuda.autoinit  # noqa: F401
import planish.pycuda.driver as cuda

ROOT = pathlib.Path(__file__).parents[2]
ON_GPU = os.environ.get("PLANISH_DEVICE", "cpu").startswith("cuda")
FAKE = "PLANISH_TEST_FAKE"


class Memory(unittest.TestCase):
    def test_what_is_not_there(self):
        """Names of pycuda say what to use."""
        for name, text in (("In", "IPluginV3"), ("InOut", "IPluginV3"), ("managed_empty", "pagelocked_empty"), ("Nothing", "has no 'Nothing'")):
            with self.assertRaisesRegex(AttributeError, text):
                getattr(cuda, name)
        with self.assertRaisesRegex(cuda.Error, "total_memory"):
            cuda.Device(0).get_attributes()
        self.assertEqual(cuda.Context.get_device().name(), cuda.Device(0).name())

    def test_copies(self):
        x, y = np.arange(1000, dtype=np.float32), np.zeros(1000, np.float32)
        a, b = cuda.mem_alloc_like(x), cuda.mem_alloc(x.nbytes)
        self.assertEqual((a.size, int(a) % 256), (4000, 0))
        self.assertEqual(type(a).__name__, "DeviceAllocation")
        cuda.memcpy_htod(a, x)
        cuda.memcpy_dtod(b, a, a.size)
        cuda.memcpy_dtoh(y, b)
        self.assertTrue(np.array_equal(x, y))
        cuda.memcpy_htod(int(a) + 400, x[:10])  # an address in the middle
        cuda.memcpy_dtoh(y, a)
        self.assertEqual(y[95:115].tolist(), [*range(95, 100), *range(10), *range(110, 115)])
        cuda.memcpy_htod(a, np.empty(0, np.float32))

    def test_the_rest(self):
        """Names that programs use beside the copies."""
        x = np.arange(12, dtype=np.int32).reshape(3, 4)
        a = cuda.to_device(x)
        np.testing.assert_array_equal(cuda.from_device(a, (3, 4), np.int32), x)
        np.testing.assert_array_equal(cuda.from_device_like(a, x), x)
        cuda.memcpy_htod(a, np.asfortranarray(x))  # as it lies
        np.testing.assert_array_equal(cuda.from_device(a, (4, 3), np.int32), x.T)
        f = np.asfortranarray(x)
        np.testing.assert_array_equal(cuda.from_device_like(cuda.to_device(f), f), x)
        for wrong in (300, 1.5):
            with self.assertRaises((cuda.LogicError, TypeError)):
                cuda.memset_d8(a, wrong, 4)
        y = np.zeros((3, 4), np.int32, order="F")
        cuda.memcpy_dtoh(y, a)
        np.testing.assert_array_equal(y, x)
        if FAKE not in os.environ:  # which has no calls for it
            cuda.memset_d32(a, -3, 12)
            cuda.memset_d16(a, 0x1234, 4)
            cuda.memset_d8(a, 7, 2)
            np.testing.assert_array_equal(cuda.from_device(a, 12, np.int32), [0x12340707, 0x12341234, *[-3] * 10])
        room = bytearray(48)
        cuda.memcpy_dtoh(room, a)
        np.testing.assert_array_equal(np.frombuffer(room, np.int32), cuda.from_device(a, 12, np.int32))
        for wrong in (lambda: cuda.memcpy_dtoh(bytes(8), a), lambda: cuda.memset_d8(a, 1, -4), lambda: cuda.memset_d32(a, 1, 13), lambda: cuda.memcpy_dtod(a, a, -4)):
            with self.assertRaises(cuda.LogicError):
                wrong()
        with self.assertRaises(cuda.MemoryError):
            cuda.mem_alloc(1 << 62)
        self.assertEqual((cuda.pagelocked_empty_like(x).shape, cuda.pagelocked_zeros_like(x).sum(), cuda.register_host_memory(x) is x), ((3, 4), 0, True))
        self.assertGreater(cuda.Device(0).total_memory(), 1 << 20)
        self.assertEqual((len(cuda.get_version()), cuda.get_driver_version() > 0, cuda.event_flags.DISABLE_TIMING, cuda.host_alloc_flags.PORTABLE), (3, ON_GPU, 2, 1))

    def test_what_does_not_fit(self):
        a, x = cuda.mem_alloc(16), np.zeros(8, np.float32)
        for call in (lambda: cuda.memcpy_htod(a, x), lambda: cuda.memcpy_dtoh(x, a), lambda: cuda.memcpy_dtod(a, cuda.mem_alloc(32), 32), lambda: cuda.mem_alloc(-1), lambda: cuda.memcpy_htod(a, x[::2])):
            with self.assertRaises(cuda.LogicError):
                call()
        fixed = np.zeros(4, np.float32)
        fixed.flags.writeable = False
        with self.assertRaises(cuda.Error):
            cuda.memcpy_dtoh(fixed, a)
        a.free()
        a.free()
        with self.assertRaisesRegex(cuda.Error, "freed"):
            int(a)

    @unittest.skipIf(ON_GPU, "the driver knows its memory")
    def test_numbers(self):
        """Addresses as numbers: copies that do not fit, or come too late, are errors and not the end of the process."""
        a, b, x = cuda.mem_alloc(16), cuda.mem_alloc(16), np.zeros(8, np.float32)
        at, empty = int(a), cuda.mem_alloc(0)
        for call, text in ((lambda: cuda.memcpy_htod(at, x), "32 bytes do not fit into memory of 16"), (lambda: cuda.memcpy_dtoh(x, at), "32 bytes"), (lambda: cuda.memcpy_dtod(at, int(b), 17), "17 bytes"),
                           (lambda: cuda.memset_d8(at, 0, 17), "17 bytes"), (lambda: cuda.memcpy_htod(at + 12, x[:2]), "8 bytes do not fit into memory of 4, the last of 16"),
                           (lambda: cuda.memcpy_htod(at + 16, x[:1]), "of 0, the last of 16"), (lambda: cuda.memcpy_htod(at - 8, x), "reach into"), (lambda: cuda.memcpy_htod(0, x), "no address"),
                           (lambda: cuda.memcpy_htod(-8, x), "no address"), (lambda: cuda.memcpy_htod(int(empty), x), "of 0")):  # fmt: skip
            with self.assertRaisesRegex(cuda.LogicError, text):
                call()
        cuda.memcpy_htod(at + 12, x[:1])
        cuda.memcpy_htod(at + 16, x[:0])
        cuda.memcpy_htod(x.ctypes.data, x[:4])  # other memory of the host
        a.free()
        with self.assertRaisesRegex(cuda.LogicError, "freed"):
            cuda.memcpy_htod(at, x[:1])
        other = int(cuda.mem_alloc(16))  # gone at once
        with self.assertRaisesRegex(cuda.LogicError, "freed"):
            cuda.memcpy_dtoh(x[:1], other)
        for size in [0, 1, 1 << 20, 5000] * 600:  # freed memory is not kept for ever
            cuda.mem_alloc(size)
        cuda.memcpy_htod(b, x[:4])

    def test_streams(self):
        stream, other, event = cuda.Stream(), cuda.Stream(), cuda.Event()
        x, y = np.arange(64, dtype=np.int32), np.zeros(64, np.int32)
        a, b = cuda.mem_alloc(256), cuda.mem_alloc(256)
        cuda.memcpy_htod_async(a, x, stream)
        event.record(stream)
        other.wait_for_event(event)
        cuda.memcpy_dtod_async(b, a, 256, other)
        cuda.memcpy_dtoh(y, b)  # after the work of all streams, as with pycuda
        self.assertTrue(np.array_equal(x, y))
        stream.synchronize()
        other.synchronize()
        self.assertTrue(stream.is_done() and event.query())
        self.assertEqual(bool(stream.handle), ON_GPU)

    def test_memory_comes_back(self):
        free, whole = cuda.mem_get_info()
        self.assertTrue(0 < free <= whole)
        if ON_GPU:  # the host's is everybody's
            held = [cuda.mem_alloc(1 << 20) for _ in range(8)]
            self.assertLessEqual(cuda.mem_get_info()[0], free - (8 << 20))
            del held
            gc.collect()
            self.assertEqual(cuda.mem_get_info()[0], free)

    def test_the_device(self):
        self.assertEqual(cuda.Device(0).name() == "host memory", not ON_GPU)
        self.assertEqual(cuda.Device(0).compute_capability() > (7, 0), ON_GPU)

    @unittest.skipIf(FAKE in os.environ or ON_GPU, "this is the other process")
    def test_on_the_fake_gpu(self):
        build = pathlib.Path(os.environ.get("PLANISH", ROOT / "build/bin/planish")).resolve().parents[1]
        if not (build / "lib/fake_cuda/libcuda.so.1").exists():
            self.skipTest(f"the fake GPU is not built in {build}")
        env = {**os.environ, "BUILD": str(build), "PLANISH_DEVICE": "cuda:0", FAKE: "1"}
        done = subprocess.run([ROOT / "tests/fake_cuda/run", sys.executable, __file__], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("Ran 9 tests", done.stdout)
        self.assertIn("skipped=2", done.stdout)


if __name__ == "__main__":
    unittest.main()
