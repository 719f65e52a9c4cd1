/* What sets Winograd's convolution apart from other rows, which conv_test.c holds all alike: its errors, numbers that
 * are none, what it refuses. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "backend/backend.h"
#include "backend/cpu/kernels/conv/winograd.h"
#include "base/cpu.h"

#define DIMS(...)     \
    (const int64_t[]) \
    {                 \
        __VA_ARGS__   \
    }

enum { TAPS = 3, PAD = 1 };

/* An image c,h,w and its convolution to o features with one pixel of padding around. */
struct run {
    const struct pln_kernel *kernel;
    int64_t c, o, h, w;
    float *x, *weights, *y; /* dense, in the order of dims */
    bool plain;             /* the output is stored so, too; else its channels last */
    int64_t stride;
};

static uint64_t random_state = 1;

static float random_even(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX generator */
    return (float)((double)(random_state >> 11) / 4503599627370496.0 - 1);
}

static void run_init(struct run *r, int64_t c, int64_t o, int64_t h, int64_t w)
{
    *r = (struct run){ .c = c, .o = o, .h = h, .w = w, .stride = 1 };
    r->x = calloc((size_t)(c * h * w), sizeof(float));
    r->weights = calloc((size_t)(o * c * TAPS * TAPS), sizeof(float));
    r->y = calloc((size_t)(o * h * w), sizeof(float));
    for (int64_t i = 0; i < c * h * w; i++) r->x[i] = random_even();
    for (int64_t i = 0; i < o * c * TAPS * TAPS; i++) r->weights[i] = random_even();
}

static void run_deinit(struct run *r)
{
    free(r->x);
    free(r->weights);
    free(r->y);
}

static void put_channels_last(struct pln_tensor *tensor)
{
    tensor->strides[1] = 1;
    tensor->strides[3] = tensor->dims[1];
    tensor->strides[2] = tensor->dims[1] * tensor->dims[3];
}

static void *memory(size_t size_bytes)
{
    void *p = aligned_alloc(64, pln_align_up(size_bytes + 1, 64));
    memset(p, 0xff, size_bytes);
    return p;
}

/* Runs the row; what it says when it refuses. */
static enum pln_status run_row(struct run *r)
{
    const struct pln_kernel_family *family = r->kernel->family;
    struct pln_arena arena;
    struct pln_attrs attrs = { 0 };
    struct pln_diag diag;
    struct pln_prepared prepared;
    struct pln_tensor in[2], out, plain_in, plain_out;
    struct pln_launch launch = {
        .op = PLN_OP_CONV, .attrs = &attrs, .n_inputs = 2, .n_outputs = 1, .inputs = in, .outputs = &out
    };
    pln_arena_init(&arena, NULL, 0);
    pln_diag_init(&diag);
    pln_attrs_set_ints(&attrs, &arena, "pads", DIMS(PAD, PAD, PAD, PAD), 4);
    pln_attrs_set_ints(&attrs, &arena, "strides", DIMS(r->stride, r->stride), 2);
    pln_tensor_init(&plain_in, PLN_F32, 4, DIMS(1, r->c, r->h, r->w), r->x);
    pln_tensor_init(&in[1], PLN_F32, 4, DIMS(r->o, r->c, TAPS, TAPS), r->weights);
    pln_tensor_init(&plain_out, PLN_F32, 4, DIMS(1, r->o, (r->h - 1) / r->stride + 1, (r->w - 1) / r->stride + 1),
                    r->y);
    in[0] = plain_in;
    out = plain_out;
    put_channels_last(&in[0]);
    if (!r->plain) put_channels_last(&out);
    in[0].data = memory(pln_tensor_bytes(&in[0]));
    out.data = memory(pln_tensor_bytes(&out));
    pln_tensor_copy(&plain_in, &in[0]);
    const struct pln_pack_format *format = family->pack(r->kernel);
    assert_true(format->bytes(&in[1], &launch.packed_bytes));
    void *packed = memory(launch.packed_bytes), *state = memory(family->state_bytes);
    format->pack(&in[1], packed);
    in[1].data = packed;
    memset(state, 0, family->state_bytes);
    enum pln_status status = family->prepare(r->kernel, &launch, state, &prepared, &diag);
    if (status == PLN_OK) {
        void *scratch = memory(prepared.scratch_bytes);
        family->run(state, 0, prepared.n_tasks, scratch, NULL);
        free(scratch);
        pln_tensor_copy(&out, &plain_out);
    }
    free(packed);
    free(state);
    free(in[0].data);
    free(out.data);
    pln_arena_deinit(&arena);
    return status;
}

/* Calls check with each row of Winograd's that this machine can run. */
static void each_row(void (*check)(const struct pln_kernel *kernel))
{
    const struct pln_backend *backend;
    int ordinal, rows = 0;
    assert_int_equal(pln_backend_find("cpu", NULL, &backend, &ordinal), PLN_OK);
    for (const struct pln_kernel *const *row = backend->kernels; *row != NULL; row++) {
        if ((*row)->family != &pln_cpu_conv_winograd || ((*row)->needs & ~pln_cpu_features_raw()) != 0) continue;
        check(*row);
        rows++;
    }
    assert_true(rows >= 2);
}

/* Output o, i, j in f64. */
static double exact(const struct run *r, int64_t o, int64_t i, int64_t j)
{
    double sum = 0;
    for (int64_t c = 0; c < r->c; c++)
        for (int64_t k = 0; k < TAPS; k++)
            for (int64_t l = 0; l < TAPS; l++) {
                const int64_t y = i + k - PAD, x = j + l - PAD;
                if (y < 0 || y >= r->h || x < 0 || x >= r->w) continue;
                sum += (double)r->x[(c * r->h + y) * r->w + x] *
                       (double)r->weights[((o * r->c + c) * TAPS + k) * TAPS + l];
            }
    return sum;
}

/* Of numbers even in [-1, 1], against what winograd.h says. */
static void check_errors(const struct pln_kernel *kernel)
{
    static const int64_t channels[] = { 16, 64, 256 };
    const double most = kernel->tile[2] == 2 ? 4e-7 : 15e-7,
                 mean = kernel->tile[2] == 2 ? 0.5e-7 : 1.5e-7; /* a channel */
    for (size_t n = 0; n < PLN_COUNT_OF(channels); n++) {
        struct run r;
        double largest = 0, squares = 0;
        run_init(&r, channels[n], 48, 14, 17);
        r.kernel = kernel;
        assert_int_equal(run_row(&r), PLN_OK);
        const int64_t count = r.o * r.h * r.w;
        for (int64_t at = 0; at < count; at++) {
            const double error = fabs((double)r.y[at] - exact(&r, at / r.w / r.h, at / r.w % r.h, at % r.w));
            largest = PLN_MAX(largest, error);
            squares += error * error;
        }
        if (getenv("PLN_TEST_VERBOSE") != NULL)
            print_message("%s, %lld channels: largest error %.2e, root of the mean square %.2e\n", kernel->name,
                          (long long)r.c, largest, sqrt(squares / (double)count));
        assert_true(largest <= most * (double)r.c);
        assert_true(sqrt(squares / (double)count) <= mean * (double)r.c);
        run_deinit(&r);
    }
}

/* What winograd.h bounds the error of output o, i, j by: in the tile that has it. */
static double bound(const struct run *r, int64_t o, int64_t i, int64_t j)
{
    const int64_t side = r->kernel->tile[2], top = i / side * side - PAD, left = j / side * side - PAD;
    double sum = 0;
    for (int64_t c = 0; c < r->c; c++) {
        double pixel = 0, taps = 0;
        for (int64_t y = PLN_MAX(top, 0); y < PLN_MIN(top + side + TAPS - 1, r->h); y++)
            for (int64_t x = PLN_MAX(left, 0); x < PLN_MIN(left + side + TAPS - 1, r->w); x++)
                pixel = PLN_MAX(pixel, fabs((double)r->x[(c * r->h + y) * r->w + x]));
        for (int t = 0; t < TAPS * TAPS; t++) taps += fabs((double)r->weights[(o * r->c + c) * TAPS * TAPS + t]);
        sum += pixel * taps;
    }
    return ((double)r->c + 16) * 0x1p-24 * (side == 2 ? 16 : 160) * sum;
}

/* Few large pixels among small ones. */
static void check_bound(const struct pln_kernel *kernel)
{
    struct run r;
    run_init(&r, 18, 16, 13, 11);
    r.kernel = kernel;
    for (int64_t i = 0; i < r.c * r.h * r.w; i++) r.x[i] *= i % 97 == 5 ? 1e6f : 1e-3f;
    assert_int_equal(run_row(&r), PLN_OK);
    for (int64_t at = 0; at < r.o * r.h * r.w; at++) {
        const int64_t o = at / r.w / r.h, i = at / r.w % r.h, j = at % r.w;
        assert_true(fabs((double)r.y[at] - exact(&r, o, i, j)) <= bound(&r, o, i, j));
    }
    run_deinit(&r);
}

/* Some tile, of those that the outputs are cut into, both has output row (or column) i and reads pixel p. */
static bool tile_reads(int64_t side, int64_t i, int64_t p)
{
    const int64_t first = i / side * side - PAD;
    return p >= first && p < first + side + TAPS - 1;
}

static void check_special_pixel(const struct pln_kernel *kernel, float special)
{
    enum { ROW = 7, COL = 12 };
    struct run r;
    run_init(&r, 20, 16, 18, 22);
    r.kernel = kernel;
    const size_t count = (size_t)(r.o * r.h * r.w);
    float *before = calloc(count, sizeof(float));
    assert_int_equal(run_row(&r), PLN_OK);
    memcpy(before, r.y, count * sizeof(float));
    r.x[(5 * r.h + ROW) * r.w + COL] = special;
    assert_int_equal(run_row(&r), PLN_OK);
    for (size_t at = 0; at < count; at++) {
        const int64_t i = (int64_t)at / r.w % r.h, j = (int64_t)at % r.w;
        const bool met = llabs(i - ROW) <= 1 && llabs(j - COL) <= 1;
        if (met)
            assert_false(isfinite(r.y[at]));
        else if (!tile_reads(kernel->tile[2], i, ROW) || !tile_reads(kernel->tile[2], j, COL))
            assert_memory_equal(&r.y[at], &before[at], sizeof(float));
    }
    free(before);
    run_deinit(&r);
}

static void check_special(const struct pln_kernel *kernel)
{
    check_special_pixel(kernel, NAN);
    check_special_pixel(kernel, INFINITY);
}

/* Numbers near the ends of their range, as large as the header allows and as small as there are. */
static void check_range(const struct pln_kernel *kernel)
{
    static const float sizes[] = { 1e30f, 1e-30f };
    for (size_t n = 0; n < PLN_COUNT_OF(sizes); n++) {
        struct run r;
        run_init(&r, 32, 16, 9, 9);
        r.kernel = kernel;
        for (int64_t i = 0; i < r.c * r.h * r.w; i++) r.x[i] *= sizes[n];
        assert_int_equal(run_row(&r), PLN_OK);
        for (int64_t at = 0; at < r.o * r.h * r.w; at++)
            assert_true(fabs((double)r.y[at] - exact(&r, at / r.w / r.h, at / r.w % r.h, at % r.w)) <=
                        1e-4 * (double)sizes[n]);
        run_deinit(&r);
    }
}

/* Outputs in the order of their dims: the same numbers. */
static void check_plain_output(const struct pln_kernel *kernel)
{
    struct run r;
    run_init(&r, 24, 70, 10, 11);
    r.kernel = kernel;
    const size_t count = (size_t)(r.o * r.h * r.w);
    float *last = calloc(count, sizeof(float));
    assert_int_equal(run_row(&r), PLN_OK);
    memcpy(last, r.y, count * sizeof(float));
    memset(r.y, 0, count * sizeof(float));
    r.plain = true;
    assert_int_equal(run_row(&r), PLN_OK);
    assert_memory_equal(last, r.y, count * sizeof(float));
    free(last);
    run_deinit(&r);
}

static void check_refusals(const struct pln_kernel *kernel)
{
    struct run r;
    run_init(&r, 16, 16, 6, 6);
    r.kernel = kernel;
    r.stride = 2; /* as no plan of ours has it */
    assert_int_equal(run_row(&r), PLN_BAD_PLAN);
    run_deinit(&r);
    struct pln_attrs attrs = { 0 };
    struct pln_operand in[2] = {
        { .present = true, .dtype = PLN_F32, .rank = 4, .dims = { 1, 32, 8, 8 } },
        { .present = true, .constant = true, .dtype = PLN_F32, .rank = 4, .dims = { 32, 32, 3, 3 } }
    };
    struct pln_problem problem = {
        .op = PLN_OP_CONV, .attrs = &attrs, .n_inputs = 2, .n_outputs = 1, .inputs = in, .outputs = in
    };
    assert_null(kernel->family->supports(kernel, &problem));
    problem.direct = true;
    assert_non_null(kernel->family->supports(kernel, &problem));
    problem.direct = false;
    in[1].dims[3] = 1;
    assert_non_null(kernel->family->supports(kernel, &problem));
    in[1].dims[3] = 3;
    in[1].dims[1] = 3;
    assert_non_null(kernel->family->supports(kernel, &problem));
}

static void errors(void **state)
{
    (void)state;
    each_row(check_errors);
    each_row(check_bound);
}

static void special(void **state)
{
    (void)state;
    each_row(check_special);
}

static void range(void **state)
{
    (void)state;
    each_row(check_range);
}

static void plain_output(void **state)
{
    (void)state;
    each_row(check_plain_output);
}

static void refusals(void **state)
{
    (void)state;
    each_row(check_refusals);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors),       cmocka_unit_test(special),  cmocka_unit_test(range),
        cmocka_unit_test(plain_output), cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
