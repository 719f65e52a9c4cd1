/* com.microsoft: operators on quantized numbers. Each is dequantized, computed in f32, quantized; passes may do better. */
#include <string.h>

#include "onnx/ms.h"

/* Inputs i, i + 1, i + 2 are a tensor, its scale and its zero point. */
static uint32_t operand(struct pln_emit *emit, uint32_t i)
{
    return pln_ms_dequantize(emit, pln_emit_need(emit, i), pln_emit_need(emit, i + 1), pln_emit_in(emit, i + 2));
}

/* Output 0 of the type of input 0, its scale at input i and its zero point behind that. */
static void bind_quantized(struct pln_emit *emit, uint32_t y, uint32_t i)
{
    enum pln_dtype dtype = pln_emit_dtype(emit, pln_emit_need(emit, 0));
    pln_emit_bind(emit, 0, pln_ms_quantize(emit, y, pln_emit_need(emit, i), pln_emit_in(emit, i + 1), dtype));
}

void pln_onnx_ms_qlinear_binary(struct pln_emit *emit)
{
    bool add = strcmp(emit->node->op_type, "QLinearAdd") == 0;
    uint32_t a = operand(emit, 0), b = operand(emit, 3);
    bind_quantized(emit, pln_emit_ew2(emit, add ? PLN_EW_ADD : PLN_EW_MUL, a, b), 6);
}

void pln_onnx_ms_qlinear_sigmoid(struct pln_emit *emit)
{
    bind_quantized(emit, pln_emit_ew1(emit, PLN_EW_SIGMOID, operand(emit, 0)), 3);
}

void pln_onnx_ms_qlinear_leaky_relu(struct pln_emit *emit)
{
    float alpha = pln_emit_float(emit, "alpha", 0.01f);
    bind_quantized(emit, pln_ms_activation(emit, "LeakyRelu", &alpha, NULL, operand(emit, 0)), 3);
}

void pln_onnx_ms_qlinear_where(struct pln_emit *emit)
{
    uint32_t condition = pln_emit_need(emit, 0), x = operand(emit, 1), y = operand(emit, 4);
    enum pln_dtype dtype = pln_emit_dtype(emit, pln_emit_need(emit, 1));
    pln_emit_bind(emit, 0, pln_ms_quantize(emit, pln_emit_ew3(emit, PLN_EW_WHERE, condition, x, y), pln_emit_need(emit, 7), pln_emit_in(emit, 8), dtype));
}

/* Axes are an attribute; without it, all. */
void pln_onnx_ms_qlinear_reduce_mean(struct pln_emit *emit)
{
    const int64_t *axes;
    uint32_t n = pln_emit_int_list(emit, "axes", &axes);
    bind_quantized(emit, pln_emit_reduce(emit, PLN_REDUCE_MEAN, operand(emit, 0), n ? pln_emit_const_ints(emit, axes, n) : PLN_NONE, pln_emit_int(emit, "keepdims", 1) != 0), 3);
}

/* Softmax along an axis, or over all from `axis` on in models of an opset before 13. */
void pln_onnx_ms_qlinear_softmax(struct pln_emit *emit)
{
    uint32_t x = operand(emit, 0);
    const int rank = pln_emit_rank(emit, x);
    int64_t axis = pln_emit_int(emit, "axis", -1);
    if (rank >= 0) axis = pln_emit_axis(emit, axis, rank);
    if (pln_emit_int(emit, "opset", 13) >= 13 || axis == -1 || axis == rank - 1) {
        bind_quantized(emit, pln_emit_softmax(emit, false, x, axis), 3);
        return;
    }
    uint32_t ones = pln_emit_const_int(emit, 1), shape = pln_emit_shape(emit, x);
    uint32_t rows = axis ? pln_emit_reduce(emit, PLN_REDUCE_PROD, pln_emit_shape_part(emit, x, 0, axis), pln_emit_const_int(emit, 0), true) : ones;
    uint32_t columns = pln_emit_reduce(emit, PLN_REDUCE_PROD, pln_emit_shape_part(emit, x, axis, INT64_MAX), pln_emit_const_int(emit, 0), true);
    uint32_t flat = pln_emit_reshape_as(emit, x, pln_emit_concat(emit, (uint32_t[]){ rows, columns }, 2, 0));
    bind_quantized(emit, pln_emit_reshape_as(emit, pln_emit_softmax(emit, false, flat, -1), shape), 3);
}

/* Behind the scale and zero point of the output: a tensor, its scale and its zero point, again and again. */
void pln_onnx_ms_qlinear_concat(struct pln_emit *emit)
{
    uint32_t n = emit->n_inputs, zero = pln_emit_need(emit, 1);
    while (n > 2 && emit->inputs[n - 1] == PLN_NONE) n--;
    if (n < 5 || (n - 2) % 3 != 0) pln_emit_fail(emit, PLN_BAD_MODEL, "%u inputs are not two and three for each tensor", n);
    enum pln_dtype dtype = pln_emit_dtype(emit, zero);
    uint32_t count = n < 2 ? 0 : (n - 2) / 3, *parts = pln_arena_array(emit->arena, count + 1u, sizeof *parts);
    if (!parts && emit->status == PLN_OK) emit->status = pln_fail_memory(emit->diag, "importing a node", 0);
    if (emit->status != PLN_OK) return;
    for (uint32_t i = 0; i < count; i++) {
        if (pln_emit_dtype(emit, pln_emit_need(emit, 2 + 3 * i)) != dtype) pln_emit_fail(emit, PLN_BAD_MODEL, "input %u is not of the type of y_zero_point", 2 + 3 * i);
        parts[i] = pln_ms_quantize(emit, operand(emit, 2 + 3 * i), pln_emit_need(emit, 0), zero, dtype);
    }
    pln_emit_bind(emit, 0, pln_emit_concat(emit, parts, count, pln_emit_int(emit, "axis", 0)));
}

/* ---- pools ---- */

/* [n,spatial,c] to [n,c,spatial], or back. */
static uint32_t move_channels(struct pln_emit *emit, uint32_t x, bool first)
{
    int64_t perm[PLN_MAX_RANK];
    int rank = pln_emit_rank(emit, x);
    if (rank < 0) return pln_emit_swap_parts(emit, x, 1, first ? -1 : 2, INT64_MAX);
    if (rank < 3) pln_emit_fail(emit, PLN_BAD_MODEL, "input 0 is of rank %d, not 3 or more", rank);
    if (emit->status != PLN_OK) return PLN_NONE;
    perm[0] = 0;
    for (int d = 1; d < rank; d++) perm[d] = first ? (d == 1 ? rank - 1 : d - 1) : d == rank - 1 ? 1 : d + 1;
    return pln_emit_transpose(emit, x, perm, (uint32_t)rank);
}

static uint32_t pool(struct pln_emit *emit, enum pln_pool_kind kind, uint32_t x)
{
    static const char *const names[] = { "auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape", "pads", "strides" };
    uint32_t node = pln_emit_begin(emit, PLN_OP_POOL, kind, &x, 1, 1);
    for (size_t i = 0; i < PLN_COUNT_OF(names); i++) pln_emit_copy_attr(emit, node, names[i], names[i]);
    return pln_emit_end(emit, node);
}

void pln_onnx_ms_qlinear_average_pool(struct pln_emit *emit)
{
    bool last = pln_emit_int(emit, "channels_last", 0) != 0;
    uint32_t x = operand(emit, 0);
    uint32_t y = pool(emit, PLN_POOL_AVERAGE, last ? move_channels(emit, x, true) : x);
    bind_quantized(emit, last ? move_channels(emit, y, false) : y, 3);
}

void pln_onnx_ms_qlinear_global_average_pool(struct pln_emit *emit)
{
    bool last = pln_emit_int(emit, "channels_last", 0) != 0;
    int64_t list[PLN_MAX_RANK];
    uint32_t x = operand(emit, 0), n = 0, axes;
    int rank = pln_emit_rank(emit, x);
    if (rank >= 0 && rank < 3) pln_emit_fail(emit, PLN_BAD_MODEL, "input 0 is of rank %d, not 3 or more", rank);
    for (int d = last ? 1 : 2; d < (last ? rank - 1 : rank); d++) list[n++] = d;
    axes = rank < 0 ? pln_emit_axes_from(emit, x, 2) : pln_emit_const_ints(emit, list, n);
    if (rank < 0 && last) axes = pln_emit_ew2(emit, PLN_EW_SUB, axes, pln_emit_const_index(emit, 1)); /* each one in front of that */
    bind_quantized(emit, pln_emit_reduce(emit, PLN_REDUCE_MEAN, x, axes, true), 3);
}

void pln_onnx_ms_nhwc_max_pool(struct pln_emit *emit)
{
    pln_emit_bind(emit, 0, move_channels(emit, pool(emit, PLN_POOL_MAX, move_channels(emit, pln_emit_need(emit, 0), true)), false));
}
