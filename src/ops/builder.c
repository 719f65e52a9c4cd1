#include "ops/builder.h"

#include "tensor/convert.h"

enum { NO_REG = 255 };

/* ---- what can be in a program ---- */

static bool good_tensor(const struct pln_graph *graph, uint32_t value)
{
    const struct pln_type *type = &pln_graph_value(graph, value)->type;
    return type->kind == PLN_TENSOR && type->rank >= 0 && (type->dtype == PLN_F32 || type->dtype == PLN_BOOL);
}

static bool good_operands(const struct pln_graph *graph, const struct pln_node *node)
{
    for (uint32_t i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] != PLN_NONE && !good_tensor(graph, node->inputs[i])) return false;
    return node->n_inputs > 0 && node->n_outputs == 1 && node->outputs[0] != PLN_NONE && good_tensor(graph, node->outputs[0]) &&
           pln_graph_value(graph, node->outputs[0])->type.rank > 0;
}

static const struct pln_type *out_type(const struct pln_graph *graph, uint32_t node)
{
    return &pln_graph_value(graph, pln_graph_node(graph, node)->outputs[0])->type;
}

static bool last_axis(const struct pln_graph *graph, uint32_t node, int64_t axis)
{
    int rank = out_type(graph, node)->rank, normal;
    return pln_axis_normalize(axis, rank, &normal) && normal == rank - 1;
}

static bool takes_reduce(const struct pln_graph *graph, uint32_t node)
{
    const struct pln_node *n = pln_graph_node(graph, node);
    bool kind = n->kind == PLN_REDUCE_SUM || n->kind == PLN_REDUCE_MEAN || n->kind == PLN_REDUCE_MAX || n->kind == PLN_REDUCE_MIN ||
                n->kind == PLN_REDUCE_SUM_SQUARE || n->kind == PLN_REDUCE_L2;
    if (!kind || n->n_outputs != 1 || n->outputs[0] == PLN_NONE || !good_tensor(graph, n->inputs[0]) || pln_node_int(graph, node, "keepdims") == 0) return false;
    if (out_type(graph, node)->dtype != PLN_F32 || out_type(graph, node)->rank < 1 || n->n_inputs < 2) return false;
    const struct pln_tensor *axes = n->inputs[1] == PLN_NONE ? NULL : pln_graph_value(graph, n->inputs[1])->data;
    return axes && pln_tensor_count(axes) == 1 && last_axis(graph, node, pln_load_i64(axes->dtype, axes->data, 0));
}

static bool takes_elementwise(const struct pln_graph *graph, const struct pln_node *node)
{
    const struct pln_ew_info *info = pln_ew_get(node->kind);
    return info && info->cls != PLN_EW_CLASS_I && good_operands(graph, node);
}

bool pln_builder_takes(const struct pln_graph *graph, uint32_t node, bool *out_reduces)
{
    const struct pln_node *n = pln_graph_node(graph, node);
    *out_reduces = false;
    if (n->removed || n->n_inputs == 0 || n->inputs[0] == PLN_NONE) return false;
    if (n->op == PLN_OP_ELEMENTWISE) return takes_elementwise(graph, n);
    if (n->op == PLN_OP_CAST) return good_operands(graph, n) && out_type(graph, node)->dtype == PLN_F32;
    *out_reduces = true;
    if (n->op == PLN_OP_REDUCE) return takes_reduce(graph, node);
    if (n->op == PLN_OP_SOFTMAX) return good_operands(graph, n) && last_axis(graph, node, pln_node_int(graph, node, "axis"));
    if (n->op != PLN_OP_LAYER_NORM || !last_axis(graph, node, pln_node_int(graph, node, "axis"))) return false;
    return good_operands(graph, n) && pln_node_int(graph, node, "stash_type") == PLN_F32;
}

const struct pln_type *pln_builder_space_of(const struct pln_graph *graph, uint32_t node)
{
    const struct pln_node *n = pln_graph_node(graph, node);
    return n->op == PLN_OP_REDUCE ? &pln_graph_value(graph, n->inputs[0])->type : out_type(graph, node);
}

enum pln_builder_class pln_builder_class_of(struct pln_graph *graph, const struct pln_type *space, uint32_t value)
{
    const struct pln_type *type = &pln_graph_value(graph, value)->type;
    if (type->kind != PLN_TENSOR || type->rank != space->rank || type->rank < 1) return PLN_BUILDER_OTHER;
    int last = type->rank - 1;
    for (int d = 0; d < last; d++)
        if (!pln_dim_same(&graph->dims, type->dims[d], space->dims[d])) return PLN_BUILDER_OTHER;
    if (pln_dim_same(&graph->dims, type->dims[last], space->dims[last])) return PLN_BUILDER_FULL;
    return pln_dim_is(&graph->dims, type->dims[last], 1) ? PLN_BUILDER_ROW : PLN_BUILDER_OTHER;
}

/* ---- registers ---- */

void pln_builder_init(struct pln_builder *builder, struct pln_graph *graph, const struct pln_type *space)
{
    memset(builder, 0, sizeof *builder);
    builder->graph = graph;
    builder->space = *space;
    builder->program.version = PLN_ROWPROG_VERSION;
    builder->program.rank = (uint8_t)space->rank;
}

static unsigned new_reg(struct pln_builder *b, enum pln_dtype dtype, bool varies, unsigned ready)
{
    if (b->program.n_regs >= PLN_ROWPROG_MAX_REGS) {
        b->full = true;
        return 0;
    }
    unsigned reg = b->program.n_regs++;
    b->dtypes[reg] = (uint8_t)dtype;
    b->varies[reg] = varies;
    b->ready[reg] = (uint8_t)ready;
    return reg;
}

static unsigned bind(struct pln_builder *b, uint32_t value, unsigned reg)
{
    if (b->n_values >= PLN_BUILDER_VALUES) {
        b->full = true;
        return reg;
    }
    b->values[b->n_values] = value;
    b->regs[b->n_values++] = (uint8_t)reg;
    return reg;
}

static struct pln_rowprog_instr *new_instr(struct pln_builder *b, enum pln_rowprog_code code, unsigned kind, enum pln_dtype dtype)
{
    if (b->program.n_instrs >= PLN_ROWPROG_MAX_INSTRS) {
        b->full = true;
        return &b->program.instrs[0];
    }
    struct pln_rowprog_instr *instr = &b->program.instrs[b->program.n_instrs++];
    *instr = (struct pln_rowprog_instr){ .code = (uint8_t)code, .kind = (uint8_t)kind, .dtype = (uint8_t)dtype, .src = { NO_REG, NO_REG, NO_REG } };
    return instr;
}

static unsigned number(struct pln_builder *b, enum pln_dtype dtype, double imm)
{
    struct pln_rowprog_instr *instr = new_instr(b, PLN_ROWPROG_CONST, 0, dtype);
    instr->imm = imm;
    return instr->dst = (uint8_t)new_reg(b, dtype, false, 0);
}

static unsigned load(struct pln_builder *b, uint32_t value)
{
    const struct pln_type *type = &pln_graph_value(b->graph, value)->type;
    int rank = b->program.rank, skip = rank - type->rank;
    if (b->program.n_inputs >= PLN_ROWPROG_MAX_OPERANDS || skip < 0) {
        b->full = true;
        return 0;
    }
    /* An operand of one element a row is a row value, which may be stored as one. */
    bool row = type->rank > 0 && !pln_dim_is(&b->graph->dims, type->dims[type->rank - 1], 1);
    struct pln_rowprog_operand *operand = &b->program.inputs[b->program.n_inputs];
    b->operands[b->program.n_inputs++] = value;
    operand->dtype = (uint8_t)type->dtype;
    operand->rank = (uint8_t)type->rank;
    for (int i = 0; i < rank; i++) operand->axis[i] = (int8_t)(i < skip ? -1 : i - skip);
    row = row || pln_dim_is(&b->graph->dims, b->space.dims[rank - 1], 1);
    if (!row) operand->axis[rank - 1] = -1;
    return operand->reg = (uint8_t)new_reg(b, type->dtype, operand->axis[rank - 1] >= 0, 0);
}

static unsigned read_value(struct pln_builder *b, uint32_t value)
{
    double imm;
    if (value == PLN_NONE) return NO_REG;
    for (int i = 0; i < b->n_values; i++)
        if (b->values[i] == value) return b->regs[i];
    const struct pln_value *v = pln_graph_value(b->graph, value);
    if (v->data && v->type.rank <= b->program.rank && pln_graph_scalar_f64(b->graph, value, &imm)) return bind(b, value, number(b, v->type.dtype, imm));
    return bind(b, value, load(b, value));
}

void pln_builder_accumulator(struct pln_builder *builder, uint32_t value)
{
    bind(builder, value, load(builder, value));
}

/* ---- instructions ---- */

static unsigned emit(struct pln_builder *b, enum pln_ew kind, enum pln_dtype dtype, unsigned x, unsigned y, unsigned z)
{
    struct pln_rowprog_instr *instr = new_instr(b, PLN_ROWPROG_EW, kind, dtype);
    unsigned src[3] = { x, y, z }, ready = 0;
    bool varies = false;
    for (int s = 0; s < 3; s++) {
        instr->src[s] = (uint8_t)src[s];
        if (src[s] == NO_REG) continue;
        ready = PLN_MAX(ready, b->ready[src[s]]);
        varies = varies || b->varies[src[s]];
    }
    instr->pass = (uint8_t)ready;
    return instr->dst = (uint8_t)new_reg(b, dtype, varies, ready);
}

static unsigned emit2(struct pln_builder *b, enum pln_ew kind, unsigned x, unsigned y)
{
    return emit(b, kind, PLN_F32, x, y, NO_REG);
}

static unsigned emit1(struct pln_builder *b, enum pln_ew kind, unsigned x)
{
    return emit(b, kind, PLN_F32, x, NO_REG, NO_REG);
}

static unsigned reduce(struct pln_builder *b, enum pln_reduce kind, unsigned x)
{
    struct pln_rowprog_instr *instr = new_instr(b, PLN_ROWPROG_REDUCE, kind, PLN_F32);
    instr->src[0] = (uint8_t)x;
    instr->pass = b->ready[x];
    return instr->dst = (uint8_t)new_reg(b, PLN_F32, false, instr->pass + 1u);
}

static unsigned add_elementwise(struct pln_builder *b, uint32_t node)
{
    const struct pln_node *n = pln_graph_node(b->graph, node);
    unsigned src[3] = { NO_REG, NO_REG, NO_REG };
    for (uint32_t i = 0; i < n->n_inputs && i < 3; i++) src[i] = read_value(b, n->inputs[i]);
    unsigned reg = emit(b, (enum pln_ew)n->kind, out_type(b->graph, node)->dtype, src[0], src[1], src[2]);
    struct pln_rowprog_instr *instr = &b->program.instrs[b->program.n_instrs ? b->program.n_instrs - 1 : 0];
    pln_ew_parameters(n->kind, &n->attrs, &instr->alpha, &instr->beta);
    return reg;
}

/* With the largest element taken off, exp cannot overflow. */
static unsigned add_softmax(struct pln_builder *b, uint32_t node)
{
    const struct pln_node *n = pln_graph_node(b->graph, node);
    unsigned x = read_value(b, n->inputs[0]);
    unsigned shifted = emit2(b, PLN_EW_SUB, x, reduce(b, PLN_REDUCE_MAX, x));
    unsigned power = emit1(b, PLN_EW_EXP, shifted), sum = reduce(b, PLN_REDUCE_SUM, power);
    if (n->kind == PLN_SOFTMAX_LOG_SOFTMAX) return emit2(b, PLN_EW_SUB, shifted, emit1(b, PLN_EW_LOG, sum));
    return emit2(b, PLN_EW_DIV, power, sum);
}

/* Two passes over the row: the variance from distances to the mean, never from squares alone. */
static unsigned add_layer_norm(struct pln_builder *b, uint32_t node)
{
    const struct pln_node *n = pln_graph_node(b->graph, node);
    unsigned x = read_value(b, n->inputs[0]);
    unsigned distance = emit2(b, PLN_EW_SUB, x, reduce(b, PLN_REDUCE_MEAN, x));
    unsigned variance = reduce(b, PLN_REDUCE_MEAN, emit2(b, PLN_EW_MUL, distance, distance));
    unsigned shifted = emit2(b, PLN_EW_ADD, variance, number(b, PLN_F32, (double)pln_node_float(b->graph, node, "epsilon")));
    unsigned y = emit2(b, PLN_EW_MUL, distance, emit1(b, PLN_EW_RSQRT, shifted));
    y = emit2(b, PLN_EW_MUL, y, read_value(b, n->inputs[1]));
    return n->n_inputs > 2 && n->inputs[2] != PLN_NONE ? emit2(b, PLN_EW_ADD, y, read_value(b, n->inputs[2])) : y;
}

void pln_builder_add(struct pln_builder *builder, uint32_t node)
{
    const struct pln_node *n = pln_graph_node(builder->graph, node);
    unsigned reg = 0;
    if (n->op == PLN_OP_ELEMENTWISE) reg = add_elementwise(builder, node);
    else if (n->op == PLN_OP_CAST) reg = emit1(builder, PLN_EW_IDENTITY, read_value(builder, n->inputs[0]));
    else if (n->op == PLN_OP_REDUCE) reg = reduce(builder, (enum pln_reduce)n->kind, read_value(builder, n->inputs[0]));
    else if (n->op == PLN_OP_SOFTMAX) reg = add_softmax(builder, node);
    else reg = add_layer_norm(builder, node);
    bind(builder, n->outputs[0], reg);
}

void pln_builder_output(struct pln_builder *builder, uint32_t value)
{
    struct pln_rowprog *program = &builder->program;
    int at = 0, last = program->rank - 1;
    while (at < builder->n_values && builder->values[at] != value) at++;
    if (at == builder->n_values || program->n_outputs >= PLN_ROWPROG_MAX_OPERANDS) {
        builder->full = true;
        return;
    }
    struct pln_rowprog_operand *operand = &program->outputs[program->n_outputs++];
    operand->reg = builder->regs[at];
    operand->dtype = builder->dtypes[operand->reg];
    operand->rank = program->rank;
    for (int i = 0; i <= last; i++) operand->axis[i] = (int8_t)i;
    if (pln_builder_class_of(builder->graph, &builder->space, value) != PLN_BUILDER_ROW) return;
    operand->axis[last] = -1;
    if (builder->varies[operand->reg]) builder->full = true;
}

/* Where no row is looked at as one, an operand of one element a row walks the row as others do: then any axis may be the innermost. */
static void widen_operands(struct pln_rowprog *program)
{
    int last = program->rank - 1;
    for (int i = 0; i < program->n_instrs; i++)
        if (program->instrs[i].code == PLN_ROWPROG_REDUCE) return;
    for (int o = 0; o < program->n_outputs; o++)
        if (program->outputs[o].axis[last] < 0) return;
    for (int k = 0; k < program->n_inputs; k++)
        if (program->inputs[k].axis[last] < 0 && program->inputs[k].rank > 0) program->inputs[k].axis[last] = (int8_t)(program->inputs[k].rank - 1);
}

bool pln_builder_finish(struct pln_builder *builder)
{
    struct pln_rowprog *program = &builder->program;
    if (builder->full) return false;
    widen_operands(program);
    /* By pass; a register's readers stand in its pass or later, so the order within a pass stays good. */
    for (int i = 1; i < program->n_instrs; i++) {
        struct pln_rowprog_instr instr = program->instrs[i];
        int at = i;
        for (; at > 0 && program->instrs[at - 1].pass > instr.pass; at--) program->instrs[at] = program->instrs[at - 1];
        program->instrs[at] = instr;
    }
    program->n_passes = (uint8_t)(program->n_instrs ? program->instrs[program->n_instrs - 1].pass + 1 : 1);
    return pln_rowprog_verify(program) == NULL;
}

bool pln_builder_set(const struct pln_builder *builder, uint32_t node, const char *attr)
{
    struct pln_graph *graph = builder->graph;
    struct pln_text text;
    pln_text_init(&text, graph->alloc);
    pln_rowprog_write(&builder->program, &text);
    bool good = !text.failed && pln_attrs_set_string(&pln_graph_node(graph, node)->attrs, &graph->arena, attr, text.data, text.size_bytes);
    pln_text_deinit(&text);
    if (!good) graph->failed = true;
    return good;
}
