/* The convolution that conv, qlinear_conv and conv_integer share: any number of spatial axes, in doubles. */
#ifndef PLN_BACKEND_REF_CONV_H
#define PLN_BACKEND_REF_CONV_H

#include "kernel/call.h"
#include "kernel/window.h"

struct pln_ref_conv {
    struct pln_window window;
    int64_t batch, channels, features, group; /* of x: f32[batch, channels, in…], w: f32[features, channels / group, kernel…] */
    int64_t in[PLN_WINDOW_MAX], out[PLN_WINDOW_MAX];
    int64_t in_size, out_size, kernel_size; /* products of in, out and kernel */
};

/* Checks shapes and attributes of a convolution of x with w. Errors: PLN_BAD_MODEL. */
enum pln_status pln_ref_conv_init(struct pln_call *call, const struct pln_tensor *x, const struct pln_tensor *w, struct pln_ref_conv *out_conv);
/* Dims of the result, and its rank. */
int pln_ref_conv_dims(const struct pln_ref_conv *conv, int64_t *out_dims);
/* plane[out…] = the sum over all weights of one output feature, for image n. */
void pln_ref_conv_plane(const struct pln_ref_conv *conv, const double *x, const double *w, int64_t n, int64_t feature, double *plane);

#endif
