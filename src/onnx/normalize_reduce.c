/* Softmax and its kin, global pooling, Hardmax. */
#include <math.h>
#include <string.h>

#include "onnx/opset.h"

/* ---- softmax before opset 13: the tensor counts as a matrix, rows are the dims before `axis` ---- */

static uint32_t as_matrix(struct pln_emit *emit, uint32_t x, int64_t axis)
{
    uint32_t node = pln_emit_begin(emit, PLN_OP_FLATTEN, 0, &x, 1, 1);
    pln_emit_set_int(emit, node, "axis", axis);
    return pln_emit_end(emit, node);
}

static bool is_log(const struct pln_emit *emit)
{
    return strcmp(emit->node->op_type, "LogSoftmax") == 0;
}

void pln_onnx_softmax(struct pln_emit *emit)
{
    pln_emit_bind(emit, 0, pln_emit_softmax(emit, is_log(emit), pln_emit_need(emit, 0), pln_emit_int(emit, "axis", -1)));
}

void pln_onnx_softmax_1(struct pln_emit *emit)
{
    uint32_t x = pln_emit_need(emit, 0);
    int64_t axis = pln_emit_int(emit, "axis", 1);
    int rank = pln_emit_rank(emit, x);
    if (axis == -1 || (rank >= 0 && axis == rank - 1)) {
        pln_emit_bind(emit, 0, pln_emit_softmax(emit, is_log(emit), x, -1));
        return;
    }
    uint32_t y = pln_emit_softmax(emit, is_log(emit), as_matrix(emit, x, axis), -1);
    pln_emit_bind(emit, 0, pln_emit_reshape_as(emit, y, pln_emit_shape(emit, x)));
}

/* [-1, 1, 1, …]: as a shape, it lays numbers along an axis and broadcasts them over those behind it. */
static uint32_t along_axis(struct pln_emit *emit, uint32_t x, int64_t axis)
{
    int64_t shape[PLN_MAX_RANK];
    int rank = pln_emit_rank(emit, x);
    int64_t behind = axis < 0 ? -(axis + 1) : rank - 1 - axis;
    if (rank >= 0 || axis < 0) {
        if (behind < 0 || behind >= PLN_MAX_RANK) return PLN_NONE;
        for (int64_t d = 0; d <= behind; d++) shape[d] = d ? 1 : -1;
        return pln_emit_const_ints(emit, shape, (uint32_t)behind + 1);
    }
    uint32_t extents = pln_emit_shape_part(emit, x, axis + 1, INT64_MAX);
    uint32_t ones = pln_emit_ew2(emit, PLN_EW_ADD, pln_emit_ew2(emit, PLN_EW_MUL, extents, pln_emit_const_int(emit, 0)), pln_emit_const_int(emit, 1));
    return pln_emit_concat(emit, (uint32_t[]){ pln_emit_const_int(emit, -1), ones }, 2, 0);
}

/* The first of the largest elements along the axis. An axis that may be empty gets one more element that never wins, so that there is an answer. */
static uint32_t largest(struct pln_emit *emit, uint32_t x, int64_t axis)
{
    int64_t extent;
    if (axis < INT32_MIN || axis > INT32_MAX || !pln_emit_extent(emit, x, (int)axis, &extent) || extent == 0) {
        uint32_t inputs[] = { x, pln_emit_const_ints(emit, (int64_t[]){ 0, 1 }, 2), pln_emit_const_like(emit, x, -(double)INFINITY), pln_emit_const_int(emit, axis) };
        x = pln_emit_op(emit, PLN_OP_PAD, 0, inputs, 4);
    }
    uint32_t arg = pln_emit_begin(emit, PLN_OP_ARG_REDUCE, PLN_ARG_REDUCE_MAX, &x, 1, 1);
    pln_emit_set_int(emit, arg, "axis", axis);
    pln_emit_set_int(emit, arg, "keepdims", 1);
    return pln_emit_end(emit, arg);
}

/* One where the first of the largest elements along the axis is, else zero. */
static uint32_t hardmax(struct pln_emit *emit, uint32_t x, int64_t axis)
{
    int rank = pln_emit_rank(emit, x);
    axis = rank >= 0 ? pln_emit_axis(emit, axis, rank) : pln_emit_any_axis(emit, axis);
    uint32_t n = pln_emit_squeeze(emit, pln_emit_dim(emit, x, axis), pln_emit_const_int(emit, 0));
    uint32_t numbers = pln_emit_reshape(emit, pln_emit_range(emit, n), along_axis(emit, x, axis));
    return pln_emit_cast(emit, pln_emit_ew2(emit, PLN_EW_EQUAL, numbers, largest(emit, x, axis)), pln_emit_dtype(emit, x));
}

void pln_onnx_hardmax(struct pln_emit *emit)
{
    if (pln_emit_knows("Hardmax")) pln_onnx_direct(emit);
    else pln_emit_bind(emit, 0, hardmax(emit, pln_emit_need(emit, 0), pln_emit_int(emit, "axis", -1)));
}

void pln_onnx_hardmax_1(struct pln_emit *emit)
{
    uint32_t x = pln_emit_need(emit, 0);
    uint32_t y = hardmax(emit, as_matrix(emit, x, pln_emit_int(emit, "axis", 1)), 1);
    pln_emit_bind(emit, 0, pln_emit_reshape_as(emit, y, pln_emit_shape(emit, x)));
}

/* ---- global pooling: a reduction of all axes but the first two, which stay as 1 ---- */

static uint32_t spatial_axes(struct pln_emit *emit, uint32_t x)
{
    int64_t axes[PLN_MAX_RANK];
    int rank = pln_emit_rank(emit, x);
    if (rank < 0) {
        uint32_t dims = pln_emit_squeeze(emit, pln_emit_shape(emit, pln_emit_shape(emit, x)), pln_emit_const_int(emit, 0));
        return pln_emit_op(emit, PLN_OP_RANGE, 0, (uint32_t[]){ pln_emit_const_index(emit, 2), dims, pln_emit_const_index(emit, 1) }, 3);
    }
    for (int d = 2; d < rank; d++) axes[d - 2] = d;
    return pln_emit_const_ints(emit, axes, rank > 2 ? (uint32_t)rank - 2 : 0);
}

/* No axes, those of a matrix, leave x as it is. */
static uint32_t global_reduce(struct pln_emit *emit, enum pln_reduce kind, uint32_t x)
{
    if (pln_emit_rank(emit, x) == 2) return x;
    uint32_t node = pln_emit_begin(emit, PLN_OP_REDUCE, kind, (uint32_t[]){ x, spatial_axes(emit, x) }, 2, 1);
    pln_emit_set_int(emit, node, "keepdims", 1);
    pln_emit_set_int(emit, node, "noop_with_empty_axes", 1);
    return pln_emit_end(emit, node);
}

void pln_onnx_global_pool(struct pln_emit *emit)
{
    bool max = strcmp(emit->node->op_type, "GlobalMaxPool") == 0;
    pln_emit_bind(emit, 0, global_reduce(emit, max ? PLN_REDUCE_MAX : PLN_REDUCE_MEAN, pln_emit_need(emit, 0)));
}

/* (sum |x|^p)^(1/p). */
static void global_lp(struct pln_emit *emit, double p)
{
    uint32_t x = pln_emit_need(emit, 0), y;
    if (p == 1 || p == 2) {
        if (pln_emit_rank(emit, x) <= 2) x = pln_emit_ew1(emit, PLN_EW_ABS, x); /* it may be all that there is to do */
        y = global_reduce(emit, p == 1 ? PLN_REDUCE_L1 : PLN_REDUCE_L2, x);
    } else {
        uint32_t powers = pln_emit_ew2(emit, PLN_EW_POW, pln_emit_ew1(emit, PLN_EW_ABS, x), pln_emit_const_like(emit, x, p));
        y = pln_emit_ew2(emit, PLN_EW_POW, global_reduce(emit, PLN_REDUCE_SUM, powers), pln_emit_const_like(emit, x, 1 / p));
    }
    pln_emit_bind(emit, 0, y);
}

void pln_onnx_global_lp_pool_1(struct pln_emit *emit)
{
    global_lp(emit, pln_emit_float(emit, "p", 2));
}

void pln_onnx_global_lp_pool(struct pln_emit *emit)
{
    global_lp(emit, (double)pln_emit_int(emit, "p", 2));
}

/* LpPool-1 had a float p. */
void pln_onnx_lp_pool_1(struct pln_emit *emit)
{
    static const char *const names[] = { "auto_pad", "kernel_shape", "pads", "strides" };
    float p = pln_emit_float(emit, "p", 2);
    if (!(p > -0x1p31f && p < 0x1p31f && p == (float)(int)p)) {
        pln_emit_fail(emit, PLN_UNSUPPORTED, "LpPool with p = %g; whole numbers are supported", (double)p);
        return;
    }
    uint32_t x = pln_emit_need(emit, 0);
    uint32_t node = pln_emit_begin(emit, PLN_OP_POOL, PLN_POOL_LP, &x, 1, 1);
    for (size_t i = 0; i < PLN_COUNT_OF(names); i++) pln_emit_copy_attr(emit, node, names[i], names[i]);
    pln_emit_set_int(emit, node, "p", (int64_t)p);
    pln_emit_bind(emit, 0, pln_emit_end(emit, node));
}
