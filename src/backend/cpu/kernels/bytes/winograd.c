/* Convolution of bytes with windows of 3 x 3 by Winograd's F(2x2, 3x3), exact (functions.h): 16 products where a direct sum has 36. A task has some output channels of a block of patches;
 * pairs of channels make planes as in conv.c, with even and odd columns apart. */
#include "backend/cpu/kernels/bytes/conv.h"

#include <math.h>

/* Patches of a task at most, pairs of channels of them that are kept, and patches times pairs of them; pairs that are worked on at a time; output channels at a time; tasks that are
 * enough for a handful of threads. */
enum { PATCHES_MOST = 64, KEPT_MOST = 256, PATCH_PAIRS_MOST = 4096, PAIRS_MOST = 32, CHANNELS_MOST = 36, TASKS_LEAST = 4 };
/* 4 times a sum of 9 c products of two differences of bytes is an int32: 2^31 / (4 * 9 * 255^2). */
#define C_MOST 917
enum { POSITIONS = PLN_BYTES_POSITIONS, TAPS = 9, ALIGN = 32 };

/* ---- weights [o, c, 3, 3]: for o, for each tap, c bytes, and zeros up to a multiple of 32 ---- */

static int64_t row_bytes(int64_t channels)
{
    return (channels + ALIGN - 1) / ALIGN * ALIGN;
}

static bool taps_bytes(const struct pln_tensor *plain, size_t *out_bytes)
{
    int64_t n;
    *out_bytes = 0;
    if (plain->rank != 4 || !pln_bytes_is(plain->dtype) || !pln_tensor_is_contiguous(plain) || plain->dims[2] != 3 || plain->dims[3] != 3 || plain->dims[1] > C_MOST) return false;
    if (!pln_mul_i64(TAPS * row_bytes(plain->dims[1]), plain->dims[0], &n)) return false;
    *out_bytes = (size_t)n;
    return true;
}

static void taps_pack(const struct pln_tensor *plain, void *packed)
{
    const int64_t channels = plain->dims[1], row = row_bytes(channels);
    const uint8_t *from = plain->data;
    uint8_t *to = packed;
    for (int64_t o = 0; o < plain->dims[0]; o++, from += channels * TAPS)
        for (int64_t t = 0; t < TAPS; t++)
            for (int64_t c = 0; c < row; c++) *to++ = c < channels ? from[c * TAPS + t] : 0;
}

static void taps_unpack(const void *packed, const struct pln_tensor *plain)
{
    const int64_t channels = plain->dims[1], row = row_bytes(channels);
    const uint8_t *from = packed;
    uint8_t *to = plain->data;
    for (int64_t o = 0; o < plain->dims[0]; o++, from += row * TAPS)
        for (int64_t c = 0; c < channels; c++)
            for (int64_t t = 0; t < TAPS; t++) *to++ = from[t * row + c];
}

static const struct pln_pack_format taps_format = { "bytes_otc_c32_v1", taps_bytes, taps_pack, taps_unpack };

static const struct pln_pack_format *pack_format(const struct pln_kernel *kernel)
{
    (void)kernel;
    return &taps_format;
}

/* ---- what fits ---- */

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    const char *why = pln_bytes_conv_supports(problem);
    if (why != NULL) return why;
    const struct pln_operand *w = &problem->inputs[pln_bytes_conv_weights(problem->op)];
    struct pln_window window;
    if (problem->direct) return "no Winograd convolution is wanted";
    if (!w->constant) return "the weights are not constant";
    if (w->rank != 4 || w->dims[2] != 3 || w->dims[3] != 3) return "no window of 3 x 3";
    if (w->dims[1] > C_MOST) return "sums that 32 bits do not hold four times";
    why = pln_window_read(problem->attrs, 2, w->dims + 2, &window);
    if (why != NULL) return why;
    return window.stride[0] == 1 && window.stride[1] == 1 && window.dilation[0] == 1 && window.dilation[1] == 1 ? NULL : "a stride or a dilation";
}

static double known(int64_t dim)
{
    return dim < 0 ? 56 : (double)dim;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const struct pln_operand *w = &problem->inputs[pln_bytes_conv_weights(problem->op)], *y = &problem->outputs[0];
    const double fast = kernel->needs != 0 ? 5 : 1, outputs = (double)w->dims[0], channels = (double)w->dims[1];
    const double groups = PLN_MAX((double)pln_attrs_int(problem->attrs, "group", 1), 1), each = PLN_MAX(outputs / groups, 1), strips = (double)(((int64_t)each + kernel->tile[0] - 1) / kernel->tile[0]);
    const double images = y->dims[0] < 0 ? 1 : (double)y->dims[0], patches = (double)((int64_t)(known(y->dims[2]) + 1) / 2) * (double)((int64_t)(known(y->dims[3]) + 1) / 2);
    const double step = (double)kernel->tile[1] / 2, columns = images * ceil(patches / step) * step;
    /* Transforms of patches, weights and sums beside the products. */
    return (columns * channels * POSITIONS * strips * kernel->tile[0] * groups + columns * groups * channels * 40 + outputs * channels * 40 + columns * outputs * 60) / ((double)kernel->tile[1] * fast) + 1000;
}

/* ---- prepare ---- */

struct winograd_state {
    const struct pln_bytes_isa *isa;
    struct pln_bytes_conv conv;
    int64_t cols, rows;            /* patches of a row of the image; rows of them of a task */
    int64_t channels, span;        /* output channels at a time, and of a task: patches that are kept meet all of them */
    int64_t n_row_blocks, n_spans;
    int64_t phase, row, plane;     /* pairs of a phase, of a row, of a pair of channels */
    int64_t kept, piece;           /* pairs of channels whose patches are there at a time, and that are worked on at a time */
    int64_t a_row, b_line, c_row;  /* of scratch: int16, int16, int32 */
    int64_t a_position, b_position, c_position;
    size_t plane_bytes, a_bytes, b_bytes, c_bytes, line_bytes;
};

static void cut(struct winograd_state *s)
{
    const int64_t patch_rows = (s->conv.y.dims[1] + 1) / 2, group_out = s->conv.group_out, pairs = (s->conv.group_in + 1) / 2;
    s->kept = PLN_MIN(pairs, KEPT_MOST);
    s->piece = PLN_MIN(pairs, PAIRS_MOST);
    s->cols = (s->conv.y.dims[2] + 1) / 2;
    s->rows = PLN_MAX(PLN_MIN(PLN_MIN(PATCHES_MOST, PATCH_PAIRS_MOST / PLN_MAX(s->kept, 1)) / s->cols, patch_rows), 1);
    s->n_row_blocks = (patch_rows + s->rows - 1) / s->rows;
    s->rows = (patch_rows + s->n_row_blocks - 1) / s->n_row_blocks;
    const int64_t tasks = s->n_row_blocks * s->conv.y.n * s->conv.groups, blocks = (group_out + CHANNELS_MOST - 1) / CHANNELS_MOST;
    s->channels = ((group_out + blocks - 1) / blocks + s->isa->rows - 1) / s->isa->rows * s->isa->rows;
    /* Where patches make too few tasks, channels make more: patches are transformed anew in each. */
    const int64_t spans = PLN_MIN((TASKS_LEAST + tasks - 1) / tasks, (group_out + s->channels - 1) / s->channels);
    s->span = ((group_out + spans - 1) / spans + s->channels - 1) / s->channels * s->channels;
    s->n_spans = (group_out + s->span - 1) / s->span;
    s->channels = PLN_MIN(s->channels, group_out);
}

/* Memory of a task; false: too large. */
static bool place(struct winograd_state *s)
{
    const int64_t patches = s->rows * s->cols;
    int64_t bytes;
    s->phase = s->cols + 1 + PLN_BYTES_SLACK;
    s->row = 2 * s->phase;
    s->plane = (2 * s->rows + 2) * s->row;
    s->a_row = (2 * s->piece + ALIGN - 1) / ALIGN * ALIGN + 16; /* rows of a power of two bytes would meet in one place of the cache */
    s->b_line = 2 * ((patches + 2 * s->isa->cols_step - 2) / s->isa->cols_step * s->isa->cols_step); /* vectors reach past the last patch of a row */
    s->c_row = s->b_line / 2;
    s->a_position = s->channels * s->a_row;
    s->b_position = s->kept * s->b_line;
    s->c_position = s->channels * s->c_row;
    if (!pln_mul_i64(s->cols, s->rows * 4096, &bytes)) return false; /* all that is below is less */
    s->plane_bytes = pln_align_up((size_t)s->plane * 4, 64);
    s->a_bytes = pln_align_up((size_t)(POSITIONS * s->a_position) * sizeof(int16_t), 64);
    s->b_bytes = pln_align_up((size_t)(POSITIONS * s->b_position + 2 * PLN_BYTES_SLACK) * sizeof(int16_t), 64);
    s->c_bytes = pln_align_up((size_t)(POSITIONS * s->c_position + PLN_BYTES_SLACK) * sizeof(int32_t), 64);
    s->line_bytes = pln_align_up((size_t)(2 * s->cols + 2 * PLN_BYTES_SLACK) * sizeof(int32_t), 64);
    return true;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct winograd_state *s = state_memory;
    const struct pln_tensor *w = launch->n_inputs > pln_bytes_conv_weights(launch->op) ? &launch->inputs[pln_bytes_conv_weights(launch->op)] : NULL;
    size_t bytes = 0;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    if (w == NULL || !taps_bytes(w, &bytes) || bytes != launch->packed_bytes) return pln_fail(diag, PLN_BAD_PLAN, "%s: these are no packed weights of 3 x 3 taps", kernel->name);
    PLN_TRY(pln_bytes_conv_read(kernel, launch, diag, &s->conv));
    const struct pln_image_window *window = &s->conv.window;
    for (int d = 1; d < PLN_IMAGE_AXES; d++)
        if (window->stride[d] != 1 || window->dilation[d] != 1) return pln_fail(diag, PLN_BAD_PLAN, "%s: a stride or a dilation", kernel->name);
    s->isa = ((pln_bytes_isa_fn)kernel->micro)();
    if (s->conv.y.n * s->conv.y.c * s->conv.y.pixels == 0) return PLN_OK;
    cut(s);
    if (!place(s)) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the image is too large", kernel->name);
    out_prepared->n_tasks = s->conv.y.n * s->conv.groups * s->n_row_blocks * s->n_spans;
    out_prepared->grain = 1 + 1000000 / (s->rows * s->cols * s->span * (s->conv.group_in + 1) * 2 * POSITIONS);
    out_prepared->scratch_bytes = s->plane_bytes + s->a_bytes + s->b_bytes + s->c_bytes + 2 * s->line_bytes + (s->conv.quantizes ? pln_bytes_result_bytes(s->channels) : 0);
    return PLN_OK;
}

/* ---- run ---- */

struct task {
    int64_t n, group, channel, channels, row, rows; /* channels at a time; rows of patches */
    int16_t *plane, *a, *b;
    int32_t *sums, *lines[2];
    void *numbers;
};

/* Patches of a pair of channels, as line `line` of each position of B. */
static void fill_patches(const struct winograd_state *s, const struct task *t, int64_t pair, int64_t line)
{
    const struct pln_image *x = &s->conv.x;
    const int64_t c = 2 * pair;
    const uint8_t *image = (const uint8_t *)x->data + t->n * x->n_stride + (t->group * s->conv.group_in + c) * x->c_stride;
    struct pln_bytes_row row = { .step = 2, .begin = -s->conv.window.pad[2], .pairs = s->cols + 1, .phase_pairs = s->phase };
    for (int64_t r = 0; r < 2 * t->rows + 2; r++) {
        const int64_t y = 2 * t->row + r - s->conv.window.pad[1];
        row.even = y >= 0 && y < x->dims[1] ? image + y * x->strides[1] : NULL;
        row.odd = row.even != NULL && c + 1 < s->conv.group_in ? row.even + x->c_stride : NULL;
        row.to = t->plane + 2 * r * s->row;
        pln_bytes_conv_fill(&s->conv, s->isa, &row);
    }
    struct pln_bytes_patches patches = { .row = 2 * s->row, .phase = 2 * s->phase, .n = s->cols, .position = s->b_position };
    for (int64_t r = 0; r < t->rows; r++) {
        patches.from = t->plane + 4 * r * s->row;
        patches.to = t->b + line * s->b_line + 2 * r * s->cols;
        s->isa->patches(&patches);
    }
}

static void fill_weights(const struct winograd_state *s, const struct task *t, int64_t first_pair, int64_t pairs)
{
    const int64_t row = row_bytes(s->conv.group_in);
    for (int64_t i = 0; i < t->channels; i++) {
        const int64_t o = t->group * s->conv.group_out + t->channel + i;
        const struct pln_bytes_window window = { .from = s->conv.weights + o * TAPS * row + 2 * first_pair, .tap = row, .is_signed = s->conv.w_signed, .zero = pln_bytes_zero_at(&s->conv.w_zero, o),
                                                 .n = 2 * pairs, .to = t->a + i * s->a_row, .position = s->a_position };
        s->isa->window(&window);
    }
}

static void store(const struct winograd_state *s, const struct task *t)
{
    const struct pln_image *y = &s->conv.y;
    const int64_t first = t->group * s->conv.group_out + t->channel;
    struct pln_bytes_finish finish;
    struct pln_bytes_quads quads = { .position = s->c_position, .n = s->cols, .to = { t->lines[0], t->lines[1] } };
    if (s->conv.quantizes) pln_bytes_result_read(&s->conv.result, first, t->channels, t->numbers, &finish);
    for (int64_t i = 0; i < t->channels; i++)
        for (int64_t r = 0; r < t->rows; r++) {
            quads.from = t->sums + i * s->c_row + r * s->cols;
            s->isa->quads(&quads);
            for (int64_t l = 0; l < 2; l++) {
                const int64_t line = 2 * (t->row + r) + l;
                if (line < y->dims[1])
                    pln_bytes_conv_store(&s->conv, s->isa, &finish, i, t->lines[l], y->dims[2], t->n * y->n_stride + (first + i) * y->c_stride + line * y->dims[2]);
            }
        }
}

/* Adds to the sums what pairs [first, first + n) give, whose patches begin with line `line`. */
static void multiply(const struct winograd_state *s, const struct task *t, int64_t first, int64_t n, int64_t line)
{
    struct pln_bytes_tile block = { .a_row = s->a_row, .b_line = s->b_line, .pairs = n, .c_row = s->c_row, .add = first > 0 };
    fill_weights(s, t, first, n);
    for (int p = 0; p < POSITIONS; p++) {
        block.a = t->a + p * s->a_position;
        block.b = t->b + p * s->b_position + line * s->b_line;
        block.c = t->sums + p * s->c_position;
        pln_bytes_multiply(s->isa, &block, t->channels, t->rows * s->cols);
    }
}

/* Sums of t->channels; is_kept: all patches are there. */
static void sum_up(const struct winograd_state *s, const struct task *t, bool is_kept)
{
    const int64_t pairs = (s->conv.group_in + 1) / 2;
    if (pairs == 0) memset(t->sums, 0, s->c_bytes);
    for (int64_t first = 0; first < pairs; first += s->kept) {
        const int64_t n = PLN_MIN(s->kept, pairs - first);
        for (int64_t c = 0; !is_kept && c < n; c++) fill_patches(s, t, first + c, c);
        for (int64_t c = 0; c < n; c += s->piece) multiply(s, t, first + c, PLN_MIN(s->piece, n - c), c);
    }
}

static void run_task(const struct winograd_state *s, struct task *t)
{
    const int64_t first = t->channel, end = PLN_MIN(first + s->span, s->conv.group_out);
    for (; t->channel < end; t->channel += s->channels) {
        t->channels = PLN_MIN(s->channels, end - t->channel);
        sum_up(s, t, t->channel > first && s->kept == (s->conv.group_in + 1) / 2);
        store(s, t);
    }
}

static void run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    const struct winograd_state *s = state;
    char *memory = scratch;
    struct task t = { .plane = scratch, .a = (void *)(memory + s->plane_bytes) };
    t.b = (void *)((char *)t.a + s->a_bytes);
    t.sums = (void *)((char *)t.b + s->b_bytes);
    t.lines[0] = (void *)((char *)t.sums + s->c_bytes);
    t.lines[1] = (void *)((char *)t.lines[0] + s->line_bytes);
    t.numbers = (char *)t.lines[1] + s->line_bytes;
    for (int64_t i = first; i < last; i++) {
        int64_t rest = i / s->n_spans;
        t.channel = i % s->n_spans * s->span;
        t.row = rest % s->n_row_blocks * s->rows;
        t.rows = PLN_MIN(s->rows, (s->conv.y.dims[1] + 1) / 2 - t.row);
        rest /= s->n_row_blocks;
        t.group = rest % s->conv.groups;
        t.n = rest / s->conv.groups;
        run_task(s, &t);
    }
}

const struct pln_kernel_family pln_cpu_bytes_winograd_integer = {
    .name = "bytes_winograd_integer",
    .state_bytes = sizeof(struct winograd_state),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = 1,
    .pack = pack_format,
};

const struct pln_kernel_family pln_cpu_bytes_winograd_qlinear = {
    .name = "bytes_winograd_qlinear",
    .state_bytes = sizeof(struct winograd_state),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = 3,
    .pack = pack_format,
};
