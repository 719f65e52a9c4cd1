/* Element types and tensors as the device headers see them. */
#include "backend/cuda/family.h"

const char *pln_cuda_type(enum pln_dtype dtype)
{
    /* Not yet: strings, complex numbers, float8 and types of less than a byte. */
    static const char *const names[PLN_DTYPE_COUNT] = {
        [PLN_F32] = "f32", [PLN_F64] = "f64", [PLN_F16] = "f16", [PLN_BF16] = "bf16", [PLN_I8] = "i8",   [PLN_I16] = "i16",      [PLN_I32] = "i32",
        [PLN_I64] = "i64", [PLN_U8] = "u8",   [PLN_U16] = "u16", [PLN_U32] = "u32",   [PLN_U64] = "u64", [PLN_BOOL] = "boolean",
    };
    return (unsigned)dtype < PLN_DTYPE_COUNT ? names[dtype] : NULL;
}

void pln_cuda_tensor_fill(const struct pln_tensor *tensor, struct pln_cuda_tensor *out)
{
    *out = (struct pln_cuda_tensor){ .data = (uint64_t)(uintptr_t)tensor->data, .rank = tensor->rank };
    for (int i = 0; i < tensor->rank && i < PLN_CUDA_MAX_RANK; i++) {
        out->dims[i] = tensor->dims[i];
        out->strides[i] = tensor->strides[i];
    }
}
