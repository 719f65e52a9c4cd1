/* Forms of B. Packed, B[k,n] is panels of 16 columns, one behind the other: panel p holds k rows of 16 floats, a cache
 * line each, columns 16p to 16p + 15; what lies past n is zero. All ISAs walk this form (their tiles are half a panel,
 * one or two panels wide), so that a plan runs on each. */
#ifndef PLN_CPU_GEMM_PACK_H
#define PLN_CPU_GEMM_PACK_H

#include "kernel/kernel.h"

#define PLN_GEMM_PANEL 16

/* plain: [..., k, n]; the dims in front are packed one after the other. */
extern const struct pln_pack_format pln_pack_f32_kn_n16_v1;
/* plain: [..., n, k]; the same bytes as its transpose in the form above. */
extern const struct pln_pack_format pln_pack_f32_nk_n16_v1;

/* Floats of one packed matrix; the caller knows that it fits. */
int64_t pln_gemm_packed_floats(int64_t k, int64_t n);

/* Packs rows [0, k) and columns [0, n) of b, whose element strides are given. */
void pln_gemm_pack(const float *b, int64_t k_stride, int64_t n_stride, int64_t k, int64_t n, float *packed);

#endif
