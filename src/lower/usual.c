/* Extents of a usual run, for whoever measures kernels before there is a run. */
#include "lower/state.h"

#define USUAL 128 /* what the estimates of kernels take an open extent for (kernel/kernel.h) */

/* The first axis of an input that has more than rows of numbers: how many items come at a time. Usually one, and measuring 128 images would take as much longer. */
static bool is_batch(struct pln_lower *lower, uint32_t value, uint32_t *out_symbol)
{
    const struct pln_type *type = &pln_graph_value(lower->graph, value)->type;
    int64_t number;
    if (type->kind != PLN_TENSOR || type->rank < 2) return false;
    if (type->rank == 2 && pln_dim_value(&lower->graph->dims, type->dims[1], &number)) return false;
    const struct pln_dim first = pln_dim_resolve(&lower->graph->dims, type->dims[0]);
    if (first.id >= lower->graph->dims.count || lower->graph->dims.nodes[first.id].op != PLN_DIM_SYMBOL) return false;
    *out_symbol = lower->graph->dims.nodes[first.id].a;
    return true;
}

static bool set_symbols(struct pln_lower *lower)
{
    struct pln_lower_usual *usual = &lower->usual;
    const struct pln_dim_table *dims = &lower->graph->dims;
    if (!pln_arena_grow(lower->arena, (void **)&usual->symbols, &usual->symbols_capacity, dims->n_symbols + 1, sizeof *usual->symbols)) return false;
    for (size_t i = usual->n_symbols; i < dims->n_symbols; i++) usual->symbols[i] = USUAL;
    usual->n_symbols = dims->n_symbols;
    const struct pln_block *main = &lower->graph->blocks[0];
    for (uint32_t i = 0; i < main->n_inputs; i++) {
        uint32_t symbol;
        if (is_batch(lower, main->inputs[i], &symbol)) usual->symbols[symbol] = 1;
    }
    for (size_t i = 0; i < dims->n_symbols; i++) usual->symbols[i] = PLN_MIN(PLN_MAX(usual->symbols[i], dims->symbols[i].min), dims->symbols[i].max);
    return true;
}

int64_t pln_lower_usual_extent(struct pln_lower *lower, struct pln_dim dim)
{
    struct pln_lower_usual *usual = &lower->usual;
    const struct pln_dim_table *dims = &lower->graph->dims;
    const struct pln_dim resolved = pln_dim_resolve(&lower->graph->dims, dim);
    if (resolved.id >= dims->count) return -1;
    if (usual->n_dims != dims->count) { /* the table has grown */
        if (!set_symbols(lower) || !pln_arena_grow(lower->arena, (void **)&usual->dims, &usual->dims_capacity, dims->count, sizeof *usual->dims)) return -1;
        pln_dim_eval_all(dims->nodes, dims->count, usual->symbols, usual->dims);
        usual->n_dims = dims->count;
    }
    return PLN_MAX(usual->dims[resolved.id], -1);
}
