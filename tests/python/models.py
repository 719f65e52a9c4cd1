"""Small models for the tests, made with the package onnx."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper


def model(nodes, inputs, outputs, constants=(), opset=17, domains=(), name="graph"):
    """inputs, outputs: (name, type, shape) or onnx.ValueInfoProto; constants: (name, array)."""

    def infos(told):
        return [helper.make_tensor_value_info(*one) if isinstance(one, tuple) else one for one in told]

    graph = helper.make_graph(list(nodes), name, infos(inputs), infos(outputs), [numpy_helper.from_array(a, n) for n, a in constants])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid(d, v) for d, v in (("", opset), *domains)], ir_version=13)


def linear():
    """y[batch,3] = relu(x[batch,4] w + b)."""
    rng = np.random.default_rng(0)
    w, b = rng.standard_normal((4, 3)).astype(np.float32), rng.standard_normal(3).astype(np.float32)
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["h"], name="product"), helper.make_node("Relu", ["h"], ["y"], name="bend")]
    made = model(nodes, [("x", TensorProto.FLOAT, ["batch", 4])], [("y", TensorProto.FLOAT, ["batch", 3])], [("w", w), ("b", b)])
    return made, lambda x: np.maximum(x @ w + b, 0)


def add():
    return model([helper.make_node("Add", ["a", "b"], ["y"])], [("a", TensorProto.FLOAT, [4]), ("b", TensorProto.FLOAT, [4])], [("y", TensorProto.FLOAT, [4])])


def identity(dtype, opset=17):
    return model([helper.make_node("Identity", ["x"], ["y"])], [("x", dtype, ["n"])], [("y", dtype, ["n"])], opset=opset)


def conv(weights):
    """y = the convolution of x with these weights, without padding."""
    made = model([helper.make_node("Conv", ["x", "w"], ["y"])], [("x", TensorProto.FLOAT, [1, weights.shape[1], "h", "w_"])], [("y", TensorProto.FLOAT, None)])
    made.graph.initializer.append(numpy_helper.from_array(weights, "w"))
    return made


def endless():
    """y = x doubled n times, one after another."""
    body = helper.make_graph([helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Add", ["v", "v"], ["w"])], "body",
                             [helper.make_tensor_value_info(n, t, []) for n, t in (("i", TensorProto.INT64), ("c", TensorProto.BOOL), ("v", TensorProto.FLOAT))],
                             [helper.make_tensor_value_info(n, t, []) for n, t in (("d", TensorProto.BOOL), ("w", TensorProto.FLOAT))])  # fmt: skip
    loop = helper.make_node("Loop", ["n", "yes", "x"], ["y"], body=body)
    return model([loop], [("n", TensorProto.INT64, []), ("x", TensorProto.FLOAT, [])], [("y", TensorProto.FLOAT, [])], [("yes", np.array(True))])
