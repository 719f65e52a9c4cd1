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

/* An operand whose dims walk the image's axes as `axes` says: the iteration has an axis of groups before that of channels where there are groups, and one
 * of a single element, since an image may have no other, behind all. Returns the shape that it is seen in. */
static struct pln_rows_shape walk_image(const struct pln_rows_shape *shape, const int8_t *axes, const struct pln_rows_work *work, int rank, int8_t *out_axes, int8_t *out_split)
{
    struct pln_rows_shape seen = *shape;
    const int channel = axes[1], more = work->groups > 0;
    *out_split = (int8_t)(more ? channel : -1);
    if (more && channel >= 0) seen.rank++;
    for (int d = 0; d < rank; d++) {
        const int own = axes[d];
        out_axes[d > 1 ? d + more : d] = (int8_t)(more && channel >= 0 && own > channel ? own + 1 : own);
    }
    if (more) out_axes[2] = (int8_t)(channel >= 0 ? channel + 1 : -1);
    out_axes[rank + more] = -1;
    return seen;
}

static uint8_t load_walking(const struct pln_rows_op *op, int number, const int8_t *image_axes, struct pln_rows_work *out)
{
    int8_t axes[PLN_CUDA_MAX_RANK];
    const int at = out->program.n_inputs;
    const struct pln_rows_shape seen = walk_image(&op->inputs[number], image_axes, out, op->inputs[0].rank, axes, &out->input_split[at]);
    return pln_rows_input(out, number, &seen, axes);
}

/* What the epilogue makes of y, a value of type *dtype; *dtype becomes that of the result. */
static const char *add_epilogue(const struct pln_rows_op *op, uint8_t y, enum pln_dtype *dtype, struct pln_rows_work *out, uint8_t *out_reg)
{
    const struct pln_rowprog *epilogue = op->epilogue;
    *out_reg = y;
    if (!epilogue) return NULL;
    const int more = epilogue->n_inputs - 1, rank = op->inputs[0].rank, pass = out->program.n_passes - 1;
    uint8_t map[256];
    if (epilogue->rank != rank || epilogue->n_outputs != 1 || op->outputs[0].dtype != (enum pln_dtype)epilogue->outputs[0].dtype || op->n_inputs != 3 + more) return "the epilogue does not fit";
    if (out->program.n_instrs + epilogue->n_instrs + 2 > PLN_ROWPROG_MAX_INSTRS || out->program.n_regs + epilogue->n_regs + 2 > PLN_ROWPROG_MAX_REGS) return "the epilogue is too long";
    memset(map, NO_REG, sizeof map);
    map[epilogue->inputs[0].reg] = pln_rows_cast(out, *dtype, (enum pln_dtype)epilogue->inputs[0].dtype, (uint8_t)pass, y);
    for (int i = 1; i <= more; i++) {
        const struct pln_rows_shape *shape = &op->inputs[2 + i];
        if (!shape->present || shape->dtype != (enum pln_dtype)epilogue->inputs[i].dtype || shape->rank != epilogue->inputs[i].rank) return "an operand of the epilogue is none of its program";
        map[epilogue->inputs[i].reg] = load_walking(op, 2 + i, epilogue->inputs[i].axis, out);
    }
    for (int i = 0; i < epilogue->n_instrs; i++) {
        struct pln_rowprog_instr instr = epilogue->instrs[i];
        if (instr.code == PLN_ROWPROG_REDUCE) return "an epilogue cannot reduce";
        for (int s = 0; s < 3; s++) instr.src[s] = map[instr.src[s]];
        instr.pass = (uint8_t)pass;
        map[epilogue->instrs[i].dst] = pln_rows_instr(out, instr);
    }
    *out_reg = map[epilogue->outputs[0].reg];
    *dtype = (enum pln_dtype)epilogue->outputs[0].dtype;
    return NULL;
}

const char *pln_rows_make_instance_norm(const struct pln_rows_op *op, struct pln_rows_work *out)
{
    struct pln_rows_op plain = *op; /* without the epilogue, whose operands and result may be bool */
    plain.n_inputs = PLN_MIN(op->n_inputs, 3);
    if (op->epilogue) plain.outputs[0].dtype = op->inputs[0].dtype;
    const char *why = check(&plain, 3, 3);
    if (why) return why;
    const int rank = op->inputs[0].rank;
    enum pln_dtype own = wide(op->inputs[0].dtype);
    int8_t image[PLN_CUDA_MAX_RANK], channel[PLN_CUDA_MAX_RANK], axes[PLN_CUDA_MAX_RANK];
    out->groups = pln_attrs_int(op->attrs, "groups", 0);
    if (rank < 2) return "there is no axis of channels";
    if (rank + 2 > PLN_CUDA_MAX_RANK) return "there are too many dims";
    if (out->groups < 0 || (!op->epilogue && op->n_inputs != 3)) return "wrong number of groups or operands";
    for (int i = 1; i < 3; i++)
        if (!op->inputs[i].present || op->inputs[i].rank != 1) return "a parameter has not one value a channel";
    for (int d = 0; d < PLN_CUDA_MAX_RANK; d++) {
        image[d] = (int8_t)d;
        channel[d] = (int8_t)(d == 1 ? 0 : -1);
    }
    out->program.version = PLN_ROWPROG_VERSION;
    out->program.rank = (uint8_t)(rank + 1 + (out->groups > 0));
    out->n_row_axes = out->groups > 0 ? rank : rank - 1;
    uint8_t loaded[3], mean, factor;
    for (int i = 0; i < 3; i++) loaded[i] = pln_rows_cast(out, op->inputs[i].dtype, own, 0, load_walking(op, i, i == 0 ? image : channel, out));
    uint8_t y = normalize_row(op, own, loaded[0], out, &mean, &factor);
    y = pln_rows_ew(out, PLN_EW_ADD, own, 2, pln_rows_ew(out, PLN_EW_MUL, own, 2, y, loaded[1]), loaded[2]);
    why = add_epilogue(op, y, &own, out, &y);
    if (why) return why;
    const struct pln_rows_shape seen = walk_image(&op->outputs[0], image, out, rank, axes, &out->output_split[0]);
    pln_rows_output(out, 0, &seen, axes, pln_rows_cast(out, own, op->outputs[0].dtype, (uint8_t)(out->program.n_passes - 1), y));
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
