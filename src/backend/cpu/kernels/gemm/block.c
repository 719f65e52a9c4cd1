#include "backend/cpu/kernels/gemm/block.h"

enum { PANEL = PLN_GEMM_PANEL };

/* A strip of A (14 x 512 floats: 28 KiB) stays in the first cache while it meets the panels of B. */
#define DEPTH_MAX 512

int64_t pln_gemm_depth(int64_t k)
{
    if (k <= DEPTH_MAX) return PLN_MAX(k, 1);
    int64_t pieces = (k + DEPTH_MAX - 1) / DEPTH_MAX;
    return (k + pieces - 1) / pieces;
}

int64_t pln_gemm_scratch_a(const struct pln_gemm_isa *isa, int64_t k)
{
    return (int64_t)pln_align_up((size_t)(isa->rows * pln_gemm_depth(k)), 16);
}

int64_t pln_gemm_scratch_b(int64_t k, int64_t cols)
{
    return (cols + PANEL - 1) / PANEL * PANEL * pln_gemm_depth(k);
}

/* Where columns [j, j + cols) are, for rows [k0, k0 + kn). */
struct b_view {
    const float *at;
    int64_t stride;
    int64_t cols; /* to the end of the panel */
};

/* Few rows of C: B is read once or twice, so that copying it would cost as much as using it. */
static bool reads_b_in_place(const struct pln_gemm_block *block)
{
    return block->panels == NULL && block->fill_b == NULL && block->b_col == 1 && block->rows <= 2 * block->isa->rows;
}

static void prepare_b(const struct pln_gemm_block *block, int64_t k0, int64_t kn)
{
    if (block->panels != NULL || block->b_ready) return;
    if (block->fill_b != NULL) {
        block->fill_b(block->user, k0, kn, block->scratch_b);
        return;
    }
    /* In place only the last panel is copied: the tiles read whole vectors. */
    int64_t first = reads_b_in_place(block) ? block->cols / PANEL * PANEL : 0;
    if (first < block->cols)
        pln_gemm_pack(block->b + k0 * block->b_row + first * block->b_col, block->b_row, block->b_col, kn,
                      block->cols - first, block->scratch_b + first * kn);
}

static struct b_view view_b(const struct pln_gemm_block *block, int64_t k0, int64_t kn, int64_t j)
{
    if (block->panels != NULL) {
        int64_t panel = (block->panel_col + j) / PANEL, sub = (block->panel_col + j) % PANEL;
        return (struct b_view){ block->panels + (panel * block->k + k0) * PANEL + sub, PANEL, PANEL - sub };
    }
    int64_t panel = j / PANEL, sub = j % PANEL;
    if (reads_b_in_place(block) && (panel + 1) * PANEL <= block->cols)
        return (struct b_view){ block->b + k0 * block->b_row + j, block->b_row, PANEL - sub };
    return (struct b_view){ block->scratch_b + panel * kn * PANEL + sub, PANEL, PANEL - sub };
}

static void prepare_a(const struct pln_gemm_block *block, int64_t row, int64_t n, int64_t k0, int64_t kn,
                      struct pln_gemm_tile *tile)
{
    if (block->fill_a == NULL && block->a_col == 1) {
        tile->a = block->a + row * block->a_row + k0;
        tile->a_stride = block->a_row;
        return;
    }
    tile->a = block->scratch_a;
    tile->a_stride = kn;
    if (block->fill_a != NULL) {
        block->fill_a(block->user, row, n, k0, kn, block->scratch_a);
        return;
    }
    const float *from = block->a + row * block->a_row + k0 * block->a_col;
    for (int64_t k = 0; k < kn; k++)
        for (int64_t i = 0; i < n; i++) block->scratch_a[i * kn + k] = from[i * block->a_row + k * block->a_col];
}

static void run_strip(const struct pln_gemm_block *block, int64_t row, int64_t n, int64_t k0, int64_t kn)
{
    struct pln_gemm_tile tile = { .k = kn, .rows = (int)n, .c_stride = block->c_row, .add = k0 > 0 };
    prepare_a(block, row, n, k0, kn, &tile);
    float *c = block->c + row * block->c_row;
    for (int64_t j = 0; j < block->cols; j += tile.cols) {
        struct b_view b = view_b(block, k0, kn, j);
        tile.b = b.at;
        tile.b_stride = b.stride;
        tile.c = c + j;
        tile.cols = (int)PLN_MIN(PLN_MIN(block->isa->cols, b.cols), block->cols - j);
        block->isa->tile(&tile);
    }
    if (k0 + kn < block->k || !block->epilogue->epilogue->present) return;
    for (int64_t i = 0; i < n; i++) pln_epilogue_row(block->epilogue, row + i, 0, c + i * block->c_row, block->cols);
}

void pln_gemm_block_run(const struct pln_gemm_block *block)
{
    int64_t depth = pln_gemm_depth(block->k), k0 = 0;
    do {
        int64_t kn = PLN_MIN(depth, block->k - k0);
        prepare_b(block, k0, kn);
        for (int64_t row = 0; row < block->rows; row += block->isa->rows)
            run_strip(block, row, PLN_MIN(block->isa->rows, block->rows - row), k0, kn);
        k0 += depth;
    } while (k0 < block->k);
}

void pln_gemm_block_store(const struct pln_gemm_block *block, void *to, bool is_bool, int64_t row_stride,
                          int64_t col_stride)
{
    for (int64_t i = 0; i < block->rows; i++) {
        const float *from = block->c + i * block->c_row;
        if (is_bool) {
            uint8_t *row = (uint8_t *)to + i * row_stride;
            for (int64_t j = 0; j < block->cols; j++) row[j * col_stride] = from[j] != 0.0f;
        } else {
            float *row = (float *)to + i * row_stride;
            for (int64_t j = 0; j < block->cols; j++) row[j * col_stride] = from[j];
        }
    }
}

/* ---- cutting ---- */

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

struct pln_gemm_cut pln_gemm_cut_of(const struct pln_gemm_isa *isa, int64_t m, int64_t n, int64_t k, bool packed)
{
    struct pln_gemm_cut cut = { 0, 0, 0, 0 };
    if (m <= 0 || n <= 0) return cut;
    /* A piece of B (512 x 256 floats: 512 KiB) stays in the second cache while the strips of A pass. A few rows: memory
     * is the limit, and more, smaller blocks share it out better. */
    int64_t cols = m <= isa->rows ? 128 : 256;
    cut.n_col_blocks = divide_up(n, cols);
    cut.cols = divide_up(divide_up(n, cut.n_col_blocks), PANEL) * PANEL;
    cut.n_col_blocks = divide_up(n, cut.cols);
    /* About 4 MFLOP a block: 30 microseconds of one core, so that cores share evenly and starting a block costs
     * nothing. */
    int64_t strips = divide_up(2000000, PLN_MAX(k, 1) * cut.cols * isa->rows);
    /* More rows where B has to be copied first, or fetched from the third cache for every piece of k. */
    if (!packed || k > 2 * DEPTH_MAX) strips = PLN_MAX(strips, 12);
    strips = PLN_MIN(strips, divide_up(m, isa->rows));
    cut.n_row_blocks = divide_up(divide_up(m, isa->rows), strips);
    cut.rows = divide_up(divide_up(m, cut.n_row_blocks), isa->rows) * isa->rows;
    cut.n_row_blocks = divide_up(m, cut.rows);
    return cut;
}
