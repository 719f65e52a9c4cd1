/* Operators that move or select elements: parameters that were attributes become inputs. */
#include <string.h>

#include "onnx/opset.h"

/* The op with an integer list attribute as its input 1 (or left out). */
static void list_to_input(struct pln_emit *emit, const char *attr, const char *const *skip)
{
    const int64_t *ints;
    uint32_t n = pln_emit_int_list(emit, attr, &ints), inputs[2] = { pln_emit_need(emit, 0), PLN_NONE };
    if (pln_emit_has_attr(emit, attr)) inputs[1] = pln_emit_const_ints(emit, ints, n);
    if (emit->status == PLN_OK) pln_onnx_direct_as(emit, emit->node->op_type, inputs, 2, skip);
}

/* Squeeze, Unsqueeze and Reduce… with axes as an attribute. */
void pln_onnx_axes_attr(struct pln_emit *emit)
{
    static const char *const skip[] = { "axes", NULL };
    list_to_input(emit, "axes", skip);
}

void pln_onnx_reshape_1(struct pln_emit *emit)
{
    static const char *const skip[] = { "shape", NULL };
    if (!pln_emit_has_attr(emit, "shape")) pln_emit_fail(emit, PLN_BAD_MODEL, "attribute 'shape' is missing");
    list_to_input(emit, "shape", skip);
}

void pln_onnx_slice_1(struct pln_emit *emit)
{
    const int64_t *starts, *ends, *axes;
    uint32_t n = pln_emit_int_list(emit, "starts", &starts), n_ends = pln_emit_int_list(emit, "ends", &ends);
    uint32_t n_axes = pln_emit_int_list(emit, "axes", &axes);
    if (n != n_ends || (n_axes && n_axes != n)) pln_emit_fail(emit, PLN_BAD_MODEL, "starts, ends and axes are not of one length");
    uint32_t axes_value = n_axes ? pln_emit_const_ints(emit, axes, n) : PLN_NONE;
    uint32_t inputs[4] = { pln_emit_need(emit, 0), pln_emit_const_ints(emit, starts, n), pln_emit_const_ints(emit, ends, n), axes_value };
    pln_emit_bind(emit, 0, pln_emit_op(emit, PLN_OP_SLICE, 0, inputs, n_axes ? 4 : 3));
}

/* All outputs count here, named or not. */
static void split(struct pln_emit *emit, uint32_t sizes)
{
    uint32_t inputs[2] = { pln_emit_need(emit, 0), sizes };
    uint32_t node = pln_emit_begin(emit, PLN_OP_SPLIT, 0, inputs, sizes == PLN_NONE ? 1 : 2, emit->n_outputs);
    pln_emit_set_int(emit, node, "axis", pln_emit_int(emit, "axis", 0));
    if (sizes == PLN_NONE) pln_emit_set_int(emit, node, "num_outputs", emit->n_outputs);
    pln_emit_end(emit, node);
    for (uint32_t i = 0; i < emit->n_outputs; i++) pln_emit_bind(emit, i, pln_emit_output(emit, node, i));
}

void pln_onnx_split_1(struct pln_emit *emit)
{
    const int64_t *ints;
    uint32_t n = pln_emit_int_list(emit, "split", &ints);
    uint32_t sizes = pln_emit_in(emit, 1); /* opset 1 gives it the data's type */
    split(emit, n ? pln_emit_const_ints(emit, ints, n) : sizes == PLN_NONE ? sizes : pln_emit_cast(emit, sizes, PLN_I64));
}

void pln_onnx_split(struct pln_emit *emit)
{
    int64_t n = pln_emit_int(emit, "num_outputs", emit->n_outputs);
    if (n != emit->n_outputs) pln_emit_fail(emit, PLN_BAD_MODEL, "num_outputs is %lld, but there are %u outputs", (long long)n, emit->n_outputs);
    split(emit, pln_emit_in(emit, 1));
}

/* Pad with `pads` (opset 1: `paddings`) and `value` as attributes. */
static void pad(struct pln_emit *emit, const char *name)
{
    const int64_t *ints;
    uint32_t n = pln_emit_int_list(emit, name, &ints), x = pln_emit_need(emit, 0), value = PLN_NONE;
    float fill = pln_emit_float(emit, "value", 0);
    if (fill != 0) value = pln_emit_const_like(emit, x, fill);
    uint32_t inputs[3] = { x, pln_emit_const_ints(emit, ints, n), value };
    uint32_t node = pln_emit_begin(emit, PLN_OP_PAD, 0, inputs, value == PLN_NONE ? 2 : 3, 1);
    pln_emit_copy_attr(emit, node, "mode", "mode");
    pln_emit_bind(emit, 0, pln_emit_end(emit, node));
}

void pln_onnx_pad_1(struct pln_emit *emit)
{
    pad(emit, "paddings");
}

void pln_onnx_pad_2(struct pln_emit *emit)
{
    pad(emit, "pads");
}

/* Tile-1 repeats along one axis that is an input. */
void pln_onnx_tile_1(struct pln_emit *emit)
{
    uint32_t x = pln_emit_need(emit, 0);
    uint32_t tiles = pln_emit_cast(emit, pln_emit_need(emit, 1), PLN_I64), axis = pln_emit_cast(emit, pln_emit_need(emit, 2), PLN_I64);
    uint32_t here = pln_emit_ew2(emit, PLN_EW_EQUAL, pln_emit_axes_from(emit, x, 0), axis);
    uint32_t repeats = pln_emit_ew3(emit, PLN_EW_WHERE, here, tiles, pln_emit_const_index(emit, 1));
    pln_emit_bind(emit, 0, pln_emit_op(emit, PLN_OP_TILE, 0, (uint32_t[]){ x, repeats }, 2));
}

void pln_onnx_topk_1(struct pln_emit *emit)
{
    static const char *const skip[] = { "k", NULL };
    uint32_t inputs[2] = { pln_emit_need(emit, 0), pln_emit_const_int(emit, pln_emit_int(emit, "k", 0)) };
    if (emit->status == PLN_OK) pln_onnx_direct_as(emit, "TopK", inputs, 2, skip);
}

void pln_onnx_concat_1(struct pln_emit *emit)
{
    pln_emit_bind(emit, 0, pln_emit_concat(emit, emit->inputs, emit->n_inputs, pln_emit_int(emit, "axis", 1)));
}

void pln_onnx_scatter(struct pln_emit *emit)
{
    pln_onnx_direct_as(emit, "ScatterElements", emit->inputs, emit->n_inputs, NULL);
}

/* ---- resizing ---- */

static uint32_t resize(struct pln_emit *emit, uint32_t x, uint32_t scales, const char *mode, const char *nearest_mode)
{
    uint32_t node = pln_emit_begin(emit, PLN_OP_RESIZE, 0, (uint32_t[]){ x, PLN_NONE, scales }, 3, 1);
    pln_emit_set_string(emit, node, "mode", mode);
    pln_emit_set_string(emit, node, "coordinate_transformation_mode", "asymmetric");
    pln_emit_set_string(emit, node, "nearest_mode", nearest_mode);
    return pln_emit_end(emit, node);
}

/* "bilinear" was a name of "linear" in the first version. */
static const char *resize_mode(struct pln_emit *emit)
{
    const char *mode = pln_emit_string(emit, "mode", "nearest");
    return strcmp(mode, "bilinear") == 0 ? "linear" : mode;
}

/* Upsample repeats elements: output i comes from floor(i / scale). */
void pln_onnx_upsample_1(struct pln_emit *emit)
{
    float scales[4] = { 1, 1, pln_emit_float(emit, "height_scale", 1), pln_emit_float(emit, "width_scale", 1) };
    uint32_t value = pln_emit_const_floats(emit, scales, 4);
    pln_emit_bind(emit, 0, resize(emit, pln_emit_need(emit, 0), value, resize_mode(emit), "floor"));
}

void pln_onnx_upsample_7(struct pln_emit *emit)
{
    const float *scales;
    uint32_t n = pln_emit_float_list(emit, "scales", &scales);
    uint32_t value = pln_emit_const_floats(emit, scales, n);
    pln_emit_bind(emit, 0, resize(emit, pln_emit_need(emit, 0), value, resize_mode(emit), "floor"));
}

void pln_onnx_upsample_9(struct pln_emit *emit)
{
    pln_emit_bind(emit, 0, resize(emit, pln_emit_need(emit, 0), pln_emit_need(emit, 1), resize_mode(emit), "floor"));
}

static bool constant_scales(const struct pln_emit *emit, uint32_t value, bool *out_up, bool *out_down)
{
    *out_up = *out_down = true;
    const struct pln_tensor *data = pln_graph_value(emit->graph, value)->data;
    if (!data || data->dtype != PLN_F32) return false;
    *out_up = *out_down = false;
    for (int64_t i = 0; i < pln_tensor_count(data); i++) {
        float scale;
        memcpy(&scale, (const char *)data->data + (size_t)i * sizeof scale, sizeof scale);
        *out_up = *out_up || scale > 1;
        *out_down = *out_down || scale < 1;
    }
    return true;
}

/* Resize-10 says nothing of rounding. ONNX Runtime takes the floor where an axis grows and the ceiling where it shrinks, and the
 * expected results of ONNX's own cases agree; axes are independent, so growing comes first and shrinking second. */
void pln_onnx_resize_10(struct pln_emit *emit)
{
    uint32_t x = pln_emit_need(emit, 0), scales = pln_emit_need(emit, 1);
    const char *mode = resize_mode(emit);
    bool up, down;
    if (emit->status != PLN_OK) return;
    constant_scales(emit, scales, &up, &down);
    if (strcmp(mode, "nearest") != 0 || !down) {
        pln_emit_bind(emit, 0, resize(emit, x, scales, mode, "floor"));
        return;
    }
    uint32_t one = pln_emit_const_number(emit, PLN_F32, 1);
    if (up) x = resize(emit, x, pln_emit_ew2(emit, PLN_EW_MAX, scales, one), mode, "floor");
    if (up) scales = pln_emit_ew2(emit, PLN_EW_MIN, scales, one);
    pln_emit_bind(emit, 0, resize(emit, x, scales, mode, "ceil"));
}

static bool is_empty(const struct pln_emit *emit, uint32_t value)
{
    int64_t n;
    return value != PLN_NONE && pln_emit_rank(emit, value) == 1 && pln_emit_extent(emit, value, 0, &n) && n == 0;
}

/* From opset 11 on exporters leave out roi, scales or sizes by giving an empty tensor, too. */
void pln_onnx_resize(struct pln_emit *emit)
{
    uint32_t inputs[4];
    for (uint32_t i = 0; i < 4; i++) {
        inputs[i] = pln_emit_in(emit, i);
        if (i > 0 && is_empty(emit, inputs[i])) inputs[i] = PLN_NONE;
    }
    pln_onnx_direct_as(emit, "Resize", inputs, 4, NULL);
}

/* "bilinear" and "bicubic" became "linear" and "cubic" in opset 20. */
void pln_onnx_grid_sample_16(struct pln_emit *emit)
{
    unsigned op, kind;
    const char *mode = pln_emit_string(emit, "mode", "bilinear");
    if (!pln_emit_find(emit, "GridSample", &op, &kind)) return;
    uint32_t node = pln_emit_begin(emit, op, kind, emit->inputs, emit->n_inputs, 1);
    pln_emit_set_string(emit, node, "mode", strcmp(mode, "bilinear") == 0 ? "linear" : strcmp(mode, "bicubic") == 0 ? "cubic" : mode);
    pln_emit_copy_attr(emit, node, "align_corners", "align_corners");
    pln_emit_copy_attr(emit, node, "padding_mode", "padding_mode");
    pln_emit_bind(emit, 0, pln_emit_end(emit, node));
}

/* RoiAlign before opset 16 sampled as output_half_pixel does. */
void pln_onnx_roi_align_10(struct pln_emit *emit)
{
    unsigned op, kind;
    if (!pln_emit_find(emit, "RoiAlign", &op, &kind)) return;
    uint32_t node = pln_emit_begin(emit, op, kind, emit->inputs, emit->n_inputs, 1);
    static const char *const names[] = { "mode", "output_height", "output_width", "sampling_ratio", "spatial_scale" };
    for (size_t i = 0; i < PLN_COUNT_OF(names); i++) pln_emit_copy_attr(emit, node, names[i], names[i]);
    pln_emit_set_string(emit, node, "coordinate_transformation_mode", "output_half_pixel");
    pln_emit_bind(emit, 0, pln_emit_end(emit, node));
}
