#include "onnx/encode.h"

#include "onnx/wire.h"

/* What all PLN_ONNX_LISTs look like. */
struct list {
    const void *items;
    uint32_t count, capacity;
};

static const void *member(const void *object, const struct pln_onnx_field *field)
{
    return (const char *)object + field->offset;
}

static bool is_said(const struct pln_onnx_message *message, const void *object, const struct pln_onnx_field *field)
{
    uint32_t present;
    int32_t one_of;
    if (field->one_of) {
        memcpy(&one_of, (const char *)object + message->one_of_offset, sizeof one_of);
        return one_of == field->one_of;
    }
    if (!field->present || !message->present_offset) return true;
    memcpy(&present, (const char *)object + message->present_offset, sizeof present);
    return (present & field->present) != 0;
}

static bool always(const struct pln_onnx_field *field)
{
    return field->one_of || field->present;
}

/* ---- one pass for both: without a sink the bytes are only counted ---- */

struct writing {
    const struct pln_onnx_sink *sink;
    uint64_t bytes;
    enum pln_status status;
};

static void put(struct writing *out, const void *data, size_t size_bytes)
{
    out->bytes += size_bytes;
    if (out->sink && out->status == PLN_OK && size_bytes) out->status = out->sink->write(out->sink->user, data, size_bytes);
}

static void put_varint(struct writing *out, uint64_t value)
{
    uint8_t bytes[10];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7) bytes[n++] = (uint8_t)(value | 0x80);
    bytes[n++] = (uint8_t)value;
    put(out, bytes, n);
}

static void put_key(struct writing *out, const struct pln_onnx_field *field, enum pln_wire_type type)
{
    put_varint(out, (uint64_t)field->number << 3 | (uint64_t)type);
}

static void put_int(struct writing *out, const struct pln_onnx_field *field, int64_t value)
{
    put_key(out, field, PLN_WIRE_VARINT);
    put_varint(out, (uint64_t)value);
}

static void put_float(struct writing *out, const struct pln_onnx_field *field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint8_t bytes[4] = { (uint8_t)bits, (uint8_t)(bits >> 8), (uint8_t)(bits >> 16), (uint8_t)(bits >> 24) };
    put_key(out, field, PLN_WIRE_FIXED32);
    put(out, bytes, sizeof bytes);
}

static void put_bytes(struct writing *out, const struct pln_onnx_field *field, const void *data, size_t size_bytes)
{
    put_key(out, field, PLN_WIRE_BYTES);
    put_varint(out, size_bytes);
    put(out, data, size_bytes);
}

static void put_object(struct writing *out, const struct pln_onnx_message *message, const void *object);

static void put_message(struct writing *out, const struct pln_onnx_field *field, const void *object)
{
    const uint64_t bytes = pln_onnx_encoded_bytes(field->child, object);
    put_key(out, field, PLN_WIRE_BYTES);
    put_varint(out, bytes);
    if (out->sink) put_object(out, field->child, object);
    else out->bytes += bytes; /* counting once more here would double the work with every level */
}

static void put_list(struct writing *out, const struct pln_onnx_field *field, const struct list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        switch (field->kind) {
        case PLN_FIELD_LIST_I64: put_int(out, field, ((const int64_t *)list->items)[i]); break;
        case PLN_FIELD_LIST_F32: put_float(out, field, ((const float *)list->items)[i]); break;
        case PLN_FIELD_LIST_NAME: {
            const char *name = ((const char *const *)list->items)[i];
            put_bytes(out, field, name, strlen(name));
            break;
        }
        case PLN_FIELD_LIST_BYTES: {
            const struct pln_string *string = &((const struct pln_string *)list->items)[i];
            put_bytes(out, field, string->data, string->size_bytes);
            break;
        }
        case PLN_FIELD_LIST_MESSAGE: put_message(out, field, (const char *)list->items + (size_t)i * field->child->size_bytes); break;
        case PLN_FIELD_I64:
        case PLN_FIELD_I32:
        case PLN_FIELD_F32:
        case PLN_FIELD_NAME:
        case PLN_FIELD_BYTES:
        case PLN_FIELD_MESSAGE:
        case PLN_FIELD_INLINE:
        case PLN_FIELD_MARK: return;
        }
    }
}

static void put_field(struct writing *out, const struct pln_onnx_field *field, const void *object)
{
    const void *at = member(object, field);
    switch (field->kind) {
    case PLN_FIELD_I64:
        if (*(const int64_t *)at || always(field)) put_int(out, field, *(const int64_t *)at);
        break;
    case PLN_FIELD_I32:
        if (*(const int32_t *)at || always(field)) put_int(out, field, *(const int32_t *)at);
        break;
    case PLN_FIELD_F32:
        if (*(const float *)at != 0 || always(field)) put_float(out, field, *(const float *)at);
        break;
    case PLN_FIELD_NAME: {
        const char *name = *(const char *const *)at;
        if (name && (*name || always(field))) put_bytes(out, field, name, strlen(name));
        break;
    }
    case PLN_FIELD_BYTES: {
        const struct pln_string *string = at;
        if (string->size_bytes || always(field)) put_bytes(out, field, string->data, string->size_bytes);
        break;
    }
    case PLN_FIELD_MESSAGE:
        if (*(const void *const *)at) put_message(out, field, *(const void *const *)at);
        break;
    case PLN_FIELD_INLINE: put_message(out, field, object); break;
    case PLN_FIELD_MARK: break;
    case PLN_FIELD_LIST_I64:
    case PLN_FIELD_LIST_F32:
    case PLN_FIELD_LIST_NAME:
    case PLN_FIELD_LIST_BYTES:
    case PLN_FIELD_LIST_MESSAGE: put_list(out, field, at); break;
    }
}

static void put_object(struct writing *out, const struct pln_onnx_message *message, const void *object)
{
    const struct list *spans = message->spans_offset ? (const void *)((const char *)object + message->spans_offset) : NULL;
    if (spans && spans->count) {
        const struct pln_string *parts = spans->items;
        for (uint32_t i = 0; i < spans->count; i++) put(out, parts[i].data, parts[i].size_bytes);
        return;
    }
    for (uint32_t i = 0; i < message->field_count; i++)
        if (is_said(message, object, &message->fields[i])) put_field(out, &message->fields[i], object);
}

uint64_t pln_onnx_encoded_bytes(const struct pln_onnx_message *message, const void *object)
{
    struct writing counting = { .status = PLN_OK };
    put_object(&counting, message, object);
    return counting.bytes;
}

enum pln_status pln_onnx_encode(const struct pln_onnx_message *message, const void *object, const struct pln_onnx_sink *sink)
{
    struct writing out = { .sink = sink, .status = PLN_OK };
    put_object(&out, message, object);
    return out.status;
}
