/* The elements of a TensorProto as a struct pln_tensor, whichever of ONNX's forms holds them: raw_data, one of the
 * typed fields, or a file beside the model. Source: the comments of TensorProto in onnx.proto (ONNX 1.23).
 *
 * The result is contiguous, row-major, little-endian as the host is; sub-byte types are packed low bits first with zero
 * bits after the last element; BOOL bytes are 0 or 1. Its data is a view of the model's (or external file's) bytes when
 * these are aligned for the element type, else a copy in the arena; strings are always views with their table in the
 * arena. data is NULL when there are no elements. */
#ifndef PLN_ONNX_TENSOR_DATA_H
#define PLN_ONNX_TENSOR_DATA_H

#include "onnx/external.h"
#include "onnx/model.h"
#include "tensor/tensor.h"

/* What a sparse tensor may become; real ones are small, and a file of 100 bytes can ask for any number. */
#define PLN_ONNX_MAX_DENSE_BYTES ((size_t)1 << 30)

/* Type and shape alone; data is NULL. Errors: PLN_BAD_MODEL (no or unknown type, negative dims, overflow),
 * PLN_UNSUPPORTED (more than PLN_MAX_RANK dims, a type that enum pln_dtype lacks). */
enum pln_status pln_onnx_tensor_header(const struct pln_onnx_tensor *tensor, struct pln_diag *diag,
                                       struct pln_tensor *out_tensor);

/* externals: the files of the model, NULL for none. Errors: those of the header; PLN_BAD_MODEL when the number of
 * elements is not what the shape says, or a field is malformed; those of pln_onnx_external_find; PLN_NO_MEMORY. Every
 * message names the tensor. */
enum pln_status pln_onnx_tensor_load(const struct pln_onnx_tensor *tensor, struct pln_onnx_externals *externals,
                                     struct pln_arena *arena, struct pln_diag *diag, struct pln_tensor *out_tensor);

/* The dense form: zeros (empty strings), with values at their indices. Indices may come in any order; the last of equal
 * ones wins. Errors as above; PLN_UNSUPPORTED past PLN_ONNX_MAX_DENSE_BYTES. */
enum pln_status pln_onnx_sparse_tensor_load(const struct pln_onnx_sparse_tensor *sparse,
                                            struct pln_onnx_externals *externals, struct pln_arena *arena,
                                            struct pln_diag *diag, struct pln_tensor *out_tensor);

#endif
