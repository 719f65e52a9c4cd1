#define TILE_ROWS 6
#define WIDE_ROWS 0
#include "backend/cpu/kernels/gemm/tile_rows.h"
#include "backend/cpu/kernels/gemm/quantized_rows.h"

void pln_gemm_tile_portable(const struct pln_gemm_tile *tile)
{
    run_tile(tile);
}

void pln_gemm_few_portable(const struct pln_gemm_few *few)
{
    run_few(few);
}

void pln_gemm_quantized_few_portable(const struct pln_gemm_quantized_few *few)
{
    run_few_quantized(few);
}

void pln_gemm_quantized_unpack_portable(const struct pln_gemm_quantized *w, int64_t panel, int64_t k0, int64_t kn, float *to)
{
    run_unpack_quantized(w, panel, k0, kn, to);
}
