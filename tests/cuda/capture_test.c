/* Runs in graphs of the caller's: on the fake driver, or a GPU.
 *
 *   cuda_capture MODELS   the folder of bert.ts and gpt2_past.dynamo; the numbers are held against the CPU's */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cuda/words.h"

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
        send_words(&words[k], &places[k], stream);
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
            send_words(&words[k], &places[k], stream);
            assert_int_equal(gpu.driver->GraphLaunch(graphs[k], stream), 0);
            fetch_words(&words[k], &places[k], stream);
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
    send_words(&words, &place, stream);
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
    send_words(&words, &place, stream);
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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(captures), cmocka_unit_test(refused_captures) };
    if (argc > 1) models = argv[1];
    return cmocka_run_group_tests(tests, open_gpu, close_gpu);
}
