#!/usr/bin/env python3
"""cuda_python_infer.py MODEL.onnx: runs an engine with buffers and a stream of NVIDIA's package cuda-python.

Needs an NVIDIA GPU, and numpy, planish and cuda-python (cuda-bindings). The model's input must be float32; its open dims are --dim. Where onnxruntime is installed the
first output is compared with its.
"""
import argparse

import numpy as np

import planish.tensorrt as trt  # was: import tensorrt as trt


def runtime():
    """cuda-python's module of the CUDA runtime, under the name of its version."""
    try:
        from cuda.bindings import runtime as cudart
    except ImportError:
        try:
            from cuda import cudart
        except ImportError:
            raise SystemExit("cuda-python is missing: pip install cuda-python") from None
    return cudart


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--dim", type=int, default=1, help="what open dims are (1)")
    parser.add_argument("--fp16", action="store_true", help="permits FP16")
    parser.add_argument("--runs", type=int, default=100, help="to measure (100)")
    args = parser.parse_args()
    cudart = runtime()

    def call(function, *arguments):
        status, *rest = function(*arguments)
        if int(status) != 0:
            raise SystemExit(f"{function.__name__}: {status!r}")
        return rest[0] if rest else None

    if call(cudart.cudaGetDeviceCount) < 1:
        raise SystemExit("there is no NVIDIA GPU here; pycuda_infer.py runs on CPUs, too")
    trt.set_generation(10)
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    network = builder.create_network()
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(args.model):
        raise SystemExit(parser.get_error(0).desc())
    config = builder.create_builder_config()
    if args.fp16:
        config.set_flag(trt.BuilderFlag.FP16)
    engine = trt.Runtime(logger).deserialize_cuda_engine(builder.build_serialized_network(network, config))
    if not engine or engine.get_tensor_dtype(engine.get_tensor_name(0)) != trt.float32:
        raise SystemExit("no engine (the line above tells why), or its input is not float32")

    context, stream = engine.create_execution_context(), call(cudart.cudaStreamCreate)
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    context.set_input_shape(names[0], [args.dim if d < 0 else d for d in engine.get_tensor_shape(names[0])])
    host = {n: np.empty(tuple(context.get_tensor_shape(n)), trt.nptype(engine.get_tensor_dtype(n))) for n in names}
    device = {n: call(cudart.cudaMalloc, a.nbytes) for n, a in host.items()}
    host[names[0]][...] = np.random.default_rng(0).standard_normal(host[names[0]].shape)
    for name in names:
        context.set_tensor_address(name, device[name])
    kinds = cudart.cudaMemcpyKind
    call(cudart.cudaMemcpyAsync, device[names[0]], host[names[0]].ctypes.data, host[names[0]].nbytes, kinds.cudaMemcpyHostToDevice, stream)
    begin, end = (call(cudart.cudaEventCreate) for _ in range(2))
    for i in range(args.runs + 1):  # the first one warms up
        if i == 1:
            call(cudart.cudaEventRecord, begin, stream)
        if not context.execute_async_v3(int(stream)):
            raise SystemExit("the run failed (the line above tells why)")
    call(cudart.cudaEventRecord, end, stream)
    for name in names[1:]:
        call(cudart.cudaMemcpyAsync, host[name].ctypes.data, device[name], host[name].nbytes, kinds.cudaMemcpyDeviceToHost, stream)
    call(cudart.cudaStreamSynchronize, stream)
    print(f"{args.runs} runs, {1e3 * call(cudart.cudaEventElapsedTime, begin, end) / max(args.runs, 1):.1f} µs each")
    for name in names:
        print(f"{name}: {host[name].dtype}{list(host[name].shape)}, mean {host[name].mean():.6g}")
        call(cudart.cudaFree, device[name])
    try:
        import onnxruntime
    except ImportError:
        return
    wanted = onnxruntime.InferenceSession(args.model, providers=["CPUExecutionProvider"]).run([names[1]], {names[0]: host[names[0]]})[0]
    error = float(np.abs(host[names[1]] - wanted).max() / np.abs(wanted).max())
    print(f"{names[1]}: largest difference from ONNX Runtime {error:.2g} of its largest value")
    if not error <= 2e-2:
        raise SystemExit("that is too much")


if __name__ == "__main__":
    main()
