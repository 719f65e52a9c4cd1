/* Element types, shapes, allocator: what every other public header speaks of. */
#ifndef PLANISH_TYPES_H
#define PLANISH_TYPES_H

#include <stddef.h>
#include <stdint.h>

#include "planish/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Element types. The numbers are those of ONNX's TensorProto.DataType and never change.
 * One line a type: enum, value, name in texts and files, bits an element (strings: size of struct pln_string). */
#define PLN_DTYPE_LIST(X)        \
    X(PLN_F32, 1, "f32", 32)     \
    X(PLN_U8, 2, "u8", 8)        \
    X(PLN_I8, 3, "i8", 8)        \
    X(PLN_U16, 4, "u16", 16)     \
    X(PLN_I16, 5, "i16", 16)     \
    X(PLN_I32, 6, "i32", 32)     \
    X(PLN_I64, 7, "i64", 64)     \
    X(PLN_STR, 8, "str", 128)    \
    X(PLN_BOOL, 9, "bool", 8)    \
    X(PLN_F16, 10, "f16", 16)    \
    X(PLN_F64, 11, "f64", 64)    \
    X(PLN_U32, 12, "u32", 32)    \
    X(PLN_U64, 13, "u64", 64)    \
    X(PLN_C64, 14, "c64", 64)    \
    X(PLN_C128, 15, "c128", 128) \
    X(PLN_BF16, 16, "bf16", 16)  \
    X(PLN_F8E4M3FN, 17, "f8e4m3fn", 8)     \
    X(PLN_F8E4M3FNUZ, 18, "f8e4m3fnuz", 8) \
    X(PLN_F8E5M2, 19, "f8e5m2", 8)         \
    X(PLN_F8E5M2FNUZ, 20, "f8e5m2fnuz", 8) \
    X(PLN_U4, 21, "u4", 4)       \
    X(PLN_I4, 22, "i4", 4)       \
    X(PLN_F4E2M1, 23, "f4e2m1", 4)   \
    X(PLN_F8E8M0, 24, "f8e8m0", 8)   \
    X(PLN_U2, 25, "u2", 2)       \
    X(PLN_I2, 26, "i2", 2)

enum pln_dtype {
    PLN_DTYPE_NONE = 0,
#define X(name, value, text, bits) name = value,
    PLN_DTYPE_LIST(X)
#undef X
    PLN_DTYPE_COUNT = 27
};

/* Sub-byte types are packed little end first, as ONNX packs them: element 0 is in the low bits of byte 0.
 * Bytes of a contiguous tensor = ceil(elements * bits / 8). */

/* The most dimensions that a tensor can have. */
#define PLN_MAX_RANK 16

/* One element of a PLN_STR tensor: UTF-8, not terminated, may hold zero bytes. */
struct pln_string {
    const char *data;
    size_t size_bytes;
};

/* Name of a type, static: "f32"; "none" for PLN_DTYPE_NONE or an unknown number. */
PLN_API const char *pln_dtype_name(enum pln_dtype dtype);

/* Bits of one element; 0 for PLN_DTYPE_NONE or an unknown number. */
PLN_API int pln_dtype_bits(enum pln_dtype dtype);

/* What an attribute of a node holds. */
enum pln_attribute_kind {
    PLN_ATTRIBUTE_INT,
    PLN_ATTRIBUTE_FLOAT,
    PLN_ATTRIBUTE_STRING,
    PLN_ATTRIBUTE_INTS,
    PLN_ATTRIBUTE_FLOATS,
    PLN_ATTRIBUTE_STRINGS,
    PLN_ATTRIBUTE_TENSOR,
    PLN_ATTRIBUTE_BODY
};

/* Where the library gets its memory. alloc returns size_bytes aligned to align (a power of two, at least 1), or NULL.
 * release takes what alloc gave, with the same size. Both may be called from several threads. size_bytes is never 0. */
struct pln_allocator {
    void *user;
    void *(*alloc)(void *user, size_t size_bytes, size_t align);
    void (*release)(void *user, void *memory, size_t size_bytes);
};

/* How much a message matters. */
enum pln_log_level { PLN_LOG_ERROR = 0, PLN_LOG_WARNING, PLN_LOG_INFO, PLN_LOG_VERBOSE };

/* Receives one line of text without a newline. May be called from any thread that calls the library. */
struct pln_logger {
    void *user;
    void (*log)(void *user, enum pln_log_level level, const char *text);
};

#ifdef __cplusplus
}
#endif
#endif
