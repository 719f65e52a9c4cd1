/* Sequences and optionals. Elements are immutable and counted, so lists share them. */
#include "backend/ref/elems.h"

static enum pln_status need_list(struct pln_call *call, int i, enum pln_kind kind, const struct pln_item **out_list)
{
    *out_list = pln_call_has(call, i) ? call->inputs[i] : NULL;
    if (*out_list && (*out_list)->kind == kind) return PLN_OK;
    return pln_call_fail(call, PLN_BAD_MODEL, "input %d is no %s", i, kind == PLN_SEQUENCE ? "sequence" : "optional");
}

/* A list with room for `room` elements, and none in it. */
static enum pln_status list_new(struct pln_call *call, enum pln_kind kind, int64_t room, enum pln_dtype elem_dtype, struct pln_item **out_list)
{
    size_t bytes;
    PLN_TRY(pln_item_new(call->heap, kind, out_list));
    (*out_list)->elem_dtype = elem_dtype;
    if (room == 0) return PLN_OK;
    if (pln_mul_size((size_t)room, sizeof(struct pln_item *), &bytes)) (*out_list)->items = pln_item_own(call->heap, *out_list, bytes);
    if ((*out_list)->items) return PLN_OK;
    pln_item_release(call->heap, *out_list);
    *out_list = NULL;
    return pln_fail_memory(call->diag, "a sequence", (size_t)room);
}

static void list_share(struct pln_item *list, struct pln_item *item)
{
    pln_item_retain(item);
    list->items[list->count++] = item;
}

/* Appends a copy of input i. On failure the list is gone. */
static enum pln_status list_add_input(struct pln_call *call, struct pln_item *list, int i)
{
    struct pln_item *copy;
    enum pln_status status = pln_item_copy(call->heap, call->inputs[i], &copy);
    if (status == PLN_OK) list->items[list->count++] = copy;
    else pln_item_release(call->heap, list);
    return status;
}

/* An element, or anything else, to output i. */
static enum pln_status put_item(struct pln_call *call, int i, const struct pln_item *item)
{
    struct pln_item *copy;
    if (item->kind == PLN_TENSOR) return pln_elems_reshape(call, &item->tensor, i, item->tensor.rank, item->tensor.dims);
    PLN_TRY(pln_item_copy(call->heap, item, &copy));
    return pln_call_out_item(call, i, copy);
}

/* Input i as a place in [0, limit), negative from the back of n; `fallback` when it is left out. */
static enum pln_status read_position(struct pln_call *call, int i, int64_t n, int64_t limit, int64_t fallback, int64_t *out_at)
{
    const int64_t *ints;
    int64_t count;
    *out_at = fallback;
    PLN_TRY(pln_call_ints(call, i, &ints, &count));
    if (count >= 0 && count != 1) return pln_call_fail(call, PLN_BAD_MODEL, "position is no scalar");
    if (count == 1) *out_at = ints[0] < 0 && ints[0] >= -n ? ints[0] + n : ints[0];
    if (*out_at >= 0 && *out_at < limit) return PLN_OK;
    return pln_call_fail(call, PLN_INVALID_ARGUMENT, "position %lld in a sequence of %lld", (long long)*out_at, (long long)n);
}

enum pln_status pln_ref_sequence_construct(struct pln_call *call)
{
    const struct pln_tensor *first, *part;
    struct pln_item *list;
    PLN_TRY(pln_call_need(call, 0, &first));
    for (int i = 1; i < call->n_inputs; i++) {
        PLN_TRY(pln_call_need(call, i, &part));
        if (part->dtype != first->dtype) return pln_call_fail(call, PLN_BAD_MODEL, "inputs 0 and %d differ in type", i);
    }
    PLN_TRY(list_new(call, PLN_SEQUENCE, call->n_inputs, first->dtype, &list));
    for (int i = 0; i < call->n_inputs; i++) PLN_TRY(list_add_input(call, list, i));
    return pln_call_out_item(call, 0, list);
}

enum pln_status pln_ref_sequence_empty(struct pln_call *call)
{
    struct pln_item *list;
    int64_t dtype = pln_attrs_int(call->attrs, "dtype", PLN_F32);
    if (dtype < 1 || dtype >= PLN_DTYPE_COUNT) return pln_call_fail(call, PLN_BAD_MODEL, "no element type %lld", (long long)dtype);
    PLN_TRY(list_new(call, PLN_SEQUENCE, 0, (enum pln_dtype)dtype, &list));
    return pln_call_out_item(call, 0, list);
}

enum pln_status pln_ref_sequence_at(struct pln_call *call)
{
    const struct pln_item *list;
    int64_t at;
    PLN_TRY(need_list(call, 0, PLN_SEQUENCE, &list));
    PLN_TRY(read_position(call, 1, list->count, list->count, -1, &at));
    return put_item(call, 0, list->items[at]);
}

enum pln_status pln_ref_sequence_insert(struct pln_call *call)
{
    const struct pln_item *from;
    const struct pln_tensor *tensor;
    struct pln_item *list;
    int64_t at;
    PLN_TRY(need_list(call, 0, PLN_SEQUENCE, &from));
    PLN_TRY(pln_call_need(call, 1, &tensor));
    PLN_TRY(read_position(call, 2, from->count, from->count + 1, from->count, &at));
    if (from->count > 0 && from->items[0]->kind == PLN_TENSOR && from->items[0]->tensor.dtype != tensor->dtype) {
        return pln_call_fail(call, PLN_BAD_MODEL, "a tensor of %s in a sequence of %s", pln_dtype_name(tensor->dtype),
                             pln_dtype_name(from->items[0]->tensor.dtype));
    }
    PLN_TRY(list_new(call, PLN_SEQUENCE, from->count + 1, tensor->dtype, &list));
    for (int64_t i = 0; i < at; i++) list_share(list, from->items[i]);
    PLN_TRY(list_add_input(call, list, 1));
    for (int64_t i = at; i < from->count; i++) list_share(list, from->items[i]);
    return pln_call_out_item(call, 0, list);
}

enum pln_status pln_ref_sequence_erase(struct pln_call *call)
{
    const struct pln_item *from;
    struct pln_item *list;
    int64_t at;
    PLN_TRY(need_list(call, 0, PLN_SEQUENCE, &from));
    PLN_TRY(read_position(call, 1, from->count, from->count, from->count - 1, &at));
    PLN_TRY(list_new(call, PLN_SEQUENCE, from->count - 1, from->elem_dtype, &list));
    for (int64_t i = 0; i < from->count; i++) {
        if (i != at) list_share(list, from->items[i]);
    }
    return pln_call_out_item(call, 0, list);
}

enum pln_status pln_ref_sequence_length(struct pln_call *call)
{
    const struct pln_item *list;
    struct pln_tensor out;
    PLN_TRY(need_list(call, 0, PLN_SEQUENCE, &list));
    PLN_TRY(pln_call_out(call, 0, PLN_I64, 0, NULL, &out));
    *(int64_t *)out.data = list->count;
    return PLN_OK;
}

/* ---- optionals: what is no optional is one that is present ---- */

enum pln_status pln_ref_optional(struct pln_call *call)
{
    struct pln_item *list;
    bool has = pln_call_has(call, 0);
    PLN_TRY(list_new(call, PLN_OPTIONAL, has, PLN_DTYPE_NONE, &list));
    if (has) PLN_TRY(list_add_input(call, list, 0));
    return pln_call_out_item(call, 0, list);
}

enum pln_status pln_ref_optional_get_element(struct pln_call *call)
{
    const struct pln_item *item = pln_call_has(call, 0) ? call->inputs[0] : NULL;
    if (item && item->kind == PLN_OPTIONAL) item = item->count > 0 ? item->items[0] : NULL;
    if (!item) return pln_call_fail(call, PLN_INVALID_ARGUMENT, "the optional is empty");
    return put_item(call, 0, item);
}

enum pln_status pln_ref_optional_has_element(struct pln_call *call)
{
    struct pln_tensor out;
    const struct pln_item *item = pln_call_has(call, 0) ? call->inputs[0] : NULL;
    PLN_TRY(pln_call_out(call, 0, PLN_BOOL, 0, NULL, &out));
    *(uint8_t *)out.data = item && (item->kind != PLN_OPTIONAL || item->count > 0);
    return PLN_OK;
}
