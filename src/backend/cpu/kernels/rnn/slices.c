/* What the slices of a job's phases compute. */
#include "backend/cpu/kernels/rnn/rnn.h"

/* Slices of a weight that is packed. */
#define PACK_SLICES 8

int64_t pln_rnn_length(const struct pln_rnn_state *s, int64_t sequence)
{
    if (s->lengths.data == NULL) return s->seq;
    int64_t wide;
    int32_t narrow;
    if (!s->lengths_wide) {
        memcpy(&narrow, s->lengths.data + sequence * 4, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, s->lengths.data + sequence * 8, sizeof wide);
    return wide;
}

static const float *float_at(const struct pln_rnn_operand *operand, int64_t direction, int64_t sequence, int64_t step)
{
    return (const float *)(const void *)operand->data + direction * operand->direction + sequence * operand->batch + step * operand->step;
}

static float *out_at(const struct pln_rnn_operand *operand, int64_t direction, int64_t sequence, int64_t step)
{
    return (float *)(void *)operand->data + direction * operand->direction + sequence * operand->batch + step * operand->step;
}

/* from NULL: zeros. */
static void store(const float *from, int64_t n, float *to, int64_t stride)
{
    if (stride == 1 && from != NULL) {
        memcpy(to, from, (size_t)n * sizeof *to);
        return;
    }
    for (int64_t j = 0; j < n; j++) to[j * stride] = from != NULL ? from[j] : 0.0f;
}

static bool is_reverse(const struct pln_rnn_job *job)
{
    return job->direction == 1 || job->s->reverse_first;
}

/* The element of a sequence that a step meets; -1: the sequence is over. */
static int64_t place_of(const struct pln_rnn_job *job, int64_t sequence, int64_t step)
{
    const int64_t length = pln_rnn_length(job->s, sequence);
    if (step >= length) return -1;
    return is_reverse(job) ? length - 1 - step : step;
}

/* Steps of a chunk. */
static int64_t chunk_length(const struct pln_rnn_state *s, int64_t chunk)
{
    return PLN_MIN(s->chunk_steps, s->seq - chunk * s->chunk_steps);
}

/* ---- the beginning ---- */

/* State rows, padded with zeros, of all sequences. */
static void begin_state(const struct pln_rnn_job *job, const struct pln_rnn_operand *initial, float *rows)
{
    const struct pln_rnn_state *s = job->s;
    memset(rows, 0, (size_t)(s->batch * s->row) * sizeof *rows);
    for (int64_t b = 0; initial->data != NULL && b < s->batch; b++) {
        /* ONNX does not say what the last state of an empty sequence is; ONNX Runtime gives zeros. */
        if (s->lengths.data != NULL && pln_rnn_length(s, b) == 0) continue;
        memcpy(rows + b * s->row, float_at(initial, job->direction, b, 0), (size_t)s->hidden * sizeof *rows);
    }
}

/* Both biases of a gate are added at once, but for the last gate of a GRU that resets its product. */
static void begin_bias(const struct pln_rnn_job *job)
{
    const struct pln_rnn_state *s = job->s;
    const bool apart = s->kind == PLN_RNN_GRU && s->gates[0].linear_before_reset;
    float *bias = job->arrays + s->at.bias;
    memset(bias, 0, (size_t)((s->n_gates + 1) * s->row) * sizeof *bias);
    if (s->bias.data == NULL) return;
    const float *of_w = float_at(&s->bias, job->direction, 0, 0), *of_r = of_w + s->columns;
    for (int g = 0; g < s->n_gates; g++)
        for (int64_t j = 0; j < s->hidden; j++) {
            const bool own = apart && g == s->n_gates - 1;
            bias[g * s->row + j] = of_w[g * s->hidden + j] + (own ? 0.0f : of_r[g * s->hidden + j]);
            if (own) bias[s->n_gates * s->row + j] = of_r[g * s->hidden + j];
        }
}

static void begin_arrays(const struct pln_rnn_job *job)
{
    const struct pln_rnn_state *s = job->s;
    begin_state(job, &s->initial_h, job->arrays + s->at.h);
    begin_bias(job);
    if (s->kind != PLN_RNN_LSTM) return;
    begin_state(job, &s->initial_c, job->arrays + s->at.c);
    if (s->peephole.data == NULL) return;
    float *peephole = job->arrays + s->at.peephole;
    memset(peephole, 0, (size_t)(3 * s->row) * sizeof *peephole);
    for (int g = 0; g < 3; g++) memcpy(peephole + g * s->row, float_at(&s->peephole, job->direction, 0, 0) + g * s->hidden, (size_t)s->hidden * sizeof *peephole);
}

static const float *panels_of(const struct pln_rnn_job *job, const struct pln_rnn_weights *weights)
{
    const float *all = weights->panels != NULL ? weights->panels : job->packed + weights->packed_at;
    return all + job->direction * weights->direction_floats;
}

static void pack_slice(const struct pln_rnn_job *job, const struct pln_rnn_weights *weights, int slice)
{
    const int64_t n_panels = (job->s->columns + PLN_GEMM_PANEL - 1) / PLN_GEMM_PANEL;
    const int64_t first = slice * n_panels / PACK_SLICES * PLN_GEMM_PANEL, end = PLN_MIN((slice + 1) * n_panels / PACK_SLICES * PLN_GEMM_PANEL, job->s->columns);
    float *to = job->packed + weights->packed_at + job->direction * weights->direction_floats + first * weights->k;
    if (first < end) pln_gemm_pack(PLN_GEMM_PANEL, float_at(&weights->plain, job->direction, 0, 0) + first * weights->row, 1, weights->row, weights->k, end - first, to);
}

static void begin(const struct pln_rnn_job *job, int slice)
{
    const struct pln_rnn_state *s = job->s;
    if (slice == 0) {
        begin_arrays(job);
        return;
    }
    const bool first = s->w.panels == NULL && slice <= PACK_SLICES;
    pack_slice(job, first ? &s->w : &s->r, (slice - 1) % PACK_SLICES);
}

/* ---- products of inputs ---- */

/* Rows of a chunk's inputs, step by step; those of sequences that are over are zeros. */
struct inputs {
    const struct pln_rnn_job *job;
    int64_t first_step, first_row;
};

static void fill_inputs(const void *user, int64_t row, int64_t n, int64_t k0, int64_t kn, float *to)
{
    const struct inputs *inputs = user;
    const struct pln_rnn_state *s = inputs->job->s;
    for (int64_t i = 0; i < n; i++, to += kn) {
        const int64_t at = inputs->first_row + row + i, sequence = at % s->batch, place = place_of(inputs->job, sequence, inputs->first_step + at / s->batch);
        if (place < 0)
            memset(to, 0, (size_t)kn * sizeof *to);
        else
            memcpy(to, float_at(&s->x, 0, sequence, place) + k0, (size_t)kn * sizeof *to);
    }
}

static void multiply_inputs(const struct pln_rnn_job *job, int64_t chunk, int slice)
{
    const struct pln_rnn_state *s = job->s;
    static const struct pln_epilogue none;
    struct pln_epilogue_run epilogue = { .epilogue = &none };
    struct inputs inputs = { .job = job, .first_step = chunk * s->chunk_steps };
    const int64_t steps = chunk_length(s, chunk), rows = steps * s->batch, col = slice * s->product_cols;
    const float *x = float_at(&s->x, 0, 0, is_reverse(job) ? s->seq - inputs.first_step - steps : inputs.first_step);
    struct pln_gemm_block block = { .isa = s->gemm, .cols = PLN_MIN(s->product_cols, s->columns - col), .k = s->in, .a_row = s->x_row, .a_col = 1, .user = &inputs };
    if (s->x_row == 0) block.fill_a = fill_inputs;
    block.panels = panels_of(job, &s->w) + col * s->in;
    block.c_row = s->columns;
    block.epilogue = &epilogue;
    block.scratch_a = job->scratch;
    for (; inputs.first_row < rows; inputs.first_row += PLN_RNN_INPUT_ROWS) {
        block.rows = PLN_MIN((int64_t)PLN_RNN_INPUT_ROWS, rows - inputs.first_row);
        block.a = x + inputs.first_row * s->x_row;
        block.c = job->arrays + s->at.x + inputs.first_row * s->columns + col;
        pln_gemm_block_run(&block);
    }
}

/* The product of the input that a sequence meets at a step. */
static const float *product_of(const struct pln_rnn_job *job, int64_t step, int64_t sequence)
{
    const struct pln_rnn_state *s = job->s;
    int64_t at = step % s->chunk_steps;
    if (s->x_row != 0 && is_reverse(job)) at = chunk_length(s, step / s->chunk_steps) - 1 - at;
    return job->arrays + s->at.x + (at * s->batch + sequence) * s->columns;
}

/* ---- steps ---- */

/* What a slice of a step computes: hidden units [unit, unit + n_units) of sequences [sequence, sequence + n). */
struct part {
    int64_t step, unit, n_units, sequence, n;
    int first_gate, n_gates;
    bool first; /* of the two phases of a step, or the only one */
};

static float *state_of(const struct pln_rnn_job *job, int64_t step)
{
    return job->arrays + job->s->at.h + step % 2 * job->s->batch * job->s->row;
}

int64_t pln_rnn_product_floats(const struct pln_rnn_state *s)
{
    const int64_t panels = (s->unit_block + PLN_GEMM_PANEL - 1) / PLN_GEMM_PANEL + 1;
    return s->n_gates * panels * PLN_GEMM_PANEL;
}

/* The state times the gates' columns, whole panels of them: all gates at once where the slice has all units. Says where each gate's first unit lies. */
static void multiply_state(const struct pln_rnn_job *job, const struct part *part, const float *from, int64_t n, const float **out_products)
{
    const struct pln_rnn_state *s = job->s;
    const int64_t c_row = pln_rnn_product_floats(s);
    const bool whole = part->n_units == s->hidden;
    float *to = job->scratch;
    for (int g = part->first_gate; g < part->first_gate + part->n_gates; g += whole ? part->n_gates : 1) {
        const int64_t first = g * s->hidden + part->unit, end = first + (whole ? part->n_gates * s->hidden : part->n_units);
        const int64_t panel = first / PLN_GEMM_PANEL, n_panels = (end + PLN_GEMM_PANEL - 1) / PLN_GEMM_PANEL - panel;
        s->isa->multiply(n, from, s->row, s->hidden, panels_of(job, &s->r) + panel * PLN_GEMM_PANEL * s->hidden, n_panels, to, c_row);
        for (int i = g; i < (whole ? g + part->n_gates : g + 1); i++) out_products[i] = to + first % PLN_GEMM_PANEL + (i - g) * s->hidden;
        to += n_panels * PLN_GEMM_PANEL;
    }
}

static void apply_gates(const struct pln_rnn_state *s, const struct part *part, const struct pln_rnn_units *units)
{
    if (s->kind == PLN_RNN_LSTM)
        s->isa->lstm(units);
    else if (s->kind == PLN_RNN_RNN)
        s->isa->rnn(units);
    else if (s->phases_a_step == 1)
        s->isa->gru(units);
    else if (part->first)
        s->isa->gru_reset(units);
    else
        s->isa->gru_update(units);
}

/* One sequence; products: of its state. */
static void step_sequence(const struct pln_rnn_job *job, const struct part *part, int64_t sequence, const float *const *products)
{
    const struct pln_rnn_state *s = job->s;
    const int64_t at = sequence * s->row + part->unit, place = place_of(job, sequence, part->step);
    const float *x = product_of(job, part->step, sequence) + part->unit;
    const float *h = state_of(job, part->step) + at;
    float *h_next = state_of(job, part->step + 1) + at, *arrays = job->arrays;
    struct pln_rnn_units units = { .gates = &s->gates[job->direction], .n = part->n_units, .bias = arrays + s->at.bias + part->unit, .bias_gate = s->row };
    const bool last = !part->first || s->phases_a_step == 1;
    if (place < 0) { /* over: its state stays, and there is nothing in y */
        if (last) memcpy(h_next, h, (size_t)part->n_units * sizeof *h);
        if (last && s->y.data != NULL) store(NULL, part->n_units, out_at(&s->y, job->direction, sequence, part->step) + part->unit * s->y.unit, s->y.unit);
        return;
    }
    for (int g = 0; g < s->n_gates; g++) units.x[g] = x + g * s->hidden;
    memcpy(units.r, products, sizeof units.r);
    if (s->peephole.data != NULL) units.peephole = arrays + s->at.peephole + part->unit;
    units.h = h;
    units.h_next = h_next;
    units.c = arrays + s->at.c + at;
    units.z = arrays + s->at.z + at;
    units.reset_h = arrays + s->at.reset_h + at;
    apply_gates(s, part, &units);
    if (last && s->y.data != NULL) store(h_next, part->n_units, out_at(&s->y, job->direction, sequence, place) + part->unit * s->y.unit, s->y.unit);
}

static void run_step(const struct pln_rnn_job *job, struct part *part, int slice)
{
    const struct pln_rnn_state *s = job->s;
    const float *from = part->first || s->phases_a_step == 1 ? state_of(job, part->step) : job->arrays + s->at.reset_h, *products[PLN_RNN_GATES_MAX] = { NULL };
    const int64_t row_floats = pln_rnn_product_floats(s);
    part->unit = slice % s->n_unit_blocks * s->unit_block;
    part->n_units = PLN_MIN(s->unit_block, s->hidden - part->unit);
    part->sequence = slice / s->n_unit_blocks * s->row_block;
    part->n = PLN_MIN(s->row_block, s->batch - part->sequence);
    for (int64_t row = 0; row < part->n; row += PLN_RNN_ROWS) {
        const int64_t n = PLN_MIN((int64_t)PLN_RNN_ROWS, part->n - row);
        multiply_state(job, part, from + (part->sequence + row) * s->row, n, products);
        for (int64_t i = 0; i < n; i++) {
            step_sequence(job, part, part->sequence + row + i, products);
            for (int g = part->first_gate; g < part->first_gate + part->n_gates; g++) products[g] += row_floats;
        }
    }
}

/* ---- the end ---- */

static void end_states(const struct pln_rnn_job *job)
{
    const struct pln_rnn_state *s = job->s;
    const float *h = state_of(job, s->seq), *c = job->arrays + s->at.c;
    for (int64_t b = 0; b < s->batch; b++) {
        if (s->last_h.data != NULL) store(h + b * s->row, s->hidden, out_at(&s->last_h, job->direction, b, 0), s->last_h.unit);
        if (s->last_c.data != NULL) store(c + b * s->row, s->hidden, out_at(&s->last_c, job->direction, b, 0), s->last_c.unit);
    }
}

/* ---- phases ---- */

int pln_rnn_slices(const struct pln_rnn_state *s, uint32_t phase)
{
    if (phase == 0) return 1 + PACK_SLICES * ((s->w.panels == NULL) + (s->r.panels == NULL));
    if (phase == s->n_phases - 1) return 1;
    const bool products = (int64_t)(phase - 1) % (1 + s->chunk_steps * s->phases_a_step) == 0;
    return products ? s->n_products : s->n_unit_blocks * s->n_row_blocks;
}

void pln_rnn_run_slice(const struct pln_rnn_job *job, uint32_t phase, int slice)
{
    const struct pln_rnn_state *s = job->s;
    if (phase == 0) {
        begin(job, slice);
    } else if (phase == s->n_phases - 1) {
        end_states(job);
    } else {
        const int64_t a_chunk = 1 + s->chunk_steps * s->phases_a_step, chunk = (phase - 1) / a_chunk, rest = (phase - 1) % a_chunk - 1;
        struct part part = { .step = chunk * s->chunk_steps + rest / s->phases_a_step, .first = rest % s->phases_a_step == 0 };
        const bool two = s->phases_a_step == 2;
        part.first_gate = two && !part.first ? 2 : 0;
        part.n_gates = two ? (part.first ? 2 : 1) : s->n_gates;
        if (rest < 0)
            multiply_inputs(job, chunk, slice);
        else
            run_step(job, &part, slice);
    }
}
