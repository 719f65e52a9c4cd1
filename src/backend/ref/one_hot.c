/* OneHot, EyeLike: a value at some places, another everywhere else. */
#include "backend/ref/elems.h"
#include "tensor/convert.h"

enum pln_status pln_ref_one_hot(struct pln_call *call)
{
    const struct pln_tensor *at, *depth_in;
    struct pln_elems values, out;
    int64_t dims[PLN_MAX_RANK];
    int axis;
    PLN_TRY(pln_call_need(call, 0, &at));
    PLN_TRY(pln_call_need(call, 1, &depth_in));
    PLN_TRY(pln_elems_in(call, 2, &values));
    if (at->dtype == PLN_STR || depth_in->dtype == PLN_STR || pln_tensor_count(depth_in) != 1 || values.count != 2) {
        return pln_call_fail(call, PLN_BAD_MODEL, "indices and depth must be numbers, depth one, values two");
    }
    int64_t depth = pln_load_i64(depth_in->dtype, depth_in->data, 0);
    if (depth < 0) return pln_call_fail(call, PLN_INVALID_ARGUMENT, "depth is %lld", (long long)depth);
    if (at->rank >= PLN_MAX_RANK) return pln_call_fail(call, PLN_BAD_MODEL, "the result would have rank %d", at->rank + 1);
    PLN_TRY(pln_elems_axis(call, pln_attrs_int(call->attrs, "axis", -1), at->rank + 1, &axis));
    for (int d = 0; d <= at->rank; d++) dims[d] = d == axis ? depth : at->dims[d < axis ? d : d - 1];
    PLN_TRY(pln_elems_out(call, 0, values.tensor.dtype, at->rank + 1, dims, &out));
    if (out.count == 0) return PLN_OK;
    pln_elems_fill(&out, 0, out.count, values.data);
    int64_t inner = pln_elems_product(at->dims, axis, at->rank), n = pln_tensor_count(at);
    for (int64_t i = 0; i < n; i++) {
        int64_t index = pln_load_i64(at->dtype, at->data, i);
        if (index < -depth || index >= depth) continue;
        if (index < 0) index += depth;
        pln_elems_fill(&out, (i / inner * depth + index) * inner + i % inner, 1, values.data + values.unit_bytes);
    }
    return pln_elems_finish(call, 0, &out);
}

enum pln_status pln_ref_eye_like(struct pln_call *call)
{
    const struct pln_tensor *in;
    struct pln_tensor out;
    PLN_TRY(pln_call_need(call, 0, &in));
    int64_t dtype = pln_attrs_int(call->attrs, "dtype", in->dtype), k = pln_attrs_int(call->attrs, "k", 0);
    if (in->rank < 1 || in->rank > 2) return pln_call_fail(call, PLN_BAD_MODEL, "the input has rank %d, not 2", in->rank);
    if (dtype < 1 || dtype >= PLN_DTYPE_COUNT || dtype == PLN_STR || pln_dtype_is_complex((enum pln_dtype)dtype)) {
        return pln_call_fail(call, PLN_BAD_MODEL, "no identity matrix of element type %lld", (long long)dtype);
    }
    int64_t dims[2] = { in->dims[0], in->dims[in->rank - 1] };
    PLN_TRY(pln_call_out(call, 0, (enum pln_dtype)dtype, 2, dims, &out));
    size_t bytes = pln_tensor_bytes(&out);
    if (bytes > 0) memset(out.data, 0, bytes);
    /* The rows that the diagonal meets: there may be many more, of no columns. */
    if (bytes == 0 || k <= -dims[0] || k >= dims[1]) return PLN_OK;
    const int64_t end = PLN_MIN(dims[0], dims[1] - k);
    for (int64_t row = k < 0 ? -k : 0; row < end; row++) pln_store_f64(out.dtype, out.data, row * dims[1] + row + k, 1, false);
    return PLN_OK;
}
