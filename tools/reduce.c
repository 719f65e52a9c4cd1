#include "reduce.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "planish/experimental/optimize.h"
#include "text.h"

/* What is known, and the part that is left. */
struct search {
    const struct reduction *job;
    pln_plugins *plugins;
    pln_diagnostics *diagnostics; /* of the last part that could not be written */
    struct outputs values;   /* every value as the side that is right has it */
    struct text_list order;  /* of the model: what its nodes give, in order. Names are owned */
    struct text_list inputs; /* of the part: where the model is cut */
    const char *output;      /* of the part */
    struct text_list inner;  /* of the part: what its nodes give, in order, but for the output. Names are owned */
    struct pln_optimize_summary summary;
    char trial[4400];
    int trials;
};

static void clear_names(struct text_list *list)
{
    for (size_t i = 0; i < list->count; i++) free((char *)(uintptr_t)list->items[i]);
    free(list->items);
    *list = (struct text_list){ 0 };
}

/* ---- parts ---- */

static void keep_name(void *user, const char *name)
{
    char *copy = strdup(name);
    if (copy) text_list_add(user, copy);
}

/* What `from` needs for the output, up to the inputs. Names of what its nodes give are added to out_values. */
static enum pln_status write_part(struct search *search, const char *from, const struct text_list *inputs, const char *output, const char *to, struct text_list *out_values)
{
    struct text_list ended = { 0 };
    const char *const outputs[] = { output, NULL };
    for (size_t i = 0; i < inputs->count; i++) text_list_add(&ended, inputs->items[i]);
    text_list_add(&ended, NULL);
    pln_diagnostics_destroy(search->diagnostics);
    search->diagnostics = pln_diagnostics_create();
    const struct pln_optimize_options options = { .struct_size = sizeof options, .diagnostics = search->diagnostics, .plugins = search->plugins, .inputs = ended.items, .outputs = output ? outputs : NULL,
                                                  .no_passes = 1, .value = out_values ? keep_name : NULL, .value_user = out_values };
    const enum pln_status status = pln_optimize_file(from, &options, to, &search->summary);
    free(ended.items);
    return status;
}

/* The values that go into a model: its caller's, else what was recorded. They stay whose they are. */
static bool find_inputs(const struct search *search, const struct model *model, struct inputs *out_inputs)
{
    const int n = pln_engine_input_count(model->engine);
    const struct inputs *given = search->job->inputs;
    *out_inputs = (struct inputs){ .values = calloc((size_t)n + 1, sizeof(pln_host_value *)), .infos = calloc((size_t)n + 1, sizeof(struct pln_tensor_info)) };
    if (!out_inputs->values || !out_inputs->infos) return false;
    for (int i = 0; i < n; i++, out_inputs->count++) {
        struct pln_tensor_info *info = &out_inputs->infos[i];
        if (pln_engine_input(model->engine, i, info) != PLN_OK) return false;
        for (int k = 0; k < given->count; k++)
            if (strcmp(given->infos[k].name, info->name) == 0) out_inputs->values[i] = given->values[k];
        const struct named_value *recorded = outputs_find(&search->values, info->name, 0);
        if (!out_inputs->values[i] && recorded) out_inputs->values[i] = recorded->value;
        if (!out_inputs->values[i]) return false;
    }
    return true;
}

static void forget_inputs(struct inputs *inputs)
{
    for (int i = 0; i < inputs->count; i++) inputs->values[i] = NULL;
    inputs_free(inputs);
}

static int run_side(const struct search *search, const char *path, bool is_right, bool taps, struct outputs *out_outputs, struct outputs *out_taps)
{
    struct model model;
    struct inputs inputs;
    int status = search->job->open(path, is_right, taps, &model);
    if (status) return status;
    status = find_inputs(search, &model, &inputs) ? outputs_run(search->job->command, &model, &inputs, out_outputs, taps ? out_taps : NULL) : 1;
    forget_inputs(&inputs);
    model_close(&model);
    return status;
}

/* Both sides can run the model at path, and differ. */
static bool differs(struct search *search, const char *path)
{
    struct outputs a = { 0 }, b = { 0 };
    search->trials++;
    const bool ran = run_side(search, path, false, false, &a, NULL) == 0 && run_side(search, path, true, false, &b, NULL) == 0;
    const bool wrong = ran && search->job->first_wrong(&a, &b);
    outputs_free(&a), outputs_free(&b);
    return wrong;
}

/* A part of `from` that is only tried: what cannot be written, built or run does not differ, and nothing is told of it. */
static bool try_part(struct search *search, const char *from, const struct text_list *inputs, const char *output)
{
    command_is_silent = true;
    const bool wrong = write_part(search, from, inputs, output, search->trial, NULL) == PLN_OK && differs(search, search->trial);
    command_is_silent = false;
    return wrong;
}

/* The part becomes the result. */
static int take_part(struct search *search)
{
    const struct reduction *job = search->job;
    clear_names(&search->inner);
    const enum pln_status status = write_part(search, job->path, &search->inputs, search->output, job->out_path, &search->inner);
    if (status != PLN_OK) return model_fail(job->command, search->diagnostics, status, job->out_path);
    for (size_t i = 0; i < search->inner.count; i++) {
        if (strcmp(search->inner.items[i], search->output) != 0) continue;
        free((char *)(uintptr_t)search->inner.items[i]);
        memmove(&search->inner.items[i], &search->inner.items[i + 1], (--search->inner.count - i) * sizeof *search->inner.items);
        break;
    }
    return 0;
}

/* ---- the search ---- */

static size_t place(const struct text_list *list, const char *name)
{
    size_t i = 0;
    while (i < list->count && strcmp(list->items[i], name) != 0) i++;
    return i;
}

/* The first value that differs as the only output: between one that does, and none. Where differing stops and comes back, another such value is found. */
static int find_output(struct search *search, const char *first_value, const char *first_output)
{
    const struct text_list none = { 0 };
    const struct reduction *job = search->job;
    search->output = first_value;
    if (!first_value || !try_part(search, job->path, &none, first_value)) {
        search->output = first_output;
        if (!try_part(search, job->path, &none, first_output)) {
            if (pln_diagnostics_count(search->diagnostics)) model_fail(job->command, search->diagnostics, PLN_UNSUPPORTED, job->path);
            return command_fail(job->command, 1, "output '%s' differs, but does not when it is the only one: nothing can be cut off", first_output);
        }
    }
    size_t wrong = place(&search->order, search->output), right = 0; /* those in front of `right` are */
    while (right < wrong) {
        const size_t middle = right + (wrong - right) / 2;
        if (try_part(search, job->path, &none, search->order.items[middle])) wrong = middle;
        else right = middle + 1;
    }
    if (wrong < search->order.count) search->output = search->order.items[wrong];
    return 0;
}

static bool is_recorded(const struct search *search, const char *name)
{
    return outputs_find(&search->values, name, 0) != NULL;
}

/* Cuts behind the output's node, then further and further in front of it, until the part differs. */
static int widen(struct search *search)
{
    const size_t end = place(&search->order, search->output);
    for (size_t back = 1; back / 2 < end; back *= 2) {
        search->inputs.count = 0;
        for (size_t i = 0; i + back <= end; i++)
            if (is_recorded(search, search->order.items[i])) text_list_add(&search->inputs, search->order.items[i]);
        if (back > end || try_part(search, search->job->path, &search->inputs, search->output)) return take_part(search);
    }
    search->inputs.count = 0;
    return take_part(search);
}

/* Names of a part go when the next is written; those of the model stay. */
static const char *lasting(const struct search *search, const char *name)
{
    const size_t i = place(&search->order, name);
    return i < search->order.count ? search->order.items[i] : NULL;
}

/* Inner values become inputs, many at once, then fewer. */
static int cut_inside(struct search *search, bool *out_changed)
{
    for (size_t n = search->inner.count; n > 0; n = n > search->inner.count ? search->inner.count : n / 2) {
        for (size_t end = search->inner.count; end > 0; end = end > n ? end - n : 0) {
            struct text_list more = { 0 };
            for (size_t i = end > n ? end - n : 0; i < end; i++) {
                const char *name = lasting(search, search->inner.items[i]);
                if (name && is_recorded(search, name)) text_list_add(&more, name);
            }
            const bool wrong = more.count && try_part(search, search->job->out_path, &more, search->output);
            for (size_t i = 0; wrong && i < more.count; i++) text_list_add(&search->inputs, more.items[i]);
            free(more.items);
            if (!wrong) continue;
            *out_changed = true;
            const int status = take_part(search);
            if (status) return status;
            if (end > search->inner.count + 1) end = search->inner.count + 1;
        }
    }
    return 0;
}

/* An inner value becomes the output. */
static int cut_end(struct search *search, bool *out_changed)
{
    const struct text_list none = { 0 };
    for (size_t i = 0; i < search->inner.count; i++) {
        const char *name = lasting(search, search->inner.items[i]);
        if (!name || !try_part(search, search->job->out_path, &none, name)) continue;
        search->output = name;
        *out_changed = true;
        return take_part(search);
    }
    return 0;
}

static int shrink(struct search *search)
{
    for (bool changed = true; changed;) {
        changed = false;
        int status = cut_inside(search, &changed);
        if (status == 0) status = cut_end(search, &changed);
        if (status) return status;
    }
    return 0;
}

/* ---- what goes in and comes out ---- */

/* The inputs of the part, in files. */
static int save_inputs(struct search *search, struct reduced *reduced)
{
    const struct reduction *job = search->job;
    struct model model;
    struct inputs inputs;
    const size_t length = strlen(job->out_path);
    const bool has_end = length > 5 && strcmp(job->out_path + length - 5, ".onnx") == 0;
    snprintf(reduced->folder, sizeof reduced->folder, "%.*s_inputs", (int)(has_end ? length - 5 : length), job->out_path);
    if (mkdir(reduced->folder, 0777) != 0 && errno != EEXIST) return command_fail(job->command, 1, "cannot make the folder '%s': %s", reduced->folder, strerror(errno));
    int status = job->open(job->out_path, true, false, &model);
    if (status) return status;
    status = find_inputs(search, &model, &inputs) ? inputs_save(job->command, &inputs, reduced->folder) : command_fail(job->command, 1, "out of memory");
    reduced->inputs = inputs.count;
    forget_inputs(&inputs);
    model_close(&model);
    return status;
}

/* Names of the model's values in order; a model that cannot be written whole may have parts that can. */
static int list_values(struct search *search)
{
    const struct text_list none = { 0 };
    const enum pln_status status = write_part(search, search->job->path, &none, NULL, search->trial, &search->order);
    return search->order.count ? 0 : model_fail(search->job->command, search->diagnostics, status, search->job->path);
}

static int find_part(struct search *search, const struct outputs *a, const struct outputs *b, struct reduced *reduced)
{
    struct outputs values = { 0 }, unused_a = { 0 }, unused_b = { 0 };
    const struct reduction *job = search->job;
    const char *first_output = job->first_wrong(a, b);
    if (!first_output) return 0;
    int status = list_values(search);
    reduced->nodes_before = search->summary.nodes_before;
    if (status == 0) status = run_side(search, job->path, true, true, &unused_b, &search->values);
    /* With all values visible less is fused, and the difference may be gone. Then it is looked for from the output. */
    if (status == 0) status = run_side(search, job->path, false, true, &unused_a, &values);
    if (status == 0) status = find_output(search, job->first_wrong(&values, &search->values), first_output);
    if (status == 0) status = widen(search);
    if (status == 0) status = shrink(search);
    if (status == 0) status = save_inputs(search, reduced);
    if (status == 0 && !(reduced->output = strdup(search->output))) status = command_fail(job->command, 1, "out of memory");
    outputs_free(&values), outputs_free(&unused_a), outputs_free(&unused_b);
    return status;
}

static int begin(struct search *search)
{
    const char *out = search->job->out_path;
    search->plugins = search->job->model->plugins;
    if (strlen(out) + 32 > sizeof search->trial) return command_fail(search->job->command, 2, "%s is too long a name", out);
    snprintf(search->trial, sizeof search->trial, "%s.%d.try", out, (int)getpid());
    return 0;
}

static void end(struct search *search)
{
    char data[4500];
    snprintf(data, sizeof data, "%s.data", search->trial);
    (void)unlink(search->trial);
    (void)unlink(data);
    outputs_free(&search->values);
    free(search->inputs.items);
    clear_names(&search->order);
    clear_names(&search->inner);
    pln_diagnostics_destroy(search->diagnostics);
}

int reduce(const struct reduction *reduction, struct reduced *out_reduced)
{
    struct search search = { .job = reduction };
    struct outputs a = { 0 }, b = { 0 };
    *out_reduced = (struct reduced){ 0 };
    int status = begin(&search);
    if (status == 0) status = outputs_run(reduction->command, reduction->model, reduction->inputs, &a, NULL);
    if (status == 0) status = run_side(&search, reduction->path, true, false, &b, NULL);
    if (status == 0) status = find_part(&search, &a, &b, out_reduced);
    out_reduced->nodes_after = search.summary.nodes_after;
    out_reduced->trials = search.trials;
    end(&search);
    outputs_free(&a), outputs_free(&b);
    return status;
}

void reduced_free(struct reduced *reduced)
{
    free(reduced->output);
    reduced->output = NULL;
}
