/* One block of a product: what a task of GEMM or convolution computes.
 *
 * C[rows, cols] = A[rows, k] B[k, cols], then the epilogue, row by row, while C is in the cache. A and B come from
 * memory as they lie, or piece by piece through a function (patches of an image). k is cut into pieces of at most
 * pln_gemm_depth(k), the same for every block, so that the sums do not depend on how C is cut. */
#ifndef PLN_CPU_GEMM_BLOCK_H
#define PLN_CPU_GEMM_BLOCK_H

#include "backend/cpu/kernels/gemm/pack.h"
#include "backend/cpu/kernels/gemm/tile.h"
#include "backend/cpu/kernels/vec/epilogue.h"

struct pln_gemm_block {
    const struct pln_gemm_isa *isa;
    int64_t rows, cols, k;
    /* A: strides, or rows [row, row + n) and columns [k0, k0 + kn) of it written as rows of kn floats. */
    const float *a;
    int64_t a_row, a_col;
    void (*fill_a)(const void *user, int64_t row, int64_t n, int64_t k0, int64_t kn, float *to);
    /* B: panels (PLN_GEMM_PANEL, for the whole of k), or strides, or rows [k0, k0 + kn) of all columns written as
     * panels of kn rows. */
    const float *panels;
    int64_t panel_col; /* column of the panels that is the block's first; 31 floats behind the panels may be read */
    const float *b;
    int64_t b_row, b_col;
    void (*fill_b)(const void *user, int64_t k0, int64_t kn, float *to);
    const void *user;
    bool b_ready; /* scratch_b holds this B from the block before */
    float *c;
    int64_t c_row; /* columns lie side by side */
    struct pln_epilogue_run *epilogue;
    float *scratch_a, *scratch_b;
};

/* Rows of B, and columns of A, that are worked on at a time. */
int64_t pln_gemm_depth(int64_t k);
/* Floats of scratch_a; of scratch_b for blocks of at most cols columns when B is not packed. */
int64_t pln_gemm_scratch_a(const struct pln_gemm_isa *isa, int64_t k);
int64_t pln_gemm_scratch_b(int64_t k, int64_t cols);
void pln_gemm_block_run(const struct pln_gemm_block *block);

/* Copies the block's C to memory of any strides, as f32 or as bools. */
void pln_gemm_block_store(const struct pln_gemm_block *block, void *to, bool is_bool, int64_t row_stride,
                          int64_t col_stride);

/* How C[m,n] is cut. */
struct pln_gemm_cut {
    int64_t rows, cols; /* of a block */
    int64_t n_row_blocks, n_col_blocks;
};
/* packed: B comes in panels and costs nothing to begin with. */
struct pln_gemm_cut pln_gemm_cut_of(const struct pln_gemm_isa *isa, int64_t m, int64_t n, int64_t k, bool packed);

#endif
