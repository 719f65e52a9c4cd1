/* Elementwise nodes, normalizations and softmax that read each other's results become one row program.
 *
 * Nodes are looked at in order; each joins the programs of its inputs where that keeps the order of the graph: the program stands where its
 * last node stood, so nobody outside may use one of its values before that. All values in a program are full or row values of one space;
 * nothing is computed more often than before. */
#include "ops/builder.h"
#include "passes/rewrite.h"

enum pln_status pln_pass_fuse(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);

enum { MEMBERS_MOST = 40, INSTRS_MOST = 56 };

struct group {
    uint32_t *members; /* in order */
    uint32_t n;
    struct pln_type space;
    bool reduces;
};

struct fusion {
    struct pln_rewrite rewrite;
    struct pln_graph *graph;
    uint32_t *order, *position, n_order;
    struct group **group_of; /* by node; NULL: in none */
};

static bool same_space(struct pln_graph *graph, const struct pln_type *a, const struct pln_type *b)
{
    return pln_same_dims(graph, a, b);
}

static bool row_of(struct pln_graph *graph, const struct pln_type *space, const struct pln_type *row)
{
    if (space->rank != row->rank || !pln_dim_is(&graph->dims, row->dims[row->rank - 1], 1)) return false;
    for (int d = 0; d < space->rank - 1; d++)
        if (!pln_dim_same(&graph->dims, space->dims[d], row->dims[d])) return false;
    return true;
}

/* One space for both; false: there is none. What reduces over a row cannot become a part of a longer one. */
static bool join_spaces(struct pln_graph *graph, const struct group *a, const struct group *b, struct pln_type *out_space)
{
    *out_space = a->space;
    if (same_space(graph, &a->space, &b->space)) return true;
    if (!b->reduces && row_of(graph, &a->space, &b->space)) return true;
    *out_space = b->space;
    return !a->reduces && row_of(graph, &b->space, &a->space);
}

static bool in_group(const struct fusion *f, const struct group *group, uint32_t node)
{
    (void)f;
    for (uint32_t i = 0; i < group->n; i++)
        if (group->members[i] == node) return true;
    return false;
}

/* Where a use stands: behind everything for outputs of the block itself. */
static uint32_t use_position(const struct fusion *f, const struct pln_use *use, uint32_t block)
{
    if (use->user != PLN_NONE) return f->position[use->user];
    return use->block == block ? UINT32_MAX : f->position[f->graph->blocks[use->block].parent_node];
}

/* No value of the group is used before its last node. */
static bool keeps_order(const struct fusion *f, const struct group *group)
{
    uint32_t last = f->position[group->members[group->n - 1]], block = pln_graph_node(f->graph, group->members[0])->block;
    for (uint32_t i = 0; i + 1 < group->n; i++) {
        uint32_t value = pln_graph_node(f->graph, group->members[i])->outputs[0];
        for (uint32_t use = pln_graph_value(f->graph, value)->first_use; use != PLN_NONE; use = f->graph->uses[use].next) {
            const struct pln_use *u = &f->graph->uses[use];
            if (use_position(f, u, block) < last && !(u->user != PLN_NONE && in_group(f, group, u->user))) return false;
        }
    }
    return true;
}

static bool leaves_group(const struct fusion *f, const struct group *group, uint32_t value)
{
    if (pln_graph_value(f->graph, value)->tapped) return true;
    for (uint32_t use = pln_graph_value(f->graph, value)->first_use; use != PLN_NONE; use = f->graph->uses[use].next)
        if (f->graph->uses[use].user == PLN_NONE || !in_group(f, group, f->graph->uses[use].user)) return true;
    return false;
}

static bool build(const struct fusion *f, const struct group *group, struct pln_builder *builder, uint32_t *outputs, uint32_t *out_n)
{
    *out_n = 0;
    pln_builder_init(builder, f->graph, &group->space);
    for (uint32_t i = 0; i < group->n && !builder->full; i++) {
        uint32_t value = pln_graph_node(f->graph, group->members[i])->outputs[0];
        if (pln_builder_class_of(f->graph, &group->space, value) == PLN_BUILDER_OTHER) return false;
        pln_builder_add(builder, group->members[i]);
    }
    for (uint32_t i = 0; i < group->n && !builder->full; i++) {
        uint32_t value = pln_graph_node(f->graph, group->members[i])->outputs[0];
        if (!leaves_group(f, group, value)) continue;
        if (*out_n < PLN_ROWPROG_MAX_OPERANDS) outputs[*out_n] = value;
        ++*out_n;
        pln_builder_output(builder, value);
    }
    return builder->program.n_instrs <= INSTRS_MOST && pln_builder_finish(builder);
}

static bool contains(struct group *const *list, int n, const struct group *group)
{
    for (int i = 0; i < n; i++)
        if (list[i] == group) return true;
    return false;
}

/* Members of both in order. */
static bool merge_members(const struct fusion *f, const struct group *a, const struct group *b, struct group *out)
{
    uint32_t i = 0, k = 0;
    out->n = 0;
    out->members = pln_arena_array(f->rewrite.scratch, a->n + b->n, sizeof *out->members);
    if (!out->members) return false;
    while (i < a->n || k < b->n) {
        bool first = k == b->n || (i < a->n && f->position[a->members[i]] < f->position[b->members[k]]);
        out->members[out->n++] = first ? a->members[i++] : b->members[k++];
    }
    return true;
}

/* The node's group with `other` in it, where that works out. */
static void try_join(struct fusion *f, struct group *own, const struct group *other)
{
    struct group both = { .reduces = own->reduces || other->reduces };
    struct pln_builder builder;
    uint32_t outputs[PLN_ROWPROG_MAX_OPERANDS], n_outputs;
    if (own->n + other->n > MEMBERS_MOST || !join_spaces(f->graph, own, other, &both.space)) return;
    if (!merge_members(f, own, other, &both) || !keeps_order(f, &both) || !build(f, &both, &builder, outputs, &n_outputs)) return;
    *own = both;
}

static bool add_node(struct fusion *f, uint32_t node)
{
    bool reduces;
    struct pln_builder builder;
    uint32_t outputs[PLN_ROWPROG_MAX_OPERANDS], n_outputs;
    if (!pln_builder_takes(f->graph, node, &reduces)) return true;
    struct group *own = pln_arena_alloc(f->rewrite.scratch, sizeof *own);
    uint32_t *members = pln_arena_copy(f->rewrite.scratch, &node, sizeof node);
    if (!own || !members) return false;
    *own = (struct group){ .members = members, .n = 1, .space = *pln_builder_space_of(f->graph, node), .reduces = reduces };
    if (own->space.rank < 1 || !build(f, own, &builder, outputs, &n_outputs)) return true;
    struct group *tried[8];
    int n_tried = 0;
    for (uint32_t i = 0; i < pln_graph_node(f->graph, node)->n_inputs && n_tried < 8; i++) {
        uint32_t value = pln_graph_node(f->graph, node)->inputs[i];
        uint32_t producer = value == PLN_NONE ? PLN_NONE : pln_graph_value(f->graph, value)->producer;
        struct group *other = producer == PLN_NONE ? NULL : f->group_of[producer];
        if (!other || contains(tried, n_tried, other) || pln_graph_node(f->graph, producer)->block != pln_graph_node(f->graph, node)->block) continue;
        tried[n_tried++] = other;
        try_join(f, own, other);
    }
    for (uint32_t i = 0; i < own->n; i++) f->group_of[own->members[i]] = own;
    return true;
}

/* A scale or bias that surely has as many elements as the rows. */
static bool is_row(struct pln_graph *graph, uint32_t node, uint32_t i)
{
    const struct pln_node *n = pln_graph_node(graph, node);
    if (i >= n->n_inputs || n->inputs[i] == PLN_NONE) return i == 2;
    const struct pln_type *x = &pln_graph_value(graph, n->inputs[0])->type, *type = &pln_graph_value(graph, n->inputs[i])->type;
    return type->rank == 1 && pln_dim_same(&graph->dims, type->dims[0], x->dims[x->rank - 1]);
}

/* A function or a reduction alone has kernels of its own, and so have, on a CPU, softmax and a plain normalization, three and four times as fast as their steps; what
 * is made of several nodes has not. */
static bool pays(const struct fusion *f, const struct group *group)
{
    const uint32_t first = group->members[0];
    const unsigned op = pln_graph_node(f->graph, first)->op;
    if (group->n > 1) return true;
    if (op == PLN_OP_ELEMENTWISE || op == PLN_OP_REDUCE) return false;
    if (f->graph->offloaded) return true;
    return op != PLN_OP_SOFTMAX && !(op == PLN_OP_LAYER_NORM && is_row(f->graph, first, 1) && is_row(f->graph, first, 2));
}

static void materialize(struct fusion *f, const struct group *group, bool *out_changed)
{
    struct pln_graph *graph = f->graph;
    struct pln_builder builder;
    uint32_t outputs[PLN_ROWPROG_MAX_OPERANDS], n_outputs;
    if (!build(f, group, &builder, outputs, &n_outputs)) return;
    uint32_t made = pln_graph_insert_node(graph, group->members[group->n - 1], PLN_OP_ROW_PROGRAM, 0, builder.operands, builder.program.n_inputs, n_outputs);
    if (made == PLN_NONE) return;
    for (uint32_t i = 0; i < group->n; i++) (void)pln_graph_node_inherit(graph, made, group->members[i]);
    if (!pln_builder_set(&builder, made, "program") || !pln_rewrite_infer(&f->rewrite, made)) return;
    for (uint32_t i = 0; i < n_outputs; i++) {
        if (pln_same_type(graph, pln_graph_node(graph, made)->outputs[i], outputs[i])) continue;
        pln_graph_remove_node(graph, made);
        return;
    }
    for (uint32_t i = 0; i < n_outputs; i++) pln_graph_set_output(graph, made, i, outputs[i]);
    for (uint32_t i = group->n; i > 0; i--) pln_graph_remove_node(graph, group->members[i - 1]);
    *out_changed = true;
}

enum pln_status pln_pass_fuse(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    struct fusion f = { .rewrite = { graph, scratch }, .graph = graph };
    size_t n_nodes = graph->n_nodes;
    f.group_of = pln_arena_array(scratch, n_nodes + 1, sizeof(struct group *));
    if (!f.group_of || !pln_rewrite_order(graph, scratch, &f.order, &f.n_order, &f.position)) return pln_fail_memory(diag, "fusing nodes", 0);
    for (uint32_t i = 0; i < f.n_order; i++)
        if (!add_node(&f, f.order[i])) return pln_fail_memory(diag, "fusing nodes", 0);
    for (uint32_t i = 0; i < f.n_order && !graph->failed; i++) {
        struct group *group = f.group_of[f.order[i]];
        if (group && group->members[group->n - 1] == f.order[i] && pays(&f, group)) materialize(&f, group, out_changed);
    }
    return PLN_OK;
}
