/* Random numbers: those of a seed are NumPy's, and drawn ones have the distribution that was asked for. The seeds of the statistics are fixed, so that a
 * bound of five standard deviations never fails by chance. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "ref_run.h"

static void set_floats(struct ref_run *run, float seed, const char *first, float a, const char *second, float b)
{
    assert_true(pln_attrs_set_float(&run->attrs, &run->arena, "seed", seed));
    if (first) assert_true(pln_attrs_set_float(&run->attrs, &run->arena, first, a));
    if (second) assert_true(pln_attrs_set_float(&run->attrs, &run->arena, second, b));
}

/* n doubles of a distribution, which live as long as the run. */
static const double *draw(struct ref_run *run, enum pln_random_kind kind, int64_t n)
{
    assert_true(pln_attrs_set_int(&run->attrs, &run->arena, "dtype", PLN_F64));
    assert_true(pln_attrs_set_ints(&run->attrs, &run->arena, "shape", &n, 1));
    assert_int_equal(ref_call(run, PLN_OP_RANDOM, kind, 1), PLN_OK);
    assert_int_equal(run->outputs[0]->tensor.dtype, PLN_F64);
    assert_int_equal(pln_tensor_count(&run->outputs[0]->tensor), n);
    return run->outputs[0]->tensor.data;
}

/* numpy.random.RandomState(seed).rand(3), .randn(3), of NumPy 1.26 */
static void test_seeds_give_the_numbers_of_numpy(void **state)
{
    static const struct {
        enum pln_random_kind kind;
        float seed;
        double want[3];
    } rows[] = {
        { PLN_RANDOM_UNIFORM, 0, { 0.5488135039273248, 0.7151893663724195, 0.6027633760716439 } },
        { PLN_RANDOM_UNIFORM, 12345, { 0.9296160928171479, 0.3163755545817859, 0.18391881167709445 } },
        { PLN_RANDOM_NORMAL, 0, { 1.764052345967664, 0.4001572083672233, 0.9787379841057392 } },
        { PLN_RANDOM_NORMAL, 12345, { -0.20470765948471295, 0.47894333805754824, -0.5194387150567381 } },
    };
    (void)state;
    for (size_t i = 0; i < PLN_COUNT_OF(rows); i++) {
        struct ref_run run;
        ref_begin(&run);
        set_floats(&run, rows[i].seed, NULL, 0, NULL, 0);
        const double *got = draw(&run, rows[i].kind, 3);
        for (int k = 0; k < 3; k++) assert_true(fabs(got[k] - rows[i].want[k]) < 1e-15);
        ref_end(&run);
    }
}

/* Seeds that NumPy does not take, negative and broken ones, tell streams apart as well; the same one gives the same. */
static void test_every_seed_has_a_stream(void **state)
{
    static const float seeds[] = { 0, 1, 0.25f, 0.5f, -1, -2, 1e20f, (float)INFINITY };
    double first[PLN_COUNT_OF(seeds)];
    (void)state;
    for (size_t i = 0; i < PLN_COUNT_OF(seeds); i++) {
        for (int again = 0; again < 2; again++) {
            struct ref_run run;
            ref_begin(&run);
            set_floats(&run, seeds[i], NULL, 0, NULL, 0);
            const double *got = draw(&run, PLN_RANDOM_UNIFORM, 2);
            if (again) assert_true(memcmp(got, &first[i], sizeof *got) == 0);
            first[i] = got[0];
            ref_end(&run);
        }
        for (size_t k = 0; k < i; k++) assert_true(memcmp(&first[i], &first[k], sizeof *first) != 0);
    }
}

static void test_uniform_and_normal_numbers_have_their_moments(void **state)
{
    enum { N = 200000 };
    (void)state;
    for (int normal = 0; normal < 2; normal++) {
        struct ref_run run;
        double sum = 0, squares = 0, fourth = 0;
        ref_begin(&run);
        if (normal) set_floats(&run, 7, "mean", 3, "scale", 2);
        else set_floats(&run, 7, "low", -1, "high", 5);
        const double *got = draw(&run, normal ? PLN_RANDOM_NORMAL : PLN_RANDOM_UNIFORM, N);
        for (int i = 0; i < N; i++) sum += got[i];
        const double mean = sum / N, wanted_mean = normal ? 3 : 2, variance = normal ? 4 : 3;
        for (int i = 0; i < N; i++) {
            const double d = (got[i] - wanted_mean) * (got[i] - wanted_mean);
            squares += d;
            fourth += d * d;
            if (!normal) assert_true(got[i] >= -1 && got[i] < 5);
        }
        const double kurtosis = fourth / N / (variance * variance);
        assert_true(fabs(mean - wanted_mean) < 5 * sqrt(variance / N));
        assert_true(fabs(squares / N / variance - 1) < 5 * sqrt((normal ? 2.0 : 0.8) / N));
        assert_true(fabs(kurtosis - (normal ? 3 : 1.8)) < 0.06);
        ref_end(&run);
    }
}

/* Each of five probabilities 40,000 times; 0 and 1 are certain. */
static void test_bernoulli_hits_as_often_as_its_probability_says(void **state)
{
    enum { N = 40000, KINDS = 5 };
    static const float probabilities[KINDS] = { 0, 0.01f, 0.3f, 0.75f, 1 };
    static float input[KINDS * N];
    int64_t hits[KINDS] = { 0 };
    struct ref_run run;
    (void)state;
    for (int i = 0; i < KINDS * N; i++) input[i] = probabilities[i % KINDS];
    ref_begin(&run);
    ref_vector(&run, PLN_F32, (int64_t)KINDS * N, input);
    set_floats(&run, 3, NULL, 0, NULL, 0);
    assert_int_equal(ref_call(&run, PLN_OP_RANDOM, PLN_RANDOM_BERNOULLI, 1), PLN_OK);
    const float *got = run.outputs[0]->tensor.data;
    for (int i = 0; i < KINDS * N; i++) {
        assert_true(got[i] > 0.5f ? got[i] < 1.5f && got[i] > 0.99f : got[i] < 0.01f && got[i] > -0.01f);
        hits[i % KINDS] += got[i] > 0.5f;
    }
    for (int k = 0; k < KINDS; k++) {
        const double p = (double)probabilities[k];
        assert_true(fabs((double)hits[k] - N * p) <= 5 * sqrt(N * p * (1 - p)));
    }
    ref_end(&run);
}

/* Logarithms of weights 1, 2, 4, 0 (which never comes), shifted by a number that must not matter. */
static void test_multinomial_draws_in_proportion(void **state)
{
    enum { N = 70000 };
    float weights[2][4] = { { 0, 0.6931472f, 1.3862944f, -(float)INFINITY }, { 100, 100.6931472f, 101.3862944f, -(float)INFINITY } };
    struct ref_run run;
    (void)state;
    ref_begin(&run);
    ref_input(&run, PLN_F32, 2, (int64_t[]){ 2, 4 }, weights);
    set_floats(&run, 5, NULL, 0, NULL, 0);
    assert_true(pln_attrs_set_int(&run.attrs, &run.arena, "sample_size", N));
    assert_int_equal(ref_call(&run, PLN_OP_RANDOM, PLN_RANDOM_MULTINOMIAL, 1), PLN_OK);
    const int32_t *got = run.outputs[0]->tensor.data;
    for (int b = 0; b < 2; b++) {
        int64_t count[4] = { 0 };
        for (int i = 0; i < N; i++) {
            assert_in_range(got[b * N + i], 0, 3);
            count[got[b * N + i]]++;
        }
        for (int c = 0; c < 3; c++) {
            const double p = (1 << c) / 7.0;
            assert_true(fabs((double)count[c] - N * p) <= 5 * sqrt(N * p * (1 - p)));
        }
        assert_int_equal(count[3], 0);
    }
    ref_end(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seeds_give_the_numbers_of_numpy),
        cmocka_unit_test(test_every_seed_has_a_stream),
        cmocka_unit_test(test_uniform_and_normal_numbers_have_their_moments),
        cmocka_unit_test(test_bernoulli_hits_as_often_as_its_probability_says),
        cmocka_unit_test(test_multinomial_draws_in_proportion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
