/* What `planish bench` measures, and how it is reported. */
#ifndef PLANISH_TOOLS_BENCH_H
#define PLANISH_TOOLS_BENCH_H

#include "peer.h"
#include "profile.h"
#include "roof.h"
#include "summary.h"
#include "text.h"

struct bench_step {
    struct pln_step_info info;
    double ms; /* a run */
    uint64_t count; /* times that it ran in one */
    struct step_work work;
};

struct bench_summary {
    double min, mean, median, p90, p95, p99, max;
};

struct bench {
    const char *path, *command_line;
    struct model *model;
    struct inputs *inputs;
    struct samples ours, peers;
    double first_run_ms, queries_per_s;
    int64_t batch;
    int contexts;
    uint64_t arena_bytes, peak_bytes;
    struct bench_step *steps; /* with --profile or --trace */
    bool print_steps;
    int n_steps;
    double profiled_ms; /* of a run with its steps timed */
    bool has_roof;      /* with --profile, where the device's limits could be measured */
    struct roof roof;
    struct trivial trivial;
    /* with --vs */
    const struct peer *peer;
    uint64_t peer_peak_bytes;
    double error;             /* largest relative error over outputs; -1: not compared */
    char why[512];            /* why outputs could not be compared */
    double ratios[64];        /* median of the peer over ours, a pair of slices each */
    int n_ratios;
};

/* Sorts the samples. */
void bench_summarize(struct samples *samples, struct bench_summary *out_summary);
/* The steps as Chrome's trace events: one after the other, as long as they took on average; gaps between them were not measured. 0 or an exit status. */
int bench_write_trace(const struct command *command, const char *path, const struct bench *bench);
void bench_print(FILE *out, struct bench *bench);
void bench_write_json(FILE *out, struct bench *bench);

#endif
