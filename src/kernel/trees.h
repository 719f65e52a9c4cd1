/* Tree ensembles as a table: what passes/trees.c makes of the attributes of TreeEnsemble, TreeEnsembleClassifier and TreeEnsembleRegressor, so that
 * no run has to read them, and what the op `trees` has as a constant. i32 words, floats as their bits:
 *
 *   header: version 1; n_nodes; n_leaves; n_votes; n_roots; n_features (features that nodes ask for are less); mode of all nodes, or
 *           PLN_TREES_MIXED; 0
 *   n_nodes × { feature | mode << 28 | missing << 31, split f32, when false, when true }
 *   (n_leaves + 1) × first vote; leaf i has votes [first of i, first of i + 1)
 *   n_votes × { target, weight f32 }
 *   n_roots × root
 *
 * Roots and what follows a node are nodes, or leaves as ~leaf. Nodes stand in front of what follows them, so that no path can turn round. A feature
 * that is NaN goes where `missing` says, in every mode. */
#ifndef PLN_KERNEL_TREES_H
#define PLN_KERNEL_TREES_H

#include "base/base.h"

#define PLN_TREES_VERSION 1
#define PLN_TREES_HEADER 8
#define PLN_TREES_FEATURES_MOST ((int64_t)1 << 28)

/* In the order of TreeEnsemble-5's nodes_modes. */
enum pln_trees_mode { PLN_TREES_LEQ, PLN_TREES_LT, PLN_TREES_GTE, PLN_TREES_GT, PLN_TREES_EQ, PLN_TREES_NEQ, PLN_TREES_MIXED = 7 };
/* In the order of TreeEnsemble-5's aggregate_function. */
enum pln_trees_aggregate { PLN_TREES_AVERAGE, PLN_TREES_SUM, PLN_TREES_MIN, PLN_TREES_MAX };

struct pln_trees_node {
    uint32_t what; /* feature, mode and missing */
    float split;
    int32_t next[2]; /* when false, when true */
};

struct pln_trees_vote {
    int32_t target;
    float weight;
};

struct pln_trees {
    const struct pln_trees_node *nodes;
    const int32_t *firsts;
    const struct pln_trees_vote *votes;
    const int32_t *roots;
    int32_t n_nodes, n_leaves, n_votes, n_roots, n_features;
    enum pln_trees_mode mode;
};

/* Views a table, which is aligned to 4 bytes, and checks all that a walk relies on. false: it is none, or votes for other than n_targets. */
bool pln_trees_open(const void *words, int64_t n_words, int64_t n_targets, struct pln_trees *out_trees);

static inline bool pln_trees_compare(enum pln_trees_mode mode, float x, float split)
{
    switch (mode) {
    case PLN_TREES_LEQ: return x <= split;
    case PLN_TREES_LT: return x < split;
    case PLN_TREES_GTE: return x >= split;
    case PLN_TREES_GT: return x > split;
    case PLN_TREES_EQ: return x == split;
    case PLN_TREES_NEQ: return x < split || x > split; /* NaN is missing */
    case PLN_TREES_MIXED: break;
    }
    return false;
}

/* Leaf of a tree for one row of features. `mode`: that of all nodes, or PLN_TREES_MIXED. */
static inline __attribute__((always_inline)) int32_t pln_trees_walk(const struct pln_trees_node *nodes, int32_t root, const float *row, const enum pln_trees_mode mode)
{
    int32_t at = root;
    while (at >= 0) {
        const struct pln_trees_node *node = &nodes[at];
        const float x = row[node->what & 0xfffffff];
        const enum pln_trees_mode own = mode == PLN_TREES_MIXED ? (enum pln_trees_mode)(node->what >> 28 & 7) : mode;
        const bool taken = pln_trees_compare(own, x, node->split) | ((x != x) & (node->what >> 31));
        at = node->next[taken];
    }
    return ~at;
}

#endif
