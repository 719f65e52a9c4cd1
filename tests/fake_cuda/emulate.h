/* CUDA C++ for a CPU, as far as our kernels use it: included in front of every kernel by the fake NVRTC. One thread of a block runs at a time and blocks run one
 * after another (block.c), so __shared__ variables are plain ones, and an atomic is a plain operation. Names and meanings: CUDA C++ Programming Guide. */
#ifndef FAKE_CUDA_EMULATE_H
#define FAKE_CUDA_EMULATE_H

/* The C library's header, not C++'s around it, which takes most of the time that a kernel takes to compile. */
#define _GLIBCXX_INCLUDE_NEXT_C_HEADERS
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "emulator.h"

extern "C" {
__attribute__((visibility("default"))) struct pln_emu *pln_emu;
extern char __start_pln_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_pln_shared[] __attribute__((weak, visibility("hidden")));
__attribute__((visibility("default"))) void pln_emu_shared(void **out_begin, size_t *out_bytes)
{
    *out_begin = __start_pln_shared;
    *out_bytes = (size_t)(__stop_pln_shared - __start_pln_shared);
}
}

/* ---- the language ---- */

#define __global__ __attribute__((visibility("default")))
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))
#define __shared__ static __attribute__((section("pln_shared")))

#define threadIdx (pln_emu->thread)
#define blockIdx (pln_emu->block)
#define blockDim (pln_emu->block_dim)
#define gridDim (pln_emu->grid_dim)
static const int warpSize = PLN_EMU_WARP;

#define PLN_EMU_VECTOR(type, name)                                                                              \
    struct __attribute__((aligned(2 * sizeof(type)))) name##2 { type x, y; };                                   \
    struct name##3 { type x, y, z; };                                                                           \
    struct __attribute__((aligned(4 * sizeof(type) < 16 ? 4 * sizeof(type) : 16))) name##4 { type x, y, z, w; }; \
    static inline name##2 make_##name##2(type x, type y) { return name##2{ x, y }; }                            \
    static inline name##3 make_##name##3(type x, type y, type z) { return name##3{ x, y, z }; }                 \
    static inline name##4 make_##name##4(type x, type y, type z, type w) { return name##4{ x, y, z, w }; }
PLN_EMU_VECTOR(signed char, char)
PLN_EMU_VECTOR(unsigned char, uchar)
PLN_EMU_VECTOR(short, short)
PLN_EMU_VECTOR(unsigned short, ushort)
PLN_EMU_VECTOR(int, int)
PLN_EMU_VECTOR(unsigned, uint)
PLN_EMU_VECTOR(long long, longlong)
PLN_EMU_VECTOR(unsigned long long, ulonglong)
PLN_EMU_VECTOR(float, float)
PLN_EMU_VECTOR(double, double)

/* ---- barriers and exchanges: macros, so that a thread's place is known by its line ---- */

#define PLN_EMU_HERE __FILE__, __LINE__
#define PLN_EMU_FULL 0xffffffffu

template <typename T> static inline T pln_emu_slot(const unsigned char *slots, int lane)
{
    T value;
    memcpy(&value, slots + lane * PLN_EMU_SLOT_BYTES, sizeof value);
    return value;
}

static inline int pln_emu_lane(void)
{
    return (int)(threadIdx.x % PLN_EMU_WARP);
}

#define __syncthreads() pln_emu->sync_threads(PLN_EMU_HERE)
#define __syncwarp(...) pln_emu_sync_warp(PLN_EMU_HERE __VA_OPT__(, ) __VA_ARGS__)
static inline void pln_emu_sync_warp(const char *file, int line, unsigned mask = PLN_EMU_FULL)
{
    pln_emu->exchange("", 0, mask, file, line);
}

template <typename T> static inline const unsigned char *pln_emu_exchange(const char *file, int line, unsigned mask, const T &value)
{
    static_assert(sizeof(T) <= PLN_EMU_SLOT_BYTES, "too much for an exchange");
    return pln_emu->exchange(&value, (unsigned)sizeof value, mask, file, line);
}

#define __shfl_sync(mask, value, ...) pln_emu_shfl(PLN_EMU_HERE, mask, value, __VA_ARGS__)
#define __shfl_xor_sync(mask, value, ...) pln_emu_shfl_xor(PLN_EMU_HERE, mask, value, __VA_ARGS__)
#define __shfl_down_sync(mask, value, ...) pln_emu_shfl_down(PLN_EMU_HERE, mask, value, __VA_ARGS__)
#define __shfl_up_sync(mask, value, ...) pln_emu_shfl_up(PLN_EMU_HERE, mask, value, __VA_ARGS__)
template <typename T> static inline T pln_emu_shfl(const char *file, int line, unsigned mask, T value, int source, int width = PLN_EMU_WARP)
{
    const int lane = pln_emu_lane(), from = (lane & ~(width - 1)) | (source & (width - 1));
    return pln_emu_slot<T>(pln_emu_exchange(file, line, mask, value), from);
}
template <typename T> static inline T pln_emu_shfl_xor(const char *file, int line, unsigned mask, T value, int flip, int width = PLN_EMU_WARP)
{
    const int lane = pln_emu_lane(), from = lane ^ flip;
    return pln_emu_slot<T>(pln_emu_exchange(file, line, mask, value), from > (lane | (width - 1)) ? lane : from);
}
template <typename T> static inline T pln_emu_shfl_down(const char *file, int line, unsigned mask, T value, unsigned by, int width = PLN_EMU_WARP)
{
    const int lane = pln_emu_lane(), from = lane + (int)by;
    return pln_emu_slot<T>(pln_emu_exchange(file, line, mask, value), from > (lane | (width - 1)) ? lane : from);
}
template <typename T> static inline T pln_emu_shfl_up(const char *file, int line, unsigned mask, T value, unsigned by, int width = PLN_EMU_WARP)
{
    const int lane = pln_emu_lane(), from = lane - (int)by;
    return pln_emu_slot<T>(pln_emu_exchange(file, line, mask, value), from < (lane & ~(width - 1)) ? lane : from);
}

#define __ballot_sync(mask, predicate) pln_emu_ballot(PLN_EMU_HERE, mask, predicate)
#define __any_sync(mask, predicate) (pln_emu_ballot(PLN_EMU_HERE, mask, predicate) != 0)
#define __all_sync(mask, predicate) (pln_emu_ballot(PLN_EMU_HERE, mask, !(predicate)) == 0)
static inline unsigned pln_emu_ballot(const char *file, int line, unsigned mask, int predicate)
{
    const unsigned char *slots = pln_emu_exchange(file, line, mask, predicate != 0 ? 1 : 0);
    unsigned bits = 0;
    for (int lane = 0; lane < PLN_EMU_WARP; lane++)
        if (mask >> lane & 1 && pln_emu_slot<int>(slots, lane) == 1) bits |= 1u << lane;
    return bits;
}

/* Every thread's vote, through shared memory that no kernel sees. */
#define __syncthreads_count(predicate) pln_emu_sync_count(PLN_EMU_HERE, predicate)
#define __syncthreads_or(predicate) (pln_emu_sync_count(PLN_EMU_HERE, predicate) != 0)
#define __syncthreads_and(predicate) (pln_emu_sync_count(PLN_EMU_HERE, !(predicate)) == 0)
static inline int pln_emu_sync_count(const char *file, int line, int predicate)
{
    static int votes;
    pln_emu->sync_threads(file, line);
    votes = 0;
    pln_emu->sync_threads(file, line);
    votes += predicate != 0;
    pln_emu->sync_threads(file, line);
    return votes;
}

static inline void __threadfence(void) {}
static inline void __threadfence_block(void) {}
static inline void __trap(void)
{
    pln_emu->fail("__trap", "-", 0);
}

/* ---- bits ---- */

template <typename To, typename From> static inline To pln_emu_bits(From from)
{
    static_assert(sizeof(To) == sizeof(From), "bits of another size");
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}
static inline unsigned __float_as_uint(float x) { return pln_emu_bits<unsigned>(x); }
static inline int __float_as_int(float x) { return pln_emu_bits<int>(x); }
static inline float __uint_as_float(unsigned x) { return pln_emu_bits<float>(x); }
static inline float __int_as_float(int x) { return pln_emu_bits<float>(x); }
static inline long long __double_as_longlong(double x) { return pln_emu_bits<long long>(x); }
static inline double __longlong_as_double(long long x) { return pln_emu_bits<double>(x); }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) { return (unsigned long long)((unsigned __int128)a * b >> 64); }

/* ---- memory ---- */

template <typename T> static inline T __ldg(const T *p) { return *p; }
template <typename T> static inline T __ldcs(const T *p) { return *p; }
template <typename T> static inline T __ldcg(const T *p) { return *p; }
template <typename T> static inline void __stcs(T *p, T x) { *p = x; }
template <typename T> static inline void __stcg(T *p, T x) { *p = x; }
static inline unsigned __cvta_generic_to_shared(const void *p) { return (unsigned)(uintptr_t)p; }

/* Integers only: the order of blocks would show in a float's sum. */
template <typename T, typename V> static inline T pln_emu_swap(T *p, V x)
{
    static_assert((T)1 / 2 == 0, "an atomic on a float: its result depends on the order of blocks");
    const T old = *p;
    *p = (T)x;
    return old;
}
template <typename T, typename V> static inline T atomicAdd(T *p, V x) { return pln_emu_swap(p, *p + (T)x); }
template <typename T, typename V> static inline T atomicSub(T *p, V x) { return pln_emu_swap(p, *p - (T)x); }
template <typename T, typename V> static inline T atomicMax(T *p, V x) { return pln_emu_swap(p, *p > (T)x ? *p : (T)x); }
template <typename T, typename V> static inline T atomicMin(T *p, V x) { return pln_emu_swap(p, *p < (T)x ? *p : (T)x); }
template <typename T, typename V> static inline T atomicOr(T *p, V x) { return pln_emu_swap(p, *p | (T)x); }
template <typename T, typename V> static inline T atomicAnd(T *p, V x) { return pln_emu_swap(p, *p & (T)x); }
template <typename T, typename V> static inline T atomicExch(T *p, V x) { return pln_emu_swap(p, x); }
template <typename T, typename U, typename V> static inline T atomicCAS(T *p, U compare, V x) { return pln_emu_swap(p, *p == (T)compare ? (T)x : *p); }

/* ---- numbers ---- */

#define PLN_EMU_MIN_MAX(type)                                                \
    static inline type min(type a, type b) { return b < a ? b : a; }         \
    static inline type max(type a, type b) { return a < b ? b : a; }
PLN_EMU_MIN_MAX(int)
PLN_EMU_MIN_MAX(unsigned)
PLN_EMU_MIN_MAX(long)
PLN_EMU_MIN_MAX(unsigned long)
PLN_EMU_MIN_MAX(long long)
PLN_EMU_MIN_MAX(unsigned long long)
static inline float min(float a, float b) { return fminf(a, b); }
static inline float max(float a, float b) { return fmaxf(a, b); }
static inline double min(double a, double b) { return fmin(a, b); }
static inline double max(double a, double b) { return fmax(a, b); }
static inline long long min(long a, long long b) { return min((long long)a, b); }
static inline long long min(long long a, long b) { return min(a, (long long)b); }
static inline long long max(long a, long long b) { return max((long long)a, b); }
static inline long long max(long long a, long b) { return max(a, (long long)b); }
static inline long min(int a, long b) { return min((long)a, b); }
static inline long min(long a, int b) { return min(a, (long)b); }
static inline long max(int a, long b) { return max((long)a, b); }
static inline long max(long a, int b) { return max(a, (long)b); }
static inline long min(unsigned a, long b) { return min((long)a, b); }
static inline long min(long a, unsigned b) { return min(a, (long)b); }
static inline long max(unsigned a, long b) { return max((long)a, b); }
static inline long max(long a, unsigned b) { return max(a, (long)b); }

/* Names that CUDA has for float, too. */
#define PLN_EMU_FLOAT(name) \
    static inline float name(float x) { return name##f(x); }
PLN_EMU_FLOAT(fabs)
PLN_EMU_FLOAT(sqrt)
PLN_EMU_FLOAT(exp)
PLN_EMU_FLOAT(log)
PLN_EMU_FLOAT(floor)
PLN_EMU_FLOAT(ceil)
PLN_EMU_FLOAT(trunc)
PLN_EMU_FLOAT(rint)
PLN_EMU_FLOAT(round)
PLN_EMU_FLOAT(tanh)
PLN_EMU_FLOAT(erf)
static inline int abs(int x) { return x < 0 ? -x : x; }
static inline long abs(long x) { return x < 0 ? -x : x; }
static inline long long abs(long long x) { return x < 0 ? -x : x; }
static inline float abs(float x) { return fabsf(x); }
static inline double abs(double x) { return __builtin_fabs(x); }

/* Macros where a C library has the name, or may have it. */
#define rsqrtf(x) pln_emu_rsqrtf(x)
#define rsqrt(x) pln_emu_rsqrt(x)
#define __expf(x) expf(x)
#define __logf(x) logf(x)
#define __powf(x, y) powf(x, y)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
static inline float pln_emu_rsqrtf(float x) { return (float)(1.0 / sqrt((double)x)); }
static inline double pln_emu_rsqrt(double x) { return 1.0 / sqrt(x); }
static inline float __fdividef(float a, float b) { return a / b; }
static inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1) : 0; }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fsub_rn(float a, float b) { return a - b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline float __frcp_rn(float x) { return 1 / x; }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline double __dadd_rn(double a, double b) { return a + b; }
static inline double __dmul_rn(double a, double b) { return a * b; }
static inline double __ddiv_rn(double a, double b) { return a / b; }
static inline double __dsqrt_rn(double x) { return sqrt(x); }

/* A GPU's functions of doubles need not be those of the C library: they may be off by a unit in the last place (CUDA C++ Programming Guide, "Mathematical
 * Functions"), and here they often are, but where they give 0, 1, -1, infinity or NaN. */
static inline float pln_emu_inexact(float y) { return y; }
static inline double pln_emu_inexact(double y)
{
    const uint64_t bits = pln_emu_bits<uint64_t>(y), dice = bits * 0x9e3779b97f4a7c15u >> 62;
    if (y == 0 || y == 1 || y == -1 || !(__builtin_fabs(y) < __builtin_inf()) || dice < 2) return y;
    return pln_emu_bits<double>(dice == 2 ? bits + 1 : bits - 1);
}
#define exp(x) pln_emu_inexact(exp(x))
#define expm1(x) pln_emu_inexact(expm1(x))
#define log(x) pln_emu_inexact(log(x))
#define log1p(x) pln_emu_inexact(log1p(x))
#define pow(x, y) pln_emu_inexact(pow(x, y))
#define sin(x) pln_emu_inexact(sin(x))
#define cos(x) pln_emu_inexact(cos(x))
#define tan(x) pln_emu_inexact(tan(x))
#define tanh(x) pln_emu_inexact(tanh(x))
#define erf(x) pln_emu_inexact(erf(x))
#define erfc(x) pln_emu_inexact(erfc(x))

/* A GPU's conversions saturate, and give 0 for NaN (PTX ISA, "cvt"); a cast in C does not. */
#define PLN_EMU_CONVERT(name, from, to, low, high, rounded) \
    static inline to name(from x) { return x != x ? 0 : (rounded) <= (from)(low) ? (low) : (rounded) >= (from)(high) ? (high) : (to)(rounded); }
PLN_EMU_CONVERT(__float2int_rn, float, int, INT32_MIN, INT32_MAX, nearbyintf(x))
PLN_EMU_CONVERT(__float2int_rz, float, int, INT32_MIN, INT32_MAX, truncf(x))
PLN_EMU_CONVERT(__float2uint_rn, float, unsigned, 0u, UINT32_MAX, nearbyintf(x))
PLN_EMU_CONVERT(__float2uint_rz, float, unsigned, 0u, UINT32_MAX, truncf(x))
PLN_EMU_CONVERT(__float2ll_rn, float, long long, INT64_MIN, INT64_MAX, nearbyintf(x))
PLN_EMU_CONVERT(__float2ll_rz, float, long long, INT64_MIN, INT64_MAX, truncf(x))
PLN_EMU_CONVERT(__double2int_rn, double, int, INT32_MIN, INT32_MAX, nearbyint(x))
PLN_EMU_CONVERT(__double2int_rz, double, int, INT32_MIN, INT32_MAX, trunc(x))
PLN_EMU_CONVERT(__double2ll_rn, double, long long, INT64_MIN, INT64_MAX, nearbyint(x))
PLN_EMU_CONVERT(__double2ll_rz, double, long long, INT64_MIN, INT64_MAX, trunc(x))

#endif
