#include "backend/cpu/kernels/integer/integer.h"

#include "kernel/ew_int.h"

struct int_state {
    struct pln_rowprog_state plan;
    const struct pln_int_isa *isa;
    unsigned kind;
    bool is_unsigned; /* the numbers that are computed with */
    int place[3];     /* of the function's inputs among those that are there; -1: left out */
};

static bool is_int(unsigned dtype)
{
    return dtype == PLN_BOOL || (pln_dtype_is_integer((enum pln_dtype)dtype) && pln_dtype_bits((enum pln_dtype)dtype) >= 8);
}

/* f32 is read or written by casts alone; u64 and f32 meet in the reference, as what lies beyond i64 is neither. */
static const char *check(const struct pln_rowprog *program, bool cast)
{
    const struct pln_rowprog_instr *instr = &program->instrs[0];
    const unsigned to = program->outputs[0].dtype, from = program->inputs[0].dtype;
    if (!pln_ew_has_int(instr->kind)) return "a function of reals";
    for (int i = 0; i < program->n_inputs; i++)
        if (!is_int(program->inputs[i].dtype) && !(cast && from == PLN_F32 && is_int(to) && to != PLN_U64 && to != PLN_BOOL)) return "an input is no integer";
    if (!is_int(to) && !(cast && to == PLN_F32)) return "an output is no integer";
    return NULL;
}

static const char *supports(const struct pln_problem *problem, bool cast)
{
    struct pln_rowprog program;
    const char *why = pln_elementwise_of_problem(problem, &program);
    return why != NULL ? why : check(&program, cast);
}

static const char *elementwise_supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    return supports(problem, false);
}

static const char *cast_supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    return supports(problem, true);
}

/* An element is widened, computed and narrowed in half a nanosecond with vectors. */
static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    double n = 1;
    for (int d = 0; d < problem->outputs[0].rank; d++) n *= problem->outputs[0].dims[d] < 0 ? 128.0 : (double)problem->outputs[0].dims[d];
    return n * (kernel->needs == 0 ? 2 : 0.5) + 300;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct int_state *state = state_memory;
    struct pln_tensor inputs[3];
    struct pln_rowprog program;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    const char *why = pln_elementwise_of_launch(launch, &program, inputs);
    if (why == NULL) why = check(&program, launch->op == PLN_OP_CAST);
    if (why != NULL) return pln_fail(diag, PLN_BAD_PLAN, "%s: %s", kernel->name, why);
    PLN_TRY(pln_rowprog_plan(kernel->name, &program, inputs, launch->outputs, diag, &state->plan));
    state->isa = ((pln_int_isa_fn)kernel->micro)();
    state->kind = program.instrs[0].kind;
    for (int i = 0; i < 3; i++) state->place[i] = program.instrs[0].src[i] == 255 ? -1 : program.instrs[0].src[i];
    state->is_unsigned = !pln_dtype_is_signed((enum pln_dtype)program.inputs[state->kind == PLN_EW_WHERE].dtype);
    out_prepared->n_tasks = pln_rowprog_tasks(&state->plan, &out_prepared->grain);
    out_prepared->scratch_bytes = 4 * (size_t)(state->plan.block_rows * state->plan.block_cols) * sizeof(int64_t);
    return PLN_OK;
}

/* One input of the function in the blocks of a run. */
struct source {
    int64_t *room;
    int64_t kept; /* elements of room that hold the one value that the input has in all blocks */
};

static bool is_dense(const struct pln_rowprog_place *place, int64_t rows, int64_t cols)
{
    return (place->col == 1 || cols == 1) && (rows == 1 || place->row == cols);
}

/* An element lies as the functions read it, side by side with the next. */
static bool is_ready(const struct pln_rowprog_place *place, int64_t rows, int64_t cols)
{
    return (place->dtype == PLN_I64 || place->dtype == PLN_U64) && is_dense(place, rows, cols);
}

static bool is_one_value(const struct pln_rowprog_state *plan, const struct pln_rowprog_place *place)
{
    bool moves = place->col != 0 || place->row != 0;
    for (int d = 0; d < plan->n_outer; d++) moves = moves || place->outer[d] != 0;
    return !moves;
}

static const int64_t *read_input(const struct int_state *s, int k, const int64_t *at, int64_t rows, int64_t cols, struct source *source)
{
    const int64_t absent[3] = { 0, s->is_unsigned ? 0 : INT64_MIN, s->is_unsigned ? -1 : INT64_MAX };
    const int p = s->place[k];
    const struct pln_rowprog_place *place = &s->plan.places[PLN_MAX(p, 0)];
    const bool same = p < 0 || is_one_value(&s->plan, place);
    if (same && source->kept >= rows * cols) return source->room;
    if (p < 0) s->isa->load(PLN_I64, &absent[k], 0, 0, rows * cols, source->room);
    else if (is_ready(place, rows, cols)) return (const int64_t *)(const void *)place->data + at[p];
    else for (int64_t r = 0; r < rows; r++) s->isa->load(place->dtype, place->data, at[p] + r * place->row, place->col, cols, source->room + r * cols);
    if (same) source->kept = rows * cols;
    return source->room;
}

static void run(const void *state_memory, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    const struct int_state *s = state_memory;
    const struct pln_rowprog_state *plan = &s->plan;
    int64_t at[PLN_ROWPROG_OPERANDS_MAX], rows, cols;
    const struct pln_rowprog_place *out = &plan->places[plan->n_inputs];
    const int64_t block = plan->block_rows * plan->block_cols;
    struct source sources[3];
    for (int k = 0; k < 3; k++) sources[k] = (struct source){ .room = (int64_t *)scratch + k * block };
    int64_t *const room = (int64_t *)scratch + 3 * block;
    for (int64_t task = first; task < last; task++) {
        const int64_t *values[3];
        pln_rowprog_block(plan, task, at, &rows, &cols);
        for (int k = 0; k < 3; k++) values[k] = read_input(s, k, at, rows, cols, &sources[k]);
        if (out->dtype == PLN_BOOL && is_dense(out, rows, cols) &&
            s->isa->compare(s->kind, s->is_unsigned, rows * cols, values[0], values[1], (uint8_t *)out->data + at[plan->n_inputs]))
            continue;
        const bool direct = is_ready(out, rows, cols);
        int64_t *const y = direct ? (int64_t *)(void *)out->data + at[plan->n_inputs] : room;
        s->isa->run(s->kind, s->is_unsigned, rows * cols, values[0], values[1], values[2], y);
        for (int64_t r = 0; !direct && r < rows; r++)
            s->isa->store(out->dtype, out->data, at[plan->n_inputs] + r * out->row, out->col, cols, y + r * cols, s->is_unsigned);
    }
}

const struct pln_kernel_family pln_cpu_elementwise_int = {
    .name = "elementwise_int",
    .state_bytes = sizeof(struct int_state),
    .supports = elementwise_supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = -1,
};

const struct pln_kernel_family pln_cpu_cast_int = {
    .name = "cast_int",
    .state_bytes = sizeof(struct int_state),
    .supports = cast_supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = -1,
};
