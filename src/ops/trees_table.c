#include <stdio.h>

#include "base/hash.h"
#include "kernel/trees.h"
#include "ops/trees.h"

#define MODE_LEAF 7 /* of TreeEnsemble-5's numbers the one behind its modes */

/* As the attributes have it: nodes by number, leaves among them. */
struct node {
    int mode;
    bool missing, seen;
    int64_t feature, next[2];
    float split;
    int64_t first_vote; /* of a chain in next_vote; -1: none */
};

struct reader {
    const struct pln_attrs *attrs;
    struct pln_arena *arena;
    int64_t n_targets, n, n_roots, n_votes;
    struct node *nodes;
    const int64_t *roots, *vote_targets;
    const float *vote_weights;
    int64_t *next_vote; /* -1: the last of its leaf */
    bool no_memory;
};

/* In the arena. NULL: no memory, which the reader notes. */
static void *take(struct reader *r, int64_t count, size_t elem_bytes)
{
    void *memory = pln_arena_array(r->arena, (size_t)count, elem_bytes);
    if (!memory) r->no_memory = true;
    return memory;
}

/* An entry a node, or none at all where `optional`. */
static bool read_ints(const struct reader *r, const char *name, int64_t n, bool optional, const int64_t **out_ints)
{
    const int64_t count = pln_attrs_ints(r->attrs, name, out_ints);
    if (optional && !pln_attrs_has(r->attrs, name)) return true;
    return count == n;
}

static bool read_floats(const struct reader *r, const char *name, const char *tensor_name, int64_t n, const float **out_floats)
{
    int64_t count = pln_attrs_floats(r->attrs, name, out_floats);
    for (int i = 0; count == 0 && i < 2; i++) {
        const struct pln_attr *attr = pln_attrs_find(r->attrs, i ? tensor_name : name);
        if (!attr || attr->kind != PLN_ATTR_TENSOR || attr->u.tensor->dtype != PLN_F32 || attr->u.tensor->rank > 1) continue;
        *out_floats = attr->u.tensor->data;
        count = pln_tensor_count(attr->u.tensor);
    }
    return count == n;
}

/* Room for n nodes and the chains of votes. */
static bool begin(struct reader *r, int64_t n)
{
    r->n = n;
    if (n > INT32_MAX / 8 || r->n_votes > INT32_MAX / 8 || n < 1) return false;
    r->nodes = take(r, n, sizeof *r->nodes);
    r->next_vote = take(r, r->n_votes + 1, sizeof *r->next_vote);
    if (!r->nodes || !r->next_vote) return false;
    for (int64_t i = 0; i < n; i++) r->nodes[i].first_vote = -1;
    for (int64_t i = 0; i < r->n_votes; i++) {
        r->next_vote[i] = -1;
        if (r->vote_targets[i] < 0 || r->vote_targets[i] >= r->n_targets) return false;
    }
    return true;
}

/* ---- TreeEnsemble-5: inner nodes and leaves apart ---- */

static bool read_new(struct reader *r)
{
    const int64_t *features, *next[2], *leaf[2], *missing = NULL;
    const float *splits;
    const struct pln_attr *modes = pln_attrs_find(r->attrs, "nodes_modes");
    const int64_t n = pln_attrs_ints(r->attrs, "nodes_featureids", &features);
    r->n_votes = pln_attrs_ints(r->attrs, "leaf_targetids", &r->vote_targets);
    if (!read_floats(r, "leaf_weights", "leaf_weights", r->n_votes, &r->vote_weights) || !begin(r, n + r->n_votes)) return false;
    bool fits = read_ints(r, "nodes_falsenodeids", n, false, &next[0]) && read_ints(r, "nodes_truenodeids", n, false, &next[1]) && read_ints(r, "nodes_falseleafs", n, false, &leaf[0]) &&
                read_ints(r, "nodes_trueleafs", n, false, &leaf[1]) && read_ints(r, "nodes_missing_value_tracks_true", n, true, &missing) && read_floats(r, "nodes_splits", "nodes_splits", n, &splits);
    fits = fits && modes && modes->kind == PLN_ATTR_TENSOR && modes->u.tensor->dtype == PLN_U8 && modes->u.tensor->rank <= 1 && pln_tensor_count(modes->u.tensor) == n;
    if (!fits) return false;
    for (int64_t i = 0; i < n; i++) {
        struct node *node = &r->nodes[i];
        node->mode = ((const uint8_t *)modes->u.tensor->data)[i];
        if (node->mode > PLN_TREES_NEQ) return false;
        node->feature = features[i];
        node->split = splits[i];
        node->missing = missing && missing[i] != 0;
        for (int side = 0; side < 2; side++) {
            if (next[side][i] < 0 || next[side][i] >= (leaf[side][i] ? r->n_votes : n)) return false;
            node->next[side] = next[side][i] + (leaf[side][i] ? n : 0);
        }
    }
    for (int64_t i = 0; i < r->n_votes; i++) {
        r->nodes[n + i].mode = MODE_LEAF;
        r->nodes[n + i].first_vote = i;
    }
    r->n_roots = pln_attrs_ints(r->attrs, "tree_roots", &r->roots);
    for (int64_t i = 0; i < r->n_roots; i++)
        if (r->roots[i] < 0 || r->roots[i] >= n) return false;
    return true;
}

/* ---- the older operators: nodes and votes named by tree and node ids ---- */

struct key {
    int64_t tree, node;
};

static int read_mode(const struct pln_string *text)
{
    static const char *const names[] = { "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ", "LEAF" };
    for (int i = 0; i < (int)PLN_COUNT_OF(names); i++)
        if (text->size_bytes == strlen(names[i]) && memcmp(text->data, names[i], text->size_bytes) == 0) return i > PLN_TREES_NEQ ? MODE_LEAF : i;
    return -1;
}

/* Finds nodes by tree and number. The first node of a tree is its root. */
static bool index_nodes(struct reader *r, const struct key *keys, struct pln_map *map, struct pln_map *trees)
{
    int64_t *roots = take(r, r->n, sizeof *roots);
    if (!roots) return false;
    for (int64_t i = 0; i < r->n; i++) {
        uint32_t at;
        if (!pln_map_get(trees, (const char *)&keys[i].tree, sizeof(int64_t), &at)) {
            roots[r->n_roots++] = i;
            if (!pln_map_set(trees, (const char *)&keys[i].tree, sizeof(int64_t), (uint32_t)i)) r->no_memory = true;
        }
        if (!pln_map_set(map, (const char *)&keys[i], sizeof keys[i], (uint32_t)i)) r->no_memory = true;
        if (r->no_memory) return false;
    }
    r->roots = roots;
    return true;
}

static bool read_old_nodes(struct reader *r, const struct key *keys, const struct pln_map *map)
{
    const int64_t *features, *next[2], *missing = NULL;
    const float *splits;
    const struct pln_attr *modes = pln_attrs_find(r->attrs, "nodes_modes");
    bool fits = read_ints(r, "nodes_featureids", r->n, false, &features) && read_ints(r, "nodes_falsenodeids", r->n, false, &next[0]) && read_ints(r, "nodes_truenodeids", r->n, false, &next[1]) &&
                read_ints(r, "nodes_missing_value_tracks_true", r->n, true, &missing) && read_floats(r, "nodes_values", "nodes_values_as_tensor", r->n, &splits);
    if (!fits || !modes || modes->kind != PLN_ATTR_STRINGS || modes->n != r->n) return false;
    for (int64_t i = 0; i < r->n; i++) {
        struct node *node = &r->nodes[i];
        node->mode = read_mode(&modes->u.strings[i]);
        node->feature = features[i];
        node->split = splits[i];
        node->missing = missing && missing[i] != 0;
        if (node->mode < 0) return false;
        for (int side = 0; side < 2 && node->mode != MODE_LEAF; side++) {
            const struct key key = { keys[i].tree, next[side][i] };
            uint32_t at;
            if (!pln_map_get(map, (const char *)&key, sizeof key, &at)) return false;
            node->next[side] = at;
        }
    }
    return true;
}

/* Chains the votes of each node, first to last. */
static bool link_votes(struct reader *r, const char *prefix, const struct pln_map *map)
{
    char name[64], tensor_name[64];
    const int64_t *tree_ids, *node_ids;
    snprintf(name, sizeof name, "%s_treeids", prefix);
    if (!read_ints(r, name, r->n_votes, false, &tree_ids)) return false;
    snprintf(name, sizeof name, "%s_nodeids", prefix);
    if (!read_ints(r, name, r->n_votes, false, &node_ids)) return false;
    snprintf(name, sizeof name, "%s_weights", prefix);
    snprintf(tensor_name, sizeof tensor_name, "%s_weights_as_tensor", prefix);
    if (!read_floats(r, name, tensor_name, r->n_votes, &r->vote_weights)) return false;
    for (int64_t i = r->n_votes - 1; i >= 0; i--) {
        const struct key key = { tree_ids[i], node_ids[i] };
        uint32_t at;
        if (!pln_map_get(map, (const char *)&key, sizeof key, &at)) return false;
        r->next_vote[i] = r->nodes[at].first_vote;
        r->nodes[at].first_vote = i;
    }
    return true;
}

static bool read_old(struct reader *r, const char *prefix, const struct pln_allocator *alloc)
{
    const int64_t *tree_ids, *node_ids;
    char name[64];
    struct pln_map map, trees;
    const int64_t n = pln_attrs_ints(r->attrs, "nodes_treeids", &tree_ids);
    snprintf(name, sizeof name, "%s_ids", prefix);
    r->n_votes = pln_attrs_ints(r->attrs, name, &r->vote_targets);
    if (!read_ints(r, "nodes_nodeids", n, false, &node_ids) || !begin(r, n)) return false;
    struct key *keys = take(r, n, sizeof *keys);
    if (!keys) return false;
    for (int64_t i = 0; i < n; i++) keys[i] = (struct key){ tree_ids[i], node_ids[i] };
    pln_map_init(&map, alloc);
    pln_map_init(&trees, alloc);
    const bool good = index_nodes(r, keys, &map, &trees) && read_old_nodes(r, keys, &map) && link_votes(r, prefix, &map);
    pln_map_deinit(&map);
    pln_map_deinit(&trees);
    return good;
}

/* ---- the table ---- */

struct writer {
    struct pln_trees_node *nodes;
    int32_t *firsts;
    struct pln_trees_vote *votes;
    int32_t *roots;
    int32_t n_nodes, n_leaves, n_votes, n_features;
    int mode; /* -1: no node yet */
};

/* A node that waits for its place, and where that is told. */
struct waiting {
    int64_t node;
    int32_t *place;
};

static int32_t write_leaf(struct writer *w, const struct reader *r, const struct node *node)
{
    for (int64_t v = node->first_vote; v >= 0; v = r->next_vote[v]) w->votes[w->n_votes++] = (struct pln_trees_vote){ (int32_t)r->vote_targets[v], r->vote_weights[v] };
    w->firsts[++w->n_leaves] = w->n_votes;
    return ~(w->n_leaves - 1);
}

/* Nodes of a tree from its root on, the way of those that compare as true first. */
static bool write_tree(struct writer *w, const struct reader *r, int64_t root, int32_t *place, struct waiting *stack)
{
    int64_t n = 0;
    stack[n++] = (struct waiting){ root, place };
    while (n > 0) {
        const struct waiting top = stack[--n];
        struct node *from = &r->nodes[top.node];
        if (from->seen) return false;
        from->seen = true;
        if (from->mode == MODE_LEAF) {
            *top.place = write_leaf(w, r, from);
            continue;
        }
        if (from->feature < 0 || from->feature >= PLN_TREES_FEATURES_MOST) return false;
        struct pln_trees_node *node = &w->nodes[w->n_nodes];
        *top.place = w->n_nodes++;
        node->what = (uint32_t)from->feature | (uint32_t)from->mode << 28 | (uint32_t)from->missing << 31;
        node->split = from->split;
        w->n_features = PLN_MAX(w->n_features, (int32_t)from->feature + 1);
        w->mode = w->mode < 0 || w->mode == from->mode ? from->mode : PLN_TREES_MIXED;
        for (int side = 0; side < 2; side++) stack[n++] = (struct waiting){ from->next[side], &node->next[side] };
    }
    return true;
}

static bool write_table(struct reader *r, struct pln_trees_table *out_table)
{
    struct writer w = { .mode = -1 };
    w.nodes = take(r, r->n, sizeof *w.nodes);
    w.firsts = take(r, r->n + 1, sizeof *w.firsts);
    w.votes = take(r, r->n_votes + 1, sizeof *w.votes);
    w.roots = take(r, r->n_roots + 1, sizeof *w.roots);
    struct waiting *stack = take(r, r->n + 2, sizeof *stack); /* each node seen adds one entry at most */
    if (!w.nodes || !w.firsts || !w.votes || !w.roots || !stack || r->n_roots > INT32_MAX / 8) return false;
    for (int64_t i = 0; i < r->n_roots; i++)
        if (!write_tree(&w, r, r->roots[i], &w.roots[i], stack)) return false;
    out_table->n_words = PLN_TREES_HEADER + 4 * (int64_t)w.n_nodes + w.n_leaves + 1 + 2 * (int64_t)w.n_votes + r->n_roots;
    int32_t *to = out_table->words = take(r, out_table->n_words, sizeof *to);
    if (!to) return false;
    const int32_t header[PLN_TREES_HEADER] = { PLN_TREES_VERSION, w.n_nodes, w.n_leaves, w.n_votes, (int32_t)r->n_roots, w.n_features, w.mode < 0 ? PLN_TREES_LEQ : w.mode, 0 };
    memcpy(to, header, sizeof header);
    to += PLN_TREES_HEADER;
    memcpy(to, w.nodes, (size_t)w.n_nodes * sizeof *w.nodes);
    to += 4 * (int64_t)w.n_nodes;
    memcpy(to, w.firsts, ((size_t)w.n_leaves + 1) * sizeof *w.firsts);
    to += w.n_leaves + 1;
    memcpy(to, w.votes, (size_t)w.n_votes * sizeof *w.votes);
    to += 2 * (int64_t)w.n_votes;
    memcpy(to, w.roots, (size_t)r->n_roots * sizeof *w.roots);
    return true;
}

bool pln_trees_table_make(const struct pln_graph *graph, uint32_t node, int64_t n_targets, struct pln_arena *arena, struct pln_trees_table *out_table)
{
    const struct pln_node *n = pln_graph_node(graph, node);
    struct reader r = { .attrs = &n->attrs, .arena = arena, .n_targets = n_targets };
    memset(out_table, 0, sizeof *out_table);
    const bool good = n->op == PLN_OP_TREE_ENSEMBLE ? read_new(&r) : read_old(&r, n->op == PLN_OP_TREE_ENSEMBLE_CLASSIFIER ? "class" : "target", graph->alloc);
    if (!good || !write_table(&r, out_table)) {
        out_table->no_memory = r.no_memory;
        return false;
    }
    out_table->one_sided = n_targets == 2 && r.n_votes > 0;
    out_table->positive = true;
    for (int64_t v = 0; v < r.n_votes; v++) {
        out_table->one_sided = out_table->one_sided && r.vote_targets[v] == 0;
        out_table->positive = out_table->positive && r.vote_weights[v] >= 0;
    }
    return true;
}
