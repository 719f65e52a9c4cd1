/* Host values, seen from inside: an item with a heap of its own. */
#ifndef PLN_RUNTIME_VALUE_H
#define PLN_RUNTIME_VALUE_H

#include "kernel/item.h"
#include "planish/experimental/value.h"

struct pln_host_value {
    struct pln_heap heap;
    struct pln_item *item;
};

/* An empty value to be filled; destroy it in the public way. */
enum pln_status pln_host_value_new(pln_host_value **out_value);
/* A deep copy of an item of any kind into a value's heap. */
enum pln_status pln_host_value_clone(struct pln_heap *heap, const struct pln_item *from, struct pln_item **out_item);

#endif
