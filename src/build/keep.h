/* The graph that a plan keeps for being built again. */
#ifndef PLN_BUILD_KEEP_H
#define PLN_BUILD_KEEP_H

#include "graph/graph.h"
#include "kernel/program.h"

/* Puts the text of a graph into the program that was lowered from it, in the program's arena. Constants of more than 16 elements are named by the weight
 * that holds them, plain or in a form that can be unpacked; one that no step reads becomes a weight of its own. */
enum pln_status pln_graph_keep(struct pln_graph *graph, struct pln_program *program, struct pln_diag *diag);

/* Puts an ONNX model into a program as a weight (PLN_WEIGHT_MODEL) that no step reads: bytes that stay until the plan is written. */
enum pln_status pln_model_keep(struct pln_program *program, const void *model, size_t size_bytes, struct pln_diag *diag);

/* The graph inside a plan that was read and verified, its types inferred anew. Plain weights stay where the plan has them, packed ones are unpacked into
 * arena, each once; both outlive the graph, and so do plugins. name: the plan's, for messages. Errors: PLN_NOT_FOUND: the plan keeps none;
 * PLN_INCOMPATIBLE: a weight is packed in a form that is not known, or a custom operator is missing; PLN_BAD_PLAN; PLN_NO_MEMORY. */
enum pln_status pln_graph_restore(const struct pln_program *plan, const char *name, const struct pln_allocator *alloc, struct pln_arena *arena, const struct pln_plugins *plugins,
                                  struct pln_diag *diag, struct pln_graph **out_graph);

#endif
