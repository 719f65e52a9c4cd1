/* Transposed convolution of images stored channels last.
 *
 * Output pixels fall into phases, by their remainders by the strides. Those of one phase see the same taps, each at a
 * fixed distance from the pixel's quotient: a phase is a convolution with stride 1 of some of the weights, C[pixels, o] =
 * patches[pixels, (taps, c)] weights[(taps, c), o]. Where windows lie side by side (kernel = stride, no padding) every
 * phase has one tap, and all see the same pixel: then one product gives all of them, C[pixels, (taps, o)] = x[pixels, c]
 * weights[c, (taps, o)], and reads image and weights in place. */
#include "backend/cpu/kernels/conv/conv.h"
#include "backend/cpu/kernels/conv/transposed.h"

enum { AXES = PLN_IMAGE_AXES };
/* Fewer output channels than this are finished a row of pixels at a time instead of a pixel's channels. */
enum { CHANNELS_LEAST = 8 };

struct transposed_state {
    struct pln_transposed t;
    int64_t grid[AXES], phases[AXES]; /* quotients and remainders of output pixels */
    int64_t n_phases, cols;           /* cols: of the product: output channels, of each tap where the windows lie side by side */
    bool side_by_side, in_place, by_channels;
    bool alike; /* the epilogue does the same to every pixel */
    const struct pln_gemm_isa *isa;
    struct pln_gemm_cut cut;
    int64_t a_scratch, b_scratch, c_scratch, line; /* floats */
};

/* The taps of one phase along one axis: tap i is number first + i * step and meets input coordinate quotient + offset - i * back. */
struct axis_taps {
    int64_t n, first, step, offset, back;
};

/* What is computed as one product: one image, group and phase. */
struct part {
    const struct transposed_state *s;
    const float *x; /* first channel of the group */
    int64_t n, group, phase[AXES], row, col;
    struct axis_taps taps[AXES];
    int64_t n_taps[AXES];
    int64_t k, b_cols;
};

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    const char *why = pln_cpu_transposed_supports(problem);
    return why == NULL && pln_cpu_transposed_is_depthwise(problem) ? "one channel a group" : why;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const double gflops = (double)kernel->tile[1] * 2 * 2.5 * (kernel->needs != 0 ? 2 : 0.5);
    return pln_cpu_transposed_flops(problem) / gflops + 500;
}

static const struct pln_pack_format *pack_format(const struct pln_kernel *kernel)
{
    (void)kernel;
    return &pln_pack_f32_ihwo_n16_v1;
}

static const char *plan_phases(struct transposed_state *s)
{
    int64_t taps = 1, k = s->t.group_in;
    s->side_by_side = true;
    s->n_phases = 1;
    for (int d = 0; d < AXES; d++) {
        const bool dense = s->t.kernel[d] == 1 || s->t.dilation[d] == 1;
        s->side_by_side = s->side_by_side && dense && s->t.kernel[d] == s->t.stride[d] && s->t.pad[d] == 0 && s->t.y.dims[d] == s->t.x.dims[d] * s->t.stride[d];
    }
    for (int d = 0; d < AXES; d++) {
        s->phases[d] = s->side_by_side ? 1 : PLN_MIN(s->t.stride[d], s->t.y.dims[d]);
        s->grid[d] = s->side_by_side ? s->t.x.dims[d] : s->t.y.dims[d] / s->t.stride[d] + (s->t.y.dims[d] % s->t.stride[d] != 0);
        s->n_phases *= s->phases[d];
        if (!pln_mul_i64(taps, s->t.kernel[d], &taps)) return "the window is too large";
    }
    s->cols = s->t.group_out;
    if (s->side_by_side ? !pln_mul_i64(s->cols, taps, &s->cols) : !pln_mul_i64(k, taps, &k)) return "the weights are too large";
    /* Phases have fewer taps or all, and depths of pieces do not grow with them: room for the deepest piece of any. */
    const int64_t deepest = PLN_MIN(k, s->isa->depth);
    s->in_place = s->side_by_side && s->t.groups == 1;
    s->cut = pln_gemm_cut_of(s->isa, PLN_GEMM_PANEL, s->grid[0] * s->grid[1] * s->grid[2], s->cols, deepest, s->in_place,
                             s->in_place && s->t.x.uniform && pln_gemm_reads_a_in_place(s->t.x.pixel_stride, 1));
    s->by_channels = s->t.group_out >= CHANNELS_LEAST;
    s->a_scratch = pln_gemm_scratch_a(s->isa, s->cut.rows, deepest);
    s->b_scratch = s->in_place ? 0 : pln_gemm_scratch_b(s->isa, deepest, s->cut.cols_most);
    s->c_scratch = s->cut.rows * s->cut.cols_most;
    s->line = (int64_t)pln_align_up((size_t)(s->by_channels ? PLN_MIN(s->t.group_out, s->cut.cols_most) : PLN_MIN(s->grid[AXES - 1], s->cut.rows)), 16);
    return NULL;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory,
                               struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct transposed_state *s = state_memory;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    PLN_TRY(pln_cpu_transposed_read(kernel, launch, diag, &s->t));
    s->isa = ((pln_gemm_isa_fn)kernel->micro)();
    const char *why = plan_phases(s);
    if (why != NULL) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: %s", kernel->name, why);
    s->alike = true;
    for (int i = 0; i < s->t.epilogue.n_operands; i++) {
        for (int d = 0; d < AXES; d++) s->alike = s->alike && s->t.e_at[i][d] == 0;
        if (!s->by_channels) s->t.epilogue.operands[i].col = s->t.e_at[i][AXES - 1] * s->t.stride[AXES - 1];
    }
    out_prepared->n_tasks = s->t.x.n * s->t.groups * s->n_phases * pln_gemm_tasks(&s->cut);
    out_prepared->grain = pln_gemm_grain(&s->cut, s->t.group_in);
    out_prepared->scratch_bytes = (size_t)(s->a_scratch + s->b_scratch + s->c_scratch + s->line) * sizeof(float) +
                                  pln_epilogue_scratch_bytes(&s->t.epilogue, PLN_MAX(s->line, PLN_EPILOGUE_RUN));
    return PLN_OK;
}

/* ---- patches and weights of a phase ---- */

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Output coordinate p meets tap k at input coordinate (p + pad - k dilation) / stride, where that is whole. */
static struct axis_taps taps_of(const struct transposed_state *s, int d, int64_t phase)
{
    if (s->side_by_side) return (struct axis_taps){ .n = 1 };
    const int64_t common = common_divisor(s->t.stride[d], s->t.dilation[d]);
    struct axis_taps taps = { .step = s->t.stride[d] / common, .back = s->t.dilation[d] / common };
    for (int64_t k = 0; k < PLN_MIN(taps.step, s->t.kernel[d]); k++) {
        const int64_t at = phase + s->t.pad[d] - k * s->t.dilation[d];
        if (at % s->t.stride[d] != 0) continue;
        taps.first = k;
        taps.n = (s->t.kernel[d] - 1 - k) / taps.step + 1;
        taps.offset = at / s->t.stride[d];
        break;
    }
    return taps;
}

/* Tap t of the phase as one number an axis. */
static void tap_at(const struct part *part, int64_t t, int64_t *out_at)
{
    for (int d = AXES - 1; d >= 0; d--) {
        out_at[d] = t % part->taps[d].n;
        t /= part->taps[d].n;
    }
}

/* kn elements of the patch of quotients `at`, from channel c of a tap on. Taps are counted, not divided for: a division takes as long as copying a few channels. */
static void copy_patch(const struct part *part, const int64_t *at, const int64_t *first_tap, int64_t c, int64_t kn, float *to)
{
    const struct transposed_state *s = part->s;
    int64_t tap[AXES] = { first_tap[0], first_tap[1], first_tap[2] };
    for (int64_t k = 0, n; k < kn; k += n, to += n, c = 0) {
        int64_t offset = c;
        bool inside = true;
        n = PLN_MIN(s->t.group_in - c, kn - k);
        for (int d = 0; d < AXES; d++) {
            const int64_t i = at[d] + part->taps[d].offset - tap[d] * part->taps[d].back;
            inside = inside && i >= 0 && i < s->t.x.dims[d];
            offset += i * s->t.x.strides[d];
        }
        if (inside)
            memcpy(to, part->x + offset, (size_t)n * sizeof *to);
        else
            memset(to, 0, (size_t)n * sizeof *to);
        pln_index_step(AXES, tap, part->n_taps);
    }
}

static void fill_patches(const void *user, int64_t row, int64_t n, int64_t k0, int64_t kn, float *to)
{
    const struct part *part = user;
    const int64_t *grid = part->s->grid, p = part->row + row;
    int64_t at[AXES] = { p / grid[2] / grid[1], p / grid[2] % grid[1], p % grid[2] }, tap[AXES] = { 0 };
    if (kn == 0) return;
    if (k0 > 0) tap_at(part, k0 / part->s->t.group_in, tap);
    for (int64_t i = 0; i < n; i++, to += kn) {
        copy_patch(part, at, tap, k0 % part->s->t.group_in, kn, to);
        pln_index_step(AXES, at, grid);
    }
}

/* Columns [first, first + n) of rows [c, c + rows) of the packed weights, as rows of a panel; n <= PLN_GEMM_PANEL. */
static void copy_weights(const struct transposed_state *s, int64_t c, int64_t rows, int64_t first, int64_t n, float *to)
{
    const int64_t sub = first % PLN_GEMM_PANEL, own = PLN_MIN(n, PLN_GEMM_PANEL - sub), panel = s->t.x.c * PLN_GEMM_PANEL;
    const float *from = s->t.weights + first / PLN_GEMM_PANEL * panel + c * PLN_GEMM_PANEL;
    for (int64_t i = 0; i < rows; i++, from += PLN_GEMM_PANEL, to += PLN_GEMM_PANEL) {
        if (own == PLN_GEMM_PANEL) { /* as long as a cache line, which needs no call */
            memcpy(to, from, PLN_GEMM_PANEL * sizeof *to);
            continue;
        }
        for (int64_t j = 0; j < own; j++) to[j] = from[sub + j];
        for (int64_t j = own; j < n; j++) to[j] = from[panel + j - own];
        for (int64_t j = n; j < PLN_GEMM_PANEL; j++) to[j] = 0.0f;
    }
}

static void fill_weights(const void *user, int64_t k0, int64_t kn, float *to)
{
    const struct part *part = user;
    const struct transposed_state *s = part->s;
    for (int64_t k = k0, n; k < k0 + kn; k += n) {
        const int64_t c = k % s->t.group_in;
        int64_t tap[AXES], number = 0;
        n = PLN_MIN(s->t.group_in - c, k0 + kn - k);
        tap_at(part, k / s->t.group_in, tap);
        for (int d = 0; d < AXES; d++) number = number * s->t.kernel[d] + part->taps[d].first + tap[d] * part->taps[d].step;
        for (int64_t j = 0; j < part->b_cols; j += PLN_GEMM_PANEL)
            copy_weights(s, part->group * s->t.group_in + c, n, number * s->t.group_out + part->col + j, PLN_MIN((int64_t)PLN_GEMM_PANEL, part->b_cols - j), to + j * kn + (k - k0) * PLN_GEMM_PANEL);
    }
}

/* ---- what is done to a product ---- */

/* The first output pixel of quotients q in the phase, or in that of tap `tap`. false: it is outside of the output. */
static bool output_pixel(const struct part *part, int64_t tap, const int64_t *q, int64_t *out_at)
{
    const struct transposed_state *s = part->s;
    for (int d = AXES - 1; d >= 0; d--) {
        int64_t phase = part->phase[d];
        if (s->side_by_side) {
            phase = tap % s->t.kernel[d];
            tap /= s->t.kernel[d];
        }
        out_at[d] = q[d] * s->t.stride[d] + phase;
        if (out_at[d] >= s->t.y.dims[d]) return false;
    }
    return true;
}

static void finish_channels(const struct part *part, const struct pln_gemm_block *block, const int64_t *first, struct pln_epilogue_run *epilogue)
{
    const struct transposed_state *s = part->s;
    int64_t q[AXES] = { first[0], first[1], first[2] }, at[AXES] = { 0 };
    const bool whole = part->col % s->t.group_out == 0 && block->cols % s->t.group_out == 0; /* all channels of some taps */
    const bool once = s->t.epilogue.present && s->alike && whole;
    if (once) {
        (void)pln_cpu_transposed_place(&s->t, part->n, part->group * s->t.group_out, at, epilogue);
        pln_epilogue_rows(epilogue, 0, block->rows * (block->cols / s->t.group_out), 0, block->c, s->t.group_out, s->t.group_out);
    }
    for (int64_t i = 0; i < block->rows; i++, pln_index_step(AXES, q, s->grid)) {
        float *row = block->c + i * block->c_row;
        for (int64_t j = 0, n; j < block->cols; j += n) {
            const int64_t o = (part->col + j) % s->t.group_out;
            n = PLN_MIN(s->t.group_out - o, block->cols - j);
            if (!output_pixel(part, (part->col + j) / s->t.group_out, q, at)) continue;
            const int64_t to = pln_cpu_transposed_place(&s->t, part->n, part->group * s->t.group_out + o, at, epilogue);
            if (s->t.epilogue.present && !once) pln_epilogue_row(epilogue, 0, 0, row + j, n);
            pln_cpu_transposed_store(&s->t, row + j, n, to, s->t.y.c_stride);
        }
    }
}

static void finish_pixels(const struct part *part, const struct pln_gemm_block *block, const int64_t *first, float *line, struct pln_epilogue_run *epilogue)
{
    const struct transposed_state *s = part->s;
    const int64_t stride = s->t.stride[AXES - 1], width = s->t.y.dims[AXES - 1];
    int64_t q[AXES] = { first[0], first[1], first[2] }, at[AXES];
    for (int64_t i = 0, n; i < block->rows; i += n) {
        n = PLN_MIN(s->grid[AXES - 1] - q[AXES - 1], block->rows - i);
        for (int64_t j = 0; j < block->cols; j++) {
            const float *column = block->c + i * block->c_row + j;
            if (!output_pixel(part, (part->col + j) / s->t.group_out, q, at)) continue;
            const int64_t count = PLN_MIN(n, (width - 1 - at[AXES - 1]) / stride + 1);
            const int64_t to = pln_cpu_transposed_place(&s->t, part->n, part->group * s->t.group_out + (part->col + j) % s->t.group_out, at, epilogue);
            for (int64_t p = 0; p < count; p++) line[p] = column[p * block->c_row];
            if (s->t.epilogue.present) pln_epilogue_row(epilogue, 0, 0, line, count);
            pln_cpu_transposed_store(&s->t, line, count, to, s->t.y.strides[AXES - 1] * stride);
        }
        q[AXES - 1] = 0;
        pln_index_step(AXES - 1, q, s->grid);
    }
}

static void begin_part(const struct transposed_state *s, const struct pln_gemm_span *span, struct part *part)
{
    int64_t phase = span->outer % s->n_phases;
    *part = (struct part){ .s = s, .row = span->row, .col = span->col, .b_cols = span->cols };
    part->group = span->outer / s->n_phases % s->t.groups;
    part->n = span->outer / s->n_phases / s->t.groups;
    part->x = (const float *)s->t.x.data + part->n * s->t.x.n_stride + part->group * s->t.group_in;
    part->k = s->t.group_in;
    for (int d = AXES - 1; d >= 0; d--) {
        part->phase[d] = phase % s->phases[d];
        phase /= s->phases[d];
        part->taps[d] = taps_of(s, d, part->phase[d]);
        part->n_taps[d] = part->taps[d].n;
        part->k *= part->taps[d].n;
    }
}

static void run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    const struct transposed_state *s = state;
    static const struct pln_epilogue none = { .present = false };
    struct pln_epilogue_run epilogue, no_epilogue = { .epilogue = &none }; /* channels of several taps are columns of one block */
    struct part part;
    struct pln_gemm_block block = { .isa = s->isa, .a_row = s->t.x.pixel_stride, .a_col = 1, .user = &part, .epilogue = &no_epilogue };
    block.fill_a = s->side_by_side && s->t.x.uniform ? NULL : fill_patches;
    block.fill_b = s->in_place ? NULL : fill_weights;
    block.panels = s->in_place ? s->t.weights : NULL;
    block.scratch_a = scratch;
    block.scratch_b = block.scratch_a + s->a_scratch;
    block.c = block.scratch_b + s->b_scratch;
    float *line = block.c + s->c_scratch;
    pln_epilogue_bind(&s->t.epilogue, s->isa->vec, PLN_MAX(s->line, PLN_EPILOGUE_RUN), line + s->line, &epilogue);
    while (first < last) {
        const struct pln_gemm_span span = pln_gemm_span_of(&s->cut, first, last);
        const int64_t q[AXES] = { span.row / s->grid[2] / s->grid[1], span.row / s->grid[2] % s->grid[1], span.row % s->grid[2] };
        begin_part(s, &span, &part);
        block.k = part.k;
        block.rows = span.rows;
        block.cols = block.c_row = span.cols;
        block.panel_col = span.col;
        block.a = part.x + span.row * s->t.x.pixel_stride;
        pln_gemm_block_run(&block);
        if (s->by_channels)
            finish_channels(&part, &block, q, &epilogue);
        else
            finish_pixels(&part, &block, q, line, &epilogue);
        first += span.tasks;
    }
}

const struct pln_kernel_family pln_cpu_conv_transposed = {
    .name = "conv_transposed",
    .state_bytes = sizeof(struct transposed_state),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = 1,
    .pack = pack_format,
};
