/* Small models whose states other segments, branches and loop bodies read: in any order of steps, several positions at once and forgetting, a
 * context with a store gives what a fresh one gives that is fed all positions at once. states_test [DEVICE [FOLDER]] */
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

enum { HEADS = 2, SIZE = 4, CAPACITY = 96, RUNS = 150 };

static const char *device = "cpu", *folder = "states";

/* What a run is fed: positions [first, first + n) of a history, and what turns the ways of control flow. */
struct feed {
    float history[CAPACITY][HEADS][SIZE];
    float x[HEADS * CAPACITY * SIZE];
    int64_t mask[CAPACITY]; /* of all positions from the first on */
    uint8_t flag[6], cond;
    uint32_t random;
};

static uint32_t draw(struct feed *feed, uint32_t n)
{
    feed->random = feed->random * 1664525 + 1013904223; /* Knuth's and Lewis's numbers (Numerical Recipes, 7.1) */
    return (feed->random >> 8) % n;
}

static pln_engine *build(const char *name)
{
    char path[512];
    pln_engine *engine = NULL;
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    const struct pln_build_options options = { .struct_size = sizeof options, .diagnostics = diagnostics, .device = device };
    struct pln_message message;
    snprintf(path, sizeof path, "%s/%s.onnx", folder, name);
    enum pln_status status = pln_build_file(path, &options, &engine);
    if (status != PLN_OK && pln_diagnostics_get(diagnostics, 0, &message) == PLN_OK) print_error("%s: %s\n", path, message.text);
    assert_int_equal(status, PLN_OK);
    pln_diagnostics_destroy(diagnostics);
    return engine;
}

static void open_store(pln_engine *engine, pln_context **out_context, pln_state_store **out_store, int64_t capacity)
{
    const struct pln_state_options options = { .struct_size = sizeof options, .capacity = capacity };
    assert_int_equal(pln_context_create(engine, NULL, out_context), PLN_OK);
    assert_int_equal(pln_state_store_create(engine, &options, NULL, out_store), PLN_OK);
    assert_int_equal(pln_context_bind_states(*out_context, *out_store), PLN_OK);
}

static void close_store(pln_engine *engine, pln_context *context, pln_state_store *store)
{
    pln_context_destroy(context);
    pln_state_store_destroy(store);
    pln_engine_release(engine);
}

static void bind(pln_context *context, const char *name, const struct pln_buffer *buffer)
{
    enum pln_status status = pln_context_bind_input(context, name, buffer);
    assert_true(status == PLN_OK || status == PLN_NOT_FOUND); /* not every model has a flag or a condition */
}

static void bind_all(pln_context *context, struct feed *feed, int first, int n, float *x)
{
    for (int h = 0; h < HEADS; h++)
        for (int i = 0; i < n; i++) memcpy(x + (h * n + i) * SIZE, feed->history[first + i][h], sizeof feed->history[0][0]);
    bind(context, "x", &(struct pln_buffer){ .dtype = PLN_F32, .rank = 4, .dims = { 1, HEADS, n, SIZE }, .data = x, .size_bytes = (size_t)n * HEADS * SIZE * sizeof *x });
    bind(context, "flag", &(struct pln_buffer){ .dtype = PLN_BOOL, .rank = 1, .dims = { 6 }, .data = feed->flag, .size_bytes = 6 });
    bind(context, "mask", &(struct pln_buffer){ .dtype = PLN_I64, .rank = 2, .dims = { 1, first + n }, .data = feed->mask, .size_bytes = (size_t)(first + n) * sizeof *feed->mask });
    bind(context, "cond", &(struct pln_buffer){ .dtype = PLN_BOOL, .rank = 0, .data = &feed->cond, .size_bytes = 1 });
}

static void must_run(pln_context *context)
{
    struct pln_message message;
    enum pln_status status = pln_context_run(context);
    if (status != PLN_OK && pln_diagnostics_get(pln_context_diagnostics(context), 0, &message) == PLN_OK) print_error("%s: %s\n", message.node, message.text);
    assert_int_equal(status, PLN_OK);
}

/* y of a fresh context that sees all positions at once. */
static void compare_with_fresh(pln_engine *engine, pln_context *context, struct feed *feed, int length)
{
    static float all[HEADS * CAPACITY * SIZE];
    float nothing = 0;
    pln_context *fresh;
    struct pln_buffer got, want;
    assert_int_equal(pln_context_create(engine, NULL, &fresh), PLN_OK);
    bind_all(fresh, feed, 0, length, all);
    static const char *const pasts[] = { "past_key_values.0.key", "past_key_values.1.key", "past_key_values.2.key" };
    for (int i = 0; i < 3; i++) bind(fresh, pasts[i], &(struct pln_buffer){ .dtype = PLN_F32, .rank = 4, .dims = { 1, HEADS, 0, SIZE }, .data = &nothing, .size_bytes = sizeof nothing });
    must_run(fresh);
    assert_int_equal(pln_context_output(context, "y", &got), PLN_OK);
    assert_int_equal(pln_context_output(fresh, "y", &want), PLN_OK);
    assert_int_equal(got.size_bytes, want.size_bytes);
    assert_int_equal(got.memory, PLN_MEMORY_HOST);
    const float *a = got.data, *b = want.data;
    for (size_t i = 0; i < got.size_bytes / sizeof *a; i++)
        if (!(fabsf(a[i] - b[i]) <= 1e-4f * (1 + fabsf(b[i])))) fail_msg("y[%zu] is %g, not %g, with %d positions", i, (double)a[i], (double)b[i], length);
    pln_context_destroy(fresh);
}

/* Nothing but steps, and all that may come between them. */
enum way { STEPS, TURNING, WANDERING, WAYS };

static void turn(struct feed *feed, enum way way, int run)
{
    for (int i = 0; i < 6; i++) feed->flag[i] = (uint8_t)(way == STEPS ? 1 : way == TURNING ? run % 4 != 3 || i <= run % 6 : (int)draw(feed, 2));
    feed->cond = (uint8_t)(way == STEPS || (way == TURNING ? run % 12 < 8 : draw(feed, 8) < 4));
}

static void go(const char *name, enum way way)
{
    static struct feed feed;
    pln_engine *engine = build(name);
    pln_context *context;
    pln_state_store *store;
    feed.random = 1;
    open_store(engine, &context, &store, CAPACITY);
    for (int run = 0; run < RUNS; run++) {
        const int length = (int)pln_state_store_length(store), what = way == WANDERING ? (int)draw(&feed, 12) : 2, n = what == 1 ? 1 + (int)draw(&feed, 5) : 1;
        if (what == 0 || length + n > CAPACITY) {
            assert_int_equal(pln_state_store_truncate(store, draw(&feed, (uint32_t)length + 1)), PLN_OK);
            continue;
        }
        for (int i = 0; i < n * HEADS * SIZE; i++) (&feed.history[length][0][0])[i] = (float)draw(&feed, 1000) / 1000;
        for (int i = 0; i < n; i++) feed.mask[length + i] = length + i == 0 || draw(&feed, 4) > 0;
        turn(&feed, way, run);
        bind_all(context, &feed, length, n, feed.x);
        must_run(context);
        compare_with_fresh(engine, context, &feed, length + n);
    }
    close_store(engine, context, store);
}

static void test_models(void **state)
{
    static const char *const names[] = { "later_product", "later_state", "later_attention", "branch_product", "branch_state", "loop_product", "loop_state", "layers", "views", "moving" };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (int way = 0; way < WAYS; way++) go(names[i], (enum way)way);
}

/* An input that is bound to what a result is written to, after steps in which it lay elsewhere. */
static void test_overlap_later(void **state)
{
    (void)state;
    static struct feed feed;
    static float memory[4 * HEADS * SIZE];
    pln_engine *engine = build("layers");
    pln_context *context;
    pln_state_store *store;
    open_store(engine, &context, &store, CAPACITY);
    assert_int_equal(pln_context_bind_output(context, "y", &(struct pln_buffer){ .dtype = PLN_F32, .data = memory, .size_bytes = HEADS * SIZE * sizeof *memory }), PLN_OK);
    for (int step = 0; step < 12; step++) {
        float *x = step == 9 ? memory : memory + 2 * HEADS * SIZE;
        feed.mask[step] = 1;
        bind_all(context, &feed, (int)pln_state_store_length(store), 1, x);
        if (step != 9) must_run(context);
        else assert_int_equal(pln_context_run(context), PLN_INVALID_ARGUMENT);
    }
    close_store(engine, context, store);
}

/* The allocator of a result ends the run, once the first segment has been placed anew for more positions; then there are as many as before. */
static void *end_run(void *user, const struct pln_output_request *request)
{
    static float memory[4096];
    if (user) pln_context_cancel(user);
    return request->size_bytes <= sizeof memory ? memory : NULL;
}

static void test_moved_and_back(void **state)
{
    (void)state;
    static struct feed feed;
    if (strcmp(device, "cpu") != 0) return; /* it is asked when the segments are through */
    pln_engine *engine = build("moving");
    pln_context *context;
    pln_state_store *store;
    feed.random = 1;
    open_store(engine, &context, &store, 1 << 20); /* much more than is planned for */
    for (int run = 0; run < 5; run++) {
        const int length = (int)pln_state_store_length(store);
        for (int i = 0; i < HEADS * SIZE; i++) (&feed.history[length][0][0])[i] = (float)draw(&feed, 1000) / 1000;
        bind_all(context, &feed, length, 1, feed.x);
        assert_int_equal(pln_context_set_output_allocator(context, "early", end_run, run == 2 ? context : NULL), PLN_OK);
        if (run == 2) {
            assert_int_equal(pln_context_run(context), PLN_CANCELLED);
            assert_int_equal(pln_state_store_truncate(store, 1), PLN_OK);
            continue;
        }
        must_run(context);
        compare_with_fresh(engine, context, &feed, length + 1);
    }
    close_store(engine, context, store);
}

/* The strides of a state in a store are told: dense for no capacity but its own. */
static void test_strides(void **state)
{
    (void)state;
    static struct feed feed;
    pln_engine *engine = build("later_state");
    pln_context *context;
    pln_state_store *store;
    struct pln_buffer present;
    open_store(engine, &context, &store, CAPACITY);
    assert_int_equal(pln_context_bind_output(context, "present.0.key", &(struct pln_buffer){ .dtype = PLN_F32, .data = feed.x, .size_bytes = sizeof feed.x }), PLN_INVALID_ARGUMENT);
    bind_all(context, &feed, 0, 2, feed.x);
    must_run(context);
    assert_int_equal(pln_context_output(context, "present.0.key", &present), PLN_OK);
    if (present.memory == PLN_MEMORY_HOST) {
        assert_non_null(present.strides);
        assert_int_equal(present.strides[1], CAPACITY * SIZE);
        assert_int_equal(present.strides[2], SIZE);
        assert_int_equal(present.size_bytes, (CAPACITY * SIZE + 2 * SIZE) * sizeof(float));
    }
    close_store(engine, context, store);
}

/* One length cannot stand for states that grow by different amounts. */
static void test_unequal(void **state)
{
    (void)state;
    static struct feed feed;
    pln_engine *engine = build("unequal");
    pln_context *context;
    pln_state_store *store;
    struct pln_message message;
    open_store(engine, &context, &store, CAPACITY);
    bind_all(context, &feed, 0, 1, feed.x);
    assert_int_equal(pln_context_run(context), PLN_UNSUPPORTED);
    assert_int_equal(pln_diagnostics_get(pln_context_diagnostics(context), 0, &message), PLN_OK);
    assert_non_null(strstr(message.text, "different amounts"));
    assert_int_equal(pln_state_store_length(store), 0);
    const char *const wrong = "bacth";
    const int64_t one = 1;
    const struct pln_state_options misspelled = { .struct_size = sizeof misspelled, .capacity = 4, .dim_names = &wrong, .dim_values = &one, .dim_count = 1 };
    pln_state_store *none;
    assert_int_equal(pln_state_store_create(engine, &misspelled, NULL, &none), PLN_NOT_FOUND);
    assert_null(none);
    close_store(engine, context, store);
}

/* Memory that is bound twice: past and present in one dense buffer would be written before it is read. */
static void test_overlap(void **state)
{
    (void)state;
    static struct feed feed;
    static float memory[HEADS * CAPACITY * SIZE];
    pln_engine *engine = build("later_state");
    pln_context *context;
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    bind_all(context, &feed, 0, 1, feed.x);
    bind(context, "past_key_values.0.key", &(struct pln_buffer){ .dtype = PLN_F32, .rank = 4, .dims = { 1, HEADS, 3, SIZE }, .data = memory, .size_bytes = sizeof memory });
    assert_int_equal(pln_context_bind_output(context, "present.0.key", &(struct pln_buffer){ .dtype = PLN_F32, .data = memory, .size_bytes = sizeof memory }), PLN_OK);
    if (strcmp(device, "cpu") == 0) assert_int_equal(pln_context_run(context), PLN_INVALID_ARGUMENT); /* a device with memory of its own works on copies */
    assert_int_equal(pln_context_bind_output(context, "present.0.key", NULL), PLN_OK);
    assert_int_equal(pln_context_bind_output(context, "y", &(struct pln_buffer){ .dtype = PLN_F32, .data = feed.x, .size_bytes = sizeof feed.x }), PLN_OK);
    assert_int_equal(pln_context_run(context), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_context_bind_output(context, "y", NULL), PLN_OK);
    must_run(context);
    pln_context_destroy(context);
    pln_engine_release(engine);
}

int main(int argc, char **argv)
{
    if (argc > 1) device = argv[1];
    if (argc > 2) folder = argv[2];
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_models), cmocka_unit_test(test_strides), cmocka_unit_test(test_unequal), cmocka_unit_test(test_overlap), cmocka_unit_test(test_overlap_later), cmocka_unit_test(test_moved_and_back) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
