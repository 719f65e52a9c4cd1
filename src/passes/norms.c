/* Instance normalization over channels as the model has them.
 *
 * Exporters know no normalization of groups: they reshape images [n,c,…] to [n,groups,rest], normalize these with a scale of 1 and an offset of 0, reshape
 * back, then scale and move each channel. That becomes one node on the images themselves, which keep the order in which they are stored. */
#include <math.h>

#include "passes/rewrite.h"
#include "tensor/convert.h"

enum pln_status pln_pass_norms(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);

/* Kernels know images of as many axes; what has more becomes [n,c,rest]. */
#define RANK_MOST 5

static const struct pln_type *type_of(const struct pln_graph *graph, uint32_t value)
{
    return &pln_graph_value(graph, value)->type;
}

/* f32, known dims but for extents, and parameters [c]. */
static bool is_plain_norm(struct pln_graph *graph, uint32_t node)
{
    if (node == PLN_NONE || pln_graph_node(graph, node)->op != PLN_OP_INSTANCE_NORM || pln_attrs_has(&pln_graph_node(graph, node)->attrs, "epilogue")) return false;
    const struct pln_node *n = pln_graph_node(graph, node);
    const struct pln_type *x = type_of(graph, n->inputs[0]);
    return x->dtype == PLN_F32 && x->rank >= 2 && type_of(graph, n->inputs[1])->rank == 1 && type_of(graph, n->inputs[2])->rank == 1 && pln_same_type(graph, n->inputs[0], n->outputs[0]);
}

/* Inserts a normalization like `like` before a node. PLN_NONE: it does not fit. */
static uint32_t insert_norm(struct pln_rewrite *rw, uint32_t before, uint32_t like, const uint32_t *inputs, int64_t groups)
{
    struct pln_graph *graph = rw->graph;
    for (int i = 0; i < 3; i++)
        if (inputs[i] == PLN_NONE) return PLN_NONE;
    const uint32_t made = pln_rewrite_insert(rw, before, PLN_OP_INSTANCE_NORM, 0, inputs, 3, like);
    if (made == PLN_NONE) return PLN_NONE;
    struct pln_attrs *attrs = &pln_graph_node(graph, made)->attrs;
    if (!pln_attrs_copy(attrs, &graph->arena, &pln_graph_node(graph, like)->attrs) || (groups > 0 && !pln_attrs_set_int(attrs, &graph->arena, "groups", groups))) return PLN_NONE;
    return pln_rewrite_infer(rw, made) ? made : PLN_NONE;
}

/* ---- groups ---- */

/* Element i of n: of the parameter that has one for so many of them. */
static uint32_t repeat_each(struct pln_rewrite *rw, uint32_t parameter, int64_t n)
{
    const struct pln_tensor *data = pln_graph_value(rw->graph, parameter)->data;
    uint32_t made;
    float *list = pln_rewrite_constant(rw, NULL, PLN_F32, 1, &n, &made);
    if (!list) return PLN_NONE;
    const int64_t times = n / data->dims[0];
    for (int64_t i = 0; i < n; i++) list[i] = (float)pln_load_f64(data->dtype, data->data, i / times);
    return made;
}

/* A reshape of what is normalized as [n,groups,…], itself a reshape. */
static bool widen_groups(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    const uint32_t z = pln_graph_node(graph, node)->inputs[0], norm = pln_made_by(graph, z, PLN_OP_INSTANCE_NORM, 0);
    if (!is_plain_norm(graph, norm) || !pln_used_once(graph, z)) return false;
    const struct pln_node *n = pln_graph_node(graph, norm);
    const struct pln_type to = *type_of(graph, pln_graph_node(graph, node)->outputs[0]), from = *type_of(graph, z);
    const struct pln_tensor *scale = pln_graph_value(graph, n->inputs[1])->data, *bias = pln_graph_value(graph, n->inputs[2])->data;
    int64_t c, channels;
    if (!scale || !bias || to.kind != PLN_TENSOR || to.rank < 2 || to.rank > RANK_MOST || !pln_dim_same(&graph->dims, to.dims[0], from.dims[0]) || !pln_dim_value(&graph->dims, to.dims[1], &c) ||
        !pln_dim_value(&graph->dims, from.dims[1], &channels) || channels < 1 || c < channels || c % channels != 0 || pln_made_by(graph, n->inputs[0], PLN_OP_RESHAPE, 0) == PLN_NONE)
        return false;
    const int64_t groups = pln_node_int(graph, norm, "groups");
    const uint32_t parameters[2] = { n->inputs[1], n->inputs[2] };
    const uint32_t x = pln_rewrite_shaped(rw, node, n->inputs[0], to.rank, to.dims, norm);
    if (x == PLN_NONE) return false;
    const uint32_t inputs[3] = { x, repeat_each(rw, parameters[0], c), repeat_each(rw, parameters[1], c) };
    const uint32_t made = insert_norm(rw, node, norm, inputs, groups > 0 ? groups : c > channels ? channels : 0);
    return made != PLN_NONE && pln_rewrite_replace(rw, node, made);
}

/* ---- scale and offset behind it ---- */

/* A finite constant with one number for all, or for each channel of [n,c,…]; *out_step: 0 or 1. NULL: it is none. */
static const struct pln_tensor *constant_of_channels(const struct pln_graph *graph, uint32_t value, int rank, int64_t c, int64_t *out_step)
{
    const struct pln_tensor *data = pln_graph_value(graph, value)->data;
    const int64_t count = data ? pln_tensor_count(data) : 0;
    if (!data || data->dtype != PLN_F32 || data->rank > rank) return NULL;
    const int own = 1 - (rank - data->rank);
    if (count != 1 && (count != c || own < 0 || data->dims[own] != c)) return NULL;
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(((const float *)data->data)[i])) return NULL;
    *out_step = count != 1;
    return data;
}

static bool fold_function(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    const struct pln_node *own = pln_graph_node(graph, node);
    if (own->kind != PLN_EW_MUL && own->kind != PLN_EW_ADD) return false;
    const int side = is_plain_norm(graph, pln_made_by(graph, own->inputs[0], PLN_OP_INSTANCE_NORM, 0)) ? 0 : 1;
    const uint32_t z = own->inputs[side], other = own->inputs[1 - side], norm = pln_made_by(graph, z, PLN_OP_INSTANCE_NORM, 0);
    if (!is_plain_norm(graph, norm) || !pln_used_once(graph, z) || !pln_same_type(graph, z, own->outputs[0])) return false;
    const struct pln_node *n = pln_graph_node(graph, norm);
    int64_t c, steps[3], count;
    const struct pln_tensor *lists[3] = { NULL };
    if (!pln_dim_value(&graph->dims, type_of(graph, z)->dims[1], &c)) return false;
    count = c;
    lists[0] = constant_of_channels(graph, other, type_of(graph, z)->rank, c, &steps[0]);
    for (int i = 1; i < 3; i++) lists[i] = constant_of_channels(graph, n->inputs[i], 2, c, &steps[i]);
    if (!lists[0] || !lists[1] || !lists[2]) return false;
    const bool scales = own->kind == PLN_EW_MUL;
    uint32_t inputs[3] = { n->inputs[0], n->inputs[1], n->inputs[2] };
    float *scale = scales ? pln_rewrite_constant(rw, NULL, PLN_F32, 1, &count, &inputs[1]) : NULL, *bias = pln_rewrite_constant(rw, NULL, PLN_F32, 1, &count, &inputs[2]);
    if ((scales && !scale) || !bias) return false;
    for (int64_t i = 0; i < c; i++) {
        const double by = (double)((const float *)lists[0]->data)[i * steps[0]], old_scale = (double)((const float *)lists[1]->data)[i * steps[1]],
                     old_bias = (double)((const float *)lists[2]->data)[i * steps[2]];
        if (scales) scale[i] = (float)(old_scale * by);
        bias[i] = (float)(scales ? old_bias * by : old_bias + by);
    }
    const uint32_t made = insert_norm(rw, node, norm, inputs, pln_node_int(graph, norm, "groups"));
    return made != PLN_NONE && pln_rewrite_replace(rw, node, made);
}

/* ---- many axes ---- */

static bool flatten(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    if (!is_plain_norm(graph, node)) return false;
    const struct pln_node *n = pln_graph_node(graph, node);
    const uint32_t x = n->inputs[0], parameters[2] = { n->inputs[1], n->inputs[2] };
    const struct pln_type type = *type_of(graph, x);
    if (type.rank <= RANK_MOST) return false;
    struct pln_dim flat[3] = { type.dims[0], type.dims[1], pln_dim_product(&graph->dims, type.dims + 2, type.rank - 2) };
    const uint32_t inputs[3] = { pln_rewrite_reshape(rw, node, x, 3, flat, PLN_NONE, node), parameters[0], parameters[1] };
    const uint32_t made = insert_norm(rw, node, node, inputs, pln_node_int(graph, node, "groups")), shape = pln_rewrite_emit(rw, node, PLN_OP_SHAPE, 0, &x, 1, node);
    if (made == PLN_NONE) return false;
    const uint32_t back = pln_rewrite_reshape(rw, node, pln_graph_node(graph, made)->outputs[0], type.rank, type.dims, shape, node);
    return back != PLN_NONE && pln_rewrite_replace(rw, node, pln_graph_value(graph, back)->producer);
}

static bool rule(struct pln_rewrite *rw, uint32_t node)
{
    switch (pln_graph_node(rw->graph, node)->op) {
    case PLN_OP_RESHAPE: return widen_groups(rw, node);
    case PLN_OP_ELEMENTWISE: return fold_function(rw, node);
    case PLN_OP_INSTANCE_NORM: return flatten(rw, node);
    }
    return false;
}

enum pln_status pln_pass_norms(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    (void)diag;
    return pln_rewrite_run(graph, scratch, rule, out_changed);
}
