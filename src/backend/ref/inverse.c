/* Inverses of matrices, by Gauss-Jordan elimination with row exchange. */
#include <math.h>

#include "backend/ref/rows.h"

static void swap_rows(double *a, int64_t n, int64_t i, int64_t j)
{
    for (int64_t c = 0; i != j && c < n; c++) {
        double swap = a[i * n + c];
        a[i * n + c] = a[j * n + c];
        a[j * n + c] = swap;
    }
}

/* a becomes the identity, out its inverse; NaN everywhere when there is none. */
static void invert(double *a, double *out, int64_t n)
{
    for (int64_t i = 0; i < n * n; i++) out[i] = i / n == i % n;
    for (int64_t k = 0; k < n; k++) {
        int64_t pivot = k;
        for (int64_t i = k + 1; i < n; i++)
            if (fabs(a[i * n + k]) > fabs(a[pivot * n + k])) pivot = i;
        double factor = a[pivot * n + k];
        if (factor == 0 || isnan(factor)) {
            for (int64_t i = 0; i < n * n; i++) out[i] = (double)NAN;
            return;
        }
        swap_rows(a, n, k, pivot);
        swap_rows(out, n, k, pivot);
        for (int64_t c = 0; c < n; c++) a[k * n + c] /= factor, out[k * n + c] /= factor;
        for (int64_t i = 0; i < n; i++) {
            double times = a[i * n + k];
            for (int64_t c = 0; i != k && c < n; c++) a[i * n + c] -= times * a[k * n + c], out[i * n + c] -= times * out[k * n + c];
        }
    }
}

enum pln_status pln_ref_inverse(struct pln_call *call)
{
    const struct pln_tensor *x;
    struct pln_tensor out;
    double *values, *inverse;
    PLN_TRY(pln_call_need(call, 0, &x));
    if (!pln_dtype_is_float(x->dtype) || x->rank < 2 || x->dims[x->rank - 1] != x->dims[x->rank - 2])
        return pln_call_fail(call, PLN_BAD_MODEL, "input 0 must hold square matrices of floats");
    int64_t n = x->dims[x->rank - 1], count = pln_tensor_count(x);
    PLN_TRY(pln_call_out(call, 0, x->dtype, x->rank, x->dims, &out));
    PLN_TRY(pln_ref_as_f64(call, x, &values));
    PLN_TRY(pln_ref_as_f64(call, x, &inverse)); /* as much room */
    for (int64_t first = 0; first < count; first += n * n) {
        invert(values + first, inverse + first, n);
        pln_ref_store_f64(out.dtype, out.data, first, n * n, inverse + first);
    }
    return PLN_OK;
}
