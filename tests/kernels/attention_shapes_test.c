/* Attention and rotary embedding. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/kernels/harness.h"

#define DIMS(...)     \
    (const int64_t[]) \
    {                 \
        __VA_ARGS__   \
    }

/* A problem of attention; what is 0 is left out. */
struct shape {
    int64_t batch, heads, kv_heads, queries, keys, size, v_size, past;
};

enum extra {
    RANK_3 = 1,
    CAUSAL = 2,
    SOFTCAP = 4,
    WINDOW = 8,
    LENGTHS = 16,
    PRESENT = 32,
    SCORES = 64,
};

static void set_int(struct kernel_case *c, const char *name, int64_t value)
{
    pln_attrs_set_int(&c->attrs, &c->arena, name, value);
}

static void add_operands(struct kernel_case *c, const struct shape *s, unsigned extras)
{
    if (extras & RANK_3) {
        kernel_case_input(c, 3, DIMS(s->batch, s->queries, s->heads * s->size));
        kernel_case_input(c, 3, DIMS(s->batch, s->keys, s->kv_heads * s->size));
        kernel_case_input(c, 3, DIMS(s->batch, s->keys, s->kv_heads * s->v_size));
        set_int(c, "q_num_heads", s->heads);
        set_int(c, "kv_num_heads", s->kv_heads);
    } else {
        kernel_case_input(c, 4, DIMS(s->batch, s->heads, s->queries, s->size));
        kernel_case_input(c, 4, DIMS(s->batch, s->kv_heads, s->keys, s->size));
        kernel_case_input(c, 4, DIMS(s->batch, s->kv_heads, s->keys, s->v_size));
    }
}

/* mask_rank < 0: none; masks are of the last dims of mask_dims. */
static void attention(const struct shape *s, unsigned extras, int mask_rank, const int64_t *mask_dims,
                      enum pln_dtype mask)
{
    struct kernel_case c;
    int64_t lengths[8];
    kernel_case_init(&c, "attention", PLN_OP_ATTENTION, 0);
    add_operands(&c, s, extras);
    if (mask_rank >= 0) kernel_case_input(&c, mask_rank, mask_dims)->dtype = mask;
    else c.n_inputs++;
    if (s->past > 0) {
        kernel_case_input(&c, 4, DIMS(s->batch, s->kv_heads, s->past, s->size));
        kernel_case_input(&c, 4, DIMS(s->batch, s->kv_heads, s->past, s->v_size));
    } else if (extras & LENGTHS) {
        c.n_inputs += 2;
    }
    if (extras & LENGTHS) {
        struct case_input *input = kernel_case_input(&c, 1, DIMS(s->batch));
        for (int64_t b = 0; b < s->batch; b++) lengths[b] = (s->past + s->keys) * (b + 1) / s->batch - b;
        input->dtype = PLN_I64;
        input->values = lengths;
    }
    if (extras & CAUSAL) set_int(&c, "is_causal", 1);
    if (extras & SOFTCAP) pln_attrs_set_float(&c.attrs, &c.arena, "softcap", 1.5f);
    if (extras & SOFTCAP) pln_attrs_set_float(&c.attrs, &c.arena, "scale", 0.7f);
    if (extras & WINDOW) set_int(&c, "left_window_size", 9);
    if (extras & WINDOW) set_int(&c, "right_window_size", 3);
    if (extras & (PRESENT | SCORES)) c.n_outputs = extras & SCORES ? 4 : 3;
    if (extras & SCORES) set_int(&c, "qk_matmul_output_mode", s->queries % 4);
    c.rtol = 3e-5;
    c.atol = 1e-5;
    kernel_case_run(&c);
    kernel_case_deinit(&c);
}

static void plain(void **state)
{
    (void)state;
    static const struct shape shapes[] = {
        { 1, 1, 1, 1, 1, 1, 1, 0 },        { 2, 3, 3, 5, 7, 16, 16, 0 },      { 1, 2, 1, 1, 300, 64, 64, 0 },
        { 1, 4, 1, 2, 129, 80, 80, 0 },    { 2, 2, 2, 64, 64, 33, 33, 0 },    { 1, 8, 2, 17, 65, 64, 64, 0 },
        { 1, 1, 1, 70, 130, 128, 128, 0 }, { 1, 3, 1, 3, 1100, 64, 32, 0 },   { 1, 1, 1, 1, 1500, 128, 128, 0 },
        { 1, 2, 2, 66, 70, 256, 256, 0 },  { 1, 1, 1, 9, 600, 40, 300, 0 },   { 1, 1, 1, 2, 20, 600, 8, 0 },
        { 1, 2, 2, 0, 5, 16, 16, 0 },      { 1, 2, 2, 5, 0, 16, 16, 0 },      { 3, 2, 1, 1, 1, 8, 8, 0 },
    };
    for (size_t i = 0; i < PLN_COUNT_OF(shapes); i++)
        for (unsigned extras = 0; extras < 8; extras++)
            if ((i + extras) % 2 == 0 || extras == 0) attention(&shapes[i], extras, -1, NULL, PLN_F32);
    assert_int_equal(kernel_rows_untested(PLN_OP_ATTENTION), 0);
}

static void masks(void **state)
{
    (void)state;
    static const enum pln_dtype types[] = { PLN_F32, PLN_BOOL };
    for (int variant = 0; variant < 32; variant++) {
        const struct shape s = { 2, 4, 2, variant & 16 ? 11 : 2, 77, 32, 32, 0 };
        const int64_t full[4] = { variant & 1 ? s.batch : 1, variant & 2 ? s.heads : 1, variant & 4 ? s.queries : 1,
                                  variant % 5 ? s.keys : 41 };
        const int rank = variant & 1 ? 4 : variant & 2 ? 3 : 2 - variant / 8 % 2;
        attention(&s, variant % 8 == 3 ? CAUSAL : variant % 8 == 6 ? RANK_3 : 0, rank, full + 4 - rank,
                  types[variant / 8 % 2]);
    }
}

/* Windows, lengths, past keys, present ones and scores: what the CPU's rows leave to others. */
static void extras(void **state)
{
    (void)state;
    const struct shape few = { 2, 4, 2, 2, 37, 64, 64, 0 }, many = { 2, 2, 1, 23, 90, 40, 48, 0 };
    const struct shape past = { 2, 4, 4, 1, 1, 16, 24, 60 }, prefill = { 1, 4, 2, 20, 20, 32, 32, 13 };
    const struct shape *const shapes[] = { &few, &many, &past, &prefill };
    for (size_t i = 0; i < PLN_COUNT_OF(shapes); i++) {
        const struct shape *s = shapes[i];
        attention(s, WINDOW, -1, NULL, PLN_F32);
        attention(s, WINDOW | CAUSAL, -1, NULL, PLN_F32);
        attention(s, LENGTHS, -1, NULL, PLN_F32);
        attention(s, LENGTHS | CAUSAL | SOFTCAP, -1, NULL, PLN_F32);
        attention(s, PRESENT | CAUSAL, -1, NULL, PLN_F32);
        attention(s, PRESENT | SCORES | CAUSAL, 2, DIMS(s->queries, s->past + s->keys), PLN_F32);
    }
    for (int64_t mode = 0; mode < 4; mode++) {
        const struct shape s = { 1, 2, 1, 4 + mode, 21, 16, 16, 0 };
        attention(&s, SCORES | SOFTCAP | WINDOW, 1, DIMS(21), PLN_BOOL);
    }
}

/* Masks that shut rows out, and masks with numbers that are none. */
static void special(void **state)
{
    (void)state;
    for (int variant = 0; variant < 8; variant++) {
        struct kernel_case c;
        float mask[6 * 140];
        const int64_t queries = variant & 1 ? 6 : 2, keys = 140;
        for (int64_t i = 0; i < queries * keys; i++) {
            const bool shut = i / keys % 3 == 1, hidden = i % 7 < 3;
            mask[i] = shut || hidden ? -INFINITY : (float)(i % 5) / 4;
        }
        if (variant & 2) mask[130] = INFINITY;
        if (variant & 4) mask[keys + 17] = NAN;
        kernel_case_init(&c, "attention, special masks", PLN_OP_ATTENTION, 0);
        add_operands(&c, &(struct shape){ 1, 4, variant & 1 ? 2 : 1, queries, keys, 16, 16, 0 }, 0);
        kernel_case_input(&c, 2, DIMS(queries, keys))->values = mask;
        c.rtol = 3e-5;
        c.atol = 1e-5;
        kernel_case_run(&c);
        kernel_case_deinit(&c);
    }
}

static void rotary(void **state)
{
    (void)state;
    static const int64_t ids[] = { 3, 0, 11, 7, 7, 2, 1, 9, 10, 4 };
    for (int variant = 0; variant < 32; variant++) {
        struct kernel_case c;
        const int64_t size = variant & 8 ? 70 : 16, dim = variant & 16 ? 12 : 0, half = (dim ? dim : size) / 2;
        kernel_case_init(&c, "rotary_embedding", PLN_OP_ROTARY_EMBEDDING, 0);
        if (variant & 1) kernel_case_input(&c, 3, DIMS(2, 5, 3 * size));
        else kernel_case_input(&c, 4, DIMS(2, 3, 5, size));
        if (variant & 1) set_int(&c, "num_heads", 3);
        for (int k = 0; k < 2; k++) kernel_case_input(&c, variant & 2 ? 2 : 3, variant & 2 ? DIMS(12, half) : DIMS(2, 5, half));
        if (variant & 2) {
            struct case_input *positions = kernel_case_input(&c, 2, DIMS(2, 5));
            positions->dtype = PLN_I64;
            positions->values = ids;
        }
        set_int(&c, "interleaved", variant >> 2 & 1);
        if (dim > 0) set_int(&c, "rotary_embedding_dim", dim);
        if (variant % 5 == 0) c.inputs[0].fill = FILL_SPECIAL;
        kernel_case_run(&c);
        kernel_case_deinit(&c);
    }
    assert_int_equal(kernel_rows_untested(PLN_OP_ROTARY_EMBEDDING), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),   cmocka_unit_test(masks),  cmocka_unit_test(extras),
        cmocka_unit_test(special), cmocka_unit_test(rotary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
