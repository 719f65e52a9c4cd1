/* planish bench: latency and throughput, a step's share, and the same of ONNX Runtime beside it. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "commands.h"

static int run(int argc, char **argv);
const struct command command_bench = {
    "bench", "[options] MODEL", "Measures latency and throughput of a model or plan on random inputs.",
    "  planish bench resnet50.onnx --shapes x:1x3x224x224\n  planish bench bert.onnx --dim batch=1,seq=128 --profile\n"
    "  planish bench model.plan --trace steps.json\n"
    "  planish bench model.onnx --vs onnxruntime --python ./venv/bin/python --json=result.json\n",
    run, false
};

static struct {
    struct model_options model;
    struct text_list input;
    const char *json, *versus, *python, *onnx, *batch_dim, *trace;
    long warm_up, iterations, contexts;
    double duration;
    bool profile;
} options;

static const struct option_row rows[] = {
    MODEL_ROWS(options.model),
    { "input", 0, OPTION_LIST, &options.input, "NAME=FILE", "an input from a file: .npy .npz .pb .bin (random where none is given); or a folder with input_J.pb for all" },
    { "warm-up", 0, OPTION_INT, &options.warm_up, "MS", "run this long before measuring (200)" },
    { "duration", 0, OPTION_REAL, &options.duration, "S", "measure this long (3)" },
    { "iterations", 0, OPTION_COUNT, &options.iterations, "N", "runs at the least (10)" },
    { "contexts", 0, OPTION_COUNT, &options.contexts, "N", "run in N contexts at a time, a thread each (1)" },
    { "batch-dim", 0, OPTION_TEXT, &options.batch_dim, "NAME", "the symbolic dim that counts samples (the first dim of the first input)" },
    { "profile", 0, OPTION_FLAG, &options.profile, "", "a row a step: kernel, ONNX nodes, time" },
    { "trace", 0, OPTION_TEXT, &options.trace, "FILE", "one run's steps as a trace for chrome://tracing or ui.perfetto.dev" },
    { "vs", 0, OPTION_TEXT, &options.versus, "PEER", "onnxruntime: measure it in turns with ours, same threads and inputs" },
    { "python", 0, OPTION_TEXT, &options.python, "PATH", "a Python that has onnxruntime (python3)" },
    { "onnx", 0, OPTION_TEXT, &options.onnx, "FILE", "the model for the peer, when MODEL is a plan" },
    { "json", 0, OPTION_OPTIONAL, &options.json, "FILE", "results as JSON" },
    { 0 },
};

enum { PAIRS = 5 };

static int run_once(pln_context *context)
{
    enum pln_status status = pln_context_run(context);
    return status == PLN_OK ? 0 : model_fail(&command_bench, pln_context_diagnostics(context), status, "run");
}

/* When measuring began, and how long it will take if no run is longer than its share. */
static double begun_ms, planned_ms;

/* After i of at least n runs since `start`: what is left is told by time, or by the runs that are still to be made. */
static void tell_measured(double start, long i, long n)
{
    const double now = now_ms(), done = now - begun_ms, left = i > 0 && i < n ? (now - start) / (double)i * (double)(n - i) : 0;
    progress_tell(NULL, done, done + left > planned_ms ? done + left : planned_ms);
}

/* Runs for `seconds`, `iterations` at least; samples may be NULL. */
static int measure(pln_context *context, double seconds, long iterations, struct samples *samples, bool tells)
{
    const double begin = now_ms(), end = begin + seconds * 1e3;
    for (long i = 0; i < iterations || now_ms() < end; i++) {
        if (tells) tell_measured(begin, i, iterations);
        double start = now_ms();
        int status = run_once(context);
        if (status) return status;
        if (samples) samples_add(samples, now_ms() - start);
    }
    return 0;
}

static void rest(void)
{
    /* Threads of the side that ran last go on looking for work for some milliseconds. */
    const struct timespec pause = { 0, 30000000 };
    nanosleep(&pause, NULL);
}

static double median_from(const struct samples *samples, size_t first)
{
    struct bench_summary summary;
    struct samples slice = { 0 };
    for (size_t i = first; i < samples->count; i++) samples_add(&slice, samples->values[i]);
    bench_summarize(&slice, &summary);
    free(slice.values);
    return summary.median;
}

/* A B A B …: PAIRS slices each. */
static int measure_pairs(struct bench *bench, struct peer *peer, pln_context *context)
{
    double warm = (double)options.warm_up * 1e-3, slice = options.duration / PAIRS;
    long least = (options.iterations + PAIRS - 1) / PAIRS;
    struct samples ignored = { 0 };
    int status = measure(context, warm, 1, NULL, true);
    if (status == 0) status = peer_run(&command_bench, peer, warm, 1, &ignored);
    free(ignored.values);
    for (int i = 0; status == 0 && i < PAIRS; i++) {
        size_t ours = bench->ours.count, peers = bench->peers.count;
        rest();
        status = measure(context, slice, least, &bench->ours, true);
        rest();
        if (status == 0) status = peer_run(&command_bench, peer, slice, least, &bench->peers);
        if (status == 0) bench->ratios[bench->n_ratios++] = median_from(&bench->peers, peers) / median_from(&bench->ours, ours);
    }
    bench->peer = peer;
    bench->peak_bytes = peak_rss_bytes();
    bench->peer_peak_bytes = peer_memory(&command_bench, peer);
    return status;
}

static int compare_outputs(struct bench *bench, struct peer *peer, pln_context *context)
{
    int n = pln_engine_output_count(bench->model->engine);
    pln_host_value **theirs = calloc((size_t)n + 1, sizeof *theirs);
    if (!theirs) return command_fail(&command_bench, 1, "out of memory");
    int status = peer_outputs(&command_bench, peer, n, theirs);
    if (status == 0) status = run_once(context);
    static const struct pln_comparison how = { .max_rel_err = 1e-3 };
    for (int i = 0; status == 0 && i < n; i++) {
        struct pln_tensor_info info;
        pln_host_value *own = NULL;
        char why[400];
        double worst = 0;
        if (!theirs[i] || pln_engine_output(bench->model->engine, i, &info) != PLN_OK || pln_context_output_value(context, info.name, &own) != PLN_OK) continue;
        if (!pln_host_value_compare(own, theirs[i], &how, why, sizeof why, &worst) && !bench->why[0]) snprintf(bench->why, sizeof bench->why, "output '%.80s': %s", info.name, why);
        if (worst > bench->error) bench->error = worst;
        pln_host_value_destroy(own);
    }
    for (int i = 0; i < n; i++) pln_host_value_destroy(theirs[i]);
    free(theirs);
    return status;
}

/* Of the last run. */
static void note_trivial(struct bench *bench, pln_context *context)
{
    struct pln_tensor_info info;
    for (int i = 0; pln_engine_output(bench->model->engine, i, &info) == PLN_OK; i++) {
        pln_host_value *value;
        if (pln_context_output_value(context, info.name, &value) == PLN_OK) trivial_note(&bench->trivial, info.name, value);
        pln_host_value_destroy(value);
    }
    trivial_warn(&bench->trivial, &command_bench);
}

static int profile(struct bench *bench, pln_context *context)
{
    struct profile times;
    int status = profile_make(&command_bench, bench->model, context, 1000, &times);
    if (status) return status;
    bench->n_steps = times.n_steps;
    bench->profiled_ms = times.run_ms;
    bench->steps = calloc((size_t)times.n_steps + 1, sizeof *bench->steps);
    if (!bench->steps) status = command_fail(&command_bench, 1, "out of memory");
    for (int i = 0; status == 0 && i < times.n_steps; i++) {
        bench->steps[i].ms = times.ms[i];
        bench->steps[i].count = times.counts[i];
        profile_step_work(bench->model, context, i, &bench->steps[i].work);
        if (pln_engine_step(bench->model->engine, i, &bench->steps[i].info) != PLN_OK) bench->steps[i].info = (struct pln_step_info){ .op = "", .kernel = "", .device = "", .name = "" };
    }
    profile_free(&times);
    if (status == 0 && options.profile) {
        progress_begin(&command_bench, "measure what the device can do", false);
        bench->has_roof = roof_measure(&command_bench, bench->model, &bench->roof);
        progress_end();
    }
    return status;
}

/* ---- several contexts ---- */

struct worker {
    pthread_t thread;
    pln_context *context;
    struct samples samples;
    double seconds, wall_ms;
    long iterations;
    int status;
    bool is_first;
};

static void *work(void *user)
{
    struct worker *worker = user;
    double start = now_ms();
    worker->status = measure(worker->context, worker->seconds, worker->iterations, &worker->samples, worker->is_first);
    worker->wall_ms = now_ms() - start;
    return NULL;
}

static int measure_contexts(struct bench *bench, pln_context *first)
{
    struct worker workers[64] = { 0 };
    int n = 0, status = 0;
    double wall = 0;
    for (; n < bench->contexts && status == 0; n++) {
        workers[n] = (struct worker){ .seconds = options.duration, .iterations = options.iterations, .context = first, .is_first = n == 0 };
        if (n > 0 && pln_context_create(bench->model->engine, NULL, &workers[n].context) != PLN_OK) status = command_fail(&command_bench, 1, "no memory for context %d", n);
        else if (n > 0) status = inputs_bind(&command_bench, bench->inputs, workers[n].context);
        if (status == 0) status = run_once(workers[n].context);
    }
    int started = 0;
    for (; status == 0 && started < n; started++)
        if (pthread_create(&workers[started].thread, NULL, work, &workers[started]) != 0) status = command_fail(&command_bench, 1, "no thread for context %d: %s", started, strerror(errno));
    for (int i = 0; i < n; i++) {
        if (i < started) pthread_join(workers[i].thread, NULL);
        if (status == 0) status = workers[i].status;
        for (size_t k = 0; k < workers[i].samples.count; k++) samples_add(&bench->ours, workers[i].samples.values[k]);
        if (workers[i].wall_ms > wall) wall = workers[i].wall_ms;
        free(workers[i].samples.values);
        if (i > 0) pln_context_destroy(workers[i].context);
    }
    bench->queries_per_s = wall > 0 ? (double)bench->ours.count / (wall * 1e-3) : 0;
    return status;
}

/* ---- all of it ---- */

/* -1 after saying that there is no such dim. */
static int64_t batch_of(const struct bench *bench)
{
    for (int i = 0; i < bench->inputs->count; i++) {
        struct pln_tensor_info info;
        if (pln_engine_input(bench->model->engine, i, &info) != PLN_OK) continue;
        for (int d = 0; options.batch_dim && d < info.rank; d++)
            if (info.dim_names[d] && strcmp(info.dim_names[d], options.batch_dim) == 0) return bench->inputs->infos[i].dims[d];
    }
    if (options.batch_dim) return command_fail(&command_bench, -1, "--batch-dim: no input has a symbolic dim '%s'; planish inspect shows those that there are", options.batch_dim);
    return bench->inputs->count > 0 && bench->inputs->infos[0].rank > 0 ? bench->inputs->infos[0].dims[0] : 1;
}

static int bench_context(struct bench *bench, pln_context *context, struct output *output)
{
    int status = inputs_bind(&command_bench, bench->inputs, context);
    const double start = now_ms();
    begun_ms = start;
    planned_ms = ((double)options.warm_up + options.duration * 1e3) * (options.versus ? 2 : 1);
    progress_begin(&command_bench, "measure", false);
    if (status == 0) status = run_once(context);
    bench->first_run_ms = now_ms() - start;
    struct peer peer = { 0 };
    if (status == 0 && options.versus) {
        const char *model = options.onnx ? options.onnx : bench->path;
        status = peer_start(&command_bench, options.python, model, bench->inputs, bench->model->threads, &peer);
        if (status == 0) status = measure_pairs(bench, &peer, context);
        if (status == 0) status = compare_outputs(bench, &peer, context);
    } else if (status == 0) {
        status = measure(context, (double)options.warm_up * 1e-3, 1, NULL, true);
        if (status == 0 && bench->contexts > 1) status = measure_contexts(bench, context);
        else if (status == 0) status = measure(context, options.duration, options.iterations, &bench->ours, true);
        bench->peak_bytes = peak_rss_bytes();
    }
    if (status == 0 && bench->contexts == 1) {
        double sum = 0;
        for (size_t i = 0; i < bench->ours.count; i++) sum += bench->ours.values[i];
        bench->queries_per_s = sum > 0 ? (double)bench->ours.count / (sum * 1e-3) : 0;
    }
    progress_end();
    if (status == 0) note_trivial(bench, context);
    progress_begin(&command_bench, "measure the steps", false);
    if (status == 0 && (options.profile || options.trace)) status = profile(bench, context);
    progress_end();
    bench->print_steps = options.profile;
    if (status == 0 && options.trace) status = bench_write_trace(&command_bench, options.trace, bench);
    struct pln_context_stats stats;
    pln_context_get_stats(context, &stats);
    bench->arena_bytes = stats.arena_bytes;
    if (status == 0) bench_print(output->text, bench);
    if (status == 0 && output->json) bench_write_json(output->json, bench);
    peer_stop(&peer);
    return status;
}

/* What is written must not be what is read. */
static int check_results(const char *path)
{
    const char *const results[] = { options.json, options.trace };
    int status = model_check_results(&command_bench, "--json", options.json, "--trace", options.trace);
    for (size_t i = 0; i < sizeof results / sizeof *results && status == 0; i++) {
        status = model_check_result(&command_bench, path, results[i], false);
        if (status == 0 && options.onnx) status = model_check_result(&command_bench, options.onnx, results[i], false);
        if (status == 0) status = model_check_inputs(&command_bench, &options.input, results[i]);
    }
    return status;
}

static int bench_model(const char *path, char *command_line)
{
    struct model model;
    struct inputs inputs = { 0 };
    struct output output;
    pln_context *context = NULL;
    int status = check_results(path);
    if (status == 0) status = model_open(&command_bench, path, &options.model, &model);
    if (status) return status;
    struct bench bench = { .path = path, .command_line = command_line, .model = &model, .inputs = &inputs, .error = -1, .contexts = (int)options.contexts };
    if (options.versus && model.is_plan && !options.onnx) status = command_fail(&command_bench, 2, "%s is a plan, which ONNX Runtime cannot read; give its model with --onnx FILE", path);
    if (status == 0) status = output_open(&command_bench, options.json, &output);
    if (status == 0) {
        if (verbosity >= 0) model_print_device(&model, output.text);
        status = inputs_make(&command_bench, &model, &options.model, &options.input, true, &inputs);
        bench.batch = status == 0 ? batch_of(&bench) : 1;
        if (bench.batch < 0) status = 2;
        if (status == 0 && pln_context_create(model.engine, NULL, &context) != PLN_OK) status = command_fail(&command_bench, 1, "no memory for a context");
        if (status == 0) status = bench_context(&bench, context, &output);
        int closed = output_close(&command_bench, options.json, &output);
        status = status ? status : closed;
    }
    pln_context_destroy(context);
    inputs_free(&inputs);
    free(bench.ours.values);
    free(bench.peers.values);
    free(bench.steps);
    trivial_free(&bench.trivial);
    model_close(&model);
    return status;
}

static int run(int argc, char **argv)
{
    static struct text_list words; /* lives as long as the process */
    options.python = "python3";
    options.warm_up = 200;
    options.duration = 3;
    options.iterations = 10;
    options.contexts = 1;
    options.model.seed = 1;
    options.model.may_be_kept = true;
    int status = options_parse(&command_bench, rows, argc, argv, &words);
    if (status >= 0) return status;
    if (words.count != 1) {
        free(words.items);
        return command_fail(&command_bench, 2, words.count ? "one model at a time" : "which model? planish bench --help tells more");
    }
    const char *path = words.items[0];
    free(words.items);
    if (options.versus && strcmp(options.versus, "onnxruntime") != 0) return command_fail(&command_bench, 2, "--vs knows onnxruntime, not '%s'", options.versus);
    if (!(options.duration >= 0) || options.warm_up < 0) return command_fail(&command_bench, 2, "--duration and --warm-up cannot be negative");
    if (options.versus && options.contexts > 1) return command_fail(&command_bench, 2, "--contexts and --vs do not go together: ONNX Runtime is measured one run at a time; leave one of them out");
    if (options.contexts > 64) return command_fail(&command_bench, 2, "--contexts can be 1 to 64");
    char line[2000] = "planish";
    for (int i = 0; i < argc; i++) {
        size_t n = strlen(line);
        snprintf(line + n, sizeof line - n, " %s", argv[i]);
    }
    return bench_model(path, line);
}
