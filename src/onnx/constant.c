/* Constant, in all forms of its attributes. */
#include "onnx/importer.h"
#include "onnx/opset.h"

static struct pln_tensor vector(struct pln_emit *emit, enum pln_dtype dtype, int rank, int64_t n, const void *data, size_t size_bytes)
{
    struct pln_tensor tensor;
    void *copy = pln_arena_copy(&emit->graph->arena, data, size_bytes);
    if (!copy && emit->status == PLN_OK) emit->status = pln_fail_memory(emit->diag, "a constant", size_bytes);
    pln_tensor_init(&tensor, dtype, rank, &n, copy);
    return tensor;
}

static bool read_value(struct pln_emit *emit, const struct pln_onnx_attribute *attr, struct pln_tensor *out)
{
    switch (attr->type) {
    case PLN_ONNX_ATTR_TENSOR: return pln_importer_tensor(emit->importer, attr->t, out, &emit->status);
    case PLN_ONNX_ATTR_SPARSE_TENSOR:
        emit->status = attr->sparse_tensor ? pln_onnx_sparse_tensor_load(attr->sparse_tensor, emit->importer->externals, &emit->graph->arena,
                                                                         emit->diag, out)
                                           : pln_fail(emit->diag, PLN_BAD_MODEL, "sparse_value is empty");
        return emit->status == PLN_OK;
    case PLN_ONNX_ATTR_FLOAT: *out = vector(emit, PLN_F32, 0, 0, &attr->f, sizeof attr->f); return true;
    case PLN_ONNX_ATTR_INT: *out = vector(emit, PLN_I64, 0, 0, &attr->i, sizeof attr->i); return true;
    case PLN_ONNX_ATTR_STRING: *out = vector(emit, PLN_STR, 0, 0, &attr->s, sizeof attr->s); return true;
    case PLN_ONNX_ATTR_FLOATS:
        *out = vector(emit, PLN_F32, 1, attr->floats.count, attr->floats.items, attr->floats.count * sizeof(float));
        return true;
    case PLN_ONNX_ATTR_INTS:
        *out = vector(emit, PLN_I64, 1, attr->ints.count, attr->ints.items, attr->ints.count * sizeof(int64_t));
        return true;
    case PLN_ONNX_ATTR_STRINGS:
        *out = vector(emit, PLN_STR, 1, attr->strings.count, attr->strings.items, attr->strings.count * sizeof(struct pln_string));
        return true;
    default: return false;
    }
}

void pln_onnx_constant(struct pln_emit *emit)
{
    static const struct {
        const char *name;
        int32_t type;
    } forms[] = {
        { "value", PLN_ONNX_ATTR_TENSOR },         { "sparse_value", PLN_ONNX_ATTR_SPARSE_TENSOR },
        { "value_float", PLN_ONNX_ATTR_FLOAT },    { "value_floats", PLN_ONNX_ATTR_FLOATS },
        { "value_int", PLN_ONNX_ATTR_INT },        { "value_ints", PLN_ONNX_ATTR_INTS },
        { "value_string", PLN_ONNX_ATTR_STRING },  { "value_strings", PLN_ONNX_ATTR_STRINGS },
    };
    for (size_t i = 0; i < PLN_COUNT_OF(forms); i++) {
        const struct pln_onnx_attribute *attr = pln_emit_attr(emit, forms[i].name, forms[i].type);
        struct pln_tensor tensor;
        if (!attr) continue;
        if (!read_value(emit, attr, &tensor) || emit->status != PLN_OK) return;
        uint32_t value = pln_graph_add_constant(emit->graph, NULL, &tensor);
        if (value == PLN_NONE) emit->status = pln_fail_memory(emit->diag, "a constant", 0);
        pln_emit_bind(emit, 0, value);
        return;
    }
    pln_emit_fail(emit, PLN_BAD_MODEL, "a Constant without a value");
}
