#define BYTES_ISA pln_bytes_isa_avx512
#define TILE_ROWS 14
#include "backend/cpu/kernels/bytes/functions_rows.h"
