#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/graph.h"

/* A small vocabulary of the tests. */
static const char *const op_names[] = { NULL, "conv", "ew", "if", "split", "shape" };
static const char *const ew_names[] = { "add", "mul", "relu" };

static const char *op_name(unsigned op)
{
    return op < PLN_COUNT_OF(op_names) ? op_names[op] : NULL;
}

static const char *kind_name(unsigned op, unsigned kind)
{
    return op == 2 && kind < PLN_COUNT_OF(ew_names) ? ew_names[kind] : NULL;
}

static bool find(const char *name, const char *kind, unsigned *out_op, unsigned *out_kind)
{
    *out_op = *out_kind = 0;
    for (unsigned op = 1; op < PLN_COUNT_OF(op_names); op++) {
        if (strcmp(op_names[op], name) != 0) continue;
        *out_op = op;
        if (!kind) return op != 2;
        for (unsigned k = 0; k < PLN_COUNT_OF(ew_names) && op == 2; k++) {
            *out_kind = k;
            if (strcmp(ew_names[k], kind) == 0) return true;
        }
    }
    return false;
}

static const struct pln_vocabulary vocabulary = { op_name, kind_name, find };

static struct pln_graph *parse(const char *text)
{
    struct pln_diag diag;
    struct pln_graph *g;
    pln_diag_init(&diag);
    if (pln_graph_parse(text, strlen(text), &vocabulary, NULL, &diag, &g) != PLN_OK) {
        print_error("%s\n", diag.entries[0].text);
        fail();
    }
    return g;
}

static void print(struct pln_graph *g, bool full, struct pln_text *out)
{
    pln_text_init(out, NULL);
    pln_graph_print(g, &vocabulary, full, out);
    assert_false(out->failed);
}

/* Prints, parses, prints again: the same text. */
static void assert_round_trip(struct pln_graph *g)
{
    struct pln_text first, second;
    print(g, true, &first);
    struct pln_graph *again = parse(first.data);
    print(again, true, &second);
    size_t same = 0;
    while (first.data[same] && first.data[same] == second.data[same]) same++;
    size_t line = same;
    while (line && first.data[line - 1] != '\n') line--;
    if (first.data[same] || second.data[same]) print_error("%.400s\n-- and --\n%.400s\n", first.data + line, second.data + line);
    assert_int_equal(first.data[same], second.data[same]);
    pln_graph_destroy(again);
    pln_text_deinit(&first);
    pln_text_deinit(&second);
}

static const char sample[] =
    "graph \"resnet \\\"50\\\"\" {\n"
    "  meta \"author\" = \"\"\n"
    "  symbol batch [1, 512]\n"
    "  symbol past\n"
    "  symbol seq\n"
    "  symbol \"odd name\" [-9223372036854775808, 9223372036854775807]\n"
    "  origin \"Conv_0\" \"Conv\" \"\" 0\n"
    "  origin \"\" \"Relu\" \"ai.onnx\" 7\n"
    "  const w: f32[2,2] = [1.0, -0.0, #7fc00001, 0.1]\n"
    "  const empty: i64[0] = []\n"
    "  const scalar: f16[] = [65504.0]\n"
    "  const \"do\": str[2] = [\"a\\\"\\n\", \"\"] tap\n"
    "  const q: f8e4m3fn[2] = x\"7f01\"\n"
    "  const long: u8[17] = x\"000102030405060708090a0b0c0d0e0f10\"\n"
    "  state 0 1 1\n"
    "  in /x/in.1: f32[batch,3,224,past + seq]\n"
    "  in c: bool[]\n"
    "  in s: seq(map(i64,opt(f32[*]))) tap\n"
    "  y: f32[batch,(past + seq) / 2] tap = conv(/x/in.1, w, _) {alpha=0.5f, axis=-1, bytes=\"\\x00\\xff\", "
    "f=f[inf, 1.0], names=s[\"a\", \"b\"], none=[], pads=[0,1], t=t i4[3] = [-8, 7, 0]} @0,1  ; Conv_0\n"
    "  none = ew.relu(y)\n"
    "  shape: i64[2] ~[batch,past*seq + 2*\"odd name\" - 1] = shape(y)\n"
    "  z: ?[*], _ = if(c, empty, scalar, q, long) @1 do {  ; Relu\n"
    "    in i: i64[]\n"
    "    a: f32[2] = ew.add(y, y)\n"
    "    out a\n"
    "  } do {\n"
    "    b: f32[batch] = ew.mul(y, /x/in.1)\n"
    "    out b as \"other\"\n"
    "  }\n"
    "  out z as \"result\"\n"
    "  out y\n"
    "}\n";

static void round_trips_a_text(void **state)
{
    (void)state;
    struct pln_graph *g = parse(sample);
    struct pln_text text;
    print(g, true, &text);
    pln_text_deinit(&text);
    assert_round_trip(g);
    uint32_t y = pln_graph_find_value(g, "y"), q = pln_graph_find_value(g, "q");
    assert_true(pln_graph_value(g, y)->tapped);
    assert_int_equal(((const uint8_t *)pln_graph_value(g, q)->data->data)[0], 0x7f);
    const struct pln_node *conv = pln_graph_node(g, pln_graph_value(g, y)->producer);
    assert_int_equal(conv->inputs[2], PLN_NONE);
    assert_int_equal(pln_attrs_int(&conv->attrs, "axis", 0), -1);
    assert_int_equal(conv->n_origins, 2);
    assert_string_equal(g->blocks[0].output_names[0], "result");
    assert_int_equal(g->dims.symbols[0].max, 512);
    pln_graph_destroy(g);
}

static void prints_as_written(void **state)
{
    (void)state;
    static const char text[] = "graph \"g\" {\n"
                               "  symbol n\n"
                               "  origin \"Add_1\" \"Add\" \"\" 1\n"
                               "  const \"in\": f32[] = [1.5]\n"
                               "  in x: f32[n,3]\n"
                               "  y: f32[n,3] = ew.add(x, \"in\") @0  ; Add_1\n"
                               "  out y as \"sum\"\n"
                               "}\n";
    struct pln_graph *g = parse(text);
    struct pln_text out;
    print(g, false, &out);
    assert_string_equal(out.data, text);
    pln_text_deinit(&out);
    pln_graph_destroy(g);
}

static void hashes_when_not_full(void **state)
{
    (void)state;
    struct pln_graph *g = parse(sample);
    struct pln_text out;
    print(g, false, &out);
    assert_non_null(strstr(out.data, "const long: u8[17] = #"));
    struct pln_graph *again;
    assert_int_equal(pln_graph_parse(out.data, out.size_bytes, &vocabulary, NULL, NULL, &again), PLN_INVALID_ARGUMENT);
    pln_text_deinit(&out);
    pln_graph_destroy(g);
}

/* ---- weights by number ---- */

static uint32_t number_of_long(void *user, const struct pln_value *value)
{
    (void)user;
    return strcmp(value->name, "long") == 0 ? 7 : PLN_NONE;
}

static enum pln_status data_of_seven(void *user, uint32_t number, struct pln_tensor *tensor)
{
    if (number != 7 || tensor->dtype != PLN_U8 || tensor->rank != 1 || tensor->dims[0] != 17) return PLN_INVALID_ARGUMENT;
    tensor->data = user;
    return PLN_OK;
}

static void names_weights(void **state)
{
    (void)state;
    uint8_t bytes[17] = { 42 };
    const struct pln_graph_weights weights = { bytes, number_of_long, data_of_seven };
    struct pln_graph *g = parse(sample), *again;
    struct pln_text out, wrong;
    pln_text_init(&out, NULL);
    pln_graph_print_weights(g, &vocabulary, &weights, &out);
    assert_non_null(strstr(out.data, "const long: u8[17] = @7\n"));
    assert_non_null(strstr(out.data, "const w: f32[2,2] = [1.0"));
    assert_int_equal(pln_graph_parse_weights(out.data, out.size_bytes, &vocabulary, &weights, NULL, NULL, &again), PLN_OK);
    assert_ptr_equal(pln_graph_value(again, pln_graph_find_value(again, "long"))->data->data, bytes);
    assert_int_equal(again->n_states, 1);
    assert_int_equal(again->states[0].axis, 1);
    pln_graph_destroy(again);
    assert_int_equal(pln_graph_parse(out.data, out.size_bytes, &vocabulary, NULL, NULL, &again), PLN_INVALID_ARGUMENT);
    static const char *const others[] = { "= @8\n", "= @-1\n", "= @9999999999999\n", "= @x\n" };
    for (size_t i = 0; i < PLN_COUNT_OF(others); i++) {
        const char *at = strstr(out.data, "= @7\n");
        pln_text_init(&wrong, NULL);
        pln_text_append(&wrong, out.data, (size_t)(at - out.data));
        pln_text_puts(&wrong, others[i]);
        pln_text_puts(&wrong, at + 5);
        assert_int_equal(pln_graph_parse_weights(wrong.data, wrong.size_bytes, &vocabulary, &weights, NULL, NULL, &again), PLN_INVALID_ARGUMENT);
        pln_text_deinit(&wrong);
    }
    pln_text_deinit(&out);
    pln_graph_destroy(g);
}

static void refuses_states_that_are_none(void **state)
{
    (void)state;
    static const char *const states[] = { "state 1 0 0", "state 0 1 0", "state 0 0 1", "state -1 0 0", "state 0 0", "state 0 0 99" };
    for (size_t i = 0; i < PLN_COUNT_OF(states); i++) {
        char text[200];
        struct pln_graph *g;
        snprintf(text, sizeof text, "graph \"\" { %s in x: f32[2] y: f32[2] = ew.relu(x) out y }", states[i]);
        assert_int_equal(pln_graph_parse(text, strlen(text), &vocabulary, NULL, NULL, &g), PLN_INVALID_ARGUMENT);
    }
}

static uint64_t seed;
static uint32_t next_random(size_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % n);
}

static void add_random_constant(struct pln_graph *g, uint32_t *values, size_t *n)
{
    enum pln_dtype dtype = (enum pln_dtype)(1 + next_random(PLN_DTYPE_COUNT - 1));
    int64_t dims[2] = { next_random(4), next_random(9) };
    struct pln_tensor tensor;
    pln_tensor_init(&tensor, dtype, 2, dims, NULL);
    size_t size_bytes = pln_tensor_bytes(&tensor);
    uint8_t *data = pln_arena_alloc(&g->arena, size_bytes);
    if (dtype == PLN_STR) {
        for (int64_t i = 0; i < dims[0] * dims[1]; i++) ((struct pln_string *)data)[i] = (struct pln_string){ "a\0\xff", next_random(4) };
    } else {
        for (size_t i = 0; i < size_bytes; i++) data[i] = (uint8_t)next_random(256);
    }
    tensor.data = data;
    values[(*n)++] = pln_graph_add_constant(g, next_random(2) ? NULL : "const", &tensor);
}

static struct pln_dim random_dim(struct pln_graph *g, int depth)
{
    struct pln_dim d = pln_dim_const(&g->dims, next_random(9));
    for (uint32_t i = depth ? next_random(3) : 0; i > 0; i--) {
        char name[2] = { (char)('a' + next_random(6)), 0 };
        enum pln_dim_op op = (enum pln_dim_op)(PLN_DIM_ADD + next_random(PLN_DIM_LT - PLN_DIM_ADD + 1));
        d = pln_dim_binary(&g->dims, op, pln_dim_add(&g->dims, d, random_dim(g, depth - 1)), pln_dim_symbol(&g->dims, next_random(3) ? name : NULL));
        if (next_random(30) == 0) (void)!pln_dim_unify(&g->dims, d, pln_dim_symbol(&g->dims, name));
    }
    return d;
}

/* Random graphs, with expressions made in any order, unified symbols, removed nodes and all element types. */
static void round_trips_random_graphs(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        struct pln_graph *g;
        uint32_t values[64];
        size_t n = 0;
        seed = (uint64_t)round;
        assert_int_equal(pln_graph_create(NULL, 0, NULL, &g), PLN_OK);
        for (int i = 0; i < 12; i++) add_random_constant(g, values, &n);
        for (int i = 0; i < 30; i++) {
            uint32_t inputs[2] = { values[next_random(n)], next_random(8) ? values[next_random(n)] : PLN_NONE };
            uint32_t value = pln_graph_emit(g, 0, 2, next_random(3), inputs, 2);
            struct pln_dim dims[3] = { random_dim(g, 3), random_dim(g, 3), random_dim(g, 3) };
            assert_true(pln_graph_set_tensor_type(g, value, PLN_F32, (int)next_random(4), dims));
            if (next_random(6) == 0) pln_graph_remove_node(g, pln_graph_value(g, value)->producer);
            else values[n++] = value;
        }
        assert_true(pln_graph_add_block_output(g, 0, values[n - 1], "out"));
        assert_int_equal(pln_graph_verify(g, NULL), PLN_OK);
        assert_round_trip(g);
        pln_graph_destroy(g);
    }
}

static void refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "graph", "graph \"a\" {", "graph \"a\" {} x", "graph \"a\" { x: f32[] = nothing() }",
        "graph \"a\" { out x }", "graph \"a\" { x: f32[] = ew.add(x, x) }",
        "graph \"a\" { in x: f32[] in x: f32[] }", "graph \"a\" { x: f99[] = shape() }",
        "graph \"a\" { const x: f32[99999999999] = [1] }", "graph \"a\" { const x: f32[2] = [1] }",
        "graph \"a\" { const x: i8[1] = [128] }", "graph \"a\" { const x: f32[1] = x\"00\" }",
        "graph \"a\" { const x: f32[-1] = [] }", "graph \"a\" { const x: i64[4294967296,4294967296] = x\"\" }",
        "graph \"a\" { const x: c64[1] = [1] }", "graph \"a\" { const x: str[1] = x\"00\" }",
        "graph \"a\" { x: f32[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1] = shape() }",
        "graph \"a\" { in c: bool[] y: f32[] = if(c) do { z: f32[] = shape(c) out z } w: f32[] = ew.relu(z) }",
        "graph \"a\" { in c: bool[] y: f32[] = if(c) do { z: f32[] = shape(y) } }",
        "graph \"a\" { symbol a symbol a }", "graph \"a\" { in x: f32[] y: f32[] = shape(x) @0 }",
        "graph \"a\" { in x: f32[] y: f32[] = shape(x) {a=} }", "graph \"a\" { meta \"a\\x00\" = \"\" }",
    };
    for (size_t i = 0; i < PLN_COUNT_OF(bad); i++) {
        struct pln_graph *g;
        enum pln_status status = pln_graph_parse(bad[i], strlen(bad[i]), &vocabulary, NULL, NULL, &g);
        if (status != PLN_INVALID_ARGUMENT) print_error("%s: %s\n", bad[i], pln_status_text(status));
        assert_int_equal(status, PLN_INVALID_ARGUMENT);
        assert_null(g);
    }
}

/* Every beginning of a text, and every text with a byte changed, is refused or parsed, but never a crash. */
static void survives_damage(void **state)
{
    (void)state;
    char text[sizeof(sample)];
    for (size_t n = 0; n < sizeof(sample) - 1; n++) {
        struct pln_graph *g;
        (void)!pln_graph_parse(sample, n, &vocabulary, NULL, NULL, &g);
        pln_graph_destroy(g);
        seed = n;
        memcpy(text, sample, sizeof(sample));
        text[n] = (char)next_random(256);
        (void)!pln_graph_parse(text, sizeof(sample) - 1, &vocabulary, NULL, NULL, &g);
        pln_graph_destroy(g);
    }
    struct pln_text deep;
    pln_text_init(&deep, NULL);
    pln_text_puts(&deep, "graph \"a\" { in c: bool[] ");
    for (int i = 0; i < 100000; i++) pln_text_puts(&deep, "none = if(c) do {");
    struct pln_graph *g;
    assert_int_equal(pln_graph_parse(deep.data, deep.size_bytes, &vocabulary, NULL, NULL, &g), PLN_INVALID_ARGUMENT);
    pln_text_deinit(&deep);
}

/* Memory that ends after a number of allocations, and counts what is not given back. */
struct scarce {
    int left;
    int held;
};

static void *scarce_alloc(void *user, size_t size_bytes, size_t align)
{
    struct scarce *scarce = user;
    if (scarce->left-- <= 0) return NULL;
    scarce->held++;
    return aligned_alloc(align < 16 ? 16 : align, (size_bytes + 63) / 64 * 64);
}

static void scarce_release(void *user, void *memory, size_t size_bytes)
{
    (void)size_bytes;
    ((struct scarce *)user)->held--;
    free(memory);
}

static void survives_without_memory(void **state)
{
    (void)state;
    enum pln_status status = PLN_NO_MEMORY;
    for (int n = 0; n < 500 && status != PLN_OK; n++) {
        struct scarce scarce = { n, 0 };
        struct pln_allocator alloc = { &scarce, scarce_alloc, scarce_release };
        struct pln_graph *g;
        struct pln_text text;
        struct pln_diag diag;
        pln_diag_init(&diag);
        status = pln_graph_parse(sample, sizeof(sample) - 1, &vocabulary, &alloc, &diag, &g);
        if (status != PLN_OK && status != PLN_NO_MEMORY) print_error("%s\n", diag.entries[0].text);
        assert_true(status == PLN_OK || status == PLN_NO_MEMORY);
        pln_text_init(&text, &alloc);
        for (int left = 0; g && left < 20; left++) {
            scarce.left = left;
            pln_text_clear(&text);
            pln_graph_print(g, &vocabulary, true, &text);
        }
        pln_text_deinit(&text);
        pln_graph_destroy(g);
        assert_int_equal(scarce.held, 0);
    }
    assert_int_equal(status, PLN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips_a_text),        cmocka_unit_test(prints_as_written), cmocka_unit_test(hashes_when_not_full), cmocka_unit_test(names_weights), cmocka_unit_test(refuses_states_that_are_none),
        cmocka_unit_test(round_trips_random_graphs), cmocka_unit_test(refuses),           cmocka_unit_test(survives_damage),
        cmocka_unit_test(survives_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
