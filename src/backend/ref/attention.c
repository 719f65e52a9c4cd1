#include <math.h>

#include "backend/ref/real.h"
#include "kernel/attention.h"

/* An operand [batch, heads, seq, size] wherever it lies: as such, or as [batch, seq, heads * size]. */
struct heads {
    const double *data;
    int64_t batch, heads, seq, size;
    int64_t batch_stride, head_stride, row_stride;
};

struct attention {
    struct heads q, k, v, past_k, past_v; /* past: seq 0 without */
    int64_t past, total, mode;
    double scale, softcap;
    bool causal;
    int64_t left, right; /* window, -1: unbounded */
    const double *mask;  /* numbers to add, or bools */
    bool mask_is_bool;
    double masked_score; /* in the place of scores that a mask of bools shuts out */
    enum pln_undefined_rows undefined;
    int64_t mask_dims[4], mask_strides[4];
    const int64_t *valid; /* nonpad_kv_seqlen */
    double *keys;         /* [size, total] of one head */
    double *values;       /* [total, size] */
    double *row;          /* [total] */
    struct pln_tensor y, scores;
    bool want_scores;
};

static enum pln_status read_heads(struct pln_call *call, int i, int64_t told_heads, struct heads *out)
{
    const struct pln_tensor *t;
    PLN_TRY(pln_call_need(call, i, &t));
    if (t->rank == 4) {
        *out = (struct heads){ NULL, t->dims[0], t->dims[1], t->dims[2], t->dims[3], t->strides[0], t->strides[1], t->strides[2] };
    } else if (t->rank == 3 && told_heads > 0 && t->dims[2] % told_heads == 0) {
        int64_t size = t->dims[2] / told_heads;
        *out = (struct heads){ NULL, t->dims[0], told_heads, t->dims[1], size, t->dims[1] * t->dims[2], size, t->dims[2] };
    } else {
        return pln_call_fail(call, PLN_BAD_MODEL, "input %d of rank %d does not fit %lld heads", i, t->rank, (long long)told_heads);
    }
    return pln_ref_reals(call, t, &out->data);
}

static const double *head_row(const struct heads *operand, int64_t b, int64_t head, int64_t s)
{
    return operand->data + b * operand->batch_stride + head * operand->head_stride + s * operand->row_stride;
}

static enum pln_status read_mask(struct pln_call *call, struct attention *a)
{
    const struct pln_tensor *mask = pln_call_in(call, 3);
    int64_t full[4] = { a->q.batch, a->q.heads, a->q.seq, a->total }, stride = 1;
    if (!mask) return PLN_OK;
    if (mask->rank > 4) return pln_call_fail(call, PLN_BAD_MODEL, "mask of rank %d", mask->rank);
    for (int d = 3, from = mask->rank - 1; d >= 0; d--, from--) {
        int64_t dim = from >= 0 ? mask->dims[from] : d == 3 ? full[3] : 1;
        bool fits = d == 3 ? dim <= full[d] : dim == full[d] || dim == 1;
        if (!fits) return pln_call_fail(call, PLN_BAD_MODEL, "mask does not fit [%lld,%lld,%lld,%lld]", (long long)full[0], (long long)full[1], (long long)full[2], (long long)full[3]);
        a->mask_dims[d] = dim;
        a->mask_strides[d] = from < 0 || (dim == 1 && d < 3) ? 0 : stride;
        stride *= PLN_MAX(dim, 1);
    }
    a->mask_is_bool = mask->dtype == PLN_BOOL;
    return pln_ref_reals(call, mask, &a->mask);
}

/* Query i does not see key j, whatever the mask holds. */
static bool hidden(const struct attention *a, int64_t b, int64_t i, int64_t j)
{
    int64_t ahead = j - (i + (a->past > 0 || !a->valid ? a->past : a->valid[b] - a->q.seq));
    if ((a->causal && ahead > 0) || (a->left >= 0 && -ahead > a->left) || (a->right >= 0 && ahead > a->right)) return true;
    return (a->valid && j >= a->valid[b]) || (a->mask && j >= a->mask_dims[3]);
}

/* Masks the scores of query i in a->row. false: all keys are shut out. */
static bool mask_scores(const struct attention *a, int64_t b, int64_t head, int64_t i)
{
    const double *mask = NULL;
    bool open = false;
    if (a->mask) mask = a->mask + b * a->mask_strides[0] + head * a->mask_strides[1] + i * a->mask_strides[2];
    for (int64_t j = 0; j < a->total; j++) {
        if (hidden(a, b, i, j)) {
            a->row[j] = -(double)INFINITY;
            continue;
        }
        double m = !mask ? 0 : mask[j * a->mask_strides[3]];
        if (mask && a->mask_is_bool) {
            if (m == 0) a->row[j] = a->masked_score;
            m = m == 0 ? a->masked_score : 0;
        } else {
            a->row[j] += m;
        }
        open |= m != -(double)INFINITY;
    }
    return open;
}

/* row = softmax(row), or what kernel/attention.h says where that is not a number. false: the query gives zeros. */
static bool softmax_row(const struct attention *a, bool open)
{
    double largest = -(double)INFINITY, sum = 0;
    bool nan = false;
    for (int64_t j = 0; j < a->total; j++) {
        largest = fmax(largest, a->row[j]);
        nan |= isnan(a->row[j]);
    }
    bool shut = largest == -(double)INFINITY && !nan, zeros = a->undefined == PLN_UNDEFINED_ROWS_OP && (shut || !open);
    if (zeros || shut || nan || largest == (double)INFINITY) {
        double weight = zeros || a->undefined == PLN_UNDEFINED_ROWS_GUARDED ? 0 : (double)NAN;
        for (int64_t j = 0; j < a->total; j++) a->row[j] = weight;
        return !zeros;
    }
    for (int64_t j = 0; j < a->total; j++) sum += a->row[j] = exp(a->row[j] - largest);
    for (int64_t j = 0; j < a->total; j++) a->row[j] /= sum;
    return true;
}

static void keep_scores(const struct attention *a, int64_t mode, int64_t row)
{
    if (a->want_scores && mode == a->mode) pln_ref_store(&a->scores, row * a->total, a->total, a->row);
}

/* One query of one head: scores, softmax, and the weighted sum of values into out. */
static void attend(const struct attention *a, int64_t b, int64_t head, int64_t i, double *out)
{
    int64_t row = (b * a->q.heads + head) * a->q.seq + i;
    const double *query = head_row(&a->q, b, head, i);
    memset(a->row, 0, (size_t)a->total * sizeof(double));
    for (int64_t d = 0; d < a->q.size; d++) {
        double x = query[d] * a->scale;
        for (int64_t j = 0; j < a->total; j++) a->row[j] += x * a->keys[d * a->total + j];
    }
    keep_scores(a, 0, row);
    for (int64_t j = 0; j < a->total && a->softcap > 0; j++) a->row[j] = a->softcap * tanh(a->row[j] / a->softcap);
    keep_scores(a, 1, row);
    bool open = mask_scores(a, b, head, i);
    keep_scores(a, 2, row);
    bool weighs = softmax_row(a, open);
    keep_scores(a, 3, row);
    memset(out, 0, (size_t)a->v.size * sizeof(double));
    for (int64_t j = 0; j < a->total && weighs; j++) {
        if (a->row[j] == 0 && hidden(a, b, i, j)) continue;
        for (int64_t d = 0; d < a->v.size; d++) out[d] += a->row[j] * a->values[j * a->v.size + d];
    }
}

/* Row s of past and present together. */
static const double *joined_row(const struct attention *a, const struct heads *past, const struct heads *now, int64_t b, int64_t head, int64_t s)
{
    return s < a->past ? head_row(past, b, head, s) : head_row(now, b, head, s - a->past);
}

static void gather_head(const struct attention *a, int64_t b, int64_t head)
{
    for (int64_t s = 0; s < a->total; s++) {
        const double *key = joined_row(a, &a->past_k, &a->k, b, head, s);
        for (int64_t d = 0; d < a->k.size; d++) a->keys[d * a->total + s] = key[d];
        memcpy(a->values + s * a->v.size, joined_row(a, &a->past_v, &a->v, b, head, s), (size_t)a->v.size * sizeof(double));
    }
}

static void attend_all(const struct attention *a, double *out)
{
    bool scores = a->want_scores && pln_tensor_count(&a->scores) > 0;
    if (pln_tensor_count(&a->y) == 0 && !scores) return;
    int64_t share = a->k.heads > 0 ? a->q.heads / a->k.heads : 1;
    for (int64_t i = 0; i < a->q.batch * a->q.heads; i++) {
        int64_t b = i / a->q.heads, head = i % a->q.heads;
        if (head % share == 0) gather_head(a, b, head / share);
        for (int64_t s = 0; s < a->q.seq; s++) {
            attend(a, b, head, s, out);
            int64_t row = a->y.rank == 4 ? i * a->q.seq + s : (b * a->q.seq + s) * a->q.heads + head;
            pln_ref_store(&a->y, row * a->v.size, a->v.size, out);
        }
    }
}

static enum pln_status write_present(struct pln_call *call, int o, const struct attention *a, const struct heads *past, const struct heads *now)
{
    int64_t dims[4] = { now->batch, now->heads, a->total, now->size };
    struct pln_tensor out;
    if (o >= call->n_outputs || !call->wanted[o]) return PLN_OK;
    PLN_TRY(pln_call_out(call, o, call->inputs[o]->tensor.dtype, 4, dims, &out));
    if (pln_tensor_count(&out) == 0) return PLN_OK;
    for (int64_t i = 0; i < now->batch * now->heads * a->total; i++) {
        int64_t s = i % a->total, head = i / a->total % now->heads, b = i / a->total / now->heads;
        pln_ref_store(&out, i * now->size, now->size, joined_row(a, past, now, b, head, s));
    }
    return PLN_OK;
}

static bool fits(const struct heads *a, const struct heads *b)
{
    return a->batch == b->batch && a->heads == b->heads && a->size == b->size;
}

static enum pln_status read_operands(struct pln_call *call, struct attention *a)
{
    int64_t q_heads = pln_attrs_int(call->attrs, "q_num_heads", 0), kv_heads = pln_attrs_int(call->attrs, "kv_num_heads", 0), n_valid;
    PLN_TRY(read_heads(call, 0, q_heads, &a->q));
    PLN_TRY(read_heads(call, 1, kv_heads, &a->k));
    PLN_TRY(read_heads(call, 2, kv_heads, &a->v));
    if (call->inputs[0]->tensor.rank != call->inputs[1]->tensor.rank) return pln_call_fail(call, PLN_BAD_MODEL, "query and key differ in rank");
    bool past = pln_call_has(call, 4), past_value = pln_call_has(call, 5);
    if (past != past_value) return pln_call_fail(call, PLN_BAD_MODEL, "past_key and past_value go together");
    if (past) {
        PLN_TRY(read_heads(call, 4, kv_heads, &a->past_k));
        PLN_TRY(read_heads(call, 5, kv_heads, &a->past_v));
        if (!fits(&a->past_k, &a->k) || !fits(&a->past_v, &a->v) || a->past_k.seq != a->past_v.seq) {
            return pln_call_fail(call, PLN_BAD_MODEL, "past key and value do not fit key and value");
        }
        a->past = a->past_k.seq;
    }
    if (a->q.batch != a->k.batch || a->q.batch != a->v.batch || a->k.heads != a->v.heads || a->k.seq != a->v.seq || a->q.size != a->k.size ||
        (a->k.heads == 0 ? a->q.heads != 0 : a->q.heads % a->k.heads != 0)) {
        return pln_call_fail(call, PLN_BAD_MODEL, "query, key and value do not fit: %lld, %lld heads, head sizes %lld, %lld", (long long)a->q.heads,
                             (long long)a->k.heads, (long long)a->q.size, (long long)a->k.size);
    }
    int64_t features;
    if (!pln_add_i64(a->past, a->k.seq, &a->total) || !pln_mul_i64(a->q.heads, a->v.size, &features)) return pln_call_fail(call, PLN_BAD_MODEL, "shapes are too large");
    PLN_TRY(pln_call_ints(call, 6, &a->valid, &n_valid));
    if (a->valid && n_valid != a->q.batch) return pln_call_fail(call, PLN_BAD_MODEL, "nonpad_kv_seqlen does not have one number a batch row");
    for (int64_t b = 0; a->valid && b < n_valid; b++) {
        if (a->valid[b] < 0 || a->valid[b] > a->total) return pln_call_fail(call, PLN_BAD_MODEL, "nonpad_kv_seqlen holds %lld", (long long)a->valid[b]);
    }
    return read_mask(call, a);
}

static enum pln_status make_room(struct pln_call *call, struct attention *a, double **out_row)
{
    int64_t keys, values;
    if (!pln_mul_i64(a->k.size, a->total, &keys) || !pln_mul_i64(a->v.size, a->total, &values)) {
        return pln_call_fail(call, PLN_BAD_MODEL, "shapes are too large");
    }
    PLN_TRY(pln_ref_scratch_reals(call, keys, &a->keys));
    PLN_TRY(pln_ref_scratch_reals(call, values, &a->values));
    PLN_TRY(pln_ref_scratch_reals(call, a->total, &a->row));
    return pln_ref_scratch_reals(call, a->v.size, out_row);
}

enum pln_status pln_ref_attention(struct pln_call *call)
{
    struct attention a = { 0 };
    double *row;
    PLN_TRY(read_operands(call, &a));
    double scale = pln_attrs_has(call->attrs, "scale") ? (double)pln_attrs_float(call->attrs, "scale", 1) : 1 / sqrt((double)a.q.size);
    a.scale = scale;
    a.softcap = (double)pln_attrs_float(call->attrs, "softcap", 0);
    a.causal = pln_attrs_int(call->attrs, "is_causal", 0) != 0;
    a.left = pln_attrs_int(call->attrs, "left_window_size", -1);
    a.right = pln_attrs_int(call->attrs, "right_window_size", -1);
    a.masked_score = (double)pln_masked_score_read(call->attrs);
    if (!pln_undefined_rows_read(call->attrs, &a.undefined)) return pln_call_fail(call, PLN_BAD_MODEL, "undefined_rows is none of op, softmax, guarded");
    a.mode = pln_attrs_int(call->attrs, "qk_matmul_output_mode", 0);
    if (a.mode < 0 || a.mode > 3) return pln_call_fail(call, PLN_BAD_MODEL, "qk_matmul_output_mode is %lld", (long long)a.mode);
    enum pln_dtype dtype = call->inputs[0]->tensor.dtype;
    int64_t y4[4] = { a.q.batch, a.q.heads, a.q.seq, a.v.size }, y3[3] = { a.q.batch, a.q.seq, a.q.heads * a.v.size };
    int64_t scores[4] = { a.q.batch, a.q.heads, a.q.seq, a.total };
    int rank = call->inputs[0]->tensor.rank;
    PLN_TRY(pln_call_out(call, 0, dtype, rank, rank == 4 ? y4 : y3, &a.y));
    a.want_scores = call->n_outputs > 3 && call->wanted[3];
    if (a.want_scores) PLN_TRY(pln_call_out(call, 3, dtype, 4, scores, &a.scores));
    PLN_TRY(make_room(call, &a, &row));
    attend_all(&a, row);
    PLN_TRY(write_present(call, 1, &a, &a.past_k, &a.k));
    return write_present(call, 2, &a, &a.past_v, &a.v);
}
