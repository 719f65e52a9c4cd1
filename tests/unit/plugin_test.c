#define _GNU_SOURCE
/* Custom operators: shapes known, dynamic and data-dependent; attributes; strings; bodies; plans; versions; threads. */
#include "plugin_ops.h"

static bool has_passes(void)
{
    return strcmp(device, "ref") != 0;
}

static void test_known_shape(void **state)
{
    (void)state;
    float x[3] = { 1, -2, 3 };
    pln_plugins *plugins = make_plugins(NULL);
    pln_network *network = begin_network(3);
    put_scale(network, "Scale", "x", "a", 2);
    put(network, ".Add", "a x", "y", NULL, 0);
    put_output(network, "y");
    pln_engine *engine = build(network, plugins, PLN_OK, NULL);
    pln_plugins_release(plugins); /* the engine holds it */
    pln_context *context;
    struct pln_tensor_info info;
    assert_int_equal(pln_engine_output(engine, 0, &info), PLN_OK);
    assert_int_equal(info.dtype, PLN_F32);
    assert_int_equal(info.dims[0], 3);
    struct pln_step_info step = { .op = "" };
    for (int i = 0; strcmp(step.op, "t:Scale") != 0; i++) assert_int_equal(pln_engine_step(engine, i, &step), PLN_OK);
    assert_string_equal(step.kernel, "plugin");
    assert_string_equal(step.name, "the_Scale");
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    must_run(context, x, 3);
    expect_floats(context, "y", (const float[]){ 3, -6, 9 }, 3);
    pln_context_destroy(context);
    pln_engine_release(engine);
}

/* A dim that is copied is the same dim: the Add behind it needs no second thought, and the shape is known before the run. */
static void test_dynamic_shape(void **state)
{
    (void)state;
    float x[5] = { 1, 2, 3, 4, 5 };
    pln_plugins *plugins = make_plugins(NULL);
    pln_network *network = begin_network(-1);
    put_scale(network, "Scale", "x", "a", 2);
    put(network, ".Add", "a x", "y", NULL, 0);
    put_output(network, "y");
    pln_engine *engine = build(network, plugins, PLN_OK, NULL);
    pln_context *context;
    struct pln_tensor_info info;
    int rank;
    int64_t dims[PLN_MAX_RANK];
    assert_int_equal(pln_engine_output(engine, 0, &info), PLN_OK);
    assert_string_equal(info.dim_names[0], "n");
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    struct pln_buffer buffer = vector(x, 4);
    assert_int_equal(pln_context_bind_input(context, "x", &buffer), PLN_OK);
    if (has_passes()) {
        assert_int_equal(pln_context_output_shape(context, "y", &rank, dims), PLN_OK);
        assert_int_equal(dims[0], 4);
    }
    for (int64_t n = 0; n <= 5; n++) {
        must_run(context, x, n);
        expect_floats(context, "y", (const float[]){ 3, 6, 9, 12, 15 }, n);
    }
    struct pln_context_stats before, after;
    must_run(context, x, 5);
    pln_context_get_stats(context, &before);
    must_run(context, x, 5);
    pln_context_get_stats(context, &after);
    if (strcmp(device, "mock") != 0) assert_int_equal(after.allocator_calls, before.allocator_calls);
    pln_context_destroy(context);
    pln_engine_release(engine);
    pln_plugins_release(plugins);
}

/* Computed from a dim that is not known: the run tells, and what comes behind works with it. So where nothing is said at all. */
static void test_shapes_of_the_run(void **state)
{
    (void)state;
    static const int64_t two[1] = { 2 }, dims[2] = { 2, 3 };
    float x[4] = { -1, 2, 3, -4 };
    pln_plugins *plugins = make_plugins(NULL);
    pln_network *network = begin_network(-1);
    pln_network_add_weights(network, "dims", PLN_I64, 1, two, dims);
    put(network, "Twice", "x", "xx", NULL, 0);
    put(network, "Keep", "xx", "k i", NULL, 0);
    put(network, ".Neg", "k", "y", NULL, 0);
    put(network, ".ReduceSum", "y", "s", &(struct pln_attribute){ .name = "keepdims", .kind = PLN_ATTRIBUTE_INT }, 1);
    put(network, "Fill", "s dims", "z", NULL, 0);
    put_output(network, "y");
    put_output(network, "i");
    pln_network_add_output(network, "z", PLN_F32, 2, (const int64_t[]){ -1, -1 }, NULL);
    pln_engine *engine = build(network, plugins, PLN_OK, NULL);
    pln_context *context;
    struct pln_buffer i;
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    must_run(context, x, 4);
    expect_floats(context, "y", (const float[]){ -2, -3, -2, -3 }, 4);
    expect_floats(context, "z", (const float[]){ -10, -10, -10, -10, -10, -10 }, 6);
    assert_int_equal(pln_context_output(context, "i", &i), PLN_OK);
    assert_memory_equal(i.data, ((const int64_t[]){ 1, 2, 5, 6 }), 4 * sizeof(int64_t));
    must_run(context, x, 1); /* nothing is kept */
    expect_floats(context, "y", NULL, 0);
    pln_context_destroy(context);
    pln_engine_release(engine);
    pln_plugins_release(plugins);
}

/* Nobody says anything about the type or rank of a result: what comes behind finds out when it runs. */
static void test_nothing_known(void **state)
{
    (void)state;
    static const int64_t two[1] = { 2 }, dims[2] = { 1, 3 };
    float x[2] = { 5, 6 };
    pln_plugins *plugins = make_plugins(NULL);
    pln_network *network = begin_network(2);
    pln_network_add_weights(network, "dims", PLN_I64, 1, two, dims);
    put(network, "Fill", "x dims", "f", NULL, 0);
    put_scale(network, "Scale", "f", "g", 2);
    put(network, ".Neg", "g", "y", NULL, 0);
    put_output(network, "f");
    put_output(network, "y");
    pln_engine *engine = build(network, plugins, PLN_OK, NULL);
    pln_context *context;
    struct pln_tensor_info info;
    assert_int_equal(pln_engine_output(engine, 0, &info), PLN_OK);
    assert_true(info.rank == -1 && info.dtype == PLN_DTYPE_NONE);
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    must_run(context, x, 2);
    expect_floats(context, "f", (const float[]){ 5, 5, 5 }, 3);
    expect_floats(context, "y", (const float[]){ -10, -10, -10 }, 3);
    pln_context_destroy(context);
    pln_engine_release(engine);
    pln_plugins_release(plugins);
}

/* Shapes made of an input's elements: known in the build where they are constants, else in the run. */
static void test_shapes_of_elements(void **state)
{
    (void)state;
    static const int64_t two[1] = { 2 }, dims[2] = { 2, 3 };
    float x[4] = { 7, 8, 9, 10 };
    pln_plugins *plugins = make_plugins(NULL);
    pln_network *network = begin_network(-1);
    pln_network_add_weights(network, "dims", PLN_I64, 1, two, dims);
    put(network, "Full", "x dims", "y", NULL, 0);
    put(network, ".Shape", "x", "n", NULL, 0);
    put(network, ".Concat", "n n", "nn", &(struct pln_attribute){ .name = "axis", .kind = PLN_ATTRIBUTE_INT }, 1);
    put(network, "Full", "x nn", "z", NULL, 0);
    put_output(network, "y");
    put_output(network, "z");
    pln_engine *engine = build(network, plugins, PLN_OK, NULL);
    pln_context *context;
    struct pln_tensor_info info;
    assert_int_equal(pln_engine_output(engine, 0, &info), PLN_OK);
    assert_true(info.rank == 2 && info.dims[0] == 2 && info.dims[1] == 3);
    assert_int_equal(pln_engine_output(engine, 1, &info), PLN_OK);
    assert_true(info.rank == 2 && info.dims[0] == -1 && info.dims[1] == -1);
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    must_run(context, x, 2);
    expect_floats(context, "y", (const float[]){ 7, 7, 7, 7, 7, 7 }, 6);
    expect_floats(context, "z", (const float[]){ 7, 7, 7, 7 }, 4);
    must_run(context, x, 1);
    expect_floats(context, "z", (const float[]){ 7 }, 1);
    pln_context_destroy(context);
    pln_engine_release(engine);
    pln_plugins_release(plugins);
}

/* ---- attributes ---- */

static enum pln_status look(struct pln_plugin_call *call)
{
    static const char *const names[] = { "a float", "axis", "epilogue", "f", "ints", "none", "program", "strings", "t", "text" };
    const struct pln_plugin_attribute *strings = pln_plugin_find(call, "strings"), *tensor = pln_plugin_find(call, "t"), *ints = pln_plugin_find(call, "ints"), *floats = pln_plugin_find(call, "f"),
                                      *text = pln_plugin_find(call, "text");
    bool good = call->attribute_count == (int)(sizeof names / sizeof *names);
    for (int i = 0; good && i < call->attribute_count; i++) good = strcmp(call->attributes[i].name, names[i]) == 0;
    good = good && pln_plugin_int(call, "axis", 0) == -7 && pln_plugin_float(call, "a float", 0) == 0.5f && pln_plugin_int(call, "a float", 3) == 3 && !pln_plugin_find(call, "domain");
    good = good && ints->kind == PLN_ATTRIBUTE_INTS && ints->count == 2 && ints->ints[1] == INT64_MIN && floats->kind == PLN_ATTRIBUTE_FLOATS && floats->count == 3 && floats->floats[2] == 3;
    good = good && text->kind == PLN_ATTRIBUTE_STRING && text->s.size_bytes == 5 && strcmp(text->s.data, "hello") == 0;
    good = good && strings->kind == PLN_ATTRIBUTE_STRINGS && strings->count == 2 && strcmp(strings->strings[1].data, "two") == 0;
    good = good && tensor->kind == PLN_ATTRIBUTE_TENSOR && tensor->tensor->dtype == PLN_I16 && tensor->tensor->rank == 2 && tensor->tensor->dims[1] == 3 && ((const int16_t *)tensor->tensor->data)[5] == 6;
    good = good && pln_plugin_find(call, "none")->count == 0 && strcmp(call->domain, "t") == 0 && strcmp(call->name, "Look") == 0 && call->version == 2 && strcmp(call->node, "the_Look") == 0;
    if (!good) return (call->fail)(call, PLN_INTERNAL, "the attributes are not as they were");
    if (call->outputs[0].data) memcpy(call->outputs[0].data, call->inputs[0].data, call->inputs[0].size_bytes);
    else call->outputs[0] = call->inputs[0];
    return PLN_OK;
}

/* Every kind, under names that are used inside, too; in a build, in a plan, and in a graph that is built again from a plan. */
static void test_attributes(void **state)
{
    (void)state;
    static const int64_t ints[2] = { 1, INT64_MIN };
    static const float floats[3] = { 1, 2, 3 };
    static const char *const strings[2] = { "one", "two" };
    static int16_t numbers[21] = { 1, 2, 3, 4, 5, 6 };
    const struct pln_buffer tensor = { .dtype = PLN_I16, .rank = 2, .dims = { 7, 3 }, .data = numbers, .size_bytes = sizeof numbers };
    const struct pln_attribute attributes[] = {
        { .name = "text", .kind = PLN_ATTRIBUTE_STRING, .s = "hello" },
        { .name = "program", .kind = PLN_ATTRIBUTE_STRING, .s = "no row program" },
        { .name = "epilogue", .kind = PLN_ATTRIBUTE_INT, .i = 1 },
        { .name = "axis", .kind = PLN_ATTRIBUTE_INT, .i = -7 },
        { .name = "a float", .kind = PLN_ATTRIBUTE_FLOAT, .f = 0.5f },
        { .name = "ints", .kind = PLN_ATTRIBUTE_INTS, .ints = ints, .count = 2 },
        { .name = "none", .kind = PLN_ATTRIBUTE_INTS, .ints = ints, .count = 0 },
        { .name = "f", .kind = PLN_ATTRIBUTE_FLOATS, .floats = floats, .count = 3 },
        { .name = "strings", .kind = PLN_ATTRIBUTE_STRINGS, .strings = strings, .count = 2 },
        { .name = "t", .kind = PLN_ATTRIBUTE_TENSOR, .tensor = &tensor },
    };
    float x[2] = { 5, 6 };
    char path[] = "/tmp/planish_plugin_XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    pln_plugins *plugins = make_plugins(NULL);
    add(plugins, plugin_of("Look", look, look));
    pln_network *network = begin_network(-1);
    put(network, "Look", "x", "y", attributes, (int)(sizeof attributes / sizeof *attributes));
    put_output(network, "y");
    pln_engine *engines[3] = { build(network, plugins, PLN_OK, NULL) };
    assert_int_equal(pln_engine_save(engines[0], path, NULL), PLN_OK);
    const struct pln_engine_options load = { .struct_size = sizeof load, .plugins = plugins };
    const struct pln_build_options again = { .struct_size = sizeof again, .plugins = plugins };
    assert_int_equal(pln_engine_load_file(path, &load, &engines[1]), PLN_OK);
    assert_int_equal(pln_build_plan_file(path, &again, &engines[2]), PLN_OK);
    for (int i = 0; i < 3; i++) {
        pln_context *context;
        assert_int_equal(pln_context_create(engines[i], NULL, &context), PLN_OK);
        must_run(context, x, 2);
        expect_floats(context, "y", x, 2);
        pln_context_destroy(context);
        pln_engine_release(engines[i]);
    }
    pln_plugins_release(plugins);
    remove(path);
}

/* ---- strings, inputs left out, parallel work, bodies ---- */

static void test_strings(void **state)
{
    (void)state;
    static const int64_t two[1] = { 2 };
    struct pln_string data[2] = { { "a", 1 }, { "", 0 } };
    pln_plugins *plugins = make_plugins(NULL);
    pln_network *network = pln_network_create("strings", 17);
    pln_network_use_domain(network, "t", 2);
    pln_network_add_input(network, "x", PLN_STR, 1, two, NULL);
    put(network, "Tag", "x", "a", NULL, 0);
    put(network, "Tag", "a", "y", NULL, 0);
    put_output(network, "y");
    pln_engine *engine = build(network, plugins, PLN_OK, NULL);
    pln_context *context;
    struct pln_buffer y, x = { .dtype = PLN_STR, .rank = 1, .dims = { 2 }, .data = data, .size_bytes = sizeof data };
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    assert_int_equal(pln_context_bind_input(context, "x", &x), PLN_OK);
    assert_int_equal(pln_context_run(context), PLN_OK);
    assert_int_equal(pln_context_output(context, "y", &y), PLN_OK);
    const struct pln_string *got = y.data;
    assert_int_equal(got[0].size_bytes, 17);
    assert_memory_equal(got[0].data, "a@the_Tag@the_Tag", 17);
    assert_memory_equal(got[1].data, "@the_Tag@the_Tag", 16);
    pln_context_destroy(context);
    pln_engine_release(engine);
    pln_plugins_release(plugins);
}

static void test_any_inputs(void **state)
{
    (void)state;
    static float x[5000], want[5000];
    for (int i = 0; i < 5000; i++) want[i] = 3 * (x[i] = (float)(i % 100));
    pln_plugins *plugins = make_plugins(NULL);
    pln_network *network = begin_network(-1);
    put(network, "Sum", "x - x x -", "y", NULL, 0);
    put_output(network, "y");
    pln_engine *engine = build(network, plugins, PLN_OK, NULL);
    pln_context *context;
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    must_run(context, x, 5000);
    expect_floats(context, "y", want, 5000);
    pln_context_destroy(context);
    pln_engine_release(engine);
    pln_plugins_release(plugins);
}

/* In a loop's body, where the extents of what is carried are open, behind one whose shape only the run knows. */
static void test_bodies(void **state)
{
    (void)state;
    static const int64_t none[1] = { 0 };
    static const int64_t three = 3;
    static const bool yes = true;
    float x[3] = { 1, -1, 2 };
    pln_plugins *plugins = make_plugins(NULL);
    pln_network *body = pln_network_create("body", 17), *network = begin_network(-1);
    pln_network_use_domain(body, "t", 2);
    pln_network_add_input(body, "i", PLN_I64, 0, none, NULL);
    pln_network_add_input(body, "go", PLN_BOOL, 0, none, NULL);
    pln_network_add_input(body, "v", PLN_F32, 1, (const int64_t[]){ -1 }, NULL);
    put(body, ".Identity", "go", "on", NULL, 0);
    put_scale(body, "Count", "v", "a", 2);
    put(body, "Twice", "a", "w", NULL, 0);
    put_output(body, "on");
    put_output(body, "w");
    pln_network_add_weights(network, "m", PLN_I64, 0, none, &three);
    pln_network_add_weights(network, "c", PLN_BOOL, 0, none, &yes);
    put(network, "Keep", "x", "k", NULL, 0);
    put(network, ".Loop", "m c k", "y", &(struct pln_attribute){ .name = "body", .kind = PLN_ATTRIBUTE_BODY, .body = body }, 1);
    put_output(network, "y");
    pln_engine *engine = build(network, plugins, PLN_OK, NULL);
    pln_context *context;
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    calls = 0;
    must_run(context, x, 3);
    assert_int_equal(calls, 7);
    expect_floats(context, "y", (const float[]){ 8, 16, 8, 16, 8, 16, 8, 16, 8, 16, 8, 16, 8, 16, 8, 16 }, 16);
    pln_context_destroy(context);
    pln_engine_release(engine);
    pln_network_destroy(body);
    pln_plugins_release(plugins);
}

/* Where a device stores floats in 16 bits, an operator still sees the type that the model has. */
static void test_half(void **state)
{
    (void)state;
    static const int64_t two[2] = { 2, 2 };
    static const float w[4] = { 0, 1, 1, 0 };
    float x[2] = { 1, 2 };
    pln_plugins *plugins = make_plugins(NULL);
    pln_network *network = begin_network(2);
    pln_network_add_weights(network, "w", PLN_F32, 2, two, w);
    put(network, ".MatMul", "x w", "a", NULL, 0);
    put_scale(network, "Scale", "a", "b", 4);
    put(network, ".MatMul", "b w", "y", NULL, 0);
    put_output(network, "y");
    pln_engine *engine = NULL;
    pln_context *context;
    const struct pln_build_options options = { .struct_size = sizeof options, .device = device, .plugins = plugins, .half = PLN_F16 };
    assert_int_equal(pln_build_network(network, &options, &engine), PLN_OK);
    pln_network_destroy(network);
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    must_run(context, x, 2);
    expect_floats(context, "y", (const float[]){ 4, 8 }, 2);
    pln_context_destroy(context);
    pln_engine_release(engine);
    pln_plugins_release(plugins);
}

/* ---- what may be done without a call ---- */

static int calls_of(const char *op, bool constant, float want)
{
    static const int64_t two[1] = { 2 };
    static const float w[2] = { 1, 2 };
    float x[2] = { 1, 2 };
    pln_plugins *plugins = make_plugins(NULL);
    pln_network *network = begin_network(2);
    pln_network_add_weights(network, "w", PLN_F32, 1, two, w);
    put_scale(network, op, constant ? "w" : "x", "a", 3);
    put_scale(network, op, constant ? "w" : "x", "b", 3);
    put_scale(network, op, constant ? "w" : "x", "nobody", 3);
    put(network, ".Add", "a b", "c", NULL, 0);
    put(network, ".Add", "c x", "y", NULL, 0);
    put_output(network, "y");
    pln_engine *engine = build(network, plugins, PLN_OK, NULL);
    pln_context *context;
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    must_run(context, x, 2);
    calls = 0;
    must_run(context, x, 2);
    expect_floats(context, "y", (const float[]){ want, 2 * want }, 2);
    pln_context_destroy(context);
    pln_engine_release(engine);
    pln_plugins_release(plugins);
    return calls;
}

static void test_purity(void **state)
{
    (void)state;
    if (!has_passes()) return;
    assert_int_equal(calls_of("Count", false, 7), 2);
    assert_int_equal(calls_of("Count", true, 7), 2);
    assert_int_equal(calls_of("Scale", false, 7), 1);
    assert_int_equal(calls_of("Scale", true, 7), 0);
}

/* ---- versions, and who holds what ---- */

static void count_release(void *user)
{
    ++*(int *)user;
}

static float run_version(pln_plugins *plugins, int version)
{
    float x[1] = { 1 };
    struct pln_buffer y;
    pln_network *network = begin_network(1);
    pln_network_use_domain(network, "v", version);
    static const char *const in[1] = { "x" }, *const out[1] = { "y" };
    pln_network_add_node(network, &(struct pln_network_node){ .op_type = "Old", .domain = "v", .inputs = in, .input_count = 1, .outputs = out, .output_count = 1 });
    put_output(network, "y");
    pln_engine *engine = build(network, plugins, PLN_OK, NULL);
    pln_context *context;
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    must_run(context, x, 1);
    assert_int_equal(pln_context_output(context, "y", &y), PLN_OK);
    float got = *(const float *)y.data;
    pln_context_destroy(context);
    pln_engine_release(engine);
    return got;
}

static void test_versions(void **state)
{
    (void)state;
    static float factors[3] = { 10, 20, 30 };
    static const int since[3] = { 0, 7, 3 };
    pln_plugins *plugins = pln_plugins_create(NULL);
    for (int i = 0; i < 3; i++) {
        struct pln_plugin own = plugin_of("Old", scale, scale_shape);
        own.domain = "v";
        own.since_version = since[i];
        own.user = &factors[i];
        add(plugins, own);
    }
    assert_true(run_version(plugins, 1) == 10 && run_version(plugins, 2) == 10);
    assert_true(run_version(plugins, 3) == 30 && run_version(plugins, 6) == 30);
    assert_true(run_version(plugins, 7) == 20 && run_version(plugins, 100) == 20);
    assert_int_equal(pln_plugins_get(plugins, 2)->since_version, 7);
    assert_null(pln_plugins_get(plugins, 3));
    assert_null(pln_plugins_get(plugins, -1));
    pln_plugins_release(plugins);
}

static void test_lifetime(void **state)
{
    (void)state;
    float x[1] = { 1 };
    int released = 0;
    pln_plugins *plugins = pln_plugins_create(NULL);
    struct pln_plugin own = plugin_of("Own", fill, scale_shape);
    own.user = &released;
    own.release = count_release;
    add(plugins, own);
    add(plugins, plugin_of("Scale", scale, scale_shape));
    pln_network *network = begin_network(1);
    put_scale(network, "Scale", "x", "y", 4);
    put_output(network, "y");
    pln_engine *engine = build(network, plugins, PLN_OK, NULL);
    pln_context *context;
    pln_plugins_release(plugins);
    assert_int_equal(released, 0);
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    pln_engine_release(engine);
    must_run(context, x, 1);
    expect_floats(context, "y", (const float[]){ 4 }, 1);
    pln_context_destroy(context);
    assert_int_equal(released, 1);
    pln_plugins_release(NULL);
}

/* ---- threads ---- */

static void *work(void *user)
{
    static float x[4000];
    float want[4000];
    pln_context *context;
    if (pln_context_create(user, NULL, &context) != PLN_OK) return user;
    for (int i = 0; i < 4000; i++) want[i] = 0;
    for (int i = 0; i < 50; i++) {
        must_run(context, x, 4000 - i);
        expect_floats(context, "y", want, 4000 - i);
    }
    pln_context_destroy(context);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    pln_plugins *plugins = make_plugins(NULL);
    pln_network *network = begin_network(-1);
    put(network, "Sum", "x x", "a", NULL, 0);
    put(network, "Sum", "a x", "y", NULL, 0);
    put_output(network, "y");
    pln_engine *engine = build(network, plugins, PLN_OK, NULL);
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, work, engine), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    pln_engine_release(engine);
    pln_plugins_release(plugins);
}

int main(int argc, char **argv)
{
    const char *const devices[] = { argc > 1 ? argv[1] : "cpu", argc > 1 ? NULL : "ref", NULL };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_shape), cmocka_unit_test(test_dynamic_shape), cmocka_unit_test(test_shapes_of_the_run), cmocka_unit_test(test_shapes_of_elements), cmocka_unit_test(test_nothing_known), cmocka_unit_test(test_attributes), cmocka_unit_test(test_strings),
        cmocka_unit_test(test_any_inputs),  cmocka_unit_test(test_bodies),        cmocka_unit_test(test_purity),            cmocka_unit_test(test_versions),   cmocka_unit_test(test_lifetime),
        cmocka_unit_test(test_threads),     cmocka_unit_test(test_half),
    };
    int failed = 0;
    for (int i = 0; devices[i]; i++) {
        device = devices[i];
        printf("device %s\n", device);
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
