/* Passes: rewrites of the graph, each in a file of its own, run in the order of passes.inc.
 *
 * A pass is a set of local rules run until nothing changes; it says whether it changed anything. It keeps names of inputs, outputs and tapped
 * values, carries origins over (pln_graph_node_inherit), and leaves a graph that pln_graph_verify accepts and whose types are inferred. */
#ifndef PLN_PASSES_PASS_H
#define PLN_PASSES_PASS_H

#include "ops/op.h"

struct pln_pass {
    const char *name;
    enum pln_status (*run)(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);
    bool portable; /* makes what ONNX has, and any runtime gains by */
};

/* In order; ended by name NULL. */
extern const struct pln_pass pln_passes[];

struct pln_pass_options {
    const char *const *disabled; /* names, ended by NULL; may be NULL */
    const char *dump_after;      /* a name; NULL: none */
    void (*dump)(void *user, const char *pass, struct pln_graph *graph);
    void *dump_user;
    const char *broken; /* tests: falsify one constant after this pass */
    bool verify;        /* check the graph after every pass */
    bool portable;      /* only those that are */
};

/* Runs them all. PLN_INVALID_ARGUMENT: a name that is no pass. */
enum pln_status pln_passes_run(struct pln_graph *graph, const struct pln_pass_options *options, struct pln_diag *diag);

#endif
