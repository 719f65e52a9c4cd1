#define INT_ISA pln_int_isa_portable
#include "backend/cpu/kernels/integer/functions.h"
