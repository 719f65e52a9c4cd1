/* The functions of one ISA, for inclusion by functions_<isa>.c, which defines BYTES_ISA as the function that gives their table, and TILE_ROWS as 6 or 14. All but the tile are
 * plain loops: the compiler makes vectors of them. */
#include "backend/cpu/kernels/bytes/functions.h"
#include "backend/cpu/kernels/gemm/tile_each.h"
#include "backend/cpu/kernels/vec/vec_f32.h"

/* ---- the tile: as that of gemm/tile_rows.h, two vectors of columns ---- */

static inline vi pair_of(const int16_t *p)
{
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return vi_set(pair);
}

/* rows and wide are constants where this is inlined. */
static FOR_EACH_SIZE void tile_of(const struct pln_bytes_tile *t, const int rows, const bool wide)
{
    const int64_t s = t->a_row;
#define DECLARE(p, first) const int16_t *p = rows > first ? t->a + first * s : t->a;
    EACH_POINTER(DECLARE)
#undef DECLARE
#define BEGIN(i, p, at) vi x##i = vi_set(0), y##i = vi_set(0);
    EACH_ROW(BEGIN)
#undef BEGIN
#define READ(i, p, at)                                                          \
    if (rows > i) {                                                             \
        x##i = vi_load(t->c + i * t->c_row);                                    \
        if (wide) y##i = vi_load(t->c + i * t->c_row + VF_LANES);               \
    }
    if (t->add) {
        EACH_ROW(READ)
    }
#undef READ
    const int16_t *b = t->b;
    int64_t left = t->pairs;
#define MULTIPLY(i, p, at)                                \
    if (rows > i) {                                       \
        const vi a = pair_of(p + (at) + 2 * u);           \
        vi_accumulate_pairs(x##i, a, b0);                 \
        if (wide) vi_accumulate_pairs(y##i, a, b1);       \
    }
#define STEP(which)                                                                  \
    {                                                                                \
        enum { u = which };                                                          \
        const vi b0 = vi_load(b), b1 = wide ? vi_load(b + 2 * VF_LANES) : b0;        \
        b += t->b_line;                                                              \
        EACH_ROW(MULTIPLY)                                                           \
    }
#define ADVANCE_4(p, first) p += 8;
#define ADVANCE_1(p, first) p += 2;
    for (; left >= 4; left -= 4) {
        STEP(0)
        STEP(1)
        STEP(2)
        STEP(3)
        EACH_POINTER(ADVANCE_4)
    }
    for (; left > 0; left--) {
        STEP(0)
        EACH_POINTER(ADVANCE_1)
    }
#undef MULTIPLY
#undef STEP
#define WRITE(i, p, at)                                                         \
    if (rows > i) {                                                             \
        vi_store(t->c + i * t->c_row, x##i);                                    \
        if (wide) vi_store(t->c + i * t->c_row + VF_LANES, y##i);               \
    }
    EACH_ROW(WRITE)
#undef WRITE
}

#define TILES_6(X) X(1) X(2) X(3) X(4) X(5) X(6)
#if TILE_ROWS == 14
#define TILES(X) TILES_6(X) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#else
#define TILES(X) TILES_6(X)
#endif
#define TILE(n)                                              \
    static void tile_wide_##n(const struct pln_bytes_tile *t) \
    {                                                        \
        tile_of(t, n, true);                                 \
    }                                                        \
    static void tile_narrow_##n(const struct pln_bytes_tile *t) \
    {                                                        \
        tile_of(t, n, false);                                \
    }
TILES(TILE)

#define WIDE(n)   tile_wide_##n,
#define NARROW(n) tile_narrow_##n,
static void (*const tiles[2][TILE_ROWS])(const struct pln_bytes_tile *t) = { { TILES(NARROW) }, { TILES(WIDE) } };

static void tile(const struct pln_bytes_tile *t)
{
    tiles[t->cols > VF_LANES][t->rows - 1](t);
}

/* ---- into pairs ---- */

#define WIDEN_AS(type)                                                          \
    for (int64_t i = 0; i < n; i++) to[i] = (int16_t)(((const type *)from)[i] - zero);

static void widen(const uint8_t *from, bool is_signed, int32_t zero_point, int64_t n, int16_t *to)
{
    const int16_t zero = (int16_t)zero_point;
    if (is_signed) {
        WIDEN_AS(int8_t)
    } else {
        WIDEN_AS(uint8_t)
    }
    if (n % 2 != 0) to[n] = 0;
}

/* A function for each form: one for all would save a dozen registers for lines of a dozen numbers. */
#define INTERLEAVE(name, type, by, less, second)                                                \
    static __attribute__((noinline)) void name(const struct pln_bytes_lines *l, int64_t n)        \
    {                                                                                             \
        const int16_t *zeros = l->zeros, all = (int16_t)l->zero;                                  \
        const type *even = (const type *)l->even, *odd = (const type *)l->odd;                    \
        int16_t *restrict to = l->to;                                                             \
        for (int64_t i = 0; i < n; i++) {                                                         \
            to[2 * i] = (int16_t)(even[i * (by)] - (less));                                     \
            to[2 * i + 1] = (int16_t)(second);                                                    \
        }                                                                                         \
        (void)zeros;                                                                              \
        (void)all;                                                                                \
        (void)odd;                                                                                \
    }
/* Every second byte: the low ones of numbers of 16 bits, which are the first ones here. */
#define HALVES(name, type, second)                                                                \
    static __attribute__((noinline)) void name(const struct pln_bytes_lines *l, int64_t n)        \
    {                                                                                             \
        const int16_t zero = (int16_t)l->zero;                                                    \
        const uint8_t *first = l->even, *other = l->odd != NULL ? l->odd : l->even;                  \
        int16_t *restrict to = l->to;                                                             \
        for (int64_t i = 0; i < n; i++) {                                                         \
            uint16_t x, y;                                                                        \
            memcpy(&x, first + 2 * i, sizeof x);                                                   \
            memcpy(&y, other + 2 * i, sizeof y);                                                    \
            to[2 * i] = (int16_t)((type)x - zero);                                                \
            to[2 * i + 1] = (int16_t)(second);                                                    \
        }                                                                                         \
    }
#define FORMS(type, sign)                                                                         \
    INTERLEAVE(both_##sign, type, 1, all, odd[i] - all)                                           \
    INTERLEAVE(alone_##sign, type, 1, all, 0)                                                     \
    INTERLEAVE(apart_##sign, type, l->step, all, odd[i * l->step] - all)                          \
    INTERLEAVE(apart_alone_##sign, type, l->step, all, 0)                                         \
    INTERLEAVE(each_##sign, type, l->step, zeros[i], odd[i * l->step] - zeros[i])                 \
    INTERLEAVE(each_alone_##sign, type, l->step, zeros[i], 0)                                     \
    HALVES(halves_##sign, type, (type)y - zero)                                                   \
    HALVES(halves_alone_##sign, type, 0 * y)
FORMS(int8_t, signed)
FORMS(uint8_t, unsigned)

enum form { BOTH, APART, EACH, HALVES_OF_16 };

static void interleave(const struct pln_bytes_lines *l)
{
    static void (*const forms[2][2][4])(const struct pln_bytes_lines *l, int64_t n) = {
        { { alone_unsigned, apart_alone_unsigned, each_alone_unsigned, halves_alone_unsigned }, { both_unsigned, apart_unsigned, each_unsigned, halves_unsigned } },
        { { alone_signed, apart_alone_signed, each_alone_signed, halves_alone_signed }, { both_signed, apart_signed, each_signed, halves_signed } },
    };
    const int64_t whole = (l->n + PLN_BYTES_SLACK) / 16 * 16, n = whole <= l->room ? whole : l->n;
    const bool halves = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && l->step == 2 && whole <= l->room;
    const enum form form = l->zeros != NULL ? EACH : l->step == 1 ? BOTH : halves ? HALVES_OF_16 : APART;
    forms[l->is_signed][l->odd != NULL][form](l, n);
}

static FOR_EACH_SIZE void unpack_lines(const uint8_t *from, const bool is_signed, const int16_t *pairs, int cols, int64_t lines, int16_t *to, int64_t to_line)
{
    for (int64_t p = 0; p < lines; p++, from += 32, to += to_line)
        for (int i = 0; i < 2 * cols; i += 2 * VF_LANES) {
            const vi x = is_signed ? vi_widen_signed(from + i) : vi_widen_unsigned(from + i);
            vi_store(to + i, vi_sub_halves(x, vi_load(pairs + i)));
        }
}

static void unpack(const uint8_t *from, bool is_signed, const int16_t *zeros, int cols, int64_t lines, int16_t *to, int64_t to_line)
{
    int16_t pairs[32];
    for (int i = 0; i < 2 * cols; i++) pairs[i] = zeros[i / 2];
    if (is_signed) unpack_lines(from, true, pairs, cols, lines, to, to_line);
    else unpack_lines(from, false, pairs, cols, lines, to, to_line);
}

static void copy(const int16_t *from, int64_t from_row, int64_t rows, int64_t cols, int16_t *to)
{
    for (int64_t r = 0; r < rows; r++, from += 2 * from_row, to += 2 * cols)
        for (int64_t i = 0; i < 2 * cols; i += 2 * VF_LANES) vi_store(to + i, vi_load(from + i));
}

/* ---- a window over one channel ---- */

/* vectors is a constant where this is inlined. */
static FOR_EACH_SIZE void taps_of(const struct pln_bytes_taps *t, int64_t at, const int vectors)
{
    vi sums[8];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) sums[v] = vi_set(0);
    for (int l = 0; l < t->n_lines; l++) {
        const vi w = pair_of(t->weights + 2 * l);
        const int16_t *line = t->from + t->offsets[l] + 2 * at;
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) {
            const vi x = vi_load(line + 2 * v * VF_LANES);
            vi_accumulate_pairs(sums[v], w, x);
        }
    }
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) vi_store(t->to + at + v * VF_LANES, sums[v]);
}

#define TAPS(n)                                                      \
    static void taps_##n(const struct pln_bytes_taps *t, int64_t at) \
    {                                                                \
        taps_of(t, at, n);                                           \
    }
#define EACH_WIDTH(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
EACH_WIDTH(TAPS)

static void taps(const struct pln_bytes_taps *t)
{
#define NAME(n) taps_##n,
    static void (*const widths[])(const struct pln_bytes_taps *t, int64_t at) = { EACH_WIDTH(NAME) };
    for (int64_t i = 0; i < t->n; i += 8 * VF_LANES) widths[PLN_MIN((t->n - i + VF_LANES - 1) / VF_LANES, 8) - 1](t, i);
}

/* ---- out of sums ---- */

/* Numbers [at, at + n) in f64. Adding and taking away 1.5 2^52 rounds to the nearest whole number, the even one of two, what is no further from 0 than 2^51; what is far outside is
 * bounded first. */
static __attribute__((noinline)) void finish_exactly(const struct pln_bytes_finish *f, int64_t at, int64_t n)
{
    const double low = f->is_signed ? -128 : 0, high = f->is_signed ? 127 : 255, far = 1 << 20, shift = 0x1.8p52;
    for (int64_t i = at; i < at + n; i++) {
        double value = ((double)f->sums[i] + f->bias[i * f->step]) * f->scale[i * f->step];
        value = value > -far ? (value < far ? value : far) : -far;
        value = (value + shift) - shift + f->zero;
        f->to[i] = (uint8_t)(int32_t)(value > low ? (value < high ? value : high) : low);
    }
}

/* What finishes one vector. */
struct finisher {
    vi bias;
    vf scale, zero, low, high;
};

/* In f32, for what lies within 1024 of 0 (beyond, all zero points are out of reach) three roundings make an error of less than 2^-12: what is no closer than that to the middle of
 * two whole numbers is rounded to the right one. near: what has to be done in f64. */
static inline vi finish_vector(const struct finisher *f, const int32_t *sums, vm *near)
{
    const vf value = vf_of_int(vi_add(vi_load(sums), f->bias)) * f->scale, rounded = vf_round(value);
    *near = vf_lt(vf_set(0.5f - 0x1p-12f), vf_abs(value - rounded));
    return vi_of_float(vf_min(vf_max(rounded + f->zero, f->low), f->high));
}

/* each (scales) is a constant where this is inlined. */
static FOR_EACH_SIZE void finish_run(const struct pln_bytes_finish *f, const bool each)
{
    enum { TWO = 2 * VF_LANES };
    const int32_t *sums = f->sums, *bias = f->bias;
    const float *scale = f->near_scale;
    const int64_t n = f->n;
    uint8_t *restrict to = f->to, last[TWO];
    struct finisher one = { vi_set(*bias), vf_set(*scale), vf_set((float)f->zero), vf_set(f->is_signed ? -128.0f : 0.0f), vf_set(f->is_signed ? 127.0f : 255.0f) }, two = one;
    for (int64_t i = 0; i < n; i += TWO) {
        const int64_t second = n - i > VF_LANES ? i + VF_LANES : i; /* past the last vector nothing may be read: it comes twice */
        vm near, near_two;
        if (each) {
            one.bias = vi_load(bias + i);
            one.scale = vf_load(scale + i);
            two.bias = vi_load(bias + second);
            two.scale = vf_load(scale + second);
        }
        const vi low = finish_vector(&one, sums + i, &near), high = finish_vector(&two, sums + second, &near_two);
        if (n - i >= TWO) {
            vi_store_bytes(to + i, low, high);
        } else {
            vi_store_bytes(last, low, high);
            memcpy(to + i, last, (size_t)(n - i));
        }
        if (vm_any(vm_or(near, near_two))) finish_exactly(f, i, PLN_MIN(n - i, TWO));
    }
}

static void finish(const struct pln_bytes_finish *f)
{
    if (f->n < 1) return;
    if (f->exactly) finish_exactly(f, 0, f->n);
    else if (f->step == 0) finish_run(f, false);
    else finish_run(f, true);
}

#include "backend/cpu/kernels/bytes/winograd_rows.h"

const struct pln_bytes_isa *BYTES_ISA(void)
{
    static const struct pln_bytes_isa isa = { tile, widen, interleave, unpack, copy, taps, finish, patches, window, quads, TILE_ROWS, 2 * VF_LANES, VF_LANES };
    return &isa;
}
