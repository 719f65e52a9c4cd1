#include "inputs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* The file for an input in `name=FILE` or `name:FILE`, the longest known name winning. */
static const char *file_for(const struct text_list *files, const char *name)
{
    const char *found = NULL;
    size_t n = strlen(name);
    for (size_t i = 0; i < files->count; i++)
        if (strncmp(files->items[i], name, n) == 0 && (files->items[i][n] == '=' || files->items[i][n] == ':')) found = files->items[i] + n + 1;
    return found;
}

static int check_names(const struct command *command, const struct model *model, const struct text_list *files)
{
    for (size_t f = 0; f < files->count; f++) {
        const char *names[256];
        size_t n = 0;
        bool known = false;
        for (int i = 0; i < pln_engine_input_count(model->engine) && n < 256; i++) {
            struct pln_tensor_info info;
            if (pln_engine_input(model->engine, i, &info) != PLN_OK) continue;
            const struct text_list one = { &files->items[f], 1 };
            known |= file_for(&one, info.name) != NULL;
            names[n++] = info.name;
        }
        if (known) continue;
        char word[64];
        snprintf(word, sizeof word, "%.*s", (int)strcspn(files->items[f], "=:"), files->items[f]);
        if (!files->items[f][strcspn(files->items[f], "=:")]) return command_fail(command, 2, "--input wants NAME=FILE, not '%s'", files->items[f]);
        const char *near = nearest_name(word, names, n);
        return command_fail(command, 2, "the model has no input '%s'; %s '%s'%s", word, near ? "did you mean" : "its first is", near ? near : n ? names[0] : "", near ? "?" : "");
    }
    return 0;
}

static int read_bin(const struct command *command, const char *path, const struct pln_tensor_info *info, pln_host_value **out_value)
{
    struct pln_buffer buffer = { .dtype = info->dtype, .rank = info->rank };
    uint64_t bits = (uint64_t)pln_dtype_bits(info->dtype);
    FILE *file = fopen(path, "rb");
    if (!file) return command_fail(command, 1, "%s: %s", path, strerror(errno));
    for (int i = 0; i < info->rank; i++) {
        buffer.dims[i] = info->dims[i];
        bits = info->dims[i] > 0 && bits > (uint64_t)1 << 50 ? bits : bits * (uint64_t)info->dims[i];
    }
    size_t bytes = (size_t)((bits + 7) / 8), got = 0;
    buffer.data = bytes < (size_t)1 << 46 ? malloc(bytes + 2) : NULL;
    if (buffer.data) got = fread(buffer.data, 1, bytes + 1, file);
    fclose(file);
    int status = 0;
    if (!buffer.data) status = command_fail(command, 1, "out of memory for input '%s'", info->name);
    else if (info->dtype == PLN_STR) status = command_fail(command, 2, "input '%s' holds strings, which a .bin file cannot", info->name);
    else if (got != bytes) status = command_fail(command, 1, "%s: input '%s' needs %zu bytes of %s values, the file has %s%zu; give its shape with --shapes, or values of that type", path, info->name, bytes, pln_dtype_name(info->dtype), got > bytes ? "more than " : "", got > bytes ? bytes : got);
    else if (pln_host_value_from_buffer(&buffer, out_value) != PLN_OK) status = command_fail(command, 1, "out of memory for input '%s'", info->name);
    free(buffer.data);
    return status;
}

static int read_picture(const struct command *command, const struct model *model, const struct model_options *options, const char *path, int index, struct inputs *inputs)
{
    struct pln_tensor_info *info = &inputs->infos[index];
    struct pln_buffer buffer;
    struct preprocess preprocess;
    char text[PREPROCESS_TEXT];
    const char *how = options->preprocess ? options->preprocess : pln_engine_metadata(model->engine, PREPROCESS_KEY);
    if (!how) return command_fail(command, 2, "%s: how shall the picture become input '%s'? give --preprocess %s", path, info->name, PREPROCESS_FORMS);
    int status = preprocess_parse(command, how, &preprocess);
    /* Dims that --shapes gives are those that are wanted; those left open are the picture's. */
    if (status == 0 && (options->shapes.count || options->opt_shapes.count || options->dims.count)) status = model_given_shape(command, model, options, index, info);
    if (status == 0) status = preprocess_apply(command, &preprocess, path, info, &inputs->values[index]);
    if (status) return status;
    preprocess_print(&preprocess, text, sizeof text);
    if (verbosity >= 0) command_tell(command, "%s: %s", path, text);
    if (pln_host_value_buffer(inputs->values[index], &buffer) == PLN_OK) memcpy(info->dims, buffer.dims, sizeof info->dims);
    return 0;
}

static int wrong_type(const struct command *command, const char *path, const struct pln_tensor_info *info, enum pln_dtype got)
{
    static const char *const numpy[PLN_DTYPE_COUNT] = { [PLN_F32] = "float32", [PLN_F64] = "float64", [PLN_F16] = "float16", [PLN_I64] = "int64", [PLN_I32] = "int32", [PLN_I8] = "int8", [PLN_U8] = "uint8", [PLN_BOOL] = "bool" };
    char how[120] = "";
    if (numpy[info->dtype]) snprintf(how, sizeof how, "; in Python: numpy.save(\"x.npy\", numpy.load(FILE).astype(\"%s\"))", numpy[info->dtype]);
    return command_fail(command, 1, "%s: input '%s' is %s, the model wants %s%s", path, info->name, pln_dtype_name(got), pln_dtype_name(info->dtype), how);
}

static int read_file(const struct command *command, const struct model *model, const struct model_options *options, const char *path, int index, struct inputs *inputs)
{
    struct pln_tensor_info *info = &inputs->infos[index];
    enum pln_status status;
    if (!*path) return command_fail(command, 2, "input '%s': no file is named; give --input %s=FILE", info->name, info->name);
    if (is_folder(path)) return command_fail(command, 2, "%s is a folder; give --input %s=FILE, or --input FOLDER alone where it has input_0.pb, input_1.pb, …", path, info->name);
    if (options->raw_files || ends_in(path, ".bin") || ends_in(path, ".raw")) {
        int bad = model_input_shape(command, model, options, index, info);
        return bad ? bad : read_bin(command, path, info, &inputs->values[index]);
    }
    if (picture_is_name(path)) return read_picture(command, model, options, path, index, inputs);
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    if (ends_in(path, ".npz")) status = pln_host_value_read_npz(path, info->name, diagnostics, &inputs->values[index]);
    else if (ends_in(path, ".npy")) status = pln_host_value_read_npy(path, diagnostics, &inputs->values[index]);
    else if (ends_in(path, ".pb")) status = pln_host_value_read_pb(path, info->kind, diagnostics, &inputs->values[index]);
    else {
        pln_diagnostics_destroy(diagnostics);
        return command_fail(command, 2, "%s: input '%s' can be a .npy, .npz, .pb or .bin file, or a .png or .jpg picture", path, info->name);
    }
    int exit_status = status == PLN_OK ? 0 : model_fail(command, diagnostics, status, path);
    pln_diagnostics_destroy(diagnostics);
    struct pln_buffer buffer;
    if (status == PLN_OK && pln_host_value_buffer(inputs->values[index], &buffer) == PLN_OK) {
        if (buffer.dtype != info->dtype && info->kind == PLN_VALUE_TENSOR) return wrong_type(command, path, info, buffer.dtype);
        info->rank = buffer.rank;
        memcpy(info->dims, buffer.dims, sizeof info->dims);
    }
    return exit_status;
}

static int begin(const struct command *command, const struct model *model, struct inputs *out_inputs)
{
    int n = pln_engine_input_count(model->engine);
    *out_inputs = (struct inputs){ .count = n, .values = calloc((size_t)n + 1, sizeof(pln_host_value *)), .infos = calloc((size_t)n + 1, sizeof(struct pln_tensor_info)) };
    if (!out_inputs->values || !out_inputs->infos) return command_fail(command, 1, "out of memory");
    for (int i = 0; i < n; i++)
        if (pln_engine_input(model->engine, i, &out_inputs->infos[i]) != PLN_OK) return command_fail(command, 1, "there is no input %d", i);
    return 0;
}

int inputs_make(const struct command *command, const struct model *model, const struct model_options *options, const struct text_list *files, bool random, struct inputs *out_inputs)
{
    if (files->count == 1 && is_folder(files->items[0])) return inputs_read_set(command, model, files->items[0], out_inputs);
    int status = begin(command, model, out_inputs);
    if (status == 0) status = check_names(command, model, files);
    if (status == 0) status = model_check_shapes(command, model, options);
    for (int i = 0; status == 0 && i < out_inputs->count; i++) {
        struct pln_tensor_info *info = &out_inputs->infos[i];
        const char *file = file_for(files, info->name);
        if (file) status = read_file(command, model, options, file, i, out_inputs);
        else if (!random) status = command_fail(command, 2, "input '%s' is missing; give --input %s=FILE, or --random 1 for random values", info->name, info->name);
        else if ((status = model_input_shape(command, model, options, i, info)) == 0) {
            out_inputs->values[i] = model_random_input(info, (uint64_t)options->seed);
            if (!out_inputs->values[i]) status = command_fail(command, 1, "no random %s of shape %s can be made for input '%s' (too large for memory, or no numbers); give a smaller shape or --input %s=FILE", pln_dtype_name(info->dtype),
                                                                    text_dims(info->rank, info->dims, NULL), info->name, info->name);
        }
    }
    return status;
}

int inputs_read_set(const struct command *command, const struct model *model, const char *folder, struct inputs *out_inputs)
{
    int status = begin(command, model, out_inputs);
    char path[4400];
    static const struct model_options none;
    for (int i = 0; status == 0 && i < out_inputs->count; i++) {
        snprintf(path, sizeof path, "%s/input_%d.npy", folder, i); /* as inputs_save wrote it */
        if (!is_file(path)) snprintf(path, sizeof path, "%s/input_%d.pb", folder, i);
        status = read_file(command, model, &none, path, i, out_inputs);
    }
    return status;
}

int inputs_bind(const struct command *command, const struct inputs *inputs, pln_context *context)
{
    for (int i = 0; i < inputs->count; i++) {
        enum pln_status status = pln_context_bind_value(context, inputs->infos[i].name, inputs->values[i]);
        if (status == PLN_OK) continue;
        model_fail(command, pln_context_diagnostics(context), status, "");
        return command_fail(command, 1, "planish inspect shows what the inputs take; --shapes and --dim give open dims");
    }
    return 0;
}

int inputs_save(const struct command *command, const struct inputs *inputs, const char *folder)
{
    char path[4400];
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    int exit_status = 0;
    for (int i = 0; exit_status == 0 && i < inputs->count; i++) {
        snprintf(path, sizeof path, "%s/input_%d.npy", folder, i);
        enum pln_status status = pln_host_value_write_npy(inputs->values[i], path, diagnostics);
        if (status != PLN_OK) exit_status = model_fail(command, diagnostics, status, "");
    }
    pln_diagnostics_destroy(diagnostics);
    return exit_status;
}

void inputs_free(struct inputs *inputs)
{
    for (int i = 0; inputs->values && i < inputs->count; i++) pln_host_value_destroy(inputs->values[i]);
    free(inputs->values);
    free(inputs->infos);
    *inputs = (struct inputs){ 0 };
}

const char *inputs_describe(const struct inputs *inputs, char *buffer, size_t buffer_bytes)
{
    size_t n = 0;
    buffer[0] = '\0';
    for (int i = 0; i < inputs->count && n < buffer_bytes; i++) {
        char shape[160];
        if (i == 4 && inputs->count > 5) {
            snprintf(buffer + n, buffer_bytes - n, ", … %d more", inputs->count - i);
            break;
        }
        n += (size_t)snprintf(buffer + n, buffer_bytes - n, "%s%s %s", i ? ", " : "", inputs->infos[i].name, inputs->values[i] ? pln_host_value_describe(inputs->values[i], shape, sizeof shape) : "?");
    }
    return buffer;
}
