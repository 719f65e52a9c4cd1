/* Products with weights quantized in blocks: a column's weights in double, then sums as those of MatMul. */
#include "backend/ref/epilogue.h"
#include "backend/ref/rows.h"

struct blocks {
    const struct pln_tensor *x, *w, *scale, *offset;
    int64_t m, n, k, block;
};

static enum pln_status check(struct pln_call *call, struct blocks *b)
{
    PLN_TRY(pln_call_need(call, 0, &b->x));
    PLN_TRY(pln_call_need(call, 1, &b->w));
    PLN_TRY(pln_call_need(call, 2, &b->scale));
    PLN_TRY(pln_call_need(call, 3, &b->offset));
    b->block = pln_attrs_int(call->attrs, "block", 0);
    if (b->x->rank < 1 || b->w->rank != 2 || b->block < 1) return pln_call_fail(call, PLN_BAD_MODEL, "these are no rows, a matrix and a size of blocks");
    b->n = b->w->dims[0];
    b->k = b->w->dims[1];
    const int64_t dims[2] = { b->k / b->block + (b->k % b->block != 0), b->n };
    const struct pln_tensor *const each[] = { b->scale, b->offset };
    for (int i = 0; i < 2; i++)
        if (each[i]->rank != 2 || each[i]->dims[0] != dims[0] || each[i]->dims[1] != dims[1]) return pln_call_fail(call, PLN_BAD_MODEL, "input %d is not one number a block and column", 2 + i);
    if (b->x->dims[b->x->rank - 1] != b->k)
        return pln_call_fail(call, PLN_BAD_MODEL, "input 0 has rows of %lld, but input 1 of %lld", (long long)b->x->dims[b->x->rank - 1], (long long)b->k);
    b->m = 1;
    for (int d = 0; d < b->x->rank - 1; d++) b->m *= b->x->dims[d]; /* as many as the tensor that there is */
    return PLN_OK;
}

/* Column j of the weights, whose k numbers are in `column`, as what they stand for. */
static void dequantize(const struct blocks *b, int64_t j, double *column)
{
    for (int64_t k = 0; k < b->k; k++) {
        double scale, offset;
        pln_ref_load_f64(b->scale->dtype, b->scale->data, k / b->block * b->n + j, 1, &scale);
        pln_ref_load_f64(b->offset->dtype, b->offset->data, k / b->block * b->n + j, 1, &offset);
        column[k] = (column[k] - offset) * scale;
    }
}

enum pln_status pln_ref_matmul_blocks(struct pln_call *call)
{
    struct pln_ref_epilogue epilogue;
    struct blocks b;
    double *x;
    void *column_memory = NULL, *sums_memory = NULL;
    int64_t dims[PLN_MAX_RANK], count;
    PLN_TRY(pln_ref_epilogue_init(call, &epilogue));
    PLN_TRY(check(call, &b));
    memcpy(dims, b.x->dims, (size_t)b.x->rank * sizeof dims[0]);
    dims[b.x->rank - 1] = b.n;
    if (!pln_shape_count(b.x->rank, dims, &count)) return pln_call_fail(call, PLN_BAD_MODEL, "the output is too large");
    PLN_TRY(pln_ref_as_f64(call, b.x, &x));
    PLN_TRY(pln_call_scratch(call, (size_t)count, sizeof(double), &sums_memory));
    PLN_TRY(pln_call_scratch(call, (size_t)b.k, sizeof(double), &column_memory));
    double *column = column_memory, *sums = sums_memory;
    for (int64_t j = 0; j < b.n; j++) {
        pln_ref_load_f64(b.w->dtype, b.w->data, j * b.k, b.k, column);
        dequantize(&b, j, column);
        for (int64_t i = 0; i < b.m; i++) {
            double sum = 0;
            for (int64_t k = 0; k < b.k; k++) sum += x[i * b.k + k] * column[k];
            sums[i * b.n + j] = sum;
        }
    }
    return pln_ref_epilogue_finish(call, &epilogue, PLN_F32, b.x->rank, dims, sums);
}
