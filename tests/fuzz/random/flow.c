/* If, Loop, Scan, model-local functions, sequences. Bodies see the values around them; what they are made of is any node. */
#include "make.h"

#include <stdio.h>

#include "onnx/wire_write.h"

#define DEPTH_MOST 2

/* GraphProto: node 1, name 2, initializer 5, input 11, output 12. */
static struct pln_text body_text(struct maker *g, const struct block *block, const int *inputs, int input_count, const int *outputs, int output_count)
{
    struct pln_text body;
    bool with_shapes = chance(g, 65);
    pln_text_init(&body, NULL);
    pln_text_append(&body, block->nodes.data, block->nodes.size_bytes);
    pln_wire_put_string(&body, 2, "body");
    pln_text_append(&body, block->initializers.data, block->initializers.size_bytes);
    for (int i = 0; i < input_count + output_count; i++) {
        struct pln_text info = value_info(g, &g->value[i < input_count ? inputs[i] : outputs[i - input_count]], with_shapes);
        pln_wire_put_message(&body, i < input_count ? 11 : 12, &info);
        pln_text_deinit(&info);
    }
    return body;
}

/* A value that a body is given. */
static int body_input(struct maker *g, struct value v, bool visible)
{
    if (g->values >= VALUES_MOST) {
        g->failed = true;
        return 0;
    }
    snprintf(v.name, sizeof v.name, "b%d", g->names++);
    v.uses = 0, v.fixed = false;
    g->value[g->values] = v;
    if (visible) block_add(g, g->values);
    return g->values++;
}

/* An output of a body must be made there. */
static int identity(struct maker *g, int a)
{
    struct value v = g->value[a];
    return node_simple(g, "Identity", a, -1, -1, v);
}

/* Something the block made itself, or something from outside. */
static int pick_result(struct maker *g, uint32_t types)
{
    int a = pick(g, (struct want){ .types = types, .magnitude = 1e3 });
    return identity(g, a);
}

static bool make_if(struct maker *g)
{
    if (g->block->depth >= DEPTH_MOST) return false;
    int cond = pick_old(g, (struct want){ .types = TYPE(PLN_BOOL), .rank_most = 1, .closed = true, .full = true, .count_most = 1 });
    if (cond < 0 || g->value[cond].rank != 0) cond = make_scalar(g, PLN_BOOL, (double)below(g, 2), chance(g, 25));
    struct block then_block, else_block;
    block_begin(g, &then_block, true);
    make_nodes(g, (int)between(g, 1, 4));
    int yes = pick_result(g, PLAIN);
    struct pln_text then_text = body_text(g, &then_block, NULL, 0, &yes, 1);
    block_end(g, &then_block);
    struct value v = g->value[yes], r = v;
    block_begin(g, &else_block, true);
    make_nodes(g, (int)between(g, 0, 3));
    int no = pick_old(g, (struct want){ .types = TYPE(v.dtype), .rank_least = v.rank, .rank_most = v.rank ? v.rank : 1, .magnitude = 1e3 });
    if (no < 0 || g->value[no].rank != v.rank) no = make_scalar(g, v.dtype, 1, true);
    if (g->value[no].rank != v.rank) { /* a scalar for what has a rank: expanded with ones */
        int64_t ones[CASE_RANK] = { 1, 1, 1, 1, 1, 1, 1, 1 };
        no = make_numbers(g, v.dtype, v.rank, ones, 0, 1);
    }
    no = identity(g, no);
    struct value w = g->value[no];
    struct pln_text else_text = body_text(g, &else_block, NULL, 0, &no, 1);
    block_end(g, &else_block);
    make_union(&r, &v, &w);
    for (int d = 0; d < r.rank; d++) {
        if (same_dim(g, &v, d, &w, d)) continue;
        for (int run = 0; run < g->runs; run++) r.dims[run][d] = v.dims[run][d] > w.dims[run][d] ? v.dims[run][d] : w.dims[run][d];
        r.open[d] = true;
    }
    node_begin(g, "If");
    node_input(g, cond);
    attr_body(g, "then_branch", &then_text);
    attr_body(g, "else_branch", &else_text);
    node_output(g, r);
    node_end(g);
    block_free(&then_block);
    block_free(&else_block);
    return true;
}

/* The next value of what goes round: in bounds, and of the same shape. -1: none. */
static int next_carried(struct maker *g, int carried, int other)
{
    struct value c = g->value[carried], o = g->value[other], r = c;
    if (!make_broadcast(g, &c, &o, &r)) return -1;
    r.lo = c.lo, r.hi = c.hi, r.apart = c.apart, r.grid = NO_GRID;
    static const char *const ops[] = { "Max", "Min" };
    if (o.lo >= c.lo && o.hi <= c.hi && o.apart <= c.apart && chance(g, 50)) return node_simple(g, ops[below(g, 2)], carried, other, -1, r);
    if (!is_float(c.dtype)) return identity(g, carried);
    int half = make_scalar(g, c.dtype, 0.5, true); /* c / 2 + o / 2 is between both */
    struct value h = c, oh = o;
    h.apart += 2 * type_unit(c.dtype) * magnitude(&c), oh.apart += 2 * type_unit(c.dtype) * magnitude(&o);
    h.grid = oh.grid = NO_GRID, h.lo /= 2, h.hi /= 2, oh.lo /= 2, oh.hi /= 2;
    int a = node_simple(g, "Mul", carried, half, -1, h), b = node_simple(g, "Mul", other, half, -1, oh);
    return node_simple(g, "Add", a, b, -1, r);
}

/* What goes round, with bounds and an error that hold in every turn: the half of both plus three roundings a turn, never more than twice that in all. */
static struct value carried_value(const struct value *start, const struct value *other)
{
    struct value v = *start;
    make_union(&v, start, other);
    v.grid = is_float(v.dtype) ? NO_GRID : 0;
    if (is_float(v.dtype)) v.apart = fmax(v.apart, 0) + 16 * type_unit(v.dtype) * (magnitude(&v) + v.apart);
    v.distinct = v.fixed = false;
    return v;
}

/* Start and something to mix with it, of the same shape or less. */
static bool pick_carried(struct maker *g, int *start, int *other)
{
    *start = pick(g, (struct want){ .types = FLOATS & ~TYPE(PLN_BF16), .closed = true, .magnitude = 16 });
    *other = other_operand(g, *start, (struct want){ .magnitude = 16 });
    struct value r = g->value[*start];
    if (!make_broadcast(g, &g->value[*start], &g->value[*other], &r) || r.rank != g->value[*start].rank) return false;
    for (int d = 0; d < r.rank; d++)
        if (!same_dim(g, &r, d, &g->value[*start], d)) return false;
    return true;
}

static struct value stacked(const struct maker *g, const struct value *v, int64_t turns, bool open)
{
    struct value r = *v;
    r.rank = v->rank + 1, r.distinct = r.fixed = false;
    for (int d = v->rank; d > 0; d--) copy_dim(&r, d, v, d - 1);
    set_dim(g, &r, 0, turns);
    r.open[0] = open;
    for (int d = 1; turns == 0 && d < r.rank; d++) r.open[d] = true; /* no turn told them */
    return r;
}

static bool make_loop(struct maker *g)
{
    if (g->block->depth >= DEPTH_MOST) return false;
    int start, other;
    if (!pick_carried(g, &start, &other)) return false;
    int64_t turns = between(g, chance(g, 10) ? 0 : 1, 4);
    bool stops = chance(g, 30), scans = chance(g, 60);
    int count = make_scalar(g, PLN_I64, (double)turns, chance(g, 70)), cond = chance(g, 50) ? make_scalar(g, PLN_BOOL, 1, chance(g, 70)) : -1;
    struct value carried = carried_value(&g->value[start], &g->value[other]), turn = { .dtype = PLN_I64, .lo = 0, .hi = 3, .grid = 0 }, flag = { .dtype = PLN_BOOL, .lo = 0, .hi = 1, .grid = 0 };
    struct block block;
    block_begin(g, &block, true);
    int inputs[3] = { body_input(g, turn, true), body_input(g, flag, false), body_input(g, carried, true) }, outputs[3];
    make_nodes(g, (int)between(g, 0, 4));
    int next = next_carried(g, inputs[2], other);
    if (next < 0) next = identity(g, inputs[2]);
    outputs[0] = stops ? node_simple(g, "Less", inputs[0], make_scalar(g, PLN_I64, (double)between(g, 0, 2), true), -1, flag) : identity(g, inputs[1]);
    outputs[1] = next;
    if (scans) {
        int result = pick(g, (struct want){ .types = PLAIN, .closed = true, .rank_most = 5, .count_most = 512, .magnitude = 1e3 });
        outputs[2] = identity(g, result);
    }
    struct value each = g->value[outputs[scans ? 2 : 1]];
    struct pln_text text = body_text(g, &block, inputs, 3, outputs, scans ? 3 : 2);
    block_end(g, &block);
    node_begin(g, "Loop");
    node_input(g, count);
    node_input(g, cond);
    node_input(g, start);
    attr_body(g, "body", &text);
    node_output(g, carried);
    if (scans) node_output(g, stacked(g, &each, turns, stops));
    node_end(g);
    block_free(&block);
    return true;
}

static bool make_scan(struct maker *g)
{
    if (g->block->depth >= DEPTH_MOST) return false;
    int start, other, x = pick(g, (struct want){ .types = FLOATS & ~TYPE(PLN_BF16), .rank_least = 1, .full = true, .magnitude = 1e3, .count_most = 512 });
    if (!pick_carried(g, &start, &other)) return false;
    struct value carried = carried_value(&g->value[start], &g->value[other]), whole = g->value[x], part = whole;
    bool back = chance(g, 30);
    part.rank--, part.fixed = false;
    for (int d = 0; d < part.rank; d++) copy_dim(&part, d, &whole, d + 1);
    struct block block;
    block_begin(g, &block, true);
    int inputs[2] = { body_input(g, carried, true), body_input(g, part, true) }, outputs[2];
    make_nodes(g, (int)between(g, 0, 4));
    outputs[0] = next_carried(g, inputs[0], other);
    if (outputs[0] < 0) outputs[0] = identity(g, inputs[0]);
    int result = pick(g, (struct want){ .types = PLAIN, .closed = true, .rank_most = 5, .count_most = 256, .magnitude = 1e3 });
    outputs[1] = identity(g, result);
    struct value each = stacked(g, &g->value[outputs[1]], 1, false);
    copy_dim(&each, 0, &whole, 0);
    struct pln_text text = body_text(g, &block, inputs, 2, outputs, 2);
    int64_t direction = 1;
    block_end(g, &block);
    node_begin(g, "Scan");
    node_input(g, start);
    node_input(g, x);
    attr_body(g, "body", &text);
    attr_int(g, "num_scan_inputs", 1);
    if (back) attr_ints(g, chance(g, 50) ? "scan_input_directions" : "scan_output_directions", &direction, 1);
    node_output(g, carried);
    node_output(g, each);
    node_end(g);
    block_free(&block);
    return true;
}

/* FunctionProto: name 1, input 4, output 5, node 7, opset_import 9, domain 10. */
static void add_function(struct maker *g, const char *name, const struct block *block, const int *inputs, int input_count, int output)
{
    struct pln_text function, opset;
    pln_text_init(&function, NULL);
    pln_text_init(&opset, NULL);
    pln_wire_put_string(&function, 1, name);
    for (int i = 0; i < input_count; i++) pln_wire_put_string(&function, 4, g->value[inputs[i]].name);
    pln_wire_put_string(&function, 5, g->value[output].name);
    pln_text_append(&function, block->nodes.data, block->nodes.size_bytes);
    pln_wire_put_string(&opset, 1, "");
    pln_wire_put_int(&opset, 2, g->opset);
    pln_wire_put_message(&function, 9, &opset);
    pln_wire_put_string(&function, 10, "local");
    pln_wire_put_message(&g->functions, 25, &function);
    pln_text_deinit(&function);
    pln_text_deinit(&opset);
}

static void call(struct maker *g, const char *name, const int *operands, int count, const struct value *result)
{
    node_begin(g, name);
    node_domain(g, "local");
    for (int i = 0; i < count; i++) node_input(g, operands[i]);
    node_output(g, *result);
    node_end(g);
}

static bool make_function(struct maker *g)
{
    if (g->function_count > 2 || g->block->depth) return false;
    int operands[3], inputs[3], count = (int)between(g, 1, 3);
    for (int i = 0; i < count; i++) {
        operands[i] = pick(g, (struct want){ .types = FLOATS | TYPE(PLN_I64) | TYPE(PLN_BOOL), .closed = true });
        if (varies(g, &g->value[operands[i]])) return false; /* a function has no inputs to take new extents from */
    }
    char name[16];
    snprintf(name, sizeof name, "F%d", g->function_count++);
    struct block block, *outer = g->block;
    block_begin(g, &block, false);
    block.node_field = 7;
    block.depth = outer->depth + 1;
    for (int i = 0; i < count; i++) inputs[i] = body_input(g, g->value[operands[i]], true);
    make_nodes(g, (int)between(g, 1, 6));
    int output = pick_result(g, PLAIN);
    struct value r = g->value[output];
    add_function(g, name, &block, inputs, count, output);
    g->block = outer;
    block_free(&block);
    r.fixed = r.distinct = false;
    call(g, name, operands, count, &r);
    if (chance(g, 30)) call(g, name, operands, count, &r);
    return true;
}

/* --- sequences: made, changed, and back to tensors */

static void sequence_output(struct maker *g, char name[CASE_NAME])
{
    snprintf(name, CASE_NAME, "s%d", g->names++);
    pln_wire_put_string(&g->node, 2, name);
}

static void named_input(struct maker *g, const char *name)
{
    pln_wire_put_string(&g->node, 1, name);
}

static bool make_sequence(struct maker *g)
{
    int ids[3], count = (int)between(g, 1, 3), at = 0;
    ids[0] = pick(g, (struct want){ .types = PLAIN & ~TYPE(PLN_BF16), .magnitude = 1e3 });
    bool mixed = false;
    for (int i = 1; i < count; i++) {
        ids[i] = pick(g, (struct want){ .types = TYPE(g->value[ids[0]].dtype), .magnitude = 1e3 });
        mixed = mixed || g->value[ids[i]].rank != g->value[ids[0]].rank;
    }
    char name[CASE_NAME], other[CASE_NAME];
    node_begin(g, "SequenceConstruct");
    for (int i = 0; i < count; i++) node_input(g, ids[i]);
    sequence_output(g, name);
    node_end(g);
    if (chance(g, 40)) { /* one more at the front */
        int zero = make_scalar(g, PLN_I64, 0, chance(g, 70));
        node_begin(g, "SequenceInsert");
        named_input(g, name);
        node_input(g, ids[0]);
        node_input(g, zero);
        sequence_output(g, other);
        node_end(g);
        memcpy(name, other, sizeof name);
        at = 1;
    }
    if (chance(g, 30)) {
        struct value length = { .dtype = PLN_I64, .lo = 0, .hi = 4, .grid = 0 };
        node_begin(g, "SequenceLength");
        named_input(g, name);
        node_output(g, length);
        node_end(g);
    }
    int which = (int)below(g, (uint32_t)count), index = make_scalar(g, PLN_I64, chance(g, 30) ? which - count : which + at, chance(g, 80));
    struct value r = g->value[ids[which]];
    r.fixed = false;
    r.rankless = r.rankless || mixed;
    node_begin(g, "SequenceAt");
    named_input(g, name);
    node_input(g, index);
    node_output(g, r);
    node_end(g);
    return true;
}

static bool make_split_sequence(struct maker *g)
{
    int a = pick(g, (struct want){ .types = TYPE(PLN_F32) | TYPE(PLN_F64) | TYPE(PLN_I64) | TYPE(PLN_I32), .rank_least = 1, .full = true, .magnitude = 1e3 });
    struct value v = g->value[a];
    int axis = (int)below(g, (uint32_t)v.rank);
    char name[CASE_NAME];
    bool keep = chance(g, 60);
    v.fixed = false;
    node_begin(g, "SplitToSequence");
    node_input(g, a);
    attr_int(g, "axis", axis);
    if (!keep) attr_int(g, "keepdims", 0);
    sequence_output(g, name);
    node_end(g);
    node_begin(g, "ConcatFromSequence");
    named_input(g, name);
    attr_int(g, "axis", axis);
    if (!keep) attr_int(g, "new_axis", 1);
    node_output(g, v);
    node_end(g);
    return true;
}

const struct op_maker flow_makers[] = {
    { "if", make_if, 3 }, { "loop", make_loop, 3 }, { "scan", make_scan, 2 }, { "function", make_function, 2 }, { "sequence", make_sequence, 1 }, { "split_sequence", make_split_sequence, 1 }, { NULL, NULL, 0 },
};
