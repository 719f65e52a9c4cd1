/* If, Loop, Scan and SequenceMap: their bodies become blocks.
 *
 * Types of values that a loop carries are not known before the body has been looked at, and the body's composites want ranks. So the
 * body is imported with what the values start as, every extent open. If the body turns out to change a rank, it is thrown away and
 * imported once more with the rank open, too. Then all types inside are forgotten, and the op's own inference finds the final ones. */
#include "onnx/importer.h"
#include "onnx/opset.h"

/* ---- bodies ---- */

/* A graph attribute of the node and the scope in which it looks up names. */
static const struct pln_onnx_graph *get_body(struct pln_emit *emit, const char *name, struct pln_scope **out_scope)
{
    const struct pln_onnx_attribute *attr = pln_emit_attr(emit, name, PLN_ONNX_ATTR_GRAPH);
    if (emit->status != PLN_OK) return NULL;
    if (!attr || !attr->g) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "attribute '%s' is missing", name);
        return NULL;
    }
    pln_importer_resolve(pln_onnx_find_attribute(emit->node, name), emit->scope, out_scope);
    return attr->g;
}

/* Nodes and outputs of a body whose inputs have the given values. */
static void fill_body(struct pln_emit *emit, const struct pln_onnx_graph *graph, struct pln_scope *outer, uint32_t block,
                      const uint32_t *inputs, uint32_t n_inputs)
{
    if (emit->status != PLN_OK) return;
    struct pln_importer *importer = emit->importer;
    struct pln_scope *scope = pln_scope_enter(importer, outer, outer->frame);
    enum pln_status status = scope ? PLN_OK : pln_fail_memory(emit->diag, "a body", 0);
    for (uint32_t i = 0; i < n_inputs && status == PLN_OK; i++) {
        if (!pln_scope_set(scope, graph->inputs.items[i].name, inputs[i])) status = pln_fail_memory(emit->diag, "names", 0);
    }
    if (status == PLN_OK) status = pln_importer_graph(importer, graph, scope, block);
    if (status == PLN_OK) status = pln_importer_outputs(importer, graph, scope, block);
    pln_scope_leave(scope);
    emit->status = status;
}

/* A block of a node, and values for its inputs named as the graph names them; types come from `types`. */
static uint32_t add_block(struct pln_emit *emit, uint32_t node, const struct pln_onnx_graph *graph, const struct pln_type *types, uint32_t n,
                          uint32_t *out_inputs)
{
    if (emit->status != PLN_OK) return PLN_NONE;
    uint32_t block = pln_graph_add_block(emit->graph, node);
    bool done = block != PLN_NONE;
    for (uint32_t i = 0; i < n && done; i++) {
        const char *name = graph ? pln_importer_name(emit->importer, emit->scope->frame, graph->inputs.items[i].name) : NULL;
        out_inputs[i] = pln_graph_add_value(emit->graph, name, &types[i]);
        done = out_inputs[i] != PLN_NONE && pln_graph_add_block_input(emit->graph, block, out_inputs[i]);
    }
    if (!done) emit->status = pln_fail_memory(emit->diag, "a body", 0);
    return block;
}

/* The type of a value with every extent open; the rank too when `open_rank`. A hint of the body's input fills in what is missing. */
static struct pln_type open_type(struct pln_emit *emit, uint32_t value, const struct pln_onnx_type *declared, bool open_rank)
{
    struct pln_type type = pln_graph_value(emit->graph, value)->type, hint;
    bool hinted = emit->importer->use_hints && pln_importer_type(emit->importer, declared, false, NULL, &hint);
    if (type.kind != PLN_TENSOR) {
        if (hinted && hint.kind == type.kind && !type.elem) emit->importer->hints_used++, type.elem = hint.elem;
        return type;
    }
    if (hinted && type.dtype == PLN_DTYPE_NONE && type.rank < 0) {
        emit->importer->hints_used++;
        return hint;
    }
    struct pln_dim *dims = pln_arena_array(emit->arena, PLN_MAX_RANK, sizeof *dims);
    if (open_rank || !dims) type.rank = -1;
    for (int d = 0; d < type.rank; d++) dims[d] = pln_dim_symbol(&emit->graph->dims, NULL);
    type.dims = type.rank < 0 ? NULL : dims;
    return type;
}

static void forget_type(struct pln_graph *graph, uint32_t id)
{
    if (id == PLN_NONE) return;
    struct pln_value *value = pln_graph_value(graph, id);
    value->elems = NULL;
    value->n_elems = 0;
    if (value->type.kind != PLN_TENSOR) return;
    value->type.rank = -1;
    value->type.dims = NULL;
}

static void forget_types(struct pln_graph *graph, uint32_t block)
{
    for (uint32_t i = 0; i < graph->blocks[block].n_inputs; i++) forget_type(graph, graph->blocks[block].inputs[i]);
    for (uint32_t n = graph->blocks[block].first; n != PLN_NONE; n = pln_graph_node(graph, n)->next) {
        struct pln_node *node = pln_graph_node(graph, n);
        for (uint32_t o = 0; o < node->n_outputs; o++) forget_type(graph, node->outputs[o]);
        for (uint32_t b = 0; b < node->n_blocks; b++) forget_types(graph, pln_graph_node(graph, n)->blocks[b]);
        pln_attrs_remove(&pln_graph_node(graph, n)->attrs, "settled");
    }
}

/* ---- If ---- */

/* One branch; the node takes as many of its outputs as it has. */
static void add_branch(struct pln_emit *emit, uint32_t node, const char *name)
{
    struct pln_scope *scope;
    const struct pln_onnx_graph *graph = get_body(emit, name, &scope);
    if (!graph) return;
    if (graph->inputs.count) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "%s has inputs; a branch has none", name);
        return;
    }
    if (graph->outputs.count < emit->n_outputs) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "%s has %u outputs, the node %u", name, graph->outputs.count, emit->n_outputs);
        return;
    }
    fill_body(emit, graph, scope, add_block(emit, node, graph, NULL, 0, NULL), NULL, 0);
}

void pln_onnx_if(struct pln_emit *emit)
{
    uint32_t cond = pln_emit_need(emit, 0);
    uint32_t node = pln_emit_begin(emit, PLN_OP_IF, 0, &cond, 1, emit->n_outputs);
    add_branch(emit, node, "then_branch");
    add_branch(emit, node, "else_branch");
    pln_emit_end(emit, node);
    for (uint32_t i = 0; i < emit->n_outputs; i++) pln_emit_bind(emit, i, pln_emit_output(emit, node, i));
}

/* ---- Loop ---- */

/* What a loop op is made of. Body inputs: number of the iteration, condition, carried values. */
struct loop {
    const struct pln_onnx_graph *graph;
    struct pln_scope *scope;
    const uint32_t *inputs; /* of the op: M, cond, carried */
    uint32_t n_carried;
    uint32_t n_outputs;
    /* Fills the block; the ONNX Loop copies its body, Scan and SequenceMap put code around it. body_inputs: 2 + n_carried values. */
    void (*fill)(struct pln_emit *emit, const struct loop *loop, uint32_t block, const uint32_t *body_inputs);
    const void *user;
};

static const struct pln_onnx_type *declared_type(const struct loop *loop, uint32_t i)
{
    return loop->graph && i < loop->graph->inputs.count ? loop->graph->inputs.items[i].type : NULL;
}

/* Do the carried values come out with the ranks that they went in with? */
static bool ranks_hold(const struct pln_emit *emit, uint32_t node, const struct loop *loop)
{
    const struct pln_block *body = &emit->graph->blocks[pln_graph_node(emit->graph, node)->blocks[0]];
    for (uint32_t i = 0; i < loop->n_carried && i + 1 < body->n_outputs; i++) {
        int in = pln_emit_rank(emit, body->inputs[2 + i]), out = pln_emit_rank(emit, body->outputs[1 + i]);
        if (in >= 0 && in != out) return false;
    }
    return true;
}

static uint32_t try_loop(struct pln_emit *emit, const struct loop *loop, bool open_ranks, bool declared)
{
    uint32_t n = loop->n_carried + 2;
    struct pln_type *types = pln_arena_array(emit->arena, n, sizeof *types);
    uint32_t *values = pln_arena_array(emit->arena, n, sizeof *values);
    if (!types || !values) {
        if (emit->status == PLN_OK) emit->status = pln_fail_memory(emit->diag, "a loop", 0);
        return PLN_NONE;
    }
    types[0] = (struct pln_type){ .kind = PLN_TENSOR, .dtype = PLN_I64 };
    types[1] = (struct pln_type){ .kind = PLN_TENSOR, .dtype = PLN_BOOL };
    for (uint32_t i = 2; i < n; i++) types[i] = open_type(emit, loop->inputs[i], declared_type(loop, i), open_ranks);
    uint32_t node = pln_emit_begin(emit, PLN_OP_LOOP, 0, loop->inputs, n, loop->n_outputs);
    uint32_t block = add_block(emit, node, declared ? loop->graph : NULL, types, n, values);
    if (emit->status == PLN_OK) loop->fill(emit, loop, block, values);
    return node;
}

/* The loop op, inferred; its node. */
static uint32_t add_loop(struct pln_emit *emit, const struct loop *loop, bool declared)
{
    for (uint32_t i = 0; i < loop->n_carried; i++) {
        if (loop->inputs[2 + i] == PLN_NONE) pln_emit_fail(emit, PLN_BAD_MODEL, "carried input %u is missing", i);
    }
    if (emit->status != PLN_OK) return PLN_NONE;
    uint32_t node = try_loop(emit, loop, false, declared);
    if (emit->status == PLN_OK && !ranks_hold(emit, node, loop)) {
        pln_graph_remove_node(emit->graph, node);
        node = try_loop(emit, loop, true, declared);
    }
    if (emit->status != PLN_OK) return PLN_NONE;
    forget_types(emit->graph, pln_graph_node(emit->graph, node)->blocks[0]);
    pln_emit_end(emit, node);
    return node;
}

static void fill_loop(struct pln_emit *emit, const struct loop *loop, uint32_t block, const uint32_t *body_inputs)
{
    fill_body(emit, loop->graph, loop->scope, block, body_inputs, loop->n_carried + 2);
}

void pln_onnx_loop(struct pln_emit *emit)
{
    struct loop loop = { .fill = fill_loop, .n_outputs = emit->n_outputs };
    loop.graph = get_body(emit, "body", &loop.scope);
    if (!loop.graph) return;
    uint32_t *inputs = pln_arena_array(emit->arena, emit->n_inputs + 2u, sizeof *inputs);
    if (!inputs) {
        emit->status = pln_fail_memory(emit->diag, "a loop", 0);
        return;
    }
    inputs[0] = inputs[1] = PLN_NONE;
    for (uint32_t i = 0; i < emit->n_inputs; i++) inputs[i] = emit->inputs[i];
    loop.inputs = inputs;
    loop.n_carried = emit->n_inputs > 2 ? emit->n_inputs - 2 : 0;
    if (loop.graph->inputs.count != loop.n_carried + 2 || loop.graph->outputs.count < loop.n_carried + 1 ||
        emit->n_outputs > loop.graph->outputs.count - 1) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "the body has %u inputs and %u outputs, which does not fit a Loop of %u inputs and %u outputs",
                      loop.graph->inputs.count, loop.graph->outputs.count, emit->n_inputs, emit->n_outputs);
        return;
    }
    uint32_t node = add_loop(emit, &loop, true);
    for (uint32_t i = 0; i < emit->n_outputs; i++) pln_emit_bind(emit, i, pln_emit_output(emit, node, i));
}

/* ---- Scan ---- */

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

static void fill_scan(struct pln_emit *emit, const struct loop *loop, uint32_t block, const uint32_t *body_inputs)
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
    uint32_t go_on = pln_emit_identity(emit, body_inputs[1]);
    if (emit->status == PLN_OK && !pln_graph_add_block_output(emit->graph, block, go_on, NULL)) {
        emit->status = pln_fail_memory(emit->diag, "a scan", 0);
    }
    fill_body(emit, scan->graph, scan->scope, block, inputs, n);
    emit->block = outer;
}

static uint32_t true_value(struct pln_emit *emit)
{
    return pln_emit_const_number(emit, PLN_BOOL, 1);
}

/* Emits the loop; outputs are those of a Scan along axis 0, forwards. */
static uint32_t add_scan(struct pln_emit *emit, const struct scan *scan)
{
    if (emit->status != PLN_OK) return PLN_NONE;
    if (scan->graph->inputs.count != scan->n_states + scan->n_inputs || scan->graph->outputs.count < scan->n_outputs ||
        scan->n_outputs < scan->n_states) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "the body has %u inputs and %u outputs, the Scan %u states, %u scan inputs and %u outputs",
                      scan->graph->inputs.count, scan->graph->outputs.count, scan->n_states, scan->n_inputs, scan->n_outputs);
        return PLN_NONE;
    }
    uint32_t *inputs = pln_arena_array(emit->arena, scan->n_states + 2u, sizeof *inputs);
    if (!inputs) {
        emit->status = pln_fail_memory(emit->diag, "a scan", 0);
        return PLN_NONE;
    }
    inputs[0] = scan->length;
    inputs[1] = true_value(emit);
    for (uint32_t i = 0; i < scan->n_states; i++) inputs[2 + i] = scan->states[i];
    struct loop loop = { .inputs = inputs, .n_carried = scan->n_states, .n_outputs = scan->n_outputs, .fill = fill_scan, .user = scan };
    return add_loop(emit, &loop, false);
}

static void bind_scan_output(struct pln_emit *emit, uint32_t o, uint32_t value, int64_t axis, bool reversed)
{
    if (!pln_emit_wants(emit, o)) return;
    if (reversed) value = pln_emit_slice_axis(emit, value, 0, -1, INT64_MIN, -1);
    if (axis != 0) {
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
    scan->graph = get_body(emit, "body", &scan->scope);
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
    if (scan->n_outputs < emit->n_outputs || scan->n_outputs < scan->n_states) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "the body has %u outputs, too few", scan->n_outputs);
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
    int rank = pln_emit_need_rank(emit, value);
    if (emit->status != PLN_OK) return PLN_NONE;
    uint32_t missing = pln_emit_ew2(emit, PLN_EW_SUB, longest, pln_emit_dim(emit, value, 0));
    uint32_t none = pln_emit_const_int(emit, 0);
    uint32_t pads[2 * PLN_MAX_RANK];
    for (int d = 0; d < 2 * rank; d++) pads[d] = d == rank ? missing : none;
    uint32_t all = pln_emit_concat(emit, pads, 2 * (uint32_t)rank, 0);
    return pln_emit_op(emit, PLN_OP_PAD, 0, (uint32_t[]){ value, all }, 2);
}

static void fill_batch(struct pln_emit *emit, const struct loop *loop, uint32_t block, const uint32_t *body_inputs)
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
    uint32_t go_on = pln_emit_identity(emit, body_inputs[1]);
    if (emit->status == PLN_OK && !pln_graph_add_block_output(emit->graph, block, go_on, NULL)) emit->status = PLN_NO_MEMORY;
    for (uint32_t o = 0; o < all->n_outputs && emit->status == PLN_OK; o++) {
        uint32_t value = pln_emit_output(emit, node, o);
        if (o >= all->n_states && batch->lengths != PLN_NONE) value = pad_to(emit, value, batch->longest);
        if (emit->status == PLN_OK && !pln_graph_add_block_output(emit->graph, block, value, NULL)) emit->status = PLN_NO_MEMORY;
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
    uint32_t inputs[2] = { scalar_dim(emit, batch.scan.inputs[0], 0), true_value(emit) };
    struct loop loop = { .inputs = inputs, .n_outputs = batch.scan.n_outputs, .fill = fill_batch, .user = &batch };
    uint32_t node = add_loop(emit, &loop, false);
    for (uint32_t o = 0; o < emit->n_outputs; o++) pln_emit_bind(emit, o, pln_emit_output(emit, node, o));
}

/* ---- SequenceMap: a loop over the elements that carries the growing sequences ---- */

struct sequence_map {
    const struct pln_onnx_graph *graph;
    struct pln_scope *scope;
};

static void fill_map(struct pln_emit *emit, const struct loop *loop, uint32_t block, const uint32_t *body_inputs)
{
    const struct sequence_map *map = loop->user;
    struct pln_importer *importer = emit->importer;
    unsigned at_op, at_kind, insert_op, insert_kind;
    uint32_t outer = emit->block, n = emit->n_inputs;
    if (!pln_emit_find(emit, "SequenceAt", &at_op, &at_kind) || !pln_emit_find(emit, "SequenceInsert", &insert_op, &insert_kind)) return;
    uint32_t *inputs = pln_arena_array(emit->arena, n, sizeof *inputs);
    struct pln_scope *scope = pln_scope_enter(importer, map->scope, map->scope->frame);
    emit->block = block;
    bool done = inputs && scope;
    for (uint32_t i = 0; i < n && done; i++) {
        bool sequence = pln_graph_value(emit->graph, emit->inputs[i])->type.kind == PLN_SEQUENCE;
        inputs[i] = sequence ? pln_emit_op(emit, at_op, at_kind, (uint32_t[]){ emit->inputs[i], body_inputs[0] }, 2) : emit->inputs[i];
        done = pln_scope_set(scope, map->graph->inputs.items[i].name, inputs[i]);
    }
    uint32_t go_on = pln_emit_identity(emit, body_inputs[1]);
    done = done && (emit->status != PLN_OK || pln_graph_add_block_output(emit->graph, block, go_on, NULL));
    if (done && emit->status == PLN_OK) emit->status = pln_importer_graph(importer, map->graph, scope, block);
    for (uint32_t o = 0; o < loop->n_carried && done && emit->status == PLN_OK; o++) {
        uint32_t value;
        if (!pln_scope_find(scope, map->graph->outputs.items[o].name, &value) || value == PLN_NONE) {
            pln_emit_fail(emit, PLN_BAD_MODEL, "the body's output %u is nobody's output", o);
            break;
        }
        uint32_t longer = pln_emit_op(emit, insert_op, insert_kind, (uint32_t[]){ body_inputs[2 + o], value }, 2);
        done = emit->status != PLN_OK || pln_graph_add_block_output(emit->graph, block, longer, NULL);
    }
    pln_scope_leave(scope);
    if (!done && emit->status == PLN_OK) emit->status = pln_fail_memory(emit->diag, "a sequence map", 0);
    emit->block = outer;
}

/* Empty sequences that the map starts from. Their element type is what the body declares, else that of the input's elements. */
static uint32_t empty_sequence(struct pln_emit *emit, const struct pln_onnx_type *declared)
{
    unsigned op, kind;
    const struct pln_type *from = &pln_graph_value(emit->graph, emit->inputs[0])->type;
    enum pln_dtype dtype = from->elem && from->elem->kind == PLN_TENSOR ? from->elem->dtype : PLN_F32;
    if (declared && declared->kind == PLN_ONNX_TYPE_TENSOR && pln_dtype_valid(declared->elem_type)) dtype = (enum pln_dtype)declared->elem_type;
    if (!pln_emit_find(emit, "SequenceEmpty", &op, &kind)) return PLN_NONE;
    uint32_t node = pln_emit_begin(emit, op, kind, NULL, 0, 1);
    pln_emit_set_int(emit, node, "dtype", dtype);
    return pln_emit_end(emit, node);
}

void pln_onnx_sequence_map(struct pln_emit *emit)
{
    struct sequence_map map;
    uint32_t first = pln_emit_need(emit, 0);
    map.graph = get_body(emit, "body", &map.scope);
    unsigned op, kind;
    if (!map.graph || !pln_emit_find(emit, "SequenceLength", &op, &kind)) return;
    if (map.graph->inputs.count != emit->n_inputs || map.graph->outputs.count < emit->n_outputs) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "the body's inputs or outputs are not as many as the node's");
        return;
    }
    for (uint32_t i = 0; i < emit->n_inputs; i++) pln_emit_need(emit, i);
    uint32_t *inputs = pln_arena_array(emit->arena, emit->n_outputs + 2u, sizeof *inputs);
    if (!inputs && emit->status == PLN_OK) emit->status = pln_fail_memory(emit->diag, "a sequence map", 0);
    if (emit->status != PLN_OK) return;
    inputs[0] = pln_emit_op(emit, op, kind, &first, 1);
    inputs[1] = true_value(emit);
    for (uint32_t o = 0; o < emit->n_outputs; o++) inputs[2 + o] = empty_sequence(emit, map.graph->outputs.items[o].type);
    struct loop loop = { .inputs = inputs, .n_carried = emit->n_outputs, .n_outputs = emit->n_outputs, .fill = fill_map, .user = &map };
    uint32_t node = add_loop(emit, &loop, false);
    for (uint32_t o = 0; o < emit->n_outputs; o++) pln_emit_bind(emit, o, pln_emit_output(emit, node, o));
}
