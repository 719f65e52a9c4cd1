/* Trilu, ReverseSequence, CenterCropPad. */
#include "backend/ref/elems.h"

enum pln_status pln_ref_trilu(struct pln_call *call)
{
    struct pln_elems in, out;
    const int64_t *k_in;
    int64_t n;
    bool upper = pln_attrs_int(call->attrs, "upper", 1) != 0;
    PLN_TRY(pln_elems_in(call, 0, &in));
    PLN_TRY(pln_call_ints(call, 1, &k_in, &n));
    int rank = in.tensor.rank;
    if (rank < 2 || (n >= 0 && n != 1)) return pln_call_fail(call, PLN_BAD_MODEL, "a matrix and one k are needed");
    PLN_TRY(pln_elems_out(call, 0, in.tensor.dtype, rank, in.tensor.dims, &out));
    int64_t k = n == 1 ? k_in[0] : 0, columns = in.tensor.dims[rank - 1], rows = in.tensor.dims[rank - 2];
    k = PLN_MAX(PLN_MIN(k, columns), -rows);
    for (int64_t row = 0; out.count > 0 && row < out.count / columns; row++) {
        /* Column at which the part on or above diagonal k begins. */
        int64_t edge = PLN_MAX(PLN_MIN(row % rows + k + (upper ? 0 : 1), columns), 0);
        int64_t first = row * columns + (upper ? edge : 0), count = upper ? columns - edge : edge;
        memcpy(out.data + (size_t)first * out.unit_bytes, in.data + (size_t)first * in.unit_bytes, (size_t)count * in.unit_bytes);
    }
    return pln_elems_finish(call, 0, &out);
}

enum pln_status pln_ref_reverse_sequence(struct pln_call *call)
{
    struct pln_elems in, out;
    const int64_t *lengths;
    int64_t n;
    int batch, time;
    PLN_TRY(pln_elems_in(call, 0, &in));
    PLN_TRY(pln_call_ints(call, 1, &lengths, &n));
    PLN_TRY(pln_elems_axis(call, pln_attrs_int(call->attrs, "batch_axis", 1), in.tensor.rank, &batch));
    PLN_TRY(pln_elems_axis(call, pln_attrs_int(call->attrs, "time_axis", 0), in.tensor.rank, &time));
    if (batch == time || n != in.tensor.dims[batch]) return pln_call_fail(call, PLN_BAD_MODEL, "one length for each index of another axis is needed");
    for (int64_t b = 0; b < n; b++) {
        if (lengths[b] < 0 || lengths[b] > in.tensor.dims[time]) {
            return pln_call_fail(call, PLN_INVALID_ARGUMENT, "length %lld of sequences of %lld", (long long)lengths[b], (long long)in.tensor.dims[time]);
        }
    }
    PLN_TRY(pln_elems_out(call, 0, in.tensor.dtype, in.tensor.rank, in.tensor.dims, &out));
    const int64_t *strides = in.tensor.strides;
    for (int64_t i = 0; i < out.count; i++) {
        int64_t t = i / strides[time] % in.tensor.dims[time], length = lengths[i / strides[batch] % in.tensor.dims[batch]];
        int64_t from = t < length ? i + (length - 1 - 2 * t) * strides[time] : i;
        pln_unit_copy(out.data + (size_t)i * out.unit_bytes, in.data + (size_t)from * in.unit_bytes, in.unit_bytes);
    }
    return pln_elems_finish(call, 0, &out);
}

enum pln_status pln_ref_center_crop_pad(struct pln_call *call)
{
    struct pln_elems in, out;
    const int64_t *shape, *axes_attr;
    int64_t n, dims[PLN_MAX_RANK], *maps[PLN_MAX_RANK];
    int axes[PLN_MAX_RANK], n_axes;
    PLN_TRY(pln_elems_in(call, 0, &in));
    PLN_TRY(pln_call_ints(call, 1, &shape, &n));
    int64_t n_attr = pln_attrs_ints(call->attrs, "axes", &axes_attr);
    PLN_TRY(pln_elems_axes(call, axes_attr, n_attr, in.tensor.rank, axes, &n_axes));
    if (n != n_axes) return pln_call_fail(call, PLN_BAD_MODEL, "%lld extents for %d axes", (long long)n, n_axes);
    memcpy(dims, in.tensor.dims, sizeof dims);
    for (int i = 0; i < n_axes; i++) dims[axes[i]] = shape[i];
    PLN_TRY(pln_elems_out(call, 0, in.tensor.dtype, in.tensor.rank, dims, &out));
    if (out.count == 0) return PLN_OK;
    for (int d = 0; d < in.tensor.rank; d++) {
        void *memory;
        int64_t extent = in.tensor.dims[d], shift = extent > dims[d] ? (extent - dims[d]) / 2 : -((dims[d] - extent) / 2);
        PLN_TRY(pln_call_scratch(call, (size_t)dims[d], sizeof(int64_t), &memory));
        maps[d] = memory;
        for (int64_t i = 0; i < dims[d]; i++) maps[d][i] = i + shift < extent ? i + shift : -1;
    }
    pln_elems_copy_mapped(in.tensor.rank, dims, out.data, in.tensor.dims, in.data, maps, in.unit_bytes);
    return pln_elems_finish(call, 0, &out);
}
