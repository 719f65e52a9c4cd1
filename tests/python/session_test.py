"""The shapes that other programs know: ONNX Runtime's session, onnx's backend."""
import contextlib
import io
import os
import pathlib
import tempfile
import threading
import unittest
import unittest.mock

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

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

    def test_keywords(self):
        """Those of ONNX Runtime, for both."""
        model, x = models.linear()[0].SerializeToString(), np.ones((2, 4), np.float32)
        for module in (onnxruntime, planish):
            session = module.InferenceSession(path_or_bytes=model, sess_options=module.SessionOptions(), providers=["CPUExecutionProvider"], provider_options=[{}])
            (y,) = session.run(output_names=["y"], input_feed={"x": x}, run_options=module.RunOptions())
            np.testing.assert_allclose(y, models.linear()[1](x), rtol=1e-5, atol=1e-6)
            self.assertIsInstance(session.get_session_options(), module.SessionOptions)
            self.assertEqual((session.get_provider_options(), session.get_providers(), session.end_profiling()), ({"CPUExecutionProvider": {}}, ["CPUExecutionProvider"], ""))
            session.set_providers(["CPUExecutionProvider"])
            np.testing.assert_allclose(session.run(None, {"x": x})[0], y, rtol=1e-5, atol=1e-6)
            self.assertIn(module.get_device(), ("CPU", "GPU"))
            self.assertIsInstance(session.get_inputs()[0], module.NodeArg)
        engine = session.engine
        session.set_providers()
        self.assertIs(session.engine, engine)
        with self.assertRaises(planish.DeviceError):
            session.set_providers(["TensorrtExecutionProvider"])
        with self.assertRaisesRegex(planish.Unsupported, "disabled_passes"):
            planish.InferenceSession(model, disabled_optimizers=["ConstantFolding"])
        with self.assertRaisesRegex(planish.Unsupported, "outputs={name: array}"):
            session.io_binding()
        with self.assertRaisesRegex(AttributeError, "outputs={name: array}"):
            planish.OrtValue

    def test_what_a_model_says_of_itself(self):
        model = models.linear()[0]
        model.doc_string, model.domain, model.model_version, model.producer_name, model.graph.doc_string = "what", "com.acme", 7, "somebody", "how"
        entry = model.metadata_props.add()
        entry.key, entry.value = "a", "b"
        names = "custom_metadata_map description domain graph_description graph_name producer_name version".split()
        told = [{n: getattr(module.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).get_modelmeta(), n) for n in names} for module in (onnxruntime, planish)]
        self.assertEqual(told[0], told[1])
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "m.onnx")
            pathlib.Path(path).write_bytes(model.SerializeToString())
            session = planish.InferenceSession(path)
            self.assertEqual(session.get_modelmeta(), planish.ModelMetadata(**told[0]))
            session.engine.save(path + ".plan")
            self.assertEqual(planish.InferenceSession(path + ".plan").get_modelmeta(), planish.ModelMetadata(**{**told[0], "description": "", "graph_description": ""}))

    def test_run_options(self):
        model, x = models.linear()[0].SerializeToString(), np.ones((2, 4), np.float32)
        session, options = planish.InferenceSession(model), planish.RunOptions()
        options.add_run_config_entry("a", "b")
        self.assertEqual(options.get_run_config_entry("a"), "b")
        with self.assertRaisesRegex(AttributeError, "is 'terminate' meant"):
            options.terminat = True
        session.run(None, {"x": x}, options)
        options.terminate = True
        with self.assertRaisesRegex(planish.Cancelled, "terminate"):
            session.run(None, {"x": x}, options)
        options.terminate = False
        session.run(None, {"x": x}, options)
        options.training_mode = True
        with self.assertRaises(planish.Unsupported):
            session.run(None, {"x": x}, options)
        theirs = onnxruntime.RunOptions()
        theirs.terminate = True
        with self.assertRaises(planish.Cancelled):
            session.run(None, {"x": x}, theirs)

    def test_a_run_that_is_terminated(self):
        session, options, raised = planish.InferenceSession(models.endless().SerializeToString()), planish.RunOptions(), []

        def work():
            try:
                session.run(None, {"n": np.array(1 << 60), "x": np.array(1, np.float32)}, options)
            except planish.Error as error:
                raised.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        while thread.is_alive():
            options.terminate = True
            thread.join(0.01)
        self.assertIsInstance(raised[0], planish.Cancelled)

    def test_asynchronous(self):
        session, x, done, told = planish.InferenceSession(models.linear()[0].SerializeToString()), np.ones((2, 4), np.float32), threading.Event(), []

        def callback(outputs, user, error):
            told.append((outputs, user, error))
            done.set()

        session.run_async(["y"], {"x": x}, callback, "mine")
        self.assertTrue(done.wait(60))
        np.testing.assert_allclose(told[0][0][0], models.linear()[1](x), rtol=1e-5, atol=1e-6)
        self.assertEqual(told[0][1:], ("mine", ""))
        done.clear()
        session.run_async(["y"], {"x": x[0]}, callback, None)
        self.assertTrue(done.wait(60))
        self.assertEqual(told[1][0], [])
        self.assertIn("'x'", told[1][2])

    def test_initializers_that_are_inputs(self):
        """Defaults of the model, which a run may be given, as with ONNX Runtime."""
        made = models.model([helper.make_node("Mul", ["x", "w"], ["m"]), helper.make_node("Add", ["m", "b"], ["y"])],
                            [("x", TensorProto.FLOAT, [2]), ("w", TensorProto.FLOAT, [2]), ("b", TensorProto.FLOAT, [])], [("y", TensorProto.FLOAT, [2])],
                            [("w", np.float32([1, 2])), ("b", np.float32(3))])  # fmt: skip
        made.ir_version = 8
        x, w, b = np.float32([1, 1]), np.float32([5, 6]), np.array(7, np.float32)
        sessions = [module.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"]) for module in (onnxruntime, planish)]
        for name in ("get_inputs", "get_overridable_initializers"):
            self.assertEqual(*[sorted((i.name, i.type, i.shape) for i in getattr(s, name)()) for s in sessions])
        for feed in ({"x": x}, {"x": x, "w": w}, {"x": x, "b": b}, {"x": x, "w": w, "b": b}, {"x": x}):
            self.assertEqual(*[s.run(None, feed)[0].tolist() for s in sessions])
        with self.assertRaisesRegex(planish.InvalidArgument, "no input 'q'"):
            sessions[1].run(None, {"x": x, "q": x})
        with self.assertRaisesRegex(planish.InvalidArgument, "'w', an initializer.*session of the ONNX model"):
            planish.InferenceSession(sessions[1].engine.to_bytes()).run(None, {"x": x, "w": w})

    def test_extents_of_free_dims(self):
        model, x = models.linear()[0], np.ones((3, 4), np.float32)
        for module in (onnxruntime, planish):
            options = module.SessionOptions()
            options.add_free_dimension_override_by_name("batch", 3)
            session = module.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
            self.assertEqual((session.get_inputs()[0].shape, session.get_outputs()[0].shape), ([3, 4], [3, 3]))
            np.testing.assert_allclose(session.run(None, {"x": x})[0], models.linear()[1](x), rtol=1e-5, atol=1e-6)
        with self.assertRaises(planish.InvalidArgument):
            session.run(None, {"x": x[:2]})
        options.add_free_dimension_override_by_name("batches", 3)
        with self.assertRaisesRegex(planish.InvalidArgument, "'batches'"):
            planish.InferenceSession(model.SerializeToString(), options)
        model.graph.input[0].type.tensor_type.shape.dim[0].denotation = "DATA_BATCH"
        options = planish.SessionOptions()
        options.add_free_dimension_override_by_denotation("DATA_BATCH", 5)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "m.onnx")
            path.write_bytes(model.SerializeToString())
            self.assertEqual(planish.InferenceSession(path, options).get_inputs()[0].shape, [5, 4])
        with self.assertRaisesRegex(planish.InvalidArgument, "session of the ONNX model"):
            planish.InferenceSession(planish.build(model).to_bytes(), options)
        for wrong in (-1, 1.5, True, "3"):
            with self.assertRaises(planish.InvalidArgument):
                options.add_free_dimension_override_by_name("batch", wrong)

    def test_options_that_would_have_no_effect(self):
        model = models.linear()[0].SerializeToString()
        for name, value, text in (("enable_profiling", True, "engine.profile"), ("optimized_model_filepath", "m.onnx", "planish optimize")):
            options = planish.SessionOptions()
            setattr(options, name, value)
            with self.assertRaisesRegex(planish.Unsupported, text):
                planish.InferenceSession(model, options)
        with self.assertRaises(planish.Unsupported):
            options.register_custom_ops_library("x.so")

    def test_log(self):
        model = models.linear()[0].SerializeToString()

        def said(default, own=None):
            told, options = io.StringIO(), planish.SessionOptions()
            if own is not None:
                options.log_severity_level = own
            with unittest.mock.patch.object(planish.session, "_default_severity", None), contextlib.redirect_stderr(told):
                if default is not None:
                    planish.set_default_logger_severity(default)
                planish.InferenceSession(model, options)
            return told.getvalue()

        self.assertEqual((said(None), said(4), said(0, own=4)), ("", "", ""))
        self.assertIn("planish: ", said(0))
        self.assertIn("planish: ", said(4, own=0))
        with self.assertRaises(planish.InvalidArgument):
            planish.set_default_logger_severity(5)

    def test_backend(self):
        model, expected = models.linear()
        x = np.ones((2, 4), np.float32)
        np.testing.assert_allclose(planish.backend.run_model(model, [x])[0], expected(x), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(planish.backend.prepare(model).run({"x": x})[0], expected(x), rtol=1e-5, atol=1e-6)
        for wrong in ([x, x], []):
            with self.assertRaisesRegex(planish.InvalidArgument, f"{len(wrong)} inputs were given, the model has 1: x"):
                planish.backend.prepare(model).run(wrong)
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
