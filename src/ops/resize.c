/* resize. */
#include <math.h>

#include "ops/extent.h"
#include "tensor/convert.h"

/* floor(extent * scale) as the run computes it, in f32. An extent that is not known gives an expression only for a scale of few bits,
 * for which the product is exact: 2, 0.5, 1.25. */
static struct pln_dim scaled(struct pln_infer *infer, struct pln_dim extent, float scale, int d)
{
    struct pln_dim_table *table = &infer->graph->dims;
    int64_t value, top, bottom = 1;
    if (pln_dim_value(table, extent, &value)) {
        float size = floorf((float)value * scale);
        return size >= 0 && size < 1e15f ? pln_dim_const(table, (int64_t)size) : pln_infer_out_symbol(infer, 0, d);
    }
    while (bottom < 64 && scale < 64 && scale != floorf(scale)) {
        scale *= 2;
        bottom *= 2;
    }
    if (!(scale >= 1 && scale <= 64) || scale != floorf(scale)) return pln_infer_out_symbol(infer, 0, d);
    top = (int64_t)scale;
    return pln_dim_binary(table, PLN_DIM_FLOORDIV, pln_dim_mul(table, extent, pln_dim_const(table, top)), pln_dim_const(table, bottom));
}

static const struct pln_tensor *constant(const struct pln_infer *infer, int i)
{
    return pln_infer_has(infer, i) ? pln_graph_value(infer->graph, pln_graph_node(infer->graph, infer->node)->inputs[i])->data : NULL;
}

/* Are scales left out, or given as an empty vector? 0 no, 1 yes, -1 not known. */
static int without_scales(const struct pln_infer *infer)
{
    if (!pln_infer_has(infer, 2)) return 1;
    int64_t n = pln_extent_length(infer, 2);
    return n < 0 ? -1 : n == 0;
}

static enum pln_status infer_resize(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    const struct pln_attrs *attrs = &pln_graph_node(infer->graph, infer->node)->attrs;
    const struct pln_tensor *scales = constant(infer, 2);
    const struct pln_dim *sizes;
    const int64_t *axes_attr;
    struct pln_dim dims[PLN_MAX_RANK];
    int64_t n_sizes, n = pln_attrs_ints(attrs, "axes", &axes_attr);
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, -1));
    if (in->rank < 0) return pln_infer_out(infer, 0, in->dtype, -1, NULL);
    if (!axes_attr) n = in->rank;
    if (n > in->rank) return pln_infer_fail(infer, "%lld axes for rank %d", (long long)n, in->rank);
    bool stretch = strcmp(pln_node_string(infer->graph, infer->node, "keep_aspect_ratio_policy"), "stretch") == 0;
    bool sized = without_scales(infer) == 1 && pln_infer_elems(infer, 3, &sizes, &n_sizes) && stretch;
    bool is_scaled = without_scales(infer) == 0 && scales;
    if (is_scaled ? pln_tensor_count(scales) != n : sized && n_sizes != n) return pln_infer_fail(infer, "sizes or scales are not for %lld axes", (long long)n);
    memcpy(dims, in->dims, (size_t)in->rank * sizeof *dims);
    for (int i = 0; i < n; i++) {
        int d = i;
        if (axes_attr) PLN_TRY(pln_infer_axis(infer, axes_attr[i], in->rank, &d));
        if (is_scaled) dims[d] = scaled(infer, in->dims[d], (float)pln_load_f64(scales->dtype, scales->data, i), d);
        else dims[d] = sized ? sizes[i] : pln_infer_out_symbol(infer, 0, d);
    }
    return pln_infer_out(infer, 0, in->dtype, in->rank, dims);
}

static const struct pln_attr_def resize_attrs[] = {
    { "antialias", PLN_ATTR_INT, false, 0, 0, NULL },
    { "axes", PLN_ATTR_INTS, false, 0, 0, NULL },
    { "coordinate_transformation_mode", PLN_ATTR_STRING, false, 0, 0, "half_pixel" },
    { "cubic_coeff_a", PLN_ATTR_FLOAT, false, 0, -0.75f, NULL },
    { "exclude_outside", PLN_ATTR_INT, false, 0, 0, NULL },
    { "extrapolation_value", PLN_ATTR_FLOAT, false, 0, 0, NULL },
    { "keep_aspect_ratio_policy", PLN_ATTR_STRING, false, 0, 0, "stretch" },
    { "mode", PLN_ATTR_STRING, false, 0, 0, "nearest" },
    { "nearest_mode", PLN_ATTR_STRING, false, 0, 0, "round_prefer_floor" },
    { .name = NULL },
};

/* Multiplications and additions of one output element: taps along every axis. */
static double resize_flops(const struct pln_graph *graph, uint32_t node)
{
    const struct pln_type *type = &pln_graph_value(graph, pln_graph_node(graph, node)->outputs[0])->type;
    const char *mode = pln_node_string(graph, node, "mode");
    double count = 1, taps = strcmp(mode, "cubic") == 0 ? 32 : strcmp(mode, "linear") == 0 ? 8 : 1;
    for (int d = 0; d < type->rank; d++) {
        int64_t value;
        count *= pln_dim_value(&graph->dims, type->dims[d], &value) ? (double)value : 128;
    }
    return count * taps;
}

const struct pln_op_def pln_op_resize = {
    .name = "resize",
    .onnx = "Resize",
    .attrs = resize_attrs,
    .min_inputs = 1,
    .max_inputs = 4,
    .min_outputs = 1,
    .max_outputs = 1,
    .storage_inputs = 1,
    .tolerance = PLN_TOL_ACCUMULATE,
    .infer = infer_resize,
    .flops = resize_flops,
};
