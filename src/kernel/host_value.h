/* Host values: what the public pln_host_value is, an item with a heap of its own. */
#ifndef PLN_KERNEL_HOST_VALUE_H
#define PLN_KERNEL_HOST_VALUE_H

#include "kernel/item.h"

struct pln_host_value {
    struct pln_heap heap;
    struct pln_item *item;
    int64_t room; /* of item->items, where elements were appended; else less than their count */
};

/* An empty value to be filled. */
enum pln_status pln_host_value_new(struct pln_host_value **out_value);
void pln_host_value_free(struct pln_host_value *value); /* NULL is fine */
/* A deep copy of an item of any kind into a value's heap. */
enum pln_status pln_host_value_clone(struct pln_heap *heap, const struct pln_item *from, struct pln_item **out_item);

#endif
