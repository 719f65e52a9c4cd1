#!/usr/bin/env python3
"""torch_infer.py MODEL.onnx: runs an engine on PyTorch's tensors, by data_ptr() as programs for TensorRT do, and without any address by planish.load.

Tensors lie on the GPU where the engine runs on one, else on the CPU. Needs numpy, planish and torch. The model's input must be float32; its open dims are --dim.
Where onnxruntime is installed the first output is compared with its.
"""
import argparse
import os

import planish
import planish.tensorrt as trt  # was: import tensorrt as trt


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--dim", type=int, default=1, help="what open dims are (1)")
    parser.add_argument("--fp16", action="store_true", help="permits FP16 (used on GPUs)")
    args = parser.parse_args()
    try:
        import torch
    except ImportError:
        raise SystemExit("PyTorch is missing: pip install torch; pycuda_infer.py runs without it") from None
    plan = planish.build(args.model, device=os.environ.get("PLANISH_DEVICE", "cpu"), fp16=args.fp16).to_bytes()

    # By addresses.
    engine = trt.Runtime(trt.Logger(trt.Logger.WARNING)).deserialize_cuda_engine(plan)
    where = "cuda" if engine.engine.device.startswith("cuda") else "cpu"
    context = engine.create_execution_context()
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    if engine.get_tensor_dtype(names[0]) != trt.float32:
        raise SystemExit(f"the input {names[0]} is not float32")
    torch.manual_seed(0)
    tensors = {names[0]: torch.randn([args.dim if d < 0 else d for d in engine.get_tensor_shape(names[0])], device=where)}
    context.set_input_shape(names[0], tensors[names[0]].shape)
    for name in names[1:]:
        dtype = getattr(torch, str(trt.nptype(engine.get_tensor_dtype(name)).__name__))
        tensors[name] = torch.empty(tuple(context.get_tensor_shape(name)), dtype=dtype, device=where)
    for name in names:
        context.set_tensor_address(name, tensors[name].data_ptr())
    stream = torch.cuda.Stream() if where == "cuda" else None
    if stream:
        stream.wait_stream(torch.cuda.current_stream())  # the input is written there
    if not context.execute_async_v3(stream.cuda_stream if stream else 0):
        raise SystemExit("the run failed (the line above tells why)")
    if stream:
        stream.synchronize()
    print(f"{names[0]}: {list(tensors[names[0]].shape)} on {where}; {names[1]}: {list(tensors[names[1]].shape)}, mean {tensors[names[1]].float().mean().item():.6g}")

    # By tensors: nothing is copied, neither on a GPU.
    again = planish.load(plan)
    out = torch.empty_like(tensors[names[1]])
    again.context().run({names[0]: tensors[names[0]]}, outputs={names[1]: out})
    if not torch.equal(out, tensors[names[1]]):
        raise SystemExit("planish.load computes something else")
    print("planish.load: the same")
    try:
        import onnxruntime
    except ImportError:
        return
    wanted = torch.from_numpy(onnxruntime.InferenceSession(args.model, providers=["CPUExecutionProvider"]).run([names[1]], {names[0]: tensors[names[0]].cpu().numpy()})[0])
    error = ((out.cpu() - wanted).abs().max() / wanted.abs().max()).item()
    print(f"{names[1]}: largest difference from ONNX Runtime {error:.2g} of its largest value")
    if not error <= 2e-2:
        raise SystemExit("that is too much")


if __name__ == "__main__":
    main()
