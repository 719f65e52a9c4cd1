#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "tensor/dim.h"

struct fixture {
    struct pln_arena arena;
    struct pln_dim_table table;
    struct pln_text text;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    pln_arena_init(&f->arena, NULL, 0);
    pln_dim_table_init(&f->table, &f->arena);
    pln_text_init(&f->text, NULL);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    pln_text_deinit(&f->text);
    pln_arena_deinit(&f->arena);
    free(f);
    return 0;
}

static const char *print(struct fixture *f, struct pln_dim dim)
{
    pln_text_clear(&f->text);
    pln_dim_print(&f->table, dim, &f->text);
    return f->text.data;
}

static struct pln_dim parse(struct fixture *f, const char *text)
{
    struct pln_dim dim;
    const char *at = text;
    assert_int_equal(pln_dim_parse(&f->table, &at, NULL, &dim), PLN_OK);
    assert_int_equal(*at, 0);
    return dim;
}

/* Both texts have one id, and the form is printed as the second. */
static void expect(struct fixture *f, const char *text, const char *form)
{
    struct pln_dim a = parse(f, text);
    assert_string_equal(print(f, a), form);
    assert_int_equal(parse(f, form).id, a.id);
}

static void simplifies(void **state)
{
    struct fixture *f = *state;
    (void)parse(f, "batch + past + seq + h + w"); /* fixes the order */
    expect(f, "seq + past", "past + seq");
    expect(f, "batch*(past + seq)", "batch*past + batch*seq");
    expect(f, "2*h + 3 - h - 3", "h");
    expect(f, "h - h", "0");
    expect(f, "h*0", "0");
    expect(f, "(h*64) / 64", "h");
    expect(f, "(batch*seq*768) / (batch*seq)", "768");
    expect(f, "(batch*past + batch*seq) / (past + seq)", "batch");
    expect(f, "(batch*h*8) / (batch*24)", "h / 3");
    expect(f, "(h / 2) / 3", "h / 6");
    expect(f, "((h - 1) / 2 + 1 - 1) / 2 + 1", "(h + 3) / 4");
    expect(f, "ceil(h, 2)", "(h + 1) / 2");
    expect(f, "(h - 1) / 2 + 1", "(h + 1) / 2");
    expect(f, "ceil(h, 1)", "h");
    expect(f, "(4*h + 6) % 4", "2");
    expect(f, "h % 1", "0");
    expect(f, "max(0, h)", "h");
    expect(f, "max(h + 1, h)", "h + 1");
    expect(f, "min(h, min(7, max(3, 5)))", "min(h, 5)");
    expect(f, "broadcast(h, 1)", "h");
    expect(f, "broadcast(h, h)", "h");
    expect(f, "broadcast(h, 5)", "5");
    expect(f, "broadcast(broadcast(w, h), broadcast(h, w))", "broadcast(h, w)");
    expect(f, "broadcast(h + 2, w)", "h + 2");
    expect(f, "select(3, h, w)", "h");
    expect(f, "select(h, w, w)", "w");
    expect(f, "eq(h, h + 1)", "0");
    expect(f, "lt(h, h + 1)", "1");
    expect(f, "7 / 0", "0");
    expect(f, "(-7) / 2", "-4");
    expect(f, "-h / 2 + 1", "-h / 2 + 1");
    expect(f, "\"a b\"*2 - \"\"", "2*\"a b\" - \"\"");
    assert_false(f->table.failed);
}

static bool zero_with(struct fixture *f, const char *a, const char *b)
{
    return pln_dim_zero_with(&f->table, parse(f, a), parse(f, b));
}

static void tells_what_is_zero_with_another(void **state)
{
    struct fixture *f = *state;
    static const char *const yes[][2] = { { "h", "h" }, { "12*h*w", "w" }, { "min(h, 1000)", "h" }, { "min(1000, h)*w", "h" }, { "(h + h*w) / 2", "h" }, { "broadcast(h, w)", "h" }, { "max(h, h*w)", "3*h" },
                                          { "h*w", "h*w" }, { "h*w*n", "h*n" }, { "(h + 1) / 2 * n", "(h + 1) / 2" }, { "h % 5", "h" }, { "select(h, w, h)", "h" }, { "0", "h" } };
    static const char *const no[][2] = { { "h", "w" }, { "h", "h*w" }, { "h + 1", "h" }, { "max(h, w)", "h" }, { "min(h, w - 3)", "h" }, { "h", "h / 2" }, { "h", "h - 4" }, { "5", "h" }, { "w / (h + 1)", "h" }, { "eq(h, 0)", "h" },
                                         { "select(w, h, 1)", "h" } };
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        if (!zero_with(f, yes[i][0], yes[i][1])) fail_msg("%s is 0 where %s is", yes[i][0], yes[i][1]);
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        if (zero_with(f, no[i][0], no[i][1])) fail_msg("%s need not be 0 where %s is", no[i][0], no[i][1]);
}

static void keeps_overflow_apart(void **state)
{
    struct fixture *f = *state;
    struct pln_dim big = pln_dim_const(&f->table, INT64_MAX);
    struct pln_dim sum = pln_dim_add(&f->table, big, pln_dim_const(&f->table, 1));
    struct pln_dim product = pln_dim_mul(&f->table, sum, pln_dim_symbol(&f->table, "n"));
    int64_t n = 3, values[64];
    assert_in_range(f->table.count, 1, 64);
    pln_dim_eval_all(f->table.nodes, f->table.count, &n, values);
    assert_true(values[sum.id] == PLN_DIM_UNKNOWN);
    assert_true(values[product.id] == PLN_DIM_UNKNOWN);
    int64_t value;
    assert_false(pln_dim_value(&f->table, sum, &value));
    char text[256];
    snprintf(text, sizeof(text), "%s", print(f, product));
    assert_int_equal(parse(f, text).id, product.id);
    expect(f, "-9223372036854775807 - 1", "(-9223372036854775807 - 1)");
}

static void unifies(void **state)
{
    struct fixture *f = *state;
    struct pln_dim_table *t = &f->table;
    struct pln_dim past = pln_dim_symbol(t, "past"), seq = pln_dim_symbol(t, "seq"), total = pln_dim_symbol(t, "total");
    struct pln_dim twice = pln_dim_mul(t, total, pln_dim_const(t, 2));
    assert_true(pln_dim_unify(t, total, pln_dim_add(t, past, seq)));
    assert_string_equal(print(f, twice), "2*past + 2*seq");
    assert_true(pln_dim_same(t, pln_dim_sub(t, total, past), seq));
    assert_true(pln_dim_unify(t, past, total)); /* past is inside total: left alone */
    assert_string_equal(print(f, past), "past");
    assert_true(pln_dim_unify(t, pln_dim_mul(t, seq, pln_dim_const(t, 3)), pln_dim_const(t, 12)));
    assert_true(pln_dim_is(t, seq, 4));
    assert_string_equal(print(f, total), "past + 4");
    assert_int_equal(pln_dim_lower_bound(t, total), 4);
    assert_true(pln_dim_unify(t, past, pln_dim_const(t, 1)));
    assert_true(pln_dim_is(t, twice, 10));
    assert_false(pln_dim_unify(t, total, pln_dim_const(t, 6)));
    assert_true(pln_dim_unify(t, pln_dim_const(t, 4), seq));
    struct pln_dim x = pln_dim_symbol(t, NULL), y = pln_dim_symbol(t, NULL);
    assert_true(pln_dim_unify(t, x, y));
    assert_int_equal(pln_dim_resolve(t, y).id, x.id);
    assert_int_equal(pln_dim_add(t, PLN_DIM_NONE, x).id, UINT32_MAX);
    assert_false(t->failed);
}

/* A chain as deep as a hostile model makes it is resolved without recursion. */
static void resolves_deep(void **state)
{
    struct fixture *f = *state;
    struct pln_dim_table *t = &f->table;
    struct pln_dim h = pln_dim_symbol(t, "h"), w = pln_dim_symbol(t, "w"), d = h;
    for (int i = 0; i < 100000; i++) {
        d = pln_dim_binary(t, i % 2 ? PLN_DIM_MAX : PLN_DIM_MOD, pln_dim_add(t, d, w), pln_dim_add(t, w, pln_dim_const(t, i % 7)));
    }
    assert_true(pln_dim_unify(t, h, pln_dim_const(t, 3)));
    assert_true(pln_dim_unify(t, w, pln_dim_const(t, 5)));
    int64_t value;
    assert_true(pln_dim_value(t, d, &value));
    (void)print(f, d);
}

static void refuses_text(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = { "", "+", "h +", "(h", "min(h)", "min(h, 1", "99999999999999999999", "\"a", "h ** 2", "\"\\x00\"" };
    for (size_t i = 0; i < PLN_COUNT_OF(bad); i++) {
        const char *at = bad[i];
        struct pln_dim dim;
        assert_int_equal(pln_dim_parse(&f->table, &at, NULL, &dim), PLN_INVALID_ARGUMENT);
    }
    static char deep[100001];
    memset(deep, '(', sizeof(deep) - 1);
    const char *at = deep;
    struct pln_dim dim;
    assert_int_equal(pln_dim_parse(&f->table, &at, NULL, &dim), PLN_INVALID_ARGUMENT);
    at = "h,w]";
    assert_int_equal(pln_dim_parse(&f->table, &at, NULL, &dim), PLN_OK);
    assert_string_equal(at, ",w]");
}

/* ---- random expressions, computed directly and by the table ---- */

#define N_SYMBOLS 5
#define N_SAMPLES 8

struct random_dim {
    struct pln_dim dim;
    int64_t values[N_SAMPLES];
};

static uint64_t seed = 1;
static uint64_t next_random(uint64_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % n;
}

/* What the operations mean, written apart from the code under test. UNKNOWN marks what no valid model asks for. */
static int64_t direct(enum pln_dim_op op, int64_t a, int64_t b)
{
    if (a == PLN_DIM_UNKNOWN || b == PLN_DIM_UNKNOWN) return PLN_DIM_UNKNOWN;
    if (llabs(a) > 1000000 || llabs(b) > 1000000) return PLN_DIM_UNKNOWN;
    int64_t floored = 0;
    if (b != 0) {
        floored = a / b;
        if (floored * b > a && b > 0) floored--;
        if (floored * b < a && b < 0) floored--;
    }
    switch (op) {
    case PLN_DIM_ADD: return a + b;
    case PLN_DIM_MUL: return a * b;
    case PLN_DIM_FLOORDIV: return b == 0 ? PLN_DIM_UNKNOWN : floored;
    case PLN_DIM_CEILDIV: return b == 0 ? PLN_DIM_UNKNOWN : floored * b == a ? floored : floored + 1;
    case PLN_DIM_MOD: return b == 0 ? PLN_DIM_UNKNOWN : a - floored * b;
    case PLN_DIM_MIN: return a < b ? a : b;
    case PLN_DIM_MAX: return a > b ? a : b;
    case PLN_DIM_BROADCAST: return a == b || b == 1 ? a : a == 1 ? b : PLN_DIM_UNKNOWN;
    case PLN_DIM_EQ: return a == b;
    case PLN_DIM_LT: return a < b;
    case PLN_DIM_CONST:
    case PLN_DIM_SYMBOL:
    case PLN_DIM_SELECT: break;
    }
    return PLN_DIM_UNKNOWN;
}

static struct random_dim combine(struct fixture *f, const struct random_dim *a, const struct random_dim *b, const struct random_dim *c)
{
    struct random_dim r;
    enum pln_dim_op op = (enum pln_dim_op)(PLN_DIM_ADD + next_random(PLN_DIM_SELECT - PLN_DIM_ADD + 2));
    bool minus = op > PLN_DIM_SELECT;
    if (minus) r.dim = pln_dim_sub(&f->table, a->dim, b->dim);
    else if (op == PLN_DIM_SELECT) r.dim = pln_dim_select(&f->table, c->dim, a->dim, b->dim);
    else r.dim = pln_dim_binary(&f->table, op, a->dim, b->dim);
    for (int i = 0; i < N_SAMPLES; i++) {
        int64_t x = a->values[i], y = b->values[i], z = c->values[i];
        if (minus) r.values[i] = direct(PLN_DIM_ADD, x, y == PLN_DIM_UNKNOWN ? y : -y);
        else if (op != PLN_DIM_SELECT) r.values[i] = direct(op, x, y);
        else if (x == PLN_DIM_UNKNOWN || y == PLN_DIM_UNKNOWN || z == PLN_DIM_UNKNOWN) r.values[i] = PLN_DIM_UNKNOWN;
        else r.values[i] = z ? x : y;
    }
    return r;
}

static int64_t check_round(struct fixture *f)
{
    static const int64_t lows[N_SYMBOLS] = { 0, 0, 1, 2, -6 };
    struct random_dim pool[40];
    int64_t symbols[N_SAMPLES][N_SYMBOLS], checked = 0;
    int n = 0;
    for (; n < N_SYMBOLS; n++) {
        pool[n].dim = pln_dim_symbol(&f->table, NULL);
        f->table.symbols[n].min = lows[n];
        for (int i = 0; i < N_SAMPLES; i++) symbols[i][n] = pool[n].values[i] = lows[n] + (int64_t)next_random(12);
    }
    for (int k = -3; k < 7; k++, n++) {
        pool[n].dim = pln_dim_const(&f->table, k);
        for (int i = 0; i < N_SAMPLES; i++) pool[n].values[i] = k;
    }
    for (; n < 40; n++) pool[n] = combine(f, &pool[next_random((uint64_t)n)], &pool[next_random((uint64_t)n)], &pool[next_random((uint64_t)n)]);
    int64_t *values = malloc(f->table.count * sizeof(*values));
    for (int i = 0; i < N_SAMPLES; i++) {
        pln_dim_eval_all(f->table.nodes, f->table.count, symbols[i], values);
        for (int k = 0; k < n; k++) {
            int64_t want = pool[k].values[i];
            if (want == PLN_DIM_UNKNOWN) continue;
            if (values[pool[k].dim.id] != want) print_error("%s is not %lld\n", print(f, pool[k].dim), (long long)want);
            assert_true(values[pool[k].dim.id] == want);
            assert_true(pln_dim_lower_bound(&f->table, pool[k].dim) <= want);
            checked++;
        }
    }
    free(values);
    for (int k = 0; k < n; k++) {
        const char *printed = print(f, pool[k].dim);
        char *text = pln_arena_text(&f->arena, printed, strlen(printed));
        if (!strstr(text, "...")) assert_int_equal(parse(f, text).id, pool[k].dim.id);
    }
    /* Once the symbols are numbers, so is everything that can be computed. */
    for (int k = 0; k < N_SYMBOLS; k++) {
        assert_true(pln_dim_unify(&f->table, pool[k].dim, pln_dim_const(&f->table, symbols[0][k])));
    }
    for (int k = 0; k < n; k++) {
        if (pool[k].values[0] != PLN_DIM_UNKNOWN) assert_true(pln_dim_is(&f->table, pool[k].dim, pool[k].values[0]));
    }
    return checked;
}

static void agrees_with_direct_evaluation(void **state)
{
    int64_t checked = 0;
    (void)state;
    for (int round = 0; round < 3000; round++) {
        void *f = NULL;
        seed = (uint64_t)round + 1;
        setup(&f);
        checked += check_round(f);
        assert_false(((struct fixture *)f)->table.failed);
        teardown(&f);
    }
    assert_true(checked > 300000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(simplifies, setup, teardown),
        cmocka_unit_test_setup_teardown(tells_what_is_zero_with_another, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_overflow_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(unifies, setup, teardown),
        cmocka_unit_test_setup_teardown(resolves_deep, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_text, setup, teardown),
        cmocka_unit_test(agrees_with_direct_evaluation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
