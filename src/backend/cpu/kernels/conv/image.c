#include "backend/cpu/kernels/conv/image.h"

enum { AXES = PLN_IMAGE_AXES };

void pln_image_spatial(const int64_t *from, int n, int64_t fill, int64_t *out_to)
{
    for (int i = 0; i < AXES; i++) out_to[i] = i < AXES - n ? fill : from[i - (AXES - n)];
}

bool pln_image_uniform(const int64_t *dims, const int64_t *strides, int64_t *out_pixel_stride)
{
    int64_t pixel = 0, pixels = 1;
    bool found = false;
    for (int i = AXES - 1; i >= 0; i--) {
        if (dims[i] == 1) continue;
        if (!found) pixel = strides[i];
        if (found && strides[i] != pixel * pixels) return false;
        found = true;
        pixels *= dims[i];
    }
    *out_pixel_stride = found ? pixel : 1;
    return true;
}

void pln_image_of(const struct pln_tensor *tensor, struct pln_image *out_image)
{
    struct pln_image *image = out_image;
    int spatial = tensor->rank - 2;
    memset(image, 0, sizeof *image);
    image->data = tensor->data;
    image->n = tensor->dims[0];
    image->c = tensor->dims[1];
    image->n_stride = tensor->strides[0];
    image->c_stride = image->c == 1 ? 1 : tensor->strides[1];
    pln_image_spatial(tensor->dims + 2, spatial, 1, image->dims);
    pln_image_spatial(tensor->strides + 2, spatial, 0, image->strides);
    image->pixels = image->dims[0] * image->dims[1] * image->dims[2];
    image->uniform = pln_image_uniform(image->dims, image->strides, &image->pixel_stride);
}

const char *pln_image_window(const struct pln_attrs *attrs, int rank, const int64_t *kernel, const struct pln_image *x,
                             const struct pln_image *y, struct pln_image_window *out_window)
{
    struct pln_window window;
    int64_t out[PLN_WINDOW_MAX], out_dims[AXES];
    int spatial = rank - 2;
    const char *why = pln_window_read(attrs, spatial, kernel, &window);
    if (why == NULL) why = pln_window_output(&window, x->dims + AXES - spatial, out);
    if (why != NULL) return why;
    pln_image_spatial(out, spatial, 1, out_dims);
    if (memcmp(out_dims, y->dims, sizeof out_dims) != 0) return "the output has other dims than the window gives";
    struct pln_image_window *w = out_window;
    pln_image_spatial(window.kernel, spatial, 1, w->kernel);
    pln_image_spatial(window.stride, spatial, 1, w->stride);
    pln_image_spatial(window.dilation, spatial, 1, w->dilation);
    pln_image_spatial(window.pad_begin, spatial, 0, w->pad);
    pln_image_spatial(window.pad_end, spatial, 0, w->pad_end);
    w->taps = 1;
    w->pointwise = true;
    for (int i = 0; i < AXES; i++) {
        if (!pln_mul_i64(w->taps, w->kernel[i], &w->taps)) return "the window is too large";
        w->pointwise = w->pointwise && w->kernel[i] == 1 && w->stride[i] == 1 && w->pad[i] == 0 && w->pad_end[i] == 0;
    }
    return NULL;
}
