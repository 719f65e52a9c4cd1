#include "kernel/trees.h"

static bool is_place(const struct pln_trees *t, int32_t place, int32_t first)
{
    return place >= 0 ? place >= first && place < t->n_nodes : ~place < t->n_leaves;
}

static bool check_nodes(const struct pln_trees *t)
{
    for (int32_t i = 0; i < t->n_nodes; i++) {
        const struct pln_trees_node *node = &t->nodes[i];
        const uint32_t mode = node->what >> 28 & 7;
        if ((int32_t)(node->what & 0xfffffff) >= t->n_features || mode > PLN_TREES_NEQ || (t->mode != PLN_TREES_MIXED && mode != (uint32_t)t->mode)) return false;
        if (!is_place(t, node->next[0], i + 1) || !is_place(t, node->next[1], i + 1)) return false;
    }
    for (int32_t i = 0; i < t->n_roots; i++)
        if (!is_place(t, t->roots[i], 0)) return false;
    return true;
}

static bool check_votes(const struct pln_trees *t, int64_t n_targets)
{
    int32_t at = 0;
    for (int32_t i = 0; i <= t->n_leaves; i++) {
        if (t->firsts[i] < at || t->firsts[i] > t->n_votes) return false;
        at = t->firsts[i];
    }
    for (int32_t i = 0; i < t->n_votes; i++)
        if (t->votes[i].target < 0 || t->votes[i].target >= n_targets) return false;
    return true;
}

bool pln_trees_open(const void *words, int64_t n_words, int64_t n_targets, struct pln_trees *out_trees)
{
    const int32_t *w = words;
    struct pln_trees *t = out_trees;
    memset(t, 0, sizeof *t);
    if (n_words < PLN_TREES_HEADER || w[0] != PLN_TREES_VERSION || w[7] != 0) return false;
    for (int i = 1; i < 7; i++)
        if (w[i] < 0) return false;
    if (w[6] > PLN_TREES_MIXED || w[6] == 6 || n_words != PLN_TREES_HEADER + 4 * (int64_t)w[1] + w[2] + 1 + 2 * (int64_t)w[3] + w[4]) return false;
    *t = (struct pln_trees){ .n_nodes = w[1], .n_leaves = w[2], .n_votes = w[3], .n_roots = w[4], .n_features = w[5], .mode = (enum pln_trees_mode)w[6] };
    t->nodes = (const struct pln_trees_node *)(const void *)(w + PLN_TREES_HEADER);
    t->firsts = w + PLN_TREES_HEADER + 4 * (int64_t)w[1];
    t->votes = (const struct pln_trees_vote *)(const void *)(t->firsts + t->n_leaves + 1);
    t->roots = t->firsts + t->n_leaves + 1 + 2 * (int64_t)t->n_votes;
    return check_nodes(t) && check_votes(t, n_targets);
}
