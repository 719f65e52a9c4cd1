/* com.microsoft: DynamicQuantizeLSTM, which ONNX Runtime's dynamic quantization makes of LSTM. */
#include <string.h>

#include "onnx/ms.h"

/* Weights [d,k,4h], with one scale and zero point a direction, [d], or a column, [d,4h], as LSTM has them: f32[d,4h,k]. */
static uint32_t weights(struct pln_emit *emit, uint32_t i, uint32_t scale, uint32_t zero, int64_t directions)
{
    static const int64_t perm[] = { 0, 2, 1 };
    const int64_t shape[] = { directions, 1, -1 };
    uint32_t w = pln_emit_cast(emit, pln_emit_need(emit, i), PLN_F32);
    w = pln_emit_ew2(emit, PLN_EW_SUB, w, pln_emit_cast(emit, pln_emit_reshape_to(emit, zero, shape, 3), PLN_F32));
    w = pln_ms_mul(emit, w, pln_emit_reshape_to(emit, scale, shape, 3));
    return pln_emit_transpose(emit, w, perm, 3);
}

/* x[s,b,k] rounded to 8 bits between its least and largest number, those of steps that no row has left out. */
static uint32_t rounded(struct pln_emit *emit, uint32_t x, uint32_t lengths)
{
    uint32_t used = x, zero = pln_emit_const_int(emit, 0);
    if (lengths != PLN_NONE) used = pln_emit_slice(emit, x, zero, pln_emit_reduce(emit, PLN_REDUCE_MAX, pln_emit_cast(emit, lengths, PLN_I64), zero, true), zero, PLN_NONE);
    uint32_t node = pln_emit_begin_named(emit, "DynamicQuantizeLinear", &used, 1, 3), q = pln_emit_end(emit, node);
    uint32_t scale = pln_emit_output(emit, node, 1), zero_point = pln_emit_output(emit, node, 2);
    if (lengths != PLN_NONE) q = pln_ms_quantize(emit, x, scale, zero_point, PLN_U8);
    return pln_ms_dequantize(emit, q, scale, zero_point);
}

/* LSTM of weights and inputs that were rounded. ONNX Runtime rounds the states before they meet the recurrence weights, too, between bounds that change from step to step and
 * with its threads; here they are not. */
void pln_onnx_ms_dynamic_quantize_lstm(struct pln_emit *emit)
{
    static const int ranks[][2] = { { 3, 3 }, { 3, 3 }, { 3, 3 }, { 2, 2 }, { 1, 1 }, { 3, 3 }, { 3, 3 }, { 2, 2 }, { 1, 2 }, { 1, 2 }, { 1, 2 }, { 1, 2 } };
    for (uint32_t i = 0; i < PLN_COUNT_OF(ranks); i++) pln_ms_check_rank(emit, i, ranks[i][0], ranks[i][1]);
    const int64_t directions = strcmp(pln_emit_string(emit, "direction", "forward"), "bidirectional") == 0 ? 2 : 1;
    uint32_t inputs[8];
    for (uint32_t i = 0; i < 8; i++) inputs[i] = pln_emit_in(emit, i);
    inputs[0] = rounded(emit, pln_emit_need(emit, 0), inputs[4]);
    inputs[1] = weights(emit, 1, pln_emit_need(emit, 8), pln_emit_need(emit, 9), directions);
    inputs[2] = weights(emit, 2, pln_emit_need(emit, 10), pln_emit_need(emit, 11), directions);
    pln_onnx_direct_as(emit, "LSTM", inputs, 8, NULL);
}
