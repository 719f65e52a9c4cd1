/* What matrix products and convolutions share on the host: their epilogues. */
#ifndef PLN_BACKEND_CUDA_KERNELS_GEMM_H
#define PLN_BACKEND_CUDA_KERNELS_GEMM_H

#include "backend/cuda/device/gemm_params.h"
#include "backend/cuda/family.h"

/* NULL: no epilogue, or one that device code takes; else the reason. dtype: of the node's own operands; it is the
 * accumulator's, too, which may also be the f32 of sums of f16 or bf16. n_inputs: of the node, at least 2 of which are not the program's. output_rank: -1
 * not known. */
const char *pln_cuda_check_epilogue(const struct pln_rowprog *program, enum pln_dtype dtype, int n_inputs, int output_rank);
/* Prints pln_epilogue and defines PLN_RANK, its rank; nothing where there is no program. */
enum pln_status pln_cuda_emit_epilogue(const struct pln_rowprog *program, struct pln_diag *diag, struct pln_text *out);
/* Operands of a launch's epilogue, whose inputs lie behind n_own of the launch; checks types and extents, without an epilogue the output's type. */
enum pln_status pln_cuda_prepare_epilogue(const struct pln_kernel *kernel, const struct pln_launch *launch, int n_own, struct pln_diag *diag,
                                          struct pln_cuda_operand out_operands[PLN_CUDA_EPILOGUE_OPERANDS]);

/* Products of f32 round their operands to tf32, which the caller has permitted. */
static inline bool pln_cuda_rounds_to_tf32(const struct pln_kernel *kernel)
{
    return (kernel->needs & PLN_FEATURE_TF32) != 0;
}

#endif
