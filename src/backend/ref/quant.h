/* Scales and zero points: which one goes with which element, and saturation. */
#ifndef PLN_BACKEND_REF_QUANT_H
#define PLN_BACKEND_REF_QUANT_H

#include "kernel/call.h"

/* Element i of x takes parameter ((i / outer_step) * blocks + (i / inner % extent) / block) * kept + i % kept. */
struct pln_ref_grain {
    int64_t inner, extent, outer_step; /* elements behind one step of axis; size of axis; inner * extent */
    int64_t block, blocks;             /* elements of axis that share one parameter; parameters along axis */
    int64_t kept;                      /* inner when every lane has its own (blocked), else 1 */
    bool single, shared_outer;         /* one for all; one set for all outer indices (per axis) */
};

/* How scale (rank 0, or 1 element: all; rank 1: per axis; rank of x: blocked) lies over x. Attributes axis and block_size. */
enum pln_status pln_ref_grain(struct pln_call *call, const struct pln_tensor *x, const struct pln_tensor *scale, struct pln_ref_grain *out_grain);
int64_t pln_ref_grain_at(const struct pln_ref_grain *grain, int64_t i);
/* What integer type `dtype` can hold; false for other types. */
bool pln_ref_integer_range(enum pln_dtype dtype, double *out_low, double *out_high);
/* value (already scaled) rounded to even, moved by zero and clamped, when dtype is an integer; value + zero else. NaN gives the lowest. */
double pln_ref_quantize(enum pln_dtype dtype, double value, double zero);

#endif
