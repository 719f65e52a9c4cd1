/* Reads of f32 images [n,c,h,w] at computed places. */
#ifndef PLN_CPU_SAMPLE_H
#define PLN_CPU_SAMPLE_H

#include "kernel/kernel.h"

/* GRID_SAMPLE of images of two axes: linear, nearest and cubic, every padding. Places are computed as the reference kernel does, in f32 up to the
 * pixel and in f64 from there, so that the same pixels are seen; weights and sums are f32. A task is a block of places of one image: what they
 * read is found once for all channels. */
extern const struct pln_kernel_family pln_cpu_grid_sample;
/* ROI_ALIGN, average and maximum. A task is a block of channels of one region. An image number outside of the batch and a region too large are
 * faults. */
extern const struct pln_kernel_family pln_cpu_roi_align;

#endif
