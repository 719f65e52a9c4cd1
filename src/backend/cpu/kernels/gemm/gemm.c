#include "backend/cpu/kernels/gemm/gemm.h"

#define COPIED_COLS 192
#define OWN_INPUTS(op) ((op) == PLN_OP_GEMM ? 3 : (op) == PLN_OP_MATMUL_BLOCKS ? 4 : 2)

struct gemm_state {
    const struct pln_gemm_isa *isa;
    int64_t m, n, k;
    const float *a, *b;
    char *c;
    bool packed;
    int64_t a_row, a_col, b_row, b_col, c_row, c_col;
    /* Batch dims, outermost first; strides in elements (packed B: in floats of its packed matrices). */
    int n_batch;
    int64_t batch[PLN_MAX_RANK], a_batch[PLN_MAX_RANK], b_batch[PLN_MAX_RANK], c_batch[PLN_MAX_RANK];
    int64_t e_batch[PLN_EPILOGUE_OPERANDS][PLN_MAX_RANK];
    struct pln_gemm_quantized quantized; /* B, where it has panels */
    struct pln_gemm_cut cut;
    int64_t b_scratch, c_scratch; /* floats; 0: not needed */
    bool c_is_bool;
    struct pln_epilogue epilogue;
};

static const struct pln_gemm_isa *isa_of(const struct pln_kernel *kernel)
{
    return ((pln_gemm_isa_fn)kernel->micro)();
}

/* Multiply-adds at 2.5 GHz, two vectors a cycle, in Gflop/s; portable code reaches a quarter of that. */
static double gflops_of(const struct pln_kernel *kernel)
{
    return (double)isa_of(kernel)->cols * 2 * 2.5 * (kernel->needs != 0 ? 2 : 0.5);
}

/* ---- what fits ---- */

static const char *check_operand(const struct pln_operand *operand, int min_rank, int max_rank)
{
    if (!operand->present || operand->dtype != PLN_F32) return "an operand is not f32";
    if (operand->rank < 0) return "an operand's rank is not known";
    return operand->rank < min_rank || operand->rank > max_rank ? "an operand is not a matrix" : NULL;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    bool gemm = problem->op == PLN_OP_GEMM;
    int max_rank = gemm ? 2 : PLN_MAX_RANK;
    if (problem->n_inputs < 2 || problem->n_outputs != 1) return "wrong number of operands";
    for (int i = 0; i < 2; i++) {
        const char *why = check_operand(&problem->inputs[i], 2, max_rank);
        if (why != NULL) return why;
    }
    bool has_c = gemm && problem->n_inputs > 2 && problem->inputs[2].present;
    if (has_c) {
        const char *why = check_operand(&problem->inputs[2], 0, 2);
        if (why != NULL) return why;
    }
    bool transposed = gemm && pln_attrs_int(problem->attrs, "transB", 0) != 0;
    if (problem->inputs[1].constant && transposed != (kernel->tile[2] == 1)) return "the other form of B is packed";
    if (problem->inputs[1].constant && problem->shared_weights && isa_of(kernel)->wide_rows > 0) return "not all levels take panels of 24";
    return pln_epilogue_check(problem->epilogue);
}

static const char *blocks_supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    if (problem->n_inputs < 4 || problem->n_outputs != 1) return "wrong number of operands";
    const char *why = check_operand(&problem->inputs[0], 2, PLN_MAX_RANK);
    if (why != NULL) return why;
    if (!problem->inputs[1].constant) return "the weights are not constant";
    return pln_epilogue_check(problem->epilogue);
}

static double known(int64_t dim)
{
    return dim < 0 ? 128.0 : (double)dim;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const struct pln_operand *a = &problem->inputs[0], *b = &problem->inputs[1];
    bool ta = pln_attrs_int(problem->attrs, "transA", 0) != 0, tb = pln_attrs_int(problem->attrs, "transB", 0) != 0;
    double m = known(a->dims[ta ? a->rank - 1 : a->rank - 2]), k = known(a->dims[ta ? a->rank - 2 : a->rank - 1]);
    double n = known(b->dims[tb ? b->rank - 2 : b->rank - 1]);
    for (int i = 0; i < problem->outputs[0].rank - 2; i++) m *= known(problem->outputs[0].dims[i]);
    /* Or 10 GB/s of weights. */
    return PLN_MAX(2 * m * n * k / gflops_of(kernel), 4 * n * k / 10) + 500;
}

static double blocks_cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const struct pln_operand *a = &problem->inputs[0], *w = &problem->inputs[1];
    const double weights = known(w->dims[0]) * known(w->dims[1]);
    double m = 1;
    for (int i = 0; i < a->rank - 1; i++) m *= known(a->dims[i]);
    /* Taking a weight apart costs as much as four multiply-adds. */
    return 2 * (m + 4) * weights / gflops_of(kernel) + 500;
}

static const struct pln_pack_format *blocks_pack_format(const struct pln_kernel *kernel)
{
    (void)kernel;
    return &pln_pack_blocks_nk_n16_v1;
}

static const struct pln_pack_format *pack_format(const struct pln_kernel *kernel)
{
    const bool wide = pln_gemm_isa_panel(isa_of(kernel)) == PLN_GEMM_PANEL_WIDE;
    if (kernel->tile[2] == 1) return wide ? &pln_pack_f32_nk_n24_v1 : &pln_pack_f32_nk_n16_v1;
    return wide ? &pln_pack_f32_kn_n24_v1 : &pln_pack_f32_kn_n16_v1;
}

/* ---- prepare ---- */

static enum pln_status read_blocks(const struct pln_kernel *kernel, const struct pln_launch *launch, struct gemm_state *state, struct pln_diag *diag)
{
    const struct pln_tensor *a = &launch->inputs[0];
    if (launch->n_inputs < 4 || a->dtype != PLN_F32 || a->rank < 2 || (a->strides[a->rank - 1] != 1 && a->dims[a->rank - 1] > 1))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: A must be f32 matrices with dense rows", kernel->name);
    const char *why = pln_gemm_quantized_read(launch, &state->quantized);
    if (why != NULL) return pln_launch_fail(launch, diag, PLN_BAD_PLAN, "%s: %s", kernel->name, why);
    state->m = a->dims[a->rank - 2];
    state->n = state->quantized.n;
    state->k = a->dims[a->rank - 1];
    if (state->k != state->quantized.k) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: A and B have rows of different lengths", kernel->name);
    state->a = a->data;
    state->a_row = a->strides[a->rank - 2];
    state->a_col = 1;
    return PLN_OK;
}

static enum pln_status read_a_b(const struct pln_kernel *kernel, const struct pln_launch *launch,
                                struct gemm_state *state, struct pln_diag *diag)
{
    const struct pln_tensor *a = &launch->inputs[0], *b = &launch->inputs[1];
    bool gemm = launch->op == PLN_OP_GEMM;
    bool ta = gemm && pln_attrs_int(launch->attrs, "transA", 0) != 0,
         tb = gemm && pln_attrs_int(launch->attrs, "transB", 0) != 0;
    if (a->dtype != PLN_F32 || b->dtype != PLN_F32 || a->rank < 2 || b->rank < 2)
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: A and B must be f32 matrices", kernel->name);
    int am = ta ? a->rank - 1 : a->rank - 2, ak = ta ? a->rank - 2 : a->rank - 1;
    int bn = tb ? b->rank - 2 : b->rank - 1, bk = tb ? b->rank - 1 : b->rank - 2;
    state->m = a->dims[am];
    state->k = a->dims[ak];
    state->n = b->dims[bn];
    if (b->dims[bk] != state->k)
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: A has %lld columns, B %lld rows", kernel->name,
                        (long long)state->k, (long long)b->dims[bk]);
    state->a = a->data;
    state->a_row = a->strides[am];
    state->a_col = state->k == 1 ? 1 : a->strides[ak];
    state->b = b->data;
    state->b_row = b->strides[bk];
    state->b_col = state->n == 1 ? 1 : b->strides[bn];
    state->packed = launch->packed_bytes != 0;
    if (!state->packed) return PLN_OK;
    size_t want_bytes = 0;
    if (tb != (kernel->tile[2] == 1) || !pack_format(kernel)->bytes(b, &want_bytes) ||
        want_bytes != launch->packed_bytes)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: the packed weight has %zu bytes, not %zu", kernel->name,
                        launch->packed_bytes, want_bytes);
    return PLN_OK;
}

/* Strides over the output's batch dims; packed matrices lie one after the other. */
static bool batch_strides(const struct pln_tensor *tensor, const struct pln_tensor *output, int64_t packed_floats,
                          int64_t *out_strides)
{
    struct pln_tensor front = *tensor, out_front = *output;
    front.rank -= 2;
    out_front.rank -= 2;
    if (packed_floats > 0) {
        pln_tensor_set_contiguous(&front);
        for (int d = 0; d < front.rank; d++) front.strides[d] *= packed_floats;
    }
    return pln_epilogue_broadcast(&front, &out_front, out_strides);
}

static enum pln_status read_output(const struct pln_kernel *kernel, const struct pln_launch *launch,
                                   struct gemm_state *state, struct pln_diag *diag)
{
    const struct pln_tensor *a = &launch->inputs[0], *b = &launch->inputs[1], *c = &launch->outputs[0];
    int rank = PLN_MAX(a->rank, b->rank);
    int64_t packed_floats = state->packed ? pln_gemm_packed_floats(pln_gemm_isa_panel(state->isa), state->k, state->n) : 0;
    int64_t dims[PLN_MAX_RANK];
    int batch_rank = 0;
    if (c->rank != rank || c->dims[rank - 2] != state->m || c->dims[rank - 1] != state->n ||
        !pln_shape_broadcast(a->rank - 2, a->dims, b->rank - 2, b->dims, &batch_rank, dims) ||
        memcmp(dims, c->dims, (size_t)batch_rank * sizeof dims[0]) != 0 || !batch_strides(a, c, 0, state->a_batch) ||
        !batch_strides(b, c, packed_floats, state->b_batch))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the shapes of A, B and the output do not fit", kernel->name);
    state->n_batch = rank - 2;
    for (int d = 0; d < state->n_batch; d++) {
        state->batch[d] = c->dims[d];
        state->c_batch[d] = c->strides[d];
    }
    state->c = c->data;
    state->c_row = c->strides[rank - 2];
    state->c_col = state->n == 1 ? 1 : c->strides[rank - 1];
    state->c_is_bool = c->dtype == PLN_BOOL;
    return PLN_OK;
}

static enum pln_status read_epilogue(const struct pln_kernel *kernel, const struct pln_launch *launch,
                                     struct gemm_state *state, struct pln_diag *diag)
{
    const struct pln_tensor *output = &launch->outputs[0];
    bool gemm = launch->op == PLN_OP_GEMM;
    int n_fused = launch->epilogue != NULL ? launch->epilogue->n_inputs - 1 : 0;
    int n_own = launch->n_inputs - n_fused;
    if (n_own < 2 || n_own > OWN_INPUTS(launch->op))
        return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of inputs", kernel->name);
    struct pln_epilogue_own own = { .alpha = 1.0f, .beta = 1.0f };
    if (gemm) own.alpha = pln_attrs_float(launch->attrs, "alpha", 1.0f);
    if (gemm && n_own > 2 && launch->inputs[2].dtype != PLN_DTYPE_NONE) {
        own.beta = pln_attrs_float(launch->attrs, "beta", 1.0f);
        own.bias = &launch->inputs[2];
        if (own.bias->dtype != PLN_F32 || !pln_epilogue_broadcast(own.bias, output, own.strides))
            return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: C does not broadcast to the output", kernel->name);
    }
    struct pln_epilogue *epilogue = &state->epilogue;
    PLN_TRY(pln_epilogue_prepare(&own, launch->epilogue, launch->inputs + n_own, output, diag, epilogue));
    for (int i = 0; i < epilogue->n_operands; i++) {
        struct pln_epilogue_operand *operand = &epilogue->operands[i];
        operand->row = operand->strides[output->rank - 2];
        operand->col = operand->strides[output->rank - 1];
        memcpy(state->e_batch[i], operand->strides, (size_t)state->n_batch * sizeof(int64_t));
    }
    return PLN_OK;
}

/* May batch dim d and the rows be walked as one run of rows? */
static bool joins_rows(const struct gemm_state *s, int d)
{
    int64_t m = s->m;
    if (s->b_batch[d] != 0) return false;
    if (s->batch[d] == 1 || m == 1) return true;
    if (s->a_batch[d] != m * s->a_row || s->c_batch[d] != m * s->c_row) return false;
    for (int i = 0; i < s->epilogue.n_operands; i++)
        if (s->e_batch[i][d] != m * s->epilogue.operands[i].row) return false;
    return true;
}

/* A weight shared by the batch makes rows of it: [b,s,d] x [d,n] is one product with b s rows. */
static void merge_batch(struct gemm_state *s)
{
    while (s->n_batch > 0 && joins_rows(s, s->n_batch - 1)) {
        int d = s->n_batch - 1;
        if (s->m == 1) {
            s->a_row = s->a_batch[d];
            s->c_row = s->c_batch[d];
            for (int i = 0; i < s->epilogue.n_operands; i++) s->epilogue.operands[i].row = s->e_batch[i][d];
        }
        s->m *= s->batch[d];
        s->n_batch--;
    }
}

/* Quantized weights that meet so few rows that they are taken apart in registers. */
static bool has_few_quantized(const struct gemm_state *s)
{
    return s->quantized.panels != NULL && s->m <= PLN_GEMM_QUANTIZED_ROWS;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory,
                               struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct gemm_state *state = state_memory;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    if (launch->n_inputs < 2 || launch->n_outputs != 1)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    state->isa = isa_of(kernel);
    PLN_TRY(launch->op == PLN_OP_MATMUL_BLOCKS ? read_blocks(kernel, launch, state, diag) : read_a_b(kernel, launch, state, diag));
    PLN_TRY(read_output(kernel, launch, state, diag));
    PLN_TRY(read_epilogue(kernel, launch, state, diag));
    merge_batch(state);
    const bool in_panels = state->packed || has_few_quantized(state);
    /* Quantized weights become panels of 16. */
    const int panel = state->quantized.panels != NULL ? PLN_GEMM_PANEL : pln_gemm_isa_panel(state->isa);
    state->cut = pln_gemm_cut_of(state->isa, panel, state->m, state->n, state->k, in_panels, true);
    out_prepared->n_tasks = pln_gemm_tasks(&state->cut);
    for (int d = 0; d < state->n_batch; d++) out_prepared->n_tasks *= state->batch[d];
    out_prepared->grain = pln_gemm_grain(&state->cut, state->k);
    /* Rows that have to be copied are so once for some columns: an even share of usual widths. */
    if (!pln_gemm_reads_a_in_place(state->a_row, state->a_col) && state->m > state->isa->rows) out_prepared->grain = PLN_MAX(out_prepared->grain, PLN_MIN(state->cut.n_col_blocks, COPIED_COLS / PLN_MAX(state->cut.cols, 1)));
    if (!in_panels) state->b_scratch = pln_gemm_scratch_b(state->isa, state->k, state->cut.cols_most);
    if (state->c_col != 1 || state->c_is_bool) state->c_scratch = state->cut.rows * state->cut.cols_most;
    int64_t floats = pln_gemm_scratch_a(state->isa, state->cut.rows, state->k) + state->b_scratch + state->c_scratch;
    out_prepared->scratch_bytes = (size_t)floats * sizeof(float) +
                                  pln_epilogue_scratch_bytes(&state->epilogue, pln_gemm_epilogue_cols(state->cut.cols_most));
    return PLN_OK;
}

/* ---- run ---- */

/* Element offsets of a span's batch. */
struct place {
    int64_t a, b, c;
};

static struct place find_place(const struct gemm_state *s, const struct pln_gemm_span *span, struct pln_epilogue_run *epilogue)
{
    struct place place = { 0, 0, 0 };
    for (int i = 0; i < s->epilogue.n_operands; i++)
        epilogue->offsets[i] = span->row * s->epilogue.operands[i].row + span->col * s->epilogue.operands[i].col;
    int64_t outer = span->outer;
    for (int d = s->n_batch - 1; d >= 0; d--) {
        int64_t index = outer % s->batch[d];
        outer /= s->batch[d];
        place.a += index * s->a_batch[d];
        place.b += index * s->b_batch[d];
        place.c += index * s->c_batch[d];
        for (int i = 0; i < s->epilogue.n_operands; i++) epilogue->offsets[i] += index * s->e_batch[i][d];
    }
    return place;
}

/* Quantized weights of a block's columns as panels of floats. */
struct columns {
    const struct gemm_state *s;
    int64_t panel, panels;
};

static void fill_b(const void *user, int64_t k0, int64_t kn, float *to)
{
    const struct columns *c = user;
    for (int64_t p = 0; p < c->panels; p++, to += kn * PLN_GEMM_PANEL) c->s->isa->quantized_unpack(&c->s->quantized, c->panel + p, k0, kn, to);
}

static void run_few_quantized(const struct pln_gemm_quantized *w, const struct columns *columns, const struct pln_gemm_block *block)
{
    const struct pln_gemm_quantized_few few = { .w = w, .first = columns->panel, .panels = columns->panels, .a = block->a, .a_row = block->a_row, .rows = (int)block->rows, .c = block->c, .c_row = block->c_row };
    if (block->rows == 0) return;
    block->isa->quantized_few(&few);
    for (int64_t j = 0; block->epilogue->epilogue->present && j < block->cols; j += PLN_GEMM_EPILOGUE_COLS)
        pln_epilogue_rows(block->epilogue, 0, block->rows, j, block->c + j, block->c_row, PLN_MIN(block->cols - j, (int64_t)PLN_GEMM_EPILOGUE_COLS));
}

static void run(const void *state_memory, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    const struct gemm_state *s = state_memory;
    struct pln_epilogue_run epilogue;
    struct pln_gemm_block block = {
        .isa = s->isa, .k = s->k, .a_row = s->a_row, .a_col = s->a_col, .b_row = s->b_row, .b_col = s->b_col
    };
    block.epilogue = &epilogue;
    block.scratch_a = scratch;
    block.scratch_b = block.scratch_a + pln_gemm_scratch_a(s->isa, s->cut.rows, s->k);
    float *c_scratch = block.scratch_b + s->b_scratch;
    struct columns columns = { .s = s };
    const bool few = has_few_quantized(s);
    if (s->quantized.panels != NULL) block.fill_b = fill_b;
    block.user = &columns;
    if (s->packed) block.wide_cols = pln_gemm_wide_cols(pln_gemm_isa_panel(s->isa), s->n);
    pln_epilogue_bind(&s->epilogue, s->isa->vec, pln_gemm_epilogue_cols(s->cut.cols_most), c_scratch + s->c_scratch, &epilogue);
    while (first < last) {
        const struct pln_gemm_span span = pln_gemm_span_of(&s->cut, first, last);
        const struct place place = find_place(s, &span, &epilogue);
        int64_t c_at = place.c + span.row * s->c_row + span.col * s->c_col;
        block.rows = span.rows;
        block.cols = span.cols;
        block.a = s->a + place.a + span.row * s->a_row;
        columns.panel = span.col / PLN_GEMM_PANEL;
        columns.panels = (span.cols + PLN_GEMM_PANEL - 1) / PLN_GEMM_PANEL;
        if (s->quantized.panels == NULL) block.b = s->b + place.b + span.col * s->b_col;
        if (s->packed) block.panels = s->b + place.b;
        block.panel_col = span.col;
        block.c = s->c_scratch > 0 ? c_scratch : (float *)s->c + c_at;
        block.c_row = s->c_scratch > 0 ? s->cut.cols_most : s->c_row;
        if (few) run_few_quantized(&s->quantized, &columns, &block);
        else pln_gemm_block_run(&block);
        if (s->c_scratch > 0)
            pln_gemm_block_store(&block, s->c, c_at, s->c_is_bool, s->c_row, s->c_col);
        first += span.tasks;
    }
}

const struct pln_kernel_family pln_cpu_gemm = {
    .name = "gemm",
    .state_bytes = sizeof(struct gemm_state),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = 1,
    .pack = pack_format,
};

const struct pln_kernel_family pln_cpu_gemm_blocks = {
    .name = "gemm_blocks",
    .state_bytes = sizeof(struct gemm_state),
    .supports = blocks_supports,
    .cost = blocks_cost,
    .prepare = prepare,
    .run = run,
    .packed_input = 1,
    .pack = blocks_pack_format,
};
