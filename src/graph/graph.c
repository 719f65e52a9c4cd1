#include "graph/graph.h"

#include "graph/inside.h"
#include "tensor/convert.h"

enum pln_status pln_graph_create(const struct pln_allocator *alloc, size_t limit_bytes, struct pln_diag *diag, struct pln_graph **out_graph)
{
    *out_graph = NULL;
    if (!alloc) alloc = pln_allocator_default();
    struct pln_graph *graph = pln_alloc_zeroed(alloc, sizeof(*graph), _Alignof(struct pln_graph));
    if (!graph) return pln_fail_memory(diag, "graph", sizeof(*graph));
    graph->alloc = alloc;
    graph->name = "";
    graph->free_use = PLN_NONE;
    pln_arena_init(&graph->arena, alloc, limit_bytes);
    pln_dim_table_init(&graph->dims, &graph->arena);
    pln_map_init(&graph->names, alloc);
    if (pln_graph_add_block(graph, PLN_NONE) == PLN_NONE) {
        pln_graph_destroy(graph);
        return pln_fail_memory(diag, "graph", sizeof(struct pln_block));
    }
    *out_graph = graph;
    return PLN_OK;
}

void pln_graph_destroy(struct pln_graph *graph)
{
    if (!graph) return;
    pln_map_deinit(&graph->names);
    pln_arena_deinit(&graph->arena);
    pln_free(graph->alloc, graph, sizeof(*graph));
}

static bool grow(struct pln_graph *graph, void *items, size_t *capacity, size_t count, size_t elem_bytes)
{
    void **array = items;
    if (count < PLN_NONE && pln_arena_grow(&graph->arena, array, capacity, count + 1, elem_bytes)) return true;
    graph->failed = true;
    return false;
}

/* ---- lists ---- */

uint32_t pln_use_add(struct pln_graph *graph, uint32_t value, uint32_t user, uint32_t block, uint32_t slot)
{
    uint32_t use = graph->free_use;
    if (value == PLN_NONE) return PLN_NONE;
    if (use != PLN_NONE) {
        graph->free_use = graph->uses[use].next;
    } else {
        if (!grow(graph, &graph->uses, &graph->uses_capacity, graph->n_uses, sizeof(*graph->uses))) return PLN_NONE;
        use = (uint32_t)graph->n_uses++;
    }
    uint32_t next = graph->values[value].first_use;
    graph->uses[use] = (struct pln_use){ user, block, slot, value, PLN_NONE, next };
    if (next != PLN_NONE) graph->uses[next].prev = use;
    graph->values[value].first_use = use;
    return use;
}

static void unlink_use(struct pln_graph *graph, uint32_t id)
{
    struct pln_use *use = &graph->uses[id];
    if (use->prev != PLN_NONE) graph->uses[use->prev].next = use->next;
    else graph->values[use->value].first_use = use->next;
    if (use->next != PLN_NONE) graph->uses[use->next].prev = use->prev;
}

void pln_use_drop(struct pln_graph *graph, uint32_t use)
{
    if (use == PLN_NONE) return;
    unlink_use(graph, use);
    graph->uses[use].value = PLN_NONE;
    graph->uses[use].next = graph->free_use;
    graph->free_use = use;
}

void pln_use_move(struct pln_graph *graph, uint32_t use, uint32_t value)
{
    unlink_use(graph, use);
    uint32_t next = graph->values[value].first_use;
    graph->uses[use].value = value;
    graph->uses[use].prev = PLN_NONE;
    graph->uses[use].next = next;
    if (next != PLN_NONE) graph->uses[next].prev = use;
    graph->values[value].first_use = use;
}

void pln_node_link(struct pln_graph *graph, uint32_t node, uint32_t block, uint32_t before)
{
    struct pln_node *n = &graph->nodes[node];
    struct pln_block *b = &graph->blocks[block];
    n->block = block;
    n->next = before;
    n->prev = before == PLN_NONE ? b->last : graph->nodes[before].prev;
    if (n->prev == PLN_NONE) b->first = node;
    else graph->nodes[n->prev].next = node;
    if (before == PLN_NONE) b->last = node;
    else graph->nodes[before].prev = node;
}

void pln_node_unlink(struct pln_graph *graph, uint32_t node)
{
    struct pln_node *n = &graph->nodes[node];
    struct pln_block *b = &graph->blocks[n->block];
    if (n->prev == PLN_NONE) b->first = n->next;
    else graph->nodes[n->prev].next = n->next;
    if (n->next == PLN_NONE) b->last = n->prev;
    else graph->nodes[n->next].prev = n->prev;
    n->prev = n->next = PLN_NONE;
}

uint32_t *pln_ids_alloc(struct pln_graph *graph, size_t n)
{
    size_t room = 1;
    while (room < n) room *= 2;
    uint32_t *ids = pln_arena_array(&graph->arena, room, sizeof(*ids));
    if (!ids) graph->failed = true;
    return ids;
}

uint32_t *pln_ids_append(struct pln_graph *graph, uint32_t *ids, size_t n, uint32_t id)
{
    if (n == 0 || (n & (n - 1)) == 0) { /* a power of two is full */
        uint32_t *larger = pln_ids_alloc(graph, n + 1);
        if (!larger) return NULL;
        if (n) memcpy(larger, ids, n * sizeof(*ids));
        ids = larger;
    }
    ids[n] = id;
    return ids;
}

/* ---- values ---- */

const char *pln_name_unique(struct pln_graph *graph, const char *name)
{
    const char *kept = name ? pln_arena_text(&graph->arena, name, strlen(name)) : NULL;
    if (!name) kept = pln_arena_format(&graph->arena, "v%u", graph->next_name++);
    while (kept && pln_graph_find_value(graph, kept) != PLN_NONE) {
        kept = pln_arena_format(&graph->arena, "%s.%u", name ? name : "v", graph->next_name++);
    }
    if (!kept) graph->failed = true;
    return kept;
}

uint32_t pln_graph_add_value(struct pln_graph *graph, const char *name, const struct pln_type *type)
{
    const char *unique = pln_name_unique(graph, name);
    if (!unique || !grow(graph, &graph->values, &graph->values_capacity, graph->n_values, sizeof(*graph->values))) return PLN_NONE;
    uint32_t id = (uint32_t)graph->n_values;
    graph->values[id] = (struct pln_value){ .name = unique,
                                            .type = { .rank = -1 },
                                            .producer = PLN_NONE,
                                            .block = PLN_NONE,
                                            .first_use = PLN_NONE };
    graph->n_values++;
    if (!pln_map_set(&graph->names, unique, strlen(unique), id)) {
        graph->failed = true;
        graph->values[id].removed = true;
        return PLN_NONE;
    }
    if (type && !pln_graph_set_type(graph, id, type)) return PLN_NONE;
    return id;
}

static bool has_elems(const struct pln_tensor *tensor)
{
    return pln_dtype_is_integer(tensor->dtype) && tensor->rank <= 1 && pln_tensor_count(tensor) <= PLN_MAX_ELEMS;
}

/* The elements as numbers of the dim table; NULL: not representable, or no memory. */
static const struct pln_dim *make_elems(struct pln_graph *graph, const struct pln_tensor *tensor)
{
    int64_t n = pln_tensor_count(tensor);
    struct pln_dim *elems = pln_arena_array(&graph->arena, (size_t)n, sizeof(*elems));
    if (!elems) graph->failed = true;
    for (int64_t i = 0; elems && i < n; i++) {
        int64_t value = pln_load_i64(tensor->dtype, tensor->data, i);
        if (tensor->dtype == PLN_U64 && value < 0) return NULL;
        elems[i] = pln_dim_const(&graph->dims, value);
        if (elems[i].id == UINT32_MAX) {
            graph->failed = true;
            return NULL;
        }
    }
    return elems;
}

void pln_graph_set_constant(struct pln_graph *graph, uint32_t value, const struct pln_tensor *tensor)
{
    struct pln_dim dims[PLN_MAX_RANK];
    struct pln_tensor *data = pln_arena_copy(&graph->arena, tensor, sizeof(*tensor));
    for (int i = 0; i < tensor->rank; i++) dims[i] = pln_dim_const(&graph->dims, tensor->dims[i]);
    if (!data || graph->dims.failed || !pln_graph_set_tensor_type(graph, value, tensor->dtype, tensor->rank, dims)) {
        graph->failed = true;
        return;
    }
    struct pln_value *v = &graph->values[value];
    if (v->producer != PLN_NONE) graph->nodes[v->producer].outputs[v->producer_slot] = PLN_NONE;
    v->producer = PLN_NONE;
    v->data = data;
    v->elems = has_elems(tensor) ? make_elems(graph, tensor) : NULL;
    v->n_elems = v->elems ? pln_tensor_count(tensor) : 0;
}

uint32_t pln_graph_add_constant(struct pln_graph *graph, const char *name, const struct pln_tensor *tensor)
{
    uint32_t value = pln_graph_add_value(graph, name, NULL);
    if (value != PLN_NONE) pln_graph_set_constant(graph, value, tensor);
    return graph->failed ? PLN_NONE : value;
}

static uint32_t add_constant_copy(struct pln_graph *graph, const char *name, struct pln_tensor *tensor, const void *data)
{
    size_t size_bytes;
    if (pln_shape_bytes(tensor->dtype, tensor->rank, tensor->dims, &size_bytes)) {
        tensor->data = pln_arena_copy(&graph->arena, data, size_bytes);
        if (tensor->data) return pln_graph_add_constant(graph, name, tensor);
    }
    graph->failed = true;
    return PLN_NONE;
}

uint32_t pln_graph_add_constant_i64(struct pln_graph *graph, const char *name, int rank, const int64_t *dims, const int64_t *data)
{
    struct pln_tensor tensor;
    pln_tensor_init(&tensor, PLN_I64, rank, dims, NULL);
    return add_constant_copy(graph, name, &tensor, data);
}

uint32_t pln_graph_add_constant_f32(struct pln_graph *graph, const char *name, float scalar)
{
    struct pln_tensor tensor;
    pln_tensor_init(&tensor, PLN_F32, 0, NULL, NULL);
    return add_constant_copy(graph, name, &tensor, &scalar);
}

/* ---- nodes ---- */

static bool fill_node(struct pln_graph *graph, uint32_t id, const uint32_t *inputs, uint32_t n_inputs, uint32_t n_outputs)
{
    uint32_t *ids = pln_ids_alloc(graph, n_inputs), *uses = pln_ids_alloc(graph, n_inputs);
    uint32_t *outputs = pln_ids_alloc(graph, n_outputs);
    if (!ids || !uses || !outputs) return false;
    struct pln_node *node = &graph->nodes[id];
    node->inputs = ids;
    node->input_uses = uses;
    node->outputs = outputs;
    for (uint32_t i = 0; i < n_inputs; i++) {
        ids[i] = inputs[i];
        uses[i] = pln_use_add(graph, inputs[i], id, PLN_NONE, i);
        if (uses[i] == PLN_NONE && inputs[i] != PLN_NONE) return false;
        node->n_inputs++;
    }
    for (uint32_t i = 0; i < n_outputs; i++) {
        outputs[i] = pln_graph_add_value(graph, NULL, NULL);
        if (outputs[i] == PLN_NONE) return false;
        graph->values[outputs[i]].producer = id;
        graph->values[outputs[i]].producer_slot = i;
        node->n_outputs++;
    }
    return true;
}

static uint32_t add_node(struct pln_graph *graph, uint32_t block, uint32_t before, const struct pln_node *what, const uint32_t *inputs)
{
    assert(block < graph->n_blocks);
    if (!grow(graph, &graph->nodes, &graph->nodes_capacity, graph->n_nodes, sizeof(*graph->nodes))) return PLN_NONE;
    uint32_t id = (uint32_t)graph->n_nodes++;
    graph->nodes[id] = (struct pln_node){ .op = what->op, .kind = what->kind, .prev = PLN_NONE, .next = PLN_NONE };
    pln_node_link(graph, id, block, before);
    return fill_node(graph, id, inputs, what->n_inputs, what->n_outputs) ? id : PLN_NONE;
}

uint32_t pln_graph_add_node(struct pln_graph *graph, uint32_t block, unsigned op, unsigned kind, const uint32_t *inputs, uint32_t n_inputs,
                            uint32_t n_outputs)
{
    struct pln_node what = { .op = (uint16_t)op, .kind = (uint16_t)kind, .n_inputs = n_inputs, .n_outputs = n_outputs };
    return add_node(graph, block, PLN_NONE, &what, inputs);
}

uint32_t pln_graph_insert_node(struct pln_graph *graph, uint32_t before, unsigned op, unsigned kind, const uint32_t *inputs, uint32_t n_inputs,
                               uint32_t n_outputs)
{
    struct pln_node what = { .op = (uint16_t)op, .kind = (uint16_t)kind, .n_inputs = n_inputs, .n_outputs = n_outputs };
    return add_node(graph, graph->nodes[before].block, before, &what, inputs);
}

uint32_t pln_graph_emit(struct pln_graph *graph, uint32_t block, unsigned op, unsigned kind, const uint32_t *inputs, uint32_t n_inputs)
{
    uint32_t node = pln_graph_add_node(graph, block, op, kind, inputs, n_inputs, 1);
    return node == PLN_NONE ? PLN_NONE : graph->nodes[node].outputs[0];
}

/* ---- blocks ---- */

uint32_t pln_graph_add_block(struct pln_graph *graph, uint32_t parent_node)
{
    if (!grow(graph, &graph->blocks, &graph->blocks_capacity, graph->n_blocks, sizeof(*graph->blocks))) return PLN_NONE;
    uint32_t id = (uint32_t)graph->n_blocks;
    if (parent_node != PLN_NONE) {
        struct pln_node *node = &graph->nodes[parent_node];
        uint32_t *blocks = pln_ids_append(graph, node->blocks, node->n_blocks, id);
        if (!blocks) return PLN_NONE;
        node->blocks = blocks;
        node->n_blocks++;
    }
    graph->blocks[id] = (struct pln_block){ .parent_node = parent_node, .first = PLN_NONE, .last = PLN_NONE };
    graph->n_blocks++;
    return id;
}

bool pln_graph_add_block_input(struct pln_graph *graph, uint32_t block, uint32_t value)
{
    struct pln_block *b = &graph->blocks[block];
    size_t capacity = b->inputs_capacity;
    assert(graph->values[value].producer == PLN_NONE && graph->values[value].block == PLN_NONE && !graph->values[value].data);
    if (!grow(graph, &b->inputs, &capacity, b->n_inputs, sizeof(*b->inputs))) return false;
    b->inputs_capacity = (uint32_t)capacity;
    b->inputs[b->n_inputs++] = value;
    graph->values[value].block = block;
    return true;
}

bool pln_graph_add_block_output(struct pln_graph *graph, uint32_t block, uint32_t value, const char *name)
{
    struct pln_block *b = &graph->blocks[block];
    size_t capacity[3] = { b->outputs_capacity, b->outputs_capacity, b->outputs_capacity };
    if (!name) name = graph->values[value].name;
    const char *kept = pln_arena_text(&graph->arena, name, strlen(name));
    if (!kept) graph->failed = true;
    if (!kept || !grow(graph, &b->outputs, &capacity[0], b->n_outputs, sizeof(*b->outputs)) ||
        !grow(graph, &b->output_uses, &capacity[1], b->n_outputs, sizeof(*b->output_uses)) ||
        !grow(graph, &b->output_names, &capacity[2], b->n_outputs, sizeof(*b->output_names)))
        return false;
    b->outputs_capacity = (uint32_t)PLN_MIN(capacity[0], PLN_MIN(capacity[1], capacity[2]));
    uint32_t use = pln_use_add(graph, value, PLN_NONE, block, b->n_outputs);
    if (use == PLN_NONE) return false;
    b->outputs[b->n_outputs] = value;
    b->output_uses[b->n_outputs] = use;
    b->output_names[b->n_outputs++] = kept;
    return true;
}

/* ---- where things come from ---- */

static const char *keep(struct pln_graph *graph, const char *text)
{
    const char *kept = pln_arena_text(&graph->arena, text ? text : "", text ? strlen(text) : 0);
    if (!kept) graph->failed = true;
    return kept;
}

uint32_t pln_graph_add_origin(struct pln_graph *graph, const char *name, const char *op_type, const char *domain, int64_t index)
{
    struct pln_origin origin = { keep(graph, name), keep(graph, op_type), keep(graph, domain), index };
    if (!origin.name || !origin.op_type || !origin.domain) return PLN_NONE;
    if (!grow(graph, &graph->origins, &graph->origins_capacity, graph->n_origins, sizeof(*graph->origins))) return PLN_NONE;
    graph->origins[graph->n_origins] = origin;
    return (uint32_t)graph->n_origins++;
}

bool pln_graph_node_add_origin(struct pln_graph *graph, uint32_t node, uint32_t origin)
{
    struct pln_node *n = &graph->nodes[node];
    uint32_t at = 0;
    while (at < n->n_origins && n->origins[at] < origin) at++;
    if (at < n->n_origins && n->origins[at] == origin) return true;
    uint32_t *origins = pln_ids_append(graph, n->origins, n->n_origins, origin);
    if (!origins) return false;
    memmove(&origins[at + 1], &origins[at], (n->n_origins - at) * sizeof(*origins));
    origins[at] = origin;
    n->origins = origins;
    n->n_origins++;
    return true;
}

bool pln_graph_node_inherit(struct pln_graph *graph, uint32_t to, uint32_t from)
{
    for (uint32_t i = 0; i < graph->nodes[from].n_origins; i++) {
        if (!pln_graph_node_add_origin(graph, to, graph->nodes[from].origins[i])) return false;
    }
    return true;
}

bool pln_graph_add_metadata(struct pln_graph *graph, const char *key, const char *value)
{
    struct pln_metadata entry = { keep(graph, key), keep(graph, value) };
    if (!entry.key || !entry.value) return false;
    if (!grow(graph, &graph->metadata, &graph->metadata_capacity, graph->n_metadata, sizeof(*graph->metadata))) return false;
    graph->metadata[graph->n_metadata++] = entry;
    return true;
}
