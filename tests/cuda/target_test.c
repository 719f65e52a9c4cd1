/* A plan for two GPUs and two CPU levels, with a step that runs on the host: the best of each is taken, and what is missing is told. PLANISH_CPU_ISA and
 * FAKE_CUDA_ARCH say what the machine is, so each is a run of its own. */
#define _GNU_SOURCE
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "planish/builder.h"
#include "planish/context.h"
#include "planish/network.h"

#define TARGET "cuda:sm_80,cuda:sm_90a,x86-64-v3,x86-64-v4"

static char plan_path[64];
static float w[4 * 32];

static void add(pln_network *network, const char *op_type, const char *a, const char *b, const char *output)
{
    const char *const inputs[] = { a, b };
    pln_network_add_node(network, &(struct pln_network_node){ .op_type = op_type, .inputs = inputs, .input_count = b ? 2 : 1, .outputs = &output, .output_count = 1 });
}

/* y = softmax(x · w), the softmax on ten dims, more than a GPU's kernels have. */
static pln_engine *build(void)
{
    static const int64_t w_dims[2] = { 4, 32 }, x_dims[2] = { 3, 4 }, many = 10, wide[10] = { 1, 1, 1, 1, 1, 3, 2, 2, 2, 4 };
    pln_engine *engine = NULL;
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    struct pln_message message;
    pln_network *network = pln_network_create("levels", 17);
    for (int i = 0; i < 4 * 32; i++) w[i] = (float)(i % 13) / 8 - 1;
    pln_network_add_input(network, "x", PLN_F32, 2, x_dims, NULL);
    pln_network_add_weights(network, "w", PLN_F32, 2, w_dims, w);
    pln_network_add_weights(network, "wide", PLN_I64, 1, &many, wide);
    add(network, "MatMul", "x", "w", "z");
    add(network, "Reshape", "z", "wide", "z10");
    add(network, "Softmax", "z10", NULL, "y");
    pln_network_add_output(network, "y", PLN_DTYPE_NONE, -1, NULL, NULL);
    const struct pln_build_options options = { .struct_size = sizeof options, .device = "cuda", .target = TARGET, .diagnostics = diagnostics };
    enum pln_status status = pln_build_network(network, &options, &engine);
    if (status != PLN_OK && pln_diagnostics_get(diagnostics, 0, &message) == PLN_OK) print_error("%s\n", message.text);
    assert_int_equal(status, PLN_OK);
    pln_diagnostics_destroy(diagnostics);
    pln_network_destroy(network);
    return engine;
}

static void check_run(pln_engine *engine)
{
    float x[12], z[4];
    pln_context *context;
    struct pln_buffer in = { .dtype = PLN_F32, .rank = 2, .dims = { 3, 4 }, .data = x, .size_bytes = sizeof x }, out;
    for (int i = 0; i < 12; i++) x[i] = (float)(i % 5) - 2;
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    assert_int_equal(pln_context_bind_input(context, "x", &in), PLN_OK);
    assert_int_equal(pln_context_run(context), PLN_OK);
    assert_int_equal(pln_context_output(context, "y", &out), PLN_OK);
    assert_int_equal(out.size_bytes, 3 * 32 * sizeof(float));
    for (int group = 0; group < 3 * 8; group++) {
        float sum = 0;
        for (int i = 0; i < 4; i++) {
            z[i] = 0;
            for (int k = 0; k < 4; k++) z[i] += x[group / 8 * 4 + k] * w[k * 32 + group % 8 * 4 + i];
            sum += expf(z[i]);
        }
        for (int i = 0; i < 4; i++) assert_float_equal(((const float *)out.data)[group * 4 + i], expf(z[i]) / sum, 1e-5);
    }
    pln_context_destroy(context);
}

static bool has_step(const pln_engine *engine, const char *kernel)
{
    struct pln_step_info info;
    for (int i = 0; pln_engine_step(engine, i, &info) == PLN_OK; i++)
        if (strstr(info.kernel, kernel)) return true;
    return false;
}

/* What of the plan this machine lacks: a text of the message, NULL: nothing. */
static const char *missing(void)
{
    const char *arch = getenv("FAKE_CUDA_ARCH");
    if (PLN_CPU_LEVEL_V3 & ~pln_cpu_features()) return "the plan is for CPUs with x86-64-v3, or x86-64-v4; this machine does not have, or PLANISH_CPU_ISA hides: ";
    if (arch && strcmp(arch, "75") == 0) return "the plan has device code for sm_80, sm_90a, this GPU is sm_75";
    return NULL;
}

static void best_of_each(void **state)
{
    (void)state;
    struct pln_engine_summary summary;
    struct pln_message message;
    pln_engine *built = build(), *loaded;
    pln_engine_summarize(built, &summary);
    if (!strstr(summary.targets, "x86-64-v3, x86-64-v4")) { /* a build without rows for them */
        pln_engine_release(built);
        skip();
    }
    assert_string_equal(summary.targets, "x86-64-v3, x86-64-v4; sm_80, sm_90a");
    assert_int_equal(pln_engine_save(built, plan_path, NULL), PLN_OK);
    pln_engine_release(built);
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    const struct pln_engine_options options = { .struct_size = sizeof options, .diagnostics = diagnostics };
    enum pln_status status = pln_engine_load_file(plan_path, &options, &loaded);
    if (!missing()) {
        assert_int_equal(status, PLN_OK);
        const bool best = !(PLN_CPU_LEVEL_V4 & ~pln_cpu_features());
        assert_true(has_step(loaded, best ? "_avx512" : "_avx2"));
        check_run(loaded);
    } else {
        assert_int_equal(status, PLN_INCOMPATIBLE);
        assert_int_equal(pln_diagnostics_get(diagnostics, 0, &message), PLN_OK);
        if (!strstr(message.text, missing())) fail_msg("'%s' does not say '%s'", message.text, missing());
        /* An engine that can be looked at and saved, but not run. */
        const struct pln_engine_options foreign = { .struct_size = sizeof foreign, .may_be_foreign = 1 };
        pln_context *context;
        assert_int_equal(pln_engine_load_file(plan_path, &foreign, &loaded), PLN_OK);
        assert_int_equal(pln_context_create(loaded, NULL, &context), PLN_INCOMPATIBLE);
        pln_engine_summarize(loaded, &summary);
        assert_string_equal(summary.targets, "x86-64-v3, x86-64-v4; sm_80, sm_90a");
    }
    pln_engine_release(loaded);
    pln_diagnostics_destroy(diagnostics);
    /* From the graph inside, for this machine. */
    assert_int_equal(pln_build_plan_file(plan_path, NULL, &loaded), PLN_OK);
    check_run(loaded);
    pln_engine_release(loaded);
    unlink(plan_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(best_of_each) };
    snprintf(plan_path, sizeof plan_path, "cuda_target_%d.plan", (int)getpid());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
