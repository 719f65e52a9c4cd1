/* Finds states: pairs of an input and an output whose names say that one is the other of the run before (past_key_values.0.key and
 * present.0.key, past.0.k and present.0.k), where the output is the input with something appended (Concat). */
#include "base/text.h"
#include "passes/pass.h"

enum pln_status pln_pass_states(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);

/* What remains of a name behind the word for its side; NULL: it has none. */
static const char *behind_word(const char *name, const char *const *words)
{
    for (size_t i = 0; words[i]; i++)
        if (pln_str_starts(name, words[i])) return name + strlen(words[i]);
    return NULL;
}

static bool names_pair(const char *input, const char *output)
{
    static const char *const before[] = { "past_key_values", "past_key_value", "past", "cache_in", NULL };
    static const char *const after[] = { "present_key_values", "present_key_value", "present", "cache_out", NULL };
    const char *in = behind_word(input, before), *out = behind_word(output, after);
    return in && out && pln_str_equal(in, out);
}

static void find_pair(struct pln_graph *graph, uint32_t output, bool *out_changed)
{
    const struct pln_block *main = &graph->blocks[0];
    const struct pln_value *value = pln_graph_value(graph, main->outputs[output]);
    if (value->producer == PLN_NONE || value->type.kind != PLN_TENSOR || value->type.rank < 1) return;
    const struct pln_node *node = pln_graph_node(graph, value->producer);
    int axis;
    if (node->op != PLN_OP_CONCAT || node->n_inputs != 2 || node->block != 0 || !pln_axis_normalize(pln_attrs_int(&node->attrs, "axis", 0), value->type.rank, &axis)) return;
    for (uint32_t i = 0; i < main->n_inputs; i++) {
        if (pln_graph_value(graph, main->inputs[i])->type.rank != value->type.rank) continue; /* not known: it cannot be laid out */
        if (main->inputs[i] != node->inputs[0] || !names_pair(pln_graph_value(graph, main->inputs[i])->name, main->output_names[output])) continue;
        if (!pln_arena_grow(&graph->arena, (void **)&graph->states, &graph->states_capacity, graph->n_states + 1, sizeof *graph->states)) {
            graph->failed = true;
            return;
        }
        graph->states[graph->n_states++] = (struct pln_graph_state){ i, output, axis };
        *out_changed = true;
    }
}

enum pln_status pln_pass_states(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    (void)scratch;
    (void)diag;
    graph->n_states = 0;
    for (uint32_t i = 0; i < graph->blocks[0].n_outputs; i++) find_pair(graph, i, out_changed);
    return PLN_OK;
}
