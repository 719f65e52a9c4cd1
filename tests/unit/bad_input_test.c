/* What users and attackers hand in by mistake or on purpose: each gives a status and a message that names the place and the cause, in bounded time and
 * memory, with nothing left behind. Whole way: from the bytes of a model to a run. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "onnx/model.h"
#include "onnx_make.h"
#include "planish/planish.h"
#include "test_alloc.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/planish-bad-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static const char *inside(const char *name)
{
    static char path[4][1024];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static int count_files(void)
{
    DIR *open_folder = opendir(folder);
    int n = 0;
    for (struct dirent *entry; (entry = readdir(open_folder));) n += entry->d_name[0] != '.';
    closedir(open_folder);
    return n;
}

static int remove_folder(void **state)
{
    (void)state;
    DIR *open_folder = opendir(folder);
    for (struct dirent *entry; (entry = readdir(open_folder));)
        if (entry->d_name[0] != '.') unlink(inside(entry->d_name));
    closedir(open_folder);
    return rmdir(folder);
}

static void write_file(const char *path, const void *data, size_t size_bytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size_bytes, file), size_bytes);
    fclose(file);
}

/* Each access to memory is looked at there, or each instruction translated, which takes several times as long. */
#if defined(__SANITIZE_THREAD__) || defined(PLANISH_TEST_EMULATED)
#define SLOWER 4
#else
#define SLOWER 1
#endif

/* Of this process: on a machine that is busy the clock on the wall says nothing. */
static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* One message at least; the words are in the messages, in their node or in their op. words: separated by '|'. */
static void expect_words(const pln_diagnostics *diagnostics, const char *words)
{
    char all[8192] = "";
    size_t used = 0;
    struct pln_message message;
    assert_true(pln_diagnostics_count(diagnostics) > 0);
    for (int i = 0; pln_diagnostics_get(diagnostics, i, &message) == PLN_OK && used < sizeof all; i++)
        used += (size_t)snprintf(all + used, sizeof all - used, "%s [%s %s]\n", message.text, message.node, message.op);
    while (*words) {
        char word[128];
        size_t n = strcspn(words, "|");
        snprintf(word, sizeof word, "%.*s", (int)n, words);
        if (!strstr(all, word)) fail_msg("no '%s' in: %s", word, all);
        words += n + (words[n] == '|');
    }
}

/* Takes the model. */
static pln_engine *build(struct pln_text model, enum pln_status want, const char *words)
{
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    const struct pln_build_options options = { .struct_size = sizeof options, .diagnostics = diagnostics };
    pln_engine *engine;
    enum pln_status status = pln_build_memory(model.data, model.size_bytes, folder, &options, &engine);
    if (status != want && status != PLN_OK) expect_words(diagnostics, "(another status was wanted)");
    assert_int_equal(status, want);
    if (want != PLN_OK) expect_words(diagnostics, words);
    assert_true((engine != NULL) == (want == PLN_OK));
    pln_text_deinit(&model);
    pln_diagnostics_destroy(diagnostics);
    return engine;
}

/* Takes the graph. */
static void refuse(struct pln_text graph, enum pln_status want, const char *words)
{
    double start = seconds();
    build(make_model(8, graph), want, words);
    assert_true(seconds() - start < 10 * SLOWER);
}

static void refuse_file(const char *path, enum pln_status want, const char *words)
{
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    const struct pln_build_options options = { .struct_size = sizeof options, .diagnostics = diagnostics };
    pln_engine *engine;
    assert_int_equal(pln_build_file(path, &options, &engine), want);
    assert_null(engine);
    expect_words(diagnostics, words);
    expect_words(diagnostics, path);
    pln_diagnostics_destroy(diagnostics);
}

/* ---- values of any type ---- */

/* data_type name[dims]; a negative dim is the symbol "n". */
static struct pln_text make_typed(const char *name, int data_type, int rank, const int64_t *dims)
{
    struct pln_text value = make_message(), type = make_message(), tensor = make_message(), shape = make_message();
    for (int i = 0; i < rank; i++) {
        struct pln_text one = make_message();
        if (dims[i] < 0) pln_wire_put_string(&one, 2, "n");
        else pln_wire_put_int(&one, 1, dims[i]);
        make_add(&shape, 1, one);
    }
    pln_wire_put_int(&tensor, 1, data_type);
    make_add(&tensor, 2, shape);
    make_add(&type, 1, tensor);
    pln_wire_put_string(&value, 1, name);
    make_add(&value, 2, type);
    return value;
}

static struct pln_text make_named(const char *name)
{
    struct pln_text value = make_message();
    pln_wire_put_string(&value, 1, name);
    return value;
}

static struct pln_text make_ints(const char *name, const int64_t *values, int64_t count)
{
    struct pln_text tensor = make_tensor(name, PLN_I64, count);
    pln_wire_put_packed_ints(&tensor, 7, values, (size_t)(count < 0 ? 1 : count));
    return tensor;
}

static struct pln_text make_int_attribute(const char *name, int64_t value)
{
    struct pln_text attribute = make_attribute(name, PLN_ONNX_ATTR_INT);
    pln_wire_put_int(&attribute, 3, value);
    return attribute;
}

static struct pln_text make_graph_attribute(const char *name, struct pln_text graph)
{
    struct pln_text attribute = make_attribute(name, PLN_ONNX_ATTR_GRAPH);
    make_add(&attribute, 6, graph);
    return attribute;
}

/* x: f32[n] → Neg → y, with one more node in between when there is one. */
static struct pln_text make_graph(struct pln_text node)
{
    struct pln_text graph = make_message();
    pln_wire_put_string(&graph, 2, "g");
    make_add(&graph, 1, node);
    make_add(&graph, 11, make_value("x", 0, "n"));
    make_add(&graph, 12, make_named("y"));
    return graph;
}

/* ---- files ---- */

static void files_that_are_no_models(void **state)
{
    (void)state;
    static const char text[] = "dummy\nThis is a text, not a model.\n";
    write_file(inside("text.onnx"), text, sizeof text - 1);
    refuse_file(inside("text.onnx"), PLN_BAD_MODEL, "text");
    write_file(inside("empty.onnx"), text, 0);
    refuse_file(inside("empty.onnx"), PLN_BAD_MODEL, "empty");
    refuse_file(inside("missing.onnx"), PLN_IO, "No such file");
    refuse_file(folder, PLN_IO, "");
    static const uint8_t zeros[4096];
    write_file(inside("zeros.onnx"), zeros, sizeof zeros);
    refuse_file(inside("zeros.onnx"), PLN_BAD_MODEL, "");
}

static void a_model_cut_off(void **state)
{
    (void)state;
    FILE *file = fopen("../models/zoo/mobilenet_v2.ts/model.onnx", "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    uint8_t *data = malloc((size_t)size);
    assert_int_equal(fread(data, 1, (size_t)size, file), size);
    fclose(file);
    for (int i = 1; i < 24; i++) {
        write_file(inside("cut.onnx"), data, (size_t)(size * i / 24));
        refuse_file(inside("cut.onnx"), PLN_BAD_MODEL, "");
    }
    free(data);
}

/* ---- models that break the rules of ONNX ---- */

static void nodes_that_do_not_fit(void **state)
{
    (void)state;
    static const int64_t three[] = { 3 };
    struct pln_text graph = make_graph(make_node("Add", "sum", "x,i", "y"));
    make_add(&graph, 5, make_ints("i", three, 1));
    refuse(graph, PLN_BAD_MODEL, "sum|Add|i64");
    refuse(make_graph(make_node("Conv", "filter", "x", "y")), PLN_BAD_MODEL, "filter|Conv");
    refuse(make_graph(make_node("Neg", "flip", "nowhere", "y")), PLN_BAD_MODEL, "flip|nowhere");
    refuse(make_graph(make_node("Negg", "flip", "x", "y")), PLN_BAD_MODEL, "flip|Negg");
    refuse(make_graph(make_node("Neg", "flip", "x", "z")), PLN_BAD_MODEL, "y");
    refuse(make_graph(make_node("Neg", "flip", "", "y")), PLN_BAD_MODEL, "flip");
    graph = make_graph(make_node("Neg", "first", "x", "y"));
    make_add(&graph, 1, make_node("Abs", "second", "x", "y"));
    refuse(graph, PLN_BAD_MODEL, "y|second");
    graph = make_graph(make_node("Neg", "flip", "k", "y"));
    make_add(&graph, 11, make_typed("k", 999, 1, three));
    refuse(graph, PLN_BAD_MODEL, "k|999");
}

static void cycles(void **state)
{
    (void)state;
    struct pln_text graph = make_graph(make_node("Add", "one", "x,b", "y"));
    make_add(&graph, 1, make_node("Neg", "two", "y", "b"));
    refuse(graph, PLN_BAD_MODEL, "one|two");
    refuse(make_graph(make_node("Add", "itself", "x,y", "y")), PLN_BAD_MODEL, "itself");
}

static void attributes_out_of_their_range(void **state)
{
    (void)state;
    static const int64_t one[] = { 1 };
    struct pln_text node = make_node("LayerNormalization", "norm", "x,x", "y"), epsilon = make_attribute("epsilon", PLN_ONNX_ATTR_FLOAT);
    pln_wire_put_float(&epsilon, 2, -841.0f);
    make_add(&node, 5, epsilon);
    make_add(&node, 5, make_int_attribute("stash_type", -940));
    refuse(make_graph(node), PLN_BAD_MODEL, "norm");
    node = make_node("Concat", "join", "x,x", "y");
    make_add(&node, 5, make_int_attribute("axis", 7));
    refuse(make_graph(node), PLN_BAD_MODEL, "join|axis");
    node = make_node("Cast", "cast", "x", "y");
    make_add(&node, 5, make_int_attribute("to", 4711));
    refuse(make_graph(node), PLN_BAD_MODEL, "cast|4711");
    struct pln_text graph, perm = make_attribute("perm", PLN_ONNX_ATTR_INTS);
    static const int64_t twice[] = { 0, 0, INT64_MIN };
    pln_wire_put_packed_ints(&perm, 8, twice, 3);
    node = make_node("Transpose", "turn", "k", "y");
    make_add(&node, 5, perm);
    graph = make_graph(node);
    make_add(&graph, 11, make_typed("k", PLN_F32, 3, (const int64_t[]){ 1, 2, 3 }));
    refuse(graph, PLN_BAD_MODEL, "turn|perm");
    node = make_node("Split", "split", "x", "y");
    make_add(&node, 5, make_int_attribute("num_outputs", INT64_MAX));
    refuse(make_graph(node), PLN_BAD_MODEL, "split");
    node = make_node("LRN", "local", "x", "y");
    make_add(&node, 5, make_int_attribute("size", INT64_MIN)); /* the sanitizers watch */
    refuse(make_graph(node), PLN_BAD_MODEL, "local|size");
    static const int64_t many[] = { (int64_t)1 << 40 }; /* no run shall ask for so much memory first */
    graph = make_graph(make_node("TopK", "best", "t,many", "y,places"));
    make_add(&graph, 11, make_typed("t", PLN_F32, 2, (const int64_t[]){ 2, 3 }));
    make_add(&graph, 5, make_ints("many", many, 1));
    refuse(graph, PLN_BAD_MODEL, "best|1099511627776|3");
    (void)one;
}

static struct pln_text make_nested(int depth)
{
    struct pln_text graph = make_message();
    make_add(&graph, 1, make_node("Neg", "innermost", "x", "r"));
    make_add(&graph, 12, make_named("r"));
    for (int i = 0; i < depth; i++) {
        struct pln_text node = make_node("If", "if", "c", "r"), branch = make_message();
        make_add(&branch, 1, make_node("Abs", "other", "x", "r"));
        make_add(&branch, 12, make_named("r"));
        make_add(&node, 5, make_graph_attribute("then_branch", graph));
        make_add(&node, 5, make_graph_attribute("else_branch", branch));
        graph = make_message();
        make_add(&graph, 1, node);
        make_add(&graph, 12, make_named("r"));
    }
    make_add(&graph, 11, make_value("x", 0, "n"));
    make_add(&graph, 11, make_typed("c", PLN_BOOL, 0, NULL));
    pln_wire_put_string(&graph, 2, "g");
    return graph;
}

static void nesting(void **state)
{
    (void)state;
    refuse(make_nested(2000), PLN_BAD_MODEL, "deep");
    refuse(make_nested(5000), PLN_BAD_MODEL, "deep");
    refuse(make_nested(64), PLN_BAD_MODEL, "bodies nest deeper than 63");
}

/* A chain of functions, each of which calls the next ten times; and one that calls itself. */
static void functions_that_explode(void **state)
{
    (void)state;
    struct pln_text graph = make_message(), call = make_node("f0", "call", "x", "y"), model;
    pln_wire_put_string(&call, 7, "my");
    make_add(&graph, 1, call);
    make_add(&graph, 11, make_value("x", 0, "n"));
    make_add(&graph, 12, make_named("y"));
    pln_wire_put_string(&graph, 2, "g");
    model = make_model(8, graph);
    struct pln_text opset = make_message();
    pln_wire_put_string(&opset, 1, "my");
    pln_wire_put_int(&opset, 2, 1);
    make_add(&model, 8, opset);
    for (int f = 0; f < 12; f++) {
        struct pln_text function = make_message();
        char name[16], callee[16];
        snprintf(name, sizeof name, "f%d", f);
        snprintf(callee, sizeof callee, "f%d", f + 1);
        pln_wire_put_string(&function, 1, name);
        pln_wire_put_string(&function, 10, "my");
        pln_wire_put_string(&function, 4, "a0");
        pln_wire_put_string(&function, 5, "a10");
        for (int i = 0; i < 10; i++) {
            char from[16], to[16];
            snprintf(from, sizeof from, "a%d", i);
            snprintf(to, sizeof to, "a%d", i + 1);
            struct pln_text node = make_node(f == 11 ? "Neg" : callee, "n", from, to);
            if (f != 11) pln_wire_put_string(&node, 7, "my");
            make_add(&function, 7, node);
        }
        for (int k = 0; k < 2; k++) {
            opset = make_message();
            pln_wire_put_string(&opset, 1, k ? "my" : "");
            pln_wire_put_int(&opset, 2, k ? 1 : 17);
            make_add(&function, 9, opset);
        }
        make_add(&model, 25, function);
    }
    double start = seconds();
    build(model, PLN_UNSUPPORTED, "too many nodes");
    assert_true(seconds() - start < 10 * SLOWER);
}

static void sizes_that_lie(void **state)
{
    (void)state;
    static const struct {
        int rank;
        int64_t dims[3];
        const char *words;
    } cases[] = {
        { 2, { ((int64_t)1 << 42) + 1, (int64_t)1 << 22 }, "w" }, { 1, { INT64_MAX }, "w" }, { 1, { -3 }, "w" }, { 3, { (int64_t)1 << 31, (int64_t)1 << 31, 4 }, "w" }, { 1, { 5 }, "w" },
    };
    for (size_t i = 0; i < PLN_COUNT_OF(cases); i++) {
        struct pln_text graph = make_graph(make_node("Add", "sum", "x,w", "y")), tensor = make_message();
        pln_wire_put_packed_ints(&tensor, 1, cases[i].dims, (size_t)cases[i].rank);
        pln_wire_put_int(&tensor, 2, PLN_F32);
        pln_wire_put_string(&tensor, 8, "w");
        pln_wire_put_bytes(&tensor, 9, "1234567890123456", 16);
        make_add(&graph, 5, tensor);
        refuse(graph, PLN_BAD_MODEL, cases[i].words);
    }
    struct pln_text lie = make_message(); /* graph of 2^40 bytes */
    pln_text_append(&lie, "\x08\x08\x3a\x80\x80\x80\x80\x80\x20", 9);
    build(lie, PLN_BAD_MODEL, "");
}

/* ---- external data ---- */

static struct pln_text make_external(const char *location, const char *offset, const char *length)
{
    const char *const entries[][2] = { { "location", location }, { "offset", offset }, { "length", length } };
    struct pln_text graph = make_graph(make_node("Add", "sum", "x,w", "y")), tensor = make_tensor("w", PLN_F32, 4);
    for (int i = 0; i < 3; i++) {
        struct pln_text entry = make_message();
        if (!entries[i][1]) continue;
        pln_wire_put_string(&entry, 1, entries[i][0]);
        pln_wire_put_string(&entry, 2, entries[i][1]);
        make_add(&tensor, 13, entry);
    }
    pln_wire_put_int(&tensor, 14, 1);
    make_add(&graph, 5, tensor);
    return graph;
}

static void external_data_elsewhere(void **state)
{
    (void)state;
    static const float data[8];
    write_file(inside("good.bin"), data, sizeof data);
    pln_engine_release(build(make_model(8, make_external("good.bin", "16", "16")), PLN_OK, ""));
    refuse(make_external("../good.bin", NULL, NULL), PLN_BAD_MODEL, "w|../good.bin");
    refuse(make_external("a/../../good.bin", NULL, NULL), PLN_BAD_MODEL, "w");
    refuse(make_external("/etc/passwd", NULL, NULL), PLN_BAD_MODEL, "w|/etc/passwd");
    refuse(make_external("", NULL, NULL), PLN_BAD_MODEL, "w");
    refuse(make_external(NULL, NULL, NULL), PLN_BAD_MODEL, "w");
    refuse(make_external("missing.bin", NULL, NULL), PLN_IO, "w|missing.bin");
    refuse(make_external("good.bin", "-16", "16"), PLN_BAD_MODEL, "w|offset");
    refuse(make_external("good.bin", "18446744073709551600", "16"), PLN_BAD_MODEL, "w");
    refuse(make_external("good.bin", "9223372036854775800", "16"), PLN_BAD_MODEL, "w");
    refuse(make_external("good.bin", "0", "9223372036854775807"), PLN_BAD_MODEL, "w");
    refuse(make_external("good.bin", "0", "12"), PLN_BAD_MODEL, "w");
    refuse(make_external("good.bin", "20", "16"), PLN_BAD_MODEL, "w");
    refuse(make_external("good.bin", "x", "16"), PLN_BAD_MODEL, "w|offset");
    assert_int_equal(symlink("/etc/passwd", inside("link.bin")), 0);
    refuse(make_external("link.bin", NULL, NULL), PLN_BAD_MODEL, "w|link.bin");
    assert_int_equal(mkfifo(inside("pipe.bin"), 0600), 0);
    refuse(make_external("pipe.bin", NULL, NULL), PLN_IO, "w|pipe.bin|not a regular file");
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    const struct pln_build_options options = { .struct_size = sizeof options, .diagnostics = diagnostics };
    struct pln_text model = make_model(8, make_external("good.bin", NULL, NULL));
    pln_engine *engine;
    assert_int_equal(pln_build_memory(model.data, model.size_bytes, NULL, &options, &engine), PLN_INVALID_ARGUMENT);
    expect_words(diagnostics, "good.bin");
    pln_text_deinit(&model);
    pln_diagnostics_destroy(diagnostics);
}

/* ---- at run time ---- */

static void bind(pln_context *context, const char *name, enum pln_dtype dtype, int64_t count, const void *data, size_t size_bytes)
{
    const struct pln_buffer buffer = { .dtype = dtype, .rank = count < 0 ? 0 : 1, .dims = { count }, .data = (void *)(uintptr_t)data, .size_bytes = size_bytes };
    assert_int_equal(pln_context_bind_input(context, name, &buffer), PLN_OK);
}

static pln_context *make_context(pln_engine *engine)
{
    const struct pln_context_options options = { .struct_size = sizeof options, .memory_limit_bytes = (size_t)64 << 20 };
    pln_context *context;
    assert_int_equal(pln_context_create(engine, &options, &context), PLN_OK);
    pln_engine_release(engine);
    return context;
}

static void shapes_that_do_not_fit(void **state)
{
    (void)state;
    static const float data[16];
    struct pln_text graph = make_graph(make_node("Add", "sum", "x,z", "y"));
    make_add(&graph, 11, make_value("z", 0, "n"));
    make_add(&graph, 11, make_typed("k", PLN_F32, 2, (const int64_t[]){ 2, 3 }));
    pln_engine *engine = build(make_model(8, graph), PLN_OK, "");
    pln_context *context = make_context(engine);
    assert_int_equal(pln_context_run(context), PLN_INVALID_ARGUMENT);
    expect_words(pln_context_diagnostics(context), "'x'|bound");
    struct pln_buffer k = { .dtype = PLN_F32, .rank = 2, .dims = { 2, 4 }, .data = (void *)(uintptr_t)data, .size_bytes = sizeof data };
    assert_int_equal(pln_context_bind_input(context, "k", &k), PLN_INVALID_ARGUMENT);
    expect_words(pln_context_diagnostics(context), "'k'|dim 1|4|3");
    k.dims[1] = 3;
    k.size_bytes = 20;
    assert_int_equal(pln_context_bind_input(context, "k", &k), PLN_INVALID_ARGUMENT);
    expect_words(pln_context_diagnostics(context), "'k'|24|20");
    k.dtype = PLN_F64;
    assert_int_equal(pln_context_bind_input(context, "k", &k), PLN_INVALID_ARGUMENT);
    k = (struct pln_buffer){ .dtype = PLN_F32, .rank = 2, .dims = { 2, INT64_MAX }, .data = (void *)(uintptr_t)data, .size_bytes = sizeof data };
    assert_int_equal(pln_context_bind_input(context, "k", &k), PLN_INVALID_ARGUMENT);
    k = (struct pln_buffer){ .dtype = PLN_F32, .rank = 2, .dims = { 2, 3 }, .data = (void *)(uintptr_t)data, .size_bytes = sizeof data };
    assert_int_equal(pln_context_bind_input(context, "nobody", &k), PLN_NOT_FOUND);
    expect_words(pln_context_diagnostics(context), "nobody|x");
    assert_int_equal(pln_context_bind_input(context, "k", &k), PLN_OK);
    size_t bytes;
    struct pln_tensor_info shape = { .name = "k", .rank = 2, .dims = { INT64_MAX, INT64_MAX } };
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    assert_int_equal(pln_engine_memory(engine, &shape, 1, diagnostics, &bytes), PLN_INVALID_ARGUMENT);
    shape.dims[0] = -1;
    assert_int_equal(pln_engine_memory(engine, &shape, 1, diagnostics, &bytes), PLN_INVALID_ARGUMENT);
    shape.name = "nobody";
    assert_int_equal(pln_engine_memory(engine, &shape, 1, diagnostics, &bytes), PLN_NOT_FOUND);
    expect_words(diagnostics, "'k'|nobody");
    pln_diagnostics_destroy(diagnostics);
    bind(context, "x", PLN_F32, 4, data, 16);
    bind(context, "z", PLN_F32, 3, data, 12);
    assert_int_equal(pln_context_run(context), PLN_INVALID_ARGUMENT);
    expect_words(pln_context_diagnostics(context), "'z'|dim 0|3|4|'n'");
    bind(context, "z", PLN_F32, 4, data, 16);
    assert_int_equal(pln_context_run(context), PLN_OK);
    pln_context_destroy(context);
}

/* Bodies as deep as they may be, through every pass, into a plan, and run: the innermost of them negates. */
static void deep_nesting_runs(void **state)
{
    (void)state;
    for (int depth = 12; depth <= 63; depth += 51) {
        double start = seconds();
        const float x[1] = { 3 };
        const uint8_t go[1] = { 1 };
        struct pln_buffer r, c = { .dtype = PLN_BOOL, .data = (void *)(uintptr_t)go, .size_bytes = 1 };
        pln_context *context = make_context(build(make_model(8, make_nested(depth)), PLN_OK, ""));
        bind(context, "x", PLN_F32, 1, x, sizeof x);
        assert_int_equal(pln_context_bind_input(context, "c", &c), PLN_OK);
        assert_int_equal(pln_context_run(context), PLN_OK);
        assert_int_equal(pln_context_output(context, "r", &r), PLN_OK);
        assert_true(*(const float *)r.data == -3);
        pln_context_destroy(context);
        assert_true(seconds() - start < 5 * SLOWER);
    }
}

/* Loops in loops, each of which starts from x and adds a dim to it in every round, so that its body is imported for a fixed rank and then for an open one. */
static struct pln_text make_loops(int depth)
{
    static const int64_t zero[] = { 0 };
    struct pln_text inner = make_node("Neg", "innermost", "x", "w");
    for (int i = 0; i < depth; i++) {
        struct pln_text node = make_node("Loop", "loop", "trips,,x", "w"), body = make_message();
        for (int k = 0; k < 3; k++) make_add(&body, 11, make_named(k == 0 ? "i" : k == 1 ? "go" : "v"));
        make_add(&body, 1, inner);
        make_add(&body, 1, make_node("Identity", "", "go", "on"));
        make_add(&body, 1, make_node("Unsqueeze", "", "w,zero", "w2"));
        make_add(&body, 1, make_node("Unsqueeze", "", "v,zero", "v2"));
        make_add(&body, 12, make_named("on"));
        make_add(&body, 12, make_named("v2"));
        make_add(&node, 5, make_graph_attribute("body", body));
        inner = node;
    }
    struct pln_text graph = make_graph(inner);
    make_add(&graph, 1, make_node("Identity", "", "w", "y"));
    make_add(&graph, 5, make_ints("zero", zero, 1));
    make_add(&graph, 11, make_typed("trips", PLN_I64, 0, NULL));
    return graph;
}

/* Neither is the innermost of 24 imported 2^24 times, nor do types that were tried and given up pile up. */
static void loops_in_loops(void **state)
{
    (void)state;
    double start = seconds();
    struct pln_text model = make_model(8, make_loops(24));
    const struct pln_build_options options = { .struct_size = sizeof options, .memory_limit_bytes = 6 << 20 };
    pln_engine *engine;
    assert_int_equal(pln_build_memory(model.data, model.size_bytes, folder, &options, &engine), PLN_OK);
    pln_engine_release(engine);
    pln_text_deinit(&model);
    assert_true(seconds() - start < 5 * SLOWER);
}

/* An input with a default is a constant: who binds it is told so. */
static void inputs_with_defaults(void **state)
{
    (void)state;
    static const float data[2];
    struct pln_text graph = make_graph(make_node("Add", "sum", "x,w", "y"));
    make_add(&graph, 5, make_zeros("w", 1));
    make_add(&graph, 11, make_value("w", 1, NULL));
    pln_engine *engine = build(make_model(8, graph), PLN_OK, "");
    assert_string_equal(pln_engine_metadata(engine, "planish.input_default.w"), "f32[1]");
    pln_context *context = make_context(engine);
    const struct pln_buffer w = { .dtype = PLN_F32, .rank = 1, .dims = { 1 }, .data = (void *)(uintptr_t)data, .size_bytes = 4 };
    assert_int_equal(pln_context_bind_input(context, "w", &w), PLN_NOT_FOUND);
    expect_words(pln_context_diagnostics(context), "'w' has a default (f32[1])|constant");
    pln_context_destroy(context);
}

/* op(x, i) → y with x: f32[1] and i: i64[count], which only the run knows: fails with the name of the node and these words. */
static void refuse_numbers(const char *op, const char *inputs, const int64_t *values, int64_t count, const char *words)
{
    static const float data[1];
    const char *const devices[] = { "cpu", "ref" };
    for (int d = 0; d < 2; d++) {
        struct pln_text graph = make_graph(make_node(op, "culprit", inputs, "y")), model;
        make_add(&graph, 11, make_typed("i", PLN_I64, 1, &count));
        model = make_model(8, graph);
        const struct pln_build_options options = { .struct_size = sizeof options, .device = devices[d] };
        pln_engine *engine;
        assert_int_equal(pln_build_memory(model.data, model.size_bytes, NULL, &options, &engine), PLN_OK);
        pln_text_deinit(&model);
        pln_context *context = make_context(engine);
        bind(context, "x", PLN_F32, 1, data, sizeof data);
        bind(context, "i", PLN_I64, count, values, (size_t)count * 8);
        double start = seconds();
        enum pln_status status = pln_context_run(context);
        if (status != PLN_NO_MEMORY && status != PLN_INVALID_ARGUMENT && status != PLN_BAD_MODEL) fail_msg("%s on %s: status %d", op, devices[d], status);
        assert_true(seconds() - start < 5 * SLOWER);
        expect_words(pln_context_diagnostics(context), "culprit");
        expect_words(pln_context_diagnostics(context), words);
        pln_context_destroy(context);
    }
}

static void numbers_that_do_not_fit(void **state)
{
    (void)state;
    static const int64_t huge[] = { INT64_MAX, INT64_MAX }, many[] = { (int64_t)1 << 40, 3 }, wrap[] = { (int64_t)1 << 32, (int64_t)1 << 32 }, negative[] = { -10, -10 };
    refuse_numbers("Expand", "x,i", huge, 2, "");
    refuse_numbers("Expand", "x,i", wrap, 2, "");
    refuse_numbers("Expand", "x,i", negative, 2, "");
    refuse_numbers("ConstantOfShape", "i", huge, 2, "");
    refuse_numbers("ConstantOfShape", "i", many, 2, "");
    refuse_numbers("ConstantOfShape", "i", wrap, 2, "");
    refuse_numbers("ConstantOfShape", "i", negative, 2, "");
    refuse_numbers("Tile", "x,i", many, 1, "");
    refuse_numbers("Tile", "x,i", negative, 1, "");
    refuse_numbers("Gather", "x,i", negative, 2, "index -10 is outside an axis of extent 1");
    refuse_numbers("Gather", "x,i", huge, 2, "index 9223372036854775807 is outside an axis of extent 1");
    refuse_numbers("Reshape", "x,i", huge, 2, "");
    refuse_numbers("Pad", "x,i", many, 2, "");
    refuse_numbers("Pad", "x,i", huge, 2, "");
    refuse_numbers("TopK", "x,i", many, 1, "");
}

/* ---- devices ---- */

static void devices_that_are_missing(void **state)
{
    (void)state;
    static const char *const names[] = { "cuda:7", "gpu", "cpu:1", "", "cpu:-1", "cpu:99999999999999999999", "ref:x" };
    struct pln_text model = make_model(8, make_graph(make_node("Neg", "flip", "x", "y")));
    for (size_t i = 0; i < PLN_COUNT_OF(names); i++) {
        pln_diagnostics *diagnostics = pln_diagnostics_create();
        const struct pln_build_options options = { .struct_size = sizeof options, .diagnostics = diagnostics, .device = names[i] };
        pln_engine *engine;
        enum pln_status status = pln_build_memory(model.data, model.size_bytes, NULL, &options, &engine);
        if (status == PLN_OK) fail_msg("device '%s' was taken", names[i]);
        assert_true(status == PLN_DEVICE || status == PLN_INVALID_ARGUMENT || status == PLN_NOT_FOUND);
        expect_words(diagnostics, names[i]);
        pln_diagnostics_destroy(diagnostics);
    }
    pln_text_deinit(&model);
}

/* ---- memory, disk, time ---- */

/* i: trip count; c: condition; a carried f32[n] that a body doubles, with a scan of it; MatMul-free but with a constant, an If and a chain. */
static struct pln_text make_loop(bool endless)
{
    struct pln_text body = make_message(), graph = make_message(), node;
    make_add(&body, 1, make_node("Identity", "keep", "c", "c1"));
    make_add(&body, 1, make_node("Add", "grow", "v,w", "v1"));
    if (!endless) make_add(&body, 1, make_node("Softmax", "soft", "v1", "s1"));
    make_add(&body, 11, make_typed("i", PLN_I64, 0, NULL));
    make_add(&body, 11, make_typed("c", PLN_BOOL, 0, NULL));
    make_add(&body, 11, make_value("v", 4, NULL));
    make_add(&body, 12, make_typed("c1", PLN_BOOL, 0, NULL));
    make_add(&body, 12, make_value("v1", 4, NULL));
    if (!endless) make_add(&body, 12, make_value("s1", 4, NULL));
    pln_wire_put_string(&body, 2, "body");
    node = make_node("Loop", "loop", "trips,,x", endless ? "y" : "y,scan");
    make_add(&node, 5, make_graph_attribute("body", body));
    make_add(&graph, 1, node);
    make_add(&graph, 11, make_typed("trips", PLN_I64, 0, NULL));
    make_add(&graph, 11, make_value("x", 4, NULL));
    make_add(&graph, 12, make_value("y", 4, NULL));
    if (!endless) make_add(&graph, 12, make_named("scan"));
    make_add(&graph, 5, make_zeros("w", 4));
    pln_wire_put_string(&graph, 2, "g");
    return graph;
}

static enum pln_status build_and_run(const struct pln_text *model, struct test_alloc *memory, pln_diagnostics *diagnostics, const char *device)
{
    static const float data[4];
    static const int64_t trips = 3;
    const struct pln_build_options options = { .struct_size = sizeof options, .allocator = &memory->base, .diagnostics = diagnostics, .device = device };
    pln_engine *engine;
    pln_context *context = NULL;
    enum pln_status status = pln_build_memory(model->data, model->size_bytes, NULL, &options, &engine);
    assert_true((status == PLN_OK) == (engine != NULL));
    if (status == PLN_OK) status = pln_context_create(engine, NULL, &context);
    else assert_true(pln_diagnostics_count(diagnostics) > 0);
    pln_engine_release(engine);
    if (!context) return status;
    bind(context, "x", PLN_F32, 4, data, 16);
    bind(context, "trips", PLN_I64, -1, &trips, 8);
    status = pln_context_run(context);
    if (status != PLN_OK) assert_true(pln_diagnostics_count(pln_context_diagnostics(context)) > 0);
    enum pln_status again = pln_context_run(context); /* a run that failed leaves a context that works */
    if (status != PLN_OK) assert_int_equal(again, PLN_OK);
    pln_context_destroy(context);
    return status;
}

static void no_memory_anywhere(void **state)
{
    (void)state;
    struct pln_text model = make_model(8, make_loop(false));
    for (int d = 0; d < 2; d++) {
        long n = 1;
        for (bool failed = true; failed; n++) {
            pln_diagnostics *diagnostics = pln_diagnostics_create();
            struct test_alloc memory;
            test_alloc_init(&memory, n);
            enum pln_status status = build_and_run(&model, &memory, diagnostics, d ? "ref" : "cpu");
            failed = memory.requests >= n;
            if (failed && status != PLN_NO_MEMORY && status != PLN_OK) expect_words(diagnostics, "(no memory)");
            assert_true(status == (failed ? PLN_NO_MEMORY : PLN_OK) || (failed && status == PLN_OK));
            assert_int_equal(memory.live, 0);
            assert_int_equal(memory.live_bytes, 0);
            pln_diagnostics_destroy(diagnostics);
        }
        assert_true(n > 50);
    }
    pln_text_deinit(&model);
}

/* y = x + (a + b) · top-k of c: folding runs kernels that take outputs and scratch. */
static struct pln_text make_folding(void)
{
    struct pln_text graph = make_message(), two = make_tensor("k", PLN_I64, 1);
    static const int64_t k = 2;
    pln_wire_put_bytes(&two, 9, &k, sizeof k);
    make_add(&graph, 1, make_node("Add", "sum", "a,b", "ab"));
    make_add(&graph, 1, make_node("TopK", "top", "c,k", "values,places"));
    make_add(&graph, 1, make_node("Mul", "product", "ab,values", "f"));
    make_add(&graph, 1, make_node("Add", "end", "x,f", "y"));
    make_add(&graph, 5, make_zeros("a", 2));
    make_add(&graph, 5, make_zeros("b", 2));
    make_add(&graph, 5, make_zeros("c", 4));
    make_add(&graph, 5, two);
    make_add(&graph, 11, make_value("x", 2, NULL));
    make_add(&graph, 12, make_value("y", 2, NULL));
    return make_model(8, graph);
}

static size_t build_plan(const struct pln_text *model, struct test_alloc *memory, pln_diagnostics *diagnostics, char *out_plan, size_t room, enum pln_status *out_status)
{
    const struct pln_build_options options = { .struct_size = sizeof options, .allocator = &memory->base, .diagnostics = diagnostics };
    pln_engine *engine;
    size_t size = 0;
    *out_status = pln_build_memory(model->data, model->size_bytes, NULL, &options, &engine);
    long requests = memory->requests;
    if (*out_status == PLN_OK) {
        memory->fail_at = 0;
        assert_int_equal(pln_engine_save(engine, inside("folded.plan"), diagnostics), PLN_OK);
        FILE *file = fopen(inside("folded.plan"), "rb");
        assert_non_null(file);
        size = fread(out_plan, 1, room, file);
        assert_true(size > 0 && size < room);
        fclose(file);
        unlink(inside("folded.plan"));
    }
    pln_engine_release(engine);
    memory->requests = requests;
    return size;
}

/* Want of memory is told, and never gives another plan. */
static void no_memory_while_folding(void **state)
{
    (void)state;
    static char want[1 << 16], got[1 << 16];
    struct pln_text model = make_folding();
    struct test_alloc memory;
    enum pln_status status;
    test_alloc_init(&memory, 0);
    size_t size = build_plan(&model, &memory, NULL, want, sizeof want, &status);
    assert_int_equal(status, PLN_OK);
    long total = memory.requests, failures = 0;
    for (long n = 1; n <= 2 * total; n++) {
        pln_diagnostics *diagnostics = pln_diagnostics_create();
        test_alloc_init(&memory, (n + 1) / 2);
        memory.fail_more = n % 2;
        size_t got_size = build_plan(&model, &memory, diagnostics, got, sizeof got, &status);
        if (status == PLN_OK) {
            assert_int_equal(got_size, size);
            assert_memory_equal(got, want, size);
        } else {
            assert_int_equal(status, PLN_NO_MEMORY);
            expect_words(diagnostics, "memory");
            failures++;
        }
        assert_int_equal(memory.live, 0);
        pln_diagnostics_destroy(diagnostics);
    }
    assert_true(failures > 40);
    pln_text_deinit(&model);
}

static void no_disk_space(void **state)
{
    (void)state;
    pln_engine *engine = build(make_model(8, make_loop(false)), PLN_OK, "");
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    struct rlimit old, tight;
    int before = count_files();
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_IGN);
    tight = (struct rlimit){ 64, old.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    enum pln_status status = pln_engine_save(engine, inside("out.plan"), diagnostics);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(status, PLN_IO);
    expect_words(diagnostics, inside("out.plan"));
    assert_int_equal(count_files(), before);
    assert_int_equal(pln_engine_save(engine, inside("no/such/folder.plan"), diagnostics), PLN_IO);
    assert_int_equal(pln_engine_save(engine, "/dev/full", diagnostics), PLN_IO);
    assert_int_equal(pln_engine_save(engine, folder, diagnostics), PLN_IO);
    assert_int_equal(count_files(), before);
    assert_int_equal(pln_engine_save(engine, inside("out.plan"), diagnostics), PLN_OK);
    pln_diagnostics_destroy(diagnostics);
    pln_engine_release(engine);
}

static void *cancel_soon(void *user)
{
    const struct timespec wait = { 0, 50000000 };
    nanosleep(&wait, NULL);
    pln_context_cancel(user);
    return NULL;
}

static void endless_loops(void **state)
{
    (void)state;
    static const float data[4];
    static const int64_t trips = INT64_MAX;
    pthread_t thread;
    pln_context *context = make_context(build(make_model(8, make_loop(true)), PLN_OK, ""));
    bind(context, "x", PLN_F32, 4, data, 16);
    bind(context, "trips", PLN_I64, -1, &trips, 8);
    double start = seconds();
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, context), 0);
    assert_int_equal(pln_context_run(context), PLN_CANCELLED);
    pthread_join(thread, NULL);
    assert_true(seconds() - start < 5 * SLOWER);
    pln_context_destroy(context);
    /* One that collects what it makes ends at the limit of memory. */
    const struct pln_context_options options = { .struct_size = sizeof options, .memory_limit_bytes = (size_t)1 << 20 };
    pln_engine *engine = build(make_model(8, make_loop(false)), PLN_OK, "");
    assert_int_equal(pln_context_create(engine, &options, &context), PLN_OK);
    pln_engine_release(engine);
    bind(context, "x", PLN_F32, 4, data, 16);
    bind(context, "trips", PLN_I64, -1, &trips, 8);
    assert_int_equal(pln_context_run(context), PLN_NO_MEMORY);
    expect_words(pln_context_diagnostics(context), "memory");
    pln_context_destroy(context);
}

/* Messages outlive the models that they are about, and a list may serve several builds. */
static void diagnostics_used_again(void **state)
{
    (void)state;
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    const struct pln_build_options options = { .struct_size = sizeof options, .diagnostics = diagnostics, .memory_limit_bytes = 20000 };
    pln_engine *engine;
    struct pln_text model = make_model(8, make_loop(false));
    for (int i = 0; i < 4; i++) {
        struct pln_build_options one = options;
        one.memory_limit_bytes = (uint64_t)1000 << (2 * i);
        enum pln_status status = pln_build_memory(model.data, model.size_bytes, NULL, &one, &engine);
        assert_true(status == PLN_OK || status == PLN_NO_MEMORY);
        pln_engine_release(engine);
        assert_int_equal(pln_build_memory("text", 4, NULL, &one, &engine), PLN_BAD_MODEL);
    }
    struct pln_message last;
    assert_int_equal(pln_diagnostics_get(diagnostics, pln_diagnostics_count(diagnostics) - 1, &last), PLN_OK);
    assert_string_equal(last.node, "");
    pln_text_deinit(&model);
    pln_diagnostics_destroy(diagnostics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_that_are_no_models), cmocka_unit_test(a_model_cut_off),        cmocka_unit_test(nodes_that_do_not_fit),   cmocka_unit_test(cycles),
        cmocka_unit_test(attributes_out_of_their_range), cmocka_unit_test(nesting),           cmocka_unit_test(deep_nesting_runs), cmocka_unit_test(loops_in_loops), cmocka_unit_test(functions_that_explode),  cmocka_unit_test(sizes_that_lie),
        cmocka_unit_test(external_data_elsewhere),  cmocka_unit_test(shapes_that_do_not_fit), cmocka_unit_test(numbers_that_do_not_fit), cmocka_unit_test(devices_that_are_missing),
        cmocka_unit_test(inputs_with_defaults),
        cmocka_unit_test(no_memory_anywhere),
        cmocka_unit_test(no_memory_while_folding),       cmocka_unit_test(no_disk_space),          cmocka_unit_test(endless_loops),           cmocka_unit_test(diagnostics_used_again),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
