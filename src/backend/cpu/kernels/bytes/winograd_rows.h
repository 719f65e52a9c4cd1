/* Winograd's transforms of one ISA, for inclusion by functions_rows.h. */

/* Each of 4 rows (or columns) of a patch: x0 - x2, x1 + x2, x2 - x1, x1 - x3. */
static inline void patch_of(const vi *x, int step, vi *to)
{
    const vi x1 = x[step], x2 = x[2 * step];
    to[0] = vi_sub_halves(x[0], x2);
    to[step] = vi_add_halves(x1, x2);
    to[2 * step] = vi_sub_halves(x2, x1);
    to[3 * step] = vi_sub_halves(x1, x[3 * step]);
}

static void patches(const struct pln_bytes_patches *p)
{
    for (int64_t i = 0; i < 2 * p->n; i += 2 * VF_LANES) {
        vi x[PLN_BYTES_POSITIONS];
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++) {
            const int16_t *even = p->from + r * p->row + i, *odd = even + p->phase;
            x[4 * r] = vi_load(even);
            x[4 * r + 1] = vi_load(odd);
            x[4 * r + 2] = vi_load(even + 2);
            x[4 * r + 3] = vi_load(odd + 2);
        }
#pragma GCC unroll 4
        for (int c = 0; c < 4; c++) patch_of(x + c, 4, x + c);
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++) patch_of(x + 4 * r, 1, x + 4 * r);
#pragma GCC unroll 16
        for (int k = 0; k < PLN_BYTES_POSITIONS; k++) vi_store(p->to + k * p->position + i, x[k]);
    }
}

/* Of 3 taps: 2 g0, g0 + g1 + g2, g0 - g1 + g2, 2 g2. */
static inline void window_of(const vi *g, int step, vi *to, int to_step)
{
    const vi ends = vi_add_halves(g[0], g[2 * step]);
    to[0] = vi_add_halves(g[0], g[0]);
    to[to_step] = vi_add_halves(ends, g[step]);
    to[2 * to_step] = vi_sub_halves(ends, g[step]);
    to[3 * to_step] = vi_add_halves(g[2 * step], g[2 * step]);
}

static FOR_EACH_SIZE void window_as(const struct pln_bytes_window *w, const bool is_signed)
{
    const vi zero = vi_set((int32_t)((uint32_t)(uint16_t)w->zero * 0x10001u));
    for (int64_t i = 0; i < w->n; i += 2 * VF_LANES) {
        vi g[9], rows[12], to[4];
#pragma GCC unroll 9
        for (int t = 0; t < 9; t++) {
            const uint8_t *from = w->from + t * w->tap + i;
            g[t] = vi_sub_halves(is_signed ? vi_widen_signed(from) : vi_widen_unsigned(from), zero);
        }
#pragma GCC unroll 3
        for (int c = 0; c < 3; c++) window_of(g + c, 3, rows + c, 3);
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++) {
            window_of(rows + 3 * r, 1, to, 1);
#pragma GCC unroll 4
            for (int c = 0; c < 4; c++) vi_store(w->to + (4 * r + c) * w->position + i, to[c]);
        }
    }
}

static void window(const struct pln_bytes_window *w)
{
    if (w->is_signed) window_as(w, true);
    else window_as(w, false);
}

static void quads(const struct pln_bytes_quads *q)
{
    for (int64_t i = 0; i < q->n; i += VF_LANES) {
        vi rows[2][4];
#pragma GCC unroll 4
        for (int c = 0; c < 4; c++) {
            const int32_t *from = q->from + c * q->position + i;
            const vi m1 = vi_load(from + 4 * q->position), m2 = vi_load(from + 8 * q->position);
            rows[0][c] = vi_add(vi_load(from), vi_add(m1, m2));
            rows[1][c] = vi_sub(vi_sub(m1, m2), vi_load(from + 12 * q->position));
        }
#pragma GCC unroll 2
        for (int r = 0; r < 2; r++) {
            const vi *x = rows[r];
            int32_t even[VF_LANES], odd[VF_LANES], *to = q->to[r] + 2 * i;
            vi_store(even, vi_shift_right(vi_add(x[0], vi_add(x[1], x[2])), 2));
            vi_store(odd, vi_shift_right(vi_sub(vi_sub(x[1], x[2]), x[3]), 2));
            for (int l = 0; l < VF_LANES; l++) {
                to[2 * l] = even[l];
                to[2 * l + 1] = odd[l];
            }
        }
    }
}
