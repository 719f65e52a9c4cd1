#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "json.h"
#include "planish/planish.h"
#include "say.h"
#include "steps.h"

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void bench_summarize(struct samples *samples, struct bench_summary *out_summary)
{
    *out_summary = (struct bench_summary){ 0 };
    size_t n = samples->count;
    if (n == 0) return;
    qsort(samples->values, n, sizeof(double), by_value);
    const double *v = samples->values;
    for (size_t i = 0; i < n; i++) out_summary->mean += v[i] / (double)n;
    out_summary->min = v[0];
    out_summary->max = v[n - 1];
    out_summary->median = n & 1 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
    out_summary->p90 = v[(n - 1) * 90 / 100];
    out_summary->p95 = v[(n - 1) * 95 / 100];
    out_summary->p99 = v[(n - 1) * 99 / 100];
}

static int by_time(const void *a, const void *b)
{
    double x = ((const struct bench_step *)a)->ms, y = ((const struct bench_step *)b)->ms;
    return (x < y) - (x > y);
}

/* Thousand millions a second; NAN where they are not counted. */
static double rate(double work, const struct bench_step *step)
{
    return step->ms > 0 ? work * (double)step->count / (step->ms * 1e6) : NAN;
}

static double share_of_roof(const struct bench *bench, const struct bench_step *step)
{
    return bench->has_roof ? roof_share(&bench->roof, rate(step->work.flops, step), rate(step->work.bytes, step)) : NAN;
}

/* "" for NAN. At most three live at a time. */
static const char *number_text(const char *format, double value)
{
    static char texts[3][24];
    static unsigned next;
    char *text = texts[next++ % 3];
    text[0] = '\0';
    if (isfinite(value)) snprintf(text, sizeof texts[0], format, value);
    return text;
}

/* Slowest first, then the sum by kernel. */
static void print_profile(FILE *out, const struct bench *bench)
{
    double sum = 0;
    struct bench_step *sorted = malloc(((size_t)bench->n_steps + 1) * sizeof *sorted);
    if (!sorted) return;
    memcpy(sorted, bench->steps, (size_t)bench->n_steps * sizeof *sorted);
    qsort(sorted, (size_t)bench->n_steps, sizeof *sorted, by_time);
    for (int i = 0; i < bench->n_steps; i++) sum += sorted[i].ms;
    say(out, "\nsteps, slowest first (%d, %s of %s in kernels)\n", bench->n_steps, text_ms(sum), text_ms(bench->profiled_ms));
    if (bench->has_roof) say(out, "roof: %.0f Gflop/s in a large product, %.1f GB/s in adding large tensors, measured just now\n", bench->roof.gflops, bench->roof.gbytes);
    say(out, "%10s %6s %9s %7s %6s  %-28s %s\n", "ms", "share", "Gflop/s", "GB/s", "roof", "kernel", "ONNX nodes");
    for (int i = 0; i < bench->n_steps; i++) {
        if (i >= 40 && verbosity <= 0) {
            say(out, "%10s (%d more: -v lists all)\n", "", bench->n_steps - i);
            break;
        }
        const struct pln_step_info *info = &sorted[i].info;
        bool plain = strcmp(info->kernel, "ref") == 0; /* the reference kernel of an op is named by the op */
        char kernel[80];
        snprintf(kernel, sizeof kernel, "%s%s%s", info->kernel, plain ? " " : "", plain ? info->op : "");
        say(out, "%10.4f %5.1f%% %9s %7s %6s  %-28s %.100s\n", sorted[i].ms, sum > 0 ? 100 * sorted[i].ms / sum : 0, number_text("%.1f", rate(sorted[i].work.flops, &sorted[i])),
            number_text("%.1f", rate(sorted[i].work.bytes, &sorted[i])), number_text("%.0f%%", 100 * share_of_roof(bench, &sorted[i])), kernel, info->name);
    }
    free(sorted);
}

static void print_peer(FILE *out, struct bench *bench, const struct bench_summary *ours)
{
    struct bench_summary peers;
    bench_summarize(&bench->peers, &peers);
    say(out, "\n%-22s %14s %14s\n", "", "planish", "onnxruntime");
    say(out, "%-22s %14s %14s\n", "latency, median", text_ms(ours->median), text_ms(peers.median));
    say(out, "%-22s %14s %14s\n", "latency, least", text_ms(ours->min), text_ms(peers.min));
    say(out, "%-22s %14s %14s\n", bench->model->is_cached ? "loading (cached)" : bench->model->is_plan ? "loading" : "building",
            text_ms(model_is_loaded(bench->model) ? bench->model->load_ms : bench->model->build_ms), text_ms(bench->peer->load_ms));
    say(out, "%-22s %14s %14s  (of it %s Python and libraries)\n", "memory, peak", text_bytes(bench->peak_bytes), text_bytes(bench->peer_peak_bytes), text_bytes(bench->peer->base_bytes));
    if (bench->error >= 0) fprintf(out, "largest relative error %.3g (max|a-b| / max|b| over all outputs)\n", bench->error);
    if (bench->why[0]) say(out, "outputs differ: %s\n", bench->why);
    if (bench->n_ratios == 0) return;
    struct samples ratios = { bench->ratios, (size_t)bench->n_ratios };
    struct bench_summary ratio;
    bench_summarize(&ratios, &ratio);
    say(out, "onnxruntime %s / planish: %.3g (%.3g to %.3g in %d pairs); planish takes %.3g of its time\n", bench->peer->version, ratio.median, ratio.min, ratio.max, bench->n_ratios, 1 / ratio.median);
}

void bench_print(FILE *out, struct bench *bench)
{
    struct bench_summary ours;
    struct pln_engine_summary engine;
    char text[600];
    bench_summarize(&bench->ours, &ours);
    pln_engine_summarize(bench->model->engine, &engine);
    say(out, "model %s: %d ONNX nodes, %d steps, weights %s\n", bench->path, engine.onnx_nodes, engine.steps, text_bytes(engine.weights_bytes));
    say(out, "inputs %s\n", inputs_describe(bench->inputs, text, sizeof text));
    say(out, "latency median %s, least %s, mean %s, p90 %s, p99 %s (%zu runs)\n", text_ms(ours.median), text_ms(ours.min), text_ms(ours.mean), text_ms(ours.p90), text_ms(ours.p99), bench->ours.count);
    fprintf(out, "throughput %.1f runs/s, %.1f samples/s", bench->queries_per_s, bench->queries_per_s * (double)bench->batch);
    if (bench->contexts > 1) fprintf(out, " in %d contexts", bench->contexts);
    say(out, "\n%s, first run %s, activations %s, peak memory %s\n", model_origin(bench->model), text_ms(bench->first_run_ms),
            text_bytes(bench->arena_bytes), text_bytes(bench->peak_bytes));
    if (bench->peer) print_peer(out, bench, &ours);
    if (bench->print_steps) print_profile(out, bench);
}

/* ---- JSON ---- */

static void number(FILE *out, const char *name, double value)
{
    fprintf(out, ",\"%s\":", name);
    json_number(out, value);
}

static void write_latency(FILE *out, const char *name, const struct bench_summary *s)
{
    fprintf(out, ",\"%s\":{\"min\":", name);
    json_number(out, s->min);
    number(out, "mean", s->mean);
    number(out, "median", s->median);
    number(out, "p90", s->p90);
    number(out, "p95", s->p95);
    number(out, "p99", s->p99);
    number(out, "max", s->max);
    fputc('}', out);
}

static void write_shapes(FILE *out, const struct bench *bench)
{
    fputs(",\"shapes\":{", out);
    for (int i = 0; i < bench->inputs->count; i++) {
        const struct pln_tensor_info *info = &bench->inputs->infos[i];
        if (i) fputc(',', out);
        json_text(out, info->name);
        fputs(":[", out);
        for (int d = 0; d < info->rank; d++) fprintf(out, "%s%lld", d ? "," : "", (long long)info->dims[d]);
        fputc(']', out);
    }
    fputc('}', out);
}

static void write_steps(FILE *out, const struct bench *bench)
{
    if (!bench->print_steps) return;
    roof_write_json(out, bench->has_roof ? &bench->roof : NULL);
    fputs(",\"steps\":[", out);
    for (int i = 0; i < bench->n_steps; i++) {
        const struct bench_step *step = &bench->steps[i];
        fputs(i ? ",\n{\"name\":" : "\n{\"name\":", out);
        json_text(out, step->info.op);
        fputs(",\"kernel\":", out);
        json_text(out, step->info.kernel);
        fputs(",\"onnx_nodes\":", out);
        json_text(out, step->info.name);
        number(out, "ms", step->ms);
        number(out, "gflops", rate(step->work.flops, step));
        number(out, "gbytes", rate(step->work.bytes, step));
        number(out, "of_roof", share_of_roof(bench, step));
        fputc('}', out);
    }
    fputs("]", out);
}

static void write_peer(FILE *out, struct bench *bench)
{
    if (!bench->peer) return;
    struct bench_summary peers, ratio;
    struct samples ratios = { bench->ratios, (size_t)bench->n_ratios };
    bench_summarize(&bench->peers, &peers);
    bench_summarize(&ratios, &ratio);
    fputs(",\"peer\":{\"name\":\"onnxruntime\",\"version\":", out);
    json_text(out, bench->peer->version);
    write_latency(out, "latency_ms", &peers);
    number(out, "load_ms", bench->peer->load_ms);
    number(out, "peak_rss_bytes", (double)bench->peer_peak_bytes);
    number(out, "base_rss_bytes", (double)bench->peer->base_bytes);
    fprintf(out, ",\"ratio\":{\"median\":");
    json_number(out, ratio.median);
    number(out, "min", ratio.min);
    number(out, "max", ratio.max);
    fputs("}", out);
    number(out, "max_rel_err", bench->error >= 0 ? bench->error : NAN);
    fputs(",\"why\":", out);
    json_text(out, bench->why);
    fputc('}', out);
}

static double clock_mhz(void)
{
    char line[256];
    double mhz = NAN;
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && isnan(mhz) && fgets(line, sizeof line, file))
        if (strncmp(line, "cpu MHz", 7) == 0 && strchr(line, ':')) mhz = strtod(strchr(line, ':') + 1, NULL);
    if (file) fclose(file);
    return mhz;
}

void bench_write_json(FILE *out, struct bench *bench)
{
    struct bench_summary ours;
    struct pln_engine_summary engine;
    bench_summarize(&bench->ours, &ours);
    pln_engine_summarize(bench->model->engine, &engine);
    fputs("{\"schema\":1,\"model\":", out);
    json_text(out, bench->path);
    fputc(',', out);
    steps_write_device_json(out, bench->model->engine);
    fputs(",\"precision\":\"fp32\"", out);
    write_shapes(out, bench);
    fprintf(out, ",\"threads\":%d,\"iterations\":%zu", bench->model->threads, bench->ours.count);
    write_latency(out, "latency_ms", &ours);
    number(out, "queries_per_s", bench->queries_per_s);
    number(out, "samples_per_s", bench->queries_per_s * (double)bench->batch);
    number(out, "tokens_per_s", NAN);
    number(out, "build_ms", model_is_loaded(bench->model) ? NAN : bench->model->build_ms);
    number(out, "load_ms", model_is_loaded(bench->model) ? bench->model->load_ms : NAN);
    number(out, "first_run_ms", bench->first_run_ms);
    fputs(",\"h2d_ms\":null,\"enqueue_ms\":null", out);
    number(out, "compute_ms", ours.median);
    fputs(",\"d2h_ms\":null", out);
    number(out, "weights_bytes", (double)engine.weights_bytes);
    number(out, "plan_bytes", bench->model->is_plan ? (double)engine.plan_bytes : NAN);
    number(out, "arena_bytes", (double)bench->arena_bytes);
    fputs(",\"device_bytes\":null", out);
    number(out, "peak_rss_bytes", (double)bench->peak_bytes);
    fputc(',', out);
    trivial_write_json(out, &bench->trivial);
    write_steps(out, bench);
    write_peer(out, bench);
    number(out, "clock_mhz", clock_mhz());
    fputs(",\"machine\":", out);
    json_text(out, engine.device_name);
    fputs(",\"version\":", out);
    json_text(out, pln_version());
    fputs(",\"commit\":", out);
    json_text(out, PLANISH_COMMIT[0] ? PLANISH_COMMIT : NULL);
    fputs(",\"command\":", out);
    json_text(out, bench->command_line);
    fputs("}\n", out);
}
