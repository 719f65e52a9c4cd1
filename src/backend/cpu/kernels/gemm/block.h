/* One block of a product: what a thread computes at a time in GEMM and convolution.
 *
 * C[rows, cols] = A[rows, k] B[k, cols], then the epilogue, while C is in the cache. A and B come from memory as they
 * lie, or piece by piece through a function (patches of an image). k is cut into pieces of at most pln_gemm_depth, the
 * same for every block, so that the sums do not depend on how C is cut.
 *
 * The order is that of Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (ACM TOMS 34, 2008):
 * for each piece of k the rows of A stay in the second cache; a panel of B is brought from memory once, while the one
 * before it is worked on, and meets all of them. */
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
    /* B: panels (for the whole of k), or strides, or rows [k0, k0 + kn) of all columns written as panels of kn rows, of
     * PLN_GEMM_PANEL. */
    const float *panels;
    int64_t panel_col; /* column of the panels that is the block's first; a panel's row behind them may be read */
    int64_t wide_cols; /* of the panels, in those of PLN_GEMM_PANEL_WIDE: none where the isa has no such tile */
    const float *b;
    int64_t b_row, b_col;
    void (*fill_b)(const void *user, int64_t k0, int64_t kn, float *to);
    const void *user;
    float *c;
    int64_t c_row; /* columns lie side by side */
    struct pln_epilogue_run *epilogue; /* as wide as pln_gemm_epilogue_cols says */
    float *scratch_a, *scratch_b;
};

/* Rows of B, and columns of A, that are worked on at a time. */
int64_t pln_gemm_depth(const struct pln_gemm_isa *isa, int64_t k);
/* Floats of scratch_a, for blocks of at most rows rows; of scratch_b, of at most cols columns, when B is not packed. */
int64_t pln_gemm_scratch_a(const struct pln_gemm_isa *isa, int64_t rows, int64_t k);
int64_t pln_gemm_scratch_b(const struct pln_gemm_isa *isa, int64_t k, int64_t cols);
/* Columns that the epilogue meets while they are in the second cache. */
#define PLN_GEMM_EPILOGUE_COLS 96 /* whole tiles of all widths */
/* Elements that the epilogue gets at a time, of a row of cols columns or of several. */
int64_t pln_gemm_epilogue_cols(int64_t cols);
void pln_gemm_block_run(const struct pln_gemm_block *block);

/* Copies the block's C to memory of any strides, from element `at` on, as f32 or as bools. */
void pln_gemm_block_store(const struct pln_gemm_block *block, void *to, int64_t at, bool is_bool, int64_t row_stride,
                          int64_t col_stride);

/* How `outer` products C[m,n] are cut into tasks: rows by rows, cols by cols. Tasks are numbered along the columns
 * first, so that those that one thread takes in a row share the rows of A. */
struct pln_gemm_cut {
    int64_t m, n;
    int64_t rows, cols; /* of a task */
    int64_t n_row_blocks, n_col_blocks;
    int64_t cols_most; /* of a block: of several tasks side by side */
};
/* panel: columns of the widest panels. packed: B comes in them and costs nothing to begin with. in_place: so does A. */
struct pln_gemm_cut pln_gemm_cut_of(const struct pln_gemm_isa *isa, int panel, int64_t m, int64_t n, int64_t k, bool packed, bool in_place);
/* Are blocks with these strides of A computed from it as it lies? */
bool pln_gemm_reads_a_in_place(int64_t a_row, int64_t a_col);
/* Tasks of one product. */
int64_t pln_gemm_tasks(const struct pln_gemm_cut *cut);
/* Tasks worth handing to a thread at a time. */
int64_t pln_gemm_grain(const struct pln_gemm_cut *cut, int64_t k);

/* What is computed as one block: the first of tasks [task, last) that lie side by side. */
struct pln_gemm_span {
    int64_t outer, row, rows, col, cols;
    int64_t tasks; /* that it stands for */
};
struct pln_gemm_span pln_gemm_span_of(const struct pln_gemm_cut *cut, int64_t task, int64_t last);

#endif
