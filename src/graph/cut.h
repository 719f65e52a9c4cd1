/* A part of a graph: other inputs and outputs of its main block. */
#ifndef PLN_GRAPH_CUT_H
#define PLN_GRAPH_CUT_H

#include "graph/graph.h"

/* The values of these names become the outputs, in the place of those that were (NULL: those stay), and those of `inputs` become inputs: what computes them
 * remains only where something else of it is used. Lists end with NULL. States are forgotten. What no output needs is still there: remove dead nodes, then call
 * pln_graph_drop_unused_inputs. PLN_NOT_FOUND: a name is no value of the main block; PLN_INVALID_ARGUMENT: a name is given twice. */
enum pln_status pln_graph_cut(struct pln_graph *graph, const char *const *inputs, const char *const *outputs, struct pln_diag *diag);
/* Inputs of the main block that nothing uses are none any more. */
void pln_graph_drop_unused_inputs(struct pln_graph *graph);

#endif
