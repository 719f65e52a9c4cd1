#include "ops/window.h"

/* Products of quantized operands: ONNX ConvInteger-10, QLinearConv-10, MatMulInteger-10, QLinearMatMul-21. */
#define BYTE_TYPES (PLN_MASK(PLN_I8) | PLN_MASK(PLN_U8))
#define FLOAT8_TYPES (PLN_MASK(PLN_F8E4M3FN) | PLN_MASK(PLN_F8E4M3FNUZ) | PLN_MASK(PLN_F8E5M2) | PLN_MASK(PLN_F8E5M2FNUZ))

static const struct pln_attr_def conv_attrs[] = {
    PLN_WINDOW_ATTRS,
    { .name = "group", .kind = PLN_ATTR_INT, .i = 1 },
    { .name = NULL },
};

static enum pln_status infer_conv_integer(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_check_dtype(infer, 0, BYTE_TYPES));
    PLN_TRY(pln_infer_check_dtype(infer, 1, BYTE_TYPES));
    for (int i = 2; i <= 3; i++) {
        if (pln_infer_has(infer, i)) PLN_TRY(pln_infer_same_dtype(infer, i - 2, i));
    }
    return pln_infer_conv(infer, 1, PLN_I32);
}

/* x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias (i32). */
static enum pln_status infer_qlinear_conv(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_check_dtype(infer, 0, BYTE_TYPES));
    PLN_TRY(pln_infer_check_dtype(infer, 3, BYTE_TYPES));
    PLN_TRY(pln_infer_check_dtype(infer, 7, BYTE_TYPES));
    if (pln_infer_has(infer, 8)) PLN_TRY(pln_infer_check_dtype(infer, 8, PLN_MASK(PLN_I32)));
    return pln_infer_conv(infer, 3, pln_infer_dtype(infer, 7));
}

/* NumPy's matmul of inputs a and b as output 0. */
static enum pln_status infer_matmul_as(struct pln_infer *infer, int a_input, int b_input, enum pln_dtype dtype)
{
    PLN_TRY(pln_infer_need_tensor(infer, a_input, 1, PLN_MAX_RANK));
    PLN_TRY(pln_infer_need_tensor(infer, b_input, 1, PLN_MAX_RANK));
    const struct pln_type *a = pln_infer_in(infer, a_input), *b = pln_infer_in(infer, b_input);
    if (a->rank < 0 || b->rank < 0) return pln_infer_out(infer, 0, dtype, -1, NULL);
    struct pln_dim_table *dims = &infer->graph->dims;
    struct pln_dim out[PLN_MAX_RANK + 2];
    int64_t k_a, k_b;
    struct pln_dim inner = b->dims[b->rank == 1 ? 0 : b->rank - 2];
    if (pln_dim_value(dims, a->dims[a->rank - 1], &k_a) && pln_dim_value(dims, inner, &k_b) && k_a != k_b) {
        return pln_infer_fail(infer, "columns (%lld) and rows (%lld) differ", (long long)k_a, (long long)k_b);
    }
    int rank = 0;
    if (!pln_infer_broadcast(infer, PLN_MAX(a->rank - 2, 0), a->dims, PLN_MAX(b->rank - 2, 0), b->dims, &rank, out)) {
        return pln_infer_fail(infer, "batch dims do not fit together");
    }
    if (a->rank > 1) out[rank++] = a->dims[a->rank - 2];
    if (b->rank > 1) out[rank++] = b->dims[b->rank - 1];
    return pln_infer_out(infer, 0, dtype, rank, out);
}

static enum pln_status infer_matmul_integer(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_check_dtype(infer, 0, BYTE_TYPES));
    PLN_TRY(pln_infer_check_dtype(infer, 1, BYTE_TYPES));
    for (int i = 2; i <= 3; i++) {
        if (pln_infer_has(infer, i)) PLN_TRY(pln_infer_same_dtype(infer, i - 2, i));
    }
    return infer_matmul_as(infer, 0, 1, PLN_I32);
}

/* a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero. */
static enum pln_status infer_qlinear_matmul(struct pln_infer *infer)
{
    static const int quantized[] = { 0, 3, 7 };
    for (size_t i = 0; i < PLN_COUNT_OF(quantized); i++) PLN_TRY(pln_infer_check_dtype(infer, quantized[i], BYTE_TYPES | FLOAT8_TYPES));
    return infer_matmul_as(infer, 0, 3, pln_infer_dtype(infer, 7));
}

static double conv_integer_flops(const struct pln_graph *graph, uint32_t node)
{
    return pln_conv_flops(graph, node, 1);
}

static double qlinear_conv_flops(const struct pln_graph *graph, uint32_t node)
{
    return pln_conv_flops(graph, node, 3);
}

static double matmul_flops(const struct pln_graph *graph, uint32_t node)
{
    const struct pln_node *n = pln_graph_node(graph, node);
    int rank = pln_graph_value(graph, n->inputs[0])->type.rank;
    return 2 * pln_count_estimate(graph, n->outputs[0]) * pln_extent_estimate(graph, n->inputs[0], rank - 1);
}

const struct pln_op_def pln_op_conv_integer = {
    .name = "conv_integer",
    .onnx = "ConvInteger",
    .attrs = conv_attrs,
    .min_inputs = 2,
    .max_inputs = 4,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_conv_integer,
    .flops = conv_integer_flops,
};

const struct pln_op_def pln_op_qlinear_conv = {
    .name = "qlinear_conv",
    .onnx = "QLinearConv",
    .attrs = conv_attrs,
    .min_inputs = 8,
    .max_inputs = 9,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_qlinear_conv,
    .flops = qlinear_conv_flops,
};

const struct pln_op_def pln_op_matmul_integer = {
    .name = "matmul_integer",
    .onnx = "MatMulInteger",
    .min_inputs = 2,
    .max_inputs = 4,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_matmul_integer,
    .flops = matmul_flops,
};

const struct pln_op_def pln_op_qlinear_matmul = {
    .name = "qlinear_matmul",
    .onnx = "QLinearMatMul",
    .min_inputs = 8,
    .max_inputs = 8,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_qlinear_matmul,
    .flops = matmul_flops,
};
