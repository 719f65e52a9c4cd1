#define BYTES_ISA pln_bytes_isa_portable
#define TILE_ROWS 6
#include "backend/cpu/kernels/bytes/functions_rows.h"
