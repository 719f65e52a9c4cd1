#include "kernel/window.h"

#define LARGEST INT32_MAX

/* One list attribute of rank entries in [smallest, LARGEST]; absent: all fallback. */
static const char *read_list(const struct pln_attrs *attrs, const char *name, int64_t n, int64_t smallest, int64_t fallback,
                             const char *reason, int64_t *out)
{
    const int64_t *ints = NULL;
    int64_t count = pln_attrs_ints(attrs, name, &ints);
    for (int64_t i = 0; i < n; i++) out[i] = fallback;
    if (count == 0) return NULL;
    if (count != n) return reason;
    for (int64_t i = 0; i < n; i++) {
        if (ints[i] < smallest || ints[i] > LARGEST) return reason;
        out[i] = ints[i];
    }
    return NULL;
}

static const char *read_auto_pad(const struct pln_attrs *attrs, enum pln_auto_pad *out)
{
    static const struct {
        const char *text;
        enum pln_auto_pad value;
    } forms[] = { { "NOTSET", PLN_AUTO_PAD_NOTSET },
                  { "", PLN_AUTO_PAD_NOTSET },
                  { "SAME_UPPER", PLN_AUTO_PAD_SAME_UPPER },
                  { "SAME_LOWER", PLN_AUTO_PAD_SAME_LOWER },
                  { "VALID", PLN_AUTO_PAD_VALID } };
    const char *text = pln_attrs_string(attrs, "auto_pad", "NOTSET");
    *out = PLN_AUTO_PAD_NOTSET;
    for (size_t i = 0; i < PLN_COUNT_OF(forms); i++) {
        if (!pln_str_equal(text, forms[i].text)) continue;
        *out = forms[i].value;
        return NULL;
    }
    return "auto_pad is none of NOTSET, SAME_UPPER, SAME_LOWER, VALID";
}

static const char *read_kernel(const struct pln_attrs *attrs, const int64_t *kernel, struct pln_window *window)
{
    const int64_t *shape = NULL;
    int64_t n = pln_attrs_ints(attrs, "kernel_shape", &shape);
    if (!shape && !kernel) return "kernel_shape is missing";
    if (shape && n != window->rank) return "kernel_shape does not have one entry a spatial axis";
    for (int d = 0; d < window->rank; d++) {
        int64_t size = kernel ? kernel[d] : shape[d];
        if (kernel && shape && size >= 0 && size != shape[d]) return "kernel_shape does not agree with the weights";
        if (size < 0 && shape) size = shape[d];
        if (size == 0 || size > LARGEST || (size < 0 && !kernel)) return "kernel size below 1 or too large";
        window->kernel[d] = size < 0 ? -1 : size;
    }
    return NULL;
}

const char *pln_window_read(const struct pln_attrs *attrs, int rank, const int64_t *kernel, struct pln_window *out_window)
{
    memset(out_window, 0, sizeof(*out_window));
    if (rank < 1 || rank > PLN_WINDOW_MAX) return "input has no spatial axis, or too many";
    out_window->rank = rank;
    int64_t pads[2 * PLN_WINDOW_MAX];
    const char *reason = read_auto_pad(attrs, &out_window->auto_pad);
    if (!reason) reason = read_kernel(attrs, kernel, out_window);
    if (!reason) reason = read_list(attrs, "strides", rank, 1, 1, "strides: not one positive number a spatial axis", out_window->stride);
    if (!reason) reason = read_list(attrs, "dilations", rank, 1, 1, "dilations: not one positive number a spatial axis", out_window->dilation);
    if (!reason) reason = read_list(attrs, "pads", 2 * (int64_t)rank, 0, 0, "pads: not two numbers >= 0 a spatial axis", pads);
    if (!reason) reason = read_list(attrs, "output_padding", rank, 0, 0, "output_padding: not one number >= 0 a spatial axis", out_window->output_padding);
    if (!reason) reason = read_list(attrs, "output_shape", rank, 0, 0, "output_shape: not one number >= 0 a spatial axis", out_window->output_shape);
    if (reason) return reason;
    bool explicit_pads = out_window->auto_pad == PLN_AUTO_PAD_NOTSET;
    for (int d = 0; d < rank; d++) {
        out_window->pad_begin[d] = explicit_pads ? pads[d] : 0;
        out_window->pad_end[d] = explicit_pads ? pads[rank + d] : 0;
    }
    out_window->ceil_mode = pln_attrs_int(attrs, "ceil_mode", 0) != 0;
    out_window->has_output_shape = pln_attrs_has(attrs, "output_shape");
    return NULL;
}

static bool is_same(const struct pln_window *window)
{
    return window->auto_pad == PLN_AUTO_PAD_SAME_UPPER || window->auto_pad == PLN_AUTO_PAD_SAME_LOWER;
}

const char *pln_window_output(struct pln_window *window, const int64_t *in, int64_t *out)
{
    for (int d = 0; d < window->rank; d++) {
        int64_t stride = window->stride[d], span = pln_window_span(window, d);
        if (in[d] < 0 || in[d] > INT64_MAX / 4) return "input is too large";
        if (is_same(window)) {
            out[d] = in[d] / stride + (in[d] % stride != 0);
            int64_t total = out[d] == 0 ? 0 : PLN_MAX((out[d] - 1) * stride + span - in[d], 0);
            int64_t half = total / 2;
            bool upper = window->auto_pad == PLN_AUTO_PAD_SAME_UPPER;
            window->pad_begin[d] = upper ? half : total - half;
            window->pad_end[d] = upper ? total - half : half;
            continue;
        }
        int64_t room = in[d] + window->pad_begin[d] + window->pad_end[d] - span;
        int64_t steps = room / stride; /* towards 0 */
        if (window->ceil_mode) {
            steps += room > 0 && room % stride != 0;
            out[d] = steps + (steps * stride < in[d] + window->pad_begin[d]);
        } else {
            steps -= room < 0 && room % stride != 0;
            out[d] = steps + 1;
        }
        if (out[d] < 0) return "kernel is larger than the padded input";
    }
    return NULL;
}

const char *pln_window_transposed(struct pln_window *window, const int64_t *in, int64_t *out)
{
    for (int d = 0; d < window->rank; d++) {
        int64_t full;
        if (!pln_mul_i64(window->stride[d], in[d] - 1, &full) || !pln_add_i64(full, pln_window_span(window, d), &full) ||
            !pln_add_i64(full, window->output_padding[d], &full)) {
            return "output is too large";
        }
        if (window->has_output_shape || is_same(window)) {
            int64_t same;
            if (!pln_mul_i64(in[d], window->stride[d], &same)) return "output is too large";
            out[d] = window->has_output_shape ? window->output_shape[d] : same;
            int64_t total = PLN_MAX(full - out[d], 0), half = total / 2;
            bool upper = window->auto_pad == PLN_AUTO_PAD_SAME_UPPER;
            window->pad_begin[d] = upper ? half : total - half;
            window->pad_end[d] = upper ? total - half : half;
            continue;
        }
        out[d] = full - window->pad_begin[d] - window->pad_end[d];
        if (out[d] < 0) return "pads are larger than the output";
    }
    return NULL;
}
