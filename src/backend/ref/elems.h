/* Moving elements of any type, for kernels that copy and never compute.
 *
 * A tensor is seen as an array of units of 1, 2, 4, 8 or 16 bytes, one an element: types below a byte are unpacked to one byte each
 * into scratch memory and packed again when an output is finished; strings are moved as struct pln_string and get memory of their own
 * when the output is finished. So one loop over units serves every element type. Strides and offsets count elements. */
#ifndef PLN_BACKEND_REF_ELEMS_H
#define PLN_BACKEND_REF_ELEMS_H

#include "kernel/call.h"

/* Axes that pln_elems_copy takes: repeat counts beside every axis need twice the rank. */
#define PLN_ELEMS_MAX_RANK (2 * PLN_MAX_RANK)

struct pln_elems {
    struct pln_tensor tensor; /* dtype and shape; contiguous */
    char *data;               /* unit 0; inputs are never written through it */
    size_t unit_bytes;
    int64_t count;
};

/* Views a contiguous tensor. Errors: PLN_NO_MEMORY. */
enum pln_status pln_elems_view(struct pln_call *call, const struct pln_tensor *tensor, struct pln_elems *out_elems);
/* Input i, which must be there. */
enum pln_status pln_elems_in(struct pln_call *call, int i, struct pln_elems *out_elems);
/* Output i; units start as zero (strings: empty). pln_elems_finish must follow once they are filled. */
enum pln_status pln_elems_out(struct pln_call *call, int i, enum pln_dtype dtype, int rank, const int64_t *dims, struct pln_elems *out_elems);
enum pln_status pln_elems_finish(struct pln_call *call, int i, struct pln_elems *elems);
/* A whole tensor under another shape of the same count to output i. */
enum pln_status pln_elems_reshape(struct pln_call *call, const struct pln_tensor *from, int i, int rank, const int64_t *dims);

/* Copies one unit for each index of dims from in (any strides, also 0 and negative) to out. rank <= PLN_ELEMS_MAX_RANK. */
void pln_elems_copy(int rank, const int64_t *dims, char *out, const int64_t *out_strides, const char *in, const int64_t *in_strides,
                    size_t unit_bytes);
/* out[i0,i1,…] = in[map[0][i0], map[1][i1], …] for contiguous out and in; where a map gives a negative index the unit is left alone. */
void pln_elems_copy_mapped(int rank, const int64_t *out_dims, char *out, const int64_t *in_dims, const char *in, int64_t *const *maps,
                           size_t unit_bytes);
/* Sets units [first, first + n) to *unit. */
void pln_elems_fill(struct pln_elems *elems, int64_t first, int64_t n, const void *unit);

/* Any integer tensor of any rank as int64 in scratch or in place. */
enum pln_status pln_elems_ints(struct pln_call *call, int i, const int64_t **out_ints, int64_t *out_n);
/* The axis attribute or value made 0..rank-1; else PLN_BAD_MODEL. */
enum pln_status pln_elems_axis(struct pln_call *call, int64_t axis, int rank, int *out_axis);
/* Axes from `axes` (n of them; NULL: 0..rank-1): normalized, without repeats, or PLN_BAD_MODEL. axes_out has PLN_MAX_RANK places. */
enum pln_status pln_elems_axes(struct pln_call *call, const int64_t *axes, int64_t n, int rank, int *axes_out, int *out_n);
/* Product of dims[first, last); 0 when it overflows, which it can do only where another dim of the tensor is 0. */
int64_t pln_elems_product(const int64_t *dims, int first, int last);

static inline void pln_unit_copy(char *out, const char *in, size_t unit_bytes)
{
    switch (unit_bytes) {
    case 1: *out = *in; break;
    case 2: memcpy(out, in, 2); break;
    case 4: memcpy(out, in, 4); break;
    case 8: memcpy(out, in, 8); break;
    default: memcpy(out, in, 16); break;
    }
}

#endif
