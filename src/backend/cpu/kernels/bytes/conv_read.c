/* What the convolutions of bytes have to check and to know. */
#include "backend/cpu/kernels/bytes/conv.h"

#include <math.h>

/* ---- weights [o, c, ...kernel]: rows o of pairs of channels 2p and 2p + 1 as bytes, taps innermost; what lies past c is zero ---- */

static bool read_weights(const struct pln_tensor *plain, int64_t *out_channels, int64_t *out_taps, size_t *out_bytes)
{
    int64_t taps = 1, n;
    *out_bytes = 0;
    if (plain->rank < 3 || plain->rank > 5 || !pln_bytes_is(plain->dtype) || !pln_tensor_is_contiguous(plain)) return false;
    for (int d = 2; d < plain->rank; d++)
        if (!pln_mul_i64(taps, plain->dims[d], &taps)) return false;
    if (!pln_add_i64(plain->dims[1], plain->dims[1] % 2, &n) || !pln_mul_i64(n, taps, &n) || !pln_mul_i64(n, plain->dims[0], &n)) return false;
    *out_channels = plain->dims[1];
    *out_taps = taps;
    *out_bytes = (size_t)n;
    return true;
}

static bool pairs_bytes(const struct pln_tensor *plain, size_t *out_bytes)
{
    int64_t channels, taps;
    return read_weights(plain, &channels, &taps, out_bytes);
}

static void pairs_pack(const struct pln_tensor *plain, void *packed)
{
    int64_t channels, taps;
    size_t bytes;
    uint8_t *to = packed;
    if (!read_weights(plain, &channels, &taps, &bytes)) return;
    for (int64_t o = 0; o < plain->dims[0]; o++)
        for (int64_t c = 0; c < channels; c += 2) {
            const uint8_t *from = (const uint8_t *)plain->data + (o * channels + c) * taps;
            for (int64_t t = 0; t < taps; t++) {
                *to++ = from[t];
                *to++ = c + 1 < channels ? from[taps + t] : 0;
            }
        }
}

static void pairs_unpack(const void *packed, const struct pln_tensor *plain)
{
    int64_t channels, taps;
    size_t bytes;
    const uint8_t *from = packed;
    if (!read_weights(plain, &channels, &taps, &bytes)) return;
    for (int64_t o = 0; o < plain->dims[0]; o++)
        for (int64_t c = 0; c < channels; c += 2) {
            uint8_t *to = (uint8_t *)plain->data + (o * channels + c) * taps;
            for (int64_t t = 0; t < taps; t++, from += 2) {
                to[t] = from[0];
                if (c + 1 < channels) to[taps + t] = from[1];
            }
        }
}

const struct pln_pack_format pln_pack_bytes_oihw_c2_v1 = { "bytes_oihw_c2_v1", pairs_bytes, pairs_pack, pairs_unpack };

/* ---- what fits ---- */

/* Numbers of inputs. */
struct places {
    int x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias; /* -1: there is none */
};

static const struct places *places_of(unsigned op)
{
    static const struct places integer = { 0, -1, 2, 1, -1, 3, -1, -1, -1 }, quantized = { 0, 1, 2, 3, 4, 5, 6, 7, 8 };
    return op == PLN_OP_CONV_INTEGER ? &integer : &quantized;
}

const char *pln_bytes_conv_supports(const struct pln_problem *problem)
{
    const struct places *at = places_of(problem->op);
    if (problem->n_inputs <= at->w || problem->n_outputs != 1 || (problem->op == PLN_OP_QLINEAR_CONV && problem->n_inputs < 8)) return "wrong number of operands";
    const struct pln_operand *x = &problem->inputs[at->x], *w = &problem->inputs[at->w];
    if (!pln_bytes_is(x->dtype) || !pln_bytes_is(w->dtype)) return "an operand is not of bytes";
    if (x->rank < 3 || x->rank > 5 || w->rank != x->rank) return "not one to three spatial axes";
    for (int d = 0; d < w->rank; d++)
        if (w->dims[d] < 0) return "the weights' dims are not known";
    double taps = 1;
    for (int d = 2; d < w->rank; d++) taps *= (double)w->dims[d];
    if (taps > PLN_BYTES_TAPS_MOST) return "the window is too large";
    if (taps * (double)w->dims[1] > PLN_BYTES_K_MOST) return "sums of more terms than 32 bits hold";
    const int64_t o = w->dims[0];
    const bool fits = pln_bytes_parameter_fits(problem, at->x_zero, false, -1) && pln_bytes_parameter_fits(problem, at->w_zero, false, o) && pln_bytes_parameter_fits(problem, at->x_scale, true, -1) &&
                      pln_bytes_parameter_fits(problem, at->w_scale, true, o) && pln_bytes_parameter_fits(problem, at->y_scale, true, -1) && pln_bytes_parameter_fits(problem, at->y_zero, false, -1);
    return fits ? NULL : "a scale or zero point of another form or type";
}

int pln_bytes_conv_weights(unsigned op)
{
    return places_of(op)->w;
}

double pln_bytes_conv_macs(const struct pln_problem *problem, int64_t step)
{
    const struct pln_operand *w = &problem->inputs[places_of(problem->op)->w], *y = &problem->outputs[0];
    double macs = y->dims[0] < 0 ? 1 : (double)y->dims[0], pixels = 1;
    for (int d = 0; d < w->rank; d++) macs *= (double)w->dims[d];
    for (int d = 2; d < y->rank; d++) pixels *= y->dims[d] < 0 ? 56 : (double)y->dims[d];
    return macs * ceil(pixels / (double)step) * (double)step;
}

/* ---- prepare ---- */

static bool read_parameters(const struct pln_launch *launch, const struct places *at, struct pln_bytes_conv *s)
{
    const int64_t o = s->y.c;
    if (at->bias >= 0 && at->bias < launch->n_inputs && launch->inputs[at->bias].dtype != PLN_DTYPE_NONE) {
        const struct pln_tensor *bias = &launch->inputs[at->bias];
        if (bias->dtype != PLN_I32 || bias->rank != 1 || bias->dims[0] != o || !pln_tensor_is_contiguous(bias)) return false;
        s->result.bias = bias->data;
    }
    return pln_bytes_parameter_read(launch, at->x_scale, true, 1, &s->result.x_scale) && pln_bytes_parameter_read(launch, at->x_zero, false, 1, &s->x_zero) &&
           pln_bytes_parameter_read(launch, at->w_scale, true, o, &s->result.w_scale) && pln_bytes_parameter_read(launch, at->w_zero, false, o, &s->w_zero) &&
           pln_bytes_parameter_read(launch, at->y_scale, true, 1, &s->result.y_scale) && pln_bytes_parameter_read(launch, at->y_zero, false, 1, &s->result.y_zero);
}

/* Without a window pixels are one row. */
static void flatten(struct pln_image *image)
{
    image->dims[0] = image->dims[1] = 1;
    image->dims[2] = image->pixels;
    image->strides[0] = image->strides[1] = image->pixels;
    image->strides[2] = 1;
}

static enum pln_status read_shapes(const struct pln_kernel *kernel, const struct pln_launch *launch, const struct places *at, struct pln_bytes_conv *s, struct pln_diag *diag)
{
    const struct pln_tensor *x = &launch->inputs[at->x], *w = &launch->inputs[at->w], *y = &launch->outputs[0];
    int64_t channels, taps;
    size_t bytes;
    if (!pln_bytes_is(x->dtype) || !read_weights(w, &channels, &taps, &bytes) || x->rank != w->rank || y->rank != x->rank || !pln_tensor_is_contiguous(x) || !pln_tensor_is_contiguous(y) ||
        (s->quantizes ? !pln_bytes_is(y->dtype) : y->dtype != PLN_I32))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the operands are no images of bytes", kernel->name);
    s->packed = launch->packed_bytes != 0;
    if ((s->packed && (kernel->family->pack == NULL || !kernel->family->pack(kernel)->bytes(w, &bytes) || bytes != launch->packed_bytes)) || taps > PLN_BYTES_TAPS_MOST || taps * channels > PLN_BYTES_K_MOST)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: these are no weights of it", kernel->name);
    pln_image_of(x, &s->x);
    pln_image_of(y, &s->y);
    s->groups = pln_attrs_int(launch->attrs, "group", 1);
    s->group_in = channels;
    if (s->groups < 1 || !pln_mul_i64(s->groups, channels, &channels) || channels != s->x.c || w->dims[0] != s->y.c || s->y.c % s->groups != 0 || s->x.n != s->y.n)
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: image, weights, groups and output do not fit", kernel->name);
    s->group_out = s->y.c / s->groups;
    const char *why = pln_image_window(launch->attrs, x->rank, w->dims + 2, &s->x, &s->y, &s->window);
    if (why != NULL) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: %s", kernel->name, why);
    if (s->window.pointwise) {
        flatten(&s->x);
        flatten(&s->y);
    }
    s->x_end = (const uint8_t *)x->data + pln_tensor_count(x);
    s->weights = w->data;
    s->x_signed = x->dtype == PLN_I8;
    s->w_signed = w->dtype == PLN_I8;
    s->result.k = taps * s->group_in;
    s->result.is_signed = y->dtype == PLN_I8;
    return PLN_OK;
}

enum pln_status pln_bytes_conv_read(const struct pln_kernel *kernel, const struct pln_launch *launch, struct pln_diag *diag, struct pln_bytes_conv *out_conv)
{
    const struct places *at = places_of(launch->op);
    out_conv->quantizes = launch->op == PLN_OP_QLINEAR_CONV;
    if (launch->n_inputs <= at->w || launch->n_outputs != 1 || (out_conv->quantizes && launch->n_inputs < 8)) return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    PLN_TRY(read_shapes(kernel, launch, at, out_conv, diag));
    if (!read_parameters(launch, at, out_conv)) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: parameters do not fit", kernel->name);
    return PLN_OK;
}

/* ---- run ---- */

bool pln_bytes_conv_sees(int64_t at, int64_t kernel, int64_t dilation, int64_t stride, int64_t pixels)
{
    if (stride == 1 && dilation == 1) return true;
    for (int64_t tap = 0; tap < kernel && tap * dilation <= at; tap++)
        if ((at - tap * dilation) % stride == 0 && (at - tap * dilation) / stride < pixels) return true;
    return false;
}

static bool sees_phase(const struct pln_image_window *w, int64_t phase)
{
    if (w->stride[2] == 1) return true;
    for (int64_t tap = 0; tap < w->kernel[2]; tap++)
        if (tap * w->dilation[2] % w->stride[2] == phase) return true;
    return false;
}

/* pln_window_clip, where divisions by 1 and 2 would take as long as the rest. */
static inline void clip(int64_t base, int64_t step, int64_t extent, int64_t count, int64_t *out_first, int64_t *out_end)
{
    if (step == 1) pln_window_clip(base, 1, extent, count, out_first, out_end);
    else if (step == 2) pln_window_clip(base, 2, extent, count, out_first, out_end);
    else pln_window_clip(base, step, extent, count, out_first, out_end);
}

static inline void blank(int16_t *to, int64_t pairs)
{
    const int32_t nothing = 0;
    if (pairs == 1) memcpy(to, &nothing, sizeof nothing); /* what a padding of 1 is, without a call */
    else if (pairs > 1) memset(to, 0, (size_t)pairs * sizeof nothing);
}

void pln_bytes_conv_fill(const struct pln_bytes_conv *conv, const struct pln_bytes_isa *isa, const struct pln_bytes_row *row)
{
    const int64_t step = row->step;
    int16_t *to = row->to;
    for (int64_t phase = 0; phase < step; phase++, to += 2 * row->phase_pairs) {
        const int64_t base = row->begin + phase;
        int64_t first = 0, end = 0;
        if (step == conv->window.stride[2] && !sees_phase(&conv->window, phase)) continue;
        if (row->even != NULL) clip(base, step, conv->x.dims[2], row->pairs, &first, &end);
        blank(to, first);
        if (first < end) {
            const uint8_t *even = row->even + base + first * step, *odd = row->odd != NULL ? row->odd + base + first * step : NULL;
            const int64_t bytes = conv->x_end - (odd != NULL ? odd : even), room = step > 2 ? 0 : PLN_MIN(step == 1 ? bytes : bytes / 2, row->phase_pairs - first);
            const struct pln_bytes_lines lines = { .even = even, .odd = odd, .n = end - first, .step = step, .room = room, .is_signed = conv->x_signed,
                                                   .zero = pln_bytes_zero_at(&conv->x_zero, 0), .to = to + 2 * first };
            isa->interleave(&lines);
        }
        blank(to + 2 * end, row->pairs - end);
    }
}

void pln_bytes_conv_store(const struct pln_bytes_conv *conv, const struct pln_bytes_isa *isa, const struct pln_bytes_finish *finish, int64_t i, const int32_t *sums, int64_t n, int64_t at)
{
    if (!conv->quantizes) {
        memcpy((int32_t *)(void *)conv->y.data + at, sums, (size_t)n * sizeof *sums);
        return;
    }
    struct pln_bytes_finish one = pln_bytes_result_at(finish, i);
    one.step = 0;
    one.sums = sums;
    one.n = n;
    one.to = (uint8_t *)conv->y.data + at;
    isa->finish(&one);
}
