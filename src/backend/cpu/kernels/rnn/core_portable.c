#define GEMM_ISA pln_gemm_isa_portable
#include "backend/cpu/kernels/rnn/core.h"

const struct pln_rnn_isa *pln_rnn_isa_portable(void)
{
    return &rnn_isa;
}
