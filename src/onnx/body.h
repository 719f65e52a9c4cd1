/* Bodies of control flow as blocks, and loop ops for whatever repeats.
 *
 * Types of values that a loop carries are not known before the body has been looked at, and the body's composites want ranks. So the
 * body is imported with what the values start as, every extent open. If the body turns out to change a rank, it is thrown away and
 * imported once more with the rank open, too. Then all types inside are forgotten, and the op's own inference finds the final ones. */
#ifndef PLN_ONNX_BODY_H
#define PLN_ONNX_BODY_H

#include "onnx/importer.h"

/* A graph attribute of the node and the scope in which it looks up names; NULL after a failure. */
const struct pln_onnx_graph *pln_body_get(struct pln_emit *emit, const char *name, struct pln_scope **out_scope);
/* A block of a node, with inputs of the given types, named as the graph (NULL: none) names its own. */
uint32_t pln_body_block(struct pln_emit *emit, uint32_t node, const struct pln_onnx_graph *graph, const struct pln_type *types, uint32_t n,
                        uint32_t *out_inputs);
/* Nodes and outputs of a graph into a block; its inputs are the given values. */
void pln_body_fill(struct pln_emit *emit, const struct pln_onnx_graph *graph, struct pln_scope *outer, uint32_t block, const uint32_t *inputs,
                   uint32_t n_inputs);
/* Nodes of a graph of one input and one output into the block at hand; its output. */
uint32_t pln_body_inline(struct pln_emit *emit, const struct pln_onnx_graph *graph, struct pln_scope *outer, uint32_t x);
/* Value as the block's next output. */
void pln_body_output(struct pln_emit *emit, uint32_t block, uint32_t value);

/* What a loop op is made of. Its body's inputs are the number of the iteration, the condition, the carried values; its outputs the
 * condition, the carried values, what is collected. */
struct pln_body_loop {
    const uint32_t *inputs; /* of the op: M, cond, carried */
    uint32_t n_carried;
    uint32_t n_outputs;     /* of the op */
    /* Fills the block (emit->block is still the outer one). May run twice. body_inputs: 2 + n_carried values. */
    void (*fill)(struct pln_emit *emit, const struct pln_body_loop *loop, uint32_t block, const uint32_t *body_inputs);
    const void *user;
    bool whole; /* the condition is always true: exactly M iterations */
    const struct pln_onnx_graph *graph; /* the body of an ONNX Loop, for names and hints; else NULL */
    struct pln_scope *scope;
};
/* Emits the loop op and infers it; its node. */
uint32_t pln_body_loop(struct pln_emit *emit, const struct pln_body_loop *loop);

#endif
