/* planish optimize: an ONNX file to a smaller one. */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "json.h"
#include "model.h"
#include "planish/experimental/optimize.h"
#include "plugins.h"
#include "progress.h"
#include "say.h"
#include "text.h"

static int run(int argc, char **argv);
const struct command command_optimize = {
    "optimize", "[options] IN.onnx -o OUT.onnx", "Folds and simplifies a model and writes it as standard ONNX.",
    "  planish optimize resnet50.onnx -o smaller.onnx\n  planish optimize bert.onnx -o bert_b1.onnx --dim batch=1,sequence=128\n  planish optimize model.onnx -o old.onnx --opset 17\n  planish optimize model.onnx -o part.onnx --inputs hidden.3 --outputs hidden.5\n  planish compare model.onnx smaller.onnx\n",
    run, false
};

static struct {
    const char *output, *json;
    struct text_list dims, disabled, plugins, inputs, outputs;
    long opset;
    bool external, no_passes;
} options;

static const struct option_row rows[] = {
    { "output", 'o', OPTION_TEXT, &options.output, "FILE", "the model to write" },
    { "dim", 0, OPTION_LIST, &options.dims, "NAME=N", "dims of inputs with that name become a number: batch=1,sequence=128" },
    { "inputs", 0, OPTION_LIST, &options.inputs, "A,B", "a part of the model: these values become inputs, in the place of what computes them" },
    { "outputs", 0, OPTION_LIST, &options.outputs, "Y", "the same: these values are the outputs" },
    { "no-passes", 0, OPTION_FLAG, &options.no_passes, "", "simplify nothing: the model, or a part of it, as it was understood" },
    { "opset", 0, OPTION_COUNT, &options.opset, "N", "the operator set to write (the model's, or the next one that can say it)" },
    { "external-data", 0, OPTION_FLAG, &options.external, "", "put weights into OUT.onnx.data (beyond 2 GiB they go there anyway)" },
    { "disable-pass", 0, OPTION_LIST, &options.disabled, "PASS", "switch an optimization off (may be given again): fold, simplify, dead, affine, cse" },
    PLUGIN_ROW(options.plugins),
    { "json", 0, OPTION_OPTIONAL, &options.json, "FILE", "what became of the model as JSON" },
    { 0 },
};

static void print_report(FILE *out, const char *from, const struct pln_optimize_summary *summary)
{
    say(out, "model %s: %d nodes became %d, opset %d\n", from, summary->nodes_before, summary->nodes_after, summary->opset);
    say(out, "written %s: %s", options.output, text_bytes(summary->file_bytes));
    if (summary->data_bytes) say(out, ", and %s.data: %s", options.output, text_bytes(summary->data_bytes));
    say(out, ", weights %s\n", text_bytes(summary->weights_bytes));
}

static void write_json(FILE *out, const char *from, const struct pln_optimize_summary *summary)
{
    fputs("{\"schema\":1,\"model\":", out);
    json_text(out, from);
    fputs(",\"output\":", out);
    json_text(out, options.output);
    fprintf(out, ",\"nodes_before\":%d,\"nodes_after\":%d,\"opset\":%d,\"weights_bytes\":%llu,\"file_bytes\":%llu,\"data_bytes\":%llu}\n", summary->nodes_before, summary->nodes_after, summary->opset,
            (unsigned long long)summary->weights_bytes, (unsigned long long)summary->file_bytes, (unsigned long long)summary->data_bytes);
}

/* "batch=1,sequence=128" as the library takes it: one an item, ended by NULL; NULL for none. They live as long as the process, as the list of words does. */
static const char *const *split(const struct text_list *list, struct text_list *out_parts)
{
    for (size_t i = 0; i < list->count; i++) {
        char *copy = strdup(list->items[i]), *rest = copy, *part;
        while (rest && (part = strsep(&rest, ","))) text_list_add(out_parts, part);
    }
    text_list_add(out_parts, NULL);
    return list->count ? out_parts->items : NULL;
}

static int optimize(const char *from, pln_plugins *plugins, struct output *output)
{
    static struct text_list dims, inputs, outputs;
    struct pln_optimize_summary summary;
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    text_list_add(&options.disabled, NULL);
    const struct pln_optimize_options optimize = { .struct_size = sizeof optimize, .diagnostics = diagnostics, .logger = &model_logger, .progress = model_show_progress, .disabled_passes = options.disabled.items,
                                                   .dims = split(&options.dims, &dims), .opset = (int)options.opset, .external_data = options.external, .plugins = plugins, .inputs = split(&options.inputs, &inputs),
                                                   .outputs = split(&options.outputs, &outputs), .no_passes = options.no_passes };
    progress_begin(&command_optimize, "optimize", true);
    enum pln_status status = pln_optimize_file(from, &optimize, options.output, &summary);
    progress_end();
    int exit_status = status == PLN_OK ? 0 : model_fail(&command_optimize, diagnostics, status, from);
    pln_diagnostics_destroy(diagnostics);
    if (exit_status) return exit_status;
    if (verbosity >= 0) print_report(output->text, from, &summary);
    if (output->json) write_json(output->json, from, &summary);
    return 0;
}

static int check_words(const struct text_list *words)
{
    if (words->count == 2 && !options.output) return command_fail(&command_optimize, 2, "one model at a time; the new one is named behind -o: planish optimize IN.onnx -o OUT.onnx");
    if (words->count != 1) return command_fail(&command_optimize, 2, words->count ? "one model at a time" : "which model? planish optimize --help tells more");
    if (!options.output || !*options.output) return command_fail(&command_optimize, 2, "where shall the new model go? give -o FILE.onnx");
    return 0;
}

static int run(int argc, char **argv)
{
    static struct text_list words; /* lives as long as the process */
    struct output output;
    pln_plugins *plugins = NULL;
    int status = options_parse(&command_optimize, rows, argc, argv, &words);
    if (status >= 0) return status;
    status = check_words(&words);
    if (status) return status;
    const char *from = words.items[0];
    if (model_is_plan(from)) return command_fail(&command_optimize, 2, "%s is a plan; optimize takes an ONNX file", from);
    status = model_check_result(&command_optimize, from, options.output, true);
    if (status == 0) status = model_check_result(&command_optimize, from, options.json, false);
    if (status == 0) status = model_check_results(&command_optimize, "--output", options.output, "--json", options.json);
    if (status == 0) status = plugins_open(&command_optimize, &options.plugins, &plugins);
    if (status) return status;
    status = output_open(&command_optimize, options.json, &output);
    if (status == 0) {
        status = optimize(from, plugins, &output);
        int closed = output_close(&command_optimize, options.json, &output);
        status = status ? status : closed;
    }
    pln_plugins_release(plugins);
    return status;
}
