#include "model.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "limit.h"
#include "planish/experimental/cache.h"
#include "say.h"
#include "text.h"

uint64_t peak_rss_bytes(void)
{
    /* Not ru_maxrss, which begins with that of the process that forked this one. */
    char line[256];
    uint64_t bytes = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && bytes == 0 && fgets(line, sizeof line, file))
        if (strncmp(line, "VmHWM:", 6) == 0) bytes = strtoull(line + 6, NULL, 10) * 1024;
    if (file) fclose(file);
    return bytes;
}

const char *model_node(const struct pln_message *message, char *room, size_t size)
{
    const bool known = message->op[0] != 0;
    room[0] = '\0';
    if (message->node[0]) snprintf(room, size, "node '%.400s'%s%.200s%s: ", message->node, known ? " (" : "", message->op, known ? ")" : "");
    else if (known) snprintf(room, size, "node %lld (%.200s): ", (long long)message->node_index, message->op);
    return room;
}

int model_fail(const struct command *command, const pln_diagnostics *diagnostics, enum pln_status status, const char *what)
{
    struct pln_message message;
    int n = diagnostics ? pln_diagnostics_count(diagnostics) : 0;
    if (n == 0) return command_fail(command, 1, "%s: %s", what, pln_status_text(status));
    for (int i = 0; i < n; i++) {
        if (pln_diagnostics_get(diagnostics, i, &message) != PLN_OK) break;
        char node[MODEL_NODE_BYTES];
        bool named = !what[0] || strstr(message.text, what);
        command_fail(command, 1, "%s%s%s%s", named ? "" : what, named ? "" : ": ", model_node(&message, node, sizeof node), message.text);
    }
    return 1;
}

static void print_log(void *user, enum pln_log_level level, const char *text)
{
    static char last[1000]; /* a warning of two models at once is said once */
    (void)user;
    if (command_is_silent || (level > PLN_LOG_INFO && verbosity <= 0)) return;
    if (level == PLN_LOG_WARNING && strncmp(text, last, sizeof last - 1) == 0) return;
    if (level == PLN_LOG_WARNING) snprintf(last, sizeof last, "%s", text);
    progress_hide();
    command_flush();
    /* A graph (--dump-after) comes as lines, in which names are quoted; everything else is one line. */
    for (size_t n = strcspn(text, "\n"); level == PLN_LOG_INFO && text[n]; n = strcspn(text, "\n")) {
        say(stderr, "%.*s\n", (int)n, text);
        text += n + 1;
    }
    if (command_log) {
        command_log(level == PLN_LOG_WARNING, text);
        return;
    }
    const bool cache = strncmp(text, PLN_CACHE_WARNING, sizeof PLN_CACHE_WARNING - 1) == 0;
    say(stderr, "%s%s%s\n", level == PLN_LOG_WARNING ? "warning: " : "", text, cache ? "; PLANISH_CACHE_DIR names another folder, --no-cache does without" : "");
}

int model_show_progress(void *user, const char *phase, int done, int total)
{
    (void)user;
    progress_tell(phase, done, total);
    return 1;
}

/* Milliseconds that keeping the plan has taken, and since when it is being kept; 0: it is not. When the model was understood. */
struct keeping {
    double ms, since, parsed;
};

static int show_build(void *user, const char *phase, int done, int total)
{
    struct keeping *keeping = user;
    if (keeping->since > 0) keeping->ms += now_ms() - keeping->since;
    keeping->since = strcmp(phase, PLN_CACHE_KEEP_PHASE) == 0 ? now_ms() : 0;
    if (strcmp(phase, "optimize") == 0) keeping->parsed = now_ms();
    return model_show_progress(NULL, phase, done, total);
}

bool model_is_plan(const char *path)
{
    static const char magic[5] = { (char)0x89, 'P', 'L', 'A', 'N' };
    char start[5] = { 0 };
    size_t n = strlen(path);
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a pipe is no model: what is wrong with it is told where it is opened, without waiting for a writer */
    if (file < 0) return false;
    const ssize_t read_bytes = read(file, start, sizeof start);
    const size_t got = read_bytes > 0 ? (size_t)read_bytes : 0;
    close(file);
    const bool foreign = got >= 4 && (memcmp(start, "ptrt", 4) == 0 || memcmp(start, "ftrt", 4) == 0);
    return foreign || (got == sizeof start && memcmp(start, magic, sizeof start) == 0) || (n > 5 && strcmp(path + n - 5, ".plan") == 0);
}

int model_check_result(const struct command *command, const char *path, const char *result, bool renamed)
{
    if (!result || !*result) return 0;
    if (!path || access(path, F_OK) != 0 || !is_same_file(path, result)) return check_writable(command, result, renamed);
    return command_fail(command, 2, "%s is the model itself, which would be lost; name another file for the result", result);
}

int model_check_inputs(const struct command *command, const struct text_list *files, const char *result)
{
    for (size_t i = 0; i < files->count; i++) {
        const char *file = files->items[i];
        while (file) { /* names may have '=' and ':' in them, and so may files */
            if (is_same_file(file, result)) return command_fail(command, 2, "%s is read by this command and would be lost; name another file for the result", result);
            file = strpbrk(file, "=:");
            if (file) file++;
        }
    }
    return 0;
}

int model_check_results(const struct command *command, const char *option, const char *result, const char *other_option, const char *other)
{
    if (!is_same_file(result, other)) return 0;
    return command_fail(command, 2, "%s and %s would both be written to %s; give each a file of its own", option, other_option, result);
}

const struct pln_logger model_logger = { NULL, print_log };

/* Where a large plan is put together: beside the file that it will be, else where plans are kept, else where temporary files go. */
static const char *work_folder(const struct model_options *options, char *buffer, size_t buffer_bytes)
{
    const char *slash = options->result ? strrchr(options->result, '/') : NULL, *temporary = getenv("TMPDIR");
    if (options->in_memory) return NULL;
    if (options->work_folder) return options->work_folder;
    if (options->result && !slash) return ".";
    if (slash && (size_t)(slash - options->result) + 2 <= buffer_bytes) {
        snprintf(buffer, buffer_bytes, "%.*s", (int)(slash > options->result ? slash - options->result : 1), options->result);
        return buffer;
    }
    const char *kept = options->no_cache ? NULL : model_cache_folder();
    return kept && is_folder(kept) ? kept : temporary && *temporary ? temporary : "/tmp";
}

/* What is measured and forgotten would make another plan each time: that is for those who ask for it. */
static const char *tune_of(const struct model_options *options)
{
    return options->tune ? options->tune : options->timing_cache || !options->no_cache ? options->default_tune : NULL;
}

static enum pln_status build_model(const struct command *command, const char *path, const struct model_options *options, struct model *model, double start)
{
    struct preprocess pictures;
    char preprocess[PREPROCESS_TEXT] = "", folder[4096];
    if (options->preprocess && preprocess_parse(command, options->preprocess, &pictures) == 0) preprocess_print(&pictures, preprocess, sizeof preprocess); /* model_open saw to errors */
    static const char *const all[] = { "*", NULL };
    struct text_list disabled = { 0 }; /* a copy: the caller's list stays as it is */
    for (size_t i = 0; i < options->disabled.count; i++) text_list_add(&disabled, options->disabled.items[i]);
    text_list_add(&disabled, NULL);
    struct text_list plugins = { 0 };
    for (size_t i = 0; i < options->plugins.count; i++) text_list_add(&plugins, options->plugins.items[i]);
    struct text_list taps = { 0 }, metadata = { 0 };
    for (size_t i = 0; i < options->taps.count; i++) text_list_add(&taps, options->taps.items[i]);
    text_list_add(&taps, NULL);
    if (options->preprocess) text_list_add(&metadata, PREPROCESS_KEY), text_list_add(&metadata, preprocess);
    for (size_t i = 0; i < options->metadata.count; i++) text_list_add(&metadata, options->metadata.items[i]);
    text_list_add(&metadata, NULL);
    struct keeping keeping = { 0 };
    const struct pln_build_options build = { .struct_size = sizeof build, .allocator = limit_allocator(options->max_memory), .pool = model->pool, .diagnostics = model->diagnostics, .logger = &model_logger, .device = options->device,
                                             .target = options->target, .disabled_passes = disabled.items, .dump_after = options->dump_after, .broken_pass = options->broken_pass, .taps = options->all_taps ? all : options->taps.count ? taps.items : NULL,
                                             .progress = show_build, .progress_user = &keeping, .no_rebuild = options->no_rebuild, .half = model_half(&options->on), .tf32 = model_tf32(&options->on), .no_winograd = model_no_winograd(&options->on), .require_device = options->on.require_device, .int32_io = options->int32_io,
                                             .cache_folder = options->no_cache ? NULL : model_cache_folder(), .metadata = metadata.count > 1 ? metadata.items : NULL, .plugins = model->plugins, .work_folder = work_folder(options, folder, sizeof folder),
                                             .input_types = options->input_types, .input_type_count = options->input_type_count, .output_types = options->output_types, .output_type_count = options->output_type_count,
                                             .tune = model_tune(tune_of(options)), .timing_cache = options->timing_cache, .tune_report = &model->tuned };
    progress_begin(command, "build", true);
    int cached = 0;
    enum pln_status status;
    if (model->is_plan) status = pln_build_plan_file(path, &build, &model->engine);
    else if (!options->may_be_kept) status = pln_build_file(path, &build, &model->engine);
    else {
        text_list_add(&plugins, NULL);
        status = pln_cache_build_file(path, &build, plugins.items, &model->engine, &cached);
    }
    progress_end();
    model->is_cached = cached;
    if (cached) model->load_ms = now_ms() - start;
    else model->build_ms = now_ms() - start - keeping.ms;
    if (keeping.parsed > 0) model->parse_ms = keeping.parsed - start;
    free(taps.items);
    free(metadata.items);
    free(plugins.items);
    free(disabled.items);
    return status;
}

/* The graph inside the plan is built for this machine; what was missing is said. A plan without one: what was missing is all there is to say. */
static enum pln_status rebuild(const struct command *command, const char *path, const struct model_options *options, struct model *model)
{
    pln_diagnostics *missing = model->diagnostics;
    struct pln_message message = { 0 };
    model->diagnostics = pln_diagnostics_create();
    enum pln_status status = build_model(command, path, options, model, now_ms());
    if (status == PLN_NOT_FOUND || status == PLN_INCOMPATIBLE) {
        pln_diagnostics_destroy(model->diagnostics);
        model->diagnostics = missing;
        return PLN_INCOMPATIBLE;
    }
    if (status == PLN_OK && pln_diagnostics_get(missing, 0, &message) == PLN_OK && verbosity >= 0)
        command_tell(command, "%s: built again from the graph inside, in %.0f ms: %s", path, model->build_ms, message.text);
    pln_diagnostics_destroy(missing);
    return status;
}

enum pln_dtype model_half(const struct device_options *options)
{
    return options->bf16 ? PLN_BF16 : options->fp16 || options->best ? PLN_F16 : PLN_DTYPE_NONE;
}

bool model_tf32(const struct device_options *options)
{
    return options->tf32 && strcmp(options->tf32, "on") == 0;
}

bool model_no_winograd(const struct device_options *options)
{
    return options->winograd && strcmp(options->winograd, "off") == 0;
}

static int check_switch(const struct command *command, const char *name, const char *value)
{
    if (!value || strcmp(value, "on") == 0 || strcmp(value, "off") == 0) return 0;
    return command_fail(command, 2, "--%s wants on or off, not '%s'", name, value);
}

int model_check_device(const struct command *command, const struct device_options *options)
{
    int bad = check_switch(command, "tf32", options->tf32);
    return bad ? bad : check_switch(command, "winograd", options->winograd);
}

int model_check_tune(const struct command *command, const char *tune, const char *timing_cache)
{
    if (tune && strcmp(tune, "off") != 0 && strcmp(tune, "fast") != 0 && strcmp(tune, "full") != 0) return command_fail(command, 2, "--tune wants off, fast or full, not '%s'", tune);
    if (timing_cache && !*timing_cache) return command_fail(command, 2, "--timing-cache wants the name of a file");
    if (timing_cache && model_tune(tune) == PLN_TUNE_OFF) return command_fail(command, 2, "--timing-cache: nothing is measured; --tune fast or full does");
    return 0;
}

enum pln_tune model_tune(const char *tune)
{
    return !tune || strcmp(tune, "off") == 0 ? PLN_TUNE_OFF : strcmp(tune, "full") == 0 ? PLN_TUNE_FULL : PLN_TUNE_FAST;
}

/* Each part of the lists of --dim must be NAME=N (or NAME:N) with a whole number; whether the model has NAME is asked elsewhere. */
static int check_dim_values(const struct command *command, const struct text_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *part = list->items[i];
        for (size_t length; part; part = part[length] ? part + length + 1 : NULL) {
            char *end = NULL;
            length = strcspn(part, ",");
            const char *value = part + length;
            while (value > part && value[-1] != '=' && value[-1] != ':') value--;
            errno = 0;
            if (value > part + 1 && isdigit((unsigned char)*value)) (void)strtoll(value, &end, 10);
            if (end != part + length || errno) return command_fail(command, 2, "--dim wants NAME=N with a whole number from 0 on, not '%.*s'", (int)length, part);
        }
    }
    return 0;
}

/* What was permitted, and what is made of it. */
static void tell_precision(const struct command *command, const struct device_options *on, const struct model *model)
{
    struct pln_engine_summary summary;
    pln_engine_summarize(model->engine, &summary);
    const bool host = strcmp(summary.device, "cpu") == 0 || strcmp(summary.device, "ref") == 0, half = on->fp16 || on->bf16 || on->best;
    if (verbosity < 0 || command->own_grammar) return; /* trtexec tells it in its own way */
    if (host && half) command_tell(command, "%s is a permission: device %s computes in the types of the model (FP32 stays FP32)", on->best ? "--best" : on->bf16 ? "--bf16" : "--fp16", summary.device);
    if (on->fp8 || on->int8) command_tell(command, "%s is a permission: this version computes in the types of the model; one with Q/DQ nodes runs in int8", on->int8 ? "--int8" : "--fp8");
}

int model_open(const struct command *command, const char *path, const struct model_options *options, struct model *out_model)
{
    int bad = model_check_tune(command, tune_of(options), options->timing_cache);
    if (bad == 0) bad = model_check_device(command, &options->on);
    if (!bad) bad = check_dim_values(command, &options->dims);
    if (!bad) bad = cpus_enter(command, options->cpus);
    struct preprocess pictures;
    if (!bad && options->preprocess) bad = preprocess_parse(command, options->preprocess, &pictures);
    if (bad) return bad;
    *out_model = (struct model){ .build_ms = -1, .load_ms = -1, .no_cache = options->no_cache, .is_plan = options->must_be_plan || model_is_plan(path) };
    bad = plugins_open(command, &options->plugins, &out_model->plugins);
    if (bad) return bad;
    out_model->diagnostics = pln_diagnostics_create();
    enum pln_status status = pln_thread_pool_create((int)options->threads, &out_model->pool);
    if (status == PLN_OK && cpus_bind(command, options->cpus, out_model->pool) != 0) {
        model_close(out_model);
        return 1;
    }
    double start = now_ms();
    if (status == PLN_OK && out_model->is_plan) {
        const struct pln_engine_options load = { .struct_size = sizeof load, .allocator = limit_allocator(options->max_memory), .pool = out_model->pool, .diagnostics = out_model->diagnostics, .logger = &model_logger, .device = options->device,
                                                   .verify_weights = options->verify, .may_be_foreign = options->may_be_foreign, .plugins = out_model->plugins };
        progress_begin(command, "load the plan", true);
        status = pln_engine_load_file(path, &load, &out_model->engine);
        progress_end();
        if (status == PLN_INCOMPATIBLE && !options->no_rebuild && !options->as_it_is) status = rebuild(command, path, options, out_model);
        out_model->load_ms = now_ms() - start;
    } else if (status == PLN_OK) {
        struct model_options own = *options;
        if (!own.device) own.device = model_default_device(own.target, false);
        status = build_model(command, path, &own, out_model, start);
    }
    if (status == PLN_OK) {
        out_model->threads = pln_thread_pool_threads(out_model->pool);
        tell_precision(command, &options->on, out_model);
        if (out_model->threads < options->threads)
            command_tell(command, "warning: --threads %ld: at most %d threads can be had, and are used", options->threads, out_model->threads);
        return 0;
    }
    model_fail(command, out_model->diagnostics, status, path);
    model_close(out_model);
    return status == PLN_INVALID_ARGUMENT ? 2 : 1;
}

void model_print_device(const struct model *model, FILE *out)
{
    struct pln_engine_summary summary;
    pln_engine_summarize(model->engine, &summary);
    say(out, "device %s%s%s, %d thread%s\n", summary.device, summary.device_name[0] ? ": " : "", summary.device_name, model->threads, model->threads == 1 ? "" : "s");
}

static bool is_tuned(const struct model *model)
{
    return model->tuned.measured + model->tuned.found + model->tuned.estimated > 0;
}

void model_print_tuned(FILE *out, const struct model *model)
{
    const struct pln_tune_report *tuned = &model->tuned;
    if (is_tuned(model)) say(out, "kernels chosen: %d measured, %d found in the timing cache, %d by estimate\n", tuned->measured, tuned->found, tuned->estimated);
}

void model_write_tuned_json(FILE *out, const struct model *model)
{
    const struct pln_tune_report *tuned = &model->tuned;
    if (is_tuned(model)) fprintf(out, ",\"tuned\":{\"measured\":%d,\"found\":%d,\"estimated\":%d}", tuned->measured, tuned->found, tuned->estimated);
    else fputs(",\"tuned\":null", out);
}

void model_close(struct model *model)
{
    pln_engine_release(model->engine);
    pln_plugins_release(model->plugins);
    pln_thread_pool_destroy(model->pool);
    pln_diagnostics_destroy(model->diagnostics);
    *model = (struct model){ 0 };
}

bool model_is_loaded(const struct model *model)
{
    return model->is_plan || model->is_cached;
}

const char *model_origin(const struct model *model)
{
    static char text[60];
    const bool loaded = model_is_loaded(model);
    snprintf(text, sizeof text, "%s in %s%s", loaded ? "loaded" : "built", text_ms(loaded ? model->load_ms : model->build_ms), model->is_cached ? " (cached)" : "");
    return text;
}

/* ---- shapes ---- */

static bool parse_dims(const char *text, const char *end, int *out_rank, int64_t *dims)
{
    *out_rank = 0;
    if (end - text == 6 && memcmp(text, "scalar", 6) == 0) return true;
    while (text < end) {
        char *stop;
        if (!isdigit((unsigned char)*text) || *out_rank >= PLN_MAX_RANK) return false;
        errno = 0;
        dims[(*out_rank)++] = strtoll(text, &stop, 10);
        if (errno) return false;
        if (stop < end && *stop != 'x') return false;
        text = stop + (stop < end);
        if (stop < end && text == end) return false;
    }
    return true;
}

/* What stands behind `name:` or `name=` in part[0..length) of a list; NULL: it is about another name. Names may have colons. One `*` in the part's name
 * stands for any letters. */
static const char *value_for(const char *part, size_t length, const char *name)
{
    size_t n = strlen(name);
    if (length > n && memcmp(part, name, n) == 0 && (part[n] == ':' || part[n] == '=')) return part + n + 1;
    size_t end = length;
    while (end > 0 && part[end - 1] != ':' && part[end - 1] != '=') end--;
    const char *star = end > 0 ? memchr(part, '*', end - 1) : NULL;
    if (!star) return NULL;
    size_t head = (size_t)(star - part), tail = end - 1 - head - 1;
    return n >= head + tail && memcmp(part, name, head) == 0 && memcmp(star + 1, name + n - tail, tail) == 0 ? part + end : NULL;
}

/* `name:1x2` or `name=1x2` in a comma-separated list, also `1x2` alone for a model with one input; the last one wins. */
static int find_shape(const struct command *command, const struct model *model, const char *list, const char *name, struct pln_tensor_info *info)
{
    int found = 0;
    for (const char *part = list; *part;) {
        const char *end = strchr(part, ',');
        if (!end) end = part + strlen(part);
        const char *dims = value_for(part, (size_t)(end - part), name);
        if (!dims && pln_engine_input_count(model->engine) == 1 && isdigit((unsigned char)*part)) dims = part;
        int rank;
        int64_t sizes[PLN_MAX_RANK];
        if (dims) {
            if (!parse_dims(dims, end, &rank, sizes)) return command_fail(command, 2, "--shapes: '%.*s' is no shape; write it as 1x3x224x224", (int)(end - dims), dims), -1;
            if (info->rank >= 0 && rank != info->rank) return command_fail(command, 2, "--shapes: input '%s' has %d dims, not %d; they are joined by x, as in 1x3x224x224", name, info->rank, rank), -1;
            info->rank = rank;
            memcpy(info->dims, sizes, sizeof sizes);
            found = 1;
        }
        part = *end ? end + 1 : end;
    }
    return found;
}

static int64_t find_dim(const struct model_options *options, const char *symbol)
{
    int64_t value = -1;
    for (size_t i = 0; i < options->dims.count; i++) {
        for (const char *part = options->dims.items[i]; part && *part;) {
            const char *number = value_for(part, strcspn(part, ","), symbol);
            if (number) value = strtoll(number, NULL, 10);
            part = strchr(part, ',');
            if (part) part++;
        }
    }
    return value;
}

/* Prints that `word` (length letters) is none of the names. */
static int unknown_name(const struct command *command, const char *what, const char *word, size_t length, const char *const *names, size_t n)
{
    char own[64];
    snprintf(own, sizeof own, "%.*s", (int)length, word);
    const char *near = nearest_name(own, names, n);
    if (n == 0) return command_fail(command, 2, "the model has no %s", what);
    return command_fail(command, 2, "the model has no %s '%s'; %s '%s'%s", what, own, near ? "did you mean" : "its first is", near ? near : names[0], near ? "?" : "");
}

/* Each `name:…` of a comma-separated list must begin with one of the names. */
static int check_list(const struct command *command, const char *what, const struct text_list *list, const char *const *names, size_t n, bool bare)
{
    for (size_t i = 0; i < list->count; i++) {
        for (const char *part = list->items[i]; part && *part;) {
            bool known = bare && isdigit((unsigned char)*part);
            for (size_t k = 0; k < n && !known; k++) known = value_for(part, strcspn(part, ","), names[k]) != NULL;
            if (!known) return unknown_name(command, what, part, strcspn(part, ":=,"), names, n);
            part = strchr(part, ',');
            if (part) part++;
        }
    }
    return 0;
}

static const struct text_list *shapes_of(const struct model_options *options)
{
    return options->shapes.count ? &options->shapes : &options->opt_shapes;
}

int model_check_shapes(const struct command *command, const struct model *model, const struct model_options *options)
{
    const char *inputs[256], *dims[256];
    size_t n_inputs = 0, n_dims = 0;
    for (int i = 0; i < pln_engine_input_count(model->engine); i++) {
        struct pln_tensor_info info;
        if (pln_engine_input(model->engine, i, &info) != PLN_OK) continue;
        if (n_inputs < 256) inputs[n_inputs++] = info.name;
        for (int d = 0; d < info.rank && n_dims < 256; d++)
            if (info.dim_names[d]) dims[n_dims++] = info.dim_names[d];
    }
    int status = check_list(command, "input", shapes_of(options), inputs, n_inputs, n_inputs == 1);
    if (status == 0) status = check_list(command, "input", &options->limit_shapes, inputs, n_inputs, n_inputs == 1);
    return status ? status : check_list(command, "symbolic dim", &options->dims, dims, n_dims, false);
}

/* States start empty. */
static bool is_length(const struct model *model, const struct pln_tensor_info *info, int dim)
{
    if (info->is_state && info->state_axis == dim) return true;
    for (int i = 0; info->dim_names[dim] && i < pln_engine_input_count(model->engine); i++) {
        struct pln_tensor_info other;
        if (pln_engine_input(model->engine, i, &other) != PLN_OK || !other.is_state || !other.dim_names[other.state_axis]) continue;
        if (strcmp(other.dim_names[other.state_axis], info->dim_names[dim]) == 0) return true;
    }
    return false;
}

/* The symbol's value where --shapes gives the shape of another input that has it: attention_mask is as long as input_ids. -1: none does. */
static int64_t find_dim_in_shapes(const struct command *command, const struct model *model, const struct model_options *options, const char *symbol)
{
    for (int i = 0; i < pln_engine_input_count(model->engine); i++) {
        struct pln_tensor_info declared, given;
        if (pln_engine_input(model->engine, i, &declared) != PLN_OK) continue;
        given = declared;
        for (size_t k = 0; k < shapes_of(options)->count; k++)
            if (find_shape(command, model, shapes_of(options)->items[k], declared.name, &given) < 0) return -1;
        for (int d = 0; d < declared.rank; d++)
            if (declared.dim_names[d] && strcmp(declared.dim_names[d], symbol) == 0 && given.dims[d] >= 0) return given.dims[d];
    }
    return -1;
}

int model_given_shape(const struct command *command, const struct model *model, const struct model_options *options, int index, struct pln_tensor_info *out_info)
{
    if (pln_engine_input(model->engine, index, out_info) != PLN_OK) return command_fail(command, 1, "there is no input %d", index);
    for (size_t i = 0; i < shapes_of(options)->count; i++)
        if (find_shape(command, model, shapes_of(options)->items[i], out_info->name, out_info) < 0) return 2;
    if (out_info->rank < 0) return command_fail(command, 2, "the model does not tell the shape of input '%s'; give it with --shapes %s:…", out_info->name, out_info->name);
    for (int i = 0; i < out_info->rank; i++) {
        if (out_info->dims[i] >= 0 || !out_info->dim_names[i]) continue;
        out_info->dims[i] = find_dim(options, out_info->dim_names[i]);
        if (out_info->dims[i] < 0) out_info->dims[i] = find_dim_in_shapes(command, model, options, out_info->dim_names[i]);
    }
    return 0;
}

int model_input_shape(const struct command *command, const struct model *model, const struct model_options *options, int index, struct pln_tensor_info *out_info)
{
    int status = model_given_shape(command, model, options, index, out_info);
    for (int i = 0; status == 0 && i < out_info->rank; i++) {
        if (out_info->dims[i] >= 0) continue;
        const int64_t otherwise = is_length(model, out_info, i) ? 0 : 1;
        if (verbosity >= 1 - (int)otherwise) command_tell(command, "dim '%s' of input '%s' is not given and becomes %d", out_info->dim_names[i] ? out_info->dim_names[i] : "?", out_info->name, (int)otherwise);
        out_info->dims[i] = otherwise;
    }
    return status;
}

/* ---- random inputs ---- */

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u); /* SplitMix64 (Steele, Lea, Flood 2014) */
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static int64_t integer_for(const struct pln_tensor_info *info, int64_t index, uint64_t *state)
{
    if (strstr(info->name, "mask")) return 1;
    if (strstr(info->name, "position")) return info->rank > 0 && info->dims[info->rank - 1] > 0 ? index % info->dims[info->rank - 1] : 0;
    if (strstr(info->name, "type")) return 0;
    return (int64_t)(next_random(state) % 100);
}

static void fill(const struct pln_tensor_info *info, void *data, int64_t count, uint64_t *state)
{
    for (int64_t i = 0; i < count; i++) {
        float real = (float)(next_random(state) >> 40) / 8388608.0f - 1.0f;
        switch (info->dtype) {
        case PLN_F32: ((float *)data)[i] = real; break;
        case PLN_F64: ((double *)data)[i] = (double)real; break;
        case PLN_I64:
        case PLN_U64: ((int64_t *)data)[i] = integer_for(info, i, state); break;
        case PLN_I32:
        case PLN_U32: ((int32_t *)data)[i] = (int32_t)integer_for(info, i, state); break;
        case PLN_BOOL: ((uint8_t *)data)[i] = 1; break;
        case PLN_U8:
        case PLN_I8: ((uint8_t *)data)[i] = (uint8_t)(next_random(state) % 100); break;
        case PLN_F16: ((uint16_t *)data)[i] = (uint16_t)(0x3000 | (next_random(state) & 0x87ff)); break;
        case PLN_BF16: ((uint16_t *)data)[i] = (uint16_t)(0x3e00 | (next_random(state) & 0x80ff)); break;
        case PLN_U16:
        case PLN_I16: ((uint16_t *)data)[i] = (uint16_t)integer_for(info, i, state); break;
        case PLN_DTYPE_NONE:
        case PLN_STR:
        case PLN_C64:
        case PLN_C128:
        case PLN_F8E4M3FN:
        case PLN_F8E4M3FNUZ:
        case PLN_F8E5M2:
        case PLN_F8E5M2FNUZ:
        case PLN_U4:
        case PLN_I4:
        case PLN_F4E2M1:
        case PLN_F8E8M0:
        case PLN_U2:
        case PLN_I2:
        case PLN_DTYPE_COUNT: break; /* zero bytes are a value of each of these */
        }
    }
}

pln_host_value *model_random_input(const struct pln_tensor_info *info, uint64_t seed)
{
    struct pln_buffer buffer = { .dtype = info->dtype, .rank = info->rank };
    pln_host_value *value = NULL;
    int64_t count = 1;
    for (int i = 0; i < info->rank; i++) {
        buffer.dims[i] = info->dims[i];
        if (info->dims[i] > 0 && count > ((int64_t)1 << 44) / info->dims[i]) return NULL;
        count *= info->dims[i];
    }
    size_t bytes = ((size_t)count * (size_t)pln_dtype_bits(info->dtype) + 7) / 8;
    if (info->kind != PLN_VALUE_TENSOR || info->dtype == PLN_STR) return NULL;
    buffer.data = calloc(bytes + 1, 1);
    if (!buffer.data) return NULL;
    for (const char *c = info->name; *c; c++) seed = seed * 31 + (unsigned char)*c;
    fill(info, buffer.data, count, &seed);
    if (pln_host_value_from_buffer(&buffer, &value) != PLN_OK) value = NULL;
    free(buffer.data);
    return value;
}
