/* Fourier transforms and mel weights. */
#include "ops/extent.h"

static const uint32_t index_mask = PLN_MASK(PLN_I32) | PLN_MASK(PLN_I64);

/* Input i as one expression; false when it is not known or left out. */
static bool one_elem(struct pln_infer *infer, int i, struct pln_dim *out_elem)
{
    const struct pln_dim *elems;
    int64_t n;
    if (!pln_infer_elems(infer, i, &elems, &n) || n != 1) return false;
    *out_elem = elems[0];
    return true;
}

/* length / 2 + 1 */
static struct pln_dim half(struct pln_infer *infer, struct pln_dim length)
{
    struct pln_dim_table *t = &infer->graph->dims;
    return pln_dim_add(t, pln_dim_binary(t, PLN_DIM_FLOORDIV, length, pln_dim_const(t, 2)), pln_dim_const(t, 1));
}

/* ---- DFT ---- */

/* Extent of the axis in the output. */
static struct pln_dim dft_extent(struct pln_infer *infer, struct pln_dim n, int axis, bool inverse, bool onesided)
{
    struct pln_dim_table *t = &infer->graph->dims;
    struct pln_dim length = n;
    if (inverse && onesided) length = pln_dim_mul(t, pln_dim_const(t, 2), pln_dim_sub(t, n, pln_dim_const(t, 1)));
    if (pln_infer_has(infer, 1) && !one_elem(infer, 1, &length)) return pln_infer_out_symbol(infer, 0, axis);
    return onesided && !inverse ? half(infer, length) : length;
}

static enum pln_status infer_dft(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_need_tensor(infer, 0, 2, -1));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK_FLOAT));
    PLN_TRY(pln_infer_check_dtype(infer, 1, index_mask));
    PLN_TRY(pln_infer_check_dtype(infer, 2, index_mask));
    const struct pln_type *x = pln_infer_in(infer, 0);
    const int64_t *axes;
    int64_t n, wanted = -2;
    if (x->rank < 0) return pln_infer_out(infer, 0, x->dtype, -1, NULL);
    bool inverse = pln_node_int(infer->graph, infer->node, "inverse") != 0, onesided = pln_node_int(infer->graph, infer->node, "onesided") != 0;
    struct pln_dim dims[PLN_MAX_RANK], parts = pln_extent_const(infer, inverse && onesided ? 1 : 2);
    bool known = !pln_infer_has(infer, 2);
    if (!known && pln_infer_ints(infer, 2, &axes, &n) && n == 1) {
        wanted = axes[0];
        known = true;
    }
    int axis;
    if (known) PLN_TRY(pln_infer_axis(infer, wanted, x->rank, &axis));
    for (int d = 0; d < x->rank - 1; d++) dims[d] = known ? x->dims[d] : pln_infer_out_symbol(infer, 0, d);
    if (known && axis == x->rank - 1) return pln_infer_fail(infer, "the last dim holds real and imaginary parts and is no axis");
    if (known) dims[axis] = dft_extent(infer, x->dims[axis], axis, inverse, onesided);
    dims[x->rank - 1] = parts;
    return pln_infer_out(infer, 0, x->dtype, x->rank, dims);
}

static const struct pln_attr_def dft_attrs[] = {
    { "inverse", PLN_ATTR_INT, false, 0, 0, NULL },
    { "onesided", PLN_ATTR_INT, false, 0, 0, NULL },
    { 0 },
};

const struct pln_op_def pln_op_dft = {
    .name = "dft",
    .onnx = "DFT",
    .attrs = dft_attrs,
    .min_inputs = 1,
    .max_inputs = 3,
    .min_outputs = 1,
    .max_outputs = 1,
    .shape_inputs = 1u << 1,
    .tolerance = PLN_TOL_ACCUMULATE,
    .infer = infer_dft,
};

/* ---- STFT ---- */

static enum pln_status infer_stft(struct pln_infer *infer)
{
    struct pln_dim_table *t = &infer->graph->dims;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 3, 3));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK_FLOAT));
    PLN_TRY(pln_infer_check_dtype(infer, 1, index_mask));
    PLN_TRY(pln_infer_check_dtype(infer, 3, index_mask));
    if (pln_infer_has(infer, 2)) PLN_TRY(pln_infer_need_tensor(infer, 2, 1, 1));
    const struct pln_type *x = pln_infer_in(infer, 0), *window = pln_infer_in(infer, 2);
    struct pln_dim step, length, dims[4];
    bool know_length = pln_infer_has(infer, 3) && one_elem(infer, 3, &length);
    if (!know_length && window && window->rank == 1) {
        length = window->dims[0];
        know_length = true;
    } else if (!know_length && !window && !pln_infer_has(infer, 3) && x->rank == 3) {
        length = x->dims[1];
        know_length = true;
    }
    bool onesided = pln_node_int(infer->graph, infer->node, "onesided") != 0;
    dims[0] = x->rank == 3 ? x->dims[0] : pln_infer_out_symbol(infer, 0, 0);
    if (know_length && x->rank == 3 && one_elem(infer, 1, &step))
        dims[1] = pln_dim_add(t, pln_dim_binary(t, PLN_DIM_FLOORDIV, pln_dim_sub(t, x->dims[1], length), step), pln_dim_const(t, 1));
    else dims[1] = pln_infer_out_symbol(infer, 0, 1);
    dims[2] = !know_length ? pln_infer_out_symbol(infer, 0, 2) : onesided ? half(infer, length) : length;
    dims[3] = pln_dim_const(t, 2);
    return pln_infer_out(infer, 0, x->dtype, 4, dims);
}

static const struct pln_attr_def stft_attrs[] = {
    { "onesided", PLN_ATTR_INT, false, 1, 0, NULL },
    { 0 },
};

const struct pln_op_def pln_op_stft = {
    .name = "stft",
    .onnx = "STFT",
    .attrs = stft_attrs,
    .min_inputs = 2,
    .max_inputs = 4,
    .min_outputs = 1,
    .max_outputs = 1,
    .shape_inputs = 1u << 1 | 1u << 3,
    .tolerance = PLN_TOL_ACCUMULATE,
    .infer = infer_stft,
};

/* ---- MelWeightMatrix ---- */

static enum pln_status infer_mel(struct pln_infer *infer)
{
    struct pln_dim dims[2], length;
    int64_t dtype = pln_node_int(infer->graph, infer->node, "output_datatype");
    for (int i = 0; i < 5; i++) {
        PLN_TRY(pln_infer_need_tensor(infer, i, 0, 1));
        PLN_TRY(pln_infer_check_dtype(infer, i, i < 3 ? index_mask : PLN_MASK_FLOAT));
    }
    if (dtype < 1 || dtype >= PLN_DTYPE_COUNT || !(PLN_MASK_NUMBER & PLN_MASK(dtype)))
        return pln_infer_fail(infer, "attribute output_datatype is %lld, which is no number type", (long long)dtype);
    dims[0] = one_elem(infer, 1, &length) ? half(infer, length) : pln_infer_out_symbol(infer, 0, 0);
    if (!one_elem(infer, 0, &dims[1])) dims[1] = pln_infer_out_symbol(infer, 0, 1);
    return pln_infer_out(infer, 0, (enum pln_dtype)dtype, 2, dims);
}

static const struct pln_attr_def mel_attrs[] = {
    { "output_datatype", PLN_ATTR_INT, false, PLN_F32, 0, NULL },
    { 0 },
};

const struct pln_op_def pln_op_mel_weight_matrix = {
    .name = "mel_weight_matrix",
    .onnx = "MelWeightMatrix",
    .attrs = mel_attrs,
    .min_inputs = 5,
    .max_inputs = 5,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_TRANSCENDENTAL,
    .infer = infer_mel,
};
