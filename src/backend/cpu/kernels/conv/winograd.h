/* Winograd's minimal filtering: convolution with 3 x 3 taps, stride 1, of images n,h,w,c with fewer multiplications.
 *
 * F(m x m, 3 x 3) gives m x m outputs Y of one channel from (m + 2) x (m + 2) pixels d and taps g as
 *     Y = A^T [(G g G^T) . (B^T d B)] A,
 * summed over channels before A: one product of matrices, tiles x channels by channels x outputs, for each of the
 * (m + 2)^2 positions. m 4 multiplies 36 times where 144 are due, m 2 16 times where 36 are. Source: Lavin and Gray,
 * "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016, arXiv:1509.09308); A, B and G are those of Toom and
 * Cook for the points below and infinity.
 *
 * Points: 0, 1, -1 for m 2; 0, ±11/16, ±23/16 for m 4. Points c, -c, 1/c, -1/c err less than small whole numbers (Alam,
 * Anderson, Barabasz and Gregg, "Winograd Convolution for Deep Neural Networks: Efficient Point Selection", ACM TECS
 * 21, 2022, arXiv:2201.10369); these are near such ones, and all coefficients of A and B are exact in f32. In a
 * simulation with 64 channels the root of the mean squared error is 6.2e-6, the largest error 4.3e-5; with the usual 0,
 * ±1, ±2 they are 13.5e-6 and 16.6e-5.
 *
 * Error: with u = 2^-24, to first order in u,
 *     |Y - exact| <= (channels + 16) u K  sum over channels of max|d| sum|g|,
 * max over the tile's pixels, 16 for the roundings on a pixel's, a weight's and an output's way. K is 16 for m 2 and 160
 * for m 4: the square of the largest sum over positions p of |A^T[i][p]| |G[p][k]| sum over j of |B^T[p][j]|, i an output
 * and k a tap (4 and 12.6). (By an output's own sum of |d g| nothing is bounded: pixels that its window does not meet may
 * be larger than those that it does.) Real errors are far below, since roundings cancel. Pixels and weights even in [-1, 1], root
 * of the mean square and largest of 11,424 outputs, AVX2 (tests/kernels/winograd_test.c holds them to a little more):
 * - 16 channels: m 2 5.8e-7, 3.4e-6; m 4 16.7e-7, 10.7e-6; conv_last 7.9e-7, 7.5e-6
 * - 64 channels: m 2 2.0e-6, 9.9e-6; m 4 5.6e-6, 45.8e-6; conv_last 2.3e-6, 19.4e-6
 * - 256 channels: m 2 7.5e-6, 37.4e-6; m 4 22.3e-6, 178e-6; conv_last 5.4e-6, 32.0e-6
 *
 * An infinite number in the image, or NaN, makes NaN of all outputs of the tiles that read it (up to 8 x 8); in direct
 * convolution it shows only where a window meets it, and may stay infinite there. One in the weights does so in all
 * outputs of its feature. Pixels beyond 1.6e37 (m 4) or 8.5e37 (m 2), and sums that come near to the largest float by a
 * factor of K, may overflow on the way. Where that matters, pln_problem.direct asks for direct convolution. */
#ifndef PLN_CPU_CONV_WINOGRAD_H
#define PLN_CPU_CONV_WINOGRAD_H

#include "backend/cpu/kernels/conv/conv.h"

/* tile: rows and columns of the products' register tile, m. micro: a pln_winograd_isa. */
extern const struct pln_kernel_family pln_cpu_conv_winograd;

enum {
    PLN_WINOGRAD_TAPS = 3,
    PLN_WINOGRAD_SIDE = 4, /* the largest m */
    PLN_WINOGRAD_SPAN = PLN_WINOGRAD_SIDE + PLN_WINOGRAD_TAPS - 1,
};

#define PLN_WINOGRAD_NEAR 0.6875f /* 11/16 */
#define PLN_WINOGRAD_FAR  1.4375f /* 23/16 */

/* Weights [o, c, 3, 3] as G g G^T, computed in f64 and rounded once, for m 4 and m 2: for each position panels of 16
 * outputs of rows c. They cannot be undone: for being built again a plan holds the taps, too, by themselves. */
extern const struct pln_pack_format pln_pack_f32_winograd4_n16_v2, pln_pack_f32_winograd2_n16_v2;
/* Floats of a position. */
int64_t pln_winograd_position(int64_t o, int64_t c);

/* The transforms of one ISA and m. */
struct pln_winograd_isa {
    int side; /* m */
    /* v[p * step + i] = (B^T d B)[p] of pixels[p][i], i < channels; v is written to the end of a vector. */
    void (*input)(const float *const *pixels, int64_t channels, float *v, int64_t step);
    /* pixels[q][i] = (A^T M A)[q] of m[p * step + i], i < channels; m is read to the end of a vector. */
    void (*output)(const float *m, int64_t step, int64_t channels, float *const *pixels);
    const struct pln_gemm_isa *(*gemm)(void);
};

/* The rows' inner function. */
typedef const struct pln_winograd_isa *(*pln_winograd_isa_fn)(void);
const struct pln_winograd_isa *pln_winograd4_portable(void);
const struct pln_winograd_isa *pln_winograd2_portable(void);
const struct pln_winograd_isa *pln_winograd4_avx2(void);
const struct pln_winograd_isa *pln_winograd2_avx2(void);
const struct pln_winograd_isa *pln_winograd4_avx512(void);
const struct pln_winograd_isa *pln_winograd2_avx512(void);

#endif
