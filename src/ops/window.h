/* Symbolic extents of sliding windows, for the infer functions of convolution and pooling. */
#ifndef PLN_OPS_WINDOW_H
#define PLN_OPS_WINDOW_H

#include "kernel/window.h"
#include "ops/op.h"

/* The attribute rows that every op with a window takes. */
#define PLN_WINDOW_ATTRS                                                                                                    \
    { .name = "auto_pad", .kind = PLN_ATTR_STRING, .s = "NOTSET" }, { .name = "dilations", .kind = PLN_ATTR_INTS },         \
        { .name = "kernel_shape", .kind = PLN_ATTR_INTS }, { .name = "pads", .kind = PLN_ATTR_INTS },                       \
    { .name = "strides", .kind = PLN_ATTR_INTS }

/* pln_window_read with the kernel of weights whose spatial dims are `kernel` (NULL: kernel_shape alone). */
enum pln_status pln_infer_window(struct pln_infer *infer, int rank, const struct pln_dim *kernel, struct pln_window *out_window);
/* Output extents for input extents; kernel as above. Numbers that cannot be are PLN_BAD_MODEL. */
enum pln_status pln_infer_window_output(struct pln_infer *infer, const struct pln_window *window, const struct pln_dim *in,
                                        const struct pln_dim *kernel, struct pln_dim *out);
enum pln_status pln_infer_window_transposed(struct pln_infer *infer, const struct pln_window *window, const struct pln_dim *in,
                                            const struct pln_dim *kernel, struct pln_dim *out);

/* Output 0 as the convolution (attributes of Conv) of input 0 with the weights in input w_input, of element type dtype. */
enum pln_status pln_infer_conv(struct pln_infer *infer, int w_input, enum pln_dtype dtype);
/* The operations of that convolution. */
double pln_conv_flops(const struct pln_graph *graph, uint32_t node, int w_input);

/* Extent d of a value as a number for cost estimates; 128 when it is not known. */
double pln_extent_estimate(const struct pln_graph *graph, uint32_t value, int d);
/* Product of all extents. */
double pln_count_estimate(const struct pln_graph *graph, uint32_t value);

#endif
