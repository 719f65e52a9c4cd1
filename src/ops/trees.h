/* The attributes of ONNX's tree ensembles as the table of kernel/trees.h. */
#ifndef PLN_OPS_TREES_H
#define PLN_OPS_TREES_H

#include "ops/op.h"

struct pln_trees_table {
    int32_t *words; /* in the arena */
    int64_t n_words;
    /* Of two classes: only the first one is voted for, and no vote is negative. */
    bool one_sided, positive;
    bool no_memory; /* why there is no table */
};

/* Of a node of tree_ensemble, tree_ensemble_classifier or tree_ensemble_regressor that votes for n_targets. Arrays lie in the arena. false: the
 * attributes do not fit together, or they have what the table has not (sets, f64, nodes that are reached twice): the node says by itself what is
 * wrong with it when it runs. */
bool pln_trees_table_make(const struct pln_graph *graph, uint32_t node, int64_t n_targets, struct pln_arena *arena, struct pln_trees_table *out_table);

#endif
