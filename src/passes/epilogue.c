/* Elementwise nodes behind a product, a convolution or a normalization of channels become its epilogue: bias, activation, residual. */
#include "ops/builder.h"
#include "passes/rewrite.h"

enum pln_status pln_pass_epilogue(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);

/* Inputs of the op, in front of the epilogue's. */
static uint32_t own_inputs(unsigned op)
{
    if (op == PLN_OP_MATMUL_BLOCKS) return 4;
    return op == PLN_OP_MATMUL ? 2 : 3;
}

/* A chain longer than this gains nothing from the tile being in the cache. */
enum { LENGTH_MOST = 24 };

static bool takes_epilogue(const struct pln_graph *graph, const struct pln_node *node)
{
    const bool transposed = node->op == PLN_OP_CONV_TRANSPOSE, norm = node->op == PLN_OP_INSTANCE_NORM;
    if (node->op != PLN_OP_CONV && !transposed && !norm && node->op != PLN_OP_MATMUL && node->op != PLN_OP_GEMM && node->op != PLN_OP_MATMUL_BLOCKS) return false;
    if (node->n_outputs != 1 || node->outputs[0] == PLN_NONE || pln_attrs_has(&node->attrs, "epilogue")) return false;
    const struct pln_type *type = &pln_graph_value(graph, node->outputs[0])->type;
    if (type->dtype != PLN_F32 || type->rank < 2) return false;
    for (int i = 0; i < (norm ? 1 : 2); i++)
        if (pln_graph_value(graph, node->inputs[i])->type.rank < 2) return false;
    /* The CPU has no kernel for others, and reference kernels gain nothing. */
    return !transposed || pln_graph_value(graph, node->inputs[1])->data;
}

/* The elementwise node that alone uses the value and keeps its shape; PLN_NONE: there is none. */
static uint32_t next_in_chain(struct pln_graph *graph, uint32_t value)
{
    uint32_t user = pln_graph_single_user(graph, value);
    bool reduces;
    /* A square or the like uses it twice. */
    for (uint32_t use = pln_graph_value(graph, value)->first_use; user == PLN_NONE && use != PLN_NONE && !pln_graph_value(graph, value)->tapped; use = graph->uses[use].next) {
        if (graph->uses[use].user == PLN_NONE || graph->uses[use].user != graph->uses[pln_graph_value(graph, value)->first_use].user) return PLN_NONE;
        if (graph->uses[use].next == PLN_NONE) user = graph->uses[use].user;
    }
    if (user == PLN_NONE || !pln_builder_takes(graph, user, &reduces) || reduces) return PLN_NONE;
    uint32_t made = pln_graph_node(graph, user)->outputs[0];
    if (pln_graph_node(graph, user)->block != pln_graph_node(graph, pln_graph_value(graph, value)->producer)->block) return PLN_NONE;
    return pln_same_dims(graph, &pln_graph_value(graph, made)->type, &pln_graph_value(graph, value)->type) ? user : PLN_NONE;
}

/* The operand is repeated along one spatial axis of the result and not along another, which a convolution's epilogue does not take, or may turn out so: an
 * extent of it is only known to the run, and not known to be the result's. */
static bool repeats_in_part(struct pln_graph *graph, const struct pln_type *operand, const struct pln_type *to)
{
    int n_axes = 0, n_repeated = 0, n_unsure = 0;
    for (int d = 2; d < to->rank; d++) {
        const int own = d - (to->rank - operand->rank);
        int64_t number;
        if (pln_dim_is(&graph->dims, to->dims[d], 1)) continue;
        n_axes++;
        if (own < 0 || pln_dim_is(&graph->dims, operand->dims[own], 1)) n_repeated++;
        else if (!pln_dim_value(&graph->dims, operand->dims[own], &number) && !pln_dim_same(&graph->dims, to->dims[d], operand->dims[own])) n_unsure++;
    }
    return n_axes > 1 && (n_unsure > 0 || (n_repeated > 0 && n_repeated < n_axes));
}

static bool has_repeated_in_part(struct pln_graph *graph, uint32_t user, uint32_t value)
{
    const struct pln_node *n = pln_graph_node(graph, user);
    for (uint32_t i = 0; i < n->n_inputs; i++) {
        if (n->inputs[i] == PLN_NONE || n->inputs[i] == value) continue;
        if (repeats_in_part(graph, &pln_graph_value(graph, n->inputs[i])->type, &pln_graph_value(graph, value)->type)) return true;
    }
    return false;
}

/* Two products that meet: the one that is computed last takes the other's result, which is there by then. */
static bool other_is_later(const struct pln_graph *graph, uint32_t root, uint32_t user, uint32_t value)
{
    const struct pln_node *n = pln_graph_node(graph, user);
    for (uint32_t i = 0; i < n->n_inputs; i++) {
        if (n->inputs[i] == PLN_NONE || n->inputs[i] == value) continue;
        uint32_t other = pln_graph_value(graph, n->inputs[i])->producer;
        if (other == PLN_NONE || !takes_epilogue(graph, pln_graph_node(graph, other)) || !pln_used_once(graph, n->inputs[i])) continue;
        if (other > root) return true;
    }
    return false;
}

static bool build(struct pln_builder *builder, struct pln_graph *graph, uint32_t root, const uint32_t *chain, int n)
{
    uint32_t accumulator = pln_graph_node(graph, root)->outputs[0];
    pln_builder_init(builder, graph, &pln_graph_value(graph, accumulator)->type);
    pln_builder_accumulator(builder, accumulator);
    for (int i = 0; i < n; i++) pln_builder_add(builder, chain[i]);
    pln_builder_output(builder, pln_graph_node(graph, chain[n - 1])->outputs[0]);
    const struct pln_rowprog *program = &builder->program;
    return pln_builder_finish(builder) && program->n_inputs <= PLN_ROWPROG_EPILOGUE_OPERANDS && program->n_instrs <= PLN_ROWPROG_EPILOGUE_INSTRS &&
           program->n_regs <= PLN_ROWPROG_EPILOGUE_REGS;
}

/* Behind the last node of the chain all its operands are there. */
static bool attach(struct pln_rewrite *rw, uint32_t root, const uint32_t *chain, int n, const struct pln_builder *builder)
{
    struct pln_graph *graph = rw->graph;
    const struct pln_node *old = pln_graph_node(graph, root);
    uint32_t own = own_inputs(old->op), inputs[4 + PLN_ROWPROG_MAX_OPERANDS], n_inputs = 0;
    for (uint32_t i = 0; i < own; i++) inputs[n_inputs++] = i < old->n_inputs ? old->inputs[i] : PLN_NONE;
    for (int i = 1; i < builder->program.n_inputs; i++) inputs[n_inputs++] = builder->operands[i];
    uint32_t last = chain[n - 1];
    uint32_t made = pln_rewrite_insert(rw, last, old->op, old->kind, inputs, n_inputs, root);
    if (made == PLN_NONE || !pln_attrs_copy(&pln_graph_node(graph, made)->attrs, &graph->arena, &pln_graph_node(graph, root)->attrs)) return false;
    for (int i = 0; i < n; i++) (void)pln_graph_node_inherit(graph, made, chain[i]);
    if (!pln_builder_set(builder, made, "epilogue") || !pln_rewrite_infer(rw, made) || !pln_rewrite_replace(rw, last, made)) return false;
    for (int i = n - 2; i >= 0; i--) pln_graph_remove_node(graph, chain[i]);
    pln_graph_remove_node(graph, root);
    return true;
}

static bool rule(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    uint32_t chain[LENGTH_MOST];
    struct pln_builder builder;
    int n = 0;
    if (!takes_epilogue(graph, pln_graph_node(graph, node))) return false;
    for (uint32_t value = pln_graph_node(graph, node)->outputs[0]; n < LENGTH_MOST; value = pln_graph_node(graph, chain[n++])->outputs[0]) {
        uint32_t user = next_in_chain(graph, value);
        if (user == PLN_NONE || other_is_later(graph, node, user, value) || (pln_graph_node(graph, node)->op == PLN_OP_CONV && has_repeated_in_part(graph, user, value))) break;
        chain[n] = user;
    }
    while (n > 0 && !build(&builder, graph, node, chain, n)) n--;
    return n > 0 && attach(rw, node, chain, n, &builder);
}

enum pln_status pln_pass_epilogue(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    (void)diag;
    return pln_rewrite_run(graph, scratch, rule, out_changed);
}
