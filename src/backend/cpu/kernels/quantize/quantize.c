#include "backend/cpu/kernels/quantize/quantize.h"

#include <math.h>

/* Inputs of the iteration, then its output. */
enum { FROM, SCALE, ZERO, N_INPUTS };

struct quantize_state {
    const struct pln_quantize_isa *isa;
    struct pln_rowprog_state plan; /* its places alone */
    bool quantizes;
    enum pln_dtype dtype; /* of the integers */
};

/* ---- what fits ---- */

static bool takes(unsigned integer, bool quantizes)
{
    return integer == PLN_U8 || integer == PLN_I8 || integer == PLN_U16 || integer == PLN_I16 || (integer == PLN_I32 && !quantizes);
}

static const char *check_types(unsigned x, unsigned y, bool quantizes)
{
    const unsigned number = quantizes ? x : y, integer = quantizes ? y : x;
    if (number != PLN_F32) return "the floats are not f32";
    return takes(integer, quantizes) ? NULL : "the integers have no 8, 16 or 32 bits";
}

/* The axis that a scale of rank 1 goes along; -1: it is one for all. false: another form. */
static bool find_axis(const struct pln_attrs *attrs, int x_rank, int scale_rank, int64_t scale_extent, int *out_axis)
{
    *out_axis = -1;
    if (pln_attrs_int(attrs, "block_size", 0) != 0) return false;
    if (scale_rank == 0 || (scale_rank == 1 && scale_extent == 1)) return true;
    /* One that is not known may turn out to be 1, and is then for all. */
    return scale_rank == 1 && scale_extent >= 0 && x_rank > 0 && (pln_axis_normalize(pln_attrs_int(attrs, "axis", 1), x_rank, out_axis) || (x_rank == 1 && (*out_axis = 0) == 0));
}

static const char *supports_either(const struct pln_problem *problem, bool quantizes)
{
    int axis;
    if (problem->n_inputs < 2 || problem->n_outputs != 1) return "wrong number of operands";
    const struct pln_operand *x = &problem->inputs[0], *scale = &problem->inputs[1], *zero = problem->n_inputs > 2 ? &problem->inputs[2] : NULL, *y = &problem->outputs[0];
    const char *why = check_types(x->dtype, y->dtype, quantizes);
    if (why != NULL) return why;
    if (x->rank < 0 || scale->rank < 0 || scale->dtype != PLN_F32) return "a rank is not known, or the scale is not f32";
    if (!find_axis(problem->attrs, x->rank, scale->rank, scale->rank == 1 ? scale->dims[0] : 1, &axis)) return "scales in blocks";
    if (zero != NULL && zero->present && zero->rank != scale->rank) return "scale and zero point have different ranks";
    const int64_t precision = pln_attrs_int(problem->attrs, "precision", 0);
    return precision == 0 || precision == PLN_F32 ? NULL : "quotients of another precision";
}

static const char *quantize_supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    return supports_either(problem, true);
}

static const char *dequantize_supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    return supports_either(problem, false);
}

static const char *dynamic_supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    if (problem->n_inputs != 1 || problem->inputs[0].dtype != PLN_F32) return "the input is not f32";
    if (problem->n_outputs != 3) return "outputs are left out";
    for (int i = 0; i < 3; i++)
        if (!problem->outputs[i].present) return "an output is left out";
    return NULL;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    double n = 1;
    for (int d = 0; d < problem->inputs[0].rank; d++) n *= problem->inputs[0].dims[d] < 0 ? 128.0 : (double)problem->inputs[0].dims[d];
    return n * (kernel->needs == 0 ? 2 : 0.3) + 300;
}

/* ---- one scale for all, or along an axis ---- */

static struct pln_rowprog_operand walked(const struct pln_tensor *tensor, int rank)
{
    struct pln_rowprog_operand operand = { .dtype = (uint8_t)tensor->dtype, .rank = (uint8_t)tensor->rank };
    for (int i = 0; i < rank; i++) operand.axis[i] = (int8_t)(i < tensor->rank ? i : -1);
    return operand;
}

static struct pln_rowprog_operand along(const struct pln_tensor *tensor, int rank, int axis)
{
    struct pln_rowprog_operand operand = { .dtype = (uint8_t)tensor->dtype, .rank = (uint8_t)tensor->rank };
    for (int i = 0; i < rank; i++) operand.axis[i] = (int8_t)(i == axis ? 0 : -1);
    return operand;
}

static enum pln_status prepare_either(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag, bool quantizes)
{
    static const int64_t nought = 0; /* of any of the types */
    struct quantize_state *s = state_memory;
    int axis;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    if (launch->n_inputs < 2 || launch->n_outputs != 1) return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    const struct pln_tensor *x = &launch->inputs[0], *scale = &launch->inputs[1], *y = &launch->outputs[0];
    if (check_types(x->dtype, y->dtype, quantizes) != NULL || scale->dtype != PLN_F32 || !pln_tensor_same_shape(x, y) ||
        !find_axis(launch->attrs, x->rank, scale->rank, scale->rank == 1 ? scale->dims[0] : 1, &axis))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: input, scale and output do not fit", kernel->name);
    s->isa = ((pln_quantize_isa_fn)kernel->micro)();
    s->quantizes = quantizes;
    s->dtype = quantizes ? y->dtype : x->dtype;
    struct pln_tensor inputs[N_INPUTS] = { *x, *scale }, *zero = &inputs[ZERO];
    if (launch->n_inputs > 2 && launch->inputs[2].dtype != PLN_DTYPE_NONE) *zero = launch->inputs[2];
    else pln_tensor_init(zero, s->dtype, 0, NULL, (void *)(uintptr_t)&nought);
    if (zero->dtype != s->dtype || (zero->rank != 0 && !pln_tensor_same_shape(zero, scale)) || (axis >= 0 && scale->dims[0] != x->dims[axis]))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: scale and zero point do not fit the input", kernel->name);
    struct pln_rowprog program = { .rank = (uint8_t)PLN_MAX(x->rank, 1), .n_inputs = N_INPUTS, .n_outputs = 1 };
    program.inputs[FROM] = walked(x, program.rank);
    program.inputs[SCALE] = along(scale, program.rank, axis);
    program.inputs[ZERO] = along(zero, program.rank, zero->rank == 0 ? -1 : axis);
    program.outputs[0] = walked(y, program.rank);
    s->plan.n_inputs = N_INPUTS;
    s->plan.n_places = N_INPUTS + 1;
    PLN_TRY(pln_rowprog_place(kernel->name, &program, inputs, launch->outputs, diag, &s->plan));
    out_prepared->n_tasks = pln_rowprog_tasks(&s->plan, &out_prepared->grain);
    return PLN_OK;
}

static enum pln_status quantize_prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    return prepare_either(kernel, launch, state, out_prepared, diag, true);
}

static enum pln_status dequantize_prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    return prepare_either(kernel, launch, state, out_prepared, diag, false);
}

static void *element(const struct pln_rowprog_place *place, int64_t at)
{
    return place->data + at * (int64_t)(pln_dtype_bits(place->dtype) / 8);
}

static void run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)scratch;
    (void)shared;
    const struct quantize_state *s = state;
    const struct pln_rowprog_place *p = s->plan.places, *to = &p[N_INPUTS];
    int64_t at[PLN_ROWPROG_OPERANDS_MAX], rows, cols;
    for (int64_t task = first; task < last; task++) {
        pln_rowprog_block(&s->plan, task, at, &rows, &cols);
        for (int64_t r = 0; r < rows; r++) {
            const struct pln_quantize_run one = { .n = cols, .from = element(&p[FROM], at[FROM] + r * p[FROM].row), .scale = element(&p[SCALE], at[SCALE] + r * p[SCALE].row),
                                                  .zero = element(&p[ZERO], at[ZERO] + r * p[ZERO].row), .to = element(to, at[N_INPUTS] + r * to->row),
                                                  .from_step = p[FROM].col, .scale_step = p[SCALE].col, .zero_step = p[ZERO].col, .to_step = to->col };
            if (s->quantizes) s->isa->quantize(s->dtype, &one);
            else s->isa->dequantize(s->dtype, &one);
        }
    }
}

const struct pln_kernel_family pln_cpu_quantize = {
    .name = "quantize",
    .state_bytes = sizeof(struct quantize_state),
    .supports = quantize_supports,
    .cost = cost,
    .prepare = quantize_prepare,
    .run = run,
    .packed_input = -1,
};

const struct pln_kernel_family pln_cpu_dequantize = {
    .name = "dequantize",
    .state_bytes = sizeof(struct quantize_state),
    .supports = dequantize_supports,
    .cost = cost,
    .prepare = dequantize_prepare,
    .run = run,
    .packed_input = -1,
};

/* ---- a scale of the values' own: one task, as all of them have to be seen first ---- */

struct dynamic_state {
    const struct pln_quantize_isa *isa;
    const float *x;
    uint8_t *y, *zero;
    float *scale;
    int64_t n;
};

static enum pln_status dynamic_prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct dynamic_state *s = state_memory;
    *out_prepared = (struct pln_prepared){ .grain = 1, .n_tasks = 1 };
    if (launch->n_inputs != 1 || launch->n_outputs != 3) return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    const struct pln_tensor *x = &launch->inputs[0], *y = &launch->outputs[0], *scale = &launch->outputs[1], *zero = &launch->outputs[2];
    if (x->dtype != PLN_F32 || y->dtype != PLN_U8 || scale->dtype != PLN_F32 || zero->dtype != PLN_U8 || !pln_tensor_same_shape(x, y) || !pln_tensor_is_contiguous(x) ||
        !pln_tensor_is_contiguous(y) || pln_tensor_count(scale) != 1 || pln_tensor_count(zero) != 1)
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: input and outputs do not fit", kernel->name);
    *s = (struct dynamic_state){ .isa = ((pln_quantize_isa_fn)kernel->micro)(), .x = x->data, .y = y->data, .zero = zero->data, .scale = scale->data, .n = pln_tensor_count(x) };
    return PLN_OK;
}

/* ONNX DynamicQuantizeLinear-11: the range always holds 0. */
static void dynamic_run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)scratch;
    (void)shared;
    const struct dynamic_state *s = state;
    const uint8_t nought = 0;
    float low = 0, high = 0, middle;
    if (first >= last) return;
    s->isa->range(s->x, s->n, &low, &high);
    *s->scale = high == low ? 1 : (high - low) / 255;
    middle = 0 - low;
    s->isa->quantize(PLN_U8, &(struct pln_quantize_run){ .n = 1, .from = &middle, .scale = s->scale, .zero = &nought, .to = s->zero, .from_step = 1, .to_step = 1 });
    s->isa->quantize(PLN_U8, &(struct pln_quantize_run){ .n = s->n, .from = s->x, .scale = s->scale, .zero = s->zero, .to = s->y, .from_step = 1, .to_step = 1 });
}

const struct pln_kernel_family pln_cpu_dynamic_quantize = {
    .name = "dynamic_quantize",
    .state_bytes = sizeof(struct dynamic_state),
    .supports = dynamic_supports,
    .cost = cost,
    .prepare = dynamic_prepare,
    .run = dynamic_run,
    .packed_input = -1,
};
