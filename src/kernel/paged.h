/* Keys and values of attention in pages.
 *
 * Without pages, row b of the batch finds its keys at keys[b], as many as the tensor has. With them the inputs keys and
 * values are pools: dim 0 counts pages, and a page holds page_size positions of all heads ([n_pages, heads, page_size,
 * size], or [n_pages, page_size, heads * size]; n_pages and page_size are the same for both). Position t of row b lies
 * in page pages[b * pages_a_row + t / page_size], at position t % page_size there. Rows may share pages, so sequences
 * that begin alike hold their beginning once (Kwon et al., "PagedAttention", arXiv:2309.06180).
 *
 * Row b is computed as if its keys and values were the lengths[b] positions alone. Its query i stands at position
 * offsets[b] + i, which causality and windows go by; entries of the table behind the last page of its length are not
 * read. Other inputs that say where keys lie or how many they are (past keys and values, nonpad_kv_seqlen) and outputs
 * beside the result are not possible with pages; a mask is, whose last dim counts positions. The result, queries and
 * mask lie as ever.
 *
 * The arrays belong to the caller, lie in memory of the kernel's device, and are read when the kernel runs: they may
 * hold other numbers at every run of what is prepared once. So that is where numbers are checked: a page outside of [0,
 * n_pages), a length or an offset outside of [0, pages_a_row * page_size] is a fault (pln_kernel_family.fault) and
 * never an access outside of the pools; the result then says nothing. */
#ifndef PLN_KERNEL_PAGED_H
#define PLN_KERNEL_PAGED_H

#include "kernel/kernel.h"

#define PLN_PAGED_POSITIONS ((int64_t)1 << 40) /* most of a row */

/* What faults say. */
#define PLN_PAGED_BAD_PAGE "Attention: a page table names a page that is not there"
#define PLN_PAGED_BAD_LENGTH \
    "Attention: a row of a page table has a length that is negative or more than its pages hold"
#define PLN_PAGED_BAD_OFFSET \
    "Attention: a row of a page table has an offset that is negative or more than its pages hold"

struct pln_paged {
    int64_t rows;           /* of the arrays: the batch of the queries */
    int64_t pages_a_row;    /* entries of the table a row */
    const int32_t *pages;   /* [rows, pages_a_row] */
    const int64_t *lengths; /* [rows], in positions */
    const int64_t *offsets; /* [rows], in positions; NULL: the last query stands at the row's last position, so
                               lengths[b] - queries, which may be negative */
};

/* The pools of a launch with pages, and what its rows have. */
struct pln_pools {
    int64_t n_pages, page_size; /* of the pools */
    int64_t positions;          /* most of a row: pages_a_row * page_size */
};

/* Of a launch with pages, whose inputs 0 to 2 have rank 3 or 4: what it says agrees with itself. PLN_INVALID_ARGUMENT:
 * shapes do not fit; PLN_BAD_PLAN: it has operands that are not possible with pages. */
enum pln_status pln_paged_check(const struct pln_launch *launch, struct pln_diag *diag, struct pln_pools *out_pools);

#endif
