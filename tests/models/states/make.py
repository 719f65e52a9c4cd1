#!/usr/bin/env python3
"""Writes the small models of this folder: states whose values other segments, branches and loop bodies read. make.py [FOLDER]

Each has past_key_values.0.key [1,2,past,4] and x [1,2,seq,4], joined to present.0.key, and gives y, which depends on all positions. `layers` has three of
them, with a mask made of ranges and of an input as exporters of language models make it; `views` shows its state in other shapes, one seen through another;
`moving` has a branch between two users of what lies in an arena.
"""
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto as T, helper as h, numpy_helper

FOLDER = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
info = h.make_tensor_value_info
past, x, present = info("past_key_values.0.key", T.FLOAT, [1, 2, "past", 4]), info("x", T.FLOAT, [1, 2, "seq", 4]), info("present.0.key", T.FLOAT, [1, 2, "total", 4])
flag, cond = info("flag", T.BOOL, [6]), info("cond", T.BOOL, [])
W = numpy_helper.from_array(np.random.RandomState(1).rand(4, 4).astype(np.float32), "W")
AXIS = numpy_helper.from_array(np.array([2], np.int64), "axis")
LAST = numpy_helper.from_array(np.array(-1, np.int64), "last")
ZERO = numpy_helper.from_array(np.zeros((1, 2, 4), np.float32), "zero")
join = [h.make_node("Concat", ["past_key_values.0.key", "x"], ["present.0.key"], axis=2)]
join_made = [h.make_node("MatMul", ["x", "W"], ["xw"]), h.make_node("Concat", ["past_key_values.0.key", "xw"], ["present.0.key"], axis=2)]
product = [h.make_node("MatMul", ["present.0.key", "W"], ["t"])]
# Only the run tells how many there are: a new segment begins.
count = [h.make_node("NonZero", ["flag"], ["nz"]), h.make_node("Cast", ["nz"], ["nzf"], to=T.FLOAT), h.make_node("ReduceSum", ["nzf"], ["q"], keepdims=0)]


def save(name, nodes, inputs, outputs, weights):
    graph = h.make_graph(nodes, name, inputs, [info(o, T.FLOAT, None) if isinstance(o, str) else o for o in outputs], weights)
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8), FOLDER / f"{name}.onnx")


def branch(name, node):
    return h.make_graph([node], name, [], [info(node.output[0], T.FLOAT, [1, 2, 4])])


def highest(name, output):
    return h.make_node("ReduceMax", [name], [output], axes=[2], keepdims=0)


def body(name):
    nodes = [highest(name, "most"), h.make_node("Add", ["sum", "most"], ["sum_out"]), h.make_node("Identity", ["go"], ["go_out"])]
    return h.make_graph(nodes, "body", [info("i", T.INT64, []), info("go", T.BOOL, []), info("sum", T.FLOAT, [1, 2, 4])], [info("go_out", T.BOOL, []), info("sum_out", T.FLOAT, [1, 2, 4])])


def loop(name):
    trips = [h.make_node("NonZero", ["flag"], ["nz"]), h.make_node("Shape", ["nz"], ["n"], start=1, end=2), h.make_node("Squeeze", ["n"], ["trips"])]
    return trips + [h.make_node("Loop", ["trips", "", "zero"], ["y"], body=body(name))]


attention = [h.make_node("Transpose", ["present.0.key"], ["kt"], perm=[0, 1, 3, 2]), h.make_node("MatMul", ["xw", "kt"], ["s"]), h.make_node("Softmax", ["s"], ["p"], axis=-1),
             h.make_node("MatMul", ["p", "present.0.key"], ["o"]), h.make_node("Gather", ["o", "last"], ["y"], axis=2)]
save("later_product", join + product + count + [h.make_node("ReduceSum", ["t", "axis"], ["r"], keepdims=0), h.make_node("MatMul", ["r", "W"], ["y"])], [past, x, flag], [present, "y", "q"], [W, AXIS])
save("later_state", join_made + count + [highest("present.0.key", "y")], [past, x, flag], [present, "y", "q"], [W])
save("later_attention", join_made + count + attention, [past, x, flag], [present, "y", "q"], [W, LAST])
save("branch_product", join + product + [h.make_node("If", ["cond"], ["y"], then_branch=branch("then", h.make_node("ReduceSum", ["t", "axis"], ["b1"], keepdims=0)), else_branch=branch("else", highest("t", "b2")))],
     [past, x, cond], [present, "y"], [W, AXIS])
save("branch_state", join_made + [h.make_node("If", ["cond"], ["y"], then_branch=branch("then", h.make_node("Identity", ["zero"], ["b1"])), else_branch=branch("else", highest("present.0.key", "b2")))],
     [past, x, cond], [present, "y"], [W, ZERO])
save("loop_product", join + product + loop("t"), [past, x, flag], [present, "y"], [W, ZERO])
save("loop_state", join_made + loop("present.0.key"), [past, x, flag], [present, "y"], [W, ZERO])
double = [h.make_node("Concat", ["x", "x"], ["xx"], axis=2), h.make_node("Concat", ["past_key_values.0.value", "xx"], ["present.0.value"], axis=2)]
save("unequal", join + double + [highest("present.0.value", "y")], [past, info("past_key_values.0.value", T.FLOAT, [1, 2, "past2", 4]), x],
     [present, info("present.0.value", T.FLOAT, [1, 2, "total2", 4]), "y"], [])


def layer(i, h_in, h_out):
    return [h.make_node("MatMul", [h_in, "W"], [f"w{i}"]), h.make_node("Concat", [f"past_key_values.{i}.key", f"w{i}"], [f"present.{i}.key"], axis=2),
            h.make_node("Transpose", [f"present.{i}.key"], [f"kt{i}"], perm=[0, 1, 3, 2]), h.make_node("MatMul", [f"w{i}", f"kt{i}"], [f"s{i}"]),
            h.make_node("Add", [f"s{i}", "bias"], [f"b{i}"]), h.make_node("Softmax", [f"b{i}"], [f"p{i}"], axis=-1),
            h.make_node("MatMul", [f"p{i}", f"present.{i}.key"], [f"o{i}"]), h.make_node("Add", [h_in, f"o{i}"], [h_out])]


# Positions at which the mask is 0 are not seen; rows of the flat mask are found by their number, as a batch may have many.
positions = [h.make_node("Shape", ["past_key_values.0.key"], ["past_n"], start=2, end=3), h.make_node("Shape", ["x"], ["seq_n"], start=2, end=3), h.make_node("Shape", ["x"], ["batch_n"], start=0, end=1),
             h.make_node("Squeeze", ["past_n"], ["first"]), h.make_node("Squeeze", ["seq_n"], ["n"]), h.make_node("Squeeze", ["batch_n"], ["rows"]), h.make_node("Add", ["first", "n"], ["end"]),
             h.make_node("Range", ["nought", "end", "one"], ["columns"]), h.make_node("Range", ["first", "end", "one"], ["queries"]), h.make_node("Unsqueeze", ["queries", "last_axis"], ["column"]),
             h.make_node("LessOrEqual", ["columns", "column"], ["causal"])]
padding = [h.make_node("Cast", ["mask"], ["kept"], to=T.BOOL), h.make_node("Reshape", ["kept", "all"], ["flat"]), h.make_node("Range", ["nought", "rows", "one"], ["row"]),
           h.make_node("Mul", ["row", "end"], ["begin"]), h.make_node("Unsqueeze", ["begin", "outer_axes"], ["begins"]), h.make_node("Add", ["begins", "columns"], ["index"]),
           h.make_node("Gather", ["flat", "index"], ["seen"], axis=0), h.make_node("And", ["seen", "causal"], ["visible"]), h.make_node("Where", ["visible", "free", "never"], ["bias"])]
ending = [h.make_node("Gather", ["h3", "last"], ["final"], axis=2), h.make_node("Cast", ["end"], ["length"], to=T.FLOAT), h.make_node("Add", ["final", "length"], ["y"])]
numbers = [numpy_helper.from_array(np.array(v, t), n) for n, v, t in
           [("nought", 0, np.int64), ("one", 1, np.int64), ("all", [-1], np.int64), ("last_axis", [1], np.int64), ("outer_axes", [1, 2, 3], np.int64), ("free", 0, np.float32), ("never", -1e4, np.float32)]]
save("layers", positions + padding + layer(0, "x", "h1") + layer(1, "h1", "h2") + layer(2, "h2", "h3") + ending,
     [info(f"past_key_values.{i}.key", T.FLOAT, ["batch", 2, "past", 4]) for i in range(3)] + [info("x", T.FLOAT, ["batch", 2, "seq", 4]), info("mask", T.INT64, ["batch", "total"])],
     [info(f"present.{i}.key", T.FLOAT, ["batch", 2, "present", 4]) for i in range(3)] + ["y"], [W, LAST] + numbers)

# The same elements in a row, and, seen through this, with one more dim, which a batch of any size keeps two views apart.
batches = [info(v.name, T.FLOAT, ["batch"] + [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim][1:]) for v in (past, x, present)]
shown = [h.make_node("Softmax", ["present.0.key"], ["dense"], axis=-1), h.make_node("Reshape", ["dense", "in_a_row"], ["by_rows"]), h.make_node("Unsqueeze", ["by_rows", "outer_axis"], ["deeper"]),
         h.make_node("Sigmoid", ["deeper"], ["open"]), h.make_node("Mul", ["deeper", "open"], ["gated"]), h.make_node("Sub", ["gated", "open"], ["bent"]), h.make_node("ReduceMax", ["bent"], ["y"], axes=[2], keepdims=0)]
save("views", join_made + shown, batches[:2], [batches[2], "y"], [W] + [numpy_helper.from_array(np.array(v, np.int64), n) for n, v in [("in_a_row", [0, -1]), ("outer_axis", [0])]])


def weights(name, *shape):
    return numpy_helper.from_array(np.random.RandomState(len(name)).rand(*shape).astype(np.float32), name)


# a grows from less than b to more than it, while the arena has room enough for the product before them: b and a change places.
before = [h.make_node("ReduceMax", ["x"], ["row"], axes=[1, 2], keepdims=0), h.make_node("MatMul", ["row", "W_wide"], ["wide"]), h.make_node("MatMul", ["W_tall", "wide"], ["large"]),
          h.make_node("ReduceMax", ["large"], ["flat_b"], axes=[1], keepdims=0), h.make_node("Reshape", ["flat_b", "b_shape"], ["raw_b"]), h.make_node("MatMul", ["raw_b", "W_b"], ["b"]), h.make_node("MatMul", ["present.0.key", "W_a"], ["a"]),
          h.make_node("MatMul", ["a", "b"], ["early"])]
counted = [h.make_node("If", ["cond"], ["q"], then_branch=h.make_graph([h.make_node("NonZero", ["x"], ["nz1"])], "then", [], [info("nz1", T.INT64, None)]),
                       else_branch=h.make_graph([h.make_node("NonZero", ["cond"], ["nz2"])], "else", [], [info("nz2", T.INT64, None)])), h.make_node("MatMul", ["a", "W_y"], ["y"])]
save("moving", join + before + counted, [past, x, cond], [present, "early", info("q", T.INT64, None), "y"],
     [weights("W_wide", 4, 64), weights("W_tall", 512, 1), weights("W_b", 8, 8), weights("W_a", 4, 64), weights("W_y", 64, 4), numpy_helper.from_array(np.array([64, 8], np.int64), "b_shape")])
