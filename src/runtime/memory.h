/* Placing buffers with known lifetimes into one block of memory. Knows no graph. */
#ifndef PLN_RUNTIME_MEMORY_H
#define PLN_RUNTIME_MEMORY_H

#include "base/base.h"

struct pln_interval {
    uint32_t first, last; /* steps, inclusive; first <= last */
    size_t size_bytes;
    size_t offset; /* out: multiple of 64 */
};

/* Fills offsets so that intervals that overlap in time do not overlap in memory; *out_bytes is the size of the block. Up to a few thousand
 * intervals: greedy by size (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", arXiv:2001.03288, §5.2);
 * above: first fit in order of time, which is linear in practice. order: scratch for n ids. PLN_NO_MEMORY: the sum does not fit size_t. */
enum pln_status pln_memory_place(struct pln_interval *intervals, uint32_t n, uint32_t *order, size_t *out_bytes);

/* Largest sum of sizes alive at one step: no placement can need less. */
size_t pln_memory_lower_bound(const struct pln_interval *intervals, uint32_t n, uint32_t n_steps);

#endif
