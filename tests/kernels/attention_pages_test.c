/* Attention whose keys and values lie in pages: every row against the reference on what each row of the batch has, then
 * tables that are wrong, and launches that are. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/backend.h"
#include "tests/kernels/harness.h"

#define DIMS(...)     \
    (const int64_t[]) \
    {                 \
        __VA_ARGS__   \
    }

enum { ROWS = 6, MOST_ENTRIES = ROWS * 64 };

enum extra {
    RANK_3 = 1,
    CAUSAL = 2,
    OFFSETS = 4,
    WINDOW = 8,
    BOOLS = 16,
    ADDED = 32,
    SOFTCAP = 64,
    GUARDED = 128,
    SOFTMAX = 256,
    ADDED_ONE = 512
};

struct shape {
    int64_t page_size, pages_a_row, heads, kv_heads, queries, size, v_size;
    unsigned extras;
};

/* A table and all that it says of the rows. */
struct table {
    struct pln_paged paged;
    int64_t n_pages;
    int32_t pages[MOST_ENTRIES];
    int64_t lengths[ROWS], offsets[ROWS];
};

static unsigned next_random(unsigned bound)
{
    static uint64_t state = 7;
    state = state * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX generator */
    return (unsigned)(state >> 33) % bound;
}

/* Lengths at the edges of pages. Fewer pages than entries, so that rows share some, and a row may have one twice; the
 * last two rows begin with the same ones. Entries behind a row's length name no page. */
static void table_init(struct table *table, const struct shape *s)
{
    const int64_t all = s->page_size * s->pages_a_row;
    const int64_t lengths[ROWS] = { 0, 1, s->page_size - 1, s->page_size + 1, s->page_size, all };
    table->n_pages = s->pages_a_row * 2 + 1;
    for (int b = 0; b < ROWS; b++) {
        table->lengths[b] = PLN_MAX(PLN_MIN(lengths[b], all), 0);
        const int64_t before = table->lengths[b] - s->queries;
        table->offsets[b] = b % 2 ? PLN_MAX(before, 0) : (int64_t)next_random((unsigned)table->lengths[b] + 1);
        for (int64_t i = 0; i < s->pages_a_row; i++) {
            int32_t *entry = &table->pages[b * s->pages_a_row + i];
            *entry = (int32_t)next_random((unsigned)table->n_pages);
            if (b == ROWS - 1 && i < 2) *entry = entry[-s->pages_a_row];
        }
    }
    for (int b = 0; b < ROWS; b++)
        for (int64_t i = 0; i < s->pages_a_row; i++)
            if (i * s->page_size >= table->lengths[b]) table->pages[b * s->pages_a_row + i] = b % 2 ? -1 : INT32_MAX;
    table->paged = (struct pln_paged){ .rows = ROWS,
                                       .pages_a_row = s->pages_a_row,
                                       .pages = table->pages,
                                       .lengths = table->lengths,
                                       .offsets = s->extras & OFFSETS ? table->offsets : NULL };
}

static void set_int(struct kernel_case *c, const char *name, int64_t value)
{
    pln_attrs_set_int(&c->attrs, &c->arena, name, value);
}

static void add_operands(struct kernel_case *c, const struct shape *s, int64_t n_pages, enum pln_dtype dtype)
{
    if (s->extras & RANK_3) {
        kernel_case_input(c, 3, DIMS(ROWS, s->queries, s->heads * s->size))->dtype = dtype;
        kernel_case_input(c, 3, DIMS(n_pages, s->page_size, s->kv_heads * s->size))->dtype = dtype;
        kernel_case_input(c, 3, DIMS(n_pages, s->page_size, s->kv_heads * s->v_size))->dtype = dtype;
        set_int(c, "q_num_heads", s->heads);
        set_int(c, "kv_num_heads", s->kv_heads);
    } else {
        kernel_case_input(c, 4, DIMS(ROWS, s->heads, s->queries, s->size))->dtype = dtype;
        kernel_case_input(c, 4, DIMS(n_pages, s->kv_heads, s->page_size, s->size))->dtype = dtype;
        kernel_case_input(c, 4, DIMS(n_pages, s->kv_heads, s->page_size, s->v_size))->dtype = dtype;
    }
    if (s->extras & ADDED_ONE) kernel_case_input(c, 0, NULL);
    if (s->extras & (BOOLS | ADDED))
        kernel_case_input(c, 4, DIMS(ROWS, 1, s->queries, s->page_size * s->pages_a_row))->dtype =
            s->extras & BOOLS ? PLN_BOOL : PLN_F32;
}

static void case_init(struct kernel_case *c, const struct shape *s, struct table *table, enum pln_dtype dtype)
{
    static char name[128];
    snprintf(name, sizeof name, "pages of %lld, %lld a row, %lld of %lld heads, %lld queries, extras %u",
             (long long)s->page_size, (long long)s->pages_a_row, (long long)s->kv_heads, (long long)s->heads,
             (long long)s->queries, s->extras);
    kernel_case_init(c, name, PLN_OP_ATTENTION, 0);
    c->whole = true;
    c->paged = &table->paged;
    c->rtol = 3e-5;
    c->atol = 1e-5;
    if (s->extras & CAUSAL) set_int(c, "is_causal", 1);
    if (s->extras & WINDOW) set_int(c, "left_window_size", 5);
    if (s->extras & SOFTCAP) pln_attrs_set_float(&c->attrs, &c->arena, "softcap", 1.5f);
    if (s->extras & SOFTMAX) pln_attrs_set_string(&c->attrs, &c->arena, "undefined_rows", "softmax", 7);
    if (s->extras & GUARDED) pln_attrs_set_string(&c->attrs, &c->arena, "undefined_rows", "guarded", 7);
    add_operands(c, s, table->n_pages, dtype);
}

static void run(const struct shape *s, enum pln_dtype dtype)
{
    struct table table;
    struct kernel_case c;
    table_init(&table, s);
    case_init(&c, s, &table, dtype);
    kernel_case_run(&c);
    kernel_case_deinit(&c);
}

/* In f32, and in one of the types that have rows of their own. */
static void run_all(const struct shape *shapes, size_t n_shapes)
{
    for (size_t i = 0; i < n_shapes; i++) {
        run(&shapes[i], PLN_F32);
        run(&shapes[i], i % 2 == 0 ? PLN_F16 : PLN_BF16);
    }
}

static void decoding(void **state)
{
    (void)state;
    static const struct shape shapes[] = {
        { 1, 5, 2, 2, 1, 16, 16, CAUSAL },
        { 7, 3, 4, 2, 1, 16, 16, CAUSAL },
        { 16, 3, 4, 1, 1, 16, 24, OFFSETS },
        { 16, 9, 2, 1, 2, 16, 16, CAUSAL | OFFSETS },
        { 7, 3, 4, 2, 1, 5, 9, RANK_3 },
        { 16, 2, 1, 1, 3, 64, 64, CAUSAL | RANK_3 | OFFSETS },
        { 7, 3, 2, 1, 1, 16, 16, BOOLS },
        { 16, 40, 2, 2, 1, 16, 16, CAUSAL },
        { 7, 3, 2, 1, 2, 16, 16, CAUSAL | WINDOW | OFFSETS },
        { 7, 3, 2, 1, 1, 16, 16, ADDED_ONE },
    };
    run_all(shapes, PLN_COUNT_OF(shapes));
}

/* More queries than are taken without a tile. */
static void chunks_of_a_prompt(void **state)
{
    (void)state;
    static const struct shape shapes[] = {
        { 1, 12, 1, 1, 12, 16, 16, CAUSAL | OFFSETS },
        { 7, 6, 4, 2, 5, 16, 16, CAUSAL | OFFSETS },
        { 16, 5, 3, 1, 23, 16, 24, CAUSAL },
        { 16, 5, 3, 1, 5, 16, 16, OFFSETS | RANK_3 },
        { 7, 4, 2, 1, 9, 16, 16, CAUSAL | OFFSETS | ADDED },
        { 16, 5, 1, 1, 9, 16, 16, WINDOW | CAUSAL | OFFSETS },
        { 7, 3, 1, 1, 9, 5, 9, SOFTCAP | OFFSETS },
    };
    run_all(shapes, PLN_COUNT_OF(shapes));
    assert_int_equal(kernel_rows_untested(PLN_OP_ATTENTION), 0);
}

/* No pages, no rows that have any, and rows whose softmax is not a number: a query in front of its row's first key. */
static void edges(void **state)
{
    (void)state;
    static const struct shape shapes[] = {
        { 7, 0, 2, 1, 1, 16, 16, 0 },
        { 0, 3, 2, 1, 1, 16, 16, CAUSAL },
        { 7, 2, 1, 1, 9, 16, 16, CAUSAL | GUARDED },
        { 7, 2, 2, 1, 2, 16, 16, CAUSAL | SOFTMAX },
        { 7, 2, 2, 1, 0, 16, 16, 0 },
    };
    run_all(shapes, PLN_COUNT_OF(shapes));
}

/* ---- tables that are wrong ---- */

/* They take turns with the wrong numbers. */
static const enum pln_dtype types[] = { PLN_F32, PLN_F16 };

static void must_fail(const struct shape *s, struct table *table, const char *why, enum pln_dtype dtype)
{
    struct kernel_case c;
    case_init(&c, s, table, dtype);
    c.fault = why;
    kernel_case_run(&c);
    kernel_case_deinit(&c);
}

static const struct shape wrong_shapes[] = { { 7, 3, 2, 1, 1, 16, 16, OFFSETS }, { 16, 2, 1, 1, 9, 16, 16, OFFSETS } };

static void pages_that_are_not_there(void **state)
{
    (void)state;
    struct table table;
    for (size_t i = 0; i < PLN_COUNT_OF(wrong_shapes); i++)
        for (int w = 0; w < 4; w++) {
            const struct shape *s = &wrong_shapes[i];
            table_init(&table, s);
            const int32_t wrong[] = { -1, (int32_t)table.n_pages, INT32_MAX, INT32_MIN };
            table.pages[(ROWS - 1) * s->pages_a_row + w % s->pages_a_row] = wrong[w];
            must_fail(s, &table, PLN_PAGED_BAD_PAGE, types[(size_t)w / 2 % PLN_COUNT_OF(types)]);
        }
}

/* They are read in one place, before it matters how many queries there are. */
static void lengths_and_offsets_out_of_range(void **state)
{
    (void)state;
    const struct shape *s = &wrong_shapes[0];
    const int64_t wrong[] = { -1, s->page_size * s->pages_a_row + 1, INT64_MAX, INT64_MIN };
    struct table table;
    for (size_t w = 0; w < PLN_COUNT_OF(wrong); w++) {
        const enum pln_dtype dtype = types[w % PLN_COUNT_OF(types)];
        table_init(&table, s);
        table.lengths[ROWS - 1] = wrong[w];
        must_fail(s, &table, PLN_PAGED_BAD_LENGTH, dtype);
        table.paged.offsets = NULL;
        must_fail(s, &table, PLN_PAGED_BAD_LENGTH, dtype);
        table_init(&table, s);
        table.offsets[ROWS - 1] = wrong[w];
        must_fail(s, &table, PLN_PAGED_BAD_OFFSET, dtype);
    }
}

/* So many positions are shared out among blocks of a GPU; the last part ends behind them. */
static void a_length_behind_the_last_part(void **state)
{
    (void)state;
    static const struct shape s = { 16, 40, 1, 1, 1, 16, 16, 0 };
    struct table table;
    table_init(&table, &s);
    table.lengths[ROWS - 1] = 16 * 40 + 17;
    must_fail(&s, &table, PLN_PAGED_BAD_LENGTH, PLN_F32);
}

/* ---- launches that are wrong ---- */

struct trial {
    struct pln_attrs attrs;
    struct pln_tensor inputs[7], outputs[4];
    struct pln_paged paged;
    struct pln_launch launch;
    int32_t pages[2];
    int64_t lengths[2];
    float data[64];
};

/* Two rows of one page of four positions, of three pages. */
static void trial_init(struct trial *trial)
{
    memset(trial, 0, sizeof *trial);
    pln_tensor_init(&trial->inputs[0], PLN_F32, 4, DIMS(2, 1, 1, 4), trial->data);
    pln_tensor_init(&trial->inputs[1], PLN_F32, 4, DIMS(3, 1, 4, 4), trial->data);
    pln_tensor_init(&trial->inputs[2], PLN_F32, 4, DIMS(3, 1, 4, 4), trial->data);
    pln_tensor_init(&trial->outputs[0], PLN_F32, 4, DIMS(2, 1, 1, 4), trial->data);
    trial->paged = (struct pln_paged){ .rows = 2, .pages_a_row = 1, .pages = trial->pages, .lengths = trial->lengths };
    trial->launch = (struct pln_launch){ .op = PLN_OP_ATTENTION,
                                         .attrs = &trial->attrs,
                                         .n_inputs = 7,
                                         .n_outputs = 4,
                                         .inputs = trial->inputs,
                                         .outputs = trial->outputs,
                                         .paged = &trial->paged };
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct trial *trial, struct pln_diag *diag)
{
    struct pln_prepared prepared = { 0 };
    const size_t bytes = pln_align_up(kernel->family->state_bytes, 64);
    void *kernel_state = aligned_alloc(64, bytes);
    memset(kernel_state, 0, bytes);
    pln_diag_init(diag);
    const enum pln_status status = pln_kernel_prepare(kernel, &trial->launch, kernel_state, &prepared, diag);
    free(kernel_state);
    return status;
}

static void refuses(const struct pln_kernel *kernel, const struct trial *trial, enum pln_status wanted, const char *why)
{
    struct pln_diag diag;
    assert_int_equal(prepare(kernel, trial, &diag), wanted);
    if (strstr(diag.entries[0].text, why) == NULL) fail_msg("%s says: %s", kernel->name, diag.entries[0].text);
}

static void try_row(const struct pln_kernel *kernel)
{
    struct trial t;
    struct pln_diag diag;
    trial_init(&t);
    assert_int_equal(prepare(kernel, &t, &diag), PLN_OK);
    t.paged.rows = 3;
    refuses(kernel, &t, PLN_INVALID_ARGUMENT, "the page table has 3 rows");
    trial_init(&t);
    t.inputs[2].dims[0] = 2;
    refuses(kernel, &t, PLN_INVALID_ARGUMENT, "differ in their pages");
    trial_init(&t);
    t.inputs[2].dims[2] = 3;
    refuses(kernel, &t, PLN_INVALID_ARGUMENT, "differ in their pages");
    static const int64_t entries[] = { -1, INT64_MAX, PLN_PAGED_POSITIONS };
    for (size_t i = 0; i < PLN_COUNT_OF(entries); i++) {
        trial_init(&t);
        t.paged.pages_a_row = entries[i];
        refuses(kernel, &t, PLN_INVALID_ARGUMENT, "entries a row is not possible");
    }
    for (int i = 0; i < 2; i++) {
        trial_init(&t);
        if (i == 0)
            t.paged.pages = NULL;
        else
            t.paged.lengths = NULL;
        refuses(kernel, &t, PLN_INVALID_ARGUMENT, "pages or lengths are missing");
    }
    trial_init(&t);
    pln_tensor_init(&t.inputs[6], PLN_I64, 1, DIMS(2), t.lengths);
    refuses(kernel, &t, PLN_BAD_PLAN, "no past keys, values or lengths beside it");
    trial_init(&t);
    pln_tensor_init(&t.outputs[1], PLN_F32, 4, DIMS(2, 1, 4, 4), t.data);
    refuses(kernel, &t, PLN_BAD_PLAN, "no output beside the result");
}

/* No device runs anything here. */
static void launches(void **state)
{
    (void)state;
    static const char *const names[] = { "cpu", "cuda" };
    for (size_t i = 0; i < PLN_COUNT_OF(names); i++) {
        const struct pln_backend *backend;
        int ordinal, tried = 0;
        assert_int_equal(pln_backend_find(names[i], NULL, &backend, &ordinal), PLN_OK);
        for (const struct pln_kernel *const *row = backend->kernels; *row != NULL; row++) {
            struct trial t;
            trial_init(&t);
            struct pln_kernel without = **row;
            without.flags &= ~(uint32_t)PLN_KERNEL_PAGED;
            refuses(&without, &t, PLN_BAD_PLAN, "does not take keys and values in pages");
            if (((*row)->flags & PLN_KERNEL_PAGED) == 0 || (*row)->tile[3] != 0) continue; /* of another type */
            try_row(*row);
            tried++;
        }
        assert_true(tried > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoding),
        cmocka_unit_test(chunks_of_a_prompt),
        cmocka_unit_test(edges),
        cmocka_unit_test(launches),
        cmocka_unit_test(pages_that_are_not_there),
        cmocka_unit_test(lengths_and_offsets_out_of_range),
        cmocka_unit_test(a_length_behind_the_last_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
