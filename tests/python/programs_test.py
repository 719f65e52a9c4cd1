"""The programs of examples/python, as users start them."""
import importlib.util
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import onnx
from onnx import numpy_helper

import planish

ROOT = pathlib.Path(__file__).parents[2]
PLANISH = os.environ.get("PLANISH", str(ROOT / "build/bin/planish"))
ERROR = 2e-2 if os.environ.get("PLANISH_DEVICE", "").startswith("cuda") else 1e-4  # FP16 on a GPU
SMALL = ["--layers", "2", "--width", "64", "--vocabulary", "300", "--positions", "64"]


def start(program, *arguments, good=True, prefix=(), **environment):
    """What a program prints; an AssertionError unless it ends as it should."""
    command = [sys.executable, str(ROOT / "examples/python" / program)] if program.endswith(".py") else [program]
    env = {"PLANISH_DEVICE": "cpu", **os.environ, "PYTHONIOENCODING": "utf-8", **environment}
    done = subprocess.run([*map(str, prefix), *command, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, timeout=120)
    if (done.returncode == 0) != good:
        raise AssertionError(f"{program} {' '.join(map(str, arguments))}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout


def difference(printed):
    return float(re.search(r"largest difference from ONNX Runtime:? (\S+)", printed).group(1))


class Gpt2(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        self.onnx, self.engine = self.folder / "gpt2.onnx", self.folder / "gpt2_fp16.trt"

    def export(self, *arguments, into=None):
        return start("gpt2_export.py", into or self.onnx, *arguments)

    def build(self, **more):
        printed = start(PLANISH, "trtexec", f"--onnx={self.onnx}", f"--saveEngine={self.engine}", "--fp16", "--duration=0", "--iterations=10", **more)
        self.assertIn("&&&& PASSED TensorRT.trtexec", printed)

    def tokenizer(self):
        """One that knows bytes only, and a merge."""
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers
        letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        made = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate([*letters, "Th", "The"])}, merges=[("T", "h"), ("Th", "e")]))
        made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
        made.save(str(self.folder / "tokenizer.json"))
        return letters

    def test_as_typed(self):
        """Export, trtexec, the program; text by a tokenizer; the logits are ONNX Runtime's."""
        self.assertIn("random weights", self.export(*SMALL))
        self.build()
        self.tokenizer()
        printed = start("gpt2_tensorrt.py", self.engine, "--onnx", self.onnx, "--tokenizer", self.folder, "--tokens", 5, "--tolerance", ERROR)
        self.assertIn("text: The future of AI is", printed)
        self.assertIn("are random", printed)
        self.assertLess(difference(printed), ERROR)
        before, after = re.search(r"^ids: (.*) → (.*)$", printed, re.M).groups()
        self.assertEqual((before.split()[0], len(before.split()), len(after.split())), ("257", len("The future of AI is") - 2, 5))
        # The next token of all that was written is what the model says.
        ids = before + " " + after
        again = start("gpt2_tensorrt.py", self.engine, "--ids", ",".join(ids.split()[:-1]), "--tokens", 1)
        self.assertIn(f"→ {ids.split()[-1]}\n", again)
        # Another model's logits are others: the comparison can fail.
        self.export(*SMALL, "--seed", 1)
        self.assertIn("that is more than", start("gpt2_tensorrt.py", self.engine, "--onnx", self.onnx, "--ids", "1,2", "--tokens", 1, good=False))

    def test_on_a_gpu(self):
        """The same on the fake GPU of the tests: all memory and copies are the device's."""
        build = pathlib.Path(PLANISH).resolve().parents[1]
        if not (build / "lib/fake_cuda/libnvrtc.so").exists():
            self.skipTest(f"the fake GPU is not built in {build}")
        more = {"prefix": [ROOT / "tests/fake_cuda/run"], "BUILD": str(build), "PLANISH_DEVICE": "cuda"}
        self.export(*SMALL)
        self.build(**more)
        printed = start("gpt2_tensorrt.py", self.engine, "--onnx", self.onnx, "--ids", "1,2,3", "--tokens", 3, **more)
        self.assertLess(difference(printed), 1e-2)
        printed = start("pycuda_infer.py", ROOT / "tests/models/zoo/bert.ts/model.onnx", "--dim", 3, **more)
        self.assertLess(difference(printed), 1e-2)

    def test_weights_of_a_file(self):
        """What a safetensors file says is what the model has."""
        self.export(*SMALL)
        weights = {i.name: numpy_helper.to_array(i) for i in onnx.load(str(self.onnx)).graph.initializer if i.name.startswith(("h.", "w", "ln"))}
        header, data = {}, b""
        for name, array in weights.items():
            header["transformer." + name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
            data += array.tobytes()
        text = json.dumps(header).encode()
        (self.folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
        (self.folder / "config.json").write_text('{"n_head": 4}')
        self.assertIn("trained", self.export("--weights", self.folder, into=self.folder / "again.onnx"))
        feed = {"input_ids": np.array([[3, 1, 4, 1, 5]])}
        a, b = (planish.run(str(path), feed)["logits"] for path in (self.onnx, self.folder / "again.onnx"))
        self.assertTrue(np.array_equal(a, b))
        (self.folder / "config.json").write_text('{"n_head": 2}')
        self.export("--weights", self.folder, into=self.folder / "again.onnx")
        self.assertFalse(np.array_equal(a, planish.run(str(self.folder / "again.onnx"), feed)["logits"]))

    def test_logits_only(self):
        """Masks and pasts that are made are those that a caller would give."""
        for name, model in (("gpt2_past.dynamo", "logits"), ("llama.ts", None)):
            source = ROOT / "tests/models/zoo" / name / "model.onnx"
            engine = planish.build(str(source))
            output = model or engine.outputs[0].name
            start("logits_only.py", source, self.onnx, "--logits", output)
            feed = {"input_ids": np.array([[7, 8, 9], [1, 2, 3]])}
            made = planish.run(str(self.onnx), feed, device="ref")
            self.assertEqual(list(made), [output])
            for info in engine.inputs[1:]:
                dims = [d if isinstance(d, int) else 0 for d in info.shape]
                feed[info.name] = np.zeros([2, *dims[1:]], np.float32) if "past" in info.name else np.ones((2, 3), np.int64)
            np.testing.assert_allclose(made[output], engine(feed)[output], rtol=1e-3, atol=1e-4)
        self.assertIn("no input", start("logits_only.py", self.onnx, self.onnx, "--logits", "nothing", good=False))

    def test_tokenizer_of_gguf(self):
        letters = self.tokenizer()

        def text(value):
            return struct.pack("<Q", len(value.encode())) + value.encode()

        def strings(values):
            return struct.pack("<IIQ", 9, 8, len(values)) + b"".join(map(text, values))

        tokens = [*letters, "Th", "The", "<|end|>"]
        fields = {"model": struct.pack("<I", 8) + text("gpt2"), "tokens": strings(tokens), "merges": strings(["T h", "Th e"]),
                  "token_type": struct.pack("<IIQ", 9, 5, len(tokens)) + struct.pack(f"<{len(tokens)}i", *[1] * (len(tokens) - 1), 3)}
        body = b"".join(text("tokenizer.ggml." + name) + value for name, value in fields.items())
        file, out = self.folder / "model.gguf", self.folder / "out.json"
        file.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(fields)) + body)
        start("gguf_tokenizer.py", file, out)
        from tokenizers import Tokenizer
        made = Tokenizer.from_file(str(out))
        self.assertEqual(made.encode("The<|end|>").ids, [257, 258])
        self.assertEqual(made.decode(made.encode("The é 12").ids), "The é 12")
        file.write_bytes(file.read_bytes()[:40])
        self.assertIn("no GGUF file", start("gguf_tokenizer.py", file, out, good=False))

    def test_what_is_wrong_is_told(self):
        self.onnx.write_bytes((ROOT / "tests/models/zoo/bert.ts/model.onnx").read_bytes())
        self.build()
        self.assertIn("logits_only.py", start("gpt2_tensorrt.py", self.engine, good=False))
        self.engine.write_bytes(b"no engine")
        self.assertIn("no engine", start("gpt2_tensorrt.py", self.engine, good=False))
        self.assertIn("--ids", start("gpt2_tensorrt.py", self.engine, "--prompt", "Hello", good=False))
        self.assertIn("no .safetensors", start("gpt2_export.py", self.onnx, "--weights", self.folder, good=False))
        none = self.folder / "none/such"
        for program, *arguments in (("gpt2_tensorrt.py", none), ("gpt2_export.py", none, *SMALL), ("gpt2_export.py", self.onnx, "--weights", none), ("logits_only.py", none, self.onnx),
                                    ("gguf_tokenizer.py", none, self.onnx), ("onnxruntime_switch.py", none)):  # fmt: skip
            printed = start(program, *arguments, good=False)
            self.assertRegex(printed, "none/such.*No such file")
            self.assertEqual(printed.count("\n"), 1, printed)
        self.assertIn("--ids", start("gpt2_tensorrt.py", self.engine, "--ids", "1,b", good=False).splitlines()[-1])
        without = self.folder / "without/onnx"
        without.mkdir(parents=True)
        (without / "__init__.py").write_text("raise ModuleNotFoundError(\"No module named 'onnx'\", name='onnx')")
        paths = {"PYTHONPATH": os.pathsep.join([str(without.parent), os.environ.get("PYTHONPATH", "")])}
        for program in ("gpt2_export.py", "logits_only.py"):
            self.assertEqual(start(program, self.onnx, self.onnx, good=False, **paths), f"{program}: No module named 'onnx'; pip install onnx\n")


class Others(unittest.TestCase):
    model = ROOT / "tests/models/zoo/mobilenet_v2.ts/model.onnx"

    def test_pycuda(self):
        for model in ("mobilenet_v2.ts", "bert.ts"):
            self.assertLess(difference(start("pycuda_infer.py", ROOT / "tests/models/zoo" / model / "model.onnx", "--dim", 3)), ERROR)

    def test_onnxruntime(self):
        mine, theirs = start("onnxruntime_switch.py", self.model), start("onnxruntime_switch.py", self.model, "--onnxruntime")
        self.assertEqual((mine.split(":")[0], theirs.split(":")[0]), ("planish", "onnxruntime"))
        self.assertEqual(mine.splitlines()[1:], theirs.splitlines()[1:])
        self.assertIn("[1, 10]", mine)

    def test_torch(self):
        """Runs where PyTorch is; elsewhere it says that it is missing. No gate's machine has it: run on a GPU by hand."""
        there = importlib.util.find_spec("torch") is not None
        self.assertIn("planish.load: the same" if there else "pip install torch", start("torch_infer.py", self.model, good=there))

    def test_cuda_python(self):
        """Needs a GPU; elsewhere it says what is missing."""
        there = importlib.util.find_spec("cuda") is not None and any(d.name.startswith("cuda") and d.usable for d in planish.devices())
        printed = start("cuda_python_infer.py", self.model, good=there, **({"PLANISH_DEVICE": "cuda"} if there else {}))
        self.assertRegex(printed, "runs, .* µs each" if there else "pip install cuda-python|no NVIDIA GPU")

    def test_help(self):
        programs = sorted(p.name for p in (ROOT / "examples/python").glob("*.py"))
        self.assertGreater(len(programs), 6)
        for program in programs:
            self.assertIn(program, start(program, "--help"))


if __name__ == "__main__":
    unittest.main()
