#define VEC_ISA pln_vec_avx512
#include "backend/cpu/kernels/vec/functions.h"
