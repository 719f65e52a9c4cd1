#!/usr/bin/env python3
"""Writes speech.onnx and speech.wav, which the example speech.c is tested on. speech.py [FOLDER]   (needs numpy and onnx)

The model is not trained: it measures how loud the band from 300 to 3,400 Hz is, beside the loudness of the background, which it learns slowly. It has the inputs
and outputs of Silero's voice activity model: sound [1,64 + 512], state, sr (unused) -> probability [1,1], stateN. Its state [2,1,1] is the background and the loudness, smoothed.
The sound has two vowels (a hum of 140 Hz and its overtones), 0.32 s to 0.80 s and 1.12 s to 1.28 s, in faint noise.
"""
import pathlib
import struct
import sys

import numpy as np
import onnx
from onnx import TensorProto as T, helper as h, numpy_helper

RATE, TAPS = 16000, 65


def model(path):
    at = np.arange(TAPS) - TAPS // 2
    band = sum(sign * 2 * f / RATE * np.sinc(2 * f / RATE * at) for f, sign in ((3400, 1), (300, -1))) * np.hamming(TAPS)
    numbers = {"taps": band[None, None], "wide": np.array([1, 1, -1]), "flat": np.array([1, 1, 1]), "tiny": 1e-6, "ln10": np.log(10), "six": 6.0, "slow": 0.02, "half": 0.5, "steep": 6.0, "least": 1.5}
    weights = [numpy_helper.from_array(np.array(v, np.int64 if n in ("wide", "flat") else np.float32), n) for n, v in numbers.items()]
    lines = """
        Reshape input wide -> wave | Conv wave taps -> heard | Mul heard heard -> power | ReduceMean power two -> energy | Add energy tiny -> positive | Log positive -> logarithm
        Div logarithm ln10 -> bels | Add bels six -> level_3 | Reshape level_3 flat -> level | Split state -> floor smooth | Sub level floor -> above | Mul above slow -> step
        Add floor step -> risen | Min level risen -> floor_out | Sub level floor_out -> over | Add smooth over -> both | Mul both half -> smooth_out
        Concat floor_out smooth_out -> stateN | Sub smooth_out least -> excess | Mul excess steep -> z | Sigmoid z -> p | Squeeze p zero -> output"""
    attributes = {"Split": {"axis": 0, "num_outputs": 2}, "Concat": {"axis": 0}}
    nodes = []
    for line in lines.replace("\n", "|").split("|"):
        if line.strip():
            (kind, *names), outputs = line.split("->")[0].split(), line.split("->")[1].split()
            nodes.append(h.make_node(kind, names, outputs, **attributes.get(kind, {})))
    weights += [numpy_helper.from_array(np.array([v], np.int64), n) for n, v in (("zero", 0), ("two", 2))]
    inputs = [h.make_tensor_value_info("input", T.FLOAT, [1, 576]), h.make_tensor_value_info("state", T.FLOAT, [2, 1, 1]), h.make_tensor_value_info("sr", T.INT64, [])]
    outputs = [h.make_tensor_value_info("output", T.FLOAT, [1, 1]), h.make_tensor_value_info("stateN", T.FLOAT, [2, 1, 1])]
    made = h.make_model(h.make_graph(nodes, "speech", inputs, outputs, weights), opset_imports=[h.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    onnx.save(made, path)


def sound(path):
    t = np.arange(int(1.6 * RATE)) / RATE
    hum = sum(np.sin(2 * np.pi * 140 * k * t) / (1 + abs(140 * k - 700) / 150) for k in range(1, 25))
    spoken = ((t >= 0.32) & (t < 0.80)) | ((t >= 1.12) & (t < 1.28))
    wave = 0.08 * hum * spoken + 0.0005 * np.random.default_rng(1).standard_normal(t.size)
    data = np.round(wave * 32767).astype("<i2").tobytes()
    path.write_bytes(b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16) + b"data" + struct.pack("<I", len(data)) + data)


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    model(folder / "speech.onnx")
    sound(folder / "speech.wav")
