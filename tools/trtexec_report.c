/* The lines that scripts parse. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "planish/experimental/explore.h"
#include "summary.h"
#include "trtexec.h"

const char *trtexec_dims(int rank, const int64_t *dims)
{
    static char texts[4][PLN_MAX_RANK * 21 + 2];
    static int next;
    char *text = texts[next++ & 3];
    size_t n = 0;
    text[0] = '\0';
    for (int i = 0; i < rank; i++) n += (size_t)snprintf(text + n, sizeof texts[0] - n, "%s%lld", i ? "x" : "", (long long)dims[i]);
    return rank ? text : "scalar";
}

static const char *enabled(bool on)
{
    return on ? "Enabled" : "Disabled";
}

static const char *or_nothing(const char *text)
{
    return text ? text : "";
}

/* One "Input build shape" line an input: name=min+opt+max, from lists of name:dims. */
static void print_build_shapes(const struct trtexec_options *options)
{
    const char *opt = options->opt_shapes ? options->opt_shapes : options->shapes;
    if (!opt && !options->min_shapes) {
        trtexec_log('I', "Input build shapes: model");
        return;
    }
    if (!opt) opt = options->min_shapes;
    const char *least = options->min_shapes ? options->min_shapes : opt, *most = options->max_shapes ? options->max_shapes : opt;
    while (*opt) {
        const size_t n = strcspn(opt, ",");
        size_t colon = n;
        while (colon > 0 && opt[colon] != ':') colon--;
        const char *parts[3] = { least, opt, most };
        char dims[3][100] = { "", "", "" };
        for (int p = 0; p < 3; p++)
            for (const char *at = parts[p]; *at; at += strcspn(at, ","), at += *at == ',')
                if (strncmp(at, opt, colon + 1) == 0) snprintf(dims[p], sizeof dims[p], "%.*s", (int)strcspn(at + colon + 1, ","), at + colon + 1);
        trtexec_log('I', "Input build shape (profile 0): %.*s=%s+%s+%s", (int)colon, opt, dims[0][0] ? dims[0] : dims[1], dims[1], dims[2][0] ? dims[2] : dims[1]);
        opt += n + (opt[n] == ',');
    }
}

static void print_build_options(const struct trtexec_options *options)
{
    char precision[80] = "FP32";
    const struct {
        bool on;
        const char *name;
    } kinds[] = { { options->fp16 || options->best, "+FP16" }, { options->bf16 || options->best, "+BF16" }, { options->fp8 || options->best, "+FP8" }, { options->int8 || options->best, "+INT8" },
                  { options->int4, "+INT4" } };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].on) strncat(precision, kinds[i].name, sizeof precision - strlen(precision) - 1);
    trtexec_log('I', "=== Build Options ===");
    trtexec_log('I', "Memory Pools: workspace: default");
    trtexec_log('I', "Precision: %s", precision);
    trtexec_log('I', "Refit: Disabled");
    trtexec_log('I', "Sparsity: Disabled");
    trtexec_log('I', "TF32: %s", enabled(!options->no_tf32));
    trtexec_log('I', "Save engine: %s", or_nothing(options->save_engine));
    print_build_shapes(options);
}

void trtexec_print_options(const struct trtexec_options *options)
{
    trtexec_log('I', "=== Model Options ===");
    trtexec_log('I', "Format: %s", options->onnx ? "ONNX" : "*");
    trtexec_log('I', "Model: %s", or_nothing(options->onnx));
    if (!options->load_engine) print_build_options(options);
    trtexec_log('I', "=== System Options ===");
    trtexec_log('I', "Device: %s", options->model.device ? options->model.device : "default");
    trtexec_log('I', "=== Inference Options ===");
    trtexec_log('I', "Batch: Explicit");
    for (size_t i = 0; i < options->model.shapes.count; i++) {
        const char *item = options->model.shapes.items[i], *colon = strrchr(item, ':');
        trtexec_log('I', "Input inference shape : %.*s=%s", colon ? (int)(colon - item) : (int)strlen(item), item, colon ? colon + 1 : "");
    }
    trtexec_log('I', "Iterations: %ld", options->iterations);
    trtexec_log('I', "Duration: %gs (+ %gms warm up)", options->duration, options->warm_up);
    trtexec_log('I', "Sleep time: %gms", options->sleep_time);
    trtexec_log('I', "Idle time: %gms", options->idle_time);
    trtexec_log('I', "Inference Streams: %ld", options->inf_streams);
    trtexec_log('I', "ExposeDMA: Disabled");
    trtexec_log('I', "Data transfers: Enabled");
    trtexec_log('I', "Multithreading: %s", enabled(options->inf_streams > 1));
    trtexec_log('I', "Skip inference: %s", enabled(options->skip_inference || options->build_only));
    trtexec_log('I', "=== Reporting Options ===");
    trtexec_log('I', "Verbose: %s", enabled(options->verbose));
    trtexec_log('I', "Averages: %ld inferences", options->avg_runs);
    trtexec_log('I', "Percentiles: %s", options->percentile);
    trtexec_log('I', "Dump output: %s", enabled(options->dump_output));
    trtexec_log('I', "Profile: %s", enabled(options->dump_profile));
    trtexec_log('I', "Export timing to JSON file: %s", or_nothing(options->export_times));
    trtexec_log('I', "Export output to JSON file: %s", or_nothing(options->export_output));
    trtexec_log('I', "Export profile to JSON file: %s", or_nothing(options->export_profile));
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

static void print_line(const struct trtexec_options *options, const char *name, const struct trtexec_times *times, double (*ms)(const struct trtexec_query *))
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
    size_t at = (size_t)snprintf(line, sizeof line, "%s: min = %g ms, max = %g ms, mean = %g ms, median = %g ms", name, sorted[0], sorted[n - 1], mean_of(times->queries, n, ms),
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

static void print_warnings(const struct trtexec_options *options, const struct trtexec_times *times, bool on_cpu)
{
    const double mean = mean_of(times->queries, times->count, compute_ms);
    double square = 0;
    for (size_t i = 0; i < times->count; i++) square += pow(compute_ms(&times->queries[i]) - mean, 2);
    const double variation = times->count && mean > 0 ? sqrt(square / (double)times->count) / mean : 0;
    if (on_cpu) trtexec_log('W', "* There is no GPU in this run: GPU Compute Time is the time of the CPU, Enqueue Time is the same, and nothing is copied.");
    else trtexec_log('W', "* Copies of inputs and outputs are part of GPU Compute Time; H2D and D2H are not told apart.");
    if (variation > 0.025) trtexec_log('W', "* GPU compute time is unstable, with coefficient of variance = %.4g%%.", 100 * variation);
    if (options->inf_streams > 1) trtexec_log('W', "* Latencies of several inference streams influence each other.");
}

void trtexec_print_summary(const struct trtexec_options *options, const struct trtexec_times *times, bool on_cpu)
{
    trtexec_log('I', "Warmup completed %zu queries over %g ms", times->warm_ups, options->warm_up);
    trtexec_log('I', "Timing trace has %zu queries over %g s", times->count, times->wall_ms * 1e-3);
    trtexec_log('I', " ");
    print_trace(options, times);
    trtexec_log('I', " ");
    trtexec_log('I', "=== Performance summary ===");
    trtexec_log('I', "Throughput: %g qps", times->wall_ms > 0 ? (double)times->count / (times->wall_ms * 1e-3) : 0);
    print_line(options, "Latency", times, compute_ms);
    print_line(options, "Enqueue Time", times, enqueue_ms);
    print_line(options, "H2D Latency", times, copy_ms);
    print_line(options, "GPU Compute Time", times, compute_ms);
    print_line(options, "D2H Latency", times, copy_ms);
    trtexec_log('I', "Total Host Walltime: %g s", times->wall_ms * 1e-3);
    trtexec_log('I', "Total GPU Compute Time: %g s", mean_of(times->queries, times->count, compute_ms) * (double)times->count * 1e-3);
    print_warnings(options, times, on_cpu);
    trtexec_log('I', "Explanations of the performance metrics are printed in the verbose logs.");
    trtexec_log('V', "=== Explanations of the performance metrics ===");
    trtexec_log('V', "Latency: from the call to the end of a run. Enqueue Time: until the call returned. Throughput: queries by the time from the first start to the last end.");
    trtexec_log('I', " ");
}

/* ---- layers and outputs ---- */

void trtexec_print_layers(const struct model *model)
{
    struct pln_step_info info;
    trtexec_log('I', "Layer Information:");
    trtexec_log('I', "Layers:");
    for (int i = 0; pln_engine_step(model->engine, i, &info) == PLN_OK; i++) trtexec_log('I', "%s (%s, %s on %s)", info.name[0] ? info.name : info.kernel, info.op, info.kernel, info.device);
}

void trtexec_print_outputs(const struct model *model, pln_context *context)
{
    struct pln_tensor_info info;
    struct pln_buffer buffer;
    trtexec_log('I', "Output Tensors:");
    for (int i = 0; pln_engine_output(model->engine, i, &info) == PLN_OK; i++) {
        if (pln_context_output(context, info.name, &buffer) != PLN_OK) continue;
        int64_t count = 1;
        for (int d = 0; d < buffer.rank; d++) count *= buffer.dims[d];
        trtexec_log('I', "%s: (%s)", info.name, trtexec_dims(buffer.rank, buffer.dims));
        double value;
        for (int64_t k = 0; k < count && summary_element(&buffer, k, &value); k++) printf("%s%g", k ? " " : "", value);
        putchar('\n');
    }
}

static FILE *open_export(const char *path)
{
    FILE *out = fopen(path, "w");
    if (!out) command_fail(&command_trtexec, 1, "%s: %s", path, strerror(errno));
    return out;
}

static int close_export(const char *path, FILE *out)
{
    const bool failed = ferror(out) != 0;
    return fclose(out) == 0 && !failed ? 0 : command_fail(&command_trtexec, 1, "%s: %s", path, strerror(errno));
}

int trtexec_export_times(const char *path, const struct trtexec_times *times)
{
    FILE *out = open_export(path);
    if (!out) return 1;
    for (size_t i = 0; i < times->count; i++) {
        const struct trtexec_query *q = &times->queries[i];
        fprintf(out, "%s{ \"startEnqMs\" : %.6g, \"endEnqMs\" : %.6g, \"startH2dMs\" : %.6g, \"endH2dMs\" : %.6g, \"startComputeMs\" : %.6g, \"endComputeMs\" : %.6g, \"startD2hMs\" : %.6g, \"endD2hMs\" : %.6g, "
                     "\"h2dMs\" : 0, \"computeMs\" : %.6g, \"d2hMs\" : 0, \"latencyMs\" : %.6g }\n",
                i ? ", " : "[\n  ", q->start, q->enqueued, q->start, q->start, q->start, q->end, q->end, q->end, compute_ms(q), compute_ms(q));
    }
    fputs(times->count ? "]\n" : "[]\n", out);
    return close_export(path, out);
}

static void write_values(FILE *out, const struct model *model, pln_context *context, const uint32_t *ids, int n)
{
    bool any = false;
    for (int i = 0; i < n; i++) {
        struct pln_value_info info;
        if (ids[i] == UINT32_MAX || (context ? pln_context_value(context, (int)ids[i], &info) : pln_engine_value(model->engine, (int)ids[i], &info)) != PLN_OK) continue;
        fputs(any ? ",{\"Name\":" : "{\"Name\":", out);
        json_text(out, info.name);
        fputs(",\"Location\":", out);
        json_text(out, strcmp(info.device, "host") == 0 ? "Host" : "Device");
        fputs(",\"Dimensions\":[", out);
        for (int d = 0; d < info.rank; d++) fprintf(out, "%s%lld", d ? "," : "", (long long)info.dims[d]);
        fputs("],\"Format/Datatype\":", out);
        json_text(out, pln_dtype_name(info.dtype));
        fputc('}', out);
        any = true;
    }
}

int trtexec_export_layers(const char *path, const struct model *model, pln_context *context)
{
    struct pln_step_info info;
    struct pln_step_operands operands;
    struct pln_tensor_info io;
    FILE *out = open_export(path);
    if (!out) return 1;
    fputs("{\"Layers\":[", out);
    for (int i = 0; pln_engine_step(model->engine, i, &info) == PLN_OK && pln_engine_step_operands(model->engine, i, &operands) == PLN_OK; i++) {
        fputs(i ? ",\n{\"Name\":" : "\n{\"Name\":", out);
        json_text(out, info.name[0] ? info.name : info.kernel);
        fputs(",\"LayerType\":", out);
        json_text(out, info.op);
        fputs(",\"Inputs\":[", out);
        write_values(out, model, context, operands.inputs, operands.n_inputs);
        fputs("],\"Outputs\":[", out);
        write_values(out, model, context, operands.outputs, operands.n_outputs);
        fputs("],\"TacticName\":", out);
        json_text(out, info.kernel);
        fputs(",\"StreamId\":0,\"Metadata\":", out);
        json_text(out, info.name);
        fputc('}', out);
    }
    fputs("\n],\"Bindings\":[", out);
    int n = 0;
    for (int i = 0; pln_engine_input(model->engine, i, &io) == PLN_OK; i++) fputs(n++ ? "," : "", out), json_text(out, io.name);
    for (int i = 0; pln_engine_output(model->engine, i, &io) == PLN_OK; i++) fputs(n++ ? "," : "", out), json_text(out, io.name);
    fputs("]}\n", out);
    return close_export(path, out);
}

int trtexec_export_outputs(const char *path, const struct model *model, pln_context *context)
{
    struct pln_tensor_info info;
    struct pln_buffer buffer;
    FILE *out = open_export(path);
    if (!out) return 1;
    fputc('[', out);
    for (int i = 0, n = 0; pln_engine_output(model->engine, i, &info) == PLN_OK; i++) {
        if (pln_context_output(context, info.name, &buffer) != PLN_OK) continue;
        int64_t count = 1;
        for (int d = 0; d < buffer.rank; d++) count *= buffer.dims[d];
        fputs(n++ ? ",\n{ \"name\" : " : "\n{ \"name\" : ", out);
        json_text(out, info.name);
        fprintf(out, ", \"dimensions\" : \"%s\", \"values\" : [", trtexec_dims(buffer.rank, buffer.dims));
        double value;
        for (int64_t k = 0; k < count && summary_element(&buffer, k, &value); k++) {
            if (k) fputc(',', out);
            json_number(out, value);
        }
        fputs("] }", out);
    }
    fputs("\n]\n", out);
    return close_export(path, out);
}
