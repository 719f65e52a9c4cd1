/* The table of records, and what generic code asks of it. */
#include "ops/op.h"

const struct pln_op_def *const pln_op_defs[PLN_OP_COUNT] = {
#define PLN_OP(ENUM, name) [PLN_OP_##ENUM] = &pln_op_##name,
#include "kernel/ops.inc"
#undef PLN_OP
};

const struct pln_vocabulary pln_op_vocabulary = { pln_op_name, pln_op_kind_name, pln_op_find };

static bool find_kind(const struct pln_kind_row *rows, const char *op_type, unsigned *out_kind)
{
    for (; rows->name; rows++) {
        if (strcmp(rows->onnx, op_type) != 0) continue;
        *out_kind = rows->kind;
        return true;
    }
    return false;
}

bool pln_op_find_onnx(const char *op_type, unsigned *out_op, unsigned *out_kind)
{
    *out_op = PLN_OP_NONE;
    *out_kind = 0;
    if (!op_type || !op_type[0]) return false;
    for (unsigned op = PLN_OP_NONE + 1; op < PLN_OP_COUNT; op++) {
        const struct pln_kind_row *rows = pln_op_kinds(op);
        bool found = rows ? find_kind(rows, op_type, out_kind)
                          : pln_op_defs[op]->onnx && strcmp(pln_op_defs[op]->onnx, op_type) == 0;
        if (!found) continue;
        *out_op = op;
        return true;
    }
    return false;
}

const char *pln_op_display(const struct pln_graph *graph, uint32_t node)
{
    const struct pln_node *n = pln_graph_node(graph, node);
    if (n->n_origins && graph->origins[n->origins[0]].op_type[0]) return graph->origins[n->origins[0]].op_type;
    const struct pln_kind_row *rows = pln_op_kinds(n->op);
    for (; rows && rows->name; rows++)
        if (rows->kind == n->kind) return rows->onnx[0] ? rows->onnx : rows->name;
    if (n->op == PLN_OP_NONE || n->op >= PLN_OP_COUNT) return "?";
    const struct pln_op_def *def = pln_op_defs[n->op];
    return def->onnx ? def->onnx : def->name;
}

static const struct pln_attr_def *find_attr_def(const struct pln_graph *graph, uint32_t node, const char *name)
{
    const struct pln_op_def *def = pln_op_defs[pln_graph_node(graph, node)->op];
    for (const struct pln_attr_def *a = def->attrs; a && a->name; a++)
        if (strcmp(a->name, name) == 0) return a;
    assert(!"an attribute that the record does not list");
    return NULL;
}

int64_t pln_node_int(const struct pln_graph *graph, uint32_t node, const char *name)
{
    const struct pln_attr_def *def = find_attr_def(graph, node, name);
    return pln_attrs_int(&pln_graph_node(graph, node)->attrs, name, def ? def->i : 0);
}

float pln_node_float(const struct pln_graph *graph, uint32_t node, const char *name)
{
    const struct pln_attr_def *def = find_attr_def(graph, node, name);
    return pln_attrs_float(&pln_graph_node(graph, node)->attrs, name, def ? def->f : 0.0f);
}

const char *pln_node_string(const struct pln_graph *graph, uint32_t node, const char *name)
{
    const struct pln_attr_def *def = find_attr_def(graph, node, name);
    return pln_attrs_string(&pln_graph_node(graph, node)->attrs, name, def ? def->s : NULL);
}
