#define QUANTIZE_ISA pln_quantize_isa_avx512
#include "backend/cpu/kernels/quantize/functions.h"
