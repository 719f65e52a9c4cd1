/* Softmax, log-softmax and normalizations in f32. The first three: a row a task.
 *
 * Softmax takes any axis: rows whose elements do not lie side by side go through scratch. All strides are taken.
 * Layer normalization takes any first axis; the axes from it on lie side by side in all operands. micro: a pln_vec_isa.
 * tile[0]: its lanes.
 *
 * Instance normalization, of single channels or of groups of them: images of up to three axes, channels last or first, all strides; an epilogue.
 * micro: a pln_channels_isa. Each result is (x - mean) * factor + offset, its operands rounded to f32 as their exact values are, but for a relative
 * error of some 1e-6 of the variance. */
#ifndef PLN_CPU_NORM_H
#define PLN_CPU_NORM_H

#include "kernel/kernel.h"

extern const struct pln_kernel_family pln_cpu_softmax, pln_cpu_layer_norm, pln_cpu_instance_norm;

#endif
