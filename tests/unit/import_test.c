#define _POSIX_C_SOURCE 200809L
/* The importer on small models made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "onnx/io.h"
#include "onnx/opset.h"
#include "onnx/schema.h"
#include "onnx_make.h"
#include "ops/op.h"
#include "planish/plugin.h"
#include "test_alloc.h"

/* ---- making models ---- */

static struct pln_text make_opset(const char *domain, int64_t version)
{
    struct pln_text opset = make_message();
    pln_wire_put_string(&opset, 1, domain);
    pln_wire_put_int(&opset, 2, version);
    return opset;
}

static struct pln_text model_of(struct pln_text graph, int64_t ir_version, int64_t opset)
{
    struct pln_text model = make_message();
    pln_wire_put_int(&model, 1, ir_version);
    make_add(&model, 8, make_opset("", opset));
    make_add(&model, 7, graph);
    return model;
}

static void add_int(struct pln_text *node, const char *name, int64_t value)
{
    struct pln_text attribute = make_attribute(name, 2);
    pln_wire_put_int(&attribute, 3, value);
    make_add(node, 5, attribute);
}

static void add_ref(struct pln_text *node, const char *name, int type, const char *of)
{
    struct pln_text attribute = make_attribute(name, type);
    pln_wire_put_string(&attribute, 21, of);
    make_add(node, 5, attribute);
}

static void add_graph(struct pln_text *node, const char *name, struct pln_text graph)
{
    struct pln_text attribute = make_attribute(name, 5);
    make_add(&attribute, 6, graph);
    make_add(node, 5, attribute);
}

/* A value of any type and rank; dims -1 are open, params (NULL: none) name some. */
static struct pln_text value_of(const char *name, int dtype, int rank, const int64_t *dims, const char *const *params)
{
    struct pln_text value = make_message(), type = make_message(), tensor = make_message(), shape = make_message();
    for (int d = 0; d < rank; d++) {
        struct pln_text dim = make_message();
        if (params && params[d]) pln_wire_put_string(&dim, 2, params[d]);
        else if (dims[d] >= 0) pln_wire_put_int(&dim, 1, dims[d]);
        make_add(&shape, 1, dim);
    }
    pln_wire_put_int(&tensor, 1, dtype);
    if (rank >= 0) make_add(&tensor, 2, shape);
    else pln_text_deinit(&shape);
    make_add(&type, 1, tensor);
    pln_wire_put_string(&value, 1, name);
    make_add(&value, 2, type);
    return value;
}

static struct pln_text output_of(const char *name)
{
    struct pln_text value = make_message();
    pln_wire_put_string(&value, 1, name);
    return value;
}

/* ---- importing ---- */

struct imported {
    struct pln_text bytes;
    struct pln_diag diag;
    struct pln_onnx_imported *result;
    struct pln_graph *graph; /* NULL when it failed */
};

static struct imported run(struct pln_text model, const struct pln_onnx_import_options *options)
{
    struct imported im = { .bytes = model };
    pln_diag_init(&im.diag);
    enum pln_status status = pln_onnx_import_memory(model.data, model.size_bytes, NULL, options, NULL, &im.diag, &im.result);
    if (status != PLN_OK) return im;
    im.graph = im.result->graph;
    assert_int_equal(pln_graph_verify(im.graph, &im.diag), PLN_OK);
    return im;
}

static struct imported succeed(struct pln_text model)
{
    struct imported im = run(model, NULL);
    if (!im.graph) fail_msg("%s: %s", im.diag.entries[0].node, im.diag.entries[0].text);
    return im;
}

static void done(struct imported *im)
{
    pln_onnx_imported_destroy(im->result);
    pln_text_deinit(&im->bytes);
}

/* Fails with this status, and every one of the words in the first message. */
static void refuse(struct pln_text model, enum pln_status status, const char *const *words)
{
    struct imported im = run(model, NULL);
    assert_null(im.graph);
    assert_int_equal(im.diag.entries[0].status, status);
    for (; *words; words++) {
        if (!strstr(im.diag.entries[0].text, *words)) fail_msg("'%s' is not in '%s'", *words, im.diag.entries[0].text);
    }
    done(&im);
}

static const struct pln_value *value_named(const struct imported *im, const char *name)
{
    uint32_t id = pln_graph_find_value(im->graph, name);
    if (id == PLN_NONE) fail_msg("there is no value '%s'", name);
    return pln_graph_value(im->graph, id);
}

static int64_t extent(const struct imported *im, const char *name, int d)
{
    int64_t n = -1;
    const struct pln_value *value = value_named(im, name);
    assert_true(d < value->type.rank);
    return pln_dim_value(&im->graph->dims, value->type.dims[d], &n) ? n : -1;
}

static size_t count_ops(const struct pln_graph *graph, unsigned op)
{
    size_t n = 0;
    for (size_t i = 0; i < graph->n_nodes; i++) n += !graph->nodes[i].removed && graph->nodes[i].op == op;
    return n;
}

/* ---- inputs, constants, metadata ---- */

static void names_open_dims(void **state)
{
    (void)state;
    static const char *const params[] = { "batch", NULL, NULL }, *const again[] = { "batch", NULL, NULL };
    struct pln_text graph = make_message();
    make_add(&graph, 1, make_node("Add", "sum", "x,y", "z"));
    make_add(&graph, 11, value_of("x", 1, 3, (int64_t[]){ -1, 4, -1 }, params));
    make_add(&graph, 11, value_of("y", 1, 3, (int64_t[]){ -1, 4, -1 }, again));
    make_add(&graph, 12, value_of("z", 1, 3, (int64_t[]){ 7, 7, 7 }, NULL)); /* wrong, and only a hint */
    struct imported im = succeed(model_of(graph, 8, 17));
    struct pln_dim_table *dims = &im.graph->dims;
    const struct pln_type *x = &value_named(&im, "x")->type, *y = &value_named(&im, "y")->type;
    assert_true(pln_dim_same(dims, x->dims[0], y->dims[0]));
    assert_false(pln_dim_same(dims, x->dims[2], y->dims[2]));
    assert_int_equal(extent(&im, "z", 1), 4);
    struct pln_text text = make_message();
    pln_dim_print(dims, x->dims[0], &text);
    pln_text_putc(&text, ' ');
    pln_dim_print(dims, x->dims[2], &text);
    assert_string_equal(text.data, "batch x_d2");
    pln_text_deinit(&text);
    assert_int_equal(im.graph->blocks[0].n_inputs, 2);
    assert_string_equal(im.graph->blocks[0].output_names[0], "z");
    done(&im);
}

static void keeps_defaults_of_inputs(void **state)
{
    (void)state;
    for (int64_t ir = 3; ir <= 4; ir++) {
        struct pln_text graph = make_message();
        make_add(&graph, 1, make_node("Add", "sum", "x,w", "z"));
        make_add(&graph, 5, make_zeros("w", 3));
        make_add(&graph, 11, make_value("x", 3, NULL));
        make_add(&graph, 11, make_value("w", 3, NULL));
        make_add(&graph, 12, output_of("z"));
        struct imported im = succeed(model_of(graph, ir, 17));
        assert_int_equal(im.graph->blocks[0].n_inputs, 1);
        assert_non_null(value_named(&im, "w")->data);
        const char *noted = NULL;
        for (size_t i = 0; i < im.graph->n_metadata; i++) {
            if (strcmp(im.graph->metadata[i].key, "planish.input_default.w") == 0) noted = im.graph->metadata[i].value;
        }
        if (ir < 4) assert_null(noted);
        else assert_string_equal(noted, "f32[3]");
        done(&im);
    }
}

static void reads_all_forms_of_constants(void **state)
{
    (void)state;
    struct pln_text graph = make_message(), node, attribute;
    node = make_node("Constant", "a", "", "ints");
    attribute = make_attribute("value_ints", 7);
    for (int64_t i = 5; i < 8; i++) pln_wire_put_int(&attribute, 8, i);
    make_add(&node, 5, attribute);
    make_add(&graph, 1, node);
    node = make_node("Constant", "b", "", "text");
    attribute = make_attribute("value_string", 3);
    pln_wire_put_string(&attribute, 4, "word");
    make_add(&node, 5, attribute);
    make_add(&graph, 1, node);
    node = make_node("Constant", "c", "", "tensor");
    attribute = make_attribute("value", 4);
    make_add(&attribute, 5, make_zeros("", 4));
    make_add(&node, 5, attribute);
    make_add(&graph, 1, node);
    node = make_node("Constant", "d", "", "one");
    add_int(&node, "value_int", 9);
    make_add(&graph, 1, node);
    make_add(&graph, 12, output_of("ints"));
    struct imported im = succeed(model_of(graph, 8, 17));
    const int64_t *ints;
    int64_t n;
    assert_true(pln_graph_const_ints(im.graph, pln_graph_find_value(im.graph, "ints"), &ints, &n));
    assert_int_equal(n, 3);
    assert_int_equal(ints[2], 7);
    assert_int_equal(value_named(&im, "text")->data->dtype, PLN_STR);
    assert_int_equal(value_named(&im, "tensor")->data->dims[0], 4);
    assert_int_equal(value_named(&im, "one")->data->rank, 0);
    assert_int_equal(im.graph->n_nodes, 0);
    done(&im);
}

/* ---- operators and versions ---- */

static struct pln_text softmax_model(int64_t opset)
{
    struct pln_text graph = make_message(), node = make_node("Softmax", "soft", "x", "y");
    add_int(&node, "axis", 1);
    make_add(&graph, 1, node);
    make_add(&graph, 11, value_of("x", 1, 3, (int64_t[]){ 2, 3, 4 }, NULL));
    make_add(&graph, 12, output_of("y"));
    return model_of(graph, 8, opset);
}

/* Before opset 13 axis=1 of [2,3,4] means rows of 12. */
static void respects_the_opset(void **state)
{
    (void)state;
    struct imported now = succeed(softmax_model(13)), then = succeed(softmax_model(11));
    assert_int_equal(count_ops(now.graph, PLN_OP_FLATTEN), 0);
    assert_int_equal(count_ops(then.graph, PLN_OP_FLATTEN), 1);
    assert_int_equal(count_ops(then.graph, PLN_OP_SOFTMAX), 1);
    assert_int_equal(extent(&then, "y", 2), 4);
    for (size_t i = 0; i < then.graph->n_nodes; i++) {
        assert_int_equal(then.graph->nodes[i].n_origins, 1);
        assert_string_equal(then.graph->origins[then.graph->nodes[i].origins[0]].name, "soft");
    }
    done(&now);
    done(&then);
}

static struct pln_text one_node(const char *op, const char *domain, int64_t opset)
{
    struct pln_text graph = make_message(), node = make_node(op, "n1", "x", "y");
    pln_wire_put_string(&node, 7, domain);
    make_add(&graph, 1, node);
    make_add(&graph, 11, make_value("x", 3, NULL));
    make_add(&graph, 12, output_of("y"));
    return model_of(graph, 8, opset);
}

static void says_what_it_lacks(void **state)
{
    (void)state;
    refuse(one_node("Warp", "com.example", 17), PLN_UNSUPPORTED, (const char *const[]){ "Warp", "com.example", "function", NULL });
    refuse(one_node("Warp", "", 17), PLN_BAD_MODEL, (const char *const[]){ "Warp", "ai.onnx", "17", NULL });
    refuse(one_node("Gelu", "", 17), PLN_BAD_MODEL, (const char *const[]){ "Gelu", "since opset 20", "17", NULL });
    refuse(one_node("Relu", "", -1), PLN_BAD_MODEL, (const char *const[]){ "imports version -1 of operator set 'ai.onnx'", NULL });
    refuse(one_node("Relu", "", 1000), PLN_UNSUPPORTED, (const char *const[]){ "opset 1000", "28", NULL });
    struct imported im = run(one_node("Warp", "com.example", 17), NULL);
    assert_string_equal(im.diag.entries[0].node, "n1");
    assert_string_equal(im.diag.entries[0].op, "Warp");
    assert_int_equal(im.diag.entries[0].node_index, 0);
    done(&im);
}

static void refuses_unknown_attributes(void **state)
{
    (void)state;
    struct pln_text graph = make_message(), node = make_node("Relu", "n1", "x", "y");
    add_int(&node, "slope", 1);
    make_add(&graph, 1, node);
    make_add(&graph, 11, make_value("x", 3, NULL));
    make_add(&graph, 12, output_of("y"));
    refuse(model_of(graph, 8, 17), PLN_BAD_MODEL, (const char *const[]){ "Relu", "slope", NULL });
}

/* ---- what operators take ---- */

/* One node with one attribute (attribute NULL: none); x is the input of that type, w a second one: f32. */
static struct pln_text node_with(const char *op, const char *inputs, const char *outputs, const char *attribute, int kind, int64_t opset, int dtype)
{
    struct pln_text graph = make_message(), node = make_node(op, "n1", inputs, outputs);
    if (attribute) {
        struct pln_text one = make_attribute(attribute, kind);
        if (kind == 1) pln_wire_put_float(&one, 2, 0.5f);
        else pln_wire_put_int(&one, kind == 2 ? 3 : 8, 0);
        make_add(&node, 5, one);
    }
    make_add(&graph, 1, node);
    make_add(&graph, 11, value_of("x", dtype, 4, (int64_t[]){ 1, 2, 3, 4 }, NULL));
    make_add(&graph, 11, value_of("w", 1, 4, (int64_t[]){ 1, 2, 3, 4 }, NULL));
    make_add(&graph, 12, output_of("y"));
    return model_of(graph, 8, opset);
}

static void holds_attributes_against_the_opset(void **state)
{
    (void)state;
    static const struct {
        const char *op, *attribute;
        int kind, opset;
        const char *words[4];
    } cases[] = {
        { "Clip", "min", 1, 17, { "Clip has no attribute 'min' in opset 17" } },
        { "LeakyRelu", "aplha", 1, 17, { "LeakyRelu has no attribute 'aplha'", "it has: alpha" } },
        { "Sigmoid", "alpha", 1, 17, { "no attribute 'alpha'", "it has: none" } },
        { "Softmax", "dim", 2, 17, { "Softmax has no attribute 'dim'", "axis" } },
        { "Dropout", "ratio", 1, 17, { "Dropout has no attribute 'ratio'", "seed" } },
        { "Resize", "coordinate_transformation_mode", 2, 10, { "Resize has no attribute", "opset 10", "mode" } },
        { "Softmax", "axis", 1, 17, { "attribute 'axis' is of type FLOAT, it should be INT" } },
        { "ReduceMax", "axes", 2, 13, { "attribute 'axes' is of type INT, it should be INTS" } },
        { "Concat", NULL, 0, 17, { "attribute 'axis' is missing", "Concat" } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *inputs = strcmp(cases[i].op, "Resize") == 0 ? "x,w" : "x";
        refuse(node_with(cases[i].op, inputs, "y", cases[i].attribute, cases[i].kind, cases[i].opset, 1), PLN_BAD_MODEL, cases[i].words);
    }
    struct pln_text graph = make_message(), node = make_node("GroupNormalization", "n1", "x,s,s", "y"), groups = make_attribute("num_groups", 2);
    pln_wire_put_int(&groups, 3, 3);
    make_add(&node, 5, groups);
    make_add(&graph, 1, node);
    make_add(&graph, 11, value_of("x", 1, 4, (int64_t[]){ 1, 2, 3, 4 }, NULL));
    make_add(&graph, 11, value_of("s", 1, 1, (int64_t[]){ 2 }, NULL));
    make_add(&graph, 12, output_of("y"));
    refuse(model_of(graph, 10, 21), PLN_BAD_MODEL, (const char *const[]){ "num_groups is 3, which does not divide the channels", NULL });
    struct imported im = succeed(node_with("Clip", "x", "y", "min", 1, 10, 1));
    done(&im);
    im = succeed(node_with("Relu", "x", "y", "__note", 2, 17, 1));
    done(&im);
}

static void holds_counts_against_the_opset(void **state)
{
    (void)state;
    refuse(node_with("Softmax", "x,x,x", "y", NULL, 0, 17, 1), PLN_BAD_MODEL, (const char *const[]){ "Softmax takes 1 input in opset 17, not 3", NULL });
    refuse(node_with("MatMul", "x", "y", NULL, 0, 17, 1), PLN_BAD_MODEL, (const char *const[]){ "MatMul takes 2 inputs in opset 17, not 1", NULL });
    refuse(node_with("Clip", "x,x,x,x", "y", NULL, 0, 17, 1), PLN_BAD_MODEL, (const char *const[]){ "Clip takes 1 to 3 inputs in opset 17, not 4", NULL });
    refuse(node_with("Relu", "x", "y,z", NULL, 0, 17, 1), PLN_BAD_MODEL, (const char *const[]){ "Relu takes 1 output in opset 17, not 2", NULL });
    refuse(node_with("Max", "", "y", NULL, 0, 17, 1), PLN_BAD_MODEL, (const char *const[]){ "Max takes 1 or more inputs in opset 17, not 0", NULL });
    struct imported im = succeed(node_with("Clip", "x,,,", "y,", NULL, 0, 17, 1)); /* what is left out may stand at the end */
    done(&im);
}

static void holds_types_against_the_opset(void **state)
{
    (void)state;
    refuse(node_with("MatMul", "x,x", "y", NULL, 0, 17, PLN_U8), PLN_BAD_MODEL, (const char *const[]){ "input 0, 'x', is u8", "MatMul of opset 17 takes", "u64", NULL });
    refuse(node_with("ReduceMean", "x", "y", NULL, 0, 17, PLN_U8), PLN_BAD_MODEL, (const char *const[]){ "is u8", "ReduceMean", NULL });
    refuse(node_with("ReduceSum", "x", "y", NULL, 0, 17, PLN_U8), PLN_BAD_MODEL, (const char *const[]){ "is u8", "ReduceSum", NULL });
    refuse(node_with("Add", "x,w", "y", NULL, 0, 17, PLN_I64), PLN_BAD_MODEL, (const char *const[]){ "input 0, 'x', is i64", "input 1, 'w', is f32", "same type", NULL });
    refuse(node_with("Reshape", "x,w", "y", NULL, 0, 17, 1), PLN_BAD_MODEL, (const char *const[]){ "input 1, 'w', is f32", "takes i64 there", NULL });
    refuse(node_with("Relu", "x", "y", NULL, 0, 13, PLN_I32), PLN_BAD_MODEL, (const char *const[]){ "is i32", "opset 13", NULL });
    struct imported im = succeed(node_with("Relu", "x", "y", NULL, 0, 14, PLN_I32));
    done(&im);
}

static void names_what_took_the_place_of_an_operator(void **state)
{
    (void)state;
    refuse(node_with("Upsample", "x,w", "y", NULL, 0, 10, 1), PLN_BAD_MODEL, (const char *const[]){ "Upsample", "since opset 10", "use Resize", NULL });
    refuse(node_with("Scatter", "x,x,w", "y", NULL, 0, 17, 1), PLN_BAD_MODEL, (const char *const[]){ "Scatter", "opset 11", "imports 17", "use ScatterElements", NULL });
}

/* Every row that the importer has a handler for has a schema, and no handler begins before it. */
static void schemas_match_the_operators(void **state)
{
    (void)state;
    size_t n_rows, n_schemas;
    const struct pln_onnx_row *rows = pln_onnx_opset_rows(&n_rows);
    const struct pln_onnx_schema *schemas = pln_onnx_schema_rows(&n_schemas);
    for (size_t i = 0; i < n_rows; i++) {
        if (!pln_onnx_schema_find(rows[i].domain, rows[i].name, rows[i].since)) fail_msg("no schema for %s-%d", rows[i].name, (int)rows[i].since);
    }
    for (size_t i = 0; i < n_schemas; i++) {
        assert_ptr_equal(pln_onnx_schema_find(schemas[i].domain, schemas[i].name, schemas[i].since), &schemas[i]);
        pln_onnx_handler handler;
        int32_t since;
        if (pln_onnx_opset_find(schemas[i].domain, schemas[i].name, schemas[i].since, &handler, &since) != PLN_ONNX_FOUND) fail_msg("no handler for %s-%d", schemas[i].name, (int)schemas[i].since);
    }
    assert_null(pln_onnx_schema_find("", "Warp", 17));
    assert_null(pln_onnx_schema_find("", "Gelu", 17));
}

static void table_is_sorted(void **state)
{
    (void)state;
    size_t n;
    const struct pln_onnx_row *rows = pln_onnx_opset_rows(&n);
    for (size_t i = 1; i < n; i++) {
        int order = strcmp(rows[i - 1].domain, rows[i].domain);
        if (order == 0) order = strcmp(rows[i - 1].name, rows[i].name);
        assert_true(order < 0 || (order == 0 && rows[i - 1].since < rows[i].since));
    }
}

/* ---- hints ---- */

static void keep_warning(void *user, const char *text)
{
    pln_text_puts(user, text);
    pln_text_putc(user, '\n');
}

/* Shapes in value_info that contradict the graph, at every inner value: what fits nothing is not used, and told. */
static void survives_wrong_value_info(void **state)
{
    (void)state;
    struct pln_text graph = make_message();
    make_add(&graph, 1, make_node("Shape", "s", "x", "s"));
    make_add(&graph, 1, make_node("Reshape", "r", "y,n", "r")); /* of unknown rank: n is an input */
    make_add(&graph, 1, make_node("Add", "a", "r,x", "z"));
    make_add(&graph, 11, make_value("x", 3, NULL));
    make_add(&graph, 11, make_value("y", 3, NULL));
    make_add(&graph, 11, value_of("n", 7, 1, (int64_t[]){ -1 }, NULL));
    make_add(&graph, 12, value_of("z", 1, 5, (int64_t[]){ 1, 2, 3, 4, 5 }, NULL));
    make_add(&graph, 13, value_of("s", 7, 4, (int64_t[]){ 1, 2, 3, 4 }, NULL));
    make_add(&graph, 13, value_of("r", 1, 2, (int64_t[]){ 8, 8 }, NULL));
    struct pln_text warnings = make_message();
    const struct pln_onnx_import_options options = { .warn = keep_warning, .warn_user = &warnings };
    struct imported im = run(model_of(graph, 8, 17), &options);
    assert_non_null(im.graph);
    assert_int_equal(value_named(&im, "s")->type.rank, 1);
    assert_non_null(strstr(warnings.data, "'s' is declared with 4 dims, but has 1"));
    pln_text_deinit(&warnings);
    done(&im);
}

static void refuses_wrong_declarations(void **state)
{
    (void)state;
    static const int64_t three[] = { 3 }, five[] = { 5 }, negative[] = { -5 };
    static const struct {
        int in, inner, out, def; /* element types of x, h, y and the default w; w itself is f32[1] */
        const int64_t *w_dims;
        const char *words[4];
    } cases[] = {
        { 1, 1, 7, 1, NULL, { "'y' is declared as i64, but is f32" } },
        { 1, 7, 1, 1, NULL, { "'h' is declared as i64, but is f32" } },
        { 1, 1, 1, 7, three, { "graph input 'w' is declared as i64", "f32[3]" } },
        { 1, 1, 1, 1, five, { "graph input 'w' is declared with shape [5]", "f32[3]" } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pln_text graph = make_message();
        make_add(&graph, 1, make_node("Add", "a", "x,w", "h"));
        make_add(&graph, 1, make_node("Relu", "r", "h", "y"));
        make_add(&graph, 5, make_zeros("w", 3));
        make_add(&graph, 11, value_of("x", cases[i].in, 1, three, NULL));
        if (cases[i].w_dims) make_add(&graph, 11, value_of("w", cases[i].def, 1, cases[i].w_dims, NULL));
        make_add(&graph, 12, value_of("y", cases[i].out, 1, three, NULL));
        make_add(&graph, 13, value_of("h", cases[i].inner, 1, three, NULL));
        refuse(model_of(graph, 8, 17), PLN_BAD_MODEL, cases[i].words);
    }
    struct pln_text graph = make_message(), value = make_value("x", negative[0], NULL);
    make_add(&graph, 1, make_node("Relu", "r", "x", "y"));
    make_add(&graph, 11, value);
    make_add(&graph, 12, output_of("y"));
    refuse(model_of(graph, 8, 17), PLN_BAD_MODEL, (const char *const[]){ "graph input 'x' is declared with -5 for dim 0", NULL });
}

/* ---- functions ---- */

static struct pln_text make_function(const char *name, const char *inputs, const char *outputs, const char *attribute)
{
    struct pln_text function = make_message();
    pln_wire_put_string(&function, 1, name);
    make_names(&function, 4, inputs);
    make_names(&function, 5, outputs);
    if (attribute) pln_wire_put_string(&function, 6, attribute);
    make_add(&function, 9, make_opset("", 17));
    make_add(&function, 9, make_opset("local", 1));
    pln_wire_put_string(&function, 10, "local");
    return function;
}

static struct pln_text call(const char *function, const char *name, const char *inputs, const char *outputs)
{
    struct pln_text node = make_node(function, name, inputs, outputs);
    pln_wire_put_string(&node, 7, "local");
    return node;
}

static void inlines_functions(void **state)
{
    (void)state;
    struct pln_text graph = make_message(), function = make_function("Soft", "a", "b", "at"), node = make_node("Softmax", "in", "t", "b");
    add_ref(&node, "axis", 2, "at");
    make_add(&function, 7, make_node("Relu", "first", "a", "t"));
    make_add(&function, 7, node);
    node = call("Soft", "c1", "x", "y");
    add_int(&node, "at", 0);
    make_add(&graph, 1, node);
    make_add(&graph, 1, call("Soft", "c2", "y", "z"));
    make_add(&graph, 11, value_of("x", 1, 2, (int64_t[]){ 2, 3 }, NULL));
    make_add(&graph, 12, output_of("z"));
    struct pln_text model = model_of(graph, 8, 17);
    make_add(&model, 8, make_opset("local", 1));
    make_add(&model, 25, function);
    struct imported im = succeed(model);
    assert_int_equal(count_ops(im.graph, PLN_OP_SOFTMAX), 2);
    (void)value_named(&im, "c1/t");
    uint32_t first = value_named(&im, "y")->producer, second = value_named(&im, "z")->producer;
    assert_int_equal(pln_node_int(im.graph, first, "axis"), 0);
    assert_int_equal(pln_node_int(im.graph, second, "axis"), -1); /* not given: the operator's default */
    assert_string_equal(im.graph->origins[pln_graph_node(im.graph, second)->origins[0]].name, "c2/in");
    assert_int_equal(im.graph->origins[pln_graph_node(im.graph, second)->origins[0]].index, 1);
    done(&im);
}

static enum pln_status as_input(struct pln_plugin_call *call)
{
    call->outputs[0] = call->inputs[0];
    return PLN_OK;
}

/* A registered operator stands in place of the model's function of its name, also inside of other functions, whose attributes it may get. */
static void registered_come_before_functions(void **state)
{
    (void)state;
    const struct pln_plugin plugin = { .struct_size = sizeof plugin, .abi = PLN_PLUGIN_ABI, .domain = "local", .name = "Inner", .min_inputs = 1, .max_inputs = 1, .min_outputs = 1, .max_outputs = 1,
                                       .compute = as_input, .shape = as_input };
    pln_plugins *plugins = pln_plugins_create(NULL);
    assert_int_equal(pln_plugins_add(plugins, &plugin, NULL), PLN_OK);
    for (int registered = 0; registered < 2; registered++) {
        struct pln_text graph = make_message(), outer = make_function("Outer", "a", "b", "at"), inner = make_function("Inner", "a", "b", "axis"), node = call("Inner", "in", "a", "b");
        add_ref(&node, "axis", 2, "at");
        make_add(&outer, 7, node);
        make_add(&inner, 7, make_node("Neg", "neg", "a", "b"));
        node = call("Outer", "c1", "x", "y");
        add_int(&node, "at", 5);
        make_add(&graph, 1, node);
        make_add(&graph, 1, call("Outer", "c2", "y", "z"));
        make_add(&graph, 11, value_of("x", 1, 2, (int64_t[]){ 2, 3 }, NULL));
        make_add(&graph, 12, output_of("z"));
        struct pln_text model = model_of(graph, 8, 17);
        make_add(&model, 8, make_opset("local", 1));
        make_add(&model, 25, outer);
        make_add(&model, 25, inner);
        struct imported im = run(model, registered ? &(struct pln_onnx_import_options){ .plugins = plugins } : NULL);
        assert_non_null(im.graph);
        assert_int_equal(count_ops(im.graph, PLN_OP_CUSTOM), registered ? 2 : 0);
        assert_int_equal(count_ops(im.graph, PLN_OP_ELEMENTWISE), registered ? 0 : 2);
        const struct pln_node *first = pln_graph_node(im.graph, value_named(&im, "y")->producer), *second = pln_graph_node(im.graph, value_named(&im, "z")->producer);
        assert_int_equal(pln_attrs_int(&first->attrs, ".axis", -1), registered ? 5 : -1);
        assert_false(pln_attrs_has(&second->attrs, ".axis"));
        assert_string_equal(pln_attrs_string(&first->attrs, "operator", ""), registered ? "Inner" : "");
        assert_int_equal(value_named(&im, "z")->type.rank, 2);
        done(&im);
    }
    pln_plugins_release(plugins);
}

/* 40 functions that each call the next one twice: 2^40 nodes. */
static void bounds_expansion(void **state)
{
    (void)state;
    struct pln_text graph = make_message();
    make_add(&graph, 1, call("f0", "top", "x", "y"));
    make_add(&graph, 11, make_value("x", 3, NULL));
    make_add(&graph, 12, output_of("y"));
    struct pln_text model = model_of(graph, 8, 17);
    make_add(&model, 8, make_opset("local", 1));
    for (int i = 0; i < 40; i++) {
        char name[8] = { 'f', 0 }, next[8] = { 'f', 0 };
        int n = 1, k = 1;
        if (i >= 10) name[n++] = (char)('0' + i / 10);
        name[n++] = (char)('0' + i % 10);
        if (i + 1 >= 10) next[k++] = (char)('0' + (i + 1) / 10);
        next[k++] = (char)('0' + (i + 1) % 10);
        struct pln_text function = make_function(name, "a", "c", NULL);
        make_add(&function, 7, i < 39 ? call(next, "l", "a", "b") : make_node("Relu", "l", "a", "b"));
        make_add(&function, 7, i < 39 ? call(next, "r", "b", "c") : make_node("Relu", "r", "b", "c"));
        make_add(&model, 25, function);
    }
    struct pln_onnx_import_options options = { .max_nodes = 5000 };
    struct imported im = run(model, &options);
    assert_null(im.graph);
    assert_int_equal(im.diag.entries[0].status, PLN_UNSUPPORTED);
    done(&im);
}

/* ---- control flow ---- */

static struct pln_text branch(const char *op)
{
    struct pln_text graph = make_message();
    make_add(&graph, 1, make_node(op, op, "x", "out"));
    make_add(&graph, 12, output_of("out"));
    return graph;
}

static void captures_in_branches(void **state)
{
    (void)state;
    struct pln_text graph = make_message(), node = make_node("If", "choose", "c", "y");
    add_graph(&node, "then_branch", branch("Relu"));
    add_graph(&node, "else_branch", branch("Neg"));
    make_add(&graph, 1, node);
    make_add(&graph, 11, value_of("c", 9, 0, NULL, NULL));
    make_add(&graph, 11, make_value("x", 3, NULL));
    make_add(&graph, 12, output_of("y"));
    struct imported im = succeed(model_of(graph, 8, 17));
    assert_int_equal(count_ops(im.graph, PLN_OP_IF), 1);
    assert_int_equal(extent(&im, "y", 0), 3);
    done(&im);
}

/* `count` outputs, each of them x. */
static struct pln_text branch_of(int count)
{
    struct pln_text graph = make_message();
    for (int i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "out%d", i);
        make_add(&graph, 1, make_node("Identity", "", "x", name));
        make_add(&graph, 12, output_of(name));
    }
    return graph;
}

static struct pln_text choice_of(int then_outputs, int else_outputs, const char *outputs)
{
    struct pln_text graph = make_message(), node = make_node("If", "choose", "c", outputs);
    add_graph(&node, "then_branch", branch_of(then_outputs));
    add_graph(&node, "else_branch", branch_of(else_outputs));
    make_add(&graph, 1, node);
    make_add(&graph, 11, value_of("c", PLN_BOOL, 0, NULL, NULL));
    make_add(&graph, 11, make_value("x", 3, NULL));
    make_add(&graph, 12, output_of("y"));
    return model_of(graph, 8, 17);
}

static void holds_counts_of_branches_against_the_node(void **state)
{
    (void)state;
    struct imported im = succeed(choice_of(2, 2, "y,z"));
    done(&im);
    im = succeed(choice_of(2, 2, "y,")); /* nobody wants the second: its name is "" */
    done(&im);
    refuse(choice_of(1, 2, "y"), PLN_BAD_MODEL, (const char *const[]){ "else_branch has 2 outputs, the node 1", NULL });
    refuse(choice_of(2, 1, "y"), PLN_BAD_MODEL, (const char *const[]){ "then_branch has 2 outputs, the node 1", NULL });
    refuse(choice_of(2, 2, "y"), PLN_BAD_MODEL, (const char *const[]){ "then_branch has 2 outputs, the node 1", NULL });
    refuse(choice_of(1, 1, "y,z"), PLN_BAD_MODEL, (const char *const[]){ "then_branch has 1 outputs, the node 2", NULL });
    im = run(choice_of(1, 2, "y"), NULL);
    assert_string_equal(im.diag.entries[0].node, "choose");
    done(&im);
}

/* A Loop or Scan of x whose body has so many inputs and outputs and hands on what it gets. */
static struct pln_text loop_of(const char *op, int n_inputs, int n_outputs, const char *inputs, const char *outputs)
{
    struct pln_text graph = make_message(), body = make_message(), node = make_node(op, "turns", inputs, outputs);
    static const char *const names[] = { "i", "go", "v", "v2", "v3" };
    const bool scan = strcmp(op, "Scan") == 0;
    for (int i = 0; i < n_inputs; i++) make_add(&body, 11, output_of(names[scan ? i + 2 : i]));
    for (int i = 0; i < n_outputs; i++) {
        char name[16];
        snprintf(name, sizeof name, "out%d", i);
        make_add(&body, 1, make_node("Identity", "", i == 0 && !scan ? "go" : n_inputs > 2 || scan ? "v" : "i", name));
        make_add(&body, 12, output_of(name));
    }
    add_graph(&node, "body", body);
    if (scan) add_int(&node, "num_scan_inputs", 1);
    make_add(&graph, 1, node);
    make_add(&graph, 11, value_of("n", PLN_I64, 0, NULL, NULL));
    make_add(&graph, 11, make_value("x", 3, NULL));
    make_add(&graph, 12, output_of("y"));
    return model_of(graph, 8, 17);
}

static void holds_counts_of_bodies_against_the_node(void **state)
{
    (void)state;
    struct imported im = succeed(loop_of("Loop", 3, 3, "n,,x", "y,z"));
    done(&im);
    im = succeed(loop_of("Scan", 1, 1, "x", "y"));
    done(&im);
    refuse(loop_of("Loop", 2, 2, "n,,x", "y"), PLN_BAD_MODEL, (const char *const[]){ "2 inputs and 2 outputs", "a Loop of 3 inputs and 1 outputs", "must have 3 and 2", NULL });
    refuse(loop_of("Loop", 4, 2, "n,,x", "y"), PLN_BAD_MODEL, (const char *const[]){ "4 inputs and 2 outputs", NULL });
    refuse(loop_of("Loop", 3, 3, "n,,x", "y"), PLN_BAD_MODEL, (const char *const[]){ "3 inputs and 3 outputs", "must have 3 and 2", NULL });
    refuse(loop_of("Loop", 3, 2, "n,,x", "y,z"), PLN_BAD_MODEL, (const char *const[]){ "3 inputs and 2 outputs", "must have 3 and 3", NULL });
    refuse(loop_of("Loop", 3, 0, "n,,x", "y"), PLN_BAD_MODEL, (const char *const[]){ "3 inputs and 0 outputs", NULL });
    refuse(loop_of("Scan", 2, 1, "x", "y"), PLN_BAD_MODEL, (const char *const[]){ "2 inputs and 1 outputs", "0 states, 1 scan inputs and 1 outputs", "must have 1 and 1", NULL });
    refuse(loop_of("Scan", 1, 2, "x", "y"), PLN_BAD_MODEL, (const char *const[]){ "1 inputs and 2 outputs", NULL });
    refuse(loop_of("Scan", 1, 1, "x", "y,z"), PLN_BAD_MODEL, (const char *const[]){ "1 inputs and 1 outputs", "must have 1 and 2", NULL });
    refuse(loop_of("Scan", 2, 1, "x,x", "y,z"), PLN_BAD_MODEL, (const char *const[]){ "2 inputs and 1 outputs", "1 states", NULL });
}

/* The carried value gains a dim in every round; its rank must be open, and nothing may rely on what it starts with. */
static void finds_types_that_loops_change(void **state)
{
    (void)state;
    struct pln_text graph = make_message(), body = make_message(), node = make_node("Loop", "grow", "n,,x", "y"), axes = make_node("Constant", "k", "", "zero");
    struct pln_text attribute = make_attribute("value_ints", 7);
    pln_wire_put_int(&attribute, 8, 0);
    make_add(&axes, 5, attribute);
    make_add(&body, 1, axes);
    make_add(&body, 1, make_node("Unsqueeze", "u", "v,zero", "w"));
    make_add(&body, 1, make_node("Identity", "i", "go", "on"));
    make_add(&body, 11, output_of("i"));
    make_add(&body, 11, output_of("go"));
    make_add(&body, 11, make_value("v", 3, NULL));
    make_add(&body, 12, output_of("on"));
    make_add(&body, 12, output_of("w"));
    add_graph(&node, "body", body);
    make_add(&graph, 1, node);
    make_add(&graph, 11, value_of("n", 7, 0, NULL, NULL));
    make_add(&graph, 11, make_value("x", 3, NULL));
    make_add(&graph, 12, output_of("y"));
    struct imported im = succeed(model_of(graph, 8, 17));
    assert_int_equal(value_named(&im, "y")->type.dtype, PLN_F32);
    assert_int_equal(value_named(&im, "y")->type.rank, -1);
    assert_int_equal(count_ops(im.graph, PLN_OP_LOOP), 1);
    done(&im);
}

static struct pln_text scan_model(void)
{
    struct pln_text graph = make_message(), body = make_message(), node = make_node("Scan", "scan", "s,x", "end,sums");
    struct pln_text back = make_attribute("scan_input_directions", 7), axes = make_attribute("scan_output_axes", 7);
    pln_wire_put_int(&back, 8, 1);
    make_add(&node, 5, back);
    pln_wire_put_int(&axes, 8, -1);
    make_add(&node, 5, axes);
    make_add(&body, 1, make_node("Add", "a", "old,row", "new"));
    make_add(&body, 1, make_node("Identity", "i", "new", "copy"));
    make_add(&body, 11, output_of("old"));
    make_add(&body, 11, output_of("row"));
    make_add(&body, 12, output_of("new"));
    make_add(&body, 12, output_of("copy"));
    add_graph(&node, "body", body);
    add_int(&node, "num_scan_inputs", 1);
    make_add(&graph, 1, node);
    make_add(&graph, 11, value_of("s", 1, 2, (int64_t[]){ 5, 6 }, NULL));
    make_add(&graph, 11, value_of("x", 1, 3, (int64_t[]){ 4, 5, 6 }, NULL));
    make_add(&graph, 12, output_of("end"));
    make_add(&graph, 12, output_of("sums"));
    return model_of(graph, 8, 17);
}

static void turns_scans_into_loops(void **state)
{
    (void)state;
    struct imported im = succeed(scan_model());
    assert_int_equal(count_ops(im.graph, PLN_OP_LOOP), 1);
    assert_int_equal(extent(&im, "end", 1), 6);
    assert_int_equal(value_named(&im, "sums")->type.rank, 3);
    assert_int_equal(extent(&im, "sums", 0), 5);
    assert_int_equal(extent(&im, "sums", 1), 6);
    assert_int_equal(extent(&im, "sums", 2), 4);
    done(&im);
}

/* ---- all faults ---- */

/* Every node that is wrong is told, and none that only needs the outputs of one, be it in a branch. */
static void tells_all_faults(void **state)
{
    (void)state;
    struct pln_text graph = make_message(), first = make_node("Relu", "first", "x", "a"), branch = make_message(), other = make_message(), choice;
    add_int(&first, "slope", 1);
    make_add(&branch, 1, make_node("Neg", "inner", "a", "p"));
    make_add(&branch, 12, output_of("p"));
    make_add(&other, 12, output_of("a"));
    choice = make_node("If", "choice", "c", "d");
    add_graph(&choice, "then_branch", branch);
    add_graph(&choice, "else_branch", other);
    make_add(&graph, 1, first);
    make_add(&graph, 1, make_node("Neg", "needs_first", "a", "b"));
    make_add(&graph, 1, choice);
    make_add(&graph, 1, make_node("Softmax", "second", "x,x", "e"));
    make_add(&graph, 1, make_node("Add", "needs_both", "b,e", "y"));
    make_add(&graph, 1, make_node("Abs", "fine", "x", "z"));
    make_add(&graph, 11, make_value("x", 3, NULL));
    make_add(&graph, 11, value_of("c", PLN_BOOL, 0, NULL, NULL));
    make_add(&graph, 12, output_of("y"));
    make_add(&graph, 12, output_of("d"));
    struct imported im = run(model_of(graph, 8, 17), &(struct pln_onnx_import_options){ .all_faults = true });
    assert_null(im.graph);
    assert_int_equal(im.diag.count, 2);
    assert_string_equal(im.diag.entries[0].node, "first");
    assert_string_equal(im.diag.entries[1].node, "second");
    done(&im);
}

/* ---- memory ---- */

static void survives_every_failing_allocation(void **state)
{
    (void)state;
    struct pln_text model = scan_model();
    for (long n = 1;; n++) {
        struct test_alloc alloc;
        struct pln_diag diag;
        struct pln_onnx_imported *result;
        test_alloc_init(&alloc, n);
        pln_diag_init(&diag);
        enum pln_status status = pln_onnx_import_memory(model.data, model.size_bytes, NULL, NULL, &alloc.base, &diag, &result);
        pln_onnx_imported_destroy(result);
        assert_int_equal(alloc.live, 0);
        if (alloc.requests < n) {
            assert_int_equal(status, PLN_OK);
            break;
        }
        assert_true(status == PLN_NO_MEMORY || status == PLN_OK); /* an arena without room for a large block takes a small one */
    }
    pln_text_deinit(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_open_dims),
        cmocka_unit_test(keeps_defaults_of_inputs),
        cmocka_unit_test(reads_all_forms_of_constants),
        cmocka_unit_test(respects_the_opset),
        cmocka_unit_test(says_what_it_lacks),
        cmocka_unit_test(refuses_unknown_attributes),
        cmocka_unit_test(holds_attributes_against_the_opset),
        cmocka_unit_test(holds_counts_against_the_opset),
        cmocka_unit_test(holds_types_against_the_opset),
        cmocka_unit_test(names_what_took_the_place_of_an_operator),
        cmocka_unit_test(schemas_match_the_operators),
        cmocka_unit_test(table_is_sorted),
        cmocka_unit_test(refuses_wrong_declarations),
        cmocka_unit_test(survives_wrong_value_info),
        cmocka_unit_test(inlines_functions), cmocka_unit_test(registered_come_before_functions),
        cmocka_unit_test(bounds_expansion),
        cmocka_unit_test(holds_counts_of_branches_against_the_node),
        cmocka_unit_test(holds_counts_of_bodies_against_the_node),
        cmocka_unit_test(captures_in_branches),
        cmocka_unit_test(finds_types_that_loops_change),
        cmocka_unit_test(turns_scans_into_loops),
        cmocka_unit_test(tells_all_faults),
        cmocka_unit_test(survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
