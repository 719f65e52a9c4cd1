"""All element types, and values that are no tensors."""
import unittest

import ml_dtypes
import numpy as np
from onnx import TensorProto, helper

import models
import planish
from planish._native import lib


class Values(unittest.TestCase):
    def test_all_types(self):
        rng = np.random.default_rng(0)
        for name in TensorProto.DataType.keys():
            code = TensorProto.DataType.Value(name)
            if code == TensorProto.UNDEFINED or code >= lib.PLN_DTYPE_COUNT:
                continue
            dtype = helper.tensor_dtype_to_np_dtype(code)
            values = rng.integers(0, 2, 7) if name == "BOOL" else rng.integers(-2, 2, 7) if "UINT" not in name else rng.integers(0, 4, 7)
            x = np.array([f"text {v} \u00e9" for v in values], dtype=object) if name == "STRING" else np.full(7, 2.0).astype(dtype) if "E8M0" in name else values.astype(dtype)
            with self.subTest(name):
                y = planish.build(models.identity(code, opset=25))(x)["y"]
                self.assertEqual(y.dtype, x.dtype)
                self.assertEqual(y.tolist(), x.tolist())

    def test_four_bits(self):
        from planish import dtypes

        for code, dtype in ((21, ml_dtypes.uint4), (22, ml_dtypes.int4)):
            x = np.arange(7).astype(dtype).reshape(7)
            packed = dtypes.pack(x, code)
            self.assertEqual(packed.nbytes, 4)
            self.assertEqual(dtypes.unpack(packed, code, (7,)).tolist(), x.tolist())
        low = np.array([-8, -1, 7], ml_dtypes.int4)
        self.assertEqual(dtypes.unpack(dtypes.pack(low, 22), 22, (3,)).tolist(), low.tolist())

    def test_sequences(self):
        nodes = [helper.make_node("SequenceInsert", ["s", "x"], ["t"])]
        tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
        s, t = (helper.make_value_info(n, helper.make_sequence_type_proto(tensor)) for n in "st")
        engine = planish.build(models.model(nodes, [s, ("x", TensorProto.FLOAT, [2])], [t]))
        self.assertEqual(engine.inputs[0].kind, "sequence")
        out = engine([np.ones(3, np.float32), np.zeros((1, 1), np.float32)], np.array([1, 2], np.float32))["t"]
        self.assertEqual([one.tolist() for one in out], [[1, 1, 1], [[0]], [1, 2]])
        self.assertEqual(len(engine([], np.zeros(2, np.float32))["t"]), 1)
        for wrong in (np.ones(3, np.float32), None, "text", [np.ones(1, np.int64)]):
            with self.assertRaises(planish.Error):
                engine(wrong, np.zeros(2, np.float32))

    def test_optionals(self):
        tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, [None])
        o = helper.make_value_info("o", helper.make_optional_type_proto(tensor))
        has = planish.build(models.model([helper.make_node("OptionalHasElement", ["o"], ["y"])], [o], [("y", TensorProto.BOOL, [])], opset=18))
        self.assertTrue(has(np.ones(2, np.float32))["y"])
        self.assertFalse(has({"o": None})["y"])

    def test_strings(self):
        node = helper.make_node("StringNormalizer", ["x"], ["y"], case_change_action="UPPER")
        engine = planish.build(models.model([node], [("x", TensorProto.STRING, ["n"])], [("y", TensorProto.STRING, ["m"])]))
        for x in (np.array(["ab", "c\u00e9"]), np.array(["ab", "c\u00e9"], object), ["ab", "c\u00e9"]):
            self.assertEqual(engine(x)["y"].tolist(), ["AB", "C\u00c9"])

    def test_dlpack(self):
        class Speaks:
            """Another library's tensor: it only speaks DLPack."""

            def __init__(self, array):
                self.array = array

            def __dlpack__(self, **_):
                return self.array.__dlpack__()

            def __dlpack_device__(self):
                return (1, 0)

        model, expected = models.linear()
        engine, x = planish.build(model), np.random.default_rng(3).standard_normal((6, 4)).astype(np.float32)
        np.testing.assert_allclose(engine(Speaks(x))["y"], expected(x), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(engine(Speaks(x[::2]))["y"], expected(x[::2]), rtol=1e-5, atol=1e-6)
        out = np.zeros((6, 3), np.float32)
        engine.context().run({"x": x}, {"y": Speaks(out)})
        np.testing.assert_allclose(out, expected(x), rtol=1e-5, atol=1e-6)

    def test_what_is_no_array(self):
        """Numbers and lists of them become arrays where no value changes by it; all else is an error that says what was given."""
        whole, real, text = (planish.build(models.identity(code)) for code in (TensorProto.INT64, TensorProto.FLOAT, TensorProto.STRING))
        self.assertEqual(whole([1, 2])["y"].tolist(), [1, 2])
        self.assertEqual(real([1, 2.5])["y"].tolist(), [1, 2.5])
        self.assertEqual(planish.build(models.identity(TensorProto.BOOL))([1, 0, True])["y"].tolist(), [True, False, True])
        self.assertEqual((text(["a", "b"])["y"].tolist(), whole([])["y"].size), (["a", "b"], 0))
        for engine, value in ((whole, [1.7, 2]), (whole, [1.0]), (planish.build(models.identity(TensorProto.UINT8)), [300]), (whole, [1 << 64]), (real, [[1, 2], [3]]), (real, ["a"]), (real, {"a": 1}), (real, [None]),
                              (real, [1j]), (text, ["\ud800"]), (real, np.ma.masked_array(np.ones(2, np.float32), [0, 1]))):  # fmt: skip
            with self.subTest(value), self.assertRaises(planish.InvalidArgument):
                engine({"x": value})

    def test_strange_arrays(self):
        """Of other libraries: many dims, strides below 0, shapes that are none."""
        from planish import arrays

        class Cuda:
            def __init__(self, shape, strides=None):
                self.__cuda_array_interface__ = {"shape": shape, "typestr": "<f4", "data": (64, False), "strides": strides, "version": 3}

        class Speaks:
            def __init__(self, array):
                self.array = array

            def __dlpack__(self):
                return self.array.__dlpack__()

        for value in (Cuda((-1, 4)), Cuda((1 << 62, 4)), Cuda((1,) * 20), Cuda((2,), (3,)), Cuda((2, 2), (4,)), Speaks(np.ones((1,) * 20, np.float32)), Speaks(np.ones(4, np.float32)[::-1])):
            with self.subTest(value), self.assertRaises(planish.InvalidArgument):
                arrays.memory_of(value)

    def test_device_memory_is_refused_on_a_cpu(self):
        class OnGpu:
            __cuda_array_interface__ = {"typestr": "<f4", "shape": (1, 4), "data": (64, False), "version": 3}

        with self.assertRaises(planish.Error):
            planish.build(models.linear()[0])(OnGpu())


class States(unittest.TestCase):
    def test_store(self):
        """A cache that grows by what is given: present = concat(past, x)."""
        node = helper.make_node("Concat", ["past_key_values.0.key", "x"], ["present.0.key"], axis=1)
        total = helper.make_node("ReduceSum", ["present.0.key"], ["y"], keepdims=0)
        made = models.model([node, total], [("past_key_values.0.key", TensorProto.FLOAT, ["batch", "past", 2]), ("x", TensorProto.FLOAT, ["batch", "seq", 2])],
                            [("present.0.key", TensorProto.FLOAT, ["batch", "total", 2]), ("y", TensorProto.FLOAT, [])])  # fmt: skip
        engine = planish.build(made)
        if not any(i.is_state for i in engine.inputs):
            self.skipTest("the model's cache is no state")
        store, context = engine.state_store(8, batch=1), engine.context()
        context.bind_states(store)
        for step in range(1, 5):
            out = context.run({"x": np.ones((1, 1, 2), np.float32)})
            self.assertEqual((list(out), float(out["y"]), len(store)), (["y"], 2.0 * step, step))
        store.truncate(1)
        self.assertEqual(float(context.run()["y"]), 4)
        with self.assertRaises(planish.OutOfMemory):
            context.run({"x": np.ones((1, 9, 2), np.float32)})
        with self.assertRaises(planish.Error):
            store.truncate(99)
        with self.assertRaises(planish.Error):
            engine.state_store(-1)


if __name__ == "__main__":
    unittest.main()
