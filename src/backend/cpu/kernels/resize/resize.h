/* Resize in f32: nearest, linear and cubic, any axes, any strides; not antialias, nor a region, nor sizes of another
 * policy than to stretch. The output is best stored in the order of the input: what lies innermost is then walked as
 * vectors, whether it is channels or a row of pixels. micro: a pln_taps_isa. tile[0]: its lanes. */
#ifndef PLN_CPU_RESIZE_H
#define PLN_CPU_RESIZE_H

#include "kernel/kernel.h"

extern const struct pln_kernel_family pln_cpu_resize;

#endif
