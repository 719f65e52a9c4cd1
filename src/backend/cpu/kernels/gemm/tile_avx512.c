#define TILE_ROWS 14
#include "backend/cpu/kernels/gemm/tile_rows.h"

void pln_gemm_tile_avx512(const struct pln_gemm_tile *tile)
{
    run_tile(tile);
}

void pln_gemm_few_avx512(const struct pln_gemm_few *few)
{
    run_few(few);
}
