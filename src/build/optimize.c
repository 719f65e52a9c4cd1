/* A model through the passes that make standard ONNX, and written as such. */
#include "planish/experimental/optimize.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "graph/cut.h"
#include "onnx/check.h"
#include "onnx/encode.h"
#include "onnx/export.h"
#include "onnx/import.h"
#include "onnx/open.h"
#include "passes/pass.h"

/* Protobuf's messages end below 2 GiB. */
#define FILE_MOST ((uint64_t)INT32_MAX)
/* Smaller tensors stay in the model: shapes and scalars are looked at by every reader. */
#define EXTERNAL_LEAST 1024
/* A page, as ONNX advises for mapping. */
#define EXTERNAL_ALIGN 4096

struct optimize {
    const struct pln_optimize_options *options;
    struct pln_allocator alloc;
    struct pln_arena arena;
    struct pln_onnx_file *file;
    struct pln_graph *graph;
    struct pln_onnx_model model;
    struct pln_optimize_summary summary;
};

static enum pln_status begin_phase(const struct optimize *work, const char *phase)
{
    const struct pln_optimize_options *options = work->options;
    if (!options->progress || options->progress(options->progress_user, phase, 0, 0)) return PLN_OK;
    return pln_fail(options->diagnostics, PLN_CANCELLED, "it was cancelled");
}

static int count_nodes(const struct pln_onnx_graph *graph)
{
    int64_t n = graph->nodes.count;
    for (uint32_t i = 0; i < graph->nodes.count; i++) {
        const struct pln_onnx_node *node = &graph->nodes.items[i];
        for (uint32_t a = 0; a < node->attributes.count; a++)
            if (node->attributes.items[a].g) n += count_nodes(node->attributes.items[a].g);
    }
    return (int)PLN_MIN(n, INT_MAX);
}

/* ---- dims ---- */

static int fix_dims(struct pln_onnx_graph *graph, const char *name, size_t name_bytes, int64_t value)
{
    int found = 0;
    for (uint32_t i = 0; i < graph->inputs.count; i++) {
        struct pln_onnx_type *type = graph->inputs.items[i].type;
        for (uint32_t d = 0; type && type->shape && d < type->shape->dims.count; d++) {
            struct pln_onnx_dim *dim = &type->shape->dims.items[d];
            if (dim->kind != PLN_ONNX_DIM_PARAM || strlen(dim->param) != name_bytes || memcmp(dim->param, name, name_bytes) != 0) continue;
            dim->kind = PLN_ONNX_DIM_VALUE;
            dim->value = value;
            found++;
        }
    }
    return found;
}

static enum pln_status set_dims(struct optimize *work)
{
    struct pln_diag *diag = work->options->diagnostics;
    const char *const *dims = work->options->dims;
    for (; dims && *dims; dims++) {
        const char *equals = strrchr(*dims, '=');
        char *end = NULL;
        long long value = equals && equals > *dims ? strtoll(equals + 1, &end, 10) : -1;
        if (value < 0 || end == equals + 1 || *end) return pln_fail(diag, PLN_INVALID_ARGUMENT, "a dim is given as NAME=NUMBER, not as '%s'", *dims);
        if (!fix_dims(work->file->model.graph, *dims, (size_t)(equals - *dims), value))
            return pln_fail(diag, PLN_NOT_FOUND, "no input of the model has a dim '%.*s'", (int)(equals - *dims), *dims);
    }
    return PLN_OK;
}

/* ---- reading ---- */

static void log_warning(void *user, const char *text)
{
    const struct optimize *work = user;
    const struct pln_logger *logger = work->options->logger;
    char line[PLN_DIAG_TEXT];
    if (!logger || !logger->log) return;
    snprintf(line, sizeof line, "%s: %s", work->file->path, text);
    logger->log(logger->user, PLN_LOG_WARNING, line);
}

/* The part of the model that is asked for. Nodes that it does without go, whatever passes are off. */
static enum pln_status cut(struct optimize *work)
{
    const struct pln_optimize_options *options = work->options;
    const struct pln_pass *dead = pln_passes;
    struct pln_arena scratch;
    bool changed = false;
    if (!options->inputs && !options->outputs) return PLN_OK;
    PLN_TRY(pln_graph_cut(work->graph, options->inputs, options->outputs, options->diagnostics));
    while (!pln_str_equal(dead->name, "dead")) dead++;
    pln_arena_init(&scratch, &work->alloc, 0);
    enum pln_status status = dead->run(work->graph, &scratch, options->diagnostics, &changed);
    pln_arena_deinit(&scratch);
    pln_graph_drop_unused_inputs(work->graph);
    return status;
}

static void tell_values(const struct optimize *work)
{
    const struct pln_graph *graph = work->graph;
    if (!work->options->value) return;
    for (uint32_t id = graph->blocks[0].first; id != PLN_NONE; id = pln_graph_node(graph, id)->next) {
        const struct pln_node *node = pln_graph_node(graph, id);
        for (uint32_t i = 0; i < node->n_outputs; i++)
            if (node->outputs[i] != PLN_NONE && pln_graph_value(graph, node->outputs[i])->first_use != PLN_NONE) work->options->value(work->options->value_user, pln_graph_value(graph, node->outputs[i])->name);
    }
}

static enum pln_status read_graph(struct optimize *work, const char *path)
{
    const struct pln_optimize_options *options = work->options;
    struct pln_diag *diag = options->diagnostics;
    const struct pln_onnx_import_options import = { .limit_bytes = (size_t)options->memory_limit_bytes, .plugins = options->plugins, .warn = log_warning, .warn_user = work };
    const struct pln_pass_options passes = { .disabled = options->disabled_passes, .portable = true,
#ifndef NDEBUG
                                             .verify = true
#endif
    };
    PLN_TRY(begin_phase(work, "read the model"));
    PLN_TRY(pln_onnx_open_file(path, &work->alloc, diag, &work->file));
    PLN_TRY(pln_onnx_check_model(&work->file->model, &work->file->arena, diag));
    PLN_TRY(set_dims(work));
    work->summary.nodes_before = count_nodes(work->file->model.graph);
    PLN_TRY(begin_phase(work, "import"));
    PLN_TRY(pln_onnx_import(&work->file->model, &work->file->externals, &import, &work->alloc, diag, &work->graph));
    PLN_TRY(cut(work));
    if (options->no_passes) return PLN_OK;
    PLN_TRY(begin_phase(work, "optimize"));
    return pln_passes_run(work->graph, &passes, diag);
}

/* ---- weights in a file of their own ---- */

static enum pln_status add_entry(struct optimize *work, struct pln_onnx_tensor *tensor, const char *key, const char *value)
{
    if (!value) return pln_fail_memory(work->options->diagnostics, "a model", 0);
    tensor->external_data.items[tensor->external_data.count++] = (struct pln_onnx_entry){ { key, strlen(key) }, { value, strlen(value) } };
    return PLN_OK;
}

static enum pln_status move_out(struct optimize *work, struct pln_onnx_tensor *tensor, const char *name, struct pln_file_writer *writer)
{
    const struct pln_string data = tensor->raw_data;
    PLN_TRY(pln_file_writer_align(writer, EXTERNAL_ALIGN));
    const uint64_t offset = writer->offset;
    PLN_TRY(pln_file_writer_write(writer, data.data, data.size_bytes));
    tensor->external_data.items = pln_arena_array(&work->arena, 3, sizeof *tensor->external_data.items);
    if (!tensor->external_data.items) return pln_fail_memory(work->options->diagnostics, "a model", 0);
    tensor->present = 0;
    tensor->raw_data = (struct pln_string){ NULL, 0 };
    tensor->data_location = 1;
    PLN_TRY(add_entry(work, tensor, "location", name));
    PLN_TRY(add_entry(work, tensor, "offset", pln_arena_format(&work->arena, "%llu", (unsigned long long)offset)));
    return add_entry(work, tensor, "length", pln_arena_format(&work->arena, "%zu", data.size_bytes));
}

/* The model's own weights are read from their files until the end, and belong to it after that. */
static bool is_read(struct optimize *work, const char *path)
{
    const struct pln_onnx_externals *externals = &work->file->externals;
    struct stat file, own;
    if (stat(path, &file) != 0) return false;
    for (size_t i = 0; i < externals->index.capacity; i++) {
        const struct pln_map_slot *slot = &externals->index.slots[i];
        const char *read = slot->used ? pln_arena_format(&work->arena, "%s/%.*s", externals->folder, (int)slot->key_bytes, slot->key) : NULL;
        if (read && stat(read, &own) == 0 && own.st_dev == file.st_dev && own.st_ino == file.st_ino) return true;
    }
    return false;
}

/* The file is written, and committed by the caller when the model is complete. */
static enum pln_status write_weights(struct optimize *work, const char *out_path, struct pln_file_writer *writer)
{
    struct pln_diag *diag = work->options->diagnostics;
    const char *path = pln_arena_format(&work->arena, "%s.data", out_path);
    if (!path) return pln_fail_memory(diag, "a file name", 0);
    if (is_read(work, path)) return pln_fail(diag, PLN_INVALID_ARGUMENT, "the weights would go to '%s', which the model reads its own from; name another output", path);
    const char *slash = strrchr(path, '/');
    PLN_TRY(begin_phase(work, "write the weights"));
    PLN_TRY(pln_file_writer_open(writer, path, &work->alloc, diag));
    struct pln_onnx_graph *graph = work->model.graph;
    for (uint32_t i = 0; i < graph->initializers.count; i++)
        if (graph->initializers.items[i].raw_data.size_bytes >= EXTERNAL_LEAST) PLN_TRY(move_out(work, &graph->initializers.items[i], slash ? slash + 1 : path, writer));
    work->summary.data_bytes = writer->offset;
    return PLN_OK;
}

/* ---- the model ---- */

/* Many small pieces become a few large ones. */
struct output {
    struct pln_file_writer *writer;
    size_t used;
    uint8_t buffer[1 << 16];
};

static enum pln_status flush(struct output *output)
{
    const size_t n = output->used;
    output->used = 0;
    return n ? pln_file_writer_write(output->writer, output->buffer, n) : PLN_OK;
}

static enum pln_status put(void *user, const void *data, size_t size_bytes)
{
    struct output *output = user;
    if (size_bytes > sizeof output->buffer - output->used) PLN_TRY(flush(output));
    if (size_bytes > sizeof output->buffer) return pln_file_writer_write(output->writer, data, size_bytes);
    memcpy(output->buffer + output->used, data, size_bytes);
    output->used += size_bytes;
    return PLN_OK;
}

static enum pln_status write_model(struct optimize *work, const char *out_path)
{
    struct pln_file_writer writer;
    struct pln_diag *diag = work->options->diagnostics;
    const uint64_t bytes = pln_onnx_encoded_bytes(&pln_onnx_model_message, &work->model);
    if (bytes > FILE_MOST) return pln_fail(diag, PLN_UNSUPPORTED, "without its weights the model still takes %llu bytes, more than a file of ONNX can have", (unsigned long long)bytes);
    struct output *output = pln_arena_alloc(&work->arena, sizeof *output);
    if (!output) return pln_fail_memory(diag, "a buffer", sizeof *output);
    PLN_TRY(begin_phase(work, "write the model"));
    PLN_TRY(pln_file_writer_open(&writer, out_path, &work->alloc, diag));
    output->writer = &writer;
    const struct pln_onnx_sink sink = { put, output };
    enum pln_status status = pln_onnx_encode(&pln_onnx_model_message, &work->model, &sink);
    if (status == PLN_OK) status = flush(output);
    if (status == PLN_OK) status = pln_file_writer_commit(&writer);
    else pln_file_writer_abort(&writer);
    work->summary.file_bytes = bytes;
    return status;
}

static enum pln_status write_files(struct optimize *work, const char *out_path)
{
    const uint64_t bytes = pln_onnx_encoded_bytes(&pln_onnx_model_message, &work->model);
    struct pln_file_writer weights;
    if (bytes <= FILE_MOST && !work->options->external_data) return write_model(work, out_path);
    weights.fd = -1;
    weights.alloc = NULL;
    enum pln_status status = write_weights(work, out_path, &weights);
    if (!weights.alloc) return status;
    if (status == PLN_OK) status = pln_file_writer_commit(&weights);
    else pln_file_writer_abort(&weights);
    return status == PLN_OK ? write_model(work, out_path) : status;
}

static enum pln_status optimize(struct optimize *work, const char *path, const char *out_path)
{
    const struct pln_onnx_export_options export = { .opset = work->options->opset };
    PLN_TRY(read_graph(work, path));
    tell_values(work);
    PLN_TRY(pln_onnx_export(work->graph, &export, &work->arena, work->options->diagnostics, &work->model));
    const struct pln_onnx_graph *graph = work->model.graph;
    work->summary.nodes_after = count_nodes(graph);
    work->summary.opset = (int)pln_onnx_opset_version(work->model.opset_imports.items, work->model.opset_imports.count, "");
    for (uint32_t i = 0; i < graph->initializers.count; i++) work->summary.weights_bytes += graph->initializers.items[i].raw_data.size_bytes;
    return write_files(work, out_path);
}

enum pln_status pln_optimize_file(const char *path, const struct pln_optimize_options *options, const char *out_path, struct pln_optimize_summary *out_summary)
{
    struct pln_optimize_options own;
    struct optimize work = { .options = &own };
    const char *why = pln_options_copy(options, sizeof own, &own);
    if (out_summary) *out_summary = work.summary;
    if (!why && (!path || !out_path)) why = "the path of the model, or of the new one, is NULL";
    if (!why && own.opset < 0) why = "the operator set is negative";
    if (why) return pln_fail(own.diagnostics, PLN_INVALID_ARGUMENT, "%s", why);
    work.alloc = own.allocator ? *own.allocator : *pln_allocator_default();
    pln_arena_init(&work.arena, &work.alloc, 0);
    enum pln_status status = optimize(&work, path, out_path);
    pln_arena_deinit(&work.arena);
    pln_graph_destroy(work.graph);
    pln_onnx_close(work.file);
    if (own.diagnostics) { /* the names of nodes are gone with the graph */
        own.diagnostics->node = own.diagnostics->op = NULL;
        own.diagnostics->node_index = -1;
    }
    if (status == PLN_OK && out_summary) *out_summary = work.summary;
    return status;
}
