#include "onnx/importer.h"

static struct pln_dim open_dim(struct pln_importer *importer, const char *name, int axis)
{
    struct pln_dim_table *dims = &importer->graph->dims;
    if (!name) return pln_dim_symbol(dims, NULL);
    const char *text = pln_arena_format(&importer->arena, "%s_d%d", name, axis);
    if (!text) return PLN_DIM_NONE;
    return pln_importer_symbol(importer, text, true);
}

static bool tensor_type(struct pln_importer *importer, const struct pln_onnx_type *from, bool exact, const char *name, struct pln_type *out)
{
    out->kind = PLN_TENSOR;
    out->dtype = pln_dtype_valid(from->elem_type) ? (enum pln_dtype)from->elem_type : PLN_DTYPE_NONE;
    out->rank = -1;
    if (!from->shape || from->shape->dims.count > PLN_MAX_RANK) return true;
    int rank = (int)from->shape->dims.count;
    struct pln_dim *dims = pln_arena_array(&importer->arena, (size_t)rank, sizeof *dims);
    if (!dims) return false;
    for (int d = 0; d < rank; d++) {
        const struct pln_onnx_dim *dim = &from->shape->dims.items[d];
        if (exact && dim->kind == PLN_ONNX_DIM_VALUE && dim->value >= 0) {
            dims[d] = pln_dim_const(&importer->graph->dims, dim->value);
        } else if (exact && dim->kind == PLN_ONNX_DIM_PARAM && dim->param[0] && strcmp(dim->param, "?") != 0) { /* Paddle writes "?" for any dim it does not know */
            dims[d] = pln_importer_symbol(importer, dim->param, false);
        } else {
            dims[d] = open_dim(importer, exact ? name : NULL, d);
        }
    }
    out->rank = rank;
    out->dims = dims;
    return true;
}

bool pln_importer_type(struct pln_importer *importer, const struct pln_onnx_type *from, bool exact, const char *name, struct pln_type *out_type)
{
    *out_type = (struct pln_type){ .kind = PLN_TENSOR, .rank = -1 };
    if (!from) return false;
    switch (from->kind) {
    case PLN_ONNX_TYPE_TENSOR: return tensor_type(importer, from, exact, name, out_type);
    case PLN_ONNX_TYPE_SEQUENCE: out_type->kind = PLN_SEQUENCE; break;
    case PLN_ONNX_TYPE_OPTIONAL: out_type->kind = PLN_OPTIONAL; break;
    case PLN_ONNX_TYPE_MAP:
        out_type->kind = PLN_MAP;
        out_type->dtype = pln_dtype_valid(from->key_type) ? (enum pln_dtype)from->key_type : PLN_DTYPE_NONE;
        break;
    case PLN_ONNX_TYPE_NONE:
    case PLN_ONNX_TYPE_OPAQUE:
    case PLN_ONNX_TYPE_SPARSE_TENSOR: return false;
    }
    if (!from->inner) return true;
    /* Elements of one sequence differ in their dims, so nothing but numbers that the model gives may be kept, and not even those are sure. */
    struct pln_type *elem = pln_arena_alloc(&importer->arena, sizeof *elem);
    if (!elem) return false;
    if (pln_importer_type(importer, from->inner, false, NULL, elem)) out_type->elem = elem;
    return true;
}

/* Two texts never share a symbol, even when one is a dim_param and the other a name that we make up. */
struct pln_dim pln_importer_symbol(struct pln_importer *importer, const char *param, bool fresh)
{
    uint32_t id;
    if (!fresh && pln_map_get_str(&importer->params, param, &id)) return (struct pln_dim){ id };
    const char *name = param;
    for (unsigned k = 2; name && pln_map_get_str(&importer->symbols, name, &id); k++) {
        name = pln_arena_format(&importer->arena, "%s_%zu", name, importer->symbols.count + k);
    }
    if (!name || !pln_map_set(&importer->symbols, name, strlen(name), 0)) {
        importer->graph->dims.failed = true;
        return PLN_DIM_NONE;
    }
    struct pln_dim dim = pln_dim_symbol(&importer->graph->dims, name);
    if (!fresh && !pln_map_set(&importer->params, param, strlen(param), dim.id)) importer->graph->dims.failed = true;
    return dim;
}
