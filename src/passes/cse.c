/* Common subexpressions: nodes that compute the same from the same inputs become one; small equal constants, too. */
#include "passes/rewrite.h"

enum pln_status pln_pass_cse(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);

/* Constants larger than this are weights; comparing them is not worth the time. */
#define CONSTANT_BYTES_MOST 256

struct table {
    uint32_t *slots; /* id + 1, or 0; by hash, the next free one on collision */
    size_t mask;
};

static bool make_table(struct table *table, struct pln_arena *scratch, size_t n)
{
    size_t size = 16;
    while (size < 2 * n) size *= 2;
    table->mask = size - 1;
    table->slots = pln_arena_array(scratch, size, sizeof *table->slots);
    return table->slots != NULL;
}

/* ---- constants ---- */

static bool small_constant(const struct pln_value *value)
{
    return !value->removed && !value->tapped && value->data && value->first_use != PLN_NONE && value->data->dtype != PLN_STR &&
           pln_tensor_bytes(value->data) <= CONSTANT_BYTES_MOST;
}

static uint64_t constant_hash(const struct pln_tensor *tensor)
{
    uint64_t hash = pln_hash64(tensor->dims, (size_t)tensor->rank * sizeof *tensor->dims, (uint64_t)tensor->dtype);
    return pln_hash64(tensor->data, pln_tensor_bytes(tensor), hash);
}

static bool constants_equal(const struct pln_tensor *a, const struct pln_tensor *b)
{
    size_t bytes = pln_tensor_bytes(a);
    return a->dtype == b->dtype && pln_tensor_same_shape(a, b) && (bytes == 0 || memcmp(a->data, b->data, bytes) == 0);
}

static bool merge_constants(struct pln_graph *graph, struct pln_arena *scratch, bool *out_changed)
{
    struct table table;
    if (!make_table(&table, scratch, graph->n_values)) return false;
    for (uint32_t id = 0; id < graph->n_values; id++) {
        const struct pln_value *value = pln_graph_value(graph, id);
        if (!small_constant(value)) continue;
        for (size_t at = constant_hash(value->data) & table.mask;; at = (at + 1) & table.mask) {
            if (table.slots[at] == 0) {
                table.slots[at] = id + 1;
                break;
            }
            uint32_t other = table.slots[at] - 1;
            if (!constants_equal(pln_graph_value(graph, other)->data, value->data)) continue;
            pln_graph_replace_uses(graph, id, other);
            *out_changed = true;
            break;
        }
    }
    return true;
}

/* ---- known integers ---- */

/* Shapes are computed again and again; of values whose elements are known to be the same expressions the first one stays. */
static bool known_elements(struct pln_graph *graph, uint32_t node)
{
    const struct pln_node *n = pln_graph_node(graph, node);
    if (n->n_outputs != 1 || n->outputs[0] == PLN_NONE) return false;
    const struct pln_value *value = pln_graph_value(graph, n->outputs[0]);
    return value->elems && value->n_elems <= PLN_MAX_ELEMS && value->type.kind == PLN_TENSOR && value->type.rank >= 0;
}

static uint64_t elements_hash(struct pln_graph *graph, uint32_t node)
{
    const struct pln_value *value = pln_graph_value(graph, pln_graph_node(graph, node)->outputs[0]);
    uint32_t head[4] = { pln_graph_node(graph, node)->block, value->type.dtype, (uint32_t)value->type.rank, (uint32_t)value->n_elems };
    uint64_t hash = pln_hash64(head, sizeof head, 1);
    for (int64_t i = 0; i < value->n_elems; i++) {
        struct pln_dim dim = pln_dim_resolve(&graph->dims, value->elems[i]);
        hash = pln_hash64(&dim.id, sizeof dim.id, hash);
    }
    return hash;
}

static bool elements_equal(struct pln_graph *graph, uint32_t first, uint32_t second)
{
    const struct pln_node *m = pln_graph_node(graph, first), *n = pln_graph_node(graph, second);
    if (m->block != n->block || !known_elements(graph, first)) return false;
    const struct pln_value *a = pln_graph_value(graph, m->outputs[0]), *b = pln_graph_value(graph, n->outputs[0]);
    if (a->type.dtype != b->type.dtype || a->type.rank != b->type.rank || a->n_elems != b->n_elems) return false;
    for (int64_t i = 0; i < a->n_elems; i++)
        if (!pln_dim_same(&graph->dims, a->elems[i], b->elems[i])) return false;
    return true;
}

/* ---- nodes ---- */

static bool comparable(const struct pln_graph *graph, const struct pln_node *node)
{
    if (node->removed || node->n_outputs == 0 || node->n_blocks > 0) return false;
    if (pln_op_get(node->op)->traits & (PLN_TRAIT_IMPURE | PLN_TRAIT_CONTROL)) return false;
    for (uint32_t i = 0; i < node->n_outputs; i++)
        if (node->outputs[i] != PLN_NONE && pln_graph_value(graph, node->outputs[i])->tapped) return false;
    return true;
}

static uint64_t node_hash(const struct pln_node *node)
{
    uint32_t head[5] = { node->op, node->kind, node->block, node->n_inputs, node->n_outputs };
    uint64_t hash = pln_hash64(head, sizeof head, node->attrs.count);
    for (size_t i = 0; i < node->attrs.count; i++) {
        const struct pln_attr *attr = &node->attrs.items[i];
        hash = pln_hash64(attr->name, strlen(attr->name), hash);
        if (attr->kind == PLN_ATTR_INT) hash = pln_hash64(&attr->u.i, sizeof attr->u.i, hash);
    }
    return node->n_inputs ? pln_hash64(node->inputs, node->n_inputs * sizeof *node->inputs, hash) : hash;
}

static bool nodes_equal(const struct pln_node *a, const struct pln_node *b)
{
    if (a->op != b->op || a->kind != b->kind || a->block != b->block || a->n_inputs != b->n_inputs || a->n_outputs != b->n_outputs) return false;
    if (a->n_inputs && memcmp(a->inputs, b->inputs, a->n_inputs * sizeof *a->inputs) != 0) return false;
    for (uint32_t i = 0; i < a->n_outputs; i++)
        if (b->outputs[i] != PLN_NONE && a->outputs[i] == PLN_NONE) return false;
    return pln_attrs_equal(&a->attrs, &b->attrs);
}

/* Uses of node's outputs become uses of those of `first`, which stands before it. */
static bool merge(struct pln_rewrite *rw, uint32_t first, uint32_t node)
{
    bool changed = false;
    uint32_t n = pln_graph_node(rw->graph, node)->n_outputs;
    for (uint32_t i = 0; i < n && !pln_graph_node(rw->graph, node)->removed; i++)
        if (pln_graph_node(rw->graph, node)->outputs[i] != PLN_NONE)
            changed = pln_rewrite_forward(rw, node, i, pln_graph_node(rw->graph, first)->outputs[i]) || changed;
    return changed;
}

static void merge_block(struct pln_rewrite *rw, uint32_t block, struct table *table, bool *out_changed)
{
    struct pln_graph *graph = rw->graph;
    for (uint32_t id = graph->blocks[block].first, next; id != PLN_NONE; id = next) {
        next = pln_graph_node(graph, id)->next;
        if (!comparable(graph, pln_graph_node(graph, id))) continue;
        bool known = known_elements(graph, id);
        uint64_t hash = known ? elements_hash(graph, id) : node_hash(pln_graph_node(graph, id));
        for (size_t at = hash & table->mask;; at = (at + 1) & table->mask) {
            if (table->slots[at] == 0) {
                table->slots[at] = id + 1;
                break;
            }
            uint32_t other = table->slots[at] - 1;
            if (pln_graph_node(graph, other)->removed) continue;
            if (known ? !elements_equal(graph, other, id) : !nodes_equal(pln_graph_node(graph, other), pln_graph_node(graph, id))) continue;
            *out_changed = merge(rw, other, id) || *out_changed;
            break;
        }
    }
}

enum pln_status pln_pass_cse(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    struct pln_rewrite rewrite = { graph, scratch };
    struct table table;
    if (!merge_constants(graph, scratch, out_changed) || !make_table(&table, scratch, graph->n_nodes)) return pln_fail_memory(diag, "merging nodes", 0);
    for (uint32_t block = 0; block < graph->n_blocks; block++) {
        uint32_t parent = graph->blocks[block].parent_node;
        if (parent == PLN_NONE ? block == 0 : !pln_graph_node(graph, parent)->removed) merge_block(&rewrite, block, &table, out_changed);
    }
    return PLN_OK;
}
