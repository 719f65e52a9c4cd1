/* Gradient (ai.onnx.preview.training): the derivatives of a value by others, through the nodes that stand in front of it, in reverse. */
#include <string.h>

#include "onnx/importer.h"
#include "onnx/opset.h"

/* By value id, of values that were there before. */
struct gradient {
    struct pln_emit *emit;
    bool *depends;   /* on one of xs */
    uint32_t *of;    /* dy by this value, or PLN_NONE */
    size_t n_values;
};

static const struct pln_type *type_of(const struct gradient *gradient, uint32_t value)
{
    return &pln_graph_value(gradient->emit->graph, value)->type;
}

static uint32_t ew2(const struct gradient *gradient, enum pln_ew kind, uint32_t a, uint32_t b)
{
    return pln_emit_ew2(gradient->emit, kind, a, b);
}

static uint32_t number(const struct gradient *gradient, uint32_t like, double value)
{
    return pln_emit_const_like(gradient->emit, like, value);
}

/* The same where only the run knows ranks or extents: over all dims that x has as 1 or not at all. */
static uint32_t to_run_shape(const struct gradient *gradient, uint32_t dy, uint32_t x)
{
    struct pln_emit *emit = gradient->emit;
    uint32_t missing = ew2(gradient, PLN_EW_SUB, pln_emit_dims(emit, dy), pln_emit_dims(emit, x)), shape = pln_emit_shape(emit, x);
    uint32_t all = pln_emit_concat(emit, (uint32_t[]){ pln_emit_repeat(emit, 1, missing), shape }, 2, 0);
    uint32_t ones = ew2(gradient, PLN_EW_EQUAL, all, pln_emit_const_index(emit, 1));
    uint32_t axes = pln_emit_squeeze(emit, pln_emit_end(emit, pln_emit_begin_named(emit, "NonZero", &ones, 1, 1)), pln_emit_const_int(emit, 0));
    uint32_t node = pln_emit_begin(emit, PLN_OP_REDUCE, PLN_REDUCE_SUM, (uint32_t[]){ dy, axes }, 2, 1);
    pln_emit_set_int(emit, node, "keepdims", 1);
    pln_emit_set_int(emit, node, "noop_with_empty_axes", 1);
    return pln_emit_reshape_as(emit, pln_emit_end(emit, node), shape);
}

/* Sums `dy` over what broadcasting has repeated of x. */
static uint32_t to_shape(const struct gradient *gradient, uint32_t dy, uint32_t x)
{
    struct pln_emit *emit = gradient->emit;
    const struct pln_type *from = type_of(gradient, dy), *to = type_of(gradient, x);
    int64_t axes[PLN_MAX_RANK], one;
    uint32_t n = 0;
    if (emit->status != PLN_OK) return PLN_NONE;
    if (from->rank < 0 || to->rank < 0 || from->rank < to->rank) return to_run_shape(gradient, dy, x);
    const int more = from->rank - to->rank;
    for (int d = 0; d < from->rank; d++) {
        const bool is_new = d < more, is_one = !is_new && pln_dim_value(&emit->graph->dims, to->dims[d - more], &one) && one == 1;
        if (is_new || (is_one && !pln_dim_same(&emit->graph->dims, from->dims[d], to->dims[d - more]))) axes[n++] = d;
        else if (!is_one && !pln_dim_same(&emit->graph->dims, from->dims[d], to->dims[d - more])) return to_run_shape(gradient, dy, x);
    }
    if (!n) return dy;
    return pln_emit_reshape_as(emit, pln_emit_reduce(emit, PLN_REDUCE_SUM, dy, pln_emit_const_ints(emit, axes, n), true), pln_emit_shape(emit, x));
}

static void add(struct gradient *gradient, uint32_t x, uint32_t dx)
{
    if (gradient->emit->status != PLN_OK || x >= gradient->n_values || !gradient->depends[x]) return;
    dx = to_shape(gradient, dx, x);
    gradient->of[x] = gradient->of[x] == PLN_NONE ? dx : ew2(gradient, PLN_EW_ADD, gradient->of[x], dx);
}

/* f'(a) of functions of one number, y = f(a); PLN_NONE: not one of these. */
static uint32_t slope(const struct gradient *gradient, enum pln_ew kind, uint32_t a, uint32_t y)
{
    struct pln_emit *emit = gradient->emit;
    if (kind == PLN_EW_NEG) return number(gradient, a, -1);
    if (kind == PLN_EW_EXP) return y;
    if (kind == PLN_EW_LOG) return pln_emit_ew1(emit, PLN_EW_RECIPROCAL, a);
    if (kind == PLN_EW_SQRT) return ew2(gradient, PLN_EW_DIV, number(gradient, a, 0.5), y);
    if (kind == PLN_EW_RECIPROCAL) return pln_emit_ew1(emit, PLN_EW_NEG, ew2(gradient, PLN_EW_MUL, y, y));
    if (kind == PLN_EW_TANH) return ew2(gradient, PLN_EW_SUB, number(gradient, a, 1), ew2(gradient, PLN_EW_MUL, y, y));
    if (kind == PLN_EW_SIGMOID) return ew2(gradient, PLN_EW_MUL, y, ew2(gradient, PLN_EW_SUB, number(gradient, a, 1), y));
    if (kind == PLN_EW_SIN) return pln_emit_ew1(emit, PLN_EW_COS, a);
    if (kind == PLN_EW_COS) return pln_emit_ew1(emit, PLN_EW_NEG, pln_emit_ew1(emit, PLN_EW_SIN, a));
    if (kind == PLN_EW_ABS) return pln_emit_ew1(emit, PLN_EW_SIGN, a);
    if (kind == PLN_EW_RELU) return pln_emit_cast(emit, ew2(gradient, PLN_EW_GREATER, a, number(gradient, a, 0)), pln_emit_dtype(emit, a));
    return PLN_NONE;
}

static bool through_elementwise(struct gradient *gradient, const struct pln_node *node, uint32_t dy)
{
    const enum pln_ew kind = (enum pln_ew)node->kind;
    const uint32_t a = node->inputs[0], b = node->n_inputs > 1 ? node->inputs[1] : PLN_NONE, y = node->outputs[0];
    if (node->n_inputs == 1) {
        const uint32_t by_a = slope(gradient, kind, a, y);
        if (by_a != PLN_NONE) add(gradient, a, ew2(gradient, PLN_EW_MUL, dy, by_a));
        return by_a != PLN_NONE;
    }
    if (kind == PLN_EW_ADD || kind == PLN_EW_SUB) {
        add(gradient, a, dy);
        add(gradient, b, kind == PLN_EW_ADD ? dy : pln_emit_ew1(gradient->emit, PLN_EW_NEG, dy));
    } else if (kind == PLN_EW_MUL) {
        add(gradient, a, ew2(gradient, PLN_EW_MUL, dy, b));
        add(gradient, b, ew2(gradient, PLN_EW_MUL, dy, a));
    } else if (kind == PLN_EW_DIV) {
        add(gradient, a, ew2(gradient, PLN_EW_DIV, dy, b));
        add(gradient, b, pln_emit_ew1(gradient->emit, PLN_EW_NEG, ew2(gradient, PLN_EW_DIV, ew2(gradient, PLN_EW_MUL, dy, y), b)));
    } else if (kind == PLN_EW_POW) {
        const uint32_t less = ew2(gradient, PLN_EW_SUB, b, number(gradient, b, 1));
        add(gradient, a, ew2(gradient, PLN_EW_MUL, dy, ew2(gradient, PLN_EW_MUL, pln_emit_cast(gradient->emit, b, pln_emit_dtype(gradient->emit, a)), ew2(gradient, PLN_EW_POW, a, less))));
        if (b < gradient->n_values && gradient->depends[b]) add(gradient, b, ew2(gradient, PLN_EW_MUL, dy, ew2(gradient, PLN_EW_MUL, y, pln_emit_ew1(gradient->emit, PLN_EW_LOG, a))));
    } else {
        return false;
    }
    return true;
}

static uint32_t swap_last(const struct gradient *gradient, uint32_t x)
{
    int64_t perm[PLN_MAX_RANK];
    const int rank = pln_emit_need_rank(gradient->emit, x);
    for (int d = 0; d < rank; d++) perm[d] = d < rank - 2 ? d : 2 * rank - 3 - d;
    return pln_emit_transpose(gradient->emit, x, perm, (uint32_t)rank);
}

static bool through_matmul(struct gradient *gradient, const struct pln_node *node, uint32_t dy)
{
    const uint32_t a = node->inputs[0], b = node->inputs[1];
    if (type_of(gradient, a)->rank < 2 || type_of(gradient, b)->rank < 2) return false;
    add(gradient, a, pln_emit_matmul(gradient->emit, dy, swap_last(gradient, b)));
    add(gradient, b, pln_emit_matmul(gradient->emit, swap_last(gradient, a), dy));
    return true;
}

/* Sums and means: the derivative is the same for all elements of a group. */
static bool through_reduce(struct gradient *gradient, uint32_t id, uint32_t dy)
{
    struct pln_emit *emit = gradient->emit;
    const struct pln_node *node = pln_graph_node(emit->graph, id);
    const uint32_t x = node->inputs[0], y = node->outputs[0], axes = node->n_inputs > 1 ? node->inputs[1] : PLN_NONE;
    const bool mean = node->kind == PLN_REDUCE_MEAN;
    if ((!mean && node->kind != PLN_REDUCE_SUM) || pln_node_int(emit->graph, id, "noop_with_empty_axes")) return false;
    if (!pln_node_int(emit->graph, id, "keepdims")) {
        const uint32_t ones = pln_emit_reduce(emit, PLN_REDUCE_SUM, x, axes, true); /* only its shape is looked at */
        dy = pln_emit_reshape_as(emit, dy, pln_emit_shape(emit, ones));
    }
    uint32_t wide = pln_emit_expand(emit, dy, pln_emit_shape(emit, x));
    if (mean) {
        uint32_t all = pln_emit_reduce(emit, PLN_REDUCE_PROD, pln_emit_shape(emit, x), PLN_NONE, false), kept = pln_emit_reduce(emit, PLN_REDUCE_PROD, pln_emit_shape(emit, y), PLN_NONE, false);
        wide = ew2(gradient, PLN_EW_DIV, wide, pln_emit_cast(emit, ew2(gradient, PLN_EW_DIV, all, kept), pln_emit_dtype(emit, x)));
    }
    add(gradient, x, wide);
    return true;
}

/* With z = (x - mean) / deviation and g = dy * scale: dx = (g - mean(g) - z * mean(g * z)) / deviation. */
static bool through_instance_norm(struct gradient *gradient, uint32_t id, uint32_t dy)
{
    struct pln_emit *emit = gradient->emit;
    const struct pln_node node = *pln_graph_node(emit->graph, id);
    const uint32_t x = node.inputs[0], scale = node.inputs[1], bias = node.inputs[2];
    const double epsilon = (double)pln_node_float(emit->graph, id, "epsilon");
    const int rank = type_of(gradient, x)->rank;
    int64_t inner[PLN_MAX_RANK], others[PLN_MAX_RANK] = { 0 }, behind[PLN_MAX_RANK];
    if (rank < 3) return false;
    for (int d = 2; d < rank; d++) {
        inner[d - 2] = others[d - 1] = d;
        behind[d - 2] = d - 1;
    }
    const uint32_t row = pln_emit_const_ints(emit, inner, (uint32_t)rank - 2), all = pln_emit_const_ints(emit, others, (uint32_t)rank - 1);
    const uint32_t distance = ew2(gradient, PLN_EW_SUB, x, pln_emit_reduce(emit, PLN_REDUCE_MEAN, x, row, true));
    const uint32_t variance = pln_emit_reduce(emit, PLN_REDUCE_MEAN, ew2(gradient, PLN_EW_MUL, distance, distance), row, true);
    const uint32_t deviation = pln_emit_ew1(emit, PLN_EW_SQRT, ew2(gradient, PLN_EW_ADD, variance, number(gradient, x, epsilon))), z = ew2(gradient, PLN_EW_DIV, distance, deviation);
    const uint32_t g = ew2(gradient, PLN_EW_MUL, dy, pln_emit_unsqueeze(emit, scale, pln_emit_const_ints(emit, behind, (uint32_t)rank - 2)));
    const uint32_t along = ew2(gradient, PLN_EW_MUL, z, pln_emit_reduce(emit, PLN_REDUCE_MEAN, ew2(gradient, PLN_EW_MUL, g, z), row, true));
    const uint32_t across = ew2(gradient, PLN_EW_SUB, g, pln_emit_reduce(emit, PLN_REDUCE_MEAN, g, row, true));
    add(gradient, x, ew2(gradient, PLN_EW_DIV, ew2(gradient, PLN_EW_SUB, across, along), deviation));
    add(gradient, scale, pln_emit_reduce(emit, PLN_REDUCE_SUM, ew2(gradient, PLN_EW_MUL, dy, z), all, false));
    add(gradient, bias, pln_emit_reduce(emit, PLN_REDUCE_SUM, dy, all, false));
    return true;
}

static bool through_transpose(struct gradient *gradient, const struct pln_node *node, uint32_t dy)
{
    const int64_t *perm;
    int64_t back[PLN_MAX_RANK], n = pln_attrs_ints(&node->attrs, "perm", &perm);
    const int rank = pln_emit_need_rank(gradient->emit, node->inputs[0]);
    for (int d = 0; d < rank; d++) back[n == rank ? perm[d] : rank - 1 - d] = d;
    add(gradient, node->inputs[0], pln_emit_transpose(gradient->emit, dy, back, (uint32_t)rank));
    return true;
}

static bool through_node(struct gradient *gradient, uint32_t id, uint32_t dy)
{
    struct pln_emit *emit = gradient->emit;
    struct pln_node node = *pln_graph_node(emit->graph, id); /* new nodes may move it */
    if (node.op == PLN_OP_ELEMENTWISE) return through_elementwise(gradient, &node, dy);
    if (node.op == PLN_OP_MATMUL) return through_matmul(gradient, &node, dy);
    if (node.op == PLN_OP_REDUCE) return through_reduce(gradient, id, dy);
    if (node.op == PLN_OP_INSTANCE_NORM) return through_instance_norm(gradient, id, dy);
    if (node.op == PLN_OP_TRANSPOSE) return through_transpose(gradient, &node, dy);
    if (!(pln_op_get(node.op)->traits & PLN_TRAIT_VIEW)) return false;
    add(gradient, node.inputs[0], pln_emit_reshape_as(emit, dy, pln_emit_shape(emit, node.inputs[0])));
    return true;
}

/* ---- the operator ---- */

static uint32_t find(struct pln_emit *emit, const struct pln_string *name)
{
    uint32_t value = PLN_NONE;
    const char *text = pln_arena_text(emit->arena, name->data, name->size_bytes);
    if (text && pln_scope_find(emit->scope, text, &value) && value != PLN_NONE) return value;
    pln_emit_fail(emit, PLN_BAD_MODEL, "no node in front of this one computes '%s'", text ? text : "");
    return PLN_NONE;
}

/* What depends on xs, in the order of the block, up to y's own node. */
static uint32_t mark(struct gradient *gradient, uint32_t *nodes)
{
    const struct pln_graph *graph = gradient->emit->graph;
    uint32_t n = 0;
    for (uint32_t id = graph->blocks[gradient->emit->block].first; id != PLN_NONE; id = pln_graph_node(graph, id)->next) {
        const struct pln_node *node = pln_graph_node(graph, id);
        bool depends = false;
        for (uint32_t i = 0; i < node->n_inputs; i++) depends = depends || (node->inputs[i] != PLN_NONE && gradient->depends[node->inputs[i]]);
        for (uint32_t i = 0; depends && i < node->n_outputs; i++)
            if (node->outputs[i] != PLN_NONE) gradient->depends[node->outputs[i]] = true;
        if (depends) nodes[n++] = id;
    }
    return n;
}

static void go_back(struct gradient *gradient, const uint32_t *nodes, uint32_t n)
{
    struct pln_emit *emit = gradient->emit;
    while (n-- && emit->status == PLN_OK) {
        const struct pln_node *node = pln_graph_node(emit->graph, nodes[n]);
        bool is_wanted = false;
        for (uint32_t o = 0; o < node->n_outputs; o++) is_wanted = is_wanted || (node->outputs[o] != PLN_NONE && gradient->of[node->outputs[o]] != PLN_NONE);
        if (!is_wanted) continue;
        const char *name = pln_op_display(emit->graph, nodes[n]);
        if (node->n_outputs != 1 || !through_node(gradient, nodes[n], gradient->of[node->outputs[0]]))
            pln_emit_fail(emit, PLN_UNSUPPORTED, "the derivative of operator %s is not known", name);
    }
}

/* The value that is differentiated is looked up by its name, as are those it is differentiated by; the inputs must be these values. */
void pln_onnx_gradient(struct pln_emit *emit)
{
    struct gradient gradient = { .emit = emit, .n_values = emit->graph->n_values };
    const struct pln_onnx_attribute *xs = pln_emit_attr(emit, "xs", PLN_ONNX_ATTR_STRINGS), *y = pln_emit_attr(emit, "y", PLN_ONNX_ATTR_STRING);
    if (emit->status != PLN_OK) return;
    if (!xs || !y || xs->strings.count > emit->n_inputs || emit->n_outputs > xs->strings.count) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "xs must name as many values as there are outputs, and y one");
        return;
    }
    gradient.depends = pln_arena_array(emit->arena, gradient.n_values + 1, sizeof *gradient.depends);
    gradient.of = pln_arena_array(emit->arena, gradient.n_values + 1, sizeof *gradient.of);
    uint32_t *nodes = pln_arena_array(emit->arena, emit->graph->n_nodes + 1, sizeof *nodes);
    if (!gradient.depends || !gradient.of || !nodes) {
        emit->status = pln_fail_memory(emit->diag, "a gradient", 0);
        return;
    }
    for (size_t i = 0; i < gradient.n_values; i++) gradient.of[i] = PLN_NONE;
    const uint32_t value = find(emit, &y->s);
    for (uint32_t i = 0; i < xs->strings.count && emit->status == PLN_OK; i++) {
        if (find(emit, &xs->strings.items[i]) != pln_emit_need(emit, i)) pln_emit_fail(emit, PLN_UNSUPPORTED, "input %u is not the value that xs names; derivatives are taken where the values are", i);
        else gradient.depends[emit->inputs[i]] = true;
    }
    if (emit->status != PLN_OK) return;
    const uint32_t n = mark(&gradient, nodes);
    gradient.of[value] = pln_emit_expand(emit, number(&gradient, value, 1), pln_emit_shape(emit, value));
    go_back(&gradient, nodes, n);
    for (uint32_t i = 0; i < emit->n_outputs && emit->status == PLN_OK; i++) {
        const uint32_t x = emit->inputs[i];
        pln_emit_bind(emit, i, gradient.of[x] != PLN_NONE ? gradient.of[x] : pln_emit_expand(emit, number(&gradient, x, 0), pln_emit_shape(emit, x)));
    }
}
