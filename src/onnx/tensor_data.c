#include "onnx/tensor_data.h"

#include "onnx/wire.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are used as they lie in the file");

/* Where TensorProto keeps a type's elements when not raw: field number, entries, and bytes of the tensor that one entry
 * makes. Of a varint these are its low bytes. */
struct typed_form {
    uint32_t number;
    enum pln_wire_type type; /* of one entry */
    size_t unit_bytes;
    int64_t entries; /* for the whole tensor */
    bool truth;      /* BOOL: any entry but 0 is 1 */
};

static bool has_typed_field(const struct pln_onnx_tensor *tensor, uint32_t number)
{
    static const uint32_t bits[12] = {
        [4] = PLN_ONNX_HAS_FLOAT_DATA, [5] = PLN_ONNX_HAS_INT32_DATA,   [6] = PLN_ONNX_HAS_STRING_DATA,
        [7] = PLN_ONNX_HAS_INT64_DATA, [10] = PLN_ONNX_HAS_DOUBLE_DATA, [11] = PLN_ONNX_HAS_UINT64_DATA,
    };
    return (tensor->present & bits[number]) != 0;
}

static struct typed_form typed_form_of(enum pln_dtype dtype, int64_t count)
{
    switch (dtype) {
    case PLN_F32:
        return (struct typed_form){ .number = 4, .type = PLN_WIRE_FIXED32, .unit_bytes = 4, .entries = count };
    case PLN_C64:
        return (struct typed_form){ .number = 4, .type = PLN_WIRE_FIXED32, .unit_bytes = 4, .entries = 2 * count };
    case PLN_F64:
        return (struct typed_form){ .number = 10, .type = PLN_WIRE_FIXED64, .unit_bytes = 8, .entries = count };
    case PLN_C128:
        return (struct typed_form){ .number = 10, .type = PLN_WIRE_FIXED64, .unit_bytes = 8, .entries = 2 * count };
    case PLN_I64: return (struct typed_form){ .number = 7, .type = PLN_WIRE_VARINT, .unit_bytes = 8, .entries = count };
    case PLN_U64:
        return (struct typed_form){ .number = 11, .type = PLN_WIRE_VARINT, .unit_bytes = 8, .entries = count };
    case PLN_U32:
        return (struct typed_form){ .number = 11, .type = PLN_WIRE_VARINT, .unit_bytes = 4, .entries = count };
    case PLN_I32: return (struct typed_form){ .number = 5, .type = PLN_WIRE_VARINT, .unit_bytes = 4, .entries = count };
    case PLN_I16:
    case PLN_U16:
    case PLN_F16:
    case PLN_BF16:
        return (struct typed_form){ .number = 5, .type = PLN_WIRE_VARINT, .unit_bytes = 2, .entries = count };
    case PLN_BOOL:
        return (struct typed_form){
            .number = 5, .type = PLN_WIRE_VARINT, .unit_bytes = 1, .entries = count, .truth = true
        };
    case PLN_I8:
    case PLN_U8:
    case PLN_F8E4M3FN:
    case PLN_F8E4M3FNUZ:
    case PLN_F8E5M2:
    case PLN_F8E5M2FNUZ:
    case PLN_F8E8M0:
        return (struct typed_form){ .number = 5, .type = PLN_WIRE_VARINT, .unit_bytes = 1, .entries = count };
    case PLN_U4:
    case PLN_I4:
    case PLN_F4E2M1:
        return (struct typed_form){
            .number = 5, .type = PLN_WIRE_VARINT, .unit_bytes = 1, .entries = count / 2 + count % 2
        };
    case PLN_U2:
    case PLN_I2:
        return (struct typed_form){
            .number = 5, .type = PLN_WIRE_VARINT, .unit_bytes = 1, .entries = count / 4 + (count % 4 != 0)
        };
    case PLN_STR:
        return (struct typed_form){
            .number = 6, .type = PLN_WIRE_BYTES, .unit_bytes = sizeof(struct pln_string), .entries = count
        };
    case PLN_DTYPE_NONE:
    case PLN_DTYPE_COUNT: break;
    }
    return (struct typed_form){ 0 };
}

static enum pln_status malformed(const struct pln_onnx_tensor *tensor, struct pln_diag *diag, const char *why)
{
    return pln_fail(diag, PLN_BAD_MODEL, "tensor '%s': %s", tensor->name, why);
}

enum pln_status pln_onnx_tensor_header(const struct pln_onnx_tensor *tensor, struct pln_diag *diag,
                                       struct pln_tensor *out_tensor)
{
    size_t size_bytes;
    int64_t count;
    memset(out_tensor, 0, sizeof *out_tensor);
    if (tensor->data_type == 0) return malformed(tensor, diag, "it has no element type");
    if (!pln_dtype_valid(tensor->data_type)) {
        const char *name = pln_onnx_data_type_name(tensor->data_type);
        return pln_fail(diag, strcmp(name, "unknown") == 0 ? PLN_BAD_MODEL : PLN_UNSUPPORTED,
                        "tensor '%s': element type %d (%s) is not one that Planish knows", tensor->name,
                        (int)tensor->data_type, name);
    }
    if (tensor->dims.count > PLN_MAX_RANK)
        return pln_fail(diag, PLN_UNSUPPORTED, "tensor '%s': it has %u dimensions, the most is %d", tensor->name,
                        tensor->dims.count, PLN_MAX_RANK);
    enum pln_dtype dtype = (enum pln_dtype)tensor->data_type;
    int rank = (int)tensor->dims.count;
    /* Half the range, so that counts of entries cannot overflow either. */
    if (!pln_shape_count(rank, tensor->dims.items, &count) || count > INT64_MAX / 32 ||
        !pln_shape_bytes(dtype, rank, tensor->dims.items, &size_bytes))
        return malformed(tensor, diag, "its dimensions are negative or too large");
    pln_tensor_init(out_tensor, dtype, rank, tensor->dims.items, NULL);
    return PLN_OK;
}

/* ---- bytes as they stand: raw_data and external data ---- */

static size_t alignment_of(enum pln_dtype dtype)
{
    switch (pln_dtype_bits(dtype)) {
    case 16: return 2;
    case 32: return 4;
    case 64: return dtype == PLN_C64 ? 4 : 8;
    case 128: return 8;
    }
    return 1;
}

/* Bits of the last byte that belong to an element; 0: all of them. */
static int used_bits(const struct pln_tensor *tensor)
{
    int bits = pln_dtype_bits(tensor->dtype);
    return bits < 8 ? (int)(pln_tensor_count(tensor) % (8 / bits)) * bits : 0;
}

/* Makes what the header promises of copied bytes: BOOL 0 or 1, no bits after the last element. */
static void canonicalize(struct pln_tensor *tensor, size_t size_bytes)
{
    uint8_t *bytes = tensor->data;
    if (tensor->dtype == PLN_BOOL) {
        for (size_t i = 0; i < size_bytes; i++) bytes[i] = bytes[i] != 0;
    }
    if (used_bits(tensor) != 0) bytes[size_bytes - 1] &= (uint8_t)((1 << used_bits(tensor)) - 1);
}

static bool is_canonical(const struct pln_tensor *tensor, const uint8_t *bytes, size_t size_bytes)
{
    uint8_t all = 0;
    if ((uintptr_t)bytes % alignment_of(tensor->dtype) != 0) return false;
    if (used_bits(tensor) != 0 && bytes[size_bytes - 1] >> used_bits(tensor) != 0) return false;
    if (tensor->dtype != PLN_BOOL) return true;
    for (size_t i = 0; i < size_bytes; i++) all |= bytes[i];
    return all <= 1;
}

static enum pln_status use_bytes(const struct pln_onnx_tensor *tensor, const uint8_t *bytes, size_t size_bytes,
                                 struct pln_arena *arena, struct pln_diag *diag, struct pln_tensor *out_tensor)
{
    if (size_bytes == 0) return PLN_OK;
    if (is_canonical(out_tensor, bytes, size_bytes)) {
        out_tensor->data = (void *)(uintptr_t)bytes; /* read-only in fact; struct pln_tensor has one kind of pointer */
        return PLN_OK;
    }
    out_tensor->data = pln_arena_copy(arena, bytes, size_bytes);
    if (!out_tensor->data) return pln_fail_memory(diag, tensor->name, size_bytes);
    canonicalize(out_tensor, size_bytes);
    return PLN_OK;
}

/* ---- typed fields ---- */

static int64_t entries_in(const struct typed_form *form, const struct pln_wire_field *field)
{
    if (field->type == form->type) return 1;
    if (form->type == PLN_WIRE_VARINT) return (int64_t)pln_wire_count_varints(field->data, field->size_bytes);
    return (int64_t)(field->size_bytes / form->unit_bytes);
}

/* The next field of this form, over all parts of the message. *span and *wire are the place. */
static bool next_field(const struct pln_onnx_tensor *tensor, const struct typed_form *form, uint32_t *span,
                       struct pln_wire *wire, struct pln_wire_field *out_field)
{
    for (;;) {
        while (pln_wire_next(wire, out_field)) {
            bool packed = form->type != PLN_WIRE_BYTES && out_field->type == PLN_WIRE_BYTES;
            if (out_field->number == form->number && (packed || out_field->type == form->type)) return true;
        }
        if (*span == tensor->spans.count) return false;
        const struct pln_string *next = &tensor->spans.items[(*span)++];
        pln_wire_init(wire, next->data, next->size_bytes);
    }
}

static enum pln_status count_entries(const struct pln_onnx_tensor *tensor, const struct typed_form *form,
                                     struct pln_diag *diag)
{
    struct pln_wire_field field;
    struct pln_wire wire;
    uint32_t span = 0;
    int64_t count = 0;
    pln_wire_init(&wire, NULL, 0);
    while (next_field(tensor, form, &span, &wire, &field)) count += entries_in(form, &field);
    if (count == form->entries) return PLN_OK;
    return pln_fail(diag, PLN_BAD_MODEL, "tensor '%s': type and shape need %lld entries, its data field has %lld",
                    tensor->name, (long long)form->entries, (long long)count);
}

/* One field to `at`, where count_entries saw to the room: returns the entries stored, -1 when it is malformed. */
static int64_t store_field(const struct typed_form *form, const struct pln_wire *outer,
                           const struct pln_wire_field *field, uint8_t *at)
{
    struct pln_wire packed;
    uint64_t value;
    int64_t count = 0;
    if (form->type == PLN_WIRE_BYTES) {
        struct pln_string string = { (const char *)field->data, field->size_bytes };
        memcpy(at, &string, sizeof string);
        return 1;
    }
    if (field->type == form->type) {
        value = form->truth ? field->value != 0 : field->value;
        memcpy(at, &value, form->unit_bytes);
        return 1;
    }
    if (form->type != PLN_WIRE_VARINT) {
        if (field->size_bytes % form->unit_bytes != 0) return -1;
        if (field->size_bytes != 0) memcpy(at, field->data, field->size_bytes);
        return (int64_t)(field->size_bytes / form->unit_bytes);
    }
    pln_wire_enter(&packed, outer, field);
    for (; pln_wire_varint(&packed, &value); count++) {
        if (form->truth) value = value != 0;
        memcpy(at + (size_t)count * form->unit_bytes, &value, form->unit_bytes);
    }
    return packed.error ? -1 : count;
}

static enum pln_status load_typed(const struct pln_onnx_tensor *tensor, const struct typed_form *form,
                                  struct pln_arena *arena, struct pln_diag *diag, struct pln_tensor *out_tensor)
{
    struct pln_wire_field field;
    struct pln_wire wire;
    uint32_t span = 0;
    PLN_TRY(count_entries(tensor, form, diag));
    if (form->entries == 0) return PLN_OK;
    uint8_t *data = pln_arena_array(arena, (size_t)form->entries, form->unit_bytes);
    if (!data) return pln_fail_memory(diag, tensor->name, (size_t)form->entries * form->unit_bytes);
    uint8_t *at = data;
    pln_wire_init(&wire, NULL, 0);
    while (next_field(tensor, form, &span, &wire, &field)) {
        int64_t stored = store_field(form, &wire, &field, at);
        if (stored < 0) return malformed(tensor, diag, "its data field is malformed");
        at += (size_t)stored * form->unit_bytes;
    }
    out_tensor->data = data;
    if (out_tensor->dtype != PLN_STR) canonicalize(out_tensor, pln_tensor_bytes(out_tensor));
    return PLN_OK;
}

enum pln_status pln_onnx_tensor_load(const struct pln_onnx_tensor *tensor, struct pln_onnx_externals *externals,
                                     struct pln_arena *arena, struct pln_diag *diag, struct pln_tensor *out_tensor)
{
    PLN_TRY(pln_onnx_tensor_header(tensor, diag, out_tensor));
    int64_t count = pln_tensor_count(out_tensor);
    size_t size_bytes = pln_tensor_bytes(out_tensor);
    if (tensor->present & PLN_ONNX_HAS_SEGMENT)
        return pln_fail(diag, PLN_UNSUPPORTED, "tensor '%s': it is a segment of a larger tensor", tensor->name);
    if (tensor->data_location != 0) {
        const uint8_t *data;
        if (tensor->data_location != 1)
            return malformed(tensor, diag, "its data_location is neither DEFAULT nor EXTERNAL");
        if (out_tensor->dtype == PLN_STR) return malformed(tensor, diag, "strings cannot be external data");
        if (size_bytes == 0) return PLN_OK;
        PLN_TRY(pln_onnx_external_find(externals, tensor, size_bytes, diag, &data));
        return use_bytes(tensor, data, size_bytes, arena, diag, out_tensor);
    }
    struct typed_form form = typed_form_of(out_tensor->dtype, count);
    if (tensor->present & PLN_ONNX_HAS_RAW_DATA &&
        (tensor->raw_data.size_bytes != 0 || !has_typed_field(tensor, form.number))) {
        if (out_tensor->dtype == PLN_STR) return malformed(tensor, diag, "strings cannot be raw_data");
        if (tensor->raw_data.size_bytes != size_bytes)
            return pln_fail(diag, PLN_BAD_MODEL, "tensor '%s': type and shape need %zu bytes, raw_data has %zu",
                            tensor->name, size_bytes, tensor->raw_data.size_bytes);
        return use_bytes(tensor, (const uint8_t *)tensor->raw_data.data, size_bytes, arena, diag, out_tensor);
    }
    return load_typed(tensor, &form, arena, diag, out_tensor);
}
