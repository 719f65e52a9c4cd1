#include "backend/cpu/kernels/attention/core.h"

void pln_attention_avx2(const struct pln_attention_task *task)
{
    run_task(task);
}
