#include "ops/window.h"

#define INT_TYPES (PLN_MASK(PLN_I8) | PLN_MASK(PLN_U8) | PLN_MASK(PLN_I16) | PLN_MASK(PLN_U16) | PLN_MASK(PLN_I4) | PLN_MASK(PLN_U4) | PLN_MASK(PLN_I2) | PLN_MASK(PLN_U2))
#define FLOAT8_TYPES (PLN_MASK(PLN_F8E4M3FN) | PLN_MASK(PLN_F8E4M3FNUZ) | PLN_MASK(PLN_F8E5M2) | PLN_MASK(PLN_F8E5M2FNUZ))
#define QUANTIZED_TYPES (INT_TYPES | FLOAT8_TYPES | PLN_MASK(PLN_F4E2M1))
#define SCALE_TYPES (PLN_MASK_FLOAT | PLN_MASK(PLN_F8E8M0))

static const struct pln_attr_def quantize_attrs[] = {
    { .name = "axis", .kind = PLN_ATTR_INT, .i = 1 },
    { .name = "block_size", .kind = PLN_ATTR_INT },
    { .name = "output_dtype", .kind = PLN_ATTR_INT }, /* 0: the zero point's, else u8 */
    { .name = "precision", .kind = PLN_ATTR_INT },    /* of the division; 0: the scale's type */
    { .name = "saturate", .kind = PLN_ATTR_INT, .i = 1 },
    { .name = NULL },
};

static const struct pln_attr_def dequantize_attrs[] = {
    { .name = "axis", .kind = PLN_ATTR_INT, .i = 1 },
    { .name = "block_size", .kind = PLN_ATTR_INT },
    { .name = "output_dtype", .kind = PLN_ATTR_INT }, /* 0: the scale's */
    { .name = NULL },
};

/* A told element type that is in the mask, or 0 for none. */
static enum pln_status told_dtype(struct pln_infer *infer, const char *name, uint32_t mask, enum pln_dtype *out_dtype)
{
    int64_t number = pln_node_int(infer->graph, infer->node, name);
    *out_dtype = PLN_DTYPE_NONE;
    if (number == 0) return PLN_OK;
    if (number < 0 || number >= PLN_DTYPE_COUNT || !(mask & PLN_MASK(number))) return pln_infer_fail(infer, "%s %lld is not possible here", name, (long long)number);
    *out_dtype = (enum pln_dtype)number;
    return PLN_OK;
}

/* One scale a tensor, a slice along axis, or a block: ranks must fit. */
static enum pln_status check_scale(struct pln_infer *infer)
{
    int64_t block = pln_node_int(infer->graph, infer->node, "block_size");
    const struct pln_type *x = pln_infer_in(infer, 0), *scale = pln_infer_in(infer, 1);
    if (block < 0) return pln_infer_fail(infer, "block_size is %lld", (long long)block);
    if (scale->rank > 1 && block == 0) return pln_infer_fail(infer, "a scale of rank %d needs block_size", scale->rank);
    if (scale->rank > 1 && x->rank >= 0 && x->rank != scale->rank) {
        return pln_infer_fail(infer, "scale of rank %d, input of rank %d", scale->rank, x->rank);
    }
    return PLN_OK;
}

static enum pln_status infer_quantize(struct pln_infer *infer)
{
    enum pln_dtype told, dtype = PLN_U8, precision;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, PLN_MAX_RANK));
    PLN_TRY(pln_infer_need_tensor(infer, 1, 0, PLN_MAX_RANK));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK_FLOAT | PLN_MASK(PLN_I32)));
    PLN_TRY(pln_infer_check_dtype(infer, 1, SCALE_TYPES | PLN_MASK(PLN_I32)));
    PLN_TRY(told_dtype(infer, "output_dtype", QUANTIZED_TYPES, &told));
    PLN_TRY(told_dtype(infer, "precision", PLN_MASK_FLOAT, &precision));
    if (told != PLN_DTYPE_NONE) dtype = told;
    if (pln_infer_has(infer, 2)) {
        PLN_TRY(pln_infer_check_dtype(infer, 2, QUANTIZED_TYPES));
        enum pln_dtype zero = pln_infer_dtype(infer, 2);
        if (told != PLN_DTYPE_NONE && zero != PLN_DTYPE_NONE && zero != told) return pln_infer_fail(infer, "output_dtype differs from the zero point's type");
        if (told == PLN_DTYPE_NONE) dtype = zero;
    }
    PLN_TRY(check_scale(infer));
    const struct pln_type *x = pln_infer_in(infer, 0);
    return pln_infer_out(infer, 0, dtype, x->rank, x->dims);
}

static enum pln_status infer_dequantize(struct pln_infer *infer)
{
    enum pln_dtype dtype;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, PLN_MAX_RANK));
    PLN_TRY(pln_infer_need_tensor(infer, 1, 0, PLN_MAX_RANK));
    PLN_TRY(pln_infer_check_dtype(infer, 0, QUANTIZED_TYPES | PLN_MASK(PLN_I32)));
    PLN_TRY(pln_infer_check_dtype(infer, 1, SCALE_TYPES));
    if (pln_infer_has(infer, 2)) PLN_TRY(pln_infer_same_dtype(infer, 0, 2));
    PLN_TRY(told_dtype(infer, "output_dtype", PLN_MASK_FLOAT, &dtype));
    PLN_TRY(check_scale(infer));
    if (dtype == PLN_DTYPE_NONE) dtype = pln_infer_dtype(infer, 1);
    const struct pln_type *x = pln_infer_in(infer, 0);
    return pln_infer_out(infer, 0, dtype, x->rank, x->dims);
}

static enum pln_status infer_dynamic_quantize(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, PLN_MAX_RANK));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK_FLOAT));
    const struct pln_type *x = pln_infer_in(infer, 0);
    PLN_TRY(pln_infer_out(infer, 0, PLN_U8, x->rank, x->dims));
    PLN_TRY(pln_infer_out(infer, 1, PLN_F32, 0, NULL));
    return pln_infer_out(infer, 2, PLN_U8, 0, NULL);
}

const struct pln_op_def pln_op_quantize_linear = {
    .name = "quantize_linear",
    .onnx = "QuantizeLinear",
    .attrs = quantize_attrs,
    .min_inputs = 2,
    .max_inputs = 3,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_quantize,
};

const struct pln_op_def pln_op_dequantize_linear = {
    .name = "dequantize_linear",
    .onnx = "DequantizeLinear",
    .attrs = dequantize_attrs,
    .min_inputs = 2,
    .max_inputs = 3,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_ROUND,
    .infer = infer_dequantize,
};

const struct pln_op_def pln_op_dynamic_quantize_linear = {
    .name = "dynamic_quantize_linear",
    .onnx = "DynamicQuantizeLinear",
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 3,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_dynamic_quantize,
};
