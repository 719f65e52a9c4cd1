#ifndef PLN_CUDA_ROTARY_PARAMS_H
#define PLN_CUDA_ROTARY_PARAMS_H

#include "backend/cuda/device/params.h"

#define PLN_ROTARY_ROWS 32 /* a task */
#define PLN_ROTARY_BAD_POSITION 1

/* x and y as [batch, heads, seq, size]; strides in elements. */
struct pln_rotary_params {
    struct pln_cuda_head head;
    PLN_DEVICE_PTR(const void) x;
    PLN_DEVICE_PTR(void) y;
    PLN_DEVICE_PTR(const void) cosines;
    PLN_DEVICE_PTR(const void) sines;
    PLN_DEVICE_PTR(const void) ids; /* positions [batch, seq]; NULL: caches are [batch, seq, half] */
    int64_t rows, heads, seq, size; /* rows = batch * heads * seq */
    int64_t half;                   /* pairs that are rotated; the rest of a row is kept */
    int64_t positions;              /* rows of the caches */
    int64_t interleaved;            /* pairs are neighbours; 0: half apart */
    int64_t x_strides[4], y_strides[4];
    int64_t cos_strides[3], sin_strides[3]; /* of batch, seq, pair; with ids: 0, position, pair */
    int64_t id_strides[2];
};

#endif
