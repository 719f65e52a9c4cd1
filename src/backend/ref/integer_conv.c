#include "backend/ref/conv.h"
#include "backend/ref/quant.h"
#include "backend/ref/real.h"
#include "tensor/convert.h"

/* Sums of integer products are exact in doubles: fewer than 2^37 of them with 16 bits each. */

/* values - zero as a fresh array; zeros: left out, one, or one for each of `rows` equal rows. */
static enum pln_status shifted(struct pln_call *call, int i, int zero_input, int64_t rows, const double **out_values)
{
    const struct pln_tensor *t, *zero = pln_call_in(call, zero_input);
    double *values;
    *out_values = NULL;
    PLN_TRY(pln_call_need(call, i, &t));
    int64_t n = pln_tensor_count(t), zeros = zero ? pln_tensor_count(zero) : 1;
    if (zeros != 1 && zeros != rows) return pln_call_fail(call, PLN_BAD_MODEL, "zero point of input %d has %lld elements", i, (long long)zeros);
    PLN_TRY(pln_ref_scratch_reals(call, n, &values));
    for (int64_t at = 0; at < n; at++) {
        double shift = !zero ? 0 : pln_load_f64(zero->dtype, zero->data, zeros == 1 ? 0 : at / (n / rows));
        values[at] = pln_load_f64(t->dtype, t->data, at) - shift;
    }
    *out_values = values;
    return PLN_OK;
}

enum pln_status pln_ref_conv_integer(struct pln_call *call)
{
    const struct pln_tensor *x, *w;
    struct pln_ref_conv conv;
    const double *input, *weights;
    int64_t dims[PLN_MAX_RANK];
    double *plane;
    struct pln_tensor y;
    PLN_TRY(pln_call_need(call, 0, &x));
    PLN_TRY(pln_call_need(call, 1, &w));
    PLN_TRY(pln_ref_conv_init(call, x, w, &conv));
    int rank = pln_ref_conv_dims(&conv, dims);
    PLN_TRY(pln_call_out(call, 0, PLN_I32, rank, dims, &y));
    if (pln_tensor_count(&y) == 0) return PLN_OK;
    PLN_TRY(shifted(call, 0, 2, 1, &input));
    PLN_TRY(shifted(call, 1, 3, conv.features, &weights));
    PLN_TRY(pln_ref_scratch_reals(call, conv.out_size, &plane));
    for (int64_t i = 0; i < conv.batch * conv.features; i++) {
        pln_ref_conv_plane(&conv, input, weights, i / conv.features, i % conv.features, plane);
        pln_ref_store(&y, i * conv.out_size, conv.out_size, plane);
    }
    return PLN_OK;
}

/* One parameter, or one an output channel. */
static enum pln_status read_parameter(struct pln_call *call, int i, int64_t features, const double **out_values, bool *out_single)
{
    const struct pln_tensor *t;
    *out_values = NULL;
    *out_single = true;
    PLN_TRY(pln_call_need(call, i, &t));
    int64_t n = pln_tensor_count(t);
    if (n != 1 && n != features) return pln_call_fail(call, PLN_BAD_MODEL, "input %d has %lld elements", i, (long long)n);
    *out_single = n == 1;
    return pln_ref_reals(call, t, out_values);
}

enum pln_status pln_ref_qlinear_conv(struct pln_call *call)
{
    const struct pln_tensor *x, *w, *y_zero, *b = pln_call_in(call, 8);
    struct pln_ref_conv conv;
    const double *input, *weights, *bias, *x_scale, *w_scale, *y_scale, *zero;
    bool single, w_single;
    int64_t dims[PLN_MAX_RANK];
    double *plane;
    struct pln_tensor y;
    PLN_TRY(pln_call_need(call, 0, &x));
    PLN_TRY(pln_call_need(call, 3, &w));
    PLN_TRY(pln_call_need(call, 7, &y_zero));
    PLN_TRY(pln_ref_conv_init(call, x, w, &conv));
    if (b && (b->rank != 1 || b->dims[0] != conv.features)) return pln_call_fail(call, PLN_BAD_MODEL, "bias does not have one element an output channel");
    int rank = pln_ref_conv_dims(&conv, dims);
    PLN_TRY(pln_call_out(call, 0, y_zero->dtype, rank, dims, &y));
    if (pln_tensor_count(&y) == 0) return PLN_OK;
    PLN_TRY(shifted(call, 0, 2, 1, &input));
    PLN_TRY(shifted(call, 3, 5, conv.features, &weights));
    PLN_TRY(read_parameter(call, 1, 1, &x_scale, &single));
    PLN_TRY(read_parameter(call, 4, conv.features, &w_scale, &w_single));
    PLN_TRY(read_parameter(call, 6, 1, &y_scale, &single));
    PLN_TRY(read_parameter(call, 7, 1, &zero, &single));
    PLN_TRY(pln_ref_reals_in(call, 8, &bias));
    PLN_TRY(pln_ref_scratch_reals(call, conv.out_size, &plane));
    for (int64_t i = 0; i < conv.batch * conv.features; i++) {
        int64_t feature = i % conv.features;
        double multiplier = x_scale[0] * w_scale[w_single ? 0 : feature] / y_scale[0];
        pln_ref_conv_plane(&conv, input, weights, i / conv.features, feature, plane);
        for (int64_t at = 0; at < conv.out_size; at++) {
            plane[at] = pln_ref_quantize(y.dtype, (plane[at] + (bias ? bias[feature] : 0)) * multiplier, zero[0]);
        }
        pln_ref_store(&y, i * conv.out_size, conv.out_size, plane);
    }
    return PLN_OK;
}
