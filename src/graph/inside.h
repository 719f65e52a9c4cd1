/* Inside of the graph module: lists of uses and of nodes, shared by the functions that build and change. */
#ifndef PLN_GRAPH_INSIDE_H
#define PLN_GRAPH_INSIDE_H

#include "graph/graph.h"

/* A new use of `value` in its list. PLN_NONE: no memory (failed is set), or value is PLN_NONE. */
uint32_t pln_use_add(struct pln_graph *graph, uint32_t value, uint32_t user, uint32_t block, uint32_t slot);
/* Takes the use out of its value's list and keeps it for later. use may be PLN_NONE. */
void pln_use_drop(struct pln_graph *graph, uint32_t use);
/* Moves an existing use from its value's list to that of `value`. */
void pln_use_move(struct pln_graph *graph, uint32_t use, uint32_t value);

/* In the node list of `block`: before node `before`, or at the end when that is PLN_NONE. */
void pln_node_link(struct pln_graph *graph, uint32_t node, uint32_t block, uint32_t before);
void pln_node_unlink(struct pln_graph *graph, uint32_t node);

/* Room in an array of ids that grows one by one: rounded up to a power of two. NULL: no memory (failed is set). */
uint32_t *pln_ids_alloc(struct pln_graph *graph, size_t n);
/* ids with `id` after its n entries; grown when n is full. NULL: no memory (failed is set). */
uint32_t *pln_ids_append(struct pln_graph *graph, uint32_t *ids, size_t n, uint32_t id);

/* A copy of the name that no value has, in the arena. NULL: no memory (failed is set). */
const char *pln_name_unique(struct pln_graph *graph, const char *name);

#endif
