#!/usr/bin/env python3
"""pycuda_infer.py MODEL.onnx: builds an engine and runs it as programs for TensorRT do, with pycuda's buffers and a stream.

Inputs are random; open dims are --dim. Where onnxruntime is installed the outputs are compared with its. On a machine without a GPU it runs on the CPU.
"""
import argparse

import numpy as np

import planish
import planish.pycuda.autoinit  # noqa: F401     was: import pycuda.autoinit
import planish.pycuda.driver as cuda           # was: import pycuda.driver as cuda
import planish.tensorrt as trt                 # was: import tensorrt as trt

LOGGER = trt.Logger(trt.Logger.WARNING)


def build(file, fp16):
    builder = trt.Builder(LOGGER)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
    parser = trt.OnnxParser(network, LOGGER)
    if not parser.parse_from_file(file):
        raise SystemExit("\n".join(parser.get_error(i).desc() for i in range(parser.num_errors)))
    config = builder.create_builder_config()
    if fp16:
        config.set_flag(trt.BuilderFlag.FP16)
    plan = builder.build_serialized_network(network, config)
    engine = plan and trt.Runtime(LOGGER).deserialize_cuda_engine(plan)
    if not engine:
        raise SystemExit("the engine could not be built (the line above tells why)")
    return engine


def infer(engine, dim, seed):
    """Inputs and outputs by name."""
    context, stream, rng = engine.create_execution_context(), cuda.Stream(), np.random.default_rng(seed)
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    inputs = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
    for name in inputs:
        context.set_input_shape(name, [dim if d < 0 else d for d in engine.get_tensor_shape(name)])
    host, device = {}, {}
    for name in names:
        if any(d < 0 for d in context.get_tensor_shape(name)):
            raise SystemExit(f"only the run can tell how large '{name}' is: such outputs want a trt.IOutputAllocator")
        host[name] = cuda.pagelocked_empty(tuple(context.get_tensor_shape(name)), trt.nptype(engine.get_tensor_dtype(name)))
        device[name] = cuda.mem_alloc(max(host[name].nbytes, 1))
        context.set_tensor_address(name, int(device[name]))
    for name in inputs:
        is_float = host[name].dtype.kind == "f"
        host[name][...] = rng.standard_normal(host[name].shape) if is_float else rng.integers(0, 2, host[name].shape)
        cuda.memcpy_htod_async(device[name], host[name], stream)
    if not context.execute_async_v3(stream.handle):
        raise SystemExit("the run failed (the line above tells why)")
    for name in names[len(inputs) :]:
        cuda.memcpy_dtoh_async(host[name], device[name], stream)
    stream.synchronize()
    return {n: host[n] for n in inputs}, {n: host[n] for n in names[len(inputs) :]}


def compare(file, inputs, outputs, tolerance):
    try:
        import onnxruntime
    except ImportError:
        print("onnxruntime is not installed: nothing to compare with")
        return
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    types = {i.name: np.int64 if i.type == "tensor(int64)" else inputs[i.name].dtype for i in session.get_inputs()}  # INT64 is INT32 in the generation of 8
    for name, wanted in zip(outputs, session.run(list(outputs), {n: a.astype(types[n]) for n, a in inputs.items()})):
        error = float(np.abs(outputs[name].astype(np.float64) - wanted).max() / max(np.abs(wanted).max(), 1e-30)) if wanted.size else 0.0
        print(f"{name}: largest difference from ONNX Runtime {error:.2g} of its largest value")
        if not error <= tolerance:
            raise SystemExit(f"that is more than {tolerance:g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--dim", type=int, default=1, help="what open dims are (1)")
    parser.add_argument("--fp16", action="store_true", help="permits FP16 (used on GPUs)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tolerance", type=float, default=2e-2)
    args = parser.parse_args()
    if args.dim < 1:
        parser.error(f"--dim {args.dim}: 1 or more")
    engine = build(args.model, args.fp16)
    inputs, outputs = infer(engine, args.dim, args.seed)
    for name, array in {**inputs, **outputs}.items():
        print(f"{name}: {array.dtype}{list(array.shape)}, mean {array.mean():.6g}" if array.size else f"{name}: {array.dtype}{list(array.shape)}")
    compare(args.model, inputs, outputs, args.tolerance)


if __name__ == "__main__":
    try:
        main()
    except (planish.Error, TypeError, ValueError) as why:  # an element type that numpy or TensorRT has not, …
        raise SystemExit(str(why)) from None
