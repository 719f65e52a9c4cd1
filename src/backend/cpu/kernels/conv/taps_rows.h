/* The taps of one ISA, for inclusion by taps_<isa>.c. Four vectors of sums hide the latency of the multiply-add; the
 * taps are added in order. */
#include <math.h>

#include "backend/cpu/kernels/conv/taps.h"
#include "backend/cpu/kernels/vec/vec_f32.h"

static void sum_channels(const struct pln_taps *taps)
{
    int64_t i = 0, n = taps->n;
    for (; i + 4 * VF_LANES <= n; i += 4 * VF_LANES) {
        vf a = vf_set(0.0f), b = a, c = a, d = a;
        for (int t = 0; t < taps->n_taps; t++) {
            const float *x = taps->x[t] + i, *w = taps->w[t] + i;
            a = vf_fma(vf_load(x), vf_load(w), a);
            b = vf_fma(vf_load(x + VF_LANES), vf_load(w + VF_LANES), b);
            c = vf_fma(vf_load(x + 2 * VF_LANES), vf_load(w + 2 * VF_LANES), c);
            d = vf_fma(vf_load(x + 3 * VF_LANES), vf_load(w + 3 * VF_LANES), d);
        }
        vf_store(taps->out + i, a);
        vf_store(taps->out + i + VF_LANES, b);
        vf_store(taps->out + i + 2 * VF_LANES, c);
        vf_store(taps->out + i + 3 * VF_LANES, d);
    }
    for (; i < n; i += VF_LANES) {
        int64_t left = PLN_MIN((int64_t)VF_LANES, n - i);
        vf a = vf_set(0.0f);
        for (int t = 0; t < taps->n_taps; t++)
            a = vf_fma(vf_load_n(taps->x[t] + i, left), vf_load_n(taps->w[t] + i, left), a);
        vf_store_n(taps->out + i, a, left);
    }
}

static void sum_pixels(const struct pln_taps *taps)
{
    int64_t i = 0, n = taps->n;
    for (; i + 4 * VF_LANES <= n; i += 4 * VF_LANES) {
        vf a = vf_set(0.0f), b = a, c = a, d = a;
        for (int t = 0; t < taps->n_taps; t++) {
            const float *x = taps->x[t] + i;
            vf w = vf_set(taps->w[t][0]);
            a = vf_fma(vf_load(x), w, a);
            b = vf_fma(vf_load(x + VF_LANES), w, b);
            c = vf_fma(vf_load(x + 2 * VF_LANES), w, c);
            d = vf_fma(vf_load(x + 3 * VF_LANES), w, d);
        }
        vf_store(taps->out + i, a);
        vf_store(taps->out + i + VF_LANES, b);
        vf_store(taps->out + i + 2 * VF_LANES, c);
        vf_store(taps->out + i + 3 * VF_LANES, d);
    }
    for (; i < n; i += VF_LANES) {
        int64_t left = PLN_MIN((int64_t)VF_LANES, n - i);
        vf a = vf_set(0.0f);
        for (int t = 0; t < taps->n_taps; t++) a = vf_fma(vf_load_n(taps->x[t] + i, left), vf_set(taps->w[t][0]), a);
        vf_store_n(taps->out + i, a, left);
    }
}

/* NaN wins. */
static inline vf larger(vf a, vf b)
{
    return vf_select(vm_or(vf_lt(b, a), vm_not(vf_eq(a, a))), a, b);
}

static inline vf plus(vf a, vf b)
{
    return a + b;
}

#define REDUCE_TAPS(name, start, combine)                                                           \
    static void name(const struct pln_taps *taps)                                                   \
    {                                                                                               \
        int64_t i = 0, n = taps->n;                                                                 \
        for (; i + 4 * VF_LANES <= n; i += 4 * VF_LANES) {                                          \
            vf a = vf_set(start), b = a, c = a, d = a;                                              \
            for (int t = 0; t < taps->n_taps; t++) {                                                \
                const float *x = taps->x[t] + i;                                                    \
                a = combine(a, vf_load(x));                                                         \
                b = combine(b, vf_load(x + VF_LANES));                                              \
                c = combine(c, vf_load(x + 2 * VF_LANES));                                          \
                d = combine(d, vf_load(x + 3 * VF_LANES));                                          \
            }                                                                                       \
            vf_store(taps->out + i, a);                                                             \
            vf_store(taps->out + i + VF_LANES, b);                                                  \
            vf_store(taps->out + i + 2 * VF_LANES, c);                                              \
            vf_store(taps->out + i + 3 * VF_LANES, d);                                              \
        }                                                                                           \
        for (; i < n; i += VF_LANES) {                                                              \
            int64_t left = PLN_MIN((int64_t)VF_LANES, n - i);                                       \
            vf a = vf_set(start);                                                                   \
            for (int t = 0; t < taps->n_taps; t++) a = combine(a, vf_load_n(taps->x[t] + i, left)); \
            vf_store_n(taps->out + i, a, left);                                                     \
        }                                                                                           \
    }
REDUCE_TAPS(sum_taps, 0.0f, plus)
REDUCE_TAPS(max_taps, -INFINITY, larger)
