/* planish compare: one model twice, on two devices, beside ONNX Runtime, or against stored outputs. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "json.h"
#include "outputs.h"
#include "peer.h"
#include "reduce.h"
#include "say.h"
#include "summary.h"
#include "text.h"

static int run(int argc, char **argv);
const struct command command_compare = {
    "compare", "[options] MODEL [MODEL2]", "Compares the outputs of a model between two devices, two files, ONNX Runtime or stored outputs.",
    "  planish compare model.onnx --a cpu --b ref --layers\n  planish compare model.onnx --a cuda:fp16 --b ref:fp32\n  planish compare model.plan model.onnx\n  planish compare model.onnx --vs onnxruntime --dim batch=2\n"
    "  planish compare case/model.onnx --vs case/test_data_set_0\n  planish compare model.onnx --bisect-passes\n"
    "  planish compare model.onnx --a cuda:fp16 --b cuda:fp32 --reduce small.onnx\n",
    run, false
};

static struct {
    struct model_options model;
    struct text_list input;
    const char *a, *b, *versus, *python, *reduced, *json;
    double tolerance;
    bool layers, bisect;
} options;

static const struct option_row rows[] = {
    { "a", 0, OPTION_TEXT, &options.a, "DEVICE", "what is judged: the device of --device (default), cpu, cuda, ref; cuda:fp16, cuda:0:fp32: with that precision" },
    { "b", 0, OPTION_TEXT, &options.b, "DEVICE", "what is right: ref (default), cpu, cuda:fp32" },
    { "vs", 0, OPTION_TEXT, &options.versus, "WHAT", "onnxruntime, or a folder with input_J.pb and output_J.pb" },
    { "tolerance", 0, OPTION_REAL, &options.tolerance, "E", "allowed max|a-b| / max|b| of each value (1e-3)" },
    { "layers", 0, OPTION_FLAG, &options.layers, "", "compare every value in between, in order" },
    { "bisect-passes", 0, OPTION_FLAG, &options.bisect, "", "name the pass that makes the answer wrong" },
    { "reduce", 0, OPTION_TEXT, &options.reduced, "OUT.onnx", "write the smallest part of the model that still differs, and what goes into it" },
    { "python", 0, OPTION_TEXT, &options.python, "PATH", "a Python that has onnxruntime (python3)" },
    { "input", 0, OPTION_LIST, &options.input, "NAME=FILE", "an input from a file: .npy .npz .pb .bin (random where none is given); or a folder with input_J.pb for all" },
    MODEL_ROWS(options.model),
    { "broken-pass", 0, OPTION_TEXT, &options.model.broken_pass, NULL, NULL },
    { "json", 0, OPTION_OPTIONAL, &options.json, "FILE", "the rows as JSON" },
    { 0 },
};

struct verdict {
    int compared, wrong;
    double worst;
    const char *first; /* name of the first that differs */
};

/* Judges each value of `a` that `b` has, too. Prints a row where it differs, or for all when `all`. */
static void judge(struct output *output, const char *what, const struct outputs *a, const struct outputs *b, bool all, struct verdict *out_verdict)
{
    const struct pln_comparison how = { .max_rel_err = options.tolerance };
    *out_verdict = (struct verdict){ 0 };
    for (int i = 0; i < a->count; i++) {
        const struct named_value *got = &a->items[i], *want = outputs_find(b, got->name, got->occurrence);
        char why[400] = "", shape[200];
        double error = 0;
        if (!want) continue;
        bool equal = pln_host_value_compare(got->value, want->value, &how, why, sizeof why, &error);
        out_verdict->compared++;
        out_verdict->wrong += !equal;
        if (!equal && !out_verdict->first) out_verdict->first = got->name;
        if (error > out_verdict->worst) out_verdict->worst = error;
        bool show = all || (!equal && (out_verdict->wrong <= 10 || verbosity > 0));
        if (output && show) say(output->text, "%s %s %s: %s, largest relative error %.3g%s%s\n", what, got->name, pln_host_value_describe(got->value, shape, sizeof shape), equal ? "equal" : "DIFFERS", error, equal ? "" : "; ", why);
        if (!output || !output->json) continue;
        fputs(out_verdict->compared > 1 ? ",\n{\"name\":" : "\n{\"name\":", output->json);
        json_text(output->json, got->name);
        fprintf(output->json, ",\"kind\":\"%s\",\"equal\":%s,\"max_rel_err\":", what, equal ? "true" : "false");
        json_number(output->json, error);
        fputs(",\"why\":", output->json);
        json_text(output->json, why);
        fputc('}', output->json);
    }
}

static const char *const precisions[] = { "fp32", "fp16", "bf16", "fp8", "int8", "best" };
#define N_PRECISIONS (sizeof precisions / sizeof *precisions)

/* What is behind a colon and no number should be a precision. */
static int check_side(const char *option, const char *side)
{
    const char *colon = side ? strrchr(side, ':') : NULL;
    if (!colon || isdigit((unsigned char)colon[1])) return 0;
    for (size_t i = 0; i < N_PRECISIONS; i++)
        if (strcmp(colon + 1, precisions[i]) == 0) return 0;
    return command_fail(&command_compare, 2, "%s %s: behind the colon stands a precision (fp32, fp16, bf16, fp8, int8, best) or a number, as in cuda:1", option, side);
}

/* DEVICE, or DEVICE:PRECISION, which takes the place of --fp16 and the like. `room` holds the device's name. */
static void set_side(const char *side, char *room, size_t room_bytes, struct model_options *own)
{
    struct device_options *on = &own->on;
    bool *const flags[N_PRECISIONS] = { NULL, &on->fp16, &on->bf16, &on->fp8, &on->int8, &on->best };
    const char *colon = strrchr(side, ':');
    own->device = side;
    for (size_t i = 0; colon && i < N_PRECISIONS; i++) {
        if (strcmp(colon + 1, precisions[i]) != 0) continue;
        on->fp16 = on->bf16 = on->fp8 = on->int8 = on->best = false;
        if (flags[i]) *flags[i] = true;
        snprintf(room, room_bytes, "%.*s", (int)(colon - side), side);
        own->device = room;
    }
}

/* Opens a model with other passes or taps than the options say. */
static int open_variant(const char *path, const char *device, const struct text_list *disabled, bool taps, struct model *out_model)
{
    struct model_options own = options.model;
    char room[64];
    if (device) set_side(device, room, sizeof room, &own);
    own.all_taps = taps;
    if (disabled) own.disabled = *disabled;
    if (disabled || taps) own.may_be_kept = false; /* such plans are asked for once */
    return model_open(&command_compare, path, &own, out_model);
}

/* ---- bisecting ---- */

/* The first `enabled` passes run, the others are off. *out_wrong: an output differs from the reference. */
static int try_passes(const char *path, int enabled, const struct inputs *inputs, const struct outputs *reference, bool *out_wrong)
{
    struct text_list disabled = { 0 };
    struct model model;
    struct outputs own = { 0 };
    struct verdict verdict = { 0 };
    for (int i = enabled; pln_pass_name(i); i++) text_list_add(&disabled, pln_pass_name(i));
    int status = open_variant(path, options.a, &disabled, false, &model);
    if (status == 0) {
        status = outputs_run(&command_compare, &model, inputs, &own, NULL);
        if (status == 0) judge(NULL, "output", &own, reference, false, &verdict);
        outputs_free(&own);
        model_close(&model);
    }
    free(disabled.items);
    *out_wrong = verdict.wrong > 0;
    return status;
}

/* Between `right` passes, which still give the right answer, and `wrong` passes, which do not, halves until one pass is left. */
static int bisect(const char *path, const struct inputs *inputs, const struct outputs *reference, struct output *output)
{
    int right = 0, wrong = 0;
    bool is_wrong;
    while (pln_pass_name(wrong)) wrong++;
    int status = try_passes(path, wrong, inputs, reference, &is_wrong);
    if (status == 0 && !is_wrong) {
        fprintf(output->text, "with all %d passes the answer is right: there is nothing to find\n", wrong);
        return 0;
    }
    if (status == 0) status = try_passes(path, 0, inputs, reference, &is_wrong);
    if (status) return status;
    if (is_wrong) {
        fprintf(output->text, "the answer is wrong without any pass, too: a kernel is at fault; --layers names the first value that differs\n");
        return 1;
    }
    while (wrong - right > 1) {
        int middle = right + (wrong - right) / 2;
        status = try_passes(path, middle, inputs, reference, &is_wrong);
        if (status) return status;
        say(output->text, "passes up to %s: %s\n", pln_pass_name(middle - 1), is_wrong ? "wrong" : "right");
        if (is_wrong) wrong = middle;
        else right = middle;
    }
    say(output->text, "pass %s makes the answer wrong; --disable-pass %s switches it off, --dump-after %s shows its graph\n", pln_pass_name(right), pln_pass_name(right), pln_pass_name(right));
    if (output->json) {
        fputs("\"pass\":", output->json);
        json_text(output->json, pln_pass_name(right));
        fputc(',', output->json);
    }
    return 1;
}

/* ---- comparing ---- */

static int run_peer(const char *path, const struct model *model, const struct inputs *inputs, struct outputs *out_outputs, struct outputs *out_layers)
{
    struct peer peer;
    int n = pln_engine_output_count(model->engine);
    pln_host_value **values = calloc((size_t)n + 1, sizeof *values);
    *out_outputs = (struct outputs){ 0 };
    if (!values) return command_fail(&command_compare, 1, "out of memory");
    int status = peer_start(&command_compare, options.python, path, inputs, model->threads, &peer);
    if (status == 0) status = peer_outputs(&command_compare, &peer, n, values);
    for (int i = 0; i < n; i++) {
        struct pln_tensor_info info;
        if (values[i] && pln_engine_output(model->engine, i, &info) == PLN_OK) outputs_add(out_outputs, info.name, values[i]);
    }
    if (status == 0 && out_layers) status = peer_layers(&command_compare, &peer, out_layers);
    peer_stop(&peer);
    free(values);
    if (status == 0 && out_outputs->count == 0) status = command_fail(&command_compare, 1, "ONNX Runtime gave no output that can be compared");
    return status;
}

/* `reference`: what is right. Where that is all zeros or NaN, agreement says little, which is told. */
static int finish(const struct verdict *outputs, const struct verdict *taps, const struct outputs *reference, struct output *output)
{
    struct trivial trivial = { 0 };
    for (int i = 0; i < reference->count; i++) trivial_note(&trivial, reference->items[i].name, reference->items[i].value);
    trivial_warn(&trivial, &command_compare);
    bool wrong = outputs->wrong > 0 || taps->wrong > 0;
    if (taps->compared) {
        fprintf(output->text, "layers: %d compared, %d differ, largest relative error %.3g\n", taps->compared, taps->wrong, taps->worst);
        if (taps->first) say(output->text, "the first that differs is %s%s\n", taps->first, taps->wrong > 10 && verbosity <= 0 ? " (-v lists all)" : "");
    }
    fprintf(output->text, "outputs: %d compared, %d differ, largest relative error %.3g (allowed %.3g)\n", outputs->compared, outputs->wrong, outputs->worst, options.tolerance);
    if (output->json) {
        fputs("\n],\"first\":", output->json);
        json_text(output->json, taps->first ? taps->first : outputs->first);
        fprintf(output->json, ",\"equal\":%s,\"max_rel_err\":", wrong ? "false" : "true");
        json_number(output->json, outputs->worst);
        fputc(',', output->json);
        trivial_write_json(output->json, &trivial);
        fputs("}\n", output->json);
    }
    trivial_free(&trivial);
    if (outputs->compared == 0) return command_fail(&command_compare, 1, "no output could be compared: the two have no output name in common");
    return wrong ? 1 : 0;
}

/* Tells which inputs of `has` the other one lacks; returns how many. */
static int tell_lacking(const char *path, const struct model *has, const char *other_path, const struct model *other)
{
    struct pln_tensor_info info, own;
    int lacking = 0;
    for (int i = 0; pln_engine_input(has->engine, i, &info) == PLN_OK; i++) {
        bool found = false;
        for (int k = 0; !found && pln_engine_input(other->engine, k, &own) == PLN_OK; k++) found = strcmp(info.name, own.name) == 0;
        if (!found) command_fail(&command_compare, 1, "%s lacks input '%s', which %s has", other_path, info.name, path);
        lacking += !found;
    }
    return lacking;
}

/* Two models can be compared on the same inputs only. */
static int check_inputs(const char *path, const struct model *model, const char *path_b, const struct model *other)
{
    const int lacking = tell_lacking(path, model, path_b, other) + tell_lacking(path_b, other, path, model);
    return lacking ? command_fail(&command_compare, 1, "two models are compared on the same inputs; planish inspect shows those of each") : 0;
}

static int compare(const char *path, const char *path_b, const struct model *model, const struct inputs *inputs, struct output *output)
{
    struct outputs a = { 0 }, b = { 0 }, taps_a = { 0 }, taps_b = { 0 };
    struct verdict outputs = { 0 }, taps = { 0 };
    struct model other = { 0 };
    bool folder = options.versus && strcmp(options.versus, "onnxruntime") != 0, peer = options.versus && !folder;
    int status = 0;
    if (peer) status = run_peer(path_b, model, inputs, &b, options.layers ? &taps_b : NULL);
    else if (folder) status = outputs_read_set(&command_compare, model, options.versus, &b);
    else if ((status = open_variant(path_b, options.b, NULL, options.layers, &other)) == 0 && (status = check_inputs(path, model, path_b, &other)) == 0)
        status = outputs_run(&command_compare, &other, inputs, &b, options.layers ? &taps_b : NULL);
    if (status == 0 && output->json) fputs("{\"schema\":1,", output->json);
    if (status == 0 && options.bisect) {
        status = bisect(path, inputs, &b, output);
        if (output->json) fprintf(output->json, "\"found\":%s}\n", status ? "true" : "false");
    } else if (status == 0) {
        status = outputs_run(&command_compare, model, inputs, &a, options.layers ? &taps_a : NULL);
        if (output->json) fputs("\"values\":[", output->json);
        if (status == 0 && options.layers) judge(output, "layer", &taps_a, &taps_b, verbosity > 0, &taps);
        struct output text = { output->text, options.layers ? NULL : output->json };
        if (status == 0) judge(&text, "output", &a, &b, verbosity >= 0, &outputs);
        if (status == 0) status = finish(&outputs, &taps, &b, output);
    }
    outputs_free(&a), outputs_free(&b), outputs_free(&taps_a), outputs_free(&taps_b);
    if (other.engine) model_close(&other);
    return status;
}

/* ---- reducing ---- */

static int open_side(const char *path, bool is_right, bool taps, struct model *out_model)
{
    return open_variant(path, is_right ? options.b : options.a, NULL, taps, out_model);
}

static const char *first_wrong(const struct outputs *a, const struct outputs *b)
{
    struct verdict verdict;
    judge(NULL, "", a, b, false, &verdict);
    return verdict.first;
}

/* A word as a shell takes it. */
static void print_word(FILE *out, const char *word)
{
    const bool plain = *word && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=,+-") == strlen(word);
    if (plain) {
        fprintf(out, " %s", word);
        return;
    }
    fputs(" '", out);
    for (; *word; word++) {
        const char letter[2] = { *word, 0 };
        say(out, "%s", *word == '\'' ? "'\\''" : letter);
    }
    fputs("'", out);
}

static void print_option(FILE *out, const char *name, const char *value)
{
    if (!value) return;
    fprintf(out, " %s", name);
    print_word(out, value);
}

/* The command that shows the difference. */
static void print_command(FILE *out, const struct reduced *reduced)
{
    const struct model_options *model = &options.model;
    const struct device_options *on = &model->on;
    char tolerance[40];
    snprintf(tolerance, sizeof tolerance, "%.9g", options.tolerance);
    fputs("planish compare", out);
    print_word(out, options.reduced);
    print_option(out, "--a", options.a);
    print_option(out, "--b", options.b);
    print_option(out, "--device", model->device);
    print_option(out, "--target", model->target);
    print_option(out, "--tf32", on->tf32);
    print_option(out, "--winograd", on->winograd);
    print_option(out, "--tune", model->tune);
    print_option(out, "--timing-cache", model->timing_cache);
    fprintf(out, "%s%s%s%s%s", on->fp16 ? " --fp16" : "", on->bf16 ? " --bf16" : "", on->fp8 ? " --fp8" : "", on->int8 ? " --int8" : "", on->best ? " --best" : "");
    for (size_t i = 0; i < model->disabled.count; i++) print_option(out, "--disable-pass", model->disabled.items[i]);
    for (size_t i = 0; i < model->plugins.count; i++) print_option(out, "--plugin", model->plugins.items[i]);
    print_option(out, "--broken-pass", model->broken_pass);
    print_option(out, "--tolerance", tolerance);
    print_option(out, "--input", reduced->folder);
    fputs("\n", out);
}

static int reduce_model(const char *path, const struct model *model, const struct inputs *inputs, struct output *output)
{
    const struct reduction job = { &command_compare, path, options.reduced, model, inputs, open_side, first_wrong };
    struct reduced reduced;
    int status = reduce(&job, &reduced);
    if (status == 0 && output->json) {
        fprintf(output->json, "{\"schema\":1,\"equal\":%s,\"nodes_before\":%d,\"nodes_after\":%d,\"trials\":%d,\"inputs\":%d,\"output\":", reduced.output ? "false" : "true", reduced.nodes_before, reduced.nodes_after, reduced.trials, reduced.inputs);
        json_text(output->json, reduced.output);
        fputs("}\n", output->json);
    }
    if (status == 0 && !reduced.output) fprintf(output->text, "no output differs (allowed %.3g): there is nothing to reduce\n", options.tolerance);
    if (status == 0 && reduced.output) {
        say(output->text, "%d nodes became %d, of which value '%s' still differs; %d parts were tried\n", reduced.nodes_before, reduced.nodes_after, reduced.output, reduced.trials);
        say(output->text, "written %s, and what goes into it to %s\n", options.reduced, reduced.folder);
        print_command(output->text, &reduced);
        status = 1;
    }
    reduced_free(&reduced);
    return status;
}

static int compare_models(const char *path, const char *path_b)
{
    struct model model;
    struct inputs inputs = { 0 };
    struct output output;
    const bool folder = options.versus && is_folder(options.versus);
    int status = model_check_result(&command_compare, path, options.json, false);
    if (status == 0 && path_b) status = model_check_result(&command_compare, path_b, options.json, false);
    if (status == 0) status = model_check_inputs(&command_compare, &options.input, options.json);
    if (status == 0 && options.reduced) status = model_check_result(&command_compare, path, options.reduced, true);
    if (status == 0 && options.reduced) status = model_check_inputs(&command_compare, &options.input, options.reduced);
    if (status == 0 && options.reduced) status = model_check_results(&command_compare, "--reduce", options.reduced, "--json", options.json);
    if (status == 0) status = open_variant(path, options.a, NULL, options.layers, &model);
    if (status) return status;
    status = output_open(&command_compare, options.json, &output);
    if (status == 0) {
        if (verbosity >= 0) model_print_device(&model, output.text);
        if (!path_b && model.is_plan && !folder) status = command_fail(&command_compare, 2, "%s is a plan: give the ONNX file to compare it with, too", path);
        else if (options.reduced && model.is_plan) status = command_fail(&command_compare, 2, "--reduce needs an ONNX file, %s is a plan", path);
        else if (options.bisect && model.is_plan) status = command_fail(&command_compare, 2, "--bisect-passes needs an ONNX file, %s is a plan", path);
        else if (folder) status = inputs_read_set(&command_compare, &model, options.versus, &inputs);
        else status = inputs_make(&command_compare, &model, &options.model, &options.input, true, &inputs);
        if (status == 0) status = options.reduced ? reduce_model(path, &model, &inputs, &output) : compare(path, path_b ? path_b : path, &model, &inputs, &output);
        int closed = output_close(&command_compare, options.json, &output);
        status = status ? status : closed;
    }
    inputs_free(&inputs);
    model_close(&model);
    return status;
}

static int check_options(const struct text_list *words)
{
    const struct command *command = &command_compare;
    if (words->count == 0) return command_fail(command, 2, "which model? planish compare --help tells more");
    if (words->count > 2) return command_fail(command, 2, "two models at the most");
    bool peer = options.versus && strcmp(options.versus, "onnxruntime") == 0;
    if (options.versus && !peer && !is_folder(options.versus)) return command_fail(command, 2, "--vs can be onnxruntime or a folder with input_J.pb and output_J.pb, not '%s'", options.versus);
    if (options.versus && !peer && options.layers) return command_fail(command, 2, "--layers needs something to run: a folder of outputs has no layers");
    if (options.bisect && options.layers) return command_fail(command, 2, "--bisect-passes and --layers do not go together: one after the other");
    const char *with = options.versus ? "--vs" : options.bisect ? "--bisect-passes" : options.layers ? "--layers" : words->count > 1 ? "a second model" : NULL;
    if (options.reduced && with) return command_fail(command, 2, "--reduce and %s do not go together: it holds two devices or precisions against each other on parts of one model", with);
    if (options.reduced && !*options.reduced) return command_fail(command, 2, "--reduce wants the file to write: --reduce OUT.onnx");
    if (options.tolerance < 0) return command_fail(command, 2, "--tolerance cannot be negative");
    const int bad = check_side("--a", options.a);
    return bad ? bad : check_side("--b", options.b);
}

static int run(int argc, char **argv)
{
    static struct text_list words; /* lives as long as the process */
    options.b = "ref";
    options.python = "python3";
    options.tolerance = 1e-3;
    options.model.seed = 1;
    options.model.may_be_kept = true;
    int status = options_parse(&command_compare, rows, argc, argv, &words);
    if (status >= 0) return status;
    status = check_options(&words);
    if (options.bisect || options.reduced) options.model.may_be_kept = false; /* a pass is under suspicion, and parts are asked for once: all is built */
    if (status == 0) status = compare_models(words.items[0], words.count > 1 ? words.items[1] : NULL);
    return status;
}
