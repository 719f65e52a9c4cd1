/* Decoding through a state store: allocations, memory plannings, launches, and time outside of kernels, counted over many steps.
 *
 *   decode MODEL.onnx [STEPS] [--device NAME] [--greedy] [--json]
 *
 * The model has inputs input_ids and attention_mask and states named past… and present…; its weights may be any. Prints what one step took: all,
 * inside kernels (each step of the plan timed, so the rest is an upper bound; on a GPU that would wait for each, so all alone is timed there), and the
 * counters of the context. --greedy feeds back the most likely token and prints the tokens, so that two devices can be compared; it wants a first output
 * of floats [batch, positions, tokens]. */
#define _POSIX_C_SOURCE 200809L
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "planish/builder.h"
#include "planish/context.h"

struct decode {
    const char *model, *device;
    int steps;
    bool greedy, json;
    pln_engine *engine;
    pln_context *context;
    pln_state_store *store;
    int64_t *mask, *tokens;
    double *total, *outside; /* microseconds, by step */
    struct pln_context_stats first, last;
};

static int fail(const pln_diagnostics *diagnostics, const char *what)
{
    struct pln_message message;
    if (diagnostics && pln_diagnostics_get(diagnostics, 0, &message) == PLN_OK) fprintf(stderr, "decode: %s: %s: %s\n", what, message.node, message.text);
    else fprintf(stderr, "decode: %s failed\n", what);
    return 1;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static enum pln_status bind(pln_context *context, const char *name, const int64_t *data, int64_t n)
{
    const struct pln_buffer buffer = { .dtype = PLN_I64, .rank = 2, .dims = { 1, n }, .data = (void *)(uintptr_t)data, .size_bytes = (size_t)n * sizeof *data };
    enum pln_status status = pln_context_bind_input(context, name, &buffer);
    return status == PLN_NOT_FOUND ? PLN_OK : status; /* not every export has a mask or positions */
}

/* The most likely token after the last position. -1: the first output holds no such thing. */
static int64_t most_likely(const struct decode *d)
{
    struct pln_tensor_info info;
    struct pln_buffer logits;
    if (pln_engine_output(d->engine, 0, &info) != PLN_OK || pln_context_output(d->context, info.name, &logits) != PLN_OK) return -1;
    if (logits.dtype != PLN_F32 || logits.rank != 3 || logits.dims[0] != 1 || logits.dims[1] < 1 || logits.dims[2] < 1 || logits.memory != PLN_MEMORY_HOST) return -1;
    const float *row = (const float *)logits.data + (logits.dims[1] - 1) * logits.dims[2];
    int64_t best = 0;
    for (int64_t i = 1; i < logits.dims[2]; i++)
        if (row[i] > row[best]) best = i;
    return best;
}

static int set_up(struct decode *d)
{
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    const struct pln_build_options build = { .struct_size = sizeof build, .diagnostics = diagnostics, .device = d->device };
    if (pln_build_file(d->model, &build, &d->engine) != PLN_OK) return fail(diagnostics, "build");
    const struct pln_state_options states = { .struct_size = sizeof states, .capacity = d->steps };
    if (pln_state_store_create(d->engine, &states, diagnostics, &d->store) != PLN_OK) return fail(diagnostics, "states");
    if (pln_context_create(d->engine, NULL, &d->context) != PLN_OK) return fail(NULL, "context");
    if (pln_context_bind_states(d->context, d->store) != PLN_OK) return fail(pln_context_diagnostics(d->context), "bind");
    pln_diagnostics_destroy(diagnostics);
    const size_t n = (size_t)d->steps;
    d->mask = malloc(n * sizeof *d->mask);
    d->tokens = malloc((n + 1) * sizeof *d->tokens);
    d->total = malloc(n * sizeof *d->total);
    d->outside = malloc(n * sizeof *d->outside);
    return d->mask && d->tokens && d->total && d->outside ? 0 : fail(NULL, "memory");
}

static int step(struct decode *d, int i)
{
    const int64_t position = i;
    d->mask[i] = 1;
    if (bind(d->context, "input_ids", &d->tokens[i], 1) != PLN_OK || bind(d->context, "attention_mask", d->mask, i + 1) != PLN_OK || bind(d->context, "position_ids", &position, 1) != PLN_OK ||
        pln_context_run(d->context) != PLN_OK)
        return fail(pln_context_diagnostics(d->context), "run");
    pln_context_get_stats(d->context, &d->last);
    if (i == 0) d->first = d->last;
    d->total[i] = (double)d->last.last_run_ns * 1e-3;
    d->outside[i] = (double)(d->last.last_run_ns - d->last.last_kernel_ns) * 1e-3;
    d->tokens[i + 1] = d->greedy ? most_likely(d) : (d->tokens[i] * 7 + 5) % 97;
    return d->tokens[i + 1] >= 0 ? 0 : fail(NULL, "the first output as logits");
}

static void print(struct decode *d)
{
    const double launches = d->steps > 1 ? (double)(d->last.launches - d->first.launches) / (d->steps - 1) : 0;
    const unsigned long long plans = d->last.memory_plans, calls = d->last.allocator_calls - d->first.allocator_calls, captures = d->last.captures;
    if (d->greedy && !d->json) {
        printf("tokens");
        for (int i = 1; i <= d->steps; i++) printf(" %lld", (long long)d->tokens[i]);
        printf("\n");
    }
    qsort(d->total, (size_t)d->steps, sizeof *d->total, by_value);
    qsort(d->outside, (size_t)d->steps, sizeof *d->outside, by_value);
    printf(d->json ? "{\"steps\":%d,\"step_us\":%.1f,\"outside_us\":%.1f,\"memory_plans\":%llu,\"allocator_calls\":%llu,\"captures\":%llu,\"launches_per_step\":%.2f}\n"
                   : "%d steps, median %.1f us a step, of it %.1f us outside of kernels; memory planned %llu times; allocator called %llu times after the first step; "
                     "%llu graphs captured, %.2f launches a step after the first\n",
           d->steps, d->total[d->steps / 2], d->outside[d->steps / 2], plans, calls, captures, launches);
}

static bool read_arguments(struct decode *d, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) d->json = true;
        else if (strcmp(argv[i], "--greedy") == 0) d->greedy = true;
        else if (strcmp(argv[i], "--device") == 0 && i + 1 < argc) d->device = argv[++i];
        else if (argv[i][0] != '-' && !d->model) d->model = argv[i];
        else if (argv[i][0] != '-') d->steps = atoi(argv[i]);
        else return false;
    }
    return d->model && d->steps > 0;
}

int main(int argc, char **argv)
{
    struct decode d = { .steps = 512 };
    if (!read_arguments(&d, argc, argv)) return fputs("usage: decode MODEL.onnx [STEPS] [--device NAME] [--greedy] [--json]\n", stderr), 2;
    int failed = set_up(&d);
    if (failed) return failed;
    d.tokens[0] = 11;
    pln_context_set_profiling(d.context, !d.device || strncmp(d.device, "cuda", 4) != 0);
    for (int i = 0; !failed && i < d.steps; i++) failed = step(&d, i);
    if (!failed) print(&d);
    free(d.mask);
    free(d.tokens);
    free(d.total);
    free(d.outside);
    pln_context_destroy(d.context);
    pln_state_store_destroy(d.store);
    pln_engine_release(d.engine);
    return failed;
}
