#include "passes/rewrite.h"

#include "base/text.h"
#include "tensor/convert.h"

enum { ROUNDS_MOST = 16, ORIGINS_MOST = 64, SHAPES_MOST = 4 };

enum pln_status pln_rewrite_run(struct pln_graph *graph, struct pln_arena *scratch, pln_rule rule, bool *out_changed)
{
    struct pln_rewrite rewrite = { graph, scratch };
    size_t budget = 8 * graph->n_nodes + 1024;
    bool again = true;
    for (int round = 0; again && round < ROUNDS_MOST; round++) {
        again = false;
        for (uint32_t id = 0; id < graph->n_nodes; id++) {
            while (!pln_graph_node(graph, id)->removed && budget > 0 && !graph->failed && rule(&rewrite, id)) {
                again = *out_changed = true;
                budget--;
            }
        }
    }
    return PLN_OK;
}

/* ---- changing ---- */

uint32_t pln_rewrite_insert(struct pln_rewrite *rewrite, uint32_t before, unsigned op, unsigned kind, const uint32_t *inputs, uint32_t n_inputs, uint32_t from)
{
    uint32_t node = pln_graph_insert_node(rewrite->graph, before, op, kind, inputs, n_inputs, 1);
    if (node != PLN_NONE && from != PLN_NONE && !pln_graph_node_inherit(rewrite->graph, node, from)) return PLN_NONE;
    return node;
}

bool pln_rewrite_infer(struct pln_rewrite *rewrite, uint32_t node)
{
    if (pln_infer_node(rewrite->graph, node, NULL) == PLN_OK) return true;
    pln_graph_remove_node(rewrite->graph, node);
    return false;
}

uint32_t pln_rewrite_emit(struct pln_rewrite *rewrite, uint32_t before, unsigned op, unsigned kind, const uint32_t *inputs, uint32_t n_inputs, uint32_t from)
{
    uint32_t node = pln_rewrite_insert(rewrite, before, op, kind, inputs, n_inputs, from);
    if (node == PLN_NONE || !pln_rewrite_infer(rewrite, node)) return PLN_NONE;
    return pln_graph_node(rewrite->graph, node)->outputs[0];
}

uint32_t pln_rewrite_transpose(struct pln_rewrite *rewrite, uint32_t before, uint32_t x, const int64_t *perm, int rank, uint32_t from)
{
    uint32_t node = pln_rewrite_insert(rewrite, before, PLN_OP_TRANSPOSE, 0, &x, 1, from);
    if (node == PLN_NONE || !pln_attrs_set_ints(&pln_graph_node(rewrite->graph, node)->attrs, &rewrite->graph->arena, "perm", perm, rank)) return PLN_NONE;
    return pln_rewrite_infer(rewrite, node) ? pln_graph_node(rewrite->graph, node)->outputs[0] : PLN_NONE;
}

/* The dims as a constant shape: numbers, 0 for what is the input's dim in the same place, one -1; false: that does not tell them all. */
static bool shape_numbers(struct pln_graph *graph, const struct pln_type *in, int rank, const struct pln_dim *dims, int64_t *out_shape, bool *out_zero)
{
    bool copied = false;
    int unknown = 0;
    *out_zero = false;
    for (int d = 0; d < rank; d++) {
        bool number = pln_dim_value(&graph->dims, dims[d], &out_shape[d]), same = !number && d < in->rank && pln_dim_same(&graph->dims, in->dims[d], dims[d]);
        *out_zero = *out_zero || (number && out_shape[d] == 0);
        copied = copied || same;
        if (number) continue;
        out_shape[d] = same ? 0 : -1;
        unknown += !same;
    }
    return unknown <= 1 && !(*out_zero && (unknown > 0 || copied));
}

static bool elems_are(struct pln_graph *graph, uint32_t value, int rank, const struct pln_dim *dims)
{
    const struct pln_value *v = value == PLN_NONE ? NULL : pln_graph_value(graph, value);
    int64_t number;
    if (!v || !v->elems || v->n_elems != rank) return false;
    for (int d = 0; d < rank; d++)
        if (!pln_dim_same(&graph->dims, v->elems[d], dims[d]) || (pln_dim_value(&graph->dims, dims[d], &number) && number == 0)) return false;
    return true;
}

uint32_t pln_rewrite_reshape(struct pln_rewrite *rewrite, uint32_t before, uint32_t x, int rank, const struct pln_dim *dims, uint32_t hint, uint32_t from)
{
    struct pln_graph *graph = rewrite->graph;
    int64_t shape[PLN_MAX_RANK + 1], n = rank;
    bool zero;
    struct pln_dim wanted[PLN_MAX_RANK + 1];
    for (int d = 0; d < rank; d++) wanted[d] = dims[d];
    if (shape_numbers(graph, &pln_graph_value(graph, x)->type, rank, wanted, shape, &zero)) hint = pln_graph_add_constant_i64(graph, NULL, 1, &n, shape);
    else if (!elems_are(graph, hint, rank, wanted)) return PLN_NONE;
    if (hint == PLN_NONE) return PLN_NONE;
    uint32_t node = pln_rewrite_insert(rewrite, before, PLN_OP_RESHAPE, 0, (uint32_t[]){ x, hint }, 2, from);
    if (node == PLN_NONE) return PLN_NONE;
    if (zero && !pln_attrs_set_int(&pln_graph_node(graph, node)->attrs, &graph->arena, "allowzero", 1)) return PLN_NONE;
    return pln_rewrite_infer(rewrite, node) ? pln_graph_node(graph, node)->outputs[0] : PLN_NONE;
}

static bool has_dims(struct pln_graph *graph, uint32_t value, int rank, const struct pln_dim *dims)
{
    const struct pln_type *type = &pln_graph_value(graph, value)->type;
    bool same = type->kind == PLN_TENSOR && type->rank == rank;
    for (int d = 0; same && d < rank; d++) same = pln_dim_same(&graph->dims, type->dims[d], dims[d]);
    return same;
}

bool pln_same_count(struct pln_graph *graph, uint32_t a, uint32_t b)
{
    const uint32_t values[2] = { a, b };
    struct pln_dim count[2];
    for (int i = 0; i < 2; i++) {
        const struct pln_type *type = &pln_graph_value(graph, values[i])->type;
        if (type->kind != PLN_TENSOR || type->rank < 0) return false;
        count[i] = pln_dim_product(&graph->dims, type->dims, type->rank);
    }
    return pln_dim_same(&graph->dims, count[0], count[1]);
}

/* What the value is another shape of, and surely so; PLN_NONE: it is no view. */
static uint32_t shaped_from(struct pln_graph *graph, uint32_t value)
{
    uint32_t view = pln_graph_value(graph, value)->producer;
    if (view == PLN_NONE || !(pln_op_get(pln_graph_node(graph, view)->op)->traits & PLN_TRAIT_VIEW)) return PLN_NONE;
    uint32_t from = pln_graph_node(graph, view)->inputs[0];
    return pln_same_count(graph, from, value) ? from : PLN_NONE;
}

uint32_t pln_rewrite_shaped(struct pln_rewrite *rewrite, uint32_t before, uint32_t x, int rank, const struct pln_dim *dims, uint32_t from)
{
    uint32_t at = x;
    for (int depth = 0; at != PLN_NONE && depth < SHAPES_MOST; depth++, at = shaped_from(rewrite->graph, at))
        if (has_dims(rewrite->graph, at, rank, dims)) return at;
    /* Dims that only the run knows are told by copying them from where they stand; what x was shaped from may have them so. */
    for (int depth = 0; x != PLN_NONE && depth < SHAPES_MOST; depth++, x = shaped_from(rewrite->graph, x)) {
        uint32_t made = pln_rewrite_reshape(rewrite, before, x, rank, dims, PLN_NONE, from);
        if (made != PLN_NONE) return made;
    }
    return PLN_NONE;
}

/* What is left over is a dim's extent: by the shape's own -1, or since the counts are sure to be equal. Else only a run can tell that the shape does not
 * fit, and has to. */
static bool tells_rest(struct pln_graph *graph, uint32_t node, int d)
{
    const struct pln_value *shape = pln_graph_value(graph, pln_graph_node(graph, node)->inputs[1]);
    int64_t number;
    if (shape->elems && d < shape->n_elems && pln_dim_value(&graph->dims, shape->elems[d], &number) && number == -1) return true;
    return pln_same_count(graph, pln_graph_node(graph, node)->inputs[0], pln_graph_node(graph, node)->outputs[0]);
}

bool pln_rewrite_fix_shape(struct pln_rewrite *rewrite, uint32_t node)
{
    struct pln_graph *graph = rewrite->graph;
    uint32_t x = pln_graph_node(graph, node)->inputs[0], y = pln_graph_node(graph, node)->outputs[0];
    const struct pln_type *in = &pln_graph_value(graph, x)->type, *out = &pln_graph_value(graph, y)->type;
    int64_t shape[PLN_MAX_RANK + 1], n = out->rank;
    bool zero;
    if (pln_graph_value(graph, pln_graph_node(graph, node)->inputs[1])->data || in->rank < 0 || out->rank < 0) return false;
    if (!shape_numbers(graph, in, out->rank, out->dims, shape, &zero)) return false;
    for (int d = 0; d < n; d++)
        if (shape[d] == -1 && !tells_rest(graph, node, d)) return false;
    uint32_t made = pln_graph_add_constant_i64(graph, NULL, 1, &n, shape);
    if (made == PLN_NONE || !pln_attrs_set_int(&pln_graph_node(graph, node)->attrs, &graph->arena, "allowzero", zero)) return false;
    pln_graph_set_input(graph, node, 1, made);
    return true;
}

/* Are two values of one type, as far as can be told or, in the main block, declared? */
static bool meet_types(struct pln_graph *graph, uint32_t block, uint32_t old, uint32_t value)
{
    const struct pln_type *a = &pln_graph_value(graph, old)->type, *b = &pln_graph_value(graph, value)->type;
    if (a->kind != b->kind) return false;
    if (a->kind != PLN_TENSOR) return true;
    if (a->dtype != b->dtype || (a->rank != b->rank && a->rank >= 0)) return false;
    for (int d = 0; d < a->rank; d++) {
        if (pln_dim_same(&graph->dims, a->dims[d], b->dims[d])) continue;
        if (block != 0 || !pln_dim_unify(&graph->dims, a->dims[d], b->dims[d])) return false;
    }
    return true;
}

static bool wanted(const struct pln_graph *graph, uint32_t node)
{
    const struct pln_node *n = pln_graph_node(graph, node);
    for (uint32_t i = 0; i < n->n_outputs; i++)
        if (n->outputs[i] != PLN_NONE && (pln_graph_value(graph, n->outputs[i])->first_use != PLN_NONE || pln_graph_value(graph, n->outputs[i])->tapped)) return true;
    return false;
}

bool pln_rewrite_forward(struct pln_rewrite *rewrite, uint32_t node, uint32_t slot, uint32_t value)
{
    struct pln_graph *graph = rewrite->graph;
    uint32_t old = pln_graph_node(graph, node)->outputs[slot];
    if (old == PLN_NONE || old == value || pln_graph_value(graph, old)->tapped) return false;
    if (!meet_types(graph, pln_graph_node(graph, node)->block, old, value)) return false;
    struct pln_value *from = pln_graph_value(graph, old), *to = pln_graph_value(graph, value);
    if (!to->elems && from->elems) {
        to->elems = from->elems;
        to->n_elems = from->n_elems;
    }
    uint32_t producer = to->producer;
    pln_graph_replace_uses(graph, old, value);
    if (producer != PLN_NONE && pln_graph_node(graph, producer)->n_origins < ORIGINS_MOST) (void)pln_graph_node_inherit(graph, producer, node);
    if (!wanted(graph, node)) pln_graph_remove_node(graph, node);
    return true;
}

bool pln_rewrite_take_output(struct pln_rewrite *rewrite, uint32_t node, uint32_t slot, uint32_t by, uint32_t by_slot)
{
    struct pln_graph *graph = rewrite->graph;
    if (slot >= pln_graph_node(graph, node)->n_outputs) return true;
    uint32_t old = pln_graph_node(graph, node)->outputs[slot], made = pln_graph_node(graph, by)->outputs[by_slot];
    if (old == PLN_NONE) return true;
    if (!meet_types(graph, pln_graph_node(graph, node)->block, old, made)) return false;
    pln_graph_set_output(graph, by, by_slot, old);
    return true;
}

bool pln_rewrite_replace(struct pln_rewrite *rewrite, uint32_t node, uint32_t by)
{
    if (!pln_rewrite_take_output(rewrite, node, 0, by, 0)) return false;
    pln_graph_remove_node(rewrite->graph, node);
    return true;
}

void *pln_rewrite_constant(struct pln_rewrite *rewrite, const char *name, enum pln_dtype dtype, int rank, const int64_t *dims, uint32_t *out_value)
{
    struct pln_graph *graph = rewrite->graph;
    struct pln_tensor tensor;
    size_t bytes;
    *out_value = PLN_NONE;
    if (!pln_shape_bytes(dtype, rank, dims, &bytes)) return NULL;
    pln_tensor_init(&tensor, dtype, rank, dims, pln_arena_alloc_aligned(&graph->arena, bytes, 64));
    if (!tensor.data) {
        graph->failed = true;
        return NULL;
    }
    *out_value = pln_graph_add_constant(graph, name, &tensor);
    return *out_value == PLN_NONE ? NULL : tensor.data;
}

bool pln_rewrite_order(const struct pln_graph *graph, struct pln_arena *scratch, uint32_t **out_order, uint32_t *out_n, uint32_t **out_position)
{
    uint32_t *order = pln_arena_array(scratch, graph->n_nodes + 1, sizeof *order), *position = pln_arena_array(scratch, graph->n_nodes + 1, sizeof *position);
    uint32_t *body = pln_arena_array(scratch, graph->n_nodes + 1, sizeof *body); /* the next one to go into */
    uint32_t n = 0, block = 0, at = graph->blocks[0].first;
    if (!order || !position || !body) return false;
    for (;;) {
        if (at == PLN_NONE) { /* out of a body, back to its node */
            at = graph->blocks[block].parent_node;
            if (at == PLN_NONE) break;
        } else {
            position[at] = n;
            order[n++] = at;
        }
        const struct pln_node *node = pln_graph_node(graph, at);
        if (body[at] < node->n_blocks) {
            block = node->blocks[body[at]++];
            at = graph->blocks[block].first;
        } else {
            block = node->block;
            at = node->next;
        }
    }
    *out_order = order;
    *out_n = n;
    *out_position = position;
    return true;
}

/* ---- asking ---- */

bool pln_is_plain_gemm(const struct pln_graph *graph, uint32_t node)
{
    return (double)pln_node_float(graph, node, "alpha") == 1 && (double)pln_node_float(graph, node, "beta") == 1 && pln_node_int(graph, node, "transA") == 0;
}

bool pln_same_dims(struct pln_graph *graph, const struct pln_type *a, const struct pln_type *b)
{
    if (a->kind != PLN_TENSOR || b->kind != PLN_TENSOR || a->rank < 0 || a->rank != b->rank) return false;
    for (int d = 0; d < a->rank; d++)
        if (!pln_dim_same(&graph->dims, a->dims[d], b->dims[d])) return false;
    return true;
}

bool pln_same_type(struct pln_graph *graph, uint32_t a, uint32_t b)
{
    const struct pln_type *x = &pln_graph_value(graph, a)->type, *y = &pln_graph_value(graph, b)->type;
    return x->dtype == y->dtype && x->dtype != PLN_DTYPE_NONE && pln_same_dims(graph, x, y);
}

uint32_t pln_made_by(const struct pln_graph *graph, uint32_t value, unsigned op, unsigned kind)
{
    uint32_t node = value == PLN_NONE ? PLN_NONE : pln_graph_value(graph, value)->producer;
    if (node == PLN_NONE || pln_graph_node(graph, node)->op != op || pln_graph_value(graph, value)->producer_slot != 0) return PLN_NONE;
    return kind == 0 || pln_graph_node(graph, node)->kind == kind ? node : PLN_NONE;
}

uint32_t pln_made_by_ew(const struct pln_graph *graph, uint32_t value, enum pln_ew kind)
{
    return pln_made_by(graph, value, PLN_OP_ELEMENTWISE, kind);
}

bool pln_used_once(const struct pln_graph *graph, uint32_t value)
{
    return pln_graph_single_user(graph, value) != PLN_NONE;
}

bool pln_known_ints(const struct pln_graph *graph, uint32_t value, int64_t *ints, int64_t *out_n)
{
    const struct pln_value *v = value == PLN_NONE ? NULL : pln_graph_value(graph, value);
    *out_n = 0;
    if (!v) return false;
    if (v->data) {
        if (!pln_dtype_is_integer(v->data->dtype) || v->data->rank > 1 || pln_tensor_count(v->data) > PLN_MAX_ELEMS) return false;
        *out_n = pln_tensor_count(v->data);
        for (int64_t i = 0; i < *out_n; i++) ints[i] = pln_load_i64(v->data->dtype, v->data->data, i);
        return true;
    }
    if (!v->elems || v->n_elems > PLN_MAX_ELEMS) return false;
    for (int64_t i = 0; i < v->n_elems; i++)
        if (!pln_dim_value(&graph->dims, v->elems[i], &ints[i])) return false;
    *out_n = v->n_elems;
    return true;
}

bool pln_constant_is(const struct pln_graph *graph, uint32_t value, double number)
{
    const struct pln_tensor *data = value == PLN_NONE ? NULL : pln_graph_value(graph, value)->data;
    if (!data || data->dtype == PLN_STR || pln_dtype_is_complex(data->dtype) || pln_tensor_count(data) < 1) return false;
    int64_t count = pln_tensor_count(data);
    for (int64_t i = 0; i < count; i++)
        if (pln_load_f64(data->dtype, data->data, i) != number) return false;
    return true;
}

bool pln_read_perm(const struct pln_graph *graph, uint32_t node, int rank, int64_t *perm)
{
    const int64_t *told;
    bool seen[PLN_MAX_RANK] = { false };
    int64_t n = pln_attrs_ints(&pln_graph_node(graph, node)->attrs, "perm", &told);
    if (rank < 0 || (told && n != rank)) return false;
    for (int d = 0; d < rank; d++) {
        int axis;
        if (!pln_axis_normalize(told ? told[d] : rank - 1 - d, rank, &axis) || seen[axis]) return false;
        seen[axis] = true;
        perm[d] = axis;
    }
    return true;
}
