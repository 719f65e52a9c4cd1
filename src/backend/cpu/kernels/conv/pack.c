/* The packed forms of convolution weights. */
#include "backend/cpu/kernels/conv/conv.h"

enum { PANEL = PLN_GEMM_PANEL };

struct weights {
    int64_t o, c, taps, dims[PLN_IMAGE_AXES], strides[PLN_IMAGE_AXES];
};

static bool read_weights(const struct pln_tensor *plain, struct weights *out_weights)
{
    if (plain->dtype != PLN_F32 || plain->rank < 3 || plain->rank > 5) return false;
    out_weights->o = plain->dims[0];
    out_weights->c = plain->dims[1];
    pln_image_spatial(plain->dims + 2, plain->rank - 2, 1, out_weights->dims);
    pln_image_spatial(plain->strides + 2, plain->rank - 2, 0, out_weights->strides);
    return pln_shape_count(PLN_IMAGE_AXES, out_weights->dims, &out_weights->taps);
}

static int64_t tap_offset(const struct weights *w, int64_t tap)
{
    int64_t x = tap % w->dims[2], y = tap / w->dims[2] % w->dims[1], z = tap / w->dims[2] / w->dims[1];
    return x * w->strides[2] + y * w->strides[1] + z * w->strides[0];
}

static bool panels_bytes(int panel, const struct pln_tensor *plain, size_t *out_bytes)
{
    struct weights w;
    int64_t n = 0;
    *out_bytes = 0;
    if (!read_weights(plain, &w) || !pln_gemm_panel_cols(panel, w.o, &n)) return false;
    return pln_mul_i64(n, w.c, &n) && pln_mul_i64(n, w.taps, &n) && pln_add_i64(n, PANEL, &n) &&
           pln_mul_size((size_t)n, sizeof(float), out_bytes);
}

/* Place of output o in row (tap, c) of its panel. */
static int64_t panel_at(int panel, const struct weights *w, int64_t o, int64_t tap, int64_t c)
{
    const struct pln_gemm_panel at = pln_gemm_panel_of(pln_gemm_wide_cols(panel, w->o), o);
    return at.first * w->taps * w->c + (tap * w->c + c) * at.width + o - at.first;
}

static void panels_pack(int panel, const struct pln_tensor *plain, void *packed)
{
    struct weights w;
    size_t size_bytes = 0;
    if (!panels_bytes(panel, plain, &size_bytes) || !read_weights(plain, &w)) return;
    memset(packed, 0, size_bytes);
    const float *from = plain->data;
    for (int64_t o = 0; o < w.o; o++)
        for (int64_t c = 0; c < w.c; c++)
            for (int64_t tap = 0; tap < w.taps; tap++)
                ((float *)packed)[panel_at(panel, &w, o, tap, c)] =
                    from[o * plain->strides[0] + c * plain->strides[1] + tap_offset(&w, tap)];
}

static void panels_unpack(int panel, const void *packed, const struct pln_tensor *plain)
{
    struct weights w;
    if (!read_weights(plain, &w)) return;
    float *to = plain->data;
    for (int64_t o = 0; o < w.o; o++)
        for (int64_t c = 0; c < w.c; c++)
            for (int64_t tap = 0; tap < w.taps; tap++)
                to[o * plain->strides[0] + c * plain->strides[1] + tap_offset(&w, tap)] =
                    ((const float *)packed)[panel_at(panel, &w, o, tap, c)];
}

static bool taps_bytes(const struct pln_tensor *plain, size_t *out_bytes)
{
    struct weights w;
    int64_t n = 0;
    *out_bytes = 0;
    if (!read_weights(plain, &w)) return false;
    return pln_mul_i64(w.o, w.c, &n) && pln_mul_i64(n, w.taps, &n) && pln_mul_size((size_t)n, sizeof(float), out_bytes);
}

static void taps_pack(const struct pln_tensor *plain, void *packed)
{
    struct weights w;
    if (!read_weights(plain, &w)) return;
    const float *from = plain->data;
    for (int64_t tap = 0; tap < w.taps; tap++)
        for (int64_t i = 0; i < w.o * w.c; i++)
            ((float *)packed)[tap * w.o * w.c + i] =
                from[i / w.c * plain->strides[0] + i % w.c * plain->strides[1] + tap_offset(&w, tap)];
}

static void taps_unpack(const void *packed, const struct pln_tensor *plain)
{
    struct weights w;
    if (!read_weights(plain, &w)) return;
    float *to = plain->data;
    for (int64_t tap = 0; tap < w.taps; tap++)
        for (int64_t i = 0; i < w.o * w.c; i++)
            to[i / w.c * plain->strides[0] + i % w.c * plain->strides[1] + tap_offset(&w, tap)] =
                ((const float *)packed)[tap * w.o * w.c + i];
}

static bool columns_bytes(const struct pln_tensor *plain, size_t *out_bytes)
{
    struct weights w;
    int64_t n = 0;
    *out_bytes = 0;
    if (!read_weights(plain, &w) || !pln_mul_i64(w.taps, w.c, &n) || !pln_add_i64(n, PANEL - 1, &n)) return false;
    n = n / PANEL * PANEL;
    return pln_mul_i64(n, w.o, &n) && pln_mul_size((size_t)n, sizeof(float), out_bytes);
}

/* Of transposed weights dim 0 is what comes in: rows of the panels; dim 1 goes out. */
static int64_t column_at(const struct weights *w, int64_t in, int64_t tap, int64_t out)
{
    int64_t column = tap * w->c + out;
    return (column / PANEL * w->o + in) * PANEL + column % PANEL;
}

static void columns_pack(const struct pln_tensor *plain, void *packed)
{
    struct weights w;
    size_t size_bytes = 0;
    if (!columns_bytes(plain, &size_bytes) || !read_weights(plain, &w)) return;
    memset(packed, 0, size_bytes);
    const float *from = plain->data;
    for (int64_t in = 0; in < w.o; in++)
        for (int64_t out = 0; out < w.c; out++)
            for (int64_t tap = 0; tap < w.taps; tap++)
                ((float *)packed)[column_at(&w, in, tap, out)] =
                    from[in * plain->strides[0] + out * plain->strides[1] + tap_offset(&w, tap)];
}

static void columns_unpack(const void *packed, const struct pln_tensor *plain)
{
    struct weights w;
    if (!read_weights(plain, &w)) return;
    float *to = plain->data;
    for (int64_t in = 0; in < w.o; in++)
        for (int64_t out = 0; out < w.c; out++)
            for (int64_t tap = 0; tap < w.taps; tap++)
                to[in * plain->strides[0] + out * plain->strides[1] + tap_offset(&w, tap)] =
                    ((const float *)packed)[column_at(&w, in, tap, out)];
}

#define PANELS(name, panel)                                                                                   \
    static bool name##_bytes(const struct pln_tensor *plain, size_t *out_bytes)                               \
    {                                                                                                        \
        return panels_bytes(panel, plain, out_bytes);                                                        \
    }                                                                                                        \
    static void name##_pack(const struct pln_tensor *plain, void *packed)                                     \
    {                                                                                                        \
        panels_pack(panel, plain, packed);                                                                   \
    }                                                                                                        \
    static void name##_unpack(const void *packed, const struct pln_tensor *plain)                             \
    {                                                                                                        \
        panels_unpack(panel, packed, plain);                                                                 \
    }                                                                                                        \
    const struct pln_pack_format pln_pack_f32_##name##_v1 = { "f32_" #name "_v1", name##_bytes, name##_pack, name##_unpack };
PANELS(oihw_n16, PANEL)
PANELS(oihw_n24, PLN_GEMM_PANEL_WIDE)
const struct pln_pack_format pln_pack_f32_taps_v1 = { "f32_taps_v1", taps_bytes, taps_pack, taps_unpack };
const struct pln_pack_format pln_pack_f32_ihwo_n16_v1 = { "f32_ihwo_n16_v1", columns_bytes, columns_pack, columns_unpack };
