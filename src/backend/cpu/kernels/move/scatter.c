/* ScatterElements and ScatterND without a reduction: a copy of data, written at indices that are data. Of updates of one element the last counts, as
 * in the order of the reference kernel, because what one task writes no other one does. */
#include <stdio.h>

#include "backend/cpu/kernels/move/elements.h"
#include "backend/cpu/kernels/move/move.h"

/* Bytes of a piece of the output, about; pieces of one ScatterND at most. */
#define PIECE_BYTES 65536
#define PIECES_MOST 32

struct scatter_state {
    const char *data, *indices, *updates;
    char *out;
    int64_t unit_bytes, count; /* of out */
    bool wide;                 /* i64 */
    int64_t axis;
    /* ScatterElements. */
    struct pln_elements_view view;
    int64_t outer, inner, columns; /* slabs in front of the axis and elements behind it; columns a task. columns 0: one task does all */
    /* ScatterND: places × depth indices, each of a block; rows of blocks in out, rows a task. */
    int64_t places, block_bytes, rows, rows_a_task;
    int depth;
    int64_t extents[PLN_MAX_RANK], strides[PLN_MAX_RANK]; /* in blocks */
};

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    const struct pln_operand *data = &problem->inputs[0], *indices = &problem->inputs[1];
    if (problem->n_inputs != 3 || data->rank < 0 || indices->rank < 0) return "a rank is not known";
    if (!pln_elements_dtype(data->dtype)) return "elements are not whole bytes";
    if (indices->dtype != PLN_I64 && indices->dtype != PLN_I32) return "the indices are neither i32 nor i64";
    return strcmp(pln_attrs_string(problem->attrs, "reduction", "none"), "none") == 0 ? NULL : "it reduces";
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    double n = 1;
    for (int i = 0; i < problem->outputs[0].rank; i++) n *= problem->outputs[0].dims[i] < 0 ? 128 : (double)problem->outputs[0].dims[i];
    return n + 300;
}

static bool begin(const struct pln_launch *launch, struct scatter_state *s)
{
    const struct pln_tensor *data = &launch->inputs[0], *indices = &launch->inputs[1], *updates = &launch->inputs[2], *out = &launch->outputs[0];
    bool fits = pln_elements_dtype(data->dtype) && updates->dtype == data->dtype && out->dtype == data->dtype && (indices->dtype == PLN_I64 || indices->dtype == PLN_I32);
    fits = fits && pln_tensor_same_shape(data, out) && pln_tensor_is_contiguous(data) && pln_tensor_is_contiguous(indices) && pln_tensor_is_contiguous(updates) && pln_tensor_is_contiguous(out);
    if (!fits) return false;
    s->data = data->data;
    s->indices = indices->data;
    s->updates = updates->data;
    s->out = out->data;
    s->unit_bytes = pln_dtype_bits(data->dtype) / 8;
    s->count = pln_tensor_count(out);
    s->wide = indices->dtype == PLN_I64;
    return true;
}

static enum pln_status prepare_any(const struct pln_launch *launch, struct scatter_state *s, struct pln_diag *diag, const char *name)
{
    if (launch->n_inputs != 3 || launch->n_outputs != 1) return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", name);
    if (strcmp(pln_attrs_string(launch->attrs, "reduction", "none"), "none") != 0) return pln_fail(diag, PLN_BAD_PLAN, "%s: it reduces", name);
    s->axis = pln_attrs_int(launch->attrs, "axis", 0);
    return PLN_OK;
}

static void note(void *shared, int64_t i)
{
    __atomic_store_n((uint64_t *)shared, (uint64_t)i + 1, __ATOMIC_RELAXED);
}

/* ---- ScatterElements ---- */

static enum pln_status elements_update(const struct pln_launch *launch, void *state_memory, struct pln_prepared *prepared, struct pln_diag *diag)
{
    struct scatter_state *s = state_memory;
    if (!begin(launch, s) || !pln_tensor_same_shape(&launch->inputs[1], &launch->inputs[2]) || !pln_elements_view(&launch->inputs[0], &launch->inputs[1], s->axis, &s->view))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "ScatterElements: data, indices, updates, output and axis do not fit together");
    const struct pln_elements_view *v = &s->view;
    const int64_t extent = v->extents[v->axis];
    s->outer = v->axis > 0 ? v->extents[0] : 1;
    s->inner = v->axis + 1 < v->rank ? v->extents[v->rank - 1] : 1;
    s->columns = 0;
    int64_t tasks = 1;
    if (v->axis <= 1 && v->rank - v->axis <= 2 && s->count > 0) {
        s->columns = PLN_MIN(s->inner, PLN_MAX((int64_t)64, PIECE_BYTES / (s->unit_bytes * extent) + 1));
        tasks = s->outer * ((s->inner + s->columns - 1) / s->columns);
    }
    const int64_t bytes = s->columns * extent * s->unit_bytes;
    *prepared = (struct pln_prepared){ .n_tasks = s->count == 0 && pln_tensor_count(&launch->inputs[1]) == 0 ? 0 : tasks, .grain = 1 + PIECE_BYTES / (bytes + 1), .shared_bytes = 64 };
    return PLN_OK;
}

static enum pln_status elements_prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    (void)kernel;
    PLN_TRY(prepare_any(launch, state_memory, diag, "ScatterElements"));
    return elements_update(launch, state_memory, out_prepared, diag);
}

/* Elements [at, at + n) of indices, along the last axis; base: of out, without the axis. */
static inline __attribute__((always_inline)) void scatter_row(const struct scatter_state *s, int64_t at, int64_t n, int64_t base, int64_t step, const int64_t bytes, void *shared)
{
    const struct pln_elements_view *v = &s->view;
    const int64_t extent = v->extents[v->axis], stride = v->strides[v->axis];
    for (int64_t i = 0; i < n; i++) {
        int64_t index = pln_elements_index(s->indices, s->wide, at + i);
        index += index < 0 ? extent : 0;
        if (index < 0 || index >= extent) {
            note(shared, at + i);
            continue;
        }
        pln_element_copy(s->out + (base + index * stride + i * step) * bytes, s->updates + (at + i) * bytes, bytes);
    }
}

static void scatter_any(const struct scatter_state *s, int64_t at, int64_t n, int64_t base, int64_t step, void *shared)
{
    switch (s->unit_bytes) {
    case 1: scatter_row(s, at, n, base, step, 1, shared); break;
    case 2: scatter_row(s, at, n, base, step, 2, shared); break;
    case 4: scatter_row(s, at, n, base, step, 4, shared); break;
    case 8: scatter_row(s, at, n, base, step, 8, shared); break;
    default: scatter_row(s, at, n, base, step, 16, shared); break;
    }
}

/* Shapes with more axes in front of that of the indices, or behind it, than can be joined. */
static void scatter_all(const struct scatter_state *s, void *shared)
{
    const struct pln_elements_view *v = &s->view;
    const int outer = v->rank - 1;
    const int64_t row = v->dims[outer], step = v->axis == outer ? 0 : v->strides[outer];
    int64_t index[PLN_MAX_RANK] = { 0 }, rows = 1;
    if (s->count > 0) memcpy(s->out, s->data, (size_t)(s->count * s->unit_bytes));
    for (int d = 0; d < outer; d++) rows *= v->dims[d];
    for (int64_t r = 0; row > 0 && r < rows; r++) {
        int64_t base = 0;
        for (int d = 0; d < outer; d++) base += d == v->axis ? 0 : index[d] * v->strides[d];
        scatter_any(s, r * row, row, base, step, shared);
        for (int d = outer - 1; d >= 0 && ++index[d] == v->dims[d]; d--) index[d] = 0;
    }
}

static void elements_run(const void *state_memory, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)scratch;
    const struct scatter_state *s = state_memory;
    const struct pln_elements_view *v = &s->view;
    if (s->columns == 0) {
        if (first < last) scatter_all(s, shared);
        return;
    }
    const int64_t extent = v->extents[v->axis], length = v->dims[v->axis], blocks = (s->inner + s->columns - 1) / s->columns;
    const int64_t outer_n = v->axis > 0 ? v->dims[0] : 1, inner_n = v->axis + 1 < v->rank ? v->dims[v->rank - 1] : 1;
    for (int64_t task = first; task < last; task++) {
        const int64_t o = task / blocks, from = task % blocks * s->columns, n = PLN_MIN(s->inner - from, s->columns), updated = PLN_MIN(inner_n - from, n);
        const int64_t base = o * extent * s->inner + from;
        for (int64_t e = 0; e < extent; e += n == s->inner ? extent : 1) {
            const int64_t at = (base + e * s->inner) * s->unit_bytes;
            memcpy(s->out + at, s->data + at, (size_t)(n * (n == s->inner ? extent : 1) * s->unit_bytes));
        }
        if (o >= outer_n || updated <= 0) continue;
        if (v->axis + 1 == v->rank) {
            scatter_any(s, o * length, length, base, 0, shared);
            continue;
        }
        for (int64_t e = 0; e < length; e++) scatter_any(s, (o * length + e) * inner_n + from, updated, base, 1, shared);
    }
}

static const char *elements_fault(const void *state_memory, uint64_t code)
{
    static _Thread_local char text[128];
    const struct scatter_state *s = state_memory;
    snprintf(text, sizeof text, "ScatterElements: index %lld is outside an axis of extent %lld", (long long)pln_elements_index(s->indices, s->wide, (int64_t)code - 1), (long long)s->view.extents[s->view.axis]);
    return text;
}

/* ---- ScatterND ---- */

static enum pln_status nd_update(const struct pln_launch *launch, void *state_memory, struct pln_prepared *prepared, struct pln_diag *diag)
{
    struct scatter_state *s = state_memory;
    const struct pln_tensor *indices = &launch->inputs[1], *updates = &launch->inputs[2], *out = &launch->outputs[0];
    const int lead = indices->rank - 1;
    bool fits = begin(launch, s) && lead >= 0 && indices->dims[lead] >= 0 && indices->dims[lead] <= out->rank && updates->rank == lead + out->rank - (int)indices->dims[lead];
    s->depth = fits ? (int)indices->dims[lead] : 0;
    for (int d = 0; fits && d < updates->rank; d++) fits = updates->dims[d] == (d < lead ? indices->dims[d] : out->dims[d - lead + s->depth]);
    if (!fits) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "ScatterND: the shapes of data, indices and updates do not fit");
    s->places = 1;
    s->rows = 1;
    s->block_bytes = s->unit_bytes;
    for (int d = 0; d < lead; d++) s->places *= indices->dims[d];
    for (int d = s->depth; d < out->rank; d++) s->block_bytes *= out->dims[d];
    for (int d = s->depth - 1; d >= 0; d--) {
        s->extents[d] = out->dims[d];
        s->strides[d] = s->rows;
        s->rows *= out->dims[d];
    }
    if (s->block_bytes == 0) s->places = 0;
    /* Each task looks at all indices: several only where these are few beside what is copied. */
    const int64_t bytes = s->count * s->unit_bytes, pieces = s->places * s->depth > bytes / 64 ? 1 : PLN_MIN(PLN_MIN(bytes / PIECE_BYTES + 1, (int64_t)PIECES_MOST), PLN_MAX(s->rows, (int64_t)1));
    s->rows_a_task = PLN_MAX((s->rows + pieces - 1) / pieces, (int64_t)1);
    *prepared = (struct pln_prepared){ .n_tasks = s->block_bytes == 0 || s->rows == 0 ? s->places > 0 : (s->rows + s->rows_a_task - 1) / s->rows_a_task, .grain = 1, .shared_bytes = 64 };
    return PLN_OK;
}

static enum pln_status nd_prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    (void)kernel;
    PLN_TRY(prepare_any(launch, state_memory, diag, "ScatterND"));
    return nd_update(launch, state_memory, out_prepared, diag);
}

/* Row of blocks that place p names; negative: none. */
static int64_t find_row(const struct scatter_state *s, int64_t p, void *shared)
{
    int64_t row = 0;
    for (int k = 0; k < s->depth; k++) {
        int64_t index = pln_elements_index(s->indices, s->wide, p * s->depth + k);
        index += index < 0 ? s->extents[k] : 0;
        if (index < 0 || index >= s->extents[k]) {
            note(shared, p * s->depth + k);
            return -1;
        }
        row += index * s->strides[k];
    }
    return row;
}

static inline __attribute__((always_inline)) void scatter_blocks(const struct scatter_state *s, int64_t from, int64_t to, const int64_t bytes, void *shared)
{
    for (int64_t p = 0; p < s->places; p++) {
        const int64_t row = find_row(s, p, shared);
        if (row >= from && row < to) pln_element_copy(s->out + row * bytes, s->updates + p * bytes, bytes);
    }
}

static void nd_run(const void *state_memory, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)scratch;
    const struct scatter_state *s = state_memory;
    for (int64_t task = first; task < last; task++) {
        const int64_t from = task * s->rows_a_task, to = PLN_MIN(s->rows, from + s->rows_a_task);
        if (from < to) memcpy(s->out + from * s->block_bytes, s->data + from * s->block_bytes, (size_t)((to - from) * s->block_bytes));
        switch (s->block_bytes) {
        case 1: scatter_blocks(s, from, to, 1, shared); break;
        case 2: scatter_blocks(s, from, to, 2, shared); break;
        case 4: scatter_blocks(s, from, to, 4, shared); break;
        case 8: scatter_blocks(s, from, to, 8, shared); break;
        default: scatter_blocks(s, from, to, s->block_bytes, shared); break;
        }
    }
}

static const char *nd_fault(const void *state_memory, uint64_t code)
{
    static _Thread_local char text[128];
    const struct scatter_state *s = state_memory;
    const int64_t i = (int64_t)code - 1;
    snprintf(text, sizeof text, "ScatterND: index %lld is outside an axis of extent %lld", (long long)pln_elements_index(s->indices, s->wide, i), (long long)s->extents[i % s->depth]);
    return text;
}

const struct pln_kernel_family pln_cpu_scatter_elements = { .name = "scatter_elements", .state_bytes = sizeof(struct scatter_state), .supports = supports, .cost = cost, .prepare = elements_prepare, .run = elements_run, .packed_input = -1, .fault = elements_fault, .update = elements_update };
const struct pln_kernel_family pln_cpu_scatter_nd = { .name = "scatter_nd", .state_bytes = sizeof(struct scatter_state), .supports = supports, .cost = cost, .prepare = nd_prepare, .run = nd_run, .packed_input = -1, .fault = nd_fault, .update = nd_update };
