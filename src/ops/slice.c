/* slice, pad. */
#include "ops/extent.h"

/* One axis of a slice: out[i] = in[start + i * step] for i < count. */
struct cut {
    struct pln_dim start, count;
    int64_t step;
    bool known;
};

/* Negative bounds count from the back. */
static struct pln_dim from_front(struct pln_dim_table *table, struct pln_dim bound, struct pln_dim extent)
{
    int64_t value;
    struct pln_dim wrapped = pln_dim_add(table, bound, extent);
    /* INT64_MIN and its like mean "before the first", whatever the extent is. */
    if (pln_dim_value(table, bound, &value)) return value >= 0 || value < -INT64_MAX / 2 ? bound : wrapped;
    if (pln_dim_lower_bound(table, bound) >= 0) return bound;
    return pln_dim_select(table, pln_dim_binary(table, PLN_DIM_LT, bound, pln_dim_const(table, 0)), wrapped, bound);
}

static void cut_axis(struct pln_infer *infer, struct pln_dim start, struct pln_dim end, struct pln_dim extent, struct cut *cut)
{
    struct pln_dim_table *table = &infer->graph->dims;
    struct pln_dim zero = pln_dim_const(table, 0), one = pln_dim_const(table, 1), span;
    int64_t value;
    bool to_end = pln_dim_value(table, end, &value) && value >= INT32_MAX && cut->step > 0;
    bool from_start = pln_dim_is(table, start, 0) && cut->step > 0;
    start = from_front(table, start, extent);
    end = from_front(table, end, extent);
    if (cut->step > 0) {
        cut->start = pln_extent_clamp(infer, start, zero, extent);
        span = pln_dim_sub(table, to_end ? extent : pln_extent_clamp(infer, end, zero, extent), cut->start);
    } else {
        struct pln_dim last = pln_dim_sub(table, extent, one), before = pln_dim_const(table, -1);
        cut->start = pln_extent_clamp(infer, start, zero, last);
        span = pln_dim_sub(table, cut->start, pln_extent_clamp(infer, end, before, last));
    }
    /* Clamped bounds are in order where one of them is the very end. */
    if (!to_end && !from_start) span = pln_dim_binary(table, PLN_DIM_MAX, span, zero);
    cut->count = pln_dim_binary(table, PLN_DIM_CEILDIV, span, pln_dim_const(table, cut->step > 0 ? cut->step : -cut->step));
    cut->known = true;
}

/* Fills cuts of the axes that are cut, in the order of the parameters, and axes (PLN_MAX_RANK places each). n is -1 when it is not even known
 * which axes are cut. */
static enum pln_status read_cuts(struct pln_infer *infer, const struct pln_type *in, struct cut *cuts, int *axes, int *out_n)
{
    const struct pln_dim *starts, *ends;
    const int64_t *steps;
    int64_t n, n_ends, n_steps;
    int n_axes;
    *out_n = -1;
    PLN_TRY(pln_extent_axes(infer, 3, in->rank, axes, &n_axes));
    bool starts_known = pln_infer_elems(infer, 1, &starts, &n), ends_known = pln_infer_elems(infer, 2, &ends, &n_ends);
    bool steps_known = pln_infer_ints(infer, 4, &steps, &n_steps);
    if (!starts_known) n = ends_known ? n_ends : n_axes >= 0 ? n_axes : pln_extent_length(infer, 1);
    if (n_axes == -2 || n < 0) return PLN_OK;
    if ((ends_known && n_ends != n) || (n_axes >= 0 && n_axes != n) || (steps_known && n_steps != n) || n > in->rank) {
        return pln_infer_fail(infer, "starts, ends, axes and steps differ in length, or there are more than %d", in->rank);
    }
    for (int i = 0; i < n; i++) {
        if (n_axes < 0) axes[i] = i;
        cuts[i] = (struct cut){ .start = PLN_DIM_NONE, .count = PLN_DIM_NONE, .step = steps_known ? steps[i] : 1 };
        if (cuts[i].step == 0) return pln_infer_fail(infer, "step %d is 0", i);
        if (cuts[i].step == INT64_MIN) cuts[i].step = -INT64_MAX;
        if (!starts_known || !ends_known || (pln_infer_has(infer, 4) && !steps_known)) continue;
        cut_axis(infer, starts[i], ends[i], in->dims[axes[i]], &cuts[i]);
    }
    *out_n = (int)n;
    return PLN_OK;
}

static enum pln_status slice_elems(struct pln_infer *infer, int rank, const struct cut *cuts, const int *axes, int n)
{
    int64_t dims[PLN_MAX_RANK], strides[PLN_MAX_RANK], offset = 0, start;
    if (!pln_extent_numbers(infer, 0, dims, strides)) return PLN_OK;
    for (int i = 0; i < n; i++) {
        struct pln_dim_table *table = &infer->graph->dims;
        int d = axes[i];
        if (!cuts[i].known || !pln_dim_value(table, cuts[i].start, &start) || !pln_dim_value(table, cuts[i].count, &dims[d])) return PLN_OK;
        offset += start * strides[d];
        strides[d] = dims[d] > 1 ? strides[d] * cuts[i].step : 0;
    }
    return pln_extent_view_elems(infer, 0, 0, rank, dims, offset, strides);
}

static enum pln_status infer_slice(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    struct pln_dim dims[PLN_MAX_RANK];
    struct cut cuts[PLN_MAX_RANK];
    int axes[PLN_MAX_RANK], n;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, -1));
    if (in->rank < 0) return pln_infer_out(infer, 0, in->dtype, -1, NULL);
    PLN_TRY(read_cuts(infer, in, cuts, axes, &n));
    if (n < 0) return pln_infer_out_symbols(infer, 0, in->dtype, in->rank);
    memcpy(dims, in->dims, (size_t)in->rank * sizeof *dims);
    for (int i = 0; i < n; i++) dims[axes[i]] = cuts[i].known ? cuts[i].count : pln_infer_out_symbol(infer, 0, axes[i]);
    PLN_TRY(pln_infer_out(infer, 0, in->dtype, in->rank, dims));
    return slice_elems(infer, in->rank, cuts, axes, n);
}

static bool view_slice(struct pln_graph *graph, uint32_t node, const struct pln_dim *in_strides, struct pln_dim *out_offset,
                       struct pln_dim *out_strides)
{
    struct pln_infer infer = { .graph = graph, .node = node };
    const struct pln_type *in = pln_infer_in(&infer, 0);
    struct pln_dim_table *table = &graph->dims;
    struct cut cuts[PLN_MAX_RANK];
    int axes[PLN_MAX_RANK], n;
    *out_offset = pln_dim_const(table, 0);
    if (!in || in->rank < 0 || read_cuts(&infer, in, cuts, axes, &n) != PLN_OK || n < 0) return false;
    for (int d = 0; d < in->rank; d++) out_strides[d] = in_strides[d];
    for (int i = 0; i < n; i++) {
        if (!cuts[i].known) return false;
        *out_offset = pln_dim_add(table, *out_offset, pln_dim_mul(table, cuts[i].start, in_strides[axes[i]]));
        out_strides[axes[i]] = pln_dim_mul(table, in_strides[axes[i]], pln_dim_const(table, cuts[i].step));
    }
    return true;
}

const struct pln_op_def pln_op_slice = {
    .name = "slice",
    .onnx = "Slice",
    .min_inputs = 3,
    .max_inputs = 5,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_PERMUTE,
    .storage_inputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_slice,
    .view = view_slice,
};

static enum pln_status infer_pad(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    struct pln_dim_table *table = &infer->graph->dims;
    const struct pln_dim *pads;
    struct pln_dim dims[PLN_MAX_RANK];
    int axes[PLN_MAX_RANK], n_axes;
    int64_t n, value;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, -1));
    PLN_TRY(pln_infer_same_dtype(infer, 0, 2));
    if (in->rank < 0) return pln_infer_out(infer, 0, in->dtype, -1, NULL);
    PLN_TRY(pln_extent_axes(infer, 3, in->rank, axes, &n_axes));
    if (n_axes == -2 || !pln_infer_elems(infer, 1, &pads, &n)) return pln_infer_out_symbols(infer, 0, in->dtype, in->rank);
    bool all = n_axes == -1;
    if (all) n_axes = in->rank;
    if (n != 2 * n_axes) return pln_infer_fail(infer, "%lld pads for %d axes", (long long)n, n_axes);
    memcpy(dims, in->dims, (size_t)in->rank * sizeof *dims);
    for (int i = 0; i < n_axes; i++) {
        int d = all ? i : axes[i];
        dims[d] = pln_dim_add(table, dims[d], pln_dim_add(table, pads[i], pads[n_axes + i]));
        if (pln_dim_value(table, dims[d], &value) && value < 0) return pln_infer_fail(infer, "the pads of axis %d take away more than there is", d);
    }
    return pln_infer_out(infer, 0, in->dtype, in->rank, dims);
}

static const struct pln_attr_def pad_attrs[] = { { "mode", PLN_ATTR_STRING, false, 0, 0, "constant" }, { .name = NULL } };
const struct pln_op_def pln_op_pad = {
    .name = "pad",
    .onnx = "Pad",
    .attrs = pad_attrs,
    .min_inputs = 2,
    .max_inputs = 4,
    .min_outputs = 1,
    .max_outputs = 1,
    .storage_inputs = 5,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_pad,
};
