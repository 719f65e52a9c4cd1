#define VEC_ISA pln_vec_avx2
#include "backend/cpu/kernels/vec/functions.h"

const struct pln_vec_isa *pln_vec_isa_avx2(void)
{
    return &pln_vec_avx2;
}
