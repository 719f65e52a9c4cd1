/* Convolution of images whose channels lie side by side on tensor cores: rows of a tile are pixels, columns channels. Defines: those of conv.cuh and
 * mma.cuh; PLN_LAST is 1. */
#include "backend/cuda/device/conv.cuh"
#include "backend/cuda/device/mma.cuh"

struct conv_shared {
    union {
        struct pln_mma_tiles tiles;
        float sums[PLN_MMA_M * (PLN_MMA_N + 1)];
    };
    struct pln_conv_pixel pixels[PLN_MMA_M];
    struct pln_conv_tap taps[2][PLN_MMA_K];
};

/* whole: the eight elements are channels of one tap, and one load. */
PLN_INLINE void load_patches(const struct pln_cuda_conv_params *p, const uint16_t *x, bool whole, const struct pln_conv_pixel (&pixels)[PLN_MMA_M], const struct pln_conv_tap (&taps)[PLN_MMA_K],
                             struct pln_vec16 (&out)[PLN_MMA_M / 64])
{
#pragma unroll
    for (int i = 0; i < PLN_MMA_M / 64; i++) {
        int pixel, k;
        pln_mma_vector<PLN_MMA_M>(true, i, &pixel, &k);
        out[i] = {};
        if (whole) {
            if (pln_conv_is_inside(p->in, &pixels[pixel], &taps[k])) out[i] = *(const struct pln_vec16 *)(x + pixels[pixel].x + taps[k].x);
            continue;
        }
#pragma unroll
        for (int e = 0; e < 8; e++)
            if (pln_conv_is_inside(p->in, &pixels[pixel], &taps[k + e])) out[i].words[e / 2] |= (uint32_t)x[pixels[pixel].x + taps[k + e].x] << (e % 2 * 16);
    }
}

PLN_INLINE void load_weights(const uint16_t *w, int64_t w_o, int64_t left, bool whole, const struct pln_conv_tap (&taps)[PLN_MMA_K], struct pln_vec16 (&out)[PLN_MMA_N / 64])
{
#pragma unroll
    for (int i = 0; i < PLN_MMA_N / 64; i++) {
        int channel, k;
        pln_mma_vector<PLN_MMA_N>(true, i, &channel, &k);
        out[i] = {};
        if (channel >= left) continue;
        if (whole) {
            if (taps[k].at[0] != PLN_CONV_NONE) out[i] = *(const struct pln_vec16 *)(w + channel * w_o + taps[k].w);
            continue;
        }
#pragma unroll
        for (int e = 0; e < 8; e++)
            if (taps[k + e].at[0] != PLN_CONV_NONE) out[i].words[e / 2] |= (uint32_t)w[channel * w_o + taps[k + e].w] << (e % 2 * 16);
    }
}

PLN_INLINE void convolve_tile(const struct pln_cuda_conv_params *p, int64_t task, struct conv_shared *shared)
{
    const struct pln_conv_place place = pln_conv_find(p, task, PLN_MMA_M, PLN_MMA_N);
    const uint16_t *x = (const uint16_t *)p->x + place.group * p->group_in * p->x_c, *w = (const uint16_t *)p->w + (place.group * p->group_out + place.channel) * p->w_o;
    const int64_t w_o = p->w_o, left = p->group_out - place.channel;
    const bool x_whole = p->x_whole, w_whole = p->w_whole;
    const int n_k = p->k;
    struct pln_vec16 patches[PLN_MMA_M / 64], weights[PLN_MMA_N / 64];
    pln_mma_sums sums = {};
    pln_conv_fill_pixels(p, place.pixel, shared->pixels);
    pln_conv_fill_taps(p, 0, shared->taps[0]);
    pln_conv_fill_taps(p, PLN_MMA_K, shared->taps[1]);
    __syncthreads();
    load_patches(p, x, x_whole, shared->pixels, shared->taps[0], patches);
    load_weights(w, w_o, left, w_whole, shared->taps[0], weights);
    pln_mma_keep<PLN_MMA_M>(shared->tiles.a[0], true, patches);
    pln_mma_keep<PLN_MMA_N>(shared->tiles.b[0], true, weights);
    __syncthreads();
    for (int k = 0, buffer = 0; k < n_k; k += PLN_MMA_K, buffer ^= 1) { /* as in conv_simt.cuh */
        const bool more = k + PLN_MMA_K < n_k;
        if (more) {
            load_patches(p, x, x_whole, shared->pixels, shared->taps[buffer ^ 1], patches);
            load_weights(w, w_o, left, w_whole, shared->taps[buffer ^ 1], weights);
            pln_conv_fill_taps(p, k + 2 * PLN_MMA_K, shared->taps[buffer]);
        }
        pln_mma_multiply(shared->tiles.a[buffer], true, shared->tiles.b[buffer], true, sums);
        if (more) {
            pln_mma_keep<PLN_MMA_M>(shared->tiles.a[buffer ^ 1], true, patches);
            pln_mma_keep<PLN_MMA_N>(shared->tiles.b[buffer ^ 1], true, weights);
        }
        __syncthreads();
    }
    pln_mma_spread(shared->sums, sums);
    __syncthreads();
    pln_conv_finish_tile<PLN_MMA_M, PLN_MMA_N>(p, &place, shared->pixels, shared->sums);
    __syncthreads();
}

extern "C" __global__ void __launch_bounds__(PLN_CONV_THREADS, 2) pln_entry(const struct pln_cuda_conv_params *p)
{
    __shared__ struct conv_shared shared;
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) convolve_tile(p, task, &shared);
}
