#ifndef PLN_CUDA_QUANTIZE_PARAMS_H
#define PLN_CUDA_QUANTIZE_PARAMS_H

#include "backend/cuda/device/params.h"

#define PLN_QUANTIZE_THREADS 256
#define PLN_QUANTIZE_ELEMENTS 2048 /* a task */

/* Dense operands. Element i takes scale and zero point number ((i / outer_step) * blocks + (i / inner % extent) / block) * kept + i % kept, without the first
 * part where they are shared by all outer indices. */
struct pln_quantize_params {
    struct pln_cuda_head head;
    PLN_DEVICE_PTR(const void) x;
    PLN_DEVICE_PTR(const void) scale;
    PLN_DEVICE_PTR(const void) zero; /* NULL: 0 */
    PLN_DEVICE_PTR(void) y;
    int64_t n;                         /* elements of x */
    int64_t inner, extent, outer_step; /* elements behind one step of the axis; size of the axis; inner * extent */
    int64_t block, blocks;             /* elements of the axis that share parameters; parameters along the axis */
    int64_t kept;                      /* inner where every lane has its own, else 1 */
    int32_t single, shared_outer;      /* one for all; one set for all outer indices */
};

/* y = x quantized by its own range, which is known only when all of x has been seen. A task takes a part of x, but looks at all of it first. */
struct pln_dynamic_quantize_params {
    struct pln_cuda_head head;
    PLN_DEVICE_PTR(const void) x;
    PLN_DEVICE_PTR(uint8_t) y;
    PLN_DEVICE_PTR(float) scale;    /* NULL: not wanted */
    PLN_DEVICE_PTR(uint8_t) zero;
    int64_t n, elements_a_task;
};

#endif
