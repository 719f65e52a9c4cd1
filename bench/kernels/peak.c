/* The most that one core does: independent FMAs on registers, for each width of vectors. */
#include "bench/kernels/peak.h"

#include "base/clock.h"
#include "base/cpu.h"

#if PLN_ISA_X86
#include <immintrin.h>

/* Twelve chains hide a latency of four to five cycles on two ports. */
#define CHAINS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define ROUNDS    200000

__attribute__((target("avx512f"))) static double flops_avx512(void)
{
    __m512 x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(0.001f);
#define START(i) __m512 chain##i = _mm512_set1_ps(i);
    CHAINS(START)
    int64_t start = pln_clock_ns();
    for (int n = 0; n < ROUNDS; n++) {
#define STEP(i) chain##i = _mm512_fmadd_ps(chain##i, x, y);
        CHAINS(STEP)
        __asm__ volatile("" ::: "memory");
    }
    int64_t ns = pln_clock_ns() - start;
#define KEEP(i) __asm__ volatile("" ::"v"(chain##i));
    CHAINS(KEEP)
#undef START
#undef STEP
#undef KEEP
    return 2.0 * 16 * 12 * ROUNDS / (double)ns;
}

__attribute__((target("avx2,fma"))) static double flops_avx2(void)
{
    __m256 x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(0.001f);
#define START(i) __m256 chain##i = _mm256_set1_ps(i);
    CHAINS(START)
    int64_t start = pln_clock_ns();
    for (int n = 0; n < ROUNDS; n++) {
#define STEP(i) chain##i = _mm256_fmadd_ps(chain##i, x, y);
        CHAINS(STEP)
        __asm__ volatile("" ::: "memory");
    }
    int64_t ns = pln_clock_ns() - start;
#define KEEP(i) __asm__ volatile("" ::"x"(chain##i));
    CHAINS(KEEP)
#undef START
#undef STEP
#undef KEEP
    return 2.0 * 8 * 12 * ROUNDS / (double)ns;
}
#endif

double bench_peak_gflops(uint64_t features)
{
    double best = 0;
    for (int i = 0; i < 10; i++) {
        double gflops = 0;
#if PLN_ISA_X86
        if ((features & PLN_CPU_LEVEL_V4) == PLN_CPU_LEVEL_V4)
            gflops = flops_avx512();
        else if ((features & PLN_CPU_LEVEL_V3) == PLN_CPU_LEVEL_V3)
            gflops = flops_avx2();
#else
        (void)features;
#endif
        if (gflops > best) best = gflops;
    }
    return best;
}
