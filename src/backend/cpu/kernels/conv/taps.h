/* The inner functions of depthwise convolution and pooling: over the taps of a window, for n outputs that lie side by
 * side. */
#ifndef PLN_CPU_CONV_TAPS_H
#define PLN_CPU_CONV_TAPS_H

#include "backend/cpu/kernels/vec/finish.h"
#include "backend/cpu/kernels/vec/vec.h"

struct pln_taps {
    int n_taps;
    const float *const *x; /* of each tap, n floats */
    const float *const *w; /* of each tap, n floats, or one */
    int64_t n;
    float *out;
    /* channels alone: outputs of pixels side by side, with the same weights; steps in floats. What n_pixels 0 says is
     * one. */
    int64_t n_pixels, x_step, out_step;
    /* channels alone: taps come in runs of `line` side by side in the image, x_tap floats apart, x_step a multiple of it.
     * What line 0 says is one. */
    int line;
    int64_t x_tap;
    /* Taps that meet memory first: what they will see some pixels on is fetched meanwhile. */
    int n_ahead;
    const int *ahead;
    struct pln_vec_finish finish; /* rows: pixels; columns: channels */
};

struct pln_taps_isa {
    void (*channels)(const struct pln_taps *taps); /* out[p][i] = sum of x[t][p][i] w[t][i], finished */
    void (*pixels)(const struct pln_taps *taps);   /* out[i] = sum of x[t][i] w[t][0] */
    void (*sum)(const struct pln_taps *taps);      /* out[i] = sum of x[t][i] */
    void (*max)(const struct pln_taps *taps);      /* out[i] = largest x[t][i]; NaN wins; -infinity of none */
    void (*pick)(const float *x, int64_t step, int64_t n, float *out); /* out[i] = x[i * step] */
    const struct pln_vec_isa *vec;
};

const struct pln_taps_isa *pln_taps_isa_portable(void);
const struct pln_taps_isa *pln_taps_isa_avx2(void);
const struct pln_taps_isa *pln_taps_isa_avx512(void);

#endif
