/* Softmax and its logarithm along one axis. */
#include <math.h>

#include "backend/ref/elems.h"
#include "backend/ref/rows.h"

static void softmax_row(double *x, int64_t n, bool logarithm)
{
    double max = pln_ref_reduce_f64(PLN_REDUCE_MAX, x, n), sum = 0;
    for (int64_t i = 0; i < n; i++) sum += exp(x[i] - max);
    double shift = log(sum);
    for (int64_t i = 0; i < n; i++) x[i] = logarithm ? x[i] - max - shift : exp(x[i] - max) / sum;
}

enum pln_status pln_ref_softmax(struct pln_call *call)
{
    const struct pln_tensor *in;
    struct pln_tensor out;
    int axis;
    void *memory = NULL;
    PLN_TRY(pln_call_need(call, 0, &in));
    if (!pln_dtype_is_float(in->dtype)) return pln_call_fail(call, PLN_BAD_MODEL, "input 0 is not float");
    if (in->rank == 0 || !pln_axis_normalize(pln_attrs_int(call->attrs, "axis", -1), in->rank, &axis))
        return pln_call_fail(call, PLN_BAD_MODEL, "the axis is outside of rank %d", in->rank);
    int64_t outer = pln_elems_product(in->dims, 0, axis), n = in->dims[axis], inner = pln_elems_product(in->dims, axis + 1, in->rank);
    PLN_TRY(pln_call_out(call, 0, in->dtype, in->rank, in->dims, &out));
    PLN_TRY(pln_call_scratch(call, (size_t)n, sizeof(double), &memory));
    double *row = memory;
    for (int64_t r = 0; r < outer * inner; r++) {
        int64_t base = r / inner * n * inner + r % inner;
        if (inner == 1) pln_ref_load_f64(in->dtype, in->data, base, n, row);
        else
            for (int64_t i = 0; i < n; i++) pln_ref_load_f64(in->dtype, in->data, base + i * inner, 1, &row[i]);
        softmax_row(row, n, call->kind == PLN_SOFTMAX_LOG_SOFTMAX);
        if (inner == 1) pln_ref_store_f64(out.dtype, out.data, base, n, row);
        else
            for (int64_t i = 0; i < n; i++) pln_ref_store_f64(out.dtype, out.data, base + i * inner, 1, &row[i]);
    }
    return PLN_OK;
}
