/* What this CPU can do, and how much of it we may use. */
#ifndef PLN_BASE_CPU_H
#define PLN_BASE_CPU_H

#include "base/base.h"

/* Bit values are stored in plans: never change one. One line a feature: name, bit, text. */
#define PLN_CPU_FEATURE_LIST(X)   \
    X(PLN_CPU_SSE42, 0, "sse4.2") \
    X(PLN_CPU_AVX, 1, "avx")      \
    X(PLN_CPU_AVX2, 2, "avx2")    \
    X(PLN_CPU_FMA, 3, "fma")      \
    X(PLN_CPU_F16C, 4, "f16c")    \
    X(PLN_CPU_AVX512F, 5, "avx512f")   \
    X(PLN_CPU_AVX512BW, 6, "avx512bw") \
    X(PLN_CPU_AVX512DQ, 7, "avx512dq") \
    X(PLN_CPU_AVX512VL, 8, "avx512vl") \
    X(PLN_CPU_AVX512VNNI, 9, "avx512vnni")  \
    X(PLN_CPU_AVX512BF16, 10, "avx512bf16") \
    X(PLN_CPU_AVXVNNI, 11, "avxvnni")  \
    X(PLN_CPU_AVX512FP16, 12, "avx512fp16") \
    X(PLN_CPU_AMX_BF16, 13, "amx-bf16") \
    X(PLN_CPU_AMX_INT8, 14, "amx-int8") \
    X(PLN_CPU_NEON, 32, "neon")

enum pln_cpu_feature_bit {
#define X(name, bit, text) name##_BIT = bit,
    PLN_CPU_FEATURE_LIST(X)
#undef X
};
#define PLN_CPU_BIT(name) ((uint64_t)1 << name##_BIT)

/* Names of levels: what --target and PLANISH_CPU_ISA take. */
#define PLN_CPU_LEVEL_V2 PLN_CPU_BIT(PLN_CPU_SSE42)
#define PLN_CPU_LEVEL_V3 (PLN_CPU_LEVEL_V2 | PLN_CPU_BIT(PLN_CPU_AVX) | PLN_CPU_BIT(PLN_CPU_AVX2) | PLN_CPU_BIT(PLN_CPU_FMA) | PLN_CPU_BIT(PLN_CPU_F16C))
#define PLN_CPU_LEVEL_V4 (PLN_CPU_LEVEL_V3 | PLN_CPU_BIT(PLN_CPU_AVX512F) | PLN_CPU_BIT(PLN_CPU_AVX512BW) | PLN_CPU_BIT(PLN_CPU_AVX512DQ) | PLN_CPU_BIT(PLN_CPU_AVX512VL))

/* Features that the CPU has and the system saves, capped by the environment variable PLANISH_CPU_ISA
 * (portable, x86-64-v2, x86-64-v3 = avx2, x86-64-v4 = avx512, or feature names joined by '+'). Read once. */
uint64_t pln_cpu_features(void);
/* What PLANISH_CPU_ISA says when it is none of these, and so caps nothing; else NULL. Opening the CPU device fails then. */
const char *pln_cpu_bad_cap(void);
/* The same without the cap. */
uint64_t pln_cpu_features_raw(void);
/* "portable", "avx2", "x86-64-v4", "native", "avx2+fma", … to bits. false: unknown name. */
bool pln_cpu_parse_features(const char *text, uint64_t *out_features);
/* "x86-64-v3": the level that has just these features; NULL: none. Static. */
const char *pln_cpu_level_name(uint64_t features);
/* "avx2 fma …" into buffer; returns it. */
const char *pln_cpu_describe(uint64_t features, char *buffer, size_t buffer_bytes);
/* The same of pln_cpu_features, static. */
const char *pln_cpu_features_text(void);
/* "Intel(R) Xeon(R) …", static. */
const char *pln_cpu_name(void);
/* CPUs of the affinity mask, limited by the cgroup's quota (v1 and v2), at least 1. */
int pln_cpu_usable_count(void);
/* Data-cache bytes of one core (level 1, 2, 3); a usual figure where the system does not tell. */
size_t pln_cpu_cache_bytes(int level);

#endif
