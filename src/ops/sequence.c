/* Sequences: construct, empty, at, insert, erase, length, split_to_sequence, concat_from_sequence.
 *
 * The type of a sequence's elements has a shape only where all of them have the same one; else its rank is not known. */
#include "ops/extent.h"

/* Input i must be a sequence; its element type, or one of which nothing is known. */
static enum pln_status elem_type(struct pln_infer *infer, int i, struct pln_type *out_elem)
{
    const struct pln_type *type = pln_infer_in(infer, i);
    *out_elem = (struct pln_type){ .kind = PLN_TENSOR, .dtype = PLN_DTYPE_NONE, .rank = -1 };
    if (!type) return pln_infer_fail(infer, "input %d is missing", i);
    if (type->kind == PLN_TENSOR && type->dtype == PLN_DTYPE_NONE && type->rank < 0) return PLN_OK;
    if (type->kind != PLN_SEQUENCE) return pln_infer_fail(infer, "input %d is no sequence", i);
    if (type->elem) *out_elem = *type->elem;
    return PLN_OK;
}

/* What is known of a value that has type a or type b. */
static void join(struct pln_graph *graph, struct pln_type *a, const struct pln_type *b)
{
    bool same = a->rank >= 0 && a->rank == b->rank;
    if (a->dtype == PLN_DTYPE_NONE) a->dtype = b->dtype;
    for (int d = 0; same && d < a->rank; d++) same = pln_dim_same(&graph->dims, a->dims[d], b->dims[d]);
    if (same) return;
    a->rank = -1;
    a->dims = NULL;
}

static enum pln_status out_sequence(struct pln_infer *infer, const struct pln_type *elem)
{
    struct pln_type type = { .kind = PLN_SEQUENCE, .rank = -1, .elem = elem };
    return pln_infer_out_type(infer, 0, &type);
}

static enum pln_status infer_sequence_construct(struct pln_infer *infer)
{
    uint32_t n_inputs = pln_graph_node(infer->graph, infer->node)->n_inputs;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, -1));
    struct pln_type elem = *pln_infer_in(infer, 0);
    for (uint32_t i = 1; i < n_inputs; i++) {
        PLN_TRY(pln_infer_need_tensor(infer, (int)i, 0, -1));
        PLN_TRY(pln_infer_same_dtype(infer, 0, (int)i));
        join(infer->graph, &elem, pln_infer_in(infer, (int)i));
    }
    return out_sequence(infer, &elem);
}

const struct pln_op_def pln_op_sequence_construct = {
    .name = "sequence_construct",
    .onnx = "SequenceConstruct",
    .min_inputs = 1,
    .max_inputs = -1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_HOST,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_sequence_construct,
};

static enum pln_status infer_sequence_empty(struct pln_infer *infer)
{
    int64_t dtype = pln_node_int(infer->graph, infer->node, "dtype");
    if (dtype < 1 || dtype >= PLN_DTYPE_COUNT) return pln_infer_fail(infer, "no element type %lld", (long long)dtype);
    struct pln_type elem = { .kind = PLN_TENSOR, .dtype = (enum pln_dtype)dtype, .rank = -1 };
    return out_sequence(infer, &elem);
}

static const struct pln_attr_def sequence_empty_attrs[] = { { "dtype", PLN_ATTR_INT, false, PLN_F32, 0, NULL }, { .name = NULL } };
const struct pln_op_def pln_op_sequence_empty = {
    .name = "sequence_empty",
    .onnx = "SequenceEmpty",
    .attrs = sequence_empty_attrs,
    .min_inputs = 0,
    .max_inputs = 0,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_HOST,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_sequence_empty,
};

static enum pln_status infer_sequence_at(struct pln_infer *infer)
{
    struct pln_type elem;
    PLN_TRY(elem_type(infer, 0, &elem));
    PLN_TRY(pln_infer_need_tensor(infer, 1, 0, 1));
    return pln_infer_out_type(infer, 0, &elem);
}

const struct pln_op_def pln_op_sequence_at = {
    .name = "sequence_at",
    .onnx = "SequenceAt",
    .min_inputs = 2,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_HOST | PLN_TRAIT_DATA_SHAPE,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_sequence_at,
};

/* An empty sequence says nothing of the shapes to come, and no type tells that a sequence is empty; so shapes are given up. */
static enum pln_status infer_sequence_insert(struct pln_infer *infer)
{
    struct pln_type elem;
    PLN_TRY(elem_type(infer, 0, &elem));
    PLN_TRY(pln_infer_need_tensor(infer, 1, 0, -1));
    join(infer->graph, &elem, pln_infer_in(infer, 1));
    return out_sequence(infer, &elem);
}

const struct pln_op_def pln_op_sequence_insert = {
    .name = "sequence_insert",
    .onnx = "SequenceInsert",
    .min_inputs = 2,
    .max_inputs = 3,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_HOST,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_sequence_insert,
};

static enum pln_status infer_sequence_erase(struct pln_infer *infer)
{
    struct pln_type elem;
    PLN_TRY(elem_type(infer, 0, &elem));
    return out_sequence(infer, &elem);
}

const struct pln_op_def pln_op_sequence_erase = {
    .name = "sequence_erase",
    .onnx = "SequenceErase",
    .min_inputs = 1,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_HOST,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_sequence_erase,
};

static enum pln_status infer_sequence_length(struct pln_infer *infer)
{
    struct pln_type elem;
    PLN_TRY(elem_type(infer, 0, &elem));
    return pln_infer_out(infer, 0, PLN_I64, 0, NULL);
}

const struct pln_op_def pln_op_sequence_length = {
    .name = "sequence_length",
    .onnx = "SequenceLength",
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_HOST,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_sequence_length,
};

static enum pln_status infer_split_to_sequence(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    struct pln_dim dims[PLN_MAX_RANK];
    int axis, rank = 0;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 1, -1));
    struct pln_type elem = { .kind = PLN_TENSOR, .dtype = in->dtype, .rank = -1 };
    if (in->rank < 0) return out_sequence(infer, &elem);
    PLN_TRY(pln_infer_axis(infer, pln_node_int(infer->graph, infer->node, "axis"), in->rank, &axis));
    /* Parts of one element each have one shape. */
    if (!pln_infer_has(infer, 1)) {
        bool keep = pln_node_int(infer->graph, infer->node, "keepdims") != 0;
        for (int d = 0; d < in->rank; d++) {
            if (d != axis || keep) dims[rank++] = d == axis ? pln_extent_const(infer, 1) : in->dims[d];
        }
        elem.rank = rank;
        elem.dims = dims;
    }
    return out_sequence(infer, &elem);
}

static const struct pln_attr_def split_to_sequence_attrs[] = {
    { "axis", PLN_ATTR_INT, false, 0, 0, NULL },
    { "keepdims", PLN_ATTR_INT, false, 1, 0, NULL },
    { .name = NULL },
};
const struct pln_op_def pln_op_split_to_sequence = {
    .name = "split_to_sequence",
    .onnx = "SplitToSequence",
    .attrs = split_to_sequence_attrs,
    .min_inputs = 1,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_HOST,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_split_to_sequence,
};

static enum pln_status infer_concat_from_sequence(struct pln_infer *infer)
{
    struct pln_type elem;
    struct pln_dim dims[PLN_MAX_RANK + 1];
    int axis, fresh = pln_node_int(infer->graph, infer->node, "new_axis") != 0;
    PLN_TRY(elem_type(infer, 0, &elem));
    if (elem.kind != PLN_TENSOR) return pln_infer_fail(infer, "the sequence is not one of tensors");
    if (elem.rank < 0) return pln_infer_out(infer, 0, elem.dtype, -1, NULL);
    PLN_TRY(pln_infer_axis(infer, pln_node_int(infer->graph, infer->node, "axis"), elem.rank + fresh, &axis));
    for (int d = 0; d < elem.rank; d++) dims[fresh && d >= axis ? d + 1 : d] = elem.dims[d];
    dims[axis] = pln_infer_out_symbol(infer, 0, axis);
    return pln_infer_out(infer, 0, elem.dtype, elem.rank + fresh, dims);
}

static const struct pln_attr_def concat_from_sequence_attrs[] = {
    { "axis", PLN_ATTR_INT, true, 0, 0, NULL },
    { "new_axis", PLN_ATTR_INT, false, 0, 0, NULL },
    { .name = NULL },
};
const struct pln_op_def pln_op_concat_from_sequence = {
    .name = "concat_from_sequence",
    .onnx = "ConcatFromSequence",
    .attrs = concat_from_sequence_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_HOST | PLN_TRAIT_DATA_SHAPE,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_concat_from_sequence,
};
