/* Matrix products by fused multiply-adds. Tiles of PLN_TILE_M x PLN_TILE_N x PLN_TILE_K; while one is multiplied, the next is on its way into registers,
 * and then goes to the other of two buffers. Defines: those of gemm.cuh and tile.cuh. */
#include "backend/cuda/device/gemm.cuh"
#include "backend/cuda/device/tile.cuh"

union pln_gemm_shared {
    struct pln_tiles tiles;
    PLN_ACC sums[PLN_TILE_M * PLN_GEMM_LINE(PLN_TILE_N)];
    pln_skinny_parts parts;
};

/* x_left, k_left: elements that are there; the rest is zero. */
template <int X> PLN_INLINE void load_tile(const PLN_T *from, int64_t x_stride, int64_t k_stride, int64_t x_left, int64_t k_left, bool along_k, PLN_ACC (&out)[X * PLN_TILE_K / 256])
{
#pragma unroll
    for (int i = 0; i < X * PLN_TILE_K / 256; i++) {
        int x, k;
        pln_tile_element<X>(along_k, i, &x, &k);
        out[i] = x < x_left && k < k_left ? (PLN_ACC)pln_value(from[x * x_stride + k * k_stride]) : (PLN_ACC)0;
    }
}

template <int X> PLN_INLINE void keep_tile(PLN_ACC (&tile)[PLN_TILE_K][X + PLN_TILE_PAD], bool along_k, const PLN_ACC (&values)[X * PLN_TILE_K / 256])
{
#pragma unroll
    for (int i = 0; i < X * PLN_TILE_K / 256; i++) {
        int x, k;
        pln_tile_element<X>(along_k, i, &x, &k);
        tile[k][x] = pln_tile_value(values[i]);
    }
}

PLN_INLINE void multiply_tile(const struct pln_cuda_gemm_params *p, int64_t task, union pln_gemm_shared *shared)
{
    struct pln_tiles *tiles = &shared->tiles;
    const int64_t tile_m = task % p->tiles_m, rest = task / p->tiles_m, tile_n = rest % p->tiles_n;
    const int64_t first_row = tile_m * PLN_TILE_M, first_col = tile_n * PLN_TILE_N, m_left = p->m - first_row, n_left = p->n - first_col;
    const int64_t a_row = p->a_row, a_k = p->a_k, b_k = p->b_k, b_col = p->b_col;
    const bool a_along_k = p->a_along_k, b_along_k = p->b_along_k;
    const struct pln_gemm_place at = pln_gemm_find(p, rest / p->tiles_n);
    const PLN_T *a = (const PLN_T *)p->a + at.a + first_row * a_row, *b = (const PLN_T *)p->b + at.b + first_col * b_col;
    const int row = threadIdx.x / 16 * PLN_TILE_ROWS, col = threadIdx.x % 16 * PLN_TILE_COLS;
    PLN_ACC sums[PLN_TILE_ROWS][PLN_TILE_COLS] = {}, next_a[PLN_TILE_M * PLN_TILE_K / 256], next_b[PLN_TILE_N * PLN_TILE_K / 256];
    int64_t k_left = p->k;
    load_tile<PLN_TILE_M>(a, a_row, a_k, m_left, k_left, a_along_k, next_a);
    load_tile<PLN_TILE_N>(b, b_col, b_k, n_left, k_left, b_along_k, next_b);
    keep_tile<PLN_TILE_M>(tiles->a[0], a_along_k, next_a);
    keep_tile<PLN_TILE_N>(tiles->b[0], b_along_k, next_b);
    __syncthreads();
    for (int buffer = 0; k_left > 0; buffer ^= 1) {
        k_left -= PLN_TILE_K;
        if (k_left > 0) {
            a += PLN_TILE_K * a_k;
            b += PLN_TILE_K * b_k;
            load_tile<PLN_TILE_M>(a, a_row, a_k, m_left, k_left, a_along_k, next_a);
            load_tile<PLN_TILE_N>(b, b_col, b_k, n_left, k_left, b_along_k, next_b);
        }
        pln_tile_multiply(tiles->a[buffer], tiles->b[buffer], row, col, sums);
        if (k_left > 0) {
            keep_tile<PLN_TILE_M>(tiles->a[buffer ^ 1], a_along_k, next_a);
            keep_tile<PLN_TILE_N>(tiles->b[buffer ^ 1], b_along_k, next_b);
        }
        __syncthreads();
    }
    pln_tile_spread(shared->sums, row, col, sums);
    __syncthreads();
    pln_gemm_finish_tile<PLN_TILE_M, PLN_TILE_N>(p, &at, first_row, first_col, shared->sums);
    __syncthreads();
}

extern "C" __global__ void __launch_bounds__(PLN_GEMM_THREADS, 2) pln_entry(const struct pln_cuda_gemm_params *p)
{
    __shared__ union pln_gemm_shared shared;
    if (p->form != PLN_GEMM_TILED) {
        pln_gemm_skinny(p, shared.parts);
        return;
    }
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) multiply_tile(p, task, &shared);
}
