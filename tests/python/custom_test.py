"""Custom operators written in Python."""
import unittest

import numpy as np
from onnx import TensorProto, helper

import models
import planish


def scaled(**attributes):
    node = helper.make_node("Scale", ["x"], ["y"], domain="com.acme", name="scale it", **attributes)
    return models.model([node], [("x", TensorProto.FLOAT, ["n"])], [("y", TensorProto.FLOAT, ["n"])], domains=[("com.acme", 1)])


class Custom(unittest.TestCase):
    def setUp(self):
        self.ops, self.seen = planish.Ops(), {}

        @self.ops.add("com.acme", "Scale", inputs=(1, 1))
        def scale(inputs, attributes):
            self.seen.update(attributes)
            return inputs[0] * attributes.get("factor", 1.0)

    def test_computes(self):
        engine = planish.build(scaled(factor=2.5, names=["a", "b"], counts=[1, 2], weights=[0.5], text="t"), ops=self.ops)
        self.assertEqual(engine(np.array([1, 2], np.float32))["y"].tolist(), [2.5, 5.0])
        self.assertEqual((self.seen["names"], self.seen["counts"], self.seen["weights"], self.seen["text"]), (["a", "b"], [1, 2], [0.5], "t"))
        self.assertEqual(list(self.ops), [("com.acme", "Scale")])
        again = planish.load(engine.to_bytes(), ops=self.ops)
        self.assertEqual(again(np.array([2], np.float32))["y"].tolist(), [5.0])
        with self.assertRaisesRegex(planish.Incompatible, "Scale"):
            planish.load(engine.to_bytes())

    def test_byte_order(self):
        @self.ops.add("com.acme", "Big")
        def big(inputs, attributes):
            return inputs[0].astype(">f4")

        node = helper.make_node("Big", ["x"], ["y"], domain="com.acme")
        engine = planish.build(models.model([node], [("x", TensorProto.FLOAT, ["n"])], [("y", TensorProto.FLOAT, ["n"])], domains=[("com.acme", 1)]), ops=self.ops)
        self.assertEqual(engine(np.array([1, 2], np.float32))["y"].tolist(), [1, 2])

    def test_shapes(self):
        asked = []

        @self.ops.add("com.acme", "Twice", shape=lambda inputs, _: asked.append(inputs[0]) or (inputs[0][0], (2, *inputs[0][1])))
        def twice(inputs, attributes):
            return np.stack([inputs[0], inputs[0]])

        node = helper.make_node("Twice", ["x"], ["y"], domain="com.acme")
        engine = planish.build(models.model([node], [("x", TensorProto.FLOAT, ["n"])], [("y", TensorProto.FLOAT, [2, "n"])], domains=[("com.acme", 1)]), ops=self.ops)
        self.assertEqual(engine(np.array([1, 2], np.float32))["y"].tolist(), [[1, 2], [1, 2]])
        self.assertIn((np.dtype("float32"), (None,)), asked)

    def test_strings_and_several_outputs(self):
        @self.ops.add("com.acme", "Split", outputs=(2, 2))
        def split(inputs, attributes):
            return [np.array([t.split()[0] for t in inputs[0]], object), np.array([len(t) for t in inputs[0]], np.int64)]

        node = helper.make_node("Split", ["x"], ["y", "z"], domain="com.acme")
        engine = planish.build(models.model([node], [("x", TensorProto.STRING, ["n"])], [("y", TensorProto.STRING, ["n"]), ("z", TensorProto.INT64, ["n"])], domains=[("com.acme", 1)]), ops=self.ops)
        out = engine(np.array(["one two", "three"]))
        self.assertEqual((out["y"].tolist(), out["z"].tolist()), (["one", "three"], [7, 5]))

    def test_what_it_raises_is_the_cause(self):
        """However the run was begun; and it is no fault of the library's."""

        class Mine(Exception):
            pass

        def bad(inputs, attributes):
            raise Mine("oops")

        self.ops.add("com.acme", "Bad")(bad)
        self.ops.add("com.acme", "BadEarly", shape=bad)(bad)

        def made(name):
            node = helper.make_node(name, ["x"], ["y"], domain="com.acme", name="my node")
            return planish.build(models.model([node], [("x", TensorProto.FLOAT, ["n"])], [("y", TensorProto.FLOAT, ["n"])], domains=[("com.acme", 1)]), ops=self.ops, taps="*")

        x, engine = np.ones(2, np.float32), made("Bad")
        context, told = engine.context(), engine.context()
        told.on_value(lambda name, value: None)
        for run in (lambda: engine(x), lambda: engine(x), lambda: context.run({"x": x}, {"y": np.empty(2, np.float32)}), lambda: told.run({"x": x}), lambda: context.run_async({"x": x}).result(),
                    lambda: made("BadEarly")):  # fmt: skip
            with self.assertRaisesRegex(planish.Cancelled, "Mine: oops") as raised:
                run()
            self.assertIsInstance(raised.exception.__cause__, Mine)
            self.assertNotIn("report", str(raised.exception))
        with self.assertRaises(planish.InvalidArgument) as raised:  # of another call
            engine(np.ones((2, 2), np.float32))
        self.assertIsNone(raised.exception.__cause__)

    def test_failures_are_told(self):
        @self.ops.add("com.acme", "Bad")
        def bad(inputs, attributes):
            raise ValueError("I will not")

        @self.ops.add("com.acme", "Wrong")
        def wrong(inputs, attributes):
            return inputs[0].astype(np.float64)

        for name, text in (("Bad", "I will not"), ("Wrong", "f64|float64|type")):
            node = helper.make_node(name, ["x"], ["y"], domain="com.acme", name="my node")
            engine = planish.build(models.model([node], [("x", TensorProto.FLOAT, ["n"])], [("y", TensorProto.FLOAT, ["n"])], domains=[("com.acme", 1)]), ops=self.ops)
            with self.assertRaisesRegex(planish.Error, text):
                engine(np.ones(2, np.float32))
        with self.assertRaises(planish.InvalidArgument) as raised:
            planish.build(models.model([helper.make_node("Bad", ["x"], ["y"], domain="com.acme")], [("x", TensorProto.FLOAT, ["n"])], [("y", TensorProto.FLOAT, ["n"])], domains=[("com.acme", 1)]), ops=self.ops)(np.ones(2, np.float32))
        self.assertIsInstance(raised.exception.__cause__, ValueError)
        with self.assertRaises(planish.Error):
            self.ops.add("ai.onnx", "Add")(lambda *_: None)

        def interrupt(*_):
            raise KeyboardInterrupt

        for name, shape in (("Stopped", None), ("StoppedEarly", interrupt)):
            self.ops.add("com.acme", name, shape=shape)(interrupt)
            node = helper.make_node(name, ["x"], ["y"], domain="com.acme")
            for call in ("__call__", "profile"):
                with self.assertRaises(KeyboardInterrupt):
                    engine = planish.build(models.model([node], [("x", TensorProto.FLOAT, ["n"])], [("y", TensorProto.FLOAT, ["n"])], domains=[("com.acme", 1)]), ops=self.ops)
                    for _ in range(3):
                        getattr(engine, call)(np.ones(2, np.float32))
            self.assertEqual(planish.build(scaled(factor=2.0), ops=self.ops)(np.ones(1, np.float32))["y"].tolist(), [2.0])
        with self.assertRaises(planish.Error):
            planish.build(scaled(factor=1.0))
        with self.assertRaises(planish.Error):
            self.ops.load("/no/such/plugin.so")


if __name__ == "__main__":
    unittest.main()
