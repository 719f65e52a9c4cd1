/* Names of one graph or function body while it is checked, and what its nodes need of each other. Private to check.c.
 */
#ifndef PLN_ONNX_SCOPE_H
#define PLN_ONNX_SCOPE_H

#include "base/hash.h"
#include "onnx/model.h"
#include "onnx/sort.h"

/* What a name stands for: the place of the node that makes it, or one of these. */
#define PLN_SCOPE_INPUT       UINT32_MAX
#define PLN_SCOPE_INITIALIZER (UINT32_MAX - 1)

struct pln_onnx_scope {
    struct pln_onnx_scope *outer; /* NULL: a model's graph or a function */
    const char *title;            /* "graph", "function 'f'", "attribute 'then_branch'", for messages */
    struct pln_map names;
    struct pln_onnx_node *nodes;
    uint32_t node_count;
    uint32_t current; /* the node whose names are looked up */
    bool in_order;    /* every node so far comes after those it needs */
    struct pln_arena *scratch;
    struct pln_onnx_edge *edges;
    size_t edge_count, edge_capacity;
};

void pln_onnx_scope_init(struct pln_onnx_scope *scope, struct pln_onnx_scope *outer, const char *title,
                         struct pln_arena *scratch);
void pln_onnx_scope_deinit(struct pln_onnx_scope *scope);

/* Gives a name its value; PLN_BAD_MODEL if it is empty or has one already. An initializer may name an input (its
 * default). */
enum pln_status pln_onnx_scope_define(struct pln_onnx_scope *scope, const char *name, uint32_t meaning,
                                      struct pln_diag *diag);

/* Looks a name up from the inside out, and notes that the current node of the scope that has it needs its maker.
 * PLN_BAD_MODEL: nobody has it; `role` ("input", "output") says in the message what it was wanted for. */
enum pln_status pln_onnx_scope_use(struct pln_onnx_scope *scope, const char *name, const char *role,
                                   struct pln_diag *diag);

#endif
