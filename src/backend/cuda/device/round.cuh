/* Storing what was computed: floats are rounded, integers take the nearest value, ties to even, held within their
 * range. */
#ifndef PLN_CUDA_ROUND_CUH
#define PLN_CUDA_ROUND_CUH

#include "backend/cuda/device/prelude.cuh"

PLN_INLINE void pln_store_rounded(f16 *at, float x)
{
    pln_store(at, x);
}
PLN_INLINE void pln_store_rounded(bf16 *at, float x)
{
    pln_store(at, x);
}
PLN_INLINE void pln_store_rounded(float *at, float x)
{
    *at = x;
}
PLN_INLINE void pln_store_rounded(double *at, double x)
{
    *at = x;
}
PLN_INLINE void pln_store_rounded(boolean *at, double x)
{
    at->bits = x != 0;
}
template <typename T> PLN_INLINE void pln_store_rounded(T *at, double x)
{
    const bool is_signed = (T)-1 < (T)1;
    double high = 1;
    for (int i = 0; i < (int)sizeof(T) * 8 - is_signed; i++) high *= 2;
    const double low = is_signed ? -high : 0;
    const T most = is_signed ? (T)(((uint64_t)1 << (sizeof(T) * 8 - 1)) - 1) : (T)-1;
    x = rint(x);
    *at = x >= high ? most : x > low ? (T)x : x == x ? (T)low : (T)0;
}

#endif
