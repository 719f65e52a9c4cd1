#include "kernel/host_value.h"

enum pln_status pln_host_value_new(struct pln_host_value **out_value)
{
    *out_value = pln_alloc_zeroed(NULL, sizeof **out_value, _Alignof(struct pln_host_value));
    if (!*out_value) return PLN_NO_MEMORY;
    pln_heap_init(&(*out_value)->heap, pln_allocator_default(), 0);
    return PLN_OK;
}

void pln_host_value_free(struct pln_host_value *value)
{
    if (!value) return;
    pln_heap_deinit(&value->heap);
    pln_free(NULL, value, sizeof *value);
}

enum pln_status pln_host_value_clone(struct pln_heap *heap, const struct pln_item *from, struct pln_item **out_item)
{
    PLN_TRY(pln_item_copy(heap, from, out_item));
    for (int64_t i = 0; from->kind != PLN_TENSOR && i < from->count; i++) {
        struct pln_item *shared = (*out_item)->items[i], *own;
        enum pln_status status = pln_host_value_clone(heap, shared, &own);
        if (status != PLN_OK) {
            for (int64_t rest = i; rest < from->count; rest++) (*out_item)->items[rest]->refs--;
            (*out_item)->count = i;
            pln_item_release(heap, *out_item);
            *out_item = NULL;
            return status;
        }
        (*out_item)->items[i] = own;
        shared->refs--; /* pln_item_copy counted it; it belongs to another heap */
    }
    return PLN_OK;
}
