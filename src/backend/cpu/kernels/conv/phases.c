#include "backend/cpu/kernels/conv/phases.h"

bool pln_phases_plan(const struct pln_image_window *window, const struct pln_image *x, const struct pln_image *y,
                     float fill, const struct pln_taps_isa *isa, struct pln_phases *out_phases)
{
    struct pln_phases *p = out_phases;
    int64_t span = (window->kernel[2] - 1) * window->dilation[2];
    p->isa = isa;
    p->fill = fill;
    p->phases = PLN_MIN(window->stride[2], span + 1);
    p->run = y->dims[2] + span / window->stride[2] + 1;
    return pln_mul_i64(p->run, p->phases, &p->floats) && pln_mul_i64(p->floats, x->dims[0], &p->floats) &&
           pln_mul_i64(p->floats, x->dims[1], &p->floats) && p->floats < INT64_MAX / 16;
}

static void fill_run(float *to, int64_t first, int64_t end, float value)
{
    for (int64_t i = first; i < end; i++) to[i] = value;
}

static void split_row(const struct pln_phases *p, const struct pln_image_window *window, const struct pln_image *image,
                      const float *row, float *to)
{
    int64_t stride = window->stride[2], step = image->strides[2];
    for (int64_t phase = 0; phase < p->phases; phase++, to += p->run) {
        int64_t base = phase - window->pad[2], first, end;
        pln_window_clip(base, stride, image->dims[2], p->run, &first, &end);
        fill_run(to, 0, first, p->fill);
        if (stride == 1 && step == 1 && end > first)
            memcpy(to + first, row + base + first, (size_t)(end - first) * sizeof(float));
        else if (end > first)
            p->isa->pick(row + (base + first * stride) * step, stride * step, end - first, to + first);
        fill_run(to, end, p->run, p->fill);
    }
}

void pln_phases_fill(const struct pln_phases *phases, const struct pln_image_window *window,
                     const struct pln_image *image, const float *x, float *plane)
{
    for (int64_t z = 0; z < image->dims[0]; z++)
        for (int64_t y = 0; y < image->dims[1]; y++, plane += phases->phases * phases->run)
            split_row(phases, window, image, x + z * image->strides[0] + y * image->strides[1], plane);
}

int pln_phases_taps(const struct pln_phases *phases, const struct pln_image_window *window,
                    const struct pln_image *image, const float *plane, const int64_t *at, const float **out_x,
                    int *out_numbers)
{
    int64_t t[PLN_IMAGE_AXES] = { 0 };
    int n = 0, number = 0;
    do {
        int64_t z = at[0] * window->stride[0] - window->pad[0] + t[0] * window->dilation[0];
        int64_t y = at[1] * window->stride[1] - window->pad[1] + t[1] * window->dilation[1];
        int64_t column = t[2] * window->dilation[2];
        int own = number++;
        if (z < 0 || z >= image->dims[0] || y < 0 || y >= image->dims[1]) continue;
        out_x[n] = plane + ((z * image->dims[1] + y) * phases->phases + column % window->stride[2]) * phases->run +
                   column / window->stride[2];
        out_numbers[n++] = own;
    } while (pln_index_step(PLN_IMAGE_AXES, t, window->kernel));
    return n;
}

int pln_image_taps(const struct pln_image_window *window, const struct pln_image *image, const float *x,
                   const int64_t *at, const float **out_x, int *out_numbers)
{
    const struct pln_image_window *w = window;
    int64_t base[PLN_IMAGE_AXES], first[PLN_IMAGE_AXES], end[PLN_IMAGE_AXES];
    int n = 0;
    for (int d = 0; d < PLN_IMAGE_AXES; d++) {
        base[d] = at[d] * w->stride[d] - w->pad[d];
        /* Counted: windows are small, and a division takes as long as a dozen taps. */
        first[d] = 0;
        while (first[d] < w->kernel[d] && base[d] + first[d] * w->dilation[d] < 0) first[d]++;
        end[d] = first[d];
        while (end[d] < w->kernel[d] && base[d] + end[d] * w->dilation[d] < image->dims[d]) end[d]++;
    }
    for (int64_t z = first[0]; z < end[0]; z++)
        for (int64_t y = first[1]; y < end[1]; y++) {
            const float *row = x + (base[0] + z * w->dilation[0]) * image->strides[0] + (base[1] + y * w->dilation[1]) * image->strides[1];
            const int64_t number = (z * w->kernel[1] + y) * w->kernel[2];
            for (int64_t k = first[2]; k < end[2]; k++) {
                out_x[n] = row + (base[2] + k * w->dilation[2]) * image->strides[2];
                out_numbers[n++] = (int)(number + k);
            }
        }
    return n;
}
