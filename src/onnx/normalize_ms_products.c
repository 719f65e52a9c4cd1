/* com.microsoft: products with what is fused to them, in floats and in quantized numbers. */
#include <string.h>

#include "onnx/ms.h"

/* ---- floats ---- */

/* First `batch`: axis 0 goes before the last one. Then `flip`: the last two change places. A vector stays as it is. */
static uint32_t arrange(struct pln_emit *emit, uint32_t x, bool batch, bool flip)
{
    int64_t perm[PLN_MAX_RANK];
    int rank = batch || flip ? pln_emit_rank(emit, x) : 0;
    if (rank < 0) {
        if (batch) x = pln_emit_swap_parts(emit, x, 0, 1, -1);
        return flip ? pln_emit_swap_parts(emit, x, -2, -1, INT64_MAX) : x;
    }
    if (emit->status != PLN_OK || rank < 2) return x;
    for (int d = 0; d < rank; d++) perm[d] = batch && d < rank - 1 ? (d + 1) % (rank - 1) : d;
    if (flip) {
        int64_t last = perm[rank - 1];
        perm[rank - 1] = perm[rank - 2];
        perm[rank - 2] = last;
    }
    return pln_emit_transpose(emit, x, perm, (uint32_t)rank);
}

/* MatMul of operands that may be transposed, times alpha. */
void pln_onnx_ms_fused_matmul(struct pln_emit *emit)
{
    uint32_t a = arrange(emit, pln_emit_need(emit, 0), pln_emit_int(emit, "transBatchA", 0) != 0, pln_emit_int(emit, "transA", 0) != 0);
    uint32_t b = arrange(emit, pln_emit_need(emit, 1), pln_emit_int(emit, "transBatchB", 0) != 0, pln_emit_int(emit, "transB", 0) != 0);
    uint32_t y = pln_emit_matmul(emit, a, b);
    float alpha = pln_emit_float(emit, "alpha", 1.0f);
    pln_emit_bind(emit, 0, alpha == 1.0f ? y : pln_ms_mul(emit, y, pln_emit_const_like(emit, y, alpha)));
}

static const float *parameter(struct pln_emit *emit, const char *name, float *value)
{
    *value = pln_emit_float(emit, name, 0);
    return pln_emit_has_attr(emit, name) ? value : NULL;
}

/* Gemm, then an activation. Selu calls its second parameter gamma. */
void pln_onnx_ms_fused_gemm(struct pln_emit *emit)
{
    static const char *const names[] = { "alpha", "beta", "transA", "transB" };
    float values[3];
    const float *alpha = parameter(emit, "activation_alpha", &values[0]), *beta = parameter(emit, "activation_beta", &values[1]);
    const float *gamma = parameter(emit, "activation_gamma", &values[2]);
    uint32_t node = pln_emit_begin_named(emit, "Gemm", emit->inputs, emit->n_inputs, 1);
    for (size_t i = 0; i < PLN_COUNT_OF(names); i++) pln_emit_copy_attr(emit, node, names[i], names[i]);
    uint32_t y = pln_emit_end(emit, node);
    pln_emit_bind(emit, 0, pln_ms_activation(emit, pln_emit_string(emit, "activation", ""), alpha, beta ? beta : gamma, y));
}

/* Conv, then a sum with input 3, then an activation. */
void pln_onnx_ms_fused_conv(struct pln_emit *emit)
{
    static const char *const names[] = { "auto_pad", "dilations", "group", "kernel_shape", "pads", "strides" };
    const float *parameters;
    uint32_t n = pln_emit_float_list(emit, "activation_params", &parameters), bias = pln_emit_in(emit, 2);
    uint32_t inputs[3] = { pln_emit_need(emit, 0), pln_emit_need(emit, 1), bias };
    uint32_t node = pln_emit_begin_named(emit, "Conv", inputs, bias == PLN_NONE ? 2 : 3, 1);
    for (size_t i = 0; i < PLN_COUNT_OF(names); i++) pln_emit_copy_attr(emit, node, names[i], names[i]);
    uint32_t y = pln_ms_add(emit, pln_emit_end(emit, node), pln_emit_in(emit, 3));
    y = pln_ms_activation(emit, pln_emit_string(emit, "activation", ""), n > 0 ? &parameters[0] : NULL, n > 1 ? &parameters[1] : NULL, y);
    pln_emit_bind(emit, 0, y);
}

/* ---- quantized numbers ---- */

/* Is it surely one number? Else it may have one a column. */
static bool is_single(const struct pln_emit *emit, uint32_t value)
{
    int64_t n;
    return value == PLN_NONE || pln_emit_rank(emit, value) == 0 || (pln_emit_extent(emit, value, 0, &n) && n == 1);
}

/* (x - zero) * scale in f32; scale and zero are one number or one a column. */
static uint32_t dequantize_columns(struct pln_emit *emit, uint32_t x, uint32_t scale, uint32_t zero)
{
    x = pln_emit_cast(emit, x, PLN_F32);
    if (zero != PLN_NONE) x = pln_emit_ew2(emit, PLN_EW_SUB, x, pln_emit_cast(emit, zero, PLN_F32));
    return pln_ms_mul(emit, x, pln_emit_cast(emit, scale, PLN_F32));
}

/* a x b, scaled, plus bias. The scale of a may be one a column by its documentation (ONNX Runtime's CPU refuses that): then no integer product has it. */
void pln_onnx_ms_matmul_integer_to_float(struct pln_emit *emit)
{
    uint32_t a = pln_emit_need(emit, 0), b = pln_emit_need(emit, 1), a_scale = pln_emit_need(emit, 2), b_scale = pln_emit_need(emit, 3);
    uint32_t a_zero = pln_emit_in(emit, 4), b_zero = pln_emit_in(emit, 5), y;
    for (uint32_t i = 2; i < 7; i++) pln_ms_check_rank(emit, i, 0, 1);
    if (is_single(emit, a_scale) && is_single(emit, a_zero)) {
        y = pln_ms_integer_product(emit, a, b, a_zero, b_zero);
        uint32_t scale = pln_ms_mul(emit, pln_ms_scalar(emit, pln_ms_wide(emit, a_scale)), pln_ms_wide(emit, b_scale));
        y = pln_ms_mul(emit, y, scale);
    } else {
        y = pln_emit_matmul(emit, dequantize_columns(emit, a, a_scale, a_zero), dequantize_columns(emit, b, b_scale, b_zero));
    }
    y = pln_ms_add(emit, y, pln_ms_wide(emit, pln_emit_in(emit, 6)));
    pln_emit_bind(emit, 0, pln_emit_cast(emit, y, pln_emit_dtype(emit, b_scale)));
}

/* a quantized as DynamicQuantizeLinear does, then the same. */
void pln_onnx_ms_dynamic_quantize_matmul(struct pln_emit *emit)
{
    uint32_t a = pln_emit_need(emit, 0), b = pln_emit_need(emit, 1), b_scale = pln_emit_need(emit, 2);
    for (uint32_t i = 2; i < 5; i++) pln_ms_check_rank(emit, i, 0, 1);
    uint32_t node = pln_emit_begin_named(emit, "DynamicQuantizeLinear", &a, 1, 3);
    uint32_t q = pln_emit_end(emit, node), scale = pln_emit_output(emit, node, 1), zero = pln_emit_output(emit, node, 2);
    uint32_t y = pln_ms_integer_product(emit, q, b, zero, pln_emit_in(emit, 3));
    y = pln_ms_mul(emit, y, pln_ms_mul(emit, scale, b_scale));
    pln_emit_bind(emit, 0, pln_ms_add(emit, y, pln_emit_in(emit, 4)));
}

/* (a x b + C) * alpha * a_scale * b_scale, quantized if there is a scale for that. C is in units of the product. */
void pln_onnx_ms_qgemm(struct pln_emit *emit)
{
    uint32_t a = pln_emit_need(emit, 0), b = pln_emit_need(emit, 3), c = pln_emit_in(emit, 6), y_scale = pln_emit_in(emit, 7), y_zero = pln_emit_in(emit, 8);
    pln_ms_check_rank(emit, 0, 2, 2);
    pln_ms_check_rank(emit, 3, 2, 2);
    for (uint32_t i = 4; i < 7; i++) pln_ms_check_rank(emit, i, 0, i == 6 ? 2 : 1);
    if (y_scale == PLN_NONE && y_zero != PLN_NONE) pln_emit_fail(emit, PLN_BAD_MODEL, "y_zero_point without y_scale");
    if (pln_emit_int(emit, "transA", 0)) a = pln_ms_flip(emit, a);
    if (pln_emit_int(emit, "transB", 0)) b = pln_ms_flip(emit, b);
    uint32_t inputs[4] = { a, b, pln_ms_scalar(emit, pln_emit_need(emit, 2)), pln_emit_need(emit, 5) };
    uint32_t sum = pln_ms_add(emit, pln_emit_end(emit, pln_emit_begin_named(emit, "MatMulInteger", inputs, 4, 1)), c);
    uint32_t scale = pln_ms_mul(emit, pln_ms_scalar(emit, pln_emit_need(emit, 1)), pln_emit_need(emit, 4));
    float alpha = pln_emit_float(emit, "alpha", 1.0f);
    if (alpha != 1.0f) scale = pln_ms_mul(emit, scale, pln_emit_const_like(emit, scale, alpha));
    /* One multiplication by scale / y_scale, as ONNX Runtime has it: two would round other ties. */
    if (y_scale != PLN_NONE) scale = pln_emit_ew2(emit, PLN_EW_DIV, scale, pln_ms_scalar(emit, y_scale));
    uint32_t y = pln_ms_mul(emit, pln_emit_cast(emit, sum, PLN_F32), scale);
    if (y_scale != PLN_NONE) y = pln_ms_quantize(emit, y, pln_emit_const_number(emit, PLN_F32, 1), y_zero, y_zero == PLN_NONE ? PLN_U8 : pln_emit_dtype(emit, y_zero));
    pln_emit_bind(emit, 0, y);
}
