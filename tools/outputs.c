#include "outputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool outputs_add(struct outputs *outputs, const char *name, pln_host_value *take_value)
{
    struct named_value *grown = realloc(outputs->items, ((size_t)outputs->count + 1) * sizeof *grown);
    char *copy = strdup(name);
    if (grown) outputs->items = grown;
    if (!grown || !copy) {
        free(copy);
        pln_host_value_destroy(take_value);
        return false;
    }
    int occurrence = 0;
    for (int i = 0; i < outputs->count; i++) occurrence += strcmp(outputs->items[i].name, name) == 0;
    outputs->items[outputs->count++] = (struct named_value){ copy, occurrence, take_value };
    return true;
}

const struct named_value *outputs_find(const struct outputs *outputs, const char *name, int occurrence)
{
    for (int i = 0; i < outputs->count; i++)
        if (outputs->items[i].occurrence == occurrence && strcmp(outputs->items[i].name, name) == 0) return &outputs->items[i];
    return NULL;
}

void outputs_free(struct outputs *outputs)
{
    for (int i = 0; i < outputs->count; i++) {
        free(outputs->items[i].name);
        pln_host_value_destroy(outputs->items[i].value);
    }
    free(outputs->items);
    *outputs = (struct outputs){ 0 };
}

struct tap_state {
    struct outputs *taps;
    bool failed;
};

static void keep_tap(void *user, const char *name, const struct pln_buffer *buffer)
{
    struct tap_state *state = user;
    pln_host_value *value;
    if (buffer->memory != PLN_MEMORY_HOST) return;
    if (pln_host_value_from_buffer(buffer, &value) != PLN_OK || !outputs_add(state->taps, name, value)) state->failed = true;
}

static int copy_outputs(const struct command *command, const struct model *model, pln_context *context, struct outputs *outputs)
{
    struct pln_tensor_info info;
    for (int i = 0; pln_engine_output(model->engine, i, &info) == PLN_OK; i++) {
        pln_host_value *value;
        enum pln_status status = pln_context_output_value(context, info.name, &value);
        if (status != PLN_OK) return model_fail(command, pln_context_diagnostics(context), status, "");
        if (!outputs_add(outputs, info.name, value)) return command_fail(command, 1, "out of memory for output '%s'", info.name);
    }
    return 0;
}

int outputs_run(const struct command *command, const struct model *model, const struct inputs *inputs, struct outputs *out_outputs, struct outputs *out_taps)
{
    *out_outputs = (struct outputs){ 0 };
    struct pln_engine_summary summary;
    pln_engine_summarize(model->engine, &summary);
    struct tap_state state = { .taps = out_taps };
    char what[80];
    pln_context *context = NULL;
    if (pln_context_create(model->engine, NULL, &context) != PLN_OK) return command_fail(command, 1, "no memory for a context");
    if (out_taps) {
        *out_taps = (struct outputs){ 0 };
        pln_context_set_tap(context, keep_tap, &state);
    }
    int exit_status = inputs_bind(command, inputs, context);
    snprintf(what, sizeof what, "run on %.60s", summary.device);
    progress_begin(command, what, true);
    progress_watch(context);
    enum pln_status status = exit_status == 0 ? pln_context_run(context) : PLN_OK;
    progress_end();
    if (status != PLN_OK) exit_status = model_fail(command, pln_context_diagnostics(context), status, "run");
    if (state.failed) exit_status = command_fail(command, 1, "out of memory for the values of all layers; try a smaller input");
    if (exit_status == 0) exit_status = copy_outputs(command, model, context, out_outputs);
    pln_context_destroy(context);
    return exit_status;
}

int outputs_read_set(const struct command *command, const struct model *model, const char *folder, struct outputs *out_outputs)
{
    *out_outputs = (struct outputs){ 0 };
    struct pln_tensor_info info;
    for (int i = 0; pln_engine_output(model->engine, i, &info) == PLN_OK; i++) {
        char path[4400];
        pln_host_value *value;
        snprintf(path, sizeof path, "%s/output_%d.pb", folder, i);
        if (access(path, R_OK) != 0) continue;
        pln_diagnostics *diagnostics = pln_diagnostics_create();
        enum pln_status status = pln_host_value_read_pb(path, info.kind, diagnostics, &value);
        int exit_status = status == PLN_OK ? 0 : model_fail(command, diagnostics, status, path);
        pln_diagnostics_destroy(diagnostics);
        if (exit_status) return exit_status;
        if (!outputs_add(out_outputs, info.name, value)) return command_fail(command, 1, "out of memory for output '%s'", info.name);
    }
    if (out_outputs->count == 0) return command_fail(command, 1, "%s: no output_0.pb to compare with", folder);
    return 0;
}
