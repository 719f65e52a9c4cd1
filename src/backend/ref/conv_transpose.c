#include "backend/ref/epilogue.h"
#include "backend/ref/real.h"
#include "kernel/window.h"

struct transposed {
    struct pln_window window;
    int64_t channels, features, group; /* x: [n, channels, in…], w: [channels, features / group, kernel…] */
    int64_t in[PLN_WINDOW_MAX], out[PLN_WINDOW_MAX];
    int64_t in_size, out_size, kernel_size;
};

static enum pln_status read_shapes(struct pln_call *call, const struct pln_tensor *x, const struct pln_tensor *w, struct transposed *t)
{
    memset(t, 0, sizeof(*t));
    if (x->rank < 3 || x->rank != w->rank) return pln_call_fail(call, PLN_BAD_MODEL, "input of rank %d, weights of rank %d", x->rank, w->rank);
    memcpy(t->in, x->dims + 2, (size_t)(x->rank - 2) * sizeof(int64_t));
    const char *reason = pln_window_read(call->attrs, x->rank - 2, w->dims + 2, &t->window);
    if (!reason) reason = pln_window_transposed(&t->window, t->in, t->out);
    if (reason) return pln_call_fail(call, PLN_BAD_MODEL, "%s", reason);
    t->channels = x->dims[1];
    t->group = pln_attrs_int(call->attrs, "group", 1);
    if (t->group < 1 || t->channels % t->group != 0 || w->dims[0] != t->channels || !pln_mul_i64(w->dims[1], t->group, &t->features)) {
        return pln_call_fail(call, PLN_BAD_MODEL, "%lld groups do not fit %lld input channels and weights for %lld", (long long)t->group,
                             (long long)t->channels, (long long)w->dims[0]);
    }
    if (!pln_shape_count(t->window.rank, t->in, &t->in_size) || !pln_shape_count(t->window.rank, t->out, &t->out_size) ||
        !pln_shape_count(t->window.rank, t->window.kernel, &t->kernel_size)) {
        return pln_call_fail(call, PLN_BAD_MODEL, "shapes are too large");
    }
    return PLN_OK;
}

/* Spreads one input row through one kernel row into one output row. */
static void spread_row(const struct transposed *t, const double *taps, const double *input, double *output)
{
    int last = t->window.rank - 1;
    int64_t stride = t->window.stride[last];
    for (int64_t k = 0; k < t->window.kernel[last]; k++) {
        int64_t base = k * t->window.dilation[last] - t->window.pad_begin[last], first, end;
        pln_window_clip(base, stride, t->out[last], t->in[last], &first, &end);
        for (int64_t i = first; i < end; i++) output[base + i * stride] += taps[k] * input[i];
    }
}

/* Spreads one input channel into one output plane. */
static void spread_channel(const struct transposed *t, const double *weights, const double *channel, double *plane)
{
    const struct pln_window *window = &t->window;
    int last = window->rank - 1;
    int64_t row[PLN_WINDOW_MAX] = { 0 };
    do {
        int64_t tap[PLN_WINDOW_MAX] = { 0 };
        const double *taps = weights;
        do {
            int64_t offset = 0;
            bool inside = true;
            for (int d = 0; d < last; d++) {
                int64_t at = row[d] * window->stride[d] + tap[d] * window->dilation[d] - window->pad_begin[d];
                inside = inside && at >= 0 && at < t->out[d];
                offset = offset * t->out[d] + at;
            }
            if (inside) spread_row(t, taps, channel, plane + offset * t->out[last]);
            taps += window->kernel[last];
        } while (pln_index_step(last, tap, window->kernel));
        channel += t->in[last];
    } while (pln_index_step(last, row, t->in));
}

enum pln_status pln_ref_conv_transpose(struct pln_call *call)
{
    const struct pln_tensor *x, *w, *b;
    struct transposed t;
    struct pln_ref_epilogue epilogue;
    const double *input, *weights, *bias = NULL;
    double *result;
    int64_t count;
    PLN_TRY(pln_call_need(call, 0, &x));
    PLN_TRY(pln_call_need(call, 1, &w));
    PLN_TRY(pln_ref_epilogue_init(call, &epilogue));
    b = epilogue.n_own_inputs > 2 ? pln_call_in(call, 2) : NULL;
    PLN_TRY(read_shapes(call, x, w, &t));
    if (b && (b->rank != 1 || b->dims[0] != t.features)) return pln_call_fail(call, PLN_BAD_MODEL, "bias does not have one element an output channel");
    int64_t dims[PLN_MAX_RANK] = { x->dims[0], t.features };
    memcpy(dims + 2, t.out, (size_t)t.window.rank * sizeof(int64_t));
    if (!pln_shape_count(x->rank, dims, &count)) return pln_call_fail(call, PLN_BAD_MODEL, "output is too large");
    PLN_TRY(pln_ref_scratch_reals(call, count, &result));
    PLN_TRY(pln_ref_reals(call, x, &input));
    PLN_TRY(pln_ref_reals(call, w, &weights));
    if (b) PLN_TRY(pln_ref_reals(call, b, &bias));
    int64_t features = t.features / t.group, channels = t.channels / t.group;
    for (int64_t i = 0; count > 0 && i < x->dims[0] * t.features; i++) {
        double *plane = result + i * t.out_size;
        int64_t feature = i % t.features, n = i / t.features, first = feature / features * channels;
        for (int64_t at = 0; at < t.out_size; at++) plane[at] = bias ? bias[feature] : 0;
        for (int64_t c = first; c < first + channels && t.in_size > 0; c++) {
            spread_channel(&t, weights + (c * features + feature % features) * t.kernel_size, input + (n * t.channels + c) * t.in_size, plane);
        }
    }
    return pln_ref_epilogue_finish(call, &epilogue, x->dtype, x->rank, dims, result);
}
