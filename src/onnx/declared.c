/* What a model declares of its values, held against what they are. As in ONNX Runtime another type is an error; another shape is one where a caller could
 * see it (an input's default), else a warning: exporters are careless there, and inference knows better. */
#include <stdio.h>

#include "onnx/importer.h"

enum { WARNINGS_MOST = 8 };

static void warn(struct pln_importer *importer, const char *format, ...) PLN_PRINTF(2, 3);
static void warn(struct pln_importer *importer, const char *format, ...)
{
    char text[512];
    va_list args;
    uint32_t n = importer->n_warnings++;
    if (!importer->options->warn || n >= WARNINGS_MOST || n < importer->n_warned) return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    importer->options->warn(importer->options->warn_user, text);
}

static const char *kind_name(enum pln_kind kind)
{
    switch (kind) {
    case PLN_TENSOR: return "a tensor";
    case PLN_SEQUENCE: return "a sequence";
    case PLN_OPTIONAL: return "an optional";
    case PLN_MAP: return "a map";
    }
    return "";
}

static bool same_dim(const struct pln_onnx_dim *dim, const struct pln_graph *graph, struct pln_dim extent)
{
    int64_t number;
    return dim->kind != PLN_ONNX_DIM_VALUE || dim->value < 0 || !pln_dim_value(&graph->dims, extent, &number) || number == dim->value;
}

static void check_shape(struct pln_importer *importer, const struct pln_onnx_type *declared, const char *name, const struct pln_type *type)
{
    if (!declared->shape || type->rank < 0) return;
    if (declared->shape->dims.count != (uint32_t)type->rank) {
        warn(importer, "value '%s' is declared with %u dims, but has %d; the model's declaration is not used", name, declared->shape->dims.count, type->rank);
        return;
    }
    for (int d = 0; d < type->rank; d++) {
        int64_t number = 0;
        const struct pln_onnx_dim *dim = &declared->shape->dims.items[d];
        if (same_dim(dim, importer->graph, type->dims[d])) continue;
        (void)pln_dim_value(&importer->graph->dims, type->dims[d], &number);
        warn(importer, "value '%s' is declared with %lld for dim %d, but has %lld; the model's declaration is not used", name, (long long)dim->value, d, (long long)number);
        return;
    }
}

enum pln_status pln_importer_check_declared(struct pln_importer *importer, const struct pln_onnx_type *declared, const char *name, uint32_t value)
{
    const struct pln_type *type = &pln_graph_value(importer->graph, value)->type;
    struct pln_type want;
    if (!pln_importer_type(importer, declared, false, NULL, &want)) return PLN_OK;
    if (pln_graph_value(importer->graph, value)->data) return PLN_OK; /* of constants the data tell, as everywhere */
    if (type->kind == PLN_TENSOR && type->dtype == PLN_DTYPE_NONE) return PLN_OK;
    if (type->kind != want.kind)
        return pln_fail(importer->diag, PLN_BAD_MODEL, "value '%s' is declared as %s, but is %s", name, kind_name(want.kind), kind_name(type->kind));
    if (type->kind != PLN_TENSOR) return PLN_OK;
    if (want.dtype != PLN_DTYPE_NONE && want.dtype != type->dtype)
        return pln_fail(importer->diag, PLN_BAD_MODEL, "value '%s' is declared as %s, but is %s", name, pln_dtype_name(want.dtype), pln_dtype_name(type->dtype));
    check_shape(importer, declared, name, type);
    return PLN_OK;
}

enum pln_status pln_importer_check_default(struct pln_importer *importer, const struct pln_onnx_value_info *input, const struct pln_onnx_tensor *initializer)
{
    struct pln_tensor header;
    char text[256];
    const struct pln_onnx_type *type = input->type;
    PLN_TRY(pln_onnx_tensor_header(initializer, importer->diag, &header));
    if (!type || type->kind != PLN_ONNX_TYPE_TENSOR) return PLN_OK;
    if (type->elem_type != 0 && type->elem_type != (int32_t)header.dtype) {
        const char *want = pln_dtype_valid(type->elem_type) ? pln_dtype_name((enum pln_dtype)type->elem_type) : "of a type that ONNX does not have";
        return pln_fail(importer->diag, PLN_BAD_MODEL, "graph input '%s' is declared as %s, but its initializer is %s", input->name, want, pln_tensor_describe(&header, text, sizeof text));
    }
    bool same = !type->shape || type->shape->dims.count == (uint32_t)header.rank;
    for (int d = 0; same && type->shape && d < header.rank; d++) {
        const struct pln_onnx_dim *dim = &type->shape->dims.items[d];
        same = dim->kind != PLN_ONNX_DIM_VALUE || dim->value < 0 || dim->value == header.dims[d];
    }
    if (same) return PLN_OK;
    char dims[160] = "";
    size_t used = 0;
    for (uint32_t d = 0; d < type->shape->dims.count && used < sizeof dims; d++) {
        const struct pln_onnx_dim *dim = &type->shape->dims.items[d];
        if (dim->kind == PLN_ONNX_DIM_VALUE) used += (size_t)snprintf(dims + used, sizeof dims - used, "%s%lld", d ? "," : "", (long long)dim->value);
        else used += (size_t)snprintf(dims + used, sizeof dims - used, "%s%s", d ? "," : "", dim->kind == PLN_ONNX_DIM_PARAM ? dim->param : "?");
    }
    return pln_fail(importer->diag, PLN_BAD_MODEL, "graph input '%s' is declared with shape [%s], but its initializer is %s", input->name, dims, pln_tensor_describe(&header, text, sizeof text));
}
