/* planish build: an ONNX file to a plan. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "json.h"
#include "model.h"
#include "planish/experimental/save.h"
#include "say.h"
#include "steps.h"
#include "text.h"

static int run(int argc, char **argv);
const struct command command_build = {
    "build", "[options] MODEL.onnx -o MODEL.plan", "Imports and optimizes a model, chooses its kernels and writes the plan.",
    "  planish build resnet50.onnx -o resnet50.plan\n  planish build bert.onnx -o bert.plan --target x86-64-v3\n  planish build model.onnx -o model.plan --disable-pass fold -v\n  planish build model.onnx -o model.plan --tune full --timing-cache ci.times\n",
    run, false
};

static struct {
    struct model_options model;
    const char *output, *json;
} options;

static const struct option_row rows[] = {
    { "output", 'o', OPTION_TEXT, &options.output, "FILE", "the plan to write" },
    { "device", 0, OPTION_TEXT, &options.model.device, "NAME", DEVICE_HELP },
    { "target", 0, OPTION_TEXT, &options.model.target, "LIST", TARGET_HELP },
    THREAD_ROWS(options.model),
    TUNE_ROWS(options.model, "fast"),
    DEVICE_ROWS(options.model.on),
    { "preprocess", 0, OPTION_TEXT, &options.model.preprocess, "SPEC", PREPROCESS_HELP "; kept in the plan" },
    PROFILE_ROWS(options.model),
    { "disable-pass", 0, OPTION_LIST, &options.model.disabled, "PASS", "switch an optimization off (may be given again)" },
    { "dump-after", 0, OPTION_TEXT, &options.model.dump_after, "PASS", "print the graph after a pass" },
    { "no-rebuild", 0, OPTION_FLAG, &options.model.no_rebuild, "", "leave the graph out of the plan: other machines cannot build it again" },
    { "json", 0, OPTION_OPTIONAL, &options.json, "FILE", "what was built as JSON" },
    { 0 },
};

static void write_json(FILE *out, const struct model *model, const char *from, uint64_t bytes, double save_ms)
{
    struct pln_engine_summary summary;
    pln_engine_summarize(model->engine, &summary);
    fputs("{\"schema\":1,\"model\":", out);
    json_text(out, from);
    fputs(",\"plan\":", out);
    json_text(out, options.output);
    fputc(',', out);
    steps_write_device_json(out, model->engine);
    fprintf(out, ",\"onnx_nodes\":%d,\"steps\":%d,\"weights_bytes\":%llu,\"plan_bytes\":%llu,\"build_ms\":", summary.onnx_nodes, summary.steps, (unsigned long long)summary.weights_bytes,
            (unsigned long long)bytes);
    json_number(out, model->build_ms);
    fputs(",\"save_ms\":", out);
    json_number(out, save_ms);
    model_write_tuned_json(out, model);
    fputs(",", out);
    steps_write_json(out, model->engine);
    fputs("}\n", out);
}

static int save(const struct model *model, const char *from, struct output *output)
{
    struct pln_engine_summary summary;
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    double start = now_ms();
    progress_begin(&command_build, "write the plan", true);
    enum pln_status status = pln_engine_save_watched(model->engine, options.output, model_show_progress, NULL, diagnostics);
    progress_end();
    double save_ms = now_ms() - start;
    int exit_status = status == PLN_OK ? 0 : model_fail(&command_build, diagnostics, status, "");
    pln_diagnostics_destroy(diagnostics);
    if (exit_status) return exit_status;
    uint64_t bytes = file_bytes(options.output);
    pln_engine_summarize(model->engine, &summary);
    say(output->text, "model %s: %d ONNX nodes became %d steps\n", from, summary.onnx_nodes, summary.steps);
    if (verbosity >= 0) {
        steps_print_kernels(output->text, model->engine);
        model_print_tuned(output->text, model);
        steps_print_fused(output->text, model->engine, verbosity > 0 ? 1000000 : 8);
    }
    say(output->text, "plan %s: %s, weights %s; built in %s, written in %s\n", options.output, text_bytes(bytes), text_bytes(summary.weights_bytes), text_ms(model->build_ms), text_ms(save_ms));
    if (output->json) write_json(output->json, model, from, bytes, save_ms);
    return 0;
}

static int run(int argc, char **argv)
{
    static struct text_list words; /* lives as long as the process */
    struct model model;
    struct output output;
    int status = options_parse(&command_build, rows, argc, argv, &words);
    if (status >= 0) return status;
    if (words.count != 1) {
        free(words.items);
        if (words.count == 2 && !options.output) return command_fail(&command_build, 2, "one model at a time; the plan is named behind -o: planish build MODEL.onnx -o MODEL.plan");
        return command_fail(&command_build, 2, words.count ? "one model at a time" : "which model? planish build --help tells more");
    }
    if (!options.output || !*options.output) {
        free(words.items);
        return command_fail(&command_build, 2, "where shall the plan go? give -o FILE.plan");
    }
    options.model.result = options.output;
    options.model.default_tune = "fast";
    status = model_check_result(&command_build, words.items[0], options.output, true);
    if (status == 0) status = model_check_result(&command_build, words.items[0], options.json, false);
    if (status == 0) status = model_check_results(&command_build, "--output", options.output, "--json", options.json);
    if (status == 0) status = model_open(&command_build, words.items[0], &options.model, &model);
    if (status == 0) {
        if (model.is_plan) status = command_fail(&command_build, 2, "%s is a plan already; build takes an ONNX file", words.items[0]);
        if (status == 0) status = model_check_shapes(&command_build, &model, &options.model);
        if (status == 0) status = output_open(&command_build, options.json, &output);
        if (status == 0) {
            if (verbosity >= 0) model_print_device(&model, output.text);
            status = save(&model, words.items[0], &output);
            int closed = output_close(&command_build, options.json, &output);
            status = status ? status : closed;
        }
        model_close(&model);
    }
    return status;
}
