#ifndef PLN_CUDA_INTEGER_CONV_PARAMS_H
#define PLN_CUDA_INTEGER_CONV_PARAMS_H

#include "backend/cuda/device/params.h"

#define PLN_INTEGER_CONV_AXES 3     /* depth, height, width; those that images lack have extent 1 */
#define PLN_INTEGER_CONV_FEATURES 4 /* output channels a thread */
#define PLN_INTEGER_CONV_THREADS 256

/* A scale or zero point: one, or one an output channel. */
struct pln_integer_conv_parameter {
    PLN_DEVICE_PTR(const void) data; /* NULL: left out */
    int64_t single;
};

/* y[n, groups * group_out, ...] of x[n, groups * group_in, ...] and w[groups * group_out, group_in, ...], all dense. */
struct pln_integer_conv_params {
    struct pln_cuda_head head;
    PLN_DEVICE_PTR(const void) x;
    PLN_DEVICE_PTR(const void) w;
    PLN_DEVICE_PTR(const int32_t) bias; /* NULL: none */
    PLN_DEVICE_PTR(void) y;
    struct pln_integer_conv_parameter x_zero, x_scale, w_zero, w_scale, y_zero, y_scale;
    int64_t groups, group_in, group_out;
    int64_t in_size, out_size;          /* pixels of an image */
    int64_t pixel_tiles, feature_tiles; /* of an image; of a group */
    int64_t in[PLN_INTEGER_CONV_AXES], out[PLN_INTEGER_CONV_AXES];
    int64_t kernel[PLN_INTEGER_CONV_AXES], stride[PLN_INTEGER_CONV_AXES], dilation[PLN_INTEGER_CONV_AXES], pad[PLN_INTEGER_CONV_AXES];
};

#endif
