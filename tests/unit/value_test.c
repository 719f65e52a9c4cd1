/* Values of any kind through the public functions: strings, sequences, optionals and maps, made, looked at, bound and read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "planish/experimental/value.h"
#include "planish/network.h"

static const char *const devices[] = { "cpu", "ref" };

static void put(pln_network *network, const char *op, const char *domain, const char *const *inputs, int n, const char *output)
{
    pln_network_add_node(network, &(struct pln_network_node){ .op_type = op, .domain = domain, .inputs = inputs, .input_count = n, .outputs = &output, .output_count = 1 });
}

/* An engine and a context for the network, which goes. */
static pln_context *start(pln_network *network, const char *device, pln_engine **out_engine)
{
    pln_context *context;
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    const struct pln_build_options options = { .struct_size = sizeof options, .device = device, .diagnostics = diagnostics };
    struct pln_message message = { 0 };
    if (pln_build_network(network, &options, out_engine) != PLN_OK && pln_diagnostics_get(diagnostics, 0, &message) == PLN_OK) fail_msg("%s", message.text);
    pln_diagnostics_destroy(diagnostics);
    pln_network_destroy(network);
    assert_int_equal(pln_context_create(*out_engine, NULL, &context), PLN_OK);
    return context;
}

static pln_host_value *run(pln_context *context, const char *output)
{
    pln_host_value *value;
    struct pln_message message = { 0 };
    if (pln_context_run(context) != PLN_OK && pln_diagnostics_get(pln_context_diagnostics(context), 0, &message) == PLN_OK) fail_msg("%s", message.text);
    assert_int_equal(pln_context_output_value(context, output, &value), PLN_OK);
    return value;
}

static pln_host_value *floats(float first, int64_t n)
{
    float data[8];
    pln_host_value *value;
    for (int i = 0; i < 8; i++) data[i] = first + (float)i;
    const struct pln_buffer buffer = { .dtype = PLN_F32, .rank = 1, .dims = { n }, .data = data, .size_bytes = (size_t)n * sizeof *data };
    assert_int_equal(pln_host_value_from_buffer(&buffer, &value), PLN_OK);
    return value;
}

static void want_string(const struct pln_buffer *buffer, int at, const char *want)
{
    assert_int_equal(buffer->dtype, PLN_STR);
    const struct pln_string *string = (const struct pln_string *)buffer->data + at;
    assert_int_equal(string->size_bytes, strlen(want));
    assert_memory_equal(string->data, want, strlen(want));
}

static void expect_floats(const pln_host_value *list, int64_t at, float first, int64_t n)
{
    struct pln_buffer buffer;
    assert_int_equal(pln_host_value_element_buffer(list, at, &buffer), PLN_OK);
    assert_int_equal(buffer.dtype, PLN_F32);
    assert_int_equal(buffer.dims[0], n);
    for (int64_t i = 0; i < n; i++) assert_float_equal(((const float *)buffer.data)[i], first + (float)i, 0);
}

/* What a value of strings points to is its own, whatever becomes of the caller's. */
static void test_strings(void **state)
{
    (void)state;
    for (size_t d = 0; d < 2; d++) {
        static const int64_t dims[1] = { -1 };
        static const char *const in[2] = { "a", "b" };
        pln_network *network = pln_network_create("strings", 20);
        pln_network_add_input(network, "a", PLN_STR, 1, dims, NULL);
        pln_network_add_input(network, "b", PLN_STR, 1, dims, NULL);
        put(network, "StringConcat", NULL, in, 2, "y");
        pln_network_add_output(network, "y", PLN_DTYPE_NONE, -1, NULL, NULL);
        pln_engine *engine;
        pln_context *context = start(network, devices[d], &engine);
        char bytes[] = "Gr\xc3\xbc\xc3\x9f" "e";
        struct pln_string strings[2] = { { bytes, strlen(bytes) }, { NULL, 0 } };
        const struct pln_buffer buffer = { .dtype = PLN_STR, .rank = 1, .dims = { 2 }, .data = strings, .size_bytes = sizeof strings };
        static const char *const texts[2] = { " aus", "Wien" };
        pln_host_value *a, *b, *y;
        struct pln_buffer out;
        assert_int_equal(pln_host_value_from_buffer(&buffer, &a), PLN_OK);
        assert_int_equal(pln_host_value_from_texts(texts, 1, (int64_t[]){ 2 }, &b), PLN_OK);
        memset(bytes, 'x', sizeof bytes);
        memset(strings, 0, sizeof strings);
        assert_int_equal(pln_context_bind_value(context, "a", a), PLN_OK);
        assert_int_equal(pln_context_bind_value(context, "b", b), PLN_OK);
        y = run(context, "y");
        assert_int_equal(pln_host_value_count(y), 2);
        assert_int_equal(pln_host_value_buffer(y, &out), PLN_OK);
        pln_context_destroy(context);
        pln_engine_release(engine);
        want_string(&out, 0, "Gr\xc3\xbc\xc3\x9f" "e aus");
        want_string(&out, 1, "Wien");
        pln_host_value_destroy(a), pln_host_value_destroy(b), pln_host_value_destroy(y);
    }
}

/* A sequence goes in, grows in the model and between two runs, and comes out. */
static void test_sequence(void **state)
{
    (void)state;
    for (size_t d = 0; d < 2; d++) {
        static const int64_t dims[1] = { -1 };
        static const char *const in[2] = { "s", "x" };
        pln_network *network = pln_network_create("sequence", 17);
        pln_network_add_value_input(network, "s", PLN_VALUE_SEQUENCE, PLN_F32, PLN_DTYPE_NONE);
        pln_network_add_input(network, "x", PLN_F32, 1, dims, NULL);
        put(network, "SequenceInsert", NULL, in, 2, "y");
        put(network, "SequenceLength", NULL, (const char *const[]){ "y" }, 1, "n");
        pln_network_add_output(network, "y", PLN_DTYPE_NONE, -1, NULL, NULL);
        pln_network_add_output(network, "n", PLN_DTYPE_NONE, -1, NULL, NULL);
        pln_engine *engine;
        pln_context *context = start(network, devices[d], &engine);
        pln_host_value *s, *x = floats(100, 3), *y, *n, *copy;
        struct pln_buffer buffer;
        assert_int_equal(pln_host_value_new_sequence(PLN_F32, &s), PLN_OK);
        assert_int_equal(pln_context_bind_value(context, "s", s), PLN_OK);
        assert_int_equal(pln_context_bind_value(context, "x", x), PLN_OK);
        for (int i = 0; i < 20; i++) {
            y = run(context, "y");
            assert_int_equal(pln_host_value_kind(y), PLN_VALUE_SEQUENCE);
            assert_int_equal(pln_host_value_count(y), i + 1);
            for (int k = 0; k < i; k++) expect_floats(y, k, (float)k, 1 + k % 3);
            expect_floats(y, i, 100, 3);
            assert_int_equal(pln_context_output_value(context, "n", &n), PLN_OK);
            assert_int_equal(pln_host_value_buffer(n, &buffer), PLN_OK);
            assert_int_equal(*(const int64_t *)buffer.data, i + 1);
            /* What came out is a value like any other: it can be appended to, too. */
            assert_int_equal(pln_host_value_append(y, x), PLN_OK);
            expect_floats(y, i + 1, 100, 3);
            pln_host_value_destroy(y), pln_host_value_destroy(n);
            copy = floats((float)i, 1 + i % 3);
            assert_int_equal(pln_host_value_append(s, copy), PLN_OK);
            pln_host_value_destroy(copy);
        }
        assert_int_equal(pln_host_value_element(s, 4, &copy), PLN_OK);
        assert_int_equal(pln_host_value_kind(copy), PLN_VALUE_TENSOR);
        assert_int_equal(pln_host_value_count(copy), 2);
        assert_int_equal(pln_context_bind_value(context, "x", s), PLN_INVALID_ARGUMENT);
        assert_int_equal(pln_context_bind_value(context, "s", copy), PLN_INVALID_ARGUMENT);
        pln_host_value_destroy(copy);
        pln_context_destroy(context);
        pln_engine_release(engine);
        pln_host_value_destroy(s), pln_host_value_destroy(x);
    }
}

/* Full, empty, and a tensor in its place. */
static void test_optional(void **state)
{
    (void)state;
    for (size_t d = 0; d < 2; d++) {
        static const char *const in[1] = { "o" };
        pln_network *network = pln_network_create("optional", 18);
        pln_network_add_value_input(network, "o", PLN_VALUE_OPTIONAL, PLN_F32, PLN_DTYPE_NONE);
        put(network, "OptionalHasElement", NULL, in, 1, "has");
        pln_network_add_output(network, "has", PLN_DTYPE_NONE, -1, NULL, NULL);
        pln_engine *engine;
        pln_context *context = start(network, devices[d], &engine);
        pln_host_value *x = floats(1, 2), *values[3];
        assert_int_equal(pln_host_value_new_optional(x, PLN_DTYPE_NONE, &values[0]), PLN_OK);
        assert_int_equal(pln_host_value_new_optional(NULL, PLN_F32, &values[1]), PLN_OK);
        values[2] = floats(1, 2);
        expect_floats(values[0], 0, 1, 2);
        assert_int_equal(pln_host_value_count(values[1]), 0);
        for (int i = 0; i < 3; i++) {
            struct pln_buffer buffer;
            assert_int_equal(pln_context_bind_value(context, "o", values[i]), PLN_OK);
            pln_host_value *has = run(context, "has");
            assert_int_equal(pln_host_value_buffer(has, &buffer), PLN_OK);
            assert_int_equal(*(const uint8_t *)buffer.data, i != 1);
            pln_host_value_destroy(has);
        }
        pln_context_destroy(context);
        pln_engine_release(engine);
        for (int i = 0; i < 3; i++) pln_host_value_destroy(values[i]);
        pln_host_value_destroy(x);
    }
}

/* A map goes in; a sequence of maps comes out. */
static void test_map(void **state)
{
    (void)state;
    static const char *const words[] = { "cat", "dog", "owl" };
    float numbers[4] = { 3, 0, 5, 0 };
    struct pln_string keys[2] = { { "owl", 3 }, { "cat", 3 } };
    const struct pln_buffer key_buffer = { .dtype = PLN_STR, .rank = 1, .dims = { 2 }, .data = keys, .size_bytes = sizeof keys };
    const struct pln_buffer number_buffer = { .dtype = PLN_F32, .rank = 1, .dims = { 2 }, .strides = (int64_t[]){ 2 }, .data = numbers, .size_bytes = sizeof numbers };
    for (size_t d = 0; d < 2; d++) {
        static const char *const in[1] = { "m" }, *const mid[1] = { "v" }, *const out[1] = { "z" };
        const struct pln_attribute vocabulary = { .name = "string_vocabulary", .kind = PLN_ATTRIBUTE_STRINGS, .count = 3, .strings = words };
        const struct pln_attribute labels = { .name = "classlabels_strings", .kind = PLN_ATTRIBUTE_STRINGS, .count = 3, .strings = words };
        pln_network *network = pln_network_create("map", 17);
        pln_network_use_domain(network, "ai.onnx.ml", 3);
        pln_network_add_value_input(network, "m", PLN_VALUE_MAP, PLN_F32, PLN_STR);
        pln_network_add_node(network, &(struct pln_network_node){ .op_type = "DictVectorizer", .domain = "ai.onnx.ml", .inputs = in, .input_count = 1, .outputs = mid, .output_count = 1, .attributes = &vocabulary, .attribute_count = 1 });
        pln_network_add_node(network, &(struct pln_network_node){ .op_type = "ZipMap", .domain = "ai.onnx.ml", .inputs = mid, .input_count = 1, .outputs = out, .output_count = 1, .attributes = &labels, .attribute_count = 1 });
        pln_network_add_output(network, "z", PLN_DTYPE_NONE, -1, NULL, NULL);
        pln_engine *engine;
        pln_context *context = start(network, devices[d], &engine);
        pln_host_value *map, *list, *first;
        struct pln_buffer buffer;
        assert_int_equal(pln_host_value_new_map(&key_buffer, &number_buffer, &map), PLN_OK);
        assert_int_equal(pln_host_value_count(map), 2);
        assert_int_equal(pln_context_bind_value(context, "m", map), PLN_OK);
        list = run(context, "z");
        assert_int_equal(pln_host_value_count(list), 1);
        assert_int_equal(pln_host_value_element_buffer(list, 0, &buffer), PLN_INVALID_ARGUMENT);
        assert_int_equal(pln_host_value_element(list, 0, &first), PLN_OK);
        pln_host_value_destroy(list);
        assert_int_equal(pln_host_value_kind(first), PLN_VALUE_MAP);
        assert_int_equal(pln_host_value_count(first), 3);
        assert_int_equal(pln_host_value_keys(first, &buffer), PLN_OK);
        for (int i = 0; i < 3; i++) {
            static const float want[3] = { 5, 0, 3 };
            struct pln_buffer number;
            want_string(&buffer, i, words[i]);
            assert_int_equal(pln_host_value_element_buffer(first, i, &number), PLN_OK);
            assert_float_equal(*(const float *)number.data, want[i], 0);
        }
        pln_host_value_destroy(first), pln_host_value_destroy(map);
        pln_context_destroy(context);
        pln_engine_release(engine);
    }
}

/* Entries belong to keys, not to places. */
static void test_maps_compared(void **state)
{
    (void)state;
    const struct { int64_t keys[2]; float values[2]; int n, equal; } rows[] = {
        { { 4, 7 }, { 1, 2 }, 2, 1 }, { { 7, 4 }, { 2, 1 }, 2, 1 }, { { 7, 4 }, { 1, 2 }, 2, 0 }, { { 4, 8 }, { 1, 2 }, 2, 0 }, { { 4, 0 }, { 1, 0 }, 1, 0 },
    };
    pln_host_value *want = NULL, *got;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct pln_buffer keys = { .dtype = PLN_I64, .rank = 1, .dims = { rows[i].n }, .data = (void *)rows[i].keys }, values = { .dtype = PLN_F32, .rank = 1, .dims = { rows[i].n }, .data = (void *)rows[i].values };
        char why[128];
        assert_int_equal(pln_host_value_new_map(&keys, &values, &got), PLN_OK);
        if (!want) want = got;
        assert_int_equal(pln_host_value_compare(got, want, &(struct pln_comparison){ .rtol = 0 }, why, sizeof why, NULL), rows[i].equal);
        assert_int_equal(strlen(why) == 0, rows[i].equal);
        if (got != want) pln_host_value_destroy(got);
    }
    pln_host_value_destroy(want);
}

static void test_mistakes(void **state)
{
    (void)state;
    static const char *const hole[2] = { "a", NULL };
    struct pln_string no_bytes = { NULL, 3 };
    int64_t integers[2] = { 1, 2 };
    pln_host_value *x = floats(0, 2), *s, *o, *list, *got;
    struct pln_buffer buffer = { .dtype = PLN_STR, .rank = 0, .data = &no_bytes, .size_bytes = sizeof no_bytes };
    assert_int_equal(pln_host_value_from_buffer(&buffer, &got), PLN_INVALID_ARGUMENT);
    assert_null(got);
    assert_int_equal(pln_host_value_from_texts(hole, 1, (int64_t[]){ 2 }, &got), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_host_value_from_texts(hole, 1, (int64_t[]){ -1 }, &got), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_host_value_new_sequence((enum pln_dtype)999, &got), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_host_value_new_sequence(PLN_I64, &s), PLN_OK);
    assert_int_equal(pln_host_value_append(s, x), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_host_value_append(x, x), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_host_value_append(s, NULL), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_host_value_element(s, 0, &got), PLN_NOT_FOUND);
    assert_int_equal(pln_host_value_element(x, 0, &got), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_host_value_keys(s, &buffer), PLN_INVALID_ARGUMENT);
    /* Sequences of sequences and of optionals, and of one kind alone. */
    assert_int_equal(pln_host_value_new_sequence(PLN_DTYPE_NONE, &list), PLN_OK);
    assert_int_equal(pln_host_value_append(list, s), PLN_OK);
    assert_int_equal(pln_host_value_append(list, list), PLN_OK); /* of its copy */
    assert_int_equal(pln_host_value_append(list, x), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_host_value_new_optional(list, PLN_DTYPE_NONE, &o), PLN_OK);
    pln_host_value_destroy(list);
    assert_int_equal(pln_host_value_element(o, 0, &got), PLN_OK);
    assert_int_equal(pln_host_value_count(got), 2);
    pln_host_value_destroy(got);
    buffer = (struct pln_buffer){ .dtype = PLN_I64, .rank = 1, .dims = { 2 }, .data = integers, .size_bytes = sizeof integers };
    struct pln_buffer fewer = buffer, other = buffer;
    fewer.dims[0] = 1;
    other.dtype = PLN_U8;
    assert_int_equal(pln_host_value_new_map(&buffer, &fewer, &got), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_host_value_new_map(&other, &buffer, &got), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_host_value_new_map(NULL, &buffer, &got), PLN_INVALID_ARGUMENT);
    /* A map has keys, nothing else has. */
    pln_network *network = pln_network_create("wrong", 17);
    pln_network_add_value_input(network, "m", PLN_VALUE_MAP, PLN_F32, PLN_DTYPE_NONE);
    pln_engine *engine;
    const struct pln_build_options options = { .struct_size = sizeof options };
    assert_int_equal(pln_build_network(network, &options, &engine), PLN_INVALID_ARGUMENT);
    pln_network_destroy(network);
    pln_host_value_destroy(x), pln_host_value_destroy(s), pln_host_value_destroy(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_sequence),
        cmocka_unit_test(test_optional),
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_maps_compared),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
