/* What products and convolutions of bytes have in common. */
#ifndef PLN_CUDA_KERNELS_INTEGER_H
#define PLN_CUDA_KERNELS_INTEGER_H

#include "backend/cuda/family.h"

static inline bool pln_integer_is_byte(enum pln_dtype dtype)
{
    return dtype == PLN_I8 || dtype == PLN_U8;
}

static inline bool pln_integer_is_scale(enum pln_dtype dtype)
{
    return dtype == PLN_F32 || dtype == PLN_F16 || dtype == PLN_BF16;
}

/* NULL: input i is absent. */
static inline const struct pln_tensor *pln_integer_input(const struct pln_launch *launch, int i)
{
    return i >= 0 && i < launch->n_inputs && launch->inputs[i].dtype != PLN_DTYPE_NONE ? &launch->inputs[i] : NULL;
}

/* Types of the result and of the sums: i32 as it is, or i8 and u8 that are scaled and clamped. */
static inline void pln_integer_emit_result(struct pln_text *out_source, enum pln_dtype y)
{
    if (y == PLN_I32) pln_text_printf(out_source, "#define PLN_Y i32\n#define PLN_SUM u32\n");
    else pln_text_printf(out_source, "#define PLN_Y %s\n#define PLN_SUM i64\n#define PLN_LOW %d\n#define PLN_HIGH %d\n", pln_cuda_type(y), y == PLN_I8 ? -128 : 0, y == PLN_I8 ? 127 : 255);
}

#endif
