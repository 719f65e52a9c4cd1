/* planish trtexec: trtexec's grammar, report and exit codes over a model or plan. */
#ifndef PLANISH_TOOLS_TRTEXEC_H
#define PLANISH_TOOLS_TRTEXEC_H

#include "commands.h"
#include "inputs.h"
#include "peer.h"
#include "text.h"

struct trtexec_options {
    const char *onnx, *load_engine, *save_engine, *timing_cache;
    const char *min_shapes, *opt_shapes, *max_shapes, *shapes, *load_inputs;
    bool fp16, bf16, fp8, int8, int4, best, no_tf32;
    bool skip_inference, build_only, verbose, help, threads, cuda_graph, no_data_transfers;
    long iterations, avg_runs, streams, inf_streams, device, pln_threads, version;
    double duration, warm_up, sleep_time, idle_time;
    const char *percentile, *export_times, *export_output, *export_profile, *export_layers, *pln_device, *pln_cpus, *pln_plugin, *install_link;
    bool dump_output, dump_profile, dump_layers;
    struct model_options model;   /* what the flags come to */
    struct text_list files;       /* --loadInputs, NAME:FILE each */
    double percentiles[16];
    int n_percentiles;
};

/* When what happened, in ms since the start of the measurement. */
struct trtexec_query {
    double start, enqueued, end;
};

struct trtexec_times {
    struct trtexec_query *queries; /* counted ones, in the order of their ends */
    size_t count, warm_ups;
    double wall_ms; /* from the first counted start to the last end */
};

extern const struct command command_trtexec;

/* "[11/28/2026-22:31:07] [I] text": I and V on stdout, W and E on stderr. */
void trtexec_log(char level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* trtexec_run.c: 0 or an exit status after telling. */
int trtexec_measure(const struct trtexec_options *options, const struct model *model, const struct inputs *inputs, pln_context *first, struct trtexec_times *out_times);
int trtexec_profile(const struct trtexec_options *options, const struct model *model, pln_context *context);

/* trtexec_report.c */
void trtexec_print_options(const struct trtexec_options *options);
void trtexec_print_summary(const struct trtexec_options *options, const struct trtexec_times *times, bool on_cpu);
void trtexec_print_layers(const struct model *model);
void trtexec_print_outputs(const struct model *model, pln_context *context);
int trtexec_export_times(const char *path, const struct trtexec_times *times);
int trtexec_export_layers(const char *path, const struct model *model, pln_context *context);
int trtexec_export_outputs(const char *path, const struct model *model, pln_context *context);
/* "1x3x224x224" into a small static ring of four. */
const char *trtexec_dims(int rank, const int64_t *dims);

#endif
