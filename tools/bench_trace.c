/* Trace Event Format ("Trace Event Format", Google, 2016), read by chrome://tracing and Perfetto. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "json.h"
#include "planish/planish.h"
#include "text.h"

/* A row of the trace: the model's steps by device, bodies of If and Loop by block. */
static int row_of(const struct pln_step_info *info)
{
    return info->block > 0 ? 1000 + info->block : 1;
}

static void write_row(FILE *out, int row, int block)
{
    fprintf(out, ",\n{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,\"tid\":%d,\"args\":{\"name\":\"", row);
    if (block > 0) fprintf(out, "block %d: a body of If or Loop, all its turns", block);
    else fputs("the model", out);
    fputs("\"}}", out);
}

static void write_event(FILE *out, const struct bench_step *step, int index, double start_ms)
{
    fputs(",\n{\"name\":", out);
    json_text(out, strcmp(step->info.kernel, "ref") == 0 ? step->info.op : step->info.kernel);
    fputs(",\"cat\":", out);
    json_text(out, step->info.op);
    fprintf(out, ",\"ph\":\"X\",\"pid\":1,\"tid\":%d,\"ts\":", row_of(&step->info));
    json_number(out, start_ms * 1e3);
    fputs(",\"dur\":", out);
    json_number(out, step->ms * 1e3);
    fprintf(out, ",\"args\":{\"step\":%d,\"times\":%llu,\"device\":", index, (unsigned long long)step->count);
    json_text(out, step->info.device);
    fputs(",\"onnx_nodes\":", out);
    json_text(out, step->info.name);
    fputs(",\"gflops\":", out);
    json_number(out, step->ms > 0 ? step->work.flops * (double)step->count / (step->ms * 1e6) : NAN);
    fputs(",\"gbytes\":", out);
    json_number(out, step->ms > 0 ? step->work.bytes * (double)step->count / (step->ms * 1e6) : NAN);
    fputs("}}", out);
}

static void write_events(FILE *out, const struct bench *bench, double *ends, int n_blocks)
{
    struct pln_engine_summary summary;
    pln_engine_summarize(bench->model->engine, &summary);
    fputs("{\"displayTimeUnit\":\"ms\",\"otherData\":{\"version\":", out);
    json_text(out, pln_version());
    fputs(",\"device\":", out);
    json_text(out, summary.device_name);
    fputs(",\"note\":\"means of several runs, one step after the other; gaps between steps are not shown\"},\n\"traceEvents\":[\n{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"args\":{\"name\":", out);
    json_text(out, bench->path);
    fputs("}}", out);
    for (int b = 0; b < n_blocks; b++) write_row(out, b ? 1000 + b : 1, b);
    for (int i = 0; i < bench->n_steps; i++) {
        const struct bench_step *step = &bench->steps[i];
        const int block = step->info.block >= 0 && step->info.block < n_blocks ? step->info.block : 0;
        write_event(out, step, i, ends[block]);
        ends[block] += step->ms;
    }
    fputs("\n]}\n", out);
}

int bench_write_trace(const struct command *command, const char *path, const struct bench *bench)
{
    struct pln_engine_summary summary;
    pln_engine_summarize(bench->model->engine, &summary);
    double *ends = calloc((size_t)summary.blocks + 1, sizeof *ends);
    FILE *out = ends ? fopen(path, "w") : NULL;
    if (!out) {
        free(ends);
        return command_fail(command, 1, "%s: %s", path, strerror(errno));
    }
    write_events(out, bench, ends, summary.blocks > 0 ? summary.blocks : 1);
    free(ends);
    const int status = close_written(command, path, out);
    if (status && is_file(path)) remove(path);
    return status;
}
