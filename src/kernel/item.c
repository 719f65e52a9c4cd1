/* Items and the heap they live on. */
#include "kernel/item.h"

/* Stands in front of every piece of memory handed out; 64 bytes, so that what follows is aligned to 64. */
struct pln_heap_block {
    struct pln_heap_block *prev, *next; /* live list, or free list of its class (next only) */
    struct pln_heap_block *owner_next;  /* list of the memory that one item owns */
    size_t size_bytes;                  /* with this header */
    uint32_t size_class;
    uint32_t unused[7];
};
_Static_assert(sizeof(struct pln_heap_block) == 64, "data behind a block must stay aligned to 64");

/* Class 2k holds 64 << k bytes, class 2k + 1 one and a half times that: at most a third is wasted, and a request of the same
 * size always finds what an earlier one left. */
static bool find_class(size_t size_bytes, uint32_t *out_class, size_t *out_bytes)
{
    for (uint32_t c = 0; c < PLN_HEAP_CLASSES; c++) {
        size_t bytes = ((c & 1) ? (size_t)96 : (size_t)64) << (c / 2);
        if (size_bytes > bytes) continue;
        *out_class = c;
        *out_bytes = bytes + sizeof(struct pln_heap_block);
        return true;
    }
    return false;
}

void pln_heap_init(struct pln_heap *heap, const struct pln_allocator *alloc, size_t limit_bytes)
{
    memset(heap, 0, sizeof(*heap));
    heap->alloc = alloc ? alloc : pln_allocator_default();
    heap->limit_bytes = limit_bytes;
}

static void release_free_blocks(struct pln_heap *heap)
{
    for (int c = 0; c < PLN_HEAP_CLASSES; c++) {
        while (heap->free_blocks[c]) {
            struct pln_heap_block *block = heap->free_blocks[c];
            heap->free_blocks[c] = block->next;
            heap->held_bytes -= block->size_bytes;
            pln_free(heap->alloc, block, block->size_bytes);
        }
    }
}

void pln_heap_deinit(struct pln_heap *heap)
{
    pln_heap_reset(heap);
    release_free_blocks(heap);
}

static void block_free(struct pln_heap *heap, struct pln_heap_block *block)
{
    if (block->prev) block->prev->next = block->next;
    else heap->live = block->next;
    if (block->next) block->next->prev = block->prev;
    heap->live_bytes -= block->size_bytes;
    block->next = heap->free_blocks[block->size_class];
    heap->free_blocks[block->size_class] = block;
}

void pln_heap_reset(struct pln_heap *heap)
{
    while (heap->live) block_free(heap, heap->live);
}

static struct pln_heap_block *block_get(struct pln_heap *heap, uint32_t size_class, size_t bytes)
{
    struct pln_heap_block *block = heap->free_blocks[size_class];
    if (block) {
        heap->free_blocks[size_class] = block->next;
        return block;
    }
    if (heap->limit_bytes && (bytes > heap->limit_bytes || heap->held_bytes > heap->limit_bytes - bytes)) {
        release_free_blocks(heap);
        heap->over_limit = bytes > heap->limit_bytes || heap->held_bytes > heap->limit_bytes - bytes;
        if (heap->over_limit) return NULL;
    }
    block = pln_alloc(heap->alloc, bytes, 64);
    if (!block) {
        release_free_blocks(heap);
        block = pln_alloc(heap->alloc, bytes, 64);
    }
    if (!block) return NULL;
    heap->held_bytes += bytes;
    block->size_bytes = bytes;
    block->size_class = size_class;
    return block;
}

static struct pln_heap_block *block_new(struct pln_heap *heap, size_t size_bytes)
{
    uint32_t size_class = 0;
    size_t bytes = 0;
    bool fits = find_class(size_bytes, &size_class, &bytes);
    struct pln_heap_block *block = fits ? block_get(heap, size_class, bytes) : NULL;
    if (!fits) heap->over_limit = true;
    if (!block) return NULL;
    block->prev = NULL;
    block->next = heap->live;
    block->owner_next = NULL;
    if (heap->live) heap->live->prev = block;
    heap->live = block;
    heap->live_bytes += bytes;
    return block;
}

enum pln_status pln_item_new(struct pln_heap *heap, enum pln_kind kind, struct pln_item **out_item)
{
    *out_item = NULL;
    struct pln_heap_block *block = block_new(heap, sizeof(struct pln_item));
    if (!block) return pln_fail_memory(heap->diag, "a value", sizeof(struct pln_item));
    struct pln_item *item = (struct pln_item *)(block + 1);
    memset(item, 0, sizeof(*item));
    item->kind = kind;
    item->refs = 1;
    *out_item = item;
    return PLN_OK;
}

void *pln_item_own(struct pln_heap *heap, struct pln_item *item, size_t size_bytes)
{
    struct pln_heap_block *block = block_new(heap, size_bytes);
    if (!block) return NULL;
    block->owner_next = item->owned;
    item->owned = block;
    return block + 1;
}

enum pln_status pln_item_new_tensor(struct pln_heap *heap, enum pln_dtype dtype, int rank, const int64_t *dims,
                                    struct pln_item **out_item)
{
    *out_item = NULL;
    size_t bytes = 0;
    if (rank < 0 || rank > PLN_MAX_RANK || !pln_shape_bytes(dtype, rank, dims, &bytes))
        return pln_fail(heap->diag, PLN_BAD_MODEL, "a tensor of rank %d has a negative or too large shape", rank);
    struct pln_item *item = NULL;
    PLN_TRY(pln_item_new(heap, PLN_TENSOR, &item));
    void *data = pln_item_own(heap, item, bytes);
    if (!data) {
        pln_item_release(heap, item);
        return pln_fail_memory(heap->diag, "a tensor", bytes);
    }
    if (dtype == PLN_STR) memset(data, 0, bytes);
    pln_tensor_init(&item->tensor, dtype, rank, dims, data);
    *out_item = item;
    return PLN_OK;
}

void pln_item_retain(struct pln_item *item)
{
    item->refs++;
}

void pln_item_release(struct pln_heap *heap, struct pln_item *item)
{
    if (!item || --item->refs > 0) return;
    for (int64_t i = 0; i < item->count; i++) pln_item_release(heap, item->items[i]);
    while (item->owned) {
        struct pln_heap_block *block = item->owned;
        item->owned = block->owner_next;
        block_free(heap, block);
    }
    block_free(heap, (struct pln_heap_block *)item - 1);
}

static enum pln_status copy_strings(struct pln_heap *heap, const struct pln_tensor *from, struct pln_item *to)
{
    int64_t count = pln_tensor_count(from);
    const struct pln_string *source = from->data;
    struct pln_string *target = to->tensor.data;
    size_t total = 0;
    for (int64_t i = 0; i < count; i++)
        if (!pln_add_size(total, source[i].size_bytes, &total)) return pln_fail_memory(heap->diag, "strings", SIZE_MAX);
    char *bytes = pln_item_own(heap, to, total);
    if (!bytes) return pln_fail_memory(heap->diag, "strings", total);
    for (int64_t i = 0; i < count; i++) {
        if (source[i].size_bytes) memcpy(bytes, source[i].data, source[i].size_bytes);
        target[i] = (struct pln_string){ bytes, source[i].size_bytes };
        bytes += source[i].size_bytes;
    }
    return PLN_OK;
}

static enum pln_status copy_tensor(struct pln_heap *heap, const struct pln_tensor *from, struct pln_item **out_item)
{
    struct pln_item *item = NULL;
    PLN_TRY(pln_item_new_tensor(heap, from->dtype, from->rank, from->dims, &item));
    enum pln_status status = PLN_OK;
    if (from->dtype == PLN_STR) status = copy_strings(heap, from, item);
    else pln_tensor_copy(from, &item->tensor);
    if (status == PLN_OK) *out_item = item;
    else pln_item_release(heap, item);
    return status;
}

enum pln_status pln_item_copy(struct pln_heap *heap, const struct pln_item *from, struct pln_item **out_item)
{
    *out_item = NULL;
    if (from->kind == PLN_TENSOR) return copy_tensor(heap, &from->tensor, out_item);
    struct pln_item *item = NULL;
    if (from->kind == PLN_MAP) {
        PLN_TRY(copy_tensor(heap, &from->tensor, &item));
        item->kind = PLN_MAP;
    } else {
        PLN_TRY(pln_item_new(heap, from->kind, &item));
    }
    item->elem_dtype = from->elem_dtype;
    if (from->count) {
        size_t bytes = (size_t)from->count * sizeof(*item->items);
        item->items = pln_item_own(heap, item, bytes);
        if (!item->items) {
            pln_item_release(heap, item);
            return pln_fail_memory(heap->diag, "a sequence", bytes);
        }
    }
    for (int64_t i = 0; i < from->count; i++) {
        item->items[i] = from->items[i];
        pln_item_retain(item->items[i]);
    }
    item->count = from->count;
    *out_item = item;
    return PLN_OK;
}
