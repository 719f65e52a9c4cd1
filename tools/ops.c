/* planish ops: the coverage of ONNX, as a list, as JSON, and as the page docs/operators.md. */
#include <fnmatch.h>
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
    "ops", "[options] [OPERATOR…]", "Lists the operators of ONNX that run: operator sets, our op, which device has a fast kernel, element types. An OPERATOR may hold * and ?, and its domain before it.",
    "  planish ops\n  planish ops Conv MatMul\n  planish ops 'Reduce*' 'ai.onnx.ml.*'\n  planish ops --json=coverage.json\n  planish ops --markdown >operators.md\n", run, false
};

static struct {
    const char *device, *json;
    bool markdown, passes;
    struct text_list plugins;
} options;

static const struct option_row rows[] = {
    { "device", 0, OPTION_TEXT, &options.device, "NAME", "whose kernels: " DEVICE_HELP },
    { "markdown", 0, OPTION_FLAG, &options.markdown, "", "as a page in Markdown, with a column for each of cpu and cuda" },
    { "passes", 0, OPTION_FLAG, &options.passes, "", "the optimization passes instead, a name a line, in order: what --disable-pass takes" },
    PLUGIN_ROW(options.plugins),
    { "json", 0, OPTION_OPTIONAL, &options.json, "FILE", "the table as JSON" },
    { 0 },
};

/* ---- texts of a row ---- */

/* The types that stand in the names of an op's kernels on a device, "f32 bf16"; what runs otherwise where it has none. */
static void fast_types(const char *device, const struct pln_operator_info *info, char *text, size_t text_bytes)
{
    const char *name;
    size_t n = 0;
    snprintf(text, text_bytes, "%s", info->op[0] ? "reference" : "as the ops it becomes");
    for (int i = 0; info->op[0] && (name = pln_operator_kernel(device, info->op, info->kind, i)); i++) {
        const char *type = "any";
        for (int dtype = 1; dtype < PLN_DTYPE_COUNT; dtype++) {
            char word[24];
            snprintf(word, sizeof word, "_%s_", pln_dtype_name((enum pln_dtype)dtype));
            if (strstr(name, word)) type = pln_dtype_name((enum pln_dtype)dtype);
        }
        if ((n == 0 || !strstr(text, type)) && n < text_bytes) n += (size_t)snprintf(text + n, text_bytes - n, "%s%s", n ? " " : "", type);
    }
}

#define BIT(dtype) (UINT64_C(1) << (dtype))

/* Short words for element types that come together. */
static const struct {
    const char *name;
    uint64_t dtypes;
} type_sets[] = {
    { "floats", BIT(PLN_F16) | BIT(PLN_F32) | BIT(PLN_F64) },
    { "ints", BIT(PLN_I8) | BIT(PLN_I16) | BIT(PLN_I32) | BIT(PLN_I64) },
    { "uints", BIT(PLN_U8) | BIT(PLN_U16) | BIT(PLN_U32) | BIT(PLN_U64) },
    { "f8", BIT(PLN_F8E4M3FN) | BIT(PLN_F8E4M3FNUZ) | BIT(PLN_F8E5M2) | BIT(PLN_F8E5M2FNUZ) },
    { "complex", BIT(PLN_C64) | BIT(PLN_C128) },
    { NULL, 0 },
};

static void add_word(char *text, size_t text_bytes, const char *separator, const char *word)
{
    const size_t n = strlen(text);
    snprintf(text + n, text_bytes - n, "%s%s", n ? separator : "", word);
}

/* Appends "f16 f32 f64 a sequence", in short words where they are wanted. */
static void add_types(char *text, size_t text_bytes, const struct pln_operator_input *input, bool in_sets, const char *separator)
{
    uint64_t left = input->dtypes;
    const char *before = separator;
    for (int i = 0; in_sets && type_sets[i].name; i++) {
        if ((left & type_sets[i].dtypes) != type_sets[i].dtypes) continue;
        left &= ~type_sets[i].dtypes;
        add_word(text, text_bytes, before, type_sets[i].name), before = " ";
    }
    for (int dtype = 1; dtype < PLN_DTYPE_COUNT; dtype++)
        if (left & BIT(dtype)) add_word(text, text_bytes, before, pln_dtype_name((enum pln_dtype)dtype)), before = " ";
    if (input->sequence) add_word(text, text_bytes, before, "sequence"), before = " ";
    if (input->optional_value) add_word(text, text_bytes, before, "optional"), before = " ";
    if (input->map) add_word(text, text_bytes, before, "map");
}

/* The element types of an operator's inputs, "floats bf16; i64": what several have in common once. */
static void input_types(int index, char *text, size_t text_bytes)
{
    struct pln_operator_input seen[64];
    int n = 0;
    text[0] = '\0';
    for (int i = 0; n < (int)(sizeof seen / sizeof seen[0]) && pln_operator_input_get(index, i, &seen[n]) == PLN_OK; i++) {
        int k = 0;
        while (k < n && (seen[k].dtypes != seen[n].dtypes || seen[k].sequence != seen[n].sequence || seen[k].optional_value != seen[n].optional_value || seen[k].map != seen[n].map)) k++;
        if (k < n) continue;
        add_types(text, text_bytes, &seen[n++], true, "; ");
    }
}

/* ---- a row ---- */

static void write_inputs(FILE *out, int index)
{
    struct pln_operator_input input;
    for (int i = 0; pln_operator_input_get(index, i, &input) == PLN_OK; i++) {
        fputs(i ? ",{\"types\":[" : "{\"types\":[", out);
        const char *before = "";
        for (int dtype = 1; dtype < PLN_DTYPE_COUNT; dtype++)
            if (input.dtypes & BIT(dtype)) fprintf(out, "%s\"%s\"", before, pln_dtype_name((enum pln_dtype)dtype)), before = ",";
        if (input.sequence) fprintf(out, "%s\"sequence\"", before), before = ",";
        if (input.optional_value) fprintf(out, "%s\"optional\"", before), before = ",";
        if (input.map) fprintf(out, "%s\"map\"", before);
        fprintf(out, "],\"optional\":%s,\"many\":%s}", input.optional ? "true" : "false", input.many ? "true" : "false");
    }
}

static void write_json(FILE *out, bool first, int index, const struct pln_operator_info *info)
{
    const char *name;
    fputs(first ? "\n{\"domain\":" : ",\n{\"domain\":", out);
    json_text(out, info->domain);
    fputs(",\"operator\":", out);
    json_text(out, info->name);
    fprintf(out, ",\"opsets\":[%d,%d],\"op\":", info->first_opset, info->last_opset);
    json_text(out, info->op[0] ? info->op : NULL);
    fputs(",\"kind\":", out);
    json_text(out, info->kind[0] ? info->kind : NULL);
    fputs(",\"inputs\":[", out);
    write_inputs(out, index);
    fputs("],\"kernels\":[", out);
    for (int i = 0; info->op[0] && (name = pln_operator_kernel(options.device, info->op, info->kind, i)); i++) {
        if (i) fputc(',', out);
        json_text(out, name);
    }
    fputs("]}", out);
}

#define ROW_FORMAT "%-32s %-7s %-28s %-22s %s\n"

static void print_details(FILE *out, int index, const struct pln_operator_info *info)
{
    const char *kernel;
    struct pln_operator_input input;
    for (int i = 0; pln_operator_input_get(index, i, &input) == PLN_OK; i++) {
        char types[400] = "";
        add_types(types, sizeof types, &input, false, " ");
        fprintf(out, "%40sinput %d%s: %s\n", "", i, input.many ? " and more" : input.optional ? ", optional" : "", types);
    }
    for (int i = 0; info->op[0] && (kernel = pln_operator_kernel(options.device, info->op, info->kind, i)); i++) fprintf(out, "%40s%s\n", "", kernel);
}

static void print_row(FILE *out, int index, const struct pln_operator_info *info, bool details)
{
    char op[64], opsets[24], name[80], types[400], fast[120], cuda[120];
    snprintf(op, sizeof op, "%s%s%s", info->op[0] ? info->op : "(several)", info->kind[0] ? "." : "", info->kind);
    snprintf(opsets, sizeof opsets, "%d-%d", info->first_opset, info->last_opset);
    snprintf(name, sizeof name, "%s%s%s", info->domain, info->domain[0] ? "." : "", info->name);
    fast_types(options.markdown ? "cpu" : options.device, info, fast, sizeof fast);
    fast_types("cuda", info, cuda, sizeof cuda);
    input_types(index, types, sizeof types);
    if (options.markdown) {
        fprintf(out, "| %s | %s | %s | %s | %s | %s |\n", name, opsets, types, op, fast, cuda);
        return;
    }
    fprintf(out, ROW_FORMAT, name, opsets, op, fast, types);
    if (details) print_details(out, index, info);
}

/* What stands above the tables of the page. */
static void print_page_head(FILE *out)
{
    fputs("# Operators\n\n"
          "The operators of ONNX that run, as the command lists them; `planish ops --markdown` writes this page. *opsets* are the operator sets in which an operator runs.\n"
          "*types* are the element types of its inputs in the newest one, by ONNX's schema: groups of inputs are parted by semicolons. *op* is the operator of Planish that it becomes.\n"
          "The last two columns say for which element types a device has kernels of its own (*any*: the kernel moves elements whatever they are, or looks at their types\n"
          "when it is built). *reference*, and all other element types, run on the reference kernels of the host: right, and slow.\n\n"
          "| word | element types |\n|---|---|\n", out);
    for (int i = 0; type_sets[i].name; i++) {
        char types[200] = "";
        add_types(types, sizeof types, &(struct pln_operator_input){ .dtypes = type_sets[i].dtypes }, false, " ");
        fprintf(out, "| %s | %s |\n", type_sets[i].name, types);
    }
}

static void print_table_head(FILE *out, const char *domain)
{
    fprintf(out, "\n## %s\n\n| operator | opsets | types | op | cpu | cuda |\n|---|---|---|---|---|---|\n", domain[0] ? domain : "ai.onnx");
}

/* ---- the command ---- */

/* "Conv", "Reduce*", "ai.onnx.ml.*", "ai.onnx.Conv" */
static bool matches(const char *word, const char *domain, const char *name)
{
    char whole[600];
    snprintf(whole, sizeof whole, "%s.%s", domain[0] ? domain : "ai.onnx", name);
    return fnmatch(word, name, 0) == 0 || fnmatch(word, whole, 0) == 0;
}

static bool wanted(const struct text_list *words, const char *domain, const char *name)
{
    for (size_t i = 0; i < words->count; i++)
        if (matches(words->items[i], domain, name)) return true;
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
        if (!wanted(words, plugin->domain, plugin->name)) continue;
        if (options.markdown && (i == 0 || strcmp(pln_plugins_get(plugins, i - 1)->domain, plugin->domain) != 0)) print_table_head(output->text, plugin->domain);
        snprintf(name, sizeof name, "%s.%s", plugin->domain, plugin->name);
        snprintf(versions, sizeof versions, "%d-", plugin->since_version > 0 ? plugin->since_version : 1);
        if (options.markdown) fprintf(output->text, "| %s | %s |  | %s | plugin | plugin |\n", name, versions, op);
        else fprintf(output->text, ROW_FORMAT, name, versions, op, "plugin", "");
        if (output->json) {
            fputs(any_before || shown ? ",\n{\"domain\":" : "\n{\"domain\":", output->json);
            json_text(output->json, plugin->domain);
            fputs(",\"operator\":", output->json);
            json_text(output->json, plugin->name);
            fprintf(output->json, ",\"opsets\":[%d,null],\"op\":\"%s\",\"kind\":null,\"inputs\":null,\"kernels\":[\"plugin\"]}", plugin->since_version > 0 ? plugin->since_version : 1, op);
        }
        shown++;
    }
    return shown;
}

static int check_words(const struct text_list *words, const pln_plugins *plugins)
{
    const char *names[512], *domains[512];
    struct pln_operator_info info;
    const struct pln_plugin *plugin;
    size_t n = 0;
    for (int i = 0; n < 512 && pln_operator_get(i, &info) == PLN_OK; i++) domains[n] = info.domain, names[n++] = info.name;
    for (int i = 0; n < 512 && (plugin = pln_plugins_get(plugins, i)); i++) domains[n] = plugin->domain, names[n++] = plugin->name;
    for (size_t i = 0; i < words->count; i++) {
        size_t k = 0;
        while (k < n && !matches(words->items[i], domains[k], names[k])) k++;
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
    if (options.markdown) {
        print_page_head(output.text);
    } else {
        fprintf(output.text, "device %s\n", options.device);
        fprintf(output.text, ROW_FORMAT, "operator", "opsets", "op", "fast kernels for", "element types");
    }
    const char *domain = NULL;
    for (int i = 0; pln_operator_get(i, &info) == PLN_OK; i++) {
        if (!wanted(words, info.domain, info.name)) continue;
        if (options.markdown && (!domain || strcmp(domain, info.domain) != 0)) print_table_head(output.text, info.domain);
        domain = info.domain;
        print_row(output.text, i, &info, words->count > 0 || verbosity > 0);
        if (output.json) write_json(output.json, shown == 0, i, &info);
        fast += info.op[0] && pln_operator_kernel(options.device, info.op, info.kind, 0);
        shown++;
    }
    int custom = list_plugins(&output, plugins, words, shown > 0);
    if (options.markdown) fprintf(output.text, "\n%d operators.\n", shown);
    else fprintf(output.text, "%d operators, %d of them with fast kernels; the others run on the reference kernels, as do other element types\n", shown, fast);
    if (custom && !options.markdown) fprintf(output.text, "%d custom operators, which run as their plugin computes them, on the host\n", custom);
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
