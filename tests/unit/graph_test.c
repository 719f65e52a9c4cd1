#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/graph.h"

enum { OP_ADD = 1, OP_IF, OP_SPLIT };

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

static uint32_t add_input(struct pln_graph *g, const char *name)
{
    struct pln_dim dims[2] = { pln_dim_symbol(&g->dims, "batch"), pln_dim_const(&g->dims, 3) };
    struct pln_type type = { .kind = PLN_TENSOR, .dtype = PLN_F32, .rank = 2, .dims = dims };
    uint32_t value = pln_graph_add_value(g, name, &type);
    assert_true(pln_graph_add_block_input(g, 0, value));
    return value;
}

static uint32_t add(struct pln_graph *g, uint32_t block, uint32_t a, uint32_t b)
{
    uint32_t inputs[2] = { a, b };
    return pln_graph_emit(g, block, OP_ADD, 0, inputs, 2);
}

static void assert_valid(struct pln_graph *g)
{
    struct pln_diag diag;
    pln_diag_init(&diag);
    enum pln_status status = pln_graph_verify(g, &diag);
    if (status) print_error("%s\n", diag.entries[0].text);
    assert_int_equal(status, PLN_OK);
}

static void builds_and_asks(void **state)
{
    struct pln_graph *g = *state;
    uint32_t x = add_input(g, "x"), y = add(g, 0, x, x), z = add(g, 0, y, PLN_NONE);
    assert_true(pln_graph_add_block_output(g, 0, z, "result"));
    assert_valid(g);
    assert_int_equal(pln_graph_find_value(g, "x"), x);
    assert_int_equal(pln_graph_find_value(g, "nothing"), PLN_NONE);
    assert_int_equal(pln_graph_use_count(g, x), 2);
    assert_int_equal(pln_graph_single_user(g, x), PLN_NONE);
    assert_int_equal(pln_graph_single_user(g, y), pln_graph_value(g, z)->producer);
    assert_int_equal(pln_graph_single_user(g, z), PLN_NONE);
    assert_true(pln_graph_is_output(g, z));
    assert_false(pln_graph_is_output(g, y));
    pln_graph_value(g, y)->tapped = true;
    assert_int_equal(pln_graph_single_user(g, y), PLN_NONE);
    assert_true(pln_graph_rename(g, y, "x")); /* taken */
    assert_string_not_equal(pln_graph_value(g, y)->name, "x");
    assert_int_equal(pln_graph_find_value(g, "x"), x);
    assert_string_equal(g->blocks[0].output_names[0], "result");
    assert_valid(g);
}

static void makes_constants(void **state)
{
    struct pln_graph *g = *state;
    int64_t n = 3, data[3] = { 1, -1, 7 };
    uint32_t c = pln_graph_add_constant_i64(g, "c", 1, &n, data);
    const struct pln_value *value = pln_graph_value(g, c);
    assert_int_equal(value->n_elems, 3);
    assert_true(pln_dim_is(&g->dims, value->elems[1], -1));
    assert_true(pln_dim_is(&g->dims, value->type.dims[0], 3));
    const int64_t *ints;
    int64_t count;
    double scalar;
    assert_true(pln_graph_const_ints(g, c, &ints, &count));
    assert_int_equal(count, 3);
    assert_int_equal(ints[2], 7);
    assert_false(pln_graph_scalar_f64(g, c, &scalar));
    uint32_t f = pln_graph_add_constant_f32(g, NULL, 2.5f);
    assert_true(pln_graph_scalar_f64(g, f, &scalar));
    assert_true(scalar == 2.5);
    assert_false(pln_graph_const_ints(g, f, &ints, &count));
    assert_false(pln_graph_const_ints(g, PLN_NONE, &ints, &count));

    uint32_t x = add_input(g, "x"), y = add(g, 0, x, x), z = add(g, 0, y, c);
    assert_true(pln_graph_add_block_output(g, 0, z, NULL));
    uint32_t producer = pln_graph_value(g, y)->producer;
    pln_graph_set_constant(g, y, pln_graph_value(g, f)->data);
    assert_int_equal(pln_graph_node(g, producer)->outputs[0], PLN_NONE);
    assert_valid(g);
    pln_graph_remove_node(g, producer);
    assert_false(pln_graph_value(g, y)->removed);
    assert_valid(g);
}

static void changes(void **state)
{
    struct pln_graph *g = *state;
    uint32_t x = add_input(g, "x"), w = add_input(g, "w"), y = add(g, 0, x, w), z = add(g, 0, y, y);
    assert_true(pln_graph_add_block_output(g, 0, z, "out"));
    uint32_t old = pln_graph_value(g, z)->producer;
    /* A new node stands behind the old value. */
    uint32_t inputs[1] = { y };
    uint32_t node = pln_graph_insert_node(g, old, OP_ADD, 0, inputs, 1, 1);
    assert_true(pln_graph_append_input(g, node, PLN_NONE));
    assert_true(pln_graph_append_input(g, node, x));
    pln_graph_set_output(g, node, 0, z);
    assert_int_equal(pln_graph_node(g, old)->outputs[0], PLN_NONE);
    assert_valid(g);
    pln_graph_remove_node(g, old);
    assert_int_equal(pln_graph_use_count(g, y), 1);
    pln_graph_set_input(g, node, 1, y);
    pln_graph_set_input(g, node, 0, PLN_NONE);
    assert_valid(g);
    pln_graph_replace_uses(g, y, w);
    assert_int_equal(pln_graph_use_count(g, y), 0);
    assert_int_equal(pln_graph_node(g, node)->inputs[1], w);
    pln_graph_replace_uses(g, z, x);
    assert_int_equal(g->blocks[0].outputs[0], x);
    assert_string_equal(g->blocks[0].output_names[0], "out");
    pln_graph_set_block_output(g, 0, 0, y);
    pln_graph_remove_node(g, node);
    assert_true(pln_graph_value(g, z)->removed);
    assert_int_equal(pln_graph_find_value(g, pln_graph_value(g, z)->name), PLN_NONE);
    assert_valid(g);
    assert_int_equal(g->blocks[0].first, pln_graph_value(g, y)->producer);
    assert_int_equal(g->blocks[0].first, g->blocks[0].last);
}

static void nests(void **state)
{
    struct pln_graph *g = *state;
    uint32_t x = add_input(g, "x");
    uint32_t branch = pln_graph_add_node(g, 0, OP_IF, 0, &x, 1, 1), out = pln_graph_node(g, branch)->outputs[0];
    uint32_t then = pln_graph_add_block(g, branch), other = pln_graph_add_block(g, branch);
    uint32_t a = add(g, then, x, x);
    assert_true(pln_graph_add_block_output(g, then, a, NULL));
    assert_true(pln_graph_add_block_output(g, other, x, NULL));
    assert_true(pln_graph_add_block_output(g, 0, out, NULL));
    assert_valid(g);
    assert_true(pln_graph_block_within(g, then, 0));
    assert_true(pln_graph_block_within(g, then, then));
    assert_false(pln_graph_block_within(g, then, other));
    /* A value of a body is not visible outside. */
    pln_graph_set_block_output(g, other, 0, a);
    assert_int_equal(pln_graph_verify(g, NULL), PLN_INTERNAL);
    pln_graph_set_block_output(g, other, 0, x);
    uint32_t node = pln_graph_value(g, a)->producer;
    pln_graph_move_before(g, node, branch);
    assert_int_equal(pln_graph_node(g, node)->block, 0);
    assert_valid(g);
    pln_graph_set_block_output(g, 0, 0, a);
    pln_graph_remove_node(g, branch);
    assert_int_equal(pln_graph_use_count(g, x), 2);
    assert_valid(g);
}

static void finds_faults(void **state)
{
    struct pln_graph *g = *state;
    uint32_t x = add_input(g, "x"), y = add(g, 0, x, x), z = add(g, 0, y, x);
    assert_true(pln_graph_add_block_output(g, 0, z, NULL));
    assert_valid(g);
    uint32_t first = pln_graph_value(g, y)->producer, second = pln_graph_value(g, z)->producer;
    pln_graph_move_before(g, second, first);
    assert_int_equal(pln_graph_verify(g, NULL), PLN_INTERNAL);
    pln_graph_move_before(g, first, second);
    assert_valid(g);
    g->nodes[first].inputs[0] = y;
    assert_int_equal(pln_graph_verify(g, NULL), PLN_INTERNAL);
    g->nodes[first].inputs[0] = x;
    g->values[z].producer = first;
    assert_int_equal(pln_graph_verify(g, NULL), PLN_INTERNAL);
    g->values[z].producer = second;
    g->values[y].removed = true;
    assert_int_equal(pln_graph_verify(g, NULL), PLN_INTERNAL);
    g->values[y].removed = false;
    assert_valid(g);
}

static void keeps_origins(void **state)
{
    struct pln_graph *g = *state;
    struct pln_diag diag;
    pln_diag_init(&diag);
    uint32_t x = add_input(g, "x"), y = add(g, 0, x, x), z = add(g, 0, x, x);
    uint32_t a = pln_graph_value(g, y)->producer, b = pln_graph_value(g, z)->producer;
    uint32_t conv = pln_graph_add_origin(g, "Conv_0", "Conv", "", 4), relu = pln_graph_add_origin(g, "", "Relu", "", 5);
    assert_true(pln_graph_node_add_origin(g, a, relu));
    assert_true(pln_graph_node_add_origin(g, b, conv));
    assert_true(pln_graph_node_inherit(g, a, b));
    assert_true(pln_graph_node_inherit(g, a, b));
    assert_int_equal(pln_graph_node(g, a)->n_origins, 2);
    assert_int_equal(pln_graph_node(g, a)->origins[0], conv);
    pln_graph_set_diag(g, a, &diag);
    assert_string_equal(diag.node, "Conv_0");
    assert_string_equal(diag.op, "Conv");
    assert_int_equal(diag.node_index, 4);
    assert_valid(g);
}

/* Memory runs out at every point in turn: the calls say so, and nothing breaks. */
static void survives_without_memory(void **state)
{
    (void)state;
    for (size_t limit = 64; limit < 60000; limit += 512) {
        struct pln_graph *g;
        if (pln_graph_create(NULL, limit, NULL, &g) != PLN_OK) continue;
        uint32_t x = pln_graph_add_value(g, "x", NULL);
        for (int i = 0; i < 100 && x != PLN_NONE; i++) {
            uint32_t inputs[2] = { x, x };
            x = pln_graph_emit(g, 0, OP_ADD, 0, inputs, 2);
        }
        assert_true(g->failed == (x == PLN_NONE));
        pln_graph_destroy(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(builds_and_asks, setup, teardown),
        cmocka_unit_test_setup_teardown(makes_constants, setup, teardown),
        cmocka_unit_test_setup_teardown(changes, setup, teardown),
        cmocka_unit_test_setup_teardown(nests, setup, teardown),
        cmocka_unit_test_setup_teardown(finds_faults, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_origins, setup, teardown),
        cmocka_unit_test(survives_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
