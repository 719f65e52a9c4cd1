/* Normalizations: batch, instance, layer. */
#include "ops/extent.h"

/* What is added to variances: a negative one gives NaN where they are small, and nobody means that. */
static enum pln_status check_epsilon(struct pln_infer *infer)
{
    const float epsilon = pln_node_float(infer->graph, infer->node, "epsilon");
    return epsilon >= 0 ? PLN_OK : pln_infer_fail(infer, "attribute epsilon is %g; it is 0 or a small positive number", (double)epsilon);
}

/* Inputs [first, last] have one float a channel of input 0. */
static enum pln_status check_channels(struct pln_infer *infer, int first, int last)
{
    PLN_TRY(pln_infer_need_tensor(infer, 0, 1, -1));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK_FLOAT));
    const struct pln_type *x = pln_infer_in(infer, 0);
    for (int i = first; i <= last; i++) {
        PLN_TRY(pln_infer_need_tensor(infer, i, 1, 1));
        PLN_TRY(pln_infer_check_dtype(infer, i, PLN_MASK_FLOAT));
        const struct pln_type *parameter = pln_infer_in(infer, i);
        if (x->rank > 1 && parameter->rank == 1 && !pln_extent_unify(infer, x->dims[1], parameter->dims[0]))
            return pln_infer_fail(infer, "input %d must have one element a channel of input 0", i);
    }
    return PLN_OK;
}

static enum pln_status infer_batch_norm(struct pln_infer *infer)
{
    PLN_TRY(check_epsilon(infer));
    PLN_TRY(check_channels(infer, 1, 4));
    bool training = pln_node_int(infer->graph, infer->node, "training_mode") != 0;
    if (!training && pln_graph_node(infer->graph, infer->node)->n_outputs > 1)
        for (uint32_t o = 1; o < pln_graph_node(infer->graph, infer->node)->n_outputs; o++)
            if (pln_graph_node(infer->graph, infer->node)->outputs[o] != PLN_NONE)
                return pln_infer_fail(infer, "running statistics come out in training mode only");
    PLN_TRY(pln_infer_out_like(infer, 0, 0));
    PLN_TRY(pln_infer_out_like(infer, 1, 3));
    return pln_infer_out_like(infer, 2, 4);
}

static const struct pln_attr_def batch_norm_attrs[] = {
    { "epsilon", PLN_ATTR_FLOAT, false, 0, 1e-5f, NULL },
    { "momentum", PLN_ATTR_FLOAT, false, 0, 0.9f, NULL },
    { "training_mode", PLN_ATTR_INT, false, 0, 0, NULL },
    { 0 },
};

const struct pln_op_def pln_op_batch_norm = {
    .name = "batch_norm",
    .onnx = "BatchNormalization",
    .attrs = batch_norm_attrs,
    .min_inputs = 5,
    .max_inputs = 5,
    .min_outputs = 1,
    .max_outputs = 3,
    .traits = PLN_TRAIT_INPLACE,
    .tolerance = PLN_TOL_ROUND,
    .infer = infer_batch_norm,
};

/* groups: of channels that share statistics; 0: each channel has its own. Scale and bias are of channels, whatever the groups are. */
static enum pln_status check_groups(struct pln_infer *infer)
{
    const int64_t groups = pln_node_int(infer->graph, infer->node, "groups");
    const struct pln_type *x = pln_infer_in(infer, 0);
    int64_t channels;
    if (groups < 0) return pln_infer_fail(infer, "attribute groups is %lld; it is 0 or the number of groups", (long long)groups);
    if (groups > 0 && x->rank > 1 && pln_dim_value(&infer->graph->dims, x->dims[1], &channels) && channels % groups != 0)
        return pln_infer_fail(infer, "attribute groups is %lld, which does not divide the %lld channels", (long long)groups, (long long)channels);
    return PLN_OK;
}

static enum pln_status infer_instance_norm(struct pln_infer *infer)
{
    PLN_TRY(check_epsilon(infer));
    PLN_TRY(check_channels(infer, 1, 2));
    PLN_TRY(pln_infer_same_dtype(infer, 0, 1));
    PLN_TRY(pln_infer_same_dtype(infer, 0, 2));
    PLN_TRY(check_groups(infer));
    return pln_infer_out_like(infer, 0, 0);
}

static const struct pln_attr_def instance_norm_attrs[] = {
    { "epsilon", PLN_ATTR_FLOAT, false, 0, 1e-5f, NULL },
    { .name = "epilogue", .kind = PLN_ATTR_STRING },
    { "groups", PLN_ATTR_INT, false, 0, 0, NULL },
    { 0 },
};

const struct pln_op_def pln_op_instance_norm = {
    .name = "instance_norm",
    .onnx = "InstanceNormalization",
    .attrs = instance_norm_attrs,
    .min_inputs = 3,
    .max_inputs = 3,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_INPLACE,
    .storage_inputs = 7,
    .tolerance = PLN_TOL_ACCUMULATE,
    .infer = infer_instance_norm,
};

static enum pln_status infer_layer_norm(struct pln_infer *infer)
{
    PLN_TRY(check_epsilon(infer));
    PLN_TRY(pln_infer_need_tensor(infer, 0, 1, -1));
    for (int i = 0; i < pln_infer_count(infer); i++) PLN_TRY(pln_infer_check_dtype(infer, i, PLN_MASK_FLOAT));
    const struct pln_type *x = pln_infer_in(infer, 0);
    int64_t stash = pln_node_int(infer->graph, infer->node, "stash_type");
    if (stash < 1 || stash >= PLN_DTYPE_COUNT || !(PLN_MASK_FLOAT & PLN_MASK(stash)))
        return pln_infer_fail(infer, "attribute stash_type is %lld, which is no float type", (long long)stash);
    PLN_TRY(pln_infer_out_like(infer, 0, 0));
    if (x->rank < 0) {
        PLN_TRY(pln_infer_out(infer, 1, (enum pln_dtype)stash, -1, NULL));
        return pln_infer_out(infer, 2, (enum pln_dtype)stash, -1, NULL);
    }
    int axis;
    struct pln_dim dims[PLN_MAX_RANK];
    PLN_TRY(pln_infer_axis(infer, pln_node_int(infer->graph, infer->node, "axis"), x->rank, &axis));
    for (int d = 0; d < x->rank; d++) dims[d] = d < axis ? x->dims[d] : pln_dim_const(&infer->graph->dims, 1);
    PLN_TRY(pln_infer_out(infer, 1, (enum pln_dtype)stash, x->rank, dims));
    return pln_infer_out(infer, 2, (enum pln_dtype)stash, x->rank, dims);
}

static const struct pln_attr_def layer_norm_attrs[] = {
    { "axis", PLN_ATTR_INT, false, -1, 0, NULL },
    { "epsilon", PLN_ATTR_FLOAT, false, 0, 1e-5f, NULL },
    { "stash_type", PLN_ATTR_INT, false, PLN_F32, 0, NULL },
    { 0 },
};

const struct pln_op_def pln_op_layer_norm = {
    .name = "layer_norm",
    .onnx = "LayerNormalization",
    .attrs = layer_norm_attrs,
    .min_inputs = 2,
    .max_inputs = 3,
    .min_outputs = 1,
    .max_outputs = 3,
    .traits = PLN_TRAIT_ROWWISE | PLN_TRAIT_INPLACE,
    .storage_inputs = 7,
    .tolerance = PLN_TOL_ACCUMULATE,
    .infer = infer_layer_norm,
};
