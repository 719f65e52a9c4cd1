#define TILE      pln_gemm_tile_portable
#define TILE_ROWS 6
#define TILE_COLS 8
#include "backend/cpu/kernels/attention/core.h"

void pln_attention_portable(const struct pln_attention_task *task)
{
    run_task(task);
}
