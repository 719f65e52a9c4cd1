/* Row programs as an op: types and shapes from the program itself. */
#include "kernel/rowprog.h"
#include "ops/op.h"

static enum pln_status read_program(struct pln_infer *infer, struct pln_rowprog *out_program)
{
    const struct pln_attr *attr = pln_attrs_find(&pln_graph_node(infer->graph, infer->node)->attrs, "program");
    PLN_TRY(pln_rowprog_read(attr->u.s.data, attr->u.s.size_bytes, infer->diag, out_program));
    if (pln_infer_count(infer) != out_program->n_inputs)
        return pln_infer_fail(infer, "%d inputs, but the program takes %d", pln_infer_count(infer), out_program->n_inputs);
    if (pln_graph_node(infer->graph, infer->node)->n_outputs > out_program->n_outputs)
        return pln_infer_fail(infer, "the program has only %d outputs", out_program->n_outputs);
    return PLN_OK;
}

static enum pln_status infer_extents(struct pln_infer *infer, const struct pln_rowprog *program, struct pln_dim *out_extents, bool *out_known)
{
    struct pln_dim_table *t = &infer->graph->dims;
    *out_known = true;
    for (int i = 0; i < program->rank; i++) out_extents[i] = pln_dim_const(t, 1);
    for (int k = 0; k < program->n_inputs; k++) {
        const struct pln_rowprog_operand *operand = &program->inputs[k];
        const struct pln_type *type = pln_infer_in(infer, k);
        PLN_TRY(pln_infer_need_tensor(infer, k, operand->rank, operand->rank));
        PLN_TRY(pln_infer_check_dtype(infer, k, PLN_MASK(operand->dtype)));
        if (type->rank < 0) *out_known = false;
        for (int i = 0; i < program->rank && type->rank >= 0; i++)
            if (operand->axis[i] >= 0) out_extents[i] = pln_dim_broadcast(t, out_extents[i], type->dims[operand->axis[i]]);
    }
    return PLN_OK;
}

static enum pln_status infer_row_program(struct pln_infer *infer)
{
    struct pln_rowprog program;
    struct pln_dim extents[PLN_MAX_RANK], dims[PLN_MAX_RANK];
    bool known;
    PLN_TRY(read_program(infer, &program));
    PLN_TRY(infer_extents(infer, &program, extents, &known));
    for (int o = 0; o < program.n_outputs; o++) {
        const struct pln_rowprog_operand *output = &program.outputs[o];
        for (int d = 0; d < output->rank; d++) dims[d] = pln_dim_const(&infer->graph->dims, 1);
        for (int i = 0; i < program.rank; i++)
            if (output->axis[i] >= 0) dims[output->axis[i]] = extents[i];
        if (known) PLN_TRY(pln_infer_out(infer, o, (enum pln_dtype)output->dtype, output->rank, dims));
        else PLN_TRY(pln_infer_out_symbols(infer, o, (enum pln_dtype)output->dtype, output->rank));
    }
    return PLN_OK;
}

static double program_flops(const struct pln_graph *graph, uint32_t node)
{
    const struct pln_node *n = pln_graph_node(graph, node);
    const struct pln_attr *attr = pln_attrs_find(&n->attrs, "program");
    double flops = attr && attr->kind == PLN_ATTR_STRING && attr->u.s.size_bytes >= 8 ? (double)(uint8_t)attr->u.s.data[5] : 1.0;
    const struct pln_type *type = n->n_inputs ? &pln_graph_value(graph, n->inputs[0])->type : NULL;
    for (int d = 0; type && d < type->rank; d++) {
        int64_t value;
        flops *= pln_dim_value(&graph->dims, type->dims[d], &value) ? (double)value : 128.0;
    }
    return flops;
}

static const struct pln_attr_def attrs[] = {
    { "program", PLN_ATTR_STRING, true, 0, 0, NULL }, /* serialized: kernel/rowprog.h */
    { 0 },
};

const struct pln_op_def pln_op_row_program = {
    .name = "row_program",
    .attrs = attrs,
    .min_inputs = 0,
    .max_inputs = PLN_ROWPROG_MAX_OPERANDS,
    .min_outputs = 1,
    .max_outputs = PLN_ROWPROG_MAX_OPERANDS,
    .traits = PLN_TRAIT_ROWWISE,
    .storage_inputs = 1,
    .tolerance = PLN_TOL_TRANSCENDENTAL,
    .infer = infer_row_program,
    .flops = program_flops,
};
