#!/usr/bin/env python3
"""Writes the cases beside this file: operators on a tensor whose rank only the run knows.

    make.py [OUT]

Two tensors of different ranks are put into a sequence, an index takes one of them out, the operator follows. Expected is what the same operator gives for
the tensor itself: by ONNX's reference implementation, for com.microsoft by ONNX Runtime.
"""
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

FIRST_ALONE = ["ms_qlinear_average_pool", "ms_nhwc_max_pool", "ms_group_norm"]


def node(op, inputs, outputs=("y",), **attributes):
    return helper.make_node(op, list(inputs), list(outputs), **attributes)


def weights(random, *shape):
    return random.standard_normal(shape).astype(np.float32)


def quantized(random, *shape):
    return random.integers(0, 256, shape).astype(np.uint8)


def cases(random):
    """NAME, opset, nodes from x to the outputs, the two tensors, constants, outputs."""
    images = weights(random, 2, 4, 5), weights(random, 2, 4, 3, 2)
    channel = {"s": weights(random, 4), "b": weights(random, 4)}
    yield "group_norm", 21, [node("GroupNormalization", "xsb", num_groups=2)], images, channel, ["y"]
    yield "group_norm_18", 18, [node("GroupNormalization", "xsb", num_groups=2)], images, {"s": weights(random, 2), "b": weights(random, 2)}, ["y"]
    yield "rms_norm", 23, [node("RMSNormalization", "xs", axis=2)], (weights(random, 2, 3, 4), weights(random, 2, 3, 4, 4)), {"s": weights(random, 4)}, ["y"]
    yield "rms_norm_last", 23, [node("RMSNormalization", "xs")], (weights(random, 3, 4), weights(random, 2, 3, 4)), {"s": weights(random, 4)}, ["y"]
    statistics = dict(channel, m=weights(random, 4), v=np.abs(weights(random, 4)) + 1)
    yield "batch_norm_training", 15, [node("BatchNormalization", "xsbmv", ["y", "rm", "rv"], training_mode=1)], images, statistics, ["y", "rm", "rv"]
    yield "prelu_6", 6, [node("PRelu", "xs")], images, {"s": np.abs(weights(random, 4))}, ["y"]
    yield "add_6_axis", 6, [node("Add", "xb", broadcast=1, axis=1)], images, {"b": weights(random, 4)}, ["y"]
    yield "tile_1", 1, [node("Tile", "xta")], images, {"t": np.array(2, np.float32), "a": np.array(1, np.float32)}, ["y"]
    for axis in (1, -1):
        body = helper.make_graph([node("Identity", ["r"], ["o"])], "body", [helper.make_tensor_value_info("r", TensorProto.FLOAT, None)], [helper.make_tensor_value_info("o", TensorProto.FLOAT, None)])
        yield f"scan_axis_{'last' if axis < 0 else axis}", 16, [node("Scan", "x", body=body, num_scan_inputs=1, scan_output_axes=[axis])], images, {}, ["y"]
        if axis == 1:
            yield "scan_8_lengths", 8, [node("Scan", "lx", body=body, num_scan_inputs=1)], (weights(random, 2, 4, 3), weights(random, 2, 3, 2, 2)), {"l": np.array([3, 2], np.int64)}, ["y"]
    scale = {"xs": np.array(0.03, np.float32), "xz": np.array(120, np.uint8), "ys": np.array(0.02, np.float32), "yz": np.array(100, np.uint8)}
    pictures = quantized(random, 2, 6, 4), quantized(random, 2, 5, 6, 4)
    ms = "com.microsoft"
    yield "ms_simplified_layer_norm", 18, [node("SimplifiedLayerNormalization", "xs", axis=2)], (weights(random, 2, 3, 4), weights(random, 2, 3, 5, 4)), {"s": weights(random, 4)}, ["y"]
    yield "ms_fused_matmul", 18, [node("FusedMatMul", "xb", domain=ms, transA=1)], (weights(random, 3, 2), weights(random, 2, 3, 2)), {"b": weights(random, 3, 5)}, ["y"]
    yield "ms_fused_matmul_batch", 18, [node("FusedMatMul", "xx", domain=ms, transBatchA=1, transA=1, transBatchB=1)], (weights(random, 3, 2, 4), weights(random, 3, 2, 2, 4)), {}, ["y"]
    yield "ms_qlinear_softmax", 12, [node("QLinearSoftmax", ["x", "xs", "xz", "ys", "yz"], domain=ms, axis=1, opset=12)], pictures, dict(scale, ys=np.array(1 / 256, np.float32), yz=np.array(0, np.uint8)), ["y"]
    for last in (0, 1):
        yield f"ms_qlinear_global_pool_{last}", 18, [node("QLinearGlobalAveragePool", ["x", "xs", "xz", "ys", "yz"], domain=ms, channels_last=last)], (pictures[1], quantized(random, 2, 3, 5, 4)), scale, ["y"]
    # A kernel fixes the rank: the other tensor is never taken.
    yield "ms_qlinear_average_pool", 18, [node("QLinearAveragePool", ["x", "xs", "xz", "ys", "yz"], domain=ms, channels_last=1, kernel_shape=[2, 3])], (pictures[1], pictures[0]), dict(scale, ys=np.array(0.0217, np.float32)), ["y"]
    yield "ms_nhwc_max_pool", 18, [node("NhwcMaxPool", "x", domain=ms, kernel_shape=[2, 3])], (pictures[1], pictures[0]), {}, ["y"]
    yield "ms_group_norm", 18, [node("GroupNorm", "xsb", domain=ms, groups=2, activation=0)], (weights(random, 2, 3, 2, 4), weights(random, 2, 3)), channel, ["y"]


def expected(name, opset, nodes, x, constants, outputs):
    graph = helper.make_graph(nodes, name, [helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)], [helper.make_tensor_value_info(o, TensorProto.UNDEFINED, None) for o in outputs])
    graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in constants.items())
    model = helper.make_model(graph, opset_imports=imports(opset, nodes), ir_version=8)
    if name == "tile_1":  # not in the reference implementation
        return [np.concatenate([x] * int(constants["t"]), axis=int(constants["a"]))]
    if name == "prelu_6":
        s = constants["s"].reshape([4] + [1] * (x.ndim - 2))
        return [np.where(x < 0, x * s, x)]
    if name == "add_6_axis":
        return [x + constants["b"].reshape([4] + [1] * (x.ndim - 2))]
    if name.startswith("scan_8"):  # as many rows of each element of the batch as its length says, then zeros
        rows = np.arange(x.shape[1]) < constants["l"][:, None]
        return [x * rows.reshape(rows.shape + (1,) * (x.ndim - 2))]
    if name.startswith("scan_axis"):
        return [np.moveaxis(x, 0, -1 if name.endswith("last") else 1)]
    if name == "ms_group_norm":  # ONNX Runtime has it on GPUs alone
        grouped = x.reshape(2, 6, 2, 2)
        centred = grouped - grouped.mean((1, 3), keepdims=True)
        return [(centred / np.sqrt((centred**2).mean((1, 3), keepdims=True) + 1e-5)).reshape(x.shape) * constants["s"] + constants["b"]]
    if not name.startswith("ms_"):
        return ReferenceEvaluator(model).run(None, {"x": x})
    import onnxruntime  # only here

    for o in graph.output:
        o.type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(x.dtype)
    model = helper.make_model(graph, opset_imports=imports(opset, nodes), ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": x})


def imports(opset, nodes):
    return [helper.make_opsetid("", opset)] + [helper.make_opsetid(d, 1) for d in {n.domain for n in nodes} if d]


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    for name, opset, nodes, tensors, constants, outputs in cases(np.random.default_rng(7)):
        dtype = helper.np_dtype_to_tensor_dtype(tensors[0].dtype)
        take = [node("SequenceConstruct", ["first", "second"], ["both"]), node("SequenceAt", ["both", "index"], ["x"])]
        infos = [helper.make_tensor_value_info(n, dtype, t.shape) for n, t in zip(("first", "second"), tensors)]
        infos.append(helper.make_tensor_value_info("index", TensorProto.INT64, []))
        results = [expected(name, opset, nodes, t, constants, outputs) for t in (tensors[:1] if name in FIRST_ALONE else tensors)]
        info = [helper.make_tensor_value_info(o, helper.np_dtype_to_tensor_dtype(np.asarray(r).dtype), None) for o, r in zip(outputs, results[0])]
        own = max(opset, 11)  # sequences came with 11; what is older is a function of its own opset
        if own != opset:
            function = helper.make_function("old", "Old", ["x"] + sorted(constants), outputs, nodes, imports(opset, nodes))
            nodes = [helper.make_node("Old", ["x"] + sorted(constants), outputs, domain="old")]
        graph = helper.make_graph(take + nodes, name, infos, info)
        graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in constants.items())
        model = helper.make_model(graph, opset_imports=imports(own, nodes), ir_version=8, functions=[function] if own != opset else [])
        folder = out / name
        for i, result in enumerate(results):
            data = folder / f"test_data_set_{i}"
            data.mkdir(parents=True, exist_ok=True)
            for j, value in enumerate([*tensors, np.array(i, np.int64)]):
                (data / f"input_{j}.pb").write_bytes(numpy_helper.from_array(value, infos[j].name).SerializeToString())
            for j, value in enumerate(result):
                (data / f"output_{j}.pb").write_bytes(numpy_helper.from_array(np.asarray(value), outputs[j]).SerializeToString())
        (folder / "model.onnx").write_bytes(model.SerializeToString())


if __name__ == "__main__":
    main()
