/* planish ops: the coverage of ONNX. */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "json.h"
#include "model.h"
#include "planish/builder.h"
#include "planish/device.h"
#include "planish/experimental/ops.h"
#include "text.h"

static int run(int argc, char **argv);
const struct command command_ops = {
    "ops", "[options] [OPERATOR…]", "Lists the operators of ONNX that run: operator sets, our op, which device has a fast kernel.",
    "  planish ops\n  planish ops Conv MatMul\n  planish ops --json=coverage.json\n", run, false
};

static struct {
    const char *device, *json;
    bool markdown, passes;
    struct text_list plugins;
} options;

static const struct option_row rows[] = {
    { "device", 0, OPTION_TEXT, &options.device, "NAME", "whose kernels: " DEVICE_HELP },
    { "markdown", 0, OPTION_FLAG, &options.markdown, "", "as a Markdown table" },
    { "passes", 0, OPTION_FLAG, &options.passes, "", "the optimization passes instead, a name a line, in order: what --disable-pass takes" },
    PLUGIN_ROW(options.plugins),
    { "json", 0, OPTION_OPTIONAL, &options.json, "FILE", "the table as JSON" },
    { 0 },
};

/* The types that stand in the names of an op's kernels, "f32 bf16"; "": it has none. */
static void fast_types(const struct pln_operator_info *info, char *text, size_t text_bytes)
{
    const char *name;
    size_t n = 0;
    text[0] = '\0';
    if (!info->op[0]) return;
    for (int i = 0; (name = pln_operator_kernel(options.device, info->op, info->kind, i)); i++) {
        const char *type = "any";
        for (int dtype = 1; dtype < PLN_DTYPE_COUNT; dtype++) {
            char word[24];
            snprintf(word, sizeof word, "_%s_", pln_dtype_name((enum pln_dtype)dtype));
            if (strstr(name, word)) type = pln_dtype_name((enum pln_dtype)dtype);
        }
        if (!strstr(text, type) && n < text_bytes) n += (size_t)snprintf(text + n, text_bytes - n, "%s%s", n ? " " : "", type);
    }
}

static void write_json(FILE *out, int index, const struct pln_operator_info *info)
{
    const char *name;
    fputs(index ? ",\n{\"domain\":" : "\n{\"domain\":", out);
    json_text(out, info->domain);
    fputs(",\"operator\":", out);
    json_text(out, info->name);
    fprintf(out, ",\"opsets\":[%d,%d],\"op\":", info->first_opset, info->last_opset);
    json_text(out, info->op[0] ? info->op : NULL);
    fputs(",\"kind\":", out);
    json_text(out, info->kind[0] ? info->kind : NULL);
    fputs(",\"kernels\":[", out);
    for (int i = 0; info->op[0] && (name = pln_operator_kernel(options.device, info->op, info->kind, i)); i++) {
        if (i) fputc(',', out);
        json_text(out, name);
    }
    fputs("]}", out);
}

static void print_row(FILE *out, const struct pln_operator_info *info, bool kernels)
{
    char op[64], opsets[24], name[80], types[120];
    const char *kernel;
    snprintf(op, sizeof op, "%s%s%s", info->op[0] ? info->op : "(several)", info->kind[0] ? "." : "", info->kind);
    snprintf(opsets, sizeof opsets, "%d-%d", info->first_opset, info->last_opset);
    snprintf(name, sizeof name, "%s%s%s", info->domain, info->domain[0] ? "." : "", info->name);
    fast_types(info, types, sizeof types);
    fprintf(out, options.markdown ? "| %s | %s | %s | %s |\n" : "%-32s %-7s %-28s %s\n", name, opsets, op, types[0] ? types : info->op[0] ? "reference" : "as the ops it becomes");
    for (int i = 0; kernels && info->op[0] && (kernel = pln_operator_kernel(options.device, info->op, info->kind, i)); i++) fprintf(out, "%40s%s\n", "", kernel);
}

static bool wanted(const struct text_list *words, const char *name)
{
    for (size_t i = 0; i < words->count; i++)
        if (strcmp(words->items[i], name) == 0) return true;
    return words->count == 0;
}

/* The operators of --plugin, behind ONNX's. Returns how many. */
static int list_plugins(const struct output *output, const pln_plugins *plugins, const struct text_list *words, bool any_before)
{
    const struct pln_plugin *plugin;
    int shown = 0;
    for (int i = 0; (plugin = pln_plugins_get(plugins, i)); i++) {
        char name[520], versions[24];
        const char *op = plugin->flags & PLN_PLUGIN_PURE ? "custom_pure" : "custom";
        if (!wanted(words, plugin->name)) continue;
        snprintf(name, sizeof name, "%s.%s", plugin->domain, plugin->name);
        snprintf(versions, sizeof versions, "%d-", plugin->since_version > 0 ? plugin->since_version : 1);
        fprintf(output->text, options.markdown ? "| %s | %s | %s | %s |\n" : "%-32s %-7s %-28s %s\n", name, versions, op, "plugin");
        if (output->json) {
            fputs(any_before || shown ? ",\n{\"domain\":" : "\n{\"domain\":", output->json);
            json_text(output->json, plugin->domain);
            fputs(",\"operator\":", output->json);
            json_text(output->json, plugin->name);
            fprintf(output->json, ",\"opsets\":[%d,null],\"op\":\"%s\",\"kind\":null,\"kernels\":[\"plugin\"]}", plugin->since_version > 0 ? plugin->since_version : 1, op);
        }
        shown++;
    }
    return shown;
}

static int check_words(const struct text_list *words, const pln_plugins *plugins)
{
    const char *names[512];
    struct pln_operator_info info;
    const struct pln_plugin *plugin;
    size_t n = 0;
    for (int i = 0; n < 512 && pln_operator_get(i, &info) == PLN_OK; i++) names[n++] = info.name;
    for (int i = 0; n < 512 && (plugin = pln_plugins_get(plugins, i)); i++) names[n++] = plugin->name;
    for (size_t i = 0; i < words->count; i++) {
        size_t k = 0;
        while (k < n && strcmp(names[k], words->items[i]) != 0) k++;
        if (k < n) continue;
        const char *near = nearest_name(words->items[i], names, n);
        return command_fail(&command_ops, 2, "there is no operator '%s'%s%s%s", words->items[i], near ? "; did you mean '" : "", near ? near : "; planish ops lists them", near ? "'?" : "");
    }
    return 0;
}

/* A device without kernels of its own must be one of those that there are. */
static int check_device(void)
{
    char names[300] = "";
    struct pln_device_info info;
    if (pln_operator_kernel(options.device, "conv", "", 0)) return 0;
    for (int i = 0; pln_device_get(i, &info) == PLN_OK; i++) {
        const size_t kind = strcspn(info.name, ":"), n = strlen(names);
        if (strncmp(info.name, options.device, kind) == 0 && (!options.device[kind] || options.device[kind] == ':')) return 0;
        snprintf(names + n, sizeof names - n, "%s%s", n ? ", " : "", info.name);
    }
    return command_fail(&command_ops, 2, "there is no device '%s'; there are %s", options.device, names);
}

static int list(const struct text_list *words, const pln_plugins *plugins)
{
    struct output output;
    struct pln_operator_info info;
    int shown = 0, fast = 0, status = output_open(&command_ops, options.json, &output);
    if (status) return status;
    if (output.json) {
        fputs("{\"schema\":1,\"device\":", output.json);
        json_text(output.json, options.device);
        fputs(",\"operators\":[", output.json);
    }
    fprintf(output.text, "device %s\n", options.device);
    fprintf(output.text, options.markdown ? "| %s | %s | %s | %s |\n|---|---|---|---|\n" : "%-32s %-7s %-28s %s\n", "operator", "opsets", "op", "fast kernels for");
    for (int i = 0; pln_operator_get(i, &info) == PLN_OK; i++) {
        if (!wanted(words, info.name)) continue;
        print_row(output.text, &info, words->count > 0 || verbosity > 0);
        if (output.json) write_json(output.json, shown, &info);
        fast += info.op[0] && pln_operator_kernel(options.device, info.op, info.kind, 0);
        shown++;
    }
    int custom = list_plugins(&output, plugins, words, shown > 0);
    fprintf(output.text, "%d operators, %d of them with fast kernels; the others run on the reference kernels, as do other element types\n", shown, fast);
    if (custom) fprintf(output.text, "%d custom operators, which run as their plugin computes them, on the host\n", custom);
    if (output.json) fputs("\n]}\n", output.json);
    return output_close(&command_ops, options.json, &output);
}

/* One that runs again later in the order is named once: it is switched off by name. */
static int list_passes(void)
{
    struct output output;
    int status = output_open(&command_ops, options.json, &output);
    if (status) return status;
    if (output.json) fputs("{\"schema\":1,\"passes\":[", output.json);
    for (int i = 0; pln_pass_name(i); i++) {
        bool seen = false;
        for (int k = 0; k < i; k++) seen |= strcmp(pln_pass_name(k), pln_pass_name(i)) == 0;
        if (seen) continue;
        fprintf(output.text, "%s\n", pln_pass_name(i));
        if (!output.json) continue;
        if (i) fputc(',', output.json);
        json_text(output.json, pln_pass_name(i));
    }
    if (output.json) fputs("]}\n", output.json);
    return output_close(&command_ops, options.json, &output);
}

static int run(int argc, char **argv)
{
    static struct text_list words; /* lives as long as the process */
    int status = options_parse(&command_ops, rows, argc, argv, &words);
    if (status >= 0) return status;
    if (options.passes && words.count) return command_fail(&command_ops, 2, "--passes lists all passes and takes no word, such as '%s'; planish ops %s tells of an operator", words.items[0], words.items[0]);
    if (options.passes) return list_passes();
    pln_plugins *plugins;
    status = plugins_open(&command_ops, &options.plugins, &plugins);
    if (status == 0) status = check_words(&words, plugins);
    if (!options.device) options.device = model_default_device(NULL, false);
    if (status == 0) status = check_device();
    if (status == 0) status = list(&words, plugins);
    pln_plugins_release(plugins);
    return status;
}
