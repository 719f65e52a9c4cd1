/* Running a planned row program. */
#include "backend/cpu/kernels/rowprog/rowprog.h"

static size_t block_floats(const struct pln_rowprog_state *s)
{
    return pln_align_up((size_t)(s->block_rows * s->block_cols), 16);
}

/* Floats of a register that passes share: of a row or, of what goes by blocks, which meet all passes one after the other, of a block. */
static int64_t row_floats(const struct pln_rowprog_state *s)
{
    return PLN_MAX(s->by_rows ? s->cols : 0, s->block_rows * s->block_cols);
}

/* Floats of the runs that values of rows are spread to. */
static size_t spread_floats(const struct pln_rowprog_state *s)
{
    return s->by_rows && s->block_rows > 1 ? 3 * block_floats(s) : 0;
}

size_t pln_rowprog_scratch_bytes(const struct pln_rowprog_state *s)
{
    size_t loaded = (s->code.n_inputs * block_floats(s) + spread_floats(s)) * sizeof(float);
    return loaded + pln_vec_scratch_bytes(&s->code, s->block_rows * s->block_cols, row_floats(s));
}

struct runner {
    const struct pln_rowprog_state *s;
    struct pln_vec_frame frame;
    float *loaded;
    bool kept[PLN_ROWPROG_MAX_OPERANDS];  /* repeated inputs that are loaded */
    int64_t at[PLN_ROWPROG_OPERANDS_MAX]; /* element offsets of the block */
};

static float element(const struct pln_rowprog_place *place, int64_t at)
{
    return place->is_bool ? (float)(((const uint8_t *)place->data)[at] != 0) : ((const float *)place->data)[at];
}

static void load_run(const struct pln_rowprog_place *place, int64_t at, int64_t n, float *to)
{
    if (place->is_bool) {
        const uint8_t *from = (const uint8_t *)place->data + at;
        for (int64_t i = 0; i < n; i++) to[i] = (float)(from[i * place->col] != 0);
    } else if (place->col == 1) {
        memcpy(to, (const float *)place->data + at, (size_t)n * sizeof(float));
    } else {
        const float *from = (const float *)place->data + at;
        for (int64_t i = 0; i < n; i++) to[i] = from[i * place->col];
    }
}

/* Columns that are fetched ahead: steps of a page or so are none that the processor foresees. */
#define AHEAD 16

/* Rows that lie beside each other: each cache line is met once. */
static void load_turned(const struct pln_rowprog_place *place, int64_t at, int64_t rows, int64_t cols, float *to)
{
    const float *from = (const float *)place->data + at;
    for (int64_t i = 0; i < cols; i++, from += place->col) {
        if (i + AHEAD < cols) __builtin_prefetch(from + AHEAD * place->col);
        for (int64_t row = 0; row < rows; row++) to[row * cols + i] = from[row];
    }
}

static void load_input(struct runner *r, int i, int64_t rows, int64_t cols)
{
    const struct pln_rowprog_state *s = r->s;
    const struct pln_rowprog_place *place = &s->places[i];
    unsigned reg = s->code.input_reg[i];
    float *loaded = r->loaded + (size_t)i * block_floats(s);
    const bool same = place->row == 0 || rows == 1;
    if (place->col == 0 && (same || s->code.splat[reg])) {
        /* Also of a row without elements: what is one value for a row is an output of it all the same. */
        if (!place->is_empty && same) pln_vec_set_splat(&r->frame, reg, element(place, r->at[i]));
        if (!place->is_empty && !same)
            for (int64_t row = 0; row < rows; row++) r->frame.write[reg][row] = element(place, r->at[i] + row * place->row);
        r->frame.read[reg] = r->frame.write[reg];
        r->frame.step[reg] = 0;
        r->frame.same[reg] = same;
        return;
    }
    r->frame.step[reg] = 1;
    if (!place->is_bool && place->col == 1 && (rows == 1 || place->row == cols)) {
        r->frame.read[reg] = (const float *)place->data + r->at[i];
        return;
    }
    r->frame.read[reg] = loaded;
    if (r->kept[i]) return;
    if (!place->is_bool && place->row == 1 && place->col > 1) load_turned(place, r->at[i], rows, cols, loaded);
    else
        for (int64_t row = 0; row < rows; row++) load_run(place, r->at[i] + row * place->row, cols, loaded + row * cols);
    r->kept[i] = place->repeats && rows == s->block_rows;
}

static void store_run(const struct pln_rowprog_place *place, int64_t at, const float *from, size_t step, int64_t n)
{
    if (place->is_bool) {
        uint8_t *to = (uint8_t *)place->data + at;
        for (int64_t i = 0; i < n; i++) to[i * place->col] = from[(size_t)i * step] != 0.0f;
    } else {
        float *to = (float *)place->data + at;
        for (int64_t i = 0; i < n; i++) to[i * place->col] = from[(size_t)i * step];
    }
}

static void store_output(struct runner *r, int o, int64_t from_col, int64_t rows, int64_t cols)
{
    const struct pln_rowprog_state *s = r->s;
    int k = s->code.n_inputs + o;
    unsigned reg = s->code.output_reg[o];
    const float *from = r->frame.read[reg] + (s->code.row[reg] ? from_col : 0);
    size_t step = r->frame.step[reg];
    for (int64_t row = 0; row < rows; row++)
        store_run(&s->places[k], r->at[k] + row * s->places[k].row, from + (size_t)(row * cols) * step, step, cols);
}

static void aim_outputs(struct runner *r)
{
    const struct pln_rowprog_state *s = r->s;
    for (int o = 0; o < s->code.n_outputs; o++) {
        if (!s->direct[o]) continue;
        int k = s->code.n_inputs + o;
        float *to = (float *)s->places[k].data + r->at[k];
        r->frame.write[s->code.output_reg[o]] = to;
        r->frame.read[s->code.output_reg[o]] = to;
    }
}

/* ---- blocks ---- */

void pln_rowprog_block(const struct pln_rowprog_state *s, int64_t task, int64_t *at, int64_t *out_rows, int64_t *out_cols)
{
    int64_t col = task % s->n_col_blocks * s->block_cols;
    task /= s->n_col_blocks;
    int64_t row = task % s->n_row_blocks * s->block_rows;
    task /= s->n_row_blocks;
    for (int k = 0; k < s->n_places; k++) at[k] = row * s->places[k].row + col * s->places[k].col;
    for (int d = s->n_outer - 1; d >= 0; d--) {
        int64_t index = task % s->outer[d];
        task /= s->outer[d];
        for (int k = 0; k < s->n_places; k++) at[k] += index * s->places[k].outer[d];
    }
    *out_rows = PLN_MIN(s->block_rows, s->rows - row);
    *out_cols = PLN_MIN(s->block_cols, s->cols - col);
}

static void run_block(struct runner *r, int64_t task)
{
    const struct pln_rowprog_state *s = r->s;
    int64_t rows, cols;
    pln_rowprog_block(s, task, r->at, &rows, &cols);
    for (int i = 0; i < s->code.n_inputs; i++) load_input(r, i, rows, cols);
    aim_outputs(r);
    for (unsigned pass = 0; pass < s->code.n_passes; pass++) pln_vec_run(&r->frame, pass, 0, rows * cols);
    for (int o = 0; o < s->code.n_outputs; o++)
        if (!s->direct[o]) store_output(r, o, 0, rows, cols);
}

/* ---- rows ---- */

static void run_pass(struct runner *r, unsigned pass, int64_t rows)
{
    const struct pln_rowprog_state *s = r->s;
    int64_t start[PLN_ROWPROG_OPERANDS_MAX];
    memcpy(start, r->at, sizeof start);
    int64_t col = 0;
    do {
        int64_t cols = PLN_MIN(s->block_cols, s->cols - col);
        for (int k = 0; k < s->n_places; k++) r->at[k] = start[k] + col * s->places[k].col;
        for (int i = 0; i < s->code.n_inputs; i++) load_input(r, i, rows, cols);
        aim_outputs(r);
        pln_vec_run(&r->frame, pass, col, rows * cols);
        for (int o = 0; o < s->code.n_outputs; o++)
            if (s->born[o] == pass && !s->direct[o] && !s->code.splat[s->code.output_reg[o]])
                store_output(r, o, col, rows, cols);
        col += cols;
    } while (col < s->cols);
    memcpy(r->at, start, sizeof start);
    if (rows == 1) pln_vec_end_pass(&r->frame, pass, s->cols);
}

static void run_rows(struct runner *r, int64_t task)
{
    const struct pln_rowprog_state *s = r->s;
    int64_t rows, cols;
    pln_rowprog_block(s, task, r->at, &rows, &cols);
    r->frame.rows = rows;
    for (unsigned pass = 0; pass < s->code.n_passes; pass++) run_pass(r, pass, rows);
    for (int o = 0; o < s->code.n_outputs; o++) {
        unsigned reg = s->code.output_reg[o];
        const struct pln_rowprog_place *place = &s->places[s->code.n_inputs + o];
        if (!s->code.splat[reg]) continue;
        /* One value: once where the output has no row axis, else all along it. */
        for (int64_t row = 0; row < rows; row++)
            store_run(place, r->at[s->code.n_inputs + o] + row * place->row, r->frame.read[reg] + row, 0, place->col == 0 ? 1 : s->cols);
    }
}

void pln_rowprog_run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    struct runner r = { .s = state, .loaded = scratch };
    float *spread = r.loaded + r.s->code.n_inputs * block_floats(r.s), *rest = spread + spread_floats(r.s);
    pln_vec_bind(&r.s->code, r.s->isa, r.s->block_rows * r.s->block_cols, row_floats(r.s), rest, &r.frame);
    r.frame.spread = spread;
    for (int64_t task = first; task < last; task++) {
        if (r.s->by_rows)
            run_rows(&r, task);
        else
            run_block(&r, task);
    }
}
