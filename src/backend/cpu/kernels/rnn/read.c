/* What a launch says: operands, extents, attributes. */
#include <math.h>

#include "backend/cpu/kernels/rnn/rnn.h"

static const struct pln_tensor *tensor_or_none(const struct pln_tensor *tensors, int n, int i)
{
    return i < n && tensors[i].dtype != PLN_DTYPE_NONE ? &tensors[i] : NULL;
}

/* axes: a letter a dim: d direction, b batch, s step, u unit. tensor NULL: left out. */
static bool read_operand(const struct pln_rnn_state *s, const struct pln_tensor *tensor, const char *axes, int64_t units, struct pln_rnn_operand *out)
{
    *out = (struct pln_rnn_operand){ 0 };
    if (tensor == NULL) return true;
    if (tensor->dtype != PLN_F32 || tensor->rank != (int)strlen(axes)) return false;
    for (int d = 0; d < tensor->rank; d++) {
        const char axis = axes[d];
        const int64_t dim = axis == 'd' ? s->directions : axis == 'b' ? s->batch : axis == 's' ? s->seq : units;
        int64_t *stride = axis == 'd' ? &out->direction : axis == 'b' ? &out->batch : axis == 's' ? &out->step : &out->unit;
        if (tensor->dims[d] != dim) return false;
        *stride = dim == 1 ? 1 : tensor->strides[d];
    }
    out->data = tensor->data;
    return true;
}

/* An input: its units lie side by side. */
static bool read_input(const struct pln_rnn_state *s, const struct pln_launch *launch, int i, const char *axes, int64_t units, struct pln_rnn_operand *out)
{
    return read_operand(s, tensor_or_none(launch->inputs, launch->n_inputs, i), axes, units, out) && (out->data == NULL || units <= 1 || out->unit == 1);
}

/* W or R, [direction, column, k]. */
static bool read_weights(const struct pln_rnn_state *s, const struct pln_tensor *tensor, int64_t k, size_t packed_bytes, struct pln_rnn_weights *out)
{
    size_t want_bytes = 0;
    if (tensor->dtype != PLN_F32 || tensor->rank != 3 || tensor->dims[0] != s->directions || tensor->dims[1] != s->columns || tensor->dims[2] != k) return false;
    if (!pln_pack_f32_nk_n16_v1.bytes(tensor, &want_bytes) || (packed_bytes != 0 && packed_bytes != want_bytes)) return false;
    if (packed_bytes == 0 && k > 1 && tensor->strides[2] != 1) return false;
    *out = (struct pln_rnn_weights){ .plain = { .data = tensor->data, .direction = tensor->strides[0] }, .row = tensor->strides[1], .k = k };
    out->panels = packed_bytes != 0 ? tensor->data : NULL;
    out->direction_floats = pln_gemm_packed_floats(PLN_GEMM_PANEL, k, s->columns);
    return true;
}

static bool read_lengths(struct pln_rnn_state *s, const struct pln_tensor *tensor)
{
    if (tensor == NULL) return true;
    if (tensor->rank != 1 || tensor->dims[0] != s->batch || (tensor->dtype != PLN_I32 && tensor->dtype != PLN_I64)) return false;
    if (s->batch > 1 && tensor->strides[0] != 1) return false;
    s->lengths.data = tensor->data;
    s->lengths_wide = tensor->dtype == PLN_I64;
    return true;
}

static bool read_inputs(const struct pln_launch *launch, bool by_batch, struct pln_rnn_state *s)
{
    const char *state_axes = by_batch ? "bdu" : "dbu";
    const bool lstm = s->kind == PLN_RNN_LSTM;
    return read_input(s, launch, 0, by_batch ? "bsu" : "sbu", s->in, &s->x) &&
           read_weights(s, &launch->inputs[1], s->in, launch->second_packed_bytes, &s->w) &&
           read_weights(s, &launch->inputs[2], s->hidden, launch->packed_bytes, &s->r) && read_input(s, launch, 3, "du", 2 * s->columns, &s->bias) &&
           read_lengths(s, tensor_or_none(launch->inputs, launch->n_inputs, 4)) && read_input(s, launch, 5, state_axes, s->hidden, &s->initial_h) &&
           (!lstm || read_input(s, launch, 6, state_axes, s->hidden, &s->initial_c)) &&
           (!lstm || read_input(s, launch, 7, "du", 3 * s->hidden, &s->peephole));
}

static bool read_outputs(const struct pln_launch *launch, bool by_batch, struct pln_rnn_state *s)
{
    const char *state_axes = by_batch ? "bdu" : "dbu";
    const struct pln_tensor *y = tensor_or_none(launch->outputs, launch->n_outputs, 0), *h = tensor_or_none(launch->outputs, launch->n_outputs, 1),
                            *c = tensor_or_none(launch->outputs, launch->n_outputs, 2);
    return read_operand(s, y, by_batch ? "bsdu" : "sdbu", s->hidden, &s->y) && read_operand(s, h, state_axes, s->hidden, &s->last_h) &&
           (s->kind != PLN_RNN_LSTM || read_operand(s, c, state_axes, s->hidden, &s->last_c));
}

static bool is_usual(const struct pln_rnn_gates *gates, unsigned kind)
{
    bool usual = !gates->has_clip;
    for (int i = 0; i < pln_rnn_functions(kind); i++)
        usual = usual && gates->activations[i].act == (i == 0 && kind != PLN_RNN_RNN ? PLN_RNN_ACT_SIGMOID : PLN_RNN_ACT_TANH);
    return usual;
}

/* NULL, or what is wrong. */
static const char *read_gates(const struct pln_attrs *attrs, struct pln_rnn_state *s)
{
    struct pln_rnn_activation activations[2 * PLN_RNN_FUNCTIONS_MAX];
    const char *why = pln_rnn_activations(attrs, s->kind, s->directions, activations);
    const int each = pln_rnn_functions(s->kind);
    for (int d = 0; why == NULL && d < s->directions; d++) {
        struct pln_rnn_gates *gates = &s->gates[d];
        *gates = (struct pln_rnn_gates){ .has_clip = pln_attrs_has(attrs, "clip"), .clip = fabsf(pln_attrs_float(attrs, "clip", 0)) };
        gates->input_forget = pln_attrs_int(attrs, "input_forget", 0) != 0;
        gates->linear_before_reset = pln_attrs_int(attrs, "linear_before_reset", 0) != 0;
        memcpy(gates->activations, activations + d * each, (size_t)each * sizeof *activations);
        gates->usual = is_usual(gates, s->kind);
    }
    return why;
}

enum pln_status pln_rnn_read(const struct pln_kernel *kernel, const struct pln_launch *launch, struct pln_diag *diag, struct pln_rnn_state *s)
{
    const struct pln_tensor *x = &launch->inputs[0], *r = &launch->inputs[2];
    const bool by_batch = pln_attrs_int(launch->attrs, "layout", 0) != 0;
    int64_t most;
    *s = (struct pln_rnn_state){ .kind = launch->kind, .n_gates = pln_rnn_gates(launch->kind), .directions = pln_rnn_directions(launch->attrs) };
    if (launch->n_inputs < 3 || launch->n_inputs > 8 || launch->n_outputs > 3) return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    if (s->kind != PLN_RNN_RNN && s->kind != PLN_RNN_GRU && s->kind != PLN_RNN_LSTM) return pln_fail(diag, PLN_BAD_PLAN, "%s: no such kind", kernel->name);
    if (s->directions == 0) return pln_fail(diag, PLN_BAD_PLAN, "%s: direction is none of forward, reverse, bidirectional", kernel->name);
    const char *why = read_gates(launch->attrs, s);
    if (why != NULL) return pln_fail(diag, PLN_BAD_PLAN, "%s: %s", kernel->name, why);
    if (x->rank != 3 || r->rank != 3) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: X or R has not three dims", kernel->name);
    s->reverse_first = pln_str_equal(pln_attrs_string(launch->attrs, "direction", "forward"), "reverse");
    s->seq = x->dims[by_batch ? 1 : 0];
    s->batch = x->dims[by_batch ? 0 : 1];
    s->in = x->dims[2];
    s->hidden = r->dims[2];
    if (!pln_mul_i64(s->hidden, s->n_gates, &s->columns) || !pln_mul_i64(s->columns, 16, &most))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the shapes are too large", kernel->name);
    if (!read_inputs(launch, by_batch, s) || !read_outputs(launch, by_batch, s))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the shapes do not fit together", kernel->name);
    return PLN_OK;
}
