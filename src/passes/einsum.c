/* Einstein sums of one or two operands become what kernels are fast at: transposes, a sum or a product of matrices, and reshapes. */
#include "ops/einsum.h"
#include "passes/rewrite.h"

enum pln_status pln_pass_einsum(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);

/* Labels in an order, and how many. */
struct labels {
    uint8_t at[PLN_MAX_RANK];
    int n;
};

/* An operand while it is brought into form: its value, and the label of each of its dims. */
struct operand {
    uint32_t value;
    struct labels labels;
};

static const struct pln_type *type_of(const struct pln_graph *graph, uint32_t value)
{
    return &pln_graph_value(graph, value)->type;
}

static int find(const struct labels *labels, uint8_t label)
{
    for (int i = 0; i < labels->n; i++)
        if (labels->at[i] == label) return i;
    return -1;
}

static bool has(const struct labels *labels, uint8_t label)
{
    return find(labels, label) >= 0;
}

static bool add(struct labels *labels, uint8_t label)
{
    if (labels->n == PLN_MAX_RANK) return false;
    labels->at[labels->n++] = label;
    return true;
}

static bool append(struct labels *labels, const struct labels *more)
{
    for (int i = 0; i < more->n; i++)
        if (!add(labels, more->at[i])) return false;
    return true;
}

/* What is done about one node. */
struct sum {
    struct pln_rewrite *rw;
    uint32_t node;
    struct pln_einsum equation;
    struct labels out;
    struct pln_dim extents[PLN_EINSUM_MAX_LABELS];
    bool known[PLN_EINSUM_MAX_LABELS];
};

/* No label twice in an operand (a diagonal), and no extent of 1 that is repeated: those stay. */
static bool read(struct sum *s)
{
    struct pln_graph *graph = s->rw->graph;
    const struct pln_node *n = pln_graph_node(graph, s->node);
    int ranks[2];
    if (n->n_inputs < 1 || n->n_inputs > 2) return false;
    for (uint32_t i = 0; i < n->n_inputs; i++) {
        const struct pln_type *type = type_of(graph, n->inputs[i]);
        if (type->rank < 0 || !pln_dtype_is_float(type->dtype)) return false;
        ranks[i] = type->rank;
    }
    if (pln_einsum_parse(pln_node_string(graph, s->node, "equation"), (int)n->n_inputs, ranks, &s->equation) != NULL) return false;
    for (uint32_t i = 0; i < n->n_inputs; i++)
        for (int d = 0; d < ranks[i]; d++) {
            const uint8_t label = s->equation.in[i][d];
            const struct pln_dim dim = type_of(graph, n->inputs[i])->dims[d];
            for (int other = 0; other < d; other++)
                if (s->equation.in[i][other] == label) return false;
            if (s->known[label] && !pln_dim_same(&graph->dims, s->extents[label], dim)) return false;
            s->extents[label] = dim;
            s->known[label] = true;
        }
    for (int d = 0; d < s->equation.out_rank; d++)
        if (!add(&s->out, s->equation.out[d])) return false;
    return true;
}

static struct operand operand(const struct sum *s, uint32_t i)
{
    struct operand made = { .value = pln_graph_node(s->rw->graph, s->node)->inputs[i] };
    for (int d = 0; d < s->equation.in_rank[i]; d++) add(&made.labels, s->equation.in[i][d]);
    return made;
}

/* Sums over the labels that neither the result nor the other operand has. */
static bool reduce(const struct sum *s, struct operand *x, const struct labels *other)
{
    struct pln_graph *graph = s->rw->graph;
    struct labels kept = { .n = 0 };
    int64_t axes[PLN_MAX_RANK], n = 0;
    for (int d = 0; d < x->labels.n; d++) {
        const uint8_t label = x->labels.at[d];
        if (has(&s->out, label) || (other && has(other, label))) add(&kept, label);
        else axes[n++] = d;
    }
    if (n == 0) return true;
    const uint32_t list = pln_graph_add_constant_i64(graph, NULL, 1, &n, axes);
    const uint32_t inputs[2] = { x->value, list };
    if (list == PLN_NONE) return false;
    const uint32_t reduced = pln_rewrite_insert(s->rw, s->node, PLN_OP_REDUCE, PLN_REDUCE_SUM, inputs, 2, s->node);
    if (reduced == PLN_NONE || !pln_attrs_set_int(&pln_graph_node(graph, reduced)->attrs, &graph->arena, "keepdims", 0) || !pln_rewrite_infer(s->rw, reduced)) return false;
    x->value = pln_graph_node(graph, reduced)->outputs[0];
    x->labels = kept;
    return true;
}

static bool reorder(const struct sum *s, struct operand *x, const struct labels *order)
{
    int64_t perm[PLN_MAX_RANK];
    bool moves = false;
    for (int d = 0; d < order->n; d++) {
        perm[d] = find(&x->labels, order->at[d]);
        moves = moves || perm[d] != d;
    }
    if (moves) x->value = pln_rewrite_transpose(s->rw, s->node, x->value, perm, order->n, s->node);
    x->labels = *order;
    return x->value != PLN_NONE;
}

static uint32_t reshape(const struct sum *s, uint32_t value, int rank, const struct pln_dim *dims)
{
    if (value == PLN_NONE) return PLN_NONE;
    return pln_rewrite_reshape(s->rw, s->node, value, rank, dims, PLN_NONE, s->node);
}

static int put_extents(const struct sum *s, const struct labels *labels, struct pln_dim *dims, int at)
{
    for (int i = 0; i < labels->n; i++) dims[at++] = s->extents[labels->at[i]];
    return at;
}

/* The product of the extents; of none 1. */
static struct pln_dim joined(const struct sum *s, const struct labels *labels)
{
    struct pln_dim dims[PLN_MAX_RANK];
    put_extents(s, labels, dims, 0);
    return labels->n == 0 ? pln_dim_const(&s->rw->graph->dims, 1) : pln_dim_product(&s->rw->graph->dims, dims, labels->n);
}

/* Of two operands: labels of both and the result, of the first and the result, of the second and the result, of both alone. */
struct parts {
    struct labels batch, m, n, k;
};

static struct parts part(const struct sum *s, const struct labels *a, const struct labels *b)
{
    struct parts p = { .batch = { .n = 0 } };
    for (int i = 0; i < s->out.n; i++) {
        const uint8_t label = s->out.at[i];
        add(has(a, label) ? (has(b, label) ? &p.batch : &p.m) : &p.n, label);
    }
    for (int i = 0; i < a->n; i++)
        if (!has(&s->out, a->at[i])) add(&p.k, a->at[i]);
    return p;
}

/* Without a sum: a[batch…,m…,1…] times b[batch…,1…,n…]. */
static uint32_t outer(const struct sum *s, struct operand *a, struct operand *b, const struct parts *p)
{
    struct labels a_order = p->batch, b_order = p->batch;
    struct pln_dim dims[PLN_MAX_RANK];
    const struct pln_dim one = pln_dim_const(&s->rw->graph->dims, 1);
    if (!append(&a_order, &p->m) || !append(&b_order, &p->n) || !reorder(s, a, &a_order) || !reorder(s, b, &b_order)) return PLN_NONE;
    if (p->batch.n + p->m.n + p->n.n > PLN_MAX_RANK) return PLN_NONE;
    int rank = put_extents(s, &p->m, dims, put_extents(s, &p->batch, dims, 0));
    for (int i = 0; i < p->n.n; i++) dims[rank++] = one;
    const uint32_t wide = p->n.n == 0 ? a->value : reshape(s, a->value, rank, dims);
    rank = put_extents(s, &p->batch, dims, 0);
    for (int i = 0; i < p->m.n; i++) dims[rank++] = one;
    rank = put_extents(s, &p->n, dims, rank);
    const uint32_t other = p->batch.n == 0 || p->m.n == 0 ? b->value : reshape(s, b->value, rank, dims);
    if (wide == PLN_NONE || other == PLN_NONE) return PLN_NONE;
    return pln_rewrite_emit(s->rw, s->node, PLN_OP_ELEMENTWISE, PLN_EW_MUL, (uint32_t[]){ wide, other }, 2, s->node);
}

/* a[batch…,m,k] times b[batch…,k,n]. Rows in several dims stay so where nothing is beside them. */
static uint32_t product(const struct sum *s, struct operand *a, struct operand *b, const struct parts *p)
{
    struct labels a_order = p->batch, b_order = p->batch;
    struct pln_dim dims[PLN_MAX_RANK];
    const bool rows_stay = p->batch.n == 0 && p->m.n > 0;
    if (!append(&a_order, &p->m) || !append(&a_order, &p->k) || !append(&b_order, &p->k) || !append(&b_order, &p->n) || !reorder(s, a, &a_order) || !reorder(s, b, &b_order)) return PLN_NONE;
    if (p->batch.n + (rows_stay ? p->m.n : 1) + PLN_MAX(1, p->n.n) > PLN_MAX_RANK || p->batch.n + p->m.n + p->n.n > PLN_MAX_RANK) return PLN_NONE;
    int rank = put_extents(s, &p->batch, dims, 0);
    if (rows_stay) rank = put_extents(s, &p->m, dims, rank);
    else dims[rank++] = joined(s, &p->m);
    dims[rank++] = joined(s, &p->k);
    const bool a_fits = p->k.n == 1 && (rows_stay || p->m.n == 1);
    const uint32_t left = a_fits ? a->value : reshape(s, a->value, rank, dims);
    rank = put_extents(s, &p->batch, dims, 0);
    dims[rank++] = joined(s, &p->k);
    dims[rank++] = joined(s, &p->n);
    const uint32_t right = p->k.n == 1 && p->n.n == 1 ? b->value : reshape(s, b->value, rank, dims);
    if (left == PLN_NONE || right == PLN_NONE) return PLN_NONE;
    const uint32_t made = pln_rewrite_emit(s->rw, s->node, PLN_OP_MATMUL, 0, (uint32_t[]){ left, right }, 2, s->node);
    if (made == PLN_NONE || (p->n.n == 1 && (rows_stay || p->m.n == 1))) return made;
    rank = put_extents(s, &p->n, dims, put_extents(s, &p->m, dims, put_extents(s, &p->batch, dims, 0)));
    return reshape(s, made, rank, dims);
}

static uint32_t rewritten(const struct sum *s)
{
    struct operand a = operand(s, 0), b = { .value = PLN_NONE }, result;
    const bool two = s->equation.n_inputs == 2;
    if (two) b = operand(s, 1);
    const struct labels a_labels = a.labels, b_labels = b.labels;
    if (!reduce(s, &a, two ? &b_labels : NULL) || (two && !reduce(s, &b, &a_labels))) return PLN_NONE;
    if (!two) return reorder(s, &a, &s->out) ? a.value : PLN_NONE;
    const struct parts p = part(s, &a.labels, &b.labels);
    result.value = p.k.n == 0 ? outer(s, &a, &b, &p) : product(s, &a, &b, &p);
    if (result.value == PLN_NONE) return PLN_NONE;
    result.labels = p.batch;
    return append(&result.labels, &p.m) && append(&result.labels, &p.n) && reorder(s, &result, &s->out) ? result.value : PLN_NONE;
}

static bool rule(struct pln_rewrite *rw, uint32_t node)
{
    struct sum s = { .rw = rw, .node = node };
    if (pln_graph_node(rw->graph, node)->op != PLN_OP_EINSUM || !read(&s)) return false;
    const uint32_t x = pln_graph_node(rw->graph, node)->inputs[0], value = rewritten(&s);
    if (value == PLN_NONE) return false;
    return value == x ? pln_rewrite_forward(rw, node, 0, value) : pln_rewrite_replace(rw, node, pln_graph_value(rw->graph, value)->producer);
}

enum pln_status pln_pass_einsum(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    (void)diag;
    return pln_rewrite_run(graph, scratch, rule, out_changed);
}
