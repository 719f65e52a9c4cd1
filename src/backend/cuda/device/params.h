/* Types of parameters that the host and the device share. Included by both sides; see family.h. */
#ifndef PLN_CUDA_PARAMS_H
#define PLN_CUDA_PARAMS_H

#ifdef __CUDACC_RTC__ /* NVRTC has no standard headers */
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
#else
#include <stdint.h>
#endif

#if defined(__CUDACC__) || defined(PLN_EMULATED)
#define PLN_DEVICE_PTR(type) type *
#else
#define PLN_DEVICE_PTR(type) uint64_t
#endif

#define PLN_CUDA_MAX_RANK 8
#define PLN_CUDA_MAX_OPERANDS 32 /* inputs and outputs of a row program together */

/* First in every family's parameters. prepare sets n_tasks; the rest is the device's business. Where all outputs are empty nothing is prepared, the kernel runs all
 * the same, and all that is not here is 0. */
struct pln_cuda_head {
    int64_t n_tasks;
    PLN_DEVICE_PTR(uint64_t) fault; /* where a kernel with a `fault` reports a code other than 0, in host memory: pln_fault(&p->head, code) */
    PLN_DEVICE_PTR(void) shared;    /* prepared.shared_bytes of scratch, not cleared, nobody else's while the kernel runs; NULL: none */
    int64_t command;                /* its place in the recording, counted from 1 */
};

/* A tensor of any strides (elements). */
struct pln_cuda_tensor {
    PLN_DEVICE_PTR(void) data;
    int64_t rank;
    int64_t dims[PLN_CUDA_MAX_RANK];
    int64_t strides[PLN_CUDA_MAX_RANK];
};

/* An operand of a row program: its address and its stride along each axis of the iteration, 0 where it is repeated. */
struct pln_cuda_operand {
    PLN_DEVICE_PTR(void) data;
    int64_t strides[PLN_CUDA_MAX_RANK];
};

#endif
