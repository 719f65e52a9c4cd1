/* Convolution of images stored channels last: C[pixels, outputs] = patches[pixels, (taps, c)] weights[(taps, c),
 * outputs]. */
#include "backend/cpu/kernels/conv/conv.h"

struct last_state {
    struct pln_conv conv;
    const struct pln_gemm_isa *isa;
    struct pln_gemm_cut cut;
    bool in_place;   /* patches are the image's own pixels */
    bool dense_rows; /* what a row of taps sees lies side by side */
    int64_t wide_cols; /* outputs whose weights lie in panels of 24 */
    int64_t c_scratch;
};

/* The patches of one image and group. */
struct patches {
    const struct last_state *s;
    const float *x; /* image n, first channel of the group */
    int64_t first;  /* pixel of the block's row 0 */
};

/* Rows of taps are short, those of a picture's three colours a few numbers: no call for them. */
enum { QUAD = 4, SHORT = 64 };

static inline void copy_quad(float *to, const float *from)
{
    memcpy(to, from, QUAD * sizeof(float));
}

static inline void zero(float *to, int64_t n)
{
    if (n > SHORT) memset(to, 0, (size_t)n * sizeof(float));
    else for (int64_t i = 0; i < n; i++) to[i] = 0.0f;
}

/* Four at a time, the last four over some that are there. */
static inline void copy(float *to, const float *from, int64_t n)
{
    if (n > SHORT) {
        memcpy(to, from, (size_t)n * sizeof(float));
    } else if (n < QUAD) {
        for (int64_t i = 0; i < n; i++) to[i] = from[i];
    } else {
        for (int64_t i = 0; i < n - QUAD; i += QUAD) copy_quad(to + i, from + i);
        copy_quad(to + n - QUAD, from + n - QUAD);
    }
}

/* Elements [first, last) of one row of taps, (kw, c). x: the first tap's pixel, `in` the taps [in, end) that meet the
 * image. */
static void copy_row(const struct patches *patches, const float *x, int64_t first, int64_t last, int64_t in,
                     int64_t end, float *to)
{
    const struct pln_conv *conv = &patches->s->conv;
    int64_t c = conv->group_in, from = PLN_MAX(first, in * c), until = PLN_MAX(from, PLN_MIN(last, end * c));
    if (from >= last) {
        zero(to, last - first);
        return;
    }
    zero(to, from - first);
    if (patches->s->dense_rows) {
        copy(to + from - first, x + from, until - from);
    } else {
        int64_t step = conv->window.dilation[2] * conv->x.strides[2];
        for (int64_t at = from; at < until;) {
            int64_t tap = at / c, n = PLN_MIN((tap + 1) * c, until) - at;
            copy(to + at - first, x + tap * step + at % c, n);
            at += n;
        }
    }
    zero(to + until - first, last - until);
}

/* Columns [k0, k0 + kn) of the patch of the output pixel at `at`. */
static void copy_patch(const struct patches *patches, const int64_t *at, int64_t k0, int64_t kn, float *to)
{
    const struct pln_conv *conv = &patches->s->conv;
    const struct pln_image_window *w = &conv->window;
    const struct pln_image *x = &conv->x;
    const int64_t row = w->kernel[2] * conv->group_in, base = at[2] * w->stride[2] - w->pad[2];
    int64_t in, end, line = k0 / row, first = k0 - line * row;
    int64_t slice = line / w->kernel[1], height = line % w->kernel[1];
    pln_window_clip(base, w->dilation[2], x->dims[2], w->kernel[2], &in, &end);
    for (float *const until = to + kn; to < until; first = 0) {
        const int64_t last = PLN_MIN(row, first + (until - to));
        const int64_t z = at[0] * w->stride[0] - w->pad[0] + slice * w->dilation[0];
        const int64_t y = at[1] * w->stride[1] - w->pad[1] + height * w->dilation[1];
        if (z < 0 || z >= x->dims[0] || y < 0 || y >= x->dims[1])
            zero(to, last - first);
        else
            copy_row(patches, patches->x + z * x->strides[0] + y * x->strides[1] + base * x->strides[2], first, last,
                     in, end, to);
        to += last - first;
        if (++height < w->kernel[1]) continue;
        height = 0;
        slice++;
    }
}

static void fill_patches(const void *user, int64_t row, int64_t n, int64_t k0, int64_t kn, float *to)
{
    const struct patches *patches = user;
    const struct pln_image *y = &patches->s->conv.y;
    int64_t at[PLN_IMAGE_AXES];
    pln_image_coordinates(y, patches->first + row, at);
    for (int64_t i = 0; i < n; i++, to += kn) {
        copy_patch(patches, at, k0, kn, to);
        pln_index_step(PLN_IMAGE_AXES, at, y->dims);
    }
}

static int panel_of(const struct pln_kernel *kernel)
{
    return pln_gemm_isa_panel(((pln_gemm_isa_fn)kernel->micro)());
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const char *why = pln_cpu_conv_supports(problem);
    if (why != NULL) return why;
    if (!problem->inputs[1].constant) return "the weights are not constant";
    if (panel_of(kernel) == PLN_GEMM_PANEL) return NULL;
    if (problem->shared_weights) return "not all levels take panels of 24";
    if (pln_attrs_int(problem->attrs, "group", 1) != 1) return "groups do not begin with panels of 24";
    return NULL;
}

/* The work with patches, as a factor: of each element, and of starting a run of a row of taps (measured on Zen 2). All
 * outputs share it. */
static double patches_cost(const struct pln_problem *problem, double group_out)
{
    const struct pln_operand *w = &problem->inputs[1];
    double taps = 1;
    for (int d = 2; d < w->rank; d++) taps *= (double)w->dims[d];
    if (taps == 1) return 1;
    return 1 + (9 + 205 / (double)(w->dims[1] * w->dims[w->rank - 1])) / group_out;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    double gflops = (double)((pln_gemm_isa_fn)kernel->micro)()->cols * 2 * 2.5 * (kernel->needs != 0 ? 2 : 0.5);
    /* Narrow groups leave most of a tile's columns unused. */
    double groups = (double)PLN_MAX(1, pln_attrs_int(problem->attrs, "group", 1));
    double group_out = (double)problem->inputs[1].dims[0] / groups;
    double used = group_out >= 32 ? 1 : group_out / 32;
    return pln_cpu_conv_flops(problem) * patches_cost(problem, group_out) / (gflops * used) + 500;
}

static const struct pln_pack_format *pack_format(const struct pln_kernel *kernel)
{
    return panel_of(kernel) == PLN_GEMM_PANEL_WIDE ? &pln_pack_f32_oihw_n24_v1 : &pln_pack_f32_oihw_n16_v1;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory,
                               struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct last_state *s = state_memory;
    struct pln_conv *conv = &s->conv;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    PLN_TRY(pln_cpu_conv_read(kernel, launch, diag, conv));
    if (!conv->packed) return pln_fail(diag, PLN_BAD_PLAN, "%s: the weights must be packed", kernel->name);
    if (conv->x.c_stride != 1)
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the image is not stored channels last", kernel->name);
    s->isa = ((pln_gemm_isa_fn)kernel->micro)();
    s->in_place = conv->window.pointwise && conv->x.uniform;
    s->dense_rows = conv->window.dilation[2] == 1 && conv->x.strides[2] == conv->group_in;
    s->wide_cols = pln_gemm_wide_cols(panel_of(kernel), conv->y.c);
    s->cut = pln_gemm_cut_of(s->isa, panel_of(kernel), conv->y.pixels, conv->group_out, conv->k, true, s->in_place && pln_gemm_reads_a_in_place(conv->x.pixel_stride, 1));
    out_prepared->n_tasks = conv->x.n * conv->groups * pln_gemm_tasks(&s->cut);
    out_prepared->grain = pln_gemm_grain(&s->cut, conv->k);
    if (conv->y.c_stride != 1 || conv->y_is_bool) s->c_scratch = s->cut.rows * s->cut.cols_most;
    pln_cpu_conv_walk(conv, true);
    int64_t floats = pln_gemm_scratch_a(s->isa, s->cut.rows, conv->k) + s->c_scratch;
    out_prepared->scratch_bytes = (size_t)floats * sizeof(float) +
                                  pln_epilogue_scratch_bytes(&conv->epilogue, pln_gemm_epilogue_cols(s->cut.cols_most));
    return PLN_OK;
}

static void run_span(const struct last_state *s, const struct pln_gemm_span *span, float *c_scratch, struct pln_gemm_block *block)
{
    const struct pln_conv *conv = &s->conv;
    const int64_t row = span->row, group = span->outer % conv->groups, n = span->outer / conv->groups;
    int64_t channel = group * conv->group_out + span->col;
    struct patches patches = { s, (const float *)conv->x.data + n * conv->x.n_stride + group * conv->group_in, row };
    block->rows = span->rows;
    block->cols = span->cols;
    block->a = patches.x + row * conv->x.pixel_stride;
    block->user = &patches;
    block->panel_col = channel;
    int64_t at = n * conv->y.n_stride + channel * conv->y.c_stride + row * conv->y.pixel_stride;
    block->c = s->c_scratch > 0 ? c_scratch : (float *)conv->y.data + at;
    pln_cpu_conv_place(conv, n, channel, row, block->epilogue);
    pln_gemm_block_run(block);
    if (s->c_scratch == 0) return;
    pln_gemm_block_store(block, conv->y.data, at, conv->y_is_bool, conv->y.pixel_stride, conv->y.c_stride);
}

static void run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    const struct last_state *s = state;
    struct pln_epilogue_run epilogue;
    struct pln_gemm_block block = {
        .isa = s->isa, .k = s->conv.k, .a_row = s->conv.x.pixel_stride, .a_col = 1, .panels = s->conv.weights, .wide_cols = s->wide_cols
    };
    block.fill_a = s->in_place ? NULL : fill_patches;
    block.c_row = s->c_scratch > 0 ? s->cut.cols_most : s->conv.y.pixel_stride;
    block.scratch_a = scratch;
    block.epilogue = &epilogue;
    float *c_scratch = block.scratch_a + pln_gemm_scratch_a(s->isa, s->cut.rows, s->conv.k);
    pln_epilogue_bind(&s->conv.epilogue, s->isa->vec, pln_gemm_epilogue_cols(s->cut.cols_most), c_scratch + s->c_scratch, &epilogue);
    while (first < last) {
        const struct pln_gemm_span span = pln_gemm_span_of(&s->cut, first, last);
        run_span(s, &span, c_scratch, &block);
        first += span.tasks;
    }
}

const struct pln_kernel_family pln_cpu_conv_last = {
    .name = "conv_last",
    .state_bytes = sizeof(struct last_state),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = 1,
    .pack = pack_format,
};
