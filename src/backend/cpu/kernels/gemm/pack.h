/* Forms of B. Packed, B[k,n] is panels of columns, one behind the other, each k rows of so many floats; what lies past n is
 * zero.
 * n16: of 16 columns, a cache line a row. All ISAs walk this form; their tiles are half a panel, one or two panels wide.
 * n24: of 24, which are the three vectors of AVX2's widest tile, and at the end one or two of 16 where that leaves none of
 * 8: 40 columns are 24 and 16, 64 are 24, 24 and 16. */
#ifndef PLN_CPU_GEMM_PACK_H
#define PLN_CPU_GEMM_PACK_H

#include "kernel/kernel.h"

#define PLN_GEMM_PANEL      16
#define PLN_GEMM_PANEL_WIDE 24

/* plain: [..., k, n]; the dims in front are packed one after the other. */
extern const struct pln_pack_format pln_pack_f32_kn_n16_v1;
extern const struct pln_pack_format pln_pack_f32_kn_n24_v1;
/* plain: [..., n, k]; the same bytes as its transpose in the forms above. */
extern const struct pln_pack_format pln_pack_f32_nk_n16_v1;
extern const struct pln_pack_format pln_pack_f32_nk_n24_v1;

/* Of a form whose widest panels have `panel` columns: */

/* The columns, of n, that lie in panels of PLN_GEMM_PANEL_WIDE. */
int64_t pln_gemm_wide_cols(int panel, int64_t n);

/* The panel that holds a column. */
struct pln_gemm_panel {
    int64_t first; /* column; k floats a column lie before it */
    int width;
};
static inline struct pln_gemm_panel pln_gemm_panel_of(int64_t wide_cols, int64_t col)
{
    if (col < wide_cols) return (struct pln_gemm_panel){ col / PLN_GEMM_PANEL_WIDE * PLN_GEMM_PANEL_WIDE, PLN_GEMM_PANEL_WIDE };
    return (struct pln_gemm_panel){ wide_cols + (col - wide_cols) / PLN_GEMM_PANEL * PLN_GEMM_PANEL, PLN_GEMM_PANEL };
}

/* All columns of the panels; false: more than a number holds. */
bool pln_gemm_panel_cols(int panel, int64_t n, int64_t *out_cols);
/* Floats of one packed matrix; the caller knows that it fits. */
int64_t pln_gemm_packed_floats(int panel, int64_t k, int64_t n);

/* Packs rows [0, k) and columns [0, n) of b, whose element strides are given. */
void pln_gemm_pack(int panel, const float *b, int64_t k_stride, int64_t n_stride, int64_t k, int64_t n, float *packed);

#endif
