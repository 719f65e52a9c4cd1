#include "build/keep.h"

#include "backend/backend.h"
#include "base/text.h"
#include "kernel/kernel.h"
#include "ops/op.h"

/* ---- keeping ---- */

struct keeper {
    struct pln_program *program;
    struct pln_map weights; /* by name, which is that of the constant */
    size_t weights_capacity;
    bool failed;
};

static void note_weight(struct keeper *keeper, uint32_t id)
{
    const char *name = keeper->program->weights[id].name;
    if (!pln_map_set(&keeper->weights, name, strlen(name), id)) keeper->failed = true;
}

static bool holds(const struct pln_weight *weight, const struct pln_tensor *tensor)
{
    const void *data = weight->format ? weight->plain->data : weight->data;
    return data == tensor->data && weight->dtype == tensor->dtype && weight->rank == tensor->rank && memcmp(weight->dims, tensor->dims, (size_t)tensor->rank * sizeof tensor->dims[0]) == 0;
}

static uint32_t add_weight(struct keeper *keeper, const struct pln_value *value)
{
    struct pln_program *program = keeper->program;
    const struct pln_tensor *data = value->data;
    if (!pln_arena_grow(program->arena, (void **)&program->weights, &keeper->weights_capacity, program->n_weights + 1u, sizeof *program->weights)) {
        keeper->failed = true;
        return PLN_NONE;
    }
    struct pln_weight *weight = &program->weights[program->n_weights];
    *weight = (struct pln_weight){ .name = value->name, .dtype = data->dtype, .rank = data->rank, .data = data->data, .size_bytes = pln_tensor_bytes(data) };
    memcpy(weight->dims, data->dims, sizeof weight->dims);
    note_weight(keeper, program->n_weights);
    return program->n_weights++;
}

static uint32_t number_of(void *user, const struct pln_value *value)
{
    struct keeper *keeper = user;
    uint32_t weight;
    if (pln_map_get_str(&keeper->weights, value->name, &weight) && holds(&keeper->program->weights[weight], value->data)) return weight;
    return add_weight(keeper, value);
}

enum pln_status pln_graph_keep(struct pln_graph *graph, struct pln_program *program, struct pln_diag *diag)
{
    struct keeper keeper = { .program = program, .weights_capacity = program->n_weights };
    struct pln_text text;
    pln_map_init(&keeper.weights, graph->alloc);
    pln_text_init(&text, graph->alloc);
    /* Plain ones last: they need no unpacking. */
    for (uint32_t i = 0; i < program->n_weights; i++)
        if (program->weights[i].format && program->weights[i].format->unpack) note_weight(&keeper, i);
    for (uint32_t i = 0; i < program->n_weights; i++)
        if (!program->weights[i].format) note_weight(&keeper, i);
    const struct pln_graph_weights weights = { .user = &keeper, .number = number_of };
    pln_graph_print_weights(graph, &pln_op_vocabulary, &weights, &text);
    program->graph = text.failed || keeper.failed ? NULL : pln_arena_text(program->arena, text.data, text.size_bytes);
    program->graph_bytes = program->graph ? text.size_bytes : 0;
    pln_text_deinit(&text);
    pln_map_deinit(&keeper.weights);
    return program->graph ? PLN_OK : pln_fail_memory(diag, "the graph's text", 0);
}

enum pln_status pln_model_keep(struct pln_program *program, const void *model, size_t size_bytes, struct pln_diag *diag)
{
    struct pln_weight *weights = pln_arena_array(program->arena, program->n_weights + (size_t)1, sizeof *weights);
    if (!weights) return pln_fail_memory(diag, "the plan's weights", (program->n_weights + (size_t)1) * sizeof *weights);
    if (program->n_weights) memcpy(weights, program->weights, program->n_weights * sizeof *weights);
    weights[program->n_weights++] = (struct pln_weight){ .name = PLN_WEIGHT_MODEL, .dtype = PLN_U8, .rank = 1, .dims = { (int64_t)size_bytes }, .data = model, .size_bytes = size_bytes };
    program->weights = weights;
    return PLN_OK;
}

/* ---- restoring ---- */

struct restorer {
    const struct pln_program *plan;
    const char *name;
    struct pln_arena *arena;
    struct pln_diag *diag;
    void **unpacked; /* by weight; NULL: not yet */
};

/* tensor: of the weight's type and shape. */
static enum pln_status unpack(struct restorer *restorer, uint32_t number, const struct pln_tensor *tensor)
{
    const struct pln_weight *weight = &restorer->plan->weights[number];
    const struct pln_pack_format *format = pln_backend_pack_format(weight->pack);
    struct pln_tensor plain = *tensor;
    size_t packed_bytes, size_bytes = pln_tensor_bytes(tensor);
    if (!format || !format->unpack)
        return pln_fail(restorer->diag, PLN_INCOMPATIBLE, "%s: weight '%s' is packed as '%s', which this version of Planish cannot unpack; build the plan again from the model", restorer->name,
                        weight->name, weight->pack);
    if (!format->bytes(tensor, &packed_bytes) || packed_bytes != weight->size_bytes)
        return pln_fail(restorer->diag, PLN_BAD_PLAN, "%s: weight '%s' has bytes that do not fit its form '%s'", restorer->name, weight->name, weight->pack);
    plain.data = pln_arena_alloc(restorer->arena, size_bytes);
    if (!plain.data) return pln_fail_memory(restorer->diag, weight->name, size_bytes);
    if (size_bytes) format->unpack(weight->data, &plain);
    restorer->unpacked[number] = plain.data;
    return PLN_OK;
}

static enum pln_status data_of(void *user, uint32_t number, struct pln_tensor *tensor)
{
    struct restorer *restorer = user;
    const struct pln_weight *weight = number < restorer->plan->n_weights ? &restorer->plan->weights[number] : NULL;
    if (!weight || weight->dtype != tensor->dtype || weight->rank != tensor->rank || memcmp(weight->dims, tensor->dims, (size_t)tensor->rank * sizeof tensor->dims[0]) != 0)
        return pln_fail(restorer->diag, PLN_INVALID_ARGUMENT, "%s: there is no weight %u of this type and shape", restorer->name, number);
    if (weight->pack && !restorer->unpacked[number]) PLN_TRY(unpack(restorer, number, tensor));
    tensor->data = weight->pack ? restorer->unpacked[number] : (void *)(uintptr_t)weight->data;
    return PLN_OK;
}

enum pln_status pln_graph_restore(const struct pln_program *plan, const char *name, const struct pln_allocator *alloc, struct pln_arena *arena, const struct pln_plugins *plugins,
                                  struct pln_diag *diag, struct pln_graph **out_graph)
{
    *out_graph = NULL;
    if (!plan->graph) return pln_fail(diag, PLN_NOT_FOUND, "%s: the plan keeps no graph to build it again from", name);
    struct restorer restorer = { .plan = plan, .name = name, .arena = arena, .diag = diag, .unpacked = pln_arena_array(arena, plan->n_weights + (size_t)1, sizeof(void *)) };
    if (!restorer.unpacked) return pln_fail_memory(diag, name, plan->n_weights * sizeof(void *));
    const struct pln_graph_weights weights = { .user = &restorer, .data = data_of };
    enum pln_status status = pln_graph_parse_weights(plan->graph, plan->graph_bytes, &pln_op_vocabulary, &weights, alloc, diag, out_graph);
    if (status == PLN_OK) (*out_graph)->plugins = plugins;
    if (status == PLN_OK) status = pln_infer_graph(*out_graph, diag);
    if (status == PLN_OK || status == PLN_NO_MEMORY || status == PLN_INCOMPATIBLE) return status;
    return pln_fail(diag, PLN_BAD_PLAN, "%s: the plan is damaged: its graph makes no sense; build it again from the model", name);
}
