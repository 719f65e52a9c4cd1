#include "backend/ref/real.h"

#include "backend/ref/rows.h"
#include "tensor/convert.h"

enum pln_status pln_ref_scratch_reals(struct pln_call *call, int64_t n, double **out_values)
{
    void *memory = NULL;
    *out_values = NULL;
    if (n < 0) return pln_call_fail(call, PLN_BAD_MODEL, "negative size");
    PLN_TRY(pln_call_scratch(call, (size_t)n, sizeof(double), &memory));
    *out_values = memory;
    return PLN_OK;
}

enum pln_status pln_ref_reals(struct pln_call *call, const struct pln_tensor *tensor, const double **out_values)
{
    double *values = NULL;
    *out_values = NULL;
    if (tensor->dtype == PLN_F64 && pln_tensor_count(tensor) > 0) {
        *out_values = tensor->data;
        return PLN_OK;
    }
    PLN_TRY(pln_ref_as_f64(call, tensor, &values));
    *out_values = values;
    return PLN_OK;
}

enum pln_status pln_ref_reals_in(struct pln_call *call, int i, const double **out_values)
{
    *out_values = NULL;
    const struct pln_tensor *tensor = pln_call_in(call, i);
    return tensor ? pln_ref_reals(call, tensor, out_values) : PLN_OK;
}

void pln_ref_store(const struct pln_tensor *tensor, int64_t first, int64_t n, const double *values)
{
    if (pln_dtype_is_float(tensor->dtype) && pln_dtype_bits(tensor->dtype) < 16) {
        for (int64_t i = 0; i < n; i++) pln_store_f64(tensor->dtype, tensor->data, first + i, values[i], true);
    } else {
        pln_ref_store_f64(tensor->dtype, tensor->data, first, n, values);
    }
}
