/* What the families of convolution share on the host. */
#ifndef PLN_BACKEND_CUDA_KERNELS_CONV_H
#define PLN_BACKEND_CUDA_KERNELS_CONV_H

#include "backend/cuda/device/conv_params.h"
#include "backend/cuda/kernels/gemm.h"

/* Weights [o, c, ...kernel] with the channels of a tap side by side: [o, ...kernel, c]. Any element type of whole bytes. */
extern const struct pln_pack_format pln_pack_conv_ohwi_v1;

/* NULL, or why no convolution here takes the problem: types other than `type` (PLN_F32: also f16 and bf16), ranks, epilogue. */
const char *pln_cuda_conv_supports(const struct pln_problem *problem, enum pln_dtype type, bool narrow);
/* Operations of a convolution, transposed or not; extents that are not known count as 56. */
double pln_cuda_conv_flops(const struct pln_problem *problem);
/* The defines of device/conv.cuh and the epilogue. */
enum pln_status pln_cuda_conv_emit(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag, struct pln_text *out);
/* Checks a launch and fills everything but the tiles. packed: of weights that are packed as pln_pack_conv_ohwi_v1. */
enum pln_status pln_cuda_conv_read(const struct pln_kernel *kernel, const struct pln_launch *launch, struct pln_diag *diag, struct pln_cuda_conv_params *p);

#endif
