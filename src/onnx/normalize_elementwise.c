/* Elementwise operators whose attributes, inputs or broadcasting changed, or that are several functions in one. */
#include <math.h>
#include <string.h>

#include "onnx/opset.h"

/* Functions with parameters: what the attributes are called, and their defaults, made explicit here. */
static const struct params {
    const char *onnx;
    enum pln_ew kind;
    const char *alpha, *beta; /* NULL: none */
    float alpha_value, beta_value;
} params[] = {
    { "Celu", PLN_EW_CELU, "alpha", NULL, 1.0f, 0 },
    { "Elu", PLN_EW_ELU, "alpha", NULL, 1.0f, 0 },
    { "HardSigmoid", PLN_EW_HARD_SIGMOID, "alpha", "beta", 0.2f, 0.5f },
    { "LeakyRelu", PLN_EW_LEAKY_RELU, "alpha", NULL, 0.01f, 0 },
    { "Selu", PLN_EW_SELU, "alpha", "gamma", 1.67326319217681884765625f, 1.05070102214813232421875f },
    { "Shrink", PLN_EW_SHRINK, "lambd", "bias", 0.5f, 0.0f },
    { "Swish", PLN_EW_SWISH, "alpha", NULL, 1.0f, 0 },
    { "ThresholdedRelu", PLN_EW_THRESHOLDED_RELU, "alpha", NULL, 1.0f, 0 },
};

static void parametric(struct pln_emit *emit, const struct params *p, float alpha, float beta)
{
    uint32_t x = pln_emit_need(emit, 0);
    uint32_t node = pln_emit_begin(emit, PLN_OP_ELEMENTWISE, p->kind, &x, 1, 1);
    if (p->alpha) pln_emit_set_float(emit, node, "alpha", pln_emit_float(emit, p->alpha, alpha));
    if (p->beta) pln_emit_set_float(emit, node, "beta", pln_emit_float(emit, p->beta, beta));
    pln_emit_bind(emit, 0, pln_emit_end(emit, node));
}

static const struct params *find_params(const char *onnx)
{
    for (size_t i = 0; i < PLN_COUNT_OF(params); i++) {
        if (strcmp(params[i].onnx, onnx) == 0) return &params[i];
    }
    return NULL;
}

void pln_onnx_parametric(struct pln_emit *emit)
{
    const struct params *p = find_params(emit->node->op_type);
    if (p) parametric(emit, p, p->alpha_value, p->beta_value);
    else pln_emit_fail(emit, PLN_INTERNAL, "no parameters are known for %s", emit->node->op_type);
}

/* Selu-1 had rounded constants. */
void pln_onnx_selu_1(struct pln_emit *emit)
{
    parametric(emit, find_params("Selu"), 1.6732f, 1.0507f);
}

void pln_onnx_isinf(struct pln_emit *emit)
{
    uint32_t x = pln_emit_need(emit, 0);
    uint32_t node = pln_emit_begin(emit, PLN_OP_ELEMENTWISE, PLN_EW_ISINF, &x, 1, 1);
    pln_emit_set_float(emit, node, "alpha", (float)pln_emit_int(emit, "detect_negative", 1));
    pln_emit_set_float(emit, node, "beta", (float)pln_emit_int(emit, "detect_positive", 1));
    pln_emit_bind(emit, 0, pln_emit_end(emit, node));
}

void pln_onnx_gelu(struct pln_emit *emit)
{
    const char *form = pln_emit_string(emit, "approximate", "none");
    bool tanh_form = strcmp(form, "tanh") == 0;
    if (!tanh_form && strcmp(form, "none") != 0) pln_emit_fail(emit, PLN_BAD_MODEL, "approximate is '%s', neither 'none' nor 'tanh'", form);
    pln_emit_bind(emit, 0, pln_emit_ew1(emit, tanh_form ? PLN_EW_GELU_TANH : PLN_EW_GELU, pln_emit_need(emit, 0)));
}

void pln_onnx_mod(struct pln_emit *emit)
{
    enum pln_ew kind = pln_emit_int(emit, "fmod", 0) ? PLN_EW_FMOD : PLN_EW_MOD;
    pln_emit_bind(emit, 0, pln_emit_ew2(emit, kind, pln_emit_need(emit, 0), pln_emit_need(emit, 1)));
}

void pln_onnx_bit_shift(struct pln_emit *emit)
{
    const char *direction = pln_emit_string(emit, "direction", "");
    bool left = strcmp(direction, "LEFT") == 0;
    if (!left && strcmp(direction, "RIGHT") != 0) pln_emit_fail(emit, PLN_BAD_MODEL, "direction is '%s', neither 'LEFT' nor 'RIGHT'", direction);
    pln_emit_bind(emit, 0, pln_emit_ew2(emit, left ? PLN_EW_SHIFT_LEFT : PLN_EW_SHIFT_RIGHT, pln_emit_need(emit, 0), pln_emit_need(emit, 1)));
}

/* Binary operators before opset 7 broadcast only when told to: B's dims are then those of A from `axis` on (default: the last ones). */
void pln_onnx_binary_1(struct pln_emit *emit)
{
    unsigned op, kind;
    uint32_t a = pln_emit_need(emit, 0), b = pln_emit_need(emit, 1);
    if (!pln_emit_find(emit, emit->node->op_type, &op, &kind)) return;
    const int rank_a = pln_emit_rank(emit, a), rank_b = pln_emit_rank(emit, b);
    const bool at_axis = pln_emit_int(emit, "broadcast", 0) && pln_emit_has_attr(emit, "axis");
    if (at_axis && (rank_a < 0 || rank_b < 0)) {
        int64_t axis = pln_emit_any_axis(emit, pln_emit_int(emit, "axis", 0));
        uint32_t from = axis < 0 ? pln_emit_const_int(emit, -axis) : pln_emit_ew2(emit, PLN_EW_SUB, pln_emit_dims(emit, a), pln_emit_const_int(emit, axis));
        b = pln_emit_append_ones(emit, b, pln_emit_ew2(emit, PLN_EW_SUB, from, pln_emit_dims(emit, b)));
    } else if (at_axis) {
        int axis = pln_emit_axis(emit, pln_emit_int(emit, "axis", 0), rank_a), missing = rank_a - axis - rank_b;
        int64_t axes[PLN_MAX_RANK];
        if (missing < 0) pln_emit_fail(emit, PLN_BAD_MODEL, "input 1 has too many dims for axis %d", axis);
        for (int i = 0; i < missing; i++) axes[i] = rank_b + i;
        if (missing > 0) b = pln_emit_unsqueeze(emit, b, pln_emit_const_ints(emit, axes, (uint32_t)missing));
    }
    pln_emit_bind(emit, 0, pln_emit_op(emit, op, kind, (uint32_t[]){ a, b }, 2));
}

/* Sum, Mean, Max, Min of any number of inputs: a chain of pairs. */
void pln_onnx_variadic(struct pln_emit *emit)
{
    const char *name = emit->node->op_type;
    enum pln_ew kind = strcmp(name, "Max") == 0 ? PLN_EW_MAX : strcmp(name, "Min") == 0 ? PLN_EW_MIN : PLN_EW_ADD;
    uint32_t y = pln_emit_need(emit, 0);
    for (uint32_t i = 1; i < emit->n_inputs; i++) y = pln_emit_ew2(emit, kind, y, pln_emit_need(emit, i));
    if (strcmp(name, "Mean") == 0 && emit->n_inputs > 1) {
        y = pln_emit_ew2(emit, PLN_EW_DIV, y, pln_emit_const_like(emit, y, emit->n_inputs));
    }
    pln_emit_bind(emit, 0, y);
}

/* Clip with bounds as attributes. Opset 6 has the largest finite numbers as defaults, so an infinity becomes finite. */
static void clip(struct pln_emit *emit, bool finite)
{
    uint32_t x = pln_emit_need(emit, 0), low = PLN_NONE, high = PLN_NONE;
    enum pln_dtype dtype = pln_emit_dtype(emit, x);
    finite = finite && (dtype == PLN_F32 || dtype == PLN_F64);
    const double most = 3.4028234663852886e38;
    if (finite || pln_emit_has_attr(emit, "min")) low = pln_emit_const_number(emit, dtype, pln_emit_float(emit, "min", (float)-most));
    if (finite || pln_emit_has_attr(emit, "max")) high = pln_emit_const_number(emit, dtype, pln_emit_float(emit, "max", (float)most));
    pln_emit_bind(emit, 0, pln_emit_ew3(emit, PLN_EW_CLIP, x, low, high));
}

void pln_onnx_clip_1(struct pln_emit *emit)
{
    clip(emit, false);
}

void pln_onnx_clip_6(struct pln_emit *emit)
{
    clip(emit, true);
}

void pln_onnx_clip(struct pln_emit *emit)
{
    pln_emit_bind(emit, 0, pln_emit_ew3(emit, PLN_EW_CLIP, pln_emit_need(emit, 0), pln_emit_in(emit, 1), pln_emit_in(emit, 2)));
}

/* Before opset 9 a slope of one number a channel needed no trailing dims. */
void pln_onnx_prelu_1(struct pln_emit *emit)
{
    uint32_t x = pln_emit_need(emit, 0), slope = pln_emit_need(emit, 1);
    int rank = pln_emit_rank(emit, x);
    int64_t n = 0, axes[PLN_MAX_RANK];
    if (rank < 0 && pln_emit_rank(emit, slope) == 1) {
        uint32_t more = pln_emit_ew2(emit, PLN_EW_SUB, pln_emit_dims(emit, x), pln_emit_const_int(emit, 2));
        slope = pln_emit_append_ones(emit, slope, pln_emit_ew2(emit, PLN_EW_MAX, more, pln_emit_const_int(emit, 0)));
    } else if (rank > 2 && pln_emit_rank(emit, slope) == 1 && !(pln_emit_extent(emit, slope, 0, &n) && n == 1)) {
        for (int d = 2; d < rank; d++) axes[d - 2] = d - 1;
        slope = pln_emit_unsqueeze(emit, slope, pln_emit_const_ints(emit, axes, (uint32_t)rank - 2));
    }
    pln_emit_bind(emit, 0, pln_emit_ew2(emit, PLN_EW_PRELU, x, slope));
}

/* SwiGLU: Swish(A) * B. */
void pln_onnx_swiglu(struct pln_emit *emit)
{
    uint32_t a = pln_emit_need(emit, 0);
    uint32_t node = pln_emit_begin(emit, PLN_OP_ELEMENTWISE, PLN_EW_SWISH, &a, 1, 1);
    pln_emit_set_float(emit, node, "alpha", pln_emit_float(emit, "alpha", 1.0f));
    pln_emit_bind(emit, 0, pln_emit_ew2(emit, PLN_EW_MUL, pln_emit_end(emit, node), pln_emit_need(emit, 1)));
}

/* ---- casts ---- */

/* Cast-1 named its type in words, as TensorProto.DataType spells them. */
void pln_onnx_cast_1(struct pln_emit *emit)
{
    const char *to = pln_emit_string(emit, "to", "");
    for (int number = 1; number < PLN_DTYPE_COUNT; number++) {
        const char *name = pln_onnx_data_type_name(number);
        size_t i = 0;
        while (name[i] && (name[i] == to[i] || (to[i] >= 'a' && to[i] <= 'z' && name[i] == to[i] - 'a' + 'A'))) i++;
        if (name[i] || to[i]) continue;
        pln_emit_bind(emit, 0, pln_emit_cast(emit, pln_emit_need(emit, 0), (enum pln_dtype)number));
        return;
    }
    pln_emit_fail(emit, PLN_BAD_MODEL, "'%s' is no element type", to);
}

void pln_onnx_cast_like(struct pln_emit *emit)
{
    uint32_t x = pln_emit_need(emit, 0);
    enum pln_dtype to = pln_emit_dtype(emit, pln_emit_need(emit, 1));
    uint32_t node = pln_emit_begin(emit, PLN_OP_CAST, 0, &x, 1, 1);
    pln_emit_set_int(emit, node, "to", to);
    pln_emit_copy_attr(emit, node, "saturate", "saturate");
    pln_emit_copy_attr(emit, node, "round_mode", "round_mode");
    pln_emit_bind(emit, 0, pln_emit_end(emit, node));
}
