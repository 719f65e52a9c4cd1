#define GEMM_ISA pln_gemm_isa_avx2
#include "backend/cpu/kernels/rnn/core.h"

const struct pln_rnn_isa *pln_rnn_isa_avx2(void)
{
    return &rnn_isa;
}
