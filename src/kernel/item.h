/* Values on the host at run time: tensors, sequences, optionals, maps, and the heap that they live in.
 *
 * Values whose shape a shape program knows live in planned arenas and need none of this; everything else (outputs of
 * data-dependent steps, sequences, strings, values of the reference device) is an item: counted, on a heap that keeps what it
 * freed, so that a second run with the same shapes asks the allocator for nothing. One thread at a time. */
#ifndef PLN_KERNEL_ITEM_H
#define PLN_KERNEL_ITEM_H

#include "base/base.h"
#include "tensor/tensor.h"

#define PLN_HEAP_CLASSES 64

struct pln_heap_block;
struct pln_heap {
    const struct pln_allocator *alloc;
    struct pln_heap_block *free_blocks[PLN_HEAP_CLASSES]; /* by size class */
    struct pln_heap_block *live;
    size_t live_bytes, held_bytes, limit_bytes; /* limit 0: none */
    bool over_limit;                            /* a request was refused for its size, not for want of memory */
    struct pln_diag *diag;
};

struct pln_item {
    enum pln_kind kind;
    uint32_t refs;
    struct pln_tensor tensor; /* PLN_TENSOR; data owned by the item or, when borrowed, by someone who lives longer */
    /* PLN_SEQUENCE: items[count]; PLN_OPTIONAL: count 0 or 1; PLN_MAP: items[count] values, tensor holds the keys. */
    struct pln_item **items;
    int64_t count;
    enum pln_dtype elem_dtype;      /* of an empty sequence's elements, PLN_DTYPE_NONE: not known */
    struct pln_heap_block *owned;   /* memory that goes with the item */
};

void pln_heap_init(struct pln_heap *heap, const struct pln_allocator *alloc, size_t limit_bytes);
/* Gives everything back, live items included. */
void pln_heap_deinit(struct pln_heap *heap);
/* Frees every live item but keeps the memory for later. */
void pln_heap_reset(struct pln_heap *heap);

/* A new item with one reference. Errors: PLN_NO_MEMORY, named in heap->diag. */
enum pln_status pln_item_new(struct pln_heap *heap, enum pln_kind kind, struct pln_item **out_item);
/* A tensor item with room for its data, aligned to 64; STR tensors start as empty strings. Shapes are checked. */
enum pln_status pln_item_new_tensor(struct pln_heap *heap, enum pln_dtype dtype, int rank, const int64_t *dims, struct pln_item **out_item);
/* Memory that lives as long as the item (string bytes, arrays of items). NULL: no memory. */
void *pln_item_own(struct pln_heap *heap, struct pln_item *item, size_t size_bytes);
void pln_item_retain(struct pln_item *item);
void pln_item_release(struct pln_heap *heap, struct pln_item *item); /* NULL is fine; releases what it holds */
/* Deep copy of a tensor (strings too) or of a sequence's list (elements are shared). */
enum pln_status pln_item_copy(struct pln_heap *heap, const struct pln_item *from, struct pln_item **out_item);

#endif
