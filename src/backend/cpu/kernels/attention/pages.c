/* Keys and values in pages (kernel/paged.h): a block of them is gathered before it is used. */
#include "kernel/paged.h"

#include "backend/cpu/kernels/attention/attention.h"

enum { BAD_PAGE = 1, BAD_LENGTH, BAD_OFFSET };

static void report(uint64_t *fault, uint64_t code)
{
    __atomic_store_n(fault, code, __ATOMIC_RELAXED);
}

const char *pln_attention_fault(const void *state, uint64_t code)
{
    (void)state;
    return code == BAD_PAGE ? PLN_PAGED_BAD_PAGE : code == BAD_LENGTH ? PLN_PAGED_BAD_LENGTH : PLN_PAGED_BAD_OFFSET;
}

bool pln_attention_take_pages(const struct pln_launch *launch, int64_t b, int64_t row, int64_t queries, uint64_t *fault,
                              struct pln_attention_pages *out_pages, struct pln_attention_task *task)
{
    const struct pln_paged *paged = launch->paged;
    const struct pln_tensor *k = &launch->inputs[1], *v = &launch->inputs[2];
    const int64_t page_size = k->dims[k->rank - 2], most = paged->pages_a_row * page_size, length = paged->lengths[b];
    if (length < 0 || length > most) {
        report(fault, BAD_LENGTH);
        return false;
    }
    const int64_t offset = paged->offsets ? paged->offsets[b] : length - queries;
    if (paged->offsets && (offset < 0 || offset > most)) {
        report(fault, BAD_OFFSET);
        return false;
    }
    *out_pages =
        (struct pln_attention_pages){ .pages = paged->pages + b * paged->pages_a_row,
                                      .n_pages = k->dims[0],
                                      .page_size = page_size,
                                      .k_page = k->strides[0],
                                      .v_page = v->strides[0],
                                      .fault = fault,
                                      .gathered = task->scratch + pln_attention_scratch(task->rows_most, task->size, task->v_size) };
    task->total = length;
    if (task->first_key_limit != INT64_MAX) task->first_key_limit = offset + row + 1;
    task->paged = out_pages;
    return true;
}

struct pln_attention_block pln_attention_gather(const struct pln_attention_task *task, int64_t first, int64_t n)
{
    const struct pln_attention_pages *paged = task->paged;
    float *k = paged->gathered, *v = k + pln_attention_keys(task->size, task->v_size) * task->size;
    const size_t k_bytes = (size_t)task->size * sizeof *k, v_bytes = (size_t)task->v_size * sizeof *v;
    for (int64_t j = 0; j < n; j++) {
        const int64_t page = paged->pages[(first + j) / paged->page_size], at = (first + j) % paged->page_size;
        if (page < 0 || page >= paged->n_pages) {
            report(paged->fault, BAD_PAGE);
            memset(k + j * task->size, 0, k_bytes);
            memset(v + j * task->v_size, 0, v_bytes);
            continue;
        }
        memcpy(k + j * task->size, task->k + page * paged->k_page + at * task->k_row, k_bytes);
        memcpy(v + j * task->v_size, task->v + page * paged->v_page + at * task->v_row, v_bytes);
    }
    return (struct pln_attention_block){ k, v, task->size, task->v_size };
}
