#include "onnx/wire_write.h"

void pln_wire_put_varint(struct pln_text *out, uint64_t value)
{
    char bytes[10];
    size_t size = 0;
    while (value >= 0x80) {
        bytes[size++] = (char)(value | 0x80);
        value >>= 7;
    }
    bytes[size++] = (char)value;
    pln_text_append(out, bytes, size);
}

static void put_fixed(struct pln_text *out, uint64_t bits, size_t size_bytes)
{
    char bytes[8];
    for (size_t i = 0; i < size_bytes; i++) bytes[i] = (char)(bits >> (8 * i));
    pln_text_append(out, bytes, size_bytes);
}

static uint64_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static uint64_t double_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

void pln_wire_put_key(struct pln_text *out, uint32_t number, enum pln_wire_type type)
{
    pln_wire_put_varint(out, (uint64_t)number << 3 | (uint64_t)type);
}

void pln_wire_put_int(struct pln_text *out, uint32_t number, int64_t value)
{
    pln_wire_put_key(out, number, PLN_WIRE_VARINT);
    pln_wire_put_varint(out, (uint64_t)value);
}

void pln_wire_put_float(struct pln_text *out, uint32_t number, float value)
{
    pln_wire_put_key(out, number, PLN_WIRE_FIXED32);
    put_fixed(out, float_bits(value), 4);
}

void pln_wire_put_double(struct pln_text *out, uint32_t number, double value)
{
    pln_wire_put_key(out, number, PLN_WIRE_FIXED64);
    put_fixed(out, double_bits(value), 8);
}

void pln_wire_put_bytes(struct pln_text *out, uint32_t number, const void *data, size_t size_bytes)
{
    pln_wire_put_key(out, number, PLN_WIRE_BYTES);
    pln_wire_put_varint(out, size_bytes);
    if (size_bytes != 0) pln_text_append(out, data, size_bytes);
}

void pln_wire_put_string(struct pln_text *out, uint32_t number, const char *string)
{
    pln_wire_put_bytes(out, number, string, strlen(string));
}

void pln_wire_put_message(struct pln_text *out, uint32_t number, const struct pln_text *inner)
{
    if (inner->failed) out->failed = true;
    pln_wire_put_bytes(out, number, inner->data, inner->size_bytes);
}

static size_t varint_bytes(uint64_t value)
{
    size_t size = 1;
    for (; value >= 0x80; value >>= 7) size++;
    return size;
}

void pln_wire_put_packed_ints(struct pln_text *out, uint32_t number, const int64_t *values, size_t count)
{
    size_t size = 0;
    if (count == 0) return;
    for (size_t i = 0; i < count; i++) size += varint_bytes((uint64_t)values[i]);
    pln_wire_put_key(out, number, PLN_WIRE_BYTES);
    pln_wire_put_varint(out, size);
    for (size_t i = 0; i < count; i++) pln_wire_put_varint(out, (uint64_t)values[i]);
}

void pln_wire_put_packed_floats(struct pln_text *out, uint32_t number, const float *values, size_t count)
{
    if (count == 0) return;
    pln_wire_put_key(out, number, PLN_WIRE_BYTES);
    pln_wire_put_varint(out, count * 4);
    for (size_t i = 0; i < count; i++) put_fixed(out, float_bits(values[i]), 4);
}

void pln_wire_put_packed_doubles(struct pln_text *out, uint32_t number, const double *values, size_t count)
{
    if (count == 0) return;
    pln_wire_put_key(out, number, PLN_WIRE_BYTES);
    pln_wire_put_varint(out, count * 8);
    for (size_t i = 0; i < count; i++) put_fixed(out, double_bits(values[i]), 8);
}
