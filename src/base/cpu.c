/* What the CPU can do. How many of them we may use is in cpu_count.c. */
#define _GNU_SOURCE

#include "base/cpu.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

struct cpuid_leaf {
    unsigned a, b, c, d;
};

static struct cpuid_leaf cpuid(unsigned leaf, unsigned subleaf)
{
    struct cpuid_leaf out = { 0, 0, 0, 0 };
    if (!__get_cpuid_count(leaf, subleaf, &out.a, &out.b, &out.c, &out.d)) out = (struct cpuid_leaf){ 0, 0, 0, 0 };
    return out;
}

/* XCR0: which registers the system saves. Bits: 1 XMM, 2 YMM, 5..7 opmask and ZMM, 17 and 18 tiles (Intel SDM vol. 1,
 * §13.3). */
static uint64_t saved_registers(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

#define IF_BIT(reg, bit, feature) (((reg) >> (bit)) & 1 ? PLN_CPU_BIT(feature) : 0)

/* Bits of leaves 1 and 7: Intel SDM vol. 2A, CPUID. */
static uint64_t detect(void)
{
    struct cpuid_leaf one = cpuid(1, 0), seven = cpuid(7, 0), seven_one = cpuid(7, 1);
    uint64_t saved = ((one.c >> 27) & 1) != 0 ? saved_registers() : 0;
    uint64_t features = IF_BIT(one.c, 20, PLN_CPU_SSE42);
    if ((saved & 0x6) != 0x6) return features;
    features |= IF_BIT(one.c, 28, PLN_CPU_AVX) | IF_BIT(one.c, 12, PLN_CPU_FMA) | IF_BIT(one.c, 29, PLN_CPU_F16C);
    features |= IF_BIT(seven.b, 5, PLN_CPU_AVX2) | IF_BIT(seven_one.a, 4, PLN_CPU_AVXVNNI);
    if ((saved & 0xe6) != 0xe6) return features;
    features |= IF_BIT(seven.b, 16, PLN_CPU_AVX512F) | IF_BIT(seven.b, 30, PLN_CPU_AVX512BW);
    features |= IF_BIT(seven.b, 17, PLN_CPU_AVX512DQ) | IF_BIT(seven.b, 31, PLN_CPU_AVX512VL);
    features |= IF_BIT(seven.c, 11, PLN_CPU_AVX512VNNI) | IF_BIT(seven_one.a, 5, PLN_CPU_AVX512BF16);
    features |= IF_BIT(seven.d, 23, PLN_CPU_AVX512FP16);
    if ((saved & 0x60000) != 0x60000) return features;
    return features | IF_BIT(seven.d, 22, PLN_CPU_AMX_BF16) | IF_BIT(seven.d, 25, PLN_CPU_AMX_INT8);
}

static void read_name(char name[64])
{
    if (cpuid(0x80000000, 0).a < 0x80000004) {
        snprintf(name, 64, "x86 CPU");
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        struct cpuid_leaf leaf = cpuid(0x80000002 + i, 0);
        memcpy(name + (size_t)16 * i, &leaf, sizeof leaf);
    }
    name[48] = '\0';
}
#else
static uint64_t detect(void)
{
#if defined(__aarch64__)
    return PLN_CPU_BIT(PLN_CPU_NEON);
#else
    return 0;
#endif
}

static void read_name(char name[64])
{
#if defined(__aarch64__)
    snprintf(name, 64, "AArch64 CPU");
#else
    snprintf(name, 64, "CPU");
#endif
}
#endif

struct cpu_feature {
    uint64_t bit;
    const char *name;
};

static const struct cpu_feature feature_names[] = {
#define X(feature, bit, text) { PLN_CPU_BIT(feature), text },
    PLN_CPU_FEATURE_LIST(X)
#undef X
};

static const struct cpu_feature level_names[] = {
    { 0, "portable" },
    { PLN_CPU_LEVEL_V2, "x86-64-v2" },
    { PLN_CPU_LEVEL_V3, "x86-64-v3" },
    { PLN_CPU_LEVEL_V3, "avx2" },
    { PLN_CPU_LEVEL_V4, "x86-64-v4" },
    { PLN_CPU_LEVEL_V4, "avx512" },
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint64_t raw_features, capped_features;
static char cpu_name[64], features_text[256], bad_cap[64]; /* bad_cap: "" when it is good */

static void cap_features(void)
{
    uint64_t cap;
    const char *text = getenv("PLANISH_CPU_ISA");
    if (text == NULL || text[0] == '\0' || strcmp(text, "native") == 0) return;
    if (pln_cpu_parse_features(text, &cap)) capped_features &= cap;
    else snprintf(bad_cap, sizeof bad_cap, "%s", text);
}

static void read_cpu(void)
{
    raw_features = capped_features = detect();
    read_name(cpu_name);
    size_t n = strlen(cpu_name), lead = strspn(cpu_name, " ");
    while (n > lead && cpu_name[n - 1] == ' ') cpu_name[--n] = '\0';
    memmove(cpu_name, cpu_name + lead, n - lead + 1);
    cap_features();
    pln_cpu_describe(capped_features, features_text, sizeof features_text);
}

const char *pln_cpu_bad_cap(void)
{
    pthread_once(&once, read_cpu);
    return bad_cap[0] != '\0' ? bad_cap : NULL;
}

uint64_t pln_cpu_features_raw(void)
{
    pthread_once(&once, read_cpu);
    return raw_features;
}

uint64_t pln_cpu_features(void)
{
    pthread_once(&once, read_cpu);
    return capped_features;
}

const char *pln_cpu_features_text(void)
{
    pthread_once(&once, read_cpu);
    return features_text;
}

const char *pln_cpu_name(void)
{
    pthread_once(&once, read_cpu);
    return cpu_name;
}

static bool find_name(const struct cpu_feature *list, size_t count, const char *name, size_t name_bytes,
                      uint64_t *out_bits)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(list[i].name) != name_bytes || memcmp(list[i].name, name, name_bytes) != 0) continue;
        *out_bits = list[i].bit;
        return true;
    }
    return false;
}

bool pln_cpu_parse_features(const char *text, uint64_t *out_features)
{
    uint64_t all = 0, bits;
    *out_features = 0;
    if (strcmp(text, "native") == 0) {
        *out_features = pln_cpu_features_raw();
        return true;
    }
    /* Alone, "avx2" is the level; in a list it is the feature. */
    if (find_name(level_names, PLN_COUNT_OF(level_names), text, strlen(text), out_features)) return true;
    for (const char *part = text;; part++) {
        size_t n = strcspn(part, "+");
        if (!find_name(feature_names, PLN_COUNT_OF(feature_names), part, n, &bits) &&
            !find_name(level_names, PLN_COUNT_OF(level_names), part, n, &bits))
            return false;
        all |= bits;
        part += n;
        if (*part == '\0') break;
    }
    *out_features = all;
    return true;
}

const char *pln_cpu_level_name(uint64_t features)
{
    for (size_t i = 0; i < PLN_COUNT_OF(level_names); i++)
        if (level_names[i].bit == features) return level_names[i].name;
    return NULL;
}

const char *pln_cpu_describe(uint64_t features, char *buffer, size_t buffer_bytes)
{
    size_t used = 0;
    if (buffer_bytes == 0) return "";
    buffer[0] = '\0';
    for (size_t i = 0; i < PLN_COUNT_OF(feature_names); i++) {
        if ((features & feature_names[i].bit) == 0) continue;
        int n = snprintf(buffer + used, buffer_bytes - used, "%s%s", used > 0 ? " " : "", feature_names[i].name);
        if (n < 0 || (size_t)n >= buffer_bytes - used) {
            buffer[used] = '\0'; /* a name in part would be another name */
            break;
        }
        used += (size_t)n;
    }
    if (features == 0) snprintf(buffer, buffer_bytes, "portable");
    return buffer;
}

size_t pln_cpu_cache_bytes(int level)
{
    long size_bytes = 0;
#ifdef _SC_LEVEL1_DCACHE_SIZE
    static const int names[] = { _SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE };
    if (level >= 1 && level <= 3) size_bytes = sysconf(names[level - 1]);
#endif
    if (size_bytes > 0) return (size_t)size_bytes;
    return level <= 1 ? (size_t)32 << 10 : level == 2 ? (size_t)512 << 10 : (size_t)8 << 20;
}
