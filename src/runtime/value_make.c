/* Host values made and looked at by a program. */
#include "runtime/value.h"

static bool is_buffer(const struct pln_buffer *buffer)
{
    int64_t count;
    if (!buffer || buffer->memory != PLN_MEMORY_HOST || buffer->rank < 0 || buffer->rank > PLN_MAX_RANK || !pln_dtype_valid((int)buffer->dtype)) return false;
    for (int i = 0; buffer->strides && i < buffer->rank; i++)
        if (buffer->strides[i] < 0) return false;
    return pln_shape_count(buffer->rank, buffer->dims, &count) && (count == 0 || buffer->data);
}

/* The strings of a tensor point to the caller's bytes until they have their own. */
static enum pln_status own_strings(struct pln_heap *heap, struct pln_item *item)
{
    struct pln_string *strings = item->tensor.data;
    const int64_t n = pln_tensor_count(&item->tensor);
    size_t total = 0;
    for (int64_t i = 0; i < n; i++) {
        if (strings[i].size_bytes && !strings[i].data) return PLN_INVALID_ARGUMENT;
        if (!pln_add_size(total, strings[i].size_bytes, &total)) return PLN_NO_MEMORY;
    }
    char *bytes = pln_item_own(heap, item, total);
    if (!bytes) return PLN_NO_MEMORY;
    for (int64_t i = 0; i < n; i++) {
        if (strings[i].size_bytes) memcpy(bytes, strings[i].data, strings[i].size_bytes);
        strings[i].data = bytes;
        bytes += strings[i].size_bytes;
    }
    return PLN_OK;
}

static enum pln_status make_tensor(struct pln_heap *heap, const struct pln_buffer *buffer, struct pln_item **out_item)
{
    struct pln_tensor from;
    PLN_TRY(pln_item_new_tensor(heap, buffer->dtype, buffer->rank, buffer->dims, out_item));
    pln_tensor_init(&from, buffer->dtype, buffer->rank, buffer->dims, buffer->data);
    for (int i = 0; buffer->strides && i < buffer->rank; i++) from.strides[i] = buffer->strides[i];
    pln_tensor_copy(&from, &(*out_item)->tensor);
    return buffer->dtype == PLN_STR ? own_strings(heap, *out_item) : PLN_OK;
}

/* A value that could not be filled goes, with what it has. */
static enum pln_status finish(enum pln_status status, pln_host_value **value)
{
    if (status == PLN_OK) return PLN_OK;
    pln_host_value_destroy(*value);
    *value = NULL;
    return status;
}

enum pln_status pln_host_value_from_buffer(const struct pln_buffer *buffer, pln_host_value **out_value)
{
    *out_value = NULL;
    if (!is_buffer(buffer)) return PLN_INVALID_ARGUMENT;
    PLN_TRY(pln_host_value_new(out_value));
    return finish(make_tensor(&(*out_value)->heap, buffer, &(*out_value)->item), out_value);
}

enum pln_status pln_host_value_from_texts(const char *const *texts, int rank, const int64_t *dims, pln_host_value **out_value)
{
    int64_t n;
    *out_value = NULL;
    if (rank < 0 || rank > PLN_MAX_RANK || (rank > 0 && !dims) || !pln_shape_count(rank, dims, &n) || (n > 0 && !texts)) return PLN_INVALID_ARGUMENT;
    for (int64_t i = 0; i < n; i++)
        if (!texts[i]) return PLN_INVALID_ARGUMENT;
    PLN_TRY(pln_host_value_new(out_value));
    struct pln_heap *heap = &(*out_value)->heap;
    enum pln_status status = pln_item_new_tensor(heap, PLN_STR, rank, dims, &(*out_value)->item);
    struct pln_string *strings = status == PLN_OK ? (*out_value)->item->tensor.data : NULL;
    for (int64_t i = 0; strings && i < n; i++) strings[i] = (struct pln_string){ texts[i], strlen(texts[i]) };
    if (status == PLN_OK) status = own_strings(heap, (*out_value)->item);
    return finish(status, out_value);
}

static bool is_dtype(enum pln_dtype dtype)
{
    return dtype == PLN_DTYPE_NONE || pln_dtype_valid((int)dtype);
}

enum pln_status pln_host_value_new_sequence(enum pln_dtype dtype, pln_host_value **out_value)
{
    *out_value = NULL;
    if (!is_dtype(dtype)) return PLN_INVALID_ARGUMENT;
    PLN_TRY(pln_host_value_new(out_value));
    PLN_TRY(finish(pln_item_new(&(*out_value)->heap, PLN_SEQUENCE, &(*out_value)->item), out_value));
    (*out_value)->item->elem_dtype = dtype;
    return PLN_OK;
}

/* Elements of one sequence are of one kind and, as tensors, of one type. */
static bool belongs(const struct pln_item *sequence, const struct pln_item *element)
{
    if (sequence->count && sequence->items[0]->kind != element->kind) return false;
    if (element->kind != PLN_TENSOR) return true;
    const enum pln_dtype dtype = sequence->count ? sequence->items[0]->tensor.dtype : sequence->elem_dtype;
    return dtype == PLN_DTYPE_NONE || dtype == element->tensor.dtype;
}

static enum pln_status make_room(pln_host_value *value)
{
    struct pln_item *item = value->item;
    if (item->count < value->room) return PLN_OK;
    const int64_t room = item->count < 4 ? 8 : item->count * 2;
    if ((uint64_t)room > SIZE_MAX / sizeof *item->items) return PLN_NO_MEMORY;
    struct pln_item **items = pln_item_own(&value->heap, item, (size_t)room * sizeof *items);
    if (!items) return PLN_NO_MEMORY;
    if (item->count) memcpy(items, item->items, (size_t)item->count * sizeof *items);
    item->items = items;
    value->room = room;
    return PLN_OK;
}

enum pln_status pln_host_value_append(pln_host_value *sequence, const pln_host_value *element)
{
    struct pln_item *copy;
    if (!sequence || !element || sequence->item->kind != PLN_SEQUENCE || !belongs(sequence->item, element->item)) return PLN_INVALID_ARGUMENT;
    PLN_TRY(make_room(sequence));
    PLN_TRY(pln_host_value_clone(&sequence->heap, element->item, &copy));
    if (copy->kind == PLN_TENSOR) sequence->item->elem_dtype = copy->tensor.dtype;
    sequence->item->items[sequence->item->count++] = copy;
    return PLN_OK;
}

enum pln_status pln_host_value_new_optional(const pln_host_value *element, enum pln_dtype dtype, pln_host_value **out_value)
{
    *out_value = NULL;
    if (!is_dtype(dtype)) return PLN_INVALID_ARGUMENT;
    PLN_TRY(pln_host_value_new(out_value));
    enum pln_status status = pln_item_new(&(*out_value)->heap, PLN_OPTIONAL, &(*out_value)->item);
    struct pln_item *item = (*out_value)->item;
    if (status == PLN_OK) item->elem_dtype = !element ? dtype : element->item->kind == PLN_TENSOR ? element->item->tensor.dtype : PLN_DTYPE_NONE;
    if (status == PLN_OK && element) status = make_room(*out_value);
    if (status == PLN_OK && element) status = pln_host_value_clone(&(*out_value)->heap, element->item, &item->items[0]);
    if (status == PLN_OK) item->count = element != NULL;
    return finish(status, out_value);
}

/* The entries' values are scalars of their own. */
static enum pln_status fill_map(pln_host_value *value, const struct pln_buffer *values)
{
    struct pln_item *item = value->item;
    const int64_t n = values->dims[0];
    item->kind = PLN_MAP;
    item->elem_dtype = values->dtype;
    if (n == 0) return PLN_OK;
    item->items = pln_item_own(&value->heap, item, (size_t)n * sizeof *item->items);
    if (!item->items) return PLN_NO_MEMORY;
    const int64_t stride = values->strides ? values->strides[0] : 1;
    const size_t bytes = (size_t)pln_dtype_bits(values->dtype) / 8;
    for (int64_t i = 0; i < n; i++) {
        const struct pln_buffer one = { .dtype = values->dtype, .data = (char *)values->data + (size_t)(i * stride) * bytes };
        PLN_TRY(make_tensor(&value->heap, &one, &item->items[i]));
        item->count = i + 1;
    }
    return PLN_OK;
}

enum pln_status pln_host_value_new_map(const struct pln_buffer *keys, const struct pln_buffer *values, pln_host_value **out_value)
{
    *out_value = NULL;
    if (!is_buffer(keys) || !is_buffer(values) || keys->rank != 1 || values->rank != 1 || keys->dims[0] != values->dims[0]) return PLN_INVALID_ARGUMENT;
    if ((keys->dtype != PLN_I64 && keys->dtype != PLN_STR) || pln_dtype_bits(values->dtype) < 8) return PLN_INVALID_ARGUMENT;
    PLN_TRY(pln_host_value_new(out_value));
    enum pln_status status = make_tensor(&(*out_value)->heap, keys, &(*out_value)->item);
    if (status == PLN_OK) status = fill_map(*out_value, values);
    return finish(status, out_value);
}

/* ---- looking ---- */

static void fill_buffer(const struct pln_tensor *tensor, struct pln_buffer *out_buffer)
{
    *out_buffer = (struct pln_buffer){ .dtype = tensor->dtype, .rank = tensor->rank, .data = tensor->data, .size_bytes = pln_tensor_bytes(tensor) };
    memcpy(out_buffer->dims, tensor->dims, sizeof out_buffer->dims);
}

enum pln_status pln_host_value_buffer(const pln_host_value *value, struct pln_buffer *out_buffer)
{
    memset(out_buffer, 0, sizeof *out_buffer);
    if (!value || value->item->kind != PLN_TENSOR) return PLN_INVALID_ARGUMENT;
    fill_buffer(&value->item->tensor, out_buffer);
    return PLN_OK;
}

int64_t pln_host_value_count(const pln_host_value *value)
{
    if (!value) return 0;
    return value->item->kind == PLN_TENSOR ? pln_tensor_count(&value->item->tensor) : value->item->count;
}

static enum pln_status find_element(const pln_host_value *value, int64_t index, const struct pln_item **out_item)
{
    *out_item = NULL;
    if (!value || value->item->kind == PLN_TENSOR) return PLN_INVALID_ARGUMENT;
    if (index < 0 || index >= value->item->count) return PLN_NOT_FOUND;
    *out_item = value->item->items[index];
    return PLN_OK;
}

enum pln_status pln_host_value_element(const pln_host_value *value, int64_t index, pln_host_value **out_element)
{
    const struct pln_item *item;
    *out_element = NULL;
    PLN_TRY(find_element(value, index, &item));
    PLN_TRY(pln_host_value_new(out_element));
    return finish(pln_host_value_clone(&(*out_element)->heap, item, &(*out_element)->item), out_element);
}

enum pln_status pln_host_value_element_buffer(const pln_host_value *value, int64_t index, struct pln_buffer *out_buffer)
{
    const struct pln_item *item;
    memset(out_buffer, 0, sizeof *out_buffer);
    PLN_TRY(find_element(value, index, &item));
    if (item->kind != PLN_TENSOR) return PLN_INVALID_ARGUMENT;
    fill_buffer(&item->tensor, out_buffer);
    return PLN_OK;
}

enum pln_status pln_host_value_keys(const pln_host_value *value, struct pln_buffer *out_buffer)
{
    memset(out_buffer, 0, sizeof *out_buffer);
    if (!value || value->item->kind != PLN_MAP) return PLN_INVALID_ARGUMENT;
    fill_buffer(&value->item->tensor, out_buffer);
    return PLN_OK;
}
