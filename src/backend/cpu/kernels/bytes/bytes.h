/* Products and convolutions of bytes, u8 or i8 each: ops MATMUL_INTEGER, QLINEAR_MATMUL, CONV_INTEGER, QLINEAR_CONV. All operands are dense. Zero points and scales are one, those of
 * constants also one a column or output channel. Sums are exact (functions.h), at most PLN_BYTES_K_MOST terms long. micro: a pln_bytes_isa_…; tile: rows and columns of its tile. */
#ifndef PLN_CPU_BYTES_H
#define PLN_CPU_BYTES_H

#include "backend/cpu/kernels/bytes/functions.h"
#include "kernel/kernel.h"

/* A [..., m, k] and B [..., k, n]; packed where it is a constant matrix. */
extern const struct pln_kernel_family pln_cpu_bytes_integer, pln_cpu_bytes_qlinear;
/* Images of one to three axes, any window and groups; weights packed where they are constant. */
extern const struct pln_kernel_family pln_cpu_bytes_conv_integer, pln_cpu_bytes_qlinear_conv;
/* The same of constant weights of 3 x 3 taps, without strides and dilations, by Winograd's algorithm. */
extern const struct pln_kernel_family pln_cpu_bytes_winograd_integer, pln_cpu_bytes_winograd_qlinear;
/* The same of one channel in a group; tile: lanes. */
extern const struct pln_kernel_family pln_cpu_bytes_depthwise;

/* Steps of a sum that are worked on at a time: panels of B of so many stay in the first cache, and what a task works on in half of the second one, of two threads of a core. */
#define PLN_BYTES_DEPTH 256

/* A zero point or a scale. */
struct pln_bytes_parameter {
    const void *data; /* NULL: left out, 0 or 1 */
    bool is_signed, single;
};
/* Input i as one: of one number, or of so many in a row. -1 or absent: left out. */
bool pln_bytes_parameter_fits(const struct pln_problem *problem, int i, bool is_scale, int64_t many);
bool pln_bytes_parameter_read(const struct pln_launch *launch, int i, bool is_scale, int64_t many, struct pln_bytes_parameter *out);
int32_t pln_bytes_zero_at(const struct pln_bytes_parameter *p, int64_t i);
double pln_bytes_scale_at(const struct pln_bytes_parameter *p, int64_t i);

static inline bool pln_bytes_is(enum pln_dtype dtype)
{
    return dtype == PLN_U8 || dtype == PLN_I8;
}

/* What quantized results need. */
struct pln_bytes_result {
    struct pln_bytes_parameter x_scale, w_scale, y_scale, y_zero; /* w_scale: also one a column or channel */
    const int32_t *bias;                                          /* one a column or channel; NULL: none */
    int64_t k;                                                    /* terms of a sum */
    bool is_signed;
};
/* Room for the numbers of `many` columns or channels, whole vectors. */
size_t pln_bytes_result_bytes(int64_t many);
/* Reads those of [first, first + n) into such memory and makes a finish of them: with step 1, for all, to be moved on by pln_bytes_result_at. */
void pln_bytes_result_read(const struct pln_bytes_result *result, int64_t first, int64_t n, void *memory, struct pln_bytes_finish *out_finish);
/* The finish from column (channel) i on. */
static inline struct pln_bytes_finish pln_bytes_result_at(const struct pln_bytes_finish *finish, int64_t i)
{
    struct pln_bytes_finish moved = *finish;
    moved.scale += i;
    moved.near_scale += i;
    moved.bias += i;
    return moved;
}

/* c[rows, cols] = (add: that and) a times b in tiles; c has whole vectors of columns. */
void pln_bytes_multiply(const struct pln_bytes_isa *isa, const struct pln_bytes_tile *block, int64_t rows, int64_t cols);

#endif
