/* planish inspect: what a model or plan is made of. */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "json.h"
#include "model.h"
#include "steps.h"
#include "text.h"

static int run(int argc, char **argv);
const struct command command_inspect = {
    "inspect", "[options] MODEL", "Shows inputs, outputs, steps, kernels and sizes of a model or plan.",
    "  planish inspect resnet50.onnx\n  planish inspect bert.plan --steps\n  planish inspect model.onnx --json | python3 -m json.tool\n", run
};

static struct {
    struct model_options model;
    const char *json;
    bool steps;
} options;

static const struct option_row rows[] = {
    { "device", 0, OPTION_TEXT, &options.model.device, "NAME", DEVICE_HELP },
    { "target", 0, OPTION_TEXT, &options.model.target, "LIST", TARGET_HELP },
    TUNE_ROWS(options.model),
    DEVICE_ROWS(options.model.on),
    { "disable-pass", 0, OPTION_LIST, &options.model.disabled, "PASS", "switch an optimization off (may be given again)" },
    { "dump-after", 0, OPTION_TEXT, &options.model.dump_after, "PASS", "print the graph after a pass" },
    { "steps", 0, OPTION_FLAG, &options.steps, "", "a row a step" },
    { "json", 0, OPTION_OPTIONAL, &options.json, "FILE", "all of it as JSON" },
    { 0 },
};

static const char *const kinds[] = { "", "sequence of ", "optional ", "map of " };

static void print_tensor(FILE *out, const char *what, const struct pln_tensor_info *info)
{
    fprintf(out, "%s %s: %s%s%s\n", what, info->name, kinds[info->kind], pln_dtype_name(info->dtype), text_dims(info->rank, info->dims, info->dim_names));
}

static void json_tensor(FILE *out, int index, const struct pln_tensor_info *info)
{
    fputs(index ? ",{\"name\":" : "{\"name\":", out);
    json_text(out, info->name);
    fprintf(out, ",\"kind\":%d,\"type\":\"%s\",\"shape\":", (int)info->kind, pln_dtype_name(info->dtype));
    if (info->rank < 0) fputs("null", out);
    for (int i = 0; i < info->rank; i++) {
        fputs(i ? "," : "[", out);
        if (info->dims[i] >= 0) fprintf(out, "%lld", (long long)info->dims[i]);
        else json_text(out, info->dim_names[i] ? info->dim_names[i] : "?");
    }
    fputs(info->rank > 0 ? "]}" : info->rank == 0 ? "[]}" : "}", out);
}

static void print(FILE *out, const char *path, const struct model *model)
{
    struct pln_engine_summary summary;
    struct pln_tensor_info info;
    const char *key;
    pln_engine_summarize(model->engine, &summary);
    fprintf(out, "%s %s%s%s%s: %d ONNX nodes, %d steps in %d segments and %d block%s\n", model->is_plan ? "plan" : "model", path, summary.name && summary.name[0] ? " (" : "",
            summary.name ? summary.name : "", summary.name && summary.name[0] ? ")" : "", summary.onnx_nodes, summary.steps, summary.segments, summary.blocks, summary.blocks == 1 ? "" : "s");
    for (int i = 0; pln_engine_input(model->engine, i, &info) == PLN_OK; i++) print_tensor(out, "input", &info);
    for (int i = 0; pln_engine_output(model->engine, i, &info) == PLN_OK; i++) print_tensor(out, "output", &info);
    fprintf(out, "weights %s", text_bytes(summary.weights_bytes));
    if (model->is_plan) fprintf(out, ", plan %s", text_bytes(summary.plan_bytes));
    fprintf(out, ", %s in %s\n", model->is_plan ? "loaded" : "built", text_ms(model->is_plan ? model->load_ms : model->build_ms));
    fprintf(out, "targets %s\n", summary.targets);
    static const char preset[] = "planish.input_default.";
    for (int i = 0; (key = pln_engine_metadata_key(model->engine, i)); i++) {
        const char *value = pln_engine_metadata(model->engine, key);
        if (strncmp(key, preset, sizeof preset - 1) == 0) fprintf(out, "constant %s %s: an input whose default is built in\n", key + sizeof preset - 1, value ? value : "");
        else fprintf(out, "metadata %s: %.100s\n", key, value ? value : "");
    }
    steps_print_kernels(out, model->engine);
    steps_print_fused(out, model->engine, verbosity > 0 ? 1000000 : 8);
    if (options.steps) steps_print_table(out, model->engine);
}

static void write_json(FILE *out, const char *path, const struct model *model)
{
    struct pln_engine_summary summary;
    struct pln_tensor_info info;
    const char *key;
    pln_engine_summarize(model->engine, &summary);
    fputs("{\"schema\":1,\"model\":", out);
    json_text(out, path);
    fputs(",\"name\":", out);
    json_text(out, summary.name);
    fputs(",\"device\":", out);
    json_text(out, summary.device);
    fputs(",\"targets\":", out);
    json_text(out, summary.targets);
    fprintf(out, ",\"onnx_nodes\":%d,\"segments\":%d,\"blocks\":%d,\"weights_bytes\":%llu,\"plan_bytes\":%llu,\"inputs\":[", summary.onnx_nodes, summary.segments, summary.blocks,
            (unsigned long long)summary.weights_bytes, (unsigned long long)summary.plan_bytes);
    for (int i = 0; pln_engine_input(model->engine, i, &info) == PLN_OK; i++) json_tensor(out, i, &info);
    fputs("],\"outputs\":[", out);
    for (int i = 0; pln_engine_output(model->engine, i, &info) == PLN_OK; i++) json_tensor(out, i, &info);
    fputs("],\"metadata\":{", out);
    for (int i = 0; (key = pln_engine_metadata_key(model->engine, i)); i++) {
        if (i) fputc(',', out);
        json_text(out, key);
        fputc(':', out);
        json_text(out, pln_engine_metadata(model->engine, key));
    }
    fputs("},", out);
    steps_write_json(out, model->engine);
    fputs("}\n", out);
}

static int run(int argc, char **argv)
{
    static struct text_list words; /* lives as long as the process */
    struct model model;
    struct output output;
    int status = options_parse(&command_inspect, rows, argc, argv, &words);
    if (status >= 0) return status;
    if (words.count != 1) {
        free(words.items);
        return command_fail(&command_inspect, 2, words.count ? "one model at a time" : "which model? planish inspect --help tells more");
    }
    options.model.no_rebuild = true; /* what the plan itself says */
    status = model_open(&command_inspect, words.items[0], &options.model, &model);
    if (status == 0) {
        status = output_open(&command_inspect, options.json, &output);
        if (status == 0) {
            if (verbosity >= 0) model_print_device(&model, output.text);
            print(output.text, words.items[0], &model);
            if (output.json) write_json(output.json, words.items[0], &model);
            status = output_close(&command_inspect, options.json, &output);
        }
        model_close(&model);
    }
    return status;
}
