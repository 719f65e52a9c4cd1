/* What ONNX had as experiments in its first operator sets and took out again: exporters of that time (CoreML, Caffe2) wrote it, and ONNX Runtime still runs it. */
#include "onnx/opset.h"

static float need_float(struct pln_emit *emit, const char *name)
{
    if (!pln_emit_has_attr(emit, name)) pln_emit_fail(emit, PLN_BAD_MODEL, "attribute '%s' is missing", name);
    return pln_emit_float(emit, name, 1.0f);
}

static uint32_t times(struct pln_emit *emit, uint32_t x, float factor)
{
    return pln_emit_ew2(emit, PLN_EW_MUL, x, pln_emit_const_like(emit, x, factor));
}

/* alpha x + beta. */
void pln_onnx_affine(struct pln_emit *emit)
{
    uint32_t x = pln_emit_need(emit, 0);
    uint32_t beta = pln_emit_const_like(emit, x, pln_emit_float(emit, "beta", 0.0f));
    pln_emit_bind(emit, 0, pln_emit_ew2(emit, PLN_EW_ADD, times(emit, x, pln_emit_float(emit, "alpha", 1.0f)), beta));
}

/* scale x. */
void pln_onnx_scale(struct pln_emit *emit)
{
    pln_emit_bind(emit, 0, times(emit, pln_emit_need(emit, 0), pln_emit_float(emit, "scale", 1.0f)));
}

/* alpha softplus(beta x). */
void pln_onnx_parametric_softplus(struct pln_emit *emit)
{
    uint32_t x = times(emit, pln_emit_need(emit, 0), need_float(emit, "beta"));
    pln_emit_bind(emit, 0, times(emit, pln_emit_ew1(emit, PLN_EW_SOFTPLUS, x), need_float(emit, "alpha")));
}

/* alpha tanh(beta x). */
void pln_onnx_scaled_tanh(struct pln_emit *emit)
{
    uint32_t x = times(emit, pln_emit_need(emit, 0), need_float(emit, "beta"));
    pln_emit_bind(emit, 0, times(emit, pln_emit_ew1(emit, PLN_EW_TANH, x), need_float(emit, "alpha")));
}

/* scale x[n,c,h,w] + bias[c]. */
void pln_onnx_image_scaler(struct pln_emit *emit)
{
    const float *floats;
    uint32_t x = pln_emit_need(emit, 0), n = pln_emit_float_list(emit, "bias", &floats);
    uint32_t y = times(emit, x, pln_emit_float(emit, "scale", 1.0f));
    if (n > 0) {
        uint32_t bias = pln_emit_cast(emit, pln_emit_const_floats(emit, floats, n), pln_emit_dtype(emit, x));
        y = pln_emit_ew2(emit, PLN_EW_ADD, y, pln_emit_unsqueeze(emit, bias, pln_emit_const_ints(emit, (const int64_t[]){ 1, 2 }, 2)));
    }
    pln_emit_bind(emit, 0, y);
}

/* x[n,c,h,w] without a border of left, top, right, bottom; with a scale: so many rows and columns from the border's top and left on. */
void pln_onnx_crop(struct pln_emit *emit)
{
    const int64_t *border, *scale;
    uint32_t x = pln_emit_need(emit, 0), n = pln_emit_int_list(emit, "border", &border), n_scale = pln_emit_int_list(emit, "scale", &scale);
    if (n < 4 || (n_scale != 0 && n_scale < 2)) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "border has %u numbers and scale %u, not 4 and 0 or 2", n, n_scale);
        return;
    }
    for (uint32_t i = 0; i < 4; i++)
        if (border[i] < 0 || (i < n_scale && i < 2 && scale[i] < 0)) pln_emit_fail(emit, PLN_BAD_MODEL, "a number of border or scale is negative");
    const int64_t starts[2] = { border[1], border[0] };
    uint32_t first = pln_emit_const_ints(emit, starts, 2), axes = pln_emit_const_ints(emit, (const int64_t[]){ 2, 3 }, 2), end;
    if (n_scale > 0)
        end = pln_emit_ew2(emit, PLN_EW_ADD, first, pln_emit_const_ints(emit, scale, 2));
    else
        end = pln_emit_ew2(emit, PLN_EW_SUB, pln_emit_shape_part(emit, x, 2, 4), pln_emit_const_ints(emit, (const int64_t[]){ border[3], border[2] }, 2));
    pln_emit_bind(emit, 0, pln_emit_slice(emit, x, first, end, axes, PLN_NONE));
}

/* (x - mean) / deviation over all but the channels, or over them, too; without the division where normalize_variance is 0. */
void pln_onnx_mean_variance_normalization_1(struct pln_emit *emit)
{
    const bool across = pln_emit_int(emit, "across_channels", 0) != 0;
    const int64_t axes[] = { 0, 2, 3, 1 };
    uint32_t x = pln_emit_need(emit, 0), over = pln_emit_const_ints(emit, axes, across ? 4 : 3);
    uint32_t y = pln_emit_ew2(emit, PLN_EW_SUB, x, pln_emit_reduce(emit, PLN_REDUCE_MEAN, x, over, true));
    if (pln_emit_int(emit, "normalize_variance", 1) != 0) {
        uint32_t var = pln_emit_reduce(emit, PLN_REDUCE_MEAN, pln_emit_ew2(emit, PLN_EW_MUL, y, y), over, true);
        y = pln_emit_ew2(emit, PLN_EW_DIV, y, pln_emit_ew1(emit, PLN_EW_SQRT, var));
    }
    pln_emit_bind(emit, 0, y);
}

/* ONNX Runtime's own before operator set 17: the scale may have a type of its own, which is the result's. */
void pln_onnx_layer_norm_1(struct pln_emit *emit)
{
    uint32_t inputs[3] = { PLN_NONE, PLN_NONE, PLN_NONE }, scale = pln_emit_need(emit, 1);
    for (uint32_t i = 0; i < 3; i++) inputs[i] = pln_emit_in(emit, i);
    inputs[0] = pln_emit_cast(emit, pln_emit_need(emit, 0), pln_emit_dtype(emit, scale));
    pln_onnx_direct_as(emit, "LayerNormalization", inputs, PLN_MIN(emit->n_inputs, 3), NULL);
}

/* Slice whose parameters are inputs, as they all are now. */
void pln_onnx_dynamic_slice(struct pln_emit *emit)
{
    pln_onnx_direct_as(emit, "Slice", emit->inputs, emit->n_inputs, NULL);
}

/* The attribute's values in the shape of an attribute, of the input, or that the input's elements say; then in the dims of extra_shape. */
void pln_onnx_given_tensor_fill(struct pln_emit *emit)
{
    const float *values;
    const int64_t *dims, *more;
    uint32_t n_values = pln_emit_float_list(emit, "values", &values), n_dims = pln_emit_int_list(emit, "shape", &dims), n_more = pln_emit_int_list(emit, "extra_shape", &more);
    uint32_t shape = pln_emit_in(emit, 0);
    if (shape == PLN_NONE) shape = pln_emit_const_ints(emit, dims, n_dims);
    else if (pln_emit_int(emit, "input_as_shape", 0) != 0) shape = pln_emit_cast(emit, shape, PLN_I64);
    else shape = pln_emit_shape(emit, shape);
    if (n_more > 0) shape = pln_emit_concat(emit, (const uint32_t[]){ shape, pln_emit_const_ints(emit, more, n_more) }, 2, 0);
    pln_emit_bind(emit, 0, pln_emit_reshape_as(emit, pln_emit_const_floats(emit, values, n_values), shape));
}
