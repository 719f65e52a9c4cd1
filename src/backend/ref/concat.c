/* Concat and Split along an axis. */
#include "backend/ref/elems.h"

static enum pln_status check_part(struct pln_call *call, const struct pln_tensor *first, const struct pln_tensor *part, int i, int axis)
{
    bool fits = part->dtype == first->dtype && part->rank == first->rank;
    for (int d = 0; fits && d < first->rank; d++) fits = d == axis || part->dims[d] == first->dims[d];
    if (fits) return PLN_OK;
    char a[128], b[128];
    return pln_call_fail(call, PLN_BAD_MODEL, "input %d is %s, which does not fit %s along axis %d", i,
                         pln_tensor_describe(part, a, sizeof a), pln_tensor_describe(first, b, sizeof b), axis);
}

enum pln_status pln_ref_concat(struct pln_call *call)
{
    const struct pln_tensor *first;
    struct pln_elems out;
    int64_t dims[PLN_MAX_RANK], offset = 0;
    int axis;
    PLN_TRY(pln_call_need(call, 0, &first));
    PLN_TRY(pln_elems_axis(call, pln_attrs_int(call->attrs, "axis", 0), first->rank, &axis));
    memcpy(dims, first->dims, sizeof dims);
    dims[axis] = 0;
    for (int i = 0; i < call->n_inputs; i++) {
        const struct pln_tensor *part;
        PLN_TRY(pln_call_need(call, i, &part));
        PLN_TRY(check_part(call, first, part, i, axis));
        if (!pln_add_i64(dims[axis], part->dims[axis], &dims[axis])) return pln_call_fail(call, PLN_BAD_MODEL, "the parts are too long");
    }
    PLN_TRY(pln_elems_out(call, 0, first->dtype, first->rank, dims, &out));
    if (out.count == 0) return PLN_OK;
    for (int i = 0; i < call->n_inputs; i++) {
        struct pln_elems part;
        PLN_TRY(pln_elems_in(call, i, &part));
        char *to = out.data + offset * out.tensor.strides[axis] * (int64_t)out.unit_bytes;
        pln_elems_copy(first->rank, part.tensor.dims, to, out.tensor.strides, part.data, part.tensor.strides, out.unit_bytes);
        offset += part.tensor.dims[axis];
    }
    return pln_elems_finish(call, 0, &out);
}

/* Length of part i of n: from the split input, else equal parts with a shorter last one. */
static enum pln_status part_lengths(struct pln_call *call, int64_t extent, int64_t *lengths)
{
    const int64_t *split;
    int64_t n, sum = 0, n_parts = call->n_outputs;
    PLN_TRY(pln_call_ints(call, 1, &split, &n));
    if (n >= 0 && n != n_parts) return pln_call_fail(call, PLN_BAD_MODEL, "split has %lld lengths for %lld outputs", (long long)n, (long long)n_parts);
    int64_t each = extent / n_parts + (extent % n_parts != 0);
    for (int64_t i = 0; i < n_parts; i++) {
        lengths[i] = n >= 0 ? split[i] : PLN_MAX(PLN_MIN(each, extent - sum), 0);
        if (lengths[i] < 0 || !pln_add_i64(sum, lengths[i], &sum)) return pln_call_fail(call, PLN_BAD_MODEL, "part %lld has a bad length", (long long)i);
    }
    if (sum != extent) {
        return pln_call_fail(call, PLN_BAD_MODEL, "the parts have %lld elements along the axis, the input %lld", (long long)sum, (long long)extent);
    }
    return PLN_OK;
}

enum pln_status pln_ref_split(struct pln_call *call)
{
    struct pln_elems in;
    void *memory;
    int64_t offset = 0;
    int axis;
    PLN_TRY(pln_elems_in(call, 0, &in));
    PLN_TRY(pln_elems_axis(call, pln_attrs_int(call->attrs, "axis", 0), in.tensor.rank, &axis));
    PLN_TRY(pln_call_scratch(call, (size_t)call->n_outputs, sizeof(int64_t), &memory));
    int64_t *lengths = memory;
    PLN_TRY(part_lengths(call, in.tensor.dims[axis], lengths));
    for (int i = 0; i < call->n_outputs; i++) {
        struct pln_elems out;
        int64_t dims[PLN_MAX_RANK];
        memcpy(dims, in.tensor.dims, sizeof dims);
        dims[axis] = lengths[i];
        if (call->wanted[i]) {
            PLN_TRY(pln_elems_out(call, i, in.tensor.dtype, in.tensor.rank, dims, &out));
            const char *from = in.data + (out.count ? offset * in.tensor.strides[axis] * (int64_t)in.unit_bytes : 0);
            pln_elems_copy(in.tensor.rank, dims, out.data, out.tensor.strides, from, in.tensor.strides, in.unit_bytes);
            PLN_TRY(pln_elems_finish(call, i, &out));
        }
        offset += lengths[i];
    }
    return PLN_OK;
}
