"""Runs the Python blocks of the documents, those of a page one after the other."""
import contextlib
import importlib.util
import io
import inspect
import os
import pathlib
import re
import shutil
import tempfile
import unittest

import numpy as np

import planish
import planish.tensorrt

ROOT = pathlib.Path(__file__).parents[2]


class Docs(unittest.TestCase):
    def run_blocks(self, page, least=3):
        """What the blocks of the page print."""
        blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S)
        self.assertGreaterEqual(len(blocks), least)
        with tempfile.TemporaryDirectory() as folder:
            for name, model in (("mobilenet.onnx", "mobilenet_v2.ts"), ("gpt2_past.onnx", "gpt2_past.dynamo")):
                shutil.copy(ROOT / "tests/models/zoo" / model / "model.onnx", pathlib.Path(folder) / name)
            before, scope, printed = os.getcwd(), {}, io.StringIO()
            os.chdir(folder)
            try:
                with contextlib.redirect_stdout(printed):
                    for block in blocks:
                        exec(compile(block, page, "exec"), scope)
            finally:
                os.chdir(before)
                registry = planish.tensorrt.get_plugin_registry()
                for creator in registry.all_creators:  # those of the page
                    registry.deregister_creator(creator)
        return printed.getvalue()

    def test_python(self):
        self.assertIn("input 'x': dim 1 is 2, the model wants 3", self.run_blocks("docs/python.md"))

    def test_tensorrt(self):
        self.run_blocks("docs/tensorrt.md")

    def test_onnxruntime(self):
        self.run_blocks("docs/onnxruntime.md")

    def test_programs(self):
        """The ids of the cache are those that the whole text gives."""
        ids = [int(word) for word in self.run_blocks("docs/programs.md", 1).split()]
        self.assertEqual((len(ids), ids[:3]), (7, [5, 6, 7]))
        engine = planish.build(str(ROOT / "tests/models/zoo/gpt2_past.dynamo/model.onnx"))
        feed = {i.name: np.zeros([1, *(d if isinstance(d, int) else 0 for d in i.shape[1:])], np.float32) for i in engine.inputs[2:]}
        told = engine({"input_ids": np.array([ids[:-1]]), "attention_mask": np.ones((1, 6), np.int64), **feed})["logits"]
        self.assertEqual(told[0, 2:].argmax(1).tolist(), ids[3:])

    def test_frameworks(self):
        """Blocks whose framework is here are run (scripts/exporters has environments for those that pip can install); all are Python."""
        told = re.split(r"^## (.*)\n", (ROOT / "docs/frameworks.md").read_text(), flags=re.M)
        parts = {name: re.findall(r"^```python\n(.*?)^```", text, re.M | re.S) for name, text in zip(told[1::2], told[2::2])}
        packages = {"PyTorch": "torch", "TensorFlow and Keras": "tf2onnx", "scikit-learn": "skl2onnx", "PaddlePaddle": "paddle2onnx"}
        self.assertEqual({name for name, blocks in parts.items() if blocks}, set(packages))
        for name, package in packages.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                before, scope = os.getcwd(), {}
                os.chdir(folder)
                try:
                    for block in parts[name]:
                        code = compile(block, "docs/frameworks.md", "exec")
                        if importlib.util.find_spec(package):
                            exec(code, scope)
                            (first, *_) = planish.run("model.onnx", scope["inputs"]).values()
                            np.testing.assert_allclose(first, scope["expected"], rtol=1e-3, atol=1e-5)
                finally:
                    os.chdir(before)

    def test_everything_has_a_docstring(self):
        for module, name in [(m, n) for m in (planish, planish.tensorrt) for n in m.__all__]:
            thing = getattr(module, name)
            if callable(thing):
                self.assertTrue(thing.__doc__, name)
                for part, value in vars(thing).items() if isinstance(thing, type) else ():
                    if callable(value) and not part.startswith("_") and not issubclass(thing, tuple):
                        self.assertTrue(inspect.getdoc(value), f"{name}.{part}")


if __name__ == "__main__":
    unittest.main()
