#include "build/narrow.h"

static bool is_i64(const struct pln_graph *graph, uint32_t value)
{
    const struct pln_type *type = &pln_graph_value(graph, value)->type;
    return type->kind == PLN_TENSOR && type->dtype == PLN_I64;
}

static bool is_state(const struct pln_graph *graph, bool output, uint32_t place)
{
    for (size_t i = 0; i < graph->n_states; i++)
        if ((output ? graph->states[i].output : graph->states[i].input) == place) return true;
    return false;
}

/* A cast of the value, at the beginning or at the end of the main block; PLN_NONE: no memory. */
static uint32_t add_cast(struct pln_graph *graph, uint32_t value, enum pln_dtype to, bool first)
{
    const uint32_t begin = graph->blocks[0].first;
    const uint32_t node = first && begin != PLN_NONE ? pln_graph_insert_node(graph, begin, PLN_OP_CAST, 0, &value, 1, 1) : pln_graph_add_node(graph, 0, PLN_OP_CAST, 0, &value, 1, 1);
    return node != PLN_NONE && pln_attrs_set_int(&pln_graph_node(graph, node)->attrs, &graph->arena, "to", to) ? node : PLN_NONE;
}

/* Numbers of whole bytes, which a cast takes and gives. */
static bool is_castable(enum pln_dtype dtype)
{
    return dtype != PLN_DTYPE_NONE && dtype != PLN_STR && pln_dtype_bits(dtype) >= 8 && !pln_dtype_is_complex(dtype);
}

static bool retype_input(struct pln_graph *graph, uint32_t value, enum pln_dtype dtype, struct pln_diag *diag)
{
    const struct pln_type type = pln_graph_value(graph, value)->type;
    const uint32_t node = add_cast(graph, value, type.dtype, true);
    if (node == PLN_NONE || !pln_graph_set_tensor_type(graph, value, dtype, type.rank, type.dims)) return false;
    pln_graph_replace_uses(graph, value, pln_graph_node(graph, node)->outputs[0]);
    pln_graph_set_input(graph, node, 0, value);
    return pln_infer_node(graph, node, diag) == PLN_OK;
}

static bool retype_output(struct pln_graph *graph, uint32_t slot, enum pln_dtype dtype, struct pln_diag *diag)
{
    const uint32_t node = add_cast(graph, graph->blocks[0].outputs[slot], dtype, false);
    if (node == PLN_NONE) return false;
    pln_graph_set_block_output(graph, 0, slot, pln_graph_node(graph, node)->outputs[0]);
    return pln_infer_node(graph, node, diag) == PLN_OK;
}

/* Types that were asked for, of one side. */
struct side {
    bool output;
    const enum pln_dtype *types;
    int n_types;
    bool int32;
};

/* The type that the value at a place shall have; 0: its own. PLN_INVALID_ARGUMENT: it cannot. */
static enum pln_status wanted_type(const struct pln_graph *graph, const struct side *side, uint32_t place, struct pln_diag *diag, enum pln_dtype *out_dtype)
{
    const struct pln_block *block = &graph->blocks[0];
    const struct pln_value *value = pln_graph_value(graph, side->output ? block->outputs[place] : block->inputs[place]);
    const enum pln_dtype told = side->n_types > 1 ? side->types[place] : side->n_types == 1 ? side->types[0] : PLN_DTYPE_NONE;
    const char *what = side->output ? "output" : "input";
    *out_dtype = PLN_DTYPE_NONE;
    if (value->type.kind == PLN_TENSOR && value->type.dtype == told) return PLN_OK;
    if (told == PLN_DTYPE_NONE || (side->n_types == 1 && is_state(graph, side->output, place))) {
        if (side->int32 && is_i64(graph, side->output ? block->outputs[place] : block->inputs[place]) && !is_state(graph, side->output, place)) *out_dtype = PLN_I32;
        return PLN_OK;
    }
    if (is_state(graph, side->output, place)) return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s '%s' is a state, which keeps its type", what, value->name);
    if (!is_castable(told)) return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s '%s' cannot be %s: types of inputs and outputs are those of numbers", what, value->name, pln_dtype_name(told));
    if (value->type.kind != PLN_TENSOR || !is_castable(value->type.dtype))
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s '%s' cannot be %s: it is no tensor of numbers", what, value->name, pln_dtype_name(told));
    *out_dtype = told;
    return PLN_OK;
}

static enum pln_status retype_side(struct pln_graph *graph, const struct side *side, struct pln_diag *diag)
{
    const uint32_t n = side->output ? graph->blocks[0].n_outputs : graph->blocks[0].n_inputs;
    const char *what = side->output ? "output" : "input";
    if (side->n_types > 1 && (uint32_t)side->n_types != n)
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "%d types for %u %s%s; give one for each, or one for all", side->n_types, n, what, n == 1 ? "" : "s");
    for (uint32_t i = 0; i < n; i++) {
        enum pln_dtype dtype;
        PLN_TRY(wanted_type(graph, side, i, diag, &dtype));
        if (dtype == PLN_DTYPE_NONE) continue;
        const bool done = side->output ? retype_output(graph, i, dtype, diag) : retype_input(graph, graph->blocks[0].inputs[i], dtype, diag);
        if (!done || graph->failed) return pln_fail_memory(diag, "casts of inputs and outputs", 0);
    }
    return PLN_OK;
}

enum pln_status pln_retype_io(struct pln_graph *graph, const struct pln_build_options *options, struct pln_diag *diag)
{
    const bool int32 = options->int32_io != 0;
    PLN_TRY(retype_side(graph, &(struct side){ .types = options->input_types, .n_types = options->input_type_count, .int32 = int32 }, diag));
    return retype_side(graph, &(struct side){ .output = true, .types = options->output_types, .n_types = options->output_type_count, .int32 = int32 }, diag);
}
