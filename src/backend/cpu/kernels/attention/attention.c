#include "backend/cpu/kernels/attention/attention.h"

#include <math.h>

#include "kernel/paged.h"

/* q, k, v or y as [batch, heads, seq, size], wherever their dims lie. */
struct heads {
    const float *data;
    int64_t batch, heads, seq, size;
    int64_t batch_stride, head_stride, row_stride, col_stride;
};

struct mask {
    const void *data; /* NULL: there is none */
    bool is_bool;
    int64_t strides[4], keys; /* keys: it has so many; all after them are masked */
};

/* Keys, values and the mask grow with every decoding step; they are read from the launch. */
struct attention_state {
    const struct pln_launch *launch;
    pln_attention_fn run;
    int64_t q_heads, kv_heads; /* as the attributes tell, for operands of rank 3 */
    int64_t blocks, rows;      /* of queries */
    bool causal, has_scale;
    float scale, softcap, masked_score;
    enum pln_undefined_rows undefined;
};

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    if (problem->epilogue) return "it takes no epilogue";
    for (int i = 0; i < 3; i++) {
        const struct pln_operand *in = &problem->inputs[i];
        if (!in->present || in->dtype != PLN_F32) return "an operand is not f32";
        if (in->rank != 3 && in->rank != 4) return "an operand's rank is not 3 or 4";
    }
    for (int i = 4; i < problem->n_inputs; i++)
        if (problem->inputs[i].present) return "past keys and values are joined before it";
    for (int i = 1; i < problem->n_outputs; i++)
        if (problem->outputs[i].present) return "it gives the result alone";
    if (problem->n_inputs > 3 && problem->inputs[3].present) {
        const struct pln_operand *mask = &problem->inputs[3];
        if (mask->dtype != PLN_F32 && mask->dtype != PLN_BOOL) return "the mask is neither f32 nor bool";
        if (mask->rank < 0 || mask->rank > 4) return "the mask's rank is not known";
    }
    if (pln_attrs_int(problem->attrs, "left_window_size", -1) >= 0 || pln_attrs_int(problem->attrs, "right_window_size", -1) >= 0) return "windows are not built in";
    return NULL;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    double work = 4; /* a multiply and an add for scores and for values */
    for (int i = 0; i < problem->inputs[0].rank; i++) work *= problem->inputs[0].dims[i] < 0 ? 128 : (double)problem->inputs[0].dims[i];
    int64_t total = problem->inputs[1].dims[problem->inputs[1].rank - 2];
    return work * (total < 0 ? 128 : (double)total) / ((double)kernel->tile[0] * 5) + 500;
}

/* told_heads: of a tensor of rank 3. */
static struct heads heads_of(const struct pln_tensor *tensor, int64_t told_heads)
{
    const int64_t *d = tensor->dims, *s = tensor->strides;
    if (tensor->rank == 4) return (struct heads){ tensor->data, d[0], d[1], d[2], d[3], s[0], s[1], s[2], s[3] };
    const int64_t size = d[2] / told_heads;
    return (struct heads){ tensor->data, d[0], told_heads, d[1], size, s[0], size * s[2], s[1], s[2] };
}

static enum pln_status split_heads(const struct pln_launch *launch, const struct pln_tensor *tensor, int64_t told_heads, struct pln_diag *diag, struct heads *out)
{
    const bool fits = tensor->rank == 4 || (tensor->rank == 3 && told_heads > 0 && tensor->dims[2] % told_heads == 0);
    if (!fits) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "Attention: an operand does not fit %lld heads", (long long)told_heads);
    *out = heads_of(tensor, told_heads);
    return PLN_OK;
}

static const struct pln_tensor *mask_tensor(const struct pln_launch *launch)
{
    return launch->n_inputs < 4 || launch->inputs[3].dtype == PLN_DTYPE_NONE ? NULL : &launch->inputs[3];
}

static enum pln_status check_mask(const struct pln_launch *launch, const struct heads *q, const struct heads *k, struct pln_diag *diag)
{
    const struct pln_tensor *mask = mask_tensor(launch);
    if (!mask) return PLN_OK;
    const int64_t full[4] = { q->batch, q->heads, q->seq, k->seq };
    for (int d = 3, from = mask->rank - 1; d >= 0 && from >= 0; d--, from--) {
        const int64_t dim = mask->dims[from];
        if (d == 3 ? dim > full[d] : dim != full[d] && dim != 1) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "Attention: dim %d of the mask is %lld, not %lld", from, (long long)dim, (long long)full[d]);
    }
    if (mask->dtype != PLN_F32 && mask->dtype != PLN_BOOL) return pln_fail(diag, PLN_BAD_PLAN, "Attention: the mask is neither f32 nor bool");
    return PLN_OK;
}

/* A checked mask for so many keys. */
static struct mask mask_of(const struct pln_launch *launch, int64_t keys)
{
    const struct pln_tensor *tensor = mask_tensor(launch);
    struct mask mask = { .keys = keys };
    if (!tensor) return mask;
    mask.data = tensor->data;
    mask.is_bool = tensor->dtype == PLN_BOOL;
    for (int d = 3, from = tensor->rank - 1; d >= 0 && from >= 0; d--, from--)
        if (d == 3 || tensor->dims[from] != 1) mask.strides[d] = tensor->strides[from];
    if (tensor->rank > 0) mask.keys = tensor->dims[tensor->rank - 1];
    return mask;
}

/* Of keys and values in pages, k and v tell what a row of the batch may have of them. */
static enum pln_status read_pages(const struct pln_launch *launch, struct heads *k, struct heads *v, struct pln_diag *diag)
{
    struct pln_pools pools;
    if (!launch->paged) return PLN_OK;
    PLN_TRY(pln_paged_check(launch, diag, &pools));
    k->batch = v->batch = launch->paged->rows;
    k->seq = v->seq = pools.positions;
    return PLN_OK;
}

/* Blocks of like size, of whole tiles where there are several. */
static int64_t rows_of_block(int64_t rows, int64_t blocks)
{
    const int64_t each = (rows + blocks - 1) / blocks, tile = 6;
    return blocks == 1 ? rows : PLN_MIN((each + tile - 1) / tile * tile, (int64_t)PLN_ATTENTION_ROWS);
}

static enum pln_status update(const struct pln_launch *launch, void *state_memory, struct pln_prepared *prepared, struct pln_diag *diag)
{
    struct attention_state *state = state_memory;
    struct heads q, k, v, y;
    PLN_TRY(split_heads(launch, &launch->inputs[0], state->q_heads, diag, &q));
    PLN_TRY(split_heads(launch, &launch->inputs[1], state->kv_heads, diag, &k));
    PLN_TRY(split_heads(launch, &launch->inputs[2], state->kv_heads, diag, &v));
    PLN_TRY(split_heads(launch, &launch->outputs[0], state->q_heads, diag, &y));
    PLN_TRY(read_pages(launch, &k, &v, diag));
    bool fit = q.batch == k.batch && k.batch == v.batch && k.heads == v.heads && k.seq == v.seq && q.size == k.size && y.batch == q.batch && y.heads == q.heads && y.seq == q.seq && y.size == v.size;
    if (!fit || (q.heads > 0 && (k.heads <= 0 || q.heads % k.heads != 0))) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "Attention: the shapes of query, key and value do not fit together");
    if ((k.col_stride != 1 && k.size > 1) || (v.col_stride != 1 && v.size > 1)) return pln_fail(diag, PLN_BAD_PLAN, "Attention: keys and values must have stride 1 in their last dim");
    if (q.size > 1 << 16 || v.size > 1 << 16) return pln_fail(diag, PLN_UNSUPPORTED, "Attention: heads larger than 65536");
    PLN_TRY(check_mask(launch, &q, &k, diag));
    state->scale = state->has_scale ? state->scale : (float)(1 / sqrt((double)q.size));
    state->blocks = (q.seq + PLN_ATTENTION_ROWS - 1) / PLN_ATTENTION_ROWS;
    state->rows = state->blocks > 0 ? rows_of_block(q.seq, state->blocks) : 0;
    *prepared = (struct pln_prepared){ .n_tasks = q.batch * q.heads * state->blocks, .grain = 1, .scratch_bytes = (size_t)pln_attention_scratch(state->rows, q.size, v.size) * sizeof(float), .shared_bytes = 64 };
    if (launch->paged) prepared->scratch_bytes += (size_t)pln_attention_gathered(q.size, v.size) * sizeof(float);
    return PLN_OK;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct attention_state *state = state_memory;
    for (int i = 0; i < 3; i++)
        if (launch->n_inputs < 3 || launch->n_outputs < 1 || launch->inputs[i].dtype != PLN_F32 || launch->outputs[0].dtype != PLN_F32) return pln_fail(diag, PLN_BAD_PLAN, "Attention: an operand is not f32");
    state->q_heads = pln_attrs_int(launch->attrs, "q_num_heads", 0);
    state->kv_heads = pln_attrs_int(launch->attrs, "kv_num_heads", 0);
    state->launch = launch;
    state->run = (pln_attention_fn)kernel->micro;
    state->has_scale = pln_attrs_has(launch->attrs, "scale");
    state->scale = pln_attrs_float(launch->attrs, "scale", 1);
    state->softcap = pln_attrs_float(launch->attrs, "softcap", 0);
    state->causal = pln_attrs_int(launch->attrs, "is_causal", 0) != 0;
    state->masked_score = pln_masked_score_read(launch->attrs);
    if (!pln_undefined_rows_read(launch->attrs, &state->undefined)) return pln_fail(diag, PLN_BAD_PLAN, "Attention: undefined_rows is none of op, softmax, guarded");
    return update(launch, state, out_prepared, diag);
}

static void run(const void *state_memory, int64_t first, int64_t last, void *scratch, void *shared)
{
    const struct attention_state *state = state_memory;
    const struct pln_launch *launch = state->launch;
    const struct heads q = heads_of(&launch->inputs[0], state->q_heads), k = heads_of(&launch->inputs[1], state->kv_heads), v = heads_of(&launch->inputs[2], state->kv_heads),
                       y = heads_of(&launch->outputs[0], state->q_heads);
    const struct mask mask = mask_of(launch, launch->paged ? launch->paged->pages_a_row * k.seq : k.seq);
    for (int64_t task = first; task < last; task++) {
        int64_t row = task % state->blocks * state->rows, head = task / state->blocks % q.heads, b = task / state->blocks / q.heads;
        int64_t kv_head = head / (q.heads / k.heads);
        const int64_t kv_b = launch->paged ? 0 : b; /* page 0, or what the row has */
        struct pln_attention_pages pages;
        struct pln_attention_task one = {
            .q = q.data + b * q.batch_stride + head * q.head_stride + row * q.row_stride,
            .k = k.data + kv_b * k.batch_stride + kv_head * k.head_stride,
            .v = v.data + kv_b * v.batch_stride + kv_head * v.head_stride,
            .out = (float *)(uintptr_t)y.data + b * y.batch_stride + head * y.head_stride + row * y.row_stride,
            .q_row = q.row_stride, .q_col = q.col_stride, .k_row = k.row_stride, .v_row = v.row_stride, .out_row = y.row_stride, .out_col = y.col_stride,
            .rows = PLN_MIN(state->rows, q.seq - row), .rows_most = state->rows, .total = k.seq, .size = q.size, .v_size = v.size,
            .first_key_limit = state->causal ? row + 1 : INT64_MAX,
            .scale = state->scale, .softcap = state->softcap, .mask_is_bool = mask.is_bool, .masked_score = state->masked_score, .undefined = state->undefined, .scratch = scratch,
            .mask_row = mask.strides[2], .mask_col = mask.strides[3], .mask_keys = mask.keys,
        };
        if (mask.data) {
            int64_t at = b * mask.strides[0] + head * mask.strides[1] + row * mask.strides[2];
            one.mask = (const char *)mask.data + at * (mask.is_bool ? 1 : (int64_t)sizeof(float));
        }
        if (launch->paged && !pln_attention_take_pages(launch, b, row, q.seq, shared, &pages, &one)) continue;
        state->run(&one);
    }
}

const struct pln_kernel_family pln_cpu_attention = { .name = "attention", .state_bytes = sizeof(struct attention_state), .supports = supports, .cost = cost, .prepare = prepare, .run = run, .packed_input = -1, .fault = pln_attention_fault, .update = update, .extents_at_run = 1 << 1 | 1 << 2 | 1 << 3 };
