#include "backend/ref/conv.h"

enum pln_status pln_ref_conv_init(struct pln_call *call, const struct pln_tensor *x, const struct pln_tensor *w, struct pln_ref_conv *out_conv)
{
    struct pln_ref_conv *conv = out_conv;
    memset(conv, 0, sizeof(*conv));
    if (x->rank < 3 || x->rank != w->rank) return pln_call_fail(call, PLN_BAD_MODEL, "input of rank %d, weights of rank %d", x->rank, w->rank);
    const char *reason = pln_window_read(call->attrs, x->rank - 2, w->dims + 2, &conv->window);
    if (!reason) reason = pln_window_output(&conv->window, x->dims + 2, conv->out);
    if (reason) return pln_call_fail(call, PLN_BAD_MODEL, "%s", reason);
    conv->batch = x->dims[0];
    conv->channels = x->dims[1];
    conv->features = w->dims[0];
    conv->group = pln_attrs_int(call->attrs, "group", 1);
    int64_t channels;
    if (conv->group < 1 || conv->features % conv->group != 0 || !pln_mul_i64(w->dims[1], conv->group, &channels) || channels != conv->channels) {
        return pln_call_fail(call, PLN_BAD_MODEL, "%lld groups do not fit %lld input channels and weights of %lld by %lld", (long long)conv->group,
                             (long long)conv->channels, (long long)w->dims[0], (long long)w->dims[1]);
    }
    memcpy(conv->in, x->dims + 2, (size_t)conv->window.rank * sizeof(int64_t));
    if (!pln_shape_count(conv->window.rank, conv->in, &conv->in_size) || !pln_shape_count(conv->window.rank, conv->out, &conv->out_size) ||
        !pln_shape_count(conv->window.rank, conv->window.kernel, &conv->kernel_size)) {
        return pln_call_fail(call, PLN_BAD_MODEL, "shapes are too large");
    }
    return PLN_OK;
}

int pln_ref_conv_dims(const struct pln_ref_conv *conv, int64_t *out_dims)
{
    out_dims[0] = conv->batch;
    out_dims[1] = conv->features;
    memcpy(out_dims + 2, conv->out, (size_t)conv->window.rank * sizeof(int64_t));
    return conv->window.rank + 2;
}

/* Row of the input that kernel position tap meets from output position row (all axes but the last); -1: outside, in the padding. */
static int64_t input_row(const struct pln_ref_conv *conv, const int64_t *row, const int64_t *tap)
{
    const struct pln_window *window = &conv->window;
    int64_t offset = 0;
    for (int d = 0; d + 1 < window->rank; d++) {
        int64_t at = row[d] * window->stride[d] + tap[d] * window->dilation[d] - window->pad_begin[d];
        if (at < 0 || at >= conv->in[d]) return -1;
        offset = offset * conv->in[d] + at;
    }
    return offset;
}

/* Adds kernel row `taps` times input row to one output row. */
static void add_row(const struct pln_ref_conv *conv, const double *taps, const double *input, double *output)
{
    const struct pln_window *window = &conv->window;
    int last = window->rank - 1;
    int64_t stride = window->stride[last];
    for (int64_t k = 0; k < window->kernel[last]; k++) {
        int64_t base = k * window->dilation[last] - window->pad_begin[last], first, end;
        pln_window_clip(base, stride, conv->in[last], conv->out[last], &first, &end);
        double tap = taps[k];
        if (stride == 1) {
            for (int64_t i = first; i < end; i++) output[i] += tap * input[base + i];
        } else {
            for (int64_t i = first; i < end; i++) output[i] += tap * input[base + i * stride];
        }
    }
}

/* Adds what one input channel gives to one output row. */
static void add_channel(const struct pln_ref_conv *conv, const int64_t *row, const double *weights, const double *channel, double *output)
{
    const struct pln_window *window = &conv->window;
    int last = window->rank - 1;
    int64_t tap[PLN_WINDOW_MAX] = { 0 };
    do {
        int64_t at = input_row(conv, row, tap);
        if (at >= 0) add_row(conv, weights, channel + at * conv->in[last], output);
        weights += window->kernel[last];
    } while (pln_index_step(last, tap, window->kernel));
}

void pln_ref_conv_plane(const struct pln_ref_conv *conv, const double *x, const double *w, int64_t n, int64_t feature, double *plane)
{
    int last = conv->window.rank - 1;
    int64_t channels = conv->channels / conv->group, first = feature / (conv->features / conv->group) * channels;
    int64_t row[PLN_WINDOW_MAX] = { 0 };
    const double *weights = w + feature * channels * conv->kernel_size;
    const double *image = x + (n * conv->channels + first) * conv->in_size;
    memset(plane, 0, (size_t)conv->out_size * sizeof(double));
    if (conv->in_size == 0 || conv->out_size == 0) return;
    do {
        for (int64_t c = 0; c < channels; c++) {
            add_channel(conv, row, weights + c * conv->kernel_size, image + c * conv->in_size, plane);
        }
        plane += conv->out[last];
    } while (pln_index_step(last, row, conv->out));
}
