/* Scales and offsets of channels, by constants, go into the weights and bias of the convolution or product in front of them; batch
 * normalization is such a scale and offset. Computed in double, rounded once.
 *
 * Where nothing in front takes it, batch normalization becomes a multiplication and an addition, which epilogues and row programs take. */
#include <math.h>

#include "passes/rewrite.h"
#include "tensor/convert.h"

enum pln_status pln_pass_affine(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);

/* y = scale x + shift for each channel; NULL: 1, or 0. */
struct map {
    int64_t n;
    double *scale, *shift;
};

static const struct pln_type *type_of(const struct pln_graph *graph, uint32_t value)
{
    return &pln_graph_value(graph, value)->type;
}

static uint32_t input(const struct pln_graph *graph, uint32_t node, uint32_t i)
{
    return i < pln_graph_node(graph, node)->n_inputs ? pln_graph_node(graph, node)->inputs[i] : PLN_NONE;
}

static double *numbers(struct pln_rewrite *rw, int64_t n, double value)
{
    double *list = pln_arena_array(rw->scratch, (size_t)n, sizeof *list);
    for (int64_t i = 0; list && i < n; i++) list[i] = value;
    if (!list) rw->graph->failed = true;
    return list;
}

/* ---- reading maps ---- */

static bool read_batch_norm(struct pln_rewrite *rw, uint32_t node, struct map *map)
{
    const struct pln_graph *graph = rw->graph;
    const struct pln_tensor *p[4];
    if (pln_node_int(graph, node, "training_mode") != 0 || pln_graph_node(graph, node)->n_outputs != 1) return false;
    for (uint32_t i = 0; i < 4; i++) {
        p[i] = pln_graph_value(graph, input(graph, node, i + 1))->data;
        if (!p[i] || p[i]->rank != 1 || p[i]->dims[0] != p[0]->dims[0]) return false;
    }
    map->n = p[0]->dims[0];
    map->scale = numbers(rw, map->n, 1);
    map->shift = numbers(rw, map->n, 0);
    if (!map->scale || !map->shift) return false;
    for (int64_t c = 0; c < map->n; c++) {
        double var = pln_load_f64(p[3]->dtype, p[3]->data, c) + (double)pln_node_float(graph, node, "epsilon");
        map->scale[c] = pln_load_f64(p[0]->dtype, p[0]->data, c) / sqrt(var);
        map->shift[c] = pln_load_f64(p[1]->dtype, p[1]->data, c) - pln_load_f64(p[2]->dtype, p[2]->data, c) * map->scale[c];
        if (!isfinite(map->scale[c]) || !isfinite(map->shift[c])) return false;
    }
    return true;
}

/* The constant as one number a channel; channel: which dim of `rank`, counted from the front. */
static double *read_channels(struct pln_rewrite *rw, const struct pln_tensor *data, int rank, int channel, int64_t n)
{
    int own = channel - (rank - data->rank);
    int64_t count = pln_tensor_count(data);
    if (data->rank > rank || (count != 1 && (own < 0 || data->dims[own] != n || count != n))) return NULL;
    double *list = numbers(rw, n, 0);
    for (int64_t c = 0; list && c < n; c++) {
        list[c] = pln_load_f64(data->dtype, data->data, count == 1 ? 0 : c);
        if (!isfinite(list[c])) return NULL;
    }
    return list;
}

/* side: which input the map is of; the other one is the constant. */
static bool read_elementwise(struct pln_rewrite *rw, uint32_t node, uint32_t side, int channel, struct map *map)
{
    const struct pln_graph *graph = rw->graph;
    unsigned kind = pln_graph_node(graph, node)->kind;
    if (kind != PLN_EW_ADD && kind != PLN_EW_SUB && kind != PLN_EW_MUL && kind != PLN_EW_DIV) return false;
    const struct pln_tensor *data = pln_graph_value(graph, input(graph, node, 1 - side))->data;
    int rank = type_of(graph, input(graph, node, side))->rank;
    double *list = data ? read_channels(rw, data, rank, channel, map->n) : NULL;
    if (!list || (kind == PLN_EW_DIV && side == 1)) return false;
    for (int64_t c = 0; c < map->n; c++) {
        if (kind == PLN_EW_DIV && list[c] == 0) return false;
        if (kind == PLN_EW_DIV) list[c] = 1 / list[c];
        if (kind == PLN_EW_SUB && side == 0) list[c] = -list[c];
    }
    if (kind == PLN_EW_ADD || kind == PLN_EW_SUB) map->shift = list;
    else map->scale = list;
    if (kind == PLN_EW_SUB && side == 1) map->scale = numbers(rw, map->n, -1);
    return true;
}

/* ---- writing them into weights ---- */

/* Where the output channels lie in a weight: index c of element i is i / inner % n, or through groups for transposed convolutions. */
struct layout {
    int64_t n;       /* output channels */
    int64_t inner;   /* elements behind the channel's dim */
    int64_t groups;  /* transposed convolution: input channels of a group come in front */
    int64_t block;   /* elements of a group */
};

static bool channels_of(const struct pln_graph *graph, uint32_t node, const struct pln_tensor *weight, struct layout *out)
{
    const struct pln_node *n = pln_graph_node(graph, node);
    *out = (struct layout){ .inner = 1, .groups = 1, .block = INT64_MAX };
    if (n->op == PLN_OP_MATMUL || n->op == PLN_OP_GEMM) {
        bool transposed = n->op == PLN_OP_GEMM && pln_node_int(graph, node, "transB") != 0;
        if (weight->rank != 2) return false;
        out->n = weight->dims[transposed ? 0 : 1];
        if (transposed) out->inner = weight->dims[1];
        return true;
    }
    if (weight->rank < 3) return false;
    for (int d = 2; d < weight->rank; d++) out->inner *= weight->dims[d];
    if (n->op == PLN_OP_CONV) {
        out->n = weight->dims[0];
        out->inner *= weight->dims[1];
        return true;
    }
    out->groups = pln_node_int(graph, node, "group");
    if (out->groups < 1 || weight->dims[0] % out->groups != 0) return false;
    out->n = weight->dims[1] * out->groups;
    out->block = weight->dims[0] / out->groups * weight->dims[1] * out->inner;
    return true;
}

static int64_t channel_at(const struct layout *layout, int64_t i)
{
    if (layout->block == INT64_MAX) return i / layout->inner % layout->n;
    int64_t each = layout->n / layout->groups;
    return i / layout->block * each + i / layout->inner % each;
}

static bool scale_weight(struct pln_rewrite *rw, uint32_t node, const struct layout *layout, const double *scale)
{
    uint32_t old = input(rw->graph, node, 1), made;
    const struct pln_tensor data = *pln_graph_value(rw->graph, old)->data;
    void *to = pln_rewrite_constant(rw, pln_graph_value(rw->graph, old)->name, data.dtype, data.rank, data.dims, &made);
    int64_t count = pln_tensor_count(&data);
    if (!to) return false;
    for (int64_t i = 0; i < count; i++) pln_store_f64(data.dtype, to, i, pln_load_f64(data.dtype, data.data, i) * scale[channel_at(layout, i)], false);
    pln_graph_set_input(rw->graph, node, 1, made);
    return true;
}

/* The bias that is there, as a number a channel; NULL: one that does not fit. */
static double *read_bias(struct pln_rewrite *rw, uint32_t node, int64_t n)
{
    const struct pln_graph *graph = rw->graph;
    uint32_t bias = input(graph, node, 2);
    if (bias == PLN_NONE) return numbers(rw, n, 0);
    const struct pln_tensor *data = pln_graph_value(graph, bias)->data;
    int rank = pln_graph_node(graph, node)->op == PLN_OP_GEMM ? 2 : 1;
    double *list = data ? read_channels(rw, data, rank, rank - 1, n) : NULL;
    double beta = rank == 2 ? (double)pln_node_float(graph, node, "beta") : 1;
    for (int64_t c = 0; list && c < n; c++) list[c] *= beta;
    return list;
}

static bool write_bias(struct pln_rewrite *rw, uint32_t node, enum pln_dtype dtype, int64_t n, const double *bias)
{
    struct pln_graph *graph = rw->graph;
    uint32_t old = input(graph, node, 2), made;
    void *to = pln_rewrite_constant(rw, old == PLN_NONE ? NULL : pln_graph_value(graph, old)->name, dtype, 1, &n, &made);
    if (!to) return false;
    for (int64_t c = 0; c < n; c++) pln_store_f64(dtype, to, c, bias[c], false);
    if (pln_graph_node(graph, node)->n_inputs > 2) pln_graph_set_input(graph, node, 2, made);
    else if (!pln_graph_append_input(graph, node, made)) return false;
    if (pln_graph_node(graph, node)->op != PLN_OP_GEMM) return true;
    pln_attrs_remove(&pln_graph_node(graph, node)->attrs, "beta");
    return true;
}

/* The node whose weights can take a map of `value`; PLN_NONE: none. */
static uint32_t taker(const struct pln_graph *graph, uint32_t value, uint32_t user)
{
    uint32_t node = pln_graph_value(graph, value)->producer;
    if (node == PLN_NONE || pln_graph_single_user(graph, value) != user) return PLN_NONE;
    const struct pln_node *n = pln_graph_node(graph, node);
    if (n->op != PLN_OP_CONV && n->op != PLN_OP_CONV_TRANSPOSE && n->op != PLN_OP_GEMM && n->op != PLN_OP_MATMUL) return PLN_NONE;
    if (pln_attrs_has(&n->attrs, "epilogue") || n->block != pln_graph_node(graph, user)->block) return PLN_NONE;
    const struct pln_tensor *weight = pln_graph_value(graph, n->inputs[1])->data;
    bool good = weight && (weight->dtype == PLN_F32 || weight->dtype == PLN_F64) && pln_used_once(graph, n->inputs[1]);
    return good && type_of(graph, value)->rank >= 2 ? node : PLN_NONE;
}

static int channel_dim(const struct pln_graph *graph, uint32_t node)
{
    unsigned op = pln_graph_node(graph, node)->op;
    return op == PLN_OP_MATMUL || op == PLN_OP_GEMM ? type_of(graph, pln_graph_node(graph, node)->outputs[0])->rank - 1 : 1;
}

static bool apply(struct pln_rewrite *rw, uint32_t node, const struct layout *layout, const struct map *map)
{
    struct pln_graph *graph = rw->graph;
    enum pln_dtype dtype = pln_graph_value(graph, input(graph, node, 1))->data->dtype;
    if (pln_graph_node(graph, node)->op == PLN_OP_MATMUL) return scale_weight(rw, node, layout, map->scale);
    bool biased = map->shift || input(graph, node, 2) != PLN_NONE;
    double *bias = biased ? read_bias(rw, node, map->n) : NULL;
    if (biased && !bias) return false;
    for (int64_t c = 0; biased && c < map->n; c++) bias[c] = bias[c] * (map->scale ? map->scale[c] : 1) + (map->shift ? map->shift[c] : 0);
    if (biased && !write_bias(rw, node, dtype, map->n, bias)) return false;
    return !map->scale || scale_weight(rw, node, layout, map->scale);
}

/* Folds the node, which maps input `side`, into what makes that. */
static bool fold_map(struct pln_rewrite *rw, uint32_t node, uint32_t side)
{
    struct pln_graph *graph = rw->graph;
    uint32_t x = input(graph, node, side), y = pln_graph_node(graph, node)->outputs[0], to = taker(graph, x, node);
    struct layout layout;
    struct map map = { 0 };
    if (to == PLN_NONE || !pln_same_type(graph, x, y) || pln_graph_value(graph, y)->tapped) return false;
    if (!channels_of(graph, to, pln_graph_value(graph, input(graph, to, 1))->data, &layout)) return false;
    map.n = layout.n;
    bool batch_norm = pln_graph_node(graph, node)->op == PLN_OP_BATCH_NORM;
    if (batch_norm ? !read_batch_norm(rw, node, &map) || map.n != layout.n || channel_dim(graph, to) != 1 : !read_elementwise(rw, node, side, channel_dim(graph, to), &map)) return false;
    /* A product has no place for an offset; its epilogue has. */
    if (pln_graph_node(graph, to)->op == PLN_OP_MATMUL && (map.shift || !map.scale)) return false;
    return apply(rw, to, &layout, &map) && pln_rewrite_forward(rw, node, 0, x);
}

/* scale x + shift, with constants of shape [c,1,…]. */
static bool expand_batch_norm(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    uint32_t x = input(graph, node, 0), constants[2];
    const struct pln_type *type = type_of(graph, x);
    int64_t dims[PLN_MAX_RANK];
    struct map map = { 0 };
    enum pln_dtype dtype = type->dtype;
    int rank = type->rank;
    if ((dtype != PLN_F32 && dtype != PLN_F64) || rank < 2 || !read_batch_norm(rw, node, &map)) return false;
    dims[0] = map.n;
    for (int d = 1; d < rank - 1; d++) dims[d] = 1;
    for (int i = 0; i < 2; i++) {
        void *to = pln_rewrite_constant(rw, NULL, dtype, rank - 1, dims, &constants[i]);
        if (!to) return false;
        for (int64_t c = 0; c < map.n; c++) pln_store_f64(dtype, to, c, i == 0 ? map.scale[c] : map.shift[c], false);
    }
    uint32_t scaled = pln_rewrite_emit(rw, node, PLN_OP_ELEMENTWISE, PLN_EW_MUL, (uint32_t[]){ x, constants[0] }, 2, node);
    if (scaled == PLN_NONE) return false;
    uint32_t made = pln_rewrite_insert(rw, node, PLN_OP_ELEMENTWISE, PLN_EW_ADD, (uint32_t[]){ scaled, constants[1] }, 2, node);
    return made != PLN_NONE && pln_rewrite_infer(rw, made) && pln_rewrite_replace(rw, node, made);
}

/* alpha of a gemm whose weights are constant goes into these. */
static bool fold_alpha(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    double alpha = (double)pln_node_float(graph, node, "alpha");
    const struct pln_tensor *weight = pln_graph_value(graph, input(graph, node, 1))->data;
    struct layout layout;
    if (alpha == 1 || !isfinite(alpha) || !weight || (weight->dtype != PLN_F32 && weight->dtype != PLN_F64) || !pln_used_once(graph, input(graph, node, 1))) return false;
    if (!channels_of(graph, node, weight, &layout)) return false;
    double *scale = numbers(rw, layout.n, alpha);
    if (!scale || !scale_weight(rw, node, &layout, scale)) return false;
    pln_attrs_remove(&pln_graph_node(graph, node)->attrs, "alpha");
    return true;
}

static bool rule(struct pln_rewrite *rw, uint32_t node)
{
    const struct pln_node *n = pln_graph_node(rw->graph, node);
    if (n->op == PLN_OP_GEMM) return fold_alpha(rw, node);
    if (n->op == PLN_OP_BATCH_NORM) return fold_map(rw, node, 0) || expand_batch_norm(rw, node);
    if (n->op != PLN_OP_ELEMENTWISE || n->n_inputs != 2) return false;
    return fold_map(rw, node, 0) || fold_map(rw, node, 1);
}

enum pln_status pln_pass_affine(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    (void)diag;
    return pln_rewrite_run(graph, scratch, rule, out_changed);
}
