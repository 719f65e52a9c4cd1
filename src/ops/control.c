/* If and Loop: types of bodies and of what comes out of them.
 *
 * A dim of a body's result may be an expression of symbols that mean something only inside the body (a NonZero in it, a carried
 * extent). Outside, only expressions of symbols that the body captures or is given can be evaluated; every other dim becomes a
 * symbol of its own. */
#include "kernel/program_verify.h"
#include "ops/op.h"

/* DEPTH_MAX: with the block around them all, bodies nest as deep as a plan may. */
enum { DEPTH_MAX = PLN_PROGRAM_MAX_DEPTH - 1, WIDEN_MAX = 8 };

/* Which expressions can be evaluated outside of a node's bodies. */
struct visible {
    struct pln_graph *graph;
    uint32_t node;
    uint8_t *nodes; /* per expression id */
    size_t count;
};

static void mark_type(struct visible *visible, const struct pln_value *value)
{
    struct pln_dim_table *table = &visible->graph->dims;
    for (int d = 0; value->type.kind == PLN_TENSOR && d < value->type.rank; d++) {
        struct pln_dim dim = pln_dim_resolve(table, value->type.dims[d]);
        if (dim.id < visible->count) visible->nodes[dim.id] = 1;
    }
    for (int64_t i = 0; value->elems && i < value->n_elems; i++) {
        struct pln_dim dim = pln_dim_resolve(table, value->elems[i]);
        if (dim.id < visible->count) visible->nodes[dim.id] = 1;
    }
}

static bool inside(const struct pln_graph *graph, const struct pln_value *value, uint32_t block)
{
    uint32_t home = value->producer != PLN_NONE ? pln_graph_node(graph, value->producer)->block : value->block;
    return home != PLN_NONE && pln_graph_block_within(graph, home, block);
}

static void mark_captured(struct visible *visible, uint32_t root, uint32_t block)
{
    struct pln_graph *graph = visible->graph;
    for (uint32_t n = graph->blocks[block].first; n != PLN_NONE; n = pln_graph_node(graph, n)->next) {
        const struct pln_node *node = pln_graph_node(graph, n);
        for (uint32_t i = 0; i < node->n_inputs; i++) {
            if (node->inputs[i] == PLN_NONE) continue;
            const struct pln_value *value = pln_graph_value(graph, node->inputs[i]);
            if (!inside(graph, value, root)) mark_type(visible, value);
        }
        for (uint32_t b = 0; b < node->n_blocks; b++) mark_captured(visible, root, node->blocks[b]);
    }
    for (uint32_t o = 0; o < graph->blocks[block].n_outputs; o++) {
        const struct pln_value *value = pln_graph_value(graph, graph->blocks[block].outputs[o]);
        if (!inside(graph, value, root)) mark_type(visible, value);
    }
}

/* Marks what the outside knows, goes down to the symbols, then up to everything made of them. */
static enum pln_status visible_init(struct visible *visible, struct pln_infer *infer)
{
    struct pln_graph *graph = infer->graph;
    const struct pln_node *node = pln_graph_node(graph, infer->node);
    *visible = (struct visible){ .graph = graph, .node = infer->node };
    visible->count = graph->dims.count;
    visible->nodes = pln_alloc_zeroed(graph->alloc, visible->count, 1);
    if (!visible->nodes) return pln_fail_memory(infer->diag, "shapes", visible->count);
    for (uint32_t i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] != PLN_NONE) mark_type(visible, pln_graph_value(graph, node->inputs[i]));
    for (uint32_t b = 0; b < node->n_blocks; b++) mark_captured(visible, node->blocks[b], node->blocks[b]);
    const struct pln_dim_node *dims = graph->dims.nodes;
    for (size_t i = visible->count; i-- > 0;) {
        if (!visible->nodes[i] || dims[i].op == PLN_DIM_CONST || dims[i].op == PLN_DIM_SYMBOL) continue;
        visible->nodes[dims[i].a] = visible->nodes[dims[i].b] = 1;
        if (dims[i].op == PLN_DIM_SELECT) visible->nodes[dims[i].c] = 1;
    }
    for (size_t i = 0; i < visible->count; i++) {
        if (dims[i].op == PLN_DIM_CONST) visible->nodes[i] = 1;
        if (dims[i].op == PLN_DIM_CONST || dims[i].op == PLN_DIM_SYMBOL) continue;
        visible->nodes[i] = visible->nodes[dims[i].a] && visible->nodes[dims[i].b] &&
                            (dims[i].op != PLN_DIM_SELECT || visible->nodes[dims[i].c]);
    }
    return PLN_OK;
}

static void visible_deinit(struct visible *visible)
{
    pln_free(visible->graph->alloc, visible->nodes, visible->count);
}

static bool is_visible(const struct visible *visible, struct pln_dim dim)
{
    dim = pln_dim_resolve(&visible->graph->dims, dim);
    int64_t value;
    return (dim.id < visible->count && visible->nodes[dim.id]) || pln_dim_value(&visible->graph->dims, dim, &value);
}

/* ---- shared ---- */

static enum pln_status infer_block(struct pln_infer *infer, uint32_t block)
{
    for (uint32_t n = infer->graph->blocks[block].first; n != PLN_NONE; n = pln_graph_node(infer->graph, n)->next)
        PLN_TRY(pln_infer_node(infer->graph, n, infer->diag));
    return PLN_OK;
}

static enum pln_status check_depth(struct pln_infer *infer)
{
    int depth = 0;
    for (uint32_t node = infer->node; node != PLN_NONE; depth++)
        node = infer->graph->blocks[pln_graph_node(infer->graph, node)->block].parent_node;
    return depth <= DEPTH_MAX ? PLN_OK : pln_infer_fail(infer, "bodies nest deeper than %d", DEPTH_MAX);
}

static enum pln_status one_dtype(struct pln_infer *infer, uint32_t o, enum pln_dtype a, enum pln_dtype b, enum pln_dtype *out_dtype)
{
    *out_dtype = a == PLN_DTYPE_NONE ? b : a;
    if (a == PLN_DTYPE_NONE || b == PLN_DTYPE_NONE || a == b) return PLN_OK;
    return pln_infer_fail(infer, "output %u is %s on one way and %s on another", o, pln_dtype_name(a), pln_dtype_name(b));
}

/* Output o is a or b, as far as the outside can tell. */
static enum pln_status join_out(struct pln_infer *infer, struct visible *visible, uint32_t o, const struct pln_type *a, const struct pln_type *b)
{
    if (a->kind == PLN_OPTIONAL && a->elem && a->elem->kind == b->kind) return pln_infer_out_type(infer, (int)o, b);
    if (a->kind != b->kind) return pln_infer_fail(infer, "output %u is not one kind of value on all ways", o);
    if (a->kind != PLN_TENSOR) return pln_infer_out_type(infer, (int)o, a->elem ? a : b);
    enum pln_dtype dtype;
    PLN_TRY(one_dtype(infer, o, a->dtype, b->dtype, &dtype));
    if (a->rank < 0 || a->rank != b->rank) return pln_infer_out(infer, (int)o, dtype, -1, NULL);
    struct pln_dim dims[PLN_MAX_RANK];
    for (int d = 0; d < a->rank; d++) {
        bool same = pln_dim_same(&infer->graph->dims, a->dims[d], b->dims[d]) && is_visible(visible, a->dims[d]);
        dims[d] = same ? a->dims[d] : pln_infer_out_symbol(infer, (int)o, d);
    }
    return pln_infer_out(infer, (int)o, dtype, a->rank, dims);
}

/* ---- If ---- */

static enum pln_status infer_if(struct pln_infer *infer)
{
    struct pln_graph *graph = infer->graph;
    const struct pln_node *node = pln_graph_node(graph, infer->node);
    uint32_t n = node->n_outputs;
    if (node->n_blocks != 2) return pln_infer_fail(infer, "then_branch or else_branch is missing");
    uint32_t then_id = node->blocks[0], else_id = node->blocks[1];
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, -1));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK(PLN_BOOL)));
    if (graph->blocks[then_id].n_inputs || graph->blocks[else_id].n_inputs) return pln_infer_fail(infer, "branches take no inputs");
    if (graph->blocks[then_id].n_outputs < n || graph->blocks[else_id].n_outputs < n)
        return pln_infer_fail(infer, "a branch has fewer outputs than the node");
    PLN_TRY(check_depth(infer));
    PLN_TRY(infer_block(infer, then_id));
    PLN_TRY(infer_block(infer, else_id));
    struct visible visible;
    PLN_TRY(visible_init(&visible, infer));
    enum pln_status status = PLN_OK;
    for (uint32_t o = 0; status == PLN_OK && o < n; o++) {
        struct pln_type a = pln_graph_value(graph, graph->blocks[then_id].outputs[o])->type;
        struct pln_type b = pln_graph_value(graph, graph->blocks[else_id].outputs[o])->type;
        status = join_out(infer, &visible, o, &a, &b);
    }
    visible_deinit(&visible);
    return status;
}

const struct pln_op_def pln_op_if = {
    .name = "if",
    .onnx = "If",
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = -1,
    .traits = PLN_TRAIT_CONTROL,
    .infer = infer_if,
};

/* ---- Loop ---- */

/* Types of the values that a body defines, as they were before it was looked at. Not in the graph's arena: in a nest of loops a body is looked at as
 * often as there are loops around it, and more. */
struct snapshot {
    struct pln_type *types;
    size_t count;
};

enum snapshot_mode { COUNT, TAKE, RESTORE };

/* The values that nodes of the block and of bodies inside define, in one fixed order. */
static void snapshot_walk(struct pln_graph *graph, uint32_t block, enum snapshot_mode mode, struct snapshot *snapshot)
{
    for (uint32_t n = graph->blocks[block].first; n != PLN_NONE; n = pln_graph_node(graph, n)->next) {
        for (uint32_t o = 0; o < pln_graph_node(graph, n)->n_outputs; o++) {
            uint32_t id = pln_graph_node(graph, n)->outputs[o];
            if (id == PLN_NONE) continue;
            struct pln_value *value = pln_graph_value(graph, id);
            if (mode == TAKE) {
                snapshot->types[snapshot->count] = value->type;
            } else if (mode == RESTORE) {
                value->type = snapshot->types[snapshot->count];
                value->elems = NULL;
                value->n_elems = 0;
            }
            snapshot->count++;
        }
        for (uint32_t b = 0; b < pln_graph_node(graph, n)->n_blocks; b++) snapshot_walk(graph, pln_graph_node(graph, n)->blocks[b], mode, snapshot);
    }
}

/* The iteration's number and the condition: scalars, or vectors of one where the body says so. */
static enum pln_status set_scalar(struct pln_infer *infer, uint32_t id, enum pln_dtype dtype)
{
    const struct pln_type *type = &pln_graph_value(infer->graph, id)->type;
    int rank = type->kind == PLN_TENSOR && type->rank == 1 ? 1 : 0;
    struct pln_dim one = pln_dim_const(&infer->graph->dims, 1);
    if (type->dtype != PLN_DTYPE_NONE && type->dtype != dtype)
        return pln_infer_fail(infer, "body input %s must be %s", pln_graph_value(infer->graph, id)->name, pln_dtype_name(dtype));
    if (!pln_graph_set_tensor_type(infer->graph, id, dtype, rank, &one)) return pln_fail_memory(infer->diag, "a type", 0);
    return PLN_OK;
}

/* A carried value starts as what goes into the loop; what the body declares only counts where that is not known. */
static enum pln_status start_carried(struct pln_infer *infer, uint32_t body_input, const struct pln_type *initial)
{
    const struct pln_type *declared = &pln_graph_value(infer->graph, body_input)->type;
    struct pln_type type = *initial;
    if (initial->kind == PLN_TENSOR && declared->kind == PLN_TENSOR) {
        if (initial->dtype != PLN_DTYPE_NONE && declared->dtype != PLN_DTYPE_NONE && initial->dtype != declared->dtype)
            return pln_infer_fail(infer, "carried value %s is %s, but starts as %s", pln_graph_value(infer->graph, body_input)->name,
                                  pln_dtype_name(declared->dtype), pln_dtype_name(initial->dtype));
        if (type.dtype == PLN_DTYPE_NONE) type.dtype = declared->dtype;
    } else if (initial->kind != PLN_TENSOR && !initial->elem) {
        return PLN_OK;
    }
    return pln_graph_set_type(infer->graph, body_input, &type) ? PLN_OK : pln_fail_memory(infer->diag, "a type", 0);
}

/* Does dim d of carried value i still have the extent that it starts with? If not it has been widened to a symbol of its own. */
static bool starts_with(struct pln_infer *infer, uint32_t i, const struct pln_type *in, int d)
{
    const struct pln_type *initial = pln_infer_in(infer, (int)i + 2);
    return initial->kind == PLN_TENSOR && initial->rank == in->rank && pln_dim_same(&infer->graph->dims, initial->dims[d], in->dims[d]);
}

static enum pln_status check_carried(struct pln_infer *infer, const char *name, const struct pln_type *in, const struct pln_type *out)
{
    /* An optional may go in where what it holds comes out. */
    if (in->kind == PLN_OPTIONAL && in->elem && in->elem->kind == out->kind) return PLN_OK;
    if (in->kind != out->kind) return pln_infer_fail(infer, "carried value %s changes its kind", name);
    if (in->kind != PLN_TENSOR || in->dtype == PLN_DTYPE_NONE || out->dtype == PLN_DTYPE_NONE || in->dtype == out->dtype) return PLN_OK;
    return pln_infer_fail(infer, "carried value %s goes in as %s and comes out as %s", name, pln_dtype_name(in->dtype),
                          pln_dtype_name(out->dtype));
}

/* Makes the body's input for carried value i wide enough for what comes out of the body. *out_wider is set when it had to change. */
static enum pln_status widen_carried(struct pln_infer *infer, uint32_t body, uint32_t i, bool give_up, bool *out_wider)
{
    struct pln_graph *graph = infer->graph;
    uint32_t body_input = graph->blocks[body].inputs[2 + i];
    struct pln_type in = pln_graph_value(graph, body_input)->type;
    struct pln_type out = pln_graph_value(graph, graph->blocks[body].outputs[1 + i])->type;
    PLN_TRY(check_carried(infer, pln_graph_value(graph, body_input)->name, &in, &out));
    if (in.kind != PLN_TENSOR || in.rank < 0) return PLN_OK;
    struct pln_dim dims[PLN_MAX_RANK];
    int rank = out.rank == in.rank ? in.rank : -1;
    bool wider = rank < 0;
    for (int d = 0; d < rank; d++) {
        bool change = starts_with(infer, i, &in, d) && !pln_dim_same(&graph->dims, in.dims[d], out.dims[d]);
        dims[d] = change ? pln_dim_symbol(&graph->dims, NULL) : in.dims[d];
        wider = wider || change;
    }
    if (!wider) return PLN_OK;
    *out_wider = true;
    if (!pln_graph_set_tensor_type(graph, body_input, in.dtype, give_up ? -1 : rank, dims)) return pln_fail_memory(infer->diag, "a type", 0);
    return PLN_OK;
}

/* Looks at the body until the carried values' types go in as they come out. */
static enum pln_status settle_rounds(struct pln_infer *infer, uint32_t body, uint32_t n_carried, struct snapshot *snapshot)
{
    struct pln_graph *graph = infer->graph;
    for (int round = 0;; round++) {
        PLN_TRY(infer_block(infer, body));
        bool wider = false;
        for (uint32_t i = 0; i < n_carried; i++)
            PLN_TRY(widen_carried(infer, body, i, round >= WIDEN_MAX, &wider));
        if (!wider) return PLN_OK;
        snapshot->count = 0;
        snapshot_walk(graph, body, RESTORE, snapshot);
    }
}

static enum pln_status settle_body(struct pln_infer *infer, uint32_t body, uint32_t n_carried)
{
    struct pln_graph *graph = infer->graph;
    struct snapshot snapshot = { 0 };
    snapshot_walk(graph, body, COUNT, &snapshot);
    const size_t bytes = (snapshot.count + 1) * sizeof *snapshot.types;
    snapshot.types = pln_alloc(graph->alloc, bytes, _Alignof(struct pln_type));
    if (!snapshot.types) return pln_fail_memory(infer->diag, "types of a body", bytes);
    snapshot.count = 0;
    snapshot_walk(graph, body, TAKE, &snapshot);
    enum pln_status status = settle_rounds(infer, body, n_carried, &snapshot);
    pln_free(graph->alloc, snapshot.types, bytes);
    return status;
}

static enum pln_status scan_out(struct pln_infer *infer, struct visible *visible, uint32_t o, const struct pln_type *element)
{
    if (element->kind != PLN_TENSOR) return pln_infer_fail(infer, "output %u collects values that are no tensors", o);
    if (element->rank < 0) return pln_infer_out(infer, (int)o, element->dtype, -1, NULL);
    if (element->rank == PLN_MAX_RANK) return pln_infer_fail(infer, "output %u would have more than %d dims", o, PLN_MAX_RANK);
    struct pln_dim dims[PLN_MAX_RANK];
    dims[0] = pln_infer_out_symbol(infer, (int)o, 0);
    for (int d = 0; d < element->rank; d++)
        dims[d + 1] = is_visible(visible, element->dims[d]) ? element->dims[d] : pln_infer_out_symbol(infer, (int)o, d + 1);
    return pln_infer_out(infer, (int)o, element->dtype, element->rank + 1, dims);
}

static enum pln_status loop_outputs(struct pln_infer *infer, struct visible *visible, uint32_t body, uint32_t n_carried)
{
    struct pln_graph *graph = infer->graph;
    uint32_t n = pln_graph_node(graph, infer->node)->n_outputs;
    for (uint32_t o = 0; o < n; o++) {
        struct pln_type end = pln_graph_value(graph, graph->blocks[body].outputs[1 + o])->type;
        if (o >= n_carried) {
            PLN_TRY(scan_out(infer, visible, o, &end));
            continue;
        }
        /* A loop that never runs gives back what went in. */
        struct pln_type start = *pln_infer_in(infer, (int)o + 2);
        PLN_TRY(join_out(infer, visible, o, &start, &end));
    }
    return PLN_OK;
}

static enum pln_status check_loop(struct pln_infer *infer, uint32_t *out_body, uint32_t *out_carried)
{
    const struct pln_node *node = pln_graph_node(infer->graph, infer->node);
    if (node->n_blocks != 1) return pln_infer_fail(infer, "the body is missing");
    const struct pln_block *body = &infer->graph->blocks[node->blocks[0]];
    uint32_t n_carried = node->n_inputs > 2 ? node->n_inputs - 2 : 0;
    if (body->n_inputs != 2 + n_carried)
        return pln_infer_fail(infer, "the body takes %u inputs, but %u come in", body->n_inputs, 2 + n_carried);
    if (body->n_outputs < 1 + n_carried || node->n_outputs > body->n_outputs - 1)
        return pln_infer_fail(infer, "the body's %u outputs do not fit the node's %u", body->n_outputs, node->n_outputs);
    for (uint32_t i = 0; i < n_carried; i++)
        if (node->inputs[2 + i] == PLN_NONE) return pln_infer_fail(infer, "carried input %u is missing", i);
    *out_body = node->blocks[0];
    *out_carried = n_carried;
    return check_depth(infer);
}

static enum pln_status infer_loop(struct pln_infer *infer)
{
    struct pln_graph *graph = infer->graph;
    uint32_t body = 0, n_carried = 0;
    PLN_TRY(check_loop(infer, &body, &n_carried));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK(PLN_I64)));
    PLN_TRY(pln_infer_check_dtype(infer, 1, PLN_MASK(PLN_BOOL)));
    /* Once the carried types are settled they stay: widening starts from what goes in, and would take back what it made. */
    if (!pln_attrs_int(&pln_graph_node(graph, infer->node)->attrs, "settled", 0)) {
        PLN_TRY(set_scalar(infer, graph->blocks[body].inputs[0], PLN_I64));
        PLN_TRY(set_scalar(infer, graph->blocks[body].inputs[1], PLN_BOOL));
        bool known = true;
        for (uint32_t i = 0; i < n_carried; i++) {
            struct pln_type initial = *pln_infer_in(infer, (int)i + 2);
            PLN_TRY(start_carried(infer, graph->blocks[body].inputs[2 + i], &initial));
            known = known && (initial.kind != PLN_TENSOR || (initial.rank >= 0 && initial.dtype != PLN_DTYPE_NONE));
        }
        if (known && !pln_attrs_set_int(&pln_graph_node(graph, infer->node)->attrs, &graph->arena, "settled", 1))
            return pln_fail_memory(infer->diag, "an attribute", 0);
    }
    PLN_TRY(settle_body(infer, body, n_carried));
    struct visible visible;
    PLN_TRY(visible_init(&visible, infer));
    enum pln_status status = loop_outputs(infer, &visible, body, n_carried);
    visible_deinit(&visible);
    return status;
}

static const struct pln_attr_def loop_attrs[] = {
    { "settled", PLN_ATTR_INT, false, 0, 0, NULL }, /* 1: the types of carried values are final */
    { 0 },
};

const struct pln_op_def pln_op_loop = {
    .name = "loop",
    .onnx = "Loop",
    .attrs = loop_attrs,
    .hint = "settled",
    .min_inputs = 0,
    .max_inputs = -1,
    .min_outputs = 0,
    .max_outputs = -1,
    .traits = PLN_TRAIT_CONTROL,
    .infer = infer_loop,
};
