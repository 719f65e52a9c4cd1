/* The CPU backend: kernels on the host's memory, spread over a thread pool.
 *
 * A queue runs its commands when they are submitted. It owns the scratch memory of the kernels, one piece a worker and
 * one shared by the tasks of a launch; both only grow, so that a second run with the same shapes allocates nothing. */
#ifndef PLN_BACKEND_CPU_DEVICE_H
#define PLN_BACKEND_CPU_DEVICE_H

#include "backend/backend.h"

/* Rows of kernels.inc in their order, ended by NULL. */
extern const struct pln_kernel *const pln_cpu_kernels[];
extern const struct pln_backend pln_backend_cpu;

#endif
