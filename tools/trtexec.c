#include "trtexec.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "planish/experimental/save.h"
#include "planish/network.h"
#include "planish/planish.h"
#include "say.h"

static int run(int argc, char **argv);
const struct command command_trtexec = {
    "trtexec", "--onnx=MODEL.onnx|--loadEngine=FILE [options]", "Builds and measures with the flags, report and exit codes of trtexec.",
    "  planish trtexec --onnx=resnet50.onnx --saveEngine=resnet50.plan --shapes=input:1x3x224x224\n  planish trtexec --loadEngine=resnet50.plan --duration=10 --exportTimes=times.json\n"
    "  planish trtexec --pln-install-link=$HOME/bin\n",
    run, true
};

static struct trtexec_options options;
static char version_text[200];

static void stamp(FILE *out, char level)
{
    char text[32];
    time_t now = time(NULL);
    struct tm parts;
    strftime(text, sizeof text, "%m/%d/%Y-%H:%M:%S", localtime_r(&now, &parts));
    fprintf(out, "[%s] [%c] ", text, level);
}

static void stamp_message(FILE *out, bool failure)
{
    stamp(out, failure ? 'E' : 'W');
}

/* Options of the other commands and what they are called here: hints are written once, for all. */
static char *reword(const char *text)
{
    static const char *const words[][2] = { { "--device ", "--pln-device=" },   { "--target ", "--pln-target=" },    { "--max-memory ", "--pln-max-memory=" }, { "--threads ", "--pln-threads=" }, { "--cpus ", "--pln-cpus=" },
                                            { "--plugin ", "--pln-plugin=" },   { "--input ", "--loadInputs=" },      { "--shapes ", "--shapes=" },             { "--no-cache", "--noBuilderCache" } };
    enum { N_WORDS = sizeof words / sizeof *words };
    char *out = malloc(2 * strlen(text) + 16);
    bool file = false; /* in NAME=FILE, which is NAME:FILE here */
    size_t n = 0;
    for (size_t w; out && *text;) {
        for (w = 0; w < N_WORDS && strncmp(text, words[w][0], strlen(words[w][0])) != 0; w++) {}
        if (w < N_WORDS) {
            n += (size_t)sprintf(out + n, "%s", words[w][1]);
            text += strlen(words[w][0]);
            file = strcmp(words[w][1], "--loadInputs=") == 0;
            continue;
        }
        out[n++] = file && *text == '=' ? ':' : *text;
        file = file && *text != '=';
        text++;
    }
    if (out) out[n] = '\0';
    return out;
}

/* The library's log: "[V] [TRT] text". */
static void log_line(bool warning, const char *line)
{
    char *reworded = reword(line);
    trtexec_log(warning ? 'W' : 'V', "[TRT] %s", reworded ? reworded : line);
    free(reworded);
}

void trtexec_log(char level, const char *format, ...)
{
    FILE *out = level == 'I' || level == 'V' ? stdout : stderr;
    va_list args;
    if (level == 'V' && !trtexec_given(FLAG_verbose)) return;
    stamp(out, level);
    va_start(args, format);
    say_args(out, format, args);
    va_end(args);
    fputc('\n', out);
    command_flush(); /* warnings on stderr stand where they belong, and that a line could not be written is not forgotten */
}

static int install_link(const char *folder)
{
    char own[PATH_MAX], path[PATH_MAX + 16];
    const ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    if (n < 0) return command_fail(&command_trtexec, 1, "where this program is cannot be told: %s", strerror(errno));
    own[n] = '\0';
    if ((size_t)snprintf(path, sizeof path, "%s/trtexec", folder) >= sizeof path) return command_fail(&command_trtexec, 1, "the path of the link is too long");
    if (symlink(own, path) != 0) {
        if (errno == EEXIST) return command_fail(&command_trtexec, 1, "%s is there already and is left alone", path);
        return command_fail(&command_trtexec, 1, "%s: %s", path, strerror(errno));
    }
    say(stdout, "%s is now a link to %s\n", path, own);
    return 0;
}

/* ---- the job ---- */

static void warn_precision(const struct pln_engine_summary *summary)
{
    const bool cpu = strcmp(summary->device, "cpu") == 0 || strcmp(summary->device, "ref") == 0, best = trtexec_given(FLAG_best);
    const bool half = trtexec_given(FLAG_fp16) || trtexec_given(FLAG_bf16) || best;
    if (trtexec_given(FLAG_int8) && !best && !trtexec_given(FLAG_calib)) trtexec_log('W', "--int8 without calibration: for timing only; this version computes in the types of the model");
    if (half && trtexec_given(FLAG_stronglyTyped)) trtexec_log('W', "--stronglyTyped: the types of the model are kept, precision flags are passed over");
    else if (half && cpu) trtexec_log('W', "Precision flags are permissions: %s computes in FP32", summary->device);
}

static int save_engine(const struct model *model)
{
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    progress_begin(&command_trtexec, "write the plan", true);
    enum pln_status status = pln_engine_save_watched(model->engine, trtexec_text(FLAG_saveEngine), model_show_progress, NULL, diagnostics);
    progress_end();
    int exit_status = status == PLN_OK ? 0 : model_fail(&command_trtexec, diagnostics, status, "");
    pln_diagnostics_destroy(diagnostics);
    return exit_status;
}

/* What is written must be neither what is read nor another result. */
static int check_results(const char *path)
{
    static const enum trtexec_flag flags[] = { FLAG_saveEngine, FLAG_exportTimes, FLAG_exportOutput, FLAG_exportProfile, FLAG_exportLayerInfo, FLAG_timingCacheFile };
    int status = 0;
    for (size_t i = 0; status == 0 && i < sizeof flags / sizeof *flags; i++) {
        const char *result = trtexec_text(flags[i]);
        status = model_check_result(&command_trtexec, path, result, i == 0);
        if (status == 0) status = model_check_inputs(&command_trtexec, &options.files, result);
        for (size_t k = 0; status == 0 && k < i; k++) {
            char names[2][48];
            snprintf(names[0], sizeof names[0], "--%s", trtexec_row(flags[k])->name);
            snprintf(names[1], sizeof names[1], "--%s", trtexec_row(flags[i])->name);
            status = model_check_results(&command_trtexec, names[0], trtexec_text(flags[k]), names[1], result);
        }
    }
    return status;
}

/* --errorOnTimingCacheMiss: the build reads and extends a copy of the cache; what it had to measure was not there. */
static int build_by_cache_alone(const char *path, struct model *model)
{
    char copy[4200], block[65536];
    const char *cache = options.model.timing_cache, *temporary = getenv("TMPDIR");
    snprintf(copy, sizeof copy, "%s/planish-times-XXXXXX", temporary && *temporary ? temporary : "/tmp");
    FILE *in = fopen(cache, "rb");
    const int file = mkstemp(copy);
    bool good = file >= 0;
    for (size_t n; in && good && (n = fread(block, 1, sizeof block, in)) > 0;) good = write(file, block, n) == (ssize_t)n;
    const bool empty = !in;
    if (in) fclose(in);
    if (file >= 0) close(file);
    if (file >= 0 && empty) unlink(copy); /* the build makes one */
    options.model.timing_cache = copy;
    int status = good ? model_open(&command_trtexec, path, &options.model, model) : command_fail(&command_trtexec, 1, "%s: %s", copy, strerror(errno));
    options.model.timing_cache = cache;
    if (file >= 0) unlink(copy);
    if (status == 0 && model->tuned.measured > 0) {
        status = command_fail(&command_trtexec, 1, "--errorOnTimingCacheMiss: %d kernels are not in %s; build without this flag to measure them", model->tuned.measured, cache);
        model_close(model);
    }
    return status;
}

/* The model is built a second time, with what the first plan still has made visible. */
static int build_unfused(const char *path, struct model *model)
{
    trtexec_mark_unfused(model->engine, &options.model.taps);
    trtexec_log('I', "%zu values are marked as debug tensors", options.model.taps.count);
    model_close(model);
    return model_open(&command_trtexec, path, &options.model, model);
}

/* The first dim of dynamic inputs, where nothing else gives a shape. */
static void apply_batch(const struct model *model)
{
    struct pln_tensor_info info;
    if (!trtexec_given(FLAG_batch) || options.model.shapes.count) return;
    for (int i = 0; pln_engine_input(model->engine, i, &info) == PLN_OK; i++) {
        if (info.rank < 1 || info.dims[0] >= 0 || info.is_state) continue;
        for (int d = 0; d < info.rank; d++) info.dims[d] = d == 0 ? (int64_t)trtexec_number(FLAG_batch, 1) : info.dims[d] < 0 ? 1 : info.dims[d];
        const size_t bytes = strlen(info.name) + PLN_MAX_RANK * 21 + 2;
        char *item = malloc(bytes);
        if (!item) return;
        snprintf(item, bytes, "%s:%s", info.name, trtexec_dims(info.rank, info.dims));
        text_list_add(&options.model.shapes, item); /* lives as long as the process */
    }
}

static int report_build(const struct model *model)
{
    size_t plan_bytes;
    (void)pln_engine_plan(model->engine, &plan_bytes);
    trtexec_log('I', "Finished parsing network model. Parse time: %.6g", model->parse_ms * 1e-3);
    trtexec_print_set_shapes(model->engine);
    trtexec_log('I', "Created engine with size: %.4f MiB", (double)plan_bytes / 1048576);
    trtexec_log('I', "Engine built in %.4f sec.", model->build_ms * 1e-3);
    if (options.model.tune || options.model.timing_cache)
        trtexec_log('I', "Timing cache %s: %d kernels measured, %d found, %d by estimate", options.model.timing_cache ? options.model.timing_cache : "of this machine", model->tuned.measured, model->tuned.found, model->tuned.estimated);
    if (trtexec_given(FLAG_monitorMemory)) trtexec_log('I', "Peak memory of the build: %.4f MiB", (double)peak_rss_bytes() / 1048576);
    return trtexec_given(FLAG_saveEngine) ? save_engine(model) : 0;
}

static void warn_formats(enum trtexec_flag flag)
{
    const char *name = trtexec_row(flag)->name;
    if (!trtexec_given(flag)) return;
    if (trtexec_given(FLAG_loadEngine)) trtexec_log('W', "--%s is for building and is passed over: a plan is loaded", name);
    else if (strstr(trtexec_text(flag), "int8:")) trtexec_log('W', "--%s: values of int8 are cast as they are, without a scale", name);
}

static void warn_order(void)
{
    warn_formats(FLAG_inputIOFormats);
    warn_formats(FLAG_outputIOFormats);
    if (trtexec_given(FLAG_timingCacheFile) && trtexec_given(FLAG_loadEngine)) trtexec_log('W', "--timingCacheFile is for building and is passed over: a plan is loaded");
    else if (trtexec_given(FLAG_timingCacheFile) && !options.model.timing_cache) trtexec_log('W', "--timingCacheFile is passed over: nothing is measured");
}

/* What a build will be for: the device of a model of one node. */
static pln_engine *probe(void)
{
    static const int64_t dims[1] = { 1 };
    const struct pln_network_node copy = { .op_type = "Identity", .name = "probe", .inputs = (const char *const[]){ "x" }, .input_count = 1, .outputs = (const char *const[]){ "y" }, .output_count = 1 };
    const char *device = options.model.device ? options.model.device : model_default_device(options.model.target, false);
    const struct pln_build_options build = { .struct_size = sizeof build, .device = device };
    pln_engine *engine = NULL;
    pln_network *network = pln_network_create("probe", 17);
    pln_network_add_input(network, "x", PLN_F32, 1, dims, NULL);
    pln_network_add_node(network, &copy);
    pln_network_add_output(network, "y", PLN_F32, 1, dims, NULL);
    if (pln_build_network(network, &build, &engine) != PLN_OK) engine = NULL; /* the build of the model tells why */
    pln_network_destroy(network);
    return engine;
}

/* model NULL: it is not there yet. */
static void tell_device(const struct model *model)
{
    pln_engine *engine = model ? model->engine : probe();
    if (engine) trtexec_print_device(engine);
    if (!model) pln_engine_release(engine);
    trtexec_log('I', "TensorRT version: %s", version_text);
    trtexec_log('I', "Loading standard plugins");
    trtexec_tell_flags();
    warn_order();
}

static int open_model(struct model *model)
{
    struct pln_engine_summary summary;
    const bool build = trtexec_given(FLAG_onnx);
    const char *path = trtexec_text(build ? FLAG_onnx : FLAG_loadEngine);
    int status = check_results(path);
    if (build) {
        tell_device(NULL);
        trtexec_log('I', "Start parsing network model.");
    }
    if (status == 0) status = trtexec_given(FLAG_errorOnTimingCacheMiss) && options.model.timing_cache ? build_by_cache_alone(path, model) : model_open(&command_trtexec, path, &options.model, model);
    if (status) return 1;
    if (build && model->is_plan) {
        model_close(model);
        return command_fail(&command_trtexec, 1, "%s is a plan: give it with --loadEngine=%s", path, path);
    }
    if (build && trtexec_given(FLAG_markUnfusedTensorsAsDebugTensors)) status = build_unfused(path, model);
    if (status) return 1;
    if (!build) trtexec_profile_load(model->engine);
    if (!build) trtexec_run_shapes(&options.model.shapes);
    status = trtexec_profile_match(model->engine);
    if (status == 0 && trtexec_given(FLAG_refitFromOnnx)) status = trtexec_refit(&options, model);
    if (status) {
        model_close(model);
        return 1;
    }
    apply_batch(model);
    pln_engine_summarize(model->engine, &summary);
    if (!build) tell_device(model);
    trtexec_log('I', "Targets: %s", summary.targets);
    trtexec_log('I', "Threads: %d", model->threads);
    warn_precision(&summary);
    if (build) status = report_build(model);
    else {
        size_t plan_bytes;
        (void)pln_engine_plan(model->engine, &plan_bytes);
        trtexec_log('I', "Engine loaded in %.4f sec.", model->load_ms * 1e-3);
        trtexec_log('I', "Loaded engine with size: %.4f MiB", (double)plan_bytes / 1048576);
        trtexec_log('I', "Engine deserialized in %.4f sec.", model->load_ms * 1e-3);
    }
    if (status) model_close(model);
    return status;
}

/* From 11 on it names the type, by its own names. */
static void print_binding(const char *what, const char *name, enum pln_dtype dtype, int rank, const int64_t *dims)
{
    const bool typed = trtexec_version() >= 11;
    trtexec_log('I', "%s binding for %s with dimensions %s%s%s is created.", what, name, trtexec_dims(rank, dims), typed ? " and type " : "", typed ? trtexec_type(dtype) : "");
}

static void print_bindings(const struct model *model, const struct inputs *inputs, pln_context *context)
{
    struct pln_tensor_info info;
    struct pln_buffer buffer;
    struct pln_context_stats stats;
    int rank;
    int64_t dims[PLN_MAX_RANK];
    pln_context_get_stats(context, &stats);
    trtexec_log('I', "Created execution context with device memory size: %.4f MiB", (double)stats.arena_bytes / 1048576);
    for (int i = 0; i < inputs->count; i++) {
        bool loaded = false;
        for (size_t f = 0; f < options.files.count; f++) loaded |= strncmp(options.files.items[f], inputs->infos[i].name, strlen(inputs->infos[i].name)) == 0;
        trtexec_log('I', loaded ? "Using values loaded from file for input %s" : "Using random values for input %s", inputs->infos[i].name);
        print_binding("Input", inputs->infos[i].name, inputs->infos[i].dtype, inputs->infos[i].rank, inputs->infos[i].dims);
    }
    for (int i = 0; pln_engine_output(model->engine, i, &info) == PLN_OK; i++) {
        if (pln_context_output_shape(context, info.name, &rank, dims) != PLN_OK) trtexec_log('I', "Output %s is dynamic: its memory comes from an output allocator, in each run", info.name);
        else if (pln_context_output(context, info.name, &buffer) == PLN_OK) print_binding("Output", info.name, buffer.dtype, buffer.rank, buffer.dims);
    }
    if (stats.captures) trtexec_log('I', "Captured a CUDA graph for the execution context");
}

static int report(const struct model *model, const struct inputs *inputs, pln_context *context, const struct trtexec_times *times)
{
    struct pln_engine_summary summary;
    pln_engine_summarize(model->engine, &summary);
    int status = 0;
    trtexec_print_summary(&options, times, strncmp(summary.device, "cuda", 4) != 0);
    if (trtexec_given(FLAG_dumpOutput)) trtexec_print_outputs(model, context);
    if (trtexec_given(FLAG_dumpRawBindingsToFile)) status = trtexec_dump_bindings(model, inputs, context);
    if (status == 0 && trtexec_given(FLAG_exportTimes)) status = trtexec_export_times(trtexec_text(FLAG_exportTimes), times);
    if (status == 0 && trtexec_given(FLAG_exportOutput)) status = trtexec_export_outputs(trtexec_text(FLAG_exportOutput), model, context);
    if (status == 0 && (trtexec_given(FLAG_dumpProfile) || trtexec_given(FLAG_exportProfile))) status = trtexec_profile(&options, model, context);
    return status;
}

static int infer(const struct model *model)
{
    struct inputs inputs = { 0 };
    struct trtexec_times times = { 0 };
    pln_context *context = NULL;
    bool inaccurate = false;
    int status = inputs_make(&command_trtexec, model, &options.model, &options.files, true, &inputs);
    if (status == 0 && pln_context_create(model->engine, NULL, &context) != PLN_OK) status = command_fail(&command_trtexec, 1, "no memory for a context");
    if (status == 0) status = inputs_bind(&command_trtexec, &inputs, context);
    if (status == 0) {
        enum pln_status ran = pln_context_run(context);
        if (ran != PLN_OK) status = model_fail(&command_trtexec, pln_context_diagnostics(context), ran, "run");
    }
    if (status == 0) print_bindings(model, &inputs, context);
    if (status == 0 && trtexec_given(FLAG_exportLayerInfo)) status = trtexec_export_layers(trtexec_text(FLAG_exportLayerInfo), model, context);
    if (status == 0) status = trtexec_check_accuracy(&options, model, &inaccurate);
    if (status == 0) status = trtexec_measure(&options, model, &inputs, context, &times);
    if (status == 0) status = report(model, &inputs, context, &times);
    if (status == 0) status = trtexec_save_debug(model, &inputs);
    if (status == 0 && trtexec_given(FLAG_tuningResultFile)) status = trtexec_write_result(trtexec_text(FLAG_tuningResultFile), &times, inaccurate);
    free(times.queries);
    pln_context_destroy(context);
    inputs_free(&inputs);
    return status || inaccurate;
}

/* What is asked of the model itself, before any run. done: nothing else is. */
static int inspect(const struct model *model, bool *out_done)
{
    int status = 0;
    if (trtexec_given(FLAG_dumpLayerInfo)) trtexec_print_layers(model);
    if (trtexec_given(FLAG_dumpOptimizationProfile)) trtexec_print_profiles(model->engine);
    if (trtexec_given(FLAG_dumpRefit)) trtexec_print_weights(model);
    if (trtexec_given(FLAG_timeRefit)) status = trtexec_time_refit(&options, model);
    *out_done = trtexec_given(FLAG_timeDeserialize);
    if (status == 0 && *out_done) status = trtexec_time_load(model);
    return status;
}

static int work(void)
{
    struct model model;
    bool done = false;
    int status = trtexec_given(FLAG_calib) ? trtexec_read_calibration(trtexec_text(FLAG_calib)) : 0;
    if (status == 0) status = open_model(&model);
    if (status) return status;
    status = inspect(&model, &done);
    if (status == 0 && !done && options.skip_inference) {
        trtexec_log('I', "Skipped inference phase since --skipInference is added.");
        if (trtexec_given(FLAG_exportLayerInfo)) status = trtexec_export_layers(trtexec_text(FLAG_exportLayerInfo), &model, NULL);
    } else if (status == 0 && !done) status = infer(&model);
    model_close(&model);
    return status;
}

/* Magic and version of a plan are the same in all versions. */
static int print_plan_version(void)
{
    static const unsigned char magic[8] = { 0x89, 'P', 'L', 'A', 'N', '\r', '\n', 0x1a };
    struct {
        unsigned char magic[8];
        uint32_t version, endian;
    } head = { { 0 }, 0, 0 };
    const char *path = trtexec_text(FLAG_loadEngine);
    int oldest;
    if (!path) return trtexec_error("--getPlanVersionOnly wants --loadEngine=FILE");
    FILE *file = fopen(path, "rb");
    const bool got = file && fread(&head, sizeof head, 1, file) == 1 && memcmp(head.magic, magic, sizeof magic) == 0;
    if (!file) return trtexec_error("%s: %s", path, strerror(errno));
    fclose(file);
    if (!got) return trtexec_error("%s is no plan of Planish", path);
    const int own = pln_plan_version(&oldest);
    trtexec_log('I', "Plan was created with format version %u; this program reads %d to %d", head.version, oldest, own);
    return 0;
}

/* Those that end before a model is built. -1: go on. */
static int run_early(void)
{
    if (trtexec_given(FLAG_pln_install_link)) return install_link(trtexec_text(FLAG_pln_install_link));
    if (trtexec_given(FLAG_pln_markdown)) return trtexec_print_markdown(), 0;
    if (trtexec_given(FLAG_helpBuildRoute)) return trtexec_print_knobs(trtexec_text(FLAG_helpBuildRoute));
    if (trtexec_given(FLAG_getPlanVersionOnly)) return print_plan_version();
    if (!trtexec_given(FLAG_continue) && trtexec_check(&options) != 0) return 1;
    return -1;
}

static int run(int argc, char **argv)
{
    static const struct {
        int version;
        const char *number, *text;
    } names[] = { { 8, "8601", "8.6.1" }, { 10, "101300", "10.13.0" }, { 11, "110100", "11.1.0" } }; /* those of the module planish.tensorrt */
    static struct text_list nothing;
    options = (struct trtexec_options){ .iterations = 10 };
    if (argc == 0) return options_parse(&command_trtexec, trtexec_option_rows(), argc, argv, &nothing); /* somebody wants to see the table */
    command_stamp = stamp_message;
    command_reword = reword;
    command_log = log_line;
    int status = trtexec_parse(argc, argv), own = 0;
    if (status >= 0) return status;
    options.percentile = trtexec_given(FLAG_percentile) ? trtexec_text(FLAG_percentile) : "90,95,99";
    status = run_early();
    if (status >= 0) return status;
    const bool tunes = trtexec_is_tuning() || trtexec_given(FLAG_continue);
    if (!tunes && trtexec_settle(&options) != 0) return 1;
    while (names[own].version != trtexec_version()) own++;
    char tail[4000];
    size_t n = (size_t)snprintf(tail, sizeof tail, "[TensorRT v%s] [b0] # trtexec", names[own].number);
    for (int i = 1; i < argc && n < sizeof tail; i++) n += (size_t)snprintf(tail + n, sizeof tail - n, " %s", argv[i]);
    say(stdout, "&&&& RUNNING TensorRT.trtexec %s\n", tail);
    if (tunes) status = trtexec_tune(argc, argv);
    else {
        trtexec_print_options(&options);
        snprintf(version_text, sizeof version_text, "%s (whose defaults and forms are meant; this is Planish %s, with the defaults of trtexec %d.x)", names[own].text, pln_version(), names[own].version);
        status = work() ? 1 : 0;
    }
    say(stdout, "&&&& %s TensorRT.trtexec %s\n", status ? "FAILED" : "PASSED", tail);
    return status;
}
