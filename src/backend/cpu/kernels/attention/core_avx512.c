#include "backend/cpu/kernels/attention/core.h"

void pln_attention_avx512(const struct pln_attention_task *task)
{
    run_task(task);
}
