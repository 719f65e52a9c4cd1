/* Libraries that kernel rows are measured against. */
#ifndef PLN_BENCH_PEERS_H
#define PLN_BENCH_PEERS_H

#include "bench/kernels/problems.h"

/* A problem as the library runs it. */
struct bench_peer_run {
    const struct bench_problem *problem;
    const char *implementation; /* the library's word for what it chose */
    void *state;
    const void *weights; /* as the run reads them */
    size_t weights_bytes;
};

struct bench_peer {
    const char *name;
    void (*describe)(char *text, size_t text_bytes); /* version, and what it is tuned for */
    /* inputs: of the problem, contiguous, for as long as the run is. False: it does not do this problem. */
    bool (*set_up)(const struct bench_problem *problem, const struct pln_tensor *inputs, struct bench_peer_run *out_run);
    void (*run)(const struct bench_peer_run *run);
    /* output: contiguous, of the problem's shape. After a run. */
    void (*read)(const struct bench_peer_run *run, float *output);
    void (*tear_down)(struct bench_peer_run *run);
};

extern const struct bench_peer bench_onednn, bench_openblas;

#endif
