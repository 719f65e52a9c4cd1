/* What is timed: shapes of well-known models. */
#ifndef PLN_BENCH_PROBLEMS_H
#define PLN_BENCH_PROBLEMS_H

#include "kernel/kernel.h"

#define BENCH_INPUTS 4

struct bench_problem {
    char name[64];
    unsigned op, kind;
    struct pln_attrs attrs;
    int n_inputs;
    struct pln_tensor inputs[BENCH_INPUTS], output; /* no data */
    bool keep_plain;                                /* do not pack the weight */
    bool last;                                      /* rows that take images in any order get them channels last */
    double flops, bytes;
};

/* All of them, in static memory; the number. */
int bench_problems(struct bench_problem **out_problems);

#endif
