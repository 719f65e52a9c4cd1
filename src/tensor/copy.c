/* pln_tensor_copy: strided copies as a small loop nest.
 *
 * Dims are sorted by the stride of the target, outermost first, and merged where both sides run on without a gap; what
 * is left is a row copy (memcpy where both sides are dense) or, where the source is dense in another dim than the
 * target, a copy in square tiles of a cache line's width, so that neither side uses a line once only. Elements of 32 bits
 * are transposed in squares of 4, in registers. */
#include "tensor/tensor.h"

struct copy_loop {
    int64_t n, from, to; /* extent; strides in elements */
};

struct copy_nest {
    int rank;
    struct copy_loop loops[PLN_MAX_RANK + 2]; /* outermost first; the last two are a kernel's */
};

struct bytes16 {
    uint64_t a, b;
};

typedef uint32_t word4 __attribute__((vector_size(16), aligned(4), may_alias));

#if defined(__clang__)
#define WORDS(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define WORDS(a, b, ...) __builtin_shuffle(a, b, (word4){ __VA_ARGS__ })
#endif

/* to[i * to_row + j] = from[j * from_row + i] for i and j below 4; rows in bytes. */
static inline void transpose_words(char *to, int64_t to_row, const char *from, int64_t from_row)
{
    word4 a, b, c, d;
    memcpy(&a, from, sizeof a);
    memcpy(&b, from + from_row, sizeof b);
    memcpy(&c, from + 2 * from_row, sizeof c);
    memcpy(&d, from + 3 * from_row, sizeof d);
    const word4 ac_low = WORDS(a, c, 0, 4, 1, 5), ac_high = WORDS(a, c, 2, 6, 3, 7);
    const word4 bd_low = WORDS(b, d, 0, 4, 1, 5), bd_high = WORDS(b, d, 2, 6, 3, 7);
    const word4 rows[4] = { WORDS(ac_low, bd_low, 0, 4, 1, 5), WORDS(ac_low, bd_low, 2, 6, 3, 7),
                            WORDS(ac_high, bd_high, 0, 4, 1, 5), WORDS(ac_high, bd_high, 2, 6, 3, 7) };
    for (int i = 0; i < 4; i++) memcpy(to + i * to_row, &rows[i], sizeof rows[i]);
}

/* rows(to, from, r, c) copies r->n rows of c->n elements; tiles does the same where r->from is the small stride. Loads
 * and stores go through memcpy since views of files need not be aligned. */
#define DEFINE_COPY(size_bits, type, tile)                                                                          \
    static inline void move_##size_bits(char *to, const char *from)                                                 \
    {                                                                                                               \
        type value;                                                                                                 \
        memcpy(&value, from, sizeof value);                                                                         \
        memcpy(to, &value, sizeof value);                                                                           \
    }                                                                                                               \
    static void line_##size_bits(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t n)         \
    {                                                                                                               \
        const int64_t size = sizeof(type);                                                                          \
        if (to_step == size && from_step == 0) {                                                                    \
            type value;                                                                                             \
            memcpy(&value, from, sizeof value);                                                                     \
            for (int64_t i = 0; i < n; i++) memcpy(to + i * size, &value, sizeof value);                            \
        } else if (to_step == size) {                                                                               \
            for (int64_t i = 0; i < n; i++) move_##size_bits(to + i * size, from + i * from_step);                  \
        } else {                                                                                                    \
            for (int64_t i = 0; i < n; i++) move_##size_bits(to + i * to_step, from + i * from_step);               \
        }                                                                                                           \
    }                                                                                                               \
    static void rows_##size_bits(char *to, const char *from, const struct copy_loop *r, const struct copy_loop *c)  \
    {                                                                                                               \
        const int64_t size = sizeof(type);                                                                          \
        bool dense = c->to == 1 && c->from == 1;                                                                    \
        for (int64_t i = 0; i < r->n; i++) {                                                                        \
            char *t = to + i * r->to * size;                                                                        \
            const char *f = from + i * r->from * size;                                                              \
            if (dense) {                                                                                            \
                memcpy(t, f, (size_t)(c->n * size));                                                                \
            } else {                                                                                                \
                line_##size_bits(t, c->to *size, f, c->from *size, c->n);                                           \
            }                                                                                                       \
        }                                                                                                           \
    }                                                                                                               \
    static void tiles_##size_bits(char *to, const char *from, const struct copy_loop *r, const struct copy_loop *c) \
    {                                                                                                               \
        const int64_t size = sizeof(type);                                                                          \
        for (int64_t i0 = 0; i0 < r->n; i0 += tile) {                                                               \
            int64_t i1 = PLN_MIN(i0 + tile, r->n);                                                                  \
            for (int64_t j0 = 0; j0 < c->n; j0 += tile) {                                                           \
                int64_t n = PLN_MIN(tile, c->n - j0);                                                               \
                for (int64_t i = i0; i < i1; i++)                                                                   \
                    line_##size_bits(to + (i * r->to + j0 * c->to) * size, c->to * size,                            \
                                     from + (i * r->from + j0 * c->from) * size, c->from * size, n);                \
            }                                                                                                       \
        }                                                                                                           \
    }

DEFINE_COPY(8, uint8_t, 64)
DEFINE_COPY(16, uint16_t, 32)
DEFINE_COPY(32, uint32_t, 16)
DEFINE_COPY(64, uint64_t, 16)
DEFINE_COPY(128, struct bytes16, 8)

/* As tiles_32, where both sides are dense. */
static void squares_32(char *to, const char *from, const struct copy_loop *r, const struct copy_loop *c)
{
    enum { SIDE = 4, TILE = 16 };
    const int64_t size = sizeof(uint32_t), rows = r->n / SIDE * SIDE, cols = c->n / SIDE * SIDE;
    for (int64_t i0 = 0; i0 < rows; i0 += TILE)
        for (int64_t j0 = 0; j0 < cols; j0 += TILE)
            for (int64_t i = i0; i < PLN_MIN(i0 + TILE, rows); i += SIDE)
                for (int64_t j = j0; j < PLN_MIN(j0 + TILE, cols); j += SIDE)
                    transpose_words(to + (i * r->to + j) * size, r->to * size, from + (i + j * c->from) * size, c->from * size);
    const struct copy_loop rest_c = { c->n - cols, c->from, c->to }, rest_r = { r->n - rows, r->from, r->to };
    tiles_32(to + cols * size, from + cols * c->from * size, r, &rest_c);
    tiles_32(to + rows * r->to * size, from + rows * size, &rest_r, &(struct copy_loop){ cols, c->from, c->to });
}

/* As tiles_32, where few rows or columns of a dense side lie together: planes of an image to its pixels, whose channels are few, or
 * back. n planes, `plane` elements apart, of `count` pixels each. */
static inline __attribute__((always_inline)) void planes_to_pixels(const int64_t n, char *to, const char *from, int64_t plane, int64_t count)
{
    const int64_t size = sizeof(uint32_t);
    for (int64_t i = 0; i < count; i++)
        for (int64_t c = 0; c < n; c++) move_32(to + (i * n + c) * size, from + (c * plane + i) * size);
}

static inline __attribute__((always_inline)) void pixels_to_planes(const int64_t n, char *to, const char *from, int64_t plane, int64_t count)
{
    const int64_t size = sizeof(uint32_t);
    for (int64_t i = 0; i < count; i++)
        for (int64_t c = 0; c < n; c++) move_32(to + (c * plane + i) * size, from + (i * n + c) * size);
}

/* False: it is another case. */
static bool few_32(char *to, const char *from, const struct copy_loop *r, const struct copy_loop *c)
{
    if (r->from == 1 && c->to == 1 && r->to == c->n) { /* rows are pixels */
        switch (c->n) {
        case 2: planes_to_pixels(2, to, from, c->from, r->n); return true;
        case 3: planes_to_pixels(3, to, from, c->from, r->n); return true;
        default: return false;
        }
    }
    if (r->from == 1 && c->to == 1 && c->from == r->n) { /* columns are pixels */
        switch (r->n) {
        case 2: pixels_to_planes(2, to, from, r->to, c->n); return true;
        case 3: pixels_to_planes(3, to, from, r->to, c->n); return true;
        default: return false;
        }
    }
    return false;
}

static int64_t magnitude(int64_t stride)
{
    return stride < 0 ? -stride : stride;
}

static void sort_loops(struct copy_nest *nest)
{
    for (int i = 1; i < nest->rank; i++) {
        struct copy_loop loop = nest->loops[i];
        int at = i;
        for (; at > 0 && magnitude(nest->loops[at - 1].to) < magnitude(loop.to); at--)
            nest->loops[at] = nest->loops[at - 1];
        nest->loops[at] = loop;
    }
}

static void merge_loops(struct copy_nest *nest)
{
    int kept = 0;
    for (int i = 1; i < nest->rank; i++) {
        struct copy_loop *outer = &nest->loops[kept], inner = nest->loops[i];
        if (outer->from == inner.from * inner.n && outer->to == inner.to * inner.n) {
            outer->n *= inner.n;
            outer->from = inner.from;
            outer->to = inner.to;
        } else {
            nest->loops[++kept] = inner;
        }
    }
    if (nest->rank > 0) nest->rank = kept + 1;
}

static struct copy_nest make_nest(const struct pln_tensor *from, const struct pln_tensor *to)
{
    struct copy_nest nest = { .rank = 0 };
    for (int i = 0; i < from->rank; i++) {
        if (from->dims[i] == 1) continue;
        nest.loops[nest.rank++] = (struct copy_loop){ from->dims[i], from->strides[i], to->strides[i] };
    }
    sort_loops(&nest);
    merge_loops(&nest);
    return nest;
}

/* Puts the dim in which the source is densest next to the innermost; returns whether tiles pay. */
static bool choose_inner(struct copy_nest *nest)
{
    const struct copy_loop one = { 1, 0, 0 };
    while (nest->rank < 2) {
        memmove(nest->loops + 1, nest->loops, (size_t)nest->rank * sizeof one);
        nest->loops[0] = one;
        nest->rank++;
        if (nest->rank == 1) nest->loops[0] = (struct copy_loop){ 1, 1, 1 };
    }
    int last = nest->rank - 1, densest = last;
    for (int i = 0; i < last; i++)
        if (nest->loops[i].n > 1 && magnitude(nest->loops[i].from) < magnitude(nest->loops[densest].from)) densest = i;
    if (densest == last || nest->loops[densest].from == 0) return false;
    struct copy_loop loop = nest->loops[densest];
    memmove(nest->loops + densest, nest->loops + densest + 1, (size_t)(last - 1 - densest) * sizeof loop);
    nest->loops[last - 1] = loop;
    return true;
}

static void copy_plane(int size_bytes, bool tiled, char *to, const char *from, const struct copy_loop *loops)
{
    const struct copy_loop *r = &loops[0], *c = &loops[1];
    switch (size_bytes) {
    case 1: (tiled ? tiles_8 : rows_8)(to, from, r, c); break;
    case 2: (tiled ? tiles_16 : rows_16)(to, from, r, c); break;
    case 4:
        if (!tiled || !few_32(to, from, r, c)) (!tiled ? rows_32 : r->from == 1 && c->to == 1 ? squares_32 : tiles_32)(to, from, r, c);
        break;
    case 8: (tiled ? tiles_64 : rows_64)(to, from, r, c); break;
    case 16: (tiled ? tiles_128 : rows_128)(to, from, r, c); break;
    }
}

void pln_tensor_copy(const struct pln_tensor *from, const struct pln_tensor *to)
{
    assert(from->dtype == to->dtype && pln_tensor_same_shape(from, to));
    size_t size_bytes = pln_tensor_bytes(from);
    int bits = pln_dtype_bits(from->dtype);
    if (size_bytes == 0) return;
    if (bits < 8 || (pln_tensor_is_contiguous(from) && pln_tensor_is_contiguous(to))) {
        memmove(to->data, from->data, size_bytes);
        return;
    }
    struct copy_nest nest = make_nest(from, to);
    bool tiled = choose_inner(&nest);
    int outer = nest.rank - 2;
    int64_t at[PLN_MAX_RANK] = { 0 }, elem_bytes = bits / 8;
    const char *source = from->data;
    char *target = to->data;
    for (;;) {
        copy_plane((int)elem_bytes, tiled, target, source, nest.loops + outer);
        int d = outer - 1;
        for (; d >= 0; d--) {
            const struct copy_loop *loop = &nest.loops[d];
            source += loop->from * elem_bytes;
            target += loop->to * elem_bytes;
            if (++at[d] < loop->n) break;
            at[d] = 0;
            source -= loop->from * loop->n * elem_bytes;
            target -= loop->to * loop->n * elem_bytes;
        }
        if (d < 0) return;
    }
}
