/* Kernels that look for the few elements of rows that count. */
#ifndef PLN_CPU_SELECT_H
#define PLN_CPU_SELECT_H

#include "kernel/kernel.h"

/* TOPK of f32 along any axis, in the order of the reference kernel: NaN is the largest number, -0 equals 0, equal elements keep the order of
 * their indices; always sorted. A row is one task. Few elements of a long row are found by a filter: one pass compares each element with the
 * k-th best so far, and what gets by is collected and merged from time to time, so that no order of the elements
 * costs more than a sort of them by digits. */
extern const struct pln_kernel_family pln_cpu_topk;

#endif
