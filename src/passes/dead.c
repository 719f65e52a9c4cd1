/* Removes nodes whose results nobody uses. */
#include "passes/pass.h"

enum pln_status pln_pass_dead(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);

static bool is_wanted(const struct pln_graph *graph, const struct pln_node *node)
{
    for (uint32_t i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i] == PLN_NONE) continue;
        const struct pln_value *value = pln_graph_value(graph, node->outputs[i]);
        if (value->first_use != PLN_NONE || value->tapped) return true;
    }
    return false;
}

static void sweep(struct pln_graph *graph, uint32_t block, bool *out_changed)
{
    for (uint32_t id = graph->blocks[block].last; id != PLN_NONE;) {
        const struct pln_node *node = pln_graph_node(graph, id);
        uint32_t before = node->prev;
        if (!is_wanted(graph, node)) {
            pln_graph_remove_node(graph, id);
            *out_changed = true;
        } else {
            for (uint32_t i = 0; i < node->n_blocks; i++) sweep(graph, pln_graph_node(graph, id)->blocks[i], out_changed);
        }
        id = before;
    }
}

enum pln_status pln_pass_dead(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    (void)scratch;
    (void)diag;
    /* From the end to the start, one sweep sees every chain; bodies may free values of outer blocks, hence a second. */
    bool again = true;
    for (int round = 0; again && round < 4; round++) {
        again = false;
        sweep(graph, 0, &again);
        *out_changed |= again;
    }
    return PLN_OK;
}
