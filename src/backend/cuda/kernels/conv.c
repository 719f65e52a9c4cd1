/* Convolution as a product of patches and weights, on one to three axes with any groups: by fused multiply-adds, and on tensor cores. tile: rows, columns,
 * depth, and the type that a row is for (PLN_F32: elements are f32, f16 or bf16; for tensor cores the elements' type). Rows with PLN_KERNEL_CHANNELS_LAST
 * have pixels as rows of a tile and take weights packed; others have channels as rows. */
#include "backend/cuda/kernels/conv.h"

static bool on_tensor_cores(const struct pln_kernel *kernel)
{
    return kernel->family == &pln_cuda_conv_mma;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const enum pln_dtype type = (enum pln_dtype)kernel->tile[3];
    return pln_cuda_conv_supports(problem, type, type == PLN_F32 && !pln_cuda_rounds_to_tf32(kernel));
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    /* The speeds of kernels/gemm.c. Narrow groups leave most of a tile unused; gathering is slower where channels do not lie side by side. */
    const struct pln_operand *w = &problem->inputs[1];
    const bool last = (kernel->flags & PLN_KERNEL_CHANNELS_LAST) != 0;
    const double groups = (double)PLN_MAX(1, pln_attrs_int(problem->attrs, "group", 1)), group_out = w->rank > 0 && w->dims[0] > 0 ? (double)w->dims[0] / groups : 64;
    const double width = (double)kernel->tile[last ? 1 : 0], used = group_out >= width ? 1 : group_out / width;
    const double flops_a_ns = on_tensor_cores(kernel) ? 150e3 : pln_cuda_rounds_to_tf32(kernel) ? 75e3 : kernel->tile[3] == PLN_F64 ? 5e3 : 16e3;
    return pln_cuda_conv_flops(problem) / (flops_a_ns * used) * (last ? 1 : 1.25) + 4000;
}

static enum pln_status emit(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag, struct pln_text *out_source)
{
    PLN_TRY(pln_cuda_conv_emit(kernel, problem, diag, out_source));
    if (on_tensor_cores(kernel)) {
        pln_text_printf(out_source, "#define PLN_MMA_TYPE \"%s\"\n#include \"backend/cuda/device/conv_mma.cuh\"\n", pln_cuda_type(problem->inputs[0].dtype));
        return PLN_OK;
    }
    if (pln_cuda_rounds_to_tf32(kernel)) pln_text_puts(out_source, "#define PLN_TF32\n");
    pln_text_printf(out_source, "#define PLN_TILE_M %d\n#define PLN_TILE_N %d\n#define PLN_TILE_K %d\n#include \"backend/cuda/device/conv_simt.cuh\"\n", (int)kernel->tile[0], (int)kernel->tile[1],
                    (int)kernel->tile[2]);
    return PLN_OK;
}

static const struct pln_pack_format *pack_format(const struct pln_kernel *kernel)
{
    (void)kernel;
    return &pln_pack_conv_ohwi_v1;
}

/* Are eight channels from a multiple of 8 on one aligned load? strides: all others. */
static bool is_whole(uint64_t address, int32_t channels, int64_t c_stride, int64_t outer, const int64_t *strides)
{
    bool whole = channels % 8 == 0 && c_stride == 1 && outer % 8 == 0 && address % 16 == 0;
    for (int d = 0; d < PLN_CONV_AXES; d++) whole = whole && strides[d] % 8 == 0;
    return whole;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pln_cuda_conv_params *p = state;
    *out_prepared = (struct pln_prepared){ .grain = 1, .block_threads = PLN_CONV_THREADS };
    const enum pln_dtype type = (enum pln_dtype)kernel->tile[3], dtype = launch->n_inputs > 0 ? launch->inputs[0].dtype : PLN_DTYPE_NONE;
    if (dtype != type && (type != PLN_F32 || pln_cuda_rounds_to_tf32(kernel) || (dtype != PLN_F16 && dtype != PLN_BF16))) return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: the operands are of another type", kernel->name);
    PLN_TRY(pln_cuda_conv_read(kernel, launch, diag, p));
    const bool last = (kernel->flags & PLN_KERNEL_CHANNELS_LAST) != 0;
    const int64_t tile_p = kernel->tile[last ? 0 : 1], tile_c = kernel->tile[last ? 1 : 0];
    p->x_whole = is_whole(p->x, p->group_in, p->x_c, p->x_n, p->x_at);
    p->w_whole = is_whole(p->w, p->group_in, p->w_c, p->w_o, p->w_at);
    p->tiles_p = p->pixels / tile_p + (p->pixels % tile_p != 0);
    p->tiles_c = (p->group_out + tile_c - 1) / tile_c;
    if (!pln_mul_i64(p->tiles_p, p->tiles_c, &out_prepared->n_tasks) || !pln_mul_i64(out_prepared->n_tasks, p->groups, &out_prepared->n_tasks))
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: the output is too large", kernel->name);
    return PLN_OK;
}

/* Rows that take any strides take weights as they are. */
const struct pln_kernel_family pln_cuda_conv = { .name = "conv", .state_bytes = sizeof(struct pln_cuda_conv_params), .supports = supports, .cost = cost, .prepare = prepare, .emit = emit, .packed_input = -1 };
const struct pln_kernel_family pln_cuda_conv_last = {
    .name = "conv_last", .state_bytes = sizeof(struct pln_cuda_conv_params), .supports = supports, .cost = cost, .prepare = prepare, .emit = emit, .packed_input = 1, .pack = pack_format
};
const struct pln_kernel_family pln_cuda_conv_mma = {
    .name = "conv_mma", .state_bytes = sizeof(struct pln_cuda_conv_params), .supports = supports, .cost = cost, .prepare = prepare, .emit = emit, .packed_input = 1, .pack = pack_format
};
