/* Rows taken from a constant table. A product with one-hot rows, as exporters write an embedding, takes rows of its matrix: no sums are needed. What
 * is then done to each row alike is done to the table once. */
#include <math.h>

#include "passes/rewrite.h"
#include "tensor/convert.h"

enum pln_status pln_pass_tables(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);

/* Elements of a table that may be made anew: a plan is not to grow by it. */
#define TABLE_MOST ((int64_t)1 << 20)

static const struct pln_type *type_of(const struct pln_graph *graph, uint32_t value)
{
    return &pln_graph_value(graph, value)->type;
}

static const struct pln_tensor *data_of(const struct pln_graph *graph, uint32_t value)
{
    return value == PLN_NONE ? NULL : pln_graph_value(graph, value)->data;
}

/* ---- one-hot rows ---- */

/* The constant is 0, 1, 2, … n - 1 along its last dim, and has no other dim. */
static bool counts_up(const struct pln_graph *graph, uint32_t value, int64_t n)
{
    const struct pln_tensor *data = data_of(graph, value);
    if (!data || data->rank < 1 || !pln_dtype_is_integer(data->dtype) || data->dims[data->rank - 1] != n || pln_tensor_count(data) != n) return false;
    for (int64_t i = 0; i < n; i++)
        if (pln_load_i64(data->dtype, data->data, i) != i) return false;
    return true;
}

/* What number of the n columns is 1 in each row of x, [l…,1]; other numbers make rows of zeros. PLN_NONE: x is not made so. */
static uint32_t hot_columns(const struct pln_graph *graph, uint32_t x, int64_t n)
{
    uint32_t cast = pln_made_by(graph, x, PLN_OP_CAST, 0);
    uint32_t equal = cast == PLN_NONE ? PLN_NONE : pln_made_by_ew(graph, pln_graph_node(graph, cast)->inputs[0], PLN_EW_EQUAL);
    for (uint32_t side = 0; equal != PLN_NONE && side < 2; side++) {
        const uint32_t at = pln_graph_node(graph, equal)->inputs[side], counts = pln_graph_node(graph, equal)->inputs[1 - side];
        const struct pln_type *type = type_of(graph, at);
        if (type->rank < 1 || type->rank != type_of(graph, x)->rank || (type->dtype != PLN_I32 && type->dtype != PLN_I64)) continue;
        if (pln_dim_is(&graph->dims, type->dims[type->rank - 1], 1) && counts_up(graph, counts, n)) return at;
    }
    return PLN_NONE;
}

/* Zero times such a weight is zero, and adds nothing. */
static bool all_finite(const struct pln_tensor *data)
{
    const int64_t count = pln_tensor_count(data);
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(pln_load_f64(data->dtype, data->data, i))) return false;
    return true;
}

/* The matrix with a row of zeros behind it. */
static uint32_t with_zero_row(struct pln_rewrite *rw, uint32_t matrix)
{
    const struct pln_tensor from = *data_of(rw->graph, matrix);
    const int64_t dims[2] = { from.dims[0] + 1, from.dims[1] };
    uint32_t made;
    char *data = pln_rewrite_constant(rw, pln_graph_value(rw->graph, matrix)->name, from.dtype, 2, dims, &made);
    if (!data) return PLN_NONE;
    const size_t bytes = pln_tensor_bytes(&from);
    memcpy(data, from.data, bytes);
    memset(data + bytes, 0, bytes / (size_t)from.dims[0]);
    return made;
}

static uint32_t bounded(struct pln_rewrite *rw, uint32_t before, enum pln_ew kind, uint32_t x, int64_t bound)
{
    uint32_t made;
    void *data = x == PLN_NONE ? NULL : pln_rewrite_constant(rw, NULL, type_of(rw->graph, x)->dtype, 0, NULL, &made);
    if (!data) return PLN_NONE;
    pln_store_i64(type_of(rw->graph, x)->dtype, data, 0, bound);
    return pln_rewrite_emit(rw, before, PLN_OP_ELEMENTWISE, kind, (uint32_t[]){ x, made }, 2, before);
}

static uint32_t gather(struct pln_rewrite *rw, uint32_t before, uint32_t table, uint32_t rows, uint32_t from)
{
    uint32_t node = pln_rewrite_insert(rw, before, PLN_OP_GATHER, 0, (uint32_t[]){ table, rows }, 2, from);
    if (node == PLN_NONE || !pln_attrs_set_int(&pln_graph_node(rw->graph, node)->attrs, &rw->graph->arena, "axis", 0)) return PLN_NONE;
    return pln_rewrite_infer(rw, node) ? node : PLN_NONE;
}

/* matmul(cast(equal(at, 0 … n - 1)), w) is gather(w and a row of zeros, at), where what is no column means that last row. */
static bool take_hot_rows(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    const uint32_t x = pln_graph_node(graph, node)->inputs[0], w = pln_graph_node(graph, node)->inputs[1];
    const struct pln_tensor *matrix = data_of(graph, w);
    if (!matrix || matrix->rank != 2 || matrix->dims[0] < 1 || !pln_dtype_is_float(matrix->dtype) || pln_dtype_bits(matrix->dtype) < 16) return false;
    const int64_t n = matrix->dims[0];
    uint32_t at = hot_columns(graph, x, n);
    if (at == PLN_NONE || n >= INT32_MAX || !all_finite(matrix)) return false;
    const struct pln_type *type = type_of(graph, at);
    at = pln_rewrite_reshape(rw, node, at, type->rank - 1, type->dims, PLN_NONE, node);
    at = bounded(rw, node, PLN_EW_MIN, bounded(rw, node, PLN_EW_MAX, at, -1), n);
    const uint32_t table = at == PLN_NONE ? PLN_NONE : with_zero_row(rw, w);
    const uint32_t made = table == PLN_NONE ? PLN_NONE : gather(rw, node, table, at, pln_graph_value(graph, x)->producer);
    if (made == PLN_NONE) return false;
    (void)pln_graph_node_inherit(graph, made, node);
    return pln_rewrite_replace(rw, node, made);
}

/* ---- what is done to all rows alike ---- */

/* The gather of whole rows of a small constant table that makes the value; PLN_NONE: it is not made so. */
static uint32_t row_gather(const struct pln_graph *graph, uint32_t value)
{
    const uint32_t node = pln_made_by(graph, value, PLN_OP_GATHER, 0);
    if (node == PLN_NONE || pln_node_int(graph, node, "axis") != 0) return PLN_NONE;
    const struct pln_tensor *table = data_of(graph, pln_graph_node(graph, node)->inputs[0]);
    return table && table->rank == 2 && pln_tensor_count(table) <= TABLE_MOST && type_of(graph, value)->rank >= 2 ? node : PLN_NONE;
}

/* More rows are taken than the table has, whatever the extents that are not known (but none is 0). */
static bool takes_more_rows(struct pln_graph *graph, uint32_t gather_node)
{
    const struct pln_type *at = type_of(graph, pln_graph_node(graph, gather_node)->inputs[1]);
    double rows = 1;
    int64_t extent;
    for (int d = 0; d < at->rank; d++)
        if (pln_dim_value(&graph->dims, at->dims[d], &extent)) rows *= (double)extent;
    return rows >= (double)data_of(graph, pln_graph_node(graph, gather_node)->inputs[0])->dims[0];
}

/* A constant that each row of `columns` meets whole, as a row; PLN_NONE: it is none. */
static uint32_t as_row(struct pln_graph *graph, uint32_t value, int rank, int64_t columns)
{
    const struct pln_tensor *data = data_of(graph, value);
    if (!data || data->rank > rank || (data->rank > 0 && pln_tensor_count(data) != data->dims[data->rank - 1])) return PLN_NONE;
    const int64_t n = pln_tensor_count(data);
    if (n != 1 && n != columns) return PLN_NONE;
    if (data->rank < 2) return value;
    struct pln_tensor row;
    pln_tensor_init(&row, data->dtype, 1, &n, data->data);
    return pln_graph_add_constant(graph, pln_graph_value(graph, value)->name, &row);
}

/* The gather behind one of the inputs, where all gathers behind them take the same rows; PLN_NONE: there is none, or they do not. */
static uint32_t common_gather(struct pln_graph *graph, uint32_t node)
{
    const struct pln_node *n = pln_graph_node(graph, node);
    uint32_t found = PLN_NONE;
    for (uint32_t i = 0; i < n->n_inputs; i++) {
        const uint32_t one = n->inputs[i] == PLN_NONE ? PLN_NONE : row_gather(graph, n->inputs[i]);
        if (one == PLN_NONE) continue;
        if (found == PLN_NONE) found = one;
        if (pln_graph_node(graph, one)->inputs[1] != pln_graph_node(graph, found)->inputs[1]) return PLN_NONE;
        if (!pln_same_dims(graph, type_of(graph, n->inputs[i]), type_of(graph, pln_graph_node(graph, found)->outputs[0]))) return PLN_NONE;
    }
    return found;
}

/* The node computed now, as a constant; PLN_NONE: it is left out. */
static uint32_t folded(struct pln_graph *graph, uint32_t node)
{
    const uint32_t value = pln_graph_node(graph, node)->outputs[0];
    struct pln_tensor result;
    const enum pln_status status = pln_op_fold(graph, node, (size_t)TABLE_MOST * 8, NULL, &result);
    if (status == PLN_NO_MEMORY) graph->failed = true;
    if (status == PLN_OK) pln_graph_set_constant(graph, value, &result);
    pln_graph_remove_node(graph, node);
    return status == PLN_OK ? value : PLN_NONE;
}

/* The node's function of tables and rows in place of gathers and rows. */
static uint32_t change_rows(struct pln_rewrite *rw, uint32_t node, int rank, int64_t columns)
{
    struct pln_graph *graph = rw->graph;
    const struct pln_node n = *pln_graph_node(graph, node);
    uint32_t inputs[3];
    for (uint32_t i = 0; i < n.n_inputs; i++) {
        const uint32_t one = n.inputs[i] == PLN_NONE ? PLN_NONE : row_gather(graph, n.inputs[i]);
        inputs[i] = one != PLN_NONE ? pln_graph_node(graph, one)->inputs[0] : as_row(graph, n.inputs[i], rank, columns);
        if (inputs[i] == PLN_NONE && n.inputs[i] != PLN_NONE) return PLN_NONE;
    }
    const uint32_t made = pln_rewrite_insert(rw, node, n.op, n.kind, inputs, n.n_inputs, node);
    if (made == PLN_NONE || !pln_attrs_copy(&pln_graph_node(graph, made)->attrs, &graph->arena, &n.attrs) || !pln_rewrite_infer(rw, made)) return PLN_NONE;
    return folded(graph, made);
}

/* f(gather(t, at), gather(u, at), row) is gather(f(t, u, row), at). */
static bool change_table(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    const struct pln_node *n = pln_graph_node(graph, node);
    const uint32_t from = n->n_inputs <= 3 && n->n_outputs == 1 ? common_gather(graph, node) : PLN_NONE;
    if (from == PLN_NONE || !takes_more_rows(graph, from)) return false;
    const uint32_t old = pln_graph_node(graph, from)->inputs[0], rows = pln_graph_node(graph, from)->inputs[1];
    const uint32_t table = change_rows(rw, node, type_of(graph, pln_graph_node(graph, from)->outputs[0])->rank, data_of(graph, old)->dims[1]);
    const uint32_t taken = table == PLN_NONE ? PLN_NONE : gather(rw, node, table, rows, from);
    if (taken == PLN_NONE) return false;
    (void)pln_graph_node_inherit(graph, taken, node);
    return pln_rewrite_replace(rw, node, taken);
}

static bool rule(struct pln_rewrite *rw, uint32_t node)
{
    const struct pln_node *n = pln_graph_node(rw->graph, node);
    if (n->n_inputs == 0 || n->n_outputs == 0 || n->outputs[0] == PLN_NONE) return false;
    if (n->op == PLN_OP_MATMUL) return n->n_inputs == 2 && take_hot_rows(rw, node);
    return n->op == PLN_OP_ELEMENTWISE && change_table(rw, node);
}

enum pln_status pln_pass_tables(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    (void)diag;
    return pln_rewrite_run(graph, scratch, rule, out_changed);
}
