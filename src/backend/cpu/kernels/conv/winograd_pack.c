/* The packed forms of weights for Winograd's convolution. */
#include "backend/cpu/kernels/conv/winograd.h"

enum { PANEL = PLN_GEMM_PANEL, TAPS = PLN_WINOGRAD_TAPS, SPAN = PLN_WINOGRAD_SPAN };

static int64_t panels_of(int64_t o)
{
    return (o + PANEL - 1) / PANEL;
}

int64_t pln_winograd_position(int64_t o, int64_t c)
{
    return panels_of(o) * PANEL * c;
}

static bool bytes_of(int side, const struct pln_tensor *plain, size_t *out_bytes)
{
    const int64_t span = side + TAPS - 1;
    int64_t o = 0, floats = 0;
    *out_bytes = 0;
    if (plain->dtype != PLN_F32 || plain->rank != 4 || plain->dims[2] != TAPS || plain->dims[3] != TAPS) return false;
    if (plain->dims[0] < 0 || plain->dims[1] < 0 || !pln_add_i64(plain->dims[0], PANEL - 1, &o)) return false;
    o = o / PANEL * PANEL;
    return pln_mul_i64(o, plain->dims[1], &floats) && pln_mul_i64(floats, span * span, &floats) &&
           pln_mul_size((size_t)floats, sizeof(float), out_bytes);
}

/* G: a row for each point a, [1, a, a^2] over the product of a - b for all other points b; the last, of infinity, is
 * [0, 0, 1]. */
static void find_g(int side, double g[SPAN][TAPS])
{
    static const double two[] = { 0, 1, -1 };
    static const double four[] = { 0, (double)PLN_WINOGRAD_NEAR, -(double)PLN_WINOGRAD_NEAR, (double)PLN_WINOGRAD_FAR,
                                   -(double)PLN_WINOGRAD_FAR };
    const double *points = side == 2 ? two : four;
    const int n = side + TAPS - 2;
    for (int p = 0; p < n; p++) {
        double product = 1;
        for (int q = 0; q < n; q++)
            if (q != p) product *= points[p] - points[q];
        for (int k = 0; k < TAPS; k++) g[p][k] = (k == 0 ? 1 : k == 1 ? points[p] : points[p] * points[p]) / product;
    }
    for (int k = 0; k < TAPS; k++) g[n][k] = k == TAPS - 1;
}

/* A panel's outputs side by side. */
typedef double lanes[PANEL];

/* One channel's taps of outputs [o, o + n), zeros behind them; taps row by row. */
static void read_taps(const struct pln_tensor *plain, int64_t o, int64_t n, int64_t c, lanes taps[TAPS * TAPS])
{
    for (int64_t i = 0; i < n; i++) {
        const float *from = (const float *)plain->data + (o + i) * plain->strides[0] + c * plain->strides[1];
        for (int t = 0; t < TAPS * TAPS; t++)
            taps[t][i] = (double)from[t / TAPS * plain->strides[2] + t % TAPS * plain->strides[3]];
    }
    for (int t = 0; t < TAPS * TAPS; t++)
        for (int64_t i = n; i < PANEL; i++) taps[t][i] = 0;
}

/* A row of G by a column of three. */
static void combine(const double g[TAPS], const double *x, const double *y, const double *z, double *out)
{
    for (int i = 0; i < PANEL; i++) out[i] = g[0] * x[i] + g[1] * y[i] + g[2] * z[i];
}

/* G taps G^T, a row of lanes for each position, `step` floats apart. */
static void transform(int span, double g[SPAN][TAPS], lanes taps[TAPS * TAPS], float *out, int64_t step)
{
    lanes half[TAPS], sum;
    for (int p = 0; p < span; p++) {
        for (int x = 0; x < TAPS; x++) combine(g[p], taps[x], taps[TAPS + x], taps[2 * TAPS + x], half[x]);
        for (int q = 0; q < span; q++, out += step) {
            combine(g[q], half[0], half[1], half[2], sum);
            for (int i = 0; i < PANEL; i++) out[i] = (float)sum[i];
        }
    }
}

static void pack(int side, const struct pln_tensor *plain, float *packed)
{
    size_t size_bytes = 0;
    if (!bytes_of(side, plain, &size_bytes) || size_bytes == 0) return;
    const int64_t o_end = plain->dims[0], c_end = plain->dims[1], position = pln_winograd_position(o_end, c_end);
    double g[SPAN][TAPS];
    lanes taps[TAPS * TAPS];
    find_g(side, g);
    for (int64_t o = 0; o < o_end; o += PANEL)
        for (int64_t c = 0; c < c_end; c++, packed += PANEL) {
            read_taps(plain, o, PLN_MIN(PANEL, o_end - o), c, taps);
            transform(side + TAPS - 1, g, taps, packed, position);
        }
}

/* No unpacking: which taps they were, rounding has hidden. */
#define FORMAT(side)                                                                                                   \
    static bool bytes##side(const struct pln_tensor *plain, size_t *out_bytes)                                         \
    {                                                                                                                  \
        return bytes_of(side, plain, out_bytes);                                                                       \
    }                                                                                                                  \
    static void pack##side(const struct pln_tensor *plain, void *packed)                                               \
    {                                                                                                                  \
        pack(side, plain, packed);                                                                                     \
    }                                                                                                                  \
    const struct pln_pack_format pln_pack_f32_winograd##side##_n16_v2 = { "f32_winograd" #side "_n16_v2", bytes##side, \
                                                                          pack##side, NULL };
FORMAT(2)
FORMAT(4)
