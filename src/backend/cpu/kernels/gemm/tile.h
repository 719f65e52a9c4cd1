/* The inner product of GEMM and convolution: a tile of C in registers, row by row of B.
 *
 * c[i][j] (+)= sum over k of a[i][k] b[k][j], i < rows, j < cols. The sum over k runs in order, so that an element's
 * bits do not depend on the size of the tile that it lies in. Strides in elements; c's lie side by side along j. */
#ifndef PLN_CPU_GEMM_TILE_H
#define PLN_CPU_GEMM_TILE_H

#include "backend/cpu/kernels/gemm/pack.h"
#include "backend/cpu/kernels/gemm/quantized.h"
#include "backend/cpu/kernels/vec/finish.h"
#include "backend/cpu/kernels/vec/vec.h"

struct pln_gemm_tile {
    const float *a;
    int64_t a_stride; /* from row to row */
    const int32_t *offsets; /* of the elements of a row, and B in panels; NULL: they lie side by side */
    /* The row's first vector and, where cols is more than that, its second; both may be read whole. Three vectors lie side by side in panels of
     * PLN_GEMM_PANEL_WIDE. */
    const float *b, *b_second;
    int64_t b_stride;
    float *c;
    int64_t c_stride;
    int64_t k;
    int rows, cols; /* 1..isa's, or wide_rows and PLN_GEMM_PANEL_WIDE; nothing past them is written */
    int64_t strips; /* of so many rows, one below the other, that meet the same B; what 0 says is one */
    bool add;       /* to what c holds */
    struct pln_vec_finish finish; /* then, rows and columns those of c */
    /* Memory to bring to the second cache meanwhile: a cache line of each, or two, every eight steps of k, then ahead_step
     * bytes on. Any addresses. */
    const char *ahead[2];
    int64_t ahead_step;
};

/* The largest rows and cols: 6 x 8, 6 x 16 and 4 x 24, 14 x 32. */
void pln_gemm_tile_portable(const struct pln_gemm_tile *tile);
void pln_gemm_tile_avx2(const struct pln_gemm_tile *tile);
void pln_gemm_tile_avx512(const struct pln_gemm_tile *tile);

/* Few rows of A meet several panels of B side by side: memory delivers several streams faster than one (an AMD EPYC of Zen
 * 2: 13 GB/s one, 18 GB/s two or four). The sums are those of the tile, to the bit. */
#define PLN_GEMM_FEW_ROWS 3
/* Panels of three vectors are sums enough at three rows. */
static inline int pln_gemm_few_panels(int rows, bool wide)
{
    return rows == 1 ? 4 : wide && rows == 3 ? 1 : 2;
}
struct pln_gemm_few {
    const float *a;
    int64_t a_stride;
    const float *b;
    int64_t panel; /* floats from a panel to the next */
    bool wide;     /* panels of PLN_GEMM_PANEL_WIDE columns: where the isa has wide_rows */
    float *c;      /* as many columns as the panels have */
    int64_t c_stride;
    int64_t k;
    int rows;
    bool add; /* to what c holds */
};
void pln_gemm_few_portable(const struct pln_gemm_few *few);
void pln_gemm_few_avx2(const struct pln_gemm_few *few);
void pln_gemm_few_avx512(const struct pln_gemm_few *few);

struct pln_gemm_isa {
    void (*tile)(const struct pln_gemm_tile *tile);
    void (*few)(const struct pln_gemm_few *few);
    void (*quantized_few)(const struct pln_gemm_quantized_few *few);
    void (*quantized_unpack)(const struct pln_gemm_quantized *w, int64_t panel, int64_t k0, int64_t kn, float *to);
    int rows, cols; /* of a tile of two vectors */
    int wide_rows;  /* of one of three, whose panels have PLN_GEMM_PANEL_WIDE columns; 0: none */
    int depth; /* rows of B that are worked on at a time */
    const struct pln_vec_isa *vec;
};
/* The widest panels that are walked. */
static inline int pln_gemm_isa_panel(const struct pln_gemm_isa *isa)
{
    return isa->wide_rows > 0 ? PLN_GEMM_PANEL_WIDE : PLN_GEMM_PANEL;
}
/* Of each ISA: the rows' inner function gives it. */
const struct pln_gemm_isa *pln_gemm_isa_portable(void);
const struct pln_gemm_isa *pln_gemm_isa_avx2(void);
const struct pln_gemm_isa *pln_gemm_isa_avx2_wide(void);
const struct pln_gemm_isa *pln_gemm_isa_avx512(void);

#endif
