#include <math.h>

#include "backend/ref/conv.h"
#include "backend/ref/real.h"

/* Deformable convolution (Dai et al. 2017; with mask Zhu et al. 2019), as ONNX DeformConv-22: each kernel tap is moved by an offset of its own
 * and reads by linear interpolation, zero outside. */
struct deform {
    struct pln_ref_conv conv;
    int64_t offset_groups;
    const double *x, *offsets, *mask; /* offsets: [n, groups, taps, rank, out…]; mask: [n, groups, taps, out…] or NULL */
};

static enum pln_status check_offsets(struct pln_call *call, const struct deform *d)
{
    const struct pln_tensor *offset, *mask = pln_call_in(call, 4);
    const struct pln_ref_conv *conv = &d->conv;
    int64_t taps, all;
    PLN_TRY(pln_call_need(call, 2, &offset));
    bool fits = d->offset_groups > 0 && conv->channels % d->offset_groups == 0 && pln_mul_i64(d->offset_groups, conv->kernel_size, &taps) &&
                pln_mul_i64(taps, conv->window.rank, &all) && offset->rank == conv->window.rank + 2 && offset->dims[0] == conv->batch &&
                offset->dims[1] == all && (!mask || (mask->rank == offset->rank && mask->dims[0] == conv->batch && mask->dims[1] == taps));
    for (int i = 0; fits && i < conv->window.rank; i++) {
        fits = offset->dims[2 + i] == conv->out[i] && (!mask || mask->dims[2 + i] == conv->out[i]);
    }
    return fits ? PLN_OK : pln_call_fail(call, PLN_BAD_MODEL, "offset or mask does not fit the window, the output and offset_group");
}

/* Where one tap reads: at[] along each axis; false outside of all data. */
static bool place_tap(const struct deform *d, int64_t n, int64_t group, int64_t tap, int64_t position, const int64_t *where, double *at)
{
    const struct pln_ref_conv *conv = &d->conv;
    const struct pln_window *w = &conv->window;
    int64_t rest = tap;
    bool inside = true;
    for (int i = w->rank - 1; i >= 0; i--) {
        int64_t base = where[i] * w->stride[i] + rest % w->kernel[i] * w->dilation[i] - w->pad_begin[i];
        int64_t offset = (((n * d->offset_groups + group) * conv->kernel_size + tap) * w->rank + i) * conv->out_size + position;
        rest /= w->kernel[i];
        at[i] = (double)base + d->offsets[offset];
        inside = inside && at[i] > -1 && at[i] < (double)conv->in[i];
    }
    return inside;
}

/* Linear interpolation between the 2^rank neighbours. */
static double sample(const struct pln_ref_conv *conv, const double *plane, const double *at)
{
    double sum = 0;
    for (int64_t corner = 0; corner < (int64_t)1 << conv->window.rank; corner++) {
        double weight = 1;
        int64_t offset = 0;
        for (int i = 0; i < conv->window.rank && weight != 0; i++) {
            double low = floor(at[i]), part = at[i] - low;
            bool high = corner >> i & 1;
            int64_t cell = (int64_t)low + high;
            weight = cell < 0 || cell >= conv->in[i] ? 0 : weight * (high ? part : 1 - part);
            offset = offset * conv->in[i] + cell;
        }
        if (weight != 0) sum += weight * plane[offset];
    }
    return sum;
}

/* columns[channels, taps]: what every tap reads for one output position. */
static void read_columns(const struct deform *d, int64_t n, int64_t position, const int64_t *where, double *columns)
{
    const struct pln_ref_conv *conv = &d->conv;
    int64_t share = conv->channels / d->offset_groups;
    for (int64_t group = 0; group < d->offset_groups; group++) {
        for (int64_t tap = 0; tap < conv->kernel_size; tap++) {
            double at[PLN_WINDOW_MAX];
            bool inside = place_tap(d, n, group, tap, position, where, at);
            double scale = d->mask ? d->mask[((n * d->offset_groups + group) * conv->kernel_size + tap) * conv->out_size + position] : 1;
            for (int64_t c = group * share; c < (group + 1) * share; c++) {
                const double *plane = d->x + (n * conv->channels + c) * conv->in_size;
                columns[c * conv->kernel_size + tap] = inside ? scale * sample(conv, plane, at) : 0;
            }
        }
    }
}

enum pln_status pln_ref_deform_conv(struct pln_call *call)
{
    const struct pln_tensor *x, *w, *b = pln_call_in(call, 3);
    struct deform d = { 0 };
    struct pln_ref_conv *conv = &d.conv;
    const double *weights, *bias;
    double *columns;
    int64_t dims[PLN_MAX_RANK], where[PLN_WINDOW_MAX] = { 0 }, size;
    struct pln_tensor y;
    PLN_TRY(pln_call_need(call, 0, &x));
    PLN_TRY(pln_call_need(call, 1, &w));
    PLN_TRY(pln_ref_conv_init(call, x, w, conv));
    d.offset_groups = pln_attrs_int(call->attrs, "offset_group", 1);
    PLN_TRY(check_offsets(call, &d));
    if (b && (b->rank != 1 || b->dims[0] != conv->features)) return pln_call_fail(call, PLN_BAD_MODEL, "bias does not have one element an output channel");
    int rank = pln_ref_conv_dims(conv, dims);
    PLN_TRY(pln_call_out(call, 0, x->dtype, rank, dims, &y));
    if (pln_tensor_count(&y) == 0) return PLN_OK;
    if (!pln_mul_i64(conv->channels, conv->kernel_size, &size)) return pln_call_fail(call, PLN_BAD_MODEL, "shapes are too large");
    PLN_TRY(pln_ref_scratch_reals(call, size, &columns));
    PLN_TRY(pln_ref_reals(call, x, &d.x));
    PLN_TRY(pln_ref_reals(call, w, &weights));
    PLN_TRY(pln_ref_reals_in(call, 2, &d.offsets));
    PLN_TRY(pln_ref_reals_in(call, 3, &bias));
    PLN_TRY(pln_ref_reals_in(call, 4, &d.mask));
    int64_t part = size / conv->group, features = conv->features / conv->group;
    for (int64_t i = 0; i < conv->batch * conv->out_size; i++) {
        int64_t n = i / conv->out_size, position = i % conv->out_size;
        read_columns(&d, n, position, where, columns);
        for (int64_t f = 0; f < conv->features; f++) {
            double sum = bias ? bias[f] : 0;
            for (int64_t k = 0; k < part; k++) sum += weights[f * part + k] * columns[f / features * part + k];
            pln_ref_store(&y, (n * conv->features + f) * conv->out_size + position, 1, &sum);
        }
        pln_index_step(conv->window.rank, where, conv->out);
    }
    return PLN_OK;
}
