/* Joins: an operand of a Concat is made in the result of it, where its kernel can write there. What is joined so is not copied; where all operands are, the
 * Concat is no step at all. Where several Concats want a value, the first gets it. */
#include "lower/state.h"

/* An operand of a Concat. */
struct place {
    struct pln_lower_join *join;
    uint32_t value; /* the result */
    uint32_t index;
};

uint32_t pln_lower_join_slot(const struct pln_lower *lower, uint32_t value)
{
    return lower->joins[value] ? lower->joins[value]->slot : PLN_NONE;
}

/* *out_join NULL: the node is no Concat, or one of operands of several ranks. */
static enum pln_status join_of(struct pln_lower *lower, uint32_t node_id, struct pln_lower_join **out_join)
{
    struct pln_dim_table *dims = &lower->graph->dims;
    const struct pln_node *node = pln_graph_node(lower->graph, node_id);
    int axis;
    *out_join = NULL;
    if (node->op != PLN_OP_CONCAT || node->n_outputs != 1 || node->outputs[0] == PLN_NONE) return PLN_OK;
    *out_join = lower->joins[node->outputs[0]];
    if (*out_join) return PLN_OK;
    const int rank = pln_graph_value(lower->graph, node->outputs[0])->type.rank;
    if (rank < 1 || !pln_axis_normalize(pln_attrs_int(&node->attrs, "axis", 0), rank, &axis)) return PLN_OK;
    for (uint32_t i = 0; i < node->n_inputs; i++)
        if (pln_graph_value(lower->graph, node->inputs[i])->type.rank != rank) return PLN_OK;
    struct pln_lower_join *join = pln_arena_array(lower->arena, 1, sizeof *join);
    struct pln_dim *offsets = pln_arena_array(lower->arena, node->n_inputs + 1u, sizeof *offsets);
    if (!join || !offsets) return pln_fail_memory(lower->diag, "operands of a Concat", 0);
    offsets[0] = pln_dim_const(dims, 0);
    for (uint32_t i = 0; i < node->n_inputs; i++) offsets[i + 1] = pln_dim_add(dims, offsets[i], pln_graph_value(lower->graph, node->inputs[i])->type.dims[axis]);
    *join = (struct pln_lower_join){ .slot = PLN_NONE, .axis = axis, .offsets = offsets };
    lower->joins[node->outputs[0]] = *out_join = join;
    return PLN_OK;
}

/* Can the operand be made in the result? Operands whose other extents only the run could compare are left to the kernel, which does that. */
static bool fits(struct pln_lower *lower, uint32_t operand, const struct place *place)
{
    const struct pln_type *in = &pln_graph_value(lower->graph, operand)->type, *out = &pln_graph_value(lower->graph, place->value)->type;
    if (!pln_lower_is_planned(lower, place->value) || pln_lower_state_output(lower, place->value) != PLN_NONE) return false;
    if (in->dtype != out->dtype || pln_dtype_bits(in->dtype) < 8) return false;
    for (int i = 0; i < in->rank; i++)
        if (i != place->join->axis && !pln_dim_same(&lower->graph->dims, in->dims[i], out->dims[i])) return false;
    return pln_lower_dim_bound(lower, place->join->offsets[place->index]);
}

/* join NULL: nowhere. What leaves its block is wanted row-major, what is tapped as it is. */
static enum pln_status find_place(struct pln_lower *lower, uint32_t value, struct place *out_place)
{
    const struct pln_graph *graph = lower->graph;
    const struct pln_value *own = pln_graph_value(graph, value);
    *out_place = (struct place){ .join = NULL };
    if (own->tapped || own->producer == PLN_NONE || pln_graph_is_output(graph, value)) return PLN_OK;
    for (uint32_t use = own->first_use; use != PLN_NONE; use = graph->uses[use].next) {
        const uint32_t user = graph->uses[use].user;
        if (user == PLN_NONE || pln_graph_node(graph, user)->block != pln_graph_node(graph, own->producer)->block) continue;
        PLN_TRY(join_of(lower, user, &out_place->join));
        if (!out_place->join) continue;
        out_place->value = pln_graph_node(graph, user)->outputs[0];
        out_place->index = graph->uses[use].slot;
        if (fits(lower, value, out_place)) return PLN_OK;
    }
    out_place->join = NULL;
    return PLN_OK;
}

/* The order of the result is that of the first operand made in it. One of channels that come row-major does not settle it, as images are most often stored channels last. */
static bool can_write(const struct pln_lower *lower, const struct pln_kernel *kernel, bool last, const struct place *place)
{
    const int rank = pln_graph_value(lower->graph, place->value)->type.rank, axis = place->join->axis;
    if (!last && rank > 3 && axis == 1 && place->join->slot == PLN_NONE) return false;
    if (kernel->flags & PLN_KERNEL_STRIDED_OUT) return true;
    return last && (kernel->flags & PLN_KERNEL_WIDE_PIXELS) && axis <= 1;
}

static enum pln_status need_slot(struct pln_lower *lower, const struct place *place, bool last)
{
    if (place->join->slot != PLN_NONE) return PLN_OK;
    const uint32_t slot = pln_lower_new_slot(lower, place->value, PLN_PLACE_ARENA, 0);
    if (slot == PLN_NONE || (last && !pln_lower_order_last(lower, slot))) return pln_fail_memory(lower->diag, "slots", 0);
    place->join->slot = slot;
    return PLN_OK;
}

enum pln_status pln_lower_join(struct pln_lower *lower, uint32_t value, const struct pln_kernel *kernel, bool last, bool *out_done)
{
    struct place place;
    struct pln_dim strides[PLN_MAX_RANK];
    *out_done = false;
    if (lower->options->oracle || lower->device_memory) return PLN_OK;
    PLN_TRY(find_place(lower, value, &place));
    if (!place.join || !can_write(lower, kernel, last, &place)) return PLN_OK;
    PLN_TRY(need_slot(lower, &place, last));
    const uint32_t base = place.join->slot;
    const bool ordered = lower->program->slots[base].order != NULL;
    if (ordered && !last) return PLN_OK;
    if (!ordered && last && !(kernel->flags & PLN_KERNEL_STRIDED_OUT)) return PLN_OK;
    if (!pln_lower_strides(lower, base, strides)) return pln_fail_memory(lower->diag, "extents", 0);
    *out_done = true;
    const struct pln_dim offset = pln_dim_mul(&lower->graph->dims, place.join->offsets[place.index], strides[place.join->axis]);
    return pln_lower_view(lower, value, base, offset, strides);
}

/* Is the operand where the result has it? */
static bool is_in_place(struct pln_lower *lower, uint32_t operand, uint32_t base, struct pln_dim offset)
{
    const uint32_t slot = lower->made[0][operand];
    if (slot == PLN_NONE) return false;
    const struct pln_slot *own = &lower->program->slots[slot];
    return own->place == PLN_PLACE_VIEW && own->index == base && pln_dim_same(&lower->graph->dims, (struct pln_dim){ own->offset }, offset);
}

enum pln_status pln_lower_joined(struct pln_lower *lower, uint32_t node, bool *out_done)
{
    struct pln_lower_join *join;
    struct pln_dim strides[PLN_MAX_RANK];
    *out_done = false;
    PLN_TRY(join_of(lower, node, &join));
    if (!join || join->slot == PLN_NONE) return PLN_OK;
    if (!pln_lower_strides(lower, join->slot, strides)) return pln_fail_memory(lower->diag, "extents", 0);
    for (uint32_t i = 0; i < pln_graph_node(lower->graph, node)->n_inputs; i++)
        if (!is_in_place(lower, pln_graph_node(lower->graph, node)->inputs[i], join->slot, pln_dim_mul(&lower->graph->dims, join->offsets[i], strides[join->axis]))) return PLN_OK;
    lower->made[0][pln_graph_node(lower->graph, node)->outputs[0]] = join->slot;
    *out_done = true;
    return PLN_OK;
}
