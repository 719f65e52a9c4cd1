/* What the exporter says of values in bodies. That its models compute the same is tested in tests/models and tests/cli. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "onnx/export.h"
#include "onnx/io.h"
#include "onnx_make.h"

static struct pln_text named(const char *name)
{
    struct pln_text value = make_message();
    pln_wire_put_string(&value, 1, name);
    return value;
}

/* A scalar of that element type. */
static struct pln_text scalar(const char *name, int dtype)
{
    struct pln_text value = named(name), type = make_message(), tensor = make_message(), shape = make_message();
    pln_wire_put_int(&tensor, 1, dtype);
    make_add(&tensor, 2, shape);
    make_add(&type, 1, tensor);
    make_add(&value, 2, type);
    return value;
}

static void add_body(struct pln_text *node, const char *name, struct pln_text body)
{
    struct pln_text attribute = make_attribute(name, 5);
    make_add(&attribute, 6, body);
    make_add(node, 5, attribute);
}

/* A branch or body with one more node, "k,k" joined as `output`. */
static struct pln_text joining(struct pln_text body, const char *output)
{
    struct pln_text node = make_node("Concat", "", "k,k", output), axis = make_attribute("axis", 2);
    pln_wire_put_int(&axis, 3, 0);
    make_add(&node, 5, axis);
    make_add(&body, 1, node);
    make_add(&body, 12, named(output));
    return body;
}

/* A loop over a carried f32[x] and f32[6] of each step; an If whose branches give f32[6] and x. k: f32[3], an input. */
static struct pln_text flow_model(void)
{
    struct pln_text graph = make_message(), body = make_message(), other = make_message();
    struct pln_text loop = make_node("Loop", "", "n,,x", "end,all"), branch = make_node("If", "", "c", "y");
    make_add(&body, 1, make_node("Identity", "", "go", "on"));
    make_add(&body, 1, make_node("Add", "", "old,old", "new"));
    make_add(&body, 11, named("i"));
    make_add(&body, 11, named("go"));
    make_add(&body, 11, named("old"));
    make_add(&body, 12, named("on"));
    make_add(&body, 12, named("new"));
    add_body(&loop, "body", joining(body, "step"));
    make_add(&other, 1, make_node("Identity", "", "x", "same"));
    make_add(&other, 12, named("same"));
    add_body(&branch, "then_branch", joining(make_message(), "both"));
    add_body(&branch, "else_branch", other);
    make_add(&graph, 1, loop);
    make_add(&graph, 1, branch);
    make_add(&graph, 11, scalar("n", PLN_I64));
    make_add(&graph, 11, scalar("c", PLN_BOOL));
    make_add(&graph, 11, make_value("x", 0, "length"));
    make_add(&graph, 11, make_value("k", 3, NULL));
    make_add(&graph, 12, named("end"));
    make_add(&graph, 12, named("all"));
    make_add(&graph, 12, named("y"));
    return make_model(8, graph);
}

static const struct pln_onnx_graph *body_of(const struct pln_onnx_graph *graph, const char *op, const char *name)
{
    for (uint32_t i = 0; i < graph->nodes.count; i++) {
        if (strcmp(graph->nodes.items[i].op_type, op) != 0) continue;
        const struct pln_onnx_attribute *attribute = pln_onnx_find_attribute(&graph->nodes.items[i], name);
        if (attribute) return attribute->g;
    }
    fail_msg("no %s with a %s", op, name);
    return NULL;
}

/* A shape of one dim, which is that number; -1: open. */
static void assert_extent(const struct pln_onnx_value_info *info, int64_t want)
{
    assert_non_null(info->type);
    assert_non_null(info->type->shape);
    assert_int_equal(info->type->shape->dims.count, 1);
    const struct pln_onnx_dim *dim = &info->type->shape->dims.items[0];
    if (want < 0) assert_int_equal(dim->kind, PLN_ONNX_DIM_UNKNOWN);
    else assert_true(dim->kind == PLN_ONNX_DIM_VALUE && dim->value == want);
}

static void tells_shapes_in_bodies(void **state)
{
    (void)state;
    struct pln_diag diag;
    struct pln_arena arena;
    struct pln_onnx_model model;
    struct pln_onnx_imported *im = NULL;
    struct pln_text bytes = flow_model();
    pln_diag_init(&diag);
    pln_arena_init(&arena, NULL, 0);
    if (pln_onnx_import_memory(bytes.data, bytes.size_bytes, NULL, NULL, NULL, &diag, &im) != PLN_OK) fail_msg("%s", diag.entries[0].text);
    assert_int_equal(pln_onnx_export(im->graph, NULL, &arena, &diag, &model), PLN_OK);
    const struct pln_onnx_graph *body = body_of(model.graph, "Loop", "body");
    assert_int_equal(body->inputs.items[0].type->shape->dims.count, 0);
    assert_extent(&body->inputs.items[2], -1); /* it may be another one in the next step */
    assert_extent(&body->outputs.items[1], -1);
    assert_extent(&body->outputs.items[2], 6);
    /* Of a branch that is not taken extents may be nonsense; its rank is told. */
    assert_extent(&body_of(model.graph, "If", "then_branch")->outputs.items[0], -1);
    assert_extent(&body_of(model.graph, "If", "else_branch")->outputs.items[0], -1);
    pln_onnx_imported_destroy(im);
    pln_arena_deinit(&arena);
    pln_text_deinit(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(tells_shapes_in_bodies) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
