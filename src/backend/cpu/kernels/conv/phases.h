/* Where the taps of a window lie: in an image, or in a channel's plane made ready for vectors along its rows.
 *
 * A ready plane keeps each row of the channel as `phases` runs, one for each remainder of the padded column by the
 * stride: what one tap sees in the output pixels of a row then lies side by side, padding included, whatever the
 * stride. */
#ifndef PLN_CPU_CONV_PHASES_H
#define PLN_CPU_CONV_PHASES_H

#include "backend/cpu/kernels/conv/image.h"
#include "backend/cpu/kernels/conv/taps.h"

/* Taps of a window; larger ones go to other kernels. */
#define PLN_TAPS_MAX 256

/* Pixels of a row that a window spans, at most: a ready plane has so many beside each row of the image. */
#define PLN_PHASES_SPAN 65536

struct pln_phases {
    const struct pln_taps_isa *isa;
    int64_t phases, run; /* floats of a run */
    int64_t floats;      /* of the plane */
    float fill;          /* of the padding */
};

/* false: too large. */
bool pln_phases_plan(const struct pln_image_window *window, const struct pln_image *x, const struct pln_image *y,
                     float fill, const struct pln_taps_isa *isa, struct pln_phases *out_phases);
/* x: the channel's first element. */
void pln_phases_fill(const struct pln_phases *phases, const struct pln_image_window *window,
                     const struct pln_image *image, const float *x, float *plane);
/* The taps whose rows are in the image, for output row at[0], at[1]: where each begins, and its number. Returns how
 * many. */
int pln_phases_taps(const struct pln_phases *phases, const struct pln_image_window *window,
                    const struct pln_image *image, const float *plane, const int64_t *at, const float **out_x,
                    int *out_numbers);
/* The taps of output pixel `at` that meet the image; x: the image's first element. */
int pln_image_taps(const struct pln_image_window *window, const struct pln_image *image, const float *x,
                   const int64_t *at, const float **out_x, int *out_numbers);

#endif
