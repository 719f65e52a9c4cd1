/* What every matrix product does: where a task lies, what becomes of a sum, products of few rows.
 *
 * Defines: PLN_T, the storage type; PLN_ACC, the type of sums (float, double, uint32_t, uint64_t); PLN_INTEGER, sums are integers that wrap, alpha and
 * beta are 1; PLN_RANK, there is a function pln_epilogue for an output of that rank. */
#ifndef PLN_CUDA_GEMM_CUH
#define PLN_CUDA_GEMM_CUH

#include "backend/cuda/device/gemm_params.h"
#include "backend/cuda/device/prelude.cuh"

/* x y + sum, rounded once. */
PLN_INLINE float pln_fma(float x, float y, float sum) { return fmaf(x, y, sum); }
PLN_INLINE double pln_fma(double x, double y, double sum) { return fma(x, y, sum); }
PLN_INLINE uint32_t pln_fma(uint32_t x, uint32_t y, uint32_t sum) { return x * y + sum; }
PLN_INLINE uint64_t pln_fma(uint64_t x, uint64_t y, uint64_t sum) { return x * y + sum; }

/* One matrix of the batch: offsets of its operands in elements. */
struct pln_gemm_place {
    int64_t a, b, out;
#ifdef PLN_RANK
    int64_t index[PLN_RANK];
#endif
};

PLN_INLINE struct pln_gemm_place pln_gemm_find(const struct pln_cuda_gemm_params *p, int64_t matrix)
{
    struct pln_gemm_place at = {};
    for (int d = p->n_batch - 1; d >= 0; d--) {
        const int64_t next = matrix / p->batch[d], index = matrix - next * p->batch[d];
        matrix = next;
        at.a += index * p->a_batch[d];
        at.b += index * p->b_batch[d];
        at.out += index * p->out_batch[d];
#ifdef PLN_RANK
#pragma unroll
        for (int i = 0; i < PLN_RANK; i++)
            if (i == d) at.index[i] = index;
#endif
    }
    return at;
}

/* The sum of a row and a column to its place. */
PLN_INLINE void pln_gemm_finish(const struct pln_cuda_gemm_params *p, const struct pln_gemm_place *at, int64_t row, int64_t col, PLN_ACC sum)
{
#ifdef PLN_INTEGER
    PLN_ACC value = sum;
    if (p->c) value += (PLN_ACC)((const PLN_T *)p->c)[row * p->c_row + col * p->c_col];
#else
    PLN_ACC value = (PLN_ACC)p->alpha * sum;
    if (p->c) value += (PLN_ACC)p->beta * (PLN_ACC)pln_value(((const PLN_T *)p->c)[row * p->c_row + col * p->c_col]);
#endif
#ifdef PLN_RANK
    int64_t index[PLN_RANK];
#pragma unroll
    for (int i = 0; i < PLN_RANK; i++) index[i] = i == p->row_axis ? row : i == p->col_axis ? col : at->index[i];
    pln_epilogue(p->operands, index, value);
#else
    pln_store((PLN_T *)p->out + at->out + row * p->out_row + col * p->out_col, value);
#endif
}

/* Sums of a block's tile, which lie in shared memory, to their places: a line a row, PLN_GEMM_LINE(columns) long. Neighbouring threads have neighbours in
 * memory. The loop is not unrolled: epilogues may be long. */
#define PLN_GEMM_LINE(columns) ((columns) + 1)
template <int M, int N> PLN_INLINE void pln_gemm_finish_tile(const struct pln_cuda_gemm_params *p, const struct pln_gemm_place *at, int64_t first_row, int64_t first_col, const PLN_ACC *sums)
{
    const bool along_rows = p->along_rows;
#pragma unroll 1
    for (int e = threadIdx.x; e < M * N; e += PLN_GEMM_THREADS) {
        const int row = along_rows ? e % M : e / N, col = along_rows ? e / M : e % N;
        if (first_row + row < p->m && first_col + col < p->n) pln_gemm_finish(p, at, first_row + row, first_col + col, sums[row * PLN_GEMM_LINE(N) + col]);
    }
}

/* ---- at most 8 rows ---- */

PLN_INLINE PLN_ACC pln_warp_sum(PLN_ACC x)
{
#pragma unroll
    for (int step = 16; step > 0; step >>= 1) x += __shfl_xor_sync(0xffffffffu, x, step);
    return x;
}

/* Sums over k = first, first + step, ... of rows times one column. Rows that are not there repeat the last one. */
template <int ROWS> PLN_INLINE void pln_skinny_rows(const struct pln_cuda_gemm_params *p, const PLN_T *a, const PLN_T *column, int64_t first, int64_t step, PLN_ACC (&sums)[PLN_GEMM_SKINNY_ROWS])
{
    const int64_t n_k = p->k, a_k = p->a_k, b_k = p->b_k;
    int64_t rows[ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; r++) rows[r] = (r < p->m ? r : p->m - 1) * p->a_row;
#pragma unroll 4
    for (int64_t k = first; k < n_k; k += step) {
        const PLN_ACC y = (PLN_ACC)pln_value(column[k * b_k]);
#pragma unroll
        for (int r = 0; r < ROWS; r++) sums[r] = pln_fma((PLN_ACC)pln_value(a[rows[r] + k * a_k]), y, sums[r]);
    }
}

PLN_INLINE void pln_skinny_sums(const struct pln_cuda_gemm_params *p, const struct pln_gemm_place *at, int64_t col, int64_t first, int64_t step, PLN_ACC (&sums)[PLN_GEMM_SKINNY_ROWS])
{
    const PLN_T *a = (const PLN_T *)p->a + at->a, *column = (const PLN_T *)p->b + at->b + col * p->b_col;
    if (p->m == 1) pln_skinny_rows<1>(p, a, column, first, step, sums);
    else if (p->m <= 4) pln_skinny_rows<4>(p, a, column, first, step, sums);
    else pln_skinny_rows<8>(p, a, column, first, step, sums);
}

typedef PLN_ACC pln_skinny_parts[PLN_GEMM_WARPS][PLN_GEMM_SKINNY_ROWS][32];

/* All tasks of a form other than PLN_GEMM_TILED: first every lane has a part of the sums of its column, then a thread has the sum of a row. */
PLN_INLINE void pln_gemm_skinny(const struct pln_cuda_gemm_params *p, pln_skinny_parts &parts)
{
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const bool along_k = p->form == PLN_GEMM_SKINNY_K;
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) {
        const int64_t matrix = task / p->tiles_n, tile = task - matrix * p->tiles_n, col = along_k ? tile * PLN_GEMM_WARPS + warp : tile * 32 + lane;
        const struct pln_gemm_place at = pln_gemm_find(p, matrix);
        PLN_ACC sums[PLN_GEMM_SKINNY_ROWS] = {}, sum = 0;
        if (col < p->n) pln_skinny_sums(p, &at, col, along_k ? lane : warp, along_k ? 32 : PLN_GEMM_WARPS, sums);
        if (along_k) {
#pragma unroll
            for (int r = 0; r < PLN_GEMM_SKINNY_ROWS; r++) {
                const PLN_ACC whole = r < p->m ? pln_warp_sum(sums[r]) : (PLN_ACC)0;
                if (lane == r) sum = whole;
            }
        } else {
#pragma unroll
            for (int r = 0; r < PLN_GEMM_SKINNY_ROWS; r++) parts[warp][r][lane] = sums[r];
            __syncthreads();
            for (int part = 0; part < PLN_GEMM_WARPS; part++) sum += parts[part][warp][lane];
            __syncthreads();
        }
        const int row = along_k ? lane : warp;
        if (row < p->m && col < p->n) pln_gemm_finish(p, &at, row, col, sum);
    }
}

#endif
