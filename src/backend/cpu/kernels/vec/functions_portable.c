#define VEC_ISA pln_vec_portable
#include "backend/cpu/kernels/vec/functions.h"

const struct pln_vec_isa *pln_vec_isa_portable(void)
{
    return &pln_vec_portable;
}
