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
    int64_t o = 0, floats = 0, taps = 0;
    *out_bytes = 0;
    if (plain->dtype != PLN_F32 || plain->rank != 4 || plain->dims[2] != TAPS || plain->dims[3] != TAPS) return false;
    if (plain->dims[0] < 0 || plain->dims[1] < 0 || !pln_add_i64(plain->dims[0], PANEL - 1, &o)) return false;
    o = o / PANEL * PANEL;
    return pln_mul_i64(o, plain->dims[1], &floats) && pln_mul_i64(floats, TAPS * TAPS, &taps) &&
           pln_mul_i64(floats, span * span, &floats) && pln_add_i64(floats, taps, &floats) &&
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

/* G taps G^T; taps row by row. */
static void transform(int span, double g[SPAN][TAPS], const float *taps, double *out)
{
    double half[SPAN][TAPS];
    for (int p = 0; p < span; p++)
        for (int x = 0; x < TAPS; x++)
            half[p][x] =
                g[p][0] * (double)taps[x] + g[p][1] * (double)taps[TAPS + x] + g[p][2] * (double)taps[2 * TAPS + x];
    for (int p = 0; p < span; p++)
        for (int q = 0; q < span; q++)
            out[p * span + q] = g[q][0] * half[p][0] + g[q][1] * half[p][1] + g[q][2] * half[p][2];
}

static void pack(int side, const struct pln_tensor *plain, float *packed)
{
    size_t size_bytes = 0;
    if (!bytes_of(side, plain, &size_bytes)) return;
    const int span = side + TAPS - 1;
    const int64_t o_end = plain->dims[0], c_end = plain->dims[1], position = pln_winograd_position(o_end, c_end);
    double g[SPAN][TAPS], out[SPAN * SPAN];
    memset(packed, 0, size_bytes);
    find_g(side, g);
    float *kept = packed + span * span * position;
    for (int64_t o = 0; o < o_end; o++)
        for (int64_t c = 0; c < c_end; c++, kept += TAPS * TAPS) {
            const float *from = (const float *)plain->data + o * plain->strides[0] + c * plain->strides[1];
            float *to = packed + (o / PANEL * c_end + c) * PANEL + o % PANEL;
            for (int t = 0; t < TAPS * TAPS; t++)
                kept[t] = from[t / TAPS * plain->strides[2] + t % TAPS * plain->strides[3]];
            transform(span, g, kept, out);
            for (int p = 0; p < span * span; p++) to[p * position] = (float)out[p];
        }
}

static void unpack(int side, const float *packed, const struct pln_tensor *plain)
{
    size_t size_bytes = 0;
    if (!bytes_of(side, plain, &size_bytes)) return;
    const int span = side + TAPS - 1;
    const float *kept = packed + span * span * pln_winograd_position(plain->dims[0], plain->dims[1]);
    for (int64_t o = 0; o < plain->dims[0]; o++)
        for (int64_t c = 0; c < plain->dims[1]; c++, kept += TAPS * TAPS) {
            float *to = (float *)plain->data + o * plain->strides[0] + c * plain->strides[1];
            for (int t = 0; t < TAPS * TAPS; t++)
                to[t / TAPS * plain->strides[2] + t % TAPS * plain->strides[3]] = kept[t];
        }
}

#define FORMAT(side)                                                                                                   \
    static bool bytes##side(const struct pln_tensor *plain, size_t *out_bytes)                                         \
    {                                                                                                                  \
        return bytes_of(side, plain, out_bytes);                                                                       \
    }                                                                                                                  \
    static void pack##side(const struct pln_tensor *plain, void *packed)                                               \
    {                                                                                                                  \
        pack(side, plain, packed);                                                                                     \
    }                                                                                                                  \
    static void unpack##side(const void *packed, const struct pln_tensor *plain)                                       \
    {                                                                                                                  \
        unpack(side, packed, plain);                                                                                   \
    }                                                                                                                  \
    const struct pln_pack_format pln_pack_f32_winograd##side##_n16_v1 = { "f32_winograd" #side "_n16_v1", bytes##side, \
                                                                          pack##side, unpack##side };
FORMAT(2)
FORMAT(4)
