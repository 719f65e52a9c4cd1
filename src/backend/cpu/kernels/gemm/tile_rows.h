/* The tile of one ISA, for inclusion by tile_<isa>.c, which defines TILE_ROWS as 6 or 14: TILE_ROWS x 2 vectors of
 * accumulators, with two of B and one of A beside them, are what the registers hold (16 of AVX2, 32 of AVX-512). Four rows of three vectors, with
 * three of B, are as many: 12 products take 7 loads, six rows of two vectors 8. WIDE_ROWS: rows of such tiles, whose panels are as wide; 0: none. */
#include "backend/cpu/kernels/gemm/tile.h"
#include "backend/cpu/kernels/gemm/tile_each.h"
#include "backend/cpu/kernels/vec/finish_rows.h"

#define DECLARE(p, first)   const float *p = rows > first ? begin + first * s : begin;
#define ADVANCE_1(p, first) p++;
#define ADVANCE_4(p, first) p += 4;
#define ADVANCE_8(p, first) p += 8;

/* Sums of fewer terms than this end before C would have come from memory: the tile fetches what the second one below it
 * will write. */
#define FETCH_C_K 256

/* Where a strip lies, and what it adds. */
struct strip {
    const float *a;
    float *c;
    const float *added[PLN_VEC_ADDED];
    const char *ahead[2];
};

/* rows, vectors (of columns: 1 or 2), packed (B, as panels are) and placed (A, by offsets) are constants where this is inlined: what does not
 * apply disappears. Instructions beside the products count, and loads: where another thread has half of the core, half of six a cycle are
 * ours, and half of two loads. */
static FOR_EACH_SIZE void strip_of(const struct pln_gemm_tile *t, const struct strip *strip, const int rows, const int vectors, const bool packed, const bool placed)
{
    const bool wide = vectors > 1;
    const int64_t s = t->a_stride;
    const float *begin = strip->a;
    EACH_POINTER(DECLARE)
#define ZERO(i, p, at) vf x##i = vf_set(0.0f), y##i = vf_set(0.0f), z##i = vf_set(0.0f);
    EACH_ROW(ZERO)
#undef ZERO
#define FETCH(i, p, at) \
    if (rows > i) __builtin_prefetch(c + i * t->c_stride, 1);
    const float *c = strip->c + (t->k >= FETCH_C_K ? 0 : 2 * rows * t->c_stride);
    EACH_ROW(FETCH)
#undef FETCH
#define FETCH(i, p, at) \
    if (rows > i) __builtin_prefetch(strip->added[o] + i * t->finish.added[o].row, 0);
    for (int o = 0; o < t->finish.n_added; o++)
        if (t->finish.added[o].row > 1) {
            EACH_ROW(FETCH)
        }
#undef FETCH
    const float *b = t->b, *second = t->b_second;
    const char *ahead = strip->ahead[0], *ahead_second = strip->ahead[1];
    const int64_t b_stride = packed ? PLN_GEMM_PANEL : t->b_stride;
    int64_t k = t->k;
#define MULTIPLY(i, p, at)                      \
    if (rows > i) {                             \
        vf a = vf_set(p[at + u]);               \
        vf_accumulate(x##i, a, b0);             \
        if (wide) vf_accumulate(y##i, a, b1);   \
    }
#define STEP_OF(number, element)                                                                              \
    {                                                                                                         \
        const int64_t u = element;                                                                            \
        vf b0 = vf_load(b + (number) * b_stride), b1 = wide ? vf_load(second + (number) * b_stride) : b0;     \
        EACH_ROW(MULTIPLY)                                                                                    \
    }
#define STEP(number)        STEP_OF(number, number)
#define STEP_PLACED(number) STEP_OF(number, offset[number])
#define PASS(steps)               \
    b += (steps) * b_stride;      \
    second += (steps) * b_stride;
    /* Compilers would walk from row to row: an addition each, where an address takes a base and an index. */
#define KEEP(p, first) __asm__("" : "+r"(p));
    if (placed) {
        EACH_POINTER(KEEP)
    }
#undef KEEP
    const int32_t *offset = t->offsets;
    for (; placed && k > 0; k--) {
        STEP_PLACED(0)
        PASS(1)
        offset++;
    }
    /* Panels are walked by constant steps; other rows of B, whose multiples would fill registers, one by one. */
#define NEXT_STEP(number)                      \
    STEP_OF(packed ? (number) : 0, number)     \
    if (!packed) {                             \
        PASS(1)                                \
    }
#define FOUR_STEPS(first) NEXT_STEP(first) NEXT_STEP(first + 1) NEXT_STEP(first + 2) NEXT_STEP(first + 3)
    const bool low = t->strips <= 3; /* these wait for memory: fetches count, not instructions */
    for (; k >= 8; k -= 8) {
        __builtin_prefetch(ahead, 0, 2);
        FOUR_STEPS(0)
        __builtin_prefetch(ahead_second, 0, 2);
        if (low) {
            __builtin_prefetch(ahead + t->ahead_step / 2, 0, 2);
            __builtin_prefetch(ahead_second + t->ahead_step / 2, 0, 2);
        }
        FOUR_STEPS(4)
        if (packed) {
            PASS(8)
        }
        EACH_POINTER(ADVANCE_8)
        ahead += t->ahead_step;
        ahead_second += t->ahead_step;
    }
    if (k >= 4) {
        FOUR_STEPS(0)
        if (packed) {
            PASS(4)
        }
        EACH_POINTER(ADVANCE_4)
        k -= 4;
    }
    for (; k > 0; k--) {
        STEP(0)
        PASS(1)
        EACH_POINTER(ADVANCE_1)
    }
#undef FOUR_STEPS
#undef NEXT_STEP
#undef PASS
#undef STEP_PLACED
#undef STEP
#undef STEP_OF
#undef MULTIPLY
    const int64_t n = t->cols - (vectors - 1) * VF_LANES; /* of the last vector */
    if (t->add) FINISH_ADD_ROWS(strip->c, t->c_stride);
    FINISH_ROWS(t->finish, strip->added);
    STORE_ROWS(t->finish, strip->c, t->c_stride);
}

#if WIDE_ROWS > 0
/* Of three vectors of columns, B in panels as wide; rows is a constant where this is inlined. */
static FOR_EACH_SIZE void wide_strip_of(const struct pln_gemm_tile *t, const struct strip *strip, const int rows)
{
    enum { PANEL = PLN_GEMM_PANEL_WIDE };
    const int vectors = 3; /* for what ends the sums */
    const int64_t s = t->a_stride;
    const float *begin = strip->a, *b = t->b;
    EACH_POINTER(DECLARE)
#define ZERO(i, p, at) vf x##i = vf_set(0.0f), y##i = vf_set(0.0f), z##i = vf_set(0.0f);
    EACH_ROW(ZERO)
#undef ZERO
    const float *c = strip->c + (t->k >= FETCH_C_K ? 0 : 2 * rows * t->c_stride);
#define FETCH(i, p, at)                                                             \
    if (rows > i) {                                                             \
        __builtin_prefetch(c + i * t->c_stride, 1);                             \
        __builtin_prefetch(c + i * t->c_stride + PANEL - 1, 1);                 \
    }
    EACH_ROW(FETCH)
#undef FETCH
#define FETCH(i, p, at)                                                                                   \
    if (rows > i) {                                                                                   \
        __builtin_prefetch(strip->added[o] + i * t->finish.added[o].row, 0);                          \
        __builtin_prefetch(strip->added[o] + i * t->finish.added[o].row + PANEL - 1, 0);              \
    }
    for (int o = 0; o < t->finish.n_added; o++)
        if (t->finish.added[o].row > 1) {
            EACH_ROW(FETCH)
        }
#undef FETCH
/* A row in one piece: what compilers make of single products keeps a fourth vector of B at times, and copies sums. */
#define MULTIPLY(i, p, at)                                                                       \
    if (rows > i) {                                                                              \
        vf a;                                                                                    \
        __asm__("vbroadcastss %4, %3\n\tvfmadd231ps %5, %3, %0\n\tvfmadd231ps %6, %3, %1\n\tvfmadd231ps %7, %3, %2" \
                : "+x"(x##i), "+x"(y##i), "+x"(z##i), "=&x"(a)                                   \
                : "m"(p[at + u]), "x"(b0), "x"(b1), "x"(b2));                                    \
    }
#define STEP(number)                                                                                      \
    {                                                                                                     \
        const int u = number;                                                                             \
        vf b0 = vf_load(b + u * PANEL), b1 = vf_load(b + u * PANEL + VF_LANES), b2 = vf_load(b + u * PANEL + 2 * VF_LANES); \
        EACH_ROW(MULTIPLY)                                                                           \
    }
    const char *ahead = strip->ahead[0];
    const bool low = t->strips <= 6; /* these wait for memory: fetches count, not instructions */
    int64_t k = t->k;
    for (; k >= 8; k -= 8) {
        __builtin_prefetch(ahead, 0, 2);
        STEP(0) STEP(1) STEP(2) STEP(3)
        __builtin_prefetch(ahead + 64, 0, 2);
        if (low) {
            __builtin_prefetch(ahead + t->ahead_step / 2, 0, 2);
            __builtin_prefetch(ahead + t->ahead_step / 2 + 64, 0, 2);
        }
        STEP(4) STEP(5) STEP(6) STEP(7)
        EACH_POINTER(ADVANCE_8)
        b += 8 * PANEL;
        ahead += t->ahead_step;
    }
    for (; k > 0; k--) {
        STEP(0)
        EACH_POINTER(ADVANCE_1)
        b += PANEL;
    }
#undef STEP
#undef MULTIPLY
    const int64_t n = t->cols - 2 * VF_LANES; /* of the last vector */
    if (t->add) FINISH_ADD_ROWS(strip->c, t->c_stride);
    FINISH_ROWS(t->finish, strip->added);
    STORE_ROWS(t->finish, strip->c, t->c_stride);
}
#endif

static FOR_EACH_SIZE void tile_of(const struct pln_gemm_tile *t, const int rows, const int vectors, const bool packed, const bool placed)
{
    struct strip strip = { t->a, t->c, { t->finish.added[0].from, t->finish.added[1].from }, { t->ahead[0], t->ahead[1] } };
    for (int64_t left = t->strips;;) {
#if WIDE_ROWS > 0
        if (vectors == 3) wide_strip_of(t, &strip, rows);
        else
#endif
            strip_of(t, &strip, rows, vectors, packed, placed);
        if (--left <= 0) return;
        strip.a += rows * t->a_stride;
        strip.c += rows * t->c_stride;
        for (int o = 0; o < t->finish.n_added; o++) strip.added[o] += rows * t->finish.added[o].row;
        for (int i = 0; i < 2; i++) strip.ahead[i] += t->k / 8 * t->ahead_step;
    }
}

#define TILES(X)    X(1) X(2) X(3) X(4) X(5) X(6)
#define TILES_14(X) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)

#define TILE(n)                                                       \
    static void plain_wide_##n(const struct pln_gemm_tile *tile)      \
    {                                                                 \
        tile_of(tile, n, 2, false, false);                         \
    }                                                                 \
    static void plain_narrow_##n(const struct pln_gemm_tile *tile)    \
    {                                                                 \
        tile_of(tile, n, 1, false, false);                        \
    }                                                                 \
    static void packed_wide_##n(const struct pln_gemm_tile *tile)     \
    {                                                                 \
        tile_of(tile, n, 2, true, false);                          \
    }                                                                 \
    static void packed_narrow_##n(const struct pln_gemm_tile *tile)   \
    {                                                                 \
        tile_of(tile, n, 1, true, false);                         \
    }                                                                 \
    static void placed_wide_##n(const struct pln_gemm_tile *tile)     \
    {                                                                 \
        tile_of(tile, n, 2, true, true);                           \
    }                                                                 \
    static void placed_narrow_##n(const struct pln_gemm_tile *tile)   \
    {                                                                 \
        tile_of(tile, n, 1, true, true);                          \
    }
TILES(TILE)
#if TILE_ROWS == 14
TILES_14(TILE)
#endif

#define PLAIN_WIDE(n)    plain_wide_##n,
#define PLAIN_NARROW(n)  plain_narrow_##n,
#define PACKED_WIDE(n)   packed_wide_##n,
#define PACKED_NARROW(n) packed_narrow_##n,
#define PLACED_WIDE(n)   placed_wide_##n,
#define PLACED_NARROW(n) placed_narrow_##n,
#if TILE_ROWS == 14
#define ALL(X) { TILES(X) TILES_14(X) }
#else
#define ALL(X) { TILES(X) }
#endif
enum { PLAIN, PACKED, PLACED, KINDS };
static void (*const tiles[KINDS][2][TILE_ROWS])(const struct pln_gemm_tile *tile) = {
    [PLAIN] = { ALL(PLAIN_NARROW), ALL(PLAIN_WIDE) },
    [PACKED] = { ALL(PACKED_NARROW), ALL(PACKED_WIDE) },
    [PLACED] = { ALL(PLACED_NARROW), ALL(PLACED_WIDE) },
};

#if WIDE_ROWS > 0
#define WIDE(n)                                           \
    static void wide_##n(const struct pln_gemm_tile *tile) \
    {                                                     \
        tile_of(tile, n, 3, true, false);                 \
    }
WIDE(1) WIDE(2) WIDE(3) WIDE(4)
static void (*const wide_tiles[WIDE_ROWS])(const struct pln_gemm_tile *tile) = { wide_1, wide_2, wide_3, wide_4 };
#endif

static void run_tile(const struct pln_gemm_tile *tile)
{
#if WIDE_ROWS > 0
    if (tile->cols > 2 * VF_LANES) {
        wide_tiles[tile->rows - 1](tile);
        return;
    }
#endif
    const int kind = tile->offsets != NULL ? PLACED : tile->b_stride == PLN_GEMM_PANEL ? PACKED : PLAIN;
    tiles[kind][tile->cols > VF_LANES][tile->rows - 1](tile);
}

/* rows and width (columns of a panel) are constants where this is inlined. */
static FOR_EACH_SIZE void few_of(const struct pln_gemm_few *f, const int rows, const int width)
{
    enum { SUMS = 4 * PLN_GEMM_PANEL_WIDE / VF_LANES };
    const int vectors = width / VF_LANES, n = pln_gemm_few_panels(rows, width == PLN_GEMM_PANEL_WIDE) * vectors;
    const float *b = f->b;
    vf sums[PLN_GEMM_FEW_ROWS][SUMS];
#pragma GCC unroll 16
    for (int i = 0; i < rows * n; i++) sums[i / n][i % n] = vf_set(0.0f);
    for (int64_t k = 0; k < f->k; k++, b += width) {
        vf a[PLN_GEMM_FEW_ROWS];
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) a[r] = vf_set(f->a[r * f->a_stride + k]);
#pragma GCC unroll 16
        for (int i = 0; i < n; i++) {
            const vf column = vf_load(b + i / vectors * f->panel + i % vectors * VF_LANES);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) vf_accumulate(sums[r][i], a[r], column);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows * n; i++) {
        float *to = f->c + i / n * f->c_stride + i % n * VF_LANES;
        vf sum = sums[i / n][i % n];
        if (f->add) sum = sum + vf_load(to);
        vf_store(to, sum);
    }
}

static FOR_EACH_SIZE void few_panels(const struct pln_gemm_few *few, const int width)
{
    if (few->rows == 1) few_of(few, 1, width);
    else if (few->rows == 2) few_of(few, 2, width);
    else few_of(few, 3, width);
}

static inline void run_few(const struct pln_gemm_few *few)
{
#if WIDE_ROWS > 0
    if (few->wide) {
        few_panels(few, PLN_GEMM_PANEL_WIDE);
        return;
    }
#endif
    few_panels(few, PLN_GEMM_PANEL);
}
