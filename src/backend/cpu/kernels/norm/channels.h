/* The inner functions of instance normalization: moments of f32 around a number near their mean, and what is made of them.
 *
 * `pixels` functions see rows of n channels that lie side by side, one row a pixel, x_row floats apart; `run` functions see n
 * elements of one channel. */
#ifndef PLN_CPU_NORM_CHANNELS_H
#define PLN_CPU_NORM_CHANNELS_H

#include "backend/cpu/kernels/vec/vec.h"

/* y[r][i] = clip((x[r][i] - mean[i]) * factor[i] + offset[i], low, high). NaN passes the bounds. y may be x. */
struct pln_channels {
    const float *x;
    float *y;
    int64_t x_row, y_row, rows, n;
    const float *mean, *factor, *offset; /* run: of the one channel */
    float low, high;
};

struct pln_channels_isa {
    /* sums[i] += sum of x[r][i] - pivots[i]; squares[i] += sum of their squares. */
    void (*pixels_moments)(const float *x, int64_t x_row, int64_t rows, int64_t n, const float *pivots, float *sums, float *squares);
    void (*pixels_normalize)(const struct pln_channels *channels);
    void (*run_moments)(const float *x, int64_t n, float pivot, double *out_sum, double *out_squares);
    void (*run_normalize)(const struct pln_channels *channels);
    const struct pln_vec_isa *vec;
};

const struct pln_channels_isa *pln_channels_isa_portable(void);
const struct pln_channels_isa *pln_channels_isa_avx2(void);
const struct pln_channels_isa *pln_channels_isa_avx512(void);

#endif
