#define VEC_ISA pln_vec_portable
#include "backend/cpu/kernels/vec/functions.h"
