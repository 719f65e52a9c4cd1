/* Small helpers of infer functions that compute with extents. */
#ifndef PLN_OPS_EXTENT_H
#define PLN_OPS_EXTENT_H

#include "ops/op.h"

/* Product of dims[first, last). */
struct pln_dim pln_extent_product(struct pln_infer *infer, const struct pln_dim *dims, int first, int last);
/* min(max(value, low), high), simplified where bounds are known. */
struct pln_dim pln_extent_clamp(struct pln_infer *infer, struct pln_dim value, struct pln_dim low, struct pln_dim high);
/* Is the node sure to run? In a body, which may never be entered, what a valid model implies is no fact: nothing is unified there, and
 * extents that do not fit are left for the run to find. */
bool pln_extent_sure(const struct pln_infer *infer);
/* Unifies where the node is sure to run; false only there, when the extents are numbers that differ. */
bool pln_extent_unify(struct pln_infer *infer, struct pln_dim a, struct pln_dim b);
struct pln_dim pln_extent_const(struct pln_infer *infer, int64_t value);
/* Output o has the integer elements of input i, in the same order, where these are known. */
enum pln_status pln_extent_pass_elems(struct pln_infer *infer, int o, int i);
/* Output o is a strided view of input i, whose elements are known in row-major order: element [k0,k1,…] < dims is input element
 * offset + sum of k * stride. Nothing happens when the elements are not known or are more than PLN_MAX_ELEMS. */
enum pln_status pln_extent_view_elems(struct pln_infer *infer, int o, int i, int rank, const int64_t *dims, int64_t offset, const int64_t *strides);
/* The dims of input i as numbers and its row-major strides; false when any is not known or there are more than PLN_MAX_ELEMS elements. */
bool pln_extent_numbers(const struct pln_infer *infer, int i, int64_t *dims, int64_t *strides);
/* The axes in constant input i, normalized for `rank` and without repeats, into axes (PLN_MAX_RANK places). out_n is -1 when the input is
 * left out, -2 when it is not known. */
enum pln_status pln_extent_axes(struct pln_infer *infer, int i, int rank, int *axes, int *out_n);
/* Number of elements of the vector that input i is; -1 when it is not known or left out. */
int64_t pln_extent_length(const struct pln_infer *infer, int i);
/* Output o has as many dims as the shape vector in input i has elements: these where known, else symbols. Negative ones are an error. */
enum pln_status pln_extent_out_shape(struct pln_infer *infer, int o, enum pln_dtype dtype, int i);

#endif
