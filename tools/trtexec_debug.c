/* Debug tensors: values that the build keeps visible, told or written after a run of their own. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "outputs.h"
#include "planish/experimental/explore.h"
#include "planish/planish.h"
#include "summary.h"
#include "trtexec.h"

void trtexec_mark(struct text_list *taps)
{
    trtexec_split(trtexec_text(FLAG_markDebug), taps);
}

void trtexec_mark_unfused(const pln_engine *engine, struct text_list *taps)
{
    struct pln_value_info info;
    for (int i = 0; i < pln_engine_value_count(engine); i++) {
        if (pln_engine_value(engine, i, &info) != PLN_OK || !info.name[0] || info.block != 0 || info.kind != PLN_VALUE_TENSOR) continue;
        if (info.place != PLN_VALUE_ARENA && info.place != PLN_VALUE_VIEW && info.place != PLN_VALUE_HEAP) continue;
        char *name = strdup(info.name); /* lives as long as the process: the engine goes */
        if (name) text_list_add(taps, name);
    }
}

static int write_raw(const char *path, const pln_host_value *value)
{
    struct pln_buffer buffer;
    if (pln_host_value_buffer(value, &buffer) != PLN_OK || buffer.dtype == PLN_STR) return command_fail(&command_trtexec, 1, "%s: the value is no tensor of numbers", path);
    FILE *out = trtexec_open_export(path);
    if (!out) return 1;
    size_t count = 1;
    for (int d = 0; d < buffer.rank; d++) count *= (size_t)buffer.dims[d];
    fwrite(buffer.data, 1, (count * (size_t)pln_dtype_bits(buffer.dtype) + 7) / 8, out);
    return trtexec_close_export(path, out);
}

static int write_text(const char *path, const pln_host_value *value)
{
    struct pln_buffer buffer;
    double element;
    FILE *out = trtexec_open_export(path);
    if (!out) return 1;
    if (pln_host_value_buffer(value, &buffer) == PLN_OK) {
        int64_t count = 1;
        for (int d = 0; d < buffer.rank; d++) count *= buffer.dims[d];
        for (int64_t i = 0; i < count && summary_element(&buffer, i, &element); i++) fprintf(out, "%.9g\n", element);
    }
    return trtexec_close_export(path, out);
}

static int write_npy(const char *path, const pln_host_value *value)
{
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    enum pln_status status = pln_host_value_write_npy(value, path, diagnostics);
    const int exit_status = status == PLN_OK ? 0 : model_fail(&command_trtexec, diagnostics, status, path);
    pln_diagnostics_destroy(diagnostics);
    return exit_status;
}

static void tell(const struct named_value *value)
{
    char shape[160], *text = NULL;
    size_t bytes;
    struct pln_buffer buffer;
    FILE *out = open_memstream(&text, &bytes);
    if (out && pln_host_value_buffer(value->value, &buffer) == PLN_OK) summary_print(out, &buffer);
    if (out) fclose(out);
    trtexec_log('I', "Debug tensor %s: %s: %s", value->name, pln_host_value_describe(value->value, shape, sizeof shape), text ? text : "");
    free(text);
}

/* "/layer1/Conv_output_0" as the name of a file: what is no letter, digit, dot, underscore or hyphen becomes an underscore. */
static void name_file(char *path, size_t path_bytes, const struct named_value *value, const char *ending)
{
    char name[200];
    size_t n = 0;
    for (const char *c = value->name; *c && n + 1 < sizeof name; c++) name[n++] = isalnum((unsigned char)*c) || *c == '.' || *c == '_' || *c == '-' ? *c : '_';
    name[n] = '\0';
    if (value->occurrence) snprintf(path, path_bytes, "%s.%d.%s", name, value->occurrence, ending);
    else snprintf(path, path_bytes, "%s%s.%s", name[0] == '.' ? "_" : "", name, ending);
}

static int save_all(const struct outputs *taps)
{
    struct text_list formats = { 0 };
    char path[300];
    int status = 0;
    trtexec_split(trtexec_text(FLAG_saveAllDebugTensors), &formats);
    for (int i = 0; i < taps->count; i++)
        for (size_t f = 0; status == 0 && f < formats.count; f++) {
            const struct named_value *value = &taps->items[i];
            const char *format = formats.items[f] + (formats.items[f][0] == '+');
            if (strcmp(format, "summary") == 0) tell(value);
            else if (strcmp(format, "numpy") == 0) name_file(path, sizeof path, value, "npy"), status = write_npy(path, value->value);
            else if (strcmp(format, "string") == 0) name_file(path, sizeof path, value, "txt"), status = write_text(path, value->value);
            else name_file(path, sizeof path, value, "raw"), status = write_raw(path, value->value);
        }
    free(formats.items);
    return status;
}

static int save_named(const struct outputs *taps)
{
    struct text_list files = { 0 };
    int status = 0;
    trtexec_split(trtexec_text(FLAG_saveDebugTensors), &files);
    for (size_t i = 0; status == 0 && i < files.count; i++) {
        const char *item = files.items[i], *colon = strrchr(item, ':');
        char name[400];
        snprintf(name, sizeof name, "%.*s", (int)(colon - item), item);
        const struct named_value *value = outputs_find(taps, name, 0);
        if (value) status = write_raw(colon + 1, value->value);
        else status = command_fail(&command_trtexec, 1, "--saveDebugTensors: '%s' is not marked in this plan; build with --markDebug=%s", name, name);
    }
    free(files.items);
    return status;
}

int trtexec_save_debug(const struct model *model, const struct inputs *inputs)
{
    struct outputs outputs = { 0 }, taps = { 0 };
    const bool wanted = trtexec_given(FLAG_saveDebugTensors) || trtexec_given(FLAG_saveAllDebugTensors);
    if (!wanted && !trtexec_given(FLAG_markDebug) && !trtexec_given(FLAG_markUnfusedTensorsAsDebugTensors)) return 0;
    int status = outputs_run(&command_trtexec, model, inputs, &outputs, &taps);
    for (int i = 0; status == 0 && i < taps.count; i++) {
        char shape[160];
        trtexec_log(wanted ? 'V' : 'I', "Debug tensor %s: %s", taps.items[i].name, pln_host_value_describe(taps.items[i].value, shape, sizeof shape));
    }
    if (status == 0 && taps.count == 0) trtexec_log('W', "This plan has no debug tensors; build it with --markDebug=NAME,…");
    if (status == 0 && trtexec_given(FLAG_saveAllDebugTensors)) status = save_all(&taps);
    if (status == 0 && trtexec_given(FLAG_saveDebugTensors)) status = save_named(&taps);
    outputs_free(&outputs);
    outputs_free(&taps);
    return status;
}
