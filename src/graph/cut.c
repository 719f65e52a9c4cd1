#include "graph/cut.h"

#include "base/text.h"
#include "graph/inside.h"

/* An output by what the user calls it, else a value by its own name. */
static enum pln_status find(const struct pln_graph *graph, const char *name, struct pln_diag *diag, uint32_t *out_value)
{
    const struct pln_block *block = &graph->blocks[0];
    *out_value = PLN_NONE;
    for (uint32_t i = 0; i < block->n_outputs && *out_value == PLN_NONE; i++)
        if (block->output_names && pln_str_equal(block->output_names[i], name)) *out_value = block->outputs[i];
    if (*out_value == PLN_NONE) *out_value = pln_graph_find_value(graph, name);
    if (*out_value == PLN_NONE) return pln_fail(diag, PLN_NOT_FOUND, "the model has no value '%s'", name);
    const struct pln_value *value = pln_graph_value(graph, *out_value);
    if (value->data || value->block == 0 || (value->producer != PLN_NONE && graph->nodes[value->producer].block == 0)) return PLN_OK;
    return pln_fail(diag, PLN_NOT_FOUND, "value '%s' is inside of a body; a model is cut at values outside of If, Loop and Scan", name);
}

static enum pln_status check_once(const char *const *names, size_t at, const char *what, struct pln_diag *diag)
{
    for (size_t i = 0; i < at; i++)
        if (pln_str_equal(names[i], names[at])) return pln_fail(diag, PLN_INVALID_ARGUMENT, "'%s' is named twice among the %s", names[at], what);
    return PLN_OK;
}

static enum pln_status set_outputs(struct pln_graph *graph, const char *const *names, struct pln_diag *diag)
{
    size_t n = 0;
    while (names[n]) n++;
    uint32_t *values = pln_ids_alloc(graph, n + 1);
    if (!values) return pln_fail_memory(diag, "the outputs", n * sizeof *values);
    for (size_t i = 0; i < n; i++) {
        PLN_TRY(check_once(names, i, "outputs", diag));
        PLN_TRY(find(graph, names[i], diag, &values[i]));
    }
    struct pln_block *block = &graph->blocks[0];
    for (uint32_t i = 0; i < block->n_outputs; i++) pln_use_drop(graph, block->output_uses[i]);
    block->n_outputs = 0;
    for (size_t i = 0; i < n; i++)
        if (!pln_graph_add_block_output(graph, 0, values[i], names[i])) return pln_fail_memory(diag, "the outputs", 0);
    return PLN_OK;
}

/* What the producer gives there is another value from now on, which nothing uses. */
static enum pln_status make_input(struct pln_graph *graph, uint32_t id, struct pln_diag *diag)
{
    struct pln_value *value = pln_graph_value(graph, id);
    if (value->block == 0 || value->removed || value->first_use == PLN_NONE) return PLN_OK; /* it is one already, or nothing needs it */
    if (value->producer != PLN_NONE) {
        const uint32_t producer = value->producer, slot = value->producer_slot;
        const uint32_t rest = pln_graph_add_value(graph, NULL, &value->type);
        if (rest == PLN_NONE) return pln_fail_memory(diag, "the inputs", 0);
        pln_graph_set_output(graph, producer, slot, rest);
        value = pln_graph_value(graph, id);
        value->producer = PLN_NONE;
    }
    value->data = NULL;
    value->elems = NULL;
    value->n_elems = 0;
    return pln_graph_add_block_input(graph, 0, id) ? PLN_OK : pln_fail_memory(diag, "the inputs", 0);
}

/* Names are looked up before anything changes: outputs that go take theirs with them. */
enum pln_status pln_graph_cut(struct pln_graph *graph, const char *const *inputs, const char *const *outputs, struct pln_diag *diag)
{
    size_t n = 0;
    while (inputs && inputs[n]) n++;
    uint32_t *values = pln_ids_alloc(graph, n + 1);
    if (!values) return pln_fail_memory(diag, "the inputs", n * sizeof *values);
    for (size_t i = 0; i < n; i++) {
        PLN_TRY(check_once(inputs, i, "inputs", diag));
        PLN_TRY(find(graph, inputs[i], diag, &values[i]));
    }
    graph->n_states = 0;
    if (outputs && outputs[0]) PLN_TRY(set_outputs(graph, outputs, diag));
    for (size_t i = 0; i < n; i++) PLN_TRY(make_input(graph, values[i], diag));
    return PLN_OK;
}

void pln_graph_drop_unused_inputs(struct pln_graph *graph)
{
    struct pln_block *block = &graph->blocks[0];
    uint32_t kept = 0;
    for (uint32_t i = 0; i < block->n_inputs; i++) {
        struct pln_value *value = pln_graph_value(graph, block->inputs[i]);
        if (value->first_use != PLN_NONE) block->inputs[kept++] = block->inputs[i];
        else value->removed = true;
    }
    block->n_inputs = kept;
}
