/* ConvInteger and QLinearConv. Output channels are the rows of a product, pixels its columns: images are read as they lie, n,c,h,w, and results need not be turned.
 *
 * Two channels side by side make pairs. A task has some channels of a rectangle of pixels. The rows of the image that these see become planes: a line of pairs for each pair of channels,
 * depth tap, row, and column modulo the stride, padding included; then each tap's line of B is a copy of runs of it. Without a window the planes are the lines themselves. */
#include "backend/cpu/kernels/bytes/conv.h"

#include <math.h>

/* Pixels that a rectangle has at most; channels of a task at most; tasks that are enough for a handful of threads. */
enum { PIXELS_MOST = 128, CHANNELS_MOST = 126, TASKS_LEAST = 8 };

static const struct pln_pack_format *pack_format(const struct pln_kernel *kernel)
{
    (void)kernel;
    return &pln_pack_bytes_oihw_c2_v1;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    return pln_bytes_conv_supports(problem);
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const struct pln_operand *w = &problem->inputs[pln_bytes_conv_weights(problem->op)];
    const double outputs = PLN_MAX((double)w->dims[0] / (double)PLN_MAX(pln_attrs_int(problem->attrs, "group", 1), 1), 1), strips = ceil(outputs / kernel->tile[0]);
    return pln_bytes_conv_macs(problem, kernel->tile[1] / 2) * strips * kernel->tile[0] / outputs / ((double)kernel->tile[1] * (kernel->needs != 0 ? 5 : 1)) + 500;
}

/* ---- prepare ---- */

struct conv_state {
    const struct pln_bytes_isa *isa;
    struct pln_bytes_conv conv;
    int64_t pairs; /* of a whole sum */
    /* A task's rectangle of rows and columns of pixels, within one depth, and its channels. */
    int64_t rows, cols, channels, n_row_blocks, n_col_blocks, n_channel_blocks;
    /* Planes: pairs of a phase, of a row, of a depth tap and of a pair of channels. */
    int64_t phase, row, slice, plane;
    int64_t piece;               /* pairs of channels that are worked on at a time */
    int64_t a_row, b_line, c_row; /* of scratch */
    size_t plane_bytes, a_bytes, b_bytes, c_bytes;
};

/* Rows of pixels that fill vectors best, as many as there is room for. */
static int64_t best_rows(int64_t height, int64_t width, int64_t step)
{
    int64_t best = 1;
    double most = 0;
    for (int64_t rows = PLN_MIN(height, PIXELS_MOST / width); rows >= 1; rows--) {
        const double filled = (double)(rows * width) / (double)((rows * width + step - 1) / step * step);
        if (filled > most + 0.02) {
            most = filled;
            best = rows;
        }
    }
    return best;
}

static void cut(struct conv_state *s)
{
    const int64_t width = s->conv.y.dims[2], height = s->conv.y.dims[1];
    if (width > PIXELS_MOST) {
        const int64_t blocks = (width + PIXELS_MOST - 1) / PIXELS_MOST;
        s->rows = 1;
        s->cols = ((width + blocks - 1) / blocks + s->isa->cols - 1) / s->isa->cols * s->isa->cols;
    } else {
        s->cols = PLN_MAX(width, 1);
        s->rows = best_rows(PLN_MAX(height, 1), s->cols, s->isa->cols_step);
    }
    s->n_row_blocks = (height + s->rows - 1) / s->rows;
    s->n_col_blocks = (width + s->cols - 1) / s->cols;
    s->n_channel_blocks = (s->conv.group_out + CHANNELS_MOST - 1) / CHANNELS_MOST;
    const int64_t tasks = PLN_MAX(s->n_row_blocks * s->n_col_blocks * s->conv.y.n * s->conv.y.dims[0] * s->conv.groups, 1);
    while (tasks * s->n_channel_blocks < TASKS_LEAST && s->conv.group_out / s->n_channel_blocks > 8 * s->isa->rows) s->n_channel_blocks++;
    s->channels = ((s->conv.group_out + s->n_channel_blocks - 1) / s->n_channel_blocks + s->isa->rows - 1) / s->isa->rows * s->isa->rows;
    s->n_channel_blocks = (s->conv.group_out + s->channels - 1) / s->channels;
}

/* Memory of the planes, lines and sums; false: too large. */
static bool place(struct conv_state *s)
{
    const struct pln_image_window *w = &s->conv.window;
    const int64_t channel_pairs = (s->conv.group_in + 1) / 2, pixels = s->rows * s->cols, seen_rows = (s->rows - 1) * w->stride[1] + (w->kernel[1] - 1) * w->dilation[1] + 1,
                  seen_cols = (s->cols - 1) * w->stride[2] + (w->kernel[2] - 1) * w->dilation[2] + 1;
    int64_t plane_pairs;
    s->pairs = channel_pairs * w->taps;
    s->piece = PLN_MIN(PLN_MAX(PLN_BYTES_DEPTH / 2 / w->taps, 1), channel_pairs);
    s->phase = (seen_cols + w->stride[2] - 1) / w->stride[2] + PLN_BYTES_SLACK;
    if (!pln_mul_i64(s->phase, w->stride[2], &s->row) || !pln_mul_i64(s->row, seen_rows, &s->slice) || !pln_mul_i64(s->slice, w->kernel[0], &s->plane) ||
        !pln_mul_i64(s->plane, s->piece, &plane_pairs) || plane_pairs > INT64_MAX / 64)
        return false;
    s->a_row = 2 * s->piece * w->taps + 16; /* rows of a power of two bytes would meet in one place of the cache */
    /* An odd number of vectors, for the same reason. */
    s->b_line = 2 * ((pixels + 2 * PLN_BYTES_SLACK) / 16 * 16);
    if (s->b_line / 32 % 2 == 0) s->b_line += 32;
    s->c_row = s->b_line / 2;
    s->plane_bytes = w->pointwise ? 0 : pln_align_up((size_t)plane_pairs * 4, 64);
    s->a_bytes = pln_align_up((size_t)(PLN_MIN(s->channels, s->conv.group_out) * s->a_row) * sizeof(int16_t), 64);
    s->b_bytes = pln_align_up((size_t)(s->piece * w->taps * s->b_line + 2 * PLN_BYTES_SLACK) * sizeof(int16_t), 64);
    s->c_bytes = pln_align_up((size_t)(PLN_MIN(s->channels, s->conv.group_out) * s->c_row) * sizeof(int32_t), 64);
    return true;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct conv_state *s = state_memory;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    PLN_TRY(pln_bytes_conv_read(kernel, launch, diag, &s->conv));
    s->isa = ((pln_bytes_isa_fn)kernel->micro)();
    if (s->conv.y.n * s->conv.y.c * s->conv.y.pixels == 0) return PLN_OK;
    cut(s);
    if (!place(s)) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the image is too large", kernel->name);
    out_prepared->n_tasks = s->conv.y.n * s->conv.groups * s->n_channel_blocks * s->conv.y.dims[0] * s->n_row_blocks * s->n_col_blocks;
    out_prepared->grain = 1 + (int64_t)(1e6 / (2.0 * (double)(s->rows * s->cols * s->channels) * (double)(2 * s->pairs + 1)));
    out_prepared->scratch_bytes = s->plane_bytes + s->a_bytes + s->b_bytes + s->c_bytes + (s->conv.quantizes ? pln_bytes_result_bytes(s->channels) : 0);
    return PLN_OK;
}

/* ---- run ---- */

struct task {
    int64_t n, group, depth, channel, channels, row, rows, col, cols;
    const uint8_t *image; /* the group's first channel */
    int16_t *planes, *a, *b;
    int32_t *sums;
    void *numbers;
};

static void read_task(const struct conv_state *s, int64_t i, struct task *t)
{
    t->channel = i % s->n_channel_blocks * s->channels;
    i /= s->n_channel_blocks;
    t->col = i % s->n_col_blocks * s->cols;
    i /= s->n_col_blocks;
    t->row = i % s->n_row_blocks * s->rows;
    i /= s->n_row_blocks;
    t->depth = i % s->conv.y.dims[0];
    i /= s->conv.y.dims[0];
    t->group = i % s->conv.groups;
    t->n = i / s->conv.groups;
    t->channels = PLN_MIN(s->channels, s->conv.group_out - t->channel);
    t->rows = PLN_MIN(s->rows, s->conv.y.dims[1] - t->row);
    t->cols = PLN_MIN(s->cols, s->conv.y.dims[2] - t->col);
    t->image = (const uint8_t *)s->conv.x.data + t->n * s->conv.x.n_stride + t->group * s->conv.group_in * s->conv.x.c_stride;
}

/* A row of the image, or of padding, of channels c and c + 1 as the phases of a row of a plane. */
static void fill_row(const struct conv_state *s, const struct task *t, int64_t c, const int64_t *at, int16_t *to)
{
    const struct pln_image *x = &s->conv.x;
    const bool inside = at[0] >= 0 && at[0] < x->dims[0] && at[1] >= 0 && at[1] < x->dims[1];
    const uint8_t *line = inside ? t->image + c * x->c_stride + at[0] * x->strides[0] + at[1] * x->strides[1] : NULL;
    const struct pln_bytes_row row = { .even = line, .odd = inside && c + 1 < s->conv.group_in ? line + x->c_stride : NULL, .begin = t->col * s->conv.window.stride[2] - s->conv.window.pad[2],
                                       .pairs = s->phase - PLN_BYTES_SLACK, .phase_pairs = s->phase, .step = s->conv.window.stride[2], .to = to };
    pln_bytes_conv_fill(&s->conv, s->isa, &row);
}

/* Planes of pairs of channels [first, first + n). */
static void fill_planes(const struct conv_state *s, const struct task *t, int64_t first, int64_t n)
{
    const struct pln_image_window *w = &s->conv.window;
    const int64_t rows = (t->rows - 1) * w->stride[1] + (w->kernel[1] - 1) * w->dilation[1] + 1;
    int16_t *plane = t->planes;
    for (int64_t c = first; c < first + n; c++, plane += 2 * s->plane)
        for (int64_t z = 0; z < w->kernel[0]; z++)
            for (int64_t r = 0; r < rows; r++) {
                const int64_t at[2] = { t->depth * w->stride[0] + z * w->dilation[0] - w->pad[0], t->row * w->stride[1] + r - w->pad[1] };
                if (pln_bytes_conv_sees(r, w->kernel[1], w->dilation[1], w->stride[1], t->rows)) fill_row(s, t, 2 * c, at, plane + 2 * (z * s->slice + r * s->row));
            }
}

/* Lines of B of n pairs of channels. */
static void fill_lines(const struct conv_state *s, const struct task *t, int64_t first, int64_t n)
{
    const struct pln_image_window *w = &s->conv.window;
    int16_t *to = t->b;
    if (w->pointwise) {
        for (int64_t c = 2 * first; c < 2 * (first + n); c += 2, to += s->b_line) {
            const uint8_t *even = t->image + c * s->conv.x.c_stride + t->col;
            const struct pln_bytes_lines lines = { .even = even, .odd = c + 1 < s->conv.group_in ? even + s->conv.x.c_stride : NULL, .n = t->cols, .step = 1, .room = pln_bytes_conv_room(&s->conv, even + (c + 1 < s->conv.group_in ? s->conv.x.c_stride : 0), 1), .is_signed = s->conv.x_signed,
                                                   .zero = pln_bytes_zero_at(&s->conv.x_zero, 0), .to = to };
            s->isa->interleave(&lines);
        }
        return;
    }
    fill_planes(s, t, first, n);
    for (int64_t c = 0; c < n; c++) {
        int64_t tap[PLN_IMAGE_AXES] = { 0 };
        do {
            const int64_t x = tap[2] * w->dilation[2];
            const int16_t *from = t->planes + 2 * (c * s->plane + tap[0] * s->slice + tap[1] * w->dilation[1] * s->row + x % w->stride[2] * s->phase + x / w->stride[2]);
            s->isa->copy(from, w->stride[1] * s->row, t->rows, t->cols, to);
            to += s->b_line;
        } while (pln_index_step(PLN_IMAGE_AXES, tap, w->kernel));
    }
}

/* The row of A of output channel o: its weights for pairs of channels [first, first + n). */
static void fill_weights(const struct conv_state *s, int64_t o, int64_t first, int64_t n, int16_t *to)
{
    const int64_t taps = s->conv.window.taps;
    const int32_t zero = pln_bytes_zero_at(&s->conv.w_zero, o);
    if (s->conv.packed) {
        s->isa->widen(s->conv.weights + (o * s->pairs + first * taps) * 2, s->conv.w_signed, zero, 2 * n * taps, to);
        return;
    }
    const uint8_t *from = s->conv.weights + (o * s->conv.group_in + 2 * first) * taps;
    if (taps == 1) {
        s->isa->widen(from, s->conv.w_signed, zero, PLN_MIN(2 * n, s->conv.group_in - 2 * first), to);
        return;
    }
    for (int64_t c = 2 * first; c < 2 * (first + n); c += 2, from += 2 * taps, to += 2 * taps) {
        const struct pln_bytes_lines lines = { .even = from, .odd = c + 1 < s->conv.group_in ? from + taps : NULL, .n = taps, .room = taps, .step = 1, .is_signed = s->conv.w_signed, .zero = zero, .to = to };
        s->isa->interleave(&lines);
    }
}

static void store(const struct conv_state *s, const struct task *t)
{
    const int64_t first = t->group * s->conv.group_out + t->channel, width = s->conv.y.dims[2], n = t->rows * t->cols;
    struct pln_bytes_finish finish;
    if (s->conv.quantizes) pln_bytes_result_read(&s->conv.result, first, t->channels, t->numbers, &finish);
    for (int64_t i = 0; i < t->channels; i++) {
        const int32_t *sums = t->sums + i * s->c_row;
        /* Whole rows, or a part of one: pixels lie side by side. */
        const int64_t at = t->n * s->conv.y.n_stride + (first + i) * s->conv.y.c_stride + t->depth * s->conv.y.strides[0] + t->row * width + t->col;
        pln_bytes_conv_store(&s->conv, s->isa, &finish, i, sums, n, at);
    }
}

static void run_task(const struct conv_state *s, const struct task *t)
{
    const int64_t taps = s->conv.window.taps, channel_pairs = (s->conv.group_in + 1) / 2, first = t->group * s->conv.group_out + t->channel;
    if (channel_pairs == 0) memset(t->sums, 0, s->c_bytes);
    for (int64_t c = 0; c < channel_pairs; c += s->piece) {
        const int64_t n = PLN_MIN(s->piece, channel_pairs - c);
        struct pln_bytes_tile block = { .a = t->a, .a_row = s->a_row, .b = t->b, .b_line = s->b_line, .pairs = n * taps, .c = t->sums, .c_row = s->c_row, .add = c > 0 };
        fill_lines(s, t, c, n);
        for (int64_t i = 0; i < t->channels; i++) fill_weights(s, first + i, c, n, t->a + i * s->a_row);
        pln_bytes_multiply(s->isa, &block, t->channels, t->rows * t->cols);
    }
    store(s, t);
}

static void run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    const struct conv_state *s = state;
    char *memory = scratch;
    struct task t = { .planes = scratch, .a = (void *)(memory + s->plane_bytes) };
    t.b = (void *)((char *)t.a + s->a_bytes);
    t.sums = (void *)((char *)t.b + s->b_bytes);
    t.numbers = (char *)t.sums + s->c_bytes;
    for (int64_t i = first; i < last; i++) {
        read_task(s, i, &t);
        run_task(s, &t);
    }
}

const struct pln_kernel_family pln_cpu_bytes_conv_integer = {
    .name = "bytes_conv_integer",
    .state_bytes = sizeof(struct conv_state),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = 1,
    .pack = pack_format,
};

const struct pln_kernel_family pln_cpu_bytes_qlinear_conv = {
    .name = "bytes_qlinear_conv",
    .state_bytes = sizeof(struct conv_state),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = 3,
    .pack = pack_format,
};
