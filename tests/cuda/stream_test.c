/* Runs on streams of the caller's, runs that go on behind a return, runs in the caller's graphs, decoding: on the fake driver, or a GPU.
 *
 *   cuda_stream MODELS   the folder of bert.ts, llama.ts, gpt2_past.dynamo, gpt2_past.ts; the numbers are held against the CPU's */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/cuda/driver.h"
#include "planish/builder.h"
#include "planish/context.h"
#include "tests/cuda/scale.h"

enum { MOST_BATCH = 3, MOST_LENGTH = 20, MOST_IDS = MOST_BATCH * MOST_LENGTH, MOST_OUT = MOST_IDS * 200, DEVICE_BYTES = MOST_OUT * 4 };

static const char *models = "tests/models/zoo";

/* ---- the caller's side ---- */

static struct {
    const struct pln_cuda_driver *driver;
    void *context, *streams[2];
    int (*begin_capture)(void *stream, int mode);
    int (*end_capture)(void *stream, void **out_graph);
} gpu;

static void find(void *lib, const char *name, void *out_function)
{
    void *symbol = dlsym(lib, name);
    assert_non_null(symbol);
    memcpy(out_function, &symbol, sizeof symbol);
}

static int open_gpu(void **state)
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

static int close_gpu(void **state)
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

/* seed: of a placement of steps at random, some on the host; 0: all where they belong. */
static pln_engine *build_placed(const char *name, const char *device, uint64_t seed)
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

static pln_engine *build(const char *name, const char *device)
{
    return build_placed(name, device, 0);
}

static pln_context *context_of(pln_engine *engine)
{
    pln_context *context;
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    return context;
}

static void must(pln_context *context, enum pln_status status)
{
    struct pln_message message;
    if (status != PLN_OK && pln_diagnostics_get(pln_context_diagnostics(context), 0, &message) == PLN_OK) print_error("%s: %s\n", message.node, message.text);
    assert_int_equal(status, PLN_OK);
}

static void says(pln_context *context, enum pln_status status, enum pln_status want, const char *text)
{
    struct pln_message message = { .text = "" };
    assert_int_equal(status, want);
    assert_int_equal(pln_diagnostics_get(pln_context_diagnostics(context), 0, &message), PLN_OK);
    if (!strstr(message.text, text)) fail_msg("'%s' does not tell '%s'", message.text, text);
}

static struct pln_context_stats stats_of(const pln_context *context)
{
    struct pln_context_stats stats;
    pln_context_get_stats(context, &stats);
    return stats;
}

/* Words of a batch, and what the CPU makes of them. */
struct words {
    int64_t batch, length, ids[MOST_IDS], mask[MOST_IDS];
    size_t n, n_out; /* of ids, of want */
    float want[MOST_OUT], got[MOST_OUT];
};

static void fill_words(struct words *words, int64_t batch, int64_t length, unsigned seed)
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

static void bind_host(pln_context *context, const struct words *words)
{
    const struct pln_buffer ids = ids_buffer(words, words->ids, PLN_MEMORY_HOST), mask = ids_buffer(words, words->mask, PLN_MEMORY_HOST);
    must(context, pln_context_bind_input(context, "input_ids", &ids));
    must(context, pln_context_bind_input(context, "attention_mask", &mask));
}

static void ask_cpu(pln_context *cpu, struct words *words)
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

static void check_words(const struct words *words)
{
    for (size_t i = 0; i < words->n_out; i++)
        if (!(fabsf(words->got[i] - words->want[i]) <= 1e-3f * (1 + fabsf(words->want[i])))) fail_msg("element %zu is %g, not %g", i, (double)words->got[i], (double)words->want[i]);
}

/* Device memory of one context's inputs and output. */
struct place {
    uint64_t ids, mask, out;
};

static struct place place_of(void)
{
    return (struct place){ device_memory(), device_memory(), device_memory() };
}

static void free_place(const struct place *place)
{
    assert_int_equal(gpu.driver->MemFree(place->ids), 0);
    assert_int_equal(gpu.driver->MemFree(place->mask), 0);
    assert_int_equal(gpu.driver->MemFree(place->out), 0);
}

static void bind_place(pln_context *context, const struct words *words, const struct place *place)
{
    const struct pln_buffer ids = ids_buffer(words, (const void *)(uintptr_t)place->ids, PLN_MEMORY_DEVICE), mask = ids_buffer(words, (const void *)(uintptr_t)place->mask, PLN_MEMORY_DEVICE);
    const struct pln_buffer out = { .data = (void *)(uintptr_t)place->out, .size_bytes = DEVICE_BYTES, .memory = PLN_MEMORY_DEVICE };
    must(context, pln_context_bind_input(context, "input_ids", &ids));
    must(context, pln_context_bind_input(context, "attention_mask", &mask));
    must(context, pln_context_bind_output(context, "y", &out));
}

static void send(const struct words *words, const struct place *place, void *stream)
{
    assert_int_equal(gpu.driver->MemcpyHtoDAsync(place->ids, words->ids, words->n * sizeof *words->ids, stream), 0);
    assert_int_equal(gpu.driver->MemcpyHtoDAsync(place->mask, words->mask, words->n * sizeof *words->mask, stream), 0);
}

static void fetch(struct words *words, const struct place *place, void *stream)
{
    assert_int_equal(gpu.driver->MemcpyDtoHAsync(words->got, place->out, words->n_out * sizeof *words->got, stream), 0);
}

static enum pln_status enqueue_on(pln_context *context, void *stream)
{
    const struct pln_enqueue_options options = { .struct_size = sizeof options, .stream = stream };
    return pln_context_enqueue(context, &options);
}

/* ---- tests ---- */

/* Two contexts of one engine on two streams that change hands, shapes that change; the host waits for nothing but the streams, at the end of each round. */
static void two_by_two(const char *model, uint64_t seed)
{
    static struct words words[2];
    pln_engine *engine = build_placed(model, "cuda", seed), *cpu_engine = build(model, "cpu");
    pln_context *cpu = context_of(cpu_engine), *contexts[2] = { context_of(engine), context_of(engine) };
    struct place places[2] = { place_of(), place_of() };
    static const int64_t shapes[][2] = { { 2, 5 }, { 1, 1 }, { 1, 16 }, { 3, 7 }, { 3, 7 }, { 2, 20 }, { 1, 3 } };
    for (size_t round = 0; round < 2 * PLN_COUNT_OF(shapes); round++) {
        for (size_t k = 0; k < 2; k++) {
            const int64_t *shape = shapes[(round * (k + 1) + k) % PLN_COUNT_OF(shapes)];
            void *stream = gpu.streams[(round / 3 + k) % 2];
            fill_words(&words[k], shape[0], shape[1], (unsigned)(round * 2 + k));
            ask_cpu(cpu, &words[k]);
            bind_place(contexts[k], &words[k], &places[k]);
            send(&words[k], &places[k], stream);
            must(contexts[k], enqueue_on(contexts[k], stream));
            fetch(&words[k], &places[k], stream);
        }
        for (int k = 0; k < 2; k++) assert_int_equal(gpu.driver->StreamSynchronize(gpu.streams[k]), 0);
        for (int k = 0; k < 2; k++) check_words(&words[k]);
    }
    for (int k = 0; k < 2; k++) {
        pln_context_destroy(contexts[k]);
        free_place(&places[k]);
    }
    pln_context_destroy(cpu);
    pln_engine_release(engine);
    pln_engine_release(cpu_engine);
}

static void two_streams_two_contexts(void **state)
{
    (void)state;
    two_by_two("bert.ts", 0);
    two_by_two("llama.ts", 0);
}

/* Steps on the host among those of the device: the host waits, and the order is the same. */
static void host_steps(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) two_by_two("bert.ts", seed);
}

/* Many runs of the same shapes, one behind the other on a stream and then on the other one: nothing waits, one launch a run. */
static void runs_in_a_row(void **state)
{
    enum { RUNS = 6 };
    static struct words words[RUNS];
    const struct fake_driver fake = fake_driver_get();
    pln_engine *engine = build("bert.ts", "cuda"), *cpu_engine = build("bert.ts", "cpu");
    pln_context *cpu = context_of(cpu_engine), *context = context_of(engine);
    struct place place = place_of();
    (void)state;
    for (unsigned i = 0; i < RUNS; i++) {
        fill_words(&words[i], 2, 6, 77 + i);
        ask_cpu(cpu, &words[i]);
    }
    bind_place(context, &words[0], &place);
    must(context, enqueue_on(context, gpu.streams[0]));
    const struct pln_context_stats before = stats_of(context);
    const long waits = fake.count ? fake.count("cuStreamSynchronize") : 0, memory = fake.count ? fake.count("cuMemAlloc") + fake.count("cuMemHostAlloc") : 0;
    for (int i = 0; i < RUNS; i++) {
        void *stream = gpu.streams[i >= RUNS / 2];
        if (i == RUNS / 2) assert_int_equal(gpu.driver->StreamSynchronize(gpu.streams[0]), 0); /* the words' memory is the caller's to look after */
        send(&words[i], &place, stream);
        must(context, enqueue_on(context, stream));
        fetch(&words[i], &place, stream);
    }
    const struct pln_context_stats after = stats_of(context);
    assert_int_equal(after.launches - before.launches, RUNS);
    assert_int_equal(after.captures, before.captures);
    assert_int_equal(after.allocator_calls, before.allocator_calls);
    if (fake.count) assert_int_equal(fake.count("cuStreamSynchronize") - waits, 1); /* the test's own */
    if (fake.count) assert_int_equal(fake.count("cuMemAlloc") + fake.count("cuMemHostAlloc"), memory);
    assert_int_equal(gpu.driver->StreamSynchronize(gpu.streams[1]), 0);
    for (int i = 0; i < RUNS; i++) check_words(&words[i]);
    pln_context_destroy(context);
    pln_context_destroy(cpu);
    free_place(&place);
    pln_engine_release(engine);
    pln_engine_release(cpu_engine);
}

/* A stream may go when the enqueue has returned, and so may the context. */
static void streams_go(void **state)
{
    static struct words words;
    void *stream;
    pln_engine *engine = build("bert.ts", "cuda"), *cpu_engine = build("bert.ts", "cpu");
    pln_context *cpu = context_of(cpu_engine), *context = context_of(engine);
    struct place place = place_of();
    (void)state;
    fill_words(&words, 2, 9, 3);
    ask_cpu(cpu, &words);
    bind_place(context, &words, &place);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(gpu.driver->StreamCreate(&stream, PLN_CUDA_STREAM_NON_BLOCKING), 0);
        send(&words, &place, stream);
        must(context, enqueue_on(context, stream));
        assert_int_equal(gpu.driver->StreamDestroy(stream), 0);
    }
    must(context, pln_context_run(context));
    fetch(&words, &place, gpu.streams[0]);
    must(context, enqueue_on(context, gpu.streams[0]));
    pln_context_destroy(context);
    assert_int_equal(gpu.driver->StreamSynchronize(gpu.streams[0]), 0);
    check_words(&words);
    pln_context_destroy(cpu);
    free_place(&place);
    pln_engine_release(engine);
    pln_engine_release(cpu_engine);
}

static void *wait_for_ever(void *fence)
{
    enum pln_status status = PLN_INTERNAL;
    return pln_fence_wait(fence, -1, &status) == PLN_OK && status == PLN_OK ? fence : NULL;
}

/* Host memory: results are there when the fence says so, in whatever thread. */
static void fences(void **state)
{
    static struct words words;
    pln_engine *engine = build("bert.ts", "cuda"), *cpu_engine = build("bert.ts", "cpu");
    pln_context *cpu = context_of(cpu_engine), *context = context_of(engine);
    const struct pln_buffer out = { .data = words.got, .size_bytes = sizeof words.got };
    (void)state;
    must(context, pln_context_bind_output(context, "y", &out));
    for (unsigned i = 0; i < 6; i++) {
        pln_fence *done;
        pthread_t thread;
        void *waited;
        assert_int_equal(pln_fence_create(&done), PLN_OK);
        fill_words(&words, 1 + i % 2, 4, i);
        ask_cpu(cpu, &words);
        bind_host(context, &words);
        const struct pln_enqueue_options options = { .struct_size = sizeof options, .done = done, .stream = i % 3 == 2 ? gpu.streams[0] : NULL };
        assert_int_equal(pthread_create(&thread, NULL, wait_for_ever, done), 0);
        must(context, pln_context_enqueue(context, &options));
        pthread_join(thread, &waited);
        assert_ptr_equal(waited, done);
        check_words(&words);
        pln_fence_destroy(done);
    }
    pln_context_destroy(context);
    pln_context_destroy(cpu);
    pln_engine_release(engine);
    pln_engine_release(cpu_engine);
}

/* ---- captures ---- */

static void *end_capture(void *stream)
{
    void *graph = NULL, *exec = NULL;
    assert_int_equal(gpu.end_capture(stream, &graph), 0);
    assert_int_equal(gpu.driver->GraphInstantiateWithFlags(&exec, graph, 0), 0);
    assert_int_equal(gpu.driver->GraphDestroy(graph), 0);
    return exec;
}

/* Two runs of other shapes in two graphs: each keeps to its own, whatever the context does meanwhile at the first graph's shapes. */
static void captures(void **state)
{
    enum { GRAPHS = 2 };
    static struct words words[GRAPHS];
    void *graphs[GRAPHS], *stream = gpu.streams[0];
    pln_engine *engine = build("bert.ts", "cuda"), *cpu_engine = build("bert.ts", "cpu");
    pln_context *cpu = context_of(cpu_engine), *contexts[GRAPHS] = { context_of(engine), context_of(engine) };
    struct place places[GRAPHS] = { place_of(), place_of() };
    (void)state;
    for (int k = 0; k < GRAPHS; k++) {
        fill_words(&words[k], 2, 5 + 3 * k, 11);
        ask_cpu(cpu, &words[k]);
        bind_place(contexts[k], &words[k], &places[k]);
        send(&words[k], &places[k], stream);
        must(contexts[k], enqueue_on(contexts[k], stream));
        assert_int_equal(gpu.driver->StreamSynchronize(stream), 0);
        pln_fence *done;
        enum pln_status status = PLN_INTERNAL;
        assert_int_equal(pln_fence_create(&done), PLN_OK);
        assert_int_equal(gpu.begin_capture(stream, 0), 0);
        const struct pln_enqueue_options options = { .struct_size = sizeof options, .stream = stream, .done = done };
        must(contexts[k], pln_context_enqueue(contexts[k], &options));
        assert_int_equal(pln_fence_wait(done, 0, &status), PLN_OK); /* during the capture */
        assert_int_equal(status, PLN_OK);
        pln_fence_destroy(done);
        graphs[k] = end_capture(stream);
        assert_int_equal(stats_of(contexts[k]).launches, 1); /* the run before */
    }
    for (unsigned round = 0; round < 4; round++) {
        for (int k = 0; k < GRAPHS; k++) {
            fill_words(&words[k], words[k].batch, words[k].length, 100 + round);
            ask_cpu(cpu, &words[k]);
            send(&words[k], &places[k], stream);
            assert_int_equal(gpu.driver->GraphLaunch(graphs[k], stream), 0);
            fetch(&words[k], &places[k], stream);
        }
        assert_int_equal(gpu.driver->StreamSynchronize(stream), 0);
        for (int k = 0; k < GRAPHS; k++) check_words(&words[k]);
        must(contexts[0], pln_context_run(contexts[0])); /* with parameters of its own again */
    }
    for (int k = 0; k < GRAPHS; k++) {
        assert_int_equal(gpu.driver->GraphExecDestroy(graphs[k]), 0);
        pln_context_destroy(contexts[k]);
        free_place(&places[k]);
    }
    pln_context_destroy(cpu);
    pln_engine_release(engine);
    pln_engine_release(cpu_engine);
}

/* Of a plan with steps on the host, or with a store. */
static void refuse(const char *model, uint64_t seed, const char *text)
{
    pln_engine *engine = build_placed(model, "cuda", seed);
    pln_context *context = context_of(engine);
    pln_state_store *store = NULL;
    const struct pln_state_options options = { .struct_size = sizeof options, .capacity = 4 };
    if (pln_state_store_create(engine, &options, NULL, &store) == PLN_OK) must(context, pln_context_bind_states(context, store));
    assert_int_equal(gpu.begin_capture(gpu.streams[0], 0), 0);
    says(context, enqueue_on(context, gpu.streams[0]), PLN_UNSUPPORTED, text);
    assert_int_equal(gpu.driver->GraphExecDestroy(end_capture(gpu.streams[0])), 0);
    pln_context_destroy(context);
    pln_state_store_destroy(store);
    pln_engine_release(engine);
}

/* What cannot be captured says so, and the caller's capture is none the worse. */
static void refused_captures(void **state)
{
    static struct words words;
    void *stream = gpu.streams[0];
    pln_engine *engine = build("bert.ts", "cuda");
    pln_context *context = context_of(engine);
    struct place place = place_of();
    (void)state;
    fill_words(&words, 1, 4, 1);
    bind_place(context, &words, &place);
    send(&words, &place, stream);
    assert_int_equal(gpu.driver->StreamSynchronize(stream), 0);
    assert_int_equal(gpu.begin_capture(stream, 0), 0);
    says(context, enqueue_on(context, stream), PLN_INVALID_ARGUMENT, "run once"); /* never run */
    assert_int_equal(gpu.driver->GraphExecDestroy(end_capture(stream)), 0);
    must(context, pln_context_run(context));
    fill_words(&words, 2, 4, 1);
    bind_place(context, &words, &place);
    assert_int_equal(gpu.begin_capture(stream, 0), 0);
    says(context, enqueue_on(context, stream), PLN_INVALID_ARGUMENT, "run once"); /* other shapes */
    assert_int_equal(gpu.driver->GraphExecDestroy(end_capture(stream)), 0);
    send(&words, &place, stream);
    assert_int_equal(gpu.driver->StreamSynchronize(stream), 0);
    must(context, pln_context_bind_output(context, "y", NULL));
    must(context, pln_context_run(context));
    assert_int_equal(gpu.begin_capture(stream, 0), 0);
    says(context, enqueue_on(context, stream), PLN_UNSUPPORTED, "bind outputs in device memory");
    assert_int_equal(gpu.driver->GraphExecDestroy(end_capture(stream)), 0);
    pln_context_set_profiling(context, 1);
    assert_int_equal(gpu.begin_capture(stream, 0), 0);
    says(context, enqueue_on(context, stream), PLN_UNSUPPORTED, "profiling");
    assert_int_equal(gpu.driver->GraphExecDestroy(end_capture(stream)), 0);
    pln_context_set_profiling(context, 0);
    must(context, pln_context_run(context));
    must(context, enqueue_on(context, stream)); /* after all that, as ever */
    assert_int_equal(gpu.driver->StreamSynchronize(stream), 0);
    pln_context_destroy(context);
    free_place(&place);
    pln_engine_release(engine);
    refuse("bert.ts", 1, "on the host");
    refuse("gpt2_past.dynamo", 0, "state store");
}

/* ---- decoding ---- */

enum { STEPS = 48 };

struct decoded {
    int64_t tokens[STEPS + 1];
    float logits[STEPS][200];
    struct pln_context_stats first, last;
};

static void bind_ints(pln_context *context, const char *name, const int64_t *data, int64_t n)
{
    const struct pln_buffer buffer = { .dtype = PLN_I64, .rank = 2, .dims = { 1, n }, .data = (void *)(uintptr_t)data, .size_bytes = (size_t)n * sizeof *data };
    const enum pln_status status = pln_context_bind_input(context, name, &buffer);
    assert_true(status == PLN_OK || status == PLN_NOT_FOUND);
}

/* Each token is the most likely one after those before, but every fifth, so that a model with drawn weights does not stay at one. */
static void decode(const char *model, const char *device, struct decoded *out)
{
    static int64_t mask[STEPS];
    pln_engine *engine = build(model, device);
    pln_context *context = context_of(engine);
    pln_state_store *store;
    struct pln_tensor_info info;
    const struct pln_state_options options = { .struct_size = sizeof options, .capacity = STEPS };
    assert_int_equal(pln_engine_output(engine, 0, &info), PLN_OK);
    assert_int_equal(pln_state_store_create(engine, &options, NULL, &store), PLN_OK);
    must(context, pln_context_bind_states(context, store));
    out->tokens[0] = 11;
    for (int64_t i = 0; i < STEPS; i++) {
        struct pln_buffer logits;
        mask[i] = 1;
        bind_ints(context, "input_ids", &out->tokens[i], 1);
        bind_ints(context, "attention_mask", mask, i + 1);
        bind_ints(context, "position_ids", &i, 1);
        must(context, pln_context_run(context));
        out->last = stats_of(context);
        if (i == 0) out->first = out->last;
        must(context, pln_context_output(context, info.name, &logits));
        assert_int_equal(logits.size_bytes, sizeof out->logits[i]);
        memcpy(out->logits[i], logits.data, logits.size_bytes);
        int64_t best = 0;
        for (int64_t k = 1; k < 200; k++)
            if (out->logits[i][k] > out->logits[i][best]) best = k;
        out->tokens[i + 1] = i % 5 == 4 ? (i * 37 + 3) % 200 : best;
    }
    pln_context_destroy(context);
    pln_state_store_destroy(store);
    pln_engine_release(engine);
}

static void decoding(void **state)
{
    static struct decoded cpu, cuda;
    static const char *const names[] = { "gpt2_past.dynamo", "gpt2_past.ts" };
    (void)state;
    for (size_t m = 0; m < PLN_COUNT_OF(names); m++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s/model.onnx", models, names[m]);
        FILE *file = fopen(path, "rb");
        if (!file) continue; /* the repository has one of them */
        fclose(file);
        decode(names[m], "cpu", &cpu);
        decode(names[m], "cuda", &cuda);
        for (int i = 0; i < STEPS; i++)
            for (int k = 0; k < 200; k++)
                if (!(fabsf(cuda.logits[i][k] - cpu.logits[i][k]) <= 1e-3f * (1 + fabsf(cpu.logits[i][k]))))
                    fail_msg("step %d: logit %d is %g, not %g", i, k, (double)cuda.logits[i][k], (double)cpu.logits[i][k]);
        assert_memory_equal(cuda.tokens, cpu.tokens, sizeof cpu.tokens);
        assert_true(cuda.last.captures <= 4);
        assert_true(cuda.last.memory_plans <= 4);
        assert_int_equal(cuda.last.launches - cuda.first.launches, STEPS - 1);
        assert_int_equal(cuda.last.allocator_calls, cuda.first.allocator_calls);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_streams_two_contexts), cmocka_unit_test(host_steps), cmocka_unit_test(runs_in_a_row), cmocka_unit_test(streams_go), cmocka_unit_test(fences),
        cmocka_unit_test(captures),                 cmocka_unit_test(refused_captures), cmocka_unit_test(decoding),
    };
    if (argc > 1) models = argv[1];
    return cmocka_run_group_tests(tests, open_gpu, close_gpu);
}
