/* Choosing a kernel row for a node: the cheapest that supports the problem. */
#include "base/text.h"
#include "lower/state.h"

static void describe_operand(struct pln_lower *lower, uint32_t value, struct pln_operand *out)
{
    *out = (struct pln_operand){ .rank = -1 };
    if (value == PLN_NONE) return;
    const struct pln_value *own = pln_graph_value(lower->graph, value);
    out->present = true;
    out->constant = own->data != NULL;
    out->known = out->constant || pln_lower_is_shape_value(lower, value);
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

/* ---- device code ---- */

/* Sources are few, and long: comparing them is cheap beside compiling one twice. */
static enum pln_status keep_source(struct pln_lower *lower, const struct pln_text *source, uint32_t *out_code)
{
    struct pln_program *program = lower->program;
    for (uint32_t i = 0; i < program->n_codes; i++) {
        if (!pln_str_equal(program->codes[i].source, source->data)) continue;
        *out_code = i + 1;
        return PLN_OK;
    }
    const char *kept = pln_arena_text(lower->arena, source->data, source->size_bytes);
    if (!kept || !pln_arena_grow(lower->arena, (void **)&program->codes, &lower->codes_capacity, program->n_codes + 1u, sizeof *program->codes))
        return pln_fail_memory(lower->diag, "device code", source->size_bytes);
    program->codes[program->n_codes] = (struct pln_program_code){ .source = kept };
    *out_code = ++program->n_codes;
    return PLN_OK;
}

static enum pln_status emit(struct pln_lower *lower, const struct pln_kernel *kernel, const struct pln_problem *problem, uint32_t *out_code)
{
    *out_code = 0;
    if (!kernel || !kernel->family->emit) return PLN_OK;
    struct pln_text source;
    pln_text_init(&source, lower->graph->alloc);
    enum pln_status status = kernel->family->emit(kernel, problem, lower->diag, &source);
    if (status == PLN_OK && source.failed) status = pln_fail_memory(lower->diag, "device code", source.size_bytes);
    if (status == PLN_OK) status = keep_source(lower, &source, out_code);
    pln_text_deinit(&source);
    return status;
}

enum pln_status pln_lower_copy_code(struct pln_lower *lower, const struct pln_slot *from, uint32_t *out_code)
{
    const struct pln_kernel *kernel = lower->options->backend->copy;
    *out_code = 0;
    if (!kernel) return PLN_OK;
    const struct pln_operand operand = { .present = true, .dtype = from->dtype, .rank = from->rank };
    const struct pln_problem problem = { .op = kernel->op, .n_inputs = 1, .n_outputs = 1, .inputs = &operand, .outputs = &operand, .features = lower->options->features };
    return kernel->family->supports(kernel, &problem) ? PLN_OK : emit(lower, kernel, &problem, out_code); /* without code: dense memory alone */
}

/* ---- the choice ---- */

static const struct pln_kernel *cheapest(const struct pln_lower *lower, const struct pln_backend *backend, const struct pln_problem *problem)
{
    const struct pln_kernel *best = NULL;
    double best_cost = 0;
    for (const struct pln_kernel *const *row = backend->kernels; row && *row; row++) {
        const struct pln_kernel *kernel = *row;
        if (kernel->op != problem->op || (kernel->needs & ~problem->features) || kernel->family->supports(kernel, problem)) continue;
        double cost = lower->options->cost ? lower->options->cost(lower->options->cost_user, kernel, problem) : kernel->family->cost(kernel, problem);
        if (best && cost >= best_cost) continue;
        best = kernel;
        best_cost = cost;
    }
    return best;
}

enum pln_status pln_lower_choose(struct pln_lower *lower, uint32_t node_id, bool on_host, const struct pln_kernel **out_kernel, uint32_t *out_code)
{
    const bool other = on_host && lower->options->host;
    const struct pln_backend *backend = other ? lower->options->host : lower->options->backend;
    const struct pln_node *node = pln_graph_node(lower->graph, node_id);
    *out_kernel = NULL;
    *out_code = 0;
    if (!backend->kernels || lower->options->oracle) return PLN_OK;
    struct pln_operand *operands = pln_arena_array(lower->arena, node->n_inputs + node->n_outputs + 1u, sizeof *operands);
    if (!operands) return pln_fail_memory(lower->diag, "operands", 0);
    for (uint32_t i = 0; i < node->n_inputs; i++) describe_operand(lower, node->inputs[i], &operands[i]);
    for (uint32_t i = 0; i < node->n_outputs; i++) describe_operand(lower, node->outputs[i], &operands[node->n_inputs + i]);
    struct pln_problem problem = { .op = node->op, .kind = node->kind, .attrs = &node->attrs, .n_inputs = (int)node->n_inputs, .n_outputs = (int)node->n_outputs, .inputs = operands,
                                   .outputs = operands + node->n_inputs, .features = other ? lower->options->host_features : lower->options->features, .direct = lower->options->direct };
    PLN_TRY(read_program(lower, node, "epilogue", &problem.epilogue));
    PLN_TRY(read_program(lower, node, "program", &problem.program));
    *out_kernel = cheapest(lower, backend, &problem);
    return emit(lower, *out_kernel, &problem, out_code);
}
