/* Other weights for a plan, and calibration caches. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "planish/planish.h"
#include "trtexec.h"

static bool same_tensor(const struct pln_tensor_info *a, const struct pln_tensor_info *b)
{
    bool same = strcmp(a->name, b->name) == 0 && a->kind == b->kind && a->dtype == b->dtype && a->rank == b->rank;
    for (int d = 0; same && d < a->rank; d++) same = a->dims[d] == b->dims[d];
    return same;
}

/* One side of both: the engine's inputs or outputs. NULL: they are the same; else the name of the first that is not. */
static const char *differs(const pln_engine *old, const pln_engine *new, enum pln_status (*get)(const pln_engine *, int, struct pln_tensor_info *))
{
    struct pln_tensor_info a, b;
    for (int i = 0;; i++) {
        const bool has = get(old, i, &a) == PLN_OK, has_new = get(new, i, &b) == PLN_OK;
        if (!has && !has_new) return NULL;
        if (!has || !has_new || !same_tensor(&a, &b)) return has ? a.name : b.name;
    }
}

/* The types that the plan's inputs or outputs have, which may be others than the model's (--inputIOFormats); 0 for what is no tensor of numbers. NULL: no memory. */
static enum pln_dtype *types_of(const pln_engine *engine, int n, enum pln_status (*get)(const pln_engine *, int, struct pln_tensor_info *))
{
    struct pln_tensor_info info;
    enum pln_dtype *types = calloc((size_t)n + 1, sizeof *types);
    for (int i = 0; types && i < n; i++)
        if (get(engine, i, &info) == PLN_OK && info.kind == PLN_VALUE_TENSOR && info.dtype != PLN_STR && !info.is_state) types[i] = info.dtype;
    return types;
}

int trtexec_refit(const struct trtexec_options *options, struct model *model)
{
    struct model_options own = options->model;
    struct model fresh;
    struct pln_engine_summary old_summary, new_summary;
    const char *path = trtexec_text(FLAG_refitFromOnnx);
    own.must_be_plan = false;
    own.device = NULL;
    pln_engine_summarize(model->engine, &old_summary);
    own.device = options->model.device ? options->model.device : old_summary.device;
    const int n_inputs = pln_engine_input_count(model->engine), n_outputs = pln_engine_output_count(model->engine);
    enum pln_dtype *inputs = types_of(model->engine, n_inputs, pln_engine_input), *outputs = types_of(model->engine, n_outputs, pln_engine_output);
    own.input_types = inputs, own.input_type_count = inputs ? n_inputs : 0;
    own.output_types = outputs, own.output_type_count = outputs ? n_outputs : 0;
    int status = model_open(&command_trtexec, path, &own, &fresh);
    free(inputs);
    free(outputs);
    if (status) return 1;
    pln_engine_summarize(fresh.engine, &new_summary);
    const char *input = differs(model->engine, fresh.engine, pln_engine_input), *output = differs(model->engine, fresh.engine, pln_engine_output);
    if (fresh.is_plan) status = command_fail(&command_trtexec, 1, "--refitFromOnnx: %s is a plan, not an ONNX model", path);
    else if (input || output) status = command_fail(&command_trtexec, 1, "--refitFromOnnx: %s '%s' of %s is not that of the plan: a refit has other weights, and the same graph", input ? "input" : "output", input ? input : output, path);
    else if (old_summary.onnx_nodes != new_summary.onnx_nodes)
        status = command_fail(&command_trtexec, 1, "--refitFromOnnx: %s has %d nodes, the plan's model %d: a refit has other weights, and the same graph", path, new_summary.onnx_nodes, old_summary.onnx_nodes);
    if (status) {
        model_close(&fresh);
        return status;
    }
    fresh.load_ms = model->load_ms;
    const double ms = fresh.build_ms;
    if (model->build_ms >= 0) fresh.build_ms = model->build_ms;
    model_close(model);
    *model = fresh;
    trtexec_log('I', "Engine refitted from %s in %.4f sec. (it is built again)", path, ms * 1e-3);
    return 0;
}

int trtexec_time_refit(const struct trtexec_options *options, const struct model *model)
{
    enum { RUNS = 5 };
    const char *path = trtexec_given(FLAG_refitFromOnnx) ? trtexec_text(FLAG_refitFromOnnx) : trtexec_given(FLAG_onnx) ? trtexec_text(FLAG_onnx) : trtexec_text(FLAG_loadEngine);
    const bool is_plan = !trtexec_given(FLAG_refitFromOnnx) && !trtexec_given(FLAG_onnx);
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    const struct pln_build_options build = { .struct_size = sizeof build, .pool = model->pool, .diagnostics = diagnostics, .device = options->model.device, .plugins = model->plugins, .half = model_half(&options->model.on), .tf32 = model_tf32(&options->model.on) };
    double total = 0;
    int status = 0;
    for (int i = 0; status == 0 && i < RUNS; i++) {
        pln_engine *engine = NULL;
        const double start = now_ms();
        const enum pln_status built = is_plan ? pln_build_plan_file(path, &build, &engine) : pln_build_file(path, &build, &engine);
        total += now_ms() - start;
        if (built != PLN_OK) status = model_fail(&command_trtexec, diagnostics, built, path);
        pln_engine_release(engine);
    }
    if (status == 0) trtexec_log('I', "Refit time: %g ms, the mean of %d (it is built again)", total / RUNS, (int)RUNS);
    pln_diagnostics_destroy(diagnostics);
    return status;
}

/* A calibration cache: a first line that names what made it ("TRT-8601-EntropyCalibration2"), then a line a tensor, its name and the bits of its scale in hexadecimal. */
int trtexec_read_calibration(const char *path)
{
    char line[4400];
    int scales = 0, number = 1;
    FILE *file = fopen(path, "r");
    if (!file) return command_fail(&command_trtexec, 1, "--calib=%s: %s", path, strerror(errno));
    int status = fgets(line, sizeof line, file) && strstr(line, "Calibration") ? 0 : command_fail(&command_trtexec, 1, "--calib=%s: this is no calibration cache: its first line names no calibrator", path);
    while (status == 0 && fgets(line, sizeof line, file)) {
        char *colon = strrchr(line, ':'), *end = NULL;
        number++;
        if (line[strspn(line, " \t\r\n")] == '\0') continue;
        errno = 0;
        if (colon && colon > line && isxdigit((unsigned char)colon[1 + strspn(colon + 1, " ")])) (void)strtoul(colon + 1, &end, 16);
        const bool good = end && end - colon <= 10 && end[strspn(end, " \r\n")] == '\0' && !errno;
        if (!good) status = command_fail(&command_trtexec, 1, "--calib=%s: line %d is not NAME: SCALE, a scale being 8 hexadecimal digits", path, number);
        scales++;
    }
    fclose(file);
    if (status == 0) trtexec_log('W', "--calib=%s: %d scales are read; this version computes nothing with them", path, scales);
    return status;
}
