/* Convolution of bytes with one channel in a group. Two rows of the image that a tap and the one below it see make pairs; a row of pixels is a sum over taps of such rows. */
#include "backend/cpu/kernels/bytes/conv.h"

/* Bytes of planes that stay in the second cache beside what is made of them. */
#define PLANE_BYTES (128 * 1024)

struct depthwise_state {
    const struct pln_bytes_isa *isa;
    struct pln_bytes_conv conv;
    int64_t rows, n_row_blocks; /* of pixels of a task */
    /* Planes: pairs of a phase, of a row, of a depth tap. */
    int64_t phase, row, slice;
    int64_t tap_rows, n_lines; /* pairs of tap rows; lines of a whole window */
    size_t plane_bytes, blank_bytes, offset_bytes, weight_bytes, sum_bytes;
};

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    const char *why = pln_bytes_conv_supports(problem);
    if (why != NULL) return why;
    return problem->inputs[pln_bytes_conv_weights(problem->op)].dims[1] == 1 && pln_attrs_int(problem->attrs, "group", 1) > 1 ? NULL : "not one channel a group";
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    return pln_bytes_conv_macs(problem, 1) / ((double)kernel->tile[0] * (kernel->needs != 0 ? 5 : 1)) + 500;
}

/* Rows of pixels, and the memory that they take; false: too large. */
static bool place(struct depthwise_state *s)
{
    const struct pln_image_window *w = &s->conv.window;
    const struct pln_image *y = &s->conv.y;
    const int64_t seen_cols = (y->dims[2] - 1) * w->stride[2] + (w->kernel[2] - 1) * w->dilation[2] + 1, more_rows = (w->kernel[1] - 1) * w->dilation[1] + 1;
    int64_t bytes;
    s->phase = (seen_cols + w->stride[2] - 1) / w->stride[2] + PLN_BYTES_SLACK;
    if (!pln_mul_i64(s->phase, w->stride[2], &s->row) || !pln_mul_i64(s->row, 4 * w->kernel[0], &bytes)) return false;
    s->rows = PLN_MAX(PLN_MIN((PLANE_BYTES / bytes - more_rows) / w->stride[1], y->dims[1]), 1);
    s->n_row_blocks = (y->dims[1] + s->rows - 1) / s->rows;
    s->rows = (y->dims[1] + s->n_row_blocks - 1) / s->n_row_blocks;
    if (!pln_mul_i64(s->row, (s->rows - 1) * w->stride[1] + more_rows, &s->slice) || !pln_mul_i64(s->slice, 4 * w->kernel[0], &bytes) || bytes > INT64_MAX / 16) return false;
    s->tap_rows = (w->kernel[1] + 1) / 2;
    s->n_lines = w->kernel[0] * s->tap_rows * w->kernel[2];
    s->plane_bytes = pln_align_up((size_t)bytes, 64);
    s->blank_bytes = pln_align_up((size_t)s->conv.x.dims[2], 64);
    s->offset_bytes = pln_align_up((size_t)s->n_lines * sizeof(int64_t), 64);
    s->weight_bytes = pln_align_up((size_t)s->n_lines * 4, 64);
    s->sum_bytes = pln_align_up((size_t)(s->rows * y->dims[2] + PLN_BYTES_SLACK) * sizeof(int32_t), 64);
    return true;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct depthwise_state *s = state_memory;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    PLN_TRY(pln_bytes_conv_read(kernel, launch, diag, &s->conv));
    if (s->conv.packed || s->conv.group_in != 1) return pln_fail(diag, PLN_BAD_PLAN, "%s: the weights are packed, or not of one channel a group", kernel->name);
    s->isa = ((pln_bytes_isa_fn)kernel->micro)();
    if (s->conv.y.n * s->conv.y.c * s->conv.y.pixels == 0) return PLN_OK;
    if (!place(s)) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the image is too large", kernel->name);
    out_prepared->n_tasks = s->conv.y.n * s->conv.y.c * s->conv.y.dims[0] * s->n_row_blocks;
    out_prepared->grain = 1 + 100000 / (s->rows * s->conv.y.dims[2] * s->n_lines + 1);
    out_prepared->scratch_bytes = s->plane_bytes + s->blank_bytes + s->offset_bytes + s->weight_bytes + s->sum_bytes + (s->conv.quantizes ? pln_bytes_result_bytes(1) : 0);
    return PLN_OK;
}

struct task {
    int64_t n, channel, depth, row, rows;
    int16_t *planes, *weights;
    uint8_t *blank;
    int64_t *offsets;
    int32_t *sums;
    void *numbers;
};

/* A row of the image; NULL: of padding. */
static const uint8_t *row_of(const struct pln_image *x, const uint8_t *image, int64_t z, int64_t y)
{
    return z >= 0 && z < x->dims[0] && y >= 0 && y < x->dims[1] ? image + z * x->strides[0] + y * x->strides[1] : NULL;
}

static void fill_planes(const struct depthwise_state *s, const struct task *t)
{
    const struct pln_image_window *w = &s->conv.window;
    const struct pln_image *x = &s->conv.x;
    const uint8_t *image = (const uint8_t *)x->data + t->n * x->n_stride + t->channel / s->conv.group_out * x->c_stride;
    const int64_t rows = (t->rows - 1) * w->stride[1] + (w->kernel[1] - 1) * w->dilation[1] + 1;
    struct pln_bytes_row row = { .begin = -w->pad[2], .pairs = s->phase - PLN_BYTES_SLACK, .phase_pairs = s->phase, .step = s->conv.window.stride[2] };
    for (int64_t z = 0; z < w->kernel[0]; z++)
        for (int64_t r = 0; r < rows; r++) {
            const int64_t depth = t->depth * w->stride[0] + z * w->dilation[0] - w->pad[0], at = t->row * w->stride[1] + r - w->pad[1];
            if (!pln_bytes_conv_sees(r, s->tap_rows, 2 * w->dilation[1], w->stride[1], t->rows)) continue;
            row.even = row_of(x, image, depth, at);
            row.odd = row_of(x, image, depth, at + w->dilation[1]);
            if (row.even == NULL && row.odd != NULL) row.even = t->blank;
            row.to = t->planes + 2 * (z * s->slice + r * s->row);
            pln_bytes_conv_fill(&s->conv, s->isa, &row);
        }
}

/* Pairs of weights of a tap and the one below it. */
static void fill_weights(const struct depthwise_state *s, int64_t channel, int16_t *to)
{
    const struct pln_image_window *w = &s->conv.window;
    const uint8_t *from = s->conv.weights + channel * w->taps;
    const int32_t zero = pln_bytes_zero_at(&s->conv.w_zero, channel);
    for (int64_t z = 0; z < w->kernel[0]; z++)
        for (int64_t y = 0; y < w->kernel[1]; y += 2, to += 2 * w->kernel[2]) {
            const uint8_t *even = from + (z * w->kernel[1] + y) * w->kernel[2];
            const struct pln_bytes_lines lines = { .even = even, .odd = y + 1 < w->kernel[1] ? even + w->kernel[2] : NULL, .n = w->kernel[2], .room = w->kernel[2], .step = 1, .is_signed = s->conv.w_signed, .zero = zero, .to = to };
            s->isa->interleave(&lines);
        }
}

/* Where the lines lie that the first row of pixels sees. */
static void fill_offsets(const struct depthwise_state *s, int64_t *offsets)
{
    const struct pln_image_window *w = &s->conv.window;
    for (int64_t z = 0; z < w->kernel[0]; z++)
        for (int64_t y = 0; y < w->kernel[1]; y += 2)
            for (int64_t x = 0; x < w->kernel[2] * w->dilation[2]; x += w->dilation[2])
                *offsets++ = 2 * (z * s->slice + y * w->dilation[1] * s->row + x % w->stride[2] * s->phase + x / w->stride[2]);
}

static void run_task(const struct depthwise_state *s, const struct task *t)
{
    const struct pln_image *y = &s->conv.y;
    struct pln_bytes_finish finish;
    struct pln_bytes_taps taps = { .offsets = t->offsets, .weights = t->weights, .n_lines = (int)s->n_lines, .n = y->dims[2] };
    fill_planes(s, t);
    fill_weights(s, t->channel, t->weights);
    for (int64_t r = 0; r < t->rows; r++) {
        taps.from = t->planes + 2 * r * s->conv.window.stride[1] * s->row;
        taps.to = t->sums + r * y->dims[2];
        s->isa->taps(&taps);
    }
    if (s->conv.quantizes) pln_bytes_result_read(&s->conv.result, t->channel, 1, t->numbers, &finish);
    pln_bytes_conv_store(&s->conv, s->isa, &finish, 0, t->sums, t->rows * y->dims[2], t->n * y->n_stride + t->channel * y->c_stride + t->depth * y->strides[0] + t->row * y->dims[2]);
}

static void run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    const struct depthwise_state *s = state;
    const struct pln_image *y = &s->conv.y;
    char *memory = scratch;
    struct task t = { .planes = scratch, .blank = (uint8_t *)memory + s->plane_bytes };
    t.offsets = (void *)(t.blank + s->blank_bytes);
    t.weights = (void *)((char *)t.offsets + s->offset_bytes);
    t.sums = (void *)((char *)t.weights + s->weight_bytes);
    t.numbers = (char *)t.sums + s->sum_bytes;
    fill_offsets(s, t.offsets);
    memset(t.blank, pln_bytes_zero_at(&s->conv.x_zero, 0) & 0xff, s->blank_bytes);
    for (int64_t i = first; i < last; i++) {
        const int64_t block = i % s->n_row_blocks, rest = i / s->n_row_blocks;
        t.row = block * s->rows;
        t.rows = PLN_MIN(s->rows, y->dims[1] - t.row);
        t.depth = rest % y->dims[0];
        t.channel = rest / y->dims[0] % y->c;
        t.n = rest / y->dims[0] / y->c;
        run_task(s, &t);
    }
}

const struct pln_kernel_family pln_cpu_bytes_depthwise = {
    .name = "bytes_depthwise",
    .state_bytes = sizeof(struct depthwise_state),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = -1,
};
