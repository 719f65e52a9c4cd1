#include "passes/pass.h"

#include "base/text.h"

#define PLN_PASS(name, portable) enum pln_status pln_pass_##name(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);
#include "passes/passes.inc"
#undef PLN_PASS

const struct pln_pass pln_passes[] = {
#define PLN_PASS(name, portable) { #name, pln_pass_##name, portable },
#include "passes/passes.inc"
#undef PLN_PASS
    { NULL, NULL, false },
};

static bool is_pass(const char *name)
{
    for (const struct pln_pass *pass = pln_passes; pass->name; pass++)
        if (pln_str_equal(pass->name, name)) return true;
    return false;
}

static bool is_disabled(const struct pln_pass_options *options, const char *name)
{
    for (size_t i = 0; options->disabled && options->disabled[i]; i++)
        if (pln_str_equal(options->disabled[i], name)) return true;
    return false;
}

static enum pln_status check_names(const struct pln_pass_options *options, struct pln_diag *diag)
{
    for (size_t i = 0; options->disabled && options->disabled[i]; i++)
        if (!is_pass(options->disabled[i])) return pln_fail(diag, PLN_INVALID_ARGUMENT, "there is no pass '%s' (planish ops --passes lists them)", options->disabled[i]);
    if (options->dump_after && !is_pass(options->dump_after)) return pln_fail(diag, PLN_INVALID_ARGUMENT, "there is no pass '%s' (planish ops --passes lists them)", options->dump_after);
    if (options->broken && !is_pass(options->broken)) return pln_fail(diag, PLN_INVALID_ARGUMENT, "there is no pass '%s' (planish ops --passes lists them)", options->broken);
    return PLN_OK;
}

/* Doubles the first floating-point constant that is used and large enough to matter: what a pass with a bug might do. */
static enum pln_status falsify(struct pln_graph *graph, struct pln_diag *diag)
{
    for (uint32_t v = 0; v < graph->n_values; v++) {
        const struct pln_value *value = pln_graph_value(graph, v);
        if (!value->data || value->data->dtype != PLN_F32 || value->first_use == PLN_NONE || pln_tensor_count(value->data) == 0) continue;
        size_t bytes = pln_tensor_bytes(value->data);
        float *data = pln_arena_copy(&graph->arena, value->data->data, bytes);
        struct pln_tensor *tensor = pln_arena_copy(&graph->arena, value->data, sizeof *tensor);
        if (!data || !tensor) return pln_fail_memory(diag, value->name, bytes);
        for (size_t i = 0; i < bytes / sizeof *data; i++) data[i] = data[i] * 2 + 1;
        tensor->data = data;
        graph->values[v].data = tensor;
        return PLN_OK;
    }
    return PLN_OK;
}

enum pln_status pln_passes_run(struct pln_graph *graph, const struct pln_pass_options *options, struct pln_diag *diag)
{
    PLN_TRY(check_names(options, diag));
    for (const struct pln_pass *pass = pln_passes; pass->name; pass++) {
        if (is_disabled(options, pass->name) || (options->portable && !pass->portable)) continue;
        struct pln_arena scratch;
        bool changed = false;
        pln_arena_init(&scratch, graph->alloc, 0);
        enum pln_status status = pass->run(graph, &scratch, diag, &changed);
        pln_arena_deinit(&scratch);
        if (status == PLN_OK && graph->failed) status = pln_fail_memory(diag, pass->name, 0);
        if (status == PLN_OK && pln_str_equal(options->broken, pass->name)) status = falsify(graph, diag);
        if (status == PLN_OK && options->verify) status = pln_graph_verify(graph, diag);
        if (status == PLN_OK && options->dump && pln_str_equal(options->dump_after, pass->name)) options->dump(options->dump_user, pass->name, graph);
        PLN_TRY(status);
    }
    return PLN_OK;
}
