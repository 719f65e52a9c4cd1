"""Refitting through planish.tensorrt, and the options of a build that it needs."""
import os
import tempfile
import unittest

import numpy as np
from onnx import TensorProto, helper, numpy_helper

import models
import planish
import planish.tensorrt as trt
from memory import on_device, taken
from network_test import LOGGER, close, draw, first, inputs_of, new, run


def with_weights(scale):
    rng = np.random.default_rng(5)
    w, b = (rng.standard_normal((4, 3)) * scale).astype(np.float32), (rng.standard_normal(3) * scale).astype(np.float32)
    made = models.model([helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Add", ["h", "b"], ["y"])], [("x", TensorProto.FLOAT, ["n", 4])], [("y", TensorProto.FLOAT, ["n", 3])])
    made.graph.initializer.extend([numpy_helper.from_array(w, "w"), numpy_helper.from_array(b, "b")])
    return made, w, b


def parsed(model, *flags):
    builder, network = new()
    parser = trt.OnnxParser(network, LOGGER)
    assert parser.parse(model.SerializeToString()), parser.get_error(0)
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    for flag in flags:
        config.set_flag(flag)
    if trt.BuilderFlag.REFIT_INDIVIDUAL in flags:
        network.mark_weights_refittable("w")
        assert network.are_weights_marked_refittable("w") and network.unmark_weights_refittable("b")
    return trt.Runtime(LOGGER).deserialize_cuda_engine(builder.build_serialized_network(network, config))


class Refits(unittest.TestCase):
    def setUp(self):
        self.model, self.w, self.b = with_weights(1)
        self.x = draw(5, 4)

    def test_constants_of_layers(self):
        """What a layer makes of its parameters is no weight of the user's."""
        builder, network = new()
        x = network.add_input("x", trt.float32, (2, 5))
        most = network.add_topk(first(network.add_scale(x, trt.ScaleMode.UNIFORM, None, np.float32([2]))), trt.TopKOperation.MAX, 2, 2)
        network.get_layer(0).name = "twice"
        network.mark_output(first(most))
        config = builder.create_builder_config()
        config.set_flag(trt.BuilderFlag.REFIT)
        engine = trt.Runtime(LOGGER).deserialize_cuda_engine(builder.build_serialized_network(network, config))
        self.assertEqual(trt.Refitter(engine, LOGGER).get_all_weights(), ["twice.scale"])

    def test_names(self):
        engine = parsed(self.model, trt.BuilderFlag.REFIT)
        self.assertTrue(engine.refittable)
        context = engine.create_execution_context()
        refitter = trt.Refitter(engine, LOGGER)
        self.assertEqual((sorted(refitter.get_all_weights()), refitter.get_missing_weights(), refitter.get_missing()), (["b", "w"], [], ([], [])))
        w = draw(4, 3)
        self.assertTrue(refitter.set_named_weights("w", trt.Weights(w)))
        self.assertIs(refitter.get_named_weights("w").array, w)
        self.assertEqual((refitter.get_weights_prototype("w").size, refitter.get_weights_prototype("w").dtype, refitter.get_weights_location("w")), (12, trt.float32, trt.TensorLocation.HOST))
        close(run(engine, {"x": self.x})["y"], self.x @ self.w + self.b)
        self.assertTrue(refitter.refit_cuda_engine())
        close(run(engine, {"x": self.x})["y"], self.x @ w + self.b)
        memory = [on_device(self.x), on_device(np.empty((5, 3), np.float32))]
        context.set_input_shape("x", (5, 4))
        self.assertTrue(context.execute_v2([int(m) for m in memory]))  # a context from before
        close(taken(memory[1], (5, 3)), self.x @ w + self.b)
        again = trt.Runtime(LOGGER).deserialize_cuda_engine(engine.serialize())
        close(run(again, {"x": self.x})["y"], self.x @ w + self.b)
        self.assertTrue(trt.Refitter(again, LOGGER).set_named_weights("b", np.zeros(3, np.float16)))  # half into float
        self.assertTrue(refitter.set_named_weights("w", self.w) and refitter.unset_named_weights("w") and not refitter.unset_named_weights("w"))
        self.assertTrue(refitter.refit_cuda_engine_async(0))

    def test_mistakes(self):
        with self.assertRaises(planish.InvalidArgument):
            trt.Refitter(parsed(self.model), LOGGER)
        refitter = trt.Refitter(parsed(self.model, trt.BuilderFlag.REFIT_INDIVIDUAL), LOGGER)
        self.assertEqual((refitter.logger, refitter.max_threads, refitter.weights_validation, refitter.error_recorder), (LOGGER, 1, True, None))
        self.assertEqual(refitter.get_all_weights(), ["w"])
        for name, weights, text in (("b", self.b, "no weights 'b'"), ("w", self.b, "12 weights"), ("w", np.zeros((4, 3), np.int32), "i32")):
            self.assertFalse(refitter.set_named_weights(name, weights))
            self.assertIn(text, LOGGER.lines[-1][1])
        self.assertFalse(refitter.set_named_weights("w", self.w, trt.TensorLocation.DEVICE))
        self.assertFalse(refitter.set_weights("layer", trt.WeightsRole.KERNEL, self.w))

    def test_onnx(self):
        """The weights of another model."""
        engine = parsed(self.model, trt.BuilderFlag.REFIT)
        refitter = trt.Refitter(engine, LOGGER)
        other, w, b = with_weights(3)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "other.onnx")
            with open(path, "wb") as file:
                file.write(other.SerializeToString())
            reader = trt.OnnxParserRefitter(refitter, LOGGER)
            self.assertTrue(reader.refit_from_file(path))
            with open(path, "wb"):
                pass  # empties it
            self.assertFalse(reader.refit_from_file(path))
            self.assertIn("is empty", LOGGER.lines[-1][1])
        self.assertTrue(refitter.refit_cuda_engine())
        close(run(engine, {"x": self.x})["y"], self.x @ w + b, 1e-4)
        self.assertTrue(reader.refit_from_bytes(self.model.SerializeToString()) and refitter.refit_cuda_engine())
        close(run(engine, {"x": self.x})["y"], self.x @ self.w + self.b)
        self.assertTrue(reader.load_model_proto(other.SerializeToString()) and reader.load_initializer("b", np.ones(3, np.float32).tobytes(), 12) and not reader.load_initializer("no", b"", 0))
        self.assertFalse(reader.load_initializer("b", b"123", 3))
        self.assertIn("'b' has 12 bytes, 3", LOGGER.lines[-1][1])
        self.assertTrue(reader.refit_model_proto() and refitter.refit_cuda_engine())
        close(run(engine, {"x": self.x})["y"], self.x @ w + 1, 1e-4)
        for bad in (b"", b"\xff" * 40, b"no model"):
            self.assertFalse(reader.refit_from_bytes(bad))
        smaller = models.model([helper.make_node("MatMul", ["x", "w"], ["y"])], [("x", TensorProto.FLOAT, ["n", 4])], [("y", TensorProto.FLOAT, ["n", 2])])
        smaller.graph.initializer.append(numpy_helper.from_array(draw(4, 2), "w"))
        self.assertFalse(reader.refit_from_bytes(smaller.SerializeToString()))
        self.assertIn("[4, 2]", reader.get_error(reader.num_errors - 1).desc())
        reader.clear_errors()
        self.assertEqual(reader.num_errors, 0)

    def test_layers(self):
        """By layer and role, and by a name of the program's, of a network built layer by layer."""
        builder, network = new()
        (x,) = inputs_of(network, {"x": draw(1, 2, 6, 6)})
        kernel, bias = trt.Weights(draw(3, 2, 3, 3)), trt.Weights(draw(3))
        conv = network.add_convolution_nd(x, 3, (3, 3), kernel, bias)
        conv.name = "conv"
        self.assertTrue(network.set_weights_name(bias, "my.bias"))
        first(conv).name = "y"
        network.mark_output(first(conv))
        config = builder.create_builder_config()
        config.clear_flag(trt.BuilderFlag.TF32)
        config.set_flag(trt.BuilderFlag.REFIT)
        engine = builder.build_engine_with_config(network, config)
        refitter, image, w = trt.Refitter(engine, LOGGER), draw(1, 2, 6, 6), draw(3, 2, 3, 3)
        self.assertEqual(refitter.get_all(), (["conv", "conv"], [trt.WeightsRole.KERNEL, trt.WeightsRole.BIAS]))
        self.assertTrue(refitter.set_weights("conv", trt.WeightsRole.KERNEL, w) and refitter.set_named_weights("my.bias", np.zeros(3, np.float32)))
        self.assertTrue(refitter.refit_cuda_engine())
        expected = planish.run(models.conv(w), {"x": image}, device="ref")["y"]
        close(run(engine, {"x": image})["y"], expected, 1e-4)

    def test_several(self):
        """Each refitter begins with what the one before it made."""
        engine = parsed(self.model, trt.BuilderFlag.REFIT)
        one, other, w, b = trt.Refitter(engine, LOGGER), trt.Refitter(engine, LOGGER), draw(4, 3), draw(3)
        self.assertTrue(one.set_named_weights("w", w) and one.refit_cuda_engine())
        self.assertTrue(other.set_named_weights("b", b) and other.refit_cuda_engine())
        close(run(engine, {"x": self.x})["y"], self.x @ w + b)

    def test_other_shapes(self):
        """Weights that tell shapes may not change those of inputs and outputs."""
        made = models.model([helper.make_node("Expand", ["x", "s"], ["y"])], [("x", TensorProto.FLOAT, [1])], [("y", TensorProto.FLOAT, None)])
        made.graph.initializer.append(numpy_helper.from_array(np.array([2]), "s"))
        engine = parsed(made, trt.BuilderFlag.REFIT)
        before, refitter = engine.engine, trt.Refitter(engine, LOGGER)
        self.assertTrue(refitter.set_named_weights("s", np.array([64])))
        self.assertFalse(refitter.refit_cuda_engine())
        self.assertIn("'y' is f32[64], it was f32[2]", LOGGER.lines[-1][1])
        self.assertIs(engine.engine, before)
        self.assertEqual(run(engine, {"x": np.ones(1, np.float32)})["y"].tolist(), [1, 1])
        self.assertTrue(refitter.set_named_weights("s", np.array([2])) and refitter.refit_cuda_engine())

    def test_plans_of_planish(self):
        """What planish.build was told stays: integers of 32 bits, targets, metadata."""
        made = models.model([helper.make_node("Add", ["x", "k"], ["y"])], [("x", TensorProto.INT64, ["n"])], [("y", TensorProto.INT64, ["n"])])
        made.graph.initializer.append(numpy_helper.from_array(np.array([1]), "k"))
        target = "portable,x86-64-v2" if os.uname().machine == "x86_64" else None
        plan = planish.build(made, device=trt.builder.default_device(), keep_model=True, int32_io=True, target=target, metadata={"author": "me"}).to_bytes()
        engine = trt.Runtime(LOGGER).deserialize_cuda_engine(plan)
        old, refitter = engine.engine, trt.Refitter(engine, LOGGER)
        self.assertTrue(refitter.set_named_weights("k", np.array([5])) and refitter.refit_cuda_engine(), LOGGER.lines)
        self.assertIsNot(engine.engine, old)
        self.assertEqual((engine.engine.targets, engine.engine.metadata, engine.engine.inputs), (old.targets, old.metadata, old.inputs))
        self.assertEqual(run(engine, {"x": np.array([1, 2], np.int32)})["y"].tolist(), [6, 7])

    def test_plans_of_later_generations(self):
        """In generation 8 a refit keeps the 32 bits that loading made of 64."""
        made = models.model([helper.make_node("Add", ["x", "k"], ["y"])], [("x", TensorProto.INT64, ["n"])], [("y", TensorProto.INT64, ["n"])])
        made.graph.initializer.append(numpy_helper.from_array(np.array([1]), "k"))
        trt.set_generation(10)
        try:
            plan = parsed(made, trt.BuilderFlag.REFIT).serialize()
        finally:
            trt.set_generation(8)
        engine = trt.Runtime(LOGGER).deserialize_cuda_engine(plan)
        refitter = trt.Refitter(engine, LOGGER)
        self.assertTrue(refitter.set_named_weights("k", np.array([5])) and refitter.refit_cuda_engine(), LOGGER.lines)
        self.assertEqual(engine.get_tensor_dtype("x"), trt.int32)
        self.assertEqual(run(engine, {"x": np.array([1, 2], np.int32)})["y"].tolist(), [6, 7])

    def test_keep_model(self):
        engine = planish.build(self.model, keep_model=True)
        self.assertEqual(engine.model, self.model.SerializeToString())
        self.assertEqual(planish.load(engine.to_bytes()).model, engine.model)
        self.assertIsNone(planish.build(self.model).model)
        with tempfile.TemporaryDirectory() as folder:
            import onnx

            path = os.path.join(folder, "m.onnx")
            onnx.save_model(self.model, path, save_as_external_data=True, size_threshold=0)
            with self.assertRaises(planish.Unsupported):
                planish.build(path, keep_model=True)


if __name__ == "__main__":
    unittest.main()
