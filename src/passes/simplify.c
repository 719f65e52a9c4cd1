/* Nodes that do nothing, or nothing together with the one before them. */
#include <math.h>

#include "passes/rewrite.h"

enum pln_status pln_pass_simplify(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);

static const struct pln_type *type_of(const struct pln_graph *graph, uint32_t value)
{
    return &pln_graph_value(graph, value)->type;
}

static uint32_t input(const struct pln_graph *graph, uint32_t node, uint32_t i)
{
    return i < pln_graph_node(graph, node)->n_inputs ? pln_graph_node(graph, node)->inputs[i] : PLN_NONE;
}

static uint32_t output(const struct pln_graph *graph, uint32_t node)
{
    return pln_graph_node(graph, node)->outputs[0];
}

/* The op moves nothing where the shape stays as it is. */
static bool forward_if_same(struct pln_rewrite *rw, uint32_t node)
{
    uint32_t x = input(rw->graph, node, 0), y = output(rw->graph, node);
    return pln_same_type(rw->graph, x, y) && pln_rewrite_forward(rw, node, 0, x);
}

/* ---- casts ---- */

/* Bits of the numbers that a type holds exactly: integers up to 2^bits, signed or not; and does it hold every value of `from`? */
static bool holds(enum pln_dtype to, enum pln_dtype from)
{
    static const struct {
        enum pln_dtype dtype;
        int integer; /* every integer of so many bits */
    } rows[] = { { PLN_F16, 11 }, { PLN_BF16, 8 }, { PLN_F32, 24 }, { PLN_F64, 53 }, { PLN_I8, 7 },   { PLN_I16, 15 },
                 { PLN_I32, 31 }, { PLN_I64, 63 }, { PLN_U8, 8 },   { PLN_U16, 16 }, { PLN_U32, 32 }, { PLN_U64, 64 }, { PLN_BOOL, 1 } };
    int to_bits = -1, from_bits = -1;
    for (size_t i = 0; i < PLN_COUNT_OF(rows); i++) {
        if (rows[i].dtype == to) to_bits = rows[i].integer;
        if (rows[i].dtype == from) from_bits = rows[i].integer;
    }
    if (to == from) return true;
    if (to_bits < 0 || from_bits < 0 || to == PLN_BOOL) return false;
    if (pln_dtype_is_float(from)) return (to == PLN_F32 && from != PLN_F64) || to == PLN_F64;
    bool loses_sign = from != PLN_BOOL && pln_dtype_is_signed(from) && !pln_dtype_is_signed(to) && !pln_dtype_is_float(to);
    return !loses_sign && to_bits >= from_bits;
}

static bool simplify_cast(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    if (forward_if_same(rw, node)) return true;
    uint32_t before = pln_made_by(graph, input(graph, node, 0), PLN_OP_CAST, 0);
    enum pln_dtype to = type_of(graph, output(graph, node))->dtype;
    if (before == PLN_NONE || !holds(type_of(graph, input(graph, node, 0))->dtype, type_of(graph, input(graph, before, 0))->dtype)) return false;
    bool plain = holds(PLN_F64, to) || to == PLN_I64 || to == PLN_U64 || to == PLN_BOOL;
    if (!plain) return false;
    pln_graph_set_input(graph, node, 0, input(graph, before, 0));
    (void)pln_graph_node_inherit(graph, node, before);
    return true;
}

/* ---- views ---- */

/* Dims of `to` that make each dim of `from`: first[d] up to first[d + 1]; a dim of 1 may be made of none. false: some are joined. */
static bool split_groups(struct pln_graph *graph, const struct pln_type *from, const struct pln_type *to, int *first)
{
    int at = 0;
    for (int d = 0; d < from->rank; d++) {
        struct pln_dim product = pln_dim_const(&graph->dims, 1);
        first[d] = at;
        while (at < to->rank && !pln_dim_same(&graph->dims, product, from->dims[d])) product = pln_dim_mul(&graph->dims, product, to->dims[at++]);
        if (!pln_dim_same(&graph->dims, product, from->dims[d])) return false;
    }
    while (at < to->rank && pln_dim_is(&graph->dims, to->dims[at], 1)) at++;
    first[from->rank] = at;
    return at == to->rank;
}

/* Dims that are split behind a transpose can be split in front of it, where the reshape may meet another one. */
static bool split_first(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    int64_t perm[PLN_MAX_RANK], moved[PLN_MAX_RANK];
    int first[PLN_MAX_RANK + 1], place[PLN_MAX_RANK], n = 0, n_moved = 0;
    struct pln_dim dims[PLN_MAX_RANK];
    uint32_t x = input(graph, node, 0), transpose = pln_made_by(graph, x, PLN_OP_TRANSPOSE, 0);
    if (transpose == PLN_NONE) return false;
    const struct pln_type *from = type_of(graph, x), *to = type_of(graph, output(graph, node));
    int rank = from->rank;
    if (to->rank < 0 || !pln_read_perm(graph, transpose, rank, perm) || !split_groups(graph, from, to, first)) return false;
    for (int i = 0; i < rank; i++) { /* dims of the transpose's input in their order */
        int d = 0;
        while (perm[d] != i) d++;
        place[i] = n;
        for (int k = first[d]; k < first[d + 1]; k++) dims[n++] = to->dims[k];
    }
    for (int d = 0; d < rank; d++)
        for (int k = first[d]; k < first[d + 1]; k++) moved[n_moved++] = place[perm[d]] + k - first[d];
    uint32_t split = pln_rewrite_shaped(rw, node, input(graph, transpose, 0), n, dims, node);
    uint32_t made = split == PLN_NONE ? PLN_NONE : pln_rewrite_transpose(rw, node, split, moved, n, node);
    if (made == PLN_NONE) return false;
    (void)pln_graph_node_inherit(graph, pln_graph_value(graph, made)->producer, transpose);
    return pln_rewrite_replace(rw, node, pln_graph_value(graph, made)->producer);
}

static bool simplify_view(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    uint32_t x = input(graph, node, 0), y = output(graph, node);
    if (forward_if_same(rw, node) || split_first(rw, node)) return true;
    if (pln_graph_node(graph, node)->op == PLN_OP_RESHAPE && pln_rewrite_fix_shape(rw, node)) return true;
    uint32_t before = pln_graph_value(graph, x)->producer;
    if (before == PLN_NONE || pln_graph_value(graph, x)->producer_slot != 0 || !(pln_op_get(pln_graph_node(graph, before)->op)->traits & PLN_TRAIT_VIEW)) return false;
    uint32_t start = input(graph, before, 0);
    const struct pln_type *type = type_of(graph, y);
    if (!pln_same_count(graph, start, x)) return false; /* the run has to find that the shape between does not fit */
    if (type->rank < 0 || type_of(graph, start)->dtype != type->dtype) return false;
    if (pln_same_type(graph, start, y)) return pln_rewrite_forward(rw, node, 0, start);
    uint32_t hint = pln_graph_node(graph, node)->op == PLN_OP_RESHAPE ? input(graph, node, 1) : PLN_NONE;
    uint32_t made = pln_rewrite_reshape(rw, node, start, type->rank, type->dims, hint, node);
    if (made == PLN_NONE) return false;
    (void)pln_graph_node_inherit(graph, pln_graph_value(graph, made)->producer, before);
    return pln_rewrite_replace(rw, node, pln_graph_value(graph, made)->producer);
}

static bool simplify_transpose(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    const struct pln_type *type = type_of(graph, input(graph, node, 0));
    int rank = type->rank, moved = 0, last = -1;
    int64_t perm[PLN_MAX_RANK], first[PLN_MAX_RANK], both[PLN_MAX_RANK];
    if (rank < 0 || !pln_read_perm(graph, node, rank, perm)) return false;
    for (int d = 0; d < rank; d++) {
        if (perm[d] != d) moved++;
    }
    if (moved == 0) return pln_rewrite_forward(rw, node, 0, input(graph, node, 0));
    uint32_t before = pln_made_by(graph, input(graph, node, 0), PLN_OP_TRANSPOSE, 0);
    if (before != PLN_NONE && pln_read_perm(graph, before, rank, first)) {
        for (int d = 0; d < rank; d++) both[d] = first[perm[d]];
        if (!pln_attrs_set_ints(&pln_graph_node(graph, node)->attrs, &graph->arena, "perm", both, rank)) return false;
        pln_graph_set_input(graph, node, 0, input(graph, before, 0));
        (void)pln_graph_node_inherit(graph, node, before);
        return true;
    }
    /* Only dims of extent 1 change places: the elements stay in order. */
    bool ordered = true;
    for (int d = 0; d < rank; d++) {
        if (pln_dim_is(&graph->dims, type->dims[perm[d]], 1)) continue;
        ordered = ordered && perm[d] > last;
        last = (int)perm[d];
    }
    if (!ordered) return false;
    const struct pln_type *out = type_of(graph, output(graph, node));
    uint32_t made = pln_rewrite_reshape(rw, node, input(graph, node, 0), rank, out->dims, PLN_NONE, node);
    return made != PLN_NONE && pln_rewrite_replace(rw, node, pln_graph_value(graph, made)->producer);
}

/* With steps of 1, a slice of all elements starts at the first. */
static bool simplify_slice(struct pln_rewrite *rw, uint32_t node)
{
    int64_t steps[PLN_MAX_ELEMS], n = 0;
    uint32_t told = input(rw->graph, node, 4);
    if (told != PLN_NONE && !pln_known_ints(rw->graph, told, steps, &n)) return false;
    for (int64_t i = 0; i < n; i++)
        if (steps[i] != 1) return false;
    return forward_if_same(rw, node);
}

static bool all_are(const struct pln_graph *graph, uint32_t value, int64_t number)
{
    int64_t ints[PLN_MAX_ELEMS], n;
    if (!pln_known_ints(graph, value, ints, &n)) return false;
    for (int64_t i = 0; i < n; i++)
        if (ints[i] != number) return false;
    return true;
}

/* Parts without elements go, and so does a concat of what is left alone. */
static bool simplify_concat(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    uint32_t n = pln_graph_node(graph, node)->n_inputs, kept = 0;
    int rank = type_of(graph, output(graph, node))->rank, axis;
    if (n == 1) return forward_if_same(rw, node);
    if (rank < 1 || !pln_axis_normalize(pln_node_int(graph, node, "axis"), rank, &axis)) return false;
    uint32_t *inputs = pln_arena_array(rw->scratch, n, sizeof *inputs);
    if (!inputs) return false;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t part = input(graph, node, i);
        if (type_of(graph, part)->rank != rank) return false;
        if (!pln_dim_is(&graph->dims, type_of(graph, part)->dims[axis], 0)) inputs[kept++] = part;
    }
    if (kept == n || kept == 0) return false;
    uint32_t made = pln_rewrite_insert(rw, node, PLN_OP_CONCAT, 0, inputs, kept, node);
    if (made == PLN_NONE || !pln_attrs_set_int(&pln_graph_node(graph, made)->attrs, &graph->arena, "axis", axis) || !pln_rewrite_infer(rw, made)) return false;
    return pln_rewrite_replace(rw, node, made);
}

static bool simplify_split(struct pln_rewrite *rw, uint32_t node)
{
    return pln_graph_node(rw->graph, node)->n_outputs == 1 && forward_if_same(rw, node);
}

/* ---- elementwise ---- */

/* An operand that is expanded first, though another one has the full shape already. */
static bool skip_expand(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    uint32_t n = pln_graph_node(graph, node)->n_inputs;
    const struct pln_type *out = type_of(graph, output(graph, node));
    for (uint32_t i = 0; i < n && out->rank >= 0; i++) {
        uint32_t expand = pln_made_by(graph, input(graph, node, i), PLN_OP_EXPAND, 0);
        if (expand == PLN_NONE || type_of(graph, input(graph, expand, 0))->rank < 0) continue;
        bool covered = false;
        for (uint32_t k = 0; k < n; k++) covered = covered || (k != i && input(graph, node, k) != PLN_NONE && pln_same_dims(graph, type_of(graph, input(graph, node, k)), out));
        if (!covered) continue;
        pln_graph_set_input(graph, node, i, input(graph, expand, 0));
        (void)pln_graph_node_inherit(graph, node, expand);
        return true;
    }
    return false;
}

/* x op c with the one c that changes nothing. x - 0 and x + -0 keep the sign of zero; x + 0 would not. */
static bool is_neutral(const struct pln_graph *graph, unsigned kind, uint32_t c, bool on_the_right)
{
    enum pln_dtype dtype = type_of(graph, c)->dtype;
    if (kind == PLN_EW_MUL || kind == PLN_EW_AND) return pln_constant_is(graph, c, 1);
    if (kind == PLN_EW_DIV || kind == PLN_EW_POW) return on_the_right && pln_constant_is(graph, c, 1);
    if (kind == PLN_EW_SUB) return on_the_right && pln_constant_is(graph, c, 0);
    if (kind == PLN_EW_ADD) return pln_dtype_is_integer(dtype) && pln_constant_is(graph, c, 0);
    return kind == PLN_EW_OR && pln_constant_is(graph, c, 0);
}

static bool drop_neutral(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    if (pln_graph_node(graph, node)->n_inputs != 2) return false;
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t c = input(graph, node, i), x = input(graph, node, 1 - i);
        if (!pln_graph_value(graph, c)->data || !is_neutral(graph, pln_graph_node(graph, node)->kind, c, i == 1)) continue;
        if (pln_same_type(graph, x, output(graph, node)) && pln_rewrite_forward(rw, node, 0, x)) return true;
    }
    return false;
}

/* x^2 is x x, which is one rounding of the same number. */
static bool square(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    uint32_t x = input(graph, node, 0), power = input(graph, node, 1);
    if (pln_graph_node(graph, node)->kind != PLN_EW_POW || !pln_dtype_is_float(type_of(graph, x)->dtype) || !pln_constant_is(graph, power, 2)) return false;
    if (!pln_same_type(graph, x, output(graph, node))) return false;
    uint32_t made = pln_rewrite_insert(rw, node, PLN_OP_ELEMENTWISE, PLN_EW_MUL, (uint32_t[]){ x, x }, 2, node);
    return made != PLN_NONE && pln_rewrite_infer(rw, made) && pln_rewrite_replace(rw, node, made);
}

static bool simplify_where(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    uint32_t condition = input(graph, node, 0);
    for (uint32_t truth = 0; truth < 2; truth++) {
        if (!pln_constant_is(graph, condition, truth)) continue;
        uint32_t taken = input(graph, node, truth ? 1 : 2);
        return pln_same_type(graph, taken, output(graph, node)) && pln_rewrite_forward(rw, node, 0, taken);
    }
    return false;
}

static bool simplify_clip(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    uint32_t low = input(graph, node, 1), high = input(graph, node, 2);
    bool open = (low == PLN_NONE || pln_constant_is(graph, low, -(double)INFINITY)) && (high == PLN_NONE || pln_constant_is(graph, high, (double)INFINITY));
    return open && forward_if_same(rw, node);
}

static bool simplify_elementwise(struct pln_rewrite *rw, uint32_t node)
{
    unsigned kind = pln_graph_node(rw->graph, node)->kind;
    if (skip_expand(rw, node) || drop_neutral(rw, node) || square(rw, node)) return true;
    if (kind == PLN_EW_IDENTITY) return forward_if_same(rw, node);
    if (kind == PLN_EW_WHERE) return simplify_where(rw, node);
    return kind == PLN_EW_CLIP && simplify_clip(rw, node);
}

static bool rule(struct pln_rewrite *rw, uint32_t node)
{
    const struct pln_node *n = pln_graph_node(rw->graph, node);
    unsigned op = n->op;
    if (n->n_inputs == 0 || n->inputs[0] == PLN_NONE || n->n_outputs == 0 || n->outputs[0] == PLN_NONE) return false;
    if (op == PLN_OP_IDENTITY) return pln_rewrite_forward(rw, node, 0, n->inputs[0]);
    if (type_of(rw->graph, n->inputs[0])->kind != PLN_TENSOR) return false;
    if (op == PLN_OP_CAST) return simplify_cast(rw, node);
    if (op == PLN_OP_TRANSPOSE) return simplify_transpose(rw, node);
    if (op == PLN_OP_EXPAND) return forward_if_same(rw, node);
    if (op == PLN_OP_SLICE) return simplify_slice(rw, node);
    if (op == PLN_OP_CONCAT) return simplify_concat(rw, node);
    if (op == PLN_OP_SPLIT) return simplify_split(rw, node);
    if (op == PLN_OP_PAD) return all_are(rw->graph, input(rw->graph, node, 1), 0) && forward_if_same(rw, node);
    if (op == PLN_OP_TILE) return all_are(rw->graph, input(rw->graph, node, 1), 1) && forward_if_same(rw, node);
    if (op == PLN_OP_ELEMENTWISE) return simplify_elementwise(rw, node);
    return (pln_op_get(op)->traits & PLN_TRAIT_VIEW) && simplify_view(rw, node);
}

enum pln_status pln_pass_simplify(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    (void)diag;
    return pln_rewrite_run(graph, scratch, rule, out_changed);
}
