#include <stdio.h>

#include "backend/cpu/kernels/move/move.h"

/* out[o, i, …] = data[o, indices[i], …]: outer × indices × a dense run of bytes. */
struct gather_state {
    const char *data, *indices;
    char *out;
    int64_t outer, n_indices, extent, run_bytes;
    int axis;
    bool wide; /* i64 */
};

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    const struct pln_operand *data = &problem->inputs[0], *indices = &problem->inputs[1];
    if (data->rank < 1 || indices->rank < 0) return "a rank is not known";
    if (data->dtype == PLN_STR || pln_dtype_bits(data->dtype) < 8) return "elements are not whole bytes";
    if (indices->dtype != PLN_I64 && indices->dtype != PLN_I32) return "the indices are neither i32 nor i64";
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
    struct gather_state *state = state_memory;
    const int axis = state->axis;
    const struct pln_tensor *data = &launch->inputs[0], *indices = &launch->inputs[1], *out = &launch->outputs[0];
    bool fits = out->dtype == data->dtype && out->rank == data->rank - 1 + indices->rank && (indices->dtype == PLN_I64 || indices->dtype == PLN_I32);
    for (int d = 0; fits && d < out->rank; d++) {
        int64_t want = d < axis ? data->dims[d] : d < axis + indices->rank ? indices->dims[d - axis] : data->dims[d - indices->rank + 1];
        fits = out->dims[d] == want;
    }
    fits = fits && pln_tensor_is_contiguous(data) && pln_tensor_is_contiguous(indices) && pln_tensor_is_contiguous(out) && pln_dtype_bits(data->dtype) >= 8 && data->dtype != PLN_STR;
    if (!fits) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "Gather: the shapes do not fit together");
    *state = (struct gather_state){ .axis = axis, .data = data->data, .indices = indices->data, .out = out->data, .outer = 1, .n_indices = pln_tensor_count(indices), .extent = data->dims[axis],
                                    .run_bytes = pln_dtype_bits(data->dtype) / 8, .wide = indices->dtype == PLN_I64 };
    for (int d = 0; d < axis; d++) state->outer *= data->dims[d];
    for (int d = axis + 1; d < data->rank; d++) state->run_bytes *= data->dims[d];
    int64_t tasks = state->run_bytes == 0 ? 0 : state->outer * state->n_indices;
    *prepared = (struct pln_prepared){ .n_tasks = tasks, .grain = 1 + 65536 / PLN_MAX(state->run_bytes, (int64_t)1), .shared_bytes = 64 };
    return PLN_OK;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    (void)kernel;
    struct gather_state *state = state_memory;
    if (launch->n_inputs != 2 || launch->n_outputs != 1) return pln_fail(diag, PLN_BAD_PLAN, "Gather: wrong number of operands");
    if (!pln_axis_normalize(pln_attrs_int(launch->attrs, "axis", 0), launch->inputs[0].rank, &state->axis)) return pln_fail(diag, PLN_BAD_PLAN, "Gather: no such axis");
    return update(launch, state, out_prepared, diag);
}

static int64_t index_at(const struct gather_state *state, int64_t i)
{
    int64_t index;
    int32_t narrow;
    if (state->wide) {
        memcpy(&index, state->indices + i * 8, 8);
        return index;
    }
    memcpy(&narrow, state->indices + i * 4, 4);
    return narrow;
}

static void run(const void *state_memory, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)scratch;
    const struct gather_state *state = state_memory;
    for (int64_t task = first; task < last; task++) {
        int64_t i = task % state->n_indices, o = task / state->n_indices, index = index_at(state, i);
        if (index < 0) index += state->extent;
        if (index < 0 || index >= state->extent) {
            __atomic_store_n((uint64_t *)shared, (uint64_t)i + 1, __ATOMIC_RELAXED);
            continue;
        }
        memcpy(state->out + task * state->run_bytes, state->data + (o * state->extent + index) * state->run_bytes, (size_t)state->run_bytes);
    }
}

/* The text lives until the thread's next fault. */
static const char *fault(const void *state_memory, uint64_t code)
{
    static _Thread_local char text[128];
    const struct gather_state *state = state_memory;
    snprintf(text, sizeof text, "Gather: index %lld is outside an axis of extent %lld", (long long)index_at(state, (int64_t)code - 1), (long long)state->extent);
    return text;
}

const struct pln_kernel_family pln_cpu_gather = { .name = "gather", .state_bytes = sizeof(struct gather_state), .supports = supports, .cost = cost, .prepare = prepare, .run = run, .packed_input = -1, .fault = fault, .update = update };
