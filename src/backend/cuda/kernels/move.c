/* Ops that give each element of the output one element of the input whose place is a sum of index times stride:
 * TRANSPOSE, EXPAND, TILE, DEPTH_TO_SPACE, SPACE_TO_DEPTH, and those that only give another shape; CONSTANT_OF_SHAPE
 * repeats one element.
 *
 * What EXPAND, TILE and the reshaping ops take as parameters is not read: the extents of input and output tell all of
 * it. */
#include "backend/cuda/kernels/move.h"

/* Adds the op's axes, {output, input} strides each. NULL, or why the operands do not fit. */
typedef const char *(*plan_fn)(const struct pln_launch *launch, struct pln_cuda_walk *walk);

static void add(struct pln_cuda_walk *walk, int64_t dim, int64_t to_stride, int64_t from_stride)
{
    pln_cuda_walk_add(walk, dim, (const int64_t[]){ to_stride, from_stride });
}

static const char *plan_same(const struct pln_launch *launch, struct pln_cuda_walk *walk)
{
    const struct pln_tensor *in = &launch->inputs[0], *out = &launch->outputs[0];
    if (!pln_tensor_same_shape(in, out)) return "the output has another shape than the input";
    for (int d = 0; d < out->rank; d++) add(walk, out->dims[d], out->strides[d], in->strides[d]);
    return NULL;
}

static const char *plan_reshape(const struct pln_launch *launch, struct pln_cuda_walk *walk)
{
    const struct pln_tensor *in = &launch->inputs[0], *out = &launch->outputs[0];
    if (pln_tensor_count(in) != pln_tensor_count(out)) return "the new shape has another number of elements";
    if (!pln_tensor_is_contiguous(out)) return "the output is not dense";
    int64_t stride = 1;
    for (int d = in->rank - 1; d >= 0; d--) {
        add(walk, in->dims[d], stride, in->strides[d]);
        stride *= in->dims[d];
    }
    return NULL;
}

static const char *plan_transpose(const struct pln_launch *launch, struct pln_cuda_walk *walk)
{
    const struct pln_tensor *in = &launch->inputs[0], *out = &launch->outputs[0];
    const int64_t *perm;
    bool seen[PLN_CUDA_MAX_RANK] = { false };
    int64_t n = pln_attrs_ints(launch->attrs, "perm", &perm);
    if (in->rank != out->rank || (perm && n != in->rank)) return "the ranks do not fit";
    for (int d = 0; d < out->rank; d++) {
        int axis = out->rank - 1 - d;
        if (perm && !pln_axis_normalize(perm[d], in->rank, &axis)) return "there is no such axis";
        if (seen[axis] || out->dims[d] != in->dims[axis]) return "perm and the extents do not fit";
        seen[axis] = true;
        add(walk, out->dims[d], out->strides[d], in->strides[axis]);
    }
    return NULL;
}

static const char *plan_expand(const struct pln_launch *launch, struct pln_cuda_walk *walk)
{
    const struct pln_tensor *in = &launch->inputs[0], *out = &launch->outputs[0];
    if (in->rank > out->rank) return "the input has more dims than the output";
    for (int d = 0; d < out->rank; d++) {
        int from = d - (out->rank - in->rank);
        bool repeated = from < 0 || in->dims[from] == 1;
        if (!repeated && in->dims[from] != out->dims[d]) return "the input does not broadcast to the output";
        add(walk, out->dims[d], out->strides[d], repeated ? 0 : in->strides[from]);
    }
    return NULL;
}

static const char *plan_tile(const struct pln_launch *launch, struct pln_cuda_walk *walk)
{
    const struct pln_tensor *in = &launch->inputs[0], *out = &launch->outputs[0];
    if (in->rank != out->rank) return "input and output differ in rank";
    if (pln_tensor_count(out) == 0) return NULL;
    for (int d = 0; d < out->rank; d++) {
        if (in->dims[d] == 0 || out->dims[d] % in->dims[d] != 0)
            return "the output's extents are no multiples of the input's";
        add(walk, out->dims[d] / in->dims[d], out->strides[d] * in->dims[d], 0);
        add(walk, in->dims[d], out->strides[d], in->strides[d]);
    }
    return NULL;
}

/* Between depth [n, c b^k, d...] and space [n, c, (d b)...]: each spatial axis of the space is an axis of places and
 * one of the block, and the block's axes are where DCR and CRD put them among the channels. */
static const char *plan_blocks(const struct pln_launch *launch, struct pln_cuda_walk *walk)
{
    const bool to_space = launch->op == PLN_OP_DEPTH_TO_SPACE;
    const struct pln_tensor *in = &launch->inputs[0], *out = &launch->outputs[0], *deep = to_space ? in : out,
                            *wide = to_space ? out : in;
    const char *mode = pln_attrs_string(launch->attrs, "mode", "DCR");
    const bool crd = pln_str_equal(mode, "CRD");
    const int64_t b = pln_attrs_int(launch->attrs, "blocksize", 0);
    int64_t blocks = 1, extent;
    if (in->rank < 3 || in->rank != out->rank || b < 1 || (!crd && !pln_str_equal(mode, "DCR")))
        return "rank, blocksize or mode is wrong";
    for (int d = 2; d < in->rank; d++) {
        if (!pln_mul_i64(blocks, b, &blocks) || !pln_mul_i64(deep->dims[d], b, &extent) || wide->dims[d] != extent)
            return "the extents are not those of the blocks";
    }
    if (!pln_mul_i64(wide->dims[1], blocks, &extent) || deep->dims[1] != extent || deep->dims[0] != wide->dims[0])
        return "the channels are not those of the blocks";
    const struct pln_tensor *from = in, *to = out;
    int64_t channels = wide->dims[1], deep_channel = crd ? blocks : 1, block = crd ? 1 : channels;
    add(walk, out->dims[0], to->strides[0], from->strides[0]);
    add(walk, channels, to->strides[1] * (to_space ? 1 : deep_channel),
        from->strides[1] * (to_space ? deep_channel : 1));
    for (int d = in->rank - 1; d >= 2; d--) {
        add(walk, deep->dims[d], to->strides[d] * (to_space ? b : 1), from->strides[d] * (to_space ? 1 : b));
        add(walk, b, to_space ? to->strides[d] : to->strides[1] * block,
            to_space ? from->strides[1] * block : from->strides[d]);
        block *= b;
    }
    return NULL;
}

static const char *plan_constant(const struct pln_launch *launch, struct pln_cuda_walk *walk)
{
    const struct pln_tensor *out = &launch->outputs[0];
    for (int d = 0; d < out->rank; d++) add(walk, out->dims[d], out->strides[d], 0);
    return NULL;
}

static plan_fn plan_of(unsigned op)
{
    static const struct {
        uint16_t op;
        plan_fn plan;
    } plans[] = {
        { PLN_OP_TRANSPOSE, plan_transpose },
        { PLN_OP_EXPAND, plan_expand },
        { PLN_OP_TILE, plan_tile },
        { PLN_OP_DEPTH_TO_SPACE, plan_blocks },
        { PLN_OP_SPACE_TO_DEPTH, plan_blocks },
        { PLN_OP_CONSTANT_OF_SHAPE, plan_constant },
        { PLN_OP_IDENTITY, plan_same },
        { PLN_OP_BITCAST, plan_same },
        { PLN_OP_RESHAPE, plan_reshape },
        { PLN_OP_FLATTEN, plan_reshape },
        { PLN_OP_SQUEEZE, plan_reshape },
        { PLN_OP_UNSQUEEZE, plan_reshape },
    };
    for (size_t i = 0; i < PLN_COUNT_OF(plans); i++)
        if (plans[i].op == op) return plans[i].plan;
    return NULL;
}

/* The element that CONSTANT_OF_SHAPE repeats (f32 zero when there is no attribute). false: it is no single element of
 * the output's type. */
static bool read_value(const struct pln_attrs *attrs, enum pln_dtype dtype, uint64_t *out_value)
{
    const struct pln_attr *attr = pln_attrs_find(attrs, "value");
    *out_value = 0;
    if (!attr || attr->kind != PLN_ATTR_TENSOR) return dtype == PLN_F32;
    const struct pln_tensor *value = attr->u.tensor;
    if (value->dtype != dtype || pln_tensor_count(value) != 1) return false;
    memcpy(out_value, value->data, (size_t)pln_dtype_bits(dtype) / 8);
    return true;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const struct pln_operand *in = &problem->inputs[0], *out = &problem->outputs[0];
    uint64_t value;
    if (problem->n_inputs < 1 || problem->n_outputs != 1) return "wrong number of operands";
    if (!pln_cuda_unit(out->dtype)) return "elements are not 1, 2, 4 or 8 bytes";
    if (out->rank < 0 || out->rank > PLN_CUDA_MAX_RANK) return "the rank is not known, or above 8";
    if (kernel->op == PLN_OP_CONSTANT_OF_SHAPE)
        return read_value(problem->attrs, out->dtype, &value) ? NULL : "value has not the output's type";
    if (in->rank < 0 || in->rank > PLN_CUDA_MAX_RANK) return "the input's rank is not known, or above 8";
    if (kernel->op == PLN_OP_BITCAST)
        return pln_dtype_bits(in->dtype) == pln_dtype_bits(out->dtype) ? NULL : "the types are not of one width";
    return in->dtype == out->dtype ? NULL : "the types differ";
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    return pln_cuda_move_cost(problem, 8);
}

static enum pln_status emit(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag,
                            struct pln_text *out_source)
{
    (void)kernel;
    (void)diag;
    pln_cuda_move_emit(problem->outputs[0].dtype, out_source);
    return PLN_OK;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state,
                               struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pln_cuda_move_params *params = state;
    struct pln_cuda_walk walk = { .n_operands = 2 };
    const bool filled = launch->op == PLN_OP_CONSTANT_OF_SHAPE;
    plan_fn plan = launch->op == kernel->op ? plan_of(launch->op) : NULL;
    if (!plan || launch->n_inputs < 1 || launch->n_outputs != 1)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    const struct pln_tensor *in = &launch->inputs[0], *out = &launch->outputs[0];
    bool fits = pln_cuda_unit(out->dtype) && out->rank <= PLN_CUDA_MAX_RANK;
    if (filled)
        fits = fits && read_value(launch->attrs, out->dtype, &params->value);
    else
        fits = fits && pln_dtype_bits(in->dtype) == pln_dtype_bits(out->dtype) && in->dtype != PLN_STR &&
               in->rank <= PLN_CUDA_MAX_RANK;
    if (!fits)
        return pln_fail(diag, PLN_BAD_PLAN, "%s: the types or ranks are not those that it was made for", kernel->name);
    const char *why = plan(launch, &walk);
    if (why) return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: %s", kernel->name, why);
    params->from = filled ? 0 : pln_cuda_address(in);
    params->to = pln_cuda_address(out);
    pln_cuda_move_fill(&walk, pln_tensor_count(out), params, out_prepared);
    return PLN_OK;
}

const struct pln_kernel_family pln_cuda_move = { .name = "move",
                                                 .state_bytes = sizeof(struct pln_cuda_move_params),
                                                 .supports = supports,
                                                 .cost = cost,
                                                 .prepare = prepare,
                                                 .emit = emit,
                                                 .packed_input = -1 };
