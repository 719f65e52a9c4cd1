/* What a host kernel asks of its call. */
#include "kernel/call.h"

#include <stdio.h>

#include "kernel/kernel.h"
#include "tensor/convert.h"

bool pln_call_has(const struct pln_call *call, int i)
{
    return i >= 0 && i < call->n_inputs && call->inputs[i];
}

const struct pln_tensor *pln_call_in(const struct pln_call *call, int i)
{
    if (!pln_call_has(call, i) || call->inputs[i]->kind != PLN_TENSOR) return NULL;
    return &call->inputs[i]->tensor;
}

enum pln_status pln_call_need(const struct pln_call *call, int i, const struct pln_tensor **out_tensor)
{
    *out_tensor = pln_call_in(call, i);
    if (*out_tensor) return PLN_OK;
    return pln_fail(call->diag, PLN_BAD_MODEL, "%s: input %d is %s", pln_op_name(call->op), i,
                    pln_call_has(call, i) ? "not a tensor" : "missing");
}

static bool wanted(const struct pln_call *call, int i)
{
    return i >= 0 && i < call->n_outputs && call->wanted[i];
}

static enum pln_status out_scratch(struct pln_call *call, struct pln_tensor *tensor, size_t size_bytes)
{
    tensor->data = pln_arena_alloc_aligned(call->scratch, size_bytes, 64);
    return tensor->data ? PLN_OK : pln_fail_memory(call->diag, "an output nobody uses", size_bytes);
}

enum pln_status pln_call_out(struct pln_call *call, int i, enum pln_dtype dtype, int rank, const int64_t *dims,
                             struct pln_tensor *out_tensor)
{
    memset(out_tensor, 0, sizeof(*out_tensor));
    size_t bytes = 0;
    if (rank < 0 || rank > PLN_MAX_RANK || !pln_shape_bytes(dtype, rank, dims, &bytes))
        return pln_call_fail(call, PLN_BAD_MODEL, "output %d would have a shape of rank %d that is negative or too large", i, rank);
    pln_tensor_init(out_tensor, dtype, rank, dims, NULL);
    if (!wanted(call, i)) return out_scratch(call, out_tensor, bytes);
    const struct pln_tensor *planned = call->planned ? call->planned[i] : NULL;
    if (!planned) {
        if (call->outputs[i]) return pln_call_fail(call, PLN_INTERNAL, "output %d is made twice", i);
        PLN_TRY(pln_item_new_tensor(call->heap, dtype, rank, dims, &call->outputs[i]));
        *out_tensor = call->outputs[i]->tensor;
        return PLN_OK;
    }
    if (planned->dtype != dtype || !pln_tensor_same_shape(planned, out_tensor)) {
        char want[256], got[256];
        return pln_call_fail(call, PLN_INVALID_ARGUMENT, "output %d is %s, but %s was planned", i,
                             pln_tensor_describe(out_tensor, got, sizeof(got)), pln_tensor_describe(planned, want, sizeof(want)));
    }
    *out_tensor = *planned;
    return PLN_OK;
}

enum pln_status pln_call_out_item(struct pln_call *call, int i, struct pln_item *take_item)
{
    if (!wanted(call, i)) {
        pln_item_release(call->heap, take_item);
        return PLN_OK;
    }
    if (call->outputs[i] || (call->planned && call->planned[i])) {
        pln_item_release(call->heap, take_item);
        return pln_call_fail(call, PLN_INTERNAL, "output %d is made twice or placed by the plan", i);
    }
    call->outputs[i] = take_item;
    return PLN_OK;
}

enum pln_status pln_call_string(struct pln_call *call, int i, const char *data, size_t size_bytes, struct pln_string *out_string)
{
    *out_string = (struct pln_string){ NULL, 0 };
    char *bytes;
    if (!wanted(call, i)) bytes = pln_arena_alloc(call->scratch, size_bytes);
    else if (!call->outputs[i]) return pln_call_fail(call, PLN_INTERNAL, "strings of output %d have no heap item", i);
    else bytes = pln_item_own(call->heap, call->outputs[i], size_bytes);
    if (!bytes) return pln_fail_memory(call->diag, "a string", size_bytes);
    if (size_bytes) memcpy(bytes, data, size_bytes);
    *out_string = (struct pln_string){ bytes, size_bytes };
    return PLN_OK;
}

enum pln_status pln_call_scratch(struct pln_call *call, size_t count, size_t elem_bytes, void **out_memory)
{
    *out_memory = pln_arena_array(call->scratch, count, elem_bytes);
    if (*out_memory) return PLN_OK;
    size_t bytes = 0;
    if (!pln_mul_size(count, elem_bytes, &bytes)) bytes = SIZE_MAX;
    return pln_fail_memory(call->diag, "scratch of a kernel", bytes);
}

enum pln_status pln_call_ints(struct pln_call *call, int i, const int64_t **out_ints, int64_t *out_n)
{
    *out_ints = NULL;
    *out_n = -1;
    if (!pln_call_has(call, i)) return PLN_OK;
    const struct pln_tensor *tensor = NULL;
    PLN_TRY(pln_call_need(call, i, &tensor));
    if (!pln_dtype_is_integer(tensor->dtype) || tensor->rank > 1) {
        char text[256];
        return pln_call_fail(call, PLN_BAD_MODEL, "input %d must be a scalar or a vector of integers, not %s", i,
                             pln_tensor_describe(tensor, text, sizeof(text)));
    }
    int64_t n = pln_tensor_count(tensor);
    void *memory = NULL;
    PLN_TRY(pln_call_scratch(call, (size_t)n, sizeof(int64_t), &memory));
    int64_t *ints = memory;
    for (int64_t k = 0; k < n; k++) ints[k] = pln_load_i64(tensor->dtype, tensor->data, k);
    *out_ints = ints;
    *out_n = n;
    return PLN_OK;
}

enum pln_status pln_call_fail(struct pln_call *call, enum pln_status status, const char *format, ...)
{
    char text[PLN_DIAG_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    /* The shapes are the cause of most, and what a user can change. */
    bool operands = call->n_inputs > 0 && (status == PLN_BAD_MODEL || status == PLN_INVALID_ARGUMENT);
    for (int i = 0; operands && i < call->n_inputs; i++) {
        const struct pln_item *item = call->inputs[i];
        const char *lead = i ? ", " : " (inputs ";
        if (!item || item->kind == PLN_TENSOR) pln_operand_describe(text, sizeof(text), lead, item ? &item->tensor : NULL);
        else snprintf(text + strlen(text), sizeof(text) - strlen(text), "%sno tensor", lead);
    }
    const char *op = call->custom ? call->custom->label : pln_op_name(call->op), *kind = pln_op_kind_name(call->op, call->kind);
    return pln_fail(call->diag, status, "%s%s%s: %s%s", op ? op : "?", kind ? "." : "", kind ? kind : "", text, operands ? ")" : "");
}
