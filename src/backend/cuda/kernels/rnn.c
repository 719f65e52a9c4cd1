/* RNN, GRU and LSTM of dense tensors in f32, f16, bf16 and f64. tile: threads a block.
 *
 * A sequence keeps state and gates in the block's shared memory as long as that is not more than every GPU gives, else
 * in scratch of the launch. */
#include <math.h>

#include "backend/cuda/device/rnn_params.h"
#include "backend/cuda/kernels/walk.h"
#include "kernel/rnn.h"

#define BLOCK_BYTES_MOST 49152 /* without asking for more (CUDA C++ Programming Guide, "Shared Memory") */

/* ---- activations ---- */

static const int device_acts[] = {
    [PLN_RNN_ACT_RELU] = PLN_CUDA_RNN_RELU,
    [PLN_RNN_ACT_TANH] = PLN_CUDA_RNN_TANH,
    [PLN_RNN_ACT_SIGMOID] = PLN_CUDA_RNN_SIGMOID,
    [PLN_RNN_ACT_AFFINE] = PLN_CUDA_RNN_AFFINE,
    [PLN_RNN_ACT_LEAKY_RELU] = PLN_CUDA_RNN_LEAKY_RELU,
    [PLN_RNN_ACT_THRESHOLDED_RELU] = PLN_CUDA_RNN_THRESHOLDED_RELU,
    [PLN_RNN_ACT_SCALED_TANH] = PLN_CUDA_RNN_SCALED_TANH,
    [PLN_RNN_ACT_HARD_SIGMOID] = PLN_CUDA_RNN_HARD_SIGMOID,
    [PLN_RNN_ACT_ELU] = PLN_CUDA_RNN_ELU,
    [PLN_RNN_ACT_SOFTSIGN] = PLN_CUDA_RNN_SOFTSIGN,
    [PLN_RNN_ACT_SOFTPLUS] = PLN_CUDA_RNN_SOFTPLUS,
};

/* NULL, or why not. */
static const char *read_activations(const struct pln_attrs *attrs, unsigned kind, int directions,
                                    struct pln_cuda_rnn_activation *out)
{
    struct pln_rnn_activation read[2 * PLN_RNN_FUNCTIONS_MAX];
    const char *why = pln_rnn_activations(attrs, kind, directions, read);
    for (int i = 0; why == NULL && i < directions * pln_rnn_functions(kind); i++)
        out[i] = (struct pln_cuda_rnn_activation){ device_acts[read[i].act], read[i].alpha, read[i].beta };
    return why;
}

/* ---- the problem ---- */

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    struct pln_cuda_rnn_activation activations[6];
    const enum pln_dtype dtype = problem->inputs[0].dtype;
    if (problem->n_inputs < 3 || problem->n_inputs > 8 || problem->n_outputs > 3) return "wrong number of operands";
    if (problem->kind != PLN_RNN_RNN && problem->kind != PLN_RNN_GRU && problem->kind != PLN_RNN_LSTM)
        return "no such kind";
    if (dtype != PLN_F32 && dtype != PLN_F16 && dtype != PLN_BF16 && dtype != PLN_F64) return "not of floats";
    for (int i = 0; i < problem->n_inputs; i++)
        if (i != 4 && problem->inputs[i].present && problem->inputs[i].dtype != dtype)
            return "the operands differ in type";
    int directions = pln_rnn_directions(problem->attrs);
    if (directions == 0) return "direction is none of forward, reverse, bidirectional";
    const char *why = pln_cuda_ints_supports(problem, 4);
    return why ? why : read_activations(problem->attrs, problem->kind, directions, activations);
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    const struct pln_operand *x = &problem->inputs[0];
    double steps = x->rank == 3 && x->dims[0] >= 0 ? (double)x->dims[0] : 128;
    return 5000 + 20000 * steps; /* the steps of a sequence wait for one another */
}

static enum pln_status emit(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag,
                            struct pln_text *out_source)
{
    (void)diag;
    const enum pln_dtype dtype = problem->inputs[0].dtype;
    pln_text_printf(out_source,
                    "#define PLN_T %s\n#define PLN_ACC %s\n#define PLN_GATES %d\n#define PLN_THREADS %d\n#include "
                    "\"backend/cuda/device/rnn.cuh\"\n",
                    pln_cuda_type(dtype), dtype == PLN_F64 ? "double" : "float", pln_rnn_gates(problem->kind),
                    (int)kernel->tile[0]);
    return PLN_OK;
}

/* ---- a launch ---- */

/* An operand that may be left out has these dims and is dense. */
static bool fits(const struct pln_tensor *tensor, enum pln_dtype dtype, int rank, const int64_t *dims)
{
    if (tensor->dtype == PLN_DTYPE_NONE) return true;
    bool same = tensor->dtype == dtype && tensor->rank == rank && pln_tensor_is_contiguous(tensor);
    for (int d = 0; same && d < rank; d++) same = tensor->dims[d] == dims[d];
    return same;
}

static bool inputs_fit(const struct pln_launch *launch, const struct pln_cuda_rnn_params *params)
{
    const int64_t gates = pln_rnn_gates(launch->kind), n = params->hidden, dirs = params->directions, rows = gates * n;
    const int64_t shapes[8][3] = {
        { params->by_batch ? params->batch : params->seq, params->by_batch ? params->seq : params->batch, params->in },
        { dirs, rows, params->in },
        { dirs, rows, n },
        { dirs, 2 * rows },
        { 0 },
        { params->by_batch ? params->batch : dirs, params->by_batch ? dirs : params->batch, n },
        { params->by_batch ? params->batch : dirs, params->by_batch ? dirs : params->batch, n },
        { dirs, 3 * n }
    };
    static const int ranks[8] = { 3, 3, 3, 2, 1, 3, 3, 2 };
    bool good = params->lengths.n < 0 || params->lengths.n == params->batch;
    for (int i = 0; good && i < launch->n_inputs; i++)
        good = i == 4 || fits(&launch->inputs[i], launch->inputs[0].dtype, ranks[i], shapes[i]);
    return good;
}

static bool outputs_fit(const struct pln_launch *launch, const struct pln_cuda_rnn_params *params)
{
    const int64_t dirs = params->directions, n = params->hidden;
    const int64_t plain[4] = { params->seq, dirs, params->batch, n },
                  by_batch[4] = { params->batch, params->seq, dirs, n };
    const int64_t state[3] = { dirs, params->batch, n }, state_by_batch[3] = { params->batch, dirs, n };
    const enum pln_dtype dtype = launch->inputs[0].dtype;
    bool good = launch->n_outputs < 1 || fits(&launch->outputs[0], dtype, 4, params->by_batch ? by_batch : plain);
    for (int o = 1; good && o < launch->n_outputs; o++)
        good = fits(&launch->outputs[o], dtype, 3, params->by_batch ? state_by_batch : state);
    return good;
}

static uint64_t input_address(const struct pln_launch *launch, int i)
{
    return pln_cuda_has_input(launch, i) ? pln_cuda_address(&launch->inputs[i]) : 0;
}

static uint64_t output_address(const struct pln_launch *launch, int o)
{
    return o < launch->n_outputs && launch->outputs[o].dtype != PLN_DTYPE_NONE ? pln_cuda_address(&launch->outputs[o])
                                                                               : 0;
}

static void set_addresses(const struct pln_launch *launch, struct pln_cuda_rnn_params *params)
{
    const bool lstm = launch->kind == PLN_RNN_LSTM;
    params->x = input_address(launch, 0);
    params->w = input_address(launch, 1);
    params->r = input_address(launch, 2);
    params->b = input_address(launch, 3);
    params->initial_h = input_address(launch, 5);
    params->initial_c = lstm ? input_address(launch, 6) : 0;
    params->peephole = lstm ? input_address(launch, 7) : 0;
    params->y = output_address(launch, 0);
    params->last_h = output_address(launch, 1);
    params->last_c = lstm ? output_address(launch, 2) : 0;
}

static const char *read_launch(const struct pln_launch *launch, struct pln_cuda_rnn_params *params)
{
    const struct pln_tensor *x = &launch->inputs[0], *r = &launch->inputs[2];
    const struct pln_attrs *attrs = launch->attrs;
    int64_t most;
    if (x->rank != 3 || r->rank != 3) return "input or recurrence weights have not three dims";
    params->by_batch = pln_attrs_int(attrs, "layout", 0) != 0;
    params->seq = x->dims[params->by_batch ? 1 : 0];
    params->batch = x->dims[params->by_batch ? 0 : 1];
    params->in = x->dims[2];
    params->hidden = r->dims[2];
    params->directions = pln_rnn_directions(attrs);
    params->reverse_first = pln_str_equal(pln_attrs_string(attrs, "direction", "forward"), "reverse");
    params->has_clip = pln_attrs_has(attrs, "clip");
    params->clip = fabsf(pln_attrs_float(attrs, "clip", 0));
    params->input_forget = pln_attrs_int(attrs, "input_forget", 0) != 0;
    params->linear_before_reset = pln_attrs_int(attrs, "linear_before_reset", 0) != 0;
    if (params->directions == 0) return "direction is none of forward, reverse, bidirectional";
    if (!pln_cuda_ints_fill(launch, 4, &params->lengths)) return "the lengths are no integers";
    if (!pln_mul_i64(params->hidden, 16, &most)) return "shapes are too large";
    if (!inputs_fit(launch, params) || !outputs_fit(launch, params)) return "the shapes do not fit together";
    return read_activations(attrs, launch->kind, (int)params->directions, params->activations);
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state,
                               struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pln_cuda_rnn_params *params = state;
    if (launch->n_inputs < 3 || launch->n_inputs > 8 || launch->n_outputs > 3 || !pln_cuda_has_input(launch, 1) ||
        !pln_cuda_has_input(launch, 2) || !pln_cuda_type(launch->inputs[0].dtype))
        return pln_fail(diag, PLN_BAD_PLAN, "%s: the operands are not those that it was made for", kernel->name);
    const char *why = read_launch(launch, params);
    if (why) return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: %s", kernel->name, why);
    set_addresses(launch, params);
    *out_prepared = (struct pln_prepared){ .n_tasks = params->hidden == 0 ? 0 : params->directions * params->batch,
                                           .grain = 1,
                                           .block_threads = kernel->tile[0] };
    params->state_words = params->hidden * (3 + 2 * pln_rnn_gates(launch->kind));
    size_t bytes, all;
    if (!pln_mul_size((size_t)params->state_words,
                      (size_t)pln_dtype_bits(launch->inputs[0].dtype == PLN_F64 ? PLN_F64 : PLN_F32) / 8, &bytes) ||
        !pln_mul_size(bytes, (size_t)out_prepared->n_tasks, &all))
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: shapes are too large", kernel->name);
    params->in_block = bytes <= BLOCK_BYTES_MOST;
    out_prepared->block_bytes = params->in_block ? (uint32_t)bytes : 0;
    out_prepared->shared_bytes = params->in_block ? 0 : all;
    return PLN_OK;
}

static const char *fault(const void *state, uint64_t code)
{
    (void)state;
    (void)code;
    return "a length in sequence_lens is not within the sequence";
}

const struct pln_kernel_family pln_cuda_rnn = { .name = "rnn",
                                                .state_bytes = sizeof(struct pln_cuda_rnn_params),
                                                .supports = supports,
                                                .cost = cost,
                                                .prepare = prepare,
                                                .emit = emit,
                                                .packed_input = -1,
                                                .fault = fault };
