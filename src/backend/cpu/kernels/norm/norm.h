/* Softmax, log-softmax and layer normalization in f32, a row a task.
 *
 * Softmax takes any axis: rows whose elements do not lie side by side go through scratch. All strides are taken.
 * Layer normalization takes any first axis; the axes from it on lie side by side in all operands. micro: a pln_vec_isa.
 * tile[0]: its lanes. */
#ifndef PLN_CPU_NORM_H
#define PLN_CPU_NORM_H

#include "kernel/kernel.h"

extern const struct pln_kernel_family pln_cpu_softmax, pln_cpu_layer_norm;

#endif
