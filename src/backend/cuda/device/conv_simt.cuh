/* Convolution as a product of patches, gathered on the way into shared memory, and weights, by fused multiply-adds. Rows of a tile are pixels and columns
 * channels if PLN_LAST, else the other way round. Defines: those of conv.cuh and tile.cuh. */
#include "backend/cuda/device/conv.cuh"
#include "backend/cuda/device/tile.cuh"

#define TILE_P (PLN_LAST ? PLN_TILE_M : PLN_TILE_N)
#define TILE_C (PLN_LAST ? PLN_TILE_N : PLN_TILE_M)

struct conv_shared {
    union {
        struct pln_tiles tiles;
        PLN_ACC sums[PLN_TILE_M * (PLN_TILE_N + 1)];
    };
    struct pln_conv_pixel pixels[TILE_P];
    struct pln_conv_tap taps[2][PLN_TILE_K];
};

PLN_INLINE void load_patches(const struct pln_cuda_conv_params *p, const PLN_T *x, const struct pln_conv_pixel (&pixels)[TILE_P], const struct pln_conv_tap (&taps)[PLN_TILE_K],
                             PLN_ACC (&out)[TILE_P * PLN_TILE_K / 256])
{
#pragma unroll
    for (int i = 0; i < TILE_P * PLN_TILE_K / 256; i++) {
        int pixel, k;
        pln_tile_element<TILE_P>(PLN_LAST, i, &pixel, &k);
        out[i] = pln_conv_is_inside(p->in, &pixels[pixel], &taps[k]) ? (PLN_ACC)pln_value(x[pixels[pixel].x + taps[k].x]) : (PLN_ACC)0;
    }
}

PLN_INLINE void load_weights(const PLN_T *w, int64_t w_o, int64_t left, const struct pln_conv_tap (&taps)[PLN_TILE_K], PLN_ACC (&out)[TILE_C * PLN_TILE_K / 256])
{
#pragma unroll
    for (int i = 0; i < TILE_C * PLN_TILE_K / 256; i++) {
        int channel, k;
        pln_tile_element<TILE_C>(true, i, &channel, &k);
        out[i] = channel < left && taps[k].at[0] != PLN_CONV_NONE ? (PLN_ACC)pln_value(w[channel * w_o + taps[k].w]) : (PLN_ACC)0;
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

PLN_INLINE void keep_tiles(struct pln_tiles *tiles, int buffer, const PLN_ACC (&patches)[TILE_P * PLN_TILE_K / 256], const PLN_ACC (&weights)[TILE_C * PLN_TILE_K / 256])
{
#if PLN_LAST
    keep_tile<TILE_P>(tiles->a[buffer], true, patches);
    keep_tile<TILE_C>(tiles->b[buffer], true, weights);
#else
    keep_tile<TILE_C>(tiles->a[buffer], true, weights);
    keep_tile<TILE_P>(tiles->b[buffer], false, patches);
#endif
}

PLN_INLINE void convolve_tile(const struct pln_cuda_conv_params *p, int64_t task, struct conv_shared *shared)
{
    const struct pln_conv_place place = pln_conv_find(p, task, TILE_P, TILE_C);
    const PLN_T *x = (const PLN_T *)p->x + place.group * p->group_in * p->x_c, *w = (const PLN_T *)p->w + (place.group * p->group_out + place.channel) * p->w_o;
    const int row = threadIdx.x / 16 * PLN_TILE_ROWS, col = threadIdx.x % 16 * PLN_TILE_COLS, n_k = p->k;
    const int64_t w_o = p->w_o, left = p->group_out - place.channel;
    PLN_ACC sums[PLN_TILE_ROWS][PLN_TILE_COLS] = {}, patches[TILE_P * PLN_TILE_K / 256], weights[TILE_C * PLN_TILE_K / 256];
    pln_conv_fill_pixels(p, place.pixel, shared->pixels);
    pln_conv_fill_taps(p, 0, shared->taps[0]);
    pln_conv_fill_taps(p, PLN_TILE_K, shared->taps[1]);
    __syncthreads();
    load_patches(p, x, shared->pixels, shared->taps[0], patches);
    load_weights(w, w_o, left, shared->taps[0], weights);
    keep_tiles(&shared->tiles, 0, patches, weights);
    __syncthreads();
    /* Buffer `buffer` is multiplied, the other one's taps tell what to load; then this one's taps are not needed any more. */
    for (int k = 0, buffer = 0; k < n_k; k += PLN_TILE_K, buffer ^= 1) {
        const bool more = k + PLN_TILE_K < n_k;
        if (more) {
            load_patches(p, x, shared->pixels, shared->taps[buffer ^ 1], patches);
            load_weights(w, w_o, left, shared->taps[buffer ^ 1], weights);
            pln_conv_fill_taps(p, k + 2 * PLN_TILE_K, shared->taps[buffer]);
        }
        pln_tile_multiply(shared->tiles.a[buffer], shared->tiles.b[buffer], row, col, sums);
        if (more) keep_tiles(&shared->tiles, buffer ^ 1, patches, weights);
        __syncthreads();
    }
    pln_tile_spread(shared->sums, row, col, sums);
    __syncthreads();
    pln_conv_finish_tile<PLN_TILE_M, PLN_TILE_N>(p, &place, shared->pixels, shared->sums);
    __syncthreads();
}

extern "C" __global__ void __launch_bounds__(PLN_CONV_THREADS, 2) pln_entry(const struct pln_cuda_conv_params *p)
{
    __shared__ struct conv_shared shared;
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) convolve_tile(p, task, &shared);
}
