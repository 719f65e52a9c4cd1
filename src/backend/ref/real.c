#include "backend/ref/real.h"

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
    *out_values = NULL;
    int64_t n = pln_tensor_count(tensor);
    if (tensor->dtype == PLN_F64 && n > 0) {
        *out_values = tensor->data;
        return PLN_OK;
    }
    double *values;
    PLN_TRY(pln_ref_scratch_reals(call, n, &values));
    if (tensor->dtype == PLN_F32) {
        const float *from = tensor->data;
        for (int64_t i = 0; i < n; i++) values[i] = (double)from[i];
    } else {
        for (int64_t i = 0; i < n; i++) values[i] = pln_load_f64(tensor->dtype, tensor->data, i);
    }
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
    if (tensor->dtype == PLN_F32) {
        float *to = (float *)tensor->data + first;
        for (int64_t i = 0; i < n; i++) to[i] = (float)values[i];
        return;
    }
    for (int64_t i = 0; i < n; i++) pln_store_f64(tensor->dtype, tensor->data, first + i, values[i], true);
}

double pln_ref_round(enum pln_dtype dtype, double value)
{
    uint64_t cell = 0;
    pln_store_f64(dtype, &cell, 0, value, true);
    return pln_load_f64(dtype, &cell, 0);
}
