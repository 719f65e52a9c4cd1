#include "build/plan_cache.h"

#include <errno.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/text.h"

#define LEAST_BYTES 64 /* less is no plan */

/* Stands behind the plan: the name alone would let a plan of another model, moved there, be taken for this one's. */
struct trailer {
    char magic[8];
    struct pln_cache_key key;
};
static const char trailer_magic[8] = "PLNKEPT";

/* Said once: from then on nothing is looked for, nor kept. */
static void give_up(struct pln_plan_cache *cache, const char *why)
{
    pln_cache_log(cache->logger, PLN_LOG_WARNING, PLN_CACHE_WARNING ": %.900s", why);
    cache->folder = NULL;
}

void pln_plan_cache_init(struct pln_plan_cache *cache, const char *folder, const char *const *files, const struct pln_logger *logger)
{
    char room[700];
    *cache = (struct pln_plan_cache){ .folder = folder, .files = files, .logger = logger };
    const char *why = folder ? pln_cache_make_folder(folder, PLN_CACHE_PLAN, room, sizeof room) : NULL;
    if (why) give_up(cache, why);
}

/* ---- the key ---- */

static void add_machine(struct pln_cache_key *key, const struct pln_backend *backend, const struct pln_target *target)
{
    pln_cache_key_add_text(key, pln_cpu_name());
    pln_cache_key_add_number(key, pln_cpu_features());
    for (int level = 1; level <= 3; level++) pln_cache_key_add_number(key, pln_cpu_cache_bytes(level));
    pln_cache_key_add(key, target->levels, target->n_levels * sizeof target->levels[0]);
    pln_cache_key_add_number(key, target->n_archs);
    for (uint32_t i = 0; i < target->n_archs; i++) {
        pln_cache_key_add_text(key, target->archs[i]);
        pln_cache_key_add_number(key, target->arch_features[i]);
    }
    pln_cache_key_add_number(key, backend->code_key ? backend->code_key() : 0);
}

static void add_list(struct pln_cache_key *key, const char *const *list)
{
    for (; list && *list; list++) pln_cache_key_add_text(key, *list);
    pln_cache_key_add_text(key, NULL);
}

static void add_types(struct pln_cache_key *key, const enum pln_dtype *types, int count)
{
    pln_cache_key_add_number(key, (uint64_t)count);
    for (int i = 0; i < count; i++) pln_cache_key_add_number(key, (uint64_t)types[i]);
}

static void add_options(struct pln_cache_key *key, const struct pln_build_options *options)
{
    pln_cache_key_add_text(key, options->device);
    pln_cache_key_add_text(key, options->target);
    add_list(key, options->disabled_passes);
    add_list(key, options->taps);
    add_list(key, options->metadata);
    pln_cache_key_add_number(key, options->memory_limit_bytes);
    pln_cache_key_add_number(key, (uint64_t)options->half);
    pln_cache_key_add_number(key, options->require_device != 0);
    pln_cache_key_add_number(key, options->no_rebuild != 0);
    pln_cache_key_add_number(key, options->tf32 != 0);
    pln_cache_key_add_number(key, options->no_winograd != 0);
    pln_cache_key_add_number(key, options->int32_io != 0);
    add_types(key, options->input_types, options->input_type_count);
    add_types(key, options->output_types, options->output_type_count);
    pln_cache_key_add_number(key, options->keep_model != 0);
    pln_cache_key_add_number(key, options->plugins != NULL);
    pln_cache_key_add_number(key, (uint64_t)options->tune);
    if (options->tune == PLN_TUNE_OFF) return;
    /* A plan that was measured stays good when others add to the timings. */
    const struct pln_pool *pool = options->pool ? options->pool : pln_pool_shared();
    pln_cache_key_add_number(key, pool ? (uint64_t)pln_pool_workers(pool) : 0);
    pln_cache_key_add_text(key, options->timing_cache);
}

enum pln_status pln_plan_cache_key(const struct pln_plan_cache *cache, struct pln_onnx_file *model, const struct pln_build_options *options, const struct pln_backend *backend,
                                   const struct pln_target *target, struct pln_diag *diag, struct pln_cache_key *out_key)
{
    struct pln_cache_key key = { 0 };
    *out_key = key;
    PLN_TRY(pln_onnx_externals_open(&model->externals, &model->model, diag));
    PLN_TRY(pln_cache_key_add_own_code(&key, diag));
    add_machine(&key, backend, target);
    add_options(&key, options);
    for (const char *const *file = cache->files; file && *file; file++) {
        struct pln_file_map map;
        PLN_TRY(pln_file_map(*file, diag, &map));
        pln_cache_key_add(&key, map.data, map.size_bytes);
        pln_file_unmap(&map);
    }
    pln_cache_key_add(&key, model->map.data, model->map.size_bytes);
    for (size_t i = 0; i < model->externals.count; i++) pln_cache_key_add(&key, model->externals.files[i].data, model->externals.files[i].size_bytes);
    *out_key = key;
    return PLN_OK;
}

/* ---- entries ---- */

/* Leaves the plan. false: it is another's. */
static bool take_trailer(const struct pln_plan_cache *cache, struct pln_file_map *map)
{
    struct trailer trailer;
    if (map->size_bytes < sizeof trailer) return false;
    map->size_bytes -= sizeof trailer;
    memcpy(&trailer, (const char *)map->data + map->size_bytes, sizeof trailer);
    return memcmp(trailer.magic, trailer_magic, sizeof trailer.magic) == 0 && trailer.key.hi == cache->key.hi && trailer.key.lo == cache->key.lo;
}

bool pln_plan_cache_get(const struct pln_plan_cache *cache, struct pln_file_map *out_map)
{
    char path[PLN_CACHE_PATH_BYTES];
    struct pln_diag quiet;
    uint64_t bytes;
    if (!pln_cache_entry_path(cache->folder, PLN_CACHE_PLAN, cache->key, path)) return false;
    const int fd = pln_cache_open_entry(path, LEAST_BYTES, PLN_CACHE_MOST_BYTES, &bytes);
    if (fd < 0) return false;
    pln_diag_init(&quiet);
    bool mapped = pln_file_map_descriptor(fd, path, &quiet, out_map) == PLN_OK;
    if (mapped && !take_trailer(cache, out_map)) {
        pln_file_unmap(out_map);
        mapped = false;
    }
    if (mapped) pln_cache_touch(fd);
    if (mapped) pln_cache_log(cache->logger, PLN_LOG_VERBOSE, "plan taken from the cache: %s", path);
    close(fd);
    return mapped;
}

void pln_plan_cache_put(const struct pln_plan_cache *cache, const void *plan, size_t size_bytes, const struct pln_allocator *alloc)
{
    char path[PLN_CACHE_PATH_BYTES], folder[PLN_CACHE_PATH_BYTES];
    struct pln_plan_cache after = *cache;
    struct pln_file_writer writer;
    struct pln_diag diag;
    if (size_bytes > PLN_CACHE_MOST_BYTES - sizeof(struct trailer)) {
        pln_cache_log(cache->logger, PLN_LOG_VERBOSE, "the plan is not kept: it is larger than all that the cache may hold");
        return;
    }
    if (!pln_cache_entry_path(cache->folder, PLN_CACHE_PLAN, cache->key, path)) return;
    pln_diag_init(&diag);
    if (pln_path_folder(path, folder, sizeof folder) == PLN_OK && access(folder, W_OK) != 0) {
        char why[700]; /* without the entry's name, which differs from model to model */
        snprintf(why, sizeof why, "cannot write to '%.500s': %s", folder, strerror(errno));
        give_up(&after, why);
        return;
    }
    enum pln_status status = pln_file_writer_open(&writer, path, alloc, &diag);
    if (status == PLN_OK) {
        writer.may_be_lost = true; /* loading tells damage */
        struct trailer trailer = { .key = cache->key };
        memcpy(trailer.magic, trailer_magic, sizeof trailer.magic);
        status = pln_file_writer_write(&writer, plan, size_bytes);
        if (status == PLN_OK) status = pln_file_writer_write(&writer, &trailer, sizeof trailer);
        if (status == PLN_OK) status = pln_file_writer_commit(&writer);
        else pln_file_writer_abort(&writer);
    }
    if (status == PLN_OK) pln_cache_limit(cache->folder);
    else give_up(&after, diag.count ? diag.entries[0].text : pln_status_text(status));
}
