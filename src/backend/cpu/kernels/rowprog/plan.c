/* The iteration of a row program: which axes are walked as one, and in which blocks. */
#include "backend/cpu/kernels/rowprog/rowprog.h"

/* Elements of a block: a handful of runs of 2 KiB stay in the first cache. */
#define BLOCK 512

struct axes {
    int n, n_operands;
    int64_t extent[PLN_MAX_RANK];
    int64_t stride[PLN_ROWPROG_OPERANDS_MAX][PLN_MAX_RANK]; /* by operand, so that those there are lie together */
};

static enum pln_status read_operand(const char *name, const struct pln_rowprog *program, int number,
                                    const struct pln_launch *launch, struct pln_diag *diag, struct axes *axes)
{
    const struct pln_tensor *tensor =
        number < program->n_inputs ? &launch->inputs[number] : &launch->outputs[number - program->n_inputs];
    bool output = number >= program->n_inputs;
    const struct pln_rowprog_operand *operand =
        output ? &program->outputs[number - program->n_inputs] : &program->inputs[number];
    if (tensor->dtype != (enum pln_dtype)operand->dtype || tensor->rank != operand->rank)
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: operand %d has another type or rank than the program says",
                        name, number);
    bool walked[PLN_MAX_RANK] = { false };
    for (int i = 0; i < program->rank; i++) {
        int dim = operand->axis[i];
        int64_t extent = dim < 0 ? 1 : tensor->dims[dim];
        if (dim >= 0) walked[dim] = true;
        bool fits = output ? dim < 0 || extent == axes->extent[i] : extent == 1 || extent == axes->extent[i];
        if (!fits)
            return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: operand %d does not fit the program's extents", name,
                            number);
        axes->stride[number][i] = dim < 0 || extent == 1 ? 0 : tensor->strides[dim];
    }
    for (int d = 0; d < tensor->rank; d++)
        if (!walked[d] && tensor->dims[d] != 1)
            return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: operand %d has a dim that is not walked", name, number);
    return PLN_OK;
}

static void swap(int64_t *a, int64_t *b)
{
    const int64_t kept = *a;
    *a = *b;
    *b = kept;
}

static void swap_axes(struct axes *axes, int a, int b)
{
    swap(&axes->extent[a], &axes->extent[b]);
    for (int k = 0; k < axes->n_operands; k++) swap(&axes->stride[k][a], &axes->stride[k][b]);
}

static void drop_axis(struct axes *axes, int at)
{
    for (int i = at; i + 1 < axes->n; i++) swap_axes(axes, i, i + 1);
    axes->n--;
}

static int64_t magnitude(int64_t stride)
{
    return stride < 0 ? -stride : stride;
}

/* The order in which the output lies: an image kept channels last is walked along its channels. */
static void sort_axes(struct axes *axes, int n, int by)
{
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0 && magnitude(axes->stride[by][k - 1]) < magnitude(axes->stride[by][k]); k--)
            swap_axes(axes, k - 1, k);
}

static bool can_merge(const struct axes *axes, int at)
{
    for (int k = 0; k < axes->n_operands; k++)
        if (axes->stride[k][at] != axes->stride[k][at + 1] * axes->extent[at + 1]) return false;
    return true;
}

/* Merges axes [0, n) where every operand walks two of them as one. */
static void merge_axes(struct axes *axes, int n)
{
    int kept = axes->n - n;
    for (int i = axes->n - kept - 1; i >= 0; i--)
        if (axes->extent[i] == 1 && axes->n > 1) drop_axis(axes, i);
    for (int i = axes->n - kept - 2; i >= 0; i--) {
        if (!can_merge(axes, i)) continue;
        axes->extent[i + 1] *= axes->extent[i];
        drop_axis(axes, i);
    }
}

static void place_operands(struct pln_rowprog_state *state, const struct axes *axes, const struct pln_tensor *inputs,
                           const struct pln_tensor *outputs)
{
    int n_inputs = state->n_inputs, rows = axes->n - 2;
    for (int k = 0; k < state->n_places; k++) {
        const struct pln_tensor *tensor = k < n_inputs ? &inputs[k] : &outputs[k - n_inputs];
        struct pln_rowprog_place *place = &state->places[k];
        *place = (struct pln_rowprog_place){ .data = tensor->data, .dtype = tensor->dtype, .is_bool = tensor->dtype == PLN_BOOL, .is_empty = pln_tensor_count(tensor) == 0 };
        place->col = axes->stride[k][axes->n - 1];
        place->row = rows >= 0 ? axes->stride[k][rows] : 0;
        bool moves = place->row != 0 || state->block_cols != state->cols;
        for (int i = 0; i < state->n_outer; i++) {
            place->outer[i] = axes->stride[k][i];
            moves = moves || place->outer[i] != 0;
        }
        place->repeats = !moves;
    }
}

/* An input whose rows lie beside each other, element by element: a cache line has those of several. */
static bool is_turned(const struct axes *axes, int n_inputs)
{
    for (int k = 0; k < n_inputs && axes->n > 1; k++)
        if (axes->stride[k][axes->n - 2] == 1 && axes->stride[k][axes->n - 1] > 1) return true;
    return false;
}

static void cut(struct pln_rowprog_state *state, const struct axes *axes)
{
    state->cols = axes->extent[axes->n - 1];
    state->rows = 1;
    state->n_outer = axes->n - 1;
    state->block_rows = 1;
    state->block_cols = PLN_MAX(1, PLN_MIN(state->cols, BLOCK));
    if (axes->n > 1) {
        state->rows = axes->extent[axes->n - 2];
        state->n_outer--;
        if (state->cols > 0 && state->cols < BLOCK / 2)
            state->block_rows = PLN_MAX(1, PLN_MIN(BLOCK / state->cols, state->rows));
        if (state->by_rows && state->cols <= BLOCK && is_turned(axes, state->n_inputs)) state->block_rows = PLN_MAX(state->rows, 1);
        if (state->by_rows) state->block_rows = PLN_MIN(state->block_rows, PLN_VEC_ROWS);
    }
    for (int i = 0; i < state->n_outer; i++) state->outer[i] = axes->extent[i];
    state->n_row_blocks = (state->rows + state->block_rows - 1) / state->block_rows;
    state->n_col_blocks = state->by_rows ? 1 : (state->cols + state->block_cols - 1) / state->block_cols;
}

static bool reads_input(const struct pln_vec_program *code, const struct pln_rowprog_instr *instr)
{
    for (int s = 0; s < 3; s++)
        for (int i = 0; i < code->n_inputs; i++)
            if (instr->src[s] == code->input_reg[i]) return true;
    return false;
}

/* Reductions, outputs of one value a row, and inputs that are the same all along a row but not in the next one. */
static bool goes_by_rows(const struct pln_rowprog *program)
{
    const int last = program->rank - 1;
    for (int i = 0; i < program->n_instrs; i++)
        if (program->instrs[i].code == PLN_ROWPROG_REDUCE) return true;
    for (int o = 0; o < program->n_outputs; o++)
        if (program->outputs[o].axis[last] < 0) return true;
    for (int k = 0; k < program->n_inputs; k++)
        for (int i = 0; i < last; i++)
            if (program->inputs[k].axis[last] < 0 && program->inputs[k].axis[i] >= 0) return true;
    return false;
}

/* An output may go straight to its place when it is written by a function, and nothing that is read later can lie there. */
static void find_births(struct pln_rowprog_state *state)
{
    const struct pln_vec_program *code = &state->code;
    for (int o = 0; o < code->n_outputs; o++) {
        unsigned reg = code->output_reg[o];
        state->born[o] = 0;
        state->written[o] = code->slot[reg] != PLN_VEC_NO_SLOT && !code->row[reg];
        int born = -1;
        for (int i = 0; i < code->n_instrs; i++) {
            if (code->instrs[i].code != PLN_ROWPROG_CONST && code->instrs[i].dst == reg) born = i;
            if (born >= 0 && i > born && reads_input(code, &code->instrs[i])) state->written[o] = false;
        }
        if (born >= 0) state->born[o] = code->instrs[born].pass;
        for (int other = 0; other < o; other++)
            if (code->output_reg[other] == reg) state->written[o] = false;
    }
}

static void find_direct(struct pln_rowprog_state *state)
{
    for (int k = state->n_inputs; k < state->n_places; k++) {
        const struct pln_rowprog_place *place = &state->places[k];
        const bool dense = !place->is_bool && place->col == 1 && (state->block_rows == 1 || place->row == state->cols);
        state->direct[k - state->n_inputs] = dense && state->written[k - state->n_inputs];
    }
}

enum pln_status pln_rowprog_place(const char *name, const struct pln_rowprog *program, const struct pln_tensor *inputs,
                                  const struct pln_tensor *outputs, struct pln_diag *diag,
                                  struct pln_rowprog_state *state)
{
    struct axes axes;
    const struct pln_launch launch = { .n_inputs = program->n_inputs, .n_outputs = program->n_outputs, .inputs = inputs, .outputs = outputs }; /* for messages */
    const struct pln_tensor *list[PLN_ROWPROG_MAX_OPERANDS];
    axes.n = program->rank;
    axes.n_operands = program->n_inputs + program->n_outputs;
    for (int i = 0; i < program->n_inputs; i++) list[i] = &inputs[i];
    if (!pln_rowprog_extents(program, list, axes.extent))
        return pln_launch_fail(&launch, diag, PLN_INVALID_ARGUMENT, "%s: the inputs' shapes do not fit together", name);
    for (int k = 0; k < axes.n_operands; k++) PLN_TRY(read_operand(name, program, k, &launch, diag, &axes));
    int movable = state->by_rows ? axes.n - 1 : axes.n;
    sort_axes(&axes, movable, program->n_inputs);
    merge_axes(&axes, movable);
    cut(state, &axes);
    place_operands(state, &axes, inputs, outputs);
    find_direct(state);
    return PLN_OK;
}

enum pln_status pln_rowprog_plan(const char *name, const struct pln_rowprog *program, const struct pln_tensor *inputs,
                                 const struct pln_tensor *outputs, struct pln_diag *diag,
                                 struct pln_rowprog_state *state)
{
    pln_vec_compile(program, &state->code);
    state->by_rows = goes_by_rows(program);
    state->n_inputs = program->n_inputs;
    state->n_places = program->n_inputs + program->n_outputs;
    find_births(state);
    return pln_rowprog_place(name, program, inputs, outputs, diag, state);
}

int64_t pln_rowprog_tasks(const struct pln_rowprog_state *state, int64_t *out_grain)
{
    int64_t n = state->n_row_blocks * state->n_col_blocks;
    for (int i = 0; i < state->n_outer; i++) n *= state->outer[i];
    /* About 16,000 elements and instructions, ten microseconds, at a time. */
    int64_t work = state->by_rows ? state->block_rows * state->cols : state->block_rows * state->block_cols;
    *out_grain = 1 + 65536 / ((work + 64) * (1 + state->code.n_instrs));
    return n;
}
