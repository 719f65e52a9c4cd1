/* Tree ensembles in one form, whichever of the three operators they came from. */
#ifndef PLN_BACKEND_REF_ML_TREES_H
#define PLN_BACKEND_REF_ML_TREES_H

#include "kernel/call.h"

enum pln_ref_branch { PLN_REF_LEQ, PLN_REF_LT, PLN_REF_GTE, PLN_REF_GT, PLN_REF_EQ, PLN_REF_NEQ, PLN_REF_MEMBER, PLN_REF_LEAF };

struct pln_ref_tree_node {
    enum pln_ref_branch mode;
    bool missing_is_true;
    int64_t feature;
    double split;
    int64_t next[2];              /* nodes for false and true */
    int64_t members, n_members;   /* MEMBER: range of trees->members */
    int64_t first_vote;           /* LEAF: of a chain in trees->next_vote; -1: none */
};

struct pln_ref_trees {
    struct pln_ref_tree_node *nodes;
    int64_t n_nodes;
    const int64_t *roots;
    int64_t n_roots;
    const double *members;
    /* Votes of leaves. */
    const int64_t *vote_targets;
    const double *vote_weights;
    int64_t *next_vote; /* -1: the last of its leaf */
    int64_t n_votes, n_targets;
};

/* Reads TreeEnsemble-5. */
enum pln_status pln_ref_trees_read_new(struct pln_call *call, struct pln_ref_trees *out_trees);
/* Reads TreeEnsembleClassifier and TreeEnsembleRegressor, whose votes' attributes begin with prefix "class" or "target". */
enum pln_status pln_ref_trees_read_old(struct pln_call *call, const char *prefix, int64_t n_targets, struct pln_ref_trees *out_trees);

enum pln_ref_aggregate { PLN_REF_AVERAGE, PLN_REF_SUM, PLN_REF_MIN, PLN_REF_MAX };
/* Sends one row of features through all trees; scores[n_targets] and whether anything voted for each. Errors: PLN_BAD_MODEL a path that does not
 * end, a feature that is not there. */
enum pln_status pln_ref_trees_run(struct pln_call *call, const struct pln_ref_trees *trees, const double *features, int64_t n_features,
                                  enum pln_ref_aggregate aggregate, double *scores, bool *voted);

#endif
