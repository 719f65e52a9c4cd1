#include "onnx/ms.h"

#include <string.h>

void pln_ms_check_rank(struct pln_emit *emit, uint32_t i, int least, int most)
{
    int rank = pln_emit_rank(emit, pln_emit_in(emit, i));
    if (rank < 0 || (rank >= least && rank <= most)) return;
    if (least == most) pln_emit_fail(emit, PLN_BAD_MODEL, "input %u is of rank %d, not %d", i, rank, least);
    else pln_emit_fail(emit, PLN_BAD_MODEL, "input %u is of rank %d, not %d to %d", i, rank, least, most);
}

void pln_ms_refuse(struct pln_emit *emit, const char *attribute)
{
    int64_t value = pln_emit_int(emit, attribute, 0);
    if (value) pln_emit_fail(emit, PLN_UNSUPPORTED, "attribute '%s' = %lld of operator %s is not built yet", attribute, (long long)value, emit->node->op_type);
}

uint32_t pln_ms_wide(struct pln_emit *emit, uint32_t x)
{
    if (x == PLN_NONE) return PLN_NONE;
    enum pln_dtype dtype = pln_emit_dtype(emit, x);
    return dtype == PLN_F16 || dtype == PLN_BF16 ? pln_emit_cast(emit, x, PLN_F32) : x;
}

uint32_t pln_ms_add(struct pln_emit *emit, uint32_t x, uint32_t y)
{
    return y == PLN_NONE ? x : pln_emit_ew2(emit, PLN_EW_ADD, x, y);
}

uint32_t pln_ms_mul(struct pln_emit *emit, uint32_t x, uint32_t y)
{
    return pln_emit_ew2(emit, PLN_EW_MUL, x, y);
}

uint32_t pln_ms_scalar(struct pln_emit *emit, uint32_t x)
{
    return x == PLN_NONE || pln_emit_rank(emit, x) == 0 ? x : pln_emit_reshape_to(emit, x, NULL, 0);
}

uint32_t pln_ms_flip(struct pln_emit *emit, uint32_t x)
{
    int64_t perm[PLN_MAX_RANK];
    int rank = pln_emit_rank(emit, x);
    if (rank < 0) return pln_emit_swap_parts(emit, x, -2, -1, INT64_MAX);
    if (rank < 2) pln_emit_fail(emit, PLN_BAD_MODEL, "a tensor of rank %d cannot be transposed", rank);
    if (emit->status != PLN_OK) return PLN_NONE;
    for (int d = 0; d < rank; d++) perm[d] = d;
    perm[rank - 2] = rank - 1;
    perm[rank - 1] = rank - 2;
    return pln_emit_transpose(emit, x, perm, (uint32_t)rank);
}

static const int64_t middle_exchanged[] = { 0, 2, 1, 3 };

uint32_t pln_ms_by_head(struct pln_emit *emit, uint32_t x, uint32_t heads, struct pln_ms_either *out_form)
{
    uint32_t one = pln_emit_const_int(emit, 1), width = pln_emit_dim(emit, x, -1), rows = pln_emit_ew2(emit, PLN_EW_EQUAL, pln_emit_dims(emit, x), pln_emit_const_int(emit, 3));
    struct pln_ms_either form = { .x = x, .is_rows = rows, .batch = pln_emit_dim(emit, x, 0), .length = pln_emit_dim(emit, x, -2) };
    form.heads = pln_emit_ew3(emit, PLN_EW_WHERE, rows, heads, pln_emit_dim(emit, x, 1));
    form.size = pln_emit_ew3(emit, PLN_EW_WHERE, rows, pln_emit_ew2(emit, PLN_EW_DIV, width, heads), width);
    form.left = pln_emit_ew3(emit, PLN_EW_WHERE, rows, form.length, one);
    form.right = pln_emit_ew3(emit, PLN_EW_WHERE, rows, heads, pln_ms_mul(emit, form.heads, form.length));
    *out_form = form;
    uint32_t four = pln_emit_reshape_as(emit, x, pln_emit_concat(emit, (uint32_t[]){ form.batch, form.left, form.right, form.size }, 4, 0));
    four = pln_emit_transpose(emit, four, middle_exchanged, 4);
    return pln_emit_reshape_as(emit, four, pln_emit_concat(emit, (uint32_t[]){ form.batch, form.heads, form.length, form.size }, 4, 0));
}

uint32_t pln_ms_as_before(struct pln_emit *emit, const struct pln_ms_either *form, uint32_t y)
{
    uint32_t four = pln_emit_reshape_as(emit, y, pln_emit_concat(emit, (uint32_t[]){ form->batch, form->right, form->left, form->size }, 4, 0));
    return pln_emit_reshape_as(emit, pln_emit_transpose(emit, four, middle_exchanged, 4), pln_emit_shape(emit, form->x));
}

uint32_t pln_ms_activation(struct pln_emit *emit, const char *name, const float *alpha, const float *beta, uint32_t x)
{
    unsigned op, kind;
    if (emit->status != PLN_OK || !name[0]) return x;
    if (strcmp(name, "Clip") == 0) {
        uint32_t low = alpha ? pln_emit_const_like(emit, x, *alpha) : PLN_NONE;
        return pln_emit_ew3(emit, PLN_EW_CLIP, x, low, beta ? pln_emit_const_like(emit, x, *beta) : PLN_NONE);
    }
    if (!pln_op_find_onnx(name, &op, &kind) || op != PLN_OP_ELEMENTWISE || pln_ew_get(kind)->n_inputs != 1) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "activation '%s' is no function of one number", name);
        return PLN_NONE;
    }
    uint32_t node = pln_emit_begin(emit, op, kind, &x, 1, 1);
    if (alpha) pln_emit_set_float(emit, node, "alpha", *alpha);
    if (beta) pln_emit_set_float(emit, node, "beta", *beta);
    return pln_emit_end(emit, node);
}

uint32_t pln_ms_dequantize(struct pln_emit *emit, uint32_t x, uint32_t scale, uint32_t zero)
{
    uint32_t inputs[3] = { x, pln_ms_scalar(emit, scale), pln_ms_scalar(emit, zero) };
    return pln_emit_end(emit, pln_emit_begin_named(emit, "DequantizeLinear", inputs, zero == PLN_NONE ? 2 : 3, 1));
}

uint32_t pln_ms_quantize(struct pln_emit *emit, uint32_t x, uint32_t scale, uint32_t zero, enum pln_dtype dtype)
{
    uint32_t inputs[3] = { x, pln_ms_scalar(emit, scale), pln_ms_scalar(emit, zero) };
    uint32_t node = pln_emit_begin_named(emit, "QuantizeLinear", inputs, zero == PLN_NONE ? 2 : 3, 1);
    pln_emit_set_int(emit, node, "output_dtype", dtype);
    return pln_emit_end(emit, node);
}

uint32_t pln_ms_integer_product(struct pln_emit *emit, uint32_t a, uint32_t b, uint32_t a_zero, uint32_t b_zero)
{
    uint32_t inputs[4] = { a, b, pln_ms_scalar(emit, a_zero), b_zero }, n = b_zero != PLN_NONE ? 4 : a_zero != PLN_NONE ? 3 : 2;
    return pln_emit_cast(emit, pln_emit_end(emit, pln_emit_begin_named(emit, "MatMulInteger", inputs, n, 1)), PLN_F32);
}
