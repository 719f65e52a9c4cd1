#!/usr/bin/env python3
"""onnxruntime_switch.py MODEL.onnx: a program written for ONNX Runtime; one line makes it Planish's. --onnxruntime takes the line back.

Inputs are random from a fixed seed, open dims are --dim: both print the same numbers, but for the last digits. Needs numpy, and planish or onnxruntime.
"""
import argparse
import time

import numpy as np

TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16, "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(bool)": np.bool_}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--dim", type=int, default=1, help="what open dims are (1)")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--onnxruntime", action="store_true", help="with ONNX Runtime")
    args = parser.parse_args()
    if args.onnxruntime:
        import onnxruntime
    else:
        import planish as onnxruntime  # the line

    session = onnxruntime.InferenceSession(args.model, providers=["CPUExecutionProvider"])
    rng, feed = np.random.default_rng(0), {}
    for info in session.get_inputs():
        if info.type not in TYPES:
            raise SystemExit(f"the input {info.name} is a {info.type}; this program makes {', '.join(TYPES)}")
        shape = [d if isinstance(d, int) else args.dim for d in info.shape]
        values = rng.standard_normal(shape) if "float" in info.type or "double" in info.type else rng.integers(0, 2, shape)
        feed[info.name] = values.astype(TYPES[info.type])
    outputs = session.run(None, feed)
    began = time.perf_counter()
    for _ in range(args.runs):
        outputs = session.run(None, feed)
    print(f"{onnxruntime.__name__}: {1e3 * (time.perf_counter() - began) / max(args.runs, 1):.3f} ms a run")
    for info, value in zip(session.get_outputs(), outputs):
        print(info.name, value.dtype, list(value.shape), f"{value.astype(np.float64).mean():.4f}")


if __name__ == "__main__":
    try:
        main()
    except OSError as why:  # a file that is not there, …
        raise SystemExit(f"{why.filename}: {why.strerror}" if why.filename else str(why)) from None
    except (ValueError, RuntimeError, KeyError) as why:  # no model, or inputs that this program cannot draw
        raise SystemExit(f"{type(why).__name__}: {why}") from None
