/* Rows of kernels.inc as the table that the build side, the runtime, the tests and the benchmark walk. */
#include "backend/cpu/device.h"
#include "backend/cpu/kernels/attention/attention.h"
#include "backend/cpu/kernels/bytes/bytes.h"
#include "backend/cpu/kernels/conv/conv.h"
#include "backend/cpu/kernels/conv/taps.h"
#include "backend/cpu/kernels/conv/winograd.h"
#include "backend/cpu/kernels/gemm/gemm.h"
#include "backend/cpu/kernels/integer/integer.h"
#include "backend/cpu/kernels/norm/channels.h"
#include "backend/cpu/kernels/norm/norm.h"
#include "backend/cpu/kernels/pool/pool.h"
#include "backend/cpu/kernels/quantize/quantize.h"
#include "backend/cpu/kernels/reduce/reduce.h"
#include "backend/cpu/kernels/resize/resize.h"
#include "backend/cpu/kernels/rnn/rnn.h"
#include "backend/cpu/kernels/rowprog/rowprog.h"
#include "backend/cpu/kernels/sample/sample.h"
#include "backend/cpu/kernels/select/select.h"
#include "backend/cpu/kernels/move/move.h"
#include "backend/cpu/kernels/trees/trees.h"
#include "base/cpu.h"

#define TILE(a, b, c, d) \
    {                    \
        a, b, c, d       \
    }
#define MICRO(function) (void (*)(void))(function)

#define PLN_KERNEL(row, OP, family_, needs_, flags_, tile_, micro_) \
    static const struct pln_kernel row_##row = {                    \
        .name = #row,                                               \
        .op = PLN_OP_##OP,                                          \
        .family = &family_,                                         \
        .needs = needs_,                                            \
        .flags = flags_,                                            \
        .tile = tile_,                                              \
        .micro = micro_,                                            \
    };
#include "backend/cpu/kernels.inc"
#undef PLN_KERNEL

#define PLN_KERNEL(row, OP, family_, needs_, flags_, tile_, micro_) &row_##row,
const struct pln_kernel *const pln_cpu_kernels[] = {
#include "backend/cpu/kernels.inc"
    NULL
};
#undef PLN_KERNEL
