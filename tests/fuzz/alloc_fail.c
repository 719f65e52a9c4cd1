/* alloc_fail [--every N] [--first K] CASE…: allocation failure at every request of a build and a run.
 *
 * Each CASE, a folder with model.onnx and test_data_set_0, is imported, built, run twice and written by the optimizer with an allocator that refuses request K, then with one
 * that refuses K and all that follow, for K = first, first + every, … up to the number of requests of an undisturbed try. Each time the answer must be PLN_NO_MEMORY, or PLN_OK with
 * the outputs of the undisturbed one (some requests are only tried); nothing may be left allocated. The last line: `N passed, N failed, N skipped`, cases. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "planish/experimental/optimize.h"
#include "planish/experimental/value.h"
#include "planish/planish.h"

enum { VALUES_MOST = 64 };

struct counting {
    struct pln_allocator base;
    long requests, fail_at, live;
    bool and_all_after;
};

static void *take(void *user, size_t size_bytes, size_t align)
{
    struct counting *self = user;
    void *memory;
    self->requests++;
    if (self->fail_at && (self->requests == self->fail_at || (self->and_all_after && self->requests > self->fail_at))) return NULL;
    if (posix_memalign(&memory, PLN_MAX(align, sizeof(void *)), size_bytes) != 0) return NULL;
    memset(memory, 0xa5, size_bytes);
    self->live++;
    return memory;
}

static void release(void *user, void *memory, size_t size_bytes)
{
    (void)size_bytes;
    ((struct counting *)user)->live--;
    free(memory);
}

static void counting_init(struct counting *self, long fail_at, bool and_all_after)
{
    *self = (struct counting){ .fail_at = fail_at, .and_all_after = and_all_after };
    self->base = (struct pln_allocator){ self, take, release };
}

struct job {
    char model[4096], written[4096];
    const char *folder;
    pln_thread_pool *pool;
    pln_host_value *inputs[VALUES_MOST], *outputs[VALUES_MOST];
    int n_inputs, n_outputs;
    bool is_random; /* the model draws numbers without a seed: no two runs are alike */
};

/* The values belong to the job, not to what is being tested. */
static bool read_inputs(struct job *job, const pln_engine *engine)
{
    for (int i = 0; i < pln_engine_input_count(engine) && i < VALUES_MOST; i++) {
        char path[4400];
        struct pln_tensor_info info;
        snprintf(path, sizeof path, "%s/test_data_set_0/input_%d.pb", job->folder, i);
        if (pln_engine_input(engine, i, &info) != PLN_OK || pln_host_value_read_pb(path, info.kind, NULL, &job->inputs[i]) != PLN_OK) return false;
        job->n_inputs = i + 1;
    }
    return true;
}

static bool same_outputs(struct job *job, const pln_engine *engine, pln_context *context, bool *out_failed)
{
    static const struct pln_comparison exact = { 0 };
    char why[256];
    bool same = true;
    for (int i = 0; i < pln_engine_output_count(engine) && i < VALUES_MOST; i++) {
        struct pln_tensor_info info;
        pln_host_value *got = NULL;
        if (pln_engine_output(engine, i, &info) != PLN_OK) return false;
        if (pln_context_output_value(context, info.name, &got) != PLN_OK) {
            *out_failed = true; /* a copy of it could not be had */
            continue;
        }
        if (i >= job->n_outputs) {
            job->outputs[i] = got;
            job->n_outputs = i + 1;
            continue;
        }
        same = same && (job->is_random || pln_host_value_compare(got, job->outputs[i], &exact, why, sizeof why, NULL));
        pln_host_value_destroy(got);
    }
    return same;
}

static enum pln_status run(struct job *job, pln_engine *engine, const struct pln_allocator *alloc, bool *out_same)
{
    pln_context *context = NULL;
    struct pln_tensor_info info;
    const struct pln_context_options options = { .struct_size = sizeof options, .allocator = alloc };
    enum pln_status status = pln_context_create(engine, &options, &context);
    for (int i = 0; status == PLN_OK && i < job->n_inputs; i++) {
        status = pln_engine_input(engine, i, &info);
        if (status == PLN_OK) status = pln_context_bind_value(context, info.name, job->inputs[i]);
    }
    bool failed = false;
    for (int again = 0; status == PLN_OK && again < 2; again++) {
        status = pln_context_run(context);
        if (status == PLN_OK) *out_same = same_outputs(job, engine, context, &failed) && *out_same;
    }
    pln_context_destroy(context);
    return status == PLN_OK && failed ? PLN_NO_MEMORY : status;
}

/* Everything once. */
static enum pln_status try_all(struct job *job, const struct pln_allocator *alloc, bool first, bool *out_same)
{
    pln_engine *engine = NULL;
    const struct pln_build_options build = { .struct_size = sizeof build, .allocator = alloc, .pool = job->pool };
    const struct pln_optimize_options optimize = { .struct_size = sizeof optimize, .allocator = alloc };
    enum pln_status status = pln_build_file(job->model, &build, &engine);
    if (status == PLN_OK && first && !read_inputs(job, engine)) status = PLN_IO;
    if (status == PLN_OK) status = run(job, engine, alloc, out_same);
    pln_engine_release(engine);
    if (status != PLN_OK) return status;
    return pln_optimize_file(job->model, &optimize, job->written, NULL);
}

/* NULL: good. */
static const char *disturb(struct job *job, long at, bool and_all_after)
{
    struct counting alloc;
    bool same = true;
    counting_init(&alloc, at, and_all_after);
    enum pln_status status = try_all(job, &alloc.base, false, &same);
    if (alloc.live) return "memory is left";
    if (status != PLN_OK && status != PLN_NO_MEMORY) return pln_status_text(status);
    return status == PLN_OK && !same ? "other outputs" : NULL;
}

/* Whether two undisturbed runs of it differ. */
static bool is_random(struct job *job)
{
    bool same = true;
    struct counting alloc;
    counting_init(&alloc, 0, false);
    return try_all(job, &alloc.base, false, &same) != PLN_OK || !same;
}

static int test_case(const char *folder, pln_thread_pool *pool, const char *written, long first, long every)
{
    struct job job = { .folder = folder, .pool = pool };
    struct counting alloc;
    bool same = true;
    int verdict = 0;
    snprintf(job.model, sizeof job.model, "%s/model.onnx", folder);
    snprintf(job.written, sizeof job.written, "%s", written);
    counting_init(&alloc, 0, false);
    enum pln_status status = try_all(&job, &alloc.base, true, &same);
    const long requests = alloc.requests;
    if (status != PLN_OK || alloc.live) {
        printf("%s: undisturbed: %s, %ld pieces left\n", folder, pln_status_text(status), alloc.live);
        verdict = 1;
    } else {
        job.is_random = is_random(&job);
        for (long at = first; at <= requests && !verdict; at += every) {
            for (int and_all_after = 0; and_all_after < 2 && !verdict; and_all_after++) {
                const char *why = disturb(&job, at, and_all_after);
                if (!why) continue;
                printf("%s: request %ld%s of %ld refused: %s\n", folder, at, and_all_after ? " and all after it" : "", requests, why);
                verdict = 1;
            }
        }
    }
    for (int i = 0; i < job.n_inputs; i++) pln_host_value_destroy(job.inputs[i]);
    for (int i = 0; i < job.n_outputs; i++) pln_host_value_destroy(job.outputs[i]);
    return verdict;
}

int main(int argc, char **argv)
{
    long every = 1, first = 1;
    int passed = 0, failed = 0, i = 1;
    pln_thread_pool *pool;
    char written[64];
    for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        const long number = strtol(argv[i + 1], NULL, 10);
        if (number < 1 || (strcmp(argv[i], "--every") != 0 && strcmp(argv[i], "--first") != 0)) break;
        if (strcmp(argv[i], "--every") == 0) every = number;
        else first = number;
    }
    if (i >= argc || argv[i][0] == '-') {
        fprintf(stderr, "alloc_fail [--every N] [--first K] CASE...\n");
        return 2;
    }
    if (pln_thread_pool_create(1, &pool) != PLN_OK) return 1;
    snprintf(written, sizeof written, "/tmp/alloc_fail.%ld.onnx", (long)getpid());
    for (; i < argc; i++) {
        const int verdict = test_case(argv[i], pool, written, first, every);
        passed += !verdict;
        failed += verdict;
    }
    remove(written);
    pln_thread_pool_destroy(pool);
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed > 0;
}
