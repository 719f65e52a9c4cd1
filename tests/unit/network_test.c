/* Networks built node by node: built, run, saved and read back; mistakes told with the node's name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "planish/context.h"
#include "planish/network.h"

/* y = relu(x · w + b), w: [3,2] */
static pln_network *make_layer(void)
{
    static const float w[6] = { 1, 2, 3, 4, 5, 6 }, b[2] = { 1, -30 };
    static const int64_t w_dims[2] = { 3, 2 }, b_dims[1] = { 2 }, x_dims[2] = { -1, 3 };
    static const char *const names[2] = { "batch", NULL };
    static const char *const gemm_in[3] = { "x", "w", "b" }, *const relu_in[1] = { "z" };
    static const char *const gemm_out[1] = { "z" }, *const relu_out[1] = { "y" };
    static const struct pln_attribute alpha = { .name = "alpha", .kind = PLN_ATTRIBUTE_FLOAT, .f = 2 };
    pln_network *network = pln_network_create("layer", 17);
    assert_non_null(network);
    pln_network_add_input(network, "x", PLN_F32, 2, x_dims, names);
    pln_network_add_weights(network, "w", PLN_F32, 2, w_dims, w);
    pln_network_add_weights(network, "b", PLN_F32, 1, b_dims, b);
    pln_network_add_node(network, &(struct pln_network_node){ .op_type = "Gemm", .name = "gemm", .inputs = gemm_in, .input_count = 3, .outputs = gemm_out, .output_count = 1, .attributes = &alpha, .attribute_count = 1 });
    pln_network_add_node(network, &(struct pln_network_node){ .op_type = "Relu", .name = "relu", .inputs = relu_in, .input_count = 1, .outputs = relu_out, .output_count = 1 });
    pln_network_add_output(network, "y", PLN_DTYPE_NONE, -1, NULL, NULL);
    return network;
}

static void check_layer(pln_engine *engine)
{
    static const float x[6] = { 1, 1, 1, 0, 1, 0 };
    pln_context *context;
    struct pln_buffer in = { .dtype = PLN_F32, .rank = 2, .dims = { 2, 3 }, .data = (void *)(uintptr_t)x, .size_bytes = sizeof x }, out;
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    assert_int_equal(pln_context_bind_input(context, "x", &in), PLN_OK);
    assert_int_equal(pln_context_run(context), PLN_OK);
    assert_int_equal(pln_context_output(context, "y", &out), PLN_OK);
    assert_int_equal(out.rank, 2);
    assert_int_equal(out.dims[0], 2);
    const float want[4] = { 19, 0, 7, 0 }; /* 2·(1+3+5)+1, 2·(2+4+6)-30, 2·3+1, 2·4-30 */
    assert_memory_equal(out.data, want, sizeof want);
    pln_context_destroy(context);
}

static void test_layer(void **state)
{
    (void)state;
    pln_network *network = make_layer();
    pln_engine *engine;
    assert_int_equal(pln_build_network(network, NULL, &engine), PLN_OK);
    check_layer(engine);
    pln_engine_release(engine);
    char path[64];
    snprintf(path, sizeof path, "network-test-%d.onnx", (int)getpid());
    assert_int_equal(pln_network_save(network, path, NULL), PLN_OK);
    pln_network_destroy(network);
    assert_int_equal(pln_build_file(path, NULL, &engine), PLN_OK);
    unlink(path);
    check_layer(engine);
    pln_engine_release(engine);
}

static void begin(const pln_network *network, const struct pln_build_options *build, const struct pln_context_options *own, pln_engine **out_engine, pln_context **out_context)
{
    assert_int_equal(pln_build_network(network, build, out_engine), PLN_OK);
    assert_int_equal(pln_context_create(*out_engine, own, out_context), PLN_OK);
}

static void finish(pln_engine *engine, pln_context *context)
{
    pln_context_destroy(context);
    pln_engine_release(engine);
}

/* x: n floats */
static void bind_x(pln_context *context, float *x, int64_t n)
{
    const struct pln_buffer value = { .dtype = PLN_F32, .rank = 1, .dims = { n }, .data = x, .size_bytes = (size_t)n * sizeof *x };
    assert_int_equal(pln_context_bind_input(context, "x", &value), PLN_OK);
}

static void bind_scalar(pln_context *context, const char *name, enum pln_dtype dtype, void *data, size_t size_bytes)
{
    const struct pln_buffer value = { .dtype = dtype, .data = data, .size_bytes = size_bytes };
    assert_int_equal(pln_context_bind_input(context, name, &value), PLN_OK);
}

static void run_for_y(pln_context *context, struct pln_buffer *out_y)
{
    assert_int_equal(pln_context_run(context), PLN_OK);
    assert_int_equal(pln_context_output(context, "y", out_y), PLN_OK);
}

static pln_network *make_branch(const char *op_type)
{
    static const char *const in[2] = { "x", "x" }, *const out[1] = { "r" };
    pln_network *body = pln_network_create("body", 17);
    pln_network_add_node(body, &(struct pln_network_node){ .op_type = op_type, .inputs = in, .input_count = 2, .outputs = out, .output_count = 1 });
    pln_network_add_output(body, "r", PLN_DTYPE_NONE, -1, NULL, NULL);
    return body;
}

static void test_bodies(void **state)
{
    (void)state;
    static const char *const in[1] = { "c" }, *const out[1] = { "y" };
    static const int64_t dims[1] = { -1 };
    pln_network *network = pln_network_create("if", 17), *then = make_branch("Add"), *other = make_branch("Mul");
    const struct pln_attribute bodies[2] = { { .name = "then_branch", .kind = PLN_ATTRIBUTE_BODY, .body = then }, { .name = "else_branch", .kind = PLN_ATTRIBUTE_BODY, .body = other } };
    pln_network_add_input(network, "c", PLN_BOOL, 0, NULL, NULL);
    pln_network_add_input(network, "x", PLN_F32, 1, dims, NULL);
    pln_network_add_node(network, &(struct pln_network_node){ .op_type = "If", .name = "choice", .inputs = in, .input_count = 1, .outputs = out, .output_count = 1, .attributes = bodies, .attribute_count = 2 });
    pln_network_add_output(network, "y", PLN_DTYPE_NONE, -1, NULL, NULL);
    pln_engine *engine;
    pln_context *context;
    begin(network, NULL, NULL, &engine, &context);
    for (uint8_t c = 0; c < 2; c++) {
        float x[3] = { 3, 4, 5 };
        struct pln_buffer y;
        bind_scalar(context, "c", PLN_BOOL, &c, 1);
        bind_x(context, x, 3);
        run_for_y(context, &y);
        for (int i = 0; i < 3; i++) assert_true(((float *)y.data)[i] == (c ? x[i] + x[i] : x[i] * x[i]));
    }
    finish(engine, context);
    pln_network_destroy(network);
    pln_network_destroy(then);
    pln_network_destroy(other);
}

static void add(pln_network *network, const char *op_type, const char *a, const char *b, const char *c, const char *y, const struct pln_attribute *body)
{
    const char *const in[3] = { a, b, c }, *const out[1] = { y };
    pln_network_add_node(network, &(struct pln_network_node){ .op_type = op_type, .inputs = in, .input_count = 1 + (b != NULL) + (c != NULL), .outputs = out, .output_count = 1, .attributes = body, .attribute_count = body ? 1 : 0 });
}

/* The body of a Loop that always goes on and carries floats, `carried` becoming `more`. */
static pln_network *begin_loop_body(const char *carried)
{
    static const int64_t dims[1] = { -1 };
    pln_network *body = pln_network_create("body", 17);
    pln_network_add_input(body, "i", PLN_I64, 0, NULL, NULL);
    pln_network_add_input(body, "go", PLN_BOOL, 0, NULL, NULL);
    pln_network_add_input(body, carried, PLN_F32, 1, dims, NULL);
    add(body, "Identity", "go", NULL, NULL, "on", NULL);
    pln_network_add_output(body, "on", PLN_BOOL, 0, NULL, NULL);
    pln_network_add_output(body, "more", PLN_F32, 1, dims, NULL);
    return body;
}

/* A loop whose body shows a part of an outer value and does nothing with it, the value's last use being before the loop. Without the pass that takes
 * such views out, the run must find what they show. */
static void test_idle_view(void **state)
{
    (void)state;
    static const int64_t start[1] = { 0 }, end[1] = { 1 }, dims[1] = { -1 };
    static const char *const disabled[2] = { "dead", NULL };
    pln_network *body = begin_loop_body("sum"), *network = pln_network_create("outer", 17);
    add(body, "Slice", "once", "start", "end", "idle", NULL);
    add(body, "Add", "sum", "twice", NULL, "more", NULL);
    const struct pln_attribute bodies = { .name = "body", .kind = PLN_ATTRIBUTE_BODY, .body = body };
    pln_network_add_input(network, "n", PLN_I64, 0, NULL, NULL);
    pln_network_add_input(network, "x", PLN_F32, 1, dims, NULL);
    pln_network_add_weights(network, "start", PLN_I64, 1, (const int64_t[]){ 1 }, start);
    pln_network_add_weights(network, "end", PLN_I64, 1, (const int64_t[]){ 1 }, end);
    add(network, "NonZero", "x", NULL, NULL, "places", NULL); /* an extent that only the run knows */
    add(network, "Cast", "places", NULL, NULL, "numbers", &(struct pln_attribute){ .name = "to", .kind = PLN_ATTRIBUTE_INT, .i = PLN_F32 });
    add(network, "Compress", "numbers", "all", NULL, "once", NULL);
    add(network, "ReduceSum", "once", NULL, NULL, "twice", NULL);
    pln_network_add_weights(network, "all", PLN_BOOL, 1, (const int64_t[]){ 2 }, "\1\1");
    add(network, "Loop", "n", "", "x", "y", &bodies);
    pln_network_add_output(network, "y", PLN_F32, 1, dims, NULL);
    const struct pln_build_options options = { .struct_size = sizeof options, .disabled_passes = disabled };
    pln_engine *engine;
    pln_context *context;
    begin(network, &options, NULL, &engine, &context);
    int64_t n = 2;
    float x[3] = { 3, 4, 5 };
    struct pln_buffer y;
    bind_scalar(context, "n", PLN_I64, &n, sizeof n);
    bind_x(context, x, 3);
    run_for_y(context, &y);
    for (int i = 0; i < 3; i++) assert_true(((float *)y.data)[i] == x[i] + 2); /* 0 + 1 twice */
    finish(engine, context);
    pln_network_destroy(network);
    pln_network_destroy(body);
}

/* A loop without an end whose scan output is larger in every iteration: told in the second, not when the memory is full. */
static void test_growing_scan(void **state)
{
    (void)state;
    static const int64_t dims[1] = { -1 };
    pln_network *body = begin_loop_body("v"), *network = pln_network_create("outer", 17);
    add(body, "Concat", "v", "v", NULL, "more", &(struct pln_attribute){ .name = "axis", .kind = PLN_ATTRIBUTE_INT });
    add(body, "Identity", "v", NULL, NULL, "seen", NULL);
    pln_network_add_output(body, "seen", PLN_F32, 1, dims, NULL);
    const struct pln_attribute bodies = { .name = "body", .kind = PLN_ATTRIBUTE_BODY, .body = body };
    const char *const in[3] = { "", "", "x" }, *const out[2] = { "last", "y" };
    pln_network_add_input(network, "x", PLN_F32, 1, dims, NULL);
    pln_network_add_node(network, &(struct pln_network_node){ .op_type = "Loop", .name = "grows", .inputs = in, .input_count = 3, .outputs = out, .output_count = 2, .attributes = &bodies, .attribute_count = 1 });
    pln_network_add_output(network, "y", PLN_F32, -1, NULL, NULL);
    pln_engine *engine;
    pln_context *context;
    struct pln_message message;
    const struct pln_context_options options = { .struct_size = sizeof options, .memory_limit_bytes = (size_t)16 << 20 };
    begin(network, NULL, &options, &engine, &context);
    float x[3] = { 3, 4, 5 };
    bind_x(context, x, 3);
    assert_int_equal(pln_context_run(context), PLN_BAD_MODEL);
    assert_int_equal(pln_diagnostics_get(pln_context_diagnostics(context), 0, &message), PLN_OK);
    assert_non_null(strstr(message.text, "changes its shape"));
    assert_string_equal(message.node, "grows");
    finish(engine, context);
    pln_network_destroy(network);
    pln_network_destroy(body);
}

/* Parts of 2 and 3 of a dim that only the run tells: it must be 5. */
static void test_split_of_an_open_dim(void **state)
{
    (void)state;
    static const int64_t dims[1] = { -1 }, parts[2] = { 2, 3 };
    const char *const in[2] = { "x", "parts" }, *const out[2] = { "a", "b" };
    pln_network *network = pln_network_create("parts", 17);
    pln_network_add_input(network, "x", PLN_F32, 1, dims, NULL);
    pln_network_add_weights(network, "parts", PLN_I64, 1, (const int64_t[]){ 2 }, parts);
    pln_network_add_node(network, &(struct pln_network_node){ .op_type = "Split", .name = "cut", .inputs = in, .input_count = 2, .outputs = out, .output_count = 2 });
    pln_network_add_output(network, "a", PLN_F32, -1, NULL, NULL);
    pln_network_add_output(network, "b", PLN_F32, -1, NULL, NULL);
    pln_engine *engine;
    pln_context *context;
    begin(network, NULL, NULL, &engine, &context);
    for (int64_t n = 3; n < 8; n++) {
        float x[8] = { 0 };
        struct pln_message message;
        bind_x(context, x, n);
        assert_true((pln_context_run(context) == PLN_OK) == (n == 5));
        if (n == 5) continue;
        assert_int_equal(pln_diagnostics_get(pln_context_diagnostics(context), 0, &message), PLN_OK);
        assert_string_equal(message.node, "cut");
    }
    finish(engine, context);
    pln_network_destroy(network);
}

/* Lengths whose sum is that of the axis only because it overflows int64, and so does the place where the one that is used begins: x[:,2:3] if nobody
 * looks. They are known to the run alone; those of a model are refused for the parts' shapes. */
static void test_split_whose_lengths_overflow(void **state)
{
    (void)state;
    static const int64_t dims[2] = { -1, 4 }, parts[4] = { INT64_MAX, INT64_MAX, 1, 5 }, four = 4;
    static const char *const devices[2] = { "cpu", "ref" };
    static const struct pln_attribute axis = { .name = "axis", .kind = PLN_ATTRIBUTE_INT, .i = 1 };
    const char *const in[2] = { "x", "parts" }, *const out[4] = { "a", "b", "c", "d" };
    pln_network *network = pln_network_create("parts", 17);
    pln_network_add_input(network, "x", PLN_F32, 2, dims, NULL);
    pln_network_add_input(network, "parts", PLN_I64, 1, &four, NULL);
    pln_network_add_node(network, &(struct pln_network_node){ .op_type = "Split", .name = "cut", .inputs = in, .input_count = 2, .outputs = out, .output_count = 4, .attributes = &axis, .attribute_count = 1 });
    pln_network_add_output(network, "c", PLN_F32, -1, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        const struct pln_build_options options = { .struct_size = sizeof options, .device = devices[i] };
        float x[8] = { 0 };
        struct pln_buffer value = { .dtype = PLN_F32, .rank = 2, .dims = { 2, 4 }, .data = x, .size_bytes = sizeof x };
        struct pln_message message;
        pln_engine *engine;
        pln_context *context;
        const struct pln_buffer lengths = { .dtype = PLN_I64, .rank = 1, .dims = { 4 }, .data = (void *)parts, .size_bytes = sizeof parts };
        begin(network, &options, NULL, &engine, &context);
        assert_int_equal(pln_context_bind_input(context, "parts", &lengths), PLN_OK);
        assert_int_equal(pln_context_bind_input(context, "x", &value), PLN_OK);
        assert_int_not_equal(pln_context_run(context), PLN_OK); /* the first part has more bytes than there are, or the lengths are wrong */
        value = (struct pln_buffer){ .dtype = PLN_F32, .rank = 2, .dims = { 0, 4 }, .data = x };
        assert_int_equal(pln_context_bind_input(context, "x", &value), PLN_OK);
        assert_int_equal(pln_context_run(context), PLN_BAD_MODEL);
        assert_int_equal(pln_diagnostics_get(pln_context_diagnostics(context), 0, &message), PLN_OK);
        assert_string_equal(message.node, "cut");
        assert_non_null(strstr(message.text, "part 1 has a bad length"));
        finish(engine, context);
    }
    pln_network_destroy(network);
}

static void test_mistakes(void **state)
{
    (void)state;
    static const char *const in[2] = { "x", "nothing" }, *const out[1] = { "y" };
    static const int64_t dims[1] = { 3 }, negative[1] = { -1 };
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    const struct pln_build_options options = { .struct_size = sizeof options, .diagnostics = diagnostics };
    struct pln_message message;
    pln_engine *engine;
    pln_network *network = pln_network_create(NULL, 0);
    pln_network_add_input(network, "x", PLN_F32, 1, dims, NULL);
    pln_network_add_node(network, &(struct pln_network_node){ .op_type = "Add", .name = "lonely", .inputs = in, .input_count = 2, .outputs = out, .output_count = 1 });
    pln_network_add_output(network, "y", PLN_DTYPE_NONE, -1, NULL, NULL);
    assert_int_equal(pln_build_network(network, &options, &engine), PLN_BAD_MODEL);
    assert_null(engine);
    assert_int_equal(pln_diagnostics_get(diagnostics, 0, &message), PLN_OK);
    assert_string_equal(message.node, "lonely");
    assert_non_null(strstr(message.text, "nothing"));
    pln_network_add_weights(network, "w", PLN_F32, 1, negative, NULL);
    assert_int_equal(pln_build_network(network, &options, &engine), PLN_INVALID_ARGUMENT);
    pln_network_destroy(network);
    pln_diagnostics_destroy(diagnostics);
}

/* Counts calls, stops at one of them, and notes whether weights were told in order. */
struct seen {
    int calls, stop_at, weights, last;
};

static int look(void *user, const char *phase, int done, int total)
{
    struct seen *seen = user;
    assert_true(phase && phase[0] && done >= 0 && (total == 0 || done <= total));
    if (strcmp(phase, "pack weights") == 0) {
        assert_true(total > 0 && (seen->weights++ == 0 || done >= seen->last));
        seen->last = done;
    }
    return ++seen->calls != seen->stop_at;
}

static void test_progress(void **state)
{
    (void)state;
    pln_network *network = make_layer();
    pln_engine *engine;
    struct seen all = { 0 };
    const struct pln_build_options options = { .struct_size = sizeof options, .progress = look, .progress_user = &all };
    assert_int_equal(pln_build_network(network, &options, &engine), PLN_OK);
    pln_engine_release(engine);
    assert_true(all.weights > 0);
    for (int i = 1; i <= all.calls; i++) {
        pln_diagnostics *diagnostics = pln_diagnostics_create();
        struct seen some = { .stop_at = i };
        const struct pln_build_options stopped = { .struct_size = sizeof stopped, .diagnostics = diagnostics, .progress = look, .progress_user = &some };
        assert_int_equal(pln_build_network(network, &stopped, &engine), PLN_CANCELLED);
        assert_null(engine);
        assert_int_equal(some.calls, i);
        assert_true(pln_diagnostics_count(diagnostics) > 0);
        pln_diagnostics_destroy(diagnostics);
    }
    pln_network_destroy(network);
}

static void node(pln_network *network, const char *type, const char *const *inputs, int n, const char *output, const struct pln_attribute *attributes, int n_attributes)
{
    const struct pln_network_node own = { .op_type = type, .name = output, .inputs = inputs, .input_count = n, .outputs = &output, .output_count = 1,
                                          .attributes = attributes, .attribute_count = n_attributes };
    pln_network_add_node(network, &own);
}
#define INPUTS(...) (const char *const[]){ __VA_ARGS__ }, (int)(sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

/* A convolution, a gate, resizes, what joins them, a transposed convolution. Returns how many copies the CPU makes. */
static int copies_of_decoder(int64_t channels)
{
    static const float values[16 * 3 * 8], scales[4] = { 1, 1, 2, 2 };
    const int64_t x_dims[4] = { 1, channels, 6, 6 }, w_dims[4] = { 8, channels, 1, 1 }, v_dims[4] = { 16, channels, 1, 1 }, scale_dims[1] = { 4 };
    static const struct pln_attribute axis = { .name = "axis", .kind = PLN_ATTRIBUTE_INT, .i = 1 };
    const struct pln_build_options options = { .struct_size = sizeof options, .device = "cpu" };
    int copies = 0;
    pln_network *network = pln_network_create("decoder", 17);
    pln_engine *engine;
    pln_network_add_input(network, "x", PLN_F32, 4, x_dims, NULL);
    pln_network_add_weights(network, "w", PLN_F32, 4, w_dims, values);
    pln_network_add_weights(network, "v", PLN_F32, 4, v_dims, values);
    pln_network_add_weights(network, "scales", PLN_F32, 1, scale_dims, scales);
    node(network, "Conv", INPUTS("x", "w"), "c", NULL, 0);
    node(network, "GlobalAveragePool", INPUTS("c"), "mean", NULL, 0);
    node(network, "Sigmoid", INPUTS("mean"), "gate", NULL, 0);
    node(network, "Mul", INPUTS("c", "gate"), "gated", NULL, 0);
    node(network, "Add", INPUTS("gated", "c"), "sum", NULL, 0);
    node(network, "Resize", INPUTS("sum", "", "scales"), "large", NULL, 0);
    node(network, "Resize", INPUTS("c", "", "scales"), "larger", NULL, 0);
    node(network, "Concat", INPUTS("large", "larger"), "both", &axis, 1);
    node(network, "ConvTranspose", INPUTS("both", "v"), "y", NULL, 0);
    pln_network_add_output(network, "y", PLN_DTYPE_NONE, -1, NULL, NULL);
    assert_int_equal(pln_build_network(network, &options, &engine), PLN_OK);
    pln_network_destroy(network);
    struct pln_step_info step;
    for (int i = 0; pln_engine_step(engine, i, &step) == PLN_OK; i++) copies += strcmp(step.kernel, "copy") == 0;
    pln_engine_release(engine);
    return copies;
}

/* Convolution stores images channels last; what follows keeps them so, and copies are made where the network begins and ends. */
static void test_order(void **state)
{
    (void)state;
    assert_int_equal(copies_of_decoder(3), 2);
    assert_int_equal(copies_of_decoder(1), 0); /* one channel lies in no order */
}

/* Pooling takes an image as it lies: *out_copies, and the order that its kernel has. */
static bool pools_last(bool behind_conv, int *out_copies)
{
    static const float values[8 * 3];
    static const int64_t x_dims[4] = { 1, 3, 40, 40 }, w_dims[4] = { 8, 3, 1, 1 }, sizes[2] = { 3, 3 };
    static const struct pln_attribute window[2] = { { .name = "kernel_shape", .kind = PLN_ATTRIBUTE_INTS, .ints = sizes, .count = 2 }, { .name = "strides", .kind = PLN_ATTRIBUTE_INTS, .ints = sizes, .count = 2 } };
    const struct pln_build_options options = { .struct_size = sizeof options, .device = "cpu" };
    pln_network *network = pln_network_create("pool", 17);
    pln_engine *engine;
    pln_network_add_input(network, "x", PLN_F32, 4, x_dims, NULL);
    pln_network_add_weights(network, "w", PLN_F32, 4, w_dims, values);
    if (behind_conv) node(network, "Conv", INPUTS("x", "w"), "c", NULL, 0);
    node(network, "MaxPool", (const char *const[]){ behind_conv ? "c" : "x" }, 1, "y", window, 2);
    pln_network_add_output(network, "y", PLN_DTYPE_NONE, -1, NULL, NULL);
    assert_int_equal(pln_build_network(network, &options, &engine), PLN_OK);
    pln_network_destroy(network);
    struct pln_step_info step;
    bool last = false;
    *out_copies = 0;
    for (int i = 0; pln_engine_step(engine, i, &step) == PLN_OK; i++) {
        *out_copies += strcmp(step.kernel, "copy") == 0;
        last = last || strncmp(step.kernel, "pool_f32_last", 13) == 0;
    }
    pln_engine_release(engine);
    return last;
}

static void test_order_of_pools(void **state)
{
    int copies;
    (void)state;
    assert_false(pools_last(false, &copies));
    assert_int_equal(copies, 0);
    assert_true(pools_last(true, &copies));
    assert_int_equal(copies, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_layer), cmocka_unit_test(test_order), cmocka_unit_test(test_order_of_pools), cmocka_unit_test(test_bodies), cmocka_unit_test(test_idle_view), cmocka_unit_test(test_growing_scan), cmocka_unit_test(test_split_of_an_open_dim), cmocka_unit_test(test_split_whose_lengths_overflow), cmocka_unit_test(test_mistakes), cmocka_unit_test(test_progress) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
