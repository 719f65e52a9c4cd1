/* string_concat, string_normalizer, string_split, regex_full_match. */
#include "ops/extent.h"

static enum pln_status infer_string_concat(struct pln_infer *infer)
{
    const struct pln_type *a = pln_infer_in(infer, 0), *b = pln_infer_in(infer, 1);
    struct pln_dim dims[PLN_MAX_RANK];
    int rank;
    for (int i = 0; i < 2; i++) {
        PLN_TRY(pln_infer_need_tensor(infer, i, 0, -1));
        PLN_TRY(pln_infer_check_dtype(infer, i, PLN_MASK(PLN_STR)));
    }
    if (a->rank < 0 || b->rank < 0) return pln_infer_out(infer, 0, PLN_STR, -1, NULL);
    if (!pln_infer_broadcast(infer, a->rank, a->dims, b->rank, b->dims, &rank, dims)) return pln_infer_fail(infer, "the inputs do not broadcast");
    return pln_infer_out(infer, 0, PLN_STR, rank, dims);
}

const struct pln_op_def pln_op_string_concat = {
    .name = "string_concat",
    .onnx = "StringConcat",
    .min_inputs = 2,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_HOST,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_string_concat,
};

static enum pln_status infer_string_normalizer(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    PLN_TRY(pln_infer_need_tensor(infer, 0, 1, 2));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK(PLN_STR)));
    if (in->rank < 0) return pln_infer_out(infer, 0, PLN_STR, -1, NULL);
    struct pln_dim dims[2] = { pln_extent_const(infer, 1), pln_infer_out_symbol(infer, 0, in->rank - 1) };
    return pln_infer_out(infer, 0, PLN_STR, in->rank, in->rank == 1 ? &dims[1] : dims);
}

static const struct pln_attr_def string_normalizer_attrs[] = {
    { "case_change_action", PLN_ATTR_STRING, false, 0, 0, "NONE" },
    { "is_case_sensitive", PLN_ATTR_INT, false, 0, 0, NULL },
    { "locale", PLN_ATTR_STRING, false, 0, 0, "en_US" },
    { "stopwords", PLN_ATTR_STRINGS, false, 0, 0, NULL },
    { .name = NULL },
};
const struct pln_op_def pln_op_string_normalizer = {
    .name = "string_normalizer",
    .onnx = "StringNormalizer",
    .attrs = string_normalizer_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_HOST | PLN_TRAIT_DATA_SHAPE,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_string_normalizer,
};

static enum pln_status infer_string_split(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    struct pln_dim dims[PLN_MAX_RANK];
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, PLN_MAX_RANK - 1));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK(PLN_STR)));
    PLN_TRY(pln_infer_out(infer, 1, PLN_I64, in->rank, in->dims));
    if (in->rank < 0) return pln_infer_out(infer, 0, PLN_STR, -1, NULL);
    for (int d = 0; d < in->rank; d++) dims[d] = in->dims[d];
    dims[in->rank] = pln_infer_out_symbol(infer, 0, in->rank);
    return pln_infer_out(infer, 0, PLN_STR, in->rank + 1, dims);
}

static const struct pln_attr_def string_split_attrs[] = {
    { "delimiter", PLN_ATTR_STRING, false, 0, 0, "" },
    { "maxsplit", PLN_ATTR_INT, false, -1, 0, NULL },
    { .name = NULL },
};
const struct pln_op_def pln_op_string_split = {
    .name = "string_split",
    .onnx = "StringSplit",
    .attrs = string_split_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 2,
    .max_outputs = 2,
    .traits = PLN_TRAIT_HOST | PLN_TRAIT_DATA_SHAPE,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_string_split,
};

static enum pln_status infer_regex_full_match(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, -1));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK(PLN_STR)));
    return pln_infer_out(infer, 0, PLN_BOOL, in->rank, in->dims);
}

static const struct pln_attr_def regex_full_match_attrs[] = { { "pattern", PLN_ATTR_STRING, false, 0, 0, "" }, { .name = NULL } };
const struct pln_op_def pln_op_regex_full_match = {
    .name = "regex_full_match",
    .onnx = "RegexFullMatch",
    .attrs = regex_full_match_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_HOST,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_regex_full_match,
};
