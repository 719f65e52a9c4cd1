/* Joins: an operand of a Concat is made in the result of it, where its kernel can write there. What is joined so is not copied; where all operands are, the
 * Concat is no step at all. Where several Concats want a value, the first gets it. */
#include "lower/state.h"

struct join {
    uint32_t value; /* the result */
    int axis;
    struct pln_dim offset; /* of the operand, along the axis */
};

/* Operands whose other extents only the run could compare are left to the kernel, which does that. */
static bool fits(struct pln_lower *lower, uint32_t value, uint32_t result, int axis)
{
    const struct pln_type *in = &pln_graph_value(lower->graph, value)->type, *out = &pln_graph_value(lower->graph, result)->type;
    if (in->dtype != out->dtype || in->rank != out->rank || pln_dtype_bits(in->dtype) < 8) return false;
    for (int i = 0; i < in->rank; i++)
        if (i != axis && !pln_dim_same(&lower->graph->dims, in->dims[i], out->dims[i])) return false;
    return true;
}

/* Is operand `index` of the node one that can be made in the result? */
static bool read_join(struct pln_lower *lower, uint32_t node_id, uint32_t index, struct join *out_join)
{
    const struct pln_node *node = pln_graph_node(lower->graph, node_id);
    if (node->op != PLN_OP_CONCAT || node->n_outputs != 1 || node->outputs[0] == PLN_NONE) return false;
    out_join->value = node->outputs[0];
    const struct pln_type *type = &pln_graph_value(lower->graph, out_join->value)->type;
    if (!pln_lower_is_planned(lower, out_join->value) || pln_lower_state_output(lower, out_join->value) != PLN_NONE) return false;
    if (!pln_axis_normalize(pln_attrs_int(&node->attrs, "axis", 0), type->rank, &out_join->axis) || !fits(lower, node->inputs[index], out_join->value, out_join->axis)) return false;
    struct pln_dim offset = pln_dim_const(&lower->graph->dims, 0);
    for (uint32_t i = 0; i < index; i++) {
        const struct pln_type *before = &pln_graph_value(lower->graph, pln_graph_node(lower->graph, node_id)->inputs[i])->type;
        if (before->rank != type->rank) return false;
        offset = pln_dim_add(&lower->graph->dims, offset, before->dims[out_join->axis]);
    }
    out_join->offset = pln_dim_resolve(&lower->graph->dims, offset);
    return pln_lower_dim_bound(lower, out_join->offset);
}

/* What leaves its block is wanted row-major, what is tapped as it is. */
static bool find_join(struct pln_lower *lower, uint32_t value, struct join *out_join)
{
    const struct pln_graph *graph = lower->graph;
    const struct pln_value *own = pln_graph_value(graph, value);
    if (own->tapped || own->producer == PLN_NONE || pln_graph_is_output(graph, value)) return false;
    for (uint32_t use = own->first_use; use != PLN_NONE; use = graph->uses[use].next) {
        const uint32_t user = graph->uses[use].user;
        if (user == PLN_NONE || pln_graph_node(graph, user)->block != pln_graph_node(graph, own->producer)->block) continue;
        if (read_join(lower, user, graph->uses[use].slot, out_join)) return true;
    }
    return false;
}

/* The order of the result is that of the first operand made in it. One of channels that come row-major does not settle it, as images are most often stored channels last. */
static bool can_write(const struct pln_lower *lower, const struct pln_kernel *kernel, bool last, const struct join *join)
{
    const int rank = pln_graph_value(lower->graph, join->value)->type.rank;
    if (!last && rank > 3 && join->axis == 1 && lower->joined[join->value] == PLN_NONE) return false;
    if (kernel->flags & PLN_KERNEL_STRIDED_OUT) return true;
    return last && (kernel->flags & PLN_KERNEL_WIDE_PIXELS) && join->axis <= 1;
}

static enum pln_status result_slot(struct pln_lower *lower, uint32_t value, bool last, uint32_t *out_slot)
{
    *out_slot = lower->joined[value];
    if (*out_slot != PLN_NONE) return PLN_OK;
    *out_slot = pln_lower_new_slot(lower, value, PLN_PLACE_ARENA, 0);
    if (*out_slot == PLN_NONE || (last && !pln_lower_order_last(lower, *out_slot))) return pln_fail_memory(lower->diag, "slots", 0);
    lower->joined[value] = *out_slot;
    return PLN_OK;
}

enum pln_status pln_lower_join(struct pln_lower *lower, uint32_t value, const struct pln_kernel *kernel, bool last, bool *out_done)
{
    struct join join;
    struct pln_dim strides[PLN_MAX_RANK];
    uint32_t base;
    *out_done = false;
    if (lower->options->oracle || lower->device_memory || !find_join(lower, value, &join) || !can_write(lower, kernel, last, &join)) return PLN_OK;
    PLN_TRY(result_slot(lower, join.value, last, &base));
    const bool ordered = lower->program->slots[base].order != NULL;
    if (ordered && !last) return PLN_OK;
    if (!ordered && last && !(kernel->flags & PLN_KERNEL_STRIDED_OUT)) return PLN_OK;
    if (!pln_lower_strides(lower, base, strides)) return pln_fail_memory(lower->diag, "extents", 0);
    *out_done = true;
    const struct pln_dim offset = pln_dim_mul(&lower->graph->dims, join.offset, strides[join.axis]);
    return pln_lower_view(lower, value, base, offset, strides);
}

/* Is operand i where the result has it? */
static bool is_in_place(struct pln_lower *lower, uint32_t node, uint32_t i, uint32_t base)
{
    struct join join;
    struct pln_dim strides[PLN_MAX_RANK];
    const uint32_t slot = lower->made[0][pln_graph_node(lower->graph, node)->inputs[i]];
    if (slot == PLN_NONE || !read_join(lower, node, i, &join) || !pln_lower_strides(lower, base, strides)) return false;
    const struct pln_slot *own = &lower->program->slots[slot];
    return own->place == PLN_PLACE_VIEW && own->index == base && pln_dim_same(&lower->graph->dims, (struct pln_dim){ own->offset }, pln_dim_mul(&lower->graph->dims, join.offset, strides[join.axis]));
}

enum pln_status pln_lower_joined(struct pln_lower *lower, uint32_t node, bool *out_done)
{
    const struct pln_node *own = pln_graph_node(lower->graph, node);
    *out_done = false;
    if (own->op != PLN_OP_CONCAT || own->n_outputs != 1 || own->outputs[0] == PLN_NONE || lower->joined[own->outputs[0]] == PLN_NONE) return PLN_OK;
    const uint32_t result = own->outputs[0], n = own->n_inputs, base = lower->joined[result];
    for (uint32_t i = 0; i < n; i++)
        if (!is_in_place(lower, node, i, base)) return PLN_OK;
    lower->made[0][result] = base;
    *out_done = true;
    return PLN_OK;
}
