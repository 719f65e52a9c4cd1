#include <math.h>

#include "backend/ref/real.h"
#include "kernel/window.h"

struct pool {
    struct pln_window window;
    unsigned kind;
    bool count_pads;
    bool column_major;
    double p;
    int64_t in[PLN_WINDOW_MAX], out[PLN_WINDOW_MAX];
    int64_t in_size, out_size;
};

/* What a window has seen. */
struct seen {
    double value;  /* largest, or the sum */
    int64_t count; /* data elements */
    int64_t best;  /* offset of the largest, -1: none */
};

static void see(const struct pool *pool, double x, int64_t offset, struct seen *seen)
{
    switch ((enum pln_pool_kind)pool->kind) {
    case PLN_POOL_NONE:
        break;
    case PLN_POOL_MAX:
        if (seen->count == 0 || x > seen->value || (isnan(x) && !isnan(seen->value))) {
            seen->value = x;
            seen->best = offset;
        }
        break;
    case PLN_POOL_AVERAGE:
        seen->value += x;
        break;
    case PLN_POOL_LP:
        seen->value += pow(fabs(x), pool->p);
        break;
    }
    seen->count++;
}

/* Cells of the window at output position `at` that lie in data or padding: what count_include_pad divides by. */
static double padded_count(const struct pool *pool, const int64_t *at)
{
    const struct pln_window *w = &pool->window;
    double count = 1;
    for (int d = 0; d < w->rank; d++) {
        int64_t first, end, base = at[d] * w->stride[d];
        pln_window_clip(base, w->dilation[d], pool->in[d] + w->pad_begin[d] + w->pad_end[d], w->kernel[d], &first, &end);
        count *= (double)(end - first);
    }
    return count;
}

static struct seen look(const struct pool *pool, const double *plane, const int64_t *at)
{
    const struct pln_window *w = &pool->window;
    int64_t base[PLN_WINDOW_MAX], first[PLN_WINDOW_MAX], count[PLN_WINDOW_MAX], tap[PLN_WINDOW_MAX] = { 0 };
    struct seen seen = { 0, 0, -1 };
    for (int d = 0; d < w->rank; d++) {
        int64_t end;
        base[d] = at[d] * w->stride[d] - w->pad_begin[d];
        pln_window_clip(base[d], w->dilation[d], pool->in[d], w->kernel[d], &first[d], &end);
        count[d] = end - first[d];
        if (count[d] == 0) return seen;
    }
    do {
        int64_t offset = 0;
        for (int d = 0; d < w->rank; d++) offset = offset * pool->in[d] + base[d] + (first[d] + tap[d]) * w->dilation[d];
        see(pool, plane[offset], offset, &seen);
    } while (pln_index_step(w->rank, tap, count));
    return seen;
}

static double result_of(const struct pool *pool, const struct seen *seen, const int64_t *at)
{
    switch ((enum pln_pool_kind)pool->kind) {
    case PLN_POOL_NONE:
        break;
    case PLN_POOL_MAX:
        return seen->count > 0 ? seen->value : -(double)INFINITY;
    case PLN_POOL_AVERAGE: {
        double count = pool->count_pads ? padded_count(pool, at) : (double)seen->count;
        return count > 0 ? seen->value / count : 0;
    }
    case PLN_POOL_LP:
        return pow(seen->value, 1 / pool->p);
    }
    return 0;
}

/* The flat index that MaxPool reports, within one plane: row-major offset, or the first spatial axis fastest. */
static int64_t reported_index(const struct pool *pool, int64_t offset)
{
    if (!pool->column_major || offset < 0) return offset;
    int64_t place[PLN_WINDOW_MAX], index = 0;
    for (int d = pool->window.rank - 1; d >= 0; d--) {
        place[d] = offset % pool->in[d];
        offset /= pool->in[d];
    }
    for (int d = pool->window.rank - 1; d >= 0; d--) index = index * pool->in[d] + place[d];
    return index;
}

static void pool_plane(const struct pool *pool, const double *plane, int64_t plane_start, double *values, int64_t *indices)
{
    int64_t at[PLN_WINDOW_MAX] = { 0 };
    for (int64_t i = 0; i < pool->out_size; i++) {
        struct seen seen = look(pool, plane, at);
        values[i] = result_of(pool, &seen, at);
        if (indices) indices[i] = seen.best < 0 ? -1 : plane_start + reported_index(pool, seen.best);
        pln_index_step(pool->window.rank, at, pool->out);
    }
}

static enum pln_status read_pool(struct pln_call *call, const struct pln_tensor *x, struct pool *pool)
{
    memset(pool, 0, sizeof(*pool));
    if (x->rank < 3) return pln_call_fail(call, PLN_BAD_MODEL, "input of rank %d has no spatial axis", x->rank);
    memcpy(pool->in, x->dims + 2, (size_t)(x->rank - 2) * sizeof(int64_t));
    const char *reason = pln_window_read(call->attrs, x->rank - 2, NULL, &pool->window);
    if (!reason) reason = pln_window_output(&pool->window, pool->in, pool->out);
    if (reason) return pln_call_fail(call, PLN_BAD_MODEL, "%s", reason);
    if (!pln_shape_count(pool->window.rank, pool->in, &pool->in_size) || !pln_shape_count(pool->window.rank, pool->out, &pool->out_size)) {
        return pln_call_fail(call, PLN_BAD_MODEL, "shapes are too large");
    }
    pool->kind = call->kind;
    pool->count_pads = pln_attrs_int(call->attrs, "count_include_pad", 0) != 0;
    pool->column_major = pln_attrs_int(call->attrs, "storage_order", 0) != 0;
    int64_t p = pln_attrs_int(call->attrs, "p", 2);
    if (p < 1) return pln_call_fail(call, PLN_BAD_MODEL, "p is %lld", (long long)p);
    pool->p = (double)p;
    return PLN_OK;
}

enum pln_status pln_ref_pool(struct pln_call *call)
{
    const struct pln_tensor *x;
    struct pool pool;
    struct pln_tensor y, indices = { .data = NULL };
    const double *input;
    double *values;
    PLN_TRY(pln_call_need(call, 0, &x));
    PLN_TRY(read_pool(call, x, &pool));
    int64_t dims[PLN_MAX_RANK] = { x->dims[0], x->dims[1] };
    memcpy(dims + 2, pool.out, (size_t)pool.window.rank * sizeof(int64_t));
    PLN_TRY(pln_call_out(call, 0, x->dtype, x->rank, dims, &y));
    bool want_indices = call->kind == PLN_POOL_MAX && call->n_outputs > 1 && call->wanted[1];
    if (want_indices) PLN_TRY(pln_call_out(call, 1, PLN_I64, x->rank, dims, &indices));
    if (pln_tensor_count(&y) == 0) return PLN_OK;
    PLN_TRY(pln_ref_reals(call, x, &input));
    PLN_TRY(pln_ref_scratch_reals(call, pool.out_size, &values));
    for (int64_t i = 0; i < x->dims[0] * x->dims[1]; i++) {
        int64_t start = i * pool.in_size;
        pool_plane(&pool, input + start, start, values, want_indices ? (int64_t *)indices.data + i * pool.out_size : NULL);
        if (!pln_dtype_is_float(x->dtype)) {
            double least = x->dtype == PLN_I8 ? INT8_MIN : 0;
            for (int64_t at = 0; at < pool.out_size; at++) values[at] = PLN_MAX(values[at], least);
        }
        pln_ref_store(&y, i * pool.out_size, pool.out_size, values);
    }
    return PLN_OK;
}

/* Indices count in the shape that the window implies; output_shape may be larger, and keeps each element's place by axis. -1: no room. */
static int64_t moved_index(int64_t index, int rank, const int64_t *from, const int64_t *to)
{
    int64_t moved = 0, step = 1;
    for (int d = rank - 1; d >= 0; d--) {
        int64_t place = index % from[d];
        if (place >= to[d]) return -1;
        moved += place * step;
        step *= to[d];
        index /= from[d];
    }
    return moved;
}

enum pln_status pln_ref_max_unpool(struct pln_call *call)
{
    const struct pln_tensor *x, *indices;
    const int64_t *shape;
    int64_t n_shape, dims[PLN_MAX_RANK];
    struct pln_window window;
    struct pln_tensor y;
    const double *values;
    PLN_TRY(pln_call_need(call, 0, &x));
    PLN_TRY(pln_call_need(call, 1, &indices));
    PLN_TRY(pln_call_ints(call, 2, &shape, &n_shape));
    if (x->rank < 3) return pln_call_fail(call, PLN_BAD_MODEL, "input of rank %d has no spatial axis", x->rank);
    if (indices->dtype != PLN_I64 || !pln_tensor_same_shape(x, indices)) return pln_call_fail(call, PLN_BAD_MODEL, "indices do not fit the input");
    const char *reason = pln_window_read(call->attrs, x->rank - 2, NULL, &window);
    memcpy(dims, x->dims, 2 * sizeof(int64_t));
    if (!reason) reason = pln_window_transposed(&window, x->dims + 2, dims + 2);
    if (!reason && n_shape >= 0 && n_shape != x->rank) reason = "output_shape does not have one entry an axis";
    if (reason) return pln_call_fail(call, PLN_BAD_MODEL, "%s", reason);
    int64_t pooled_from;
    if (!pln_shape_count(x->rank, dims, &pooled_from)) return pln_call_fail(call, PLN_BAD_MODEL, "shapes are too large");
    PLN_TRY(pln_call_out(call, 0, x->dtype, x->rank, n_shape >= 0 ? shape : dims, &y));
    PLN_TRY(pln_ref_reals(call, x, &values));
    if (pln_tensor_count(&y) > 0) memset(y.data, 0, pln_tensor_bytes(&y));
    const int64_t *places = indices->data;
    for (int64_t i = 0; i < pln_tensor_count(x); i++) {
        int64_t at = places[i] >= 0 && places[i] < pooled_from ? moved_index(places[i], x->rank, dims, y.dims) : -1;
        if (at < 0) return pln_call_fail(call, PLN_BAD_MODEL, "index %lld is outside the output", (long long)places[i]);
        pln_ref_store(&y, at, 1, values + i);
    }
    return PLN_OK;
}
