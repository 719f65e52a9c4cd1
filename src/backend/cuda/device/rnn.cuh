/* RNN, GRU and LSTM (ONNX 22). A block walks one sequence in one direction, step by step: its warps multiply rows of
 * the weights with input and state, then its threads make the new state, a hidden unit each. A length outside of its
 * sequence is fault 1.
 *
 * Defines: PLN_T (element type), PLN_ACC (float or double), PLN_GATES (1 RNN, 3 GRU, 4 LSTM), PLN_THREADS. */
#include "backend/cuda/device/rnn_params.h"
#include "backend/cuda/device/walk.cuh"

#define WARP 32
#define EACH (PLN_GATES == 4 ? 3 : PLN_GATES == 3 ? 2 : 1) /* activations a direction */

/* One sequence at work. */
struct sequence {
    int64_t direction, b;
    const PLN_T *w, *r, *bias_w, *bias_r, *peephole;
    PLN_ACC *h, *c, *reset, *gates_x, *gates_h;
};

PLN_INLINE PLN_ACC activate(const struct pln_cuda_rnn_activation *activation, PLN_ACC x)
{
    const PLN_ACC a = activation->alpha, b = activation->beta;
    switch (activation->act) {
    case PLN_CUDA_RNN_RELU: return x < 0 ? (PLN_ACC)0 : x;
    case PLN_CUDA_RNN_TANH: return tanh(x);
    case PLN_CUDA_RNN_SIGMOID: return 1 / (1 + exp(-x));
    case PLN_CUDA_RNN_AFFINE: return a * x + b;
    case PLN_CUDA_RNN_LEAKY_RELU: return x < 0 ? a * x : x;
    case PLN_CUDA_RNN_THRESHOLDED_RELU: return x > a ? x : (PLN_ACC)0;
    case PLN_CUDA_RNN_SCALED_TANH: return a * tanh(b * x);
    case PLN_CUDA_RNN_HARD_SIGMOID: return fmin(fmax(a * x + b, (PLN_ACC)0), (PLN_ACC)1);
    case PLN_CUDA_RNN_ELU: return x < 0 ? a * expm1(x) : x;
    case PLN_CUDA_RNN_SOFTSIGN: return x / (1 + fabs(x));
    case PLN_CUDA_RNN_SOFTPLUS: return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
    default: return x;
    }
}

PLN_INLINE PLN_ACC gate(const struct pln_cuda_rnn_params *p, const struct sequence *s, int which, PLN_ACC x)
{
    if (p->has_clip) x = x < -(PLN_ACC)p->clip ? -(PLN_ACC)p->clip : x > (PLN_ACC)p->clip ? (PLN_ACC)p->clip : x;
    return activate(&p->activations[s->direction * EACH + which], x);
}

/* ---- products: a warp a row, its lanes along the columns ---- */

PLN_INLINE PLN_ACC number(const PLN_T *x, int64_t i)
{
    return (PLN_ACC)pln_value(x[i]);
}
PLN_INLINE PLN_ACC own_number(const PLN_ACC *x, int64_t i)
{
    return x[i];
}

#define MULTIPLY(name, type, read)                                                                                     \
    PLN_INLINE void name(const PLN_T *matrix, const PLN_T *bias, const type *vector, int64_t columns, int64_t first,   \
                         int64_t end, PLN_ACC *out)                                                                    \
    {                                                                                                                  \
        const int lane = threadIdx.x % WARP;                                                                           \
        for (int64_t row = first + threadIdx.x / WARP; row < end; row += PLN_THREADS / WARP) {                         \
            PLN_ACC sum = 0;                                                                                           \
            for (int64_t k = lane; k < columns; k += WARP) sum += number(matrix, row * columns + k) * read(vector, k); \
            for (int flip = WARP / 2; flip > 0; flip /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, flip);             \
            if (lane == 0) out[row] = sum + (bias ? number(bias, row) : (PLN_ACC)0);                                   \
        }                                                                                                              \
    }
MULTIPLY(multiply_input, PLN_T, number)
MULTIPLY(multiply_state, PLN_ACC, own_number)

/* ---- the new state from gates_x = x W + Wb and gates_h = h R + Rb ---- */

#if PLN_GATES == 1
PLN_INLINE void update(const struct pln_cuda_rnn_params *p, const struct sequence *s)
{
    for (int64_t j = threadIdx.x; j < p->hidden; j += PLN_THREADS)
        s->h[j] = gate(p, s, 0, s->gates_x[j] + s->gates_h[j]);
}
#elif PLN_GATES == 3
/* Gates z, r, h. */
PLN_INLINE void update(const struct pln_cuda_rnn_params *p, const struct sequence *s)
{
    const int64_t n = p->hidden;
    for (int64_t j = threadIdx.x; j < n; j += PLN_THREADS) {
        s->gates_x[j] = gate(p, s, 0, s->gates_x[j] + s->gates_h[j]);
        const PLN_ACC reset = gate(p, s, 0, s->gates_x[n + j] + s->gates_h[n + j]);
        s->reset[j] = p->linear_before_reset ? reset : reset * s->h[j];
    }
    __syncthreads();
    if (!p->linear_before_reset) multiply_state(s->r, s->bias_r, s->reset, n, 2 * n, 3 * n, s->gates_h);
    __syncthreads();
    for (int64_t j = threadIdx.x; j < n; j += PLN_THREADS) {
        const PLN_ACC from_h = s->gates_h[2 * n + j], z = s->gates_x[j];
        const PLN_ACC candidate =
            gate(p, s, 1, s->gates_x[2 * n + j] + (p->linear_before_reset ? s->reset[j] * from_h : from_h));
        s->h[j] = (1 - z) * candidate + z * s->h[j];
    }
}
#else
/* Gates i, o, f, c; peepholes i, o, f. */
PLN_INLINE void update(const struct pln_cuda_rnn_params *p, const struct sequence *s)
{
    const int64_t n = p->hidden;
    for (int64_t j = threadIdx.x; j < n; j += PLN_THREADS) {
        const PLN_T *peep = s->peephole;
        PLN_ACC c = s->c[j];
        const PLN_ACC in = gate(p, s, 0, s->gates_x[j] + s->gates_h[j] + (peep ? number(peep, j) * c : (PLN_ACC)0));
        const PLN_ACC kept =
            s->gates_x[2 * n + j] + s->gates_h[2 * n + j] + (peep ? number(peep, 2 * n + j) * c : (PLN_ACC)0);
        const PLN_ACC forget = p->input_forget ? 1 - in : gate(p, s, 0, kept);
        c = forget * c + in * gate(p, s, 1, s->gates_x[3 * n + j] + s->gates_h[3 * n + j]);
        const PLN_ACC out =
            gate(p, s, 0, s->gates_x[n + j] + s->gates_h[n + j] + (peep ? number(peep, n + j) * c : (PLN_ACC)0));
        s->c[j] = c;
        s->h[j] = out * activate(&p->activations[s->direction * EACH + 2], c);
    }
}
#endif

/* ---- one sequence ---- */

/* Row of a state tensor. */
PLN_INLINE int64_t state_row(const struct pln_cuda_rnn_params *p, const struct sequence *s)
{
    return (p->by_batch ? s->b * p->directions + s->direction : s->direction * p->batch + s->b) * p->hidden;
}

PLN_INLINE PLN_T *y_row(const struct pln_cuda_rnn_params *p, const struct sequence *s, int64_t t)
{
    const int64_t row = p->by_batch ? (s->b * p->seq + t) * p->directions + s->direction
                                    : (t * p->directions + s->direction) * p->batch + s->b;
    return (PLN_T *)p->y + row * p->hidden;
}

PLN_INLINE void open_sequence(const struct pln_cuda_rnn_params *p, int64_t task, PLN_ACC *memory, struct sequence *s)
{
    const int64_t n = p->hidden, rows = PLN_GATES * n;
    s->direction = task / p->batch;
    s->b = task % p->batch;
    s->w = (const PLN_T *)p->w + s->direction * rows * p->in;
    s->r = (const PLN_T *)p->r + s->direction * rows * n;
    s->bias_w = p->b ? (const PLN_T *)p->b + s->direction * 2 * rows : (const PLN_T *)0;
    s->bias_r = p->b ? s->bias_w + rows : (const PLN_T *)0;
    s->peephole = p->peephole ? (const PLN_T *)p->peephole + s->direction * 3 * n : (const PLN_T *)0;
    s->h = memory;
    s->c = s->h + n;
    s->reset = s->c + n;
    s->gates_x = s->reset + n;
    s->gates_h = s->gates_x + rows;
}

/* Where the sequence starts, or, behind an empty one, zeros, as ONNX Runtime has it (ONNX does not say). */
PLN_INLINE void start_state(const struct pln_cuda_rnn_params *p, const struct sequence *s, bool empty)
{
    const int64_t at = state_row(p, s);
    for (int64_t j = threadIdx.x; j < p->hidden; j += PLN_THREADS) {
        s->h[j] = p->initial_h && !empty ? number((const PLN_T *)p->initial_h, at + j) : (PLN_ACC)0;
        s->c[j] = p->initial_c && !empty ? number((const PLN_T *)p->initial_c, at + j) : (PLN_ACC)0;
    }
    __syncthreads();
}

PLN_INLINE int64_t length_of(const struct pln_cuda_rnn_params *p, int64_t b)
{
    if (p->lengths.n < 0) return p->seq;
    const int64_t length = pln_int_at(&p->lengths, b);
    if (length >= 0 && length <= p->seq) return length;
    pln_fault(&p->head, 1);
    return 0;
}

PLN_INLINE void run_sequence(const struct pln_cuda_rnn_params *p, const struct sequence *s)
{
    const int64_t length = length_of(p, s->b), n = p->hidden, rows = PLN_GATES * n;
    const bool reverse = s->direction == 1 || p->reverse_first;
    start_state(p, s, p->lengths.n >= 0 && length == 0);
    for (int64_t step = 0; step < length; step++) {
        const int64_t t = reverse ? length - 1 - step : step,
                      row = p->by_batch ? s->b * p->seq + t : t * p->batch + s->b;
        multiply_input(s->w, s->bias_w, (const PLN_T *)p->x + row * p->in, p->in, 0, rows, s->gates_x);
        multiply_state(s->r, s->bias_r, s->h, n, 0, rows, s->gates_h);
        __syncthreads();
        update(p, s);
        __syncthreads();
        for (int64_t j = threadIdx.x; p->y && j < n; j += PLN_THREADS) pln_store(y_row(p, s, t) + j, s->h[j]);
    }
    for (int64_t t = length; p->y && t < p->seq; t++)
        for (int64_t j = threadIdx.x; j < n; j += PLN_THREADS) pln_store(y_row(p, s, t) + j, (PLN_ACC)0);
    for (int64_t j = threadIdx.x; j < n; j += PLN_THREADS) {
        if (p->last_h) pln_store((PLN_T *)p->last_h + state_row(p, s) + j, s->h[j]);
        if (p->last_c) pln_store((PLN_T *)p->last_c + state_row(p, s) + j, s->c[j]);
    }
}

extern "C" __global__ void __launch_bounds__(PLN_THREADS) pln_entry(const struct pln_cuda_rnn_params *p)
{
    PLN_DYNAMIC_SHARED(PLN_ACC, block_memory);
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) {
        struct sequence s;
        open_sequence(p, task, p->in_block ? block_memory : (PLN_ACC *)p->head.shared + task * p->state_words, &s);
        run_sequence(p, &s);
        __syncthreads();
    }
}
