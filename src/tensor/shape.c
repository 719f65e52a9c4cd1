#include "tensor/tensor.h"

/* What walks the rows of a tensor does so where they are empty, too: more of them than a run ever has are refused, or a few bytes of a model
 * would take hours. */
#define EMPTY_ROWS_MOST ((int64_t)1 << 32)

bool pln_shape_count(int rank, const int64_t *dims, int64_t *out_count)
{
    /* Zeros are left out of the product that is checked, so that strides and partial products fit too. */
    int64_t product = 1;
    bool empty = false;
    *out_count = 0;
    for (int i = 0; i < rank; i++) {
        if (dims[i] < 0) return false;
        if (dims[i] == 0) empty = true;
        if (!pln_mul_i64(product, PLN_MAX(dims[i], 1), &product)) return false;
    }
    if (empty && product > EMPTY_ROWS_MOST) return false;
    *out_count = empty ? 0 : product;
    return true;
}

bool pln_shape_bytes(enum pln_dtype dtype, int rank, const int64_t *dims, size_t *out_bytes)
{
    int64_t count, bits, rounded;
    *out_bytes = 0;
    if (!pln_shape_count(rank, dims, &count)) return false;
    if (!pln_mul_i64(count, pln_dtype_bits(dtype), &bits) || !pln_add_i64(bits, 7, &rounded)) return false;
    *out_bytes = (size_t)(rounded / 8);
    return true;
}

bool pln_shape_broadcast(int a_rank, const int64_t *a, int b_rank, const int64_t *b, int *out_rank, int64_t *out)
{
    int64_t result[PLN_MAX_RANK];
    int rank = PLN_MAX(a_rank, b_rank);
    *out_rank = 0;
    for (int i = 0; i < rank; i++) {
        int ai = i - (rank - a_rank), bi = i - (rank - b_rank);
        int64_t x = ai < 0 ? 1 : a[ai], y = bi < 0 ? 1 : b[bi];
        if (x != y && x != 1 && y != 1) return false;
        result[i] = x == 1 ? y : x;
    }
    if (rank > 0) memcpy(out, result, (size_t)rank * sizeof *out);
    *out_rank = rank;
    return true;
}

bool pln_axis_normalize(int64_t axis, int rank, int *out_axis)
{
    *out_axis = 0;
    if (axis < -(int64_t)rank || axis >= rank) return false;
    *out_axis = (int)(axis < 0 ? axis + rank : axis);
    return true;
}
