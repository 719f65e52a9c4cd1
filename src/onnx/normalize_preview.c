/* Operators of ai.onnx.preview and ai.onnx.preview.training: FlexAttention, and the steps of three optimizers. */
#include <string.h>

#include "onnx/body.h"
#include "onnx/opset.h"

/* ---- FlexAttention: softmax(score_mod(q k^T * scale)) through prob_mod, times v ---- */

/* A subgraph of one input and one output, in place; x itself when the attribute is absent. */
static uint32_t modify(struct pln_emit *emit, const char *name, uint32_t x)
{
    struct pln_scope *scope;
    if (emit->status != PLN_OK || !pln_emit_has_attr(emit, name)) return x;
    const struct pln_onnx_graph *graph = pln_body_get(emit, name, &scope);
    return graph ? pln_body_inline(emit, graph, scope, x) : PLN_NONE;
}

/* [b,kv heads,…] to [b,q heads,…]: each head serves a group of neighbours. */
static uint32_t share_heads(struct pln_emit *emit, uint32_t x, uint32_t q)
{
    int64_t have, want;
    if (pln_emit_extent(emit, x, 1, &have) && pln_emit_extent(emit, q, 1, &want) && have == want) return x;
    uint32_t heads = pln_emit_dim(emit, q, 1), groups = pln_emit_ew2(emit, PLN_EW_DIV, heads, pln_emit_dim(emit, x, 1));
    uint32_t first = pln_emit_shape_part(emit, x, 0, 2), last = pln_emit_shape_part(emit, x, 2, 4);
    uint32_t wide = pln_emit_expand(emit, pln_emit_unsqueeze_at(emit, x, 2), pln_emit_concat(emit, (uint32_t[]){ first, groups, last }, 3, 0));
    return pln_emit_reshape_as(emit, wide, pln_emit_concat(emit, (uint32_t[]){ pln_emit_dim(emit, x, 0), heads, last }, 3, 0));
}

/* The root of the scale, which q and k are multiplied by, each. */
static uint32_t root_scale(struct pln_emit *emit, uint32_t q, enum pln_dtype dtype)
{
    uint32_t scale;
    if (pln_emit_has_attr(emit, "scale")) {
        scale = pln_emit_const_number(emit, PLN_F32, pln_emit_float(emit, "scale", 1));
    } else {
        uint32_t width = pln_emit_cast(emit, pln_emit_squeeze(emit, pln_emit_dim(emit, q, 3), pln_emit_const_int(emit, 0)), PLN_F32);
        scale = pln_emit_ew1(emit, PLN_EW_RECIPROCAL, pln_emit_ew1(emit, PLN_EW_SQRT, width));
    }
    return pln_emit_cast(emit, pln_emit_ew1(emit, PLN_EW_SQRT, scale), dtype);
}

void pln_onnx_flex_attention(struct pln_emit *emit)
{
    static const int64_t flip[] = { 0, 1, 3, 2 };
    uint32_t q = pln_emit_need(emit, 0), k = pln_emit_need(emit, 1), v = pln_emit_need(emit, 2);
    enum pln_dtype dtype = pln_emit_dtype(emit, q);
    int64_t precision = pln_emit_int(emit, "softmax_precision", dtype == PLN_F64 ? PLN_F64 : PLN_F32);
    if (!pln_dtype_valid((int)precision)) pln_emit_fail(emit, PLN_BAD_MODEL, "softmax_precision is %lld", (long long)precision);
    k = share_heads(emit, k, q);
    v = share_heads(emit, v, q);
    uint32_t root = root_scale(emit, q, dtype);
    uint32_t columns = pln_emit_transpose(emit, pln_emit_ew2(emit, PLN_EW_MUL, k, root), flip, 4);
    uint32_t score = pln_emit_matmul(emit, pln_emit_ew2(emit, PLN_EW_MUL, q, root), columns);
    score = modify(emit, "score_mod", pln_emit_cast(emit, score, (enum pln_dtype)precision));
    uint32_t prob = modify(emit, "prob_mod", pln_emit_softmax(emit, false, score, -1));
    uint32_t y = pln_emit_matmul(emit, prob, pln_emit_cast(emit, v, (enum pln_dtype)precision));
    pln_emit_bind(emit, 0, pln_emit_cast(emit, y, dtype));
}

/* ---- optimizers: inputs R, T, then lists of n tensors each: X, G, and what is accumulated ---- */

static uint32_t mul(struct pln_emit *emit, uint32_t a, uint32_t b)
{
    return pln_emit_ew2(emit, PLN_EW_MUL, a, b);
}

static uint32_t add(struct pln_emit *emit, uint32_t a, uint32_t b)
{
    return pln_emit_ew2(emit, PLN_EW_ADD, a, b);
}

static uint32_t scaled(struct pln_emit *emit, uint32_t x, double factor)
{
    return mul(emit, x, pln_emit_const_like(emit, x, factor));
}

/* How many tensors are optimized, given how many lists there are. */
static uint32_t list_length(struct pln_emit *emit, uint32_t lists)
{
    if (emit->n_inputs < 2 + lists || (emit->n_inputs - 2) % lists != 0) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "%u inputs behind R and T are not %u lists", emit->n_inputs - 2, lists);
        return 0;
    }
    return (emit->n_inputs - 2) / lists;
}

/* Element i of list l. */
static uint32_t item(struct pln_emit *emit, uint32_t l, uint32_t n, uint32_t i)
{
    return pln_emit_need(emit, 2 + l * n + i);
}

/* norm_coefficient * X + G */
static uint32_t gradient(struct pln_emit *emit, uint32_t n, uint32_t i)
{
    return add(emit, scaled(emit, item(emit, 0, n, i), pln_emit_float(emit, "norm_coefficient", 0)), item(emit, 1, n, i));
}

/* R / (1 + T * decay_factor) */
void pln_onnx_adagrad(struct pln_emit *emit)
{
    uint32_t n = list_length(emit, 3), r = pln_emit_need(emit, 0), t = pln_emit_cast(emit, pln_emit_need(emit, 1), pln_emit_dtype(emit, r));
    uint32_t decay = add(emit, scaled(emit, t, pln_emit_float(emit, "decay_factor", 0)), pln_emit_const_like(emit, r, 1));
    r = pln_emit_ew2(emit, PLN_EW_DIV, r, decay);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t x = item(emit, 0, n, i), g = gradient(emit, n, i), h = add(emit, item(emit, 2, n, i), mul(emit, g, g));
        uint32_t root = add(emit, pln_emit_ew1(emit, PLN_EW_SQRT, h), pln_emit_const_like(emit, h, pln_emit_float(emit, "epsilon", 1e-6f)));
        pln_emit_bind(emit, i, pln_emit_ew2(emit, PLN_EW_SUB, x, pln_emit_ew2(emit, PLN_EW_DIV, mul(emit, r, g), root)));
        pln_emit_bind(emit, n + i, h);
    }
}

/* alpha * V + (T > 0 ? beta : 1) * G; X goes against it, or (nesterov) against G + alpha * V_new. */
void pln_onnx_momentum(struct pln_emit *emit)
{
    uint32_t n = list_length(emit, 3), r = pln_emit_need(emit, 0), t = pln_emit_need(emit, 1);
    double alpha = pln_emit_float(emit, "alpha", 0);
    bool nesterov = strcmp(pln_emit_string(emit, "mode", "standard"), "nesterov") == 0;
    uint32_t later = pln_emit_ew2(emit, PLN_EW_GREATER, t, pln_emit_const_like(emit, t, 0));
    uint32_t beta = pln_emit_const_like(emit, r, pln_emit_float(emit, "beta", 0)), one = pln_emit_const_like(emit, r, 1);
    beta = pln_emit_ew3(emit, PLN_EW_WHERE, later, beta, one);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t x = item(emit, 0, n, i), g = gradient(emit, n, i);
        uint32_t v = add(emit, scaled(emit, item(emit, 2, n, i), alpha), mul(emit, beta, g));
        uint32_t step = nesterov ? add(emit, g, scaled(emit, v, alpha)) : v;
        pln_emit_bind(emit, i, pln_emit_ew2(emit, PLN_EW_SUB, x, mul(emit, r, step)));
        pln_emit_bind(emit, n + i, v);
    }
}

/* T > 0 ? R * sqrt(1 - beta^T) / (1 - alpha^T) : R */
static uint32_t adam_rate(struct pln_emit *emit, double alpha, double beta)
{
    uint32_t r = pln_emit_need(emit, 0), t = pln_emit_need(emit, 1), one = pln_emit_const_like(emit, r, 1);
    uint32_t later = pln_emit_ew2(emit, PLN_EW_GREATER, t, pln_emit_const_like(emit, t, 0)), power = pln_emit_cast(emit, t, pln_emit_dtype(emit, r));
    uint32_t a = pln_emit_ew2(emit, PLN_EW_SUB, one, pln_emit_ew2(emit, PLN_EW_POW, pln_emit_const_like(emit, r, alpha), power));
    uint32_t b = pln_emit_ew2(emit, PLN_EW_SUB, one, pln_emit_ew2(emit, PLN_EW_POW, pln_emit_const_like(emit, r, beta), power));
    uint32_t adjusted = pln_emit_ew2(emit, PLN_EW_DIV, mul(emit, r, pln_emit_ew1(emit, PLN_EW_SQRT, b)), a);
    return pln_emit_ew3(emit, PLN_EW_WHERE, later, adjusted, r);
}

void pln_onnx_adam(struct pln_emit *emit)
{
    uint32_t n = list_length(emit, 4);
    double alpha = pln_emit_float(emit, "alpha", 0.9f), beta = pln_emit_float(emit, "beta", 0.999f);
    double post = pln_emit_float(emit, "norm_coefficient_post", 0);
    uint32_t rate = adam_rate(emit, alpha, beta);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t x = item(emit, 0, n, i), g = gradient(emit, n, i);
        uint32_t v = add(emit, scaled(emit, item(emit, 2, n, i), alpha), scaled(emit, g, 1 - alpha));
        uint32_t h = add(emit, scaled(emit, item(emit, 3, n, i), beta), scaled(emit, mul(emit, g, g), 1 - beta));
        uint32_t root = add(emit, pln_emit_ew1(emit, PLN_EW_SQRT, h), pln_emit_const_like(emit, h, pln_emit_float(emit, "epsilon", 1e-6f)));
        x = pln_emit_ew2(emit, PLN_EW_SUB, x, pln_emit_ew2(emit, PLN_EW_DIV, mul(emit, rate, v), root));
        pln_emit_bind(emit, i, post != 0 ? scaled(emit, x, 1 - post) : x);
        pln_emit_bind(emit, n + i, v);
        pln_emit_bind(emit, 2 * n + i, h);
    }
}
