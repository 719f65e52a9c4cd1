/* Calls of custom operators: what they see is made here, and what they give is looked at. */
#include "kernel/custom.h"

#include <stdio.h>

#include "base/pool.h"
#include "kernel/call.h"
#include "plugin/plugins.h"

static_assert(sizeof(void *) != 8 || (sizeof(struct pln_plugin_attribute) == 104 && sizeof(struct pln_buffer) == 200), "arrays of these are part of the plugin interface");

/* ---- finding ---- */

bool pln_custom_find(const struct pln_plugins *plugins, const char *domain, const char *name, int64_t version, struct pln_custom_traits *out_traits)
{
    const struct pln_plugin *plugin = pln_plugins_find(plugins, domain, name, version);
    *out_traits = (struct pln_custom_traits){ false, 0 };
    if (!plugin) return false;
    *out_traits = (struct pln_custom_traits){ (plugin->flags & PLN_PLUGIN_PURE) != 0, plugin->min_outputs };
    return true;
}

const char *pln_custom_describe(const struct pln_plugins *plugins, const char *domain, const char *name, int64_t version, char *text, size_t text_bytes)
{
    char other[64] = "";
    const struct pln_plugin *plugin;
    for (int i = 0; !other[0] && (plugin = pln_plugins_get(plugins, i)); i++)
        if (strcmp(plugin->domain, domain) == 0 && strcmp(plugin->name, name) == 0) snprintf(other, sizeof other, "; it is registered from version %d on", plugin->since_version);
    snprintf(text, text_bytes, "'%.255s:%.255s' (version %lld%s)", domain, name, (long long)version, other);
    return text;
}

/* ---- attributes ---- */

static void set_buffer(struct pln_buffer *buffer, const struct pln_tensor *tensor)
{
    *buffer = (struct pln_buffer){ .dtype = tensor->dtype, .rank = tensor->rank, .data = tensor->data };
    if (tensor->rank > 0) memcpy(buffer->dims, tensor->dims, (size_t)tensor->rank * sizeof *buffer->dims);
    if (tensor->data) buffer->size_bytes = pln_tensor_bytes(tensor);
}

static bool set_attribute(struct pln_plugin_attribute *out, const struct pln_attr *attr, struct pln_arena *arena)
{
    *out = (struct pln_plugin_attribute){ .name = attr->name + 1, .count = (size_t)attr->n };
    struct pln_buffer *buffer;
    switch (attr->kind) {
    case PLN_ATTR_INT: out->kind = PLN_ATTRIBUTE_INT, out->i = attr->u.i; return true;
    case PLN_ATTR_FLOAT: out->kind = PLN_ATTRIBUTE_FLOAT, out->f = attr->u.f; return true;
    case PLN_ATTR_STRING: out->kind = PLN_ATTRIBUTE_STRING, out->s = attr->u.s; return true;
    case PLN_ATTR_INTS: out->kind = PLN_ATTRIBUTE_INTS, out->ints = attr->u.ints; return true;
    case PLN_ATTR_FLOATS: out->kind = PLN_ATTRIBUTE_FLOATS, out->floats = attr->u.floats; return true;
    case PLN_ATTR_STRINGS: out->kind = PLN_ATTRIBUTE_STRINGS, out->strings = attr->u.strings; return true;
    case PLN_ATTR_TENSOR:
        buffer = pln_arena_alloc(arena, sizeof *buffer);
        if (!buffer) return false;
        set_buffer(buffer, attr->u.tensor);
        out->kind = PLN_ATTRIBUTE_TENSOR;
        out->tensor = buffer;
        return true;
    }
    return true;
}

enum pln_status pln_custom_bind(const struct pln_plugins *plugins, const struct pln_attrs *attrs, const char *node, struct pln_arena *arena, struct pln_diag *diag, struct pln_custom *out_custom)
{
    *out_custom = (struct pln_custom){ .label = "custom", .node = node ? node : "", .domain = pln_attrs_string(attrs, "domain", ""), .name = pln_attrs_string(attrs, "operator", "") };
    const int64_t version = pln_attrs_int(attrs, "version", 1);
    if (!out_custom->domain[0] || !out_custom->name[0] || version < 1 || version > INT32_MAX) return pln_fail(diag, PLN_BAD_PLAN, "a step names no custom operator");
    struct pln_plugin_attribute *attributes = pln_arena_array(arena, attrs->count, sizeof *attributes);
    const char *label = pln_arena_format(arena, "%s:%s", out_custom->domain, out_custom->name);
    if (!attributes || !label) return pln_fail_memory(diag, "a custom operator", attrs->count * sizeof *attributes);
    for (size_t i = 0; i < attrs->count; i++)
        if (attrs->items[i].name[0] == '.' && !set_attribute(&attributes[out_custom->n_attributes++], &attrs->items[i], arena)) return pln_fail_memory(diag, "a custom operator", sizeof(struct pln_buffer));
    out_custom->attributes = attributes;
    out_custom->label = label;
    out_custom->version = (int)version;
    out_custom->plugin = pln_plugins_find(plugins, out_custom->domain, out_custom->name, version);
    return PLN_OK;
}

static enum pln_status fail_count(const struct pln_custom *custom, const char *what, int got, int least, int most, struct pln_diag *diag)
{
    char range[64];
    if (most < 0) snprintf(range, sizeof range, "%d or more", least);
    else if (least == most) snprintf(range, sizeof range, "%d", least);
    else snprintf(range, sizeof range, "%d to %d", least, most);
    return pln_fail(diag, PLN_BAD_MODEL, "%s takes %s %s, the node has %d", custom->label, range, what, got);
}

enum pln_status pln_custom_check(const struct pln_custom *custom, const bool *present, int n_inputs, int n_outputs, struct pln_diag *diag)
{
    const struct pln_plugin *plugin = custom->plugin;
    if (!plugin) return pln_fail(diag, PLN_INCOMPATIBLE, "custom operator '%s' is not registered", custom->label);
    if (n_inputs < plugin->min_inputs || (plugin->max_inputs >= 0 && n_inputs > plugin->max_inputs)) return fail_count(custom, "inputs", n_inputs, plugin->min_inputs, plugin->max_inputs, diag);
    if (n_outputs < plugin->min_outputs || (plugin->max_outputs >= 0 && n_outputs > plugin->max_outputs)) return fail_count(custom, "outputs", n_outputs, plugin->min_outputs, plugin->max_outputs, diag);
    for (int i = 0; i < plugin->min_inputs; i++)
        if (!present[i]) return pln_fail(diag, PLN_BAD_MODEL, "%s: input %d is left out, but needed", custom->label, i);
    return PLN_OK;
}

/* ---- one call ---- */

struct work {
    struct pln_plugin_call call; /* what the operator sees */
    const struct pln_custom *custom;
    struct pln_call *host;    /* NULL: a build asks for shapes */
    bool computing;           /* it may make outputs */
    struct pln_arena *arena;
    struct pln_diag *diag;
    struct pln_tensor *made;  /* outputs; dtype PLN_DTYPE_NONE: not yet */
    struct pln_buffer *inputs, *outputs; /* call.inputs and call.outputs, in case that somebody overwrites those */
    enum pln_status failed;   /* what was told first */
};

static enum pln_status tell(struct work *work, enum pln_status status, const char *text)
{
    if (!pln_plugins_is_status(status) || status == PLN_OK) status = PLN_INVALID_ARGUMENT;
    if (work->failed == PLN_OK) work->failed = status;
    return work->host ? pln_call_fail(work->host, status, "%s", text) : pln_fail(work->diag, status, "%s: %s", work->custom->label, text);
}

static enum pln_status tellv(struct work *work, enum pln_status status, const char *format, va_list args)
{
    char text[PLN_DIAG_TEXT];
    vsnprintf(text, sizeof text, format, args);
    return tell(work, status, text);
}

static enum pln_status tellf(struct work *work, enum pln_status status, const char *format, ...) PLN_PRINTF(3, 4);
static enum pln_status tellf(struct work *work, enum pln_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    status = tellv(work, status, format, args);
    va_end(args);
    return status;
}

static enum pln_status no_memory(struct work *work, const char *what, size_t size_bytes)
{
    if (work->failed == PLN_OK) work->failed = PLN_NO_MEMORY;
    return pln_fail_memory(work->diag, what, size_bytes);
}

/* ---- what the operator may call ---- */

static enum pln_status call_fail(struct pln_plugin_call *call, enum pln_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    status = tellv(call->internal, status, format, args);
    va_end(args);
    return status;
}

static enum pln_status make_output(struct work *work, int index, enum pln_dtype dtype, int rank, const int64_t *dims)
{
    if (index < 0 || index >= work->call.output_count) return tellf(work, PLN_INVALID_ARGUMENT, "it makes output %d, the node has %d", index, work->call.output_count);
    if (!pln_dtype_valid((int)dtype)) return tellf(work, PLN_INVALID_ARGUMENT, "output %d would have element type %d, which does not exist", index, (int)dtype);
    if (rank < 0 || rank > PLN_MAX_RANK || (rank > 0 && !dims)) return tellf(work, PLN_INVALID_ARGUMENT, "output %d would have rank %d; 0 to %d is possible", index, rank, PLN_MAX_RANK);
    struct pln_tensor *made = &work->made[index];
    if (made->dtype != PLN_DTYPE_NONE) {
        bool same = made->dtype == dtype && made->rank == rank && (rank == 0 || memcmp(made->dims, dims, (size_t)rank * sizeof *dims) == 0);
        return same ? PLN_OK : tellf(work, PLN_INVALID_ARGUMENT, "output %d is made twice, with different shapes", index);
    }
    enum pln_status status = pln_call_out(work->host, index, dtype, rank, dims, made);
    if (status != PLN_OK) {
        made->dtype = PLN_DTYPE_NONE;
        if (work->failed == PLN_OK) work->failed = status;
        return status;
    }
    set_buffer(&work->outputs[index], made);
    return PLN_OK;
}

static enum pln_status call_output(struct pln_plugin_call *call, int index, enum pln_dtype dtype, int rank, const int64_t *dims)
{
    struct work *work = call->internal;
    return work->computing ? make_output(work, index, dtype, rank, dims) : tell(work, PLN_INVALID_ARGUMENT, "'output' is for compute; shape fills in call->outputs");
}

static enum pln_status call_set_string(struct pln_plugin_call *call, int index, int64_t element, const char *data, size_t size_bytes)
{
    struct work *work = call->internal;
    struct pln_string string;
    if (!work->computing || index < 0 || index >= work->call.output_count || work->made[index].dtype != PLN_STR || element < 0 || element >= pln_tensor_count(&work->made[index]))
        return tellf(work, PLN_INVALID_ARGUMENT, "it sets string %lld of output %d, which has no such string", (long long)element, index);
    enum pln_status status = pln_call_string(work->host, index, data, size_bytes, &string);
    if (status == PLN_OK) ((struct pln_string *)work->made[index].data)[element] = string;
    else if (work->failed == PLN_OK) work->failed = status;
    return status;
}

static void *call_scratch(struct pln_plugin_call *call, size_t size_bytes)
{
    struct work *work = call->internal;
    void *memory = pln_arena_alloc_aligned(work->arena, size_bytes, 64);
    if (!memory) no_memory(work, "scratch of a custom operator", size_bytes);
    return memory;
}

struct job {
    void (*task)(void *user, int64_t first, int64_t last);
    void *user;
};

static void run_job(void *user, int64_t first, int64_t last, int worker)
{
    const struct job *job = user;
    (void)worker;
    job->task(job->user, first, last);
}

static void call_parallel(struct pln_plugin_call *call, int64_t count, int64_t grain, void (*task)(void *task_user, int64_t first, int64_t last), void *task_user)
{
    const struct work *work = call->internal;
    struct job job = { task, task_user };
    if (count <= 0) return;
    if (work->host && work->host->pool) pln_pool_run(work->host->pool, count, PLN_MAX(grain, 1), run_job, &job);
    else task(task_user, 0, count);
}

/* ---- making the call ---- */

static enum pln_status begin(struct work *work, int n_inputs, int n_outputs)
{
    const struct pln_custom *custom = work->custom;
    size_t bytes = ((size_t)n_inputs + (size_t)n_outputs) * sizeof(struct pln_buffer);
    work->inputs = pln_arena_array(work->arena, (size_t)n_inputs + 1, sizeof *work->inputs);
    work->outputs = pln_arena_array(work->arena, (size_t)n_outputs + 1, sizeof *work->outputs);
    work->made = pln_arena_array(work->arena, (size_t)n_outputs + 1, sizeof *work->made);
    if (!work->inputs || !work->outputs || !work->made) return pln_fail_memory(work->diag, "operands", bytes);
    for (int i = 0; i < n_outputs; i++) work->outputs[i].rank = -1;
    work->call = (struct pln_plugin_call){
        .struct_size = sizeof work->call, .user = custom->plugin->user, .node = custom->node, .domain = custom->domain, .name = custom->name, .version = custom->version,
        .attribute_count = custom->n_attributes, .input_count = n_inputs, .output_count = n_outputs, .attributes = custom->attributes, .inputs = work->inputs, .outputs = work->outputs,
        .internal = work, .fail = call_fail, .output = call_output, .set_string = call_set_string, .scratch = call_scratch, .parallel = call_parallel,
    };
    return PLN_OK;
}

/* Calls one of the operator's functions. What it told counts, whatever it returns. */
static enum pln_status call_function(struct work *work, enum pln_status (*function)(struct pln_plugin_call *call))
{
    struct pln_plugin_call call = work->call;
    enum pln_status status = function(&call);
    if (work->failed != PLN_OK) return work->failed;
    if (status == PLN_OK) return PLN_OK;
    if (!pln_plugins_is_status(status)) return tellf(work, PLN_INVALID_ARGUMENT, "it returned %d, which is no status", (int)status);
    return tellf(work, status, "it failed: %s", pln_status_text(status));
}

static enum pln_status call_shape(struct work *work)
{
    PLN_TRY(call_function(work, work->custom->plugin->shape));
    for (int i = 0; i < work->call.output_count; i++) {
        const struct pln_buffer *told = &work->outputs[i];
        if (told->dtype != PLN_DTYPE_NONE && !pln_dtype_valid((int)told->dtype)) return tellf(work, PLN_INVALID_ARGUMENT, "it tells element type %d of output %d, which does not exist", (int)told->dtype, i);
        if (told->rank > PLN_MAX_RANK) return tellf(work, PLN_INVALID_ARGUMENT, "it tells rank %d of output %d; at most %d is possible", told->rank, i, PLN_MAX_RANK);
    }
    return PLN_OK;
}

enum pln_status pln_custom_infer(const struct pln_custom *custom, const struct pln_tensor *inputs, int n_inputs, struct pln_tensor *outputs, int n_outputs, struct pln_arena *arena,
                                 struct pln_diag *diag)
{
    struct work work = { .custom = custom, .arena = arena, .diag = diag };
    for (int i = 0; i < n_outputs; i++) outputs[i] = (struct pln_tensor){ .rank = -1 };
    if (!custom->plugin->shape) return PLN_OK;
    PLN_TRY(begin(&work, n_inputs, n_outputs));
    for (int i = 0; i < n_inputs; i++) set_buffer(&work.inputs[i], &inputs[i]);
    PLN_TRY(call_shape(&work));
    for (int i = 0; i < n_outputs; i++) {
        const struct pln_buffer *told = &work.outputs[i];
        outputs[i].dtype = told->dtype;
        outputs[i].rank = told->rank < 0 ? -1 : told->rank;
        if (told->rank > 0) memcpy(outputs[i].dims, told->dims, (size_t)told->rank * sizeof *told->dims);
    }
    return PLN_OK;
}

/* ---- running ---- */

static enum pln_status take_inputs(struct work *work)
{
    const struct pln_call *host = work->host;
    bool *present = pln_arena_array(work->arena, (size_t)host->n_inputs + 1, sizeof *present);
    if (!present) return pln_fail_memory(work->diag, "operands", (size_t)host->n_inputs);
    for (int i = 0; i < host->n_inputs; i++) present[i] = pln_call_has(host, i);
    PLN_TRY(pln_custom_check(work->custom, present, host->n_inputs, host->n_outputs, work->diag));
    PLN_TRY(begin(work, host->n_inputs, host->n_outputs));
    for (int i = 0; i < host->n_inputs; i++) {
        const struct pln_tensor *tensor;
        if (!present[i]) continue;
        PLN_TRY(pln_call_need(host, i, &tensor));
        set_buffer(&work->inputs[i], tensor);
    }
    return PLN_OK;
}

/* Makes the outputs that `shape` tells in full; of the others nothing is said to `compute`. */
static enum pln_status make_told(struct work *work)
{
    if (!work->custom->plugin->shape) return PLN_OK;
    PLN_TRY(call_shape(work));
    for (int i = 0; i < work->call.output_count; i++) {
        const struct pln_buffer told = work->outputs[i];
        bool full = told.dtype != PLN_DTYPE_NONE && told.rank >= 0;
        for (int d = 0; d < told.rank; d++) full = full && told.dims[d] >= 0;
        work->outputs[i] = (struct pln_buffer){ .rank = -1 };
        if (full) PLN_TRY(make_output(work, i, told.dtype, told.rank, told.dims));
    }
    return PLN_OK;
}

enum pln_status pln_custom_run(struct pln_call *call)
{
    if (!call->custom) return pln_call_fail(call, PLN_INVALID_ARGUMENT, "no custom operator is named");
    struct work work = { .custom = call->custom, .host = call, .arena = call->scratch, .diag = call->diag };
    PLN_TRY(take_inputs(&work));
    PLN_TRY(make_told(&work));
    work.computing = true;
    PLN_TRY(call_function(&work, call->custom->plugin->compute));
    for (int i = 0; i < call->n_outputs; i++)
        if (call->wanted[i] && work.made[i].dtype == PLN_DTYPE_NONE) return tellf(&work, PLN_INVALID_ARGUMENT, "it made no output %d", i);
    return PLN_OK;
}
