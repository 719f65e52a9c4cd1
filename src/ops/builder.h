/* Building row programs (kernel/rowprog.h) out of nodes.
 *
 * A builder has an iteration space: the dims that the program's outputs share. A value in it is either full (it has just these dims) or a row
 * value: all of them but the last, which is 1. Everything else that is read is an operand, aligned to the last dims as NumPy does.
 * Constants of one element become constants of the program. */
#ifndef PLN_OPS_BUILDER_H
#define PLN_OPS_BUILDER_H

#include "kernel/rowprog.h"
#include "ops/op.h"

#define PLN_BUILDER_VALUES (PLN_ROWPROG_MAX_REGS + 2)

struct pln_builder {
    struct pln_graph *graph;
    struct pln_type space;
    struct pln_rowprog program;
    uint32_t operands[PLN_ROWPROG_MAX_OPERANDS]; /* values read, in the order of the program's inputs */
    uint32_t values[PLN_BUILDER_VALUES];         /* values that a register holds */
    uint8_t regs[PLN_BUILDER_VALUES];
    int n_values;
    uint8_t ready[PLN_ROWPROG_MAX_REGS]; /* first pass that may read a register */
    bool varies[PLN_ROWPROG_MAX_REGS];   /* along the row */
    uint8_t dtypes[PLN_ROWPROG_MAX_REGS];
    bool full; /* something found no room */
};

/* May the node become instructions? f32 and bool only, of known rank; softmax, log-softmax, layer normalization and reductions over the last
 * axis among them, which *out_reduces tells. */
bool pln_builder_takes(const struct pln_graph *graph, uint32_t node, bool *out_reduces);

/* The dims that the node's work runs over: those of its output, of a reduction those of its input. NULL: not known. */
const struct pln_type *pln_builder_space_of(const struct pln_graph *graph, uint32_t node);

enum pln_builder_class { PLN_BUILDER_OTHER, PLN_BUILDER_FULL, PLN_BUILDER_ROW };
enum pln_builder_class pln_builder_class_of(struct pln_graph *graph, const struct pln_type *space, uint32_t value);

void pln_builder_init(struct pln_builder *builder, struct pln_graph *graph, const struct pln_type *space);
/* Reads a value as the next operand, whatever it is: the accumulator of an epilogue. */
void pln_builder_accumulator(struct pln_builder *builder, uint32_t value);
/* Adds the node's instructions; operands are added as they are needed. */
void pln_builder_add(struct pln_builder *builder, uint32_t node);
/* A value that the program makes is output number n_outputs. */
void pln_builder_output(struct pln_builder *builder, uint32_t value);
/* Sorts by pass, checks, and writes the program as an attribute of a node. false: it does not fit, or no memory. */
bool pln_builder_finish(struct pln_builder *builder);
bool pln_builder_set(const struct pln_builder *builder, uint32_t node, const char *attr);

#endif
