/* The thread pool: fork-join over a range of tasks.
 *
 * Workers spin for a while after a job, then sleep on a futex, so that a fork costs well under a microsecond while a model
 * runs. A caller that finds the pool busy runs its job alone, in its own thread. The caller always takes part as worker 0. The
 * split of tasks over workers never changes a result: kernels may not depend on it. */
#ifndef PLN_BASE_POOL_H
#define PLN_BASE_POOL_H

#include "base/base.h"

struct pln_pool;

/* first <= task < last; worker in [0, pln_pool_workers) tells which scratch to use. */
typedef void (*pln_pool_fn)(void *user, int64_t first, int64_t last, int worker);

/* workers 0: as many as pln_cpu_usable_count. Errors: PLN_NO_MEMORY; threads that cannot be started only make the pool smaller. */
enum pln_status pln_pool_create(int workers, const struct pln_allocator *alloc, struct pln_diag *diag, struct pln_pool **out_pool);
void pln_pool_destroy(struct pln_pool *pool); /* NULL is fine */
int pln_pool_workers(const struct pln_pool *pool);
/* From now on worker i > 0 runs on the CPU cpus[i % n_cpus] alone. Worker 0 is whoever calls, and stays where it is. Not while the pool has a job. Errors: PLN_INVALID_ARGUMENT none
 * is named, or a worker cannot be there: it and those behind it stay where they were. */
enum pln_status pln_pool_bind(struct pln_pool *pool, const int *cpus, int n_cpus);

/* Runs fn over [0, n_tasks), in chunks of at least `grain` tasks: each worker takes those of its own part of the range, in
 * order, then what others have left of theirs. Returns when all are done. */
void pln_pool_run(struct pln_pool *pool, int64_t n_tasks, int64_t grain, pln_pool_fn fn, void *user);

/* The pool of the process, made at the first call and kept until exit; after a fork the child gets a new one. NULL: no memory. */
struct pln_pool *pln_pool_shared(void);

#endif
