/* Ops that give the same elements another shape, and those that tell about shapes. */
#include "backend/ref/elems.h"

enum pln_status pln_ref_identity(struct pln_call *call)
{
    const struct pln_tensor *in = pln_call_in(call, 0);
    if (in) return pln_elems_reshape(call, in, 0, in->rank, in->dims);
    if (!pln_call_has(call, 0)) return pln_call_need(call, 0, &in);
    struct pln_item *item;
    PLN_TRY(pln_item_copy(call->heap, call->inputs[0], &item));
    return pln_call_out_item(call, 0, item);
}

/* What -1 stands for where another dim is 0: what is left of the input when equal dims on both sides are struck out, so that a batch of 0
 * is split as any other. Shape inference does the same with expressions. */
static int64_t rest_of_empty(const struct pln_tensor *in, int n, const int64_t *dims, int unknown)
{
    int64_t above = 1, below = 1;
    bool struck[PLN_MAX_RANK] = { false };
    for (int d = 0; d < n; d++) {
        bool found = d == unknown;
        for (int k = 0; !found && k < in->rank; k++) {
            found = !struck[k] && in->dims[k] == dims[d];
            if (found) struck[k] = true;
        }
        if (!found && !pln_mul_i64(below, dims[d], &below)) return 0;
    }
    for (int k = 0; k < in->rank; k++) {
        if (!struck[k] && !pln_mul_i64(above, in->dims[k], &above)) return 0;
    }
    return below != 0 ? above / below : 0;
}

enum pln_status pln_ref_reshape(struct pln_call *call)
{
    const struct pln_tensor *in;
    const int64_t *shape;
    int64_t n, dims[PLN_MAX_RANK], known = 1;
    int unknown = -1;
    bool allow_zero = pln_attrs_int(call->attrs, "allowzero", 0) != 0;
    PLN_TRY(pln_call_need(call, 0, &in));
    PLN_TRY(pln_call_ints(call, 1, &shape, &n));
    if (n < 0 || n > PLN_MAX_RANK) return pln_call_fail(call, PLN_BAD_MODEL, "a shape of %lld dims", (long long)n);
    for (int d = 0; d < n; d++) {
        dims[d] = shape[d];
        if (shape[d] == 0 && !allow_zero) {
            if (d >= in->rank) return pln_call_fail(call, PLN_BAD_MODEL, "dim %d of the shape is 0, but the input has rank %d", d, in->rank);
            dims[d] = in->dims[d];
        }
        if (shape[d] < -1 || (shape[d] == -1 && unknown >= 0)) {
            return pln_call_fail(call, PLN_BAD_MODEL, "dim %d of the shape is %lld", d, (long long)shape[d]);
        }
        if (shape[d] == -1) unknown = d;
        else if (!pln_mul_i64(known, dims[d], &known)) return pln_call_fail(call, PLN_BAD_MODEL, "the shape is too large");
    }
    if (unknown >= 0) {
        int64_t count = pln_tensor_count(in);
        dims[unknown] = known == 0 ? rest_of_empty(in, (int)n, dims, unknown) : count / known;
        if (known != 0 && count % known != 0) {
            return pln_call_fail(call, PLN_BAD_MODEL, "%lld elements do not fill the shape", (long long)count);
        }
    }
    return pln_elems_reshape(call, in, 0, (int)n, dims);
}

enum pln_status pln_ref_squeeze(struct pln_call *call)
{
    const struct pln_tensor *in;
    const int64_t *ints;
    int64_t n, dims[PLN_MAX_RANK];
    int axes[PLN_MAX_RANK], n_axes = 0, rank = 0;
    bool drop[PLN_MAX_RANK] = { false };
    PLN_TRY(pln_call_need(call, 0, &in));
    PLN_TRY(pln_call_ints(call, 1, &ints, &n));
    if (n < 0) {
        for (int d = 0; d < in->rank; d++) drop[d] = in->dims[d] == 1;
    } else {
        PLN_TRY(pln_elems_axes(call, ints, n, in->rank, axes, &n_axes));
    }
    for (int i = 0; i < n_axes; i++) {
        if (in->dims[axes[i]] != 1) {
            return pln_call_fail(call, PLN_BAD_MODEL, "axis %d has %lld elements and cannot be squeezed", axes[i], (long long)in->dims[axes[i]]);
        }
        drop[axes[i]] = true;
    }
    for (int d = 0; d < in->rank; d++) {
        if (!drop[d]) dims[rank++] = in->dims[d];
    }
    return pln_elems_reshape(call, in, 0, rank, dims);
}

enum pln_status pln_ref_unsqueeze(struct pln_call *call)
{
    const struct pln_tensor *in;
    const int64_t *ints;
    int64_t n, dims[PLN_MAX_RANK];
    int axes[PLN_MAX_RANK], n_axes;
    bool added[PLN_MAX_RANK] = { false };
    PLN_TRY(pln_call_need(call, 0, &in));
    PLN_TRY(pln_call_ints(call, 1, &ints, &n));
    if (n < 0 || n > PLN_MAX_RANK - in->rank) {
        return pln_call_fail(call, PLN_BAD_MODEL, "rank %d and %lld new axes", in->rank, (long long)n);
    }
    int rank = in->rank + (int)n, from = 0;
    PLN_TRY(pln_elems_axes(call, ints ? ints : &n, n, rank, axes, &n_axes));
    for (int i = 0; i < n_axes; i++) added[axes[i]] = true;
    for (int d = 0; d < rank; d++) dims[d] = added[d] ? 1 : in->dims[from++];
    return pln_elems_reshape(call, in, 0, rank, dims);
}

enum pln_status pln_ref_flatten(struct pln_call *call)
{
    const struct pln_tensor *in;
    PLN_TRY(pln_call_need(call, 0, &in));
    int64_t axis = pln_attrs_int(call->attrs, "axis", 1);
    if (axis < 0) axis += in->rank;
    if (axis < 0 || axis > in->rank) return pln_call_fail(call, PLN_BAD_MODEL, "axis is outside a tensor of rank %d", in->rank);
    int64_t dims[2] = { pln_elems_product(in->dims, 0, (int)axis), pln_elems_product(in->dims, (int)axis, in->rank) };
    return pln_elems_reshape(call, in, 0, 2, dims);
}

enum pln_status pln_ref_shape(struct pln_call *call)
{
    const struct pln_tensor *in;
    struct pln_tensor out;
    PLN_TRY(pln_call_need(call, 0, &in));
    int64_t start = pln_attrs_int(call->attrs, "start", 0), end = pln_attrs_int(call->attrs, "end", in->rank);
    start = PLN_MIN(PLN_MAX(start < 0 ? start + in->rank : start, 0), in->rank);
    end = PLN_MIN(PLN_MAX(end < 0 ? end + in->rank : end, start), in->rank);
    int64_t n = end - start;
    PLN_TRY(pln_call_out(call, 0, PLN_I64, 1, &n, &out));
    if (n > 0) memcpy(out.data, &in->dims[start], (size_t)n * sizeof(int64_t));
    return PLN_OK;
}

enum pln_status pln_ref_size(struct pln_call *call)
{
    const struct pln_tensor *in;
    struct pln_tensor out;
    PLN_TRY(pln_call_need(call, 0, &in));
    PLN_TRY(pln_call_out(call, 0, PLN_I64, 0, NULL, &out));
    *(int64_t *)out.data = pln_tensor_count(in);
    return PLN_OK;
}
