/* Convolution of images stored n,c,h,w: C[outputs, pixels] = weights[outputs, (c, taps)] patches[(c, taps), pixels]. */
#include "backend/cpu/kernels/conv/conv.h"

struct plain_state {
    struct pln_conv conv;
    const struct pln_gemm_isa *isa;
    struct pln_gemm_cut cut;
    bool in_place;
    int64_t b_scratch, c_scratch;
};

/* The patches of one image and group, as columns. */
struct columns {
    const struct plain_state *s;
    const float *x;
    int64_t first, count; /* output pixels */
    float *line;          /* room for count floats */
};

/* What tap t of a channel sees in the output pixels, side by side. */
static void fill_line(const struct columns *columns, const float *plane, const int64_t *t)
{
    const struct pln_conv *conv = &columns->s->conv;
    const struct pln_image_window *w = &conv->window;
    const struct pln_image *x = &conv->x, *y = &conv->y;
    int64_t at[PLN_IMAGE_AXES], done = 0;
    pln_image_coordinates(y, columns->first, at);
    while (done < columns->count) {
        int64_t n = PLN_MIN(y->dims[2] - at[2], columns->count - done), offset = 0;
        bool inside = true;
        for (int d = 0; d < 2; d++) {
            int64_t i = at[d] * w->stride[d] - w->pad[d] + t[d] * w->dilation[d];
            inside = inside && i >= 0 && i < x->dims[d];
            offset += i * x->strides[d];
        }
        int64_t base = at[2] * w->stride[2] - w->pad[2] + t[2] * w->dilation[2], from = 0, to = 0;
        if (inside) pln_window_clip(base, w->stride[2], x->dims[2], n, &from, &to);
        float *line = columns->line + done;
        for (int64_t i = 0; i < from; i++) line[i] = 0.0f;
        const float *row = plane + offset + base * x->strides[2];
        int64_t step = w->stride[2] * x->strides[2];
        if (step == 1 && to > from)
            memcpy(line + from, row + from, (size_t)(to - from) * sizeof(float));
        else
            for (int64_t i = from; i < to; i++) line[i] = row[i * step];
        for (int64_t i = to; i < n; i++) line[i] = 0.0f;
        done += n;
        at[2] = 0;
        pln_index_step(2, at, y->dims);
    }
}

static void fill_columns(const void *user, int64_t k0, int64_t kn, float *to)
{
    const struct columns *columns = user;
    const struct pln_conv *conv = &columns->s->conv;
    const struct pln_image_window *w = &conv->window;
    for (int64_t k = k0; k < k0 + kn; k++, to += PLN_GEMM_PANEL) {
        int64_t tap = k % w->taps;
        int64_t t[PLN_IMAGE_AXES] = { tap / w->kernel[2] / w->kernel[1], tap / w->kernel[2] % w->kernel[1],
                                      tap % w->kernel[2] };
        fill_line(columns, columns->x + k / w->taps * conv->x.c_stride, t);
        /* A whole panel's row is as long as a cache line, which needs no call. */
        const int64_t whole = columns->count / PLN_GEMM_PANEL * PLN_GEMM_PANEL, rest = columns->count - whole;
        for (int64_t j = 0; j < whole; j += PLN_GEMM_PANEL) memcpy(to + j * kn, columns->line + j, PLN_GEMM_PANEL * sizeof(float));
        if (rest == 0) continue;
        memcpy(to + whole * kn, columns->line + whole, (size_t)rest * sizeof(float));
        memset(to + whole * kn + rest, 0, (size_t)(PLN_GEMM_PANEL - rest) * sizeof(float));
    }
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    return pln_cpu_conv_supports(problem);
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    double gflops = (double)kernel->tile[1] * 2 * 2.5 * (kernel->needs != 0 ? 2 : 0.5);
    double groups = (double)PLN_MAX(1, pln_attrs_int(problem->attrs, "group", 1));
    double group_out = (double)problem->inputs[1].dims[0] / groups;
    /* Copying the patches is paid by every output channel of the group. */
    return pln_cpu_conv_flops(problem) * (1.05 + 24 / group_out) / gflops + 500;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory,
                               struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct plain_state *s = state_memory;
    struct pln_conv *conv = &s->conv;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    PLN_TRY(pln_cpu_conv_read(kernel, launch, diag, conv));
    if (conv->packed) return pln_fail(diag, PLN_BAD_PLAN, "%s: the weights must not be packed", kernel->name);
    s->isa = ((pln_gemm_isa_fn)kernel->micro)();
    s->in_place = conv->window.pointwise && conv->x.uniform;
    s->cut = pln_gemm_cut_of(s->isa, PLN_GEMM_PANEL, conv->group_out, conv->y.pixels, conv->k, false, pln_gemm_reads_a_in_place(conv->k, 1));
    out_prepared->n_tasks = conv->x.n * conv->groups * pln_gemm_tasks(&s->cut);
    out_prepared->grain = pln_gemm_grain(&s->cut, conv->k);
    s->b_scratch = pln_gemm_scratch_b(s->isa, conv->k, s->cut.cols_most);
    if (conv->y.pixel_stride != 1 || conv->y_is_bool) s->c_scratch = s->cut.rows * s->cut.cols_most;
    pln_cpu_conv_walk(conv, false);
    int64_t floats = pln_gemm_scratch_a(s->isa, s->cut.rows, conv->k) + s->b_scratch + s->c_scratch + s->cut.cols_most;
    out_prepared->scratch_bytes = (size_t)floats * sizeof(float) +
                                  pln_epilogue_scratch_bytes(&conv->epilogue, pln_gemm_epilogue_cols(s->cut.cols_most));
    return PLN_OK;
}

static void run_span(const struct plain_state *s, const struct pln_gemm_span *span, struct columns *columns, float *c_scratch,
                     struct pln_gemm_block *block)
{
    const struct pln_conv *conv = &s->conv;
    const int64_t col = span->col, group = span->outer % conv->groups, n = span->outer / conv->groups;
    int64_t channel = group * conv->group_out + span->row;
    columns->x = (const float *)conv->x.data + n * conv->x.n_stride + group * conv->group_in * conv->x.c_stride;
    columns->first = col;
    columns->count = span->cols;
    block->rows = span->rows;
    block->cols = span->cols;
    block->a = conv->weights + channel * conv->k;
    block->b = columns->x + col * conv->x.pixel_stride;
    int64_t at = n * conv->y.n_stride + channel * conv->y.c_stride + col * conv->y.pixel_stride;
    block->c = s->c_scratch > 0 ? c_scratch : (float *)conv->y.data + at;
    pln_cpu_conv_place(conv, n, channel, col, block->epilogue);
    pln_gemm_block_run(block);
    if (s->c_scratch == 0) return;
    pln_gemm_block_store(block, conv->y.data, at, conv->y_is_bool, conv->y.c_stride, conv->y.pixel_stride);
}

static void run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    const struct plain_state *s = state;
    struct pln_epilogue_run epilogue;
    struct columns columns = { .s = s };
    struct pln_gemm_block block = { .isa = s->isa,
                                    .k = s->conv.k,
                                    .a_row = s->conv.k,
                                    .a_col = 1,
                                    .b_row = s->conv.x.c_stride,
                                    .b_col = s->conv.x.pixel_stride };
    block.fill_b = s->in_place ? NULL : fill_columns;
    block.user = &columns;
    block.c_row = s->c_scratch > 0 ? s->cut.cols_most : s->conv.y.c_stride;
    block.scratch_a = scratch;
    block.scratch_b = block.scratch_a + pln_gemm_scratch_a(s->isa, s->cut.rows, s->conv.k);
    block.epilogue = &epilogue;
    float *c_scratch = block.scratch_b + s->b_scratch;
    columns.line = c_scratch + s->c_scratch;
    pln_epilogue_bind(&s->conv.epilogue, s->isa->vec, pln_gemm_epilogue_cols(s->cut.cols_most), columns.line + s->cut.cols_most, &epilogue);
    while (first < last) {
        const struct pln_gemm_span span = pln_gemm_span_of(&s->cut, first, last);
        run_span(s, &span, &columns, c_scratch, &block);
        first += span.tasks;
    }
}

const struct pln_kernel_family pln_cpu_conv_plain = {
    .name = "conv_plain",
    .state_bytes = sizeof(struct plain_state),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = -1,
};
