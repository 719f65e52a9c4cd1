/* The façade: model (or the graph inside a plan) → graph → passes → program → plan, and an engine loaded from it. */
#include <limits.h>
#include <stdio.h>

#include "backend/backend.h"
#include "base/file.h"
#include "base/text.h"
#include "build/keep.h"
#include "build/narrow.h"
#include "build/plan_cache.h"
#include "build/target.h"
#include "build/tuning.h"
#include "lower/lower.h"
#include "onnx/check.h"
#include "onnx/import.h"
#include "onnx/open.h"
#include "passes/pass.h"
#include "plan/plan.h"
#include "planish/builder.h"
#include "planish/experimental/cache.h"

/* The model's (or the old plan's) mapping, the graph with the constants, the program: gone when the plan is written. */
struct build {
    struct pln_allocator alloc;
    struct pln_onnx_file *file; /* NULL: a plan is built again */
    const void *model;          /* the file's bytes */
    size_t model_bytes;
    struct pln_file_map map;    /* of that plan */
    const char *path;
    struct pln_program old;
    struct pln_graph *graph;
    struct pln_arena arena;
    struct pln_target target;
    bool has_target;
    struct pln_target_part parts[PLN_TARGET_MAX_LEVELS];
    struct pln_program programs[PLN_TARGET_MAX_LEVELS]; /* by part of the target */
    uint32_t n_programs;
    const struct pln_build_options *options; /* on the stack of who builds */
    const struct pln_plan_cache *cache;      /* the same; NULL: the plan is not kept */
    bool warned;                             /* something was logged that the user should hear at every run */
    bool nothing_kept;                       /* device code could not be, which was said */
};

static void release(struct build *build)
{
    struct pln_allocator alloc = build->alloc;
    pln_arena_deinit(&build->arena);
    pln_graph_destroy(build->graph);
    pln_onnx_close(build->file);
    pln_file_unmap(&build->map);
    pln_free(&alloc, build, sizeof *build);
}

/* struct pln_watch's, for whom the caller's progress looks: totals beyond an int (bytes of weights) become smaller units. */
static enum pln_status tell_progress(void *user, const char *phase, uint64_t done, uint64_t total)
{
    const struct pln_build_options *options = ((const struct build *)user)->options;
    while (total > INT_MAX) {
        total >>= 10;
        done >>= 10;
    }
    if (!options->progress || options->progress(options->progress_user, phase, (int)done, (int)total)) return PLN_OK;
    return pln_fail(options->diagnostics, PLN_CANCELLED, "the build was cancelled");
}

static enum pln_status begin_phase(struct build *build, const char *phase)
{
    return tell_progress(build, phase, 0, 0);
}

static void dump(void *user, const char *pass, struct pln_graph *graph)
{
    const struct pln_logger *logger = user;
    struct pln_text text;
    if (!logger || !logger->log) return;
    pln_text_init(&text, graph->alloc);
    pln_text_printf(&text, "; after %s\n", pass);
    pln_graph_print(graph, &pln_op_vocabulary, false, &text);
    logger->log(logger->user, PLN_LOG_INFO, text.failed ? "out of memory" : text.data);
    pln_text_deinit(&text);
}

static enum pln_status set_taps(struct build *build)
{
    const char *const *taps = build->options->taps;
    for (size_t i = 0; taps && taps[i]; i++) {
        bool all = pln_str_equal(taps[i], "*");
        uint32_t value = all ? PLN_NONE : pln_graph_find_value(build->graph, taps[i]);
        if (!all && value == PLN_NONE) return pln_fail(build->options->diagnostics, PLN_NOT_FOUND, "the model has no value '%s' to tap", taps[i]);
        if (!all) build->graph->values[value].tapped = true;
        for (size_t v = 0; all && v < build->graph->n_values; v++) build->graph->values[v].tapped = !build->graph->values[v].data && !build->graph->values[v].removed;
    }
    return PLN_OK;
}

static enum pln_status set_metadata(struct build *build)
{
    struct pln_graph *graph = build->graph;
    const char *const *pairs = build->options->metadata;
    for (; pairs && pairs[0]; pairs += 2) {
        size_t at = 0;
        if (!pairs[1]) return pln_fail(build->options->diagnostics, PLN_INVALID_ARGUMENT, "metadata '%s' has no value", pairs[0]);
        while (at < graph->n_metadata && !pln_str_equal(graph->metadata[at].key, pairs[0])) at++;
        if (at < graph->n_metadata) graph->metadata[at] = graph->metadata[--graph->n_metadata];
        if (!pln_graph_add_metadata(graph, pairs[0], pairs[1])) return pln_fail_memory(build->options->diagnostics, "metadata", 0);
    }
    return PLN_OK;
}

/* What the file is said to be, beside being readable: a warning where an answer may depend on it. */
static void log_notes(struct build *build)
{
    const struct pln_onnx_model *model = &build->file->model;
    const struct pln_logger *logger = build->options->logger;
    const bool is_newer = model->ir_version > PLN_ONNX_IR_VERSION;
    build->warned = build->warned || is_newer;
    for (uint32_t i = 0; logger && logger->log && i < model->notes.count; i++) {
        char line[PLN_DIAG_TEXT];
        bool newer = i == 0 && is_newer;
        snprintf(line, sizeof line, "%s%s%s", build->file->path, build->file->path[0] ? ": " : "", model->notes.items[i]);
        logger->log(logger->user, newer ? PLN_LOG_WARNING : PLN_LOG_VERBOSE, line);
    }
}

static void log_warning(void *user, const char *text)
{
    struct build *build = user;
    const struct pln_logger *logger = build->options->logger;
    char line[PLN_DIAG_TEXT];
    build->warned = true;
    if (!logger || !logger->log) return;
    snprintf(line, sizeof line, "%s%s%s", build->file->path, build->file->path[0] ? ": " : "", text);
    logger->log(logger->user, PLN_LOG_WARNING, line);
}

static enum pln_status import_model(struct build *build)
{
    const struct pln_build_options *options = build->options;
    PLN_TRY(begin_phase(build, "check the model"));
    PLN_TRY(pln_onnx_check_model(&build->file->model, &build->file->arena, options->diagnostics));
    log_notes(build);
    PLN_TRY(begin_phase(build, "import"));
    const struct pln_onnx_import_options import = { .limit_bytes = (size_t)options->memory_limit_bytes, .plugins = options->plugins, .warn = log_warning, .warn_user = build };
    return pln_onnx_import(&build->file->model, &build->file->externals, &import, &build->alloc, options->diagnostics, &build->graph);
}

static enum pln_status run_passes(struct build *build)
{
    const struct pln_build_options *options = build->options;
    const struct pln_pass_options passes = { .disabled = options->disabled_passes, .dump_after = options->dump_after, .dump = dump, .dump_user = (void *)(uintptr_t)options->logger,
                                             .broken = options->broken_pass,
#ifndef NDEBUG
                                             .verify = true
#endif
    };
    return pln_passes_run(build->graph, &passes, options->diagnostics);
}

static enum pln_status restore_graph(struct build *build)
{
    PLN_TRY(begin_phase(build, "read the graph"));
    return pln_graph_restore(&build->old, build->path, &build->alloc, &build->arena, build->options->plugins, build->options->diagnostics, &build->graph);
}

static enum pln_status lower_part(const struct build *build, const struct pln_target_part *part, struct pln_lower_options *lower, struct pln_arena *arena, struct pln_program *out_program)
{
    lower->host_features = part->level;
    lower->features = lower->backend->arch_features ? part->features : part->level;
    if (!build->options->tf32) lower->features &= ~PLN_FEATURE_TF32;
    return pln_lower(build->graph, lower, arena, build->options->diagnostics, out_program);
}

/* A program a part of the target. They share the expressions of the graph, of which each adds some. */
static enum pln_status lower_all(struct build *build, struct pln_lower_options *lower)
{
    struct pln_diag *diag = build->options->diagnostics;
    for (uint32_t i = 0; i < build->n_programs; i++) {
        struct pln_program *program = &build->programs[i];
        PLN_TRY(lower_part(build, &build->parts[i], lower, &build->arena, program));
        program->for_archs = build->parts[i].for_archs;
        if (build->options->require_device && program->n_devices) PLN_TRY(pln_target_require_device(program, &build->alloc, diag));
        if (!build->file) program->n_nodes = build->old.n_nodes; /* origins that no node names are not in the text */
    }
    for (uint32_t i = 0; i < build->n_programs; i++) {
        build->programs[i].dims = build->graph->dims.nodes;
        build->programs[i].n_dims = (uint32_t)build->graph->dims.count;
        build->programs[i].symbols = build->graph->dims.symbols;
        build->programs[i].n_symbols = (uint32_t)build->graph->dims.n_symbols;
    }
    return PLN_OK;
}

/* First lowers for the problems that there are; those programs are not kept. */
static enum pln_status measure_kernels(struct build *build, const struct pln_lower_options *options, struct pln_tuning *tuning)
{
    const struct pln_watch watch = { tell_progress, build };
    struct pln_lower_options lower = *options;
    struct pln_program program;
    lower.pick = pln_tuner_collect;
    lower.pick_user = &tuning->tuner;
    for (uint32_t i = 0; i < build->n_programs; i++) PLN_TRY(lower_part(build, &build->parts[i], &lower, &tuning->arena, &program));
    return pln_tuning_measure(tuning, &watch);
}

static enum pln_status choose_kernels(struct build *build, struct pln_lower_options *lower)
{
    struct pln_tuning tuning;
    PLN_TRY(pln_target_split(&build->target, lower->backend, build->options->diagnostics, build->parts, &build->n_programs));
    if (!pln_tuning_wanted(build->options, lower->backend)) return lower_all(build, lower);
    enum pln_status status = pln_tuning_begin(&tuning, build->options, lower->backend, &build->alloc);
    if (status == PLN_OK) status = measure_kernels(build, lower, &tuning);
    lower->pick = pln_tuner_pick;
    lower->pick_user = &tuning.tuner;
    if (status == PLN_OK) status = lower_all(build, lower);
    pln_tuning_end(&tuning);
    return status;
}

static enum pln_status compile_code(struct build *build, const struct pln_backend *backend)
{
    const struct pln_build_options *options = build->options;
    struct pln_code_cache cache;
    bool any = false;
    for (uint32_t i = 0; i < build->n_programs; i++) any = any || build->programs[i].n_codes;
    if (!any) return PLN_OK;
    pln_code_cache_init(&cache, options->cache_folder, options->cache_folder ? backend->code_key() : 0, options->logger);
    const struct pln_watch watch = { tell_progress, build };
    PLN_TRY(pln_target_compile(&build->target, backend, &cache, &watch, &build->alloc, options->diagnostics, build->programs, build->n_programs));
    pln_code_cache_end(&cache);
    build->nothing_kept = options->cache_folder && cache.read_only;
    return PLN_OK;
}

static enum pln_status write_plan(struct build *build, const struct pln_allocator *alloc, struct pln_plan_image *out_image)
{
    const struct pln_program *programs[PLN_TARGET_MAX_LEVELS];
    const struct pln_watch watch = { tell_progress, build };
    for (uint32_t i = 0; i < build->n_programs; i++) programs[i] = &build->programs[i];
    const struct pln_plan_write_options options = { .limit_bytes = (size_t)build->options->memory_limit_bytes, .watch = &watch, .pool = build->options->pool, .folder = build->options->work_folder };
    return pln_plan_write_targets(programs, build->n_programs, &options, alloc, build->options->diagnostics, out_image);
}

/* Once: a device is opened to be looked at. */
static enum pln_status parse_target(struct build *build, const struct pln_backend *backend, int ordinal, struct pln_diag *diag)
{
    if (build->has_target) return PLN_OK;
    PLN_TRY(pln_target_parse(build->options->target, backend, ordinal, &build->alloc, diag, &build->target));
    build->has_target = true;
    return PLN_OK;
}

/* What the plan is to be built from again: its graph, and the model where it is asked for. */
static enum pln_status keep(struct build *build)
{
    const struct pln_build_options *options = build->options;
    struct pln_program *program = &build->programs[0];
    if (!options->no_rebuild) PLN_TRY(pln_graph_keep(build->graph, program, options->diagnostics));
    if (!options->keep_model) return PLN_OK;
    if (build->file && build->file->externals.count)
        return pln_fail(options->diagnostics, PLN_UNSUPPORTED, "the plan cannot keep the model (keep_model): its weights lie in other files; save it with its weights inside");
    const struct pln_weight *old = build->file ? NULL : pln_program_find_weight(&build->old, PLN_WEIGHT_MODEL);
    if (old) return pln_model_keep(program, old->data, (size_t)old->size_bytes, options->diagnostics);
    if (build->file) return pln_model_keep(program, build->model, build->model_bytes, options->diagnostics);
    return pln_fail(options->diagnostics, PLN_NOT_FOUND, "the plan keeps no model (keep_model)");
}

static enum pln_status compile(struct build *build)
{
    const struct pln_build_options *options = build->options;
    struct pln_diag *diag = options->diagnostics;
    bool again = !build->file;
    const char *device = options->device ? options->device : again ? build->old.target : "cpu";
    struct pln_lower_options lower = { .device = device, .placement_seed = options->placement_seed, .direct = options->no_winograd != 0 };
    int ordinal;
    PLN_TRY(pln_backend_find(device, diag, &lower.backend, &ordinal));
    PLN_TRY(parse_target(build, lower.backend, ordinal, diag));
    lower.shared_weights = build->target.n_levels > 1;
    if (lower.backend->arch_features) PLN_TRY(pln_backend_find("cpu", diag, &lower.host, &ordinal));
    PLN_TRY(again ? restore_graph(build) : import_model(build));
    PLN_TRY(pln_retype_io(build->graph, options, diag));
    PLN_TRY(set_metadata(build));
    PLN_TRY(set_taps(build));
    PLN_TRY(begin_phase(build, "optimize"));
    lower.oracle = pln_str_equal(lower.backend->name, "ref");
    if (options->half != PLN_DTYPE_NONE && options->half != PLN_F16 && options->half != PLN_BF16) return pln_fail(diag, PLN_INVALID_ARGUMENT, "floats are stored as f16 or bf16, not as %s", pln_dtype_name(options->half));
    build->graph->half = lower.backend->arch_features ? options->half : PLN_DTYPE_NONE; /* kernels of the host have f32 alone */
    build->graph->offloaded = lower.backend->arch_features != NULL;
    /* What a plan keeps has been through the passes, but for the reference device's. */
    if (!lower.oracle && (!again || pln_str_equal(build->old.target, "ref"))) PLN_TRY(run_passes(build));
    PLN_TRY(begin_phase(build, "choose kernels"));
    PLN_TRY(choose_kernels(build, &lower));
    PLN_TRY(compile_code(build, lower.backend));
    return keep(build);
}

/* What an engine keeps: the plan built in this process, or the mapped entry of the cache. */
struct kept {
    struct pln_allocator alloc;
    struct pln_plan_image image;
    struct pln_file_map entry;
};

static void release_plan(void *user)
{
    struct kept *kept = user;
    struct pln_allocator alloc = kept->alloc;
    pln_plan_image_release(&kept->image);
    pln_file_unmap(&kept->entry);
    pln_free(&alloc, kept, sizeof *kept);
}

/* The engine takes kept, also when it cannot be made. What comes from the cache is verified whole: it was written by others. */
static enum pln_status load_engine(const struct pln_build_options *options, struct kept *kept, bool foreign, struct pln_diag *diag, pln_engine **out_engine)
{
    const bool is_entry = kept->entry.base != NULL;
    const struct pln_engine_options engine = { .struct_size = sizeof engine, .allocator = options->allocator, .pool = options->pool, .diagnostics = diag, .logger = options->logger, .device = options->device,
                                               .verify_weights = is_entry ? 1 : -1, .release = release_plan, .release_user = kept, .may_be_foreign = foreign, .plugins = options->plugins };
    return pln_engine_load_memory(is_entry ? kept->entry.data : kept->image.data, is_entry ? kept->entry.size_bytes : kept->image.size_bytes, &engine, out_engine);
}

/* Of the model as it is now; out_key tells also whether it is as it was. */
static enum pln_status find_key(struct build *build, struct pln_diag *diag, struct pln_cache_key *out_key)
{
    const struct pln_build_options *options = build->options;
    const struct pln_backend *backend;
    int ordinal;
    PLN_TRY(pln_backend_find(options->device ? options->device : "cpu", diag, &backend, &ordinal));
    PLN_TRY(parse_target(build, backend, ordinal, diag));
    return pln_plan_cache_key(build->cache, build->file, options, backend, &build->target, diag, out_key);
}

/* A plan that came with a warning is not kept: the warning belongs to every run. */
static void keep_plan(struct build *build, const struct pln_plan_image *image)
{
    struct pln_cache_key key;
    struct pln_diag quiet;
    pln_diag_init(&quiet);
    if (!build->cache || build->warned || build->nothing_kept) return;
    if (begin_phase(build, PLN_CACHE_KEEP_PHASE) != PLN_OK) return; /* who cancels now has the plan all the same */
    if (find_key(build, &quiet, &key) != PLN_OK || key.hi != build->cache->key.hi || key.lo != build->cache->key.lo) return; /* the files were changed meanwhile */
    pln_plan_cache_put(build->cache, image->data, image->size_bytes, &build->alloc);
    (void)!begin_phase(build, "load the plan");
}

static enum pln_status finish(struct build *build, pln_engine **out_engine)
{
    const struct pln_build_options *options = build->options;
    struct kept *kept = pln_alloc_zeroed(&build->alloc, sizeof *kept, _Alignof(struct kept));
    enum pln_status status = kept ? compile(build) : pln_fail_memory(options->diagnostics, "plan", sizeof *kept);
    if (status == PLN_OK) {
        kept->alloc = build->alloc;
        status = write_plan(build, &kept->alloc, &kept->image);
        if (status == PLN_OK) keep_plan(build, &kept->image);
    }
    struct pln_allocator alloc = build->alloc;
    const bool foreign = build->target.foreign;
    release(build);
    if (options->diagnostics) { /* the names of nodes are gone with the graph; the caller's list may live on */
        options->diagnostics->node = options->diagnostics->op = NULL;
        options->diagnostics->node_index = -1;
    }
    if (status != PLN_OK) {
        pln_free(&alloc, kept, sizeof *kept);
        return pln_note_limit(options->diagnostics, status, options->memory_limit_bytes);
    }
    return load_engine(options, kept, foreign, options->diagnostics, out_engine);
}

static struct build *new_build(const struct pln_build_options *options)
{
    const struct pln_allocator *alloc = options->allocator ? options->allocator : pln_allocator_default();
    struct build *build = pln_alloc_zeroed(alloc, sizeof *build, _Alignof(struct build));
    if (!build) return NULL;
    build->alloc = *alloc;
    build->options = options;
    pln_arena_init(&build->arena, &build->alloc, (size_t)options->memory_limit_bytes);
    return build;
}

/* own: a copy of the options, which must live as long as the build. */
static enum pln_status open_model(const char *path, const struct pln_build_options *options, struct pln_build_options *own, struct build **out_build)
{
    const char *why = pln_options_copy(options, sizeof *own, own);
    if (!why && !path) why = "the path of the model is NULL";
    if (why) return pln_fail(own->diagnostics, PLN_INVALID_ARGUMENT, "%s", why);
    struct build *build = new_build(own);
    if (!build) return pln_fail_memory(own->diagnostics, "build", sizeof *build);
    enum pln_status status = pln_onnx_open_file(path, &build->alloc, own->diagnostics, &build->file);
    if (status != PLN_OK) {
        release(build);
        return status;
    }
    build->model = build->file->map.data;
    build->model_bytes = build->file->map.size_bytes;
    *out_build = build;
    return PLN_OK;
}

enum pln_status pln_build_file(const char *path, const struct pln_build_options *options, pln_engine **out_engine)
{
    struct pln_build_options own;
    struct build *build;
    *out_engine = NULL;
    PLN_TRY(open_model(path, options, &own, &build));
    return finish(build, out_engine);
}

/* ---- with a cache of plans ---- */

/* The engine of the entry that fits; false: there is none, or it is not as it should be. */
static bool load_kept(const struct build *build, const struct pln_plan_cache *cache, pln_engine **out_engine)
{
    struct pln_diag quiet;
    struct kept *kept = pln_alloc_zeroed(&build->alloc, sizeof *kept, _Alignof(struct kept));
    if (!kept) return false;
    kept->alloc = build->alloc;
    if (!pln_plan_cache_get(cache, &kept->entry)) {
        pln_free(&build->alloc, kept, sizeof *kept);
        return false;
    }
    pln_diag_init(&quiet);
    return load_engine(build->options, kept, build->target.foreign, &quiet, out_engine) == PLN_OK;
}

/* Only tests falsify passes and places; a dumped graph is wanted of a build. */
static bool may_be_kept(const struct pln_build_options *options)
{
    return options->cache_folder && !options->dump_after && !options->broken_pass && options->placement_seed == 0;
}

enum pln_status pln_cache_build_file(const char *path, const struct pln_build_options *options, const char *const *files, pln_engine **out_engine, int *out_cached)
{
    struct pln_build_options own;
    struct pln_plan_cache cache;
    struct pln_diag quiet;
    struct build *build;
    *out_engine = NULL;
    *out_cached = 0;
    PLN_TRY(open_model(path, options, &own, &build));
    pln_diag_init(&quiet);
    pln_plan_cache_init(&cache, may_be_kept(&own) ? own.cache_folder : NULL, files, own.logger);
    if (may_be_kept(&own) && !cache.folder) own.cache_folder = NULL; /* said for all kinds of entries */
    if (cache.folder) {
        build->cache = &cache;
        /* What keeps the key from being made is said by the build. */
        if (find_key(build, &quiet, &cache.key) != PLN_OK) build->cache = NULL;
        if (!build->cache && quiet.count) pln_cache_log(own.logger, PLN_LOG_VERBOSE, "the plan is not kept: %.900s", quiet.entries[0].text);
    }
    if (build->cache && load_kept(build, &cache, out_engine)) {
        release(build);
        *out_cached = 1;
        return PLN_OK;
    }
    return finish(build, out_engine);
}

enum pln_status pln_build_memory(const void *data, size_t size_bytes, const char *folder, const struct pln_build_options *options, pln_engine **out_engine)
{
    *out_engine = NULL;
    struct pln_build_options own;
    const char *why = pln_options_copy(options, sizeof own, &own);
    if (!why && !data) why = "the model in memory is NULL";
    if (why) return pln_fail(own.diagnostics, PLN_INVALID_ARGUMENT, "%s", why);
    struct build *build = new_build(&own);
    if (!build) return pln_fail_memory(own.diagnostics, "build", sizeof *build);
    build->model = data;
    build->model_bytes = size_bytes;
    enum pln_status status = pln_onnx_open_memory(data, size_bytes, folder, &build->alloc, own.diagnostics, &build->file);
    if (status == PLN_OK) return finish(build, out_engine);
    release(build);
    return status;
}

/* Of the plan at path, or of the bytes where path is NULL. */
static enum pln_status build_plan(const char *path, const void *data, size_t size_bytes, const struct pln_build_options *own, pln_engine **out_engine)
{
    struct build *build = new_build(own);
    if (!build) return pln_fail_memory(own->diagnostics, "build", sizeof *build);
    build->path = path ? path : "the plan in memory";
    enum pln_status status = path ? pln_file_map(path, own->diagnostics, &build->map) : PLN_OK;
    if (path && status == PLN_OK) data = build->map.data, size_bytes = build->map.size_bytes;
    const struct pln_plan_read_options read = { .verify = PLN_PLAN_VERIFY_ALL, .pool = own->pool, .first = true };
    if (status == PLN_OK) status = pln_plan_read(data, size_bytes, build->path, &read, &build->arena, own->diagnostics, &build->old);
    if (status == PLN_OK) return finish(build, out_engine);
    release(build);
    return status;
}

enum pln_status pln_build_plan_file(const char *path, const struct pln_build_options *options, pln_engine **out_engine)
{
    *out_engine = NULL;
    struct pln_build_options own;
    const char *why = pln_options_copy(options, sizeof own, &own);
    if (!why && !path) why = "the path of the plan is NULL";
    if (why) return pln_fail(own.diagnostics, PLN_INVALID_ARGUMENT, "%s", why);
    return build_plan(path, NULL, 0, &own, out_engine);
}

enum pln_status pln_build_plan_memory(const void *data, size_t size_bytes, const struct pln_build_options *options, pln_engine **out_engine)
{
    *out_engine = NULL;
    struct pln_build_options own;
    const char *why = pln_options_copy(options, sizeof own, &own);
    if (!why && (!data || (uintptr_t)data % 64 != 0)) why = "the plan in memory is NULL, or not aligned to 64";
    if (why) return pln_fail(own.diagnostics, PLN_INVALID_ARGUMENT, "%s", why);
    return build_plan(NULL, data, size_bytes, &own, out_engine);
}

const char *pln_pass_name(int index)
{
    for (int i = 0; pln_passes[i].name; i++)
        if (i == index) return pln_passes[i].name;
    return NULL;
}
