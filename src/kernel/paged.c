#include "kernel/paged.h"

static enum pln_status check_operands(const struct pln_launch *launch, struct pln_diag *diag)
{
    for (int i = 4; i < launch->n_inputs; i++)
        if (launch->inputs[i].dtype != PLN_DTYPE_NONE)
            return pln_launch_fail(launch, diag, PLN_BAD_PLAN,
                                   "Attention: with a page table there are no past keys, values or lengths beside it");
    for (int o = 1; o < launch->n_outputs; o++)
        if (launch->outputs[o].dtype != PLN_DTYPE_NONE)
            return pln_launch_fail(launch, diag, PLN_BAD_PLAN,
                                   "Attention: with a page table there is no output beside the result");
    return PLN_OK;
}

enum pln_status pln_paged_check(const struct pln_launch *launch, struct pln_diag *diag, struct pln_pools *out_pools)
{
    const struct pln_paged *paged = launch->paged;
    const struct pln_tensor *q = &launch->inputs[0], *k = &launch->inputs[1], *v = &launch->inputs[2];
    int64_t entries;
    PLN_TRY(check_operands(launch, diag));
    *out_pools = (struct pln_pools){ .n_pages = k->dims[0], .page_size = k->dims[k->rank - 2] };
    if (v->dims[0] != out_pools->n_pages || v->dims[v->rank - 2] != out_pools->page_size)
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "Attention: keys and values differ in their pages");
    if (paged->rows != q->dims[0])
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "Attention: the page table has %lld rows",
                               (long long)paged->rows);
    if (paged->pages_a_row < 0 || !pln_mul_i64(paged->rows, paged->pages_a_row, &entries) ||
        !pln_mul_i64(paged->pages_a_row, out_pools->page_size, &out_pools->positions) ||
        out_pools->positions > PLN_PAGED_POSITIONS)
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT,
                               "Attention: a page table of %lld entries a row is not possible",
                               (long long)paged->pages_a_row);
    if ((entries > 0 && !paged->pages) || (paged->rows > 0 && !paged->lengths))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "Attention: pages or lengths are missing");
    return PLN_OK;
}
