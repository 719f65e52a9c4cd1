/* Convolution in f32, one to three spatial axes, any groups, strides, dilations and paddings; bias and a fused program
 * as epilogue.
 *
 * pln_cpu_conv_last: images n,h,w,c (strides n,c,h,w with c dense), weights packed. Pixels are the rows of a product,
 * patches are copied as rows of it; 1x1 reads the image in place. pln_cpu_conv_rows: the same images and weights, rows of
 * pixels at a time, read from a copy of the rows that they see. pln_cpu_conv_plain: images n,c,h,w, weights as they
 * are. Output channels are the rows, patches the columns. pln_cpu_depthwise_last, pln_cpu_depthwise_plain: one channel
 * a group. micro of the first three: a pln_gemm_isa; of the others: a pln_taps_isa. tile: as the family's inner function.
 *
 * pln_cpu_conv_winograd: winograd.h.
 *
 * pln_cpu_conv_transposed: transposed convolution, images n,h,w,c, weights packed; micro: a pln_gemm_isa.
 * pln_cpu_depthwise_transposed: the same of one channel a group; micro: a pln_taps_isa. */
#ifndef PLN_CPU_CONV_H
#define PLN_CPU_CONV_H

#include "backend/cpu/kernels/conv/image.h"
#include "backend/cpu/kernels/gemm/gemm.h"

extern const struct pln_kernel_family pln_cpu_conv_last, pln_cpu_conv_rows, pln_cpu_conv_plain, pln_cpu_depthwise_last,
    pln_cpu_depthwise_plain, pln_cpu_conv_transposed, pln_cpu_depthwise_transposed;

/* Weights [o, c, …kernel] as panels (gemm/pack.h) of outputs of rows (…kernel, c), and 16 floats behind that tiles may read. */
extern const struct pln_pack_format pln_pack_f32_oihw_n16_v1;
extern const struct pln_pack_format pln_pack_f32_oihw_n24_v1;
/* Weights [c, 1, …kernel] as rows of taps: [taps, c]. */
extern const struct pln_pack_format pln_pack_f32_taps_v1;

/* Weights [i, o, …kernel] of transposed convolution as panels of 16 columns (…kernel, o) of rows i. */
extern const struct pln_pack_format pln_pack_f32_ihwo_n16_v1;

/* What every convolution knows of a launch. */
struct pln_conv {
    struct pln_image x, y;
    struct pln_image_window window;
    int64_t groups, group_in, group_out, k; /* k: group_in * taps */
    const float *weights;
    bool packed, y_is_bool;
    struct pln_epilogue epilogue;
    /* Of each operand of the epilogue. */
    int64_t e_n[PLN_EPILOGUE_OPERANDS], e_c[PLN_EPILOGUE_OPERANDS], e_pixel[PLN_EPILOGUE_OPERANDS];
};

/* What fits any convolution here; NULL: yes. */
const char *pln_cpu_conv_supports(const struct pln_problem *problem);
/* One channel in and one out a group, known when the plan is made. */
bool pln_cpu_conv_is_depthwise(const struct pln_problem *problem);
double pln_cpu_conv_flops(const struct pln_problem *problem);
enum pln_status pln_cpu_conv_read(const struct pln_kernel *kernel, const struct pln_launch *launch,
                                  struct pln_diag *diag, struct pln_conv *out_conv);
/* How the epilogue's operands are walked: rows are pixels and columns channels, or the other way round. */
void pln_cpu_conv_walk(struct pln_conv *conv, bool rows_are_pixels);
/* Sets the offsets of the epilogue's operands to image n, channel c, pixel p. */
void pln_cpu_conv_place(const struct pln_conv *conv, int64_t n, int64_t c, int64_t p, struct pln_epilogue_run *run);

#endif
