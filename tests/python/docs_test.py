"""Runs the Python blocks of docs/python.md, one after the other, and holds its list of errors against the module."""
import contextlib
import io
import os
import pathlib
import re
import shutil
import tempfile
import unittest

import planish

ROOT = pathlib.Path(__file__).parents[2]


class Docs(unittest.TestCase):
    def test_blocks(self):
        text = (ROOT / "docs/python.md").read_text()
        blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
        self.assertGreater(len(blocks), 5)
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(ROOT / "tests/models/zoo/mobilenet_v2.ts/model.onnx", pathlib.Path(folder) / "mobilenet.onnx")
            before, scope, printed = os.getcwd(), {}, io.StringIO()
            os.chdir(folder)
            try:
                with contextlib.redirect_stdout(printed):
                    for block in blocks:
                        exec(compile(block, "docs/python.md", "exec"), scope)
            finally:
                os.chdir(before)
        self.assertIn("input 'x': dim 1 is 2, the model wants 3", printed.getvalue())

    def test_everything_has_a_docstring(self):
        for name in planish.__all__:
            thing = getattr(planish, name)
            if callable(thing):
                self.assertTrue(thing.__doc__, name)
                for part, value in vars(thing).items() if isinstance(thing, type) else ():
                    if callable(value) and not part.startswith("_") and not issubclass(thing, tuple):
                        self.assertTrue(value.__doc__, f"{name}.{part}")


if __name__ == "__main__":
    unittest.main()
