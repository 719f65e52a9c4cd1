/* Winograd's convolution of images stored channels last. A task is some tiles by some outputs: their pixels
 * transformed, one product a position, the outputs transformed back and finished while they are in the cache. */
#include "backend/cpu/kernels/conv/winograd.h"

enum { TAPS = PLN_WINOGRAD_TAPS, SPAN = PLN_WINOGRAD_SPAN, SIDE = PLN_WINOGRAD_SIDE, PANEL = PLN_GEMM_PANEL };

/* Outputs of a task: with fewer, transforming the same pixels again for others would cost more than a tenth of the
 * products. */
#define TASK_COLS 64
/* Tiles of a task: enough to be worth the weights' way from memory, unless a worker would need too much of it; more,
 * where what is transformed of them stays in the second cache. */
#define TILES_WORTH    32
#define SCRATCH_FLOATS (1024 * 1024)
#define BLOCK_FLOATS   (128 * 1024)
/* Many blocks of tiles are made a multiple of this, so that threads have equally many. */
#define BLOCKS_EVEN 4
/* Fewer channels do not fill a vector; outputs of a group are whole panels. */
#define CHANNELS_MIN 16

struct winograd_state {
    struct pln_conv conv;
    const struct pln_winograd_isa *isa;
    const struct pln_gemm_isa *gemm;
    int64_t side, span, across;           /* m, m + 2, tiles in a row of them */
    struct pln_gemm_cut cut;              /* tiles by outputs of a group */
    int64_t v_row, v_step, m_row, m_step; /* of pixels and sums, floats: from tile to tile, from position to position */
    int64_t lines;                        /* floats of finished pixels that are stored afterwards, or 0 */
};

/* What a worker has in its scratch. */
struct worker {
    const struct winograd_state *s;
    float *v, *m, *lines;
    float *zeros; /* a pixel beside the image */
    float *spare; /* an output beside the image */
    struct pln_epilogue_run epilogue;
};

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    const char *why = pln_cpu_conv_supports(problem);
    if (why != NULL) return why;
    const struct pln_operand *w = &problem->inputs[1];
    struct pln_window window;
    if (problem->direct) return "products of images and weights as they are were asked for";
    if (!w->constant) return "the weights are not constant";
    if (w->rank != 4 || w->dims[2] != TAPS || w->dims[3] != TAPS) return "not 3 x 3 taps";
    if ((why = pln_window_read(problem->attrs, 2, w->dims + 2, &window)) != NULL) return why;
    for (int d = 0; d < 2; d++)
        if (window.stride[d] != 1 || window.dilation[d] != 1) return "a stride or a dilation";
    const int64_t groups = PLN_MAX(1, pln_attrs_int(problem->attrs, "group", 1)), group_out = w->dims[0] / groups;
    if (w->dims[1] < CHANNELS_MIN || group_out < CHANNELS_MIN) return "too few channels";
    if (groups > 1 && group_out % PANEL != 0) return "the outputs of a group are no multiple of 16";
    return NULL;
}

/* On the scale of conv_last's. Measured on one core of a Zen 2, AVX2: transforming a tile of a channel, there and back,
 * takes as long as IN and OUT operations of products. Bringing one more float of the weights to a core took 0.14 ns there
 * and 0.5 ns on a Xeon with AVX-512, whose products are twice as fast: 512 channels of 7 x 7 pixels gain on the first
 * (1.44) and lose on the second (0.79). */
#define WEIGHT_NS 0.25
static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    enum { IN2 = 150, OUT2 = 110, IN4 = 1100, OUT4 = 750 };
    const struct pln_operand *w = &problem->inputs[1], *y = &problem->outputs[0];
    const int side = kernel->tile[2], span = side + TAPS - 1;
    double tiles = 1;
    for (int d = 0; d < 4; d++)
        if (d != 1)
            tiles *= y->dims[d] < 0 ? (d == 0 ? 1.0 : 56.0 / side)
                                    : (double)(d == 0 ? y->dims[d] : divide_up(y->dims[d], side));
    const double groups = (double)PLN_MAX(1, pln_attrs_int(problem->attrs, "group", 1));
    const double in = (double)w->dims[1] * groups, out = (double)w->dims[0], weights = (double)w->dims[1] * out;
    const double used = PLN_MIN(1.0, out / groups / 32);
    const double gflops = (double)kernel->tile[1] * 2 * 2.5 * (kernel->needs != 0 ? 2 : 0.5);
    double operations = 2.14 * span * span * tiles * weights / used;
    operations += tiles * (side == 2 ? IN2 * in + OUT2 * out : IN4 * in + OUT4 * out);
    return operations / gflops + (span * span - TAPS * TAPS) * weights * WEIGHT_NS + 500;
}

static const struct pln_pack_format *pack_format(const struct pln_kernel *kernel)
{
    return kernel->tile[2] == 2 ? &pln_pack_f32_winograd2_n16_v2 : &pln_pack_f32_winograd4_n16_v2;
}

static struct pln_gemm_cut cut_of(const struct winograd_state *s)
{
    const struct pln_conv *conv = &s->conv;
    struct pln_gemm_cut cut = { .m = s->across * divide_up(conv->y.dims[1], s->side), .n = conv->group_out };
    if (cut.m <= 0 || cut.n <= 0 || conv->x.n <= 0) return cut;
    cut.cols = PLN_MIN(TASK_COLS, divide_up(cut.n, PANEL) * PANEL);
    cut.n_col_blocks = divide_up(cut.n, cut.cols);
    cut.cols_most = cut.n_col_blocks * cut.cols;
    const int64_t floats = s->span * s->span * (s->v_row + cut.cols); /* of a tile */
    const int64_t worth = PLN_MIN(TILES_WORTH, PLN_MAX(SCRATCH_FLOATS / floats, 1));
    const int64_t most = PLN_MAX(BLOCK_FLOATS / floats, worth);
    cut.n_row_blocks = divide_up(cut.m, most);
    if (cut.n_row_blocks > 2) cut.n_row_blocks = divide_up(cut.n_row_blocks, BLOCKS_EVEN) * BLOCKS_EVEN;
    cut.rows = divide_up(cut.m, cut.n_row_blocks);
    cut.n_row_blocks = divide_up(cut.m, cut.rows);
    return cut;
}

/* Rows of these many floats or more, an odd number of cache lines apart: side by side, one a position, they fall onto
 * different places of the first cache. */
static int64_t step_of(int64_t floats)
{
    return (divide_up(floats, PANEL) | 1) * PANEL;
}

static enum pln_status read(const struct pln_kernel *kernel, const struct pln_launch *launch, struct pln_diag *diag,
                            struct pln_conv *conv)
{
    PLN_TRY(pln_cpu_conv_read(kernel, launch, diag, conv));
    if (!conv->packed) return pln_fail(diag, PLN_BAD_PLAN, "%s: the weights must be packed", kernel->name);
    const struct pln_image_window *w = &conv->window;
    for (int d = 1; d < PLN_IMAGE_AXES; d++)
        if (launch->inputs[0].rank != 4 || w->kernel[d] != TAPS || w->stride[d] != 1 || w->dilation[d] != 1)
            return pln_fail(diag, PLN_BAD_PLAN, "%s: not 3 x 3 taps side by side", kernel->name);
    if (conv->groups > 1 && conv->group_out % PANEL != 0)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: the outputs of a group are no multiple of 16", kernel->name);
    if (conv->x.c_stride != 1)
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the image is not stored channels last",
                               kernel->name);
    return PLN_OK;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory,
                               struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct winograd_state *s = state_memory;
    struct pln_conv *conv = &s->conv;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    PLN_TRY(read(kernel, launch, diag, conv));
    s->isa = ((pln_winograd_isa_fn)kernel->micro)();
    s->gemm = s->isa->gemm();
    s->side = s->isa->side;
    s->span = s->side + TAPS - 1;
    s->across = divide_up(conv->y.dims[2], s->side);
    s->v_row = step_of(conv->group_in);
    s->cut = cut_of(s);
    s->v_step = step_of(s->cut.rows * s->v_row);
    s->m_row = s->cut.cols;
    s->m_step = step_of(s->cut.rows * s->m_row);
    if (conv->y.c_stride != 1 || conv->y_is_bool) s->lines = s->side * s->side * s->cut.rows * s->cut.cols;
    pln_cpu_conv_walk(conv, true);
    out_prepared->n_tasks = conv->x.n * conv->groups * pln_gemm_tasks(&s->cut);
    const int64_t floats = s->span * s->span * (s->v_step + s->m_step) + s->lines + s->v_row + s->cut.cols;
    out_prepared->scratch_bytes =
        (size_t)floats * sizeof(float) + pln_epilogue_scratch_bytes(&conv->epilogue, PLN_EPILOGUE_RUN);
    return PLN_OK;
}

/* ---- running ---- */

/* Tiles [first, end) of an image and group, transformed. */
static void transform_pixels(const struct worker *w, const float *x, int64_t first, int64_t end)
{
    const struct winograd_state *s = w->s;
    const struct pln_conv *conv = &s->conv;
    const float *pixels[SPAN * SPAN];
    for (int64_t tile = first; tile < end; tile++) {
        const int64_t top = tile / s->across * s->side - conv->window.pad[1];
        const int64_t left = tile % s->across * s->side - conv->window.pad[2];
        for (int64_t i = 0; i < s->span; i++)
            for (int64_t j = 0; j < s->span; j++) {
                const int64_t row = top + i, col = left + j;
                const bool inside = row >= 0 && row < conv->x.dims[1] && col >= 0 && col < conv->x.dims[2];
                pixels[i * s->span + j] = inside ? x + row * conv->x.strides[1] + col * conv->x.strides[2] : w->zeros;
            }
        s->isa->input(pixels, conv->group_in, w->v + (tile - first) * s->v_row, s->v_step);
    }
}

/* Sums over the channels: `tiles` by outputs [channel, channel + cols). */
static void multiply(const struct worker *w, int64_t tiles, int64_t channel, int64_t cols)
{
    const struct winograd_state *s = w->s;
    const struct pln_epilogue nothing = { .present = false };
    struct pln_epilogue_run none = { .epilogue = &nothing };
    struct pln_gemm_block block = { .isa = s->gemm,
                                    .rows = tiles,
                                    .cols = cols,
                                    .k = s->conv.group_in,
                                    .a = w->v,
                                    .a_row = s->v_row,
                                    .a_col = 1,
                                    .panels = s->conv.weights,
                                    .panel_col = channel,
                                    .c = w->m,
                                    .c_row = s->m_row,
                                    .epilogue = &none };
    const int64_t position = pln_winograd_position(s->conv.y.c, s->conv.group_in);
    for (int64_t p = 0; p < s->span * s->span;
         p++, block.a += s->v_step, block.panels += position, block.c += s->m_step)
        pln_gemm_block_run(&block);
}

/* Outputs [channel, channel + cols) of `pixels` pixels of image n from number `pixel` on, computed at c: the epilogue.
 */
static void finish(struct worker *w, int64_t n, int64_t channel, int64_t cols, int64_t pixel, int64_t pixels, float *c)
{
    const struct pln_conv *conv = &w->s->conv;
    const int64_t c_row = w->s->lines > 0 ? cols : conv->y.pixel_stride;
    if (conv->epilogue.present) {
        pln_cpu_conv_place(conv, n, channel, pixel, &w->epilogue);
        pln_epilogue_rows(&w->epilogue, 0, pixels, 0, c, c_row, cols);
    }
    if (w->s->lines == 0) return;
    const struct pln_gemm_block block = { .rows = pixels, .cols = cols, .c = c, .c_row = c_row };
    const int64_t at = n * conv->y.n_stride + channel * conv->y.c_stride + pixel * conv->y.pixel_stride;
    pln_gemm_block_store(&block, conv->y.data, at, conv->y_is_bool, conv->y.pixel_stride, conv->y.c_stride);
}

/* Tiles [first, end) of one row of tiles, whose sums lie at m: their pixels, then their epilogue. */
static void finish_row(struct worker *w, int64_t n, int64_t channel, int64_t cols, int64_t first, int64_t end,
                       const float *m)
{
    const struct winograd_state *s = w->s;
    const struct pln_image *y = &s->conv.y;
    const int64_t top = first / s->across * s->side, left = first % s->across * s->side;
    const int64_t height = PLN_MIN(s->side, y->dims[1] - top),
                  width = PLN_MIN((end - first) * s->side, y->dims[2] - left);
    const int64_t pixel = top * y->dims[2] + left;
    float *c = w->lines, *pixels[SIDE * SIDE];
    int64_t down = width * cols, right = cols;
    if (s->lines == 0) {
        c = (float *)y->data + n * y->n_stride + channel + pixel * y->pixel_stride;
        down = y->dims[2] * y->pixel_stride;
        right = y->pixel_stride;
    }
    for (int64_t x = 0; x < width; x += s->side, m += s->m_row) {
        for (int64_t i = 0; i < s->side; i++)
            for (int64_t j = 0; j < s->side; j++)
                pixels[i * s->side + j] = i < height && x + j < width ? c + i * down + (x + j) * right : w->spare;
        s->isa->output(m, s->m_step, cols, pixels);
    }
    for (int64_t i = 0; i < height; i++) finish(w, n, channel, cols, pixel + i * y->dims[2], width, c + i * down);
}

static void run_span(struct worker *w, const struct pln_gemm_span *span)
{
    const struct winograd_state *s = w->s;
    const struct pln_conv *conv = &s->conv;
    const int64_t group = span->outer % conv->groups, n = span->outer / conv->groups, end = span->row + span->rows;
    transform_pixels(w, (const float *)conv->x.data + n * conv->x.n_stride + group * conv->group_in, span->row, end);
    for (int64_t col = span->col; col < span->col + span->cols; col += s->cut.cols) {
        const int64_t cols = PLN_MIN(s->cut.cols, span->col + span->cols - col),
                      channel = group * conv->group_out + col;
        multiply(w, span->rows, channel, cols);
        for (int64_t tile = span->row, next; tile < end; tile = next) {
            next = PLN_MIN(end, (tile / s->across + 1) * s->across);
            finish_row(w, n, channel, cols, tile, next, w->m + (tile - span->row) * s->m_row);
        }
    }
}

static void run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    const struct winograd_state *s = state;
    const int64_t positions = s->span * s->span;
    struct worker w = { .s = s, .v = scratch };
    w.m = w.v + positions * s->v_step;
    w.lines = w.m + positions * s->m_step;
    w.zeros = w.lines + s->lines;
    w.spare = w.zeros + s->v_row;
    memset(w.zeros, 0, (size_t)s->v_row * sizeof(float));
    pln_epilogue_bind(&s->conv.epilogue, s->gemm->vec, PLN_EPILOGUE_RUN, w.spare + s->cut.cols, &w.epilogue);
    while (first < last) {
        const struct pln_gemm_span span = pln_gemm_span_of(&s->cut, first, last);
        run_span(&w, &span);
        first += span.tasks;
    }
}

const struct pln_kernel_family pln_cpu_conv_winograd = {
    .name = "conv_winograd",
    .state_bytes = sizeof(struct winograd_state),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = 1,
    .pack = pack_format,
};
