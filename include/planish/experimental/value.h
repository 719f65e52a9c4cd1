/* Values of any kind on the host: tensors, strings, sequences, optionals. Still moving: may change in any version. */
#ifndef PLANISH_EXPERIMENTAL_VALUE_H
#define PLANISH_EXPERIMENTAL_VALUE_H

#include "planish/context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One value with all that it holds. Not thread-safe. Elements of string tensors are struct pln_string. */
typedef struct pln_host_value pln_host_value;

/* Reads a TensorProto, SequenceProto, MapProto or OptionalProto (`kind` says which), as the ONNX backend tests store them. */
PLN_API PLN_MUST_USE enum pln_status pln_host_value_read_pb(const char *path, enum pln_value_kind kind, pln_diagnostics *diagnostics, pln_host_value **out_value);
/* Reads a .npy file. */
PLN_API PLN_MUST_USE enum pln_status pln_host_value_read_npy(const char *path, pln_diagnostics *diagnostics, pln_host_value **out_value);
/* The array of that name in a .npz file. NULL or a file of one array: its first. PLN_NOT_FOUND: it has none of that name; the text lists some. */
PLN_API PLN_MUST_USE enum pln_status pln_host_value_read_npz(const char *path, const char *name, pln_diagnostics *diagnostics, pln_host_value **out_value);
PLN_API PLN_MUST_USE enum pln_status pln_host_value_write_npy(const pln_host_value *value, const char *path, pln_diagnostics *diagnostics);
/* A copy of the buffer, row-major, with the bytes of strings. */
PLN_API PLN_MUST_USE enum pln_status pln_host_value_from_buffer(const struct pln_buffer *buffer, pln_host_value **out_value);
/* A tensor of strings: a copy of texts that end with a zero byte, as many as the dims say. PLN_INVALID_ARGUMENT: a text is NULL, or dims are no shape. */
PLN_API PLN_MUST_USE enum pln_status pln_host_value_from_texts(const char *const *texts, int rank, const int64_t *dims, pln_host_value **out_value);
/* A sequence without elements. dtype: of the tensors that it will have; PLN_DTYPE_NONE: that of the first one. */
PLN_API PLN_MUST_USE enum pln_status pln_host_value_new_sequence(enum pln_dtype dtype, pln_host_value **out_value);
/* A copy of the element becomes the sequence's last. PLN_INVALID_ARGUMENT: `sequence` is none, or the element is a tensor of another type or of another kind than the
 * others. A sequence that is bound may grow between two runs. */
PLN_API PLN_MUST_USE enum pln_status pln_host_value_append(pln_host_value *sequence, const pln_host_value *element);
/* An optional with a copy of the element; NULL: an empty one, of tensors of type dtype (which is ignored otherwise). */
PLN_API PLN_MUST_USE enum pln_status pln_host_value_new_optional(const pln_host_value *element, enum pln_dtype dtype, pln_host_value **out_value);
/* A map: keys (PLN_I64 or PLN_STR) and as many numbers or strings, both of rank 1, copied. PLN_INVALID_ARGUMENT: they are not that. */
PLN_API PLN_MUST_USE enum pln_status pln_host_value_new_map(const struct pln_buffer *keys, const struct pln_buffer *values, pln_host_value **out_value);
PLN_API void pln_host_value_destroy(pln_host_value *value); /* NULL is fine */
PLN_API enum pln_value_kind pln_host_value_kind(const pln_host_value *value);
/* A tensor's buffer, valid as long as the value. PLN_INVALID_ARGUMENT: it is no tensor. */
PLN_API PLN_MUST_USE enum pln_status pln_host_value_buffer(const pln_host_value *value, struct pln_buffer *out_buffer);
/* How many elements a sequence has, how many entries a map, 0 or 1 of an optional; of a tensor its elements. */
PLN_API int64_t pln_host_value_count(const pln_host_value *value);
/* A copy of what is at `index` of a sequence or an optional, or of the value of a map's entry, of whatever kind. PLN_NOT_FOUND: there is none; PLN_INVALID_ARGUMENT: it
 * is a tensor. */
PLN_API PLN_MUST_USE enum pln_status pln_host_value_element(const pln_host_value *value, int64_t index, pln_host_value **out_element);
/* The same without a copy, if it is a tensor: its buffer, valid as long as the value. PLN_INVALID_ARGUMENT: what is there is none. */
PLN_API PLN_MUST_USE enum pln_status pln_host_value_element_buffer(const pln_host_value *value, int64_t index, struct pln_buffer *out_buffer);
/* The keys of a map, in the order of its entries, valid as long as the value. PLN_INVALID_ARGUMENT: it is no map. */
PLN_API PLN_MUST_USE enum pln_status pln_host_value_keys(const pln_host_value *value, struct pln_buffer *out_buffer);
/* "f32[2,3]", "sequence of 3: …", into the caller's buffer. */
PLN_API const char *pln_host_value_describe(const pln_host_value *value, char *buffer, size_t buffer_bytes);

/* Binds a value of any kind; it must outlive the runs. Errors: those of pln_context_bind_input; PLN_INVALID_ARGUMENT also for a value of another kind than the input. What is
 * in an optional may stand for it. */
PLN_API PLN_MUST_USE enum pln_status pln_context_bind_value(pln_context *context, const char *name, const pln_host_value *value);
/* A copy of an output of any kind. */
PLN_API PLN_MUST_USE enum pln_status pln_context_output_value(pln_context *context, const char *name, pln_host_value **out_value);

struct pln_comparison {
    double rtol, atol;  /* |a-b| <= atol + rtol*|b| */
    double max_rel_err; /* > 0: judge floats by max|a-b| / max|b| over a whole tensor instead */
};
/* got against want: kinds, types and shapes equal, integers and strings exact, NaN equal to NaN. Returns 1 when equal; else 0 and one line of why. max_rel
 * (may be NULL): largest max|a-b| / max|b| seen. */
PLN_API int pln_host_value_compare(const pln_host_value *got, const pln_host_value *want, const struct pln_comparison *how, char *why, size_t why_bytes, double *max_rel);

#ifdef __cplusplus
}
#endif
#endif
