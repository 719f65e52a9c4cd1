/* Reductions in f32 over any axes: sum, mean, max, min, l1, l2, sum of squares.
 *
 * Where the elements that lie side by side are reduced, a task is one result; where they are kept, a task is a run of
 * up to 512 results, summed as vectors. All strides are taken; the axes are constant. micro: a pln_vec_isa. tile[0]:
 * its lanes. */
#ifndef PLN_CPU_REDUCE_H
#define PLN_CPU_REDUCE_H

#include "kernel/kernel.h"

extern const struct pln_kernel_family pln_cpu_reduce;

#endif
