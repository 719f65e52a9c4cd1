/* What a decoded model must satisfy before anybody interprets its operators.
 *
 * Source: ONNX's IR.md (ONNX 1.23): "Graphs", "Names Within a Graph", "Functions". Checked, in the graph, its subgraphs
 * and the functions: every name is given a value once in its graph (inputs, initializers that are not defaults of
 * inputs, node outputs); every name that is read has a value in its graph or one around it, and so has every output;
 * nodes depend on each other without a cycle; op_type and attribute names are not empty, no attribute is given twice;
 * ref_attr_name only inside functions, and only attributes that the function declares; functions are unique and do not
 * call themselves, directly or not; no operator set is imported in two versions or in a negative one.
 *
 * Wider than ONNX where a model still has one meaning: an inner graph may reuse a name of an outer one (the inner one
 * counts, as in ONNX Runtime); a subgraph's output may be a value of an outer graph; initializers need not be inputs
 * whatever the IR version; and nodes may stand in any order. Out of order, they are sorted here, in place, with a note
 * in model->notes. */
#ifndef PLN_ONNX_CHECK_H
#define PLN_ONNX_CHECK_H

#include "onnx/model.h"

/* arena: the model's, for sorted nodes and notes. PLN_BAD_MODEL, with node name, operator and index in the entry;
 * PLN_NO_MEMORY. Time and scratch memory are linear in the model (times the depth of subgraphs for names of outer
 * graphs). */
enum pln_status pln_onnx_check_model(struct pln_onnx_model *model, struct pln_arena *arena, struct pln_diag *diag);
/* The same, but every fault has its entry. importable: an import with all_faults may tell more of them; names that nobody gives are told here alone. */
enum pln_status pln_onnx_check_faults(struct pln_onnx_model *model, struct pln_arena *arena, struct pln_diag *diag, bool *out_importable);

#endif
