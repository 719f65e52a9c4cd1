#define INT_ISA pln_int_isa_avx2
#include "backend/cpu/kernels/integer/functions.h"
