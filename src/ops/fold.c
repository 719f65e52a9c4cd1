/* Constant folding: the reference kernel, run on constants. */
#include "ops/op.h"

/* What one fold needs; everything but the results goes when it ends. */
struct fold {
    struct pln_graph *graph;
    struct pln_arena scratch;
    struct pln_heap heap;
    struct pln_call call;
    struct pln_custom custom;
};

static enum pln_status set_inputs(struct fold *fold, const struct pln_node *node, struct pln_diag *diag)
{
    uint32_t n = node->n_inputs;
    struct pln_item *items = pln_arena_array(&fold->scratch, n, sizeof(*items));
    const struct pln_item **list = pln_arena_array(&fold->scratch, n, sizeof(*list));
    if (!items || !list) return pln_fail_memory(diag, "folding", n * sizeof(*items));
    for (uint32_t i = 0; i < n; i++) {
        if (node->inputs[i] == PLN_NONE) continue;
        const struct pln_value *value = pln_graph_value(fold->graph, node->inputs[i]);
        if (!value->data) return PLN_UNSUPPORTED;
        items[i].kind = PLN_TENSOR;
        items[i].refs = 1;
        items[i].tensor = *value->data;
        list[i] = &items[i];
    }
    fold->call.inputs = list;
    fold->call.n_inputs = (int)n;
    return PLN_OK;
}

static enum pln_status set_outputs(struct fold *fold, const struct pln_node *node, struct pln_diag *diag)
{
    uint32_t n = node->n_outputs;
    bool *wanted = pln_arena_array(&fold->scratch, n, sizeof(*wanted));
    fold->call.outputs = pln_arena_array(&fold->scratch, n, sizeof(*fold->call.outputs));
    if (!wanted || !fold->call.outputs) return pln_fail_memory(diag, "folding", n * sizeof(*fold->call.outputs));
    for (uint32_t o = 0; o < n; o++) wanted[o] = node->outputs[o] != PLN_NONE;
    fold->call.wanted = wanted;
    fold->call.n_outputs = (int)n;
    return PLN_OK;
}

static enum pln_status keep_strings(struct pln_arena *arena, struct pln_tensor *tensor)
{
    struct pln_string *strings = tensor->data;
    int64_t count = pln_tensor_count(tensor);
    for (int64_t i = 0; i < count; i++) {
        strings[i].data = pln_arena_copy(arena, strings[i].data, strings[i].size_bytes);
        if (!strings[i].data) return PLN_NO_MEMORY;
    }
    return PLN_OK;
}

static enum pln_status keep_output(struct fold *fold, const struct pln_item *item, struct pln_diag *diag, struct pln_tensor *out)
{
    if (item->kind != PLN_TENSOR) return PLN_UNSUPPORTED;
    size_t bytes = pln_tensor_bytes(&item->tensor);
    *out = item->tensor;
    out->data = pln_arena_alloc_aligned(&fold->graph->arena, bytes, 64);
    if (!out->data) return pln_fail_memory(diag, "a folded constant", bytes);
    if (bytes) memcpy(out->data, item->tensor.data, bytes);
    if (out->dtype == PLN_STR && keep_strings(&fold->graph->arena, out) != PLN_OK)
        return pln_fail_memory(diag, "folded strings", bytes);
    return PLN_OK;
}

static enum pln_status run(struct fold *fold, const struct pln_node *node, struct pln_diag *diag, struct pln_tensor *out_tensors)
{
    PLN_TRY(set_inputs(fold, node, diag));
    PLN_TRY(set_outputs(fold, node, diag));
    if (pln_custom_is_op(node->op)) {
        PLN_TRY(pln_custom_bind(fold->graph->plugins, &node->attrs, node->n_origins ? fold->graph->origins[node->origins[0]].name : "", &fold->scratch, diag, &fold->custom));
        fold->call.custom = &fold->custom;
    }
    enum pln_status status = pln_ref_kernels[node->op](&fold->call);
    if (status == PLN_NO_MEMORY && fold->heap.over_limit) return PLN_UNSUPPORTED;
    PLN_TRY(status);
    for (uint32_t o = 0; o < node->n_outputs; o++) {
        if (!fold->call.outputs[o]) continue;
        PLN_TRY(keep_output(fold, fold->call.outputs[o], diag, &out_tensors[o]));
    }
    return PLN_OK;
}

enum pln_status pln_op_fold(struct pln_graph *graph, uint32_t node_id, size_t max_bytes, struct pln_diag *diag,
                            struct pln_tensor *out_tensors)
{
    const struct pln_node *node = pln_graph_node(graph, node_id);
    memset(out_tensors, 0, node->n_outputs * sizeof(*out_tensors));
    if (node->op == PLN_OP_NONE || node->op >= PLN_OP_COUNT) return PLN_UNSUPPORTED;
    if ((pln_op_defs[node->op]->traits & (PLN_TRAIT_CONTROL | PLN_TRAIT_IMPURE)) || !pln_ref_kernels[node->op]) return PLN_UNSUPPORTED;
    struct fold fold = { .graph = graph };
    pln_arena_init(&fold.scratch, graph->alloc, 0);
    /* The heap rounds sizes up by at most half, so this lets max_bytes of output pass. Too large to fold is no error, running out of
     * memory is one: taken for the former, it would give another plan. */
    pln_heap_init(&fold.heap, graph->alloc, max_bytes > SIZE_MAX / 2 ? 0 : max_bytes + max_bytes / 2 + 4096);
    fold.heap.diag = diag;
    fold.call.op = node->op;
    fold.call.kind = node->kind;
    fold.call.attrs = &node->attrs;
    fold.call.heap = &fold.heap;
    fold.call.scratch = &fold.scratch;
    fold.call.diag = diag;
    enum pln_status status = run(&fold, node, diag, out_tensors);
    pln_heap_deinit(&fold.heap);
    pln_arena_deinit(&fold.scratch);
    return status;
}
