/* What goes along one axis and is no row program: picking elements in an order, running sums. They share the iteration of row programs, and have the body of
 * their own (device/pick.cuh, device/cumulate.cuh). */
#include <stdio.h>

#include "backend/cuda/kernels/rows.h"

/* Axes of x with `axis` last; to: the same for what has one element there. */
static void order_axes(int rank, int axis, int8_t *out_in, int8_t *out_to, bool keep)
{
    int n = 0;
    for (int d = 0; d < rank; d++) {
        if (d == axis) continue;
        out_in[n] = (int8_t)d;
        out_to[n++] = (int8_t)(d > axis && !keep ? d - 1 : d);
    }
    out_in[n] = (int8_t)axis;
    out_to[n] = -1;
}

static const char *start(const struct pln_rows_op *op, struct pln_rows_work *out)
{
    const struct pln_rows_shape *x = &op->inputs[0];
    if (op->n_inputs < 1 || op->n_outputs < 1 || !x->present || x->rank < 1 || x->rank > PLN_CUDA_MAX_RANK) return "input 0 is no tensor of 1 to 8 dims";
    if (!pln_cuda_type(x->dtype)) return "an element type that device code does not compute with";
    out->program.version = PLN_ROWPROG_VERSION;
    out->program.rank = (uint8_t)x->rank;
    out->program.n_passes = 1;
    return NULL;
}

static void print_pick(const struct pln_rows_op *op, bool largest, bool nan_first, bool last, int values, int indices, struct pln_rows_work *out)
{
    snprintf(out->body, sizeof out->body,
             "#define PLN_ELEMENT %s\n#define PLN_LARGEST %d\n#define PLN_NAN_FIRST %d\n#define PLN_LAST %d\n#define PLN_VALUES %d\n#define PLN_INDICES %d\n"
             "#include \"backend/cuda/device/pick.cuh\"\n",
             pln_cuda_type(op->inputs[0].dtype), largest, nan_first, last, values, indices);
}

const char *pln_rows_make_arg_reduce(const struct pln_rows_op *op, struct pln_rows_work *out)
{
    const struct pln_rows_shape *x = &op->inputs[0], *y = &op->outputs[0];
    const char *why = start(op, out);
    if (why) return why;
    const bool keep = pln_attrs_int(op->attrs, "keepdims", 1) != 0;
    int axis;
    if (!pln_axis_normalize(pln_attrs_int(op->attrs, "axis", 0), x->rank, &axis)) return "the axis is outside of the rank";
    if (op->n_inputs != 1 || op->n_outputs != 1 || !y->present || y->dtype != PLN_I64 || y->rank != x->rank - (keep ? 0 : 1)) return "the result is of another type or rank";
    int8_t in[PLN_CUDA_MAX_RANK], to[PLN_CUDA_MAX_RANK];
    order_axes(x->rank, axis, in, to, keep);
    (void)pln_rows_input(out, 0, x, in);
    pln_rows_output(out, 0, y, to, 0);
    print_pick(op, op->kind == PLN_ARG_REDUCE_MAX, true, pln_attrs_int(op->attrs, "select_last_index", 0) != 0, -1, 1, out);
    out->extra[0] = 1;
    if (x->tensor && x->tensor->dims[axis] == 0) return "the axis has no elements";
    return NULL;
}

const char *pln_rows_make_topk(const struct pln_rows_op *op, struct pln_rows_work *out)
{
    const struct pln_rows_shape *x = &op->inputs[0];
    const char *why = start(op, out);
    if (why) return why;
    int axis, place[2] = { -1, -1 };
    if (!pln_axis_normalize(pln_attrs_int(op->attrs, "axis", -1), x->rank, &axis)) return "the axis is outside of the rank";
    int8_t in[PLN_CUDA_MAX_RANK], to[PLN_CUDA_MAX_RANK];
    order_axes(x->rank, axis, in, to, true);
    (void)pln_rows_input(out, 0, x, in);
    out->cut_axis = axis;
    for (int o = 0; o < op->n_outputs && o < 2; o++) {
        const struct pln_rows_shape *y = &op->outputs[o];
        if (!y->present) continue;
        if (y->dtype != (o == 0 ? x->dtype : PLN_I64) || y->rank != x->rank) return "a result is of another type or rank";
        place[o] = 1 + out->program.n_outputs;
        pln_rows_output(out, o, y, to, 0);
        if (!y->tensor) continue;
        if (y->tensor->dims[axis] > x->tensor->dims[axis]) return "more elements are wanted than the axis has";
        if (place[1 - o] >= 0 && y->tensor->dims[axis] != out->extra[0]) return "values and indices are of different shapes";
        out->extra[0] = y->tensor->dims[axis];
        out->extra[1 + o] = y->tensor->strides[axis];
    }
    if (out->program.n_outputs == 0) return "nothing is wanted";
    const bool largest = pln_attrs_int(op->attrs, "largest", 1) != 0;
    print_pick(op, largest, largest, false, place[0], place[1], out); /* NaN counts as the largest */
    return NULL;
}

/* The axis of a launch; a problem does not know it, and the last one stands for it. */
static const char *read_axis(const struct pln_rows_op *op, int *out_axis)
{
    const struct pln_tensor *axis = op->inputs[1].tensor;
    *out_axis = op->inputs[0].rank - 1;
    if (op->n_inputs != 2 || !op->inputs[1].present) return "there is no axis";
    if (!axis) return NULL;
    if ((axis->dtype != PLN_I64 && axis->dtype != PLN_I32) || pln_tensor_count(axis) != 1) return "the axis is not one integer";
    const int64_t value = axis->dtype == PLN_I64 ? *(const int64_t *)axis->data : *(const int32_t *)axis->data;
    return pln_axis_normalize(value, op->inputs[0].rank, out_axis) ? NULL : "the axis is outside of the rank";
}

const char *pln_rows_make_cumulate(const struct pln_rows_op *op, struct pln_rows_work *out)
{
    const struct pln_rows_shape *x = &op->inputs[0], *y = &op->outputs[0];
    int axis;
    const char *why = start(op, out);
    if (!why) why = read_axis(op, &axis);
    if (why) return why;
    if (op->n_outputs != 1 || !y->present || y->dtype != x->dtype || y->rank != x->rank || x->dtype == PLN_BOOL) return "the result is of another type or rank";
    int8_t in[PLN_CUDA_MAX_RANK], to[PLN_CUDA_MAX_RANK];
    order_axes(x->rank, axis, in, to, true);
    (void)pln_rows_input(out, 0, x, in);
    pln_rows_output(out, 0, y, in, 0);
    snprintf(out->body, sizeof out->body, "#define PLN_ELEMENT %s\n#define PLN_PRODUCT %d\n#define PLN_EXCLUSIVE %d\n#define PLN_REVERSE %d\n#include \"backend/cuda/device/cumulate.cuh\"\n",
             pln_cuda_type(x->dtype), op->kind == PLN_CUMULATE_PROD, pln_attrs_int(op->attrs, "exclusive", 0) != 0, pln_attrs_int(op->attrs, "reverse", 0) != 0);
    return NULL;
}
