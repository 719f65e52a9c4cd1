/* From a graph of canonical ops back to an ONNX model.
 *
 * A canonical op is 1:1 with an ONNX operator in its newest form (ops/op.h), so a node becomes a node of the oldest operator set, not older than the
 * model came with, in which that form holds: where opset.inc has the same handler for it as for the newest one, and schema.inc takes its attributes, counts
 * and element types. Bodies become graphs, constants initializers; names of inputs, outputs and values stay.
 *
 * What passes make beyond ONNX (row programs, epilogues, rsqrt, …) cannot be written; of the passes only those that passes.inc calls portable may have run. */
#ifndef PLN_ONNX_EXPORT_H
#define PLN_ONNX_EXPORT_H

#include "graph/graph.h"
#include "onnx/model.h"

struct pln_onnx_export_options {
    int64_t opset; /* of ONNX's own domain: this one and no other; 0: as described above */
};

/* The model and what it points to lie in the arena or are views of the graph, which outlives it. Errors: PLN_UNSUPPORTED: no operator set, or not the one
 * asked for, has a node in this form; the message tells node and reason. PLN_INVALID_ARGUMENT: an operator set that ONNX does not have. PLN_NO_MEMORY. */
enum pln_status pln_onnx_export(struct pln_graph *graph, const struct pln_onnx_export_options *options, struct pln_arena *arena, struct pln_diag *diag,
                                struct pln_onnx_model *out_model);

#endif
