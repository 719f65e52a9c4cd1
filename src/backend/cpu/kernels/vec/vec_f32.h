/* Vectors of f32, one set of names for every ISA. A file that includes this is compiled once an ISA, with that ISA's
 * flags: the widest vectors that the flags allow are taken.
 *
 * vf: VF_LANES floats. vi: as many int32. vm: a mask, one entry a lane. `_n` forms touch the first n lanes only, 0 <= n
 * <= VF_LANES; loads fill the rest with 0. Loads and stores need no alignment. vi_accumulate_pairs(sum, a, b) takes lanes of a and b as two int16 each and
 * adds both products to the lane of sum, an int32: exact (only -2^15 squared twice wraps); vi_widen_… make such lanes of 2 VF_LANES bytes, vi_add_halves
 * and vi_sub_halves are their sum and difference. vf_fma is fused where the ISA can;
 * vf_accumulate(sum, a, b), sum = vf_fma(a, b, sum), keeps sum in its register, where compilers that may choose copy and
 * spill the sums of long loops. vf_min and vf_max give their second operand when the lanes compare unordered. vf_sum_lanes,
 * vf_max_lanes and vf_min_lanes join the halves of a vector until one number is left. */
#ifndef PLN_CPU_VEC_F32_H
#define PLN_CPU_VEC_F32_H

#include "base/base.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__)

#define VF_LANES 16
#define vf_accumulate(sum, a, b) __asm__("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b))
typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;

static inline vm vm_first(int64_t n)
{
    return (vm)((1u << n) - 1u);
}
static inline vf vf_set(float x)
{
    return _mm512_set1_ps(x);
}
static inline vf vf_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
static inline void vf_store(float *p, vf x)
{
    _mm512_storeu_ps(p, x);
}
static inline vf vf_load_n(const float *p, int64_t n)
{
    return _mm512_maskz_loadu_ps(vm_first(n), p);
}
static inline void vf_store_n(float *p, vf x, int64_t n)
{
    _mm512_mask_storeu_ps(p, vm_first(n), x);
}
static inline vf vf_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}
static inline vf vf_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}
static inline vf vf_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}
static inline vf vf_sqrt(vf a)
{
    return _mm512_sqrt_ps(a);
}
static inline vf vf_round(vf a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vf vf_floor(vf a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
static inline vf vf_abs(vf a)
{
    return _mm512_abs_ps(a);
}
static inline vi vi_of_bits(vf a)
{
    return _mm512_castps_si512(a);
}
static inline vf vf_of_bits(vi a)
{
    return _mm512_castsi512_ps(a);
}
static inline vi vi_set(int32_t x)
{
    return _mm512_set1_epi32(x);
}
static inline vi vi_add(vi a, vi b)
{
    return _mm512_add_epi32(a, b);
}
static inline vi vi_sub(vi a, vi b)
{
    return _mm512_sub_epi32(a, b);
}
static inline vi vi_and(vi a, vi b)
{
    return _mm512_and_si512(a, b);
}
static inline vi vi_or(vi a, vi b)
{
    return _mm512_or_si512(a, b);
}
static inline vi vi_xor(vi a, vi b)
{
    return _mm512_xor_si512(a, b);
}
static inline vi vi_load(const void *p)
{
    return _mm512_loadu_si512(p);
}
static inline void vi_store(void *p, vi a)
{
    _mm512_storeu_si512(p, a);
}
/* 2 VF_LANES bytes of what fits them, signed or not: a's, then b's. */
static inline void vi_store_bytes(void *p, vi a, vi b)
{
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(a));
    _mm_storeu_si128((__m128i *)p + 1, _mm512_cvtepi32_epi8(b));
}
static inline vi vi_widen_signed(const void *p)
{
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)p));
}
static inline vi vi_widen_unsigned(const void *p)
{
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)p));
}
static inline vi vi_add_halves(vi a, vi b)
{
    return _mm512_add_epi16(a, b);
}
static inline vi vi_sub_halves(vi a, vi b)
{
    return _mm512_sub_epi16(a, b);
}
#define vi_accumulate_pairs(sum, a, b)                                                                                            \
    do {                                                                                                                          \
        vi product_;                                                                                                              \
        __asm__("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+v"(sum), "=&v"(product_) : "v"(a), "v"(b));                         \
    } while (0)
#define vi_shift_left(a, n)  _mm512_slli_epi32(a, n)
#define vi_shift_right(a, n) _mm512_srai_epi32(a, n)
static inline vf vf_of_int(vi a)
{
    return _mm512_cvtepi32_ps(a);
}
static inline vi vi_of_float(vf a) /* whole numbers within int32 */
{
    return _mm512_cvtps_epi32(a);
}
static inline vm vf_lt(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
static inline vm vf_le(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ);
}
static inline vm vf_eq(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}
static inline vm vm_not(vm a)
{
    return (vm)~a;
}
static inline vm vm_and(vm a, vm b)
{
    return a & b;
}
static inline vm vm_or(vm a, vm b)
{
    return a | b;
}
static inline bool vm_all(vm a)
{
    return a == (vm)0xffff;
}
static inline bool vm_any(vm a)
{
    return a != 0;
}
static inline vf vf_select(vm mask, vf yes, vf no)
{
    return _mm512_mask_blend_ps(mask, no, yes);
}
static inline float vf_sum_lanes(vf a)
{
    return _mm512_reduce_add_ps(a);
}
static inline float vf_max_lanes(vf a)
{
    return _mm512_reduce_max_ps(a);
}
static inline float vf_min_lanes(vf a)
{
    return _mm512_reduce_min_ps(a);
}

#elif defined(__AVX2__) && defined(__FMA__)

#define VF_LANES             8
#define vf_accumulate(sum, a, b) __asm__("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b))
typedef __m256 vf;
typedef __m256i vi;
typedef __m256 vm;

static inline __m256i vi_first(int64_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline vf vf_set(float x)
{
    return _mm256_set1_ps(x);
}
static inline vf vf_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
static inline void vf_store(float *p, vf x)
{
    _mm256_storeu_ps(p, x);
}
static inline vf vf_load_n(const float *p, int64_t n)
{
    return _mm256_maskload_ps(p, vi_first(n));
}
static inline void vf_store_n(float *p, vf x, int64_t n)
{
    _mm256_maskstore_ps(p, vi_first(n), x);
}
static inline vf vf_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}
static inline vf vf_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}
static inline vf vf_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}
static inline vf vf_sqrt(vf a)
{
    return _mm256_sqrt_ps(a);
}
static inline vf vf_round(vf a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vf vf_floor(vf a)
{
    return _mm256_floor_ps(a);
}
static inline vf vf_abs(vf a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
static inline vi vi_of_bits(vf a)
{
    return _mm256_castps_si256(a);
}
static inline vf vf_of_bits(vi a)
{
    return _mm256_castsi256_ps(a);
}
static inline vi vi_set(int32_t x)
{
    return _mm256_set1_epi32(x);
}
static inline vi vi_add(vi a, vi b)
{
    return _mm256_add_epi32(a, b);
}
static inline vi vi_sub(vi a, vi b)
{
    return _mm256_sub_epi32(a, b);
}
static inline vi vi_and(vi a, vi b)
{
    return _mm256_and_si256(a, b);
}
static inline vi vi_or(vi a, vi b)
{
    return _mm256_or_si256(a, b);
}
static inline vi vi_xor(vi a, vi b)
{
    return _mm256_xor_si256(a, b);
}
static inline vi vi_load(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}
static inline void vi_store(void *p, vi a)
{
    _mm256_storeu_si256((__m256i *)p, a);
}
static inline void vi_store_bytes(void *p, vi a, vi b)
{
    const __m256i pairs = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8), bytes = _mm256_and_si256(pairs, _mm256_set1_epi16(255));
    _mm_storeu_si128((__m128i *)p, _mm_packus_epi16(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1)));
}
static inline vi vi_widen_signed(const void *p)
{
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p));
}
static inline vi vi_widen_unsigned(const void *p)
{
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)p));
}
static inline vi vi_add_halves(vi a, vi b)
{
    return _mm256_add_epi16(a, b);
}
static inline vi vi_sub_halves(vi a, vi b)
{
    return _mm256_sub_epi16(a, b);
}
#define vi_accumulate_pairs(sum, a, b)                                                                                            \
    do {                                                                                                                          \
        vi product_;                                                                                                              \
        __asm__("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(sum), "=&x"(product_) : "x"(a), "x"(b));                         \
    } while (0)
#define vi_shift_left(a, n)  _mm256_slli_epi32(a, n)
#define vi_shift_right(a, n) _mm256_srai_epi32(a, n)
static inline vf vf_of_int(vi a)
{
    return _mm256_cvtepi32_ps(a);
}
static inline vi vi_of_float(vf a)
{
    return _mm256_cvtps_epi32(a);
}
static inline vm vf_lt(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}
static inline vm vf_le(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_LE_OQ);
}
static inline vm vf_eq(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_EQ_OQ);
}
static inline vm vm_not(vm a)
{
    return _mm256_xor_ps(a, _mm256_castsi256_ps(_mm256_set1_epi32(-1)));
}
static inline vm vm_and(vm a, vm b)
{
    return _mm256_and_ps(a, b);
}
static inline vm vm_or(vm a, vm b)
{
    return _mm256_or_ps(a, b);
}
static inline bool vm_all(vm a)
{
    return _mm256_movemask_ps(a) == 0xff;
}
static inline bool vm_any(vm a)
{
    return _mm256_movemask_ps(a) != 0;
}
static inline vf vf_select(vm mask, vf yes, vf no)
{
    return _mm256_blendv_ps(no, yes, mask);
}
#define VF_JOIN_LANES(name, join, join_one)                                          \
    static inline float name(vf a)                                                   \
    {                                                                                \
        __m128 x = join(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));     \
        x = join(x, _mm_movehl_ps(x, x));                                            \
        return _mm_cvtss_f32(join_one(x, _mm_shuffle_ps(x, x, _MM_SHUFFLE(1, 1, 1, 1)))); \
    }
VF_JOIN_LANES(vf_sum_lanes, _mm_add_ps, _mm_add_ss)
VF_JOIN_LANES(vf_max_lanes, _mm_max_ps, _mm_max_ss)
VF_JOIN_LANES(vf_min_lanes, _mm_min_ps, _mm_min_ss)
#undef VF_JOIN_LANES

#else /* any processor: vectors of the compiler, four lanes */

#define VF_LANES 4
#define vf_accumulate(sum, a, b) ((sum) = vf_fma(a, b, sum))
typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
typedef vi vm;

static inline vf vf_set(float x)
{
    return (vf){ x, x, x, x };
}
static inline vf vf_load(const float *p)
{
    vf x;
    memcpy(&x, p, sizeof x);
    return x;
}
static inline void vf_store(float *p, vf x)
{
    memcpy(p, &x, sizeof x);
}
static inline vf vf_load_n(const float *p, int64_t n)
{
    vf x = { 0, 0, 0, 0 };
    for (int64_t i = 0; i < n; i++) x[i] = p[i];
    return x;
}
static inline void vf_store_n(float *p, vf x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) p[i] = x[i];
}
static inline vf vf_fma(vf a, vf b, vf c)
{
#if defined(__FP_FAST_FMAF) || defined(__ARM_FEATURE_FMA)
    return (vf){ __builtin_fmaf(a[0], b[0], c[0]), __builtin_fmaf(a[1], b[1], c[1]), __builtin_fmaf(a[2], b[2], c[2]),
                 __builtin_fmaf(a[3], b[3], c[3]) };
#else
    return a * b + c;
#endif
}
static inline vi vi_of_bits(vf a)
{
    return (vi)a;
}
static inline vf vf_of_bits(vi a)
{
    return (vf)a;
}
static inline vf vf_select(vm mask, vf yes, vf no)
{
    return (vf)((mask & (vi)yes) | (~mask & (vi)no));
}
static inline vf vf_min(vf a, vf b)
{
    return vf_select(a < b, a, b);
}
static inline vf vf_max(vf a, vf b)
{
    return vf_select(a > b, a, b);
}
static inline vf vf_sqrt(vf a)
{
    return (vf){ __builtin_sqrtf(a[0]), __builtin_sqrtf(a[1]), __builtin_sqrtf(a[2]), __builtin_sqrtf(a[3]) };
}
static inline vf vf_abs(vf a)
{
    return (vf)((vi)a & 0x7fffffff);
}
/* Half to even: adding and taking away 2^23 rounds what has bits below one; larger values are whole, and NaN stays. */
static inline vf vf_round(vf a)
{
    vi sign = (vi)a & (int32_t)0x80000000u;
    vf big = vf_set(8388608.0f), size = vf_abs(a);
    vf near = (size + big) - big;
    return vf_select(size < big, (vf)((vi)near | sign), a);
}
static inline vf vf_floor(vf a)
{
    vf near = vf_round(a);
    vf down = near - vf_set(1.0f);
    vi sign = (vi)a & (int32_t)0x80000000u;
    return vf_select(near > a, down, (vf)((vi)near | sign));
}
static inline vi vi_set(int32_t x)
{
    return (vi){ x, x, x, x };
}
static inline vi vi_add(vi a, vi b)
{
    return a + b;
}
static inline vi vi_sub(vi a, vi b)
{
    return a - b;
}
static inline vi vi_and(vi a, vi b)
{
    return a & b;
}
static inline vi vi_or(vi a, vi b)
{
    return a | b;
}
static inline vi vi_xor(vi a, vi b)
{
    return a ^ b;
}
static inline vi vi_load(const void *p)
{
    vi a;
    memcpy(&a, p, sizeof a);
    return a;
}
static inline void vi_store(void *p, vi a)
{
    memcpy(p, &a, sizeof a);
}
typedef int16_t vi_halves __attribute__((vector_size(16)));
static inline void vi_store_bytes(void *p, vi a, vi b)
{
    uint8_t *to = p;
    for (int i = 0; i < VF_LANES; i++) {
        to[i] = (uint8_t)a[i];
        to[VF_LANES + i] = (uint8_t)b[i];
    }
}
static inline vi vi_widen_signed(const void *p)
{
    int8_t x[8];
    memcpy(x, p, sizeof x);
    return (vi)(vi_halves){ x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7] };
}
static inline vi vi_widen_unsigned(const void *p)
{
    uint8_t x[8];
    memcpy(x, p, sizeof x);
    return (vi)(vi_halves){ x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7] };
}
static inline vi vi_add_halves(vi a, vi b)
{
    return (vi)((vi_halves)a + (vi_halves)b);
}
static inline vi vi_sub_halves(vi a, vi b)
{
    return (vi)((vi_halves)a - (vi_halves)b);
}
/* Of x86-64's least level, where products of 32 bits take several instructions, else of any. */
static inline vi vi_multiply_pairs(vi a, vi b)
{
#if defined(__SSE2__)
    return (vi)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
    return ((vi)((a) << 16) >> 16) * ((vi)((b) << 16) >> 16) + (a >> 16) * (b >> 16);
#endif
}
#define vi_accumulate_pairs(sum, a, b) ((sum) = (sum) + vi_multiply_pairs(a, b))
#define vi_shift_left(a, n)  ((vi)((a) << (n)))
#define vi_shift_right(a, n) ((vi)((a) >> (n)))
static inline vf vf_of_int(vi a)
{
    return __builtin_convertvector(a, vf);
}
static inline vi vi_of_float(vf a)
{
    return __builtin_convertvector(a, vi);
}
static inline vm vf_lt(vf a, vf b)
{
    return a < b;
}
static inline vm vf_le(vf a, vf b)
{
    return a <= b;
}
static inline vm vf_eq(vf a, vf b)
{
    return a == b;
}
static inline vm vm_not(vm a)
{
    return ~a;
}
static inline vm vm_and(vm a, vm b)
{
    return a & b;
}
static inline vm vm_or(vm a, vm b)
{
    return a | b;
}
static inline bool vm_all(vm a)
{
    return (a[0] & a[1] & a[2] & a[3]) != 0;
}
static inline float vf_sum_lanes(vf a)
{
    return (a[0] + a[2]) + (a[1] + a[3]);
}
static inline float vf_max_lanes(vf a)
{
    const float even = a[0] > a[2] ? a[0] : a[2], odd = a[1] > a[3] ? a[1] : a[3];
    return even > odd ? even : odd;
}
static inline float vf_min_lanes(vf a)
{
    const float even = a[0] < a[2] ? a[0] : a[2], odd = a[1] < a[3] ? a[1] : a[3];
    return even < odd ? even : odd;
}
static inline bool vm_any(vm a)
{
    return (a[0] | a[1] | a[2] | a[3]) != 0;
}

#endif

/* gcc and clang know + - * / on all three. */
static inline vf vf_neg(vf a)
{
    return vf_of_bits(vi_xor(vi_of_bits(a), vi_set((int32_t)0x80000000u)));
}
static inline vf vf_copysign(vf size, vf sign)
{
    vi bit = vi_set((int32_t)0x80000000u);
    return vf_of_bits(vi_or(vi_of_bits(vf_abs(size)), vi_and(vi_of_bits(sign), bit)));
}

#endif
