/* MatMulInteger and QLinearMatMul. Rows of A and a panel of B are turned into pairs, PLN_BYTES_DEPTH steps at a time. */
#include "backend/cpu/kernels/bytes/bytes.h"
#include "backend/cpu/kernels/vec/epilogue.h"

/* Columns of a panel and of a task; columns that are worked on with the same rows of A; rows of a task. */
enum { PANEL = 16, TASK_COLS = 64, BLOCK_COLS = 192, ROWS_MOST = 192 };

/* ---- weights: panels of 16 columns, one behind the other, of lines: 16 pairs of steps 2p and 2p + 1 as bytes. What lies past n and k is zero ---- */

static bool pairs_bytes(const struct pln_tensor *plain, size_t *out_bytes)
{
    int64_t n, k;
    *out_bytes = 0;
    if (plain->rank != 2 || !pln_bytes_is(plain->dtype) || !pln_tensor_is_contiguous(plain)) return false;
    if (!pln_add_i64(plain->dims[1], PANEL - 1, &n) || !pln_add_i64(plain->dims[0], plain->dims[0] % 2, &k) || !pln_mul_i64(n / PANEL * PANEL, k, &n)) return false;
    *out_bytes = (size_t)n;
    return true;
}

static void pairs_pack(const struct pln_tensor *plain, void *packed)
{
    const int64_t k = plain->dims[0], n = plain->dims[1];
    const uint8_t *from = plain->data;
    uint8_t *to = packed;
    for (int64_t j = 0; j < n; j += PANEL)
        for (int64_t i = 0; i < k; i += 2)
            for (int64_t c = j; c < j + PANEL; c++) {
                *to++ = c < n ? from[i * n + c] : 0;
                *to++ = c < n && i + 1 < k ? from[(i + 1) * n + c] : 0;
            }
}

static void pairs_unpack(const void *packed, const struct pln_tensor *plain)
{
    const int64_t k = plain->dims[0], n = plain->dims[1];
    const uint8_t *from = packed;
    uint8_t *to = plain->data;
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < n; j++) to[i * n + j] = from[(j / PANEL * ((k + 1) / 2) + i / 2) * 2 * PANEL + j % PANEL * 2 + i % 2];
}

static const struct pln_pack_format pairs_format = { "bytes_kn_n16_v2", pairs_bytes, pairs_pack, pairs_unpack };

static const struct pln_pack_format *pack_format(const struct pln_kernel *kernel)
{
    (void)kernel;
    return &pairs_format;
}

/* ---- what fits ---- */

/* Numbers of inputs: a and b, their zero points and, of a quantized product, scales; and those of the result. */
struct places {
    int a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero; /* -1: there is none */
};

static const struct places *places_of(unsigned op)
{
    static const struct places integer = { 0, -1, 2, 1, -1, 3, -1, -1 }, quantized = { 0, 1, 2, 3, 4, 5, 6, 7 };
    return op == PLN_OP_MATMUL_INTEGER ? &integer : &quantized;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const struct places *at = places_of(problem->op);
    (void)kernel;
    if (problem->n_inputs <= at->b || problem->n_outputs != 1) return "wrong number of operands";
    const struct pln_operand *a = &problem->inputs[at->a], *b = &problem->inputs[at->b];
    if (!pln_bytes_is(a->dtype) || !pln_bytes_is(b->dtype)) return "an operand is not of bytes";
    if (a->rank < 2 || b->rank < 2) return "an operand is a vector";
    if (b->constant && b->rank != 2) return "constant matrices";
    if (b->dims[b->rank - 2] > PLN_BYTES_K_MOST) return "sums of more terms than 32 bits hold";
    if (problem->op == PLN_OP_QLINEAR_MATMUL && (problem->n_inputs < 8 || !pln_bytes_is(problem->outputs[0].dtype))) return "the result is not of bytes";
    const int64_t n = b->rank == 2 ? b->dims[1] : -1;
    const bool fits = pln_bytes_parameter_fits(problem, at->a_zero, false, -1) && pln_bytes_parameter_fits(problem, at->b_zero, false, n) &&
                      pln_bytes_parameter_fits(problem, at->a_scale, true, -1) && pln_bytes_parameter_fits(problem, at->b_scale, true, n) &&
                      pln_bytes_parameter_fits(problem, at->y_scale, true, -1) && pln_bytes_parameter_fits(problem, at->y_zero, false, -1);
    return fits ? NULL : "a scale or zero point a row, or of another type";
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const struct places *at = places_of(problem->op);
    const struct pln_operand *b = &problem->inputs[at->b], *y = &problem->outputs[0];
    double m = 1;
    for (int i = 0; i < y->rank - 1; i++) m *= y->dims[i] < 0 ? 128.0 : (double)y->dims[i];
    for (int i = b->rank - 2; i < b->rank; i++) m *= b->dims[i] < 0 ? 128.0 : (double)b->dims[i];
    return 2 * m / ((double)kernel->tile[1] * 4 * 2.5 * (kernel->needs != 0 ? 2 : 0.5)) + 500;
}

/* ---- prepare ---- */

struct product_state {
    const struct pln_bytes_isa *isa;
    int64_t m, n, k;
    const uint8_t *a, *b;
    char *y;
    bool packed, quantizes, a_signed, b_signed;
    struct pln_bytes_parameter a_zero, b_zero;
    struct pln_bytes_result result;
    /* Matrices that do not share B, outermost first: strides in matrices. */
    int n_batch;
    int64_t batch[PLN_MAX_RANK], a_batch[PLN_MAX_RANK], b_batch[PLN_MAX_RANK];
    int64_t rows, n_row_blocks, n_col_blocks, cols_most;
    int64_t a_row, b_line, c_row;               /* of scratch */
    size_t a_bytes, b_bytes, c_bytes, y_bytes; /* of its parts */
};

/* Tasks are numbered along the columns first, so that those that one thread takes in a row share the rows of A. */
static void cut(struct product_state *s, struct pln_prepared *prepared)
{
    const int64_t row_blocks = PLN_MAX((s->m + ROWS_MOST - 1) / ROWS_MOST, 1), depth = PLN_MIN(s->k + s->k % 2, PLN_BYTES_DEPTH);
    s->rows = ((s->m + row_blocks - 1) / row_blocks + s->isa->rows - 1) / s->isa->rows * s->isa->rows;
    s->n_row_blocks = s->rows > 0 ? (s->m + s->rows - 1) / s->rows : 0;
    s->n_col_blocks = (s->n + TASK_COLS - 1) / TASK_COLS;
    s->cols_most = s->packed ? PLN_MIN(BLOCK_COLS, s->n_col_blocks * TASK_COLS) : TASK_COLS;
    s->a_row = depth + 16; /* rows of a power of two bytes would meet in one place of the cache */
    s->b_line = 2 * (s->packed ? s->isa->cols : TASK_COLS + PANEL);
    s->c_row = s->cols_most;
    s->a_bytes = pln_align_up((size_t)(PLN_MIN(s->rows, s->m) * s->a_row) * sizeof(int16_t), 64);
    s->b_bytes = pln_align_up((size_t)(depth / 2 * s->b_line + 2 * PLN_BYTES_SLACK) * sizeof(int16_t), 64);
    s->c_bytes = pln_align_up((size_t)(PLN_MIN(s->rows, s->m) * s->c_row) * sizeof(int32_t), 64);
    s->y_bytes = s->quantizes ? pln_bytes_result_bytes(s->cols_most) : 0;
    prepared->n_tasks = s->n_row_blocks * s->n_col_blocks;
    for (int d = 0; d < s->n_batch; d++) prepared->n_tasks *= s->batch[d];
    prepared->grain = 1 + (int64_t)(1e6 / (2.0 * (double)s->rows * TASK_COLS * (double)(s->k + 1)));
    if (s->packed && s->m > 4 * s->isa->rows) prepared->grain = PLN_MAX(prepared->grain, PLN_MIN(s->n_col_blocks, 3));
    prepared->scratch_bytes = s->a_bytes + s->b_bytes + s->c_bytes + s->y_bytes + (size_t)s->cols_most * sizeof(int16_t);
}

static bool read_parameters(const struct pln_launch *launch, const struct places *at, struct product_state *s)
{
    const int64_t n = launch->inputs[at->b].rank == 2 ? s->n : 1;
    return pln_bytes_parameter_read(launch, at->a_scale, true, 1, &s->result.x_scale) && pln_bytes_parameter_read(launch, at->a_zero, false, 1, &s->a_zero) &&
           pln_bytes_parameter_read(launch, at->b_scale, true, n, &s->result.w_scale) && pln_bytes_parameter_read(launch, at->b_zero, false, n, &s->b_zero) &&
           pln_bytes_parameter_read(launch, at->y_scale, true, 1, &s->result.y_scale) && pln_bytes_parameter_read(launch, at->y_zero, false, 1, &s->result.y_zero);
}

/* Strides over the output's batch dims, in matrices. */
static bool batch_strides(const struct pln_tensor *tensor, const struct pln_tensor *output, int64_t *out_strides)
{
    struct pln_tensor front = *tensor, out_front = *output;
    front.rank -= 2;
    out_front.rank -= 2;
    pln_tensor_set_contiguous(&front);
    return pln_epilogue_broadcast(&front, &out_front, out_strides);
}

static bool read_shapes(const struct pln_tensor *a, const struct pln_tensor *b, const struct pln_tensor *y, struct product_state *s)
{
    const int rank = PLN_MAX(a->rank, b->rank);
    int64_t dims[PLN_MAX_RANK];
    int batch_rank = 0;
    s->m = a->dims[a->rank - 2];
    s->k = a->dims[a->rank - 1];
    s->n = b->dims[b->rank - 1];
    if (b->dims[b->rank - 2] != s->k || s->k > PLN_BYTES_K_MOST || y->rank != rank || y->dims[rank - 2] != s->m || y->dims[rank - 1] != s->n) return false;
    if (!pln_shape_broadcast(a->rank - 2, a->dims, b->rank - 2, b->dims, &batch_rank, dims) || memcmp(dims, y->dims, (size_t)batch_rank * sizeof dims[0]) != 0 ||
        !batch_strides(a, y, s->a_batch) || !batch_strides(b, y, s->b_batch))
        return false;
    memcpy(s->batch, y->dims, (size_t)batch_rank * sizeof dims[0]);
    s->n_batch = batch_rank;
    /* One matrix B for all makes rows of the batch. */
    if (b->rank == 2) {
        for (int d = 0; d < batch_rank; d++) s->m *= s->batch[d];
        s->n_batch = 0;
    }
    return true;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct product_state *s = state_memory;
    const struct places *at = places_of(launch->op);
    size_t bytes = 0;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    s->quantizes = launch->op == PLN_OP_QLINEAR_MATMUL;
    if (launch->n_inputs <= at->b || launch->n_outputs != 1 || (s->quantizes && launch->n_inputs < 8)) return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    const struct pln_tensor *a = &launch->inputs[at->a], *b = &launch->inputs[at->b], *y = &launch->outputs[0];
    s->packed = launch->packed_bytes != 0;
    if (s->packed && (!pairs_bytes(b, &bytes) || bytes != launch->packed_bytes)) return pln_fail(diag, PLN_BAD_PLAN, "%s: these are no packed weights of bytes", kernel->name);
    if (!pln_bytes_is(a->dtype) || !pln_bytes_is(b->dtype) || a->rank < 2 || b->rank < 2 || !pln_tensor_is_contiguous(a) || !pln_tensor_is_contiguous(b) || !pln_tensor_is_contiguous(y) ||
        (s->quantizes ? !pln_bytes_is(y->dtype) : y->dtype != PLN_I32) || !read_shapes(a, b, y, s) || !read_parameters(launch, at, s))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: operands, parameters and output do not fit", kernel->name);
    s->isa = ((pln_bytes_isa_fn)kernel->micro)();
    s->a = a->data;
    s->b = b->data;
    s->y = y->data;
    s->a_signed = a->dtype == PLN_I8;
    s->b_signed = b->dtype == PLN_I8;
    s->result.k = s->k;
    s->result.is_signed = y->dtype == PLN_I8;
    cut(s, out_prepared);
    return PLN_OK;
}

/* ---- run ---- */

/* What is computed at a time, and where: matrices, rows [row, row + rows), columns [col, col + cols). */
struct span {
    const uint8_t *a, *b;
    char *y;
    int64_t row, rows, col, cols, tasks;
    int16_t *a_pairs, *b_pairs, *zeros;
    int32_t *sums;
    void *numbers;
};

static void read_span(const struct product_state *s, int64_t task, int64_t last, struct span *span)
{
    const int64_t col_block = task % s->n_col_blocks, size = s->quantizes ? 1 : (int64_t)sizeof(int32_t);
    int64_t rest = task / s->n_col_blocks, a_matrix = 0, b_matrix = 0;
    span->row = rest % s->n_row_blocks * s->rows;
    span->rows = PLN_MIN(s->rows, s->m - span->row);
    span->col = col_block * TASK_COLS;
    span->tasks = PLN_MIN(PLN_MIN(last - task, s->n_col_blocks - col_block), s->cols_most / TASK_COLS);
    span->cols = PLN_MIN(span->tasks * TASK_COLS, s->n - span->col);
    rest /= s->n_row_blocks;
    span->y = s->y + rest * s->m * s->n * size;
    for (int d = s->n_batch - 1; d >= 0; d--) {
        a_matrix += rest % s->batch[d] * s->a_batch[d];
        b_matrix += rest % s->batch[d] * s->b_batch[d];
        rest /= s->batch[d];
    }
    span->a = s->a + a_matrix * s->m * s->k;
    span->b = s->b + b_matrix * s->k * s->n;
}

/* Steps [k0, k0 + kn) of the isa's columns from j on, of packed weights. */
static void unpack(const struct product_state *s, const struct span *span, int64_t k0, int64_t kn, int64_t j)
{
    for (int64_t c = 0; c < s->isa->cols && j + c < span->cols; c += PANEL) {
        const int64_t col = span->col + j + c;
        const uint8_t *from = s->b + col / PANEL * PANEL * (s->k + s->k % 2) + k0 * PANEL + col % PANEL * 2;
        s->isa->unpack(from, s->b_signed, span->zeros + j + c, PLN_MIN(s->isa->cols, PANEL), (kn + 1) / 2, span->b_pairs + 2 * c, s->b_line);
    }
}

static void interleave(const struct product_state *s, const struct span *span, int64_t k0, int64_t kn)
{
    struct pln_bytes_lines lines = { .n = span->cols, .room = span->cols, .step = 1, .is_signed = s->b_signed, .zero = pln_bytes_zero_at(&s->b_zero, 0), .zeros = s->b_zero.single ? NULL : span->zeros };
    for (int64_t k = 0; k < kn; k += 2) {
        lines.even = span->b + (k0 + k) * s->n + span->col;
        lines.odd = k + 1 < kn ? lines.even + s->n : NULL;
        lines.to = span->b_pairs + k / 2 * s->b_line;
        s->isa->interleave(&lines);
    }
}

static void store(const struct product_state *s, const struct span *span)
{
    struct pln_bytes_finish finish;
    if (s->quantizes) pln_bytes_result_read(&s->result, span->col, span->cols, span->numbers, &finish);
    for (int64_t i = 0; i < span->rows; i++) {
        const int32_t *sums = span->sums + i * s->c_row;
        const int64_t at = (span->row + i) * s->n + span->col;
        if (!s->quantizes) {
            memcpy((int32_t *)(void *)span->y + at, sums, (size_t)span->cols * sizeof *sums);
            continue;
        }
        finish.sums = sums;
        finish.n = span->cols;
        finish.to = (uint8_t *)span->y + at;
        s->isa->finish(&finish);
    }
}

static void run_span(const struct product_state *s, const struct span *span)
{
    for (int64_t j = 0; j < s->cols_most; j++) span->zeros[j] = (int16_t)pln_bytes_zero_at(&s->b_zero, PLN_MIN(span->col + j, s->n - 1));
    if (s->k == 0) memset(span->sums, 0, s->c_bytes);
    for (int64_t k0 = 0; k0 < s->k; k0 += PLN_BYTES_DEPTH) {
        const int64_t kn = PLN_MIN(PLN_BYTES_DEPTH, s->k - k0);
        struct pln_bytes_tile block = { .a = span->a_pairs, .a_row = s->a_row, .b = span->b_pairs, .b_line = s->b_line, .pairs = (kn + 1) / 2, .c = span->sums, .c_row = s->c_row, .add = k0 > 0 };
        for (int64_t i = 0; i < span->rows; i++)
            s->isa->widen(span->a + (span->row + i) * s->k + k0, s->a_signed, pln_bytes_zero_at(&s->a_zero, 0), kn, span->a_pairs + i * s->a_row);
        if (!s->packed) {
            interleave(s, span, k0, kn);
            pln_bytes_multiply(s->isa, &block, span->rows, span->cols);
            continue;
        }
        for (int64_t j = 0; j < span->cols; j += s->isa->cols) {
            unpack(s, span, k0, kn, j);
            block.c = span->sums + j;
            pln_bytes_multiply(s->isa, &block, span->rows, PLN_MIN(span->cols - j, s->isa->cols));
        }
    }
    store(s, span);
}

static void run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    const struct product_state *s = state;
    char *memory = scratch;
    struct span span = { .a_pairs = scratch, .b_pairs = (void *)(memory + s->a_bytes), .sums = (void *)(memory + s->a_bytes + s->b_bytes) };
    span.numbers = memory + s->a_bytes + s->b_bytes + s->c_bytes;
    span.zeros = (void *)((char *)span.numbers + s->y_bytes);
    while (first < last) {
        read_span(s, first, last, &span);
        run_span(s, &span);
        first += span.tasks;
    }
}

const struct pln_kernel_family pln_cpu_bytes_integer = {
    .name = "bytes_integer",
    .state_bytes = sizeof(struct product_state),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = 1,
    .pack = pack_format,
};

const struct pln_kernel_family pln_cpu_bytes_qlinear = {
    .name = "bytes_qlinear",
    .state_bytes = sizeof(struct product_state),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = 3,
    .pack = pack_format,
};
