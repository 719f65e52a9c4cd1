/* Shapes computed in the graph, as exporters write them, must become expressions of the input's dims. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ops/op.h"

static int setup(void **state)
{
    struct pln_graph *g;
    assert_int_equal(pln_graph_create(NULL, 0, NULL, &g), PLN_OK);
    *state = g;
    return 0;
}

static int teardown(void **state)
{
    pln_graph_destroy(*state);
    return 0;
}

/* dims as text, "batch,seq,64". */
static uint32_t input(struct pln_graph *g, const char *name, enum pln_dtype dtype, const char *dims)
{
    struct pln_dim all[PLN_MAX_RANK];
    int rank = 0;
    while (*dims) {
        assert_int_equal(pln_dim_parse(&g->dims, &dims, NULL, &all[rank++]), PLN_OK);
        if (*dims == ',') dims++;
    }
    struct pln_type type = { .kind = PLN_TENSOR, .dtype = dtype, .rank = rank, .dims = all };
    uint32_t value = pln_graph_add_value(g, name, &type);
    assert_true(pln_graph_add_block_input(g, 0, value));
    return value;
}

static uint32_t ints(struct pln_graph *g, int64_t n, const int64_t *data)
{
    return pln_graph_add_constant_i64(g, NULL, 1, &n, data);
}
#define INTS(g, ...) ints(g, (int64_t)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), (int64_t[]){ __VA_ARGS__ })

static uint32_t scalar(struct pln_graph *g, int64_t value)
{
    return pln_graph_add_constant_i64(g, NULL, 0, NULL, &value);
}

static uint32_t emit(struct pln_graph *g, unsigned op, const uint32_t *inputs, uint32_t n, const char *attr, int64_t value)
{
    struct pln_diag diag;
    pln_diag_init(&diag);
    uint32_t node = pln_graph_add_node(g, 0, op, 0, inputs, n, 1);
    if (attr) assert_true(pln_attrs_set_int(&pln_graph_node(g, node)->attrs, &g->arena, attr, value));
    enum pln_status status = pln_infer_node(g, node, &diag);
    if (status) print_error("%s\n", diag.entries[0].text);
    assert_int_equal(status, PLN_OK);
    return pln_graph_node(g, node)->outputs[0];
}
#define EMIT(g, op, ...) emit(g, op, (uint32_t[]){ __VA_ARGS__ }, (uint32_t)(sizeof((uint32_t[]){ __VA_ARGS__ }) / 4), NULL, 0)
#define EMIT_AXIS(g, op, axis, ...) \
    emit(g, op, (uint32_t[]){ __VA_ARGS__ }, (uint32_t)(sizeof((uint32_t[]){ __VA_ARGS__ }) / 4), "axis", axis)

static void assert_dims(struct pln_graph *g, const struct pln_dim *dims, int64_t n, const char *want)
{
    struct pln_text text;
    pln_text_init(&text, NULL);
    for (int64_t i = 0; i < n; i++) {
        if (i) pln_text_putc(&text, ',');
        pln_dim_print(&g->dims, pln_dim_resolve(&g->dims, dims[i]), &text);
    }
    assert_string_equal(text.data, want);
    pln_text_deinit(&text);
}

static void assert_shape(struct pln_graph *g, uint32_t value, const char *want)
{
    const struct pln_type *type = &pln_graph_value(g, value)->type;
    assert_true(type->rank >= 0);
    assert_dims(g, type->dims, type->rank, want);
}

static void assert_elems(struct pln_graph *g, uint32_t value, const char *want)
{
    const struct pln_value *v = pln_graph_value(g, value);
    assert_non_null(v->elems);
    assert_dims(g, v->elems, v->n_elems, want);
}

/* view(x, (batch, seq, 12, -1)) as torch.onnx writes it: Shape, Gather, Unsqueeze, Concat, Reshape. */
static void splits_heads(void **state)
{
    struct pln_graph *g = *state;
    uint32_t x = input(g, "x", PLN_F32, "batch,seq,768"), zero = INTS(g, 0);
    uint32_t shape = EMIT(g, PLN_OP_SHAPE, x);
    assert_elems(g, shape, "batch,seq,768");
    uint32_t batch = EMIT(g, PLN_OP_GATHER, shape, scalar(g, 0)), seq = EMIT(g, PLN_OP_GATHER, shape, scalar(g, -2));
    assert_elems(g, seq, "seq");
    uint32_t parts[4] = { EMIT(g, PLN_OP_UNSQUEEZE, batch, zero), EMIT(g, PLN_OP_UNSQUEEZE, seq, zero), INTS(g, 12), INTS(g, -1) };
    uint32_t target = emit(g, PLN_OP_CONCAT, parts, 4, "axis", 0);
    assert_elems(g, target, "batch,seq,12,-1");
    uint32_t heads = EMIT(g, PLN_OP_RESHAPE, x, target);
    assert_shape(g, heads, "batch,seq,12,64");

    /* And back, through a slice of the shape. */
    uint32_t lead = EMIT(g, PLN_OP_SLICE, EMIT(g, PLN_OP_SHAPE, heads), INTS(g, 0), INTS(g, -2));
    assert_elems(g, lead, "batch,seq");
    uint32_t joined = emit(g, PLN_OP_CONCAT, (uint32_t[]){ lead, INTS(g, -1) }, 2, "axis", 0);
    assert_shape(g, EMIT(g, PLN_OP_RESHAPE, heads, joined), "batch,seq,768");
    assert_shape(g, EMIT(g, PLN_OP_RESHAPE, heads, INTS(g, 0, 0, -1)), "batch,seq,768");
    assert_shape(g, EMIT(g, PLN_OP_RESHAPE, x, INTS(g, -1, 768)), "batch*seq,768");
    assert_shape(g, EMIT_AXIS(g, PLN_OP_FLATTEN, 2, heads), "batch*seq,768");
}

static void slices_symbolic_extents(void **state)
{
    struct pln_graph *g = *state;
    uint32_t x = input(g, "x", PLN_F32, "batch,past + seq,64"), y = input(g, "y", PLN_F32, "batch,seq,64");
    uint32_t one = INTS(g, 1), zero = INTS(g, 0);
    uint32_t full = EMIT(g, PLN_OP_SLICE, x, zero, INTS(g, INT64_MAX), one);
    assert_shape(g, full, "batch,past + seq,64");
    uint32_t seq = EMIT(g, PLN_OP_SLICE, EMIT(g, PLN_OP_SHAPE, y), one, INTS(g, 2));
    assert_shape(g, EMIT(g, PLN_OP_SLICE, x, zero, seq, one), "batch,seq,64");
    assert_shape(g, EMIT(g, PLN_OP_SLICE, x, seq, INTS(g, INT64_MAX), one), "batch,past,64");
    assert_shape(g, EMIT(g, PLN_OP_SLICE, x, INTS(g, -1), INTS(g, INT64_MIN), INTS(g, 2), INTS(g, -1)), "batch,past + seq,64");
    assert_shape(g, EMIT(g, PLN_OP_SLICE, x, INTS(g, 3), INTS(g, 60), INTS(g, 2), INTS(g, 4)), "batch,past + seq,15");
    assert_shape(g, EMIT(g, PLN_OP_SLICE, x, INTS(g, 62), INTS(g, -100), INTS(g, 2), INTS(g, -3)), "batch,past + seq,21");
}

static void expands_ranges_and_masks(void **state)
{
    struct pln_graph *g = *state;
    uint32_t x = input(g, "x", PLN_I64, "batch,seq"), p = input(g, "p", PLN_F32, "batch,4,past,64"), zero = INTS(g, 0);
    uint32_t seq = EMIT(g, PLN_OP_GATHER, EMIT(g, PLN_OP_SHAPE, x), scalar(g, 1));
    uint32_t range = EMIT(g, PLN_OP_RANGE, scalar(g, 0), seq, scalar(g, 1));
    assert_shape(g, range, "seq");
    uint32_t row = EMIT(g, PLN_OP_UNSQUEEZE, range, zero);
    assert_shape(g, EMIT(g, PLN_OP_EXPAND, row, EMIT(g, PLN_OP_SHAPE, x)), "batch,seq");
    uint32_t total = emit(g, PLN_OP_CONCAT, (uint32_t[]){ p, input(g, "k", PLN_F32, "batch,4,seq,64") }, 2, "axis", 2);
    assert_shape(g, total, "batch,4,seq + past,64");
    assert_shape(g, EMIT(g, PLN_OP_CONSTANT_OF_SHAPE, EMIT(g, PLN_OP_SHAPE, total)), "batch,4,seq + past,64");
    assert_shape(g, EMIT(g, PLN_OP_TILE, x, INTS(g, 2, 3)), "2*batch,3*seq");
    assert_elems(g, EMIT(g, PLN_OP_EXPAND, seq, INTS(g, 3)), "seq,seq,seq");
    assert_elems(g, EMIT(g, PLN_OP_RANGE, seq, EMIT(g, PLN_OP_SIZE, input(g, "z", PLN_F32, "seq + 2")), scalar(g, 1)), "seq,seq + 1");
    assert_shape(g, EMIT(g, PLN_OP_PAD, x, INTS(g, 0, 1, 0, 2)), "batch,seq + 3");
}

/* F.pad with computed pads: torch.onnx reverses pairs through a matrix of two columns. */
static void reorders_pads(void **state)
{
    struct pln_graph *g = *state;
    uint32_t x = input(g, "x", PLN_F32, "1,h,w,8"), zero = INTS(g, 0), shape = EMIT(g, PLN_OP_SHAPE, x);
    uint32_t w = EMIT(g, PLN_OP_SLICE, shape, INTS(g, 2), INTS(g, 3)), h = EMIT(g, PLN_OP_SLICE, shape, INTS(g, 1), INTS(g, 2));
    uint32_t parts[7] = { zero, zero, zero, w, zero, h, INTS(g, 0, 0) };
    uint32_t pairs = EMIT(g, PLN_OP_RESHAPE, emit(g, PLN_OP_CONCAT, parts, 7, "axis", 0), INTS(g, -1, 2));
    uint32_t turned = EMIT(g, PLN_OP_SLICE, pairs, INTS(g, -1), INTS(g, INT64_MIN + 1), INTS(g, 0), INTS(g, -1));
    uint32_t pads = EMIT(g, PLN_OP_RESHAPE, EMIT(g, PLN_OP_TRANSPOSE, turned), INTS(g, -1));
    assert_elems(g, pads, "0,0,0,0,0,h,w,0");
    assert_shape(g, EMIT(g, PLN_OP_PAD, x, pads), "1,2*h,2*w,8");
}

/* A table of 64 positions cut to the length of the sequence, added to what has that length; and the two halves of torch.roll. */
static void sees_through_clamps(void **state)
{
    struct pln_graph *g = *state;
    uint32_t x = input(g, "x", PLN_F32, "batch,seq"), table = input(g, "table", PLN_F32, "1,64"), one = INTS(g, 1), zero = INTS(g, 0);
    uint32_t seq = EMIT(g, PLN_OP_SLICE, EMIT(g, PLN_OP_SHAPE, x), one, INTS(g, 2));
    uint32_t cut = EMIT(g, PLN_OP_SLICE, table, zero, seq, one);
    assert_shape(g, cut, "1,min(seq, 64)");
    uint32_t both = EMIT(g, PLN_OP_EXPAND, cut, EMIT(g, PLN_OP_SHAPE, x));
    assert_shape(g, both, "batch,seq");
    uint32_t halves[2] = { EMIT(g, PLN_OP_SLICE, x, INTS(g, -2), INTS(g, INT64_MAX), one), EMIT(g, PLN_OP_SLICE, x, zero, INTS(g, -2), one) };
    assert_shape(g, emit(g, PLN_OP_CONCAT, halves, 2, "axis", 1), "batch,seq");
    halves[0] = EMIT(g, PLN_OP_SLICE, x, INTS(g, 2), INTS(g, INT64_MAX), one);
    halves[1] = EMIT(g, PLN_OP_SLICE, x, zero, INTS(g, 2), one);
    assert_shape(g, emit(g, PLN_OP_CONCAT, halves, 2, "axis", 1), "batch,seq");
}

static void splits_evenly(void **state)
{
    struct pln_graph *g = *state;
    uint32_t x = input(g, "x", PLN_F32, "batch,seq,192");
    uint32_t node = pln_graph_add_node(g, 0, PLN_OP_SPLIT, 0, &x, 1, 3);
    assert_true(pln_attrs_set_int(&pln_graph_node(g, node)->attrs, &g->arena, "axis", -1));
    assert_int_equal(pln_infer_node(g, node, NULL), PLN_OK);
    for (int o = 0; o < 3; o++) assert_shape(g, pln_graph_node(g, node)->outputs[o], "batch,seq,64");
}

/* What only the run can tell is a symbol, which stays the same when inference is repeated. */
static void keeps_made_up_symbols(void **state)
{
    struct pln_graph *g = *state;
    uint32_t x = input(g, "x", PLN_F32, "batch,seq"), shape = input(g, "shape", PLN_I64, "3");
    uint32_t found = EMIT(g, PLN_OP_NON_ZERO, x), free = EMIT(g, PLN_OP_RESHAPE, x, shape);
    struct pln_dim n = pln_graph_value(g, found)->type.dims[1];
    assert_int_equal(pln_graph_value(g, free)->type.rank, 3);
    assert_int_equal(pln_infer_graph(g, NULL), PLN_OK);
    assert_int_equal(pln_graph_value(g, found)->type.dims[1].id, n.id);
}

/* A branch that is not taken may hold what does not fit. */
static void refuses_only_what_runs(void **state)
{
    struct pln_graph *g = *state;
    uint32_t x = input(g, "x", PLN_F32, "2,3"), inputs[2] = { x, INTS(g, 0) };
    uint32_t node = pln_graph_add_node(g, 0, PLN_OP_SQUEEZE, 0, inputs, 2, 1);
    assert_int_equal(pln_infer_node(g, node, NULL), PLN_BAD_MODEL);
    uint32_t parent = pln_graph_add_node(g, 0, PLN_OP_IF, 0, &x, 1, 1), block = pln_graph_add_block(g, parent);
    node = pln_graph_add_node(g, block, PLN_OP_SQUEEZE, 0, inputs, 2, 1);
    assert_int_equal(pln_infer_node(g, node, NULL), PLN_OK);
    assert_shape(g, pln_graph_node(g, node)->outputs[0], "3");
}

/* A slice, a transpose and an expansion are views whose strides are told. */
static void tells_views(void **state)
{
    struct pln_graph *g = *state;
    uint32_t x = input(g, "x", PLN_F32, "batch,seq,64");
    uint32_t y = EMIT(g, PLN_OP_SLICE, x, INTS(g, 1), INTS(g, INT64_MAX), INTS(g, 1), INTS(g, 2));
    struct pln_dim strides[3] = { pln_dim_mul(&g->dims, pln_graph_value(g, x)->type.dims[1], pln_dim_const(&g->dims, 64)),
                                  pln_dim_const(&g->dims, 64), pln_dim_const(&g->dims, 1) };
    struct pln_dim offset, out[3];
    assert_true(pln_op_get(PLN_OP_SLICE)->view(g, pln_graph_value(g, y)->producer, strides, &offset, out));
    assert_dims(g, out, 3, "64*seq,128,1");
    y = EMIT(g, PLN_OP_TRANSPOSE, x);
    assert_true(pln_op_get(PLN_OP_TRANSPOSE)->view(g, pln_graph_value(g, y)->producer, strides, &offset, out));
    assert_dims(g, out, 3, "1,64,64*seq");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(splits_heads, setup, teardown),
        cmocka_unit_test_setup_teardown(slices_symbolic_extents, setup, teardown),
        cmocka_unit_test_setup_teardown(expands_ranges_and_masks, setup, teardown),
        cmocka_unit_test_setup_teardown(reorders_pads, setup, teardown),
        cmocka_unit_test_setup_teardown(sees_through_clamps, setup, teardown),
        cmocka_unit_test_setup_teardown(splits_evenly, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_made_up_symbols, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_only_what_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(tells_views, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
