/* Normalizations: batch, instance, layer. */
#include <math.h>

#include "backend/ref/elems.h"
#include "backend/ref/epilogue.h"
#include "backend/ref/rows.h"

/* Mean and population variance, in two passes. */
static void moments(const double *x, int64_t n, double *out_mean, double *out_variance)
{
    double mean = pln_ref_reduce_f64(PLN_REDUCE_MEAN, x, n), sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (x[i] - mean) * (x[i] - mean);
    *out_mean = mean;
    *out_variance = sum / (double)n;
}

/* x as [batch, channels, inner]; a vector counts as one channel. */
struct channels {
    const struct pln_tensor *x;
    int64_t batch, channels, inner;
};

static enum pln_status read_channels(struct pln_call *call, struct channels *out)
{
    PLN_TRY(pln_call_need(call, 0, &out->x));
    if (!pln_dtype_is_float(out->x->dtype) || out->x->rank < 1) return pln_call_fail(call, PLN_BAD_MODEL, "input 0 is no float tensor");
    out->batch = out->x->dims[0];
    out->channels = out->x->rank > 1 ? out->x->dims[1] : 1;
    out->inner = pln_elems_product(out->x->dims, PLN_MIN(2, out->x->rank), out->x->rank);
    return PLN_OK;
}

/* Input i: one value a channel. */
static enum pln_status read_parameter(struct pln_call *call, int i, int64_t channels, double **out_values)
{
    const struct pln_tensor *tensor;
    *out_values = NULL;
    PLN_TRY(pln_call_need(call, i, &tensor));
    if (!pln_dtype_is_float(tensor->dtype) || pln_tensor_count(tensor) != channels)
        return pln_call_fail(call, PLN_BAD_MODEL, "input %d must have one float a channel", i);
    return pln_ref_as_f64(call, tensor, out_values);
}

/* ---- BatchNormalization ---- */

struct batch_norm {
    struct channels x;
    double *scale, *bias, *mean, *variance, epsilon;
    double *buffer; /* one channel of all images */
};

static void load_channel(const struct batch_norm *norm, int64_t channel)
{
    const struct channels *x = &norm->x;
    for (int64_t b = 0; b < x->batch; b++)
        pln_ref_load_f64(x->x->dtype, x->x->data, (b * x->channels + channel) * x->inner, x->inner, norm->buffer + b * x->inner);
}

static void store_channel(const struct batch_norm *norm, int64_t channel, double mean, double variance, struct pln_tensor *out)
{
    const struct channels *x = &norm->x;
    double factor = 1 / sqrt(variance + norm->epsilon);
    for (int64_t i = 0; i < x->batch * x->inner; i++)
        norm->buffer[i] = norm->scale[channel] * ((norm->buffer[i] - mean) * factor) + norm->bias[channel];
    for (int64_t b = 0; b < x->batch; b++)
        pln_ref_store_f64(out->dtype, out->data, (b * x->channels + channel) * x->inner, x->inner, norm->buffer + b * x->inner);
}

enum pln_status pln_ref_batch_norm(struct pln_call *call)
{
    struct batch_norm norm;
    struct pln_tensor out, running_mean = { 0 }, running_variance = { 0 };
    void *memory = NULL;
    PLN_TRY(read_channels(call, &norm.x));
    PLN_TRY(read_parameter(call, 1, norm.x.channels, &norm.scale));
    PLN_TRY(read_parameter(call, 2, norm.x.channels, &norm.bias));
    PLN_TRY(read_parameter(call, 3, norm.x.channels, &norm.mean));
    PLN_TRY(read_parameter(call, 4, norm.x.channels, &norm.variance));
    PLN_TRY(pln_call_scratch(call, (size_t)(norm.x.batch * norm.x.inner), sizeof(double), &memory));
    norm.buffer = memory;
    norm.epsilon = (double)pln_attrs_float(call->attrs, "epsilon", 1e-5f);
    double momentum = (double)pln_attrs_float(call->attrs, "momentum", 0.9f);
    bool training = pln_attrs_int(call->attrs, "training_mode", 0) != 0;
    const struct pln_tensor *x = norm.x.x, *mean_in = pln_call_in(call, 3);
    PLN_TRY(pln_call_out(call, 0, x->dtype, x->rank, x->dims, &out));
    if (training) {
        PLN_TRY(pln_call_out(call, 1, mean_in->dtype, 1, &norm.x.channels, &running_mean));
        PLN_TRY(pln_call_out(call, 2, mean_in->dtype, 1, &norm.x.channels, &running_variance));
    }
    for (int64_t c = 0; c < norm.x.channels; c++) {
        double mean = norm.mean[c], variance = norm.variance[c];
        load_channel(&norm, c);
        if (training) {
            moments(norm.buffer, norm.x.batch * norm.x.inner, &mean, &variance);
            double next_mean = norm.mean[c] * momentum + mean * (1 - momentum);
            double next_variance = norm.variance[c] * momentum + variance * (1 - momentum);
            pln_ref_store_f64(running_mean.dtype, running_mean.data, c, 1, &next_mean);
            pln_ref_store_f64(running_variance.dtype, running_variance.data, c, 1, &next_variance);
        }
        store_channel(&norm, c, mean, variance, &out);
    }
    return PLN_OK;
}

/* ---- InstanceNormalization, of groups of channels too ---- */

enum pln_status pln_ref_instance_norm(struct pln_call *call)
{
    struct channels x;
    struct pln_ref_epilogue epilogue;
    double *scale, *bias, *values, mean, variance;
    PLN_TRY(pln_ref_epilogue_init(call, &epilogue));
    PLN_TRY(read_channels(call, &x));
    PLN_TRY(read_parameter(call, 1, x.channels, &scale));
    PLN_TRY(read_parameter(call, 2, x.channels, &bias));
    const int64_t groups = pln_attrs_int(call->attrs, "groups", 0);
    if (groups < 0 || (groups > 0 && x.channels % groups != 0))
        return pln_call_fail(call, PLN_BAD_MODEL, "groups is %lld, which does not divide the %lld channels", (long long)groups, (long long)x.channels);
    const double epsilon = (double)pln_attrs_float(call->attrs, "epsilon", 1e-5f);
    const int64_t group = groups > 0 ? x.channels / groups : 1, n = group * x.inner;
    PLN_TRY(pln_ref_as_f64(call, x.x, &values));
    for (int64_t first = 0; n > 0 && first < x.batch * x.channels; first += group) {
        double *row = values + first * x.inner;
        moments(row, n, &mean, &variance);
        const double factor = 1 / sqrt(variance + epsilon);
        for (int64_t i = 0; i < n; i++) {
            const int64_t c = (first + i / x.inner) % x.channels;
            row[i] = scale[c] * ((row[i] - mean) * factor) + bias[c];
        }
    }
    return pln_ref_epilogue_finish(call, &epilogue, x.x->dtype, x.x->rank, x.x->dims, values);
}

/* ---- LayerNormalization ---- */

/* normalized * scale + bias, both broadcast to x's shape. */
static enum pln_status scale_and_bias(struct pln_call *call, const struct pln_tensor *x, const double *normalized, struct pln_tensor *out)
{
    const struct pln_tensor *in[3] = { x, pln_call_in(call, 1), pln_call_in(call, 2) };
    struct pln_ref_broadcast walk;
    if (!pln_ref_broadcast_init(&walk, 3, in) || walk.rank != x->rank || memcmp(walk.dims, x->dims, (size_t)x->rank * sizeof(*x->dims)) != 0)
        return pln_call_fail(call, PLN_BAD_MODEL, "scale or bias cannot be broadcast to input 0");
    for (int64_t r = 0; r < walk.n_rows; r++) {
        for (int64_t i = 0; i < walk.row; i++) {
            double scale = 1, bias = 0;
            if (in[1]) pln_ref_load_f64(in[1]->dtype, in[1]->data, walk.offset[1] + i * walk.step[1], 1, &scale);
            if (in[2]) pln_ref_load_f64(in[2]->dtype, in[2]->data, walk.offset[2] + i * walk.step[2], 1, &bias);
            double value = normalized[r * walk.row + i] * scale + bias;
            pln_ref_store_f64(out->dtype, out->data, r * walk.row + i, 1, &value);
        }
        pln_ref_broadcast_next(&walk);
    }
    return PLN_OK;
}

enum pln_status pln_ref_layer_norm(struct pln_call *call)
{
    const struct pln_tensor *x;
    struct pln_tensor out, means, factors;
    int axis;
    int64_t dims[PLN_MAX_RANK], stash = pln_attrs_int(call->attrs, "stash_type", 1);
    double *values;
    PLN_TRY(pln_call_need(call, 0, &x));
    if (!pln_axis_normalize(pln_attrs_int(call->attrs, "axis", -1), x->rank, &axis))
        return pln_call_fail(call, PLN_BAD_MODEL, "the axis is outside of rank %d", x->rank);
    if (!pln_dtype_is_float(x->dtype) || stash < 1 || stash >= PLN_DTYPE_COUNT || !pln_dtype_is_float((enum pln_dtype)stash))
        return pln_call_fail(call, PLN_BAD_MODEL, "input 0 or stash_type is not float");
    for (int d = 0; d < x->rank; d++) dims[d] = d < axis ? x->dims[d] : 1;
    int64_t rows = pln_elems_product(x->dims, 0, axis), n = pln_elems_product(x->dims, axis, x->rank);
    PLN_TRY(pln_call_out(call, 0, x->dtype, x->rank, x->dims, &out));
    PLN_TRY(pln_call_out(call, 1, (enum pln_dtype)stash, x->rank, dims, &means));
    PLN_TRY(pln_call_out(call, 2, (enum pln_dtype)stash, x->rank, dims, &factors));
    PLN_TRY(pln_ref_as_f64(call, x, &values));
    double epsilon = (double)pln_attrs_float(call->attrs, "epsilon", 1e-5f);
    for (int64_t r = 0; r < rows; r++) {
        double mean, variance, *row = values + r * n;
        moments(row, n, &mean, &variance);
        double factor = 1 / sqrt(variance + epsilon);
        for (int64_t i = 0; i < n; i++) row[i] = (row[i] - mean) * factor;
        pln_ref_store_f64(means.dtype, means.data, r, 1, &mean);
        pln_ref_store_f64(factors.dtype, factors.data, r, 1, &factor);
    }
    return scale_and_bias(call, x, values, &out);
}
