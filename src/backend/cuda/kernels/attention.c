/* Attention (device/attention.cuh). tile: queries, keys and columns of values of a tile, and 0; or for tensor cores queries, keys, the largest head, and the
 * type, where a tile has no more columns of values than there are registers for. */
#include "backend/cuda/device/attention_params.h"

#include <math.h>

#include "backend/cuda/family.h"
#include "kernel/attention.h"
#include "kernel/paged.h"

#define TASKS_WANTED 264           /* keys are split until there are so many: two blocks for each multiprocessor of an H100 */
#define SPLIT_LEAST 256            /* keys of a part */
#define SPLIT_BYTES (16u << 20)    /* most that parts may leave in scratch memory */
#define MMA_COLS 128
#define FARTHEST ((int64_t)1 << 40) /* windows beyond are unbounded */

_Static_assert((int)PLN_UNDEFINED_ROWS_OP == PLN_ATTENTION_UNDEFINED_OP && (int)PLN_UNDEFINED_ROWS_SOFTMAX == PLN_ATTENTION_UNDEFINED_SOFTMAX &&
                   (int)PLN_UNDEFINED_ROWS_GUARDED == PLN_ATTENTION_UNDEFINED_GUARDED,
               "one number for each meaning");

static int tile_cols(const struct pln_kernel *kernel)
{
    return kernel->tile[3] ? PLN_MIN(kernel->tile[2], MMA_COLS) : kernel->tile[2];
}

/* An operand as [batch, heads, seq, size]. */
struct heads {
    int64_t batch, heads, seq, size;
    struct pln_attention_rows rows;
};

static bool has_input(const struct pln_problem *problem, int i)
{
    return i < problem->n_inputs && problem->inputs[i].present;
}

static bool has_output(const struct pln_problem *problem, int o)
{
    return o < problem->n_outputs && problem->outputs[o].present;
}

static bool computed(enum pln_dtype dtype)
{
    return dtype == PLN_F32 || dtype == PLN_F16 || dtype == PLN_BF16;
}

static const char *supports_optional(const struct pln_problem *problem)
{
    if (has_input(problem, 3)) {
        const struct pln_operand *mask = &problem->inputs[3];
        if (!pln_cuda_type(mask->dtype)) return "the mask's type is not built in";
        if (mask->rank < 0 || mask->rank > 4) return "the mask's rank is not known";
    }
    if (has_input(problem, 4) != has_input(problem, 5)) return "past keys and values go together";
    for (int i = 4; i <= 5; i++)
        if (has_input(problem, i) && (problem->inputs[i].rank != 4 || problem->inputs[i].dtype != problem->inputs[i - 3].dtype)) return "past keys or values have another rank or type";
    if (has_input(problem, 6) && problem->inputs[6].dtype != PLN_I64 && problem->inputs[6].dtype != PLN_I32) return "lengths are not i64 or i32";
    return NULL;
}

/* Of input i; -1: not known. */
static int64_t head_size(const struct pln_problem *problem, int i, const char *heads_name)
{
    const struct pln_operand *in = &problem->inputs[i];
    const int64_t heads = pln_attrs_int(problem->attrs, heads_name, 0), size = in->dims[in->rank - 1];
    if (in->rank == 4 || size <= 0) return size;
    return heads > 0 ? size / heads : -1;
}

static const char *supports_mma(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    for (int i = 0; i < 3; i++)
        if (problem->inputs[i].dtype != (enum pln_dtype)kernel->tile[3]) return "an operand has another type";
    const int64_t size = head_size(problem, 0, "q_num_heads"), v_size = head_size(problem, 2, "kv_num_heads");
    if (size < 0 || v_size < 0) return "the heads' size is not known";
    return size > kernel->tile[2] || v_size > kernel->tile[2] ? "heads are larger" : NULL;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    if (problem->epilogue) return "it takes no epilogue";
    for (int i = 0; i < 3; i++) {
        const struct pln_operand *in = &problem->inputs[i];
        if (!in->present || !computed(in->dtype)) return "an operand is not f32, f16 or bf16";
        if (in->rank != 3 && in->rank != 4) return "an operand's rank is not 3 or 4";
    }
    if (problem->outputs[0].dtype != problem->inputs[0].dtype) return "the result's type is not the queries'";
    const char *why = supports_optional(problem);
    if (!why && kernel->tile[3]) why = supports_mma(kernel, problem);
    if (why) return why;
    const int64_t size = head_size(problem, 2, "kv_num_heads");
    /* The row of the largest tile takes all that is larger, and what is not known. */
    if (kernel->tile[2] < 256 && (size < 0 || size > kernel->tile[2])) return "heads of the values are larger";
    return NULL;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    double work = 4; /* a multiply and an add for scores and for values */
    for (int i = 0; i < problem->inputs[0].rank; i++) work *= problem->inputs[0].dims[i] < 0 ? 128 : (double)problem->inputs[0].dims[i];
    const int64_t total = problem->inputs[1].dims[problem->inputs[1].rank == 4 ? 2 : 1];
    return work * (total < 0 ? 128 : (double)total) / 10000 + 4000 + kernel->tile[2];
}

static enum pln_status emit(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag, struct pln_text *out_source)
{
    (void)diag;
    pln_text_printf(out_source, "#define PLN_Q %s\n#define PLN_K %s\n#define PLN_V %s\n", pln_cuda_type(problem->inputs[0].dtype), pln_cuda_type(problem->inputs[1].dtype),
                    pln_cuda_type(problem->inputs[2].dtype));
    pln_text_printf(out_source, "#define PLN_ROWS %d\n#define PLN_KEYS %d\n#define PLN_COLS %d\n", (int)kernel->tile[0], (int)kernel->tile[1], tile_cols(kernel));
    const char *type = pln_cuda_type(problem->inputs[0].dtype);
    if (kernel->tile[3]) pln_text_printf(out_source, "#define PLN_SIZE %d\n#define PLN_T %s\n#define PLN_MMA_TYPE \"%s\"\n", (int)kernel->tile[2], type, type);
    if (has_input(problem, 3)) pln_text_printf(out_source, "#define PLN_BIAS %s\n", pln_cuda_type(problem->inputs[3].dtype));
    if (has_input(problem, 3) && problem->inputs[3].dtype == PLN_BOOL) pln_text_printf(out_source, "#define PLN_BIAS_BOOL\n");
    if (has_input(problem, 6)) pln_text_printf(out_source, "#define PLN_LENGTH %s\n", pln_cuda_type(problem->inputs[6].dtype));
    if (pln_attrs_float(problem->attrs, "softcap", 0) > 0) pln_text_printf(out_source, "#define PLN_SOFTCAP\n");
    if (has_output(problem, 1) || has_output(problem, 2)) pln_text_printf(out_source, "#define PLN_PRESENT\n");
    if (has_output(problem, 3)) pln_text_printf(out_source, "#define PLN_SCORES\n");
    pln_text_printf(out_source, "#include \"backend/cuda/device/attention.cuh\"\n");
    return PLN_OK;
}

/* ---- prepare ---- */

static const struct pln_tensor *input(const struct pln_launch *launch, int i)
{
    return i < launch->n_inputs && launch->inputs[i].dtype != PLN_DTYPE_NONE ? &launch->inputs[i] : NULL;
}

static const struct pln_tensor *output(const struct pln_launch *launch, int o)
{
    return o < launch->n_outputs && launch->outputs[o].dtype != PLN_DTYPE_NONE ? &launch->outputs[o] : NULL;
}

static enum pln_status read_heads(const struct pln_tensor *tensor, int64_t told_heads, struct pln_diag *diag, struct heads *out)
{
    const int64_t *d = tensor->dims, *s = tensor->strides;
    const uint64_t data = (uint64_t)(uintptr_t)tensor->data;
    if (tensor->rank == 4) {
        *out = (struct heads){ d[0], d[1], d[2], d[3], { data, s[0], s[1], s[2], s[3] } };
        return PLN_OK;
    }
    if (tensor->rank != 3 || told_heads <= 0 || d[2] % told_heads != 0) return pln_fail(diag, PLN_INVALID_ARGUMENT, "Attention: an operand does not fit %lld heads", (long long)told_heads);
    const int64_t size = d[2] / told_heads;
    *out = (struct heads){ d[0], told_heads, d[1], size, { data, s[0], size * s[2], s[1], s[2] } };
    return PLN_OK;
}

static bool same(const struct heads *a, int64_t batch, int64_t heads, int64_t seq, int64_t size)
{
    return a->batch == batch && a->heads == heads && a->seq == seq && a->size == size;
}

static bool dense_rows(const struct heads *a)
{
    return a->rows.col_stride == 1 || a->size <= 1;
}

static enum pln_status read_past(const struct pln_launch *launch, struct pln_attention_params *params, const struct heads *k, const struct heads *v, struct pln_diag *diag)
{
    const struct pln_tensor *past_k = input(launch, 4), *past_v = input(launch, 5);
    struct heads key, value;
    if (!past_k && !past_v) return PLN_OK;
    if (!past_k || !past_v || past_k->dtype != launch->inputs[1].dtype || past_v->dtype != launch->inputs[2].dtype || past_k->rank != 4 || past_v->rank != 4)
        return pln_fail(diag, PLN_BAD_PLAN, "Attention: past keys and values do not fit keys and values");
    PLN_TRY(read_heads(past_k, 0, diag, &key));
    PLN_TRY(read_heads(past_v, 0, diag, &value));
    if (!same(&key, k->batch, k->heads, key.seq, k->size) || !same(&value, v->batch, v->heads, key.seq, v->size))
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "Attention: the shapes of past keys and values do not fit keys and values");
    if (!dense_rows(&key) || !dense_rows(&value)) return pln_fail(diag, PLN_BAD_PLAN, "Attention: past keys and values must have stride 1 in their last dim");
    params->past = key.seq;
    params->past_k = key.rows;
    params->past_v = value.rows;
    return PLN_OK;
}

static enum pln_status read_mask(const struct pln_launch *launch, struct pln_attention_params *params, struct pln_diag *diag)
{
    const struct pln_tensor *mask = input(launch, 3);
    const int64_t full[4] = { params->batch, params->heads, params->n_queries, params->total };
    params->mask_keys = params->total;
    if (!mask) return PLN_OK;
    if (!pln_cuda_type(mask->dtype) || mask->rank > 4) return pln_fail(diag, PLN_BAD_PLAN, "Attention: the mask's type or rank is not possible");
    for (int d = 3, from = mask->rank - 1; d >= 0; d--, from--) {
        const int64_t dim = from >= 0 ? mask->dims[from] : d == 3 ? full[3] : 1;
        if (d == 3 ? dim > full[d] : dim != full[d] && dim != 1)
            return pln_fail(diag, PLN_INVALID_ARGUMENT, "Attention: dim %d of the mask is %lld, not %lld", from, (long long)dim, (long long)full[d]);
        params->mask_strides[d] = from < 0 || (dim == 1 && d < 3) ? 0 : mask->strides[from];
        if (d == 3) params->mask_keys = dim;
    }
    params->mask = (uint64_t)(uintptr_t)mask->data;
    return PLN_OK;
}

static enum pln_status read_attributes(const struct pln_launch *launch, struct pln_attention_params *params, struct pln_diag *diag)
{
    params->scale = pln_attrs_has(launch->attrs, "scale") ? pln_attrs_float(launch->attrs, "scale", 1) : (float)(1 / sqrt((double)params->size));
    params->softcap = pln_attrs_float(launch->attrs, "softcap", 0);
    params->causal = pln_attrs_int(launch->attrs, "is_causal", 0) != 0;
    const int64_t left = pln_attrs_int(launch->attrs, "left_window_size", -1), right = pln_attrs_int(launch->attrs, "right_window_size", -1);
    params->left = left < 0 || left > FARTHEST ? -1 : left;
    params->right = right < 0 || right > FARTHEST ? -1 : right;
    enum pln_undefined_rows undefined;
    if (!pln_undefined_rows_read(launch->attrs, &undefined)) return pln_fail(diag, PLN_BAD_PLAN, "Attention: undefined_rows is none of op, softmax, guarded");
    params->undefined = (int32_t)undefined;
    params->masked_score = pln_masked_score_read(launch->attrs);
    const int64_t mode = pln_attrs_int(launch->attrs, "qk_matmul_output_mode", 0);
    if (mode < 0 || mode > 3) return pln_fail(diag, PLN_BAD_PLAN, "Attention: qk_matmul_output_mode is %lld", (long long)mode);
    params->mode = (int32_t)mode;
    const struct pln_tensor *lengths = input(launch, 6);
    if (!lengths) return PLN_OK;
    if ((lengths->dtype != PLN_I64 && lengths->dtype != PLN_I32) || lengths->rank != 1 || (lengths->strides[0] != 1 && lengths->dims[0] > 1))
        return pln_fail(diag, PLN_BAD_PLAN, "Attention: lengths are no dense row of i64 or i32");
    if (lengths->dims[0] != params->batch) return pln_fail(diag, PLN_INVALID_ARGUMENT, "Attention: there are %lld lengths, not one a batch row", (long long)lengths->dims[0]);
    params->lengths = (uint64_t)(uintptr_t)lengths->data;
    return PLN_OK;
}

/* Output o as [batch, heads, seq, size], if it is wanted. */
static enum pln_status read_extra(const struct pln_launch *launch, int o, enum pln_dtype dtype, const int64_t *dims, struct pln_diag *diag, struct pln_attention_rows *out)
{
    const struct pln_tensor *tensor = output(launch, o);
    struct heads heads;
    if (!tensor) return PLN_OK;
    if (tensor->dtype != dtype || tensor->rank != 4) return pln_fail(diag, PLN_BAD_PLAN, "Attention: output %d has another type or rank", o);
    PLN_TRY(read_heads(tensor, 0, diag, &heads));
    if (!same(&heads, dims[0], dims[1], dims[2], dims[3])) return pln_fail(diag, PLN_INVALID_ARGUMENT, "Attention: the shape of output %d does not fit the operands", o);
    *out = heads.rows;
    return PLN_OK;
}

static enum pln_status read_extras(const struct pln_launch *launch, struct pln_attention_params *params, struct pln_diag *diag)
{
    const enum pln_dtype q = launch->inputs[0].dtype, k = launch->inputs[1].dtype, v = launch->inputs[2].dtype;
    PLN_TRY(read_extra(launch, 1, k, (const int64_t[]){ params->batch, params->kv_heads, params->total, params->size }, diag, &params->present_k));
    PLN_TRY(read_extra(launch, 2, v, (const int64_t[]){ params->batch, params->kv_heads, params->total, params->v_size }, diag, &params->present_v));
    return read_extra(launch, 3, q, (const int64_t[]){ params->batch, params->heads, params->n_queries, params->total }, diag, &params->scores);
}

/* Keys and values that lie in pages, as if each row of the batch had them all to itself. */
static enum pln_status read_pages(const struct pln_launch *launch, struct pln_attention_params *params, struct heads *k, struct heads *v, struct pln_diag *diag)
{
    const struct pln_paged *paged = launch->paged;
    struct pln_pools pools;
    if (!paged) return PLN_OK;
    PLN_TRY(pln_paged_check(launch, diag, &pools));
    params->paged = 1;
    params->page_size = pools.page_size;
    params->pages_a_row = paged->pages_a_row;
    params->n_pages = pools.n_pages;
    params->pages = (uint64_t)(uintptr_t)paged->pages;
    params->lengths = (uint64_t)(uintptr_t)paged->lengths;
    params->offsets = (uint64_t)(uintptr_t)paged->offsets;
    k->batch = v->batch = paged->rows;
    k->seq = v->seq = pools.positions;
    return PLN_OK;
}

/* Operands that every launch has. */
static enum pln_status read_operands(const struct pln_kernel *kernel, const struct pln_launch *launch, struct pln_attention_params *params, struct pln_diag *diag)
{
    const int64_t q_heads = pln_attrs_int(launch->attrs, "q_num_heads", 0), kv_heads = pln_attrs_int(launch->attrs, "kv_num_heads", 0);
    struct heads q, k, v, y;
    if (launch->n_inputs < 3 || launch->n_outputs < 1) return pln_fail(diag, PLN_BAD_PLAN, "Attention: operands are missing");
    for (int i = 0; i < 3; i++)
        if (!computed(launch->inputs[i].dtype) || (kernel->tile[3] && launch->inputs[i].dtype != (enum pln_dtype)kernel->tile[3]))
            return pln_fail(diag, PLN_BAD_PLAN, "Attention: an operand is not of the kernel's type");
    if (launch->outputs[0].dtype != launch->inputs[0].dtype) return pln_fail(diag, PLN_BAD_PLAN, "Attention: the result's type is not the queries'");
    PLN_TRY(read_heads(&launch->inputs[0], q_heads, diag, &q));
    PLN_TRY(read_heads(&launch->inputs[1], kv_heads, diag, &k));
    PLN_TRY(read_heads(&launch->inputs[2], kv_heads, diag, &v));
    PLN_TRY(read_heads(&launch->outputs[0], q_heads, diag, &y));
    PLN_TRY(read_pages(launch, params, &k, &v, diag));
    if (!same(&k, q.batch, k.heads, k.seq, q.size) || !same(&v, q.batch, k.heads, k.seq, v.size) || !same(&y, q.batch, q.heads, q.seq, v.size) ||
        (k.heads == 0 ? q.heads != 0 : q.heads % k.heads != 0))
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "Attention: the shapes of query, key and value do not fit together");
    if (kernel->tile[3] && (q.size > kernel->tile[2] || v.size > kernel->tile[2])) return pln_fail(diag, PLN_BAD_PLAN, "Attention: heads are larger than the kernel's tile");
    if (!dense_rows(&k) || !dense_rows(&v)) return pln_fail(diag, PLN_BAD_PLAN, "Attention: keys and values must have stride 1 in their last dim");
    params->batch = q.batch;
    params->heads = q.heads;
    params->kv_heads = k.heads;
    params->share = k.heads > 0 ? q.heads / k.heads : 1;
    params->n_queries = q.seq;
    params->size = q.size;
    params->v_size = v.size;
    params->q = q.rows;
    params->k = k.rows;
    params->v = v.rows;
    params->y = y.rows;
    PLN_TRY(read_past(launch, params, &k, &v, diag));
    if (!pln_add_i64(params->past, k.seq, &params->total)) return pln_fail(diag, PLN_INVALID_ARGUMENT, "Attention: the shapes are too large");
    return PLN_OK;
}

/* Rows that can be read 16 bytes at a time. */
static bool aligned(enum pln_dtype dtype, const struct pln_attention_rows *rows)
{
    const int64_t elements = 16 / (pln_dtype_bits(dtype) / 8);
    return rows->data % 16 == 0 && rows->batch_stride % elements == 0 && rows->head_stride % elements == 0 && rows->row_stride % elements == 0;
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return a / b + (a % b != 0);
}

/* Tasks, and how the keys are split among them. */
static void plan_tasks(const struct pln_kernel *kernel, const struct pln_launch *launch, struct pln_attention_params *params, struct pln_prepared *out_prepared)
{
    const enum pln_dtype k = launch->inputs[1].dtype, v = launch->inputs[2].dtype;
    const int64_t rows = params->share * params->n_queries;
    params->q_vector = params->q.col_stride == 1 && aligned(launch->inputs[0].dtype, &params->q);
    params->k_vector = aligned(k, &params->k) && (params->past == 0 || aligned(k, &params->past_k));
    params->v_vector = aligned(v, &params->v) && (params->past == 0 || aligned(v, &params->past_v));
    params->few = rows <= PLN_ATTENTION_FEW && params->size <= PLN_ATTENTION_FEW_SIZE;
    const int64_t base_rows = params->few ? PLN_ATTENTION_FEW : kernel->tile[0], cols = tile_cols(kernel), part_bytes = base_rows * (cols + 2) * (int64_t)sizeof(float);
    params->row_tiles = ceil_div(rows, base_rows);
    params->v_tiles = ceil_div(params->v_size, cols);
    const int64_t bases = params->batch * params->kv_heads * params->row_tiles * params->v_tiles;
    params->splits = 1;
    params->split_keys = params->total;
    if (bases > 0 && bases <= PLN_ATTENTION_SPREAD && params->total > SPLIT_LEAST) {
        int64_t splits = PLN_MIN(ceil_div(TASKS_WANTED, bases), params->total / SPLIT_LEAST);
        splits = PLN_MAX(1, PLN_MIN(splits, (int64_t)SPLIT_BYTES / (part_bytes * bases)));
        params->split_keys = (int64_t)pln_align_up((size_t)ceil_div(params->total, splits), PLN_ATTENTION_FEW_KEYS);
        params->splits = ceil_div(params->total, params->split_keys);
    }
    params->attend_tasks = bases * params->splits;
    if (params->present_k.data || params->present_v.data) params->present_tasks = ceil_div(params->batch * params->kv_heads * params->total, 64);
    if (params->scores.data) params->score_tasks = params->batch * params->heads * params->n_queries;
    *out_prepared = (struct pln_prepared){
        .n_tasks = params->attend_tasks + params->present_tasks + params->score_tasks,
        .grain = 1,
        .shared_bytes = params->splits > 1 ? (size_t)(part_bytes * bases * params->splits) : 0,
        .block_threads = PLN_ATTENTION_THREADS,
    };
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pln_attention_params *params = state;
    PLN_TRY(read_operands(kernel, launch, params, diag));
    PLN_TRY(read_mask(launch, params, diag));
    PLN_TRY(read_attributes(launch, params, diag));
    PLN_TRY(read_extras(launch, params, diag));
    plan_tasks(kernel, launch, params, out_prepared);
    return PLN_OK;
}

static const char *fault(const void *state, uint64_t code)
{
    const struct pln_attention_params *params = state;
    if (code == PLN_ATTENTION_BAD_PAGE) return PLN_PAGED_BAD_PAGE;
    if (code == PLN_ATTENTION_BAD_OFFSET) return PLN_PAGED_BAD_OFFSET;
    return params->paged ? PLN_PAGED_BAD_LENGTH : "Attention: nonpad_kv_seqlen holds a number that is negative or more than there are keys";
}

const struct pln_kernel_family pln_cuda_attention = {
    .name = "attention",
    .state_bytes = sizeof(struct pln_attention_params),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .emit = emit,
    .fault = fault,
    .packed_input = -1,
};
