/* Ensembles of decision trees, from tables (kernel/trees.h). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/scores.h"
#include "kernel/trees.h"
#include "tests/kernels/attempt.h"

#define DIMS(...)     \
    (const int64_t[]) \
    {                 \
        __VA_ARGS__   \
    }
#define WORDS_MOST 20000

/* What a table is made of: complete trees of this depth, `votes` votes a leaf. */
struct forest {
    int trees, depth, features, targets, votes;
    int mode; /* PLN_TREES_MIXED: every one */
};

static int32_t bits_of(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static int32_t next_number(void)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u; /* Numerical Recipes' quick generator */
    return (int32_t)(state >> 8);
}

/* Returns the number of words. Node i of a complete tree has 2 i + 1 and 2 i + 2 behind it. */
static int64_t make_table(const struct forest *f, int32_t *words)
{
    const int32_t inner = (1 << f->depth) - 1, leaves = 1 << f->depth;
    const int32_t header[PLN_TREES_HEADER] = { PLN_TREES_VERSION, inner * f->trees, leaves * f->trees, leaves * f->trees * f->votes, f->trees, f->features, f->mode, 0 };
    int32_t *to = words;
    memcpy(to, header, sizeof header);
    to += PLN_TREES_HEADER;
    for (int32_t t = 0; t < f->trees; t++)
        for (int32_t i = 0; i < inner; i++) {
            const uint32_t mode = f->mode == PLN_TREES_MIXED ? (uint32_t)next_number() % 6 : (uint32_t)f->mode;
            const uint32_t what = (uint32_t)(next_number() % f->features) | mode << 28 | (uint32_t)(next_number() & 1) << 31;
            memcpy(to++, &what, sizeof what);
            *to++ = bits_of((float)(next_number() % 200 - 100) / 100.0f);
            for (int32_t side = 1; side <= 2; side++) {
                const int32_t next = 2 * i + side;
                *to++ = next < inner ? t * inner + next : ~(t * leaves + next - inner);
            }
        }
    for (int32_t i = 0; i <= leaves * f->trees; i++) *to++ = i * f->votes;
    for (int32_t i = 0; i < leaves * f->trees * f->votes; i++) {
        *to++ = next_number() % f->targets;
        *to++ = bits_of((float)(next_number() % 200 - 100) / 50.0f);
    }
    for (int32_t t = 0; t < f->trees; t++) *to++ = inner > 0 ? t * inner : ~t;
    assert_true(to - words <= WORDS_MOST);
    return to - words;
}

static void set_int(struct kernel_case *c, const char *name, int64_t value)
{
    assert_true(pln_attrs_set_int(&c->attrs, &c->arena, name, value));
}

static void run_one(const struct forest *f, int64_t rows, enum fill fill, int aggregate, int transform, int split, bool labels)
{
    static int32_t words[WORDS_MOST];
    static const int64_t names[] = { 5, -7, 9, 1 };
    static const float base[] = { 0.5f, -0.25f, 1, 0 };
    struct kernel_case c;
    kernel_case_init(&c, "trees", PLN_OP_TREES, 0);
    kernel_case_input(&c, rows < 0 ? 1 : 2, rows < 0 ? DIMS(f->features + 1) : DIMS(rows, f->features + 1))->fill = fill;
    struct case_input *table = kernel_case_input(&c, 1, DIMS(make_table(f, words)));
    table->dtype = PLN_I32;
    table->constant = true;
    table->values = words;
    set_int(&c, "n_targets", f->targets);
    set_int(&c, "aggregate", aggregate);
    set_int(&c, "transform", transform);
    set_int(&c, "split", split);
    if (labels) assert_true(pln_attrs_set_ints(&c.attrs, &c.arena, "labels", names, f->targets));
    const struct pln_attr attr = { .name = "base", .kind = PLN_ATTR_FLOATS, .n = f->targets, .u.floats = base };
    if (f->trees & 1) assert_true(pln_attrs_set(&c.attrs, &c.arena, &attr));
    c.n_outputs = labels ? 2 : 1;
    c.rtol = 1e-6;
    c.atol = 1e-7;
    kernel_case_run(&c);
    kernel_case_deinit(&c);
}

static void trees(void **state)
{
    (void)state;
    static const int64_t rows[] = { 1, 0, 63, 64, 65, 200, -1 };
    for (int mode = 0; mode <= PLN_TREES_MIXED; mode++)
        for (size_t i = 0; i < PLN_COUNT_OF(rows) && mode != 6; i++) {
            run_one(&(struct forest){ 5, 4, 7, 1, 1, mode }, rows[i], FILL_PLAIN, PLN_TREES_SUM, PLN_TRANSFORM_NONE, 0, false);
            run_one(&(struct forest){ 4, 3, 2, 3, 2, mode }, rows[i], FILL_SPECIAL, (int)(i % 4), (int)(i % PLN_TRANSFORM_COUNT), 0, false);
            run_one(&(struct forest){ 3, 2, 4, 4, 1, mode }, rows[i], FILL_SPECIAL, PLN_TREES_SUM, PLN_TRANSFORM_SOFTMAX, 0, true);
            for (int split = 1; split <= 2; split++)
                for (int transform = 0; transform < PLN_TRANSFORM_PROBIT; transform++)
                    run_one(&(struct forest){ 2, 2, 4, 2, 1, mode }, rows[i], FILL_PLAIN, PLN_TREES_SUM, transform, split, true);
        }
    run_one(&(struct forest){ 6, 0, 1, 2, 3, PLN_TREES_LEQ }, 3, FILL_PLAIN, PLN_TREES_AVERAGE, PLN_TRANSFORM_NONE, 0, false);
    run_one(&(struct forest){ 0, 0, 1, 2, 1, PLN_TREES_LEQ }, 3, FILL_PLAIN, PLN_TREES_AVERAGE, PLN_TRANSFORM_NONE, 0, true);
    assert_int_equal(kernel_rows_untested(PLN_OP_TREES), 0);
}

/* No table, however wrong, makes a walk leave it: each word is changed to some numbers, and what is still a table is walked. */
static void damaged_tables(void **state)
{
    (void)state;
    static int32_t words[WORDS_MOST];
    static const int32_t wrong[] = { -1, 0, 1, 2, 7, 1000, INT32_MAX, INT32_MIN };
    const struct forest forest = { 2, 2, 3, 2, 1, PLN_TREES_MIXED };
    const int64_t n = make_table(&forest, words);
    struct pln_trees t;
    assert_true(pln_trees_open(words, n, forest.targets, &t));
    assert_false(pln_trees_open(words, n - 1, forest.targets, &t));
    assert_false(pln_trees_open(words, n + 1, forest.targets, &t));
    assert_false(pln_trees_open(words, 0, forest.targets, &t));
    assert_false(pln_trees_open(words, n, 1, &t));
    for (int64_t i = 0; i < n; i++)
        for (size_t k = 0; k < PLN_COUNT_OF(wrong); k++) {
            const int32_t old = words[i];
            words[i] = wrong[k];
            if (pln_trees_open(words, n, forest.targets, &t) && t.n_features < 1000) {
                static float row[1000];
                for (int32_t r = 0; r < t.n_roots; r++) {
                    const int32_t leaf = pln_trees_walk(t.nodes, t.roots[r], row, t.mode);
                    assert_true(leaf >= 0 && leaf < t.n_leaves && t.firsts[leaf] <= t.firsts[leaf + 1] && t.firsts[leaf + 1] <= t.n_votes);
                }
            }
            words[i] = old;
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trees),
        cmocka_unit_test(damaged_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
