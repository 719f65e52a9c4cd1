/* Attention as exporters write it out: softmax(q k' scale + mask) v.
 *
 * Taken are: scales before or behind the first product, or on both of its sides; a mask that is added, or selected against a constant by
 * Where; the guard of torch against rows that a mask shuts out; keys and values repeated for groups of heads by Expand; heads split off and
 * put together again by Reshape and Transpose, which the op does itself. The mask stays as it is. What rows give whose softmax is not a number,
 * with the guard and without, goes into the op's attribute undefined_rows. */
#include <math.h>
#include <string.h>

#include "passes/rewrite.h"

enum pln_status pln_pass_attention(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);

struct found {
    uint32_t q, kt, v; /* values: [b,h,s,d], [b,h,d,t], [b,h,t,e] */
    uint32_t mask;     /* added; PLN_NONE: none */
    uint32_t select;   /* Where: condition, and the node; PLN_NONE: none */
    bool select_keeps; /* true keeps the score */
    double low;        /* in the place of others */
    bool guarded;      /* weights that are NaN are taken as 0 */
    double scale;
};

static const struct pln_type *type_of(const struct pln_graph *graph, uint32_t value)
{
    return &pln_graph_value(graph, value)->type;
}

static uint32_t input(const struct pln_graph *graph, uint32_t node, uint32_t i)
{
    return i < pln_graph_node(graph, node)->n_inputs ? pln_graph_node(graph, node)->inputs[i] : PLN_NONE;
}

static bool one_number(const struct pln_graph *graph, uint32_t value, double *out)
{
    return value != PLN_NONE && type_of(graph, value)->rank <= 4 && pln_graph_scalar_f64(graph, value, out);
}

/* Takes multiplications with numbers off a value. */
static uint32_t strip_scale(const struct pln_graph *graph, uint32_t value, double *scale)
{
    for (int depth = 0; depth < 4; depth++) {
        uint32_t mul = pln_made_by_ew(graph, value, PLN_EW_MUL), div = pln_made_by_ew(graph, value, PLN_EW_DIV);
        double c;
        if (mul != PLN_NONE && one_number(graph, input(graph, mul, 1), &c)) {
            value = input(graph, mul, 0);
            *scale *= c;
        } else if (mul != PLN_NONE && one_number(graph, input(graph, mul, 0), &c)) {
            value = input(graph, mul, 1);
            *scale *= c;
        } else if (div != PLN_NONE && one_number(graph, input(graph, div, 1), &c) && c != 0) {
            value = input(graph, div, 0);
            *scale /= c;
        } else {
            break;
        }
    }
    return value;
}

/* ---- scores ---- */

static bool find_product(const struct pln_graph *graph, uint32_t scores, struct found *found)
{
    double scale = 1;
    uint32_t product = pln_made_by(graph, strip_scale(graph, scores, &scale), PLN_OP_MATMUL, 0);
    if (product == PLN_NONE || pln_attrs_has(&pln_graph_node(graph, product)->attrs, "epilogue")) return false;
    found->scale = scale;
    found->q = strip_scale(graph, input(graph, product, 0), &found->scale);
    found->kt = strip_scale(graph, input(graph, product, 1), &found->scale);
    return true;
}

/* Where against a number: scores are selected, not added to, so that those that are shut out may be anything. */
static bool find_selected(const struct pln_graph *graph, uint32_t scores, struct found *found)
{
    uint32_t where = pln_made_by_ew(graph, scores, PLN_EW_WHERE);
    if (where == PLN_NONE) return find_product(graph, scores, found);
    for (uint32_t side = 1; side <= 2; side++) {
        if (!one_number(graph, input(graph, where, 3 - side), &found->low) || !find_product(graph, input(graph, where, side), found)) continue;
        found->select = where;
        found->select_keeps = side == 1;
        return true;
    }
    return false;
}

static bool find_scores(const struct pln_graph *graph, uint32_t scores, struct found *found)
{
    found->mask = found->select = PLN_NONE;
    uint32_t add = pln_made_by_ew(graph, scores, PLN_EW_ADD);
    if (add == PLN_NONE) return find_selected(graph, scores, found);
    for (uint32_t side = 0; side < 2; side++) {
        if (!find_selected(graph, input(graph, add, side), found)) continue;
        if (!pln_constant_is(graph, input(graph, add, 1 - side), 0)) found->mask = input(graph, add, 1 - side);
        return found->mask == PLN_NONE || found->select == PLN_NONE;
    }
    return false;
}

/* The softmax behind a weight, without its guard; PLN_NONE: there is none. */
static uint32_t find_softmax(const struct pln_graph *graph, uint32_t weights, bool *out_guarded)
{
    *out_guarded = false;
    uint32_t where = pln_made_by_ew(graph, weights, PLN_EW_WHERE), softmax;
    if (where != PLN_NONE) {
        uint32_t isnan = pln_made_by_ew(graph, input(graph, where, 0), PLN_EW_ISNAN);
        if (isnan == PLN_NONE || input(graph, isnan, 0) != input(graph, where, 2) || !pln_constant_is(graph, input(graph, where, 1), 0)) return PLN_NONE;
        weights = input(graph, where, 2);
        *out_guarded = true;
    }
    softmax = pln_made_by(graph, weights, PLN_OP_SOFTMAX, PLN_SOFTMAX_SOFTMAX);
    int axis, rank = softmax == PLN_NONE ? -1 : type_of(graph, weights)->rank;
    if (rank != 4 || !pln_axis_normalize(pln_node_int(graph, softmax, "axis"), rank, &axis) || axis != rank - 1) return PLN_NONE;
    return softmax;
}

/* ---- operands ---- */

/* Transposed by perm, but never twice in a row. */
static uint32_t permuted(struct pln_rewrite *rw, uint32_t before, uint32_t x, const int64_t *perm, uint32_t from)
{
    uint32_t inner = pln_made_by(rw->graph, x, PLN_OP_TRANSPOSE, 0);
    int64_t first[PLN_MAX_RANK], both[4] = { perm[0], perm[1], perm[2], perm[3] };
    if (inner != PLN_NONE && pln_read_perm(rw->graph, inner, 4, first)) {
        x = input(rw->graph, inner, 0);
        for (int d = 0; d < 4; d++) both[d] = first[perm[d]];
    }
    if (both[0] == 0 && both[1] == 1 && both[2] == 2 && both[3] == 3) return x;
    return pln_rewrite_transpose(rw, before, x, both, 4, from);
}

/* [b,h,t,d] before its heads were repeated: [b,g,t,d], g a divisor of h. The value itself when they were not. */
static uint32_t before_repeat(struct pln_rewrite *rw, uint32_t before, uint32_t value, uint32_t from)
{
    struct pln_graph *graph = rw->graph;
    const struct pln_type *out = type_of(graph, value);
    uint32_t joined = pln_made_by(graph, value, PLN_OP_RESHAPE, 0);
    uint32_t expand = joined == PLN_NONE ? PLN_NONE : pln_made_by(graph, input(graph, joined, 0), PLN_OP_EXPAND, 0);
    if (expand == PLN_NONE) return value;
    const struct pln_type *wide = type_of(graph, input(graph, joined, 0)), *thin = type_of(graph, input(graph, expand, 0));
    int64_t groups, repeats, heads;
    if (out->rank != 4 || wide->rank != 5 || thin->rank != 5 || thin->dtype != out->dtype || !pln_dim_is(&graph->dims, thin->dims[2], 1)) return value;
    for (int d = 0; d < 5; d++) {
        if (d != 2 && !pln_dim_same(&graph->dims, thin->dims[d], wide->dims[d])) return value;
        if (d != 1 && d != 2 && !pln_dim_same(&graph->dims, thin->dims[d], out->dims[d < 2 ? d : d - 1])) return value;
    }
    if (!pln_dim_value(&graph->dims, thin->dims[1], &groups) || !pln_dim_value(&graph->dims, wide->dims[2], &repeats) || !pln_dim_value(&graph->dims, out->dims[1], &heads)) return value;
    if (heads != groups * repeats) return value;
    struct pln_dim dims[4] = { thin->dims[0], thin->dims[1], thin->dims[3], thin->dims[4] };
    uint32_t bare = pln_rewrite_shaped(rw, before, input(graph, expand, 0), 4, dims, from);
    return bare == PLN_NONE ? value : bare;
}

/* [b,h,s,d] as the [b,s,h d] that its heads were split from; PLN_NONE: it was not made so. */
static uint32_t before_split(struct pln_graph *graph, uint32_t value)
{
    int64_t perm[PLN_MAX_RANK], heads;
    uint32_t transpose = pln_made_by(graph, value, PLN_OP_TRANSPOSE, 0);
    if (transpose == PLN_NONE || !pln_read_perm(graph, transpose, 4, perm) || perm[0] != 0 || perm[1] != 2 || perm[2] != 1 || perm[3] != 3) return PLN_NONE;
    uint32_t reshape = pln_made_by(graph, input(graph, transpose, 0), PLN_OP_RESHAPE, 0);
    if (reshape == PLN_NONE || !pln_dim_value(&graph->dims, type_of(graph, value)->dims[1], &heads) || heads < 1) return PLN_NONE;
    const struct pln_type *split = type_of(graph, input(graph, transpose, 0)), *whole = type_of(graph, input(graph, reshape, 0));
    if (whole->rank != 3 || !pln_dim_same(&graph->dims, whole->dims[0], split->dims[0]) || !pln_dim_same(&graph->dims, whole->dims[1], split->dims[1])) return PLN_NONE;
    return input(graph, reshape, 0);
}

/* The reshape to [b,s,h e] that alone uses the result, through a transpose; PLN_NONE. */
static uint32_t joined_by(struct pln_graph *graph, uint32_t result)
{
    int64_t perm[PLN_MAX_RANK];
    uint32_t transpose = pln_graph_single_user(graph, result);
    if (transpose == PLN_NONE || pln_graph_node(graph, transpose)->op != PLN_OP_TRANSPOSE || !pln_read_perm(graph, transpose, 4, perm)) return PLN_NONE;
    if (perm[0] != 0 || perm[1] != 2 || perm[2] != 1 || perm[3] != 3) return PLN_NONE;
    uint32_t reshape = pln_graph_single_user(graph, pln_graph_node(graph, transpose)->outputs[0]);
    if (reshape == PLN_NONE || pln_graph_node(graph, reshape)->op != PLN_OP_RESHAPE || input(graph, reshape, 0) != pln_graph_node(graph, transpose)->outputs[0]) return PLN_NONE;
    const struct pln_type *out = type_of(graph, pln_graph_node(graph, reshape)->outputs[0]), *from = type_of(graph, input(graph, reshape, 0));
    if (out->rank != 3 || !pln_dim_same(&graph->dims, out->dims[0], from->dims[0]) || !pln_dim_same(&graph->dims, out->dims[1], from->dims[1])) return PLN_NONE;
    return reshape;
}

/* ---- checks ---- */

static bool shapes_fit(struct pln_graph *graph, const struct found *f)
{
    const struct pln_type *q = type_of(graph, f->q), *k = type_of(graph, f->kt), *v = type_of(graph, f->v);
    struct pln_dim_table *dims = &graph->dims;
    if (q->rank != 4 || k->rank != 4 || v->rank != 4 || q->dtype != PLN_F32 || k->dtype != PLN_F32 || v->dtype != PLN_F32) return false;
    for (int d = 0; d < 2; d++)
        if (!pln_dim_same(dims, q->dims[d], k->dims[d]) || !pln_dim_same(dims, q->dims[d], v->dims[d])) return false;
    return pln_dim_same(dims, q->dims[3], k->dims[2]) && pln_dim_same(dims, k->dims[3], v->dims[2]);
}

static bool mask_fits(const struct pln_graph *graph, uint32_t mask)
{
    const struct pln_type *type = type_of(graph, mask);
    return type->dtype != PLN_DTYPE_NONE && type->rank >= 0 && type->rank <= 4;
}

/* Along the keys a mask must be as long as these: a shorter one would be read as shutting out the rest. */
static uint32_t whole_mask(struct pln_rewrite *rw, uint32_t before, const struct found *f, uint32_t from)
{
    struct pln_graph *graph = rw->graph;
    const struct pln_type *type = type_of(graph, f->mask);
    if (type->rank > 0 && pln_dim_same(&graph->dims, type->dims[type->rank - 1], type_of(graph, f->kt)->dims[3])) return f->mask;
    uint32_t shape = pln_rewrite_insert(rw, before, PLN_OP_SHAPE, 0, &f->kt, 1, from);
    if (shape == PLN_NONE || !pln_attrs_set_int(&pln_graph_node(graph, shape)->attrs, &graph->arena, "start", 3) || !pln_rewrite_infer(rw, shape)) return PLN_NONE;
    return pln_rewrite_emit(rw, before, PLN_OP_EXPAND, 0, (uint32_t[]){ f->mask, pln_graph_node(graph, shape)->outputs[0] }, 2, from);
}

/* The condition of a Where as a mask of bools: true keeps the score. */
static uint32_t mask_of_select(struct pln_rewrite *rw, uint32_t before, const struct found *f)
{
    uint32_t condition = input(rw->graph, f->select, 0);
    return f->select_keeps ? condition : pln_rewrite_emit(rw, before, PLN_OP_ELEMENTWISE, PLN_EW_NOT, &condition, 1, f->select);
}

/* ---- putting it together ---- */

static bool set_attrs(struct pln_graph *graph, uint32_t node, const struct found *f, int64_t q_heads, int64_t kv_heads)
{
    struct pln_attrs *attrs = &pln_graph_node(graph, node)->attrs;
    const char *rows = f->guarded ? "guarded" : "softmax";
    bool good = pln_attrs_set_float(attrs, &graph->arena, "scale", (float)f->scale) && pln_attrs_set_string(attrs, &graph->arena, "undefined_rows", rows, strlen(rows));
    if (f->select != PLN_NONE && f->low != -(double)INFINITY) good = good && pln_attrs_set_float(attrs, &graph->arena, "masked_score", (float)f->low);
    if (q_heads > 0) good = good && pln_attrs_set_int(attrs, &graph->arena, "q_num_heads", q_heads) && pln_attrs_set_int(attrs, &graph->arena, "kv_num_heads", kv_heads);
    return good;
}

static void inherit_all(struct pln_graph *graph, uint32_t node, const uint32_t *from, int n)
{
    for (int i = 0; i < n; i++)
        if (from[i] != PLN_NONE) (void)pln_graph_node_inherit(graph, node, from[i]);
}

static bool attend(struct pln_rewrite *rw, uint32_t product, uint32_t softmax, struct found *f)
{
    struct pln_graph *graph = rw->graph;
    uint32_t result = pln_graph_node(graph, product)->outputs[0], joined = joined_by(graph, result), before = product;
    const int64_t swap[4] = { 0, 1, 3, 2 };
    bool masked = f->mask != PLN_NONE || f->select != PLN_NONE;
    if (f->select != PLN_NONE) f->mask = mask_of_select(rw, before, f);
    if (f->mask != PLN_NONE) f->mask = whole_mask(rw, before, f, product);
    if (masked && f->mask == PLN_NONE) return false;
    uint32_t k = permuted(rw, before, f->kt, swap, product), bare = k == PLN_NONE ? PLN_NONE : before_repeat(rw, before, k, product);
    if (k == PLN_NONE) return false;
    uint32_t v = before_repeat(rw, before, f->v, product);
    bool grouped = bare != k && v != f->v && pln_dim_same(&graph->dims, type_of(graph, bare)->dims[1], type_of(graph, v)->dims[1]);
    if (grouped) k = bare;
    else v = f->v;
    int64_t q_heads = 0, kv_heads = 0;
    uint32_t q = f->q, whole[3] = { before_split(graph, q), before_split(graph, k), before_split(graph, v) };
    bool flat = joined != PLN_NONE && whole[0] != PLN_NONE && whole[1] != PLN_NONE && whole[2] != PLN_NONE;
    if (flat) flat = pln_dim_value(&graph->dims, type_of(graph, q)->dims[1], &q_heads) && pln_dim_value(&graph->dims, type_of(graph, k)->dims[1], &kv_heads);
    if (!flat) q_heads = kv_heads = 0;
    uint32_t inputs[4] = { flat ? whole[0] : q, flat ? whole[1] : k, flat ? whole[2] : v, f->mask };
    uint32_t old = flat ? joined : product;
    uint32_t made = pln_rewrite_insert(rw, old, PLN_OP_ATTENTION, 0, inputs, f->mask == PLN_NONE ? 3 : 4, product);
    if (made == PLN_NONE || !set_attrs(graph, made, f, q_heads, kv_heads) || !pln_rewrite_infer(rw, made)) return false;
    inherit_all(graph, made, (uint32_t[]){ softmax, old, pln_graph_value(graph, input(graph, softmax, 0))->producer, f->select }, 4);
    return pln_rewrite_replace(rw, old, made);
}

static bool rule(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    struct found f = { .scale = 1 };
    if (pln_graph_node(graph, node)->op != PLN_OP_MATMUL || pln_attrs_has(&pln_graph_node(graph, node)->attrs, "epilogue")) return false;
    uint32_t softmax = find_softmax(graph, input(graph, node, 0), &f.guarded);
    if (softmax == PLN_NONE || !find_scores(graph, input(graph, softmax, 0), &f)) return false;
    f.v = input(graph, node, 1);
    if (!shapes_fit(graph, &f)) return false;
    if (f.mask != PLN_NONE && !mask_fits(graph, f.mask)) return false;
    if (f.select != PLN_NONE && !mask_fits(graph, input(graph, f.select, 0))) return false;
    return attend(rw, node, softmax, &f);
}

enum pln_status pln_pass_attention(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    (void)diag;
    return pln_rewrite_run(graph, scratch, rule, out_changed);
}
