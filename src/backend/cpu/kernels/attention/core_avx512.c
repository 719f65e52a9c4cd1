#define TILE      pln_gemm_tile_avx512
#define TILE_ROWS 14
#define TILE_COLS 32
#include "backend/cpu/kernels/attention/core.h"

void pln_attention_avx512(const struct pln_attention_task *task)
{
    run_task(task);
}
