/* Operators that the importer writes out, on inputs whose rank the model does not tell and on tensors without elements: cpu and ref, whole way. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "planish/context.h"
#include "planish/network.h"

/* y = op(x), x of any rank or, where dims are given, of that shape (-1: dynamic). */
static pln_engine *build(const char *op, const struct pln_attribute *attribute, int opset, int rank, const int64_t *dims, const char *device)
{
    static const char *const in[1] = { "x" }, *const out[1] = { "y" };
    pln_network *network = pln_network_create("one", opset);
    pln_network_add_input(network, "x", PLN_F32, rank, dims, NULL);
    pln_network_add_node(network, &(struct pln_network_node){ .op_type = op, .name = "node", .inputs = in, .input_count = 1, .outputs = out, .output_count = 1, .attributes = attribute, .attribute_count = attribute ? 1 : 0 });
    pln_network_add_output(network, "y", PLN_DTYPE_NONE, -1, NULL, NULL);
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    const struct pln_build_options options = { .struct_size = sizeof options, .device = device, .diagnostics = diagnostics };
    pln_engine *engine;
    struct pln_message message;
    if (pln_build_network(network, &options, &engine) != PLN_OK && pln_diagnostics_get(diagnostics, 0, &message) == PLN_OK) fail_msg("%s on %s: %s", op, device, message.text);
    pln_network_destroy(network);
    pln_diagnostics_destroy(diagnostics);
    return engine;
}

/* Runs it with x of the shape, elements 1, -2, 3, -4, …; y's shape and first n elements must be these. */
static void expect(pln_engine *engine, int rank, const int64_t *dims, int out_rank, const int64_t *out_dims, const float *want, int n)
{
    static float data[64];
    pln_context *context;
    struct pln_buffer x = { .dtype = PLN_F32, .rank = rank, .data = data }, y;
    struct pln_message message;
    for (int i = 0; i < 64; i++) data[i] = (float)(i % 2 ? -i - 1 : i + 1);
    size_t count = 1;
    for (int d = 0; d < rank; d++) count *= (size_t)(x.dims[d] = dims[d]);
    x.size_bytes = count * sizeof(float);
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    assert_int_equal(pln_context_bind_input(context, "x", &x), PLN_OK);
    if (pln_context_run(context) != PLN_OK && pln_diagnostics_get(pln_context_diagnostics(context), 0, &message) == PLN_OK) fail_msg("%s", message.text);
    assert_int_equal(pln_context_output(context, "y", &y), PLN_OK);
    assert_int_equal(y.rank, out_rank);
    for (int d = 0; d < out_rank; d++) assert_int_equal(y.dims[d], out_dims[d]);
    for (int i = 0; i < n; i++) assert_true(fabsf(((const float *)y.data)[i] - want[i]) < 1e-5f);
    pln_context_destroy(context);
    pln_engine_release(engine);
}

static const char *const devices[] = { "cpu", "ref" };

static void rank_at_run_time(void **state)
{
    (void)state;
    static const int64_t image[4] = { 1, 2, 1, 2 }, pooled[4] = { 1, 2, 1, 1 }, matrix[2] = { 1, 2 };
    static const struct pln_attribute two = { .name = "p", .kind = PLN_ATTRIBUTE_INT, .i = 2 };
    static const float mean[2] = { -0.5f, -0.5f }, most[2] = { 1, 3 }, norm[2] = { 2.2360680f, 5 }, same[2] = { 1, -2 }, size[2] = { 1, 2 };
    for (int d = 0; d < 2; d++) {
        expect(build("GlobalAveragePool", NULL, 17, -1, NULL, devices[d]), 4, image, 4, pooled, mean, 2);
        expect(build("GlobalMaxPool", NULL, 17, -1, NULL, devices[d]), 4, image, 4, pooled, most, 2);
        expect(build("GlobalLpPool", &two, 17, -1, NULL, devices[d]), 4, image, 4, pooled, norm, 2);
        expect(build("GlobalMaxPool", NULL, 17, -1, NULL, devices[d]), 2, matrix, 2, matrix, same, 2);
        expect(build("GlobalLpPool", &two, 17, -1, NULL, devices[d]), 2, matrix, 2, matrix, size, 2);
    }
}

static void hardmax_of_any_rank(void **state)
{
    (void)state;
    static const int64_t cube[3] = { 1, 2, 2 };
    static const float last[4] = { 1, 0, 1, 0 }, middle[4] = { 0, 1, 1, 0 }, all[4] = { 0, 0, 1, 0 };
    for (int d = 0; d < 2; d++) {
        for (int64_t axis = -2; axis < 3; axis++) {
            const struct pln_attribute attribute = { .name = "axis", .kind = PLN_ATTRIBUTE_INT, .i = axis };
            static const float first[4] = { 1, 1, 1, 1 };
            const float *want = axis == 0 ? first : axis == 1 || axis == -2 ? middle : last;
            expect(build("Hardmax", &attribute, 17, -1, NULL, devices[d]), 3, cube, 3, cube, want, 4);
            expect(build("Hardmax", &attribute, 17, 3, (int64_t[]){ -1, -1, -1 }, devices[d]), 3, cube, 3, cube, want, 4);
        }
        expect(build("Hardmax", NULL, 11, -1, NULL, devices[d]), 3, cube, 3, cube, all, 4);
    }
}

/* Wherever the empty dim stands, and whether the model tells it or the run. */
static void tensors_without_elements(void **state)
{
    (void)state;
    static const struct pln_attribute size = { .name = "size", .kind = PLN_ATTRIBUTE_INT, .i = 3 };
    static const int64_t open[4] = { -1, -1, -1, -1 };
    static const struct {
        const char *op;
        const struct pln_attribute *attribute;
        int opset;
    } cases[] = { { "Hardmax", NULL, 17 }, { "Hardmax", NULL, 11 }, { "Softmax", NULL, 11 }, { "LogSoftmax", NULL, 11 }, { "LRN", &size, 17 } };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        for (int empty = 0; empty < 4; empty++) {
            int64_t dims[4] = { 1, 4, 3, 2 };
            dims[empty] = 0;
            for (int d = 0; d < 2; d++) {
                expect(build(cases[c].op, cases[c].attribute, cases[c].opset, 4, dims, devices[d]), 4, dims, 4, dims, NULL, 0);
                expect(build(cases[c].op, cases[c].attribute, cases[c].opset, 4, open, devices[d]), 4, dims, 4, dims, NULL, 0);
                expect(build(cases[c].op, cases[c].attribute, cases[c].opset, -1, NULL, devices[d]), 4, dims, 4, dims, NULL, 0);
            }
        }
    }
}

/* y = Relu of x given each of the shapes in turn. */
static pln_engine *build_reshapes(int rank, const int64_t *dims, int n, const int64_t (*shapes)[4], const char *device)
{
    static const char *const names[] = { "x", "a", "b", "c" }, *const to[] = { "to0", "to1", "to2" };
    pln_network *network = pln_network_create("reshapes", 17);
    pln_network_add_input(network, "x", PLN_F32, rank, dims, NULL);
    for (int i = 0; i < n; i++) {
        int64_t length = 0;
        while (length < 4 && shapes[i][length] != -2) length++;
        pln_network_add_weights(network, to[i], PLN_I64, 1, &length, shapes[i]);
        const char *const in[2] = { names[i], to[i] }, *const out[1] = { names[i + 1] };
        pln_network_add_node(network, &(struct pln_network_node){ .op_type = "Reshape", .inputs = in, .input_count = 2, .outputs = out, .output_count = 1 });
    }
    const char *const last[1] = { names[n] }, *const y[1] = { "y" };
    pln_network_add_node(network, &(struct pln_network_node){ .op_type = "Relu", .inputs = last, .input_count = 1, .outputs = y, .output_count = 1 });
    pln_network_add_output(network, "y", PLN_DTYPE_NONE, -1, NULL, NULL);
    const struct pln_build_options options = { .struct_size = sizeof options, .device = device };
    pln_engine *engine;
    assert_int_equal(pln_build_network(network, &options, &engine), PLN_OK);
    pln_network_destroy(network);
    return engine;
}

/* A shape that only the run can find wrong: it fails there, also when a later Reshape would have made up for it, and the context stays of use. */
static void reshapes_that_do_not_fit(void **state)
{
    (void)state;
    static float data[256];
    static const int64_t open[2] = { -1, -1 }, open_pairs[2] = { -1, 2 };
    static const struct {
        int rank, n;
        const int64_t *dims;
        int64_t shapes[3][4];
        int64_t fits; /* x of this many rows, and of its multiples */
    } cases[] = {
        { 1, 1, open, { { -1, 3, -2 } }, 3 },
        { 1, 2, open, { { -1, 3, -2 }, { -1, -2 } }, 3 },
        { 1, 3, open, { { -1, 2, -2 }, { -1, -2 }, { -1, 3, -2 } }, 6 },
        { 1, 1, open, { { 5, -2 } }, 5 },
        { 1, 2, open, { { -1, 4, -2 }, { 0, 2, 2, -2 } }, 4 },
        { 2, 1, open_pairs, { { 0, 2, -1, 2 } }, 0 },
        { 2, 1, open_pairs, { { -1, 4, -2 } }, 2 },
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        for (int d = 0; d < 2; d++) {
            pln_engine *engine = build_reshapes(cases[c].rank, cases[c].dims, cases[c].n, cases[c].shapes, devices[d]);
            pln_context *context;
            assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
            for (int64_t rows = 1; rows < 24; rows++) {
                const int64_t width = cases[c].rank == 2 ? 2 : 1;
                const struct pln_buffer x = { .dtype = PLN_F32, .rank = cases[c].rank, .dims = { rows, width }, .data = data, .size_bytes = (size_t)(rows * width) * sizeof *data };
                const bool good = cases[c].fits && rows % cases[c].fits == 0 && (cases[c].shapes[0][0] == -1 || rows == cases[c].fits);
                struct pln_buffer y;
                struct pln_message message;
                assert_int_equal(pln_context_bind_input(context, "x", &x), PLN_OK);
                const enum pln_status status = pln_context_run(context);
                if (good != (status == PLN_OK)) fail_msg("case %zu on %s, %d rows: status %d", c, devices[d], (int)rows, status);
                if (!good) {
                    assert_true(status == PLN_INVALID_ARGUMENT || status == PLN_BAD_MODEL);
                    assert_int_equal(pln_diagnostics_get(pln_context_diagnostics(context), 0, &message), PLN_OK);
                    assert_non_null(strstr(message.text, " elements"));
                    continue;
                }
                int64_t count = 1;
                assert_int_equal(pln_context_output(context, "y", &y), PLN_OK);
                for (int i = 0; i < y.rank; i++) count *= y.dims[i];
                assert_int_equal(count, rows * width);
            }
            pln_context_destroy(context);
            pln_engine_release(engine);
        }
    }
}

/* y = x in the shape (its own less 4 rows, its columns): where no row is left, the 0 stands for the rows of x, as a written 0 would. */
static void computed_zero_copies(void **state)
{
    (void)state;
    static const int64_t dims[2] = { -1, 3 }, two = 2, less[2] = { 4, 0 }, given[2] = { 4, 3 };
    static const char *const shape_in[1] = { "x" }, *const shape_out[1] = { "s" }, *const sub_in[2] = { "s", "less" }, *const sub_out[1] = { "to" }, *const in[2] = { "x", "to" }, *const out[1] = { "y" };
    static const float want[12] = { 1, -2, 3, -4, 5, -6, 7, -8, 9, -10, 11, -12 };
    for (int d = 0; d < 2; d++) {
        pln_network *network = pln_network_create("zero", 17);
        pln_network_add_input(network, "x", PLN_F32, 2, dims, NULL);
        pln_network_add_weights(network, "less", PLN_I64, 1, &two, less);
        pln_network_add_node(network, &(struct pln_network_node){ .op_type = "Shape", .inputs = shape_in, .input_count = 1, .outputs = shape_out, .output_count = 1 });
        pln_network_add_node(network, &(struct pln_network_node){ .op_type = "Sub", .inputs = sub_in, .input_count = 2, .outputs = sub_out, .output_count = 1 });
        pln_network_add_node(network, &(struct pln_network_node){ .op_type = "Reshape", .inputs = in, .input_count = 2, .outputs = out, .output_count = 1 });
        pln_network_add_output(network, "y", PLN_DTYPE_NONE, -1, NULL, NULL);
        const struct pln_build_options options = { .struct_size = sizeof options, .device = devices[d] };
        pln_engine *engine;
        assert_int_equal(pln_build_network(network, &options, &engine), PLN_OK);
        pln_network_destroy(network);
        expect(engine, 2, given, 2, given, want, 12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(reshapes_that_do_not_fit), cmocka_unit_test(computed_zero_copies), cmocka_unit_test(rank_at_run_time), cmocka_unit_test(hardmax_of_any_rank), cmocka_unit_test(tensors_without_elements) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
