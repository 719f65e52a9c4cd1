/* Order of things that depend on each other: nodes of a graph, functions that call functions. */
#ifndef PLN_ONNX_SORT_H
#define PLN_ONNX_SORT_H

#include "base/arena.h"

/* `to` needs `from`. */
struct pln_onnx_edge {
    uint32_t from, to;
};

/* Depth-first, each item after what it needs and otherwise in the given order (R. E. Tarjan, "Depth-First Search and
 * Linear Graph Algorithms", 1972), without recursion, in time linear in items and edges. All memory from the arena.
 *
 * PLN_OK: out_order[0..count) holds the items in order, *out_cycle is 0. PLN_BAD_MODEL (nothing is added to a
 * diagnostics list): *out_cycle > 0 items of out_order form a cycle, each needing the one after it, the last needing
 * the first. PLN_NO_MEMORY. */
enum pln_status pln_onnx_sort(uint32_t count, const struct pln_onnx_edge *edges, size_t edge_count,
                              struct pln_arena *arena, uint32_t **out_order, uint32_t *out_cycle);

#endif
