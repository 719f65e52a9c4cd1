/* Elementwise functions and casts of integers and bools of 8 to 64 bits, and casts between them and f32: blocks of a few hundred elements are widened to 64
 * bits, computed and narrowed. Broadcasting and strides are those of row programs. micro: gives a struct pln_int_isa. */
#ifndef PLN_CPU_INTEGER_H
#define PLN_CPU_INTEGER_H

#include "backend/cpu/kernels/rowprog/rowprog.h"

extern const struct pln_kernel_family pln_cpu_elementwise_int;
extern const struct pln_kernel_family pln_cpu_cast_int;

struct pln_int_isa {
    /* to[i] = element at + i step of data, n of them. f32: truncated, out of range saturated, NaN 0. */
    void (*load)(enum pln_dtype dtype, const void *data, int64_t at, int64_t step, int64_t n, int64_t *to);
    /* Element at + i step of data = from[i], its low bits; bool: is it other than 0. from_unsigned: for f32. */
    void (*store)(enum pln_dtype dtype, void *data, int64_t at, int64_t step, int64_t n, const int64_t *from, bool from_unsigned);
    /* y[i] = kind(a[i], b[i], c[i]); y may be a. */
    void (*run)(unsigned kind, bool is_unsigned, int64_t n, const int64_t *a, const int64_t *b, const int64_t *c, int64_t *y);
    /* The same of kinds that compare; false, and nothing done: it is none. */
    bool (*compare)(unsigned kind, bool is_unsigned, int64_t n, const int64_t *a, const int64_t *b, uint8_t *y);
};
/* Of each ISA, as rows name them. */
const struct pln_int_isa *pln_int_isa_portable(void);
const struct pln_int_isa *pln_int_isa_avx2(void);
const struct pln_int_isa *pln_int_isa_avx512(void);
typedef const struct pln_int_isa *(*pln_int_isa_fn)(void);

#endif
