/* Queries one after the other, in as many contexts as there are streams. */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "json.h"
#include "trtexec.h"

enum { MOST_KEPT = 1 << 18 }; /* queries of all streams together, 6 MiB: a run may go on for days */

struct stream {
    pthread_t thread;
    const struct trtexec_options *options;
    pln_context *context;
    double origin; /* ms, of all streams */
    struct trtexec_query *queries; /* every stride-th, from the first on */
    size_t count, capacity, warm_ups, most, stride;
    struct trtexec_times all; /* what is known of all queries, kept or not */
    int status;
};

/* When the user asked for the end, in seconds; 0: not yet. */
static atomic_llong stopped;

/* The first signal ends the run; a later one the process. Those of the same moment are one: a terminal and timeout(1) both send theirs, to the process and to its group. */
static void stop(int number)
{
    const long long now = (long long)time(NULL), first = atomic_load(&stopped);
    if (first == 0) atomic_store(&stopped, now);
    else if (now > first + 1) {
        signal(number, SIG_DFL);
        raise(number);
    }
}

/* A run without an end is ended by the user, who wants its report. What is ignored stays so. */
static void catch_signals(void)
{
    static const int numbers[2] = { SIGINT, SIGTERM };
    struct sigaction old, ours = { .sa_handler = stop, .sa_flags = SA_RESTART };
    sigemptyset(&ours.sa_mask);
    for (int i = 0; i < 2; i++)
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) sigaction(numbers[i], &ours, NULL);
}

static void extend(struct trtexec_span *span, double ms)
{
    span->min = fmin(span->min, ms);
    span->max = fmax(span->max, ms);
    span->sum += ms;
}

static void join(struct trtexec_span *span, const struct trtexec_span *other)
{
    span->min = fmin(span->min, other->min);
    span->max = fmax(span->max, other->max);
    span->sum += other->sum;
}

/* Every n-th of those that are kept. */
static void thin(struct stream *stream, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < stream->count; i += n) stream->queries[count++] = stream->queries[i];
    stream->count = count;
    stream->stride *= n;
}

static int add_query(struct stream *stream, const struct trtexec_query *query)
{
    extend(&stream->all.compute, query->end - query->start);
    extend(&stream->all.enqueue, query->enqueued - query->start);
    if (stream->all.runs == 0) stream->all.first_ms = query->start;
    stream->all.last_ms = query->end;
    if (stream->all.runs++ % stream->stride != 0) return 0;
    if (stream->count == stream->most) {
        thin(stream, 2);
        if ((stream->all.runs - 1) % stream->stride != 0) return 0;
    }
    if (stream->count == stream->capacity) {
        const size_t capacity = stream->capacity ? 2 * stream->capacity : 256;
        struct trtexec_query *grown = realloc(stream->queries, capacity * sizeof *grown);
        if (!grown) return command_fail(&command_trtexec, 1, "out of memory");
        stream->queries = grown;
        stream->capacity = capacity;
    }
    stream->queries[stream->count++] = *query;
    return 0;
}

static void pause_ms(double ms)
{
    const struct timespec time = { (time_t)(ms / 1e3), (long)(fmod(ms, 1e3) * 1e6) };
    if (ms > 0) nanosleep(&time, NULL);
}

/* Sleeps until the fence is signalled, or looks again and again. */
static enum pln_status wait_for(pln_fence *done, bool spin, enum pln_status *out_ended)
{
    enum pln_status status = pln_fence_wait(done, spin ? 0 : -1, out_ended);
    while (spin && status == PLN_CANCELLED) status = pln_fence_wait(done, 0, out_ended);
    return status;
}

static int run_query(struct stream *stream, struct trtexec_query *out_query)
{
    pause_ms(stream->options->sleep_time);
    pln_fence *done = NULL;
    if (pln_fence_create(&done) != PLN_OK) return command_fail(&command_trtexec, 1, "out of memory");
    const struct pln_enqueue_options enqueue = { .struct_size = sizeof enqueue, .done = done };
    out_query->start = now_ms() - stream->origin;
    enum pln_status status = pln_context_enqueue(stream->context, &enqueue), ended = PLN_OK;
    out_query->enqueued = now_ms() - stream->origin;
    if (status == PLN_OK) status = wait_for(done, stream->options->spin, &ended);
    out_query->end = now_ms() - stream->origin;
    pln_fence_destroy(done);
    if (status == PLN_OK) status = ended;
    return status == PLN_OK ? 0 : model_fail(&command_trtexec, pln_context_diagnostics(stream->context), status, "run");
}

static void *work(void *user)
{
    struct stream *stream = user;
    const struct trtexec_options *options = stream->options;
    const double end = options->warm_up + options->duration * 1e3;
    for (;;) {
        struct trtexec_query query;
        stream->status = run_query(stream, &query);
        if (stream->status) break;
        if (query.start < options->warm_up) stream->warm_ups++;
        else if ((stream->status = add_query(stream, &query)) != 0) break;
        /* duration -1 is for ever */
        if (options->duration >= 0 ? stream->all.runs >= (size_t)options->iterations && query.end >= end : atomic_load(&stopped) != 0) break;
        pause_ms(options->idle_time);
    }
    return NULL;
}

static const struct trtexec_span no_span = { .min = INFINITY, .max = -INFINITY };

static int by_end(const void *a, const void *b)
{
    const double x = ((const struct trtexec_query *)a)->end, y = ((const struct trtexec_query *)b)->end;
    return (x > y) - (x < y);
}

static int gather(struct stream *streams, long n, struct trtexec_times *out_times)
{
    size_t total = 0, stride = 1;
    for (long i = 0; i < n; i++)
        if (streams[i].stride > stride) stride = streams[i].stride;
    *out_times = (struct trtexec_times){ .compute = no_span, .enqueue = no_span, .first_ms = INFINITY };
    for (long i = 0; i < n; i++) { /* the streams' strides are powers of 2: the same one for all, so that each query counts as much as any other */
        const struct trtexec_times *all = &streams[i].all;
        thin(&streams[i], stride / streams[i].stride);
        total += streams[i].count;
        out_times->warm_ups += streams[i].warm_ups;
        if (all->runs == 0) continue;
        out_times->runs += all->runs;
        join(&out_times->compute, &all->compute);
        join(&out_times->enqueue, &all->enqueue);
        out_times->first_ms = fmin(out_times->first_ms, all->first_ms);
        out_times->last_ms = fmax(out_times->last_ms, all->last_ms);
    }
    out_times->queries = malloc((total + 1) * sizeof *out_times->queries);
    if (!out_times->queries) return command_fail(&command_trtexec, 1, "out of memory");
    for (long i = 0; i < n; i++)
        for (size_t k = 0; k < streams[i].count; k++) out_times->queries[out_times->count++] = streams[i].queries[k];
    qsort(out_times->queries, out_times->count, sizeof *out_times->queries, by_end);
    out_times->wall_ms = out_times->runs ? out_times->last_ms - out_times->first_ms : 0;
    return 0;
}

int trtexec_measure(const struct trtexec_options *options, const struct model *model, const struct inputs *inputs, pln_context *first, struct trtexec_times *out_times)
{
    const long n = options->streams;
    struct stream *streams = calloc((size_t)n, sizeof *streams);
    int status = streams ? 0 : command_fail(&command_trtexec, 1, "out of memory");
    struct trtexec_resident *resident = options->transfers ? NULL : trtexec_resident_create(model, inputs);
    *out_times = (struct trtexec_times){ 0 };
    for (long i = 0; status == 0 && i < n; i++) {
        streams[i] = (struct stream){ .options = options, .context = i ? NULL : first, .most = MOST_KEPT / n > 1024 ? (size_t)(MOST_KEPT / n) : 1024, .stride = 1 };
        streams[i].all = (struct trtexec_times){ .compute = no_span, .enqueue = no_span };
        if (i && pln_context_create(model->engine, NULL, &streams[i].context) != PLN_OK) status = command_fail(&command_trtexec, 1, "no memory for context %ld", i);
        if (i && status == 0) status = inputs_bind(&command_trtexec, inputs, streams[i].context);
        if (status == 0) trtexec_resident_bind(resident, model, inputs, streams[i].context);
    }
    trtexec_log('I', "Starting inference");
    fflush(stdout);
    if (options->duration < 0) catch_signals();
    const double origin = now_ms();
    long started = 0;
    for (; status == 0 && started < n; started++) {
        streams[started].origin = origin;
        if (n == 1) work(&streams[0]);
        else if (pthread_create(&streams[started].thread, NULL, work, &streams[started]) != 0) {
            status = command_fail(&command_trtexec, 1, "no thread for stream %ld: %s", started, strerror(errno));
            break;
        }
    }
    for (long i = 0; streams && i < started; i++) {
        if (n > 1) pthread_join(streams[i].thread, NULL);
        if (status == 0) status = streams[i].status;
    }
    if (status == 0) status = gather(streams, n, out_times);
    for (long i = 0; streams && i < n; i++) {
        if (i) pln_context_destroy(streams[i].context);
        free(streams[i].queries);
    }
    free(streams);
    if (resident && status == 0) { /* what is told of outputs is told from the host */
        trtexec_resident_unbind(resident, model, inputs, first);
        const enum pln_status ran = pln_context_run(first);
        if (ran != PLN_OK) status = model_fail(&command_trtexec, pln_context_diagnostics(first), ran, "run");
    }
    trtexec_resident_destroy(resident);
    return status;
}

/* ---- the time of each step ---- */

struct layers {
    int n_steps, runs;
    double *ms; /* by step and run */
};

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sum and median of a step's times, which are sorted. */
static void sum_up(struct layers *layers, int step, double *out_sum, double *out_median)
{
    double *ms = layers->ms + (size_t)step * (size_t)layers->runs;
    qsort(ms, (size_t)layers->runs, sizeof *ms, by_value);
    *out_sum = 0;
    for (int r = 0; r < layers->runs; r++) *out_sum += ms[r];
    *out_median = (ms[(layers->runs - 1) / 2] + ms[layers->runs / 2]) / 2;
}

static int time_steps(pln_context *context, struct layers *layers)
{
    pln_context_set_profiling(context, 1);
    enum pln_status status = PLN_OK;
    for (int r = 0; status == PLN_OK && r < layers->runs; r++) {
        status = pln_context_run(context);
        for (int i = 0; i < layers->n_steps; i++) {
            uint64_t ns = 0, count = 0;
            if (pln_context_step_time(context, i, &ns, &count) == PLN_OK) layers->ms[(size_t)i * (size_t)layers->runs + (size_t)r] = (double)ns * 1e-6;
        }
    }
    pln_context_set_profiling(context, 0);
    return status == PLN_OK ? 0 : model_fail(&command_trtexec, pln_context_diagnostics(context), status, "run");
}

/* What a step is called: its ONNX nodes, else its kernel. */
static const char *name_of(const struct model *model, int step)
{
    struct pln_step_info info;
    if (pln_engine_step(model->engine, step, &info) != PLN_OK) return "";
    return info.name[0] ? info.name : info.kernel;
}

static void print_layers(const struct model *model, struct layers *layers, double total)
{
    trtexec_log('I', "=== Profile (%d iterations ) ===", layers->runs);
    trtexec_log('I', "%12s %12s %12s %8s   %s", "Time(ms)", "Avg.(ms)", "Median(ms)", "Time(%)", "Layer");
    for (int i = 0; i < layers->n_steps; i++) {
        double sum, median;
        sum_up(layers, i, &sum, &median);
        trtexec_log('I', "%12.2f %12.4f %12.4f %8.1f   %s", sum, sum / layers->runs, median, total > 0 ? 100 * sum / total : 0, name_of(model, i));
    }
    trtexec_log('I', "%12.2f %12.4f %12s %8.1f   Total", total, total / layers->runs, "", 100.0);
}

static int export_layers(const char *path, const struct model *model, struct layers *layers, double total)
{
    FILE *out = fopen(path, "w");
    if (!out) return command_fail(&command_trtexec, 1, "%s: %s", path, strerror(errno));
    fprintf(out, "[\n  { \"count\" : %d }\n", layers->runs);
    for (int i = 0; i < layers->n_steps; i++) {
        double sum, median;
        sum_up(layers, i, &sum, &median);
        fputs(", { \"name\" : ", out);
        json_text(out, name_of(model, i));
        fprintf(out, ", \"timeMs\" : %.6g, \"averageMs\" : %.6g, \"medianMs\" : %.6g, \"percentage\" : %.6g }\n", sum, sum / layers->runs, median, total > 0 ? 100 * sum / total : 0);
    }
    fputs("]\n", out);
    const bool failed = ferror(out) != 0;
    return fclose(out) == 0 && !failed ? 0 : command_fail(&command_trtexec, 1, "%s: %s", path, strerror(errno));
}

int trtexec_profile(const struct trtexec_options *options, const struct model *model, pln_context *context)
{
    struct pln_engine_summary summary;
    pln_engine_summarize(model->engine, &summary);
    struct layers layers = { .n_steps = summary.steps, .runs = (int)options->iterations < 1000 ? (int)options->iterations : 1000 };
    layers.ms = calloc((size_t)summary.steps * (size_t)layers.runs + 1, sizeof *layers.ms);
    if (!layers.ms) return command_fail(&command_trtexec, 1, "out of memory");
    double total = 0;
    int status = time_steps(context, &layers);
    for (int i = 0; i < layers.n_steps * layers.runs; i++) total += layers.ms[i];
    if (status == 0 && trtexec_given(FLAG_dumpProfile)) print_layers(model, &layers, total);
    if (status == 0 && trtexec_given(FLAG_exportProfile)) status = export_layers(trtexec_text(FLAG_exportProfile), model, &layers, total);
    free(layers.ms);
    return status;
}

/* ---- loading ---- */

/* Two loads to warm up, then 21 that are timed; 1: the first of them took more than twice the mean of the others. */
int trtexec_time_load(const struct model *model)
{
    enum { WARM_UPS = 2, RUNS = 20 };
    size_t bytes;
    const void *plan = pln_engine_plan(model->engine, &bytes);
    void *copy = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    if (!copy) return command_fail(&command_trtexec, 1, "out of memory");
    memcpy(copy, plan, bytes);
    double first = 0, sum = 0;
    int status = 0;
    for (int i = 0; status == 0 && i < WARM_UPS + 1 + RUNS; i++) {
        const struct pln_engine_options load = { .struct_size = sizeof load, .pool = model->pool, .diagnostics = model->diagnostics, .plugins = model->plugins };
        pln_engine *engine = NULL;
        const double start = now_ms();
        const enum pln_status loaded = pln_engine_load_memory(copy, bytes, &load, &engine);
        const double ms = now_ms() - start;
        if (loaded != PLN_OK) status = model_fail(&command_trtexec, model->diagnostics, loaded, "load the plan");
        pln_engine_release(engine);
        if (i == WARM_UPS) first = ms;
        if (i > WARM_UPS) sum += ms;
    }
    free(copy);
    if (status) return status;
    trtexec_log('I', "Deserialization: the first took %g ms, %d more %g ms on average", first, (int)RUNS, sum / RUNS);
    if (first <= 2 * sum / RUNS) return 0;
    return trtexec_error("The first deserialization took more than twice as long as the others on average");
}
