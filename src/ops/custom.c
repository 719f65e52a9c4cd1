/* Custom operators: their shapes are what the registration tells (kernel/custom.h). */
#include "ops/extent.h"

/* Extents that are not known yet are handed over as negative numbers, first - k * step for the k-th different one. An output's extent that is one of
 * them is that one; but it may have been computed from them by somebody who did not look. So the operator is asked twice, with different numbers: what
 * is a fact comes out of both in the same way. */
struct numbers {
    int64_t first, step;
};
static const struct numbers first_numbers = { -1000003, 1009 }, second_numbers = { -2000003, 2003 };

struct asking {
    struct pln_infer *infer;
    struct pln_arena arena;
    struct pln_custom custom;
    struct pln_tensor *inputs, *outputs, *again;
    struct pln_dim *open; /* the different extents that are not known */
    int n_open, n_inputs, n_outputs;
};

static int64_t number_of(struct asking *asking, struct pln_dim dim, const struct numbers *numbers)
{
    int64_t value;
    struct pln_dim_table *dims = &asking->infer->graph->dims;
    if (pln_dim_value(dims, dim, &value)) return value;
    int k = 0;
    while (k < asking->n_open && !pln_dim_same(dims, asking->open[k], dim)) k++;
    if (k == asking->n_open) asking->open[asking->n_open++] = dim;
    return numbers->first - k * numbers->step;
}

static enum pln_status ask(struct asking *asking, const struct numbers *numbers, struct pln_tensor *outputs)
{
    struct pln_graph *graph = asking->infer->graph;
    for (int i = 0; i < asking->n_inputs; i++) {
        const struct pln_type *type = pln_infer_in(asking->infer, i);
        struct pln_tensor *input = &asking->inputs[i];
        *input = (struct pln_tensor){ .dtype = PLN_DTYPE_NONE };
        if (!type) continue;
        input->dtype = type->dtype;
        input->rank = type->rank;
        for (int d = 0; d < type->rank; d++) input->dims[d] = number_of(asking, type->dims[d], numbers);
        const struct pln_tensor *data = pln_graph_value(graph, pln_graph_node(graph, asking->infer->node)->inputs[i])->data;
        if (data) *input = *data;
    }
    return pln_custom_infer(&asking->custom, asking->inputs, asking->n_inputs, outputs, asking->n_outputs, &asking->arena, asking->infer->diag);
}

static struct pln_dim told_dim(struct asking *asking, int o, int d)
{
    int64_t a = asking->outputs[o].dims[d], b = asking->again[o].dims[d];
    if (a == b && a >= 0) return pln_extent_const(asking->infer, a);
    for (int k = 0; k < asking->n_open; k++)
        if (a == first_numbers.first - k * first_numbers.step && b == second_numbers.first - k * second_numbers.step) return asking->open[k];
    return pln_infer_out_symbol(asking->infer, o, d);
}

static enum pln_status set_outputs(struct asking *asking)
{
    for (int o = 0; o < asking->n_outputs; o++) {
        const struct pln_tensor *told = &asking->outputs[o];
        struct pln_dim dims[PLN_MAX_RANK];
        enum pln_dtype dtype = told->dtype == asking->again[o].dtype ? told->dtype : PLN_DTYPE_NONE;
        int rank = told->rank == asking->again[o].rank ? told->rank : -1;
        for (int d = 0; d < rank; d++) dims[d] = told_dim(asking, o, d);
        PLN_TRY(pln_infer_out(asking->infer, o, dtype, rank, dims));
    }
    return PLN_OK;
}

/* *out_known: the types and ranks of all inputs are. */
static enum pln_status check_inputs(struct asking *asking, bool *out_known)
{
    struct pln_infer *infer = asking->infer;
    bool *present = pln_arena_array(&asking->arena, (size_t)asking->n_inputs + 1, sizeof *present);
    if (!present) return pln_fail_memory(infer->diag, "operands", (size_t)asking->n_inputs);
    *out_known = true;
    for (int i = 0; i < asking->n_inputs; i++) {
        const struct pln_type *type = pln_infer_in(infer, i);
        present[i] = type != NULL;
        if (!type) continue;
        if (type->kind != PLN_TENSOR) return pln_infer_fail(infer, "input %d is no tensor; custom operators take tensors", i);
        *out_known = *out_known && type->dtype != PLN_DTYPE_NONE && type->rank >= 0;
    }
    return pln_custom_check(&asking->custom, present, asking->n_inputs, asking->n_outputs, infer->diag);
}

static enum pln_status infer_outputs(struct asking *asking)
{
    struct pln_infer *infer = asking->infer;
    const struct pln_node *node = pln_graph_node(infer->graph, infer->node);
    const char *name = node->n_origins ? infer->graph->origins[node->origins[0]].name : "";
    bool known = false;
    asking->n_inputs = (int)node->n_inputs;
    asking->n_outputs = (int)node->n_outputs;
    PLN_TRY(pln_custom_bind(infer->graph->plugins, &node->attrs, name, &asking->arena, infer->diag, &asking->custom));
    PLN_TRY(check_inputs(asking, &known));
    if (!known) return PLN_OK;
    asking->inputs = pln_arena_array(&asking->arena, node->n_inputs + 1u, sizeof *asking->inputs);
    asking->outputs = pln_arena_array(&asking->arena, node->n_outputs + 1u, sizeof *asking->outputs);
    asking->again = pln_arena_array(&asking->arena, node->n_outputs + 1u, sizeof *asking->again);
    asking->open = pln_arena_array(&asking->arena, (size_t)node->n_inputs * PLN_MAX_RANK + 1, sizeof *asking->open);
    if (!asking->inputs || !asking->outputs || !asking->again || !asking->open) return pln_fail_memory(infer->diag, "operands", node->n_inputs * sizeof *asking->inputs);
    PLN_TRY(ask(asking, &first_numbers, asking->outputs));
    PLN_TRY(ask(asking, &second_numbers, asking->again));
    return set_outputs(asking);
}

static enum pln_status infer_custom(struct pln_infer *infer)
{
    struct asking asking = { .infer = infer };
    pln_arena_init(&asking.arena, infer->graph->alloc, 0);
    enum pln_status status = infer_outputs(&asking);
    pln_arena_deinit(&asking.arena);
    return status;
}

const struct pln_op_def pln_op_custom = {
    .name = "custom",
    .max_inputs = -1,
    .min_outputs = 1,
    .max_outputs = -1,
    .traits = PLN_TRAIT_IMPURE,
    .infer = infer_custom,
};

const struct pln_op_def pln_op_custom_pure = {
    .name = "custom_pure",
    .max_inputs = -1,
    .min_outputs = 1,
    .max_outputs = -1,
    .infer = infer_custom,
};
