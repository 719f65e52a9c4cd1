#include "onnx/wire.h"

#define MAX_VARINT_BYTES 10
#define MAX_FIELD_NUMBER 0x1fffffff

void pln_wire_init(struct pln_wire *wire, const void *data, size_t size_bytes)
{
    static const uint8_t nothing[1];
    const uint8_t *bytes = size_bytes != 0 ? data : nothing;
    *wire = (struct pln_wire){ .at = bytes, .end = bytes + size_bytes, .file = bytes };
}

void pln_wire_enter(struct pln_wire *wire, const struct pln_wire *outer, const struct pln_wire_field *field)
{
    *wire = (struct pln_wire){ .at = field->data, .end = field->data + field->size_bytes, .file = outer->file };
}

static bool fail_at(struct pln_wire *wire, const uint8_t *place, const char *error)
{
    wire->error = error;
    wire->error_offset = (uint64_t)(place - wire->file);
    wire->at = wire->end;
    return false;
}

bool pln_wire_varint(struct pln_wire *wire, uint64_t *out_value)
{
    const uint8_t *start = wire->at;
    uint64_t value = 0;
    *out_value = 0;
    if (start == wire->end) return false;
    for (int i = 0; i < MAX_VARINT_BYTES; i++) {
        if (start + i == wire->end) return fail_at(wire, start, "a number is cut off");
        uint8_t byte = start[i];
        /* The tenth byte has room for one bit; protobuf's readers drop what is above. */
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            wire->at = start + i + 1;
            *out_value = value;
            return true;
        }
    }
    return fail_at(wire, start, "a number is longer than 10 bytes");
}

static bool read_fixed(struct pln_wire *wire, size_t size_bytes, uint64_t *out_value)
{
    *out_value = 0;
    if (wire->at == wire->end) return false;
    if ((size_t)(wire->end - wire->at) < size_bytes) return fail_at(wire, wire->at, "a number is cut off");
    for (size_t i = 0; i < size_bytes; i++) *out_value |= (uint64_t)wire->at[i] << (8 * i);
    wire->at += size_bytes;
    return true;
}

bool pln_wire_fixed32(struct pln_wire *wire, uint32_t *out_value)
{
    uint64_t value;
    bool found = read_fixed(wire, 4, &value);
    *out_value = (uint32_t)value;
    return found;
}

bool pln_wire_fixed64(struct pln_wire *wire, uint64_t *out_value)
{
    return read_fixed(wire, 8, out_value);
}

/* Inside a field the end of the message is an error, which the readers above leave to their caller. */
static bool cut_off(struct pln_wire *wire, const uint8_t *tag)
{
    return wire->error ? false : fail_at(wire, tag, "a field is cut off");
}

static bool read_bytes(struct pln_wire *wire, const uint8_t *tag, struct pln_wire_field *field)
{
    uint64_t size;
    if (!pln_wire_varint(wire, &size)) return cut_off(wire, tag);
    if (size > (uint64_t)(wire->end - wire->at))
        return fail_at(wire, tag, "a field is longer than what is left of its message");
    field->data = wire->at;
    field->size_bytes = (size_t)size;
    wire->at += size;
    return true;
}

bool pln_wire_next(struct pln_wire *wire, struct pln_wire_field *out_field)
{
    const uint8_t *tag = wire->at;
    uint64_t key;
    *out_field = (struct pln_wire_field){ .offset = (uint64_t)(tag - wire->file) };
    if (!pln_wire_varint(wire, &key)) return false;
    uint64_t number = key >> 3;
    if (number == 0 || number > MAX_FIELD_NUMBER) return fail_at(wire, tag, "a field has an impossible number");
    out_field->number = (uint32_t)number;
    switch (key & 7) {
    case PLN_WIRE_VARINT:
        out_field->type = PLN_WIRE_VARINT;
        return pln_wire_varint(wire, &out_field->value) || cut_off(wire, tag);
    case PLN_WIRE_FIXED64:
        out_field->type = PLN_WIRE_FIXED64;
        return read_fixed(wire, 8, &out_field->value) || cut_off(wire, tag);
    case PLN_WIRE_BYTES: out_field->type = PLN_WIRE_BYTES; return read_bytes(wire, tag, out_field);
    case PLN_WIRE_FIXED32:
        out_field->type = PLN_WIRE_FIXED32;
        return read_fixed(wire, 4, &out_field->value) || cut_off(wire, tag);
    case 3:
    case 4: return fail_at(wire, tag, "a field is a group, which ONNX does not use");
    }
    return fail_at(wire, tag, "a field has an impossible wire type");
}

size_t pln_wire_count_varints(const uint8_t *data, size_t size_bytes)
{
    size_t count = 0;
    for (size_t i = 0; i < size_bytes; i++) count += data[i] < 0x80;
    return count;
}
