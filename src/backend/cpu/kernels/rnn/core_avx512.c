#define GEMM_ISA pln_gemm_isa_avx512
#include "backend/cpu/kernels/rnn/core.h"

const struct pln_rnn_isa *pln_rnn_isa_avx512(void)
{
    return &rnn_isa;
}
