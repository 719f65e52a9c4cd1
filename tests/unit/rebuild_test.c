/* Plans built again from the graph inside: for another target, with bodies, states, taps, names; and graphs that were forged. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "plan_exercise.h"
#include "planish/builder.h"
#include "planish/network.h"

#define STATES_MODEL "../models/zoo/gpt2_past.dynamo/model.onnx"

static char plan_path[64];

static void add(pln_network *network, const char *op_type, const char *const *inputs, int input_count, const char *output, const struct pln_attribute *attributes, int attribute_count)
{
    pln_network_add_node(network, &(struct pln_network_node){ .op_type = op_type, .name = op_type, .inputs = inputs, .input_count = input_count, .outputs = &output, .output_count = 1,
                                                              .attributes = attributes, .attribute_count = attribute_count });
}

static pln_network *make_branch(const char *op_type)
{
    pln_network *body = pln_network_create("branch", 17);
    add(body, op_type, (const char *const[]){ "z", "z" }, 2, "r", NULL, 0);
    pln_network_add_output(body, "r", PLN_DTYPE_NONE, -1, NULL, NULL);
    return body;
}

/* v := v + step, three times. */
static pln_network *make_loop_body(void)
{
    static const int64_t dims[2] = { -1, 32 };
    pln_network *body = pln_network_create("body", 17);
    pln_network_add_input(body, "i", PLN_I64, 0, NULL, NULL);
    pln_network_add_input(body, "going", PLN_BOOL, 0, NULL, NULL);
    pln_network_add_input(body, "v", PLN_F32, 2, dims, NULL);
    add(body, "Identity", (const char *const[]){ "going" }, 1, "going_on", NULL, 0);
    add(body, "Add", (const char *const[]){ "v", "step" }, 2, "v_next", NULL, 0);
    pln_network_add_output(body, "going_on", PLN_DTYPE_NONE, -1, NULL, NULL);
    pln_network_add_output(body, "v_next", PLN_DTYPE_NONE, -1, NULL, NULL);
    return body;
}

/* z = x · w; y = if c: z + z else z * z; total = z + 3 · step; same = z, as an output of its own */
static pln_network *make_network(void)
{
    static float w[4 * 32], step[32];
    static const int64_t w_dims[2] = { 4, 32 }, step_dims[1] = { 32 }, x_dims[2] = { -1, 4 }, three = 3;
    static const char *const names[2] = { "batch", NULL };
    for (int i = 0; i < 4 * 32; i++) w[i] = (float)(i % 13) - 6;
    for (int i = 0; i < 32; i++) step[i] = (float)i / 4;
    pln_network *network = pln_network_create("everything", 17), *then = make_branch("Add"), *other = make_branch("Mul"), *body = make_loop_body();
    pln_network_add_input(network, "c", PLN_BOOL, 0, NULL, NULL);
    pln_network_add_input(network, "x", PLN_F32, 2, x_dims, names);
    pln_network_add_weights(network, "w", PLN_F32, 2, w_dims, w);
    pln_network_add_weights(network, "step", PLN_F32, 1, step_dims, step);
    pln_network_add_weights(network, "three", PLN_I64, 0, NULL, &three);
    add(network, "MatMul", (const char *const[]){ "x", "w" }, 2, "z", NULL, 0);
    const struct pln_attribute branches[2] = { { .name = "then_branch", .kind = PLN_ATTRIBUTE_BODY, .body = then }, { .name = "else_branch", .kind = PLN_ATTRIBUTE_BODY, .body = other } };
    add(network, "If", (const char *const[]){ "c" }, 1, "y", branches, 2);
    const struct pln_attribute loop = { .name = "body", .kind = PLN_ATTRIBUTE_BODY, .body = body };
    add(network, "Loop", (const char *const[]){ "three", "", "z" }, 3, "total", &loop, 1);
    add(network, "Identity", (const char *const[]){ "z" }, 1, "same", NULL, 0);
    pln_network_add_output(network, "y", PLN_DTYPE_NONE, -1, NULL, NULL);
    pln_network_add_output(network, "total", PLN_DTYPE_NONE, -1, NULL, NULL);
    pln_network_add_output(network, "same", PLN_DTYPE_NONE, -1, NULL, NULL);
    pln_network_destroy(then);
    pln_network_destroy(other);
    pln_network_destroy(body);
    return network;
}

static pln_engine *build(int no_rebuild)
{
    static const char *const taps[] = { "z", NULL };
    const struct pln_build_options options = { .struct_size = sizeof options, .taps = taps, .no_rebuild = no_rebuild };
    pln_network *network = make_network();
    pln_engine *engine = NULL;
    assert_int_equal(pln_build_network(network, &options, &engine), PLN_OK);
    pln_network_destroy(network);
    assert_int_equal(pln_engine_save(engine, plan_path, NULL), PLN_OK);
    return engine;
}

static enum pln_status build_again(const char *target, const char *device, pln_engine **out_engine, char text[1200])
{
    struct pln_message message;
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    const struct pln_build_options options = { .struct_size = sizeof options, .diagnostics = diagnostics, .target = target, .device = device };
    enum pln_status status = pln_build_plan_file(plan_path, &options, out_engine);
    text[0] = '\0';
    if (pln_diagnostics_get(diagnostics, 0, &message) == PLN_OK) snprintf(text, 1200, "%s", message.text);
    pln_diagnostics_destroy(diagnostics);
    return status;
}

struct seen {
    int taps;
    float first;
};

static void count_tap(void *user, const char *name, const struct pln_buffer *value)
{
    struct seen *seen = user;
    if (strcmp(name, "z") != 0) return;
    seen->taps++;
    seen->first = ((const float *)value->data)[0];
}

static void check_run(pln_engine *engine, uint8_t condition)
{
    float x[3 * 4];
    struct seen seen = { 0 };
    pln_context *context;
    struct pln_buffer c = { .dtype = PLN_BOOL, .data = &condition, .size_bytes = 1 }, in = { .dtype = PLN_F32, .rank = 2, .dims = { 3, 4 }, .data = x, .size_bytes = sizeof x }, y, total, same;
    for (int i = 0; i < 12; i++) x[i] = (float)(i % 5) - 2;
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    pln_context_set_tap(context, count_tap, &seen);
    assert_int_equal(pln_context_bind_input(context, "c", &c), PLN_OK);
    assert_int_equal(pln_context_bind_input(context, "x", &in), PLN_OK);
    assert_int_equal(pln_context_run(context), PLN_OK);
    assert_int_equal(pln_context_output(context, "y", &y), PLN_OK);
    assert_int_equal(pln_context_output(context, "total", &total), PLN_OK);
    assert_int_equal(pln_context_output(context, "same", &same), PLN_OK);
    for (int i = 0; i < 3 * 32; i++) {
        float z = 0;
        for (int k = 0; k < 4; k++) z += x[i / 32 * 4 + k] * (float)((k * 32 + i % 32) % 13 - 6);
        assert_float_equal(((const float *)same.data)[i], z, 1e-5);
        assert_float_equal(((const float *)y.data)[i], condition ? z + z : z * z, 1e-4);
        assert_float_equal(((const float *)total.data)[i], z + 3 * (float)(i % 32) / 4, 1e-4);
        if (i == 0) assert_float_equal(seen.first, z, 1e-5);
    }
    assert_true(seen.taps > 0);
    pln_context_destroy(context);
}

static void everything_survives(void **state)
{
    (void)state;
    static const char *const targets[] = { NULL, "portable", "x86-64-v2", NULL }, *const devices[] = { NULL, NULL, NULL, "ref" };
    pln_engine *built = build(0), *again;
    char text[1200];
    for (uint8_t c = 0; c < 2; c++) check_run(built, c);
    for (size_t i = 0; i < PLN_COUNT_OF(targets); i++) {
        enum pln_status status = build_again(targets[i], devices[i], &again, text);
#if !defined(__x86_64__)
        if (status == PLN_INCOMPATIBLE) continue;
#endif
        if (status != PLN_OK) print_error("%s\n", text);
        assert_int_equal(status, PLN_OK);
        for (uint8_t c = 0; c < 2; c++) check_run(again, c);
        struct pln_engine_summary a, b;
        pln_engine_summarize(built, &a);
        pln_engine_summarize(again, &b);
        assert_string_equal(a.name, b.name);
        assert_int_equal(a.onnx_nodes, b.onnx_nodes);
        for (int k = 0; pln_engine_metadata_key(built, k); k++) {
            const char *key = pln_engine_metadata_key(built, k);
            assert_string_equal(key, pln_engine_metadata_key(again, k));
            assert_string_equal(pln_engine_metadata(built, key), pln_engine_metadata(again, key));
        }
        pln_engine_release(again);
    }
    pln_engine_release(built);
    unlink(plan_path);
}

static void a_plan_may_keep_no_graph(void **state)
{
    (void)state;
    char text[1200];
    pln_engine *again, *built = build(1);
    assert_int_equal(build_again(NULL, NULL, &again, text), PLN_NOT_FOUND);
    assert_non_null(strstr(text, "no graph"));
    assert_null(again);
    unlink(plan_path);
    assert_int_equal(build_again(NULL, NULL, &again, text), PLN_IO);
    assert_int_equal(pln_build_plan_file(NULL, NULL, &again), PLN_INVALID_ARGUMENT);
    pln_engine_release(built);
}

/* b = a + a, of 64 bits in the plan. */
static void integers_become_narrow(void **state)
{
    (void)state;
    static const int64_t dims[1] = { -1 };
    pln_network *network = pln_network_create("wide", 17);
    pln_network_add_input(network, "a", PLN_I64, 1, dims, NULL);
    add(network, "Add", (const char *const[]){ "a", "a" }, 2, "b", NULL, 0);
    pln_network_add_output(network, "b", PLN_DTYPE_NONE, -1, NULL, NULL);
    pln_engine *built = NULL, *again = NULL;
    pln_context *context;
    struct pln_tensor_info info;
    int32_t a[3] = { 1, -2, INT32_MIN / 2 };
    struct pln_buffer in = { .dtype = PLN_I32, .rank = 1, .dims = { 3 }, .data = a, .size_bytes = sizeof a }, out;
    size_t size_bytes;
    assert_int_equal(pln_build_network(network, NULL, &built), PLN_OK);
    pln_network_destroy(network);
    const struct pln_build_options options = { .struct_size = sizeof options, .int32_io = 1 };
    const char *plan = pln_engine_plan(built, &size_bytes);
    assert_int_equal(pln_build_plan_memory(plan, size_bytes, &options, &again), PLN_OK);
    pln_engine_release(built); /* whose bytes nobody needs any more */
    assert_int_equal(pln_engine_input(again, 0, &info), PLN_OK);
    assert_int_equal(info.dtype, PLN_I32);
    assert_string_equal(info.name, "a");
    assert_int_equal(pln_engine_output(again, 0, &info), PLN_OK);
    assert_int_equal(info.dtype, PLN_I32);
    assert_string_equal(info.name, "b");
    assert_int_equal(pln_context_create(again, NULL, &context), PLN_OK);
    assert_int_equal(pln_context_bind_input(context, "a", &in), PLN_OK);
    assert_int_equal(pln_context_run(context), PLN_OK);
    assert_int_equal(pln_context_output(context, "b", &out), PLN_OK);
    for (int i = 0; i < 3; i++) assert_int_equal(((const int32_t *)out.data)[i], 2 * a[i]);
    pln_context_destroy(context);
    assert_int_equal(pln_build_plan_memory(NULL, 0, &options, &built), PLN_INVALID_ARGUMENT);
    _Alignas(64) static const char none[128] = "no plan";
    assert_int_equal(pln_build_plan_memory(none + 1, 100, &options, &built), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_build_plan_memory(none, sizeof none, &options, &built), PLN_BAD_PLAN);
    assert_null(built);
    pln_engine_release(again);
}

static void states_survive(void **state)
{
    (void)state;
    pln_engine *built, *again;
    pln_state_store *store;
    char text[1200];
    assert_int_equal(pln_build_file(STATES_MODEL, NULL, &built), PLN_OK);
    assert_int_equal(pln_engine_save(built, plan_path, NULL), PLN_OK);
    assert_int_equal(build_again("portable", NULL, &again, text), PLN_OK);
    const struct pln_state_options options = { .struct_size = sizeof options, .capacity = 16 };
    assert_int_equal(pln_state_store_create(again, &options, NULL, &store), PLN_OK);
    pln_state_store_destroy(store);
    for (int i = 0; i < pln_engine_output_count(built); i++) {
        struct pln_tensor_info a, b;
        assert_int_equal(pln_engine_output(built, i, &a), PLN_OK);
        assert_int_equal(pln_engine_output(again, i, &b), PLN_OK);
        assert_string_equal(a.name, b.name);
    }
    pln_engine_release(built);
    pln_engine_release(again);
    unlink(plan_path);
}

/* ---- hostile graphs ---- */

static void write_plan(const void *data, size_t size_bytes)
{
    FILE *file = fopen(plan_path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size_bytes, file), size_bytes);
    fclose(file);
}

static uint64_t next_random(uint64_t *random)
{
    *random ^= *random << 13, *random ^= *random >> 7, *random ^= *random << 17; /* Marsaglia's xorshift64 */
    return *random >> 16;
}

/* Words of the text are put in the place of others, digits are changed, lines are lost; the size stays. */
static void forge(char *text, size_t n, uint64_t *random)
{
    static const char likely[] = "0123456789-@,[]() _.";
    size_t at = next_random(random) % n, from = next_random(random) % n, length = 1 + next_random(random) % 12;
    switch (next_random(random) % 4) {
    case 0: text[at] = likely[next_random(random) % (sizeof likely - 1)]; break;
    case 1:
        for (; at < n && (text[at] < '0' || text[at] > '9'); at++) {}
        if (at < n) text[at] = (char)('0' + next_random(random) % 10);
        break;
    case 2:
        if (at + length <= n && from + length <= n) memmove(text + at, text + from, length);
        break;
    default:
        for (; at > 0 && text[at - 1] != '\n'; at--) {}
        for (; at < n && text[at] != '\n'; at++) text[at] = ' ';
    }
}

static bool is_clean(enum pln_status status)
{
    return status == PLN_OK || status == PLN_BAD_PLAN || status == PLN_INCOMPATIBLE || status == PLN_NO_MEMORY || status == PLN_DEVICE || status == PLN_NOT_FOUND;
}

static void forged_graphs_are_refused_or_run(void **state)
{
    (void)state;
    const char *rounds = getenv("PLN_TEST_ROUNDS"), *seed = getenv("PLN_TEST_SEED");
    long n_rounds = rounds ? atol(rounds) : 1500, accepted = 0;
    uint64_t random = seed ? strtoull(seed, NULL, 10) : 88172645463325252ull;
    struct pln_plan_header header;
    struct pln_plan_section graph = { 0 };
    struct pln_file_map map;
    const char *model = getenv("PLN_TEST_PLAN"); /* another plan than this file's own */
    pln_engine *built = model ? NULL : build(0), *engine;
    assert_int_equal(pln_file_map(model ? model : plan_path, NULL, &map), PLN_OK);
    memcpy(&header, map.data, sizeof header);
    for (uint32_t i = 0; i < header.n_sections && graph.id != PLN_PLAN_GRAPH; i++) memcpy(&graph, map.data + sizeof header + i * sizeof graph, sizeof graph);
    assert_int_equal(graph.id, PLN_PLAN_GRAPH);
    uint8_t *plan = malloc(map.size_bytes), *sound = malloc(map.size_bytes);
    assert_true(plan && sound);
    memcpy(sound, map.data, map.size_bytes); /* the file will be written to */
    for (long round = 0; round < n_rounds; round++) {
        char text[1200];
        memcpy(plan, sound, map.size_bytes);
        for (long k = 0; k < 1 + round % 3; k++) forge((char *)plan + graph.offset, (size_t)graph.size_bytes, &random);
        if (round % 16 == 15) plan[sizeof header + next_random(&random) % (size_t)(header.metadata_bytes - sizeof header)] ^= (uint8_t)(1u << next_random(&random) % 8);
        plan_mend(plan, map.size_bytes);
        write_plan(plan, map.size_bytes);
        enum pln_status status = build_again(NULL, NULL, &engine, text);
        if (!is_clean(status)) print_error("round %ld: %d: %s\n", round, (int)status, text);
        assert_true(is_clean(status));
        if (status != PLN_OK) continue;
        accepted++;
        plan_run(engine);
        pln_engine_release(engine);
    }
    print_message("%ld of %ld forged graphs were built and run\n", accepted, n_rounds);
    free(plan);
    free(sound);
    pln_file_unmap(&map);
    pln_engine_release(built);
    unlink(plan_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_survives),
        cmocka_unit_test(a_plan_may_keep_no_graph),
        cmocka_unit_test(integers_become_narrow),
        cmocka_unit_test(states_survive),
        cmocka_unit_test(forged_graphs_are_refused_or_run),
    };
    snprintf(plan_path, sizeof plan_path, "rebuild-test-%d.plan", (int)getpid());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
