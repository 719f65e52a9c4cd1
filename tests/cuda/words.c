#define _GNU_SOURCE
#include <dlfcn.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cuda/words.h"

const char *models = "tests/models/zoo";

struct gpu gpu;

/* ---- the caller's side ---- */

static void find(void *lib, const char *name, void *out_function)
{
    void *symbol = dlsym(lib, name);
    assert_non_null(symbol);
    memcpy(out_function, &symbol, sizeof symbol);
}

int open_gpu(void **state)
{
    struct pln_diag diag;
    int device = 0;
    (void)state;
    pln_diag_init(&diag);
    if (pln_cuda_driver_get(0, &diag, &gpu.driver) != PLN_OK) {
        print_error("%s\n", diag.entries[0].text);
        return -1;
    }
    assert_int_equal(gpu.driver->DeviceGet(&device, 0), 0);
    assert_int_equal(gpu.driver->DevicePrimaryCtxRetain(&gpu.context, device), 0);
    assert_int_equal(gpu.driver->CtxPushCurrent(gpu.context), 0);
    for (int i = 0; i < 2; i++) assert_int_equal(gpu.driver->StreamCreate(&gpu.streams[i], PLN_CUDA_STREAM_NON_BLOCKING), 0);
    void *lib = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    assert_non_null(lib);
    find(lib, "cuStreamBeginCapture_v2", &gpu.begin_capture);
    find(lib, "cuStreamEndCapture", &gpu.end_capture);
    return 0;
}

int close_gpu(void **state)
{
    void *context;
    (void)state;
    for (int i = 0; i < 2; i++) assert_int_equal(gpu.driver->StreamDestroy(gpu.streams[i]), 0);
    assert_int_equal(gpu.driver->CtxPopCurrent(&context), 0);
    return gpu.driver->DevicePrimaryCtxRelease(0);
}

static uint64_t device_memory(void)
{
    uint64_t address;
    assert_int_equal(gpu.driver->MemAlloc(&address, DEVICE_BYTES), 0);
    return address;
}

/* ---- models ---- */

pln_engine *build_placed(const char *name, const char *device, uint64_t seed)
{
    char path[512];
    pln_engine *engine = NULL;
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    const struct pln_build_options options = { .struct_size = sizeof options, .diagnostics = diagnostics, .device = device, .placement_seed = seed };
    struct pln_message message;
    snprintf(path, sizeof path, "%s/%s/model.onnx", models, name);
    if (pln_build_file(path, &options, &engine) != PLN_OK && pln_diagnostics_get(diagnostics, 0, &message) == PLN_OK) print_error("%s: %s\n", path, message.text);
    assert_non_null(engine);
    pln_diagnostics_destroy(diagnostics);
    return engine;
}

pln_engine *build(const char *name, const char *device)
{
    return build_placed(name, device, 0);
}

pln_context *context_of(pln_engine *engine)
{
    pln_context *context;
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    return context;
}

void must(pln_context *context, enum pln_status status)
{
    struct pln_message message;
    if (status != PLN_OK && pln_diagnostics_get(pln_context_diagnostics(context), 0, &message) == PLN_OK) print_error("%s: %s\n", message.node, message.text);
    assert_int_equal(status, PLN_OK);
}

void says(pln_context *context, enum pln_status status, enum pln_status want, const char *text)
{
    struct pln_message message = { .text = "" };
    assert_int_equal(status, want);
    assert_int_equal(pln_diagnostics_get(pln_context_diagnostics(context), 0, &message), PLN_OK);
    if (!strstr(message.text, text)) fail_msg("'%s' does not tell '%s'", message.text, text);
}

struct pln_context_stats stats_of(const pln_context *context)
{
    struct pln_context_stats stats;
    pln_context_get_stats(context, &stats);
    return stats;
}

void fill_words(struct words *words, int64_t batch, int64_t length, unsigned seed)
{
    words->batch = batch;
    words->length = length;
    words->n = (size_t)(batch * length);
    for (size_t i = 0; i < words->n; i++) {
        seed = seed * 1664525u + 1013904223u; /* Numerical Recipes' generator */
        words->ids[i] = (seed >> 16) % 90;
        words->mask[i] = (int64_t)(i % (size_t)length) < length - (int64_t)(seed % 2);
    }
}

static struct pln_buffer ids_buffer(const struct words *words, const void *data, enum pln_memory_kind memory)
{
    return (struct pln_buffer){ .dtype = PLN_I64, .rank = 2, .dims = { words->batch, words->length }, .data = (void *)(uintptr_t)data, .size_bytes = words->n * sizeof(int64_t), .memory = memory };
}

void bind_host(pln_context *context, const struct words *words)
{
    const struct pln_buffer ids = ids_buffer(words, words->ids, PLN_MEMORY_HOST), mask = ids_buffer(words, words->mask, PLN_MEMORY_HOST);
    must(context, pln_context_bind_input(context, "input_ids", &ids));
    must(context, pln_context_bind_input(context, "attention_mask", &mask));
}

void ask_cpu(pln_context *cpu, struct words *words)
{
    struct pln_buffer out;
    bind_host(cpu, words);
    must(cpu, pln_context_run(cpu));
    must(cpu, pln_context_output(cpu, "y", &out));
    assert_true(out.size_bytes <= sizeof words->want);
    words->n_out = out.size_bytes / sizeof(float);
    memcpy(words->want, out.data, out.size_bytes);
    memset(words->got, 0xff, sizeof words->got);
}

void check_words(const struct words *words)
{
    for (size_t i = 0; i < words->n_out; i++)
        if (!(fabsf(words->got[i] - words->want[i]) <= 1e-3f * (1 + fabsf(words->want[i])))) fail_msg("element %zu is %g, not %g", i, (double)words->got[i], (double)words->want[i]);
}

struct place place_of(void)
{
    return (struct place){ device_memory(), device_memory(), device_memory() };
}

void free_place(const struct place *place)
{
    assert_int_equal(gpu.driver->MemFree(place->ids), 0);
    assert_int_equal(gpu.driver->MemFree(place->mask), 0);
    assert_int_equal(gpu.driver->MemFree(place->out), 0);
}

void bind_place(pln_context *context, const struct words *words, const struct place *place)
{
    const struct pln_buffer ids = ids_buffer(words, (const void *)(uintptr_t)place->ids, PLN_MEMORY_DEVICE), mask = ids_buffer(words, (const void *)(uintptr_t)place->mask, PLN_MEMORY_DEVICE);
    const struct pln_buffer out = { .data = (void *)(uintptr_t)place->out, .size_bytes = DEVICE_BYTES, .memory = PLN_MEMORY_DEVICE };
    must(context, pln_context_bind_input(context, "input_ids", &ids));
    must(context, pln_context_bind_input(context, "attention_mask", &mask));
    must(context, pln_context_bind_output(context, "y", &out));
}

void send_words(const struct words *words, const struct place *place, void *stream)
{
    assert_int_equal(gpu.driver->MemcpyHtoDAsync(place->ids, words->ids, words->n * sizeof *words->ids, stream), 0);
    assert_int_equal(gpu.driver->MemcpyHtoDAsync(place->mask, words->mask, words->n * sizeof *words->mask, stream), 0);
}

void fetch_words(struct words *words, const struct place *place, void *stream)
{
    assert_int_equal(gpu.driver->MemcpyDtoHAsync(words->got, place->out, words->n_out * sizeof *words->got, stream), 0);
}

enum pln_status enqueue_on(pln_context *context, void *stream)
{
    const struct pln_enqueue_options options = { .struct_size = sizeof options, .stream = stream };
    return pln_context_enqueue(context, &options);
}
