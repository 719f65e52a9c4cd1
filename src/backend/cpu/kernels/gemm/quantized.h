/* Weights of 4 or 8 bits in a product: w[n,k] stands for (w - offset) scale, with an offset and a scale for every `block` rows of k of a column.
 *
 * Packed they are panels of 16 columns, one behind the other, as those of f32 (pack.h): a panel's row holds 16 numbers. Of 8 bits they are 16
 * bytes; of 4 bits 8, where byte j holds column j in its low half and column j + 8 in its high one. What lies past n is zero. */
#ifndef PLN_CPU_GEMM_QUANTIZED_H
#define PLN_CPU_GEMM_QUANTIZED_H

#include "backend/cpu/kernels/gemm/pack.h"

/* plain: [n,k] of u4 or u8. */
extern const struct pln_pack_format pln_pack_blocks_nk_n16_v1;

struct pln_gemm_quantized {
    const uint8_t *panels; /* NULL: the weights are f32 */
    int bits;              /* 4, 8 */
    int64_t n, k, block;
    const float *scale, *offset; /* [blocks,n]: strides from row to row, in elements */
    int64_t scale_row, offset_row;
};

/* Few rows meet numbers that are taken apart in registers; for more of them a piece of the weights becomes f32 panels. */
#define PLN_GEMM_QUANTIZED_ROWS 4
/* c[rows, 16 panels] = a[rows, k] w, for panels [first, first + panels) of w; columns past n are not written. A block's sum is scaled as a whole. */
struct pln_gemm_quantized_few {
    const struct pln_gemm_quantized *w;
    int64_t first, panels;
    const float *a;
    int64_t a_row;
    int rows; /* 1..PLN_GEMM_QUANTIZED_ROWS */
    float *c;
    int64_t c_row;
};
void pln_gemm_quantized_few_portable(const struct pln_gemm_quantized_few *few);
void pln_gemm_quantized_few_avx2(const struct pln_gemm_quantized_few *few);
void pln_gemm_quantized_few_avx512(const struct pln_gemm_quantized_few *few);

/* Rows [k0, k0 + kn) of a panel as floats, 16 a row. */
void pln_gemm_quantized_unpack_portable(const struct pln_gemm_quantized *w, int64_t panel, int64_t k0, int64_t kn, float *to);
void pln_gemm_quantized_unpack_avx2(const struct pln_gemm_quantized *w, int64_t panel, int64_t k0, int64_t kn, float *to);
void pln_gemm_quantized_unpack_avx512(const struct pln_gemm_quantized *w, int64_t panel, int64_t k0, int64_t kn, float *to);

/* NULL, or why inputs 1 to 3 of this launch of matmul_blocks do not fit. */
const char *pln_gemm_quantized_read(const struct pln_launch *launch, struct pln_gemm_quantized *out);

#endif
