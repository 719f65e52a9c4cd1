#!/usr/bin/env python3
"""logits_only.py IN.onnx OUT.onnx: makes a model with token ids in and logits out of a language model that takes more.

The attention mask becomes ones, positions count from 0, token types are 0, a past (KV cache) is empty, and outputs other than the logits go: what gpt2_tensorrt.py
takes. The whole text then runs anew for each token. Weights in a file of their own stay where they are: OUT goes into the folder of IN. Needs the package onnx.
"""
import argparse
import pathlib

try:
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper
except ImportError as missing:
    raise SystemExit(f"logits_only.py: {missing}; pip install {missing.name or 'onnx'}") from None


def made(graph, info, ids):
    """Nodes that compute an input in place of the caller."""
    name, kind = info.name, info.type.tensor_type
    dims = [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim]
    shape, dtype = f"{name}.shape", helper.tensor_dtype_to_np_dtype(kind.elem_type)

    def constant(label, value):
        graph.initializer.append(numpy_helper.from_array(np.array(value), f"{name}.{label}"))
        return f"{name}.{label}"

    def fill(value):
        return helper.make_node("ConstantOfShape", [shape], [name], value=numpy_helper.from_array(np.array([value], dtype)))

    if "past" in name:
        rest = constant("rest", np.array([d or 0 for d in dims[1:]], np.int64))
        batch = helper.make_node("Gather", [f"{ids}.shape", constant("first", np.array([0], np.int64))], [f"{name}.batch"])
        return [batch, helper.make_node("Concat", [f"{name}.batch", rest], [shape], axis=0), fill(0)]
    if name in ("attention_mask", "token_type_ids"):
        return [helper.make_node("Identity", [f"{ids}.shape"], [shape]), fill(int(name == "attention_mask"))]
    if name == "position_ids":
        length = helper.make_node("Gather", [f"{ids}.shape", constant("second", np.int64(1))], [f"{name}.length"])
        count = helper.make_node("Range", [constant("zero", np.int64(0)), f"{name}.length", constant("one", np.int64(1))], [f"{name}.row"])
        return [length, count, helper.make_node("Expand", [f"{name}.row", f"{ids}.shape"], [name])]
    raise SystemExit(f"what should the input '{name}' be? Only attention_mask, token_type_ids, position_ids and a past are known")


def used(node):
    """Names that a node and the graphs inside of it read."""
    names = list(node.input)
    for attribute in node.attribute:
        for inner in [attribute.g, *attribute.graphs]:
            names += [name for n in inner.node for name in used(n)] + [o.name for o in inner.output]
    return names


def cut(model, ids, logits):
    """Changes the model."""
    graph = model.graph
    initializers = {i.name for i in graph.initializer}
    inputs = [i for i in graph.input if i.name not in initializers]
    wanted = [o for o in graph.output if o.name == logits]
    if ids not in [i.name for i in inputs] or not wanted:
        raise SystemExit(f"there is no input '{ids}' or no output '{logits}': inputs are {', '.join(i.name for i in inputs[:4])}, …; outputs {', '.join(o.name for o in graph.output[:4])}, …")
    first = [helper.make_node("Shape", [ids], [f"{ids}.shape"])]
    for info in inputs:
        if info.name != ids:
            first += made(graph, info, ids)
    needed, kept = {logits}, []
    for node in reversed(first + list(graph.node)):
        if needed.intersection(node.output):
            needed.update(used(node))
            kept.append(node)
    kept.reverse()
    for field, values in (("node", kept), ("output", wanted), ("input", [i for i in inputs if i.name == ids]), ("value_info", []), ("initializer", [i for i in graph.initializer if i.name in needed])):
        values = [type(v).FromString(v.SerializeToString()) for v in values]
        graph.ClearField(field)
        getattr(graph, field).extend(values)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--ids", default="input_ids", help="the input that stays (input_ids)")
    parser.add_argument("--logits", default="logits", help="the output that stays (logits)")
    args = parser.parse_args()
    try:
        model = onnx.load(str(args.model), load_external_data=False)
    except OSError:
        raise
    except Exception as why:  # of protobuf
        raise SystemExit(f"{args.model} is no ONNX model: {why}") from None
    if any(i.external_data for i in model.graph.initializer) and args.out.parent.resolve() != args.model.parent.resolve():
        raise SystemExit(f"the weights are in a file beside {args.model}: write OUT into the same folder")
    cut(model, args.ids, args.logits)
    args.out.write_bytes(model.SerializeToString())
    print(f"{args.out}: {len(model.graph.node)} nodes, {args.ids} → {args.logits}")


if __name__ == "__main__":
    try:
        main()
    except OSError as why:  # a file that is not there, …
        raise SystemExit(f"{why.filename}: {why.strerror}" if why.filename else str(why)) from None
