/* The vector functions against the C library in f64, over floats of every exponent: no more than the stated number of
 * units in the last place, with the special values as the library has them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "backend/cpu/kernels/vec/vec.h"
#include "base/cpu.h"
#include "kernel/rowprog.h"
#include "tensor/attrs.h"

enum { RUN = 1024 };

struct bound {
    unsigned kind;
    double ulp;      /* of results with all their bits */
    double absolute; /* allowed anyway: near zeros of the function */
};

static const struct bound bounds[] = {
    { PLN_EW_EXP, 1, 0 },       { PLN_EW_LOG, 1, 0 },     { PLN_EW_TANH, 2, 0 },         { PLN_EW_ERF, 2, 0 },
    { PLN_EW_SIGMOID, 2.5, 0 }, { PLN_EW_GELU, 4, 1e-6 }, { PLN_EW_GELU_TANH, 5, 1e-6 }, { PLN_EW_SOFTPLUS, 2.5, 0 },
    { PLN_EW_MISH, 6, 1e-6 },   { PLN_EW_ELU, 1.5, 0 },   { PLN_EW_SELU, 2.5, 0 },       { PLN_EW_SWISH, 4, 1e-37 },
    { PLN_EW_SQRT, 0.5, 0 },    { PLN_EW_RSQRT, 2, 0 },   { PLN_EW_RECIPROCAL, 0.5, 0 }, { PLN_EW_FLOOR, 0, 0 },
    { PLN_EW_CEIL, 0, 0 },      { PLN_EW_ROUND, 0, 0 },   { PLN_EW_ABS, 0, 0 },          { PLN_EW_SOFTSIGN, 2, 0 },
    { PLN_EW_SIN, 2, 0 },     { PLN_EW_COS, 2, 0 },
};

static float of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Distance in units of the last place of want. */
static double ulps(float got, double want)
{
    float near = (float)want;
    if ((isnan(got) && isnan(near)) || got == near) return 0;
    if (isnan(got) || isnan(near) || isinf(got) || isinf(near)) return INFINITY;
    int exponent;
    frexp(want, &exponent);
    return fabs((double)got - want) / ldexp(1.0, (exponent < -125 ? -125 : exponent) - 24);
}

static void check_run(const char *isa, const struct pln_vec_isa *table, const struct bound *bound, const float *x,
                      double *worst)
{
    float y[RUN], alpha, beta;
    pln_ew_parameters(bound->kind, &(struct pln_attrs){ 0 }, &alpha, &beta);
    struct pln_vec_args args = {
        .dst = y, .src = { x, x, x }, .step = { 1, 1, 1 }, .n = RUN, .alpha = alpha, .beta = beta
    };
    table->ew[bound->kind](&args);
    for (int i = 0; i < RUN; i++) {
        double want = pln_ew_f64(bound->kind, (double)x[i], 0, 0, alpha, beta), error = ulps(y[i], want);
        if (fabs((double)y[i] - want) <= bound->absolute) continue;
        if (error > *worst) *worst = error;
        if (error > bound->ulp)
            fail_msg("%s of %s: %.9g gives %.9g, not %.9g: %.2f ULP", pln_ew_get(bound->kind)->name, isa, (double)x[i],
                     (double)y[i], want, error);
    }
}

/* Floats beside multiples of pi/2, where sine and cosine are next to nothing, and on both sides of where vectors end. */
static void check_turns(const char *isa, const struct pln_vec_isa *table)
{
    static const struct bound sines[] = { { PLN_EW_SIN, 2, 0 }, { PLN_EW_COS, 2, 0 } };
    double worst = 0;
    float x[RUN];
    int n = 0;
    for (int turn = 0; turn < 5632 || n > 0; turn++) {
        float at = (float)(turn * 1.5707963267948966);
        for (int side = 0; side < 4; side++, at = nextafterf(at, INFINITY)) x[n++] = turn % 2 ? -at : at;
        if (n < RUN) continue;
        for (size_t i = 0; i < PLN_COUNT_OF(sines); i++) check_run(isa, table, &sines[i], x, &worst);
        n = 0;
    }
    if (getenv("PLN_TEST_VERBOSE") != NULL) printf("%-9s %-12s %.2f ULP\n", isa, "turns", worst);
}

/* Exponents that have a function of their own, and one that has none. */
static void check_powers(const char *isa, const struct pln_vec_isa *table)
{
    static const float exponents[] = { 2, 3, 0.5f, 0.75f, 1.5f, -0.5f, -1, 2.5f };
    static const uint32_t special[] = { 0x00000000, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 0x00000001, 0x80000001, 0x7f7fffff, 0xff7fffff };
    for (size_t e = 0; e < PLN_COUNT_OF(exponents); e++) {
        float splat[PLN_VEC_SPLAT], x[RUN], y[RUN];
        for (int i = 0; i < PLN_VEC_SPLAT; i++) splat[i] = exponents[e];
        const struct pln_vec_args args = { .dst = y, .src = { x, splat }, .step = { 1, 0 }, .n = RUN };
        for (uint64_t bits = 0; bits < UINT64_C(0x100000000); bits += UINT64_C(1048583) * RUN) {
            for (int i = 0; i < RUN; i++) x[i] = of_bits(i < 9 ? special[i] : (uint32_t)bits + (uint32_t)i * 1048583);
            table->ew[PLN_EW_POW](&args);
            for (int i = 0; i < RUN; i++) {
                const double want = pln_ew_f64(PLN_EW_POW, (double)x[i], (double)exponents[e], 0, 0, 0), error = ulps(y[i], want);
                if (error > 2) fail_msg("pow of %s: %.9g to %g gives %.9g, not %.9g", isa, (double)x[i], (double)exponents[e], (double)y[i], want);
            }
        }
    }
}

static void check_isa(const char *isa, const struct pln_vec_isa *table)
{
    check_turns(isa, table);
    check_powers(isa, table);
    for (size_t b = 0; b < PLN_COUNT_OF(bounds); b++) {
        double worst = 0;
        float x[RUN];
        int n = 0;
        /* A prime step passes all exponents and both signs; then the values that are told apart. */
        for (uint64_t bits = 0; bits < UINT64_C(0x100000000); bits += 16411) {
            x[n++] = of_bits((uint32_t)bits);
            if (n < RUN) continue;
            check_run(isa, table, &bounds[b], x, &worst);
            n = 0;
        }
        static const uint32_t special[] = { 0x00000000, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000,
                                            0x00000001, 0x80000001, 0x007fffff, 0x00800000, 0x7f7fffff,
                                            0xff7fffff, 0x3f800000, 0x42b17218, 0x42b17217, 0xc2cff1b5 };
        for (int i = 0; i < RUN; i++) x[i] = of_bits(special[(size_t)i % PLN_COUNT_OF(special)]);
        check_run(isa, table, &bounds[b], x, &worst);
        if (getenv("PLN_TEST_VERBOSE") != NULL)
            printf("%-9s %-12s %.2f ULP\n", isa, pln_ew_get(bounds[b].kind)->name, worst);
    }
}

static void functions(void **state)
{
    (void)state;
    check_isa("portable", &pln_vec_portable);
#if PLN_ISA_X86
    if ((pln_cpu_features_raw() & PLN_CPU_LEVEL_V3) == PLN_CPU_LEVEL_V3) check_isa("avx2", &pln_vec_avx2);
    if ((pln_cpu_features_raw() & PLN_CPU_LEVEL_V4) == PLN_CPU_LEVEL_V4) check_isa("avx512", &pln_vec_avx512);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
