/* The tile of one ISA, for inclusion by tile_<isa>.c, which defines TILE_ROWS as 6 or 14: TILE_ROWS x 2 vectors of
 * accumulators, with two of B and one of A beside them, are what the registers hold (16 of AVX2, 32 of AVX-512). */
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

/* rows, wide, packed (B, as panels are) and placed (A, by offsets) are constants where this is inlined: what does not apply
 * disappears. Instructions beside the products count: where another thread has half of the core, half of six a cycle are
 * ours, and a step of the largest tile makes 12 products of 20. */
static FOR_EACH_SIZE void strip_of(const struct pln_gemm_tile *t, const struct strip *strip, const int rows, const bool wide, const bool packed, const bool placed)
{
    const int64_t s = t->a_stride;
    const float *begin = strip->a;
    EACH_POINTER(DECLARE)
#define ZERO(i, p, at) vf x##i = vf_set(0.0f), y##i = vf_set(0.0f);
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
    const int64_t n = t->cols - (wide ? VF_LANES : 0); /* of the last vector */
    if (t->add) FINISH_ADD_ROWS(strip->c, t->c_stride);
    FINISH_ROWS(t->finish, strip->added);
    STORE_ROWS(t->finish, strip->c, t->c_stride);
}

static FOR_EACH_SIZE void tile_of(const struct pln_gemm_tile *t, const int rows, const bool wide, const bool packed, const bool placed)
{
    struct strip strip = { t->a, t->c, { t->finish.added[0].from, t->finish.added[1].from }, { t->ahead[0], t->ahead[1] } };
    for (int64_t left = t->strips;;) {
        strip_of(t, &strip, rows, wide, packed, placed);
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
        tile_of(tile, n, true, false, false);                         \
    }                                                                 \
    static void plain_narrow_##n(const struct pln_gemm_tile *tile)    \
    {                                                                 \
        tile_of(tile, n, false, false, false);                        \
    }                                                                 \
    static void packed_wide_##n(const struct pln_gemm_tile *tile)     \
    {                                                                 \
        tile_of(tile, n, true, true, false);                          \
    }                                                                 \
    static void packed_narrow_##n(const struct pln_gemm_tile *tile)   \
    {                                                                 \
        tile_of(tile, n, false, true, false);                         \
    }                                                                 \
    static void placed_wide_##n(const struct pln_gemm_tile *tile)     \
    {                                                                 \
        tile_of(tile, n, true, true, true);                           \
    }                                                                 \
    static void placed_narrow_##n(const struct pln_gemm_tile *tile)   \
    {                                                                 \
        tile_of(tile, n, false, true, true);                          \
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

static void run_tile(const struct pln_gemm_tile *tile)
{
    const int kind = tile->offsets != NULL ? PLACED : tile->b_stride == PLN_GEMM_PANEL ? PACKED : PLAIN;
    tiles[kind][tile->cols > VF_LANES][tile->rows - 1](tile);
}

/* rows is a constant where this is inlined. */
static FOR_EACH_SIZE void few_of(const struct pln_gemm_few *f, const int rows)
{
    enum { VECTORS = PLN_GEMM_PANEL / VF_LANES, SUMS = 4 * VECTORS };
    const int n = pln_gemm_few_panels(rows) * VECTORS;
    const float *b = f->b;
    vf sums[PLN_GEMM_FEW_ROWS][SUMS];
#pragma GCC unroll 16
    for (int i = 0; i < rows * n; i++) sums[i / n][i % n] = vf_set(0.0f);
    for (int64_t k = 0; k < f->k; k++, b += PLN_GEMM_PANEL) {
        vf a[PLN_GEMM_FEW_ROWS];
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) a[r] = vf_set(f->a[r * f->a_stride + k]);
#pragma GCC unroll 16
        for (int i = 0; i < n; i++) {
            const vf column = vf_load(b + i / VECTORS * f->panel + i % VECTORS * VF_LANES);
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

static inline void run_few(const struct pln_gemm_few *few)
{
    if (few->rows == 1) few_of(few, 1);
    else if (few->rows == 2) few_of(few, 2);
    else few_of(few, 3);
}
