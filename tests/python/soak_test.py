"""Memory stays flat, and calls are quick."""
import gc
import timeit
import unittest

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

import models
import planish


def resident():
    """Bytes of this process in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


class Soak(unittest.TestCase):
    def setUp(self):
        model, _ = models.linear()
        self.bytes = model.SerializeToString()
        self.engine = planish.build(self.bytes)

    def flat(self, work, times, before):
        """work, `times` times, takes less than 2 MB more than `before` times did."""
        for _ in range(before):
            work()
        gc.collect()
        start = resident()
        for _ in range(times):
            work()
        gc.collect()
        self.assertLess(resident() - start, 2 << 20)

    def test_runs(self):
        context, xs = self.engine.context(), [np.ones((n, 4), np.float32) for n in (1, 2, 3, 50)]

        def work():
            for x in xs:
                self.engine(x)
                context.run({"x": x})

        self.flat(work, 12500, 1000)  # 100,000 runs

    def test_failures(self):
        wrong = np.ones((2, 3), np.float32)

        def work():
            for call in (lambda: self.engine(wrong), lambda: planish.load(b"no plan"), lambda: planish.build(b"no model"), lambda: self.engine({"z": wrong})):
                try:
                    call()
                except planish.Error:
                    pass

        self.flat(work, 1000, 200)

    def test_builds(self):
        self.flat(lambda: planish.load(planish.build(self.bytes, progress=lambda *_: True, logger=lambda *_: None).to_bytes())(np.ones((2, 4), np.float32)), 200, 50)

    def test_loggers_that_raise(self):
        big = models.model([helper.make_node("MatMul", ["x", "w"], ["y"])], [("x", TensorProto.FLOAT, ["n", 512])], [("y", TensorProto.FLOAT, ["n", 512])], [("w", np.ones((512, 512), np.float32))])

        def work():
            try:
                planish.build(big, progress=lambda *_: 1 // 0)
            except ZeroDivisionError:
                pass

        self.flat(work, 30, 10)

    def test_a_call_is_as_quick_as_onnxruntimes(self):
        """A model of one addition; both in turns, the best of each. Ours takes less on a quiet machine; a busy one is given some room."""
        model = models.add()
        engine, session = planish.build(model), onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        feed = {"a": np.ones(4, np.float32), "b": np.ones(4, np.float32)}
        ours, theirs = [], []
        for _ in range(15):
            ours.append(timeit.timeit(lambda: engine(feed), number=1000) * 1e3)
            theirs.append(timeit.timeit(lambda: session.run(None, feed), number=1000) * 1e3)
        print(f"a call: planish {min(ours):.1f} us, onnxruntime {min(theirs):.1f} us")
        self.assertLess(min(ours), 1.5 * min(theirs))


if __name__ == "__main__":
    unittest.main()
