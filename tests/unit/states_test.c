/* Decoding through a state store gives what feeding past and present by hand gives, without allocation and with few memory plannings. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "planish/builder.h"
#include "planish/context.h"

#define MODEL "../models/zoo/gpt2_past.dynamo/model.onnx"
#define STEPS 40


static pln_engine *build(void)
{
    pln_engine *engine = NULL;
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    const struct pln_build_options options = { .struct_size = sizeof options, .diagnostics = diagnostics };
    enum pln_status status = pln_build_file(MODEL, &options, &engine);
    struct pln_message message;
    if (status != PLN_OK && pln_diagnostics_get(diagnostics, 0, &message) == PLN_OK) print_error("%s\n", message.text);
    assert_int_equal(status, PLN_OK);
    pln_diagnostics_destroy(diagnostics);
    return engine;
}

static void bind_ints(pln_context *context, const char *name, const int64_t *data, int64_t n)
{
    struct pln_buffer buffer = { .dtype = PLN_I64, .rank = 2, .dims = { 1, n }, .data = (void *)(uintptr_t)data, .size_bytes = (size_t)n * sizeof *data };
    enum pln_status status = pln_context_bind_input(context, name, &buffer);
    assert_true(status == PLN_OK || status == PLN_NOT_FOUND); /* not every export has a mask */
}

static void bind_token(pln_context *context, int step, const int64_t *tokens, const int64_t *mask)
{
    bind_ints(context, "input_ids", tokens + step, 1);
    bind_ints(context, "attention_mask", mask, step + 1);
}

static void must_run(pln_context *context)
{
    enum pln_status status = pln_context_run(context);
    struct pln_message message;
    if (status != PLN_OK && pln_diagnostics_get(pln_context_diagnostics(context), 0, &message) == PLN_OK) print_error("%s: %s\n", message.node, message.text);
    assert_int_equal(status, PLN_OK);
}

/* The first output that is no state: the logits. */
static const char *logits_name(pln_engine *engine)
{
    struct pln_tensor_info info;
    for (int i = 0; i < pln_engine_output_count(engine); i++) {
        assert_int_equal(pln_engine_output(engine, i, &info), PLN_OK);
        if (!strstr(info.name, "present")) return info.name;
    }
    return NULL;
}

static void copy_logits(pln_context *context, const char *name, float *to, size_t *count)
{
    struct pln_buffer buffer;
    assert_int_equal(pln_context_output(context, name, &buffer), PLN_OK);
    *count = buffer.size_bytes / sizeof(float);
    memcpy(to, buffer.data, buffer.size_bytes);
}

/* Past and present by hand: each run's outputs are bound as the next one's inputs, alternating between two contexts so that the memory of one
 * stays while the other writes. */
static void run_by_hand(pln_engine *engine, const int64_t *tokens, const int64_t *mask, int steps, float *logits, size_t *count)
{
    pln_context *contexts[2];
    struct pln_tensor_info info;
    for (int i = 0; i < 2; i++) assert_int_equal(pln_context_create(engine, NULL, &contexts[i]), PLN_OK);
    for (int step = 0; step < steps; step++) {
        pln_context *now = contexts[step & 1], *before = contexts[(step + 1) & 1];
        bind_token(now, step, tokens, mask);
        for (int i = 0; i < pln_engine_input_count(engine); i++) {
            char present[128];
            assert_int_equal(pln_engine_input(engine, i, &info), PLN_OK);
            if (strncmp(info.name, "past.", 5) != 0) continue;
            struct pln_buffer buffer = { .dtype = PLN_F32, .rank = info.rank };
            snprintf(present, sizeof present, "present%s", info.name + strlen("past"));
            if (step > 0) assert_int_equal(pln_context_output(before, present, &buffer), PLN_OK);
            for (int d = 0; step == 0 && d < info.rank; d++) buffer.dims[d] = info.dims[d] >= 0 ? info.dims[d] : d == 0 ? 1 : 0;
            assert_int_equal(pln_context_bind_input(now, info.name, &buffer), PLN_OK);
        }
        must_run(now);
        copy_logits(now, logits_name(engine), logits, count);
    }
    for (int i = 0; i < 2; i++) pln_context_destroy(contexts[i]);
}

static void test_store_equals_hand(void **state)
{
    (void)state;
    static int64_t tokens[STEPS], mask[STEPS];
    static float by_hand[1 << 16], by_store[1 << 16];
    pln_engine *engine = build();
    pln_context *context;
    pln_state_store *store;
    size_t count = 0, store_count = 0;
    for (int i = 0; i < STEPS; i++) {
        tokens[i] = (i * 7 + 3) % 50;
        mask[i] = 1;
    }
    const struct pln_state_options options = { .struct_size = sizeof options, .capacity = 256 };
    assert_int_equal(pln_state_store_create(engine, &options, NULL, &store), PLN_OK);
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    assert_int_equal(pln_context_bind_states(context, store), PLN_OK);
    const int some = 24;
    run_by_hand(engine, tokens, mask, some, by_hand, &count);
    for (int step = 0; step < some; step++) {
        assert_int_equal(pln_state_store_length(store), step);
        bind_token(context, step, tokens, mask);
        must_run(context);
    }
    copy_logits(context, logits_name(engine), by_store, &store_count);
    assert_int_equal(count, store_count);
    for (size_t i = 0; i < count; i++) assert_true(fabsf(by_hand[i] - by_store[i]) <= 1e-4f * (1 + fabsf(by_hand[i])));
    /* Forgetting and saying again gives the same. */
    assert_int_equal(pln_state_store_truncate(store, some - 3), PLN_OK);
    for (int step = some - 3; step < some; step++) {
        bind_token(context, step, tokens, mask);
        must_run(context);
    }
    copy_logits(context, logits_name(engine), by_hand, &count);
    assert_memory_equal(by_hand, by_store, count * sizeof(float));
    assert_int_equal(pln_state_store_truncate(store, some + 1), PLN_INVALID_ARGUMENT);
    pln_context_destroy(context);
    pln_state_store_destroy(store);
    pln_engine_release(engine);
}

static void test_full_store(void **state)
{
    (void)state;
    static const int64_t tokens[4] = { 1, 2, 3, 4 }, mask[4] = { 1, 1, 1, 1 };
    pln_engine *engine = build();
    pln_context *context;
    pln_state_store *store;
    const struct pln_state_options options = { .struct_size = sizeof options, .capacity = 2 };
    assert_int_equal(pln_state_store_create(engine, &options, NULL, &store), PLN_OK);
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    assert_int_equal(pln_context_bind_states(context, store), PLN_OK);
    for (int step = 0; step < 3; step++) {
        bind_token(context, step, tokens, mask);
        assert_int_equal(pln_context_run(context), step < 2 ? PLN_OK : PLN_NO_MEMORY);
    }
    assert_int_equal(pln_state_store_length(store), 2);
    pln_context_destroy(context);
    pln_state_store_destroy(store);
    pln_engine_release(engine);
}

/* An allocator of pieces of one size, so that the states of a second store lie where those of the first one lay. */
#define PIECE 32768
struct block {
    _Alignas(64) uint8_t data[64 * PIECE];
    size_t used;
};

static void *block_alloc(void *user, size_t size_bytes, size_t align)
{
    struct block *block = user;
    void *memory = block->data + block->used;
    if (size_bytes > PIECE || align > 64 || block->used + PIECE > sizeof block->data) return NULL;
    block->used += PIECE;
    return memory;
}

static void block_release(void *user, void *memory, size_t size_bytes)
{
    (void)user;
    memset(memory, 0xff, size_bytes);
}

static void test_second_store(void **state)
{
    (void)state;
    static struct block block;
    static const int64_t tokens[3] = { 4, 2, 7 }, mask[3] = { 1, 1, 1 };
    static float by_hand[1 << 16], by_store[1 << 16];
    const struct pln_allocator alloc = { &block, block_alloc, block_release };
    pln_engine *engine = build();
    pln_context *context;
    size_t count = 0, store_count = 0;
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    run_by_hand(engine, tokens, mask, 3, by_hand, &count);
    for (int i = 0; i < 2; i++) { /* same address, same shapes, other strides */
        pln_state_store *store;
        const struct pln_state_options options = { .struct_size = sizeof options, .capacity = i == 0 ? 8 : 3, .allocator = &alloc };
        block.used = 0;
        assert_int_equal(pln_state_store_create(engine, &options, NULL, &store), PLN_OK);
        assert_int_equal(pln_context_bind_states(context, store), PLN_OK);
        for (int step = 0; step < (i == 0 ? 1 : 3); step++) {
            bind_token(context, step, tokens, mask);
            must_run(context);
        }
        if (i == 1) copy_logits(context, logits_name(engine), by_store, &store_count);
        assert_int_equal(pln_context_bind_states(context, NULL), PLN_OK);
        pln_state_store_destroy(store);
    }
    assert_int_equal(count, store_count);
    for (size_t i = 0; i < count; i++) assert_true(fabsf(by_hand[i] - by_store[i]) <= 1e-4f * (1 + fabsf(by_hand[i])));
    pln_context_destroy(context);
    pln_engine_release(engine);
}

static void test_steady(void **state)
{
    (void)state;
    static int64_t tokens[STEPS], mask[STEPS];
    pln_engine *engine = build();
    pln_context *context;
    pln_state_store *store;
    struct pln_context_stats first, last;
    for (int i = 0; i < STEPS; i++) mask[i] = 1;
    const struct pln_state_options options = { .struct_size = sizeof options, .capacity = STEPS };
    assert_int_equal(pln_state_store_create(engine, &options, NULL, &store), PLN_OK);
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    assert_int_equal(pln_context_bind_states(context, store), PLN_OK);
    for (int step = 0; step < STEPS; step++) {
        bind_token(context, step, tokens, mask);
        must_run(context);
        if (step == 0) pln_context_get_stats(context, &first);
    }
    pln_context_get_stats(context, &last);
    /* The store's capacity bounds what is to come: the first step plans for it. */
    assert_int_equal(last.memory_plans, 1);
    assert_int_equal(last.allocator_calls, first.allocator_calls);
    assert_int_equal(last.arena_bytes, first.arena_bytes);
    pln_context_destroy(context);
    pln_state_store_destroy(store);
    pln_engine_release(engine);
}

/* A run of `count` tokens behind those that the store holds, whose last logits must be those of one token after the other in a fresh context. */
static void check_run(pln_context *context, pln_state_store *store, const char *name, const int64_t *tokens, const int64_t *mask, int count, const float *truth, size_t vocabulary)
{
    static float logits[1 << 16];
    const int length = (int)pln_state_store_length(store);
    size_t n;
    bind_ints(context, "input_ids", tokens + length, count);
    bind_ints(context, "attention_mask", mask, length + count);
    must_run(context);
    copy_logits(context, name, logits, &n);
    assert_int_equal(n, vocabulary * (size_t)count);
    assert_int_equal(pln_state_store_length(store), length + count);
    const float *last = logits + n - vocabulary, *want = truth + (size_t)(length + count - 1) * vocabulary;
    for (size_t i = 0; i < vocabulary; i++) assert_true(fabsf(last[i] - want[i]) <= 1e-4f * (1 + fabsf(want[i])));
}

/* Steps, several tokens at once, forgetting, another store, another output buffer, a run that fails: in any order, the numbers are right. */
static void test_wandering(void **state)
{
    (void)state;
    enum { LENGTHS = 48, VOCABULARY_MOST = 1024, ACTIONS = 400 };
    static int64_t tokens[LENGTHS], mask[LENGTHS];
    static float truth[LENGTHS * VOCABULARY_MOST], given[LENGTHS * VOCABULARY_MOST];
    pln_engine *engine = build();
    const char *name = logits_name(engine);
    pln_context *context;
    pln_state_store *stores[2];
    size_t vocabulary = 0;
    uint32_t random = 1;
    for (int i = 0; i < LENGTHS; i++) {
        tokens[i] = (i * 11 + 5) % 50;
        mask[i] = 1;
    }
    for (int n = 1; n <= LENGTHS; n++) {
        static float logits[1 << 16];
        run_by_hand(engine, tokens, mask, n, logits, &vocabulary);
        assert_true(vocabulary <= VOCABULARY_MOST);
        memcpy(truth + (size_t)(n - 1) * vocabulary, logits, vocabulary * sizeof *logits);
    }
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    for (int i = 0; i < 2; i++) {
        const struct pln_state_options options = { .struct_size = sizeof options, .capacity = LENGTHS + i };
        assert_int_equal(pln_state_store_create(engine, &options, NULL, &stores[i]), PLN_OK);
    }
    pln_state_store *store = stores[0];
    assert_int_equal(pln_context_bind_states(context, store), PLN_OK);
    for (int action = 0; action < ACTIONS; action++) {
        random = random * 1664525 + 1013904223;
        const int kind = random >> 28, amount = 1 + (random >> 20) % 6, length = (int)pln_state_store_length(store);
        struct pln_buffer buffer = { .dtype = PLN_F32, .data = given, .size_bytes = sizeof given };
        if (kind == 0) {
            store = store == stores[0] ? stores[1] : stores[0];
            assert_int_equal(pln_context_bind_states(context, store), PLN_OK);
        } else if (kind == 1) {
            assert_int_equal(pln_context_bind_output(context, name, amount < 3 ? &buffer : NULL), PLN_OK);
        } else if (kind == 2 || length + amount > LENGTHS) {
            assert_int_equal(pln_state_store_truncate(store, length * amount / 8), PLN_OK);
        } else if (kind == 3 && length < LENGTHS) {
            static const int64_t outside = 1 << 30;
            bind_ints(context, "input_ids", &outside, 1);
            bind_ints(context, "attention_mask", mask, length + 1);
            assert_int_equal(pln_context_run(context), PLN_INVALID_ARGUMENT);
            assert_int_equal(pln_state_store_length(store), length);
        } else if (kind < 7) {
            check_run(context, store, name, tokens, mask, amount, truth, vocabulary);
        } else {
            for (int i = 0; i < amount; i++) check_run(context, store, name, tokens, mask, 1, truth, vocabulary);
        }
    }
    pln_context_destroy(context);
    for (int i = 0; i < 2; i++) pln_state_store_destroy(stores[i]);
    pln_engine_release(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_store_equals_hand), cmocka_unit_test(test_full_store), cmocka_unit_test(test_second_store), cmocka_unit_test(test_wandering), cmocka_unit_test(test_steady) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
