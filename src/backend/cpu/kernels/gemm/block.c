#include "backend/cpu/kernels/gemm/block.h"

enum { PANEL = PLN_GEMM_PANEL, WIDE = PLN_GEMM_PANEL_WIDE };

/* Steps of k between two fetches of a tile. */
#define STEPS 8
/* Rows of A, and what of it stays in the second cache: 384 KiB. */
#define ROWS_MAX 240
#define A_FLOATS (96 * 1024)
/* Columns of a task, two panels, and of a block. */
#define TASK_PANELS 2
#define BLOCK_COLS 1024
/* Where B has to be copied, its piece stays in the second cache, too. */
#define PLAIN_COLS 256

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

int64_t pln_gemm_depth(const struct pln_gemm_isa *isa, int64_t k)
{
    return k <= isa->depth ? PLN_MAX(k, 1) : divide_up(k, divide_up(k, isa->depth));
}

int64_t pln_gemm_scratch_a(const struct pln_gemm_isa *isa, int64_t rows, int64_t k)
{
    return (int64_t)pln_align_up((size_t)(rows * pln_gemm_depth(isa, k)), 16);
}

int64_t pln_gemm_scratch_b(const struct pln_gemm_isa *isa, int64_t k, int64_t cols)
{
    return (divide_up(cols, PANEL) + 1) * PANEL * pln_gemm_depth(isa, k);
}

int64_t pln_gemm_epilogue_cols(int64_t cols)
{
    return cols > PLN_GEMM_EPILOGUE_COLS ? PLN_GEMM_EPILOGUE_COLS : PLN_EPILOGUE_RUN;
}

/* A piece of k, ready: where A lies, and how many columns of B in wide panels. */
struct piece {
    int64_t k0, kn;
    const float *a;
    int64_t a_row;
    int64_t wide_cols;
};

/* Few rows of C: B is read once or twice, so that copying it would cost as much as using it. */
static bool reads_b_in_place(const struct pln_gemm_block *block)
{
    return block->panels == NULL && block->fill_b == NULL && block->b_col == 1 && block->rows <= 2 * block->isa->rows;
}

static void prepare_b(const struct pln_gemm_block *block, struct piece *piece)
{
    const int64_t k0 = piece->k0, kn = piece->kn;
    const bool in_place = reads_b_in_place(block);
    piece->wide_cols = block->wide_cols;
    if (block->panels != NULL) return;
    if (block->fill_b != NULL) {
        block->fill_b(block->user, k0, kn, block->scratch_b);
        return;
    }
    /* In place only the last panel is copied: the tiles read whole vectors. */
    const int panel = in_place ? PANEL : pln_gemm_isa_panel(block->isa);
    const int64_t first = in_place ? block->cols / PANEL * PANEL : 0;
    piece->wide_cols = pln_gemm_wide_cols(panel, block->cols);
    if (first < block->cols)
        pln_gemm_pack(panel, block->b + k0 * block->b_row + first * block->b_col, block->b_row, block->b_col, kn,
                      block->cols - first, block->scratch_b + first * kn);
}

/* Columns j and on below end, as many as a tile takes. Panels need not begin with the block, so that tiles need not end with a whole number of them. */
static void place_b(const struct pln_gemm_block *block, const struct piece *piece, int64_t j, int64_t end, struct pln_gemm_tile *tile)
{
    const int64_t lanes = block->isa->cols / 2, in_place = block->cols / PANEL * PANEL;
    int64_t cols = block->isa->cols;
    if (reads_b_in_place(block) && j < in_place) {
        tile->b = block->b + piece->k0 * block->b_row + j;
        tile->b_second = tile->b + lanes;
        tile->b_stride = block->b_row;
        cols = PLN_MIN(cols, in_place - j);
    } else {
        const bool packed = block->panels != NULL;
        const int64_t at = packed ? block->panel_col + j : j, k = packed ? block->k : piece->kn, k0 = packed ? piece->k0 : 0;
        const struct pln_gemm_panel panel = pln_gemm_panel_of(piece->wide_cols, at);
        const int64_t sub = at - panel.first, left = panel.width - sub;
        tile->b = (packed ? block->panels : block->scratch_b) + panel.first * k + k0 * panel.width + sub;
        tile->b_stride = panel.width;
        /* The second vector lies beside the first, or begins the next panel, of as many columns, where the first ends this one. */
        const bool crosses = panel.width == PANEL && left == lanes;
        tile->b_second = tile->b + (crosses ? PANEL * k - sub : lanes);
        if (sub == 0 && panel.width == WIDE && block->isa->wide_rows > 0) cols = WIDE;
        else if (!crosses) cols = PLN_MIN(cols, left);
    }
    tile->cols = (int)PLN_MIN(cols, end - j);
}

bool pln_gemm_reads_a_in_place(int64_t a_row, int64_t a_col)
{
    /* A page apart (or several), all rows fall onto the same places of the first cache. */
    return a_col == 1 && a_row % 1024 != 0;
}

static void prepare_a(const struct pln_gemm_block *block, struct piece *piece)
{
    const int64_t k0 = piece->k0, kn = piece->kn;
    const bool few = block->a_col == 1 && (block->rows <= block->isa->rows || block->cols <= block->isa->cols);
    if (block->fill_a == NULL && (few || pln_gemm_reads_a_in_place(block->a_row, block->a_col))) {
        piece->a = block->a + k0;
        piece->a_row = block->a_row;
        return;
    }
    piece->a = block->scratch_a;
    piece->a_row = kn;
    float *to = block->scratch_a;
    if (block->fill_a != NULL) {
        block->fill_a(block->user, 0, block->rows, k0, kn, to);
        return;
    }
    const float *from = block->a + k0 * block->a_col;
    if (block->a_col == 1) {
        for (int64_t i = 0; i < block->rows; i++) memcpy(to + i * kn, from + i * block->a_row, (size_t)kn * sizeof *to);
        return;
    }
    for (int64_t row = 0; row < block->rows; row += 16)
        for (int64_t k = 0; k < kn; k++)
            for (int64_t i = row; i < PLN_MIN(row + 16, block->rows); i++)
                to[i * kn + k] = from[i * block->a_row + k * block->a_col];
}

/* Packed weights come from memory: while several tiles meet the same columns, those of the next are fetched. */
static void fetch_ahead(const struct pln_gemm_block *block, const struct piece *piece, int64_t strips, struct pln_gemm_tile *tile)
{
    tile->ahead[0] = tile->ahead[1] = (const char *)piece->a;
    tile->ahead_step = 0;
    if (block->panels == NULL || strips < 2) return;
    const bool two = block->isa->cols > PANEL;
    tile->ahead_step = STEPS * tile->b_stride * (int64_t)sizeof(float) / strips;
    tile->ahead[0] = (const char *)(tile->b + (two ? 2 : 1) * tile->b_stride * block->k);
    tile->ahead[1] = two ? (const char *)(tile->b_second + 2 * PANEL * block->k) : tile->ahead[0] + 64; /* the next cache line */
}

/* Strips of `rows` rows from row on. finish: with the epilogue. */
static void run_strips(const struct pln_gemm_block *block, const struct piece *piece, int64_t row, int64_t rows, int64_t strips, int64_t j, bool finish, struct pln_gemm_tile *tile)
{
    if (strips == 0 || rows == 0) return;
    tile->rows = (int)rows;
    tile->strips = strips;
    tile->a = piece->a + row * piece->a_row;
    tile->c = block->c + row * block->c_row + j;
    if (finish) pln_epilogue_finish(block->epilogue, row, j, &tile->finish);
    block->isa->tile(tile);
    for (int i = 0; i < 2; i++) tile->ahead[i] += strips * (piece->kn / STEPS) * tile->ahead_step;
}

/* Columns [j, end), in as few strips of rows as the tile allows, of even heights: in a low one every product waits for
 * the one before it. */
static void multiply(const struct pln_gemm_block *block, const struct piece *piece, int64_t j, int64_t end, bool finish)
{
    struct pln_gemm_tile tile = { .k = piece->kn, .a_stride = piece->a_row, .c_stride = block->c_row, .add = piece->k0 > 0 };
    for (; j < end; j += tile.cols) {
        place_b(block, piece, j, end, &tile);
        const int64_t strips = divide_up(block->rows, tile.cols > block->isa->cols ? block->isa->wide_rows : block->isa->rows);
        const int64_t low = strips > 0 ? block->rows / strips : 0, n_high = block->rows - low * strips;
        fetch_ahead(block, piece, strips, &tile);
        run_strips(block, piece, 0, low + 1, n_high, j, finish, &tile);
        run_strips(block, piece, n_high * (low + 1), low, strips - n_high, j, finish, &tile);
    }
}

/* So few rows that what limits them is how fast packed weights come from memory. */
static bool has_few_rows(const struct pln_gemm_block *block)
{
    return block->rows > 0 && block->rows <= PLN_GEMM_FEW_ROWS && block->panels != NULL;
}

/* Columns from j on, as many as whole panels side by side have, below `end`; returns where they end. */
static int64_t multiply_panels(const struct pln_gemm_block *block, const struct piece *piece, int64_t j, int64_t end, bool wide)
{
    const int64_t width = wide ? WIDE : PANEL, cols = pln_gemm_few_panels((int)block->rows, wide) * width;
    struct pln_gemm_few few = { .a = piece->a, .a_stride = piece->a_row, .k = piece->kn, .panel = block->k * width, .wide = wide, .c_stride = block->c_row,
                                .rows = (int)block->rows, .add = piece->k0 > 0 };
    if (pln_gemm_panel_of(block->wide_cols, block->panel_col + j).first != block->panel_col + j) return j;
    for (; j + cols <= end; j += cols) {
        few.b = block->panels + (block->panel_col + j) * block->k + piece->k0 * width;
        few.c = block->c + j;
        block->isa->few(&few);
    }
    return j;
}

/* Columns from 0 on; returns how many. */
static int64_t multiply_few(const struct pln_gemm_block *block, const struct piece *piece)
{
    const int64_t wide = PLN_MIN(PLN_MAX(block->wide_cols - block->panel_col, 0), block->cols), done = multiply_panels(block, piece, 0, wide, true);
    return done < wide ? done : multiply_panels(block, piece, done, block->cols, false);
}

void pln_gemm_block_run(const struct pln_gemm_block *block)
{
    const int64_t depth = pln_gemm_depth(block->isa, block->k);
    struct piece piece = { 0 };
    do {
        piece.kn = PLN_MIN(depth, block->k - piece.k0);
        const bool last = piece.k0 + depth >= block->k && block->epilogue->epilogue->present;
        const bool few = has_few_rows(block), finish = last && !few && pln_epilogue_finishes(block->epilogue->epilogue);
        prepare_b(block, &piece);
        prepare_a(block, &piece);
        const int64_t done = few ? multiply_few(block, &piece) : 0;
        for (int64_t j = 0; j < block->cols; j += PLN_GEMM_EPILOGUE_COLS) {
            const int64_t end = PLN_MIN(j + PLN_GEMM_EPILOGUE_COLS, block->cols);
            multiply(block, &piece, PLN_MAX(j, done), end, finish);
            if (last && !finish) pln_epilogue_rows(block->epilogue, 0, block->rows, j, block->c + j, block->c_row, end - j);
        }
        piece.k0 += depth;
    } while (piece.k0 < block->k);
}

void pln_gemm_block_store(const struct pln_gemm_block *block, void *to, int64_t at, bool is_bool, int64_t row_stride,
                          int64_t col_stride)
{
    for (int64_t i = 0; i < block->rows; i++) {
        const float *from = block->c + i * block->c_row;
        if (is_bool) {
            uint8_t *row = (uint8_t *)to + at + i * row_stride;
            for (int64_t j = 0; j < block->cols; j++) row[j * col_stride] = from[j] != 0.0f;
        } else {
            float *row = (float *)to + at + i * row_stride;
            for (int64_t j = 0; j < block->cols; j++) row[j * col_stride] = from[j];
        }
    }
}

/* ---- cutting ---- */

/* Few rows are worth a panel's way to the first cache. */
#define STRIPS_MIN 4
/* Where columns make fewer tasks, rows make more: of three tasks two threads get one and two. */
#define TASKS_LEAST 8
/* Tasks of a product whose rows are copied: enough for a handful of threads, few enough that copying is done with. */
#define COPIED_TASKS 12
#define COPIED_COLS  256

/* Narrower blocks copy the same rows more often, lower ones read the same panels more often. */
static void cut_copied(const struct pln_gemm_isa *isa, int panel, struct pln_gemm_cut *cut)
{
    const int64_t row_blocks_most = PLN_MAX(cut->m / (STRIPS_MIN * isa->rows), 1), most = COPIED_COLS / (2 * panel) * 2 * panel;
    for (int64_t cols = most; cols >= most / 2; cols /= 2) {
        cut->cols = PLN_MIN(cols, divide_up(cut->n, panel) * panel);
        cut->n_col_blocks = divide_up(cut->n, cut->cols);
        cut->n_row_blocks = PLN_MIN(divide_up(COPIED_TASKS, cut->n_col_blocks), row_blocks_most);
        if (cut->n_row_blocks * cut->n_col_blocks >= COPIED_TASKS) return;
    }
}

struct pln_gemm_cut pln_gemm_cut_of(const struct pln_gemm_isa *isa, int panel, int64_t m, int64_t n, int64_t k, bool packed, bool in_place)
{
    struct pln_gemm_cut cut = { .m = m, .n = n };
    if (m <= 0 || n <= 0) return cut;
    if (in_place || m <= isa->rows) {
        cut.cols = PLN_MIN(TASK_PANELS * panel, divide_up(n, panel) * panel);
        cut.n_col_blocks = divide_up(n, cut.cols);
        cut.n_row_blocks = PLN_MIN(divide_up(TASKS_LEAST, cut.n_col_blocks), PLN_MAX(m / (STRIPS_MIN * isa->rows), 1));
    } else {
        cut_copied(isa, panel, &cut);
    }
    const int64_t rows_most = in_place ? ROWS_MAX : PLN_MIN(ROWS_MAX, A_FLOATS / pln_gemm_depth(isa, k));
    cut.n_row_blocks = PLN_MAX(cut.n_row_blocks, divide_up(m, rows_most));
    /* Whole tiles of both heights: 6 and 4 rows. */
    const int64_t unit = panel == WIDE ? 2 * isa->rows : isa->rows;
    cut.rows = divide_up(divide_up(m, cut.n_row_blocks), unit) * unit;
    cut.n_row_blocks = divide_up(m, cut.rows);
    cut.cols_most = PLN_MIN(packed ? BLOCK_COLS : PLAIN_COLS, cut.n_col_blocks * cut.cols);
    return cut;
}

int64_t pln_gemm_tasks(const struct pln_gemm_cut *cut)
{
    return cut->n_row_blocks * cut->n_col_blocks;
}

int64_t pln_gemm_grain(const struct pln_gemm_cut *cut, int64_t k)
{
    /* Small products, as those of attention heads, are handed out by the dozen. */
    const double flops = 2.0 * (double)cut->rows * (double)cut->cols * (double)PLN_MAX(k, 1);
    return 1 + (int64_t)(1e6 / PLN_MAX(flops, 1.0));
}

struct pln_gemm_span pln_gemm_span_of(const struct pln_gemm_cut *cut, int64_t task, int64_t last)
{
    const int64_t block = task % cut->n_col_blocks, rest = task / cut->n_col_blocks;
    struct pln_gemm_span span = { .outer = rest / cut->n_row_blocks, .row = rest % cut->n_row_blocks * cut->rows, .col = block * cut->cols };
    span.tasks = PLN_MIN(PLN_MIN(last - task, cut->n_col_blocks - block), cut->cols_most / cut->cols);
    span.rows = PLN_MIN(cut->rows, cut->m - span.row);
    span.cols = PLN_MIN(span.tasks * cut->cols, cut->n - span.col);
    return span;
}
