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

#define NO_MEANING "taken for scripts' sake; says that it has no meaning here"
#define UNUSED_FLAG(name) { name, 0, OPTION_FLAG, NULL, "", NO_MEANING }
#define UNUSED_VALUE(name) { name, 0, OPTION_TEXT, NULL, "VALUE", NO_MEANING }

/* The flags of 11.1 and those of 8.x to 10.x. */
static const struct option_row rows[] = {
    { "onnx", 0, OPTION_TEXT, &options.onnx, "FILE", "the ONNX model" },
    { "saveEngine", 0, OPTION_TEXT, &options.save_engine, "FILE", "write the plan, whatever the extension" },
    { "loadEngine", 0, OPTION_TEXT, &options.load_engine, "FILE", "measure this plan" },
    { "shapes", 0, OPTION_TEXT, &options.shapes, "x:1x3x224x224,…", "shapes of the run" },
    { "minShapes", 0, OPTION_TEXT, &options.min_shapes, "x:1x3x224x224,…", "least shapes (a plan takes all shapes)" },
    { "optShapes", 0, OPTION_TEXT, &options.opt_shapes, "x:1x3x224x224,…", "usual shapes: those of the run where --shapes is not given" },
    { "maxShapes", 0, OPTION_TEXT, &options.max_shapes, "x:1x3x224x224,…", "largest shapes" },
    { "fp16", 0, OPTION_FLAG, &options.fp16, "", "permits f16" },
    { "bf16", 0, OPTION_FLAG, &options.bf16, "", "permits bf16" },
    { "fp8", 0, OPTION_FLAG, &options.fp8, "", "permits fp8 (not used by this version)" },
    { "int8", 0, OPTION_FLAG, &options.int8, "", "permits int8 (not used by this version, but for models with Q/DQ)" },
    { "int4", 0, OPTION_FLAG, &options.int4, "", "permits int4 (not used by this version)" },
    { "best", 0, OPTION_FLAG, &options.best, "", "permits all of them" },
    { "noTF32", 0, OPTION_FLAG, &options.no_tf32, "", "products stay in f32" },
    { "timingCacheFile", 0, OPTION_TEXT, &options.timing_cache, "FILE", "measure kernels, with what was measured in this file, where more is added (--timing-cache of build)" },
    { "skipInference", 0, OPTION_FLAG, &options.skip_inference, "", "build only" },
    { "buildOnly", 0, OPTION_FLAG, &options.build_only, "", "the same (8.x)" },
    { "loadInputs", 0, OPTION_TEXT, &options.load_inputs, "x:FILE,…", "raw bytes of inputs" },
    { "iterations", 0, OPTION_COUNT, &options.iterations, "N", "queries at the least (10)" },
    { "duration", 0, OPTION_REAL, &options.duration, "S", "seconds at the least (3)" },
    { "warmUp", 0, OPTION_REAL, &options.warm_up, "MS", "before it counts (200)" },
    { "sleepTime", 0, OPTION_REAL, &options.sleep_time, "MS", "between launch and compute (0; none is made here)" },
    { "idleTime", 0, OPTION_REAL, &options.idle_time, "MS", "between queries (0)" },
    { "infStreams", 0, OPTION_COUNT, &options.inf_streams, "N", "contexts that run together, a thread each (1)" },
    { "streams", 0, OPTION_COUNT, &options.streams, "N", "the same (8.x)" },
    { "threads", 0, OPTION_FLAG, &options.threads, "", "a thread a stream, as always here" },
    { "useCudaGraph", 0, OPTION_FLAG, &options.cuda_graph, "", "as always here on a GPU" },
    { "noDataTransfers", 0, OPTION_FLAG, &options.no_data_transfers, "", "copies cannot be left out here: told" },
    { "avgRuns", 0, OPTION_COUNT, &options.avg_runs, "N", "queries in a line of the trace (10)" },
    { "percentile", 0, OPTION_TEXT, &options.percentile, "P,…", "percentiles to report (90,95,99)" },
    { "dumpOutput", 0, OPTION_FLAG, &options.dump_output, "", "print the outputs" },
    { "dumpProfile", 0, OPTION_FLAG, &options.dump_profile, "", "print the time of each step" },
    { "dumpLayerInfo", 0, OPTION_FLAG, &options.dump_layers, "", "print the steps" },
    { "exportTimes", 0, OPTION_TEXT, &options.export_times, "FILE", "the queries as JSON" },
    { "exportOutput", 0, OPTION_TEXT, &options.export_output, "FILE", "the outputs as JSON" },
    { "exportProfile", 0, OPTION_TEXT, &options.export_profile, "FILE", "the time of each step as JSON" },
    { "exportLayerInfo", 0, OPTION_TEXT, &options.export_layers, "FILE", "the steps as JSON" },
    { "device", 0, OPTION_INT, &options.device, "N", "which GPU (0)" },
    { "verbose", 0, OPTION_FLAG, &options.verbose, "", "tell more" },
    { "help", 'h', OPTION_FLAG, &options.help, "", "show this text" },
    { "pln-device", 0, OPTION_TEXT, &options.pln_device, "NAME", "cuda:0 (default where an NVIDIA GPU is), cpu (default elsewhere), ref" },
    { "pln-threads", 0, OPTION_COUNT, &options.pln_threads, "N", "threads (all that the process may use)" },
    { "pln-cpus", 0, OPTION_TEXT, &options.pln_cpus, "0-3,8", CPUS_HELP },
    { "pln-plugin", 0, OPTION_TEXT, &options.pln_plugin, "FILE.so", "custom operators of planish/plugin.h from a shared object" },
    { "pln-version", 0, OPTION_INT, &options.version, "8|10|11", "whose defaults are meant (10)" },
    { "pln-install-link", 0, OPTION_TEXT, &options.install_link, "DIR", "make a link DIR/trtexec to this program, never over another file" },
    UNUSED_FLAG("refit"), UNUSED_FLAG("stripWeights"), UNUSED_FLAG("stripAllWeights"), UNUSED_FLAG("versionCompatible"), UNUSED_FLAG("vc"), UNUSED_FLAG("pluginInstanceNorm"), UNUSED_FLAG("pi"),
    UNUSED_FLAG("uint8AsymmetricQuantizationDLA"), UNUSED_FLAG("reportCapabilityDLA"), UNUSED_FLAG("adjustForDLA"), UNUSED_FLAG("enablePluginOverride"), UNUSED_FLAG("excludeLeanRuntime"),
    UNUSED_FLAG("monitorMemory"), UNUSED_FLAG("stronglyTyped"), UNUSED_FLAG("directIO"), UNUSED_FLAG("distributiveIndependence"), UNUSED_FLAG("safe"), UNUSED_FLAG("consistency"),
    UNUSED_FLAG("dumpKernelText"), UNUSED_FLAG("buildDLAStandalone"), UNUSED_FLAG("allowGPUFallback"), UNUSED_FLAG("asyncFileReader"), UNUSED_FLAG("noBuilderCache"), UNUSED_FLAG("noCompilationCache"),
    UNUSED_FLAG("errorOnTimingCacheMiss"), UNUSED_FLAG("allowWeightStreaming"), UNUSED_FLAG("markUnfusedTensorsAsDebugTensors"), UNUSED_FLAG("cpuOnly"), UNUSED_FLAG("exposeDMA"),
    UNUSED_FLAG("includeDataTransfers"), UNUSED_FLAG("useManagedMemory"), UNUSED_FLAG("noSpinWait"), UNUSED_FLAG("useSpinWait"), UNUSED_FLAG("noCudaGraph"), UNUSED_FLAG("timeDeserialize"),
    UNUSED_FLAG("timeRefit"), UNUSED_FLAG("separateProfileRun"), UNUSED_FLAG("dumpRefit"), UNUSED_FLAG("dumpRawBindingsToFile"), UNUSED_FLAG("dumpOptimizationProfile"), UNUSED_FLAG("ignoreParsedPluginLibs"),
    UNUSED_FLAG("explicitBatch"), UNUSED_FLAG("explicitPrecision"), UNUSED_FLAG("heuristic"), UNUSED_FLAG("nativeInstanceNorm"), UNUSED_FLAG("ni"), UNUSED_FLAG("restricted"), UNUSED_FLAG("weightless"),
    UNUSED_VALUE("inputIOFormats"), UNUSED_VALUE("outputIOFormats"), UNUSED_VALUE("memPoolSize"), UNUSED_VALUE("profilingVerbosity"), UNUSED_VALUE("avgTiming"), UNUSED_VALUE("minTiming"),
    UNUSED_VALUE("useRuntime"), UNUSED_VALUE("leanDLLPath"), UNUSED_VALUE("sparsity"), UNUSED_VALUE("layerDeviceTypes"), UNUSED_VALUE("decomposableAttentions"), UNUSED_VALUE("tacticSources"),
    UNUSED_VALUE("preview"), UNUSED_VALUE("builderOptimizationLevel"), UNUSED_VALUE("maxTactics"), UNUSED_VALUE("hardwareCompatibilityLevel"),
    UNUSED_VALUE("runtimePlatform"), UNUSED_VALUE("tempdir"), UNUSED_VALUE("tempfileControls"), UNUSED_VALUE("maxAuxStreams"), UNUSED_VALUE("markDebug"), UNUSED_VALUE("tilingOptimizationLevel"),
    UNUSED_VALUE("l2LimitForTiling"), UNUSED_VALUE("persistentCacheRatio"), UNUSED_VALUE("useProfile"), UNUSED_VALUE("profile"), UNUSED_VALUE("allocationStrategy"), UNUSED_VALUE("saveDebugTensors"),
    UNUSED_VALUE("saveAllDebugTensors"), UNUSED_VALUE("weightStreamingBudget"), UNUSED_VALUE("useDLACore"), UNUSED_VALUE("staticPlugins"), UNUSED_VALUE("dynamicPlugins"), UNUSED_VALUE("plugins"),
    UNUSED_VALUE("setPluginsToSerialize"), UNUSED_VALUE("safetyPlugins"), UNUSED_VALUE("calib"), UNUSED_VALUE("calibProfile"), UNUSED_VALUE("minShapesCalib"), UNUSED_VALUE("optShapesCalib"),
    UNUSED_VALUE("maxShapesCalib"), UNUSED_VALUE("precisionConstraints"), UNUSED_VALUE("layerPrecisions"), UNUSED_VALUE("layerOutputTypes"), UNUSED_VALUE("workspace"), UNUSED_VALUE("nvtxMode"),
    { 0 },
};

void trtexec_log(char level, const char *format, ...)
{
    FILE *out = level == 'I' || level == 'V' ? stdout : stderr;
    char stamp[32];
    time_t now = time(NULL);
    struct tm parts;
    va_list args;
    if (level == 'V' && !options.verbose) return;
    strftime(stamp, sizeof stamp, "%m/%d/%Y-%H:%M:%S", localtime_r(&now, &parts));
    say(out, "[%s] [%c] ", stamp, level);
    va_start(args, format);
    say_args(out, format, args);
    va_end(args);
    fputc('\n', out);
    command_flush(); /* warnings on stderr stand where they belong, and that a line could not be written is not forgotten */
}

/* ---- the grammar ---- */

static int bad_value(const struct option_row *row, const char *value)
{
    return command_fail(&command_trtexec, 1, "--%s wants a number, not '%s'", row->name, value);
}

static int set(const struct option_row *row, const char *value)
{
    char *end;
    if (!row->value) {
        trtexec_log('W', "--%s has no meaning here and is passed over", row->name);
        return 0;
    }
    if (row->kind == OPTION_FLAG) {
        *(bool *)row->value = true; /* also with =0 and =false, as there */
        return 0;
    }
    if (!value || !*value) return command_fail(&command_trtexec, 1, "--%s wants a value: --%s=%s", row->name, row->name, row->argument);
    if (row->kind == OPTION_TEXT) {
        *(const char **)row->value = value;
        return 0;
    }
    errno = 0;
    if (row->kind == OPTION_REAL) {
        *(double *)row->value = strtod(value, &end);
        return *end || errno ? bad_value(row, value) : 0;
    }
    *(long *)row->value = strtol(value, &end, 10);
    const long number = *(long *)row->value;
    return *end || errno || number > INT_MAX || number < (row->kind == OPTION_COUNT ? 1 : INT_MIN) ? bad_value(row, value) : 0;
}

static const char *nearest(const char *word, size_t length)
{
    const char *names[160];
    char own[64];
    size_t n = 0;
    for (const struct option_row *row = rows; row->name && n < 160; row++) names[n++] = row->name;
    snprintf(own, sizeof own, "%.*s", (int)length, word);
    return nearest_name(own, names, n);
}

/* -1: go on; else the exit status. Unknown options are all told. */
static int parse(int argc, char **argv)
{
    int unknown = 0, bad = 0;
    for (int i = 1; i < argc && !bad; i++) {
        const char *word = strcmp(argv[i], "-h") == 0 ? "--help" : argv[i], *equals = strchr(word, '=');
        const size_t length = strncmp(word, "--", 2) == 0 ? (equals ? (size_t)(equals - word) : strlen(word)) - 2 : 0;
        const struct option_row *row = rows;
        while (row->name && (length == 0 || strlen(row->name) != length || strncmp(row->name, word + 2, length) != 0)) row++;
        if (row->name) {
            const char *value = equals ? equals + 1 : NULL;
            /* Ours have the grammar of ours, too. */
            if (!value && strncmp(row->name, "pln-", 4) == 0 && i + 1 < argc) value = argv[++i];
            bad = set(row, value);
            continue;
        }
        const char *near = length ? nearest(word + 2, length) : NULL;
        if (unknown++ == 0) options_print_help(&command_trtexec, rows);
        trtexec_log('E', "Unknown option: %s%s%s%s", word, near ? "; did you mean --" : length ? "" : " (options are --name or --name=value)", near ? near : "", near ? "?" : "");
    }
    if (unknown || bad) return 1;
    if (!options.help && argc > 1) return -1;
    options_print_help(&command_trtexec, rows);
    return 0;
}

/* "'a:b':1x2,c:scalar,d:" as NAME:DIMS each, in the form that --shapes of the other commands has. */
static void add_shapes(const char *text, struct text_list *out)
{
    while (text && *text) {
        const size_t n = strcspn(text, ",");
        char *item = malloc(n + sizeof "scalar"), *at = item;
        for (size_t i = 0; item && i < n; i++)
            if (text[i] != '\'') *at++ = text[i];
        if (!item) return;
        *at = '\0';
        if (at > item && at[-1] == ':') memcpy(at, "scalar", sizeof "scalar");
        text_list_add(out, item); /* lives as long as the process */
        text += n + (text[n] == ',');
    }
}

static int check(void)
{
    if (options.version != 8 && options.version != 10 && options.version != 11) return trtexec_log('E', "--pln-version can be 8, 10 or 11"), 1;
    if (!options.onnx && !options.load_engine) return trtexec_log('E', "Model missing or format not recognized: give --onnx=FILE or --loadEngine=FILE"), 1;
    if (options.timing_cache && options.load_engine) trtexec_log('W', "--timingCacheFile is for building and is passed over: a plan is loaded");
    if (options.onnx && options.load_engine) return trtexec_log('E', "--onnx and --loadEngine are two models: give one of them"), 1;
    if (options.load_engine && options.save_engine) return trtexec_log('E', "Load and save engine options can't be specified together"), 1;
    for (const char *at = options.percentile; *at;) {
        char *end;
        const double value = strtod(at, &end);
        if (end == at || (*end && *end != ',') || !(value >= 0 && value <= 100) || options.n_percentiles == 16) return trtexec_log('E', "--percentile=%s: numbers from 0 to 100, at most 16", options.percentile), 1;
        options.percentiles[options.n_percentiles++] = value;
        at = *end ? end + 1 : end;
    }
    return 0;
}

static void settle(void)
{
    static char device[32];
    struct model_options *model = &options.model;
    bool named = false;
    if (options.device >= 0) named = snprintf(device, sizeof device, "cuda:%ld", options.device) > 0;
    model->device = options.pln_device ? options.pln_device : named ? device : NULL;
    model->threads = options.pln_threads;
    model->cpus = options.pln_cpus;
    model->result = options.save_engine;
    if (options.onnx) model->timing_cache = options.timing_cache;
    model->default_tune = model->timing_cache ? "fast" : NULL;
    model->seed = 1;
    if (options.pln_plugin) text_list_add(&model->plugins, options.pln_plugin);
    model->must_be_plan = options.load_engine != NULL;
    model->raw_files = true;
    model->on.fp16 = options.fp16 || options.best;
    model->on.bf16 = options.bf16 && !options.fp16 && !options.best;
    /* TF32 is on in trtexec unless it is told otherwise. */
    model->on.tf32 = options.no_tf32 ? "off" : "on";
    add_shapes(options.shapes ? options.shapes : options.opt_shapes ? options.opt_shapes : options.min_shapes ? options.min_shapes : options.max_shapes, &model->shapes);
    add_shapes(options.load_inputs, &options.files);
    if (options.inf_streams == 0) options.inf_streams = options.streams ? options.streams : 1;
    if (options.verbose) verbosity = 1;
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
    const bool cpu = strcmp(summary->device, "cpu") == 0 || strcmp(summary->device, "ref") == 0;
    if (options.int8 && !options.best) trtexec_log('W', "--int8 without calibration: for timing only; this version computes in the types of the model");
    if (options.fp8 || options.int4) trtexec_log('W', "--fp8 and --int4 are permissions that this version does not use");
    if ((options.fp16 || options.bf16 || options.best) && cpu) trtexec_log('W', "Precision flags are permissions: %s computes in FP32", summary->device);
}

static int save_engine(const struct model *model)
{
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    progress_begin(&command_trtexec, "write the plan", true);
    enum pln_status status = pln_engine_save_watched(model->engine, options.save_engine, model_show_progress, NULL, diagnostics);
    progress_end();
    int exit_status = status == PLN_OK ? 0 : model_fail(&command_trtexec, diagnostics, status, "");
    pln_diagnostics_destroy(diagnostics);
    return exit_status;
}

/* What is written must be neither what is read nor another result. */
static int check_results(const char *path)
{
    const struct {
        const char *option, *result;
    } results[] = { { "--saveEngine", options.save_engine }, { "--exportTimes", options.export_times }, { "--exportOutput", options.export_output }, { "--exportProfile", options.export_profile },
                    { "--exportLayerInfo", options.export_layers }, { "--timingCacheFile", options.timing_cache } };
    int status = 0;
    for (size_t i = 0; status == 0 && i < sizeof results / sizeof *results; i++) {
        status = model_check_result(&command_trtexec, path, results[i].result, i == 0);
        if (status == 0) status = model_check_inputs(&command_trtexec, &options.files, results[i].result);
        for (size_t k = 0; status == 0 && k < i; k++) status = model_check_results(&command_trtexec, results[k].option, results[k].result, results[i].option, results[i].result);
    }
    return status;
}

static int open_model(struct model *model)
{
    struct pln_engine_summary summary;
    const char *path = options.onnx ? options.onnx : options.load_engine;
    trtexec_log('I', options.onnx ? "Start parsing network model." : "Loading engine.");
    int status = check_results(path);
    if (status == 0) status = model_open(&command_trtexec, path, &options.model, model);
    if (status == 0 && options.onnx && model->is_plan) {
        model_close(model);
        return command_fail(&command_trtexec, 1, "%s is a plan: give it with --loadEngine=%s", path, path);
    }
    if (status) return 1;
    pln_engine_summarize(model->engine, &summary);
    size_t plan_bytes;
    (void)pln_engine_plan(model->engine, &plan_bytes);
    trtexec_log('I', "=== Device Information ===");
    trtexec_log('I', "Selected Device: %s", summary.device_name[0] ? summary.device_name : summary.device);
    trtexec_log('I', "Selected Device ID: %s", summary.device);
    trtexec_log('I', "Threads: %d", model->threads);
    trtexec_log('I', "Planish version: %s, with the defaults of trtexec %ld.x", pln_version(), options.version);
    warn_precision(&summary);
    if (options.onnx) {
        trtexec_log('I', "Created engine with size: %.4f MiB", (double)plan_bytes / 1048576);
        trtexec_log('I', "Engine built in %.4f sec.", model->build_ms * 1e-3);
        if (options.timing_cache)
            trtexec_log('I', "Timing cache %s: %d kernels measured, %d found, %d by estimate", options.timing_cache, model->tuned.measured, model->tuned.found, model->tuned.estimated);
        if (options.save_engine) status = save_engine(model);
    } else {
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
    static const char *const prefixes[] = { "f", "fp", "i", "int", "u", "uint" };
    const char *own = pln_dtype_name(dtype);
    char type[40];
    snprintf(type, sizeof type, " and type %s", own);
    for (int i = 0; i < 6; i += 2)
        if (own[0] == prefixes[i][0] && own[1] >= '1' && own[1] <= '9') snprintf(type, sizeof type, " and type %s%s", prefixes[i + 1], own + 1);
    trtexec_log('I', "%s binding for %s with dimensions %s%s is created.", what, name, trtexec_dims(rank, dims), options.version >= 11 ? type : "");
}

static void print_bindings(const struct model *model, const struct inputs *inputs, pln_context *context)
{
    struct pln_tensor_info info;
    struct pln_buffer buffer;
    struct pln_context_stats stats;
    pln_context_get_stats(context, &stats);
    trtexec_log('I', "Created execution context with device memory size: %.4f MiB", (double)stats.arena_bytes / 1048576);
    for (int i = 0; i < inputs->count; i++) {
        bool loaded = false;
        for (size_t f = 0; f < options.files.count; f++) loaded |= strncmp(options.files.items[f], inputs->infos[i].name, strlen(inputs->infos[i].name)) == 0;
        trtexec_log('I', loaded ? "Using values loaded from file for input %s" : "Using random values for input %s", inputs->infos[i].name);
        print_binding("Input", inputs->infos[i].name, inputs->infos[i].dtype, inputs->infos[i].rank, inputs->infos[i].dims);
    }
    for (int i = 0; pln_engine_output(model->engine, i, &info) == PLN_OK; i++)
        if (pln_context_output(context, info.name, &buffer) == PLN_OK) print_binding("Output", info.name, buffer.dtype, buffer.rank, buffer.dims);
}

static int report(const struct model *model, pln_context *context, const struct trtexec_times *times)
{
    struct pln_engine_summary summary;
    pln_engine_summarize(model->engine, &summary);
    int status = 0;
    trtexec_print_summary(&options, times, strncmp(summary.device, "cuda", 4) != 0);
    if (options.dump_output) trtexec_print_outputs(model, context);
    if (options.export_times) status = trtexec_export_times(options.export_times, times);
    if (status == 0 && options.export_output) status = trtexec_export_outputs(options.export_output, model, context);
    if (status == 0 && (options.dump_profile || options.export_profile)) status = trtexec_profile(&options, model, context);
    return status;
}

static int infer(const struct model *model)
{
    struct inputs inputs = { 0 };
    struct trtexec_times times = { 0 };
    pln_context *context = NULL;
    int status = inputs_make(&command_trtexec, model, &options.model, &options.files, true, &inputs);
    if (status == 0 && pln_context_create(model->engine, NULL, &context) != PLN_OK) status = command_fail(&command_trtexec, 1, "no memory for a context");
    if (status == 0) status = inputs_bind(&command_trtexec, &inputs, context);
    if (status == 0) {
        enum pln_status ran = pln_context_run(context);
        if (ran != PLN_OK) status = model_fail(&command_trtexec, pln_context_diagnostics(context), ran, "run");
    }
    if (status == 0) print_bindings(model, &inputs, context);
    if (status == 0 && options.export_layers) status = trtexec_export_layers(options.export_layers, model, context);
    if (status == 0) status = trtexec_measure(&options, model, &inputs, context, &times);
    if (status == 0) status = report(model, context, &times);
    free(times.queries);
    pln_context_destroy(context);
    inputs_free(&inputs);
    return status;
}

static int work(void)
{
    struct model model;
    int status = open_model(&model);
    if (status) return status;
    if (options.dump_layers) trtexec_print_layers(&model);
    if (options.skip_inference || options.build_only) {
        trtexec_log('I', "Skipped inference phase since --skipInference is added.");
        if (options.export_layers) status = trtexec_export_layers(options.export_layers, &model, NULL);
    } else status = infer(&model);
    model_close(&model);
    return status;
}

static int run(int argc, char **argv)
{
    static struct text_list nothing;
    options = (struct trtexec_options){ .iterations = 10, .avg_runs = 10, .device = -1, .version = 10, .duration = 3, .warm_up = 200, .percentile = "90,95,99" };
    if (argc == 0) return options_parse(&command_trtexec, rows, argc, argv, &nothing); /* somebody wants to see the table */
    int status = parse(argc, argv);
    if (status >= 0) return status;
    if (options.install_link) return install_link(options.install_link);
    if (check() != 0) return 1;
    settle();
    char tail[2000];
    size_t n = (size_t)snprintf(tail, sizeof tail, "[Planish v%s] # trtexec", pln_version());
    for (int i = 1; i < argc && n < sizeof tail; i++) n += (size_t)snprintf(tail + n, sizeof tail - n, " %s", argv[i]);
    say(stdout, "&&&& RUNNING TensorRT.trtexec %s\n", tail);
    trtexec_print_options(&options);
    status = work() ? 1 : 0;
    say(stdout, "&&&& %s TensorRT.trtexec %s\n", status ? "FAILED" : "PASSED", tail);
    return status;
}
