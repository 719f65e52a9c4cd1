/* Decoding through a state store: allocations, memory plannings, and time outside of kernels, counted over many steps.
 *
 *   decode MODEL.onnx [STEPS] [--json]
 *
 * The model has inputs input_ids and attention_mask and states named past… and present…; its weights may be any. Prints what one step took: all,
 * inside kernels (each step of the plan timed, so the rest is an upper bound), and the counters of the context. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "planish/builder.h"
#include "planish/context.h"

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

int main(int argc, char **argv)
{
    int steps = argc > 2 && argv[2][0] != '-' ? atoi(argv[2]) : 512;
    int json = argc > 1 && strcmp(argv[argc - 1], "--json") == 0;
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    pln_engine *engine;
    pln_context *context;
    pln_state_store *store;
    struct pln_context_stats before = { 0 }, after;
    if (argc < 2 || steps < 1) return fputs("usage: decode MODEL.onnx [STEPS] [--json]\n", stderr), 2;
    const struct pln_build_options build = { .struct_size = sizeof build, .diagnostics = diagnostics };
    if (pln_build_file(argv[1], &build, &engine) != PLN_OK) return fail(diagnostics, "build");
    const struct pln_state_options states = { .struct_size = sizeof states, .capacity = steps };
    if (pln_state_store_create(engine, &states, diagnostics, &store) != PLN_OK) return fail(diagnostics, "states");
    if (pln_context_create(engine, NULL, &context) != PLN_OK) return fail(NULL, "context");
    if (pln_context_bind_states(context, store) != PLN_OK) return fail(pln_context_diagnostics(context), "bind");
    int64_t *mask = malloc((size_t)steps * sizeof *mask), token = 11, position;
    double *total = malloc((size_t)steps * sizeof *total), *outside = malloc((size_t)steps * sizeof *outside);
    if (!mask || !total || !outside) return fail(NULL, "memory");
    pln_context_set_profiling(context, 1);
    for (int i = 0; i < steps; i++) {
        mask[i] = 1;
        position = i;
        if (bind(context, "input_ids", &token, 1) != PLN_OK || bind(context, "attention_mask", mask, i + 1) != PLN_OK || bind(context, "position_ids", &position, 1) != PLN_OK ||
            pln_context_run(context) != PLN_OK)
            return fail(pln_context_diagnostics(context), "run");
        pln_context_get_stats(context, &after);
        if (i == 0) before = after;
        total[i] = (double)after.last_run_ns * 1e-3;
        outside[i] = (double)(after.last_run_ns - after.last_kernel_ns) * 1e-3;
        token = (token * 7 + 5) % 97;
    }
    qsort(total, (size_t)steps, sizeof *total, by_value);
    qsort(outside, (size_t)steps, sizeof *outside, by_value);
    printf(json ? "{\"steps\":%d,\"step_us\":%.1f,\"outside_us\":%.1f,\"memory_plans\":%llu,\"allocator_calls\":%llu}\n"
                : "%d steps, median %.1f us a step, of it %.1f us outside of kernels; memory planned %llu times; allocator called %llu times after the first step\n",
           steps, total[steps / 2], outside[steps / 2], (unsigned long long)after.memory_plans, (unsigned long long)(after.allocator_calls - before.allocator_calls));
    free(mask);
    free(total);
    free(outside);
    pln_context_destroy(context);
    pln_state_store_destroy(store);
    pln_engine_release(engine);
    pln_diagnostics_destroy(diagnostics);
    return 0;
}
