/* Ops that move elements. */
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
#define COUNT(...) ((int)(sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)))
/* Rank and dims; a list of integers and its length. */
#define SHAPE(...) COUNT(__VA_ARGS__), DIMS(__VA_ARGS__)

static const enum pln_dtype types[] = { PLN_F32, PLN_U8, PLN_F64, PLN_I16, PLN_BOOL, PLN_I64 };

static struct kernel_case start(const char *name, unsigned op)
{
    struct kernel_case c;
    kernel_case_init(&c, name, op, 0);
    return c;
}

static void finish(struct kernel_case *c)
{
    kernel_case_run(c);
    kernel_case_deinit(c);
}

/* One after another, so that every size of element comes by. */
static void input(struct kernel_case *c, int rank, const int64_t *dims)
{
    static unsigned next;
    const enum pln_dtype dtype = c->n_inputs > 0 ? c->inputs[0].dtype : types[next++ % PLN_COUNT_OF(types)];
    kernel_case_input(c, rank, dims)->dtype = dtype;
}

static void ints(struct kernel_case *c, int n, const int64_t *values)
{
    struct case_input *own = kernel_case_input(c, 1, DIMS(n));
    own->dtype = PLN_I64;
    own->values = pln_arena_copy(&c->arena, values, (size_t)n * sizeof *values);
}

static void absent(struct kernel_case *c)
{
    kernel_case_input(c, 0, NULL)->present = false;
}

static void set_int(struct kernel_case *c, const char *name, int64_t value)
{
    assert_true(pln_attrs_set_int(&c->attrs, &c->arena, name, value));
}

static void set_text(struct kernel_case *c, const char *name, const char *text)
{
    assert_true(pln_attrs_set_string(&c->attrs, &c->arena, name, text, strlen(text)));
}

/* ---- places that are sums of index times stride ---- */

static void transpose_one(int rank, const int64_t *dims, int n, const int64_t *perm)
{
    struct kernel_case c = start("transpose", PLN_OP_TRANSPOSE);
    input(&c, rank, dims);
    if (n > 0) assert_true(pln_attrs_set_ints(&c.attrs, &c.arena, "perm", perm, n));
    finish(&c);
}

static void transpose(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLN_COUNT_OF(types); i++) {
        transpose_one(SHAPE(37, 65), 0, NULL);
        transpose_one(SHAPE(3, 33, 40), SHAPE(0, 2, 1));
        for (int64_t channels = 2; channels < 5; channels++) {
            transpose_one(SHAPE(2, channels, 19, 7), SHAPE(0, 2, 3, 1));
            transpose_one(SHAPE(2, 19, 7, channels), SHAPE(0, 3, 1, 2));
        }
    }
    transpose_one(SHAPE(5), 0, NULL);
    transpose_one(0, NULL, 0, NULL);
    transpose_one(SHAPE(2, 3, 4, 5), SHAPE(0, 2, 1, 3));
    transpose_one(SHAPE(2, 3, 4, 5), SHAPE(3, 1, 0, 2));
    transpose_one(SHAPE(2, 35, 3, 34), SHAPE(3, 0, 2, 1));
    transpose_one(SHAPE(1, 40, 1, 70), SHAPE(3, 2, 1, 0));
    transpose_one(SHAPE(4, 0, 3), SHAPE(2, 0, 1));
    transpose_one(SHAPE(2, 3, 2, 3, 2, 3, 2, 9), SHAPE(7, 6, 5, 4, 3, 2, 1, 0));
    assert_int_equal(kernel_rows_untested(PLN_OP_TRANSPOSE), 0);
}

static void repeat_one(unsigned op, int rank, const int64_t *dims, int n, const int64_t *values)
{
    struct kernel_case c = start(pln_op_name(op), op);
    input(&c, rank, dims);
    ints(&c, n, values);
    finish(&c);
}

static void repeats(void **state)
{
    (void)state;
    repeat_one(PLN_OP_EXPAND, SHAPE(3, 1, 5), SHAPE(2, 3, 4, 5));
    repeat_one(PLN_OP_EXPAND, SHAPE(1, 700), SHAPE(9, 1));
    repeat_one(PLN_OP_EXPAND, 0, NULL, SHAPE(3, 3));
    repeat_one(PLN_OP_EXPAND, SHAPE(3, 1), SHAPE(0, 3, 4));
    repeat_one(PLN_OP_EXPAND, SHAPE(1, 19, 1, 1), SHAPE(2, 1, 3, 33));
    repeat_one(PLN_OP_TILE, SHAPE(2, 3), SHAPE(3, 2));
    repeat_one(PLN_OP_TILE, SHAPE(2, 30, 41), SHAPE(2, 3, 7));
    repeat_one(PLN_OP_TILE, SHAPE(2, 30, 1, 9), SHAPE(1, 0, 2, 2));
    repeat_one(PLN_OP_TILE, SHAPE(60, 1, 50, 1), SHAPE(1, 3, 1, 33));
    repeat_one(PLN_OP_TILE, SHAPE(5, 1, 7), SHAPE(1, 300, 2));
    repeat_one(PLN_OP_TILE, SHAPE(2, 3), SHAPE(0, 2));
    repeat_one(PLN_OP_TILE, SHAPE(2, 1, 2, 1, 2, 1, 2, 3), SHAPE(2, 1, 2, 1, 2, 1, 2, 2));
    repeat_one(PLN_OP_RESHAPE, SHAPE(6, 4, 5), SHAPE(4, -1));
    repeat_one(PLN_OP_RESHAPE, SHAPE(6, 4, 5), SHAPE(2, 3, 2, 2, 5, 1));
    repeat_one(PLN_OP_SQUEEZE, SHAPE(3, 1, 5, 1), SHAPE(1, -1));
    repeat_one(PLN_OP_UNSQUEEZE, SHAPE(3, 5), SHAPE(0, 3));
    struct kernel_case c = start("flatten", PLN_OP_FLATTEN);
    input(&c, SHAPE(3, 4, 5));
    finish(&c);
    c = start("identity", PLN_OP_IDENTITY);
    input(&c, SHAPE(3, 40, 50));
    finish(&c);
    c = start("bitcast", PLN_OP_BITCAST);
    kernel_case_input(&c, SHAPE(3, 40, 5))->dtype = PLN_I32;
    set_int(&c, "to", PLN_F32);
    finish(&c);
    const unsigned ops[] = { PLN_OP_EXPAND,  PLN_OP_TILE,      PLN_OP_RESHAPE,  PLN_OP_SQUEEZE,
                             PLN_OP_FLATTEN, PLN_OP_UNSQUEEZE, PLN_OP_IDENTITY, PLN_OP_BITCAST };
    for (size_t i = 0; i < PLN_COUNT_OF(ops); i++) assert_int_equal(kernel_rows_untested(ops[i]), 0);
}

static void blocks_one(unsigned op, int rank, const int64_t *dims, int64_t size, const char *mode)
{
    struct kernel_case c = start(pln_op_name(op), op);
    input(&c, rank, dims);
    set_int(&c, "blocksize", size);
    if (mode) set_text(&c, "mode", mode);
    finish(&c);
}

static void blocks(void **state)
{
    (void)state;
    for (int crd = 0; crd < 2; crd++) {
        const char *mode = crd ? "CRD" : "DCR";
        blocks_one(PLN_OP_DEPTH_TO_SPACE, SHAPE(2, 12, 5, 7), 2, mode);
        blocks_one(PLN_OP_DEPTH_TO_SPACE, SHAPE(1, 18, 33, 9), 3, mode);
        blocks_one(PLN_OP_DEPTH_TO_SPACE, SHAPE(1, 16, 2, 3, 4), 2, mode);
        blocks_one(PLN_OP_DEPTH_TO_SPACE, SHAPE(0, 4, 5, 7), 2, mode);
        blocks_one(PLN_OP_SPACE_TO_DEPTH, SHAPE(2, 3, 10, 14), 2, mode);
        blocks_one(PLN_OP_SPACE_TO_DEPTH, SHAPE(1, 2, 6, 9, 3), 3, mode);
    }
    blocks_one(PLN_OP_SPACE_TO_DEPTH, SHAPE(2, 3, 10, 14), 2, NULL);
    blocks_one(PLN_OP_SPACE_TO_DEPTH, SHAPE(1, 5, 66, 9), 3, NULL);
    blocks_one(PLN_OP_SPACE_TO_DEPTH, SHAPE(2, 3, 70), 10, NULL);
    blocks_one(PLN_OP_SPACE_TO_DEPTH, SHAPE(2, 3, 120, 202), 2, NULL);
    blocks_one(PLN_OP_DEPTH_TO_SPACE, SHAPE(3, 32, 24, 31), 4, "DCR");
    blocks_one(PLN_OP_DEPTH_TO_SPACE, SHAPE(3, 32, 24, 31), 4, "CRD");
    assert_int_equal(kernel_rows_untested(PLN_OP_DEPTH_TO_SPACE), 0);
    assert_int_equal(kernel_rows_untested(PLN_OP_SPACE_TO_DEPTH), 0);
}

/* ---- pieces ---- */

static void concat_one(int64_t axis, int rank, const int64_t *dims, int n, const int64_t *lengths)
{
    struct kernel_case c = start("concat", PLN_OP_CONCAT);
    int64_t own[PLN_MAX_RANK];
    memcpy(own, dims, (size_t)rank * sizeof *own);
    for (int i = 0; i < n; i++) {
        own[axis < 0 ? axis + rank : axis] = lengths[i];
        input(&c, rank, own);
    }
    set_int(&c, "axis", axis);
    finish(&c);
}

static void concat(void **state)
{
    (void)state;
    concat_one(0, SHAPE(0), SHAPE(5, 1, 700));
    concat_one(1, SHAPE(3, 0, 5), SHAPE(2, 4));
    concat_one(-1, SHAPE(2, 3, 0), SHAPE(33, 0, 1, 900));
    concat_one(0, SHAPE(0, 40, 3), SHAPE(1, 1, 1, 1, 2, 2, 2, 30));
    concat_one(1, SHAPE(2, 0, 3), SHAPE(1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3));
    concat_one(1, SHAPE(0, 0), SHAPE(1, 2));
    concat_one(2, SHAPE(2, 3, 0, 5), SHAPE(7));
    assert_int_equal(kernel_rows_untested(PLN_OP_CONCAT), 0);
}

static void split_one(int64_t axis, int rank, const int64_t *dims, int n, const int64_t *lengths, int n_outputs)
{
    struct kernel_case c = start("split", PLN_OP_SPLIT);
    input(&c, rank, dims);
    if (n > 0) ints(&c, n, lengths);
    set_int(&c, "axis", axis);
    c.n_outputs = n_outputs;
    finish(&c);
}

static void split(void **state)
{
    (void)state;
    split_one(0, SHAPE(10), SHAPE(3, 0, 7), 3);
    split_one(1, SHAPE(3, 11, 5), 0, NULL, 4);
    split_one(-1, SHAPE(2, 3, 1000), SHAPE(1, 999), 2);
    split_one(1, SHAPE(2, 4, 3), 0, NULL, 3);
    split_one(0, SHAPE(2, 3), 0, NULL, 4);
}

/* ---- indices ---- */

static void gather_one(unsigned op, int64_t axis, int rank, const int64_t *dims, int at_rank, const int64_t *at,
                       const int64_t *indices)
{
    struct kernel_case c = start(pln_op_name(op), op);
    input(&c, rank, dims);
    struct case_input *own = kernel_case_input(&c, at_rank, at);
    own->dtype = PLN_I64;
    own->values = indices;
    set_int(&c, op == PLN_OP_GATHER_ND ? "batch_dims" : "axis", axis);
    finish(&c);
}

static void gather(void **state)
{
    (void)state;
    gather_one(PLN_OP_GATHER, 0, SHAPE(5, 70), SHAPE(2, 3), DIMS(0, 4, -1, -5, 2, 2));
    gather_one(PLN_OP_GATHER, 1, SHAPE(3, 4, 5), SHAPE(2), DIMS(3, -4));
    gather_one(PLN_OP_GATHER, -1, SHAPE(3, 4, 5), SHAPE(1, 2), DIMS(-1, 0));
    gather_one(PLN_OP_GATHER, 1, SHAPE(3, 4), 0, NULL, DIMS(2));
    gather_one(PLN_OP_GATHER, 0, SHAPE(3, 0), SHAPE(2), DIMS(1, 2));
    gather_one(PLN_OP_GATHER, 0, SHAPE(9, 3000), SHAPE(3), DIMS(8, 0, 8));
    gather_one(PLN_OP_GATHER_ELEMENTS, 1, SHAPE(3, 4), SHAPE(2, 3), DIMS(0, 3, -1, 2, -4, 1));
    gather_one(PLN_OP_GATHER_ELEMENTS, 0, SHAPE(3, 2, 2), SHAPE(4, 1, 2), DIMS(0, 1, 2, -1, -2, -3, 0, 2));
    gather_one(PLN_OP_GATHER_ELEMENTS, -1, SHAPE(5), SHAPE(3), DIMS(4, -5, 0));
    gather_one(PLN_OP_GATHER_ELEMENTS, 1, SHAPE(2, 5, 3, 2), SHAPE(2, 2, 3, 2), DIMS(0, 1, 2, 3, 4, -1, -2, -3, -4, -5, 0, 2, 4, 4, 1, 1, 0, 0, 3, 2, 2, 3, 1, 4));
    gather_one(PLN_OP_GATHER_ELEMENTS, 2, SHAPE(1, 2, 7, 1), SHAPE(1, 2, 3, 1), DIMS(0, 6, -7, 3, -1, 2));
    gather_one(PLN_OP_GATHER_ELEMENTS, 1, SHAPE(2, 3, 2), SHAPE(1, 4, 1), DIMS(2, 0, -1, 1));
    gather_one(PLN_OP_GATHER_ELEMENTS, 0, SHAPE(3, 2), SHAPE(0, 2), NULL);
    gather_one(PLN_OP_GATHER_ELEMENTS, 1, SHAPE(3, 0), SHAPE(2, 0), NULL);
    gather_one(PLN_OP_GATHER_ND, 0, SHAPE(3, 4, 5), SHAPE(2, 2), DIMS(2, 3, -1, -4));
    gather_one(PLN_OP_GATHER_ND, 1, SHAPE(2, 3, 4), SHAPE(2, 2, 1), DIMS(0, 2, -1, 1));
    gather_one(PLN_OP_GATHER_ND, 1, SHAPE(2, 3, 4, 2), SHAPE(2, 2), DIMS(0, 3, -1, 1));
    gather_one(PLN_OP_GATHER_ND, 0, SHAPE(3, 4), SHAPE(2, 2), DIMS(0, 0, 2, -1));
    gather_one(PLN_OP_GATHER_ND, 0, SHAPE(3, 400), SHAPE(2, 2, 1), DIMS(0, 1, 2, -1));
    gather_one(PLN_OP_GATHER_ND, 0, SHAPE(3, 4), SHAPE(2, 0), NULL);
    const unsigned ops[] = { PLN_OP_GATHER, PLN_OP_GATHER_ELEMENTS, PLN_OP_GATHER_ND };
    for (size_t i = 0; i < PLN_COUNT_OF(ops); i++) assert_int_equal(kernel_rows_untested(ops[i]), 0);
}

static void scatter_one(unsigned op, const char *reduction, enum pln_dtype dtype, int64_t axis, const int64_t *shapes,
                        const int64_t *indices)
{
    struct kernel_case c = start(pln_op_name(op), op);
    /* data, indices, updates: rank and extents each */
    for (int i = 0; i < 3; i++) {
        struct case_input *own = kernel_case_input(&c, (int)shapes[0], shapes + 1);
        own->dtype = i == 1 ? PLN_I64 : dtype;
        own->values = i == 1 ? indices : NULL;
        shapes += 1 + shapes[0];
    }
    if (op == PLN_OP_SCATTER_ELEMENTS) set_int(&c, "axis", axis);
    set_text(&c, "reduction", reduction);
    finish(&c);
}

static void scatter(void **state)
{
    (void)state;
    static const char *const reductions[] = { "none", "add", "mul", "min", "max" };
    static int64_t many[2000];
    for (int i = 0; i < 2000; i++) many[i] = i * 7919 % 301;
    for (size_t r = 0; r < PLN_COUNT_OF(reductions); r++) {
        for (size_t t = 0; t < PLN_COUNT_OF(types); t++) {
            scatter_one(PLN_OP_SCATTER_ELEMENTS, reductions[r], types[t], 1, DIMS(2, 3, 4, 2, 2, 3, 2, 2, 3),
                        DIMS(0, 3, -1, 2, -4, -4));
            scatter_one(PLN_OP_SCATTER_ND, reductions[r], types[t], 0, DIMS(2, 5, 7, 2, 4, 1, 2, 4, 7),
                        DIMS(2, -1, 2, 4));
        }
        scatter_one(PLN_OP_SCATTER_ELEMENTS, reductions[r], PLN_F32, 0, DIMS(2, 301, 20, 2, 100, 20, 2, 100, 20), many);
        scatter_one(PLN_OP_SCATTER_ELEMENTS, reductions[r], PLN_I32, 0, DIMS(1, 301, 1, 2000, 1, 2000), many);
        scatter_one(PLN_OP_SCATTER_ELEMENTS, reductions[r], PLN_F32, 1, DIMS(3, 3, 301, 70, 3, 2, 4, 65, 3, 2, 4, 65), many);
        scatter_one(PLN_OP_SCATTER_ELEMENTS, reductions[r], PLN_F64, 1, DIMS(4, 2, 4, 3, 2, 4, 1, 3, 2, 2, 4, 1, 3, 2, 2),
                    DIMS(0, 3, -1, 2, -4, -4, 0, 0, 3, 1, 1, 2));
        scatter_one(PLN_OP_SCATTER_ELEMENTS, reductions[r], PLN_F32, 1, DIMS(4, 2, 4, 1, 2, 4, 2, 1, 1, 2, 4, 2, 1, 1, 2), DIMS(0, -1, 0, 3));
        scatter_one(PLN_OP_SCATTER_ELEMENTS, reductions[r], PLN_F32, 2, DIMS(3, 3, 1, 4000, 3, 2, 1, 5, 3, 2, 1, 5), many);
        scatter_one(PLN_OP_SCATTER_ELEMENTS, reductions[r], PLN_F32, 0, DIMS(2, 3, 4, 2, 0, 4, 2, 0, 4), NULL);
        scatter_one(PLN_OP_SCATTER_ELEMENTS, reductions[r], PLN_F32, 0, DIMS(2, 3, 0, 2, 2, 0, 2, 2, 0), NULL);
        scatter_one(PLN_OP_SCATTER_ND, reductions[r], PLN_F32, 0, DIMS(2, 301, 400, 2, 20, 1, 2, 20, 400), many);
        scatter_one(PLN_OP_SCATTER_ND, reductions[r], PLN_F32, 0, DIMS(3, 4, 3, 5, 3, 2, 2, 2, 3, 2, 2, 5),
                    DIMS(0, 1, 3, -1, 0, 1, -2, 0));
        scatter_one(PLN_OP_SCATTER_ND, reductions[r], PLN_F32, 0, DIMS(2, 301, 33, 2, 700, 1, 2, 700, 33), many);
        scatter_one(PLN_OP_SCATTER_ND, reductions[r], PLN_F32, 0, DIMS(2, 3, 5000, 2, 2, 1, 2, 2, 5000), DIMS(1, -1));
        scatter_one(PLN_OP_SCATTER_ND, reductions[r], PLN_F32, 0, DIMS(2, 3, 4, 2, 2, 0, 3, 2, 3, 4), NULL);
        scatter_one(PLN_OP_SCATTER_ND, reductions[r], PLN_F32, 0, DIMS(2, 3, 4, 2, 0, 1, 2, 0, 4), NULL);
    }
}

/* ---- cuts ---- */

static void slice_one(int rank, const int64_t *dims, int n, const int64_t *starts, const int64_t *ends,
                      const int64_t *axes, const int64_t *steps)
{
    struct kernel_case c = start("slice", PLN_OP_SLICE);
    input(&c, rank, dims);
    ints(&c, n, starts);
    ints(&c, n, ends);
    if (axes)
        ints(&c, n, axes);
    else
        absent(&c);
    if (steps) ints(&c, n, steps);
    finish(&c);
}

static void slice(void **state)
{
    (void)state;
    slice_one(SHAPE(5, 6), SHAPE(1, 2), DIMS(4, 6), NULL, NULL);
    slice_one(SHAPE(5, 6, 70), SHAPE(-2, 0), DIMS(INT64_MAX, -1), DIMS(-1, 0), DIMS(1, 2));
    slice_one(SHAPE(7, 9), SHAPE(-1, 8), DIMS(INT64_MIN, 0), DIMS(0, 1), DIMS(-1, -3));
    slice_one(SHAPE(7, 9), SHAPE(100), DIMS(-100), DIMS(1), DIMS(-2));
    slice_one(SHAPE(7), SHAPE(2), DIMS(7), DIMS(0), DIMS(INT64_MAX));
    slice_one(SHAPE(7), SHAPE(-1), DIMS(INT64_MIN), DIMS(0), DIMS(INT64_MIN));
    slice_one(SHAPE(7, 3), SHAPE(9, 0), DIMS(12, 2), NULL, NULL);
    slice_one(SHAPE(4, 1000, 3), SHAPE(10), DIMS(900), DIMS(1), NULL);
}

static void pad_one(const char *mode, int rank, const int64_t *dims, int n, const int64_t *pads, int value, int n_axes,
                    const int64_t *axes)
{
    struct kernel_case c = start("pad", PLN_OP_PAD);
    input(&c, rank, dims);
    ints(&c, n, pads);
    if (value)
        input(&c, 0, NULL);
    else
        absent(&c);
    if (axes) ints(&c, n_axes, axes);
    set_text(&c, "mode", mode);
    finish(&c);
}

static void pad(void **state)
{
    (void)state;
    static const char *const modes[] = { "constant", "reflect", "edge", "wrap" };
    for (size_t m = 0; m < PLN_COUNT_OF(modes); m++) {
        pad_one(modes[m], SHAPE(3, 4), SHAPE(1, 2, 0, 3), 0, 0, NULL);
        pad_one(modes[m], SHAPE(3, 4), SHAPE(-1, 2, 0, -2), 1, 0, NULL);
        pad_one(modes[m], SHAPE(2, 3, 300), SHAPE(9, 10), 1, 1, DIMS(-1));
        pad_one(modes[m], SHAPE(2, 1, 5), SHAPE(3, 0, 4, 11), 0, 2, DIMS(1, 2));
        pad_one(modes[m], SHAPE(5), SHAPE(17, 23), 1, 0, NULL);
        pad_one(modes[m], SHAPE(2, 3, 40, 71), SHAPE(0, 0, 1, 2, 0, 0, 3, 1), 1, 0, NULL);
        pad_one(modes[m], SHAPE(1, 90, 21, 20), SHAPE(0, 0, -1, 2, 0, 0, 3, -4), 1, 0, NULL);
    }
    pad_one("constant", SHAPE(0, 4), SHAPE(1, 0, 2, 1), 1, 0, NULL);
    pad_one("constant", SHAPE(3), SHAPE(-5, 9), 1, 0, NULL);
}

static void crop(void **state)
{
    (void)state;
    static const int64_t wanted[][2] = { { 3, 4 }, { 10, 3 }, { 2, 11 }, { 9, 70 }, { 0, 4 } };
    for (size_t i = 0; i < PLN_COUNT_OF(wanted); i++) {
        struct kernel_case c = start("center_crop_pad", PLN_OP_CENTER_CROP_PAD);
        input(&c, SHAPE(5, 6, 7));
        ints(&c, 2, wanted[i]);
        assert_true(pln_attrs_set_ints(&c.attrs, &c.arena, "axes", DIMS(0, -1), 2));
        finish(&c);
    }
}

/* ---- numbers that are data ---- */

static void trilu(void **state)
{
    (void)state;
    static const int64_t ks[] = { 0, 1, -1, 3, -9, 9, INT64_MAX, INT64_MIN };
    for (size_t i = 0; i < PLN_COUNT_OF(ks); i++)
        for (int upper = 0; upper < 2; upper++) {
            struct kernel_case c = start("trilu", PLN_OP_TRILU);
            input(&c, SHAPE(2, 5, i % 2 ? 7 : 3));
            if (ks[i] != 0 || upper) {
                ints(&c, 1, &ks[i]);
                if (i % 2) c.inputs[1].rank = 0;
            }
            set_int(&c, "upper", upper);
            finish(&c);
        }
}

static void reverse(void **state)
{
    (void)state;
    for (int time = 0; time < 2; time++) {
        struct kernel_case c = start("reverse_sequence", PLN_OP_REVERSE_SEQUENCE);
        input(&c, SHAPE(4, 4, 70));
        ints(&c, 4, DIMS(4, 0, 1, 3));
        set_int(&c, "time_axis", time);
        set_int(&c, "batch_axis", 1 - time);
        finish(&c);
    }
}

/* An index outside of its axis, the first or the last of the list. */
static void bad_indices(void **state)
{
    (void)state;
    const unsigned ops[] = { PLN_OP_GATHER, PLN_OP_GATHER_ELEMENTS, PLN_OP_SCATTER_ELEMENTS, PLN_OP_SCATTER_ND };
    const int64_t good[] = { 0, 1, 2, -3 }, high[] = { 3, 1, 2, 0 }, low[] = { 0, 1, 2, -4 };
    for (size_t i = 0; i < PLN_COUNT_OF(ops); i++)
        for (int side = 0; side < 2; side++) {
            struct kernel_case c = start(pln_op_name(ops[i]), ops[i]);
            kernel_case_input(&c, 1, DIMS(3));
            struct case_input *own = kernel_case_input(&c, ops[i] == PLN_OP_SCATTER_ND ? 2 : 1, DIMS(4, 1));
            own->dtype = PLN_I64;
            own->values = good;
            own->wrong = side ? low : high;
            if (ops[i] == PLN_OP_SCATTER_ELEMENTS || ops[i] == PLN_OP_SCATTER_ND) kernel_case_input(&c, 1, DIMS(4));
            c.fault = "outside";
            finish(&c);
        }
}

static void tensor_scatter(void **state)
{
    (void)state;
    for (int circular = 0; circular < 2; circular++)
        for (int told = 0; told < 2; told++) {
            struct kernel_case c = start("tensor_scatter", PLN_OP_TENSOR_SCATTER);
            input(&c, SHAPE(3, 2, 9, 40));
            input(&c, SHAPE(3, 2, 4, 40));
            if (told) ints(&c, 3, circular ? DIMS(7, 0, 23) : DIMS(5, 0, 2));
            set_text(&c, "mode", circular ? "circular" : "linear");
            finish(&c);
        }
}

/* ---- making elements ---- */

static void one_hot(void **state)
{
    (void)state;
    for (int64_t axis = -1; axis < 2; axis++) {
        struct kernel_case c = start("one_hot", PLN_OP_ONE_HOT);
        ints(&c, 6, DIMS(0, 4, -1, 5, -5, -6));
        c.inputs[0].rank = 2;
        c.inputs[0].dims[0] = 2;
        c.inputs[0].dims[1] = 3;
        ints(&c, 1, DIMS(5));
        c.inputs[1].rank = 0;
        kernel_case_input(&c, SHAPE(2))->dtype = types[axis + 1];
        set_int(&c, "axis", axis);
        finish(&c);
    }
    struct kernel_case c = start("one_hot of floats", PLN_OP_ONE_HOT);
    kernel_case_input(&c, SHAPE(300))->fill = FILL_SPECIAL;
    ints(&c, 1, DIMS(3));
    kernel_case_input(&c, SHAPE(2));
    finish(&c);
}

static void range_one(enum pln_dtype dtype, const void *values, size_t unit_bytes)
{
    struct kernel_case c = start("range", PLN_OP_RANGE);
    for (int k = 0; k < 3; k++) {
        struct case_input *own = kernel_case_input(&c, 0, NULL);
        own->dtype = dtype;
        own->values = (const char *)values + (size_t)k * unit_bytes;
    }
    finish(&c);
}

static void range(void **state)
{
    (void)state;
    static const int64_t parts[][3] = { { 3, 20, 4 }, { 10, -7, -3 }, { 0, 20000, 1 }, { 5, 5, 1 }, { INT64_MIN, INT64_MAX, INT64_MAX } };
    static const int32_t narrow[][3] = { { 3, 20, 4 }, { 10, -20007, -1 }, { INT32_MIN, INT32_MAX, INT32_MAX } };
    static const float floats[][3] = { { 0.5f, 20, 0.3f }, { 1, -2000, -0.1f }, { 0, 1e-3f, 1e-3f }, { 1, 0, 1 } };
    for (size_t i = 0; i < PLN_COUNT_OF(parts); i++) range_one(PLN_I64, parts[i], sizeof **parts);
    for (size_t i = 0; i < PLN_COUNT_OF(narrow); i++) range_one(PLN_I32, narrow[i], sizeof **narrow);
    for (size_t i = 0; i < PLN_COUNT_OF(floats); i++) range_one(PLN_F32, floats[i], sizeof **floats);
}

static void eye(void **state)
{
    (void)state;
    for (size_t t = 0; t < PLN_COUNT_OF(types); t++)
        for (int64_t k = -2; k < 3; k++) {
            struct kernel_case c = start("eye_like", PLN_OP_EYE_LIKE);
            kernel_case_input(&c, SHAPE(5, 7))->dtype = types[t];
            set_int(&c, "k", k);
            if (k == 2) set_int(&c, "dtype", PLN_F16);
            finish(&c);
        }
}

static void constant(void **state)
{
    (void)state;
    for (int told = 0; told < 2; told++) {
        struct kernel_case c = start("constant_of_shape", PLN_OP_CONSTANT_OF_SHAPE);
        int16_t seven = 7;
        struct pln_tensor value;
        pln_tensor_init(&value, PLN_I16, 1, DIMS(1), &seven);
        ints(&c, 3, DIMS(3, 40, 50));
        if (told) {
            const struct pln_attr attr = { .name = "value", .kind = PLN_ATTR_TENSOR, .u.tensor = &value };
            assert_true(pln_attrs_set(&c.attrs, &c.arena, &attr));
        }
        finish(&c);
    }
}

static void all_rows_were_run(void **state)
{
    (void)state;
    const unsigned ops[] = { PLN_OP_SPLIT,
                             PLN_OP_SCATTER_ELEMENTS,
                             PLN_OP_SCATTER_ND,
                             PLN_OP_SLICE,
                             PLN_OP_PAD,
                             PLN_OP_CENTER_CROP_PAD,
                             PLN_OP_TRILU,
                             PLN_OP_REVERSE_SEQUENCE,
                             PLN_OP_ONE_HOT,
                             PLN_OP_RANGE,
                             PLN_OP_EYE_LIKE,
                             PLN_OP_TENSOR_SCATTER,
                             PLN_OP_CONSTANT_OF_SHAPE };
    for (size_t i = 0; i < PLN_COUNT_OF(ops); i++) assert_int_equal(kernel_rows_untested(ops[i]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transpose),
        cmocka_unit_test(repeats),
        cmocka_unit_test(blocks),
        cmocka_unit_test(concat),
        cmocka_unit_test(split),
        cmocka_unit_test(gather),
        cmocka_unit_test(scatter),
        cmocka_unit_test(bad_indices),
        cmocka_unit_test(slice),
        cmocka_unit_test(pad),
        cmocka_unit_test(crop),
        cmocka_unit_test(trilu),
        cmocka_unit_test(reverse),
        cmocka_unit_test(tensor_scatter),
        cmocka_unit_test(one_hot),
        cmocka_unit_test(range),
        cmocka_unit_test(eye),
        cmocka_unit_test(constant),
        cmocka_unit_test(all_rows_were_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
