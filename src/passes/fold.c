/* Constant folding: a node with constant inputs is run once, by its reference kernel; integers that inference knows need not even that. */
#include "passes/pass.h"
#include "tensor/convert.h"

enum pln_status pln_pass_fold(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);

/* Results larger than this, and larger than what goes in, stay to be computed: a plan is not to grow by Expand. */
#define GROWTH_MOST ((size_t)1 << 16)

static bool known_elements(const struct pln_graph *graph, const struct pln_value *value)
{
    if (value->data || !value->elems || value->type.kind != PLN_TENSOR || value->type.rank > 1 || value->type.rank < 0) return false;
    if (value->type.dtype != PLN_BOOL && !pln_dtype_is_integer(value->type.dtype)) return false;
    int64_t number;
    for (int64_t i = 0; i < value->n_elems; i++)
        if (!pln_dim_value(&graph->dims, value->elems[i], &number)) return false;
    return pln_dtype_bits(value->type.dtype) >= 8;
}

static enum pln_status set_known(struct pln_graph *graph, uint32_t id, struct pln_diag *diag)
{
    const struct pln_value *value = pln_graph_value(graph, id);
    struct pln_tensor tensor;
    pln_tensor_init(&tensor, value->type.dtype, value->type.rank, &value->n_elems, pln_arena_array(&graph->arena, (size_t)value->n_elems + 1, 8));
    if (!tensor.data) return pln_fail_memory(diag, value->name, 0);
    for (int64_t i = 0; i < value->n_elems; i++) {
        int64_t number = 0;
        if (!pln_dim_value(&graph->dims, value->elems[i], &number)) return PLN_OK;
        pln_store_i64(tensor.dtype, tensor.data, i, number);
    }
    pln_graph_set_constant(graph, id, &tensor);
    return PLN_OK;
}

static bool foldable(const struct pln_graph *graph, const struct pln_node *node, size_t *out_bytes)
{
    const struct pln_op_def *def = pln_op_get(node->op);
    *out_bytes = GROWTH_MOST;
    if (def->traits & (PLN_TRAIT_IMPURE | PLN_TRAIT_CONTROL | PLN_TRAIT_HOST)) return false;
    for (uint32_t i = 0; i < node->n_inputs; i++) {
        if (node->inputs[i] == PLN_NONE) continue;
        const struct pln_tensor *data = pln_graph_value(graph, node->inputs[i])->data;
        if (!data) return false;
        *out_bytes = PLN_MAX(*out_bytes, pln_tensor_bytes(data));
    }
    return true;
}

/* A node that fails on its constants fails when it is run, with its own message, so the texts of a failed try are dropped. Want of memory
 * fails the build: without this constant the plan would be another one. */
static enum pln_status try_fold(struct pln_graph *graph, uint32_t id, size_t max_bytes, struct pln_diag *diag, struct pln_tensor *results)
{
    int count = diag ? diag->count : 0, dropped = diag ? diag->dropped : 0;
    enum pln_status status = pln_op_fold(graph, id, max_bytes, diag, results);
    if (!diag || status == PLN_OK) return status;
    if (status != PLN_NO_MEMORY) diag->count = count, diag->dropped = dropped;
    else if (diag->count == count && diag->dropped == dropped) return pln_fail_memory(diag, "a folded constant", max_bytes);
    return status;
}

static enum pln_status fold_node(struct pln_graph *graph, uint32_t id, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    struct pln_node *node = pln_graph_node(graph, id);
    bool all = node->n_outputs > 0;
    for (uint32_t i = 0; i < node->n_outputs; i++) all = all && (node->outputs[i] == PLN_NONE || known_elements(graph, pln_graph_value(graph, node->outputs[i])));
    if (all && !(pln_op_get(node->op)->traits & PLN_TRAIT_IMPURE)) {
        for (uint32_t i = 0; i < pln_graph_node(graph, id)->n_outputs; i++)
            if (pln_graph_node(graph, id)->outputs[i] != PLN_NONE) PLN_TRY(set_known(graph, pln_graph_node(graph, id)->outputs[i], diag));
        *out_changed = true;
        return PLN_OK;
    }
    size_t max_bytes;
    if (!foldable(graph, node, &max_bytes)) return PLN_OK;
    struct pln_tensor *results = pln_arena_array(scratch, node->n_outputs + 1u, sizeof *results);
    if (!results) return pln_fail_memory(diag, "folding", 0);
    enum pln_status status = try_fold(graph, id, max_bytes, diag, results);
    if (status != PLN_OK) return status == PLN_NO_MEMORY ? status : PLN_OK;
    for (uint32_t i = 0; i < pln_graph_node(graph, id)->n_outputs; i++)
        if (pln_graph_node(graph, id)->outputs[i] != PLN_NONE) pln_graph_set_constant(graph, pln_graph_node(graph, id)->outputs[i], &results[i]);
    *out_changed = true;
    return PLN_OK;
}

static enum pln_status fold_block(struct pln_graph *graph, uint32_t block, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    for (uint32_t id = graph->blocks[block].first; id != PLN_NONE;) {
        uint32_t next = pln_graph_node(graph, id)->next;
        pln_graph_set_diag(graph, id, diag);
        for (uint32_t i = 0; i < pln_graph_node(graph, id)->n_blocks; i++) PLN_TRY(fold_block(graph, pln_graph_node(graph, id)->blocks[i], scratch, diag, out_changed));
        PLN_TRY(fold_node(graph, id, scratch, diag, out_changed));
        bool gone = true;
        for (uint32_t i = 0; i < pln_graph_node(graph, id)->n_outputs; i++) {
            uint32_t output = pln_graph_node(graph, id)->outputs[i];
            if (output != PLN_NONE && pln_graph_value(graph, output)->producer == id) gone = false;
        }
        if (gone && pln_graph_node(graph, id)->n_blocks == 0 && pln_graph_node(graph, id)->n_outputs > 0) pln_graph_remove_node(graph, id);
        id = next;
    }
    if (diag) diag->node = diag->op = NULL;
    return PLN_OK;
}

enum pln_status pln_pass_fold(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    return fold_block(graph, 0, scratch, diag, out_changed);
}
