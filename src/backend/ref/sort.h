/* A stable merge sort of indices. */
#ifndef PLN_BACKEND_REF_SORT_H
#define PLN_BACKEND_REF_SORT_H

#include "kernel/call.h"

/* < 0, 0, > 0 as element a comes before b, is equal, comes after; a total order (also where NaN occurs). */
typedef int (*pln_index_compare)(const void *user, int64_t a, int64_t b);

/* Puts indices[n] in order; equal ones keep theirs. Scratch of n more comes from the call. */
enum pln_status pln_indices_sort(struct pln_call *call, int64_t *indices, int64_t n, pln_index_compare compare, const void *user);

#endif
