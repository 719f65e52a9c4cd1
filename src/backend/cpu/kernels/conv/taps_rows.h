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
 * hide the latency alike. rows, vectors and one are constants where this is inlined. n: channels of the last vector. */
static inline __attribute__((always_inline)) void sum_block(const struct pln_taps *taps, int64_t i, int64_t p, int64_t n, const int rows, const int vectors, const bool one)
{
    const bool wide = vectors > 1;
    const int64_t across = 2 * VF_LANES, step = one ? across : taps->x_step, at = p * taps->x_step + i;
#define ZERO(k, unused) vf x##k = vf_set(0.0f), y##k = x##k, z##k = x##k;
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
        for (; i + 8 * VF_LANES <= taps->n; i += 8 * VF_LANES) sum_block(taps, i, p, VF_LANES, 4, 2, true);
        for (; i + 4 * VF_LANES <= taps->n; i += 4 * VF_LANES) sum_block(taps, i, p, VF_LANES, 2, 2, true);
    }
    for (; i + 2 * VF_LANES <= taps->n; i += 2 * VF_LANES) sum_block(taps, i, p, VF_LANES, rows, 2, false);
    if (i + VF_LANES <= taps->n) {
        sum_block(taps, i, p, VF_LANES, rows, 1, false);
        i += VF_LANES;
    }
    if (i < taps->n) sum_block(taps, i, p, taps->n - i, rows, 1, false);
}

#undef EACH_ROW

/* ---- lines of taps ---- */

#define EACH_ROW(X) X(0, 0) X(1, 0) X(2, 0) X(3, 0) X(4, 0) X(5, 0) X(6, 0) X(7, 0) X(8, 0) X(9, 0) X(10, 0) X(11, 0)
/* Of 12 outputs side by side, or of 8 two apart, that see 5. */
#define EACH_INPUT(X)                                                                                                        \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17) X(18)

/* Outputs [p, p + rows) of a vector of channels from i on, n of them. rows, line and stride are constants where this is
 * inlined; seen: a bit for each pixel that these outputs see, set where the image has it. */
static inline __attribute__((always_inline)) void sum_lines_block(const struct pln_taps_lines *lines, int64_t i, int64_t p, int64_t n, uint32_t seen, const int rows, const int line, const int stride)
{
    const int64_t tap = lines->x_tap, at = (p * stride - lines->pad) * tap + i;
    const int vectors = 1; /* for what ends the sums */
#define ZERO(k, unused) vf x##k = vf_set(0.0f), y##k = x##k, z##k = x##k;
    EACH_ROW(ZERO)
#undef ZERO
#define MEETS(k, j) (j >= k * stride && j < k * stride + line)
#define MEET(k, j) \
    if (rows > k && MEETS(k, j)) x##k = vf_fma(in, w[MEETS(k, j) ? j - k * stride : 0], x##k);
#define MEET_ALL(j) \
    MEET(0, j) MEET(1, j) MEET(2, j) MEET(3, j) MEET(4, j) MEET(5, j) MEET(6, j) MEET(7, j) MEET(8, j) MEET(9, j) MEET(10, j) MEET(11, j)
#define INPUT(j)                                                             \
    if (j < (rows - 1) * stride + line && (seen & UINT32_C(1) << j) != 0) {  \
        vf in = finish_load(x + (at + j * tap), n);                          \
        MEET_ALL(j)                                                          \
    }
    for (int t = 0; t < lines->n_lines; t++) {
        const float *x = lines->x[t], *weights = lines->w[t] + i;
        vf w[5] = { finish_load(weights, n), finish_load(weights + lines->w_tap, n), finish_load(weights + 2 * lines->w_tap, n) };
        if (line == 5) {
            w[3] = finish_load(weights + 3 * lines->w_tap, n);
            w[4] = finish_load(weights + 4 * lines->w_tap, n);
        }
        if (!__builtin_constant_p(seen)) __asm__("" : "+r"(seen)); /* bits are tested where they are used: kept apart, they fill the stack */
        EACH_INPUT(INPUT)
    }
#undef INPUT
#undef MEET_ALL
#undef MEET
#undef MEETS
    for (int t = 0; i % (2 * VF_LANES) == 0 && t < lines->n_ahead; t++)
        for (int k = 0; k < rows * stride; k++) __builtin_prefetch(lines->ahead[t] + (p * stride + k) * tap + i, 0, 2);
    const float *added[PLN_VEC_ADDED] = { NULL };
    for (int o = 0; o < lines->finish.n_added; o++) added[o] = place_added(&lines->finish, o, p, i);
    FINISH_ROWS(lines->finish, added);
    const struct pln_vec_finish stored = { .activate = NULL }; /* many channels at a time, below */
    STORE_ROWS(stored, lines->out + p * lines->out_step + i, lines->out_step);
}

/* Channels whose sums end before a function runs over them: those of 12 pixels fill a third of the first cache. */
#define ACTIVATED 256

static inline __attribute__((always_inline)) void sum_lines_channels(const struct pln_taps_lines *lines, int64_t p, uint32_t seen, const int rows, const int line, const int stride)
{
    for (int64_t i = 0; i < lines->n;) {
        const int64_t begin = i, end = PLN_MIN(i + ACTIVATED, lines->n);
        for (; i + VF_LANES <= end; i += VF_LANES) sum_lines_block(lines, i, p, VF_LANES, seen, rows, line, stride);
        if (i < end) sum_lines_block(lines, i, p, end - i, seen, rows, line, stride);
        i = end;
        if (lines->finish.activate == NULL) continue;
        lines->finish.activate(&(struct pln_vec_rows){ .c = lines->out + p * lines->out_step + begin, .c_row = lines->out_step, .rows = rows,
                                                       .cols = end - begin, .alpha = lines->finish.alpha, .beta = lines->finish.beta });
    }
}

static inline __attribute__((always_inline)) void sum_lines_of(const struct pln_taps_lines *lines, int64_t p, const int rows, const int line, const int stride)
{
    const int64_t begin = p * stride - lines->pad;
    const int inputs = (rows - 1) * stride + line;
    const uint32_t all = (UINT32_C(1) << inputs) - 1;
    uint32_t seen = 0;
    for (int j = 0; j < inputs; j++)
        if (begin + j >= 0 && begin + j < lines->width) seen |= UINT32_C(1) << j;
    /* Three taps are too few to hide the tests of bits: the usual ends of a row are constants, too. */
    if (seen == all) sum_lines_channels(lines, p, all, rows, line, stride);
    else if (line == 3 && seen == all - 1) sum_lines_channels(lines, p, all - 1, rows, line, stride);
    else if (line == 3 && seen == all >> 1) sum_lines_channels(lines, p, all >> 1, rows, line, stride);
    else sum_lines_channels(lines, p, seen, rows, line, stride);
}

/* A function each: inlined side by side, their sums are kept in memory. */
#define SUM_BLOCK(line, stride, rows)                                                                                         \
    static __attribute__((noinline)) void sum_lines_##line##_##stride##_##rows(const struct pln_taps_lines *lines, int64_t p) \
    {                                                                                                                         \
        sum_lines_of(lines, p, rows, line, stride);                                                                           \
    }
#define SUM_BLOCKS(line, stride) \
    SUM_BLOCK(line, stride, 1)   \
    SUM_BLOCK(line, stride, 2)   \
    SUM_BLOCK(line, stride, 4)   \
    SUM_BLOCK(line, stride, 7)   \
    SUM_BLOCK(line, stride, 8)
SUM_BLOCKS(3, 1)
SUM_BLOCK(3, 1, 12)
SUM_BLOCKS(5, 1)
SUM_BLOCKS(5, 2)

/* Blocks that are written, the smallest first; the largest has as many sums as the registers hold beside the weights. */
struct line_block {
    int rows;
    void (*sum)(const struct pln_taps_lines *lines, int64_t p);
};
#define LINE_BLOCKS(line, stride)                                                                                  \
    { 1, sum_lines_##line##_##stride##_1 }, { 2, sum_lines_##line##_##stride##_2 }, { 4, sum_lines_##line##_##stride##_4 }, \
        { 7, sum_lines_##line##_##stride##_7 }, { 8, sum_lines_##line##_##stride##_8 }
static const struct line_block blocks_3_1[] = { LINE_BLOCKS(3, 1), { 12, sum_lines_3_1_12 } };
static const struct line_block blocks_5_1[] = { LINE_BLOCKS(5, 1) }, blocks_5_2[] = { LINE_BLOCKS(5, 2) };

/* In as few blocks as go, of alike sizes: low ones wait for their products. */
static inline void sum_line_blocks(const struct pln_taps_lines *lines, const struct line_block *blocks, int n_blocks)
{
    const int most = blocks[n_blocks - 1].rows;
    for (int64_t p = 0; p < lines->n_pixels;) {
        const int64_t left = lines->n_pixels - p, n = (left + most - 1) / most, even = (left + n - 1) / n;
        int b = 0;
        while (b + 1 < n_blocks && blocks[b + 1].rows <= left && blocks[b].rows < even) b++;
        blocks[b].sum(lines, p);
        p += blocks[b].rows;
    }
}

#define SUM_LINES(line, stride)                                                                                             \
    static void sum_lines_##line##_##stride(const struct pln_taps_lines *lines)                                             \
    {                                                                                                                       \
        sum_line_blocks(lines, blocks_##line##_##stride, (int)(sizeof blocks_##line##_##stride / sizeof(struct line_block))); \
    }
SUM_LINES(3, 1)
SUM_LINES(5, 1)
SUM_LINES(5, 2)
#undef EACH_ROW
#undef EACH_INPUT

/* Three taps and a stride of 2 meet half of the pixels once: the sums above are as fast. */
static pln_taps_lines_fn sum_lines(int64_t line, int64_t stride)
{
    if (line == 3 && stride == 1) return sum_lines_3_1;
    if (line == 5 && stride == 1) return sum_lines_5_1;
    if (line == 5 && stride == 2) return sum_lines_5_2;
    return NULL;
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
    return vf_select(vf_eq(a, a), vf_max(a, b), a); /* max gives b where that is NaN */
}

static inline vf plus(vf a, vf b)
{
    return a + b;
}

#define REDUCE_TAPS(name, start, combine)                                                           \
    static void name(const struct pln_taps *taps)                                                   \
    {                                                                                               \
        int64_t i = 0, n = taps->n;                                                                 \
        if (taps->n_taps == 0) {                                                                    \
            for (; i < n; i++) taps->out[i] = start;                                                \
            return;                                                                                 \
        }                                                                                           \
        for (; i + 4 * VF_LANES <= n; i += 4 * VF_LANES) {                                          \
            const float *x = taps->x[0] + i;                                                        \
            vf a = vf_load(x), b = vf_load(x + VF_LANES), c = vf_load(x + 2 * VF_LANES), d = vf_load(x + 3 * VF_LANES); \
            for (int t = 1; t < taps->n_taps; t++) {                                                \
                x = taps->x[t] + i;                                                                 \
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
        for (; i + VF_LANES <= n; i += VF_LANES) {                                                  \
            vf a = vf_load(taps->x[0] + i);                                                         \
            for (int t = 1; t < taps->n_taps; t++) a = combine(a, vf_load(taps->x[t] + i));         \
            vf_store(taps->out + i, a);                                                             \
        }                                                                                           \
        if (i < n) {                                                                                \
            int64_t left = n - i;                                                                   \
            vf a = vf_load_n(taps->x[0] + i, left);                                                 \
            for (int t = 1; t < taps->n_taps; t++) a = combine(a, vf_load_n(taps->x[t] + i, left)); \
            vf_store_n(taps->out + i, a, left);                                                     \
        }                                                                                           \
    }
REDUCE_TAPS(sum_taps, 0.0f, plus)
REDUCE_TAPS(max_taps, -INFINITY, larger)

/* Steps of 2, which are the most, as compilers turn them into shuffles. */
static void pick_elements(const float *x, int64_t step, int64_t n, float *out)
{
    if (step == 2)
        for (int64_t i = 0; i < n; i++) out[i] = x[i * 2];
    else
        for (int64_t i = 0; i < n; i++) out[i] = x[i * step];
}
