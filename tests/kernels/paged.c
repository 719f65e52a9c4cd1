/* Attention with pages by a reference that knows none: for each row of the batch the keys and values that its part of
 * the table names are gathered, and the reference is called with that row alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/kernels/attempt.h"

enum { ROW_INPUTS = 7 }; /* queries, keys, values, mask, past keys and values, lengths */

struct row {
    struct oracle *oracle;
    const struct kernel_case *c;
    int64_t b, length, past, kv_heads;
    struct pln_item items[ROW_INPUTS];
};

static struct pln_tensor *add_input(struct row *row, int i, enum pln_dtype dtype, int rank, const int64_t *dims)
{
    struct pln_tensor *tensor = &row->items[i].tensor;
    row->items[i].refs = 1;
    pln_tensor_init(tensor, dtype, rank, dims, NULL);
    tensor->data = pln_arena_alloc_aligned(&row->oracle->arena, pln_tensor_bytes(tensor), 64);
    return tensor;
}

static size_t elem_bytes(const struct pln_tensor *tensor)
{
    return (size_t)pln_dtype_bits(tensor->dtype) / 8;
}

/* Position t of a head in a pool, which is dense. */
static const char *pool_at(const struct row *row, const struct pln_tensor *pool, int64_t head, int64_t t)
{
    const int64_t page_size = pool->dims[pool->rank - 2];
    const int64_t page = row->c->paged->pages[row->b * row->c->paged->pages_a_row + t / page_size], at = t % page_size;
    const int64_t size = pool->rank == 4 ? pool->dims[3] : pool->dims[2] / row->kv_heads;
    const int64_t line = pool->rank == 4 ? (page * row->kv_heads + head) * page_size + at
                                         : (page * page_size + at) * row->kv_heads + head;
    return (const char *)pool->data + (size_t)(line * size) * elem_bytes(pool);
}

/* Positions [first, last) of the pool `from` become input `to`, of rank 4 or as the pool. */
static void gather(struct row *row, int from, int to, int rank, int64_t first, int64_t last)
{
    const struct pln_tensor *pool = &row->oracle->items[from].tensor;
    const int64_t heads = row->kv_heads, n = last - first,
                  size = pool->rank == 4 ? pool->dims[3] : pool->dims[2] / heads;
    const size_t line_bytes = (size_t)size * elem_bytes(pool);
    struct pln_tensor *out = rank == 4 ? add_input(row, to, pool->dtype, 4, (const int64_t[]){ 1, heads, n, size })
                                       : add_input(row, to, pool->dtype, 3, (const int64_t[]){ 1, n, heads * size });
    for (int64_t h = 0; h < heads; h++)
        for (int64_t t = 0; t < n; t++) {
            const int64_t line = rank == 4 ? h * n + t : t * heads + h;
            memcpy((char *)out->data + (size_t)line * line_bytes, pool_at(row, pool, h, first + t), line_bytes);
        }
}

/* Row b of a dense tensor. */
static void *part_of(const struct pln_tensor *tensor, int64_t b)
{
    return (char *)tensor->data + (size_t)(b * tensor->strides[0]) * elem_bytes(tensor);
}

static void take_queries(struct row *row)
{
    const struct pln_tensor *q = &row->oracle->items[0].tensor;
    int64_t dims[PLN_MAX_RANK];
    memcpy(dims, q->dims, sizeof dims);
    dims[0] = 1;
    struct pln_tensor *out = add_input(row, 0, q->dtype, q->rank, dims);
    memcpy(out->data, part_of(q, row->b), pln_tensor_bytes(out));
}

/* The mask without what lies behind the row's length; one of rank 0 is for all keys. */
static void take_mask(struct row *row)
{
    const struct pln_tensor *mask = &row->oracle->items[3].tensor;
    if (mask->rank == 0) {
        row->items[3] = row->oracle->items[3];
        return;
    }
    const int64_t keys = PLN_MIN(mask->dims[3], row->length), dims[4] = { 1, mask->dims[1], mask->dims[2], keys };
    struct pln_tensor *out = add_input(row, 3, mask->dtype, 4, dims);
    const char *from = part_of(mask, mask->dims[0] == 1 ? 0 : row->b);
    const size_t line_bytes = (size_t)keys * elem_bytes(mask);
    for (int64_t i = 0; i < dims[1] * dims[2]; i++)
        memcpy((char *)out->data + (size_t)i * line_bytes, from + (size_t)(i * mask->dims[3]) * elem_bytes(mask),
               line_bytes);
}

/* An offset is as many keys of the past. */
static void take_row(struct row *row)
{
    const struct kernel_case *c = row->c;
    const int rank = c->inputs[1].rank;
    take_queries(row);
    gather(row, 1, 1, rank, row->past, row->length);
    gather(row, 2, 2, rank, row->past, row->length);
    if (c->n_inputs > 3 && c->inputs[3].present) take_mask(row);
    if (row->past > 0) {
        gather(row, 1, 4, 4, 0, row->past);
        gather(row, 2, 5, 4, 0, row->past);
    }
    if (c->paged->offsets != NULL) return;
    struct pln_tensor *lengths = add_input(row, 6, PLN_I64, 1, (const int64_t[]){ 1 });
    memcpy(lengths->data, &row->length, sizeof row->length);
}

/* The shape of the result: as the queries', but with the heads of the values. */
static void make_result(struct oracle *oracle, const struct kernel_case *c)
{
    const struct pln_tensor *q = &oracle->items[0].tensor, *v = &oracle->items[2].tensor;
    int64_t dims[PLN_MAX_RANK];
    memcpy(dims, q->dims, sizeof dims);
    if (q->rank == 4)
        dims[3] = v->dims[3];
    else
        dims[2] = v->dims[2] / pln_attrs_int(&c->attrs, "kv_num_heads", 1) * pln_attrs_int(&c->attrs, "q_num_heads", 1);
    oracle->joined.refs = 1;
    pln_tensor_init(&oracle->joined.tensor, q->dtype, q->rank, dims, NULL);
    oracle->joined.tensor.data =
        pln_arena_alloc_aligned(&oracle->arena, pln_tensor_bytes(&oracle->joined.tensor) + 1, 64);
    oracle->outputs[0] = &oracle->joined;
}

void oracle_call_paged(struct oracle *oracle, struct kernel_case *c)
{
    const struct pln_tensor *k = &oracle->items[1].tensor;
    make_result(oracle, c);
    if (c->fault != NULL) return; /* the table is wrong */
    for (int64_t b = 0; b < c->paged->rows; b++) {
        struct row row = { .oracle = oracle, .c = c, .b = b, .length = c->paged->lengths[b] };
        const struct pln_item *list[ROW_INPUTS];
        struct pln_item *outputs[CASE_OUTPUTS] = { NULL };
        row.kv_heads = k->rank == 4 ? k->dims[1] : pln_attrs_int(&c->attrs, "kv_num_heads", 1);
        row.past = c->paged->offsets != NULL ? c->paged->offsets[b] : 0;
        assert_true(row.past <= row.length);
        take_row(&row);
        for (int i = 0; i < ROW_INPUTS; i++) list[i] = row.items[i].refs > 0 ? &row.items[i] : NULL;
        oracle_call(oracle, c, list, ROW_INPUTS, outputs);
        memcpy(part_of(&oracle->joined.tensor, b), outputs[0]->tensor.data, pln_tensor_bytes(&outputs[0]->tensor));
    }
}
