/* Ensembles of decision trees, from the table of kernel/trees.h.
 *
 * A task is a block of rows, which go through one tree after another: a tree's nodes stay in the cache for all of them, and walks of different rows
 * overlap. Scores are sums in f64 in the order of the trees, as in the reference kernel. The table is checked once, in prepare; launches of other
 * extents with the same table look at it no more. */
#ifndef PLN_CPU_TREES_H
#define PLN_CPU_TREES_H

#include "kernel/kernel.h"

extern const struct pln_kernel_family pln_cpu_trees;

#endif
