/* Runs that go on behind a return, on whatever device: mock_enqueue DEVICE. The mock's queue runs late and when it likes; the CPU's at once. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "planish/builder.h"
#include "planish/context.h"
#include "planish/network.h"

enum { MOST_ROWS = 9, WIDTH = 4, TABLE = 6 };

static const char *device = "mock";
static float table[TABLE * WIDTH];

/* y = table[ids] with ids: [n], y: [n, 4]; an index may be out of range. */
static pln_engine *build(void)
{
    static const int64_t ids_dims[1] = { -1 }, table_dims[2] = { TABLE, WIDTH };
    static const char *const names[1] = { "n" };
    static const char *const in[2] = { "table", "ids" }, *const mid[1] = { "rows" }, *const out[1] = { "y" };
    for (int i = 0; i < TABLE * WIDTH; i++) table[i] = (float)(i + 1);
    pln_network *network = pln_network_create("rows", 17);
    pln_network_add_input(network, "ids", PLN_I64, 1, ids_dims, names);
    pln_network_add_weights(network, "table", PLN_F32, 2, table_dims, table);
    pln_network_add_node(network, &(struct pln_network_node){ .op_type = "Gather", .name = "pick", .inputs = in, .input_count = 2, .outputs = mid, .output_count = 1 });
    pln_network_add_node(network, &(struct pln_network_node){ .op_type = "Neg", .name = "turn", .inputs = mid, .input_count = 1, .outputs = out, .output_count = 1 });
    pln_network_add_output(network, "y", PLN_DTYPE_NONE, -1, NULL, NULL);
    const struct pln_build_options options = { .struct_size = sizeof options, .device = device };
    pln_engine *engine = NULL;
    assert_int_equal(pln_build_network(network, &options, &engine), PLN_OK);
    pln_network_destroy(network);
    return engine;
}

/* One run: its input, its output, its fence. */
struct job {
    pln_context *context;
    pln_fence *done;
    int64_t ids[MOST_ROWS], n;
    float out[MOST_ROWS * WIDTH];
};

static void bind(struct job *job, int64_t n, int64_t first)
{
    for (int64_t i = 0; i < n; i++) job->ids[i] = (first + i) % TABLE;
    job->n = n;
    memset(job->out, 0, sizeof job->out);
    const struct pln_buffer in = { .dtype = PLN_I64, .rank = 1, .dims = { n }, .data = job->ids, .size_bytes = (size_t)n * sizeof *job->ids };
    const struct pln_buffer out = { .data = job->out, .size_bytes = sizeof job->out };
    assert_int_equal(pln_context_bind_input(job->context, "ids", &in), PLN_OK);
    assert_int_equal(pln_context_bind_output(job->context, "y", &out), PLN_OK);
}

static void start(struct job *job, pln_fence *const *wait_for)
{
    assert_int_equal(pln_fence_create(&job->done), PLN_OK);
    const struct pln_enqueue_options options = { .struct_size = sizeof options, .wait_for = wait_for, .wait_count = wait_for ? 1 : 0, .done = job->done };
    assert_int_equal(pln_context_enqueue(job->context, &options), PLN_OK);
}

static bool is_right(const struct job *job)
{
    bool right = true;
    for (int64_t i = 0; i < job->n * WIDTH; i++) right = right && job->out[i] == -table[job->ids[i / WIDTH] * WIDTH + i % WIDTH];
    return right;
}

static enum pln_status end(struct job *job)
{
    enum pln_status status = PLN_INTERNAL;
    assert_int_equal(pln_fence_wait(job->done, -1, &status), PLN_OK);
    pln_fence_destroy(job->done);
    return status;
}

static void job_init(struct job *job, pln_engine *engine)
{
    memset(job, 0, sizeof *job);
    assert_int_equal(pln_context_create(engine, NULL, &job->context), PLN_OK);
}

/* Results are there when the fence says so; on a device that runs late, not always before. */
static void test_late(void **state)
{
    static struct job job;
    pln_engine *engine = build();
    int late = 0;
    (void)state;
    job_init(&job, engine);
    for (int64_t i = 0; i < 60; i++) {
        bind(&job, 1 + i / 4 % MOST_ROWS, i);
        start(&job, NULL);
        late += !is_right(&job);
        assert_int_equal(end(&job), PLN_OK);
        assert_true(is_right(&job));
    }
    if (strcmp(device, "mock") == 0) assert_true(late > 5);
    if (strcmp(device, "cpu") == 0) assert_int_equal(late, 0);
    pln_context_destroy(job.context);
    pln_engine_release(engine);
}

/* One context's run waits for another's, and reads what that one wrote. */
static void test_chain(void **state)
{
    static struct job jobs[2];
    pln_engine *engine = build();
    (void)state;
    for (int k = 0; k < 2; k++) job_init(&jobs[k], engine);
    for (int64_t i = 0; i < 20; i++) {
        bind(&jobs[0], 5, i);
        bind(&jobs[1], 3, i + 1);
        start(&jobs[0], NULL);
        start(&jobs[1], &jobs[0].done);
        assert_true(is_right(&jobs[0]));
        assert_int_equal(end(&jobs[1]), PLN_OK);
        assert_int_equal(end(&jobs[0]), PLN_OK);
        assert_true(is_right(&jobs[1]));
    }
    for (int k = 0; k < 2; k++) pln_context_destroy(jobs[k].context);
    pln_engine_release(engine);
}

/* What a context is asked while a run is under way waits for it, where it has to. */
static void test_next_calls(void **state)
{
    static struct job job, other;
    struct pln_buffer out;
    enum pln_status status = PLN_INTERNAL;
    pln_engine *engine = build();
    (void)state;
    for (int i = 0; i < 10; i++) {
        job_init(&job, engine);
        bind(&job, 7, i);
        start(&job, NULL);
        assert_int_equal(pln_context_output(job.context, "y", &out), PLN_OK); /* it is in host memory */
        assert_true(is_right(&job));
        assert_int_equal(pln_fence_wait(job.done, 0, &status), PLN_OK);
        pln_fence_destroy(job.done);
        start(&job, NULL);
        pln_fence_destroy(job.done); /* nobody wants to know */
        other = job;
        bind(&other, 2, i + 3);
        start(&other, NULL); /* other shapes, at once */
        assert_int_equal(pln_context_run(job.context), PLN_OK);
        assert_true(is_right(&other));
        assert_int_equal(pln_fence_wait(other.done, 0, &status), PLN_OK);
        assert_int_equal(status, PLN_OK);
        pln_fence_destroy(other.done);
        start(&other, NULL);
        pln_context_destroy(job.context);
        assert_true(is_right(&other));
        assert_int_equal(end(&other), PLN_OK);
    }
    pln_engine_release(engine);
}

/* A failure of the run is the fence's, and over with it. */
static void test_failure(void **state)
{
    static struct job job;
    struct pln_message message;
    pln_engine *engine = build();
    (void)state;
    job_init(&job, engine);
    for (int i = 0; i < 10; i++) {
        bind(&job, 4, i);
        job.ids[2] = TABLE + 3;
        assert_int_equal(pln_fence_create(&job.done), PLN_OK);
        const struct pln_enqueue_options options = { .struct_size = sizeof options, .done = job.done };
        const enum pln_status at_once = pln_context_enqueue(job.context, &options);
        assert_int_equal(end(&job), PLN_INVALID_ARGUMENT);
        assert_true(at_once == PLN_OK || at_once == PLN_INVALID_ARGUMENT);
        assert_int_equal(pln_diagnostics_get(pln_context_diagnostics(job.context), 0, &message), PLN_OK);
        assert_non_null(strstr(message.text, "index"));
        bind(&job, 4, i);
        assert_int_equal(pln_context_run(job.context), PLN_OK);
        assert_true(is_right(&job));
    }
    pln_context_destroy(job.context);
    pln_engine_release(engine);
}

static void *wait_in_pieces(void *fence)
{
    enum pln_status status = PLN_INTERNAL;
    while (pln_fence_wait(fence, 10000, &status) != PLN_OK) continue;
    return status == PLN_OK ? fence : NULL;
}

/* Several threads wait for one run, some before it has begun. */
static void test_waiters(void **state)
{
    enum { WAITERS = 3 };
    static struct job job;
    pthread_t threads[WAITERS];
    pln_engine *engine = build();
    (void)state;
    job_init(&job, engine);
    for (int i = 0; i < 20; i++) {
        void *waited;
        bind(&job, 6, i);
        assert_int_equal(pln_fence_create(&job.done), PLN_OK);
        for (int k = 0; k < WAITERS; k++) assert_int_equal(pthread_create(&threads[k], NULL, wait_in_pieces, job.done), 0);
        const struct pln_enqueue_options options = { .struct_size = sizeof options, .done = job.done };
        assert_int_equal(pln_context_enqueue(job.context, &options), PLN_OK);
        for (int k = 0; k < WAITERS; k++) {
            pthread_join(threads[k], &waited);
            assert_ptr_equal(waited, job.done);
        }
        assert_true(is_right(&job));
        assert_int_equal(end(&job), PLN_OK);
    }
    pln_context_destroy(job.context);
    pln_engine_release(engine);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_late), cmocka_unit_test(test_chain), cmocka_unit_test(test_next_calls), cmocka_unit_test(test_failure), cmocka_unit_test(test_waiters),
    };
    if (argc > 1) device = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
