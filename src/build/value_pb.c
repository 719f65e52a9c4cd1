/* Reading TensorProto, SequenceProto, MapProto and OptionalProto files as host values. */
#include "base/file.h"
#include "kernel/host_value.h"
#include "onnx/tensor_data.h"
#include "planish/experimental/value.h"

struct reader {
    struct pln_heap *heap;
    struct pln_arena arena;
    struct pln_diag *diag;
    int depth;
};

#define DEPTH_MOST 32

static enum pln_status read_sequence(struct reader *reader, const struct pln_onnx_sequence *from, struct pln_item **out_item);
static enum pln_status read_optional(struct reader *reader, const struct pln_onnx_optional *from, struct pln_item **out_item);
static enum pln_status read_map(struct reader *reader, const struct pln_onnx_map *from, struct pln_item **out_item);

static enum pln_status read_tensor(struct reader *reader, const struct pln_onnx_tensor *from, struct pln_item **out_item)
{
    struct pln_tensor tensor;
    *out_item = NULL;
    PLN_TRY(pln_onnx_tensor_load(from, NULL, &reader->arena, reader->diag, &tensor));
    struct pln_item view = { .kind = PLN_TENSOR, .refs = 1, .tensor = tensor };
    return pln_item_copy(reader->heap, &view, out_item);
}

static enum pln_status new_list(struct reader *reader, enum pln_kind kind, size_t count, struct pln_item **out_item)
{
    PLN_TRY(pln_item_new(reader->heap, kind, out_item));
    (*out_item)->items = pln_item_own(reader->heap, *out_item, (count + 1) * sizeof *(*out_item)->items);
    if (!(*out_item)->items) return pln_fail_memory(reader->diag, "sequence", count * sizeof *(*out_item)->items);
    (*out_item)->count = 0;
    return PLN_OK;
}

static enum pln_status read_sequence(struct reader *reader, const struct pln_onnx_sequence *from, struct pln_item **out_item)
{
    if (++reader->depth > DEPTH_MOST) return pln_fail(reader->diag, PLN_BAD_MODEL, "sequences are nested deeper than %d", DEPTH_MOST);
    if (from->sparse_tensors.count) return pln_fail(reader->diag, PLN_UNSUPPORTED, "sequences of sparse tensors cannot be read");
    size_t count = from->tensors.count + from->sequences.count + from->maps.count + from->optionals.count;
    PLN_TRY(new_list(reader, PLN_SEQUENCE, count, out_item));
    struct pln_item *item = *out_item;
    for (size_t i = 0; i < from->tensors.count; i++) {
        PLN_TRY(read_tensor(reader, &from->tensors.items[i], &item->items[item->count]));
        item->count++;
    }
    for (size_t i = 0; i < from->sequences.count; i++) {
        PLN_TRY(read_sequence(reader, &from->sequences.items[i], &item->items[item->count]));
        item->count++;
    }
    for (size_t i = 0; i < from->maps.count; i++) {
        PLN_TRY(read_map(reader, &from->maps.items[i], &item->items[item->count]));
        item->count++;
    }
    for (size_t i = 0; i < from->optionals.count; i++) {
        PLN_TRY(read_optional(reader, &from->optionals.items[i], &item->items[item->count]));
        item->count++;
    }
    reader->depth--;
    return PLN_OK;
}

/* The keys of an entry are integers or strings, one list of the two; the one that is not used is empty. */
static enum pln_status read_map(struct reader *reader, const struct pln_onnx_map *from, struct pln_item **out_item)
{
    if (++reader->depth > DEPTH_MOST) return pln_fail(reader->diag, PLN_BAD_MODEL, "maps are nested deeper than %d", DEPTH_MOST);
    const bool texts = from->key_type == PLN_STR;
    if (!texts && from->key_type != PLN_I64) return pln_fail(reader->diag, PLN_UNSUPPORTED, "a map's keys are of type %s; INT64 and STRING can be read", pln_onnx_data_type_name(from->key_type));
    const size_t count = texts ? from->string_keys.count : from->keys.count;
    struct pln_item *values = NULL;
    if (from->values) PLN_TRY(read_sequence(reader, from->values, &values));
    if ((values ? (size_t)values->count : 0) != count || (texts ? from->keys.count : from->string_keys.count))
        return pln_fail(reader->diag, PLN_BAD_MODEL, "a map has %zu keys of its type and %lld values", count, values ? (long long)values->count : 0LL);
    struct pln_tensor keys;
    const int64_t dims[1] = { (int64_t)count };
    pln_tensor_init(&keys, texts ? PLN_STR : PLN_I64, 1, dims, texts ? (void *)from->string_keys.items : (void *)from->keys.items);
    struct pln_item view = { .kind = PLN_MAP, .refs = 1, .tensor = keys };
    PLN_TRY(pln_item_copy(reader->heap, &view, out_item));
    (*out_item)->items = values ? values->items : NULL; /* `values` lives as long as the heap does, as all that is read */
    (*out_item)->count = (int64_t)count;
    reader->depth--;
    return PLN_OK;
}

static enum pln_status read_optional(struct reader *reader, const struct pln_onnx_optional *from, struct pln_item **out_item)
{
    if (++reader->depth > DEPTH_MOST) return pln_fail(reader->diag, PLN_BAD_MODEL, "optionals are nested deeper than %d", DEPTH_MOST);
    PLN_TRY(new_list(reader, PLN_OPTIONAL, 1, out_item));
    struct pln_item *item = *out_item, **place = &item->items[0];
    enum pln_status status = PLN_OK;
    if (from->tensor) status = read_tensor(reader, from->tensor, place);
    else if (from->sequence) status = read_sequence(reader, from->sequence, place);
    else if (from->optional) status = read_optional(reader, from->optional, place);
    else if (from->map) status = read_map(reader, from->map, place);
    else if (from->sparse_tensor) status = pln_fail(reader->diag, PLN_UNSUPPORTED, "optional sparse tensors cannot be read");
    else place = NULL;
    if (status == PLN_OK && place) item->count = 1;
    reader->depth--;
    return status;
}

static enum pln_status read_file(struct reader *reader, const struct pln_file_map *map, enum pln_value_kind kind, struct pln_item **out_item)
{
    struct pln_onnx_tensor tensor;
    struct pln_onnx_sequence sequence;
    struct pln_onnx_optional optional;
    struct pln_onnx_map entries;
    switch (kind) {
    case PLN_VALUE_TENSOR:
        PLN_TRY(pln_onnx_decode_tensor(map->data, map->size_bytes, &reader->arena, reader->diag, &tensor));
        return read_tensor(reader, &tensor, out_item);
    case PLN_VALUE_SEQUENCE:
        PLN_TRY(pln_onnx_decode_sequence(map->data, map->size_bytes, &reader->arena, reader->diag, &sequence));
        return read_sequence(reader, &sequence, out_item);
    case PLN_VALUE_OPTIONAL:
        PLN_TRY(pln_onnx_decode_optional(map->data, map->size_bytes, &reader->arena, reader->diag, &optional));
        return read_optional(reader, &optional, out_item);
    case PLN_VALUE_MAP:
        PLN_TRY(pln_onnx_decode_map(map->data, map->size_bytes, &reader->arena, reader->diag, &entries));
        return read_map(reader, &entries, out_item);
    }
    return PLN_INVALID_ARGUMENT;
}

enum pln_status pln_host_value_read_pb(const char *path, enum pln_value_kind kind, pln_diagnostics *diagnostics, pln_host_value **out_value)
{
    struct pln_file_map map;
    *out_value = NULL;
    PLN_TRY(pln_file_map(path, diagnostics, &map));
    enum pln_status status = pln_host_value_new(out_value);
    if (status == PLN_OK) {
        struct reader reader = { .heap = &(*out_value)->heap, .diag = diagnostics };
        pln_arena_init(&reader.arena, NULL, 0);
        status = read_file(&reader, &map, kind, &(*out_value)->item);
        pln_arena_deinit(&reader.arena);
    }
    pln_file_unmap(&map);
    if (status == PLN_OK) return PLN_OK;
    pln_host_value_free(*out_value);
    *out_value = NULL;
    return pln_fail(diagnostics, status, "%s: not what is wanted here, a TensorProto (SequenceProto, MapProto, OptionalProto) that is whole; save it again", path);
}
