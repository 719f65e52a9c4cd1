#include "build/tuning.h"

#include <stdio.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/text.h"

#define FAST_NS ((int64_t)2 * 1000000000)
#define FULL_NS ((int64_t)30 * 1000000000)

bool pln_tuning_wanted(const struct pln_build_options *options, const struct pln_backend *backend)
{
    return options->tune != PLN_TUNE_OFF && backend->kernels && !backend->arch_features && pln_str_equal(backend->name, "cpu");
}

/* All that a time depends on beside the row and the problem. Errors: PLN_UNSUPPORTED. */
static enum pln_status machine_key(const struct pln_pool *pool, struct pln_diag *diag, struct pln_cache_key *out_key)
{
    struct pln_cache_key key = { 0 };
    PLN_TRY(pln_cache_key_add_own_code(&key, diag));
    pln_cache_key_add_number(&key, PLN_TIMINGS_VERSION);
    pln_cache_key_add_text(&key, pln_cpu_name());
    pln_cache_key_add_number(&key, pln_cpu_features());
    for (int level = 1; level <= 3; level++) pln_cache_key_add_number(&key, pln_cpu_cache_bytes(level));
    pln_cache_key_add_number(&key, (uint64_t)pln_pool_workers(pool));
    *out_key = key;
    return PLN_OK;
}

static void warn(const struct pln_tuning *tuning, const char *what, const struct pln_diag *diag, enum pln_status status)
{
    pln_cache_log(tuning->options->logger, PLN_LOG_WARNING, "%s%.900s", what, diag->count ? diag->entries[0].text : pln_status_text(status));
}

/* The file in the folder of caches. None where there is no such folder, or where something strange is in the file's place. */
static void find_file(struct pln_tuning *tuning, struct pln_cache_key key)
{
    const char *folder = tuning->options->cache_folder;
    char room[700];
    uint64_t size_bytes;
    if (!folder) return;
    const char *why = pln_cache_make_folder(folder, PLN_CACHE_TIMINGS, room, sizeof room);
    if (!why && !pln_cache_entry_path(folder, PLN_CACHE_TIMINGS, key, tuning->path)) why = "its name is too long";
    if (!why && access(tuning->path, F_OK) == 0) {
        const int fd = pln_cache_open_entry(tuning->path, 0, UINT64_MAX, &size_bytes);
        if (fd < 0) why = "what is in its place is no plain file of this user's";
        else pln_cache_touch(fd);
        if (fd >= 0) close(fd);
    }
    if (!why) return;
    pln_cache_log(tuning->options->logger, PLN_LOG_WARNING, "timings are not kept: %.900s", why);
    tuning->path[0] = '\0';
}

static enum pln_status read_timings(struct pln_tuning *tuning, struct pln_cache_key key)
{
    const char *named = tuning->options->timing_cache;
    struct pln_diag quiet;
    pln_diag_init(&quiet);
    if (named && snprintf(tuning->path, sizeof tuning->path, "%s", named) >= (int)sizeof tuning->path) return pln_fail(tuning->options->diagnostics, PLN_INVALID_ARGUMENT, "the name of the timing cache is too long");
    if (!named) find_file(tuning, key);
    if (!tuning->path[0]) return PLN_OK;
    enum pln_status status = pln_timings_read(&tuning->timings, tuning->path, &quiet);
    if (status == PLN_OK) return PLN_OK;
    const bool is_replaced = status == PLN_BAD_PLAN || status == PLN_INCOMPATIBLE;
    if (status == PLN_NO_MEMORY || (named && !is_replaced)) return pln_fail(tuning->options->diagnostics, status, "%s", quiet.count ? quiet.entries[0].text : pln_status_text(status));
    warn(tuning, "", &quiet, status);
    if (!is_replaced && unlink(tuning->path) != 0) tuning->path[0] = '\0'; /* in our own folder, under a name of ours */
    return PLN_OK;
}

enum pln_status pln_tuning_begin(struct pln_tuning *tuning, const struct pln_build_options *options, const struct pln_backend *backend, const struct pln_allocator *alloc)
{
    struct pln_diag quiet;
    struct pln_cache_key key = { 0 };
    struct pln_pool *pool = options->pool ? options->pool : pln_pool_shared();
    *tuning = (struct pln_tuning){ .options = options };
    pln_arena_init(&tuning->arena, alloc, (size_t)options->memory_limit_bytes);
    pln_timings_init(&tuning->timings, alloc);
    const struct pln_tuner_options standard = { .timings = &tuning->timings };
    pln_tuner_init(&tuning->tuner, &standard, alloc);
    if (options->tune != PLN_TUNE_FAST && options->tune != PLN_TUNE_FULL) return pln_fail(options->diagnostics, PLN_INVALID_ARGUMENT, "tune is %d: none of off, fast and full", (int)options->tune);
    if (!pool) return pln_fail(options->diagnostics, PLN_NO_MEMORY, "the thread pool could not be made");
    pln_diag_init(&quiet);
    enum pln_status status = machine_key(pool, &quiet, &key);
    if (status == PLN_OK) PLN_TRY(read_timings(tuning, key));
    else warn(tuning, "timings are not kept: ", &quiet, status);
    struct pln_tuner_options *own = &tuning->tuner.options;
    own->full = options->tune == PLN_TUNE_FULL;
    tuning->timings.fills = own->full;
    own->budget_ns = own->full ? FULL_NS : FAST_NS;
    own->features = pln_cpu_features();
    own->machine = (struct pln_hash128){ .lo = key.lo, .hi = key.hi };
    own->measure = pln_measure;
    own->measure_user = &tuning->measurer;
    return pln_measurer_open(&tuning->measurer, backend, pool, alloc, options->diagnostics);
}

enum pln_status pln_tuning_measure(struct pln_tuning *tuning, const struct pln_watch *watch)
{
    const struct pln_build_options *options = tuning->options;
    const struct pln_tuner_counts *counts = &tuning->tuner.counts;
    struct pln_diag quiet;
    PLN_TRY(pln_tuner_run(&tuning->tuner, watch, options->diagnostics));
    pln_diag_init(&quiet);
    if (tuning->path[0] && tuning->timings.changed) {
        enum pln_status status = pln_timings_save(&tuning->timings, tuning->path, &quiet);
        if (status != PLN_OK) warn(tuning, "timings are not kept: ", &quiet, status);
        else if (!options->timing_cache) pln_cache_limit(options->cache_folder);
    }
    pln_cache_log(options->logger, PLN_LOG_VERBOSE, "kernels: %d problems measured, %d found in the timing cache, %d left to the estimate", counts->measured, counts->found, counts->estimated);
    if (options->tune_report) *options->tune_report = (struct pln_tune_report){ .measured = counts->measured, .found = counts->found, .estimated = counts->estimated };
    return PLN_OK;
}

void pln_tuning_end(struct pln_tuning *tuning)
{
    pln_measurer_close(&tuning->measurer);
    pln_tuner_deinit(&tuning->tuner);
    pln_timings_deinit(&tuning->timings);
    pln_arena_deinit(&tuning->arena);
}
