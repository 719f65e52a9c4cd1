/* Attention: masks, groups of heads, blocks of keys, and rows whose softmax is not a number. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tensor/convert.h"
#include "tests/kernels/harness.h"

enum { BATCH = 2, HEADS = 4, GROUPS = 2, SIZE = 5, VALUES = 9, MOST_QUERIES = 33, MOST_KEYS = 600 };

/* What is wrong with the operands of a case; key 0 stands in the first block of keys, key t - 1 in the last. */
enum poison {
    PLAIN,
    NAN_QUERY,
    INF_QUERY,
    NAN_FIRST_KEY,
    NAN_LAST_KEY,
    NAN_FIRST_BLOCK,
    NAN_KEYS,
    INF_FIRST_KEY,
    INF_LAST_KEY,
    NAN_VALUE,
    INF_VALUE,
    POISONS
};

enum mask { NO_MASK, ADDED, ADDED_BLOCK, ADDED_ROW, ADDED_NAN, ADDED_INF, BOOLS, BOOLS_ROW, BOOLS_KEYS, MASKS };

struct operands {
    float q[BATCH * HEADS * MOST_QUERIES * SIZE], k[BATCH * GROUPS * MOST_KEYS * SIZE], v[BATCH * GROUPS * MOST_KEYS * VALUES];
    float added[BATCH * MOST_QUERIES * MOST_KEYS];
    uint8_t bools[BATCH * MOST_QUERIES * MOST_KEYS];
};

static struct operands operands;

/* Queries, keys and values in a type of two bytes. */
static struct {
    uint16_t q[PLN_COUNT_OF(operands.q)], k[PLN_COUNT_OF(operands.k)], v[PLN_COUNT_OF(operands.v)];
} narrow;

static const void *narrowed(const float *x, size_t n, enum pln_dtype dtype, uint16_t *out)
{
    if (dtype == PLN_F32) return x;
    for (size_t i = 0; i < n; i++) out[i] = dtype == PLN_F16 ? pln_f32_to_f16(x[i]) : pln_f32_to_bf16(x[i]);
    return out;
}

static void fill(float *x, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++) x[i] = (float)((i * 7919 + seed) % 1999) / 1000.0f - 1.0f;
}

/* One head of one batch row is poisoned, the other ones are not. */
static void poison_operands(enum poison poison, int64_t queries, int64_t keys)
{
    struct operands *o = &operands;
    float *q = o->q + (HEADS + 1) * queries * SIZE + queries / 2 * SIZE, *k = o->k + GROUPS * keys * SIZE, *v = o->v + GROUPS * keys * VALUES;
    fill(o->q, PLN_COUNT_OF(o->q), 1);
    fill(o->k, PLN_COUNT_OF(o->k), 2);
    fill(o->v, PLN_COUNT_OF(o->v), 3);
    switch (poison) {
    case PLAIN:
    case POISONS: break;
    case NAN_QUERY: q[2] = NAN; break;
    case INF_QUERY: q[2] = INFINITY; break;
    case NAN_FIRST_KEY: k[1] = NAN; break;
    case NAN_LAST_KEY: k[(keys - 1) * SIZE + 4] = NAN; break;
    case NAN_FIRST_BLOCK:
        for (int64_t j = 0; j < PLN_MIN(keys, 64); j++) k[j * SIZE] = NAN;
        break;
    case NAN_KEYS:
        for (int64_t j = 0; j < keys; j++) k[j * SIZE] = NAN;
        break;
    case INF_FIRST_KEY: k[1] = INFINITY; break;
    case INF_LAST_KEY: k[(keys - 1) * SIZE + 4] = -INFINITY; break;
    case NAN_VALUE: v[keys / 2 * VALUES + 3] = NAN; break;
    case INF_VALUE: v[keys / 2 * VALUES + 8] = INFINITY; break;
    }
}

static void make_mask(enum mask mask, int64_t queries, int64_t keys)
{
    struct operands *o = &operands;
    fill(o->added, PLN_COUNT_OF(o->added), 4);
    for (int64_t b = 0; b < BATCH; b++)
        for (int64_t i = 0; i < queries; i++)
            for (int64_t j = 0; j < keys; j++) {
                int64_t at = (b * queries + i) * keys + j;
                bool row = i == queries / 2, shut = mask == ADDED_BLOCK ? j < 64 && keys > 64 : mask == ADDED_ROW ? row : j % 5 == 3;
                if (shut) o->added[at] = -INFINITY;
                if (row && j == keys / 2 && mask == ADDED_NAN) o->added[at] = NAN;
                if (row && j == keys - 1 && mask == ADDED_INF) o->added[at] = INFINITY;
                /* BOOLS_KEYS shuts out the keys that NAN_FIRST_BLOCK poisons. */
                o->bools[at] = mask == BOOLS_ROW ? !row : mask == BOOLS_KEYS ? j >= 64 : (i + j) % 3 > 0;
            }
}

struct variant {
    enum poison poison;
    enum mask mask;
    const char *undefined; /* NULL: not told */
    float masked_score;    /* 0: not told */
    bool causal;
};

static void add_input(struct kernel_case *c, const int64_t *dims, enum pln_dtype dtype, const void *values)
{
    struct case_input *input = kernel_case_input(c, 4, dims);
    input->dtype = dtype;
    input->values = values;
}

static void run_typed(const struct variant *v, int64_t queries, int64_t keys, enum pln_dtype dtype)
{
    struct kernel_case c;
    char name[96];
    snprintf(name, sizeof name, "attention %s %lldx%lld, poison %d, mask %d, %s, %g%s", pln_dtype_name(dtype), (long long)queries, (long long)keys, v->poison, v->mask,
             v->undefined ? v->undefined : "-", (double)v->masked_score, v->causal ? ", causal" : "");
    poison_operands(v->poison, queries, keys);
    kernel_case_init(&c, name, PLN_OP_ATTENTION, 0);
    if (v->undefined) pln_attrs_set_string(&c.attrs, &c.arena, "undefined_rows", v->undefined, strlen(v->undefined));
    if (v->masked_score != 0) pln_attrs_set_float(&c.attrs, &c.arena, "masked_score", v->masked_score);
    if (v->causal) pln_attrs_set_int(&c.attrs, &c.arena, "is_causal", 1);
    add_input(&c, (const int64_t[]){ BATCH, HEADS, queries, SIZE }, dtype, narrowed(operands.q, PLN_COUNT_OF(operands.q), dtype, narrow.q));
    add_input(&c, (const int64_t[]){ BATCH, GROUPS, keys, SIZE }, dtype, narrowed(operands.k, PLN_COUNT_OF(operands.k), dtype, narrow.k));
    add_input(&c, (const int64_t[]){ BATCH, GROUPS, keys, VALUES }, dtype, narrowed(operands.v, PLN_COUNT_OF(operands.v), dtype, narrow.v));
    if (v->mask != NO_MASK) {
        make_mask(v->mask, queries, keys);
        struct case_input *mask = kernel_case_input(&c, 4, (const int64_t[]){ BATCH, 1, queries, keys });
        mask->dtype = v->mask >= BOOLS ? PLN_BOOL : PLN_F32;
        mask->values = v->mask >= BOOLS ? (const void *)operands.bools : (const void *)operands.added;
    }
    kernel_case_run(&c);
    kernel_case_deinit(&c);
}

/* Once in f32, and in one of the types that have rows of their own. */
static void run(const struct variant *v, int64_t queries, int64_t keys)
{
    static unsigned n_runs;
    run_typed(v, queries, keys, PLN_F32);
    run_typed(v, queries, keys, n_runs++ / 2 % 2 == 0 ? PLN_F16 : PLN_BF16); /* cases come in pairs */
}

/* The poison after this one. */
static enum poison next_poison(enum poison poison)
{
    return poison + (kernel_cases_few() ? NAN_FIRST_BLOCK - PLAIN : 1);
}

static const char *const meanings[] = { NULL, "op", "softmax", "guarded" };
static const int64_t key_counts[] = { 1, 63, 64, 65, 130 };

static void numbers(void **state)
{
    (void)state;
    static const int64_t query_counts[] = { 0, 1, 3, 4, 33 };
    for (size_t i = 0; i < PLN_COUNT_OF(query_counts); i++)
        for (size_t j = 0; j < PLN_COUNT_OF(key_counts); j++) {
            run(&(struct variant){ .causal = true }, query_counts[i], key_counts[j]);
            for (enum mask mask = NO_MASK; mask < MASKS; mask++)
                if (mask != ADDED_NAN && mask != ADDED_INF) run(&(struct variant){ .mask = mask }, query_counts[i], key_counts[j]);
        }
    for (int m = 0; m < 4; m++) run(&(struct variant){ .undefined = meanings[m] }, 3, 0);
}

/* Every meaning of a row whose softmax is not a number, with keys in one block and in several. */
static void rows_that_are_not_numbers(void **state)
{
    (void)state;
    for (size_t j = 0; j < PLN_COUNT_OF(key_counts); j++)
        for (int m = 0; m < 4; m++)
            for (enum mask mask = NO_MASK; mask < MASKS; mask++)
                for (enum poison poison = PLAIN; poison < POISONS; poison = next_poison(poison)) {
                    struct variant v = { .poison = poison, .mask = mask, .undefined = meanings[m] };
                    run(&v, 2, key_counts[j]); /* products of rows, one by one */
                    run(&v, 5, key_counts[j]); /* and by four */
                }
}

/* So many keys are shared out among blocks of a GPU. */
static void rows_of_many_keys(void **state)
{
    (void)state;
    for (int m = 1; m < 4; m++)
        for (enum mask mask = NO_MASK; mask < MASKS; mask++)
            for (enum poison poison = PLAIN; poison < POISONS; poison = next_poison(poison))
                run(&(struct variant){ .poison = poison, .mask = mask, .undefined = meanings[m] }, (m + (int)mask + (int)poison) % 2 ? 2 : 5, MOST_KEYS);
}

static void a_low_score_in_the_place_of_masked_ones(void **state)
{
    (void)state;
    for (size_t j = 0; j < PLN_COUNT_OF(key_counts); j++)
        for (enum mask mask = BOOLS; mask < MASKS; mask++)
            for (int m = 1; m < 4; m++) {
                run(&(struct variant){ NAN_FIRST_BLOCK, mask, meanings[m], -3.4028235e38f, false }, 5, key_counts[j]);
                run(&(struct variant){ NAN_QUERY, mask, meanings[m], -2.0f, false }, 3, key_counts[j]);
                run(&(struct variant){ PLAIN, mask, meanings[m], -1e4f, false }, 33, key_counts[j]);
            }
}

/* Values stay numbers here: whether those of hidden keys show is left open. */
static void causality_hides_what_comes(void **state)
{
    (void)state;
    for (size_t j = 0; j < PLN_COUNT_OF(key_counts); j++)
        for (int m = 0; m < 4; m++)
            for (enum poison poison = PLAIN; poison < NAN_VALUE; poison = next_poison(poison)) {
                run(&(struct variant){ poison, NO_MASK, meanings[m], 0, true }, 33, key_counts[j]);
                run(&(struct variant){ poison, ADDED_ROW, meanings[m], 0, true }, 33, key_counts[j]);
            }
    assert_int_equal(kernel_rows_untested(PLN_OP_ATTENTION), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(rows_that_are_not_numbers),
        cmocka_unit_test(rows_of_many_keys),
        cmocka_unit_test(a_low_score_in_the_place_of_masked_ones),
        cmocka_unit_test(causality_hides_what_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
