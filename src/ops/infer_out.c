/* How what infer functions find out about outputs meets what was known of them.
 *
 * What is declared in a model (value_info, declared outputs) is often older than its inputs: dims made dynamic later keep their old
 * numbers there. So what is inferred wins, and a declared dim is believed only where the inferred one is a symbol that stands
 * for "the run will tell". Symbols of block inputs are facts given from outside; no declaration binds them. */
#include "kernel/rowprog.h"
#include "ops/op.h"

static struct pln_value *output_value(const struct pln_infer *infer, int o)
{
    const struct pln_node *node = pln_graph_node(infer->graph, infer->node);
    if (o < 0 || (uint32_t)o >= node->n_outputs || node->outputs[o] == PLN_NONE) return NULL;
    return pln_graph_value(infer->graph, node->outputs[o]);
}

static bool is_symbol(const struct pln_graph *graph, struct pln_dim dim)
{
    return graph->dims.nodes[dim.id].op == PLN_DIM_SYMBOL;
}

static bool is_given(struct pln_graph *graph, struct pln_dim dim)
{
    for (size_t b = 0; b < graph->n_blocks; b++) {
        const struct pln_block *block = &graph->blocks[b];
        for (uint32_t i = 0; i < block->n_inputs; i++) {
            const struct pln_type *type = &pln_graph_value(graph, block->inputs[i])->type;
            for (int d = 0; type->kind == PLN_TENSOR && d < type->rank; d++)
                if (pln_dim_same(&graph->dims, type->dims[d], dim)) return true;
        }
    }
    return false;
}

static struct pln_dim meet_dim(struct pln_graph *graph, struct pln_dim known, struct pln_dim found)
{
    struct pln_dim_table *dims = &graph->dims;
    known = pln_dim_resolve(dims, known);
    found = pln_dim_resolve(dims, found);
    if (known.id == UINT32_MAX || known.id == found.id) return found;
    if (found.id == UINT32_MAX) return known;
    bool known_free = is_symbol(graph, known) && !is_given(graph, known);
    bool found_free = is_symbol(graph, found) && !is_given(graph, found);
    bool met = (known_free || found_free) && pln_dim_unify(dims, known, found);
    return met ? pln_dim_resolve(dims, found) : found;
}

static enum pln_status set_tensor(struct pln_infer *infer, int o, enum pln_dtype dtype, int rank, const struct pln_dim *dims)
{
    struct pln_graph *graph = infer->graph;
    struct pln_value *value = output_value(infer, o);
    const struct pln_type *known = &value->type;
    if (known->kind != PLN_TENSOR) return pln_infer_fail(infer, "output %d (%s) is declared as no tensor", o, value->name);
    if (known->dtype != PLN_DTYPE_NONE && dtype != PLN_DTYPE_NONE && known->dtype != dtype)
        return pln_infer_fail(infer, "output %d (%s) is declared as %s, but is %s", o, value->name, pln_dtype_name(known->dtype),
                              pln_dtype_name(dtype));
    if (dtype == PLN_DTYPE_NONE) dtype = known->dtype;
    struct pln_dim met[PLN_MAX_RANK];
    if (rank < 0) {
        rank = known->rank;
        for (int d = 0; d < rank; d++) met[d] = known->dims[d];
    } else {
        for (int d = 0; d < rank; d++) met[d] = known->rank == rank ? meet_dim(graph, known->dims[d], dims[d]) : dims[d];
    }
    bool same = known->dtype == dtype && known->rank == rank;
    for (int d = 0; same && d < rank; d++) same = known->dims[d].id == met[d].id;
    if (same) return PLN_OK;
    if (!pln_graph_set_tensor_type(graph, pln_graph_node(graph, infer->node)->outputs[o], dtype, rank, met))
        return pln_fail_memory(infer->diag, "a type", 0);
    return PLN_OK;
}

/* An epilogue ends in its own type. */
static enum pln_dtype final_dtype(const struct pln_infer *infer, int o, enum pln_dtype dtype)
{
    const struct pln_attr *epilogue = pln_attrs_find(&pln_graph_node(infer->graph, infer->node)->attrs, "epilogue");
    struct pln_rowprog program;
    if (o != 0 || !epilogue || epilogue->kind != PLN_ATTR_STRING ||
        pln_rowprog_read(epilogue->u.s.data, epilogue->u.s.size_bytes, NULL, &program) != PLN_OK)
        return dtype;
    return (enum pln_dtype)program.outputs[0].dtype;
}

enum pln_status pln_infer_out(struct pln_infer *infer, int o, enum pln_dtype dtype, int rank, const struct pln_dim *dims)
{
    if (!output_value(infer, o)) return PLN_OK;
    if (rank > PLN_MAX_RANK) return pln_infer_fail(infer, "output %d would have rank %d; at most %d is possible", o, rank, PLN_MAX_RANK);
    for (int d = 0; d < rank; d++) {
        int64_t value;
        if (pln_dim_value(&infer->graph->dims, dims[d], &value) && value < 0)
            return pln_infer_fail(infer, "output %d would have the extent %lld in dim %d", o, (long long)value, d);
    }
    return set_tensor(infer, o, final_dtype(infer, o, dtype), rank, dims);
}

enum pln_status pln_infer_out_type(struct pln_infer *infer, int o, const struct pln_type *type)
{
    struct pln_value *value = output_value(infer, o);
    if (!value) return PLN_OK;
    if (type->kind == PLN_TENSOR) return pln_infer_out(infer, o, type->dtype, type->rank, type->dims);
    bool nothing_known = value->type.kind == PLN_TENSOR && value->type.dtype == PLN_DTYPE_NONE && value->type.rank < 0;
    if (!nothing_known && value->type.kind != type->kind)
        return pln_infer_fail(infer, "output %d (%s) is declared as another kind of value", o, value->name);
    if (!nothing_known && !type->elem) return PLN_OK;
    if (!pln_graph_set_type(infer->graph, pln_graph_node(infer->graph, infer->node)->outputs[o], type))
        return pln_fail_memory(infer->diag, "a type", 0);
    return PLN_OK;
}

enum pln_status pln_infer_out_symbols(struct pln_infer *infer, int o, enum pln_dtype dtype, int rank)
{
    struct pln_dim dims[PLN_MAX_RANK];
    if (rank > PLN_MAX_RANK) return pln_infer_fail(infer, "output %d would have rank %d; at most %d is possible", o, rank, PLN_MAX_RANK);
    for (int d = 0; d < rank; d++) dims[d] = pln_infer_out_symbol(infer, o, d);
    return pln_infer_out(infer, o, dtype, rank, dims);
}

enum pln_status pln_infer_out_like(struct pln_infer *infer, int o, int i)
{
    const struct pln_type *type = pln_infer_in(infer, i);
    if (!type) return pln_infer_fail(infer, "input %d is missing", i);
    struct pln_type copy = *type;
    return pln_infer_out_type(infer, o, &copy);
}

struct pln_dim pln_infer_out_symbol(struct pln_infer *infer, int o, int d)
{
    const struct pln_value *value = output_value(infer, o);
    if (!value) return PLN_DIM_NONE;
    if (value->type.kind == PLN_TENSOR && value->type.rank > d) return value->type.dims[d];
    return pln_dim_symbol(&infer->graph->dims, NULL);
}
