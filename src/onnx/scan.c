/* Scan: a loop that gathers slices of its inputs. */
#include "onnx/body.h"
#include "onnx/opset.h"

/* Scan of version 9 and later: a loop whose body gathers slice i of each scan input. */
struct scan {
    const struct pln_onnx_graph *graph;
    struct pln_scope *scope;
    const uint32_t *states; /* n_states values */
    const uint32_t *inputs; /* n_inputs values */
    const int64_t *axes, *reversed; /* of the scan inputs; never NULL */
    uint32_t n_states, n_inputs, n_outputs; /* n_outputs: states and scan outputs */
    uint32_t length; /* i64 scalar: iterations */
};

/* The number of the slice of an input that iteration i reads. */
static uint32_t slice_number(struct pln_emit *emit, const struct scan *scan, uint32_t i, bool reversed)
{
    if (!reversed) return i;
    uint32_t last = pln_emit_ew2(emit, PLN_EW_SUB, scan->length, pln_emit_const_index(emit, 1));
    return pln_emit_ew2(emit, PLN_EW_SUB, last, i);
}

static void fill_scan(struct pln_emit *emit, const struct pln_body_loop *loop, uint32_t block, const uint32_t *body_inputs)
{
    const struct scan *scan = loop->user;
    uint32_t outer = emit->block, n = scan->n_states + scan->n_inputs;
    uint32_t *inputs = pln_arena_array(emit->arena, n, sizeof *inputs);
    if (!inputs) {
        emit->status = pln_fail_memory(emit->diag, "a scan", 0);
        return;
    }
    emit->block = block;
    for (uint32_t i = 0; i < scan->n_states; i++) inputs[i] = body_inputs[2 + i];
    for (uint32_t i = 0; i < scan->n_inputs; i++) {
        uint32_t at = slice_number(emit, scan, body_inputs[0], scan->reversed[i]);
        inputs[scan->n_states + i] = pln_emit_gather(emit, scan->inputs[i], at, scan->axes[i]);
    }
    pln_body_output(emit, block, pln_emit_identity(emit, body_inputs[1]));
    pln_body_fill(emit, scan->graph, scan->scope, block, inputs, n);
    emit->block = outer;
}

/* Emits the loop; outputs are those of a Scan along axis 0, forwards. */
static uint32_t add_scan(struct pln_emit *emit, const struct scan *scan)
{
    if (emit->status != PLN_OK) return PLN_NONE;
    uint32_t *inputs = pln_arena_array(emit->arena, scan->n_states + 2u, sizeof *inputs);
    if (!inputs) {
        emit->status = pln_fail_memory(emit->diag, "a scan", 0);
        return PLN_NONE;
    }
    inputs[0] = scan->length;
    inputs[1] = pln_emit_const_number(emit, PLN_BOOL, 1);
    for (uint32_t i = 0; i < scan->n_states; i++) inputs[2 + i] = scan->states[i];
    struct pln_body_loop loop = { .inputs = inputs, .n_carried = scan->n_states, .n_outputs = scan->n_outputs, .fill = fill_scan, .whole = true, .user = scan };
    return pln_body_loop(emit, &loop);
}

static void bind_scan_output(struct pln_emit *emit, uint32_t o, uint32_t value, int64_t axis, bool reversed)
{
    if (!pln_emit_wants(emit, o)) return;
    if (reversed) value = pln_emit_slice_axis(emit, value, 0, -1, INT64_MIN, -1);
    if (axis != 0 && pln_emit_rank(emit, value) < 0) {
        value = pln_emit_swap_parts(emit, value, 0, 1, axis == -1 ? INT64_MAX : pln_emit_any_axis(emit, axis) + 1);
    } else if (axis != 0) {
        int rank = pln_emit_need_rank(emit, value), at = pln_emit_axis(emit, axis, rank);
        int64_t perm[PLN_MAX_RANK];
        for (int d = 0; d < rank; d++) perm[d] = d < at ? d + 1 : d == at ? 0 : d;
        if (at != 0) value = pln_emit_transpose(emit, value, perm, (uint32_t)rank);
    }
    pln_emit_bind(emit, o, value);
}

/* An optional list of n integers; zeros when absent. */
static const int64_t *int_list(struct pln_emit *emit, const char *name, uint32_t n)
{
    const int64_t *given;
    uint32_t count = pln_emit_int_list(emit, name, &given);
    int64_t *ints = pln_arena_array(emit->arena, n + 1u, sizeof *ints);
    if (!ints && emit->status == PLN_OK) emit->status = pln_fail_memory(emit->diag, "a scan", 0);
    if (count && count != n) pln_emit_fail(emit, PLN_BAD_MODEL, "attribute '%s' has %u entries, not %u", name, count, n);
    if (emit->status != PLN_OK || !count) return ints;
    memcpy(ints, given, n * sizeof *ints);
    return ints;
}

/* Splits `given` (states, then scan inputs) by num_scan_inputs. */
static bool scan_parts(struct pln_emit *emit, const uint32_t *given, uint32_t n_given, struct scan *scan)
{
    int64_t n = pln_emit_int(emit, "num_scan_inputs", 0);
    scan->graph = pln_body_get(emit, "body", &scan->scope);
    if (emit->status == PLN_OK && (n < 1 || n > (int64_t)n_given)) pln_emit_fail(emit, PLN_BAD_MODEL, "num_scan_inputs is %lld", (long long)n);
    for (uint32_t i = 0; i < n_given; i++) {
        if (given[i] == PLN_NONE) pln_emit_fail(emit, PLN_BAD_MODEL, "a state or scan input is missing");
    }
    if (emit->status != PLN_OK) return false;
    scan->n_inputs = (uint32_t)n;
    scan->n_states = n_given - scan->n_inputs;
    scan->states = given;
    scan->inputs = given + scan->n_states;
    scan->n_outputs = scan->graph->outputs.count;
    if (scan->graph->inputs.count != n_given || scan->n_outputs != emit->n_outputs || scan->n_outputs < scan->n_states) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "the body has %u inputs and %u outputs, the Scan %u states, %u scan inputs and %u outputs: it must have %u and %u",
                      scan->graph->inputs.count, scan->n_outputs, scan->n_states, scan->n_inputs, emit->n_outputs, n_given, emit->n_outputs);
        return false;
    }
    return true;
}

static uint32_t scalar_dim(struct pln_emit *emit, uint32_t x, int64_t axis)
{
    return pln_emit_squeeze(emit, pln_emit_dim(emit, x, axis), pln_emit_const_int(emit, 0));
}

void pln_onnx_scan(struct pln_emit *emit)
{
    struct scan scan = { 0 };
    if (!scan_parts(emit, emit->inputs, emit->n_inputs, &scan)) return;
    uint32_t n_scan_outputs = scan.n_outputs - scan.n_states;
    scan.axes = int_list(emit, "scan_input_axes", scan.n_inputs);
    scan.reversed = int_list(emit, "scan_input_directions", scan.n_inputs);
    const int64_t *out_axes = int_list(emit, "scan_output_axes", n_scan_outputs);
    const int64_t *out_reversed = int_list(emit, "scan_output_directions", n_scan_outputs);
    if (emit->status != PLN_OK) return;
    scan.length = scalar_dim(emit, scan.inputs[0], scan.axes[0]);
    uint32_t node = add_scan(emit, &scan);
    for (uint32_t o = 0; o < emit->n_outputs; o++) {
        uint32_t value = pln_emit_output(emit, node, o), k = o - scan.n_states;
        if (o < scan.n_states) pln_emit_bind(emit, o, value);
        else bind_scan_output(emit, o, value, out_axes[k], out_reversed[k]);
    }
}

/* ---- Scan-8: every input has a batch axis in front, and each element of the batch is a scan of its own ---- */

struct batch_scan {
    struct scan scan; /* with the batched states and inputs */
    uint32_t lengths; /* i64[batch] or PLN_NONE */
    uint32_t longest; /* i64[1] */
};

/* Zeros behind a scan output, up to the longest sequence. */
static uint32_t pad_to(struct pln_emit *emit, uint32_t value, uint32_t longest)
{
    int rank = pln_emit_rank(emit, value);
    if (emit->status != PLN_OK) return PLN_NONE;
    uint32_t missing = pln_emit_ew2(emit, PLN_EW_SUB, longest, pln_emit_dim(emit, value, 0));
    uint32_t none = pln_emit_const_int(emit, 0);
    uint32_t pads[2 * PLN_MAX_RANK];
    if (rank < 0) {
        uint32_t dims = pln_emit_dims(emit, value), others = pln_emit_ew2(emit, PLN_EW_SUB, dims, pln_emit_const_int(emit, 1));
        uint32_t at_ends = pln_emit_concat(emit, (uint32_t[]){ pln_emit_repeat(emit, 0, dims), missing, pln_emit_repeat(emit, 0, others) }, 3, 0);
        return pln_emit_op(emit, PLN_OP_PAD, 0, (uint32_t[]){ value, at_ends }, 2);
    }
    for (int d = 0; d < 2 * rank; d++) pads[d] = d == rank ? missing : none;
    uint32_t all = pln_emit_concat(emit, pads, 2 * (uint32_t)rank, 0);
    return pln_emit_op(emit, PLN_OP_PAD, 0, (uint32_t[]){ value, all }, 2);
}

static void fill_batch(struct pln_emit *emit, const struct pln_body_loop *loop, uint32_t block, const uint32_t *body_inputs)
{
    const struct batch_scan *batch = loop->user;
    const struct scan *all = &batch->scan;
    struct scan one = *all;
    uint32_t outer = emit->block, b = body_inputs[0], n = all->n_states + all->n_inputs;
    uint32_t *parts = pln_arena_array(emit->arena, n, sizeof *parts);
    if (!parts) {
        emit->status = pln_fail_memory(emit->diag, "a scan", 0);
        return;
    }
    emit->block = block;
    for (uint32_t i = 0; i < n; i++) parts[i] = pln_emit_gather(emit, all->states[i], b, 0);
    one.states = parts;
    one.inputs = parts + all->n_states;
    one.length = batch->lengths == PLN_NONE ? scalar_dim(emit, one.inputs[0], 0) : pln_emit_gather(emit, batch->lengths, b, 0);
    uint32_t node = add_scan(emit, &one);
    pln_body_output(emit, block, pln_emit_identity(emit, body_inputs[1]));
    for (uint32_t o = 0; o < all->n_outputs && emit->status == PLN_OK; o++) {
        uint32_t value = pln_emit_output(emit, node, o);
        if (o >= all->n_states && batch->lengths != PLN_NONE) value = pad_to(emit, value, batch->longest);
        pln_body_output(emit, block, value);
    }
    emit->block = outer;
}

/* directions reverses within max_sequence_length only when no lengths are given; with lengths each sequence is reversed in itself. */
void pln_onnx_scan_8(struct pln_emit *emit)
{
    struct batch_scan batch = { .lengths = pln_emit_in(emit, 0) };
    if (emit->n_inputs < 2) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "there are no scan inputs");
        return;
    }
    if (!scan_parts(emit, emit->inputs + 1, emit->n_inputs - 1, &batch.scan)) return;
    batch.scan.axes = pln_arena_array(emit->arena, batch.scan.n_inputs, sizeof(int64_t));
    batch.scan.reversed = int_list(emit, "directions", batch.scan.n_inputs);
    if (!batch.scan.axes && emit->status == PLN_OK) emit->status = pln_fail_memory(emit->diag, "a scan", 0);
    batch.longest = pln_emit_dim(emit, batch.scan.inputs[0], 1);
    uint32_t inputs[2] = { scalar_dim(emit, batch.scan.inputs[0], 0), pln_emit_const_number(emit, PLN_BOOL, 1) };
    struct pln_body_loop loop = { .inputs = inputs, .n_outputs = batch.scan.n_outputs, .fill = fill_batch, .whole = true, .user = &batch };
    uint32_t node = pln_body_loop(emit, &loop);
    for (uint32_t o = 0; o < emit->n_outputs; o++) pln_emit_bind(emit, o, pln_emit_output(emit, node, o));
}
