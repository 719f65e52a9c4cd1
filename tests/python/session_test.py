"""The shapes that other programs know: ONNX Runtime's session, onnx's backend."""
import unittest

import numpy as np
import onnxruntime
from onnx import helper

import models
import planish
import planish.backend


class Sessions(unittest.TestCase):
    def test_one_line_switch(self):
        model, x = models.linear()[0], np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
        results = []
        for kind in (onnxruntime.InferenceSession, planish.InferenceSession):
            session = kind(model.SerializeToString(), providers=["CPUExecutionProvider"])
            told = [(i.name, i.type, i.shape) for i in session.get_inputs() + session.get_outputs()]
            results.append((told, session.get_providers(), session.run(None, {"x": x})[0], session.run(["y"], {"x": x})[0]))
        self.assertEqual(results[0][:2], results[1][:2])
        for a, b in zip(results[0][2:], results[1][2:]):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        with self.assertRaises(planish.InvalidArgument):
            session.run(["z"], {"x": x})

    def test_backend(self):
        model, expected = models.linear()
        x = np.ones((2, 4), np.float32)
        np.testing.assert_allclose(planish.backend.run_model(model, [x])[0], expected(x), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(planish.backend.prepare(model).run({"x": x})[0], expected(x), rtol=1e-5, atol=1e-6)
        self.assertTrue(planish.backend.supports_device("CPU"))
        self.assertFalse(planish.backend.supports_device("TPU"))
        node = helper.make_node("Add", ["a", "b"], ["c"])
        self.assertEqual(planish.backend.run_node(node, [x, x])[0].tolist(), (x + x).tolist())

    def test_devices(self):
        names = {d.name: d for d in planish.devices()}
        self.assertTrue(names["cpu"].usable)
        self.assertTrue(names["cpu"].memory_bytes > 0)

    def test_providers(self):
        """Along the list, and not beyond it."""
        model, there = models.linear()[0].SerializeToString(), planish.get_available_providers()

        def device(providers, **told):
            return planish.InferenceSession(model, providers=providers, **told).engine.device

        self.assertEqual(device(["TensorrtExecutionProvider", "CPUExecutionProvider"]), "cpu")
        self.assertEqual(device([("CUDAExecutionProvider", {"device_id": 77}), "CPUExecutionProvider"]), "cpu")
        for missing in (["CUDAExecutionProvider"] if len(there) == 1 else [("CUDAExecutionProvider", {"device_id": 77})], ["TensorrtExecutionProvider"]):
            with self.assertRaisesRegex(planish.DeviceError, "none of the providers"):
                device(missing)
        with self.assertRaisesRegex(planish.InvalidArgument, "is 'CUDAExecutionProvider' meant"):
            device(["CUDAExecutionProvidr", "CPUExecutionProvider"])
        with self.assertRaises(TypeError):
            device("CPUExecutionProvider")

    def test_options_that_are_none(self):
        with self.assertRaises(TypeError):
            planish.InferenceSession(models.linear()[0].SerializeToString(), {"intra_op_num_threads": 1})
        options = planish.SessionOptions()
        with self.assertRaisesRegex(AttributeError, "is 'intra_op_num_threads' meant"):
            options.intra_op_threads = 2

    def test_options(self):
        """Of the module's own and of ONNX Runtime's kind: threads and no optimization act."""
        model, expected = models.linear()
        x = np.random.default_rng(1).standard_normal((5, 4)).astype(np.float32)
        options = planish.SessionOptions()
        options.intra_op_num_threads, options.graph_optimization_level = 1, planish.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.execution_mode = planish.ExecutionMode.ORT_SEQUENTIAL
        options.add_session_config_entry("a", "b")
        self.assertEqual(options.get_session_config_entry("a"), "b")
        plain = planish.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        fused = planish.InferenceSession(model.SerializeToString(), planish.SessionOptions())
        self.assertGreater(len(plain.engine), len(fused.engine))
        for session in (plain, fused):
            np.testing.assert_allclose(session.run(["y"], {"x": x})[0], expected(x), rtol=1e-5, atol=1e-6)
        self.assertEqual(planish.get_available_providers()[-1], "CPUExecutionProvider")


if __name__ == "__main__":
    unittest.main()
