/* QuantizeLinear and DequantizeLinear between f32 and integers of 8, 16 and (from) 32 bits, with a scale and a zero point of all or of each slice along an axis, and
 * DynamicQuantizeLinear. All strides are taken. micro: gives a struct pln_quantize_isa. */
#ifndef PLN_CPU_QUANTIZE_H
#define PLN_CPU_QUANTIZE_H

#include "backend/cpu/kernels/rowprog/rowprog.h"

extern const struct pln_kernel_family pln_cpu_quantize, pln_cpu_dequantize, pln_cpu_dynamic_quantize;

/* n numbers and their parameters: pointers to the first, elements from one to the next. zero is of the integers' type. */
struct pln_quantize_run {
    int64_t n;
    const void *from;
    const float *scale;
    const void *zero;
    void *to;
    int64_t from_step, scale_step, zero_step, to_step;
};

struct pln_quantize_isa {
    /* to = from / scale, rounded to even, plus zero, bounded by the type's range; NaN gives the lowest. */
    void (*quantize)(enum pln_dtype to, const struct pln_quantize_run *run);
    /* to = (from - zero) scale, rounded once. */
    void (*dequantize)(enum pln_dtype from, const struct pln_quantize_run *run);
    /* Least and largest of n numbers and those that are there. */
    void (*range)(const float *x, int64_t n, float *low, float *high);
};
const struct pln_quantize_isa *pln_quantize_isa_portable(void);
const struct pln_quantize_isa *pln_quantize_isa_avx2(void);
const struct pln_quantize_isa *pln_quantize_isa_avx512(void);
typedef const struct pln_quantize_isa *(*pln_quantize_isa_fn)(void);

#endif
