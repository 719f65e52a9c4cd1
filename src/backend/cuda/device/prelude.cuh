/* What every kernel begins with: element types, the narrow floats as storage types, conversions, faults. No header of the toolkit is used.
 *
 * Conversions of f16 and bf16 are single PTX instructions where the architecture has them (PTX ISA, "cvt"), else bit arithmetic with round to nearest
 * even. PLN_EMULATED: the tests compile kernels for the host; then the arithmetic forms are used everywhere. */
#ifndef PLN_CUDA_PRELUDE_CUH
#define PLN_CUDA_PRELUDE_CUH

#define PLN_INLINE static __device__ __forceinline__

#include "backend/cuda/device/params.h"

typedef int8_t i8;
typedef int16_t i16;
typedef int32_t i32;
typedef int64_t i64;
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef float f32;
typedef double f64;
struct boolean { uint8_t bits; }; /* 0 or 1 */
struct f16 { uint16_t bits; };
struct bf16 { uint16_t bits; };

/* PLN_DYNAMIC_SHARED(float, tile): tile points to the block's dynamic shared memory (prepared.block_bytes of it), aligned to 128 bytes. */
#ifdef PLN_EMULATED
#define PLN_DYNAMIC_SHARED(type, name) type *const name = (type *)pln_emu->dynamic_shared
#else
#define PLN_DYNAMIC_SHARED(type, name)                                  \
    extern __shared__ __align__(128) unsigned char pln_dynamic_shared[]; \
    type *const name = (type *)pln_dynamic_shared
#endif

PLN_INLINE uint32_t pln_float_bits(float x)
{
    return __float_as_uint(x);
}

/* ---- f16 ---- */

PLN_INLINE float pln_f16_to_f32(uint16_t bits)
{
#ifdef PLN_EMULATED
    const uint32_t sign = (uint32_t)(bits & 0x8000u) << 16, magnitude = bits & 0x7fffu;
    if (magnitude >= 0x7c00u) return __uint_as_float(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
    /* Shifted into place, then scaled by 2^112: exact for subnormal numbers, too. */
    return __uint_as_float(sign | __float_as_uint(__uint_as_float(magnitude << 13) * 5.192296858534828e+33f));
#else
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
    return x;
#endif
}

PLN_INLINE uint16_t pln_f32_to_f16(float x)
{
#ifdef PLN_EMULATED
    const uint32_t bits = pln_float_bits(x), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return (uint16_t)(sign | 0x7fffu);
    if (magnitude >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* 65520 and more round to infinity */
    if (magnitude < 0x38800000u) { /* subnormal: adding 0.5 leaves the rounded fraction in the low bits */
        const float rounded = __uint_as_float(magnitude) + 0.5f;
        return (uint16_t)(sign | (pln_float_bits(rounded) - 0x3f000000u));
    }
    const uint32_t odd = magnitude >> 13 & 1u;
    return (uint16_t)(sign | (magnitude + 0xc8000000u + 0xfffu + odd) >> 13);
#else
    uint16_t bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
    return bits;
#endif
}

/* ---- bf16 ---- */

PLN_INLINE float pln_bf16_to_f32(uint16_t bits)
{
    return __uint_as_float((uint32_t)bits << 16);
}

PLN_INLINE uint16_t pln_f32_to_bf16(float x)
{
#if !defined(PLN_EMULATED) && __CUDA_ARCH__ >= 800
    uint16_t bits;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
    return bits;
#else
    const uint32_t bits = pln_float_bits(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fffu;
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
#endif
}

/* ---- storage to value and back: narrow floats are computed in float ---- */

PLN_INLINE float pln_value(f16 x) { return pln_f16_to_f32(x.bits); }
PLN_INLINE float pln_value(bf16 x) { return pln_bf16_to_f32(x.bits); }
PLN_INLINE bool pln_value(boolean x) { return x.bits != 0; }
template <typename T> PLN_INLINE T pln_value(T x) { return x; }

/* pln_store(&y[i], value): rounded to the type of y. */
PLN_INLINE void pln_store(f16 *at, float x) { at->bits = pln_f32_to_f16(x); }
PLN_INLINE void pln_store(bf16 *at, float x) { at->bits = pln_f32_to_bf16(x); }
PLN_INLINE void pln_store(boolean *at, bool x) { at->bits = x; }
template <typename T, typename V> PLN_INLINE void pln_store(T *at, V x) { *at = (T)x; }

/* The value that is stored, without storing it. */
PLN_INLINE float pln_round_f16(float x) { return pln_f16_to_f32(pln_f32_to_f16(x)); }
PLN_INLINE float pln_round_bf16(float x) { return pln_bf16_to_f32(pln_f32_to_bf16(x)); }

/* ---- faults ---- */

/* Reports a code other than 0 for the run; one of those reported stays. */
PLN_INLINE void pln_fault(const struct pln_cuda_head *head, uint32_t code)
{
    *(volatile uint64_t *)head->fault = (uint64_t)head->command << 32 | code;
}

#endif
