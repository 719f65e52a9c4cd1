/* Kernels that move elements of any type: joining tensors, taking slices by index, padding, repeating and blocks of pixels; and numbers in a row. */
#ifndef PLN_CPU_MOVE_H
#define PLN_CPU_MOVE_H

#include "kernel/kernel.h"

/* CONCAT, any strides in and out. A piece whose memory is already its place in the output is left alone: that is how a state grows. */
extern const struct pln_kernel_family pln_cpu_concat;
/* GATHER of i32 or i64 indices along any axis. An index outside of the axis is a fault. */
extern const struct pln_kernel_family pln_cpu_gather;
/* PAD in all modes, any strides in and out. Pads, axes and the value are data of the run: pads that do not give the output's shape are a fault. */
extern const struct pln_kernel_family pln_cpu_pad;
/* TILE (up to rank 8), DEPTH_TO_SPACE and SPACE_TO_DEPTH (up to rank 9), any strides in and out. */
extern const struct pln_kernel_family pln_cpu_rearrange;
/* RANGE of i64, i32 and f32; how many there are the output's extent tells. */
extern const struct pln_kernel_family pln_cpu_range;
/* GATHER_ELEMENTS, SCATTER_ELEMENTS and SCATTER_ND of i32 or i64 indices, the last two without a reduction. Bad indices are faults. */
extern const struct pln_kernel_family pln_cpu_gather_elements, pln_cpu_scatter_elements, pln_cpu_scatter_nd;

#endif
