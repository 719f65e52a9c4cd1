/* --max-memory: an allocator that refuses what would go beyond. */
#ifndef PLANISH_TOOLS_LIMIT_H
#define PLANISH_TOOLS_LIMIT_H

#include "planish/types.h"

/* The allocator for all that a command hands to the library: together at most `most_bytes` at a time; it lives as long as the process, and has one limit, the first. NULL when most_bytes
 * is 0. What is mapped from files does not count. */
const struct pln_allocator *limit_allocator(long most_bytes);

#endif
