#ifndef PLN_CUDA_CONV_PARAMS_H
#define PLN_CUDA_CONV_PARAMS_H

#include "backend/cuda/device/gemm_params.h"

#define PLN_CONV_THREADS 256
#define PLN_CONV_AXES 3 /* depth, height, width; those that images lack have extent 1 */
/* Extents, pads and spans of windows are at most this, so that coordinates and sums of a few of them fit 32 bits. */
#define PLN_CONV_MOST (1 << 28)

/* A convolution of images x[n, groups * group_in, ...] with weights w[groups * group_out, group_in, ...]; transposed: w[groups * group_in, group_out, ...].
 * Strides in elements; a tensor's last ones are those of the three axes. */
struct pln_cuda_conv_params {
    struct pln_cuda_head head;
    PLN_DEVICE_PTR(const void) x;
    PLN_DEVICE_PTR(const void) w;
    PLN_DEVICE_PTR(const void) bias; /* NULL: none */
    PLN_DEVICE_PTR(void) out;
    int64_t n, pixels;               /* images; output pixels of all of them together */
    int32_t groups, group_in, group_out, taps, k; /* taps: product of kernel; k: taps * group_in */
    int32_t in[PLN_CONV_AXES], to[PLN_CONV_AXES]; /* extents of x and of the output */
    int32_t kernel[PLN_CONV_AXES], stride[PLN_CONV_AXES], dilation[PLN_CONV_AXES], pad[PLN_CONV_AXES];
    int32_t x_whole, w_whole;        /* eight channels of 2 bytes, counted from a multiple of 8, are one aligned load */
    int64_t x_n, x_c, x_at[PLN_CONV_AXES];
    int64_t w_o, w_c, w_at[PLN_CONV_AXES];
    int64_t out_n, out_c, out_at[PLN_CONV_AXES];
    int64_t bias_c;
    int64_t tiles_p, tiles_c;        /* tiles of pixels, and of channels of a group */
    struct pln_cuda_operand operands[PLN_CUDA_EPILOGUE_OPERANDS];
};

#endif
