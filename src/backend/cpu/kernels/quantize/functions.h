/* The functions of one ISA, for inclusion by functions_<isa>.c, which defines QUANTIZE_ISA as the function that gives their table. Plain loops: the compiler makes vectors
 * of them. */
#include <math.h>

#include "backend/cpu/kernels/quantize/quantize.h"
#include "backend/cpu/kernels/vec/vec_f32.h"

/* Bounds moved by the zero point, so that what is added to has no fraction and fits; comparisons with NaN give the lowest. */
#define QUANTIZED(value, low, high) ((value) > (low) ? ((value) < (high) ? (value) : (high)) : (low))

#define QUANTIZE_AS(type, least, most)                                                                                \
    {                                                                                                                 \
        const float *x = run->from;                                                                                   \
        const type *zero = run->zero;                                                                                 \
        type *y = run->to;                                                                                            \
        if (run->from_step == 1 && run->to_step == 1 && run->scale_step == 0 && run->zero_step == 0) {                \
            const float scale = *run->scale, low = (float)((least) - *zero), high = (float)((most) - *zero);          \
            const int32_t at = *zero;                                                                                 \
            for (int64_t i = 0; i < n; i++) {                                                                         \
                float q = rintf(x[i] / scale);                                                                        \
                q = q > low ? q : low; /* one after the other: each is one instruction */                             \
                q = q < high ? q : high;                                                                              \
                y[i] = (type)((int32_t)q + at);                                                                       \
            }                                                                                                         \
        } else if (run->from_step == 1 && run->to_step == 1 && run->scale_step == 1 && run->zero_step == 1) {         \
            for (int64_t i = 0; i < n; i++) {                                                                         \
                const float low = (float)((least) - zero[i]), high = (float)((most) - zero[i]), q = rintf(x[i] / run->scale[i]); \
                y[i] = (type)((int32_t)QUANTIZED(q, low, high) + zero[i]);                                            \
            }                                                                                                         \
        } else {                                                                                                      \
            for (int64_t i = 0; i < n; i++) {                                                                         \
                const int32_t at = zero[i * run->zero_step];                                                          \
                const float low = (float)((least) - at), high = (float)((most) - at);                                 \
                const float q = rintf(x[i * run->from_step] / run->scale[i * run->scale_step]);                       \
                y[i * run->to_step] = (type)((int32_t)QUANTIZED(q, low, high) + at);                                  \
            }                                                                                                         \
        }                                                                                                             \
        return;                                                                                                       \
    }

static void quantize(enum pln_dtype to, const struct pln_quantize_run *run)
{
    const int64_t n = run->n;
    if (to == PLN_U8) QUANTIZE_AS(uint8_t, 0, UINT8_MAX)
    if (to == PLN_I8) QUANTIZE_AS(int8_t, INT8_MIN, INT8_MAX)
    if (to == PLN_U16) QUANTIZE_AS(uint16_t, 0, UINT16_MAX)
    QUANTIZE_AS(int16_t, INT16_MIN, INT16_MAX)
}

/* wide: a type that holds the difference, whose product with the scale is exact or rounded once. */
#define DEQUANTIZE_AS(type, wide)                                                                                     \
    {                                                                                                                 \
        const type *x = run->from, *zero = run->zero;                                                                 \
        float *y = run->to;                                                                                           \
        if (run->from_step == 1 && run->to_step == 1 && run->scale_step == 0 && run->zero_step == 0) {                \
            const wide scale = (wide)*run->scale, at = (wide)*zero;                                                   \
            for (int64_t i = 0; i < n; i++) y[i] = (float)(((wide)x[i] - at) * scale);                                \
        } else if (run->from_step == 1 && run->to_step == 1 && run->scale_step == 1 && run->zero_step == 1) {         \
            for (int64_t i = 0; i < n; i++) y[i] = (float)(((wide)x[i] - (wide)zero[i]) * (wide)run->scale[i]);       \
        } else {                                                                                                      \
            for (int64_t i = 0; i < n; i++)                                                                           \
                y[i * run->to_step] = (float)(((wide)x[i * run->from_step] - (wide)zero[i * run->zero_step]) * (wide)run->scale[i * run->scale_step]); \
        }                                                                                                             \
        return;                                                                                                       \
    }

static void dequantize(enum pln_dtype from, const struct pln_quantize_run *run)
{
    const int64_t n = run->n;
    if (from == PLN_U8) DEQUANTIZE_AS(uint8_t, float)
    if (from == PLN_I8) DEQUANTIZE_AS(int8_t, float)
    if (from == PLN_U16) DEQUANTIZE_AS(uint16_t, float)
    if (from == PLN_I16) DEQUANTIZE_AS(int16_t, float)
    DEQUANTIZE_AS(int32_t, double)
}

/* NaN is passed over: comparisons with it give what there was. */
static void range(const float *x, int64_t n, float *low, float *high)
{
    vf least[4], most[4];
    for (int k = 0; k < 4; k++) least[k] = vf_set(*low);
    for (int k = 0; k < 4; k++) most[k] = vf_set(*high);
    int64_t i = 0;
    for (; i + 4 * VF_LANES <= n; i += 4 * VF_LANES)
        for (int k = 0; k < 4; k++) {
            const vf at = vf_load(x + i + k * VF_LANES);
            least[k] = vf_min(at, least[k]);
            most[k] = vf_max(at, most[k]);
        }
    *low = vf_min_lanes(vf_min(vf_min(least[0], least[1]), vf_min(least[2], least[3])));
    *high = vf_max_lanes(vf_max(vf_max(most[0], most[1]), vf_max(most[2], most[3])));
    for (; i < n; i++) {
        *low = x[i] < *low ? x[i] : *low;
        *high = x[i] > *high ? x[i] : *high;
    }
}

const struct pln_quantize_isa *QUANTIZE_ISA(void)
{
    static const struct pln_quantize_isa isa = { quantize, dequantize, range };
    return &isa;
}
