/* NumPy files: .npy (format 1.0 to 3.0, numpy.lib.format) and .npz (zip, stored or deflated members as numpy.savez writes).
 * Everything read is hostile. */
#ifndef PLN_TENSOR_NPY_H
#define PLN_TENSOR_NPY_H

#include "base/file.h"
#include "tensor/tensor.h"

/* Parses a .npy image; data of C-ordered little-endian arrays is a view of it, else a copy in the arena. bf16 and smaller
 * types that NumPy does not have are read from dtypes 'V2'… only with a hint and so are PLN_UNSUPPORTED here. */
enum pln_status pln_npy_read(const void *data, size_t size_bytes, struct pln_arena *arena, struct pln_diag *diag, struct pln_tensor *out_tensor);
/* Writes a .npy (format 1.0, C order) of a contiguous tensor; bf16, f8 and sub-byte types are widened to f32 / i8 / u8. */
enum pln_status pln_npy_write(const char *path, const struct pln_tensor *tensor, const struct pln_allocator *alloc, struct pln_diag *diag);

#endif
