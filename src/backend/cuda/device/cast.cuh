/* Values of one element type as values of another, as ONNX Cast has it: one rounding to nearest even; floats to integers truncate (out of the range of
 * int64 they saturate, NaN gives 0) and then wrap as integers do; to bool anything but 0 is true.
 *
 * A value is what pln_value gives: float for f16, bf16 and f32, bool for boolean, else the type itself. */
#ifndef PLN_CUDA_CAST_CUH
#define PLN_CUDA_CAST_CUH

#include "backend/cuda/device/prelude.cuh"

#define PLN_INFINITY __uint_as_float(0x7f800000u)
#define PLN_NAN __uint_as_float(0x7fc00000u)
#define PLN_I64_MAX 0x7fffffffffffffffll
#define PLN_I64_MIN (-PLN_I64_MAX - 1)

/* The four kinds of numbers that casts begin with. */
PLN_INLINE float pln_wide(float x) { return x; }
PLN_INLINE double pln_wide(double x) { return x; }
PLN_INLINE u64 pln_wide(u64 x) { return x; }
template <typename T> PLN_INLINE i64 pln_wide(T x) { return (i64)x; }

/* A float whose rounding to a narrower type is that of x: what does not fit is folded into the last bit (round to odd; Boldo and Melquiond, "Emulation of
 * FMA and correctly rounded sums", 2008). */
PLN_INLINE float pln_odd(float x) { return x; }
PLN_INLINE float pln_odd(double x)
{
    const float nearest = (float)x;
    if ((double)nearest == x || x != x) return nearest;
    const bool away = fabs((double)nearest) > fabs(x);
    return __uint_as_float((pln_float_bits(nearest) - (away ? 1u : 0u)) | 1u);
}
PLN_INLINE float pln_odd(u64 x)
{
    if (x >> 40 == 0) return pln_odd((double)x); /* exact */
    const u64 folded = x >> 24 | ((x & 0xffffffu) != 0 ? 1u : 0u);
    return pln_odd((double)folded) * 16777216.0f;
}
PLN_INLINE float pln_odd(i64 x) { return x < 0 ? -pln_odd(0 - (u64)x) : pln_odd((u64)x); }

template <typename F> PLN_INLINE i64 pln_truncate(F x)
{
    if (x != x) return 0;
    if (x >= (F)9223372036854775808.0) return PLN_I64_MAX;
    return x < (F)-9223372036854775808.0 ? PLN_I64_MIN : (i64)x;
}
/* From 2^63 on, u64 has values that i64 has not. */
template <typename F> PLN_INLINE u64 pln_truncate_u64(F x)
{
    return x >= (F)9223372036854775808.0 && x < (F)18446744073709551616.0 ? (u64)x : (u64)pln_truncate(x);
}

/* pln_cast<f16>::of(x): the value of x as an f16. T is the name of the element type. */
template <typename T> struct pln_cast {
    PLN_INLINE T integer(i64 x) { return (T)x; }
    PLN_INLINE T integer(u64 x) { return (T)x; }
    PLN_INLINE T integer(float x) { return (T)pln_truncate(x); }
    PLN_INLINE T integer(double x) { return (T)pln_truncate(x); }
    template <typename V> PLN_INLINE T of(V x) { return integer(pln_wide(x)); }
};
template <> struct pln_cast<u64> {
    PLN_INLINE u64 integer(i64 x) { return (u64)x; }
    PLN_INLINE u64 integer(u64 x) { return x; }
    PLN_INLINE u64 integer(float x) { return pln_truncate_u64(x); }
    PLN_INLINE u64 integer(double x) { return pln_truncate_u64(x); }
    template <typename V> PLN_INLINE u64 of(V x) { return integer(pln_wide(x)); }
};
template <> struct pln_cast<boolean> {
    template <typename V> PLN_INLINE bool of(V x) { return x != (V)0; }
};
template <> struct pln_cast<f32> {
    template <typename V> PLN_INLINE float of(V x) { return (float)pln_wide(x); }
};
template <> struct pln_cast<f64> {
    template <typename V> PLN_INLINE double of(V x) { return (double)pln_wide(x); }
};
template <> struct pln_cast<f16> {
    template <typename V> PLN_INLINE float of(V x) { return pln_round_f16(pln_odd(pln_wide(x))); }
};
template <> struct pln_cast<bf16> {
    template <typename V> PLN_INLINE float of(V x) { return pln_round_bf16(pln_odd(pln_wide(x))); }
};

#endif
