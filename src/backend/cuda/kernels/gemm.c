/* Matrix products: op MATMUL with any batch and strides, op GEMM with its attributes. tile: rows, columns and depth of a block's tile, and the type that a
 * row is for: PLN_F32 sums in f32 (elements are f32, f16 or bf16), PLN_F64, PLN_I64 integers of any width; for tensor cores the elements' type. */
#include "backend/cuda/kernels/gemm.h"

#define OWN_INPUTS(op) ((op) == PLN_OP_GEMM ? 3 : 2)

static bool on_tensor_cores(const struct pln_kernel *kernel)
{
    return kernel->family == &pln_cuda_gemm_mma;
}

static bool takes_type(const struct pln_kernel *kernel, enum pln_dtype dtype)
{
    const enum pln_dtype own = (enum pln_dtype)kernel->tile[3];
    if (on_tensor_cores(kernel)) return dtype == own;
    if (own == PLN_F32 && !pln_cuda_rounds_to_tf32(kernel)) return dtype == PLN_F32 || dtype == PLN_F16 || dtype == PLN_BF16;
    if (own == PLN_I64) return pln_dtype_is_integer(dtype) && pln_dtype_bits(dtype) >= 8;
    return dtype == own;
}

/* ---- what fits ---- */

const char *pln_cuda_check_epilogue(const struct pln_rowprog *program, enum pln_dtype dtype, int n_inputs, int output_rank)
{
    const bool narrow = dtype == PLN_F16 || dtype == PLN_BF16;
    if (!program) return NULL;
    if (program->n_inputs < 1 || program->n_outputs != 1 || n_inputs - (program->n_inputs - 1) < 2) return "the epilogue does not fit the node";
    if (program->inputs[0].dtype != dtype && !(narrow && program->inputs[0].dtype == PLN_F32)) return "the epilogue's accumulator is of another type";
    if (output_rank >= 0 && program->rank != output_rank) return "the epilogue's rank is not the output's";
    for (int i = 0; i < program->n_instrs; i++)
        if (program->instrs[i].code == PLN_ROWPROG_REDUCE) return "the epilogue has a reduction";
    return pln_cuda_program_supports(program);
}

/* Of a node: its inputs without those of its epilogue. */
static int own_inputs(int n_inputs, const struct pln_rowprog *epilogue)
{
    return n_inputs - (epilogue ? epilogue->n_inputs - 1 : 0);
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    if (problem->n_inputs < 2 || problem->n_outputs != 1) return "wrong number of operands";
    const struct pln_operand *a = &problem->inputs[0], *b = &problem->inputs[1];
    if (!a->present || !b->present || a->dtype != b->dtype || !takes_type(kernel, a->dtype)) return "the operands are of another type";
    const char *why = pln_cuda_check_epilogue(problem->epilogue, a->dtype, problem->n_inputs, problem->outputs[0].rank);
    if (why) return why;
    const bool integer = !pln_dtype_is_float(a->dtype);
    if (integer && problem->epilogue) return "the epilogue's accumulator is an integer";
    if (problem->op != PLN_OP_GEMM) return NULL;
    if (integer && (pln_attrs_float(problem->attrs, "alpha", 1.0f) != 1.0f || pln_attrs_float(problem->attrs, "beta", 1.0f) != 1.0f)) return "integers are scaled";
    const bool has_c = own_inputs(problem->n_inputs, problem->epilogue) > 2 && problem->inputs[2].present;
    return has_c && problem->inputs[2].dtype != a->dtype ? "C is of another type" : NULL;
}

static double known(int64_t dim)
{
    return dim < 0 ? 128.0 : (double)dim;
}

static double extent(const struct pln_operand *operand, int from_end)
{
    if (operand->rank < 0) return 128.0;
    return operand->rank < from_end ? 1.0 : known(operand->dims[operand->rank - from_end]);
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const bool ta = pln_attrs_int(problem->attrs, "transA", 0) != 0, tb = pln_attrs_int(problem->attrs, "transB", 0) != 0;
    const struct pln_operand *a = &problem->inputs[0], *b = &problem->inputs[1], *out = &problem->outputs[0];
    double m = extent(a, ta ? 1 : 2), k = extent(a, ta ? 2 : 1), n = extent(b, tb ? 2 : 1);
    if (a->rank == 1) m = 1;
    if (b->rank == 1) n = 1;
    double batch = 1;
    for (int i = 0; i < out->rank - 2; i++) batch *= known(out->dims[i]);
    /* 20 Tflop/s, on tensor cores 200, or 100 in tf32, and 1.5 TB/s: the order of a large GPU of today. */
    const double bytes = pln_dtype_bits(a->dtype) / 8.0, flops_a_ns = on_tensor_cores(kernel) ? 200e3 : pln_cuda_rounds_to_tf32(kernel) ? 100e3 : a->dtype == PLN_F64 ? 5e3 : 20e3;
    return PLN_MAX(2 * batch * m * n * k / flops_a_ns, bytes * batch * (m * k + k * n + m * n) / 1500) + 3000;
}

/* ---- source ---- */

enum pln_status pln_cuda_emit_epilogue(const struct pln_rowprog *program, struct pln_diag *diag, struct pln_text *out)
{
    if (!program) return PLN_OK;
    pln_text_printf(out, "#define PLN_RANK %d\n", program->rank);
    return pln_cuda_print_epilogue(program, "pln_epilogue", diag, out);
}

static enum pln_status emit(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag, struct pln_text *out_source)
{
    const enum pln_dtype dtype = problem->inputs[0].dtype;
    const bool integer = !pln_dtype_is_float(dtype);
    const char *sums = dtype == PLN_F64 ? "double" : !integer ? "float" : pln_dtype_bits(dtype) == 64 ? "uint64_t" : "uint32_t";
    pln_text_printf(out_source, "#define PLN_T %s\n#define PLN_ACC %s\n", pln_cuda_type(dtype), sums);
    if (integer) pln_text_puts(out_source, "#define PLN_INTEGER\n");
    if (on_tensor_cores(kernel)) pln_text_printf(out_source, "#define PLN_MMA_TYPE \"%s\"\n", pln_cuda_type(dtype));
    else pln_text_printf(out_source, "#define PLN_TILE_M %d\n#define PLN_TILE_N %d\n#define PLN_TILE_K %d\n", (int)kernel->tile[0], (int)kernel->tile[1], (int)kernel->tile[2]);
    if (pln_cuda_rounds_to_tf32(kernel)) pln_text_puts(out_source, "#define PLN_TF32\n");
    PLN_TRY(pln_cuda_emit_epilogue(problem->epilogue, diag, out_source));
    pln_text_printf(out_source, "#include \"backend/cuda/device/%s\"\n", on_tensor_cores(kernel) ? "gemm_mma.cuh" : "gemm_simt.cuh");
    return PLN_OK;
}

/* ---- prepare ---- */

/* Where the axes of a product lie in its operands; -1: a vector has none. */
struct axes {
    int am, ak, bk, bn;
    int n_batch;
};

static enum pln_status find_axes(const struct pln_kernel *kernel, const struct pln_launch *launch, struct pln_diag *diag, struct axes *out)
{
    const struct pln_tensor *a = &launch->inputs[0], *b = &launch->inputs[1];
    const bool gemm = launch->op == PLN_OP_GEMM, ta = gemm && pln_attrs_int(launch->attrs, "transA", 0) != 0, tb = gemm && pln_attrs_int(launch->attrs, "transB", 0) != 0;
    if (a->dtype != b->dtype || !takes_type(kernel, a->dtype) || a->rank < 1 || b->rank < 1 || (gemm && (a->rank != 2 || b->rank != 2)))
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: A and B are no matrices of one type that the kernel takes", kernel->name);
    *out = (struct axes){ .am = a->rank - 2, .ak = a->rank - 1, .bk = b->rank - 2, .bn = b->rank - 1, .n_batch = PLN_MAX(PLN_MAX(a->rank, b->rank) - 2, 0) };
    if (b->rank == 1) {
        out->bk = 0;
        out->bn = -1;
    }
    if (ta) {
        out->am = 1;
        out->ak = 0;
    }
    if (tb) {
        out->bk = 1;
        out->bn = 0;
    }
    if (a->dims[out->ak] != b->dims[out->bk])
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: A has %lld columns, B %lld rows", kernel->name, (long long)a->dims[out->ak], (long long)b->dims[out->bk]);
    return PLN_OK;
}

/* Strides of a tensor's first dims over those of the output, 0 where it repeats. */
static bool batch_strides(const struct pln_tensor *tensor, int n_batch, const int64_t *batch, int64_t *out_strides)
{
    const int own = PLN_MAX(tensor->rank - 2, 0);
    for (int d = 0; d < n_batch; d++) {
        const int i = d - (n_batch - own);
        out_strides[d] = 0;
        if (i < 0 || tensor->dims[i] == 1) continue;
        if (tensor->dims[i] != batch[d]) return false;
        out_strides[d] = tensor->strides[i];
    }
    return true;
}

static enum pln_status read_product(const struct pln_kernel *kernel, const struct pln_launch *launch, struct pln_cuda_gemm_params *p, struct pln_diag *diag)
{
    const struct pln_tensor *a = &launch->inputs[0], *b = &launch->inputs[1], *out = &launch->outputs[0];
    struct axes axes = { 0 };
    PLN_TRY(find_axes(kernel, launch, diag, &axes));
    p->a = (uint64_t)(uintptr_t)a->data;
    p->b = (uint64_t)(uintptr_t)b->data;
    p->out = (uint64_t)(uintptr_t)out->data;
    p->k = a->dims[axes.ak];
    p->m = axes.am < 0 ? 1 : a->dims[axes.am];
    p->n = axes.bn < 0 ? 1 : b->dims[axes.bn];
    p->a_k = a->strides[axes.ak];
    p->b_k = b->strides[axes.bk];
    p->a_row = p->m == 1 ? 0 : a->strides[axes.am];
    p->b_col = p->n == 1 ? 0 : b->strides[axes.bn];
    int64_t dims[PLN_MAX_RANK], batch[PLN_MAX_RANK];
    int rank = 0;
    const bool fits = pln_shape_broadcast(PLN_MAX(a->rank - 2, 0), a->dims, PLN_MAX(b->rank - 2, 0), b->dims, &rank, dims);
    memcpy(batch, dims, sizeof batch);
    p->row_axis = axes.am < 0 ? -1 : rank;
    if (axes.am >= 0 && fits) dims[rank++] = p->m;
    p->col_axis = axes.bn < 0 ? -1 : rank;
    if (axes.bn >= 0 && fits) dims[rank++] = p->n;
    p->n_batch = axes.n_batch;
    if (!fits || out->rank != rank || memcmp(dims, out->dims, (size_t)rank * sizeof dims[0]) != 0 || !batch_strides(a, p->n_batch, batch, p->a_batch) ||
        !batch_strides(b, p->n_batch, batch, p->b_batch))
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: the shapes of A, B and the output do not fit", kernel->name);
    memcpy(p->batch, batch, sizeof p->batch);
    memcpy(p->out_batch, out->strides, (size_t)p->n_batch * sizeof p->out_batch[0]);
    p->out_row = p->row_axis < 0 ? 0 : out->strides[p->row_axis];
    p->out_col = p->col_axis < 0 ? 0 : out->strides[p->col_axis];
    return PLN_OK;
}

static enum pln_status read_c(const struct pln_kernel *kernel, const struct pln_launch *launch, int n_own, struct pln_cuda_gemm_params *p, struct pln_diag *diag)
{
    p->alpha = p->beta = 1.0f;
    if (launch->op != PLN_OP_GEMM) return PLN_OK;
    p->alpha = pln_attrs_float(launch->attrs, "alpha", 1.0f);
    if (n_own < 3 || launch->inputs[2].dtype == PLN_DTYPE_NONE) return PLN_OK;
    const struct pln_tensor *c = &launch->inputs[2];
    const int64_t row_dim = c->rank == 2 ? c->dims[0] : 1, col_dim = c->rank >= 1 ? c->dims[c->rank - 1] : 1;
    if (c->dtype != launch->inputs[0].dtype || c->rank > 2 || (row_dim != 1 && row_dim != p->m) || (col_dim != 1 && col_dim != p->n))
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: C does not broadcast to the output", kernel->name);
    p->beta = pln_attrs_float(launch->attrs, "beta", 1.0f);
    p->c = (uint64_t)(uintptr_t)c->data;
    p->c_row = row_dim == 1 ? 0 : c->strides[0];
    p->c_col = col_dim == 1 ? 0 : c->strides[c->rank - 1];
    return PLN_OK;
}

enum pln_status pln_cuda_prepare_epilogue(const struct pln_kernel *kernel, const struct pln_launch *launch, int n_own, struct pln_diag *diag,
                                          struct pln_cuda_operand out_operands[PLN_CUDA_EPILOGUE_OPERANDS])
{
    const struct pln_rowprog *program = launch->epilogue;
    const struct pln_tensor *out = &launch->outputs[0], *inputs[PLN_ROWPROG_MAX_OPERANDS] = { NULL };
    if (!program) return out->dtype == launch->inputs[0].dtype ? PLN_OK : pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: the output is of another type", kernel->name);
    const char *why = pln_cuda_check_epilogue(program, launch->inputs[0].dtype, launch->n_inputs, out->rank);
    if (why) return pln_fail(diag, PLN_BAD_PLAN, "%s: %s", kernel->name, why);
    for (int i = 1; i < program->n_inputs; i++) inputs[i] = &launch->inputs[n_own + i - 1];
    int64_t extents[PLN_MAX_RANK];
    PLN_TRY(pln_cuda_fill_operands(kernel->name, program, inputs, out, 1, diag, out_operands, extents));
    const struct pln_rowprog_operand *stored = &program->outputs[0];
    for (int d = 0; d < out->rank; d++)
        if (extents[d] != out->dims[d] || stored->axis[d] != d) return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: the epilogue does not walk the output", kernel->name);
    return PLN_OK;
}

/* ---- forms of one product ---- */

static int n_operands(const struct pln_launch *launch)
{
    return launch->epilogue ? launch->epilogue->n_inputs + 1 : 0;
}

/* May batch dim d and the rows be walked as one run of rows? */
static bool joins_rows(const struct pln_cuda_gemm_params *p, int d, int operands)
{
    if (p->b_batch[d] != 0) return false;
    if (p->m == 1) return true;
    if (p->row_axis < 0 || p->a_batch[d] != p->m * p->a_row || p->out_batch[d] != p->m * p->out_row) return false;
    for (int i = 0; i < operands; i++)
        if (p->operands[i].strides[d] != p->m * p->operands[i].strides[p->row_axis]) return false;
    return true;
}

/* A weight shared by the batch makes rows of it: [b,s,d] x [d,n] is one product of b s rows. */
static void merge_batch(struct pln_cuda_gemm_params *p, int operands)
{
    while (p->n_batch > 0) {
        const int d = p->n_batch - 1;
        if (p->batch[d] != 1) {
            if (!joins_rows(p, d, operands)) return;
            if (p->m == 1) {
                p->row_axis = d;
                p->a_row = p->a_batch[d];
                p->out_row = p->out_batch[d];
            }
            p->m *= p->batch[d];
        }
        p->n_batch--;
    }
}

static void swap(int64_t *a, int64_t *b)
{
    const int64_t kept = *a;
    *a = *b;
    *b = kept;
}

/* The same product with columns as rows. */
static void transpose(struct pln_cuda_gemm_params *p)
{
    const uint64_t a = p->a;
    const int32_t row_axis = p->row_axis;
    p->a = p->b;
    p->b = a;
    p->row_axis = p->col_axis;
    p->col_axis = row_axis;
    swap(&p->m, &p->n);
    swap(&p->a_row, &p->b_col);
    swap(&p->a_k, &p->b_k);
    swap(&p->c_row, &p->c_col);
    swap(&p->out_row, &p->out_col);
    for (int d = 0; d < p->n_batch; d++) swap(&p->a_batch[d], &p->b_batch[d]);
}

static int64_t magnitude(int64_t stride)
{
    return stride < 0 ? -stride : stride;
}

/* Is every run of eight elements along one axis (stride) that begins at a multiple of eight one load of 16 bytes? other: the stride of the other axis. */
static bool is_whole(uint64_t address, int64_t stride, int64_t other, int n_batch, const int64_t *batch)
{
    bool whole = stride == 1 && other % 8 == 0 && address % 16 == 0;
    for (int d = 0; d < n_batch; d++) whole = whole && batch[d] % 8 == 0;
    return whole;
}

static void choose_form(struct pln_cuda_gemm_params *p)
{
    if (p->m > PLN_GEMM_SKINNY_ROWS && p->n <= PLN_GEMM_SKINNY_ROWS) transpose(p);
    p->a_along_k = p->m == 1 || (p->k > 1 && magnitude(p->a_k) <= magnitude(p->a_row));
    p->b_along_k = p->n == 1 || (p->k > 1 && magnitude(p->b_k) <= magnitude(p->b_col));
    p->along_rows = p->n == 1 || (p->m > 1 && magnitude(p->out_row) < magnitude(p->out_col));
    p->form = p->m > PLN_GEMM_SKINNY_ROWS ? PLN_GEMM_TILED : p->b_along_k ? PLN_GEMM_SKINNY_K : PLN_GEMM_SKINNY_N;
    p->a_whole = is_whole(p->a, p->a_along_k ? p->a_k : p->a_row, p->a_along_k ? p->a_row : p->a_k, p->n_batch, p->a_batch);
    p->b_whole = is_whole(p->b, p->b_along_k ? p->b_k : p->b_col, p->b_along_k ? p->b_col : p->b_k, p->n_batch, p->b_batch);
}

static enum pln_status count_tasks(const struct pln_kernel *kernel, struct pln_cuda_gemm_params *p, struct pln_diag *diag, int64_t *out_tasks)
{
    const int64_t rows = p->form == PLN_GEMM_TILED ? kernel->tile[0] : PLN_GEMM_SKINNY_ROWS;
    const int64_t cols = p->form == PLN_GEMM_TILED ? kernel->tile[1] : p->form == PLN_GEMM_SKINNY_K ? PLN_GEMM_WARPS : 32;
    p->tiles_m = p->m / rows + (p->m % rows != 0);
    p->tiles_n = p->n / cols + (p->n % cols != 0);
    bool fits = pln_mul_i64(p->tiles_m, p->tiles_n, out_tasks);
    for (int d = 0; d < p->n_batch; d++) fits = fits && pln_mul_i64(*out_tasks, p->batch[d], out_tasks);
    return fits ? PLN_OK : pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: the output is too large", kernel->name);
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pln_cuda_gemm_params *p = state;
    *out_prepared = (struct pln_prepared){ .grain = 1, .block_threads = PLN_GEMM_THREADS };
    const int n_own = own_inputs(launch->n_inputs, launch->epilogue);
    if (n_own < 2 || n_own > OWN_INPUTS(launch->op) || launch->n_outputs != 1) return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    PLN_TRY(read_product(kernel, launch, p, diag));
    PLN_TRY(read_c(kernel, launch, n_own, p, diag));
    PLN_TRY(pln_cuda_prepare_epilogue(kernel, launch, n_own, diag, p->operands));
    merge_batch(p, n_operands(launch));
    choose_form(p);
    return count_tasks(kernel, p, diag, &out_prepared->n_tasks);
}

const struct pln_kernel_family pln_cuda_gemm = { .name = "gemm", .state_bytes = sizeof(struct pln_cuda_gemm_params), .supports = supports, .cost = cost, .prepare = prepare, .emit = emit, .packed_input = -1 };
const struct pln_kernel_family pln_cuda_gemm_mma = { .name = "gemm_mma", .state_bytes = sizeof(struct pln_cuda_gemm_params), .supports = supports, .cost = cost, .prepare = prepare, .emit = emit, .packed_input = -1 };
