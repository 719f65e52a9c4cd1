#include "runtime/engine.h"

#include "base/text.h"
#include "kernel/rowprog.h"
#include "plan/plan.h"
#include "plugin/plugins.h"

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

static enum pln_status missing_features(const struct pln_engine *engine, uint64_t features, struct pln_diag *diag)
{
    const struct pln_program *program = engine->program;
    char names[160];
    struct pln_text targets;
    pln_text_init(&targets, &engine->alloc);
    pln_engine_list_levels(program, ", or ", &targets);
    enum pln_status status = pln_fail(diag, PLN_INCOMPATIBLE, "the plan is for CPUs with %s; this machine does not have, or PLANISH_CPU_ISA hides: %s; build it with --target for this machine",
                                      targets.failed ? "other features" : targets.data, pln_cpu_describe(features, names, sizeof names));
    pln_text_deinit(&targets);
    return status;
}

/* Of a step's kernel: of the CPU where the plan says less than its kernels, or of a GPU. */
static enum pln_status missing_needs(const struct pln_engine *engine, uint32_t step_id, struct pln_diag *diag)
{
    const struct pln_engine_device *device = &engine->devices[engine->program->steps[step_id].device];
    const struct pln_kernel *kernel = engine->steps[step_id].kernel;
    if (!device->caps.arch[0]) return missing_features(engine, kernel->needs & ~device->caps.features, diag);
    return pln_fail(diag, PLN_INCOMPATIBLE, "the plan's kernel '%s' is for other GPUs than this %s; build it with --target %s:%s for this machine", kernel->name, device->caps.arch,
                    device->backend->name, device->caps.arch);
}

/* Names the kernels that are not there, from step `first` on, each once. */
static enum pln_status missing_kernels(struct pln_engine *engine, uint32_t first, struct pln_diag *diag)
{
    const struct pln_program *program = engine->program;
    const char *names[8];
    size_t n = 0;
    bool more = false;
    struct pln_text text;
    pln_text_init(&text, &engine->alloc);
    for (uint32_t i = first; i < program->n_steps && !more; i++) {
        const struct pln_step *step = &program->steps[i];
        const struct pln_backend *backend = engine->devices[step->device].backend;
        bool known = step->kind != PLN_STEP_LAUNCH || pln_backend_kernel(backend, step->kernel);
        for (size_t k = 0; k < n && !known; k++) known = pln_str_equal(names[k], step->kernel);
        if (known) continue;
        more = n == PLN_COUNT_OF(names);
        if (!more) pln_text_printf(&text, "%s'%.80s' of device '%s'", n ? ", " : "", step->kernel, backend->name);
        if (!more) names[n++] = step->kernel;
    }
    enum pln_status status = pln_fail(diag, PLN_INCOMPATIBLE, "the plan needs kernels that this version of Planish does not have: %s%s; build it again from the model",
                                      text.failed ? "out of memory" : text.data, more ? " and others" : "");
    pln_text_deinit(&text);
    return status;
}

/* A packed weight goes only where the kernel takes one in that very form, with as many bytes as the form says for its shape. */
static enum pln_status check_packed(const struct pln_engine *engine, uint32_t step_id, struct pln_diag *diag)
{
    const struct pln_program *program = engine->program;
    const struct pln_step *step = &program->steps[step_id];
    const struct pln_kernel *kernel = engine->steps[step_id].kernel;
    for (uint32_t i = 0; i < step->n_inputs; i++) {
        if (step->inputs[i] == PLN_NONE) continue;
        const struct pln_slot *slot = &program->slots[step->inputs[i]];
        const struct pln_weight *weight = slot->place == PLN_PLACE_WEIGHT ? &program->weights[slot->index] : NULL;
        if (!weight || !weight->pack) continue;
        const struct pln_pack_format *format = pln_kernel_family_packs(kernel->family, (int)i) ? kernel->family->pack(kernel) : NULL;
        if (!pln_backend_pack_format(weight->pack))
            return pln_fail(diag, PLN_INCOMPATIBLE, "weight '%s' is packed as '%s', which this version of Planish does not know; build the plan again from the model", weight->name, weight->pack);
        if (!format || !pln_str_equal(format->name, weight->pack))
            return pln_fail(diag, PLN_BAD_PLAN, "step %u: kernel '%s' does not take '%s' in the form '%s'", step_id, kernel->name, weight->name, weight->pack);
        struct pln_tensor plain;
        size_t bytes;
        pln_tensor_init(&plain, weight->dtype, weight->rank, weight->dims, NULL);
        if (!format->bytes(&plain, &bytes) || bytes != weight->size_bytes) return pln_fail(diag, PLN_BAD_PLAN, "weight '%s' has bytes that do not fit its form '%s'", weight->name, weight->pack);
    }
    return PLN_OK;
}

/* Names the custom operators that are not registered, each once. */
static enum pln_status missing_customs(struct pln_engine *engine, struct pln_diag *diag)
{
    const struct pln_program *program = engine->program;
    const struct pln_custom *missing[8];
    size_t n = 0;
    bool more = false;
    char one[600];
    struct pln_text text;
    pln_text_init(&text, &engine->alloc);
    for (uint32_t i = 0; i < program->n_steps && !more; i++) {
        const struct pln_custom *custom = engine->steps[i].custom;
        bool known = !custom || custom->plugin;
        for (size_t k = 0; k < n && !known; k++) known = pln_str_equal(missing[k]->label, custom->label) && missing[k]->version == custom->version;
        if (known) continue;
        more = n == PLN_COUNT_OF(missing);
        if (!more) pln_text_printf(&text, "%s%s", n ? ", " : "", pln_custom_describe(engine->plugins, custom->domain, custom->name, custom->version, one, sizeof one));
        if (!more) missing[n++] = custom;
    }
    enum pln_status status = n == 0 ? PLN_OK
                                    : pln_fail(diag, PLN_INCOMPATIBLE, "the plan needs custom operators that are not registered: %s%s; give their plugin (--plugin FILE.so, or pln_plugins_add and pln_engine_options.plugins)",
                                               text.failed ? "out of memory" : text.data, more ? " and others" : "");
    pln_text_deinit(&text);
    return status;
}

static enum pln_status bind_customs(struct pln_engine *engine, struct pln_diag *diag)
{
    const struct pln_program *program = engine->program;
    for (uint32_t i = 0; i < program->n_steps; i++) {
        const struct pln_step *step = &program->steps[i];
        if (!pln_custom_is_op(step->op)) continue;
        struct pln_custom *custom = pln_arena_alloc(&engine->arena, sizeof *custom);
        if (!custom) return pln_fail_memory(diag, "a custom operator", sizeof *custom);
        const char *node = step->n_origins ? program->origins[step->origins[0]].name : "";
        PLN_TRY(pln_custom_bind(engine->plugins, &step->attrs, node, &engine->arena, diag, custom));
        engine->steps[i].custom = custom;
    }
    return PLN_OK;
}

/* The table of steps, with their names. */
static enum pln_status name_steps(struct pln_engine *engine, struct pln_diag *diag)
{
    const struct pln_program *program = engine->program;
    engine->steps = pln_arena_array(&engine->arena, program->n_steps, sizeof *engine->steps);
    if (!engine->steps) return pln_fail_memory(diag, "steps", program->n_steps * sizeof *engine->steps);
    for (uint32_t i = 0; i < program->n_steps; i++) {
        engine->steps[i].name = join_origins(engine, &program->steps[i]);
        if (!engine->steps[i].name) return pln_fail_memory(diag, "names", 0);
    }
    return bind_customs(engine, diag);
}

/* Parameters that a device's kernel wants in host memory are there, and all else is in the device's. */
static enum pln_status check_spaces(const struct pln_engine *engine, uint32_t step_id, struct pln_diag *diag)
{
    const struct pln_step *step = &engine->program->steps[step_id];
    const struct pln_kernel *kernel = engine->steps[step_id].kernel;
    for (uint32_t i = 0; i < step->n_inputs; i++) {
        if (step->inputs[i] == PLN_NONE) continue;
        bool parameter = step->device != 0 && i < 32 && (kernel->family->host_inputs >> i & 1);
        if (engine->program->slots[step->inputs[i]].space != (parameter ? 0 : step->device))
            return pln_fail(diag, PLN_BAD_PLAN, "step %u: kernel '%s' does not take input %u from where it lies", step_id, kernel->name, i);
    }
    return PLN_OK;
}

static enum pln_status load_steps(struct pln_engine *engine, struct pln_diag *diag)
{
    const struct pln_program *program = engine->program;
    PLN_TRY(name_steps(engine, diag));
    PLN_TRY(missing_customs(engine, diag));
    for (uint32_t i = 0; i < program->n_steps; i++) {
        const struct pln_step *step = &program->steps[i];
        struct pln_engine_step *own = &engine->steps[i];
        PLN_TRY(load_program_attr(engine, &step->attrs, "epilogue", diag, &own->epilogue));
        PLN_TRY(load_program_attr(engine, &step->attrs, "program", diag, &own->program));
        if (step->kind == PLN_STEP_CALL && !pln_ref_kernels[step->op])
            return pln_fail(diag, PLN_BAD_PLAN, "step %u: '%s' is no host call", i, pln_op_name(step->op));
        const struct pln_engine_device *device = &engine->devices[step->device];
        if (step->code) own->code = device->codes[step->code - 1];
        if (step->kind == PLN_STEP_CALL && step->device != 0 && !device->backend->runs_calls)
            return pln_fail(diag, PLN_BAD_PLAN, "step %u: device '%s' runs no reference kernels", i, device->backend->name);
        if (step->kind != PLN_STEP_LAUNCH) continue;
        own->kernel = pln_backend_kernel(device->backend, step->kernel);
        if (!own->kernel) return missing_kernels(engine, i, diag);
        if (own->kernel->family->emit && !own->code) return pln_fail(diag, PLN_BAD_PLAN, "step %u: kernel '%s' has no device code", i, step->kernel);
        if (own->kernel->op != step->op) return pln_fail(diag, PLN_BAD_PLAN, "step %u: kernel '%s' is not for '%s'", i, step->kernel, pln_op_name(step->op));
        if (own->kernel->needs & ~device->caps.features) return missing_needs(engine, i, diag);
        PLN_TRY(check_packed(engine, i, diag));
        PLN_TRY(check_spaces(engine, i, diag));
    }
    return PLN_OK;
}

/* Where host steps run, and the name that the first device is opened by: what the plan says, or what the caller wants instead. */
static enum pln_status choose_devices(const struct pln_engine *engine, const char *wanted, struct pln_diag *diag, const char **out_host, const char **out_first)
{
    const struct pln_program *program = engine->program;
    bool reference = pln_str_equal(program->target, "ref");
    *out_host = reference ? "ref" : "cpu";
    *out_first = program->n_devices ? program->devices[0] : NULL;
    const struct pln_backend *built = NULL, *other = NULL;
    if (wanted) {
        int ordinal;
        PLN_TRY(pln_backend_find(*out_first ? *out_first : *out_host, diag, &built, &ordinal));
        PLN_TRY(pln_backend_find(wanted, diag, &other, &ordinal));
        /* Before the features of the CPU: another CPU would not help. */
        if (built != other && !pln_str_equal(wanted, program->target))
            return pln_fail(diag, PLN_INCOMPATIBLE, "the plan was built for device '%s', not for '%s'; build it again from the model with that device", program->target, wanted);
    }
    uint64_t features = reference ? ~(uint64_t)0 : pln_cpu_features();
    if (program->needs & ~features) return missing_features(engine, program->needs & ~features, diag);
    if (built == other && wanted) *(*out_first ? out_first : out_host) = wanted; /* else it needs nothing of its device */
    return PLN_OK;
}

static enum pln_status open_devices(struct pln_engine *engine, const char *wanted, struct pln_diag *diag)
{
    const struct pln_program *program = engine->program;
    const char *host, *first;
    PLN_TRY(choose_devices(engine, wanted, diag, &host, &first));
    engine->devices = pln_arena_array(&engine->arena, program->n_devices + 1u, sizeof *engine->devices);
    if (!engine->devices) return pln_fail_memory(diag, "devices", 0);
    for (uint32_t i = 0; i <= program->n_devices; i++) {
        struct pln_engine_device *own = &engine->devices[i];
        int ordinal = 0;
        PLN_TRY(pln_backend_find(i == 0 ? host : i == 1 ? first : program->devices[i - 1], diag, &own->backend, &ordinal));
        const struct pln_device_options options = { .alloc = &engine->alloc, .pool = engine->pool };
        PLN_TRY(own->backend->open(ordinal, &options, diag, &own->device));
        engine->n_devices = i + 1;
        own->backend->caps(own->device, &own->caps);
        own->weights = pln_arena_array(&engine->arena, program->n_weights, sizeof *own->weights);
        own->codes = pln_arena_array(&engine->arena, program->n_codes + 1u, sizeof(struct pln_device_code *));
        if (!own->weights || !own->codes) return pln_fail_memory(diag, "weights", 0);
        if (i == 0 && !own->caps.host_memory) return pln_fail(diag, PLN_BAD_PLAN, "device '%s' cannot run host steps", own->backend->name);
    }
    return PLN_OK;
}

static enum pln_status no_code(struct pln_engine *engine, const char *arch, struct pln_diag *diag)
{
    const struct pln_program *program = engine->program;
    struct pln_text text;
    pln_text_init(&text, &engine->alloc);
    for (uint32_t i = 0; i < program->n_archs && i < 16; i++) pln_text_printf(&text, "%s%.15s", i ? ", " : "", program->archs[i]);
    enum pln_status status = pln_fail(diag, PLN_INCOMPATIBLE, "the plan has device code for %s, this GPU is %s; build it with --target cuda:%s for this machine", text.failed ? "other GPUs" : text.data,
                                      arch, arch);
    pln_text_deinit(&text);
    return status;
}

/* Device code goes to the devices whose steps use it. */
static enum pln_status load_codes(struct pln_engine *engine, struct pln_diag *diag)
{
    const struct pln_program *program = engine->program;
    for (uint32_t i = 0; i < program->n_steps; i++) {
        const struct pln_step *step = &program->steps[i];
        struct pln_engine_device *device = &engine->devices[step->device];
        if (!step->code || device->codes[step->code - 1]) continue;
        if (!device->backend->code_load) return pln_fail(diag, PLN_BAD_PLAN, "step %u: device '%s' takes no device code", i, device->backend->name);
        const struct pln_program_code *code = &program->codes[step->code - 1];
        uint32_t arch = pln_plan_find_arch(program->archs, program->n_archs, device->caps.arch);
        if (arch == PLN_NONE || !code->images[arch]) return no_code(engine, device->caps.arch, diag);
        PLN_TRY(device->backend->code_load(device->device, code->images[arch], (size_t)code->image_bytes[arch], diag, &device->codes[step->code - 1]));
    }
    return PLN_OK;
}

static void note_use(struct pln_engine *engine, uint32_t slot_id, bool by_copy)
{
    const struct pln_slot *slot = slot_id == PLN_NONE ? NULL : &engine->program->slots[slot_id];
    while (slot && slot->place == PLN_PLACE_VIEW) {
        slot = &engine->program->slots[slot->index];
        by_copy = false;
    }
    if (slot && slot->place == PLN_PLACE_INPUT && !by_copy) engine->input_copied[slot->index] = false;
    if (slot && slot->place == PLN_PLACE_OUTPUT && !by_copy) engine->output_copied[slot->index] = false;
}

/* Inputs and outputs that only copies to or from the first device touch: the caller's device memory will do as it is. */
static enum pln_status find_copied(struct pln_engine *engine, struct pln_diag *diag)
{
    const struct pln_program *program = engine->program;
    engine->input_copied = pln_arena_array(&engine->arena, program->n_inputs + 1u, sizeof *engine->input_copied);
    engine->output_copied = pln_arena_array(&engine->arena, program->n_outputs + 1u, sizeof *engine->output_copied);
    if (!engine->input_copied || !engine->output_copied) return pln_fail_memory(diag, "inputs and outputs", 0);
    memset(engine->input_copied, 1, program->n_inputs);
    memset(engine->output_copied, 1, program->n_outputs);
    for (uint32_t i = 0; i < program->n_steps; i++) {
        const struct pln_step *step = &program->steps[i];
        const bool copy = step->kind == PLN_STEP_COPY && step->device == 1;
        for (uint32_t k = 0; k < step->n_inputs; k++) note_use(engine, step->inputs[k], copy);
        for (uint32_t k = 0; k < step->n_outputs; k++) note_use(engine, step->outputs[k], copy);
    }
    for (uint32_t i = 0; i < program->n_outputs; i++) /* handed out as it is */
        if (program->slots[program->outputs[i].slot].place != PLN_PLACE_OUTPUT) note_use(engine, program->outputs[i].slot, false);
    for (uint32_t b = 0; b < program->n_blocks; b++)
        for (uint32_t i = 0; b > 0 && i < program->blocks[b].n_outputs; i++) note_use(engine, program->blocks[b].outputs[i], false);
    return PLN_OK;
}

static enum pln_status upload_weight(struct pln_engine_device *device, struct pln_queue *queue, const struct pln_weight *weight, void **out_memory, struct pln_diag *diag)
{
    void *memory;
    PLN_TRY(device->backend->alloc(device->device, weight->size_bytes, weight->name, diag, &memory));
    *out_memory = memory;
    struct pln_tensor from, to;
    const int64_t bytes = (int64_t)weight->size_bytes;
    pln_tensor_init(&from, PLN_U8, 1, &bytes, (void *)(uintptr_t)weight->data);
    pln_tensor_init(&to, PLN_U8, 1, &bytes, memory);
    struct pln_command copy = { .kind = PLN_COMMAND_COPY, .from = &from, .to = &to, .from_host = true };
    PLN_TRY(device->backend->submit(queue, &copy, 1, NULL, 0, diag));
    return device->backend->sync(queue, diag);
}

static enum pln_status upload_space(struct pln_engine *engine, uint32_t space, struct pln_queue *queue, struct pln_diag *diag)
{
    const struct pln_program *program = engine->program;
    struct pln_engine_device *device = &engine->devices[space];
    for (uint32_t i = 0; i < program->n_slots; i++) {
        const struct pln_slot *slot = &program->slots[i];
        if (slot->place != PLN_PLACE_WEIGHT || slot->space != space) continue;
        const struct pln_weight *weight = &program->weights[slot->index];
        if (device->weights[slot->index] || weight->size_bytes == 0) continue;
        PLN_TRY(upload_weight(device, queue, weight, &device->weights[slot->index], diag));
    }
    return PLN_OK;
}

/* Weights go once into the space of each device that reads them. */
static enum pln_status upload_weights(struct pln_engine *engine, struct pln_diag *diag)
{
    for (uint32_t space = 1; space < engine->n_devices; space++) {
        const struct pln_backend *backend = engine->devices[space].backend;
        struct pln_queue *queue;
        PLN_TRY(backend->queue_create(engine->devices[space].device, diag, &queue));
        enum pln_status status = upload_space(engine, space, queue, diag);
        backend->queue_destroy(queue);
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
        for (uint32_t c = 0; device->codes && c < engine->program->n_codes; c++)
            if (device->codes[c]) device->backend->code_unload(device->device, device->codes[c]);
        device->backend->close(device->device);
    }
    if (engine->owner.release) engine->owner.release(engine->owner.user);
    struct pln_allocator alloc = engine->alloc;
    pln_plugins_release(engine->plugins);
    pln_arena_deinit(&engine->arena);
    pln_free(&alloc, engine, sizeof *engine);
}

static void log_engine(const struct pln_engine *engine)
{
    const struct pln_program *program = engine->program;
    struct pln_text line;
    if (!engine->logger.log || engine->why_not) return;
    pln_text_init(&line, &engine->alloc);
    pln_text_printf(&line, "loaded '%s' for %s: %u steps, %u weights, host steps on %s (%s)", program->name, program->target, program->n_steps, program->n_weights,
                    engine->devices[0].backend->name, engine->devices[0].caps.name);
    if (!line.failed) engine->logger.log(engine->logger.user, PLN_LOG_VERBOSE, line.data);
    pln_text_deinit(&line);
}

static enum pln_status make_ready(struct pln_engine *engine, const char *device, struct pln_diag *diag)
{
    PLN_TRY(open_devices(engine, device, diag));
    PLN_TRY(find_copied(engine, diag));
    PLN_TRY(load_codes(engine, diag));
    PLN_TRY(load_steps(engine, diag));
    return upload_weights(engine, diag);
}

/* What is missing here is a failure, unless the caller only wants to look at the plan: then it is kept for who asks for a context. */
static enum pln_status make_runnable(struct pln_engine *engine, const struct pln_engine_options *options)
{
    if (!options->may_be_foreign) return make_ready(engine, options->device, options->diagnostics);
    struct pln_diag *why = pln_arena_alloc(&engine->arena, sizeof *why);
    if (!why) return pln_fail_memory(options->diagnostics, "engine", sizeof *why);
    pln_diag_init(why);
    enum pln_status status = make_ready(engine, options->device, why);
    if (status == PLN_OK) return PLN_OK;
    if (status != PLN_DEVICE && status != PLN_INCOMPATIBLE) return pln_fail(options->diagnostics, status, "%s", why->count ? why->entries[0].text : pln_status_text(status));
    engine->why_not = why;
    return name_steps(engine, options->diagnostics);
}

enum pln_status pln_engine_create(const struct pln_program *program, struct pln_engine_owner *take_owner, const struct pln_engine_options *options, pln_engine **out_engine)
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
    engine->plugins = options->plugins;
    pln_plugins_retain(engine->plugins);
    if (options->logger) engine->logger = *options->logger;
    pln_arena_init(&engine->arena, &engine->alloc, 0);
    engine->targets = pln_engine_describe_targets(engine);
    enum pln_status status = engine->targets ? make_runnable(engine, options) : pln_fail_memory(options->diagnostics, "engine", 0);
    if (status != PLN_OK) {
        destroy(engine);
        return status;
    }
    log_engine(engine);
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
