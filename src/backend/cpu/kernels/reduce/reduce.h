/* Reductions in f32 over any axes: sum, mean, max, min, l1, l2, sum of squares.
 *
 * Where the elements that lie side by side are reduced, a task is one result; where they are kept, a task is a run of
 * up to 512 results, summed as vectors. All strides are taken; the axes are constant. micro: a pln_vec_isa. tile[0]:
 * its lanes. */
#ifndef PLN_CPU_REDUCE_H
#define PLN_CPU_REDUCE_H

#include "kernel/kernel.h"

extern const struct pln_kernel_family pln_cpu_reduce;
/* ARG_REDUCE of f32, i32 and i64, all strides. NaN is before all numbers. Along elements that lie side by side the extreme of
 * a block is found first (f32: by the vectors of the table), then its place in the best block; along others, a task is a run of up to 1,024
 * results. */
extern const struct pln_kernel_family pln_cpu_arg_reduce;
/* CUMULATE of f32, f64, i32 and i64 in row-major order along a constant axis: the same numbers as the reference's. A task is one row, or a
 * run of up to 512 running sums side by side. */
extern const struct pln_kernel_family pln_cpu_cumulate;

#endif
