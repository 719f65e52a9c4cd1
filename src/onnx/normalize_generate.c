/* Operators that make tensors out of little: windows and random numbers; and Dropout. */
#include <string.h>

#include "onnx/opset.h"

static uint32_t scalar(struct pln_emit *emit, uint32_t x)
{
    return pln_emit_reshape_to(emit, x, NULL, 0);
}

/* ---- windows: a0 - a1 cos(2 pi i / n) + a2 cos(4 pi i / n), n one less when not periodic ---- */

static uint32_t cosine(struct pln_emit *emit, uint32_t angle, double times, double factor)
{
    uint32_t value = times == 1 ? angle : pln_emit_ew2(emit, PLN_EW_MUL, angle, pln_emit_const_number(emit, PLN_F32, times));
    return pln_emit_ew2(emit, PLN_EW_MUL, pln_emit_ew1(emit, PLN_EW_COS, value), pln_emit_const_number(emit, PLN_F32, factor));
}

static void window(struct pln_emit *emit, double a0, double a1, double a2)
{
    if (pln_emit_knows(emit->node->op_type)) {
        pln_onnx_direct(emit);
        return;
    }
    uint32_t size = pln_emit_cast(emit, scalar(emit, pln_emit_need(emit, 0)), PLN_I64);
    int64_t to = pln_emit_int(emit, "output_datatype", PLN_F32);
    if (!pln_dtype_valid((int)to)) pln_emit_fail(emit, PLN_BAD_MODEL, "output_datatype is %lld", (long long)to);
    uint32_t period = pln_emit_cast(emit, size, PLN_F32);
    if (!pln_emit_int(emit, "periodic", 1)) period = pln_emit_ew2(emit, PLN_EW_SUB, period, pln_emit_const_number(emit, PLN_F32, 1));
    uint32_t step = pln_emit_ew2(emit, PLN_EW_DIV, pln_emit_const_number(emit, PLN_F32, 6.283185307179586), period);
    uint32_t angle = pln_emit_ew2(emit, PLN_EW_MUL, pln_emit_cast(emit, pln_emit_range(emit, size), PLN_F32), step);
    uint32_t y = pln_emit_ew2(emit, PLN_EW_SUB, pln_emit_const_number(emit, PLN_F32, a0), cosine(emit, angle, 1, a1));
    if (a2 != 0) y = pln_emit_ew2(emit, PLN_EW_ADD, y, cosine(emit, angle, 2, a2));
    pln_emit_bind(emit, 0, pln_emit_cast(emit, y, (enum pln_dtype)to));
}

void pln_onnx_hann_window(struct pln_emit *emit)
{
    window(emit, 0.5, 0.5, 0);
}

/* 25/46 and 21/46, as the function body has them. */
void pln_onnx_hamming_window(struct pln_emit *emit)
{
    window(emit, 25.0 / 46.0, 21.0 / 46.0, 0);
}

void pln_onnx_blackman_window(struct pln_emit *emit)
{
    window(emit, 0.42, 0.5, 0.08);
}

/* ---- random numbers ---- */

/* Uniform numbers in [0, 1) of x's shape. */
static uint32_t uniform_like(struct pln_emit *emit, uint32_t x, enum pln_dtype dtype)
{
    unsigned op, kind;
    if (!pln_emit_find(emit, "RandomUniformLike", &op, &kind)) return PLN_NONE;
    uint32_t node = pln_emit_begin(emit, op, kind, &x, 1, 1);
    pln_emit_set_int(emit, node, "dtype", dtype);
    const struct pln_onnx_attribute *seed = pln_emit_attr(emit, "seed", 0);
    if (seed) pln_emit_set_float(emit, node, "seed", seed->type == PLN_ONNX_ATTR_INT ? (float)seed->i : seed->f);
    return pln_emit_end(emit, node);
}

void pln_onnx_bernoulli(struct pln_emit *emit)
{
    if (pln_emit_knows("Bernoulli")) {
        pln_onnx_direct(emit);
        return;
    }
    uint32_t x = pln_emit_need(emit, 0);
    enum pln_dtype from = pln_emit_dtype(emit, x);
    int64_t to = pln_emit_int(emit, "dtype", from);
    if (!pln_dtype_valid((int)to)) pln_emit_fail(emit, PLN_BAD_MODEL, "dtype is %lld", (long long)to);
    uint32_t hit = pln_emit_ew2(emit, PLN_EW_LESS, uniform_like(emit, x, from), x);
    pln_emit_bind(emit, 0, pln_emit_cast(emit, hit, (enum pln_dtype)to));
}

/* ---- Dropout ---- */

static uint32_t full_mask(struct pln_emit *emit, uint32_t x, enum pln_dtype dtype)
{
    return pln_emit_expand(emit, pln_emit_const_number(emit, dtype, 1), pln_emit_shape(emit, x));
}

static void dropout(struct pln_emit *emit, enum pln_dtype mask)
{
    uint32_t x = pln_emit_need(emit, 0);
    pln_emit_bind(emit, 0, pln_emit_identity(emit, x));
    if (pln_emit_wants(emit, 1)) pln_emit_bind(emit, 1, full_mask(emit, x, mask));
}

/* The mask had the type of the data before opset 10. Without is_test opsets 1 to 6 drop, as training does; exporters of that time
 * left is_test out of inference models, too, and every runtime takes them as inference. */
void pln_onnx_dropout_1(struct pln_emit *emit)
{
    dropout(emit, pln_emit_wants(emit, 1) ? pln_emit_dtype(emit, pln_emit_need(emit, 0)) : PLN_BOOL);
}

void pln_onnx_dropout_10(struct pln_emit *emit)
{
    dropout(emit, PLN_BOOL);
}

/* Keeps an element when a uniform number is not below ratio, scaled by 1 / (1 - ratio). The numbers are doubles, as those of ONNX's reference implementation. */
static void training_dropout(struct pln_emit *emit, uint32_t training)
{
    uint32_t x = pln_emit_need(emit, 0), ratio = pln_emit_in(emit, 1);
    enum pln_dtype stored = pln_emit_dtype(emit, x), dtype = pln_dtype_bits(stored) < 16 ? PLN_F32 : stored; /* nothing computes in float8 */
    x = pln_emit_cast(emit, x, dtype);
    ratio = ratio == PLN_NONE ? pln_emit_const_number(emit, PLN_F32, 0.5) : pln_emit_cast(emit, scalar(emit, ratio), PLN_F32);
    uint32_t kept = pln_emit_ew2(emit, PLN_EW_GREATER_EQUAL, uniform_like(emit, x, PLN_F64), pln_emit_cast(emit, ratio, PLN_F64));
    uint32_t off = pln_emit_ew1(emit, PLN_EW_NOT, scalar(emit, training));
    uint32_t share = pln_emit_ew2(emit, PLN_EW_SUB, pln_emit_const_number(emit, PLN_F32, 1), ratio);
    uint32_t scaled = pln_emit_ew2(emit, PLN_EW_DIV, x, pln_emit_cast(emit, share, dtype));
    uint32_t dropped = pln_emit_ew3(emit, PLN_EW_WHERE, kept, scaled, pln_emit_const_like(emit, x, 0));
    pln_emit_bind(emit, 0, pln_emit_cast(emit, pln_emit_ew3(emit, PLN_EW_WHERE, off, x, dropped), stored));
    pln_emit_bind(emit, 1, pln_emit_ew2(emit, PLN_EW_OR, kept, off));
}

void pln_onnx_dropout(struct pln_emit *emit)
{
    uint32_t training = pln_emit_in(emit, 2);
    double on = 0, ratio = 1;
    bool known = training == PLN_NONE || pln_graph_scalar_f64(emit->graph, training, &on);
    bool whole = pln_emit_in(emit, 1) != PLN_NONE && pln_graph_scalar_f64(emit->graph, pln_emit_in(emit, 1), &ratio) && ratio == 0;
    if ((known && on == 0) || whole) dropout(emit, PLN_BOOL);
    else training_dropout(emit, training);
}
