/* What a run leaves: layers, outputs, times, as text, JSON and raw bytes. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "json.h"
#include "planish/experimental/explore.h"
#include "summary.h"
#include "trtexec.h"

const char *trtexec_dims(int rank, const int64_t *dims)
{
    static char texts[4][PLN_MAX_RANK * 21 + 2];
    static int next;
    char *text = texts[next++ & 3];
    size_t n = 0;
    text[0] = '\0';
    for (int i = 0; i < rank; i++) n += (size_t)snprintf(text + n, sizeof texts[0] - n, "%s%lld", i ? "x" : "", (long long)dims[i]);
    return rank ? text : "scalar";
}

const char *trtexec_type(enum pln_dtype dtype)
{
    static const char *const prefixes[] = { "f", "fp", "i", "int", "u", "uint" };
    static char texts[4][32];
    static int next;
    const char *own = pln_dtype_name(dtype);
    char *text = texts[next++ & 3];
    snprintf(text, sizeof texts[0], "%s", own);
    for (int i = 0; i < 6; i += 2)
        if (own[0] == prefixes[i][0] && own[1] >= '1' && own[1] <= '9') snprintf(text, sizeof texts[0], "%s%s", prefixes[i + 1], own + 1);
    return text;
}

/* How much is told of layers. */
static const char *layer_verbosity(const struct model *model)
{
    static const char *const of_python[] = { "none", "layer_names_only", "detailed" }; /* in capitals there */
    const char *given = trtexec_text(FLAG_profilingVerbosity), *kept = pln_engine_metadata(model->engine, TRTEXEC_VERBOSITY_KEY), *other = pln_engine_metadata(model->engine, "planish.tensorrt.verbosity");
    const char *word = given ? given : kept ? kept : "layer_names_only";
    for (size_t i = 0; !given && !kept && other && i < sizeof of_python / sizeof *of_python; i++)
        if (strcasecmp(other, of_python[i]) == 0) word = of_python[i];
    return strcmp(word, "verbose") == 0 ? "detailed" : strcmp(word, "default") == 0 ? "layer_names_only" : word;
}

void trtexec_print_layers(const struct model *model)
{
    struct pln_step_info info;
    const char *level = layer_verbosity(model);
    trtexec_log('I', "Layer Information:");
    if (strcmp(level, "none") == 0) {
        trtexec_log('I', "(none: --profilingVerbosity=none)");
        return;
    }
    trtexec_log('I', "Layers:");
    for (int i = 0; pln_engine_step(model->engine, i, &info) == PLN_OK; i++) {
        const char *name = info.name[0] ? info.name : info.kernel;
        if (strcmp(level, "detailed") == 0) trtexec_log('I', "%s (%s, %s on %s)", name, info.op, info.kernel, info.device);
        else trtexec_log('I', "%s", name);
    }
}

/* What weights a layer has, as --refit would name them: those of more than one dim are kernels. */
void trtexec_print_weights(const struct model *model)
{
    struct pln_step_info info;
    struct pln_step_operands operands;
    struct pln_value_info value;
    trtexec_log('I', "Refittable weights:");
    for (int i = 0; pln_engine_step(model->engine, i, &info) == PLN_OK && pln_engine_step_operands(model->engine, i, &operands) == PLN_OK; i++)
        for (int k = 0; k < operands.n_inputs; k++) {
            if (operands.inputs[k] == UINT32_MAX || pln_engine_value(model->engine, (int)operands.inputs[k], &value) != PLN_OK || value.place != PLN_VALUE_WEIGHT) continue;
            if (value.dtype != PLN_F32 && value.dtype != PLN_F16 && value.dtype != PLN_BF16 && value.dtype != PLN_F64) continue; /* axes, shapes, indices */
            const char *role = operands.n_inputs == 1 ? "Constant" : value.rank == 1 ? "Bias" : "Kernel";
            trtexec_log('I', "Layer: %s, role: %s, weights: %s, %s", info.name[0] ? info.name : info.kernel, role, value.name[0] ? value.name : "(made by the build)", trtexec_dims(value.rank, value.dims));
        }
}

void trtexec_print_outputs(const struct model *model, pln_context *context)
{
    struct pln_tensor_info info;
    struct pln_buffer buffer;
    trtexec_log('I', "Output Tensors:");
    for (int i = 0; pln_engine_output(model->engine, i, &info) == PLN_OK; i++) {
        if (pln_context_output(context, info.name, &buffer) != PLN_OK) continue;
        int64_t count = 1;
        for (int d = 0; d < buffer.rank; d++) count *= buffer.dims[d];
        trtexec_log('I', "%s: (%s)", info.name, trtexec_dims(buffer.rank, buffer.dims));
        double value;
        for (int64_t k = 0; k < count && summary_element(&buffer, k, &value); k++) printf("%s%g", k ? " " : "", value);
        putchar('\n');
    }
}

FILE *trtexec_open_export(const char *path)
{
    FILE *out = fopen(path, "w");
    if (!out) command_fail(&command_trtexec, 1, "%s: %s", path, strerror(errno));
    return out;
}

int trtexec_close_export(const char *path, FILE *out)
{
    const bool failed = ferror(out) != 0;
    return fclose(out) == 0 && !failed ? 0 : command_fail(&command_trtexec, 1, "%s: %s", path, strerror(errno));
}

int trtexec_export_times(const char *path, const struct trtexec_times *times)
{
    FILE *out = trtexec_open_export(path);
    if (!out) return 1;
    for (size_t i = 0; i < times->count; i++) {
        const struct trtexec_query *q = &times->queries[i];
        const double ms = q->end - q->start;
        /* Moments keep their nanoseconds, however long the runs take. */
        fprintf(out, "%s{ \"startEnqMs\" : %.6f, \"endEnqMs\" : %.6f, \"startH2dMs\" : %.6f, \"endH2dMs\" : %.6f, \"startComputeMs\" : %.6f, \"endComputeMs\" : %.6f, \"startD2hMs\" : %.6f, \"endD2hMs\" : %.6f, "
                     "\"h2dMs\" : 0, \"computeMs\" : %.6g, \"d2hMs\" : 0, \"latencyMs\" : %.6g }\n",
                i ? ", " : "[\n  ", q->start, q->enqueued, q->start, q->start, q->start, q->end, q->end, q->end, ms, ms);
    }
    fputs(times->count ? "]\n" : "[]\n", out);
    return trtexec_close_export(path, out);
}

static void write_dims(FILE *out, int rank, const int64_t *dims)
{
    fputc('[', out);
    for (int d = 0; d < rank; d++) fprintf(out, "%s%lld", d ? "," : "", (long long)dims[d]);
    fputc(']', out);
}

/* What lies on the host in an engine for a GPU; all of a CPU's is on its device. */
static bool is_on_host(const struct model *model, const struct pln_value_info *info)
{
    struct pln_engine_summary summary;
    pln_engine_summarize(model->engine, &summary);
    return strcmp(info->device, "host") == 0 && strncmp(summary.device, "cuda", 4) == 0;
}

static void write_values(FILE *out, const struct model *model, pln_context *context, const uint32_t *ids, int n)
{
    const char *keys = trtexec_version() >= 11 ? ",\"Format\":\"Row-major linear\",\"Datatype\":" : ",\"Format/Datatype\":";
    bool any = false;
    for (int i = 0; i < n; i++) {
        struct pln_value_info info;
        if (ids[i] == UINT32_MAX || (context ? pln_context_value(context, (int)ids[i], &info) : pln_engine_value(model->engine, (int)ids[i], &info)) != PLN_OK) continue;
        fputs(any ? ",{\"Name\":" : "{\"Name\":", out);
        json_text(out, info.name);
        fputs(",\"Location\":", out);
        json_text(out, is_on_host(model, &info) ? "Host" : "Device");
        fputs(",\"Dimensions\":", out);
        write_dims(out, info.rank, info.dims);
        fputs(keys, out);
        json_text(out, trtexec_type(info.dtype));
        fputc('}', out);
        any = true;
    }
}

static void write_layer(FILE *out, const struct model *model, pln_context *context, const struct pln_step_info *info, const struct pln_step_operands *operands)
{
    fputs("{\"Name\":", out);
    json_text(out, info->name[0] ? info->name : info->kernel);
    fputs(",\"LayerType\":", out);
    json_text(out, info->op);
    fputs(",\"Inputs\":[", out);
    write_values(out, model, context, operands->inputs, operands->n_inputs);
    fputs("],\"Outputs\":[", out);
    write_values(out, model, context, operands->outputs, operands->n_outputs);
    fputs("],\"TacticName\":", out);
    json_text(out, info->kernel);
    fputs(",\"StreamId\":0,\"Metadata\":", out);
    json_text(out, info->name);
    fputc('}', out);
}

/* Inputs and outputs: names, or from 11 on more of each. */
static void write_bindings(FILE *out, const struct model *model)
{
    struct pln_tensor_info io;
    const bool names = trtexec_version() < 11;
    const int n_inputs = pln_engine_input_count(model->engine), n = n_inputs + pln_engine_output_count(model->engine);
    fputs(names ? "\"Bindings\":[" : "\"I/O Tensors\":[", out);
    for (int i = 0; i < n; i++) {
        const bool is_input = i < n_inputs;
        if ((is_input ? pln_engine_input(model->engine, i, &io) : pln_engine_output(model->engine, i - n_inputs, &io)) != PLN_OK) continue;
        fputs(i ? "," : "", out);
        if (!names) fputs("{\"Name\":", out);
        json_text(out, io.name);
        if (names) continue;
        fprintf(out, ",\"IOMode\":\"%s\",\"DataType\":\"%s\",\"Dimensions\":", is_input ? "Input" : "Output", trtexec_type(io.dtype));
        write_dims(out, io.rank, io.dims);
        fputs(",\"Location\":\"Device\",\"IsShapeInferenceIO\":false,\"ProfileInfo\":[", out);
        if (is_input) trtexec_write_profiles(out, io.name);
        fputs("]}", out);
    }
    fputc(']', out);
}

int trtexec_export_layers(const char *path, const struct model *model, pln_context *context)
{
    struct pln_step_info info;
    struct pln_step_operands operands;
    const char *level = layer_verbosity(model);
    const bool none = strcmp(level, "none") == 0, detailed = strcmp(level, "detailed") == 0;
    FILE *out = trtexec_open_export(path);
    if (!out) return 1;
    fputs("{\"Layers\":[", out);
    for (int i = 0; !none && pln_engine_step(model->engine, i, &info) == PLN_OK && pln_engine_step_operands(model->engine, i, &operands) == PLN_OK; i++) {
        fputs(i ? ",\n" : "\n", out);
        if (detailed) write_layer(out, model, context, &info, &operands);
        else json_text(out, info.name[0] ? info.name : info.kernel);
    }
    fputs("\n],", out);
    write_bindings(out, model);
    fputs("}\n", out);
    return trtexec_close_export(path, out);
}

int trtexec_export_outputs(const char *path, const struct model *model, pln_context *context)
{
    struct pln_tensor_info info;
    struct pln_buffer buffer;
    FILE *out = trtexec_open_export(path);
    if (!out) return 1;
    fputc('[', out);
    for (int i = 0, n = 0; pln_engine_output(model->engine, i, &info) == PLN_OK; i++) {
        if (pln_context_output(context, info.name, &buffer) != PLN_OK) continue;
        int64_t count = 1;
        for (int d = 0; d < buffer.rank; d++) count *= buffer.dims[d];
        fputs(n++ ? ",\n{ \"name\" : " : "\n{ \"name\" : ", out);
        json_text(out, info.name);
        fprintf(out, ", \"dimensions\" : \"%s\", \"values\" : [", trtexec_dims(buffer.rank, buffer.dims));
        double value;
        for (int64_t k = 0; k < count && summary_element(&buffer, k, &value); k++) {
            if (k) fputc(',', out);
            json_number(out, value);
        }
        fputs("] }", out);
    }
    fputs("\n]\n", out);
    return trtexec_close_export(path, out);
}

/* name.input.1.3.224.224.fp32.raw in this folder; what cannot be part of a file's name becomes an underscore. */
static int dump_binding(const char *name, const char *side, const struct pln_buffer *buffer)
{
    char path[PLN_MAX_RANK * 21 + 400];
    size_t n = 0, count = 1;
    for (const char *c = name; *c && n < 200; c++) path[n++] = isalnum((unsigned char)*c) || *c == '.' || *c == '_' || *c == '-' ? *c : '_';
    if (path[0] == '.') path[0] = '_';
    n += (size_t)snprintf(path + n, sizeof path - n, ".%s", side);
    for (int d = 0; d < buffer->rank; d++) {
        n += (size_t)snprintf(path + n, sizeof path - n, ".%lld", (long long)buffer->dims[d]);
        count *= (size_t)buffer->dims[d];
    }
    snprintf(path + n, sizeof path - n, ".%s.raw", trtexec_type(buffer->dtype));
    FILE *out = trtexec_open_export(path);
    if (!out) return 1;
    fwrite(buffer->data, 1, (count * (size_t)pln_dtype_bits(buffer->dtype) + 7) / 8, out);
    return trtexec_close_export(path, out);
}

int trtexec_dump_bindings(const struct model *model, const struct inputs *inputs, pln_context *context)
{
    struct pln_tensor_info info;
    struct pln_buffer buffer;
    int status = 0;
    for (int i = 0; status == 0 && i < inputs->count; i++)
        if (pln_host_value_buffer(inputs->values[i], &buffer) == PLN_OK && buffer.dtype != PLN_STR) status = dump_binding(inputs->infos[i].name, "input", &buffer);
    for (int i = 0; status == 0 && pln_engine_output(model->engine, i, &info) == PLN_OK; i++)
        if (pln_context_output(context, info.name, &buffer) == PLN_OK && buffer.dtype != PLN_STR) status = dump_binding(info.name, "output", &buffer);
    return status;
}
