/* Reductions along axes as programs: the axes that go are the row. */
#include "backend/cuda/kernels/rows.h"

/* Which dims go: input 1 says; all of them where it is absent or empty, unless noop_with_empty_axes. */
static const char *read_axes(const struct pln_rows_op *op, bool *out_reduced)
{
    const int rank = op->inputs[0].rank;
    const struct pln_tensor *axes = op->n_inputs > 1 && op->inputs[1].present ? op->inputs[1].tensor : NULL;
    if (axes && (axes->rank > 1 || (axes->dtype != PLN_I64 && axes->dtype != PLN_I32))) return "the axes are no list of integers";
    const int64_t n = axes ? pln_tensor_count(axes) : 0;
    const bool all = n == 0 && pln_attrs_int(op->attrs, "noop_with_empty_axes", 0) == 0;
    for (int d = 0; d < rank; d++) out_reduced[d] = all;
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = axes->rank == 1 ? i * axes->strides[0] : 0;
        int axis;
        if (!pln_axis_normalize(axes->dtype == PLN_I64 ? ((const int64_t *)axes->data)[at] : ((const int32_t *)axes->data)[at], rank, &axis)) return "an axis is outside of the rank";
        out_reduced[axis] = true;
    }
    return NULL;
}

/* A problem knows how many dims go at most; which does not matter to what is printed. */
static const char *guess_axes(const struct pln_rows_op *op, bool keep, bool *out_reduced)
{
    const int rank = op->inputs[0].rank, kept = keep ? 0 : op->outputs[0].rank;
    if (kept > rank) return "the result has more dims than the input";
    for (int d = 0; d < rank; d++) out_reduced[d] = d >= kept;
    return NULL;
}

const char *pln_rows_make_reduce(const struct pln_rows_op *op, struct pln_rows_work *out)
{
    const struct pln_rows_shape *x = &op->inputs[0], *y = &op->outputs[0];
    if (op->n_inputs < 1 || op->n_inputs > 2 || op->n_outputs != 1 || !x->present || !y->present) return "wrong number of operands";
    if (op->kind == PLN_REDUCE_NONE || op->kind >= PLN_REDUCE_COUNT) return "an unknown reduction";
    if (x->rank >= PLN_CUDA_MAX_RANK) return "there are too many dims";
    if (x->dtype != y->dtype) return "the result is of another type";
    bool reduced[PLN_CUDA_MAX_RANK];
    const bool keep = pln_attrs_int(op->attrs, "keepdims", 1) != 0;
    const char *why = x->tensor ? read_axes(op, reduced) : guess_axes(op, keep, reduced);
    if (why) return why;
    /* Kept axes, reduced ones, and one of a single element: there may be no other to reduce. */
    int8_t in[PLN_CUDA_MAX_RANK], to[PLN_CUDA_MAX_RANK];
    int n = 0, rank = 0;
    for (int d = 0; d < x->rank; d++) {
        if (!reduced[d]) {
            in[n] = (int8_t)d;
            to[n++] = (int8_t)rank;
        }
        rank += !reduced[d] || keep;
    }
    out->n_row_axes = x->rank - n + 1;
    for (int d = 0; d < x->rank; d++) {
        if (!reduced[d]) continue;
        in[n] = (int8_t)d;
        to[n++] = -1;
    }
    in[n] = to[n] = -1;
    if (rank != y->rank) return "the result is of another rank";
    out->program.version = PLN_ROWPROG_VERSION;
    out->program.rank = (uint8_t)(n + 1);
    pln_rows_output(out, 0, y, to, pln_rows_reduce(out, (enum pln_reduce)op->kind, x->dtype, 0, pln_rows_input(out, 0, x, in)));
    return NULL;
}
