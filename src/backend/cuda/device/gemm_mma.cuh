/* Matrix products on tensor cores: tiles of 128 x 64 x 32, double-buffered as in gemm_simt.cuh. Defines: those of gemm.cuh and mma.cuh. */
#include "backend/cuda/device/gemm.cuh"
#include "backend/cuda/device/mma.cuh"

union pln_gemm_shared {
    struct pln_mma_tiles tiles;
    float sums[PLN_MMA_M * PLN_GEMM_LINE(PLN_MMA_N)];
    pln_skinny_parts parts;
};

template <int X> PLN_INLINE void load_tile(const uint16_t *from, int64_t x_stride, int64_t k_stride, int64_t x_left, int64_t k_left, bool along_k, bool whole, struct pln_vec16 (&out)[X / 64])
{
#pragma unroll
    for (int i = 0; i < X / 64; i++) {
        int x, k;
        pln_mma_vector<X>(along_k, i, &x, &k);
        const int64_t left = x >= x_left || k >= k_left ? 0 : along_k ? k_left - k : x_left - x;
        out[i] = pln_mma_load(from + x * x_stride + k * k_stride, along_k ? k_stride : x_stride, left, whole);
    }
}

PLN_INLINE void multiply_tile(const struct pln_cuda_gemm_params *p, int64_t task, union pln_gemm_shared *shared)
{
    struct pln_mma_tiles *tiles = &shared->tiles;
    const int64_t tile_m = task % p->tiles_m, rest = task / p->tiles_m, tile_n = rest % p->tiles_n;
    const int64_t first_row = tile_m * PLN_MMA_M, first_col = tile_n * PLN_MMA_N, m_left = p->m - first_row, n_left = p->n - first_col;
    const int64_t a_row = p->a_row, a_k = p->a_k, b_k = p->b_k, b_col = p->b_col;
    const bool a_along_k = p->a_along_k, b_along_k = p->b_along_k, a_whole = p->a_whole, b_whole = p->b_whole;
    const struct pln_gemm_place at = pln_gemm_find(p, rest / p->tiles_n);
    const uint16_t *a = (const uint16_t *)p->a + at.a + first_row * a_row, *b = (const uint16_t *)p->b + at.b + first_col * b_col;
    struct pln_vec16 next_a[PLN_MMA_M / 64], next_b[PLN_MMA_N / 64];
    pln_mma_sums sums = {};
    int64_t k_left = p->k;
    load_tile<PLN_MMA_M>(a, a_row, a_k, m_left, k_left, a_along_k, a_whole, next_a);
    load_tile<PLN_MMA_N>(b, b_col, b_k, n_left, k_left, b_along_k, b_whole, next_b);
    pln_mma_keep<PLN_MMA_M>(tiles->a[0], a_along_k, next_a);
    pln_mma_keep<PLN_MMA_N>(tiles->b[0], b_along_k, next_b);
    __syncthreads();
    for (int buffer = 0; k_left > 0; buffer ^= 1) {
        k_left -= PLN_MMA_K;
        if (k_left > 0) {
            a += PLN_MMA_K * a_k;
            b += PLN_MMA_K * b_k;
            load_tile<PLN_MMA_M>(a, a_row, a_k, m_left, k_left, a_along_k, a_whole, next_a);
            load_tile<PLN_MMA_N>(b, b_col, b_k, n_left, k_left, b_along_k, b_whole, next_b);
        }
        pln_mma_multiply(tiles->a[buffer], a_along_k, tiles->b[buffer], b_along_k, sums);
        if (k_left > 0) {
            pln_mma_keep<PLN_MMA_M>(tiles->a[buffer ^ 1], a_along_k, next_a);
            pln_mma_keep<PLN_MMA_N>(tiles->b[buffer ^ 1], b_along_k, next_b);
        }
        __syncthreads();
    }
    pln_mma_spread(shared->sums, sums);
    __syncthreads();
    pln_gemm_finish_tile<PLN_MMA_M, PLN_MMA_N>(p, &at, first_row, first_col, shared->sums);
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
