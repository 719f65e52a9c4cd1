/* State stores: one block of memory a state, laid out for its capacity. */
#include "base/text.h"
#include "runtime/engine.h"

struct state {
    struct pln_tensor full; /* dims with the capacity along the axis; data is the memory */
    size_t size_bytes;
};

struct pln_state_store {
    struct pln_allocator alloc;
    pln_engine *engine;
    struct state *states; /* one a pair of the program */
    int64_t capacity, length;
};

const struct pln_state_pair *pln_states_find(const struct pln_program *program, uint32_t index, bool is_output)
{
    for (uint32_t i = 0; i < program->n_states; i++)
        if ((is_output ? program->states[i].output : program->states[i].input) == index) return &program->states[i];
    return NULL;
}

static bool has_symbol(const struct pln_program *program, const char *name)
{
    for (uint32_t i = 0; name && i < program->n_symbols; i++)
        if (pln_str_equal(program->symbols[i].name, name)) return true;
    return false;
}

static int64_t named_dim(const struct pln_state_options *options, const char *name)
{
    for (int i = 0; i < options->dim_count; i++)
        if (pln_str_equal(options->dim_names[i], name)) return options->dim_values[i];
    return 1;
}

static enum pln_status init_state(struct pln_state_store *store, const struct pln_state_options *options, uint32_t index, struct pln_diag *diag)
{
    const struct pln_program *program = store->engine->program;
    const struct pln_state_pair *pair = &program->states[index];
    const struct pln_slot *slot = &program->slots[program->inputs[pair->input].slot];
    const char *name = program->inputs[pair->input].name;
    int64_t dims[PLN_MAX_RANK];
    for (int i = 0; i < slot->rank; i++) {
        const struct pln_dim_node *node = &program->dims[slot->dims[i]];
        if (i == pair->axis) dims[i] = options->capacity;
        else if (node->op == PLN_DIM_CONST) dims[i] = node->value;
        else if (node->op == PLN_DIM_SYMBOL) dims[i] = named_dim(options, program->symbols[node->a].name);
        else return pln_fail(diag, PLN_UNSUPPORTED, "state '%s': dim %d is an expression", name, i);
        if (dims[i] < 0) return pln_fail(diag, PLN_INVALID_ARGUMENT, "state '%s': dim %d is negative", name, i);
    }
    struct state *state = &store->states[index];
    if (!pln_shape_bytes(slot->dtype, slot->rank, dims, &state->size_bytes) || pln_dtype_bits(slot->dtype) < 8) return pln_fail_memory(diag, name, SIZE_MAX);
    const struct pln_engine_device *device = slot->space ? &store->engine->devices[slot->space] : NULL;
    void *data;
    if (device) PLN_TRY(device->backend->alloc(device->device, PLN_MAX(state->size_bytes, (size_t)1), name, diag, &data));
    else data = pln_alloc(&store->alloc, state->size_bytes, 64);
    if (!data) return pln_fail_memory(diag, name, state->size_bytes);
    pln_tensor_init(&state->full, slot->dtype, slot->rank, dims, data);
    return PLN_OK;
}

enum pln_status pln_state_store_create(pln_engine *engine, const struct pln_state_options *options, pln_diagnostics *diagnostics, pln_state_store **out_store)
{
    *out_store = NULL;
    struct pln_state_options own;
    const char *why = pln_options_copy(options, sizeof own, &own);
    if (!why && !engine) why = "the engine is NULL";
    if (!why && own.dim_count > 0 && (!own.dim_names || !own.dim_values)) why = "the named dims of the states are NULL";
    if (why) return pln_fail(diagnostics, PLN_INVALID_ARGUMENT, "%s", why);
    const struct pln_allocator *alloc = own.allocator ? own.allocator : &engine->alloc;
    if (engine->program->n_states == 0) return pln_fail(diagnostics, PLN_NOT_FOUND, "the model has no states: no input and output that are named as past and present and joined by Concat");
    if (own.capacity < 1) return pln_fail(diagnostics, PLN_INVALID_ARGUMENT, "a state store needs a capacity of at least 1");
    struct pln_state_store *store = pln_alloc_zeroed(alloc, sizeof *store, _Alignof(struct pln_state_store));
    if (!store) return pln_fail_memory(diagnostics, "state store", sizeof *store);
    store->alloc = *alloc;
    store->engine = engine;
    store->capacity = own.capacity;
    pln_engine_retain(engine);
    store->states = pln_alloc_zeroed(alloc, engine->program->n_states * sizeof *store->states, _Alignof(struct state));
    enum pln_status status = store->states ? PLN_OK : pln_fail_memory(diagnostics, "state store", 0);
    for (uint32_t i = 0; status == PLN_OK && i < engine->program->n_states; i++) status = init_state(store, &own, i, diagnostics);
    for (int i = 0; status == PLN_OK && i < own.dim_count; i++)
        if (!has_symbol(engine->program, own.dim_names[i])) status = pln_fail(diagnostics, PLN_NOT_FOUND, "the model has no symbolic dim '%s'", own.dim_names[i] ? own.dim_names[i] : "(null)");
    if (status == PLN_OK) *out_store = store;
    else pln_state_store_destroy(store);
    return status;
}

static void release_state(struct pln_state_store *store, uint32_t index)
{
    const struct pln_program *program = store->engine->program;
    const uint32_t space = program->slots[program->inputs[program->states[index].input].slot].space;
    const struct pln_engine_device *device = space ? &store->engine->devices[space] : NULL;
    struct state *state = &store->states[index];
    if (device) device->backend->release(device->device, state->full.data, PLN_MAX(state->size_bytes, (size_t)1));
    else pln_free(&store->alloc, state->full.data, state->size_bytes);
}

void pln_state_store_destroy(pln_state_store *store)
{
    if (!store) return;
    struct pln_allocator alloc = store->alloc;
    uint32_t n = store->engine->program->n_states;
    for (uint32_t i = 0; store->states && i < n; i++) release_state(store, i);
    pln_free(&alloc, store->states, n * sizeof *store->states);
    pln_engine_release(store->engine);
    pln_free(&alloc, store, sizeof *store);
}

int64_t pln_state_store_length(const pln_state_store *store)
{
    return store ? store->length : 0;
}

enum pln_status pln_state_store_truncate(pln_state_store *store, int64_t length)
{
    if (!store || length < 0 || length > store->length) return PLN_INVALID_ARGUMENT;
    store->length = length;
    return PLN_OK;
}

enum pln_status pln_context_bind_states(pln_context *context, pln_state_store *store)
{
    if (!context) return PLN_INVALID_ARGUMENT;
    pln_diag_init(&context->diag);
    if (store && store->engine != context->engine) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "the state store was made for another engine");
    const struct pln_program *program = context->engine->program;
    PLN_TRY(pln_enqueue_settle(context)); /* a run under way may use the store that goes */
    for (uint32_t i = 0; context->states && i < program->n_states; i++) {
        context->inputs[program->states[i].input].bound = false;
        context->outputs[program->states[i].output].bound = false;
    }
    context->states = store;
    context->states_taken = false;
    context->rebound++;
    context->generation++; /* a store may lie where another one lay, with other strides */
    return PLN_OK;
}

int64_t pln_states_capacity(const struct pln_context *context)
{
    return context->states ? context->states->capacity : 0;
}

void pln_states_raise(const struct pln_context *context, int64_t *symbols)
{
    const struct pln_program *program = context->engine->program;
    for (uint32_t i = 0; i < program->n_states; i++) {
        const struct pln_state_pair *pair = &program->states[i];
        const struct pln_dim_node *node = &program->dims[program->slots[program->inputs[pair->input].slot].dims[pair->axis]];
        if (node->op == PLN_DIM_SYMBOL && symbols[node->a] != PLN_DIM_UNKNOWN) symbols[node->a] = PLN_MAX(symbols[node->a], pln_states_capacity(context));
    }
}

enum pln_status pln_states_begin(struct pln_context *context)
{
    struct pln_state_store *store = context->states;
    const struct pln_program *program = context->engine->program;
    for (uint32_t i = 0; context->states_taken && i < program->n_states; i++)
        context->inputs[program->states[i].input].view.tensor.dims[program->states[i].axis] = store->length;
    for (uint32_t i = 0; store && !context->states_taken && i < program->n_states; i++) {
        const struct pln_state_pair *pair = &program->states[i];
        const struct state *state = &store->states[i];
        struct pln_binding *input = &context->inputs[pair->input], *output = &context->outputs[pair->output];
        input->bound = true;
        input->item = NULL;
        input->view = (struct pln_item){ .kind = PLN_TENSOR, .refs = 1, .tensor = state->full };
        input->view.tensor.dims[pair->axis] = store->length;
        output->bound = true;
        output->allocator = NULL;
        output->buffer = (struct pln_buffer){ .dtype = state->full.dtype, .rank = state->full.rank, .strides = output->strides, .data = state->full.data, .size_bytes = state->size_bytes };
        memcpy(output->strides, state->full.strides, sizeof output->strides);
    }
    return PLN_OK;
}

/* Lists what one input that is a state demands; false: an extent is an expression, which has its value only in the order of the inputs. */
static bool note_dims(struct pln_context *context, const struct pln_state_pair *pair, const struct pln_tensor *full)
{
    const struct pln_program *program = context->engine->program;
    const struct pln_slot *slot = &program->slots[program->inputs[pair->input].slot];
    for (int i = 0; i < slot->rank; i++) {
        const struct pln_state_dim own = { slot->dims[i], i == pair->axis, i == pair->axis ? 0 : full->dims[i] };
        const enum pln_dim_op op = program->dims[own.dim].op;
        uint32_t k = 0;
        if (op != PLN_DIM_SYMBOL && op != PLN_DIM_CONST) return false;
        while (k < context->n_state_dims && !(context->state_dims[k].dim == own.dim && context->state_dims[k].is_length == own.is_length && context->state_dims[k].value == own.value)) k++;
        if (k == context->n_state_dims) context->state_dims[context->n_state_dims++] = own;
    }
    return true;
}

void pln_states_note_taken(struct pln_context *context)
{
    const struct pln_program *program = context->engine->program;
    if (!context->states || context->states_taken) return;
    context->n_state_dims = 0;
    context->states_taken = true;
    context->taken++;
    context->n_grown_dims = 0;
    for (uint32_t i = 0; i < program->n_states; i++) {
        const uint32_t dim = program->slots[program->outputs[program->states[i].output].slot].dims[program->states[i].axis];
        uint32_t k = 0;
        while (k < context->n_grown_dims && context->grown_dims[k] != dim) k++;
        if (k == context->n_grown_dims) context->grown_dims[context->n_grown_dims++] = dim;
    }
    for (uint32_t i = 0; i < program->n_states; i++)
        context->states_taken = context->states_taken && note_dims(context, &program->states[i], &context->states->states[i].full);
}

bool pln_states_take(struct pln_context *context)
{
    const struct pln_program *program = context->engine->program;
    for (uint32_t i = 0; i < context->n_state_dims; i++) {
        const struct pln_state_dim *own = &context->state_dims[i];
        const struct pln_dim_node *node = &program->dims[own->dim];
        int64_t value = own->is_length ? context->states->length : own->value;
        if (node->op == PLN_DIM_SYMBOL && context->symbols[node->a] == PLN_DIM_UNKNOWN) {
            context->symbols[node->a] = value;
            context->dims_stale = true;
        }
        if (value != (node->op == PLN_DIM_SYMBOL ? context->symbols[node->a] : node->value)) return false;
    }
    return true;
}

/* The length that all outputs which are states have now: their extents' one value, or, where those do not tell, what each of them got. false: they have none
 * in common. */
static bool common_length(const struct pln_context *context, int64_t *out_length)
{
    const struct pln_program *program = context->engine->program;
    bool alike = true, known = context->states_taken && context->n_grown_dims > 0;
    for (uint32_t i = 0; known && i < context->n_grown_dims; i++) {
        const int64_t length = context->dims[context->grown_dims[i]];
        known = length != PLN_DIM_UNKNOWN;
        alike = alike && (i == 0 || length == *out_length);
        *out_length = length;
    }
    if (known) return alike;
    alike = true;
    for (uint32_t i = 0; alike && i < program->n_states; i++) {
        const struct pln_item *item = context->slots[program->outputs[program->states[i].output].slot].item;
        const int64_t length = item && item->kind == PLN_TENSOR ? item->tensor.dims[program->states[i].axis] : PLN_DIM_UNKNOWN;
        alike = length != PLN_DIM_UNKNOWN && (i == 0 || length == *out_length);
        *out_length = length;
    }
    return alike;
}

enum pln_status pln_states_commit(struct pln_context *context)
{
    int64_t length = 0;
    if (!context->states || context->engine->program->n_states == 0) return PLN_OK;
    if (!common_length(context, &length)) return pln_fail(&context->diag, PLN_UNSUPPORTED, "the states of this model grow by different amounts, and a store has one length for all of them; bind them by hand");
    context->states->length = length;
    return PLN_OK;
}
