/* Convolution of images stored channels last, row by row of the output, or by parts of long ones: the rows of the image that some rows of the
 * output see are copied once (of three axes: of each slice that they see), with zeros around them, and tiles read the patches of pixels side by side from there: tap
 * and channel k of a patch lie offsets[k] from its begin, and the next patch a step of the window further. Against
 * patches as rows of a product (last.c) it copies a pixel once instead of once a tap, and its tiles end with the row. */
#include "backend/cpu/kernels/conv/conv.h"

/* Places of k that a state holds: 128 channels of 3 x 3, and 7 x 7 of 16. */
#define K_MAX 1152
/* Rows of the output of a task, and floats of the image that stay in the second cache for them. */
#define ROWS_MAX   8
#define TASKS_LEAST 8
/* Tiles side by side in a part of a row, at least: each part copies what its last window sees beyond it. */
#define STRIPS_LEAST 8
#define IMAGE_FLOATS (64 * 1024)
/* Floats of the image that one window spans, at most: of windows wide apart nearly all that would be copied is beside the image. */
#define SPAN_FLOATS (16 * IMAGE_FLOATS)

struct rows_state {
    struct pln_conv conv;
    const struct pln_gemm_isa *isa;
    int64_t rows, n_blocks;       /* of the output: of a task, of an image */
    int64_t cols, n_parts;        /* pixels of a task's rows, and parts of a row; a task of parts has one row */
    int64_t image_rows, line;     /* of a task: rows of the image, in each slice that a window meets, and floats of one */
    int64_t slice;                /* floats of such a slice */
    int64_t c_scratch;            /* floats, where the output is not dense f32 */
    int32_t offsets[K_MAX];
};

static const char *check_span(const struct pln_problem *problem)
{
    const struct pln_operand *w = &problem->inputs[1];
    struct pln_window window;
    const char *why = pln_window_read(problem->attrs, w->rank - 2, w->dims + 2, &window);
    double floats = (double)w->dims[1];
    for (int d = 0; why == NULL && d < window.rank; d++) floats *= (double)pln_window_span(&window, d);
    return why == NULL && floats > SPAN_FLOATS ? "the window spans too much of the image" : why;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    const char *why = pln_cpu_conv_supports(problem);
    if (why != NULL) return why;
    const struct pln_operand *w = &problem->inputs[1];
    if (!w->constant) return "the weights are not constant";
    if (pln_attrs_int(problem->attrs, "group", 1) != 1) return "groups";
    int64_t k = 1, taps = 1;
    for (int d = 1; d < w->rank; d++) {
        if (!pln_mul_i64(k, w->dims[d], &k)) return "the weights are too large";
        if (d > 1) taps *= w->dims[d];
    }
    if (k > K_MAX) return "the weights have too many rows";
    return taps == 1 ? "there is one tap" : check_span(problem);
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const struct pln_operand *y = &problem->outputs[0];
    const double gflops = (double)kernel->tile[1] * 2 * 2.5 * (kernel->needs != 0 ? 2 : 0.5), out = (double)problem->inputs[1].dims[0];
    const int64_t width = y->dims[y->rank - 1] < 0 ? 56 : PLN_MAX(y->dims[y->rank - 1], 1), tile = kernel->tile[0];
    /* The last tile of a row is not full; neither is the last of the outputs. */
    const double waste = (double)((width + tile - 1) / tile * tile) / (double)width, used = out >= kernel->tile[1] ? 1 : out / (double)kernel->tile[1];
    return pln_cpu_conv_flops(problem) * (waste + 4 / out) / (gflops * used) + 500;
}

static const struct pln_pack_format *pack_format(const struct pln_kernel *kernel)
{
    (void)kernel;
    return &pln_pack_f32_oihw_n16_v1;
}

static void find_offsets(struct rows_state *s)
{
    const struct pln_image_window *w = &s->conv.window;
    int64_t k = 0;
    for (int64_t z = 0; z < w->kernel[0]; z++)
        for (int64_t y = 0; y < w->kernel[1]; y++)
            for (int64_t x = 0; x < w->kernel[2]; x++)
                for (int64_t c = 0; c < s->conv.x.c; c++)
                    s->offsets[k++] = (int32_t)(z * s->slice + y * w->dilation[1] * s->line + x * w->dilation[2] * s->conv.x.c + c);
}

/* Floats of the image's row that `cols` pixels see; false: too many. */
static bool line_of(const struct pln_conv *conv, int64_t cols, int64_t *out_line)
{
    const struct pln_image_window *w = &conv->window;
    return pln_mul_i64((PLN_MAX(cols, 1) - 1) * w->stride[2] + (w->kernel[2] - 1) * w->dilation[2] + 1, conv->x.c, out_line);
}

/* Rows that are few, or too long for the cache, are cut. What their parts copy twice is less than what they copy once. */
static bool cut_rows(struct rows_state *s)
{
    const struct pln_conv *conv = &s->conv;
    const struct pln_image_window *w = &conv->window;
    const int64_t width = conv->y.dims[2], tile = s->isa->rows, overlap = (w->kernel[2] - 1) * w->dilation[2] / w->stride[2];
    const int64_t tasks = PLN_MAX(conv->y.n * conv->y.dims[0] * s->n_blocks, 1), parts = (TASKS_LEAST + tasks - 1) / tasks;
    int64_t cols = (width + parts - 1) / parts, row_floats;
    if (width <= 1) return true;
    if (!pln_mul_i64(s->image_rows * w->kernel[0], w->stride[2], &row_floats) || !pln_mul_i64(row_floats, conv->x.c, &row_floats)) return false;
    if (row_floats > 0) cols = PLN_MIN(cols, IMAGE_FLOATS / row_floats - overlap);
    cols = PLN_MAX(cols, PLN_MAX(STRIPS_LEAST * tile, overlap));
    cols = (cols + tile - 1) / tile * tile;
    if (cols >= width) return true;
    s->cols = cols;
    s->n_parts = (width + cols - 1) / cols;
    return line_of(conv, cols, &s->line);
}

/* false: an image of such rows is too large to number its floats. */
static bool cut(struct rows_state *s)
{
    const struct pln_conv *conv = &s->conv;
    const struct pln_image_window *w = &conv->window;
    const int64_t height = conv->y.dims[1], span = (w->kernel[1] - 1) * w->dilation[1] + 1;
    if (!line_of(conv, conv->y.dims[2], &s->line)) return false;
    s->cols = conv->y.dims[2];
    s->n_parts = 1;
    s->rows = PLN_MAX(1, PLN_MIN(ROWS_MAX, height / TASKS_LEAST));
    while (s->rows > 1 && (double)((s->rows - 1) * w->stride[1] + span) * (double)w->kernel[0] * (double)s->line > IMAGE_FLOATS) s->rows--;
    s->image_rows = (s->rows - 1) * w->stride[1] + span;
    s->n_blocks = (height + s->rows - 1) / s->rows;
    if (s->rows == 1 && !cut_rows(s)) return false;
    int64_t floats = 0;
    if (!pln_mul_i64(s->image_rows, s->line, &s->slice) || !pln_mul_i64(s->slice, w->kernel[0], &floats)) return false;
    return floats <= INT32_MAX;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory,
                               struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct rows_state *s = state_memory;
    struct pln_conv *conv = &s->conv;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    PLN_TRY(pln_cpu_conv_read(kernel, launch, diag, conv));
    if (!conv->packed || conv->groups != 1 || conv->k > K_MAX)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: the weights are not those that the plan was made for", kernel->name);
    s->isa = ((pln_gemm_isa_fn)kernel->micro)();
    if (conv->window.stride[1] > INT32_MAX || conv->window.dilation[1] > INT32_MAX || !cut(s))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the image is too large", kernel->name);
    find_offsets(s);
    out_prepared->n_tasks = conv->y.pixels > 0 ? conv->y.n * conv->y.dims[0] * s->n_blocks * s->n_parts : 0;
    if (conv->y.c_stride != 1 || conv->y_is_bool) s->c_scratch = s->rows * s->cols * conv->y.c;
    pln_cpu_conv_walk(conv, true);
    out_prepared->scratch_bytes = (size_t)(conv->window.kernel[0] * s->slice + s->c_scratch) * sizeof(float) +
                                  pln_epilogue_scratch_bytes(&conv->epilogue, PLN_EPILOGUE_RUN);
    return PLN_OK;
}

/* Planes that are read side by side: as many as have their lines in the first cache however they lie. */
enum { CHANNELS = 8 };

/* n pixels from x on, with their channels side by side. */
static void copy_pixels(const struct pln_image *image, const float *x, int64_t n, float *to)
{
    const int64_t c = image->c, step = image->strides[2];
    if (image->c_stride != 1) {
        for (int64_t k = 0; k < c; k += CHANNELS) {
            const float *from = x + k * image->c_stride;
            if (c - k >= CHANNELS)
                for (int64_t i = 0; i < n; i++)
                    for (int64_t j = 0; j < CHANNELS; j++) to[i * c + k + j] = from[j * image->c_stride + i * step];
            else
                for (int64_t j = 0; j < c - k; j++)
                    for (int64_t i = 0; i < n; i++) to[i * c + k + j] = from[j * image->c_stride + i * step];
        }
    } else if (step == c) {
        memcpy(to, x, (size_t)(n * c) * sizeof *to);
    } else {
        for (int64_t i = 0; i < n; i++) memcpy(to + i * c, x + i * step, (size_t)c * sizeof *to);
    }
}

/* Row y of the image, from where output pixel `col` of a row begins to see it, with zeros where it has none. */
static void copy_line(const struct rows_state *s, const float *x, int64_t y, int64_t col, float *to)
{
    const struct pln_image *image = &s->conv.x;
    const int64_t c = image->c, width = c > 0 ? s->line / c : 0, pad = s->conv.window.pad[2] - col * s->conv.window.stride[2];
    const int64_t from = PLN_MIN(PLN_MAX(pad, 0), width), end = PLN_MAX(from, PLN_MIN(width, image->dims[2] + pad));
    if (y < 0 || y >= image->dims[1]) {
        memset(to, 0, (size_t)s->line * sizeof *to);
        return;
    }
    memset(to, 0, (size_t)(from * c) * sizeof *to);
    copy_pixels(image, x + y * image->strides[1] + (from - pad) * image->strides[2], end - from, to + from * c);
    memset(to + end * c, 0, (size_t)((width - end) * c) * sizeof *to);
}

/* What output pixels from (z, row, col) on see. x: the image's first element. */
static void copy_image(const struct rows_state *s, const float *x, int64_t z, int64_t row, int64_t col, float *to)
{
    const struct pln_image_window *w = &s->conv.window;
    for (int64_t k = 0; k < w->kernel[0]; k++, to += s->slice) {
        const int64_t slice = z * w->stride[0] - w->pad[0] + k * w->dilation[0], first = row * w->stride[1] - w->pad[1];
        if (slice < 0 || slice >= s->conv.x.dims[0]) {
            memset(to, 0, (size_t)s->slice * sizeof *to);
            continue;
        }
        for (int64_t i = 0; i < s->image_rows; i++) copy_line(s, x + slice * s->conv.x.strides[0], first + i, col, to + i * s->line);
    }
}

/* What a task works on. */
struct block {
    const struct rows_state *s;
    const float *lines;
    float *c; /* its first pixel; rows of pixels lie behind each other */
    int64_t c_row;
    int64_t rows, cols;
    struct pln_epilogue_run *epilogue; /* at the first pixel */
    bool finishes;
};

/* Outputs [j, j + tile->cols) of all pixels, terms [k0, k0 + tile->k), in tiles of even heights. */
static void multiply(const struct block *block, int64_t j, int64_t k0, bool finish, struct pln_gemm_tile *tile)
{
    const struct rows_state *s = block->s;
    const struct pln_conv *conv = &s->conv;
    const int64_t width = block->cols;
    tile->a_stride = conv->window.stride[2] * conv->x.c;
    tile->offsets = s->offsets + k0;
    const int64_t strips = (width + s->isa->rows - 1) / s->isa->rows;
    for (int64_t y = 0; y < block->rows; y++)
        for (int64_t x = 0, strip = 0; strip < strips; strip++, x += tile->rows) {
            tile->rows = (int)((width - x + strips - strip - 1) / (strips - strip));
            tile->a = block->lines + y * conv->window.stride[1] * s->line + x * tile->a_stride;
            tile->c = block->c + (y * width + x) * block->c_row + j;
            if (finish) pln_epilogue_finish(block->epilogue, y * width + x, j, &tile->finish);
            s->isa->tile(tile);
        }
}

static void place_weights(const struct rows_state *s, int64_t j, int64_t k0, struct pln_gemm_tile *tile)
{
    const int64_t panel = s->conv.k * PLN_GEMM_PANEL, lanes = s->isa->cols / 2, sub = j % PLN_GEMM_PANEL;
    tile->b = s->conv.weights + j / PLN_GEMM_PANEL * panel + k0 * PLN_GEMM_PANEL + sub;
    tile->b_second = tile->b + (lanes == PLN_GEMM_PANEL ? panel : lanes);
    tile->b_stride = PLN_GEMM_PANEL;
    tile->cols = (int)PLN_MIN(s->isa->cols, s->conv.y.c - j);
    tile->ahead[0] = tile->ahead[1] = (const char *)tile->b;
}

static void run_block(const struct block *block)
{
    const struct rows_state *s = block->s;
    const int64_t outputs = s->conv.y.c, depth = pln_gemm_depth(s->isa, s->conv.k), pixels = block->rows * block->cols;
    for (int64_t first = 0; first < outputs; first += PLN_GEMM_EPILOGUE_COLS) {
        const int64_t end = PLN_MIN(first + PLN_GEMM_EPILOGUE_COLS, outputs);
        for (int64_t k0 = 0; k0 == 0 || k0 < s->conv.k; k0 += depth) {
            struct pln_gemm_tile tile = { .k = PLN_MIN(depth, s->conv.k - k0), .c_stride = block->c_row, .add = k0 > 0 };
            for (int64_t j = first; j < end; j += s->isa->cols) {
                place_weights(s, j, k0, &tile);
                multiply(block, j, k0, block->finishes && k0 + depth >= s->conv.k, &tile);
            }
        }
        if (s->conv.epilogue.present && !block->finishes) pln_epilogue_rows(block->epilogue, 0, pixels, first, block->c + first, block->c_row, end - first);
    }
}

static void run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    const struct rows_state *s = state;
    const struct pln_conv *conv = &s->conv;
    float *lines = scratch, *c_scratch = lines + conv->window.kernel[0] * s->slice;
    struct pln_epilogue_run epilogue;
    pln_epilogue_bind(&conv->epilogue, s->isa->vec, PLN_EPILOGUE_RUN, c_scratch + s->c_scratch, &epilogue);
    for (int64_t task = first; task < last; task++) {
        const int64_t col = task % s->n_parts * s->cols, row = task / s->n_parts % s->n_blocks * s->rows;
        const int64_t slice = task / s->n_parts / s->n_blocks, z = slice % conv->y.dims[0], n = slice / conv->y.dims[0];
        const int64_t pixel = (z * conv->y.dims[1] + row) * conv->y.dims[2] + col, at = n * conv->y.n_stride + pixel * conv->y.pixel_stride;
        struct block block = { .s = s, .lines = lines, .rows = PLN_MIN(s->rows, conv->y.dims[1] - row), .cols = PLN_MIN(s->cols, conv->y.dims[2] - col), .epilogue = &epilogue };
        copy_image(s, (const float *)conv->x.data + n * conv->x.n_stride, z, row, col, lines);
        block.finishes = pln_epilogue_finishes(&conv->epilogue);
        block.c = s->c_scratch > 0 ? c_scratch : (float *)conv->y.data + at;
        block.c_row = s->c_scratch > 0 ? conv->y.c : conv->y.pixel_stride;
        pln_cpu_conv_place(conv, n, 0, pixel, &epilogue);
        run_block(&block);
        if (s->c_scratch == 0) continue;
        const struct pln_gemm_block done = { .rows = block.rows * block.cols, .cols = conv->y.c, .c = c_scratch, .c_row = conv->y.c };
        pln_gemm_block_store(&done, conv->y.data, at, conv->y_is_bool, conv->y.pixel_stride, conv->y.c_stride);
    }
}

const struct pln_kernel_family pln_cpu_conv_rows = {
    .name = "conv_rows",
    .state_bytes = sizeof(struct rows_state),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = 1,
    .pack = pack_format,
};
