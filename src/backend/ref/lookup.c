#include "backend/ref/lookup.h"

#include <math.h>

#include "tensor/convert.h"

bool pln_ref_attr_tensor(const struct pln_attrs *attrs, const char *name, struct pln_tensor *out_tensor)
{
    const struct pln_attr *attr = pln_attrs_find(attrs, name);
    memset(out_tensor, 0, sizeof(*out_tensor));
    if (!attr) return false;
    union {
        const void *from;
        void *data;
    } view = { NULL };
    enum pln_dtype dtype = PLN_DTYPE_NONE;
    switch (attr->kind) {
    case PLN_ATTR_INTS:
        dtype = PLN_I64;
        view.from = attr->u.ints;
        break;
    case PLN_ATTR_FLOATS:
        dtype = PLN_F32;
        view.from = attr->u.floats;
        break;
    case PLN_ATTR_STRINGS:
        dtype = PLN_STR;
        view.from = attr->u.strings;
        break;
    case PLN_ATTR_TENSOR:
        *out_tensor = *attr->u.tensor;
        return out_tensor->rank <= 1 && pln_tensor_count(out_tensor) > 0;
    case PLN_ATTR_INT:
    case PLN_ATTR_FLOAT:
    case PLN_ATTR_STRING:
        return false;
    }
    pln_tensor_init(out_tensor, dtype, 1, &attr->n, view.data);
    return attr->n > 0;
}

/* The bytes that stand for a number: equal numbers have equal bytes. */
static uint64_t number_key(const struct pln_ref_lookup *lookup, const struct pln_tensor *tensor, int64_t i)
{
    uint64_t bits;
    if (!pln_dtype_is_float(lookup->dtype)) return (uint64_t)pln_load_i64(tensor->dtype, tensor->data, i);
    double value = pln_load_f64(tensor->dtype, tensor->data, i);
    if (isnan(value)) return UINT64_MAX;
    if (value == 0) return 0;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

enum pln_status pln_ref_lookup_init(struct pln_call *call, const struct pln_tensor *keys, struct pln_ref_lookup *out_lookup)
{
    int64_t n = pln_tensor_count(keys);
    void *memory = NULL;
    pln_map_init(&out_lookup->map, call->heap->alloc);
    out_lookup->dtype = keys->dtype;
    if (n > UINT32_MAX / 4) return pln_call_fail(call, PLN_BAD_MODEL, "%lld keys are too many", (long long)n);
    if (keys->dtype != PLN_STR) PLN_TRY(pln_call_scratch(call, (size_t)n, sizeof(uint64_t), &memory));
    uint64_t *numbers = memory;
    const struct pln_string *strings = keys->data;
    for (int64_t i = 0; i < n; i++) {
        const char *key;
        size_t key_bytes = sizeof(uint64_t);
        if (keys->dtype == PLN_STR) {
            key = strings[i].size_bytes ? strings[i].data : "";
            key_bytes = strings[i].size_bytes;
        } else {
            numbers[i] = number_key(out_lookup, keys, i);
            key = (const char *)&numbers[i];
        }
        if (!pln_map_set(&out_lookup->map, key, key_bytes, (uint32_t)i)) return pln_fail_memory(call->diag, "a table of keys", (size_t)n);
    }
    return PLN_OK;
}

void pln_ref_lookup_deinit(struct pln_ref_lookup *lookup)
{
    pln_map_deinit(&lookup->map);
}

bool pln_ref_lookup_find(const struct pln_ref_lookup *lookup, const struct pln_tensor *tensor, int64_t i, uint32_t *out_index)
{
    *out_index = 0;
    if ((tensor->dtype == PLN_STR) != (lookup->dtype == PLN_STR)) return false;
    if (tensor->dtype == PLN_STR) {
        const struct pln_string *string = (const struct pln_string *)tensor->data + i;
        return pln_map_get(&lookup->map, string->size_bytes ? string->data : "", string->size_bytes, out_index);
    }
    uint64_t key = number_key(lookup, tensor, i);
    return pln_map_get(&lookup->map, (const char *)&key, sizeof(key), out_index);
}

enum pln_status pln_ref_put(struct pln_call *call, int o, const struct pln_tensor *y, int64_t to, const struct pln_tensor *values, int64_t from)
{
    if (y->dtype == PLN_STR) {
        const struct pln_string *string = (const struct pln_string *)values->data + from;
        return pln_call_string(call, o, string->data, string->size_bytes, (struct pln_string *)y->data + to);
    }
    size_t bytes = (size_t)pln_dtype_bits(y->dtype) / 8;
    memcpy((char *)y->data + (size_t)to * bytes, (const char *)values->data + (size_t)from * bytes, bytes);
    return PLN_OK;
}
