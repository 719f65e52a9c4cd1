#define QUANTIZE_ISA pln_quantize_isa_portable
#include "backend/cpu/kernels/quantize/functions.h"
