#include "backend/cpu/kernels/rnn/rnn.h"

#include <stdio.h>

/* Multiplications that are worth a slice of their own, some microseconds; slices of a phase. */
#define SLICE_WORK 16384
#define SLICES_MAX 16
/* Work of a job that is not worth another thread. */
#define JOB_WORK 65536
/* Hidden units of a slice are a multiple of this: enough panels to meet one row together. */
#define UNITS_LEAST 64
#define ROWS_LEAST  16
/* Columns of a slice of the products of inputs are a multiple of this: two panels; enough that copying the inputs costs little beside them. */
#define COLS_LEAST  32
#define COLS_COPIED 256
/* A phase has a 32-bit number. */
#define STEPS_MAX ((int64_t)1 << 29)

/* ---- what fits ---- */

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    struct pln_rnn_activation activations[2 * PLN_RNN_FUNCTIONS_MAX];
    if (problem->n_inputs < 3 || problem->n_inputs > 8 || problem->n_outputs > 3) return "wrong number of operands";
    if (problem->kind != PLN_RNN_RNN && problem->kind != PLN_RNN_GRU && problem->kind != PLN_RNN_LSTM) return "no such kind";
    for (int i = 0; i < problem->n_inputs; i++) {
        const struct pln_operand *input = &problem->inputs[i];
        if (!input->present && i < 3) return "X, W or R is missing";
        if (input->present && i != 4 && input->dtype != PLN_F32) return "an operand is not f32";
        if (input->present && i == 4 && input->dtype != PLN_I32 && input->dtype != PLN_I64) return "the lengths are neither i32 nor i64";
    }
    const int directions = pln_rnn_directions(problem->attrs);
    if (directions == 0) return "direction is none of forward, reverse, bidirectional";
    return pln_rnn_activations(problem->attrs, problem->kind, directions, activations);
}

static double known(const struct pln_operand *operand, int d)
{
    return operand->rank == 3 && operand->dims[d] >= 0 ? (double)operand->dims[d] : 128.0;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const struct pln_operand *x = &problem->inputs[0], *w = &problem->inputs[1], *r = &problem->inputs[2];
    const double weights = known(w, 0) * known(w, 1) * known(w, 2) + known(r, 0) * known(r, 1) * known(r, 2);
    /* Lanes at 2.5 GHz; a state of one row leaves half of the multipliers waiting for weights. */
    return known(x, 0) * known(x, 1) * weights / ((double)kernel->tile[0] * 2.5) + 1000;
}

static const struct pln_pack_format *pack_format(const struct pln_kernel *kernel)
{
    (void)kernel;
    return &pln_pack_f32_nk_n16_v1;
}

/* ---- cutting ---- */

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int slices_of(double work)
{
    return work >= (double)SLICE_WORK * SLICES_MAX ? SLICES_MAX : PLN_MAX(1, (int)(work / SLICE_WORK));
}

static void cut_step(struct pln_rnn_state *s)
{
    const int slices = slices_of((double)s->batch * (double)s->columns * (double)s->hidden);
    s->unit_block = s->hidden;
    if (s->hidden >= 2 * UNITS_LEAST) s->unit_block = divide_up(divide_up(s->hidden, slices), UNITS_LEAST) * UNITS_LEAST;
    s->unit_block = PLN_MIN(s->unit_block, s->hidden);
    s->n_unit_blocks = (int)divide_up(s->hidden, s->unit_block);
    s->n_row_blocks = (int)PLN_MIN((int64_t)PLN_MAX(slices / s->n_unit_blocks, 1), divide_up(s->batch, ROWS_LEAST));
    s->row_block = divide_up(s->batch, s->n_row_blocks);
    s->n_row_blocks = (int)divide_up(s->batch, s->row_block);
}

/* Sequence behind sequence, step behind step. */
static int64_t row_stride(const struct pln_rnn_state *s)
{
    if (s->lengths.data != NULL) return 0;
    if (s->batch == 1) return s->x.step;
    return s->seq == 1 || s->x.step == s->batch * s->x.batch ? s->x.batch : 0;
}

static void cut(struct pln_rnn_state *s)
{
    s->chunk_steps = PLN_MAX(PLN_MIN(PLN_RNN_INPUT_ROWS / s->batch, s->seq), (int64_t)1);
    s->x_row = row_stride(s);
    const int products = slices_of((double)(s->chunk_steps * s->batch) * (double)s->columns * (double)s->in);
    const int64_t wide = s->x_row != 0 ? COLS_LEAST : COLS_COPIED;
    s->product_cols = divide_up(divide_up(s->columns, products), wide) * wide;
    s->n_products = (int)divide_up(s->columns, s->product_cols);
    s->phases_a_step = s->kind == PLN_RNN_GRU && !s->gates[0].linear_before_reset ? 2 : 1;
    s->n_phases = (uint32_t)(2 + divide_up(s->seq, s->chunk_steps) + s->seq * s->phases_a_step);
    cut_step(s);
    s->widest = PLN_MAX(s->n_products, s->n_unit_blocks * s->n_row_blocks);
    s->a_scratch = pln_gemm_scratch_a(s->gemm, PLN_MIN((int64_t)PLN_RNN_INPUT_ROWS, s->chunk_steps * s->batch), s->in);
}

/* ---- shared memory ---- */

/* Room for rows × row floats, to a cache line. false: too much. */
static bool reserve(int64_t rows, int64_t row, int64_t *floats, int64_t *out_at)
{
    int64_t n;
    *out_at = *floats;
    if (!pln_mul_i64(rows, row, &n) || n >= INT64_MAX / 64 - *floats) return false;
    *floats += divide_up(n, 16) * 16;
    return true;
}

/* Weights that come plain, then the arrays of the jobs. */
static bool place_arrays(struct pln_rnn_state *s, size_t *out_bytes)
{
    int64_t packed = 0, job = PLN_GEMM_PANEL, unused;
    const int64_t steps_rows = s->chunk_steps * s->batch;
    s->row = divide_up(s->hidden, PLN_GEMM_PANEL) * PLN_GEMM_PANEL;
    if (s->row % 1024 == 0) s->row += PLN_GEMM_PANEL; /* a page apart (or several), all rows would fall onto the same places of the first cache */
    if (s->w.panels == NULL && !reserve(s->directions, s->w.direction_floats, &packed, &s->w.packed_at)) return false;
    if (s->r.panels == NULL && !reserve(s->directions, s->r.direction_floats, &packed, &s->r.packed_at)) return false;
    /* The last vector of a row of products may end behind it. */
    if (!reserve(steps_rows, s->columns, &job, &s->at.x) || !reserve(1, PLN_GEMM_PANEL, &job, &unused) || !reserve(2 * s->batch, s->row, &job, &s->at.h) ||
        !reserve(s->batch, s->row, &job, &s->at.c) || !reserve(s->n_gates + 1, s->row, &job, &s->at.bias) || !reserve(3, s->row, &job, &s->at.peephole))
        return false;
    if (s->kind == PLN_RNN_GRU && (!reserve(s->batch, s->row, &job, &s->at.z) || !reserve(s->batch, s->row, &job, &s->at.reset_h))) return false;
    s->job_floats = job;
    if (!reserve(s->directions, job, &packed, &s->jobs_at)) return false;
    *out_bytes = sizeof(struct pln_rnn_shared) + (size_t)packed * sizeof(float);
    return true;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared,
                               struct pln_diag *diag)
{
    struct pln_rnn_state *s = state_memory;
    *out_prepared = (struct pln_prepared){ .grain = 1, .shared_bytes = sizeof(struct pln_rnn_shared), .cleared_bytes = sizeof(struct pln_rnn_shared) };
    PLN_TRY(pln_rnn_read(kernel, launch, diag, s));
    if (s->hidden == 0 || s->batch == 0) return PLN_OK;
    if (s->seq > STEPS_MAX) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the sequence is too long", kernel->name);
    s->isa = ((pln_rnn_isa_fn)kernel->micro)();
    s->gemm = s->isa->gemm();
    cut(s);
    if (!place_arrays(s, &out_prepared->shared_bytes)) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the shapes are too large", kernel->name);
    const int64_t products = PLN_MIN((int64_t)PLN_RNN_ROWS, s->row_block) * pln_rnn_product_floats(s);
    out_prepared->scratch_bytes = (size_t)(PLN_MAX(s->a_scratch, products) + PLN_GEMM_PANEL) * sizeof(float);
    out_prepared->n_tasks = s->directions * s->widest;
    const double work = (double)s->seq * (double)s->batch * (double)s->columns * (double)(s->in + s->hidden);
    if (work < JOB_WORK) out_prepared->grain = out_prepared->n_tasks;
    return PLN_OK;
}

/* ---- run ---- */

static uint64_t find_fault(const struct pln_rnn_state *s)
{
    for (int64_t b = 0; s->lengths.data != NULL && b < s->batch; b++) {
        const int64_t length = pln_rnn_length(s, b);
        if (length < 0 || length > s->seq) return (uint64_t)b + 1;
    }
    return 0;
}

/* Nobody else would find anything to do. */
static void run_alone(const struct pln_rnn_job *job)
{
    for (uint32_t phase = 0; phase < job->s->n_phases; phase++)
        for (int slice = 0; slice < pln_rnn_slices(job->s, phase); slice++) pln_rnn_run_slice(job, phase, slice);
}

static void run_job(const struct pln_rnn_job *job, struct pln_team *team, int home)
{
    uint32_t phase = pln_team_phase(team);
    if (job->s->widest == 1) {
        if (pln_team_claim(team, 0, 1, 0) == 0) run_alone(job);
        return;
    }
    while (phase < job->s->n_phases) {
        const int n = pln_rnn_slices(job->s, phase);
        for (int slice; (slice = pln_team_claim(team, phase, n, home * n / PLN_TEAM_SLICES)) >= 0;) {
            pln_rnn_run_slice(job, phase, slice);
            pln_team_finish(team, phase, n);
        }
        phase = pln_team_wait(team, phase);
    }
}

/* Of the threads of a job, in order: 0, 1/2, 1/4, 3/4, … of its slices: those that a thread takes at one step it takes at the next, which keeps their
 * weights in its cache. */
static int home_of(uint64_t arrival)
{
    int home = 0;
    for (int bit = PLN_TEAM_SLICES / 2; bit > 0; bit /= 2, arrival /= 2)
        if (arrival % 2 != 0) home += bit;
    return home;
}

/* Tasks are places for threads, not pieces of work: the first thread begins the first job, the second one the other; who has nothing to do helps. */
static void run(const void *state_memory, int64_t first, int64_t last, void *scratch, void *shared_memory)
{
    (void)first;
    (void)last;
    const struct pln_rnn_state *s = state_memory;
    struct pln_rnn_shared *shared = shared_memory;
    const uint64_t fault = find_fault(s);
    if (fault != 0) {
        __atomic_store_n(&shared->fault, fault, __ATOMIC_RELAXED);
        return;
    }
    const uint64_t arrival = __atomic_fetch_add(&shared->arrivals, 1, __ATOMIC_RELAXED), directions = (uint64_t)s->directions;
    for (uint64_t i = 0; i < directions; i++) {
        struct pln_rnn_job job = { .s = s, .direction = (int)((arrival + i) % directions), .packed = (float *)(void *)(shared + 1), .scratch = scratch };
        job.arrays = job.packed + s->jobs_at + job.direction * s->job_floats;
        run_job(&job, &shared->teams[job.direction], home_of(arrival / directions));
    }
}

/* The text lives until the thread's next fault. */
static const char *fault(const void *state_memory, uint64_t code)
{
    static _Thread_local char text[128];
    const struct pln_rnn_state *s = state_memory;
    const int64_t sequence = (int64_t)code - 1;
    snprintf(text, sizeof text, "sequence_lens holds %lld, in a sequence of %lld steps", (long long)pln_rnn_length(s, sequence), (long long)s->seq);
    return text;
}

const struct pln_kernel_family pln_cpu_rnn = {
    .name = "rnn",
    .state_bytes = sizeof(struct pln_rnn_state),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .fault = fault,
    .packed_input = 2,
    .second_packed_input = 1,
    .pack = pack_format,
};
