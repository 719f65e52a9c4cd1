#include "onnx/emit.h"
#include "onnx/importer.h"

enum pln_status pln_emit_fail(struct pln_emit *emit, enum pln_status status, const char *format, ...)
{
    if (emit->status != PLN_OK) return emit->status;
    va_list args;
    va_start(args, format);
    emit->status = pln_failv(emit->diag, status, format, args);
    va_end(args);
    return emit->status;
}

static enum pln_status no_memory(struct pln_emit *emit)
{
    if (emit->status == PLN_OK) emit->status = pln_fail_memory(emit->diag, "importing a node", 0);
    return emit->status;
}

/* ---- the node ---- */

uint32_t pln_emit_in(const struct pln_emit *emit, uint32_t i)
{
    return i < emit->n_inputs ? emit->inputs[i] : PLN_NONE;
}

uint32_t pln_emit_need(struct pln_emit *emit, uint32_t i)
{
    uint32_t value = pln_emit_in(emit, i);
    if (value == PLN_NONE) pln_emit_fail(emit, PLN_BAD_MODEL, "input %u is missing", i);
    return value;
}

bool pln_emit_wants(const struct pln_emit *emit, uint32_t i)
{
    return i < emit->n_outputs && emit->node->outputs.items[i][0];
}

/* Was the value made for this node and not bound yet, so that it may take the output's name? */
static bool is_own(const struct pln_emit *emit, uint32_t value)
{
    if (value < emit->first_value) return false;
    for (uint32_t i = 0; i < emit->n_outputs; i++) {
        if (emit->outputs[i] == value) return false;
    }
    return true;
}

void pln_emit_bind(struct pln_emit *emit, uint32_t i, uint32_t value)
{
    if (emit->status != PLN_OK || !pln_emit_wants(emit, i)) return;
    if (value == PLN_NONE) {
        pln_emit_fail(emit, PLN_INTERNAL, "output %u was given no value", i);
        return;
    }
    if (!is_own(emit, value)) value = pln_emit_identity(emit, value);
    if (emit->status != PLN_OK) return;
    const char *name = pln_importer_name(emit->importer, emit->scope->frame, emit->node->outputs.items[i]);
    if (!name || !pln_graph_rename(emit->graph, value, name)) no_memory(emit);
    emit->outputs[i] = value;
}

const struct pln_onnx_attribute *pln_emit_attr(struct pln_emit *emit, const char *name, int32_t type)
{
    const struct pln_onnx_attribute *attr = pln_importer_resolve(pln_onnx_find_attribute(emit->node, name), emit->scope, NULL);
    if (!attr || type == 0 || attr->type == type) return attr;
    pln_emit_fail(emit, PLN_BAD_MODEL, "attribute '%s' is of type %s, it should be %s", name, pln_onnx_attribute_type_name(attr->type),
                  pln_onnx_attribute_type_name(type));
    return NULL;
}

bool pln_emit_has_attr(struct pln_emit *emit, const char *name)
{
    return pln_emit_attr(emit, name, 0) != NULL;
}

int64_t pln_emit_int(struct pln_emit *emit, const char *name, int64_t fallback)
{
    const struct pln_onnx_attribute *attr = pln_emit_attr(emit, name, PLN_ONNX_ATTR_INT);
    return attr ? attr->i : fallback;
}

float pln_emit_float(struct pln_emit *emit, const char *name, float fallback)
{
    const struct pln_onnx_attribute *attr = pln_emit_attr(emit, name, PLN_ONNX_ATTR_FLOAT);
    return attr ? attr->f : fallback;
}

const char *pln_emit_string(struct pln_emit *emit, const char *name, const char *fallback)
{
    const struct pln_onnx_attribute *attr = pln_emit_attr(emit, name, PLN_ONNX_ATTR_STRING);
    if (!attr) return fallback;
    const char *text = pln_arena_text(emit->arena, attr->s.data, attr->s.size_bytes);
    if (!text) no_memory(emit);
    return text ? text : fallback;
}

uint32_t pln_emit_int_list(struct pln_emit *emit, const char *name, const int64_t **out_ints)
{
    const struct pln_onnx_attribute *attr = pln_emit_attr(emit, name, PLN_ONNX_ATTR_INTS);
    *out_ints = attr ? attr->ints.items : NULL;
    return attr ? attr->ints.count : 0;
}

uint32_t pln_emit_float_list(struct pln_emit *emit, const char *name, const float **out_floats)
{
    const struct pln_onnx_attribute *attr = pln_emit_attr(emit, name, PLN_ONNX_ATTR_FLOATS);
    *out_floats = attr ? attr->floats.items : NULL;
    return attr ? attr->floats.count : 0;
}

/* ---- types ---- */

enum pln_dtype pln_emit_try_dtype(const struct pln_emit *emit, uint32_t value)
{
    if (value == PLN_NONE) return PLN_DTYPE_NONE;
    const struct pln_type *type = &pln_graph_value(emit->graph, value)->type;
    return type->kind == PLN_TENSOR ? type->dtype : PLN_DTYPE_NONE;
}

enum pln_dtype pln_emit_dtype(struct pln_emit *emit, uint32_t value)
{
    enum pln_dtype dtype = pln_emit_try_dtype(emit, value);
    if (dtype == PLN_DTYPE_NONE && emit->status == PLN_OK) {
        pln_emit_fail(emit, PLN_UNSUPPORTED, "the element type of an input is not known; add value_info to the model (onnx.shape_inference)");
    }
    return dtype;
}

int pln_emit_rank(const struct pln_emit *emit, uint32_t value)
{
    if (value == PLN_NONE) return -1;
    const struct pln_type *type = &pln_graph_value(emit->graph, value)->type;
    return type->kind == PLN_TENSOR ? type->rank : -1;
}

int pln_emit_need_rank(struct pln_emit *emit, uint32_t value)
{
    int rank = pln_emit_rank(emit, value);
    if (rank >= 0) return rank;
    if (emit->status == PLN_OK) {
        pln_emit_fail(emit, PLN_UNSUPPORTED, "the rank of an input is not known; add value_info to the model (onnx.shape_inference)");
    }
    return 0;
}

bool pln_emit_extent(const struct pln_emit *emit, uint32_t value, int d, int64_t *out)
{
    *out = 0;
    int rank = pln_emit_rank(emit, value);
    if (rank < 0 || d < -rank || d >= rank) return false;
    if (d < 0) d += rank;
    return pln_dim_value(&emit->graph->dims, pln_graph_value(emit->graph, value)->type.dims[d], out);
}

int64_t pln_emit_any_axis(struct pln_emit *emit, int64_t axis)
{
    if (axis >= -PLN_MAX_RANK && axis < PLN_MAX_RANK) return axis;
    pln_emit_fail(emit, PLN_BAD_MODEL, "axis %lld is outside of any tensor: they have at most %d dims", (long long)axis, PLN_MAX_RANK);
    return 0;
}

int pln_emit_axis(struct pln_emit *emit, int64_t axis, int rank)
{
    int out;
    if (pln_axis_normalize(axis, rank, &out)) return out;
    pln_emit_fail(emit, PLN_BAD_MODEL, "axis %lld is outside a tensor of rank %d", (long long)axis, rank);
    return 0;
}

/* ---- nodes ---- */

uint32_t pln_emit_begin(struct pln_emit *emit, unsigned op, unsigned kind, const uint32_t *inputs, uint32_t n_inputs, uint32_t n_outputs)
{
    if (emit->status != PLN_OK) return PLN_NONE;
    uint32_t node = pln_graph_add_node(emit->graph, emit->block, op, kind, inputs, n_inputs, n_outputs);
    if (node == PLN_NONE || !pln_graph_node_add_origin(emit->graph, node, emit->origin)) {
        no_memory(emit);
        return PLN_NONE;
    }
    return node;
}

uint32_t pln_emit_begin_named(struct pln_emit *emit, const char *onnx, const uint32_t *inputs, uint32_t n_inputs, uint32_t n_outputs)
{
    unsigned op, kind;
    return pln_emit_find(emit, onnx, &op, &kind) ? pln_emit_begin(emit, op, kind, inputs, n_inputs, n_outputs) : PLN_NONE;
}

static void check_set(struct pln_emit *emit, bool done)
{
    if (!done) no_memory(emit);
}

void pln_emit_set_int(struct pln_emit *emit, uint32_t node, const char *name, int64_t value)
{
    if (emit->status != PLN_OK) return;
    check_set(emit, pln_attrs_set_int(&pln_graph_node(emit->graph, node)->attrs, &emit->graph->arena, name, value));
}

void pln_emit_set_float(struct pln_emit *emit, uint32_t node, const char *name, float value)
{
    if (emit->status != PLN_OK) return;
    check_set(emit, pln_attrs_set_float(&pln_graph_node(emit->graph, node)->attrs, &emit->graph->arena, name, value));
}

void pln_emit_set_string(struct pln_emit *emit, uint32_t node, const char *name, const char *value)
{
    if (emit->status != PLN_OK) return;
    check_set(emit, pln_attrs_set_string(&pln_graph_node(emit->graph, node)->attrs, &emit->graph->arena, name, value, strlen(value)));
}

void pln_emit_set_ints(struct pln_emit *emit, uint32_t node, const char *name, const int64_t *ints, uint32_t n)
{
    if (emit->status != PLN_OK) return;
    check_set(emit, pln_attrs_set_ints(&pln_graph_node(emit->graph, node)->attrs, &emit->graph->arena, name, ints, n));
}

void pln_emit_copy_attr(struct pln_emit *emit, uint32_t node, const char *name, const char *as)
{
    const struct pln_onnx_attribute *from = pln_emit_attr(emit, name, 0);
    if (!from || emit->status != PLN_OK) return;
    struct pln_attr attr = { .name = as };
    struct pln_tensor tensor;
    switch (from->type) {
    case PLN_ONNX_ATTR_INT: attr.kind = PLN_ATTR_INT, attr.u.i = from->i; break;
    case PLN_ONNX_ATTR_FLOAT: attr.kind = PLN_ATTR_FLOAT, attr.u.f = from->f; break;
    case PLN_ONNX_ATTR_STRING: attr.kind = PLN_ATTR_STRING, attr.u.s = from->s; break;
    case PLN_ONNX_ATTR_INTS: attr.kind = PLN_ATTR_INTS, attr.n = from->ints.count, attr.u.ints = from->ints.items; break;
    case PLN_ONNX_ATTR_FLOATS: attr.kind = PLN_ATTR_FLOATS, attr.n = from->floats.count, attr.u.floats = from->floats.items; break;
    case PLN_ONNX_ATTR_STRINGS: attr.kind = PLN_ATTR_STRINGS, attr.n = from->strings.count, attr.u.strings = from->strings.items; break;
    case PLN_ONNX_ATTR_TENSOR:
        if (!pln_importer_tensor(emit->importer, from->t, &tensor, &emit->status)) return;
        attr.kind = PLN_ATTR_TENSOR, attr.u.tensor = &tensor;
        break;
    default:
        pln_emit_fail(emit, PLN_BAD_MODEL, "attribute '%s' is of type %s, which does not fit here", name, pln_onnx_attribute_type_name(from->type));
        return;
    }
    check_set(emit, pln_attrs_set(&pln_graph_node(emit->graph, node)->attrs, &emit->graph->arena, &attr));
}

uint32_t pln_emit_end(struct pln_emit *emit, uint32_t node)
{
    if (emit->status != PLN_OK) return PLN_NONE;
    emit->status = pln_infer_node(emit->graph, node, emit->diag);
    if (emit->status == PLN_OK && emit->graph->failed) no_memory(emit);
    return pln_emit_output(emit, node, 0);
}

uint32_t pln_emit_output(const struct pln_emit *emit, uint32_t node, uint32_t slot)
{
    if (emit->status != PLN_OK) return PLN_NONE;
    const struct pln_node *n = pln_graph_node(emit->graph, node);
    return slot < n->n_outputs ? n->outputs[slot] : PLN_NONE;
}

bool pln_emit_knows(const char *onnx)
{
    unsigned op, kind;
    return pln_op_find_onnx(onnx, &op, &kind);
}

bool pln_emit_find(struct pln_emit *emit, const char *onnx, unsigned *out_op, unsigned *out_kind)
{
    *out_op = *out_kind = 0;
    if (emit->status != PLN_OK) return false;
    if (pln_op_find_onnx(onnx, out_op, out_kind)) return true;
    const struct pln_onnx_node *node = emit->node;
    bool same = strcmp(onnx, node->op_type) == 0;
    pln_emit_fail(emit, PLN_UNSUPPORTED,
                  "operator %s (domain '%s', opset %lld) is not built yet%s%s%s; compute it outside the model, express it by other operators, or "
                  "give the model a function of that name",
                  node->op_type, node->domain[0] ? node->domain : "ai.onnx", (long long)emit->opset, same ? "" : " (it needs ", same ? "" : onnx,
                  same ? "" : ")");
    return false;
}
