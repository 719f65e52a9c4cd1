/* GEMM in f32: op matmul, and op gemm with alpha, beta and C.
 *
 * tile: rows and columns of the register tile; tile[2] 1: B is taken transposed, [n,k] (op gemm with transB=1).
 * inputs: A [..., m, k], B [..., k, n] (packed or plain), gemm: C, then the epilogue's. All strides are taken. micro: a
 * pln_gemm_isa_… */
#ifndef PLN_CPU_GEMM_H
#define PLN_CPU_GEMM_H

#include "backend/cpu/kernels/gemm/block.h"

extern const struct pln_kernel_family pln_cpu_gemm;
/* Op MATMUL_BLOCKS: B of 4 or 8 bits (quantized.h). */
extern const struct pln_kernel_family pln_cpu_gemm_blocks;

/* The rows' inner function. */
typedef const struct pln_gemm_isa *(*pln_gemm_isa_fn)(void);

#endif
