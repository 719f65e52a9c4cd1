/* What infer functions ask of a node's inputs, and the walk over all nodes. */
#include <stdio.h>

#include "kernel/rowprog.h"
#include "ops/op.h"
#include "tensor/convert.h"

enum { ELEMS_MAX_READ = 4096 }; /* parameters longer than this are data, not shapes */

/* Inputs behind the op's own: those of an epilogue (kernel/rowprog.h). Its fourth byte counts its inputs, the accumulator among them. */
static uint32_t own_inputs(const struct pln_node *node)
{
    const struct pln_attr *epilogue = pln_attrs_find(&node->attrs, "epilogue");
    if (!epilogue || epilogue->kind != PLN_ATTR_STRING || epilogue->u.s.size_bytes < 8) return node->n_inputs;
    uint32_t more = (uint8_t)epilogue->u.s.data[3];
    more = more ? more - 1 : 0;
    return node->n_inputs >= more ? node->n_inputs - more : 0;
}

/* ---- walking ---- */

static enum pln_status check_counts(struct pln_infer *infer, const struct pln_op_def *def)
{
    const struct pln_node *node = pln_graph_node(infer->graph, infer->node);
    uint32_t own = own_inputs(node);
    if (own < (uint32_t)def->min_inputs || (def->max_inputs >= 0 && own > (uint32_t)def->max_inputs))
        return pln_infer_fail(infer, "%u inputs, but %d to %d are allowed", own, def->min_inputs, def->max_inputs);
    for (int i = 0; i < def->min_inputs; i++)
        if (node->inputs[i] == PLN_NONE) return pln_infer_fail(infer, "input %d is missing", i);
    if (node->n_outputs < (uint32_t)def->min_outputs || (def->max_outputs >= 0 && node->n_outputs > (uint32_t)def->max_outputs))
        return pln_infer_fail(infer, "%u outputs, but %d to %d are allowed", node->n_outputs, def->min_outputs, def->max_outputs);
    if ((pln_op_kinds(node->op) != NULL) != (pln_op_kind_name(node->op, node->kind) != NULL))
        return pln_infer_fail(infer, "no such kind: %u", node->kind);
    return PLN_OK;
}

static enum pln_status check_attrs(struct pln_infer *infer, const struct pln_op_def *def)
{
    const struct pln_node *node = pln_graph_node(infer->graph, infer->node);
    for (const struct pln_attr_def *a = def->attrs; a && a->name; a++) {
        const struct pln_attr *attr = pln_attrs_find(&node->attrs, a->name);
        if (!attr && a->required) return pln_infer_fail(infer, "attribute %s is missing", a->name);
        if (attr && attr->kind != a->kind) return pln_infer_fail(infer, "attribute %s is of the wrong type", a->name);
    }
    const struct pln_attr *epilogue = pln_attrs_find(&node->attrs, "epilogue");
    if (!epilogue) return PLN_OK;
    struct pln_rowprog program;
    if (epilogue->kind != PLN_ATTR_STRING) return pln_infer_fail(infer, "attribute epilogue is of the wrong type");
    PLN_TRY(pln_rowprog_read(epilogue->u.s.data, epilogue->u.s.size_bytes, infer->diag, &program));
    if (program.n_inputs == 0 || program.n_outputs != 1) return pln_infer_fail(infer, "the epilogue has no accumulator or not one output");
    return PLN_OK;
}

static enum pln_status infer_known(struct pln_infer *infer)
{
    const struct pln_node *node = pln_graph_node(infer->graph, infer->node);
    if (node->op == PLN_OP_NONE || node->op >= PLN_OP_COUNT) return pln_infer_fail(infer, "no such op: %u", node->op);
    const struct pln_op_def *def = pln_op_defs[node->op];
    PLN_TRY(check_counts(infer, def));
    PLN_TRY(check_attrs(infer, def));
    PLN_TRY(def->infer(infer));
    if (infer->graph->failed || infer->graph->dims.failed) return pln_fail_memory(infer->diag, "shapes", 0);
    return PLN_OK;
}

enum pln_status pln_infer_node(struct pln_graph *graph, uint32_t node, struct pln_diag *diag)
{
    struct pln_infer infer = { graph, node, diag };
    if (!diag) return infer_known(&infer);
    const char *old_node = diag->node, *old_op = diag->op;
    int64_t old_index = diag->node_index;
    pln_graph_set_diag(graph, node, diag);
    enum pln_status status = infer_known(&infer);
    diag->node = old_node;
    diag->op = old_op;
    diag->node_index = old_index;
    return status;
}

enum pln_status pln_infer_graph(struct pln_graph *graph, struct pln_diag *diag)
{
    for (uint32_t n = graph->blocks[0].first; n != PLN_NONE; n = pln_graph_node(graph, n)->next)
        PLN_TRY(pln_infer_node(graph, n, diag));
    return PLN_OK;
}

/* ---- asking ---- */

enum { INPUTS_TOLD = 8 };

/* The types are the cause of most failures, and what a user can change. */
static void print_inputs(const struct pln_infer *infer, struct pln_text *out)
{
    const struct pln_node *node = pln_graph_node(infer->graph, infer->node);
    for (uint32_t i = 0; i < node->n_inputs && i < INPUTS_TOLD; i++) {
        pln_text_puts(out, i ? ", " : " (inputs ");
        pln_graph_print_type(infer->graph, node->inputs[i] == PLN_NONE ? NULL : &pln_graph_value(infer->graph, node->inputs[i])->type, out);
    }
    if (node->n_inputs > 0) pln_text_puts(out, node->n_inputs > INPUTS_TOLD ? ", …)" : ")");
}

enum pln_status pln_infer_fail(struct pln_infer *infer, const char *format, ...)
{
    char text[PLN_DIAG_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (!infer->diag) return PLN_BAD_MODEL;
    struct pln_text types;
    pln_text_init(&types, infer->graph->alloc);
    print_inputs(infer, &types);
    enum pln_status status = pln_fail(infer->diag, PLN_BAD_MODEL, "%s: %s%s", pln_op_display(infer->graph, infer->node), text, types.failed ? "" : types.data);
    pln_text_deinit(&types);
    return status;
}

static struct pln_value *input_value(const struct pln_infer *infer, int i)
{
    const struct pln_node *node = pln_graph_node(infer->graph, infer->node);
    if (i < 0 || (uint32_t)i >= own_inputs(node) || node->inputs[i] == PLN_NONE) return NULL;
    return pln_graph_value(infer->graph, node->inputs[i]);
}

bool pln_infer_has(const struct pln_infer *infer, int i)
{
    return input_value(infer, i) != NULL;
}

int pln_infer_count(const struct pln_infer *infer)
{
    return (int)own_inputs(pln_graph_node(infer->graph, infer->node));
}

const struct pln_type *pln_infer_in(const struct pln_infer *infer, int i)
{
    const struct pln_value *value = input_value(infer, i);
    return value ? &value->type : NULL;
}

enum pln_dtype pln_infer_dtype(const struct pln_infer *infer, int i)
{
    const struct pln_type *type = pln_infer_in(infer, i);
    return type && type->kind == PLN_TENSOR ? type->dtype : PLN_DTYPE_NONE;
}

enum pln_status pln_infer_need_tensor(struct pln_infer *infer, int i, int min_rank, int max_rank)
{
    const struct pln_type *type = pln_infer_in(infer, i);
    if (!type) return pln_infer_fail(infer, "input %d is missing", i);
    if (type->kind != PLN_TENSOR) return pln_infer_fail(infer, "input %d must be a tensor", i);
    if (type->rank >= 0 && (type->rank < min_rank || (max_rank >= 0 && type->rank > max_rank)))
        return pln_infer_fail(infer, "input %d has rank %d, but it must be %d to %d", i, type->rank, min_rank,
                              max_rank < 0 ? PLN_MAX_RANK : max_rank);
    return PLN_OK;
}

enum pln_status pln_infer_same_dtype(struct pln_infer *infer, int a, int b)
{
    enum pln_dtype x = pln_infer_dtype(infer, a), y = pln_infer_dtype(infer, b);
    if (x == PLN_DTYPE_NONE || y == PLN_DTYPE_NONE || x == y) return PLN_OK;
    return pln_infer_fail(infer, "input %d is %s, but input %d is %s; they must be of one type", a, pln_dtype_name(x), b,
                          pln_dtype_name(y));
}

enum pln_status pln_infer_check_dtype(struct pln_infer *infer, int i, uint32_t dtype_mask)
{
    enum pln_dtype dtype = pln_infer_dtype(infer, i);
    if (dtype == PLN_DTYPE_NONE || (dtype_mask & PLN_MASK(dtype))) return PLN_OK;
    return pln_infer_fail(infer, "input %d is %s, which this operator does not take", i, pln_dtype_name(dtype));
}

enum pln_status pln_infer_axis(struct pln_infer *infer, int64_t axis, int rank, int *out_axis)
{
    *out_axis = 0;
    if (pln_axis_normalize(axis, rank, out_axis)) return PLN_OK;
    return pln_infer_fail(infer, "axis %lld is outside of rank %d", (long long)axis, rank);
}

/* ---- integer elements ---- */

static const struct pln_dim *read_elems(struct pln_graph *graph, const struct pln_tensor *data, int64_t n)
{
    struct pln_dim *elems = pln_arena_array(&graph->arena, (size_t)n, sizeof(*elems));
    if (!elems) return NULL;
    for (int64_t i = 0; i < n; i++) elems[i] = pln_dim_const(&graph->dims, pln_load_i64(data->dtype, data->data, i));
    return elems;
}

bool pln_infer_elems(const struct pln_infer *infer, int i, const struct pln_dim **out_elems, int64_t *out_n)
{
    *out_elems = NULL;
    *out_n = 0;
    struct pln_value *value = input_value(infer, i);
    if (!value) return false;
    if (!value->elems && value->data && value->data->rank <= 1 &&
        (pln_dtype_is_integer(value->data->dtype) || value->data->dtype == PLN_BOOL)) {
        int64_t n = pln_tensor_count(value->data);
        if (n > ELEMS_MAX_READ) return false;
        const struct pln_dim *elems = read_elems(infer->graph, value->data, n);
        if (!elems) return false;
        value->elems = elems;
        value->n_elems = n;
    }
    if (!value->elems) return false;
    *out_elems = value->elems;
    *out_n = value->n_elems;
    return true;
}

bool pln_infer_ints(const struct pln_infer *infer, int i, const int64_t **out_ints, int64_t *out_n)
{
    *out_ints = NULL;
    *out_n = 0;
    const struct pln_dim *elems;
    int64_t n;
    if (!pln_infer_elems(infer, i, &elems, &n)) return false;
    int64_t *ints = pln_arena_array(&infer->graph->arena, (size_t)n, sizeof(*ints));
    if (!ints) return false;
    for (int64_t k = 0; k < n; k++)
        if (!pln_dim_value(&infer->graph->dims, elems[k], &ints[k])) return false;
    *out_ints = ints;
    *out_n = n;
    return true;
}

static struct pln_value *output_value(const struct pln_infer *infer, int o)
{
    const struct pln_node *node = pln_graph_node(infer->graph, infer->node);
    if (o < 0 || (uint32_t)o >= node->n_outputs || node->outputs[o] == PLN_NONE) return NULL;
    return pln_graph_value(infer->graph, node->outputs[o]);
}

enum pln_status pln_infer_set_elems(struct pln_infer *infer, int o, const struct pln_dim *elems, int64_t n)
{
    struct pln_value *value = output_value(infer, o);
    if (!value || n > PLN_MAX_ELEMS) return PLN_OK;
    for (int64_t i = 0; i < n; i++)
        if (elems[i].id == UINT32_MAX) return PLN_OK;
    if (value->elems && value->n_elems == n && memcmp(value->elems, elems, (size_t)n * sizeof(*elems)) == 0) return PLN_OK;
    const struct pln_dim *copy = pln_arena_copy(&infer->graph->arena, elems, (size_t)n * sizeof(*elems));
    if (!copy) return pln_fail_memory(infer->diag, "shapes", (size_t)n * sizeof(*elems));
    value->elems = copy;
    value->n_elems = n;
    return PLN_OK;
}

bool pln_infer_broadcast(struct pln_infer *infer, int a_rank, const struct pln_dim *a, int b_rank, const struct pln_dim *b,
                         int *out_rank, struct pln_dim *out)
{
    struct pln_dim_table *dims = &infer->graph->dims;
    int rank = PLN_MAX(a_rank, b_rank);
    *out_rank = rank;
    for (int i = rank - 1; i >= 0; i--) {
        int ai = i - (rank - a_rank), bi = i - (rank - b_rank);
        if (ai < 0) out[i] = b[bi];
        else if (bi < 0) out[i] = a[ai];
        else {
            int64_t x, y;
            bool both = pln_dim_value(dims, a[ai], &x) && pln_dim_value(dims, b[bi], &y);
            if (both && x != y && x != 1 && y != 1) return false;
            out[i] = pln_dim_broadcast(dims, a[ai], b[bi]);
        }
    }
    return true;
}
