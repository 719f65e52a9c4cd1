/* The lines that scripts parse. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trtexec.h"

static const char *enabled(bool on)
{
    return on ? "Enabled" : "Disabled";
}

static void print_pools(void)
{
    static const char *const pools[] = { "workspace", "dlaSRAM", "dlaLocalDRAM", "dlaGlobalDRAM", "tacticSharedMem" };
    struct text_list items = { 0 };
    char line[400] = "";
    size_t n = 0;
    trtexec_split(trtexec_text(FLAG_memPoolSize), &items);
    for (size_t p = 0; p < sizeof pools / sizeof *pools; p++) {
        double bytes = -1;
        if (p == 0 && trtexec_given(FLAG_workspace)) bytes = trtexec_number(FLAG_workspace, 0) * 1048576;
        for (size_t i = 0; i < items.count; i++) {
            const char *colon = strrchr(items.items[i], ':');
            if (strncmp(items.items[i], pools[p], (size_t)(colon - items.items[i])) == 0) trtexec_size(colon + 1, strlen(colon + 1), 1048576, &bytes);
        }
        if (bytes < 0) n += (size_t)snprintf(line + n, sizeof line - n, "%s%s: default", p ? ", " : "", pools[p]);
        else n += (size_t)snprintf(line + n, sizeof line - n, "%s%s: %g MiB", p ? ", " : "", pools[p], bytes / 1048576);
    }
    trtexec_log('I', "Memory Pools: %s", line);
    free(items.items);
}

static const char *given_or(enum trtexec_flag flag, const char *otherwise)
{
    return trtexec_given(flag) ? trtexec_text(flag) : otherwise;
}

static const char *on_if(enum trtexec_flag flag)
{
    return enabled(trtexec_given(flag));
}

static void print_build_options(const struct trtexec_options *options)
{
    const bool best = trtexec_given(FLAG_best), strong = trtexec_given(FLAG_stronglyTyped) || trtexec_version() >= 11;
    char precision[80] = "FP32";
    const struct {
        bool on;
        const char *name;
    } kinds[] = { { trtexec_given(FLAG_fp16) || best, "+FP16" }, { trtexec_given(FLAG_bf16) || best, "+BF16" }, { trtexec_given(FLAG_fp8) || best, "+FP8" }, { trtexec_given(FLAG_int8) || best, "+INT8" },
                  { trtexec_given(FLAG_int4), "+INT4" } };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].on) strncat(precision, kinds[i].name, sizeof precision - strlen(precision) - 1);
    const bool any = strcmp(precision, "FP32") != 0;
    trtexec_log('I', "=== Build Options ===");
    print_pools();
    trtexec_log('I', "avgTiming: %s", given_or(FLAG_avgTiming, "8"));
    trtexec_log('I', "Precision: %s", strong && (!any || trtexec_given(FLAG_stronglyTyped)) ? "Strongly Typed" : precision);
    trtexec_log('I', "LayerPrecisions: %s", given_or(FLAG_layerPrecisions, ""));
    trtexec_log('I', "Layer Device Types: %s", given_or(FLAG_layerDeviceTypes, ""));
    trtexec_log('I', "Calibration: %s", given_or(FLAG_calib, trtexec_given(FLAG_int8) ? "Dynamic" : ""));
    trtexec_log('I', "Refit: %s", enabled(trtexec_given(FLAG_refit) || trtexec_given(FLAG_stripAllWeights)));
    trtexec_log('I', "Strip weights: Disabled");
    trtexec_log('I', "Version Compatible: %s", enabled(trtexec_given(FLAG_versionCompatible) || trtexec_given(FLAG_vc)));
    trtexec_log('I', "TF32: %s", enabled(!trtexec_given(FLAG_noTF32)));
    trtexec_log('I', "Sparsity: Disabled");
    trtexec_log('I', "Safe mode: Disabled");
    trtexec_log('I', "Build DLA standalone mode: Disabled");
    trtexec_log('I', "Allow GPU fallback for DLA: %s", on_if(FLAG_allowGPUFallback));
    trtexec_log('I', "DirectIO mode: %s", on_if(FLAG_directIO));
    trtexec_log('I', "Restricted mode: %s", on_if(FLAG_restricted));
    trtexec_log('I', "Skip inference: %s", enabled(options->skip_inference));
    trtexec_log('I', "Save engine: %s", given_or(FLAG_saveEngine, ""));
    trtexec_log('I', "Load engine: %s", given_or(FLAG_loadEngine, ""));
    trtexec_log('I', "Profiling verbosity: %s", given_or(FLAG_profilingVerbosity, "layer_names_only"));
    trtexec_log('I', "Tactic sources: %s", given_or(FLAG_tacticSources, "Using default tactic sources"));
    trtexec_log('I', "timingCacheMode: %s", trtexec_given(FLAG_timingCacheFile) ? "global" : trtexec_given(FLAG_noBuilderCache) ? "disable" : "local");
    trtexec_log('I', "timingCacheFile: %s", given_or(FLAG_timingCacheFile, ""));
    trtexec_log('I', "Compilation Cache: %s", enabled(!trtexec_given(FLAG_noCompilationCache)));
    trtexec_log('I', "Builder optimization level: %s", given_or(FLAG_builderOptimizationLevel, "Default"));
    trtexec_log('I', "Max tactics: %s", given_or(FLAG_maxTactics, "-1"));
    trtexec_log('I', "Preview Features: %s", given_or(FLAG_preview, "Use default preview flags."));
    trtexec_log('I', "Tempfile Controls: %s", given_or(FLAG_tempfileControls, "in_memory:allow,temporary:allow"));
    trtexec_log('I', "Debug Tensors: %s", given_or(FLAG_markDebug, ""));
    trtexec_log('I', "Input(s) format: %s", given_or(FLAG_inputIOFormats, "the model's types, chw"));
    trtexec_log('I', "Output(s) format: %s", given_or(FLAG_outputIOFormats, "the model's types, chw"));
    trtexec_print_build_shapes();
}

static void print_inference_options(const struct trtexec_options *options)
{
    const int version = trtexec_version();
    trtexec_log('I', "=== Inference Options ===");
    trtexec_log('I', "Batch: Explicit");
    for (size_t i = 0; i < options->model.shapes.count; i++) {
        const char *item = options->model.shapes.items[i], *colon = strrchr(item, ':');
        trtexec_log('I', "Input inference shape : %.*s=%s", (int)(colon - item), item, colon + 1);
    }
    if (options->model.shapes.count == 0) trtexec_log('I', "Input inference shapes: model");
    trtexec_log('I', "Iterations: %ld", options->iterations);
    trtexec_log('I', "Duration: %gs (+ %gms warm up)", options->duration, options->warm_up);
    trtexec_log('I', "Sleep time: %gms", options->sleep_time);
    trtexec_log('I', "Idle time: %gms", options->idle_time);
    trtexec_log('I', "Inference Streams: %ld", options->streams);
    trtexec_log('I', "ExposeDMA: %s", on_if(FLAG_exposeDMA));
    trtexec_log('I', "Data transfers: %s", enabled(options->transfers));
    trtexec_log('I', "Spin-wait: %s", enabled(options->spin));
    trtexec_log('I', "Multithreading: %s", enabled(options->streams > 1 || trtexec_given(FLAG_threads)));
    trtexec_log('I', "CUDA Graph: %s", enabled(version >= 11 ? !trtexec_given(FLAG_noCudaGraph) : trtexec_given(FLAG_useCudaGraph)));
    trtexec_log('I', "Separate profiling: %s", enabled(version >= 11 || trtexec_given(FLAG_separateProfileRun)));
    trtexec_log('I', "Time Deserialize: %s", on_if(FLAG_timeDeserialize));
    trtexec_log('I', "Time Refit: %s", on_if(FLAG_timeRefit));
    trtexec_log('I', "Skip inference: %s", enabled(options->skip_inference));
    trtexec_log('I', "Persistent Cache Ratio: %s", given_or(FLAG_persistentCacheRatio, "0"));
    trtexec_log('I', "Optimization Profile Index: %s", given_or(FLAG_useProfile, "0"));
    trtexec_log('I', "Inputs: %s", given_or(FLAG_loadInputs, ""));
}

void trtexec_print_options(const struct trtexec_options *options)
{
    trtexec_log('I', "=== Model Options ===");
    trtexec_log('I', "Format: %s", trtexec_given(FLAG_onnx) ? "ONNX" : "*");
    trtexec_log('I', "Model: %s", given_or(FLAG_onnx, ""));
    trtexec_log('I', "Output:");
    if (!trtexec_given(FLAG_loadEngine)) print_build_options(options);
    trtexec_log('I', "=== System Options ===");
    trtexec_log('I', "Device: %s", options->model.device ? options->model.device : "default");
    trtexec_log('I', "DLACore:");
    trtexec_log('I', "Plugins:");
    for (size_t i = 0; i < options->model.plugins.count; i++) trtexec_log('I', "  %s", options->model.plugins.items[i]);
    print_inference_options(options);
    trtexec_log('I', "=== Reporting Options ===");
    trtexec_log('I', "Verbose: %s", on_if(FLAG_verbose));
    trtexec_log('I', "Averages: %ld inferences", options->avg_runs);
    trtexec_log('I', "Percentiles: %s", options->percentile);
    trtexec_log('I', "Dump refittable layers: %s", on_if(FLAG_dumpRefit));
    trtexec_log('I', "Dump output: %s", on_if(FLAG_dumpOutput));
    trtexec_log('I', "Profile: %s", on_if(FLAG_dumpProfile));
    trtexec_log('I', "Export timing to JSON file: %s", given_or(FLAG_exportTimes, ""));
    trtexec_log('I', "Export output to JSON file: %s", given_or(FLAG_exportOutput, ""));
    trtexec_log('I', "Export profile to JSON file: %s", given_or(FLAG_exportProfile, ""));
}

void trtexec_print_device(const pln_engine *engine)
{
    struct pln_engine_summary summary;
    pln_engine_summarize(engine, &summary);
    const char *name = summary.device_name[0] ? summary.device_name : summary.device;
    const bool on_gpu = strncmp(summary.device, "cuda", 4) == 0;
    trtexec_log('I', "=== Device Information ===");
    trtexec_log('I', "Available Devices:");
    trtexec_log('I', "  Device 0: \"%s\"", name);
    trtexec_log('I', "Selected Device: %s", name);
    trtexec_log('I', "Selected Device ID: %s", summary.device);
    if (!on_gpu) {
        const double pages = (double)sysconf(_SC_PHYS_PAGES), page = (double)sysconf(_SC_PAGESIZE);
        trtexec_log('I', "Device Global Memory: %.0f MiB", pages * page / 1048576);
    }
}

/* ---- the summary ---- */

static double compute_ms(const struct trtexec_query *query)
{
    return query->end - query->start;
}

static double enqueue_ms(const struct trtexec_query *query)
{
    return query->enqueued - query->start;
}

/* Copies are part of a run here, and not told apart. */
static double copy_ms(const struct trtexec_query *query)
{
    (void)query;
    return 0;
}

static double mean_of_all(const struct trtexec_times *times, const struct trtexec_span *span)
{
    return times->runs ? span->sum / (double)times->runs : 0;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double mean_of(const struct trtexec_query *queries, size_t n, double (*ms)(const struct trtexec_query *))
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += ms(&queries[i]);
    return n ? sum / (double)n : 0;
}

/* Least, largest and mean are those of all runs, the others those of the runs that are kept. */
static void print_line(const struct trtexec_options *options, const char *name, const struct trtexec_times *times, const struct trtexec_span *span, double (*ms)(const struct trtexec_query *))
{
    const size_t n = times->count;
    char line[1200];
    double *sorted = malloc((n + 1) * sizeof *sorted);
    if (!sorted || n == 0) {
        free(sorted);
        return;
    }
    for (size_t i = 0; i < n; i++) sorted[i] = ms(&times->queries[i]);
    qsort(sorted, n, sizeof *sorted, by_value);
    size_t at = (size_t)snprintf(line, sizeof line, "%s: min = %g ms, max = %g ms, mean = %g ms, median = %g ms", name, span->min, span->max, mean_of_all(times, span),
                                 (sorted[(n - 1) / 2] + sorted[n / 2]) / 2);
    for (int p = 0; p < options->n_percentiles && at < sizeof line; p++) {
        const double back = floor((1 - options->percentiles[p] / 100) * (double)n);
        const size_t index = (double)n - 1 - back > 0 ? n - 1 - (size_t)back : 0;
        at += (size_t)snprintf(line + at, sizeof line - at, ", percentile(%g%%) = %g ms", options->percentiles[p], sorted[index]);
    }
    trtexec_log('I', "%s", line);
    free(sorted);
}

static void print_trace(const struct trtexec_options *options, const struct trtexec_times *times)
{
    enum { MOST = 400 };
    const size_t group = (size_t)options->avg_runs, lines = times->count / group;
    trtexec_log('I', "=== Trace details ===");
    trtexec_log('I', "Trace averages of %ld runs:", options->avg_runs);
    for (size_t i = 0; i < lines; i++) {
        if (lines > MOST && i == MOST / 2) {
            trtexec_log('I', "... Omitting %zu lines", lines - MOST);
            i = lines - MOST / 2;
        }
        const struct trtexec_query *first = times->queries + i * group;
        const double compute = mean_of(first, group, compute_ms);
        trtexec_log('I', "Average on %ld runs - GPU latency: %g ms - Host latency: %g ms (enqueue %g ms)", options->avg_runs, compute, compute, mean_of(first, group, enqueue_ms));
    }
}

static double median_of(const struct trtexec_times *times, double (*ms)(const struct trtexec_query *))
{
    const size_t n = times->count;
    double *sorted = malloc((n + 1) * sizeof *sorted), median = 0;
    for (size_t i = 0; sorted && i < n; i++) sorted[i] = ms(&times->queries[i]);
    if (sorted && n) {
        qsort(sorted, n, sizeof *sorted, by_value);
        median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
    }
    free(sorted);
    return median;
}

double trtexec_median_ms(const struct trtexec_times *times)
{
    return median_of(times, compute_ms);
}

static void print_warnings(const struct trtexec_options *options, const struct trtexec_times *times, bool on_cpu)
{
    const double mean = mean_of_all(times, &times->compute);
    double square = 0;
    for (size_t i = 0; i < times->count; i++) square += pow(compute_ms(&times->queries[i]) - mean, 2);
    const double variation = times->count && mean > 0 ? sqrt(square / (double)times->count) / mean : 0;
    if (on_cpu) trtexec_log('W', "* There is no GPU in this run: GPU Compute Time is the time of the CPU, Enqueue Time is the same, and nothing is copied.");
    else if (options->transfers) trtexec_log('W', "* Copies of inputs and outputs are part of GPU Compute Time; H2D and D2H are not told apart.");
    if (!on_cpu && median_of(times, enqueue_ms) > 0.8 * median_of(times, compute_ms)) trtexec_log('W', "* Throughput may be bound by Enqueue Time rather than by the GPU.");
    if (variation > 0.025) trtexec_log('W', "* GPU compute time is unstable, with coefficient of variance = %.4g%%.", 100 * variation);
    if (options->streams > 1) trtexec_log('W', "* Latencies of several inference streams influence each other.");
}

void trtexec_print_summary(const struct trtexec_options *options, const struct trtexec_times *times, bool on_cpu)
{
    static const struct trtexec_span none;
    trtexec_log('I', "Warmup completed %zu queries over %g ms", times->warm_ups, options->warm_up);
    trtexec_log('I', "Timing trace has %zu queries over %g s", times->runs, times->wall_ms * 1e-3);
    if (times->count < times->runs) trtexec_log('I', "%zu of them are kept, evenly spread: medians, percentiles, trace and exported times are theirs", times->count);
    trtexec_log('I', " ");
    print_trace(options, times);
    trtexec_log('I', " ");
    trtexec_log('I', "=== Performance summary ===");
    trtexec_log('I', "Throughput: %g qps", times->wall_ms > 0 ? (double)times->runs / (times->wall_ms * 1e-3) : 0);
    print_line(options, "Latency", times, &times->compute, compute_ms);
    print_line(options, "Enqueue Time", times, &times->enqueue, enqueue_ms);
    print_line(options, "H2D Latency", times, &none, copy_ms);
    print_line(options, "GPU Compute Time", times, &times->compute, compute_ms);
    print_line(options, "D2H Latency", times, &none, copy_ms);
    trtexec_log('I', "Total Host Walltime: %g s", times->wall_ms * 1e-3);
    trtexec_log('I', "Total GPU Compute Time: %g s", times->compute.sum * 1e-3);
    print_warnings(options, times, on_cpu);
    trtexec_log('I', "Explanations of the performance metrics are printed in the verbose logs.");
    trtexec_log('V', "=== Explanations of the performance metrics ===");
    trtexec_log('V', "Latency: from the call to the end of a run. Enqueue Time: until the call returned. Throughput: queries by the time from the first start to the last end.");
    trtexec_log('I', " ");
}
