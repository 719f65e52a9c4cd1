/* Softmax and the normalizations as programs. Floats narrower than f32 are computed in f32, so that statistics keep their digits. */
#include "backend/cuda/kernels/rows.h"

enum { NO_REG = 255 };

static bool is_float(enum pln_dtype dtype)
{
    return dtype == PLN_F16 || dtype == PLN_BF16 || dtype == PLN_F32 || dtype == PLN_F64;
}

static enum pln_dtype wide(enum pln_dtype dtype)
{
    return dtype == PLN_F64 ? PLN_F64 : PLN_F32;
}

/* An operand as values of `to`. */
static uint8_t load(const struct pln_rows_op *op, int number, const int8_t *axes, enum pln_dtype to, struct pln_rows_work *out)
{
    const struct pln_rows_shape *shape = &op->inputs[number];
    return pln_rows_cast(out, shape->dtype, to, 0, pln_rows_input(out, number, shape, axes));
}

static void store(const struct pln_rows_op *op, int number, const int8_t *axes, enum pln_dtype from, uint8_t reg, struct pln_rows_work *out)
{
    const struct pln_rows_shape *shape = &op->outputs[number];
    pln_rows_output(out, number, shape, axes, pln_rows_cast(out, from, shape->dtype, (uint8_t)(out->program.n_passes - 1), reg));
}

/* x: input 0, y: output 0, both float, of one shape. */
static const char *check(const struct pln_rows_op *op, int least, int most)
{
    const struct pln_rows_shape *x = &op->inputs[0], *y = &op->outputs[0];
    if (op->n_inputs < least || op->n_inputs > most || op->n_outputs < 1) return "wrong number of operands";
    if (!x->present || !y->present || x->rank < 1 || x->rank != y->rank) return "input and output are not of one shape";
    for (int i = 0; i < op->n_inputs; i++)
        if (op->inputs[i].present && !is_float(op->inputs[i].dtype)) return "an input is not f16, bf16, f32 or f64";
    for (int o = 0; o < op->n_outputs; o++)
        if (op->outputs[o].present && !is_float(op->outputs[o].dtype)) return "an output is not f16, bf16, f32 or f64";
    return x->rank >= PLN_CUDA_MAX_RANK ? "there are too many dims" : NULL;
}

/* ---- softmax ---- */

const char *pln_rows_make_softmax(const struct pln_rows_op *op, struct pln_rows_work *out)
{
    const char *why = check(op, 1, 1);
    if (why) return why;
    const int rank = op->inputs[0].rank;
    const enum pln_dtype own = wide(op->inputs[0].dtype);
    int axis, n = 0;
    if (!pln_axis_normalize(pln_attrs_int(op->attrs, "axis", -1), rank, &axis)) return "the axis is outside of the rank";
    int8_t axes[PLN_CUDA_MAX_RANK];
    for (int d = 0; d < rank; d++)
        if (d != axis) axes[n++] = (int8_t)d;
    axes[n] = (int8_t)axis;
    out->program.version = PLN_ROWPROG_VERSION;
    out->program.rank = (uint8_t)rank;
    const uint8_t x = load(op, 0, axes, own, out);
    const uint8_t most = pln_rows_reduce(out, PLN_REDUCE_MAX, own, 0, x);
    const uint8_t below = pln_rows_ew(out, PLN_EW_SUB, own, 1, x, most);
    const uint8_t part = pln_rows_ew(out, PLN_EW_EXP, own, 1, below, NO_REG);
    const uint8_t sum = pln_rows_reduce(out, PLN_REDUCE_SUM, own, 1, part);
    uint8_t y;
    if (op->kind == PLN_SOFTMAX_LOG_SOFTMAX) y = pln_rows_ew(out, PLN_EW_SUB, own, 2, below, pln_rows_ew(out, PLN_EW_LOG, own, 2, sum, NO_REG));
    else y = pln_rows_ew(out, PLN_EW_DIV, own, 2, part, sum);
    store(op, 0, axes, own, y, out);
    return NULL;
}

/* ---- normalizations ---- */

/* Of the row of x: (x - mean) / sqrt(variance + epsilon); *out_mean and *out_factor are row values. Ends in pass 2. */
static uint8_t normalize_row(const struct pln_rows_op *op, enum pln_dtype own, uint8_t x, struct pln_rows_work *out, uint8_t *out_mean, uint8_t *out_factor)
{
    const double epsilon = (double)pln_attrs_float(op->attrs, "epsilon", 1e-5f);
    *out_mean = pln_rows_reduce(out, PLN_REDUCE_MEAN, own, 0, x);
    const uint8_t distance = pln_rows_ew(out, PLN_EW_SUB, own, 1, x, *out_mean);
    const uint8_t square = pln_rows_ew(out, PLN_EW_MUL, own, 1, distance, distance);
    const uint8_t variance = pln_rows_reduce(out, PLN_REDUCE_MEAN, own, 1, square);
    const uint8_t safe = pln_rows_ew(out, PLN_EW_ADD, own, 2, variance, pln_rows_constant(out, own, 2, epsilon));
    *out_factor = pln_rows_ew(out, PLN_EW_RSQRT, own, 2, safe, NO_REG);
    return pln_rows_ew(out, PLN_EW_MUL, own, 2, distance, *out_factor);
}

const char *pln_rows_make_layer_norm(const struct pln_rows_op *op, struct pln_rows_work *out)
{
    const char *why = check(op, 2, 3);
    if (why) return why;
    const int rank = op->inputs[0].rank;
    const enum pln_dtype own = wide(op->inputs[0].dtype);
    int axis;
    if (!pln_axis_normalize(pln_attrs_int(op->attrs, "axis", -1), rank, &axis)) return "the axis is outside of the rank";
    int8_t axes[PLN_CUDA_MAX_RANK], parameter[PLN_CUDA_MAX_RANK], statistic[PLN_CUDA_MAX_RANK];
    for (int d = 0; d < rank; d++) {
        axes[d] = (int8_t)d;
        statistic[d] = (int8_t)(d < axis ? d : -1);
    }
    out->program.version = PLN_ROWPROG_VERSION;
    out->program.rank = (uint8_t)rank;
    out->n_row_axes = rank - axis;
    uint8_t loaded[3] = { NO_REG, NO_REG, NO_REG }, mean, factor;
    for (int i = 0; i < op->n_inputs; i++) {
        if (!op->inputs[i].present) continue;
        if (op->inputs[i].rank > rank) return "scale or bias have more dims than the input";
        pln_rows_broadcast(op->inputs[i].rank, rank, parameter);
        loaded[i] = load(op, i, parameter, own, out);
    }
    uint8_t y = normalize_row(op, own, loaded[0], out, &mean, &factor);
    if (loaded[1] != NO_REG) y = pln_rows_ew(out, PLN_EW_MUL, own, 2, y, loaded[1]);
    if (loaded[2] != NO_REG) y = pln_rows_ew(out, PLN_EW_ADD, own, 2, y, loaded[2]);
    store(op, 0, axes, own, y, out);
    for (int o = 1; o < op->n_outputs && o < 3; o++) {
        if (!op->outputs[o].present) continue;
        if (op->outputs[o].rank != rank) return "a statistic is of another rank than the input";
        store(op, o, statistic, own, o == 1 ? mean : factor, out);
    }
    return NULL;
}

/* Scale, bias, mean, variance: one value a channel, which is axis 1. */
static const char *load_parameters(const struct pln_rows_op *op, enum pln_dtype own, struct pln_rows_work *out, uint8_t *out_loaded)
{
    int8_t axes[PLN_CUDA_MAX_RANK];
    for (int d = 0; d < out->program.rank; d++) axes[d] = (int8_t)(d == 1 ? 0 : -1);
    for (int i = 1; i < op->n_inputs; i++) {
        if (!op->inputs[i].present || op->inputs[i].rank != 1) return "a parameter has not one value a channel";
        out_loaded[i] = load(op, i, axes, own, out);
    }
    return NULL;
}

static const char *channels(const struct pln_rows_op *op, int n_inputs)
{
    const char *why = check(op, n_inputs, n_inputs);
    if (why) return why;
    return op->inputs[0].rank < 2 ? "there is no axis of channels" : NULL;
}

const char *pln_rows_make_instance_norm(const struct pln_rows_op *op, struct pln_rows_work *out)
{
    const char *why = channels(op, 3);
    if (why) return why;
    const int rank = op->inputs[0].rank;
    const enum pln_dtype own = wide(op->inputs[0].dtype);
    /* One axis more, of one element: an image may have no other. */
    int8_t axes[PLN_CUDA_MAX_RANK];
    for (int d = 0; d < rank; d++) axes[d] = (int8_t)d;
    axes[rank] = -1;
    out->program.version = PLN_ROWPROG_VERSION;
    out->program.rank = (uint8_t)(rank + 1);
    out->n_row_axes = rank - 1;
    uint8_t loaded[3], mean, factor;
    loaded[0] = load(op, 0, axes, own, out);
    why = load_parameters(op, own, out, loaded);
    if (why) return why;
    uint8_t y = normalize_row(op, own, loaded[0], out, &mean, &factor);
    y = pln_rows_ew(out, PLN_EW_ADD, own, 2, pln_rows_ew(out, PLN_EW_MUL, own, 2, y, loaded[1]), loaded[2]);
    store(op, 0, axes, own, y, out);
    return NULL;
}

const char *pln_rows_make_batch_norm(const struct pln_rows_op *op, struct pln_rows_work *out)
{
    const char *why = channels(op, 5);
    if (why) return why;
    if (pln_attrs_int(op->attrs, "training_mode", 0) != 0) return "training";
    const int rank = op->inputs[0].rank;
    const enum pln_dtype own = wide(op->inputs[0].dtype);
    int8_t axes[PLN_CUDA_MAX_RANK];
    for (int d = 0; d < rank; d++) axes[d] = (int8_t)d;
    out->program.version = PLN_ROWPROG_VERSION;
    out->program.rank = (uint8_t)rank;
    uint8_t loaded[5];
    loaded[0] = load(op, 0, axes, own, out);
    why = load_parameters(op, own, out, loaded);
    if (why) return why;
    const uint8_t epsilon = pln_rows_constant(out, own, 0, (double)pln_attrs_float(op->attrs, "epsilon", 1e-5f));
    const uint8_t factor = pln_rows_ew(out, PLN_EW_RSQRT, own, 0, pln_rows_ew(out, PLN_EW_ADD, own, 0, loaded[4], epsilon), NO_REG);
    uint8_t y = pln_rows_ew(out, PLN_EW_MUL, own, 0, pln_rows_ew(out, PLN_EW_SUB, own, 0, loaded[0], loaded[3]), factor);
    y = pln_rows_ew(out, PLN_EW_ADD, own, 0, pln_rows_ew(out, PLN_EW_MUL, own, 0, y, loaded[1]), loaded[2]);
    store(op, 0, axes, own, y, out);
    return NULL;
}
