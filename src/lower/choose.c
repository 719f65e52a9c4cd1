/* Choosing a kernel row for a node: the cheapest that supports the problem. */
#include "lower/state.h"

static void describe_operand(struct pln_lower *lower, uint32_t value, struct pln_operand *out)
{
    *out = (struct pln_operand){ .rank = -1 };
    if (value == PLN_NONE) return;
    const struct pln_value *own = pln_graph_value(lower->graph, value);
    out->present = true;
    out->constant = own->data != NULL;
    out->dtype = own->type.kind == PLN_TENSOR ? own->type.dtype : PLN_DTYPE_NONE;
    out->rank = own->type.kind == PLN_TENSOR ? own->type.rank : -1;
    for (int i = 0; i < out->rank; i++)
        if (!pln_dim_value(&lower->graph->dims, own->type.dims[i], &out->dims[i])) out->dims[i] = -1;
}

static enum pln_status read_program(struct pln_lower *lower, const struct pln_node *node, const char *name, const struct pln_rowprog **out_program)
{
    *out_program = NULL;
    const struct pln_attr *attr = pln_attrs_find(&node->attrs, name);
    if (!attr || attr->kind != PLN_ATTR_STRING) return PLN_OK;
    struct pln_rowprog *program = pln_arena_alloc(lower->arena, sizeof *program);
    if (!program) return pln_fail_memory(lower->diag, "row program", sizeof *program);
    PLN_TRY(pln_rowprog_read(attr->u.s.data, attr->u.s.size_bytes, lower->diag, program));
    *out_program = program;
    return PLN_OK;
}

const struct pln_kernel *pln_lower_choose(struct pln_lower *lower, uint32_t node_id)
{
    const struct pln_backend *backend = lower->options->backend;
    const struct pln_node *node = pln_graph_node(lower->graph, node_id);
    if (!backend->kernels || lower->options->oracle) return NULL;
    struct pln_operand *operands = pln_arena_array(lower->arena, node->n_inputs + node->n_outputs + 1u, sizeof *operands);
    if (!operands) return NULL;
    for (uint32_t i = 0; i < node->n_inputs; i++) describe_operand(lower, node->inputs[i], &operands[i]);
    for (uint32_t i = 0; i < node->n_outputs; i++) describe_operand(lower, node->outputs[i], &operands[node->n_inputs + i]);
    struct pln_problem problem = { .op = node->op, .kind = node->kind, .attrs = &node->attrs, .n_inputs = (int)node->n_inputs, .n_outputs = (int)node->n_outputs, .inputs = operands,
                                   .outputs = operands + node->n_inputs, .features = lower->options->features };
    if (read_program(lower, node, "epilogue", &problem.epilogue) != PLN_OK || read_program(lower, node, "program", &problem.program) != PLN_OK) return NULL;
    const struct pln_kernel *best = NULL;
    double best_cost = 0;
    for (const struct pln_kernel *const *row = backend->kernels; *row; row++) {
        const struct pln_kernel *kernel = *row;
        if (kernel->op != node->op || (kernel->needs & ~lower->options->features) || kernel->family->supports(kernel, &problem)) continue;
        double cost = lower->options->cost ? lower->options->cost(lower->options->cost_user, kernel, &problem) : kernel->family->cost(kernel, &problem);
        if (best && cost >= best_cost) continue;
        best = kernel;
        best_cost = cost;
    }
    return best;
}
