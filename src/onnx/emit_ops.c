#include "onnx/emit.h"
#include "tensor/convert.h"

#include <math.h>

uint32_t pln_emit_op(struct pln_emit *emit, unsigned op, unsigned kind, const uint32_t *inputs, uint32_t n_inputs)
{
    for (uint32_t i = 0; i < n_inputs && emit->status == PLN_OK; i++) {
        if (inputs[i] == PLN_NONE && i == 0) pln_emit_fail(emit, PLN_BAD_MODEL, "an input is missing");
    }
    return pln_emit_end(emit, pln_emit_begin(emit, op, kind, inputs, n_inputs, 1));
}

uint32_t pln_emit_ew1(struct pln_emit *emit, enum pln_ew kind, uint32_t a)
{
    return pln_emit_op(emit, PLN_OP_ELEMENTWISE, kind, &a, 1);
}

uint32_t pln_emit_ew2(struct pln_emit *emit, enum pln_ew kind, uint32_t a, uint32_t b)
{
    return pln_emit_op(emit, PLN_OP_ELEMENTWISE, kind, (uint32_t[]){ a, b }, 2);
}

uint32_t pln_emit_ew3(struct pln_emit *emit, enum pln_ew kind, uint32_t a, uint32_t b, uint32_t c)
{
    return pln_emit_op(emit, PLN_OP_ELEMENTWISE, kind, (uint32_t[]){ a, b, c }, 3);
}

uint32_t pln_emit_identity(struct pln_emit *emit, uint32_t x)
{
    return pln_emit_op(emit, PLN_OP_IDENTITY, 0, &x, 1);
}

uint32_t pln_emit_cast(struct pln_emit *emit, uint32_t x, enum pln_dtype dtype)
{
    if (emit->status == PLN_OK && pln_emit_try_dtype(emit, x) == dtype) return x;
    uint32_t node = pln_emit_begin(emit, PLN_OP_CAST, 0, &x, 1, 1);
    pln_emit_set_int(emit, node, "to", dtype);
    return pln_emit_end(emit, node);
}

uint32_t pln_emit_matmul(struct pln_emit *emit, uint32_t a, uint32_t b)
{
    return pln_emit_end(emit, pln_emit_begin_named(emit, "MatMul", (uint32_t[]){ a, b }, 2, 1));
}

uint32_t pln_emit_reduce(struct pln_emit *emit, enum pln_reduce kind, uint32_t x, uint32_t axes, bool keepdims)
{
    uint32_t node = pln_emit_begin(emit, PLN_OP_REDUCE, kind, (uint32_t[]){ x, axes }, axes == PLN_NONE ? 1 : 2, 1);
    pln_emit_set_int(emit, node, "keepdims", keepdims);
    return pln_emit_end(emit, node);
}

uint32_t pln_emit_softmax(struct pln_emit *emit, bool log, uint32_t x, int64_t axis)
{
    uint32_t node = pln_emit_begin_named(emit, log ? "LogSoftmax" : "Softmax", &x, 1, 1);
    pln_emit_set_int(emit, node, "axis", axis);
    return pln_emit_end(emit, node);
}

/* More groups than models have. */
#define GROUPS_MOST 4096

/* In f32 as the operator that passes and kernels know, which has a scale and an offset of each group. */
uint32_t pln_emit_standardize(struct pln_emit *emit, uint32_t x, int64_t groups, double epsilon)
{
    static const float zeros[GROUPS_MOST];
    float ones[GROUPS_MOST];
    const uint32_t rows = pln_emit_reshape_to(emit, x, (int64_t[]){ 0, groups, -1 }, 3);
    if (pln_emit_dtype(emit, x) == PLN_F32 && groups >= 1 && groups <= GROUPS_MOST) {
        for (int64_t i = 0; i < groups; i++) ones[i] = 1.0f;
        const uint32_t inputs[3] = { rows, pln_emit_const_floats(emit, ones, (uint32_t)groups), pln_emit_const_floats(emit, zeros, (uint32_t)groups) };
        const uint32_t node = pln_emit_begin_named(emit, "InstanceNormalization", inputs, 3, 1);
        pln_emit_set_float(emit, node, "epsilon", (float)epsilon);
        return pln_emit_end(emit, node);
    }
    const uint32_t last = pln_emit_const_int(emit, 2), distance = pln_emit_ew2(emit, PLN_EW_SUB, rows, pln_emit_reduce(emit, PLN_REDUCE_MEAN, rows, last, true));
    const uint32_t variance = pln_emit_reduce(emit, PLN_REDUCE_MEAN, pln_emit_ew2(emit, PLN_EW_MUL, distance, distance), last, true);
    const uint32_t deviation = pln_emit_ew1(emit, PLN_EW_SQRT, pln_emit_ew2(emit, PLN_EW_ADD, variance, pln_emit_const_like(emit, rows, epsilon)));
    return pln_emit_ew2(emit, PLN_EW_DIV, distance, deviation);
}

/* ---- shapes ---- */

uint32_t pln_emit_shape(struct pln_emit *emit, uint32_t x)
{
    return pln_emit_op(emit, PLN_OP_SHAPE, 0, &x, 1);
}

uint32_t pln_emit_shape_part(struct pln_emit *emit, uint32_t x, int64_t first, int64_t last)
{
    uint32_t node = pln_emit_begin(emit, PLN_OP_SHAPE, 0, &x, 1, 1);
    pln_emit_set_int(emit, node, "start", first);
    if (last != INT64_MAX) pln_emit_set_int(emit, node, "end", last);
    return pln_emit_end(emit, node);
}

uint32_t pln_emit_dim(struct pln_emit *emit, uint32_t x, int64_t axis)
{
    int64_t n;
    if (emit->status == PLN_OK && axis > INT32_MIN && axis < INT32_MAX && pln_emit_extent(emit, x, (int)axis, &n)) {
        return pln_emit_const_int(emit, n);
    }
    return pln_emit_shape_part(emit, x, axis, axis == -1 ? INT64_MAX : axis + 1);
}

uint32_t pln_emit_reshape(struct pln_emit *emit, uint32_t x, uint32_t shape)
{
    return pln_emit_op(emit, PLN_OP_RESHAPE, 0, (uint32_t[]){ x, shape }, 2);
}

uint32_t pln_emit_reshape_as(struct pln_emit *emit, uint32_t x, uint32_t shape)
{
    uint32_t node = pln_emit_begin(emit, PLN_OP_RESHAPE, 0, (uint32_t[]){ x, shape }, 2, 1);
    pln_emit_set_int(emit, node, "allowzero", 1);
    return pln_emit_end(emit, node);
}

uint32_t pln_emit_reshape_to(struct pln_emit *emit, uint32_t x, const int64_t *shape, uint32_t n)
{
    return pln_emit_reshape(emit, x, pln_emit_const_ints(emit, shape, n));
}

uint32_t pln_emit_unsqueeze(struct pln_emit *emit, uint32_t x, uint32_t axes)
{
    return pln_emit_op(emit, PLN_OP_UNSQUEEZE, 0, (uint32_t[]){ x, axes }, 2);
}

uint32_t pln_emit_unsqueeze_at(struct pln_emit *emit, uint32_t x, int64_t axis)
{
    return pln_emit_unsqueeze(emit, x, pln_emit_const_int(emit, axis));
}

uint32_t pln_emit_squeeze(struct pln_emit *emit, uint32_t x, uint32_t axes)
{
    return pln_emit_op(emit, PLN_OP_SQUEEZE, 0, (uint32_t[]){ x, axes }, axes == PLN_NONE ? 1 : 2);
}

uint32_t pln_emit_transpose(struct pln_emit *emit, uint32_t x, const int64_t *perm, uint32_t n)
{
    uint32_t node = pln_emit_begin(emit, PLN_OP_TRANSPOSE, 0, &x, 1, 1);
    pln_emit_set_ints(emit, node, "perm", perm, n);
    return pln_emit_end(emit, node);
}

uint32_t pln_emit_expand(struct pln_emit *emit, uint32_t x, uint32_t shape)
{
    return pln_emit_op(emit, PLN_OP_EXPAND, 0, (uint32_t[]){ x, shape }, 2);
}

uint32_t pln_emit_concat(struct pln_emit *emit, const uint32_t *values, uint32_t n, int64_t axis)
{
    uint32_t node = pln_emit_begin(emit, PLN_OP_CONCAT, 0, values, n, 1);
    pln_emit_set_int(emit, node, "axis", axis);
    return pln_emit_end(emit, node);
}

uint32_t pln_emit_gather(struct pln_emit *emit, uint32_t x, uint32_t indices, int64_t axis)
{
    uint32_t node = pln_emit_begin(emit, PLN_OP_GATHER, 0, (uint32_t[]){ x, indices }, 2, 1);
    pln_emit_set_int(emit, node, "axis", axis);
    return pln_emit_end(emit, node);
}

uint32_t pln_emit_slice(struct pln_emit *emit, uint32_t x, uint32_t starts, uint32_t ends, uint32_t axes, uint32_t steps)
{
    return pln_emit_op(emit, PLN_OP_SLICE, 0, (uint32_t[]){ x, starts, ends, axes, steps }, steps == PLN_NONE ? 4 : 5);
}

uint32_t pln_emit_slice_axis(struct pln_emit *emit, uint32_t x, int64_t axis, int64_t start, int64_t end, int64_t step)
{
    uint32_t starts = pln_emit_const_int(emit, start), ends = pln_emit_const_int(emit, end), axes = pln_emit_const_int(emit, axis);
    return pln_emit_slice(emit, x, starts, ends, axes, step == 1 ? PLN_NONE : pln_emit_const_int(emit, step));
}

uint32_t pln_emit_range(struct pln_emit *emit, uint32_t n)
{
    uint32_t zero = pln_emit_const_index(emit, 0), one = pln_emit_const_index(emit, 1);
    return pln_emit_op(emit, PLN_OP_RANGE, 0, (uint32_t[]){ zero, n, one }, 3);
}

/* ---- any rank ---- */

uint32_t pln_emit_dims(struct pln_emit *emit, uint32_t x)
{
    const int rank = pln_emit_rank(emit, x);
    return rank >= 0 ? pln_emit_const_int(emit, rank) : pln_emit_shape(emit, pln_emit_shape(emit, x));
}

uint32_t pln_emit_axes_from(struct pln_emit *emit, uint32_t x, int64_t first)
{
    int64_t axes[PLN_MAX_RANK];
    const int rank = pln_emit_rank(emit, x);
    if (rank < 0 && first >= 0) {
        uint32_t n = pln_emit_ew2(emit, PLN_EW_SUB, pln_emit_dims(emit, x), pln_emit_const_int(emit, first));
        return pln_emit_ew2(emit, PLN_EW_ADD, pln_emit_range(emit, pln_emit_squeeze(emit, n, pln_emit_const_int(emit, 0))), pln_emit_const_index(emit, first));
    }
    uint32_t n = 0;
    if (rank < 0 && first < -PLN_MAX_RANK) pln_emit_fail(emit, PLN_BAD_MODEL, "axis %lld is outside of any tensor", (long long)first);
    if (emit->status != PLN_OK) return PLN_NONE;
    const int64_t end = rank < 0 ? 0 : rank; /* without a rank all count from the end */
    for (int64_t axis = rank < 0 ? first : pln_emit_axis(emit, first, rank); axis < end; axis++) axes[n++] = axis;
    return pln_emit_const_ints(emit, axes, n);
}

uint32_t pln_emit_repeat(struct pln_emit *emit, int64_t value, uint32_t n)
{
    return pln_emit_expand(emit, pln_emit_const_index(emit, value), n);
}

uint32_t pln_emit_append_ones(struct pln_emit *emit, uint32_t x, uint32_t n)
{
    return pln_emit_reshape_as(emit, x, pln_emit_concat(emit, (uint32_t[]){ pln_emit_shape(emit, x), pln_emit_repeat(emit, 1, n) }, 2, 0));
}

/* As four dims, of which the middle ones change places. */
uint32_t pln_emit_swap_parts(struct pln_emit *emit, uint32_t x, int64_t first, int64_t middle, int64_t last)
{
    const int64_t ends[5] = { 0, first, middle, last, INT64_MAX };
    uint32_t dims[4], sizes[4];
    for (int i = 0; i < 4; i++) {
        dims[i] = ends[i] == INT64_MAX ? pln_emit_const_ints(emit, NULL, 0) : pln_emit_shape_part(emit, x, ends[i], ends[i + 1]);
        sizes[i] = pln_emit_reduce(emit, PLN_REDUCE_PROD, dims[i], pln_emit_const_int(emit, 0), true);
    }
    uint32_t four = pln_emit_reshape_as(emit, x, pln_emit_concat(emit, sizes, 4, 0));
    four = pln_emit_transpose(emit, four, (int64_t[]){ 0, 2, 1, 3 }, 4);
    return pln_emit_reshape_as(emit, four, pln_emit_concat(emit, (uint32_t[]){ dims[0], dims[2], dims[1], dims[3] }, 4, 0));
}

/* ---- constants ---- */

static uint32_t constant(struct pln_emit *emit, enum pln_dtype dtype, int rank, int64_t n, const void *data, size_t size_bytes)
{
    if (emit->status != PLN_OK) return PLN_NONE;
    struct pln_tensor tensor;
    void *copy = pln_arena_copy(&emit->graph->arena, data, size_bytes);
    pln_tensor_init(&tensor, dtype, rank, &n, copy);
    uint32_t value = copy ? pln_graph_add_constant(emit->graph, NULL, &tensor) : PLN_NONE;
    if (value == PLN_NONE) emit->status = pln_fail_memory(emit->diag, "a constant", size_bytes);
    return value;
}

uint32_t pln_emit_const_ints(struct pln_emit *emit, const int64_t *ints, uint32_t n)
{
    return constant(emit, PLN_I64, 1, n, n ? ints : &(int64_t){ 0 }, n * sizeof *ints);
}

uint32_t pln_emit_const_int(struct pln_emit *emit, int64_t value)
{
    return constant(emit, PLN_I64, 1, 1, &value, sizeof value);
}

uint32_t pln_emit_const_index(struct pln_emit *emit, int64_t value)
{
    return constant(emit, PLN_I64, 0, 0, &value, sizeof value);
}

uint32_t pln_emit_const_number(struct pln_emit *emit, enum pln_dtype dtype, double value)
{
    if (emit->status != PLN_OK) return PLN_NONE;
    if (dtype == PLN_DTYPE_NONE || dtype == PLN_STR || pln_dtype_is_complex(dtype)) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "no number can be of type %s", pln_dtype_name(dtype));
        return PLN_NONE;
    }
    uint64_t bits[2] = { 0, 0 };
    /* From int64 exactly where the number is one; pln_store_f64 truncates and would lose nothing either, but bounds of u64 pass 2^53. */
    if (pln_dtype_is_float(dtype) || value != floor(value) || fabs(value) > 9.0e15) pln_store_f64(dtype, bits, 0, value, false);
    else pln_store_i64(dtype, bits, 0, (int64_t)value);
    return constant(emit, dtype, 0, 0, bits, ((size_t)pln_dtype_bits(dtype) + 7) / 8);
}

uint32_t pln_emit_const_like(struct pln_emit *emit, uint32_t x, double value)
{
    return pln_emit_const_number(emit, pln_emit_dtype(emit, x), value);
}

uint32_t pln_emit_const_floats(struct pln_emit *emit, const float *floats, uint32_t n)
{
    return constant(emit, PLN_F32, 1, n, n ? floats : &(float){ 0 }, n * sizeof *floats);
}
