/* Inference: arithmetic of shapes, bodies, declared dims, folding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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

static uint32_t tensor(struct pln_graph *g, uint32_t block, const char *name, enum pln_dtype dtype, int rank, const struct pln_dim *dims)
{
    struct pln_type type = { .kind = PLN_TENSOR, .dtype = dtype, .rank = rank, .dims = dims };
    uint32_t value = pln_graph_add_value(g, name, &type);
    if (block != PLN_NONE) assert_true(pln_graph_add_block_input(g, block, value));
    return value;
}

static uint32_t ew(struct pln_graph *g, uint32_t block, unsigned kind, uint32_t a, uint32_t b)
{
    uint32_t inputs[2] = { a, b };
    return pln_graph_emit(g, block, PLN_OP_ELEMENTWISE, kind, inputs, b == PLN_NONE ? 1 : 2);
}

static const char *dims_text(struct pln_graph *g, uint32_t value)
{
    static char text[256];
    struct pln_text out;
    pln_text_init(&out, NULL);
    const struct pln_type *type = &pln_graph_value(g, value)->type;
    if (type->rank < 0) pln_text_puts(&out, "?");
    for (int d = 0; d < type->rank; d++) {
        if (d) pln_text_puts(&out, ",");
        pln_dim_print(&g->dims, pln_dim_resolve(&g->dims, type->dims[d]), &out);
    }
    strncpy(text, out.data, sizeof(text) - 1);
    pln_text_deinit(&out);
    return text;
}

static const char *elem_text(struct pln_graph *g, uint32_t value, int i)
{
    static char text[256];
    struct pln_text out;
    pln_text_init(&out, NULL);
    const struct pln_value *v = pln_graph_value(g, value);
    if (!v->elems || i >= v->n_elems) pln_text_puts(&out, "?");
    else pln_dim_print(&g->dims, pln_dim_resolve(&g->dims, v->elems[i]), &out);
    strncpy(text, out.data, sizeof(text) - 1);
    pln_text_deinit(&out);
    return text;
}

static void shape_arithmetic_stays_symbolic(void **state)
{
    struct pln_graph *g = *state;
    struct pln_dim n = pln_dim_symbol(&g->dims, "n"), dims[2] = { n, pln_dim_const(&g->dims, 12) };
    uint32_t x = tensor(g, 0, "x", PLN_F32, 2, dims);
    uint32_t shape = pln_graph_emit(g, 0, PLN_OP_SHAPE, 0, &x, 1);
    int64_t three = 3, minus = -1;
    uint32_t c3 = pln_graph_add_constant_i64(g, NULL, 0, NULL, &three), c_1 = pln_graph_add_constant_i64(g, NULL, 0, NULL, &minus);
    uint32_t sum = ew(g, 0, PLN_EW_ADD, shape, c3), quotient = ew(g, 0, PLN_EW_DIV, sum, c3), less = ew(g, 0, PLN_EW_LESS, c3, shape);
    uint32_t negative = ew(g, 0, PLN_EW_MUL, shape, c_1), back = ew(g, 0, PLN_EW_ABS, negative, PLN_NONE);
    uint32_t where_in[3] = { less, shape, c3 };
    uint32_t where = pln_graph_emit(g, 0, PLN_OP_ELEMENTWISE, PLN_EW_WHERE, where_in, 3);
    uint32_t product = pln_graph_emit(g, 0, PLN_OP_REDUCE, PLN_REDUCE_PROD, &shape, 1);
    assert_int_equal(pln_infer_graph(g, NULL), PLN_OK);
    assert_string_equal(elem_text(g, sum, 0), "n + 3");
    assert_string_equal(elem_text(g, quotient, 1), "5");
    assert_string_equal(elem_text(g, less, 1), "1");
    assert_string_equal(elem_text(g, where, 1), "12");
    assert_string_equal(elem_text(g, back, 1), "12");
    assert_string_equal(elem_text(g, product, 0), "12*n");
    assert_int_equal(pln_graph_value(g, less)->type.dtype, PLN_BOOL);
    /* A quotient that rounds toward zero where the sign is not known agrees with C. */
    uint32_t a = ew(g, 0, PLN_EW_SUB, c3, shape), b = ew(g, 0, PLN_EW_DIV, a, c3);
    assert_int_equal(pln_infer_graph(g, NULL), PLN_OK);
    assert_string_equal(elem_text(g, b, 1), "-3");
}

static void declared_dims_do_not_bind_inputs(void **state)
{
    struct pln_graph *g = *state;
    struct pln_dim n = pln_dim_symbol(&g->dims, "n"), one = pln_dim_const(&g->dims, 1), m = pln_dim_symbol(&g->dims, "m");
    uint32_t x = tensor(g, 0, "x", PLN_F32, 1, &n);
    uint32_t y = ew(g, 0, PLN_EW_RELU, x, PLN_NONE), z = ew(g, 0, PLN_EW_RELU, y, PLN_NONE);
    assert_true(pln_graph_set_tensor_type(g, y, PLN_F32, 1, &one)); /* left from before the input was made dynamic */
    assert_true(pln_graph_set_tensor_type(g, z, PLN_F32, 1, &m));
    assert_int_equal(pln_infer_graph(g, NULL), PLN_OK);
    assert_string_equal(dims_text(g, y), "n");
    assert_string_equal(dims_text(g, z), "n");
    assert_true(pln_dim_same(&g->dims, m, n));
    assert_true(pln_graph_set_tensor_type(g, z, PLN_F64, 1, &m));
    assert_int_equal(pln_infer_graph(g, NULL), PLN_BAD_MODEL); /* but a wrong element type is no matter of taste */
}

static void branches_meet(void **state)
{
    struct pln_graph *g = *state;
    struct pln_dim n = pln_dim_symbol(&g->dims, "n"), two = pln_dim_const(&g->dims, 2);
    uint32_t condition = tensor(g, 0, "c", PLN_BOOL, 0, NULL), x = tensor(g, 0, "x", PLN_F32, 1, &n), w = tensor(g, 0, "w", PLN_F32, 1, &two);
    uint32_t node = pln_graph_add_node(g, 0, PLN_OP_IF, 0, &condition, 1, 3);
    uint32_t yes = pln_graph_add_block(g, node), no = pln_graph_add_block(g, node);
    uint32_t a = ew(g, yes, PLN_EW_RELU, x, PLN_NONE), b = ew(g, no, PLN_EW_NEG, x, PLN_NONE), c = ew(g, no, PLN_EW_RELU, w, PLN_NONE);
    uint32_t found = pln_graph_emit(g, no, PLN_OP_NON_ZERO, 0, &w, 1), found_too = pln_graph_emit(g, yes, PLN_OP_NON_ZERO, 0, &w, 1);
    assert_true(pln_graph_add_block_output(g, yes, a, NULL) && pln_graph_add_block_output(g, no, b, NULL));
    assert_true(pln_graph_add_block_output(g, yes, a, NULL) && pln_graph_add_block_output(g, no, c, NULL));
    assert_true(pln_graph_add_block_output(g, yes, found_too, NULL) && pln_graph_add_block_output(g, no, found, NULL));
    assert_int_equal(pln_infer_graph(g, NULL), PLN_OK);
    uint32_t *out = pln_graph_node(g, node)->outputs;
    assert_string_equal(dims_text(g, out[0]), "n"); /* the same on both ways */
    struct pln_dim other = pln_graph_value(g, out[1])->type.dims[0];
    assert_false(pln_dim_same(&g->dims, other, n) || pln_dim_same(&g->dims, other, two));
    struct pln_dim count = pln_graph_value(g, out[2])->type.dims[1];
    assert_false(pln_dim_same(&g->dims, count, pln_graph_value(g, found)->type.dims[1])); /* nothing outside knows that one */
    uint32_t before = count.id;
    assert_int_equal(pln_infer_graph(g, NULL), PLN_OK);
    assert_int_equal(pln_graph_value(g, out[2])->type.dims[1].id, before); /* symbols are made once */
}

/* x grows by one in each turn, y keeps its shape; x is also collected. */
static void loops_widen_what_changes(void **state)
{
    struct pln_graph *g = *state;
    struct pln_dim one = pln_dim_const(&g->dims, 1), n = pln_dim_symbol(&g->dims, "n");
    uint32_t trips = tensor(g, 0, "trips", PLN_I64, 0, NULL), x = tensor(g, 0, "x", PLN_F32, 1, &one), y = tensor(g, 0, "y", PLN_F32, 1, &n);
    uint32_t inputs[4] = { trips, PLN_NONE, x, y };
    uint32_t node = pln_graph_add_node(g, 0, PLN_OP_LOOP, 0, inputs, 4, 3);
    uint32_t body = pln_graph_add_block(g, node);
    (void)tensor(g, body, "i", PLN_I64, 0, NULL);
    uint32_t condition = tensor(g, body, "go", PLN_BOOL, 0, NULL);
    uint32_t bx = tensor(g, body, "bx", PLN_DTYPE_NONE, -1, NULL), by = tensor(g, body, "by", PLN_F32, -1, NULL);
    uint32_t pair[2] = { bx, x };
    uint32_t grown = pln_graph_emit(g, body, PLN_OP_CONCAT, 0, pair, 2);
    assert_true(pln_attrs_set_int(&pln_graph_node(g, pln_graph_value(g, grown)->producer)->attrs, &g->arena, "axis", 0));
    uint32_t same = ew(g, body, PLN_EW_NEG, by, PLN_NONE), copy = ew(g, body, PLN_EW_RELU, by, PLN_NONE);
    assert_true(pln_graph_add_block_output(g, body, condition, NULL) && pln_graph_add_block_output(g, body, grown, NULL));
    assert_true(pln_graph_add_block_output(g, body, same, NULL) && pln_graph_add_block_output(g, body, copy, NULL));
    struct pln_diag diag;
    pln_diag_init(&diag);
    enum pln_status status = pln_infer_graph(g, &diag);
    if (status) print_error("%s\n", diag.entries[0].text);
    assert_int_equal(status, PLN_OK);
    int64_t value;
    uint32_t *out = pln_graph_node(g, node)->outputs;
    assert_int_equal(pln_graph_value(g, out[0])->type.rank, 1);
    assert_false(pln_dim_value(&g->dims, pln_graph_value(g, out[0])->type.dims[0], &value));
    assert_false(pln_dim_value(&g->dims, pln_graph_value(g, bx)->type.dims[0], &value));
    assert_string_equal(dims_text(g, out[1]), "n");
    assert_string_equal(dims_text(g, by), "n");
    assert_int_equal(pln_graph_value(g, out[2])->type.rank, 2);
    assert_string_equal(dims_text(g, same), "n");
    size_t n_symbols = g->dims.n_symbols;
    assert_int_equal(pln_infer_graph(g, NULL), PLN_OK);
    assert_int_equal(g->dims.n_symbols, n_symbols);
    assert_string_equal(dims_text(g, out[1]), "n");
}

static void constants_are_folded(void **state)
{
    struct pln_graph *g = *state;
    int64_t three[3] = { 1, 2, 3 }, n = 3;
    uint32_t a = pln_graph_add_constant_i64(g, NULL, 1, &n, three), b = ew(g, 0, PLN_EW_MUL, a, a);
    uint32_t x = tensor(g, 0, "x", PLN_I64, 1, (struct pln_dim[]){ pln_dim_const(&g->dims, 3) }), c = ew(g, 0, PLN_EW_MUL, a, x);
    struct pln_tensor out;
    assert_int_equal(pln_op_fold(g, pln_graph_value(g, b)->producer, 1 << 20, NULL, &out), PLN_OK);
    assert_int_equal(((int64_t *)out.data)[2], 9);
    assert_int_equal(pln_op_fold(g, pln_graph_value(g, c)->producer, 1 << 20, NULL, &out), PLN_UNSUPPORTED);
    int64_t large = 1 << 20;
    uint32_t shape = pln_graph_add_constant_i64(g, NULL, 1, (int64_t[]){ 1 }, &large), zeros = pln_graph_emit(g, 0, PLN_OP_CONSTANT_OF_SHAPE, 0, &shape, 1);
    assert_int_equal(pln_op_fold(g, pln_graph_value(g, zeros)->producer, 1 << 16, NULL, &out), PLN_UNSUPPORTED); /* too large to keep */
}

static void mistakes_are_named(void **state)
{
    struct pln_graph *g = *state;
    struct pln_diag diag;
    pln_diag_init(&diag);
    struct pln_dim three = pln_dim_const(&g->dims, 3), four = pln_dim_const(&g->dims, 4);
    uint32_t a = tensor(g, 0, "a", PLN_F32, 1, &three), b = tensor(g, 0, "b", PLN_F32, 1, &four), c = tensor(g, 0, "c", PLN_I32, 1, &three);
    uint32_t wrong_shape = ew(g, 0, PLN_EW_ADD, a, b), wrong_type = ew(g, 0, PLN_EW_ADD, a, c), not_float = ew(g, 0, PLN_EW_EXP, c, PLN_NONE);
    assert_int_equal(pln_infer_node(g, pln_graph_value(g, wrong_shape)->producer, &diag), PLN_BAD_MODEL);
    assert_int_equal(pln_infer_node(g, pln_graph_value(g, wrong_type)->producer, &diag), PLN_BAD_MODEL);
    assert_int_equal(pln_infer_node(g, pln_graph_value(g, not_float)->producer, &diag), PLN_BAD_MODEL);
    assert_string_equal(diag.entries[0].text, "Add: the shape of input 1 cannot be broadcast with those before it (inputs f32[3], f32[4])");
    assert_string_equal(diag.entries[1].text, "Add: input 0 is f32, but input 1 is i32; they must be of one type (inputs f32[3], i32[3])");
    assert_string_equal(diag.entries[2].text, "Exp: input 0 is i32, which this operator does not take (inputs i32[3])");
    uint32_t image = tensor(g, 0, "image", PLN_F32, 2, (struct pln_dim[]){ four, three });
    uint32_t norm = pln_graph_add_node(g, 0, PLN_OP_INSTANCE_NORM, 0, (uint32_t[]){ image, a, a }, 3, 1);
    assert_true(pln_attrs_set_int(&pln_graph_node(g, norm)->attrs, &g->arena, "groups", 2));
    assert_int_equal(pln_infer_node(g, norm, &diag), PLN_BAD_MODEL);
    assert_string_equal(diag.entries[3].text, "InstanceNormalization: attribute groups is 2, which does not divide the 3 channels (inputs f32[4,3], f32[3], f32[3])");
    assert_true(pln_attrs_set_int(&pln_graph_node(g, norm)->attrs, &g->arena, "groups", 3));
    assert_int_equal(pln_infer_node(g, norm, &diag), PLN_OK);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(shape_arithmetic_stays_symbolic), T(declared_dims_do_not_bind_inputs), T(branches_meet),
        T(loops_widen_what_changes),        T(constants_are_folded),             T(mistakes_are_named),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
