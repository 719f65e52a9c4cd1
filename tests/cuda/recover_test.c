/* Each call of the driver fails once in the middle of a context's life: the run says so, the next one is right, nothing
 * is lost. Needs the fake driver.
 *
 *   cuda_recover MODELS   the folder of bert.ts and gpt2_past.dynamo; the numbers are held against the CPU's */
#define _GNU_SOURCE
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cuda/scale.h"
#include "tests/cuda/words.h"

static struct words small, large;

/* What is wrong with a run that failed: nothing, if it was told, and by its name. */
static void check_told(const pln_context *context, enum pln_status status, long n, const char *call)
{
    struct pln_message message = { .text = "" };
    if (status == PLN_OK) return; /* what gives back, or what is tried again */
    if (pln_diagnostics_get(pln_context_diagnostics(context), 0, &message) != PLN_OK)
        fail_msg("call %ld, %s, fails without a message", n, call);
    if (!strstr(message.text, call) && !strstr(message.text, "memory"))
        fail_msg("call %ld, %s, fails with: %s", n, call, message.text);
}

static void run_host(pln_context *context, struct words *words)
{
    struct pln_buffer out;
    bind_host(context, words);
    must(context, pln_context_run(context));
    must(context, pln_context_output(context, "y", &out));
    assert_int_equal(out.size_bytes, words->n_out * sizeof(float));
    memcpy(words->got, out.data, out.size_bytes);
    check_words(words);
}

/* A run of other shapes than before fails at its n-th call; then one of the same, and one of the first shapes. false:
 * it has no n-th call. */
static bool fail_words(pln_engine *engine, long n, bool *out_lost_context)
{
    const struct fake_driver fake = fake_driver_get();
    pln_context *context = context_of(engine);
    run_host(context, &small);
    bind_host(context, &large);
    fake.fail_at(n);
    const enum pln_status status = pln_context_run(context);
    const char *failed = fake.failed();
    fake.fail_at(0);
    *out_lost_context = failed && strcmp(failed, "cuCtxPushCurrent") == 0;
    if (failed)
        check_told(context, status, n, failed);
    else
        assert_int_equal(status, PLN_OK);
    run_host(context, &large);
    run_host(context, &small);
    pln_context_destroy(context);
    return failed != NULL;
}

static void every_call_of_a_run(uint64_t seed)
{
    const struct fake_driver fake = fake_driver_get();
    pln_engine *cpu_engine = build("bert.ts", "cpu"), *engine = build_placed("bert.ts", "cuda", seed);
    pln_context *cpu = context_of(cpu_engine);
    fill_words(&small, 1, 3, 5);
    fill_words(&large, 2, 7, 6);
    ask_cpu(cpu, &small);
    ask_cpu(cpu, &large);
    long n = 1;
    for (bool more = true; more; n++) {
        const long live = fake.live();
        bool lost_context;
        more = fail_words(engine, n, &lost_context);
        /* Without a context nothing can be given back: that is the primary context's, whose end takes it. */
        if (fake.live() != live && !lost_context)
            fail_msg("call %ld fails, and %ld things are lost", n, fake.live() - live);
    }
    assert_true(n > 10);
    pln_engine_release(engine);
    pln_context_destroy(cpu);
    pln_engine_release(cpu_engine);
}

static void device_steps(void **state)
{
    (void)state;
    if (!fake_driver_get().calls) skip();
    every_call_of_a_run(0);
}

static void host_steps(void **state)
{
    (void)state;
    if (!fake_driver_get().calls) skip();
    every_call_of_a_run(2);
}

/* ---- decoding ---- */

enum { STEPS = 5, LOGITS = 200 };

struct decoding {
    pln_engine *engine;
    pln_context *context;
    pln_state_store *store;
};

static struct decoding decoding_of(pln_engine *engine)
{
    struct decoding own = { .engine = engine, .context = context_of(engine) };
    const struct pln_state_options options = { .struct_size = sizeof options, .capacity = STEPS };
    assert_int_equal(pln_state_store_create(engine, &options, NULL, &own.store), PLN_OK);
    must(own.context, pln_context_bind_states(own.context, own.store));
    return own;
}

static void end_decoding(const struct decoding *own)
{
    pln_context_destroy(own->context);
    pln_state_store_destroy(own->store);
}

static void bind_ints(pln_context *context, const char *name, const int64_t *data, int64_t n)
{
    const struct pln_buffer buffer = { .dtype = PLN_I64,
                                       .rank = 2,
                                       .dims = { 1, n },
                                       .data = (void *)(uintptr_t)data,
                                       .size_bytes = (size_t)n * sizeof *data };
    const enum pln_status status = pln_context_bind_input(context, name, &buffer);
    assert_true(status == PLN_OK || status == PLN_NOT_FOUND);
}

static enum pln_status step(const struct decoding *own, int64_t i)
{
    static const int64_t mask[STEPS] = { 1, 1, 1, 1, 1 }, tokens[STEPS] = { 11, 5, 90, 3, 77 };
    static int64_t position;
    position = i;
    bind_ints(own->context, "input_ids", &tokens[i], 1);
    bind_ints(own->context, "attention_mask", mask, i + 1);
    bind_ints(own->context, "position_ids", &position, 1);
    return pln_context_run(own->context);
}

static void fetch_logits(const struct decoding *own, float logits[LOGITS])
{
    struct pln_tensor_info info;
    struct pln_buffer buffer;
    assert_int_equal(pln_engine_output(own->engine, 0, &info), PLN_OK);
    must(own->context, pln_context_output(own->context, info.name, &buffer));
    assert_int_equal(buffer.size_bytes, LOGITS * sizeof(float));
    memcpy(logits, buffer.data, buffer.size_bytes);
}

/* Step `at` fails at its n-th call, and is taken again. The store is as long as before, and the numbers are right.
 * false: it has no n-th call. */
static bool fail_step(pln_engine *engine, int64_t at, long n, float (*want)[LOGITS])
{
    const struct fake_driver fake = fake_driver_get();
    const struct decoding own = decoding_of(engine);
    bool failed_ever = false;
    for (int64_t i = 0; i < STEPS; i++) {
        float got[LOGITS];
        if (i == at) fake.fail_at(n);
        enum pln_status status = step(&own, i);
        const char *failed = i == at ? fake.failed() : NULL;
        fake.fail_at(0);
        failed_ever = failed_ever || failed;
        if (failed) check_told(own.context, status, n, failed);
        if (status != PLN_OK) {
            assert_non_null(failed);
            assert_int_equal(pln_state_store_length(own.store), i);
            must(own.context, step(&own, i));
        }
        assert_int_equal(pln_state_store_length(own.store), i + 1);
        fetch_logits(&own, got);
        for (int k = 0; k < LOGITS; k++)
            if (!(fabsf(got[k] - want[i][k]) <= 1e-3f * (1 + fabsf(want[i][k]))))
                fail_msg("call %ld of step %d: logit %d of step %d is %g, not %g", n, (int)at, k, (int)i,
                         (double)got[k], (double)want[i][k]);
    }
    end_decoding(&own);
    return failed_ever;
}

/* The second step plans memory and captures anew, the fourth does neither. */
static void decoding_steps(void **state)
{
    static float want[STEPS][LOGITS];
    (void)state;
    if (!fake_driver_get().calls) skip();
    pln_engine *cpu_engine = build("gpt2_past.dynamo", "cpu"), *engine = build("gpt2_past.dynamo", "cuda");
    const struct decoding cpu = decoding_of(cpu_engine);
    for (int64_t i = 0; i < STEPS; i++) {
        must(cpu.context, step(&cpu, i));
        fetch_logits(&cpu, want[i]);
    }
    for (int64_t at = 1; at < STEPS; at += 2) {
        long n = 1;
        while (fail_step(engine, at, n, want)) n++;
        assert_true(n > 3);
    }
    end_decoding(&cpu);
    pln_engine_release(engine);
    pln_engine_release(cpu_engine);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(device_steps), cmocka_unit_test(host_steps),
                                        cmocka_unit_test(decoding_steps) };
    if (argc > 1) models = argv[1];
    return cmocka_run_group_tests(tests, open_gpu, close_gpu);
}
