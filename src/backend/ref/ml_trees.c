#include "backend/ref/ml_trees.h"

#include <math.h>
#include <stdio.h>

#include "backend/ref/lookup.h"
#include "backend/ref/ml_scores.h"
#include "backend/ref/real.h"
#include "tensor/convert.h"

/* A list of ints of n entries. */
static enum pln_status read_ints(struct pln_call *call, const char *name, int64_t n, const int64_t **out_ints)
{
    int64_t count = pln_attrs_ints(call->attrs, name, out_ints);
    if (count == n) return PLN_OK;
    return pln_call_fail(call, PLN_BAD_MODEL, "%s has %lld entries, not %lld", name, (long long)count, (long long)n);
}

static enum pln_status make_nodes(struct pln_call *call, int64_t n, struct pln_ref_trees *trees)
{
    void *memory;
    PLN_TRY(pln_call_scratch(call, (size_t)n, sizeof(*trees->nodes), &memory));
    trees->nodes = memory;
    trees->n_nodes = n;
    for (int64_t i = 0; i < n; i++) trees->nodes[i].first_vote = -1;
    return PLN_OK;
}

static enum pln_status make_votes(struct pln_call *call, int64_t n, struct pln_ref_trees *trees)
{
    void *memory;
    PLN_TRY(pln_call_scratch(call, (size_t)n, sizeof(int64_t), &memory));
    trees->next_vote = memory;
    trees->n_votes = n;
    for (int64_t i = 0; i < n; i++) {
        trees->next_vote[i] = -1;
        if (trees->vote_targets[i] < 0 || trees->vote_targets[i] >= trees->n_targets) {
            return pln_call_fail(call, PLN_BAD_MODEL, "a leaf votes for target %lld of %lld", (long long)trees->vote_targets[i], (long long)trees->n_targets);
        }
    }
    return PLN_OK;
}

/* ---- TreeEnsemble-5: inner nodes and leaves apart ---- */

/* Sets of MEMBER nodes stand one behind the other, each ended by a NaN. */
static enum pln_status read_members(struct pln_call *call, struct pln_ref_trees *trees)
{
    int64_t n, at = 0;
    PLN_TRY(pln_ref_float_list(call, "membership_values", NULL, &trees->members, &n));
    for (int64_t i = 0; i < trees->n_nodes; i++) {
        struct pln_ref_tree_node *node = &trees->nodes[i];
        if (node->mode != PLN_REF_MEMBER) continue;
        if (at >= n) return pln_call_fail(call, PLN_BAD_MODEL, "membership_values has fewer sets than there are BRANCH_MEMBER nodes");
        node->members = at;
        while (at < n && !isnan(trees->members[at])) at++;
        node->n_members = at - node->members;
        at++;
    }
    return PLN_OK;
}

static int64_t child(int64_t id, bool leaf, int64_t n_inner, int64_t n_leaves)
{
    if (id < 0 || id >= (leaf ? n_leaves : n_inner)) return -1;
    return leaf ? n_inner + id : id;
}

static enum pln_status read_inner(struct pln_call *call, int64_t n, int64_t n_leaves, struct pln_ref_trees *trees)
{
    const int64_t *features, *on_true, *on_false, *true_leafs, *false_leafs, *missing = NULL;
    struct pln_tensor modes;
    const double *splits;
    int64_t n_splits;
    PLN_TRY(read_ints(call, "nodes_featureids", n, &features));
    PLN_TRY(read_ints(call, "nodes_truenodeids", n, &on_true));
    PLN_TRY(read_ints(call, "nodes_falsenodeids", n, &on_false));
    PLN_TRY(read_ints(call, "nodes_trueleafs", n, &true_leafs));
    PLN_TRY(read_ints(call, "nodes_falseleafs", n, &false_leafs));
    if (pln_attrs_has(call->attrs, "nodes_missing_value_tracks_true")) PLN_TRY(read_ints(call, "nodes_missing_value_tracks_true", n, &missing));
    PLN_TRY(pln_ref_float_list(call, "nodes_splits", NULL, &splits, &n_splits));
    if (!pln_ref_attr_tensor(call->attrs, "nodes_modes", &modes) || pln_tensor_count(&modes) != n || modes.dtype != PLN_U8 || n_splits != n) {
        return pln_call_fail(call, PLN_BAD_MODEL, "nodes_modes or nodes_splits does not have one entry a node");
    }
    for (int64_t i = 0; i < n; i++) {
        struct pln_ref_tree_node *node = &trees->nodes[i];
        uint8_t mode = ((const uint8_t *)modes.data)[i];
        if (mode > PLN_REF_MEMBER) return pln_call_fail(call, PLN_BAD_MODEL, "nodes_modes holds %d", mode);
        node->mode = (enum pln_ref_branch)mode;
        node->feature = features[i];
        node->split = splits[i];
        node->missing_is_true = missing && missing[i] != 0;
        node->next[0] = child(on_false[i], false_leafs[i] != 0, n, n_leaves);
        node->next[1] = child(on_true[i], true_leafs[i] != 0, n, n_leaves);
        if (node->next[0] < 0 || node->next[1] < 0) return pln_call_fail(call, PLN_BAD_MODEL, "node %lld leads nowhere", (long long)i);
    }
    return read_members(call, trees);
}

enum pln_status pln_ref_trees_read_new(struct pln_call *call, struct pln_ref_trees *out_trees)
{
    struct pln_ref_trees *trees = out_trees;
    const int64_t *any;
    memset(trees, 0, sizeof(*trees));
    int64_t n = pln_attrs_ints(call->attrs, "nodes_featureids", &any), n_leaves = pln_attrs_ints(call->attrs, "leaf_targetids", &trees->vote_targets), n_weights;
    trees->n_targets = pln_attrs_int(call->attrs, "n_targets", 1);
    if (trees->n_targets < 0 || trees->n_targets > INT32_MAX) return pln_call_fail(call, PLN_BAD_MODEL, "n_targets is %lld", (long long)trees->n_targets);
    PLN_TRY(pln_ref_float_list(call, "leaf_weights", NULL, &trees->vote_weights, &n_weights));
    if (n_weights != n_leaves) return pln_call_fail(call, PLN_BAD_MODEL, "leaf_weights and leaf_targetids differ in length");
    PLN_TRY(make_nodes(call, n + n_leaves, trees));
    PLN_TRY(make_votes(call, n_leaves, trees));
    PLN_TRY(read_inner(call, n, n_leaves, trees));
    for (int64_t i = 0; i < n_leaves; i++) {
        trees->nodes[n + i].mode = PLN_REF_LEAF;
        trees->nodes[n + i].first_vote = i;
    }
    trees->n_roots = pln_attrs_ints(call->attrs, "tree_roots", &trees->roots);
    for (int64_t i = 0; i < trees->n_roots; i++) {
        if (trees->roots[i] < 0 || trees->roots[i] >= n) return pln_call_fail(call, PLN_BAD_MODEL, "tree_roots holds %lld", (long long)trees->roots[i]);
    }
    return PLN_OK;
}

/* ---- the older operators: nodes and votes named by tree and node ids ---- */

struct node_key {
    int64_t tree, node;
};

static enum pln_status read_mode(struct pln_call *call, const struct pln_string *text, enum pln_ref_branch *out_mode)
{
    static const char *const names[] = { "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ", "BRANCH_MEMBER", "LEAF" };
    for (size_t i = 0; i < PLN_COUNT_OF(names); i++) {
        if (i == PLN_REF_MEMBER || text->size_bytes != strlen(names[i]) || memcmp(text->data, names[i], text->size_bytes) != 0) continue;
        *out_mode = (enum pln_ref_branch)i;
        return PLN_OK;
    }
    return pln_call_fail(call, PLN_BAD_MODEL, "nodes_modes holds \"%.*s\"", (int)PLN_MIN(text->size_bytes, 64), text->data);
}

static enum pln_status index_nodes(struct pln_call *call, const struct node_key *keys, int64_t n, struct pln_map *map, struct pln_ref_trees *trees)
{
    void *memory;
    struct pln_map seen;
    enum pln_status status = PLN_OK;
    PLN_TRY(pln_call_scratch(call, (size_t)n, sizeof(int64_t), &memory));
    int64_t *roots = memory;
    pln_map_init(&seen, call->heap->alloc);
    for (int64_t i = 0; status == PLN_OK && i < n; i++) {
        uint32_t at;
        /* The first node of a tree is its root. */
        if (!pln_map_get(&seen, (const char *)&keys[i].tree, sizeof(int64_t), &at)) {
            roots[trees->n_roots++] = i;
            if (!pln_map_set(&seen, (const char *)&keys[i].tree, sizeof(int64_t), (uint32_t)i)) status = pln_fail_memory(call->diag, "trees", (size_t)n);
        }
        if (!pln_map_set(map, (const char *)&keys[i], sizeof(keys[i]), (uint32_t)i)) status = pln_fail_memory(call->diag, "trees", (size_t)n);
    }
    pln_map_deinit(&seen);
    trees->roots = roots;
    return status;
}

static enum pln_status link_nodes(struct pln_call *call, const struct node_key *keys, int64_t n, const struct pln_map *map, struct pln_ref_trees *trees)
{
    const int64_t *next[2];
    PLN_TRY(read_ints(call, "nodes_falsenodeids", n, &next[0]));
    PLN_TRY(read_ints(call, "nodes_truenodeids", n, &next[1]));
    for (int64_t i = 0; i < n; i++) {
        for (int side = 0; side < 2 && trees->nodes[i].mode != PLN_REF_LEAF; side++) {
            struct node_key key = { keys[i].tree, next[side][i] };
            uint32_t at;
            if (!pln_map_get(map, (const char *)&key, sizeof(key), &at)) return pln_call_fail(call, PLN_BAD_MODEL, "node %lld leads nowhere", (long long)i);
            trees->nodes[i].next[side] = at;
        }
    }
    return PLN_OK;
}

/* Chains the votes of each node, first to last. */
static enum pln_status link_votes(struct pln_call *call, const char *prefix, const struct pln_map *map, struct pln_ref_trees *trees)
{
    char name[64], tensor_name[64];
    const int64_t *tree_ids, *node_ids;
    int64_t n = trees->n_votes, n_weights;
    snprintf(name, sizeof(name), "%s_treeids", prefix);
    PLN_TRY(read_ints(call, name, n, &tree_ids));
    snprintf(name, sizeof(name), "%s_nodeids", prefix);
    PLN_TRY(read_ints(call, name, n, &node_ids));
    snprintf(name, sizeof(name), "%s_weights", prefix);
    snprintf(tensor_name, sizeof(tensor_name), "%s_weights_as_tensor", prefix);
    PLN_TRY(pln_ref_float_list(call, name, tensor_name, &trees->vote_weights, &n_weights));
    if (n_weights != n) return pln_call_fail(call, PLN_BAD_MODEL, "%s has %lld entries, not %lld", name, (long long)n_weights, (long long)n);
    for (int64_t i = n - 1; i >= 0; i--) {
        struct node_key key = { tree_ids[i], node_ids[i] };
        uint32_t at;
        if (!pln_map_get(map, (const char *)&key, sizeof(key), &at)) return pln_call_fail(call, PLN_BAD_MODEL, "vote %lld is of no node", (long long)i);
        trees->next_vote[i] = trees->nodes[at].first_vote;
        trees->nodes[at].first_vote = i;
    }
    return PLN_OK;
}

static enum pln_status read_old_nodes(struct pln_call *call, const struct node_key *keys, const struct pln_map *map, struct pln_ref_trees *trees)
{
    const struct pln_attr *modes = pln_attrs_find(call->attrs, "nodes_modes");
    const int64_t *features, *missing = NULL;
    const double *splits;
    int64_t n = trees->n_nodes, n_splits;
    PLN_TRY(read_ints(call, "nodes_featureids", n, &features));
    if (pln_attrs_has(call->attrs, "nodes_missing_value_tracks_true")) PLN_TRY(read_ints(call, "nodes_missing_value_tracks_true", n, &missing));
    PLN_TRY(pln_ref_float_list(call, "nodes_values", "nodes_values_as_tensor", &splits, &n_splits));
    if (!modes || modes->kind != PLN_ATTR_STRINGS || modes->n != n || n_splits != n) return pln_call_fail(call, PLN_BAD_MODEL, "nodes_modes or nodes_values does not have one entry a node");
    for (int64_t i = 0; i < n; i++) {
        struct pln_ref_tree_node *node = &trees->nodes[i];
        PLN_TRY(read_mode(call, &modes->u.strings[i], &node->mode));
        node->feature = features[i];
        node->split = splits[i];
        node->missing_is_true = missing && missing[i] != 0;
    }
    return link_nodes(call, keys, n, map, trees);
}

enum pln_status pln_ref_trees_read_old(struct pln_call *call, const char *prefix, int64_t n_targets, struct pln_ref_trees *out_trees)
{
    struct pln_ref_trees *trees = out_trees;
    const int64_t *tree_ids, *node_ids;
    struct pln_map map;
    void *memory;
    char name[64];
    memset(trees, 0, sizeof(*trees));
    int64_t n = pln_attrs_ints(call->attrs, "nodes_treeids", &tree_ids);
    PLN_TRY(read_ints(call, "nodes_nodeids", n, &node_ids));
    if (n_targets < 0 || n_targets > INT32_MAX || n > INT32_MAX) return pln_call_fail(call, PLN_BAD_MODEL, "%lld nodes, %lld targets", (long long)n, (long long)n_targets);
    trees->n_targets = n_targets;
    snprintf(name, sizeof(name), "%s_ids", prefix);
    int64_t n_votes = pln_attrs_ints(call->attrs, name, &trees->vote_targets);
    PLN_TRY(make_nodes(call, n, trees));
    PLN_TRY(make_votes(call, n_votes, trees));
    PLN_TRY(pln_call_scratch(call, (size_t)n, sizeof(struct node_key), &memory));
    struct node_key *keys = memory;
    for (int64_t i = 0; i < n; i++) keys[i] = (struct node_key){ tree_ids[i], node_ids[i] };
    pln_map_init(&map, call->heap->alloc);
    enum pln_status status = index_nodes(call, keys, n, &map, trees);
    if (status == PLN_OK) status = read_old_nodes(call, keys, &map, trees);
    if (status == PLN_OK) status = link_votes(call, prefix, &map, trees);
    pln_map_deinit(&map);
    return status;
}

/* ---- running ---- */

static bool branch(const struct pln_ref_trees *trees, const struct pln_ref_tree_node *node, double x)
{
    if (isnan(x)) return node->missing_is_true;
    switch (node->mode) {
    case PLN_REF_LEQ:
        return x <= node->split;
    case PLN_REF_LT:
        return x < node->split;
    case PLN_REF_GTE:
        return x >= node->split;
    case PLN_REF_GT:
        return x > node->split;
    case PLN_REF_EQ:
        return x == node->split;
    case PLN_REF_NEQ:
        return x != node->split;
    case PLN_REF_MEMBER:
        for (int64_t i = 0; i < node->n_members; i++) {
            if (trees->members[node->members + i] == x) return true;
        }
        return false;
    case PLN_REF_LEAF:
        return false;
    }
    return false;
}

static void vote(enum pln_ref_aggregate aggregate, double weight, double *score, bool *voted)
{
    if (!*voted || aggregate == PLN_REF_SUM || aggregate == PLN_REF_AVERAGE) {
        *score += weight;
    } else {
        *score = aggregate == PLN_REF_MIN ? fmin(*score, weight) : fmax(*score, weight);
    }
    *voted = true;
}

enum pln_status pln_ref_trees_run(struct pln_call *call, const struct pln_ref_trees *trees, const double *features, int64_t n_features,
                                  enum pln_ref_aggregate aggregate, double *scores, bool *voted)
{
    memset(scores, 0, (size_t)trees->n_targets * sizeof(scores[0]));
    memset(voted, 0, (size_t)trees->n_targets * sizeof(voted[0]));
    for (int64_t tree = 0; tree < trees->n_roots; tree++) {
        int64_t at = trees->roots[tree], steps = 0;
        while (trees->nodes[at].mode != PLN_REF_LEAF) {
            const struct pln_ref_tree_node *node = &trees->nodes[at];
            if (++steps > trees->n_nodes) return pln_call_fail(call, PLN_BAD_MODEL, "tree %lld has a cycle", (long long)tree);
            if (node->feature < 0 || node->feature >= n_features) return pln_call_fail(call, PLN_BAD_MODEL, "a node asks for feature %lld of %lld", (long long)node->feature, (long long)n_features);
            at = node->next[branch(trees, node, features[node->feature])];
        }
        for (int64_t v = trees->nodes[at].first_vote; v >= 0; v = trees->next_vote[v]) {
            int64_t target = trees->vote_targets[v];
            vote(aggregate, trees->vote_weights[v], &scores[target], &voted[target]);
        }
    }
    for (int64_t t = 0; aggregate == PLN_REF_AVERAGE && t < trees->n_targets; t++) scores[t] /= (double)PLN_MAX(trees->n_roots, 1);
    return PLN_OK;
}
