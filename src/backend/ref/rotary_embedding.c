#include "backend/ref/real.h"

struct rotary {
    int64_t batch, heads, seq, size, half;
    int64_t batch_stride, head_stride, row_stride;
    bool interleaved;
    int64_t positions; /* rows of caches looked up by position_ids; 0: caches are [batch, seq, half] */
    const int64_t *ids;
};

static enum pln_status read_rotary(struct pln_call *call, const struct pln_tensor *x, struct rotary *r)
{
    int64_t told_heads = pln_attrs_int(call->attrs, "num_heads", 0), dim = pln_attrs_int(call->attrs, "rotary_embedding_dim", 0);
    r->interleaved = pln_attrs_int(call->attrs, "interleaved", 0) != 0;
    r->batch = x->dims[0];
    if (x->rank == 4) {
        r->heads = x->dims[1];
        r->seq = x->dims[2];
        r->size = x->dims[3];
        r->batch_stride = x->strides[0];
        r->head_stride = x->strides[1];
        r->row_stride = x->strides[2];
    } else if (x->rank == 3 && told_heads > 0 && x->dims[2] % told_heads == 0) {
        r->heads = told_heads;
        r->seq = x->dims[1];
        r->size = x->dims[2] / told_heads;
        r->batch_stride = x->strides[0];
        r->head_stride = r->size;
        r->row_stride = x->strides[1];
    } else {
        return pln_call_fail(call, PLN_BAD_MODEL, "input of rank %d does not fit %lld heads", x->rank, (long long)told_heads);
    }
    if (dim == 0) dim = r->size;
    if (dim < 0 || dim > r->size || dim % 2 != 0) {
        return pln_call_fail(call, PLN_BAD_MODEL, "rotary_embedding_dim %lld does not fit head size %lld", (long long)dim, (long long)r->size);
    }
    r->half = dim / 2;
    return PLN_OK;
}

static enum pln_status check_cache(struct pln_call *call, int i, struct rotary *r)
{
    const struct pln_tensor *cache, *ids = pln_call_in(call, 3);
    PLN_TRY(pln_call_need(call, i, &cache));
    bool fits = ids ? cache->rank == 2 : cache->rank == 3 && cache->dims[0] == r->batch && cache->dims[1] == r->seq;
    if (!fits || cache->dims[cache->rank - 1] != r->half) {
        char text[128];
        return pln_call_fail(call, PLN_BAD_MODEL, "cache %s does not fit %lld rotated pairs", pln_tensor_describe(cache, text, sizeof(text)), (long long)r->half);
    }
    if (!ids) return PLN_OK;
    r->positions = i == 1 ? cache->dims[0] : PLN_MIN(r->positions, cache->dims[0]);
    return PLN_OK;
}

static enum pln_status read_positions(struct pln_call *call, struct rotary *r)
{
    const struct pln_tensor *ids = pln_call_in(call, 3);
    if (!ids) return PLN_OK;
    if (ids->rank != 2 || ids->dims[0] != r->batch || ids->dims[1] != r->seq || (ids->dtype != PLN_I64 && ids->dtype != PLN_I32)) {
        return pln_call_fail(call, PLN_BAD_MODEL, "position_ids is no integer matrix of batch by sequence");
    }
    struct pln_tensor flat = *ids;
    int64_t n = pln_tensor_count(ids), *places;
    void *memory;
    PLN_TRY(pln_call_scratch(call, (size_t)n, sizeof(int64_t), &memory));
    places = memory;
    for (int64_t i = 0; i < n; i++) {
        places[i] = flat.dtype == PLN_I64 ? ((const int64_t *)flat.data)[i] : ((const int32_t *)flat.data)[i];
        if (places[i] < 0 || places[i] >= r->positions) return pln_call_fail(call, PLN_BAD_MODEL, "position %lld is outside the cache", (long long)places[i]);
    }
    r->ids = places;
    return PLN_OK;
}

/* Rotates pairs (x[a], x[b]) by the angles of one position. */
static void rotate_row(const struct rotary *r, const double *x, const double *cosine, const double *sine, double *out)
{
    memcpy(out, x, (size_t)r->size * sizeof(double));
    for (int64_t k = 0; k < r->half; k++) {
        int64_t a = r->interleaved ? 2 * k : k, b = r->interleaved ? 2 * k + 1 : r->half + k;
        out[a] = cosine[k] * x[a] - sine[k] * x[b];
        out[b] = sine[k] * x[a] + cosine[k] * x[b];
    }
}

enum pln_status pln_ref_rotary_embedding(struct pln_call *call)
{
    const struct pln_tensor *x;
    const double *in, *cosine, *sine;
    double *row;
    struct pln_tensor y;
    struct rotary r = { 0 };
    PLN_TRY(pln_call_need(call, 0, &x));
    PLN_TRY(read_rotary(call, x, &r));
    PLN_TRY(check_cache(call, 1, &r));
    PLN_TRY(check_cache(call, 2, &r));
    PLN_TRY(read_positions(call, &r));
    PLN_TRY(pln_call_out(call, 0, x->dtype, x->rank, x->dims, &y));
    int64_t n = pln_tensor_count(&y);
    if (n == 0) return PLN_OK;
    PLN_TRY(pln_ref_reals(call, x, &in));
    PLN_TRY(pln_ref_reals_in(call, 1, &cosine));
    PLN_TRY(pln_ref_reals_in(call, 2, &sine));
    PLN_TRY(pln_ref_scratch_reals(call, r.size, &row));
    for (int64_t i = 0; i < n / r.size; i++) {
        int64_t s = i % r.seq, head = i / r.seq % r.heads, b = i / r.seq / r.heads;
        int64_t at = b * r.batch_stride + head * r.head_stride + s * r.row_stride;
        int64_t angle = (r.ids ? r.ids[b * r.seq + s] : b * r.seq + s) * r.half;
        rotate_row(&r, in + at, cosine + angle, sine + angle, row);
        pln_ref_store(&y, at, r.size, row);
    }
    return PLN_OK;
}
