#include "runtime/engine.h"

#include "base/text.h"
#include "kernel/rowprog.h"

static enum pln_status load_program_attr(struct pln_engine *engine, const struct pln_attrs *attrs, const char *name, struct pln_diag *diag,
                                         const struct pln_rowprog **out_program)
{
    *out_program = NULL;
    const struct pln_attr *attr = pln_attrs_find(attrs, name);
    if (!attr) return PLN_OK;
    if (attr->kind != PLN_ATTR_STRING) return pln_fail(diag, PLN_BAD_PLAN, "attribute %s is no program", name);
    struct pln_rowprog *program = pln_arena_alloc(&engine->arena, sizeof *program);
    if (!program) return pln_fail_memory(diag, "row program", sizeof *program);
    PLN_TRY(pln_rowprog_read(attr->u.s.data, attr->u.s.size_bytes, diag, program));
    *out_program = program;
    return PLN_OK;
}

static const char *join_origins(struct pln_engine *engine, const struct pln_step *step)
{
    struct pln_text text;
    pln_text_init(&text, &engine->alloc);
    for (uint32_t i = 0; i < step->n_origins && text.size_bytes < 400; i++) {
        const struct pln_program_origin *origin = &engine->program->origins[step->origins[i]];
        if (i > 0) pln_text_puts(&text, " + ");
        pln_text_puts(&text, origin->name && origin->name[0] ? origin->name : origin->op_type);
    }
    char *name = pln_arena_text(&engine->arena, text.failed ? "" : text.data, text.failed ? 0 : text.size_bytes);
    pln_text_deinit(&text);
    return name;
}

static enum pln_status load_steps(struct pln_engine *engine, struct pln_diag *diag)
{
    const struct pln_program *program = engine->program;
    engine->steps = pln_arena_array(&engine->arena, program->n_steps, sizeof *engine->steps);
    if (!engine->steps) return pln_fail_memory(diag, "steps", program->n_steps * sizeof *engine->steps);
    for (uint32_t i = 0; i < program->n_steps; i++) {
        const struct pln_step *step = &program->steps[i];
        struct pln_engine_step *own = &engine->steps[i];
        own->name = join_origins(engine, step);
        if (!own->name) return pln_fail_memory(diag, "names", 0);
        PLN_TRY(load_program_attr(engine, &step->attrs, "epilogue", diag, &own->epilogue));
        PLN_TRY(load_program_attr(engine, &step->attrs, "program", diag, &own->program));
        if (step->kind == PLN_STEP_CALL && !pln_ref_kernels[step->op])
            return pln_fail(diag, PLN_BAD_PLAN, "step %u: '%s' is no host call", i, pln_op_name(step->op));
        if (step->kind != PLN_STEP_LAUNCH) continue;
        const struct pln_engine_device *device = &engine->devices[step->device];
        own->kernel = pln_backend_kernel(device->backend, step->kernel);
        if (!own->kernel) {
            return pln_fail(diag, PLN_INCOMPATIBLE, "the plan needs kernel '%s' of device '%s', which this version of Planish does not have; build the plan again from the model", step->kernel,
                            device->backend->name);
        }
        if (own->kernel->op != step->op) return pln_fail(diag, PLN_BAD_PLAN, "step %u: kernel '%s' is not for '%s'", i, step->kernel, pln_op_name(step->op));
        if (own->kernel->needs & ~device->caps.features) {
            char missing[160];
            return pln_fail(diag, PLN_INCOMPATIBLE, "the plan needs CPU features that this machine does not have: %s; build it with --target for this machine",
                            pln_cpu_describe(own->kernel->needs & ~device->caps.features, missing, sizeof missing));
        }
    }
    return PLN_OK;
}

static enum pln_status open_devices(struct pln_engine *engine, const char *host, struct pln_diag *diag)
{
    const struct pln_program *program = engine->program;
    engine->devices = pln_arena_array(&engine->arena, program->n_devices + 1u, sizeof *engine->devices);
    if (!engine->devices) return pln_fail_memory(diag, "devices", 0);
    for (uint32_t i = 0; i <= program->n_devices; i++) {
        struct pln_engine_device *own = &engine->devices[i];
        int ordinal = 0;
        PLN_TRY(pln_backend_find(i == 0 ? host : program->devices[i - 1], diag, &own->backend, &ordinal));
        const struct pln_device_options options = { .alloc = &engine->alloc, .pool = engine->pool };
        PLN_TRY(own->backend->open(ordinal, &options, diag, &own->device));
        engine->n_devices = i + 1;
        own->backend->caps(own->device, &own->caps);
        own->weights = pln_arena_array(&engine->arena, program->n_weights, sizeof *own->weights);
        if (!own->weights) return pln_fail_memory(diag, "weights", 0);
        if (i == 0 && !own->caps.host_memory) return pln_fail(diag, PLN_BAD_PLAN, "device '%s' cannot run host steps", own->backend->name);
    }
    return PLN_OK;
}

/* Weights go once into the space of each device that reads them. */
static enum pln_status upload_weights(struct pln_engine *engine, struct pln_diag *diag)
{
    const struct pln_program *program = engine->program;
    for (uint32_t i = 0; i < program->n_slots; i++) {
        const struct pln_slot *slot = &program->slots[i];
        if (slot->place != PLN_PLACE_WEIGHT || slot->space == 0) continue;
        struct pln_engine_device *device = &engine->devices[slot->space];
        const struct pln_weight *weight = &program->weights[slot->index];
        if (device->weights[slot->index] || weight->size_bytes == 0) continue;
        void *memory = device->backend->alloc(device->device, weight->size_bytes);
        if (!memory) return pln_fail_memory(diag, weight->name, weight->size_bytes);
        device->weights[slot->index] = memory;
        struct pln_queue *queue;
        PLN_TRY(device->backend->queue_create(device->device, diag, &queue));
        struct pln_tensor from, to;
        const int64_t bytes = (int64_t)weight->size_bytes;
        pln_tensor_init(&from, PLN_U8, 1, &bytes, (void *)(uintptr_t)weight->data);
        pln_tensor_init(&to, PLN_U8, 1, &bytes, memory);
        struct pln_command copy = { .kind = PLN_COMMAND_COPY, .from = &from, .to = &to, .from_host = true };
        enum pln_status status = device->backend->submit(queue, &copy, 1, diag);
        if (status == PLN_OK) status = device->backend->sync(queue, diag);
        device->backend->queue_destroy(queue);
        PLN_TRY(status);
    }
    return PLN_OK;
}

static void destroy(struct pln_engine *engine)
{
    for (uint32_t i = 0; i < engine->n_devices; i++) {
        struct pln_engine_device *device = &engine->devices[i];
        for (uint32_t w = 0; device->weights && w < engine->program->n_weights; w++)
            if (device->weights[w]) device->backend->release(device->device, device->weights[w], engine->program->weights[w].size_bytes);
        device->backend->close(device->device);
    }
    if (engine->owner.release) engine->owner.release(engine->owner.user);
    struct pln_allocator alloc = engine->alloc;
    pln_arena_deinit(&engine->arena);
    pln_free(&alloc, engine, sizeof *engine);
}

enum pln_status pln_engine_create(const struct pln_program *program, struct pln_engine_owner *take_owner, const struct pln_engine_options *options, uint64_t plan_bytes,
                                  pln_engine **out_engine)
{
    *out_engine = NULL;
    const struct pln_allocator *alloc = options->allocator ? options->allocator : pln_allocator_default();
    struct pln_engine *engine = pln_alloc_zeroed(alloc, sizeof *engine, _Alignof(struct pln_engine));
    if (!engine) {
        if (take_owner->release) take_owner->release(take_owner->user);
        *take_owner = (struct pln_engine_owner){ 0 };
        return pln_fail_memory(options->diagnostics, "engine", sizeof *engine);
    }
    atomic_init(&engine->refs, 1);
    engine->alloc = *alloc;
    engine->owner = *take_owner;
    *take_owner = (struct pln_engine_owner){ 0 };
    engine->program = program;
    engine->pool = options->pool;
    engine->plan_bytes = plan_bytes;
    if (options->logger) engine->logger = *options->logger;
    pln_arena_init(&engine->arena, &engine->alloc, 0);
    const char *host = pln_str_equal(program->target, "ref") ? "ref" : "cpu";
    enum pln_status status = open_devices(engine, host, options->diagnostics);
    if (status == PLN_OK) status = load_steps(engine, options->diagnostics);
    if (status == PLN_OK) status = upload_weights(engine, options->diagnostics);
    if (status != PLN_OK) {
        destroy(engine);
        return status;
    }
    *out_engine = engine;
    return PLN_OK;
}

void pln_engine_retain(pln_engine *engine)
{
    atomic_fetch_add_explicit(&engine->refs, 1, memory_order_relaxed);
}

void pln_engine_release(pln_engine *engine)
{
    if (engine && atomic_fetch_sub_explicit(&engine->refs, 1, memory_order_acq_rel) == 1) destroy(engine);
}
