/* Rotary position embedding (device/rotary.cuh). */
#include "backend/cuda/device/rotary_params.h"
#include "backend/cuda/family.h"

#define THREADS 256

static bool has_ids(const struct pln_problem *problem)
{
    return problem->n_inputs > 3 && problem->inputs[3].present;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    const struct pln_operand *x = &problem->inputs[0];
    if (problem->epilogue) return "it takes no epilogue";
    if (x->dtype != PLN_F32 && x->dtype != PLN_F16 && x->dtype != PLN_BF16 && x->dtype != PLN_F64) return "an operand is not f32, f16, bf16 or f64";
    if (x->rank != 3 && x->rank != 4) return "the input's rank is not 3 or 4";
    for (int i = 1; i < 3; i++) {
        if (problem->inputs[i].dtype != x->dtype) return "operands differ in type";
        if (problem->inputs[i].rank != (has_ids(problem) ? 2 : 3)) return "the caches' rank does not fit";
    }
    if (has_ids(problem) && problem->inputs[3].dtype != PLN_I64 && problem->inputs[3].dtype != PLN_I32) return "positions are not i64 or i32";
    return NULL;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    double elements = 1;
    for (int i = 0; i < problem->inputs[0].rank; i++) elements *= problem->inputs[0].dims[i] < 0 ? 128 : (double)problem->inputs[0].dims[i];
    return 3000 + elements / 200;
}

static enum pln_status emit(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag, struct pln_text *out_source)
{
    (void)kernel;
    (void)diag;
    pln_text_printf(out_source, "#define PLN_ELEMENT %s\n#define PLN_REAL %s\n", pln_cuda_type(problem->inputs[0].dtype), problem->inputs[0].dtype == PLN_F64 ? "double" : "float");
    if (has_ids(problem)) pln_text_printf(out_source, "#define PLN_ID %s\n", pln_cuda_type(problem->inputs[3].dtype));
    pln_text_printf(out_source, "#include \"backend/cuda/device/rotary.cuh\"\n");
    return PLN_OK;
}

/* Strides of [batch, heads, seq, size]. */
static void split_strides(const struct pln_tensor *tensor, int64_t size, int64_t *out)
{
    const int64_t *s = tensor->strides;
    out[0] = s[0];
    out[1] = tensor->rank == 4 ? s[1] : size * s[2];
    out[2] = tensor->rank == 4 ? s[2] : s[1];
    out[3] = tensor->rank == 4 ? s[3] : s[2];
}

static enum pln_status read_cache(const struct pln_tensor *cache, const struct pln_tensor *x, bool ids, const struct pln_rotary_params *params, int64_t *out_strides, struct pln_diag *diag)
{
    const int64_t *s = cache->strides;
    if (cache->dtype != x->dtype || cache->rank != (ids ? 2 : 3)) return pln_fail(diag, PLN_BAD_PLAN, "RotaryEmbedding: a cache has another type or rank");
    if (cache->dims[cache->rank - 1] != params->half || (!ids && (cache->dims[0] != x->dims[0] || cache->dims[1] != params->seq)))
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "RotaryEmbedding: a cache does not fit %lld rotated pairs", (long long)params->half);
    out_strides[0] = ids ? 0 : s[0];
    out_strides[1] = ids ? s[0] : s[1];
    out_strides[2] = ids ? s[1] : s[2];
    return PLN_OK;
}

static enum pln_status read_ids(const struct pln_launch *launch, struct pln_rotary_params *params, struct pln_diag *diag)
{
    const struct pln_tensor *ids = &launch->inputs[3], *cosines = &launch->inputs[1], *sines = &launch->inputs[2];
    if (ids->rank != 2 || (ids->dtype != PLN_I64 && ids->dtype != PLN_I32)) return pln_fail(diag, PLN_BAD_PLAN, "RotaryEmbedding: positions are no matrix of i64 or i32");
    if (ids->dims[0] != launch->inputs[0].dims[0] || ids->dims[1] != params->seq) return pln_fail(diag, PLN_INVALID_ARGUMENT, "RotaryEmbedding: positions are not one a batch row and place");
    params->ids = (uint64_t)(uintptr_t)ids->data;
    params->id_strides[0] = ids->strides[0];
    params->id_strides[1] = ids->strides[1];
    params->positions = PLN_MIN(cosines->dims[0], sines->dims[0]);
    return PLN_OK;
}

static enum pln_status read_input(const struct pln_launch *launch, struct pln_rotary_params *params, struct pln_diag *diag)
{
    const struct pln_tensor *x = &launch->inputs[0], *y = &launch->outputs[0];
    const int64_t told = pln_attrs_int(launch->attrs, "num_heads", 0);
    int64_t dim = pln_attrs_int(launch->attrs, "rotary_embedding_dim", 0);
    if (!pln_tensor_same_shape(x, y) || x->dtype != y->dtype || (x->rank != 3 && x->rank != 4) || (x->dtype != PLN_F32 && x->dtype != PLN_F16 && x->dtype != PLN_BF16 && x->dtype != PLN_F64))
        return pln_fail(diag, PLN_BAD_PLAN, "RotaryEmbedding: type or shape of input and output do not fit");
    if (x->rank == 3 && (told <= 0 || x->dims[2] % told != 0)) return pln_fail(diag, PLN_INVALID_ARGUMENT, "RotaryEmbedding: the input does not fit %lld heads", (long long)told);
    params->heads = x->rank == 4 ? x->dims[1] : told;
    params->seq = x->dims[x->rank - 2];
    params->size = x->rank == 4 ? x->dims[3] : x->dims[2] / told;
    if (dim == 0) dim = params->size;
    if (dim < 0 || dim > params->size || dim % 2 != 0)
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "RotaryEmbedding: rotary_embedding_dim %lld does not fit heads of %lld", (long long)dim, (long long)params->size);
    params->half = dim / 2;
    params->rows = pln_tensor_count(x) == 0 ? 0 : x->dims[0] * params->heads * params->seq;
    params->x = (uint64_t)(uintptr_t)x->data;
    params->y = (uint64_t)(uintptr_t)y->data;
    split_strides(x, params->size, params->x_strides);
    split_strides(y, params->size, params->y_strides);
    return PLN_OK;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    (void)kernel;
    struct pln_rotary_params *params = state;
    if (launch->n_inputs < 3 || launch->n_outputs < 1) return pln_fail(diag, PLN_BAD_PLAN, "RotaryEmbedding: operands are missing");
    const bool ids = launch->n_inputs > 3 && launch->inputs[3].dtype != PLN_DTYPE_NONE;
    PLN_TRY(read_input(launch, params, diag));
    PLN_TRY(read_cache(&launch->inputs[1], &launch->inputs[0], ids, params, params->cos_strides, diag));
    PLN_TRY(read_cache(&launch->inputs[2], &launch->inputs[0], ids, params, params->sin_strides, diag));
    if (ids) PLN_TRY(read_ids(launch, params, diag));
    params->cosines = (uint64_t)(uintptr_t)launch->inputs[1].data;
    params->sines = (uint64_t)(uintptr_t)launch->inputs[2].data;
    params->interleaved = pln_attrs_int(launch->attrs, "interleaved", 0) != 0;
    *out_prepared = (struct pln_prepared){ .n_tasks = (params->rows + PLN_ROTARY_ROWS - 1) / PLN_ROTARY_ROWS, .grain = 1, .block_threads = THREADS };
    return PLN_OK;
}

static const char *fault(const void *state, uint64_t code)
{
    (void)state;
    (void)code;
    return "RotaryEmbedding: a position is outside the cache";
}

const struct pln_kernel_family pln_cuda_rotary = {
    .name = "rotary",
    .state_bytes = sizeof(struct pln_rotary_params),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .emit = emit,
    .fault = fault,
    .packed_input = -1,
};
