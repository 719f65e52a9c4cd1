/* MatMul and Gemm. */
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

static void matmul(int64_t m, int64_t n, int64_t k, bool constant, int epilogue)
{
    struct kernel_case c;
    kernel_case_init(&c, "matmul", PLN_OP_MATMUL, 0);
    kernel_case_input(&c, 2, DIMS(m, k));
    kernel_case_input(&c, 2, DIMS(k, n))->constant = constant;
    if (epilogue == 1) kernel_case_add_relu(&c, 2, 1, DIMS(n));
    if (epilogue == 2) kernel_case_add_relu(&c, 2, 2, DIMS(m, n));
    if (epilogue == 3) kernel_case_add_relu(&c, 2, 2, DIMS(m, 1));
    c.atol = 2e-7 * (double)(k + 16);
    c.rtol = 1e-5;
    kernel_case_run(&c);
    kernel_case_deinit(&c);
}

static void matmul_sizes(void **state)
{
    (void)state;
    static const int64_t sizes[] = { 0, 1, 2, 5, 6, 7, 13, 14, 15, 17, 24, 31, 32, 33, 40, 47, 64, 65, 104 };
    int n_sizes = (int)PLN_COUNT_OF(sizes), i = 0;
    for (int m = 0; m < n_sizes; m++)
        for (int n = 0; n < n_sizes; n++)
            matmul(sizes[m], sizes[n], sizes[(m * 7 + n * 3) % n_sizes], (m + n) % 2 == 0, i++ % 4);
}

static void matmul_large(void **state)
{
    (void)state;
    matmul(150, 301, 1031, true, 1);
    matmul(203, 97, 513, false, 2);
    matmul(1, 1000, 769, true, 1);
    matmul(2, 411, 800, true, 2);
    matmul(3, 515, 1200, false, 0);
    matmul(25, 136, 800, true, 3);
}

static void matmul_batch(void **state)
{
    (void)state;
    static const struct {
        int a_rank, b_rank;
        int64_t a[5], b[5];
    } shapes[] = {
        { 3, 2, { 4, 5, 7 }, { 7, 9 } },
        { 3, 3, { 4, 5, 7 }, { 4, 7, 9 } },
        { 4, 4, { 2, 3, 17, 8 }, { 2, 3, 8, 33 } },
        { 4, 3, { 2, 3, 5, 8 }, { 3, 8, 4 } },
        { 3, 4, { 1, 5, 8 }, { 2, 3, 8, 4 } },
        { 4, 4, { 2, 1, 5, 8 }, { 1, 3, 8, 4 } },
        { 3, 2, { 6, 1, 19 }, { 19, 40 } },
        { 3, 3, { 0, 5, 7 }, { 0, 7, 9 } },
        { 4, 4, { 3, 2, 40, 64 }, { 3, 2, 64, 40 } },
        { 2, 3, { 5, 7 }, { 2, 7, 3 } },
        { 5, 2, { 2, 1, 3, 4, 6 }, { 6, 5 } },
    };
    for (size_t i = 0; i < PLN_COUNT_OF(shapes); i++)
        for (int constant = 0; constant < 2; constant++) {
            struct kernel_case c;
            kernel_case_init(&c, "matmul batch", PLN_OP_MATMUL, 0);
            kernel_case_input(&c, shapes[i].a_rank, shapes[i].a);
            kernel_case_input(&c, shapes[i].b_rank, shapes[i].b)->constant = constant != 0;
            if (i % 2 == 0)
                kernel_case_add_relu(&c, PLN_MAX(shapes[i].a_rank, shapes[i].b_rank), 1,
                                     DIMS(shapes[i].b[shapes[i].b_rank - 1]));
            kernel_case_run(&c);
            kernel_case_deinit(&c);
        }
}

static void gemm(int64_t m, int64_t n, int64_t k, int variant)
{
    struct kernel_case c;
    bool ta = variant & 1, tb = variant & 2;
    kernel_case_init(&c, "gemm", PLN_OP_GEMM, 0);
    kernel_case_input(&c, 2, ta ? DIMS(k, m) : DIMS(m, k));
    kernel_case_input(&c, 2, tb ? DIMS(n, k) : DIMS(k, n))->constant = (variant & 4) != 0;
    pln_attrs_set_int(&c.attrs, &c.arena, "transA", ta);
    pln_attrs_set_int(&c.attrs, &c.arena, "transB", tb);
    if (variant & 8) pln_attrs_set_float(&c.attrs, &c.arena, "alpha", 0.5f);
    if (variant & 16) pln_attrs_set_float(&c.attrs, &c.arena, "beta", -2.0f);
    if (variant & 32)
        kernel_case_input(&c, 1, DIMS(n));
    else if (variant & 64)
        kernel_case_input(&c, 2, DIMS(m, 1));
    else if (variant & 16)
        kernel_case_input(&c, 2, DIMS(m, n));
    else
        c.inputs[c.n_inputs++].present = false;
    if (variant & 128) kernel_case_add_relu(&c, 2, 2, DIMS(m, n));
    c.atol = 2e-7 * (double)(k + 16);
    c.rtol = 1e-5;
    kernel_case_run(&c);
    kernel_case_deinit(&c);
}

/* Vectors on either side; operands of other types; few rows or few columns beside a long sum. */
static void product(enum pln_dtype dtype, int a_rank, const int64_t *a, int b_rank, const int64_t *b)
{
    struct kernel_case c;
    kernel_case_init(&c, "matmul of a type", PLN_OP_MATMUL, 0);
    kernel_case_input(&c, a_rank, a)->dtype = dtype;
    kernel_case_input(&c, b_rank, b)->dtype = dtype;
    kernel_case_run(&c);
    kernel_case_deinit(&c);
}

static void matmul_types(void **state)
{
    (void)state;
    static const enum pln_dtype types[] = { PLN_F32, PLN_F64, PLN_I32, PLN_U8, PLN_I64 };
    for (size_t i = 0; i < PLN_COUNT_OF(types); i++) {
        product(types[i], 1, DIMS(37), 1, DIMS(37));
        product(types[i], 1, DIMS(19), 2, DIMS(19, 70));
        product(types[i], 2, DIMS(67, 21), 1, DIMS(21));
        product(types[i], 1, DIMS(19), 4, DIMS(2, 3, 19, 11));
        product(types[i], 4, DIMS(2, 3, 9, 40), 1, DIMS(40));
        product(types[i], 3, DIMS(2, 70, 17), 3, DIMS(1, 17, 66));
        product(types[i], 2, DIMS(3, 0), 2, DIMS(0, 5));
        product(types[i], 3, DIMS(5, 2, 300), 3, DIMS(1, 300, 40));
        product(types[i], 3, DIMS(2, 130, 33), 3, DIMS(2, 33, 5));
    }
}

static void gemm_types(void **state)
{
    (void)state;
    static const enum pln_dtype types[] = { PLN_F64, PLN_I32, PLN_U16, PLN_I64 };
    for (size_t i = 0; i < PLN_COUNT_OF(types); i++)
        for (int variant = 0; variant < 16; variant++) {
            struct kernel_case c;
            bool ta = variant & 1, tb = variant & 2;
            int64_t m = variant & 4 ? 5 : 69, n = variant & 8 ? 3 : 35;
            kernel_case_init(&c, "gemm of a type", PLN_OP_GEMM, 0);
            kernel_case_input(&c, 2, ta ? DIMS(23, m) : DIMS(m, 23))->dtype = types[i];
            kernel_case_input(&c, 2, tb ? DIMS(n, 23) : DIMS(23, n))->dtype = types[i];
            kernel_case_input(&c, 1, DIMS(n))->dtype = types[i];
            pln_attrs_set_int(&c.attrs, &c.arena, "transA", ta);
            pln_attrs_set_int(&c.attrs, &c.arena, "transB", tb);
            kernel_case_run(&c);
            kernel_case_deinit(&c);
        }
}

/* Products of 16-bit operands whose program takes the f32 sums, beside f32 operands. */
static void wide_sums(void **state)
{
    (void)state;
    for (int variant = 0; variant < 8; variant++) {
        struct kernel_case c;
        enum pln_dtype dtype = variant & 1 ? PLN_BF16 : PLN_F16;
        int64_t m = variant & 2 ? 70 : 3;
        kernel_case_init(&c, "matmul in 16 bits", PLN_OP_MATMUL, 0);
        kernel_case_input(&c, 3, DIMS(2, m, 40))->dtype = dtype;
        kernel_case_input(&c, variant & 4 ? 3 : 2, variant & 4 ? DIMS(2, 40, 24) : DIMS(40, 24))->dtype = dtype;
        kernel_case_add_relu(&c, 3, 2, DIMS(m, 24));
        kernel_case_run(&c);
        kernel_case_deinit(&c);
    }
}

/* Tiles of a GPU and a little more or less, in multiples of 8 and not. */
static void gemm_tiles(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        gemm(136, 72, 64, variant | 32);
        gemm(128, 64, 32, variant);
        gemm(127, 65, 33, variant | 8 | 16 | 128);
        gemm(6, 200, 264, variant | 64);
        gemm(150, 8, 120, variant | 32 | 128);
        gemm(300, 1, 77, variant | 64 | 128);
    }
}

static void gemm_variants(void **state)
{
    (void)state;
    for (int variant = 0; variant < 256; variant++) {
        gemm(7, 33, 19, variant);
        if (variant % 5 == 0) gemm(30, 70, 65, variant);
        if (variant % 17 == 0) gemm(1, 40, 0, variant);
    }
    assert_int_equal(kernel_rows_untested(PLN_OP_GEMM), 0);
    assert_int_equal(kernel_rows_untested(PLN_OP_MATMUL), 0);
}

/* Weights of 4 and 8 bits, with a scale and an offset a block; blocks that end behind the last row, panels that are not full. */
static void blocks(enum pln_dtype dtype, int rank, const int64_t *x, int64_t n, int64_t block, int epilogue)
{
    struct kernel_case c;
    const int64_t k = x[rank - 1];
    kernel_case_init(&c, "matmul_blocks", PLN_OP_MATMUL_BLOCKS, 0);
    kernel_case_input(&c, rank, x);
    struct case_input *w = kernel_case_input(&c, 2, DIMS(n, k));
    w->dtype = dtype;
    w->constant = true;
    for (int i = 0; i < 2; i++) kernel_case_input(&c, 2, DIMS((k + block - 1) / block, n));
    pln_attrs_set_int(&c.attrs, &c.arena, "block", block);
    if (epilogue == 1) kernel_case_add_relu(&c, rank, 1, DIMS(n));
    if (epilogue == 2) kernel_case_add_relu(&c, rank, 2, DIMS(x[rank - 2], n));
    c.atol = (dtype == PLN_U4 ? 1e-6 : 1.6e-5) * (double)(k + 16);
    c.rtol = 1e-5;
    kernel_case_run(&c);
    kernel_case_deinit(&c);
}

static void blocks_sizes(void **state)
{
    (void)state;
    static const int64_t ms[] = { 0, 1, 2, 3, 4, 5, 13 }, ns[] = { 0, 1, 15, 16, 33, 64, 100 }, ks[] = { 0, 1, 31, 32, 48, 129 }, sizes[] = { 16, 32, 1, 1000 };
    int i = 0;
    for (size_t m = 0; m < PLN_COUNT_OF(ms); m++)
        for (size_t n = 0; n < PLN_COUNT_OF(ns); n++, i++) blocks(i % 2 ? PLN_U4 : PLN_U8, 2, DIMS(ms[m], ks[(m + n) % 6]), ns[n], sizes[i % 4], i % 3);
    for (int bits = 0; bits < 2; bits++) {
        const enum pln_dtype dtype = bits ? PLN_U4 : PLN_U8;
        blocks(dtype, 2, DIMS(1, 1100), 200, 32, 1);
        blocks(dtype, 2, DIMS(4, 1100), 72, 128, 2);
        blocks(dtype, 2, DIMS(300, 900), 290, 32, 1);
        blocks(dtype, 4, DIMS(2, 3, 1, 70), 40, 32, 2);
        blocks(dtype, 4, DIMS(2, 3, 5, 70), 40, 64, 0);
        blocks(dtype, 3, DIMS(3, 7, 33), 50, 16, 2);
    }
    assert_int_equal(kernel_rows_untested(PLN_OP_MATMUL_BLOCKS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matmul_sizes),
        cmocka_unit_test(matmul_large),
        cmocka_unit_test(matmul_batch),
        cmocka_unit_test(matmul_types),
        cmocka_unit_test(gemm_types),
        cmocka_unit_test(wide_sums),
        cmocka_unit_test(gemm_tiles),
        cmocka_unit_test(gemm_variants),
        cmocka_unit_test(blocks_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
