/* Whole tensors as doubles: how the reference kernels of floating-point arithmetic read and write every element type. */
#ifndef PLN_BACKEND_REF_REAL_H
#define PLN_BACKEND_REF_REAL_H

#include "kernel/call.h"

/* All elements of a contiguous tensor, in scratch memory (of an f64 tensor: its own data). */
enum pln_status pln_ref_reals(struct pln_call *call, const struct pln_tensor *tensor, const double **out_values);
/* The same of input i; NULL when it is left out. */
enum pln_status pln_ref_reals_in(struct pln_call *call, int i, const double **out_values);
/* Elements [first, first + n) of a contiguous tensor, rounded once; float8 and float4 saturate. Integers are for the caller to round and clamp. */
void pln_ref_store(const struct pln_tensor *tensor, int64_t first, int64_t n, const double *values);
/* Scratch for n doubles, zeroed; n is checked. */
enum pln_status pln_ref_scratch_reals(struct pln_call *call, int64_t n, double **out_values);

#endif
