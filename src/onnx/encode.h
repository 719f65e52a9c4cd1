/* The structs of model.h to protobuf's wire format, by the same tables that decode them (messages.h).
 *
 * A number is written when it is not zero, a text when it is not empty; what depends on `present` or on the kind of a oneof is written when that says
 * so. A tensor with spans is written as those bytes, whatever else it has. Fields that the structs do not keep are not written. */
#ifndef PLN_ONNX_ENCODE_H
#define PLN_ONNX_ENCODE_H

#include "onnx/messages.h"

/* Takes the bytes in order. */
struct pln_onnx_sink {
    enum pln_status (*write)(void *user, const void *data, size_t size_bytes);
    void *user;
};

/* Bytes that the object takes. */
uint64_t pln_onnx_encoded_bytes(const struct pln_onnx_message *message, const void *object);
/* The status is the sink's. Time: the bytes, and once more the number of fields for each level of nesting. */
enum pln_status pln_onnx_encode(const struct pln_onnx_message *message, const void *object, const struct pln_onnx_sink *sink);

#endif
