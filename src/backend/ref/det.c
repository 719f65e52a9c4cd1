/* Determinants, by elimination with row exchange. */
#include <math.h>

#include "backend/ref/rows.h"

static double determinant(double *a, int64_t n)
{
    double result = 1;
    for (int64_t k = 0; k < n; k++) {
        int64_t pivot = k;
        for (int64_t i = k + 1; i < n; i++)
            if (fabs(a[i * n + k]) > fabs(a[pivot * n + k])) pivot = i;
        if (a[pivot * n + k] == 0) return 0;
        for (int64_t j = k; pivot != k && j < n; j++) {
            double swap = a[k * n + j];
            a[k * n + j] = a[pivot * n + j];
            a[pivot * n + j] = swap;
        }
        if (pivot != k) result = -result;
        result *= a[k * n + k];
        for (int64_t i = k + 1; i < n; i++) {
            double factor = a[i * n + k] / a[k * n + k];
            for (int64_t j = k + 1; j < n; j++) a[i * n + j] -= factor * a[k * n + j];
        }
    }
    return result;
}

enum pln_status pln_ref_det(struct pln_call *call)
{
    const struct pln_tensor *x;
    struct pln_tensor out;
    double *values;
    PLN_TRY(pln_call_need(call, 0, &x));
    if (!pln_dtype_is_float(x->dtype) || x->rank < 2 || x->dims[x->rank - 1] != x->dims[x->rank - 2])
        return pln_call_fail(call, PLN_BAD_MODEL, "input 0 must hold square matrices of floats");
    int64_t n = x->dims[x->rank - 1];
    PLN_TRY(pln_call_out(call, 0, x->dtype, x->rank - 2, x->dims, &out));
    PLN_TRY(pln_ref_as_f64(call, x, &values));
    int64_t count = pln_tensor_count(&out);
    for (int64_t i = 0; i < count; i++) {
        double value = determinant(values + i * n * n, n);
        pln_ref_store_f64(out.dtype, out.data, i, 1, &value);
    }
    return PLN_OK;
}
