#include "backend/cpu/kernels/attention/core.h"

void pln_attention_portable(const struct pln_attention_task *task)
{
    run_task(task);
}
