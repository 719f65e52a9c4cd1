/* Operators of ai.onnx.ml that are arithmetic: Scaler is a difference and a product, LinearRegressor a product of matrices and a sum. As such they are
 * fused with what is around them, and have kernels. Lists of floats become constants. */
#include "passes/rewrite.h"

enum pln_status pln_pass_features(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);

/* The input of f32 and how many features a row of it has; false: that is not known. */
static bool read_rows(const struct pln_graph *graph, uint32_t node, uint32_t *out_x, int64_t *out_features)
{
    *out_x = pln_graph_node(graph, node)->inputs[0];
    const struct pln_type *x = &pln_graph_value(graph, *out_x)->type;
    return x->kind == PLN_TENSOR && x->dtype == PLN_F32 && x->rank >= 1 && pln_dim_value(&graph->dims, x->dims[x->rank - 1], out_features) && *out_features > 0;
}

/* x `kind` the list, one number a column or one for all. PLN_NONE: the list does not fit. Without a list: x. */
static uint32_t with_list(struct pln_rewrite *rw, uint32_t node, enum pln_ew kind, uint32_t x, const char *name, int64_t columns)
{
    const float *values;
    uint32_t list;
    const int64_t n = pln_attrs_floats(&pln_graph_node(rw->graph, node)->attrs, name, &values);
    if (n == 0 || x == PLN_NONE) return x;
    if (n != 1 && n != columns) return PLN_NONE;
    float *data = pln_rewrite_constant(rw, NULL, PLN_F32, 1, &n, &list);
    if (!data) return PLN_NONE;
    memcpy(data, values, (size_t)n * sizeof *values);
    return pln_rewrite_emit(rw, node, PLN_OP_ELEMENTWISE, kind, (uint32_t[]){ x, list }, 2, node);
}

/* Rows times the coefficients, [targets, features] in the list. */
static uint32_t product(struct pln_rewrite *rw, uint32_t node, uint32_t x, int64_t features, int64_t targets)
{
    const float *values;
    uint32_t matrix;
    int64_t n;
    if (targets < 1 || !pln_mul_i64(features, targets, &n) || pln_attrs_floats(&pln_graph_node(rw->graph, node)->attrs, "coefficients", &values) != n) return PLN_NONE;
    float *data = pln_rewrite_constant(rw, NULL, PLN_F32, 2, (const int64_t[]){ features, targets }, &matrix);
    if (!data) return PLN_NONE;
    for (int64_t t = 0; t < targets; t++)
        for (int64_t f = 0; f < features; f++) data[f * targets + t] = values[t * features + f];
    return pln_rewrite_emit(rw, node, PLN_OP_MATMUL, 0, (uint32_t[]){ x, matrix }, 2, node);
}

static bool rule(struct pln_rewrite *rw, uint32_t node)
{
    const struct pln_graph *graph = rw->graph;
    const unsigned op = pln_graph_node(graph, node)->op;
    uint32_t x, made;
    int64_t features;
    if ((op != PLN_OP_SCALER && op != PLN_OP_LINEAR_REGRESSOR) || !read_rows(graph, node, &x, &features)) return false;
    if (op == PLN_OP_SCALER) {
        made = with_list(rw, node, PLN_EW_SUB, x, "offset", features);
        made = with_list(rw, node, PLN_EW_MUL, made, "scale", features);
    } else {
        const int64_t targets = pln_node_int(graph, node, "targets");
        const float *intercepts;
        const int64_t n = pln_attrs_floats(&pln_graph_node(graph, node)->attrs, "intercepts", &intercepts);
        if (pln_graph_value(graph, x)->type.rank != 2 || strcmp(pln_node_string(graph, node, "post_transform"), "NONE") != 0 || (n != 0 && n != targets)) return false;
        made = with_list(rw, node, PLN_EW_ADD, product(rw, node, x, features, targets), "intercepts", targets);
    }
    if (made == PLN_NONE || made == x) return false;
    return pln_rewrite_replace(rw, node, pln_graph_value(graph, made)->producer);
}

enum pln_status pln_pass_features(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    (void)diag;
    return pln_rewrite_run(graph, scratch, rule, out_changed);
}
