/* Running a kernel row alone, to see how long it takes.
 *
 * It runs as in an engine: on a queue of the device, with the threads of the build's pool, since whoever builds with a number of threads usually runs with it. Operands
 * have random numbers; weights are packed as the row wants them and are out of all caches before each run, as after the rest of a model; activations, which the step
 * before has just written, are not. The time is the median. */
#ifndef PLN_TUNE_MEASURE_H
#define PLN_TUNE_MEASURE_H

#include "backend/backend.h"

#define PLN_MEASURE_MOST_BYTES ((size_t)1 << 30) /* of operands */

struct pln_measurer {
    const struct pln_allocator *alloc;
    struct pln_pool *pool;
    const struct pln_backend *backend;
    struct pln_device *device;
    struct pln_queue *queue;
};

struct pln_measured {
    double ns;        /* of a run; 0: it cannot be measured */
    int64_t spent_ns; /* in all */
};

/* backend: one whose kernels are functions, on the host's memory. Errors: those of its open. */
enum pln_status pln_measurer_open(struct pln_measurer *measurer, const struct pln_backend *backend, struct pln_pool *pool, const struct pln_allocator *alloc, struct pln_diag *diag);
void pln_measurer_close(struct pln_measurer *measurer);
/* Whether random numbers can stand for the problem's operands: all extents are known, and nothing that is read depends on them. */
bool pln_measure_can(const struct pln_problem *problem);
/* Nanoseconds that measuring a row will take beside its runs: making, packing and evicting the operands of a problem that can be measured. */
double pln_measure_setup_ns(const struct pln_problem *problem);
/* user: the measurer. What takes much longer than limit_ns (0: none) is run but once. */
struct pln_measured pln_measure(void *user, const struct pln_kernel *kernel, const struct pln_problem *problem, double limit_ns);

#endif
