/* Protobuf's wire format, written into a growing byte buffer. As with struct pln_text itself, running out of memory
 * sets `failed`, which the caller asks once at the end.
 *
 * A message inside a message is written into a buffer of its own and added with pln_wire_put_bytes. Fields are written
 * even when they hold the default; ONNX is proto2, where presence counts. */
#ifndef PLN_ONNX_WIRE_WRITE_H
#define PLN_ONNX_WIRE_WRITE_H

#include "base/text.h"
#include "onnx/wire.h"

/* A bare varint, and a field's key. */
void pln_wire_put_varint(struct pln_text *out, uint64_t value);
void pln_wire_put_key(struct pln_text *out, uint32_t number, enum pln_wire_type type);

/* int32, int64, enum (negative numbers take ten bytes, as protobuf says). */
void pln_wire_put_int(struct pln_text *out, uint32_t number, int64_t value);
void pln_wire_put_float(struct pln_text *out, uint32_t number, float value);
void pln_wire_put_double(struct pln_text *out, uint32_t number, double value);
void pln_wire_put_bytes(struct pln_text *out, uint32_t number, const void *data, size_t size_bytes);
void pln_wire_put_string(struct pln_text *out, uint32_t number, const char *string);
/* The finished message `inner`; a failure of inner is carried over. */
void pln_wire_put_message(struct pln_text *out, uint32_t number, const struct pln_text *inner);

/* Packed repeated numbers; nothing is written when count is 0. */
void pln_wire_put_packed_ints(struct pln_text *out, uint32_t number, const int64_t *values, size_t count);
void pln_wire_put_packed_floats(struct pln_text *out, uint32_t number, const float *values, size_t count);
void pln_wire_put_packed_doubles(struct pln_text *out, uint32_t number, const double *values, size_t count);

#endif
