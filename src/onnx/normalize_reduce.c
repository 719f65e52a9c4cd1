/* Softmax and its kin, global pooling, Hardmax. */
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
    pln_emit_bind(emit, 0, pln_emit_reshape(emit, y, pln_emit_shape(emit, x)));
}

/* One where the first of the largest elements along the axis is, else zero. */
static uint32_t hardmax(struct pln_emit *emit, uint32_t x, int64_t axis)
{
    int rank = pln_emit_need_rank(emit, x), at = pln_emit_axis(emit, axis, rank);
    int64_t shape[PLN_MAX_RANK];
    uint32_t arg = pln_emit_begin(emit, PLN_OP_ARG_REDUCE, PLN_ARG_REDUCE_MAX, &x, 1, 1);
    pln_emit_set_int(emit, arg, "axis", at);
    pln_emit_set_int(emit, arg, "keepdims", 1);
    uint32_t best = pln_emit_end(emit, arg);
    uint32_t n = pln_emit_squeeze(emit, pln_emit_dim(emit, x, at), pln_emit_const_int(emit, 0));
    for (int d = at; d < rank; d++) shape[d - at] = d == at ? -1 : 1;
    uint32_t numbers = pln_emit_reshape_to(emit, pln_emit_range(emit, n), shape, (uint32_t)(rank - at));
    return pln_emit_cast(emit, pln_emit_ew2(emit, PLN_EW_EQUAL, numbers, best), pln_emit_dtype(emit, x));
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
    pln_emit_bind(emit, 0, pln_emit_reshape(emit, y, pln_emit_shape(emit, x)));
}

/* ---- global pooling: a reduction of all axes but the first two, which stay as 1 ---- */

static uint32_t spatial_axes(struct pln_emit *emit, uint32_t x)
{
    int64_t axes[PLN_MAX_RANK];
    int rank = pln_emit_need_rank(emit, x);
    for (int d = 2; d < rank; d++) axes[d - 2] = d;
    return pln_emit_const_ints(emit, axes, rank > 2 ? (uint32_t)rank - 2 : 0);
}

static uint32_t global_reduce(struct pln_emit *emit, enum pln_reduce kind, uint32_t x)
{
    if (pln_emit_need_rank(emit, x) == 2) return x; /* no axes would mean all of them */
    return pln_emit_reduce(emit, kind, x, spatial_axes(emit, x), true);
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
        y = global_reduce(emit, p == 1 ? PLN_REDUCE_L1 : PLN_REDUCE_L2, x);
        if (y == x) y = pln_emit_ew1(emit, PLN_EW_ABS, x);
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
    if (p != (float)(int)p) pln_emit_fail(emit, PLN_UNSUPPORTED, "LpPool with p = %g; whole numbers are supported", (double)p);
    uint32_t x = pln_emit_need(emit, 0);
    uint32_t node = pln_emit_begin(emit, PLN_OP_POOL, PLN_POOL_LP, &x, 1, 1);
    for (size_t i = 0; i < PLN_COUNT_OF(names); i++) pln_emit_copy_attr(emit, node, names[i], names[i]);
    pln_emit_set_int(emit, node, "p", (int64_t)p);
    pln_emit_bind(emit, 0, pln_emit_end(emit, node));
}
