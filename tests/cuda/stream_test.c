/* Runs on streams of the caller's, runs that go on behind a return, decoding: on the fake driver, or a GPU.
 *
 *   cuda_stream MODELS   the folder of bert.ts, llama.ts, gpt2_past.dynamo, gpt2_past.ts; the numbers are held against the CPU's */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cuda/scale.h"
#include "tests/cuda/words.h"

static void let_go(pln_context *context, pln_engine *engine, pln_context *cpu, pln_engine *cpu_engine, const struct place *place)
{
    pln_context_destroy(context);
    pln_context_destroy(cpu);
    free_place(place);
    pln_engine_release(engine);
    pln_engine_release(cpu_engine);
}

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
            send_words(&words[k], &places[k], stream);
            must(contexts[k], enqueue_on(contexts[k], stream));
            fetch_words(&words[k], &places[k], stream);
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
        send_words(&words[i], &place, stream);
        must(context, enqueue_on(context, stream));
        fetch_words(&words[i], &place, stream);
    }
    const struct pln_context_stats after = stats_of(context);
    assert_int_equal(after.launches - before.launches, RUNS);
    assert_int_equal(after.captures, before.captures);
    assert_int_equal(after.allocator_calls, before.allocator_calls);
    if (fake.count) assert_int_equal(fake.count("cuStreamSynchronize") - waits, 1); /* the test's own */
    if (fake.count) assert_int_equal(fake.count("cuMemAlloc") + fake.count("cuMemHostAlloc"), memory);
    assert_int_equal(gpu.driver->StreamSynchronize(gpu.streams[1]), 0);
    for (int i = 0; i < RUNS; i++) check_words(&words[i]);
    let_go(context, engine, cpu, cpu_engine, &place);
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
        send_words(&words, &place, stream);
        must(context, enqueue_on(context, stream));
        assert_int_equal(gpu.driver->StreamDestroy(stream), 0);
    }
    must(context, pln_context_run(context));
    fetch_words(&words, &place, gpu.streams[0]);
    must(context, enqueue_on(context, gpu.streams[0]));
    pln_context_destroy(context);
    assert_int_equal(gpu.driver->StreamSynchronize(gpu.streams[0]), 0);
    check_words(&words);
    pln_context_destroy(cpu);
    free_place(&place);
    pln_engine_release(engine);
    pln_engine_release(cpu_engine);
}

/* An address between two elements is told when it is bound; a GPU would give up for good. */
static void odd_addresses(void **state)
{
    static struct words words;
    pln_engine *engine = build("bert.ts", "cuda");
    pln_context *context = context_of(engine);
    struct place place = place_of();
    (void)state;
    fill_words(&words, 1, 4, 1);
    bind_place(context, &words, &place);
    struct pln_buffer in = { .dtype = PLN_I64, .rank = 2, .dims = { 1, 4 }, .data = (void *)(uintptr_t)(place.ids + 4), .size_bytes = sizeof words.ids, .memory = PLN_MEMORY_DEVICE };
    struct pln_buffer out = { .data = (void *)(uintptr_t)(place.out + 2), .size_bytes = 4096, .memory = PLN_MEMORY_DEVICE };
    says(context, pln_context_bind_input(context, "input_ids", &in), PLN_INVALID_ARGUMENT, "no multiple of the 8 bytes");
    says(context, pln_context_bind_output(context, "y", &out), PLN_INVALID_ARGUMENT, "no multiple of the 4 bytes");
    in.data = (void *)(uintptr_t)(place.ids + 8);
    out.data = (void *)(uintptr_t)(place.out + 4);
    must(context, pln_context_bind_input(context, "input_ids", &in));
    must(context, pln_context_bind_output(context, "y", &out));
    send_words(&words, &place, gpu.streams[0]);
    assert_int_equal(gpu.driver->MemcpyHtoDAsync(place.ids + 8, words.ids, words.n * sizeof words.ids[0], gpu.streams[0]), 0);
    must(context, enqueue_on(context, gpu.streams[0]));
    assert_int_equal(gpu.driver->StreamSynchronize(gpu.streams[0]), 0);
    pln_context_destroy(context);
    free_place(&place);
    pln_engine_release(engine);
}

/* So is memory that no kernel can reach, where the GPU does not reach all of the process's. */
static void foreign_addresses(void **state)
{
    static struct words words;
    pln_engine *engine = build("bert.ts", "cuda");
    pln_context *context = context_of(engine);
    struct place place = place_of();
    int handle, reads_all = 0;
    (void)state;
    assert_int_equal(gpu.driver->DeviceGet(&handle, 0), 0);
    assert_int_equal(gpu.driver->DeviceGetAttribute(&reads_all, PLN_CUDA_ATTRIBUTE_PAGEABLE_MEMORY, handle), 0);
    fill_words(&words, 1, 4, 1);
    bind_place(context, &words, &place);
    const struct pln_buffer in = { .dtype = PLN_I64, .rank = 2, .dims = { 1, 4 }, .data = words.ids, .size_bytes = sizeof words.ids, .memory = PLN_MEMORY_DEVICE };
    const struct pln_buffer out = { .data = words.got, .size_bytes = sizeof words.got, .memory = PLN_MEMORY_DEVICE };
    for (int i = 0; i < 2 && !reads_all; i++) {
        says(context, pln_context_bind_input(context, "input_ids", &in), PLN_INVALID_ARGUMENT, "no memory that this GPU can use");
        says(context, pln_context_bind_output(context, "y", &out), PLN_INVALID_ARGUMENT, "no memory that this GPU can use");
    }
    for (int i = 0; i < 2; i++) bind_place(context, &words, &place);
    pln_context_destroy(context);
    free_place(&place);
    pln_engine_release(engine);
}

/* What a run asks for its output. */
struct asked {
    void *memory, *stream;
    enum pln_memory_kind kind;
    int calls;
};

static void *give(void *user, const struct pln_output_request *request)
{
    struct asked *asked = user;
    asked->kind = request->memory;
    asked->stream = request->stream;
    asked->calls++;
    return asked->memory;
}

/* An allocator gives memory of the kind that the output was bound with: the device's, then the host's, then the bound
 * memory is used again. */
static void allocators(const char *model, uint64_t seed)
{
    static struct words words;
    pln_engine *engine = build_placed(model, "cuda", seed), *cpu_engine = build(model, "cpu");
    pln_context *cpu = context_of(cpu_engine), *context = context_of(engine);
    struct place place = place_of();
    struct asked asked = { .memory = (void *)(uintptr_t)place.out };
    struct pln_buffer out;
    for (unsigned i = 0; i < 3; i++) { /* after memory that was bound, and after none; on a stream, and on none */
        void *stream = i < 2 ? gpu.streams[0] : NULL;
        fill_words(&words, 1 + i, 5 - i, i);
        ask_cpu(cpu, &words);
        bind_place(context, &words, &place);
        const struct pln_buffer none = { .memory = PLN_MEMORY_DEVICE };
        if (i > 0) must(context, pln_context_bind_output(context, "y", &none));
        must(context, pln_context_set_output_allocator(context, "y", give, &asked));
        send_words(&words, &place, gpu.streams[0]);
        if (!stream) assert_int_equal(gpu.driver->StreamSynchronize(gpu.streams[0]), 0);
        must(context, enqueue_on(context, stream));
        assert_int_equal(asked.calls, i + 1);
        assert_int_equal(asked.kind, PLN_MEMORY_DEVICE);
        assert_ptr_equal(asked.stream, stream);
        must(context, pln_context_output(context, "y", &out));
        assert_int_equal(out.memory, PLN_MEMORY_DEVICE);
        assert_ptr_equal(out.data, asked.memory);
        fetch_words(&words, &place, gpu.streams[0]);
        assert_int_equal(gpu.driver->StreamSynchronize(gpu.streams[0]), 0);
        check_words(&words);
    }
    asked.memory = (void *)(uintptr_t)(place.out + 2);
    says(context, pln_context_run(context), PLN_INVALID_ARGUMENT, "no multiple of the 4 bytes");
    asked.memory = NULL;
    says(context, pln_context_run(context), PLN_NO_MEMORY, "y");
    asked.memory = words.got;
    must(context, pln_context_bind_output(context, "y", NULL));
    must(context, pln_context_set_output_allocator(context, "y", give, &asked));
    memset(words.got, 0, sizeof words.got);
    must(context, pln_context_run(context));
    assert_int_equal(asked.kind, PLN_MEMORY_HOST);
    check_words(&words);
    bind_place(context, &words, &place);
    must(context, pln_context_run(context));
    assert_int_equal(asked.calls, 6);
    fetch_words(&words, &place, gpu.streams[0]);
    assert_int_equal(gpu.driver->StreamSynchronize(gpu.streams[0]), 0);
    check_words(&words);
    let_go(context, engine, cpu, cpu_engine, &place);
}

static void output_allocators(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 5; seed++) allocators("bert.ts", seed);
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

/* ---- taps ---- */

static void see(void *user, const char *name, const struct pln_buffer *value)
{
    struct words *words = user;
    assert_int_equal(value->memory, PLN_MEMORY_HOST);
    if (strcmp(name, "y") == 0) {
        assert_true(value->size_bytes <= sizeof words->got);
        memcpy(words->got, value->data, value->size_bytes);
    } else {
        assert_string_equal(name, "input_ids");
        assert_int_equal(value->size_bytes, words->n * sizeof *words->ids);
        assert_memory_equal(value->data, words->ids, value->size_bytes);
        words->n_out++;
    }
}

/* Inputs and outputs in the GPU's memory are shown as values of the host. */
static void taps_of_bound_memory(void **state)
{
    static struct words words;
    static const char *const taps[] = { "input_ids", "y", NULL };
    char path[512];
    pln_engine *engine = NULL, *cpu_engine = build("bert.ts", "cpu");
    const struct pln_build_options options = { .struct_size = sizeof options, .device = "cuda", .taps = taps };
    (void)state;
    snprintf(path, sizeof path, "%s/bert.ts/model.onnx", models);
    assert_int_equal(pln_build_file(path, &options, &engine), PLN_OK);
    pln_context *context = context_of(engine), *cpu = context_of(cpu_engine);
    const struct place place = place_of();
    fill_words(&words, 2, 5, 3);
    ask_cpu(cpu, &words);
    const size_t n_out = words.n_out;
    words.n_out = 0;
    send_words(&words, &place, gpu.streams[0]);
    assert_int_equal(gpu.driver->StreamSynchronize(gpu.streams[0]), 0);
    bind_place(context, &words, &place);
    pln_context_set_tap(context, see, &words);
    must(context, pln_context_run(context));
    assert_int_equal(words.n_out, 1);
    words.n_out = n_out;
    check_words(&words);
    let_go(context, engine, cpu, cpu_engine, &place);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_streams_two_contexts), cmocka_unit_test(host_steps), cmocka_unit_test(runs_in_a_row), cmocka_unit_test(streams_go), cmocka_unit_test(odd_addresses), cmocka_unit_test(foreign_addresses), cmocka_unit_test(output_allocators),
        cmocka_unit_test(fences),
        cmocka_unit_test(decoding), cmocka_unit_test(taps_of_bound_memory),
    };
    if (argc > 1) models = argv[1];
    return cmocka_run_group_tests(tests, open_gpu, close_gpu);
}
