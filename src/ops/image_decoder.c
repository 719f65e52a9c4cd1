/* Pictures in a file's bytes. */
#include "ops/extent.h"

static enum pln_status infer_image_decoder(struct pln_infer *infer)
{
    struct pln_dim dims[3];
    const char *format = pln_node_string(infer->graph, infer->node, "pixel_format");
    PLN_TRY(pln_infer_need_tensor(infer, 0, 1, 1));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK(PLN_U8)));
    dims[0] = pln_infer_out_symbol(infer, 0, 0);
    dims[1] = pln_infer_out_symbol(infer, 0, 1);
    dims[2] = pln_extent_const(infer, strcmp(format, "Grayscale") == 0 ? 1 : 3);
    return pln_infer_out(infer, 0, PLN_U8, 3, dims);
}

static const struct pln_attr_def image_decoder_attrs[] = { { "pixel_format", PLN_ATTR_STRING, false, 0, 0, "RGB" }, { .name = NULL } };
const struct pln_op_def pln_op_image_decoder = {
    .name = "image_decoder",
    .onnx = "ImageDecoder",
    .attrs = image_decoder_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_DATA_SHAPE,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_image_decoder,
};
