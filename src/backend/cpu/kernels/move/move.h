/* Kernels that move elements of any type: joining tensors, and taking slices by index. */
#ifndef PLN_CPU_MOVE_H
#define PLN_CPU_MOVE_H

#include "kernel/kernel.h"

/* CONCAT, any strides in and out. A piece whose memory is already its place in the output is left alone: that is how a state grows. */
extern const struct pln_kernel_family pln_cpu_concat;
/* GATHER of i32 or i64 indices along any axis. An index outside of the axis is a fault. */
extern const struct pln_kernel_family pln_cpu_gather;

#endif
