/* Resize: its modes, and the rules of coordinates and weights along one axis, in one place for the reference kernel and the backends. Source of all of them: the ONNX
 * operator's text and its reference implementation (onnx/reference/ops/op_resize.py, 1.23). Device code has its own form of the rules and the numbers of the modes. */
#ifndef PLN_KERNEL_RESIZE_H
#define PLN_KERNEL_RESIZE_H

#include "tensor/attrs.h"

enum { PLN_RESIZE_NEAREST, PLN_RESIZE_LINEAR, PLN_RESIZE_CUBIC };
enum { PLN_RESIZE_HALF_PIXEL, PLN_RESIZE_SYMMETRIC, PLN_RESIZE_PYTORCH, PLN_RESIZE_ALIGN_CORNERS, PLN_RESIZE_ASYMMETRIC, PLN_RESIZE_CROP, PLN_RESIZE_TF_NN }; /* the last one: opset 11 alone */
enum { PLN_RESIZE_PREFER_FLOOR, PLN_RESIZE_PREFER_CEIL, PLN_RESIZE_FLOOR, PLN_RESIZE_CEIL };
enum { PLN_RESIZE_STRETCH, PLN_RESIZE_NOT_LARGER, PLN_RESIZE_NOT_SMALLER };

struct pln_resize_modes {
    int filter, coords, rounding, policy; /* -1: the attribute names none */
};
struct pln_resize_modes pln_resize_modes(const struct pln_attrs *attrs);

struct pln_resize_axis {
    int64_t in, out; /* extents */
    double scale;
    double start, end; /* of the region; for PLN_RESIZE_CROP alone */
};
/* The coordinate of the input for output index i, held to a few elements around the input, whose border is read all the same; *out_outside (may be NULL): it was
 * outside of the input. */
double pln_resize_source(const struct pln_resize_modes *modes, const struct pln_resize_axis *axis, int64_t i, bool *out_outside);
/* The element that `nearest` takes. */
int64_t pln_resize_nearest(const struct pln_resize_modes *modes, double source, int64_t extent);
/* Weight of an element at that distance; linear and cubic. */
double pln_resize_weight(const struct pln_resize_modes *modes, double cubic_a, double distance);
/* Weights of n elements from `first` on: those outside of the extent become 0, and the sum of the others 1. */
void pln_resize_exclude_outside(int64_t extent, int64_t first, int64_t n, double *weight);

#endif
