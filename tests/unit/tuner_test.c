/* The tuner with a measurer that is told what to say: what is measured, within which budget, and what is picked. And the measurer on the rows of the CPU. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "planish/network.h"
#include "test_alloc.h"
#include "tune/tuner.h"

#define MS 1000000.0

static void run_nothing(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)state;
    (void)first;
    (void)last;
    (void)scratch;
    (void)shared;
}

static const struct pln_kernel_family functions = { .name = "functions", .run = run_nothing, .packed_input = -1 }, device_code = { .name = "device_code", .packed_input = -1 };
static const struct pln_kernel a = { .name = "a", .family = &functions }, b = { .name = "b", .family = &functions }, far = { .name = "far", .family = &functions };
static const struct pln_kernel last = { .name = "last", .family = &functions, .flags = PLN_KERNEL_CHANNELS_LAST }, newer = { .name = "newer", .family = &functions, .needs = 2 },
                               code = { .name = "code", .family = &device_code };

/* What the measurer says of each row; 0: it cannot be measured. Every measurement takes `spends`. */
static struct {
    double a_ns, b_ns, far_ns, last_limit_ns;
    int64_t spends_ns;
    int count;
    int64_t sizes[32]; /* of the problems, in the order in which they were measured */
} fake;

static struct pln_measured measure(void *user, const struct pln_kernel *kernel, const struct pln_problem *problem, double limit_ns)
{
    assert_ptr_equal(user, &fake);
    assert_true(fake.count < 32);
    fake.sizes[fake.count++] = problem->inputs[0].dims[0];
    fake.last_limit_ns = limit_ns;
    return (struct pln_measured){ kernel == &a ? fake.a_ns : kernel == &b ? fake.b_ns : fake.far_ns, fake.spends_ns };
}

static const struct pln_attrs no_attrs;

struct given {
    int64_t size;
    struct pln_candidate candidates[4];
    size_t n;
    size_t picked; /* result */
};

static void see(pln_lower_pick pick, struct pln_tuner *tuner, struct given *given, struct pln_operand operands[2])
{
    for (int i = 0; i < 2; i++) operands[i] = (struct pln_operand){ .present = true, .dtype = PLN_F32, .rank = 1, .dims = { given->size } };
    const struct pln_problem problem = { .op = 1, .attrs = &no_attrs, .n_inputs = 1, .n_outputs = 1, .inputs = operands, .outputs = operands + 1 };
    given->picked = pick(tuner, &problem, given->candidates, given->n);
}

/* A build of these problems. */
static struct pln_tuner_counts build(struct pln_timings *timings, bool full, uint64_t machine, int64_t budget_ns, struct given *given, size_t n)
{
    struct pln_tuner tuner;
    struct pln_operand operands[32][2], again[2];
    const struct pln_tuner_options options = { .full = full, .budget_ns = budget_ns, .features = 1, .machine = { .lo = machine }, .timings = timings, .measure = measure, .measure_user = &fake };
    pln_tuner_init(&tuner, &options, NULL);
    fake.count = 0;
    assert_true(n <= 32);
    for (size_t i = 0; i < n; i++) see(pln_tuner_collect, &tuner, &given[i], operands[i]);
    assert_int_equal(pln_tuner_run(&tuner, NULL, NULL), PLN_OK);
    for (size_t i = 0; i < n; i++) see(pln_tuner_pick, &tuner, &given[i], again);
    const struct pln_tuner_counts counts = tuner.counts;
    pln_tuner_deinit(&tuner);
    return counts;
}

static void expect_counts(struct pln_tuner_counts counts, int measured, int found, int estimated)
{
    assert_int_equal(counts.measured, measured);
    assert_int_equal(counts.found, found);
    assert_int_equal(counts.estimated, estimated);
}

#define GIVEN(size, ...) { size, { __VA_ARGS__ }, sizeof((struct pln_candidate[]){ __VA_ARGS__ }) / sizeof(struct pln_candidate), 99 }

static void test_fastest(void **state)
{
    (void)state;
    struct pln_timings timings;
    struct given given[] = { GIVEN(4, { &a, 10 }, { &b, 20 }), GIVEN(4, { &a, 10 }, { &b, 20 }), GIVEN(5, { &a, 10 }) };
    pln_timings_init(&timings, NULL);
    fake.a_ns = 100;
    fake.b_ns = 50;
    expect_counts(build(&timings, false, 1, 1000, given, 3), 1, 0, 0);
    assert_int_equal(fake.count, 2); /* equal problems once, one row alone not at all */
    assert_true(fake.last_limit_ns == 100);
    assert_int_equal(given[0].picked, 1);
    assert_int_equal(given[1].picked, 1);
    assert_int_equal(given[2].picked, 0);
    /* The next build has them; another machine does not. */
    fake.b_ns = 200;
    expect_counts(build(&timings, false, 1, 1000, given, 3), 0, 1, 0);
    assert_int_equal(fake.count, 0);
    assert_int_equal(given[0].picked, 1);
    expect_counts(build(&timings, false, 2, 1000, given, 3), 1, 0, 0);
    assert_int_equal(given[0].picked, 0);
    /* A gain within the unrest of the machine is none. */
    fake.b_ns = 97;
    build(&timings, false, 3, 1000, given, 3);
    assert_int_equal(given[0].picked, 0);
    pln_timings_deinit(&timings);
}

static void test_contenders(void **state)
{
    (void)state;
    struct pln_timings timings;
    struct given given[] = { GIVEN(4, { &a, 10 }, { &far, 31 }), GIVEN(5, { &a, 10 }, { &last, 11 }), GIVEN(6, { &a, 10 }, { &newer, 11 }), GIVEN(7, { &a, 10 }, { &code, 11 }) };
    pln_timings_init(&timings, NULL);
    fake.a_ns = 100;
    fake.far_ns = 10;
    expect_counts(build(&timings, false, 1, 1000, given, 4), 0, 0, 2);
    for (int i = 0; i < 4; i++) assert_int_equal(given[i].picked, 0);
    expect_counts(build(&timings, true, 1, 1000, given, 4), 1, 0, 2); /* those far off, too */
    assert_int_equal(given[0].picked, 1);
    for (int i = 1; i < 4; i++) assert_int_equal(given[i].picked, 0);
    pln_timings_deinit(&timings);
}

static void test_budget(void **state)
{
    (void)state;
    struct pln_timings timings;
    struct given given[] = { GIVEN(1, { &a, 10 * MS }, { &b, 11 * MS }), GIVEN(2, { &a, 40 * MS }, { &b, 41 * MS }), GIVEN(3, { &a, 20 * MS }, { &b, 21 * MS }),
                             GIVEN(1, { &a, 10 * MS }, { &b, 11 * MS }), GIVEN(1, { &a, 10 * MS }, { &b, 11 * MS }), GIVEN(4, { &a, 900 * MS }, { &b, 901 * MS }) };
    pln_timings_init(&timings, NULL);
    fake.a_ns = 10;
    fake.b_ns = 1;
    fake.spends_ns = (int64_t)(400 * MS);
    /* The heaviest would take too long; then what takes most of a run, as long as there is time. */
    expect_counts(build(&timings, false, 1, (int64_t)(1700 * MS), given, 6), 2, 0, 2);
    const int64_t order[] = { 2, 2, 1, 1 };
    assert_int_equal(fake.count, 4);
    for (int i = 0; i < 4; i++) assert_int_equal(fake.sizes[i], order[i]);
    const size_t picked[] = { 1, 1, 0, 1, 1, 0 };
    for (int i = 0; i < 6; i++) assert_int_equal(given[i].picked, picked[i]);
    /* The next build does as this one did, though there would be time now. */
    expect_counts(build(&timings, false, 1, (int64_t)(9000 * MS), given, 6), 0, 2, 2);
    assert_int_equal(fake.count, 0);
    for (int i = 0; i < 6; i++) assert_int_equal(given[i].picked, picked[i]);
    /* Who wants all gets the rest. */
    expect_counts(build(&timings, true, 1, (int64_t)(9000 * MS), given, 6), 2, 2, 0);
    assert_int_equal(fake.count, 4);
    for (int i = 0; i < 6; i++) assert_int_equal(given[i].picked, 1);
    fake.spends_ns = 0;
    pln_timings_deinit(&timings);
}

static void test_cannot_be_measured(void **state)
{
    (void)state;
    struct pln_timings timings;
    struct given given[] = { GIVEN(4, { &a, 10 }, { &b, 20 }), GIVEN(-1, { &a, 10 }, { &b, 20 }) };
    pln_timings_init(&timings, NULL);
    fake.a_ns = 100;
    fake.b_ns = 0;
    expect_counts(build(&timings, false, 1, 1000, given, 2), 0, 0, 2);
    assert_int_equal(fake.count, 2);
    assert_int_equal(given[0].picked, 0);
    assert_int_equal(given[1].picked, 0);
    expect_counts(build(&timings, false, 1, 1000, given, 2), 0, 0, 2);
    assert_int_equal(fake.count, 0);
    pln_timings_deinit(&timings);
}

static enum pln_status stop(void *user, const char *phase, uint64_t done, uint64_t total)
{
    (void)user;
    assert_string_equal(phase, "measure kernels");
    assert_int_equal(total, 2);
    return done == 1 ? PLN_CANCELLED : PLN_OK;
}

static void test_cancelled(void **state)
{
    (void)state;
    struct pln_tuner tuner;
    struct pln_timings timings;
    struct pln_operand operands[2][2];
    struct given given[] = { GIVEN(4, { &a, 10 }, { &b, 20 }), GIVEN(5, { &a, 10 }, { &b, 20 }) };
    const struct pln_watch watch = { stop, NULL };
    pln_timings_init(&timings, NULL);
    const struct pln_tuner_options options = { .budget_ns = 1000, .timings = &timings, .measure = measure, .measure_user = &fake };
    pln_tuner_init(&tuner, &options, NULL);
    fake.count = 0;
    fake.b_ns = 1;
    for (int i = 0; i < 2; i++) see(pln_tuner_collect, &tuner, &given[i], operands[i]);
    assert_int_equal(pln_tuner_run(&tuner, &watch, NULL), PLN_CANCELLED);
    assert_int_equal(fake.count, 2);
    pln_tuner_deinit(&tuner);
    pln_timings_deinit(&timings);
}

/* ---- measuring ---- */

/* Every row of the CPU that takes [m,k] x [k,n]. false: no memory was left for some. */
static bool measure_rows(const struct pln_allocator *alloc, int64_t k, bool fits)
{
    struct pln_measurer measurer;
    const struct pln_backend *cpu;
    int ordinal, n = 0;
    bool all = true;
    assert_int_equal(pln_backend_find("cpu", NULL, &cpu, &ordinal), PLN_OK);
    if (pln_measurer_open(&measurer, cpu, pln_pool_shared(), alloc, NULL) != PLN_OK) return false;
    const struct pln_operand inputs[2] = { { .present = true, .dtype = PLN_F32, .rank = 2, .dims = { 7, 33 } }, { .present = true, .constant = true, .known = true, .dtype = PLN_F32, .rank = 2, .dims = { k, 19 } } };
    const struct pln_operand output = { .present = true, .dtype = PLN_F32, .rank = 2, .dims = { 7, 19 } };
    const struct pln_problem problem = { .op = PLN_OP_MATMUL, .attrs = &no_attrs, .n_inputs = 2, .n_outputs = 1, .inputs = inputs, .outputs = &output, .features = pln_cpu_features() };
    assert_true(pln_measure_can(&problem));
    for (const struct pln_kernel *const *row = cpu->kernels; *row; row++) {
        if ((*row)->op != PLN_OP_MATMUL || ((*row)->needs & ~pln_cpu_features()) || (*row)->family->supports(*row, &problem)) continue;
        const struct pln_measured measured = pln_measure(&measurer, *row, &problem, 0);
        all = all && measured.ns > 0;
        if (!fits) assert_true(measured.ns == 0);
        n++;
    }
    assert_true(n > 0 || !fits);
    pln_measurer_close(&measurer);
    return all;
}

static void test_measure(void **state)
{
    (void)state;
    assert_true(measure_rows(NULL, 33, true));
    measure_rows(NULL, 34, false); /* extents that do not fit together: prepare says so */
    bool all = false;
    for (long i = 1; !all; i++) {
        struct test_alloc alloc;
        test_alloc_init(&alloc, i);
        all = measure_rows(&alloc.base, 33, true);
        assert_int_equal(alloc.live, 0);
    }
}

static void test_what_can_be_measured(void **state)
{
    (void)state;
    struct pln_operand input = { .present = true, .dtype = PLN_F32, .rank = 1, .dims = { 5 } };
    const struct pln_operand output = input;
    const struct pln_problem problem = { .n_inputs = 1, .n_outputs = 1, .inputs = &input, .outputs = &output };
    assert_true(pln_measure_can(&problem));
    input.dims[0] = 0;
    assert_false(pln_measure_can(&problem));
    input.dims[0] = INT64_MAX;
    assert_false(pln_measure_can(&problem));
    input = output;
    input.dtype = PLN_I64;
    assert_false(pln_measure_can(&problem));
    input.dtype = PLN_STR;
    assert_false(pln_measure_can(&problem));
    input = output;
    input.rank = -1;
    assert_false(pln_measure_can(&problem));
    input.present = false;
    assert_true(pln_measure_can(&problem));
}

/* ---- a build ---- */

static pln_network *make_network(void)
{
    static float w[4 * 32];
    static const int64_t w_dims[2] = { 4, 32 }, x_dims[2] = { -1, 4 };
    static const char *const names[2] = { "batch", NULL }, *const inputs[] = { "x", "w" };
    static const char *const output = "y";
    pln_network *network = pln_network_create("tuned", 17);
    pln_network_add_input(network, "x", PLN_F32, 2, x_dims, names);
    pln_network_add_weights(network, "w", PLN_F32, 2, w_dims, w);
    pln_network_add_node(network, &(struct pln_network_node){ .op_type = "MatMul", .inputs = inputs, .input_count = 2, .outputs = &output, .output_count = 1 });
    pln_network_add_output(network, "y", PLN_DTYPE_NONE, -1, NULL, NULL);
    return network;
}

/* Whatever rows this machine has: its choice is reported, and nothing is when it is not tuned. */
static void test_build(void **state)
{
    (void)state;
    pln_network *network = make_network();
    for (int tune = PLN_TUNE_OFF; tune <= PLN_TUNE_FULL + 1; tune++) {
        pln_engine *engine = NULL;
        struct pln_tune_report report = { 0 };
        const struct pln_build_options options = { .struct_size = sizeof options, .tune = (enum pln_tune)tune, .tune_report = &report };
        assert_int_equal(pln_build_network(network, &options, &engine), tune > PLN_TUNE_FULL ? PLN_INVALID_ARGUMENT : PLN_OK);
        assert_int_equal(report.found, 0); /* nothing is kept */
        if (tune == PLN_TUNE_OFF || tune > PLN_TUNE_FULL) assert_int_equal(report.measured + report.estimated, 0);
        else assert_true(report.measured + report.estimated <= 1);
        pln_engine_release(engine);
    }
    pln_network_destroy(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fastest),   cmocka_unit_test(test_contenders), cmocka_unit_test(test_budget),
        cmocka_unit_test(test_cancelled), cmocka_unit_test(test_measure),    cmocka_unit_test(test_cannot_be_measured),
        cmocka_unit_test(test_what_can_be_measured), cmocka_unit_test(test_build),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
