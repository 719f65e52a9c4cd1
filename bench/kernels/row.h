/* A kernel row with a problem's operands, ready to run. */
#ifndef PLN_BENCH_ROW_H
#define PLN_BENCH_ROW_H

#include "bench/kernels/problems.h"

struct bench_row {
    const struct pln_kernel *kernel;
    const struct bench_problem *problem;
    struct pln_tensor inputs[BENCH_INPUTS], output; /* weights packed, images in the order that the row wants */
    struct pln_launch launch;
    void *state, *scratch, *shared;
    struct pln_prepared prepared;
};

/* Zeroed, 64-byte aligned; for free(). Exits where there is none. */
void *bench_memory(size_t size_bytes);
/* Gives the tensor memory and values, contiguous, always the same for its shape. */
void bench_place(struct pln_tensor *tensor);

/* The row's estimate in nanoseconds, -1 where this machine or the row cannot do it. direct: as with `--winograd off`. */
double bench_row_cost(const struct pln_kernel *kernel, const struct bench_problem *problem, bool direct);

/* kernel and problem are set, the rest is zero. False: it cannot be run; to be torn down in either case. */
bool bench_row_set_up(struct bench_row *b);
void bench_row_tear_down(struct bench_row *b);
/* All tasks, in this thread. */
void bench_row_run(const struct bench_row *b);

#endif
