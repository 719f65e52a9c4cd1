/* Choosing a kernel row for a node: of those that support the problem the cheapest, or what the caller picks. */
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

size_t pln_candidate_cheapest(const struct pln_candidate *candidates, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (candidates[i].estimate_ns < candidates[best].estimate_ns) best = i;
    return best;
}

static enum pln_status find_candidates(struct pln_lower *lower, const struct pln_backend *backend, const struct pln_problem *problem, struct pln_candidate **out_candidates, size_t *out_n)
{
    size_t n = 0;
    for (const struct pln_kernel *const *row = backend->kernels; *row; row++) n += (*row)->op == problem->op;
    struct pln_candidate *candidates = pln_arena_array(lower->arena, n + 1, sizeof *candidates);
    if (!candidates) return pln_fail_memory(lower->diag, "candidates", 0);
    *out_candidates = candidates;
    *out_n = 0;
    for (const struct pln_kernel *const *row = backend->kernels; *row; row++) {
        const struct pln_kernel *kernel = *row;
        if (kernel->op != problem->op || (kernel->needs & ~problem->features) || kernel->family->supports(kernel, problem)) continue;
        candidates[(*out_n)++] = (struct pln_candidate){ kernel, kernel->family->cost(kernel, problem) };
    }
    return PLN_OK;
}

/* The operands, with the extents of a usual run. NULL: no memory. */
static struct pln_operand *usual_operands(struct pln_lower *lower, const struct pln_node *node, const struct pln_operand *operands)
{
    const uint32_t n = node->n_inputs + node->n_outputs;
    struct pln_operand *usual = pln_arena_array(lower->arena, n + 1u, sizeof *usual);
    if (!usual) return NULL;
    memcpy(usual, operands, n * sizeof *usual);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t value = i < node->n_inputs ? node->inputs[i] : node->outputs[i - node->n_inputs];
        for (int d = 0; d < usual[i].rank; d++)
            if (usual[i].dims[d] < 0) usual[i].dims[d] = pln_lower_usual_extent(lower, pln_graph_value(lower->graph, value)->type.dims[d]);
    }
    return usual;
}

static enum pln_status pick(struct pln_lower *lower, const struct pln_node *node, const struct pln_backend *backend, const struct pln_problem *problem, const struct pln_kernel **out_kernel)
{
    struct pln_candidate *candidates = NULL;
    size_t n = 0;
    PLN_TRY(find_candidates(lower, backend, problem, &candidates, &n));
    if (n == 0) return PLN_OK;
    size_t best = pln_candidate_cheapest(candidates, n);
    if (lower->options->pick) {
        struct pln_problem usual = *problem;
        struct pln_operand *operands = usual_operands(lower, node, problem->inputs);
        if (!operands) return pln_fail_memory(lower->diag, "operands", 0);
        usual.inputs = operands;
        usual.outputs = operands + node->n_inputs;
        best = lower->options->pick(lower->options->pick_user, &usual, candidates, n);
    }
    *out_kernel = candidates[best].kernel;
    return PLN_OK;
}

static enum pln_image_order image_order(struct pln_lower *lower, const struct pln_node *node, uint32_t space)
{
    const uint32_t image = node->n_inputs > 0 ? node->inputs[0] : PLN_NONE, slot = image == PLN_NONE ? PLN_NONE : lower->made[space][image];
    if (slot == PLN_NONE || lower->program->slots[slot].rank < 3) return PLN_IMAGE_UNKNOWN;
    return lower->program->slots[slot].order || pln_lower_slot_is_wide(lower, slot) ? PLN_IMAGE_LAST : PLN_IMAGE_PLAIN;
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
                                   .outputs = operands + node->n_inputs, .features = other ? lower->options->host_features : lower->options->features, .image = image_order(lower, node, lower->device_memory && !on_host ? 1 : 0),
                                   .shared_weights = lower->options->shared_weights, .direct = lower->options->direct };
    PLN_TRY(read_program(lower, node, "epilogue", &problem.epilogue));
    PLN_TRY(read_program(lower, node, "program", &problem.program));
    PLN_TRY(pick(lower, node, backend, &problem, out_kernel));
    return emit(lower, *out_kernel, &problem, out_code);
}
