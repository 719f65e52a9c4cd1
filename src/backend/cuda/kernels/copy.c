/* The copy kernel: elements of 1, 2, 4 or 8 bytes between tensors of any strides. tile: threads a block. */
#include "backend/cuda/device/copy_params.h"
#include "backend/cuda/family.h"

#define ELEMENTS_A_THREAD 8 /* device/copy.cuh */

static const char *element_type(enum pln_dtype dtype)
{
    switch (pln_dtype_bits(dtype)) {
    case 8: return "uint8_t";
    case 16: return "uint16_t";
    case 32: return "uint32_t";
    case 64: return dtype == PLN_STR ? NULL : "uint64_t";
    default: return NULL;
    }
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    if (!element_type(problem->inputs[0].dtype)) return "elements are not 1, 2, 4 or 8 bytes";
    return problem->inputs[0].rank > PLN_CUDA_MAX_RANK ? "there are more than 8 dims" : NULL;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    (void)problem;
    return 3000;
}

static enum pln_status emit(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag, struct pln_text *out_source)
{
    (void)diag;
    pln_text_printf(out_source, "#define PLN_ELEMENT %s\n#define PLN_THREADS %d\n#include \"backend/cuda/device/copy.cuh\"\n", element_type(problem->inputs[0].dtype), (int)kernel->tile[0]);
    return PLN_OK;
}

static int64_t magnitude(int64_t stride)
{
    return stride < 0 ? -stride : stride;
}

/* Axes of extent 1 dropped, the rest by falling strides of the output, neighbours merged where both sides walk them as one. */
static void merge_axes(const struct pln_tensor *from, const struct pln_tensor *to, struct pln_cuda_copy_params *params)
{
    int n = 0;
    for (int i = 0; i < to->rank; i++) {
        if (to->dims[i] == 1) continue;
        int at = n++;
        for (; at > 0 && magnitude(params->to_strides[at - 1]) < magnitude(to->strides[i]); at--) {
            params->dims[at] = params->dims[at - 1];
            params->from_strides[at] = params->from_strides[at - 1];
            params->to_strides[at] = params->to_strides[at - 1];
        }
        params->dims[at] = to->dims[i];
        params->from_strides[at] = from->strides[i];
        params->to_strides[at] = to->strides[i];
    }
    int kept = n > 0;
    for (int i = 1; i < n; i++) {
        int last = kept - 1;
        if (params->from_strides[last] == params->from_strides[i] * params->dims[i] && params->to_strides[last] == params->to_strides[i] * params->dims[i]) {
            params->dims[last] *= params->dims[i];
        } else {
            last = kept++;
            params->dims[last] = params->dims[i];
        }
        params->from_strides[last] = params->from_strides[i];
        params->to_strides[last] = params->to_strides[i];
    }
    params->rank = kept;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pln_cuda_copy_params *params = state;
    if (launch->n_inputs != 1 || launch->n_outputs != 1) return pln_fail(diag, PLN_BAD_PLAN, "a copy has one input and one output");
    const struct pln_tensor *from = &launch->inputs[0], *to = &launch->outputs[0];
    if (!pln_tensor_same_shape(from, to) || from->dtype != to->dtype || !element_type(from->dtype) || to->rank > PLN_CUDA_MAX_RANK)
        return pln_fail(diag, PLN_BAD_PLAN, "a copy changes shape or type, or has more than %d dims", PLN_CUDA_MAX_RANK);
    params->from = (uint64_t)(uintptr_t)from->data;
    params->to = (uint64_t)(uintptr_t)to->data;
    params->n_elements = pln_tensor_count(to);
    if (params->n_elements > 0) merge_axes(from, to, params);
    const int64_t a_task = (int64_t)kernel->tile[0] * ELEMENTS_A_THREAD;
    *out_prepared = (struct pln_prepared){ .n_tasks = (params->n_elements + a_task - 1) / a_task, .grain = 1, .block_threads = kernel->tile[0] };
    return PLN_OK;
}

static const struct pln_kernel_family family = { .name = "copy", .state_bytes = sizeof(struct pln_cuda_copy_params), .supports = supports, .cost = cost, .prepare = prepare, .emit = emit, .packed_input = -1 };

const struct pln_kernel pln_cuda_copy_row = { .name = "copy_strided_cuda", .op = PLN_OP_IDENTITY, .family = &family, .flags = PLN_KERNEL_STRIDED_IN | PLN_KERNEL_STRIDED_OUT, .tile = { 256 } };
