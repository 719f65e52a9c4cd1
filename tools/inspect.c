/* planish inspect: what a model or plan is made of. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "explore.h"
#include "inputs.h"
#include "json.h"
#include "model.h"
#include "planish/experimental/explore.h"
#include "say.h"
#include "steps.h"
#include "text.h"

static int run(int argc, char **argv);
const struct command command_inspect = {
    "inspect", "[options] MODEL [MODEL2]", "Shows inputs, outputs, steps, kernels and sizes of a model or plan; --html writes a page to explore them.",
    "  planish inspect resnet50.onnx\n  planish inspect bert.onnx --dim batch=1,seq=128 --html bert.html\n  planish inspect old.plan new.plan --html both.html\n  planish inspect bert.plan --steps\n  planish inspect model.onnx --json | python3 -m json.tool\n", run, false
};

static struct {
    struct model_options model;
    const char *json, *html;
    bool steps, dump, no_run;
} options;

static const struct option_row rows[] = {
    { "device", 0, OPTION_TEXT, &options.model.device, "NAME", DEVICE_HELP },
    { "target", 0, OPTION_TEXT, &options.model.target, "LIST", TARGET_HELP },
    TUNE_ROWS(options.model, "off"),
    DEVICE_ROWS(options.model.on),
    { "disable-pass", 0, OPTION_LIST, &options.model.disabled, "PASS", "switch an optimization off (may be given again)" },
    { "dump-after", 0, OPTION_TEXT, &options.model.dump_after, "PASS", "print the graph after a pass" },
    { "steps", 0, OPTION_FLAG, &options.steps, "", "a row a step" },
    { "dump", 0, OPTION_FLAG, &options.dump, "", "everything in the plan, line by line" },
    { "verify", 0, OPTION_FLAG, &options.model.verify, "", "hold a plan's weights against their checksums, whatever their size (by default up to 256 MiB)" },
    { "html", 0, OPTION_TEXT, &options.html, "FILE", "the engine explorer: a page without network, with the steps as measured on random inputs; of two models side by side" },
    { "no-run", 0, OPTION_FLAG, &options.no_run, "", "with --html: measure nothing" },
    { "shapes", 0, OPTION_LIST, &options.model.shapes, "X:1x3x224x224,…", "for --html and activations: shapes of inputs; one * in a name stands for any letters" },
    { "dim", 0, OPTION_LIST, &options.model.dims, "batch=4,…", "for --html and activations: values of symbolic dims; those left open are 1" },
    THREAD_ROWS(options.model),
    { "seed", 0, OPTION_INT, &options.model.seed, "N", "with --html: of random inputs (1)" },
    { "json", 0, OPTION_OPTIONAL, &options.json, "FILE", "all of it as JSON" },
    { 0 },
};

static const char *const kinds[] = { "", "sequence of ", "optional ", "map of " };

/* Why a plan cannot run on this machine, "" where it can. */
static const char *why_not_here(const struct model *model)
{
    static char why[600];
    pln_context *context = NULL;
    struct pln_message message;
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    const struct pln_context_options here = { .struct_size = sizeof here, .diagnostics = diagnostics };
    enum pln_status status = pln_context_create(model->engine, &here, &context);
    why[0] = '\0';
    if (status != PLN_OK) snprintf(why, sizeof why, "%s", diagnostics && pln_diagnostics_get(diagnostics, 0, &message) == PLN_OK ? message.text : pln_status_text(status));
    pln_context_destroy(context);
    pln_diagnostics_destroy(diagnostics);
    return why;
}

static void print_tensor(FILE *out, const char *what, const struct pln_tensor_info *info)
{
    say(out, "%s %s: %s%s%s\n", what, info->name, kinds[info->kind], pln_dtype_name(info->dtype), text_dims(info->rank, info->dims, info->dim_names));
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

/* Of the shapes that --shapes and --dim give, open dims 1, what runs take beside weights. false: only a run can tell. */
static bool activations(const struct model *model, size_t *out_bytes)
{
    const int n = pln_engine_input_count(model->engine);
    struct pln_tensor_info *infos = calloc((size_t)n + 1, sizeof *infos);
    int known = 0;
    *out_bytes = 0;
    for (int i = 0; infos && i < n; i++) {
        struct pln_tensor_info *info = &infos[known];
        if (pln_engine_input(model->engine, i, info) != PLN_OK || info->rank < 0 || info->is_state || info->kind != PLN_VALUE_TENSOR) continue;
        if (model_given_shape(&command_inspect, model, &options.model, i, info) != 0) continue;
        for (int d = 0; d < info->rank; d++) info->dims[d] = info->dims[d] < 0 ? 1 : info->dims[d];
        known++;
    }
    const bool told = infos && pln_engine_memory(model->engine, infos, known, NULL, out_bytes) == PLN_OK;
    free(infos);
    return told;
}

/* Weights by element type and form, each once; activations. */
static void print_bytes(FILE *out, const struct model *model)
{
    struct pln_value_info value;
    uint64_t bytes[PLN_DTYPE_COUNT][2] = { 0 };
    const int n = pln_engine_value_count(model->engine);
    bool *seen = calloc((size_t)n + 1, sizeof *seen);
    size_t memory;
    for (int i = 0; seen && i < n; i++) {
        if (pln_engine_value(model->engine, i, &value) != PLN_OK || value.place != PLN_VALUE_WEIGHT || value.index < 0 || value.index >= n || seen[value.index]) continue;
        seen[value.index] = true;
        bytes[value.dtype][value.pack && value.pack[0]] += value.size_bytes;
    }
    free(seen);
    fputs("bytes by kind:\n", out);
    for (int dtype = 0; dtype < PLN_DTYPE_COUNT; dtype++)
        for (int packed = 1; packed >= 0; packed--)
            if (bytes[dtype][packed]) say(out, "%10s  weights %s%s\n", text_bytes(bytes[dtype][packed]), pln_dtype_name((enum pln_dtype)dtype), packed ? " packed for kernels" : "");
    if (activations(model, &memory)) say(out, "%10s  activations (dims that --shapes and --dim leave open are 1)\n", text_bytes(memory));
}

static void print(FILE *out, const char *path, const struct model *model)
{
    struct pln_engine_summary summary;
    struct pln_tensor_info info;
    const char *key;
    pln_engine_summarize(model->engine, &summary);
    say(out, "%s %s%s%s%s: %d ONNX nodes, %d steps in %d segment%s and %d block%s\n", model->is_plan ? "plan" : "model", path, summary.name && summary.name[0] ? " (" : "",
            summary.name ? summary.name : "", summary.name && summary.name[0] ? ")" : "", summary.onnx_nodes, summary.steps, summary.segments, summary.segments == 1 ? "" : "s", summary.blocks, summary.blocks == 1 ? "" : "s");
    for (int i = 0; pln_engine_input(model->engine, i, &info) == PLN_OK; i++) print_tensor(out, "input", &info);
    for (int i = 0; pln_engine_output(model->engine, i, &info) == PLN_OK; i++) print_tensor(out, "output", &info);
    say(out, "weights %s", text_bytes(summary.weights_bytes));
    if (model->is_plan) fprintf(out, ", plan %s", text_bytes(summary.plan_bytes));
    fprintf(out, ", %s\n", model_origin(model));
    if (model->is_plan && options.model.verify) fprintf(out, "weights verified: all checksums fit\n");
    say(out, "targets %s\n", summary.targets);
    const char *why = why_not_here(model);
    if (why[0]) say(out, "%s\n", why);
    static const char preset[] = "planish.input_default.";
    for (int i = 0; (key = pln_engine_metadata_key(model->engine, i)); i++) {
        const char *value = pln_engine_metadata(model->engine, key);
        if (strncmp(key, preset, sizeof preset - 1) == 0) say(out, "constant %s %s: an input whose default is built in\n", key + sizeof preset - 1, value ? value : "");
        else say(out, "metadata %s: %.100s\n", key, value ? value : "");
    }
    print_bytes(out, model);
    steps_print_kernels(out, model->engine);
    model_print_tuned(out, model);
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
    fputc(',', out);
    steps_write_device_json(out, model->engine);
    fputs(",\"targets\":", out);
    json_text(out, summary.targets);
    const char *why = why_not_here(model);
    fprintf(out, ",\"runs_here\":%s,\"why_not\":", why[0] ? "false" : "true");
    json_text(out, why[0] ? why : NULL);
    size_t memory;
    fputs(",\"activations_bytes\":", out);
    json_number(out, activations(model, &memory) ? (double)memory : NAN);
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
    fputs("}", out);
    model_write_tuned_json(out, model);
    fputc(',', out);
    steps_write_json(out, model->engine);
    fputs("}\n", out);
}

static void print_line(void *user, const char *text)
{
    say(user, "%s\n", text);
}

/* ---- the explorer ---- */

/* A model or plan, and what is alive of it until the page is written. */
struct subject {
    struct model model;
    struct inputs inputs;
    struct explored explored;
    char why[700]; /* it was not measured */
};

static int measure(struct subject *subject)
{
    struct explored *explored = &subject->explored;
    int status = inputs_make(&command_inspect, &subject->model, &options.model, &(struct text_list){ 0 }, true, &subject->inputs);
    if (status == 0 && pln_context_create(subject->model.engine, NULL, &explored->context) != PLN_OK) status = command_fail(&command_inspect, 1, "no memory for a context");
    if (status == 0) status = inputs_bind(&command_inspect, &subject->inputs, explored->context);
    progress_begin(&command_inspect, "measure the steps", false);
    if (status == 0) status = profile_make(&command_inspect, &subject->model, explored->context, 1000, &explored->profile);
    progress_begin(&command_inspect, "measure what the device can do", false);
    if (status == 0) explored->has_roof = roof_measure(&command_inspect, &subject->model, &explored->roof);
    progress_end();
    return status;
}

static int open_subject(const char *path, struct subject *subject)
{
    int status = model_open(&command_inspect, path, &options.model, &subject->model);
    if (status) return status;
    subject->explored = (struct explored){ .path = path, .model = &subject->model, .why = "not measured (--no-run)" };
    if (options.no_run) return 0;
    const char *why = why_not_here(&subject->model);
    if (!why[0]) return measure(subject);
    snprintf(subject->why, sizeof subject->why, "not measured: %s", why);
    subject->explored.why = subject->why;
    if (verbosity >= 0) command_tell(&command_inspect, "%s: %s", path, subject->why);
    return 0;
}

static void close_subject(struct subject *subject)
{
    if (!subject->explored.model) return; /* it was never opened */
    profile_free(&subject->explored.profile);
    pln_context_destroy(subject->explored.context);
    inputs_free(&subject->inputs);
    model_close(&subject->model);
}

static int write_html(const struct text_list *words)
{
    struct subject subjects[2] = { 0 };
    struct explored plans[2] = { 0 };
    int status = 0, n = (int)words->count;
    for (int i = 0; status == 0 && i < n; i++) {
        status = open_subject(words->items[i], &subjects[i]);
        plans[i] = subjects[i].explored;
    }
    if (status == 0) status = explore_write(&command_inspect, options.html, plans, n);
    if (status == 0 && verbosity >= 0) {
        model_print_device(&subjects[0].model, stdout);
        say(stdout, "%s: %s; open it in a browser\n", options.html, text_bytes(file_bytes(options.html)));
    }
    for (int i = 0; i < n; i++) close_subject(&subjects[i]);
    return status;
}

static int print_model(const char *path)
{
    struct model model;
    struct output output;
    int status = model_open(&command_inspect, path, &options.model, &model);
    if (status) return status;
    status = model_check_shapes(&command_inspect, &model, &options.model);
    if (status == 0) status = output_open(&command_inspect, options.json, &output);
    if (status == 0) {
        if (verbosity >= 0) model_print_device(&model, output.text);
        print(output.text, path, &model);
        if (options.dump && pln_engine_dump(model.engine, print_line, output.text) != PLN_OK) status = command_fail(&command_inspect, 1, "out of memory");
        if (output.json) write_json(output.json, path, &model);
        int closed = output_close(&command_inspect, options.json, &output);
        status = status ? status : closed;
    }
    model_close(&model);
    return status;
}

static int run(int argc, char **argv)
{
    static struct text_list words; /* lives as long as the process */
    options.model.seed = 1;
    int status = options_parse(&command_inspect, rows, argc, argv, &words);
    if (status >= 0) return status;
    options.model.as_it_is = true; /* what the plan itself says, */
    options.model.may_be_foreign = true; /* wherever it runs */
    options.model.may_be_kept = true;
    if (words.count == 0) status = command_fail(&command_inspect, 2, "which model? planish inspect --help tells more");
    else if (words.count > (options.html ? 2 : 1)) status = command_fail(&command_inspect, 2, options.html ? "one model, or two side by side" : "one model at a time (two with --html FILE, side by side)");
    else if (options.html && options.json) status = command_fail(&command_inspect, 2, "--html and --json are two jobs: give one of them");
    else status = 0;
    for (size_t i = 0; status == 0 && i < words.count; i++) status = model_check_result(&command_inspect, words.items[i], options.html ? options.html : options.json, options.html != NULL);
    if (status == 0) status = options.html ? write_html(&words) : print_model(words.items[0]);
    free(words.items);
    return status;
}
