/* Reductions along axes, the arguments of extremes, running sums. */
#include <math.h>

#include "backend/ref/elems.h"
#include "backend/ref/rows.h"
#include "tensor/convert.h"

/* ---- one row ---- */

static double sum_f64(const double *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += x[i];
    return sum;
}

/* NaN wins. */
static double extreme_f64(const double *x, int64_t n, bool max)
{
    double best = max ? -(double)INFINITY : (double)INFINITY;
    for (int64_t i = 0; i < n; i++)
        if (isnan(x[i]) || (max ? x[i] > best : x[i] < best)) best = x[i];
    for (int64_t i = 0; i < n; i++)
        if (isnan(x[i])) return x[i];
    return best;
}

static double log_sum_exp(const double *x, int64_t n)
{
    double max = extreme_f64(x, n, true), sum = 0;
    if (!isfinite(max)) return max;
    for (int64_t i = 0; i < n; i++) sum += exp(x[i] - max);
    return max + log(sum);
}

double pln_ref_reduce_f64(unsigned kind, const double *x, int64_t n)
{
    double sum = 0;
    switch ((enum pln_reduce)kind) {
    case PLN_REDUCE_SUM: return sum_f64(x, n);
    case PLN_REDUCE_MEAN: return sum_f64(x, n) / (double)n;
    case PLN_REDUCE_MAX: return extreme_f64(x, n, true);
    case PLN_REDUCE_MIN: return extreme_f64(x, n, false);
    case PLN_REDUCE_PROD:
        sum = 1;
        for (int64_t i = 0; i < n; i++) sum *= x[i];
        return sum;
    case PLN_REDUCE_L1:
        for (int64_t i = 0; i < n; i++) sum += fabs(x[i]);
        return sum;
    case PLN_REDUCE_L2:
    case PLN_REDUCE_SUM_SQUARE:
        for (int64_t i = 0; i < n; i++) sum += x[i] * x[i];
        return kind == PLN_REDUCE_L2 ? sqrt(sum) : sum;
    case PLN_REDUCE_LOG_SUM: return log(sum_f64(x, n));
    case PLN_REDUCE_LOG_SUM_EXP: return log_sum_exp(x, n);
    case PLN_REDUCE_NONE:
    case PLN_REDUCE_COUNT: break;
    }
    return NAN;
}

static int64_t extreme_i64(enum pln_dtype dtype, const int64_t *x, int64_t n, bool max)
{
    int64_t best = max ? pln_ref_int_min(dtype) : pln_ref_int_max(dtype);
    unsigned kind = max ? PLN_EW_MAX : PLN_EW_MIN;
    for (int64_t i = 0; i < n; i++) best = pln_ew_i64(kind, best, x[i], 0, !pln_dtype_is_signed(dtype));
    return best;
}

/* log(sum(exp(x))) as a real. Relative to the largest, so that it is the largest where the others do not show in a double. */
static double log_sum_exp_i64(const int64_t *x, int64_t n)
{
    int64_t max = n > 0 ? x[0] : 0;
    double sum = 0;
    for (int64_t i = 1; i < n; i++) max = PLN_MAX(max, x[i]);
    for (int64_t i = 0; i < n; i++) sum += exp((double)x[i] - (double)max);
    return (double)max + log(sum);
}

static double l2_or_log_sum_i64(unsigned kind, const int64_t *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += kind == PLN_REDUCE_L2 ? (double)x[i] * (double)x[i] : (double)x[i];
    return kind == PLN_REDUCE_L2 ? sqrt(sum) : log(sum);
}

/* The reductions that leave the integers: computed as reals and truncated. */
static int64_t real_i64(unsigned kind, const int64_t *x, int64_t n)
{
    const double result = kind == PLN_REDUCE_LOG_SUM_EXP ? log_sum_exp_i64(x, n) : l2_or_log_sum_i64(kind, x, n);
    return isfinite(result) ? pln_load_i64(PLN_F64, &result, 0) : 0;
}

int64_t pln_ref_reduce_i64(unsigned kind, enum pln_dtype dtype, const int64_t *x, int64_t n)
{
    bool is_unsigned = !pln_dtype_is_signed(dtype);
    uint64_t sum = kind == PLN_REDUCE_PROD ? 1 : 0;
    for (int64_t i = 0; i < n; i++) {
        uint64_t value = (uint64_t)x[i];
        if (kind == PLN_REDUCE_PROD) sum *= value;
        else if (kind == PLN_REDUCE_SUM_SQUARE) sum += value * value;
        else sum += kind == PLN_REDUCE_L1 && !is_unsigned && x[i] < 0 ? 0 - value : value;
    }
    switch ((enum pln_reduce)kind) {
    case PLN_REDUCE_SUM:
    case PLN_REDUCE_PROD:
    case PLN_REDUCE_L1:
    case PLN_REDUCE_SUM_SQUARE: return (int64_t)sum;
    case PLN_REDUCE_MEAN: return pln_ew_i64(PLN_EW_DIV, (int64_t)sum, n, 0, is_unsigned);
    case PLN_REDUCE_MAX: return extreme_i64(dtype, x, n, true);
    case PLN_REDUCE_MIN: return extreme_i64(dtype, x, n, false);
    case PLN_REDUCE_L2:
    case PLN_REDUCE_LOG_SUM:
    case PLN_REDUCE_LOG_SUM_EXP: return real_i64(kind, x, n);
    case PLN_REDUCE_NONE:
    case PLN_REDUCE_COUNT: break;
    }
    return 0;
}

/* ---- along axes ---- */

struct axes {
    bool reduced[PLN_MAX_RANK];
    int64_t count; /* elements of one reduced row */
};

static enum pln_status read_axes(struct pln_call *call, const struct pln_tensor *in, struct axes *out_axes)
{
    const int64_t *axes;
    int64_t n;
    PLN_TRY(pln_call_ints(call, 1, &axes, &n));
    bool all = n <= 0 && !pln_attrs_int(call->attrs, "noop_with_empty_axes", 0);
    for (int d = 0; d < in->rank; d++) out_axes->reduced[d] = all;
    for (int64_t i = 0; i < n; i++) {
        int axis;
        if (!pln_axis_normalize(axes[i], in->rank, &axis))
            return pln_call_fail(call, PLN_BAD_MODEL, "axis %lld is outside of rank %d", (long long)axes[i], in->rank);
        out_axes->reduced[axis] = true;
    }
    int64_t dims[PLN_MAX_RANK];
    int reduced = 0;
    for (int d = 0; d < in->rank; d++)
        if (out_axes->reduced[d]) dims[reduced++] = in->dims[d];
    out_axes->count = pln_elems_product(dims, 0, reduced);
    return PLN_OK;
}

/* Offsets of all index combinations of the dims whose `reduced` is `which`, in row-major order. */
static enum pln_status list_offsets(struct pln_call *call, const struct pln_tensor *in, const struct axes *axes, bool which, int64_t n,
                                    int64_t **out_offsets)
{
    void *memory = NULL;
    PLN_TRY(pln_call_scratch(call, (size_t)n, sizeof(int64_t), &memory));
    int64_t *offsets = memory, index[PLN_MAX_RANK] = { 0 }, offset = 0;
    for (int64_t i = 0; i < n; i++) {
        offsets[i] = offset;
        for (int d = in->rank - 1; d >= 0; d--) {
            if (axes->reduced[d] != which) continue;
            offset += in->strides[d];
            if (++index[d] < in->dims[d]) break;
            offset -= in->strides[d] * in->dims[d];
            index[d] = 0;
        }
    }
    *out_offsets = offsets;
    return PLN_OK;
}

/* Element by element where the row is scattered, at once where it lies together. */
static void reduce_rows(const struct pln_tensor *in, struct pln_tensor *out, unsigned kind, const int64_t *rows, int64_t n_rows,
                        const int64_t *inside, int64_t n, void *buffer)
{
    bool ints = pln_ref_is_int(in->dtype), together = n <= 1 || inside[n - 1] == n - 1;
    double *f = buffer;
    int64_t *x = buffer;
    for (int64_t r = 0; r < n_rows; r++) {
        if (together && ints) pln_ref_load_i64(in->dtype, in->data, rows[r], n, x);
        else if (together) pln_ref_load_f64(in->dtype, in->data, rows[r], n, f);
        for (int64_t i = 0; i < n && !together; i++) {
            if (ints) pln_ref_load_i64(in->dtype, in->data, rows[r] + inside[i], 1, &x[i]);
            else pln_ref_load_f64(in->dtype, in->data, rows[r] + inside[i], 1, &f[i]);
        }
        if (ints) {
            int64_t value = pln_ref_reduce_i64(kind, in->dtype, x, n);
            pln_ref_store_i64(out->dtype, out->data, r, 1, &value);
        } else {
            double value = pln_ref_reduce_f64(kind, f, n);
            pln_ref_store_f64(out->dtype, out->data, r, 1, &value);
        }
    }
}

enum pln_status pln_ref_reduce(struct pln_call *call)
{
    const struct pln_tensor *in;
    struct pln_tensor out;
    struct axes axes;
    PLN_TRY(pln_call_need(call, 0, &in));
    if (in->dtype == PLN_STR || pln_dtype_is_complex(in->dtype)) return pln_call_fail(call, PLN_BAD_MODEL, "input 0 is no number");
    PLN_TRY(read_axes(call, in, &axes));
    int rank = 0;
    int64_t dims[PLN_MAX_RANK], *rows, *inside;
    bool keep = pln_attrs_int(call->attrs, "keepdims", 1) != 0;
    for (int d = 0; d < in->rank; d++)
        if (!axes.reduced[d] || keep) dims[rank++] = axes.reduced[d] ? 1 : in->dims[d];
    PLN_TRY(pln_call_out(call, 0, in->dtype, rank, dims, &out));
    int64_t n_rows = pln_tensor_count(&out);
    void *buffer = NULL;
    PLN_TRY(list_offsets(call, in, &axes, false, n_rows, &rows));
    PLN_TRY(list_offsets(call, in, &axes, true, axes.count, &inside));
    PLN_TRY(pln_call_scratch(call, (size_t)axes.count, sizeof(double), &buffer));
    reduce_rows(in, &out, call->kind, rows, n_rows, inside, axes.count, buffer);
    return PLN_OK;
}

/* ---- along one axis ---- */

/* in as [outer, n, inner]. */
static enum pln_status split_axis(struct pln_call *call, const struct pln_tensor *in, int64_t axis, int *out_axis, int64_t out_extents[3])
{
    if (in->dtype == PLN_STR || pln_dtype_is_complex(in->dtype)) return pln_call_fail(call, PLN_BAD_MODEL, "input 0 is no number");
    if (!pln_axis_normalize(axis, in->rank, out_axis))
        return pln_call_fail(call, PLN_BAD_MODEL, "axis %lld is outside of rank %d", (long long)axis, in->rank);
    out_extents[0] = pln_elems_product(in->dims, 0, *out_axis);
    out_extents[1] = in->dims[*out_axis];
    out_extents[2] = pln_elems_product(in->dims, *out_axis + 1, in->rank);
    return PLN_OK;
}

/* Is element a better than b: larger (smaller); NaN before all, as NumPy has it. */
static bool better(const struct pln_tensor *in, bool max, int64_t a, int64_t b)
{
    if (pln_ref_is_int(in->dtype)) {
        int64_t x, y;
        pln_ref_load_i64(in->dtype, in->data, a, 1, &x);
        pln_ref_load_i64(in->dtype, in->data, b, 1, &y);
        return pln_ew_i64(max ? PLN_EW_GREATER : PLN_EW_LESS, x, y, 0, !pln_dtype_is_signed(in->dtype)) != 0;
    }
    double x, y;
    pln_ref_load_f64(in->dtype, in->data, a, 1, &x);
    pln_ref_load_f64(in->dtype, in->data, b, 1, &y);
    if (isnan(y)) return false;
    return isnan(x) || (max ? x > y : x < y);
}

enum pln_status pln_ref_arg_reduce(struct pln_call *call)
{
    const struct pln_tensor *in;
    struct pln_tensor out;
    int axis, rank = 0;
    int64_t extents[3], dims[PLN_MAX_RANK];
    PLN_TRY(pln_call_need(call, 0, &in));
    PLN_TRY(split_axis(call, in, pln_attrs_int(call->attrs, "axis", 0), &axis, extents));
    bool keep = pln_attrs_int(call->attrs, "keepdims", 1) != 0, last = pln_attrs_int(call->attrs, "select_last_index", 0) != 0;
    for (int d = 0; d < in->rank; d++)
        if (d != axis || keep) dims[rank++] = d == axis ? 1 : in->dims[d];
    PLN_TRY(pln_call_out(call, 0, PLN_I64, rank, dims, &out));
    if (extents[1] == 0 && pln_tensor_count(&out) > 0) return pln_call_fail(call, PLN_BAD_MODEL, "no element along axis %d", axis);
    bool max = call->kind == PLN_ARG_REDUCE_MAX;
    int64_t *result = out.data;
    for (int64_t o = 0; o < extents[0]; o++) {
        for (int64_t i = 0; i < extents[2]; i++) {
            int64_t base = o * extents[1] * extents[2] + i, best = 0;
            for (int64_t k = 1; k < extents[1]; k++) {
                int64_t a = base + k * extents[2], b = base + best * extents[2];
                if (last ? !better(in, max, b, a) : better(in, max, a, b)) best = k;
            }
            result[o * extents[2] + i] = best;
        }
    }
    return PLN_OK;
}

/* One run along the axis: n elements, `inner` apart, from `base`. */
static void cumulate_run(const struct pln_tensor *in, struct pln_tensor *out, bool product, bool exclusive, int64_t base, int64_t step, int64_t n)
{
    double f = product ? 1 : 0;
    uint64_t x = product ? 1 : 0;
    for (int64_t k = 0; k < n; k++, base += step) {
        double value_f = 0, before_f = f;
        int64_t value_x = 0;
        uint64_t before_x = x;
        if (pln_ref_is_int(in->dtype)) {
            pln_ref_load_i64(in->dtype, in->data, base, 1, &value_x);
            x = product ? x * (uint64_t)value_x : x + (uint64_t)value_x;
            int64_t result = (int64_t)(exclusive ? before_x : x);
            pln_ref_store_i64(out->dtype, out->data, base, 1, &result);
        } else {
            pln_ref_load_f64(in->dtype, in->data, base, 1, &value_f);
            f = product ? f * value_f : f + value_f;
            pln_ref_store_f64(out->dtype, out->data, base, 1, exclusive ? &before_f : &f);
        }
    }
}

enum pln_status pln_ref_cumulate(struct pln_call *call)
{
    const struct pln_tensor *in;
    struct pln_tensor out;
    const int64_t *wanted;
    int64_t n_wanted, extents[3];
    int axis;
    PLN_TRY(pln_call_need(call, 0, &in));
    PLN_TRY(pln_call_ints(call, 1, &wanted, &n_wanted));
    if (n_wanted != 1) return pln_call_fail(call, PLN_BAD_MODEL, "the axis must be one number");
    PLN_TRY(split_axis(call, in, wanted[0], &axis, extents));
    PLN_TRY(pln_call_out(call, 0, in->dtype, in->rank, in->dims, &out));
    bool exclusive = pln_attrs_int(call->attrs, "exclusive", 0) != 0, reverse = pln_attrs_int(call->attrs, "reverse", 0) != 0;
    for (int64_t o = 0; o < extents[0]; o++) {
        for (int64_t i = 0; i < extents[2]; i++) {
            int64_t base = o * extents[1] * extents[2] + i, step = extents[2];
            if (reverse) base += (extents[1] - 1) * step;
            cumulate_run(in, &out, call->kind == PLN_CUMULATE_PROD, exclusive, base, reverse ? -step : step, extents[1]);
        }
    }
    return PLN_OK;
}
