/* Operands of Concat that are made in its result: what is a step no more, what stays one, and that the numbers are those of the reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "planish/context.h"
#include "planish/network.h"
#include "runtime/resolve.h"

enum { MOST = 6, ELEMENTS = 4096 };

/* A node, its inputs and its output; Concat: the axis. */
struct node {
    const char *op, *inputs[MOST], *output;
    int64_t axis;
};

/* x [2, 3, 4, 5], w [32, 3, 1, 1], v [32, 32, 1, 1]. */
struct model {
    const char *name;
    struct node nodes[MOST];
    const char *outputs[MOST];
    int copying; /* Concats that copy something */
};

static pln_engine *build(const struct model *model, const char *device)
{
    static const int64_t x_dims[4] = { -1, 3, 4, 5 }, w_dims[4] = { 32, 3, 1, 1 }, v_dims[4] = { 32, 32, 1, 1 };
    static const char *const names[4] = { "n" };
    static float w[32 * 32];
    pln_engine *engine = NULL;
    pln_network *network = pln_network_create("joins", 17);
    for (int i = 0; i < 32 * 32; i++) w[i] = (float)(i * 29 % 31) / 64 - 0.25f;
    pln_network_add_input(network, "x", PLN_F32, 4, x_dims, names);
    pln_network_add_weights(network, "w", PLN_F32, 4, w_dims, w);
    pln_network_add_weights(network, "v", PLN_F32, 4, v_dims, w);
    for (const struct node *node = model->nodes; node < model->nodes + MOST && node->op; node++) {
        const struct pln_attribute axis = { .name = "axis", .kind = PLN_ATTRIBUTE_INT, .i = node->axis };
        const bool has_axis = strcmp(node->op, "Concat") == 0;
        int n = 0;
        while (n < MOST && node->inputs[n]) n++;
        pln_network_add_node(network, &(struct pln_network_node){ .op_type = node->op, .inputs = node->inputs, .input_count = n, .outputs = &node->output, .output_count = 1, .attributes = has_axis ? &axis : NULL, .attribute_count = has_axis });
    }
    for (int i = 0; i < MOST && model->outputs[i]; i++) pln_network_add_output(network, model->outputs[i], PLN_DTYPE_NONE, -1, NULL, NULL);
    const struct pln_build_options options = { .struct_size = sizeof options, .device = device };
    if (pln_build_network(network, &options, &engine) != PLN_OK) fail_msg("%s: no engine", model->name);
    pln_network_destroy(network);
    return engine;
}

static void run(const struct model *model, pln_engine *engine, float out[MOST][ELEMENTS], size_t counts[MOST])
{
    static float data[2 * 3 * 4 * 5];
    pln_context *context;
    struct pln_buffer x = { .dtype = PLN_F32, .rank = 4, .data = data, .dims = { 2, 3, 4, 5 }, .size_bytes = sizeof data }, y;
    for (size_t i = 0; i < sizeof data / sizeof *data; i++) data[i] = (float)(i * 37 % 101) / 16 - 3;
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    assert_int_equal(pln_context_bind_input(context, "x", &x), PLN_OK);
    for (int again = 0; again < 2; again++) {
        struct pln_message message;
        if (pln_context_run(context) != PLN_OK && pln_diagnostics_get(pln_context_diagnostics(context), 0, &message) == PLN_OK) fail_msg("%s: %s", model->name, message.text);
    }
    for (int i = 0; i < MOST && model->outputs[i]; i++) {
        assert_int_equal(pln_context_output(context, model->outputs[i], &y), PLN_OK);
        assert_true(y.size_bytes <= sizeof out[i]);
        memcpy(out[i], y.data, y.size_bytes);
        counts[i] = y.size_bytes / sizeof(float);
    }
    pln_context_destroy(context);
}

static void count_concats(void *user, const char *line)
{
    *(int *)user += strstr(line, " = concat(") != NULL;
}

static void joins(void **state)
{
    (void)state;
    static const struct model models[] = {
        { "operands of one user", { { "Relu", { "x" }, "a", 0 }, { "Abs", { "x" }, "b", 0 }, { "Concat", { "a", "b" }, "y", 3 } }, { "y" }, 0 },
        { "along a middle axis", { { "Relu", { "x" }, "a", 0 }, { "Abs", { "x" }, "b", 0 }, { "Concat", { "a", "b" }, "y", 2 } }, { "y" }, 0 },
        { "images", { { "Conv", { "x", "w" }, "a", 0 }, { "Conv", { "a", "v" }, "b", 0 }, { "Concat", { "a", "b" }, "c", 1 }, { "GlobalMaxPool", { "c" }, "y", 0 } }, { "y" }, 0 },
        { "an operand that is read beside what is written", { { "Exp", { "x" }, "a", 0 }, { "Softmax", { "a" }, "b", 0 }, { "Concat", { "a", "b", "a" }, "y", 3 } }, { "y" }, 1 },
        { "an input", { { "Relu", { "x" }, "a", 0 }, { "Concat", { "x", "a" }, "y", 3 } }, { "y" }, 1 },
        { "an output", { { "Relu", { "x" }, "a", 0 }, { "Abs", { "x" }, "b", 0 }, { "Concat", { "a", "b" }, "y", 3 } }, { "y", "a" }, 1 },
        { "two results", { { "Relu", { "x" }, "a", 0 }, { "Abs", { "x" }, "b", 0 }, { "Concat", { "a", "b" }, "y", 3 }, { "Concat", { "b", "a" }, "z", 3 } }, { "y", "z" }, 1 },
        { "a result in a result", { { "Relu", { "x" }, "a", 0 }, { "Abs", { "x" }, "b", 0 }, { "Concat", { "a", "b" }, "c", 3 }, { "Neg", { "c" }, "d", 0 }, { "Concat", { "c", "d" }, "y", 2 } }, { "y" }, 1 },
    };
    static float mine[MOST][ELEMENTS], wanted[MOST][ELEMENTS];
    size_t counts[MOST], wanted_counts[MOST];
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        int copying = 0;
        pln_engine *engine = build(&models[m], "cpu"), *reference = build(&models[m], "ref");
        run(&models[m], engine, mine, counts);
        run(&models[m], reference, wanted, wanted_counts);
        for (int o = 0; o < MOST && models[m].outputs[o]; o++) {
            assert_int_equal(counts[o], wanted_counts[o]);
            for (size_t i = 0; i < counts[o]; i++)
                if (!(mine[o][i] - wanted[o][i] < 1e-5f && wanted[o][i] - mine[o][i] < 1e-5f)) fail_msg("%s: element %zu is %g, not %g", models[m].name, i, (double)mine[o][i], (double)wanted[o][i]);
        }
        assert_int_equal(pln_engine_dump(engine, count_concats, &copying), PLN_OK);
        if (copying != models[m].copying) fail_msg("%s: %d steps that join, not %d", models[m].name, copying, models[m].copying);
        pln_engine_release(engine);
        pln_engine_release(reference);
    }
}

/* Parts of a tensor [rows, 8] in memory: columns [from, from + n). */
static struct pln_tensor part(float *data, int64_t rows, int64_t from, int64_t n)
{
    return (struct pln_tensor){ .dtype = PLN_F32, .rank = 2, .data = data + from, .dims = { rows, n }, .strides = { 8, 1 } };
}

static void overlaps(void **state)
{
    (void)state;
    static float data[128];
    static const struct {
        int64_t rows, from, n, other_rows, other_from, other_n;
        bool overlap;
    } cases[] = {
        { 4, 0, 3, 4, 3, 5, false }, { 4, 0, 3, 4, 2, 5, true },  { 4, 3, 5, 4, 0, 3, false },  { 4, 0, 3, 2, 11, 2, false }, { 4, 0, 3, 2, 10, 2, true },
        { 4, 0, 8, 4, 32, 8, false }, { 4, 0, 8, 4, 31, 1, true }, { 4, 6, 2, 4, 8, 6, false },  { 4, 6, 4, 4, 2, 4, false },   { 1, 0, 8, 4, 3, 1, true },
        { 1, 0, 3, 4, 3, 1, false },  { 4, 2, 0, 4, 0, 8, false }, { 4, 5, 1, 4, 29, 1, true }, { 4, 5, 1, 4, 30, 1, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct pln_tensor a = part(data, cases[i].rows, cases[i].from, cases[i].n), b = part(data, cases[i].other_rows, cases[i].other_from, cases[i].other_n);
        if (pln_tensors_overlap(&a, &b) != cases[i].overlap || pln_tensors_overlap(&b, &a) != cases[i].overlap) fail_msg("case %zu", i);
    }
    /* Backwards, and of another period: nobody can tell. */
    struct pln_tensor a = part(data, 4, 0, 3), b = part(data + 24, 4, 3, 5);
    b.strides[0] = -8;
    assert_true(pln_tensors_overlap(&a, &b));
    b = part(data, 4, 3, 1);
    b.strides[0] = 7;
    assert_true(pln_tensors_overlap(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(joins), cmocka_unit_test(overlaps) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
