/* What every convolution does: places of pixels and of taps, what becomes of a sum.
 *
 * Defines: PLN_T, the storage type; PLN_ACC, the type of sums; PLN_RANK, there is a function pln_epilogue for an output of that rank; PLN_LAST, 1 where
 * channels lie side by side, else 0. */
#ifndef PLN_CUDA_CONV_CUH
#define PLN_CUDA_CONV_CUH

#include "backend/cuda/device/conv_params.h"
#include "backend/cuda/device/prelude.cuh"

PLN_INLINE float pln_fma(float x, float y, float sum) { return fmaf(x, y, sum); }
PLN_INLINE double pln_fma(double x, double y, double sum) { return fma(x, y, sum); }

/* Of numbers >= 0, mostly small ones. */
PLN_INLINE int64_t pln_divide(int64_t a, int64_t b)
{
    return ((a | b) >> 32) == 0 ? (int64_t)((uint32_t)a / (uint32_t)b) : a / b;
}

/* Pixel number i of an image of these extents as coordinates. */
PLN_INLINE void pln_conv_coordinates(const int32_t (&extents)[PLN_CONV_AXES], int64_t i, int32_t (&out)[PLN_CONV_AXES])
{
    const int64_t rows = pln_divide(i, extents[2]), planes = pln_divide(rows, extents[1]);
    out[2] = (int32_t)(i - rows * extents[2]);
    out[1] = (int32_t)(rows - planes * extents[1]);
    out[0] = (int32_t)planes;
}

/* The sum of an output element to its place. */
PLN_INLINE void pln_conv_finish(const struct pln_cuda_conv_params *p, int64_t n, int64_t channel, const int32_t (&at)[PLN_CONV_AXES], PLN_ACC sum)
{
    PLN_ACC value = sum;
    if (p->bias) value += (PLN_ACC)pln_value(((const PLN_T *)p->bias)[channel * p->bias_c]);
#ifdef PLN_RANK
    int64_t index[PLN_RANK] = { n, channel };
#pragma unroll
    for (int i = 2; i < PLN_RANK; i++) index[i] = at[PLN_CONV_AXES - PLN_RANK + i];
    pln_epilogue(p->operands, index, value);
#else
    pln_store((PLN_T *)p->out + n * p->out_n + channel * p->out_c + at[0] * p->out_at[0] + at[1] * p->out_at[1] + at[2] * p->out_at[2], value);
#endif
}

/* ---- the product of patches and weights ---- */

#define PLN_CONV_NONE (-(1 << 30)) /* coordinate of what is not there: outside of every image, whatever is added to it */

/* A pixel of the output: where its patch begins. */
struct pln_conv_pixel {
    int64_t x;                     /* offset of the patch's first element */
    int64_t n;
    int32_t from[PLN_CONV_AXES];   /* its coordinates, which may lie in the padding */
    int32_t at[PLN_CONV_AXES];     /* the pixel's */
};

/* An element of a patch: what it adds to all that. */
struct pln_conv_tap {
    int64_t x, w;
    int32_t at[PLN_CONV_AXES];
};

/* Pixels first, first + 1, ...: a thread each. */
template <int COUNT> PLN_INLINE void pln_conv_fill_pixels(const struct pln_cuda_conv_params *p, int64_t first, struct pln_conv_pixel (&pixels)[COUNT])
{
    if (threadIdx.x >= COUNT) return;
    struct pln_conv_pixel pixel = {};
    const int64_t number = first + threadIdx.x, an_image = (int64_t)p->to[0] * p->to[1] * p->to[2];
    pixel.from[0] = PLN_CONV_NONE;
    if (number < p->pixels) {
        pixel.n = pln_divide(number, an_image);
        pln_conv_coordinates(p->to, number - pixel.n * an_image, pixel.at);
        pixel.x = pixel.n * p->x_n;
#pragma unroll
        for (int d = 0; d < PLN_CONV_AXES; d++) {
            pixel.from[d] = pixel.at[d] * p->stride[d] - p->pad[d];
            pixel.x += pixel.from[d] * p->x_at[d];
        }
    }
    pixels[threadIdx.x] = pixel;
}

/* Elements first, first + 1, ... of a patch: a thread each. Channels run fastest where they lie side by side, else taps. */
template <int COUNT> PLN_INLINE void pln_conv_fill_taps(const struct pln_cuda_conv_params *p, int first, struct pln_conv_tap (&taps)[COUNT])
{
    if (threadIdx.x >= COUNT) return;
    struct pln_conv_tap tap = {};
    const int k = first + (int)threadIdx.x;
    tap.at[0] = PLN_CONV_NONE;
    if (k < p->k) {
        const int outer = k / (PLN_LAST ? p->group_in : p->taps), inner = k - outer * (PLN_LAST ? p->group_in : p->taps);
        const int channel = PLN_LAST ? inner : outer;
        pln_conv_coordinates(p->kernel, PLN_LAST ? outer : inner, tap.at);
        tap.x = channel * p->x_c;
        tap.w = channel * p->w_c;
#pragma unroll
        for (int d = 0; d < PLN_CONV_AXES; d++) {
            tap.w += tap.at[d] * p->w_at[d];
            tap.at[d] *= p->dilation[d];
            tap.x += tap.at[d] * p->x_at[d];
        }
    }
    taps[threadIdx.x] = tap;
}

PLN_INLINE bool pln_conv_is_inside(const int32_t (&extents)[PLN_CONV_AXES], const struct pln_conv_pixel *pixel, const struct pln_conv_tap *tap)
{
    bool inside = true;
#pragma unroll
    for (int d = 0; d < PLN_CONV_AXES; d++) inside = inside && (uint32_t)(pixel->from[d] + tap->at[d]) < (uint32_t)extents[d];
    return inside;
}

/* A task's tile: channels of a group run fastest, so that blocks that run together read the same patches. */
struct pln_conv_place {
    int64_t pixel, channel, group; /* the first of the tile; channels counted in the group */
};

PLN_INLINE struct pln_conv_place pln_conv_find(const struct pln_cuda_conv_params *p, int64_t task, int tile_p, int tile_c)
{
    const int64_t rest = pln_divide(task, p->tiles_c), group = pln_divide(rest, p->tiles_p);
    return { (rest - group * p->tiles_p) * tile_p, (task - rest * p->tiles_c) * tile_c, group };
}

/* The sum of an output element without what lies in the padding, where a tile has 0, which would be NaN times a weight that is infinite or no number. For sums that
 * are NaN: no matter how fast. */
static __device__ __noinline__ PLN_ACC pln_conv_sum(const struct pln_cuda_conv_params *p, int64_t n, int64_t channel, const int32_t (&at)[PLN_CONV_AXES])
{
    const int64_t first = pln_divide(channel, p->group_out) * p->group_in;
    const PLN_T *x = (const PLN_T *)p->x + n * p->x_n + first * p->x_c, *w = (const PLN_T *)p->w + channel * p->w_o;
    PLN_ACC sum = 0;
#pragma unroll 1
    for (int t = 0; t < p->taps; t++) {
        int32_t tap[PLN_CONV_AXES];
        int64_t from = 0, of = 0;
        bool inside = true;
        pln_conv_coordinates(p->kernel, t, tap);
        for (int d = 0; d < PLN_CONV_AXES; d++) {
            const int here = at[d] * p->stride[d] - p->pad[d] + tap[d] * p->dilation[d];
            inside = inside && (uint32_t)here < (uint32_t)p->in[d];
            from += here * p->x_at[d];
            of += tap[d] * p->w_at[d];
        }
#pragma unroll 1
        for (int64_t c = 0; inside && c < p->group_in; c++) sum = pln_fma((PLN_ACC)pln_value(x[from + c * p->x_c]), (PLN_ACC)pln_value(w[of + c * p->w_c]), sum);
    }
    return sum;
}

/* Sums of a tile in shared memory, a line of COLS + 1 a row, to their places. Columns are neighbours in memory: channels if PLN_LAST, else pixels. */
template <int ROWS, int COLS, int PIXELS>
PLN_INLINE void pln_conv_finish_tile(const struct pln_cuda_conv_params *p, const struct pln_conv_place *place, const struct pln_conv_pixel (&pixels)[PIXELS], const PLN_ACC *sums)
{
#pragma unroll 1
    for (int e = threadIdx.x; e < ROWS * COLS; e += PLN_CONV_THREADS) {
        const int row = e / COLS, col = e % COLS, pixel = PLN_LAST ? row : col, channel = PLN_LAST ? col : row;
        if (place->pixel + pixel >= p->pixels || place->channel + channel >= p->group_out) continue;
        const int64_t number = place->group * p->group_out + place->channel + channel;
        PLN_ACC sum = sums[row * (COLS + 1) + col];
        if (sum != sum) sum = pln_conv_sum(p, pixels[pixel].n, number, pixels[pixel].at);
        pln_conv_finish(p, pixels[pixel].n, number, pixels[pixel].at, sum);
    }
}

#endif
