#include "ops/op.h"

/* Models of ai.onnx.ml: LinearClassifier-1, LinearRegressor-1, SVMClassifier-1, SVMRegressor-1, TreeEnsemble-5, TreeEnsembleClassifier-5,
 * TreeEnsembleRegressor-5. */
#define ML_NUMBERS (PLN_MASK(PLN_F32) | PLN_MASK(PLN_F64) | PLN_MASK(PLN_I64) | PLN_MASK(PLN_I32))

#define CLASSIFIER_LABELS { .name = "classlabels_ints", .kind = PLN_ATTR_INTS }, { .name = "classlabels_strings", .kind = PLN_ATTR_STRINGS }
#define POST_TRANSFORM { .name = "post_transform", .kind = PLN_ATTR_STRING, .s = "NONE" }
#define SVM_ATTRS                                                                                              \
    { .name = "coefficients", .kind = PLN_ATTR_FLOATS }, { .name = "kernel_params", .kind = PLN_ATTR_FLOATS }, \
        { .name = "kernel_type", .kind = PLN_ATTR_STRING, .s = "LINEAR" }, { .name = "rho", .kind = PLN_ATTR_FLOATS }, \
    { .name = "support_vectors", .kind = PLN_ATTR_FLOATS }
#define OLD_TREE_ATTRS                                                                                                           \
    { .name = "base_values", .kind = PLN_ATTR_FLOATS }, { .name = "base_values_as_tensor", .kind = PLN_ATTR_TENSOR },            \
        { .name = "nodes_falsenodeids", .kind = PLN_ATTR_INTS }, { .name = "nodes_featureids", .kind = PLN_ATTR_INTS },          \
        { .name = "nodes_hitrates", .kind = PLN_ATTR_FLOATS }, { .name = "nodes_hitrates_as_tensor", .kind = PLN_ATTR_TENSOR },  \
        { .name = "nodes_missing_value_tracks_true", .kind = PLN_ATTR_INTS }, { .name = "nodes_modes", .kind = PLN_ATTR_STRINGS }, \
        { .name = "nodes_nodeids", .kind = PLN_ATTR_INTS }, { .name = "nodes_treeids", .kind = PLN_ATTR_INTS },                  \
        { .name = "nodes_truenodeids", .kind = PLN_ATTR_INTS }, { .name = "nodes_values", .kind = PLN_ATTR_FLOATS },             \
    { .name = "nodes_values_as_tensor", .kind = PLN_ATTR_TENSOR }

static const struct pln_attr_def linear_classifier_attrs[] = {
    CLASSIFIER_LABELS,
    POST_TRANSFORM,
    { .name = "coefficients", .kind = PLN_ATTR_FLOATS, .required = true },
    { .name = "intercepts", .kind = PLN_ATTR_FLOATS },
    { .name = "multi_class", .kind = PLN_ATTR_INT },
    { .name = NULL },
};
static const struct pln_attr_def linear_regressor_attrs[] = {
    POST_TRANSFORM,
    { .name = "coefficients", .kind = PLN_ATTR_FLOATS },
    { .name = "intercepts", .kind = PLN_ATTR_FLOATS },
    { .name = "targets", .kind = PLN_ATTR_INT, .i = 1 },
    { .name = NULL },
};
static const struct pln_attr_def svm_classifier_attrs[] = {
    SVM_ATTRS,
    CLASSIFIER_LABELS,
    POST_TRANSFORM,
    { .name = "prob_a", .kind = PLN_ATTR_FLOATS },
    { .name = "prob_b", .kind = PLN_ATTR_FLOATS },
    { .name = "vectors_per_class", .kind = PLN_ATTR_INTS },
    { .name = NULL },
};
static const struct pln_attr_def svm_regressor_attrs[] = {
    SVM_ATTRS,
    POST_TRANSFORM,
    { .name = "n_supports", .kind = PLN_ATTR_INT },
    { .name = "one_class", .kind = PLN_ATTR_INT },
    { .name = NULL },
};
static const struct pln_attr_def tree_attrs[] = {
    { .name = "aggregate_function", .kind = PLN_ATTR_INT, .i = 1 },
    { .name = "leaf_targetids", .kind = PLN_ATTR_INTS, .required = true },
    { .name = "leaf_weights", .kind = PLN_ATTR_TENSOR, .required = true },
    { .name = "membership_values", .kind = PLN_ATTR_TENSOR },
    { .name = "n_targets", .kind = PLN_ATTR_INT, .i = 1 },
    { .name = "nodes_falseleafs", .kind = PLN_ATTR_INTS, .required = true },
    { .name = "nodes_falsenodeids", .kind = PLN_ATTR_INTS, .required = true },
    { .name = "nodes_featureids", .kind = PLN_ATTR_INTS, .required = true },
    { .name = "nodes_hitrates", .kind = PLN_ATTR_TENSOR },
    { .name = "nodes_missing_value_tracks_true", .kind = PLN_ATTR_INTS },
    { .name = "nodes_modes", .kind = PLN_ATTR_TENSOR, .required = true },
    { .name = "nodes_splits", .kind = PLN_ATTR_TENSOR, .required = true },
    { .name = "nodes_trueleafs", .kind = PLN_ATTR_INTS, .required = true },
    { .name = "nodes_truenodeids", .kind = PLN_ATTR_INTS, .required = true },
    { .name = "post_transform", .kind = PLN_ATTR_INT },
    { .name = "tree_roots", .kind = PLN_ATTR_INTS, .required = true },
    { .name = NULL },
};
static const struct pln_attr_def tree_classifier_attrs[] = {
    OLD_TREE_ATTRS,
    POST_TRANSFORM,
    { .name = "class_ids", .kind = PLN_ATTR_INTS },
    { .name = "class_nodeids", .kind = PLN_ATTR_INTS },
    { .name = "class_treeids", .kind = PLN_ATTR_INTS },
    { .name = "class_weights", .kind = PLN_ATTR_FLOATS },
    { .name = "class_weights_as_tensor", .kind = PLN_ATTR_TENSOR },
    { .name = "classlabels_int64s", .kind = PLN_ATTR_INTS },
    { .name = "classlabels_strings", .kind = PLN_ATTR_STRINGS },
    { .name = NULL },
};
static const struct pln_attr_def tree_regressor_attrs[] = {
    OLD_TREE_ATTRS,
    POST_TRANSFORM,
    { .name = "aggregate_function", .kind = PLN_ATTR_STRING, .s = "SUM" },
    { .name = "n_targets", .kind = PLN_ATTR_INT, .i = 1 },
    { .name = "target_ids", .kind = PLN_ATTR_INTS },
    { .name = "target_nodeids", .kind = PLN_ATTR_INTS },
    { .name = "target_treeids", .kind = PLN_ATTR_INTS },
    { .name = "target_weights", .kind = PLN_ATTR_FLOATS },
    { .name = "target_weights_as_tensor", .kind = PLN_ATTR_TENSOR },
    { .name = NULL },
};

static int64_t list_length(const struct pln_infer *infer, const char *name)
{
    const struct pln_attr *attr = pln_attrs_find(&pln_graph_node(infer->graph, infer->node)->attrs, name);
    return attr ? attr->n : 0;
}

/* Of both lists the numbers count, when there are any. */
static int64_t label_count(const struct pln_infer *infer, const char *ints)
{
    int64_t n = list_length(infer, ints);
    return n > 0 ? n : list_length(infer, "classlabels_strings");
}

/* Rows of input 0: its first dim, or one row of rank 1. */
static enum pln_status find_rows(struct pln_infer *infer, uint32_t dtypes, struct pln_dim *out_rows)
{
    PLN_TRY(pln_infer_need_tensor(infer, 0, 1, 2));
    PLN_TRY(pln_infer_check_dtype(infer, 0, dtypes));
    const struct pln_type *x = pln_infer_in(infer, 0);
    *out_rows = x->rank == 2 ? x->dims[0] : x->rank == 1 ? pln_dim_const(&infer->graph->dims, 1) : pln_infer_out_symbol(infer, 0, 0);
    return PLN_OK;
}

/* Labels [rows] and scores [rows, n]; n below 0: only the run tells. */
static enum pln_status classes_out(struct pln_infer *infer, const char *strings, int64_t n)
{
    struct pln_dim dims[2];
    PLN_TRY(find_rows(infer, ML_NUMBERS, &dims[0]));
    dims[1] = n < 0 ? pln_infer_out_symbol(infer, 1, 1) : pln_dim_const(&infer->graph->dims, n);
    bool ints = list_length(infer, "classlabels_ints") > 0 || list_length(infer, "classlabels_int64s") > 0;
    PLN_TRY(pln_infer_out(infer, 0, !ints && list_length(infer, strings) > 0 ? PLN_STR : PLN_I64, 1, dims));
    return pln_infer_out(infer, 1, PLN_F32, 2, dims);
}

static enum pln_status targets_out(struct pln_infer *infer, uint32_t dtypes, enum pln_dtype dtype, int64_t n)
{
    struct pln_dim dims[2];
    PLN_TRY(find_rows(infer, dtypes, &dims[0]));
    if (n < 1) return pln_infer_fail(infer, "%lld targets", (long long)n);
    dims[1] = pln_dim_const(&infer->graph->dims, n);
    return pln_infer_out(infer, 0, dtype, 2, dims);
}

static enum pln_status infer_linear_classifier(struct pln_infer *infer)
{
    const struct pln_type *x = pln_infer_in(infer, 0);
    int64_t features, n = -1, labels = label_count(infer, "classlabels_ints");
    if (x->kind == PLN_TENSOR && x->rank > 0 && pln_dim_value(&infer->graph->dims, x->dims[x->rank - 1], &features) && features > 0) {
        n = list_length(infer, "coefficients") / features;
    }
    return classes_out(infer, "classlabels_strings", n == 1 && labels == 2 ? 2 : n);
}

static enum pln_status infer_linear_regressor(struct pln_infer *infer)
{
    return targets_out(infer, ML_NUMBERS, PLN_F32, pln_node_int(infer->graph, infer->node, "targets"));
}

static enum pln_status infer_svm_classifier(struct pln_infer *infer)
{
    int64_t labels = label_count(infer, "classlabels_ints");
    bool pairs = list_length(infer, "support_vectors") > 0 && list_length(infer, "prob_a") == 0;
    if (labels > 4096) return pln_infer_fail(infer, "%lld classes are too many", (long long)labels);
    return classes_out(infer, "classlabels_strings", pairs && labels != 2 ? labels * (labels - 1) / 2 : labels);
}

static enum pln_status infer_svm_regressor(struct pln_infer *infer)
{
    return targets_out(infer, ML_NUMBERS, PLN_F32, 1);
}

static enum pln_status infer_tree(struct pln_infer *infer)
{
    uint32_t dtypes = PLN_MASK(PLN_F32) | PLN_MASK(PLN_F64) | PLN_MASK(PLN_F16);
    return targets_out(infer, dtypes, pln_infer_dtype(infer, 0), pln_node_int(infer->graph, infer->node, "n_targets"));
}

static enum pln_status infer_tree_regressor(struct pln_infer *infer)
{
    return targets_out(infer, ML_NUMBERS, PLN_F32, pln_node_int(infer->graph, infer->node, "n_targets"));
}

static enum pln_status infer_tree_classifier(struct pln_infer *infer)
{
    int64_t labels = label_count(infer, "classlabels_int64s");
    return classes_out(infer, "classlabels_strings", labels);
}

/* Records: classifiers have two outputs, the first of which may hold strings. */
#define MODEL(op, text, attr_list, n_outputs, function)                                                        \
    const struct pln_op_def pln_op_##op = {                                                                    \
        .name = #op,                                                                                           \
        .onnx = text,                                                                                          \
        .attrs = attr_list,                                                                                    \
        .min_inputs = 1,                                                                                       \
        .max_inputs = 1,                                                                                       \
        .min_outputs = 1,                                                                                      \
        .max_outputs = n_outputs,                                                                              \
        .traits = n_outputs > 1 ? PLN_TRAIT_HOST : 0,                                                          \
        .tolerance = PLN_TOL_ACCUMULATE,                                                                       \
        .infer = function,                                                                                     \
    }

MODEL(linear_classifier, "LinearClassifier", linear_classifier_attrs, 2, infer_linear_classifier);
MODEL(linear_regressor, "LinearRegressor", linear_regressor_attrs, 1, infer_linear_regressor);
MODEL(svm_classifier, "SVMClassifier", svm_classifier_attrs, 2, infer_svm_classifier);
MODEL(svm_regressor, "SVMRegressor", svm_regressor_attrs, 1, infer_svm_regressor);
MODEL(tree_ensemble, "TreeEnsemble", tree_attrs, 1, infer_tree);
MODEL(tree_ensemble_classifier, "TreeEnsembleClassifier", tree_classifier_attrs, 2, infer_tree_classifier);
MODEL(tree_ensemble_regressor, "TreeEnsembleRegressor", tree_regressor_attrs, 1, infer_tree_regressor);
