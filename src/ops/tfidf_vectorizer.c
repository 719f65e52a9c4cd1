#include "ops/op.h"

static const struct pln_attr_def attrs[] = {
    { .name = "max_gram_length", .kind = PLN_ATTR_INT, .required = true },
    { .name = "max_skip_count", .kind = PLN_ATTR_INT, .required = true },
    { .name = "min_gram_length", .kind = PLN_ATTR_INT, .required = true },
    { .name = "mode", .kind = PLN_ATTR_STRING, .required = true },
    { .name = "ngram_counts", .kind = PLN_ATTR_INTS, .required = true },
    { .name = "ngram_indexes", .kind = PLN_ATTR_INTS, .required = true },
    { .name = "pool_int64s", .kind = PLN_ATTR_INTS },
    { .name = "pool_strings", .kind = PLN_ATTR_STRINGS },
    { .name = "weights", .kind = PLN_ATTR_FLOATS },
    { .name = NULL },
};

/* ONNX TfIdfVectorizer-9: counts of n-grams, [C] -> [size] or [N, C] -> [N, size], size = the largest of ngram_indexes + 1. */
static enum pln_status infer_tfidf(struct pln_infer *infer)
{
    const int64_t *indexes;
    int64_t n = pln_attrs_ints(&pln_graph_node(infer->graph, infer->node)->attrs, "ngram_indexes", &indexes), size = 0;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, 2));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK(PLN_STR) | PLN_MASK(PLN_I32) | PLN_MASK(PLN_I64)));
    for (int64_t i = 0; i < n; i++) {
        if (indexes[i] < 0 || indexes[i] == INT64_MAX) return pln_infer_fail(infer, "ngram_indexes holds %lld", (long long)indexes[i]);
        size = PLN_MAX(size, indexes[i] + 1);
    }
    const struct pln_type *x = pln_infer_in(infer, 0);
    if (x->rank < 0) return pln_infer_out(infer, 0, PLN_F32, -1, NULL);
    struct pln_dim out[2] = { x->rank == 2 ? x->dims[0] : pln_dim_const(&infer->graph->dims, size), pln_dim_const(&infer->graph->dims, size) };
    return pln_infer_out(infer, 0, PLN_F32, PLN_MAX(x->rank, 1), out);
}

const struct pln_op_def pln_op_tfidf_vectorizer = {
    .name = "tfidf_vectorizer",
    .onnx = "TfIdfVectorizer",
    .attrs = attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_HOST,
    .tolerance = PLN_TOL_ROUND,
    .infer = infer_tfidf,
};
