/* Sliding windows of convolution and pooling: their attributes, read and checked in one place for shape inference, the reference kernels
 * and the backends.
 *
 * Numbers are those of ONNX: kernel_shape, strides, dilations, pads (all begins, then all ends), auto_pad, ceil_mode. After reading, kernel,
 * stride and dilation lie in [1, 2^31), pads in [0, 2^31), so that products of two of them fit int64. Functions return NULL or the reason,
 * static text. */
#ifndef PLN_KERNEL_WINDOW_H
#define PLN_KERNEL_WINDOW_H

#include "tensor/attrs.h"

#define PLN_WINDOW_MAX (PLN_MAX_RANK - 2)

enum pln_auto_pad { PLN_AUTO_PAD_NOTSET = 0, PLN_AUTO_PAD_SAME_UPPER, PLN_AUTO_PAD_SAME_LOWER, PLN_AUTO_PAD_VALID };

struct pln_window {
    int rank; /* spatial axes, 1..PLN_WINDOW_MAX */
    enum pln_auto_pad auto_pad;
    bool ceil_mode;
    bool has_output_shape;          /* transposed convolution: attribute output_shape */
    int64_t kernel[PLN_WINDOW_MAX]; /* -1: not known (only where the caller gave -1) */
    int64_t stride[PLN_WINDOW_MAX];
    int64_t dilation[PLN_WINDOW_MAX];
    int64_t pad_begin[PLN_WINDOW_MAX], pad_end[PLN_WINDOW_MAX]; /* of SAME: filled by pln_window_output */
    int64_t output_padding[PLN_WINDOW_MAX];                     /* transposed convolution, else 0 */
    int64_t output_shape[PLN_WINDOW_MAX];                       /* when has_output_shape */
};

/* kernel: the weights' spatial dims (-1: not known), which kernel_shape must agree with; NULL: kernel_shape alone tells, and must be there. */
const char *pln_window_read(const struct pln_attrs *attrs, int rank, const int64_t *kernel, struct pln_window *out_window);

/* Spatial output dims of convolution and pooling; resolves the pads of SAME_UPPER and SAME_LOWER (ONNX Conv-22, MaxPool-22: out = ceil(in /
 * stride), the odd cell at the end or at the begin). With ceil_mode a last window that would start in the end padding is left out. A window
 * that is larger than the padded input by at most a stride gives what the formula of ONNX says: no output, or with ceil_mode the one that begins
 * inside. (ONNX Runtime 1.31 rounds -1/2 to 0 there, and has one output without ceil_mode, too.) Beyond, where the formula is negative, it is an error. */
const char *pln_window_output(struct pln_window *window, const int64_t *in, int64_t *out);

/* The same for transposed convolution (ONNX ConvTranspose-22). */
const char *pln_window_transposed(struct pln_window *window, const int64_t *in, int64_t *out);

/* (kernel - 1) * dilation + 1 of one axis. */
static inline int64_t pln_window_span(const struct pln_window *window, int axis)
{
    return (window->kernel[axis] - 1) * window->dilation[axis] + 1;
}

/* Positions p in [*out_first, *out_end) of count ones for which 0 <= p * step + base < extent (step >= 1): where a window meets the data. */
static inline void pln_window_clip(int64_t base, int64_t step, int64_t extent, int64_t count, int64_t *out_first, int64_t *out_end)
{
    int64_t first = base < 0 ? (-base + step - 1) / step : 0;
    int64_t end = extent - 1 - base < 0 ? 0 : (extent - 1 - base) / step + 1;
    if (end > count) end = count;
    *out_first = first < end ? first : end;
    *out_end = end;
}

/* Steps index through dims, last axis fastest; false when it wraps to all zeros. */
static inline bool pln_index_step(int rank, int64_t *index, const int64_t *dims)
{
    for (int d = rank - 1; d >= 0; d--) {
        if (++index[d] < dims[d]) return true;
        index[d] = 0;
    }
    return false;
}

#endif
