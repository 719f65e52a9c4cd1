/* Winograd's transforms of one ISA, for inclusion by winograd_<isa>.c. A tile is transformed along its columns, then
 * along its rows, a vector of channels at a time. */
#include "backend/cpu/kernels/conv/winograd.h"
#include "backend/cpu/kernels/vec/vec_f32.h"

#define INLINE static inline __attribute__((always_inline))

enum { SPAN = PLN_WINOGRAD_SPAN };

static const float near = PLN_WINOGRAD_NEAR, far = PLN_WINOGRAD_FAR;

/* B^T d. Row of point a: the coefficients of x (x + a) (x^2 - b^2), or those of the other points' product. */
INLINE void input_line(const int side, const vf *d, vf *v)
{
    if (side == 2) {
        v[0] = d[2] - d[0];
        v[1] = d[1] + d[2];
        v[2] = d[2] - d[1];
        v[3] = d[3] - d[1];
        return;
    }
    const vf near2 = vf_set(-near * near), far2 = vf_set(-far * far), sum = vf_set(-near * near - far * far);
    const vf product = vf_set(near * near * far * far);
    const vf even_near = vf_fma(far2, d[2], d[4]), odd_near = vf_fma(far2, d[1], d[3]);
    const vf even_far = vf_fma(near2, d[2], d[4]), odd_far = vf_fma(near2, d[1], d[3]);
    v[0] = vf_fma(product, d[0], vf_fma(sum, d[2], d[4]));
    v[1] = vf_fma(vf_set(near), odd_near, even_near);
    v[2] = vf_fma(vf_set(-near), odd_near, even_near);
    v[3] = vf_fma(vf_set(far), odd_far, even_far);
    v[4] = vf_fma(vf_set(-far), odd_far, even_far);
    v[5] = vf_fma(product, d[1], vf_fma(sum, d[3], d[5]));
}

/* A^T m: output i is the sum of the i-th powers of the points times m; the last has infinity's m, too. */
INLINE void output_line(const int side, const vf *m, vf *y)
{
    if (side == 2) {
        y[0] = m[0] + m[1] + m[2];
        y[1] = m[1] - m[2] + m[3];
        return;
    }
    const vf even_near = m[1] + m[2], odd_near = m[1] - m[2], even_far = m[3] + m[4], odd_far = m[3] - m[4];
    y[0] = m[0] + even_near + even_far;
    y[1] = vf_fma(vf_set(near), odd_near, vf_set(far) * odd_far);
    y[2] = vf_fma(vf_set(near * near), even_near, vf_set(far * far) * even_far);
    y[3] = vf_fma(vf_set(near * near * near), odd_near, vf_fma(vf_set(far * far * far), odd_far, m[5]));
}

/* n: of the channels, or a whole vector. side is a constant where this is inlined. */
INLINE void input_vector(const int side, const float *const *pixels, int64_t at, int64_t n, float *v, int64_t step)
{
    const int span = side + PLN_WINOGRAD_TAPS - 1;
    vf half[SPAN * SPAN], line[SPAN], done[SPAN];
    for (int x = 0; x < span; x++) {
        for (int y = 0; y < span; y++) {
            const float *from = pixels[y * span + x] + at;
            line[y] = n == VF_LANES ? vf_load(from) : vf_load_n(from, n);
        }
        input_line(side, line, done);
        for (int y = 0; y < span; y++) half[y * span + x] = done[y];
    }
    for (int y = 0; y < span; y++) {
        input_line(side, half + y * span, done);
        for (int x = 0; x < span; x++) vf_store(v + (y * span + x) * step + at, done[x]);
    }
}

INLINE void input_tile(const int side, const float *const *pixels, int64_t channels, float *v, int64_t step)
{
    int64_t i = 0;
    for (; i + VF_LANES <= channels; i += VF_LANES) input_vector(side, pixels, i, VF_LANES, v, step);
    if (i < channels) input_vector(side, pixels, i, channels - i, v, step);
}

INLINE void output_vector(const int side, const float *m, int64_t step, int64_t at, int64_t n, float *const *pixels)
{
    const int span = side + PLN_WINOGRAD_TAPS - 1;
    vf half[PLN_WINOGRAD_SIDE * SPAN], line[SPAN], done[PLN_WINOGRAD_SIDE];
    for (int x = 0; x < span; x++) {
        for (int y = 0; y < span; y++) line[y] = vf_load(m + (y * span + x) * step + at);
        output_line(side, line, done);
        for (int y = 0; y < side; y++) half[y * span + x] = done[y];
    }
    for (int y = 0; y < side; y++) {
        output_line(side, half + y * span, done);
        for (int x = 0; x < side; x++) {
            float *to = pixels[y * side + x] + at;
            if (n == VF_LANES)
                vf_store(to, done[x]);
            else
                vf_store_n(to, done[x], n);
        }
    }
}

INLINE void output_tile(const int side, const float *m, int64_t step, int64_t channels, float *const *pixels)
{
    int64_t i = 0;
    for (; i + VF_LANES <= channels; i += VF_LANES) output_vector(side, m, step, i, VF_LANES, pixels);
    if (i < channels) output_vector(side, m, step, i, channels - i, pixels);
}

#define TILES(side)                                                                                \
    static void input##side(const float *const *pixels, int64_t channels, float *v, int64_t step)  \
    {                                                                                              \
        input_tile(side, pixels, channels, v, step);                                               \
    }                                                                                              \
    static void output##side(const float *m, int64_t step, int64_t channels, float *const *pixels) \
    {                                                                                              \
        output_tile(side, m, step, channels, pixels);                                              \
    }
TILES(2)
TILES(4)
