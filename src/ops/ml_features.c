#include "ops/op.h"

/* Operators of ai.onnx.ml that prepare features: ArrayFeatureExtractor-1, Binarizer-1, Scaler-1, Normalizer-1, Imputer-1, OneHotEncoder-1,
 * FeatureVectorizer-1. */
#define ML_NUMBERS (PLN_MASK(PLN_F32) | PLN_MASK(PLN_F64) | PLN_MASK(PLN_I64) | PLN_MASK(PLN_I32))

static const struct pln_attr_def binarizer_attrs[] = {
    { .name = "threshold", .kind = PLN_ATTR_FLOAT },
    { .name = NULL },
};
static const struct pln_attr_def scaler_attrs[] = {
    { .name = "offset", .kind = PLN_ATTR_FLOATS },
    { .name = "scale", .kind = PLN_ATTR_FLOATS },
    { .name = NULL },
};
static const struct pln_attr_def normalizer_attrs[] = {
    { .name = "norm", .kind = PLN_ATTR_STRING, .s = "MAX" },
    { .name = NULL },
};
static const struct pln_attr_def imputer_attrs[] = {
    { .name = "imputed_value_floats", .kind = PLN_ATTR_FLOATS },
    { .name = "imputed_value_int64s", .kind = PLN_ATTR_INTS },
    { .name = "replaced_value_float", .kind = PLN_ATTR_FLOAT },
    { .name = "replaced_value_int64", .kind = PLN_ATTR_INT },
    { .name = NULL },
};
static const struct pln_attr_def one_hot_attrs[] = {
    { .name = "cats_int64s", .kind = PLN_ATTR_INTS },
    { .name = "cats_strings", .kind = PLN_ATTR_STRINGS },
    { .name = "zeros", .kind = PLN_ATTR_INT, .i = 1 },
    { .name = NULL },
};
static const struct pln_attr_def vectorizer_attrs[] = {
    { .name = "inputdimensions", .kind = PLN_ATTR_INTS },
    { .name = NULL },
};

static enum pln_status infer_array_feature_extractor(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_need_tensor(infer, 0, 1, PLN_MAX_RANK - 1));
    PLN_TRY(pln_infer_need_tensor(infer, 1, 0, PLN_MAX_RANK));
    PLN_TRY(pln_infer_check_dtype(infer, 1, PLN_MASK(PLN_I64)));
    const struct pln_type *x = pln_infer_in(infer, 0), *y = pln_infer_in(infer, 1);
    struct pln_dim_table *dims = &infer->graph->dims;
    struct pln_dim out[PLN_MAX_RANK + 1], count = pln_dim_const(dims, 1);
    if (x->rank < 0) return pln_infer_out(infer, 0, pln_infer_dtype(infer, 0), -1, NULL);
    int rank = PLN_MAX(x->rank, 2);
    if (y->rank < 0) count = pln_infer_out_symbol(infer, 0, rank - 1);
    for (int d = 0; d < y->rank; d++) count = pln_dim_mul(dims, count, y->dims[d]);
    for (int d = 0; d < rank - 1; d++) out[d] = x->rank == 1 ? pln_dim_const(dims, 1) : x->dims[d];
    out[rank - 1] = count;
    return pln_infer_out(infer, 0, pln_infer_dtype(infer, 0), rank, out);
}

static enum pln_status infer_same(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, PLN_MAX_RANK));
    PLN_TRY(pln_infer_check_dtype(infer, 0, ML_NUMBERS));
    return pln_infer_out_like(infer, 0, 0);
}

static enum pln_status infer_same_f32(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_need_tensor(infer, 0, 1, PLN_MAX_RANK));
    PLN_TRY(pln_infer_check_dtype(infer, 0, ML_NUMBERS));
    const struct pln_type *x = pln_infer_in(infer, 0);
    return pln_infer_out(infer, 0, PLN_F32, x->rank, x->dims);
}

static enum pln_status infer_one_hot(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, PLN_MAX_RANK - 1));
    PLN_TRY(pln_infer_check_dtype(infer, 0, ML_NUMBERS | PLN_MASK(PLN_STR)));
    const struct pln_type *x = pln_infer_in(infer, 0);
    const struct pln_attrs *attrs = &pln_graph_node(infer->graph, infer->node)->attrs;
    const struct pln_attr *ints = pln_attrs_find(attrs, "cats_int64s"), *strings = pln_attrs_find(attrs, "cats_strings");
    if (!ints && !strings) return pln_infer_fail(infer, "neither cats_int64s nor cats_strings is there");
    if (x->rank < 0) return pln_infer_out(infer, 0, PLN_F32, -1, NULL);
    struct pln_dim out[PLN_MAX_RANK];
    for (int d = 0; d < x->rank; d++) out[d] = x->dims[d];
    out[x->rank] = pln_dim_const(&infer->graph->dims, ints && ints->n > 0 ? ints->n : strings ? strings->n : 0);
    return pln_infer_out(infer, 0, PLN_F32, x->rank + 1, out);
}

static enum pln_status infer_feature_vectorizer(struct pln_infer *infer)
{
    struct pln_dim_table *dims = &infer->graph->dims;
    const struct pln_node *node = pln_graph_node(infer->graph, infer->node);
    struct pln_dim out[2] = { pln_dim_const(dims, 1), pln_dim_const(dims, 0) };
    const int64_t *sizes = NULL;
    int64_t n_sizes = pln_attrs_ints(&node->attrs, "inputdimensions", &sizes);
    if (sizes && n_sizes != (int64_t)node->n_inputs) return pln_infer_fail(infer, "inputdimensions does not have one entry an input");
    for (int i = 0; i < (int)node->n_inputs; i++) {
        PLN_TRY(pln_infer_need_tensor(infer, i, 1, 2));
        PLN_TRY(pln_infer_check_dtype(infer, i, ML_NUMBERS));
        const struct pln_type *x = pln_infer_in(infer, i);
        if (x->rank < 0) return pln_infer_out_symbols(infer, 0, PLN_F32, 2);
        if (x->rank == 2 && i == 0) out[0] = x->dims[0];
        out[1] = pln_dim_add(dims, out[1], sizes ? pln_dim_const(dims, sizes[i]) : x->dims[x->rank - 1]);
    }
    return pln_infer_out(infer, 0, PLN_F32, 2, out);
}

const struct pln_op_def pln_op_array_feature_extractor = {
    .name = "array_feature_extractor",
    .onnx = "ArrayFeatureExtractor",
    .min_inputs = 2,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_array_feature_extractor,
};

const struct pln_op_def pln_op_binarizer = {
    .name = "binarizer",
    .onnx = "Binarizer",
    .attrs = binarizer_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_same,
};

const struct pln_op_def pln_op_scaler = {
    .name = "scaler",
    .onnx = "Scaler",
    .attrs = scaler_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_ROUND,
    .infer = infer_same_f32,
};

const struct pln_op_def pln_op_normalizer = {
    .name = "normalizer",
    .onnx = "Normalizer",
    .attrs = normalizer_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_ACCUMULATE,
    .infer = infer_same_f32,
};

const struct pln_op_def pln_op_imputer = {
    .name = "imputer",
    .onnx = "Imputer",
    .attrs = imputer_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_same,
};

const struct pln_op_def pln_op_one_hot_encoder = {
    .name = "one_hot_encoder",
    .onnx = "OneHotEncoder",
    .attrs = one_hot_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_one_hot,
};

const struct pln_op_def pln_op_feature_vectorizer = {
    .name = "feature_vectorizer",
    .onnx = "FeatureVectorizer",
    .attrs = vectorizer_attrs,
    .min_inputs = 1,
    .max_inputs = -1,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_feature_vectorizer,
};
