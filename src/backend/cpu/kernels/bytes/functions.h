/* Products of bytes, exact in int32: what they are made of.
 *
 * Both operands become int16 less their zero points, from -255 to 255, and lie as pairs: steps k and k + 1 of a sum side by side, so that one
 * instruction multiplies both and adds them (vpmaddwd; vpmaddubsw, which takes bytes as they are, saturates: 255 * 127 * 2 is no int16). A pair is
 * 4 bytes; of an odd number of steps the last one has a partner that is 0 on one side at least.
 *
 * Rows of A are pairs one after the other. B is lines: line p has the pairs of steps 2p and 2p + 1 of all columns. */
#ifndef PLN_CPU_BYTES_FUNCTIONS_H
#define PLN_CPU_BYTES_FUNCTIONS_H

#include "base/base.h"

/* Terms of a sum that int32 holds: 2^31 / 255^2. */
#define PLN_BYTES_K_MOST 33025
/* Pairs that a function may write, and read, past the last: those of the widest vector less one. */
#define PLN_BYTES_SLACK 15

/* c[rows, cols] = sum over pairs of a times b, or that more. Whole vectors of c are written: columns up to the next multiple of cols_step (of the isa). */
struct pln_bytes_tile {
    const int16_t *a;
    int64_t a_row; /* int16 from row to row */
    const int16_t *b;
    int64_t b_line; /* int16 from line to line */
    int64_t pairs;
    int32_t *c;
    int64_t c_row;
    int rows, cols; /* 1..isa's */
    bool add;
};

/* Two lines of bytes become one of pairs: to[2i] = even[i step] - zeros, to[2i + 1] = odd[i step] - zeros; odd NULL: 0. Where there is room, up to PLN_BYTES_SLACK more pairs
 * are written: short lines make whole vectors then. */
struct pln_bytes_lines {
    const uint8_t *even, *odd;
    int64_t n, step;
    int64_t room; /* steps whose bytes may be read, all of them, and pairs that may be written; what is less than n says nothing */
    bool is_signed;
    int32_t zero;
    const int16_t *zeros; /* one an element of even; NULL: `zero` of all */
    int16_t *to;
};

/* to[i] = (sums[i] + bias) * scale, rounded to even, plus zero, bounded by the type's range; NaN gives the lowest. All as in f64, which is what the reference computes with.
 * step 0: one scale and one bias; 1: one each, in arrays that have whole vectors, as sums does (PLN_BYTES_SLACK). */
struct pln_bytes_finish {
    const int32_t *sums;
    int64_t n;
    const double *scale;
    const float *near_scale; /* the same, rounded */
    const int32_t *bias;
    int step;
    bool exactly; /* sums and biases add up to more than int32 holds, or a scale is NaN or beyond 2^100: f64 alone will do */
    int32_t zero;
    bool is_signed;
    uint8_t *to;
};

/* to[i] = sum over lines, from + offsets (in int16), of their pair i times the line's pair of weights, i < n; up to PLN_BYTES_SLACK more are read and written. */
struct pln_bytes_taps {
    const int16_t *from;
    const int64_t *offsets;
    const int16_t *weights;
    int n_lines;
    int64_t n;
    int32_t *to;
};

/* Winograd's F(2x2, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016) with whole numbers: patches of 4 x 4 become 16 numbers of 11 bits, weights
 * 16 that are 4 times those of the paper and have 13 bits, and so sums are 4 times the results, exactly. Position p of 16 is row p / 4, column p % 4. */
enum { PLN_BYTES_POSITIONS = 16 };
/* Rows of pairs, one every second column: patch i has columns i and i + 1 of both phases. n patches; up to PLN_BYTES_SLACK more are read and written. */
struct pln_bytes_patches {
    const int16_t *from;
    int64_t row, phase; /* int16 to the next row, and from the even columns to the odd ones */
    int64_t n;
    int16_t *to;
    int64_t position; /* int16 from position to position */
};
/* n weights side by side of each of 9 taps, tap bytes apart, less zero, as 16 rows; up to the next multiple of 32 are read and written. */
struct pln_bytes_window {
    const uint8_t *from;
    int64_t tap;
    bool is_signed;
    int32_t zero;
    int64_t n;
    int16_t *to;
    int64_t position;
};
/* Two rows of 2 n results of n patches; up to 2 PLN_BYTES_SLACK more are written. */
struct pln_bytes_quads {
    const int32_t *from;
    int64_t position; /* int32 from position to position */
    int64_t n;
    int32_t *to[2];
};

struct pln_bytes_isa {
    void (*tile)(const struct pln_bytes_tile *tile);
    /* to[i] = from[i] - zero, i < n; one more that is 0 where n is odd. */
    void (*widen)(const uint8_t *from, bool is_signed, int32_t zero, int64_t n, int16_t *to);
    void (*interleave)(const struct pln_bytes_lines *lines);
    /* Lines of `cols` packed pairs of bytes, 32 bytes from line to line, as lines of int16 less zeros[cols]. */
    void (*unpack)(const uint8_t *from, bool is_signed, const int16_t *zeros, int cols, int64_t lines, int16_t *to, int64_t to_line);
    /* rows of `cols` pairs, from_row pairs apart, one behind the other; up to PLN_BYTES_SLACK more are read and written behind each. */
    void (*copy)(const int16_t *from, int64_t from_row, int64_t rows, int64_t cols, int16_t *to);
    void (*taps)(const struct pln_bytes_taps *taps);
    void (*finish)(const struct pln_bytes_finish *finish);
    void (*patches)(const struct pln_bytes_patches *patches);
    void (*window)(const struct pln_bytes_window *window);
    void (*quads)(const struct pln_bytes_quads *quads);
    int rows, cols; /* of the tile: 6 x 8, 6 x 16, 14 x 32 */
    int cols_step;  /* cols / 2 */
};
const struct pln_bytes_isa *pln_bytes_isa_portable(void);
const struct pln_bytes_isa *pln_bytes_isa_avx2(void);
const struct pln_bytes_isa *pln_bytes_isa_avx512(void);
typedef const struct pln_bytes_isa *(*pln_bytes_isa_fn)(void);

#endif
