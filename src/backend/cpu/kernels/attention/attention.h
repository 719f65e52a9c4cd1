/* Attention without the score matrix: softmax(scale * q kᵀ + mask) v over blocks of keys, with a running maximum and sum for each query
 * (Milakov, Gimelshein, arXiv:1805.02867; Dao et al., "FlashAttention", arXiv:2205.14135).
 *
 * The sum of a query's weights tells whether its softmax is a number: NaN and +infinity among the scores make it NaN, in whatever block they stand;
 * the maximum looks past NaN, and is -infinity where no score is larger. What such queries give: kernel/attention.h. */
#ifndef PLN_CPU_ATTENTION_H
#define PLN_CPU_ATTENTION_H

#include "kernel/attention.h"
#include "kernel/kernel.h"

#define PLN_ATTENTION_ROWS 84 /* queries of a task at most, whole tiles of every ISA: each block of keys is turned once for all of them */

/* Keys of a block: as many as stay in the second cache, as each block costs every query a maximum, a sum and a scaling. */
static inline int64_t pln_attention_keys(int64_t size, int64_t v_size)
{
    return PLN_MAX(size, v_size) <= 128 ? 256 : 64;
}

/* Floats from a query's scores to the next one's: not a power of two, whose rows share places of the first cache. */
static inline int64_t pln_attention_score_row(int64_t size, int64_t v_size)
{
    return pln_attention_keys(size, v_size) + 16;
}

/* Keys and values of one row of the batch that lie in pages (kernel/paged.h). Strides in elements. */
struct pln_attention_pages {
    const int32_t *pages; /* of position 0 */
    int64_t n_pages, page_size, k_page, v_page;
    uint64_t *fault; /* of the launch */
    float *gathered; /* a block of keys, then one of values: pln_attention_gathered floats */
};

/* Some queries of one head. Strides are in elements; k and v have stride 1 along their size. */
struct pln_attention_task {
    const float *q, *k, *v;
    float *out;
    int64_t q_row, q_col, k_row, v_row, out_row, out_col;
    int64_t rows, total, size, v_size;
    int64_t rows_most; /* that the scratch is for, PLN_ATTENTION_ROWS at most */
    int64_t first_key_limit;           /* query i sees keys below first_key_limit + i; INT64_MAX: all */
    float scale, softcap;              /* softcap 0: none */
    const void *mask;                  /* of query 0 and key 0; NULL: none */
    bool mask_is_bool;
    float masked_score; /* in the place of scores that a mask of bools shuts out */
    enum pln_undefined_rows undefined;
    int64_t mask_row, mask_col, mask_keys; /* keys at mask_keys and behind are not seen */
    float *scratch;                    /* pln_attention_scratch floats */
    const struct pln_attention_pages *paged; /* k and v are those of page 0. NULL: keys and values lie k_row and v_row apart */
};

/* Up to pln_attention_keys keys and values that lie behind each other. */
struct pln_attention_block {
    const float *k, *v;
    int64_t k_row, v_row;
};

typedef void (*pln_attention_fn)(const struct pln_attention_task *task);
void pln_attention_portable(const struct pln_attention_task *task);
void pln_attention_avx2(const struct pln_attention_task *task);
void pln_attention_avx512(const struct pln_attention_task *task);

/* Floats of a row of the output, whole vectors and lines. */
static inline int64_t pln_attention_padded(int64_t v_size)
{
    return (v_size + 63) / 64 * 64;
}

/* Floats of scratch for these sizes: queries, one block of keys, scores, the output, one block of values, maxima and sums. */
static inline int64_t pln_attention_scratch(int64_t rows, int64_t size, int64_t v_size)
{
    const int64_t padded = pln_attention_padded(v_size), keys = pln_attention_keys(size, v_size);
    return rows * size + keys * size + rows * pln_attention_score_row(size, v_size) + rows * padded + keys * padded + 2 * rows + 64;
}

static inline int64_t pln_attention_gathered(int64_t size, int64_t v_size)
{
    return pln_attention_keys(size, v_size) * (size + v_size);
}

/* ---- pages.c ---- */

/* A task of query `row` and those behind it, of `queries`, whose k and v are those of page 0, takes what row b of the batch has. false: a length or an
 * offset is out of range, which is a fault. */
bool pln_attention_take_pages(const struct pln_launch *launch, int64_t b, int64_t row, int64_t queries, uint64_t *fault, struct pln_attention_pages *out_pages,
                              struct pln_attention_task *task);
/* Keys and values [first, first + n) of a task with pages, gathered. Zeros where there is no such page, which is a fault. */
struct pln_attention_block pln_attention_gather(const struct pln_attention_task *task, int64_t first, int64_t n);
const char *pln_attention_fault(const void *state, uint64_t code);

extern const struct pln_kernel_family pln_cpu_attention;

#endif
