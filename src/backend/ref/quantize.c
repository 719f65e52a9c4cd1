#include <math.h>

#include "backend/ref/quant.h"
#include "backend/ref/real.h"
#include "backend/ref/rows.h"
#include "tensor/convert.h"

bool pln_ref_integer_range(enum pln_dtype dtype, double *out_low, double *out_high)
{
    *out_low = *out_high = 0;
    if (!pln_dtype_is_integer(dtype)) return false;
    int bits = pln_dtype_bits(dtype);
    bool is_signed = pln_dtype_is_signed(dtype);
    *out_low = is_signed ? -ldexp(1, bits - 1) : 0;
    *out_high = ldexp(1, is_signed ? bits - 1 : bits) - 1;
    return true;
}

double pln_ref_quantize(enum pln_dtype dtype, double value, double zero)
{
    double low, high;
    if (!pln_ref_integer_range(dtype, &low, &high)) return value + zero;
    value = rint(value) + zero;
    return !(value > low) ? low : value > high ? high : value;
}

enum pln_status pln_ref_grain(struct pln_call *call, const struct pln_tensor *x, const struct pln_tensor *scale, struct pln_ref_grain *out_grain)
{
    struct pln_ref_grain *grain = out_grain;
    int64_t told_axis = pln_attrs_int(call->attrs, "axis", 1), block = pln_attrs_int(call->attrs, "block_size", 0);
    int axis = 0;
    *grain = (struct pln_ref_grain){ .inner = 1, .extent = 1, .outer_step = 1, .block = 1, .blocks = 1, .kept = 1, .single = true };
    if (block < 0) return pln_call_fail(call, PLN_BAD_MODEL, "block_size is %lld", (long long)block);
    if (scale->rank == 0 || (block == 0 && scale->rank == 1 && scale->dims[0] == 1)) return PLN_OK;
    bool blocked = block > 0 && scale->rank == x->rank;
    bool axis_fits = pln_axis_normalize(told_axis, x->rank, &axis) || x->rank == 1;
    if (!axis_fits || (!blocked && scale->rank != 1)) return pln_call_fail(call, PLN_BAD_MODEL, "scale of rank %d does not fit input of rank %d", scale->rank, x->rank);
    int64_t blocks = blocked ? x->dims[axis] / block + (x->dims[axis] % block != 0) : x->dims[axis];
    bool fits = scale->dims[blocked ? axis : 0] == blocks;
    for (int d = 0; blocked && d < x->rank; d++) fits = fits && (d == axis || scale->dims[d] == x->dims[d]);
    if (!fits) return pln_call_fail(call, PLN_BAD_MODEL, "scale does not have one element for each slice or block along axis %d", axis);
    if (pln_tensor_count(x) == 0) return PLN_OK;
    for (int d = axis + 1; d < x->rank; d++) grain->inner *= x->dims[d];
    grain->extent = x->dims[axis];
    grain->outer_step = grain->inner * grain->extent;
    grain->block = blocked ? block : 1;
    grain->blocks = blocks;
    grain->kept = blocked ? grain->inner : 1;
    grain->single = false;
    grain->shared_outer = !blocked;
    return PLN_OK;
}

int64_t pln_ref_grain_at(const struct pln_ref_grain *grain, int64_t i)
{
    if (grain->single) return 0;
    int64_t outer = grain->shared_outer ? 0 : i / grain->outer_step;
    return (outer * grain->blocks + i / grain->inner % grain->extent / grain->block) * grain->kept + i % grain->kept;
}

/* Zero points lie as the scales do. */
static enum pln_status read_zeros(struct pln_call *call, const struct pln_tensor *scale, const double **out_zeros)
{
    const struct pln_tensor *zero = pln_call_in(call, 2);
    *out_zeros = NULL;
    if (!zero) return PLN_OK;
    if (pln_tensor_count(zero) != pln_tensor_count(scale)) return pln_call_fail(call, PLN_BAD_MODEL, "scale and zero point differ in shape");
    return pln_ref_reals(call, zero, out_zeros);
}

enum pln_status pln_ref_quantize_linear(struct pln_call *call)
{
    const struct pln_tensor *x, *scale, *zero = pln_call_in(call, 2);
    struct pln_ref_grain grain;
    const double *values, *scales, *zeros;
    struct pln_tensor y;
    PLN_TRY(pln_call_need(call, 0, &x));
    PLN_TRY(pln_call_need(call, 1, &scale));
    PLN_TRY(pln_ref_grain(call, x, scale, &grain));
    int64_t told = pln_attrs_int(call->attrs, "output_dtype", 0), told_precision = pln_attrs_int(call->attrs, "precision", 0);
    if (told < 0 || told >= PLN_DTYPE_COUNT || told_precision < 0 || told_precision >= PLN_DTYPE_COUNT) {
        return pln_call_fail(call, PLN_BAD_MODEL, "output_dtype or precision is no element type");
    }
    enum pln_dtype dtype = told ? (enum pln_dtype)told : zero ? zero->dtype : PLN_U8;
    enum pln_dtype precision = told_precision ? (enum pln_dtype)told_precision : scale->dtype;
    if (!pln_dtype_is_float(precision) || pln_dtype_bits(precision) < 16) precision = PLN_F32;
    bool saturate = pln_attrs_int(call->attrs, "saturate", 1) != 0;
    PLN_TRY(pln_call_out(call, 0, dtype, x->rank, x->dims, &y));
    PLN_TRY(pln_ref_reals(call, x, &values));
    PLN_TRY(pln_ref_reals(call, scale, &scales));
    PLN_TRY(read_zeros(call, scale, &zeros));
    for (int64_t i = 0; i < pln_tensor_count(x); i++) {
        int64_t at = pln_ref_grain_at(&grain, i);
        /* A quotient near the middle of two integers falls as its precision rounds it. */
        double quotient = pln_ref_round_f64(precision, pln_ref_round_f64(precision, values[i]) / pln_ref_round_f64(precision, scales[at]));
        pln_store_f64(dtype, y.data, i, pln_ref_quantize(dtype, quotient, zeros ? zeros[at] : 0), saturate);
    }
    return PLN_OK;
}

enum pln_status pln_ref_dequantize_linear(struct pln_call *call)
{
    const struct pln_tensor *x, *scale;
    struct pln_ref_grain grain;
    const double *values, *scales, *zeros;
    struct pln_tensor y;
    PLN_TRY(pln_call_need(call, 0, &x));
    PLN_TRY(pln_call_need(call, 1, &scale));
    PLN_TRY(pln_ref_grain(call, x, scale, &grain));
    int64_t told = pln_attrs_int(call->attrs, "output_dtype", 0);
    if (told < 0 || told >= PLN_DTYPE_COUNT) return pln_call_fail(call, PLN_BAD_MODEL, "output_dtype is no element type");
    PLN_TRY(pln_call_out(call, 0, told ? (enum pln_dtype)told : scale->dtype, x->rank, x->dims, &y));
    PLN_TRY(pln_ref_reals(call, x, &values));
    PLN_TRY(pln_ref_reals(call, scale, &scales));
    PLN_TRY(read_zeros(call, scale, &zeros));
    for (int64_t i = 0; i < pln_tensor_count(x); i++) {
        int64_t at = pln_ref_grain_at(&grain, i);
        double value = (values[i] - (zeros ? zeros[at] : 0)) * scales[at];
        pln_ref_store(&y, i, 1, &value);
    }
    return PLN_OK;
}

/* The range always holds 0, so that padding is exact. ONNX DynamicQuantizeLinear-11, in f32 as its function body. */
enum pln_status pln_ref_dynamic_quantize_linear(struct pln_call *call)
{
    const struct pln_tensor *x;
    struct pln_tensor y, scale_out, zero_out;
    const double *values;
    float low = 0, high = 0;
    PLN_TRY(pln_call_need(call, 0, &x));
    PLN_TRY(pln_call_out(call, 0, PLN_U8, x->rank, x->dims, &y));
    PLN_TRY(pln_call_out(call, 1, PLN_F32, 0, NULL, &scale_out));
    PLN_TRY(pln_call_out(call, 2, PLN_U8, 0, NULL, &zero_out));
    PLN_TRY(pln_ref_reals(call, x, &values));
    int64_t n = pln_tensor_count(x);
    for (int64_t i = 0; i < n; i++) {
        low = fminf(low, (float)values[i]);
        high = fmaxf(high, (float)values[i]);
    }
    float scale = high == low ? 1 : (high - low) / 255;
    double zero = pln_ref_quantize(PLN_U8, (double)((0 - low) / scale), 0);
    *(float *)scale_out.data = scale;
    *(uint8_t *)zero_out.data = (uint8_t)zero;
    for (int64_t i = 0; i < n; i++) {
        ((uint8_t *)y.data)[i] = (uint8_t)pln_ref_quantize(PLN_U8, (double)((float)values[i] / scale), zero);
    }
    return PLN_OK;
}
