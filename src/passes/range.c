#include "passes/range.h"

#include "ops/builder.h"
#include "tensor/convert.h"

#define VIEWS_MOST 8 /* between a value and the reduction that reads it */

static enum pln_range range_of_reduction(unsigned kind)
{
    switch ((enum pln_reduce)kind) {
    case PLN_REDUCE_SUM:
    case PLN_REDUCE_PROD:
    case PLN_REDUCE_L1:
    case PLN_REDUCE_L2:
    case PLN_REDUCE_SUM_SQUARE: return PLN_RANGE_LARGER;
    case PLN_REDUCE_MEAN:
    case PLN_REDUCE_LOG_SUM:
    case PLN_REDUCE_LOG_SUM_EXP: return PLN_RANGE_SUMMED;
    case PLN_REDUCE_MAX:
    case PLN_REDUCE_MIN:
    case PLN_REDUCE_NONE:
    case PLN_REDUCE_COUNT: break;
    }
    return PLN_RANGE_LIKE_INPUTS;
}

/* scaled: one of two operands is a constant. exponent NULL: not known. */
static enum pln_range range_of_ew(unsigned kind, bool square, bool scaled, const double *exponent)
{
    if (kind == PLN_EW_EXP || kind == PLN_EW_SINH || kind == PLN_EW_COSH) return PLN_RANGE_LARGER;
    if (kind == PLN_EW_MUL) return square ? PLN_RANGE_LARGER : scaled ? PLN_RANGE_LIKE_INPUTS : PLN_RANGE_PRODUCT;
    if (kind != PLN_EW_POW) return PLN_RANGE_LIKE_INPUTS;
    return exponent && *exponent >= -1 && *exponent <= 1 ? PLN_RANGE_LIKE_INPUTS : PLN_RANGE_LARGER;
}

/* ---- programs ---- */

static const struct pln_rowprog_instr *maker(const struct pln_rowprog *program, unsigned reg)
{
    for (int i = 0; i < program->n_instrs; i++)
        if (program->instrs[i].dst == reg) return &program->instrs[i];
    return NULL;
}

static enum pln_range range_of_register(const struct pln_rowprog *program, unsigned reg)
{
    const struct pln_rowprog_instr *instr = maker(program, reg);
    while (instr && instr->code == PLN_ROWPROG_EW && instr->kind == PLN_EW_IDENTITY)
        instr = maker(program, instr->src[0]);
    if (!instr || instr->code == PLN_ROWPROG_CONST) return PLN_RANGE_LIKE_INPUTS;
    if (instr->code == PLN_ROWPROG_REDUCE) return range_of_reduction(instr->kind);
    const struct pln_rowprog_instr *first = maker(program, instr->src[0]), *second = maker(program, instr->src[1]);
    const double *exponent = second && second->code == PLN_ROWPROG_CONST ? &second->imm : NULL;
    return range_of_ew(instr->kind, instr->src[0] == instr->src[1],
                       exponent || (first && first->code == PLN_ROWPROG_CONST), exponent);
}

static enum pln_range range_of_program(const struct pln_node *node, const char *name, uint32_t slot)
{
    const struct pln_attr *attr = pln_attrs_find(&node->attrs, name);
    struct pln_rowprog program;
    if (!attr || attr->kind != PLN_ATTR_STRING ||
        pln_rowprog_read(attr->u.s.data, attr->u.s.size_bytes, NULL, &program) != PLN_OK || slot >= program.n_outputs)
        return PLN_RANGE_LIKE_INPUTS;
    return range_of_register(&program, program.outputs[slot].reg);
}

/* ---- nodes ---- */

static const struct pln_tensor *constant_of(const struct pln_graph *graph, const struct pln_node *node, uint32_t i)
{
    return i < node->n_inputs && node->inputs[i] != PLN_NONE ? pln_graph_value(graph, node->inputs[i])->data : NULL;
}

static enum pln_range range_of_elementwise(const struct pln_graph *graph, const struct pln_node *node)
{
    const struct pln_tensor *power = constant_of(graph, node, 1);
    const bool known = power && pln_tensor_count(power) == 1 &&
                       (pln_dtype_is_float(power->dtype) || pln_dtype_is_integer(power->dtype));
    const double exponent = known ? pln_load_f64(power->dtype, power->data, 0) : 0;
    return range_of_ew(node->kind, node->n_inputs == 2 && node->inputs[0] == node->inputs[1],
                       power || constant_of(graph, node, 0), known ? &exponent : NULL);
}

enum pln_range pln_range_of_output(const struct pln_graph *graph, uint32_t node, uint32_t slot)
{
    const struct pln_node *n = pln_graph_node(graph, node);
    if (n->op == PLN_OP_REDUCE) return range_of_reduction(n->kind);
    if (n->op == PLN_OP_ELEMENTWISE) return range_of_elementwise(graph, n);
    return range_of_program(n, n->op == PLN_OP_ROW_PROGRAM ? "program" : "epilogue", slot);
}

bool pln_range_is_passed_on(const struct pln_graph *graph, uint32_t node)
{
    const struct pln_node *n = pln_graph_node(graph, node);
    if (n->n_inputs == 0 || n->op == PLN_OP_REDUCE) return n->op == PLN_OP_REDUCE;
    if (pln_op_get(n->op)->traits & (PLN_TRAIT_VIEW | PLN_TRAIT_PERMUTE)) return true;
    if (n->op != PLN_OP_ELEMENTWISE || (n->kind != PLN_EW_ADD && n->kind != PLN_EW_SUB && n->kind != PLN_EW_MUL &&
                                        n->kind != PLN_EW_ABS && n->kind != PLN_EW_NEG))
        return false;
    return n->n_inputs == 1 || constant_of(graph, n, 0) || constant_of(graph, n, 1);
}

static bool is_reduced(const struct pln_graph *graph, uint32_t value, int views)
{
    for (uint32_t use = pln_graph_value(graph, value)->first_use; use != PLN_NONE; use = graph->uses[use].next) {
        const uint32_t user = graph->uses[use].user;
        const struct pln_node *n = user == PLN_NONE ? NULL : pln_graph_node(graph, user);
        if (!n || graph->uses[use].slot != 0) continue;
        if (n->op == PLN_OP_REDUCE && range_of_reduction(n->kind) != PLN_RANGE_LIKE_INPUTS) return true;
        const bool view = pln_op_get(n->op)->traits & (PLN_TRAIT_VIEW | PLN_TRAIT_PERMUTE);
        if (view && views > 0 && n->outputs[0] != PLN_NONE && is_reduced(graph, n->outputs[0], views - 1)) return true;
    }
    return false;
}

bool pln_range_is_reduced(const struct pln_graph *graph, uint32_t value)
{
    return is_reduced(graph, value, VIEWS_MOST);
}
