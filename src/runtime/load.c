/* Plans to engines. */
#include "base/file.h"
#include "base/text.h"
#include "plan/format.h"
#include "plan/plan.h"
#include "runtime/engine.h"

/* What a loaded engine keeps: the plan's bytes and the tables read from them. */
struct loaded {
    struct pln_allocator alloc;
    struct pln_arena arena;
    struct pln_program program;
    struct pln_file_map map; /* of a file */
    void (*release)(void *user);
    void *release_user;
};

static void release(void *user)
{
    struct loaded *loaded = user;
    struct pln_allocator alloc = loaded->alloc;
    pln_arena_deinit(&loaded->arena);
    pln_file_unmap(&loaded->map);
    if (loaded->release) loaded->release(loaded->release_user);
    pln_free(&alloc, loaded, sizeof *loaded);
}

static struct loaded *new_loaded(const struct pln_engine_options *options)
{
    const struct pln_allocator *alloc = options->allocator ? options->allocator : pln_allocator_default();
    struct loaded *loaded = pln_alloc_zeroed(alloc, sizeof *loaded, _Alignof(struct loaded));
    if (!loaded) return NULL;
    loaded->alloc = *alloc;
    pln_arena_init(&loaded->arena, &loaded->alloc, 0);
    return loaded;
}

/* The device that a plan is chosen for: kept open until the engine has it, as it takes a while to open. */
struct probe {
    const struct pln_engine_options *options;
    const struct pln_file_map *map; /* of the plan */
    const struct pln_backend *backend;
    struct pln_device *device;
    struct pln_device_caps caps;
};

static void forget(void *user, const void *bytes, size_t size_bytes)
{
    pln_file_map_forget(((const struct probe *)user)->map, bytes, size_bytes);
}

/* What is wrong with the device is said by who opens it to run on it. */
static const char *find_arch(void *user, const char *name)
{
    struct probe *probe = user;
    struct pln_diag quiet;
    const struct pln_backend *built;
    int ordinal, built_ordinal;
    pln_diag_init(&quiet);
    if (pln_backend_find(name, &quiet, &built, &built_ordinal) != PLN_OK) return NULL;
    probe->backend = built;
    ordinal = built_ordinal;
    if (probe->options->device && (pln_backend_find(probe->options->device, &quiet, &probe->backend, &ordinal) != PLN_OK || probe->backend != built)) return NULL;
    const struct pln_device_options open = { .alloc = probe->options->allocator ? probe->options->allocator : pln_allocator_default(), .pool = probe->options->pool };
    if (probe->backend->open(ordinal, &open, &quiet, &probe->device) != PLN_OK) return NULL;
    probe->backend->caps(probe->device, &probe->caps);
    return probe->caps.arch[0] ? probe->caps.arch : NULL;
}

static enum pln_status load(struct loaded *loaded, const void *data, size_t size_bytes, const char *name, const struct pln_engine_options *options, pln_engine **out_engine)
{
    enum pln_plan_verify verify = options->verify_weights > 0 ? PLN_PLAN_VERIFY_ALL : options->verify_weights < 0 ? PLN_PLAN_VERIFY_NONE : PLN_PLAN_VERIFY_USUAL;
    struct probe probe = { .options = options, .map = &loaded->map };
    const struct pln_plan_read_options read = { .verify = verify, .pool = options->pool, .features = pln_cpu_features(), .arch = find_arch, .forget = loaded->map.base ? forget : NULL, .user = &probe };
    enum pln_status status = pln_plan_read(data, size_bytes, name, &read, &loaded->arena, options->diagnostics, &loaded->program);
    struct pln_engine_owner owner = { loaded, release };
    if (status == PLN_OK) status = pln_engine_create(&loaded->program, &owner, options, out_engine);
    else release(loaded);
    if (probe.device) probe.backend->close(probe.device);
    PLN_TRY(status);
    (*out_engine)->plan = data;
    (*out_engine)->plan_bytes = size_bytes;
    return PLN_OK;
}

/* Large weights are not checked; but what a crash of the system left of a plan has holes, so these are. */
static void check_holes(const char *path, size_t size_bytes, struct pln_engine_options *options)
{
    if (options->verify_weights == 0 && size_bytes > PLN_PLAN_VERIFY_BYTES && pln_file_has_holes(path)) options->verify_weights = 1;
}

enum pln_status pln_engine_load_file(const char *path, const struct pln_engine_options *options, pln_engine **out_engine)
{
    *out_engine = NULL;
    struct pln_engine_options own;
    const char *why = pln_options_copy(options, sizeof own, &own);
    if (why) return pln_fail(own.diagnostics, PLN_INVALID_ARGUMENT, "%s", why);
    if (!path) return pln_fail(own.diagnostics, PLN_INVALID_ARGUMENT, "the path of the plan is NULL");
    struct loaded *loaded = new_loaded(&own);
    if (!loaded) return pln_fail_memory(own.diagnostics, "plan", sizeof *loaded);
    enum pln_status status = pln_file_map(path, own.diagnostics, &loaded->map);
    if (status == PLN_OK) check_holes(path, loaded->map.size_bytes, &own);
    if (status == PLN_OK) return load(loaded, loaded->map.data, loaded->map.size_bytes, path, &own, out_engine);
    release(loaded);
    return status;
}

enum pln_status pln_engine_load_memory(const void *data, size_t size_bytes, const struct pln_engine_options *options, pln_engine **out_engine)
{
    *out_engine = NULL;
    struct pln_engine_options own;
    const char *why = pln_options_copy(options, sizeof own, &own);
    struct loaded *loaded = why ? NULL : new_loaded(&own);
    if (!loaded) {
        if (own.release) own.release(own.release_user);
        return why ? pln_fail(own.diagnostics, PLN_INVALID_ARGUMENT, "%s", why) : pln_fail_memory(own.diagnostics, "plan", sizeof *loaded);
    }
    loaded->release = own.release;
    loaded->release_user = own.release_user;
    if (data && (uintptr_t)data % 64 == 0) return load(loaded, data, size_bytes, "the plan in memory", &own, out_engine);
    release(loaded);
    return pln_fail(own.diagnostics, PLN_INVALID_ARGUMENT, data ? "a plan in memory must be aligned to 64 bytes" : "the plan in memory is NULL");
}

const void *pln_engine_model(const pln_engine *engine, size_t *out_size_bytes)
{
    const struct pln_weight *model = engine ? pln_program_find_weight(engine->program, PLN_WEIGHT_MODEL) : NULL;
    const bool is_one = model && model->dtype == PLN_U8 && model->rank == 1 && !model->pack;
    *out_size_bytes = is_one ? (size_t)model->size_bytes : 0;
    return is_one ? model->data : NULL;
}

const void *pln_engine_plan(const pln_engine *engine, size_t *out_size_bytes)
{
    *out_size_bytes = engine->plan_bytes;
    return engine->plan;
}

enum pln_status pln_engine_dump(const pln_engine *engine, void (*line)(void *user, const char *text), void *user)
{
    struct pln_text text;
    pln_text_init(&text, &engine->alloc);
    pln_program_dump(engine->program, &text);
    bool failed = text.failed;
    for (char *at = text.data; !failed && *at;) {
        char *end = at + strcspn(at, "\n");
        bool more = *end != '\0';
        *end = '\0';
        line(user, at);
        at = end + more;
    }
    pln_text_deinit(&text);
    return failed ? PLN_NO_MEMORY : PLN_OK;
}
