#define VEC_ISA pln_vec_avx2
#include "backend/cpu/kernels/vec/functions.h"
