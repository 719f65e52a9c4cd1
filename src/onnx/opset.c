#include "onnx/opset.h"

#include "onnx/import.h"
#include "onnx/schema.h"

static const struct pln_onnx_row rows[] = {
#define OP(domain, name, since, handler) { domain, name, since, pln_onnx_##handler },
#include "onnx/opset.inc"
#undef OP
};

const struct pln_onnx_row *pln_onnx_opset_rows(size_t *out_count)
{
    *out_count = PLN_COUNT_OF(rows);
    return rows;
}

bool pln_onnx_opset_is_foreign(const char *domain)
{
    return strcmp(domain, "com.microsoft") == 0;
}

int64_t pln_onnx_opset_newest(const char *domain)
{
    if (pln_onnx_domain_equal(domain, "")) return PLN_ONNX_NEWEST_OPSET;
    if (strcmp(domain, "ai.onnx.ml") == 0) return PLN_ONNX_NEWEST_ML_OPSET;
    if (pln_onnx_opset_is_foreign(domain)) return 1;
    return strcmp(domain, "ai.onnx.preview") == 0 || strcmp(domain, "ai.onnx.preview.training") == 0 ? 1 : 0;
}

static int compare(const struct pln_onnx_row *row, const char *domain, const char *name)
{
    int order = strcmp(row->domain, domain);
    return order ? order : strcmp(row->name, name);
}

enum pln_onnx_lookup pln_onnx_opset_find(const char *domain, const char *op_type, int64_t version, pln_onnx_handler *out_handler,
                                         int32_t *out_since)
{
    *out_handler = NULL;
    *out_since = 0;
    if (pln_onnx_domain_equal(domain, "")) domain = "";
    if (pln_onnx_opset_newest(domain) == 0) return PLN_ONNX_NO_DOMAIN;
    size_t first = 0, last = PLN_COUNT_OF(rows), count = last; /* the first row that is not before the operator */
    while (first < last) {
        size_t middle = first + (last - first) / 2;
        if (compare(&rows[middle], domain, op_type) < 0) first = middle + 1;
        else last = middle;
    }
    if (first == count || compare(&rows[first], domain, op_type) != 0) return pln_onnx_opset_is_foreign(domain) ? PLN_ONNX_NO_DOMAIN : PLN_ONNX_NO_OPERATOR;
    *out_since = rows[first].since;
    if (version < rows[first].since) return PLN_ONNX_TOO_OLD;
    for (size_t i = first; i < count && compare(&rows[i], domain, op_type) == 0 && rows[i].since <= version; i++) *out_handler = rows[i].handler;
    return PLN_ONNX_FOUND;
}

/* ---- 1:1 ---- */

static bool listed(const char *const *names, const char *name)
{
    for (; names && *names; names++) {
        if (strcmp(*names, name) == 0) return true;
    }
    return false;
}

static bool has_attr(const struct pln_op_def *def, const char *name)
{
    for (const struct pln_attr_def *attr = def->attrs; attr && attr->name; attr++) {
        if (strcmp(attr->name, name) == 0) return true;
    }
    return false;
}

static void copy_attrs(struct pln_emit *emit, uint32_t node, const struct pln_op_def *def, const char *const *skip)
{
    for (uint32_t i = 0; i < emit->node->attributes.count; i++) {
        const char *name = emit->node->attributes.items[i].name;
        if (listed(skip, name) || pln_onnx_schema_ignores(name)) continue;
        if (has_attr(def, name)) pln_emit_copy_attr(emit, node, name, name);
        else if (pln_emit_has_attr(emit, name)) pln_emit_fail(emit, PLN_UNSUPPORTED, "attribute '%s' of operator %s is not built yet", name, emit->node->op_type);
    }
}

void pln_onnx_direct_as(struct pln_emit *emit, const char *onnx, const uint32_t *inputs, uint32_t n_inputs, const char *const *skip)
{
    unsigned op, kind;
    if (!pln_emit_find(emit, onnx, &op, &kind)) return;
    uint32_t n_outputs = emit->n_outputs;
    uint32_t least = (uint32_t)pln_op_get(op)->min_outputs;
    while (n_outputs > 1 && n_outputs > least && !pln_emit_wants(emit, n_outputs - 1)) n_outputs--;
    if (n_outputs < least) n_outputs = least;
    while (n_inputs && inputs[n_inputs - 1] == PLN_NONE) n_inputs--;
    uint32_t node = pln_emit_begin(emit, op, kind, inputs, n_inputs, n_outputs);
    if (emit->status != PLN_OK) return;
    copy_attrs(emit, node, pln_op_get(op), skip);
    pln_emit_end(emit, node);
    for (uint32_t i = 0; i < n_outputs; i++) pln_emit_bind(emit, i, pln_emit_output(emit, node, i));
}

void pln_onnx_direct(struct pln_emit *emit)
{
    pln_onnx_direct_as(emit, emit->node->op_type, emit->inputs, emit->n_inputs, NULL);
}
