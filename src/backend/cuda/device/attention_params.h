#ifndef PLN_CUDA_ATTENTION_PARAMS_H
#define PLN_CUDA_ATTENTION_PARAMS_H

#include "backend/cuda/device/params.h"

#define PLN_ATTENTION_THREADS 256
#define PLN_ATTENTION_FEW 8        /* so many queries of a group of heads are taken without a tile */
#define PLN_ATTENTION_FEW_KEYS 128 /* keys that they see at a time */
#define PLN_ATTENTION_FEW_SIZE 512 /* their largest head */
#define PLN_ATTENTION_SPREAD 256   /* groups of queries whose keys may be split among blocks */

/* Rows whose softmax is not a number: enum pln_undefined_rows of kernel/attention.h. */
#define PLN_ATTENTION_UNDEFINED_OP 0
#define PLN_ATTENTION_UNDEFINED_SOFTMAX 1
#define PLN_ATTENTION_UNDEFINED_GUARDED 2

/* Codes of faults. */
#define PLN_ATTENTION_BAD_LENGTH 1
#define PLN_ATTENTION_BAD_PAGE 2
#define PLN_ATTENTION_BAD_OFFSET 3

/* An operand as [batch, heads, seq, size], wherever its dims lie; strides in elements. */
struct pln_attention_rows {
    PLN_DEVICE_PTR(void) data;
    int64_t batch_stride, head_stride, row_stride, col_stride;
};

/* Queries of the heads that share one head of keys are one list of rows: row r is query r / share of head kv_head * share + r % share. A base is a tile
 * of that list, or PLN_ATTENTION_FEW rows of it, with some columns of the values; a task is one of `splits` parts of its keys. */
struct pln_attention_params {
    struct pln_cuda_head head;
    struct pln_attention_rows q, k, v, y;
    struct pln_attention_rows past_k, past_v; /* keys [0, past); k and v have the rest */
    struct pln_attention_rows present_k, present_v, scores; /* outputs; data NULL: not wanted */
    int64_t batch, heads, kv_heads, share;    /* heads = kv_heads * share */
    int64_t n_queries, past, total;           /* total: keys, with those of the past */
    int64_t size, v_size;
    int64_t row_tiles, v_tiles;
    int64_t splits, split_keys;               /* part s sees keys [s * split_keys, (s + 1) * split_keys) */
    int64_t attend_tasks, present_tasks, score_tasks; /* in this order */
    PLN_DEVICE_PTR(const void) mask;          /* NULL: none */
    int64_t mask_strides[4];                  /* of batch, head, query, key: 0 where repeated */
    int64_t mask_keys;                        /* keys behind are not seen; `total` without a mask */
    int64_t left, right;                      /* window around a query's own position; -1: unbounded */
    /* Each may be NULL. lengths[b]: keys that row b of the batch has, at most total. offsets[b]: position of its first query among its keys; NULL: `past`, or
     * where there is no past but lengths, lengths[b] - n_queries. */
    PLN_DEVICE_PTR(const void) lengths;
    PLN_DEVICE_PTR(const int64_t) offsets;
    /* pages[b * pages_a_row + t / page_size]: the page that has key and value t of row b (kernel/paged.h); batch strides are then from one page to the next.
     * NULL: keys and values lie at their strides. */
    PLN_DEVICE_PTR(const int32_t) pages;
    int64_t page_size, pages_a_row, n_pages;
    float scale, softcap;
    float masked_score;   /* of keys that a mask of bools shuts out */
    int32_t undefined;    /* PLN_ATTENTION_UNDEFINED_ */
    int32_t causal;
    int32_t paged; /* there is a page table, be it empty */
    int32_t few;  /* up to PLN_ATTENTION_FEW rows a base */
    int32_t q_vector, k_vector, v_vector; /* rows of queries, keys, values begin at multiples of 16 bytes */
    int32_t mode; /* of scores: 0 products, 1 behind the soft-cap, 2 with the mask added, 3 weights */
    uint32_t arrived[PLN_ATTENTION_SPREAD]; /* parts of a base that are done. Zero, since every run writes the parameters anew */
};

#endif
