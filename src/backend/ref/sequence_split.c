/* SplitToSequence and ConcatFromSequence. */
#include "backend/ref/elems.h"

/* Number of parts and, for parts that are not equal, their lengths (else NULL and the length of each but the last). */
struct parts {
    int64_t n, each;
    const int64_t *lengths;
};

static enum pln_status read_parts(struct pln_call *call, int64_t extent, struct parts *out)
{
    const struct pln_tensor *split = pln_call_in(call, 1);
    const int64_t *ints;
    int64_t n, sum = 0;
    *out = (struct parts){ .n = extent, .each = 1 };
    if (!split) return PLN_OK;
    PLN_TRY(pln_call_ints(call, 1, &ints, &n));
    if (split->rank == 0) {
        if (ints[0] < 1) return pln_call_fail(call, PLN_INVALID_ARGUMENT, "parts of %lld elements", (long long)ints[0]);
        *out = (struct parts){ .n = extent / ints[0] + (extent % ints[0] != 0), .each = ints[0] };
        return PLN_OK;
    }
    for (int64_t i = 0; i < n; i++) {
        if (ints[i] < 0 || !pln_add_i64(sum, ints[i], &sum)) return pln_call_fail(call, PLN_INVALID_ARGUMENT, "part %lld has a bad length", (long long)i);
    }
    if (sum != extent) return pln_call_fail(call, PLN_INVALID_ARGUMENT, "the parts have %lld elements, the input %lld", (long long)sum, (long long)extent);
    *out = (struct parts){ .n = n, .lengths = ints };
    return PLN_OK;
}

/* Elements [offset, offset + length) along axis as a new item; drop: without the axis. */
static enum pln_status cut(struct pln_call *call, const struct pln_tensor *in, int axis, int64_t offset, int64_t length, bool drop,
                           struct pln_item **out_item)
{
    int64_t dims[PLN_MAX_RANK];
    struct pln_elems from, to;
    struct pln_item *outputs[1] = { NULL };
    const bool wanted[1] = { true };
    struct pln_call sub = *call;
    int rank = 0;
    sub.outputs = outputs;
    sub.wanted = wanted;
    sub.n_outputs = 1;
    sub.planned = NULL;
    for (int d = 0; d < in->rank; d++) {
        if (d != axis || !drop) dims[rank++] = d == axis ? length : in->dims[d];
    }
    *out_item = NULL;
    PLN_TRY(pln_elems_view(&sub, in, &from));
    enum pln_status status = pln_elems_out(&sub, 0, in->dtype, rank, dims, &to);
    if (status == PLN_OK && to.count > 0) {
        int64_t outer = pln_elems_product(in->dims, 0, axis), row = length * in->strides[axis], whole = in->dims[axis] * in->strides[axis];
        for (int64_t o = 0; o < outer; o++) {
            memcpy(to.data + (size_t)(o * row) * to.unit_bytes, from.data + (size_t)(o * whole + offset * in->strides[axis]) * to.unit_bytes,
                   (size_t)row * to.unit_bytes);
        }
        status = pln_elems_finish(&sub, 0, &to);
    }
    if (status == PLN_OK) *out_item = outputs[0];
    else pln_item_release(call->heap, outputs[0]);
    return status;
}

enum pln_status pln_ref_split_to_sequence(struct pln_call *call)
{
    const struct pln_tensor *in;
    struct parts parts;
    struct pln_item *list;
    int64_t offset = 0;
    int axis;
    PLN_TRY(pln_call_need(call, 0, &in));
    PLN_TRY(pln_elems_axis(call, pln_attrs_int(call->attrs, "axis", 0), in->rank, &axis));
    PLN_TRY(read_parts(call, in->dims[axis], &parts));
    bool drop = !pln_call_has(call, 1) && pln_attrs_int(call->attrs, "keepdims", 1) == 0;
    PLN_TRY(pln_item_new(call->heap, PLN_SEQUENCE, &list));
    list->elem_dtype = in->dtype;
    enum pln_status status = PLN_OK;
    if (parts.n > 0) {
        list->items = pln_item_own(call->heap, list, (size_t)parts.n * sizeof *list->items);
        if (!list->items) status = pln_fail_memory(call->diag, "a sequence", (size_t)parts.n);
    }
    for (int64_t i = 0; status == PLN_OK && i < parts.n; i++) {
        int64_t length = parts.lengths ? parts.lengths[i] : PLN_MIN(parts.each, in->dims[axis] - offset);
        status = cut(call, in, axis, offset, length, drop, &list->items[i]);
        if (status == PLN_OK) list->count++;
        offset += length;
    }
    if (status == PLN_OK) return pln_call_out_item(call, 0, list);
    pln_item_release(call->heap, list);
    return status;
}

/* Shape of the result: the sum along the axis, or a new axis. */
static enum pln_status concat_shape(struct pln_call *call, const struct pln_item *list, int axis, bool fresh, int64_t *dims)
{
    const struct pln_tensor *first = &list->items[0]->tensor;
    for (int d = 0; d < first->rank; d++) dims[d < axis || !fresh ? d : d + 1] = first->dims[d];
    dims[axis] = fresh ? list->count : 0;
    for (int64_t i = 0; i < list->count; i++) {
        const struct pln_tensor *part = &list->items[i]->tensor;
        bool fits = list->items[i]->kind == PLN_TENSOR && part->dtype == first->dtype && part->rank == first->rank;
        for (int d = 0; fits && d < first->rank; d++) fits = part->dims[d] == first->dims[d] || (d == axis && !fresh);
        if (!fits || (!fresh && !pln_add_i64(dims[axis], part->dims[axis], &dims[axis]))) {
            return pln_call_fail(call, PLN_INVALID_ARGUMENT, "element %lld does not fit the first", (long long)i);
        }
    }
    return PLN_OK;
}

enum pln_status pln_ref_concat_from_sequence(struct pln_call *call)
{
    const struct pln_item *list = pln_call_has(call, 0) ? call->inputs[0] : NULL;
    bool fresh = pln_attrs_int(call->attrs, "new_axis", 0) != 0;
    struct pln_elems out;
    int64_t dims[PLN_MAX_RANK + 1], offset = 0;
    int axis;
    if (!list || list->kind != PLN_SEQUENCE) return pln_call_fail(call, PLN_BAD_MODEL, "input 0 is no sequence");
    if (list->count == 0 || list->items[0]->kind != PLN_TENSOR) return pln_call_fail(call, PLN_INVALID_ARGUMENT, "the sequence has no tensors");
    int rank = list->items[0]->tensor.rank + fresh;
    PLN_TRY(pln_elems_axis(call, pln_attrs_int(call->attrs, "axis", 0), rank, &axis));
    PLN_TRY(concat_shape(call, list, axis, fresh, dims));
    PLN_TRY(pln_elems_out(call, 0, list->items[0]->tensor.dtype, rank, dims, &out));
    if (out.count == 0) return PLN_OK;
    int64_t outer = pln_elems_product(dims, 0, axis), whole = dims[axis] * out.tensor.strides[axis];
    for (int64_t i = 0; i < list->count; i++) {
        struct pln_elems part;
        PLN_TRY(pln_elems_view(call, &list->items[i]->tensor, &part));
        int64_t row = part.count / outer;
        for (int64_t o = 0; row > 0 && o < outer; o++) {
            memcpy(out.data + (size_t)(o * whole + offset) * out.unit_bytes, part.data + (size_t)(o * row) * out.unit_bytes, (size_t)row * out.unit_bytes);
        }
        offset += row;
    }
    return pln_elems_finish(call, 0, &out);
}
