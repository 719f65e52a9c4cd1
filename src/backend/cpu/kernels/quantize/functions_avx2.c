#define QUANTIZE_ISA pln_quantize_isa_avx2
#include "backend/cpu/kernels/quantize/functions.h"
