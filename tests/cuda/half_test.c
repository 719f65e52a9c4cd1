/* Floats stored in 16 bits: what is larger than these hold, though its operands are not, stays f32. On the fake driver,
 * or a GPU. */
#define _GNU_SOURCE
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "planish/network.h"
#include "tests/cuda/words.h"

enum { BATCH = 2, ROWS = 70, COLS = 16, COUNT = BATCH * ROWS * COLS, MOST_NODES = 8 };

/* Nodes behind p = x w, whose elements are about 1500. axis: of a reduction. */
struct node {
    const char *op, *inputs[2], *output;
    int64_t axis;
};
struct trial {
    const char *name;
    struct node nodes[MOST_NODES];
    const char *outputs[2];
};

static const struct trial trials[] = {
    { "normalization over channels that do not lie last",
      { { "ReduceMean", { "p" }, "mean", 1 },
        { "Sub", { "p", "mean" }, "d", 0 },
        { "Pow", { "d", "two" }, "q", 0 },
        { "ReduceMean", { "q" }, "v", 1 },
        { "Sqrt", { "v" }, "s", 0 },
        { "Div", { "d", "s" }, "y", 0 } },
      { "y" } },
    { "the same along the row, with its variance for all to see",
      { { "ReduceMean", { "p" }, "mean", 2 },
        { "Sub", { "p", "mean" }, "d", 0 },
        { "Mul", { "d", "d" }, "q", 0 },
        { "ReduceMean", { "q" }, "v", 2 },
        { "Sqrt", { "v" }, "s", 0 },
        { "Div", { "d", "s" }, "y", 0 } },
      { "y", "v" } },
    { "root mean square",
      { { "Mul", { "p", "p" }, "q", 0 },
        { "ReduceMean", { "q" }, "v", 1 },
        { "Sqrt", { "v" }, "s", 0 },
        { "Div", { "p", "s" }, "y", 0 } },
      { "y" } },
    { "a dot product by hand",
      { { "Mul", { "x", "p" }, "m", 0 },
        { "Mul", { "m", "p" }, "q", 0 },
        { "ReduceSum", { "q", "one" }, "v", -1 },
        { "Mul", { "v", "small" }, "y", 0 } },
      { "y" } },
    { "a variance in another shape",
      { { "Pow", { "p", "two" }, "q", 0 },
        { "Transpose", { "q" }, "t", 0 },
        { "ReduceMean", { "t" }, "v", 0 },
        { "Add", { "v", "one_f" }, "e", 0 },
        { "Sqrt", { "e" }, "y", 0 } },
      { "y" } },
    { "length", { { "ReduceL2", { "p" }, "s", 1 }, { "Div", { "p", "s" }, "y", 0 } }, { "y" } },
    { "the square of a product", { { "Pow", { "p", "two" }, "q", 0 }, { "Mul", { "q", "small" }, "y", 0 } }, { "y" } },
    { "a product of squares",
      { { "Mul", { "p", "p" }, "q", 0 }, { "MatMul", { "q", "w2" }, "m", 0 }, { "Mul", { "m", "small" }, "y", 0 } },
      { "y" } },
};

static float draw(unsigned *random)
{
    *random = *random * 1664525u + 1013904223u; /* Numerical Recipes' generator */
    return (float)(*random >> 8) / (float)(1 << 23) - 1;
}

static void add_node(pln_network *network, const struct node *node)
{
    const struct pln_attribute axes = { .name = "axes", .kind = PLN_ATTRIBUTE_INTS, .ints = &node->axis, .count = 1 };
    const bool reduces = strncmp(node->op, "Reduce", 6) == 0 && node->axis >= 0;
    pln_network_add_node(network, &(struct pln_network_node){ .op_type = node->op,
                                                              .inputs = node->inputs,
                                                              .input_count = node->inputs[1] ? 2 : 1,
                                                              .outputs = &node->output,
                                                              .output_count = 1,
                                                              .attributes = reduces ? &axes : NULL,
                                                              .attribute_count = reduces });
}

static pln_network *make(const struct trial *trial)
{
    static float w[COLS * COLS], w2[COLS * COLS];
    static const int64_t x_dims[] = { BATCH, ROWS, COLS }, w_dims[] = { COLS, COLS }, one_dim = 1, one = 1;
    static const float two = 2, small = 1e-6f, one_f = 1;
    static const struct node product = { "MatMul", { "x", "w" }, "p", 0 };
    unsigned random = 3;
    for (int i = 0; i < COLS * COLS; i++) {
        w[i] = 1000 * draw(&random);
        w2[i] = draw(&random);
    }
    pln_network *network = pln_network_create(trial->name, 17);
    assert_non_null(network);
    pln_network_add_input(network, "x", PLN_F32, 3, x_dims, NULL);
    pln_network_add_weights(network, "w", PLN_F32, 2, w_dims, w);
    pln_network_add_weights(network, "w2", PLN_F32, 2, w_dims, w2);
    pln_network_add_weights(network, "two", PLN_F32, 0, NULL, &two);
    pln_network_add_weights(network, "small", PLN_F32, 0, NULL, &small);
    pln_network_add_weights(network, "one_f", PLN_F32, 0, NULL, &one_f);
    pln_network_add_weights(network, "one", PLN_I64, 1, &one_dim, &one);
    add_node(network, &product);
    for (int i = 0; i < MOST_NODES && trial->nodes[i].op; i++) add_node(network, &trial->nodes[i]);
    for (int i = 0; i < 2 && trial->outputs[i]; i++)
        pln_network_add_output(network, trial->outputs[i], PLN_DTYPE_NONE, -1, NULL, NULL);
    return network;
}

static pln_context *run(const pln_network *network, const char *device, enum pln_dtype half, const float *x)
{
    const struct pln_build_options options = { .struct_size = sizeof options, .device = device, .half = half };
    const struct pln_buffer in = { .dtype = PLN_F32,
                                   .rank = 3,
                                   .dims = { BATCH, ROWS, COLS },
                                   .data = (void *)(uintptr_t)x,
                                   .size_bytes = COUNT * sizeof *x };
    pln_engine *engine;
    assert_int_equal(pln_build_network(network, &options, &engine), PLN_OK);
    pln_context *context = context_of(engine);
    pln_engine_release(engine);
    must(context, pln_context_bind_input(context, "x", &in));
    must(context, pln_context_run(context));
    return context;
}

/* The largest difference, in parts of the largest element. */
static float difference(pln_context *got, pln_context *want, const char *name)
{
    struct pln_buffer a, b;
    float most = 0, largest = 0;
    must(got, pln_context_output(got, name, &a));
    must(want, pln_context_output(want, name, &b));
    assert_int_equal(a.size_bytes, b.size_bytes);
    for (size_t i = 0; i < b.size_bytes / sizeof(float); i++) {
        const float x = ((const float *)a.data)[i], y = ((const float *)b.data)[i];
        if (!isfinite(x)) return INFINITY;
        most = fmaxf(most, fabsf(x - y));
        largest = fmaxf(largest, fabsf(y));
    }
    assert_true(largest > 0);
    return most / largest;
}

static void check_trials(enum pln_dtype half, float allowed)
{
    static float x[COUNT];
    unsigned random = 9;
    for (int i = 0; i < COUNT; i++) x[i] = draw(&random);
    for (size_t t = 0; t < sizeof trials / sizeof trials[0]; t++) {
        pln_network *network = make(&trials[t]);
        pln_context *cpu = run(network, "cpu", PLN_DTYPE_NONE, x), *cuda = run(network, "cuda", half, x);
        for (int i = 0; i < 2 && trials[t].outputs[i]; i++) {
            const float error = difference(cuda, cpu, trials[t].outputs[i]);
            if (!(error <= allowed))
                fail_msg("%s: output %s differs by %g", trials[t].name, trials[t].outputs[i], (double)error);
        }
        pln_context_destroy(cpu);
        pln_context_destroy(cuda);
        pln_network_destroy(network);
    }
}

static void f16(void **state)
{
    (void)state;
    check_trials(PLN_F16, 5e-3f);
}

static void bf16(void **state)
{
    (void)state;
    check_trials(PLN_BF16, 3e-2f);
}

/* ---- taps ---- */

enum { TAPS = 4 };
static const char *const tapped[TAPS + 1] = { "x", "p", "d", "v", NULL };

struct seen {
    float values[TAPS][COUNT];
    size_t counts[TAPS];
};

static void see(void *user, const char *name, const struct pln_buffer *value)
{
    struct seen *seen = user;
    for (int i = 0; i < TAPS; i++) {
        if (strcmp(name, tapped[i]) != 0) continue;
        assert_int_equal(value->dtype, PLN_F32);
        assert_int_equal(value->memory, PLN_MEMORY_HOST);
        assert_true(value->size_bytes <= sizeof seen->values[i]);
        memcpy(seen->values[i], value->data, value->size_bytes);
        seen->counts[i] = value->size_bytes / sizeof(float);
    }
}

static void look(const pln_network *network, const char *device, enum pln_dtype half, const float *x, struct seen *out_seen)
{
    const struct pln_build_options options = { .struct_size = sizeof options, .device = device, .half = half, .taps = tapped };
    const struct pln_buffer in = { .dtype = PLN_F32, .rank = 3, .dims = { BATCH, ROWS, COLS }, .data = (void *)(uintptr_t)x, .size_bytes = COUNT * sizeof *x };
    pln_engine *engine;
    assert_int_equal(pln_build_network(network, &options, &engine), PLN_OK);
    pln_context *context = context_of(engine);
    pln_engine_release(engine);
    memset(out_seen, 0, sizeof *out_seen);
    pln_context_set_tap(context, see, out_seen);
    must(context, pln_context_bind_input(context, "x", &in));
    must(context, pln_context_run(context));
    pln_context_destroy(context);
}

/* What lies on the GPU is shown as what lies on the host is, in the model's type. */
static void taps(void **state)
{
    static float x[COUNT];
    static struct seen want, got;
    unsigned random = 4;
    (void)state;
    for (int i = 0; i < COUNT; i++) x[i] = draw(&random);
    pln_network *network = make(&trials[0]);
    look(network, "cpu", PLN_DTYPE_NONE, x, &want);
    for (int half = 0; half < 2; half++) {
        look(network, "cuda", half ? PLN_F16 : PLN_DTYPE_NONE, x, &got);
        for (int i = 0; i < TAPS; i++) {
            float most = 0, largest = 0;
            assert_true(want.counts[i] > 0);
            if (got.counts[i] != want.counts[i]) fail_msg("tap %s has %zu elements, not %zu", tapped[i], got.counts[i], want.counts[i]);
            for (size_t k = 0; k < want.counts[i]; k++) {
                most = fmaxf(most, fabsf(got.values[i][k] - want.values[i][k]));
                largest = fmaxf(largest, fabsf(want.values[i][k]));
            }
            const float error = most / largest;
            if (!(error <= (half ? 5e-3f : 1e-5f)) || (half && strcmp(tapped[i], "p") == 0 && error == 0)) fail_msg("tap %s differs by %g", tapped[i], (double)error);
        }
    }
    pln_network_destroy(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(f16), cmocka_unit_test(bf16), cmocka_unit_test(taps) };
    return cmocka_run_group_tests(tests, open_gpu, close_gpu);
}
