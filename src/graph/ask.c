#include "graph/graph.h"

#include "tensor/convert.h"

uint32_t pln_graph_find_value(const struct pln_graph *graph, const char *name)
{
    uint32_t id;
    if (!pln_map_get_str(&graph->names, name, &id)) return PLN_NONE;
    const struct pln_value *value = &graph->values[id];
    return value->removed || strcmp(value->name, name) != 0 ? PLN_NONE : id;
}

size_t pln_graph_use_count(const struct pln_graph *graph, uint32_t value)
{
    size_t n = 0;
    for (uint32_t use = graph->values[value].first_use; use != PLN_NONE; use = graph->uses[use].next) n++;
    return n;
}

bool pln_graph_is_output(const struct pln_graph *graph, uint32_t value)
{
    for (uint32_t use = graph->values[value].first_use; use != PLN_NONE; use = graph->uses[use].next) {
        if (graph->uses[use].user == PLN_NONE) return true;
    }
    return false;
}

uint32_t pln_graph_single_user(const struct pln_graph *graph, uint32_t value)
{
    uint32_t use = graph->values[value].first_use;
    if (use == PLN_NONE || graph->uses[use].next != PLN_NONE || graph->values[value].tapped) return PLN_NONE;
    return graph->uses[use].user;
}

bool pln_graph_block_within(const struct pln_graph *graph, uint32_t block, uint32_t outer)
{
    while (block != outer) {
        uint32_t node = graph->blocks[block].parent_node;
        if (node == PLN_NONE) return false;
        block = graph->nodes[node].block;
    }
    return true;
}

bool pln_graph_scalar_f64(const struct pln_graph *graph, uint32_t value, double *out)
{
    *out = 0;
    const struct pln_tensor *data = value == PLN_NONE ? NULL : graph->values[value].data;
    if (!data || data->dtype == PLN_STR || pln_dtype_is_complex(data->dtype) || pln_tensor_count(data) != 1) return false;
    *out = pln_load_f64(data->dtype, data->data, 0);
    return true;
}

bool pln_graph_const_ints(const struct pln_graph *graph, uint32_t value, const int64_t **out_ints, int64_t *out_n)
{
    *out_ints = NULL;
    *out_n = 0;
    const struct pln_tensor *data = value == PLN_NONE ? NULL : graph->values[value].data;
    if (!data || data->dtype != PLN_I64 || data->rank > 1) return false;
    *out_ints = data->data;
    *out_n = pln_tensor_count(data);
    return true;
}

void pln_graph_set_diag(const struct pln_graph *graph, uint32_t node, struct pln_diag *diag)
{
    if (!diag) return;
    const struct pln_node *n = &graph->nodes[node];
    const struct pln_origin *origin = n->n_origins ? &graph->origins[n->origins[0]] : NULL;
    diag->node = origin ? origin->name : NULL;
    diag->op = origin ? origin->op_type : NULL;
    diag->node_index = origin ? origin->index : -1;
}
