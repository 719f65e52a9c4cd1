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
    /* Taps that meet memory first: what they will see some pixels on is fetched meanwhile. */
    int n_ahead;
    const int *ahead;
    struct pln_vec_finish finish; /* rows: pixels; columns: channels */
};

/* Lines of a window: taps side by side, over a row of outputs whose windows may reach beyond the image's. A pixel is
 * loaded once for all taps and outputs that it meets. */
struct pln_taps_lines {
    int n_lines;           /* those of the window that lie in the image */
    const float *const *x; /* of each: channels of the image's first pixel in that row */
    const float *const *w; /* of each: its first tap's weights of the channels; those of the next tap lie w_tap floats on */
    int64_t w_tap;
    int64_t n;             /* channels */
    int64_t width, x_tap;  /* pixels in a row of the image, floats from one to the next */
    int64_t pad;           /* pixels before the row that the first output's window begins */
    int64_t n_pixels, out_step;
    float *out;
    /* Rows of the image that are wanted next, and fetched meanwhile. */
    int n_ahead;
    const float *const *ahead;
    struct pln_vec_finish finish; /* rows: pixels; columns: channels */
};
typedef void (*pln_taps_lines_fn)(const struct pln_taps_lines *lines);

struct pln_taps_isa {
    void (*channels)(const struct pln_taps *taps); /* out[p][i] = sum of x[t][p][i] w[t][i], finished */
    /* The sums and ends of lines of so many taps, outputs whose windows lie `stride` pixels apart; NULL: not written. */
    pln_taps_lines_fn (*lines)(int64_t line, int64_t stride);
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
