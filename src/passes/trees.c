/* Tree ensembles of ai.onnx.ml become the op `trees`, whose table is a constant: their attributes, thousands of numbers, are read once, when a plan is
 * built. What the table has not (features or results other than f32, labels that are text, sets) stays as it is. */
#include "ops/trees.h"
#include "passes/rewrite.h"

enum pln_status pln_pass_trees(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);

/* The number of a word, or of a number told as such; -1: none of them. */
static int64_t find_word(const struct pln_attrs *attrs, const char *name, const char *const *words, int64_t fallback)
{
    const struct pln_attr *attr = pln_attrs_find(attrs, name);
    if (!attr) return fallback;
    for (int64_t i = 0; words[i]; i++)
        if (attr->kind == PLN_ATTR_INT ? attr->u.i == i : strcmp(pln_attrs_string(attrs, name, ""), words[i]) == 0) return i;
    return -1;
}

/* One number a target, in scratch; NULL with *out_fits: there are none. A single one of a regressor is that of all targets, of a classifier that of
 * the first of two classes. */
static float *read_base(struct pln_rewrite *rw, const struct pln_attrs *attrs, int64_t n_targets, bool classes, bool *out_fits)
{
    const float *values;
    int64_t n = pln_attrs_floats(attrs, "base_values", &values);
    const struct pln_attr *attr = pln_attrs_find(attrs, "base_values_as_tensor");
    *out_fits = true;
    if (n == 0 && attr && attr->kind == PLN_ATTR_TENSOR && pln_tensor_count(attr->u.tensor) > 0) {
        *out_fits = attr->u.tensor->dtype == PLN_F32 && attr->u.tensor->rank <= 1;
        values = attr->u.tensor->data;
        n = pln_tensor_count(attr->u.tensor);
    }
    if (n == 0) return NULL;
    *out_fits = *out_fits && (n == n_targets || (n == 1 && (!classes || n_targets == 2)));
    float *base = *out_fits ? pln_arena_array(rw->scratch, (size_t)n_targets, sizeof *base) : NULL;
    for (int64_t i = 0; base && i < n_targets; i++) base[i] = i < n ? values[i] : classes ? 0.0f : values[0];
    if (!base) *out_fits = false;
    return base;
}

/* The attributes of the new node; false: the old one's are none of the known words. */
static bool set_attrs(struct pln_graph *graph, uint32_t from, uint32_t to, const struct pln_trees_table *table, int64_t n_targets)
{
    static const char *const aggregates[] = { "AVERAGE", "SUM", "MIN", "MAX", NULL };
    static const char *const transforms[] = { "NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT", NULL };
    const struct pln_attrs *old = &pln_graph_node(graph, from)->attrs;
    struct pln_attrs *made = &pln_graph_node(graph, to)->attrs;
    const bool classes = pln_graph_node(graph, from)->op == PLN_OP_TREE_ENSEMBLE_CLASSIFIER;
    const int64_t aggregate = classes ? 1 : find_word(old, "aggregate_function", aggregates, 1), transform = find_word(old, "post_transform", transforms, 0);
    const int64_t split = classes && table->one_sided ? table->positive ? 2 : 1 : 0;
    const int64_t *labels;
    const int64_t n_labels = classes ? pln_attrs_ints(old, "classlabels_int64s", &labels) : 0;
    if (aggregate < 0 || transform < 0) return false;
    if (n_labels > 0 && !pln_attrs_set_ints(made, &graph->arena, "labels", labels, n_labels)) return false;
    return pln_attrs_set_int(made, &graph->arena, "aggregate", aggregate) && pln_attrs_set_int(made, &graph->arena, "transform", transform) &&
           pln_attrs_set_int(made, &graph->arena, "n_targets", n_targets) && pln_attrs_set_int(made, &graph->arena, "split", split);
}

static bool rule(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    const struct pln_node *n = pln_graph_node(graph, node);
    const bool classes = n->op == PLN_OP_TREE_ENSEMBLE_CLASSIFIER;
    const int64_t *labels;
    struct pln_trees_table table;
    bool fits;
    if ((!classes && n->op != PLN_OP_TREE_ENSEMBLE && n->op != PLN_OP_TREE_ENSEMBLE_REGRESSOR) || n->n_inputs != 1) return false;
    const struct pln_type *x = &pln_graph_value(graph, n->inputs[0])->type;
    const int64_t n_targets = classes ? pln_attrs_ints(&n->attrs, "classlabels_int64s", &labels) : pln_node_int(graph, node, "n_targets");
    if (x->kind != PLN_TENSOR || x->dtype != PLN_F32 || x->rank < 1 || n_targets < 1 || n_targets > INT32_MAX) return false;
    const float *base = read_base(rw, &n->attrs, n_targets, classes, &fits);
    if (!fits) return false;
    if (!pln_trees_table_make(graph, node, n_targets, rw->scratch, &table)) {
        /* Without this constant the plan would be another one. */
        if (table.no_memory) graph->failed = true;
        return false;
    }
    uint32_t words;
    void *data = pln_rewrite_constant(rw, NULL, PLN_I32, 1, &table.n_words, &words);
    if (!data) return false;
    memcpy(data, table.words, (size_t)table.n_words * sizeof *table.words);
    const uint32_t inputs[2] = { pln_graph_node(graph, node)->inputs[0], words };
    const uint32_t made = pln_graph_insert_node(graph, node, PLN_OP_TREES, 0, inputs, 2, classes ? 2 : 1);
    if (made == PLN_NONE || !pln_graph_node_inherit(graph, made, node)) return false; /* the graph has failed */
    const struct pln_attr own = { .name = "base", .kind = PLN_ATTR_FLOATS, .n = n_targets, .u.floats = base };
    if (!set_attrs(graph, node, made, &table, n_targets) || (base && !pln_attrs_set(&pln_graph_node(graph, made)->attrs, &graph->arena, &own))) {
        pln_graph_remove_node(graph, made);
        return false;
    }
    if (!pln_rewrite_infer(rw, made)) return false;
    if (!classes) return pln_rewrite_replace(rw, node, made);
    if (!pln_rewrite_take_output(rw, node, 1, made, 0) || !pln_rewrite_take_output(rw, node, 0, made, 1)) return false;
    pln_graph_remove_node(graph, node);
    return true;
}

enum pln_status pln_pass_trees(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    (void)diag;
    return pln_rewrite_run(graph, scratch, rule, out_changed);
}
