/* What the convolutions of bytes know of a launch of CONV_INTEGER or QLINEAR_CONV. */
#ifndef PLN_CPU_BYTES_CONV_H
#define PLN_CPU_BYTES_CONV_H

#include "backend/cpu/kernels/bytes/bytes.h"
#include "backend/cpu/kernels/conv/image.h"

/* Taps of a window; more of them are for the reference kernel. */
#define PLN_BYTES_TAPS_MOST 1024

/* Weights [o, c, ...kernel] as rows o of pairs of channels 2p and 2p + 1, as bytes, taps innermost; what lies past c is zero. */
extern const struct pln_pack_format pln_pack_bytes_oihw_c2_v1;

struct pln_bytes_conv {
    struct pln_image x, y;
    struct pln_image_window window;
    const uint8_t *x_end;
    const uint8_t *weights; /* packed, or as they are */
    bool x_signed, w_signed, packed, quantizes;
    struct pln_bytes_parameter x_zero, w_zero;
    struct pln_bytes_result result;
    int64_t groups, group_in, group_out;
};

/* What fits any of them; NULL: yes. */
const char *pln_bytes_conv_supports(const struct pln_problem *problem);
/* The operand that holds the weights. */
int pln_bytes_conv_weights(unsigned op);
/* Products of a problem; where step is more than 1 a plane of the output counts as a multiple of it. */
double pln_bytes_conv_macs(const struct pln_problem *problem, int64_t step);
enum pln_status pln_bytes_conv_read(const struct pln_kernel *kernel, const struct pln_launch *launch, struct pln_diag *diag, struct pln_bytes_conv *out_conv);
/* A row of pairs as `step` phases: those of columns begin + phase + i * step for i < pairs, phase_pairs apart. even, odd: rows of the image; columns outside of it,
 * and all where even is NULL, are padding, 0; odd NULL: 0. */
struct pln_bytes_row {
    const uint8_t *even, *odd;
    int64_t step; /* 1 or more; where it is the window's stride, phases that no tap sees are left out */
    int64_t begin, pairs, phase_pairs;
    int16_t *to;
};
/* Steps from here on to the end of the images. */
static inline int64_t pln_bytes_conv_room(const struct pln_bytes_conv *conv, const uint8_t *from, int64_t step)
{
    return (conv->x_end - from + step - 1) / step;
}
void pln_bytes_conv_fill(const struct pln_bytes_conv *conv, const struct pln_bytes_isa *isa, const struct pln_bytes_row *row);
/* Is offset `at`, in rows of the image, one that a tap sees from some of so many rows of pixels? */
bool pln_bytes_conv_sees(int64_t at, int64_t kernel, int64_t dilation, int64_t stride, int64_t pixels);
/* Writes sums of n pixels side by side, from element `at` of the output on, as int32, or finished as those of output channel i of `finish`. */
void pln_bytes_conv_store(const struct pln_bytes_conv *conv, const struct pln_bytes_isa *isa, const struct pln_bytes_finish *finish, int64_t i, const int32_t *sums, int64_t n, int64_t at);

#endif
