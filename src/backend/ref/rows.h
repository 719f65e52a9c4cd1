/* What the plain kernels share: runs of elements as doubles or 64-bit integers, and walks over broadcast shapes.
 *
 * Floats of every width are computed in double and rounded once when stored; a double holds the exact sum, product and quotient's
 * correct rounding of two f32, so that such results are those of f32 arithmetic. Integers and bools are computed in 64 bits and wrapped when
 * stored. */
#ifndef PLN_REF_ROWS_H
#define PLN_REF_ROWS_H

#include "kernel/call.h"
#include "kernel/rowprog.h"

enum { PLN_REF_CHUNK = 256 }; /* elements that kernels convert at a time: fits the nearest cache */

/* Elements [first, first + n) of contiguous data. dtype: any real type, bool included. */
void pln_ref_load_f64(enum pln_dtype dtype, const void *data, int64_t first, int64_t n, double *out);
void pln_ref_load_i64(enum pln_dtype dtype, const void *data, int64_t first, int64_t n, int64_t *out);
void pln_ref_store_f64(enum pln_dtype dtype, void *data, int64_t first, int64_t n, const double *in);
void pln_ref_store_i64(enum pln_dtype dtype, void *data, int64_t first, int64_t n, const int64_t *in);
/* A whole tensor as doubles in scratch. */
enum pln_status pln_ref_as_f64(struct pln_call *call, const struct pln_tensor *tensor, double **out_values);
enum pln_status pln_ref_as_i64(struct pln_call *call, const struct pln_tensor *tensor, int64_t **out_values);

/* Is it computed in int64: integers and bool. */
bool pln_ref_is_int(enum pln_dtype dtype);
/* The nearest value of the type. */
double pln_ref_round_f64(enum pln_dtype dtype, double value);
int64_t pln_ref_wrap_i64(enum pln_dtype dtype, int64_t value);
/* Largest and smallest value of an integer type or bool; u64's largest is -1. */
int64_t pln_ref_int_max(enum pln_dtype dtype);
int64_t pln_ref_int_min(enum pln_dtype dtype);

/* NumPy broadcasting of up to 3 inputs to one shape, adjacent dims merged where all inputs allow it. Walk:
 *   for (each row r of n_rows) offsets…; for i in [0, row): input k's element is offset[k] + i * step[k] */
struct pln_ref_broadcast {
    int n_inputs;
    int rank;                              /* of the result */
    int64_t dims[PLN_MAX_RANK];            /* of the result */
    int walk_rank;                         /* after merging, without the row */
    int64_t walk[PLN_MAX_RANK];            /* extents */
    int64_t strides[3][PLN_MAX_RANK];      /* of the inputs along walk: elements, 0: repeated */
    int64_t row, step[3];
    int64_t n_rows;
    int64_t index[PLN_MAX_RANK], offset[3]; /* where the walk is */
};
/* inputs that are NULL count as scalars. false: shapes do not fit. */
bool pln_ref_broadcast_init(struct pln_ref_broadcast *walk, int n_inputs, const struct pln_tensor *const *inputs);
void pln_ref_broadcast_next(struct pln_ref_broadcast *walk); /* to the next row */

/* Reductions of one row, kind is enum pln_reduce; a row without elements gives ONNX's neutral element (the type's limit for max and min). */
double pln_ref_reduce_f64(unsigned kind, const double *x, int64_t n);
int64_t pln_ref_reduce_i64(unsigned kind, enum pln_dtype dtype, const int64_t *x, int64_t n);

/* Runs a verified program. Inputs may be of another real type than their operand says: they are rounded to it. Extents that do not fit:
 * PLN_BAD_MODEL. outputs have the shapes that pln_ref_program_shape gives. */
enum pln_status pln_ref_program_run(struct pln_call *call, const struct pln_rowprog *program, const struct pln_tensor *const *inputs,
                                    const struct pln_tensor *outputs);
/* Dims of output o for the given extents of the iteration space. */
void pln_ref_program_shape(const struct pln_rowprog *program, const int64_t *extents, int o, int64_t *out_dims);

#endif
