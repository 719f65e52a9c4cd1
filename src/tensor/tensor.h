/* Tensors in host memory: element type, shape, strides, bytes. A struct pln_tensor never owns its data. */
#ifndef PLN_TENSOR_TENSOR_H
#define PLN_TENSOR_TENSOR_H

#include "base/arena.h"
#include "base/base.h"

/* What a value can be. Only tensors have a layout and run on devices; the others live on the host. */
enum pln_kind { PLN_TENSOR = 0, PLN_SEQUENCE, PLN_OPTIONAL, PLN_MAP };

struct pln_tensor {
    enum pln_dtype dtype;
    int32_t rank;                  /* 0..PLN_MAX_RANK */
    void *data;                    /* element [0,…,0]; may be NULL when there are no elements. Here, since it shares a cache line with the first dims */
    int64_t dims[PLN_MAX_RANK];    /* >= 0 */
    int64_t strides[PLN_MAX_RANK]; /* elements; row-major unless a view says otherwise */
};

/* Row-major strides from dims. */
void pln_tensor_set_contiguous(struct pln_tensor *tensor);
/* Fills dtype, rank, dims and row-major strides. */
void pln_tensor_init(struct pln_tensor *tensor, enum pln_dtype dtype, int rank, const int64_t *dims, void *data);
bool pln_tensor_is_contiguous(const struct pln_tensor *tensor); /* dims of size 1 may have any stride */
/* Product of dims; the caller knows that it fits (pln_shape_count checks). */
int64_t pln_tensor_count(const struct pln_tensor *tensor);
/* Bytes of the contiguous form. */
size_t pln_tensor_bytes(const struct pln_tensor *tensor);
bool pln_tensor_same_shape(const struct pln_tensor *a, const struct pln_tensor *b);
/* "f32[1,3,224,224]" into buffer; returns it. */
const char *pln_tensor_describe(const struct pln_tensor *tensor, char *buffer, size_t buffer_bytes);
/* Copies any strides to any strides of the same dtype and dims (sub-byte types: both contiguous). */
void pln_tensor_copy(const struct pln_tensor *from, const struct pln_tensor *to);

/* Checked product of dims: false if a dim is negative, if it overflows int64, or if it is 0 and the other dims are more rows than 2^32. */
bool pln_shape_count(int rank, const int64_t *dims, int64_t *out_count);
/* Checked bytes of a contiguous tensor. */
bool pln_shape_bytes(enum pln_dtype dtype, int rank, const int64_t *dims, size_t *out_bytes);
/* NumPy broadcasting of a and b into out (may alias); false if they do not fit. */
bool pln_shape_broadcast(int a_rank, const int64_t *a, int b_rank, const int64_t *b, int *out_rank, int64_t *out);
/* -rank <= axis < rank to 0..rank-1; false if outside. */
bool pln_axis_normalize(int64_t axis, int rank, int *out_axis);

bool pln_dtype_valid(int number);        /* 1..26 */
bool pln_dtype_is_float(enum pln_dtype); /* f16 bf16 f32 f64, float8, float4 */
bool pln_dtype_is_integer(enum pln_dtype); /* signed and unsigned, without bool */
bool pln_dtype_is_signed(enum pln_dtype);
bool pln_dtype_is_complex(enum pln_dtype);
enum pln_dtype pln_dtype_part(enum pln_dtype); /* f32 of c64, f64 of c128, which are two of them; else the type itself */
bool pln_dtype_find(const char *name, enum pln_dtype *out_dtype); /* "f32" */

#endif
