/* CONCAT and SPLIT: one copy a piece. tile: pieces at most (PLN_CUDA_PIECES_FEW or _MANY), -, -, threads a block. */
#include "backend/cuda/device/pieces_params.h"
#include "backend/cuda/kernels/walk.h"

_Static_assert(offsetof(struct pln_cuda_pieces_params, pieces) == offsetof(struct pln_cuda_many_pieces_params, pieces),
               "one form of both");

static int most_pieces(const struct pln_kernel *kernel)
{
    return kernel->tile[0];
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    double own = kernel->op == PLN_OP_SPLIT ? 8.0 * problem->n_outputs : 8.0;
    return pln_cuda_move_cost(problem, own) + most_pieces(kernel);
}

static enum pln_status emit(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag,
                            struct pln_text *out_source)
{
    (void)diag;
    const char *params =
        most_pieces(kernel) <= PLN_CUDA_PIECES_FEW ? "pln_cuda_pieces_params" : "pln_cuda_many_pieces_params";
    pln_text_printf(out_source,
                    "#define PLN_ELEMENT %s\n#define PLN_PARAMS %s\n#define PLN_THREADS %d\n#include "
                    "\"backend/cuda/device/pieces.cuh\"\n",
                    pln_cuda_unit(problem->inputs[0].dtype), params, (int)kernel->tile[3]);
    return PLN_OK;
}

/* One more copy, unless there is nothing to do. */
static void add_piece(struct pln_cuda_pieces_params *params, int64_t a_task, const struct pln_tensor *from,
                      const struct pln_tensor *to, int64_t *n_tasks)
{
    struct pln_cuda_walk walk = { .n_operands = 2 };
    int64_t n = pln_tensor_count(to);
    if (n == 0) return;
    for (int d = 0; d < to->rank; d++)
        pln_cuda_walk_add(&walk, to->dims[d], (const int64_t[]){ to->strides[d], from->strides[d] });
    pln_cuda_walk_merge(&walk);
    /* The row's own struct has room for as many as it takes; pieces lie at the same place in both. */
    struct pln_cuda_piece *piece =
        (struct pln_cuda_piece *)((char *)params + offsetof(struct pln_cuda_pieces_params, pieces)) +
        params->n_pieces++;
    *piece = (struct pln_cuda_piece){ .from = pln_cuda_address(from),
                                      .to = pln_cuda_address(to),
                                      .first_task = *n_tasks,
                                      .n_elements = n,
                                      .rank = walk.rank };
    memcpy(piece->dims, walk.dims, sizeof piece->dims);
    memcpy(piece->to_strides, walk.strides[0], sizeof piece->to_strides);
    memcpy(piece->from_strides, walk.strides[1], sizeof piece->from_strides);
    *n_tasks += pln_cuda_tasks(n, a_task);
}

/* part without its data is `whole` along the axis from `at` on. */
static bool fits(const struct pln_tensor *whole, const struct pln_tensor *part, int axis)
{
    bool same = part->dtype == whole->dtype && part->rank == whole->rank;
    for (int d = 0; same && d < whole->rank; d++) same = d == axis || part->dims[d] == whole->dims[d];
    return same;
}

static struct pln_tensor place_of(const struct pln_tensor *whole, int axis, int64_t at, int64_t extent)
{
    struct pln_tensor place = *whole;
    place.dims[axis] = extent;
    if (place.data)
        place.data = (void *)((uintptr_t)place.data +
                              (uintptr_t)(at * whole->strides[axis] * (pln_dtype_bits(whole->dtype) / 8)));
    return place;
}

static bool good_whole(const struct pln_launch *launch, const struct pln_tensor *whole, int *out_axis)
{
    return pln_cuda_unit(whole->dtype) && whole->rank <= PLN_CUDA_MAX_RANK &&
           pln_axis_normalize(pln_attrs_int(launch->attrs, "axis", 0), whole->rank, out_axis);
}

static const char *whole_supports(const struct pln_operand *whole)
{
    if (!pln_cuda_unit(whole->dtype)) return "elements are not 1, 2, 4 or 8 bytes";
    return whole->rank < 1 || whole->rank > PLN_CUDA_MAX_RANK ? "the rank is not known, or above 8" : NULL;
}

/* ---- CONCAT ---- */

static const char *concat_supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const struct pln_operand *out = &problem->outputs[0];
    if (problem->n_inputs < 1 || problem->n_outputs != 1) return "wrong number of operands";
    if (problem->n_inputs > most_pieces(kernel)) return "there are more pieces than the kernel has room for";
    for (int i = 0; i < problem->n_inputs; i++)
        if (!problem->inputs[i].present || problem->inputs[i].dtype != out->dtype ||
            problem->inputs[i].rank != out->rank)
            return "an operand's type or rank is not the output's";
    return whole_supports(out);
}

static bool in_place(const struct pln_tensor *from, const struct pln_tensor *to)
{
    if (from->data != to->data) return false;
    for (int d = 0; d < from->rank; d++)
        if (from->dims[d] > 1 && from->strides[d] != to->strides[d]) return false;
    return true;
}

/* Addresses [first, last) that the elements lie within. */
static void reach(const struct pln_tensor *tensor, uintptr_t *out_first, uintptr_t *out_last)
{
    int64_t low = 0, high = 1, bytes = pln_dtype_bits(tensor->dtype) / 8;
    for (int d = 0; d < tensor->rank; d++)
        *(tensor->strides[d] < 0 ? &low : &high) += (tensor->dims[d] - 1) * tensor->strides[d];
    *out_first = (uintptr_t)tensor->data + (uintptr_t)(low * bytes);
    *out_last = (uintptr_t)tensor->data + (uintptr_t)(high * bytes);
}

/* A piece that lies elsewhere in the output's memory would be read while it is written. */
static bool apart(const struct pln_tensor *in, const struct pln_tensor *out)
{
    uintptr_t first, last, out_first, out_last;
    if (pln_tensor_count(in) == 0) return true;
    reach(in, &first, &last);
    reach(out, &out_first, &out_last);
    return last <= out_first || out_last <= first;
}

static enum pln_status concat_prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state,
                                      struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    int axis;
    int64_t at = 0, a_task = (int64_t)kernel->tile[3] * PLN_CUDA_MOVE_ELEMENTS;
    *out_prepared = (struct pln_prepared){ .grain = 1, .block_threads = kernel->tile[3] };
    if (launch->n_inputs < 1 || launch->n_outputs != 1 || launch->n_inputs > most_pieces(kernel) ||
        !good_whole(launch, &launch->outputs[0], &axis))
        return pln_fail(diag, PLN_BAD_PLAN, "%s: operands or axis are not those that it was made for", kernel->name);
    const struct pln_tensor *out = &launch->outputs[0];
    for (int i = 0; i < launch->n_inputs; i++) {
        const struct pln_tensor *in = &launch->inputs[i];
        if (!fits(out, in, axis) || in->dims[axis] > out->dims[axis] - at)
            return pln_fail(diag, PLN_INVALID_ARGUMENT, "Concat: input %d does not fit the others", i);
        struct pln_tensor place = place_of(out, axis, at, in->dims[axis]);
        at += in->dims[axis];
        if (in_place(in, &place)) continue;
        if (!apart(in, out))
            return pln_fail(diag, PLN_INVALID_ARGUMENT,
                            "Concat: input %d lies in the output's memory, but not at its place", i);
        add_piece(state, a_task, in, &place, &out_prepared->n_tasks);
    }
    return at == out->dims[axis] ? PLN_OK
                                 : pln_fail(diag, PLN_INVALID_ARGUMENT, "Concat: the pieces do not make up the output");
}

/* ---- SPLIT ---- */

static const char *split_supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    int absent = 0;
    if (problem->n_inputs < 1 || problem->n_outputs < 1) return "wrong number of operands";
    if (problem->n_outputs > most_pieces(kernel)) return "there are more pieces than the kernel has room for";
    for (int i = 0; i < problem->n_outputs; i++) {
        absent += !problem->outputs[i].present;
        if (problem->outputs[i].present && (problem->outputs[i].dtype != problem->inputs[0].dtype ||
                                            problem->outputs[i].rank != problem->inputs[0].rank))
            return "an output's type or rank is not the input's";
    }
    if (absent > 1 && problem->n_inputs > 1 && problem->inputs[1].present)
        return "the lengths of outputs that nobody wants are not known";
    return whole_supports(&problem->inputs[0]);
}

/* Lengths of outputs that nobody wants: equal parts, the last one shorter, unless the op was given lengths; then the
 * one that is missing. */
static bool absent_length(const struct pln_launch *launch, int64_t extent, int64_t at, int64_t wanted, int absent,
                          int64_t *out_length)
{
    int64_t n = launch->n_outputs, each = extent / n + (extent % n != 0);
    bool told = pln_cuda_has_input(launch, 1);
    *out_length = told ? extent - wanted : PLN_MIN(each, extent - at);
    return !told || absent == 1;
}

static enum pln_status split_prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state,
                                     struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    int axis, absent = 0;
    int64_t at = 0, wanted = 0, a_task = (int64_t)kernel->tile[3] * PLN_CUDA_MOVE_ELEMENTS;
    *out_prepared = (struct pln_prepared){ .grain = 1, .block_threads = kernel->tile[3] };
    if (launch->n_inputs < 1 || launch->n_outputs < 1 || launch->n_outputs > most_pieces(kernel) ||
        !good_whole(launch, &launch->inputs[0], &axis))
        return pln_fail(diag, PLN_BAD_PLAN, "%s: operands or axis are not those that it was made for", kernel->name);
    const struct pln_tensor *in = &launch->inputs[0];
    for (int i = 0; i < launch->n_outputs; i++) {
        const struct pln_tensor *out = &launch->outputs[i];
        absent += out->dtype == PLN_DTYPE_NONE;
        if (out->dtype == PLN_DTYPE_NONE) continue;
        if (!fits(in, out, axis) || out->dims[axis] > in->dims[axis] - wanted)
            return pln_fail(diag, PLN_INVALID_ARGUMENT, "Split: output %d does not fit the input", i);
        wanted += out->dims[axis];
    }
    for (int i = 0; i < launch->n_outputs; i++) {
        const struct pln_tensor *out = &launch->outputs[i];
        int64_t length = out->dims[axis];
        if (out->dtype == PLN_DTYPE_NONE && !absent_length(launch, in->dims[axis], at, wanted, absent, &length))
            return pln_fail(diag, PLN_BAD_PLAN, "Split: a length is not known");
        if (length < 0 || length > in->dims[axis] - at)
            return pln_fail(diag, PLN_INVALID_ARGUMENT, "Split: the parts are longer than the input");
        struct pln_tensor place = place_of(in, axis, at, length);
        at += length;
        if (out->dtype != PLN_DTYPE_NONE) add_piece(state, a_task, &place, out, &out_prepared->n_tasks);
    }
    return at == in->dims[axis] ? PLN_OK
                                : pln_fail(diag, PLN_INVALID_ARGUMENT, "Split: the parts do not make up the input");
}

#define FAMILY(op, params)                                                                          \
    {                                                                                               \
        .name = #op, .state_bytes = sizeof(struct params), .supports = op##_supports, .cost = cost, \
        .prepare = op##_prepare, .emit = emit, .packed_input = -1                                   \
    }
const struct pln_kernel_family pln_cuda_concat = FAMILY(concat, pln_cuda_pieces_params),
                               pln_cuda_concat_many = FAMILY(concat, pln_cuda_many_pieces_params);
const struct pln_kernel_family pln_cuda_split = FAMILY(split, pln_cuda_pieces_params),
                               pln_cuda_split_many = FAMILY(split, pln_cuda_many_pieces_params);
