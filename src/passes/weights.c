/* Quantized weights. Products take them as they are: a DequantizeLinear of a constant in front of a product becomes the op matmul_blocks, whose
 * kernels read 4 or 8 bits a weight where floats are 32. Signed weights become unsigned ones with larger offsets; two bits become four. Those of
 * convolutions become floats, as kernels that know their weights are faster than those that dequantize them in each run. */
#include "passes/rewrite.h"
#include "tensor/convert.h"

enum pln_status pln_pass_weights(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);

#define WEIGHT_TYPES (PLN_MASK(PLN_U2) | PLN_MASK(PLN_I2) | PLN_MASK(PLN_U4) | PLN_MASK(PLN_I4) | PLN_MASK(PLN_U8) | PLN_MASK(PLN_I8))

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

/* Weights of a product, and where their parts lie: element (column j, row k) of the numbers at j * column + k * row, the scale and zero
 * point of its block at j * block_column + k / block * block_row. */
struct weights {
    uint32_t numbers_value;
    const struct pln_tensor *numbers, *scale, *zero; /* zero NULL: 0 */
    int64_t n, k, column, row;
    int64_t block, block_column, block_row;
};

/* The parts of a dequantized matrix; k_dim: which of its dims the product sums over. */
static bool read_weights(const struct pln_graph *graph, uint32_t node, int k_dim, struct weights *out)
{
    int axis;
    *out = (struct weights){ .numbers_value = input(graph, node, 0), .numbers = data_of(graph, input(graph, node, 0)), .scale = data_of(graph, input(graph, node, 1)), .zero = data_of(graph, input(graph, node, 2)) };
    const struct pln_tensor *q = out->numbers, *scale = out->scale;
    if (!q || !scale || q->rank != 2 || !(WEIGHT_TYPES & PLN_MASK(q->dtype)) || scale->dtype != PLN_F32 || (input(graph, node, 2) != PLN_NONE && !out->zero)) return false;
    if (!pln_axis_normalize(pln_node_int(graph, node, "axis"), 2, &axis) || (out->zero && !pln_tensor_same_shape(out->zero, scale))) return false;
    out->k = q->dims[k_dim];
    out->n = q->dims[1 - k_dim];
    out->row = k_dim == 0 ? out->n : 1;
    out->column = k_dim == 0 ? 1 : out->k;
    out->block = pln_node_int(graph, node, "block_size");
    if (out->n < 1 || out->k < 1) return false;
    if (scale->rank == 2) { /* a block's */
        const int64_t blocks = out->block > 0 ? out->k / out->block + (out->k % out->block != 0) : 0;
        out->block_row = k_dim == 0 ? out->n : 1;
        out->block_column = k_dim == 0 ? 1 : blocks;
        return axis == k_dim && out->block > 0 && scale->dims[k_dim] == blocks && scale->dims[1 - k_dim] == out->n;
    }
    if (out->block != 0) return false;
    out->block = out->k;
    if (pln_tensor_count(scale) == 1) return scale->rank == 0 || axis != k_dim || out->k == 1;
    out->block_column = 1; /* a column's */
    return axis != k_dim && scale->rank == 1 && scale->dims[0] == out->n;
}

/* Added to signed numbers so that they are unsigned. */
static int64_t bias_of(enum pln_dtype dtype)
{
    return !pln_dtype_is_signed(dtype) ? 0 : dtype == PLN_I8 ? 128 : dtype == PLN_I4 ? 8 : 2;
}

/* [n,k] of u4 or u8: the constant itself where it is one. */
static uint32_t make_numbers(struct pln_rewrite *rw, const struct weights *w)
{
    const enum pln_dtype from = w->numbers->dtype, to = pln_dtype_bits(from) <= 4 ? PLN_U4 : PLN_U8;
    const int64_t dims[2] = { w->n, w->k }, bias = bias_of(from);
    uint32_t made;
    if (from == to && w->row == 1) return w->numbers_value;
    void *data = pln_rewrite_constant(rw, NULL, to, 2, dims, &made);
    if (!data) return PLN_NONE;
    for (int64_t j = 0; j < w->n; j++)
        for (int64_t k = 0; k < w->k; k++) pln_store_i64(to, data, j * w->k + k, pln_load_i64(from, w->numbers->data, j * w->column + k * w->row) + bias);
    return made;
}

/* One number a block and column, [blocks,n], of a scale or of a zero point (NULL: 0). */
static uint32_t make_blocks(struct pln_rewrite *rw, const struct weights *w, const struct pln_tensor *from, int64_t bias)
{
    const int64_t dims[2] = { w->k / w->block + (w->k % w->block != 0), w->n };
    uint32_t made;
    float *data = pln_rewrite_constant(rw, NULL, PLN_F32, 2, dims, &made);
    if (!data) return PLN_NONE;
    for (int64_t b = 0; b < dims[0]; b++)
        for (int64_t j = 0; j < w->n; j++) data[b * w->n + j] = (float)((from ? pln_load_f64(from->dtype, from->data, j * w->block_column + b * w->block_row) : 0) + (double)bias);
    return made;
}

/* The dequantized matrix that is input 1 of a product, as it is or turned; PLN_NONE: it is none. out_k_dim: which of its dims is summed over. */
static uint32_t dequantized(const struct pln_graph *graph, uint32_t node, int k_dim, int *out_k_dim)
{
    int64_t perm[PLN_MAX_RANK];
    uint32_t w = input(graph, node, 1), transpose = pln_made_by(graph, w, PLN_OP_TRANSPOSE, 0);
    *out_k_dim = k_dim;
    if (w == PLN_NONE || type_of(graph, w)->rank != 2) return PLN_NONE;
    if (transpose != PLN_NONE && pln_read_perm(graph, transpose, 2, perm)) {
        if (perm[0] == 1) *out_k_dim = 1 - k_dim;
        w = input(graph, transpose, 0);
    }
    return pln_made_by(graph, w, PLN_OP_DEQUANTIZE_LINEAR, 0);
}

static bool fold_weights(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    const uint32_t value = input(graph, node, 1), made_by = pln_made_by(graph, value, PLN_OP_DEQUANTIZE_LINEAR, 0);
    struct pln_tensor result;
    size_t bytes;
    if (made_by == PLN_NONE) return false;
    for (uint32_t i = 0; i < pln_graph_node(graph, made_by)->n_inputs; i++)
        if (input(graph, made_by, i) != PLN_NONE && !data_of(graph, input(graph, made_by, i))) return false;
    const struct pln_tensor *numbers = data_of(graph, input(graph, made_by, 0));
    if (!pln_shape_bytes(type_of(graph, value)->dtype, numbers->rank, numbers->dims, &bytes)) return false;
    const enum pln_status status = pln_op_fold(graph, made_by, bytes, NULL, &result);
    if (status == PLN_NO_MEMORY) graph->failed = true;
    if (status != PLN_OK) return false;
    pln_graph_set_constant(graph, value, &result);
    pln_graph_remove_node(graph, made_by);
    return true;
}

static bool rule(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    const struct pln_node *n = pln_graph_node(graph, node);
    if (n->op == PLN_OP_CONV || n->op == PLN_OP_CONV_TRANSPOSE) return fold_weights(rw, node);
    const bool gemm = n->op == PLN_OP_GEMM;
    struct weights w;
    int k_dim;
    if ((!gemm && n->op != PLN_OP_MATMUL) || pln_attrs_has(&n->attrs, "epilogue") || (gemm && !pln_is_plain_gemm(graph, node))) return false;
    const struct pln_type *x = type_of(graph, n->inputs[0]);
    if (x->dtype != PLN_F32 || x->rank < 2) return false;
    uint32_t made_by = dequantized(graph, node, gemm && pln_node_int(graph, node, "transB") != 0 ? 1 : 0, &k_dim);
    if (made_by == PLN_NONE || !read_weights(graph, made_by, k_dim, &w)) return false;
    const uint32_t c = gemm ? input(graph, node, 2) : PLN_NONE;
    const uint32_t inputs[4] = { n->inputs[0], make_numbers(rw, &w), make_blocks(rw, &w, w.scale, 0), make_blocks(rw, &w, w.zero, bias_of(w.numbers->dtype)) };
    if (inputs[1] == PLN_NONE || inputs[2] == PLN_NONE || inputs[3] == PLN_NONE) return false;
    uint32_t made = pln_rewrite_insert(rw, node, PLN_OP_MATMUL_BLOCKS, 0, inputs, 4, node);
    if (made == PLN_NONE || !pln_attrs_set_int(&pln_graph_node(graph, made)->attrs, &graph->arena, "block", w.block) || !pln_rewrite_infer(rw, made)) return false;
    (void)pln_graph_node_inherit(graph, made, made_by);
    if (c != PLN_NONE) {
        made = pln_rewrite_insert(rw, node, PLN_OP_ELEMENTWISE, PLN_EW_ADD, (uint32_t[]){ pln_graph_node(graph, made)->outputs[0], c }, 2, node);
        if (made == PLN_NONE || !pln_rewrite_infer(rw, made)) return false;
    }
    return pln_rewrite_replace(rw, node, made);
}

enum pln_status pln_pass_weights(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    (void)diag;
    /* A GPU's kernels take dequantized weights. */
    return graph->offloaded ? PLN_OK : pln_rewrite_run(graph, scratch, rule, out_changed);
}
