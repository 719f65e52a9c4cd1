/* Copies between places that are sums of index times stride (device/move.cuh). */
#ifndef PLN_BACKEND_CUDA_KERNELS_MOVE_H
#define PLN_BACKEND_CUDA_KERNELS_MOVE_H

#include "backend/cuda/device/move_params.h"
#include "backend/cuda/kernels/walk.h"

/* Fills params for a walk of two operands, output and input, whose count of elements is n; addresses are the caller's.
 */
void pln_cuda_move_fill(struct pln_cuda_walk *walk, int64_t n, struct pln_cuda_move_params *params,
                        struct pln_prepared *out_prepared);
/* The kernel's source. */
void pln_cuda_move_emit(enum pln_dtype dtype, struct pln_text *out_source);

#endif
