/* ConvInteger and QLinearConv. Output channels are the rows of a product, pixels its columns: images are read as they lie, n,c,h,w, and results need not be turned.
 *
 * Two channels side by side make pairs. A task has some channels of a rectangle of pixels. The rows of the image that these see become planes: a line of pairs for each pair of channels,
 * depth tap, row, and column modulo the stride, padding included; then each tap's line of B is a copy of runs of it. Without a window the planes are the lines themselves. */
#include "backend/cpu/kernels/bytes/bytes.h"
#include "backend/cpu/kernels/conv/image.h"

/* Pixels that a rectangle has at most; channels of a task at most; tasks that are enough for a handful of threads. */
enum { PIXELS_MOST = 192, CHANNELS_MOST = 126, TASKS_LEAST = 8 };
/* Taps of a window; more of them are for the reference kernel. */
enum { TAPS_MOST = 1024 };

/* ---- weights [o, c, ...kernel]: rows o of pairs of channels 2p and 2p + 1 as bytes, taps innermost; what lies past c is zero ---- */

static bool read_weights(const struct pln_tensor *plain, int64_t *out_channels, int64_t *out_taps, size_t *out_bytes)
{
    int64_t taps = 1, n;
    *out_bytes = 0;
    if (plain->rank < 3 || plain->rank > 5 || !pln_bytes_is(plain->dtype) || !pln_tensor_is_contiguous(plain)) return false;
    for (int d = 2; d < plain->rank; d++)
        if (!pln_mul_i64(taps, plain->dims[d], &taps)) return false;
    if (!pln_add_i64(plain->dims[1], plain->dims[1] % 2, &n) || !pln_mul_i64(n, taps, &n) || !pln_mul_i64(n, plain->dims[0], &n)) return false;
    *out_channels = plain->dims[1];
    *out_taps = taps;
    *out_bytes = (size_t)n;
    return true;
}

static bool pairs_bytes(const struct pln_tensor *plain, size_t *out_bytes)
{
    int64_t channels, taps;
    return read_weights(plain, &channels, &taps, out_bytes);
}

static void pairs_pack(const struct pln_tensor *plain, void *packed)
{
    int64_t channels, taps;
    size_t bytes;
    uint8_t *to = packed;
    if (!read_weights(plain, &channels, &taps, &bytes)) return;
    for (int64_t o = 0; o < plain->dims[0]; o++)
        for (int64_t c = 0; c < channels; c += 2) {
            const uint8_t *from = (const uint8_t *)plain->data + (o * channels + c) * taps;
            for (int64_t t = 0; t < taps; t++) {
                *to++ = from[t];
                *to++ = c + 1 < channels ? from[taps + t] : 0;
            }
        }
}

static void pairs_unpack(const void *packed, const struct pln_tensor *plain)
{
    int64_t channels, taps;
    size_t bytes;
    const uint8_t *from = packed;
    if (!read_weights(plain, &channels, &taps, &bytes)) return;
    for (int64_t o = 0; o < plain->dims[0]; o++)
        for (int64_t c = 0; c < channels; c += 2) {
            uint8_t *to = (uint8_t *)plain->data + (o * channels + c) * taps;
            for (int64_t t = 0; t < taps; t++, from += 2) {
                to[t] = from[0];
                if (c + 1 < channels) to[taps + t] = from[1];
            }
        }
}

static const struct pln_pack_format pairs_format = { "bytes_oihw_c2_v1", pairs_bytes, pairs_pack, pairs_unpack };

static const struct pln_pack_format *pack_format(const struct pln_kernel *kernel)
{
    (void)kernel;
    return &pairs_format;
}

/* ---- what fits ---- */

/* Numbers of inputs. */
struct places {
    int x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias; /* -1: there is none */
};

static const struct places *places_of(unsigned op)
{
    static const struct places integer = { 0, -1, 2, 1, -1, 3, -1, -1, -1 }, quantized = { 0, 1, 2, 3, 4, 5, 6, 7, 8 };
    return op == PLN_OP_CONV_INTEGER ? &integer : &quantized;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const struct places *at = places_of(problem->op);
    (void)kernel;
    if (problem->n_inputs <= at->w || problem->n_outputs != 1 || (problem->op == PLN_OP_QLINEAR_CONV && problem->n_inputs < 8)) return "wrong number of operands";
    const struct pln_operand *x = &problem->inputs[at->x], *w = &problem->inputs[at->w];
    if (!pln_bytes_is(x->dtype) || !pln_bytes_is(w->dtype)) return "an operand is not of bytes";
    if (x->rank < 3 || x->rank > 5 || w->rank != x->rank) return "not one to three spatial axes";
    for (int d = 0; d < w->rank; d++)
        if (w->dims[d] < 0) return "the weights' dims are not known";
    double taps = 1;
    for (int d = 2; d < w->rank; d++) taps *= (double)w->dims[d];
    if (taps > TAPS_MOST) return "the window is too large";
    if (taps * (double)w->dims[1] > PLN_BYTES_K_MOST) return "sums of more terms than 32 bits hold";
    const int64_t o = w->dims[0];
    const bool fits = pln_bytes_parameter_fits(problem, at->x_zero, false, -1) && pln_bytes_parameter_fits(problem, at->w_zero, false, o) && pln_bytes_parameter_fits(problem, at->x_scale, true, -1) &&
                      pln_bytes_parameter_fits(problem, at->w_scale, true, o) && pln_bytes_parameter_fits(problem, at->y_scale, true, -1) && pln_bytes_parameter_fits(problem, at->y_zero, false, -1);
    return fits ? NULL : "a scale or zero point of another form or type";
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const struct pln_operand *w = &problem->inputs[places_of(problem->op)->w], *y = &problem->outputs[0];
    double macs = 1;
    for (int d = 0; d < w->rank; d++) macs *= (double)w->dims[d];
    for (int d = 0; d < y->rank; d++)
        if (d != 1) macs *= y->dims[d] < 0 ? (d == 0 ? 1.0 : 56.0) : (double)y->dims[d];
    return 2 * macs / ((double)kernel->tile[1] * 4 * 2.5 * (kernel->needs != 0 ? 2 : 0.5)) + 500;
}

/* ---- prepare ---- */

struct conv_state {
    const struct pln_bytes_isa *isa;
    struct pln_image x, y;
    struct pln_image_window window;
    const uint8_t *weights;
    bool x_signed, w_signed, packed, quantizes;
    struct pln_bytes_parameter x_zero, w_zero;
    struct pln_bytes_result result;
    int64_t groups, group_in, group_out, pairs; /* pairs: of a whole sum */
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
    const int64_t width = s->y.dims[2], height = s->y.dims[1];
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
    s->n_channel_blocks = (s->group_out + CHANNELS_MOST - 1) / CHANNELS_MOST;
    const int64_t tasks = PLN_MAX(s->n_row_blocks * s->n_col_blocks * s->y.n * s->y.dims[0] * s->groups, 1);
    while (tasks * s->n_channel_blocks < TASKS_LEAST && s->group_out / s->n_channel_blocks > 8 * s->isa->rows) s->n_channel_blocks++;
    s->channels = ((s->group_out + s->n_channel_blocks - 1) / s->n_channel_blocks + s->isa->rows - 1) / s->isa->rows * s->isa->rows;
    s->n_channel_blocks = (s->group_out + s->channels - 1) / s->channels;
}

/* Memory of the planes, lines and sums; false: too large. */
static bool place(struct conv_state *s)
{
    const struct pln_image_window *w = &s->window;
    const int64_t channel_pairs = (s->group_in + 1) / 2, pixels = s->rows * s->cols, seen_rows = (s->rows - 1) * w->stride[1] + (w->kernel[1] - 1) * w->dilation[1] + 1,
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
    s->a_bytes = pln_align_up((size_t)(PLN_MIN(s->channels, s->group_out) * s->a_row) * sizeof(int16_t), 64);
    s->b_bytes = pln_align_up((size_t)(s->piece * w->taps * s->b_line + 2 * PLN_BYTES_SLACK) * sizeof(int16_t), 64);
    s->c_bytes = pln_align_up((size_t)(PLN_MIN(s->channels, s->group_out) * s->c_row) * sizeof(int32_t), 64);
    return true;
}

static bool read_parameters(const struct pln_launch *launch, const struct places *at, struct conv_state *s)
{
    const int64_t o = s->y.c;
    if (at->bias >= 0 && at->bias < launch->n_inputs && launch->inputs[at->bias].dtype != PLN_DTYPE_NONE) {
        const struct pln_tensor *bias = &launch->inputs[at->bias];
        if (bias->dtype != PLN_I32 || bias->rank != 1 || bias->dims[0] != o || !pln_tensor_is_contiguous(bias)) return false;
        s->result.bias = bias->data;
    }
    return pln_bytes_parameter_read(launch, at->x_scale, true, 1, &s->result.x_scale) && pln_bytes_parameter_read(launch, at->x_zero, false, 1, &s->x_zero) &&
           pln_bytes_parameter_read(launch, at->w_scale, true, o, &s->result.w_scale) && pln_bytes_parameter_read(launch, at->w_zero, false, o, &s->w_zero) &&
           pln_bytes_parameter_read(launch, at->y_scale, true, 1, &s->result.y_scale) && pln_bytes_parameter_read(launch, at->y_zero, false, 1, &s->result.y_zero);
}

/* Without a window pixels are one row. */
static void flatten(struct pln_image *image)
{
    image->dims[0] = image->dims[1] = 1;
    image->dims[2] = image->pixels;
    image->strides[0] = image->strides[1] = image->pixels;
    image->strides[2] = 1;
}

static enum pln_status read_shapes(const struct pln_kernel *kernel, const struct pln_launch *launch, const struct places *at, struct conv_state *s, struct pln_diag *diag)
{
    const struct pln_tensor *x = &launch->inputs[at->x], *w = &launch->inputs[at->w], *y = &launch->outputs[0];
    int64_t channels, taps;
    size_t bytes;
    if (!pln_bytes_is(x->dtype) || !read_weights(w, &channels, &taps, &bytes) || x->rank != w->rank || y->rank != x->rank || !pln_tensor_is_contiguous(x) || !pln_tensor_is_contiguous(y) ||
        (s->quantizes ? !pln_bytes_is(y->dtype) : y->dtype != PLN_I32))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the operands are no images of bytes", kernel->name);
    s->packed = launch->packed_bytes != 0;
    if ((s->packed && bytes != launch->packed_bytes) || taps > TAPS_MOST || taps * channels > PLN_BYTES_K_MOST)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: these are no weights of it", kernel->name);
    pln_image_of(x, &s->x);
    pln_image_of(y, &s->y);
    s->groups = pln_attrs_int(launch->attrs, "group", 1);
    s->group_in = channels;
    if (s->groups < 1 || !pln_mul_i64(s->groups, channels, &channels) || channels != s->x.c || w->dims[0] != s->y.c || s->y.c % s->groups != 0 || s->x.n != s->y.n)
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: image, weights, groups and output do not fit", kernel->name);
    s->group_out = s->y.c / s->groups;
    const char *why = pln_image_window(launch->attrs, x->rank, w->dims + 2, &s->x, &s->y, &s->window);
    if (why != NULL) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: %s", kernel->name, why);
    if (s->window.pointwise) {
        flatten(&s->x);
        flatten(&s->y);
    }
    s->weights = w->data;
    s->x_signed = x->dtype == PLN_I8;
    s->w_signed = w->dtype == PLN_I8;
    s->result.k = taps * s->group_in;
    s->result.is_signed = y->dtype == PLN_I8;
    return PLN_OK;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct conv_state *s = state_memory;
    const struct places *at = places_of(launch->op);
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    s->quantizes = launch->op == PLN_OP_QLINEAR_CONV;
    if (launch->n_inputs <= at->w || launch->n_outputs != 1 || (s->quantizes && launch->n_inputs < 8)) return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    PLN_TRY(read_shapes(kernel, launch, at, s, diag));
    if (!read_parameters(launch, at, s)) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: parameters do not fit", kernel->name);
    s->isa = ((pln_bytes_isa_fn)kernel->micro)();
    if (s->y.n * s->y.c * s->y.pixels == 0) return PLN_OK;
    cut(s);
    if (!place(s)) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the image is too large", kernel->name);
    out_prepared->n_tasks = s->y.n * s->groups * s->n_channel_blocks * s->y.dims[0] * s->n_row_blocks * s->n_col_blocks;
    out_prepared->grain = 1 + (int64_t)(1e6 / (2.0 * (double)(s->rows * s->cols * s->channels) * (double)(2 * s->pairs + 1)));
    out_prepared->scratch_bytes = s->plane_bytes + s->a_bytes + s->b_bytes + s->c_bytes + (s->quantizes ? pln_bytes_result_bytes(s->channels) : 0);
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
    t->depth = i % s->y.dims[0];
    i /= s->y.dims[0];
    t->group = i % s->groups;
    t->n = i / s->groups;
    t->channels = PLN_MIN(s->channels, s->group_out - t->channel);
    t->rows = PLN_MIN(s->rows, s->y.dims[1] - t->row);
    t->cols = PLN_MIN(s->cols, s->y.dims[2] - t->col);
    t->image = (const uint8_t *)s->x.data + t->n * s->x.n_stride + t->group * s->group_in * s->x.c_stride;
}

/* Is offset `at` one that a tap sees from some pixel of a task? */
static bool is_seen(int64_t at, int64_t kernel, int64_t dilation, int64_t stride, int64_t pixels)
{
    for (int64_t tap = 0; tap < kernel && tap * dilation <= at; tap++)
        if ((at - tap * dilation) % stride == 0 && (at - tap * dilation) / stride < pixels) return true;
    return false;
}

static bool phase_is_seen(const struct pln_image_window *w, int64_t phase)
{
    for (int64_t tap = 0; tap < w->kernel[2]; tap++)
        if (tap * w->dilation[2] % w->stride[2] == phase) return true;
    return false;
}

/* A row of the image, or of padding, of channels c and c + 1 as the phases of a row of a plane. */
static void fill_row(const struct conv_state *s, const struct task *t, int64_t c, const int64_t *at, int16_t *to)
{
    const struct pln_image_window *w = &s->window;
    const bool inside = at[0] >= 0 && at[0] < s->x.dims[0] && at[1] >= 0 && at[1] < s->x.dims[1];
    const uint8_t *line = t->image + c * s->x.c_stride + (inside ? at[0] * s->x.strides[0] + at[1] * s->x.strides[1] : 0);
    const int64_t step = w->stride[2], begin = t->col * step - w->pad[2], pairs = s->phase - PLN_BYTES_SLACK;
    for (int64_t phase = 0; phase < step; phase++, to += 2 * s->phase) {
        int64_t first, end;
        if (!phase_is_seen(w, phase)) continue;
        pln_window_clip(begin + phase, step, s->x.dims[2], pairs, &first, &end);
        if (!inside) first = end = 0;
        memset(to, 0, (size_t)first * 4);
        memset(to + 2 * end, 0, (size_t)(pairs - end) * 4);
        if (first >= end) continue;
        const uint8_t *even = line + begin + phase + first * step;
        const struct pln_bytes_lines lines = { .even = even, .odd = c + 1 < s->group_in ? even + s->x.c_stride : NULL, .n = end - first, .step = step, .is_signed = s->x_signed,
                                               .zero = pln_bytes_zero_at(&s->x_zero, 0), .to = to + 2 * first };
        s->isa->interleave(&lines);
    }
}

/* Planes of pairs of channels [first, first + n). */
static void fill_planes(const struct conv_state *s, const struct task *t, int64_t first, int64_t n)
{
    const struct pln_image_window *w = &s->window;
    const int64_t rows = (t->rows - 1) * w->stride[1] + (w->kernel[1] - 1) * w->dilation[1] + 1;
    int16_t *plane = t->planes;
    for (int64_t c = first; c < first + n; c++, plane += 2 * s->plane)
        for (int64_t z = 0; z < w->kernel[0]; z++)
            for (int64_t r = 0; r < rows; r++) {
                const int64_t at[2] = { t->depth * w->stride[0] + z * w->dilation[0] - w->pad[0], t->row * w->stride[1] + r - w->pad[1] };
                if (is_seen(r, w->kernel[1], w->dilation[1], w->stride[1], t->rows)) fill_row(s, t, 2 * c, at, plane + 2 * (z * s->slice + r * s->row));
            }
}

/* Lines of B of n pairs of channels. */
static void fill_lines(const struct conv_state *s, const struct task *t, int64_t first, int64_t n)
{
    const struct pln_image_window *w = &s->window;
    int16_t *to = t->b;
    if (w->pointwise) {
        for (int64_t c = 2 * first; c < 2 * (first + n); c += 2, to += s->b_line) {
            const uint8_t *even = t->image + c * s->x.c_stride + t->col;
            const struct pln_bytes_lines lines = { .even = even, .odd = c + 1 < s->group_in ? even + s->x.c_stride : NULL, .n = t->cols, .step = 1, .is_signed = s->x_signed,
                                                   .zero = pln_bytes_zero_at(&s->x_zero, 0), .to = to };
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
    const int64_t taps = s->window.taps;
    const int32_t zero = pln_bytes_zero_at(&s->w_zero, o);
    if (s->packed) {
        s->isa->widen(s->weights + (o * s->pairs + first * taps) * 2, s->w_signed, zero, 2 * n * taps, to);
        return;
    }
    const uint8_t *from = s->weights + (o * s->group_in + 2 * first) * taps;
    if (taps == 1) {
        s->isa->widen(from, s->w_signed, zero, PLN_MIN(2 * n, s->group_in - 2 * first), to);
        return;
    }
    for (int64_t c = 2 * first; c < 2 * (first + n); c += 2, from += 2 * taps, to += 2 * taps) {
        const struct pln_bytes_lines lines = { .even = from, .odd = c + 1 < s->group_in ? from + taps : NULL, .n = taps, .step = 1, .is_signed = s->w_signed, .zero = zero, .to = to };
        s->isa->interleave(&lines);
    }
}

static void store(const struct conv_state *s, const struct task *t)
{
    const int64_t first = t->group * s->group_out + t->channel, width = s->y.dims[2], n = t->rows * t->cols;
    struct pln_bytes_finish finish;
    if (s->quantizes) pln_bytes_result_read(&s->result, first, t->channels, t->numbers, &finish);
    for (int64_t i = 0; i < t->channels; i++) {
        const int32_t *sums = t->sums + i * s->c_row;
        /* Whole rows, or a part of one: pixels lie side by side. */
        const int64_t at = t->n * s->y.n_stride + (first + i) * s->y.c_stride + t->depth * s->y.strides[0] + t->row * width + t->col;
        if (!s->quantizes) {
            memcpy((int32_t *)(void *)s->y.data + at, sums, (size_t)n * sizeof *sums);
            continue;
        }
        struct pln_bytes_finish one = pln_bytes_result_at(&finish, i);
        one.step = 0;
        one.sums = sums;
        one.n = n;
        one.to = (uint8_t *)s->y.data + at;
        s->isa->finish(&one);
    }
}

static void run_task(const struct conv_state *s, const struct task *t)
{
    const int64_t taps = s->window.taps, channel_pairs = (s->group_in + 1) / 2, first = t->group * s->group_out + t->channel;
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
