/* What the rules of passes are made with: a driver that applies a rule until nothing changes, and small steps that keep the graph sound.
 *
 * A rule looks at one node and what is around it. It may remove that node and others, insert nodes, and change inputs; types of what it
 * inserts are inferred at once. Pointers into the graph do not survive an insertion: rules hold ids. Running out of memory sets
 * graph->failed, which the pipeline asks for; a rule then just returns. */
#ifndef PLN_PASSES_REWRITE_H
#define PLN_PASSES_REWRITE_H

#include "passes/pass.h"

struct pln_rewrite {
    struct pln_graph *graph;
    struct pln_arena *scratch;
};

/* true: something changed. */
typedef bool (*pln_rule)(struct pln_rewrite *rewrite, uint32_t node);

/* Applies the rule to every node of every block, in rounds, until a round changes nothing. The number of changes is bounded by a multiple of
 * the number of nodes, so that rules which undo each other end. */
enum pln_status pln_rewrite_run(struct pln_graph *graph, struct pln_arena *scratch, pln_rule rule, bool *out_changed);

/* ---- changing ---- */

/* A node with one output before node `before`, with the origins of `from` (PLN_NONE: none). Its attributes are set next, then it is inferred.
 * PLN_NONE: no memory. */
uint32_t pln_rewrite_insert(struct pln_rewrite *rewrite, uint32_t before, unsigned op, unsigned kind, const uint32_t *inputs, uint32_t n_inputs, uint32_t from);
/* Infers its types. false: it does not fit together; it is gone again. */
bool pln_rewrite_infer(struct pln_rewrite *rewrite, uint32_t node);
/* Insert and infer in one; the output value, or PLN_NONE. */
uint32_t pln_rewrite_emit(struct pln_rewrite *rewrite, uint32_t before, unsigned op, unsigned kind, const uint32_t *inputs, uint32_t n_inputs, uint32_t from);
/* A transposed value; perm has the rank of x. */
uint32_t pln_rewrite_transpose(struct pln_rewrite *rewrite, uint32_t before, uint32_t x, const int64_t *perm, int rank, uint32_t from);
/* x as a tensor of these dims (row-major); PLN_NONE when the dims cannot be told to a reshape. hint: a shape operand that may be used when its
 * elements are just these dims, or PLN_NONE. */
uint32_t pln_rewrite_reshape(struct pln_rewrite *rewrite, uint32_t before, uint32_t x, int rank, const struct pln_dim *dims, uint32_t hint, uint32_t from);

/* x, or what x is another shape of, as a tensor of these dims: an existing value or a new reshape. PLN_NONE: it cannot be had. */
uint32_t pln_rewrite_shaped(struct pln_rewrite *rewrite, uint32_t before, uint32_t x, int rank, const struct pln_dim *dims, uint32_t from);
/* Gives a reshape a constant for its shape where the dims of its result can be told so. false: it has one, or they cannot. */
bool pln_rewrite_fix_shape(struct pln_rewrite *rewrite, uint32_t node);

/* Everybody who uses output `slot` of node now uses value, which has the same elements. false, and nothing done: the output is tapped, or the
 * types are not known to be equal. In the main block, dims that must be equal are unified. A node without further use is removed. */
bool pln_rewrite_forward(struct pln_rewrite *rewrite, uint32_t node, uint32_t slot, uint32_t value);
/* Output `slot` of node, if it is wanted, is from now on output `by_slot` of `by`. false: types differ. */
bool pln_rewrite_take_output(struct pln_rewrite *rewrite, uint32_t node, uint32_t slot, uint32_t by, uint32_t by_slot);
/* The node's only output is from now on made by `by` (output 0). false: types differ. */
bool pln_rewrite_replace(struct pln_rewrite *rewrite, uint32_t node, uint32_t by);

/* New constant in the graph's arena: room for elements of this type; NULL: no memory. The value's id goes to out_value. */
void *pln_rewrite_constant(struct pln_rewrite *rewrite, const char *name, enum pln_dtype dtype, int rank, const int64_t *dims, uint32_t *out_value);

/* Nodes of all blocks in execution order, bodies behind the node that they belong to; position[node] is its place there. Arrays in scratch; false:
 * no memory. */
bool pln_rewrite_order(const struct pln_graph *graph, struct pln_arena *scratch, uint32_t **out_order, uint32_t *out_n, uint32_t **out_position);

/* ---- asking ---- */

/* Of a Gemm: alpha and beta are 1, and A is not transposed. */
bool pln_is_plain_gemm(const struct pln_graph *graph, uint32_t node);
bool pln_same_dims(struct pln_graph *graph, const struct pln_type *a, const struct pln_type *b); /* tensors of known, equal rank and dims */
bool pln_same_type(struct pln_graph *graph, uint32_t a, uint32_t b);                            /* also of one known element type */
bool pln_same_count(struct pln_graph *graph, uint32_t a, uint32_t b);                           /* tensors of known ranks and surely as many elements */
/* The producer of value when it is this op (and kind, 0: any); else PLN_NONE. */
uint32_t pln_made_by(const struct pln_graph *graph, uint32_t value, unsigned op, unsigned kind);
uint32_t pln_made_by_ew(const struct pln_graph *graph, uint32_t value, enum pln_ew kind);
/* The value is used by one node only, and may vanish. */
bool pln_used_once(const struct pln_graph *graph, uint32_t value);
/* Integer elements that are all numbers; false: left out, or not known. ints: PLN_MAX_ELEMS places. */
bool pln_known_ints(const struct pln_graph *graph, uint32_t value, int64_t *ints, int64_t *out_n);
/* Every element of the constant is this number. */
bool pln_constant_is(const struct pln_graph *graph, uint32_t value, double number);
/* perm of a transpose over `rank` axes, normalized; false: it has none that fits. */
bool pln_read_perm(const struct pln_graph *graph, uint32_t node, int rank, int64_t *perm);

#endif
