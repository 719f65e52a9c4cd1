/* What the families of device kernels share.
 *
 * A family is a struct pln_kernel_family whose `emit` writes CUDA C: defines for what the problem says, functions made from its row programs, and an
 * #include "backend/cuda/device/NAME.cuh", which has the kernel:
 *
 *     extern "C" __global__ void pln_entry(const struct pln_NAME_params *p)
 *     {
 *         for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) …
 *     }
 *
 * There is one parameter, the address of the family's parameters in device memory. Extents, strides and addresses are read from there, so that one
 * captured graph serves all shapes of a range: the number of blocks is what was good when it was captured, the number of tasks is that of the run.
 *
 * The state that `prepare` fills is those parameters as they travel to the device. It begins with struct pln_cuda_head; both sides declare it in the
 * same header, device/NAME_params.h, in types that are the same on both: int32_t, int64_t, uint32_t, uint64_t, float, and PLN_DEVICE_PTR(type). */
#ifndef PLN_BACKEND_CUDA_FAMILY_H
#define PLN_BACKEND_CUDA_FAMILY_H

#include "backend/backend.h"
#include "backend/cuda/device/params.h"
#include "base/text.h"

extern const struct pln_kernel *const pln_cuda_kernels[]; /* rows of kernels.inc in their order, ended by NULL */
extern const struct pln_kernel_family pln_cuda_gemm, pln_cuda_gemm_mma;                               /* kernels/gemm.c */
extern const struct pln_kernel_family pln_cuda_conv, pln_cuda_conv_last, pln_cuda_conv_mma;           /* kernels/conv.c */
extern const struct pln_kernel_family pln_cuda_depthwise, pln_cuda_conv_transpose;                    /* kernels/conv_direct.c */
extern const struct pln_kernel pln_cuda_copy_row;         /* the row of copies (kernels/copy.c), which stands for no op */

extern const struct pln_kernel_family pln_cuda_rows;
extern const struct pln_kernel_family pln_cuda_reduce;
extern const struct pln_kernel_family pln_cuda_cumulate;
extern const struct pln_kernel_family pln_cuda_topk;

/* Moving elements; no values are computed but in pln_cuda_scatter's reductions. */
extern const struct pln_kernel_family pln_cuda_move, pln_cuda_concat, pln_cuda_concat_many, pln_cuda_split, pln_cuda_split_many, pln_cuda_gather, pln_cuda_scatter, pln_cuda_cut,
    pln_cuda_rearrange, pln_cuda_generate;
extern const struct pln_kernel_family pln_cuda_pool, pln_cuda_resize, pln_cuda_sample, pln_cuda_roi, pln_cuda_rnn;

/* Families of rows (kernels/). */
extern const struct pln_kernel_family pln_cuda_attention;
extern const struct pln_kernel_family pln_cuda_dynamic_quantize;
extern const struct pln_kernel_family pln_cuda_integer_conv;
extern const struct pln_kernel_family pln_cuda_integer_matmul;
extern const struct pln_kernel_family pln_cuda_quantize;
extern const struct pln_kernel_family pln_cuda_rotary;

/* What rows may need of a GPU: the compute capability at least, one bit each; PLN_CUDA_90A also that it is just that one. */
enum {
    PLN_CUDA_SM72 = 1,
    PLN_CUDA_SM75 = 2,
    PLN_CUDA_SM80 = 4,
    PLN_CUDA_SM86 = 8,
    PLN_CUDA_SM87 = 16,
    PLN_CUDA_SM89 = 32,
    PLN_CUDA_SM90 = 64,
    PLN_CUDA_SM100 = 128,
    PLN_CUDA_SM120 = 256,
    PLN_CUDA_90A = 512,
};

/* Element type as the device headers spell it ("f32", "f16", "i64", …: typedefs of prelude.cuh); NULL: it has none there (strings, sub-byte types). */
const char *pln_cuda_type(enum pln_dtype dtype);

/* Extents and strides of a tensor for device/tensor.cuh; data as it is. */
void pln_cuda_tensor_fill(const struct pln_tensor *tensor, struct pln_cuda_tensor *out);

/* ---- row programs as CUDA C (print.c) ---- */

/* Types of a row program that can be printed; NULL, or why not. */
const char *pln_cuda_program_supports(const struct pln_rowprog *program);
/* Prints an elementwise program (no reductions) as
 *
 *     static __device__ __forceinline__ void NAME(const struct pln_cuda_operand *operands, const int64_t *index, float x0)
 *
 * which loads inputs 1… from operands[1…], takes x0 as input 0, and stores the outputs, at iteration coordinates index[0 … rank - 1] (all operands in the
 * order inputs, then outputs; operands[k].strides are by iteration axis, 0 where repeated). */
enum pln_status pln_cuda_print_epilogue(const struct pln_rowprog *program, const char *name, struct pln_diag *diag, struct pln_text *out);
/* Fills operands (inputs, then outputs) of a program for the extents of a launch, checking types, ranks and extents; out_extents: of the iteration space.
 * tensors of input 0 are left out for an epilogue (from_first 1): its extents must be those of the output. what: for messages. */
enum pln_status pln_cuda_fill_operands(const char *what, const struct pln_rowprog *program, const struct pln_tensor *const *inputs, const struct pln_tensor *outputs, int from_first,
                                       struct pln_diag *diag, struct pln_cuda_operand *out_operands, int64_t *out_extents);

#endif
