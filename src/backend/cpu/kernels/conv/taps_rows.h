/* The taps of one ISA, for inclusion by taps_<isa>.c. Four vectors of sums or more hide the latency of the
 * multiply-add; the taps are added in order. */
#include "backend/cpu/kernels/conv/taps.h"
#include "backend/cpu/kernels/vec/finish_rows.h"

/* Pixels that share a load of the weights: with two vectors each, and these two, 14 of AVX2's 16 registers. */
#define PIXELS      6
#define AHEAD       (2 * PIXELS)
#define EACH_ROW(X) X(0, 0) X(1, 0) X(2, 0) X(3, 0) X(4, 0) X(5, 0)

static inline const float *place_added(const struct pln_vec_finish *finish, int o, int64_t p, int64_t i)
{
    return finish->added[o].from + p * finish->added[o].row + i * finish->added[o].col;
}

/* From pixel p and channel i on: rows pixels, or where `one` is set one pixel's channels as rows of two vectors, which
 * hide the latency alike. rows, wide and one are constants where this is inlined. n: channels of the last vector. */
static inline __attribute__((always_inline)) void sum_block(const struct pln_taps *taps, int64_t i, int64_t p, int64_t n, const int rows, const bool wide, const bool one)
{
    const int64_t across = 2 * VF_LANES, step = one ? across : taps->x_step, at = p * taps->x_step + i;
#define ZERO(k, unused) vf x##k = vf_set(0.0f), y##k = x##k;
    EACH_ROW(ZERO)
#undef ZERO
#define STEP(k, unused)                                                             \
    if (rows > k) {                                                                 \
        if (one && k > 0) {                                                         \
            w0 = vf_load(w + k * across);                                           \
            w1 = vf_load(w + k * across + VF_LANES);                                \
        }                                                                           \
        x##k = vf_fma(finish_load(x + k * step, wide ? VF_LANES : n), w0, x##k);    \
        if (wide) y##k = vf_fma(finish_load(x + k * step + VF_LANES, n), w1, y##k); \
    }
    for (int t = 0; t < taps->n_taps; t++) {
        const float *x = taps->x[t] + at, *w = taps->w[t] + i;
        vf w0 = finish_load(w, wide ? VF_LANES : n), w1 = wide ? finish_load(w + VF_LANES, n) : w0;
        EACH_ROW(STEP)
    }
#undef STEP
#define FETCH(k, unused) \
    if (rows > k) __builtin_prefetch(ahead + k * step, 0, 2);
    for (int t = 0; t < taps->n_ahead; t++) {
        const float *ahead = taps->x[taps->ahead[t]] + at + AHEAD * taps->x_step;
        EACH_ROW(FETCH)
    }
#undef FETCH
    struct pln_vec_finish finish = taps->finish;
    const float *added[PLN_VEC_ADDED] = { NULL };
    for (int o = 0; o < finish.n_added; o++) {
        added[o] = place_added(&finish, o, p, i);
        if (one) finish.added[o].row = finish.added[o].col * across;
    }
    FINISH_ROWS(finish, added);
    STORE_ROWS(finish, taps->out + p * taps->out_step + i, one ? across : taps->out_step);
}

static inline __attribute__((always_inline)) void sum_pixels_of(const struct pln_taps *taps, int64_t p, const int rows)
{
    int64_t i = 0;
    if (rows == 1) {
        for (; i + 8 * VF_LANES <= taps->n; i += 8 * VF_LANES) sum_block(taps, i, p, VF_LANES, 4, true, true);
        for (; i + 4 * VF_LANES <= taps->n; i += 4 * VF_LANES) sum_block(taps, i, p, VF_LANES, 2, true, true);
    }
    for (; i + 2 * VF_LANES <= taps->n; i += 2 * VF_LANES) sum_block(taps, i, p, VF_LANES, rows, true, false);
    if (i + VF_LANES <= taps->n) {
        sum_block(taps, i, p, VF_LANES, rows, false, false);
        i += VF_LANES;
    }
    if (i < taps->n) sum_block(taps, i, p, taps->n - i, rows, false, false);
}

/* Channels lie side by side: all of some pixels are walked before the next. */
static void sum_channels(const struct pln_taps *taps)
{
    const int64_t pixels = PLN_MAX(taps->n_pixels, 1);
    int64_t p = 0;
    for (; p + PIXELS <= pixels; p += PIXELS) sum_pixels_of(taps, p, PIXELS);
    for (; p + 3 <= pixels; p += 3) sum_pixels_of(taps, p, 3);
    for (; p < pixels; p++) sum_pixels_of(taps, p, 1);
}
#undef EACH_ROW

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
