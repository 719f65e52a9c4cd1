/* Products of tiles in shared memory by fused multiply-adds: 256 threads, each with PLN_TILE_M / 16 rows times PLN_TILE_N / 16 columns.
 *
 * Defines: PLN_ACC, PLN_TILE_M, PLN_TILE_N, PLN_TILE_K. Tiles hold values in the type of the sums, k by k; lines are longer by PLN_TILE_PAD elements than they
 * need be, so that stores along k do not all meet the same bank. PLN_TF32: on tensor cores, values rounded to tf32 (tile_tf32.cuh has the same functions). */
#ifndef PLN_CUDA_TILE_CUH
#define PLN_CUDA_TILE_CUH

#define PLN_TILE_ROWS (PLN_TILE_M / 16)
#define PLN_TILE_COLS (PLN_TILE_N / 16)
#ifdef PLN_TF32
#define PLN_TILE_PAD 8
#else
#define PLN_TILE_PAD 4
#endif

struct pln_tiles {
    alignas(16) PLN_ACC a[2][PLN_TILE_K][PLN_TILE_M + PLN_TILE_PAD];
    alignas(16) PLN_ACC b[2][PLN_TILE_K][PLN_TILE_N + PLN_TILE_PAD];
};

/* Element number i of a thread in a tile of X by PLN_TILE_K. */
template <int X> PLN_INLINE void pln_tile_element(bool along_k, int i, int *x, int *k)
{
    const int e = i * 256 + threadIdx.x;
    *x = along_k ? e / PLN_TILE_K : e % X;
    *k = along_k ? e % PLN_TILE_K : e / X;
}

#ifdef PLN_TF32
#include "backend/cuda/device/tile_tf32.cuh"
#else

/* What a tile holds of a value. */
template <typename T> PLN_INLINE T pln_tile_value(T x)
{
    return x;
}

/* sums += a b; thread's rows start at row, its columns at col. */
PLN_INLINE void pln_tile_multiply(const PLN_ACC (&a)[PLN_TILE_K][PLN_TILE_M + PLN_TILE_PAD], const PLN_ACC (&b)[PLN_TILE_K][PLN_TILE_N + PLN_TILE_PAD], int row, int col,
                                  PLN_ACC (&sums)[PLN_TILE_ROWS][PLN_TILE_COLS])
{
#pragma unroll
    for (int k = 0; k < PLN_TILE_K; k++) {
        PLN_ACC x[PLN_TILE_ROWS], y[PLN_TILE_COLS];
#pragma unroll
        for (int i = 0; i < PLN_TILE_ROWS; i++) x[i] = a[k][row + i];
#pragma unroll
        for (int j = 0; j < PLN_TILE_COLS; j++) y[j] = b[k][col + j];
#pragma unroll
        for (int i = 0; i < PLN_TILE_ROWS; i++)
#pragma unroll
            for (int j = 0; j < PLN_TILE_COLS; j++) sums[i][j] = pln_fma(x[i], y[j], sums[i][j]);
    }
}

/* A thread's sums to a tile of PLN_TILE_N + 1 a line. */
PLN_INLINE void pln_tile_spread(PLN_ACC *to, int row, int col, const PLN_ACC (&sums)[PLN_TILE_ROWS][PLN_TILE_COLS])
{
#pragma unroll
    for (int i = 0; i < PLN_TILE_ROWS; i++)
#pragma unroll
        for (int j = 0; j < PLN_TILE_COLS; j++) to[(row + i) * (PLN_TILE_N + 1) + col + j] = sums[i][j];
}

#endif
#endif
