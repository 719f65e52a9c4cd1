/* Storage of floats in 16 bits, where the caller permits it (graph->half): activations and weights of products, convolutions, attention and of what
 * lies between them. Arithmetic keeps its type: kernels accumulate in f32, row programs compute in the types of their instructions, so softmax,
 * normalizations and reductions are f32 inside.
 *
 * What stays f32: inputs and outputs of the model and of bodies, states, values that no product has touched (masks, whose large negative numbers
 * 16 bits do not hold, position tables, scales), and what may be larger than 16 bits hold although its operands are not, or is a sum: powers, exponentials,
 * sums of a reduction and the products that go into it, and what is made of these without a product or a function that bounds it (passes/range.h). */
#include "base/text.h"
#include "ops/builder.h"
#include "passes/range.h"
#include "passes/rewrite.h"
#include "tensor/convert.h"

enum pln_status pln_pass_precision(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);

/* A constant of more elements that is gathered from is a table of embeddings. */
#define TABLE_ELEMENTS 16384

struct precision {
    struct pln_rewrite rewrite;
    struct pln_graph *graph;
    struct pln_diag *diag;
    size_t n_values;      /* when the pass began */
    bool *active;         /* by value: it comes from a product; then it is stored in half when it was f32 */
    bool *large;          /* by value: f32 that half may not hold */
    enum pln_status status; /* of the first node that no longer fits together */
    uint32_t *narrow, *wide; /* by value: the same in half and in f32; PLN_NONE: not there */
};

static bool is_f32(const struct pln_graph *graph, uint32_t value)
{
    if (value == PLN_NONE) return false;
    const struct pln_type *type = &pln_graph_value(graph, value)->type;
    return type->kind == PLN_TENSOR && type->dtype == PLN_F32;
}

/* Was f32 when the pass began, whatever it is now. */
static bool was_f32(const struct precision *own, uint32_t value)
{
    if (value == PLN_NONE || value >= own->n_values) return false;
    return is_f32(own->graph, value) || own->active[value];
}

static uint32_t cast(struct precision *own, uint32_t before, uint32_t value, enum pln_dtype to)
{
    uint32_t node = pln_rewrite_insert(&own->rewrite, before, PLN_OP_CAST, 0, &value, 1, before);
    if (node == PLN_NONE || !pln_attrs_set_int(&pln_graph_node(own->graph, node)->attrs, &own->graph->arena, "to", to) || !pln_rewrite_infer(&own->rewrite, node)) {
        own->graph->failed = true;
        return value;
    }
    return pln_graph_node(own->graph, node)->outputs[0];
}

/* ---- constants ---- */

/* Every finite element stays finite. */
static bool fits(const struct pln_tensor *tensor, enum pln_dtype half)
{
    const float *data = tensor->data;
    const float most = half == PLN_F16 ? 65504.0f : 3.38953139e38f; /* the largest of each: IEEE 754 binary16; bfloat16 */
    const int64_t n = pln_tensor_count(tensor);
    for (int64_t i = 0; i < n; i++)
        if (data[i] > most || data[i] < -most) return false;
    return true;
}

static uint32_t narrow_constant(struct precision *own, uint32_t value)
{
    const struct pln_tensor *from = pln_graph_value(own->graph, value)->data;
    struct pln_tensor to;
    if (!fits(from, own->graph->half)) return PLN_NONE;
    pln_tensor_init(&to, own->graph->half, from->rank, from->dims, NULL);
    to.data = pln_arena_alloc_aligned(&own->graph->arena, pln_tensor_bytes(&to) + 1, 64);
    if (!to.data || pln_convert(from, &to, false, 0, NULL, own->diag) != PLN_OK) {
        own->graph->failed = true;
        return PLN_NONE;
    }
    return pln_graph_add_constant(own->graph, pln_graph_value(own->graph, value)->name, &to);
}

/* ---- values where they are used ---- */

/* The dominance of blocks: what was made for a use in one block is there for those in it and in blocks inside. */
static bool reaches(const struct pln_graph *graph, uint32_t value, uint32_t node)
{
    uint32_t producer = pln_graph_value(graph, value)->producer;
    return producer == PLN_NONE || pln_graph_block_within(graph, pln_graph_node(graph, node)->block, pln_graph_node(graph, producer)->block);
}

static uint32_t narrow_for(struct precision *own, uint32_t node, uint32_t value)
{
    uint32_t *known = &own->narrow[value];
    if (own->active[value]) return value;
    if (*known != PLN_NONE && reaches(own->graph, *known, node)) return *known;
    *known = pln_graph_value(own->graph, value)->data ? narrow_constant(own, value) : cast(own, node, value, own->graph->half);
    return *known;
}

static uint32_t wide_for(struct precision *own, uint32_t node, uint32_t value)
{
    uint32_t *known = &own->wide[value];
    if (*known == PLN_NONE || !reaches(own->graph, *known, node)) *known = cast(own, node, value, PLN_F32);
    return *known;
}

/* ---- nodes ---- */

/* Inputs of the node that are stored as its output is. Operands of an epilogue come behind the op's own. */
static uint32_t tied_inputs(const struct pln_node *node)
{
    return pln_op_get(node->op)->storage_inputs;
}

static bool has_active_input(const struct precision *own, const struct pln_node *node)
{
    for (uint32_t i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] != PLN_NONE && node->inputs[i] < own->n_values && own->active[node->inputs[i]]) return true;
    return false;
}

static bool is_product(const struct precision *own, const struct pln_node *node)
{
    const struct pln_op_def *def = pln_op_get(node->op);
    if (def->tolerance == PLN_TOL_ACCUMULATE && (def->storage_inputs & 3) == 3) return true;
    const struct pln_tensor *table = node->n_inputs > 0 && node->inputs[0] != PLN_NONE ? pln_graph_value(own->graph, node->inputs[0])->data : NULL;
    return table && node->op == PLN_OP_GATHER && pln_tensor_count(table) > TABLE_ELEMENTS;
}

static bool is_state(const struct pln_graph *graph, uint32_t value)
{
    for (size_t i = 0; i < graph->n_states; i++)
        if (graph->blocks[0].inputs[graph->states[i].input] == value || graph->blocks[0].outputs[graph->states[i].output] == value) return true;
    return false;
}

/* Room for a cast of every operand. */
static bool program_has_room(const struct pln_node *node, const char *name)
{
    const struct pln_attr *attr = pln_attrs_find(&node->attrs, name);
    struct pln_rowprog program;
    if (!attr || attr->kind != PLN_ATTR_STRING) return true;
    if (pln_rowprog_read(attr->u.s.data, attr->u.s.size_bytes, NULL, &program) != PLN_OK) return false;
    const int more = program.n_inputs + program.n_outputs;
    return program.n_instrs + more <= PLN_ROWPROG_MAX_INSTRS && program.n_regs + more <= PLN_ROWPROG_MAX_REGS;
}

/* An input may be what half does not hold. */
static bool has_large_input(const struct precision *own, const struct pln_node *node)
{
    for (uint32_t i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] != PLN_NONE && node->inputs[i] < own->n_values && own->large[node->inputs[i]]) return true;
    return false;
}

/* Elements that are summed are worth their bits as their sum is. */
static bool fits_half(const struct pln_graph *graph, uint32_t node, uint32_t slot)
{
    switch (pln_range_of_output(graph, node, slot)) {
    case PLN_RANGE_PRODUCT: return !pln_range_is_reduced(graph, pln_graph_node(graph, node)->outputs[slot]);
    case PLN_RANGE_SUMMED:
    case PLN_RANGE_LARGER: return false;
    case PLN_RANGE_LIKE_INPUTS: break;
    }
    return true;
}

/* Of a node whose results stay f32. */
static void note_large(struct precision *own, uint32_t node)
{
    const struct pln_graph *graph = own->graph;
    const struct pln_node *n = pln_graph_node(graph, node);
    const bool passed_on = pln_range_is_passed_on(graph, node) && has_large_input(own, n);
    for (uint32_t i = 0; i < n->n_outputs; i++) {
        if (!is_f32(graph, n->outputs[i]) || n->outputs[i] >= own->n_values) continue;
        const enum pln_range range = pln_range_of_output(graph, node, i);
        own->large[n->outputs[i]] = passed_on || range == PLN_RANGE_LARGER || (range == PLN_RANGE_PRODUCT && !fits_half(graph, node, i));
    }
}

/* A node whose f32 results may be stored in half, and which takes them so. */
static bool may_narrow(const struct precision *own, uint32_t node)
{
    const struct pln_graph *graph = own->graph;
    const struct pln_node *n = pln_graph_node(graph, node);
    const struct pln_op_def *def = pln_op_get(n->op);
    bool any = false;
    if (!def->storage_inputs || n->n_blocks > 0) return false;
    for (uint32_t i = 0; i < n->n_outputs; i++) {
        if (!is_f32(graph, n->outputs[i])) continue;
        if (is_state(graph, n->outputs[i]) || !fits_half(graph, node, i)) return false;
        any = true;
    }
    if (!any || has_large_input(own, n) || !(is_product(own, n) || has_active_input(own, n))) return false;
    if (!program_has_room(n, "epilogue") || !program_has_room(n, "program")) return false;
    for (uint32_t i = 0; i < n->n_inputs && i < 32; i++) {
        if (!(def->storage_inputs >> i & 1) || !is_f32(graph, n->inputs[i])) continue;
        const struct pln_tensor *data = pln_graph_value(graph, n->inputs[i])->data;
        if (data && !fits(data, graph->half)) return false;
    }
    return true;
}

/* ---- programs ---- */

static struct pln_rowprog_instr cast_instr(enum pln_dtype dtype, unsigned pass, unsigned dst, unsigned src)
{
    return (struct pln_rowprog_instr){ .code = PLN_ROWPROG_EW, .kind = PLN_EW_IDENTITY, .dtype = (uint8_t)dtype, .pass = (uint8_t)pass, .dst = (uint8_t)dst, .src = { (uint8_t)src, 255, 255 } };
}

/* The pass in which a register is first known. */
static unsigned known_in(const struct pln_rowprog *program, unsigned reg)
{
    for (int i = 0; i < program->n_instrs; i++)
        if (program->instrs[i].dst == reg) return program->instrs[i].pass + (program->instrs[i].code == PLN_ROWPROG_REDUCE);
    return 0;
}

/* Input `i` is loaded in `dtype`, and made what the program computes in. */
static void cast_input(struct pln_rowprog *program, int i, enum pln_dtype dtype)
{
    struct pln_rowprog_operand *operand = &program->inputs[i];
    if (operand->dtype == dtype) return;
    memmove(program->instrs + 1, program->instrs, program->n_instrs * sizeof program->instrs[0]);
    program->instrs[0] = cast_instr((enum pln_dtype)operand->dtype, 0, operand->reg, program->n_regs);
    program->n_instrs++;
    operand->reg = program->n_regs++;
    operand->dtype = (uint8_t)dtype;
}

static void cast_output(struct pln_rowprog *program, int i, enum pln_dtype dtype)
{
    struct pln_rowprog_operand *operand = &program->outputs[i];
    const unsigned last = program->n_passes > 0 ? program->n_passes - 1u : 0, known = known_in(program, operand->reg), pass = PLN_MAX(last, known);
    program->instrs[program->n_instrs++] = cast_instr(dtype, pass, program->n_regs, operand->reg);
    program->n_passes = (uint8_t)(pass + 1);
    operand->reg = program->n_regs++;
    operand->dtype = (uint8_t)dtype;
}

/* Operand types of the node's program become those of its inputs and, if narrow, halves those of its outputs; the accumulator of an epilogue keeps its own. */
static void retype_program(struct precision *own, uint32_t node, const char *name, bool narrow)
{
    struct pln_graph *graph = own->graph;
    struct pln_node *n = pln_graph_node(graph, node);
    const struct pln_attr *attr = pln_attrs_find(&n->attrs, name);
    struct pln_rowprog program;
    struct pln_text text;
    if (!attr || attr->kind != PLN_ATTR_STRING) return;
    if (pln_rowprog_read(attr->u.s.data, attr->u.s.size_bytes, own->diag, &program) != PLN_OK) {
        graph->failed = true;
        return;
    }
    const int first = pln_str_equal(name, "epilogue");
    const uint32_t skipped = first ? n->n_inputs - (uint32_t)(program.n_inputs - 1) : 0;
    for (int i = first; i < program.n_inputs; i++) cast_input(&program, i, pln_graph_value(graph, n->inputs[skipped + (uint32_t)(i - first)])->type.dtype);
    for (int i = 0; i < program.n_outputs && narrow; i++)
        if (program.outputs[i].dtype == PLN_F32) cast_output(&program, i, graph->half);
    pln_text_init(&text, graph->alloc);
    pln_rowprog_write(&program, &text);
    if (text.failed || !pln_attrs_set_string(&n->attrs, &graph->arena, name, text.data, text.size_bytes)) graph->failed = true;
    pln_text_deinit(&text);
}

/* ---- rewriting ---- */

static void narrow_inputs(struct precision *own, uint32_t node)
{
    struct pln_graph *graph = own->graph;
    const uint32_t tied = tied_inputs(pln_graph_node(graph, node)), n_inputs = pln_graph_node(graph, node)->n_inputs;
    for (uint32_t i = 0; i < n_inputs && !graph->failed; i++) {
        uint32_t value = pln_graph_node(graph, node)->inputs[i];
        if (!was_f32(own, value) || own->active[value]) continue;
        bool by_program = pln_graph_node(graph, node)->op == PLN_OP_ROW_PROGRAM; /* which takes any types */
        if (by_program || i >= 32 || !(tied >> i & 1)) continue;
        uint32_t narrow = narrow_for(own, node, value);
        if (narrow != PLN_NONE) pln_graph_set_input(graph, node, i, narrow);
    }
}

/* A copy of the value in f32 at the end of the block `block`; PLN_NONE: no memory. */
static uint32_t widen_at_end(struct precision *own, uint32_t block, uint32_t value)
{
    struct pln_graph *graph = own->graph;
    const uint32_t node = pln_graph_add_node(graph, block, PLN_OP_CAST, 0, &value, 1, 1);
    if (node != PLN_NONE && pln_attrs_set_int(&pln_graph_node(graph, node)->attrs, &graph->arena, "to", PLN_F32) && pln_rewrite_infer(&own->rewrite, node)) return pln_graph_node(graph, node)->outputs[0];
    graph->failed = true;
    return PLN_NONE;
}

/* Who looks at a value by its name sees what is stored, in the type that the model gives it. */
static void move_tap(struct precision *own, uint32_t block, uint32_t value)
{
    struct pln_graph *graph = own->graph;
    const char *name = pln_graph_value(graph, value)->name;
    const uint32_t wide = widen_at_end(own, block, value);
    if (wide == PLN_NONE || !pln_graph_rename(graph, value, pln_graph_value(graph, wide)->name) || !pln_graph_rename(graph, wide, name)) return;
    pln_graph_value(graph, value)->tapped = false;
    pln_graph_value(graph, wide)->tapped = true;
}

static void narrow_node(struct precision *own, uint32_t node)
{
    struct pln_graph *graph = own->graph;
    narrow_inputs(own, node);
    if (graph->failed) return;
    for (uint32_t i = 0; i < pln_graph_node(graph, node)->n_outputs; i++) {
        uint32_t value = pln_graph_node(graph, node)->outputs[i];
        if (!is_f32(graph, value)) continue;
        struct pln_type type = pln_graph_value(graph, value)->type;
        if (!pln_graph_set_tensor_type(graph, value, PLN_DTYPE_NONE, type.rank, type.dims)) graph->failed = true;
    }
    retype_program(own, node, "epilogue", true);
    retype_program(own, node, "program", true);
    if (graph->failed) return;
    own->status = pln_infer_node(graph, node, own->diag);
    if (own->status != PLN_OK) return;
    for (uint32_t i = 0; i < pln_graph_node(graph, node)->n_outputs; i++) {
        uint32_t value = pln_graph_node(graph, node)->outputs[i];
        if (value == PLN_NONE || value >= own->n_values || pln_graph_value(graph, value)->type.dtype != graph->half) continue;
        own->active[value] = true;
        if (pln_graph_value(graph, value)->tapped) move_tap(own, pln_graph_node(graph, node)->block, value);
    }
}

/* Whoever wants f32 gets it; row programs read any type. */
static void widen_inputs(struct precision *own, uint32_t node)
{
    struct pln_graph *graph = own->graph;
    const struct pln_node *n = pln_graph_node(graph, node);
    if (n->op == PLN_OP_ROW_PROGRAM && has_active_input(own, n) && program_has_room(n, "program")) {
        retype_program(own, node, "program", false);
        if (!graph->failed) own->status = pln_infer_node(graph, node, own->diag);
        return;
    }
    for (uint32_t i = 0; i < pln_graph_node(graph, node)->n_inputs && !graph->failed; i++) {
        uint32_t value = pln_graph_node(graph, node)->inputs[i];
        if (value != PLN_NONE && value < own->n_values && own->active[value]) pln_graph_set_input(graph, node, i, wide_for(own, node, value));
    }
}

static void widen_outputs(struct precision *own)
{
    struct pln_graph *graph = own->graph;
    for (uint32_t b = 0; b < graph->n_blocks; b++) {
        for (uint32_t i = 0; i < graph->blocks[b].n_outputs && !graph->failed; i++) {
            uint32_t value = graph->blocks[b].outputs[i];
            if (value >= own->n_values || !own->active[value]) continue;
            const uint32_t wide = widen_at_end(own, b, value);
            if (wide == PLN_NONE) return;
            pln_graph_set_block_output(graph, b, i, wide);
        }
    }
}

enum pln_status pln_pass_precision(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    struct precision own = { .rewrite = { graph, scratch }, .graph = graph, .diag = diag, .n_values = graph->n_values };
    uint32_t *order, *position, n;
    if (graph->half == PLN_DTYPE_NONE) return PLN_OK;
    own.active = pln_arena_array(scratch, graph->n_values + 1, sizeof *own.active);
    own.narrow = pln_arena_array(scratch, graph->n_values + 1, sizeof *own.narrow);
    own.wide = pln_arena_array(scratch, graph->n_values + 1, sizeof *own.wide);
    own.large = pln_arena_array(scratch, graph->n_values + 1, sizeof *own.large);
    if (!own.active || !own.large || !own.narrow || !own.wide || !pln_rewrite_order(graph, scratch, &order, &n, &position)) return pln_fail_memory(diag, "precision", 0);
    memset(own.narrow, 0xff, (graph->n_values + 1) * sizeof *own.narrow);
    memset(own.wide, 0xff, (graph->n_values + 1) * sizeof *own.wide);
    for (uint32_t i = 0; i < n && !graph->failed && own.status == PLN_OK; i++) {
        if (may_narrow(&own, order[i])) {
            narrow_node(&own, order[i]);
            continue;
        }
        note_large(&own, order[i]);
        widen_inputs(&own, order[i]);
    }
    PLN_TRY(own.status);
    widen_outputs(&own);
    for (size_t v = 0; v < own.n_values; v++) *out_changed = *out_changed || own.active[v];
    return PLN_OK;
}
