/* grid_sample, affine_grid, col2im, roi_align, max_roi_pool: reads of images at computed places. */
#include "ops/extent.h"

static enum pln_status infer_grid_sample(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0), *grid = pln_infer_in(infer, 1);
    struct pln_dim dims[PLN_MAX_RANK];
    PLN_TRY(pln_infer_need_tensor(infer, 0, 3, -1));
    PLN_TRY(pln_infer_need_tensor(infer, 1, 3, -1));
    if (in->rank >= 0 && grid->rank >= 0 && in->rank != grid->rank) return pln_infer_fail(infer, "X has rank %d, grid %d", in->rank, grid->rank);
    int rank = in->rank >= 0 ? in->rank : grid->rank;
    if (rank < 0) return pln_infer_out(infer, 0, in->dtype, -1, NULL);
    if (in->rank >= 0 && grid->rank >= 0 && !pln_extent_unify(infer, in->dims[0], grid->dims[0])) return pln_infer_fail(infer, "the batches of X and grid differ");
    dims[0] = in->rank >= 0 ? in->dims[0] : grid->dims[0];
    dims[1] = in->rank >= 0 ? in->dims[1] : pln_infer_out_symbol(infer, 0, 1);
    for (int d = 2; d < rank; d++) dims[d] = grid->rank >= 0 ? grid->dims[d - 1] : pln_infer_out_symbol(infer, 0, d);
    return pln_infer_out(infer, 0, in->dtype, rank, dims);
}

static const struct pln_attr_def grid_sample_attrs[] = {
    { "align_corners", PLN_ATTR_INT, false, 0, 0, NULL },
    { "mode", PLN_ATTR_STRING, false, 0, 0, "linear" },
    { "padding_mode", PLN_ATTR_STRING, false, 0, 0, "zeros" },
    { .name = NULL },
};
const struct pln_op_def pln_op_grid_sample = {
    .name = "grid_sample",
    .onnx = "GridSample",
    .attrs = grid_sample_attrs,
    .min_inputs = 2,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_ACCUMULATE,
    .infer = infer_grid_sample,
};

static enum pln_status infer_affine_grid(struct pln_infer *infer)
{
    enum pln_dtype dtype = pln_infer_dtype(infer, 0);
    const struct pln_dim *size;
    struct pln_dim dims[5];
    int64_t n;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 3, 3));
    PLN_TRY(pln_infer_need_tensor(infer, 1, 1, 1));
    if (!pln_infer_elems(infer, 1, &size, &n)) {
        n = pln_extent_length(infer, 1);
        return n == 4 || n == 5 ? pln_infer_out_symbols(infer, 0, dtype, (int)n) : pln_infer_out(infer, 0, dtype, -1, NULL);
    }
    if (n != 4 && n != 5) return pln_infer_fail(infer, "size has %lld elements, not 4 or 5", (long long)n);
    dims[0] = size[0];
    for (int64_t d = 2; d < n; d++) dims[d - 1] = size[d];
    dims[n - 1] = pln_extent_const(infer, n - 2);
    return pln_infer_out(infer, 0, dtype, (int)n, dims);
}

static const struct pln_attr_def affine_grid_attrs[] = { { "align_corners", PLN_ATTR_INT, false, 0, 0, NULL }, { .name = NULL } };
const struct pln_op_def pln_op_affine_grid = {
    .name = "affine_grid",
    .onnx = "AffineGrid",
    .attrs = affine_grid_attrs,
    .min_inputs = 2,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_ACCUMULATE,
    .infer = infer_affine_grid,
};

static enum pln_status infer_col2im(struct pln_infer *infer)
{
    const struct pln_type *in = pln_infer_in(infer, 0);
    struct pln_dim_table *table = &infer->graph->dims;
    const struct pln_dim *image, *block;
    struct pln_dim dims[PLN_MAX_RANK];
    int64_t n, n_block;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 3, 3));
    bool known = pln_infer_elems(infer, 1, &image, &n);
    if (!known) n = pln_extent_length(infer, 1);
    if (n < 0) return pln_infer_out(infer, 0, in->dtype, -1, NULL);
    if (n > PLN_MAX_RANK - 2) return pln_infer_fail(infer, "an image of %lld axes", (long long)n);
    bool block_known = pln_infer_elems(infer, 2, &block, &n_block) && in->rank == 3;
    if (block_known && n_block != n) return pln_infer_fail(infer, "image_shape and block_shape differ in length");
    dims[0] = in->rank == 3 ? in->dims[0] : pln_infer_out_symbol(infer, 0, 0);
    dims[1] = block_known ? pln_dim_binary(table, PLN_DIM_FLOORDIV, in->dims[1], pln_extent_product(infer, block, 0, (int)n))
                          : pln_infer_out_symbol(infer, 0, 1);
    for (int d = 0; d < n; d++) dims[2 + d] = known ? image[d] : pln_infer_out_symbol(infer, 0, 2 + d);
    return pln_infer_out(infer, 0, in->dtype, 2 + (int)n, dims);
}

static const struct pln_attr_def col2im_attrs[] = {
    { "dilations", PLN_ATTR_INTS, false, 0, 0, NULL },
    { "pads", PLN_ATTR_INTS, false, 0, 0, NULL },
    { "strides", PLN_ATTR_INTS, false, 0, 0, NULL },
    { .name = NULL },
};
const struct pln_op_def pln_op_col2im = {
    .name = "col2im",
    .onnx = "Col2Im",
    .attrs = col2im_attrs,
    .min_inputs = 3,
    .max_inputs = 3,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_ACCUMULATE,
    .infer = infer_col2im,
};

/* [regions, channels of X, height, width] */
static enum pln_status out_regions(struct pln_infer *infer, int64_t height, int64_t width)
{
    const struct pln_type *in = pln_infer_in(infer, 0), *rois = pln_infer_in(infer, 1);
    PLN_TRY(pln_infer_need_tensor(infer, 0, 4, 4));
    PLN_TRY(pln_infer_need_tensor(infer, 1, 2, 2));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK_FLOAT));
    PLN_TRY(pln_infer_same_dtype(infer, 0, 1));
    if (height < 1 || width < 1) return pln_infer_fail(infer, "an output of %lld x %lld", (long long)height, (long long)width);
    struct pln_dim dims[4] = { rois->rank == 2 ? rois->dims[0] : pln_infer_out_symbol(infer, 0, 0),
                               in->rank == 4 ? in->dims[1] : pln_infer_out_symbol(infer, 0, 1), pln_extent_const(infer, height),
                               pln_extent_const(infer, width) };
    return pln_infer_out(infer, 0, in->dtype, 4, dims);
}

static enum pln_status infer_roi_align(struct pln_infer *infer)
{
    return out_regions(infer, pln_node_int(infer->graph, infer->node, "output_height"), pln_node_int(infer->graph, infer->node, "output_width"));
}

static const struct pln_attr_def roi_align_attrs[] = {
    { "coordinate_transformation_mode", PLN_ATTR_STRING, false, 0, 0, "half_pixel" },
    { "mode", PLN_ATTR_STRING, false, 0, 0, "avg" },
    { "output_height", PLN_ATTR_INT, false, 1, 0, NULL },
    { "output_width", PLN_ATTR_INT, false, 1, 0, NULL },
    { "sampling_ratio", PLN_ATTR_INT, false, 0, 0, NULL },
    { "spatial_scale", PLN_ATTR_FLOAT, false, 0, 1.0f, NULL },
    { .name = NULL },
};
const struct pln_op_def pln_op_roi_align = {
    .name = "roi_align",
    .onnx = "RoiAlign",
    .attrs = roi_align_attrs,
    .min_inputs = 3,
    .max_inputs = 3,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_ACCUMULATE,
    .infer = infer_roi_align,
};

static enum pln_status infer_max_roi_pool(struct pln_infer *infer)
{
    const int64_t *pooled;
    int64_t n = pln_attrs_ints(&pln_graph_node(infer->graph, infer->node)->attrs, "pooled_shape", &pooled);
    if (n != 2) return pln_infer_fail(infer, "pooled_shape has %lld numbers, not 2", (long long)n);
    return out_regions(infer, pooled[0], pooled[1]);
}

static const struct pln_attr_def max_roi_pool_attrs[] = {
    { "pooled_shape", PLN_ATTR_INTS, true, 0, 0, NULL },
    { "spatial_scale", PLN_ATTR_FLOAT, false, 0, 1.0f, NULL },
    { .name = NULL },
};
const struct pln_op_def pln_op_max_roi_pool = {
    .name = "max_roi_pool",
    .onnx = "MaxRoiPool",
    .attrs = max_roi_pool_attrs,
    .min_inputs = 2,
    .max_inputs = 2,
    .min_outputs = 1,
    .max_outputs = 1,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_max_roi_pool,
};
