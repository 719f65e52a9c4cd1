/* One case in the layout of the ONNX backend tests. */
#include "check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "limit.h"
#include "model.h"

struct judge {
    const char *folder;
    struct pln_comparison how;
    bool is_drawn; /* the outputs are random numbers */
    double worst;
    char why[1024];
    const char *stage;
};

static bool fail(struct judge *judge, const char *stage, const pln_diagnostics *diagnostics, enum pln_status status)
{
    struct pln_message message;
    char node[MODEL_NODE_BYTES];
    judge->stage = stage;
    if (diagnostics && pln_diagnostics_get(diagnostics, 0, &message) == PLN_OK)
        snprintf(judge->why, sizeof judge->why, "%s%s", model_node(&message, node, sizeof node), message.text);
    else snprintf(judge->why, sizeof judge->why, "%s", pln_status_text(status));
    return false;
}

/* data.json holds "rtol" and "atol" of a case, and "drawn": true where its outputs were drawn without a seed. */
static void read_tolerance(struct judge *judge)
{
    char path[4096], text[4096];
    snprintf(path, sizeof path, "%s/data.json", judge->folder);
    FILE *file = fopen(path, "r");
    if (!file) return;
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    const char *at;
    if ((at = strstr(text, "\"rtol\"")) && (at = strchr(at, ':'))) judge->how.rtol = strtod(at + 1, NULL);
    if ((at = strstr(text, "\"atol\"")) && (at = strchr(at, ':'))) judge->how.atol = strtod(at + 1, NULL);
    if ((at = strstr(text, "\"drawn\"")) && (at = strchr(at, ':'))) judge->is_drawn = strncmp(at + 1 + strspn(at + 1, " "), "true", 4) == 0;
}

/* Of what is drawn, type and shape must be as expected, and each element one of those that are. */
static bool may_be_drawn(const pln_host_value *got, const pln_host_value *want, char *why, size_t why_bytes)
{
    struct pln_buffer a, b;
    if (pln_host_value_buffer(got, &a) != PLN_OK || pln_host_value_buffer(want, &b) != PLN_OK || a.dtype != b.dtype || a.rank != b.rank || memcmp(a.dims, b.dims, (size_t)a.rank * sizeof *a.dims) != 0) {
        snprintf(why, why_bytes, "another type or shape than expected");
        return false;
    }
    const size_t size_bytes = (size_t)pln_dtype_bits(a.dtype) / 8;
    for (size_t i = 0; size_bytes && i + size_bytes <= a.size_bytes; i += size_bytes) {
        size_t k = 0;
        while (k + size_bytes <= b.size_bytes && memcmp((const char *)a.data + i, (const char *)b.data + k, size_bytes) != 0) k += size_bytes;
        if (k + size_bytes <= b.size_bytes) continue;
        snprintf(why, why_bytes, "element %zu is none of those that are expected", i / size_bytes);
        return false;
    }
    return true;
}

static bool is_good(const struct judge *judge, const pln_host_value *got, const pln_host_value *want, char *why, size_t why_bytes, double *worst)
{
    if (judge->is_drawn) return may_be_drawn(got, want, why, why_bytes);
    return pln_host_value_compare(got, want, &judge->how, why, why_bytes, worst);
}

static bool run_set(struct judge *judge, pln_engine *engine, pln_context *context, const char *set)
{
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    char path[4400], why[512];
    pln_host_value *values[512] = { 0 };
    bool good = true;
    for (int i = 0; good && i < pln_engine_input_count(engine) && i < 512; i++) {
        struct pln_tensor_info info;
        enum pln_status status = pln_engine_input(engine, i, &info);
        snprintf(path, sizeof path, "%s/input_%d.pb", set, i);
        if (status == PLN_OK) status = pln_host_value_read_pb(path, info.kind, diagnostics, &values[i]);
        if (status != PLN_OK) good = fail(judge, "input", diagnostics, status);
        else if ((status = pln_context_bind_value(context, info.name, values[i])) != PLN_OK) good = fail(judge, "bind", pln_context_diagnostics(context), status);
    }
    enum pln_status ran = good ? pln_context_run(context) : PLN_OK;
    if (ran != PLN_OK) good = fail(judge, "run", pln_context_diagnostics(context), ran);
    for (int i = 0; good && i < pln_engine_output_count(engine); i++) {
        struct pln_tensor_info info;
        pln_host_value *got = NULL, *want = NULL;
        double worst = 0;
        enum pln_status status = pln_engine_output(engine, i, &info);
        snprintf(path, sizeof path, "%s/output_%d.pb", set, i);
        if (status == PLN_OK) status = pln_context_output_value(context, info.name, &got);
        if (status != PLN_OK) good = fail(judge, "output", pln_context_diagnostics(context), status);
        else if (access(path, R_OK) == 0 && (status = pln_host_value_read_pb(path, pln_host_value_kind(got), diagnostics, &want)) != PLN_OK) good = fail(judge, "output", diagnostics, status);
        else if (want && !is_good(judge, got, want, why, sizeof why, &worst)) {
            judge->stage = "compare";
            snprintf(judge->why, sizeof judge->why, "output '%s': %s", info.name, why);
            good = false;
        }
        if (worst > judge->worst) judge->worst = worst;
        pln_host_value_destroy(got);
        pln_host_value_destroy(want);
    }
    for (int i = 0; i < 512; i++) pln_host_value_destroy(values[i]);
    pln_diagnostics_destroy(diagnostics);
    return good;
}

/* Builds the model and takes the place of the last one. */
static bool open_case(struct check_runner *runner, struct judge *judge)
{
    const struct check_options *options = runner->options;
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    pln_engine *engine = NULL;
    char path[4200];
    snprintf(path, sizeof path, "%s/model.onnx", judge->folder);
    enum pln_status status = runner->pool ? PLN_OK : pln_thread_pool_create(1, &runner->pool);
    const struct pln_build_options build = { .struct_size = sizeof build, .allocator = limit_allocator(options->max_memory), .device = options->device, .diagnostics = diagnostics, .pool = runner->pool, .disabled_passes = options->disabled.items,
                                             .placement_seed = (uint64_t)options->seed, .half = model_half(&options->on), .tf32 = model_tf32(&options->on), .no_winograd = model_no_winograd(&options->on), .tune = model_tune(options->tune), .timing_cache = options->timing_cache,
                                             .require_device = options->on.require_device,
                                             .cache_folder = options->no_cache ? NULL : model_cache_folder(), .plugins = options->loaded };
    if (status == PLN_OK) status = pln_build_file(path, &build, &engine);
    if (status != PLN_OK) fail(judge, "build", diagnostics, status);
    pln_engine_release(runner->last);
    runner->last = engine;
    pln_diagnostics_destroy(diagnostics);
    return status == PLN_OK;
}

static bool run_case(struct check_runner *runner, struct judge *judge)
{
    pln_context *context = NULL;
    char path[4200];
    read_tolerance(judge);
    if (!open_case(runner, judge)) return false;
    enum pln_status status = pln_context_create(runner->last, NULL, &context);
    bool good = status == PLN_OK || fail(judge, "context", NULL, status);
    for (int i = 0; good; i++) {
        snprintf(path, sizeof path, "%s/test_data_set_%d", judge->folder, i);
        if (access(path, R_OK) != 0) break;
        good = run_set(judge, runner->last, context, path);
    }
    pln_context_destroy(context);
    return good;
}

void check_case(struct check_runner *runner, const char *folder, struct check_verdict *out_verdict)
{
    const struct check_options *options = runner->options;
    struct judge judge = { .folder = folder, .how = { options->rtol, options->atol, options->max_rel_err }, .stage = "" };
    *out_verdict = (struct check_verdict){ .passed = run_case(runner, &judge), .worst = judge.worst };
    if (!out_verdict->passed) snprintf(out_verdict->why, sizeof out_verdict->why, "%s: %s", judge.stage, judge.why);
    for (char *c = out_verdict->why; *c; c++)
        if (*c == '\n') *c = ' ';
}

void check_runner_deinit(struct check_runner *runner)
{
    pln_engine_release(runner->last);
    pln_thread_pool_destroy(runner->pool);
    runner->last = NULL;
    runner->pool = NULL;
}
