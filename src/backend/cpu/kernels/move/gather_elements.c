#include <stdio.h>

#include "backend/cpu/kernels/move/elements.h"
#include "backend/cpu/kernels/move/move.h"

struct elements_state {
    const char *data, *indices;
    char *out;
    struct pln_elements_view view;
    int64_t unit_bytes, axis;
    bool wide; /* i64 */
};

bool pln_elements_view(const struct pln_tensor *data, const struct pln_tensor *indices, int64_t axis, struct pln_elements_view *out_view)
{
    struct pln_elements_view *v = out_view;
    int at;
    int64_t stride = 1;
    int64_t strides[PLN_MAX_RANK];
    memset(v, 0, sizeof *v);
    if (data->rank < 1 || indices->rank != data->rank || !pln_axis_normalize(axis, data->rank, &at)) return false;
    for (int d = data->rank - 1; d >= 0; d--) {
        strides[d] = stride;
        stride *= PLN_MAX(data->dims[d], (int64_t)1);
        if (d != at && indices->dims[d] > data->dims[d]) return false;
    }
    for (int d = 0; d < data->rank; d++) {
        const int64_t n = indices->dims[d], extent = data->dims[d];
        if (d != at && n == 1 && extent == 1) continue;
        /* Whole slices follow each other: two axes are one, when neither is that of the indices. */
        if (d != at && n == extent && v->rank > 0 && v->axis != v->rank - 1) {
            v->dims[v->rank - 1] *= n;
            v->extents[v->rank - 1] *= extent;
            v->strides[v->rank - 1] = strides[d];
            continue;
        }
        if (d < at) v->axis = v->rank + 1;
        if (d == at) v->axis = v->rank;
        v->dims[v->rank] = n;
        v->extents[v->rank] = extent;
        v->strides[v->rank++] = strides[d];
    }
    return true;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    const struct pln_operand *data = &problem->inputs[0], *indices = &problem->inputs[1];
    if (data->rank < 1 || indices->rank < 1) return "a rank is not known";
    if (!pln_elements_dtype(data->dtype)) return "elements are not whole bytes";
    if (indices->dtype != PLN_I64 && indices->dtype != PLN_I32) return "the indices are neither i32 nor i64";
    return NULL;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    double n = 1;
    for (int i = 0; i < problem->outputs[0].rank; i++) n *= problem->outputs[0].dims[i] < 0 ? 128 : (double)problem->outputs[0].dims[i];
    return 2 * n + 300;
}

static enum pln_status update(const struct pln_launch *launch, void *state_memory, struct pln_prepared *prepared, struct pln_diag *diag)
{
    struct elements_state *s = state_memory;
    const struct pln_tensor *data = &launch->inputs[0], *indices = &launch->inputs[1], *out = &launch->outputs[0];
    bool fits = out->dtype == data->dtype && pln_elements_dtype(data->dtype) && (indices->dtype == PLN_I64 || indices->dtype == PLN_I32) && pln_tensor_same_shape(indices, out);
    fits = fits && pln_tensor_is_contiguous(data) && pln_tensor_is_contiguous(indices) && pln_tensor_is_contiguous(out) && pln_elements_view(data, indices, s->axis, &s->view);
    if (!fits) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "GatherElements: data, indices, output and axis do not fit together");
    s->data = data->data;
    s->indices = indices->data;
    s->out = out->data;
    s->unit_bytes = pln_dtype_bits(data->dtype) / 8;
    s->wide = indices->dtype == PLN_I64;
    const int64_t count = pln_tensor_count(out), row = s->view.dims[s->view.rank - 1];
    *prepared = (struct pln_prepared){ .n_tasks = count == 0 ? 0 : count / row, .grain = 1 + 4096 / PLN_MAX(row, (int64_t)1), .shared_bytes = 64 };
    return PLN_OK;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    (void)kernel;
    struct elements_state *s = state_memory;
    if (launch->n_inputs != 2 || launch->n_outputs != 1) return pln_fail(diag, PLN_BAD_PLAN, "GatherElements: wrong number of operands");
    s->axis = pln_attrs_int(launch->attrs, "axis", 0);
    return update(launch, s, out_prepared, diag);
}

/* A row of indices, from number `at` on; base: of data, without the axis. */
static inline __attribute__((always_inline)) void gather_row(const struct elements_state *s, int64_t at, int64_t base, const int64_t bytes, const bool wide, void *shared)
{
    const struct pln_elements_view *v = &s->view;
    const int last = v->rank - 1;
    const int64_t n = v->dims[last], step = v->axis == last ? 0 : v->strides[last], stride = v->strides[v->axis], extent = v->extents[v->axis];
    char *out = s->out + at * bytes;
    for (int64_t i = 0; i < n; i++) {
        int64_t index = pln_elements_index(s->indices, wide, at + i);
        index += index < 0 ? extent : 0;
        if (index < 0 || index >= extent) {
            __atomic_store_n((uint64_t *)shared, (uint64_t)(at + i) + 1, __ATOMIC_RELAXED);
            continue;
        }
        pln_element_copy(out + i * bytes, s->data + (base + index * stride + i * step) * bytes, bytes);
    }
}

static void gather_any(const struct elements_state *s, int64_t at, int64_t base, void *shared)
{
    switch (s->unit_bytes) {
    case 1: gather_row(s, at, base, 1, s->wide, shared); break;
    case 2: gather_row(s, at, base, 2, s->wide, shared); break;
    case 4:
        if (s->wide) gather_row(s, at, base, 4, true, shared);
        else gather_row(s, at, base, 4, false, shared);
        break;
    case 8: gather_row(s, at, base, 8, s->wide, shared); break;
    default: gather_row(s, at, base, 16, s->wide, shared); break;
    }
}

static void run(const void *state_memory, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)scratch;
    const struct elements_state *s = state_memory;
    const struct pln_elements_view *v = &s->view;
    const int outer = v->rank - 1;
    int64_t index[PLN_MAX_RANK] = { 0 }, rest = first;
    if (first >= last) return;
    for (int d = outer - 1; d >= 0; d--) {
        index[d] = rest % v->dims[d];
        rest /= v->dims[d];
    }
    for (int64_t task = first; task < last; task++) {
        int64_t base = 0;
        for (int d = 0; d < outer; d++) base += d == v->axis ? 0 : index[d] * v->strides[d];
        gather_any(s, task * v->dims[outer], base, shared);
        for (int d = outer - 1; d >= 0 && ++index[d] == v->dims[d]; d--) index[d] = 0;
    }
}

/* The text lives until the thread's next fault. */
static const char *fault(const void *state_memory, uint64_t code)
{
    static _Thread_local char text[128];
    const struct elements_state *s = state_memory;
    snprintf(text, sizeof text, "GatherElements: index %lld is outside an axis of extent %lld", (long long)pln_elements_index(s->indices, s->wide, (int64_t)code - 1), (long long)s->view.extents[s->view.axis]);
    return text;
}

const struct pln_kernel_family pln_cpu_gather_elements = { .name = "gather_elements", .state_bytes = sizeof(struct elements_state), .supports = supports, .cost = cost, .prepare = prepare, .run = run, .packed_input = -1, .fault = fault, .update = update };
