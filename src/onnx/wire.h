/* Protobuf's wire format, read from memory. Source: "Encoding", protobuf.dev/programming-guides/encoding.
 *
 * Every read is bounded by the message's end and nothing is copied. Groups (wire types 3 and 4, gone from the language
 * since 2008, never used by ONNX) are errors; so are field number 0, varints of more than 10 bytes and lengths past the
 * end. Nesting is the caller's to count. */
#ifndef PLN_ONNX_WIRE_H
#define PLN_ONNX_WIRE_H

#include "base/base.h"

enum pln_wire_type { PLN_WIRE_VARINT = 0, PLN_WIRE_FIXED64 = 1, PLN_WIRE_BYTES = 2, PLN_WIRE_FIXED32 = 5 };

/* One message being read, or one packed field. */
struct pln_wire {
    const uint8_t *at, *end;
    const uint8_t *file;   /* first byte of the file, so that errors tell offsets in it */
    const char *error;     /* static text of the first error, or NULL; nothing more is read after it */
    uint64_t error_offset; /* bytes from the start of the file to where the error stands */
};

struct pln_wire_field {
    uint32_t number;
    enum pln_wire_type type;
    uint64_t value;      /* VARINT, FIXED64, FIXED32: the bits */
    const uint8_t *data; /* BYTES */
    size_t size_bytes;
    uint64_t offset; /* of the field's tag, from the start of the file */
};

void pln_wire_init(struct pln_wire *wire, const void *data, size_t size_bytes);
/* The inside of a BYTES field of `outer`: a message or a packed field. */
void pln_wire_enter(struct pln_wire *wire, const struct pln_wire *outer, const struct pln_wire_field *field);

/* The next field. false: the end of the message (error is NULL), or an error. */
bool pln_wire_next(struct pln_wire *wire, struct pln_wire_field *out_field);

/* The next element of a packed field; false as above. */
bool pln_wire_varint(struct pln_wire *wire, uint64_t *out_value);
bool pln_wire_fixed32(struct pln_wire *wire, uint32_t *out_value);
bool pln_wire_fixed64(struct pln_wire *wire, uint64_t *out_value);

/* Elements in a packed field of varints: bytes that end one. Says nothing about whether they are well-formed. */
size_t pln_wire_count_varints(const uint8_t *data, size_t size_bytes);

static inline float pln_wire_float(uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof value);
    return value;
}
static inline double pln_wire_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
