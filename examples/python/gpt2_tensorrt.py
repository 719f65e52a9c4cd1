#!/usr/bin/env python3
"""gpt2_tensorrt.py ENGINE: writes on from a prompt with GPT-2, by the Python API of TensorRT and by pycuda.

    python3 gpt2_export.py gpt2.onnx                                          # GPT-2 of random weights; --weights FOLDER: of trained ones
    planish trtexec --onnx=gpt2.onnx --saveEngine=gpt2_fp16.trt --fp16
    python3 gpt2_tensorrt.py gpt2_fp16.trt --onnx gpt2.onnx                   # --onnx: compares with ONNX Runtime, too

Random weights write noise: what is right then is that the numbers agree with ONNX Runtime's. Any model works whose only input is token ids and whose only output is
logits (logits_only.py makes such models of others). Needs numpy and planish; tokenizers or transformers where --tokenizer names one.
"""
import argparse
import pathlib
import time

import numpy as np

import planish.pycuda.autoinit  # noqa: F401     was: import pycuda.autoinit
import planish.pycuda.driver as cuda           # was: import pycuda.driver as cuda
import planish.tensorrt as trt                 # was: import tensorrt as trt

PROMPT, PROMPT_IDS = "The future of AI is", [464, 2003, 286, 9552, 318]  # the ids are GPT-2's


class Tokenizer:
    """Text to ids and back: of a tokenizer.json, of a folder that has one (or vocab.json and merges.txt), or of a name that transformers knows."""

    def __init__(self, where):
        path = pathlib.Path(where)
        file = path / "tokenizer.json" if path.is_dir() else path
        try:
            if file.is_file():
                from tokenizers import Tokenizer as Loaded
                loaded = Loaded.from_file(str(file))
            elif path.is_dir():
                from tokenizers import ByteLevelBPETokenizer
                loaded = ByteLevelBPETokenizer(str(path / "vocab.json"), str(path / "merges.txt"))
            else:
                from transformers import AutoTokenizer
                loaded = AutoTokenizer.from_pretrained(where)
        except ImportError as missing:
            raise SystemExit(f"--tokenizer {where}: {missing}; pip install {missing.name}, or leave --tokenizer out and give --ids") from None
        self.decode = loaded.decode
        self.encode = lambda text: list(getattr(loaded.encode(text), "ids", None) or loaded.encode(text))


class Model:
    """An engine with a context and buffers that grow with the text."""

    def __init__(self, file):
        logger = trt.Logger(trt.Logger.WARNING)
        runtime = trt.Runtime(logger)
        with open(file, "rb") as f:
            self.engine = runtime.deserialize_cuda_engine(f.read())
        if self.engine is None:
            raise SystemExit(f"{file} is no engine for this machine (the line above tells why)")
        names = [self.engine.get_tensor_name(i) for i in range(self.engine.num_io_tensors)]
        if len(names) != 2 or "logits" not in names[1]:
            raise SystemExit(f"{file} has {', '.join(names)}: wanted are one input, token ids, and one output, logits (logits_only.py makes such a model)")
        self.input, self.output = names
        self.dtypes = [trt.nptype(self.engine.get_tensor_dtype(name)) for name in names]
        self.context = self.engine.create_execution_context()
        self.buffers = [None, None]

    def room(self, index, size):
        """Memory of the device for binding `index`."""
        if self.buffers[index] is None or self.buffers[index].size < size:
            self.buffers[index] = cuda.mem_alloc(2 * size)
        return self.buffers[index]

    def logits(self, ids):
        """float32[sequence, vocabulary] for all ids."""
        tokens = np.array([ids], self.dtypes[0])
        self.context.set_input_shape(self.input, tokens.shape)
        out = np.empty(tuple(self.context.get_tensor_shape(self.output)), self.dtypes[1])
        d_input, d_output = self.room(0, tokens.nbytes), self.room(1, out.nbytes)
        cuda.memcpy_htod(d_input, tokens)
        if not self.context.execute_v2([int(d_input), int(d_output)]):
            raise SystemExit("execute_v2 failed (the line above tells why)")
        cuda.memcpy_dtoh(out, d_output)
        return out[0].astype(np.float32)


def onnx_runtime(file):
    """A function that computes the same logits with ONNX Runtime on the CPU."""
    import onnxruntime
    open(file, "rb").close()  # is it there?
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda ids: session.run(["logits"], {name: np.array([ids], np.int64)})[0][0]


def token_ids(text):
    return [int(word) for word in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", help="what trtexec --saveEngine wrote")
    parser.add_argument("--prompt", default=PROMPT, help=f"text to go on from, with --tokenizer ({PROMPT})")
    parser.add_argument("--tokenizer", help="a tokenizer.json, a folder, or a name that transformers knows")
    parser.add_argument("--ids", type=token_ids, help="token ids in place of a prompt: 464,2003,286")
    parser.add_argument("--tokens", type=int, default=20, help="how many to write (20)")
    parser.add_argument("--onnx", help="the model that the engine was built from: compares each step with ONNX Runtime")
    parser.add_argument("--tolerance", type=float, default=2e-2, help="how far from ONNX Runtime, of its largest logit (2e-2: --fp16 on a GPU)")
    args = parser.parse_args()
    tokenizer = Tokenizer(args.tokenizer) if args.tokenizer else None
    if args.ids:
        ids = args.ids
    elif tokenizer:
        ids = tokenizer.encode(args.prompt)
    elif args.prompt == PROMPT:
        ids = list(PROMPT_IDS)
    else:
        raise SystemExit("--prompt needs --tokenizer; or give --ids")

    model, peer, worst = Model(args.engine), onnx_runtime(args.onnx) if args.onnx else None, 0.0
    prompt, seconds = len(ids), 0.0
    for _ in range(args.tokens):
        began = time.perf_counter()
        logits = model.logits(ids)
        seconds += time.perf_counter() - began
        if peer:
            wanted = peer(ids)
            worst = max(worst, float(np.abs(logits - wanted).max() / np.abs(wanted).max()))
        ids.append(int(logits[-1].argmax()))
    print("ids: ", *ids[:prompt], "→", *ids[prompt:])
    if tokenizer:
        print("text:", tokenizer.decode(ids))
    else:
        print("text: there is no --tokenizer, so ids are all that can be shown")
    if "random" in model.engine.name:
        print("the weights are random (gpt2_export.py without --weights): what they write is noise")
    if args.tokens:
        print(f"{args.tokens} tokens in {seconds:.3f} s: {1e3 * seconds / args.tokens:.2f} ms a token, the whole text anew for each (a KV cache saves that: docs/programs.md)")
    if peer:
        print(f"largest difference from ONNX Runtime: {worst:.2g} of the largest logit")
        if not worst <= args.tolerance:
            raise SystemExit(f"that is more than {args.tolerance:g}")


if __name__ == "__main__":
    try:
        main()
    except OSError as why:  # a file that is not there, …
        raise SystemExit(f"{why.filename}: {why.strerror}" if why.filename else str(why)) from None
