#include "backend/cuda/kernels/walk.h"

static int64_t magnitude(int64_t stride)
{
    return stride < 0 ? -stride : stride;
}

static void set_axis(struct pln_cuda_walk *walk, int at, int from)
{
    walk->dims[at] = walk->dims[from];
    for (int k = 0; k < walk->n_operands; k++) walk->strides[k][at] = walk->strides[k][from];
}

void pln_cuda_walk_add(struct pln_cuda_walk *walk, int64_t dim, const int64_t *strides)
{
    if (dim == 1) return;
    int at = walk->rank++;
    for (; at > 0 && magnitude(walk->strides[0][at - 1]) < magnitude(strides[0]); at--) set_axis(walk, at, at - 1);
    walk->dims[at] = dim;
    for (int k = 0; k < walk->n_operands; k++) walk->strides[k][at] = strides[k];
}

void pln_cuda_walk_merge(struct pln_cuda_walk *walk)
{
    int kept = walk->rank > 0;
    for (int i = 1; i < walk->rank; i++) {
        int last = kept - 1;
        bool one = true;
        for (int k = 0; one && k < walk->n_operands; k++)
            one = walk->strides[k][last] == walk->strides[k][i] * walk->dims[i];
        int64_t before = one ? walk->dims[last] : 1;
        last = one ? last : kept++;
        set_axis(walk, last, i);
        walk->dims[last] *= before;
    }
    walk->rank = kept;
}

const char *pln_cuda_unit(enum pln_dtype dtype)
{
    switch (pln_dtype_bits(dtype)) {
    case 8: return "uint8_t";
    case 16: return "uint16_t";
    case 32: return "uint32_t";
    case 64: return "uint64_t";
    default: return NULL;
    }
}

/* -1: no integer of whole bytes. */
static int int_type(enum pln_dtype dtype)
{
    static const enum pln_dtype types[] = {
        [PLN_CUDA_INT_I8] = PLN_I8,   [PLN_CUDA_INT_I16] = PLN_I16, [PLN_CUDA_INT_I32] = PLN_I32,
        [PLN_CUDA_INT_I64] = PLN_I64, [PLN_CUDA_INT_U8] = PLN_U8,   [PLN_CUDA_INT_U16] = PLN_U16,
        [PLN_CUDA_INT_U32] = PLN_U32,
    };
    for (int i = 0; i < (int)PLN_COUNT_OF(types); i++)
        if (types[i] == dtype) return i;
    return dtype == PLN_U64 ? PLN_CUDA_INT_I64 : -1;
}

const char *pln_cuda_ints_supports(const struct pln_problem *problem, int i)
{
    if (i >= problem->n_inputs || !problem->inputs[i].present) return NULL;
    if (int_type(problem->inputs[i].dtype) < 0) return "a parameter has no integer type";
    return problem->inputs[i].rank < 0 || problem->inputs[i].rank > 1 ? "a parameter is no vector" : NULL;
}

bool pln_cuda_has_input(const struct pln_launch *launch, int i)
{
    return i < launch->n_inputs && launch->inputs[i].dtype != PLN_DTYPE_NONE;
}

bool pln_cuda_ints_fill(const struct pln_launch *launch, int i, struct pln_cuda_ints *out_ints)
{
    *out_ints = (struct pln_cuda_ints){ .n = -1 };
    if (!pln_cuda_has_input(launch, i)) return true;
    const struct pln_tensor *tensor = &launch->inputs[i];
    int type = int_type(tensor->dtype);
    if (type < 0 || tensor->rank > 1) return false;
    *out_ints = (struct pln_cuda_ints){ .data = pln_cuda_address(tensor),
                                        .n = pln_tensor_count(tensor),
                                        .stride = tensor->rank == 1 ? tensor->strides[0] : 0,
                                        .type = type };
    return true;
}

static int float_type(enum pln_dtype dtype)
{
    static const enum pln_dtype types[] = {
        [PLN_CUDA_FLOAT_F32] = PLN_F32,
        [PLN_CUDA_FLOAT_F64] = PLN_F64,
        [PLN_CUDA_FLOAT_F16] = PLN_F16,
        [PLN_CUDA_FLOAT_BF16] = PLN_BF16,
    };
    for (int i = 0; i < (int)PLN_COUNT_OF(types); i++)
        if (types[i] == dtype) return i;
    return -1;
}

const char *pln_cuda_floats_supports(const struct pln_problem *problem, int i)
{
    if (i >= problem->n_inputs || !problem->inputs[i].present) return NULL;
    return float_type(problem->inputs[i].dtype) < 0 || problem->inputs[i].rank != 1
               ? "a parameter is no vector of floats"
               : NULL;
}

bool pln_cuda_floats_fill(const struct pln_launch *launch, int i, struct pln_cuda_floats *out_floats)
{
    *out_floats = (struct pln_cuda_floats){ .n = -1 };
    if (!pln_cuda_has_input(launch, i)) return true;
    const struct pln_tensor *tensor = &launch->inputs[i];
    int type = float_type(tensor->dtype);
    if (type < 0 || tensor->rank != 1) return false;
    *out_floats = (struct pln_cuda_floats){
        .data = pln_cuda_address(tensor), .n = tensor->dims[0], .stride = tensor->strides[0], .type = type
    };
    return true;
}

double pln_cuda_move_cost(const struct pln_problem *problem, double bytes_an_element)
{
    double bytes = bytes_an_element;
    const struct pln_operand *out = &problem->outputs[0];
    for (int d = 0; d < out->rank; d++) bytes *= out->dims[d] < 0 ? 128 : (double)out->dims[d];
    return 3000 + bytes / 500; /* starting a kernel; half a terabyte a second */
}
