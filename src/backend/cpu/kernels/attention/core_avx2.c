#define TILE      pln_gemm_tile_avx2
#define TILE_ROWS 6
#define TILE_COLS 16
#include "backend/cpu/kernels/attention/core.h"

void pln_attention_avx2(const struct pln_attention_task *task)
{
    run_task(task);
}
