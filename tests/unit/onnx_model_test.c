#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "onnx/open.h"
#include "onnx_make.h"

struct fixture {
    struct pln_arena arena;
    struct pln_diag diag;
    struct pln_onnx_model model;
};

static int setup(void **state)
{
    static struct fixture fixture;
    memset(&fixture, 0, sizeof fixture);
    pln_arena_init(&fixture.arena, NULL, 0);
    pln_diag_init(&fixture.diag);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    pln_arena_deinit(&f->arena);
    return 0;
}

/* Decodes a copy of just the right size, so that reading past the end is seen, and keeps it in the arena. Frees model.
 */
static enum pln_status decode(struct fixture *f, struct pln_text model)
{
    void *copy = pln_arena_copy(&f->arena, model.data, model.size_bytes);
    size_t size_bytes = model.size_bytes;
    pln_text_deinit(&model);
    return pln_onnx_decode_model(copy, size_bytes, &f->arena, &f->diag, &f->model);
}

static void assert_error(const struct pln_diag *diag, const char *part)
{
    assert_int_not_equal(diag->count, 0);
    if (!strstr(diag->entries[diag->count - 1].text, part))
        fail_msg("'%s' is not in '%s'", part, diag->entries[diag->count - 1].text);
}

static void decode_a_model(void **state)
{
    struct fixture *f = *state;
    struct pln_text graph = make_message(), model, entry = make_message();
    pln_wire_put_string(&graph, 2, "g");
    pln_wire_put_string(&graph, 10, "about g");
    make_add(&graph, 1, make_node("Add", "add", "x,w", "y"));
    make_add(&graph, 1, make_node("Clip", "clip", "y,,w", "z,"));
    make_add(&graph, 5, make_zeros("w", 3));
    make_add(&graph, 11, make_value("x", 3, NULL));
    make_add(&graph, 12, make_value("z", 0, "n"));
    model = make_model(8, graph);
    pln_wire_put_string(&model, 2, "maker");
    pln_wire_put_string(&entry, 1, "key");
    pln_wire_put_string(&entry, 2, "value");
    make_add(&model, 14, entry);
    assert_int_equal(decode(f, model), PLN_OK);

    const struct pln_onnx_graph *g = f->model.graph;
    assert_int_equal(f->model.ir_version, 8);
    assert_string_equal(f->model.producer_name, "maker");
    assert_string_equal(f->model.producer_version, "");
    assert_int_equal(f->model.metadata.count, 1);
    assert_int_equal(pln_onnx_opset_version(f->model.opset_imports.items, f->model.opset_imports.count, "ai.onnx"), 17);
    assert_int_equal(pln_onnx_opset_version(f->model.opset_imports.items, f->model.opset_imports.count, "other"), -1);
    assert_string_equal(g->name, "g");
    assert_int_equal(g->doc.size_bytes, 7);
    assert_int_equal(g->nodes.count, 2);
    const struct pln_onnx_node *clip = &g->nodes.items[1];
    assert_int_equal(clip->index, 1);
    assert_string_equal(clip->domain, "");
    assert_int_equal(clip->inputs.count, 3);
    assert_string_equal(clip->inputs.items[1], "");
    assert_int_equal(clip->outputs.count, 2);
    assert_null(pln_onnx_find_attribute(clip, "min"));
    assert_string_equal(g->initializers.items[0].name, "w");
    assert_int_equal(g->initializers.items[0].dims.items[0], 3);
    assert_int_equal(g->initializers.items[0].raw_data.size_bytes, 12);
    const struct pln_onnx_type *type = g->outputs.items[0].type;
    assert_int_equal(type->kind, PLN_ONNX_TYPE_TENSOR);
    assert_int_equal(type->elem_type, 1);
    assert_int_equal(type->shape->dims.items[0].kind, PLN_ONNX_DIM_PARAM);
    assert_string_equal(type->shape->dims.items[0].param, "n");
}

static void read_numbers_packed_and_not(void **state)
{
    static const int64_t ints[] = { 1, -2, 3 };
    static const float floats[] = { 1.0f, 2.0f };
    struct fixture *f = *state;
    struct pln_text graph = make_message(), node = make_node("Op", "", "", "y");
    struct pln_text a = make_attribute("a", PLN_ONNX_ATTR_INTS), b = make_attribute("b", PLN_ONNX_ATTR_FLOATS);
    pln_wire_put_packed_ints(&a, 8, ints, 3);
    pln_wire_put_int(&a, 8, 4);
    pln_wire_put_packed_ints(&a, 8, ints, 1);
    pln_wire_put_float(&b, 7, 0.5f);
    pln_wire_put_packed_floats(&b, 7, floats, 2);
    make_add(&node, 5, a);
    make_add(&node, 5, b);
    make_add(&graph, 1, node);
    assert_int_equal(decode(f, make_model(8, graph)), PLN_OK);
    const struct pln_onnx_attribute *got = pln_onnx_find_attribute(&f->model.graph->nodes.items[0], "a");
    static const int64_t want[] = { 1, -2, 3, 4, 1 };
    assert_int_equal(got->ints.count, 5);
    assert_memory_equal(got->ints.items, want, sizeof want);
    got = pln_onnx_find_attribute(&f->model.graph->nodes.items[0], "b");
    assert_int_equal(got->floats.count, 3);
    assert_true(got->floats.items[0] == 0.5f && got->floats.items[2] == 2.0f);
}

static void skip_what_is_unknown(void **state)
{
    struct fixture *f = *state;
    struct pln_text graph = make_message(), model;
    pln_wire_put_string(&graph, 2, "g");
    pln_wire_put_int(&graph, 2, 7);         /* name as a number: an unknown field */
    pln_wire_put_string(&graph, 1000, "?"); /* a number nobody has */
    pln_wire_put_double(&graph, 1001, 1.0);
    model = make_model(8, graph);
    pln_wire_put_string(&model, 1, "8"); /* ir_version as bytes */
    make_add(&model, 20, make_message());
    assert_int_equal(decode(f, model), PLN_OK);
    assert_string_equal(f->model.graph->name, "g");
    assert_int_equal(f->model.ir_version, 8);
    assert_int_equal(f->model.ignored, PLN_ONNX_IGNORED_TRAINING);
}

static void merge_parts_and_let_the_last_win(void **state)
{
    struct fixture *f = *state;
    struct pln_text first = make_message(), second = make_message(), model;
    pln_wire_put_string(&first, 2, "one");
    make_add(&first, 1, make_node("A", "a", "x", "y"));
    pln_wire_put_string(&second, 2, "two");
    make_add(&second, 1, make_node("B", "b", "y", "z"));
    make_add(&second, 1, make_node("C", "c", "z", "v"));
    model = make_model(3, first);
    make_add(&model, 7, second);
    pln_wire_put_int(&model, 1, 4);
    assert_int_equal(decode(f, model), PLN_OK);
    assert_int_equal(f->model.ir_version, 4);
    assert_string_equal(f->model.graph->name, "two");
    assert_int_equal(f->model.graph->nodes.count, 3);
    assert_string_equal(f->model.graph->nodes.items[0].name, "a");
    assert_string_equal(f->model.graph->nodes.items[2].name, "c");
    assert_int_equal(f->model.graph->nodes.items[2].index, 2);
}

static void let_the_last_case_of_a_oneof_win(void **state)
{
    struct fixture *f = *state;
    struct pln_text type = make_message(), tensor = make_message(), sequence = make_message(), element = make_message();
    struct pln_onnx_type got;
    pln_wire_put_int(&tensor, 1, 7);
    make_add(&element, 1, tensor);
    pln_wire_put_string(&type, 6, "IMAGE");
    tensor = make_message();
    pln_wire_put_int(&tensor, 1, 1);
    make_add(&type, 1, tensor);
    make_add(&sequence, 1, element);
    make_add(&type, 4, sequence);
    void *copy = pln_arena_copy(&f->arena, type.data, type.size_bytes);
    assert_int_equal(pln_onnx_decode_type(copy, type.size_bytes, &f->arena, &f->diag, &got), PLN_OK);
    pln_text_deinit(&type);
    assert_int_equal(got.kind, PLN_ONNX_TYPE_SEQUENCE);
    assert_int_equal(got.elem_type, 0);
    assert_null(got.shape);
    assert_string_equal(got.denotation, "IMAGE");
    assert_string_equal(got.name, "");
    assert_int_equal(got.inner->kind, PLN_ONNX_TYPE_TENSOR);
    assert_int_equal(got.inner->elem_type, 7);
}

static void deduce_the_type_of_an_attribute(void **state)
{
    struct fixture *f = *state;
    struct pln_text graph = make_message(), node = make_node("Op", "", "", "y");
    for (int i = 0; i < 3; i++) {
        struct pln_text attribute = make_message();
        pln_wire_put_string(&attribute, 1, i == 0 ? "f" : i == 1 ? "s" : "both");
        if (i != 1) pln_wire_put_float(&attribute, 2, 1.0f);
        if (i != 0) pln_wire_put_string(&attribute, 4, "text");
        make_add(&node, 5, attribute);
    }
    make_add(&graph, 1, node);
    assert_int_equal(decode(f, make_model(1, graph)), PLN_OK);
    const struct pln_onnx_attribute *attributes = f->model.graph->nodes.items[0].attributes.items;
    assert_int_equal(attributes[0].type, PLN_ONNX_ATTR_FLOAT);
    assert_int_equal(attributes[1].type, PLN_ONNX_ATTR_STRING);
    assert_int_equal(attributes[2].type, PLN_ONNX_ATTR_UNDEFINED);
}

static void refuse_bad_names(void **state)
{
    static const struct {
        const char *bytes;
        size_t size_bytes;
        const char *error;
    } cases[] = { { "a\0b", 3, "holds a zero byte" },
                  { "\xff", 1, "is not UTF-8" },
                  { "\xed\xa0\x80", 3, "is not UTF-8" } };
    struct fixture *f = *state;
    for (size_t i = 0; i < PLN_COUNT_OF(cases); i++) {
        struct pln_text graph = make_message(), node = make_message();
        make_add(&graph, 1, make_node("A", "", "", ""));
        pln_wire_put_bytes(&node, 4, cases[i].bytes, cases[i].size_bytes);
        make_add(&graph, 1, node);
        assert_int_equal(decode(f, make_model(8, graph)), PLN_BAD_MODEL);
        assert_error(&f->diag, "graph.node[1]: op_type ");
        assert_error(&f->diag, cases[i].error);
    }
}

/* Graph, node, attribute, graph, …: the 114 KB file that kills a reader without a limit. */
static void refuse_deep_nesting(void **state)
{
    struct fixture *f = *state;
    struct pln_text graph = make_message();
    for (int i = 0; i < PLN_ONNX_MAX_BODIES; i++) {
        struct pln_text outer = make_message(), node = make_message(), attribute = make_message();
        make_add(&attribute, 6, graph);
        make_add(&node, 5, attribute);
        make_add(&outer, 1, node);
        graph = outer;
    }
    assert_int_equal(decode(f, make_model(8, graph)), PLN_OK);
    graph = make_message();
    for (int i = 0; i < 1000; i++) {
        struct pln_text outer = make_message(), node = make_message(), attribute = make_message();
        make_add(&attribute, 6, graph);
        make_add(&node, 5, attribute);
        make_add(&outer, 1, node);
        graph = outer;
    }
    assert_int_equal(decode(f, make_model(8, graph)), PLN_BAD_MODEL);
    assert_error(&f->diag, "nested too deeply");
}

/* A singular message in many parts is merged in linear time. */
static void merge_many_parts(void **state)
{
    struct fixture *f = *state;
    struct pln_text model = make_message();
    for (int i = 0; i < 50000; i++) {
        struct pln_text part = make_message();
        pln_wire_put_bytes(&part, 1, "", 0);
        make_add(&model, 7, part);
    }
    assert_int_equal(decode(f, model), PLN_OK);
    assert_int_equal(f->model.graph->nodes.count, 50000);
    assert_true(f->arena.used_bytes < (size_t)64 << 20);
}

/* ---- opening ---- */

static void refuse_other_files(void **state)
{
    static const struct {
        const char *bytes;
        size_t size_bytes;
        const char *error;
    } cases[] = {
        { "", 0, "model in memory: not an ONNX model: it is empty" },
        { "{\"a\": [1, 2]}\n", 14, "it is a text file" },
        { "version https://git-lfs.github.com/spec/v1\n", 43, "git lfs pull" },
        { "PK\x03\x04\x14\x00\x00\x00", 8, "ZIP" },
        { "GGUF\x03\x00\x00\x00", 8, "GGUF" },
        { "\x08\x08", 2, "no graph is in it" },
        { "\x08\x08\x3a\x05\x01", 5, "at byte 2 (it has 5 bytes; it may be cut off or damaged)" },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < PLN_COUNT_OF(cases); i++) {
        struct pln_onnx_file *file;
        enum pln_status status = pln_onnx_open_memory(cases[i].bytes, cases[i].size_bytes, NULL, NULL, &f->diag, &file);
        assert_int_equal(status, PLN_BAD_MODEL);
        assert_null(file);
        assert_error(&f->diag, cases[i].error);
    }
}

static void name_the_file_in_errors(void **state)
{
    struct fixture *f = *state;
    struct pln_onnx_file *file;
    assert_int_equal(pln_onnx_open_file("no-such-file.onnx", NULL, &f->diag, &file), PLN_IO);
    assert_error(&f->diag, "no-such-file.onnx");
    assert_null(file);
    assert_int_equal(pln_onnx_open_file("CMakeLists.txt", NULL, &f->diag, &file), PLN_BAD_MODEL);
    assert_error(&f->diag, "CMakeLists.txt: not an ONNX model: it is a text file");
}

/* 0: the field is absent. What the file notes, or else the error, is in *out_text. */
static enum pln_status open_version(struct fixture *f, int64_t ir_version, char out_text[1024])
{
    struct pln_onnx_file *file;
    struct pln_text model = make_message();
    if (ir_version != 0) pln_wire_put_int(&model, 1, ir_version);
    make_add(&model, 7, make_message());
    f->diag.count = 0;
    enum pln_status status = pln_onnx_open_memory(model.data, model.size_bytes, NULL, NULL, &f->diag, &file);
    assert_true((file != NULL) == (status == PLN_OK));
    snprintf(out_text, 1024, "%s", !file ? f->diag.entries[0].text : file->model.notes.count ? file->model.notes.items[0] : "");
    pln_onnx_close(file);
    pln_text_deinit(&model);
    return status;
}

static void hold_the_version_against_those_that_there_are(void **state)
{
    struct fixture *f = *state;
    char text[1024];
    for (int64_t version = 1; version <= PLN_ONNX_IR_VERSION; version++) {
        assert_int_equal(open_version(f, version, text), PLN_OK);
        assert_string_equal(text, "");
    }
    assert_int_equal(open_version(f, 0, text), PLN_BAD_MODEL);
    assert_non_null(strstr(text, "the model gives no IR version"));
    assert_int_equal(open_version(f, -1, text), PLN_BAD_MODEL);
    assert_non_null(strstr(text, "IR version -1"));
    assert_int_equal(open_version(f, INT64_MIN, text), PLN_BAD_MODEL);
    assert_int_equal(open_version(f, 99, text), PLN_OK);
    assert_non_null(strstr(text, "IR version 99 is newer than 14, the newest that this version knows"));
    assert_non_null(strstr(text, "use a newer Planish or export the model with ir_version=14"));
}

/* Two bytes of file for a struct of 200: refused before it takes gigabytes. */
static void bound_memory(void **state)
{
    struct fixture *f = *state;
    struct pln_onnx_file *file;
    struct pln_text node = make_message(), graph = make_message();
    for (int i = 0; i < 1000000; i++) pln_text_append(&node, "\x2a\x00", 2);
    make_add(&graph, 1, node);
    struct pln_text model = make_model(8, graph);
    assert_int_equal(pln_onnx_open_memory(model.data, model.size_bytes, NULL, NULL, &f->diag, &file), PLN_NO_MEMORY);
    assert_null(file);
    pln_text_deinit(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(decode_a_model, setup, teardown),
        cmocka_unit_test_setup_teardown(read_numbers_packed_and_not, setup, teardown),
        cmocka_unit_test_setup_teardown(skip_what_is_unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(merge_parts_and_let_the_last_win, setup, teardown),
        cmocka_unit_test_setup_teardown(let_the_last_case_of_a_oneof_win, setup, teardown),
        cmocka_unit_test_setup_teardown(deduce_the_type_of_an_attribute, setup, teardown),
        cmocka_unit_test_setup_teardown(refuse_bad_names, setup, teardown),
        cmocka_unit_test_setup_teardown(refuse_deep_nesting, setup, teardown),
        cmocka_unit_test_setup_teardown(merge_many_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(refuse_other_files, setup, teardown),
        cmocka_unit_test_setup_teardown(name_the_file_in_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(hold_the_version_against_those_that_there_are, setup, teardown),
        cmocka_unit_test_setup_teardown(bound_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
