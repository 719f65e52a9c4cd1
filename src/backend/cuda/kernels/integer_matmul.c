/* MatMulInteger and QLinearMatMul (device/integer_matmul.cuh). */
#include "backend/cuda/kernels/integer.h"
#include "backend/cuda/device/integer_matmul_params.h"
#include "backend/cuda/family.h"

#define THREADS 256

/* Which input is what; -1: none. */
struct layout {
    int a, a_zero, a_scale, b, b_zero, b_scale, y_zero, y_scale;
};

static const struct layout *layout_of(const struct pln_kernel *kernel)
{
    static const struct layout plain = { 0, 2, -1, 1, 3, -1, -1, -1 }, quantized = { 0, 2, 1, 3, 5, 4, 7, 6 };
    return kernel->op == PLN_OP_QLINEAR_MATMUL ? &quantized : &plain;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const struct layout *l = layout_of(kernel);
    const struct pln_operand *in = problem->inputs;
    if (problem->epilogue) return "it takes no epilogue";
    if (!pln_integer_is_byte(in[l->a].dtype) || !pln_integer_is_byte(in[l->b].dtype)) return "an operand is not i8 or u8";
    const int sides[2][2] = { { l->a, l->a_zero }, { l->b, l->b_zero } };
    for (int s = 0; s < 2; s++) {
        const struct pln_operand *side = &in[sides[s][0]];
        if (side->rank < 1 || side->rank > PLN_CUDA_MAX_RANK) return "a rank is not known, or 0, or more than 8";
        if (sides[s][1] < problem->n_inputs && in[sides[s][1]].present && in[sides[s][1]].dtype != side->dtype) return "a zero point has another type";
    }
    if (l->y_scale < 0) return NULL;
    if (!pln_integer_is_scale(in[l->a_scale].dtype) || !pln_integer_is_scale(in[l->b_scale].dtype) || !pln_integer_is_scale(in[l->y_scale].dtype)) return "a scale is not f32, f16 or bf16";
    return pln_integer_is_byte(in[l->y_zero].dtype) ? NULL : "the result is not i8 or u8";
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const struct pln_operand *a = &problem->inputs[layout_of(kernel)->a], *b = &problem->inputs[layout_of(kernel)->b];
    double work = 2;
    for (int i = 0; i < a->rank; i++) work *= a->dims[i] < 0 ? 128 : (double)a->dims[i];
    if (b->rank > 1) work *= b->dims[b->rank - 1] < 0 ? 128 : (double)b->dims[b->rank - 1];
    return 3000 + work / 5000;
}

static enum pln_status emit(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag, struct pln_text *out_source)
{
    (void)diag;
    const struct layout *l = layout_of(kernel);
    const struct pln_operand *in = problem->inputs;
    pln_text_printf(out_source, "#define PLN_A %s\n#define PLN_B %s\n", pln_cuda_type(in[l->a].dtype), pln_cuda_type(in[l->b].dtype));
    pln_integer_emit_result(out_source, l->y_scale < 0 ? PLN_I32 : in[l->y_zero].dtype);
    if (l->y_scale >= 0) {
        pln_text_printf(out_source, "#define PLN_A_SCALE %s\n#define PLN_B_SCALE %s\n#define PLN_Y_SCALE %s\n", pln_cuda_type(in[l->a_scale].dtype), pln_cuda_type(in[l->b_scale].dtype),
                        pln_cuda_type(in[l->y_scale].dtype));
    }
    pln_text_printf(out_source, "#include \"backend/cuda/device/integer_matmul.cuh\"\n");
    return PLN_OK;
}

/* ---- prepare ---- */

static enum pln_status read_matrices(const struct pln_tensor *tensor, bool is_column, const struct pln_integer_matmul_params *params, struct pln_integer_matrices *out, int64_t *out_matrices)
{
    const int own = PLN_MAX(tensor->rank - 2, 0), last = tensor->rank - 1;
    int64_t matrices = 1;
    out->data = (uint64_t)(uintptr_t)tensor->data;
    out->row_stride = tensor->rank > 1 ? tensor->strides[last - 1] : is_column ? tensor->strides[last] : 0;
    out->col_stride = tensor->rank > 1 || !is_column ? tensor->strides[last] : 0;
    for (int d = (int)params->batch_rank - 1; d >= 0; d--) {
        const int from = d - ((int)params->batch_rank - own);
        const int64_t dim = from >= 0 ? tensor->dims[from] : 1;
        out->batch_strides[d] = dim == 1 ? 0 : tensor->strides[from];
        out->matrix_strides[d] = dim == 1 ? 0 : matrices;
        matrices *= PLN_MAX(dim, 1);
    }
    *out_matrices = matrices;
    return PLN_OK;
}

static enum pln_status read_parameter(const struct pln_launch *launch, int i, int64_t lanes, int64_t matrices, bool is_scale_type, enum pln_dtype dtype, struct pln_integer_parameter *out, struct pln_diag *diag)
{
    const struct pln_tensor *tensor = pln_integer_input(launch, i);
    if (!tensor) return is_scale_type ? pln_fail(diag, PLN_BAD_PLAN, "a product of bytes lacks input %d", i) : PLN_OK;
    const int64_t n = pln_tensor_count(tensor);
    if (is_scale_type ? !pln_integer_is_scale(tensor->dtype) : tensor->dtype != dtype) return pln_fail(diag, PLN_BAD_PLAN, "a product of bytes: input %d has another type", i);
    if (!pln_tensor_is_contiguous(tensor)) return pln_fail(diag, PLN_BAD_PLAN, "a product of bytes: input %d is strided", i);
    if (n != 1 && n != lanes && !(matrices > 0 && n % matrices == 0 && n / matrices == lanes))
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "a product of bytes: input %d has %lld elements, which fit neither the tensor nor its %lld rows or columns", i, (long long)n, (long long)lanes);
    *out = (struct pln_integer_parameter){ .data = (uint64_t)(uintptr_t)tensor->data, .per_matrix = n != lanes ? lanes : 0, .single = n == 1 };
    return PLN_OK;
}

/* m, n, k and the batch, from the shapes of a and b, which y must have, too. */
static enum pln_status read_shapes(const struct pln_tensor *a, const struct pln_tensor *b, const struct pln_tensor *y, struct pln_integer_matmul_params *params, struct pln_diag *diag)
{
    int64_t batch[PLN_MAX_RANK];
    int rank = 0;
    if (a->rank < 1 || b->rank < 1 || a->rank > PLN_CUDA_MAX_RANK || b->rank > PLN_CUDA_MAX_RANK) return pln_fail(diag, PLN_BAD_PLAN, "a product of bytes: ranks are not possible");
    params->m = a->rank > 1 ? a->dims[a->rank - 2] : 1;
    params->k = a->dims[a->rank - 1];
    params->n = b->rank > 1 ? b->dims[b->rank - 1] : 1;
    if (params->k != b->dims[b->rank > 1 ? b->rank - 2 : 0] || !pln_shape_broadcast(PLN_MAX(a->rank - 2, 0), a->dims, PLN_MAX(b->rank - 2, 0), b->dims, &rank, batch))
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "a product of bytes: the operands' shapes do not fit together");
    params->batch_rank = rank;
    for (int d = 0; d < rank; d++) params->batch[d] = batch[d];
    if (a->rank > 1) batch[rank++] = params->m;
    if (b->rank > 1) batch[rank++] = params->n;
    bool fits = y->rank == rank;
    for (int d = 0; fits && d < rank; d++) fits = y->dims[d] == batch[d];
    if (!fits) return pln_fail(diag, PLN_INVALID_ARGUMENT, "a product of bytes: the result's shape does not fit the operands");
    int at = 0;
    for (; at < params->batch_rank; at++) params->y.batch_strides[at] = y->strides[at];
    params->y.row_stride = a->rank > 1 ? y->strides[at++] : 0;
    params->y.col_stride = b->rank > 1 ? y->strides[at] : 0;
    params->y.data = (uint64_t)(uintptr_t)y->data;
    return PLN_OK;
}

static enum pln_status read_side(const struct pln_launch *launch, const int *which, bool is_column, const struct pln_integer_matmul_params *params, struct pln_integer_matrices *out, struct pln_diag *diag)
{
    const struct pln_tensor *side = pln_integer_input(launch, which[0]);
    const int64_t lanes = is_column ? params->n : params->m;
    int64_t matrices;
    PLN_TRY(read_matrices(side, is_column, params, out, &matrices));
    PLN_TRY(read_parameter(launch, which[1], lanes, matrices, false, side->dtype, &out->zero, diag));
    return which[2] < 0 ? PLN_OK : read_parameter(launch, which[2], lanes, matrices, true, PLN_F32, &out->scale, diag);
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pln_integer_matmul_params *params = state;
    const struct layout *l = layout_of(kernel);
    const struct pln_tensor *a = pln_integer_input(launch, l->a), *b = pln_integer_input(launch, l->b), *y_zero = pln_integer_input(launch, l->y_zero);
    if (!a || !b || launch->n_outputs < 1 || (l->y_zero >= 0 && !y_zero)) return pln_fail(diag, PLN_BAD_PLAN, "a product of bytes lacks operands");
    const enum pln_dtype y = l->y_zero >= 0 ? y_zero->dtype : PLN_I32;
    if (!pln_integer_is_byte(a->dtype) || !pln_integer_is_byte(b->dtype) || launch->outputs[0].dtype != y || (l->y_zero >= 0 && !pln_integer_is_byte(y))) return pln_fail(diag, PLN_BAD_PLAN, "a product of bytes: an operand has another type");
    PLN_TRY(read_shapes(a, b, &launch->outputs[0], params, diag));
    PLN_TRY(read_side(launch, (const int[]){ l->a, l->a_zero, l->a_scale }, false, params, &params->a, diag));
    PLN_TRY(read_side(launch, (const int[]){ l->b, l->b_zero, l->b_scale }, true, params, &params->b, diag));
    if (l->y_scale >= 0) {
        PLN_TRY(read_parameter(launch, l->y_scale, 1, 1, true, PLN_F32, &params->y.scale, diag));
        PLN_TRY(read_parameter(launch, l->y_zero, 1, 1, false, y, &params->y.zero, diag));
    }
    params->m_tiles = (params->m + PLN_INTEGER_TILE - 1) / PLN_INTEGER_TILE;
    params->n_tiles = (params->n + PLN_INTEGER_TILE - 1) / PLN_INTEGER_TILE;
    int64_t n_tasks = params->m_tiles * params->n_tiles;
    for (int64_t d = 0; d < params->batch_rank; d++) n_tasks *= params->batch[d];
    *out_prepared = (struct pln_prepared){ .n_tasks = n_tasks, .grain = 1, .block_threads = THREADS };
    return PLN_OK;
}

const struct pln_kernel_family pln_cuda_integer_matmul = {
    .name = "integer_matmul",
    .state_bytes = sizeof(struct pln_integer_matmul_params),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .emit = emit,
    .packed_input = -1,
};
