/* planish check FILE…: the faults of models and plans, without running them. */
#include "faults.h"

#include <stdio.h>
#include <string.h>

#include "json.h"
#include "planish/experimental/check.h"
#include "say.h"

/* One line a fault: file, node, cause. */
static void print_faults(FILE *out, const char *path, const pln_diagnostics *diagnostics, enum pln_status status, int count)
{
    struct pln_message message;
    int shown = pln_diagnostics_count(diagnostics);
    for (int i = 0; pln_diagnostics_get(diagnostics, i, &message) == PLN_OK; i++) {
        const char *text = message.text;
        size_t length = strlen(path);
        if (strncmp(text, path, length) == 0 && strncmp(text + length, ": ", 2) == 0) text += length + 2; /* what is said of the file itself names it */
        char node[MODEL_NODE_BYTES];
        say(out, "%s: %s%s%s\n", path, model_node(&message, node, sizeof node), text, system_remedy(text));
    }
    if (shown == 0) say(out, "%s: %s\n", path, pln_status_text(status));
    if (count > shown && shown > 0) say(out, "%s: %d more\n", path, count - shown);
}

static void write_json(FILE *out, const char *path, bool first, const pln_diagnostics *diagnostics, int count)
{
    struct pln_message message;
    fputs(first ? "\n{\"file\":" : ",\n{\"file\":", out);
    json_text(out, path);
    fprintf(out, ",\"count\":%d,\"faults\":[", count);
    for (int i = 0; pln_diagnostics_get(diagnostics, i, &message) == PLN_OK; i++) {
        fputs(i ? ",{\"node\":" : "{\"node\":", out);
        json_text(out, message.node);
        fputs(",\"operator\":", out);
        json_text(out, message.op);
        fprintf(out, ",\"index\":%lld,\"cause\":", (long long)message.node_index);
        json_text(out, message.text);
        fputc('}', out);
    }
    fputs("]}", out);
}

static enum pln_status check_plan(const char *path, pln_plugins *plugins, pln_diagnostics *diagnostics, int *out_count)
{
    pln_engine *engine;
    const struct pln_engine_options options = { .struct_size = sizeof options, .diagnostics = diagnostics, .verify_weights = 1, .plugins = plugins };
    enum pln_status status = pln_engine_load_file(path, &options, &engine);
    pln_engine_release(engine);
    *out_count = pln_diagnostics_count(diagnostics);
    return status;
}

int faults_list(const struct command *command, const struct text_list *files, pln_plugins *plugins, const char *json)
{
    struct output output;
    int bad = output_open(command, json, &output), faulty = 0;
    if (bad) return bad;
    if (output.json) fputs("{\"schema\":1,\"files\":[", output.json);
    for (size_t i = 0; i < files->count; i++) {
        pln_diagnostics *diagnostics = pln_diagnostics_create();
        int count = 0;
        enum pln_status status = model_is_plan(files->items[i]) ? check_plan(files->items[i], plugins, diagnostics, &count) : pln_check_model_file(files->items[i], plugins, diagnostics, &count);
        if (status == PLN_OK) say(output.text, "%s: no faults\n", files->items[i]);
        else print_faults(output.text, files->items[i], diagnostics, status, count);
        if (output.json) write_json(output.json, files->items[i], i == 0, diagnostics, status == PLN_OK ? 0 : count ? count : 1);
        faulty += status != PLN_OK;
        pln_diagnostics_destroy(diagnostics);
    }
    if (output.json) fputs("\n]}\n", output.json);
    bad = output_close(command, json, &output);
    return bad ? bad : faulty > 0;
}
