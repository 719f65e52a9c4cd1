#include "backend/cpu/kernels/conv/winograd_rows.h"

const struct pln_winograd_isa *pln_winograd4_portable(void)
{
    static const struct pln_winograd_isa isa = { 4, input4, output4, pln_gemm_isa_portable };
    return &isa;
}

const struct pln_winograd_isa *pln_winograd2_portable(void)
{
    static const struct pln_winograd_isa isa = { 2, input2, output2, pln_gemm_isa_portable };
    return &isa;
}
