/* The row of copies: elements of 1, 2, 4 or 8 bytes between tensors of any strides. */
#include "backend/cuda/kernels/move.h"

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    if (!pln_cuda_unit(problem->inputs[0].dtype)) return "elements are not 1, 2, 4 or 8 bytes";
    return problem->inputs[0].rank > PLN_CUDA_MAX_RANK ? "there are more than 8 dims" : NULL;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    return pln_cuda_move_cost(problem, 8);
}

static enum pln_status emit(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag,
                            struct pln_text *out_source)
{
    (void)kernel;
    (void)diag;
    pln_cuda_move_emit(problem->inputs[0].dtype, out_source);
    return PLN_OK;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state,
                               struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    (void)kernel;
    struct pln_cuda_move_params *params = state;
    struct pln_cuda_walk walk = { .n_operands = 2 };
    if (launch->n_inputs != 1 || launch->n_outputs != 1)
        return pln_fail(diag, PLN_BAD_PLAN, "a copy has one input and one output");
    const struct pln_tensor *from = &launch->inputs[0], *to = &launch->outputs[0];
    if (!pln_tensor_same_shape(from, to) || from->dtype != to->dtype || !pln_cuda_unit(from->dtype) ||
        to->rank > PLN_CUDA_MAX_RANK) {
        char a[128], b[128];
        return pln_fail(diag, PLN_BAD_PLAN, "a copy of %s to %s changes shape or type, or has more than %d dims",
                        pln_tensor_describe(from, a, sizeof a), pln_tensor_describe(to, b, sizeof b),
                        PLN_CUDA_MAX_RANK);
    }
    params->from = pln_cuda_address(from);
    params->to = pln_cuda_address(to);
    for (int d = 0; d < to->rank; d++)
        pln_cuda_walk_add(&walk, to->dims[d], (const int64_t[]){ to->strides[d], from->strides[d] });
    pln_cuda_move_fill(&walk, pln_tensor_count(to), params, out_prepared);
    return PLN_OK;
}

static const struct pln_kernel_family family = { .name = "copy",
                                                 .state_bytes = sizeof(struct pln_cuda_move_params),
                                                 .supports = supports,
                                                 .cost = cost,
                                                 .prepare = prepare,
                                                 .emit = emit,
                                                 .packed_input = -1 };

const struct pln_kernel pln_cuda_copy_row = { .name = "copy_strided_cuda",
                                              .op = PLN_OP_IDENTITY,
                                              .family = &family,
                                              .flags = PLN_KERNEL_STRIDED_IN | PLN_KERNEL_STRIDED_OUT,
                                              .tile = { 256 } };
