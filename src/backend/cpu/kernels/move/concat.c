#include "backend/cpu/kernels/move/move.h"

struct concat_state {
    const struct pln_launch *launch;
    int axis;
};

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    for (int i = 0; i < problem->n_inputs; i++)
        if (!problem->inputs[i].present || problem->inputs[i].dtype != problem->outputs[0].dtype || problem->inputs[i].rank != problem->outputs[0].rank) return "an operand's type or rank is not the output's";
    if (problem->outputs[0].rank < 1) return "the rank is not known";
    if (problem->outputs[0].dtype == PLN_STR || pln_dtype_bits(problem->outputs[0].dtype) < 8) return "elements are not whole bytes";
    return NULL;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    double bytes = 8;
    for (int i = 0; i < problem->outputs[0].rank; i++) bytes *= problem->outputs[0].dims[i] < 0 ? 128 : (double)problem->outputs[0].dims[i];
    return bytes / 5 + 300;
}

static enum pln_status update(const struct pln_launch *launch, void *state_memory, struct pln_prepared *prepared, struct pln_diag *diag)
{
    const struct concat_state *state = state_memory;
    const struct pln_tensor *out = &launch->outputs[0];
    int64_t total = 0;
    (void)prepared;
    for (int i = 0; i < launch->n_inputs; i++) {
        const struct pln_tensor *in = &launch->inputs[i];
        bool fits = in->dtype == out->dtype && in->rank == out->rank;
        for (int d = 0; fits && d < out->rank; d++) fits = d == state->axis || in->dims[d] == out->dims[d];
        if (!fits || !pln_add_i64(total, in->dims[state->axis], &total)) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "Concat: input %d does not fit the others", i);
    }
    if (total != out->dims[state->axis] || pln_dtype_bits(out->dtype) < 8 || out->dtype == PLN_STR) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "Concat: the pieces do not make up the output");
    return PLN_OK;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    (void)kernel;
    struct concat_state *state = state_memory;
    if (launch->n_outputs != 1 || !pln_axis_normalize(pln_attrs_int(launch->attrs, "axis", 0), launch->outputs[0].rank, &state->axis)) return pln_fail(diag, PLN_BAD_PLAN, "Concat: no such axis");
    state->launch = launch;
    *out_prepared = (struct pln_prepared){ .n_tasks = launch->n_inputs, .grain = 1 };
    return update(launch, state, out_prepared, diag);
}

static bool in_place(const struct pln_tensor *from, const struct pln_tensor *to)
{
    if (from->data != to->data) return false;
    for (int d = 0; d < from->rank; d++)
        if (from->dims[d] > 1 && from->strides[d] != to->strides[d]) return false;
    return true;
}

static void run(const void *state_memory, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)scratch;
    (void)shared;
    const struct concat_state *state = state_memory;
    const struct pln_tensor *out = &state->launch->outputs[0];
    int64_t at = 0;
    for (int64_t i = 0; i < last; i++) {
        const struct pln_tensor *in = &state->launch->inputs[i];
        struct pln_tensor place = *out;
        place.dims[state->axis] = in->dims[state->axis];
        if (place.data) place.data = (char *)place.data + at * out->strides[state->axis] * (pln_dtype_bits(out->dtype) / 8);
        at += in->dims[state->axis];
        if (i >= first && !in_place(in, &place)) pln_tensor_copy(in, &place);
    }
}

const struct pln_kernel_family pln_cpu_concat = { .name = "concat", .state_bytes = sizeof(struct concat_state), .supports = supports, .cost = cost, .prepare = prepare, .run = run, .packed_input = -1, .update = update, .extents_at_run = UINT32_MAX };
