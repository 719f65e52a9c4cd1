#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "onnx/check.h"
#include "onnx/open.h"
#include "onnx_make.h"

struct fixture {
    struct pln_diag diag;
    struct pln_text bytes;
    struct pln_onnx_file *file;
};

static int setup(void **state)
{
    static struct fixture fixture;
    memset(&fixture, 0, sizeof fixture);
    pln_diag_init(&fixture.diag);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    pln_onnx_close(f->file);
    pln_text_deinit(&f->bytes);
    return 0;
}

/* Takes the model. */
static enum pln_status check(struct fixture *f, struct pln_text model)
{
    pln_onnx_close(f->file);
    if (f->bytes.data) pln_text_deinit(&f->bytes);
    f->bytes = model;
    f->diag.count = 0;
    assert_int_equal(pln_onnx_open_memory(model.data, model.size_bytes, NULL, NULL, &f->diag, &f->file), PLN_OK);
    return pln_onnx_check_model(&f->file->model, &f->file->arena, &f->diag);
}

static void assert_entry(const struct fixture *f, const char *node, const char *op, int64_t index, const char *part)
{
    assert_int_equal(f->diag.count, 1);
    const struct pln_diag_entry *entry = &f->diag.entries[0];
    if (!strstr(entry->text, part)) fail_msg("'%s' is not in '%s'", part, entry->text);
    assert_string_equal(entry->node, node);
    assert_string_equal(entry->op, op);
    assert_int_equal(entry->node_index, index);
    assert_null(f->diag.node);
}

/* Input x, initializer w, output z; nodes are added by the test. */
static struct pln_text make_graph(void)
{
    struct pln_text graph = make_message();
    make_add(&graph, 5, make_zeros("w", 3));
    make_add(&graph, 11, make_value("x", 3, NULL));
    make_add(&graph, 12, make_value("z", 3, NULL));
    return graph;
}

static struct pln_text with_graph(struct pln_text node, const char *attribute_name, struct pln_text graph)
{
    struct pln_text attribute = make_attribute(attribute_name, PLN_ONNX_ATTR_GRAPH);
    make_add(&attribute, 6, graph);
    make_add(&node, 5, attribute);
    return node;
}

static void accept_good_models(void **state)
{
    struct fixture *f = *state;
    struct pln_text graph = make_graph();
    make_add(&graph, 11, make_value("w", 3, NULL)); /* the initializer is its default */
    make_add(&graph, 1, make_node("Add", "a", "x,w", "y"));
    make_add(&graph, 1, make_node("Clip", "c", "y,,w", "z,"));
    assert_int_equal(check(f, make_model(8, graph)), PLN_OK);
    assert_int_equal(f->file->model.notes.count, 0);
    assert_int_equal(check(f, make_model(8, make_message())), PLN_OK);
}

static void refuse_names_given_twice(void **state)
{
    struct fixture *f = *state;
    struct pln_text graph = make_graph();
    make_add(&graph, 1, make_node("Neg", "a", "x", "z"));
    make_add(&graph, 1, make_node("Abs", "b", "x", "z"));
    assert_int_equal(check(f, make_model(8, graph)), PLN_BAD_MODEL);
    assert_entry(f, "b", "Abs", 1, "'z' is given a value twice (the first time by a)");
    graph = make_graph();
    make_add(&graph, 1, make_node("Neg", "a", "x", "x"));
    assert_int_equal(check(f, make_model(8, graph)), PLN_BAD_MODEL);
    assert_entry(f, "a", "Neg", 0, "'x' is given a value twice (the first time by an input)");
    graph = make_graph();
    make_add(&graph, 5, make_zeros("w", 1));
    assert_int_equal(check(f, make_model(8, graph)), PLN_BAD_MODEL);
    assert_entry(f, "", "", -1, "'w' is given a value twice (the first time by an initializer)");
    graph = make_graph();
    make_add(&graph, 11, make_value("x", 1, NULL));
    assert_int_equal(check(f, make_model(8, graph)), PLN_BAD_MODEL);
}

static void refuse_names_without_value(void **state)
{
    struct fixture *f = *state;
    struct pln_text graph = make_graph();
    make_add(&graph, 1, make_node("Neg", "", "q", "z"));
    assert_int_equal(check(f, make_model(8, graph)), PLN_BAD_MODEL);
    assert_entry(f, "", "Neg", 0, "graph: input 'q' is not an input, an initializer or an output of a node");
    assert_int_equal(check(f, make_model(8, make_graph())), PLN_BAD_MODEL);
    assert_entry(f, "", "", -1, "graph: output 'z' is not");
    graph = make_graph();
    make_add(&graph, 1, make_node("", "nameless", "x", "z"));
    assert_int_equal(check(f, make_model(8, graph)), PLN_BAD_MODEL);
    assert_entry(f, "nameless", "", 0, "node 0 has no op_type");
}

static void sort_nodes(void **state)
{
    struct fixture *f = *state;
    struct pln_text graph = make_graph();
    make_add(&graph, 1, make_node("C", "c", "b,a", "z"));
    make_add(&graph, 1, make_node("D", "d", "x", "d"));
    make_add(&graph, 1, make_node("B", "b", "a,x", "b"));
    make_add(&graph, 1, make_node("A", "a", "x,w", "a"));
    assert_int_equal(check(f, make_model(8, graph)), PLN_OK);
    const struct pln_onnx_node *nodes = f->file->model.graph->nodes.items;
    static const char *const want[] = { "a", "b", "c", "d" };
    static const uint32_t index[] = { 3, 2, 0, 1 };
    for (int i = 0; i < 4; i++) {
        assert_string_equal(nodes[i].name, want[i]);
        assert_int_equal(nodes[i].index, index[i]);
    }
    assert_int_equal(f->file->model.notes.count, 1);
}

static void name_the_nodes_of_a_cycle(void **state)
{
    struct fixture *f = *state;
    struct pln_text graph = make_graph();
    make_add(&graph, 1, make_node("Neg", "before", "x", "p"));
    make_add(&graph, 1, make_node("Add", "first", "p,t", "s"));
    make_add(&graph, 1, make_node("Abs", "second", "s", "t"));
    make_add(&graph, 1, make_node("Neg", "after", "t", "z"));
    assert_int_equal(check(f, make_model(8, graph)), PLN_BAD_MODEL);
    assert_entry(f, "first", "Add", 1,
                 "graph: 2 nodes need each other in a circle: node 1 'first' (Add), node 2 'second' (Abs)");
    graph = make_graph();
    make_add(&graph, 1, make_node("Add", "self", "x,z", "z"));
    assert_int_equal(check(f, make_model(8, graph)), PLN_BAD_MODEL);
    assert_entry(f, "self", "Add", 0, "1 node need");
}

/* An inner graph reads outer names; that orders the outer nodes too. */
static void look_names_up_from_the_inside_out(void **state)
{
    struct fixture *f = *state;
    struct pln_text graph = make_graph(), inner = make_message();
    make_add(&inner, 1, make_node("Neg", "n", "late", "w")); /* w hides the outer w */
    make_add(&inner, 1, make_node("Abs", "m", "w", "r"));
    make_add(&inner, 12, make_value("r", 3, NULL));
    make_add(&graph, 1, with_graph(make_node("If", "if", "x", "z"), "then_branch", inner));
    make_add(&graph, 1, make_node("Neg", "l", "x", "late"));
    assert_int_equal(check(f, make_model(8, graph)), PLN_OK);
    assert_string_equal(f->file->model.graph->nodes.items[0].name, "l");

    inner = make_message();
    make_add(&inner, 12, make_value("x", 3, NULL)); /* an outer value as an inner output */
    graph = make_graph();
    make_add(&graph, 1, with_graph(make_node("If", "if", "x", "z"), "then_branch", inner));
    assert_int_equal(check(f, make_model(8, graph)), PLN_OK);

    inner = make_message();
    make_add(&inner, 1, make_node("Neg", "n", "z", "r"));
    graph = make_graph();
    make_add(&graph, 1, with_graph(make_node("If", "if", "x", "z"), "then_branch", inner));
    assert_int_equal(check(f, make_model(8, graph)), PLN_BAD_MODEL); /* the body needs what the node gives */
    assert_entry(f, "if", "If", 0, "in a circle");

    inner = make_message();
    make_add(&inner, 1, make_node("Neg", "n", "x", "hidden"));
    graph = make_graph();
    make_add(&graph, 1, with_graph(make_node("If", "if", "x", "y"), "then_branch", inner));
    make_add(&graph, 1, make_node("Neg", "m", "hidden", "z"));
    assert_int_equal(check(f, make_model(8, graph)), PLN_BAD_MODEL);
    assert_entry(f, "m", "Neg", 1, "input 'hidden' is not");

    inner = make_message();
    make_add(&inner, 1, make_node("Neg", "n", "nowhere", "r"));
    graph = make_graph();
    make_add(&graph, 1, with_graph(make_node("If", "if", "x", "z"), "then_branch", inner));
    assert_int_equal(check(f, make_model(8, graph)), PLN_BAD_MODEL);
    assert_entry(f, "n", "Neg", 0, "graph in attribute 'then_branch' of node 0 (If): input 'nowhere'");
}

static void check_attributes(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 4; i++) {
        struct pln_text graph = make_graph(), node = make_node("Op", "n", "x", "z");
        struct pln_text reference = make_attribute("r", PLN_ONNX_ATTR_INT);
        pln_wire_put_string(&reference, 21, "outer");
        for (int k = 0; i == 2 && k < 20; k++) {
            char name[8];
            snprintf(name, sizeof name, "a%d", k % 19);
            make_add(&node, 5, make_attribute(name, PLN_ONNX_ATTR_INT));
        }
        make_add(&node, 5, make_attribute(i == 0 ? "" : "a", PLN_ONNX_ATTR_INT));
        if (i == 1) make_add(&node, 5, make_attribute("a", PLN_ONNX_ATTR_INT));
        if (i == 3)
            make_add(&node, 5, reference);
        else
            pln_text_deinit(&reference);
        make_add(&graph, 1, node);
        assert_int_equal(check(f, make_model(8, graph)), PLN_BAD_MODEL);
        static const char *const errors[] = { "attribute 0 has no name", "attribute 'a' is given twice",
                                              "attribute 'a0' is given twice", "this is not the body of a function" };
        assert_entry(f, "n", "Op", 0, errors[i]);
    }
}

static struct pln_text make_function(const char *name, struct pln_text node)
{
    struct pln_text function = make_message();
    pln_wire_put_string(&function, 1, name);
    pln_wire_put_string(&function, 4, "x");
    pln_wire_put_string(&function, 5, "y");
    pln_wire_put_string(&function, 6, "alpha");
    make_add(&function, 7, node);
    pln_wire_put_string(&function, 10, "my");
    return function;
}

static struct pln_text call(const char *name)
{
    struct pln_text node = make_node(name, "", "x", "y");
    pln_wire_put_string(&node, 7, "my");
    return node;
}

static void check_functions(void **state)
{
    struct fixture *f = *state;
    struct pln_text reference = make_attribute("a", PLN_ONNX_ATTR_FLOAT), node = make_node("Elu", "e", "x", "y"), model;
    pln_wire_put_string(&reference, 21, "alpha");
    make_add(&node, 5, reference);
    model = make_model(8, make_message());
    make_add(&model, 25, make_function("f", node));
    make_add(&model, 25, make_function("g", call("f")));
    assert_int_equal(check(f, model), PLN_OK);

    reference = make_attribute("a", PLN_ONNX_ATTR_FLOAT);
    pln_wire_put_string(&reference, 21, "beta");
    node = make_node("Elu", "e", "x", "y");
    make_add(&node, 5, reference);
    model = make_model(8, make_message());
    make_add(&model, 25, make_function("f", node));
    assert_int_equal(check(f, model), PLN_BAD_MODEL);
    assert_entry(f, "e", "Elu", 0, "refers to 'beta', which function 'f' does not declare");

    model = make_model(8, make_message());
    make_add(&model, 25, make_function("f", call("g")));
    make_add(&model, 25, make_function("g", call("h")));
    make_add(&model, 25, make_function("h", call("f")));
    assert_int_equal(check(f, model), PLN_BAD_MODEL);
    assert_entry(f, "", "", -1, "functions call themselves: 'f', 'g', 'h'");

    model = make_model(8, make_message());
    make_add(&model, 25, make_function("f", call("i")));
    make_add(&model, 25, make_function("f", call("i")));
    assert_int_equal(check(f, model), PLN_BAD_MODEL);
    assert_entry(f, "", "", -1, "function 'f' of domain 'my' is defined twice");

    model = make_model(8, make_message());
    make_add(&model, 25, make_function("f", make_node("Neg", "n", "w", "y")));
    assert_int_equal(check(f, model), PLN_BAD_MODEL); /* functions see no outer names */
    assert_entry(f, "n", "Neg", 0, "function 'f': input 'w' is not");
}

/* A chain of nodes in reverse: neither deep recursion nor quadratic time. */
static void sort_a_long_chain(void **state)
{
    enum { N = 100000 };
    struct fixture *f = *state;
    struct pln_text graph = make_graph();
    for (int i = N; i > 0; i--) {
        char input[16], output[16];
        snprintf(input, sizeof input, "v%d", i - 1);
        snprintf(output, sizeof output, "v%d", i);
        make_add(&graph, 1, make_node("Neg", "", i == 1 ? "x" : input, i == N ? "z" : output));
    }
    assert_int_equal(check(f, make_model(8, graph)), PLN_OK);
    assert_int_equal(f->file->model.graph->nodes.items[0].index, N - 1);
}

/* A model or a function of it with two imports ("" and "ai.onnx" are one domain). */
static struct pln_text import_twice(bool in_function, const char *first, int64_t first_version, const char *second, int64_t second_version)
{
    struct pln_text model = make_message(), function = make_message(), opset;
    pln_wire_put_int(&model, 1, 8);
    pln_wire_put_string(&function, 1, "f");
    pln_wire_put_string(&function, 10, "my");
    for (int i = 0; i < 2; i++) {
        opset = make_message();
        pln_wire_put_string(&opset, 1, i ? second : first);
        pln_wire_put_int(&opset, 2, i ? second_version : first_version);
        make_add(in_function ? &function : &model, in_function ? 9 : 8, opset);
    }
    make_add(&model, 25, function);
    make_add(&model, 7, make_message());
    return model;
}

static void refuse_operator_sets_of_two_versions(void **state)
{
    struct fixture *f = *state;
    for (int in_function = 0; in_function < 2; in_function++) {
        const char *twice = in_function ? "function 'f' imports operator set 'ai.onnx' twice, as version 13 and as version 17"
                                        : "the model imports operator set 'ai.onnx' twice, as version 13 and as version 17";
        assert_int_equal(check(f, import_twice(in_function, "", 13, "ai.onnx", 17)), PLN_BAD_MODEL);
        assert_entry(f, "", "", -1, twice);
        assert_int_equal(check(f, import_twice(in_function, "my", 2, "my", 1)), PLN_BAD_MODEL);
        assert_entry(f, "", "", -1, "operator set 'my' twice, as version 2 and as version 1");
        assert_int_equal(check(f, import_twice(in_function, "", 13, "ai.onnx", 13)), PLN_OK);
        assert_int_equal(check(f, import_twice(in_function, "", 13, "my", 1)), PLN_OK);
        assert_int_equal(check(f, import_twice(in_function, "my", 1, "ai.onnx", -1)), PLN_BAD_MODEL);
        assert_entry(f, "", "", -1, "imports version -1 of operator set 'ai.onnx'; versions begin at 1");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(accept_good_models, setup, teardown),
        cmocka_unit_test_setup_teardown(refuse_names_given_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(refuse_names_without_value, setup, teardown),
        cmocka_unit_test_setup_teardown(sort_nodes, setup, teardown),
        cmocka_unit_test_setup_teardown(name_the_nodes_of_a_cycle, setup, teardown),
        cmocka_unit_test_setup_teardown(look_names_up_from_the_inside_out, setup, teardown),
        cmocka_unit_test_setup_teardown(check_attributes, setup, teardown),
        cmocka_unit_test_setup_teardown(check_functions, setup, teardown),
        cmocka_unit_test_setup_teardown(sort_a_long_chain, setup, teardown),
        cmocka_unit_test_setup_teardown(refuse_operator_sets_of_two_versions, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
