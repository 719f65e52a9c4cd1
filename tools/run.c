/* planish run: one inference, from files to files. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "inputs.h"
#include "json.h"
#include "say.h"
#include "steps.h"
#include "summary.h"
#include "text.h"
#include "top.h"

static int run(int argc, char **argv);
const struct command command_run = {
    "run", "[options] MODEL", "Runs a model or plan once and prints or writes its outputs.",
    "  planish run model.onnx --input x=picture.npy --output results/\n  planish run bert.plan --random 1 --dim batch=2,seq=64\n"
    "  planish run model.onnx --input ids=ids.pb --input mask=data.npz --json\n"
    "  planish run resnet50.onnx --input x=cat.jpg --preprocess imagenet --top 5 --labels classes.txt\n",
    run, false
};

static struct {
    struct model_options model;
    struct text_list input;
    const char *output, *json, *labels;
    long random, top;
} options;
static struct labels labels;

static const struct option_row rows[] = {
    MODEL_ROWS(options.model),
    { "input", 'i', OPTION_LIST, &options.input, "NAME=FILE", "an input: .npy, .npz, .pb, a .png or .jpg picture with --preprocess, or .bin with --shapes (may be given again); or a folder with input_J.pb for all" },
    { "random", 0, OPTION_INT, &options.random, "SEED", "random values for inputs without a file" },
    { "output", 'o', OPTION_TEXT, &options.output, "DIR", "write each output to DIR/NAME.npy" },
    { "top", 0, OPTION_COUNT, &options.top, "N", "print the N largest elements of each row of the outputs" },
    { "labels", 0, OPTION_TEXT, &options.labels, "FILE", "with --top: what elements are called, a name a line" },
    { "json", 0, OPTION_OPTIONAL, &options.json, "FILE", "shapes and summaries as JSON" },
    { 0 },
};

static bool is_taken(const struct text_list *paths, const char *path)
{
    for (size_t i = 0; i < paths->count; i++)
        if (strcmp(paths->items[i], path) == 0) return true;
    return false;
}

/* DIR/NAME.npy, where what cannot stand in a file name becomes '_'; with a number behind it where an earlier output has that file. */
static void output_path(char *path, size_t path_bytes, const char *folder, const char *name, const struct text_list *written)
{
    size_t n = (size_t)snprintf(path, path_bytes, "%s/", folder);
    size_t start = n;
    for (; *name && n + 24 < path_bytes && n - start < 200; name++) path[n++] = *name == '/' || *name == ':' || (unsigned char)*name < 32 ? '_' : *name;
    if (n == start || path[start] == '.') path[start] = '_', n += n == start;
    snprintf(path + n, path_bytes - n, ".npy");
    for (int i = 2; is_taken(written, path); i++) snprintf(path + n, path_bytes - n, "_%d.npy", i);
}

static int write_output(const char *name, const pln_host_value *value)
{
    static struct text_list written; /* lives as long as the process */
    const struct text_list none = { 0 };
    char path[4400], plain[4400];
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    output_path(plain, sizeof plain, options.output, name, &none);
    output_path(path, sizeof path, options.output, name, &written);
    if (strcmp(path, plain) != 0) command_tell(&command_run, "output '%s' is written to %s: %s is another output's", name, path, plain);
    const char *kept = strdup(path);
    if (kept) text_list_add(&written, kept);
    enum pln_status status = pln_host_value_write_npy(value, path, diagnostics);
    int exit_status = status == PLN_OK ? 0 : model_fail(&command_run, diagnostics, status, "");
    pln_diagnostics_destroy(diagnostics);
    return exit_status;
}

static void json_output(FILE *out, int index, const char *name, const struct pln_buffer *buffer)
{
    struct summary s;
    fputs(index ? ",\n{\"name\":" : "\n{\"name\":", out);
    json_text(out, name);
    fprintf(out, ",\"type\":\"%s\",\"shape\":[", pln_dtype_name(buffer->dtype));
    for (int i = 0; i < buffer->rank; i++) fprintf(out, "%s%lld", i ? "," : "", (long long)buffer->dims[i]);
    fputc(']', out);
    if (summary_make(buffer, &s) && s.count > 0) {
        fputs(",\"min\":", out);
        json_number(out, s.min);
        fputs(",\"max\":", out);
        json_number(out, s.max);
        fputs(",\"mean\":", out);
        json_number(out, s.mean);
        fprintf(out, ",\"nan\":%lld,\"infinite\":%lld,\"first\":[", (long long)s.nans, (long long)s.infs);
        for (int i = 0; i < s.n_first; i++) {
            if (i) fputc(',', out);
            json_number(out, s.first[i]);
        }
        fputc(']', out);
    }
    if (options.top) top_write_json(out, buffer, (int)options.top, &labels);
    fputc('}', out);
}

static int report(const struct model *model, pln_context *context, struct output *output)
{
    int status = 0;
    if (output->json) fputs("\"outputs\":[", output->json);
    for (int i = 0; status == 0 && i < pln_engine_output_count(model->engine); i++) {
        struct pln_tensor_info info;
        pln_host_value *value;
        struct pln_buffer buffer;
        char shape[200];
        if (pln_engine_output(model->engine, i, &info) != PLN_OK) continue;
        enum pln_status got = pln_context_output_value(context, info.name, &value);
        if (got != PLN_OK) return model_fail(&command_run, pln_context_diagnostics(context), got, "");
        bool print = verbosity >= 0 || !options.output;
        if (print) say(output->text, "output %s %s: ", info.name, pln_host_value_describe(value, shape, sizeof shape));
        if (pln_host_value_buffer(value, &buffer) == PLN_OK) {
            if (print) summary_print(output->text, &buffer);
            if (options.top) top_print(output->text, &buffer, (int)options.top, &labels);
            if (output->json) json_output(output->json, i, info.name, &buffer);
            if (print) fputc('\n', output->text);
            if (options.output) status = write_output(info.name, value);
        } else {
            if (print) fputc('\n', output->text);
            if (options.output) command_tell(&command_run, "output '%s' is no tensor and was not written", info.name);
        }
        pln_host_value_destroy(value);
    }
    if (output->json) fputs("\n]", output->json);
    return status;
}

static int run_model(const struct model *model, struct output *output)
{
    struct inputs inputs;
    pln_context *context = NULL;
    char text[600];
    int status = inputs_make(&command_run, model, &options.model, &options.input, options.random != LONG_MIN, &inputs);
    if (status == 0 && options.output && mkdir(options.output, 0777) != 0 && errno != EEXIST) status = command_fail(&command_run, 1, "%s: %s", options.output, strerror(errno));
    if (status == 0 && pln_context_create(model->engine, NULL, &context) != PLN_OK) status = command_fail(&command_run, 1, "no memory for a context");
    if (status == 0) status = inputs_bind(&command_run, &inputs, context);
    double start = now_ms();
    progress_begin(&command_run, "run", true);
    progress_watch(context);
    enum pln_status ran = status == 0 ? pln_context_run(context) : PLN_OK;
    progress_end();
    if (ran != PLN_OK) status = model_fail(&command_run, pln_context_diagnostics(context), ran, "run");
    double ms = now_ms() - start;
    if (status == 0) {
        struct pln_engine_summary summary;
        pln_engine_summarize(model->engine, &summary);
        if (verbosity >= 0) say(output->text, "inputs %s\nran %d steps in %s\n", inputs_describe(&inputs, text, sizeof text), summary.steps, text_ms(ms));
        if (output->json) {
            fputs("{\"schema\":1,", output->json);
            steps_write_device_json(output->json, model->engine);
            fprintf(output->json, ",\"threads\":%d,\"ms\":", model->threads);
            json_number(output->json, ms);
            fputc(',', output->json);
        }
        status = report(model, context, output);
        if (output->json) fputs("}\n", output->json);
    }
    pln_context_destroy(context);
    inputs_free(&inputs);
    return status;
}

static int run(int argc, char **argv)
{
    static struct text_list words; /* lives as long as the process */
    struct model model;
    struct output output;
    options.random = LONG_MIN;
    options.model.seed = 1;
    options.model.may_be_kept = true;
    int status = options_parse(&command_run, rows, argc, argv, &words);
    if (status >= 0) return status;
    if (words.count != 1) {
        free(words.items);
        return command_fail(&command_run, 2, words.count ? "one model at a time" : "which model? planish run --help tells more");
    }
    if (options.random != LONG_MIN) options.model.seed = options.random;
    if (options.top > 10000) return command_fail(&command_run, 2, "--top can be 1 to 10000");
    if (options.labels && !options.top) options.top = 5;
    if (options.labels && (status = labels_read(&command_run, options.labels, &labels)) != 0) return status;
    status = model_check_result(&command_run, words.items[0], options.json, false);
    if (status == 0) status = model_check_inputs(&command_run, &options.input, options.json);
    if (status == 0 && options.labels) status = model_check_inputs(&command_run, &(struct text_list){ &options.labels, 1 }, options.json);
    if (status == 0) status = check_writable_folder(&command_run, options.output);
    if (status == 0) status = model_open(&command_run, words.items[0], &options.model, &model);
    if (status == 0) {
        status = output_open(&command_run, options.json, &output);
        if (status == 0) {
            if (verbosity >= 0) model_print_device(&model, output.text);
            status = run_model(&model, &output);
            int closed = output_close(&command_run, options.json, &output);
            status = status ? status : closed;
        }
        model_close(&model);
    }
    labels_free(&labels);
    return status;
}
