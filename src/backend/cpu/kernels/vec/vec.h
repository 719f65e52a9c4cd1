/* What the kernels of one ISA share: elementwise functions, reductions and conversions over runs of f32. Row programs,
 * and the epilogues of GEMM and convolution, run through this table. bool operands are held as 0.0f and 1.0f. */
#ifndef PLN_CPU_VEC_H
#define PLN_CPU_VEC_H

#include "base/base.h"
#include "kernel/op.h"

#define PLN_VEC_SPLAT 16 /* floats of a splat operand: the widest vector */

/* dst[i] = function(src…[i]) for i in [0, n). A source with step 1 is a run of n floats, one with step 0 is
 * PLN_VEC_SPLAT equal floats. dst may be a source. No alignment is needed and nothing past n is touched. */
struct pln_vec_args {
    float *dst;
    const float *src[3];
    size_t step[3];
    int64_t n;
    float alpha, beta;
};
typedef void (*pln_vec_fn)(const struct pln_vec_args *args);

/* c[i][j] = function(c[i][j]) in rows that lie c_row floats apart: what a tile ends with. */
struct pln_vec_rows {
    float *c;
    int64_t c_row, rows, cols;
    float alpha, beta;
};
typedef void (*pln_vec_rows_fn)(const struct pln_vec_rows *rows);

struct pln_vec_isa {
    pln_vec_fn ew[PLN_EW_COUNT];        /* all but the integer functions; NULL there */
    pln_vec_rows_fn rows[PLN_EW_COUNT]; /* activations of one operand; NULL: all others */
    /* Over n >= 1 floats, in an order that depends on n alone. */
    double (*sum)(const float *x, int64_t n); /* rounded to 53 bits, not to 24 */
    float (*sum_square)(const float *x, int64_t n, float mean); /* of x - mean */
    float (*max)(const float *x, int64_t n);                    /* NaN wins */
    float (*min)(const float *x, int64_t n);
    /* Adds rows of n floats, x_row apart, to sums, one after the other. */
    void (*add_rows)(float *sums, const float *x, int64_t x_row, int64_t rows, int64_t n);
    /* c[i] = clip(c[i] + a[i] + b[i]); a and b NULL: nothing to add; step 0: PLN_VEC_SPLAT equal floats. NaN passes the
     * bounds. */
    void (*add_clip)(float *c, const float *a, size_t a_step, const float *b, size_t b_step, float low, float high,
                     int64_t n);
    /* dst[i] = e^(x[i] - most), and their sum; dst may be x, or NULL: the sum alone. */
    float (*exp_sum)(const float *x, float most, int64_t n, float *dst);
    /* dst[i] = e^x[i] / (sum of all e^x), or its logarithm, by way of the maximum; dst may be x. */
    void (*softmax)(const float *x, int64_t n, float *dst);
    void (*log_softmax)(const float *x, int64_t n, float *dst);
    /* dst[i] = (x[i] - mean) * factor * scale[i] + bias[i]; bias NULL: none. dst may be x. */
    void (*normalize)(const float *x, int64_t n, float mean, float factor, const float *scale, const float *bias,
                      float *dst);
};

/* The table of each ISA; those of x86-64 exist where PLN_ISA_X86 is 1. */
extern const struct pln_vec_isa pln_vec_portable, pln_vec_avx2, pln_vec_avx512;
/* The same, as rows name them. */
const struct pln_vec_isa *pln_vec_isa_portable(void);
const struct pln_vec_isa *pln_vec_isa_avx2(void);
const struct pln_vec_isa *pln_vec_isa_avx512(void);

#endif
