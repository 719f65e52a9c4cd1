/* One walk serves all messages: the tables of messages.h say where each field goes. A message is read twice: first its
 * fields are counted, so that every list gets its exact size, then they are stored. Both passes skip over sub-messages
 * by their length, so the whole costs two looks at each byte of structure. */
#include <stdio.h>

#include "base/text.h"
#include "onnx/messages.h"
#include "onnx/wire.h"

struct place {
    const char *field; /* NULL: the message is part of the one around it */
    uint32_t index;
    bool in_list;
};

struct decoder {
    struct pln_arena *arena;
    struct pln_diag *diag;
    const struct pln_onnx_message *root;
    struct place path[PLN_ONNX_MAX_DEPTH];
    int depth;
    uint64_t nodes;
};

/* What every PLN_ONNX_LIST looks like. Read and written by memcpy, since the element type of the real one differs. */
struct list {
    void *items;
    uint32_t count, capacity;
};

static struct list list_get(const void *field)
{
    struct list list;
    memcpy(&list, field, sizeof list);
    return list;
}

static void list_set(void *field, const struct list *list)
{
    memcpy(field, list, sizeof *list);
}

/* "graph.node[3].attribute[0]" */
static const char *describe_place(const struct decoder *d, char *buffer, size_t buffer_bytes)
{
    size_t used = 0;
    int first = d->depth > 16 ? d->depth - 16 : 0;
    buffer[0] = '\0';
    for (int i = first; i < d->depth; i++) {
        const struct place *place = &d->path[i];
        char index[16] = "";
        if (!place->field) continue;
        if (place->in_list) snprintf(index, sizeof index, "[%u]", place->index);
        int n = snprintf(buffer + used, buffer_bytes - used, "%s%s%s", used ? "." : "", place->field, index);
        if (n < 0 || (size_t)n >= buffer_bytes - used) break;
        used += (size_t)n;
    }
    if (buffer[0] == '\0') snprintf(buffer, buffer_bytes, "%s", d->root->name);
    return buffer;
}

static enum pln_status fail_here(const struct decoder *d, const char *why, uint64_t offset)
{
    char place[512];
    return pln_fail(d->diag, PLN_BAD_MODEL, "%s: %s, at byte %llu", describe_place(d, place, sizeof place), why,
                    (unsigned long long)offset);
}

static enum pln_status fail_depth(const struct decoder *d, uint64_t offset)
{
    char why[80];
    snprintf(why, sizeof why, "messages are nested too deeply (more than %d)", PLN_ONNX_MAX_DEPTH);
    return fail_here(d, why, offset);
}

static enum pln_status fail_field(const struct decoder *d, const struct pln_onnx_field *field, const char *why,
                                  uint64_t offset)
{
    char place[512];
    return pln_fail(d->diag, PLN_BAD_MODEL, "%s: %s %s, at byte %llu", describe_place(d, place, sizeof place),
                    field->name, why, (unsigned long long)offset);
}

static const struct pln_onnx_field *find_field(const struct pln_onnx_message *message, const struct pln_wire_field *got)
{
    for (uint32_t i = 0; i < message->field_count; i++) {
        const struct pln_onnx_field *field = &message->fields[i];
        if (field->number != got->number) continue;
        bool accepted = true;
        switch (field->kind) {
        case PLN_FIELD_I64:
        case PLN_FIELD_I32: accepted = got->type == PLN_WIRE_VARINT; break;
        case PLN_FIELD_F32: accepted = got->type == PLN_WIRE_FIXED32; break;
        case PLN_FIELD_LIST_I64: accepted = got->type == PLN_WIRE_VARINT || got->type == PLN_WIRE_BYTES; break;
        case PLN_FIELD_LIST_F32: accepted = got->type == PLN_WIRE_FIXED32 || got->type == PLN_WIRE_BYTES; break;
        case PLN_FIELD_NAME:
        case PLN_FIELD_BYTES:
        case PLN_FIELD_MESSAGE:
        case PLN_FIELD_INLINE:
        case PLN_FIELD_LIST_NAME:
        case PLN_FIELD_LIST_BYTES:
        case PLN_FIELD_LIST_MESSAGE: accepted = got->type == PLN_WIRE_BYTES; break;
        case PLN_FIELD_MARK: break;
        }
        return accepted ? field : NULL; /* another wire type: an unknown field, as for protobuf's own readers */
    }
    return NULL;
}

/* Bytes of one element in a list; 0: not a list. */
static size_t element_bytes(const struct pln_onnx_field *field)
{
    switch (field->kind) {
    case PLN_FIELD_LIST_I64: return sizeof(int64_t);
    case PLN_FIELD_LIST_F32: return sizeof(float);
    case PLN_FIELD_LIST_NAME: return sizeof(const char *);
    case PLN_FIELD_LIST_BYTES: return sizeof(struct pln_string);
    case PLN_FIELD_LIST_MESSAGE: return field->child->size_bytes;
    case PLN_FIELD_I64:
    case PLN_FIELD_I32:
    case PLN_FIELD_F32:
    case PLN_FIELD_NAME:
    case PLN_FIELD_BYTES:
    case PLN_FIELD_MESSAGE:
    case PLN_FIELD_INLINE:
    case PLN_FIELD_MARK: break;
    }
    return 0;
}

static uint64_t count_elements(const struct pln_onnx_field *field, const struct pln_wire_field *got)
{
    if (got->type != PLN_WIRE_BYTES) return 1;
    if (field->kind == PLN_FIELD_LIST_I64) return pln_wire_count_varints(got->data, got->size_bytes);
    if (field->kind == PLN_FIELD_LIST_F32) return got->size_bytes / 4;
    return 1;
}

/* Room for `extra` more. The first time exactly that; parts that come later double, so that a list in a million parts
 * does not cost its square. */
static enum pln_status reserve(struct decoder *d, const char *name, void *list_field, uint64_t extra, size_t elem_bytes)
{
    struct list list = list_get(list_field);
    uint64_t want = list.count + extra;
    if (want <= list.capacity) return PLN_OK;
    if (want > UINT32_MAX / 2)
        return pln_fail(d->diag, PLN_BAD_MODEL, "%s has %llu elements", name, (unsigned long long)want);
    if (list.capacity != 0) want = PLN_MAX(want, 2 * (uint64_t)list.capacity);
    void *items = pln_arena_array(d->arena, (size_t)want, elem_bytes);
    if (!items) return pln_fail_memory(d->diag, name, (size_t)want * elem_bytes);
    if (list.count != 0) memcpy(items, list.items, list.count * elem_bytes);
    list.items = items;
    list.capacity = (uint32_t)want;
    list_set(list_field, &list);
    return PLN_OK;
}

static enum pln_status reserve_lists(struct decoder *d, const struct pln_onnx_message *message, void *object,
                                     const uint64_t *counts)
{
    for (uint32_t i = 0; i < message->field_count; i++) {
        const struct pln_onnx_field *field = &message->fields[i];
        size_t size = element_bytes(field);
        if (size == 0 || counts[i] == 0) continue;
        if (field->child == &pln_onnx_node_message) {
            d->nodes += counts[i];
            if (d->nodes > PLN_ONNX_MAX_NODES)
                return pln_fail(d->diag, PLN_BAD_MODEL, "the model has more than %d nodes", PLN_ONNX_MAX_NODES);
        }
        PLN_TRY(reserve(d, field->name, (char *)object + field->offset, counts[i], size));
    }
    return PLN_OK;
}

/* Names that are not set become "". */
static void set_defaults(const struct pln_onnx_message *message, void *object)
{
    for (uint32_t i = 0; i < message->field_count; i++) {
        const struct pln_onnx_field *field = &message->fields[i];
        if (field->kind == PLN_FIELD_INLINE) set_defaults(field->child, object);
        if (field->kind != PLN_FIELD_NAME) continue;
        const char **name = (const char **)(void *)((char *)object + field->offset);
        if (!*name) *name = "";
    }
}

static enum pln_status read_name(struct decoder *d, const struct pln_onnx_field *field,
                                 const struct pln_wire_field *got, const char **out_name)
{
    *out_name = "";
    if (got->size_bytes == 0) return PLN_OK;
    const char *text = (const char *)got->data;
    if (memchr(text, '\0', got->size_bytes)) return fail_field(d, field, "holds a zero byte", got->offset);
    if (!pln_utf8_valid(text, got->size_bytes)) return fail_field(d, field, "is not UTF-8", got->offset);
    const char *copy = pln_arena_text(d->arena, text, got->size_bytes);
    if (!copy) return pln_fail_memory(d->diag, field->name, got->size_bytes);
    *out_name = copy;
    return PLN_OK;
}

static enum pln_status read_i64s(struct decoder *d, const struct pln_wire *outer, const struct pln_wire_field *got,
                                 struct list *list)
{
    int64_t *items = list->items;
    struct pln_wire packed;
    uint64_t value;
    if (got->type != PLN_WIRE_BYTES) {
        items[list->count++] = (int64_t)got->value;
        return PLN_OK;
    }
    pln_wire_enter(&packed, outer, got);
    while (pln_wire_varint(&packed, &value)) items[list->count++] = (int64_t)value;
    return packed.error ? fail_here(d, packed.error, packed.error_offset) : PLN_OK;
}

static enum pln_status read_f32s(struct decoder *d, const struct pln_wire *outer, const struct pln_wire_field *got,
                                 struct list *list)
{
    float *items = list->items;
    struct pln_wire packed;
    uint32_t bits;
    if (got->type != PLN_WIRE_BYTES) {
        items[list->count++] = pln_wire_float(got->value);
        return PLN_OK;
    }
    pln_wire_enter(&packed, outer, got);
    while (pln_wire_fixed32(&packed, &bits)) items[list->count++] = pln_wire_float(bits);
    return packed.error ? fail_here(d, packed.error, packed.error_offset) : PLN_OK;
}

static enum pln_status decode_message(struct decoder *d, const struct pln_onnx_message *message, void *object,
                                      struct pln_wire wire);

/* Decodes a field's message into child, which may hold an earlier part of it. */
static enum pln_status decode_child(struct decoder *d, const struct pln_onnx_field *field, const struct pln_wire *outer,
                                    const struct pln_wire_field *got, void *child, uint32_t index)
{
    struct pln_wire inside;
    pln_wire_enter(&inside, outer, got);
    if (d->depth == PLN_ONNX_MAX_DEPTH)
        return fail_depth(d, got->offset);
    d->path[d->depth++] = (struct place){ field->name, index, field->kind == PLN_FIELD_LIST_MESSAGE };
    PLN_TRY(decode_message(d, field->child, child, inside));
    d->depth--;
    if (field->child->finish) field->child->finish(child, index);
    return PLN_OK;
}

static enum pln_status decode_pointed(struct decoder *d, const struct pln_onnx_field *field,
                                      const struct pln_wire *outer, const struct pln_wire_field *got, void *member)
{
    void *child;
    memcpy(&child, member, sizeof child);
    if (!child) {
        child = pln_arena_alloc(d->arena, field->child->size_bytes);
        if (!child) return pln_fail_memory(d->diag, field->name, field->child->size_bytes);
        set_defaults(field->child, child);
        memcpy(member, &child, sizeof child);
    }
    return decode_child(d, field, outer, got, child, 0);
}

static enum pln_status append(struct decoder *d, const struct pln_onnx_field *field, const struct pln_wire *outer,
                              const struct pln_wire_field *got, void *member)
{
    struct list list = list_get(member);
    enum pln_status status = PLN_OK;
    switch (field->kind) {
    case PLN_FIELD_LIST_I64: status = read_i64s(d, outer, got, &list); break;
    case PLN_FIELD_LIST_F32: status = read_f32s(d, outer, got, &list); break;
    case PLN_FIELD_LIST_NAME: status = read_name(d, field, got, (const char **)list.items + list.count++); break;
    case PLN_FIELD_LIST_BYTES:
        ((struct pln_string *)list.items)[list.count++] =
            (struct pln_string){ (const char *)got->data, got->size_bytes };
        break;
    case PLN_FIELD_LIST_MESSAGE: {
        void *child = (char *)list.items + (size_t)list.count * field->child->size_bytes;
        set_defaults(field->child, child);
        status = decode_child(d, field, outer, got, child, list.count++);
        break;
    }
    case PLN_FIELD_I64:
    case PLN_FIELD_I32:
    case PLN_FIELD_F32:
    case PLN_FIELD_NAME:
    case PLN_FIELD_BYTES:
    case PLN_FIELD_MESSAGE:
    case PLN_FIELD_INLINE:
    case PLN_FIELD_MARK: break;
    }
    list_set(member, &list);
    return status;
}

static enum pln_status store(struct decoder *d, const struct pln_onnx_field *field, const struct pln_wire *outer,
                             const struct pln_wire_field *got, void *object)
{
    void *member = (char *)object + field->offset;
    switch (field->kind) {
    case PLN_FIELD_I64: *(int64_t *)member = (int64_t)got->value; return PLN_OK;
    case PLN_FIELD_I32: *(int32_t *)member = (int32_t)(uint32_t)got->value; return PLN_OK;
    case PLN_FIELD_F32: *(float *)member = pln_wire_float(got->value); return PLN_OK;
    case PLN_FIELD_NAME: return read_name(d, field, got, member);
    case PLN_FIELD_BYTES:
        *(struct pln_string *)member = (struct pln_string){ (const char *)got->data, got->size_bytes };
        return PLN_OK;
    case PLN_FIELD_MESSAGE: return decode_pointed(d, field, outer, got, member);
    case PLN_FIELD_INLINE: return decode_child(d, field, outer, got, object, 0);
    case PLN_FIELD_MARK: return PLN_OK;
    case PLN_FIELD_LIST_I64:
    case PLN_FIELD_LIST_F32:
    case PLN_FIELD_LIST_NAME:
    case PLN_FIELD_LIST_BYTES:
    case PLN_FIELD_LIST_MESSAGE: return append(d, field, outer, got, member);
    }
    return PLN_OK;
}

/* A field of a oneof takes the place of the one before. */
static void choose_case(const struct pln_onnx_message *message, const struct pln_onnx_field *field, void *object)
{
    int32_t kind;
    char *from = (char *)object + message->one_of_offset;
    memcpy(&kind, from, sizeof kind);
    if (kind == field->one_of) return;
    memset(from, 0, message->size_bytes - message->one_of_offset);
    memcpy(from, &field->one_of, sizeof kind);
    set_defaults(message, object);
}

static enum pln_status keep_span(struct decoder *d, const struct pln_onnx_message *message, void *object,
                                 const struct pln_wire *wire)
{
    void *member = (char *)object + message->spans_offset;
    if (message->spans_offset == 0 || wire->at == wire->end) return PLN_OK;
    PLN_TRY(reserve(d, message->name, member, 1, sizeof(struct pln_string)));
    struct list list = list_get(member);
    ((struct pln_string *)list.items)[list.count++] =
        (struct pln_string){ (const char *)wire->at, (size_t)(wire->end - wire->at) };
    list_set(member, &list);
    return PLN_OK;
}

static enum pln_status decode_message(struct decoder *d, const struct pln_onnx_message *message, void *object,
                                      struct pln_wire wire)
{
    uint64_t counts[PLN_ONNX_MAX_FIELDS] = { 0 };
    struct pln_wire counting = wire;
    struct pln_wire_field got;
    assert(message->field_count <= PLN_ONNX_MAX_FIELDS);
    while (pln_wire_next(&counting, &got)) {
        const struct pln_onnx_field *field = find_field(message, &got);
        if (field) counts[field - message->fields] += count_elements(field, &got);
    }
    if (counting.error) return fail_here(d, counting.error, counting.error_offset);
    PLN_TRY(reserve_lists(d, message, object, counts));
    PLN_TRY(keep_span(d, message, object, &wire));
    while (pln_wire_next(&wire, &got)) {
        const struct pln_onnx_field *field = find_field(message, &got);
        if (!field) continue;
        if (field->one_of != 0) choose_case(message, field, object);
        if (field->present != 0) *(uint32_t *)(void *)((char *)object + message->present_offset) |= field->present;
        PLN_TRY(store(d, field, &wire, &got, object));
    }
    return PLN_OK;
}

static enum pln_status decode_root(const struct pln_onnx_message *message, const void *data, size_t size_bytes,
                                   struct pln_arena *arena, struct pln_diag *diag, void *out_object)
{
    struct decoder d = { .arena = arena, .diag = diag, .root = message };
    struct pln_wire wire;
    memset(out_object, 0, message->size_bytes);
    set_defaults(message, out_object);
    pln_wire_init(&wire, data, size_bytes);
    return decode_message(&d, message, out_object, wire);
}

enum pln_status pln_onnx_decode_model(const void *data, size_t size_bytes, struct pln_arena *arena,
                                      struct pln_diag *diag, struct pln_onnx_model *out_model)
{
    return decode_root(&pln_onnx_model_message, data, size_bytes, arena, diag, out_model);
}

enum pln_status pln_onnx_decode_tensor(const void *data, size_t size_bytes, struct pln_arena *arena,
                                       struct pln_diag *diag, struct pln_onnx_tensor *out_tensor)
{
    return decode_root(&pln_onnx_tensor_message, data, size_bytes, arena, diag, out_tensor);
}

enum pln_status pln_onnx_decode_sparse_tensor(const void *data, size_t size_bytes, struct pln_arena *arena,
                                              struct pln_diag *diag, struct pln_onnx_sparse_tensor *out_tensor)
{
    return decode_root(&pln_onnx_sparse_tensor_message, data, size_bytes, arena, diag, out_tensor);
}

enum pln_status pln_onnx_decode_sequence(const void *data, size_t size_bytes, struct pln_arena *arena,
                                         struct pln_diag *diag, struct pln_onnx_sequence *out_sequence)
{
    return decode_root(&pln_onnx_sequence_message, data, size_bytes, arena, diag, out_sequence);
}

enum pln_status pln_onnx_decode_map(const void *data, size_t size_bytes, struct pln_arena *arena,
                                    struct pln_diag *diag, struct pln_onnx_map *out_map)
{
    return decode_root(&pln_onnx_map_message, data, size_bytes, arena, diag, out_map);
}

enum pln_status pln_onnx_decode_optional(const void *data, size_t size_bytes, struct pln_arena *arena,
                                         struct pln_diag *diag, struct pln_onnx_optional *out_optional)
{
    return decode_root(&pln_onnx_optional_message, data, size_bytes, arena, diag, out_optional);
}

enum pln_status pln_onnx_decode_type(const void *data, size_t size_bytes, struct pln_arena *arena,
                                     struct pln_diag *diag, struct pln_onnx_type *out_type)
{
    return decode_root(&pln_onnx_type_message, data, size_bytes, arena, diag, out_type);
}
