/* QuantizeLinear and DequantizeLinear (device/quantize.cuh), DynamicQuantizeLinear (device/dynamic_quantize.cuh). */
#include "backend/cuda/device/quantize_params.h"
#include "backend/cuda/family.h"

#define DYNAMIC_THREADS 512
#define DYNAMIC_LEAST 65536 /* elements of a task */
#define DYNAMIC_TASKS 16

static bool is_real(enum pln_dtype dtype)
{
    return dtype == PLN_F32 || dtype == PLN_F16 || dtype == PLN_BF16 || dtype == PLN_F64;
}

static bool is_quantized(enum pln_dtype dtype)
{
    return dtype == PLN_I8 || dtype == PLN_U8 || dtype == PLN_I16 || dtype == PLN_U16;
}

/* The type that a division is rounded to (attribute precision, else that of the scale). */
static enum pln_dtype precision_of(const struct pln_attrs *attrs, enum pln_dtype scale)
{
    const int64_t told = pln_attrs_int(attrs, "precision", 0);
    const enum pln_dtype precision = told > 0 && told < PLN_DTYPE_COUNT ? (enum pln_dtype)told : scale;
    return is_real(precision) ? precision : PLN_F32;
}

static const char *supports_quantize(enum pln_dtype x, enum pln_dtype scale, enum pln_dtype y, enum pln_dtype precision)
{
    if (!is_quantized(y)) return "the result is not of 8 or 16 bits";
    if (!is_real(x) && x != PLN_I32) return "the input is neither a float of 16 bits or more nor i32";
    if (!is_real(scale) && scale != PLN_I32) return "the scale is neither a float of 16 bits or more nor i32";
    /* Where rounding to the precision would be rounding twice. */
    const bool narrow = precision == PLN_F16 || precision == PLN_BF16;
    if (narrow && (x == PLN_F64 || x == PLN_I32 || scale == PLN_F64 || scale == PLN_I32)) return "the precision is far less than the operands'";
    return NULL;
}

static const char *supports_dequantize(enum pln_dtype x, enum pln_dtype scale, enum pln_dtype y)
{
    if (!is_quantized(x) && x != PLN_I32) return "the input is not of 8, 16 or 32 bits";
    if (!is_real(scale)) return "the scale is no float of 16 bits or more";
    if (!is_real(y)) return "the result is no float of 16 bits or more";
    if (scale == PLN_F64 && (y == PLN_F16 || y == PLN_BF16)) return "the result is far narrower than the scale";
    return NULL;
}

static const char *supports_types(unsigned op, const struct pln_attrs *attrs, const enum pln_dtype *inputs, enum pln_dtype zero, enum pln_dtype y)
{
    if (zero != PLN_DTYPE_NONE && zero != (op == PLN_OP_QUANTIZE_LINEAR ? y : inputs[0])) return "the zero point's type is not the quantized one";
    if (op == PLN_OP_QUANTIZE_LINEAR) return supports_quantize(inputs[0], inputs[1], y, precision_of(attrs, inputs[1]));
    return supports_dequantize(inputs[0], inputs[1], y);
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const enum pln_dtype types[2] = { problem->inputs[0].dtype, problem->inputs[1].dtype };
    if (problem->epilogue) return "it takes no epilogue";
    if (problem->inputs[0].rank < 0 || problem->inputs[1].rank < 0) return "a rank is not known";
    const enum pln_dtype zero = problem->n_inputs > 2 && problem->inputs[2].present ? problem->inputs[2].dtype : PLN_DTYPE_NONE;
    return supports_types(kernel->op, problem->attrs, types, zero, problem->outputs[0].dtype);
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    double elements = 1;
    for (int i = 0; i < problem->inputs[0].rank; i++) elements *= problem->inputs[0].dims[i] < 0 ? 128 : (double)problem->inputs[0].dims[i];
    return 3000 + elements / 200;
}

static enum pln_status emit(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag, struct pln_text *out_source)
{
    (void)diag;
    const enum pln_dtype scale = problem->inputs[1].dtype, y = problem->outputs[0].dtype, precision = precision_of(problem->attrs, scale);
    pln_text_printf(out_source, "#define PLN_X %s\n#define PLN_SCALE %s\n#define PLN_Y %s\n", pln_cuda_type(problem->inputs[0].dtype), pln_cuda_type(scale), pln_cuda_type(y));
    if (kernel->op == PLN_OP_QUANTIZE_LINEAR) {
        const int bits = pln_dtype_bits(y), low = pln_dtype_is_signed(y) ? -(1 << (bits - 1)) : 0;
        const char *round = precision == PLN_F16 ? "pln_round_f16" : precision == PLN_BF16 ? "pln_round_bf16" : precision == PLN_F32 ? "(float)" : "";
        /* f64 as f32: each is rounded to f32 by itself, and a quotient of floats in double, rounded to float, is the float quotient. */
        pln_text_printf(out_source, "#define PLN_QUANTIZE\n#define PLN_LOW %d\n#define PLN_HIGH %d\n#define PLN_ROUND %s\n", low, low + (1 << bits) - 1, round);
        const bool wide = precision == PLN_F64 || problem->inputs[0].dtype == PLN_F64 || scale == PLN_F64;
        pln_text_printf(out_source, "#define PLN_REAL %s\n", wide ? "double" : "float");
    } else {
        pln_text_printf(out_source, "#define PLN_DEQUANTIZE\n#define PLN_REAL %s\n", y == PLN_F64 || scale == PLN_F64 ? "double" : "float");
    }
    pln_text_printf(out_source, "#include \"backend/cuda/device/quantize.cuh\"\n");
    return PLN_OK;
}

/* How scales lie over x, as pln_ref_grain says. */
static enum pln_status read_grain(const struct pln_launch *launch, struct pln_quantize_params *params, struct pln_diag *diag)
{
    const struct pln_tensor *x = &launch->inputs[0], *scale = &launch->inputs[1];
    const int64_t told_axis = pln_attrs_int(launch->attrs, "axis", 1), block = pln_attrs_int(launch->attrs, "block_size", 0);
    int axis = 0;
    params->inner = params->extent = params->outer_step = params->block = params->blocks = params->kept = params->single = 1;
    if (block < 0) return pln_fail(diag, PLN_BAD_PLAN, "block_size is %lld", (long long)block);
    if (scale->rank == 0 || (block == 0 && scale->rank == 1 && scale->dims[0] == 1)) return PLN_OK;
    const bool blocked = block > 0 && scale->rank == x->rank, axis_fits = pln_axis_normalize(told_axis, x->rank, &axis) || x->rank == 1;
    if (!axis_fits || (!blocked && scale->rank != 1)) return pln_fail(diag, PLN_INVALID_ARGUMENT, "a scale of rank %d does not fit an input of rank %d", (int)scale->rank, (int)x->rank);
    const int64_t blocks = blocked ? x->dims[axis] / block + (x->dims[axis] % block != 0) : x->dims[axis];
    bool fits = scale->dims[blocked ? axis : 0] == blocks;
    for (int d = 0; blocked && d < x->rank; d++) fits = fits && (d == axis || scale->dims[d] == x->dims[d]);
    if (!fits) return pln_fail(diag, PLN_INVALID_ARGUMENT, "the scale does not have one element for each slice or block along axis %d", axis);
    if (params->n == 0) return PLN_OK;
    for (int d = axis + 1; d < x->rank; d++) params->inner *= x->dims[d];
    params->extent = x->dims[axis];
    params->outer_step = params->inner * params->extent;
    params->block = blocked ? PLN_MIN(block, params->extent) : 1; /* the kernel may count in 32 bits */
    params->blocks = blocks;
    params->kept = blocked ? params->inner : 1;
    params->single = 0;
    params->shared_outer = !blocked;
    return PLN_OK;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pln_quantize_params *params = state;
    if (launch->n_inputs < 2 || launch->n_outputs < 1) return pln_fail(diag, PLN_BAD_PLAN, "operands are missing");
    const struct pln_tensor *x = &launch->inputs[0], *scale = &launch->inputs[1], *y = &launch->outputs[0];
    const struct pln_tensor *zero = launch->n_inputs > 2 && launch->inputs[2].dtype != PLN_DTYPE_NONE ? &launch->inputs[2] : NULL;
    const char *why = supports_types(kernel->op, launch->attrs, (const enum pln_dtype[]){ x->dtype, scale->dtype }, zero ? zero->dtype : PLN_DTYPE_NONE, y->dtype);
    if (why) return pln_fail(diag, PLN_BAD_PLAN, "%s", why);
    if (!pln_tensor_same_shape(x, y)) return pln_fail(diag, PLN_BAD_PLAN, "input and output differ in shape");
    if (!pln_tensor_is_contiguous(x) || !pln_tensor_is_contiguous(y) || !pln_tensor_is_contiguous(scale) || (zero && !pln_tensor_is_contiguous(zero)))
        return pln_fail(diag, PLN_BAD_PLAN, "an operand is strided");
    if (zero && pln_tensor_count(zero) != pln_tensor_count(scale)) return pln_fail(diag, PLN_INVALID_ARGUMENT, "scale and zero point differ in shape");
    params->n = pln_tensor_count(x);
    PLN_TRY(read_grain(launch, params, diag));
    params->x = (uint64_t)(uintptr_t)x->data;
    params->scale = (uint64_t)(uintptr_t)scale->data;
    params->zero = zero ? (uint64_t)(uintptr_t)zero->data : 0;
    params->y = (uint64_t)(uintptr_t)y->data;
    *out_prepared = (struct pln_prepared){ .n_tasks = (params->n + PLN_QUANTIZE_ELEMENTS - 1) / PLN_QUANTIZE_ELEMENTS, .grain = 1, .block_threads = PLN_QUANTIZE_THREADS };
    return PLN_OK;
}

const struct pln_kernel_family pln_cuda_quantize = {
    .name = "quantize",
    .state_bytes = sizeof(struct pln_quantize_params),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .emit = emit,
    .packed_input = -1,
};

/* ---- by the range of the input ---- */

static const char *supports_dynamic(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    if (problem->epilogue) return "it takes no epilogue";
    return is_real(problem->inputs[0].dtype) ? NULL : "the input is no float of 16 bits or more";
}

static enum pln_status emit_dynamic(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag, struct pln_text *out_source)
{
    (void)kernel;
    (void)diag;
    pln_text_printf(out_source, "#define PLN_X %s\n#include \"backend/cuda/device/dynamic_quantize.cuh\"\n", pln_cuda_type(problem->inputs[0].dtype));
    return PLN_OK;
}

/* Output o, a single number; 0: not wanted. */
static enum pln_status read_number(const struct pln_launch *launch, int o, enum pln_dtype dtype, uint64_t *out_address, struct pln_diag *diag)
{
    if (o >= launch->n_outputs || launch->outputs[o].dtype == PLN_DTYPE_NONE) return PLN_OK;
    const struct pln_tensor *out = &launch->outputs[o];
    if (out->dtype != dtype || pln_tensor_count(out) != 1) return pln_fail(diag, PLN_BAD_PLAN, "DynamicQuantizeLinear: output %d is no single number of its type", o);
    *out_address = (uint64_t)(uintptr_t)out->data;
    return PLN_OK;
}

static enum pln_status prepare_dynamic(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    (void)kernel;
    struct pln_dynamic_quantize_params *params = state;
    if (launch->n_inputs < 1 || launch->n_outputs < 1) return pln_fail(diag, PLN_BAD_PLAN, "operands are missing");
    const struct pln_tensor *x = &launch->inputs[0], *y = &launch->outputs[0];
    if (!is_real(x->dtype) || y->dtype != PLN_U8 || !pln_tensor_same_shape(x, y) || !pln_tensor_is_contiguous(x) || !pln_tensor_is_contiguous(y))
        return pln_fail(diag, PLN_BAD_PLAN, "DynamicQuantizeLinear: types, shapes or strides of input and output do not fit");
    PLN_TRY(read_number(launch, 1, PLN_F32, &params->scale, diag));
    PLN_TRY(read_number(launch, 2, PLN_U8, &params->zero, diag));
    params->x = (uint64_t)(uintptr_t)x->data;
    params->y = (uint64_t)(uintptr_t)y->data;
    params->n = pln_tensor_count(x);
    /* At least one, which tells the range of nothing. */
    const int64_t n_tasks = PLN_MAX(1, PLN_MIN((int64_t)DYNAMIC_TASKS, params->n / DYNAMIC_LEAST));
    params->elements_a_task = (params->n + n_tasks - 1) / n_tasks;
    *out_prepared = (struct pln_prepared){ .n_tasks = n_tasks, .grain = 1, .block_threads = DYNAMIC_THREADS };
    return PLN_OK;
}

const struct pln_kernel_family pln_cuda_dynamic_quantize = {
    .name = "dynamic_quantize",
    .state_bytes = sizeof(struct pln_dynamic_quantize_params),
    .supports = supports_dynamic,
    .cost = cost,
    .prepare = prepare_dynamic,
    .emit = emit_dynamic,
    .packed_input = -1,
};
