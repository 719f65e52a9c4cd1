/* The functions of channels.h of one ISA, for inclusion by channels_<isa>.c. Blocks of `wide` vectors side by side and `deep` rows at a time, both
 * constants where they are inlined, are loops over arrays that the compiler keeps in registers: eight running sums hide the latency of an addition. */
#include "backend/cpu/kernels/norm/channels.h"
#include "backend/cpu/kernels/vec/vec_f32.h"

#define SUMS 4 /* of each kind */
#define INLINE static inline __attribute__((always_inline))

INLINE vf load_first(const float *from, int64_t n)
{
    return n == VF_LANES ? vf_load(from) : vf_load_n(from, n);
}

INLINE void store_first(float *to, vf value, int64_t n)
{
    if (n == VF_LANES) vf_store(to, value);
    else vf_store_n(to, value, n);
}

/* ---- moments ---- */

/* Adds deep rows to sums[row * wide + vector]. n: elements of the last vector; those behind them are as the pivot, which is 0 there. */
INLINE void meet(const float *x, int64_t x_row, int64_t n, const int wide, const int deep, const vf *pivots, vf *sums, vf *squares)
{
    for (int r = 0; r < deep; r++)
        for (int v = 0; v < wide; v++) {
            const vf d = load_first(x + r * x_row + v * VF_LANES, v + 1 < wide ? VF_LANES : n) - pivots[v];
            sums[r * wide + v] = sums[r * wide + v] + d;
            squares[r * wide + v] = vf_fma(d, d, squares[r * wide + v]);
        }
}

INLINE void moments_block(const float *x, int64_t x_row, int64_t rows, int64_t n, const int wide, const float *pivots, float *sums, float *squares)
{
    const int deep = SUMS / wide;
    vf p[SUMS], s[SUMS], q[SUMS];
    for (int v = 0; v < wide; v++) p[v] = load_first(pivots + v * VF_LANES, v + 1 < wide ? VF_LANES : n);
    for (int k = 0; k < SUMS; k++) s[k] = q[k] = vf_set(0.0f);
    int64_t r = 0;
    for (; r + deep <= rows; r += deep) meet(x + r * x_row, x_row, n, wide, deep, p, s, q);
    for (; r < rows; r++) meet(x + r * x_row, x_row, n, wide, 1, p, s, q);
    for (int half = deep / 2; half > 0; half /= 2)
        for (int k = 0; k < half * wide; k++) {
            s[k] = s[k] + s[k + half * wide];
            q[k] = q[k] + q[k + half * wide];
        }
    for (int v = 0; v < wide; v++) {
        const int64_t own = v + 1 < wide ? VF_LANES : n;
        store_first(sums + v * VF_LANES, load_first(sums + v * VF_LANES, own) + s[v], own);
        store_first(squares + v * VF_LANES, load_first(squares + v * VF_LANES, own) + q[v], own);
    }
}

static void pixels_moments(const float *x, int64_t x_row, int64_t rows, int64_t n, const float *pivots, float *sums, float *squares)
{
    int64_t i = 0;
    for (; i + 4 * VF_LANES <= n; i += 4 * VF_LANES) moments_block(x + i, x_row, rows, VF_LANES, 4, pivots + i, sums + i, squares + i);
    for (; i + 2 * VF_LANES <= n; i += 2 * VF_LANES) moments_block(x + i, x_row, rows, VF_LANES, 2, pivots + i, sums + i, squares + i);
    for (; i + VF_LANES <= n; i += VF_LANES) moments_block(x + i, x_row, rows, VF_LANES, 1, pivots + i, sums + i, squares + i);
    if (i < n) moments_block(x + i, x_row, rows, n - i, 1, pivots + i, sums + i, squares + i);
}

static double add_lanes(const vf *sums)
{
    float lanes[VF_LANES];
    double total = 0;
    vf_store(lanes, (sums[0] + sums[1]) + (sums[2] + sums[3]));
    for (int i = 0; i < VF_LANES; i++) total += (double)lanes[i];
    return total;
}

static void run_moments(const float *x, int64_t n, float pivot, double *out_sum, double *out_squares)
{
    vf p[SUMS], s[SUMS], q[SUMS];
    for (int k = 0; k < SUMS; k++) {
        p[k] = vf_set(pivot);
        s[k] = q[k] = vf_set(0.0f);
    }
    for (; n >= SUMS * VF_LANES; n -= SUMS * VF_LANES, x += SUMS * VF_LANES) meet(x, 0, VF_LANES, SUMS, 1, p, s, q);
    for (; n >= VF_LANES; n -= VF_LANES, x += VF_LANES) meet(x, 0, VF_LANES, 1, 1, p, s, q);
    double sum = add_lanes(s), squares = add_lanes(q);
    for (; n > 0; n--, x++) {
        const float d = *x - pivot;
        sum += (double)d;
        squares += (double)d * (double)d;
    }
    *out_sum = sum;
    *out_squares = squares;
}

/* ---- what is made of them ---- */

/* The second operand is what comparisons with NaN give. */
INLINE vf normalized(vf x, vf mean, vf factor, vf offset, vf low, vf high)
{
    return vf_min(high, vf_max(low, vf_fma(x - mean, factor, offset)));
}

INLINE void normalize_block(const struct pln_channels *own, int64_t i, int64_t n, const int wide)
{
    const vf low = vf_set(own->low), high = vf_set(own->high);
    vf mean[SUMS], factor[SUMS], offset[SUMS];
    for (int v = 0; v < wide; v++) {
        const int64_t at = i + v * VF_LANES, some = v + 1 < wide ? VF_LANES : n;
        mean[v] = load_first(own->mean + at, some);
        factor[v] = load_first(own->factor + at, some);
        offset[v] = load_first(own->offset + at, some);
    }
    const float *x = own->x + i;
    float *y = own->y + i;
    for (int64_t r = 0; r < own->rows; r++, x += own->x_row, y += own->y_row)
        for (int v = 0; v < wide; v++) {
            const int64_t at = v * VF_LANES, some = v + 1 < wide ? VF_LANES : n;
            store_first(y + at, normalized(load_first(x + at, some), mean[v], factor[v], offset[v], low, high), some);
        }
}

static void pixels_normalize(const struct pln_channels *own)
{
    const int64_t n = own->n;
    int64_t i = 0;
    for (; i + 4 * VF_LANES <= n; i += 4 * VF_LANES) normalize_block(own, i, VF_LANES, 4);
    for (; i + 2 * VF_LANES <= n; i += 2 * VF_LANES) normalize_block(own, i, VF_LANES, 2);
    for (; i + VF_LANES <= n; i += VF_LANES) normalize_block(own, i, VF_LANES, 1);
    if (i < n) normalize_block(own, i, n - i, 1);
}

static void run_normalize(const struct pln_channels *own)
{
    const vf low = vf_set(own->low), high = vf_set(own->high);
    const vf mean = vf_set(own->mean[0]), factor = vf_set(own->factor[0]), offset = vf_set(own->offset[0]);
    const float *x = own->x;
    float *y = own->y;
    int64_t n = own->n;
    for (; n >= VF_LANES; n -= VF_LANES, x += VF_LANES, y += VF_LANES) vf_store(y, normalized(vf_load(x), mean, factor, offset, low, high));
    if (n > 0) vf_store_n(y, normalized(vf_load_n(x, n), mean, factor, offset, low, high), n);
}
