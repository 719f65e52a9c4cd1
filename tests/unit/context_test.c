/* Contexts: binding mistakes, fences, cancel, memory asked in advance, steady runs, taps, threads sharing an engine. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "planish/context.h"
#include "planish/network.h"

/* y = tanh(x · w) with x: [n, 16], w: [16, 8] */
static pln_engine *build(const char *device, const char *const *taps)
{
    static const int64_t x_dims[2] = { -1, 16 }, w_dims[2] = { 16, 8 };
    static const char *const names[2] = { "n", NULL };
    static const char *const in[2] = { "x", "w" }, *const mid[1] = { "z" }, *const out[1] = { "y" };
    float w[128];
    for (int i = 0; i < 128; i++) w[i] = (float)(i % 13 - 6) / 16;
    pln_network *network = pln_network_create("small", 17);
    pln_network_add_input(network, "x", PLN_F32, 2, x_dims, names);
    pln_network_add_weights(network, "w", PLN_F32, 2, w_dims, w);
    pln_network_add_node(network, &(struct pln_network_node){ .op_type = "MatMul", .name = "product", .inputs = in, .input_count = 2, .outputs = mid, .output_count = 1 });
    pln_network_add_node(network, &(struct pln_network_node){ .op_type = "Tanh", .name = "bend", .inputs = mid, .input_count = 1, .outputs = out, .output_count = 1 });
    pln_network_add_output(network, "y", PLN_DTYPE_NONE, -1, NULL, NULL);
    const struct pln_build_options options = { .struct_size = sizeof options, .device = device, .taps = taps };
    pln_engine *engine = NULL;
    assert_int_equal(pln_build_network(network, &options, &engine), PLN_OK);
    pln_network_destroy(network);
    return engine;
}

static float data[64 * 16];

static struct pln_buffer rows(int64_t n)
{
    return (struct pln_buffer){ .dtype = PLN_F32, .rank = 2, .dims = { n, 16 }, .data = data, .size_bytes = (size_t)n * 16 * sizeof(float) };
}

static void expect_bind(pln_context *context, const struct pln_buffer *buffer, enum pln_status want, const char *text)
{
    struct pln_message message;
    assert_int_equal(pln_context_bind_input(context, "x", buffer), want);
    assert_int_equal(pln_diagnostics_get(pln_context_diagnostics(context), 0, &message), PLN_OK);
    if (!strstr(message.text, text)) fail_msg("'%s' does not tell '%s'", message.text, text);
}

static void test_mistakes(void **state)
{
    (void)state;
    pln_engine *engine = build("cpu", NULL);
    pln_context *context;
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    struct pln_buffer buffer = rows(2);
    assert_int_equal(pln_context_run(context), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_context_bind_input(context, "nobody", &buffer), PLN_NOT_FOUND);
    assert_int_equal(pln_context_bind_input(context, NULL, &buffer), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_context_bind_output(context, NULL, &buffer), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_context_set_output_allocator(context, NULL, NULL, NULL), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_context_output(context, NULL, &buffer), PLN_INVALID_ARGUMENT);
    buffer = rows(2);
    buffer.dtype = PLN_F64;
    buffer.size_bytes = sizeof data;
    expect_bind(context, &buffer, PLN_INVALID_ARGUMENT, "f64");
    buffer = rows(2);
    buffer.dims[1] = 15;
    expect_bind(context, &buffer, PLN_INVALID_ARGUMENT, "dim 1 is 15, the model wants 16");
    buffer = rows(2);
    buffer.rank = 3;
    buffer.dims[2] = 1;
    expect_bind(context, &buffer, PLN_INVALID_ARGUMENT, "3 dims");
    buffer = rows(2);
    buffer.size_bytes -= 4;
    expect_bind(context, &buffer, PLN_INVALID_ARGUMENT, "bytes");
    buffer = rows(2);
    buffer.data = NULL;
    expect_bind(context, &buffer, PLN_INVALID_ARGUMENT, "NULL");
    buffer = rows(2);
    buffer.dims[0] = INT64_MAX;
    expect_bind(context, &buffer, PLN_INVALID_ARGUMENT, "x");
    buffer = rows(2);
    assert_int_equal(pln_context_bind_input(context, "x", &buffer), PLN_OK);
    float small[4];
    struct pln_buffer out = { .data = small, .size_bytes = sizeof small };
    assert_int_equal(pln_context_bind_output(context, "y", &out), PLN_OK);
    assert_int_equal(pln_context_run(context), PLN_INVALID_ARGUMENT);
    pln_context_destroy(context);
    pln_engine_release(engine);
}

static void test_fences(void **state)
{
    (void)state;
    pln_engine *engine = build("cpu", NULL);
    pln_context *context;
    pln_fence *before, *done;
    enum pln_status status;
    struct pln_buffer buffer = rows(3);
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    assert_int_equal(pln_fence_create(&before), PLN_OK);
    assert_int_equal(pln_fence_create(&done), PLN_OK);
    assert_int_equal(pln_context_bind_input(context, "x", &buffer), PLN_OK);
    assert_int_equal(pln_fence_wait(before, 1000000, NULL), PLN_CANCELLED);
    pln_fence_signal(before, PLN_OK);
    struct pln_enqueue_options options = { .struct_size = sizeof options, .wait_for = &before, .wait_count = 1, .done = done };
    assert_int_equal(pln_context_enqueue(context, &options), PLN_OK);
    assert_int_equal(pln_fence_wait(done, -1, &status), PLN_OK);
    assert_int_equal(status, PLN_OK);
    pln_fence_destroy(before);
    assert_int_equal(pln_fence_create(&before), PLN_OK);
    pln_fence_signal(before, PLN_DEVICE);
    options.done = NULL;
    assert_int_equal(pln_context_enqueue(context, &options), PLN_DEVICE);
    pln_fence_destroy(before);
    pln_fence_destroy(done);
    pln_context_destroy(context);
    pln_engine_release(engine);
}

struct given {
    float memory[64];
    int calls;
};

static void *give(void *user, const struct pln_output_request *request)
{
    struct given *given = user;
    given->calls++;
    assert_string_equal(request->name, "y");
    assert_int_equal(request->rank, 2);
    assert_int_equal(request->memory, PLN_MEMORY_HOST);
    return request->size_bytes <= sizeof given->memory ? given->memory : NULL;
}

static void test_output_allocator(void **state)
{
    (void)state;
    pln_engine *engine = build("cpu", NULL);
    pln_context *context;
    struct given given = { .calls = 0 };
    struct pln_buffer buffer = rows(3), out;
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    assert_int_equal(pln_context_bind_input(context, "x", &buffer), PLN_OK);
    assert_int_equal(pln_context_set_output_allocator(context, "x", give, &given), PLN_NOT_FOUND);
    assert_int_equal(pln_context_set_output_allocator(context, "y", give, &given), PLN_OK);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(pln_context_run(context), PLN_OK);
        assert_int_equal(given.calls, i);
        assert_int_equal(pln_context_output(context, "y", &out), PLN_OK);
        assert_ptr_equal(out.data, given.memory);
    }
    buffer = rows(9);
    assert_int_equal(pln_context_bind_input(context, "x", &buffer), PLN_OK);
    assert_int_equal(pln_context_run(context), PLN_NO_MEMORY);
    assert_int_equal(pln_context_bind_output(context, "y", NULL), PLN_OK);
    assert_int_equal(pln_context_run(context), PLN_OK);
    assert_int_equal(given.calls, 4);
    pln_context_destroy(context);
    pln_engine_release(engine);
}

struct canceller {
    pln_context *context;
    pln_fence *over;
};

/* Again and again: a cancel that comes before the run is none. */
static void *cancel_until_over(void *user)
{
    const struct canceller *canceller = user;
    while (pln_fence_wait(canceller->over, 5000000, NULL) != PLN_OK) pln_context_cancel(canceller->context);
    return NULL;
}

/* A run that waits for what never comes can be ended. */
static void test_cancel_a_wait(void **state)
{
    (void)state;
    pln_engine *engine = build("cpu", NULL);
    pln_context *context;
    struct canceller canceller;
    pln_fence *never;
    pthread_t thread;
    struct pln_buffer buffer = rows(3);
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    assert_int_equal(pln_fence_create(&never), PLN_OK);
    assert_int_equal(pln_context_bind_input(context, "x", &buffer), PLN_OK);
    canceller.context = context;
    assert_int_equal(pln_fence_create(&canceller.over), PLN_OK);
    const struct pln_enqueue_options options = { .struct_size = sizeof options, .wait_for = &never, .wait_count = 1 };
    assert_int_equal(pthread_create(&thread, NULL, cancel_until_over, &canceller), 0);
    assert_int_equal(pln_context_enqueue(context, &options), PLN_CANCELLED);
    pln_fence_signal(canceller.over, PLN_OK);
    pthread_join(thread, NULL);
    assert_int_equal(pln_context_run(context), PLN_OK);
    const struct pln_enqueue_options other = { .struct_size = sizeof other, .stream = context };
    assert_int_equal(pln_context_enqueue(context, &other), PLN_UNSUPPORTED);
    pln_fence_destroy(never);
    pln_fence_destroy(canceller.over);
    pln_context_destroy(context);
    pln_engine_release(engine);
}

static void test_memory(void **state)
{
    (void)state;
    pln_engine *engine = build("cpu", NULL);
    size_t small, large;
    struct pln_tensor_info info = { .name = "x", .rank = 2, .dims = { 1, 16 } };
    assert_int_equal(pln_engine_memory(engine, &info, 1, NULL, &small), PLN_OK);
    info.dims[0] = 1000;
    assert_int_equal(pln_engine_memory(engine, &info, 1, NULL, &large), PLN_OK);
    assert_true(large >= small);
    info.dims[1] = 17;
    assert_int_equal(pln_engine_memory(engine, &info, 1, NULL, &large), PLN_INVALID_ARGUMENT);
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    struct pln_message message;
    assert_int_equal(pln_engine_memory(engine, NULL, 0, diagnostics, &large), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_diagnostics_get(diagnostics, 0, &message), PLN_OK);
    assert_non_null(strstr(message.text, "the shape of input 'x' is missing"));
    assert_int_equal(pln_engine_memory(engine, &info, -5, diagnostics, &large), PLN_INVALID_ARGUMENT);
    pln_diagnostics_destroy(diagnostics);
    pln_engine_release(engine);
}

static void test_steady(void **state)
{
    (void)state;
    pln_engine *engine = build("cpu", NULL);
    pln_context *context;
    struct pln_context_stats first, last;
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    for (int run = 0; run < 20; run++) {
        struct pln_buffer buffer = rows(run % 2 ? 5 : 9);
        assert_int_equal(pln_context_bind_input(context, "x", &buffer), PLN_OK);
        assert_int_equal(pln_context_run(context), PLN_OK);
        if (run == 3) pln_context_get_stats(context, &first);
    }
    pln_context_get_stats(context, &last);
    assert_int_equal(first.allocator_calls, last.allocator_calls);
    assert_int_equal(first.memory_plans, last.memory_plans);
    pln_context_destroy(context);
    pln_engine_release(engine);
}

static void note_tap(void *user, const char *name, const struct pln_buffer *value)
{
    if (strcmp(name, "z") == 0 && value->rank == 2 && value->dims[1] == 8) ++*(int *)user;
}

static void test_taps(void **state)
{
    (void)state;
    static const char *const taps[] = { "z", NULL };
    pln_engine *engine = build("cpu", taps);
    pln_context *context;
    int seen = 0;
    struct pln_buffer buffer = rows(4);
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    pln_context_set_tap(context, note_tap, &seen);
    assert_int_equal(pln_context_bind_input(context, "x", &buffer), PLN_OK);
    assert_int_equal(pln_context_run(context), PLN_OK);
    assert_int_equal(seen, 1);
    pln_context_destroy(context);
    pln_engine_release(engine);
}

struct runner {
    pln_engine *engine;
    int64_t n;
    float y[64 * 8];
    bool good;
};

static void *run_many(void *user)
{
    struct runner *runner = user;
    pln_context *context;
    struct pln_buffer buffer = rows(runner->n), out = { .data = runner->y, .size_bytes = sizeof runner->y };
    runner->good = pln_context_create(runner->engine, NULL, &context) == PLN_OK;
    if (!runner->good) return NULL;
    runner->good = pln_context_bind_input(context, "x", &buffer) == PLN_OK && pln_context_bind_output(context, "y", &out) == PLN_OK;
    for (int i = 0; i < 100 && runner->good; i++) runner->good = pln_context_run(context) == PLN_OK;
    pln_context_destroy(context);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    static struct runner runners[THREADS], alone;
    pthread_t threads[THREADS];
    pln_engine *engine = build("cpu", NULL);
    alone = (struct runner){ .engine = engine, .n = 60 };
    run_many(&alone);
    assert_true(alone.good);
    for (int i = 0; i < THREADS; i++) {
        runners[i] = (struct runner){ .engine = engine, .n = 60 - i };
        assert_int_equal(pthread_create(&threads[i], NULL, run_many, &runners[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(runners[i].good);
        assert_memory_equal(runners[i].y, alone.y, (size_t)runners[i].n * 8 * sizeof(float));
    }
    pln_engine_release(engine);
}

int main(void)
{
    for (int i = 0; i < 64 * 16; i++) data[i] = (float)(i % 29 - 14) / 8;
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_mistakes), cmocka_unit_test(test_fences), cmocka_unit_test(test_output_allocator), cmocka_unit_test(test_cancel_a_wait), cmocka_unit_test(test_memory), cmocka_unit_test(test_steady),
                                        cmocka_unit_test(test_taps),     cmocka_unit_test(test_threads) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
