/* Conversion of element types, and bits taken for another type. */
#include "kernel/call.h"
#include "tensor/convert.h"

static int round_mode(const char *text)
{
    if (strcmp(text, "down") == 0) return 1;
    return strcmp(text, "nearest") == 0 ? 2 : 0;
}

/* Strings made by a conversion lie in scratch; the output takes copies that live as long as it does. */
static enum pln_status keep_strings(struct pln_call *call, struct pln_tensor *out)
{
    struct pln_string *strings = out->data;
    int64_t count = pln_tensor_count(out);
    for (int64_t i = 0; i < count; i++) PLN_TRY(pln_call_string(call, 0, strings[i].data, strings[i].size_bytes, &strings[i]));
    return PLN_OK;
}

enum pln_status pln_ref_cast(struct pln_call *call)
{
    const struct pln_tensor *in;
    PLN_TRY(pln_call_need(call, 0, &in));
    int64_t to = pln_attrs_int(call->attrs, "to", 0);
    if (to < 0 || to > PLN_DTYPE_COUNT || !pln_dtype_valid((int)to))
        return pln_call_fail(call, PLN_BAD_MODEL, "attribute to is %lld, which is no element type", (long long)to);
    struct pln_tensor out;
    PLN_TRY(pln_call_out(call, 0, (enum pln_dtype)to, in->rank, in->dims, &out));
    PLN_TRY(pln_convert(in, &out, pln_attrs_int(call->attrs, "saturate", 1) != 0,
                        round_mode(pln_attrs_string(call->attrs, "round_mode", "up")), call->scratch, call->diag));
    return out.dtype == PLN_STR ? keep_strings(call, &out) : PLN_OK;
}

enum pln_status pln_ref_bitcast(struct pln_call *call)
{
    const struct pln_tensor *in;
    struct pln_tensor out;
    PLN_TRY(pln_call_need(call, 0, &in));
    int64_t to = pln_attrs_int(call->attrs, "to", 0);
    if (to < 0 || to > PLN_DTYPE_COUNT || !pln_dtype_valid((int)to) || to == PLN_STR || in->dtype == PLN_STR ||
        pln_dtype_bits((enum pln_dtype)to) != pln_dtype_bits(in->dtype))
        return pln_call_fail(call, PLN_BAD_MODEL, "attribute to is %lld, which is no type of input 0's width", (long long)to);
    PLN_TRY(pln_call_out(call, 0, (enum pln_dtype)to, in->rank, in->dims, &out));
    size_t bytes = pln_tensor_bytes(in);
    if (bytes) memcpy(out.data, in->data, bytes);
    return PLN_OK;
}
