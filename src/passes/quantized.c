/* Products of dequantized operands. What stands between QuantizeLinear and DequantizeLinear, as tools for quantization write it, is computed with bytes: a convolution or a
 * product of two dequantized operands whose result is quantized becomes QLinearConv or QLinearMatMul; another product becomes MatMulInteger and a scale. Sums of bytes are exact, where those
 * of floats are rounded; results differ where a rounded sum falls on the other side of the middle of two numbers. The largest of bytes is found among floats. */
#include <math.h>

#include "passes/rewrite.h"
#include "tensor/convert.h"

enum pln_status pln_pass_quantized(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);

/* Terms of a sum that int32 holds: 2^31 / 255^2; taps of a window that kernels for bytes take. */
enum { K_MOST = 33025, TAPS_MOST = 1024 };
/* Pixels that share the work of widening the weights of a convolution. With fewer, floats are faster (resnet18 on pictures of 64 x 64 by half). */
enum { PIXELS_LEAST = 196 };

static const struct pln_type *type_of(const struct pln_graph *graph, uint32_t value)
{
    return &pln_graph_value(graph, value)->type;
}

static uint32_t input(const struct pln_graph *graph, uint32_t node, uint32_t i)
{
    return i < pln_graph_node(graph, node)->n_inputs ? pln_graph_node(graph, node)->inputs[i] : PLN_NONE;
}

static const struct pln_tensor *data_of(const struct pln_graph *graph, uint32_t value)
{
    return value == PLN_NONE ? NULL : pln_graph_value(graph, value)->data;
}

static bool is_byte(enum pln_dtype dtype)
{
    return dtype == PLN_U8 || dtype == PLN_I8;
}

/* ---- parameters ---- */

/* Bytes with a constant scale and zero point: of a DequantizeLinear's input or a QuantizeLinear's output. */
struct bytes {
    uint32_t value, scale, zero; /* zero PLN_NONE: none, 0 */
    enum pln_dtype dtype;
    int64_t many; /* scales */
    int axis;     /* that they go along, where there are several */
};

/* Input of scales and zero points; rank: of what they are of. */
static bool read_parameters(const struct pln_graph *graph, uint32_t node, int rank, struct bytes *out)
{
    const struct pln_tensor *scale = data_of(graph, input(graph, node, 1)), *zero = data_of(graph, input(graph, node, 2));
    out->scale = input(graph, node, 1);
    out->zero = input(graph, node, 2);
    if (!scale || scale->dtype != PLN_F32 || scale->rank > 1 || pln_node_int(graph, node, "block_size") != 0 || (out->zero != PLN_NONE && !zero)) return false;
    if (zero && !pln_tensor_same_shape(zero, scale)) return false;
    out->many = pln_tensor_count(scale);
    for (int64_t i = 0; i < out->many; i++)
        if (!isfinite(((const float *)scale->data)[i])) return false;
    return out->many == 1 || pln_axis_normalize(pln_node_int(graph, node, "axis"), rank, &out->axis);
}

/* What the value is dequantized from, as f32. */
static bool read_dequantized(const struct pln_graph *graph, uint32_t value, struct bytes *out)
{
    const uint32_t node = value == PLN_NONE ? PLN_NONE : pln_made_by(graph, value, PLN_OP_DEQUANTIZE_LINEAR, 0);
    *out = (struct bytes){ .value = PLN_NONE };
    if (node == PLN_NONE || type_of(graph, value)->dtype != PLN_F32 || type_of(graph, value)->rank < 1) return false;
    out->value = input(graph, node, 0);
    out->dtype = type_of(graph, out->value)->dtype;
    return is_byte(out->dtype) && read_parameters(graph, node, type_of(graph, value)->rank, out);
}

static bool read_quantized(const struct pln_graph *graph, uint32_t node, struct bytes *out)
{
    const int64_t precision = pln_node_int(graph, node, "precision");
    *out = (struct bytes){ .value = pln_graph_node(graph, node)->outputs[0] };
    out->dtype = type_of(graph, out->value)->dtype;
    return is_byte(out->dtype) && (precision == 0 || precision == PLN_F32) && read_parameters(graph, node, type_of(graph, out->value)->rank, out) && out->many == 1;
}

static double scale_at(const struct pln_graph *graph, const struct bytes *b, int64_t i)
{
    return pln_load_f64(PLN_F32, data_of(graph, b->scale)->data, b->many == 1 ? 0 : i);
}

/* The zero point, or a new one that is 0. */
static uint32_t zero_of(struct pln_rewrite *rw, const struct bytes *b)
{
    uint32_t made;
    if (b->zero != PLN_NONE) return b->zero;
    int8_t *data = pln_rewrite_constant(rw, NULL, b->dtype, 0, NULL, &made);
    if (!data) return PLN_NONE;
    *data = 0;
    return made;
}

/* ---- convolutions ---- */

/* The bias in units of the sums, as QLinearConv has it; PLN_NONE: it has fractions, or is not known. */
static uint32_t whole_bias(struct pln_rewrite *rw, uint32_t bias, const struct bytes *x, const struct bytes *w, int64_t outputs)
{
    struct pln_graph *graph = rw->graph;
    const uint32_t made_by = pln_made_by(graph, bias, PLN_OP_DEQUANTIZE_LINEAR, 0);
    const struct pln_tensor *numbers = made_by != PLN_NONE ? data_of(graph, input(graph, made_by, 0)) : data_of(graph, bias);
    struct bytes own = { .many = 1 };
    uint32_t made;
    if (!numbers || numbers->rank != 1 || numbers->dims[0] != outputs || numbers->dtype != (made_by != PLN_NONE ? PLN_I32 : PLN_F32)) return PLN_NONE;
    if (made_by != PLN_NONE && (!read_parameters(graph, made_by, 1, &own) || (own.zero != PLN_NONE && !pln_constant_is(graph, own.zero, 0)))) return PLN_NONE;
    int32_t *data = pln_rewrite_constant(rw, NULL, PLN_I32, 1, &outputs, &made);
    if (!data) return PLN_NONE;
    for (int64_t i = 0; i < outputs; i++) {
        const double unit = scale_at(graph, x, 0) * scale_at(graph, w, i), number = pln_load_f64(numbers->dtype, numbers->data, i);
        const double whole = made_by != PLN_NONE ? number : nearbyint(number / unit), value = made_by != PLN_NONE ? number * scale_at(graph, &own, i) : number;
        /* Scales were multiplied and rounded in f32. */
        if (!(fabs(whole) <= INT32_MAX) || !(fabs(whole * unit - value) <= 0x1p-20 * fabs(value))) return PLN_NONE;
        data[i] = (int32_t)whole;
    }
    return made;
}

/* Is the weights' form one that kernels for bytes take? */
static bool fits_convolution(const struct pln_graph *graph, const struct bytes *x, const struct bytes *w)
{
    const struct pln_tensor *weights = data_of(graph, w->value);
    double taps = 1;
    if (!weights || weights->rank < 3 || weights->rank > 5 || x->many != 1 || (w->many != 1 && (w->axis != 0 || w->many != weights->dims[0]))) return false;
    for (int d = 2; d < weights->rank; d++) taps *= (double)weights->dims[d];
    return taps <= TAPS_MOST && taps * (double)weights->dims[1] <= K_MOST;
}

/* Pixels of an image whose extents are all known; else -1. */
static int64_t pixels_of(const struct pln_graph *graph, uint32_t value)
{
    const struct pln_type *type = type_of(graph, value);
    int64_t pixels = 1, extent;
    for (int d = 2; d < type->rank; d++)
        if (!pln_dim_value(&graph->dims, type->dims[d], &extent) || !pln_mul_i64(pixels, extent, &pixels)) return -1;
    return pixels;
}

static bool quantize_convolution(struct pln_rewrite *rw, uint32_t node, uint32_t conv, const struct bytes *y)
{
    struct pln_graph *graph = rw->graph;
    struct bytes x, w;
    if (!read_dequantized(graph, input(graph, conv, 0), &x) || !read_dequantized(graph, input(graph, conv, 1), &w) || !fits_convolution(graph, &x, &w)) return false;
    const int64_t pixels = pixels_of(graph, y->value);
    if (pixels >= 0 && pixels < PIXELS_LEAST) return false;
    const uint32_t bias = input(graph, conv, 2);
    uint32_t inputs[9] = { x.value, x.scale, zero_of(rw, &x), w.value, w.scale, zero_of(rw, &w), y->scale, zero_of(rw, y), PLN_NONE };
    if (bias != PLN_NONE) inputs[8] = whole_bias(rw, bias, &x, &w, data_of(graph, w.value)->dims[0]);
    if (inputs[2] == PLN_NONE || inputs[5] == PLN_NONE || inputs[7] == PLN_NONE || (bias != PLN_NONE && inputs[8] == PLN_NONE)) return false;
    const uint32_t made = pln_rewrite_insert(rw, node, PLN_OP_QLINEAR_CONV, 0, inputs, bias != PLN_NONE ? 9 : 8, node);
    if (made == PLN_NONE || !pln_attrs_copy(&pln_graph_node(graph, made)->attrs, &graph->arena, &pln_graph_node(graph, conv)->attrs) || !pln_rewrite_infer(rw, made)) return false;
    (void)pln_graph_node_inherit(graph, made, conv);
    return pln_rewrite_replace(rw, node, made);
}

/* ---- products ---- */

/* A constant matrix with rows as columns. */
static uint32_t turned(struct pln_rewrite *rw, uint32_t matrix)
{
    const struct pln_tensor from = *data_of(rw->graph, matrix);
    const int64_t dims[2] = { from.dims[1], from.dims[0] };
    uint32_t made;
    uint8_t *data = pln_rewrite_constant(rw, pln_graph_value(rw->graph, matrix)->name, from.dtype, 2, dims, &made);
    if (!data) return PLN_NONE;
    for (int64_t i = 0; i < dims[0]; i++)
        for (int64_t j = 0; j < dims[1]; j++) data[i * dims[1] + j] = ((const uint8_t *)from.data)[j * dims[0] + i];
    return made;
}

/* Operands of a MatMul or Gemm; b turned where it has to be. */
static bool read_product(struct pln_rewrite *rw, uint32_t node, struct bytes *a, struct bytes *b)
{
    struct pln_graph *graph = rw->graph;
    const bool gemm = pln_graph_node(graph, node)->op == PLN_OP_GEMM;
    bool turns = gemm && pln_node_int(graph, node, "transB") != 0;
    int64_t perm[PLN_MAX_RANK], k;
    uint32_t right = input(graph, node, 1);
    const uint32_t transpose = pln_made_by(graph, right, PLN_OP_TRANSPOSE, 0);
    if ((gemm && !pln_is_plain_gemm(graph, node)) || !read_dequantized(graph, input(graph, node, 0), a) || a->many != 1 || type_of(graph, input(graph, node, 0))->rank < 2) return false;
    if (transpose != PLN_NONE && type_of(graph, right)->rank == 2 && pln_read_perm(graph, transpose, 2, perm)) {
        turns = turns != (perm[0] == 1);
        right = input(graph, transpose, 0);
    }
    if (!read_dequantized(graph, right, b)) return false;
    const struct pln_type *type = type_of(graph, right);
    if (type->rank < 2 || (turns && (type->rank != 2 || !data_of(graph, b->value)))) return false;
    const int columns = turns ? 0 : type->rank - 1, rows = turns ? 1 : type->rank - 2;
    if (b->many != 1 && (type->rank != 2 || b->axis != columns)) return false;
    if (data_of(graph, b->value) && type->rank != 2) return false;
    if (!pln_dim_value(&graph->dims, type->dims[rows], &k) || k > K_MOST) return false;
    if (turns) b->value = turned(rw, b->value);
    return b->value != PLN_NONE;
}

static bool quantize_product(struct pln_rewrite *rw, uint32_t node, uint32_t product, const struct bytes *y)
{
    struct pln_graph *graph = rw->graph;
    struct bytes a, b;
    if (input(graph, product, 2) != PLN_NONE || !read_product(rw, product, &a, &b)) return false;
    const uint32_t inputs[8] = { a.value, a.scale, zero_of(rw, &a), b.value, b.scale, zero_of(rw, &b), y->scale, zero_of(rw, y) };
    if (inputs[2] == PLN_NONE || inputs[5] == PLN_NONE || inputs[7] == PLN_NONE) return false;
    const uint32_t made = pln_rewrite_insert(rw, node, PLN_OP_QLINEAR_MATMUL, 0, inputs, 8, node);
    if (made == PLN_NONE || !pln_rewrite_infer(rw, made)) return false;
    (void)pln_graph_node_inherit(graph, made, product);
    return pln_rewrite_replace(rw, node, made);
}

/* a_scale b_scale of each column, or of all. */
static uint32_t product_scale(struct pln_rewrite *rw, const struct bytes *a, const struct bytes *b)
{
    uint32_t made;
    float *data = pln_rewrite_constant(rw, NULL, PLN_F32, b->many == 1 ? 0 : 1, &b->many, &made);
    for (int64_t i = 0; data && i < b->many; i++) data[i] = (float)(scale_at(rw->graph, a, 0) * scale_at(rw->graph, b, i));
    return data ? made : PLN_NONE;
}

/* A product whose result stays f32, and the bias of a Gemm behind it. */
static bool scale_product(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    const unsigned op = pln_graph_node(graph, node)->op;
    struct bytes a, b;
    if ((op != PLN_OP_MATMUL && op != PLN_OP_GEMM) || !read_product(rw, node, &a, &b)) return false;
    const uint32_t inputs[4] = { a.value, b.value, zero_of(rw, &a), zero_of(rw, &b) }, scale = product_scale(rw, &a, &b), c = op == PLN_OP_GEMM ? input(graph, node, 2) : PLN_NONE;
    if (inputs[2] == PLN_NONE || inputs[3] == PLN_NONE || scale == PLN_NONE) return false;
    const uint32_t sums = pln_rewrite_emit(rw, node, PLN_OP_MATMUL_INTEGER, 0, inputs, 4, node);
    if (sums == PLN_NONE) return false;
    const uint32_t cast = pln_rewrite_insert(rw, node, PLN_OP_CAST, 0, &sums, 1, node);
    if (cast == PLN_NONE || !pln_attrs_set_int(&pln_graph_node(graph, cast)->attrs, &graph->arena, "to", PLN_F32) || !pln_rewrite_infer(rw, cast)) return false;
    uint32_t made = pln_rewrite_insert(rw, node, PLN_OP_ELEMENTWISE, PLN_EW_MUL, (uint32_t[]){ pln_graph_node(graph, cast)->outputs[0], scale }, 2, node);
    if (made == PLN_NONE || !pln_rewrite_infer(rw, made)) return false;
    if (c != PLN_NONE) {
        made = pln_rewrite_insert(rw, node, PLN_OP_ELEMENTWISE, PLN_EW_ADD, (uint32_t[]){ pln_graph_node(graph, made)->outputs[0], c }, 2, node);
        if (made == PLN_NONE || !pln_rewrite_infer(rw, made)) return false;
    }
    return pln_rewrite_replace(rw, node, made);
}

/* ---- the largest of bytes, which floats hold: kernels for pools are of f32 ---- */

/* Is there an element in every window? One that lies in the padding alone gives the least number of its type, and the types differ in it. */
static bool sees_elements(const struct pln_graph *graph, uint32_t pool)
{
    const struct pln_attrs *attrs = &pln_graph_node(graph, pool)->attrs;
    const int64_t *kernel, *pads, *dilations, n = pln_attrs_ints(attrs, "kernel_shape", &kernel), n_pads = pln_attrs_ints(attrs, "pads", &pads), n_dilations = pln_attrs_ints(attrs, "dilations", &dilations);
    for (int64_t i = 0; i < n_dilations; i++)
        if (dilations[i] != 1) return false;
    for (int64_t i = 0; i < n_pads; i++)
        if (n < 1 || pads[i] >= kernel[i % n]) return false;
    return true;
}

static bool pool_floats(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    const struct pln_node n = *pln_graph_node(graph, node);
    if (n.op != PLN_OP_POOL || n.kind != PLN_POOL_MAX || n.n_outputs != 1 || !is_byte(type_of(graph, n.inputs[0])->dtype) || !sees_elements(graph, node)) return false;
    uint32_t value = n.inputs[0];
    const enum pln_dtype dtype = type_of(graph, value)->dtype;
    const uint32_t floats = pln_rewrite_insert(rw, node, PLN_OP_CAST, 0, &value, 1, node);
    if (floats == PLN_NONE || !pln_attrs_set_int(&pln_graph_node(graph, floats)->attrs, &graph->arena, "to", PLN_F32) || !pln_rewrite_infer(rw, floats)) return false;
    value = pln_graph_node(graph, floats)->outputs[0];
    const uint32_t pool = pln_rewrite_insert(rw, node, PLN_OP_POOL, n.kind, &value, 1, node);
    if (pool == PLN_NONE || !pln_attrs_copy(&pln_graph_node(graph, pool)->attrs, &graph->arena, &n.attrs) || !pln_rewrite_infer(rw, pool)) return false;
    value = pln_graph_node(graph, pool)->outputs[0];
    const uint32_t made = pln_rewrite_insert(rw, node, PLN_OP_CAST, 0, &value, 1, node);
    if (made == PLN_NONE || !pln_attrs_set_int(&pln_graph_node(graph, made)->attrs, &graph->arena, "to", dtype) || !pln_rewrite_infer(rw, made)) return false;
    return pln_rewrite_replace(rw, node, made);
}

/* ---- rules ---- */

/* The least number of the type stands for 0: what is below it is cut off by quantizing, too. */
static bool cuts_negatives(const struct pln_graph *graph, const struct bytes *y)
{
    if (!(scale_at(graph, y, 0) > 0)) return false;
    return y->zero == PLN_NONE ? y->dtype == PLN_U8 : pln_constant_is(graph, y->zero, y->dtype == PLN_U8 ? 0 : -128);
}

static bool quantize(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    struct bytes y;
    if (pln_graph_node(graph, node)->op != PLN_OP_QUANTIZE_LINEAR || !read_quantized(graph, node, &y)) return false;
    uint32_t value = input(graph, node, 0);
    if (!pln_used_once(graph, value)) return false;
    const uint32_t relu = pln_made_by_ew(graph, value, PLN_EW_RELU);
    if (relu != PLN_NONE) {
        value = input(graph, relu, 0);
        if (!cuts_negatives(graph, &y) || !pln_used_once(graph, value)) return false;
    }
    const uint32_t conv = pln_made_by(graph, value, PLN_OP_CONV, 0), matmul = pln_made_by(graph, value, PLN_OP_MATMUL, 0), gemm = pln_made_by(graph, value, PLN_OP_GEMM, 0);
    if (conv != PLN_NONE) return quantize_convolution(rw, node, conv, &y);
    return (matmul != PLN_NONE || gemm != PLN_NONE) && quantize_product(rw, node, matmul != PLN_NONE ? matmul : gemm, &y);
}

enum pln_status pln_pass_quantized(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    bool scaled = false, pooled = false;
    (void)diag;
    /* A GPU's kernels for bytes are no faster than those for floats. */
    if (graph->offloaded) return PLN_OK;
    PLN_TRY(pln_rewrite_run(graph, scratch, quantize, out_changed));
    PLN_TRY(pln_rewrite_run(graph, scratch, scale_product, &scaled));
    PLN_TRY(pln_rewrite_run(graph, scratch, pool_floats, &pooled));
    *out_changed = *out_changed || scaled || pooled;
    return PLN_OK;
}
