/* ROI_ALIGN. Sources: the operator's text; op_roi_align.py of ONNX's reference implementation (after Detectron). A
 * thread makes one element. A region of no image is fault 1, one that is too large fault 2.
 *
 * Defines: PLN_T (element type), PLN_ACC (float or double), PLN_MAX (0 or 1), PLN_THREADS. */
#include "backend/cuda/device/sample_params.h"
#include "backend/cuda/device/walk.cuh"

#define SAMPLES_MOST 16384.0 /* along one side of a bin, about one a pixel */

PLN_INLINE PLN_ACC larger(PLN_ACC a, PLN_ACC b)
{
    return fmax(a, b);
}

/* Bilinear neighbours of a coordinate along one axis; false: outside. */
PLN_INLINE bool neighbours(PLN_ACC at, int64_t extent, int64_t *low, int64_t *high, PLN_ACC *rest)
{
    if (!(at >= -1 && at <= (PLN_ACC)extent)) return false;
    at = larger(at, 0);
    *low = (int64_t)at;
    *high = *low + 1;
    if (*low >= extent - 1) {
        *low = *high = extent - 1;
        at = (PLN_ACC)*low;
    }
    *rest = at - (PLN_ACC)*low;
    return true;
}

/* First edge of a region along one axis, the size of its bins, samples a bin; false: there are too many. */
PLN_INLINE bool read_side(const struct pln_cuda_roi_params *p, const PLN_T *roi, int axis, int64_t bins, PLN_ACC *start,
                          PLN_ACC *bin, int64_t *samples)
{
    const PLN_ACC offset = p->half_pixel ? (PLN_ACC)0.5 : (PLN_ACC)0, scale = (PLN_ACC)p->scale;
    const PLN_ACC from = (PLN_ACC)pln_value(roi[axis * p->roi_strides[1]]) * scale - offset;
    const PLN_ACC to = (PLN_ACC)pln_value(roi[(axis + 2) * p->roi_strides[1]]) * scale - offset;
    PLN_ACC size = to - from;
    if (!p->half_pixel) size = larger(size, 1);
    *start = from;
    *bin = size / (PLN_ACC)bins;
    const double wanted = p->sampling > 0 ? (double)p->sampling : (double)ceil(*bin);
    *samples = 0;
    if (!(wanted <= SAMPLES_MOST)) return false;
    *samples = wanted > 0 ? (int64_t)wanted : 0;
    return true;
}

PLN_INLINE PLN_ACC align_bin(const struct pln_cuda_roi_params *p, const int64_t *at)
{
    const PLN_T *roi = (const PLN_T *)p->rois + at[0] * p->roi_strides[0];
    const int64_t image = pln_int_at(&p->batches, at[0]), height = p->extents[2], width = p->extents[3];
    PLN_ACC start_y, start_x, bin_h, bin_w, total = 0;
    int64_t samples_h, samples_w, inside = 0;
    if (image < 0 || image >= p->extents[0]) {
        pln_fault(&p->head, 1);
        return 0;
    }
    const bool good_h = read_side(p, roi, 1, p->dims[2], &start_y, &bin_h, &samples_h),
               good_w = read_side(p, roi, 0, p->dims[3], &start_x, &bin_w, &samples_w);
    if (!good_h || !good_w) {
        pln_fault(&p->head, 2);
        return 0;
    }
    const PLN_T *x = (const PLN_T *)p->x + image * p->x_strides[0] + at[1] * p->x_strides[1];
    for (int64_t i = 0; i < samples_h; i++) {
        const PLN_ACC y = start_y + (PLN_ACC)at[2] * bin_h + ((PLN_ACC)i + (PLN_ACC)0.5) * bin_h / (PLN_ACC)samples_h;
        PLN_ACC ly, lx;
        int64_t y0, y1, x0, x1;
        if (!neighbours(y, height, &y0, &y1, &ly)) continue;
        const PLN_T *upper = x + y0 * p->x_strides[2], *lower = x + y1 * p->x_strides[2];
        for (int64_t j = 0; j < samples_w; j++) {
            const PLN_ACC column =
                start_x + (PLN_ACC)at[3] * bin_w + ((PLN_ACC)j + (PLN_ACC)0.5) * bin_w / (PLN_ACC)samples_w;
            if (!neighbours(column, width, &x0, &x1, &lx)) continue;
            const PLN_ACC a = (1 - ly) * (1 - lx) * (PLN_ACC)pln_value(upper[x0 * p->x_strides[3]]),
                          b = (1 - ly) * lx * (PLN_ACC)pln_value(upper[x1 * p->x_strides[3]]);
            const PLN_ACC c = ly * (1 - lx) * (PLN_ACC)pln_value(lower[x0 * p->x_strides[3]]),
                          d = ly * lx * (PLN_ACC)pln_value(lower[x1 * p->x_strides[3]]);
            const PLN_ACC most = larger(larger(a, b), larger(c, d));
            if (!PLN_MAX)
                total += a + b + c + d;
            else if (inside == 0 || most > total)
                total = most;
            inside++;
        }
    }
    const int64_t samples = samples_h * samples_w;
    if (!PLN_MAX) return total / (PLN_ACC)(samples > 1 ? samples : 1);
    return inside < samples ? larger(total, 0) : total; /* samples outside of the image are zeros */
}

extern "C" __global__ void __launch_bounds__(PLN_THREADS) pln_entry(const struct pln_cuda_roi_params *p)
{
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) {
        int64_t i = task * PLN_THREADS + threadIdx.x, at[4], put = 0;
        if (i >= p->n_elements) continue;
        for (int d = 3; d >= 0; d--) {
            at[d] = pln_take_index(&i, p->dims[d]);
            put += at[d] * p->y_strides[d];
        }
        pln_store((PLN_T *)p->y + put, align_bin(p, at));
    }
}
