/* Axes that a reduction walks: in the order in which the input lies, those that are walked as one merged. */
#ifndef PLN_CPU_REDUCE_AXES_H
#define PLN_CPU_REDUCE_AXES_H

#include "kernel/kernel.h"

struct pln_reduce_axis {
    int64_t extent, x, y; /* strides of input and output */
};

static inline int64_t pln_stride_size(int64_t stride)
{
    return stride < 0 ? -stride : stride;
}

/* Outermost first as the input lies. Returns how many are left. */
int pln_reduce_tidy(struct pln_reduce_axis *axes, int n);

#endif
