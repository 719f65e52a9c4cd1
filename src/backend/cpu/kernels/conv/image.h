/* Geometry of convolution and pooling on images: f32, one to three spatial axes, held as three (depth and height 1
 * where they are missing). */
#ifndef PLN_CPU_CONV_IMAGE_H
#define PLN_CPU_CONV_IMAGE_H

#include "kernel/kernel.h"
#include "kernel/window.h"

enum { PLN_IMAGE_AXES = 3 };

/* A tensor [n, c, …spatial] with any strides. */
struct pln_image {
    char *data;
    int64_t n, c, dims[PLN_IMAGE_AXES];
    int64_t n_stride, c_stride, strides[PLN_IMAGE_AXES];
    int64_t pixels; /* product of dims */
    bool uniform;   /* pixel p lies at p * pixel_stride */
    int64_t pixel_stride;
};

struct pln_image_window {
    int64_t kernel[PLN_IMAGE_AXES], stride[PLN_IMAGE_AXES], dilation[PLN_IMAGE_AXES], pad[PLN_IMAGE_AXES];
    int64_t pad_end[PLN_IMAGE_AXES];
    int64_t taps;   /* product of kernel */
    bool pointwise; /* one tap, stride 1, no padding: output pixel p is input pixel p */
};

/* tensor: rank 3 to 5. */
void pln_image_of(const struct pln_tensor *tensor, struct pln_image *out_image);
/* Spatial strides, as those of an image or of an operand that broadcasts over it, as one stride a pixel. */
bool pln_image_uniform(const int64_t *dims, const int64_t *strides, int64_t *out_pixel_stride);
/* Moves the last n of these entries behind leading ones: [h, w] to [1, h, w]. */
void pln_image_spatial(const int64_t *from, int n, int64_t fill, int64_t *out_to);
/* NULL, or why the attributes and the shapes do not fit. kernel: spatial dims of the weights, or NULL. */
const char *pln_image_window(const struct pln_attrs *attrs, int rank, const int64_t *kernel, const struct pln_image *x,
                             const struct pln_image *y, struct pln_image_window *out_window);

/* Output pixel number p as coordinates. */
static inline void pln_image_coordinates(const struct pln_image *image, int64_t p, int64_t *out_at)
{
    out_at[2] = p % image->dims[2];
    p /= image->dims[2];
    out_at[1] = p % image->dims[1];
    out_at[0] = p / image->dims[1];
}

#endif
