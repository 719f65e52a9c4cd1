/* The k largest or smallest elements along an axis. */
#include <math.h>

#include "backend/ref/elems.h"
#include "backend/ref/rows.h"
#include "backend/ref/sort.h"

struct order {
    const double *f; /* one of the two is set */
    const int64_t *i;
    bool largest, is_unsigned;
};

/* Larger (smaller) elements first; NaN counts as the largest. */
static int compare(const void *user, int64_t a, int64_t b)
{
    const struct order *order = user;
    bool less, greater;
    if (order->i) {
        less = pln_ew_i64(PLN_EW_LESS, order->i[a], order->i[b], 0, order->is_unsigned) != 0;
        greater = pln_ew_i64(PLN_EW_GREATER, order->i[a], order->i[b], 0, order->is_unsigned) != 0;
    } else {
        double x = order->f[a], y = order->f[b];
        less = isnan(y) ? !isnan(x) : x < y;
        greater = isnan(x) ? !isnan(y) : x > y;
    }
    return order->largest ? less - greater : greater - less;
}

struct topk {
    const struct pln_tensor *x;
    struct pln_tensor values, indices;
    int axis;
    int64_t outer, n, inner, k;
    bool largest;
    void *row;
    int64_t *list;
};

static enum pln_status run_row(struct pln_call *call, struct topk *t, int64_t r)
{
    int64_t base = r / t->inner * t->n * t->inner + r % t->inner, to = r / t->inner * t->k * t->inner + r % t->inner;
    bool ints = pln_ref_is_int(t->x->dtype);
    double *f = t->row;
    int64_t *x = t->row;
    for (int64_t i = 0; i < t->n; i++) {
        t->list[i] = i;
        if (ints) pln_ref_load_i64(t->x->dtype, t->x->data, base + i * t->inner, 1, &x[i]);
        else pln_ref_load_f64(t->x->dtype, t->x->data, base + i * t->inner, 1, &f[i]);
    }
    struct order order = { ints ? NULL : f, ints ? x : NULL, t->largest, !pln_dtype_is_signed(t->x->dtype) };
    PLN_TRY(pln_indices_sort(call, t->list, t->n, compare, &order));
    for (int64_t i = 0; i < t->k; i++) {
        int64_t from = t->list[i], at = to + i * t->inner;
        if (ints) pln_ref_store_i64(t->values.dtype, t->values.data, at, 1, &x[from]);
        else pln_ref_store_f64(t->values.dtype, t->values.data, at, 1, &f[from]);
        ((int64_t *)t->indices.data)[at] = from;
    }
    return PLN_OK;
}

static enum pln_status read_k(struct pln_call *call, struct topk *t)
{
    const int64_t *k;
    int64_t n;
    PLN_TRY(pln_call_ints(call, 1, &k, &n));
    if (n != 1) return pln_call_fail(call, PLN_BAD_MODEL, "K must be one number");
    if (k[0] < 0 || k[0] > t->n)
        return pln_call_fail(call, PLN_BAD_MODEL, "K is %lld, but the axis has %lld elements", (long long)k[0], (long long)t->n);
    t->k = k[0];
    return PLN_OK;
}

enum pln_status pln_ref_topk(struct pln_call *call)
{
    struct topk t = { .x = NULL };
    void *memory = NULL;
    int64_t dims[PLN_MAX_RANK];
    PLN_TRY(pln_call_need(call, 0, &t.x));
    if (t.x->dtype == PLN_STR || pln_dtype_is_complex(t.x->dtype)) return pln_call_fail(call, PLN_BAD_MODEL, "input 0 is no number");
    if (t.x->rank == 0 || !pln_axis_normalize(pln_attrs_int(call->attrs, "axis", -1), t.x->rank, &t.axis))
        return pln_call_fail(call, PLN_BAD_MODEL, "the axis is outside of rank %d", t.x->rank);
    t.outer = pln_elems_product(t.x->dims, 0, t.axis);
    t.inner = pln_elems_product(t.x->dims, t.axis + 1, t.x->rank);
    t.n = t.x->dims[t.axis];
    t.largest = pln_attrs_int(call->attrs, "largest", 1) != 0;
    PLN_TRY(read_k(call, &t));
    memcpy(dims, t.x->dims, sizeof(dims));
    dims[t.axis] = t.k;
    PLN_TRY(pln_call_out(call, 0, t.x->dtype, t.x->rank, dims, &t.values));
    PLN_TRY(pln_call_out(call, 1, PLN_I64, t.x->rank, dims, &t.indices));
    PLN_TRY(pln_call_scratch(call, (size_t)t.n, sizeof(double), &t.row));
    PLN_TRY(pln_call_scratch(call, (size_t)t.n, sizeof(int64_t), &memory));
    t.list = memory;
    for (int64_t r = 0; r < t.outer * t.inner; r++) PLN_TRY(run_row(call, &t, r));
    return PLN_OK;
}
