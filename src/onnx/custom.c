/* Nodes of other domains that somebody has registered an operator for (planish/plugin.h). */
#include "onnx/custom.h"
#include "onnx/opset.h"

static bool is_taken(int32_t type)
{
    switch (type) {
    case PLN_ONNX_ATTR_FLOAT:
    case PLN_ONNX_ATTR_INT:
    case PLN_ONNX_ATTR_STRING:
    case PLN_ONNX_ATTR_TENSOR:
    case PLN_ONNX_ATTR_FLOATS:
    case PLN_ONNX_ATTR_INTS:
    case PLN_ONNX_ATTR_STRINGS: return true;
    default: return false; /* any number may stand in a file */
    }
}

static void copy_attr(struct pln_emit *emit, uint32_t node, const char *name)
{
    const struct pln_onnx_attribute *attribute = pln_emit_attr(emit, name, 0);
    if (!attribute) return; /* of a function that was called without it */
    if (!is_taken(attribute->type)) {
        pln_emit_fail(emit, PLN_UNSUPPORTED, "attribute '%s' is of type %s; custom operators take ints, floats, strings, lists of these and tensors", name,
                      pln_onnx_attribute_type_name(attribute->type));
        return;
    }
    if (strlen(name) > PLN_CUSTOM_NAME_BYTES) {
        pln_emit_fail(emit, PLN_UNSUPPORTED, "the name of attribute '%.40s…' is longer than %d bytes", name, PLN_CUSTOM_NAME_BYTES);
        return;
    }
    const char *own = pln_arena_format(emit->arena, ".%s", name);
    if (own) pln_emit_copy_attr(emit, node, name, own);
    else emit->status = pln_fail_memory(emit->diag, "an attribute", strlen(name));
}

static void emit_custom(struct pln_emit *emit, int64_t version, const struct pln_custom_traits *traits)
{
    const struct pln_onnx_node *from = emit->node;
    uint32_t n_inputs = emit->n_inputs, n_outputs = emit->n_outputs, least = (uint32_t)PLN_MAX(traits->min_outputs, 1);
    while (n_inputs && emit->inputs[n_inputs - 1] == PLN_NONE) n_inputs--;
    while (n_outputs && !pln_emit_wants(emit, n_outputs - 1)) n_outputs--;
    n_outputs = PLN_MAX(n_outputs, least);
    uint32_t node = pln_emit_begin(emit, traits->is_pure ? PLN_OP_CUSTOM_PURE : PLN_OP_CUSTOM, 0, emit->inputs, n_inputs, n_outputs);
    pln_emit_set_string(emit, node, "domain", from->domain);
    pln_emit_set_string(emit, node, "operator", from->op_type);
    pln_emit_set_int(emit, node, "version", version);
    for (uint32_t i = 0; i < from->attributes.count && emit->status == PLN_OK; i++) copy_attr(emit, node, from->attributes.items[i].name);
    pln_emit_end(emit, node);
    for (uint32_t i = 0; i < PLN_MIN(n_outputs, emit->n_outputs); i++) pln_emit_bind(emit, i, pln_emit_output(emit, node, i));
}

/* A domain that the model does not import is taken as its first version. */
static int64_t version_of(const struct pln_emit *emit)
{
    return emit->opset < 1 ? 1 : PLN_MIN(emit->opset, INT32_MAX);
}

enum pln_status pln_onnx_custom(struct pln_emit *emit)
{
    const struct pln_onnx_node *node = emit->node;
    struct pln_custom_traits traits;
    if (node->overload[0] || !pln_custom_find(emit->graph->plugins, node->domain, node->op_type, version_of(emit), &traits)) return PLN_NOT_FOUND;
    emit_custom(emit, version_of(emit), &traits);
    return emit->status;
}

enum pln_status pln_onnx_custom_missing(struct pln_emit *emit)
{
    char text[600];
    const struct pln_onnx_node *node = emit->node;
    pln_custom_describe(emit->graph->plugins, node->domain, node->op_type, version_of(emit), text, sizeof text);
    return pln_fail(emit->diag, PLN_UNSUPPORTED,
                    "operator %s is not one of ONNX's own, and nobody has registered it; give its plugin (--plugin FILE.so, or pln_plugins_add and pln_build_options.plugins), "
                    "export the model with standard operators, or give it a function of that name",
                    text);
}
