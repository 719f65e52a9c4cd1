/* Values that 16 bits do not hold, though what they are made of fits: f16 ends at 65504, and sums lose small terms in
 * bf16. Asked by passes/precision.c. */
#ifndef PLN_PASSES_RANGE_H
#define PLN_PASSES_RANGE_H

#include "graph/graph.h"

enum pln_range {
    PLN_RANGE_LIKE_INPUTS, /* about as large as what it is made of */
    PLN_RANGE_PRODUCT, /* elements times elements, mostly small ones: a gate, or what a sum of products is made of */
    PLN_RANGE_SUMMED,  /* not larger, but put together from many: worth its bits */
    PLN_RANGE_LARGER,  /* a power, an exponential, a sum: of any size */
};

/* What output `slot` of a node with one is, for inputs that are like any others. */
enum pln_range pln_range_of_output(const struct pln_graph *graph, uint32_t node, uint32_t slot);
/* Output 0 is as large as input 0 is: the same elements, or those and constants added. */
bool pln_range_is_passed_on(const struct pln_graph *graph, uint32_t node);
/* A reduction other than of the largest and least reads the value, perhaps in another shape. */
bool pln_range_is_reduced(const struct pln_graph *graph, uint32_t value);

#endif
