/* Windows of convolution and pooling: attributes read and checked, output extents as numbers and as expressions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "kernel/window.h"
#include "ops/op.h"

struct fixture {
    struct pln_graph *graph;
    struct pln_diag diag;
};

static int setup(void **state)
{
    static struct fixture fixture;
    pln_diag_init(&fixture.diag);
    *state = &fixture;
    return pln_graph_create(NULL, 0, &fixture.diag, &fixture.graph) == PLN_OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    pln_graph_destroy(f->graph);
    return 0;
}

/* A value of f32 whose dims are given as text, "n,3,h,224"; "" has rank 0. */
static uint32_t value(struct fixture *f, const char *dims)
{
    struct pln_dim list[PLN_MAX_RANK];
    int rank = 0;
    while (*dims) {
        assert_int_equal(pln_dim_parse(&f->graph->dims, &dims, &f->diag, &list[rank++]), PLN_OK);
        if (*dims == ',') dims++;
    }
    struct pln_type type = { .kind = PLN_TENSOR, .dtype = PLN_F32, .rank = rank, .dims = list };
    return pln_graph_add_value(f->graph, NULL, &type);
}

static uint32_t node(struct fixture *f, unsigned op, unsigned kind, uint32_t a, uint32_t b, uint32_t n_outputs)
{
    uint32_t inputs[2] = { a, b };
    return pln_graph_add_node(f->graph, 0, op, kind, inputs, b == PLN_NONE ? 1 : 2, n_outputs);
}

static void set_ints(struct fixture *f, uint32_t n, const char *name, int64_t count, const int64_t *ints)
{
    assert_true(pln_attrs_set_ints(&pln_graph_node(f->graph, n)->attrs, &f->graph->arena, name, ints, count));
}

static void set_string(struct fixture *f, uint32_t n, const char *name, const char *text)
{
    assert_true(pln_attrs_set_string(&pln_graph_node(f->graph, n)->attrs, &f->graph->arena, name, text, strlen(text)));
}

static void set_int(struct fixture *f, uint32_t n, const char *name, int64_t number)
{
    assert_true(pln_attrs_set_int(&pln_graph_node(f->graph, n)->attrs, &f->graph->arena, name, number));
}

/* Dims of output o after inference, in brackets. */
static void expect(struct fixture *f, uint32_t n, int o, const char *want)
{
    struct pln_text text;
    assert_int_equal(pln_infer_node(f->graph, n, &f->diag), PLN_OK);
    const struct pln_type *type = &pln_graph_value(f->graph, pln_graph_node(f->graph, n)->outputs[o])->type;
    pln_text_init(&text, NULL);
    for (int d = 0; d < type->rank; d++) {
        if (d > 0) pln_text_putc(&text, ',');
        pln_dim_print(&f->graph->dims, type->dims[d], &text);
    }
    assert_string_equal(text.data, want);
    pln_text_deinit(&text);
}

static void expect_bad(struct fixture *f, uint32_t n)
{
    assert_int_equal(pln_infer_node(f->graph, n, &f->diag), PLN_BAD_MODEL);
}

static void pool_numbers(void **state)
{
    struct fixture *f = *state;
    uint32_t n = node(f, PLN_OP_POOL, PLN_POOL_MAX, value(f, "1,3,7,8"), PLN_NONE, 2);
    set_ints(f, n, "kernel_shape", 2, (const int64_t[]){ 3, 2 });
    expect(f, n, 0, "1,3,5,7");
    set_ints(f, n, "strides", 2, (const int64_t[]){ 2, 3 });
    expect(f, n, 1, "1,3,3,3");
}

static void pool_ceil_drops_a_window_in_the_padding(void **state)
{
    struct fixture *f = *state;
    uint32_t n = node(f, PLN_OP_POOL, PLN_POOL_AVERAGE, value(f, "1,1,2,5"), PLN_NONE, 1);
    set_ints(f, n, "kernel_shape", 2, (const int64_t[]){ 1, 2 });
    set_ints(f, n, "strides", 2, (const int64_t[]){ 2, 2 });
    set_ints(f, n, "pads", 4, (const int64_t[]){ 0, 0, 1, 0 });
    set_int(f, n, "ceil_mode", 1);
    expect(f, n, 0, "1,1,1,3");
}

/* ONNX's formula, where the window does not fit: rounding is towards minus infinity, so that -1 / 2 + 1 is 0; with ceil_mode it is 1. */
static void a_window_that_does_not_fit_gives_nothing(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int64_t extent, kernel, stride, pad, ceil, out; /* out -1: an error */
    } cases[] = { { 2, 3, 1, 0, 0, 0 }, { 2, 3, 1, 0, 1, 0 }, { 2, 3, 2, 0, 0, 0 }, { 2, 3, 2, 0, 1, 1 }, { 2, 4, 2, 0, 0, 0 }, { 2, 5, 2, 0, 0, -1 }, { 2, 4, 3, 0, 1, 1 },
                  { 2, 4, 1, 0, 0, -1 }, { 2, 4, 1, 1, 0, 0 }, { 0, 1, 1, 0, 0, 0 },  { 0, 2, 1, 1, 0, 0 },  { 0, 1, 4, 0, 1, 0 },  { 3, 6, 4, 0, 1, 1 } };
    for (size_t i = 0; i < PLN_COUNT_OF(cases); i++) {
        char dims[32], want[32];
        snprintf(dims, sizeof dims, "1,1,%d", (int)cases[i].extent);
        snprintf(want, sizeof want, "1,1,%d", (int)cases[i].out);
        uint32_t n = node(f, PLN_OP_POOL, PLN_POOL_MAX, value(f, dims), PLN_NONE, 1);
        set_ints(f, n, "kernel_shape", 1, &cases[i].kernel);
        set_ints(f, n, "strides", 1, &cases[i].stride);
        set_ints(f, n, "pads", 2, (const int64_t[]){ cases[i].pad, 0 });
        set_int(f, n, "ceil_mode", cases[i].ceil);
        struct pln_window window;
        int64_t out = -1;
        assert_null(pln_window_read(&pln_graph_node(f->graph, n)->attrs, 1, NULL, &window));
        const char *why = pln_window_output(&window, &cases[i].extent, &out);
        assert_int_equal(why ? -1 : out, cases[i].out);
        if (cases[i].out < 0) expect_bad(f, n);
        else expect(f, n, 0, want);
    }
    assert_non_null(strstr(f->diag.entries[0].text, "spans 5 on axis 2, whose extent is 2 + 0 of padding"));
}

static void symbols_become_expressions(void **state)
{
    struct fixture *f = *state;
    uint32_t n = node(f, PLN_OP_CONV_TRANSPOSE, 0, value(f, "n,4,h,w"), value(f, "4,2,3,3"), 1);
    set_ints(f, n, "strides", 2, (const int64_t[]){ 2, 1 });
    set_int(f, n, "group", 2);
    expect(f, n, 0, "n,4,2*h + 1,w + 2");
    uint32_t same = node(f, PLN_OP_POOL, PLN_POOL_LP, value(f, "n,c,h,w"), PLN_NONE, 1);
    set_ints(f, same, "kernel_shape", 2, (const int64_t[]){ 3, 3 });
    set_ints(f, same, "strides", 2, (const int64_t[]){ 1, 1 });
    set_string(f, same, "auto_pad", "SAME_UPPER");
    expect(f, same, 0, "n,c,h,w");
}

static void hostile_attributes_are_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *name;
        int64_t n, ints[4];
    } bad[] = { { "strides", 2, { 0, 1 } },      { "strides", 1, { 1 } },           { "dilations", 2, { 1, -1 } },        { "pads", 4, { 0, 0, -1, 0 } },
                { "pads", 2, { 1, 1 } },         { "kernel_shape", 2, { 0, 1 } },   { "kernel_shape", 1, { 2 } },         { "kernel_shape", 2, { 10, 1 } },
                { "dilations", 2, { INT64_MAX, 1 } }, { "pads", 4, { INT64_MAX, 0, INT64_MAX, 0 } }, { "strides", 2, { INT64_MIN, 1 } } };
    for (size_t i = 0; i < PLN_COUNT_OF(bad); i++) {
        uint32_t n = node(f, PLN_OP_POOL, PLN_POOL_AVERAGE, value(f, "1,1,8,8"), PLN_NONE, 1);
        set_ints(f, n, "kernel_shape", 2, (const int64_t[]){ 2, 2 });
        set_ints(f, n, bad[i].name, bad[i].n, bad[i].ints);
        expect_bad(f, n);
    }
    uint32_t n = node(f, PLN_OP_POOL, PLN_POOL_MAX, value(f, "1,1,8,8"), PLN_NONE, 1);
    set_ints(f, n, "kernel_shape", 2, (const int64_t[]){ 2, 2 });
    set_string(f, n, "auto_pad", "SAME");
    expect_bad(f, n);
}

static void groups_must_fit(void **state)
{
    struct fixture *f = *state;
    uint32_t n = node(f, PLN_OP_CONV_TRANSPOSE, 0, value(f, "1,4,5,5"), value(f, "3,2,3,3"), 1);
    expect_bad(f, n);
    set_int(f, n, "group", 0);
    expect_bad(f, n);
}

static void pads_of_same(void **state)
{
    (void)state;
    struct pln_window window = { .rank = 1, .auto_pad = PLN_AUTO_PAD_SAME_LOWER, .kernel = { 4 }, .stride = { 2 }, .dilation = { 1 } };
    int64_t in = 7, out;
    assert_null(pln_window_output(&window, &in, &out));
    assert_int_equal(out, 4);
    assert_int_equal(window.pad_begin[0], 2);
    assert_int_equal(window.pad_end[0], 1);
    in = 0;
    assert_null(pln_window_output(&window, &in, &out));
    assert_int_equal(out, 0);
}

static void clipping_meets_only_data(void **state)
{
    (void)state;
    for (int64_t base = -7; base <= 7; base++) {
        for (int64_t step = 1; step <= 4; step++) {
            for (int64_t extent = 0; extent <= 6; extent++) {
                int64_t first, end, seen = 0;
                pln_window_clip(base, step, extent, 5, &first, &end);
                for (int64_t p = 0; p < 5; p++) {
                    bool inside = p * step + base >= 0 && p * step + base < extent;
                    assert_int_equal(inside, p >= first && p < end);
                    seen += inside;
                }
                assert_int_equal(end - first, seen);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pool_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(pool_ceil_drops_a_window_in_the_padding, setup, teardown),
        cmocka_unit_test_setup_teardown(a_window_that_does_not_fit_gives_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(symbols_become_expressions, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_attributes_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(groups_must_fit, setup, teardown),
        cmocka_unit_test(pads_of_same),
        cmocka_unit_test(clipping_meets_only_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
