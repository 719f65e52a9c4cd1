#define _GNU_SOURCE
/* Custom operators that are registered wrongly, missing, or give what makes no sense; and memory that runs out. */
#include "plugin_ops.h"
#include "kernel/custom.h"
#include "test_alloc.h"

/* ---- registration ---- */

static void expect_refusal(pln_plugins *plugins, const struct pln_plugin *plugin, enum pln_status want, const char *text)
{
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    struct pln_message message = { .text = "" };
    enum pln_status status = pln_plugins_add(plugins, plugin, diagnostics);
    (void)!pln_diagnostics_get(diagnostics, 0, &message);
    if (status != want || !strstr(message.text, text)) fail_msg("%d (%s) is not %d with '%s'", status, message.text, want, text);
    assert_int_equal(pln_plugins_add(plugins, plugin, NULL), want);
    pln_diagnostics_destroy(diagnostics);
}

static void test_registration(void **state)
{
    (void)state;
    pln_plugins *plugins = pln_plugins_create(NULL);
    const struct pln_plugin good = plugin_of("Good", scale, NULL);
    char long_name[300];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
#define REFUSE(status, text, ...)                        \
    do {                                                 \
        struct pln_plugin bad = good;                    \
        __VA_ARGS__;                                     \
        expect_refusal(plugins, &bad, status, text);     \
    } while (0)
    REFUSE(PLN_INVALID_ARGUMENT, "struct_size", bad.struct_size = 0);
    REFUSE(PLN_INVALID_ARGUMENT, "PLN_PLUGIN_ABI", bad.abi = 0);
    REFUSE(PLN_INCOMPATIBLE, "'t:Good' was made for version 2", bad.abi = PLN_PLUGIN_ABI + 1);
    REFUSE(PLN_INVALID_ARGUMENT, "no domain", bad.domain = NULL);
    REFUSE(PLN_INVALID_ARGUMENT, "no name", bad.name = "");
    REFUSE(PLN_INVALID_ARGUMENT, "ONNX's own", bad.domain = "");
    REFUSE(PLN_INVALID_ARGUMENT, "ONNX's own", bad.domain = "ai.onnx");
    REFUSE(PLN_INVALID_ARGUMENT, "ONNX's own", bad.domain = "ai.onnx.ml");
    REFUSE(PLN_INVALID_ARGUMENT, "255", bad.name = long_name);
    REFUSE(PLN_INVALID_ARGUMENT, "compute", bad.compute = NULL);
    REFUSE(PLN_INVALID_ARGUMENT, "since_version", bad.since_version = -1);
    REFUSE(PLN_INVALID_ARGUMENT, "inputs", bad.min_inputs = 2);
    REFUSE(PLN_INVALID_ARGUMENT, "inputs", bad.max_inputs = -2);
    REFUSE(PLN_INVALID_ARGUMENT, "outputs", bad.min_outputs = bad.max_outputs = 0);
    REFUSE(PLN_INVALID_ARGUMENT, "outputs", bad.max_outputs = 100000);
    REFUSE(PLN_INVALID_ARGUMENT, "flags", bad.flags = 8);
    assert_int_equal(pln_plugins_add(NULL, &good, NULL), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_plugins_add(plugins, NULL, NULL), PLN_INVALID_ARGUMENT);
    assert_null(pln_plugins_get(plugins, 0));
    add(plugins, good);
    REFUSE(PLN_INVALID_ARGUMENT, "registered already", (void)0);
    REFUSE(PLN_INVALID_ARGUMENT, "registered already", bad.since_version = 1);
#undef REFUSE
    assert_non_null(pln_plugins_get(plugins, 0));
    assert_int_equal(pln_plugins_load(plugins, NULL, NULL), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_plugins_load(NULL, "x.so", NULL), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_plugins_load(plugins, "/nowhere/no.so", NULL), PLN_NOT_FOUND);
    assert_int_equal(pln_plugins_load(plugins, "/dev/null", NULL), PLN_NOT_FOUND);
    pln_plugins_release(plugins);
}

/* ---- what is missing ---- */

static pln_network *scaled(void)
{
    pln_network *network = begin_network(-1);
    put_scale(network, "Scale", "x", "y", 2);
    put_output(network, "y");
    return network;
}

static void test_missing(void **state)
{
    (void)state;
    char path[] = "/tmp/planish_plugin_XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    pln_plugins *plugins = make_plugins(NULL), *others = pln_plugins_create(NULL);
    struct pln_plugin later = plugin_of("Scale", scale, scale_shape);
    later.since_version = 3;
    add(others, later);
    build(scaled(), NULL, PLN_UNSUPPORTED, "'t:Scale' (version 2)");
    build(scaled(), others, PLN_UNSUPPORTED, "registered from version 3 on");
    pln_engine *engine = build(scaled(), plugins, PLN_OK, NULL);
    assert_int_equal(pln_engine_save(engine, path, NULL), PLN_OK);
    pln_engine_release(engine);

    pln_diagnostics *diagnostics = pln_diagnostics_create();
    struct pln_message message;
    struct pln_engine_options load = { .struct_size = sizeof load, .diagnostics = diagnostics, .plugins = others };
    struct pln_build_options again = { .struct_size = sizeof again, .diagnostics = diagnostics };
    assert_int_equal(pln_engine_load_file(path, &load, &engine), PLN_INCOMPATIBLE);
    assert_int_equal(pln_diagnostics_get(diagnostics, 0, &message), PLN_OK);
    assert_non_null(strstr(message.text, "'t:Scale' (version 2; it is registered from version 3 on)"));
    assert_non_null(strstr(message.text, "--plugin"));
    pln_diagnostics_clear(diagnostics);
    assert_int_equal(pln_build_plan_file(path, &again, &engine), PLN_INCOMPATIBLE);
    assert_int_equal(pln_diagnostics_get(diagnostics, 0, &message), PLN_OK);
    assert_non_null(strstr(message.text, "t:Scale"));
    assert_string_equal(message.node, "the_Scale");
    pln_diagnostics_clear(diagnostics);

    /* It can be looked at. */
    struct pln_step_info step = { .op = "" };
    pln_context *context;
    load.plugins = NULL;
    load.may_be_foreign = 1;
    assert_int_equal(pln_engine_load_file(path, &load, &engine), PLN_OK);
    for (int i = 0; strcmp(step.op, "t:Scale") != 0; i++) assert_int_equal(pln_engine_step(engine, i, &step), PLN_OK);
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_INCOMPATIBLE);
    pln_engine_release(engine);
    pln_diagnostics_destroy(diagnostics);
    pln_plugins_release(others);
    pln_plugins_release(plugins);
    remove(path);
}

/* ---- another operator than the plan was built with ---- */

static enum pln_status shorter(struct pln_plugin_call *call)
{
    const int64_t dims[1] = { call->inputs[0].dims[0] - pln_plugin_int(call, "less", 1) };
    enum pln_status status = call->output(call, 0, PLN_F32, 1, dims);
    if (status == PLN_OK) memcpy(call->outputs[0].data, call->inputs[0].data, call->outputs[0].size_bytes);
    return status;
}

static enum pln_status as_long(struct pln_plugin_call *call)
{
    enum pln_status status = call->output(call, 0, PLN_F32, 1, call->inputs[0].dims);
    if (status == PLN_OK) memcpy(call->outputs[0].data, call->inputs[0].data, call->outputs[0].size_bytes);
    return status;
}

static void test_other_operator(void **state)
{
    (void)state;
    float x[3] = { 1, 2, 3 };
    size_t size_bytes;
    pln_plugins *plugins = make_plugins(NULL);
    pln_engine *built = build(scaled(), plugins, PLN_OK, NULL);
    const void *plan = pln_engine_plan(built, &size_bytes);
    struct pln_plugin others[4] = { plugin_of("Scale", shorter, NULL), plugin_of("Scale", as_long, NULL), plugin_of("Scale", scale, scale_shape), plugin_of("Scale", scale, scale_shape) };
    static const char *const texts[4] = { "2", NULL, "t:Scale takes 2 inputs, the node has 1", "t:Scale takes 2 outputs, the node has 1" };
    others[2].min_inputs = others[2].max_inputs = 2;
    others[3].min_outputs = others[3].max_outputs = 2;
    for (int i = 0; i < 4; i++) {
        pln_plugins *set = pln_plugins_create(NULL);
        pln_context *context;
        pln_engine *engine;
        add(set, others[i]);
        const struct pln_engine_options load = { .struct_size = sizeof load, .plugins = set };
        assert_int_equal(pln_engine_load_memory(plan, size_bytes, &load, &engine), PLN_OK);
        pln_plugins_release(set);
        assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
        if (!texts[i]) {
            must_run(context, x, 3);
            expect_floats(context, "y", x, 3);
        } else {
            enum pln_status status = run(context, x, 3);
            expect_failure(context, status, i < 2 ? PLN_INVALID_ARGUMENT : PLN_BAD_MODEL, "the_Scale", texts[i]);
        }
        pln_context_destroy(context);
        pln_engine_release(engine);
    }
    pln_engine_release(built);
    pln_plugins_release(plugins);
}

/* A step of a forged plan that names no operator. */
static void test_forged_step(void **state)
{
    (void)state;
    struct pln_arena arena;
    struct pln_attrs attrs = { 0 };
    struct pln_custom custom;
    pln_arena_init(&arena, NULL, 0);
    assert_int_equal(pln_custom_bind(NULL, &attrs, NULL, &arena, NULL, &custom), PLN_BAD_PLAN);
    assert_true(pln_attrs_set_string(&attrs, &arena, "domain", "t", 1) && pln_attrs_set_int(&attrs, &arena, "operator", 1));
    assert_int_equal(pln_custom_bind(NULL, &attrs, NULL, &arena, NULL, &custom), PLN_BAD_PLAN);
    assert_true(pln_attrs_set_string(&attrs, &arena, "operator", "Scale", 5) && pln_attrs_set_int(&attrs, &arena, "version", (int64_t)1 << 40));
    assert_int_equal(pln_custom_bind(NULL, &attrs, NULL, &arena, NULL, &custom), PLN_BAD_PLAN);
    assert_true(pln_attrs_set_int(&attrs, &arena, "version", 1) && pln_attrs_set_int(&attrs, &arena, ".", 2));
    assert_int_equal(pln_custom_bind(NULL, &attrs, NULL, &arena, NULL, &custom), PLN_OK);
    assert_null(custom.plugin);
    assert_string_equal(custom.label, "t:Scale");
    assert_int_equal(custom.n_attributes, 1); /* of no name: harmless */
    assert_int_equal(pln_custom_check(&custom, NULL, 0, 1, NULL), PLN_INCOMPATIBLE);
    pln_arena_deinit(&arena);
}

/* ---- operators that give nonsense ---- */

static enum pln_status mean(struct pln_plugin_call *call)
{
    const int64_t dims[2] = { 2, 3 }, negative[1] = { -2 }, huge[2] = { INT64_MAX, 8 };
    const int64_t how = pln_plugin_int(call, "how", 0);
    switch (how) {
    case 0: return (enum pln_status)77;
    case 1: return PLN_DEVICE;
    case 2: return (call->fail)(call, PLN_NOT_FOUND, "the file '%s' is not there", "f.bin");
    case 3: (void)(call->fail)(call, PLN_IO, "told, and not returned"); return PLN_OK;
    case 4: return PLN_OK;
    case 5: (void)call->output(call, 1, PLN_F32, 2, dims); return PLN_OK;
    case 6: (void)call->output(call, -1, PLN_F32, 2, dims); return PLN_OK;
    case 7: return call->output(call, 0, (enum pln_dtype)99, 2, dims);
    case 8: return call->output(call, 0, PLN_F32, 17, dims);
    case 9: return call->output(call, 0, PLN_F32, 1, NULL);
    case 10: return call->output(call, 0, PLN_F32, 1, negative);
    case 11: return call->output(call, 0, PLN_F32, 2, huge);
    case 12: return call->output(call, 0, PLN_F32, 2, dims) == PLN_OK ? call->output(call, 0, PLN_F32, 1, dims) : PLN_OK;
    case 13: (void)call->output(call, 0, PLN_F32, 2, dims); return call->set_string(call, 0, 0, "x", 1);
    case 14: (void)call->output(call, 0, PLN_STR, 2, dims); return call->set_string(call, 0, 6, "x", 1);
    case 15: return call->scratch(call, SIZE_MAX) ? PLN_OK : PLN_OK;
    case 16: return (call->fail)(call, PLN_OK, "told with PLN_OK");
    case 17: memset(call->outputs, 0xff, sizeof *call->outputs); return PLN_OK;
    default: return PLN_OK;
    }
}

static void test_nonsense_of_runs(void **state)
{
    (void)state;
    static const struct {
        enum pln_status status;
        const char *text;
    } wants[] = {
        { PLN_INVALID_ARGUMENT, "t:Mean: it returned 77" },
        { PLN_DEVICE, "t:Mean: it failed: device error" },
        { PLN_NOT_FOUND, "t:Mean: the file 'f.bin' is not there" },
        { PLN_IO, "told, and not returned" },
        { PLN_INVALID_ARGUMENT, "it made no output 0 (inputs f32[3])" },
        { PLN_INVALID_ARGUMENT, "output 1, the node has 1" },
        { PLN_INVALID_ARGUMENT, "output -1" },
        { PLN_INVALID_ARGUMENT, "element type 99" },
        { PLN_INVALID_ARGUMENT, "rank 17" },
        { PLN_INVALID_ARGUMENT, "rank 1" },
        { PLN_BAD_MODEL, "negative or too large" },
        { PLN_BAD_MODEL, "negative or too large" },
        { PLN_INVALID_ARGUMENT, "made twice" },
        { PLN_INVALID_ARGUMENT, "no such string" },
        { PLN_INVALID_ARGUMENT, "no such string" },
        { PLN_NO_MEMORY, "scratch" },
        { PLN_INVALID_ARGUMENT, "told with PLN_OK" },
        { PLN_INVALID_ARGUMENT, "it made no output 0" },
    };
    float x[3] = { 1, 2, 3 };
    pln_plugins *plugins = make_plugins(NULL);
    add(plugins, plugin_of("Mean", mean, NULL));
    for (size_t i = 0; i < sizeof wants / sizeof *wants; i++) {
        pln_network *network = begin_network(-1);
        put(network, "Mean", "x", "y", &(struct pln_attribute){ .name = "how", .kind = PLN_ATTRIBUTE_INT, .i = (int64_t)i }, 1);
        pln_network_add_output(network, "y", PLN_F32, 2, (const int64_t[]){ -1, -1 }, NULL);
        pln_engine *engine = build(network, plugins, PLN_OK, NULL);
        pln_context *context;
        assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
        for (int again = 0; again < 2; again++) expect_failure(context, run(context, x, 3), wants[i].status, "the_Mean", wants[i].text);
        pln_context_destroy(context);
        pln_engine_release(engine);
    }
    pln_plugins_release(plugins);
}

static enum pln_status nothing(struct pln_plugin_call *call)
{
    (void)call;
    return PLN_OK;
}

static enum pln_status odd_shape(struct pln_plugin_call *call)
{
    int64_t how = pln_plugin_int(call, "how", 0);
    struct pln_buffer *y = &call->outputs[0];
    const int64_t n = call->inputs[0].dims[0];
    *y = call->inputs[0];
    switch (how) {
    case 0: y->dtype = (enum pln_dtype)77; return PLN_OK;
    case 1: y->rank = 17; return PLN_OK;
    case 2: return PLN_BAD_MODEL;
    case 3: return (call->fail)(call, PLN_BAD_MODEL, "x has %d dims", call->inputs[0].rank);
    case 4: return call->output(call, 0, PLN_F32, 0, NULL);
    case 5: return (enum pln_status)-1;
    case 6: y->dims[0] = n < 0 ? n : n + 1; return PLN_OK;          /* in a build n, in a run n + 1 */
    case 7: y->dtype = n < 0 ? PLN_F32 : PLN_I32; return PLN_OK;    /* the same with the type */
    case 8: y->rank = n < 0 ? 1 : 2; y->dims[1] = 1; return PLN_OK; /* and with the rank */
    case 9: y->dims[0] = n - 100; return PLN_OK;                    /* negative in a run: not made, and compute makes nothing */
    default: return PLN_OK;
    }
}

static void test_nonsense_of_shapes(void **state)
{
    (void)state;
    static const struct {
        enum pln_status status;
        const char *text;
    } wants[] = {
        { PLN_INVALID_ARGUMENT, "element type 77" }, { PLN_INVALID_ARGUMENT, "rank 17" }, { PLN_BAD_MODEL, "t:Odd: it failed: bad model" },
        { PLN_BAD_MODEL, "t:Odd: x has 1 dims" },    { PLN_INVALID_ARGUMENT, "compute" }, { PLN_INVALID_ARGUMENT, "it returned -1" },
        { PLN_INVALID_ARGUMENT, "4" },               { PLN_INVALID_ARGUMENT, "i32" },     { PLN_INVALID_ARGUMENT, "" },
        { PLN_INVALID_ARGUMENT, "made no output" },
    };
    float x[3] = { 1, 2, 3 };
    pln_plugins *plugins = make_plugins(NULL);
    add(plugins, plugin_of("Odd", nothing, odd_shape));
    for (size_t i = 0; i < sizeof wants / sizeof *wants; i++) {
        const struct pln_attribute how = { .name = "how", .kind = PLN_ATTRIBUTE_INT, .i = (int64_t)i };
        pln_network *network = begin_network(-1);
        put(network, "Odd", "x", "y", &how, 1);
        put_output(network, "y");
        bool builds = i >= 6;
        pln_engine *engine = build(network, plugins, builds ? PLN_OK : wants[i].status, builds ? NULL : wants[i].text);
        pln_context *context;
        if (!builds) continue;
        assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
        expect_failure(context, run(context, x, 3), wants[i].status, "the_Odd", wants[i].text);
        pln_context_destroy(context);
        pln_engine_release(engine);
    }
    pln_plugins_release(plugins);
}

/* What a node has that the registration does not allow. */
static void test_counts(void **state)
{
    (void)state;
    static const char *const inputs[] = { "x x", "-", "x" }, *const outputs[] = { "y", "y", "y z" }, *const texts[] = { "t:Scale takes 1 inputs, the node has 2", "t:Scale takes 1 inputs, the node has 0",
                                                                                                                       "t:Scale takes 1 outputs, the node has 2" };
    pln_plugins *plugins = make_plugins(NULL);
    for (int i = 0; i < 3; i++) {
        pln_network *network = begin_network(2);
        put(network, "Scale", inputs[i], outputs[i], NULL, 0);
        put_output(network, "y");
        build(network, plugins, PLN_BAD_MODEL, texts[i]);
    }
    pln_network *network = begin_network(2), *body = pln_network_create("body", 17);
    put(network, "Fill", "- x", "y", NULL, 0);
    put_output(network, "y");
    build(network, plugins, PLN_BAD_MODEL, "t:Fill: input 0 is left out");
    network = begin_network(2);
    put_output(body, "x");
    put(network, "Scale", "x", "y", &(struct pln_attribute){ .name = "body", .kind = PLN_ATTRIBUTE_BODY, .body = body }, 1);
    put_output(network, "y");
    build(network, plugins, PLN_UNSUPPORTED, "attribute 'body' is of type GRAPH");
    network = begin_network(2);
    put(network, ".SequenceConstruct", "x x", "s", NULL, 0);
    put(network, "Scale", "s", "y", NULL, 0);
    put_output(network, "y");
    build(network, plugins, PLN_BAD_MODEL, "input 0 is no tensor");
    pln_network_destroy(body);
    pln_plugins_release(plugins);
}

/* ---- memory ---- */

static pln_network *all_of_it(void)
{
    const struct pln_attribute attributes[] = { { .name = "factor", .kind = PLN_ATTRIBUTE_FLOAT, .f = 2 }, { .name = "text", .kind = PLN_ATTRIBUTE_STRING, .s = "text" } };
    pln_network *network = begin_network(-1);
    put(network, "Scale", "x", "a", attributes, 2);
    put(network, "Twice", "a", "b", NULL, 0);
    put(network, "Keep", "b", "k i", NULL, 0);
    put(network, "Sum", "k k", "y", NULL, 0);
    put_output(network, "y");
    put_output(network, "i");
    return network;
}

static void test_memory(void **state)
{
    (void)state;
    float x[3] = { 1, -2, 3 };
    struct test_alloc alloc;
    enum pln_status status = PLN_NO_MEMORY;
    for (long i = 1; status != PLN_OK; i++) {
        test_alloc_init(&alloc, i);
        pln_plugins *own = pln_plugins_create(&alloc.base);
        const struct pln_plugin plugin = plugin_of("Scale", scale, NULL);
        status = own ? pln_plugins_add(own, &plugin, NULL) : PLN_NO_MEMORY;
        assert_true(status == PLN_OK || status == PLN_NO_MEMORY);
        pln_plugins_release(own);
        assert_int_equal(alloc.live, 0);
    }
    pln_plugins *plugins = make_plugins(NULL);
    pln_network *network = all_of_it();
    pln_engine *engine = NULL;
    status = PLN_NO_MEMORY;
    for (long i = 1; status != PLN_OK; i++) {
        test_alloc_init(&alloc, i);
        const struct pln_build_options options = { .struct_size = sizeof options, .allocator = &alloc.base, .plugins = plugins, .device = device };
        status = pln_build_network(network, &options, &engine);
        assert_true(status == PLN_OK || status == PLN_NO_MEMORY);
        pln_engine_release(engine);
        assert_int_equal(alloc.live, 0);
    }
    engine = build(network, plugins, PLN_OK, NULL);
    status = PLN_NO_MEMORY;
    for (long i = 1; status != PLN_OK; i++) {
        pln_context *context;
        test_alloc_init(&alloc, i);
        alloc.fail_more = 1;
        const struct pln_context_options options = { .struct_size = sizeof options, .allocator = &alloc.base };
        status = pln_context_create(engine, &options, &context);
        if (status == PLN_OK) status = run(context, x, 3);
        if (status == PLN_OK) expect_floats(context, "y", (const float[]){ 4, 12, 4, 12 }, 4);
        else assert_int_equal(status, PLN_NO_MEMORY);
        pln_context_destroy(context);
        assert_int_equal(alloc.live, 0);
    }
    pln_engine_release(engine);
    pln_plugins_release(plugins);
}

int main(int argc, char **argv)
{
    const char *const devices[] = { argc > 1 ? argv[1] : "cpu", argc > 1 ? NULL : "ref", NULL };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registration),      cmocka_unit_test(test_missing), cmocka_unit_test(test_other_operator), cmocka_unit_test(test_forged_step), cmocka_unit_test(test_nonsense_of_runs),
        cmocka_unit_test(test_nonsense_of_shapes), cmocka_unit_test(test_counts), cmocka_unit_test(test_memory),
    };
    int failed = 0;
    for (int i = 0; devices[i]; i++) {
        device = devices[i];
        printf("device %s\n", device);
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
