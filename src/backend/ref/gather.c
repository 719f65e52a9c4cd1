/* Gather, GatherElements, GatherND: reads at indices that are data. */
#include "backend/ref/elems.h"

/* Index of an axis, negative from the back. */
static enum pln_status resolve(struct pln_call *call, int64_t index, int64_t extent, int64_t *out_index)
{
    *out_index = index < 0 ? index + extent : index;
    if (index >= -extent && index < extent) return PLN_OK;
    return pln_call_fail(call, PLN_INVALID_ARGUMENT, "index %lld is outside an axis of extent %lld", (long long)index, (long long)extent);
}

enum pln_status pln_ref_gather(struct pln_call *call)
{
    struct pln_elems in, out;
    const struct pln_tensor *at;
    const int64_t *indices;
    int64_t n, dims[PLN_MAX_RANK * 2];
    int axis;
    PLN_TRY(pln_elems_in(call, 0, &in));
    PLN_TRY(pln_call_need(call, 1, &at));
    PLN_TRY(pln_elems_ints(call, 1, &indices, &n));
    PLN_TRY(pln_elems_axis(call, pln_attrs_int(call->attrs, "axis", 0), in.tensor.rank, &axis));
    int rank = in.tensor.rank + at->rank - 1;
    if (rank > PLN_MAX_RANK) return pln_call_fail(call, PLN_BAD_MODEL, "the result would have rank %d", rank);
    memcpy(dims, in.tensor.dims, (size_t)axis * sizeof *dims);
    memcpy(dims + axis, at->dims, (size_t)at->rank * sizeof *dims);
    memcpy(dims + axis + at->rank, in.tensor.dims + axis + 1, (size_t)(in.tensor.rank - axis - 1) * sizeof *dims);
    PLN_TRY(pln_elems_out(call, 0, in.tensor.dtype, rank, dims, &out));
    if (out.count == 0) return PLN_OK;
    int64_t outer = pln_elems_product(in.tensor.dims, 0, axis), extent = in.tensor.dims[axis];
    size_t block = (size_t)pln_elems_product(in.tensor.dims, axis + 1, in.tensor.rank) * in.unit_bytes;
    char *to = out.data;
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t i = 0; i < n; i++, to += block) {
            int64_t from;
            PLN_TRY(resolve(call, indices[i], extent, &from));
            memcpy(to, in.data + (size_t)(o * extent + from) * block, block);
        }
    }
    return pln_elems_finish(call, 0, &out);
}

enum pln_status pln_ref_gather_elements(struct pln_call *call)
{
    struct pln_elems in, out;
    const struct pln_tensor *at;
    const int64_t *indices;
    int64_t n, index[PLN_MAX_RANK] = { 0 };
    int axis;
    PLN_TRY(pln_elems_in(call, 0, &in));
    PLN_TRY(pln_call_need(call, 1, &at));
    PLN_TRY(pln_elems_ints(call, 1, &indices, &n));
    PLN_TRY(pln_elems_axis(call, pln_attrs_int(call->attrs, "axis", 0), in.tensor.rank, &axis));
    int rank = in.tensor.rank;
    bool fits = at->rank == rank;
    for (int d = 0; fits && d < rank; d++) fits = d == axis || at->dims[d] <= in.tensor.dims[d];
    if (!fits) return pln_call_fail(call, PLN_BAD_MODEL, "the shape of indices does not lie within that of data");
    PLN_TRY(pln_elems_out(call, 0, in.tensor.dtype, rank, at->dims, &out));
    for (int64_t i = 0; i < n; i++) {
        int64_t from = 0, along;
        PLN_TRY(resolve(call, indices[i], in.tensor.dims[axis], &along));
        for (int d = 0; d < rank; d++) from += (d == axis ? along : index[d]) * in.tensor.strides[d];
        pln_unit_copy(out.data + (size_t)i * out.unit_bytes, in.data + (size_t)from * in.unit_bytes, in.unit_bytes);
        for (int d = rank - 1; d >= 0 && ++index[d] == at->dims[d]; d--) index[d] = 0;
    }
    return pln_elems_finish(call, 0, &out);
}

enum pln_status pln_ref_gather_nd(struct pln_call *call)
{
    struct pln_elems in, out;
    const struct pln_tensor *at;
    const int64_t *indices;
    int64_t n, dims[PLN_MAX_RANK * 2];
    int64_t batch_dims = pln_attrs_int(call->attrs, "batch_dims", 0);
    PLN_TRY(pln_elems_in(call, 0, &in));
    PLN_TRY(pln_call_need(call, 1, &at));
    PLN_TRY(pln_elems_ints(call, 1, &indices, &n));
    if (at->rank < 1 || batch_dims < 0 || batch_dims >= at->rank || batch_dims >= in.tensor.rank) {
        return pln_call_fail(call, PLN_BAD_MODEL, "batch_dims %lld with data of rank %d and indices of rank %d", (long long)batch_dims,
                             in.tensor.rank, at->rank);
    }
    int batch = (int)batch_dims, rank = at->rank - 1;
    int64_t depth = at->dims[at->rank - 1];
    if (depth < 0 || depth > in.tensor.rank - batch) {
        return pln_call_fail(call, PLN_BAD_MODEL, "%lld indices a place for data of rank %d", (long long)depth, in.tensor.rank);
    }
    for (int d = 0; d < batch; d++) {
        if (at->dims[d] != in.tensor.dims[d]) return pln_call_fail(call, PLN_BAD_MODEL, "batch dim %d differs between data and indices", d);
    }
    int first = batch + (int)depth;
    memcpy(dims, at->dims, (size_t)rank * sizeof *dims);
    memcpy(dims + rank, in.tensor.dims + first, (size_t)(in.tensor.rank - first) * sizeof *dims);
    rank += in.tensor.rank - first;
    if (rank > PLN_MAX_RANK) return pln_call_fail(call, PLN_BAD_MODEL, "the result would have rank %d", rank);
    PLN_TRY(pln_elems_out(call, 0, in.tensor.dtype, rank, dims, &out));
    if (out.count == 0) return PLN_OK;
    int64_t places = pln_elems_product(at->dims, 0, at->rank - 1), per_batch = places / pln_elems_product(at->dims, 0, batch);
    int64_t batch_stride = pln_elems_product(in.tensor.dims, batch, in.tensor.rank);
    size_t block = (size_t)pln_elems_product(in.tensor.dims, first, in.tensor.rank) * in.unit_bytes;
    for (int64_t p = 0; p < places; p++) {
        int64_t from = p / per_batch * batch_stride;
        for (int64_t k = 0; k < depth; k++) {
            int64_t along;
            PLN_TRY(resolve(call, indices[p * depth + k], in.tensor.dims[batch + k], &along));
            from += along * in.tensor.strides[batch + k];
        }
        memcpy(out.data + (size_t)p * block, in.data + (size_t)from * in.unit_bytes, block);
    }
    return pln_elems_finish(call, 0, &out);
}
