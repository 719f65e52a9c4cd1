/* Products of bytes with constant ones, exact: pieces of 256 terms are multiplied as f32, where a sum of that many products of two differences of bytes,
 * 255 at most each, is below 2^24 and so without error, and added up as int32. */
#include "backend/cpu/kernels/gemm/gemm.h"

enum { PANEL = PLN_GEMM_PANEL, PIECE = 256 };
/* Terms of a sum that int32 holds: 2^31 / 255^2. */
#define K_MOST 33025

/* ---- weights: panels of 16 columns, one behind the other, a row of k as 16 bytes; signed ones as those of u8 that are 128 larger ---- */

static bool bytes_bytes(const struct pln_tensor *plain, size_t *out_bytes)
{
    int64_t n;
    *out_bytes = 0;
    if (plain->rank != 2 || (plain->dtype != PLN_U8 && plain->dtype != PLN_I8) || !pln_tensor_is_contiguous(plain)) return false;
    if (!pln_add_i64(plain->dims[1], PANEL - 1, &n) || !pln_mul_i64(n / PANEL * PANEL, plain->dims[0], &n)) return false;
    *out_bytes = (size_t)n;
    return true;
}

static uint8_t sign_of(const struct pln_tensor *plain)
{
    return plain->dtype == PLN_I8 ? 0x80 : 0;
}

static void bytes_pack(const struct pln_tensor *plain, void *packed)
{
    const int64_t k = plain->dims[0], n = plain->dims[1];
    const uint8_t *from = plain->data, sign = sign_of(plain);
    uint8_t *to = packed;
    for (int64_t j = 0; j < n; j += PANEL)
        for (int64_t i = 0; i < k; i++)
            for (int64_t c = j; c < j + PANEL; c++) *to++ = c < n ? from[i * n + c] ^ sign : 0;
}

static void bytes_unpack(const void *packed, const struct pln_tensor *plain)
{
    const int64_t k = plain->dims[0], n = plain->dims[1];
    const uint8_t *from = packed, sign = sign_of(plain);
    uint8_t *to = plain->data;
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < n; j++) to[i * n + j] = from[(j / PANEL * k + i) * PANEL + j % PANEL] ^ sign;
}

static const struct pln_pack_format bytes_format = { "bytes_kn_n16_v1", bytes_bytes, bytes_pack, bytes_unpack };

static const struct pln_pack_format *pack_format(const struct pln_kernel *kernel)
{
    (void)kernel;
    return &bytes_format;
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

static bool is_byte(enum pln_dtype dtype)
{
    return dtype == PLN_U8 || dtype == PLN_I8;
}

/* A parameter: one, or one a column where columns is not -1. Left out: fine. */
static bool fits_parameter(const struct pln_problem *problem, int i, bool is_scale, int64_t columns)
{
    if (i < 0 || i >= problem->n_inputs || !problem->inputs[i].present) return true;
    const struct pln_operand *p = &problem->inputs[i];
    if (is_scale ? p->dtype != PLN_F32 : !is_byte(p->dtype)) return false;
    return p->rank == 0 || (p->rank == 1 && (p->dims[0] == 1 || (columns >= 0 && p->dims[0] == columns)));
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const struct places *at = places_of(problem->op);
    (void)kernel;
    if (problem->n_inputs <= at->b || problem->n_outputs != 1) return "wrong number of operands";
    const struct pln_operand *a = &problem->inputs[at->a], *b = &problem->inputs[at->b];
    if (!is_byte(a->dtype) || !is_byte(b->dtype)) return "an operand is not of bytes";
    if (a->rank < 2 || b->rank != 2 || !b->constant) return "B is no constant matrix, or A none";
    if (b->dims[0] > K_MOST) return "sums of more terms than 32 bits hold";
    if (problem->op == PLN_OP_QLINEAR_MATMUL && (problem->n_inputs < 8 || !is_byte(problem->outputs[0].dtype))) return "the result is not of bytes";
    const bool fits = fits_parameter(problem, at->a_zero, false, -1) && fits_parameter(problem, at->b_zero, false, b->dims[1]) && fits_parameter(problem, at->a_scale, true, -1) &&
                      fits_parameter(problem, at->b_scale, true, b->dims[1]) && fits_parameter(problem, at->y_scale, true, -1) && fits_parameter(problem, at->y_zero, false, -1);
    return fits ? NULL : "a scale or zero point a row, or of another type";
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const struct places *at = places_of(problem->op);
    const struct pln_operand *a = &problem->inputs[at->a], *b = &problem->inputs[at->b];
    double m = 1;
    for (int i = 0; i < a->rank - 1; i++) m *= a->dims[i] < 0 ? 128.0 : (double)a->dims[i];
    return 2 * (m + 8) * (double)b->dims[0] * (double)b->dims[1] / ((double)kernel->tile[1] * 2 * 2.5 * (kernel->needs != 0 ? 2 : 0.5)) + 500;
}

/* ---- prepare ---- */

struct parameter {
    const void *data; /* NULL: left out */
    bool is_signed, single;
};

struct bytes_state {
    const struct pln_gemm_isa *isa;
    struct pln_gemm_cut cut;
    int64_t m, n, k;
    const uint8_t *a, *panels;
    bool a_signed, b_signed, y_signed, quantizes;
    struct parameter a_scale, a_zero, b_scale, b_zero, y_scale, y_zero;
    char *y;
    int64_t a_floats, b_floats, c_numbers; /* of scratch */
};

static bool read_parameter(const struct pln_launch *launch, int i, int64_t columns, struct parameter *out)
{
    *out = (struct parameter){ .single = true };
    if (i < 0 || i >= launch->n_inputs || launch->inputs[i].dtype == PLN_DTYPE_NONE) return true;
    const struct pln_tensor *t = &launch->inputs[i];
    const int64_t n = pln_tensor_count(t);
    *out = (struct parameter){ t->data, t->dtype == PLN_I8, n == 1 };
    return pln_tensor_is_contiguous(t) && (n == 1 || n == columns);
}

static bool read_parameters(const struct pln_launch *launch, const struct places *at, struct bytes_state *s)
{
    return read_parameter(launch, at->a_scale, 1, &s->a_scale) && read_parameter(launch, at->a_zero, 1, &s->a_zero) && read_parameter(launch, at->b_scale, s->n, &s->b_scale) &&
           read_parameter(launch, at->b_zero, s->n, &s->b_zero) && read_parameter(launch, at->y_scale, 1, &s->y_scale) && read_parameter(launch, at->y_zero, 1, &s->y_zero);
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct bytes_state *s = state_memory;
    const struct places *at = places_of(launch->op);
    size_t bytes = 0;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    s->quantizes = launch->op == PLN_OP_QLINEAR_MATMUL;
    if (launch->n_inputs <= at->b || launch->n_outputs != 1 || (s->quantizes && launch->n_inputs < 8)) return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    const struct pln_tensor *a = &launch->inputs[at->a], *b = &launch->inputs[at->b], *y = &launch->outputs[0];
    if (!is_byte(a->dtype) || !bytes_bytes(b, &bytes) || bytes != launch->packed_bytes || b->dims[0] > K_MOST) return pln_fail(diag, PLN_BAD_PLAN, "%s: these are no bytes and packed weights of them", kernel->name);
    s->k = b->dims[0];
    s->n = b->dims[1];
    if (a->rank < 2 || a->dims[a->rank - 1] != s->k || !pln_tensor_is_contiguous(a) || !pln_tensor_is_contiguous(y) || y->rank != a->rank || y->dims[y->rank - 1] != s->n ||
        memcmp(a->dims, y->dims, (size_t)(a->rank - 1) * sizeof a->dims[0]) != 0 || (s->quantizes ? !is_byte(y->dtype) : y->dtype != PLN_I32) || !read_parameters(launch, at, s))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: operands, parameters and output do not fit", kernel->name);
    s->isa = ((pln_gemm_isa_fn)kernel->micro)();
    s->m = 1;
    for (int d = 0; d < a->rank - 1; d++) s->m *= a->dims[d];
    s->a = a->data;
    s->panels = b->data;
    s->a_signed = a->dtype == PLN_I8;
    s->b_signed = b->dtype == PLN_I8;
    s->y_signed = y->dtype == PLN_I8;
    s->y = y->data;
    s->cut = pln_gemm_cut_of(s->isa, s->m, s->n, PLN_MIN(s->k, PIECE), false, false);
    s->a_floats = pln_gemm_scratch_a(s->isa, s->cut.rows, PIECE);
    s->b_floats = pln_gemm_scratch_b(s->isa, PIECE, s->cut.cols_most);
    s->c_numbers = s->cut.rows * s->cut.cols_most;
    out_prepared->n_tasks = pln_gemm_tasks(&s->cut);
    out_prepared->grain = pln_gemm_grain(&s->cut, s->k);
    out_prepared->scratch_bytes = (size_t)(s->a_floats + s->b_floats + 2 * s->c_numbers + PANEL) * sizeof(float);
    return PLN_OK;
}

/* ---- run ---- */

static int32_t zero_at(const struct parameter *p, int64_t i)
{
    if (p->data == NULL) return 0;
    const int64_t at = p->single ? 0 : i;
    return p->is_signed ? ((const int8_t *)p->data)[at] : ((const uint8_t *)p->data)[at];
}

static double scale_at(const struct parameter *p, int64_t i)
{
    return p->data == NULL ? 1 : (double)((const float *)p->data)[p->single ? 0 : i];
}

/* A piece of a block. */
struct piece {
    const struct bytes_state *s;
    int64_t row, col, cols, k0;
    const float *ones;
};

/* Rows of A less its zero point. */
static void fill_a(const void *user, int64_t row, int64_t n, int64_t k0, int64_t kn, float *to)
{
    const struct piece *p = user;
    const struct bytes_state *s = p->s;
    const int32_t zero = zero_at(&s->a_zero, 0);
    for (int64_t i = 0; i < n; i++, to += kn) {
        const uint8_t *from = s->a + (p->row + row + i) * s->k + p->k0 + k0;
        if (s->a_signed)
            for (int64_t k = 0; k < kn; k++) to[k] = (float)((int8_t)from[k] - zero);
        else
            for (int64_t k = 0; k < kn; k++) to[k] = (float)(from[k] - zero);
    }
}

/* Columns of B less their zero points. */
static void fill_b(const void *user, int64_t k0, int64_t kn, float *to)
{
    const struct piece *p = user;
    const struct bytes_state *s = p->s;
    for (int64_t j = 0; j < p->cols; j += PANEL, to += kn * PANEL) {
        float offset[PANEL];
        for (int64_t c = 0; c < PANEL; c++) offset[c] = (float)(zero_at(&s->b_zero, PLN_MIN(p->col + j + c, s->n - 1)) + (s->b_signed ? 128 : 0));
        const struct pln_gemm_quantized w = { .panels = s->panels + (p->col + j) * s->k, .bits = 8, .n = PANEL, .k = s->k, .block = s->k, .scale = p->ones, .offset = offset };
        s->isa->quantized_unpack(&w, 0, p->k0 + k0, kn, to);
    }
}

/* The nearest whole number, the even one of two, of what is no further from 0 than 2^51. */
static inline double rounded(double x)
{
    const double shift = 0x1.8p52;
    return (x + shift) - shift;
}

/* As the reference says: an f64 product, rounded to even, moved and bounded; NaN is the lowest. What is far outside is bounded first. scales: room
 * for as many as the span has columns. */
static void store_quantized(const struct bytes_state *s, const struct pln_gemm_span *span, const int32_t *sums, double *scales)
{
    const double low = s->y_signed ? -128 : 0, high = s->y_signed ? 127 : 255, zero = zero_at(&s->y_zero, 0), far = 1 << 20;
    for (int64_t j = 0; j < span->cols; j++) scales[j] = scale_at(&s->a_scale, 0) * scale_at(&s->b_scale, span->col + j) / scale_at(&s->y_scale, 0);
    for (int64_t i = 0; i < span->rows; i++) {
        uint8_t *to = (uint8_t *)s->y + (span->row + i) * s->n + span->col;
        for (int64_t j = 0; j < span->cols; j++) {
            double value = sums[i * span->cols + j] * scales[j];
            value = value > -far ? (value < far ? value : far) : -far;
            value = rounded(value) + zero;
            value = value > low ? (value < high ? value : high) : low;
            to[j] = (uint8_t)(int32_t)value;
        }
    }
}

static void run_span(const struct bytes_state *s, const struct pln_gemm_span *span, float *scratch)
{
    const struct pln_epilogue nothing = { .present = false };
    struct pln_epilogue_run epilogue = { .epilogue = &nothing };
    float *ones = scratch + s->a_floats + s->b_floats + 2 * s->c_numbers, *c = scratch + s->a_floats + s->b_floats;
    int32_t *sums = (int32_t *)(c + s->c_numbers);
    struct piece piece = { .s = s, .row = span->row, .col = span->col, .cols = span->cols, .ones = ones };
    struct pln_gemm_block block = { .isa = s->isa, .rows = span->rows, .cols = span->cols, .fill_a = fill_a, .fill_b = fill_b, .user = &piece, .c = c, .c_row = span->cols,
                                    .epilogue = &epilogue, .scratch_a = scratch, .scratch_b = scratch + s->a_floats };
    for (int i = 0; i < PANEL; i++) ones[i] = 1.0f;
    memset(sums, 0, (size_t)(span->rows * span->cols) * sizeof *sums);
    for (; piece.k0 < s->k; piece.k0 += PIECE) {
        block.k = PLN_MIN(PIECE, s->k - piece.k0);
        pln_gemm_block_run(&block);
        for (int64_t i = 0; i < span->rows * span->cols; i++) sums[i] += (int32_t)c[i];
    }
    if (s->quantizes) store_quantized(s, span, sums, (double *)(void *)scratch);
    for (int64_t i = 0; !s->quantizes && i < span->rows; i++)
        memcpy((int32_t *)(void *)s->y + (span->row + i) * s->n + span->col, sums + i * span->cols, (size_t)span->cols * sizeof *sums);
}

static void run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    const struct bytes_state *s = state;
    while (first < last) {
        const struct pln_gemm_span span = pln_gemm_span_of(&s->cut, first, last);
        run_span(s, &span, scratch);
        first += span.tasks;
    }
}

const struct pln_kernel_family pln_cpu_gemm_integer = {
    .name = "gemm_integer",
    .state_bytes = sizeof(struct bytes_state),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = 1,
    .pack = pack_format,
};

const struct pln_kernel_family pln_cpu_gemm_qlinear = {
    .name = "gemm_qlinear",
    .state_bytes = sizeof(struct bytes_state),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = 3,
    .pack = pack_format,
};
