#define VEC_ISA pln_vec_avx512
#include "backend/cpu/kernels/vec/functions.h"

const struct pln_vec_isa *pln_vec_isa_avx512(void)
{
    return &pln_vec_avx512;
}
