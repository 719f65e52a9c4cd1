/* Operators of ai.onnx.ml that are arithmetic: Scaler is a difference and a product, LinearRegressor a product of matrices and a sum, LinearClassifier the
 * same and the label of the largest score. As such they are fused with what is around them, and have kernels. Lists become constants. */
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

/* ---- LinearClassifier ---- */

/* The label of the largest score of each row: labels may be the numbers of the columns. PLN_NONE: no memory. */
static uint32_t largest(struct pln_rewrite *rw, uint32_t node, uint32_t scores, const int64_t *labels, int64_t n)
{
    struct pln_graph *graph = rw->graph;
    bool counted = true;
    uint32_t list;
    const uint32_t made = pln_rewrite_insert(rw, node, PLN_OP_ARG_REDUCE, PLN_ARG_REDUCE_MAX, &scores, 1, node);
    if (made == PLN_NONE || !pln_attrs_set_int(&pln_graph_node(graph, made)->attrs, &graph->arena, "axis", 1) ||
        !pln_attrs_set_int(&pln_graph_node(graph, made)->attrs, &graph->arena, "keepdims", 0) || !pln_rewrite_infer(rw, made))
        return PLN_NONE;
    const uint32_t column = pln_graph_node(graph, made)->outputs[0];
    for (int64_t i = 0; i < n; i++) counted = counted && labels[i] == i;
    if (counted) return column;
    int64_t *data = pln_rewrite_constant(rw, NULL, PLN_I64, 1, &n, &list);
    if (!data) return PLN_NONE;
    memcpy(data, labels, (size_t)n * sizeof *labels);
    return pln_rewrite_emit(rw, node, PLN_OP_GATHER, 0, (uint32_t[]){ list, column }, 2, node);
}

/* PLN_NONE: a transform that is no operator. */
static uint32_t transformed(struct pln_rewrite *rw, uint32_t node, uint32_t scores)
{
    const char *transform = pln_node_string(rw->graph, node, "post_transform");
    if (strcmp(transform, "NONE") == 0) return scores;
    if (strcmp(transform, "LOGISTIC") == 0) return pln_rewrite_emit(rw, node, PLN_OP_ELEMENTWISE, PLN_EW_SIGMOID, &scores, 1, node);
    return strcmp(transform, "SOFTMAX") == 0 ? pln_rewrite_emit(rw, node, PLN_OP_SOFTMAX, PLN_SOFTMAX_SOFTMAX, &scores, 1, node) : PLN_NONE;
}

/* Of numbers as labels, as many as there are scores; one score for two labels is the reference's. */
static bool classify(struct pln_rewrite *rw, uint32_t node, uint32_t x, int64_t features)
{
    struct pln_graph *graph = rw->graph;
    const int64_t *labels;
    const float *intercepts;
    const int64_t n = pln_attrs_ints(&pln_graph_node(graph, node)->attrs, "classlabels_ints", &labels);
    const int64_t n_intercepts = pln_attrs_floats(&pln_graph_node(graph, node)->attrs, "intercepts", &intercepts);
    if (n < 2 || (n_intercepts != 0 && n_intercepts != n) || pln_graph_value(graph, x)->type.rank != 2 || pln_graph_node(graph, node)->n_outputs != 2) return false;
    const uint32_t sums = with_list(rw, node, PLN_EW_ADD, product(rw, node, x, features, n), "intercepts", n), scores = sums == PLN_NONE ? PLN_NONE : transformed(rw, node, sums);
    const uint32_t label = scores == PLN_NONE ? PLN_NONE : largest(rw, node, sums, labels, n);
    if (label == PLN_NONE) return false;
    const uint32_t by[2] = { pln_graph_value(graph, label)->producer, pln_graph_value(graph, scores)->producer };
    const uint32_t outputs[2] = { pln_graph_node(graph, node)->outputs[0], pln_graph_node(graph, node)->outputs[1] };
    if ((outputs[0] != PLN_NONE && !pln_same_type(graph, label, outputs[0])) || (outputs[1] != PLN_NONE && !pln_same_type(graph, scores, outputs[1]))) return false;
    if (scores == sums && outputs[1] != PLN_NONE) pln_graph_replace_uses(graph, scores, outputs[1]); /* the label's, too */
    if (!pln_rewrite_take_output(rw, node, 1, by[1], 0) || !pln_rewrite_take_output(rw, node, 0, by[0], 0)) return false;
    pln_graph_remove_node(graph, node);
    return true;
}

static bool rule(struct pln_rewrite *rw, uint32_t node)
{
    const struct pln_graph *graph = rw->graph;
    const unsigned op = pln_graph_node(graph, node)->op;
    uint32_t x, made;
    int64_t features;
    if ((op != PLN_OP_SCALER && op != PLN_OP_LINEAR_REGRESSOR && op != PLN_OP_LINEAR_CLASSIFIER) || !read_rows(graph, node, &x, &features)) return false;
    if (op == PLN_OP_LINEAR_CLASSIFIER) return classify(rw, node, x, features);
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
