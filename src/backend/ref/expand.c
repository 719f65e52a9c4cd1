/* Expand, Tile, Transpose: strided reads of the input. */
#include "backend/ref/elems.h"

enum pln_status pln_ref_expand(struct pln_call *call)
{
    struct pln_elems in, out;
    const int64_t *shape;
    int64_t n, dims[PLN_MAX_RANK], strides[PLN_MAX_RANK] = { 0 };
    int rank;
    PLN_TRY(pln_elems_in(call, 0, &in));
    PLN_TRY(pln_call_ints(call, 1, &shape, &n));
    if (n < 0 || n > PLN_MAX_RANK) return pln_call_fail(call, PLN_BAD_MODEL, "a shape of %lld dims", (long long)n);
    if (!pln_shape_broadcast(in.tensor.rank, in.tensor.dims, (int)n, shape, &rank, dims)) {
        return pln_call_fail(call, PLN_BAD_MODEL, "the input does not broadcast to the shape");
    }
    PLN_TRY(pln_elems_out(call, 0, in.tensor.dtype, rank, dims, &out));
    for (int d = 0; d < in.tensor.rank; d++) {
        if (in.tensor.dims[d] != 1) strides[rank - in.tensor.rank + d] = in.tensor.strides[d];
    }
    pln_elems_copy(rank, dims, out.data, out.tensor.strides, in.data, strides, in.unit_bytes);
    return pln_elems_finish(call, 0, &out);
}

enum pln_status pln_ref_tile(struct pln_call *call)
{
    struct pln_elems in, out;
    const int64_t *repeats;
    int64_t n, dims[PLN_MAX_RANK];
    int64_t pairs[PLN_ELEMS_MAX_RANK], in_strides[PLN_ELEMS_MAX_RANK], out_strides[PLN_ELEMS_MAX_RANK];
    PLN_TRY(pln_elems_in(call, 0, &in));
    PLN_TRY(pln_call_ints(call, 1, &repeats, &n));
    int rank = in.tensor.rank;
    if (n != rank) return pln_call_fail(call, PLN_BAD_MODEL, "%lld repeats for a tensor of rank %d", (long long)n, rank);
    for (int d = 0; d < rank; d++) {
        if (repeats[d] < 0 || !pln_mul_i64(in.tensor.dims[d], repeats[d], &dims[d])) {
            return pln_call_fail(call, PLN_BAD_MODEL, "axis %d repeated %lld times", d, (long long)repeats[d]);
        }
    }
    PLN_TRY(pln_elems_out(call, 0, in.tensor.dtype, rank, dims, &out));
    if (out.count == 0) return PLN_OK;
    for (int d = 0; d < rank; d++) {
        pairs[2 * d] = repeats[d];
        pairs[2 * d + 1] = in.tensor.dims[d];
        in_strides[2 * d] = 0;
        in_strides[2 * d + 1] = in.tensor.strides[d];
        out_strides[2 * d] = out.tensor.strides[d] * in.tensor.dims[d];
        out_strides[2 * d + 1] = out.tensor.strides[d];
    }
    pln_elems_copy(2 * rank, pairs, out.data, out_strides, in.data, in_strides, in.unit_bytes);
    return pln_elems_finish(call, 0, &out);
}

enum pln_status pln_ref_transpose(struct pln_call *call)
{
    struct pln_elems in, out;
    const int64_t *perm;
    int64_t dims[PLN_MAX_RANK], strides[PLN_MAX_RANK];
    int axes[PLN_MAX_RANK], n_axes;
    PLN_TRY(pln_elems_in(call, 0, &in));
    int64_t n = pln_attrs_ints(call->attrs, "perm", &perm);
    int rank = in.tensor.rank;
    if (perm && n != rank) return pln_call_fail(call, PLN_BAD_MODEL, "perm has %lld axes for a tensor of rank %d", (long long)n, rank);
    PLN_TRY(pln_elems_axes(call, perm, n, rank, axes, &n_axes));
    for (int d = 0; d < rank; d++) {
        int axis = perm ? axes[d] : rank - 1 - d;
        dims[d] = in.tensor.dims[axis];
        strides[d] = in.tensor.strides[axis];
    }
    PLN_TRY(pln_elems_out(call, 0, in.tensor.dtype, rank, dims, &out));
    pln_elems_copy(rank, dims, out.data, out.tensor.strides, in.data, strides, in.unit_bytes);
    return pln_elems_finish(call, 0, &out);
}
