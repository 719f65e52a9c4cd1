/* The bytes of a .npy file, piece by piece, for files and for members of .npz. Internal to tensor/. */
#ifndef PLN_TENSOR_NPY_WRITE_H
#define PLN_TENSOR_NPY_WRITE_H

#include "tensor/tensor.h"

typedef enum pln_status (*pln_npy_sink)(void *user, const void *data, size_t size_bytes);

/* As pln_npy_write, to a sink; stops at the first status that is not PLN_OK and returns it. */
enum pln_status pln_npy_emit(const struct pln_tensor *tensor, const struct pln_allocator *alloc, struct pln_diag *diag,
                             pln_npy_sink sink, void *user);

#endif
