#include "backend/ref/rnn.h"

#include <math.h>

#include "backend/ref/real.h"

/* Sizes, weights and options of one call. Arrays are whole tensors as doubles; NULL: left out. */
struct recurrent {
    unsigned kind;
    int gates, directions, activations_each;
    bool reverse_first, by_batch, has_clip, input_forget, linear_before_reset;
    double clip;
    int64_t seq, batch, in, hidden;
    const double *x, *w, *r, *b, *initial_h, *initial_c, *peephole;
    const int64_t *lengths;
    struct pln_rnn_activation activations[6];
    double *gates_x;           /* [gates * hidden]: x W + Wb, then also + h R + Rb */
    double *gates_h;           /* [gates * hidden]: h R + Rb */
    double *h, *c, *reset, *y; /* state: [directions, batch, hidden]; reset: [hidden]; y: [seq, directions, batch, hidden] */
};

static double clipped(const struct recurrent *rnn, double x)
{
    if (!rnn->has_clip) return x;
    return x < -rnn->clip ? -rnn->clip : x > rnn->clip ? rnn->clip : x;
}

static double activated(const struct recurrent *rnn, int direction, int which, double x)
{
    return pln_ref_activate(&rnn->activations[direction * rnn->activations_each + which], clipped(rnn, x));
}

/* out[row] = bias[row] + matrix[row, :] . vector, rows [first, end). */
static void multiply(const double *matrix, const double *bias, const double *vector, int64_t columns, int64_t first, int64_t end, double *out)
{
    for (int64_t row = first; row < end; row++) {
        double sum = bias ? bias[row] : 0;
        for (int64_t k = 0; k < columns; k++) sum += matrix[row * columns + k] * vector[k];
        out[row] = sum;
    }
}

static void step_rnn(const struct recurrent *rnn, int direction, double *h)
{
    for (int64_t j = 0; j < rnn->hidden; j++) h[j] = activated(rnn, direction, 0, rnn->gates_x[j] + rnn->gates_h[j]);
}

/* Gates z, r, h. */
static void step_gru(const struct recurrent *rnn, int direction, double *h)
{
    int64_t n = rnn->hidden;
    double *z = rnn->gates_x, *candidate = rnn->gates_x + 2 * n;
    const double *recurrence = rnn->r + direction * 3 * n * n, *bias = rnn->b ? rnn->b + direction * 6 * n + 3 * n : NULL;
    for (int64_t j = 0; j < n; j++) {
        z[j] = activated(rnn, direction, 0, z[j] + rnn->gates_h[j]);
        double reset = activated(rnn, direction, 0, rnn->gates_x[n + j] + rnn->gates_h[n + j]);
        rnn->reset[j] = rnn->linear_before_reset ? reset : reset * h[j];
    }
    if (!rnn->linear_before_reset) multiply(recurrence, bias, rnn->reset, n, 2 * n, 3 * n, rnn->gates_h);
    for (int64_t j = 0; j < n; j++) {
        double from_h = rnn->gates_h[2 * n + j];
        candidate[j] = activated(rnn, direction, 1, candidate[j] + (rnn->linear_before_reset ? rnn->reset[j] * from_h : from_h));
        h[j] = (1 - z[j]) * candidate[j] + z[j] * h[j];
    }
}

/* Gates i, o, f, c; peepholes i, o, f. */
static void step_lstm(const struct recurrent *rnn, int direction, double *h, double *c)
{
    int64_t n = rnn->hidden;
    const double *p = rnn->peephole ? rnn->peephole + direction * 3 * n : NULL;
    for (int64_t j = 0; j < n; j++) {
        double in = rnn->gates_x[j] + rnn->gates_h[j], out = rnn->gates_x[n + j] + rnn->gates_h[n + j];
        double forget = rnn->gates_x[2 * n + j] + rnn->gates_h[2 * n + j], cell = rnn->gates_x[3 * n + j] + rnn->gates_h[3 * n + j];
        in = activated(rnn, direction, 0, in + (p ? p[j] * c[j] : 0));
        forget = rnn->input_forget ? 1 - in : activated(rnn, direction, 0, forget + (p ? p[2 * n + j] * c[j] : 0));
        c[j] = forget * c[j] + in * activated(rnn, direction, 1, cell);
        out = activated(rnn, direction, 0, out + (p ? p[n + j] * c[j] : 0));
        h[j] = out * pln_ref_activate(&rnn->activations[direction * 3 + 2], c[j]);
    }
}

static void run_step(const struct recurrent *rnn, int direction, const double *x, double *h, double *c)
{
    int64_t rows = rnn->gates * rnn->hidden;
    const double *bias = rnn->b ? rnn->b + direction * 2 * rows : NULL;
    multiply(rnn->w + direction * rows * rnn->in, bias, x, rnn->in, 0, rows, rnn->gates_x);
    multiply(rnn->r + direction * rows * rnn->hidden, bias ? bias + rows : NULL, h, rnn->hidden, 0, rows, rnn->gates_h);
    switch ((enum pln_rnn_kind)rnn->kind) {
    case PLN_RNN_NONE:
    case PLN_RNN_RNN:
        step_rnn(rnn, direction, h);
        break;
    case PLN_RNN_GRU:
        step_gru(rnn, direction, h);
        break;
    case PLN_RNN_LSTM:
        step_lstm(rnn, direction, h, c);
        break;
    }
}

/* One sequence in one direction; steps past its length leave zeros in y. */
static void run_sequence(const struct recurrent *rnn, int direction, int64_t b)
{
    int64_t length = rnn->lengths ? rnn->lengths[b] : rnn->seq, n = rnn->hidden;
    int64_t state = (direction * rnn->batch + b) * n;
    bool reverse = direction == 1 || rnn->reverse_first;
    /* ONNX does not say what the last state of an empty sequence is; ONNX Runtime gives zeros. */
    if (rnn->lengths && length == 0) {
        memset(rnn->h + state, 0, (size_t)n * sizeof(double));
        memset(rnn->c + state, 0, (size_t)n * sizeof(double));
    }
    for (int64_t step = 0; step < length; step++) {
        int64_t t = reverse ? length - 1 - step : step;
        int64_t row = rnn->by_batch ? b * rnn->seq + t : t * rnn->batch + b;
        run_step(rnn, direction, rnn->x + row * rnn->in, rnn->h + state, rnn->c + state);
        memcpy(rnn->y + ((t * rnn->directions + direction) * rnn->batch + b) * n, rnn->h + state, (size_t)n * sizeof(double));
    }
}

/* Dims of an optional input must be these. */
static enum pln_status check_dims(struct pln_call *call, int i, int rank, int64_t d0, int64_t d1, int64_t d2)
{
    const struct pln_tensor *t = pln_call_in(call, i);
    int64_t dims[3] = { d0, d1, d2 };
    if (!t) return PLN_OK;
    bool fits = t->rank == rank;
    for (int d = 0; fits && d < rank; d++) fits = t->dims[d] == dims[d];
    if (fits) return PLN_OK;
    char text[128];
    return pln_call_fail(call, PLN_BAD_MODEL, "input %d is %s, which does not fit %lld inputs, %lld hidden units, batch %lld", i,
                         pln_tensor_describe(t, text, sizeof(text)), (long long)dims[0], (long long)dims[1], (long long)dims[2]);
}

static enum pln_status check_shapes(struct pln_call *call, const struct recurrent *rnn)
{
    int64_t rows, dirs = rnn->directions, batch = rnn->batch, hidden = rnn->hidden;
    if (!pln_mul_i64(rnn->gates * 2, hidden, &rows)) return pln_call_fail(call, PLN_BAD_MODEL, "shapes are too large");
    PLN_TRY(check_dims(call, 1, 3, dirs, rows / 2, rnn->in));
    PLN_TRY(check_dims(call, 2, 3, dirs, rows / 2, hidden));
    PLN_TRY(check_dims(call, 3, 2, dirs, rows, 0));
    PLN_TRY(check_dims(call, 4, 1, batch, 0, 0));
    for (int i = 5; i <= 6 && i < (rnn->kind == PLN_RNN_LSTM ? 7 : 6); i++) {
        PLN_TRY(check_dims(call, i, 3, rnn->by_batch ? batch : dirs, rnn->by_batch ? dirs : batch, hidden));
    }
    return rnn->kind == PLN_RNN_LSTM ? check_dims(call, 7, 2, dirs, 3 * hidden, 0) : PLN_OK;
}

static enum pln_status read_kind(struct pln_call *call, struct recurrent *rnn)
{
    rnn->kind = call->kind;
    rnn->gates = pln_rnn_gates(rnn->kind);
    rnn->activations_each = pln_rnn_functions(rnn->kind);
    rnn->directions = pln_rnn_directions(call->attrs);
    rnn->reverse_first = pln_str_equal(pln_attrs_string(call->attrs, "direction", "forward"), "reverse");
    if (rnn->directions == 0) return pln_call_fail(call, PLN_BAD_MODEL, "direction is none of forward, reverse, bidirectional");
    rnn->by_batch = pln_attrs_int(call->attrs, "layout", 0) != 0;
    rnn->has_clip = pln_attrs_has(call->attrs, "clip");
    rnn->clip = fabs((double)pln_attrs_float(call->attrs, "clip", 0));
    rnn->input_forget = pln_attrs_int(call->attrs, "input_forget", 0) != 0;
    rnn->linear_before_reset = pln_attrs_int(call->attrs, "linear_before_reset", 0) != 0;
    const char *why = pln_rnn_activations(call->attrs, rnn->kind, rnn->directions, rnn->activations);
    return why ? pln_call_fail(call, PLN_BAD_MODEL, "%s", why) : PLN_OK;
}

static enum pln_status read_inputs(struct pln_call *call, struct recurrent *rnn)
{
    const struct pln_tensor *x, *w, *r;
    int64_t n_lengths;
    PLN_TRY(pln_call_need(call, 0, &x));
    PLN_TRY(pln_call_need(call, 1, &w));
    PLN_TRY(pln_call_need(call, 2, &r));
    if (x->rank != 3 || r->rank != 3) return pln_call_fail(call, PLN_BAD_MODEL, "input of rank %d, recurrence weights of rank %d", x->rank, r->rank);
    rnn->seq = x->dims[rnn->by_batch ? 1 : 0];
    rnn->batch = x->dims[rnn->by_batch ? 0 : 1];
    rnn->in = x->dims[2];
    rnn->hidden = r->dims[2];
    int64_t told = pln_attrs_int(call->attrs, "hidden_size", 0);
    if (told > 0 && told != rnn->hidden) return pln_call_fail(call, PLN_BAD_MODEL, "hidden_size is %lld", (long long)told);
    PLN_TRY(check_shapes(call, rnn));
    PLN_TRY(pln_call_ints(call, 4, &rnn->lengths, &n_lengths));
    for (int64_t b = 0; rnn->lengths && b < rnn->batch; b++) {
        if (rnn->lengths[b] < 0 || rnn->lengths[b] > rnn->seq) return pln_call_fail(call, PLN_BAD_MODEL, "sequence_lens holds %lld", (long long)rnn->lengths[b]);
    }
    PLN_TRY(pln_ref_reals(call, x, &rnn->x));
    PLN_TRY(pln_ref_reals(call, w, &rnn->w));
    PLN_TRY(pln_ref_reals(call, r, &rnn->r));
    PLN_TRY(pln_ref_reals_in(call, 3, &rnn->b));
    PLN_TRY(pln_ref_reals_in(call, 5, &rnn->initial_h));
    if (rnn->kind != PLN_RNN_LSTM) return PLN_OK;
    PLN_TRY(pln_ref_reals_in(call, 6, &rnn->initial_c));
    return pln_ref_reals_in(call, 7, &rnn->peephole);
}

/* Copies [directions, batch, hidden] from or to [batch, directions, hidden]. */
static void swap_axes(const double *from, int64_t outer, int64_t inner, int64_t hidden, double *to)
{
    for (int64_t i = 0; i < outer; i++) {
        for (int64_t j = 0; j < inner; j++) memcpy(to + (j * outer + i) * hidden, from + (i * inner + j) * hidden, (size_t)hidden * sizeof(double));
    }
}

static void set_state(const struct recurrent *rnn, const double *initial, double *state)
{
    if (!initial) return;
    if (rnn->by_batch) {
        swap_axes(initial, rnn->batch, rnn->directions, rnn->hidden, state);
    } else {
        memcpy(state, initial, (size_t)(rnn->directions * rnn->batch * rnn->hidden) * sizeof(double));
    }
}

static enum pln_status write_state(struct pln_call *call, int i, const struct recurrent *rnn, const double *state)
{
    int64_t dims[3] = { rnn->directions, rnn->batch, rnn->hidden }, by_batch[3] = { rnn->batch, rnn->directions, rnn->hidden };
    struct pln_tensor out;
    double *swapped;
    if (i >= call->n_outputs || !call->wanted[i]) return PLN_OK;
    PLN_TRY(pln_call_out(call, i, call->inputs[0]->tensor.dtype, 3, rnn->by_batch ? by_batch : dims, &out));
    int64_t n = pln_tensor_count(&out);
    if (n == 0) return PLN_OK;
    if (rnn->by_batch) {
        PLN_TRY(pln_ref_scratch_reals(call, n, &swapped));
        swap_axes(state, rnn->directions, rnn->batch, rnn->hidden, swapped);
        state = swapped;
    }
    pln_ref_store(&out, 0, n, state);
    return PLN_OK;
}

static enum pln_status write_sequence(struct pln_call *call, const struct recurrent *rnn)
{
    int64_t dims[4] = { rnn->seq, rnn->directions, rnn->batch, rnn->hidden }, by_batch[4] = { rnn->batch, rnn->seq, rnn->directions, rnn->hidden };
    struct pln_tensor out;
    if (call->n_outputs < 1 || !call->wanted[0]) return PLN_OK;
    PLN_TRY(pln_call_out(call, 0, call->inputs[0]->tensor.dtype, 4, rnn->by_batch ? by_batch : dims, &out));
    int64_t rows = rnn->seq * rnn->directions;
    for (int64_t i = 0; rnn->hidden > 0 && i < rows * rnn->batch; i++) {
        int64_t b = i % rnn->batch, row = i / rnn->batch;
        pln_ref_store(&out, (rnn->by_batch ? b * rows + row : i) * rnn->hidden, rnn->hidden, rnn->y + i * rnn->hidden);
    }
    return PLN_OK;
}

enum pln_status pln_ref_rnn(struct pln_call *call)
{
    struct recurrent rnn = { 0 };
    int64_t dims[4], n_y, n_state = 0;
    PLN_TRY(read_kind(call, &rnn));
    PLN_TRY(read_inputs(call, &rnn));
    dims[0] = rnn.seq;
    dims[1] = rnn.directions;
    dims[2] = rnn.batch;
    dims[3] = rnn.hidden;
    if (!pln_shape_count(4, dims, &n_y) || !pln_shape_count(3, dims + 1, &n_state)) return pln_call_fail(call, PLN_BAD_MODEL, "shapes are too large");
    PLN_TRY(pln_ref_scratch_reals(call, n_y, &rnn.y));
    PLN_TRY(pln_ref_scratch_reals(call, n_state, &rnn.h));
    PLN_TRY(pln_ref_scratch_reals(call, n_state, &rnn.c));
    PLN_TRY(pln_ref_scratch_reals(call, rnn.gates * rnn.hidden, &rnn.gates_x));
    PLN_TRY(pln_ref_scratch_reals(call, rnn.gates * rnn.hidden, &rnn.gates_h));
    PLN_TRY(pln_ref_scratch_reals(call, rnn.hidden, &rnn.reset));
    set_state(&rnn, rnn.initial_h, rnn.h);
    set_state(&rnn, rnn.initial_c, rnn.c);
    for (int direction = 0; direction < rnn.directions && n_state > 0; direction++) {
        for (int64_t b = 0; b < rnn.batch; b++) run_sequence(&rnn, direction, b);
    }
    PLN_TRY(write_sequence(call, &rnn));
    PLN_TRY(write_state(call, 1, &rnn, rnn.h));
    return rnn.kind == PLN_RNN_LSTM ? write_state(call, 2, &rnn, rnn.c) : PLN_OK;
}
