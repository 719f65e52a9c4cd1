/* Rows of kernels.inc as the table that the build side, the runtime, the tests and the benchmark walk. */
#include "backend/cuda/family.h"

#define TILE(a, b, c, d) \
    {                    \
        a, b, c, d       \
    }

#define PLN_KERNEL(row, OP, family_, needs_, flags_, tile_) \
    static const struct pln_kernel row_##row = {            \
        .name = #row,                                       \
        .op = PLN_OP_##OP,                                  \
        .family = &family_,                                 \
        .needs = needs_,                                    \
        .flags = flags_,                                    \
        .tile = tile_,                                      \
    };
#include "backend/cuda/kernels.inc"
#undef PLN_KERNEL

#define PLN_KERNEL(row, OP, family_, needs_, flags_, tile_) &row_##row,
const struct pln_kernel *const pln_cuda_kernels[] = {
#include "backend/cuda/kernels.inc"
    NULL
};
#undef PLN_KERNEL
