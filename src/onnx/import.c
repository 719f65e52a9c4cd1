#include "onnx/import.h"

#include <stdio.h>

#include "onnx/importer.h"
#include "onnx/opset.h"

/* Nodes that unfolding may add to those of the model. */
#define SPARE_NODES 200000

static uint64_t count_nodes(const struct pln_onnx_graph *graph);

static uint64_t count_bodies(const struct pln_onnx_node *node)
{
    uint64_t n = 1;
    for (uint32_t a = 0; a < node->attributes.count; a++) {
        const struct pln_onnx_attribute *attr = &node->attributes.items[a];
        if (attr->g) n += count_nodes(attr->g);
    }
    return n;
}

/* The decoder bounds the depth of nesting. */
static uint64_t count_nodes(const struct pln_onnx_graph *graph)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < graph->nodes.count; i++) n += count_bodies(&graph->nodes.items[i]);
    return n;
}

static enum pln_status index_functions(struct pln_importer *importer)
{
    const struct pln_onnx_model *model = importer->model;
    for (uint32_t i = 0; i < model->functions.count; i++) {
        const struct pln_onnx_function *f = &model->functions.items[i];
        const char *domain = pln_onnx_domain_equal(f->domain, "") ? "" : f->domain;
        size_t size = strlen(domain) + strlen(f->name) + strlen(f->overload) + 2;
        char *key = pln_arena_format(&importer->arena, "%s%c%s%c%s", domain, 1, f->name, 1, f->overload);
        if (!key || !pln_map_set(&importer->functions, key, size, i)) return pln_fail_memory(importer->diag, "functions", 0);
    }
    return PLN_OK;
}

/* ---- metadata ---- */

static enum pln_status add_metadata(struct pln_importer *importer, const char *key, const char *value)
{
    if (!value || !value[0]) return PLN_OK;
    return pln_graph_add_metadata(importer->graph, key, value) ? PLN_OK : pln_fail_memory(importer->diag, "metadata", 0);
}

static enum pln_status import_opsets(struct pln_importer *importer)
{
    const struct pln_onnx_model *model = importer->model;
    for (uint32_t i = 0; i < model->opset_imports.count; i++) {
        const struct pln_onnx_opset *opset = &model->opset_imports.items[i];
        const char *key = pln_arena_format(&importer->arena, "onnx.opset.%s", opset->domain[0] ? opset->domain : "ai.onnx");
        const char *value = pln_arena_format(&importer->arena, "%lld", (long long)opset->version);
        if (!key || !value) return pln_fail_memory(importer->diag, "metadata", 0);
        PLN_TRY(add_metadata(importer, key, value));
    }
    return PLN_OK;
}

static enum pln_status import_metadata(struct pln_importer *importer)
{
    const struct pln_onnx_model *model = importer->model;
    char number[32];
    snprintf(number, sizeof number, "%lld", (long long)model->ir_version);
    PLN_TRY(add_metadata(importer, "onnx.ir_version", number));
    snprintf(number, sizeof number, "%lld", (long long)model->model_version);
    PLN_TRY(add_metadata(importer, "onnx.model_version", number));
    PLN_TRY(add_metadata(importer, "onnx.producer_name", model->producer_name));
    PLN_TRY(add_metadata(importer, "onnx.producer_version", model->producer_version));
    PLN_TRY(add_metadata(importer, "onnx.domain", model->domain));
    PLN_TRY(import_opsets(importer));
    for (uint32_t i = 0; i < model->metadata.count; i++) {
        const struct pln_onnx_entry *entry = &model->metadata.items[i];
        const char *key = pln_arena_text(&importer->arena, entry->key.data, entry->key.size_bytes);
        const char *value = pln_arena_text(&importer->arena, entry->value.data, entry->value.size_bytes);
        if (!key || !value) return pln_fail_memory(importer->diag, "metadata", 0);
        PLN_TRY(add_metadata(importer, key, value));
    }
    return PLN_OK;
}

/* ---- inputs ---- */

static enum pln_status check_input_type(struct pln_importer *importer, const char *name, const struct pln_onnx_type *type)
{
    if (!type || type->kind == PLN_ONNX_TYPE_NONE) return pln_fail(importer->diag, PLN_BAD_MODEL, "graph input '%s' has no type", name);
    if (type->kind == PLN_ONNX_TYPE_OPAQUE || type->kind == PLN_ONNX_TYPE_SPARSE_TENSOR) {
        return pln_fail(importer->diag, PLN_UNSUPPORTED, "graph input '%s' is a sparse or opaque tensor; feed a dense one", name);
    }
    if (type->kind != PLN_ONNX_TYPE_TENSOR) return PLN_OK;
    if (!pln_dtype_valid(type->elem_type)) {
        return pln_fail(importer->diag, PLN_BAD_MODEL, "graph input '%s' has element type %d, which ONNX does not have", name, (int)type->elem_type);
    }
    if (type->shape && type->shape->dims.count > PLN_MAX_RANK) {
        return pln_fail(importer->diag, PLN_UNSUPPORTED, "graph input '%s' has %u dims; at most %d are supported", name, type->shape->dims.count,
                        PLN_MAX_RANK);
    }
    for (uint32_t d = 0; type->shape && d < type->shape->dims.count; d++) {
        const struct pln_onnx_dim *dim = &type->shape->dims.items[d];
        if (dim->kind != PLN_ONNX_DIM_VALUE || dim->value >= -1) continue; /* many exporters write -1 for a dim that is open */
        return pln_fail(importer->diag, PLN_BAD_MODEL, "graph input '%s' is declared with %lld for dim %u", name, (long long)dim->value, d);
    }
    return PLN_OK;
}

/* An initializer that a caller may replace, from IR version 4 on: a constant here, and the metadata say so. */
static enum pln_status note_default(struct pln_importer *importer, const struct pln_onnx_tensor *initializer)
{
    struct pln_tensor header;
    char text[256];
    if (importer->model->ir_version < 4) return PLN_OK;
    PLN_TRY(pln_onnx_tensor_header(initializer, importer->diag, &header));
    const char *key = pln_arena_format(&importer->arena, "planish.input_default.%s", initializer->name);
    if (!key) return pln_fail_memory(importer->diag, "metadata", 0);
    return add_metadata(importer, key, pln_tensor_describe(&header, text, sizeof text));
}

static enum pln_status import_input(struct pln_importer *importer, const struct pln_onnx_value_info *input, struct pln_scope *scope)
{
    uint32_t known;
    struct pln_type type;
    PLN_TRY(check_input_type(importer, input->name, input->type));
    if (pln_map_get_str(&scope->values, input->name, &known)) {
        return pln_fail(importer->diag, PLN_BAD_MODEL, "two graph inputs are named '%s'", input->name);
    }
    bool typed = pln_importer_type(importer, input->type, true, input->name, &type);
    uint32_t value = pln_graph_add_value(importer->graph, input->name, typed ? &type : NULL);
    bool done = typed && value != PLN_NONE && !importer->graph->dims.failed && pln_graph_add_block_input(importer->graph, 0, value) &&
                pln_scope_set(scope, input->name, value);
    return done ? PLN_OK : pln_fail_memory(importer->diag, "graph inputs", 0);
}

static enum pln_status import_inputs(struct pln_importer *importer, struct pln_scope *scope)
{
    const struct pln_onnx_graph *graph = importer->model->graph;
    struct pln_map initializers;
    pln_map_init(&initializers, importer->arena.alloc);
    enum pln_status status = PLN_OK;
    for (uint32_t i = 0; i < graph->initializers.count && status == PLN_OK; i++) {
        const char *name = graph->initializers.items[i].name;
        if (!pln_map_set(&initializers, name, strlen(name), i)) status = pln_fail_memory(importer->diag, "names", 0);
    }
    for (uint32_t i = 0; i < graph->inputs.count && status == PLN_OK; i++) {
        uint32_t at;
        if (pln_map_get_str(&initializers, graph->inputs.items[i].name, &at)) {
            status = pln_importer_check_default(importer, &graph->inputs.items[i], &graph->initializers.items[at]);
            if (status == PLN_OK) status = note_default(importer, &graph->initializers.items[at]);
        } else status = import_input(importer, &graph->inputs.items[i], scope);
        if (importer->options->all_faults) status = pln_importer_go_on(importer, scope, &graph->inputs.items[i].name, 1, status);
    }
    pln_map_deinit(&initializers);
    return status;
}

/* ---- the model ---- */

static enum pln_status import_main(struct pln_importer *importer)
{
    const struct pln_onnx_graph *graph = importer->model->graph;
    struct pln_scope *scope = pln_scope_enter(importer, NULL, NULL);
    if (!scope) return pln_fail_memory(importer->diag, "the model", 0);
    enum pln_status status = import_inputs(importer, scope);
    if (status == PLN_OK) status = pln_importer_graph(importer, graph, scope, 0);
    if (status == PLN_OK) status = pln_importer_outputs(importer, graph, scope, 0);
    pln_scope_leave(scope);
    return status;
}

static enum pln_status import_model(struct pln_importer *importer)
{
    PLN_TRY(index_functions(importer));
    PLN_TRY(import_metadata(importer));
    PLN_TRY(import_main(importer));
    PLN_TRY(pln_infer_graph(importer->graph, importer->diag));
    if (importer->graph->failed || importer->graph->dims.failed) return pln_fail_memory(importer->diag, "the model's graph", 0);
    return PLN_OK;
}

static enum pln_status import_once(struct pln_importer *importer, const struct pln_onnx_import_options *options,
                                   const struct pln_allocator *alloc, struct pln_graph **out_graph)
{
    const struct pln_onnx_model *model = importer->model;
    PLN_TRY(pln_graph_create(alloc, options->limit_bytes, importer->diag, &importer->graph));
    importer->graph->plugins = options->plugins;
    pln_arena_init(&importer->arena, alloc, 0);
    pln_map_init(&importer->functions, alloc);
    pln_map_init(&importer->params, alloc);
    pln_map_init(&importer->symbols, alloc);
    pln_map_init(&importer->rank_changers, alloc);
    importer->graph->name = pln_arena_text(&importer->graph->arena, model->graph->name, strlen(model->graph->name));
    enum pln_status status = importer->graph->name ? import_model(importer) : pln_fail_memory(importer->diag, "the model", 0);
    pln_map_deinit(&importer->rank_changers);
    pln_map_deinit(&importer->symbols);
    pln_map_deinit(&importer->params);
    pln_map_deinit(&importer->functions);
    pln_arena_deinit(&importer->arena);
    if (status == PLN_OK) *out_graph = importer->graph;
    else pln_graph_destroy(importer->graph);
    return status;
}

static const struct pln_onnx_import_options no_options;

enum pln_status pln_onnx_import(const struct pln_onnx_model *model, struct pln_onnx_externals *externals,
                                const struct pln_onnx_import_options *options, const struct pln_allocator *alloc,
                                struct pln_diag *diag, struct pln_graph **out_graph)
{
    *out_graph = NULL;
    if (!model || !model->graph) return pln_fail(diag, PLN_BAD_MODEL, "the model has no graph");
    if (!options) options = &no_options;
    if (!alloc) alloc = pln_allocator_default();
    /* Entries of an attempt with hints are of no use when the one without succeeds. */
    struct pln_diag *local = pln_alloc_zeroed(alloc, 2 * sizeof *local, sizeof(void *));
    if (!local) return pln_fail_memory(diag, "the importer", sizeof *local);
    struct pln_diag *before = local + 1, *used = diag ? diag : local;
    if (diag) *before = *diag;
    uint64_t nodes = options->max_nodes ? options->max_nodes : count_nodes(model->graph) + SPARE_NODES;
    struct pln_importer importer = { .model = model, .externals = externals, .diag = used, .nodes_left = nodes, .use_hints = !options->ignore_hints, .options = options, .unmade = PLN_NONE };
    enum pln_status status = import_once(&importer, options, alloc, out_graph);
    if (status == PLN_BAD_MODEL && importer.hints_used) {
        if (diag) *diag = *before;
        importer = (struct pln_importer){ .model = model, .externals = externals, .diag = used, .nodes_left = nodes, .options = options, .n_warned = importer.n_warnings, .unmade = PLN_NONE };
        status = import_once(&importer, options, alloc, out_graph);
    }
    pln_free(alloc, local, 2 * sizeof *local);
    return status;
}
