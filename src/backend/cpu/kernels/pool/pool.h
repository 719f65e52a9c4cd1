/* Max and average pooling in f32, one to three spatial axes.
 *
 * pln_cpu_pool_last: images n,h,w,c, a run of channels at a time. pln_cpu_pool_plain: images n,c,h,w, a row of pixels
 * at a time. micro: a pln_taps_isa. tile[0]: its lanes. */
#ifndef PLN_CPU_POOL_H
#define PLN_CPU_POOL_H

#include "kernel/kernel.h"

extern const struct pln_kernel_family pln_cpu_pool_last, pln_cpu_pool_plain;

#endif
