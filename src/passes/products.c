/* Products in their plain form: a Gemm between reshapes is a product of matrices with rows in several dims, and rows may be permuted behind
 * the product as well as in front of it. Then biases, activations and residuals stand right behind it. */
#include "passes/rewrite.h"

enum pln_status pln_pass_products(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);

static const struct pln_type *type_of(const struct pln_graph *graph, uint32_t value)
{
    return &pln_graph_value(graph, value)->type;
}

static uint32_t input(const struct pln_graph *graph, uint32_t node, uint32_t i)
{
    return i < pln_graph_node(graph, node)->n_inputs ? pln_graph_node(graph, node)->inputs[i] : PLN_NONE;
}

/* A constant matrix as columns are wanted: folded at once. */
static uint32_t turned(struct pln_rewrite *rw, uint32_t matrix)
{
    struct pln_graph *graph = rw->graph;
    const struct pln_tensor from = *pln_graph_value(graph, matrix)->data;
    int64_t dims[2] = { from.dims[1], from.dims[0] };
    uint32_t made;
    struct pln_tensor to, view = from;
    void *data = pln_rewrite_constant(rw, pln_graph_value(graph, matrix)->name, from.dtype, 2, dims, &made);
    if (!data) return PLN_NONE;
    pln_tensor_init(&to, from.dtype, 2, dims, data);
    view.dims[0] = dims[0];
    view.dims[1] = dims[1];
    view.strides[0] = 1;
    view.strides[1] = dims[0];
    pln_tensor_copy(&view, &to);
    return made;
}

/* reshape(gemm(a, b, c), [l…, n]) is matmul(reshape(a, [l…, k]), b) + c, where c is one row. */
static bool widen_gemm(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    struct pln_dim dims[PLN_MAX_RANK];
    uint32_t y = pln_graph_node(graph, node)->outputs[0], gemm = pln_made_by(graph, input(graph, node, 0), PLN_OP_GEMM, 0);
    if (gemm == PLN_NONE || !pln_used_once(graph, input(graph, node, 0)) || !pln_is_plain_gemm(graph, gemm) || pln_attrs_has(&pln_graph_node(graph, gemm)->attrs, "epilogue")) return false;
    uint32_t a = input(graph, gemm, 0), b = input(graph, gemm, 1), c = input(graph, gemm, 2);
    const struct pln_type *out = type_of(graph, y), *flat = type_of(graph, input(graph, node, 0));
    int rank = out->rank;
    bool transposed = pln_node_int(graph, gemm, "transB") != 0;
    if (rank < 3 || flat->rank != 2 || !pln_dim_same(&graph->dims, out->dims[rank - 1], flat->dims[1]) || !pln_graph_value(graph, b)->data) return false;
    if (transposed && (!pln_used_once(graph, b) || pln_dtype_bits(out->dtype) < 8)) return false;
    if (c != PLN_NONE && type_of(graph, c)->rank != 1 && !(type_of(graph, c)->rank == 2 && pln_dim_is(&graph->dims, type_of(graph, c)->dims[0], 1))) return false;
    for (int d = 0; d < rank - 1; d++) dims[d] = out->dims[d];
    dims[rank - 1] = type_of(graph, a)->dims[1];
    uint32_t wide = pln_rewrite_shaped(rw, node, a, rank, dims, gemm);
    if (wide == PLN_NONE) return false;
    if (transposed) b = turned(rw, b);
    if (b == PLN_NONE) return false;
    uint32_t made = pln_rewrite_insert(rw, node, PLN_OP_MATMUL, 0, (uint32_t[]){ wide, b }, 2, gemm);
    if (made == PLN_NONE || !pln_rewrite_infer(rw, made)) return false;
    (void)pln_graph_node_inherit(graph, made, node);
    if (c == PLN_NONE) return pln_rewrite_replace(rw, node, made);
    uint32_t sum = pln_rewrite_insert(rw, node, PLN_OP_ELEMENTWISE, PLN_EW_ADD, (uint32_t[]){ pln_graph_node(graph, made)->outputs[0], c }, 2, gemm);
    return sum != PLN_NONE && pln_rewrite_infer(rw, sum) && pln_rewrite_replace(rw, node, sum);
}

/* The transpose that makes input i and leaves the last dim in its place; PLN_NONE: there is none that only this node uses. */
static uint32_t row_transpose(const struct pln_graph *graph, uint32_t node, uint32_t i, int64_t *perm, int *out_rank)
{
    uint32_t x = input(graph, node, i), transpose = pln_made_by(graph, x, PLN_OP_TRANSPOSE, 0);
    *out_rank = type_of(graph, x)->rank;
    if (transpose == PLN_NONE || !pln_used_once(graph, x) || *out_rank < 3 || !pln_read_perm(graph, transpose, *out_rank, perm)) return PLN_NONE;
    return perm[*out_rank - 1] == *out_rank - 1 ? transpose : PLN_NONE;
}

/* All other inputs are rows, which a permutation of rows does not touch. Factors stay where they are: attention looks for them there. */
static bool others_are_rows(const struct pln_graph *graph, uint32_t node, uint32_t side)
{
    unsigned kind = pln_graph_node(graph, node)->kind;
    double number;
    if ((kind == PLN_EW_MUL || kind == PLN_EW_DIV) && pln_graph_scalar_f64(graph, input(graph, node, 1 - side), &number)) return false;
    for (uint32_t i = 0; i < pln_graph_node(graph, node)->n_inputs; i++)
        if (i != side && input(graph, node, i) != PLN_NONE && (type_of(graph, input(graph, node, i))->rank < 0 || type_of(graph, input(graph, node, i))->rank > 1)) return false;
    return true;
}

static bool sink_transpose(struct pln_rewrite *rw, uint32_t node, uint32_t side)
{
    struct pln_graph *graph = rw->graph;
    int64_t perm[PLN_MAX_RANK];
    int rank;
    uint32_t transpose = row_transpose(graph, node, side, perm, &rank), inputs[3];
    const struct pln_node *n = pln_graph_node(graph, node);
    if (transpose == PLN_NONE || n->n_inputs > 3 || n->n_outputs != 1 || pln_attrs_has(&n->attrs, "epilogue")) return false;
    for (uint32_t i = 0; i < n->n_inputs; i++) inputs[i] = n->inputs[i];
    inputs[side] = input(graph, transpose, 0);
    uint32_t made = pln_rewrite_insert(rw, node, n->op, n->kind, inputs, n->n_inputs, node);
    if (made == PLN_NONE || !pln_attrs_copy(&pln_graph_node(graph, made)->attrs, &graph->arena, &pln_graph_node(graph, node)->attrs) || !pln_rewrite_infer(rw, made)) return false;
    uint32_t back = pln_rewrite_transpose(rw, node, pln_graph_node(graph, made)->outputs[0], perm, rank, transpose);
    return back != PLN_NONE && pln_rewrite_replace(rw, node, pln_graph_value(graph, back)->producer);
}

static bool rule(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    const struct pln_node *n = pln_graph_node(graph, node);
    if (n->n_inputs == 0 || n->n_outputs == 0 || n->outputs[0] == PLN_NONE) return false;
    if (n->op == PLN_OP_RESHAPE) return widen_gemm(rw, node);
    if (n->op == PLN_OP_MATMUL) return pln_graph_value(graph, n->inputs[1])->data && type_of(graph, n->inputs[1])->rank == 2 && sink_transpose(rw, node, 0);
    if (n->op != PLN_OP_ELEMENTWISE) return false;
    for (uint32_t i = 0; i < n->n_inputs; i++)
        if (input(graph, node, i) != PLN_NONE && type_of(graph, input(graph, node, i))->rank > 1) return others_are_rows(graph, node, i) && sink_transpose(rw, node, i);
    return false;
}

enum pln_status pln_pass_products(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    (void)diag;
    return pln_rewrite_run(graph, scratch, rule, out_changed);
}
