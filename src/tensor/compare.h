/* Comparing results, as `planish check` and --verify judge them. */
#ifndef PLN_TENSOR_COMPARE_H
#define PLN_TENSOR_COMPARE_H

#include "tensor/tensor.h"

struct pln_tolerance {
    double rtol, atol;  /* |a-b| <= atol + rtol*|b|; NaN equals NaN, inf equals inf of the same sign */
    double max_rel_err; /* > 0: judge floats by max|a-b| / max|b| over the whole tensor instead */
};

struct pln_difference {
    bool equal;
    int64_t wrong;        /* elements outside the tolerance */
    int64_t worst_index;  /* -1: none */
    double worst_got, worst_want;
    double max_abs, max_rel; /* max|a-b|, and that over max|b| */
    char text[256];       /* one line: why not equal; "" when equal */
};

/* got against want, both contiguous. Type and shape must be equal; integers, bools and strings exactly. */
void pln_compare(const struct pln_tensor *got, const struct pln_tensor *want, const struct pln_tolerance *tolerance, struct pln_difference *out);

#endif
